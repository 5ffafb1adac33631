"""The notebook: a ref whose commits hold the journal as of each iteration, with every attempt."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from autoresearch_ci.errors import WorkspaceError
from autoresearch_ci.experiment import Experiment
from autoresearch_ci.record import commit_messages
from autoresearch_ci.record.run_facts import RunFacts
from autoresearch_ci.workspace.repository import Repository
from autoresearch_ci.workspace.store import Store

_REF = "refs/notebook"
"""In our own git directory."""


PACK_EVERY = 100
"""Iterations. Each commit holds the whole journal: 2,000 of them would take 139 MB unpacked."""


class Notebook:
    """Writes it, one commit at a time."""

    def __init__(
        self,
        facts: RunFacts,
        repository: Repository,
        store: Store,
        *,
        pack_every: int = PACK_EVERY,
    ) -> None:
        self._facts = facts
        self._repository = repository
        self._store = store
        self._pack_every = pack_every
        self._tip: str | None = None

    def open(self) -> int:
        """Continue what is there. The highest iteration that it holds; -1: there is none.

        Raises `WorkspaceError` when the ref holds something else.
        """
        self._tip = self._repository.ref(self._facts.notebook_ref)
        if self._tip is None:
            return -1
        iteration = commit_messages.iteration_of(self._repository.message(self._tip))
        if iteration is None:
            raise WorkspaceError(
                f"{self._facts.notebook_ref} does not hold a notebook of ours.\n"
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
        if self._tip and experiment.iteration % self._pack_every == self._pack_every - 1:
            self._store.pack(self._tip, self._facts.base)

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
            if self._repository.content(tip, path) != content
        }
        if changed:
            self._commit([tip], changed, f"report: {', '.join(sorted(changed))}", iteration)
        return self._tip

    def _commit(
        self, parents: Sequence[str], files: Mapping[str, bytes], text: str, iteration: int
    ) -> None:
        commit, _ = self._store.commit(
            parents=parents,
            edits={path: ("100644", content) for path, content in files.items()},
            message=commit_messages.of_note(self._facts.tag, iteration, text),
            ref=_REF,
            timestamp=int(time.time()),
        )
        self._repository.update_ref(self._facts.notebook_ref, commit, self._tip)
        self._tip = commit
