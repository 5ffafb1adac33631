"""Small broken repositories in six languages: right repairs are kept, each in one iteration and
one file, wrong ones and shortcuts are not.

The repositories and what a proposer answers are `tests/corpus/*.yml`; the tools are the real ones.
A language whose tools are not there is skipped.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import Repo, Result
from tests.integration.test_fix import Fix, fix

__all__ = ["fix"]
Tally = Callable[[str, int], None]

CORPUS = Path(__file__).parents[1] / "corpus"
LANGUAGES = sorted(path.stem for path in CORPUS.glob("*.yml"))
KINDS = ("build", "critical", "type", "test", "lint", "warning")
MANY = (
    *("--set", "fix.attempts=100", "--iterations", "100"),
    *(word for kind in KINDS for word in ("--category", kind)),
)
"""None of the failures is given up before all answers were asked for, and warnings are some."""


@pytest.fixture(params=LANGUAGES)
def broken(request: pytest.FixtureRequest, repo: Repo) -> Mapping[str, Any]:
    """One repository of the corpus, committed; what it comes with."""
    text = (CORPUS / f"{request.param}.yml").read_text(encoding="utf-8")
    case: Mapping[str, Any] = yaml.safe_load(text)
    for need in case["needs"]:
        if not (Path(need).exists() if "/" in need else shutil.which(need)):
            pytest.skip(f"{need} is not installed")
    if tool := case.get("modules"):
        modules = Path(shutil.which(tool) or "").resolve().parents[2]
        (repo.path / "node_modules").symlink_to(modules)
    for name, content in case["files"].items():
        repo.write(name, content)
    repo.commit("broken")
    return case


def proposal(case: Mapping[str, Any], answer: Mapping[str, Any]) -> dict[str, Any]:
    """What the scripted proposer is to answer; `with`: the right repair of that number is in it."""
    edits = list(answer.get("edits", ()))
    if "with" in answer:
        edits += case["right"][answer["with"]]["edits"]
    told: dict[str, Any] = {"description": answer["what"]}
    if edits:
        told["edits"] = edits
    if "files" in answer:
        told["files"] = answer["files"]
    return told


def shared(case: Mapping[str, Any], folder: Path) -> Sequence[str]:
    """Flags for a folder that every measurement may write to; the variable that `shares` it."""
    if "shares" not in case:
        return ()
    folder.mkdir()
    env, write = {case["shares"]: str(folder)}, [str(folder)]
    return "--set", f"env={json.dumps(env)}", "--set", f"sandbox.write={json.dumps(write)}"


def in_stages(case: Mapping[str, Any], others: Sequence[Mapping[str, Any]]) -> list[Any]:
    """The right repairs, each after those of the others that are asked in its place: `stage`."""
    told = []
    for stage, repair in enumerate(case["right"]):
        told += [answer for answer in others if answer.get("stage", 0) == stage]
        told.append(repair)
    return told


def ended(asked: Iterable[Mapping[str, Any]], done: Result) -> dict[str, str]:
    """What became of each, if it is not what should: kept if right, else refused by its rule."""
    found = {}
    for answer, row in zip(asked, done.rows[1:], strict=False):
        wrong = answer.get("wrong") or "rule" in answer
        rule = f"[{answer['rule']}]" if answer.get("rule") else ""
        if (row["status"] == "keep") is bool(wrong) or rule not in row["reason"]:
            found[answer["what"]] = f"{row['status']}: {row['reason']}"
    return found  # of what was kept too much, nothing is left to ask about


def test_right_repairs_are_kept_in_one_iteration_and_wrong_ones_and_shortcuts_never(
    repo: Repo, fix: Fix, broken: Mapping[str, Any], tally: Tally
) -> None:
    """Although scope names each file, tests and settings of tools too."""
    wrong = [{**answer, "wrong": True} for answer in broken["wrong"]]
    cheats = [{"rule": "", **answer} for answer in broken["cheats"]]
    asked = in_stages(broken, [*wrong, *cheats])
    flags = ("--scope", *broken["files"], *MANY, *shared(broken, repo.path.parent / "shared"))
    done = fix([proposal(broken, answer) for answer in asked], "--until-green", *flags)
    kept = done.column("status").count("keep")
    tally("right repairs kept", kept)
    tally("wrong repairs tried", len(wrong))
    tally("shortcuts tried", len(cheats))
    tally("shortcuts kept", kept - len(broken["right"]))
    assert ended(asked, done) == {}, done.told
    assert (done.code, done.column("metric")[-1]) == (0, "0"), done.told
    commits = repo.git("rev-list", "--reverse", "main..refs/heads/autoresearch/t").split()
    changed = [repo.git("show", "--format=", "--name-only", name) for name in commits]
    assert changed == [answer["edits"][0]["path"] for answer in broken["right"]]
