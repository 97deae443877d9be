"""Where `phonematch.spark` lands a run, as far as it goes without an engine."""

import io
import json
import os
import stat
import subprocess
import sys

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from phonematch import _native
from phonematch.spark import (
    EngineFailed,
    InputMissing,
    OutputExists,
    Refused,
    landing,
    workers,
    writing,
)


def rows(tokens):
    """Rows of `matches.parquet` with the part that each goes to."""
    columns = {
        "recipient": ["acme"] * len(tokens),
        "list_id": ["spring"] * len(tokens),
        "token": tokens,
        "region": ["DE"] * len(tokens),
        "os": pa.nulls(len(tokens), pa.string()),
        "os_version": pa.nulls(len(tokens), pa.int32()),
        "device": pa.nulls(len(tokens), pa.string()),
        "part": [f"part-{token[0]}.parquet" for token in tokens],
    }
    return pa.RecordBatch.from_pydict(columns)


def written(folder, batches, table=writing.MATCHES, order=("token", "list_id")):
    """What an engine's grouping by `part` hands on to be written, and what is told of it."""
    write_part = writing.Parts(str(folder), table, "ads", order).writer()
    (folder / table).mkdir(parents=True, exist_ok=True)
    every = pa.Table.from_batches(batches)
    names = sorted(set(every["part"].to_pylist()))
    of_part = [every.filter(pc.equal(every["part"], name)) for name in names]
    return [row for rows in of_part for row in write_part(rows).to_pylist()]


def test_parts_are_cut_by_tokens_and_are_the_same_however_rows_come(tmp_path):
    tokens = [f"{at:02x}" + "0" * 30 for at in range(64)]
    one = written(tmp_path / "one", [rows(tokens)])
    mixed = tokens[::2] + tokens[::-2]
    several = written(tmp_path / "several", [rows(mixed[at : at + 5]) for at in range(0, 64, 5)])
    assert one == several
    assert [row["name"] for row in one] == [f"part-{at}.parquet" for at in "0123"]
    assert [row["rows"] for row in one] == [16] * 4
    for row in one:
        path = tmp_path / "one" / writing.MATCHES / row["name"]
        assert path.stat().st_size == row["bytes"]
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert (
            path.read_bytes() == (tmp_path / "several" / writing.MATCHES / row["name"]).read_bytes()
        )
    table = pq.read_table(tmp_path / "one" / writing.MATCHES)
    assert table["token"].to_pylist() == tokens
    again = written(tmp_path / "one", [rows(tokens)])
    assert again == one and len(list((tmp_path / "one" / writing.MATCHES).iterdir())) == 4


def test_a_part_tells_nothing_of_its_tokens_in_statistics(tmp_path):
    (row,) = written(tmp_path, [rows(["0" * 32, "0" * 31 + "1"])])
    file = pq.ParquetFile(tmp_path / writing.MATCHES / row["name"])
    column = file.metadata.row_group(0).column(file.schema_arrow.names.index("token"))
    assert column.statistics is None and "DICTIONARY" not in "".join(column.encodings)
    said = {key.decode(): value.decode() for key, value in file.metadata.metadata.items()}
    assert said["phonematch.format"] == "1" and said["phonematch.purpose"] == "ads"
    assert not file.schema_arrow.field("token").nullable


def test_rejected_rows_that_are_alike_are_written_as_often_as_they_were_met(tmp_path):
    counts = {
        "role": ["list", "accounts"],
        "file": ["spring", "export"],
        "reason": ["empty", "placeholder"],
        "row": pa.nulls(2, pa.int64()),
        "times": [150_000, 3],
        "part": ["part-0.parquet"] * 2,
    }
    order = ("role", "file", "reason")
    batch = pa.RecordBatch.from_pydict(counts)
    (told,) = written(tmp_path, [batch], writing.REJECTS, order)
    assert told["rows"] == 150_003
    table = pq.read_table(tmp_path / writing.REJECTS / "part-0.parquet")
    assert table.num_rows == 150_003 and table.column_names == ["role", "file", "row", "reason"]
    assert table["reason"].to_pylist()[:4] == ["placeholder"] * 3 + ["empty"]


def test_parts_grow_in_number_with_the_rows():
    most = writing.PART_ROWS
    assert [writing.digits_for(n) for n in (0, most, most + 1, 16 * most + 1)] == [0, 0, 1, 2]
    assert writing.digits_for(10**12) == 4


def prepared(out, report):
    """A run that is written and not published."""
    place = writing.Place(out)
    place.begin()
    place.write(writing.REPORT, json.dumps(report))
    return place


def publish(place, may_replace=False):
    return place.publish(json.dumps({"format": 1, "folder": place.run}), may_replace)


def test_a_run_is_one_when_its_manifest_is_there(tmp_path):
    out = tmp_path / "runs" / "today"
    assert writing.existing(writing.Place(out), "error") is None
    dead = prepared(out, {"run": 0})
    # It dies here: nothing says that it is a run, and nothing deletes what may be at work.
    assert writing.existing(writing.Place(out), "error") is None
    with pytest.raises(InputMissing):
        writing.published_folder(out)
    second = prepared(out, {"run": 1})
    assert publish(second) == [dead.run]
    assert writing.published_folder(out) == str(out / second.run)
    assert sorted(os.listdir(out)) == sorted(["manifest.json", dead.run, second.run])
    assert (out / second.run / writing.MATCHES).is_dir()
    dead.abandon()
    assert sorted(os.listdir(out)) == sorted(["manifest.json", second.run])


def test_of_two_runs_of_one_place_each_is_whole(tmp_path):
    one, other = (prepared(tmp_path / "today", {"run": at}) for at in (1, 2))
    assert publish(one) == [other.run]
    with pytest.raises(OutputExists):
        publish(other)
    assert writing.Place(tmp_path / "today").published() == {"run": 1}
    assert publish(other, may_replace=True) == []
    assert writing.Place(tmp_path / "today").published() == {"run": 2}
    assert sorted(os.listdir(tmp_path / "today")) == sorted(["manifest.json", other.run])


def test_a_manifest_that_comes_at_the_same_instant_is_not_written_over(tmp_path):
    for name in ("one", "other"):
        source = io.BytesIO(name.encode())
        if name == "one":
            landing.land(landing.open_store(str(tmp_path))[0], str(tmp_path / "it"), source)
            continue
        with pytest.raises(FileExistsError):
            landing._land_here(str(tmp_path / "it"), str(tmp_path / ".it"), source, False)
    assert (tmp_path / "it").read_text() == "one" and os.listdir(tmp_path) == ["it"]


def test_a_replaced_run_is_there_until_the_manifest_is_another(tmp_path):
    """A driver that is killed, really, at each of its steps."""
    publish(prepared(tmp_path / "today", {"run": 0}))
    for at, moment in enumerate(["os.fsync", "os.replace", "os.unlink"], 1):
        code = f"""
import json, os
from pathlib import Path
import test_spark_writing as tests
place = tests.prepared(Path({str(tmp_path / "today")!r}), {{"run": {at}}})
{moment} = lambda *_: os._exit(9)
tests.publish(place, may_replace=True)
"""
        here = os.path.dirname(__file__)
        assert subprocess.run([sys.executable, "-c", code], cwd=here, check=False).returncode == 9
        # The one that dies after the rename is the new run; those before it leave the old one.
        assert writing.Place(tmp_path / "today").published() == {"run": at if at == 3 else 0}
    left = publish(prepared(tmp_path / "today", {"run": 4}), may_replace=True)
    assert writing.Place(tmp_path / "today").published() == {"run": 4}
    assert len(left) == 3


def test_what_is_there_is_refused_skipped_or_replaced_as_the_job_says(tmp_path):
    place = prepared(tmp_path / "today", {"run": 1})
    publish(place)
    with pytest.raises(OutputExists) as raised:
        writing.existing(place, "error")
    assert raised.value.exit_code == 73
    assert writing.existing(place, "skip") == {"run": 1}
    assert writing.existing(place, "replace") is None
    with pytest.raises(Refused):
        writing.existing(place, "overwrite")
    (tmp_path / "today" / "stranger.txt").write_text("x")
    (tmp_path / "today" / writing.MANIFEST).unlink()
    for if_exists in ("error", "skip", "replace"):
        with pytest.raises(OutputExists, match="no run"):
            writing.existing(place, if_exists)
    (tmp_path / "today" / writing.MANIFEST).write_text("somebody else's")
    with pytest.raises(OutputExists, match="no run"):
        writing.existing(place, "replace")


def test_a_run_of_one_machine_is_skipped_and_not_replaced(tmp_path):
    (tmp_path / writing.MANIFEST).write_text('{"format": 1}')
    (tmp_path / writing.REPORT).write_text('{"run": 1}')
    assert writing.existing(writing.Place(tmp_path), "skip") == {"run": 1}
    with pytest.raises(OutputExists, match="one machine"):
        writing.existing(writing.Place(tmp_path), "replace")
    with pytest.raises(OutputExists):
        publish(prepared(tmp_path, {}), may_replace=True)
    assert writing.published_folder(tmp_path) == str(tmp_path)


def test_what_lands_is_its_owners_alone(tmp_path):
    before = os.umask(0)
    try:
        publish(prepared(tmp_path / "today", {}))
    finally:
        os.umask(before)
    found = [tmp_path / "today", *(tmp_path / "today").rglob("*")]
    assert len(found) == 6
    for path in found:
        mode = stat.S_IMODE(path.stat().st_mode)
        assert mode == (0o700 if path.is_dir() else 0o600), path


def test_the_engine_reads_back_what_executors_wrote(tmp_path):
    """A path is of this machine to one and of the default file system to the other."""
    place = writing.Place(tmp_path / "today")
    assert place.readable == f"file://{tmp_path}/today/{place.run}"
    assert place.address == f"{tmp_path}/today/{place.run}"


def test_a_file_system_that_fails_is_named_and_may_be_tried_again(tmp_path):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(EngineFailed) as raised, writing.failing():
        writing.Place(tmp_path / "file" / "today").begin()
    assert raised.value.exit_code == 74
    with pytest.raises(OutputExists):
        writing.existing(writing.Place(tmp_path / "file"), "replace")


def test_accounts_of_a_run_are_sealed_under_the_secret(secret_file):
    text = json.dumps({"key_id": writing.KEY_ID_PLACE, "seal": writing.SEAL_PLACE}) + "\n"
    sealed = writing.Sealed(workers.Keys("", str(secret_file)))
    batch = pa.RecordBatch.from_pydict({"at": pa.array([0], pa.int32()), "text": [text]})
    (done,) = sealed(iter([batch]))
    told = json.loads(done.column("text")[0].as_py())
    keyer = _native.Keyer(secret_file)
    assert told["key_id"] == keyer.key_id
    assert told["seal"] != writing.SEAL_PLACE and len(told["seal"]) == 64
    other = text.replace(writing.KEY_ID_PLACE, keyer.key_id)
    assert json.loads(_native.seal(keyer, other))["seal"] == told["seal"]
