"""pytest plugin: writes down which lines of the repository each test executes.

Imports only pytest. It runs in the user's interpreter, on whatever versions are there. What it
writes is described in executed_lines.py, which adds whereto. It observes only: where the
interpreter does not let it (another tracer is there), it writes less, and no test changes.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from typing import Any, Dict, Generator, Optional, Set  # noqa: UP035 - users still have 3.8

import pytest

_TESTS = 5000
_write_to = ("", "")
"""Path, and the folder whose files count."""


_monitoring: Any = getattr(sys, "monitoring", None)
"""Since Python 3.12: costs nearly nothing, and leaves tracing to others."""


class _Lines:
    """Collects (file, line) pairs; `take` hands out those since the last time."""

    def __init__(self, root: str) -> None:
        self._root = os.path.join(os.path.realpath(root), "")  # noqa: PTH118
        self._seen: Dict[str, Set[int]] = {}  # noqa: UP006
        self._names: Dict[str, Optional[str]] = {}  # noqa: UP006, UP045
        self._tool: Optional[int] = None  # noqa: UP045

    def name(self, path: str) -> Optional[str]:  # noqa: UP045
        """Relative to the root; `None`: it lies elsewhere."""
        if path not in self._names:
            real = os.path.realpath(path)
            inside = real.startswith(self._root) and "site-packages" not in real
            inside = inside and not path.startswith("<")  # made by the interpreter
            self._names[path] = real[len(self._root) :] if inside else None
        return self._names[path]

    def start(self) -> None:
        if _monitoring is not None:
            self._monitor()
        if self._tool is None:
            sys.settrace(self._on_call)
            threading.settrace(self._on_call)

    def _monitor(self) -> None:
        monitoring = _monitoring
        for tool in (4, 3):
            if monitoring.get_tool(tool) is None:
                monitoring.use_tool_id(tool, "executed lines")
                monitoring.register_callback(tool, monitoring.events.LINE, self._on_line)
                monitoring.set_events(tool, monitoring.events.LINE)
                self._tool = tool
                return

    def _on_line(self, code: Any, line: int) -> Any:
        name = self.name(code.co_filename)
        if name is not None:
            self._seen.setdefault(name, set()).add(line)
        return _monitoring.DISABLE  # of this line, until `take`

    def _on_call(self, frame: Any, event: str, argument: Any) -> Any:
        if self.name(frame.f_code.co_filename) is None:
            return None
        self._on_event(frame, event, argument)
        return self._on_event

    def _on_event(self, frame: Any, event: str, argument: Any) -> Any:
        name = self.name(frame.f_code.co_filename)
        if name is not None:
            self._seen.setdefault(name, set()).add(frame.f_lineno)
        return self._on_event

    def take(self) -> Dict[str, Any]:  # noqa: UP006
        seen, self._seen = self._seen, {}
        if self._tool is not None:
            _monitoring.restart_events()
        return {name: sorted(lines) for name, lines in seen.items()}

    def stop(self) -> None:
        if self._tool is not None:
            _monitoring.set_events(self._tool, 0)
            _monitoring.free_tool_id(self._tool)
        else:
            sys.settrace(None)
            threading.settrace(None)


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


# At import, before any conftest, so that what a module executes when it is imported is seen, too.
_asked = _forget("PYTEST_ADDOPTS", "-p " + __name__, " ")
_forget("PYTHONPATH", os.path.dirname(os.path.abspath(__file__)), os.pathsep)  # noqa: PTH100, PTH120
_lines: Optional[_Lines] = None  # noqa: UP045
_count = 0
_failed: Set[str] = set()  # noqa: UP006


def _write(**fields: Any) -> None:
    global _count  # noqa: PLW0603 - the hooks of a module have no other place
    _count += 1
    if _count > _TESTS:
        return
    flags = os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        file = os.open(_write_to[0], flags)
    except OSError:
        return
    os.write(file, json.dumps(fields).encode() + b"\n")
    os.close(file)


def pytest_configure() -> None:
    global _lines  # noqa: PLW0603
    if _asked:
        _lines = _Lines(_write_to[1])
        _lines.start()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_logreport(report: Any) -> None:
    if report.outcome == "failed":
        _failed.add(report.nodeid)


@pytest.hookimpl(hookwrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: Any) -> Generator[None, Any, None]:
    if _lines:
        _write(test="", lines=_lines.take())  # of imports, and of what stands between two tests
    yield
    if _lines:
        _write(test=item.nodeid, failed=item.nodeid in _failed, lines=_lines.take())


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish() -> None:
    global _lines  # noqa: PLW0603
    if _lines:
        _write(test="", lines=_lines.take())
        _lines.stop()
        _lines = None
