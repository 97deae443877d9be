"""Where `phonematch.spark` lands a run, as far as it goes without an engine."""

import json
import os

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from phonematch import _native
from phonematch.spark import EngineFailed, OutputExists, Refused, workers, writing


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


def written(folder, batches):
    parts = writing.Parts(str(folder), writing.MATCHES, "ads", ("token", "list_id"))
    (folder / writing.MATCHES).mkdir(parents=True, exist_ok=True)
    return [row for batch in parts(iter(batches)) for row in batch.to_pylist()]


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
    parts = writing.Parts(str(tmp_path), writing.REJECTS, "ads", order)
    (tmp_path / writing.REJECTS).mkdir()
    (told,) = parts(iter([pa.RecordBatch.from_pydict(counts)]))
    assert told.column("rows").to_pylist() == [150_003]
    table = pq.read_table(tmp_path / writing.REJECTS / "part-0.parquet")
    assert table.num_rows == 150_003 and table.column_names == ["role", "file", "row", "reason"]
    assert table["reason"].to_pylist()[:4] == ["placeholder"] * 3 + ["empty"]


def test_parts_grow_in_number_with_the_rows():
    most = writing.PART_ROWS
    assert [writing.digits_for(n) for n in (0, most, most + 1, 16 * most + 1)] == [0, 0, 1, 2]
    assert writing.digits_for(10**12) == 4


def land(place, text):
    place.begin()
    place.write(writing.REPORT, text)
    place.write(writing.MANIFEST, "{}")
    place.publish()


def test_a_run_takes_its_name_when_it_is_whole(tmp_path):
    place = writing.Place(tmp_path / "runs" / "today")
    assert writing.existing(place, "error") is None
    place.begin()
    place.write(writing.REPORT, "{}")
    # It dies here: nothing has the run's name, and another try clears what is left.
    assert not (tmp_path / "runs" / "today").exists()
    stray = tmp_path / "runs" / ".today.partial" / writing.MATCHES / "part-0.parquet.stray"
    stray.write_text("x")
    land(writing.Place(tmp_path / "runs" / "today"), '{"run": 1}')
    assert sorted(os.listdir(tmp_path / "runs")) == ["today"]
    assert not list((tmp_path / "runs" / "today" / writing.MATCHES).iterdir())


def test_what_is_there_is_refused_skipped_or_replaced_as_the_job_says(tmp_path):
    place = writing.Place(tmp_path / "today")
    land(place, json.dumps({"run": 1}))
    with pytest.raises(OutputExists) as raised:
        writing.existing(place, "error")
    assert raised.value.exit_code == 73
    assert writing.existing(place, "skip") == {"run": 1}
    assert writing.existing(place, "replace") is None
    with pytest.raises(Refused):
        writing.existing(place, "overwrite")
    land(place, json.dumps({"run": 2}))
    assert writing.existing(place, "skip") == {"run": 2}
    assert os.listdir(tmp_path) == ["today"]
    (tmp_path / "today" / writing.MANIFEST).unlink()
    for if_exists in ("error", "skip", "replace"):
        with pytest.raises(OutputExists, match="no run"):
            writing.existing(place, if_exists)


def test_a_file_system_that_fails_is_named_and_may_be_tried_again(tmp_path):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(EngineFailed) as raised, writing.failing():
        writing.Place(tmp_path / "file" / "today").begin()
    assert raised.value.exit_code == 74


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
