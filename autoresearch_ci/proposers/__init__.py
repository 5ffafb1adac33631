"""What a proposer is: the one protocol behind `--proposer`, and what it is allowed to see."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from autoresearch_ci.experiment import Direction, Experiment, Proposal


class EditError(Exception):
    """A proposal does not fit the incumbent (its text is not there, say): a discard, no error."""

    def __init__(self, reason: str, *, description: str, proposer: str) -> None:
        super().__init__(reason)
        self.proposal = Proposal(description=description, edits=(), proposer=proposer)


class Request(enum.StrEnum):
    """What the harness wants this time."""

    PROPOSE = "propose"
    """A new idea."""
    REPAIR = "repair"
    """The candidate crashed: the same idea, fixed."""
    REWORK = "rework"
    """The metric improved but a guard failed: the same idea, guard respected."""


class Tree(Protocol):
    """Files of one commit, read from git's object store: nothing on disk can redirect a read."""

    def read(self, path: str) -> bytes:
        """The file's bytes. Raises `KeyError` when the commit has no regular file at `path`."""
        ...

    def paths(self) -> Sequence[str]:
        """Every in-scope regular file, sorted."""
        ...


class Trees(Protocol):
    """Opens the tree of any earlier attempt."""

    def __call__(self, commit: str) -> Tree: ...


@dataclass(frozen=True, kw_only=True)
class Context:
    """Everything a proposer may know; the holdout is not part of it."""

    goal: str
    direction: Direction
    iteration: int
    """The number that this proposal will carry; the first is 1."""
    incumbent: Tree
    base: Tree
    """The unmodified code."""
    at: Trees
    """`at(experiment.commit)` is what that attempt looked like."""
    history: Sequence[Experiment]
    """The journal so far, baseline first."""
    seed: int
    request: Request = Request.PROPOSE
    attempt: int = 1
    """1 for the proposal itself; each repair or rework of the same iteration adds one."""
    previous: Proposal | None = None
    """For a repair or rework: what was proposed."""
    feedback: str = ""
    """For a repair or rework: tail of the output that explains the failure."""
    stuck: int = 0
    """0 normally; rises by one with every five discards in a row, and asks for bolder ideas."""


class Proposer(Protocol):
    """Turns what is known into one change."""

    def propose(self, context: Context) -> Proposal | None:
        """One change, or `None` when there is nothing (more) to propose.

        Must be a function of `context` alone, so that a resumed run continues as if never stopped.
        Raises `ProposerError` when it can neither propose now nor later.
        """
        ...
