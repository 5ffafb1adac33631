"""As whom we come to GitHub's API, and what it answers: repeat it, wait, or explain the refusal.

Whom GitHub trusts is asked before anything is run on an event that anybody can cause, so there
every doubt is no answer: an error, a redirection, an answer of another shape. Nothing of that is
tried twice.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

from autoresearch_ci.errors import ConfigError
from autoresearch_ci.publish.forge.forge_refusals import (
    BY_STATUS,
    TRANSIENT,
    ForgeRefused,
    PublishPlace,
    RefusalKind,
    classify,
    explain,
)

if TYPE_CHECKING:
    import github
    from github import GithubIntegration
    from github.Auth import Auth


_TOKENS = ("AUTORESEARCH_TOKEN", "GITHUB_TOKEN", "GH_TOKEN")


class Credentials:
    """Of one repository; no message and no repr of it has a secret."""

    def __init__(
        self, slug: str, environment: Mapping[str, str], *, api: str, patiently: Patience
    ) -> None:
        """`slug`: `owner/name`. Raises `ConfigError` when there is no token and no app."""
        self._slug = slug
        self._api = api
        self._patiently = patiently
        self._known: Auth | None = None
        self._token = next((t for name in _TOKENS if (t := environment.get(name))), "")
        self._app_id = environment.get("AUTORESEARCH_APP_ID", "")
        self._app_key = environment.get("AUTORESEARCH_APP_PRIVATE_KEY", "")
        self._is_app = bool(self._app_id and self._app_key)
        self.timeout = 20
        """Seconds for one answer."""
        if not self._token and not self._is_app:
            raise ConfigError(
                "publish: github needs a token, and there is none.\n"
                "usually: the step has no `token` input or GITHUB_TOKEN variable.\n"
                "do: env: {GITHUB_TOKEN: ${{ github.token }}}, or app-id and app-private-key; "
                "without one, use --publish local or --publish bundle."
            )

    @property
    def auth(self) -> Auth:
        """What PyGithub authenticates with. Raises `ForgeRefused` or `ConfigError`."""
        if self._known is None:
            from github import Auth

            self._known = self._installation() if self._is_app else Auth.Token(self._token)
        return self._known

    def token(self) -> str:
        """For git; an app's comes from the API, and is renewed when it is about to expire."""
        return self._patiently(lambda: self.auth.token)

    def app_login(self) -> str:
        """The app's own login; empty when we come with a token."""
        if not self._is_app:
            return ""
        return self._patiently(lambda: f"{self._integration().get_app().slug}[bot]")

    def _installation(self) -> Auth:
        """Tokens live an hour; PyGithub's object renews them."""
        from jwt import PyJWTError

        owner, name = self._slug.split("/")
        integration = self._integration()
        try:
            found = self._patiently(lambda: integration.get_repo_installation(owner, name))
        except (PyJWTError, ValueError) as error:  # the key is not PEM; its text must not be shown
            raise ConfigError(
                "app-private-key is no private key in PEM format.\n"
                "usually: the secret lost its line ends, or holds the app's client secret.\n"
                "do: paste the whole .pem file, from -----BEGIN to -----END."
            ) from error
        app: Any = integration.auth
        auth: Auth = app.get_installation_auth(found.id, requester=found.requester)
        return auth

    def _integration(self) -> GithubIntegration:
        from github import Auth, GithubIntegration

        return GithubIntegration(
            auth=Auth.AppAuth(self._app_id, self._app_key),
            base_url=self._api,
            timeout=self.timeout,
            retry=None,
        )


T = TypeVar("T")
_PATIENCE = 120.0
"""Seconds that we wait at most because the server says so."""


@dataclass(kw_only=True)
class Patience:
    """Asks, again while that may help."""

    place: PublishPlace
    sleep: Callable[[float], None] = time.sleep
    waits: Sequence[float] = (2.0, 10.0, 60.0)
    """Seconds before further tries, when the server does not say."""

    def __call__(self, question: Callable[[], T]) -> T:
        """One exchange. Raises `ForgeRefused`."""
        import github
        import requests

        waits = iter(self.waits)
        while True:
            refused: ForgeRefused | None = None
            try:
                return question()
            except ForgeRefused as error:  # who asks has understood it already
                refused, kind, said, wanted = error, error.kind, "", error.wanted
            except github.GithubException as error:
                kind, said, wanted = _understood(error)
            except requests.exceptions.SSLError:
                kind, said, wanted = RefusalKind.CERTIFICATE, "SSLError", None
            except (requests.RequestException, AssertionError) as error:
                # PyGithub asserts that addresses in an answer are those of the API.
                kind, wanted = RefusalKind.UNREACHABLE, None
                said = type(error).__name__
            wait = next(waits, None) if kind in TRANSIENT else None
            if wait is None or (wanted or 0) > _PATIENCE:
                raise refused or explain(kind, said, self.place)
            self.sleep(wait if wanted is None else wanted + 1)


def _understood(error: github.GithubException) -> tuple[RefusalKind, str, float | None]:
    """Why, what it said, and how long the server wants us to wait."""
    said = _text(error)
    headers = {name.lower(): value for name, value in (error.headers or {}).items()}
    kind = _kind(error.status, said)
    if kind is not RefusalKind.RATE_LIMIT:
        return kind, said, None
    if headers.get("retry-after", "").isdigit():
        return kind, said, float(headers["retry-after"])
    if headers.get("x-ratelimit-remaining") == "0" and headers.get("x-ratelimit-reset"):
        return kind, said, max(0.0, float(headers["x-ratelimit-reset"]) - time.time())
    return kind, said, None


def _kind(status: int, said: str) -> RefusalKind:
    lowered = said.lower()
    if status == 422:
        for text, kind in (
            ("already exists", RefusalKind.EXISTS),
            ("draft pull requests are not supported", RefusalKind.NO_DRAFTS),
            ("no commits between", RefusalKind.NOTHING_NEW),
            ("field: base", RefusalKind.NO_BASE),
        ):
            if text in lowered:
                return kind
        return RefusalKind.OTHER
    known = classify(said)
    if status == 429 or (status == 403 and known is RefusalKind.RATE_LIMIT):
        return RefusalKind.RATE_LIMIT
    if status >= 500:
        return RefusalKind.UNREACHABLE
    if known in (RefusalKind.OTHER, RefusalKind.MOVED):
        return BY_STATUS.get(status, RefusalKind.OTHER)
    return known


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


# --- Trust ----------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class GitHubTrust:
    """The two questions about one repository."""

    slug: str
    """`owner/name`."""
    token: str = ""
    """Empty: asked as nobody."""
    api: str = "https://api.github.com"
    timeout: int = 20
    """Seconds for an answer."""

    def permission(self, login: str) -> str | None:
        """`admin`, `write`, `read` or `none`; `None`: nobody could say."""
        return _text_at(
            self._answer(f"collaborators/{quote(login, safe='')}/permission"), "permission"
        )

    def head_repository(self, pull_request: str) -> str | None:
        """`owner/name` that a pull request's commits come from, by its number.

        `None`: it was deleted, or nobody could say.
        """
        answer = self._answer(f"pulls/{quote(pull_request, safe='')}")
        return _text_at(answer, "head", "repo", "full_name")

    def _answer(self, path: str) -> object:
        import github

        try:
            client = github.Github(
                auth=github.Auth.Token(self.token) if self.token else None,
                base_url=self.api.rstrip("/"),
                timeout=self.timeout,
                retry=None,
                seconds_between_requests=0,
            )
            # Its typed calls take the body of a redirection for an answer.
            status, _, text = client.requester.requestJson("GET", f"/repos/{self.slug}/{path}")
            return json.loads(text) if status == 200 else None
        except (
            github.GithubException,
            OSError,  # of the network, as requests raises them
            ValueError,
            AssertionError,  # this and the next: of an address that is none
            AttributeError,
            RuntimeError,  # of a redirection to another host, or an answer too deep to read
        ):
            return None


def _text_at(found: object, *keys: str) -> str | None:
    for key in keys:
        found = found.get(key) if isinstance(found, Mapping) else None
    return found if isinstance(found, str) else None
