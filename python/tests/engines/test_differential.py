"""One machine, Spark, Spark Connect and Sail say the same of the same people, cell by cell."""

import pytest

import answers
import naive
import tasks
import worlds

PURPOSES = ["ads", "anti_spam", "friend_suggestions"]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return worlds.hostile(tmp_path_factory.mktemp("world"), accounts=12_000, list_rows=8_000)


@pytest.fixture(scope="module")
def expected(world, tmp_path_factory):
    """What one machine says, by purpose, said once."""
    out = tmp_path_factory.mktemp("one-machine")
    return {
        purpose: answers.of_one_machine(world.of(purpose), out / purpose) for purpose in PURPOSES
    }


def test_the_world_has_everything_in_it(expected):
    """A world that lacks something would let engines differ in it."""
    counts = answers.counts(expected["ads"])
    accounts, lists, opt_outs = (counts[role][0] for role in ("accounts", "list", "opt_outs"))
    fates = {"rejected", "barred", "duplicates", "unmatched", "withheld", "released"}
    assert min(accounts[fate] for fate in fates) > 0
    assert min(lists[fate] for fate in fates) > 0
    assert min(opt_outs[fate] for fate in ("barred", "duplicates", "unmatched")) > 0
    bars = {"denied", "unreadable_consent", "opted_out", "barred_elsewhere"}
    assert bars <= set(accounts["barred_by"])
    assert {"recycled_number", "excluded_region", "list_too_small"} <= set(accounts["withheld_by"])
    assert {"not_a_hash", "multiple_numbers", "scientific", "empty"} <= set(lists["rejected_by"])
    assert all(len(answers.people(expected[purpose])) > 100 for purpose in PURPOSES)
    shown = {row["device"] for row in expected["ads"]["matches"]}
    assert None in shown and len(shown) > 2


# Every purpose on two engines and each engine with two: a session's first run is the slow one.
PAIRS = [("spark", "ads"), ("spark", "friend_suggestions"), ("connect", "anti_spam")]
PAIRS += [("connect", "ads"), *(("sail", purpose) for purpose in PURPOSES)]


# Where tables wait in a scratch folder: on the engine that has no cache, and on one that has.
SCRATCHED = [("spark", "ads"), ("sail", "friend_suggestions"), ("sail", "ads")]


@pytest.mark.parametrize(("name", "purpose"), PAIRS)
def test_an_engine_says_what_one_machine_says(started, world, expected, tmp_path, name, purpose):
    scratch = tmp_path / "scratch" if (name, purpose) in SCRATCHED else None
    answer = started(name).call(tasks.match, world.of(purpose), scratch=scratch)
    answers.must_be_alike(answer, expected[purpose])
    if scratch is not None:
        assert not list(scratch.iterdir()), "what waited is deleted"


def test_every_no_is_in_some_other_spelling_somewhere(world, expected, tmp_path):
    """Were aliases not barred, more people would come out: the comparison above would see it."""
    text = world.policy.read_text(encoding="utf-8")
    short = tmp_path / "ads.toml"
    short.write_text(
        "\n".join(
            "aliases = []" if line.startswith("aliases") else line for line in text.splitlines()
        )
    )
    job = world.job(tmp_path / "out")
    job.write_text(job.read_text().replace(str(world.policy), str(short)))
    worlds.phonematch_command("match", "--job", job, "--quiet")
    without = answers.people(answers.of_folder(tmp_path / "out"))
    assert len(without - answers.people(expected["ads"])) > 50


def test_five_ways_to_the_same_people(started, tmp_path):
    """A plain world: dictionaries, SQL, one machine, Spark and Sail."""
    folder = tmp_path / "plain"
    worlds.synth(folder, accounts=10_000, list_rows=4_000, seed=9)
    world = worlds.plain(folder)
    one = answers.of_one_machine(world, tmp_path / "out")
    found = {"one machine": {row["token"] for row in one["matches"]}}
    for name, way in (("dictionaries", naive.match), ("sql", naive.match_in_duckdb)):
        found[name] = naive.tokens(way(folder), world.secret, "house")
    for name in ("spark", "sail"):
        matches = started(name).call(tasks.match, world, list_id="list")["matches"]
        found[name] = {row["token"] for row in matches}
    assert len(found["one machine"]) > 1_000
    assert all(tokens == found["one machine"] for tokens in found.values()), list(found)
