"""The Messages API: one request in, one whole answer out, and what each failure means.

A passing failure costs a retry, a lasting one is a `ProposerError`. What is asked is decided
elsewhere, and http_client.py says how the service is reached.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import json
import random
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import KW_ONLY, InitVar, dataclass
from typing import Any, TypeVar

import anthropic
import httpx2

from autoresearch_ci.config.proposers import Claude
from autoresearch_ci.errors import ProposerError
from autoresearch_ci.llm.conversation import Recorder, Turn
from autoresearch_ci.llm.credentials import dialect_of, needed_credential
from autoresearch_ci.llm.http_client import make_client
from autoresearch_ci.llm.tools import Dialect
from autoresearch_ci.safety.prompt_text import line
from autoresearch_ci.safety.redaction import Redactor

_FIRST_WAIT, _LONGEST_WAIT = 2.0, 120.0
_PASSING = ("overloaded_error", "api_error", "rate_limit_error", "timeout_error")
"""Types of error events that another try may not meet again."""
_BUSY = (408, 409, 429)
_USUAL = {
    403: "the key may not use this model or workspace",
    404: "there is no model {model!r} at this server",
    413: "the files in scope are too large for one request (`file_bytes`)",
}
"""Why another try fails as well, by HTTP status."""
_BELIEVED = ("permission_error", "not_found_error", "billing_error")
"""Types of errors that speak against the run before it begins."""
# What the SDK raises, besides its own errors, when a server sends something else than the protocol.
_GARBLED = (AssertionError, ValueError, TypeError, AttributeError, LookupError, RuntimeError)
_CLOUD_SDKS = ("boto3", "botocore", "google")
"""Packages whose exceptions reach us when the cloud's credentials are no good."""

_T = TypeVar("_T")


class _Passing(Exception):
    """A failure that another try may not meet again."""

    def __init__(self, reason: str, wait: float | None = None) -> None:
        super().__init__(reason)
        self.wait = wait
        """Seconds the server asked us to wait."""


@dataclass(eq=False, repr=False)
class MessagesService:
    """Requests in, whole answers out; tries again where that can help."""

    claude: Claude
    environment: InitVar[Mapping[str, str]]
    _: KW_ONLY
    redactor: Redactor
    """What it knows is neither sent nor repeated in an error."""
    check: Callable[[], None]
    """Is called every 0.2 s and may raise to interrupt."""
    note: Callable[[str], None]
    """Is told of each retry."""
    sleep: Callable[[float], None] = time.sleep
    turn_seconds: float = 1800.0
    """Wall time of one answer."""
    retries: int = 8
    """Tries of one request after the first."""

    def __post_init__(self, environment: Mapping[str, str]) -> None:
        """Raises `ProposerError` when there is no key."""
        self.dialect = dialect_of(self.claude, environment)
        self._variable = needed_credential(self.claude, environment)
        self._client = make_client(self.claude, environment, self._variable)

    def verify(self) -> None:
        """Raises `ProposerError` when key or model are no good, as far as the server can tell.

        Costs nothing. What cannot be asked, and a service that is busy, are taken as good.
        """
        client, model = self._client, self.claude.model
        if not isinstance(client, anthropic.Anthropic):
            return
        try:
            self._interruptible(lambda _: client.models.retrieve(model))
        except anthropic.APIStatusError as error:
            # Compatible servers know keys, but often nothing to ask about models.
            known = self.dialect is Dialect.NATIVE and error.type in _BELIEVED
            if error.status_code == 401 or known:
                raise self._meaning(error) from error
        except anthropic.APIConnectionError as error:
            if self.dialect is Dialect.PLAIN:
                raise ProposerError(
                    f"nothing answers at {client.base_url}: {self._clean(str(error.__cause__))}\n"
                    "usually: the model server is not running, or `base_url` is not its address.\n"
                    "do: start it, or correct `base_url`."
                ) from error
        except (anthropic.AnthropicError, httpx2.RequestError, _Passing, *_GARBLED):
            return

    def close(self) -> None:
        self._client.close()

    def count_tokens(self, request: Mapping[str, Any]) -> int | None:
        """What the service says a request holds; `None` when it cannot say."""
        known = ("model", "messages", "system", "tools")
        request = self.redactor.redact_all(request)
        try:
            return self._client.messages.count_tokens(
                **{name: request[name] for name in known}
            ).input_tokens
        except (anthropic.APIError, httpx2.RequestError, *_GARBLED):
            return None

    def ask(
        self,
        request: Mapping[str, Any],
        record: Recorder,
        check: Callable[[], None] = lambda: None,
    ) -> Turn:
        """One whole answer. Raises `ProposerError` when it cannot be had.

        Broken answers are paid for as well: `check` may raise when that is enough, before a further
        try and while an answer is waited for.
        """
        request = self.redactor.redact_all(request)
        waited = 0.0
        for tried in range(1, self.retries + 2):
            try:
                return self._once(request, record, check)
            except _Passing as error:
                # Some randomness, so that machines that failed together do not return together.
                pause = min(_FIRST_WAIT * 2 ** (tried - 1), _LONGEST_WAIT)
                pause = max(pause * random.uniform(0.75, 1.25), error.wait or 0.0)
                waited += pause
                if tried > self.retries or waited > self.claude.patience:
                    raise ProposerError(self._gave_up(error, tried)) from error
                check()
                self.note(f"claude: {error}; try {tried + 1} in {pause:.0f} s")
                self._wait(pause, check)
        raise AssertionError("the last try raises")

    def _once(
        self, request: Mapping[str, Any], record: Recorder, check: Callable[[], None]
    ) -> Turn:
        heard = _Heard()
        try:
            with self._translated():
                return self._interruptible(lambda left: self._stream(request, heard, left), check)
        finally:  # an answer that is given up has its price as well
            if heard.usage:
                record(heard.usage)

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        """Whatever the SDK raises leaves as `_Passing` or `ProposerError`."""
        try:
            yield
        except anthropic.APIError as error:
            raise self._meaning(error) from error
        except (httpx2.RequestError, httpx2.StreamError) as error:
            raise _Passing(f"the connection broke ({self._clean(str(error))})") from error
        except anthropic.AnthropicError as error:  # workload identity, profiles
            raise ProposerError(self._refused_key(str(error))) from error
        except Exception as error:
            if type(error).__module__.partition(".")[0] in _CLOUD_SDKS:
                raise ProposerError(self._refused_key(str(error))) from error
            raise

    def _stream(
        self, request: Mapping[str, Any], heard: _Heard, abandoned: threading.Event
    ) -> Turn:
        # Never `create`: without streaming the SDK refuses large `max_tokens`.
        with self._client.messages.stream(**request) as stream:
            try:
                return _read(stream, heard, abandoned)
            except _GARBLED as error:
                text = line(str(error), 120) or type(error).__name__
                raise _Passing(f"the server's answer made no sense ({text})") from error

    def _interruptible(
        self, work: Callable[[threading.Event], _T], check: Callable[[], None] = lambda: None
    ) -> _T:
        """Run `work` in a thread, so that an interrupt or the deadline need not wait for a byte."""
        future: concurrent.futures.Future[_T] = concurrent.futures.Future()
        abandoned = threading.Event()

        def run() -> None:
            try:
                future.set_result(work(abandoned))
            except BaseException as error:  # noqa: BLE001 (raised again by the waiting thread)
                future.set_exception(error)

        threading.Thread(target=run, daemon=True).start()
        deadline = time.monotonic() + self.turn_seconds
        try:
            while not concurrent.futures.wait([future], timeout=0.2).done:
                self.check()
                check()
                if time.monotonic() > deadline:
                    raise _Passing(f"no whole answer in {self.turn_seconds:.0f} s")
        finally:
            abandoned.set()
        return future.result()

    def _wait(self, seconds: float, check: Callable[[], None]) -> None:
        while seconds > 0:
            self.check()
            check()
            self.sleep(min(seconds, 1.0))
            seconds -= 1.0

    # --- what a failure means ---

    def _clean(self, said: str) -> str:
        """One line of the server's words; some gateways repeat the key that they were given."""
        return line(self.redactor.redact(said), 300)

    def _meaning(self, error: anthropic.APIError) -> Exception:
        if not isinstance(error, anthropic.APIStatusError):
            cause = f"{error} {error.__cause__ or ''}"
            return _Passing(f"no connection to the server ({self._clean(cause)})")
        kind, status = error.type or "", error.status_code
        said = self._clean(error.api_message or str(error))
        if status == 401 or kind == "authentication_error":
            return ProposerError(self._refused_key(said))
        why = _why_lasting(error)
        if why is None:
            return _Passing(f"HTTP {status} {kind}: {said}", _retry_after(error.response))
        return ProposerError(
            f"the service refused the request (HTTP {status}): {said}\n"
            f"usually: {why.format(model=self.claude.model)}.\n"
            "do: settle that, then start again with --resume; everything so far is kept."
        )

    def _refused_key(self, said: str) -> str:
        name = self._variable or "the credentials"
        return (
            f"the service refused the key in {name}: {self._clean(said)}\n"
            "usually: it was revoked, belongs to another service, or was cut when it was copied.\n"
            f"do: put a valid key into {name} (in GitHub Actions: the secret that fills it), or "
            "use `proposer: search`, which needs none."
        )

    def _gave_up(self, error: _Passing, tried: int) -> str:
        return (
            f"the model gave no usable answer in {tried} tries; the last failure: {error}\n"
            "usually: the service is down or overloaded, a rate limit is lower than this run "
            "needs, or the network is cut.\n"
            "do: start again later with --resume; everything so far is kept."
        )


def _why_lasting(error: anthropic.APIStatusError) -> str | None:
    """Why another try would fail as well; `None` when it may not. `{model}` is to be filled in."""
    kind, status = error.type or "", error.status_code
    if status == 402 or kind == "billing_error" or "spend_limit" in (error.error_code or ""):
        return "a spending or usage limit was reached"
    if error.response.headers.get("x-should-retry") == "false":
        return "the service says a retry is useless"
    nameless = status == 200 and not kind  # an error in the stream that says nothing
    if status in _BUSY or status >= 500 or kind in _PASSING or nameless:
        return None
    return _USUAL.get(status, "the model or the server does not accept what we send")


def _read(stream: anthropic.MessageStream[Any], heard: _Heard, abandoned: threading.Event) -> Turn:
    """Read a stream to its end. Raises `_Passing` when it ends early: half an answer is none."""
    for event in stream:
        if abandoned.is_set():
            break
        heard.event(event)
        if event.type in ("message_start", "message_delta"):
            heard.usage = stream.current_message_snapshot.usage.to_dict(warnings=False)
    if not (heard.usage and heard.finished):
        raise _Passing("the answer broke off")
    return _turn(stream.current_message_snapshot, heard.arguments)


class _Heard:
    """What the events of a stream tell that the SDK's message does not."""

    def __init__(self) -> None:
        self.finished = False
        self.usage: Mapping[str, Any] = {}
        """As of the newest event that tells; empty: nothing has begun."""
        self.arguments: defaultdict[int, str] = defaultdict(str)
        """Of the tool call in each block, as they were sent."""

    def event(self, event: Any) -> None:
        if event.type == "message_stop":
            self.finished = True
        elif event.type == "content_block_delta" and event.delta.type == "input_json_delta":
            self.arguments[event.index] += event.delta.partial_json


def _turn(message: anthropic.types.Message, arguments: Mapping[int, str]) -> Turn:
    """A whole message. The SDK reads arguments leniently, also those of a call that was cut."""
    if message.stop_reason is None:
        raise _Passing("the answer ended without a stop reason")
    broken = set()
    content = []
    for index, block in enumerate(message.content):
        sent = block.to_dict(mode="json", warnings=False)
        if block.type == "tool_use":
            if not _is_object(arguments.get(index), block.input):
                broken.add(block.id)
            if not isinstance(sent.get("input"), dict):
                sent["input"] = {}  # the service takes back nothing but an object
        content.append(sent)
    details = message.stop_details
    return Turn(
        content=content,
        stop_reason=message.stop_reason,
        refusal=str(details.category or "") if details else "",
        broken_calls=frozenset(broken),
    )


def _is_object(text: str | None, parsed: object) -> bool:
    if not text:
        return isinstance(parsed, dict)
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False


def _retry_after(response: httpx2.Response) -> float | None:
    for name, unit in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        try:
            return max(0.0, float(response.headers.get(name, "")) / unit)
        except ValueError:
            continue
    return None
