"""The nouns that the stages exchange; what a stage does with them is not decided here."""

from __future__ import annotations

import enum
import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

Texts = Mapping[str, bytes | None]
"""Of files by path, before or after a change; `None`: there is no such file."""
ReadText = Callable[[str], str | None]
"""The text of a file of one commit; `None`: there is no such text file."""
ReadBytes = Callable[[str], bytes]
"""The content of a tracked file. Raises `KeyError`."""


class Direction(enum.StrEnum):
    """Which way the metric gets better."""

    MINIMIZE = "minimize"
    MAXIMIZE = "maximize"

    def gain(self, before: float, after: float) -> float:
        """How much better `after` is than `before`, in the metric's own unit; negative is worse."""
        return before - after if self is Direction.MINIMIZE else after - before

    def better(self, first: float, second: float) -> bool:
        """Whether `first` is strictly better than `second`."""
        return self.gain(second, first) > 0


class RankedWord(enum.StrEnum):
    """Words in an order."""

    @functools.cached_property
    def rank(self) -> int:
        """0 is the first."""
        return list(type(self)).index(self)


class Status(enum.StrEnum):
    """What became of one iteration; the words are uditgoenka/autoresearch's."""

    BASELINE = "baseline"
    KEEP = "keep"
    DISCARD = "discard"
    CRASH = "crash"
    NO_OP = "no-op"
    HOOK_BLOCKED = "hook-blocked"
    METRIC_ERROR = "metric-error"


class HoldoutVerdict(enum.StrEnum):
    """What the holdout said of a candidate: all of it that anybody is told."""

    NONE = "-"
    """It was not asked, or there is none."""
    GAINS = "gains"
    HOLDS = "holds"
    DENIES = "no"

    @property
    def agrees(self) -> bool:
        return self in (HoldoutVerdict.GAINS, HoldoutVerdict.HOLDS)


HOLDOUT_SAYS = "the holdout "
"""How the words begin with which it speaks against a result at the end."""


@dataclass(frozen=True, kw_only=True)
class FileEdit:
    """The whole new content of one file."""

    path: str
    """Relative to the repository root, `/` between parts."""
    content: bytes | None
    """`None` deletes the file."""


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """One focused change, not yet judged."""

    description: str
    """One sentence; becomes the commit subject and the journal cell."""
    edits: tuple[FileEdit, ...]
    proposer: str
    """Who proposed it: the `proposer` column."""
    hypothesis: str = ""
    """Why it should work, where its author says so."""
    next_idea: str = ""
    """What its author would try after it."""
    expected: float | None = None
    """The relative gain that its author expects, 0.02 is 2 % better; `None`: not said."""
    tokens: int = 0
    cost_usd: float = 0.0
    failed: bool = False
    """Its author could not work: whoever else there is may have the turn."""


@dataclass(frozen=True, kw_only=True)
class MetricRun:
    """One execution of the metric command."""

    value: float | None
    """`None` when the run gave no trustworthy number; then `failure` says which kind."""
    failure: Status | None = None
    """`crash`, `metric-error`, or `discard` when the run was stopped early."""
    reason: str = ""
    timed_out: bool = False
    seconds: float = 0.0
    peak_memory_mb: float | None = None
    numbers: Mapping[str, float] = field(default_factory=dict)
    """Every other `name: value` line the command printed, for guards that watch a second metric."""
    output: str = ""
    """Tail of what was printed, bounded; what a repair is told."""
    curve: tuple[tuple[float, float], ...] = ()
    """(progress, value) points that were printed on the way, when early stopping is configured."""
    tokens: int = 0
    """What a judge used, when the metric is a rubric."""
    cost_usd: float = 0.0

    @property
    def failed(self) -> bool:
        return self.failure is not None


@dataclass(frozen=True, kw_only=True)
class GuardRun:
    """One execution of one guard."""

    command: str
    passed: bool
    value: float | None = None
    """The number of a metric-valued guard."""
    reason: str = ""
    seconds: float = 0.0
    output: str = ""

    @property
    def failed(self) -> bool:
        return not self.passed


@dataclass(frozen=True, kw_only=True)
class Decision:
    """The program's verdict on one candidate."""

    status: Status
    reason: str = ""
    ci_low: float | None = None
    """Lower end of the confidence interval of the relative gain; a fraction, 0.01 is 1 %."""
    ci_high: float | None = None
    gone: tuple[str, ...] = ()
    """Of a repair that is kept: the failures that are gone by it, as the journal names them."""


HARD_TO_BELIEVE = "hard to believe: "
"""How a `doubt` begins that no guard and no holdout has an answer to."""


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """One finished iteration: a row of the journal, in the journal's column order."""

    iteration: int
    """0 is the baseline."""
    timestamp: str
    """ISO 8601, UTC, seconds."""
    commit: str
    """Commit of the attempt; empty when nothing could be committed."""
    metric: float | None
    delta: float | None
    """`metric` minus the incumbent's, in the metric's own unit and sign."""
    guard: str
    """`pass`, `fail`, or `-` when no guard ran."""
    guard_metric: float | None
    """The value of the first metric-valued guard."""
    status: Status
    description: str
    best: float | None
    """The incumbent's metric after this iteration."""
    samples: int
    """Runs of the metric command that this iteration spent, incumbent's included."""
    ci_low: float | None
    ci_high: float | None
    seconds: float
    """Wall time of the iteration."""
    tokens: int
    cost_usd: float
    peak_memory_mb: float | None
    proposer: str
    attempts: int
    """1, plus repairs and reworks."""
    reason: str
    expected: float | None = None
    """The relative gain that its proposer expected; `None`: not said."""
    holdout: HoldoutVerdict = HoldoutVerdict.NONE
    doubt: str = ""
    """What makes a kept gain look unlikely; see `hard_to_believe`."""
    failure: str = ""
    """Id of what a repair was to mend, or of all that is gone by one that was kept, see
    `mended_ids`; empty in runs that repair nothing."""

    @property
    def hard_to_believe(self) -> bool:
        """Whether nothing but the metric speaks for a gain that looks unlikely."""
        return self.doubt.startswith(HARD_TO_BELIEVE)


@dataclass(frozen=True, kw_only=True)
class Spent:
    """What was used up."""

    tokens: int = 0
    """Input, cache reads and writes, and output, added up."""
    cost_usd: float = 0.0
    """0 as well when the price is unknown."""

    def __add__(self, other: Spent) -> Spent:
        return Spent(tokens=self.tokens + other.tokens, cost_usd=self.cost_usd + other.cost_usd)


NOT_PUBLISHED = "not published: "
"""How a message begins that says why."""


@dataclass(frozen=True, kw_only=True)
class Published:
    """What became of it."""

    branch: str = ""
    """On the forge, and what was kept is on it."""
    pull_request: str = ""
    """Its address."""
    compare: str = ""
    """Where a person can open it, when we may not."""
    file: str = ""
    """The bundle that was written."""
    nothing: str = ""
    """Why there is nothing to publish but the notebook; empty: there is."""
    standing: str = ""
    """Our branch on the forge, also where this run has added nothing to it."""
    refused: str = ""
    """Why nothing, or not all, was published; empty: it was."""


class Tree(Protocol):
    """Files of one commit, read from git's object store: nothing on disk can redirect a read.

    Whoever cannot tell something at less cost inherits the way that reads.
    """

    def read(self, path: str) -> bytes:
        """The file's bytes. Raises `KeyError` when the commit has no regular file at `path`."""
        ...

    def paths(self) -> Sequence[str]:
        """Every in-scope regular file, sorted."""
        ...

    def all_paths(self) -> Sequence[str]:
        """Every regular file, in scope or not, sorted."""
        return self.paths()

    def size(self, path: str) -> int:
        """Bytes. Raises `KeyError` as `read` does."""
        return len(self.read(path))

    def version(self, path: str) -> object:
        """Equal for equal content and mode; `None` when there is nothing at `path`."""
        try:
            return self.read(path)
        except KeyError:
            return None


Trees = Callable[[str], Tree]
"""Opens the tree of any earlier attempt, by its commit."""


@dataclass(frozen=True, kw_only=True)
class PastRun:
    """An earlier run with the same metric, measured in the same way; nobody vouches for it."""

    history: Sequence[Experiment]
    """Its journal, baseline first. Numbers compare only within it: with the incumbent's then."""
    at: Trees
    """`at(experiment.commit)`; reading raises `KeyError` where git has lost the attempt."""
