"""What an investigation has done so far, in lines that survive a kill; the lock on it.

Append-only, each line flushed to the disk before the next thing is done. An iteration without its
item is made again; what it paid is paid. What the lines may say is investigation_history.py's.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Annotated

from pydantic import ConfigDict, Field, TypeAdapter

from autoresearch_ci.errors import WorkspaceError
from autoresearch_ci.record.durable_files import append_line
from autoresearch_ci.record.investigation_history import (
    InvestigationRecord,
    InvestigationStarted,
    Known,
)
from autoresearch_ci.record.record_lines import line_of, read_line_as
from autoresearch_ci.record.run_names import INVESTIGATION
from autoresearch_ci.record.run_records import lock_of
from autoresearch_ci.safety.untrusted_files import file_bytes
from autoresearch_ci.safety.untrusted_values import MIB, Unreadable

_BYTES = 128 * MIB
_COMMIT = re.compile("[0-9a-f]{40,64}")


def refuse_forged(commits: Iterable[str]) -> None:
    """Raises `WorkspaceError` for what a record calls a commit and git might read otherwise."""
    for commit in commits:
        if not _COMMIT.fullmatch(commit):
            raise WorkspaceError(
                f"the records name a commit {commit[:50]!r}, which is none.\n"
                "usually: they came from a cache or an artifact that others can write to.\n"
                "do: start again with another --tag."
            )


class InvestigationRecords:
    """The file of one investigation, and what stands in it; holds its lock until `close`."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._path = folder / INVESTIGATION
        self._lock = lock_of(folder)
        self.known = Known()

    def read(self) -> Known:
        """What earlier processes wrote; a torn last line is dropped. Raises `WorkspaceError`."""
        if self._path.exists():
            raw = _content(self._path)
            whole = raw[: raw.rfind(b"\n") + 1]
            if whole != raw:
                os.truncate(self._path, len(whole))
            self.known = _parsed(self._path, whole)
        return self.known

    def append(self, record: InvestigationRecord) -> None:
        append_line(self._path, line_of(record), 0o600)
        self.known = self.known.after(record)

    def close(self) -> None:
        self._lock.close()


def peek(folder: Path) -> Known:
    """What is written down so far, without the lock and without changing anything."""
    path = folder / INVESTIGATION
    return _parsed(path, _content(path)) if path.exists() else Known()


@cache
def _reader() -> TypeAdapter[InvestigationRecord]:
    kinds = Annotated[InvestigationRecord, Field(discriminator="record")]
    return TypeAdapter(kinds, config=ConfigDict(strict=True, extra="forbid"))


def _content(path: Path) -> bytes:
    try:
        return file_bytes(path, _BYTES)
    except Unreadable as error:
        raise WorkspaceError(
            f"{path} {error}, so the investigation cannot be continued.\n"
            "do: start one with another --tag."
        ) from error


def _parsed(path: Path, raw: bytes) -> Known:
    known = Known()
    lines: Sequence[bytes] = raw[: raw.rfind(b"\n") + 1].split(b"\n")[:-1]
    for number, line in enumerate(lines, start=1):
        try:
            record = read_line_as(_reader(), line)
            if isinstance(record, InvestigationStarted) != (known.start is None):
                raise ValueError(f"a record {record.record!r} does not belong there")
            if isinstance(record, InvestigationStarted) and not _COMMIT.fullmatch(record.base):
                raise ValueError(f"{record.base[:50]!r} is no commit")
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise WorkspaceError(
                f"{path}, line {number}: not a record of ours ({error}).\n"
                "usually: the file was edited, the disk lost a part of it, or another version of "
                "autoresearch-ci wrote it.\n"
                "do: start again with another --tag; what was found stays in the run folder."
            ) from error
        known = known.after(record)
    return known
