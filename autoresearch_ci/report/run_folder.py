"""What a finished run leaves for people and tools: summary and report, progress.svg, run.json.

Beside the journal's rows lie each attempt's diff and files in git, and its log on disk; whatever is
not there any more, or is not what it should be, is left out.
"""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import autoresearch_ci
from autoresearch_ci.config.resolve import Resolved, describe
from autoresearch_ci.config.schema import Config
from autoresearch_ci.decide.failures.failure import mended_ids
from autoresearch_ci.decide.failures.repair_order import Left
from autoresearch_ci.decide.metric.taken_back import ideas, standing, stands
from autoresearch_ci.errors import AutoresearchError
from autoresearch_ci.events import RunFinished
from autoresearch_ci.execution.machine import machine
from autoresearch_ci.experiment import Experiment, Published
from autoresearch_ci.preflight import RunContext
from autoresearch_ci.record.commit_messages import repaired_in
from autoresearch_ci.record.journal_tsv import format_row
from autoresearch_ci.record.ledger import Ledger
from autoresearch_ci.record.remote_notebooks import Lineage
from autoresearch_ci.record.run_history import is_commit
from autoresearch_ci.report.chart import progress_svg
from autoresearch_ci.report.html_page import ReportPage, html_page
from autoresearch_ci.report.html_table import FILES, RowDetails
from autoresearch_ci.report.remaining_failures import (
    BLOCKED_FILE,
    blocked_markdown,
    not_ours,
    still_broken,
)
from autoresearch_ci.report.repair_summary import outcome, repaired, repairs_of
from autoresearch_ci.report.run_summary import (
    Confirmation,
    PassedTests,
    Repairs,
    RunInfo,
    hard_to_believe,
    run_summary,
)
from autoresearch_ci.report.summary_page import summary_markdown, unseen
from autoresearch_ci.safety.log_text import json_text
from autoresearch_ci.safety.redaction import Redactor
from autoresearch_ci.safety.untrusted_files import last_bytes
from autoresearch_ci.safety.untrusted_values import Unreadable
from autoresearch_ci.workspace.repository import Changes, Repository


@dataclass(kw_only=True)
class Finished:
    """What a run came to."""

    ledger: Ledger
    stop_reason: str = "stopped by an error"
    failed: bool = False
    """Stopped by something that is broken, not at a limit or for want of ideas."""
    broken: AutoresearchError | None = None
    """What the process ends with, once all that was kept is published."""
    left: Left | None = None
    """What is still broken, where that is what was measured."""
    confirmations: list[tuple[Changes, Confirmation]] = field(default_factory=list)
    """What was measured again at the end, each with the state of the code that it is of."""
    suites: tuple[PassedTests, ...] = ()
    """Of the guards whose tests are seen one by one."""
    sees_tests: bool = False
    """See `RunInfo`."""
    idle: tuple[Experiment, ...] = ()
    """Kept experiments that turned out to do nothing."""
    published: Published = field(default_factory=Published)
    lineage: Lineage = field(default_factory=Lineage)
    """What the branch consists of already."""
    earlier: Sequence[Experiment] = ()
    """What earlier runs kept on it, where numbers compare."""
    disclose: str = ""
    """The file of the repository that asks to be told of AI; empty: none does."""
    evidence: Callable[[Sequence[Experiment]], str] | None = None
    """What there is to say of each that was repaired, in Markdown."""

    ended: RunFinished | None = None
    """What was told last, once it was."""

    @property
    def confirmation(self) -> Confirmation | None:
        """That of the newest kept commit, whichever it is by now."""
        head = self.ledger.changes(self.ledger.incumbent)
        return next((found for of, found in self.confirmations if of == head), None)


REPORT_FILE = "report.html"


def run_info(
    resolved: Resolved, context: RunContext, finished: Finished, redact: Callable[[str], str]
) -> RunInfo:
    """What every report says of a run beside its journal, without secrets."""
    config, experiments = resolved.config, finished.ledger.experiments
    repairs = repairs_left(config, finished)
    return RunInfo(
        tag=context.tag,
        branch=finished.published.branch or context.branch or "",
        notebook_ref=finished.ledger.facts.notebook_ref,
        base_commit=context.base,
        metric_name=metric_name(config),
        direction=config.metric.direction,
        metric_command=redact(measured_by(config)),
        guards=[redact(guard.command) for guard in config.guards],
        goal=redact(config.goal),
        stop_reason=redact(finished.stop_reason),
        failed=finished.failed,
        started=experiments[0].timestamp if experiments else "",
        seconds=sum(e.seconds for e in experiments),
        host=machine(),
        confirmation=finished.confirmation,
        suites=[replace(suite, command=redact(suite.command)) for suite in finished.suites],
        sees_tests=finished.sees_tests,
        idle=finished.idle,
        lineage=finished.lineage,
        disclose=finished.disclose,
        repairs=repairs and _redacted(repairs, redact),
        evidence=redact(finished.evidence(experiments)) if finished.evidence else "",
        outside_rows=finished.ledger.outside_rows,
    )


def _left(finished: Finished) -> str:
    """What is still broken, in tables; empty where nothing is, or nobody has looked."""
    left, experiments = finished.left, finished.ledger.experiments
    if left is None:
        return ""
    tables = [still_broken(left, experiments), not_ours(left, experiments)]
    if left.incomplete:
        tables.append(unseen(left.incomplete))
    return "\n\n".join(filter(None, tables))


def repairs_left(config: Config, finished: Finished) -> Repairs | None:
    """What is left, of a run that repairs."""
    if not config.repairs:
        return None
    found = repairs_of(finished.left, config.fix.categories, repaired(finished.earlier))
    ledger, mended = finished.ledger, dict[str, list[str]]()
    for e in ledger.history.kept:
        if mended_ids(e.failure)[1] and sum(map(len, mended.values())) < _MENDED:
            mended[e.commit] = repaired_in(ledger.repository.message(e.commit))
    return replace(found, mended=mended, rulers=config.rulers, judges=config.judges)


_MENDED = 1000
"""Failures that pages name one by one; with a commit's last ones it may be twice as many."""


def repaired_line(config: Config, finished: Finished) -> str:
    """What a run of repairs came to, for a terminal; empty: it was none."""
    found, experiments = repairs_left(config, finished), finished.ledger.experiments
    if found is None or not experiments:
        return ""
    return outcome(experiments, found, continued=bool(finished.lineage.origin))


def _redacted(found: Repairs, redact: Callable[[str], str]) -> Repairs:
    shown = [
        replace(left, id=redact(left.id), message=redact(left.message), why=redact(left.why))
        for left in found.shown
    ]
    incomplete = {redact(name): redact(why) for name, why in found.incomplete.items()}
    return replace(
        found,
        shown=shown,
        incomplete=incomplete,
        mended={commit: tuple(map(redact, ids)) for commit, ids in found.mended.items()},
        rulers=tuple(map(redact, found.rulers)),
        judges=tuple(map(redact, found.judges)),
    )


def measured_by(config: Config) -> str:
    """What is run to know how good the code is, as people type it."""
    if not config.repairs:
        return config.metric.command
    return "\n".join(target.shown for target in config.fix.targets)


def write_report(
    resolved: Resolved, context: RunContext, finished: Finished, redactor: Redactor
) -> None:
    """Write all of them, whatever the run came to."""
    redact = redactor.redact
    config, ledger = resolved.config, finished.ledger
    experiments = ledger.experiments
    name = metric_name(config)
    info = run_info(resolved, context, finished, redact)
    folder = context.folder
    left = _left(finished)
    (folder / "summary.md").write_text(
        redact(summary_markdown(experiments, info, left=left)), encoding="utf-8"
    )
    if finished.left and (page := blocked_markdown(finished.left, experiments)):
        (folder / BLOCKED_FILE).write_text(redact(page), encoding="utf-8")
    chart = progress_svg(
        experiments,
        direction=config.metric.direction,
        metric_name=name,
        title=info.goal,
        earlier=finished.earlier,
        tried_earlier=sum(night.tried for night in finished.lineage.nights),
        confirmation=finished.confirmation,
    )
    (folder / "progress.svg").write_text(redact(chart), encoding="utf-8")
    facts: dict[str, Any] = {
        "version": autoresearch_ci.__version__,
        "tag": context.tag,
        "branch": context.branch,
        "base": context.base,
        "origin": info.origin,
        "head": ledger.incumbent,
        "notebook": ledger.facts.notebook_ref,
        "stop_reason": finished.stop_reason,
        "failed": finished.failed,
        "host": machine(),
        "finished": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "confirmation": finished.confirmation and dataclasses.asdict(finished.confirmation),
        "hard_to_believe": hard_to_believe(run_summary(experiments), info),
        "idle_commits": [experiment.commit for experiment in finished.idle],
        "repairs": info.repairs
        and {**dataclasses.asdict(info.repairs), "verdict": info.repairs.verdict},
        "totals": {
            "iterations": len(ideas(experiments)),
            "kept": len(standing(experiments)),
            "baseline": experiments[0].metric if experiments else None,
            "best": stands(experiments),
            "samples": sum(e.samples for e in experiments),
            "seconds": round(sum(e.seconds for e in experiments), 3),
            "tokens": ledger.spent.tokens,
            "cost_usd": ledger.spent.cost_usd,
        },
        "config": {key: value for key, value, _ in describe(resolved)},
        "report": {
            "info": dataclasses.asdict(info),
            "earlier": "".join(map(format_row, finished.earlier)),
        },
    }
    facts = redactor.redact_all(facts)
    text = json_text(facts, indent=2, readable=True) + "\n"
    (folder / "run.json").write_text(text, encoding="utf-8")
    shown = ReportPage(
        attempts=attempts(experiments, folder, context.repository, redact),
        earlier=finished.earlier,
        configuration=facts["config"],
        version=autoresearch_ci.__version__,
        head=ledger.incumbent,
        target=config.metric.target,
    )
    (folder / REPORT_FILE).write_text(html_page(experiments, info, shown), encoding="utf-8")


def metric_name(config: Config) -> str:
    """What the metric is called in reports."""
    extract = config.metric.extract
    if config.metric.name or extract is None:
        return config.metric.name or "metric"
    if extract.junit:
        return _COUNTED[extract.count or "failures"]
    return "coverage" if extract.coverage else "metric"


_COUNTED = {
    "failures": "failing tests",
    "errors": "tests with an error",
    "failed": "failing tests",
    "skipped": "skipped tests",
    "passed": "passing tests",
    "tests": "tests",
    "seconds": "seconds of the tests",
}
"""What a count in a test report is of."""


# --- What lies beside the journal -----------------------------------------------------------------

DIFF = 60_000
"""Characters of one diff that are read."""
_LOG = 6_000
"""Bytes of the end of a log."""


def attempts(
    experiments: Sequence[Experiment],
    folder: Path,
    repository: Repository | None,
    redact: Callable[[str], str],
) -> dict[int, RowDetails]:
    """By iteration. `repository`: the one that has the commits; `None`: there is none."""
    named = {e.iteration: e.commit for e in experiments if e.iteration and is_commit(e.commit)}
    commits = list(dict.fromkeys(named.values()))
    diffs = repository.diffs(commits, DIFF) if repository else {}
    touched = repository.touched(commits) if repository else {}
    return {
        e.iteration: RowDetails(
            diff=redact(diffs.get(e.commit, "")) if e.iteration in named else "",
            log=redact(log_end(folder, e.iteration)),
            files=[redact(path) for path in touched.get(named.get(e.iteration, ""), ())[:FILES]],
        )
        for e in experiments
    }


def log_end(folder: Path, iteration: int) -> str:
    """The last lines that an iteration's commands printed; empty where no log is left."""
    try:
        end = last_bytes(folder / "logs" / f"{iteration}.log", _LOG)
    except (OSError, Unreadable):
        return ""
    text = end.decode(errors="replace")
    return text if len(end) < _LOG else text.partition("\n")[2]
