"""What handoff.json holds: one form for whoever writes and whoever reads one; pure.

handoff.schema.json shows it to other tools. A command in it is for people: nobody runs it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from autoresearch_ci.safety.log_text import json_text

VERSION = 1
FINDINGS = 5_000

Line: TypeAlias = Annotated[str, Field(max_length=2_000)]
Words: TypeAlias = Annotated[str, Field(max_length=8_000)]
CommitName: TypeAlias = Annotated[str, Field(pattern="^[0-9a-f]{40,64}$")]
PathText: TypeAlias = Annotated[str, Field(max_length=4_096, pattern=r"^([^/\x00][^\x00]*)?$")]
"""From the repository's root; empty: none. No part of it is `..`."""
Count: TypeAlias = Annotated[int, Field(ge=0, le=10**9)]
HandoffSeverity: TypeAlias = Literal["critical", "high", "medium", "low", "info", ""]


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class HandedEvidence(_Part):
    """What a finding rests on."""

    kind: Literal["quote", "command"]
    path: PathText = ""
    """Of a quote."""
    line: Count = 0
    text: Words = ""
    """The lines that stand there."""
    run: Count = 0
    """Of a command: its number in the investigation."""
    command: Words = ""
    """For people: whoever reads it runs nothing of it."""
    exit_code: int = 0


class HandedFinding(_Part):
    """One claim, and what became of it."""

    fingerprint: Annotated[str, Field(pattern="^[0-9a-f]{8,64}$")]
    """The same when lines move."""
    status: Literal["open", "fixed", "disproven", "blocked", "accepted", "unknown"]
    rule: Line
    """The program, or the rule of a scanner."""
    title: Line
    severity: HandoffSeverity = ""
    confidence: Literal["high", "medium", "low", ""] = ""
    """By what it rests on."""
    path: PathText = ""
    line: Count = 0
    """1-based, at `commit`; 0: only the file is known."""
    end_line: Count = 0
    why: Words = ""
    claim: Words = ""
    fix: Words = ""
    """What should be changed, in words."""
    dimension: dict[str, Line] = Field(default={}, max_length=20)
    """Cells of the grid that it belongs to."""
    role: Line = ""
    commit: CommitName
    evidence: list[HandedEvidence] = Field(default=[], max_length=100)


class Handoff(_Part):
    """The whole file."""

    version: Literal[1]
    source: Annotated[str, Field(min_length=1, max_length=40)]
    """The command that wrote it."""
    tag: Line = ""
    commit: CommitName
    """What was looked at."""
    base: CommitName
    """What it was compared with; the same commit: nothing."""
    status: Literal["COMPLETE", "CONVERGED", "SATURATED", "BOUNDED", "USER_INTERRUPT", "ERROR"]
    """All but the first three: something was not looked at."""
    end: Line = ""
    asked: dict[str, Words] = Field(default={}, max_length=20)
    """What the command line asked, by flag."""
    scope: list[Line] = Field(default=[], max_length=1_000)
    findings: list[HandedFinding] = Field(max_length=FINDINGS)
    incomplete: list[Words] = Field(default=[], max_length=1_000)
    """What was not looked at, and why."""


def handoff_text(facts: Mapping[str, Any]) -> str:
    """The file's content, long texts cut. Raises `ValidationError` for a mistake of ours."""
    whole = Handoff.model_validate(_shortened(facts))
    return json_text(whole.model_dump(), indent=2)


def _shortened(value: Any) -> Any:
    """No text longer than the schema lets any be; nothing that JSON cannot spell."""
    if isinstance(value, Mapping):
        whole = {str(key): _shortened(inner) for key, inner in value.items()}
        return {k: v[:2_000] if k in _LINES and isinstance(v, str) else v for k, v in whole.items()}
    if isinstance(value, list | tuple):
        return [_shortened(inner) for inner in value]
    return value.encode(errors="replace").decode()[:8_000] if isinstance(value, str) else value


_LINES = ("title", "rule", "role", "tag", "end")
