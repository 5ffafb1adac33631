"""What is left to repair: which failure comes next, and which are set aside.

CORE: failures and the journal -> an aim, so a resumed run goes on where it was.
"""

from __future__ import annotations

import functools
import json
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from autoresearch_ci.decide.failures.causes.verdicts import COMES_AND_GOES, Verdict, is_editable
from autoresearch_ci.decide.failures.failure import Failure, journal_id, ordered
from autoresearch_ci.experiment import Experiment, Status

NOTHING_TO_DO = "nothing to do"
"""How the description of a proposal without edits begins whose author says that nothing is wrong
with the code."""


BLOCKED = "blocked"
"""How the reason begins why a failure is not taken that was tried often enough."""


@dataclass(frozen=True, kw_only=True)
class Lead:
    """What an investigation holds for a cause; it may be wrong."""

    title: str
    why: str = ""
    fix: str = ""
    """What it would do about it."""
    path: str = ""
    line: int = 0
    """1-based, at the commit that was investigated; 0: not told."""
    severity: str = ""


@dataclass(frozen=True, kw_only=True)
class Aim:
    """What a repair is to mend: one failure, and what is known about it."""

    failure: Failure
    others: tuple[Failure, ...] = ()
    """The rest of what is broken, in the order in which it will be taken."""
    command: str = ""
    """What found it: a shell command line, as it is run in `folder`."""
    folder: str = ""
    """Relative to the repository's root; empty: there."""
    checks: tuple[tuple[str, str], ...] = ()
    """Everything that is asked about a repair: a line of shell, and its folder, each."""
    output: str = ""
    """Tail of what that command printed, bounded."""
    leads: tuple[Lead, ...] = ()
    """What an investigation found before, in this failure's file first."""
    tried: tuple[Experiment, ...] = ()
    """Earlier iterations that aimed at it, oldest first."""
    cause: str = ""
    """Whose fault it looks like, with the evidence: `test: …`; empty: nothing is known of it."""


@dataclass(frozen=True, kw_only=True)
class Left:
    """What is still broken."""

    failures: tuple[Failure, ...] = ()
    """In the order in which they are taken."""
    aside: Mapping[str, str] = field(default_factory=dict)
    """By id, why some of them are not taken."""
    incomplete: Mapping[str, str] = field(default_factory=dict)
    """By target, why there may be more."""
    warnings: tuple[Failure, ...] = ()
    """What tools let pass, where nobody asked about it: shown, and no failure."""

    @functools.cached_property
    def waiting(self) -> tuple[Failure, ...]:
        """What can be taken."""
        return tuple(failure for failure in self.failures if failure.id not in self.aside)

    @property
    def green(self) -> bool:
        return not self.failures and not self.incomplete

    @property
    def end(self) -> str:
        """Why nothing is left to do; empty: there is."""
        if self.green:
            return "nothing is broken"
        if self.waiting:
            return ""
        told = [f"{name} does not tell everything ({why})" for name, why in self.incomplete.items()]
        if self.failures:
            reasons = Counter(why.partition(":")[0] for why in self.aside.values())
            words = ", ".join(f"{number} {why}" for why, number in reasons.items())
            told.insert(0, f"all that is left cannot be repaired here: {words}")
        return "; ".join(told)


def unseen_cure(names: Collection[str]) -> str:
    """What to do about targets that did not tell everything: one line of advice."""
    them = "it" if len(names) == 1 else "them"
    return (
        "do: install what is missing where measured code finds it (PATH, or a `setup` command), or "
        f"leave {them} out: --set 'fix.skip={json.dumps([*names])}'"
    )


def tried_at(failure: Failure, experiments: Iterable[Experiment]) -> tuple[Experiment, ...]:
    """The iterations that aimed at it, oldest first."""
    name = journal_id(failure.id)
    return tuple(experiment for experiment in experiments if experiment.failure == name)


def in_vain(tried: Iterable[Experiment]) -> list[Experiment]:
    """Those that did not mend it, since it was last mended, if it was."""
    found: list[Experiment] = []
    for row in tried:
        found = [] if row.status is Status.KEEP else [*found, row]
    return found


def set_aside(aimed: Iterable[Experiment], attempts: int) -> str:
    """Why a failure is not taken any more; empty: it is.

    `aimed`: the iterations that aimed at it, oldest first. `attempts`: after so many in a row that
    did not mend it.
    """
    tried = in_vain(aimed)
    last = tried[-1] if tried else None
    if last and last.status is Status.NO_OP and is_nothing_to_do(last.description):
        return last.description
    if len(tried) >= attempts:
        return f"{BLOCKED} after {len(tried)} attempt{'s' if len(tried) > 1 else ''}"
    return ""


def is_nothing_to_do(description: str) -> bool:
    """Whether a proposal's author says that the code is right as it is."""
    return description.lower().startswith(NOTHING_TO_DO)


def left(
    failures: Iterable[Failure],
    experiments: Sequence[Experiment],
    *,
    attempts: int,
    flaky: Collection[str] = (),
    incomplete: Mapping[str, str] | None = None,
    verdicts: Mapping[str, Verdict] | None = None,
    warnings: Iterable[Failure] = (),
) -> Left:
    """What is broken, what comes first, and what is set aside.

    `flaky`: ids of failures that come and go on the same code. `verdicts`: by id, whose fault it
    is; what no edit mends is not taken.
    """
    everything = ordered(failures)
    known = verdicts or {}
    aimed: dict[str, list[Experiment]] = {}
    for experiment in experiments:
        aimed.setdefault(experiment.failure, []).append(experiment)

    def reason(failure: Failure) -> str:
        verdict = known.get(failure.id)
        if verdict is not None and not is_editable(verdict.cause):
            return str(verdict)
        if failure.id in flaky:
            return str(COMES_AND_GOES)
        return set_aside(aimed.get(journal_id(failure.id), ()), attempts)

    reasons = {failure.id: reason(failure) for failure in everything}
    return Left(
        failures=tuple(everything),
        aside={name: why for name, why in reasons.items() if why},
        incomplete=incomplete or {},
        warnings=tuple(ordered(warnings)),
    )
