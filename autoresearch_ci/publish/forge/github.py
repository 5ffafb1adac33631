"""GitHub through its REST API: the pull request, its labels, reviewers and comments.

github_api.py knows what an error means and who we are. Every write is preceded by a look, so that
repeating it after a lost answer, or beside another run, changes nothing. Which part of a pull
request's body is ours, github_body.py knows. GITHUB_API_URL and GITHUB_SERVER_URL say where.
"""

from __future__ import annotations

import datetime
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

from autoresearch_ci.errors import ConfigError
from autoresearch_ci.publish.comment_commands import (
    Comment,
    CommentCommand,
    Replies,
    parse_commands,
    replies_below,
)
from autoresearch_ci.publish.forge.forge import (
    Address,
    Forge,
    LineNote,
    PullRequest,
    PullRequestContent,
    PullState,
)
from autoresearch_ci.publish.forge.forge_refusals import (
    TRANSIENT,
    ForgeRefused,
    PublishPlace,
    RefusalKind,
)
from autoresearch_ci.publish.forge.github_api import Credentials, Patience
from autoresearch_ci.publish.forge.github_body import (
    harmless,
    is_for,
    is_marked,
    is_superseded,
    merged,
    room_for_report,
    superseded,
)
from autoresearch_ci.publish.forge.github_lines import say_beside_lines

if TYPE_CHECKING:
    import github
    from github.IssueComment import IssueComment
    from github.PullRequest import PullRequest as Pull
    from github.Repository import Repository


T = TypeVar("T")

STOP_LABEL = "autoresearch:stop"
_SAID = "<!-- autoresearch-ci:said -->"
_OF_BOTS = "[bot]"
"""How the logins of apps end, and of nobody else."""
_BOT = f"github-actions{_OF_BOTS}"
_OUR_TITLE = "autoresearch: "
"""How titles begin that we wrote; another title is a person's and stays."""
_NO_DRAFT = (
    "\n\n**This pull request should be a draft, and GitHub did not let us make it one: do not "
    "merge it before somebody has looked at what is said here.**"
)
_SLUG = re.compile(r"[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+")


class GitHub(Forge):
    """Asked through its REST API."""

    tells = True

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

    def pull_requests(self, branch: str) -> Sequence[PullRequest]:
        return [self._as_pull_request(pull, branch) for pull in self._find(branch)]

    def open_for(self, goal: str, base: str) -> Sequence[PullRequest]:
        found = self._ask(
            lambda repository: list(repository.get_pulls("open", "created", "asc", base))
        )
        return [
            self._as_pull_request(pull, pull.head.ref)
            for pull in found
            if self._is_ours(pull, pull.head.ref) and is_for(pull.body or "", pull.head.ref, goal)
        ]

    def open_or_update(self, content: PullRequestContent) -> PullRequest:
        """Open or update. Raises `ForgeRefused` when GitHub lets us do neither."""
        found = self._open(content.branch)
        if found is None:
            found = self._create(content)
        else:
            self._update(found, content)
        return self._as_pull_request(found, content.branch)

    def comment_once(self, pull: PullRequest, text: str) -> None:
        marked = f"{text.strip()}\n\n{_SAID}"

        def once(repository: Repository) -> None:
            issue = repository.get_issue(pull.number)
            # GitHub keeps what we wrote, but its web page stores other line ends.
            bodies = [(c.body or "").replace("\r\n", "\n") for c in issue.get_comments()]
            if marked not in bodies:
                issue.create_comment(marked)

        self._ask(once)

    def sticky_comment(self, number: int, mark: str, text: str) -> str:
        """Found again by the mark and by our own authorship: anybody can write a mark."""
        begin = f"<!-- autoresearch-ci:{mark} -->"
        body = f"{begin}\n{harmless(text).strip()}"
        us = self._own_login()

        def stick(repository: Repository) -> str:
            issue = repository.get_issue(number)
            ours = [c for c in issue.get_comments() if _is_by(c, us) and c.body.startswith(begin)]
            if not ours:
                return issue.create_comment(body).html_url
            first, *others = ours
            for other in others:  # of two runs at once, each of which found none
                other.delete()
            if first.body.replace("\r\n", "\n") != body:
                first.edit(body)
            return first.html_url

        return self._ask(stick)

    def replies(self, number: int, mark: str) -> Replies:
        us = self._own_login()

        def read(repository: Repository) -> Replies:
            comments = [
                Comment(
                    id=comment.id,
                    author=comment.user.login if comment.user else "",
                    text=comment.body or "",
                    ours=_is_by(comment, us),
                    edited=comment.updated_at != comment.created_at,
                )
                for comment in repository.get_issue(number).get_comments()
            ]
            begin = f"<!-- autoresearch-ci:{mark} -->"
            return replies_below(comments, begin, lambda c: self._may_write(repository, c.author))

        return self._ask(read)

    def beside_lines(self, number: int, mark: str, notes: Sequence[LineNote]) -> None:
        us = self._own_login()
        refused = self._ask(lambda repo: say_beside_lines(repo, number, us, mark, notes))
        if refused:
            self._note(
                "what is gone is said to be gone beside its lines, but the threads stay open "
                f"({refused}): GitHub lets only a token with `contents: write` resolve them"
            )

    def supersede(self, pull: PullRequest, branch: str, text: str) -> None:
        self.comment_once(pull, text)

        def close(repository: Repository) -> None:
            found = repository.get_pull(pull.number)
            if found.state == "open":
                found.edit(body=superseded(found.body or "", branch), state="closed")

        self._ask(close)

    def comment_commands(self, pull: PullRequest) -> Sequence[CommentCommand]:
        return self._ask(lambda repository: list(self._commands(repository, pull.number)))

    def merge_base_into(self, branch: str, base: str) -> bool:
        try:
            self._ask(lambda repository: repository.merge(branch, base))
        except ForgeRefused as error:
            if "Merge conflict" in str(error):
                return False
            raise
        return True

    def compare_link(self, base: str, branch: str) -> str:
        name = quote(branch, safe="/")
        return f"{self._server}/{self._slug}/compare/{quote(base, safe='/')}...{name}?expand=1"

    def checks_link(self, branch: str) -> str:
        return f"{self._server}/{self._slug}/actions?query={quote(f'branch:{branch}', safe='')}"

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

    def _create(self, content: PullRequestContent) -> Pull:
        room = room_for_report("", content.branch)

        def create(repository: Repository, draft: bool) -> Pull:
            words = _report(content, room, draft=draft)
            body = merged("", words, content.branch, content.goal)
            # Looked up again: an answer that was lost may have been a success.
            known = self._open(content.branch)
            return known or repository.create_pull(
                content.base, content.branch, title=content.title, body=body, draft=draft
            )

        try:
            pull = self._ask(lambda repository: create(repository, content.publish.draft))
        except ForgeRefused as error:
            known = self._open(content.branch) if error.kind is RefusalKind.EXISTS else None
            if known is not None:
                self._update(known, content)
                return known
            if error.kind is not RefusalKind.NO_DRAFTS:
                raise
            pull = self._ask(lambda repository: create(repository, False))
        self._label_and_ask(pull, content)
        return pull

    def _update(self, pull: Pull, content: PullRequestContent) -> None:
        before = pull.body or ""
        mine = self._is_ours(pull, content.branch)
        if content.held_back and mine and not pull.draft:
            self._optional("make it a draft again", lambda _: pull.convert_to_draft())
        room = room_for_report(before, content.branch)
        changes: dict[str, Any] = {}
        if room > 2_000:
            words = _report(content, room, draft=pull.draft or not mine)
            body = merged(before, words, content.branch, content.goal)
            # The web page stores other line ends; that is no difference.
            if body.replace("\r\n", "\n") != before.replace("\r\n", "\n"):
                changes["body"] = body
        if mine and pull.title.startswith(_OUR_TITLE) and pull.title != content.title:
            changes["title"] = content.title
        if changes:
            self._ask(lambda repository: pull.edit(**changes))
        if content.ready and pull.draft and mine:
            self._optional("mark it ready for review", lambda _: pull.mark_ready_for_review())

    def _label_and_ask(self, pull: Pull, content: PullRequestContent) -> None:
        if content.publish.labels:
            labels = list(content.publish.labels)
            self._optional("set its labels", lambda _: pull.add_to_labels(*labels))
        if content.publish.reviewers:
            people = [name for name in content.publish.reviewers if "/" not in name]
            teams = [name.rpartition("/")[2] for name in content.publish.reviewers if "/" in name]
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

    def _commands(self, repository: Repository, number: int) -> Iterator[CommentCommand]:
        issue = repository.get_issue(number)
        permitted: dict[str, bool] = {}
        for comment in issue.get_comments():
            author = comment.user.login if comment.user else ""
            at = _stamp(comment.created_at)
            found = parse_commands(comment.body or "", author, at)
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

    def _as_pull_request(self, pull: Pull, branch: str) -> PullRequest:
        ours = self._is_ours(pull, branch)
        closed = pull.closed_at if pull.state != "open" else None
        state = PullState.OPEN
        if pull.merged_at:
            state = PullState.MERGED
        elif pull.state != "open":
            by_us = ours and is_superseded(pull.body or "", branch)
            state = PullState.SUPERSEDED if by_us else PullState.CLOSED
        return PullRequest(
            number=pull.number,
            url=pull.html_url,
            state=state,
            branch=branch,
            ours=ours,
            closed_at=_stamp(closed) if closed else "",
        )

    def _is_ours(self, pull: Pull, branch: str) -> bool:
        """By a bot it is enough that it is marked: one job reads with its own token what another
        opened with an app's, and who may edit the text may also push to the branch.
        """
        author = pull.user.login if pull.user else ""  # of a deleted account
        return is_marked(pull.body or "", branch) and (
            author.endswith(_OF_BOTS) or author == self._own_login()
        )

    def _own_login(self) -> str:
        if not self._login:
            self._login = self._credentials.app_login() or self._user_login()
        return self._login

    def _user_login(self) -> str:
        try:
            return self._ask(lambda _: self._client().get_user().login)
        except ForgeRefused as error:
            if error.kind is not RefusalKind.FORBIDDEN:
                raise
        try:  # a job's token and an app's may not ask for a user
            query = "query { viewer { login } }"
            login = self._ask(lambda _: self._client().requester.graphql_query(query, {}))[1]
            return f"{login['data']['viewer']['login'].removesuffix(_OF_BOTS)}{_OF_BOTS}"
        except (ForgeRefused, KeyError, TypeError, AttributeError) as error:
            if isinstance(error, ForgeRefused) and error.kind in TRANSIENT:
                raise
            self._note(
                f"GitHub does not say whose token this is; it is taken for {_BOT}'s, and another "
                "app's comments are not found again"
            )
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

    def _place(self) -> PublishPlace:
        return PublishPlace(repository=self._slug, settings=f"{self._server}/{self._slug}/settings")


def _report(content: PullRequestContent, room: int, *, draft: bool) -> str:
    """Our words, and that what should be a draft is none."""
    if draft or not content.held_back:
        return content.render(room)
    return content.render(room - len(_NO_DRAFT)) + _NO_DRAFT


def _is_by(comment: IssueComment, login: str) -> bool:
    return comment.user is not None and comment.user.login == login and bool(comment.body)


def _stamp(time: datetime.datetime) -> str:
    return time.astimezone(datetime.UTC).isoformat(timespec="seconds")
