"""Tools of MCP servers, offered to the model beside our own.

Servers are started once, before anything is measured, and live as long as the run. Whatever one
does later (dies, hangs, answers nonsense) is a tool error. Which server is trusted with what is the
user's decision: it runs outside the sandbox, with nothing of our environment but what was named.

The sweep after a measured command spares what was our child before that command started
(`command/processes.py`); so a server must not be started while a command runs.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import json
import logging
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from autoresearch_ci.errors import ProposerError
from autoresearch_ci.execution.processes import kill_with_variable
from autoresearch_ci.llm.mcp_connection import OUR_MARK, Connection
from autoresearch_ci.llm.mcp_server import McpServer, look_at
from autoresearch_ci.llm.mcp_words import answer_text, bounded, definition, offered_name
from autoresearch_ci.llm.tools import Answer
from autoresearch_ci.safety.prompt import line

if TYPE_CHECKING:
    from mcp.types import Tool

MAX_TOOLS = 64
"""Of one server; they are part of every request."""
_STOP_SECONDS = 8.0  # the SDK's own steps (close stdin, SIGTERM, SIGKILL) take 6.5 at most


class McpTools:
    """The tools of some servers, until closed."""

    def __init__(
        self,
        servers: Sequence[McpServer],
        *,
        environment: Mapping[str, str],
        note: Callable[[str], None],
        check: Callable[[], None] = lambda: None,
        start_timeout: float = 60.0,
    ) -> None:
        """Start them all. Raises `ProposerError` when one cannot be used.

        `note` is told of each call; `check` is called every 0.2 s of a wait and may raise.
        """
        self._note = note
        self._check = check
        self._calls: Counter[str] = Counter()
        self._hung: set[str] = set()
        self._tools: dict[str, tuple[Connection, str, dict[str, Any]]] = {}
        self._connections: list[Connection] = []
        for server in servers:
            look_at(server, environment)
        _import_mcp()
        from anyio.from_thread import start_blocking_portal

        with contextlib.ExitStack() as stack:
            folder = tempfile.TemporaryDirectory(
                prefix="autoresearch-ci-mcp-", ignore_cleanup_errors=True
            )
            home = Path(stack.enter_context(folder))
            stack.callback(kill_with_variable, OUR_MARK, str(home))  # what left its group
            portal = stack.enter_context(start_blocking_portal(name="mcp"))
            stack.callback(self._stop)
            for server in servers:
                self._connections.append(Connection(portal, server, environment, home))
            for connection in self._connections:
                self._offer(connection, self._started(connection, start_timeout))
            self._opened = stack.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End every server; none is left running. Harmless when repeated."""
        self._opened.close()

    def new_iteration(self) -> None:
        """Every server may be called again."""
        self._calls.clear()
        self._hung.clear()

    def definitions(self) -> list[dict[str, Any]]:
        """For the `tools` of a request: the same, in the same order, throughout the run."""
        return [self._tools[name][2] for name in sorted(self._tools)]

    def handles(self, name: str) -> bool:
        """Whether `call` is to be asked."""
        return name in self._tools

    def call(self, name: str, arguments: object) -> Answer:
        """Carry out one call of a tool that we handle; whatever goes wrong is in the answer."""
        connection, tool, _ = self._tools[name]
        started = time.monotonic()
        refusal = self._refusal(connection.server, arguments)
        if refusal or not isinstance(arguments, Mapping):
            answer = Answer(text=refusal, failed=True)
        else:
            self._calls[connection.server.name] += 1
            answer = self._answered(connection, tool, arguments)
        came = "failed: " + line(answer.text, 160) if answer.failed else f"{len(answer.text)} chars"
        given = line(connection.clean(json.dumps(arguments, ensure_ascii=False)), 160)
        self._note(f"mcp: {name} {given}: {came} ({time.monotonic() - started:.1f} s)")
        return answer

    def _refusal(self, server: McpServer, arguments: object) -> str:
        if not isinstance(arguments, Mapping):
            return "the arguments must be one JSON object"
        if server.name in self._hung:
            return f"server {server.name} hangs; it is not asked again in this iteration"
        if self._calls[server.name] >= server.max_calls:
            return f"server {server.name} may be called {server.max_calls} times per iteration"
        return ""

    def _answered(self, connection: Connection, tool: str, arguments: Mapping[str, Any]) -> Answer:
        server = connection.server
        future = connection.call(tool, arguments)
        try:
            self._wait([future], server.timeout)
        except TimeoutError:
            self._hung.add(server.name)
            return Answer(text=f"no answer from {server.name} in {server.timeout:g} s", failed=True)
        finally:
            future.cancel()
        try:
            result = future.result()
        except Exception as error:  # noqa: BLE001 (a server's nonsense surfaces as anything)
            return Answer(text=f"server {server.name}: {connection.reason(error)}", failed=True)
        return Answer(
            text=bounded(connection.clean(answer_text(result))), failed=bool(result.is_error)
        )

    def _started(self, connection: Connection, seconds: float) -> Sequence[Tool]:
        try:
            self._wait([connection.opened, connection.ended], seconds)
        except TimeoutError as error:
            raise _cannot_start(connection, f"no answer in {seconds:g} s") from error
        if connection.opened.done():
            return connection.opened.result()
        failure = connection.ended.exception()
        raise _cannot_start(connection, connection.reason(failure)) from failure

    def _offer(self, connection: Connection, found: Sequence[Tool]) -> None:
        server = connection.server.name
        offered = sorted(found, key=lambda tool: tool.name)
        if len(offered) > MAX_TOOLS:
            self._note(f"mcp: {server} has {len(offered)} tools; the first {MAX_TOOLS} are offered")
        for tool in offered[:MAX_TOOLS]:
            name = offered_name(server, tool.name)
            try:
                described = definition(name, tool)
            except ValueError as error:
                self._note(f"mcp: {name} is not offered: {line(str(error), 200)}")
            else:
                self._tools[name] = (connection, tool.name, described)

    def _wait(self, futures: Sequence[concurrent.futures.Future[Any]], seconds: float) -> None:
        """Until one is done. Raises `TimeoutError`, or what `check` raises."""
        deadline = time.monotonic() + seconds
        first = concurrent.futures.FIRST_COMPLETED
        while not concurrent.futures.wait(futures, timeout=0.2, return_when=first).done:
            self._check()
            if time.monotonic() > deadline:
                raise TimeoutError

    def _stop(self) -> None:
        ends = [connection.ended for connection in self._connections if connection.stop()]
        for late in concurrent.futures.wait(ends, timeout=_STOP_SECONDS).not_done:
            late.cancel()


def _import_mcp() -> None:
    try:
        import mcp  # noqa: F401
    except ImportError as error:
        raise ProposerError(
            f"`mcp` servers are configured, and the library is not installed ({error}).\n"
            "usually: autoresearch-ci was installed without its `mcp` extra.\n"
            "do: pip install 'autoresearch-ci[mcp]', or remove `mcp` from the configuration."
        ) from error
    # It logs what servers send, traceback included, and unconfigured logging prints that: a line
    # that starts with `::` would be a command to the runner.
    for name in ("mcp", "client"):
        logger = logging.getLogger(name)
        logger.propagate = False
        if not logger.handlers:
            logger.addHandler(logging.NullHandler())


def _cannot_start(connection: Connection, why: str) -> ProposerError:
    server = connection.server
    if server.command:
        what, where = "starts", " ".join(server.command)
        usual = "the program is not installed, or needs a variable that `pass_env` does not name"
    else:
        what, where = "answers", "its `url`"
        usual = "the address is wrong, or `headers` lack a valid token"
    said = connection.said()
    wrote = f"\nit wrote:\n{said}" if said else ""
    return ProposerError(
        f"MCP server {server.name} cannot be used: {why}{wrote}\n"
        f"usually: {usual}.\n"
        f"do: see whether {connection.clean(line(where, 200))} {what} by itself, or remove it from "
        "`mcp`."
    )
