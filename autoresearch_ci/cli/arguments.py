"""What each command takes on the command line: a function for each, in the order of `--help`.

Nothing is imported here that only one command needs.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib import resources
from pathlib import Path
from typing import Any, NoReturn

from autoresearch_ci import __version__
from autoresearch_ci.cli.terminal import redacted

CATEGORIES = ("build", "critical", "type", "test", "lint", "warning")
_WITHOUT_CONFIGURATION = ("completion", "evals", "log", "report", "score")
"""They read what was written, whatever the configuration is today."""
_OF_A_NUMBER = (
    *("metric.command", "metric.name", "metric.direction", "metric.repeats.max", "confirm.mode"),
)
"""Keys without a meaning where a set of failures is what is measured."""
_MEANINGLESS = {
    "fix": _OF_A_NUMBER,
    "security": (*_OF_A_NUMBER, "goal", "iterations"),
}
"""Keys that a command does nothing with."""
_GENERAL = "investigate"
"""The command for a program of one's own."""
_SAID = re.compile(rb"^(about|outputs): *(.+?) *\r?$", re.MULTILINE)
"""Lines of a program's front matter."""


class _Help(argparse.HelpFormatter):
    def add_usage(
        self, usage: str | None, actions: Iterable[argparse.Action], *more: Any, **named: Any
    ) -> None:
        """Flags stand below, one by one: where there is nothing else, they are not listed."""
        taken = list(actions)
        if len(taken) > 1 and all(action.option_strings for action in taken):
            usage = usage or "%(prog)s [options]"
        super().add_usage(usage, taken, *more, **named)


class _Parser(argparse.ArgumentParser):
    def __init__(self, **given: Any) -> None:
        super().__init__(formatter_class=_Help, **given)

    def error(self, message: str) -> NoReturn:
        """As ever, but for tokens, and what is wrong is a note of the exit."""
        message = redacted(message, {})
        try:
            super().error(message)
        except SystemExit as ended:
            ended.add_note(message)
            raise


class _Flags:
    """Adds what one command takes; `--base COMMIT` is a flag and what its value is called."""

    def __init__(self, command: argparse.ArgumentParser) -> None:
        self.command = command
        self.add = command.add_argument

    def switch(self, name: str, about: str) -> None:
        self.add(name, action="store_true", help=about)

    def value(self, named: str, about: str, **more: Any) -> None:
        name, _, metavar = named.partition(" ")
        self.add(name, metavar=metavar or None, help=about, **more)

    def several(self, named: str, about: str) -> None:
        self.value(named, about, action="append", default=[])

    def folder(self, about: str) -> None:
        self.value("--output DIR", about, type=Path)

    def json(self, about: str = "print JSON") -> None:
        self.switch("--json", about)


def make_parser(words: Sequence[str] | None = None) -> argparse.ArgumentParser:
    """A subparser for each command, which is the module of that name.

    With `words`, only those of them have flags, and where one of `_COMMANDS` comes first there is
    no other: knowing the configuration takes most of the time that a start takes.
    """
    first = next(iter(words or ()), "")
    parser: argparse.ArgumentParser = _Parser(
        prog="autoresearch-ci",
        description="Propose a change, measure it honestly, keep only what is really better.",
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    known = {first: _COMMANDS[first]} if first in _COMMANDS else _COMMANDS
    for name, (about, add) in known.items():
        command = commands.add_parser(name, help=about, allow_abbrev=False)
        if words is None or name in words:
            add(_Flags(command))
    if known is _COMMANDS:
        _add_programs(commands, words)
    for name, command in commands.choices.items():
        if name not in _WITHOUT_CONFIGURATION and (words is None or name in words):
            _add_configuration(command, besides=_MEANINGLESS.get(name, ()))
    return parser


def parsed(
    parser: argparse.ArgumentParser, words: Sequence[str]
) -> tuple[argparse.Namespace, list[str]]:
    """The options, and what none of them is.

    `--metric-timeout 10m` is no flag, but says what `--set metric.timeout=10m` does.
    """
    options, unknown = parser.parse_known_args(words)
    if unknown:
        from autoresearch_ci.config.flags import spelled_out

        options, unknown = parser.parse_known_args(spelled_out(words))
    return options, unknown


def _add_programs(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], words: Sequence[str] | None
) -> None:
    """A command for each program that needs no file of its own, and one for any other program."""
    for name, about in (*_programs(), (_GENERAL, "run a program of your own (--program FILE)")):
        about = about[:1].lower() + about[1:]  # as all others begin
        command = commands.add_parser(name, help=about, allow_abbrev=False)
        if words is not None and name not in words:
            continue
        _add_general(_Flags(command), "" if name == _GENERAL else name)


def _add_configuration(command: argparse.ArgumentParser, *, besides: Sequence[str] = ()) -> None:
    from autoresearch_ci.config.flags import add_flags

    _Flags(command).value("--config FILE", "configuration file; default: .github/autoresearch.yml")
    add_flags(command, besides=besides)


def _run(to: _Flags) -> None:
    to.value("--tag", "name of the run; default: today's date")
    to.switch("--resume", "continue the run of that tag")
    to.folder("run folder; default: autoresearch/run-TAG")
    to.json("print one JSON event a line")


def _fix(to: _Flags) -> None:
    to.switch("--check", "repair nothing: a gate for HEAD")
    to.switch(
        "--staged",
        "with --check: look at what is staged instead, against HEAD, without tests; for a "
        "hook before a commit",
    )
    to.several(
        "--fail-on KIND",
        "exit 1 when such a failure is left: build, critical, type, test, lint, warning, any; "
        "with --check, whose default is any, also new: what the merge base does not have",
    )
    to.value(
        "--base COMMIT",
        "with --check: new is what is not where HEAD left it; default: the event's base, else "
        "the default branch",
        default="",
    )
    _add_proposed(to)
    to.switch(
        "--allow-incomplete",
        "with --check: pass although something could not be looked at to the end",
    )
    to.switch("--dry-run", "show what would be run, and why")
    to.several(
        "--target CMD",
        "a command that shows what is broken, instead of what the repository's files name",
    )
    to.add("--category", action="append", default=[], choices=CATEGORIES, help="repair these only")
    to.value("--symptom CMD", "a command that fails and must pass, besides those")
    to.value(
        "--from-debug FILE",
        "a handoff.json, such as `debug` writes: its findings are told to the proposer",
    )
    to.switch("--skip-lint", "leave lint and warnings as they are")
    to.switch("--until-green", "exit 1 when anything is still broken")
    to.value("--tag", "name of the run; default: fix-TODAY")
    to.switch("--resume", "continue the run of that tag")
    to.folder("run folder; default: autoresearch/fix-TAG, or check-COMMIT")
    to.json("print one JSON event a line")


def _add_proposed(to: _Flags) -> None:
    to.switch(
        "--proposed",
        "somebody proposes HEAD: only the base's rules hold, as on a pull request, which is "
        "known without it",
    )


def _prompt(to: _Flags) -> None:
    to.value("--tag", "name of the run")
    to.switch("--resume", "the next iteration of that run")
    to.json()


def _compare(to: _Flags) -> None:
    to.value(
        "base BASE",
        "a commit, or ONE...OTHER; default: where HEAD left the default branch",
        nargs="?",
        default="",
    )
    to.value("head HEAD", "default: HEAD", nargs="?", default="")
    to.several("--fail-on VERDICT", "exit 1 on regression, regression:1%%, or claim-not-reproduced")
    _add_proposed(to)
    to.value("--claim FILE", "run.json or summary that makes the claim", type=Path)
    to.json()


def _debug(to: _Flags) -> None:
    to.command.set_defaults(module="investigate.debug")
    to.value(
        "--command CMD",
        "a command that fails; default: what the repository is checked with",
        dest="failing",
    )
    to.value("--symptom TEXT", "what goes wrong, in your words")
    to.value("--bisect GOOD", "find the commit that brought it, GOOD being without it")
    to.value(
        "--from FILE",
        "a handoff.json, of this tool or of uditgoenka/autoresearch, to go by",
        dest="handed",
    )
    to.value("--technique WORD", "look in this way only")
    to.value(
        "--depth WORD",
        "quick, standard or deep: how many hypotheses; --iterations has the last word",
    )
    to.add(
        "--severity",
        choices=("critical", "high", "medium", "low", "info"),
        help="report findings from this severity on",
    )
    to.value("--program FILE", "a program of your own; default: programs/debug.md")
    to.switch("--fix", "then repair what was found, with what is left of the budget")
    to.value("--tag", "name of the investigation; default: today's date")
    to.switch("--resume", "continue the one of that tag")
    to.folder("its folder; default: autoresearch/debug-TAG")
    to.json("print the handoff as JSON")


def _evals(to: _Flags) -> None:
    to.value(
        "journals TSV",
        "results.tsv of ours or of a peer, or pi's log.jsonl; default: the newest here",
        nargs="*",
    )
    to.add("--compare", nargs=2, metavar=("ONE", "OTHER"), help="two journals side by side")
    to.several("--fail-on WORD", "exit 1 on plateau, regression or goal-missed")
    to.value("--forecast N", "what N more experiments take, by the past ones", type=int, default=0)
    to.value("--goal NUMBER", "default: metric.target", type=float)
    to.value(
        "--window N",
        "experiments without a keep that may be called a plateau; default: 8",
        type=int,
        default=8,
    )
    to.add(
        "--direction",
        choices=("minimize", "maximize"),
        help="for a journal that does not say which way is better",
    )
    to.add("--format", choices=("text", "markdown", "json"), default="text")
    to.add("--json", action="store_const", const="json", dest="format", help="as --format json")


def _security(to: _Flags) -> None:
    to.command.set_defaults(module="security.command")
    to.value(
        "--diff BASE",
        "only what HEAD brings, since it left its base; default: the event's base, else the "
        "default branch",
        nargs="?",
        const="",
    )
    to.add(
        "--staged",
        action="store_true",
        help="only what is staged, against HEAD, and without a model; for a hook before a commit",
    )
    to.add(
        "--fail-on",
        choices=("critical", "high", "medium", "low", "never"),
        help="exit 1 on a weakness as bad as that, or worse; default: high",
    )
    _add_proposed(to)
    to.value("--baseline FILE", "a weaknesses.json of the repository: what stands in it is known")
    to.value("--focus WORDS", "what a model looks at first, with commas", default="")
    to.value("--depth WORD", "how far a model goes: quick, standard, deep", default="")
    to.value(
        "--iterations N",
        "how often a model looks, and --fix tries; 0: no model looks, also with a key",
        type=int,
    )
    to.switch("--allow-incomplete", "pass although something could not be looked at to the end")
    to.switch(
        "--fix", "then repair what is high or critical and open; the gate is for what remains"
    )
    to.switch("--resume", "with --fix: go on with the last repairs of HEAD")
    to.add(
        "--format",
        choices=("text", "json", "sarif"),
        default="text",
        help="what is printed; all forms are in the run folder",
    )
    to.add("--json", action="store_const", const="json", dest="format", help="as --format json")
    to.folder("its folder; default: autoresearch/security-COMMIT")


def _report(to: _Flags) -> None:
    to.value(
        "folder FOLDER",
        "of the run, or its journal, also a peer's; default: the newest here",
        nargs="?",
    )
    to.value("--output FILE", "default: report.html in that folder", type=Path)
    to.value(
        "--serve PORT",
        "write nothing: serve it on 127.0.0.1, and renew it while the run goes on",
        type=int,
        nargs="?",
        const=0,
    )
    to.value(
        "--chart FILE",
        "write the progress chart alone, as .svg, or as .png with the extra `png`",
        type=Path,
    )
    to.switch("--open", "open it in a browser")
    to.json("print where it is as JSON")


def _log(to: _Flags) -> None:
    to.value(
        "words TAG | show N [TAG] | restore N [TAG]",
        "the attempts of a run; one of them with its diff; a new branch of one, without "
        "touching the checkout. Default: every run; without TAG, N is of the newest",
        nargs="*",
    )
    to.value("--grep REGEX", "only attempts of which this was said")
    to.value("--branch NAME", "of `restore`; default: restored/TAG-N")
    to.json()


def _init(to: _Flags) -> None:
    to.command.set_defaults(module="init.command")
    to.add(
        "--use",
        action="append",
        choices=("nightly", "gate", "fix"),
        help="what for; several times for several; default: nightly",
    )
    to.switch("--yes", "ask nothing, take what is detected")
    to.switch("--force", "overwrite what is there")
    to.switch("--dry-run", "print, and write nothing")
    to.switch("--quick", "run nothing of the repository")
    to.value(
        "--source NAME@REF",
        "the repository that holds our workflows, such as you/autoresearch-ci@v0.1.0",
        default="",
    )
    to.json("ask nothing, print JSON")


def _score(to: _Flags) -> None:
    from autoresearch_ci.cli.score import add_arguments

    add_arguments(to.command)


def _publish(to: _Flags) -> None:
    to.value("--bundle FILE", "the file that the run wrote", type=Path, required=True)
    to.add(
        "--made-by",
        choices=("run", "fix"),
        help="refuse what another command made; without it the file says, and `fix` is believed "
        "only where the configuration is about it",
    )
    to.value("--head COMMIT", "refuse a file whose newest commit is another one")
    to.value(
        "--only-fetch REF",
        "publish nothing: check the file, and bring its newest commit into this repository as "
        "refs/autoresearch/REF",
    )
    to.json()


def _config(to: _Flags) -> None:
    to.switch("--schema", "print the JSON schema instead")
    to.json()


def _doctor(to: _Flags) -> None:
    to.switch("--quick", "run nothing of the repository: no setup, no metric")
    to.json()


def _completion(to: _Flags) -> None:
    to.add(
        "shell",
        choices=("bash", "zsh", "fish"),
        help="whose: source <(autoresearch-ci completion bash), or fish: ... fish | source",
    )


def _programs() -> Iterator[tuple[str, str]]:
    """Name and one line of help of each program that cli/investigate/any_program.py runs.

    One that writes nothing is a part of another command.
    """
    folder = resources.files("autoresearch_ci") / "programs"
    for file in sorted(folder.iterdir(), key=lambda file: file.name):
        name = file.name.removesuffix(".md")
        said = dict(_SAID.findall(file.read_bytes()))
        if said[b"outputs"] != b"[]" and name not in _COMMANDS:
            yield name, said[b"about"].decode()


def _add_general(to: _Flags, name: str) -> None:
    """What every program can be told. `name`: of the program; empty: `--program` says it."""
    to.command.set_defaults(module="investigate.any_program", name=name)
    if not name:
        to.value("--program FILE", "the program", required=True)
        to.several("--say NAME=TEXT", "one of the program's `inputs`")
    to.value("--depth WORD", "how far to go, in a word of the program")
    to.value("--focus WORDS", "cells of the grid, roles, or words, with commas")
    to.value(
        "--fail-on SEVERITY",
        "exit 1 when something is open from this severity on, or not all was looked at",
        choices=("critical", "high", "medium", "low", "info", "never"),
        default="never",
    )
    to.switch("--allow-incomplete", "with --fail-on: pass although not all was looked at")
    to.switch("--dry-run", "ask nobody: show what would be asked")
    to.value("--tag", "name of the investigation; default: today's date")
    to.switch("--resume", "continue the one of that tag")
    to.folder("its folder; default: autoresearch/NAME-TAG")
    to.json("print the handoff as JSON")
    _add_of_panels(to)


def _add_of_panels(to: _Flags) -> None:
    to.value(
        "--adversarial SET",
        "a panel of other roles: one of the program's `sets`",
        nargs="?",
        const="adversarial",
        default="",
    )
    to.value("--personas N", "how many roles of a panel", type=int)
    to.value("--rounds N", "how many rounds of votes", type=int)
    to.value("--max-findings N", "how many findings a panel may bring", type=int)


_COMMANDS: dict[str, tuple[str, Callable[[_Flags], None]]] = {
    "run": ("run the experiment loop", _run),
    "fix": ("repair what is broken, one failure at a time", _fix),
    "prompt": ("print what the next iteration would send to a model", _prompt),
    "compare": ("measure two commits in turns and say which is better", _compare),
    "debug": ("find what makes a command fail", _debug),
    "evals": ("say what journals come to, and what to do next", _evals),
    "security": ("find what is insecure; a gate for HEAD", _security),
    "report": ("write the page of a run, or follow the run in a browser", _report),
    "log": ("what runs have tried, from their notebooks in git", _log),
    "init": ("write a configuration and workflows for this repository", _init),
    "score": ("metric commands that come with us", _score),
    "publish": ("publish what `run` or `fix --publish bundle` wrote in another job", _publish),
    "config": ("print the effective configuration and where it comes from", _config),
    "doctor": ("check this machine, repository and configuration", _doctor),
    "completion": ("print what a shell completes our words with", _completion),
}
"""Name, what `--help` says of it, what it takes."""
