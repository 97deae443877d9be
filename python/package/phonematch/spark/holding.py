"""Where do tables wait that a run uses several times?

In the engine's own cache; or, for an engine that has none, such as Sail, as Parquet in a scratch
folder. Without either an engine computes such a table anew for each use, keys and all: with the
same answer, many times as slowly. What waits holds match keys and what is known of accounts, no
number.
"""

from __future__ import annotations

import os
import posixpath
import uuid
import warnings
from typing import Any

from .errors import Refused, named
from .landing import for_engines, make_folder, open_store


class Cached:
    """Tables in the engine's cache, computed when they are first used."""

    def __init__(self) -> None:
        self._held: list[Any] = []
        self._is_closed = False

    def hold(self, frame: Any) -> Any:
        """The same table, kept once it was computed.

        Raises Refused after `close`: nobody would give it back.
        """
        _check_open(self._is_closed)
        frame = frame.persist()
        self._held.append(frame)
        return frame

    def close(self) -> None:
        """Gives all of them back."""
        self._is_closed = True
        for frame in self._held:
            frame.unpersist()
        self._held.clear()


class Written:
    """Tables in a folder of the run's own within a scratch folder, computed when they are held. A
    local folder is its owner's alone, so there driver and executors run as one account."""

    def __init__(self, scratch: str | os.PathLike[str]) -> None:
        address = os.fspath(scratch)
        self._store, path = open_store(address)
        run = uuid.uuid4().hex
        self._path = posixpath.join(path, run)
        self._address = for_engines(self._store, f"{address.rstrip('/')}/{run}", self._path)
        self._count = 0
        self._is_closed = False

    def hold(self, frame: Any) -> Any:
        """The same table, read from where it was written to.

        Raises Refused after `close`: nobody would delete it.
        """
        _check_open(self._is_closed)
        if self._count == 0:
            make_folder(self._store, self._path)
        self._count += 1
        place = f"{self._address}/{self._count}"
        with named():
            frame.write.parquet(place)
            return frame.sparkSession.read.schema(frame.schema).parquet(place)

    def close(self) -> None:
        """Deletes the folder. Where that fails it warns: what the run came to stands."""
        was_closed, self._is_closed = self._is_closed, True
        if was_closed or self._count == 0:
            return
        try:
            self._store.delete_dir(self._path)
        except OSError:
            warnings.warn(f"the scratch folder {self._path} is left: delete it", stacklevel=3)


def _check_open(is_closed: bool) -> None:
    if is_closed:
        raise Refused("the run was closed: begin another")
