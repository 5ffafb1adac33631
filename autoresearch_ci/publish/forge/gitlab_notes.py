"""Comments on a merge request through GitLab's API: one that is edited, and discussions at lines.

A job's own token may not write them, so this needs one with the scope `api`. A note of ours is
known by a hidden mark and by our authorship. https://docs.gitlab.com/api/discussions/
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from autoresearch_ci.publish.forge.forge import LineNote
from autoresearch_ci.publish.forge.github_api import Patience
from autoresearch_ci.publish.forge.github_body import harmless
from autoresearch_ci.publish.forge.refusals import Place, RefusalKind, explain

_GONE = "**Gone with the newest commit.**\n\n"
_AT_ONCE = 30
"""New discussions of one push."""
_TIMEOUT = 20
_KINDS = {
    401: RefusalKind.CREDENTIALS,
    403: RefusalKind.FORBIDDEN,
    404: RefusalKind.NOT_FOUND,
    429: RefusalKind.RATE_LIMIT,
}
Json = Mapping[str, Any]


class MergeRequestNotes:
    """Of one project's merge requests. Everything raises `ForgeRefused`."""

    def __init__(
        self,
        api: str,
        project: str,
        token: str,
        place: Place,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """`api`: `https://host/api/v4`; `project`: `group/name`."""
        self._api, self._token, self._place = api.rstrip("/"), token, place
        self._project = f"/projects/{quote(project, safe='')}/merge_requests"
        self._own = 0
        # All of it again, not one request: what is there already is looked up before it is written.
        self._patiently = Patience(place=place, sleep=sleep)

    def sticky(self, number: int, mark: str, text: str) -> str:
        """The address of the one note with that mark, which says `text` from now on."""
        return self._patiently(lambda: self._sticky(number, mark, text))

    def _sticky(self, number: int, mark: str, text: str) -> str:
        begin = f"<!-- autoresearch-ci:{mark} -->"
        body = f"{begin}\n{harmless(text).strip()}"
        path = f"{self._project}/{number}"
        ours = [n for n in self._all(f"{path}/notes") if self._is_ours(n, begin)]
        first, *others = ours or [self._ask("POST", f"{path}/notes", {"body": body})]
        for other in others:  # of two jobs at once, each of which found none
            self._ask("DELETE", f"{path}/notes/{other['id']}")
        if first["body"] != body:
            self._ask("PUT", f"{path}/notes/{first['id']}", {"body": body})
        return f"{self._ask('GET', path)['web_url']}#note_{first['id']}"

    def beside_lines(self, number: int, mark: str, notes: Sequence[LineNote]) -> bool:
        """Each once; what is gone is said to be gone, and its discussion resolved if we may.

        Whether we might, where one had to be.
        """
        return self._patiently(lambda: self._beside_lines(number, mark, notes))

    def _beside_lines(self, number: int, mark: str, notes: Sequence[LineNote]) -> bool:
        path = f"{self._project}/{number}"
        marks = {f"<!-- autoresearch-ci:{mark}:{note.key} -->": note for note in notes}
        ending = re.compile(rf"<!-- autoresearch-ci:{re.escape(mark)}:[0-9a-f]{{1,64}} -->\s*\Z")
        known, may = set(), True
        for discussion in self._all(f"{path}/discussions"):
            first = discussion["notes"][0]
            found = ending.search(first["body"])
            if found and self._is_ours(first):
                known.add(found[0].strip())
                gone = found[0].strip() not in marks
                may &= self._say(f"{path}/discussions/{discussion['id']}", first, gone=gone)
        new = [(end, note) for end, note in marks.items() if end not in known][:_AT_ONCE]
        refs = self._ask("GET", path)["diff_refs"] if new else {}
        for end, note in new:
            self._begin(f"{path}/discussions", refs, note, f"{harmless(note.text)}\n\n{end}")
        return may

    def _say(self, path: str, note: Json, *, gone: bool) -> bool:
        """What a person resolved, or took up again, while nothing changed stays as it is."""
        body, may = note["body"], True
        if body.startswith(_GONE) is gone:
            return may
        if note.get("resolvable") and bool(note.get("resolved")) is not gone:
            may = self._ask("PUT", path, {"resolved": gone}, besides=403) is not None
        text = f"{_GONE}{body}" if gone else body.removeprefix(_GONE)
        self._ask("PUT", f"{path}/notes/{note['id']}", {"body": text})
        return may

    def _begin(self, path: str, refs: Json, note: LineNote, body: str) -> None:
        """GitLab takes none beside a line that its own difference does not show: left out."""
        place = {"position_type": "text", "new_path": note.path, "old_path": note.path}
        position = {**refs, **place, "new_line": note.line}
        self._ask("POST", path, {"body": body, "position": position}, besides=400)

    def _is_ours(self, note: Json, begin: str = "") -> bool:
        if not self._own:
            self._own = self._ask("GET", "/user")["id"]
        ours = note["author"]["id"] == self._own and not note.get("system")
        return ours and note["body"].startswith(begin)

    def _all(self, path: str) -> Iterator[Json]:
        page = 1
        while found := self._ask("GET", f"{path}?per_page=100&page={page}"):
            yield from found
            page += 1

    def _ask(self, method: str, path: str, body: Json | None = None, besides: int = 0) -> Any:
        """`besides`: a status that is no refusal; then it answers `None`."""
        import requests

        try:
            answer = requests.request(
                method,
                f"{self._api}{path}",
                json=body,
                headers={"PRIVATE-TOKEN": self._token},
                timeout=_TIMEOUT,
                allow_redirects=False,  # the token is for this server
            )
            if answer.status_code == besides:
                return None
            if answer.status_code < 300:
                return answer.json() if answer.content else None
        except requests.exceptions.SSLError as error:
            raise explain(RefusalKind.CERTIFICATE, "SSLError", self._place) from error
        except requests.RequestException as error:
            kind = type(error).__name__
            raise explain(RefusalKind.UNREACHABLE, kind, self._place) from error
        status = answer.status_code
        usual = RefusalKind.UNREACHABLE if status >= 500 else RefusalKind.OTHER
        refused = explain(_KINDS.get(status, usual), f"{status} {answer.text[:300]}", self._place)
        after = answer.headers.get("Retry-After", "")
        refused.wanted = float(after) if after.isdecimal() and len(after) < 9 else None
        raise refused
