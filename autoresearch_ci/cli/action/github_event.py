"""What the runner and, where it matters, GitHub's API say about the event that started us."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from autoresearch_ci.cli.action.inputs import Refs
from autoresearch_ci.cli.action.trigger import Trigger, needs_permission
from autoresearch_ci.errors import ConfigError
from autoresearch_ci.publish.forge.github_trust import GitHubTrust

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
        if base == _NO_COMMIT:  # the first push of a branch: all that it adds
            base = f"{_default_branch(payload)}..."
    return Refs(base=base, claim=claim)


def _default_branch(payload: Mapping[str, Any]) -> str:
    """As a clone knows it; what the event does not say, the clone may."""
    repository = payload.get("repository")
    name = repository.get("default_branch") if isinstance(repository, Mapping) else None
    return f"origin/{name}" if isinstance(name, str) and name else "origin/HEAD"


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
