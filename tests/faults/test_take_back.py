"""Killed while an idle change is taken back, a run ends as one that nobody disturbed."""

from __future__ import annotations

import json
import random
import re
import time
from typing import TYPE_CHECKING

from tests.faults.invariant import BRANCH, killed, lost, records, start_over, state, verdicts

if TYPE_CHECKING:
    from tests.conftest import Repo, Result, Run, Script

METRIC = "v=$(cat value); [ $v = 10 ] && v=$((v + $(cat other))); echo $v"


def test_killed_while_an_idle_change_is_taken_back_a_run_takes_it_back_once(
    run: Run, script: Script, repo: Repo, torture: bool
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
    dice = random.Random(2)
    for _ in range(20 if torture else 2):
        start_over(repo)
        process = run.fork(*words(), metric=METRIC)
        while process.is_alive() and len(verdicts(repo)) < len(("baseline", "keep", "keep")):
            time.sleep(0.005)
        killed(process, after=dice.uniform(0.0, 0.3))
        assert ended(run(*words(), metric=METRIC)) == expected
