"""What the runner and, where it matters, GitHub's API say about the event that started us."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from autoresearch_ci.cli.action.inputs import Refs
from autoresearch_ci.cli.action.trigger import Trigger, needs_permission
from autoresearch_ci.errors import ConfigError

_PATIENCE = 20
"""Seconds for an answer of the API; without one the answer is no."""
_ANSWER = 1 << 20
_NO_COMMIT = "0" * 40


def read_trigger(environment: Mapping[str, str], token: str) -> Trigger:
    """The event, with the actor's permission where `trigger.decide` asks for it.

    Raises `ConfigError` when there should be a payload and there is none.
    """
    event = environment.get("GITHUB_EVENT_NAME", "")
    payload = _payload(environment) if event else {}
    actor = environment.get("GITHUB_TRIGGERING_ACTOR") or environment.get("GITHUB_ACTOR", "")
    permission = head_repository = None
    if needs_permission(event):
        ask = _Api(environment, token)
        permission = ask.text("permission", "collaborators", actor, "permission")
        pull_request = payload.get("issue")
        if isinstance(pull_request, Mapping) and "pull_request" in pull_request:
            number = str(pull_request.get("number", ""))
            found = ask.answer("pulls", number).get("head")
            repository = found.get("repo") if isinstance(found, dict) else None
            name = repository.get("full_name") if isinstance(repository, dict) else None
            head_repository = name.lower() if isinstance(name, str) else None
    return Trigger(
        event=event,
        payload=payload,
        actor=actor,
        ref=environment.get("GITHUB_REF", ""),
        permission=permission,
        head_repository=head_repository,
    )


def compared_refs(trigger: Trigger, folder: Path) -> Refs:
    """What a gate on this event compares. The pull request's text is put into `folder`.

    What is checked out is the head: of a pull request that is the merge with its base, so the
    comparison shows what merging does.
    """
    payload, base, claim = trigger.payload, "", ""
    pull_request = payload.get("pull_request")
    if isinstance(pull_request, Mapping):
        base = _sha(pull_request.get("base"), "sha")
        if isinstance(body := pull_request.get("body"), str) and body:
            path = folder / "claim.md"
            path.write_text(body, encoding="utf-8", errors="replace")
            claim = str(path)
    elif trigger.event == "merge_group":
        base = _sha(payload.get("merge_group"), "base_sha")
    elif trigger.event == "push":
        base = _sha(payload, "before")
    return Refs(base="" if base == _NO_COMMIT else base, claim=claim)


def _sha(value: object, key: str) -> str:
    found = value.get(key) if isinstance(value, Mapping) else None
    return found if isinstance(found, str) and found.isalnum() else ""


def _payload(environment: Mapping[str, str]) -> dict[str, Any]:
    path = environment.get("GITHUB_EVENT_PATH", "")
    try:
        payload = json.loads(Path(path).read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(
            f"GITHUB_EVENT_PATH={path}: the event that started this job cannot be read ({error}).\n"
            "usually: the runner's files are not visible in this container."
        ) from error
    return payload if isinstance(payload, dict) else {}


class _Api:
    """GET below the repository; whatever goes wrong is no answer."""

    def __init__(self, environment: Mapping[str, str], token: str) -> None:
        api = environment.get("GITHUB_API_URL", "https://api.github.com").rstrip("/")
        self._root = f"{api}/repos/{environment.get('GITHUB_REPOSITORY', '')}"
        self._headers = {"Accept": "application/vnd.github+json"}
        if token:
            self._headers["Authorization"] = f"Bearer {token}"

    def answer(self, *parts: str) -> dict[str, Any]:
        from http.client import HTTPException
        from urllib.parse import quote
        from urllib.request import HTTPRedirectHandler, Request, build_opener

        class NoRedirects(HTTPRedirectHandler):
            """The token must not follow to another host."""

            def redirect_request(self, *_: object, **__: object) -> None:
                return None

        path = "/".join(quote(part, safe="") for part in parts)
        request = Request(f"{self._root}/{path}", headers=self._headers)
        try:
            with build_opener(NoRedirects).open(request, timeout=_PATIENCE) as response:
                found = json.loads(response.read(_ANSWER))
        except (OSError, HTTPException, ValueError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}

    def text(self, key: str, *parts: str) -> str | None:
        found = self.answer(*parts).get(key)
        return found if isinstance(found, str) else None
