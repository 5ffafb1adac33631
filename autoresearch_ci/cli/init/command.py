"""`autoresearch-ci init`: from a repository, and perhaps a goal, to a configuration that runs.

What is detected and what a goal means is plan/'s business; whether it works is tried here, and
nothing is written that was not.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, redirect_stdout, suppress
from dataclasses import asdict
from pathlib import Path, PurePosixPath
from typing import Any

from autoresearch_ci.cli.init.choose_draft import Survey, chosen
from autoresearch_ci.cli.init.comment_questions import (
    CommentQuestions,
    Waiting,
    comment_questions,
    is_hooked,
)
from autoresearch_ci.cli.init.questions import Questions, Terminal, is_terminal
from autoresearch_ci.cli.terminal import obey_signals
from autoresearch_ci.config.flags import given
from autoresearch_ci.config.proposers import PRESETS
from autoresearch_ci.config.resolve import DEFAULT_PATH, load
from autoresearch_ci.config.schema import Config
from autoresearch_ci.decide.command_screen import is_constant
from autoresearch_ci.errors import AutoresearchError, ConfigError, ProposerError, PublishError
from autoresearch_ci.plan.config_draft import yaml_of
from autoresearch_ci.plan.offers import SCORE
from autoresearch_ci.plan.package_managers import beside_setup, in_the_checkout, tool_commands
from autoresearch_ci.plan.stack import Stack, stack_of
from autoresearch_ci.plan.workflow_file import OURS, USES, schema_line, workflow_text
from autoresearch_ci.safety import untrusted_files
from autoresearch_ci.safety.gitignore_globs import gitignore_spec
from autoresearch_ci.safety.log_text import defuse, json_text
from autoresearch_ci.safety.markdown_text import inline
from autoresearch_ci.workspace.repository import Repository
from autoresearch_ci.workspace.store import histories_kept

_PACKAGE = Path(__file__).resolve().parents[2]
_PLACES = (_PACKAGE / "workflows", _PACKAGE.parent / "examples" / "workflows")
"""As installed, and in a checkout of our own repository."""


def example(name: str) -> str:
    """The text of a workflow to copy. Raises `FileNotFoundError` when the installation lacks it."""
    place = next((place for place in _PLACES if (place / name).is_file()), _PLACES[0])
    return (place / name).read_text(encoding="utf-8")


_HEADER = (
    "Written by autoresearch-ci init. Every key: autoresearch-ci config; docs/configuration.md."
)


def main(options: argparse.Namespace) -> int:
    """Detect, ask, try, write; with `--json` ask nothing, and print what came of it."""
    with closing(Repository.open(Path.cwd())) as repository:
        try:
            if not options.json:
                place = _place(options, repository)
                if isinstance(place.questions, CommentQuestions):
                    _on_an_issue(options, place, place.questions)
                else:
                    _init(options, place)
                return 0
            options.yes = True
            with redirect_stdout(sys.stderr):  # what people are told meanwhile
                facts = _init(options, _place(options, repository))
            print(json_text(facts, indent=2, readable=True))
        except Waiting as waiting:
            print(defuse(str(waiting)), file=sys.stderr if options.json else sys.stdout)
    return 0


def _on_an_issue(options: argparse.Namespace, place: Survey, questions: CommentQuestions) -> None:
    """What came of it is said where the questions were."""
    try:
        facts = _init(options, place)
    except AutoresearchError as error:
        words = "Answer once more when that is mended, or with something else."
        with suppress(PublishError):  # what went wrong first is what must be known
            questions.tell(
                "autoresearch-ci init ended without a configuration", [words], str(error)
            )
        raise
    trial = facts["trial"]
    values = f"The metric is {trial['values'][0]:g} now; {trial['noise']}" if trial else ""
    new = "\n".join(f"# --- {path}\n{text}" for path, text in facts["files"].items())
    questions.tell("autoresearch-ci init has tried this", [inline(values, 500)], new)


def _questions(options: argparse.Namespace, repository: Repository) -> Questions | None:
    """Who can be asked: somebody at the terminal, or on the issue that started a job in CI."""
    goal = next((str(each.value) for each in given(options) if each.at == ("goal",)), "")
    if is_hooked(options.environment):  # by whom has to be known, whatever is asked
        found = comment_questions(options.environment, repository, goal)
        return None if options.yes else found
    if options.yes:
        return None
    if is_terminal():
        return Terminal()
    return comment_questions(options.environment, repository, goal) if goal else None


def _init(options: argparse.Namespace, place: Survey) -> dict[str, Any]:
    """What came of it, for programs; people have been told then."""
    uses = list(dict.fromkeys(options.use or ["nightly"]))
    told = [*_found(place.stack), *_not_installed(place, uses)]
    new: dict[str, str] = {}
    trial = None
    idle: list[str] = []
    config = None
    if "nightly" in uses:
        print("\n".join(map(defuse, told)))
        told = []
        with histories_kept():
            draft, trial = chosen(options, place)
        new[place.path] = yaml_of(draft, (schema_line(_source(options)), _HEADER))
        config = load(text=new[place.path], path=place.path).config
        told += trial.lines(config) if trial else ()
        told += _constants(config)
        idle = list(_idle(config, place))
    new |= _workflows(uses, place.stack, options, config)
    print("\n".join(map(defuse, told)))
    if options.dry_run:
        print("\n".join(f"\n--- {path}\n{text}" for path, text in new.items()))
    else:
        _write(place.repository.root, new, force=options.force)
        print("\n".join(map(defuse, _next(new, uses, options, idle))))
    return {
        "files": new,
        "written": not options.dry_run,
        "trial": asdict(trial) if trial else None,
        "found": _facts(place.stack),
    }


def _constants(config: Config) -> Iterator[str]:
    """What was asked for and looks at nothing: it passes every trial."""
    commands = [("metric", config.metric.command)] if config.metric else []
    for role, command in (*commands, *(("guard", guard.command) for guard in config.guards)):
        if is_constant(command):
            yield f"warning: this {role} says the same whatever the code does: {command}"


def _place(options: argparse.Namespace, repository: Repository) -> Survey:
    versions = repository.files(repository.head())
    files = [path for path, version in versions.items() if version.regular]
    path = options.config or DEFAULT_PATH
    if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
        raise ConfigError(f"--config {path}: expected a path from the repository's root.")
    if not options.dry_run and not options.force:
        _refuse_existing(repository.root, _paths(options, path))
    return Survey(
        repository=repository,
        files=files,
        stack=stack_of(files, lambda path: repository.read(versions[path])),
        path=path,
        environment=options.environment,
        stop=obey_signals(),
        quick=options.quick,
        questions=_questions(options, repository),
    )


def _paths(options: argparse.Namespace, path: str) -> Iterator[str]:
    for use in options.use or ["nightly"]:
        yield USES[use][1]
        if use == "nightly":
            yield path


def _refuse_existing(root: Path, paths: Iterator[str]) -> None:
    there = [path for path in paths if os.path.lexists(root / path)]
    if there:
        raise ConfigError(
            f"{there[0]} is there already, and nothing is overwritten.\n"
            "do: --dry-run prints what would be written, --force replaces it."
        )


def _found(stack: Stack) -> Iterator[str]:
    languages = ", ".join(stack.languages[:4]) or "no language that is known"
    yield f"found: {languages}; {stack.counted} in {' '.join(stack.scope) or 'no scope'}"
    for target in stack.checks.targets:
        where = f" in {target.folder}" if target.folder else ""
        yield f"  {target.tool}{where} ({target.reasons[0]})"
    yield from (f"  benchmark: {each.command} ({each.reason})" for each in stack.benchmarks[:5])
    if stack.pipelines:
        yield f"  CI: {', '.join(stack.pipelines[:4])}"
    yield from (f"  not read: {why}" for why in stack.checks.unread[:3])


def _facts(stack: Stack) -> dict[str, Any]:
    """The same for programs."""
    return {
        "languages": list(stack.languages),
        "files": stack.files,
        "scope": list(stack.scope),
        "checks": [
            {"tool": each.tool, "command": each.command, "folder": each.folder}
            for each in stack.checks.targets
        ],
        "benchmarks": [each.command for each in stack.benchmarks],
        "ci": list(stack.pipelines),
        "unread": list(stack.checks.unread),
    }


_CHECKERS = ("ruff", "mypy", "pyright", "golangci-lint", "staticcheck", "shellcheck", "actionlint")
"""Programs of their own, which no build brings along."""


def _not_installed(place: Survey, uses: Sequence[str]) -> Iterator[str]:
    """Why tests usually fail in a fresh clone, and gates say nothing for sure."""
    stack = place.stack
    tools = [target.tool for target in stack.checks.targets if target.tool in _CHECKERS]
    lacking = [tool for tool in dict.fromkeys(tools) if not shutil.which(tool)]
    if lacking and {"fix", "gate"} & {*uses}:
        names = ", ".join(lacking)
        yield f"warning: not installed here: {names}; until it is, also in CI, a gate is incomplete"
    if stack.main == "Go" and not any(path.endswith("go.mod") for path in place.files):
        yield "warning: there is no go.mod, which Go wants; first: go mod init NAME, and commit it"
    there = (place.repository.root / "node_modules").is_dir()
    if stack.is_of_node and stack.needs_modules and not there:
        yield f"warning: node_modules is not there; first: {stack.install[0]}"


# --- What is written ------------------------------------------------------------------------------


def _workflows(
    uses: Sequence[str], stack: Stack, options: argparse.Namespace, config: Config | None
) -> dict[str, str]:
    """`config`: that of the nightly run, the only one that has one."""
    install = {use: [*stack.install] for use in uses}
    if config:
        by_setup = in_the_checkout(stack.install, config.commands)
        bare = [*stack.install, *tool_commands(config.commands)]
        twice = by_setup and {*by_setup} <= {*config.setup}
        install["nightly"] = beside_setup(bare) if twice else bare
    return {
        USES[use][1]: workflow_text(
            example(USES[use][0]),
            install=install[use],
            host=stack.main not in ("Python", "docs", "prompts", "notebooks", "SQL", ""),
            source=_source(options),
            header="Written by autoresearch-ci init.",
        )
        for use in uses
    }


def _source(options: argparse.Namespace) -> str:
    """As it was typed, else the repository of the action that we run as, if we do."""
    if options.source:
        return str(options.source)
    name, ref = (
        options.environment.get(f"GITHUB_ACTION_{word}", "") for word in ("REPOSITORY", "REF")
    )
    return f"{name}@{ref}" if name.endswith("autoresearch-ci") else ""


def _write(root: Path, new: Mapping[str, str], *, force: bool) -> None:
    """Through no link. Raises `ConfigError` where one stands in the way of a folder."""
    if not force:
        _refuse_existing(root, iter(new))
    for path, text in new.items():
        try:
            for folder in reversed(PurePosixPath(path).parents[:-1]):
                untrusted_files.make_folder(root, str(folder))
            with suppress(FileNotFoundError):
                untrusted_files.unlink(root, path)
            untrusted_files.write(root, path, text.encode(), 0o644)
        except OSError as error:
            if error.errno not in untrusted_files.MOVING:
                raise
            raise ConfigError(
                f"{path} cannot be written: {error.strerror}.\n"
                "usually: a folder on the way is a link, or no folder."
            ) from error


def _next(
    new: Mapping[str, str], uses: Sequence[str], options: argparse.Namespace, idle: Sequence[str]
) -> Iterator[str]:
    yield from (f"wrote: {path}" for path in new)
    if any(OURS in text for text in new.values()):
        yield f"next: put the repository that holds our workflows for {OURS}, or --source NAME@REF"
    yield f"next: git add {' '.join(new)} && git commit -m 'Add autoresearch'"
    yield from idle
    if "nightly" in uses:
        named = f" --config {options.config}" if options.config else ""
        yield f"next: autoresearch-ci run{named}{_BY_MODEL if idle else ''}"
    if {"fix", "gate"} & {*uses}:
        yield "next: autoresearch-ci fix --dry-run shows what fix and gate look at"


_BY_MODEL = f" --proposer {PRESETS[0]}   # or {', '.join(PRESETS[1:])}; or set ANTHROPIC_API_KEY"
_OF_TEXT = rf"{SCORE} (?:problems|readability|prose|links|docstrings|marks|complexity) "


def _idle(config: Config, place: Survey) -> Iterator[str]:
    """Where a run without a key would have nothing to propose."""
    from autoresearch_ci.cli.make_proposer import proposer_name
    from autoresearch_ci.propose.search.constant_finder import find_constants

    if proposer_name(config, place.environment) != "search":
        return
    told = "without a key only constants are searched, and "
    if config.metric and re.match(_OF_TEXT, config.metric.command):
        fixable = " problems " in config.metric.command
        fixers = "; autoresearch-ci fix has tools mend what they can" if fixable else ""
        yield f"{told}none changes this metric{fixers}"
        return
    repository = place.repository
    versions = repository.files(repository.head())
    for path in gitignore_spec(config.scope).match_files(place.files):
        try:
            if find_constants(path, repository.read(versions[path])):
                return
        except ProposerError:  # somebody wrote a range for one, if not well: `run` says how
            return
    yield f"{told}the scope has none"
