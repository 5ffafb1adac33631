"""The file that holds the journal: appended to, row by row, and no row is ever changed."""

from __future__ import annotations

import contextlib
from pathlib import Path

from autoresearch_ci.experiment import Direction
from autoresearch_ci.record import journal_tsv as journal
from autoresearch_ci.record.durable_files import append_line, replace_file
from autoresearch_ci.safety.untrusted_files import file_bytes
from autoresearch_ci.safety.untrusted_values import Unreadable


def append(path: Path, line: str) -> None:
    """Add a row durably, see `append_line`."""
    append_line(path, (line.removesuffix("\n") + "\n").encode("utf-8", errors="replace"))


def is_ours(path: Path) -> bool:
    """Whether a run of this program wrote the file, and not another tool or a person."""
    headers = [journal.header(direction) for direction in Direction]
    beginnings = [header.partition(f"\t{journal.LAST_ADDED}")[0].encode() for header in headers]
    with contextlib.suppress(OSError), path.open("rb") as file:
        return file.read(max(map(len, beginnings))).startswith(tuple(beginnings))
    return False


def make_sure(path: Path, text: str) -> None:
    """The journal holds `text`: written anew only if it does not, and then all or nothing."""
    data = text.encode()
    with contextlib.suppress(OSError, Unreadable):
        if file_bytes(path, len(data)) == data:
            return
    replace_file(path, data)
