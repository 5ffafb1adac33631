"""Which run a command means that reads what runs have left."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from autoresearch_ci.errors import ConfigError, WorkspaceError
from autoresearch_ci.report.run_folder import REPORT_FILE
from autoresearch_ci.workspace.repository import Repository

JOURNAL = "results.tsv"


def newest_journal(here: Path) -> Path:
    """The journal of the last run of this repository. Raises `ConfigError`."""
    try:
        with closing(Repository.open(here)) as repository:
            here = repository.root
    except WorkspaceError:
        pass
    found = [*here.glob(f"autoresearch/*/{JOURNAL}"), *here.glob(JOURNAL)]
    if not found:
        raise ConfigError(
            f"there is no journal below {here}.\n"
            "usually: no run was made here yet, or its folder was left on another machine.\n"
            "do: name it, such as autoresearch/run-2026-01-31/results.tsv"
        )
    return max(found, key=lambda path: path.stat().st_mtime)


def journal_of(name: str | None) -> Path:
    """Of the folder or file that somebody named; else the newest. Raises `ConfigError`."""
    if name is None:
        return newest_journal(Path.cwd())
    path = Path(name)
    if not path.is_dir():
        return path
    if not (path / JOURNAL).exists() and (path / REPORT_FILE).exists():
        raise ConfigError(
            f"{path} has no journal: it is of a look at a commit, which tries nothing.\n"
            f"do: open {path / REPORT_FILE}, which was written once; or look again."
        )
    return path / JOURNAL
