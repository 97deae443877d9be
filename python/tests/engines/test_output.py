"""What is written is written once: again, after a crash, or on another engine, the same bytes."""

import hashlib

import pytest

import answers
import tasks
import worlds
from clusters import Failed


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return worlds.hostile(tmp_path_factory.mktemp("world"), accounts=6_000, list_rows=4_000, seed=8)


def digests(out, but=("report.json",)):
    files = sorted(path for path in out.rglob("*") if path.is_file() and path.name not in but)
    return {str(p.relative_to(out)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


@pytest.mark.parametrize("name", ["spark", "sail"])
def test_a_run_is_written_with_the_manifest_last(started, world, tmp_path, name):
    engine = started(name)
    out = tmp_path / "out"
    report = engine.call(tasks.write, world, out, as_of="2026-11-22")
    assert [one["role"] for one in report["inputs"]] == ["opt_outs", "list", "accounts"]
    written = {path: path.stat().st_mtime_ns for path in out.rglob("*") if path.is_file()}
    assert max(written, key=written.get).name == "manifest.json"
    expected = answers.of_one_machine(world, tmp_path / "one")
    assert answers.people(answers.of_folder(out)) == answers.people(expected)
    assert answers.rows(answers.of_folder(out)) == answers.rows(expected)


def test_a_run_that_is_written_again_is_the_same(started, world, tmp_path):
    engine, out = started("sail"), tmp_path / "out"
    engine.call(tasks.write, world, out, as_of="2026-11-22")
    first = digests(out)
    with pytest.raises(Failed) as raised:
        engine.call(tasks.write, world, out, as_of="2026-11-22")
    assert raised.value.kind == "OutputExists"
    assert digests(out) == first
    engine.call(tasks.write, world, out, as_of="2026-11-22", if_exists="skip")
    engine.call(tasks.write, world, out, as_of="2026-11-22", if_exists="replace")
    assert digests(out) == first
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("moment", ["before the manifest", "before it has its name"])
def test_a_run_that_dies_half_way_is_none_and_the_next_is_whole(started, world, tmp_path, moment):
    engine, whole, out = started("sail"), tmp_path / "whole", tmp_path / "out"
    engine.call(tasks.write, world, whole, as_of="2026-11-22")
    with pytest.raises(Failed) as raised:
        engine.call(tasks.write_and_die, world, out, moment, as_of="2026-11-22")
    assert raised.value.kind == "Died"
    assert not out.exists()
    assert any(path.name.startswith(".out") for path in tmp_path.iterdir())
    engine.call(tasks.write, world, out, as_of="2026-11-22")
    assert digests(out) == digests(whole)
    assert {path.name for path in tmp_path.iterdir()} == {"out", "whole"}
