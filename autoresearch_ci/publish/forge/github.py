"""GitHub through its REST API: the pull request, its labels, reviewers and comments.

github_api.py knows what an error means and who we are. Every write is preceded by a look, so that
repeating it after a lost answer, or beside another run, changes nothing. Of a pull request's body
only what stands between two hidden markers is ours; the rest is people's. GITHUB_API_URL and
GITHUB_SERVER_URL say where.
"""

from __future__ import annotations

import datetime
import hashlib
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

from autoresearch_ci.errors import ConfigError
from autoresearch_ci.publish.comment_commands import CommentCommand, commands
from autoresearch_ci.publish.forge.forge import Address, Post, PullRequest, PullState
from autoresearch_ci.publish.forge.github_api import Credentials, Patience
from autoresearch_ci.publish.forge.refusals import ForgeRefused, Place, RefusalKind

if TYPE_CHECKING:
    import github
    from github.PullRequest import PullRequest as Pull
    from github.Repository import Repository


LIMIT = 65_536
"""Characters that GitHub accepts in a body."""
_END = "<!-- autoresearch-ci:end -->"
_BEGIN = "<!-- autoresearch-ci:begin {key} -->"
TITLE_PREFIX = "autoresearch: "
"""Of titles we wrote; another title is a person's and stays."""


def begin(branch: str) -> str:
    """The marker that finds the pull request of `branch` again."""
    # A digest: a branch name may hold what ends a comment.
    return _BEGIN.format(key=hashlib.sha256(branch.encode()).hexdigest()[:20])


def is_marked(body: str, branch: str) -> bool:
    """Whether `body` has a part of ours."""
    return begin(branch) in body


def room_for_report(body: str, branch: str) -> int:
    """Characters that are left for us beside people's words."""
    before, after = _theirs(body, branch)
    ours = len(begin(branch)) + len(_END) + 8
    return LIMIT - 1 - len(before) - len(after) - ours


def merged(body: str, ours: str, branch: str) -> str:
    """`body` with our part replaced, or added at the end; every other character stays."""
    before, after = _theirs(body, branch)
    if not is_marked(body, branch) and before:
        before = before.rstrip() + "\n\n"
    return f"{before}{begin(branch)}\n{harmless(ours).strip()}\n{_END}{after}"


def harmless(text: str) -> str:
    """`text` without anything that could be taken for a marker."""
    return re.sub(r"<!-- *autoresearch-ci:", "<!-- ", text)


def _theirs(body: str, branch: str) -> tuple[str, str]:
    marker = begin(branch)
    before, found, rest = body.partition(marker)
    if not found:
        return body, ""
    _, found, after = rest.partition(_END)
    # A person deleted the second marker: what follows the first cannot be told apart from ours.
    return before, after if found else ""


T = TypeVar("T")

STOP_LABEL = "autoresearch:stop"
_SAID = "<!-- autoresearch-ci:said -->"
_BOT = "github-actions[bot]"
_SLUG = re.compile(r"[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+")


class GitHub:
    """A `Forge`."""

    def __init__(
        self,
        slug: str,
        environment: Mapping[str, str],
        *,
        sleep: Callable[[float], None] = time.sleep,
        note: Callable[[str], None] = lambda message: None,
        pace: float = 0.2,
    ) -> None:
        """`slug`: `owner/name`; `pace`: seconds between writes, of which there are few. Raises
        `ConfigError` when there is no token and no app.
        """
        if not _SLUG.fullmatch(slug):
            raise ConfigError(
                f"{slug!r} is no GitHub repository.\n"
                "do: set publish.repository (or GITHUB_REPOSITORY) to owner/name."
            )
        self._slug = slug
        self._api = environment.get("GITHUB_API_URL") or "https://api.github.com"
        self._server = (environment.get("GITHUB_SERVER_URL") or "https://github.com").rstrip("/")
        self._note = note
        self._pace = pace
        self._patiently = Patience(place=self._place(), sleep=sleep)
        self._credentials = Credentials(slug, environment, api=self._api, patiently=self._patiently)
        self._connected: tuple[github.Github, Repository] | None = None
        self._login = ""

    @property
    def address(self) -> Address:
        return Address(url=f"{self._server}/{self._slug}.git", place=self._place())

    def token(self) -> str:
        return self._credentials.token()

    def default_branch(self) -> str:
        return self._ask(lambda repository: repository.default_branch)

    def pulls(self, branch: str) -> Sequence[PullRequest]:
        return [self._noun(pull, branch) for pull in self._find(branch)]

    def show(self, post: Post) -> PullRequest:
        """Open or update. Raises `ForgeRefused` when GitHub lets us do neither."""
        found = self._open(post.branch)
        if found is None:
            found = self._create(post)
        else:
            self._update(found, post)
        return self._noun(found, post.branch)

    def say(self, pull: PullRequest, text: str) -> None:
        marked = f"{text.strip()}\n\n{_SAID}"

        def once(repository: Repository) -> None:
            issue = repository.get_issue(pull.number)
            # GitHub keeps what we wrote, but its web page stores other line ends.
            bodies = [(c.body or "").replace("\r\n", "\n") for c in issue.get_comments()]
            if marked not in bodies:
                issue.create_comment(marked)

        self._ask(once)

    def words(self, pull: PullRequest) -> Sequence[CommentCommand]:
        return self._ask(lambda repository: list(self._words(repository, pull.number)))

    def merge_base_into(self, branch: str, base: str) -> bool:
        try:
            self._ask(lambda repository: repository.merge(branch, base))
        except ForgeRefused as error:
            if "Merge conflict" in str(error):
                return False
            raise
        return True

    def push_options(self, post: Post) -> Sequence[str]:
        return ()

    def compare_link(self, base: str, branch: str) -> str:
        name = quote(branch, safe="/")
        return f"{self._server}/{self._slug}/compare/{quote(base, safe='/')}...{name}?expand=1"

    def file_link(self, commit: str, path: str) -> str:
        return f"{self._server}/{self._slug}/blob/{commit}/{path}?raw=true"

    def hurry(self) -> None:
        self._patiently.waits = ()
        self._credentials.timeout = 2
        self._connected = None

    def _find(self, branch: str) -> list[Pull]:
        """All from `branch` of this very repository, newest first; a fork's cannot be named so."""
        owner = self._slug.partition("/")[0]
        head = f"{owner}:{branch}"
        found = self._ask(lambda repository: list(repository.get_pulls(state="all", head=head)))
        return sorted(
            (p for p in found if p.head.ref == branch), key=lambda p: p.number, reverse=True
        )

    def _open(self, branch: str) -> Pull | None:
        """The one to write to: our own, else a person's from the same branch."""
        found = [pull for pull in self._find(branch) if pull.state == "open"]
        mine = [pull for pull in found if self._is_ours(pull, branch)]
        return next(iter([*mine, *found]), None)

    def _create(self, post: Post) -> Pull:
        body = merged("", post.render(room_for_report("", post.branch)), post.branch)

        def create(repository: Repository, draft: bool) -> Pull:
            # Looked up again: an answer that was lost may have been a success.
            known = self._open(post.branch)
            return known or repository.create_pull(
                post.base, post.branch, title=post.title, body=body, draft=draft
            )

        try:
            pull = self._ask(lambda repository: create(repository, post.publish.draft))
        except ForgeRefused as error:
            known = self._open(post.branch) if error.kind is RefusalKind.EXISTS else None
            if known is not None:
                self._update(known, post)
                return known
            if error.kind is not RefusalKind.NO_DRAFTS:
                raise
            pull = self._ask(lambda repository: create(repository, False))
        self._decorate(pull, post)
        return pull

    def _update(self, pull: Pull, post: Post) -> None:
        before = pull.body or ""
        room = room_for_report(before, post.branch)
        changes: dict[str, Any] = {}
        if room > 2_000:
            body = merged(before, post.render(room), post.branch)
            # The web page stores other line ends; that is no difference.
            if body.replace("\r\n", "\n") != before.replace("\r\n", "\n"):
                changes["body"] = body
        ours = self._is_ours(pull, post.branch) and pull.title.startswith(TITLE_PREFIX)
        if ours and pull.title != post.title:
            changes["title"] = post.title
        if changes:
            self._ask(lambda repository: pull.edit(**changes))
        if post.ready and pull.draft and self._is_ours(pull, post.branch):
            self._optional("mark it ready for review", lambda _: pull.mark_ready_for_review())

    def _decorate(self, pull: Pull, post: Post) -> None:
        if post.publish.labels:
            labels = list(post.publish.labels)
            self._optional("set its labels", lambda _: pull.add_to_labels(*labels))
        if post.publish.reviewers:
            people = [name for name in post.publish.reviewers if "/" not in name]
            teams = [name.rpartition("/")[2] for name in post.publish.reviewers if "/" in name]
            self._optional(
                "ask for a review",
                lambda _: pull.create_review_request(reviewers=people, team_reviewers=teams),
            )

    def _optional(self, what: str, do: Callable[[Repository], object]) -> None:
        """What is nice to have: a refusal is told, and nothing else."""
        try:
            self._ask(do)
        except ForgeRefused as error:
            first, *rest = str(error).splitlines()
            self._note(f"the pull request is there, but we could not {what}: {first} {rest[:1]}")

    def _words(self, repository: Repository, number: int) -> Iterator[CommentCommand]:
        issue = repository.get_issue(number)
        permitted: dict[str, bool] = {}
        for comment in issue.get_comments():
            author = comment.user.login if comment.user else ""
            at = comment.created_at.astimezone(datetime.UTC).isoformat(timespec="seconds")
            found = commands(comment.body or "", author, at)
            # A personal token's owner may comment, too: what we said ourselves is marked.
            if not author or not found or _SAID in comment.body:
                continue
            if author not in permitted:
                permitted[author] = self._may_write(repository, author)
            if not permitted[author]:
                self._note(f"{author} may not write to the repository: /autoresearch is ignored")
                continue
            yield from found
        if any(label.name == STOP_LABEL for label in issue.labels):
            yield CommentCommand(author=f"the label {STOP_LABEL}", verb="stop")

    def _may_write(self, repository: Repository, login: str) -> bool:
        import github

        try:
            return repository.get_collaborator_permission(login) in ("admin", "write")
        except github.UnknownObjectException:
            return False

    def _noun(self, pull: Pull, branch: str) -> PullRequest:
        state = PullState.OPEN if pull.state == "open" else PullState.CLOSED
        return PullRequest(
            number=pull.number,
            url=pull.html_url,
            state=PullState.MERGED if pull.merged_at else state,
            ours=self._is_ours(pull, branch),
        )

    def _is_ours(self, pull: Pull, branch: str) -> bool:
        return pull.user.login == self._me() and is_marked(pull.body or "", branch)

    def _me(self) -> str:
        """Our own login; a job's token and an app's may not ask for it."""
        if not self._login:
            self._login = self._credentials.app_login() or self._user_login()
        return self._login

    def _user_login(self) -> str:
        try:
            return self._ask(lambda _: self._client().get_user().login)
        except ForgeRefused as error:
            if error.kind is not RefusalKind.FORBIDDEN:
                raise
            return _BOT

    def _ask(self, question: Callable[[Repository], T]) -> T:
        """One exchange about the repository. Raises `ForgeRefused`."""
        return self._patiently(lambda: question(self._connect()))

    def _connect(self) -> Repository:
        if self._connected is None:
            client = self._client()
            self._connected = (client, client.get_repo(self._slug))
        return self._connected[1]

    def _client(self) -> github.Github:
        if self._connected:
            return self._connected[0]
        import github

        return github.Github(
            auth=self._credentials.auth,
            base_url=self._api,
            timeout=self._credentials.timeout,
            retry=None,  # its own would repeat a POST without a look
            seconds_between_requests=0,
            seconds_between_writes=self._pace,
            per_page=100,
            lazy=True,
        )

    def _place(self) -> Place:
        return Place(repository=self._slug, settings=f"{self._server}/{self._slug}/settings")
