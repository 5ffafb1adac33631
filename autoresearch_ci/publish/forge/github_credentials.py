"""As whom we come to GitHub: a token that was given, or an app whose tokens are renewed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from autoresearch_ci.errors import ConfigError
from autoresearch_ci.publish.forge.github_api import Patience

if TYPE_CHECKING:
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
        """What PyGithub authenticates with. Raises `Refused` or `ConfigError`."""
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
