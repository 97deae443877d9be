"""Accounts keyed once and kept in buckets, so that a night moves its lists and not the export.

    from phonematch.spark import layout

    store = layout.create(accounts, "/data/accounts", policy="ads.toml", purpose="ads",
                          secret_file="/run/secrets/phonematch.key")
    store = layout.open_store(spark, "/data/accounts", policy=…, purpose=…, secret_file=…)
    store = store.apply(changed, gone)                 # each night: what changed since
    pm.match(store, lists, opt_outs, …)

A bucket is all keys with the same first bits. A match sends each bucket's keys of lists and
opt-outs to one task, and the task reads the bucket's files itself: no engine has the export in a
shuffle for it, or in a plan. Where lists hold hashes without plus, a narrow index, in buckets of
its own, tells whose keys they are first.

A version of the store is a folder of its own and, put in place last and over nothing, a file
`layout-NNNNNN.json` that names it; the highest counts. So a run that dies leaves the store as it
was, and of two that take in a night at once one is refused. What is kept of a person are keys under
the secret, never a number; still, they are the same for every recipient and belong in the house.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import posixpath
import re
import uuid
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

from phonematch import _native

from . import inputs as reading
from . import landing
from .buckets import (
    FLAGS,
    KEPT,
    ROWS,
    TOUCHED,
    AccountKeys,
    KeyedAccounts,
    KeyIds,
    names_in,
    people_of_bucket,
    touched_of_bucket,
)
from .errors import InputMissing, OutputExists, Refused, named
from .inputs import Input, union
from .run import rules_of
from .workers import ACCOUNTS, Keys

#: Where rows without a number are: they match nobody, and may say no.
NO_KEY = "none"

#: Its tables, with the key that each is in buckets by.
TABLES = (("rows", "person"), ("digits", "digits"))


@dataclass(frozen=True)
class State:
    """What a version's file says. `policy` and `key_id` are those that the rows were keyed by."""

    version: int
    #: The version's folder, named by nobody else.
    folder: str
    hex_digits: int
    purpose: str
    policy: str
    key_id: str
    metadata: str


@dataclass(frozen=True)
class Store:
    """Keyed accounts at rest: what `match` takes in the place of accounts."""

    session: Any
    folder: str
    keys: Keys
    state: State

    @property
    def rows(self) -> Any:
        """All rows, with the columns of `workers.ACCOUNTS` and no `bucket`."""
        from pyspark.sql import functions as F

        rows = self._table("rows")
        return rows.select(F.lit(0).alias("input"), *names_in(KEPT))

    @property
    def columns(self) -> list[str]:
        """Those of `rows`."""
        return names_in(ACCOUNTS)

    def check(self, rules: Any, secret_file: str) -> None:
        """Refuses a run by another policy or secret than the rows were keyed by: people would not
        be found, and a no would find nobody.

        Raises Refused.
        """
        _check(
            self.state, rules, _key_id(self.session, replace(self.keys, secret_file=secret_file))
        )

    def touched(self, marks: Any, digits: Any | None) -> Any:
        """The rows whose number is marked, and those that say no.

        Args:
            marks: `key`, `in_e164`, `opted_out`: each key of a number with plus once.
            digits: `key` of numbers without plus that lists have; None where they have none.

        Returns:
            The columns of `workers.ACCOUNTS`, and the marks; `in_digits` is 1 for `digits`.
        """
        from pyspark.sql import functions as F

        parts = [marks.select("key", "in_e164", "opted_out", F.lit(0).alias("in_digits"))]
        if digits is not None:
            index = people_of_bucket(self._path("digits"), self._state_path)
            found = self._by_bucket(digits.select("key")).applyInArrow(index, "key binary")
            parts.append(
                found.select(
                    "key",
                    F.lit(0).alias("in_e164"),
                    F.lit(0).alias("opted_out"),
                    F.lit(1).alias("in_digits"),
                )
            )
        # A bucket without a mark may hold somebody who says no.
        every = F.lower(F.lpad(F.hex("id"), self.state.hex_digits, "0"))
        every = self.session.range(16**self.state.hex_digits).select(every.alias("bucket"))
        flags = [F.max(name).alias(name) for name in FLAGS]
        marks = union(parts).groupBy("key").agg(*flags)
        marks = marks.withColumn("bucket", self._bucket("key"))
        marks = marks.unionByName(every, allowMissingColumns=True)
        touched = touched_of_bucket(self._path("rows"), self._state_path)
        return marks.groupBy("bucket").applyInArrow(touched, TOUCHED)

    def apply(self, changed: Any, gone: Any | None = None, account_id: str = "account_id") -> Store:
        """Takes in what changed since: the next version of the store.

        All rows of an account that is in `changed` or in `gone` leave, and those of `changed` come.
        A row that says no comes even where the account is in `gone` as well, and of several rows of
        one account all come: so a no wins over whatever else the same night says.

        Args:
            changed: rows as the export has them, of accounts that are new or differ in anything.
            gone: accounts that are no more, by their `account_id`.
            account_id: the column's name in both.

        Returns:
            The store at its new version. The version before stays for runs that read it; older ones
            are deleted.

        Raises:
            OutputExists: the store is at another version by now: another night was taken in.
            DataRefused: a column is missing, or a row has no account.
            SecretUnreadable: an executor cannot read the secret's file.
        """
        self._check_newest()
        version = self.state.version + 1
        state = replace(self.state, version=version, folder=_named(version))
        following = replace(self, state=state)
        rules = _native.Rules(self.keys.policy)
        # Both tables are made of it, and what leaves them too: keyed once where there is a cache.
        keyed = self._keyed(rules, changed, account_id).persist()
        try:
            with following._begun(), named():
                fresh, leaving = keyed, keyed.select("account")
                if gone is not None:
                    ids = self._accounts_in(gone, account_id)
                    leaving = leaving.unionByName(ids)
                    fresh = self._but_gone(fresh, ids)
                for name, key in TABLES:
                    following._write(name, self._kept(name, leaving), _indexed(name, fresh), key)
                self._check_newest()
        finally:
            keyed.unpersist()
        following._publish()
        following._delete_older()
        return following

    def _accounts_in(self, frame: Any, account_id: str) -> Any:
        digests = frame.select(_account(frame, account_id))
        return digests.mapInArrow(AccountKeys(self.keys), "account binary")

    def _but_gone(self, fresh: Any, ids: Any) -> Any:
        from pyspark.sql import functions as F

        says_no = F.col("barred").isNotNull()
        there = fresh.join(F.broadcast(ids.distinct()), "account", "left_anti")
        return fresh.filter(says_no).unionByName(there.filter(~says_no))

    def _kept(self, name: str, leaving: Any) -> Any:
        """Rows of accounts that do not leave. The few are sent to the many, which stay in place."""
        from pyspark.sql import functions as F

        leaving = F.broadcast(leaving.distinct())
        return self._table(name).join(leaving, "account", "left_anti")

    def _keyed(self, rules: Any, accounts: Any, account_id: str) -> Any:
        given = Input(accounts, "accounts")
        columns = reading.columns_of(rules, "accounts", given, has_contacts=True)
        frame = reading.picked(given, 0, columns, (_account(accounts, account_id),))
        worker = KeyedAccounts(self.keys, given.name, ("input", "account"))
        return frame.mapInArrow(worker, f"input int, {ROWS}").drop("input")

    def _table(self, name: str) -> Any:
        return self.session.read.parquet(self._path(name)).drop("bucket")

    def _path(self, name: str) -> str:
        return f"{self.folder}/{self.state.folder}/{name}"

    @property
    def _state_path(self) -> str:
        return f"{self.folder}/{_state_name(self.state.version)}"

    def _bucket(self, key: str) -> Any:
        from pyspark.sql import functions as F

        return F.lower(F.substring(F.hex(key), 1, self.state.hex_digits))

    def _by_bucket(self, keys: Any) -> Any:
        return keys.withColumn("bucket", self._bucket("key")).groupBy("bucket")

    def _write(self, name: str, kept: Any | None, fresh: Any, key: str) -> None:
        """Writes a table of this version: what was there lies in its buckets already."""
        from pyspark.sql import functions as F

        bucket = F.coalesce(self._bucket(key), F.lit(NO_KEY))

        def in_bucket(rows: Any) -> Any:
            # Spark takes a column of folders that are named 00 to 99 for numbers.
            return rows.withColumn("bucket", F.concat(F.lit("b"), bucket))

        rows = in_bucket(fresh).repartition("bucket").sortWithinPartitions("bucket", key)
        rows = rows if kept is None else in_bucket(kept).unionByName(rows)
        rows.write.partitionBy("bucket").parquet(self._path(name))

    @contextlib.contextmanager
    def _begun(self) -> Iterator[None]:
        """Makes the version's folder, and deletes it again if what is done within fails. Engines
        make what is in it by the account's own mask, so on a disk nobody else may enter."""
        files, folder = landing.open_store(self.folder)
        place = posixpath.join(folder, self.state.folder)
        landing.make_folder(files, place)
        try:
            yield
        except BaseException:
            # Of what is left a later night tells nothing, and deletes it.
            with contextlib.suppress(OSError):
                files.delete_dir(place)
            raise

    def _check_newest(self) -> None:
        """Raises OutputExists when another version counts by now: what it took in would be lost."""
        if _read_state(self.folder) != self.state:
            raise _moved_on(self.folder)

    def _publish(self) -> None:
        files, place = landing.open_store(self._state_path)
        text = json.dumps(asdict(self.state), indent=2) + "\n"
        try:
            landing.land(files, place, io.BytesIO(text.encode()), may_replace=False)
        except FileExistsError:
            raise _moved_on(self.folder) from None

    def _delete_older(self) -> None:
        """Deletes what is older than the version before: its file first, by which whoever still
        reads it sees that it goes. What died, or is at work on the same version, is not."""
        files, folder = landing.open_store(self.folder)
        older = [
            (kind, found)
            for kind, version, found in _entries(files, folder)
            if version < self.state.version - 1
        ]
        for _, found in sorted(older, key=lambda it: it[0] != "layout"):
            if found.is_file:
                files.delete_file(found.path)
            else:
                files.delete_dir(found.path)


def create(
    accounts: Any,
    folder: str | os.PathLike[str],
    *,
    policy: str | os.PathLike[str],
    purpose: str,
    secret_file: str | os.PathLike[str],
    account_id: str = "account_id",
    hex_digits: int = 2,
) -> Store:
    """Keys the export and writes it in buckets: the one time that it is shuffled.

    Args:
        accounts: the export, with a column that tells accounts apart.
        folder: a path or address that the engine and, through pyarrow, its executors can open.
        policy, purpose, secret_file: as for `match`.
        account_id: the name of that column. What is kept of it is a key.
        hex_digits: how many of a key's first digits name its bucket, 1 to 4: 16 to 65 536 buckets.
            With 3, 4096, a bucket of 3 billion accounts holds 730 000 rows.

    Returns:
        The store, at version 1.

    Raises:
        OutputExists: a store is there already.
        Refused: the policy is none or for another purpose, or `hex_digits` is not 1 to 4.
        DataRefused: a column is missing, or a row has no account.
        SecretUnreadable: an executor cannot read the secret's file, or others can.
    """
    if not 1 <= hex_digits <= 4:
        raise Refused("a bucket is named by 1 to 4 digits")
    rules, text = rules_of(policy, purpose)
    folder = os.fspath(folder)
    if _read_state(folder) is not None:
        raise OutputExists(f"{folder} holds a store of accounts already")
    keys = Keys(text, os.fspath(secret_file), both_forms=True)
    session = accounts.sparkSession
    key_id = _key_id(session, keys)
    names = (purpose, rules.digest, key_id, _native.METADATA_VERSION)
    store = Store(session, folder, keys, State(1, _named(1), hex_digits, *names))
    with store._begun(), named():
        rows = store._keyed(rules, accounts, account_id)
        store._write("rows", None, rows, "person")
        store._write("digits", None, _indexed("digits", store._table("rows")), "digits")
    store._publish()
    return store


def open_store(
    session: Any,
    folder: str | os.PathLike[str],
    *,
    policy: str | os.PathLike[str],
    purpose: str,
    secret_file: str | os.PathLike[str],
) -> Store:
    """The store at its newest version.

    Raises:
        InputMissing: there is none.
        Refused: it was keyed by another policy, secret or phone metadata, or for another purpose.
        SecretUnreadable: an executor cannot read the secret's file, or others can.
    """
    rules, text = rules_of(policy, purpose)
    state = _read_state(os.fspath(folder))
    if state is None:
        raise InputMissing(f"{os.fspath(folder)} holds no store of accounts")
    keys = Keys(text, os.fspath(secret_file), both_forms=True)
    _check(state, rules, _key_id(session, keys))
    return Store(session, os.fspath(folder), keys, state)


def _check(state: State, rules: Any, key_id: str) -> None:
    now = {
        "purpose": rules.purpose,
        "policy": rules.digest,
        "secret": key_id,
        "phone metadata": _native.METADATA_VERSION,
    }
    then = {
        "purpose": state.purpose,
        "policy": state.policy,
        "secret": state.key_id,
        "phone metadata": state.metadata,
    }
    if other := [name for name, value in now.items() if value != then[name]]:
        raise Refused(
            f"the accounts were keyed by another {' and '.join(other)}: key the export anew"
        )


def _named(version: int) -> str:
    """A name for a version's folder that no other try at the version has."""
    return f"v{version:06}-{uuid.uuid4().hex}"


def _state_name(version: int) -> str:
    return f"layout-{version:06}.json"


#: A version's file or folder, and what a killed driver left of its file.
_ENTRY = re.compile(r"\.?(layout|v)-?([0-9]{6,})(?:\.json(?:\.[0-9a-f]{32})?|-[0-9a-f]{32})")


def _entries(files: Any, folder: str) -> list[tuple[str, int, Any]]:
    """What lies in a store: `layout` or `v`, of which version, and where."""
    from pyarrow.fs import FileSelector

    entries = []
    for found in files.get_file_info(FileSelector(folder, allow_not_found=True)):
        if named_so := _ENTRY.fullmatch(found.base_name):
            entries.append((named_so[1], int(named_so[2]), found))
    return entries


def _moved_on(folder: str) -> OutputExists:
    return OutputExists(f"{folder} is at another version by now: open it again")


def _read_state(folder: str) -> State | None:
    """The version that counts; None where there is none."""
    files, path = landing.open_store(folder)
    versions = {it.base_name: version for _, version, it in _entries(files, path) if it.is_file}
    newest = max((v for name, v in versions.items() if name == _state_name(v)), default=None)
    if newest is None:
        return None
    with files.open_input_stream(posixpath.join(path, _state_name(newest))) as text:
        return State(**json.loads(text.read()))


def _indexed(name: str, rows: Any) -> Any:
    """What a table keeps of rows: `digits` tells whose a key without plus is."""
    from pyspark.sql import functions as F

    if name == "rows":
        return rows
    return rows.filter(F.col("digits").isNotNull()).select("account", "digits", "person")


def _account(frame: Any, name: str) -> Any:
    """The digest of an account's name, in a space of its own: the name may be a phone number."""
    from pyspark.sql import functions as F

    if name not in frame.columns:
        raise Refused(f"the accounts have no column {name}, which tells them apart")
    text = F.col(name).cast("string")
    filled = F.when(F.trim(text) != "", F.concat(F.lit("phonematch/account/"), text))
    return F.sha2(filled, 256).alias("account")


def _key_id(session: Any, keys: Keys) -> str:
    with named():
        return session.range(1).mapInArrow(KeyIds(keys), "key_id string").collect()[0]["key_id"]
