"""What the runner and, where it matters, GitHub's API say about the event that started us."""

from __future__ import annotations

from collections.abc import Mapping

from autoresearch_ci.cli.action.trigger import Trigger, mapping_at, needs_permission
from autoresearch_ci.cli.ci_job import read_payload
from autoresearch_ci.publish.forge.github_api import GitHubTrust


def read_trigger(environment: Mapping[str, str], token: str) -> Trigger:
    """The event, with the actor's permission where `trigger.decide` asks for it.

    Raises `ConfigError` when there should be a payload and there is none.
    """
    event = environment.get("GITHUB_EVENT_NAME", "")
    payload = read_payload(environment) if event else {}
    actor = environment.get("GITHUB_TRIGGERING_ACTOR") or environment.get("GITHUB_ACTOR", "")
    permission = head_repository = None
    if needs_permission(event):
        trust = GitHubTrust(
            slug=environment.get("GITHUB_REPOSITORY", ""),
            token=token,
            api=environment.get("GITHUB_API_URL", "https://api.github.com"),
        )
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


def claim_of(trigger: Trigger) -> str:
    """What the pull request says of itself, below its title; empty: nothing."""
    pull = mapping_at(trigger.payload, "pull_request")
    title, body = (str(pull.get(name) or "") for name in ("title", "body"))
    titled = " ".join(title.split())
    return f"# {titled}\n\n{body}" if titled and body else body
