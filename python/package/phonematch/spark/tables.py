"""Files of a job as tables of the engine.

Parquet is read as it is. Text is read by the engine's own readers, every column as text: rows that
are not the table's are marked, as `phonematch match` marks them. Parquet is the better hand-over.
"""

from __future__ import annotations

import csv
import posixpath
import time
from typing import Any, NamedTuple

from phonematch import _native

from .errors import DataRefused, InputMissing, OptOutsRefused

_DELIMITERS = ",;\t|"
_CORRUPT = "phonematch_corrupt"
_MALFORMED = "phonematch_malformed"
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


def opened(
    session: Any, file: File, rules: Any, role: str, columns: dict[str, str] | None
) -> tuple[Any, str, dict[str, str], str | None]:
    """A file, a folder or a pattern as a table: the table, its name, its mapped columns, and the
    column that marks malformed rows, if it has one.

    Raises InputMissing when nothing is there.
    """
    name, path = file
    kind, columns = _kind(path), columns or {}
    with _there(name, role):
        if kind == "parquet":
            return session.read.parquet(path), name, columns, None
        if kind == "json":
            frame = session.read.option("primitivesAsString", True).json(path)
            corrupt = "_corrupt_record"
        else:
            frame = _delimited(session, file, rules, role, columns)
            corrupt = _CORRUPT
    if corrupt not in frame.columns:
        return frame, name, columns, None
    return frame.withColumn(_MALFORMED, frame[corrupt].isNotNull()), name, columns, _MALFORMED


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


def _delimited(session: Any, file: File, rules: Any, role: str, columns: dict[str, str]) -> Any:
    name, path = file
    lines = session.read.text(path).limit(1).collect()
    if not lines:
        raise DataRefused(f"{name} ({role}) is empty: not even column names are in it")
    header = lines[0][0].removeprefix("\ufeff")

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
    return session.read.csv(
        path,
        schema=f"{fields}, {_CORRUPT} string",
        sep=delimiter,
        quote='"',
        escape='"',
        header=True,
        enforceSchema=False,
        mode="PERMISSIVE",
        columnNameOfCorruptRecord=_CORRUPT,
    )


def checked_opt_outs(session: Any, given: list[File], rules: Any) -> list[File]:
    """Those of the opt-out files that are there, none of them stale, cut or from the future.

    Raises OptOutsRefused where the policy does not allow it.
    """
    from pyspark.errors import AnalysisException
    from pyspark.sql import functions as F

    found = []
    for name, path in given:
        files = session.read.format("binaryFile").load(path)
        is_text = _kind(path) != "parquet" and not path.lower().endswith(_PACKED)
        last = F.expr("substring(content, length(content), 1)") if is_text else F.lit(None)
        try:
            files = files.select("modificationTime", "length", last.alias("last")).collect()
        except AnalysisException:
            files = []
        if not files:
            if "when_missing" in rules.refusals:
                raise OptOutsRefused(f"{name} (opt-outs) is not there")
            continue
        for file in files:
            ended = None if file["last"] is None else bytes(file["last"]) == b"\n"
            modified = file["modificationTime"].timestamp()
            wrong = rules.opt_out_fault(name, modified, time.time(), ended)
            if wrong is not None:
                raise OptOutsRefused(wrong)
        found.append(File(name, path))
    if not found:
        raise OptOutsRefused("there are no opt-outs at all, and a run needs a table of them")
    return found
