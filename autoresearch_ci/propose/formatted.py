"""What a formatter makes of a repair, before it is judged: layout is no reason to refuse one.

Only where the repository has its layout looked at, and only in files that a repair writes and that
were laid out so before: nothing else is put in order on the way.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

from autoresearch_ci.experiment import FileEdit, Proposal
from autoresearch_ci.propose.autofix import FixerContext, broken
from autoresearch_ci.propose.fixers import layout_calls
from autoresearch_ci.propose.proposer import Context, Proposer


class Formatted:
    """What another proposer proposes, laid out as the formatters of the repository want it."""

    def __init__(self, proposer: Proposer, workshop: FixerContext) -> None:
        self._proposer = proposer
        self._workshop = workshop

    def propose(self, context: Context) -> Proposal | None:
        """Raises what the other one does."""
        proposal = self._proposer.propose(context)
        if proposal is None or context.aim is None:
            return proposal
        written = {e.path: e.content for e in proposal.edits if e.content is not None}
        laid_out = self._laid_out(written, proposal.edits, context)
        if laid_out:
            before = laid_out.keys() & set(context.incumbent.paths())
            untidy = self._laid_out(before, (), context)
            laid_out = {path: new for path, new in laid_out.items() if path not in untidy}
        if not laid_out:
            return proposal
        self._workshop.note(f"laid out as the formatter wants it: {', '.join(sorted(laid_out))}")
        edits = (replace(e, content=laid_out.get(e.path, e.content)) for e in proposal.edits)
        return replace(proposal, edits=tuple(edits))

    def _laid_out(
        self, paths: Collection[str], edits: Iterable[FileEdit], context: Context
    ) -> Mapping[str, bytes]:
        """Those of the files, with `edits` applied, that the formatters write otherwise."""
        calls = layout_calls(context.aim, paths) if context.aim and paths else []
        if not calls:
            return {}
        shop, given = self._workshop, {edit.path: edit.content for edit in edits}
        shop.draft.reset(edits)
        for call in calls:
            if not (shop.draft.tree / call.folder).is_dir():
                continue
            result = shop.run(call, context.remaining.seconds)
            why = broken(call, result)
            shop.report(call, context.iteration, result, [why] if why else [])
            if why:
                return {}
        return {
            edit.path: edit.content
            for edit in shop.draft.collect().edits
            if edit.path in paths and edit.content not in (None, given.get(edit.path))
        }
