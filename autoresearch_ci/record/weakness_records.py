"""The history of weaknesses: one JSON file on a ref of its own, one commit for each scan.

It lies beside the notebooks of runs and is fetched and pushed like them. What comes back may have
been written by anybody who may push: it says what is new and what is fixed, and decides nothing.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, cast

from autoresearch_ci.decide.security.weakness_history import REMEMBERED, Entry
from autoresearch_ci.record.commit_messages import of_note
from autoresearch_ci.record.notebook import notebook_ref
from autoresearch_ci.safety.log_text import json_text
from autoresearch_ci.safety.untrusted_values import Unreadable, json_value
from autoresearch_ci.workspace.repository import Repository
from autoresearch_ci.workspace.store import Store

TAG = "security-history"
REF = notebook_ref(TAG)
FILE = "weaknesses.json"
_BYTES = 4_000_000
_TEXT = 500
_VERSION = 1
_TEXTS = ("rule", "title", "severity", "path", "first", "last", "commit", "ended")
_STATUSES = ("open", "accepted", "fixed", "unknown")


def read(content: bytes | None) -> tuple[Entry, ...]:
    """Entries that are ones; the rest is left out, and no file is no history."""
    if not content:
        return ()
    try:
        data = json_value(content, limit=_BYTES)
    except (Unreadable, ValueError):
        return ()
    entries = data.get("entries") if isinstance(data, dict) else None
    if not isinstance(entries, list) or data.get("version") != _VERSION:
        return ()
    found = (_entry(e) for e in entries[:REMEMBERED] if isinstance(e, dict) and _has_lists(e))
    return tuple(entry for entry in found if entry)


def _has_lists(data: Mapping[str, Any]) -> bool:
    return all(isinstance(data.get(name), list) for name in ("names", "sources"))


def _entry(data: Mapping[str, Any]) -> Entry | None:
    texts = [data.get(name, "") for name in _TEXTS]
    names, sources = ([*data.get(name, ())] for name in ("names", "sources"))
    line, status = data.get("line"), data.get("status")
    whole = all(isinstance(text, str) for text in (*texts, *names, *sources))
    if not whole or not names or type(line) is not int or status not in _STATUSES:
        return None
    rule, title, severity, path, first, last_day, commit, ended = (t[:_TEXT] for t in texts)
    return Entry(
        names=tuple(name[:_TEXT] for name in names),
        rule=rule,
        title=title,
        severity=severity,
        path=path,
        line=max(0, line),
        sources=tuple(source[:_TEXT] for source in sources),
        status=cast(Any, status),
        first=first,
        last=last_day,
        commit=commit,
        ended=ended,
        quotes=tuple(_quotes(data.get("quotes", ()))),
    )


def _quotes(told: object) -> Iterator[tuple[str, int, str]]:
    for quote in told if isinstance(told, list) else ():
        if isinstance(quote, list) and [type(part) for part in quote] == [str, int, str]:
            yield quote[0], quote[1], quote[2]


def written(entries: Sequence[Entry]) -> bytes:
    """The file."""
    rows = [dataclasses.asdict(entry) for entry in entries]
    return json_text({"version": _VERSION, "entries": rows}).encode()


def last(repository: Repository) -> tuple[Entry, ...]:
    """What this clone knows."""
    tip = repository.ref(REF)
    return read(repository.content(tip, FILE)) if tip else ()


def remember(
    repository: Repository, folder: Path, entries: Sequence[Entry], commit: str, tip: str | None
) -> str:
    """One more commit upon `tip`, which is the ref's; its name. `folder`: for a store of ours.

    The scanned commit is not its parent: who fetches the history need not fetch the code. Raises
    `WorkspaceError` when somebody else was quicker.
    """
    with closing(Store(folder, repository)) as store:
        made, _ = store.commit(
            parents=[tip] if tip else [],
            edits={FILE: ("100644", written(entries))},
            message=of_note(TAG, len(entries), f"scan of {commit[:12]}"),
            timestamp=int(time.time()),
        )
    repository.update_ref(REF, made, repository.ref(REF))
    return made
