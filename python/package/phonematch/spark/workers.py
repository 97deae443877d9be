"""What runs on executors: record batches through the native module.

A worker is sent to executors by its fields: paths and names, and the policy's text. The secret is
read there, from its file, once a partition. Everything is imported where it runs: workers are
forked from a process that must not have it loaded.

What goes back is `Binary`, `Utf8` and integers: Spark refuses fixed-size bytes and view types.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

#: Columns of keyed accounts, in order. `person` and `digits` are keys of the number with and
#: without plus, `others` those of its aliases; moments are numbers in their order.
ACCOUNTS = (
    "input int, reject string, barred string, person binary, digits binary, "
    "others array<binary>, region string, os string, os_version int, device string, "
    "verified bigint"
)
LISTED = (
    "input int, reject string, recipient string, list_id string, key binary, is_digest boolean, "
    "owner binary, owner_is_digest boolean, contact bigint, looks_wrong boolean"
)
SAID_NO = (
    "input int, row bigint, reject string, is_other boolean, bars array<binary>, hashed binary, "
    "people array<binary>"
)


@dataclass(frozen=True)
class Keys:
    """Under which policy and secret rows are read; the secret by the path that executors see."""

    policy: str
    secret_file: str
    both_forms: bool = False

    def keyer(self) -> Any:
        from phonematch import _native

        return _native.Keyer(self.secret_file)

    def rules(self) -> Any:
        from phonematch import _native

        return _native.Rules(self.policy)


@dataclass(frozen=True)
class Worker:
    """Reads the rows of one input. `beside` names columns that pass through, in front."""

    keys: Keys
    name: str
    beside: tuple[str, ...] = ("input",)
    options: dict[str, Any] = field(default_factory=dict)

    def __call__(self, batches: Iterator[Any]) -> Iterator[Any]:
        import pyarrow as pa

        read = self.reader()
        for batch in batches:
            made = pa.array(read(batch))
            columns = [batch.column(name) for name in self.beside] + made.flatten()
            names = [*self.beside, *(made.type.field(at).name for at in range(len(made.type)))]
            yield pa.RecordBatch.from_arrays(columns, names=names)

    def reader(self) -> Any:
        raise NotImplementedError


class Accounts(Worker):
    def reader(self) -> Any:
        from phonematch import _native

        keyer, rules, both = self.keys.keyer(), self.keys.rules(), self.keys.both_forms
        return lambda batch: _native.account_rows(keyer, rules, batch, both, self.name)


class Lists(Worker):
    def reader(self) -> Any:
        from phonematch import _native

        keyer, rules = self.keys.keyer(), self.keys.rules()
        return lambda batch: _native.list_rows(keyer, rules, batch, name=self.name, **self.options)


class OptOuts(Worker):
    def reader(self) -> Any:
        from phonematch import _native

        keyer, rules, both = self.keys.keyer(), self.keys.rules(), self.keys.both_forms
        country = self.options["country"]
        return lambda batch: _native.opt_out_rows(keyer, rules, batch, both, country, self.name)


@dataclass(frozen=True)
class Verdicts:
    """Appends the text column `verdict` that the policy's `rule` makes of each batch."""

    policy: str
    rule: str
    arguments: tuple[Any, ...] = ()

    def __call__(self, batches: Iterator[Any]) -> Iterator[Any]:
        import pyarrow as pa

        from phonematch import _native

        decide = getattr(_native.Rules(self.policy), self.rule)
        for batch in batches:
            verdict = pa.array(decide(batch, *self.arguments))
            yield pa.RecordBatch.from_arrays(
                [*batch.columns, verdict], names=[*batch.schema.names, "verdict"]
            )


def showing(policy: str) -> Any:
    """What groups of one recipient's people may show, as a function of a table: attributes get the
    names `shown_…`. Engines count a function's arguments, so it is no object that is called."""

    def shown_of(table: Any) -> Any:
        import pyarrow as pa

        from phonematch import _native

        table = table.combine_chunks()
        batch = pa.RecordBatch.from_arrays(
            [_whole(table.column(name)) for name in table.schema.names], names=table.schema.names
        )
        shown = pa.array(_native.Rules(policy).show_alike(batch))
        names = [f"shown_{shown.type.field(at).name}" for at in range(len(shown.type))]
        for name, column in zip(names, shown.flatten(), strict=True):
            table = table.append_column(name, column)
        # Spark compares types to the last word, whether an element may be null.
        lists = pa.list_(pa.field("element", pa.int32()))
        kinds = {"lists": lists, "os_version": pa.int32(), "shown_os_version": pa.int32()}
        names = [name for name in table.schema.names if name != "many"]
        return pa.table(
            {name: table.column(name).cast(kinds.get(name, pa.string())) for name in names}
        )

    return shown_of


def _whole(column: Any) -> Any:
    import pyarrow as pa

    whole = column.combine_chunks()
    return pa.concat_arrays(whole.chunks) if isinstance(whole, pa.ChunkedArray) else whole


@dataclass(frozen=True)
class Tokens:
    """Puts tokens in the place of keys: `key` becomes `token`, `owner` becomes `owner_token`."""

    keys: Keys
    columns: tuple[tuple[str, str], ...]

    def __call__(self, batches: Iterator[Any]) -> Iterator[Any]:
        import pyarrow as pa

        from phonematch import _native

        keyer, named = self.keys.keyer(), dict(self.columns)
        for batch in batches:
            made = {
                name: pa.array(_native.tokens(keyer, batch, name)) if name in named else column
                for name, column in zip(batch.schema.names, batch.columns, strict=True)
            }
            names = [named.get(name, name) for name in made]
            yield pa.RecordBatch.from_arrays(list(made.values()), names=names)
