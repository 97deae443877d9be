"""What the tests share: the corpus, a secret, and where the command is.

| file | what it shows |
|---|---|
| `test_columns.py` | every kind of Arrow column is read alike, and what is none is refused |
| `test_reader.py` | decisions equal Python `phonenumbers`, the command, and one call for each |
| `test_keyer.py` | keys and tokens equal `hmac` and `hashlib`, and those of a published run |
| `test_privacy.py` | nothing printed, raised or pickled holds a number or the secret |
| `test_package.py` | stubs, docs, the lock, forks, examples |
| `test_spark.py` | what `phonematch.spark` refuses, and what its workers decide; no engine is needed |
| `test_spark_entry.py` | settings and exit codes of its entry |
| `test_spark_writing.py` | how its runs land |
| `test_docs.py` | the code of the page under `docs/` |
| `engines/` | real engines, in an environment of their own; its `conftest.py` says how |

Numbers in here come from ranges set aside for fiction, or from the corpus sample.
"""

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CORPUS = ROOT / "fixtures" / "corpus" / "phones-sample.tsv"
SECRET = bytes([7] * 32)


@pytest.fixture(scope="session")
def corpus():
    """Rows of the corpus sample: what was written, and the country it is read against."""
    lines = CORPUS.read_text(encoding="utf-8").split("\n")[1:]
    cells = [line.split("\t") for line in lines if line]
    return [(row[0], row[1]) for row in cells]


@pytest.fixture
def secret_file(tmp_path):
    path = tmp_path / "secret.key"
    path.write_bytes(SECRET)
    path.chmod(0o600)
    return path


@pytest.fixture(scope="session")
def command():
    """Runs the installed `phonematch` command; gives its standard output."""
    program = Path(sys.executable).parent / "phonematch"

    def run(*words, expected=0):
        words = [os.fspath(word) for word in words]
        done = subprocess.run([program, *words], capture_output=True, text=True, check=False)
        assert done.returncode == expected, done.stderr
        return done.stdout

    return run


@pytest.fixture(scope="session")
def rows_of():
    """The rows of a CSV text, as dictionaries."""
    return lambda text: list(csv.DictReader(text.splitlines()))
