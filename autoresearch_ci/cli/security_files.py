"""Where the report of a security scan goes: the run folder, the terminal, the runner, the forge.

Nobody who does not listen changes the verdict: a comment that is refused is told, and that is all.
"""

from __future__ import annotations

import datetime
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from autoresearch_ci.cli.action.runner_io import FileCommands
from autoresearch_ci.cli.compared import Compared
from autoresearch_ci.cli.gate_files import print_annotations, report_folder, run_url
from autoresearch_ci.config.schema import Config
from autoresearch_ci.errors import ConfigError, PublishError
from autoresearch_ci.events import Note, Observer, Warning
from autoresearch_ci.publish.forge.choose import make_forge
from autoresearch_ci.publish.forge.forge import LineNote
from autoresearch_ci.record.durable_files import replace_file
from autoresearch_ci.record.handoff_form import handoff_text
from autoresearch_ci.report import security_pages as pages
from autoresearch_ci.report.security_page import (
    annotated,
    beside_lines,
    comment_markdown,
    security_lines,
    security_markdown,
)
from autoresearch_ci.report.security_report import SecurityReport, findings, security_json
from autoresearch_ci.report.weaknesses_gitlab import code_quality, sast
from autoresearch_ci.report.weaknesses_sarif import weaknesses_sarif
from autoresearch_ci.safety.log_text import json_text
from autoresearch_ci.workspace.repository import Repository

_MARK = "security"
_READABLE = 500
"""Weaknesses up to which files of JSON are indented."""
_LINE = 500_000
"""Characters of JSON on standard output, which some read line by line."""


def security_folder(repository: Repository, commit: str, output: Path | None) -> Path:
    """Where it is, or will be; kept out of git. Raises `ConfigError`."""
    return report_folder(repository, commit, output, command="security")


def show(report: SecurityReport, folder: Path, form: str) -> None:
    """In the form that was asked for; what people read goes beside what tools read."""
    for line in security_lines(report):
        print(line, file=sys.stderr if form != "text" else sys.stdout)
    if form == "text":
        print(f"reports: {folder}")
    elif form == "sarif":
        print(json_text(weaknesses_sarif(report)))
    else:
        told = {**_json(report), "folder": str(folder)}
        print(json_text(_bounded(told)))


def _bounded(told: dict[str, Any]) -> dict[str, Any]:
    room, items = _LINE, told["items"]
    for number, item in enumerate(items):
        room -= len(json_text(item))
        if room < 0:
            left = told["items_left_out"] + len(items) - number
            return {**told, "items": items[:number], "items_left_out": left}
    return told


def write_all(
    report: SecurityReport,
    folder: Path,
    files: FileCommands,
    environment: Mapping[str, str],
    now: datetime.datetime,
) -> None:
    """To the run folder and to the runner; that one takes nothing keeps nothing from the other.

    Raises the first `OSError` after that: what nobody can read has not passed.
    """
    refused: list[OSError] = []
    for tell in (
        partial(_write_files, report, folder, now),
        partial(_say_to_runner, report, files, environment),
    ):
        try:
            tell()
        except OSError as error:
            refused.append(error)
    if refused:
        raise refused[0]


def _write_files(report: SecurityReport, folder: Path, now: datetime.datetime) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    ended = f"{datetime.datetime.now(datetime.UTC):%Y-%m-%dT%H:%M:%S}"
    started = f"{now:%Y-%m-%dT%H:%M:%S}"
    # For people, where people may read it: it takes several times as long.
    text = partial(json_text, indent=1 if len(report.verdict.items) <= _READABLE else None)
    contents = {
        "weaknesses.json": text(_json(report)),
        "weaknesses.sarif": text(weaknesses_sarif(report)),
        "gl-sast-report.json": text(sast(report, started, ended)),
        "gl-code-quality-report.json": text(code_quality(report)),
        "security-results.tsv": pages.table(report, f"{started}Z"),
        "findings.md": pages.findings_page(report),
        "owasp-coverage.md": pages.coverage_page(report),
        "recommendations.md": pages.recommendations_page(report),
        "handoff.json": handoff_text(pages.handoff(report)),
        "summary.md": security_markdown(report),
    }
    for name, content in contents.items():
        replace_file(folder / name, content.encode("utf-8", "backslashreplace"))


def _json(report: SecurityReport) -> dict[str, Any]:
    return security_json(report, [found.as_json() for found in annotated(report)])


def outputs(report: SecurityReport) -> dict[str, str]:
    """What later steps of a job read."""
    return {"findings": str(findings(report)), "verdict": str(report.verdict.ruling)}


def _say_to_runner(
    report: SecurityReport, files: FileCommands, environment: Mapping[str, str]
) -> None:
    """Outputs, summary and annotations, where a runner of GitHub's reads along."""
    files.set_outputs(outputs(report))
    files.set_summary([security_markdown(report)])
    print_annotations(annotated(report), environment)


def say_to_forge(
    report: SecurityReport,
    pair: Compared,
    config: Config,
    repository: Repository,
    environment: Mapping[str, str],
    observe: Observer,
) -> None:
    """One comment on the pull request, edited in place, and comments beside the changed lines."""
    where = "it is in the step's summary, the annotations and the run folder"
    if pair.fork:
        message = f"no comment on a fork's pull request, whose job may not write one: {where}"
        observe(Note(message=message))
        return
    try:
        forge = make_forge(config.publish, repository, environment, observe)
        text = comment_markdown(report, run_url(environment))
        url = forge.sticky_comment(pair.pull_request, _MARK, text)
        notes = [LineNote(path=p, line=n, text=t, key=k) for p, n, t, k in beside_lines(report)]
        forge.beside_lines(pair.pull_request, _MARK, notes)
    except (ConfigError, PublishError) as error:
        why = " ".join(str(error).split("\n")[:1])
        observe(
            Warning(
                message=f"the comment could not be written ({why}): {where}\n"
                "do: permissions: {pull-requests: write}, and env: {GITHUB_TOKEN: "
                "${{ github.token }}}; or --publish none"
            )
        )
        return
    if url:
        observe(Note(message=f"comment: {url}"))
