"""Friends: pairs of somebody's address book and a contact in it, both on the messenger.

Either end's no ends the pair, and nobody is a contact of their own.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

from .inputs import union
from .joining import KNOWN, LIST
from .leaving import BARRED, UNMATCHED, Leaving, matches_schema
from .workers import Tokens, Verdicts

_MATCHED = "matched"
_TOO_MANY = "too_many_contacts"


class LeavingPairs(Leaving):
    """What comes out of a join of address books. Of a pair `person` is the contact."""

    @cached_property
    def _ends(self) -> Any:
        """What became of every key that somebody has or a no bars."""
        from pyspark.sql import functions as F

        slots = self.join.slots.select("key", "person", "verified", "region")
        barred = self.join.barred_keys.withColumn("is_barred", F.lit(True))
        return self.join.hold(slots.join(barred, "key", "full"))

    @cached_property
    def judged(self) -> Any:
        """Every member with its fate, and both ends where somebody has them."""
        from pyspark.sql import functions as F

        def end(of: str) -> Any:
            columns = [
                F.col(name).alias(f"{of}_{name}")
                for name in ("person", "verified", "region", "is_barred")
            ]
            return self._ends.select(F.col("key").alias(of), *columns)

        rows = self.join.members.join(end("key"), "key", "left")
        rows = rows.join(end("owner"), "owner", "left")
        persons = [F.col(f"{of}_person") for of in ("key", "owner")]
        bars = [F.coalesce(F.col(f"{of}_is_barred"), F.lit(False)) for of in ("key", "owner")]
        is_nobodys = [person.isNull() & ~bar for person, bar in zip(persons, bars, strict=True)]
        fate = (
            F.when(is_nobodys[0] | is_nobodys[1], UNMATCHED)
            .when(bars[0] | bars[1], BARRED)
            .when(persons[0] == persons[1], UNMATCHED)
            .otherwise(_MATCHED)
        )
        return self.join.hold(rows.withColumn("fate", fate))

    @cached_property
    def _large_books(self) -> Any:
        """Owners with more distinct numbers in their books than the policy allows."""
        from pyspark.sql import functions as F

        owned = self.judged.filter(F.col("owner_person").isNotNull())
        counted = owned.groupBy("owner_person").agg(F.count_distinct("key").alias("numbers"))
        large = counted.filter(F.col("numbers") > self.rules.most_contacts)
        return large.select("owner_person", F.lit(True).alias("is_large"))

    @cached_property
    def found(self) -> Any:
        """The matched pairs of each list; `verdict` is why one is kept back, by either end."""
        from pyspark.sql import functions as F

        matched = self.judged.filter(F.col("fate") == _MATCHED)
        facts = [
            F.first(f"{of}_{name}").alias(f"{of}_{name}")
            for of in ("key", "owner")
            for name in ("verified", "region")
        ]
        pairs = matched.groupBy(*LIST, "owner_person", "key_person").agg(
            F.max("contact").alias("contact"), *facts
        )
        ends = "owner_person binary, key_person binary"
        facts_schema = (
            "contact bigint, key_verified bigint, key_region string, owner_verified bigint, "
            "owner_region string"
        )
        schema = f"recipient string, list_id string, {ends}, {facts_schema}"
        names = [part.split()[0] for part in schema.split(", ")]
        pairs = pairs.select(*names)
        for of in ("key", "owner"):
            # The rule reads columns of these names.
            asked = pairs.withColumn("verified", F.col(f"{of}_verified"))
            asked = asked.withColumn("region", F.col(f"{of}_region"))
            verdicts = Verdicts(self.join.keys.policy, "withhold_people", (self.today,))
            schema_asked = f"{schema}, verified bigint, region string, verdict string"
            pairs = asked.mapInArrow(verdicts, schema_asked).drop("verified", "region")
            pairs = pairs.withColumnRenamed("verdict", f"{of}_verdict")
            schema += f", {of}_verdict string"
        pairs = pairs.join(F.broadcast(self._large_books), "owner_person", "left")
        verdict = F.when(F.col("is_large"), _TOO_MANY).otherwise(
            F.coalesce("key_verdict", "owner_verdict")
        )
        pairs = pairs.select(*LIST, "owner_person", "key_person", verdict.alias("verdict"))
        return self.join.hold(pairs)

    @cached_property
    def person_fates(self) -> Any:
        """What each end of a matched pair came to, as `fate`."""
        fates = self._found_fates
        ends = [
            fates.select(fates[f"{of}_person"].alias("person"), "fate") for of in ("key", "owner")
        ]
        return union(ends)

    @cached_property
    def member_fates(self) -> Any:
        """What each member came to, as `fate`, and the `input` that counts it."""
        from pyspark.sql import functions as F

        ends = ["owner_person", "key_person"]
        rows = self.judged.select("input", *LIST, *ends, F.col("fate").alias("met"))
        fates = self._found_fates.select(*LIST, *ends, "fate")
        rows = rows.join(fates, [*LIST, *ends], "left")
        is_matched = F.col("met") == _MATCHED
        return rows.select(
            "input", F.when(is_matched, F.col("fate")).otherwise(F.col("met")).alias("fate")
        )

    @cached_property
    def leaving(self) -> Any:
        """Pairs of lists that leave. Nothing is shown of anybody."""
        from pyspark.sql import functions as F

        lists = self.lists.filter(F.col("verdict").isNull()).select(*LIST)
        pairs = self.counted.join(F.broadcast(lists), list(LIST))
        kinds = ("string", "string", "int", "string")
        nothing = [
            F.lit(None).cast(kind).alias(name) for name, kind in zip(KNOWN, kinds, strict=True)
        ]
        ends = (F.col("key_person").alias("key"), F.col("owner_person").alias("owner"))
        return pairs.select(*LIST, *ends, *nothing)

    @property
    def keys(self) -> Any:
        """The keys of both ends of pairs that leave."""
        from pyspark.sql import functions as F

        owners = self.leaving.select(F.col("owner").alias("key"))
        return union([self.leaving.select("key"), owners])

    @cached_property
    def matches(self) -> Any:
        """The rows of `matches.parquet`: a token of the contact, and one of whose contact it is."""
        tokens = Tokens(self.join.keys, (("key", "token"), ("owner", "owner_token")))
        return self.leaving.mapInArrow(tokens, matches_schema(pairs=True))
