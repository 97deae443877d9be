#!/usr/bin/env python3
"""What do consent, purposes and privacy add to the run time of a plain match?

    cargo build --release --locked
    benches/peers/cost.py                       # 1 million accounts, 100 000 list rows
    benches/peers/cost.py --times 5 --out -     # a first look

Makes a world with `phonematch synth` under `target/`, with a date at each row for the guard against
recycled numbers, and runs the same job turn and turn about under two policies:

- whole: `fixtures/policies/ads.toml` as it stands, so noise, budget and ledger, attributes in
  company, floors, every family of aliases, the guard;
- plain: the least that is a policy: no noise, no ledger, no attribute, floors of one, no alias, no
  guard, and no column read but number and consent.

Both read the same files, audit what they wrote and publish it. Each run begins with an empty
ledger. Writes medians to `benches/runs/<date>-cost.txt`. Promised: less than 15 % more; beyond it the
script ends with 1. Nothing else may run on the machine meanwhile.
"""

import argparse
import datetime
import os
import re
import shutil
import statistics
import sys
from pathlib import Path

from run import ROOT, forget_budget, machine, measured, provenance

PROMISED = 0.15

JOB = """name = "cost"
purpose = "ads"
policy = "{policy}"
recipient = "synth"
secret = {{ file = "secret.key", if_missing = "create" }}
accounts = {{ files = ["accounts.csv"] }}
lists = [{{ files = ["list.csv"], id = "list" }}]
opt_outs = {{ files = ["opt_outs.csv"] }}
"""

# What the plain policy says instead.
PLAIN = [
    (r'^aliases = .*$', 'aliases = []'),
    (r'^recycled_numbers = .*$', 'recycled_numbers = "release"'),
    (r'^accounts = .*$', 'accounts = ["phone", "consent"]'),
    (r'^list = .*$', 'list = ["phone", "country"]'),
    (r'^list_numbers = .*$', 'list_numbers = 1'),
    (r'^matched_people = .*$', 'matched_people = 1'),
    (r'^attribute_cell = .*$', 'attribute_cell = 1'),
    (r'^keep = .*$', 'keep = []'),
    (r'^distribution = .*$', 'distribution = "none"'),
    (r'^(spread|edge_exponent|repeat_below|micro_rho|period_days) = .*\n', ''),
    (r'^\[budget\].*\n', ''),
]


def main():
    parse = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parse.add_argument("--accounts", type=int, default=1_000_000)
    parse.add_argument("--list", type=int, default=100_000)
    parse.add_argument("--times", type=int, default=15, help="runs of each, of which medians count")
    parse.add_argument("--threads", type=int, default=2)
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    parse.add_argument("--target", type=Path, default=target, help="where things are made")
    parse.add_argument("--out", type=Path, help="the result file; - for none")
    args = parse.parse_args()
    phonematch = args.target / "release" / "phonematch"
    if not phonematch.exists():
        sys.exit("build it first: cargo build --release --locked")
    world = make_world(phonematch, args.target / "cost", args)
    runs = {"plain": [], "whole": []}
    for turn in range(args.times + 1):
        for name in sorted(runs, reverse=turn % 2 == 0):
            run = measure(phonematch, world, name, args)
            if turn > 0:  # the first of each only warms up
                runs[name].append(run)
    text, added = report(runs, args)
    print(text)
    if args.out != Path("-"):
        today = datetime.date.today().isoformat()
        out = args.out or ROOT / "benches" / "runs" / f"{today}-cost.txt"
        out.write_text(text)
        print(f"written: {out}")
    sys.exit(0 if added < PROMISED else 1)


def make_world(phonematch, place, args):
    """The files of synth with dates, and a job for each policy."""
    world = place / f"world-{args.accounts}-{args.list}"
    if not (world / "done").exists():
        shutil.rmtree(world, ignore_errors=True)
        measured([phonematch, "synth", "--accounts", str(args.accounts), "--list", str(args.list),
                  "--overlap", "0.3", "--seed", "7", "--out", world])
        # One in ten numbers changed hands: the account is younger than the list's last contact.
        add_dates(world / "accounts.csv", "verified_at",
                  lambda row: "2026-06-01" if row % 10 == 0 else f"2019-0{row % 9 + 1}-1{row % 8}")
        add_dates(world / "list.csv", "last_contact_at", lambda row: f"2025-0{row % 9 + 1}-2{row % 8}")
        (world / "done").touch()
    whole = (ROOT / "fixtures" / "policies" / "ads.toml").read_text()
    plain = whole
    for pattern, text in PLAIN:
        plain, found = re.subn(pattern, text, plain, flags=re.MULTILINE)
        if not found:
            sys.exit(f"the ready policy has no line {pattern}")
    for name, policy in {"whole": whole, "plain": plain}.items():
        (world / f"{name}.toml").write_text(policy)
        (world / f"job-{name}.toml").write_text(JOB.format(policy=f"{name}.toml"))
    return world


def add_dates(path, column, date):
    rows = path.read_text().splitlines()
    dated = [f"{rows[0]},{column}", *(f"{row},{date(at)}" for at, row in enumerate(rows[1:]))]
    path.write_text("\n".join(dated) + "\n")


def measure(phonematch, world, name, args):
    out = world / "out"
    shutil.rmtree(out, ignore_errors=True)
    forget_budget(out)
    # Only fresh opt-outs are taken.
    os.utime(world / "opt_outs.csv")
    return measured([phonematch, "match", "--job", world / f"job-{name}.toml", "--out", out,
                     "--previous", "none", "--threads", str(args.threads), "--quiet"])


def report(runs, args):
    median = lambda name, what: statistics.median(run[what] for run in runs[name])
    added = median("whole", "seconds") / median("plain", "seconds") - 1
    # Neighbours in time share the machine's mood: their ratio is steadier than the medians'.
    pairs = [whole["seconds"] / plain["seconds"] for whole, plain in zip(runs["whole"], runs["plain"])]
    lines = [
        provenance(),
        f"{machine()}; {args.accounts} accounts x {args.list} list rows of synth with dates, seed 7;"
        f" {args.threads} threads; medians of {args.times}, turn and turn about",
        "",
        f"{'policy':<10}{'seconds':>9}{'least':>9}{'most':>9}{'cpu_s':>9}{'peak_MB':>9}",
    ]
    for name in runs:
        seconds = [run["seconds"] for run in runs[name]]
        lines.append(f"{name:<10}{median(name, 'seconds'):>9.3f}{min(seconds):>9.3f}{max(seconds):>9.3f}"
                     f"{median(name, 'cpu'):>9.3f}{median(name, 'peak') / 1e6:>9.0f}")
    lines += ["", f"the whole adds {added * 100:.1f} % (median of pairs"
                  f" {(statistics.median(pairs) - 1) * 100:.1f} %); promised: less than"
                  f" {PROMISED * 100:.0f} %", ""]
    return "\n".join(lines), added


if __name__ == "__main__":
    main()
