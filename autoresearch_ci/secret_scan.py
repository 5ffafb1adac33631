"""Would a proposal carry a secret into git? Then it is not even committed.

Looks for the values that we know, and for new tokens of well-known services, in what a proposal
adds: content, file names, words.
"""

from __future__ import annotations

from typing import Protocol

from autoresearch_ci.experiment import FileEdit, Proposal, ReasonedProposal
from autoresearch_ci.safety.redaction import Redactor, credentials_in


class _Files(Protocol):
    def read(self, path: str) -> bytes: ...


def holds_secret(proposal: Proposal, incumbent: _Files, redactor: Redactor) -> bool:
    """Whether anything that the proposal would add holds a secret."""
    words = [proposal.description, *(edit.path for edit in proposal.edits)]
    if isinstance(proposal, ReasonedProposal):
        words += [proposal.hypothesis, proposal.next_idea]
    if any(redactor.found_in(text) or credentials_in(text) for text in words):
        return True
    return any(_adds_secret(edit, incumbent, redactor) for edit in proposal.edits)


def _adds_secret(edit: FileEdit, incumbent: _Files, redactor: Redactor) -> bool:
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
    return bool(_credentials(edit.content) - _credentials(before))


def _added(before: bytes, after: bytes) -> bytes:
    """The lines that were not there."""
    known = set(before.split(b"\n"))
    return b"\n".join(line for line in after.split(b"\n") if line not in known)


def _credentials(content: bytes) -> frozenset[str]:
    return credentials_in(content.decode(errors="replace"))
