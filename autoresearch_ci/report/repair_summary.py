"""What a run of repairs amounts to, in words: which failures are gone, and what is left.

Failures are counted and named, never put in percent. Tables and pages are others' business.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from autoresearch_ci.decide.failures.causes.verdicts import COMES_AND_GOES
from autoresearch_ci.decide.failures.failure import mended_ids
from autoresearch_ci.decide.failures.repair_order import Left
from autoresearch_ci.experiment import Experiment, Status
from autoresearch_ci.report.run_summary import (
    RemainingFailure,
    Repairs,
    RunInfo,
    count,
    run_summary,
)
from autoresearch_ci.safety.markdown_text import inline
from autoresearch_ci.safety.wording import shortened

SHOWN = 200
"""Failures that are left and told one by one."""
_WORDS = 300
"""Characters of what is said of one."""
_TARGETS = 20


def repairs_of(left: Left | None, categories: Iterable[str] = (), earlier: int = 0) -> Repairs:
    """What a page, or another job, is told of what is left; `None`: nobody has looked yet."""
    if left is None:
        return Repairs(categories=tuple(categories), earlier=earlier)
    shown = tuple(
        RemainingFailure(
            id=shortened(failure.id, _WORDS),
            category=str(failure.category),
            path=shortened(failure.path, _WORDS),
            line=failure.line,
            message=shortened(failure.message, _WORDS),
            why=shortened(left.aside.get(failure.id, ""), _WORDS),
        )
        for failure in left.failures[:SHOWN]
    )
    flaky = sum(left.aside.get(f.id) == str(COMES_AND_GOES) for f in left.failures)
    told = list(left.incomplete.items())[:_TARGETS]
    return Repairs(
        looked=True,
        left=len(left.failures) - flaky,
        flaky=flaky,
        shown=shown,
        incomplete={shortened(name, 120): shortened(why, _WORDS) for name, why in told},
        categories=tuple(categories),
        earlier=earlier,
    )


def mended_by(e: Experiment, found: Repairs) -> tuple[Sequence[str], int]:
    """The failures that are gone by it, and how many more only its commit names."""
    ids, more = mended_ids(e.failure)
    told = found.mended.get(e.commit, ()) if more else ()
    return (told, max(len(ids) + more - len(told), 0)) if len(told) > len(ids) else (ids, more)


def repaired(experiments: Iterable[Experiment]) -> int:
    """How many failures are gone by what was kept."""
    kept = (mended_ids(e.failure) for e in experiments if e.status is Status.KEEP)
    return sum(len(ids) + more for ids, more in kept)


def outcome(experiments: Iterable[Experiment], found: Repairs, *, continued: bool) -> str:
    """`12 failures repaired, 0 left`, of all nights whose numbers mean the same; plain text.

    `continued`: whether earlier nights are part of the branch.
    """
    rows = list(experiments)
    total = repaired(rows) + found.earlier
    night = " in this night" if continued and not found.earlier else ""
    told = f"{count(total, 'failure')} repaired{night}, {_left(rows, found)} left"
    if found.flaky:
        told += f", {found.flaky:,} flaky"
    if found.incomplete:
        told += f", {count(len(found.incomplete), 'target')} not seen to the end"
    return told


def repairs_title(experiments: Iterable[Experiment], info: RunInfo) -> str:
    """One line for a pull request."""
    told = outcome(experiments, info.repairs or Repairs(), continued=bool(info.lineage.origin))
    return f"autoresearch: {told}"


def repairs_headline(experiments: Sequence[Experiment], info: RunInfo) -> str:
    """The one paragraph that must be true; Markdown."""
    result = run_summary(experiments)
    found = info.repairs or Repairs()
    if result.baseline is None:
        return "**Nothing was looked at:** what is broken in the unmodified code is not known."
    if found.verdict == "green" and not result.kept and not found.earlier:
        return f"**Nothing to do:** nothing is broken.{_only(found)}"
    told = f"**{outcome(experiments, found, continued=bool(info.lineage.origin))}.**"
    if not result.kept and info.failed:
        told = f"**Stopped by a failure:** {inline(info.stop_reason, 300)}. {told}"
    said = [told]
    if not found.looked:
        said.append("As seen while the run went on; the result has not been looked at since.")
    elif found.verdict == "green":
        said.append(f"Nothing is broken any more.{_only(found)}")
    else:
        said.append(_only(found).strip())
    if result.kept:
        said.append(
            "Each repair was kept because a failure was gone, none was new, and every test that "
            "had passed still passed."
        )
    return " ".join(part for part in said if part)


def _left(rows: list[Experiment], found: Repairs) -> str:
    if found.looked:
        return f"{found.left:,}"
    known = [e.best if e.best is not None else e.metric for e in rows]
    number = next((value for value in reversed(known) if value is not None), None)
    return "an unknown number" if number is None else f"{round(number):,}"


def _only(found: Repairs) -> str:
    if not found.categories:
        return ""
    names = ", ".join(inline(name, 20) for name in found.categories)
    return f" Only failures of these kinds were to be repaired: {names}."
