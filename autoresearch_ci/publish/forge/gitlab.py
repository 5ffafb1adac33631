"""GitLab through push options: the push itself opens or updates the merge request.

That needs no API, so a token that may only write the repository is enough. Comments, of gates and
of questions, need one with the scope `api`: a job's own may not write them. CI_SERVER_URL,
CI_PROJECT_PATH and their kin say where.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import takewhile
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from autoresearch_ci.errors import ConfigError
from autoresearch_ci.publish.comment_commands import (
    Comment,
    Replies,
    replies_below,
)
from autoresearch_ci.publish.forge.forge import Address, Forge, LineNote, PullRequestContent
from autoresearch_ci.publish.forge.forge_refusals import (
    BY_STATUS,
    PublishPlace,
    RefusalKind,
    explain,
)
from autoresearch_ci.publish.forge.github_api import Patience
from autoresearch_ci.publish.forge.github_body import harmless

_ROOM = 1_000
"""Characters of a description: a push option is one line."""


class GitLab(Forge):
    """Pull requests are merge requests here, which pushes open and bring up to date."""

    tells = False

    def __init__(
        self,
        project: str,
        environment: Mapping[str, str],
        *,
        note: Callable[[str], None] = lambda message: None,
        about: str = "merge_requests",
    ) -> None:
        """`project`: `group/name`; `about`: what numbers are of, or `issues`.

        Raises `ConfigError` when there is no token.
        """
        self._project = project
        self._server = (environment.get("CI_SERVER_URL") or "https://gitlab.com").rstrip("/")
        self._default = environment.get("CI_DEFAULT_BRANCH", "")
        names = ("AUTORESEARCH_TOKEN", "GITLAB_TOKEN", "CI_JOB_TOKEN")
        name = next((name for name in names if environment.get(name)), "")
        if not name:
            raise ConfigError(
                "publish: gitlab needs a token, and there is none.\n"
                "usually: the CI/CD variable GITLAB_TOKEN is missing, or protected while the job's "
                "branch is not.\n"
                "do: create a project access token with `write_repository` and add it as the "
                "masked CI/CD variable GITLAB_TOKEN; without one, use --publish local."
            )
        self._token = environment[name]
        self._is_jobs = name == "CI_JOB_TOKEN"
        self._username = "gitlab-ci-token" if self._is_jobs else "oauth2"
        self._note = note
        self._about = about

    @property
    def address(self) -> Address:
        settings = f"{self._server}/{self._project}/-/settings/repository"
        return Address(
            url=f"{self._server}/{self._project}.git",
            username=self._username,
            place=PublishPlace(repository=self._project, settings=settings),
        )

    def token(self) -> str:
        return self._token

    def default_branch(self) -> str:
        return self._default

    def sticky_comment(self, number: int, mark: str, text: str) -> str:
        if self._is_jobs:
            self._note("no comment on the merge request: a job's own token may not write one")
            return ""
        return self._notes().sticky(number, mark, text)

    def replies(self, number: int, mark: str) -> Replies:
        return Replies() if self._is_jobs else self._notes().replies(number, mark)

    def may_write(self, user: int) -> bool:
        return not self._is_jobs and self._notes().may_write(user)

    def beside_lines(self, number: int, mark: str, notes: Sequence[LineNote]) -> None:
        if not self._is_jobs and not self._notes().beside_lines(number, mark, notes):
            self._note(
                "what is gone is said to be gone beside its lines, but the threads stay open: "
                "GitLab lets only the role Developer, or whoever began the merge request, resolve"
            )

    def _notes(self) -> Notes:
        address, below = self.address, urlsplit(self._server).path
        api = f"{address.origin}{below}/api/v4"  # which raises, where a token would go over http
        return Notes(api, self._project, self._token, address.place, about=self._about)

    def push_options(self, content: PullRequestContent) -> Sequence[str]:
        headline, *others = content.render(60_000).split("\n\n")
        # What is hard to believe about it is bold, too.
        told = [headline, *takewhile(lambda part: part.startswith("**"), others)]
        # What the confirmation finds comes after the last push, so it would never be told here.
        doubt = "" if content.confirmed else ", not yet measured again"
        options = [
            "merge_request.create",
            f"merge_request.target={content.base}",
            f"merge_request.title={_line(content.title, 220)}{doubt}",
            f"merge_request.description={_line(' '.join(told), _ROOM)}",
            *(f"merge_request.label={_line(label, 100)}" for label in content.publish.labels),
            *(f"merge_request.assign={_line(name, 100)}" for name in content.publish.reviewers),
        ]
        if content.publish.draft and not content.ready:
            options.insert(1, "merge_request.draft")
        return options

    def compare_link(self, base: str, branch: str) -> str:
        query = urlencode(
            {"merge_request[source_branch]": branch, "merge_request[target_branch]": base}
        )
        return f"{self._server}/{self._project}/-/merge_requests/new?{query}"

    def checks_link(self, branch: str) -> str:
        return f"{self._server}/{self._project}/-/pipelines?{urlencode({'ref': branch})}"

    def file_link(self, commit: str, path: str) -> str:
        return f"{self._server}/{self._project}/-/raw/{commit}/{quote(path)}"


def _line(text: str, room: int) -> str:
    """A push option holds no line end and no NUL; git refuses the whole push otherwise."""
    line = " ".join(text.replace("\0", " ").split())
    return line if len(line) <= room else line[: room - 1] + "…"


# --- Comments -------------------------------------------------------------------------------------

_GONE = "**Gone with the newest commit.**\n\n"
_AT_ONCE = 30
"""New discussions of one push."""
_TIMEOUT = 20
_DEVELOPER = 30
"""https://docs.gitlab.com/api/access_requests/#valid-access-levels"""
Json = Mapping[str, Any]


class Notes:
    """Of one project's merge requests, or issues. Everything raises `ForgeRefused`."""

    def __init__(
        self,
        api: str,
        project: str,
        token: str,
        place: PublishPlace,
        sleep: Callable[[float], None] = time.sleep,
        about: str = "merge_requests",
    ) -> None:
        """`api`: `https://host/api/v4`; `project`: `group/name`; `about`: as GitLab calls them."""
        self._api, self._token, self._place = api.rstrip("/"), token, place
        self._project = f"/projects/{quote(project, safe='')}"
        self._about = f"{self._project}/{about}"
        self._own = 0
        # All of it again, not one request: what is there already is looked up before it is written.
        self._patiently = Patience(place=place, sleep=sleep)

    def sticky(self, number: int, mark: str, text: str) -> str:
        """The address of the one note with that mark, which says `text` from now on."""
        return self._patiently(lambda: self._sticky(number, mark, text))

    def _sticky(self, number: int, mark: str, text: str) -> str:
        begin = f"<!-- autoresearch-ci:{mark} -->"
        body = f"{begin}\n{harmless(text).strip()}"
        path = f"{self._about}/{number}"
        ours = [n for n in self._all(f"{path}/notes") if self._is_ours(n, begin)]
        first, *others = ours or [self._ask("POST", f"{path}/notes", {"body": body})]
        for other in others:  # of two jobs at once, each of which found none
            self._ask("DELETE", f"{path}/notes/{other['id']}")
        if first["body"] != body:
            self._ask("PUT", f"{path}/notes/{first['id']}", {"body": body})
        return f"{self._ask('GET', path)['web_url']}#note_{first['id']}"

    def replies(self, number: int, mark: str) -> Replies:
        """The answers below the one note with that mark."""
        return self._patiently(lambda: self._replies(number, mark))

    def _replies(self, number: int, mark: str) -> Replies:
        notes = [
            Comment(
                id=note["id"],
                author=str(note["author"]["id"]),
                text=note["body"],
                ours=self._is_ours(note),
                # A reaction makes it look edited, too.
                edited=note["updated_at"] != note["created_at"],
            )
            for note in self._all(f"{self._about}/{number}/notes")
            if not note.get("system")
        ]
        begin = f"<!-- autoresearch-ci:{mark} -->"
        return replies_below(notes, begin, lambda note: self._may_write(int(note.author)))

    def may_write(self, user: int) -> bool:
        """Whether that is somebody with the role Developer, or a higher one."""
        return self._patiently(lambda: self._may_write(user))

    def _may_write(self, user: int) -> bool:
        found = self._ask("GET", f"{self._project}/members/all/{user}", besides=404)
        return found is not None and found["access_level"] >= _DEVELOPER

    def beside_lines(self, number: int, mark: str, notes: Sequence[LineNote]) -> bool:
        """Each once; what is gone is said to be gone, and its discussion resolved if we may.

        Whether we might, where one had to be.
        """
        return self._patiently(lambda: self._beside_lines(number, mark, notes))

    def _beside_lines(self, number: int, mark: str, notes: Sequence[LineNote]) -> bool:
        path = f"{self._about}/{number}"
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
        status = answer.status_code
        usual = RefusalKind.UNREACHABLE if status >= 500 else RefusalKind.OTHER
        refused = explain(
            BY_STATUS.get(status, usual), f"{status} {answer.text[:300]}", self._place
        )
        after = answer.headers.get("Retry-After", "")
        refused.wanted = float(after) if after.isdecimal() and len(after) < 9 else None
        raise refused
