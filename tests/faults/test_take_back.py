"""Killed while an idle change is taken back, a run ends as one that nobody disturbed."""

from __future__ import annotations

import json
import random
import re
from typing import TYPE_CHECKING

import pytest

from tests.faults.invariant import (
    BRANCH,
    counted_git,
    killed,
    lost,
    records,
    start_over,
    state,
    verdicts,
)

if TYPE_CHECKING:
    from tests.conftest import Repo, Result, Run, Script

METRIC = "v=$(cat value); [ $v = 10 ] && v=$((v + $(cat other))); echo $v"


def test_killed_just_before_a_call_of_git_an_idle_change_is_taken_back_once(
    run: Run, script: Script, repo: Repo, torture: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo.write("other", "5\n")
    repo.commit()
    script(
        {"description": "lower other", "files": {"other": "4\n"}},
        {"description": "lower value", "files": {"value": "1\n"}},
    )
    flags = ("--scope", "other", "--guard", "true", "--iterations", "2")

    def words() -> tuple[str, ...]:
        return (*flags, *(["--resume"] if '"verdict"' in records(repo) else []))

    def ended(done: Result) -> str:
        assert done.code == 0, done.told
        assert [row["status"] for row in verdicts(repo)] == ["baseline", "keep", "keep", "keep"]
        assert repo.git("diff", "--name-only", f"HEAD..{BRANCH}") == "value"
        assert '"holds": true' in (done.folder / "run.json").read_text(encoding="utf-8")
        assert lost(repo) == []
        # The reason names a commit, whose name is of its time.
        return re.sub(r"without [0-9a-f]{12}", "", json.dumps(state(repo, done)))

    expected = ended(run(*words(), metric=METRIC))
    start_over(repo)
    path, count = counted_git(repo)
    with monkeypatch.context() as patch:
        patch.setenv("PATH", path)
        run(*words(), metric=METRIC)
    calls = count.read_text().splitlines()
    last_keep = [n for n, call in enumerate(calls) if BRANCH in call and "update-ref" in call][1]
    moments = range(last_keep + 2, len(calls) + 1)
    assert len(moments) > 5
    for moment in moments if torture else random.Random(2).sample(moments, 2):
        start_over(repo)
        with monkeypatch.context() as patch:
            patch.setenv("PATH", counted_git(repo, f"test $n != {moment} || kill -9 0")[0])
            assert killed(run.fork(*words(), metric=METRIC)), calls[moment - 1]
        assert ended(run(*words(), metric=METRIC)) == expected, calls[moment - 1]
