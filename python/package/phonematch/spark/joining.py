"""Who is on both sides? The relational part of a run, as tables of the engine.

Keys stand in for numbers throughout. A no leaves first: its keys, in every form and alias, are
anti-joined from accounts and list members before anything is matched. What is rejected has no key,
so that neither nulls nor junk ever meet.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from . import inputs as reading
from .inputs import Inputs, union
from .workers import Keys

#: What is known of a person: rows that disagree cancel each other.
KNOWN = ("region", "os", "os_version", "device")

#: What a list is known by.
LIST = ("recipient", "list_id")


def keys_in(*columns: str) -> Any:
    """One row a key of these columns of keys and lists of keys; nulls are none."""
    from pyspark.sql import functions as F

    parts = [
        F.coalesce(F.col(name), F.array().cast("array<binary>"))
        if name in ("others", "bars")
        else F.array(F.col(name))
        for name in columns
    ]
    return F.explode(F.concat(*parts)).alias("key")


def distinct_keys(frame: Any, *columns: str) -> Any:
    """Every key once."""
    from pyspark.sql import functions as F

    return frame.select(keys_in(*columns)).filter(F.col("key").isNotNull()).distinct()


@dataclass(frozen=True)
class Join:
    """The tables of a run, each made of those before it. `hold` keeps one for further use."""

    inputs: Inputs
    keys: Keys
    hold: Any

    @cached_property
    def said_no(self) -> Any:
        """The opt-outs, keyed."""
        return self.hold(reading.keyed_opt_outs(self.inputs.opt_outs, self.keys))

    @cached_property
    def listed(self) -> Any:
        """List rows, keyed."""
        return self.hold(reading.keyed_lists(self.inputs.lists, self.keys))

    @cached_property
    def accounts(self) -> Any:
        """Account rows, keyed: once, however often they are looked at."""
        if self.inputs.keyed is not None:
            return self.inputs.keyed
        return self.hold(reading.keyed_accounts(self.inputs.accounts, self.keys))

    @cached_property
    def members(self) -> Any:
        """The distinct numbers of each list, with the input that counts them."""
        from pyspark.sql import functions as F

        rows = self.listed.filter(F.col("reject").isNull())
        return self.hold(
            rows.groupBy(*LIST, "owner", "key").agg(
                F.min("input").alias("input"),
                F.max("contact").alias("contact"),
                F.max(F.col("is_digest").cast("int")).alias("is_digest"),
                F.max(F.col("owner_is_digest").cast("int")).alias("owner_is_digest"),
            )
        )

    @cached_property
    def wanted(self) -> Any:
        """Every key that accounts are looked up by, and whether it may be of a digest."""
        from pyspark.sql import functions as F

        of_members = self.members.select("key", "is_digest")
        owners = self.members.filter(F.col("owner").isNotNull())
        of_owners = owners.select(
            F.col("owner").alias("key"), F.col("owner_is_digest").alias("is_digest")
        )
        every = union([of_members, of_owners])
        return every.groupBy("key").agg(F.max("is_digest").alias("is_digest"))

    @property
    def _wanted_digests(self) -> Any:
        """Keys that may be of numbers without plus; None where no list has such."""
        from pyspark.sql import functions as F

        if not self.inputs.in_digits:
            return None
        return self.wanted.filter(F.col("is_digest") == 1).select("key")

    @cached_property
    def touched(self) -> Any:
        """Account rows with a number that is on a list, opted out, or says no. Nobody else's row is
        kept: it ends as a count."""
        from pyspark.sql import functions as F

        opted_out = distinct_keys(self.said_no, "bars")
        on_list = self.wanted.select("key", F.lit(1).alias("in_e164"), F.lit(0).alias("opted_out"))
        no = opted_out.select("key", F.lit(0).alias("in_e164"), F.lit(1).alias("opted_out"))
        marks = (
            union([on_list, no])
            .groupBy("key")
            .agg(F.max("in_e164").alias("in_e164"), F.max("opted_out").alias("opted_out"))
        )
        if self.inputs.store is not None:
            return self.hold(self.inputs.store.touched(marks, self._wanted_digests))
        rows = self.accounts.filter(F.col("person").isNotNull())
        rows = rows.join(marks.withColumnRenamed("key", "person"), "person", "left")
        if self._wanted_digests is not None:
            digits = self._wanted_digests.withColumnRenamed("key", "digits")
            digits = digits.withColumn("in_digits", F.lit(1))
            rows = rows.join(digits, "digits", "left")
        else:
            rows = rows.withColumn("in_digits", F.lit(0))
        flags = ("in_e164", "opted_out", "in_digits")
        rows = rows.fillna(0, subset=list(flags))
        is_touched = F.greatest(*flags) == 1
        return self.hold(rows.filter(is_touched | F.col("barred").isNotNull()))

    @cached_property
    def hits(self) -> Any:
        """Rows of accounts that are on a list and that neither their row nor their number bars."""
        from pyspark.sql import functions as F

        is_free = F.col("barred").isNull() & (F.col("opted_out") == 0)
        is_on_list = (F.col("in_e164") == 1) | (F.col("in_digits") == 1)
        return self.touched.filter(is_free & is_on_list)

    @cached_property
    def barred_by_digest(self) -> Any:
        """People on a list whose opt-out came as a digest, of any form or alias; None where no
        opt-out is one."""
        from pyspark.sql import functions as F

        if not self.inputs.has_hashed_opt_outs:
            return None
        hashed = self.said_no.select(F.col("hashed").alias("key"))
        hashed = hashed.filter(F.col("key").isNotNull()).distinct()
        hits = self.hits.select("person", keys_in("person", "digits", "others"))
        found = hits.join(hashed, "key", "left_semi").select("person").distinct()
        return self.hold(found)

    @cached_property
    def barred_keys(self) -> Any:
        """Keys of everybody who said no, in every form and alias: opted out, denied by an account
        row, or opted out by a digest."""
        from pyspark.sql import functions as F

        # Also a row that is rejected can say no: one that is cut, and whose number is a guess.
        unread = self.accounts.filter(F.col("person").isNull() & F.col("others").isNotNull())
        parts = [
            distinct_keys(self.said_no, "bars", "hashed"),
            distinct_keys(unread, "others"),
            distinct_keys(
                self.touched.filter(F.col("barred").isNotNull()), "person", "digits", "others"
            ),
        ]
        if self.barred_by_digest is not None:
            people = self.hits.join(self.barred_by_digest, "person", "left_semi")
            parts.append(distinct_keys(people, "person", "digits", "others"))
        # Whoever is on no list is nobody to a member, so no more than these need be kept.
        wanted = self.wanted.select("key")
        return self.hold(union(parts).distinct().join(wanted, "key", "left_semi"))

    @cached_property
    def people(self) -> Any:
        """People on a list whose own rows and opt-outs bar nobody, each once, with what all their
        rows say; `barred`, whether another row bars the number."""
        from pyspark.sql import functions as F

        hits = self.hits
        if self.barred_by_digest is not None:
            hits = hits.join(self.barred_by_digest, "person", "left_anti")
        agreed = [F.when(F.min(name) == F.max(name), F.min(name)).alias(name) for name in KNOWN]
        people = hits.groupBy("person").agg(
            F.min("input").alias("input"),
            F.count(F.lit(1)).alias("rows"),
            F.min("digits").alias("digits"),
            F.max("in_e164").alias("in_e164"),
            F.max("in_digits").alias("in_digits"),
            F.max("verified").alias("verified"),
            *agreed,
        )
        # A version is of a family that is known.
        version = F.when(F.col("os").isNotNull(), F.col("os_version"))
        return self.hold(people.withColumn("os_version", version))

    @cached_property
    def slots(self) -> Any:
        """People by the keys that lists have of them: `form` 0 with plus and 1 without."""
        from pyspark.sql import functions as F

        with_plus = self.people.filter(F.col("in_e164") == 1)
        slots = [with_plus.withColumn("key", F.col("person")).withColumn("form", F.lit(0))]
        if self.inputs.in_digits:
            without = self.people.filter(F.col("in_digits") == 1)
            without = without.withColumn("key", F.col("digits"))
            slots.append(without.withColumn("form", F.lit(1)))
        return union(slots).select("key", "form", "person", "verified", *KNOWN)

    @cached_property
    def free_members(self) -> Any:
        """List members that nobody's no bars."""
        return self.members.join(self.barred_keys, "key", "left_anti")

    @cached_property
    def matched(self) -> Any:
        """Free members that somebody has."""
        return self.free_members.join(self.slots, "key")
