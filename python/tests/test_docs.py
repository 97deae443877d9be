"""The page about Python under `docs/`: its code runs as it stands there."""

import re

from conftest import ROOT

PAGE = ROOT / "docs" / "how-to" / "python.md"


def test_the_code_of_the_page_runs_in_its_order(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.M | re.S)
    assert len(blocks) == 3
    code = "\n".join(blocks)
    assert code.count("assert ") == 4
    exec(compile(code, str(PAGE), "exec"), {"__name__": "page"})
