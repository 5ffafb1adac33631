"""May this event start us, and with what? Decided from values alone, and closed when in doubt.

The classic holes of workflows: https://docs.github.com/actions/reference/security/secure-use
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Permit(StrEnum):
    """What a job may do."""

    RUN = "run"
    DEGRADE = "degrade"
    """No secret, no token, nothing published: log, summary, annotations and exit code only."""
    SKIP = "skip"
    """Do nothing and succeed: we do not react to ourselves."""
    REFUSE = "refuse"
    """Do nothing and fail."""


@dataclass(frozen=True, kw_only=True)
class Trigger:
    """What the runner says about the event."""

    event: str
    """`GITHUB_EVENT_NAME`; empty outside of GitHub Actions."""
    payload: Mapping[str, Any]
    actor: str = ""
    ref: str = ""
    """`GITHUB_REF`."""
    permission: str | None = None
    """The actor's permission on the repository; `None`: not asked, or nobody could say."""
    head_repository: str | None = None
    """Of the pull request that was commented on; `None`: not asked, or nobody could say."""
    branches: str = ""
    """What the configuration calls our branches, with `{tag}`; empty: nobody could say."""


@dataclass(frozen=True, kw_only=True)
class Permission:
    """The decision and the sentence that explains it."""

    permit: Permit
    reason: str = ""


OURS = frozenset({"github-actions[bot]"})
OUR_BRANCHES = "autoresearch/"
_READ_ONLY = frozenset({"dependabot[bot]"})
"""GitHub gives their pull requests neither secrets nor a token that may write."""
_MAY_WRITE = frozenset({"admin", "maintain", "write"})
_DELIBERATE = frozenset(
    {"schedule", "workflow_dispatch", "repository_dispatch", "merge_group", "release"}
)
"""Only people with write access, or their own automation, can cause these."""
_ASKED_FOR = frozenset({"issue_comment", "issues", "label", "discussion", "discussion_comment"})
"""Anyone can cause these: the actor needs write permission."""
GATE = "fix --check"
"""What `decide` is told of a command that only looks."""
ECHO = "AUTORESEARCH_CI_ECHO"
"""What a gate that repairs finds in its environment where only looking is left to it."""
_CHANGES_NOTHING = frozenset({"compare", "doctor", "debug", GATE})


def needs_permission(event: str) -> bool:
    """Whether `decide` asks for the actor's permission."""
    return event in _ASKED_FOR or event == "pull_request_target"


def decide(trigger: Trigger, command: str) -> Permission:
    """What this event allows `command` to do."""
    if not trigger.event:
        return _allowed(trigger)
    if command not in _CHANGES_NOTHING and (own := _by_ourselves(trigger)):
        return Permission(permit=Permit.SKIP, reason=own)
    return _RULES.get(trigger.event, _unknown)(trigger)


def _by_ourselves(trigger: Trigger) -> str:
    """Why this is an echo of our own work; empty when it is none."""
    branch = trigger.ref.removeprefix("refs/heads/")
    head = mapping_at(mapping_at(trigger.payload, "pull_request"), "head").get("ref")
    if trigger.event == "push" and _is_ours(branch, trigger.branches):
        return f"this push is to {branch}, a branch of our own."
    ours = isinstance(head, str) and _is_ours(head, trigger.branches)
    if ours and not _is_fork(trigger.payload):
        return f"this is about our own pull request, from {head}."
    if trigger.actor in OURS and trigger.event not in _DELIBERATE:
        return f"{trigger.actor} caused this event, and we do not react to ourselves."
    return ""


def _is_ours(branch: str, named: str) -> bool:
    own = re.escape(named).replace(r"\{tag\}", ".+")
    # With a number where the name was taken.
    return branch.startswith(OUR_BRANCHES) or (
        own not in ("", ".+") and bool(re.fullmatch(rf"{own}(-\d+)?", branch))
    )


def _allowed(trigger: Trigger) -> Permission:
    return Permission(permit=Permit.RUN)


def _pull_request(trigger: Trigger) -> Permission:
    if _is_fork(trigger.payload) or trigger.actor in _READ_ONLY:
        return Permission(
            permit=Permit.DEGRADE,
            reason="this pull request comes from a fork or from Dependabot, so there are no "
            "secrets and nothing can be published: results are in this summary and the log.",
        )
    return _allowed(trigger)


def _pull_request_target(trigger: Trigger) -> Permission:
    return _fork_refused(trigger, _is_fork(trigger.payload)) or _by_permission(trigger)


def _workflow_run(trigger: Trigger) -> Permission:
    head = _name(mapping_at(mapping_at(trigger.payload, "workflow_run"), "head_repository"))
    foreign = head is None or head != _name(mapping_at(trigger.payload, "repository"))
    return _fork_refused(trigger, foreign) or _allowed(trigger)


def _asked_for(trigger: Trigger) -> Permission:
    return _fork_refused(trigger, _comments_on_fork(trigger)) or _by_permission(trigger)


def _unknown(trigger: Trigger) -> Permission:
    return _refused(
        f"the event {trigger.event!r} is not one that autoresearch-ci knows to be safe.\n"
        "do: start it on schedule, workflow_dispatch, push or pull_request."
    )


_RULES: Mapping[str, Callable[[Trigger], Permission]] = {
    **dict.fromkeys((*_DELIBERATE, "push"), _allowed),
    "pull_request": _pull_request,
    "pull_request_target": _pull_request_target,
    "workflow_run": _workflow_run,
    **dict.fromkeys(_ASKED_FOR, _asked_for),
}


def _fork_refused(trigger: Trigger, fork: bool) -> Permission | None:
    if not fork:
        return None
    return _refused(
        f"{trigger.event} gives this job your secrets and a token that may write, but the code to "
        "run would come from a fork, or from nobody knows where.\n"
        "usually: the workflow wants to help with pull requests of outsiders.\n"
        "do: use  on: pull_request  instead; it runs without secrets."
    )


def _by_permission(trigger: Trigger) -> Permission:
    if trigger.permission in _MAY_WRITE:
        return _allowed(trigger)
    found = trigger.permission or "unknown"
    return _refused(
        f"{trigger.actor or 'the actor'} has no write permission here (it is: {found}).\n"
        "do: let somebody who may write to this repository ask for it."
    )


def _comments_on_fork(trigger: Trigger) -> bool:
    if "pull_request" not in mapping_at(trigger.payload, "issue"):
        return False
    here = _name(mapping_at(trigger.payload, "repository"))
    return trigger.head_repository is None or trigger.head_repository != here


def _is_fork(payload: Mapping[str, Any]) -> bool:
    """True as well when the payload does not say: a deleted fork, a payload cut short."""
    pull_request = mapping_at(payload, "pull_request")
    head = _name(mapping_at(mapping_at(pull_request, "head"), "repo"))
    base = _name(mapping_at(mapping_at(pull_request, "base"), "repo"))
    return head is None or head != base


def mapping_at(value: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """What is no mapping is an empty one."""
    found = value.get(key)
    return found if isinstance(found, Mapping) else {}


def _name(repository: Mapping[str, Any]) -> str | None:
    name = repository.get("full_name")
    return name.lower() if isinstance(name, str) and name else None


def _refused(reason: str) -> Permission:
    return Permission(permit=Permit.REFUSE, reason=reason)
