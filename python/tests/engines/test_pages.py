"""The code of the pages under `docs/` that needs an engine runs as it stands there."""

import re
from pathlib import Path

import tasks
import worlds

PAGES = Path(__file__).resolve().parents[3] / "docs" / "how-to"


def test_the_code_of_the_page_about_keyed_accounts_runs(started, tmp_path):
    world = worlds.hostile(tmp_path / "world", accounts=3_000, list_rows=2_000, seed=4)
    text = (PAGES / "keyed-accounts.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"^```python\n(.*?)^```$", text, re.M | re.S)
    # Other places than the page's, sixteen buckets, and a recipient for rows that name none.
    for written, here in {
        "ads.toml": str(world.policy),
        "/run/secrets/phonematch.key": str(world.secret),
        "/data/accounts": str(tmp_path / "store"),
        "hex_digits=3": "hex_digits=1",
        "opt_outs, without": 'opt_outs, recipient="house", without',
    }.items():
        assert written in code
        code = code.replace(written, here)
    worlds.write(tmp_path / "changed.parquet", [], worlds.ACCOUNTS)
    worlds.write(tmp_path / "gone.parquet", [], ["account_id"])
    files = str(tmp_path / "changed.parquet"), str(tmp_path / "gone.parquet")
    report = started("sail").call(tasks.run_page, world, code, *files)
    assert sum(one["released"] for one in report["lists"]) > 100
