"""pytest plugin: writes down how each test ended, for suite_observer.py to read.

Imports only pytest.

It runs in the user's interpreter, on whatever versions are there, inside the process it reports
on. What it writes is described in suite_observer.py, which adds whereto. It removes its traces from
the environment, so a pytest that a test starts is none of its business; and where it finds none, as
in a worker of pytest-xdist, it does nothing.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from types import ModuleType
from typing import Any, Dict, Generator  # noqa: UP035 - users still have 3.8

import pytest

_RAISED = "_raised_in_phase"
"""Attribute of a report whose test raised, whatever it says later; survives pytest-xdist."""
_OUTCOMES = ("passed", "failed", "skipped")
_PHASES = ("setup", "call", "teardown")
_MODULES = 5000
"""Whose files are told, at most."""


class Scribe:
    """Writes one session's lines: each in one call, so that two sessions may share the file."""

    def __init__(self, path: str) -> None:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        self._file = os.open(path, flags)
        self._session = os.urandom(4).hex()
        self._count = 0
        self._states: dict[str, set[str]] = {}

    def write(self, **fields: Any) -> None:
        line = json.dumps({"session": self._session, **fields}).encode() + b"\n"
        os.write(self._file, line)

    def result(self, test: str, outcome: str) -> None:
        self._count += 1
        self.write(test=test, outcome=outcome)

    def report(self, report: Any) -> None:
        """Collect what setup, call and teardown say; the last of them makes the line.

        A plugin that runs a test again reports the attempt with a word of its own, or leaves its
        call out: of several lines about a test the last counts.
        """
        if report.outcome not in _OUTCOMES:
            self._states.pop(report.nodeid, None)
            self.result(report.nodeid, "rerun")
            return
        states = self._states.setdefault(report.nodeid, set())
        states.add(_state(report))
        # A worker of pytest-xdist that crashed is reported without setup and teardown.
        if report.when == "teardown" or report.when not in _PHASES:
            del self._states[report.nodeid]
            self.result(report.nodeid, _verdict(states))

    def end(self) -> None:
        self.write(end=self._count)
        os.close(self._file)


def _state(report: Any) -> str:
    if getattr(report, _RAISED, False) and report.outcome == "passed":
        return "hidden"
    marked = hasattr(report, "wasxfail")
    if report.outcome == "passed":
        return "xpassed" if marked else "passed" if report.when == "call" else ""
    if report.outcome == "skipped":
        return "xfailed" if marked else "skipped"
    return "failed" if report.when == "call" else "error"


def _verdict(states: set[str]) -> str:
    """The worst that was said; a test of which nothing was said did not run."""
    for state in ("hidden", "error", "failed", "xfailed", "xpassed", "skipped", "passed"):
        if state in states:
            return state
    return "skipped"


def _forget(variable: str, ours: str, separator: str) -> bool:
    """Whether it was there."""
    value = os.environ.get(variable, "")
    if value == ours:
        del os.environ[variable]
    elif value.startswith(ours + separator):
        os.environ[variable] = value[len(ours + separator) :]
    else:
        return False
    return True


# At import, before any conftest: measured code need not know that somebody is looking.
_asked = _forget("PYTEST_ADDOPTS", "-p " + __name__, " ")
_forget("PYTHONPATH", os.path.dirname(os.path.abspath(__file__)), os.pathsep)  # noqa: PTH100, PTH120
_scribe: Scribe | None = None
_scribe_to = ""
_started_in = os.getcwd()  # noqa: PTH109
_longest = 0.0
"""Seconds that a test may take before it fails; 0: any."""
_AGAIN = 10.0
"""Seconds of each further case of a test of which one hung: of a loop without an end all do."""
_hung: set[str] = set()
"""Tests, whatever their cases."""


def pytest_configure() -> None:
    global _scribe  # noqa: PLW0603 - the hooks of a module have no other place
    if not _asked:  # or a worker of pytest-xdist, which tells its controller
        return
    try:
        _scribe = Scribe(_scribe_to)
    except OSError:  # a sandbox or container of the user's own: then only the exit code counts
        return
    _scribe.write(start=True)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_call(item: Any) -> Generator[None, Any, None]:
    """A test that hangs is one failure, and not the end of all others."""
    if not _longest or not _may_be_stopped(item):
        yield
        return

    test = item.nodeid.partition("[")[0]
    longest = min(_longest, _AGAIN) if test in _hung else _longest

    def stop(number: int, frame: Any) -> None:
        __tracebackhide__ = True
        _hung.add(test)
        pytest.fail(f"took longer than {longest:g} s and was stopped")

    signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, longest)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)


def _may_be_stopped(item: Any) -> bool:
    """Not where somebody else keeps time, or uses the signal."""
    return (
        hasattr(signal, "setitimer")
        and threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGALRM) is signal.SIG_DFL
        and not item.config.pluginmanager.hasplugin("timeout")
    )


@pytest.hookimpl(hookwrapper=True, trylast=True)
def pytest_runtest_makereport(item: Any, call: Any) -> Generator[None, Any, None]:
    """The innermost look: what the test raised, before a conftest can make light of it."""
    outcome = yield
    if call.excinfo is not None:
        setattr(outcome.get_result(), _RAISED, True)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_logreport(report: Any) -> None:
    if report.outcome not in _OUTCOMES:
        setattr(report, _RAISED, False)  # pytest-retry puts the next attempt into the same report
    if _scribe:
        _scribe.report(report)


@pytest.hookimpl(tryfirst=True)
def pytest_collectreport(report: Any) -> None:
    if _scribe and report.outcome == "failed":
        _scribe.result(report.nodeid, "uncollected")


@pytest.hookimpl(tryfirst=True)
def pytest_deselected(items: Any) -> None:
    if _scribe:
        for item in items:
            _scribe.result(item.nodeid, "deselected")


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: Any) -> None:
    global _scribe  # noqa: PLW0603
    if _scribe:
        _scribe.write(imported=_imported())
        _scribe.end()
        _scribe = None
    elif hasattr(session.config, "workeroutput"):
        session.config.workeroutput[__name__] = _imported()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes(config: Any, specs: Any) -> None:
    """Workers on this machine load this plugin, too; what asks for it is no longer in the
    environment."""
    if _scribe and all(spec.popen for spec in specs):
        known = config.invocation_params
        args = (*known.args, "-p", __name__)
        config.invocation_params = type(known)(args=args, plugins=known.plugins, dir=known.dir)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """A worker of pytest-xdist has ended."""
    found = getattr(node, "workeroutput", {}).get(__name__)
    if _scribe and found:
        _scribe.write(imported=found)


def _imported() -> Dict[str, str]:  # noqa: UP006
    """The files below the working directory that modules came from, by module."""
    root = os.path.join(os.path.realpath(_started_in), "")  # noqa: PTH118
    found = {}
    modules: Dict[str, Any] = dict(sys.modules)  # noqa: UP006
    for name, module in modules.items():
        if not isinstance(module, ModuleType):
            continue
        # Plainly asked, a module that is loaded when it is needed would be loaded now.
        file = object.__getattribute__(module, "__dict__").get("__file__")
        path = os.path.realpath(file) if isinstance(file, str) else ""
        if path.startswith(root) and "site-packages" not in path:
            found[name] = path[len(root) :]
    return dict(sorted(found.items())[:_MODULES])
