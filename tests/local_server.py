"""A server on 127.0.0.1 for as long as a block lasts; what it answers, its subclasses say."""

from __future__ import annotations

import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError):  # the client may leave early
            super().handle_error(request, client_address)


class LocalServer:
    """A context manager; call `listen` before it is entered."""

    def listen(self, handler: type[BaseHTTPRequestHandler]) -> None:
        """Take a port; what arrives waits until the block begins."""
        self._stopped = threading.Event()
        # Else a body waits for its headers to be acknowledged, which clients put off by 40 ms.
        handler.disable_nagle_algorithm = True
        self._server = _Server(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        )

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def wait(self, seconds: float) -> None:
        """Answer late, but not later than the end of the block."""
        self._stopped.wait(seconds)
