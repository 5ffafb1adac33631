"""`story`: a repository in every state that a person leaves one in, and a run to be disturbed."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from tests.faults.invariant import GUARD, METRIC, STATUSES, STORY, Story, state

if TYPE_CHECKING:
    from tests.conftest import Repo, Run, Script


@pytest.fixture
def story(repo: Repo, script: Script, run: Run, tally: Callable[[str, int], None]) -> Story:
    """The final state of an undisturbed run is learnt from a copy of the repository."""
    script(*STORY)
    repo.write(".gitignore", "ignored\n")
    repo.commit("ignore something")
    repo.write("other", "to be stashed\n")
    repo.git("stash", "--quiet")
    repo.write("other", "staged\n")
    repo.git("add", "other")
    repo.write("value", "5\n")
    repo.write("ignored", "ignored\n")
    repo.write("untracked", "untracked\n")
    copy = type(repo)(repo.path.with_name("undisturbed"))
    shutil.copytree(repo.path, copy.path, symlinks=True)
    elsewhere = type(run)(
        repo=copy, script=run.script, temporary=run.temporary, capture=run.capture
    )
    done = elsewhere("--guard", GUARD, metric=METRIC)
    assert done.column("status") == STATUSES, done.told
    for name in ("kill points tried", "kill points resumed identically", "experiments lost"):
        tally(name, 0)
    return Story(
        repo=repo,
        run=run,
        before=repo.photograph(),
        expected=state(copy, done),
        tally=tally,
    )
