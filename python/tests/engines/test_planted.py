"""Planted numbers are in no event log, no executor's or driver's log, no shuffle, no output."""

import hashlib
import os
import stat
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import answers
import planted
import tasks
import worlds
from clusters import Failed

pytestmark = pytest.mark.long

# Of ranges set aside for fiction, in spellings that logs would show.
ACCOUNTS = [f"+120255501{two:02}" for two in range(40, 52)]
LISTED = [f"(202) 555-01{two:02}" for two in range(40, 46)]
OPTED_OUT = [f"+1-202-555-01{two:02}" for two in range(47, 49)]
DENIED = [f"+120255501{two:02}" for two in range(49, 51)]
JUNK = [f"4.4202{two:02}E+11" for two in range(4)]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("planted")
    worlds.policies(folder)
    world = worlds.World(folder)
    consent = lambda phone: "denied" if phone in DENIED else ""  # noqa: E731
    people = [
        {"account_id": f"a{n}", "phone": phone, "consent_ads": consent(phone)}
        for n, phone in enumerate([*ACCOUNTS, *JUNK])
    ]
    rows = [{"list_id": "planted", "phone": phone, "country": "US"} for phone in LISTED + JUNK]
    worlds.write(world.accounts, people, worlds.ACCOUNTS)
    worlds.write(world.long_list, rows, [*worlds.ROWS, "phone_sha256"])
    worlds.write(world.opt_outs, [{"phone": phone} for phone in OPTED_OUT], worlds.OPT_OUTS)
    text = world.policy.read_text()
    for floor in ("list_numbers = 100", "matched_people = 100"):
        text = text.replace(floor, floor.replace("100", "1"))
    world.policy.write_text(text)
    worlds.phonematch_command("keygen", world.secret)
    return world


@pytest.fixture(scope="module")
def wanted(world):
    cells = [*LISTED, *OPTED_OUT, *JUNK]
    secret = bytes.fromhex(world.secret.read_text().strip())
    return planted.spellings(ACCOUNTS, cells, secret)


def test_the_search_finds_what_is_there(world, wanted, tmp_path, monkeypatch):
    """In the inputs, which hold it all: else finding nothing would say nothing."""
    found, _ = planted.found_in(world.folder, wanted)
    assert {what for _, what in found} == {"a number", "a cell's text", "the secret"}
    monkeypatch.setattr(planted, "CHUNK", 1 << 10)
    for spelled, what in wanted.items():
        (tmp_path / "log").write_bytes(b"x" * (planted.CHUNK - 3) + spelled + b"y")
        assert planted.found_in(tmp_path, wanted)[0], what


@pytest.mark.parametrize("name", ["spark", "sail"])
def test_nothing_that_an_engine_leaves_holds_what_was_planted(
    started, world, wanted, tmp_path, name
):
    engine = started(name)
    report = engine.call(tasks.write, world, tmp_path / "out")
    assert len(answers.people(answers.of_folder(tmp_path / "out"))) == 6
    fail_in_every_way(engine, world, tmp_path)
    # What waits in a scratch folder is packed: it is searched unpacked.
    engine.call(tasks.match_and_leave, world, tmp_path / "scratch")
    (scratch,) = (tmp_path / "scratch").iterdir()
    assert stat.S_IMODE(scratch.stat().st_mode) == 0o700
    tables = [pq.read_table(path) for path in scratch.rglob("*.parquet")]
    assert sum(table.num_rows for table in tables) > 20
    digest = hashlib.sha256(ACCOUNTS[0].encode()).digest()
    for added, is_found in (([], False), ([pa.table({"key": [[digest]]})], True)):
        unpacked = tmp_path / f"unpacked-{is_found}"
        unpacked.mkdir()
        (unpacked / "rows").write_bytes(b"".join(map(planted.cells_of, [*tables, *added])))
        assert bool(planted.found_in(unpacked, wanted)[0]) is is_found
    found, searched = planted.found_in(engine.folder, wanted)
    assert found == []
    found, _ = planted.found_in(tmp_path / "out", wanted)
    assert found == []
    for spelled, what in wanted.items():
        assert spelled not in repr(report).encode(), what
    if engine.name == "spark":
        logs = [engine.folder / "events", engine.folder / "home" / "work", engine.folder / "local"]
        assert all(planted.found_in(log, wanted)[1] > 0 for log in logs)
    assert searched > 0


def fail_in_every_way(engine, world, tmp_path):
    """Runs that end in an error, on an executor where one can: what they log is searched too."""
    wrong = tmp_path / "wrong.key"
    wrong.write_text("not a secret, and none to be shown")
    wrong.chmod(0o600)
    waiting = tmp_path / "waiting"
    for secret, scratch in ((wrong, None), (wrong, waiting), (tmp_path / "nowhere.key", waiting)):
        with pytest.raises(Failed) as raised:
            engine.call(tasks.match, world, secret_file=str(secret), scratch=scratch)
        assert raised.value.kind == "SecretUnreadable"
    assert not list(waiting.iterdir()), "nothing waits for a run that was refused"
    with pytest.raises(Failed) as raised:
        engine.call(tasks.match_mistyped, world)
    assert raised.value.kind == "DataRefused"
    assert Path(tmp_path / "nowhere.key").exists() is False
    assert os.access(world.secret, os.R_OK)
