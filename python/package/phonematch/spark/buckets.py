"""What tasks do with a bucket of keyed accounts: look its keys up in its own files.

Functions of one bucket's marks, and workers that key what a store is made of. All is imported
where it runs, as in `workers`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from . import landing
from .workers import ACCOUNTS, Accounts, Keys

#: What the store keeps of a row: whose it is, and what `ACCOUNTS` has but the input.
KEPT = ACCOUNTS.removeprefix("input int, ")
ROWS = f"account binary, {KEPT}"
TOUCHED = f"{ACCOUNTS}, in_e164 int, opted_out int, in_digits int"
FLAGS = ("in_e164", "opted_out", "in_digits")


def names_in(schema: str) -> list[str]:
    """The columns of a schema's text."""
    return [part.split()[0] for part in schema.split(", ")]


@dataclass(frozen=True)
class KeyIds:
    """The name of the secret that an executor reads."""

    keys: Keys

    def __call__(self, batches: Iterator[Any]) -> Iterator[Any]:
        import pyarrow as pa

        for batch in batches:
            yield pa.RecordBatch.from_pydict(
                {"key_id": [self.keys.keyer().key_id] * batch.num_rows}
            )


def _keyed_account(keyer: Any, digests: Any) -> Any:
    import pyarrow as pa

    from phonematch import _native

    if digests.null_count:
        raise _native.InputError("a row of the accounts names no account")
    return pa.array(keyer.match_key_of_sha256(digests))


@dataclass(frozen=True)
class AccountKeys:
    """Keys the digests of accounts."""

    keys: Keys

    def __call__(self, batches: Iterator[Any]) -> Iterator[Any]:
        import pyarrow as pa

        keyer = self.keys.keyer()
        for batch in batches:
            yield pa.RecordBatch.from_arrays(
                [_keyed_account(keyer, batch.column("account"))], names=["account"]
            )


class KeyedAccounts(Accounts):
    """Account rows as `workers.Accounts` makes them, beside the keys of their accounts."""

    def __call__(self, batches: Iterator[Any]) -> Iterator[Any]:
        keyer = self.keys.keyer()
        for batch in super().__call__(batches):
            at = batch.schema.get_field_index("account")
            yield batch.set_column(at, "account", _keyed_account(keyer, batch.column(at)))


def people_of_bucket(folder: str, version: str) -> Any:
    """Whose the marked keys without plus of one bucket are, as a function of the marks. `version` is
    the file that is there for as long as the folder's version is.

    Engines count a function's arguments, so it is no object that is called.
    """

    def people_of(marks: Any) -> Any:
        import pyarrow as pa
        import pyarrow.compute as pc

        found = [pa.table({"key": pa.array([], pa.binary())})]
        for part, at in _looked_up(folder, marks, "digits", ["digits", "person"]):
            found.append(pa.table({"key": part.filter(pc.is_valid(at))["person"]}))
        _check_there(version)
        return pa.concat_tables(found)

    return people_of


def touched_of_bucket(folder: str, version: str) -> Any:
    """The touched rows of one bucket, as a function of its marks."""

    def touched_of(marks: Any) -> Any:
        import pyarrow as pa
        import pyarrow.compute as pc

        touched = [_typed().empty_table()]
        for part, at in _looked_up(folder, marks, "person", names_in(KEPT)):
            is_touched = pc.or_(pc.is_valid(at), pc.is_valid(part["barred"]))
            part, at = part.filter(is_touched), at.filter(is_touched)
            columns = [pa.array([0] * len(part), pa.int32()), *part.columns]
            for name in FLAGS:
                columns.append(_whole(marks[name]).take(at).fill_null(0).cast(pa.int32()))
            touched.append(pa.table(columns, schema=_typed()))
        _check_there(version)
        return pa.concat_tables(touched)

    return touched_of


def _check_there(version: str) -> None:
    """A bucket that was deleted looks as if nobody were in it, and nobody had said no.

    Raises InputError.
    """
    from phonematch import _native

    files, path = landing.open_store(version)
    if not landing.is_there(files, path):
        raise _native.InputError(
            "the accounts' version was deleted while it was read: open the store again"
        )


def _typed() -> Any:
    """The Arrow types of `TOUCHED`."""
    import pyarrow as pa

    kinds = {
        "int": pa.int32(),
        "bigint": pa.int64(),
        "string": pa.string(),
        "binary": pa.binary(),
        # Spark compares types to the last word.
        "array<binary>": pa.list_(pa.field("element", pa.binary())),
    }
    parts = (part.split() for part in TOUCHED.split(", "))
    return pa.schema([(name, kinds[kind]) for name, kind in parts])


def _looked_up(folder: str, marks: Any, key: str, columns: list[str]) -> Iterator[Any]:
    """A bucket's files, a row group at a time, each with the places of its keys among the marks."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq
    from pyarrow.fs import FileSelector

    typed = _typed()
    keys = _whole(marks["key"]).cast(pa.binary())
    files, path = landing.open_store(f"{folder}/bucket=b{marks['bucket'][0].as_py()}")
    for found in files.get_file_info(FileSelector(path, allow_not_found=True)):
        if found.base_name.startswith(("_", ".")) or not found.is_file:
            continue
        with pq.ParquetFile(files.open_input_file(found.path)) as file:
            for group in range(file.num_row_groups):
                part = file.read_row_group(group, columns=columns).select(columns)
                part = part.cast(pa.schema([typed.field(name) for name in columns]))
                # A null is no key: it finds nothing, though the marks hold one.
                places = pc.index_in(part[key], value_set=keys, skip_nulls=True)
                yield part, _whole(places)


def _whole(column: Any) -> Any:
    """A column of a table as one array."""
    import pyarrow as pa

    return pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)
