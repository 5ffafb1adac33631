"""A local server that speaks the Messages API: real HTTP, real events, scripted answers.

    with MessagesApi() as api:
        api.answer(calls(tool("read", path="a.py")))
        api.answer(error(529, "overloaded_error"))

Each request takes the next answer. What the real service refuses is refused here too: an assistant
turn that is not what was sent, a tool call left without a result, an empty text, sampling options.
"""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler
from typing import Any

from tests.local_server import LocalServer

Json = dict[str, Any]
USAGE = {
    "input_tokens": 1000,
    "output_tokens": 50,
    "cache_creation_input_tokens": 0,
    "cache_read_input_tokens": 0,
}


@dataclass(frozen=True, kw_only=True)
class Reply:
    """One answer: a body, or events that are sent one by one."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    events: Sequence[bytes] = ()
    content: Sequence[Json] = ()
    """The blocks that a client must send back as they are."""
    ending: str = "whole"
    """`whole`; `quiet`: ends as if nothing were missing; `reset`: the connection breaks; `stalls`:
    nothing more comes."""
    delay: float = 0.0
    """Seconds before the first byte, or until the server stops."""

    def cut(self, count: int, ending: str) -> Reply:
        """The same answer, broken off after `count` events."""
        return replace(self, events=self.events[:count], ending=ending)


def text(words: str) -> Json:
    return {"type": "text", "text": words}


def thinking(words: str) -> Json:
    return {"type": "thinking", "thinking": words, "signature": "c2lnbmVk"}


_count = iter(range(1, 1_000_000))


def tool(name: str, **arguments: Any) -> Json:
    return {"type": "tool_use", "id": f"toolu_{next(_count)}", "name": name, "input": arguments}


def broken_tool(name: str, arguments: str) -> Json:
    """A call whose arguments are sent as given, JSON or not."""
    return {**tool(name), "raw": arguments}


def submit(description: str, hypothesis: str = "It helps.", next: str = "") -> Json:
    return tool("submit", description=description, hypothesis=hypothesis, next=next)


def calls(*blocks: Json, stop: str | None = "tool_use", **extra: Any) -> Reply:
    """An answer of these blocks. `extra`: `usage` fields, `category` of a refusal."""
    category = extra.pop("category", None)
    usage = {**USAGE, **extra}
    details = {"type": "refusal", "category": category, "explanation": None}
    message = {
        "id": f"msg_{next(_count)}",
        "type": "message",
        "role": "assistant",
        "model": "claude-opus-5-5",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {**usage, "output_tokens": 1},
    }
    events: list[Json] = [{"type": "message_start", "message": message}, {"type": "ping"}]
    for index, block in enumerate(blocks):
        events += _block_events(index, block)
    delta: Json = {"stop_reason": stop, "stop_sequence": None}
    if stop == "refusal":
        delta["stop_details"] = details
    ended = {"output_tokens": usage["output_tokens"]}
    events += [
        {"type": "message_delta", "delta": delta, "usage": ended},
        {"type": "message_stop"},
    ]
    return Reply(
        headers={"content-type": "text/event-stream"},
        events=[_event(event) for event in events],
        content=[{k: v for k, v in block.items() if k != "raw"} for block in blocks],
    )


def ends(*blocks: Json, stop: str | None = "end_turn", **extra: Any) -> Reply:
    return calls(*blocks, stop=stop, **extra)


def refuses(category: str | None = "frontier_llm") -> Reply:
    return calls(text("I cannot"), stop="refusal", category=category)


def error(status: int, kind: str, message: str = "no", **headers: str) -> Reply:
    """An error answer; `_` in header names becomes `-`."""
    return _failure(status, {"type": kind, "message": message}, headers)


def coded_error(status: int, kind: str, code: str) -> Reply:
    body = {"type": kind, "message": "no", "details": {"error_code": code}}
    return _failure(status, body, {})


def _failure(status: int, body: Json, headers: Mapping[str, str]) -> Reply:
    return Reply(
        status=status,
        headers={
            "content-type": "application/json",
            **{name.replace("_", "-"): value for name, value in headers.items()},
        },
        body=json.dumps({"type": "error", "error": body, "request_id": "req_1"}).encode(),
    )


def error_event(reply: Reply, kind: str, after: int = 1) -> Reply:
    """The answer starts well, then an error event comes."""
    event = _event({"type": "error", "error": {"type": kind, "message": "no"}})
    return replace(reply, events=[*reply.events[:after], event])


def garbage(body: bytes = b"<html>gateway</html>", kind: str = "text/html") -> Reply:
    return Reply(headers={"content-type": kind}, body=body)


def _block_events(index: int, block: Json) -> Iterator[Json]:
    kind = block["type"]
    start = {k: v for k, v in block.items() if k != "raw"}
    deltas: list[Json] = []
    if kind == "text":
        start["text"] = ""
        deltas = [
            {"type": "text_delta", "text": part}
            for part in _pieces(block["text"], max(20, len(block["text"]) // 100))
        ]
    elif kind == "thinking":
        start.update(thinking="", signature="")
        deltas = [
            {"type": "thinking_delta", "thinking": block["thinking"]},
            {"type": "signature_delta", "signature": block["signature"]},
        ]
    elif kind == "tool_use":
        start["input"] = {}
        whole = block.get("raw", json.dumps(block["input"]))
        length = max(9, len(whole) // 100)  # the SDK reads all that came so far at each piece
        deltas = [
            {"type": "input_json_delta", "partial_json": part}
            for part in ("", *_pieces(whole, length))
        ]
    yield {"type": "content_block_start", "index": index, "content_block": start}
    for delta in deltas:
        yield {"type": "content_block_delta", "index": index, "delta": delta}
    yield {"type": "content_block_stop", "index": index}


def _pieces(words: str, length: int) -> list[str]:
    return [words[at : at + length] for at in range(0, len(words), length)]


def _event(data: Json) -> bytes:
    return f"event: {data['type']}\ndata: {json.dumps(data)}\n\n".encode()


class MessagesApi(LocalServer):
    """The server; `url` is for `base_url`."""

    def __init__(self) -> None:
        self.requests: list[Json] = []
        """Bodies of what was posted to /v1/messages."""
        self.bytes: list[int] = []
        """Their sizes on the wire."""
        self.headers: list[Mapping[str, str]] = []
        """Of every request, in lower case."""
        self.problems: list[str] = []
        """What the real service would have refused."""
        self.model = Reply(
            headers={"content-type": "application/json"},
            body=b'{"type": "model", "id": "m", "display_name": "m", "created_at": "2026-01-01"}',
        )
        """Answer to a question about a model."""
        self._answers: list[Reply | Callable[[Json], Reply]] = []
        self._sent: list[Sequence[Json]] = []
        self._lock = threading.Lock()
        self.listen(_handler(self))

    @property
    def unused(self) -> int:
        """Answers that nobody asked for."""
        return len(self._answers)

    def drop(self) -> None:
        """Forget the answers that nobody has asked for."""
        self._answers.clear()

    def answer(self, *replies: Reply | Callable[[Json], Reply]) -> None:
        """Queue answers; a callable is given the request's body."""
        self._answers += replies

    def next_reply(self, body: Json, length: int) -> Reply:
        with self._lock:
            self.requests.append(body)
            self.bytes.append(length)
            if problem := _problem(body, self._sent):
                self.problems.append(problem)
                return error(400, "invalid_request_error", problem)
            if not self._answers:
                self.problems.append("more requests than answers")
                return error(400, "invalid_request_error", "the script has no further answer")
            reply = self._answers.pop(0)
            reply = reply if isinstance(reply, Reply) else reply(body)
            self._sent.append(reply.content)
            return reply


def _problem(body: Json, sent: Sequence[Sequence[Json]]) -> str:
    """Why the real service would answer 400; empty when it would not."""
    for name in ("temperature", "top_p", "top_k", "tool_choice", "thinking"):
        if name in body:
            return f"{name} is not accepted"
    if body.get("stream") is not True:
        return "not streamed"
    open_calls: list[str] = []
    if body["messages"][-1]["role"] == "assistant" and not any(
        body["messages"][-1]["content"] == [b for b in turn if b.get("text") != ""] for turn in sent
    ):
        return "prefill is not supported"
    for message in body["messages"]:
        blocks = message["content"]
        if any(block.get("type") == "text" and not block["text"] for block in blocks):
            return "text content blocks must be non-empty"
        if message["role"] == "assistant":
            if not any(blocks == [b for b in turn if b.get("text") != ""] for turn in sent):
                return "an assistant turn was changed"
            uses = [block for block in blocks if block["type"] == "tool_use"]
            if not all(isinstance(block["input"], dict) for block in uses):
                return "tool_use.input: should be a valid dictionary"
            open_calls = [block["id"] for block in uses]
        else:
            results = [b["tool_use_id"] for b in blocks if b["type"] == "tool_result"]
            if sorted(results) != sorted(open_calls):
                return "tool_use ids were found without tool_result blocks"
            open_calls = []
    return ""


def _handler(api: MessagesApi) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            api.headers.append({k.lower(): v for k, v in self.headers.items()})
            self._send(api.model)

        def do_POST(self) -> None:
            data = self.rfile.read(int(self.headers["content-length"]))
            body = json.loads(data)
            api.headers.append({k.lower(): v for k, v in self.headers.items()})
            if self.path.endswith("/count_tokens"):
                count = json.dumps({"input_tokens": len(data) // 4}).encode()
                self._send(Reply(headers={"content-type": "application/json"}, body=count))
                return
            self._send(api.next_reply(body, len(data)))

        def _send(self, reply: Reply) -> None:
            if reply.delay:
                api.wait(reply.delay)
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            if reply.body is not None:
                self.send_header("content-length", str(len(reply.body)))
                self.end_headers()
                self.wfile.write(reply.body)
                return
            if reply.ending == "reset" and not reply.events:
                self._reset()
                return
            self.send_header("transfer-encoding", "chunked")
            self.end_headers()
            for event in reply.events:
                self.wfile.write(b"%x\r\n%s\r\n" % (len(event), event))
            if reply.ending == "stalls":
                api.wait(60)
            elif reply.ending == "reset":
                self._reset()
            else:
                self.wfile.write(b"0\r\n\r\n")

        def _reset(self) -> None:
            linger = struct.pack("ii", 1, 0)  # close with RST, as a dropped connection does
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.close_connection = True
            self.connection.close()

        def finish(self) -> None:
            try:
                super().finish()
            except OSError:  # we broke the connection ourselves
                return

        def log_message(self, format: str, *args: object) -> None:
            return

    return Handler
