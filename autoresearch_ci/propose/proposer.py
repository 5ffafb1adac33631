"""What a proposer is: the one protocol behind `--proposer`, and what it is allowed to see."""

from __future__ import annotations

import enum
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from autoresearch_ci.decide.budget import least
from autoresearch_ci.decide.failures.past_changes import Past
from autoresearch_ci.decide.failures.repair_order import NOTHING_TO_DO, Aim
from autoresearch_ci.errors import ProposerError
from autoresearch_ci.experiment import (
    Direction,
    Experiment,
    PastRun,
    Proposal,
    Spent,
    Tree,
    Trees,
)


class EditError(Exception):
    """A proposal does not fit the incumbent (its text is not there, say): a discard, no error."""

    def __init__(
        self,
        reason: str,
        *,
        description: str,
        proposer: str,
        tokens: int = 0,
        cost_usd: float = 0.0,
    ) -> None:
        super().__init__(reason)
        self.proposal = _without_edits(description, proposer, tokens, cost_usd)


class ModelRefused(Exception):
    """The model declined to help, which is normal for some work: another proposer may not."""

    def __init__(
        self, category: str, *, proposer: str, tokens: int = 0, cost_usd: float = 0.0
    ) -> None:
        super().__init__(f"the model refused ({category})")
        self.category = category
        """What the service calls it (`cyber`, `frontier_llm`, …), or `unspecified`."""
        refused = f"{proposer} refused ({category})"
        self.proposal = _without_edits(refused, proposer, tokens, cost_usd)


class NothingLeft(Exception):
    """There is nothing (more) to propose; `str(reason)` says why, and is the run's last word."""


class CostlyProposerError(ProposerError):
    """A lasting failure after tokens were already spent on this proposal."""

    def __init__(self, message: str, *, tokens: int, cost_usd: float) -> None:
        super().__init__(message)
        self.proposal = _without_edits("the proposer failed", "-", tokens, cost_usd)


def _without_edits(description: str, proposer: str, tokens: int, cost_usd: float) -> Proposal:
    """Nothing was proposed, but the price must be counted."""
    return Proposal(
        description=description,
        edits=(),
        proposer=proposer,
        tokens=tokens,
        cost_usd=cost_usd,
    )


class Request(enum.StrEnum):
    """What the harness wants this time."""

    PROPOSE = "propose"
    """A new idea."""
    REPAIR = "repair"
    """The candidate crashed: the same idea, fixed."""
    REWORK = "rework"
    """The metric improved but a guard failed: the same idea, guard respected."""


@dataclass(frozen=True, kw_only=True)
class Remaining:
    """What is left of the run's budget; `None` is no limit."""

    iterations: int | None = None
    """This one included."""
    seconds: float | None = None
    usd: float | None = None
    tokens: int | None = None
    iteration_usd: float | None = None
    """Of this iteration, whatever else the run may cost."""
    iteration_tokens: int | None = None

    @property
    def most_usd(self) -> float | None:
        """What a proposal may cost."""
        return least(self.usd, self.iteration_usd)

    @property
    def most_tokens(self) -> float | None:
        return least(self.tokens, self.iteration_tokens)

    def after(self, spent: Spent, seconds: float = 0.0) -> Remaining:
        """What is left when that was used up of it."""

        def less(limit: float | None, used: float) -> Any:
            return None if limit is None else limit - used

        return replace(
            self,
            seconds=less(self.seconds, seconds),
            usd=less(self.usd, spent.cost_usd),
            tokens=less(self.tokens, spent.tokens),
            iteration_usd=less(self.iteration_usd, spent.cost_usd),
            iteration_tokens=less(self.iteration_tokens, spent.tokens),
        )


@dataclass(frozen=True, kw_only=True)
class Lasting:
    """What a proposer may know that stays the same over a run."""

    goal: str
    direction: Direction
    seed: int
    metric: str = ""
    """What the metric is called."""
    program: str = ""
    """The human's brief, from the base commit."""
    earlier: Sequence[str] = ()
    """What runs before this one tried and what came of it, oldest first."""
    past: Sequence[PastRun] = ()
    """The same for programs: runs of this branch whose numbers compare, oldest first."""
    file_history: Past | None = None
    """What git tells of the base's past; `None` in runs that repair nothing."""
    hidden: Collection[str] = ()
    """Files and folders that a proposer must not read, such as the holdout's."""


@dataclass(frozen=True, kw_only=True)
class Context(Lasting):
    """Everything a proposer may know; the holdout is not part of it."""

    iteration: int
    """The number that this proposal will carry; the first is 1."""
    incumbent: Tree
    base: Tree
    """The unmodified code."""
    at: Trees
    """`at(experiment.commit)` is what that attempt looked like."""
    history: Sequence[Experiment]
    """The journal so far, baseline first."""
    request: Request = Request.PROPOSE
    attempt: int = 1
    """1 for the proposal itself; each repair or rework of the same iteration adds one."""
    previous: Proposal | None = None
    """For a repair or rework: what was proposed."""
    feedback: str = ""
    """For a repair or rework: tail of the output that explains the failure."""
    promising: Proposal | None = None
    """The last candidate, when it looked better but not surely so: worth proposing again, its
    evidence adds up."""
    stuck: int = 0
    """0 normally; rises by one with every five discards in a row, and asks for bolder ideas."""
    notes: Sequence[str] = ()
    """`next_idea` of earlier proposals, oldest first."""
    remaining: Remaining = field(default_factory=Remaining)
    aim: Aim | None = None
    """What a repair is to mend; `None` in runs that repair nothing."""


_NOTHING = f"{NOTHING_TO_DO}: "
_PLACEHOLDERS = ("REASON", "the reason, with")


def nothing_to_do(words: str) -> str:
    """Such a description, in our spelling, where one of the lines is one; empty: none is."""
    for text in words.splitlines():
        plain = text.strip().strip("*_`#>- ")
        plain = plain.removeprefix("DESCRIPTION:").strip().strip("*_`")
        reason = plain[len(_NOTHING) :].strip(" <>`*_")
        # An echo of the request is no answer.
        echo = reason.startswith(_PLACEHOLDERS)
        if plain.lower().startswith(_NOTHING) and reason and not echo:
            return _NOTHING + reason
    return ""


class Proposer(Protocol):
    """Turns what is known into one change."""

    def propose(self, context: Context) -> Proposal | None:
        """One change, or `None` when there is nothing (more) to propose.

        Must be a function of `context` alone, so that a resumed run continues as if never stopped.
        Raises `NothingLeft` instead of `None` where a person can do something about it.
        Raises `ProposerError` when it can neither propose now nor later.
        """
        ...
