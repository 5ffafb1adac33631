"""The command line: parses, dispatches, and turns every expected failure into its exit code."""

from __future__ import annotations

import argparse
import contextlib
import importlib
import os
import select
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import NoReturn

from autoresearch_ci import __version__
from autoresearch_ci.cli.program_flags import GENERAL, add_general, add_inputs, programs
from autoresearch_ci.cli.terminal import redacted
from autoresearch_ci.errors import AutoresearchError, WorkspaceError, reason_of
from autoresearch_ci.safety.log_text import message_lines
from autoresearch_ci.safety.output_streams import guard_output
from autoresearch_ci.safety.restart_without_secrets import withhold


def main() -> NoReturn:
    """Entry point of the console script."""
    # Git variables of a caller (a hook, say) would redirect our own calls of git.
    if index := os.environ.get("GIT_INDEX_FILE"):  # of a commit that a hook is to look at
        os.environ["AUTORESEARCH_CI_INDEX"] = str(Path(index).absolute())
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        del os.environ[name]
    sys.exit(run_program(sys.argv[1:], withhold()))


def run_program(arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    """`run_cli` as a process's only purpose; `environment`: see there."""
    sys.excepthook = _redacting_hook(environment)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a terminal that knows fewer characters than we use
            stream.reconfigure(errors="backslashreplace")
    release = guard_output()
    code = run_cli(arguments, environment)
    with contextlib.suppress(OSError, ValueError):  # nobody reads any more
        release()
    # Everything is saved: a late signal must not replace the exit code.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    return code


def run_cli(arguments: Sequence[str], environment: Mapping[str, str] = os.environ) -> int:
    """Run one command and return its exit code.

    `environment`: all that is read from it, which is more than our own holds; see `withhold`.
    """
    try:
        parser = make_parser(arguments)
        options, unknown = parser.parse_known_args(arguments)
        if unknown:
            options, unknown = parser.parse_known_args(_with_keys_spelled_out(arguments))
        if unknown:
            parser.error(f"unrecognized arguments: {' '.join(unknown)}{_suggestion(unknown)}")
        options.environment = environment
        module = getattr(options, "module", options.command)
        command = importlib.import_module(f"autoresearch_ci.cli.{module}")
        return int(command.main(options))
    except AutoresearchError as error:
        text = redacted(f"autoresearch-ci: {error}", environment)
        print("\n".join(message_lines(text)), file=sys.stderr)
        return error.exit_code
    except BrokenPipeError:
        if not _nobody_reads():
            raise
        return 128 + signal.SIGPIPE  # as if it had ended us: `config | head` is no mistake
    except OSError as error:
        text = reason_of(error)
        if not text:
            raise
        print(f"autoresearch-ci: {text}", file=sys.stderr)
        return WorkspaceError.exit_code


def _nobody_reads() -> bool:
    """Whether it is standard output whose reader is gone; then it leads nowhere from now on."""
    reader = select.poll()
    reader.register(sys.stdout.fileno(), 0)
    gone = bool(reader.poll(0))
    if gone:  # else the interpreter says the same at its exit
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
    return gone


def _with_keys_spelled_out(arguments: Sequence[str]) -> list[str]:
    """`--metric-timeout 10m` is no flag, but says what `--set metric.timeout=10m` does."""
    from autoresearch_ci.config.flags import spelled_out

    return spelled_out(arguments)


def _suggestion(unknown: Sequence[str]) -> str:
    from difflib import get_close_matches

    from autoresearch_ci.config.flags import FLAGS, fields_of_flags

    known = [*(flag.name for flag in FLAGS.values()), *fields_of_flags()]
    near = [n for word in unknown for n in get_close_matches(word.partition("=")[0], known, n=1)]
    return f"\ndid you mean: {near[0]}" if near else ""


def _redacting_hook(
    environment: Mapping[str, str],
) -> Callable[[type[BaseException], BaseException, TracebackType | None], None]:
    """A traceback quotes messages, and those of libraries may quote anything."""

    def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        import traceback

        text = "".join(traceback.format_exception(kind, error, trace))
        print(redacted(text, environment), end="", file=sys.stderr)

    return hook


def make_parser(words: Sequence[str] | None = None) -> argparse.ArgumentParser:
    """A subparser for each command, which is the module of that name.

    With `words`, only those of them have all their flags: knowing the configuration takes most of
    the time that a start takes.
    """
    parser = argparse.ArgumentParser(
        prog="autoresearch-ci",
        description="Propose a change, measure it honestly, keep only what is really better.",
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    run = commands.add_parser("run", help="run the experiment loop", allow_abbrev=False)
    run.add_argument("--tag", help="name of the run; default: today's date")
    run.add_argument("--resume", action="store_true", help="continue the run of that tag")
    run.add_argument(
        "--output", type=Path, metavar="DIR", help="run folder; default: autoresearch/run-TAG"
    )
    run.add_argument("--json", action="store_true", help="print one JSON event a line")

    fix = commands.add_parser(
        "fix", help="repair what is broken, one failure at a time", allow_abbrev=False
    )
    fix.add_argument("--check", action="store_true", help="repair nothing: a gate for HEAD")
    fix.add_argument(
        "--staged",
        action="store_true",
        help="with --check: look at what is staged instead, against HEAD, without tests; for a "
        "hook before a commit",
    )
    fix.add_argument(
        "--fail-on",
        action="append",
        default=[],
        metavar="KIND",
        help="exit 1 on build, critical, type, test, lint, warning, any (the default), or new: "
        "what the merge base does not have",
    )
    fix.add_argument(
        "--base",
        metavar="COMMIT",
        default="",
        help="with --check: new is what is not where HEAD left it; default: the event's base, else "
        "the default branch",
    )
    fix.add_argument(
        "--allow-incomplete",
        action="store_true",
        help="with --check: pass although something could not be looked at to the end",
    )
    fix.add_argument("--dry-run", action="store_true", help="show what would be run, and why")
    fix.add_argument(
        "--target",
        action="append",
        default=[],
        metavar="CMD",
        help="a command that shows what is broken, instead of what the repository's files name",
    )
    fix.add_argument(
        "--category",
        action="append",
        default=[],
        choices=CATEGORIES,
        help="repair these only",
    )
    fix.add_argument(
        "--symptom", metavar="CMD", help="a command that fails and must pass, besides those"
    )
    fix.add_argument(
        "--from-debug",
        metavar="FILE",
        help="a handoff.json, such as `debug` writes: its findings are told to the proposer",
    )
    fix.add_argument("--skip-lint", action="store_true", help="leave lint and warnings as they are")
    fix.add_argument(
        "--until-green", action="store_true", help="exit 1 when anything is still broken"
    )
    fix.add_argument("--tag", help="name of the run; default: fix-TODAY")
    fix.add_argument("--resume", action="store_true", help="continue the run of that tag")
    fix.add_argument(
        "--output",
        type=Path,
        metavar="DIR",
        help="run folder; default: autoresearch/fix-TAG, or check-COMMIT",
    )
    fix.add_argument("--json", action="store_true", help="print one JSON event a line")

    prompt = commands.add_parser(
        "prompt", help="print what the next iteration would send to a model", allow_abbrev=False
    )
    prompt.add_argument("--tag", help="name of the run")
    prompt.add_argument("--resume", action="store_true", help="the next iteration of that run")

    compare = commands.add_parser(
        "compare", help="measure two commits in turns and say which is better", allow_abbrev=False
    )
    compare.add_argument(
        "base",
        metavar="BASE",
        nargs="?",
        default="",
        help="a commit, or ONE...OTHER; default: where HEAD left the default branch",
    )
    compare.add_argument("head", metavar="HEAD", nargs="?", default="", help="default: HEAD")
    compare.add_argument(
        "--fail-on",
        action="append",
        default=[],
        metavar="VERDICT",
        help="exit 1 on regression, regression:1%%, or claim-not-reproduced",
    )
    compare.add_argument(
        "--claim", type=Path, metavar="FILE", help="run.json or summary that makes the claim"
    )
    compare.add_argument("--json", action="store_true", help="print JSON")

    debug = commands.add_parser("debug", help="find what makes a command fail", allow_abbrev=False)
    debug.add_argument(
        "--command",
        dest="failing",
        metavar="CMD",
        help="a command that fails; default: what the repository is checked with",
    )
    debug.add_argument("--symptom", metavar="TEXT", help="what goes wrong, in your words")
    debug.add_argument(
        "--bisect", metavar="GOOD", help="find the commit that brought it, GOOD being without it"
    )
    debug.add_argument(
        "--from",
        dest="handed",
        metavar="FILE",
        help="a handoff.json, of this tool or of uditgoenka/autoresearch, to go by",
    )
    debug.add_argument("--technique", metavar="WORD", help="look in this way only")
    debug.add_argument(
        "--depth",
        metavar="WORD",
        help="quick, standard or deep: how many hypotheses; --iterations has the last word",
    )
    debug.add_argument(
        "--severity",
        choices=("critical", "high", "medium", "low", "info"),
        help="report findings from this severity on",
    )
    debug.add_argument(
        "--program", metavar="FILE", help="a program of your own; default: programs/debug.md"
    )
    debug.add_argument(
        "--fix",
        action="store_true",
        help="then repair what was found, with what is left of the budget",
    )
    debug.add_argument("--tag", help="name of the investigation; default: today's date")
    debug.add_argument("--resume", action="store_true", help="continue the one of that tag")
    debug.add_argument(
        "--output", type=Path, metavar="DIR", help="its folder; default: autoresearch/debug-TAG"
    )
    debug.add_argument("--json", action="store_true", help="print the handoff as JSON")

    evals = commands.add_parser(
        "evals", help="say what journals come to, and what to do next", allow_abbrev=False
    )
    evals.add_argument(
        "journals",
        metavar="TSV",
        nargs="*",
        help="results.tsv of ours or of a peer, or pi's log.jsonl; default: the newest here",
    )
    evals.add_argument(
        "--compare", nargs=2, metavar=("ONE", "OTHER"), help="two journals side by side"
    )
    evals.add_argument(
        "--fail-on",
        action="append",
        default=[],
        metavar="WORD",
        help="exit 1 on plateau, regression or goal-missed",
    )
    evals.add_argument(
        "--forecast",
        type=int,
        default=0,
        metavar="N",
        help="what N more experiments take, by the past ones",
    )
    evals.add_argument("--goal", type=float, metavar="NUMBER", help="default: metric.target")
    evals.add_argument(
        "--window",
        type=int,
        default=8,
        metavar="N",
        help="experiments without a keep that may be called a plateau; default: 8",
    )
    evals.add_argument(
        "--direction",
        choices=("minimize", "maximize"),
        help="for a journal that does not say which way is better",
    )
    evals.add_argument("--format", choices=("text", "markdown", "json"), default="text")
    evals.add_argument(
        "--json", action="store_const", const="json", dest="format", help="as --format json"
    )

    security = commands.add_parser(
        "security", help="find what is insecure; a gate for HEAD", allow_abbrev=False
    )
    security.add_argument(
        "--diff",
        nargs="?",
        const="",
        metavar="BASE",
        help="only what HEAD brings, since it left its base; default: the event's base, else the "
        "default branch",
    )
    security.add_argument(
        "--fail-on",
        choices=("critical", "high", "medium", "low", "never"),
        help="exit 1 on a weakness as bad as that, or worse; default: high",
    )
    security.add_argument(
        "--baseline",
        metavar="FILE",
        help="a weaknesses.json of the repository: what stands in it is known",
    )
    security.add_argument(
        "--focus", metavar="WORDS", default="", help="what a model looks at first, with commas"
    )
    security.add_argument(
        "--depth", metavar="WORD", default="", help="how far a model goes: quick, standard, deep"
    )
    security.add_argument(
        "--iterations",
        type=int,
        metavar="N",
        help="how often a model looks, and --fix tries; 0: no model looks, also with a key",
    )
    security.add_argument(
        "--allow-incomplete",
        action="store_true",
        help="pass although something could not be looked at to the end",
    )
    security.add_argument(
        "--fix",
        action="store_true",
        help="then repair what is high or critical and open; the gate is for what remains",
    )
    security.add_argument(
        "--format",
        choices=("text", "json", "sarif"),
        default="text",
        help="what is printed; all forms are in the run folder",
    )
    security.add_argument(
        "--output",
        type=Path,
        metavar="DIR",
        help="its folder; default: autoresearch/security-COMMIT",
    )

    report = commands.add_parser(
        "report", help="write the page of a run, or follow the run in a browser", allow_abbrev=False
    )
    report.add_argument(
        "folder",
        metavar="FOLDER",
        nargs="?",
        help="of the run, or its journal, also a peer's; default: the newest here",
    )
    report.add_argument(
        "--output", type=Path, metavar="FILE", help="default: report.html in that folder"
    )
    report.add_argument(
        "--serve",
        type=int,
        nargs="?",
        const=0,
        metavar="PORT",
        help="write nothing: serve it on 127.0.0.1, and renew it while the run goes on",
    )
    report.add_argument("--open", action="store_true", help="open it in a browser")
    report.add_argument("--json", action="store_true", help="print where it is as JSON")

    log = commands.add_parser(
        "log", help="what runs have tried, from their notebooks in git", allow_abbrev=False
    )
    log.add_argument(
        "words",
        metavar="TAG | show N [TAG] | restore N [TAG]",
        nargs="*",
        help="the attempts of a run; one of them with its diff; a new branch of one, without "
        "touching the checkout. Default: every run; without TAG, N is of the newest",
    )
    log.add_argument("--grep", metavar="REGEX", help="only attempts of which this was said")
    log.add_argument("--branch", metavar="NAME", help="of `restore`; default: restored/TAG-N")
    log.add_argument("--json", action="store_true", help="print JSON")

    init = commands.add_parser(
        "init", help="write a configuration and workflows for this repository", allow_abbrev=False
    )
    init.add_argument(
        "--use",
        action="append",
        choices=("nightly", "gate", "fix"),
        help="what for; several times for several; default: nightly",
    )
    init.add_argument("--yes", action="store_true", help="ask nothing, take what is detected")
    init.add_argument("--force", action="store_true", help="overwrite what is there")
    init.add_argument("--dry-run", action="store_true", help="print, and write nothing")
    init.add_argument("--quick", action="store_true", help="run nothing of the repository")
    init.add_argument(
        "--source",
        metavar="NAME@REF",
        default="",
        help="the repository that holds our workflows, such as you/autoresearch-ci@v0.1.0",
    )

    score = commands.add_parser("score", help="metric commands that come with us")
    if words is None or "score" in words:
        _add_score(score)

    publish = commands.add_parser(
        "publish",
        help="publish what `run` or `fix --publish bundle` wrote in another job",
        allow_abbrev=False,
    )
    publish.add_argument(
        "--bundle", type=Path, metavar="FILE", required=True, help="the file that the run wrote"
    )
    publish.add_argument(
        "--made-by",
        choices=("run", "fix"),
        help="refuse what another command made; without it the file says, and `fix` is believed "
        "only where the configuration is about it",
    )
    publish.add_argument(
        "--head", metavar="COMMIT", help="refuse a file whose newest commit is another one"
    )
    publish.add_argument(
        "--only-fetch",
        metavar="REF",
        help="publish nothing: check the file, and bring its newest commit into this repository as "
        "refs/autoresearch/REF",
    )

    config = commands.add_parser(
        "config",
        help="print the effective configuration and where it comes from",
        allow_abbrev=False,
    )
    config.add_argument("--schema", action="store_true", help="print the JSON schema instead")
    config.add_argument("--json", action="store_true", help="print JSON")
    doctor = commands.add_parser(
        "doctor", help="check this machine, repository and configuration", allow_abbrev=False
    )
    doctor.add_argument(
        "--quick", action="store_true", help="run nothing of the repository: no setup, no metric"
    )
    doctor.add_argument("--json", action="store_true", help="print JSON")
    _add_programs(commands, words)
    completion = commands.add_parser(
        "completion", help="print what a shell completes our words with", allow_abbrev=False
    )
    completion.add_argument("shell", choices=("bash", "zsh"))
    for name, command in commands.choices.items():
        if name not in _WITHOUT_CONFIGURATION and (words is None or name in words):
            _add_configuration(command, besides=_MEANINGLESS.get(name, ()))
    return parser


def _add_programs(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], words: Sequence[str] | None
) -> None:
    """A command for each program that needs no file of its own, and one for any other program."""
    for name, about in (*programs(), (GENERAL, "run a program of your own (--program FILE)")):
        command = commands.add_parser(name, help=about, allow_abbrev=False)
        add_general(command, "" if name == GENERAL else name)
        if name != GENERAL and (words is None or name in words):
            add_inputs(command, name)


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


def _add_score(score: argparse.ArgumentParser) -> None:
    from autoresearch_ci.cli.score import add_arguments

    add_arguments(score)


def _add_configuration(command: argparse.ArgumentParser, *, besides: Sequence[str] = ()) -> None:
    from autoresearch_ci.config.flags import add_flags

    command.add_argument(
        "--config", metavar="FILE", help="configuration file; default: .github/autoresearch.yml"
    )
    add_flags(command, besides=besides)
