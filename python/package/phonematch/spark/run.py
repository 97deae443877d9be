"""A run on an engine, from tables to what may leave."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Iterable
from functools import cached_property
from typing import Any

from phonematch import _native

from . import inputs as reading
from .counting import Counting, count_opt_outs, list_reports
from .errors import AuditFailed, DataRefused, OptOutsRefused, named
from .holding import Cached, Written
from .inputs import Input, ListInput, OptOutInput, union
from .joining import Join
from .leaving import Leaving
from .pairs import LeavingPairs
from .scope import check_names, check_scope, day_of, rules_of
from .workers import Keys

_TEXTS = "at int, text string"


def _text(account: dict[str, Any]) -> str:
    return json.dumps(account, indent=2, ensure_ascii=False) + "\n"


def _with_seal(text: str) -> str:
    """The text of an account with room for its seal, its last field."""
    from .writing import SEAL_PLACE

    return text.rstrip().removesuffix("}").rstrip() + f',\n  "seal": "{SEAL_PLACE}"\n}}\n'


class Run:
    """A run whose inputs were found fit. Its tables are computed when they are asked for.

    Tables that are used several times wait in the engine's cache, or in a scratch folder; `close`
    gives them back.
    """

    def __init__(
        self,
        given: reading.Inputs,
        rules: Any,
        keys: Keys,
        today: str,
        without: list[str],
        held: Cached | Written,
    ) -> None:
        self.rules = rules
        self.without = without
        self.today = today
        self._held = held
        self._join = Join(given, keys, held.hold)
        kind = LeavingPairs if rules.takes_pairs else Leaving
        self._leaving = kind(self._join, rules, today)
        try:
            with named():
                self._opt_outs = count_opt_outs(self._join.said_no, given.opt_outs)
                self._check_opt_outs()
                self._check_lists()
        except BaseException:
            self.close()
            raise

    def _check_opt_outs(self) -> None:
        """Nobody's no is lost: the run refuses opt-outs that are empty or stay unread."""
        for ledger in self._opt_outs:
            if ledger.rows_read == 0 and "when_empty" in self.rules.refusals:
                raise OptOutsRefused(
                    f"{ledger.file} (opt-outs) is empty, and the policy refuses that"
                )
        unread = sum(sum(it.rejected_by.values()) for it in self._opt_outs)
        if unread > self.rules.max_unreadable_rows:
            raise DataRefused(
                f"{unread} rows of the opt-outs cannot be read, and the policy allows "
                f"{self.rules.max_unreadable_rows}"
            )

    def _check_lists(self) -> None:
        """A column of digests that is given as numbers, or the other way round, is named."""
        from pyspark.sql import functions as F

        looks = self._join.listed.groupBy("input").agg(
            F.count("looks_wrong").alias("filled"),
            F.count(F.when(F.col("looks_wrong"), 1)).alias("wrong"),
        )
        for row in looks.collect():
            if _native.Rules.is_wrong_column(row["wrong"], row["filled"]):
                name = self._join.inputs.lists[row["input"]].given.name
                raise DataRefused(
                    f"the phones of {name} (list) are of another kind than its column says: hashes "
                    "given as numbers, or numbers given as hashes"
                )

    @property
    def matches(self) -> Any:
        """The rows of `matches.parquet`: `recipient`, `list_id`, `token`, `region`, `os`,
        `os_version`, `device`; of friend suggestions `owner_token` too. In no order."""
        return self._leaving.matches

    @property
    def lists(self) -> Any:
        """Every list with its exact counts and why it is withheld, if it is: internal."""
        return self._leaving.lists.drop("place").withColumnRenamed("verdict", "withheld")

    @property
    def rejects(self) -> Any:
        """A row for each that could not be read: `role`, `file`, `row`, `reason`. A table has no
        row numbers, so `row` is null."""
        from pyspark.sql import functions as F

        join = self._join
        parts = [
            ("opt_outs", join.said_no, join.inputs.opt_outs),
            ("list", join.listed, join.inputs.lists),
            ("accounts", join.accounts, join.inputs.accounts),
        ]
        frames = []
        for role, frame, reads in parts:
            names = F.array(*(F.lit(read.given.name) for read in reads))
            rejected = frame.filter(F.col("reject").isNotNull())
            frames.append(
                rejected.select(
                    F.lit(role).alias("role"),
                    F.get(names, F.col("input")).alias("file"),
                    F.lit(None).cast("bigint").alias("row"),
                    F.col("reject").alias("reason"),
                )
            )
        return union(frames)

    @cached_property
    def _report(self) -> dict[str, Any]:
        counting = Counting(self._leaving)
        with named():
            ledgers = [*self._opt_outs, *counting.lists(), *counting.accounts()]
            lists = self._leaving.lists.collect()
        return {
            "format": 1,
            "purpose": self.rules.purpose,
            "as_of": self.today,
            "inputs": [ledger.entry() for ledger in ledgers],
            "lists": list_reports(lists),
        }

    def report(self) -> dict[str, Any]:
        """What happened to every row, by input, and what each list came to: the names of
        `report.json`. Internal, as that is: its counts are exact."""
        return dict(self._report)

    def write(
        self, out: str | os.PathLike[str], if_exists: str = "error", *, job: str = "spark"
    ) -> dict[str, Any]:
        """Writes the run's folder: `matches.parquet` and `rejects.parquet`, each a folder of parts
        in the format of `phonematch match`, `report.json`, and `manifest.json` last.

        Files are in a folder of the run's own, which the manifest names: `published_folder(out)`
        tells it. The same run writes the same tables and the same report, byte for byte, whatever
        another try came to.

        Args:
            out: the place, or its address (`hdfs://…`, `s3://…`), as driver and executors see it.
            if_exists: `error`, `skip` or `replace`.
            job: the job's name.

        Returns:
            The report; with `skip` that of the run that is there.

        Warns:
            UserWarning: the place holds folders of other runs, of which none is deleted; it may be
                at work.

        Raises:
            OutputExists: a run is there and `if_exists` is `error`, or it is no run (73).
            EngineFailed: the file system failed (74).
            AuditFailed: what was written is not what was promised (70).
        """
        from . import writing

        with writing.failing():
            place = writing.Place(out)
            found = writing.existing(place, if_exists)
            if found is not None:
                return found
            report = {**self.report(), "job": job}
            try:
                place.begin()
                files = self._write_tables(place, report)
                self._audit(place)
                texts = [_text(it) for it in (report, self._manifest(report, files, place.run))]
                sealed = self._sealed([_with_seal(text) for text in texts])
                place.write(writing.REPORT, sealed[0])
                place.drop_strays(files)
            except BaseException:
                # What failed its audit is to lie nowhere.
                place.abandon()
                raise
            left_over = place.publish(sealed[1], may_replace=if_exists == "replace")
        if left_over:
            names = ", ".join(left_over)
            text = f"{place.out} holds folders of runs that died, or are still at work: {names}"
            warnings.warn(text, stacklevel=2)
        return json.loads(sealed[0])

    def _write_tables(self, place: Any, report: dict[str, Any]) -> dict[str, Any]:
        from . import writing

        purpose = self.rules.purpose
        matched = sum(it["released"] for it in report["lists"])
        then = ("owner_token",) if self.rules.takes_pairs else ()
        order = ("token", *then, "recipient", "list_id")
        parts = writing.Parts(place.address, writing.MATCHES, purpose, order)
        files = writing.write_table(self.matches, parts, writing.digits_for(matched))
        if sum(it["rows"] for it in files.values()) != matched:
            raise AuditFailed("another number of rows was written than of people released")
        order = ("role", "file", "reason")
        parts = writing.Parts(place.address, writing.REJECTS, purpose, order)
        # Without a row number rejected rows differ by these alone, so that their counts will do.
        alike = self.rejects.groupBy(*order, "row").count().withColumnRenamed("count", "times")
        rejects = writing.write_table(alike, parts, 0)
        rejected = sum(it["rejected"] for it in report["inputs"])
        if sum(it["rows"] for it in rejects.values()) != rejected:
            raise AuditFailed("a rejected row was not written exactly once")
        return {**files, **rejects}

    def _audit(self, place: Any) -> None:
        """Looks at what was written before it is a run."""
        from . import auditing, writing

        session = self._join.said_no.sparkSession
        with named():
            written = session.read.parquet(f"{place.readable}/{writing.MATCHES}")
            auditing.check_nobody_barred(self._leaving, written)
            auditing.check_parts(self._leaving, written)

    def _manifest(self, report: dict[str, Any], files: dict[str, Any], run: str) -> dict[str, Any]:
        from . import writing

        inputs = report["inputs"]
        of_opt_outs = [it["rows_read"] for it in inputs if it["role"] == "opt_outs"]
        matches = [it["rows"] for name, it in files.items() if name.startswith(writing.MATCHES)]
        return {
            "format": 1,
            "layout": "parts",
            "folder": run,
            "program": f"phonematch {_native.__version__}",
            "metadata_version": _native.METADATA_VERSION,
            "key_id": writing.KEY_ID_PLACE,
            "policy_digest": self.rules.digest,
            "purpose": self.rules.purpose,
            **json.loads(self.rules.terms),
            "job": report["job"],
            "as_of": self.today,
            "without": self.without,
            "inputs": [
                {"role": it["role"], "file": it["file"], "rows": it["rows_read"]} for it in inputs
            ],
            "files": {
                name: {"bytes": files[name]["bytes"], "blake3": files[name]["blake3"]}
                for name in sorted(files)
            },
            "counts": {
                "opt_out_rows": sum(of_opt_outs),
                "lists": len(report["lists"]),
                "lists_released": sum(it["withheld"] is None for it in report["lists"]),
                "matches": sum(matches),
                "rejects": sum(it["rejected"] for it in inputs),
            },
        }

    def _sealed(self, texts: list[str]) -> list[str]:
        """Texts with the seal of the secret, which only executors read."""
        from . import writing

        session = self._join.said_no.sparkSession
        frame = session.createDataFrame([(at, text) for at, text in enumerate(texts)], _TEXTS)
        sealed = writing.Sealed(self._join.keys)
        with named():
            rows = frame.mapInArrow(sealed, _TEXTS).collect()
        return [row["text"] for row in sorted(rows, key=lambda row: row["at"])]

    def check_gates(self, gates: dict[str, float]) -> None:
        """Holds the report against a job's gates: `max_reject_rate`, `min_match_rate` and
        `max_match_rate`, shares of 1.

        Raises DataRefused when one does not hold (65).
        """
        broken = _native.broken_gates(json.dumps(gates), json.dumps(self.report()["inputs"]))
        if broken:
            raise DataRefused("; ".join(broken))

    def close(self) -> None:
        """Gives back what is kept for the run. Its tables are no more; what it wrote stays."""
        self._held.close()

    def __enter__(self) -> Run:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def prepare(
    accounts: list[Input],
    lists: list[ListInput],
    opt_outs: list[OptOutInput],
    *,
    policy: str | os.PathLike[str],
    purpose: str,
    secret_file: str | os.PathLike[str],
    as_of: Any = None,
    without: Iterable[str] = (),
    scratch: str | os.PathLike[str] | None = None,
) -> Run:
    """As `match`, of inputs that say for themselves how they are to be read."""
    rules, text = rules_of(policy, purpose)
    check_scope(rules, without)
    for it in lists:
        check_names([name for name in (it.recipient, it.list_id) if name], it.country)
    for no in opt_outs:
        check_names([], no.country)
    given = reading.resolve(rules, accounts, lists, opt_outs)
    if given.store is not None:
        given.store.check(rules, os.fspath(secret_file))
    keys = Keys(text, os.fspath(secret_file), given.both_forms)
    if given.keyed is not None and given.store is None:
        reading.check_keyed(accounts[0].frame, rules, keys)
    held = Cached() if scratch is None else Written(scratch)
    return Run(given, rules, keys, day_of(as_of), sorted(without), held)


def match(
    accounts: Any,
    lists: Any,
    opt_outs: Any,
    *,
    policy: str | os.PathLike[str],
    purpose: str,
    secret_file: str | os.PathLike[str],
    recipient: str | None = None,
    list_id: str | None = None,
    country: str | None = None,
    opt_out_country: str | None = None,
    as_of: Any = None,
    without: Iterable[str] = (),
    scratch: str | os.PathLike[str] | None = None,
) -> Run:
    """Matches tables of an engine as `phonematch match` matches files.

    Args:
        accounts: the messenger's export, a DataFrame; or what `key_accounts` made of one.
        lists: all lists in one long table, with a `list_id` and an `advertiser_id` a row where
            there are several.
        opt_outs: who said no.
        policy: the policy file's path, read here.
        purpose: what the numbers are used for; the policy's.
        secret_file: the secret's path as executors see it. It is read there and nowhere else.
        recipient: the advertiser of list rows that name none.
        list_id: the list of rows that name none.
        country: whose national spellings list rows without a country are in, two letters.
        opt_out_country: the same of opt-outs.
        as_of: the run's day: a date, or an instant with a time zone; UTC's today if None.
        without: what the run does without of what stays on one machine: `advertiser_figures`.
        scratch: a folder, or its address, as driver and executors see it, where tables wait that are
            used several times, until `close`: for an engine without a cache, such as Sail. None:
            the engine's cache.

    Returns:
        A `Run`; its opt-outs were read and found fit, and its lists hold what their columns say.

    Raises:
        Refused: what is asked for stays on one machine, or the policy is not for it (78).
        OptOutsRefused: opt-outs are empty or stay unread (66).
        DataRefused: a column is missing, ambiguous or of another kind (65).
        SecretUnreadable: an executor cannot read the secret's file, or others can (77).
    """
    return prepare(
        [Input(accounts, "accounts")],
        [ListInput(lists, "lists", recipient=recipient, list_id=list_id, country=country)],
        [OptOutInput(opt_outs, "opt_outs", country=opt_out_country)],
        policy=policy,
        purpose=purpose,
        secret_file=secret_file,
        as_of=as_of,
        without=without,
        scratch=scratch,
    )


def key_accounts(
    accounts: Any,
    *,
    policy: str | os.PathLike[str],
    purpose: str,
    secret_file: str | os.PathLike[str],
) -> Any:
    """The export's rows, keyed once for many nights: what `match` takes in the place of accounts.

    Keys are made in both forms, and of aliases, so that lists and opt-outs of any kind can be held
    against them. The table holds no number; who has it and the secret can find whose rows they are.

    Returns:
        A DataFrame with the columns of `workers.ACCOUNTS` and of `inputs.KEYED_BY`. Of a row that
        says no `barred` says why; of one without a number `person` is null. A run by another
        policy or secret refuses it.

    Raises:
        Refused: the policy is none, or for another purpose.
        DataRefused: a column is missing or ambiguous.
        SecretUnreadable: an executor cannot read the secret's file, or others can.
    """
    from pyspark.sql import functions as F

    rules, text = rules_of(policy, purpose)
    given = Input(accounts, "accounts")
    read = reading.Read.of(rules, "accounts", given, has_contacts=True)
    keys = Keys(text, os.fspath(secret_file), both_forms=True)
    keyed = reading.keyed_accounts([read], keys)
    told = reading.keyed_by(rules, accounts.sparkSession, keys)
    return keyed.select("*", *(F.lit(value).alias(name) for name, value in told.items()))
