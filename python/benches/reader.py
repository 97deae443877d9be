#!/usr/bin/env python3
"""How fast is the reader through Python, beside the library itself and Python `phonenumbers`?

    cargo bench --bench batch -- --save-baseline reader     # the library's figures, same rows
    python python/benches/reader.py                         # with the wheel of a release build

Reads a million rows of two mixes of the corpus sample (cycled), as one Arrow column each:
`clean` is E.164 as a messenger stores it, `corpus` is what people write, read against the row's
country. `reading` is the library's reader alone, `columns` what Python calls of it: the same, and its
answers as Arrow columns. `share` is how much of that speed is left through Python. `phonenumbers`
reads the first ten thousand rows of each; its decisions must be ours.
Writes a table to standard output. Nothing else may run on the machine meanwhile.
"""

import json
import os
import statistics
import time
from pathlib import Path

import phonematch
import phonenumbers
import pyarrow as pa

ROOT = Path(__file__).resolve().parents[2]
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
CORPUS = ROOT / "fixtures" / "corpus" / "phones-sample.tsv"
ROWS = 1_000_000
FEW = 10_000
TIMES = 7


def mixes():
    lines = CORPUS.read_text(encoding="utf-8").split("\n")[1:]
    cells = [line.split("\t") for line in lines if line]
    corpus = [(row[0], row[1]) for row in cells]
    clean = [(row[3], "") for row in cells if row[3]]
    return {"clean": clean, "corpus": corpus}


def cycled(column):
    return pa.array((column * (ROWS // len(column) + 1))[:ROWS])


def reference(text, country):
    try:
        number = phonenumbers.parse(text, country or None)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(number):
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def seconds(work):
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def of_library(mix, bench):
    """Criterion's median of a bench of the library on these rows, nanoseconds a row."""
    figures = TARGET / "criterion" / "batch" / bench / mix / "reader" / "estimates.json"
    if not figures.exists():
        return None
    return json.loads(figures.read_text())["median"]["point_estimate"] / ROWS


def main():
    heads = f"{'reading':>10} {'columns':>10} {'Python':>10} {'share':>8}"
    heads += f" {'phonenumbers':>13} {'times':>8}"
    print("nanoseconds a row  " + heads)
    for mix, rows in mixes().items():
        phones, countries = (list(column) for column in zip(*rows, strict=True))
        column, country = cycled(phones), cycled(countries)
        how = {"export": True} if mix == "clean" else {"country": country}
        read = lambda: phonematch.normalise(column, damage_checks=False, **how)  # noqa: B023, E731
        read()
        ours = statistics.median(seconds(read) for _ in range(TIMES)) / ROWS * 1e9
        few = rows[:FEW]
        answers = []
        theirs = seconds(lambda: answers.extend(reference(*row) for row in few)) / len(few) * 1e9  # noqa: B023
        assert pa.array(read().e164).to_pylist()[: len(few)] == answers, "decisions differ"
        reading, columns = (of_library(mix, bench) for bench in ("array", "columns"))
        share = f"{columns / ours:8.0%}" if columns else f"{'–':>8}"
        shown = [f"{figure:10.1f}" if figure else f"{'–':>10}" for figure in (reading, columns)]
        shown.append(f"{ours:10.1f} {share} {theirs:13.0f} {theirs / ours:8.0f}")
        print(f"{mix:<18} {' '.join(shown)}")


if __name__ == "__main__":
    main()
