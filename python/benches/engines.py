#!/usr/bin/env python3
"""One machine, Spark, Sail, SQL and dictionaries: how fast each keys and matches the same rows.

    cargo build --release --locked
    python -m venv target/engines
    target/engines/bin/pip install -r python/tests/engines/requirements.txt
    pip wheel --no-deps --wheel-dir target/wheels ./python
    target/engines/bin/pip install --no-deps --force-reinstall target/wheels/phonematch-*.whl
    target/engines/bin/python python/benches/engines.py     # a million accounts, 100 000 list rows

Makes a world with `phonematch synth`, as Parquet; runs all turn and turn about; takes medians; and
writes them, with an estimate for 3 billion accounts and 10 billion list rows, to
`benches/runs/<date>-engines.txt`. Before a time counts, all five must have found the same tokens.
Nothing else should run on the machine meanwhile.

What is compared is not the same work. DuckDB and the dictionaries know aliases and nothing of
floors, dates, reports or audits; in DuckDB's time is the reading of numbers, by the wheel. Spark
and Sail have the same decisions, report and files as one machine, and no figures for advertisers.
Sessions of engines are up before a time begins; the command starts in its own.

Memory is the most that a program and all its children had at once, as the system counts it (PSS:
what is shared is counted once); of what runs in this process, what came on top. Disk is what an
engine had in its folder for shuffles and spills.
"""

import argparse
import contextlib
import datetime
import os
import re
import shutil
import statistics
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(ROOT / "python" / "tests" / "engines"), str(ROOT / "benches" / "peers")]

import naive  # noqa: E402
import phonematch  # noqa: E402
import pyarrow.parquet as pq  # noqa: E402
import tasks  # noqa: E402
import worlds  # noqa: E402
from clusters import Engine  # noqa: E402
from phonematch import _native  # noqa: E402
from phonematch.spark import published_folder  # noqa: E402
from run import machine, provenance  # noqa: E402

PACKAGES = ["pyspark", "pysail", "duckdb", "pyarrow"]
# What a messenger has, and what its advertisers' lists add up to.
ACCOUNTS, LIST_ROWS = 3_000_000_000, 10_000_000_000
CORES = 2
SIZES = ["memory", "disk", "bytes_shuffled"]
SPARK = "Spark as local-cluster[2,1,1024], logs at WARN"
# As one would run it: adaptive, compiled stages, packed shuffles, few words in logs.
CONFIG = {
    "spark.sql.adaptive.enabled": "true",
    "spark.sql.codegen.wholeStage": "true",
    "spark.sql.codegen.factoryMode": "FALLBACK",
    "spark.shuffle.compress": "true",
    "spark.shuffle.spill.compress": "true",
    "spark.log.level": "WARN",
}


def arguments():
    parse = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parse.add_argument("--accounts", type=int, default=1_000_000)
    parse.add_argument("--list", type=int, default=100_000)
    parse.add_argument("--times", type=int, default=5, help="runs of each, of which medians count")
    parse.add_argument("--note", help="a line for the result, such as what else the machine did")
    parse.add_argument("--out", type=Path, help="the result file; - for none")
    return parse.parse_args()


def main():
    args = arguments()
    place = ROOT / "target" / "engines-bench"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    world = made(place / "world", args.accounts, args.list)
    tiny = made(place / "tiny", 2_000, 1_000)
    engines = {name: Engine(name, place / name, CONFIG) for name in ("spark", "sail")}
    try:
        result = compared(world, tiny, engines, args.times)
    finally:
        for engine in engines.values():
            engine.stop()
    text = report(args, result)
    print(text)
    if args.out != Path("-"):
        today = datetime.date.today().isoformat()
        out = args.out or ROOT / "benches" / "runs" / f"{today}-engines.txt"
        out.write_text(text)
    shutil.rmtree(place)


def made(folder, accounts, list_rows):
    size = ["--accounts", accounts, "--list", list_rows, "--overlap", 0.3, "--seed", 7]
    worlds.phonematch_command("synth", *size, "--out", folder)
    return worlds.plain(folder)


@dataclass
class Way:
    """A way to the answer: `run` does the work, `tokens` tells whom it found."""

    run: Callable
    tokens: Callable
    #: The processes and the folder that it costs, beside this one's.
    engine: Engine | None = None


@dataclass
class Run:
    """What one run cost."""

    seconds: float
    memory: int
    disk: int
    bytes_shuffled: int = 0
    found: frozenset = frozenset()


@dataclass
class Compared:
    matched: int
    match: dict
    fixed: dict
    keying: dict


def compared(world, tiny, engines, times):
    """What each way costs, turn and turn about; every run of it must find the same people."""
    match = turn_about(matchers(world, engines), times)
    found = {run.found for runs in match.values() for run in runs}
    if len(found) != 1:
        sys.exit("the ways do not lead to the same people")
    fixed = turn_about({n: w for n, w in matchers(tiny, engines).items() if n in match}, times)
    keying = turn_about(keyers(world, engines), times)
    return Compared(len(found.pop()), match, fixed, keying)


def matchers(world, engines):
    """Every way to match a world."""
    out = world.folder / "out"
    job = world.job(out)
    one = ["match", "--job", job, "--threads", CORES, "--quiet"]

    def of_run(_):
        table = pq.read_table(f"{published_folder(out)}/matches.parquet", columns=["token"])
        return set(table["token"].to_pylist())

    def of_numbers(numbers):
        return naive.tokens(numbers, world.secret, "house")

    def writing(engine):
        # Sail has no cache.
        scratch = engine.folder / "local" if engine.name == "sail" else None
        return lambda: engine.call(tasks.write, world, out, list_id="list", scratch=scratch)

    ways = {"one machine": Way(fresh(out, lambda: worlds.phonematch_command(*one)), of_run)}
    for name, engine in engines.items():
        ways[name] = Way(fresh(out, writing(engine)), of_run, engine)
    ways["DuckDB SQL"] = Way(lambda: naive.match_in_duckdb(world.folder, CORES), of_numbers)
    ways["dictionaries"] = Way(lambda: naive.match(world.folder), of_numbers)
    return ways


def fresh(out, run):
    """A run into a folder that is not there: the ways write different ones."""

    def begin():
        shutil.rmtree(out, ignore_errors=True)
        return run()

    return begin


def keyers(world, engines):
    """Reading and keying alone. One machine: the wheel, in this process, on one thread."""
    rules = _native.Rules(world.policy.read_text(encoding="utf-8"))
    keyer = phonematch.Keyer(world.secret)

    def here():
        file = pq.ParquetFile(world.accounts)
        for batch in file.iter_batches(1 << 16, columns=["phone", "consent_ads", "os", "device"]):
            batch = batch.rename_columns(["phone", "consent", "os", "device"])
            _native.account_rows(keyer, rules, batch, True, "accounts")

    def keying(engine):
        return lambda: engine.call(tasks.key_all, world)

    ways = {"one machine": Way(here, lambda _: ())}
    return ways | {name: Way(keying(it), lambda _: (), it) for name, it in engines.items()}


def turn_about(ways, times):
    """The runs of each way, turn and turn about."""
    runs = {name: [] for name in ways}
    for _ in range(times):
        for name, way in ways.items():
            runs[name].append(measured(way))
            print(f"{name}: {runs[name][-1].seconds:.1f} s", file=sys.stderr)
    return runs


def measured(way):
    pid = os.getpid() if way.engine is None else way.engine.call(tasks.process)
    scratch = way.engine.folder / "local" if way.engine else None
    is_spark = way.engine is not None and way.engine.name == "spark"
    before = way.engine.call(tasks.shuffled_bytes) if is_spark else 0
    gauge = Gauge(pid, scratch)
    began = time.perf_counter()
    done = way.run()
    seconds = time.perf_counter() - began
    memory, disk = gauge.read()
    shuffled = way.engine.call(tasks.shuffled_bytes) - before if is_spark else 0
    return Run(seconds, memory, disk, shuffled, frozenset(way.tokens(done)))


class Gauge(threading.Thread):
    """The most memory that a process and its children have had at once, and the most disk."""

    def __init__(self, pid, scratch):
        super().__init__(daemon=True)
        self.pid, self.scratch, self.over = pid, scratch, threading.Event()
        self.memory = self.disk = 0
        self.base = occupied(scratch)
        self.before = memory_of(pid) if pid == os.getpid() else 0
        self.start()

    def run(self):
        while not self.over.wait(0.05):
            self.memory = max(self.memory, memory_of(self.pid) - self.before)
            self.disk = max(self.disk, occupied(self.scratch) - self.base)

    def read(self):
        self.over.set()
        self.join()
        return self.memory, self.disk


def occupied(folder):
    total = 0
    for parent, _, names in os.walk(folder) if folder else []:
        for name in names:
            with contextlib.suppress(OSError):
                total += os.stat(os.path.join(parent, name)).st_size
    return total


def memory_of(pid):
    """Bytes of a process and of all that it started; what several share is counted once."""
    total, waiting = 0, [pid]
    while waiting:
        process = Path("/proc") / str(waiting.pop())
        try:
            rollup = (process / "smaps_rollup").read_text()
            total += int(re.search(r"^Pss:\s+(\d+)", rollup, re.MULTILINE)[1]) * 1024
            for task in (process / "task").iterdir():
                waiting += [int(child) for child in (task / "children").read_text().split()]
        except (OSError, TypeError):
            continue
    return total


def median(runs, what="seconds"):
    return statistics.median(getattr(run, what) for run in runs)


def report(args, result):
    versions = ", ".join(f"{name}=={metadata.version(name)}" for name in PACKAGES)
    size = f"{args.accounts} accounts x {args.list} list rows of synth, seed 7, as Parquet"
    lines = [
        provenance(),
        f"{machine()}; {versions}",
        f"{size}; {CORES} cores; medians of {args.times}, turn and turn about; {SPARK}",
        *([args.note] if args.note else []),
        "",
        f"all five found the same {result.matched} people",
        "",
        f"{'match':<14}{'seconds':>9}{'least':>9}{'most':>9}{'of 2 000':>9}{'rows/s/core':>13}"
        f"{'memory_MB':>11}{'disk_MB':>9}{'shuffled_MB':>12}",
    ]
    rows = args.accounts + args.list
    for name, runs in result.match.items():
        seconds, fixed = median(runs), median(result.fixed[name])
        least, most = min(run.seconds for run in runs), max(run.seconds for run in runs)
        speed = rows / max(seconds - fixed, 1e-9) / cores(name)
        sizes = [max(getattr(run, what) for run in runs) / 1e6 for what in SIZES]
        cells = [f"{it:>9.2f}" for it in (seconds, least, most, fixed)]
        cells += [
            f"{speed:>13.0f}",
            f"{sizes[0]:>11.0f}",
            f"{sizes[1]:>9.0f}",
            f"{sizes[2]:>12.1f}",
        ]
        lines.append(f"{name:<14}" + "".join(cells))
    lines += ["", f"{'keying':<14}{'seconds':>9}{'rows/s/core':>13}"]
    for name, runs in result.keying.items():
        of = 1 if name == "one machine" else CORES
        lines.append(f"{name:<14}{median(runs):>9.2f}{args.accounts / median(runs) / of:>13.0f}")
    return "\n".join([*lines, "", *estimate(args, result)]) + "\n"


def cores(name):
    return 1 if name == "dictionaries" else CORES


def estimate(args, result):
    """What the figures come to for a messenger: so much a row, times the rows."""
    rows, of = args.accounts + args.list, ACCOUNTS + LIST_ROWS
    lines = [
        f"estimate for {ACCOUNTS} accounts x {LIST_ROWS} list rows: the time above that of a world",
        "of 2 000 accounts, a row, times the rows, all rows alike, though one of a list costs more;",
        "nothing larger was run, and a cluster's network and disks are not in it",
    ]
    for name in ("one machine", "spark", "sail"):
        spent = median(result.match[name]) - median(result.fixed[name])
        hours = spent * CORES / rows * of / 3600
        line = f"{name:<14}{hours:>9.1f} core hours"
        if name == "one machine":
            line += f", {hours / 64:.2f} h on 64 cores; finer, with memory, in the README"
        else:
            line += f", {hours / 1000:.2f} h on 1000 cores"
        if shuffled := median(result.match[name], "bytes_shuffled"):
            line += f"; {shuffled / rows * of / 1e12:.1f} TB through shuffles"
        lines.append(line)
    return lines


if __name__ == "__main__":
    main()
