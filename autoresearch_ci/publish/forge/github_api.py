"""What GitHub's API answers, understood: repeat it, wait as it says, or explain the refusal."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from autoresearch_ci.publish.forge.refusals import TRANSIENT, Kind, Place, classify, explain

if TYPE_CHECKING:
    import github

T = TypeVar("T")
_PATIENCE = 120.0
"""Seconds that we wait at most because the server says so."""


@dataclass(kw_only=True)
class Patience:
    """Asks, again while that may help."""

    place: Place
    sleep: Callable[[float], None] = time.sleep
    waits: Sequence[float] = (2.0, 10.0, 60.0)
    """Seconds before further tries, when the server does not say."""

    def __call__(self, question: Callable[[], T]) -> T:
        """One exchange. Raises `Refused`."""
        import github
        import requests

        waits = iter(self.waits)
        while True:
            try:
                return question()
            except github.GithubException as error:
                kind, said, wanted = _understood(error)
            except requests.exceptions.SSLError:
                kind, said, wanted = Kind.CERTIFICATE, "SSLError", None
            except (requests.RequestException, AssertionError) as error:
                # PyGithub asserts that addresses in an answer are those of the API.
                kind, wanted = Kind.UNREACHABLE, None
                said = type(error).__name__
            wait = next(waits, None) if kind in TRANSIENT else None
            if wait is None or (wanted or 0) > _PATIENCE:
                raise explain(kind, said, self.place)
            self.sleep(wait if wanted is None else wanted + 1)


def _understood(error: github.GithubException) -> tuple[Kind, str, float | None]:
    """Why, what it said, and how long the server wants us to wait."""
    said = _text(error)
    headers = {name.lower(): value for name, value in (error.headers or {}).items()}
    kind = _kind(error.status, said)
    if kind is not Kind.RATE_LIMIT:
        return kind, said, None
    if headers.get("retry-after", "").isdigit():
        return kind, said, float(headers["retry-after"])
    if headers.get("x-ratelimit-remaining") == "0" and headers.get("x-ratelimit-reset"):
        return kind, said, max(0.0, float(headers["x-ratelimit-reset"]) - time.time())
    return kind, said, None


def _kind(status: int, said: str) -> Kind:
    lowered = said.lower()
    if status == 422:
        for text, kind in (
            ("already exists", Kind.EXISTS),
            ("draft pull requests are not supported", Kind.NO_DRAFTS),
            ("no commits between", Kind.NOTHING_NEW),
            ("field: base", Kind.NO_BASE),
        ):
            if text in lowered:
                return kind
        return Kind.OTHER
    known = classify(said)
    if status == 429 or (status in (403, 429) and known is Kind.RATE_LIMIT):
        return Kind.RATE_LIMIT
    if status >= 500:
        return Kind.UNREACHABLE
    by_status = {401: Kind.CREDENTIALS, 403: Kind.FORBIDDEN, 404: Kind.NOT_FOUND}
    return by_status.get(status, Kind.OTHER) if known in (Kind.OTHER, Kind.MOVED) else known


def _text(error: github.GithubException) -> str:
    """The message and every detail, in words."""
    data = error.data if isinstance(error.data, dict) else {"message": str(error.data or "")}
    parts = [f"{error.status} {data.get('message') or ''}".strip()]
    for detail in data.get("errors") or ():
        if isinstance(detail, dict):
            parts.append(str(detail.get("message") or ""))
            parts.append(f"field: {detail.get('field', '')} {detail.get('code', '')}")
        else:
            parts.append(str(detail))
    return " / ".join(part for part in parts if part)
