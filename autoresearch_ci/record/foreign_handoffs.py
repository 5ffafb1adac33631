"""Handoffs of uditgoenka/autoresearch, in the three forms that its versions and its guide show.

    2.1     {version: "2.1.0", source, timestamp, status, results_tsv, findings, config}
    guide   {source_command, scope, goal, findings, hypothesis_queue, summary}
    2.0     {version: "1.0", tool, generated_at, commit_hash, scope, summary, findings, hypotheses}

None of them has a schema, so nothing but the names is relied on. Ids, counts and commands are left
where they are: nobody could say whether they are true.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from autoresearch_ci.decide.findings import SEVERITIES
from autoresearch_ci.record.handoff_form import FINDINGS
from autoresearch_ci.safety.untrusted_values import Unreadable

_TEXT = 8_000
_PLACE = re.compile(r"(?P<path>[^\0:][^\0]*?)(?::L?(?P<line>[0-9]{1,9})(?:[-:,].*)?)?", re.DOTALL)
_NAMES = ("source", "source_command", "tool")
"""By which the forms are told apart: 2.1, the guide, 2.0."""
_SAID = {
    "disproven": re.compile(r"disproven|eliminated|false.positive|rejected", re.IGNORECASE),
    "fixed": re.compile(r"fixed|resolved", re.IGNORECASE),
    "unknown": re.compile(r"unsure|inconclusive|untested|possible|pending|new.lead", re.IGNORECASE),
}
"""How a status begins: `not fixed` is not `fixed`."""


@dataclass(frozen=True, kw_only=True)
class Claim:
    """One finding or hypothesis, as far as anybody could use it."""

    status: str
    """`open`, `unknown`, `disproven` or `fixed`."""
    title: str
    severity: str = ""
    path: str = ""
    line: int = 0
    why: str = ""
    fix: str = ""


@dataclass(frozen=True, kw_only=True)
class Foreign:
    """One file."""

    source: str
    commit: str
    claims: list[Claim]


def foreign(data: Mapping[str, Any]) -> Foreign:
    """Of any of the three forms. Raises `Unreadable` for what is none."""
    source = next((_text(data, name) for name in _NAMES if _text(data, name)), "")
    findings = data.get("findings")
    if not source or not isinstance(findings, list):
        raise Unreadable("is no handoff: neither of ours nor of a form that we know")
    if len(findings) > FINDINGS:
        raise Unreadable(f"holds more than {FINDINGS} findings")
    supposed = [data.get("hypotheses"), data.get("hypothesis_queue")]
    queue = [entry for part in supposed if isinstance(part, list) for entry in part[:FINDINGS]]
    claims = [*_findings(findings), *_hypotheses(queue)]
    commit = _text(data, "commit_hash") or _text(data, "commit")
    return Foreign(source=source, commit=commit, claims=[c for c in claims if c.title])


def _findings(entries: list[Any]) -> Iterator[Claim]:
    for entry in entries:
        if isinstance(entry, Mapping):
            path, line = _place(entry)
            severity = _text(entry, "severity").lower()
            yield Claim(
                status=_status(entry),
                title=_text(entry, "title") or _text(entry, "summary") or _why(entry)[:200],
                severity=severity if severity in SEVERITIES else "",
                path=path,
                line=line,
                why=_why(entry),
                fix=_text(entry, "recommendation"),
            )


def _hypotheses(entries: list[Any]) -> Iterator[Claim]:
    """`{rank, id, hypothesis, confidence, location}`, or only its words: nothing has shown them."""
    for entry in entries:
        if isinstance(entry, Mapping):
            path, line = _place(entry)
            said = _text(entry, "hypothesis") or _text(entry, "title")
            yield Claim(status="unknown", title=said, path=path, line=line)
        elif isinstance(entry, str):
            yield Claim(status="unknown", title=entry[:_TEXT])


def _status(entry: Mapping[str, Any]) -> str:
    """What it says of itself; a later measured result overrides an earlier opinion."""
    said = [_text(entry, name).strip() for name in ("status", "classification", "result")]
    found = (status for status, begins in _SAID.items() if any(map(begins.match, said)))
    return next(found, "open")


def _why(entry: Mapping[str, Any]) -> str:
    evidence = entry.get("evidence")
    if isinstance(evidence, list):
        evidence = "; ".join(piece for piece in evidence[:20] if isinstance(piece, str))
    told = (_text(entry, "description"), evidence if isinstance(evidence, str) else "")
    return " ".join(filter(None, told))[:_TEXT]


def _place(entry: Mapping[str, Any]) -> tuple[str, int]:
    """`a.py:3`, `a.py:3-9`, `a.py`, by whatever it is called."""
    told = next(
        (_text(entry, n) for n in ("location", "file_line", "path", "file") if _text(entry, n)), ""
    )
    found = _PLACE.fullmatch(told.strip().strip("`"))
    if found is None:
        return "", 0
    own = entry.get("line")
    line = int(found["line"] or 0) or (own if type(own) is int and own > 0 else 0)
    return found["path"].removeprefix("./"), line


def _text(entry: Mapping[str, Any], name: str) -> str:
    value = entry.get(name)
    return value[:_TEXT] if isinstance(value, str) else ""
