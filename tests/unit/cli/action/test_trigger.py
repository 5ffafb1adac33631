"""Which events start us, with what: the whole table, and every doubt is a no."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from autoresearch_ci.cli.action.trigger import GATE, Permit, Trigger, decide

US, THEM = "us/project", "them/project"


def of(head: str | None, ref: str = "topic") -> dict[str, Any]:
    """The payload of a pull request; without a head when its fork was deleted."""
    repo = {"full_name": head} if head else None
    return {
        "pull_request": {
            "head": {"ref": ref, "repo": repo},
            "base": {"repo": {"full_name": US}},
        },
        "repository": {"full_name": US},
    }


def ran(head: str | None) -> dict[str, Any]:
    repository = {"full_name": head} if head else None
    return {"workflow_run": {"head_repository": repository}, "repository": {"full_name": US}}


ON_PULL_REQUEST = {"issue": {"pull_request": {}}, "repository": {"full_name": US}}
ON_ISSUE = {"issue": {"number": 1}, "repository": {"full_name": US}}
RUN, DEGRADE, SKIP, REFUSE = Permit


@pytest.mark.parametrize(
    ("event", "payload", "more", "expected"),
    [
        ("", {}, {}, RUN),
        ("schedule", {}, {"actor": "github-actions[bot]"}, RUN),
        ("workflow_dispatch", {}, {}, RUN),
        ("push", {}, {"ref": "refs/heads/main"}, RUN),
        ("push", {}, {"ref": "refs/heads/autoresearch/nightly"}, SKIP),
        ("push", {}, {"ref": "refs/heads/perf/a", "branches": "perf/{tag}"}, SKIP),
        ("push", {}, {"ref": "refs/heads/perfect", "branches": "perf/{tag}"}, RUN),
        ("push", {}, {"ref": "refs/heads/main", "branches": "{tag}"}, RUN),
        ("push", {}, {"ref": ""}, RUN),
        ("push", {}, {"actor": "github-actions[bot]"}, SKIP),
        ("pull_request", of(US), {}, RUN),
        ("pull_request", of(US.upper()), {}, RUN),
        ("pull_request", of(THEM), {}, DEGRADE),
        ("pull_request", of(None), {}, DEGRADE),
        ("pull_request", {}, {}, DEGRADE),
        ("pull_request", {"pull_request": "?"}, {}, DEGRADE),
        ("pull_request", of(US), {"actor": "dependabot[bot]"}, DEGRADE),
        ("pull_request", of(US, "autoresearch/t"), {}, SKIP),
        ("pull_request", of(THEM, "autoresearch/t"), {}, DEGRADE),
        ("pull_request", of(US, "perf/t"), {"branches": "perf/{tag}"}, SKIP),
        ("pull_request_target", of(THEM), {"permission": "admin"}, REFUSE),
        ("pull_request_target", of(None), {"permission": "admin"}, REFUSE),
        ("pull_request_target", {}, {"permission": "admin"}, REFUSE),
        ("pull_request_target", of(US), {}, REFUSE),
        ("pull_request_target", of(US), {"permission": "write"}, RUN),
        ("workflow_run", ran(US), {}, RUN),
        ("workflow_run", ran(THEM), {}, REFUSE),
        ("workflow_run", ran(None), {}, REFUSE),
        ("workflow_run", {}, {}, REFUSE),
        ("issue_comment", ON_PULL_REQUEST, {"permission": "admin"}, REFUSE),
        (
            "issue_comment",
            ON_PULL_REQUEST,
            {"permission": "admin", "head_repository": THEM},
            REFUSE,
        ),
        ("issue_comment", ON_PULL_REQUEST, {"permission": "read", "head_repository": US}, REFUSE),
        ("issue_comment", ON_PULL_REQUEST, {"permission": "write", "head_repository": US}, RUN),
        ("issue_comment", ON_ISSUE, {"actor": "github-actions[bot]"}, SKIP),
        *(
            ("issue_comment", ON_ISSUE, {"actor": "a", "permission": permission}, expected)
            for permission, expected in (
                ("admin", RUN),
                ("maintain", RUN),
                ("write", RUN),
                ("triage", REFUSE),
                ("read", REFUSE),
                ("none", REFUSE),
                ("", REFUSE),
                (None, REFUSE),
            )
        ),
        ("issues", ON_ISSUE, {}, REFUSE),
        ("pull_request_review", of(THEM), {"permission": "admin"}, REFUSE),
        ("something_new", {}, {"permission": "admin"}, REFUSE),
    ],
)
def test_an_event_allows_this_and_no_more(
    event: str, payload: Mapping[str, Any], more: Mapping[str, Any], expected: Permit
) -> None:
    found = decide(Trigger(event=event, payload=payload, **more), "run")
    assert found.permit is expected
    assert bool(found.reason) is (expected is not RUN)


@pytest.mark.parametrize(
    ("branch", "named", "expected"),
    [
        ("perf/t", "perf/{tag}", SKIP),
        ("perf/t-2", "perf/{tag}", SKIP),
        ("perf-bot", "perf-bot", SKIP),
        ("perf-bot-2", "perf-bot", SKIP),
        ("bot/t/x-13", "bot/{tag}/x", SKIP),
        ("perf-bot-two", "perf-bot", RUN),
        ("perf-bot2", "perf-bot", RUN),
        ("topic-2", "{tag}", RUN),
        ("topic-2", "", RUN),
    ],
)
def test_a_branch_of_ours_is_known_by_its_number_too(
    branch: str, named: str, expected: Permit
) -> None:
    pushed = Trigger(event="push", payload={}, ref=f"refs/heads/{branch}", branches=named)
    asked = Trigger(event="pull_request", payload=of(US, branch), branches=named)
    assert [decide(trigger, "run").permit for trigger in (pushed, asked)] == [expected] * 2


def test_a_gate_looks_at_our_own_pull_request() -> None:
    trigger = Trigger(
        event="pull_request",
        payload=of(US, "autoresearch/nightly"),
        actor="github-actions[bot]",
    )
    assert decide(trigger, "compare").permit is RUN
    assert decide(trigger, GATE).permit is RUN
    assert decide(trigger, "run").permit is SKIP
    assert decide(trigger, "fix").permit is SKIP
