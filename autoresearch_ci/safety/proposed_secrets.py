"""Whether a proposal would write a secret down: one that we were given, or what looks like a token.

What stood in the files before is no news.
"""

from __future__ import annotations

from autoresearch_ci.experiment import FileEdit, Proposal, Tree
from autoresearch_ci.safety.redaction import Redactor
from autoresearch_ci.safety.token_forms import tokens_in


def holds_secret(proposal: Proposal, incumbent: Tree, redactor: Redactor) -> bool:
    """Whether anything that the proposal would add holds a secret."""
    words = [proposal.description, proposal.hypothesis, proposal.next_idea]
    words += [edit.path for edit in proposal.edits]
    if any(redactor.found_in(text) or tokens_in(text) for text in words):
        return True
    return any(_adds_secret(edit, incumbent, redactor) for edit in proposal.edits)


def _adds_secret(edit: FileEdit, incumbent: Tree, redactor: Redactor) -> bool:
    if edit.content is None:
        return False
    try:
        before = incumbent.read(edit.path)
    except KeyError:
        before = b""
    if edit.content == before:
        return False
    if redactor.found_in(edit.content) and (
        not redactor.found_in(before) or redactor.found_in(_added(before, edit.content))
    ):
        return True
    return bool(_tokens(edit.content) - _tokens(before))


def _added(before: bytes, after: bytes) -> bytes:
    """The lines that were not there."""
    known = set(before.split(b"\n"))
    return b"\n".join(line for line in after.split(b"\n") if line not in known)


def _tokens(content: bytes) -> frozenset[str]:
    return tokens_in(content.decode(errors="replace"))
