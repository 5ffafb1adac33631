"""GitLab through push options: the push itself opens or updates the merge request.

That needs no API, so a token that may only write the repository is enough; a gate's comments need
one (gitlab_notes.py). CI_SERVER_URL, CI_PROJECT_PATH and their kin say where.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import takewhile
from urllib.parse import quote, urlencode, urlsplit

from autoresearch_ci.errors import ConfigError
from autoresearch_ci.publish.comment_commands import CommentCommand, Replies
from autoresearch_ci.publish.forge.forge import Address, LineNote, PullRequest, PullRequestContent
from autoresearch_ci.publish.forge.gitlab_notes import MergeRequestNotes
from autoresearch_ci.publish.forge.refusals import Place

_ROOM = 1_000
"""Characters of a description: a push option is one line."""


class GitLab:
    """A `Forge`."""

    tells = False

    def __init__(
        self,
        project: str,
        environment: Mapping[str, str],
        *,
        note: Callable[[str], None] = lambda message: None,
    ) -> None:
        """`project`: `group/name`. Raises `ConfigError` when there is no token."""
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

    @property
    def address(self) -> Address:
        settings = f"{self._server}/{self._project}/-/settings/repository"
        return Address(
            url=f"{self._server}/{self._project}.git",
            username=self._username,
            place=Place(repository=self._project, settings=settings),
        )

    def token(self) -> str:
        return self._token

    def default_branch(self) -> str:
        return self._default

    def pull_requests(self, branch: str) -> Sequence[PullRequest]:
        return ()

    def open_for(self, goal: str, base: str) -> Sequence[PullRequest]:
        return ()

    def open_or_update(self, content: PullRequestContent) -> None:
        """The push has done it."""

    def comment_once(self, pull: PullRequest, text: str) -> None:
        """There is no API here to say it with."""

    def sticky_comment(self, number: int, mark: str, text: str) -> str:
        if self._is_jobs:
            self._note("no comment on the merge request: a job's own token may not write one")
            return ""
        return self._notes().sticky(number, mark, text)

    def replies(self, number: int, mark: str) -> Replies:
        return Replies()  # as above

    def beside_lines(self, number: int, mark: str, notes: Sequence[LineNote]) -> None:
        if not self._is_jobs and not self._notes().beside_lines(number, mark, notes):
            self._note(
                "what is gone is said to be gone beside its lines, but the threads stay open: "
                "GitLab lets only the role Developer, or whoever began the merge request, resolve"
            )

    def _notes(self) -> MergeRequestNotes:
        address, below = self.address, urlsplit(self._server).path
        api = f"{address.origin}{below}/api/v4"  # which raises, where a token would go over http
        return MergeRequestNotes(api, self._project, self._token, address.place)

    def supersede(self, pull: PullRequest, branch: str, text: str) -> None:
        """There is no API here to do it with."""

    def comment_commands(self, pull: PullRequest) -> Sequence[CommentCommand]:
        return ()

    def merge_base_into(self, branch: str, base: str) -> bool:
        return False

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

    def hurry(self) -> None:
        """Nothing here waits."""


def _line(text: str, room: int) -> str:
    """A push option holds no line end and no NUL; git refuses the whole push otherwise."""
    line = " ".join(text.replace("\0", " ").split())
    return line if len(line) <= room else line[: room - 1] + "…"
