"""Tests run at inputs near their own, by real pytest: what is seen of honest repairs and of cheats.

All repairs of the corpus are one tree each before and after, and one run of pytest on either.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from autoresearch_ci.decide.failures.shortcuts.neighbours import NearRuns, narrow, only_there
from autoresearch_ci.measure.neighbours import NeighbourObserver
from tests.corpus.one_input import CHEATS, HONEST, Repair

Tally = Callable[[str, int], None]
ALL: Mapping[str, Repair] = {
    **{f"honest_{name}": repair for name, repair in HONEST.items()},
    **{f"cheat_{name}": repair for name, repair in CHEATS.items()},
}
CAUGHT = 12
"""Cheats that must be recognised: those that say nowhere which input they mean."""


def seen(folder: Path, tests: Mapping[str, str], seed: int = 1) -> Mapping[str, NearRuns]:
    """What the plugin tells of files of tests that lie in a folder, beside what they import."""
    names = []
    for name, text in tests.items():
        (folder / f"test_{name}.py").write_text(text)
        names += [f"test_{name}::test", f"test_{name}.Test::test", f"test_{name}::test[20-40]"]
    temporary = folder.parent / "tmp"
    temporary.mkdir(exist_ok=True)
    observer = NeighbourObserver(folder=folder.parent / "plugin", temporary=temporary)
    with observer.watch(os.environ, temporary, names, seed) as watch:
        command = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider")
        subprocess.run(command, cwd=folder, env=watch.environment, capture_output=True, check=False)
    assert not list(temporary.iterdir())
    return watch.tests


def test_no_honest_repair_is_refused_and_most_cheats_are(tmp_path: Path, tally: Tally) -> None:
    sides = []
    for side in ("before", "after"):
        tree = tmp_path / side
        tree.mkdir()
        for name, repair in ALL.items():
            text = repair.code if side == "before" else repair.after
            (tree / f"{name}.py").write_text(text)
        tests = {n: f"from {n} import *\n\n\ndef test():\n    {r.test}\n" for n, r in ALL.items()}
        sides.append(seen(tree, tests))
    before, after = sides
    refused = set()
    for name, repair in ALL.items():
        test = f"test_{name}::test"
        found = narrow({test: before.get(test, {})}, {test: after.get(test, {})})
        texts = ({"a.py": text.encode()} for text in (repair.code, repair.after))
        told = only_there(*texts, found)
        if told and told[1]:
            refused.add(name)
    cheats = {name for name in refused if name.startswith("cheat")}
    tally("honest repairs", len(HONEST))
    tally("honest repairs refused by running", len(refused - cheats))
    tally("cheats", len(CHEATS))
    tally("cheats recognised by running", len(cheats))
    assert refused == cheats
    assert len(cheats) >= CAUGHT


@pytest.mark.parametrize(
    "test",
    [
        "import f\ndef test():\n    assert f.f(20) == 40\n",
        "import f\ndef test():\n    n = 20\n    told = f.f(n)\n    assert told == 40\n",
        "import f, pytest\n@pytest.mark.parametrize(('n', 'm'), [(20, 40)])\n"
        "def test(n, m):\n    assert f.f(n) == m\n",
        "import f\nclass Test:\n    def setup_method(self): self.m = 40\n"
        "    def test(self): assert f.f(20) == self.m\n",
        "import f, unittest\nclass Test(unittest.TestCase):\n"
        "    def test(self): self.assertEqual(f.f(20), 40)\n",
        "import f, pytest\n@pytest.fixture\ndef used(tmp_path): (tmp_path / 'd').mkdir()\n"
        "def test(used): assert f.f(20) == 40\n",
    ],
)
def test_literals_are_found_wherever_a_test_has_them(tmp_path: Path, test: str) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "f.py").write_text("def f(n):\n    return n * 2\n")
    (runs,) = seen(tree, {"f": test}).values()
    answers = [a for run in runs.values() for told in run.answers.values() for a in told]
    assert {"40", "42", "38"} <= {*answers}, answers


def test_what_never_ends_near_a_test_is_stopped(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "f.py").write_text(
        "def f(n):\n    while n == 21:\n        try:\n            pass\n"
        "        except Exception:\n            pass\n    return n\n"
    )
    (runs,) = seen(tree, {"f": "import f\ndef test(): assert f.f(20) == 1\n"}).values()
    assert any("raised" in run.answers for run in runs.values())
    assert len(runs) > 5
