"""What is written is written once: again, after a crash, or on another engine, the same bytes."""

import hashlib
import json
import stat
from pathlib import Path

import pytest
from phonematch.spark import published_folder

import answers
import tasks
import worlds
from clusters import Failed

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return worlds.hostile(tmp_path_factory.mktemp("world"), accounts=6_000, list_rows=4_000, seed=8)


def digests(out):
    """The files of the run in a place, but not the manifest: it names the run's own folder."""
    folder = Path(published_folder(out))
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


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
    # One machine, publishing beside it, knows the seal, and follows its own.
    job = world.job(tmp_path / "two")
    worlds.phonematch_command("match", "--job", job, "--previous", "auto", "--quiet")
    follows = json.loads((tmp_path / "two" / "manifest.json").read_text())["previous"]
    assert len(follows["blake3"]) == 64


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
    assert sorted(path.name for path in out.iterdir()) == sorted(
        [Path(published_folder(out)).name, "manifest.json"]
    )


@pytest.mark.parametrize("moment", ["before the report", "before the manifest"])
def test_a_run_that_dies_half_way_is_none_and_the_next_is_whole(started, world, tmp_path, moment):
    engine, whole, out = started("sail"), tmp_path / "whole", tmp_path / "out"
    engine.call(tasks.write, world, whole, as_of="2026-11-22")
    with pytest.raises(Failed) as raised:
        engine.call(tasks.write_and_die, world, out, moment, as_of="2026-11-22")
    assert raised.value.kind == "Died"
    (dead,) = out.iterdir()
    assert not (out / "manifest.json").exists()
    engine.call(tasks.write, world, out, as_of="2026-11-22")
    assert digests(out) == digests(whole)
    # Nobody knows that it is dead.
    assert dead.exists() and Path(published_folder(out)) != dead
    with pytest.raises(Failed):
        engine.call(
            tasks.write_and_die, world, out, moment, as_of="2026-11-22", if_exists="replace"
        )
    assert digests(out) == digests(whole)


@pytest.mark.parametrize("name", ["spark", "sail"])
def test_what_is_written_is_its_owners_alone(started, world, tmp_path, name):
    started(name).call(tasks.write, world, tmp_path / "out", as_of="2026-11-22")
    found = [tmp_path / "out", *(tmp_path / "out").rglob("*")]
    assert len(found) > 6
    for path in found:
        mode = stat.S_IMODE(path.stat().st_mode)
        assert mode == (0o700 if path.is_dir() else 0o600), path


def test_tokens_of_who_said_no_are_found_in_the_parts_and_lie_nowhere(started, world, tmp_path):
    out = tmp_path / "out"
    with pytest.raises(Failed) as raised:
        started("sail").call(tasks.write_what_fails_its_audit, world, out, as_of="2026-11-22")
    assert raised.value.kind == "AuditFailed"
    assert "said no" in raised.value.text
    assert not list(out.iterdir())
