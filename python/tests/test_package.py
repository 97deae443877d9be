"""Stubs, docs, the lock, forks, examples."""

import multiprocessing
import re
import subprocess
import sys
import threading
from importlib import metadata
from pathlib import Path

import phonematch
import pyarrow as pa
import pytest

EXAMPLES = sorted((Path(__file__).resolve().parents[1] / "examples").glob("*.py"))


def test_the_stubs_say_what_is_there():
    settings = ["--mypy-config-file", Path(__file__).resolve().parents[1] / "pyproject.toml"]
    check = [sys.executable, "-m", "mypy.stubtest", "phonematch", "--ignore-disjoint-bases"]
    check += settings
    done = subprocess.run(check, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_everything_public_is_documented():
    for name in phonematch.__all__:
        public = getattr(phonematch, name)
        if isinstance(public, str):
            continue
        assert public.__doc__, name
        members = vars(public).items() if isinstance(public, type) else []
        for member, value in members:
            assert member.startswith("_") or value.__doc__, f"{name}.{member}"
    for function in (phonematch.normalise, phonematch.read, phonematch.Keyer.match_key):
        assert "Returns:" in function.__doc__
        assert "Raises:" in function.__doc__


def test_the_command_is_of_the_module_s_version(command):
    version = metadata.version("phonematch")
    assert phonematch.__version__ == version
    assert command("--version").strip() == f"phonematch {version}"


def test_other_threads_go_on_while_a_column_is_read():
    column = pa.array(["+1 202-555-0123 ext. 4", "0171 39200 01"] * 500_000)
    begun, ticks, done = threading.Event(), 0, threading.Event()

    def read():
        begun.set()
        phonematch.normalise(column, "DE")
        done.set()

    thread = threading.Thread(target=read)
    thread.start()
    begun.wait()
    while not done.is_set():
        ticks += 1
    thread.join()
    # One part a call: with the lock held this thread would have a turn at its start and its end.
    assert ticks > 10_000


def read_in_a_child(texts):
    return pa.array(phonematch.normalise(pa.array(texts)).e164).to_pylist()


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_forked_worker_reads_as_its_parent_does():
    texts = ["+1 202-555-0123", "n/a"]
    parents = read_in_a_child(texts)
    with multiprocessing.get_context("fork").Pool(2) as pool:
        assert pool.map(read_in_a_child, [texts] * 4) == [parents] * 4


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_every_example_prints_what_it_says(example, tmp_path):
    expected = re.search(r'\nPrints:\n\n(.*?)\n"""', example.read_text(encoding="utf-8"), re.DOTALL)
    shown = "\n".join(line.removeprefix("    ") for line in expected[1].splitlines())
    done = subprocess.run(
        [sys.executable, example], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == shown.strip()


def test_there_are_examples_for_three_engines():
    assert [path.stem for path in EXAMPLES] == ["duckdb_sql", "pandas_frame", "polars_frame"]
