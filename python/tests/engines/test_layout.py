"""Accounts that were keyed before: the same people, and the export is not moved."""

import re
import stat

import pyarrow.parquet as pq
import pytest

import answers
import tasks
import worlds
from clusters import Failed

ENGINES = pytest.mark.parametrize("name", ["spark", "sail"])


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return worlds.hostile(tmp_path_factory.mktemp("world"), accounts=6_000, list_rows=4_000, seed=8)


@pytest.fixture(scope="module")
def stores(started, world, tmp_path_factory):
    """A world's store, made by each engine once."""
    made = {}

    def store(name):
        if name not in made:
            made[name] = tmp_path_factory.mktemp("store") / name
            assert started(name).call(tasks.keyed, world, made[name]) == 1
        return made[name]

    return store


@pytest.fixture(scope="module")
def expected(world, tmp_path_factory):
    return answers.of_one_machine(world, tmp_path_factory.mktemp("one") / "out")


@ENGINES
def test_a_store_gives_the_answer_of_the_export(started, stores, world, expected, name):
    answer = started(name).call(tasks.match_keyed, world, stores(name))
    answers.must_be_alike(answer, expected)


def test_a_store_of_one_engine_serves_another(started, stores, world, expected):
    answer = started("sail").call(tasks.match_keyed, world, stores("spark"))
    answers.must_be_alike(answer, expected)


def test_a_bucket_holds_the_keys_of_its_name(stores):
    (folder,) = (path for path in stores("sail").iterdir() if path.is_dir())
    assert folder.name.startswith("v000001-") and stat.S_IMODE(folder.stat().st_mode) == 0o700
    for table, key in (("rows", "person"), ("digits", "digits")):
        names = {path.name for path in (folder / table).iterdir() if path.is_dir()}
        assert {f"bucket=b{digit}" for digit in "0123456789abcdef"} <= names
        for path in (folder / table).glob("bucket=*/*.parquet"):
            keys = pq.ParquetFile(path).read([key])[key].to_pylist()
            bucket = path.parent.name.removeprefix("bucket=b")
            assert {"none" if it is None else it.hex()[0] for it in keys} == {bucket}


@pytest.fixture(scope="module")
def night(world, tmp_path_factory):
    """What changed in a night: newcomers, other numbers, a yes that is a no, and who is gone."""
    folder = tmp_path_factory.mktemp("night")
    rows = pq.read_table(world.accounts).to_pylist()
    ids = sorted({row["account_id"] for row in rows})
    gone, refused, moved = set(ids[::40]), set(ids[1::40]), set(ids[2::40])
    changed = [dict(row, consent_ads="denied") for row in rows if row["account_id"] in refused]
    free = iter(worlds.MADE)
    changed += [
        dict(row, phone=next(free, row["phone"])) for row in rows if row["account_id"] in moved
    ]
    changed += [
        {"account_id": f"new-{n}", "phone": row["phone"], "consent_ads": ""}
        for n, row in enumerate(rows[5::100])
    ]
    stay = [row for row in rows if row["account_id"] not in gone | refused | moved]
    # A no that comes with the word that the account is gone counts all the same.
    last_words = [dict(row, consent_ads="denied") for row in rows if row["account_id"] in gone][:20]
    both = {row["account_id"] for row in last_words}
    last_yes = [
        dict(row, consent_ads="granted") for row in rows if row["account_id"] in gone - both
    ]
    worlds.write(folder / "changed.parquet", changed + last_words + last_yes, worlds.ACCOUNTS)
    worlds.write(folder / "gone.parquet", [{"account_id": it} for it in gone], ["account_id"])
    worlds.write(folder / "after.parquet", stay + changed + last_words, worlds.ACCOUNTS)
    return folder


@ENGINES
def test_a_delta_is_as_good_as_a_new_export(started, world, night, tmp_path, name):
    engine, store = started(name), tmp_path / "store"
    engine.call(tasks.keyed, world, store)
    delta = night / "changed.parquet", night / "gone.parquet"
    with pytest.raises(Failed) as raised:
        engine.call(tasks.die_while_taking_in, world, store, *delta)
    assert raised.value.kind == "Died"
    before = answers.of_one_machine(world, tmp_path / "before")
    answers.must_be_alike(engine.call(tasks.match_keyed, world, store), before)

    assert engine.call(tasks.take_in, world, store, *delta) == 2
    today = worlds.moved(world, tmp_path / "today", accounts=night / "after.parquet")
    expected = answers.of_one_machine(today, tmp_path / "after")
    answers.must_be_alike(engine.call(tasks.match_keyed, world, store), expected)
    assert answers.people(expected) != answers.people(before)

    # What the night said is so already: taken in again it changes nothing.
    assert engine.call(tasks.take_in, world, store, *delta) == 3
    answers.must_be_alike(engine.call(tasks.match_keyed, world, store), expected)
    # The first is deleted; of the second there are two, and nobody knows that one is dead.
    folders = [path for path in store.iterdir() if path.is_dir()]
    assert sorted(path.name.split("-")[0] for path in folders) == ["v000002", "v000002", "v000003"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in folders} == {0o700}
    files = sorted(path.name for path in store.iterdir() if path.is_file())
    assert files == ["layout-000002.json", "layout-000003.json"]


def test_a_match_that_outlives_its_version_is_refused(started, world, night, tmp_path):
    """Buckets that are gone look as if nobody in them had said no."""
    engine, store = started("sail"), tmp_path / "store"
    engine.call(tasks.keyed, world, store)
    delta = night / "changed.parquet", night / "gone.parquet"
    with pytest.raises(Failed) as raised:
        engine.call(tasks.match_while_nights_pass, world, store, *delta)
    assert raised.value.kind == "DataRefused" and "deleted while" in raised.value.text


def test_a_night_that_another_overtook_is_refused(started, world, night, tmp_path):
    """Or what the other took in would be lost, every no in it too."""
    engine, store = started("sail"), tmp_path / "store"
    engine.call(tasks.keyed, world, store)
    delta = night / "changed.parquet", night / "gone.parquet"
    for overtake in (tasks.take_in_twice, tasks.take_in_while_another_does):
        before = engine.call(tasks.version_of, world, store)
        with pytest.raises(Failed) as raised:
            engine.call(overtake, world, store, *delta)
        assert raised.value.kind == "OutputExists" and "another version" in raised.value.text
        assert engine.call(tasks.version_of, world, store) == before + 1
        # What it had written is gone.
        assert len([path for path in store.iterdir() if path.is_dir()]) == 2


def test_the_export_is_not_shuffled(started, stores, world, night):
    """Spark's physical plans, where nothing is small enough to be sent to every executor."""
    spark, store = started("spark"), stores("spark")
    of_export, of_store = "consent_ads#", "others#"
    plain = spark.call(tasks.plan_of_match, world, None)
    assert moved_scans(plain, of_export)
    keyed = spark.call(tasks.plan_of_match, world, store)
    assert "Exchange hashpartitioning(bucket" in keyed
    scans = [line for line in keyed.splitlines() if "FileScan" in line]
    assert scans and not any(of_export in scan or of_store in scan for scan in scans)
    delta = spark.call(tasks.plan_of_delta, world, store, night / "changed.parquet")
    assert any("FileScan" in line and of_store in line for line in delta.splitlines())
    assert not moved_scans(delta, of_store)
    assert "BroadcastHashJoin [account" in delta


def moved_scans(plan, column):
    """Lines of a plan that scan a column beneath an exchange of its rows: no join between them."""
    lines, found = plan.splitlines(), []
    for at, line in enumerate(lines):
        if not ("FileScan" in line and column in line):
            continue
        depth = indent(line)
        for above in reversed(lines[:at]):
            if indent(above) < depth:
                depth = indent(above)
                if "Join" in above:
                    break
                if re.search(r"\bExchange hashpartitioning", above):
                    found.append(line)
                    break
    return found


def indent(line):
    return len(line) - len(line.lstrip(" :+-*()0123456789"))


def test_sail_does_not_move_the_store_for_a_delta(started, stores, world, night):
    plan = started("sail").call(
        tasks.plan_of_delta, world, stores("sail"), night / "changed.parquet"
    )
    above = plan.split("/rows/")[0].splitlines()
    assert any("HashJoinExec" in line and "CollectLeft" in line for line in above)


@pytest.mark.parametrize("what", ["policy", "secret", "purpose"])
def test_accounts_keyed_otherwise_are_refused(started, stores, world, tmp_path, what):
    """Nothing of them would be found, and no opt-out either."""
    other = {"secret": {"secret_file": str(tmp_path / "other.key")}}
    worlds.phonematch_command("keygen", tmp_path / "other.key")
    policy = tmp_path / "ads.toml"
    policy.write_text(world.policy.read_text().replace('["GB"]', '["DE"]'))
    other["policy"] = {"policy": str(policy)}
    other["purpose"] = {"policy": str(world.of("anti_spam").policy), "purpose": "anti_spam"}
    with pytest.raises(Failed) as raised:
        started("sail").call(tasks.version_of, world, stores("sail"), **other[what])
    assert raised.value.kind == "Refused" and what in raised.value.text
    with pytest.raises(Failed) as raised:
        started("sail").call(tasks.match_store_of, world, stores("sail"), **other[what])
    assert raised.value.kind == "Refused" and what in raised.value.text
