"""The entry takes the command's job file and ends with the command's codes.

Where only the code counts the entry runs against a Sail server, by `SPARK_REMOTE`: it has no JVM to
start. `spark-submit` itself runs a job that is published and one that is refused.
"""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

import answers
import tasks
import worlds
from clusters import linked_home

pytestmark = pytest.mark.long

ENTRY = [sys.executable, "-m", "phonematch.spark"]
WITHOUT = ["--without", "advertiser_figures"]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return worlds.hostile(tmp_path_factory.mktemp("world"), accounts=6_000, list_rows=4_000, seed=8)


@pytest.fixture
def entry(started, tmp_path):
    """Runs the entry against Sail; gives its exit code and what it says of an error."""
    remote = started("sail").call(tasks.address)
    environment = dict(os.environ, SPARK_REMOTE=remote)

    def run(*words, environment=environment):
        words = [*ENTRY, *map(str, words)]
        where = {"cwd": tmp_path, "env": environment, "capture_output": True, "text": True}
        done = subprocess.run(words, check=False, **where)
        return done.returncode, done.stderr.strip().splitlines()[-1:]

    return run


def command(*words):
    done = subprocess.run([worlds.PROGRAM, *map(str, words)], capture_output=True, check=False)
    return done.returncode


def test_the_same_job_file_gives_the_same_people(entry, world, tmp_path):
    """Also with a file for each form of hashes, which the long table cannot say."""
    expected = answers.of_one_machine(world, tmp_path / "one", long=False)
    job = world.job(tmp_path / "out", long=False)
    assert entry("--job", job, *WITHOUT) == (0, [])
    answer = answers.of_folder(tmp_path / "out")
    assert answers.people(answer) == answers.people(expected)
    assert answers.counts(answer) == answers.counts(expected)
    assert entry("--job", job, *WITHOUT)[0] == command("match", "--job", job) == 73


def empty(folder):
    worlds.write(folder / "empty.parquet", [], worlds.OPT_OUTS)
    return folder / "empty.parquet"


@pytest.mark.parametrize("code", [2, 65, 66, 77, 78])
def test_a_job_that_fails_ends_with_the_commands_code(entry, world, tmp_path, code):
    job, more = world.job(tmp_path / "out"), []
    if code == 2:
        more = ["--no-such-flag"]
    elif code == 65:
        # The accounts have no column of that name.
        more = ["--column", "accounts.phone=nowhere"]
    elif code == 66:
        more = ["--opt-outs", empty(tmp_path)]
    elif code == 77:
        more = ["--secret-file", tmp_path / "nowhere.key"]
    elif code == 78:
        more = ["--policy", tmp_path / "nowhere.toml"]
    assert command("match", "--job", job, *more) == code
    told = entry("--job", job, *more, *WITHOUT)
    assert told[0] == code, told
    assert not (tmp_path / "out").exists()


def test_what_stays_on_one_machine_is_refused_by_name(entry, world, tmp_path):
    job = world.job(tmp_path / "out")
    code, said = entry("--job", job)
    assert code == 78 and "advertiser_figures" in said[0]
    code, said = entry("--job", job, "--sample", "1%", *WITHOUT)
    assert code == 78 and "sample" in said[0]
    assert command("match", "--job", job, "--sample", "1%", "--dry-run") == 0


def test_spark_submit_runs_the_job_and_hands_on_the_code(world, tmp_path):
    home = linked_home(tmp_path / "home")
    program = Path(importlib.util.find_spec("phonematch").origin).parent / "spark" / "submit.py"
    submit = [home / "bin" / "spark-submit", "--master", "local[2]", program]
    environment = dict(
        os.environ,
        SPARK_HOME=str(home),
        PYSPARK_PYTHON=sys.executable,
        SPARK_LOCAL_DIRS=str(tmp_path / "local"),
        SPARK_LOCAL_IP="127.0.0.1",
    )
    environment.pop("SPARK_REMOTE", None)
    expected = answers.of_one_machine(world, tmp_path / "one")
    job = world.job(tmp_path / "out")
    for policy, code in ((world.policy, 0), (tmp_path / "nowhere.toml", 78)):
        words = [*submit, "--job", job, "--policy", policy, *WITHOUT]
        where = {"cwd": tmp_path, "env": environment, "capture_output": True, "text": True}
        done = subprocess.run(list(map(str, words)), check=False, **where)
        assert done.returncode == code, done.stderr[-2000:]
    assert answers.people(answers.of_folder(tmp_path / "out")) == answers.people(expected)
