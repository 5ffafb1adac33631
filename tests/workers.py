"""A plugin of pytest: `--workers N` runs the tests in forks of the process that collected them.

Collecting ours costs a processor as much as a minute of tests; pytest-xdist pays that in each of
its workers. Here each fork takes the next few tests of a file, and tells its parent the reports.
"""

from __future__ import annotations

import itertools
import multiprocessing
import os
import struct
import traceback
from collections import Counter
from collections.abc import Iterator
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

import pytest

from autoresearch_ci.execution import processes

TALLY = pytest.StashKey[Counter[str]]()
"""Figures that are printed after all tests; a worker's are added to its parent's."""
WORKER = "PYTEST_WORKER"
"""The variable that only workers have."""
FEW = 12
"""Tests of a file, at most, that one worker takes at a time: what a module makes is shared."""
_TAKEN = struct.Struct("=II")


def shared(factory: pytest.TempPathFactory) -> Path:
    """A folder for temporary files that all workers of this session have."""
    own = factory.getbasetemp()
    return own.parent if WORKER in os.environ else own


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--workers", type=int, default=0, help="run tests in so many forks")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[TALLY] = Counter()


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool | None:
    count = session.config.getoption("--workers")
    if count < 2 or session.config.option.collectonly or session.testsfailed:
        return None
    factory: Any = session.config._tmp_path_factory  # type: ignore[attr-defined]
    factory.getbasetemp()  # before the forks, whose folders are in it
    if reporter := session.config.pluginmanager.get_plugin("terminalreporter"):
        reporter.showfspath = False  # workers are in several files at once
    take, give = os.pipe()
    few = max(1, min(FEW, len(session.items) // count // 4))
    parts = b"".join(_TAKEN.pack(*part) for part in _parts(session.items, few))
    os.set_blocking(give, False)
    assert os.write(give, parts) == len(parts), "all must fit into the pipe"
    os.close(give)
    workers = [_Worker(session, take, number) for number in range(count)]
    os.close(take)
    try:
        _listen(session, workers)
    finally:
        for worker in workers:
            worker.end()
    return True


def _parts(items: list[pytest.Item], few: int) -> Iterator[tuple[int, int]]:
    start = 0
    for _, group in itertools.groupby(items, lambda item: item.path):
        end = start + sum(1 for _ in group)
        yield from ((at, min(at + few, end)) for at in range(start, end, few))
        start = end


def _listen(session: pytest.Session, workers: list[_Worker]) -> None:
    hook, config = session.config.hook, session.config
    talking = {worker.pipe: worker for worker in workers}
    done = 0
    while talking:
        for pipe in wait(list(talking)):
            assert isinstance(pipe, Connection)
            worker = talking[pipe]
            try:
                what, said = pipe.recv()
            except EOFError:
                del talking[pipe]
                if worker.running is not None:
                    raise RuntimeError(f"a worker died in {worker.running}") from None
                continue
            match what:
                case "start":
                    worker.running = said[0]
                    hook.pytest_runtest_logstart(nodeid=said[0], location=said[1])
                case "report":
                    report = hook.pytest_report_from_serializable(config=config, data=said)
                    hook.pytest_runtest_logreport(report=report)
                case "finish":
                    done += 1
                    hook.pytest_runtest_logfinish(nodeid=said[0], location=said[1])
                case "tally":
                    worker.running = None
                    config.stash[TALLY].update(said)
                case "error":
                    raise RuntimeError(said)
        if session.shouldfail:
            raise session.Failed(session.shouldfail)
        if session.shouldstop:
            raise session.Interrupted(session.shouldstop)
    if done != len(session.items):
        raise RuntimeError(f"{done} of {len(session.items)} tests were run")


class _Worker:
    """One fork, seen from its parent."""

    def __init__(self, session: pytest.Session, take: int, number: int) -> None:
        self.pipe, theirs = multiprocessing.Pipe(duplex=False)
        self.running: str | None = "its start"
        self._pid = os.fork()
        if not self._pid:
            self.pipe.close()
            _work(session, take, number, theirs)
        theirs.close()

    def end(self) -> None:
        """It has told everything, or is not wanted any more: what it started hears of that."""
        self.pipe.close()  # the next word is its last
        os.waitpid(self._pid, 0)


def _work(session: pytest.Session, take: int, number: int, pipe: Connection) -> None:
    """A worker's whole life."""
    code = 1
    try:
        processes._adopt_orphans.cache_clear()  # a fork is no subreaper
        config = session.config
        os.environ[WORKER] = str(number)
        factory: Any = config._tmp_path_factory  # type: ignore[attr-defined]
        factory._basetemp = Path(factory.getbasetemp()) / f"worker-{number}"
        factory._basetemp.mkdir(mode=0o700)
        capture: Any = config.pluginmanager.get_plugin("capturemanager")
        capture.stop_global_capturing()  # into a file whose position all forks would share
        capture.start_global_capturing()
        capture.suspend_global_capture()
        config.stash[TALLY].clear()
        config.pluginmanager.unregister(name="terminalreporter")
        config.pluginmanager.register(_Teller(config, pipe))
        wanted = _wanted(take)
        index = next(wanted, None)
        while index is not None and not session.shouldfail:
            following = next(wanted, None)
            item = session.items[index]
            after = None if following is None else session.items[following]
            config.hook.pytest_runtest_protocol(item=item, nextitem=after)
            index = following
        pipe.send(("tally", dict(config.stash[TALLY])))
        code = 0
    except (BrokenPipeError, KeyboardInterrupt):  # nobody wants more
        session._setupstate.teardown_exact(None)
    except BaseException:  # noqa: BLE001 (nothing above us may go on)
        pipe.send(("error", traceback.format_exc()))
    finally:
        os._exit(code)


def _wanted(take: int) -> Iterator[int]:
    while part := os.read(take, _TAKEN.size):
        yield from range(*_TAKEN.unpack(part))


class _Teller:
    """Hands on what pytest's own reporter would have been told."""

    def __init__(self, config: pytest.Config, pipe: Connection) -> None:
        self._config, self._pipe = config, pipe

    def pytest_runtest_logstart(self, nodeid: str, location: Any) -> None:
        self._pipe.send(("start", (nodeid, location)))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        data = self._config.hook.pytest_report_to_serializable(config=self._config, report=report)
        self._pipe.send(("report", data))

    def pytest_runtest_logfinish(self, nodeid: str, location: Any) -> None:
        self._pipe.send(("finish", (nodeid, location)))
