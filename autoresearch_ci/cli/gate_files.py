"""Where a gate's report goes: the run folder, the terminal, the runner, the pull request.

Nobody who does not listen changes the verdict: a comment that is refused is told, and that is all.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from autoresearch_ci.cli.action.runner_io import FileCommands
from autoresearch_ci.cli.compared import Compared
from autoresearch_ci.config.schema import Config
from autoresearch_ci.errors import ConfigError, PublishError
from autoresearch_ci.events import Note, Observer, Warning
from autoresearch_ci.publish.forge.choose import make_forge
from autoresearch_ci.record.durable_files import replace_file
from autoresearch_ci.record.run_names import refuse_folder
from autoresearch_ci.report.annotations import Annotation, annotated, code_quality
from autoresearch_ci.report.failures_junit import failures_junit
from autoresearch_ci.report.failures_sarif import failures_sarif
from autoresearch_ci.report.gate_page import comment_markdown, gate_lines, gate_markdown
from autoresearch_ci.report.gate_report import GateReport, gate_json
from autoresearch_ci.safety.log_text import json_text
from autoresearch_ci.safety.output_streams import Guarded
from autoresearch_ci.safety.wording import commit_name
from autoresearch_ci.workspace.repository import Repository

_MARK = "gate"
_LINE = 500_000
"""Characters of JSON on standard output, which some read line by line."""


def write_all(
    report: GateReport, folder: Path, files: FileCommands, environment: Mapping[str, str]
) -> None:
    """To the run folder and to the runner; that one takes nothing keeps nothing from the other.

    Raises the first `OSError` after that: what nobody can read has not passed.
    """
    refused: list[OSError] = []
    for tell in (
        partial(_write_files, report, folder),
        partial(_say_to_runner, report, files, environment),
    ):
        try:
            tell()
        except OSError as error:
            refused.append(error)
    if refused:
        raise refused[0]


def _write_files(report: GateReport, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    contents = {
        "failures.json": json_text(_json(report), indent=1).encode(),
        "failures.sarif": json_text(failures_sarif(report), indent=1).encode(),
        "failures.xml": failures_junit(report),
        "gl-code-quality-report.json": json_text(code_quality(report), indent=1).encode(),
        "summary.md": gate_markdown(report).encode("utf-8", "backslashreplace"),
    }
    for name, content in contents.items():
        replace_file(folder / name, content)


def report_folder(
    repository: Repository, commit: str, output: Path | None, *, command: str = "check"
) -> Path:
    """Where it is, or will be; kept out of git. Raises `ConfigError`."""
    if output is not None:
        refuse_folder(output.absolute(), theirs=False)
        return output.absolute()
    below = repository.root / "autoresearch"
    folder = below / f"{command}-{commit_name(commit)}"
    for part in (below, folder):
        if part.is_symlink():  # a repository may bring one
            raise ConfigError(
                f"{part} is a link, so the report of this {command} would be written to "
                f"{part.readlink()}.\ndo: remove it, or choose a folder with --output."
            )
    repository.exclude(f"/autoresearch/{command}-*/")
    return folder


def _json(report: GateReport) -> dict[str, Any]:
    return gate_json(report, [found.as_json() for found in annotated(report)])


def print_verdict(report: GateReport, folder: Path, *, json: bool) -> None:
    """The table, or one JSON object on one line and the table beside it."""
    for line in gate_lines(report):
        print(line, file=sys.stderr if json else sys.stdout)
    if not json:
        print(f"reports: {folder}")
        return
    told = {**_json(report), "folder": str(folder)}
    room = _LINE
    items = told["items"]
    for number, item in enumerate(items):
        room -= len(json_text(item))
        if room < 0:
            told |= {"items": items[:number]}
            told["items_left_out"] += len(items) - number
            break
    print(json_text(told))


def outputs(report: GateReport) -> dict[str, str]:
    """What later steps of a job read."""
    return {"failures": str(report.standing), "verdict": str(report.verdict.ruling)}


def _say_to_runner(report: GateReport, files: FileCommands, environment: Mapping[str, str]) -> None:
    """Outputs, summary and annotations, where a runner of GitHub's reads along.

    Within our own action it does not: the step around us says all of it.
    """
    files.set_outputs(outputs(report))
    files.set_summary([gate_markdown(report)])
    print_annotations(annotated(report), environment)


def print_annotations(annotations: Iterable[Annotation], environment: Mapping[str, str]) -> None:
    """For the runner, where it reads along."""
    if environment.get("GITHUB_ACTIONS") != "true" or not environment.get("GITHUB_OUTPUT"):
        return
    stream = sys.stderr
    if isinstance(stream, Guarded):
        stream.finish()
        stream = stream.stream
    for annotation in annotations:
        stream.write(f"{annotation.command()}\n")
    stream.flush()


def say_to_forge(
    report: GateReport,
    pair: Compared,
    config: Config,
    repository: Repository,
    environment: Mapping[str, str],
    observe: Observer,
) -> None:
    """One comment on the pull request, edited in place."""
    where = "it is in the step's summary, the annotations and the run folder"
    if pair.fork:
        message = f"no comment on a fork's pull request, whose job may not write one: {where}"
        observe(Note(message=message))
        return
    try:
        forge = make_forge(config.publish, repository, environment, observe)
        url = forge.sticky_comment(
            pair.pull_request, _MARK, comment_markdown(report, run_url(environment))
        )
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


def run_url(environment: Mapping[str, str]) -> str:
    """Where the job's log is; empty: this is none of GitHub's."""
    names = ("GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_RUN_ID")
    server, slug, run = (environment.get(name, "") for name in names)
    return f"{server}/{slug}/actions/runs/{run}" if server and slug and run else ""
