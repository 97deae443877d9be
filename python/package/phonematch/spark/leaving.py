"""What may leave? People and lists judged by the policy, attributes in company, tokens.

Each decision is the native module's; here are the counts that it decides by.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from .inputs import union
from .joining import KNOWN, LIST, Join
from .workers import Tokens, Verdicts, showing

#: What a row that is on a list came to, where it is not the reason to withhold it.
UNMATCHED, BARRED, RELEASED = "unmatched", "barred", "released"


def matches_schema(pairs: bool) -> str:
    """The columns of `matches.parquet`."""
    owner = "owner_token string, " if pairs else ""
    return (
        f"recipient string, list_id string, token string, {owner}region string, os string, "
        "os_version int, device string"
    )


@dataclass(frozen=True)
class Leaving:
    """What comes out of a join."""

    join: Join
    rules: Any
    today: str

    @cached_property
    def found(self) -> Any:
        """The matched people of each list, by the key that the list's token is made of; `verdict`
        is why one is kept back."""
        from pyspark.sql import functions as F

        agreed = [F.first(name).alias(name) for name in ("verified", *KNOWN)]
        found = self.join.matched.groupBy(*LIST, "person").agg(
            # Who is on a list in both forms is one person, with the first form's token.
            F.min(F.struct("form", "key")).alias("first"),
            F.max("contact").alias("contact"),
            *agreed,
        )
        found = found.select(
            *LIST, "person", F.col("first.key").alias("key"), "contact", "verified", *KNOWN
        )
        schema = ", ".join(
            [
                "recipient string, list_id string, person binary, key binary, contact bigint",
                "verified bigint, region string, os string, os_version int, device string",
                "verdict string",
            ]
        )
        verdicts = Verdicts(self.join.keys.policy, "withhold_people", (self.today,))
        return self.join.hold(found.mapInArrow(verdicts, schema))

    @cached_property
    def counted(self) -> Any:
        """Those who may be counted."""
        from pyspark.sql import functions as F

        return self.found.filter(F.col("verdict").isNull()).drop("verdict")

    @cached_property
    def lists(self) -> Any:
        """Every list with its exact counts; `verdict` is why it is withheld, `place` its place
        among its recipient's lists that leave."""
        from pyspark.sql import Window
        from pyspark.sql import functions as F

        numbers = self.join.members.groupBy(*LIST).agg(F.count(F.lit(1)).alias("numbers"))
        of_recipient = numbers.groupBy("recipient").agg(F.sum("numbers").alias("recipient_numbers"))
        matched = self.counted.groupBy(*LIST).agg(F.count(F.lit(1)).alias("matched"))
        lists = numbers.join(of_recipient, "recipient").join(matched, list(LIST), "left")
        lists = lists.select(
            *LIST,
            "numbers",
            "recipient_numbers",
            F.coalesce(F.col("matched"), F.lit(0)).cast("bigint").alias("matched"),
        )
        schema = (
            "recipient string, list_id string, numbers bigint, recipient_numbers bigint, "
            "matched bigint, verdict string"
        )
        verdicts = Verdicts(self.join.keys.policy, "withhold_lists")
        judged = lists.mapInArrow(verdicts, schema)
        leaves = F.col("verdict").isNull()
        order = Window.partitionBy("recipient", leaves).orderBy("list_id")
        return self.join.hold(judged.withColumn("place", F.row_number().over(order) - 1))

    @cached_property
    def _found_fates(self) -> Any:
        """What the matched people of each list came to, as `fate`."""
        from pyspark.sql import functions as F

        lists = self.lists.select(*LIST, F.col("verdict").alias("withheld"))
        found = self.found.join(F.broadcast(lists), list(LIST))
        return found.withColumn("fate", F.coalesce("verdict", "withheld", F.lit(RELEASED)))

    @cached_property
    def person_fates(self) -> Any:
        """What each matched `person` came to by each of its lists, as `fate`."""
        return self._found_fates.select("person", "fate")

    @cached_property
    def member_fates(self) -> Any:
        """What each list member came to, as `fate`, and the `input` that counts it."""
        from pyspark.sql import functions as F

        join = self.join
        free = join.free_members.select(*LIST, "key", "input")
        slots = join.slots.select("key", "person")
        fates = self._found_fates.select(*LIST, "person", "fate")
        fates = free.join(slots, "key", "left").join(fates, [*LIST, "person"], "left")
        fates = fates.select("input", F.coalesce("fate", F.lit(UNMATCHED)).alias("fate"))
        barred = join.members.join(join.barred_keys, "key", "left_semi")
        return union([fates, barred.select("input", F.lit(BARRED).alias("fate"))])

    @cached_property
    def leaving(self) -> Any:
        """People of lists that leave, with what may be shown of them."""
        from pyspark.sql import functions as F

        lists = self.lists.filter(F.col("verdict").isNull()).select(*LIST, "place")
        people = self.counted.join(F.broadcast(lists), list(LIST))
        people = people.select(*LIST, "person", "key", "place", *KNOWN)
        if not self.rules.shows_attributes:
            nothing = [
                F.lit(None).cast(kind).alias(name)
                for name, kind in zip(KNOWN, ("string", "string", "int", "string"), strict=True)
            ]
            return people.select(*LIST, "person", "key", *nothing)
        return self._in_company(people)

    def _in_company(self, people: Any) -> Any:
        """Attributes in cells of enough people: nobody is shown alone, in whichever list."""
        from pyspark.sql import functions as F

        agreed = [F.first(name).alias(name) for name in KNOWN]
        on_lists = F.sort_array(F.collect_set("place")).alias("lists")
        alike = people.groupBy("recipient", "key").agg(on_lists, *agreed)
        cell = ("lists", *KNOWN)
        groups = alike.groupBy("recipient", *cell).agg(F.count(F.lit(1)).alias("many"))
        kinds = "region string, os string, os_version int, device string"
        schema = f"recipient string, lists array<int>, {kinds}, " + ", ".join(
            f"shown_{kind}" for kind in kinds.split(", ")
        )
        shown = groups.groupBy("recipient").applyInArrow(showing(self.join.keys.policy), schema)
        # Of a person the same is known in each list of a recipient, so the lists tell the group.
        known = alike.join(shown, self._same(alike, shown, cell))
        known = known.select(
            alike["recipient"], alike["key"], *(shown[f"shown_{name}"] for name in KNOWN)
        )
        people = people.select(*LIST, "person", "key").join(known, ["recipient", "key"])
        renamed = [F.col(f"shown_{name}").alias(name) for name in KNOWN]
        return people.select(*LIST, "person", "key", *renamed)

    @staticmethod
    def _same(one: Any, other: Any, columns: tuple[str, ...]) -> Any:
        same = one["recipient"] == other["recipient"]
        for name in columns:
            same = same & one[name].eqNullSafe(other[name])
        return same

    @property
    def keys(self) -> Any:
        """The keys of those who leave."""
        return self.leaving.select("key")

    @cached_property
    def matches(self) -> Any:
        """The rows of `matches.parquet`."""
        rows = self.leaving.select(*LIST, "key", *KNOWN)
        tokens = Tokens(self.join.keys, (("key", "token"),))
        return rows.mapInArrow(tokens, matches_schema(pairs=False))
