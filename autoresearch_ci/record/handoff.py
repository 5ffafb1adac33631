"""handoff.json: what an investigation found, as the next command reads it.

The file may come from another job or another tool: whatever is in it is a hint, and decides
nothing. Ours is held to its form (handoff_form.py), and a command in it is text that is never run.
Those of uditgoenka/autoresearch come in the three forms that its versions and its guide show:

    2.1     {version: "2.1.0", source, timestamp, status, results_tsv, findings, config}
    guide   {source_command, scope, goal, findings, hypothesis_queue, summary}
    2.0     {version: "1.0", tool, generated_at, commit_hash, scope, summary, findings, hypotheses}

None of them has a schema, so nothing but the names is relied on. Ids, counts and commands are left
where they are: nobody could say whether they are true.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

from pydantic import ValidationError

from autoresearch_ci.decide.failures.repair_order import Lead
from autoresearch_ci.decide.investigation.finding import SEVERITIES
from autoresearch_ci.errors import ConfigError, reason_of
from autoresearch_ci.record.handoff_form import FINDINGS, Handoff
from autoresearch_ci.safety.log_text import clipped
from autoresearch_ci.safety.untrusted_files import file_bytes
from autoresearch_ci.safety.untrusted_values import MIB, Unreadable, json_value

_BYTES = 16 * MIB
_LEADS = 50
_TEXT = 1_000
"""Characters of one field of a lead."""
_SHOWN = 3
"""Of what does not fit."""

_Claim: TypeAlias = tuple[str, Lead]
"""`open`, `unknown`, `disproven` or `fixed`, and what is said."""


@dataclass(frozen=True, kw_only=True)
class Handed:
    """What a file hands on, whoever wrote it."""

    source: str
    """The command, or tool, that says so."""
    commit: str
    """Empty: it does not say."""
    open: tuple[Lead, ...] = ()
    """What it holds for true, the most severe first."""
    supposed: tuple[Lead, ...] = ()
    """What it could not decide."""
    disproven: tuple[Lead, ...] = ()


def read_handoff(path: Path, flag: str = "--from-debug") -> Handed:
    """Ours, or one of the peer's three. Raises `ConfigError`. `flag`: what named the file."""
    try:
        data = json_value(file_bytes(path, _BYTES), limit=_BYTES)
        if not isinstance(data, Mapping):
            raise Unreadable("is no JSON object")
        if type(data.get("version")) is int:
            return _ours(Handoff.model_validate(data))
        return _theirs(data)
    except ValidationError as error:
        raise ConfigError(_unusable(path, flag, _misfits(error))) from error
    except OSError as error:
        raise ConfigError(_unusable(path, flag, reason_of(error) or "cannot be read")) from error
    except (Unreadable, ValueError) as error:
        raise ConfigError(_unusable(path, flag, str(error))) from error


def _ours(whole: Handoff) -> Handed:
    claims = [
        (
            f.status,
            Lead(
                title=f.title or f.claim,
                severity=f.severity,
                path=f.path,
                line=f.line,
                why=f.why,
                fix=f.fix,
            ),
        )
        for f in whole.findings
    ]
    return _handed(claims, source=whole.source, commit=whole.commit)


def _handed(claims: Sequence[_Claim], *, source: str, commit: str) -> Handed:
    def of(status: str) -> tuple[Lead, ...]:
        rank = {severity: n for n, severity in enumerate(SEVERITIES)}
        found = [lead for said, lead in claims if said == status]
        found.sort(key=lambda lead: rank.get(lead.severity, len(rank)))
        return tuple(map(_bounded, found[:_LEADS]))

    return Handed(
        source=clipped(source, 60),
        commit=commit if re.fullmatch("[0-9a-f]{40,64}", commit) else "",
        open=of("open"),
        supposed=of("unknown"),
        disproven=of("disproven"),
    )


def _bounded(lead: Lead) -> Lead:
    inside = is_inside(lead.path)
    return replace(
        lead,
        title=lead.title[:_TEXT],
        why=lead.why[:_TEXT],
        fix=lead.fix[:_TEXT],
        path=lead.path[:_TEXT] if inside else "",
        line=lead.line if inside else 0,
    )


def is_inside(path: str) -> bool:
    """Whether a path can be one of the repository, spelt as git spells it."""
    parts = path.split("/")
    return bool(path) and not {"", ".", "..", ".git"}.intersection(parts) and "\0" not in path


def _misfits(error: ValidationError) -> str:
    """The first of them, with their places; not the values, which are somebody else's."""
    told = [
        f"{clipped('.'.join(map(str, one['loc'])), 80) or 'the whole'}: {clipped(one['msg'], 120)}"
        for one in error.errors(include_input=False, include_url=False, include_context=False)
    ]
    more = f" (and {len(told) - _SHOWN} more)" if len(told) > _SHOWN else ""
    return f"does not fit handoff.schema.json: {'; '.join(told[:_SHOWN])}{more}"


def _unusable(path: Path, flag: str, why: str) -> str:
    return (
        f"{flag} {path}: {why}.\n"
        "usually: another file, or one that was not written to its end.\n"
        "do: name the handoff.json in the run folder of autoresearch-ci debug."
    )


# --- Handoffs of uditgoenka/autoresearch ----------------------------------------------------------

_FOREIGN_TEXT = 8_000
_PLACE = re.compile(r"(?P<path>[^\0:][^\0]*?)(?::L?(?P<line>[0-9]{1,9})(?:[-:,].*)?)?", re.DOTALL)
_NAMES = ("source", "source_command", "tool")
"""By which the forms are told apart: 2.1, the guide, 2.0."""
_SAID = {
    "disproven": re.compile(r"disproven|eliminated|false.positive|rejected", re.IGNORECASE),
    "fixed": re.compile(r"fixed|resolved", re.IGNORECASE),
    "unknown": re.compile(r"unsure|inconclusive|untested|possible|pending|new.lead", re.IGNORECASE),
}
"""How a status begins: `not fixed` is not `fixed`."""


def _theirs(data: Mapping[str, Any]) -> Handed:
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
    named = [(status, lead) for status, lead in claims if lead.title]
    return _handed(named, source=source, commit=commit)


def _findings(entries: list[Any]) -> Iterator[_Claim]:
    for entry in entries:
        if isinstance(entry, Mapping):
            path, line = _place(entry)
            severity = _text(entry, "severity").lower()
            lead = Lead(
                title=_text(entry, "title") or _text(entry, "summary") or _why(entry)[:200],
                severity=severity if severity in SEVERITIES else "",
                path=path,
                line=line,
                why=_why(entry),
                fix=_text(entry, "recommendation"),
            )
            yield _status(entry), lead


def _hypotheses(entries: list[Any]) -> Iterator[_Claim]:
    """`{rank, id, hypothesis, confidence, location}`, or only its words: nothing has shown them."""
    for entry in entries:
        if isinstance(entry, Mapping):
            path, line = _place(entry)
            said = _text(entry, "hypothesis") or _text(entry, "title")
            yield "unknown", Lead(title=said, path=path, line=line)
        elif isinstance(entry, str):
            yield "unknown", Lead(title=entry[:_FOREIGN_TEXT])


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
    return " ".join(filter(None, told))[:_FOREIGN_TEXT]


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
    return value[:_FOREIGN_TEXT] if isinstance(value, str) else ""
