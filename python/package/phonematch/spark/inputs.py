"""What a run reads: tables of an engine, the columns that serve, and rows keyed by workers."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import reduce
from typing import Any

from phonematch import _native

from . import buckets, workers
from .errors import DataRefused, Refused, named

#: The column that marks rows which are not the table's, for readers of text.
MALFORMED = "malformed"


@dataclass(frozen=True)
class Input:
    """A table of one role.

    `name` is what report and errors call it, `columns` names columns by field where well-known
    names do not serve, `malformed` a column of truth values that marks rows which are not the
    table's. `others` are tables of the same input whose columns are not those of `frame`: each has
    its columns found by itself.
    """

    frame: Any
    name: str
    columns: dict[str, str] = field(default_factory=dict)
    malformed: str | None = None
    others: tuple[Any, ...] = ()

    @property
    def tables(self) -> list[Input]:
        """Each table by itself, as an input of its own."""
        alone = replace(self, others=())
        return [alone, *(replace(alone, frame=frame) for frame in self.others)]


@dataclass(frozen=True)
class ListInput(Input):
    """A table of list rows. `recipient` and `list_id` are those of rows that name none, and with
    `only` rows can name no other recipient."""

    phones: str = "by_column"
    recipient: str | None = None
    only: bool = False
    list_id: str | None = None
    country: str | None = None


@dataclass(frozen=True)
class OptOutInput(Input):
    """A table of opt-outs; `country` is that of rows that name none."""

    country: str | None = None


def columns_of(rules: Any, role: str, given: Input, **options: Any) -> dict[str, str]:
    """The table's columns by field, as the policy allows.

    Raises DataRefused when one is missing or two could be meant.
    """
    names = [name for name in given.frame.columns if name != given.malformed]
    try:
        return rules.columns(role, names, given.name, given.columns, **options)
    except _native.InputError as error:
        raise DataRefused(str(error)) from None


def picked(given: Input, at: int, columns: dict[str, str], beside: tuple[Any, ...] = ()) -> Any:
    """The columns that are read, by the names of their fields, behind `input` and `beside`."""
    from pyspark.sql import functions as F

    frame = given.frame
    read = [_named(frame, name).alias(field) for field, name in columns.items()]
    mark = given.malformed
    if mark is not None and mark in frame.columns:
        read.append(_named(frame, mark).cast("boolean").alias(MALFORMED))
    return frame.select(F.lit(at).cast("int").alias("input"), *beside, *read)


def _named(frame: Any, name: str) -> Any:
    # A dot in a column's name would be taken for a field of a struct.
    return frame["`" + name.replace("`", "``") + "`"]


def union(frames: list[Any]) -> Any:
    """All rows of tables of one schema."""
    return reduce(lambda one, other: one.unionByName(other), frames)


@dataclass(frozen=True)
class Read:
    """An input with the columns that are read of it: of each of its tables, those that it has."""

    given: Any
    parts: tuple[tuple[Any, dict[str, str]], ...]

    @classmethod
    def of(cls, rules: Any, role: str, given: Input, **options: Any) -> Read:
        """Finds the columns of each table.

        Raises DataRefused as `columns_of` does.
        """
        tables = given.tables
        return cls(given, tuple((it, columns_of(rules, role, it, **options)) for it in tables))

    @property
    def columns(self) -> set[str]:
        """The fields that any of the tables has."""
        return {field for _, columns in self.parts for field in columns}

    def frames(self, at: int, beside: tuple[Any, ...] = ()) -> list[Any]:
        """`picked` of each table: one without a column has none, which is not a column of nulls."""
        return [picked(table, at, columns, beside) for table, columns in self.parts]


def keyed_accounts(reads: list[Read], keys: workers.Keys) -> Any:
    """The export's rows, keyed: the columns of `workers.ACCOUNTS`."""
    frames = []
    for at, read in enumerate(reads):
        worker = workers.Accounts(keys, read.given.name)
        frames += [frame.mapInArrow(worker, workers.ACCOUNTS) for frame in read.frames(at)]
    return union(frames)


def keyed_lists(reads: list[Read], keys: workers.Keys) -> Any:
    """The lists' rows, keyed: the columns of `workers.LISTED`."""
    frames = []
    for at, read in enumerate(reads):
        given = read.given
        options = {
            name: getattr(given, name)
            for name in ("phones", "recipient", "only", "list_id", "country")
        }
        worker = workers.Lists(keys, given.name, options=options)
        frames += [frame.mapInArrow(worker, workers.LISTED) for frame in read.frames(at)]
    return union(frames)


def keyed_opt_outs(reads: list[Read], keys: workers.Keys) -> Any:
    """The opt-outs, keyed: the columns of `workers.SAID_NO`. `row` is their order."""
    from pyspark.sql import functions as F

    frames = []
    for at, read in enumerate(reads):
        options = {"country": read.given.country}
        worker = workers.OptOuts(keys, read.given.name, ("input", "row"), options)
        # No two tables of an input have a row of one name.
        many = len(read.parts)
        for part, (table, columns) in enumerate(read.parts):
            row = (F.monotonically_increasing_id() * many + part).alias("row")
            frames.append(picked(table, at, columns, (row,)).mapInArrow(worker, workers.SAID_NO))
    return union(frames)


@dataclass(frozen=True)
class Inputs:
    """Everything that a run reads, with its columns found."""

    accounts: list[Read]
    lists: list[Read]
    opt_outs: list[Read]
    #: Keyed accounts, where they were given as such.
    keyed: Any
    #: The store that they are kept in, where they are: `layout.Store`.
    store: Any
    #: Whether a list's rows may be digests of numbers without plus, and so accounts are looked up
    #: in both forms.
    in_digits: bool
    #: Whether an opt-out may be a digest.
    has_hashed_opt_outs: bool

    @property
    def both_forms(self) -> bool:
        return self.in_digits or self.has_hashed_opt_outs


def is_keyed(frame: Any) -> bool:
    """Whether a table holds keyed accounts, as `key_accounts` makes them."""
    wanted = {part.split()[0] for part in workers.ACCOUNTS.split(", ")}
    return wanted <= set(frame.columns)


def _rows_of(keyed: Any) -> Any:
    return None if keyed is None else keyed.select(*buckets.names_in(workers.ACCOUNTS))


#: By what accounts were keyed: columns beside those of `workers.ACCOUNTS`, the same in each row.
KEYED_BY = {
    "keyed_for": "purpose",
    "keyed_by_policy": "policy",
    "keyed_by_secret": "secret",
    "keyed_by_metadata": "phone metadata",
}


def keyed_by(rules: Any, session: Any, keys: workers.Keys) -> dict[str, str]:
    """What accounts are keyed by, by the names of `KEYED_BY`. The secret's name is an executor's
    to tell."""
    with named():
        told = session.range(1).mapInArrow(buckets.KeyIds(keys), "key_id string").collect()
    told_by = (rules.purpose, rules.digest, told[0]["key_id"], _native.METADATA_VERSION)
    return dict(zip(KEYED_BY, told_by, strict=True))


def check_keyed(frame: Any, rules: Any, keys: workers.Keys) -> None:
    """Refuses accounts that were keyed for another purpose, or by another policy, secret or phone
    metadata, and those that do not say by what: a no of another purpose would bar nobody.

    Raises Refused.
    """
    if missing := set(KEYED_BY) - set(frame.columns):
        raise Refused(f"keyed accounts without {', '.join(sorted(missing))}: key the export anew")
    now = keyed_by(rules, frame.sparkSession, keys)
    with named():
        told = frame.select(*KEYED_BY).distinct().limit(2).collect()
    other = {KEYED_BY[name] for row in told for name in KEYED_BY if row[name] != now[name]}
    if other:
        raise Refused(
            f"the accounts were keyed by another {' and '.join(sorted(other))}: key the export anew"
        )


def resolve(
    rules: Any, accounts: list[Input], lists: list[ListInput], opt_outs: list[OptOutInput]
) -> Inputs:
    """Finds every column before anything is read."""
    from .layout import Store

    for role, given in (("lists", lists), ("opt_outs", opt_outs), ("accounts", accounts)):
        if not given:
            raise Refused(f"a run needs {role}")
    read_lists = [Read.of(rules, "list", it, phones=it.phones) for it in lists]
    has_contacts = any("last_contact_at" in it.columns for it in read_lists)
    keyed = accounts[0].frame if len(accounts) == 1 and is_keyed(accounts[0].frame) else None
    store = keyed if isinstance(keyed, Store) else None
    read_accounts = (
        []
        if keyed is not None
        else [Read.of(rules, "accounts", it, has_contacts=has_contacts) for it in accounts]
    )
    read_opt_outs = [Read.of(rules, "opt_outs", it) for it in opt_outs]
    forms = [
        form
        for it in read_lists
        for _, columns in it.parts
        for form in _native.Rules.forms(it.given.phones, list(columns))
    ]
    in_digits = "digits" in forms
    return Inputs(
        accounts=read_accounts or [Read(accounts[0], ())],
        lists=read_lists,
        opt_outs=read_opt_outs,
        keyed=_rows_of(keyed) if store is None else store.rows,
        store=store,
        in_digits=in_digits,
        has_hashed_opt_outs=any("phone_sha256" in it.columns for it in read_opt_outs),
    )


def renamed(given: Any, frame: Any) -> Any:
    """The same input with another table."""
    return replace(given, frame=frame)
