"""handoff.json: what an investigation found, as the next command reads it.

Written in report/finding_pages.py. The file may come from another job or another tool: whatever is
in it is a hint for a proposer, and decides nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from autoresearch_ci.decide.aims import Lead
from autoresearch_ci.errors import ConfigError, reason_of
from autoresearch_ci.safety.untrusted_files import file_bytes
from autoresearch_ci.safety.untrusted_values import Unreadable, json_value

_BYTES = 4 * 2**20
_LEADS = 50
_TEXT = 1_000
"""Characters of one field."""


def read_handoff(path: Path) -> tuple[Lead, ...]:
    """The open findings, in their order. Raises `ConfigError`."""
    try:
        data = json_value(file_bytes(path, _BYTES), limit=_BYTES)
    except OSError as error:
        raise ConfigError(_unusable(path, reason_of(error) or "cannot be read")) from error
    except (Unreadable, ValueError) as error:
        raise ConfigError(_unusable(path, str(error))) from error
    findings = data.get("findings") if isinstance(data, Mapping) else None
    if not isinstance(findings, list):
        raise ConfigError(_unusable(path, "has no list of findings"))
    open_ones = (f for f in findings if isinstance(f, Mapping) and f.get("status") == "open")
    return tuple(_lead(finding) for finding, _ in zip(open_ones, range(_LEADS), strict=False))


def _lead(finding: Mapping[str, Any]) -> Lead:
    def text(key: str) -> str:
        value = finding.get(key)
        return value[:_TEXT] if isinstance(value, str) else ""

    line = finding.get("line")
    return Lead(
        title=text("title"),
        why=text("why"),
        fix=text("fix"),
        path=text("path"),
        line=line if type(line) is int and line > 0 else 0,
    )


def _unusable(path: Path, why: str) -> str:
    return (
        f"--from-debug {path}: {why}.\n"
        "usually: another file, or one that was not written to its end.\n"
        "do: name the handoff.json in the run folder of autoresearch-ci debug."
    )
