"""Bugs of one line, as students and masters make them, some of which never end: each is found,
mended by the right line, and not by one that is right for the first case only."""

from __future__ import annotations

from tests.conftest import Repo
from tests.corpus.quixbugs import BUGS
from tests.integration.test_fix import Fix, fix

__all__ = ["fix"]

ORDER = sorted(BUGS, key=lambda name: not BUGS[name].hangs)
"""What never ends is mended first: until then each look waits for its time limit."""


def broken(repo: Repo) -> None:
    for name, bug in BUGS.items():
        repo.write(f"{name}.py", bug.code.format(bug.bug))
        cases = "".join(f"    assert {call} == {value}\n" for call, value in bug.cases)
        test = f"from {name} import {name}\n\n\ndef test_{name}():\n{cases}"
        repo.write(f"test_{name}.py", test)
    target = "python -m pytest -q -p no:cacheprovider --junitxml {report}"
    repo.write(
        ".github/autoresearch.yml",
        f"fix:\n  test_timeout: 1s\n  targets: [{{tool: pytest, command: '{target}'}}]\n",
    )
    repo.commit("bugs")


def test_each_bug_is_told_and_mended_by_its_right_line_and_by_no_plausible_one(
    repo: Repo, fix: Fix
) -> None:
    broken(repo)
    flags = ("--until-green", "--iterations", "50", "--set", "fix.attempts=50")
    begun = fix([], *flags)
    for name in (name for name, bug in BUGS.items() if bug.hangs):
        (line,) = (words for words in begun.out.splitlines() if f" test_{name}.py:" in words)
        assert "took longer than 1 s and was stopped" in line, begun.told
    answers = [
        {
            "description": f"{kind} {name}",
            "edits": [{"path": f"{name}.py", "old": bug.bug, "new": line}],
        }
        for name, bug in ((name, BUGS[name]) for name in ORDER)
        for kind, line in (("wrong", bug.wrong), ("right", bug.right))
    ]
    done = fix(answers, *flags, resume=True)
    kept = [row["description"] for row in done.rows[1:] if row["status"] == "keep"]
    assert kept == [f"right {name}" for name in ORDER], done.told
    assert (done.code, done.column("metric")[-1]) == (0, "0"), done.told
