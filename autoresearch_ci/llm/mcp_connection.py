"""A running MCP server and our connection to it, in the thread of an event loop.

`mcp` gives every server a session and a process group of its own, and kills the group at the end.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import os
import threading
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from autoresearch_ci.execution.environment import UNATTENDED, clean_environment
from autoresearch_ci.llm.mcp_server import McpServer, filled, secrets_of
from autoresearch_ci.safety.prompt import line, tail

if TYPE_CHECKING:
    from anyio.from_thread import BlockingPortal
    from mcp import Client
    from mcp.types import CallToolResult, Tool

MAX_PAGES = 20
OUR_MARK = "AUTORESEARCH_CI_MCP"
"""Variable by which every process of a server is found."""


class Connection:
    """One server and the task, in the event loop's thread, that its connection lives in."""

    def __init__(
        self,
        portal: BlockingPortal,
        server: McpServer,
        environment: Mapping[str, str],
        home: Path,
    ) -> None:
        import anyio

        self.server = server
        self.opened: concurrent.futures.Future[Sequence[Tool]] = concurrent.futures.Future()
        """Done once the server told its tools."""
        self._secrets = secrets_of(server, environment)
        self._portal = portal
        self._client: Client | None = None
        self._closing = anyio.Event()
        self._status = 0
        self._stderr = _Watched()
        self.ended = portal.start_task_soon(self._live, environment, home)

    def said(self) -> str:
        """The end of what the server wrote to stderr."""
        return self.clean(tail(self._stderr.read(), 600))

    def reason(self, error: BaseException | None) -> str:
        """Why something failed, on one line."""
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        refused = f" (HTTP {self._status})" if self._status >= 400 else ""
        return self.clean(line(str(error), 300) or type(error).__name__) + refused

    def clean(self, text: str) -> str:
        """Without the secrets that the server was given, which some repeat in their errors."""
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text

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
            headers = {k: filled(v, environment) for k, v in server.headers.items()}
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
        parameters = StdioServerParameters(command=program, args=arguments, env=variables)
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
