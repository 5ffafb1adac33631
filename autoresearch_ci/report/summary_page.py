"""summary.md, the run in Markdown: headline, what was kept, what was tried, how it was measured.

A document has a bounded size: what matters least is left out, and that is said.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence

from autoresearch_ci.decide.metric.taken_back import taken_back
from autoresearch_ci.experiment import Direction, Experiment
from autoresearch_ci.record.remote_notebooks import Night, night_of
from autoresearch_ci.report.repair_summary import mended_by, repaired, repairs_headline
from autoresearch_ci.report.run_summary import (
    Repairs,
    RunInfo,
    RunSummary,
    change_interval,
    count,
    doubt_words,
    doubts,
    expectations,
    got_worse,
    headline,
    holdout_words,
    relative_change,
    run_summary,
    tests_passed,
)
from autoresearch_ci.safety.markdown_text import block, inline
from autoresearch_ci.safety.wording import commit_name, duration, number, percent, signed

STEP_SUMMARY_BYTES = 1_000_000
"""A job summary above 1 MiB is dropped as a whole (actions/runner, FileCommandManager.cs)."""

_NOTE = "Left out, because the page would be too long: {}."


MarkdownSection = tuple[str, int, str]
"""A part of a document that stands for itself, in Markdown; its importance: the higher, the longer
it stays; what a reader misses when it is left out, in a few plain words of ours."""


def fitted(sections: Sequence[MarkdownSection], limit: int) -> str:
    """The sections in their order, in at most `limit` UTF-8 bytes.

    A section is there or not: cut in the middle, its fences and tables would swallow the next one.
    """
    room = limit - len(_NOTE) - sum(len(name) + 2 for _, _, name in sections)
    kept: set[int] = set()
    by_importance = sorted(range(len(sections)), key=lambda at: -sections[at][1])
    for at in by_importance:
        text = sections[at][0]
        size = len(text.encode(errors="replace")) + 2
        if text and size <= room:
            room -= size
            kept.add(at)
    texts = [sections[at][0] for at in sorted(kept)]
    missing = [name for at, (text, _, name) in enumerate(sections) if text and at not in kept]
    if missing:
        texts.append(_NOTE.format(", ".join(missing)))
    return "\n\n".join(texts) + "\n"


KEPT_ROOM = 26_000
OTHERS_ROOM = 22_000
NIGHTS_ROOM = 4_000
"""Characters for each table. GitHub refuses bodies over 65,536; the rest of the page is bounded to
about 11,000, and a pull request adds its own words."""
COMMAND_ROOM = 1_500


def summary_markdown(experiments: Sequence[Experiment], info: RunInfo, *, left: str = "") -> str:
    """GitHub-flavoured Markdown of at most STEP_SUMMARY_BYTES, and under 65,536 characters.

    `left`: what is still broken, by somebody who knows more of it than `info` does.
    """
    result = run_summary(experiments)
    goal = f"Goal: {inline(info.goal, 300)}" if info.goal else ""
    parts = (
        (page_headline(experiments, info), 9, "the headline"),
        (_joined(doubts(result, info)), 9, "what is hard to believe"),
        (goal, 5, "the goal"),
        (_joined(_kept(result, info)), 7, "what was kept"),
        (left or _joined(left_over(info, OTHERS_ROOM)), 7, "what is left"),
        (info.evidence, 6, "the evidence for repairs"),
        (_joined(nights(experiments, info)), 6, "the nights"),
        (_joined(idle(experiments, info)), 3, "what turned out to do nothing"),
        (_joined(_others(result)), 2, "what was tried and not kept"),
        (_joined(measured(experiments, result, info)), 6, "how it was measured"),
        (_joined(_look(result, info)), 4, "how to look at it"),
        (got_worse(info), 5, "what got worse"),
        (tests_passed(info), 5, "what the tests say"),
        (expectations(experiments, info.direction), 2, "what was expected"),
        (_ending(result, info), 8, "how the run ended"),
    )
    return fitted(parts, STEP_SUMMARY_BYTES)


def page_headline(experiments: Sequence[Experiment], info: RunInfo) -> str:
    """The one paragraph that must be true; Markdown."""
    if info.repairs is not None:
        return repairs_headline(experiments, info)
    return headline(run_summary(experiments), info)


def _joined(paragraphs: Iterable[str]) -> str:
    return "\n\n".join(paragraphs)


def _kept(result: RunSummary, info: RunInfo) -> Iterator[str]:
    if not result.kept:
        return
    if info.repairs is not None:
        yield repaired_list(result, info, KEPT_ROOM)
        return
    yield f"### {kept_title(result, info)}"
    yield table(
        ("#", "commit", "metric", "delta", "guard", "samples", "95 % CI of delta", "change"),
        "rlrrlrll",
        (
            (
                str(e.iteration),
                commit_link(e.commit),
                number(e.metric),
                signed(e.delta),
                inline(e.guard, 12),
                str(e.samples),
                interval(e, info.direction),
                described(e),
            )
            for e in result.kept
        ),
        len(result.kept),
        KEPT_ROOM,
    )


def repaired_list(result: RunSummary, info: RunInfo, room: int) -> str:
    """The failures that were repaired, by id, each with its commit; with its title."""
    night = " in this night" if info.lineage.origin else ""
    rows = list(repaired_rows(result.kept, info.repairs or Repairs()))
    listed = table(REPAIRED, "lll", rows, len(rows), room)
    return f"### Repaired{night} ({repaired(result.kept):,})\n\n{listed}"


REPAIRED = ("failure", "commit", "change")


def repaired_rows(kept: Iterable[Experiment], found: Repairs) -> Iterator[tuple[str, str, str]]:
    """For a table under `REPAIRED`: a row for each failure that is gone."""
    for e in kept:
        ids, more = mended_by(e, found)
        rest = [f"{count(more, 'more failure')}, see the commit"] if more else []
        for name in (*(inline(name, 200) for name in ids), *rest):
            yield name, commit_link(e.commit), described(e)


def left_over(info: RunInfo, room: int) -> Iterator[str]:
    """What is still broken and why it is left, of a run that repairs."""
    found = info.repairs or Repairs()
    total = found.left + found.flaky
    if total:
        rows = (
            (
                inline(f"{left.path}:{left.line}" if left.line else left.path, 120),
                inline(left.category, 20),
                inline(left.id, 120),
                inline(left.message, 160),
                inline(left.why, 160) or "its turn did not come",
            )
            for left in found.shown
        )
        header = ("where", "kind", "failure", "what is said of it", "why it is left")
        shown = table(header, "lllll", rows, len(found.shown), room)
        yield f"### Left ({total:,})"
        yield shown
        if (more := total - len(found.shown)) > 0:
            yield f"{count(more, 'more failure')} not shown."
    if found.incomplete:
        yield unseen(found.incomplete)


def unseen(incomplete: Mapping[str, str]) -> str:
    """Targets that may hide failures, and why; with its title."""
    listed = [f"- {inline(name, 120)}: {inline(why, 300)}" for name, why in incomplete.items()]
    more = [f"- and {count(len(listed) - 50, 'more target')}"] if len(listed) > 50 else []
    return "\n".join(["### Not seen to the end\n", *listed[:50], *more])


def described(kept: Experiment) -> str:
    """What a kept change does, behind what looks unlikely about it; for a cell."""
    told = f"**{doubt_words(kept)}**: " if kept.doubt else ""
    return f"{told}{inline(kept.description)}"


def kept_title(result: RunSummary, info: RunInfo) -> str:
    """Of the table of what this run kept."""
    return f"Kept{' in this night' if info.lineage.origin else ''} ({len(result.kept)})"


def idle(experiments: Sequence[Experiment], info: RunInfo) -> Iterator[str]:
    """At most ten of each are named: the section must not crowd out the rest."""
    if gone := taken_back(experiments):
        names = [f"- {commit_link(e.commit)} {inline(e.description)}" for e in gone[:10]]
        left = [f"- and {count(len(gone) - 10, 'more change')}"] * (len(gone) > 10)
        listed = "\n".join([*names, *left])
        yield (
            "Kept at first, and taken back at the end, since the result is no worse without; the "
            f"branch has both commits, and nothing of them is left:\n\n{listed}"
        )
    if info.idle:
        names = [
            f"{commit_link(e.commit)} {inline(e.description)}: `git revert {commit_name(e.commit)}`"
            for e in info.idle
        ]
        listed = "\n".join(f"- {name}" for name in names[:10])
        # Of two that do the same, each does nothing beside the other.
        each = " Each was left out by itself: revert one, then measure again." * (len(names) > 1)
        yield f"Left out in turn, these turned out to do nothing, and can go.{each}\n\n{listed}"


def nights(experiments: Sequence[Experiment], info: RunInfo) -> Iterator[str]:
    """A row for each run that the branch consists of, this one last."""
    if not info.lineage.origin:
        return
    this = night_of(experiments, notebook=info.notebook_ref, host=info.host)
    known = [*info.lineage.nights, this]
    header = ("night", "began", "machine", "tried", "kept", "metric", "change", "cost")
    rows = (
        (
            "this" if night is this else str(at + 1),
            inline(night.date[:10], 10),
            inline(night.host, 60),
            str(night.tried),
            str(night.kept),
            f"{number(night.before)} → {number(night.after)}",
            _night_change(night, info),
            _cost(night),
        )
        for at, night in reversed(list(enumerate(known)))
    )
    yield f"### Nights ({len(known)})"
    yield table(header, "rllrrlrl", rows, len(known), NIGHTS_ROOM)
    yield (
        "Each as it was measured then and there; the headline is measured on one machine."
        if info.repairs is None
        else "Each as it was seen then and there; what is left was looked at in the result of all."
    )
    if info.lineage.apart:
        files = ", ".join(inline(path, 80) for path in info.lineage.apart[:5])
        more = len(info.lineage.apart) - 5
        rest = f" and {count(more, 'other')}" if more > 0 else ""
        yield (
            f"Outside of the scope this branch also differs from {info.origin[:7]}: {files}{rest}. "
            "These files were the branch's on both sides of the measurement."
        )


def _night_change(night: Night, info: RunInfo) -> str:
    if info.repairs is None:
        return percent(relative_change(night.before, night.after))
    known = night.before is not None and night.after is not None
    return signed((night.after or 0.0) - (night.before or 0.0)) if known else "-"


def _cost(night: Night) -> str:
    dollars = f", ${night.cost_usd:.2f}" if night.cost_usd else ""
    return f"{duration(night.seconds)}{dollars}"


def _others(result: RunSummary) -> Iterator[str]:
    if result.others:
        yield others_table(result, OTHERS_ROOM)


def others_table(result: RunSummary, room: int) -> str:
    """What was tried and not kept, folded away; as many rows as fit in `room` characters."""
    rows = (
        (
            str(e.iteration),
            str(e.status),
            number(e.metric),
            signed(e.delta),
            inline(e.description, 100),
            inline(e.reason, 80),
        )
        for e in result.others
    )
    header = ("#", "status", "metric", "delta", "change", "why not")
    total = len(result.others)
    listed = table(header, "rlrrll", rows, total, room)
    return details(f"Tried and not kept ({total})", listed)


def details(summary: str, inside: str) -> str:
    """Markdown that is folded away behind its summary."""
    return f"<details>\n<summary>{summary}</summary>\n\n{inside}\n\n</details>"


def table(
    header: Sequence[str],
    alignment: str,
    rows: Iterable[Sequence[str]],
    total: int,
    room: int,
    *,
    where: str = "results.tsv",
) -> str:
    """As many rows as fit in `room` characters, then a sentence that counts the others.

    `total`: how many rows there are; those that do not fit are not asked for. `where`: the file
    that has them all.
    """
    rule = ["---:" if side == "r" else "---" for side in alignment]
    lines = [_row(header), _row(rule)]
    for done, row in enumerate(rows):
        line = _row([cell or " " for cell in row])
        room -= len(line) + 1
        if room < 0:
            left = count(total - done, "more row")
            return "\n".join(lines) + f"\n\n{left} in `{where}`."
        lines.append(line)
    return "\n".join(lines)


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def interval(experiment: Experiment, direction: Direction) -> str:
    """The confidence interval of a change, in the metric's own sign, for a cell."""
    if experiment.ci_low is None or experiment.ci_high is None:
        return "-"
    _, low, high = change_interval(direction, 0.0, experiment.ci_low, experiment.ci_high)
    if low == high:  # an exact metric
        return percent(low)
    return f"{percent(low).removesuffix(' %')} to {percent(high)}"


def measured(experiments: Sequence[Experiment], result: RunSummary, info: RunInfo) -> Iterator[str]:
    better = "lower" if info.direction is Direction.MINIMIZE else "higher"
    yield "### How it was measured"
    if info.repairs is not None:
        yield (
            f"What these find broken, on {inline(info.host)}. Base commit "
            f"{commit_link(info.base_commit)}."
        )
    else:
        yield (
            f"{inline(info.metric_name)}, {better} is better; {_runs(experiments)} on "
            f"{inline(info.host)}. Base commit {commit_link(info.base_commit)}."
        )
    if info.metric_command:
        yield block(info.metric_command, COMMAND_ROOM, language="sh")
    yield from guards_told(info, 10)
    if said := holdout_words(result):
        yield f"A holdout that no proposer sees was asked about each would-be keep: {said}."


def guards_told(info: RunInfo, most: int) -> Iterator[str]:
    """The first of the guards, as they were, white space included: they are there to be run."""
    room = COMMAND_ROOM // 4
    shown = [text if len(text) <= room else f"{text[:room]}…" for text in info.guards[:most]]
    more = len(info.guards) - len(shown)
    if shown:
        yield f"Guards that had to keep passing{f' ({more} more not shown)' if more else ''}:"
        yield block("\n".join(shown), COMMAND_ROOM * 3, language="sh")


def _runs(experiments: Sequence[Experiment]) -> str:
    runs = sum(e.samples for e in experiments)
    return f"{count(runs, 'run')} of the command for {count(len(experiments), 'measurement')}"


def _look(result: RunSummary, info: RunInfo) -> Iterator[str]:
    yield "### How to look at it"
    commands = []
    if result.kept:
        head = info.branch or result.head[:12]  # which may have no branch
        kept = shlex.quote(f"{info.origin[:12]}..{head}")
        commands.append(f"git log -p {kept}   # what was kept")
    commands.append(f"git log {shlex.quote(info.notebook_ref)}   # every attempt, kept or not")
    yield block("\n".join(commands), COMMAND_ROOM, language="sh")


def _ending(result: RunSummary, info: RunInfo) -> str:
    spent = len(result.kept) + len(result.others)
    started = f"started {inline(info.started)}, " if info.started else ""
    return (
        f"Run {inline(info.tag)}: {started}{count(spent, 'experiment')} in "
        f"{duration(info.seconds)}. Stopped because: {inline(info.stop_reason, 300)}."
    )


def commit_link(commit: str) -> str:
    """Seven characters that GitHub links to the commit, which is one of ours."""
    name = commit_name(commit)
    return name if re.fullmatch("[0-9a-f]{7}", name) else inline(name)
