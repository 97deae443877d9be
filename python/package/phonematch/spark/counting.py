"""What happened to every row? Each row of each input is counted once, as in `report.json`.

`rows_read = rejected + barred + duplicates + unmatched + withheld + released`. Which row of a
number is the first hangs on the order of inputs only, so the counts of an input are exact in
whatever order its rows come.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from phonematch import _native

from .errors import AuditFailed
from .leaving import BARRED, RELEASED, UNMATCHED, Leaving


@dataclass
class Ledger:
    """Where one input's rows went."""

    role: str
    file: str
    rows_read: int = 0
    duplicates: int = 0
    unmatched: int = 0
    released: int = 0
    barred: int = 0
    rejected_by: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    barred_by: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    withheld_by: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    def count(self, fate: str, rows: int) -> None:
        """Counts rows that matched: released, or withheld for the reason that `fate` is."""
        if fate == RELEASED:
            self.released += rows
        else:
            self.withheld_by[fate] += rows

    def bar(self, reason: str, rows: int) -> None:
        """Counts account rows that may not be used."""
        self.barred += rows
        self.barred_by[reason] += rows

    def entry(self) -> dict[str, Any]:
        """The input's entry of the report. A row that was not counted once is a bug."""
        rejected = sum(self.rejected_by.values())
        withheld = sum(self.withheld_by.values())
        counted = rejected + self.barred + self.duplicates + self.unmatched
        if counted + withheld + self.released != self.rows_read:
            raise AuditFailed("a row of an input was not counted exactly once")
        return {
            "role": self.role,
            "file": self.file,
            "rows_read": self.rows_read,
            "rejected": rejected,
            "barred": self.barred,
            "duplicates": self.duplicates,
            "unmatched": self.unmatched,
            "withheld": withheld,
            "released": self.released,
            "not_sampled": 0,
            "rejected_by": _named(self.rejected_by),
            "barred_by": _named(self.barred_by),
            "withheld_by": _named(self.withheld_by),
        }


def _named(counts: dict[str, int]) -> dict[str, int]:
    return {name: counts[name] for name in sorted(counts) if counts[name]}


def ledgers_of(role: str, reads: list[Any]) -> list[Ledger]:
    """An empty ledger for each input."""
    return [Ledger(role, read.given.name) for read in reads]


def _counts(frame: Any, *by: str) -> list[Any]:
    from pyspark.sql import functions as F

    return frame.groupBy(*by).agg(F.count(F.lit(1)).alias("n")).collect()


def count_opt_outs(said_no: Any, reads: list[Any]) -> list[Ledger]:
    """Opt-out rows: a row bars when it names somebody whom no earlier row names."""
    from pyspark.sql import functions as F

    ledgers = ledgers_of("opt_outs", reads)
    named = said_no.select("input", "row", F.explode("people").alias("who"))
    first = named.groupBy("who").agg(F.min(F.struct("input", "row")).alias("first"))
    first = first.select("first.input", "first.row").distinct().withColumn("is_new", F.lit(1))
    rows = said_no.select("input", "row", "reject", "is_other").join(
        first, ["input", "row"], "left"
    )
    for row in _counts(rows, "input", "reject", "is_other", "is_new"):
        ledger = ledgers[row["input"]]
        ledger.rows_read += row["n"]
        if row["reject"] is not None:
            ledger.rejected_by[row["reject"]] += row["n"]
        elif row["is_other"]:
            ledger.unmatched += row["n"]
        elif row["is_new"]:
            ledger.barred += row["n"]
        else:
            ledger.duplicates += row["n"]
    return ledgers


@dataclass(frozen=True)
class Counting:
    """Counts the rows of lists and export by what came of them."""

    leaving: Leaving

    def lists(self) -> list[Ledger]:
        """List rows, by input."""
        join = self.leaving.join
        ledgers = ledgers_of("list", join.inputs.lists)
        for row in _counts(join.listed, "input", "reject"):
            ledger = ledgers[row["input"]]
            ledger.rows_read += row["n"]
            if row["reject"] is None:
                ledger.duplicates += row["n"]
            else:
                ledger.rejected_by[row["reject"]] += row["n"]
        for row in _counts(self.leaving.member_fates, "input", "fate"):
            ledger = ledgers[row["input"]]
            ledger.duplicates -= row["n"]
            if row["fate"] == UNMATCHED:
                ledger.unmatched += row["n"]
            elif row["fate"] == BARRED:
                ledger.barred += row["n"]
            else:
                ledger.count(row["fate"], row["n"])
        return ledgers

    def accounts(self) -> list[Ledger]:
        """Account rows, by input."""
        join = self.leaving.join
        ledgers = ledgers_of("accounts", join.inputs.accounts)
        for row in _counts(join.accounts, "input", "reject", "barred"):
            ledger = ledgers[row["input"]]
            ledger.rows_read += row["n"]
            if row["reject"] is not None:
                ledger.rejected_by[row["reject"]] += row["n"]
            elif row["barred"] is not None:
                ledger.bar(row["barred"], row["n"])
            else:
                ledger.unmatched += row["n"]
        self._count_opted_out(ledgers)
        self._count_hits(ledgers)
        return ledgers

    def _count_opted_out(self, ledgers: list[Ledger]) -> None:
        """An opt-out of the number outranks what the row says."""
        from pyspark.sql import functions as F

        opted_out = self.leaving.join.touched.filter(F.col("opted_out") == 1)
        for row in _counts(opted_out, "input", "barred"):
            ledger = ledgers[row["input"]]
            if row["barred"] is None:
                ledger.unmatched -= row["n"]
            else:
                ledger.bar(row["barred"], -row["n"])
            ledger.bar("opted_out", row["n"])

    def _count_hits(self, ledgers: list[Ledger]) -> None:
        """Rows that are on a list: a person's first counts as the best of its lists, or as barred
        by another row; the others are duplicates."""
        from pyspark.sql import functions as F

        join = self.leaving.join
        hits = join.hits.select("input", "person")
        if join.barred_by_digest is not None:
            by_digest = hits.join(join.barred_by_digest, "person", "left_semi")
            for row in _counts(by_digest, "input"):
                ledgers[row["input"]].unmatched -= row["n"]
                ledgers[row["input"]].bar("opted_out", row["n"])
            hits = hits.join(join.barred_by_digest, "person", "left_anti")
        for row in _counts(hits, "input"):
            ledgers[row["input"]].unmatched -= row["n"]
            ledgers[row["input"]].duplicates += row["n"]
        ranks = [*_native.Rules.withhold_reasons(), RELEASED]
        rank = F.lit(None).cast("int")
        for at, name in enumerate(ranks):
            rank = F.when(F.col("fate") == name, F.lit(at)).otherwise(rank)
        best = self.leaving.person_fates.groupBy("person").agg(F.max(rank).alias("best"))
        barred = join.slots.join(join.barred_keys, "key", "left_semi").select("person").distinct()
        people = join.people.select("input", "person")
        people = people.join(barred.withColumn("is_barred", F.lit(1)), "person", "left")
        people = people.join(best, "person", "left")
        for row in _counts(people, "input", "is_barred", "best"):
            ledger = ledgers[row["input"]]
            ledger.duplicates -= row["n"]
            if row["is_barred"]:
                ledger.bar("barred_elsewhere", row["n"])
            elif row["best"] is None:
                ledger.unmatched += row["n"]
            else:
                ledger.count(ranks[row["best"]], row["n"])


def list_reports(lists: list[Any]) -> list[dict[str, Any]]:
    """What each list came to, in name order: of exact figures, for the run's own report."""
    ordered = sorted(lists, key=lambda it: (it["recipient"], it["list_id"]))
    return [
        {
            "row": row,
            "numbers": it["numbers"],
            "matched": it["matched"],
            "released": it["matched"] if it["verdict"] is None else 0,
            "withheld": it["verdict"],
            "charge": None,
        }
        for row, it in enumerate(ordered, 1)
    ]
