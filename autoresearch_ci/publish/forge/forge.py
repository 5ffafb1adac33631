"""What a forge must be able to do, and its nouns: addresses, pull requests and their content."""

from __future__ import annotations

import enum
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from autoresearch_ci.config.schema import Publish
from autoresearch_ci.errors import ConfigError
from autoresearch_ci.publish.comment_commands import CommentCommand, Replies
from autoresearch_ci.publish.forge.forge_refusals import PublishPlace

_URL = re.compile(r"(?P<scheme>https?|file)://(?P<host>[^/@\s]*)(?P<path>/[^\s]*)")


_LOOPBACK = re.compile(r"(127\.0\.0\.1|localhost|\[::1\])(:\d+)?")


@dataclass(frozen=True, kw_only=True)
class Address:
    """Where a repository is, and as whom we come."""

    url: str
    """`https://host/owner/name.git`; `file:` and, on this machine, `http:` for tests."""
    username: str = "x-access-token"
    place: PublishPlace

    @property
    def scheme(self) -> str:
        return self._parts["scheme"]

    @property
    def origin(self) -> str:
        """`https://host`, as git names it when it asks for a password."""
        return f"{self.scheme}://{self._parts['host']}"

    @property
    def _parts(self) -> re.Match[str]:
        found = _URL.fullmatch(self.url)
        insecure = found and found["scheme"] == "http" and not _LOOPBACK.fullmatch(found["host"])
        if not found or insecure:
            raise ConfigError(
                f"{self.url!r} is no address to publish to.\n"
                "usually: an ssh or plain http remote; a token is only sent over https.\n"
                "do: set GITHUB_SERVER_URL (GitLab: CI_SERVER_URL) to an https address."
            )
        return found


class PullState(enum.Enum):
    """What became of a pull request."""

    OPEN = "open"
    CLOSED = "closed"
    """By a person, without merging."""
    MERGED = "merged"
    SUPERSEDED = "superseded"
    """By us, because another one took its place."""


@dataclass(frozen=True, kw_only=True)
class PullRequest:
    """A pull request as the forge has it."""

    number: int
    url: str
    state: PullState
    branch: str = ""
    """The one that it brings."""
    ours: bool = True
    """Whether we opened it; a person's own from the same branch is only added to."""
    closed_at: str = ""
    """ISO 8601 in UTC, by the forge's clock; empty: it is open, or unknown."""


@dataclass(frozen=True, kw_only=True)
class PullRequestContent:
    """What a pull request shall say."""

    branch: str
    base: str
    """The branch to merge into."""
    title: str
    goal: str
    """The mark of what it makes better: another run for the same finds it by that."""
    render: Callable[[int], str]
    """The body in at most that many characters: people's own words need room, too."""
    publish: Publish
    """Whether a new one is a draft, its labels and who is asked to review it."""
    ready: bool = False
    """Whether it is to be no draft any more."""
    held_back: bool = False
    """Whether it is to be a draft again: what it gains is hard to believe, or did not hold."""
    confirmed: bool = False
    """Whether base and result were measured again, and the gain holds."""


@dataclass(frozen=True, kw_only=True)
class LineNote:
    """What is said beside a line of a pull request's change."""

    path: str
    line: int
    """1-based, as the head has it."""
    text: str
    """Markdown."""
    key: str
    """By which it is found again, whatever line it has moved to."""


class Forge(Protocol):
    """A place that has branches and pull requests. Everything raises `ForgeRefused`.

    What a forge does not say otherwise is that of one without an API.
    """

    tells: bool
    """Whether it says which pull requests there are; of another, git tells the branches."""

    @property
    def address(self) -> Address:
        """Where its git repository is."""

    def token(self) -> str:
        """For git; renewed when it is about to expire."""

    def default_branch(self) -> str:
        """The branch that pull requests go to when nothing else is said; empty: unknown."""

    def pull_requests(self, branch: str) -> Sequence[PullRequest]:
        """Pull requests from `branch`, newest first."""
        return ()

    def open_for(self, goal: str, base: str) -> Sequence[PullRequest]:
        """Our open pull requests for that goal into `base`, whatever their branch, oldest first."""
        return ()

    def open_or_update(self, content: PullRequestContent) -> PullRequest | None:
        """Open the pull request, or bring it up to date; `None`: this forge does it on push."""
        return None

    def comment_once(self, pull: PullRequest, text: str) -> None:
        """Comment once: the same text is not repeated."""
        return

    def sticky_comment(self, number: int, mark: str, text: str) -> str:
        """The one comment of ours with that mark on a pull request says `text` from now on.

        Its address; empty: this forge takes none.
        """

    def replies(self, number: int, mark: str) -> Replies:
        """The answers below our comment with that mark."""

    def beside_lines(self, number: int, mark: str, notes: Sequence[LineNote]) -> None:
        """Say each once; what was said before and is not among them any more is said to be gone,
        and its thread resolved where we may."""

    def supersede(self, pull: PullRequest, branch: str, text: str) -> None:
        """Comment, and close one of ours from `branch`, so that it is no person's refusal."""
        return

    def comment_commands(self, pull: PullRequest) -> Sequence[CommentCommand]:
        """What people with write permission asked for, oldest first; a stop label counts."""
        return ()

    def merge_base_into(self, branch: str, base: str) -> bool:
        """Bring `branch` up to date with `base` by a merge commit; `False` on a conflict."""
        return False

    def push_options(self, content: PullRequestContent) -> Sequence[str]:
        """What the push itself shall ask for."""
        return ()

    def compare_link(self, base: str, branch: str) -> str:
        """Where a person can open the pull request."""

    def checks_link(self, branch: str) -> str:
        """Where the branch's checks are listed."""

    def file_link(self, commit: str, path: str) -> str:
        """Address of a picture at a commit; empty when the forge has none."""

    def hurry(self) -> None:
        """The process is about to be killed: no waiting from now on."""
        return
