"""What lies beside the rows of a journal: each attempt's diff and files in git, its log on disk.

Whatever is not there any more, or is not what it should be, is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from autoresearch_ci.experiment import Experiment
from autoresearch_ci.record.run_history import is_commit
from autoresearch_ci.report.html_table import FILES, Attempt
from autoresearch_ci.safety.untrusted_files import last_bytes
from autoresearch_ci.safety.untrusted_values import Unreadable
from autoresearch_ci.workspace.repository import Repository

DIFF = 60_000
"""Characters of one diff that are read."""
_LOG = 6_000
"""Bytes of the end of a log."""


def attempts(
    experiments: Sequence[Experiment],
    folder: Path,
    repository: Repository | None,
    redact: Callable[[str], str],
) -> dict[int, Attempt]:
    """By iteration. `repository`: the one that has the commits; `None`: there is none."""
    named = {e.iteration: e.commit for e in experiments if e.iteration and is_commit(e.commit)}
    commits = list(dict.fromkeys(named.values()))
    diffs = repository.diffs(commits, DIFF) if repository else {}
    touched = repository.touched(commits) if repository else {}
    return {
        e.iteration: Attempt(
            diff=redact(diffs.get(e.commit, "")) if e.iteration in named else "",
            log=redact(log_end(folder, e.iteration)),
            files=[redact(path) for path in touched.get(named.get(e.iteration, ""), ())[:FILES]],
        )
        for e in experiments
    }


def log_end(folder: Path, iteration: int) -> str:
    """The last lines that an iteration's commands printed; empty where no log is left."""
    try:
        end = last_bytes(folder / "logs" / f"{iteration}.log", _LOG)
    except (OSError, Unreadable):
        return ""
    text = end.decode(errors="replace")
    return text if len(end) < _LOG else text.partition("\n")[2]
