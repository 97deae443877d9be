"""`spark-submit` for a job file: the settings, and the exit codes, of `phonematch match`.

Settings are read by the `phonematch` command that this package installs, so that flags, variables
and the file count as they do there. What a setting asks for that stays on one machine is refused by
name.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from . import tables, writing
from .errors import EngineFailed, Refused, RunError, SecretUnreadable
from .inputs import Input, ListInput, OptOutInput, columns_of
from .run import prepare
from .scope import ADVERTISER_FIGURES, check_scope, rules_of

USAGE = """usage: submit.py --job JOB.toml [flags of `phonematch match`] [--without
advertiser_figures] [--scratch DIR]

Runs a job of `phonematch match` on Spark. The secret's file is read by executors, by the path that
the job gives it. Tables that are used several times wait in the engine's cache, or in DIR. Exit
codes are the command's."""

#: The command's exit code for words that it does not understand.
_USAGE_ERROR = 2

#: Settings that change what one machine does, and that an engine has no part in.
_ONE_MACHINE = {
    "sample": "a sample is drawn by `phonematch match`",
    "dry_run": "try the job with `phonematch validate` or `phonematch match --dry-run`",
    "staging": "a run is staged beside its folder",
    "metrics_file": "what a run came to stands in its report.json",
    "openlineage_file": "what a run came to stands in its manifest.json",
    "gates.max_change_since_last_run": "runs on an engine follow none",
    "history": "what was sent is kept by `phonematch match`",
    "memory": "an engine's memory is set where the engine is",
}


@dataclass
class Job:
    """A job's settings, resolved."""

    settings: dict[str, Any]
    #: Folders that paths of a setting start from.
    bases: dict[str, Path]
    without: list[str] = field(default_factory=list)
    scratch: str | None = None

    def get(self, name: str) -> Any:
        return self.settings.get(name)

    def path(self, name: str) -> str:
        """The path of a setting that is there."""
        return self._placed(name, self.settings[name])

    def files(self, name: str) -> list[tables.File]:
        """The files of a setting: what the job calls each, and where it is."""
        return [tables.File(value, self._placed(name, value)) for value in self.get(name) or []]

    def _placed(self, name: str, value: str) -> str:
        if "://" in value or value == "-":
            return value
        return os.fspath(self.bases.get(name, Path.cwd()) / value)


def read_job(words: list[str]) -> Job:
    """Reads a job as the command does; an error of the command's ends this program with its
    code."""
    words = list(words)
    without, scratch = _taken(words, "--without"), _taken(words, "--scratch")
    show = [_command(), "config", "show", *words, "--json"]
    done = subprocess.run(show, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise CommandRefused(done.returncode, done.stderr.strip())
    job = Job({}, {}, without, scratch[-1] if scratch else None)
    for row in json.loads(done.stdout.splitlines()[-1])["settings"]:
        table, is_column, field_name = row["setting"].rpartition(".columns.")
        if is_column and not table.startswith("policy"):
            job.settings.setdefault(f"{table}.columns", {})[field_name] = row["value"]
            continue
        job.settings[row["setting"]] = row["value"]
        if row["from"]["layer"] == "file":
            job.bases[row["setting"]] = Path(row["from"]["file"]).resolve().parent
    return job


def _taken(words: list[str], flag: str) -> list[str]:
    """The values of a flag, which is taken out of the words.

    Raises CommandRefused, as the command does, where it has none.
    """
    values = []
    while flag in words:
        at = words.index(flag)
        found = [word for word in words[at + 1 : at + 2] if word and not word.startswith("--")]
        if not found:
            raise CommandRefused(_USAGE_ERROR, f"{flag} has no value")
        values += found
        del words[at : at + 2]
    return values


class CommandRefused(RunError):
    """What the `phonematch` command says of a job."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.exit_code = code


def _command() -> str:
    beside = Path(sysconfig.get_path("scripts")) / "phonematch"
    found = os.fspath(beside) if beside.exists() else shutil.which("phonematch")
    if found is None:
        raise Refused("the phonematch command of this package is not installed on the driver")
    return found


def check_settings(job: Job) -> None:
    """Refuses what an engine has no part in, by the setting's name."""
    for name, instead in _ONE_MACHINE.items():
        if job.get(name) not in (None, False):
            raise Refused(f"{name} stays on one machine: {instead}")
    if job.get("ledger") is not None and ADVERTISER_FIGURES not in job.without:
        raise Refused(
            "ledger stays on one machine: `phonematch match` charges it; a run "
            f"without {ADVERTISER_FIGURES} charges nobody"
        )
    if job.get("secret.if_missing") == "create":
        raise Refused(
            "secret.if_missing stays on one machine: executors make no secret; make it by "
            "`phonematch keygen`, and say refuse"
        )
    if job.get("previous") not in (None, "auto", "none"):
        raise Refused("previous stays on one machine: runs on an engine follow none")
    for name, value in job.settings.items():
        if name.endswith(".several_numbers") and value == "separate":
            raise Refused(f"{name} stays on one machine: a cell with several numbers is rejected")
        if name.endswith(".files") and "-" in (value or []):
            raise Refused(f"{name} names standard input, which no executor reads")
    for name in ("accounts.files", "lists.1.files", "opt_outs.files", "policy", "purpose", "out"):
        if not job.get(name):
            raise Refused(f"the job has no {name}")


def _secret(job: Job) -> str:
    if job.get("secret.file") is None:
        raise SecretUnreadable("no secret: give --secret-file, or secret.file in the job")
    return job.path("secret.file")


def _gates(job: Job) -> dict[str, float]:
    names = ("max_reject_rate", "min_match_rate", "max_match_rate")
    gates = {name: job.get(f"gates.{name}") for name in names}
    return {name: gate for name, gate in gates.items() if gate is not None}


def _inputs(session: Any, job: Job, rules: Any) -> dict[str, list[Any]]:
    opt_outs = [
        OptOutInput(
            *tables.opened(session, file, rules, "opt_outs", job.get("opt_outs.columns")),
            country=job.get("opt_outs.country"),
        )
        for file in tables.checked_opt_outs(session, job.files("opt_outs.files"), rules)
    ]
    lists, at = [], 1
    while job.get(f"lists.{at}.files"):
        for file in job.files(f"lists.{at}.files"):
            lists += _lists(session, job, rules, f"lists.{at}", file)
        at += 1
    accounts = [
        Input(*tables.opened(session, file, rules, "accounts", job.get("accounts.columns")))
        for file in job.files("accounts.files")
    ]
    return {"accounts": accounts, "lists": lists, "opt_outs": opt_outs}


def _lists(session: Any, job: Job, rules: Any, setting: str, file: tables.File) -> list[ListInput]:
    """The lists of a file or pattern. Files of a pattern whose rows name no list are a list each,
    by their names."""
    only, given_id = job.get(f"{setting}.recipient"), job.get(f"{setting}.id")
    phones, columns = job.get(f"{setting}.phones") or "by_column", job.get(f"{setting}.columns")

    def of(one: tables.File) -> ListInput:
        return ListInput(
            *tables.opened(session, one, rules, "list", columns),
            phones=phones,
            recipient=only or job.get("recipient"),
            only=only is not None,
            list_id=given_id or tables.stem(one.path),
            country=job.get(f"{setting}.country"),
        )

    given = of(file)
    if given.list_id is None:
        found = [columns_of(rules, "list", it, phones=phones) for it in given.tables]
        if not all("list_id" in it for it in found):
            return [of(one) for one in tables.each_of(session, file, "list")]
    return [given]


def run(words: list[str]) -> dict[str, Any]:
    """Runs a job; gives the report."""
    job = read_job(words)
    check_settings(job)
    policy = job.path("policy")
    rules, _ = rules_of(policy, job.get("purpose"))
    check_scope(rules, job.without)
    secret_file = _secret(job)
    out, if_exists = job.path("out"), job.get("if_exists") or "error"
    with writing.failing():
        found = writing.existing(writing.Place(out), if_exists)
    if found is not None:
        return found
    from pyspark.sql import SparkSession

    session = SparkSession.builder.appName(f"phonematch {job.get('name') or ''}").getOrCreate()
    try:
        given = _inputs(session, job, rules)
        with prepare(
            **given,
            policy=policy,
            purpose=job.get("purpose"),
            secret_file=secret_file,
            without=job.without,
            scratch=job.scratch,
        ) as done:
            done.check_gates(_gates(job))
            name = job.get("name") or "phonematch"
            return done.write(out, if_exists, job=name)
    finally:
        session.stop()


#: Engines' errors that are no failure of the engine: it was asked for what it cannot do, or a
#: worker's own code failed. Another try ends the same.
_BUGS = ("AnalysisException", "ParseException", "PythonException", "IllegalArgumentException")


def failure_of(error: Exception) -> RunError:
    """What an error that nobody named comes to: 74 where another try may succeed, as when a machine
    or a file system is lost; else 70, a bug."""
    kinds = [kind for kind in type(error).__mro__ if kind not in (object, Exception, BaseException)]
    of_engine = any(kind.__module__.split(".")[0] in ("pyspark", "py4j", "grpc") for kind in kinds)
    is_bug = any(bug in kind.__name__ for bug in _BUGS for kind in kinds)
    if isinstance(error, OSError) or (of_engine and not is_bug):
        return EngineFailed(f"the engine failed: {type(error).__name__}")
    return RunError(f"a bug, or a table of a kind that nobody thought of: {type(error).__name__}")


def main(words: list[str] | None = None) -> int:
    """The program. Its exit code is the command's; standard output has one line, of JSON."""
    words = sys.argv[1:] if words is None else words
    if "--help" in words or "-h" in words:
        print(USAGE)
        return 0
    try:
        report = run(words)
    except RunError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except Exception as error:
        # An engine's failure has many types; its text may quote a row, so only the type is told.
        failed = failure_of(error)
        print(f"error: {failed}", file=sys.stderr)
        return failed.exit_code
    print(json.dumps({"exit_code": 0, "report": report}))
    return 0
