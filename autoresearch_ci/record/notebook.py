"""The notebook: a ref whose commits hold the journal as of each iteration, with every attempt.

Also what identifies a run, and the names of its refs.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from pathlib import Path

from autoresearch_ci.config.schema import CommitStyle
from autoresearch_ci.errors import WorkspaceError
from autoresearch_ci.experiment import Direction, Experiment
from autoresearch_ci.record.commit_messages import PLAIN, iteration_of, of_note
from autoresearch_ci.workspace.repository import Repository
from autoresearch_ci.workspace.store import Store


@dataclass(frozen=True, kw_only=True)
class RunFacts:
    """What identifies a run and never changes while it lasts."""

    tag: str
    branch: str | None
    """Branch for kept commits; `None` publishes none."""
    base: str
    """Commit that the run starts from."""
    direction: Direction
    folder: Path
    """The run folder that the user reads."""
    commit: CommitStyle = PLAIN
    """How the branch's commits are written."""

    @property
    def branch_ref(self) -> str | None:
        return f"refs/heads/{self.branch}" if self.branch else None

    @property
    def notebook_ref(self) -> str:
        return notebook_ref(self.tag)

    @property
    def journal(self) -> Path:
        return self.folder / "results.tsv"


def notebook_ref(tag: str) -> str:
    """The ref that keeps every attempt of a run and its journal.

    Not `refs/autoresearch/TAG`: git looks there before it looks for the branch `autoresearch/TAG`.
    """
    return f"refs/autoresearch/notebook/{tag}"


def attempt_ref(tag: str, attempt: int) -> str:
    """Keeps a candidate that is in no notebook yet from the user's `git gc --prune=now`.

    The next iteration's takes its place. Never deleted: git would lock the user's packed-refs, and
    a kill would leave that lock.
    """
    return f"refs/autoresearch/attempt/{tag}/{attempt}"


PACK_EVERY = 100
"""Iterations. Each commit holds the whole journal: 2,000 of them would take 139 MB unpacked."""


@dataclass(eq=False, repr=False)
class Notebook:
    """Writes it, one commit at a time."""

    facts: RunFacts
    repository: Repository
    store: Store
    _: KW_ONLY
    pack_every: int = PACK_EVERY
    _tip: str | None = None

    def open(self) -> int:
        """Continue what is there. The highest iteration that it holds; -1: there is none.

        Raises `WorkspaceError` when the ref holds something else.
        """
        self._tip = self.repository.ref(self.facts.notebook_ref)
        if self._tip is None:
            return -1
        iteration = iteration_of(self.repository.message(self._tip))
        if iteration is None:
            raise WorkspaceError(
                f"{self.facts.notebook_ref} does not hold a notebook of ours.\n"
                "do: use another --tag."
            )
        return iteration

    def note(self, experiment: Experiment, journal: str, tried: Sequence[str]) -> None:
        """The journal as of now; the attempt as second parent.

        `tried`: every commit of this iteration. Those that were repaired or reworked follow as
        parents, so that git keeps them too.
        """
        parents = [self._tip] if self._tip else []
        if self._tip:
            parents += [experiment.commit, *tried[:-1]] if experiment.commit else tried
        self._commit(
            parents,
            {"results.tsv": journal.encode()},
            f"{experiment.status}: {experiment.description}",
            experiment.iteration,
        )
        if self._tip and experiment.iteration % self.pack_every == self.pack_every - 1:
            self.store.pack(self._tip, self.facts.base)

    def illustrate(self, files: Mapping[str, bytes], iteration: int) -> str | None:
        """One more commit with files beside the journal; the newest commit, `None` without any.

        The same files again make no commit.
        """
        tip = self._tip
        if tip is None:
            return None
        changed = {
            path: content
            for path, content in files.items()
            if self.repository.content(tip, path) != content
        }
        if changed:
            self._commit([tip], changed, f"report: {', '.join(sorted(changed))}", iteration)
        return self._tip

    def _commit(
        self, parents: Sequence[str], files: Mapping[str, bytes], text: str, iteration: int
    ) -> None:
        commit, _ = self.store.commit(
            parents=parents,
            edits={path: ("100644", content) for path, content in files.items()},
            message=of_note(self.facts.tag, iteration, text),
            timestamp=int(time.time()),
        )
        self.repository.update_ref(self.facts.notebook_ref, commit, self._tip)
        self._tip = commit
