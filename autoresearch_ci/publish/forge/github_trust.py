"""Whom GitHub trusts: what somebody may do to a repository, and whose code a pull request holds.

Asked before anything is run on an event that anybody can cause, so every doubt is no answer: an
error, a redirection, an answer of another shape. Nothing is tried twice.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote


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
        return _text(
            self._answer(f"collaborators/{quote(login, safe='')}/permission"), "permission"
        )

    def head_repository(self, pull_request: str) -> str | None:
        """`owner/name` that a pull request's commits come from, by its number.

        `None`: it was deleted, or nobody could say.
        """
        answer = self._answer(f"pulls/{quote(pull_request, safe='')}")
        return _text(answer, "head", "repo", "full_name")

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


def _text(found: object, *keys: str) -> str | None:
    for key in keys:
        found = found.get(key) if isinstance(found, Mapping) else None
    return found if isinstance(found, str) else None
