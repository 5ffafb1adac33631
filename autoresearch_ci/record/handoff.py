"""handoff.json: what an investigation found, as the next command reads it.

The file may come from another job or another tool: whatever is in it is a hint, and decides
nothing. Ours is held to its form (handoff_form.py), and a command in it is text that is never run.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from autoresearch_ci.decide.aims import Lead
from autoresearch_ci.decide.findings import SEVERITIES
from autoresearch_ci.errors import ConfigError, reason_of
from autoresearch_ci.record.foreign_handoffs import Claim, Foreign, foreign
from autoresearch_ci.record.handoff_form import Handoff
from autoresearch_ci.safety.log_text import clipped
from autoresearch_ci.safety.untrusted_files import file_bytes
from autoresearch_ci.safety.untrusted_values import MIB, Unreadable, json_value

_BYTES = 16 * MIB
_LEADS = 50
_TEXT = 1_000
"""Characters of one field of a lead."""
_SHOWN = 3
"""Of what does not fit."""


@dataclass(frozen=True, kw_only=True)
class Handed:
    """What a file hands on, whoever wrote it."""

    source: str
    """The command, or tool, that says so."""
    ours: bool
    """It has our form; that is no proof of who wrote it."""
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
        return _theirs(foreign(data))
    except ValidationError as error:
        raise ConfigError(_unusable(path, flag, _misfits(error))) from error
    except OSError as error:
        raise ConfigError(_unusable(path, flag, reason_of(error) or "cannot be read")) from error
    except (Unreadable, ValueError) as error:
        raise ConfigError(_unusable(path, flag, str(error))) from error


def _ours(whole: Handoff) -> Handed:
    claims = [
        Claim(
            status=f.status,
            title=f.title or f.claim,
            severity=f.severity,
            path=f.path if is_inside(f.path) else "",
            line=f.line,
            why=f.why,
            fix=f.fix,
        )
        for f in whole.findings
    ]
    return _handed(claims, source=whole.source, ours=True, commit=whole.commit)


def _theirs(found: Foreign) -> Handed:
    return _handed(found.claims, source=found.source, ours=False, commit=found.commit)


def _handed(claims: list[Claim], *, source: str, ours: bool, commit: str) -> Handed:
    def of(status: str) -> tuple[Lead, ...]:
        rank = {severity: n for n, severity in enumerate(SEVERITIES)}
        found = [claim for claim in claims if claim.status == status]
        found.sort(key=lambda claim: rank.get(claim.severity, len(rank)))
        return tuple(map(_lead, found[:_LEADS]))

    return Handed(
        source=clipped(source, 60),
        ours=ours,
        commit=commit if re.fullmatch("[0-9a-f]{40,64}", commit) else "",
        open=of("open"),
        supposed=of("unknown"),
        disproven=of("disproven"),
    )


def _lead(claim: Claim) -> Lead:
    inside = is_inside(claim.path)
    return Lead(
        title=claim.title[:_TEXT],
        why=claim.why[:_TEXT],
        fix=claim.fix[:_TEXT],
        path=claim.path[:_TEXT] if inside else "",
        line=claim.line if inside else 0,
        severity=claim.severity,
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
