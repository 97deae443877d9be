"""What a run reads: tables of an engine, the columns that serve, and rows keyed by workers."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import reduce
from typing import Any

from phonematch import _native

from . import workers
from .errors import DataRefused, Refused

#: The column that marks rows which are not the table's, for readers of text.
MALFORMED = "malformed"


@dataclass(frozen=True)
class Input:
    """A table of one role.

    `name` is what report and errors call it, `columns` names columns by field where well-known
    names do not serve, `malformed` a column of truth values that marks rows which are not the
    table's.
    """

    frame: Any
    name: str
    columns: dict[str, str] = field(default_factory=dict)
    malformed: str | None = None


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
    if given.malformed is not None:
        read.append(_named(frame, given.malformed).cast("boolean").alias(MALFORMED))
    return frame.select(F.lit(at).cast("int").alias("input"), *beside, *read)


def _named(frame: Any, name: str) -> Any:
    # A dot in a column's name would be taken for a field of a struct.
    return frame["`" + name.replace("`", "``") + "`"]


def union(frames: list[Any]) -> Any:
    """All rows of tables of one schema."""
    return reduce(lambda one, other: one.unionByName(other), frames)


@dataclass(frozen=True)
class Read:
    """An input with the columns that are read of it."""

    given: Any
    columns: dict[str, str]


def keyed_accounts(reads: list[Read], keys: workers.Keys) -> Any:
    """The export's rows, keyed: the columns of `workers.ACCOUNTS`."""
    frames = []
    for at, read in enumerate(reads):
        worker = workers.Accounts(keys, read.given.name)
        frame = picked(read.given, at, read.columns)
        frames.append(frame.mapInArrow(worker, workers.ACCOUNTS))
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
        frames.append(picked(given, at, read.columns).mapInArrow(worker, workers.LISTED))
    return union(frames)


def keyed_opt_outs(reads: list[Read], keys: workers.Keys) -> Any:
    """The opt-outs, keyed: the columns of `workers.SAID_NO`. `row` is their order."""
    from pyspark.sql import functions as F

    frames = []
    for at, read in enumerate(reads):
        options = {"country": read.given.country}
        worker = workers.OptOuts(keys, read.given.name, ("input", "row"), options)
        row = F.monotonically_increasing_id().alias("row")
        frame = picked(read.given, at, read.columns, (row,))
        frames.append(frame.mapInArrow(worker, workers.SAID_NO))
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


def resolve(
    rules: Any, accounts: list[Input], lists: list[ListInput], opt_outs: list[OptOutInput]
) -> Inputs:
    """Finds every column before anything is read."""
    from .layout import Store

    for role, given in (("lists", lists), ("opt_outs", opt_outs), ("accounts", accounts)):
        if not given:
            raise Refused(f"a run needs {role}")
    read_lists = [Read(it, columns_of(rules, "list", it, phones=it.phones)) for it in lists]
    has_contacts = any("last_contact_at" in it.columns for it in read_lists)
    keyed = accounts[0].frame if len(accounts) == 1 and is_keyed(accounts[0].frame) else None
    store = keyed if isinstance(keyed, Store) else None
    read_accounts = (
        []
        if keyed is not None
        else [
            Read(it, columns_of(rules, "accounts", it, has_contacts=has_contacts))
            for it in accounts
        ]
    )
    read_opt_outs = [Read(it, columns_of(rules, "opt_outs", it)) for it in opt_outs]
    forms = [
        form for it in read_lists for form in _native.Rules.forms(it.given.phones, list(it.columns))
    ]
    in_digits = "digits" in forms
    return Inputs(
        accounts=read_accounts or [Read(accounts[0], {})],
        lists=read_lists,
        opt_outs=read_opt_outs,
        keyed=keyed if store is None else store.rows,
        store=store,
        in_digits=in_digits,
        has_hashed_opt_outs=any("phone_sha256" in it.columns for it in read_opt_outs),
    )


def renamed(given: Any, frame: Any) -> Any:
    """The same input with another table."""
    return replace(given, frame=frame)
