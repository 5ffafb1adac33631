"""The command line: parses, dispatches, and turns every expected failure into its exit code."""

from __future__ import annotations

import contextlib
import importlib
import itertools
import os
import select
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn, TextIO

from autoresearch_ci.cli.arguments import make_parser, parsed
from autoresearch_ci.cli.terminal import redacted
from autoresearch_ci.errors import AutoresearchError, ConfigError, WorkspaceError, reason_of
from autoresearch_ci.safety.log_text import json_text, message_lines
from autoresearch_ci.safety.output_streams import guard_output
from autoresearch_ci.safety.restart_without_secrets import hide_arguments, withhold


def main() -> NoReturn:
    """Entry point of the console script."""
    # Git variables of a caller (a hook, say) would redirect our own calls of git.
    if index := os.environ.get("GIT_INDEX_FILE"):  # of a commit that a hook is to look at
        os.environ["AUTORESEARCH_CI_INDEX"] = str(Path(index).absolute())
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        del os.environ[name]
    environment = withhold()
    hide_arguments()
    sys.exit(run_program(sys.argv[1:], environment))


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
    With `--json` a failure before there was a result is a line of JSON as well.
    """
    told = _Told(sys.stdout)
    with contextlib.redirect_stdout(told) if _for_programs(arguments) else contextlib.nullcontext():
        return _run_cli(arguments, environment, told)


class _Told:
    """A stream that knows whether anything was written to it."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.something = False

    def write(self, text: str) -> int:
        self.something = True
        return self._stream.write(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _for_programs(arguments: Sequence[str]) -> bool:
    """Also where the rest of the line is no command of ours."""
    words = [*arguments, "--"]
    words = words[: words.index("--")]
    pairs = [*itertools.pairwise(words), *((word, "") for word in words)]
    return bool({("--json", ""), ("--format=json", ""), ("--format", "json")} & {*pairs})


def _run_cli(arguments: Sequence[str], environment: Mapping[str, str], told: _Told) -> int:
    def failed(text: str, code: int) -> int:
        text = redacted(text, environment, arguments)
        print("\n".join(message_lines(f"autoresearch-ci: {text}")), file=sys.stderr)
        return tell(text, code)

    def tell(text: str, code: int) -> int:
        streams = next(iter(arguments), "") in ("run", "fix")
        if sys.stdout is told and (streams or not told.something):
            print(json_text({"event": "error", "error": text, "exit_code": code}))
        return code

    try:
        parser = make_parser(arguments)
        options, unknown = parsed(parser, arguments)
        if unknown:
            parser.error(f"unrecognized arguments: {' '.join(unknown)}{_suggestion(unknown)}")
        options.environment = environment
        if text := _deleted_folder():
            return failed(text, WorkspaceError.exit_code)
        module = getattr(options, "module", options.command)
        command = importlib.import_module(f"autoresearch_ci.cli.{module}")
        return int(command.main(options))
    except AutoresearchError as error:
        return failed(str(error), error.exit_code)
    except SystemExit as ended:  # argparse, which has told people
        if notes := getattr(ended, "__notes__", ()):
            tell(redacted("\n".join(notes), environment, arguments), ConfigError.exit_code)
        raise
    except BrokenPipeError:
        if not _nobody_reads():
            raise
        return 128 + signal.SIGPIPE  # as if it had ended us: `config | head` is no mistake
    except (OSError, RuntimeError) as error:
        text = reason_of(error) or _deleted_folder()
        if not text:
            raise
        return failed(text, WorkspaceError.exit_code)


def _deleted_folder() -> str:
    """What to do where this process's working directory is gone; empty where it is there."""
    try:
        Path.cwd()
    except FileNotFoundError:
        return (
            "the folder that this was started in is not there any more.\n"
            "usually: it was deleted, or made anew, while this shell was in it.\n"
            'do: cd into the repository; where the folder is there again: cd "$PWD"'
        )
    return ""


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
