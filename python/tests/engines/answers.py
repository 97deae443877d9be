"""What the program on one machine says of a world, in the form that engines answer in."""

import json

import pyarrow.parquet as pq

from worlds import phonematch_command

# Counts of an input that the report holds; where an input lies, and how long it took, may differ.
COUNTS = ["rows_read", "rejected", "barred", "duplicates", "unmatched", "withheld", "released"]
COUNTS += ["rejected_by", "barred_by", "withheld_by"]


def of_one_machine(world, out, **settings):
    """Runs `phonematch match`; gives matches, rejects by reason, and the report."""
    phonematch_command("match", "--job", world.job(out, **settings), "--quiet")
    return of_folder(out)


def of_folder(out):
    """What a run folder holds; an engine's is a folder that the manifest names."""
    manifest = json.loads((out / "manifest.json").read_text(encoding="utf-8"))
    out = out / manifest.get("folder", "")
    matches = pq.read_table(out / "matches.parquet").to_pylist()
    rejects = pq.read_table(out / "rejects.parquet", columns=["role", "reason"])
    rejects = rejects.group_by(["role", "reason"]).aggregate([([], "count_all")])
    rejects = rejects.rename_columns({"count_all": "count"}).to_pylist()
    report = json.loads((out / "report.json").read_text(encoding="utf-8"))
    return {"matches": matches, "rejects": rejects, "report": report}


def people(answer):
    """Recipient, list and token of everyone who came out; of a pair, the owner's token too."""
    rows = answer["matches"]
    return {(r["recipient"], r["list_id"], r["token"], r.get("owner_token")) for r in rows}


def rows(answer):
    """Every row of matches with all its cells, in order."""
    return sorted(tuple(map(str, row.items())) for row in answer["matches"])


def rejects(answer):
    return sorted((row["role"], row["reason"], row["count"]) for row in answer["rejects"])


def counts(answer):
    """By role: the inputs' counts, inputs in their order."""
    inputs = answer["report"]["inputs"]
    return {
        role: [{name: one[name] for name in COUNTS} for one in inputs if one["role"] == role]
        for role in ("opt_outs", "list", "accounts")
    }


def lists(answer):
    """What each list came to. A charge is a ledger's, which engines keep none of."""
    return [{k: v for k, v in one.items() if k != "charge"} for one in answer["report"]["lists"]]


def must_be_alike(answer, expected):
    """People first: a failure there says more than a count."""
    assert people(answer) == people(expected)
    assert rows(answer) == rows(expected)
    assert lists(answer) == lists(expected)
    assert counts(answer) == counts(expected)
    assert rejects(answer) == rejects(expected)
