"""The match on Spark, and on whatever speaks Spark Connect: the decisions of `phonematch match`.

    from phonematch import spark as pm

    run = pm.match(accounts, lists, opt_outs, policy="ads.toml", purpose="ads",
                   secret_file="/run/secrets/phonematch.key", without=("advertiser_figures",))
    run.matches

DataFrames only: no RDD, no context, nothing of the JVM. Executors read numbers, decide and make
keys by the native module of this package, which they must have, and read the secret from its file.
Keys, and no numbers, are what the engine joins. Needs `pyspark`: `pip install phonematch[spark]`.
"""

from .errors import (
    AuditFailed,
    DataRefused,
    EngineFailed,
    InputMissing,
    OptOutsRefused,
    OutputExists,
    Refused,
    RunError,
    SecretUnreadable,
)
from .run import Run, key_accounts, match
from .writing import published_folder

__all__ = [
    "AuditFailed",
    "DataRefused",
    "EngineFailed",
    "InputMissing",
    "OptOutsRefused",
    "OutputExists",
    "Refused",
    "Run",
    "RunError",
    "SecretUnreadable",
    "key_accounts",
    "match",
    "published_folder",
]
