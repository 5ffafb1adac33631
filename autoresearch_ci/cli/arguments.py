"""What each command takes on the command line: a function for each, in the order of `--help`.

Nothing is imported here that only one command needs.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from autoresearch_ci import __version__
from autoresearch_ci.cli.program_flags import GENERAL, add_general, add_inputs, programs
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


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """As ever, but for tokens, and what is wrong is a note of the exit."""
        message = redacted(message, {})
        try:
            super().error(message)
        except SystemExit as ended:
            ended.add_note(message)
            raise


def make_parser(words: Sequence[str] | None = None) -> argparse.ArgumentParser:
    """A subparser for each command, which is the module of that name.

    With `words`, only those of them have flags: knowing the configuration takes most of the time
    that a start takes.
    """
    parser: argparse.ArgumentParser = _Parser(
        prog="autoresearch-ci",
        description="Propose a change, measure it honestly, keep only what is really better.",
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (about, add) in _COMMANDS.items():
        command = commands.add_parser(name, help=about, allow_abbrev=False)
        if words is None or name in words:
            add(command)
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
    for name, about in (*programs(), (GENERAL, "run a program of your own (--program FILE)")):
        command = commands.add_parser(name, help=about, allow_abbrev=False)
        if words is not None and name not in words:
            continue
        add_general(command, "" if name == GENERAL else name)
        if name != GENERAL:
            add_inputs(command, name)


def _add_configuration(command: argparse.ArgumentParser, *, besides: Sequence[str] = ()) -> None:
    from autoresearch_ci.config.flags import add_flags

    command.add_argument(
        "--config", metavar="FILE", help="configuration file; default: .github/autoresearch.yml"
    )
    add_flags(command, besides=besides)


def _run(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add("--tag", help="name of the run; default: today's date")
    add("--resume", action="store_true", help="continue the run of that tag")
    add("--output", type=Path, metavar="DIR", help="run folder; default: autoresearch/run-TAG")
    add("--json", action="store_true", help="print one JSON event a line")


def _fix(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add("--check", action="store_true", help="repair nothing: a gate for HEAD")
    add(
        "--staged",
        action="store_true",
        help="with --check: look at what is staged instead, against HEAD, without tests; for a "
        "hook before a commit",
    )
    add(
        "--fail-on",
        action="append",
        default=[],
        metavar="KIND",
        help="exit 1 on build, critical, type, test, lint, warning, any (the default), or new: "
        "what the merge base does not have",
    )
    add(
        "--base",
        metavar="COMMIT",
        default="",
        help="with --check: new is what is not where HEAD left it; default: the event's base, else "
        "the default branch",
    )
    _add_proposed(command)
    add(
        "--allow-incomplete",
        action="store_true",
        help="with --check: pass although something could not be looked at to the end",
    )
    add("--dry-run", action="store_true", help="show what would be run, and why")
    add(
        "--target",
        action="append",
        default=[],
        metavar="CMD",
        help="a command that shows what is broken, instead of what the repository's files name",
    )
    add("--category", action="append", default=[], choices=CATEGORIES, help="repair these only")
    add("--symptom", metavar="CMD", help="a command that fails and must pass, besides those")
    add(
        "--from-debug",
        metavar="FILE",
        help="a handoff.json, such as `debug` writes: its findings are told to the proposer",
    )
    add("--skip-lint", action="store_true", help="leave lint and warnings as they are")
    add("--until-green", action="store_true", help="exit 1 when anything is still broken")
    add("--tag", help="name of the run; default: fix-TODAY")
    add("--resume", action="store_true", help="continue the run of that tag")
    add(
        "--output",
        type=Path,
        metavar="DIR",
        help="run folder; default: autoresearch/fix-TAG, or check-COMMIT",
    )
    add("--json", action="store_true", help="print one JSON event a line")


def _add_proposed(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--proposed",
        action="store_true",
        help="somebody proposes HEAD: only the base's rules hold, as on a pull request, which is "
        "known without it",
    )


def _prompt(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add("--tag", help="name of the run")
    add("--resume", action="store_true", help="the next iteration of that run")
    add("--json", action="store_true", help="print JSON")


def _compare(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add(
        "base",
        metavar="BASE",
        nargs="?",
        default="",
        help="a commit, or ONE...OTHER; default: where HEAD left the default branch",
    )
    add("head", metavar="HEAD", nargs="?", default="", help="default: HEAD")
    add(
        "--fail-on",
        action="append",
        default=[],
        metavar="VERDICT",
        help="exit 1 on regression, regression:1%%, or claim-not-reproduced",
    )
    _add_proposed(command)
    add("--claim", type=Path, metavar="FILE", help="run.json or summary that makes the claim")
    add("--json", action="store_true", help="print JSON")


def _debug(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add(
        "--command",
        dest="failing",
        metavar="CMD",
        help="a command that fails; default: what the repository is checked with",
    )
    add("--symptom", metavar="TEXT", help="what goes wrong, in your words")
    add("--bisect", metavar="GOOD", help="find the commit that brought it, GOOD being without it")
    add(
        "--from",
        dest="handed",
        metavar="FILE",
        help="a handoff.json, of this tool or of uditgoenka/autoresearch, to go by",
    )
    add("--technique", metavar="WORD", help="look in this way only")
    add(
        "--depth",
        metavar="WORD",
        help="quick, standard or deep: how many hypotheses; --iterations has the last word",
    )
    add(
        "--severity",
        choices=("critical", "high", "medium", "low", "info"),
        help="report findings from this severity on",
    )
    add("--program", metavar="FILE", help="a program of your own; default: programs/debug.md")
    add(
        "--fix",
        action="store_true",
        help="then repair what was found, with what is left of the budget",
    )
    add("--tag", help="name of the investigation; default: today's date")
    add("--resume", action="store_true", help="continue the one of that tag")
    add("--output", type=Path, metavar="DIR", help="its folder; default: autoresearch/debug-TAG")
    add("--json", action="store_true", help="print the handoff as JSON")


def _evals(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add(
        "journals",
        metavar="TSV",
        nargs="*",
        help="results.tsv of ours or of a peer, or pi's log.jsonl; default: the newest here",
    )
    add("--compare", nargs=2, metavar=("ONE", "OTHER"), help="two journals side by side")
    add(
        "--fail-on",
        action="append",
        default=[],
        metavar="WORD",
        help="exit 1 on plateau, regression or goal-missed",
    )
    add(
        "--forecast",
        type=int,
        default=0,
        metavar="N",
        help="what N more experiments take, by the past ones",
    )
    add("--goal", type=float, metavar="NUMBER", help="default: metric.target")
    add(
        "--window",
        type=int,
        default=8,
        metavar="N",
        help="experiments without a keep that may be called a plateau; default: 8",
    )
    add(
        "--direction",
        choices=("minimize", "maximize"),
        help="for a journal that does not say which way is better",
    )
    add("--format", choices=("text", "markdown", "json"), default="text")
    add("--json", action="store_const", const="json", dest="format", help="as --format json")


def _security(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add(
        "--diff",
        nargs="?",
        const="",
        metavar="BASE",
        help="only what HEAD brings, since it left its base; default: the event's base, else the "
        "default branch",
    )
    add(
        "--staged",
        action="store_true",
        help="only what is staged, against HEAD, and without a model; for a hook before a commit",
    )
    add(
        "--fail-on",
        choices=("critical", "high", "medium", "low", "never"),
        help="exit 1 on a weakness as bad as that, or worse; default: high",
    )
    _add_proposed(command)
    add(
        "--baseline",
        metavar="FILE",
        help="a weaknesses.json of the repository: what stands in it is known",
    )
    add("--focus", metavar="WORDS", default="", help="what a model looks at first, with commas")
    add("--depth", metavar="WORD", default="", help="how far a model goes: quick, standard, deep")
    add(
        "--iterations",
        type=int,
        metavar="N",
        help="how often a model looks, and --fix tries; 0: no model looks, also with a key",
    )
    add(
        "--allow-incomplete",
        action="store_true",
        help="pass although something could not be looked at to the end",
    )
    add(
        "--fix",
        action="store_true",
        help="then repair what is high or critical and open; the gate is for what remains",
    )
    add("--resume", action="store_true", help="with --fix: go on with the last repairs of HEAD")
    add(
        "--format",
        choices=("text", "json", "sarif"),
        default="text",
        help="what is printed; all forms are in the run folder",
    )
    add("--json", action="store_const", const="json", dest="format", help="as --format json")
    add(
        "--output",
        type=Path,
        metavar="DIR",
        help="its folder; default: autoresearch/security-COMMIT",
    )


def _report(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add(
        "folder",
        metavar="FOLDER",
        nargs="?",
        help="of the run, or its journal, also a peer's; default: the newest here",
    )
    add("--output", type=Path, metavar="FILE", help="default: report.html in that folder")
    add(
        "--serve",
        type=int,
        nargs="?",
        const=0,
        metavar="PORT",
        help="write nothing: serve it on 127.0.0.1, and renew it while the run goes on",
    )
    add(
        "--chart",
        type=Path,
        metavar="FILE",
        help="write the progress chart alone, as .svg, or as .png with the extra `png`",
    )
    add("--open", action="store_true", help="open it in a browser")
    add("--json", action="store_true", help="print where it is as JSON")


def _log(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add(
        "words",
        metavar="TAG | show N [TAG] | restore N [TAG]",
        nargs="*",
        help="the attempts of a run; one of them with its diff; a new branch of one, without "
        "touching the checkout. Default: every run; without TAG, N is of the newest",
    )
    add("--grep", metavar="REGEX", help="only attempts of which this was said")
    add("--branch", metavar="NAME", help="of `restore`; default: restored/TAG-N")
    add("--json", action="store_true", help="print JSON")


def _init(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add(
        "--use",
        action="append",
        choices=("nightly", "gate", "fix"),
        help="what for; several times for several; default: nightly",
    )
    add("--yes", action="store_true", help="ask nothing, take what is detected")
    add("--force", action="store_true", help="overwrite what is there")
    add("--dry-run", action="store_true", help="print, and write nothing")
    add("--quick", action="store_true", help="run nothing of the repository")
    add(
        "--source",
        metavar="NAME@REF",
        default="",
        help="the repository that holds our workflows, such as you/autoresearch-ci@v0.1.0",
    )
    add("--json", action="store_true", help="ask nothing, print JSON")


def _score(command: argparse.ArgumentParser) -> None:
    from autoresearch_ci.cli.score import add_arguments

    add_arguments(command)


def _publish(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add("--bundle", type=Path, metavar="FILE", required=True, help="the file that the run wrote")
    add(
        "--made-by",
        choices=("run", "fix"),
        help="refuse what another command made; without it the file says, and `fix` is believed "
        "only where the configuration is about it",
    )
    add("--head", metavar="COMMIT", help="refuse a file whose newest commit is another one")
    add(
        "--only-fetch",
        metavar="REF",
        help="publish nothing: check the file, and bring its newest commit into this repository as "
        "refs/autoresearch/REF",
    )
    add("--json", action="store_true", help="print JSON")


def _config(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add("--schema", action="store_true", help="print the JSON schema instead")
    add("--json", action="store_true", help="print JSON")


def _doctor(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add("--quick", action="store_true", help="run nothing of the repository: no setup, no metric")
    add("--json", action="store_true", help="print JSON")


def _completion(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add("shell", choices=("bash", "zsh"))


_COMMANDS: dict[str, tuple[str, Callable[[argparse.ArgumentParser], None]]] = {
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
