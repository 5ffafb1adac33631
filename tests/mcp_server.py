"""A small MCP server, real on both transports: `python mcp_server.py stdio`, or `… http TOKEN`.

Over HTTP it prints the port it listens on, and wants the token as a bearer.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from typing import Annotated, Any

from mcp.server import MCPServer
from mcp.server.mcpserver import Image
from mcp.server.mcpserver.exceptions import ToolError
from pydantic import Field

server = MCPServer("tiny")


@server.tool(description="Add two\u200b numbers. " + "x" * 5000)
def add(a: int, b: int) -> int:
    return a + b


@server.tool(name="a.b/c")
def oddly_named() -> str:
    return "odd"


@server.tool()
def refused_by_the_service(x: Annotated[int, Field(alias="not allowed")] = 1) -> str:
    return str(x)


@server.tool(structured_output=False)
def long(characters: int) -> str:
    return "y" * characters


@server.tool(structured_output=False)
def hidden() -> str:
    return "be\u200bfore\x1b[31m"


@server.tool(structured_output=False)
def picture() -> list[Any]:
    return ["a picture:", Image(data=b"\x89PNG", format="png")]


@server.tool(structured_output=False)
def environment() -> str:
    return json.dumps(dict(os.environ))


@server.tool()
def complain() -> str:
    raise ToolError(f"bad key {os.environ.get('A_TOKEN')}")


@server.tool()
def sleep(seconds: float) -> str:
    time.sleep(seconds)  # the event loop hangs, too
    return "slept"


@server.tool()
def die() -> str:
    os._exit(3)


@server.tool()
def detach() -> int:
    """A child that leaves our session, as daemons do."""
    return subprocess.Popen(["sleep", "1000"], start_new_session=True).pid


@server.tool()
def garbage() -> str:
    os.write(1, b"::error::this is no JSON\n")
    return "said"


@server.tool()
def pid() -> int:
    return os.getpid()


def serve_http(token: str) -> None:
    import uvicorn

    app = server.streamable_http_app()

    async def guarded(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            given = dict(scope["headers"]).get(b"authorization", b"").decode()
            if given != f"Bearer {token}":
                await send({"type": "http.response.start", "status": 401, "headers": []})
                await send({"type": "http.response.body", "body": b""})
                return
        await app(scope, receive, send)

    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    config = uvicorn.Config(guarded, log_level="error")
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    if sys.argv[1] == "http":
        serve_http(sys.argv[2])
    else:
        server.run("stdio")
