"""Files of a job as tables of the engine.

Parquet is read as it is. Text is read by the engine's own readers, every column as text: rows that
are not the table's are marked, as `phonematch match` marks them. Parquet is the better hand-over.
"""

from __future__ import annotations

import csv
import posixpath
import re
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

from phonematch import _native

from . import landing
from .errors import DataRefused, InputMissing, OptOutsRefused, Refused

_DELIMITERS = ",;\t|"
_CORRUPT = "phonematch_corrupt"
_MALFORMED = "phonematch_malformed"
_CORRUPT_JSON = "_corrupt_record"
#: Files whose columns are looked at together.
_AT_ONCE = 16
#: What an engine may read into one cell, to see a file's end.
_SMALL_BYTES = 64 << 20
_PACKED = (".gz", ".zst", ".zstd", ".bz2")


class File(NamedTuple):
    """A file, a folder or a pattern: what its job calls it, and where it is."""

    name: str
    path: str


def stem(path: str) -> str | None:
    """A file's name up to its first dot: the list's name where nothing else gives one."""
    name = posixpath.basename(path.rstrip("/")).split(".")[0]
    return None if any(mark in name for mark in "*?[") else name or None


def _kind(path: str) -> str:
    name = path.lower()
    for packed in _PACKED:
        name = name.removesuffix(packed)
    for kind, ends in (
        ("json", (".ndjson", ".jsonl", ".json")),
        ("csv", (".csv", ".tsv", ".txt")),
    ):
        if name.endswith(ends):
            return kind
    return "parquet"


def files_of(session: Any, file: File, role: str) -> list[tuple[str, int]]:
    """The files of a file, a folder or a pattern, with their lengths in bytes, by name.

    Raises InputMissing when nothing is there, and DataRefused for folders that are a column's
    values: the column is in no file, and other tables have it otherwise.
    """
    name, path = file
    with _there(name, role):
        found = session.read.format("binaryFile").load(path)
        beside = set(found.columns) - {"path", "modificationTime", "length", "content"}
        rows = found.select("path", "length").collect()
    if beside:
        raise DataRefused(
            f"{name} ({role}) lies in folders that are a column's values: name each of them, or a "
            "pattern of them, and have the column in the files"
        )
    if not rows:
        raise InputMissing(f"{name} ({role}) is not there, or is no table")
    # Names are given to the engine again, and must mean these files alone.
    if any(mark in row["path"] for row in rows for mark in "*?[]{}\\"):
        raise DataRefused(f"{name} ({role}) has a file with a pattern's mark in its name")
    return sorted((_absolute(row["path"]), row["length"]) for row in rows)


def _absolute(path: str) -> str:
    # Sail tells a place on the disk by its path from the root, without the slash.
    return path if path.startswith("/") or ":" in path.split("/")[0] else f"/{path}"


def each_of(session: Any, file: File, role: str) -> list[File]:
    """Each file of a pattern by itself."""
    return [File(path, path) for path, _ in files_of(session, file, role)]


def opened(
    session: Any, file: File, rules: Any, role: str, columns: dict[str, str] | None
) -> tuple[Any, str, dict[str, str], str | None, tuple[Any, ...]]:
    """A file, a folder or a pattern as a table: the table, its name, its mapped columns, the
    column that marks malformed rows where there are some, and tables of those files whose columns
    are others.

    Files that are alike are one table. A column that only some files have would be lost, or be
    taken for blank, if the first file spoke for all.

    Raises InputMissing when nothing is there, and DataRefused for text that cannot be read a line
    at a time.
    """
    name, columns, kind = file.name, columns or {}, _kind(file.path)
    found = files_of(session, file, role)
    # An opt-out file of nothing was judged by the policy before.
    paths = [path for path, length in found if role != "opt_outs" or length > 0]
    with _there(name, role), ThreadPoolExecutor(_AT_ONCE) as pool:
        if kind == "csv":
            heads = list(pool.map(lambda path: _first_line(session, path), paths))
        else:
            reader = _json(session) if kind == "json" else session.read
            heads = list(pool.map(lambda path: _schema(reader, kind, path), paths))
    alike: dict[Any, tuple[Any, list[str]]] = {}
    for path, head in zip(paths, heads, strict=True):
        alike.setdefault(str(head), (head, []))[1].append(path)
    frames = []
    for head, several in alike.values():
        if kind == "csv":
            frames.append(_delimited(session, (name, several), head, rules, role, columns))
        elif kind == "json":
            frames.append(_marked(_json(session).schema(head).json(several), _CORRUPT_JSON))
        else:
            frames.append(session.read.schema(head).parquet(*several))
    first, *others = frames
    return first, name, columns, _MALFORMED, tuple(others)


def _json(session: Any) -> Any:
    return session.read.option("primitivesAsString", True)


def _schema(reader: Any, kind: str, path: str) -> Any:
    return getattr(reader, kind)(path).schema


def _first_line(session: Any, path: str) -> str | None:
    lines = session.read.text(path).limit(1).collect()
    return lines[0][0].removeprefix("\ufeff") if lines else None


def _marked(frame: Any, corrupt: str) -> Any:
    """The table with malformed rows marked, where its reader found that there may be some."""
    if corrupt not in frame.columns:
        return frame
    return frame.withColumn(_MALFORMED, frame[corrupt].isNotNull())


class _there:
    """Names what is missing: an engine's own message is many lines."""

    def __init__(self, path: str, role: str) -> None:
        self.path, self.role = path, role

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        from pyspark.errors import AnalysisException

        if isinstance(error, AnalysisException):
            raise InputMissing(f"{self.path} ({self.role}) is not there, or is no table") from None


def _delimited(
    session: Any,
    files: tuple[str, list[str]],
    header: str | None,
    rules: Any,
    role: str,
    columns: dict[str, str],
) -> Any:
    name, paths = files
    if header is None:
        raise DataRefused(f"{name} ({role}) is empty: not even column names are in it")

    def names(delimiter: str) -> list[str]:
        return next(csv.reader([header], delimiter=delimiter))

    def fitting(delimiter: str) -> tuple[bool, int]:
        try:
            rules.columns(role, names(delimiter), name, columns)
        except _native.InputError:
            return False, len(names(delimiter))
        return True, len(names(delimiter))

    delimiter = max(_DELIMITERS, key=fitting)
    try:
        # A file without names is refused before its first row is taken for some, and told to the
        # engine.
        rules.columns(role, names(delimiter), name, columns)
    except _native.InputError as error:
        raise DataRefused(str(error)) from None
    fields = ", ".join(f"`{field.replace('`', '``')}` string" for field in names(delimiter))
    _check_quotes(session, files, delimiter, role)
    frame = session.read.csv(
        paths,
        schema=f"{fields}, {_CORRUPT} string",
        sep=delimiter,
        quote='"',
        escape='"',
        header=True,
        enforceSchema=False,
        mode="PERMISSIVE",
        columnNameOfCorruptRecord=_CORRUPT,
    )
    return _marked(frame, _CORRUPT)


def open_quote(delimiter: str) -> str:
    """The pattern of lines that end while a quote is open, by the rules of `phonematch match`: a
    quote opens where it begins a cell, and two stand for one."""
    other = f"[^{re.escape(delimiter)}]"
    plain = f'[^"{re.escape(delimiter)}]{other}*'
    begun = '"[^"]*(?:""[^"]*)*'
    return f'^(?:(?:{begun}"(?:{plain})?|(?:{plain})?){re.escape(delimiter)})*{begun}$'


def _check_quotes(session: Any, files: tuple[str, list[str]], delimiter: str, role: str) -> None:
    """Refuses text with a line break in a cell: the engine takes each line for a row, and a no in
    the second half of one would be nobody's.

    Raises DataRefused.
    """
    name, paths = files
    lines = session.read.text(paths)
    if lines.filter(lines["value"].rlike(open_quote(delimiter))).limit(1).collect():
        raise DataRefused(
            f"{name} ({role}) has a line break within quotes, or a quote that never ends, which an "
            "engine's reader does not follow: hand it over as Parquet"
        )


def checked_opt_outs(session: Any, given: list[File], rules: Any) -> list[File]:
    """Those of the opt-out files that are there, none of them stale, empty, cut or from the future.

    Raises OptOutsRefused where the policy does not allow it.
    """
    found = []
    for file in given:
        name, path = file
        try:
            sizes = dict(files_of(session, file, "opt_outs"))
        except InputMissing:
            if "when_missing" in rules.refusals:
                raise OptOutsRefused(f"{name} (opt-outs) is not there") from None
            continue
        if "when_empty" in rules.refusals and 0 in sizes.values():
            raise OptOutsRefused(f"{name} (opt-outs) is empty, and the policy refuses that")
        is_text = _kind(path) != "parquet" and not path.lower().endswith(_PACKED)
        ends = _last_bytes(session, name, path, sizes) if is_text else {}
        files = session.read.format("binaryFile").load(path)
        for row in files.select("path", "modificationTime").collect():
            last = ends.get(_absolute(row["path"]))
            ended = None if last is None else last == b"\n"
            modified = row["modificationTime"].timestamp()
            wrong = rules.opt_out_fault(name, modified, time.time(), ended)
            if wrong is not None:
                raise OptOutsRefused(wrong)
        if any(sizes.values()):
            found.append(file)
    if not found:
        raise OptOutsRefused("there are no opt-outs at all, and a run needs a table of them")
    return found


def _last_bytes(session: Any, name: str, path: str, sizes: dict[str, int]) -> dict[str, bytes]:
    """The last byte of each file that has one. The engine reads a file as one cell, so that of
    large ones it is looked for by itself.

    Raises OptOutsRefused when a large file cannot be reached from here.
    """
    from pyspark.sql import functions as F

    files = session.read.format("binaryFile").load(path)
    small = files.filter((F.col("length") > 0) & (F.col("length") <= _SMALL_BYTES))
    last = F.expr("substring(content, length(content), 1)")
    rows = small.select("path", last.cast("binary").alias("last")).collect()
    ends = {_absolute(row["path"]): bytes(row["last"]) for row in rows}
    for place, size in sizes.items():
        if size > _SMALL_BYTES:
            try:
                store, inside = landing.open_store(place)
                with store.open_input_file(inside) as large:
                    large.seek(size - 1)
                    ends[place] = large.read(1)
            except (OSError, ValueError, Refused):
                raise OptOutsRefused(
                    f"{name} (opt-outs) is too large for its end to be looked at through the "
                    "engine, and the driver cannot open it: hand it over as Parquet"
                ) from None
    return ends
