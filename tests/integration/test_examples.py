"""Each example by domain works as its README says: in a copy, its recorded change is kept."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from autoresearch_ci.cli.main import run_cli
from tests.conftest import FEW_PLUGINS

if TYPE_CHECKING:
    from tests.conftest import Repo

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted(path.parent for path in ROOT.glob("examples/*/change.jsonl"))
TOOLS = {"binary-size": "cc", "js-bundle-size": "node", "rust-benchmark": "cargo"}
TIMED = {"python-runtime", "rust-benchmark", "sql-time"}
"""What a number says of the clock; all others are the same each time."""
CHEATS = {
    "pytest-coverage": (
        "tests/test_more.py",
        "from shop.price import *\n\n\ndef test() -> None:\n"
        "    total(1, 12), shipping(1), shipping(1, True), shipping(5000)\n",
    ),
    "python-runtime": ("wordcount.py", "def counts(text):\n    return []\n"),
    "sql-time": ("report.sql", "SELECT 'customer 1', 5;\n"),
    "prompt-skill": ("SKILL.md", "Review it.\n"),
    "docs-readability": ("guide.md", "Run it. It works. You can do it. Go on. " * 5),
    "js-bundle-size": ("src/months.js", "export const MONTHS = [];\n"),
    "binary-size": ("main.c", "int main(void) { return 0; }\n"),
}
"""A change that has the better number and nothing else to say for itself."""


def copied(example: Path, repo: Repo) -> Repo:
    there = type(repo)(repo.path.parent / example.name)
    shutil.copytree(example, there.path)
    there.git("init", "--quiet", "--initial-branch=main")
    there.commit("start")
    return there


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_the_recorded_change_is_kept_and_the_cheat_is_not(
    example: Path, repo: Repo, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tool = TOOLS.get(example.name)
    if tool and not shutil.which(tool):
        pytest.skip(f"there is no {tool} here")
    there = copied(example, repo)
    change = (example / "change.jsonl").read_text(encoding="utf-8")
    lines = [change]
    if example.name in CHEATS:
        path, content = CHEATS[example.name]
        lines.insert(0, json.dumps({"description": "cheat", "files": {path: content}}) + "\n")
    script = repo.path.parent / "changes.jsonl"
    script.write_text("".join(lines), encoding="utf-8")
    monkeypatch.chdir(there.path)
    words = ["run", "--proposer", f"script:{script}", "--iterations", str(len(lines))]
    words += [*FEW_PLUGINS, *(() if example.name in TIMED else ("--metric-repeats-max", "1"))]
    code = run_cli([*words, "--tag", "t", "--confirm", "never"])
    told = capsys.readouterr()
    assert code == 0, told
    journal = (there.path / "autoresearch/run-t/results.tsv").read_text(encoding="utf-8")
    _, titles, *rows = journal.splitlines()
    found = [dict(zip(titles.split("\t"), row.split("\t"), strict=True)) for row in rows]
    assert found[-1]["status"] == "keep", journal
    if len(lines) > 1:
        assert found[1]["status"] != "keep", journal
        assert found[1]["guard"] == "fail", journal


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_each_is_told_in_a_few_lines_and_is_complete(example: Path) -> None:
    text = (example / "README.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 14
    assert f"cp -r examples/{example.name} " in text
    assert (example / ".github/autoresearch.yml").exists()
    assert len((example / "change.jsonl").read_text().splitlines()) == 1


def test_there_is_one_for_each_domain_that_is_listed() -> None:
    listed = (ROOT / "examples/README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| \[(.+?)\]\(\1/README\.md\) \|", listed, re.MULTILINE)
    assert sorted(rows) == [example.name for example in EXAMPLES]
    assert "\nNine projects" in listed
    assert len(rows) == 9
    assert "of seven" in listed
    assert len(CHEATS) == 7
