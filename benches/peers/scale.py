#!/usr/bin/env python3
"""Does ten times the export cost ten times as much, and no more memory?

    cargo build --release --locked
    benches/peers/scale.py                   # 10 and 100 million accounts x 1 million list rows
    benches/peers/scale.py --accounts 1000000,4000000 --list 100000     # a first look

Makes each world with `phonematch synth` under `target/` (7 GB for the larger one, removed at the
end), runs the job on each, and writes cost per account and peak memory to
`benches/runs/<date>-scale.txt`. Promised: cost per account within 15 %, peak memory within 10 %.
"""

import argparse
import datetime
import os
import shutil
import statistics
import sys
from pathlib import Path

from run import ROOT, forget_budget, machine, measured, provenance


def main():
    parse = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parse.add_argument("--accounts", default="10000000,100000000")
    parse.add_argument("--list", type=int, default=1_000_000)
    parse.add_argument("--times", type=int, default=3, help="runs of each, of which medians count")
    parse.add_argument("--threads", type=int, default=2)
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    parse.add_argument("--target", type=Path, default=target, help="where things are made")
    parse.add_argument("--out", type=Path, help="the result file; - for none")
    args = parse.parse_args()
    phonematch = args.target / "release" / "phonematch"
    place = args.target / "scale"
    lines = [
        provenance(),
        f"{machine()}; {args.list} list rows of synth, seed 7; {args.threads} threads;"
        f" medians of {args.times}",
        "",
        f"{'accounts':>12}{'seconds':>10}{'cpu_s':>10}{'ns_account':>12}{'peak_MB':>10}",
    ]
    costs, peaks = [], []
    for accounts in map(int, args.accounts.split(",")):
        runs = run_world(phonematch, place, accounts, args)
        seconds = statistics.median(run["seconds"] for run in runs)
        cpu = statistics.median(run["cpu"] for run in runs)
        costs.append(seconds / accounts * 1e9)
        peaks.append(max(run["peak"] for run in runs) / 1e6)
        lines.append(f"{accounts:>12}{seconds:>10.3f}{cpu:>10.3f}{costs[-1]:>12.1f}{peaks[-1]:>10.0f}")
        print("\n".join(lines), file=sys.stderr)
    lines += ["", f"cost per account {costs[-1] / costs[0]:.3f} times, peak memory"
                  f" {peaks[-1] / peaks[0]:.3f} times that of the smaller world", ""]
    print("\n".join(lines))
    if args.out != Path("-"):
        today = datetime.date.today().isoformat()
        out = args.out or ROOT / "benches" / "runs" / f"{today}-scale.txt"
        out.write_text("\n".join(lines))
        print(f"written: {out}")


def run_world(phonematch, place, accounts, args):
    """The runs of one world, which is removed afterwards."""
    world = place / f"world-{accounts}-{args.list}"
    try:
        measured([phonematch, "synth", "--accounts", str(accounts), "--list", str(args.list),
                  "--overlap", "0.3", "--seed", "7", "--out", world])
        runs = []
        for _ in range(args.times):
            # Only fresh opt-outs are taken.
            os.utime(world / "opt_outs.csv")
            shutil.rmtree(place / "out", ignore_errors=True)
            forget_budget(place / "out")
            runs.append(measured([phonematch, "match", "--job", world / "job.toml", "--out",
                                  place / "out", "--previous", "none", "--threads",
                                  str(args.threads), "--quiet"]))
        return runs
    finally:
        shutil.rmtree(world, ignore_errors=True)
        shutil.rmtree(place / "out", ignore_errors=True)


if __name__ == "__main__":
    main()
