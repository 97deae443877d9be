#!/usr/bin/env python3
"""How much faster than DuckDB and Polars is phonematch, and does it find the same people?

    cargo build --release --locked
    benches/peers/run.py                                    # 10 million accounts, 1 million list rows
    benches/peers/run.py --accounts 2000000 --list 200000 --times 3    # a first look

Makes a world with `phonematch synth`, installs the peers by pip into a folder of its own under
`target/`, runs all programs turn and turn about, and writes medians, ratios and peak memory to
`benches/runs/<date>-peers.txt`. Nothing else may run on the machine meanwhile. `chart.py` draws
the chart in the README from that file.

What is compared is not the same work. The peers get list and opt-outs **already normalised**
(untimed) and hash plainly; phonematch reads the raw files, hashes under keys, bars every alias,
applies floors, audits what it wrote and writes manifest and report. The peers' time is that of
their query alone, without start and imports; phonematch's that of the whole process.

Before any time counts, the people found must be the same: the script makes phonematch's tokens
out of the digests that a peer found, with the run's secret, and compares the sets.
"""

import argparse
import datetime
import hashlib
import hmac
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PACKAGES = ["duckdb", "polars", "polars-hash"]
WORKLOADS = ["csv", "parquet", "csv_sha256"]
PROGRAMS = ["phonematch", "duckdb", "polars"]


def arguments():
    parse = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parse.add_argument("--accounts", type=int, default=10_000_000)
    parse.add_argument("--list", type=int, default=1_000_000)
    parse.add_argument("--times", type=int, default=5, help="runs of each, of which medians count")
    parse.add_argument("--threads", type=int, default=2)
    parse.add_argument("--workloads", default=",".join(WORKLOADS))
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    parse.add_argument("--target", type=Path, default=target, help="where things are made")
    parse.add_argument("--data", type=Path, help="a world that synth has made already")
    parse.add_argument("--venv", type=Path, help="a Python environment that has the peers already")
    parse.add_argument("--out", type=Path, help="the result file; - for none")
    return parse.parse_args()


def main():
    args = arguments()
    phonematch = args.target / "release" / "phonematch"
    if not phonematch.exists():
        sys.exit("build it first: cargo build --release --locked")
    place = args.target / "peers"
    place.mkdir(parents=True, exist_ok=True)
    python = peers_python(args.venv or place / "venv")
    world = World(phonematch, python, place, args)
    results = {}
    for workload in args.workloads.split(","):
        results[workload] = compare(world, workload, args)
    text = report(args, python, results)
    print(text)
    if args.out != Path("-"):
        today = datetime.date.today().isoformat()
        out = args.out or ROOT / "benches" / "runs" / f"{today}-peers.txt"
        out.write_text(text)
        print(f"written: {out}")


def peers_python(venv):
    python = venv / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", venv], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *PACKAGES], check=True)
    return python


class World:
    """The files of all programs."""

    def __init__(self, phonematch, python, place, args):
        self.phonematch, self.python, self.place = phonematch, python, place
        self.folder = args.data or place / f"world-{args.accounts}-{args.list}"
        if not (self.folder / "job.toml").exists():
            self.do("synth", "--accounts", args.accounts, "--list", args.list, "--overlap", 0.3,
                    "--seed", 7, "--out", self.folder)
        # Only fresh opt-outs are taken.
        os.utime(self.folder / "opt_outs.csv")
        self.secret = place / "secret.key"
        self.secret.unlink(missing_ok=True)
        self.do("keygen", self.secret)
        self.files = place / f"made-of-{self.folder.resolve().name}"
        if not (self.files / "done").exists():
            self.make_files()

    def do(self, *words):
        subprocess.run([self.phonematch, *map(str, words)], check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def make_files(self):
        """Normalised lists for the peers, the list as hashes, and the accounts as Parquet."""
        shutil.rmtree(self.files, ignore_errors=True)
        self.files.mkdir()
        for name in ["list", "opt_outs"]:
            country = ["--country-column", "country"] if name == "list" else []
            self.do("normalise", self.folder / f"{name}.csv", "--phone-column", "phone", *country,
                    "--damage-checks", "--output", self.files / f"{name}_read.csv")
        made = f"""
            import duckdb
            made, given = {str(self.files)!r}, {str(self.folder)!r}
            text = "header=true, delim=',', all_varchar=true"
            valid = "status = 'valid'"
            duckdb.execute(f"COPY (SELECT e164 FROM read_csv('{{made}}/list_read.csv', {{text}})"
                f" WHERE {{valid}}) TO '{{made}}/list.csv'")
            duckdb.execute(f"COPY (SELECT sha256(e164) AS phone_sha256 FROM"
                f" read_csv('{{made}}/list.csv', {{text}})) TO '{{made}}/list_sha256.csv'")
            duckdb.execute(f"CREATE TABLE given AS SELECT row_number() OVER () AS row, *"
                f" FROM read_csv('{{given}}/opt_outs.csv', {{text}}, parallel=false)")
            duckdb.execute(f"COPY (SELECT DISTINCT e164 FROM read_csv('{{made}}/opt_outs_read.csv',"
                f" {{text}}) AS read JOIN given ON given.row = read.row::BIGINT WHERE {{valid}} AND"
                f" (purpose IS NULL OR purpose = 'ads')) TO '{{made}}/opt_outs.csv'")
            duckdb.execute(f"COPY (SELECT * FROM read_csv('{{given}}/accounts.csv', {{text}}))"
                f" TO '{{made}}/accounts.parquet' (FORMAT parquet, COMPRESSION zstd)")
        """
        lines = [line[12:] for line in made.splitlines()]
        subprocess.run([self.python, "-c", "\n".join(lines)], check=True)
        (self.files / "done").touch()

    def command(self, program, workload, threads, out):
        is_parquet, is_hashed = workload == "parquet", workload.endswith("sha256")
        accounts = (self.files / "accounts.parquet") if is_parquet else self.folder / "accounts.csv"
        if program == "phonematch":
            job = self.place / f"job-{workload}.toml"
            job.write_text(JOB.format(
                policy=self.folder / "policy.toml",
                secret=self.secret,
                accounts=accounts,
                list=self.files / "list_sha256.csv" if is_hashed else self.folder / "list.csv",
                phones="e164" if is_hashed else "raw",
                opt_outs=self.folder / "opt_outs.csv",
            ))
            return [self.phonematch, "match", "--job", job, "--out", out, "--previous", "none",
                    "--threads", str(threads), "--quiet"]
        job = {
            "accounts": str(accounts),
            "format": "parquet" if is_parquet else "csv",
            "list": str(self.files / ("list_sha256.csv" if is_hashed else "list.csv")),
            "list_column": "phone_sha256" if is_hashed else "e164",
            "opt_outs": str(self.files / "opt_outs.csv"),
            "threads": threads,
            "out": str(out),
        }
        return [self.python, HERE / f"{program}_match.py", json.dumps(job)]


JOB = """name = "peers"
purpose = "ads"
policy = "{policy}"
recipient = "synth"
secret = {{ file = "{secret}" }}
accounts = {{ files = ["{accounts}"] }}
lists = [{{ files = ["{list}"], id = "list", phones = "{phones}" }}]
opt_outs = {{ files = ["{opt_outs}"] }}
"""


def compare(world, workload, args):
    """Each program once to check what it finds, then turn and turn about."""
    out = world.place / "out"
    found = {}
    for program in PROGRAMS:
        measure(world, program, workload, args.threads, out)
        found[program] = tokens_found(world, program, out)
        print(f"{workload}: {program} found {len(found[program])}", file=sys.stderr)
    if any(found[program] != found["phonematch"] for program in PROGRAMS):
        sys.exit(f"{workload}: the programs do not find the same people")
    runs = {program: [] for program in PROGRAMS}
    single = []
    for _ in range(args.times):
        for program in PROGRAMS:
            runs[program].append(measure(world, program, workload, args.threads, out))
        if args.threads > 1:
            single.append(measure(world, "phonematch", workload, 1, out))
    return {"matched": len(found["phonematch"]), "runs": runs, "single": single}


def measure(world, program, workload, threads, out):
    """One run: what it cost."""
    if out.is_dir():
        shutil.rmtree(out)
    out.unlink(missing_ok=True)
    forget_budget(out)
    run = measured(world.command(program, workload, threads, out),
                   dict(os.environ, POLARS_MAX_THREADS=str(threads)))
    if program != "phonematch":
        run["seconds"] = float(run["said"])
    return run


def forget_budget(out):
    """The ledger beside a run: every run is to be the first that its recipient is told of."""
    (out.parent / "phonematch.ledger").unlink(missing_ok=True)


def measured(command, environment=None):
    """Runs a command to its end; gives what it said, its seconds, CPU seconds and peak bytes."""
    words = [sys.executable, HERE / "measure.py", *map(str, command)]
    line = subprocess.run(words, env=environment, check=True, stdout=subprocess.PIPE).stdout
    run = json.loads(line)
    if run["exit"] != 0:
        sys.exit(f"{Path(command[0]).name} failed with {run['exit']}")
    return run


def tokens_found(world, program, out):
    """The people found, as the tokens that phonematch gives them."""
    column, path = ("token", out / "matches.parquet") if program == "phonematch" else ("digest", out)
    query = f"import duckdb; [print(row[0]) for row in" \
            f" duckdb.sql(\"SELECT {column} FROM read_parquet('{path}')\").fetchall()]"
    printed = subprocess.run([world.python, "-c", query], check=True, capture_output=True, text=True)
    words = printed.stdout.split()
    if program == "phonematch":
        return set(words)
    secret = bytes.fromhex(world.secret.read_text().strip())
    join, recipient = hkdf(secret, b"phonematch/join/v1"), hkdf(secret, b"phonematch/recipient/v1/synth")
    match_key = lambda digest: keyed(join, bytes.fromhex(digest))[:16]
    return {keyed(recipient, match_key(digest))[:16].hex() for digest in words}


def keyed(key, message):
    return hmac.digest(key, message, "sha256")


def hkdf(secret, info):
    """RFC 5869, no salt, one block."""
    return keyed(keyed(bytes(32), secret), info + b"\x01")


def provenance():
    """The script that runs and what was asked of it, without places on this machine; the commit."""
    script, words = Path(sys.argv[0]).resolve().relative_to(ROOT), iter(sys.argv[1:])
    kept = [str(script)]
    for word in words:
        if word in ("--data", "--venv", "--out", "--target"):
            next(words, None)
        elif not word.startswith(("--data=", "--venv=", "--out=", "--target=")):
            kept.append(word)
    return " ".join(kept) + f"; commit {git()}"


def report(args, python, results):
    versions = subprocess.run([python, "-m", "pip", "list", "--format", "freeze"], check=True,
                              capture_output=True, text=True).stdout.split()
    versions = [line for line in versions if line.split("==")[0] in PACKAGES]
    lines = [
        provenance(),
        f"{machine()}; {', '.join(versions)}",
        f"{args.accounts} accounts x {args.list} list rows of synth, seed 7; {args.threads} threads;"
        f" medians of {args.times}, turn and turn about; peers' list and opt-outs normalised beforehand",
        "",
        f"{'workload':<12}{'program':<12}{'seconds':>9}{'least':>9}{'most':>9}{'cpu_s':>9}"
        f"{'peak_MB':>9}{'ratio':>8}",
    ]
    for workload, result in results.items():
        medians = {program: statistics.median(run["seconds"] for run in runs)
                   for program, runs in result["runs"].items()}
        for program, runs in result["runs"].items():
            lines.append(row(workload, program, runs, medians[program] / medians["phonematch"]))
        if result["single"]:
            single = statistics.median(run["seconds"] for run in result["single"])
            lines.append(row(workload, "one thread", result["single"], single / medians["phonematch"]))
    lines.append("")
    for workload, result in results.items():
        lines.append(f"{workload}: all three found the same {result['matched']} people")
    return "\n".join(lines) + "\n"


def row(workload, program, runs, ratio):
    seconds = [run["seconds"] for run in runs]
    cpu = statistics.median(run["cpu"] for run in runs)
    peak = max(run["peak"] for run in runs) / 1e6
    return (f"{workload:<12}{program.replace(' ', '_'):<12}{statistics.median(seconds):>9.3f}"
            f"{min(seconds):>9.3f}{max(seconds):>9.3f}{cpu:>9.3f}{peak:>9.0f}{ratio:>8.2f}")


def git():
    """The commit, and whether the tree differs from it."""
    say = lambda *words: subprocess.run(["git", *words], cwd=ROOT, capture_output=True,
                                        text=True).stdout.strip()
    dirty = " with changes" if say("status", "--porcelain", "--untracked-files=no") else ""
    return say("rev-parse", "--short", "HEAD") + dirty


def machine():
    name = platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        name = next(line.split(": ")[1] for line in lines if line.startswith("model name"))
        flags = next(line for line in lines if line.startswith("flags"))
        name += ", AVX-512" if "avx512f" in flags else ""
    except (OSError, StopIteration):
        pass
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    return f"{name}, {os.cpu_count()} cores, {memory:.0f} GB, {platform.system()} {platform.release()}"


if __name__ == "__main__":
    main()
