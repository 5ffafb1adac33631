"""The notebooks of this repository, read: which there are, what each holds, and its attempts.

They may have come from a remote, so nobody vouches for them: what is no journal is told, and an
attempt counts only where the notebook's own history has its commit.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from autoresearch_ci.errors import ConfigError
from autoresearch_ci.experiment import Direction, Experiment
from autoresearch_ci.record import weakness_records
from autoresearch_ci.record.journal_tsv import parse_direction, parse_rows
from autoresearch_ci.record.notebook import notebook_ref
from autoresearch_ci.record.remote_notebooks import FACTS, JOURNAL, NOTEBOOKS
from autoresearch_ci.record.run_history import is_commit
from autoresearch_ci.workspace.repository import Repository


@dataclass(frozen=True, kw_only=True)
class ReadNotebook:
    """One run's, as its newest commit has it."""

    tag: str
    rows: tuple[Experiment, ...] = ()
    direction: Direction = Direction.MINIMIZE
    metric: str = ""
    """Its name; empty: not told."""
    unread: str = ""
    """Why it has no rows; empty: it was read."""

    @property
    def began(self) -> str:
        """ISO 8601 in UTC; empty: unknown."""
        return self.rows[0].timestamp if self.rows else ""


def notebooks(repository: Repository) -> list[ReadNotebook]:
    """Those of this repository, the oldest first."""
    found = [_read(repository, tag) for tag in _tags(repository)]
    return sorted(found, key=lambda book: (book.began, book.tag))


def _tags(repository: Repository) -> list[str]:
    """Of runs: what became of weaknesses is kept beside them, and is none."""
    tags = [ref.removeprefix(NOTEBOOKS) for ref in repository.refs(NOTEBOOKS)]
    return [tag for tag in tags if tag != weakness_records.TAG]


def chosen_notebook(repository: Repository, tag: str | None) -> ReadNotebook:
    """That of a tag; without one, of the run that began last. Raises `ConfigError`."""
    known = _tags(repository)
    if not known:
        raise ConfigError(
            "this repository has no notebook.\n"
            "usually: no run was made in it, or the notebooks are on the remote only.\n"
            f"do: git fetch origin '{NOTEBOOKS}*:{NOTEBOOKS}*'"
        )
    if tag is None:
        return notebooks(repository)[-1]
    if tag not in known:
        raise ConfigError(
            f"there is no notebook of a run {tag!r} here.\n"
            f"do: choose one of {', '.join(known[-10:])}, or git fetch origin "
            f"'{NOTEBOOKS}*:{NOTEBOOKS}*'"
        )
    return _read(repository, tag)


def attempt_of(
    repository: Repository, book: ReadNotebook, iteration: int, *, to_read: bool = False
) -> Experiment:
    """Raises `ConfigError` when there is none, or its commit is none of the notebook's.

    `to_read`: only its row; the baseline's commit is in none without a candidate on top of it.
    """
    found = next((e for e in book.rows if e.iteration == iteration), None)
    if found is None:
        why = book.unread or f"it has {len(book.rows)} rows"
        raise ConfigError(f"the notebook of {book.tag!r} has no experiment {iteration}: {why}.")
    is_base = to_read and not iteration
    if found.commit and not is_base and not has_attempt(repository, book, found):
        raise ConfigError(
            f"experiment {iteration} names the commit {found.commit[:12]!a}, which the notebook of "
            f"{book.tag!r} does not contain.\n"
            "usually: this clone is shallow, or somebody wrote the notebook by hand."
        )
    return found


def has_attempt(repository: Repository, book: ReadNotebook, experiment: Experiment) -> bool:
    """Whether its commit is one of those that the notebook keeps."""
    commit = experiment.commit
    return is_commit(commit) and repository.is_ancestor(commit, notebook_ref(book.tag))


def _read(repository: Repository, tag: str) -> ReadNotebook:
    ref = notebook_ref(tag)
    text = (repository.content(ref, JOURNAL) or b"").decode(errors="replace")
    try:
        rows, direction = parse_rows(text), parse_direction(text)
    except ValueError as error:
        return ReadNotebook(tag=tag, unread=f"its journal cannot be read: {error}")
    if not rows:
        return ReadNotebook(tag=tag, unread="it holds no journal")
    told = dict(_facts(repository.content(ref, FACTS)))
    return ReadNotebook(
        tag=tag,
        rows=rows,
        direction=direction or Direction.MINIMIZE,
        metric=str(told.get("metric") or ""),
    )


def _facts(content: bytes | None) -> Iterator[tuple[str, Any]]:
    """What a published notebook says of itself; nothing where it says nothing."""
    try:
        known = json.loads(content or b"{}")
    except (ValueError, RecursionError):
        return
    if isinstance(known, dict):
        yield from known.items()
