"""What is read: a no in any file, column or line counts as it does on one machine, or is refused."""

import csv
import json
import os
import shutil

import pyarrow.parquet as pq
import pytest

import answers
import tasks
import worlds
from clusters import Failed

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A small world of one list, with a signal that says no beside every seventh account."""
    folder = tmp_path_factory.mktemp("inputs") / "world"
    worlds.synth(folder, accounts=3_000, list_rows=2_000, seed=11)
    world = worlds.plain(folder)
    for at, row in enumerate(rows := _rows(folder / "accounts.csv")):
        row |= {
            "gpc": "1" if at % 7 == 0 else "",
            "verified_at": ("2023-01-01", "", "2024-06-01")[at % 3],
        }
    worlds.write(world.accounts, rows, list(rows[0]))
    rows = [dict(row, list_id="list") for row in _rows(folder / "list.csv")]
    for at, row in enumerate(rows):
        row["last_contact_at"] = ("2024-03-01", "")[at % 2]
    worlds.write(world.long_list, rows, list(rows[0]))
    return world


@pytest.fixture
def connect(started):
    """Readers are the same on a cluster; here there is no way around the DataFrame API."""
    return started("connect")


def _rows(path):
    with path.open(newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def _table(path):
    return pq.read_table(path).to_pylist()


def _text(path, rows):
    with path.open("w", newline="", encoding="utf-8") as out:
        writer = csv.DictWriter(out, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _job(world, folder, **files):
    """A job over a world with other files for some roles; gives its path, and where it lands."""
    given = {"accounts": world.accounts, "lists": world.long_list, "opt_outs": world.opt_outs}
    job, text = folder / "job.toml", world.job(folder / "out").read_text()
    for role, path in files.items():
        written = f'files = ["{given[role]}"]'
        assert written in text
        text = text.replace(written, f'files = ["{path}"]')
    job.write_text(text)
    return job


def _both(engine, job, folder):
    """What one machine says of a job, and the engine."""
    worlds.phonematch_command("match", "--job", job, "--quiet", "--out", folder / "one")
    assert engine.call(tasks.run_job, job) == 0
    return answers.of_folder(folder / "one"), answers.of_folder(folder / "out")


PARTS = ["parquet", "csv", "ndjson"]


@pytest.mark.parametrize("kind", PARTS)
def test_a_signal_and_a_name_that_only_some_files_have_count(connect, world, tmp_path, kind):
    """Part 0 has neither the signal nor the other's name for the number."""
    rows = _table(world.accounts)
    without = [{k: v for k, v in row.items() if k != "gpc"} for row in rows[:1_000]]
    renamed = [{"msisdn" if k == "phone" else k: v for k, v in row.items()} for row in rows[1_000:]]
    parts = tmp_path / "parts"
    parts.mkdir()
    for name, part in (("part-0", without), ("part-1", renamed)):
        path = parts / f"{name}.{kind}"
        if kind == "parquet":
            worlds.write(path, part, list(part[0]))
        elif kind == "csv":
            _text(path, part)
        else:
            path.write_text("".join(json.dumps(row) + "\n" for row in part))
    job = _job(world, tmp_path, accounts=f"{parts}/*.{kind}")
    one, there = _both(connect, job, tmp_path)
    assert answers.people(there) == answers.people(one)
    assert len(answers.people(one)) > 300
    barred = [
        sum(it["barred"] for it in told["report"]["inputs"] if it["role"] == "accounts")
        for told in (one, there)
    ]
    assert barred[0] == barred[1] > len(rows) // 10


def test_a_file_without_a_column_that_is_needed_is_refused(connect, world, tmp_path):
    rows = _table(world.accounts)
    parts = tmp_path / "parts"
    parts.mkdir()
    worlds.write(parts / "part-0.parquet", rows[:1_000], list(rows[0]))
    names = [name for name in rows[0] if name != "consent_ads"]
    worlds.write(parts / "part-1.parquet", rows[1_000:], names)
    job = _job(world, tmp_path, accounts=f"{parts}/*.parquet")
    worlds.phonematch_command("match", "--job", job, "--quiet", expected=65)
    assert connect.call(tasks.run_job, job) == 65
    assert not (tmp_path / "out").exists()


def test_folders_that_are_a_columns_values_are_refused(connect, world, tmp_path):
    for value in ("0", "1"):
        (tmp_path / "parts" / f"gpc={value}").mkdir(parents=True)
        shutil.copy2(world.accounts, tmp_path / "parts" / f"gpc={value}" / "part.parquet")
    job = _job(world, tmp_path, accounts=tmp_path / "parts")
    assert connect.call(tasks.run_job, job) == 65


def test_a_line_break_in_a_cell_is_refused(connect, world, tmp_path):
    """The second half of such a row has the no, and no number to it."""
    rows = [dict(row, name="a") for row in _table(world.accounts)]
    names = ["account_id", "name", *(it for it in rows[0] if it not in ("account_id", "name"))]
    rows = [{name: row.get(name) for name in names} for row in rows]
    path = tmp_path / "accounts.csv"
    _text(path, rows)
    one, there = _both(connect, _job(world, tmp_path, accounts=path), tmp_path)
    assert answers.people(there) == answers.people(one)
    rows[-1]["name"] = "a\nb"
    _text(path, rows)
    job = _job(world, tmp_path, accounts=path)
    assert connect.call(tasks.run_job, job, "--out", str(tmp_path / "again")) == 65
    path.write_text(path.read_text().replace('"a\nb"', '"never ended'))
    assert connect.call(tasks.run_job, job, "--out", str(tmp_path / "again")) == 65
    assert not (tmp_path / "again").exists()


def test_accounts_keyed_for_another_purpose_bar_as_that_one_does_and_are_refused(
    connect, world, tmp_path
):
    names = {"secret_file": str(world.secret), "purpose": "ads", "policy": str(world.policy)}
    expected = answers.of_one_machine(world, tmp_path / "out")
    answers.must_be_alike(connect.call(tasks.match_key_table, world, names), expected)
    worlds.phonematch_command("keygen", tmp_path / "other.key")
    policy = tmp_path / "ads.toml"
    policy.write_text(world.policy.read_text().replace('["VA"]', '["DE"]'))
    others = {
        "purpose": {"policy": str(world.of("anti_spam").policy), "purpose": "anti_spam"},
        "policy": {"policy": str(policy)},
        "secret": {"secret_file": str(tmp_path / "other.key")},
    }
    for what, other in others.items():
        with pytest.raises(Failed) as raised:
            connect.call(tasks.match_key_table, world, names | other)
        assert raised.value.kind == "Refused" and what in raised.value.text
    with pytest.raises(Failed) as raised:
        connect.call(tasks.match_key_table, world, names, ("keyed_for",))
    assert raised.value.kind == "Refused" and "keyed_for" in raised.value.text


@pytest.mark.parametrize("name", ["spark", "connect"])
def test_what_is_missing_or_empty_ends_with_the_commands_code(started, world, tmp_path, name):
    engine = started(name)
    cut = tmp_path / "cut.csv"
    cut.write_text("phone\n+12025550123")
    unreadable = tmp_path / "unreadable.csv"
    unreadable.write_text("phone\ncall me\n")
    (tmp_path / "empty.csv").write_text("")
    cases = [
        ({"opt_outs": tmp_path / "none.csv"}, 66),
        ({"opt_outs": tmp_path / "empty.csv"}, 66),
        ({"opt_outs": cut}, 66),
        ({"opt_outs": unreadable}, 65),
        ({"accounts": tmp_path / "none.parquet"}, 66),
    ]
    for files, code in cases:
        job = _job(world, tmp_path, **files)
        worlds.phonematch_command("match", "--job", job, "--quiet", expected=code)
        assert engine.call(tasks.run_job, job) == code, (files, code)


def test_what_a_policy_allows_of_opt_outs_is_passed_over(connect, world, tmp_path):
    policy = tmp_path / "ads.toml"
    text = world.policy.read_text()
    for gate in ("when_missing", "when_empty"):
        assert f'{gate} = "refuse"' in text
        text = text.replace(f'{gate} = "refuse"', f'{gate} = "allow"')
    policy.write_text(text)
    (tmp_path / "empty.csv").write_text("")
    job = _job(world, tmp_path)
    given = f'files = ["{world.opt_outs}"]'
    more = f'files = ["{tmp_path / "empty.csv"}", "{world.opt_outs}", "{tmp_path / "none.csv"}"]'
    assert given in (written := job.read_text())
    job.write_text(written.replace(given, more).replace(str(world.policy), str(policy)))
    one, there = _both(connect, job, tmp_path)
    assert answers.people(there) == answers.people(one)


def test_the_end_of_a_large_opt_out_file_is_looked_at(connect, world, tmp_path):
    path = tmp_path / "opt_outs.csv"
    _text(path, _table(world.opt_outs))
    job = _job(world, tmp_path, opt_outs=path)
    assert connect.call(tasks.run_job_of_large_files, job) == 0
    path.write_bytes(path.read_bytes()[:-1])
    job = _job(world, tmp_path, opt_outs=path)
    shutil.rmtree(tmp_path / "out")
    assert connect.call(tasks.run_job_of_large_files, job) == 66


def test_files_of_a_pattern_are_a_list_each_by_their_names(connect, world, tmp_path):
    rows = [{"phone": row["phone"], "country": row["country"]} for row in _table(world.long_list)]
    for name, part in (("spring", rows[:1_200]), ("summer", rows[800:])):
        _text(tmp_path / f"{name}.csv", part)
    job = _job(world, tmp_path, lists=f"{tmp_path}/s*.csv")
    one, there = _both(connect, job, tmp_path)
    assert answers.people(there) == answers.people(one)
    assert {row["list_id"] for row in there["matches"]} == {"spring", "summer"}
    os.rename(tmp_path / "spring.csv", tmp_path / "spring list.csv")
    shutil.rmtree(tmp_path / "out")
    assert connect.call(tasks.run_job, job) == 78


def test_days_instants_and_truth_values_are_read(engine, world, tmp_path):
    expected = answers.of_one_machine(world, tmp_path / "out")
    answers.must_be_alike(engine.call(tasks.match_typed, world), expected)
    withheld = answers.counts(expected)["accounts"][0]["withheld_by"]
    assert withheld["recycled_number"] > 0
