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


def process(_):
    """The engine's own process."""
    return os.getpid()


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


def frames(session, world):
    """Accounts, lists and opt-outs of a world, as an engine's tables."""
    paths = (world.accounts, world.long_list, world.opt_outs)
    return [session.read.parquet(str(path)) for path in paths]


def run_of(session, world, accounts=None, **settings):
    """A run over a world, begun as a caller of the module begins one."""
    from phonematch import spark as pm

    given, lists, opt_outs = frames(session, world)
    without = ("advertiser_figures",) if world.purpose == "ads" else ()
    usual = {"recipient": "house", "without": without, "purpose": world.purpose}
    usual |= {"policy": str(world.policy), "secret_file": str(world.secret)}
    accounts = given if accounts is None else accounts
    return pm.match(accounts, lists, opt_outs, **usual | settings)


def match(session, world, **settings):
    """What a run comes to: rows of matches, reasons of rejects, and the report."""
    with run_of(session, world, **settings) as run:
        matches = run.matches.toArrow().to_pylist()
        rejects = run.rejects.groupBy("role", "reason").count().toArrow().to_pylist()
        return {"matches": matches, "rejects": rejects, "report": run.report()}


def write(session, world, out, **settings):
    """Writes a run; gives its report."""
    how = {name: settings.pop(name) for name in ("if_exists",) if name in settings}
    with run_of(session, world, **settings) as run:
        return run.write(str(out), **how)


def match_mistyped(session, world):
    """A run whose accounts have a column of floats for numbers."""
    from pyspark.sql import functions as F

    accounts, _, _ = frames(session, world)
    numbers = F.regexp_replace("phone", "[^0-9]", "").cast("double")
    with run_of(session, world, accounts=accounts.withColumn("phone", numbers)) as run:
        return run.report()


class Died(Exception):
    """A driver that is no more."""


def write_and_die(session, world, out, moment, **settings):
    """A driver that dies when the tables are written: before the report, or before the manifest.
    What is dead deletes nothing."""
    from unittest import mock

    from phonematch.spark import writing

    name = {"before the report": "write", "before the manifest": "publish"}[moment]
    with (
        mock.patch.object(writing.Place, name, side_effect=Died),
        mock.patch.object(writing.Place, "abandon"),
    ):
        return write(session, world, out, **settings)


def write_what_fails_its_audit(session, world, out, **settings):
    """A run that lets somebody go who said no."""
    from unittest import mock

    from phonematch.spark import joining

    nobody = property(lambda join: join.members.select("key").limit(0))
    no_row = property(lambda join: join.touched.filter("in_e164 = 1 or in_digits = 1"))
    with (
        mock.patch.object(joining.Join, "barred_keys", nobody),
        mock.patch.object(joining.Join, "hits", no_row),
    ):
        return write(session, world, out, **settings)


def address(_):
    """Where the engine's own Connect server is."""
    from clusters import server_address

    return server_address()


def key_all(session, world):
    """Reads and keys every account; gives how many have a key."""
    from phonematch import spark as pm
    from pyspark.sql import functions as F

    accounts, _, _ = frames(session, world)
    names = {"policy": str(world.policy), "purpose": world.purpose}
    keyed = pm.key_accounts(accounts, secret_file=str(world.secret), **names)
    return keyed.agg(F.count("person"), F.max("digits"), F.max(F.size("others"))).collect()[0][0]


def shuffled_bytes(session):
    """What an application's stages have written for others to read since it began, and spilled."""
    told = application(session)
    import json
    import urllib.request

    address = f"{told['address']}/api/v1/applications/{told['id']}/stages"
    with urllib.request.urlopen(address) as page:
        stages = json.load(page)
    return sum(stage["shuffleWriteBytes"] for stage in stages)


def keyed(session, world, folder, hex_digits=1):
    """Keys the world's accounts into a store."""
    from phonematch.spark import layout

    names = {"policy": str(world.policy), "purpose": world.purpose}
    names["secret_file"] = str(world.secret)
    accounts, _, _ = frames(session, world)
    return layout.create(accounts, str(folder), hex_digits=hex_digits, **names).state.version


def opened(session, world, folder, **other):
    """The store of a world's accounts."""
    from phonematch.spark import layout

    names = {"policy": str(world.policy), "purpose": world.purpose}
    names |= {"secret_file": str(world.secret), **other}
    return layout.open_store(session, str(folder), **names)


def match_keyed(session, world, folder):
    """A run over a world whose accounts lie in a store."""
    return match(session, world, accounts=opened(session, world, folder))


def take_in(session, world, folder, changed, gone):
    """A nightly delta: files of rows that changed, and of accounts that are gone."""
    store = opened(session, world, folder)
    frames = [session.read.parquet(str(path)) for path in (changed, gone)]
    return store.apply(*frames).state.version


def die_while_taking_in(session, world, folder, changed, gone):
    """A driver that dies when the next version is written and before it counts."""
    from unittest import mock

    from phonematch.spark import layout

    with mock.patch.object(layout.Store, "_publish", side_effect=Died):
        take_in(session, world, folder, changed, gone)


def take_in_twice(session, world, folder, changed, gone):
    """A night taken in by a store that another has made older meanwhile."""
    store = opened(session, world, folder)
    frames = [session.read.parquet(str(path)) for path in (changed, gone)]
    store.apply(*frames)
    store.apply(*frames)


def take_in_while_another_does(session, world, folder, changed, gone):
    """Two drivers at once: the other is done when this one has written its tables."""
    from unittest import mock

    from phonematch.spark import layout

    store, write, names = opened(session, world, folder), layout.Store._write, []

    def written(self, name, *rest):
        write(self, name, *rest)
        names.append(name)
        if len(names) == len(layout.TABLES):
            take_in(session, world, folder, changed, gone)

    frames = [session.read.parquet(str(path)) for path in (changed, gone)]
    with mock.patch.object(layout.Store, "_write", written):
        store.apply(*frames)


def match_while_nights_pass(session, world, folder, changed, gone):
    """A match of a store whose version two nights delete, before its buckets are read."""
    from phonematch.spark.errors import named

    with run_of(session, world, accounts=opened(session, world, folder)) as run:
        for _ in range(2):
            take_in(session, world, folder, changed, gone)
        with named():
            return run._join.touched.count()


def match_and_leave(session, world, scratch):
    """A run that is never closed: what waited for it stays in the scratch folder."""
    run = run_of(session, world, scratch=scratch)
    return run.matches.count() + run.rejects.count() + len(run.report()["inputs"])


def plan_of_delta(session, world, folder, changed):
    """The physical plan of what a delta leaves of a store's rows."""
    store = opened(session, world, folder)
    rows = store._keyed(_rules(world), session.read.parquet(str(changed)), "account_id")
    return plan(store._kept("rows", rows.select("account")))


def plan_of_match(session, world, folder):
    """The physical plan of the rows that a match looks at: from a store, or None for the export."""
    accounts = opened(session, world, folder) if folder else None
    setting = "spark.sql.autoBroadcastJoinThreshold"
    before = session.conf.get(setting)
    session.conf.set(setting, "-1")
    try:
        with run_of(session, world, accounts=accounts) as run:
            return plan(run._join.touched)
    finally:
        session.conf.set(setting, before)


def _rules(world):
    from phonematch import _native

    return _native.Rules(world.policy.read_text(encoding="utf-8"))


def plan(frame):
    """The physical plan, as the engine prints it."""
    import contextlib
    import io

    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        frame.explain()
    return said.getvalue()


def version_of(session, world, folder, **other):
    return opened(session, world, folder, **other).state.version


def match_store_of(session, world, folder, **other):
    """A run by another policy or secret than the store that it is given."""
    from phonematch import spark as pm

    store = opened(session, world, folder)
    _, lists, opt_outs = frames(session, world)
    named = {"policy": str(world.policy), "purpose": world.purpose}
    named |= {"secret_file": str(world.secret), "recipient": "house", **other}
    named["without"] = ("advertiser_figures",) if named["purpose"] == "ads" else ()
    return pm.match(store, lists, opt_outs, **named).report()


def run_page(session, world, code, changed, gone):
    """Runs a page's code where its names mean a world; gives the report of its run."""
    accounts, lists, opt_outs = frames(session, world)
    parts = [session.read.parquet(str(path)) for path in (changed, gone)]
    names = {"spark": session, "accounts": accounts, "lists": lists, "opt_outs": opt_outs}
    names |= {"changed": parts[0], "gone": parts[1]}
    exec(compile(code, "page", "exec"), names)
    report = names["run"].report()
    names["run"].close()
    return report


def run_job(session, job, *words):
    """Runs a job file as `spark-submit` does, in this session; gives the exit code."""
    from unittest import mock

    from phonematch.spark import entry

    with mock.patch.object(type(session), "stop"):
        return entry.main(["--job", str(job), "--without", "advertiser_figures", *words])


def run_job_of_large_files(session, job):
    """The same where every file is too large for the engine to be asked for its end."""
    from unittest import mock

    from phonematch.spark import tables

    with mock.patch.object(tables, "_SMALL_BYTES", 0):
        return run_job(session, job)


def match_key_table(session, world, of, without=()):
    """A run over accounts that `key_accounts` keyed as `of` says; `without` leaves columns out."""
    from phonematch import spark as pm

    accounts, _, _ = frames(session, world)
    keyed = pm.key_accounts(accounts, **of)
    return match(session, world, accounts=keyed.drop(*without))


def match_typed(session, world):
    """A run over a world whose dates are days and instants, and whose texts are bytes."""
    from phonematch import spark as pm
    from pyspark.sql import functions as F

    zone = "spark.sql.session.timeZone"
    before = session.conf.get(zone)
    session.conf.set(zone, "Asia/Tokyo")
    try:
        accounts, lists, opt_outs = frames(session, world)
        # A blank is no day: as text it is one cell, as a day none.
        verified = F.expr("to_timestamp(concat(nullif(verified_at, ''), 'T00:00:00Z'))")
        accounts = accounts.withColumn("verified_at", verified)
        accounts = accounts.withColumn("os", F.col("os").cast("binary"))
        accounts = accounts.withColumn("gpc", F.col("gpc") == "1")
        contact = F.expr("to_date(nullif(last_contact_at, ''))")
        lists = lists.withColumn("last_contact_at", contact)
        names = {"policy": str(world.policy), "purpose": world.purpose}
        names |= {"secret_file": str(world.secret), "recipient": "house"}
        with pm.match(accounts, lists, opt_outs, without=("advertiser_figures",), **names) as run:
            matches = run.matches.toArrow().to_pylist()
            rejects = run.rejects.groupBy("role", "reason").count().toArrow().to_pylist()
            return {"matches": matches, "rejects": rejects, "report": run.report()}
    finally:
        session.conf.set(zone, before)
