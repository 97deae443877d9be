"""Tests on real engines: Spark on a cluster of processes, Spark Connect, and Sail.

    python -m venv target/engines
    target/engines/bin/pip install -r python/tests/engines/requirements.txt
    target/engines/bin/pip install --no-deps target/wheels/phonematch-*.whl
    (cd python && ../target/engines/bin/python -m pytest tests/engines)

`-m "not long"` leaves out what takes minutes on two cores: that is what `.ci/run` does.

Needs Java 17 or 21. `tests` alone does not look in here: the wheel is tested without Spark there.

| file | what it shows |
|---|---|
| `clusters.py` | how an engine is started, and what becomes of its files |
| `worlds.py` | made-up people with everything that has ever gone wrong |
| `people.py`, `naive.py` | a number's other forms, and the match twice more, written anew |
| `tasks.py` | what an engine's process is given to do |
| `answers.py` | what one machine says, to compare with |
| `lost.py`, `planted.py` | how an executor is killed; how a planted number is looked for |
| `test_engines.py` | the engines are what they are taken for, and leave nothing in the package |
| `test_differential.py` | the same people, cells, counts and rejects on all of them |
| `test_lost_executor.py` | an executor dies in the opt-out anti-join, and the answer is exact |
| `test_planted.py` | planted numbers, hashes and the secret are nowhere |
| `test_output.py` | written twice, or after a crash, it is the same folder |
| `test_submit.py` | the entry: the same job file, the same exit codes |
| `test_inputs.py` | a no in any file, column or line counts, or the run is refused |
| `test_layout.py` | keyed accounts: the same answer, a nightly delta, nothing shuffled |
| `test_pages.py` | code of the docs |

Numbers in here are made up from numbering patterns, or from ranges set aside for fiction.
"""

import pytest

from clusters import ENGINES, Engine


@pytest.fixture(scope="session")
def started(tmp_path_factory):
    """Starts an engine by its name when it is first asked for."""
    running = {}

    def start(name):
        if name not in running:
            running[name] = Engine(name, tmp_path_factory.mktemp(name) / "engine")
        return running[name]

    yield start
    for engine in running.values():
        engine.stop()
        engine.leave_nothing()


@pytest.fixture(params=ENGINES)
def engine(request, started):
    """Each engine in turn."""
    return started(request.param)


@pytest.fixture
def spark(started):
    """Spark on a cluster of processes."""
    return started("spark")
