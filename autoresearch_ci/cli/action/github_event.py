"""What the runner and, where it matters, GitHub's API say about the event that started us."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from autoresearch_ci.cli.action.inputs import Refs
from autoresearch_ci.cli.action.trigger import Trigger, needs_permission
from autoresearch_ci.errors import ConfigError
from autoresearch_ci.publish.forge.github_api import GitHubTrust

_NO_COMMIT = "0" * 40


def read_trigger(environment: Mapping[str, str], token: str) -> Trigger:
    """The event, with the actor's permission where `trigger.decide` asks for it.

    Raises `ConfigError` when there should be a payload and there is none.
    """
    event = environment.get("GITHUB_EVENT_NAME", "")
    payload = read_payload(environment) if event else {}
    actor = environment.get("GITHUB_TRIGGERING_ACTOR") or environment.get("GITHUB_ACTOR", "")
    permission = head_repository = None
    if needs_permission(event):
        trust = _trust(environment, token)
        permission = trust.permission(actor)
        issue = payload.get("issue")
        if isinstance(issue, Mapping) and "pull_request" in issue:
            head = trust.head_repository(str(issue.get("number", "")))
            head_repository = head.lower() if head else None
    return Trigger(
        event=event,
        payload=payload,
        actor=actor,
        ref=environment.get("GITHUB_REF", ""),
        permission=permission,
        head_repository=head_repository,
    )


def _trust(environment: Mapping[str, str], token: str) -> GitHubTrust:
    return GitHubTrust(
        slug=environment.get("GITHUB_REPOSITORY", ""),
        token=token,
        api=environment.get("GITHUB_API_URL", "https://api.github.com"),
    )


def compared_refs(trigger: Trigger, folder: Path) -> Refs:
    """What a gate on this event compares. The pull request's text is put into `folder`.

    What is checked out is the head: of a pull request that is the merge with its base, so the
    comparison shows what merging does.
    """
    claim = ""
    pull_request = trigger.payload.get("pull_request")
    body = pull_request.get("body") if isinstance(pull_request, Mapping) else None
    if isinstance(body, str) and body:
        path = folder / "claim.md"
        path.write_text(body, encoding="utf-8", errors="replace")
        claim = str(path)
    return Refs(base=base_of(trigger.event, trigger.payload), claim=claim)


def base_of(event: str, payload: Mapping[str, Any]) -> str:
    """What the head of this event is to be compared with; empty: it does not say."""
    pull_request = payload.get("pull_request")
    if isinstance(pull_request, Mapping):
        return _sha(pull_request.get("base"), "sha")
    if event == "merge_group":
        return _sha(payload.get("merge_group"), "base_sha")
    if event != "push":
        return ""
    base = _sha(payload, "before")
    # The first push of a branch: all that it adds.
    return f"{_default_branch(payload)}..." if base == _NO_COMMIT else base


def _default_branch(payload: Mapping[str, Any]) -> str:
    """As a clone knows it; what the event does not say, the clone may."""
    repository = payload.get("repository")
    name = repository.get("default_branch") if isinstance(repository, Mapping) else None
    return f"origin/{name}" if isinstance(name, str) and name else "origin/HEAD"


def _sha(value: object, key: str) -> str:
    found = value.get(key) if isinstance(value, Mapping) else None
    return found if isinstance(found, str) and found.isalnum() else ""


def read_payload(environment: Mapping[str, str]) -> dict[str, Any]:
    """What the runner knows of the event. Raises `ConfigError`."""
    path = environment.get("GITHUB_EVENT_PATH", "")
    try:
        payload = json.loads(Path(path).read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(
            f"GITHUB_EVENT_PATH={path}: the event that started this job cannot be read ({error}).\n"
            "usually: the runner's files are not visible in this container."
        ) from error
    return payload if isinstance(payload, dict) else {}
