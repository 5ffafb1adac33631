"""Which run a command means that reads what runs have left."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from autoresearch_ci.errors import ConfigError, WorkspaceError
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
    return path / JOURNAL if path.is_dir() else path
