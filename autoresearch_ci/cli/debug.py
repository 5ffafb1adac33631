"""`autoresearch-ci debug`: what makes a command fail, from its first run to the pages about it.

Without a key it says how surely it fails, which commit brought it and which changed lines the
failing tests execute; with one it goes on with hypotheses. What was found `fix` repairs, if asked.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from autoresearch_ci.cli.arguments import make_parser
from autoresearch_ci.cli.debug_asked import NAME, Asked, task_of
from autoresearch_ci.cli.debug_steps import debug
from autoresearch_ci.cli.fix import main as repair
from autoresearch_ci.cli.open_investigation import opened_desk
from autoresearch_ci.cli.terminal import obey_signals
from autoresearch_ci.config.schema import Config
from autoresearch_ci.report.console import make_progress
from autoresearch_ci.report.finding_pages import Finding, Report, handoff
from autoresearch_ci.safety.log_text import json_text
from autoresearch_ci.safety.prompt_text import line
from autoresearch_ci.workspace.repository import Repository


def main(options: argparse.Namespace) -> int:
    """Look for the cause, write the pages, and say where they are."""
    began = time.monotonic()
    repository = Repository.open(Path.cwd())
    with closing(repository):
        task = task_of(options, repository)
    people = sys.stderr if options.json else sys.stdout
    with (
        make_progress(people, json=False) as observe,
        opened_desk(
            task.config,
            task.program,
            task.place,
            command=NAME,
            asked=task.asked.flags,
            iterations=task.iterations,
            severity=task.asked.severity,
            observe=observe,
            stop=obey_signals(),
            environment=options.environment,
        ) as desk,
    ):
        debug(desk, task)
    report = desk.write()
    if options.json:
        print(json_text(json.loads(handoff(report))))
    for text in _ending(report, desk.pages.folder):
        print(text, file=people)
    handed = desk.pages.folder / "handoff.json"
    if not options.fix or not handed.exists() or not _open(report):
        return 0
    seconds = time.monotonic() - began
    words = _repairing(options, task.config, task.asked, handed, seconds=seconds, report=report)
    print(f"next: autoresearch-ci {shlex.join(words)}", file=people, flush=True)
    fixing = make_parser(words).parse_args(words)
    fixing.environment = options.environment
    fixing.typed = [*_for_fix(options), *getattr(fixing, "typed", [])]
    return repair(fixing)


def _open(report: Report) -> list[Finding]:
    return [finding for finding in report.findings if finding.finding == "open"]


def _repairing(
    options: argparse.Namespace,
    config: Config,
    asked: Asked,
    handed: Path,
    *,
    seconds: float,
    report: Report,
) -> list[str]:
    """`fix` with what is left of the budget."""
    words = ["fix", "--from-debug", str(handed)]
    words += ["--config", options.config] if options.config else []
    words += ["--symptom", asked.command] if asked.command else []
    words += ["--json"] if options.json else []
    if minutes := config.budget.minutes:
        words += ["--minutes", f"{max(minutes - seconds / 60, 0.01):.2f}"]
    if usd := config.budget.usd:
        words += ["--budget-usd", f"{max(usd - report.cost_usd, 0.0001):.4f}"]
    return words


_OF_DEBUG = ("iterations", "budget.minutes", "budget.usd", "scope")


def _for_fix(options: argparse.Namespace) -> list[tuple[str, Any]]:
    """What was typed for both; what is left of the budget is told anew."""
    return [(key, value) for key, value in getattr(options, "typed", []) if key not in _OF_DEBUG]


def _ending(report: Report, folder: Path) -> Iterator[str]:
    """What is said at the end."""
    open_ones = _open(report)
    for finding in open_ones:
        yield f"confirmed: {line(finding.title, 200)} ({finding.place or 'place not told'})"
    if not open_ones:
        yield "confirmed: nothing"
    for why in report.missing:
        yield f"not looked at: {line(why, 300)}"
    yield f"report: {folder}/findings.md"
