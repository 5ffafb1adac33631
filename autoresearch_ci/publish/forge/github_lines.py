"""Comments beside the lines of a pull request: said once, and their threads resolved when gone.

A comment is known by a hidden mark and by our authorship. Threads are in GitHub's GraphQL API only:
https://docs.github.com/en/graphql/reference/mutations#resolvereviewthread
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from autoresearch_ci.publish.forge.forge import LineNote
from autoresearch_ci.publish.forge.github_body import harmless

if TYPE_CHECKING:
    from github.PullRequest import PullRequest as Pull
    from github.PullRequestComment import PullRequestComment
    from github.Repository import Repository

_GONE = "**Gone with the newest commit.**\n\n"
_AT_ONCE = 30
"""Comments in one review."""
_THREADS = """
query($owner: String!, $name: String!, $number: Int!, $after: String) {
  repository(owner: $owner, name: $name) {
    pullRequest(number: $number) {
      reviewThreads(first: 100, after: $after) {
        pageInfo { hasNextPage endCursor }
        nodes { id isResolved comments(first: 1) { nodes { databaseId } } }
      }
    }
  }
}
"""


def say_beside_lines(
    repository: Repository, number: int, login: str, mark: str, notes: Sequence[LineNote]
) -> str:
    """New ones in one review of the newest commit; those of before are taken back, or taken up.

    GitHub takes none beside a line that its own difference does not show: that one is left out.
    `login`: ours. Why threads stay as they are, if that is so; empty: they do not.
    """
    pull = repository.get_pull(number)
    marks = {_line_mark(mark, note.key): note for note in notes}
    said = [
        (begin, comment)
        for comment in pull.get_review_comments()
        if comment.user is not None
        and comment.user.login == login
        and (begin := _marked_with(comment.body or "", mark))
    ]
    gone = [c for begin, c in said if begin not in marks and not _is_gone(c)]
    back = [c for begin, c in said if begin in marks and _is_gone(c)]
    # First, so that what breaks off here is done by the next push.
    refused = _set_resolved(repository, number, gone, back)
    for comment in gone:
        comment.edit(_GONE + _body(comment))
    for comment in back:
        comment.edit(_body(comment).removeprefix(_GONE))
    known = {begin for begin, _ in said}
    new = [note for begin, note in marks.items() if begin not in known]
    _review(repository, pull, mark, new[:_AT_ONCE])
    return refused


def _set_resolved(
    repository: Repository,
    number: int,
    gone: Sequence[PullRequestComment],
    back: Sequence[PullRequestComment],
) -> str:
    """Why not; empty: done. Raises what `Patience` knows to wait for."""
    import github

    changes = {comment.id: "resolveReviewThread" for comment in gone}
    changes |= {comment.id: "unresolveReviewThread" for comment in back}
    if not changes:
        return ""
    try:
        for thread, is_resolved, first in _threads(repository, number):
            mutation = changes.get(first, "")
            if mutation and is_resolved is mutation.startswith("un"):
                repository.requester.graphql_named_mutation(
                    mutation, {"threadId": thread}, "thread { isResolved }"
                )
    except github.GithubException as error:
        # PyGithub's for an answer of GraphQL that lists errors; a server may not have it at all.
        if error.status not in (400, 403, 404):
            raise
        told = error.data.get("errors") if isinstance(error.data, dict) else None
        said = next((e.get("message") for e in told or () if isinstance(e, dict)), None)
        return str(said or error.status)
    return ""


def _threads(repository: Repository, number: int) -> Iterator[tuple[str, bool, int]]:
    """Name, whether it is resolved, and the number of its first comment."""
    owner, _, name = repository.full_name.partition("/")
    given = {"owner": owner, "name": name, "number": number, "after": None}
    while True:
        _, answer = repository.requester.graphql_query(_THREADS, given)
        found = answer["data"]["repository"]["pullRequest"]["reviewThreads"]
        for node in found["nodes"]:
            for comment in node["comments"]["nodes"]:
                yield node["id"], node["isResolved"], comment["databaseId"]
        if not found["pageInfo"]["hasNextPage"]:
            return
        given["after"] = found["pageInfo"]["endCursor"]


def _review(repository: Repository, pull: Pull, mark: str, notes: Sequence[LineNote]) -> None:
    import github

    if not notes:
        return
    commit = repository.get_commit(pull.head.sha)
    told = [
        {
            "path": note.path,
            "line": note.line,
            "side": "RIGHT",
            "body": f"{harmless(note.text)}\n\n{_line_mark(mark, note.key)}",
        }
        for note in notes
    ]
    try:
        pull.create_review(commit=commit, event="COMMENT", comments=told)  # type: ignore[arg-type]
    except github.GithubException as error:
        if error.status != 422:
            raise
        for number in range(len(notes)) if len(notes) > 1 else ():
            _review(repository, pull, mark, notes[number : number + 1])


def _line_mark(mark: str, key: str) -> str:
    return f"<!-- autoresearch-ci:{mark}:{key} -->"


def _marked_with(body: str, mark: str) -> str:
    """The mark that a comment of ours ends with; empty: it has none."""
    found = re.search(rf"<!-- autoresearch-ci:{re.escape(mark)}:[0-9a-f]{{1,64}} -->\s*\Z", body)
    return found[0].strip() if found else ""


def _body(comment: PullRequestComment) -> str:
    """GitHub's web page has its own line ends."""
    return comment.body.replace("\r\n", "\n")


def _is_gone(comment: PullRequestComment) -> bool:
    return _body(comment).startswith(_GONE)
