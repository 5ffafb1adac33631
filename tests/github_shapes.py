"""What GitHub's REST description says of the few requests that we make, and of their answers.

Our own words for it, after github/rest-api-description (api.github.com, version 2022-11-28): every
parameter that an operation knows, whether we send it or not, and of each answer the part that we
read. Nothing else may be sent: GitHub ignores a misspelt parameter without a word.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import jsonschema

Schema = Mapping[str, Any]

TEXT = {"type": "string"}
NUMBER = {"type": "integer"}
YES_NO = {"type": "boolean"}
TEXTS = {"type": "array", "items": TEXT}
PAGES = {"per_page": {"pattern": "^([1-9][0-9]?|100)$"}, "page": {"pattern": "^[1-9][0-9]*$"}}
STAMP = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$"}


def only(needed: str = "", /, **properties: Schema) -> Schema:
    """An object of these properties, of which `needed` must be there."""
    return {
        "type": "object",
        "properties": properties,
        "required": needed.split(),
        "additionalProperties": False,
    }


def has(**properties: Schema) -> Schema:
    """An object with at least these properties."""
    return {"type": "object", "properties": properties, "required": [*properties]}


def some(items: Schema) -> Schema:
    return {"type": "array", "items": items}


PERSON = has(login=TEXT)
LABEL = has(name=TEXT)
PULL = has(
    number=NUMBER,
    node_id=TEXT,
    url=TEXT,
    issue_url=TEXT,
    html_url=TEXT,
    state={"enum": ["open", "closed"]},
    merged_at={"anyOf": [{"type": "null"}, STAMP]},
    draft=YES_NO,
    title=TEXT,
    body={"type": ["string", "null"]},
    user={"anyOf": [{"type": "null"}, PERSON]},
    head=has(ref=TEXT, label=TEXT),
    base=has(ref=TEXT),
    labels=some(LABEL),
)
COMMENT = has(
    id=NUMBER,
    url=TEXT,
    html_url=TEXT,
    user=PERSON,
    body=TEXT,
    created_at=STAMP,
    updated_at=STAMP,
)
LINE_COMMENT = has(id=NUMBER, url=TEXT, user=PERSON, body=TEXT, path=TEXT, created_at=STAMP)
LABELS = {
    "oneOf": [
        only(labels={"type": "array", "minItems": 1, "items": TEXT}),
        {"type": "array", "minItems": 1, "items": TEXT},
    ]
}
NOTHING: Schema = {"type": "null"}
GRAPHQL = only("query", query=TEXT, variables={"type": "object"}, operationName=TEXT)


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One request and its usual answer."""

    route: str
    """Regular expression of method and path."""
    query: Schema = field(default_factory=only)
    body: Schema = field(default_factory=lambda: NOTHING)
    status: tuple[int, ...] = (200,)
    answer: Schema = field(default_factory=dict)


REPO = r"/repos/[^/]+/[^/]+"
OPERATIONS = (
    Operation(route=f"GET {REPO}", answer=has(default_branch=TEXT, full_name=TEXT)),
    Operation(route="GET /user", answer=PERSON),
    Operation(route="GET /app", answer=has(slug=TEXT)),
    Operation(route=f"GET {REPO}/installation", answer=has(id=NUMBER, app_id=NUMBER)),
    Operation(
        route=r"POST /app/installations/\d+/access_tokens",
        body={
            "anyOf": [
                NOTHING,
                only(
                    repositories=TEXTS,
                    repository_ids={"type": "array", "items": NUMBER},
                    permissions={
                        "type": "object",
                        "additionalProperties": {"enum": ["read", "write", "admin"]},
                    },
                ),
            ]
        },
        status=(201,),
        answer=has(token=TEXT, expires_at=STAMP),
    ),
    Operation(
        route=f"GET {REPO}/pulls",
        query=only(
            state={"enum": ["open", "closed", "all"]},
            head={"pattern": "^[^:]+:.+$"},  # without an owner the filter is ignored
            base=TEXT,
            sort={"enum": ["created", "updated", "popularity", "long-running"]},
            direction={"enum": ["asc", "desc"]},
            **PAGES,
        ),
        answer=some(PULL),
    ),
    Operation(
        route=f"POST {REPO}/pulls",
        body=only(
            "head base",
            title=TEXT,
            head=TEXT,
            head_repo=TEXT,
            base=TEXT,
            body=TEXT,
            maintainer_can_modify=YES_NO,
            draft=YES_NO,
            issue=NUMBER,
        ),
        status=(201,),
        answer=PULL,
    ),
    Operation(route=rf"GET {REPO}/pulls/\d+", answer=PULL),
    Operation(
        route=rf"PATCH {REPO}/pulls/\d+",
        body=only(
            title=TEXT,
            body=TEXT,
            state={"enum": ["open", "closed"]},
            base=TEXT,
            maintainer_can_modify=YES_NO,
        ),
        answer=PULL,
    ),
    Operation(
        route=rf"POST {REPO}/pulls/\d+/requested_reviewers",
        body=only(reviewers=TEXTS, team_reviewers=TEXTS),
        status=(201,),
        answer=PULL,
    ),
    Operation(
        route=rf"GET {REPO}/pulls/\d+/comments",
        query=only(
            sort={"enum": ["created", "updated"]},
            direction={"enum": ["asc", "desc"]},
            since=STAMP,
            **PAGES,
        ),
        answer=some(LINE_COMMENT),
    ),
    Operation(
        route=rf"POST {REPO}/pulls/\d+/reviews",
        body=only(
            commit_id=TEXT,
            body=TEXT,
            event={"enum": ["APPROVE", "REQUEST_CHANGES", "COMMENT"]},
            comments=some(
                only(
                    "path body",
                    path=TEXT,
                    body=TEXT,
                    position=NUMBER,
                    line=NUMBER,
                    side={"enum": ["LEFT", "RIGHT"]},
                    start_line=NUMBER,
                    start_side=TEXT,
                )
            ),
        ),
        answer=has(id=NUMBER, user=PERSON, state=TEXT),
    ),
    Operation(
        route=rf"PATCH {REPO}/pulls/comments/\d+",
        body=only("body", body=TEXT),
        answer=LINE_COMMENT,
    ),
    Operation(route=rf"GET {REPO}/commits/[0-9a-f]+", answer=has(sha=TEXT)),
    Operation(route=rf"GET {REPO}/issues/\d+", answer=has(number=NUMBER, labels=some(LABEL))),
    Operation(
        route=rf"GET {REPO}/issues/\d+/comments",
        query=only(since=STAMP, **PAGES),
        answer=some(COMMENT),
    ),
    Operation(
        route=rf"POST {REPO}/issues/\d+/comments",
        body=only("body", body=TEXT),
        status=(201,),
        answer=COMMENT,
    ),
    Operation(
        route=rf"PATCH {REPO}/issues/comments/\d+",
        body=only("body", body=TEXT),
        answer=COMMENT,
    ),
    Operation(route=rf"DELETE {REPO}/issues/comments/\d+", status=(204,), answer=NOTHING),
    Operation(route=rf"POST {REPO}/issues/\d+/labels", body=LABELS, answer=some(LABEL)),
    Operation(
        route=rf"GET {REPO}/collaborators/[^/]+/permission",
        answer=has(permission={"enum": ["admin", "write", "read", "none"]}, user=PERSON),
    ),
    Operation(
        route=f"POST {REPO}/merges",
        body=only("base head", base=TEXT, head=TEXT, commit_message=TEXT),
        status=(201, 204),
        answer={"anyOf": [NOTHING, has(sha=TEXT)]},
    ),
    Operation(route="POST /graphql", body=GRAPHQL, answer=has(data={"type": "object"})),
)


def request_problems(request: str, query: Mapping[str, str], body: object) -> Iterator[str]:
    """What of a request GitHub does not describe; `request`: method and path."""
    operation = _operation(request)
    if operation is None:
        yield f"{request}: no such operation"
        return
    yield from _problems(f"{request}: query", dict(query), operation.query)
    yield from _problems(f"{request}: body", body, operation.body)


def answer_problems(request: str, status: int, answer: object) -> Iterator[str]:
    """What of a usual answer GitHub does not describe: a mistake in our own server."""
    operation = _operation(request)
    if operation and status not in operation.status:
        yield f"{request}: status {status}"
    elif operation:
        yield from _problems(f"{request}: answer", answer, operation.answer)


def _operation(request: str) -> Operation | None:
    return next((o for o in OPERATIONS if re.fullmatch(o.route, request)), None)


def _problems(where: str, value: object, schema: Schema) -> Iterator[str]:
    for error in jsonschema.Draft202012Validator(schema).iter_errors(value):
        yield f"{where}{error.json_path[1:]}: {error.message[:200]}"
