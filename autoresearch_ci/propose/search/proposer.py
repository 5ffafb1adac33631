"""The keyless proposer: steps of in-scope constants around the incumbent, a few at a time.

reading.py knows which constants there are and were, effects.py what their changes were worth,
model.py what follows from that, choosing.py what to try next, saying.py how to put it. How
constants are found and written is the business of `constants`.
"""

from __future__ import annotations

from autoresearch_ci.errors import ProposerError
from autoresearch_ci.experiment import Proposal, Status
from autoresearch_ci.propose.proposer import Context, Request
from autoresearch_ci.propose.search.choosing import candidates, fresh
from autoresearch_ci.propose.search.reading import Reader, last, space_of, values_of
from autoresearch_ci.propose.search.saying import proposal


class SearchProposer:
    """Changes one constant of the incumbent, then up to three at once, then one again.

    Constants that a kept change of structure brought come first.
    """

    def __init__(self) -> None:
        self._reader = Reader()

    def propose(self, context: Context) -> Proposal | None:
        """New values for one to three constants; `None` when every such change was tried.

        Repairs and reworks are declined: a value that failed has no other form.
        Raises `ProposerError` when the files in scope hold no tunable constant.
        """
        if context.request is not Request.PROPOSE:
            return None
        read = self._reader
        origin = last(context.history, Status.BASELINE)
        base = read.files(context.base, origin, None)
        kept = last(context.history, Status.KEEP) or origin
        incumbent = read.files(context.incumbent, kept, base)
        paths = sorted({*base, *incumbent})
        attempts = list(read.attempts(context.history, context.at, base, paths))
        past = [a for run in context.past for a in read.attempts(run.history, run.at, base, paths)]
        space = space_of(context.base, base, attempts, incumbent)
        if not space:
            raise ProposerError(
                "No tunable constant in the files in scope. The search needs module-level "
                "UPPER_CASE numbers in Python, or, in any language, a comment behind the value: "
                "`# tune: 1e-4..1 log`, `// tune: [16, 32, 64]`. Add one, or choose another "
                "proposer."
            )
        current = values_of(incumbent)
        # Around other code, the same values are another candidate; what was kept and is no more
        # (somebody deleted the branch) may win again.
        lost = (a for a in past if a.alike and a.row.status is not Status.KEEP)
        same = [*attempts, *lost]
        tried = {frozenset(attempt.values.items()) for attempt in same}
        tried.add(frozenset(current.items()))
        new = fresh(current.keys() - values_of(base).keys(), attempts)
        for changes in candidates(context, space, (*past, *attempts), current, new):
            if frozenset((current | changes).items()) not in tried:
                return proposal(incumbent, space, changes)
        return None
