"""An HTTP client for the SDK that reads bounded answers: a server may be broken, or not ours."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import anthropic
import httpx2

from autoresearch_ci.safety.bounded import MIB, shown_size

ANSWER_BYTES = 64 * MIB
"""On the wire. The longest answer that a model may give takes about four."""
COMPRESSED_BYTES = MIB
"""Deflate makes at most a thousand times as much of it. We ask for plain answers."""


def bounded_client(
    timeout: httpx2.Timeout,
    limit: int = ANSWER_BYTES,
    proxies: Mapping[str, str | None] | None = None,
) -> httpx2.Client:
    """Raises `httpx2.ReadError` in the middle of an answer of more than `limit` bytes.

    `proxies`: URL pattern to proxy, `None` for none; others come from the environment.
    """
    routes = (proxies or {}).items()

    def bound(response: httpx2.Response) -> None:
        assert isinstance(response.stream, httpx2.SyncByteStream)
        plain = response.headers.get("content-encoding", "identity") == "identity"
        response.stream = _Bounded(response.stream, limit if plain else COMPRESSED_BYTES)

    return anthropic.DefaultHttpxClient(
        timeout=timeout,
        headers={"accept-encoding": "identity"},
        event_hooks={"response": [bound]},
        mounts={k: httpx2.HTTPTransport(proxy=v) if v else None for k, v in routes},
    )


class _Bounded(httpx2.SyncByteStream):
    def __init__(self, stream: httpx2.SyncByteStream, limit: int) -> None:
        self._stream = stream
        self._limit = limit

    def __iter__(self) -> Iterator[bytes]:
        left = self._limit
        for chunk in self._stream:
            left -= len(chunk)
            if left < 0:
                raise httpx2.ReadError(f"the answer is larger than {shown_size(self._limit)}")
            yield chunk

    def close(self) -> None:
        self._stream.close()
