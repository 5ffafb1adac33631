"""GitHub's REST API on 127.0.0.1: stateful, and as strict as GitHub documents it.

Branches are those of a real repository (git_http.Bare), so a pull request needs a pushed head. Each
request, and each answer of ours, must be one that GitHub describes (github_shapes.py).
"""

from __future__ import annotations

import json
import re
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.git_http import Bare
from tests.github_shapes import answer_problems, request_problems
from tests.local_server import LocalServer

Json = dict[str, Any]
SLUG = "owner/name"
ACTIONS = "github-actions[bot]"


@dataclass(kw_only=True)
class Identity:
    """Whom a token belongs to."""

    login: str
    kind: str = "actions"
    """`actions`, `app` or `user`."""
    may_write: bool = True
    permissions: frozenset[str] = frozenset({"contents", "pull_requests", "issues"})
    expires: float = 0.0
    """When it stops working; 0: never."""
    viewer: str = ""
    """What GraphQL calls it; empty: `login`."""


@dataclass
class Fault(Exception):
    """An answer that is not the usual one."""

    status: int
    message: str
    errors: Sequence[Any] = ()
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(kw_only=True)
class GitHubApi(LocalServer):
    """A context manager. What tests change: `tokens`, `permissions`, `faults`, the settings."""

    bare: Bare
    tokens: dict[str, Identity] = field(default_factory=dict)
    permissions: dict[str, str] = field(default_factory=dict)
    """Login to admin, write, read or none."""
    actions_may_open: bool = True
    drafts: bool = True
    names_viewer: bool = True
    """Whether GraphQL says whose token it is."""
    collaborators: frozenset[str] = frozenset({"reviewer"})
    app_id: str = ""
    app_key: str = ""
    """Public key in PEM."""
    token_seconds: float = 3600.0
    """Life of an installation's token."""
    faults: list[tuple[str, Fault | str]] = field(default_factory=list)
    """`("POST /pulls", Fault)`, consumed in order by matching requests; or `after` (done, then the
    connection is cut), `stall`, `cut`."""
    pulls: list[Json] = field(default_factory=list)
    comments: dict[int, list[Json]] = field(default_factory=dict)
    review_comments: dict[int, list[Json]] = field(default_factory=dict)
    resolved: set[int] = field(default_factory=set)
    """Comments that begin a thread which is resolved."""
    threads_at_once: int = 100
    """Threads on a page."""
    not_in_difference: set[tuple[str, int]] = field(default_factory=set)
    """Paths and lines beside which no comment can stand."""
    requests: list[str] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    """Addresses, headers without `Authorization`, and bodies: where no secret may be."""
    issued: list[str] = field(default_factory=list)
    """Tokens given to the installation."""
    before_create: Callable[[], None] | None = None
    """Called once, just before a pull request is created: a race."""

    undescribed: list[str] = field(default_factory=list)
    """What GitHub would not have understood, or not have said; the block ends with an error."""

    def __exit__(self, *error: object) -> None:
        super().__exit__(*error)
        assert error[0] or not self.undescribed, self.undescribed

    def __post_init__(self) -> None:
        self._lock = threading.RLock()
        self._commented = 0
        self.listen(_handler(self))

    @property
    def url(self) -> str:
        return f"{super().url}/api/v3"

    def writes(self) -> list[str]:
        return [r for r in self.requests if not r.startswith(("GET ", "QUERY "))]

    def comment(self, number: int, login: str, body: str) -> Json:
        """Somebody comments on the web page, whose line ends are its own."""
        self._commented += 1
        comment = _comment(self._commented, login, body)
        comment["url"] = f"{self.url}/repos/{SLUG}/issues/comments/{self._commented}"
        comment["html_url"] = (
            f"https://github.test/{SLUG}/pull/{number}#issuecomment-{self._commented}"
        )
        self.comments.setdefault(number, []).append(comment)
        return comment

    def edit(self, comment: Json, body: str) -> None:
        """Somebody who may edits it, a minute after it was written."""
        comment["body"] = body.replace("\n", "\r\n")
        later = time.gmtime(time.time() + 60)
        comment["updated_at"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", later)

    def open_pull(self, login: str, branch: str, **values: Any) -> Json:
        pull = self._pull(login, {"head": branch, "base": "main", "title": "a title", **values})
        self.pulls.append(pull)
        return pull

    def close(self, number: int, *, merged: bool = False) -> None:
        pull = self._by_number(number)
        pull["state"] = "closed"
        pull["closed_at"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        pull["merged_at"] = "2026-01-02T00:00:00Z" if merged else None

    def answer(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Any:
        """Status, headers and JSON; raises `Fault`."""
        parts = urlsplit(target)
        path = unquote(parts.path).removeprefix("/api/v3")
        if parts.path == "/api/graphql":
            path = "/graphql"
        query = {key: values[-1] for key, values in parse_qs(parts.query).items()}
        with self._lock:
            self.requests.append(f"{method} {path}")
            others = {k: v for k, v in headers.items() if k != "authorization"}
            self.bodies.append(f"{target} {json.dumps(others)}\n".encode() + body)
            who = self._identity(path, headers)
            data = json.loads(body) if body else None
            request = f"{method} {path}"
            self.undescribed += request_problems(request, query, data)
            for route, name, need in _ROUTES:
                found = re.fullmatch(route, request)
                if found:
                    reads = method == "GET" or who.may_write
                    if need and (need not in who.permissions or not reads):
                        raise Fault(403, "Resource not accessible by integration")
                    done = getattr(self, name)(who, *found.groups(), query=query, data=data)
                    self.undescribed += answer_problems(request, done[0], done[1])
                    return done
        raise Fault(404, "Not Found")

    def _identity(self, path: str, headers: Mapping[str, str]) -> Identity:
        if not headers.get("user-agent"):
            raise Fault(403, "Request forbidden by administrative rules. Missing User-Agent")
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme == "Bearer" and token.count(".") == 2:
            return self._app(token)
        who = self.tokens.get(token)
        if who is None or (who.expires and who.expires < time.time()):
            raise Fault(401, "Bad credentials")
        return who

    def _app(self, token: str) -> Identity:
        import jwt

        try:
            claims = jwt.decode(token, self.app_key, algorithms=["RS256"])
        except jwt.PyJWTError as error:
            raise Fault(401, "A JSON web token could not be decoded") from error
        if claims["iss"] != self.app_id:
            raise Fault(401, "Integration not found")
        return Identity(login="", kind="jwt", permissions=frozenset())

    def _repository(self, who: Identity, **_: Any) -> Any:
        return 200, {
            "full_name": SLUG,
            "name": "name",
            "default_branch": "main",
            "url": f"{self.url}/repos/{SLUG}",
        }

    def _user(self, who: Identity, **_: Any) -> Any:
        if who.kind != "user":
            raise Fault(403, "Resource not accessible by integration")
        return 200, {"login": who.login, "url": f"{self.url}/user"}

    def _get_app(self, who: Identity, **_: Any) -> Any:
        return 200, {"slug": "our-app", "id": 1, "url": f"{self.url}/app"}

    def _installation(self, who: Identity, **_: Any) -> Any:
        return 200, {"id": 77, "app_id": 1}

    def _access_token(self, who: Identity, **_: Any) -> Any:
        token = f"ghs_installation{len(self.issued)}"
        expires = time.time() + self.token_seconds
        self.issued.append(token)
        self.tokens[token] = Identity(login="our-app[bot]", kind="app", expires=expires)
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(expires))
        return 201, {"token": token, "expires_at": stamp}

    def _list(self, who: Identity, *, query: Json, **_: Any) -> Any:
        found = [
            pull
            for pull in reversed(self.pulls)
            if query.get("state", "open") in ("all", pull["state"])
            and query.get("head") in (None, pull["head"]["label"])
            and query.get("base") in (None, pull["base"]["ref"])
        ]
        return self._page(found, query, f"/repos/{SLUG}/pulls")

    def _create(self, who: Identity, *, data: Json, **_: Any) -> Any:
        if who.kind == "actions" and not self.actions_may_open:
            raise Fault(403, "GitHub Actions is not permitted to create or approve pull requests.")
        if self.before_create:
            hook, self.before_create = self.before_create, None
            hook()
        errors: list[Any] = []
        for name in ("head", "base"):
            if not self.bare.ref(f"refs/heads/{data[name]}"):
                errors.append({"resource": "PullRequest", "field": name, "code": "invalid"})
        if not data.get("title"):
            errors.append({"resource": "PullRequest", "code": "missing_field", "field": "title"})
        _check_body(data, errors)
        if not errors and self._open_from(data["head"], data["base"]):
            message = f"A pull request already exists for owner:{data['head']}."
            errors.append({"resource": "PullRequest", "code": "custom", "message": message})
        if not errors and not self.bare.git("rev-list", f"{data['base']}..{data['head']}"):
            message = f"No commits between {data['base']} and {data['head']}"
            errors.append({"resource": "PullRequest", "code": "custom", "message": message})
        if errors:
            raise Fault(422, "Validation Failed", errors)
        if data.get("draft") and not self.drafts:
            raise Fault(422, "Draft pull requests are not supported in this repository.")
        pull = self._pull(who.login, data)
        self.pulls.append(pull)
        return 201, pull

    def _open_from(self, head: str, base: str) -> bool:
        return any(
            p["head"]["label"] == f"owner:{head}"
            and p["base"]["ref"] == base
            and p["state"] == "open"
            for p in self.pulls
        )

    def _pull(self, login: str, data: Json) -> Json:
        number = len(self.pulls) + 1
        owner = data.pop("owner", "owner")
        address = f"{self.url}/repos/{SLUG}"
        return {
            "number": number,
            "node_id": f"PR_{number}",
            "url": f"{address}/pulls/{number}",
            "issue_url": f"{address}/issues/{number}",
            "html_url": f"https://github.test/{SLUG}/pull/{number}",
            "state": "open",
            "merged_at": None,
            "closed_at": None,
            "draft": bool(data.get("draft")),
            "title": data["title"],
            "body": data.get("body"),
            "user": {"login": login},
            "head": {
                "ref": data["head"],
                "label": f"{owner}:{data['head']}",
                "repo": {"full_name": f"{owner}/name"},
            },
            "base": {"ref": data["base"]},
            "labels": [],
            "requested_reviewers": [],
        }

    def _by_number(self, number: str | int) -> Json:
        try:
            return self.pulls[int(number) - 1]
        except IndexError:
            raise Fault(404, "Not Found") from None

    def _get_pull(self, who: Identity, number: str, **_: Any) -> Any:
        return 200, self._by_number(number)

    def _edit(self, who: Identity, number: str, *, data: Json, **_: Any) -> Any:
        pull = self._by_number(number)
        errors: list[Any] = []
        _check_body(data, errors)
        if errors:
            raise Fault(422, "Validation Failed", errors)
        for name in data:
            if name not in ("title", "body", "state", "base", "maintainer_can_modify"):
                raise AssertionError(f"{name} cannot be edited")
            pull[name] = data[name]
        return 200, pull

    def _reviewers(self, who: Identity, number: str, *, data: Json, **_: Any) -> Any:
        names = data.get("reviewers", [])
        if not set(names) <= self.collaborators:
            raise Fault(422, "Reviews may only be requested from collaborators.")
        pull = self._by_number(number)
        pull["requested_reviewers"] += [{"login": name} for name in names]
        pull["requested_teams"] = data.get("team_reviewers", [])
        return 201, pull

    def _issue(self, who: Identity, number: str, **_: Any) -> Any:
        pull = self._by_number(number)
        address = f"{self.url}/repos/{SLUG}/issues/{number}"
        return 200, {"number": int(number), "url": address, "labels": pull["labels"]}

    def _labels(self, who: Identity, number: str, *, data: Any, **_: Any) -> Any:
        pull = self._by_number(number)
        names = data["labels"] if isinstance(data, dict) else data
        known = {label["name"] for label in pull["labels"]}
        pull["labels"] += [{"name": name} for name in names if name not in known]
        return 200, pull["labels"]

    def _get_comments(self, who: Identity, number: str, *, query: Json, **_: Any) -> Any:
        path = f"/repos/{SLUG}/issues/{number}/comments"
        return self._page(self.comments.get(int(number), []), query, path)

    def _add_comment(self, who: Identity, number: str, *, data: Json, **_: Any) -> Any:
        errors: list[Any] = []
        _check_body(data, errors)
        if errors:
            raise Fault(422, "Validation Failed", errors)
        return 201, self.comment(int(number), who.login, data["body"])

    def _find_comment(self, number: str) -> tuple[list[Json], Json]:
        for comments in self.comments.values():
            for comment in comments:
                if comment["id"] == int(number):
                    return comments, comment
        raise Fault(404, "Not Found")

    def _edit_comment(self, who: Identity, number: str, *, data: Json, **_: Any) -> Any:
        _, comment = self._find_comment(number)
        if comment["user"]["login"] != who.login:
            raise Fault(403, "Resource not accessible by integration")
        errors: list[Any] = []
        _check_body(data, errors)
        if errors:
            raise Fault(422, "Validation Failed", errors)
        self.edit(comment, data["body"])
        return 200, comment

    def _delete_comment(self, who: Identity, number: str, **_: Any) -> Any:
        comments, comment = self._find_comment(number)
        if comment["user"]["login"] != who.login:
            raise Fault(403, "Resource not accessible by integration")
        comments.remove(comment)
        return 204, None

    def _get_review_comments(self, who: Identity, number: str, *, query: Json, **_: Any) -> Any:
        path = f"/repos/{SLUG}/pulls/{number}/comments"
        return self._page(self.review_comments.get(int(number), []), query, path)

    def _get_commit(self, who: Identity, sha: str, **_: Any) -> Any:
        return 200, {"sha": sha, "url": f"{self.url}/repos/{SLUG}/commits/{sha}"}

    def _review(self, who: Identity, number: str, *, data: Json, **_: Any) -> Any:
        self._by_number(number)
        told = data.get("comments", [])
        if any((c["path"], c["line"]) in self.not_in_difference for c in told):
            raise Fault(422, "Unprocessable Entity", ["Line could not be resolved"])
        for comment in told:
            self._commented += 1
            made = _comment(self._commented, who.login, comment["body"])
            address = f"{self.url}/repos/{SLUG}/pulls/comments/{self._commented}"
            made |= {"path": comment["path"], "line": comment["line"], "url": address}
            self.review_comments.setdefault(int(number), []).append(made)
        return 200, {"id": self._commented, "user": {"login": who.login}, "state": "COMMENTED"}

    def _edit_review_comment(self, who: Identity, number: str, *, data: Json, **_: Any) -> Any:
        every = (c for comments in self.review_comments.values() for c in comments)
        comment = next((c for c in every if c["id"] == int(number)), None)
        if comment is None or comment["user"]["login"] != who.login:
            raise Fault(403, "Resource not accessible by integration")
        comment["body"] = data["body"].replace("\n", "\r\n")
        return 200, comment

    def _permission(self, who: Identity, login: str, **_: Any) -> Any:
        if login not in self.permissions:
            raise Fault(404, "Not Found")
        return 200, {"permission": self.permissions[login], "user": {"login": login}}

    def _merge(self, who: Identity, *, data: Json, **_: Any) -> Any:
        ours, theirs = self.bare.ref(data["base"]), self.bare.ref(data["head"])
        if not ours or not theirs:
            raise Fault(404, "Base does not exist" if not ours else "Head does not exist")
        if self.bare.git("merge-base", ours, theirs) == theirs:
            return 204, None
        done = subprocess.run(
            ["git", "-C", str(self.bare.path), "merge-tree", "--write-tree", ours, theirs],
            check=False,
            capture_output=True,
        )
        if done.returncode:
            raise Fault(409, "Merge conflict")
        tree = done.stdout.decode().split()[0]
        commit = self.bare.git(
            *("-c", "user.name=GitHub", "-c", "user.email=noreply@github.com"),
            *("commit-tree", tree, "-p", ours, "-p", theirs, "-m", "Merge"),
        )
        self.bare.git("update-ref", f"refs/heads/{data['base']}", commit)
        return 201, {"sha": commit, "url": f"{self.url}/repos/{SLUG}/commits/{commit}"}

    def _graphql(self, who: Identity, *, data: Json, **_: Any) -> Any:
        query, given = data["query"], data["variables"]
        if "viewer" in query:
            self.requests[-1] = "QUERY viewer"
            if not self.names_viewer:
                raise Fault(403, "Resource not accessible by integration")
            return 200, {"data": {"viewer": {"login": who.viewer or who.login}}}
        if "pull_requests" not in who.permissions or not who.may_write:
            raise Fault(403, "Resource not accessible by integration")
        if "reviewThreads" in query:
            return 200, {"data": self._threads(given)}
        (name,) = re.findall(r"\{ (\w+)\(input: \$input\)", query)
        given = given["input"]
        if name in ("resolveReviewThread", "unresolveReviewThread"):
            return 200, self._resolve(who, name, int(given["threadId"].removeprefix("PRRT_")))
        draft = {"markPullRequestReadyForReview": False, "convertPullRequestToDraft": True}[name]
        pull = next(p for p in self.pulls if p["node_id"] == given["pullRequestId"])
        pull["draft"] = draft
        answer = {"clientMutationId": None, "pullRequest": {"isDraft": draft}}
        return 200, {"data": {name: answer}}

    def _threads(self, given: Json) -> Json:
        assert f"{given['owner']}/{given['name']}" == SLUG
        comments = self.review_comments.get(given["number"], [])
        begin = int(given["after"] or 0)
        end = begin + self.threads_at_once
        nodes = [
            {
                "id": f"PRRT_{comment['id']}",
                "isResolved": comment["id"] in self.resolved,
                "comments": {"nodes": [{"databaseId": comment["id"]}]},
            }
            for comment in comments[begin:end]
        ]
        page = {"hasNextPage": end < len(comments), "endCursor": str(end)}
        threads = {"reviewThreads": {"pageInfo": page, "nodes": nodes}}
        return {"repository": {"pullRequest": threads}}

    def _resolve(self, who: Identity, name: str, comment: int) -> Json:
        """GitHub asks for the right to write contents, whatever its description says:
        https://github.com/orgs/community/discussions/44650"""
        if "contents" not in who.permissions:
            message = "Resource not accessible by integration"
            return {"data": {name: None}, "errors": [{"type": "FORBIDDEN", "message": message}]}
        if name.startswith("un"):
            self.resolved.discard(comment)
        else:
            self.resolved.add(comment)
        return {"data": {name: {"thread": {"isResolved": comment in self.resolved}}}}

    def _page(self, items: Sequence[Json], query: Json, path: str) -> Any:
        size = min(100, int(query.get("per_page", 30)))
        page = int(query.get("page", 1))
        shown = list(items[(page - 1) * size : page * size])
        headers = {}
        if page * size < len(items):
            rest = "&".join(f"{k}={v}" for k, v in query.items() if k != "page")
            headers["Link"] = f'<{self.url}{path}?{rest}&page={page + 1}>; rel="next"'
        return 200, shown, headers


_REPO = f"/repos/{SLUG}"
_ROUTES = (
    (f"GET {_REPO}", "_repository", ""),
    ("GET /user", "_user", ""),
    ("GET /app", "_get_app", ""),
    (f"GET {_REPO}/installation", "_installation", ""),
    (r"POST /app/installations/77/access_tokens", "_access_token", ""),
    (f"GET {_REPO}/pulls", "_list", "pull_requests"),
    (f"POST {_REPO}/pulls", "_create", "pull_requests"),
    (rf"GET {_REPO}/pulls/(\d+)", "_get_pull", "pull_requests"),
    (rf"PATCH {_REPO}/pulls/(\d+)", "_edit", "pull_requests"),
    (rf"GET {_REPO}/pulls/(\d+)/comments", "_get_review_comments", ""),
    (rf"POST {_REPO}/pulls/(\d+)/reviews", "_review", "pull_requests"),
    (rf"PATCH {_REPO}/pulls/comments/(\d+)", "_edit_review_comment", "pull_requests"),
    (rf"GET {_REPO}/commits/([0-9a-f]+)", "_get_commit", ""),
    (rf"POST {_REPO}/pulls/(\d+)/requested_reviewers", "_reviewers", "pull_requests"),
    (rf"GET {_REPO}/issues/(\d+)", "_issue", ""),
    (rf"GET {_REPO}/issues/(\d+)/comments", "_get_comments", ""),
    (rf"POST {_REPO}/issues/(\d+)/comments", "_add_comment", "issues"),
    (rf"PATCH {_REPO}/issues/comments/(\d+)", "_edit_comment", "issues"),
    (rf"DELETE {_REPO}/issues/comments/(\d+)", "_delete_comment", "issues"),
    (rf"POST {_REPO}/issues/(\d+)/labels", "_labels", "issues"),
    (rf"GET {_REPO}/collaborators/([^/]+)/permission", "_permission", ""),
    (f"POST {_REPO}/merges", "_merge", "contents"),
    ("POST /graphql", "_graphql", ""),
)


def _check_body(data: Json, errors: list[Any]) -> None:
    body = data.get("body")
    if body is not None and not isinstance(body, str):
        errors.append({"resource": "Issue", "field": "body", "code": "invalid"})
    if isinstance(body, str) and len(body) > 65_536:
        message = "body is too long (maximum is 65536 characters)"
        errors.append({"resource": "Issue", "code": "custom", "field": "body", "message": message})


def _comment(number: int, login: str, body: str) -> Json:
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    body = body.replace("\n", "\r\n")
    stamps = {"created_at": stamp, "updated_at": stamp}
    return {"id": number, "user": {"login": login}, "body": body, **stamps}


def _handler(api: GitHubApi) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            fault = next(self._faults(), None)
            if fault == "stall":
                api.wait(30)
            if fault in ("stall", "cut"):
                self._cut()
                return
            if isinstance(fault, Fault):
                api.requests.append(f"{self.command} refused")
                self._refuse(fault)
                return
            headers = {name.lower(): value for name, value in self.headers.items()}
            try:
                status, data, *more = api.answer(self.command, self.path, headers, body)
            except Fault as refusal:
                self._refuse(refusal)
                return
            if fault == "after":
                self._cut()
                return
            self._send(status, data, more[0] if more else {})

        do_POST = do_PATCH = do_PUT = do_DELETE = do_GET

        def _faults(self) -> Iterator[Fault | str]:
            for number, (prefix, fault) in enumerate(api.faults):
                method, _, path = prefix.partition(" ")
                if self.command == method and urlsplit(self.path).path.endswith(path):
                    del api.faults[number]
                    yield fault

        def _refuse(self, fault: Fault) -> None:
            data = {"message": fault.message, "documentation_url": "https://docs.github.com/rest"}
            if fault.errors:
                data["errors"] = list(fault.errors)
            self._send(fault.status, data, fault.headers)

        def _send(self, status: int, data: Any, headers: Mapping[str, str]) -> None:
            body = b"" if data is None else json.dumps(data).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json; charset=utf-8")
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def _cut(self) -> None:
            self.close_connection = True
            self.connection.close()

        def finish(self) -> None:
            try:
                super().finish()
            except (OSError, ValueError):  # we broke the connection ourselves
                return

        def log_message(self, format: str, *args: object) -> None:
            return

    return Handler
