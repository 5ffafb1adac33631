"""`autoresearch-ci run`: one run from preflight to report, also when it is resumed or interrupted.

What an iteration is, the loop knows; who the collaborators are, assembly.py.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TextIO

from autoresearch_ci.cli.assembly import (
    Besides,
    Collaborators,
    make_briefing,
    make_evaluator,
    make_ledger,
    make_publisher,
    make_redactor,
    make_signing,
    open_bench,
)
from autoresearch_ci.cli.begin_or_resume import begin_or_resume, other_version
from autoresearch_ci.cli.config import effective
from autoresearch_ci.cli.make_proposer import make_proposer, proposer_name
from autoresearch_ci.cli.publish import tell
from autoresearch_ci.cli.terminal import columns, obey_signals
from autoresearch_ci.config.resolve import Resolved
from autoresearch_ci.config.schema import Config
from autoresearch_ci.confirmation import PAIRS, exact_pairs
from autoresearch_ci.decide.knowledge import Knowledge
from autoresearch_ci.decide.metric.taken_back import standing, stands
from autoresearch_ci.ending import Ending
from autoresearch_ci.errors import AutoresearchError, Interrupted, WorkspaceError
from autoresearch_ci.events import Observer, RunFinished, RunStarted, Warning, redacted
from autoresearch_ci.execution.command import Stop
from autoresearch_ci.loop import Loop
from autoresearch_ci.preflight import Options, RunContext, settled, survey
from autoresearch_ci.propose.proposer import Proposer
from autoresearch_ci.publish.publisher import (
    Publisher,
    StartPoint,
    comparable_keeps,
    recalled,
)
from autoresearch_ci.record.ledger import Ledger
from autoresearch_ci.record.remote_notebooks import ruler_of
from autoresearch_ci.record.run_history import (
    past_runs,
)
from autoresearch_ci.record.run_records import Records
from autoresearch_ci.report.console import make_progress, say
from autoresearch_ci.report.event_lines import next_steps
from autoresearch_ci.report.run_folder import (
    Finished,
    metric_name,
    repaired_line,
    run_info,
    write_report,
)
from autoresearch_ci.report.run_summary import PassedTests, confirmed_line
from autoresearch_ci.report.terminal_table import results_table
from autoresearch_ci.safety.log_text import defuse
from autoresearch_ci.safety.redaction import Redactor
from autoresearch_ci.workspace.ai_disclosure import asking_file
from autoresearch_ci.workspace.difference import difference
from autoresearch_ci.workspace.repository import Changes, Repository
from autoresearch_ci.workspace.scratch import in_use
from autoresearch_ci.workspace.store import opened


def main(options: argparse.Namespace) -> int:
    """Run or resume the loop, and print the table of it."""
    resolved, path = effective(options)
    stop = obey_signals()
    with make_progress(sys.stdout, json=options.json) as observe:
        finished = run(
            resolved,
            Options(
                start=Path.cwd(),
                config_path=path,
                tag=options.tag,
                resume=options.resume,
                output=options.output,
            ),
            observe=observe,
            stop=stop,
            environment=options.environment,
        )
    tell_end(finished, "run", json=options.json)
    return 0


def tell_end(finished: Finished, command: str, verdict: Iterable[str] = (), *, json: bool) -> None:
    """The table, the `verdict` and what to type next; raises what the run is `broken` by."""
    if not json:
        show_table(finished, sys.stdout)
        say(map(defuse, verdict), sys.stdout)
        say(_steps_after(finished, command), sys.stdout)
    # With --json standard output is for programs.
    tell(finished.published, sys.stderr if json else sys.stdout)
    if finished.broken:
        raise finished.broken


def show_table(finished: Finished, out: TextIO) -> None:
    """Of the experiments."""
    direction = finished.ledger.facts.direction
    print(results_table(finished.ledger.experiments, direction, columns(out)), file=out)


def _steps_after(finished: Finished, command: str) -> list[str]:
    """What to type next."""
    experiments = finished.ledger.experiments
    if finished.ended is None or not experiments:
        return []
    base = finished.lineage.origin or experiments[0].commit
    return next_steps(finished.ended, base, finished.ledger.incumbent, command=command)


def run(
    resolved: Resolved,
    options: Options,
    *,
    observe: Observer,
    stop: Stop,
    environment: Mapping[str, str],
    besides: Besides | None = None,
) -> Finished:
    """Run (or resume) the loop; the report is written however it ends.

    A failure that lasts is `Finished.broken`, for the caller to raise. Raises `AutoresearchError`;
    everything kept until then is saved.
    """
    began = time.monotonic()
    config = resolved.config
    redactor = make_redactor(config, environment)
    observe = redacted(observe, redactor.redact)
    repository = Repository.open(options.start)
    options = settled(options, repository)
    with ExitStack() as stack:
        signing = make_signing(config, options.start, environment)
        publisher = make_publisher(
            config, options, environment=environment, observe=observe, signing=signing
        )
        stack.callback(publisher.close)
        start = StartPoint()
        if not options.resume:
            start = publisher.begin(options.tag or "")
            if _published_more(config, options, redactor, environment, observe):
                publisher = make_publisher(
                    config, options, environment=environment, observe=observe, signing=signing
                )
                stack.callback(publisher.close)
                start = publisher.begin(options.tag or "")
            options = dataclasses.replace(options, base=start.base)
        context = survey(config, options, repository)
        if signing:
            context = dataclasses.replace(context, keys=tuple(signing.keys))
        context.run_store.mkdir(parents=True, exist_ok=True, mode=0o700)
        records = Records(context.run_store)
        stack.callback(records.close)
        history = begin_or_resume(records, config, context, redactor, start, resume=options.resume)
        store = stack.enter_context(opened(context.repository, context.run_store / "git"))
        ledger = make_ledger(config, context, store, records, redactor.redact, signing)
        ledger.recover(history)
        observe(_started(config, context, ledger))
        for warning in (*context.warnings, *other_version(history)):
            observe(Warning(message=warning))
        if history.start:  # of the process that began it
            start = recalled(history.start.publish)
        start, origin = _with_origin(start, context)
        finished = Finished(
            ledger=ledger,
            lineage=start.lineage,
            earlier=comparable_keeps(start),
            disclose=asking_file(context.files, lambda path: store.read(context.files[path])),
            evidence=besides.evidence if besides else None,
        )
        publisher.follow(
            ledger, start, lambda: run_info(resolved, context, finished, redactor.redact)
        )
        collaborators = Collaborators(
            config=config,
            context=context,
            store=store,
            observe=observe,
            stop=stop,
            environment=environment,
            redactor=redactor,
            besides=besides,
        )
        proposer = make_proposer(collaborators, ledger, stack, start.again)
        stack.enter_context(in_use(context.scratch))
        with _reported(resolved, collaborators, publisher, finished):
            loop = _loop(collaborators, ledger, stack, proposer, publisher, start, began)
            finished.stop_reason = loop.run()
            finished.failed = bool(loop.broken or loop.proposer_lost or loop.evaluator.lost)
            finished.suites = tuple(_suites(config, ledger, loop.knowledge))
            finished.sees_tests = loop.evaluator.vouches(loop.knowledge, fooled=True)
            finished.left = loop.left()
            if config.confirm.mode == "auto" and ledger.history.kept:
                Ending(
                    config=config, finished=finished, loop=loop, store=store, origin=origin
                ).conclude()
        finished.broken = loop.broken
        return finished


def _published_more(
    config: Config,
    options: Options,
    redactor: Redactor,
    environment: Mapping[str, str],
    observe: Observer,
) -> bool:
    """Whether something of an earlier run went to the forge only now: the start is another then."""
    if config.publish.mode not in ("github", "gitlab"):
        return False
    from autoresearch_ci.publish.publish_bundle import publish_left_behind

    return publish_left_behind(
        config,
        redactor.redact_all(ruler_of(config)),
        start=options.start,
        config_path=options.config_path,
        environment=environment,
        observe=observe,
    )


def _loop(
    collaborators: Collaborators,
    ledger: Ledger,
    stack: ExitStack,
    proposer: Proposer,
    publisher: Publisher,
    start: StartPoint,
    began: float,
) -> Loop:
    """The loop with everything that it needs, ready to measure."""
    config = collaborators.config
    bench = open_bench(collaborators, stack, paid=ledger.pay)
    evaluator = make_evaluator(collaborators, ledger, bench, start.unwanted)
    briefing = make_briefing(collaborators, evaluator)
    return Loop(
        briefing=dataclasses.replace(
            briefing,
            earlier=tuple(start.tried),
            past=past_runs(start.past, collaborators.context.repository),
            started=began,
        ),
        checkpoints=config.checkpoints,
        calibrate=config.calibrate == "auto",
        confirm_pairs=(config.confirm.repeats or PAIRS) if config.confirm.mode == "auto" else 0,
        confirm_pairs_exact=_exact_pairs(config, start),
        proposer=proposer,
        proposer_name=proposer_name(config, collaborators.environment),
        evaluator=evaluator,
        ledger=ledger,
        observe=collaborators.observe,
        earlier=() if config.holdout else start.kept_rows,
        kept=publisher.kept,
    )


def _exact_pairs(config: Config, start: StartPoint) -> int:
    if config.confirm.mode != "auto":
        return 0
    return max(config.confirm.repeats or 0, exact_pairs(continued=bool(start.lineage.origin)))


def _with_origin(start: StartPoint, context: RunContext) -> tuple[StartPoint, Changes | None]:
    """What leads from the run's base back to the commit where its branch began; `None`: it did not.

    Files that no candidate may change stay as the branch has them: that is said.
    """
    origin = start.lineage.origin
    if not origin:
        return start, None
    back = difference(context.files, context.repository.files(origin), context.scope)
    lineage = dataclasses.replace(start.lineage, apart=tuple(back.not_compared))
    return dataclasses.replace(start, lineage=lineage), back.changes


@contextmanager
def _reported(
    resolved: Resolved, collaborators: Collaborators, publisher: Publisher, finished: Finished
) -> Iterator[None]:
    """However the block ends, what was found is reported and published."""
    hurry = False
    try:
        yield
    except Interrupted:
        finished.stop_reason, hurry = "interrupted", True
        raise
    except AutoresearchError as error:
        finished.stop_reason = f"an error: {str(error).splitlines()[0]}"
        finished.failed = True
        raise
    finally:
        finished.ledger.mend_journal()
        write_report(resolved, collaborators.context, finished, collaborators.redactor)
        finished.published = publisher.finish(hurry=hurry)
        if finished.published.branch not in ("", collaborators.context.branch):
            # It went aside: now the report can say where.
            write_report(resolved, collaborators.context, finished, collaborators.redactor)
        finished.ended = _ended(resolved.config, collaborators.context, finished)
        collaborators.observe(finished.ended)


def _suites(config: Config, ledger: Ledger, now: Knowledge) -> Iterator[PassedTests]:
    """The tests of each guard that pass, of the baseline and of what was kept last."""
    if not ledger.history.kept:
        return
    try:
        before = ledger.recall_baseline()
    except WorkspaceError:  # that file is lost, and nothing else needs it any more
        return
    for index, guard in enumerate(config.guards):
        base, head = before.passing(f"guard {index}"), now.passing(f"guard {index}")
        if base is not None and head is not None:
            yield PassedTests(command=guard.command, base=base, head=head)


def _started(config: Config, context: RunContext, ledger: Ledger) -> RunStarted:
    experiments = ledger.experiments
    return RunStarted(
        tag=context.tag,
        branch=context.branch or "",
        base_commit=context.base,
        goal=config.goal,
        metric=metric_name(config),
        direction=config.metric.direction,
        iterations=config.iterations,
        resumed_from=max(len(experiments) - 1, 0),
        baseline=experiments[0].metric if experiments else None,
        best=stands(experiments),
        minutes=config.budget.minutes,
    )


def _ended(config: Config, context: RunContext, finished: Finished) -> RunFinished:
    experiments, found = finished.ledger.experiments, finished.confirmation
    direction = config.metric.direction
    return RunFinished(
        stop_reason=finished.stop_reason,
        failed=finished.failed,
        kept=len(standing(experiments)),
        baseline=experiments[0].metric if experiments else None,
        best=stands(experiments),
        branch=finished.published.branch or context.branch or "",
        pushed=finished.published.standing,
        pull_request=finished.published.pull_request,
        report_dir=str(context.folder),
        confirmed=confirmed_line(metric_name(config), found, direction) if found else "",
        repaired=repaired_line(config, finished),
    )
