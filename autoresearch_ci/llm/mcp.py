"""Tools of MCP servers, offered to the model beside our own: started, called, made fit for it.

Servers are started once, before anything is measured, and live as long as the run, each with its
connection in the thread of an event loop. Whatever one does later (dies, hangs, answers nonsense)
is a tool error. Which server is trusted with what is the user's decision: it runs outside the
sandbox, with nothing of our environment but what was named.

The sweep after a measured command spares what was our child before that command started
(execution/processes.py); so a server must not be started while a command runs. `mcp` gives every
server a session and a process group of its own, and kills the group at the end.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import hashlib
import json
import logging
import os
import re
import tempfile
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TextIO

from autoresearch_ci.config.proposers import ToolServer
from autoresearch_ci.errors import ProposerError
from autoresearch_ci.execution.environment import UNATTENDED, clean_environment
from autoresearch_ci.execution.processes import kill_with_variable
from autoresearch_ci.llm.tools import MAX_RESULT, ToolResult
from autoresearch_ci.safety.prompt_text import line, shown, tail
from autoresearch_ci.safety.redaction import Redactor

if TYPE_CHECKING:
    from anyio.from_thread import BlockingPortal
    from mcp import Client
    from mcp.types import CallToolResult, ContentBlock, Tool

OUR_MARK = "AUTORESEARCH_CI_MCP"
"""Variable by which every process of a server is found."""
MAX_PAGES, MAX_TOOLS = 20, 64
"""Of one server; its tools are part of every request."""
MAX_DESCRIPTION, MAX_SCHEMA = 1_000, 10_000
"""Characters of the description and the JSON schema of one tool."""
_STOP_SECONDS = 8.0  # the SDK's own steps (close stdin, SIGTERM, SIGKILL) take 6.5 at most
_NOT_IN_NAME = re.compile(r"[^A-Za-z0-9_-]")
_PROPERTY = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_VARIABLE = re.compile(r"\$(\w+)")


class McpTools:
    """The tools of some servers, until closed."""

    def __init__(
        self,
        servers: Mapping[str, ToolServer],
        *,
        folder: Path,
        environment: Mapping[str, str],
        redactor: Redactor,
        note: Callable[[str], None],
        check: Callable[[], None] = lambda: None,
        start_timeout: float = 60.0,
    ) -> None:
        """Start them all, in `folder`. Raises `ProposerError` when one cannot be used.

        `note` is told of each call; `check` is called every 0.2 s of a wait and may raise.
        """
        self._note = note
        self._check = check
        self._calls: Counter[str] = Counter()
        self._hung: set[str] = set()
        self._tools: dict[str, tuple[Connection, str, dict[str, Any]]] = {}
        self._connections: list[Connection] = []
        for name, server in servers.items():
            _refuse_unset(name, server, environment)
        _silence()
        from anyio.from_thread import start_blocking_portal

        with contextlib.ExitStack() as stack:
            made = tempfile.TemporaryDirectory(
                prefix="autoresearch-ci-mcp-", ignore_cleanup_errors=True
            )
            home = Path(stack.enter_context(made))
            stack.callback(kill_with_variable, OUR_MARK, str(home))  # what left its group
            portal = stack.enter_context(start_blocking_portal(name="mcp"))
            stack.callback(self._stop)
            for name, server in sorted(servers.items()):
                self._connections.append(
                    Connection(portal, name, server, folder, environment, home, redactor.redact)
                )
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

    def call(self, name: str, arguments: object) -> ToolResult:
        """Carry out one call of a tool that we handle; whatever goes wrong is in the answer."""
        connection, tool, _ = self._tools[name]
        started = time.monotonic()
        if not isinstance(arguments, Mapping):
            answer = _failed("the arguments must be one JSON object")
        elif refusal := self._refusal(connection):
            answer = _failed(refusal)
        else:
            self._calls[connection.name] += 1
            answer = self._answered(connection, tool, arguments)
        came = "failed: " + line(answer.text, 160) if answer.failed else f"{len(answer.text)} chars"
        given = line(connection.redact(json.dumps(arguments, ensure_ascii=False)), 160)
        self._note(f"mcp: {name} {given}: {came} ({time.monotonic() - started:.1f} s)")
        return answer

    def _refusal(self, connection: Connection) -> str:
        name, most = connection.name, connection.server.max_calls
        if name in self._hung:
            return f"server {name} hangs; it is not asked again in this iteration"
        if self._calls[name] >= most:
            return f"server {name} may be called {most} times per iteration"
        return ""

    def _answered(
        self, connection: Connection, tool: str, arguments: Mapping[str, Any]
    ) -> ToolResult:
        name, seconds = connection.name, connection.server.timeout
        future = connection.call(tool, arguments)
        try:
            self._wait([future], seconds)
        except TimeoutError:
            self._hung.add(name)
            return _failed(f"no answer from {name} in {seconds:g} s")
        finally:
            future.cancel()
        try:
            result = future.result()
        except Exception as error:  # noqa: BLE001 (a server's nonsense surfaces as anything)
            return _failed(f"server {name}: {connection.reason(error)}")
        text = _bounded(connection.redact(_answer_text(result)))
        return ToolResult(text=text, failed=bool(result.is_error))

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
        server = connection.name
        offered = sorted(found, key=lambda tool: tool.name)
        if len(offered) > MAX_TOOLS:
            self._note(f"mcp: {server} has {len(offered)} tools; the first {MAX_TOOLS} are offered")
        for tool in offered[:MAX_TOOLS]:
            name = _offered_name(server, tool.name)
            try:
                described = _definition(name, tool)
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


def _refuse_unset(name: str, server: ToolServer, environment: Mapping[str, str]) -> None:
    read = {found for value in server.headers.values() for found in _VARIABLE.findall(value)}
    unset = sorted(v for v in {*server.pass_env, *read} if not environment.get(v))
    if unset:
        raise ProposerError(
            f"MCP server {name} is to be given {unset[0]}, which is not set.\n"
            "usually: the workflow does not pass the secret on.\n"
            f"do: set {unset[0]} (in GitHub Actions: `env: {{{unset[0]}: ${{{{ secrets.{unset[0]}"
            f" }}}}}}`), or remove it from `mcp.{name}`."
        )


def _filled(value: str, environment: Mapping[str, str]) -> str:
    return _VARIABLE.sub(lambda match: environment[match[1]], value)


def _silence() -> None:
    """The SDK logs what servers send, traceback included, and unconfigured logging prints that.

    A line that starts with `::` would be a command to the runner.
    """
    for name in ("mcp", "client"):
        logger = logging.getLogger(name)
        logger.propagate = False
        if not logger.handlers:
            logger.addHandler(logging.NullHandler())


def _cannot_start(connection: Connection, why: str) -> ProposerError:
    if command := connection.server.command:
        see = f"{line(connection.redact(' '.join(command)), 200)} starts"
        usual = "the program is not installed, or needs a variable that `pass_env` does not name"
    else:
        see = "its `url` answers"
        usual = "the address is wrong, or `headers` lack a valid token"
    said = connection.said()
    wrote = f"\nit wrote:\n{said}" if said else ""
    return ProposerError(
        f"MCP server {connection.name} cannot be used: {why}{wrote}\n"
        f"usually: {usual}.\n"
        f"do: see whether {see} by itself, or remove it from `mcp`."
    )


class Connection:
    """One server and the task, in the event loop's thread, that its connection lives in."""

    def __init__(
        self,
        portal: BlockingPortal,
        name: str,
        server: ToolServer,
        folder: Path,
        environment: Mapping[str, str],
        home: Path,
        redact: Callable[[str], str],
    ) -> None:
        """`redact`: some servers repeat in their errors what they were given."""
        import anyio

        self.name = name
        self.server = server
        self._folder = folder
        self.redact = redact
        self.opened: concurrent.futures.Future[Sequence[Tool]] = concurrent.futures.Future()
        """Done once the server told its tools."""
        self._portal = portal
        self._client: Client | None = None
        self._closing = anyio.Event()
        self._status = 0
        self._stderr = _Watched()
        self.ended = portal.start_task_soon(self._live, environment, home)

    def said(self) -> str:
        """The end of what the server wrote to stderr."""
        return tail(self.redact(self._stderr.read()), 600)

    def reason(self, error: BaseException | None) -> str:
        """Why something failed, on one line."""
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        refused = f" (HTTP {self._status})" if self._status >= 400 else ""
        return (line(self.redact(str(error)), 300) or type(error).__name__) + refused

    def call(
        self, tool: str, arguments: Mapping[str, Any]
    ) -> concurrent.futures.Future[CallToolResult]:
        assert self._client is not None
        return self._portal.start_task_soon(self._client.call_tool, tool, dict(arguments))

    def stop(self) -> bool:
        """Ask it to end; false when it never began, and is cancelled instead."""
        if self.opened.done():
            self._portal.call(self._closing.set)
            return True
        self.ended.cancel()
        return False

    async def _live(self, environment: Mapping[str, str], home: Path) -> None:
        from mcp import Client
        from mcp.types import Implementation

        who = Implementation(name="autoresearch-ci", version="0")
        with self._stderr.file:
            transport = self._transport(environment, home)
            async with Client(transport, client_info=who, cache=None) as self._client:
                self.opened.set_result(await _listed(self._client))
                await self._closing.wait()

    def _transport(self, environment: Mapping[str, str], home: Path) -> Any:
        server = self.server
        if server.url is not None:
            headers = {k: _filled(v, environment) for k, v in server.headers.items()}
            return self._http(server.url, headers)
        from mcp import StdioServerParameters, stdio_client

        assert server.command is not None
        named = {name: environment[name] for name in server.pass_env}
        variables = clean_environment(
            {**UNATTENDED, **named, **server.env, OUR_MARK: str(home)},
            home=home,
            tmp=home,
            inherit=environment,
        )
        program, *arguments = server.command
        # The SDK adds HOME, USER and the like of our own process; these are named here as well.
        parameters = StdioServerParameters(
            command=program, args=arguments, env=variables, cwd=self._folder
        )
        return stdio_client(parameters, errlog=self._stderr.file)

    @contextlib.asynccontextmanager
    async def _http(self, url: str, headers: Mapping[str, str]) -> AsyncIterator[Any]:
        import httpx2
        from mcp.client.streamable_http import streamable_http_client

        async def remember(response: httpx2.Response) -> None:
            self._status = response.status_code  # the SDK's errors do not tell it

        client = httpx2.AsyncClient(
            headers=headers,
            timeout=httpx2.Timeout(30.0, read=None),  # a call has a limit of its own
            event_hooks={"response": [remember]},
        )
        async with client, streamable_http_client(url, http_client=client) as streams:
            yield streams


async def _listed(client: Client) -> Sequence[Tool]:
    tools: list[Tool] = []
    cursor: str | None = None
    for _ in range(MAX_PAGES):
        page = await client.list_tools(cursor=cursor)
        tools += page.tools
        cursor = page.next_cursor
        if cursor is None:
            break
    return tools


class _Watched:
    """A file to write to, of which the last 4 kB are kept: a server may talk for days."""

    def __init__(self) -> None:
        self._source, sink = os.pipe()
        self.file: TextIO = os.fdopen(sink, "w")
        self._kept = b""
        self._reader = threading.Thread(target=self._read, name="mcp-stderr", daemon=True)
        self._reader.start()

    def read(self) -> str:
        """What was written; of a writer that has ended, also its last words."""
        self._reader.join(0.5)
        return self._kept.decode(errors="replace")

    def _read(self) -> None:
        with open(self._source, "rb", buffering=0) as file:  # noqa: PTH123 (a descriptor)
            while chunk := file.read(1 << 16):
                self._kept = (self._kept + chunk)[-4096:]


def _offered_name(server: str, tool: str) -> str:
    """What the model calls a tool: 64 plain characters at most, different for different tools."""
    name = f"mcp__{server}__{_NOT_IN_NAME.sub('_', tool)}"
    if name == f"mcp__{server}__{tool}" and len(name) <= 64:
        return name
    return f"{name[:55]}_{hashlib.sha256(tool.encode(errors='replace')).hexdigest()[:8]}"


def _definition(name: str, tool: Tool) -> dict[str, Any]:
    """Raises `ValueError` for what the service would refuse, as it refuses the whole request."""
    import jsonschema

    # The service does not take these at the top; the server checks its arguments anyway.
    schema = {
        key: _visible(value)
        for key, value in tool.input_schema.items()
        if key not in ("anyOf", "oneOf", "allOf")
    }
    if schema.get("type") != "object":
        raise ValueError("its arguments are not an object")
    if len(json.dumps(schema, ensure_ascii=False)) > MAX_SCHEMA:
        raise ValueError(f"its schema has more than {MAX_SCHEMA} characters")
    try:
        jsonschema.Draft202012Validator.check_schema(schema)
    except jsonschema.SchemaError as error:
        raise ValueError(f"its schema is not valid: {error.message}") from error
    odd = [key for key in schema.get("properties", {}) if not _PROPERTY.fullmatch(key)]
    if odd:
        raise ValueError(f"it has an argument {odd[0]!r}")
    description = line(tool.description or tool.title or tool.name, MAX_DESCRIPTION)
    return {"name": name, "description": description, "input_schema": schema}


def _visible(value: Any) -> Any:
    if isinstance(value, str):
        return shown(value)
    if isinstance(value, list):
        return [_visible(item) for item in value]
    if isinstance(value, dict):
        return {shown(key): _visible(item) for key, item in value.items()}
    return value


def _answer_text(result: CallToolResult) -> str:
    parts = list(_parts(result.content))
    if not parts and result.structured_content is not None:
        parts = [json.dumps(result.structured_content, ensure_ascii=False)]
    return "\n".join(parts) or "(the answer is empty)"


def _parts(content: Sequence[ContentBlock]) -> Iterator[str]:
    from mcp.types import EmbeddedResource, ResourceLink, TextContent, TextResourceContents

    for part in content:
        if isinstance(part, TextContent):
            yield part.text
        elif isinstance(part, EmbeddedResource) and isinstance(part.resource, TextResourceContents):
            yield part.resource.text
        elif isinstance(part, ResourceLink):
            yield f"(a link to {part.uri}, which cannot be followed)"
        else:
            yield f"({part.type} left out: only text is read)"


def _bounded(text: str) -> str:
    visible = shown(text[: MAX_RESULT + 1].replace("\r\n", "\n"))
    if len(text) <= MAX_RESULT and len(visible) <= MAX_RESULT:
        return visible
    return f"{visible[:MAX_RESULT]}\n(cut: {len(text)} characters in all)"


def _failed(text: str) -> ToolResult:
    return ToolResult(text=text, failed=True)
