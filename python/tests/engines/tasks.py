"""What the tests have an engine do: functions of a session, run in the engine's process.

`pyspark` is imported inside, by whoever has started the engine.
"""

import os


def kind(session):
    """What of a session's own: the class, and whether there is a way around the DataFrame API."""
    try:
        bypass = session.sparkContext is not None
    except Exception:
        bypass = False
    return {"class": f"{type(session).__module__}.{type(session).__name__}", "bypass": bypass}


def application(session):
    """Of a cluster: its name there, the address of its status pages, executors with cores."""
    context = session.sparkContext
    return {"id": context.applicationId, "address": context.uiWebUrl}


def count_in_batches(session, rows, partitions):
    """How many rows came in which process, in batches of at most how many."""
    schema = "process long, rows long, most long"
    frame = session.range(0, rows, 1, partitions).mapInArrow(_census, schema)
    return [row.asDict() for row in frame.collect()]


def _census(batches):
    import time

    import pyarrow as pa

    sizes = [batch.num_rows for batch in batches]
    time.sleep(0.5)  # so that no process has done all of the parts before another has one
    yield pa.RecordBatch.from_pydict(
        {"process": [os.getppid()], "rows": [sum(sizes)], "most": [max(sizes, default=0)]}
    )


def read_and_key(session, parquet, secret, partitions=4):
    """The reader and the keys in the workers: rows of number, country, E.164, key and token."""
    frame = session.read.parquet(parquet).select("phone", "country").repartition(partitions)
    schema = "phone string, country string, e164 string, reason string, key binary, token string"
    return frame.mapInArrow(_Keyed(secret), schema).toArrow().to_pylist()


class _Keyed:
    """Reads and keys batches. It carries the path of the secret, never the secret."""

    def __init__(self, secret):
        self.secret = secret

    def __call__(self, batches):
        import phonematch
        import pyarrow as pa

        keyer = phonematch.Keyer(self.secret)
        for batch in batches:
            phone, country = batch.column("phone"), batch.column("country")
            read = phonematch.normalise(phone, country)
            keys = keyer.match_key(read)
            token = keyer.token(keys, "acme")
            columns = [phone, country, *map(pa.array, (read.e164, read.reason, keys, token))]
            names = ["phone", "country", "e164", "reason", "key", "token"]
            yield pa.RecordBatch.from_arrays(columns, names)
