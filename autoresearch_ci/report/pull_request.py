"""A run as a pull request: its title and its body. Where it is sent is not decided here."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from autoresearch_ci.decide.budget import rows_cost
from autoresearch_ci.experiment import Direction, Experiment
from autoresearch_ci.report.repair_summary import repairs_title
from autoresearch_ci.report.run_summary import (
    RunInfo,
    RunSummary,
    count,
    disclosure,
    doubts,
    expectations,
    got_worse,
    hard_to_believe,
    holdout_words,
    relative_change,
    run_summary,
    tests_passed,
)
from autoresearch_ci.report.summary_page import (
    COMMAND_ROOM,
    REPAIRED,
    commit_link,
    described,
    details,
    guards_told,
    idle,
    interval,
    kept_title,
    left_over,
    nights,
    others_table,
    page_headline,
    repaired_list,
    repaired_rows,
    table,
)
from autoresearch_ci.safety.log_text import defuse
from autoresearch_ci.safety.markdown_text import block, inline
from autoresearch_ci.safety.wording import duration, number, percent, shortened, signed

BODY_ROOM = 60_000
"""Characters of a body when nobody else's words need room; GitHub's limit is 65,536."""
_NOTES = 600
"""Headings and the sentences that count what a table leaves out."""
_BARS = 40
"""Lines of the picture in letters."""


@dataclass(frozen=True, kw_only=True)
class PullRequestInfo:
    """What neither the journal nor the run's facts say."""

    head: str
    """The newest kept commit."""
    chart: str = ""
    """Address of the progress picture; empty: only letters."""
    job: str = ""
    """Address of the job that runs."""
    checks: str = ""
    """Address of the branch's checks, a re-verification among them."""
    moved: str = ""
    """The base branch's newest commit, where it has moved since the base that was measured."""
    holdout: str = ""
    """The holdout's name; empty: there is none."""
    earlier: Sequence[Experiment] = ()
    """Kept by earlier runs, on this same branch below our base."""
    unvouched: Sequence[Experiment] = ()
    """Those of `earlier` that are hard to believe, and no guard or holdout has seen since."""
    replaces: str = ""
    """Address of the pull request that this one continues, because its branch is not ours now."""
    because: str = ""
    """Why that one is not continued, in one word of `_REPLACED`."""
    rejected: Sequence[str] = ()
    """What pull requests held that a person closed."""
    ignored: Sequence[str] = ()
    """What people asked to leave alone."""
    final: bool = False
    """Whether the run has ended."""


def title(
    experiments: Sequence[Experiment], info: RunInfo, unvouched: Sequence[Experiment] = ()
) -> str:
    """One line with the number: `autoresearch: val_bpb 1.982 → 1.871 (-5.6 %)`.

    `unvouched`: what earlier runs kept on the same branch and is hard to believe.
    """
    if info.repairs is not None:
        return repairs_title(experiments, info)
    result = run_summary(experiments)
    name = defuse(shortened(info.metric_name, 60))
    found = info.confirmation
    if found is not None and not found.holds:
        return f"autoresearch: {name}: a gain that did not hold"
    if found is None and info.lineage.origin:
        reached = number(result.best)
        return f"autoresearch: {name} → {reached}, not yet measured against the base"
    before, after = (found.base, found.head) if found else (result.baseline, result.best)
    sign = -1 if info.direction is Direction.MINIMIZE else 1
    change = sign * found.gain if found else relative_change(before, after)
    share = "" if change is None else f" ({percent(change)})"
    doubt = ", hard to believe" if hard_to_believe(result, info, unvouched) else ""
    return f"autoresearch: {name} {number(before)} → {number(after)}{share}{doubt}"


def body(
    experiments: Sequence[Experiment],
    info: RunInfo,
    more: PullRequestInfo,
    room: int = BODY_ROOM,
) -> str:
    """GitHub-flavoured Markdown in at most `room` characters: what matters less is left out."""
    result = run_summary(experiments)
    room = min(room, BODY_ROOM) - _NOTES
    name = inline(info.metric_name, 60)
    start = [
        page_headline(experiments, info),
        *doubts(result, info, more.unvouched),
        got_worse(info),
        tests_passed(info),
        *_state(info, more),
        f"![{name} over the experiments]({more.chart})" if more.chart else "",
    ]
    middle = [
        info.evidence,
        *left_over(info, room // 4),
        *nights(experiments, info),
        *idle(experiments, info),
        *_measured(experiments, result, info, more),
        _cost(experiments, result, info),
        expectations(experiments, info.direction),
        disclosure(experiments, info),
        _again(info, more),
        _steering(),
    ]
    end = [*_letters(result, info), *_earlier(info, more)]
    start = _fitting(start, room)
    middle = _fitting(middle, room - _size(start))
    end = _fitting(end, (room - _size([*start, *middle])) // 3)
    room -= _size([*start, *middle, *end])
    kept = _fitting([_kept(result, info, room * 3 // 5)], room)
    others = _fitting(list(_others(result, room - _size(kept))), room - _size(kept))
    return "\n\n".join([*start, *kept, *middle, *end, *others]) + "\n"


def _fitting(parts: Sequence[str], room: int) -> list[str]:
    """Those parts, in order, that fit whole: half a part could leave a fence open."""
    chosen: list[str] = []
    for part in parts:
        if part and _size([*chosen, part]) <= room:
            chosen.append(part)
    return chosen


def _size(parts: Sequence[str]) -> int:
    return sum(len(part) + 2 for part in parts)


_REPLACED = {
    "closed": (
        "Follows {url}, which a person closed: what it held is not proposed again, until somebody "
        "comments `/autoresearch retry` there."
    ),
    "merged": "Follows {url}, which was merged while this run went on.",
    "conflict": (
        "Takes the place of {url}, whose branch conflicts with the base: what fits of its changes "
        "was tried again on the new base, and the rest is left on that branch."
    ),
    "moved": (
        "Takes the place of {url}: somebody else pushed to its branch while this run was measured, "
        "and what they pushed is no part of this one."
    ),
    "deleted": "Takes the place of {url}, whose branch was deleted while this run went on.",
    "apart": (
        "Stands beside {url}, which this run could not see when it began from the base: that one "
        "stays open, and what it holds is no part of this one."
    ),
}


def _state(info: RunInfo, more: PullRequestInfo) -> Iterator[str]:
    job = f" [Its job]({more.job})." if more.job else ""
    if not more.final:
        yield f"The run is still going on; this page follows it.{job}"
    elif info.stop_reason:
        yield f"The run has ended: {inline(info.stop_reason, 300)}.{job}"
    if more.moved:
        yield (
            f"The branch to merge into has moved to {more.moved[:7]} since: what is said here is "
            f"of its commit {info.origin[:7]}, until the next night or a re-verification."
        )
    if info.goal:
        yield f"Goal: {inline(info.goal, 300)}"
    if more.replaces:
        yield _REPLACED.get(more.because, "Continues {url}.").format(url=more.replaces)


def _kept(result: RunSummary, info: RunInfo, room: int) -> str:
    if not result.kept:
        return "Nothing has been kept."
    if info.repairs is not None:
        return repaired_list(result, info, room)
    rows = (
        (
            commit_link(e.commit),
            number(e.metric),
            signed(e.delta),
            str(e.samples),
            interval(e, info.direction),
            described(e),
        )
        for e in result.kept
    )
    header = ("commit", "metric", "delta", "samples", "95 % CI of delta", "change")
    total = len(result.kept)
    return f"### {kept_title(result, info)}\n\n{table(header, 'lrrrll', rows, total, room)}"


def _measured(
    experiments: Sequence[Experiment], result: RunSummary, info: RunInfo, more: PullRequestInfo
) -> Iterator[str]:
    better = "lower" if info.direction is Direction.MINIMIZE else "higher"
    runs = sum(e.samples for e in experiments)
    yield "### How it was measured"
    if info.repairs is not None:
        yield f"What these find broken, on {inline(info.host)}; what they read was frozen."
    else:
        yield (
            f"{inline(info.metric_name)}, {better} is better: {count(runs, 'run')} of the command "
            f"for {count(len(experiments), 'measurement')}, base and candidate in turns, on "
            f"{inline(info.host)}."
        )
    yield block(info.metric_command, COMMAND_ROOM, language="sh")
    yield from guards_told(info, 8)
    said = holdout_words(result)
    if said or more.holdout:
        named = f"{inline(more.holdout, 60)}, a holdout" if more.holdout else "A holdout"
        told = f": {said}" if said else ""
        yield f"{named} that no proposer sees, was asked about each would-be keep{told}."


def _cost(experiments: Sequence[Experiment], result: RunSummary, info: RunInfo) -> str:
    nights = info.lineage.nights
    tried = len(result.kept) + len(result.others) + sum(n.tried for n in nights)
    spent = rows_cost(experiments) + info.outside_rows
    dollars = spent.cost_usd + sum(n.cost_usd for n in nights)
    tokens = spent.tokens + sum(n.tokens for n in nights)
    seconds = info.seconds + sum(n.seconds for n in nights)
    parts = [f"{count(tried, 'experiment')} in {duration(seconds)}"]
    if tokens:
        parts.append(f"{count(tokens, 'token')}")
    if dollars:
        found = info.confirmation
        gain = 100 * (found.gain * found.holds if found else abs(result.change or 0.0))
        worth = gain > 0 and result.kept and info.repairs is None
        each = f" (${dollars / gain:.2f} per percent)" if worth else ""
        parts.append(f"${dollars:.2f}{each}")
    return f"Cost{' of all nights' if nights else ''}: {', '.join(parts)}."


def _again(info: RunInfo, more: PullRequestInfo) -> str:
    base, head = info.origin[:12], more.head[:12]
    refs = shlex.quote(info.notebook_ref)
    look = [f"autoresearch-ci compare {base} {head}   # measures both again, in turns"]
    if info.repairs is not None:
        check = "autoresearch-ci fix --check --fail-on any   # what is broken there"
        if info.evidence:  # scanners come first, and are asked in this way
            check = f"{info.metric_command.partition(chr(10))[0]}   # what is insecure there"
        look = [f"git switch --detach {head}", check]
    commands = [
        f"git fetch origin {shlex.quote(info.branch)} {refs}:{refs}",
        *look,
        f"git log -p {base}..{head}   # what was kept",
        f"git log {refs}   # every attempt, kept or not",
    ]
    by_hand = block(chr(10).join(commands), language="sh")
    if more.checks:
        by_hand = (
            f"On another runner: [checks of this branch]({more.checks}). By hand:\n\n{by_hand}"
        )
    heading = "Measure it again" if info.repairs is None else "Look again"
    return f"### {heading}\n\n{by_hand}"


def _steering() -> str:
    return (
        "Steer it: who may write here comments `/autoresearch stop`, `/autoresearch retry` (goes "
        "on after a stop; with a COMMIT, measures that again) or `/autoresearch ignore COMMIT`.\n"
        "Closing this means no: its changes are not proposed again. What you write here, push, "
        "label or rename stays."
    )


def _letters(result: RunSummary, info: RunInfo) -> Iterator[str]:
    """The picture for those who cannot see it: mail, text browsers, other forges."""
    points = [(0, result.baseline), *((e.iteration, e.metric) for e in result.kept)]
    if info.lineage.origin:  # this night's alone would tell another lineage than the headline
        return
    known = [(at, value) for at, value in points if value is not None]
    if len(known) < 2:
        return
    if len(known) > _BARS:
        known = [known[0], *known[-(_BARS - 1) :]]
    values = [value for _, value in known]
    low, high = min(values), max(values)
    span = (high - low) or 1.0
    lines = [
        f"{at:>6}  {number(value):>12}  {'█' * (1 + round(39 * (value - low) / span))}"
        for at, value in known
    ]
    yield details("Progress in letters", block("\n".join(lines), 8_000))


def _earlier(info: RunInfo, more: PullRequestInfo) -> Iterator[str]:
    if more.earlier:
        total = len(more.earlier)
        if info.repairs is not None:
            mended = list(repaired_rows(more.earlier, info.repairs))
            listed = table(REPAIRED, "lll", mended, len(mended), 8_000)
        else:
            rows = (
                (commit_link(e.commit), number(e.metric), inline(e.description))
                for e in more.earlier
            )
            listed = table(("commit", "metric", "change"), "lrl", rows, total, 3_000)
        by = "Kept by earlier runs on this branch"
        by = by if info.repairs is None else "Repaired by earlier nights"
        yield details(f"{by} ({total})", listed)
    if more.rejected:
        listed = "\n".join(f"- {inline(text)}" for text in more.rejected[-10:])
        yield details(f"Refused before, and not proposed again ({len(more.rejected)})", listed)
    if more.ignored:
        listed = "\n".join(f"- {inline(text)}" for text in more.ignored[:10])
        yield f"Ignored, as asked:\n\n{listed}"


def _others(result: RunSummary, room: int) -> Iterator[str]:
    if result.others:
        yield others_table(result, room)
