"""Why a run on an engine ends without a result, each with the exit code of the `phonematch`
command.

No message holds a number, a hash of one or text of a cell.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator


class RunError(Exception):
    """A run that ends without a result. `exit_code` is what the entry point ends with."""

    exit_code = 70


class DataRefused(RunError):
    """The data is there and is not what the job or the policy asks for."""

    exit_code = 65


class OptOutsRefused(RunError):
    """The opt-outs are missing, empty or cannot all be read, and the policy does not allow it."""

    exit_code = 66


class InputMissing(RunError):
    """An input is not there."""

    exit_code = 66


class AuditFailed(RunError):
    """What was written is not what was promised: a bug. Nothing is published."""

    exit_code = 70


class OutputExists(RunError):
    """The run folder is there already, or a store is at another version by now."""

    exit_code = 73


class EngineFailed(RunError):
    """The engine, or a file system behind it, failed half-way; another try may succeed."""

    exit_code = 74


class SecretUnreadable(RunError):
    """An executor cannot read the secret's file, or others can."""

    exit_code = 77


class Refused(RunError):
    """The job or the policy asks for what stays on one machine, or contradicts itself."""

    exit_code = 78


#: What the native module raises on an executor, by the name that stands in the engine's message.
_RAISED = {
    "SecretError": SecretUnreadable,
    "InputError": DataRefused,
    "PolicyError": Refused,
}


@contextlib.contextmanager
def named() -> Iterator[None]:
    """Gives errors that an executor raised their own type again; others pass as they are."""
    try:
        yield
    except RunError:
        raise
    except Exception as error:
        # Engines put their own words round it, and some leave out the module's name.
        found = re.search(rf"\b({'|'.join(_RAISED)}): ([^\n]*)", str(error))
        if found is None:
            raise
        raise _RAISED[found[1]](found[2].strip()) from None
