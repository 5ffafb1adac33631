"""Where a gate's report goes: the run folder, the terminal, the runner, the pull request.

Nobody who does not listen changes the verdict: a comment that is refused is told, and that is all.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from autoresearch_ci.cli.action.runner_io import FileCommands
from autoresearch_ci.cli.gate_commits import Compared
from autoresearch_ci.config.schema import Config
from autoresearch_ci.errors import ConfigError, PublishError
from autoresearch_ci.events import Note, Observer, Warning
from autoresearch_ci.publish.forge.choose import make_forge
from autoresearch_ci.publish.forge.forge import LineNote
from autoresearch_ci.record.durable_files import replace_file
from autoresearch_ci.record.run_names import refuse_folder
from autoresearch_ci.report.annotations import Annotation
from autoresearch_ci.report.console import say
from autoresearch_ci.safety.log_text import defuse, json_text
from autoresearch_ci.safety.output_streams import GuardedStream
from autoresearch_ci.safety.wording import commit_name
from autoresearch_ci.workspace.repository import Repository

_LINE = 500_000
"""Characters of JSON on standard output, which some read line by line."""


@dataclass(frozen=True, kw_only=True)
class Gated:
    """What a gate tells of a commit, in every form that somebody reads."""

    lines: Sequence[str]
    """For a terminal."""
    json: Mapping[str, Any]
    """With `items` and `items_left_out`."""
    files: Mapping[str, str | bytes]
    """Of the run folder."""
    summary: str
    """Markdown."""
    outputs: Mapping[str, str]
    """What later steps of a job read."""
    annotations: Sequence[Annotation]
    next: str = ""
    """What to type now; empty: nothing."""


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


def files_url(commit: str, environment: Mapping[str, str]) -> str:
    """Address of the commit's files at GitHub, up to the slash before a path; empty: none."""
    server, slug = (environment.get(f"GITHUB_{name}", "") for name in ("SERVER_URL", "REPOSITORY"))
    return f"{server}/{slug}/blob/{commit}/" if server and slug else ""


def show(gated: Gated, folder: Path, form: str, sarif: str = "") -> None:
    """As `text`, `json` or `sarif`; what people read goes beside what tools read."""
    say(gated.lines, sys.stdout if form == "text" else sys.stderr)
    if form == "text":
        said = [f"reports: {folder}", f"page: {folder / 'report.html'}"]
        if gated.next:
            said.append(f"next: {gated.next}")
        say(map(defuse, said), sys.stdout)
    else:
        print(sarif if form == "sarif" else _line({**gated.json, "folder": str(folder)}))


def _line(told: dict[str, Any]) -> str:
    room, items = _LINE, told["items"]
    for number, item in enumerate(items):
        room -= len(json_text(item))
        if room < 0:
            told |= {"items": items[:number]}
            told["items_left_out"] += len(items) - number
            break
    return json_text(told)


def write_all(
    gated: Gated, folder: Path, files: FileCommands, environment: Mapping[str, str]
) -> None:
    """To the run folder and to the runner; that one takes nothing keeps nothing from the other.

    Raises the first `OSError` after that: what nobody can read has not passed.
    """
    refused: list[OSError] = []
    for tell in (
        partial(_write_files, gated, folder),
        partial(_say_to_runner, gated, files, environment),
    ):
        try:
            tell()
        except OSError as error:
            refused.append(error)
    if refused:
        raise refused[0]


def _write_files(gated: Gated, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in gated.files.items():
        data = content.encode("utf-8", "backslashreplace") if isinstance(content, str) else content
        replace_file(folder / name, data)


def _say_to_runner(gated: Gated, files: FileCommands, environment: Mapping[str, str]) -> None:
    """Outputs, summary and annotations, where a runner of GitHub's reads along.

    Within our own action it does not: the step around us says all of it.
    """
    files.set_outputs(gated.outputs)
    files.set_summary([gated.summary])
    _print_annotations(gated.annotations, environment)


def _print_annotations(annotations: Iterable[Annotation], environment: Mapping[str, str]) -> None:
    if environment.get("GITHUB_ACTIONS") != "true" or not environment.get("GITHUB_OUTPUT"):
        return
    stream = sys.stderr
    if isinstance(stream, GuardedStream):
        stream.finish()
        stream = stream.stream
    for annotation in annotations:
        stream.write(f"{annotation.command()}\n")
    stream.flush()


def say_to_forge(
    mark: str,
    text: str,
    pair: Compared,
    config: Config,
    repository: Repository,
    environment: Mapping[str, str],
    observe: Observer,
    notes: Sequence[LineNote] | None = None,
) -> None:
    """One comment on the pull request, edited in place, and comments beside its changed lines.

    `mark`: by which it is found again; `notes`: `None` where this gate has none beside lines.
    """
    where = "it is in the step's summary, the annotations and the run folder"
    if pair.fork:
        message = f"no comment on a fork's pull request, whose job may not write one: {where}"
        observe(Note(message=message))
        return
    try:
        forge = make_forge(config.publish, repository, environment, observe)
        url = forge.sticky_comment(pair.pull_request, mark, text)
        if notes is not None:
            forge.beside_lines(pair.pull_request, mark, notes)
    except (ConfigError, PublishError) as error:
        why = " ".join(str(error).split("\n")[:1])
        observe(
            Warning(
                message=f"the comment could not be written ({why}): {where}\n"
                "do: permissions: {pull-requests: write}, and env: {GITHUB_TOKEN: "
                "${{ github.token }}} (GitLab: GITLAB_TOKEN with the scope api); or --publish none"
            )
        )
        return
    if url:
        observe(Note(message=f"comment: {url}"))
