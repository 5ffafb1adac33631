"""GitLab's API of merge requests and issues on 127.0.0.1, as far as notes and discussions go.

Stateful, and as strict as https://docs.gitlab.com/api/discussions/ and /api/notes/ describe it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.local_server import LocalServer

Json = dict[str, Any]
PROJECT = "group/sub/name"
REFS = ("base_sha", "head_sha", "start_sha")


@dataclass
class Fault(Exception):
    """An answer that is not the usual one."""

    status: int
    message: str


@dataclass(kw_only=True)
class GitLabApi(LocalServer):
    """A context manager; one merge request, or issue, number 1."""

    people: Mapping[str, int]
    """By token, whose it is."""
    refs: Json
    """Of the newest difference: base_sha, head_sha, start_sha."""
    may_resolve: bool = True
    about: str = "merge_requests"
    levels: dict[int, int] = field(default_factory=dict)
    """By person, the access to the project."""
    notes: list[Json] = field(default_factory=list)
    discussions: list[Json] = field(default_factory=list)
    not_in_difference: set[tuple[str, int]] = field(default_factory=set)
    requests: list[str] = field(default_factory=list)
    faults: dict[str, int] = field(default_factory=dict)
    """By method, how its next request ends: a status, before anything is done; 0: it is done, and
    the connection breaks."""
    always: bool = False
    """Whether all further ones end so."""

    def __post_init__(self) -> None:
        self._count = 0
        self.listen(_handler(self))

    def note(self, author: int, body: str, **more: Any) -> Json:
        self._count += 1
        now = f"2026-01-01T00:00:{self._count:02}.000Z"
        told = {"system": False, "created_at": now, "updated_at": now, **more}
        return {"id": self._count, "body": body, "author": {"id": author}, **told}

    @property
    def said(self) -> list[Json]:
        """The first note of each discussion."""
        return [discussion["notes"][0] for discussion in self.discussions]

    def answer(self, method: str, target: str, token: str, data: Any) -> tuple[int, Any]:
        """Status and JSON; raises `Fault`."""
        parts = urlsplit(target)
        self.requests.append(f"{method} {unquote(parts.path)}")
        if token not in self.people:
            raise Fault(401, "401 Unauthorized")
        us = self.people[token]
        project = f"/api/v4/projects/{PROJECT.replace('/', '%2F')}"
        if parts.path == "/api/v4/user":
            return 200, {"id": us}
        if method == "GET" and parts.path.startswith(f"{project}/members/all/"):
            level = self.levels.get(int(parts.path.rpartition("/")[2]))
            if level is None:
                raise Fault(404, "404 Not found")
            return 200, {"access_level": level}
        project += f"/{self.about}/1"
        if not parts.path.startswith(project):
            raise Fault(404, "404 Not Found")
        request = f"{method} {parts.path.removeprefix(project)}"
        query = {name: int(values[-1]) for name, values in parse_qs(parts.query).items()}
        for route, name in _ROUTES.items():
            if found := re.fullmatch(route, request):
                return getattr(self, name)(us, *found.groups(), data=data, **query)  # type: ignore[no-any-return]
        raise Fault(404, "404 Not Found")

    def _get(self, us: int, **_: Any) -> tuple[int, Any]:
        return 200, {"iid": 1, "web_url": f"{self.url}/mr/1", "diff_refs": self.refs}

    def _list_notes(self, us: int, **query: Any) -> tuple[int, Any]:
        return 200, _page(self.notes[::-1], **query)  # sort=desc, unless one asks

    def _add_note(self, us: int, *, data: Json) -> tuple[int, Any]:
        assert data.keys() == {"body"}
        self.notes.append(self.note(us, data["body"]))
        return 201, self.notes[-1]

    def _edit_note(self, us: int, number: str, *, data: Json) -> tuple[int, Any]:
        return 200, _edited(self.notes, us, number, data)

    def _delete_note(self, us: int, number: str, **_: Any) -> tuple[int, Any]:
        self.notes.remove(_own(self.notes, us, number))
        return 204, None

    def _list_discussions(self, us: int, **query: Any) -> tuple[int, Any]:
        return 200, _page(self.discussions, **query)

    def _begin(self, us: int, *, data: Json) -> tuple[int, Any]:
        position = data["position"]
        assert position["position_type"] == "text"
        assert {name: position[name] for name in REFS} == self.refs
        if (position["new_path"], position["new_line"]) in self.not_in_difference:
            raise Fault(400, '400 Bad request - Note {:line_code=>["can\'t be blank"]}')
        note = self.note(us, data["body"], resolvable=True, resolved=False, position=position)
        self.discussions.append({"id": f"{self._count:040x}", "notes": [note]})
        return 201, self.discussions[-1]

    def _resolve(self, us: int, number: str, *, data: Json) -> tuple[int, Any]:
        assert data.keys() == {"resolved"}
        if not self.may_resolve:
            raise Fault(403, "403 Forbidden")
        found = next(d for d in self.discussions if d["id"] == number)
        found["notes"][0]["resolved"] = data["resolved"]
        return 200, found

    def _edit(self, us: int, discussion: str, number: str, *, data: Json) -> tuple[int, Any]:
        found = next(d for d in self.discussions if d["id"] == discussion)
        return 200, _edited(found["notes"], us, number, data)


_ROUTES = {
    "GET ": "_get",
    "GET /notes": "_list_notes",
    "POST /notes": "_add_note",
    r"PUT /notes/(\d+)": "_edit_note",
    r"DELETE /notes/(\d+)": "_delete_note",
    "GET /discussions": "_list_discussions",
    "POST /discussions": "_begin",
    r"PUT /discussions/(\w+)": "_resolve",
    r"PUT /discussions/(\w+)/notes/(\d+)": "_edit",
}


def _page(items: list[Json], *, page: int = 1, per_page: int = 20, **_: Any) -> list[Json]:
    return items[(page - 1) * per_page : page * per_page]


def _own(notes: list[Json], us: int, number: str) -> Json:
    note = next(note for note in notes if note["id"] == int(number))
    if note["author"]["id"] != us:
        raise Fault(403, "403 Forbidden")
    return note


def _edited(notes: list[Json], us: int, number: str, data: Json) -> Json:
    assert data.keys() == {"body"}
    note = _own(notes, us, number)
    note["body"] = data["body"]
    return note


def _handler(api: GitLabApi) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            token = self.headers.get("private-token", "")
            ends = (api.faults.get if api.always else api.faults.pop)(self.command, None)
            try:
                if ends:
                    raise Fault(ends, "not now")
                status, told = api.answer(
                    self.command, self.path, token, json.loads(body) if body else None
                )
            except Fault as fault:
                status, told = fault.status, {"message": fault.message}
            if ends == 0:
                self.close_connection = True
                return
            data = b"" if told is None else json.dumps(told).encode()
            self.send_response(status)
            if status == 429:
                self.send_header("Retry-After", "3")
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_POST = do_PUT = do_DELETE = do_GET

        def log_message(self, format: str, *args: object) -> None:
            return

    return Handler
