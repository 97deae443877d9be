"""Is what landed what was promised? Looked at as it is written, before it is a run.

Parts are read back. Tokens are made of every number on a list that somebody's no bars, and none of
them may be in the parts; cells are counted there. The keys of a no are those that the match made:
that it read an opt-out rightly is not looked at twice, as one machine does.
"""

from __future__ import annotations

from typing import Any

from .errors import AuditFailed
from .inputs import union
from .joining import KNOWN, LIST, distinct_keys
from .leaving import Leaving
from .workers import Tokens


def check_nobody_barred(leaving: Leaving, written: Any) -> None:
    """Nobody who leaves has a key that somebody's no bars, and no token in the parts is of one.

    Raises AuditFailed when somebody has.
    """
    from pyspark.sql import functions as F

    join = leaving.join
    denied = join.accounts.filter(F.col("barred").isNotNull())
    unread = join.accounts.filter(F.col("person").isNull() & F.col("others").isNotNull())
    barred = union(
        [
            distinct_keys(join.said_no, "bars", "hashed"),
            distinct_keys(denied, "person", "digits", "others"),
            distinct_keys(unread, "others"),
        ]
    )
    found = [leaving.keys.join(barred, "key", "left_semi")]
    columns = {"token": "key", "owner_token": "owner"}
    for column in [name for name in columns if name in written.columns]:
        keys = join.members.select("recipient", F.col(columns[column]).alias("key"))
        keys = keys.join(barred, "key", "left_semi").select("recipient", "key").distinct()
        tokens = Tokens(join.keys, (("key", column),))
        tokens = keys.mapInArrow(tokens, f"recipient string, {column} string")
        found.append(written.join(tokens, ["recipient", column], "left_semi"))
    if any(it.limit(1).count() != 0 for it in found):
        raise AuditFailed("somebody who said no was to leave; nothing is published")


def check_parts(leaving: Leaving, written: Any) -> None:
    """Each list that was written keeps its floors, and each cell in it is of enough people.

    Raises AuditFailed when one does not.
    """
    from pyspark.sql import functions as F

    floors = leaving.rules.floors
    cells = written.groupBy(*LIST, *KNOWN).agg(F.count(F.lit(1)).alias("people"))
    is_nothing = F.coalesce(*(F.col(name).cast("string") for name in KNOWN)).isNull()
    lists = cells.groupBy(*LIST).agg(
        F.sum("people").alias("people"),
        F.min(F.when(~is_nothing, F.col("people"))).alias("fewest"),
        F.sum(F.when(is_nothing, F.col("people"))).alias("hidden"),
    )
    is_alone = F.col("fewest") < floors["attribute_cell"]
    # Fewer who show nothing than a cell has could be told by subtraction, unless nobody shows any.
    is_remainder = (F.col("hidden") < floors["attribute_cell"]) & F.col("fewest").isNotNull()
    is_short = F.col("people") < floors["matched_people"]
    if lists.filter(is_alone | is_remainder | is_short).limit(1).count() != 0:
        raise AuditFailed("a list or a cell was written below its floor; nothing is published")
