"""Where does a run land? Tables in parts, its report, and the manifest that makes them a run.

Spark's own writer can set neither the metadata nor the sorting columns' statistics as the run
folder's format asks, and Sail's has other options yet. So executors write each part by the native
writer, which gives it what `phonematch match` gives its one file, and tell its digest. Parts are
cut by the first digits of tokens, which are evenly spread: the same rows make the same parts and
the same bytes, whoever writes them and however often.

A run's files are in a folder of its own, which no other run has the name of: `OUT/<32 hex
digits>/`. `OUT/manifest.json` names that folder, and each part by its digest, and comes last, by
one rename or one write: so whoever looks finds the run before or this one, whole, whatever happens
on the way. Two runs for one place need no lock. This is what `phonematch match` does in stores.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import posixpath
import re
import tempfile
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .errors import EngineFailed, InputMissing, OutputExists, Refused, named
from .landing import for_engines, is_there, land, make_folder, open_store
from .workers import Keys

MATCHES = "matches.parquet"
REJECTS = "rejects.parquet"
REPORT = "report.json"
MANIFEST = "manifest.json"

#: Most rows of a part, about: a row group, and what a worker sorts in memory.
PART_ROWS = 1 << 20
#: Hex digits that parts are cut by at most: 65 536 parts.
_MOST_DIGITS = 4

#: Rows of a batch that repeats one.
_MOST_REPEATED = 1 << 16

_WRITTEN = "name string, rows bigint, bytes bigint, blake3 string"


@dataclass(frozen=True)
class Parts:
    """How a table's parts are written: sorted by `order`, into a folder of `table`'s name."""

    folder: str
    table: str
    purpose: str
    order: tuple[str, ...]

    def writer(self) -> Any:
        """Writes one part, as a function of its rows, whose column `part` names it. An engine hands
        on one part at a time, so a worker holds no more than that.

        Engines count a function's arguments, so it is no object that is called.
        """

        def write_part(rows: Any) -> Any:
            import pyarrow as pa

            name = rows.column("part")[0].as_py()
            order = [(by, "ascending") for by in self.order]
            rows = rows.drop_columns(["part"]).sort_by(order)
            with tempfile.TemporaryDirectory(prefix="phonematch-") as room:
                part = _Part(self, name, room)
                for batch in rows.to_batches():
                    for repeated in _repeated(batch):
                        part.write(repeated)
                told = part.finish()
            columns = [[cell] for cell in told]
            kinds = (pa.string(), pa.int64(), pa.int64(), pa.string())
            arrays = [pa.array(column, kind) for column, kind in zip(columns, kinds, strict=True)]
            return pa.table(arrays, names=["name", "rows", "bytes", "blake3"])

        return write_part


def _repeated(batch: Any) -> Iterator[Any]:
    """Rows as often as their column `times` says, where they have one: nobody need hold them all."""
    import pyarrow as pa

    if "times" not in batch.schema.names:
        yield batch
        return
    for at, times in enumerate(batch.column("times").to_pylist()):
        row = batch.slice(at, 1)
        for begin in range(0, times, _MOST_REPEATED):
            yield row.take(pa.repeat(pa.scalar(0), min(_MOST_REPEATED, times - begin)))


class _Part:
    """A file on the executor's own disk until it is whole."""

    def __init__(self, parts: Parts, name: str, room: str) -> None:
        from phonematch import _native

        self.parts, self.name, self.rows = parts, name, 0
        self.path = os.path.join(room, name)
        self.writer = _native.PartWriter(self.path, parts.table, parts.purpose)

    def write(self, rows: Any) -> None:
        self.writer.write(rows)
        self.rows += rows.num_rows

    def finish(self) -> tuple[str, int, int, str]:
        size, digest = self.writer.finish()
        store, folder = open_store(self.parts.folder)
        # Another attempt at the same task writes the same bytes; each is whole when it has the
        # name.
        with open(self.path, "rb") as source:
            land(store, posixpath.join(folder, self.parts.table, self.name), source)
        os.unlink(self.path)
        return self.name, self.rows, size, digest


@dataclass(frozen=True)
class Sealed:
    """Puts the secret's seal into texts, and beside each the secret's public name."""

    keys: Keys

    def __call__(self, batches: Iterator[Any]) -> Iterator[Any]:
        import pyarrow as pa

        from phonematch import _native

        keyer = self.keys.keyer()
        for batch in batches:
            texts = [
                text.replace(KEY_ID_PLACE, keyer.key_id)
                for text in batch.column("text").to_pylist()
            ]
            sealed = pa.array([_native.seal(keyer, text) for text in texts], pa.string())
            yield pa.RecordBatch.from_arrays([batch.column("at"), sealed], names=["at", "text"])


#: What stands for the secret's public name and for the seal until an executor puts them in.
KEY_ID_PLACE = "<key_id>"
SEAL_PLACE = "0" * 64


def digits_for(rows: int) -> int:
    """By how many hex digits of tokens so many rows are cut into parts."""
    digits = 0
    while digits < _MOST_DIGITS and rows > PART_ROWS * 16**digits:
        digits += 1
    return digits


def write_table(frame: Any, parts: Parts, digits: int) -> dict[str, Any]:
    """Writes a table, cut by the first digits of the first column that it is sorted by; tells its
    parts by name. One without rows has one part with none."""
    from pyspark.sql import functions as F

    prefix = F.substring(F.col(parts.order[0]), 1, digits) if digits else F.lit("0")
    name = F.concat(F.lit("part-"), prefix, F.lit(".parquet"))
    rows = frame.withColumn("part", name).repartition(16**digits, "part")
    with named():
        written = rows.groupBy("part").applyInArrow(parts.writer(), _WRITTEN).collect()
    if not written:
        written = [_empty(parts)]
    found = {}
    for row in written:
        name, rows, size, digest = row
        found[f"{parts.table}/{name}"] = {"bytes": size, "blake3": digest, "rows": rows}
    return found


def _empty(parts: Parts) -> tuple[str, int, int, str]:
    with tempfile.TemporaryDirectory(prefix="phonematch-") as room:
        return _Part(parts, "part-0.parquet", room).finish()


class Place:
    """The place of a run, and the folder in it that this run alone writes to."""

    def __init__(self, out: str | os.PathLike[str]) -> None:
        self.out = os.fspath(out)
        self.store, self.path = open_store(self.out)
        #: The run's folder, named by nobody else.
        self.run = uuid.uuid4().hex
        self.folder = posixpath.join(self.path, self.run)
        root = self.out.rstrip("/") if "://" in self.out else self.path
        #: The same as executors are told it, and as the engine's own reader is.
        self.address = f"{root}/{self.run}"
        self.readable = for_engines(self.store, self.address, self.folder)

    def manifest(self) -> dict[str, Any] | None:
        """That of the run that is there; None when none is.

        Raises OutputExists when something is there that is no run.
        """
        try:
            with self.store.open_input_stream(posixpath.join(self.path, MANIFEST)) as stream:
                manifest = json.loads(stream.read())
        except (FileNotFoundError, NotADirectoryError):
            # What a run left that did not come to its end is nobody's, and in nobody's way.
            if all(_is_of_a_run(name) for name in self._names()):
                return None
            manifest = None
        except ValueError:
            manifest = None
        if not isinstance(manifest, dict) or "format" not in manifest:
            raise OutputExists(f"{self.out} is there and is no run; give another place")
        return manifest

    def _names(self) -> list[str]:
        from pyarrow import fs

        if self.store.get_file_info(self.path).type == fs.FileType.File:
            return [self.path]
        found = self.store.get_file_info(fs.FileSelector(self.path, allow_not_found=True))
        return [it.base_name for it in found if not it.base_name.startswith(f".{MANIFEST}.")]

    def published(self) -> dict[str, Any] | None:
        """The report of the run that is there; None when none is.

        Raises OutputExists when something is there that is no run.
        """
        manifest = self.manifest()
        if manifest is None:
            return None
        place = posixpath.join(self.path, _folder_in(manifest) or "", REPORT)
        with self.store.open_input_stream(place) as stream:
            return json.loads(stream.read())

    def begin(self) -> None:
        """Makes the run's folder, and those of its tables."""
        make_folder(self.store, self.path)
        for folder in ("", MATCHES, REJECTS):
            make_folder(self.store, posixpath.join(self.folder, folder).rstrip("/"))

    def write(self, name: str, text: str) -> None:
        """Writes one of the run's accounts."""
        land(self.store, posixpath.join(self.folder, name), io.BytesIO(text.encode()))

    def drop_strays(self, files: dict[str, Any]) -> None:
        """Deletes what attempts of this run left that are no part of it."""
        from pyarrow import fs

        for table in (MATCHES, REJECTS):
            folder = posixpath.join(self.folder, table)
            for it in self.store.get_file_info(fs.FileSelector(folder, allow_not_found=True)):
                if f"{table}/{posixpath.basename(it.path)}" not in files:
                    self.store.delete_file(it.path)

    def abandon(self) -> None:
        """Deletes the run's own folder, which was not published."""
        # Nothing can be done about a failure here: the next run tells of the folder.
        with contextlib.suppress(OSError):
            self.store.delete_dir(self.folder)

    def publish(self, manifest: str, may_replace: bool) -> list[str]:
        """Makes what is in the run's folder the run of the place. The files of the run that it
        replaces go; those of no other do, which may be at work.

        Returns:
            Folders in the place that are of no run that was published: of one that died, or is at
            work.

        Raises:
            OutputExists: a run was published meanwhile and may not be replaced, or it is one
                machine's, whose files are beside its manifest.
        """
        before = self.manifest()
        old = _folder_in(before) if before is not None else None
        if before is not None and (old is None or not may_replace):
            raise OutputExists(f"{self.out} holds a run by now; if_exists may be replace")
        place = posixpath.join(self.path, MANIFEST)
        source = io.BytesIO(manifest.encode())
        try:
            land(self.store, place, source, may_replace=may_replace)
        except FileExistsError:
            raise OutputExists(f"{self.out} holds a run by now") from None
        if old is not None and is_there(self.store, posixpath.join(self.path, old)):
            self.store.delete_dir(posixpath.join(self.path, old))
        return sorted(name for name in self._names() if _is_of_a_run(name) and name != self.run)


def _is_of_a_run(name: str) -> bool:
    """Whether a folder has a name as runs give one to theirs."""
    return re.fullmatch("[0-9a-f]{32}", name) is not None


def _folder_in(manifest: dict[str, Any]) -> str | None:
    """The folder that a manifest names; None for a run whose files are beside it."""
    folder = str(manifest.get("folder") or "")
    return folder if _is_of_a_run(folder) else None


def published_folder(out: str | os.PathLike[str]) -> str:
    """Where the tables of a run that was written to `out` are: a path or address, to read
    `matches.parquet` and `rejects.parquet` from.

    Raises:
        InputMissing: no run is there.
        OutputExists: something is there that is no run.
    """
    place = Place(out)
    manifest = place.manifest()
    if manifest is None:
        raise InputMissing(f"{place.out} holds no run")
    return posixpath.join(posixpath.dirname(place.address), _folder_in(manifest) or "").rstrip("/")


@contextlib.contextmanager
def failing() -> Iterator[None]:
    """A file system that fails is an error of its own: another try may succeed."""
    try:
        yield
    except OSError as error:
        raise EngineFailed(f"the output cannot be written: {error.strerror or error}") from error


def existing(place: Place, if_exists: str) -> dict[str, Any] | None:
    """What is to be told of a run that is there already, where that is all; None to go on.

    Raises OutputExists where `if_exists` says to refuse.
    """
    if if_exists not in ("error", "skip", "replace"):
        raise Refused("if_exists is error, skip or replace")
    manifest = place.manifest()
    if manifest is None:
        return None
    if if_exists == "skip":
        return place.published()
    if if_exists == "replace":
        if _folder_in(manifest) is None:
            raise OutputExists(f"{place.out} holds a run of one machine; give another place")
        return None
    raise OutputExists(f"{place.out} is there already; if_exists may be skip or replace")
