"""What our GitHub refuses to be asked: each rule can be broken."""

from __future__ import annotations

import pytest

from tests.github_shapes import answer_problems, request_problems

REPO = "/repos/owner/name"
NEW = {"head": "a", "base": "main", "title": "t"}
PULL = {
    "number": 1,
    "node_id": "n",
    "url": "u",
    "issue_url": "i",
    "html_url": "h",
    "title": "t",
    "state": "open",
    "merged_at": None,
    "draft": True,
    "body": None,
    "labels": [],
    "user": {"login": "l"},
    "head": {"ref": "a", "label": "o:a"},
    "base": {"ref": "main"},
}


@pytest.mark.parametrize(
    ("request_", "query", "body"),
    [
        (f"GET {REPO}/pulls", {"state": "all", "head": "owner:a", "per_page": "100"}, None),
        (f"POST {REPO}/pulls", {}, {**NEW, "draft": True}),
        (f"PATCH {REPO}/pulls/1", {}, {"body": "b"}),
        (f"POST {REPO}/issues/1/labels", {}, ["a"]),
        ("POST /app/installations/77/access_tokens", {}, {}),
    ],
)
def test_what_github_describes_may_be_asked(
    request_: str, query: dict[str, str], body: object
) -> None:
    assert list(request_problems(request_, query, body)) == []


@pytest.mark.parametrize(
    ("request_", "query", "body", "problem"),
    [
        (f"GET {REPO}/pulls", {"status": "all"}, None, "status"),
        (f"GET {REPO}/pulls", {"state": "merged"}, None, "merged"),
        (f"GET {REPO}/pulls", {"head": "branch-without-owner"}, None, "head"),
        (f"GET {REPO}/pulls", {"per_page": "101"}, None, "per_page"),
        (f"POST {REPO}/pulls", {}, {**NEW, "reviewers": ["a"]}, "reviewers"),
        (f"POST {REPO}/pulls", {}, {"head": "a", "title": "t"}, "base"),
        (f"POST {REPO}/pulls", {}, {**NEW, "draft": "true"}, "draft"),
        (f"PATCH {REPO}/pulls/1", {}, {"draft": False}, "draft"),
        (f"PATCH {REPO}/pulls/1", {}, {"state": "merged"}, "merged"),
        (f"POST {REPO}/issues/1/labels", {}, [], "body"),
        (f"POST {REPO}/issues/1/comments", {}, {"text": "t"}, "text"),
        (f"POST {REPO}/merges", {}, {"base": "a"}, "head"),
        (f"DELETE {REPO}/git/refs/heads/a", {}, None, "no such operation"),
        (f"GET {REPO}/pulls/new", {}, None, "no such operation"),
    ],
)
def test_nothing_else_may_be_asked(
    request_: str, query: dict[str, str], body: object, problem: str
) -> None:
    assert any(problem in found for found in request_problems(request_, query, body))


def test_our_server_answers_as_github_does() -> None:
    assert list(answer_problems(f"POST {REPO}/pulls", 201, PULL)) == []
    assert list(answer_problems(f"POST {REPO}/pulls", 200, PULL))
    assert list(answer_problems(f"GET {REPO}/pulls/1", 200, {**PULL, "state": "merged"}))
    assert list(answer_problems(f"GET {REPO}/pulls", 200, [{**PULL, "merged_at": "yesterday"}]))
