"""The Messages API through the `anthropic` SDK, which only this file imports.

One request in, one whole answer out: the client, the stream, and what each failure means. A passing
one costs a retry, a lasting one is a `ProposerError`. What is asked is decided elsewhere.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import importlib
import json
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

import anthropic
import httpx2

from autoresearch_ci.errors import ProposerError
from autoresearch_ci.llm import client as client_options
from autoresearch_ci.llm.client import IDENTITY, ClaudeSettings, bounded_client, credential
from autoresearch_ci.llm.conversation import Record, Turn
from autoresearch_ci.llm.tools import Dialect
from autoresearch_ci.safety.prompt import line
from autoresearch_ci.safety.redaction import Redactor

_FIRST_WAIT, _LONGEST_WAIT = 2.0, 120.0
_PASSING = ("overloaded_error", "api_error", "rate_limit_error", "timeout_error")
"""Types of error events that another try may not meet again."""
_BELIEVED = ("permission_error", "not_found_error", "billing_error")
"""Types of errors that speak against the run before it begins."""
# What the SDK raises, besides its own errors, when a server sends something else than the protocol.
_GARBLED = (AssertionError, ValueError, TypeError, AttributeError, LookupError, RuntimeError)
_NEEDED = {"bedrock": "botocore", "vertex": "google.auth"}
_CLOUD_SDKS = ("boto3", "botocore", "google")
"""Packages whose exceptions reach us when the cloud's credentials are no good."""

_T = TypeVar("_T")
Client = anthropic.Anthropic | anthropic.AnthropicBedrock | anthropic.AnthropicVertex


class _Passing(Exception):
    """A failure that another try may not meet again."""

    def __init__(self, reason: str, wait: float | None = None) -> None:
        super().__init__(reason)
        self.wait = wait
        """Seconds the server asked us to wait."""


class MessagesService:
    """Requests in, whole answers out; tries again where that can help."""

    def __init__(
        self,
        settings: ClaudeSettings,
        environment: Mapping[str, str],
        sleep: Callable[[float], None],
        check: Callable[[], None],
        note: Callable[[str], None],
        redactor: Redactor | None = None,
    ) -> None:
        """`redactor`: what it knows is never sent."""
        self._settings = settings
        self._redactor = redactor or Redactor()
        self._variable = credential(settings, environment)
        if self._variable is None:
            raise ProposerError(_no_key(settings))
        headers = _headers(settings, environment)
        self._secrets = [environment.get(self._variable, ""), *headers.values()]
        self._client = _client(settings, environment, self._variable, headers)
        self._local = settings.tools(environment) is Dialect.PLAIN
        self._sleep = sleep
        self._check = check
        self._note = note

    def verify(self) -> None:
        """Raises `ProposerError` when key or model are no good, as far as the server can tell."""
        client, model = self._client, self._settings.model
        if not isinstance(client, anthropic.Anthropic):
            return
        try:
            self._interruptible(lambda _: client.models.retrieve(model))
        except anthropic.APIStatusError as error:
            # Compatible servers know keys, but often nothing to ask about models.
            known = not self._local and error.type in _BELIEVED
            if error.status_code == 401 or known:
                raise self._meaning(error) from error
        except anthropic.APIConnectionError as error:
            if self._local:
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
        known = ("model", "messages", "system", "tools")
        request = self._redactor.redact_all(request)
        try:
            return self._client.messages.count_tokens(
                **{name: request[name] for name in known}
            ).input_tokens
        except (anthropic.APIError, httpx2.RequestError, *_GARBLED):
            return None

    def ask(
        self,
        request: Mapping[str, Any],
        record: Record,
        before_retry: Callable[[], None] = lambda: None,
    ) -> Turn:
        """One whole answer. Raises `ProposerError` when it cannot be had.

        Broken answers are paid for as well: `before_retry` may raise when that is enough.
        """
        request = self._redactor.redact_all(request)
        waited = 0.0
        for tried in range(1, self._settings.retries + 2):
            try:
                return self._once(request, record)
            except _Passing as error:
                # Some randomness, so that machines that failed together do not return together.
                pause = min(_FIRST_WAIT * 2 ** (tried - 1), _LONGEST_WAIT)
                pause = max(pause * random.uniform(0.75, 1.25), error.wait or 0.0)
                waited += pause
                if tried > self._settings.retries or waited > self._settings.patience:
                    raise ProposerError(self._gave_up(error, tried)) from error
                before_retry()
                self._note(f"claude: {error}; try {tried + 1} in {pause:.0f} s")
                self._wait(pause)
        raise AssertionError("the last try raises")

    def _once(self, request: Mapping[str, Any], record: Record) -> Turn:
        with self._translated():
            return self._interruptible(lambda left: self._stream(request, record, left))

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
        self, request: Mapping[str, Any], record: Record, abandoned: threading.Event
    ) -> Turn:
        # Never `create`: without streaming the SDK refuses large `max_tokens`.
        with self._client.messages.stream(**request) as stream:
            try:
                return _read(stream, record, abandoned)
            except _GARBLED as error:
                text = line(str(error), 120) or type(error).__name__
                raise _Passing(f"the server's answer made no sense ({text})") from error

    def _interruptible(self, work: Callable[[threading.Event], _T]) -> _T:
        """Run `work` in a thread, so that an interrupt or the deadline need not wait for a byte."""
        future: concurrent.futures.Future[_T] = concurrent.futures.Future()
        abandoned = threading.Event()

        def run() -> None:
            try:
                future.set_result(work(abandoned))
            except BaseException as error:  # noqa: BLE001 (raised again by the waiting thread)
                future.set_exception(error)

        threading.Thread(target=run, daemon=True).start()
        deadline = time.monotonic() + self._settings.turn_seconds
        try:
            while not concurrent.futures.wait([future], timeout=0.2).done:
                self._check()
                if time.monotonic() > deadline:
                    raise _Passing(f"no whole answer in {self._settings.turn_seconds:.0f} s")
        finally:
            abandoned.set()
        return future.result()

    def _wait(self, seconds: float) -> None:
        while seconds > 0:
            self._check()
            self._sleep(min(seconds, 1.0))
            seconds -= 1.0

    # --- what a failure means ---

    def _clean(self, said: str) -> str:
        """One line of the server's words; some gateways repeat the key that they were given."""
        for secret in filter(None, self._secrets):
            said = said.replace(secret, "***")
        return line(said, 300)

    def _meaning(self, error: anthropic.APIError) -> Exception:
        if not isinstance(error, anthropic.APIStatusError):
            cause = f"{error} {error.__cause__ or ''}"
            return _Passing(f"no connection to the server ({self._clean(cause)})")
        kind, status = error.type or "", error.status_code
        said = self._clean(error.api_message or str(error))
        if status == 401 or kind == "authentication_error":
            return ProposerError(self._refused_key(said))
        again = status in (408, 409, 429) or status >= 500 or kind in _PASSING
        if status == 402 or kind == "billing_error" or "spend_limit" in (error.error_code or ""):
            return ProposerError(_lasting(said, status, "a spending or usage limit was reached"))
        if error.response.headers.get("x-should-retry") == "false":
            return ProposerError(_lasting(said, status, "the service says a retry is useless"))
        if again or (status == 200 and not kind):
            return _Passing(f"HTTP {status} {kind}: {said}", _retry_after(error.response))
        why = {
            403: "the key may not use this model or workspace",
            404: f"there is no model {self._settings.model!r} at this server",
            413: "the files in scope are too large for one request (`file_bytes`)",
        }.get(status, "the model or the server does not accept what we send")
        return ProposerError(_lasting(said, status, why))

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


def _read(stream: anthropic.MessageStream[Any], record: Record, abandoned: threading.Event) -> Turn:
    """Read a stream to its end. Raises `_Passing` when it ends early: half an answer is none."""
    started = finished = False
    arguments: dict[int, str] = {}
    try:
        for event in stream:
            if abandoned.is_set():
                break
            started = started or event.type == "message_start"
            finished = finished or event.type == "message_stop"
            if event.type == "content_block_delta" and event.delta.type == "input_json_delta":
                known = arguments.get(event.index, "")
                arguments[event.index] = known + event.delta.partial_json
    finally:
        if started and not abandoned.is_set():
            record(stream.current_message_snapshot.usage.to_dict(warnings=False))
    if not (started and finished):
        raise _Passing("the answer broke off")
    message = stream.current_message_snapshot
    if message.stop_reason is None:
        raise _Passing("the answer ended without a stop reason")
    blocks = list(message.content)
    # The SDK reads arguments leniently, and would pass on what an answer cut in the middle says.
    broken = frozenset(
        block.id
        for index, block in enumerate(blocks)
        if block.type == "tool_use" and not _is_object(arguments.get(index), block.input)
    )
    content = [block.to_dict(mode="json", warnings=False) for block in blocks]
    for sent in content:
        if sent.get("type") == "tool_use" and not isinstance(sent.get("input"), dict):
            sent["input"] = {}  # the service takes back nothing but an object
    details = message.stop_details
    return Turn(
        content=content,
        stop_reason=message.stop_reason,
        refusal=str(details.category or "") if details else "",
        broken_calls=broken,
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


def _lasting(said: str, status: int, why: str) -> str:
    return (
        f"the service refused the request (HTTP {status}): {said}\n"
        f"usually: {why}.\n"
        "do: settle that, then start again with --resume; everything so far is kept."
    )


def _no_key(settings: ClaudeSettings) -> str:
    name = settings.key_variable or "ANTHROPIC_API_KEY"
    return (
        f"proposer `claude` needs a key, and {name} is not set.\n"
        "usually: the workflow does not pass the secret on, as in a pull request from a fork.\n"
        f"do: set {name} (in GitHub Actions: `env: {{{name}: ${{{{ secrets.{name} }}}}}}`), or use "
        "`proposer: search`, which needs none."
    )


def _headers(settings: ClaudeSettings, environment: Mapping[str, str]) -> dict[str, str]:
    """The configured headers; a value `$NAME` is read from the environment."""
    headers = dict(settings.headers)
    for name, value in headers.items():
        if value.startswith("$"):
            if not environment.get(value[1:]):
                raise ProposerError(
                    f"the header {name} is to be read from {value[1:]}, which is not set.\n"
                    "usually: the workflow does not pass the secret on.\n"
                    f"do: set {value[1:]}, or remove the header from `headers`."
                )
            headers[name] = environment[value[1:]]
    return headers


def _client(
    settings: ClaudeSettings,
    environment: Mapping[str, str],
    variable: str,
    headers: Mapping[str, str],
) -> Client:
    """A client that leaves retrying to us."""
    timeout = httpx2.Timeout(settings.timeout, connect=10.0)
    options: dict[str, Any] = {
        "max_retries": 0,
        "timeout": timeout,
        "http_client": bounded_client(timeout, proxies=client_options.proxy_routes(environment)),
        "default_headers": {**client_options.custom_headers(environment), **headers},
    }
    if settings.base_url:
        options["base_url"] = settings.base_url
    try:
        if settings.provider in _NEEDED:
            importlib.import_module(_NEEDED[settings.provider])  # else missed at the first request
        if settings.provider == "bedrock":
            return anthropic.AnthropicBedrock(**options, **client_options.aws_keys(environment))
        if settings.provider == "vertex":
            return anthropic.AnthropicVertex(**options)
    except (ImportError, ValueError) as error:
        raise ProposerError(
            f"the {settings.provider} client cannot be used: {error}\n"
            f"usually: `anthropic[{settings.provider}]` is not installed, or no region is set.\n"
            f"do: pip install 'anthropic[{settings.provider}]', and set the cloud's own variables."
        ) from error
    if url := settings.url(environment):
        options["base_url"] = url
    if variable == "ANTHROPIC_AUTH_TOKEN":
        options["auth_token"] = environment[variable]
    elif variable and variable in ("ANTHROPIC_API_KEY", settings.key_variable):
        options["api_key"] = environment[variable]
    elif not variable:
        options["api_key"] = "not-needed"  # a local server: the SDK wants some key
    elif variable in IDENTITY:
        file, token, who = client_options.identity(environment)
        options["credentials"] = anthropic.WorkloadIdentityCredentials(
            identity_token_provider=anthropic.IdentityTokenFile(file) if file else lambda: token,
            **who,
        )
    try:
        return anthropic.Anthropic(**options)
    except (anthropic.AnthropicError, ValueError) as error:
        raise ProposerError(
            f"the credentials that {variable} names cannot be used: {error}\n"
            "usually: the profile or the identity token is not where the variable says.\n"
            "do: correct it, or set ANTHROPIC_API_KEY instead."
        ) from error
