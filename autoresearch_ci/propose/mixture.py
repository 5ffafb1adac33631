"""Several proposers in one run: whose turn it is, and who stands in for one that has nothing.

First what people asked to have measured again, then a promising candidate once more, then whose
turn it is. The turn depends on the iteration's number alone, and what was proposed again stands in
the journal, so a resumed run goes on where it stopped. What a member proposes is its own business;
its name in the journal stays its own.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from autoresearch_ci.errors import ProposerError
from autoresearch_ci.experiment import Proposal, Spent, Tree
from autoresearch_ci.propose.proposer import (
    Context,
    CostlyProposerError,
    EditError,
    ModelRefused,
    Proposer,
    Request,
)
from autoresearch_ci.workspace.earlier_change import EarlierChange, again

NAME = "retry"
"""In the journal's `proposer` column."""


class AgainProposer:
    """The changes first, then whatever its own proposer has; repairs are that one's business."""

    def __init__(self, inner: Proposer, changes: Sequence[EarlierChange]) -> None:
        self._inner = inner
        self._changes = tuple(changes)

    def propose(self, context: Context) -> Proposal | None:
        """Raises `EditError` when the code has changed too much for the next one."""
        change = self._next([row.description for row in context.history if row.proposer == NAME])
        if change is None or context.request is not Request.PROPOSE:
            return self._inner.propose(context)
        description = f"{_mark(change)} {change.description}".strip()
        edits = again(change, _reading(context.incumbent))
        if edits is None:
            raise EditError(
                "the code around it has changed since", description=description, proposer=NAME
            )
        return Proposal(description=description, edits=edits, proposer=NAME)

    def _next(self, done: Sequence[str]) -> EarlierChange | None:
        """The first that has not been proposed. One with a secret left a row without its words."""
        marks = tuple(_mark(change) for change in self._changes)
        withheld = sum(not words.startswith(marks) for words in done)
        left = [c for c in self._changes if not any(words.startswith(_mark(c)) for words in done)]
        return next(iter(left[withheld:]), None)


def _mark(change: EarlierChange) -> str:
    return f"again, {change.because or 'as asked'} ({change.commit[:12]}):"


def _reading(tree: Tree) -> Callable[[str], bytes | None]:
    def read(path: str) -> bytes | None:
        try:
            return tree.read(path)
        except KeyError:
            return None

    return read


class SecondLook:
    """Without second looks half of all small real gains are lost (benchmarks/keep_rule.py)."""

    def __init__(self, proposer: Proposer) -> None:
        self._proposer = proposer

    def propose(self, context: Context) -> Proposal | None:
        """The promising candidate if there is one, else what the other proposer says."""
        if context.promising and context.request is Request.PROPOSE:
            return context.promising
        return self._proposer.propose(context)


@dataclass(frozen=True, kw_only=True)
class Member:
    """One of several proposers."""

    name: str
    """What its proposals say in `Proposal.proposer`; no two members share one."""
    proposer: Proposer
    weight: int = 1
    """Turns per cycle; a cycle is as long as the sum of all weights."""


class MixtureProposer:
    """Members take turns; one that has nothing to propose hands its turn to the next."""

    def __init__(
        self,
        members: Sequence[Member],
        *,
        first: str = "",
        note: Callable[[str], None] = lambda _: None,
    ) -> None:
        """`first`: a member that is asked before the one whose turn it is, and has no turns itself.

        Raises `ValueError` when there is no member, or two share a name.
        """
        names = [member.name for member in members]
        if not names or len(set(names)) < len(names):
            raise ValueError(f"a mixture needs members with different names, not {names}")
        self._members = tuple(members)
        self._leader = first
        taking = [n for n, name in enumerate(names) if name != first] or [0]
        self._cycle = [taking[n] for n in turns([self._members[n].weight for n in taking])]
        self._note = note
        self._gone: set[str] = set()

    def propose(self, context: Context) -> Proposal | None:
        """The proposal of the member whose turn it is, or of the first after it that has one.

        A member that failed at it has none. A repair or rework goes to the member whose idea it is,
        to nobody else. Raises `ModelRefused` when nobody proposed and a model refused, and
        `ProposerError` when no member can go on.
        """
        if context.request is not Request.PROPOSE:
            return self._fixed(context)
        bill, began = Spent(), time.monotonic()
        refused: ModelRefused | None = None
        failed: Proposal | None = None
        for member in self._order(context.iteration):
            try:
                left = context.remaining.after(bill, time.monotonic() - began)
                proposal = member.proposer.propose(replace(context, remaining=left))
            except EditError as error:
                error.proposal = _with(bill, error.proposal)
                raise
            except ModelRefused as refusal:
                bill += _cost(refusal.proposal)
                refused = refusal
                self._note(f"{member.name}: {refusal}; the next proposer takes its turn")
            except ProposerError as error:
                self._lose(member, error)
                bill += _cost_of(error)
            else:
                if proposal is not None and not proposal.failed:
                    return _with(bill, proposal)
                if proposal:
                    bill += _cost(proposal)
                    failed = proposal
        if failed:
            return replace(failed, tokens=bill.tokens, cost_usd=bill.cost_usd)
        if refused:
            refused.proposal = replace(refused.proposal, tokens=bill.tokens, cost_usd=bill.cost_usd)
            raise refused
        return None

    def _fixed(self, context: Context) -> Proposal | None:
        """A repair or rework; without edits when its author gave up but was paid."""
        member = self._author(context)
        if member is None:
            return None
        try:
            return member.proposer.propose(context)
        except ModelRefused as refusal:
            self._note(f"{member.name}: {refusal}; its idea is given up")
            return refusal.proposal
        except ProposerError as error:
            self._lose(member, error)
            nothing = Proposal(description=f"{member.name} failed", edits=(), proposer=member.name)
            return _with(_cost_of(error), nothing)

    def _author(self, context: Context) -> Member | None:
        """Who made the previous proposal; whose turn it is when no member has that name."""
        name = context.previous.proposer if context.previous else ""
        found = (member for member in self._members if member.name == name)
        author = next(found, None) or self._members[self._first(context.iteration)]
        return None if author.name in self._gone else author

    def _first(self, iteration: int) -> int:
        return self._cycle[(iteration - 1) % len(self._cycle)]

    def _order(self, iteration: int) -> list[Member]:
        """The leader, whose turn it is, then the others as they stand in the list."""
        first = self._first(iteration)
        order = [*self._members[first:], *self._members[:first]]
        order.sort(key=lambda member: member.name != self._leader)
        return [member for member in order if member.name not in self._gone]

    def _lose(self, member: Member, error: ProposerError) -> None:
        """Go on without a member that failed for good, unless it was the last."""
        if len(self._gone) + 1 == len(self._members):
            raise error
        self._gone.add(member.name)
        reason = str(error).partition("\n")[0]
        self._note(f"{member.name} is out for the rest of this run: {reason}")


def turns(weights: Sequence[int]) -> list[int]:
    """One cycle of turns, as indices: each as often as it weighs, spread evenly, first ones first.

    `[1, 4]` is `0 1 1 1 1`, `[2, 3]` is `0 1 1 0 1`. Raises `ValueError` for a weight below 1.
    """
    if min(weights) < 1:
        raise ValueError(f"a weight is a whole number from 1 on, not {min(weights)}")
    due = [(turn / weight, index) for index, weight in enumerate(weights) for turn in range(weight)]
    return [index for _, index in sorted(due)]


def _cost(proposal: Proposal) -> Spent:
    return Spent(tokens=proposal.tokens, cost_usd=proposal.cost_usd)


def _cost_of(error: ProposerError) -> Spent:
    return _cost(error.proposal) if isinstance(error, CostlyProposerError) else Spent()


def _with(bill: Spent, proposal: Proposal) -> Proposal:
    """What members without a proposal have cost, whoever proposes has it in its row."""
    whole = bill + _cost(proposal)
    return replace(proposal, tokens=whole.tokens, cost_usd=whole.cost_usd)
