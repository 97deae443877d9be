"""Where does a run land? A folder of tables in parts, its report, and the manifest last.

Spark's own writer can set neither the metadata nor the sorting columns' statistics as the run
folder's format asks, and Sail's has other options yet. So executors write each part by the native
writer, which gives it what `phonematch match` gives its one file, and tell its digest. Parts are
cut by the first digits of tokens, which are evenly spread: the same rows make the same parts and
the same bytes, whoever writes them and however often. A part is written beside its place and moved
there whole; the manifest, which names every part by its digest, is last. On a file system with
folders all this happens in a hidden folder beside the run's, which takes the run's name when it is
complete.
"""

from __future__ import annotations

import contextlib
import json
import os
import posixpath
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .errors import EngineFailed, OutputExists, Refused, named
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


def open_store(address: str) -> tuple[Any, str]:
    """The file system of a path or address, and the path in it."""
    from pyarrow import fs

    if "://" in address:
        return fs.FileSystem.from_uri(address)
    return fs.LocalFileSystem(), os.path.abspath(address)


def has_folders(store: Any) -> bool:
    """Whether a folder can take another name in one step."""
    return store.type_name in ("local", "hdfs")


@dataclass(frozen=True)
class Parts:
    """Writes a partition's rows a file for each value of `part`, sorted by `order`.

    An engine may merge partitions behind a sort of its own, so rows are sorted here, where they are
    written: a partition's rows are in the worker's memory then.
    """

    folder: str
    table: str
    purpose: str
    order: tuple[str, ...]

    def __call__(self, batches: Iterator[Any]) -> Iterator[Any]:
        import pyarrow as pa
        import pyarrow.compute as pc

        held = [batch for batch in batches if batch.num_rows]
        if not held:
            return
        rows = pa.Table.from_batches(held)
        held.clear()
        written = []
        with tempfile.TemporaryDirectory(prefix="phonematch-") as room:
            for name in sorted(pc.unique(rows.column("part")).to_pylist()):
                part = _Part(self, name, room)
                of_part = rows.filter(pc.equal(rows.column("part"), name)).drop_columns(["part"])
                in_order = of_part.sort_by([(by, "ascending") for by in self.order])
                for batch in in_order.to_batches():
                    for repeated in _repeated(batch):
                        part.write(repeated)
                written.append(part.finish())
        columns = [list(column) for column in zip(*written, strict=True)]
        kinds = (pa.string(), pa.int64(), pa.int64(), pa.string())
        arrays = [pa.array(column, kind) for column, kind in zip(columns, kinds, strict=True)]
        yield pa.RecordBatch.from_arrays(arrays, names=["name", "rows", "bytes", "blake3"])


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
        place = posixpath.join(folder, self.parts.table, self.name)
        # Another attempt at the same task writes the same bytes; each is whole when it has the
        # name.
        attempt = f"{place}.{uuid.uuid4().hex}" if has_folders(store) else place
        with open(self.path, "rb") as source, store.open_output_stream(attempt) as target:
            shutil.copyfileobj(source, target, 1 << 20)
        if attempt != place:
            store.move(attempt, place)
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
        written = rows.mapInArrow(parts, _WRITTEN).collect()
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
    """A run folder in the making."""

    def __init__(self, out: str | os.PathLike[str]) -> None:
        self.out = os.fspath(out)
        self.store, self.path = open_store(self.out)
        self.path = self.path.rstrip("/")
        parent, name = posixpath.split(self.path)
        self.is_moved = has_folders(self.store)
        hidden = posixpath.join(parent, f".{name}.partial")
        self.staging = hidden if self.is_moved else self.path
        #: The same as executors are told it.
        self.address = self.out
        if self.is_moved:
            root = self.out.rstrip("/")[: -len(name)] if "://" in self.out else parent + "/"
            self.address = f"{root}.{name}.partial"

    def _is_there(self, path: str) -> bool:
        from pyarrow import fs

        return self.store.get_file_info(path).type != fs.FileType.NotFound

    def published(self) -> dict[str, Any] | None:
        """The report of the run that is there; None when none is.

        Raises OutputExists when something is there that is no run.
        """
        if not self._is_there(posixpath.join(self.path, MANIFEST)):
            # Without a manifest what an object store holds is what a dead run left.
            if self.is_moved and self._is_there(self.path):
                raise OutputExists(f"{self.out} is there and is no run; give another place")
            return None
        with self.store.open_input_stream(posixpath.join(self.path, REPORT)) as stream:
            return json.loads(stream.read())

    def begin(self) -> None:
        """Clears what a run left that did not come to its end."""
        if self.is_moved:
            if self._is_there(self.staging):
                self.store.delete_dir(self.staging)
        elif self._is_there(posixpath.join(self.path, MANIFEST)):
            # What is not named by a manifest is no run: the old one ends here.
            self.store.delete_file(posixpath.join(self.path, MANIFEST))
        for table in (MATCHES, REJECTS):
            folder = posixpath.join(self.staging, table)
            if self._is_there(folder):
                self.store.delete_dir(folder)
            self.store.create_dir(folder, recursive=True)

    def write(self, name: str, text: str) -> None:
        """Writes one of the run's accounts."""
        with self.store.open_output_stream(posixpath.join(self.staging, name)) as stream:
            stream.write(text.encode())

    def drop_strays(self, files: dict[str, Any]) -> None:
        """Deletes what attempts left that are no part of the run."""
        from pyarrow import fs

        for table in (MATCHES, REJECTS):
            folder = posixpath.join(self.staging, table)
            for it in self.store.get_file_info(fs.FileSelector(folder, allow_not_found=True)):
                if f"{table}/{posixpath.basename(it.path)}" not in files:
                    self.store.delete_file(it.path)

    def publish(self) -> None:
        """Gives the folder its name. An older run of that name goes."""
        if not self.is_moved:
            return
        old = f"{self.staging}.old"
        if self._is_there(old):
            self.store.delete_dir(old)
        if self._is_there(self.path):
            self.store.move(self.path, old)
        self.store.move(self.staging, self.path)
        if self._is_there(old):
            self.store.delete_dir(old)


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
    found = place.published()
    if found is None or if_exists == "replace":
        return None
    if if_exists == "skip":
        return found
    raise OutputExists(f"{place.out} is there already; if_exists may be skip or replace")
