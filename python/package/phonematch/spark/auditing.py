"""Is what landed what was promised? Looked at as it is written, before the run has its name.

A no is looked for among those who leave, by keys that are made of the opt-outs and the export anew;
cells are counted in the parts as they were read back.
"""

from __future__ import annotations

from typing import Any

from .errors import AuditFailed
from .joining import KNOWN, LIST, distinct_keys
from .leaving import Leaving


def check_nobody_barred(leaving: Leaving) -> None:
    """Nobody who leaves has a key that somebody's no bars.

    Raises AuditFailed when somebody has.
    """
    from pyspark.sql import functions as F

    join = leaving.join
    denied = join.accounts.filter(F.col("barred").isNotNull())
    for no, columns in (
        (join.said_no, ("bars", "hashed")),
        (denied, ("person", "digits", "others")),
    ):
        barred = distinct_keys(no, *columns)
        if leaving.keys.join(barred, "key", "left_semi").limit(1).count() != 0:
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
