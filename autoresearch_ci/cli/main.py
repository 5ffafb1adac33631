"""The command line: parses, dispatches, and turns every expected failure into its exit code."""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, NoReturn, TextIO

from autoresearch_ci import __version__
from autoresearch_ci.errors import (
    AutoresearchError,
    ConfigError,
    PublishError,
    WorkspaceError,
    reason_of,
)
from autoresearch_ci.safety.log import defuse, json_text, message_lines
from autoresearch_ci.safety.output_streams import guard_output
from autoresearch_ci.safety.withhold import withhold

if TYPE_CHECKING:
    from autoresearch_ci.config.resolve import Resolved
    from autoresearch_ci.execution.command import Stop
    from autoresearch_ci.experiment import Published


def main() -> NoReturn:
    """Entry point of the console script."""
    # Git variables of a caller (a hook, say) would redirect our own calls of git.
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        del os.environ[name]
    environment = withhold()
    sys.excepthook = _redacting_hook(environment)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a terminal that knows fewer characters than we use
            stream.reconfigure(errors="backslashreplace")
    release = guard_output()
    code = run_cli(sys.argv[1:], environment)
    with contextlib.suppress(OSError, ValueError):  # nobody reads any more
        release()
    # Everything is saved: a late signal must not replace the exit code.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    sys.exit(code)


def run_cli(arguments: Sequence[str], environment: Mapping[str, str] = os.environ) -> int:
    """Run one command and return its exit code.

    `environment`: all that is read from it, which is more than our own holds; see `withhold`.
    """
    try:
        options = _parser().parse_args(arguments)
        options.environment = environment
        return int(options.handler(options))
    except AutoresearchError as error:
        text = _redacted(f"autoresearch-ci: {error}", environment)
        print("\n".join(message_lines(text)), file=sys.stderr)
        return error.exit_code
    except OSError as error:
        text = reason_of(error)
        if not text:
            raise
        print(f"autoresearch-ci: {text}", file=sys.stderr)
        return WorkspaceError.exit_code


def _redacted(text: str, environment: Mapping[str, str]) -> str:
    from autoresearch_ci.safety.redaction import Redactor
    from autoresearch_ci.safety.secret_values import secret_values

    return Redactor(secret_values(environment)).redact(text)


def _redacting_hook(
    environment: Mapping[str, str],
) -> Callable[[type[BaseException], BaseException, TracebackType | None], None]:
    """A traceback quotes messages, and those of libraries may quote anything."""

    def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        import traceback

        text = "".join(traceback.format_exception(kind, error, trace))
        print(_redacted(text, environment), end="", file=sys.stderr)

    return hook


def _parser() -> argparse.ArgumentParser:
    from autoresearch_ci.config.flags import add_flags

    parser = argparse.ArgumentParser(
        prog="autoresearch-ci",
        description="Propose a change, measure it honestly, keep only what is really better.",
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    run = commands.add_parser("run", help="run the experiment loop", allow_abbrev=False)
    run.set_defaults(handler=_run)
    run.add_argument("--tag", help="name of the run; default: today's date")
    run.add_argument("--resume", action="store_true", help="continue the run of that tag")
    run.add_argument(
        "--output", type=Path, metavar="DIR", help="run folder; default: autoresearch/run-TAG"
    )
    run.add_argument("--json", action="store_true", help="print one JSON event a line")

    prompt = commands.add_parser(
        "prompt", help="print what the next iteration would send to a model", allow_abbrev=False
    )
    prompt.set_defaults(handler=_prompt)
    prompt.add_argument("--tag", help="name of the run")
    prompt.add_argument("--resume", action="store_true", help="the next iteration of that run")

    compare = commands.add_parser(
        "compare", help="measure two commits in turns and say which is better", allow_abbrev=False
    )
    compare.set_defaults(handler=_compare)
    compare.add_argument("base", metavar="BASE")
    compare.add_argument("head", metavar="HEAD")
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

    publish = commands.add_parser(
        "publish",
        help="publish what `run --publish bundle` wrote in another job",
        allow_abbrev=False,
    )
    publish.set_defaults(handler=_publish)
    publish.add_argument(
        "--bundle", type=Path, metavar="FILE", required=True, help="the file that the run wrote"
    )

    config = commands.add_parser(
        "config",
        help="print the effective configuration and where it comes from",
        allow_abbrev=False,
    )
    config.set_defaults(handler=_config)
    config.add_argument("--schema", action="store_true", help="print the JSON schema instead")
    config.add_argument("--json", action="store_true", help="print JSON")
    doctor = commands.add_parser(
        "doctor", help="check this machine, repository and configuration", allow_abbrev=False
    )
    doctor.set_defaults(handler=_doctor)
    doctor.add_argument("--json", action="store_true", help="print JSON")
    for command in (run, prompt, compare, publish, config, doctor):
        command.add_argument(
            "--config", metavar="FILE", help="configuration file; default: .github/autoresearch.yml"
        )
        add_flags(command)
    return parser


def _run(options: argparse.Namespace) -> int:
    from autoresearch_ci.cli.run import run
    from autoresearch_ci.execution.command import Stop
    from autoresearch_ci.preflight import Options
    from autoresearch_ci.report.console import make_progress
    from autoresearch_ci.report.terminal_table import results_table

    resolved, path = _load(options)
    stop = _obey_signals(Stop())
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
    if not options.json:
        print(results_table(finished.ledger.experiments, resolved.config.metric.direction))
    # With --json standard output is for programs.
    return _tell(finished.published, sys.stderr if options.json else sys.stdout)


def _prompt(options: argparse.Namespace) -> int:
    from autoresearch_ci.cli.prompt import preview
    from autoresearch_ci.preflight import Options

    resolved, path = _load(options)
    found = preview(
        resolved,
        Options(start=Path.cwd(), config_path=path, tag=options.tag, resume=options.resume),
        environment=options.environment,
    )
    print(found.text)
    how = "counted by the service" if found.counted else "estimated"
    print(f"{found.tokens} tokens ({how}), {len(found.text.encode())} bytes", file=sys.stderr)
    return 0


def _compare(options: argparse.Namespace) -> int:
    from autoresearch_ci.cli import compare
    from autoresearch_ci.execution.command import Stop
    from autoresearch_ci.report.console import make_progress

    gate = compare.parse_gate(options.fail_on, options.claim)
    resolved, path = _load(options, commit=options.base)
    with make_progress(sys.stderr if options.json else sys.stdout, json=False) as observe:
        result = compare.run_comparison(
            resolved.config,
            start=Path.cwd(),
            config_path=path,
            base=options.base,
            head=options.head,
            observe=observe,
            stop=_obey_signals(Stop()),
            environment=options.environment,
        )
    if options.json:
        print(result.as_json())
    compare.apply(gate, result)
    return 0


def _publish(options: argparse.Namespace) -> int:
    from autoresearch_ci.publish.bundle import read
    from autoresearch_ci.publish.publish_bundle import publish_bundle, ruling_commit
    from autoresearch_ci.report.console import make_progress

    manifest, commits = read(options.bundle)
    resolved, path = _load(options, commit=ruling_commit(Path.cwd(), manifest))
    with make_progress(sys.stdout, json=False) as observe:
        published = publish_bundle(
            manifest,
            commits,
            resolved.config,
            start=Path.cwd(),
            config_path=path,
            environment=options.environment,
            observe=observe,
        )
    return _tell(published, sys.stdout)


def _tell(published: Published, target: TextIO) -> int:
    if published.refused:
        raise PublishError(f"{published.refused}\nopen it yourself: {published.compare}")
    if published.branch:
        print(f"pushed: {published.branch}", file=target)
    if published.pull_request or published.file:
        print(f"published: {published.pull_request or published.file}", file=target)
    return 0


def _obey_signals(stop: Stop) -> Stop:
    """From here on SIGINT, SIGTERM and SIGHUP end the run cleanly; a second one changes nothing."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: stop.request())
    return stop


def _config(options: argparse.Namespace) -> int:
    from autoresearch_ci.config.resolve import describe, json_schema

    if options.schema:
        print(json_text(json_schema(), indent=2))
        return 0
    resolved, _ = _load(options)
    rows = describe(resolved)
    if options.json:
        values = {key: {"value": v, "origin": o} for key, v, o in rows}
        print(_redacted(json_text(values, indent=2), options.environment))
        return 0
    width = max(len(key) for key, _, _ in rows)
    for key, value, origin in rows:
        text = f"{key:{width}}  {json_text(value, readable=True)}  # {origin}"
        print(defuse(_redacted(text, options.environment)))
    return 0


def _doctor(options: argparse.Namespace) -> int:
    from autoresearch_ci.cli.doctor import examine, exit_code, show

    checks = examine(Path.cwd(), lambda: _load(options))
    show(checks, json=options.json)
    return exit_code(checks)


def _load(options: argparse.Namespace, *, commit: str | None = None) -> tuple[Resolved, str | None]:
    """The effective configuration, and its file's path from the repository's root.

    With `commit`, the file as that commit has it, so that a head cannot bring its own metric.
    """
    from autoresearch_ci.config.flags import given
    from autoresearch_ci.config.reader import LARGEST
    from autoresearch_ci.config.resolve import DEFAULT_PATH, load
    from autoresearch_ci.safety.bounded import Unreadable
    from autoresearch_ci.safety.files import file_bytes
    from autoresearch_ci.workspace.repository import Repository

    typed = given(options)
    repository = Repository.open(Path.cwd())
    root = repository.root
    path = Path(options.config) if options.config else root / DEFAULT_PATH
    inside = path.resolve().is_relative_to(root)
    shown = str(path.resolve().relative_to(root)) if inside else str(path)
    committed = repository.content(commit, shown) if commit and inside else None
    if committed is not None:
        return load(text=committed, path=shown, given=typed), shown
    try:
        text = file_bytes(path, LARGEST)
    except Unreadable as error:
        raise ConfigError(f"{path} {error}; expected a short YAML file.") from error
    except (NotADirectoryError, PermissionError) as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}.") from error
    except FileNotFoundError as error:
        if options.config:
            raise ConfigError(f"--config {options.config}: there is no such file.") from error
        return load(text=None, path=DEFAULT_PATH, given=typed), None
    return load(text=text, path=shown, given=typed), shown if inside else None
