"""Brings the base branch into a branch of ours, without a working tree and without the forge.

The same two commits give the same merge commit wherever it is made. So a job that only reads can
begin from one, and the job that publishes makes it again instead of believing a bundle.
"""

from __future__ import annotations

from autoresearch_ci.workspace.git import GitDirectory
from autoresearch_ci.workspace.store import IDENTITY


def merge(git: GitDirectory, ours: str, theirs: str) -> str | None:
    """The merge commit; `None` on a conflict, or where a shallow clone hides what they share.

    `git` is a directory of our own: a merge driver of the user's configuration is never run.
    """
    code, out, _ = git.attempt("merge-tree", "--write-tree", "--no-messages", ours, theirs)
    if code:
        return None
    seconds = git("show", "-s", "--format=%ct", ours, theirs).split()
    name, email = IDENTITY.removesuffix(">").split(" <")
    people = {
        f"GIT_{role}_{field}": value
        for role in ("AUTHOR", "COMMITTER")
        for field, value in (
            ("NAME", name),
            ("EMAIL", email),
            ("DATE", f"{max(map(int, seconds))} +0000"),  # of no clock: it must come out the same
        )
    }
    message = f"merge: the base branch at {theirs[:12]}"
    tree = out.decode().split()[0]
    made = git("commit-tree", tree, "-p", ours, "-p", theirs, "-m", message, env=people)
    return made.decode().strip()


def have_met(git: GitDirectory, ours: str, theirs: str) -> bool:
    """Whether this clone's history reaches back to a commit that both contain."""
    code, _, _ = git.attempt("merge-base", ours, theirs)
    return code == 0
