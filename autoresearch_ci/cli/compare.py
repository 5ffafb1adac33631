"""`autoresearch-ci compare BASE HEAD`: two commits measured in turns, on whatever machine this is.

As a gate it needs no trust in whoever claims an improvement: anyone can run it again.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from statistics import median

from autoresearch_ci.cli.assembly import (
    Collaborators,
    make_redactor,
    make_ruler,
    open_bench,
    passing,
)
from autoresearch_ci.cli.compare_gate import CompareResult, apply, few, parse_gate
from autoresearch_ci.cli.config import effective
from autoresearch_ci.cli.gate_commits import asked
from autoresearch_ci.cli.terminal import obey_signals
from autoresearch_ci.config.schema import Config
from autoresearch_ci.confirmation import PAIRS, PairedComparison, Pairs
from autoresearch_ci.decide.gaming import certain, loud
from autoresearch_ci.decide.metric.credibility import told_by_output, too_good
from autoresearch_ci.decide.metric.noise import (
    Comparison,
    ComparisonResult,
    compare,
    confirm_interval,
)
from autoresearch_ci.errors import BaselineError, ConfigError
from autoresearch_ci.events import Note, Observer, Warning, redacted
from autoresearch_ci.execution.command import Stop
from autoresearch_ci.execution.machine import machine
from autoresearch_ci.measure.bench import Bench
from autoresearch_ci.measure.commands import Subject
from autoresearch_ci.preflight import comparison_context
from autoresearch_ci.publish.forge.git_remote import common_ancestor, merge, merging
from autoresearch_ci.report.claim import Claim, judged
from autoresearch_ci.report.console import make_progress
from autoresearch_ci.report.run_folder import metric_name
from autoresearch_ci.report.terminal_table import aligned
from autoresearch_ci.workspace.difference import Difference
from autoresearch_ci.workspace.repository import Changes, Repository

_TOLD = 5
"""Of the files that no candidate may change, how many are explained."""

_ELSEWHERE = "not compared, because the scope does not name them"


def main(options: argparse.Namespace) -> int:
    """Compare, print the result, and fail as the gate says."""
    gate = parse_gate(options.fail_on, options.claim)
    start = Path.cwd()
    pair = asked(options)
    judges = bool(options.fail_on) or options.environment.get("CI") == "true"
    rules = pair.rules or pair.base
    resolved, path = effective(options, commit=rules, only=pair.proposed or judges)
    with make_progress(sys.stderr if options.json else sys.stdout, json=False) as observe:
        result = run_comparison(
            resolved.config,
            start=start,
            config_path=path,
            base=pair.base,
            head=pair.head,
            observe=observe,
            stop=obey_signals(),
            environment=options.environment,
            claim=gate.claim,
        )
    if options.json:
        print(result.as_json())
    for line in aligned(result.beside_claim):
        print(line, file=sys.stderr if options.json else sys.stdout)
    apply(gate, result)
    return 0


def run_comparison(
    config: Config,
    *,
    start: Path,
    config_path: str | None,
    base: str,
    head: str,
    observe: Observer,
    stop: Stop,
    environment: Mapping[str, str],
    claim: Claim | None = None,
) -> CompareResult:
    """Measure both commits in turns until the answer is clear or the repeats are used up.

    What is held against a claim is measured as often as that was, also when it is clear before.
    Where the base has moved on since `head` left it, that is what merging would bring, or, where
    they conflict, the gain over the commit where it left: both are said.

    Where only files out of scope differ there is nothing to tell apart, and nothing is measured,
    unless it is held against a claim.

    Both run with the base commit's own metric command, configuration and tests, and only files in
    scope differ between them: a head that changes the ruler does not get to use it, and its text is
    looked at as a candidate's is. Raises `AutoresearchError`.
    """
    observe = redacted(observe, make_redactor(config, environment).redact)
    if claim:
        base, head, moved = _since(start, base, head)
        if moved:
            observe(Warning(message=moved))
    context, difference = comparison_context(
        config, start=start, config_path=config_path, base=base, head=head
    )
    for message in _left_out(difference):
        observe(Warning(message=message))
    if not (difference.changes or difference.not_compared):
        observe(Warning(message="nothing differs between the two: the same code is measured twice"))
    elif not difference.changes and difference.unknown:
        context.repository.close()
        raise ConfigError(
            f"there is nothing to measure: the content of {few(difference.unknown)} is here of one "
            "of the two commits only, though the scope names it.\n"
            "usually: a filter such as Git LFS makes it.\n"
            "do: compare commits that differ in files which git itself holds."
        )
    elif not (difference.changes or claim):
        context.repository.close()
        return _unmeasured(config, difference, observe)
    with ExitStack() as stack:
        context.repository.exclude("/autoresearch/compare-*/")
        collaborators = passing(
            config, context, stack, observe=observe, stop=stop, environment=environment
        )
        foul = _foul(collaborators, difference.changes)
        if foul:
            observe(Warning(message=foul))
        bench = open_bench(collaborators, stack)
        result = _measured(collaborators, bench, difference, claim)
        if config.gaming == "refuse":
            result = dataclasses.replace(result, foul=foul)
    observe(Note(message=result.sentence()))
    if claim:
        base_value = median(result.base_values)
        told = judged(claim, result.comparison, result.host, base_value).remarks
        remarks = tuple(filter(None, (moved, *told)))
        result = dataclasses.replace(result, claim_remarks=remarks)
        for remark in told:
            observe(Warning(message=remark))
    return result


def _unmeasured(config: Config, difference: Difference, observe: Observer) -> CompareResult:
    """Both sides would be the base commit's, byte for byte: their difference is chance."""
    result = CompareResult(
        metric=metric_name(config),
        direction=config.metric.direction,
        comparison=Comparison(verdict=ComparisonResult.NOTHING, gain=0, low=0, high=0),
        base_values=[],
        head_values=[],
        not_compared=difference.not_compared,
        host=machine(),
    )
    observe(Note(message=result.sentence()))
    return result


def _since(start: Path, base: str, head: str) -> tuple[str, str, str]:
    """The base and head that a claim is about, and what is to be said of it."""
    with closing(Repository.open(start)) as repository:
        old, new = (None if name.startswith("-") else repository.ref(name) for name in (base, head))
        if not old or not new or repository.is_ancestor(old, new):
            return base, head, ""
        with merging(repository) as git:
            merged = merge(git, new, old)
            fork = common_ancestor(git, old, new)
    if merged:
        said = f"{old[:12]} is not part of {new[:12]}, so the merge of both is measured"
        return old, merged, f"the base has moved on: {said}"
    if fork:
        said = f"{new[:12]} conflicts with {old[:12]}"
        return fork, new, f"the claim is of the old base {fork[:12]}: {said}"
    return base, head, ""


def _left_out(difference: Difference) -> Iterator[str]:
    """What is told of the files that are not compared."""
    if difference.elsewhere:
        yield f"{_ELSEWHERE}: {few(difference.elsewhere)}"
    for why in list(difference.refused.values())[:_TOLD]:
        yield f"not compared: {why.removeprefix('out-of-scope: ')}"
    if len(difference.refused) > _TOLD:
        yield f"not compared either: {few(list(difference.refused)[_TOLD:])}"


def _foul(collaborators: Collaborators, changes: Changes) -> str:
    """How the head plays against the ruler, as a candidate would be refused for; empty: it not."""
    context = collaborators.context
    ruler = make_ruler(collaborators)
    if ruler is None:
        return ""
    files, store = context.files, collaborators.store
    before = {path: store.read(files[path]) if path in files else None for path in changes}
    after = {path: store.read(version) if version else None for path, version in changes.items()}
    for sign in loud(before, after, ruler)[:_TOLD]:
        collaborators.observe(Warning(message=f"look twice: {sign}"))
    people = dataclasses.replace(ruler, silenceable=False)  # who may have reasons for it
    return certain(before, after, people)


def _measured(
    collaborators: Collaborators, bench: Bench, difference: Difference, claim: Claim | None
) -> CompareResult:
    """The base commit and the head's changes of it, pair by pair. Raises `BaselineError`."""
    config = collaborators.config
    paired = PairedComparison(
        bench=bench, direction=config.metric.direction, iteration=0, scrutinised=True
    )
    base: list[float] = []
    head: list[float] = []
    comparison = None
    while comparison is None or (claim and comparison.low < comparison.high and len(base) < PAIRS):
        found = paired.runs({}, difference.changes, 1, done=len(base))
        paired = dataclasses.replace(paired, knowledge=found.knowledge)
        if not found.base:
            why = f": {found.failed.reason}" if found.failed else ""
            raise BaselineError(
                f"one of the two commits cannot be measured{why}; its output is in "
                f"{collaborators.context.folder / 'logs' / '0.log'}.\n{bench.hints('')}"
            )
        base += found.base
        head += found.head
        comparison = comparison or compare(
            base,
            head,
            config.metric.direction,
            pairs_max=max(3, config.metric.repeats.max),
            may_be_exact=not config.metric.rubric,
        )
    if claim and comparison.low < comparison.high:
        gain, low, high = confirm_interval(base, head, config.metric.direction)
        comparison = dataclasses.replace(comparison, gain=gain, low=low, high=high)
    size = too_good(comparison.gain, median(base), median(head))
    for sign in [*size, *told_by_output(paired.knowledge.missing)]:
        bench.observe(Warning(message=f"hard to believe of the head: {sign}"))
    return CompareResult(
        metric=metric_name(config),
        direction=config.metric.direction,
        comparison=comparison,
        base_values=base,
        head_values=head,
        not_compared=difference.not_compared,
        host=machine(),
        claim=claim,
        guard=_guard(bench, found, difference.changes),
    )


def _guard(bench: Bench, pairs: Pairs, head: Changes) -> str:
    """Which guard the head fails, and how; the base says what passing means.

    One that fails on the base says nothing of the head, and nothing of the other guards either.
    """
    base = bench.guards.run(
        Subject(changes={}, iteration=0),
        pairs.knowledge,
        pairs.base_runs[-1],
        stage="confirm",
        every=True,
    )
    red = {index: run.reason for index, run in enumerate(base.runs) if run.failed}
    for reason in red.values():
        words = f"the head is not asked about a guard that the base fails itself: {reason}"
        bench.observe(Warning(message=words))
    found = bench.guards.run(
        Subject(changes=head, iteration=0, incumbent={}),
        base.knowledge,
        pairs.head_runs[-1],
        stage="confirm",
        besides=red,
    )
    return next((run.reason for run in found.runs if run.failed), "")
