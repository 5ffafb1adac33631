"""Programs of ours started by a fork: processes of their own that need not import anything anew.

For tests of what a program does. What depends on how it begins (its environment in /proc, where it
looks for modules, whether its memory is closed) needs a real start.
"""

from __future__ import annotations

import gc
import importlib
import os
import pkgutil
import signal
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from pydantic import BaseModel

import autoresearch_ci
from autoresearch_ci.cli.action import entry
from autoresearch_ci.cli.main import run_program
from autoresearch_ci.execution import processes
from autoresearch_ci.execution.sandbox.abilities import abilities
from autoresearch_ci.execution.sandbox.users import nobody
from autoresearch_ci.execution.supervisor import supervise
from autoresearch_ci.publish import bundle
from autoresearch_ci.record import investigation_records, record_lines
from autoresearch_ci.report.html_pieces import template
from autoresearch_ci.safety.secret_values import must_leave

_OURS = [
    found.name for found in pkgutil.walk_packages(autoresearch_ci.__path__, "autoresearch_ci.")
]
_THEIRS = ("anthropic", "genai_prices.data", "github", "httpcore2", "truststore")
_modules = [  # once, not in every child; nor what is made of them when it is first used:
    importlib.import_module(name)
    for name in (*_OURS, *_THEIRS)
    if not name.endswith("__main__") and "pytest_plugin" not in name
]
for _thing in (thing for module in _modules for thing in vars(module).values()):
    if isinstance(_thing, type) and issubclass(_thing, BaseModel) and _thing is not BaseModel:
        _thing.model_rebuild()
for _reader in (record_lines._reader, investigation_records._reader, bundle._reader):
    _reader()
for _page in ("report", "findings"):
    _pages = template(_page).environment
    for _name in _pages.list_templates(["j2"]):
        _pages.get_template(_name)

# The machine is the same in every child, which would fork five times to find that out.
abilities(None if os.geteuid() else nobody())

Program = Callable[[Mapping[str, str]], int]
"""Gets its whole environment; what must leave it is not in `os.environ`."""


def forked(
    program: Program, argv: Sequence[str], env: Mapping[str, str], **options: Any
) -> subprocess.Popen[Any]:
    """A child that runs `program` where `argv` would have been started."""
    with warnings.catch_warnings():
        # That no other thread holds a lock at this moment is for the caller to see to.
        warnings.simplefilter("ignore", DeprecationWarning)
        become = partial(_become, program, env)
        return subprocess.Popen(argv, env=env, preexec_fn=become, **options)  # noqa: PLW1509


def _become(program: Program, environment: Mapping[str, str]) -> None:
    """The child's whole life, between fork and an exec that never comes."""
    code = 1
    try:
        os.closerange(3, os.sysconf("SC_OPEN_MAX"))  # also what `Popen` waits for
        gc.freeze()  # nothing of the parent's is ever closed: its numbers are ours now
        gc.enable()
        processes._commands = processes._Commands()  # whose lock the parent holds
        processes._adopt_orphans.cache_clear()
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        warnings.resetwarnings()
        warnings.simplefilter("ignore")
        tempfile.tempdir = None
        os.environ.clear()
        os.environ.update({k: v for k, v in environment.items() if not must_leave(k, v)})
        sys.stdout, sys.stderr = (
            open(number, "w", encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115
            for number in (1, 2)
        )
        code = program(environment)
        sys.stdout.flush()
    except SystemExit as error:  # argparse's way
        code = error.code if isinstance(error.code, int) else 1
    except BaseException:  # noqa: BLE001 (nothing above us may go on)
        sys.excepthook(*sys.exc_info())  # type: ignore[arg-type]
    finally:
        sys.stderr.flush()
        os._exit(code)


def step(argv: Sequence[str], env: Mapping[str, str], **options: Any) -> subprocess.Popen[Any]:
    """`python -m autoresearch_ci.cli.action`; the command line that it starts is forked, too."""

    def begin(argv: Sequence[str], **how: Any) -> subprocess.Popen[bytes]:
        ours = list(argv[:4]) == [sys.executable, "-I", "-m", "autoresearch_ci"]
        return command_line(argv[4:], **how) if ours else subprocess.Popen(argv, **how)

    main = partial(entry.main, supervise=partial(supervise, begin=begin))
    return forked(main, argv, env, **options)


def command_line(
    arguments: Sequence[str], env: Mapping[str, str], **options: Any
) -> subprocess.Popen[Any]:
    """`python -m autoresearch_ci`."""
    argv = [sys.executable, "-m", "autoresearch_ci", *arguments]
    return forked(partial(run_program, arguments), argv, env, **options)
