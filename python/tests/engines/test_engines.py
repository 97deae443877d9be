"""The engines are what they are taken for, leave nothing in the package, and have the reader."""

import importlib.util
import json
import urllib.request
from pathlib import Path

import phonematch
import pyarrow as pa
import pyarrow.parquet as pq

import tasks
import worlds


def test_spark_is_a_driver_and_two_executor_processes(spark):
    told = spark.call(tasks.application)
    address = f"{told['address']}/api/v1/applications/{told['id']}/executors"
    with urllib.request.urlopen(address) as page:
        executors = [one for one in json.load(page) if one["id"] != "driver"]
    assert sorted(one["id"] for one in executors) == ["0", "1"]
    assert [one["totalCores"] for one in executors] == [1, 1]
    parts = spark.call(tasks.count_in_batches, rows=8, partitions=4)
    assert len({part["process"] for part in parts}) == 2


def test_a_batch_is_as_large_as_it_was_set(engine):
    parts = engine.call(tasks.count_in_batches, rows=200_000, partitions=2)
    assert sum(part["rows"] for part in parts) == 200_000
    assert max(part["most"] for part in parts) <= 65_536


def test_only_the_cluster_has_a_way_around_dataframes(engine):
    told = engine.call(tasks.kind)
    assert told["bypass"] == (engine.name == "spark")
    assert ("connect" in told["class"]) == (engine.name != "spark")


def test_nothing_is_left_in_the_package(spark):
    spark.call(tasks.count_in_batches, rows=8, partitions=2)
    package = Path(importlib.util.find_spec("pyspark").origin).parent
    assert not (package / "work").exists()
    logs = sorted((spark.folder / "home" / "work").glob("app-*/*/stderr"))
    assert len(logs) == 2
    assert any((spark.folder / "events").iterdir())


def test_the_reader_decides_in_workers_as_it_does_here(engine, tmp_path):
    plain = worlds.synth(tmp_path / "plain", accounts=3_000, list_rows=3_000, seed=5)
    rows = plain["list"] + [{"phone": junk, "country": "DE"} for junk in worlds.JUNK]
    worlds.write(tmp_path / "rows.parquet", rows, ["phone", "country"])
    worlds.phonematch_command("keygen", tmp_path / "secret.key")
    keyer = phonematch.Keyer(tmp_path / "secret.key")
    table = pq.read_table(tmp_path / "rows.parquet")
    read = phonematch.normalise(table["phone"], table["country"])
    keys = keyer.match_key(read)
    made = {"e164": read.e164, "reason": read.reason, "key": keys}
    made["token"] = keyer.token(keys, "acme")
    columns = table.to_pydict() | {name: pa.array(column) for name, column in made.items()}
    expected = pa.table(columns).to_pylist()
    files = str(tmp_path / "rows.parquet"), str(tmp_path / "secret.key")
    there = engine.call(tasks.read_and_key, *files)
    order = lambda row: [str(cell) for cell in row.values()]  # noqa: E731
    assert sorted(there, key=order) == sorted(expected, key=order)
    assert sum(row["key"] is not None for row in there) > 2_000
