"""What `security` tells of a commit, as one value, and as JSON; other forms are elsewhere.

No form carries a secret further than the repository does: what stands in quotes, or looks like a
token, is hidden wherever a weakness is about a secret.
"""

from __future__ import annotations

import re
import shlex
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from autoresearch_ci.decide.gates import Age, GateVerdict, Judged
from autoresearch_ci.decide.security.model_layer import ModelLayer
from autoresearch_ci.decide.security.weakness import FAMILIES, MODEL, Severity, Weakness

SCHEMA = 1
"""Of `weaknesses.json`; a number more when a member changes its meaning."""
LISTED = 20_000
"""Weaknesses in one file."""
WORDS = 1_000
"""Characters of a message in a file for tools."""
UNREAD = "not looked at but for secrets: no scanner here knows the language"
"""What a kind of code comes to that nobody reads."""


@dataclass(frozen=True, kw_only=True)
class SecurityReport:
    """All that is told of one commit."""

    verdict: GateVerdict[Weakness]
    commit: str
    base: str = ""
    """The merge base; empty: all of the commit was judged, or there is none."""
    no_base: str = ""
    """Why there is none where one was asked for."""
    fail_on: str = "high"
    looked: Mapping[str, int] = field(default_factory=dict)
    """By scanner, how many files it was shown."""
    left: Mapping[str, str] = field(default_factory=dict)
    """Scanners that were not asked for, and why they did not look."""
    unread: Mapping[str, int] = field(default_factory=dict)
    """Kinds of code that no scanner here reads, and how many files of each."""
    files: int = 0
    """That were looked at."""
    media: int = 0
    """Pictures, fonts and sounds, which no scanner reads."""
    excluded: tuple[str, ...] = ()
    """Paths that the configuration leaves out."""
    doubts: tuple[str, ...] = ()
    """Sentences; none of them decides."""
    changed: Mapping[str, frozenset[int]] = field(default_factory=dict)
    """Lines that the change touched, by file."""
    history: Mapping[str, str] = field(default_factory=dict)
    """By fingerprint: `new`, `persisting`, `reopened`."""
    gone: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """`fixed` and `unknown`: a sentence on each weakness that was known and is not told now."""
    files_url: str = ""
    """Address of the commit's files, up to the slash before a path; empty: there is none."""
    layer: ModelLayer = field(default_factory=ModelLayer)
    """What a model made of it, if one was asked."""

    @property
    def exit_code(self) -> int:
        """Nothing fails where `never` was asked for."""
        return 0 if self.fail_on == "never" else self.verdict.exit_code

    @property
    def open(self) -> list[Judged[Weakness]]:
        """Neither excused nor refuted, and no mere suspicion of a model's."""
        return self.of_status("open")

    def of_status(self, status: str) -> list[Judged[Weakness]]:
        """What blocks first."""
        return [judged for judged in self.verdict.items if judged.item.status == status]

    def counts(self) -> Counter[Severity]:
        """Of what is open."""
        return Counter(judged.item.severity for judged in self.open)

    def age(self, judged: Judged[Weakness]) -> str:
        """Against the base, or else since the last scan of everything."""
        if judged.item.status != "open":
            return judged.item.status
        return str(judged.age) if self.base else self.history.get(judged.item.fingerprint, "open")

    @property
    def again(self) -> str:
        """The command that does all of this again."""
        base = f" --diff {self.base}" if self.base else ""
        return f"autoresearch-ci security{base} --fail-on {self.fail_on}"


def without_secrets(report: SecurityReport, hide: Callable[[str], str] = str) -> SecurityReport:
    """Neither those that `hide` knows, nor those that the weaknesses are about."""
    verdict = report.verdict
    return replace(
        report,
        verdict=replace(
            verdict,
            reason=hide(verdict.reason),
            items=tuple(_harmless(judged, hide) for judged in verdict.items),
            unseen={hide(name): hide(why) for name, why in verdict.unseen.items()},
        ),
        no_base=hide(report.no_base),
        excluded=tuple(map(hide, report.excluded)),
        doubts=tuple(map(hide, report.doubts)),
        unread={hide(kind): count for kind, count in report.unread.items()},
        layer=replace(
            report.layer,
            terrain={
                name: [_hidden(entry, hide) for entry in entries]
                for name, entries in report.layer.terrain.items()
            },
        ),
    )


def _hidden(entry: Mapping[str, Any], hide: Callable[[str], str]) -> Mapping[str, Any]:
    return {key: hide(value) if isinstance(value, str) else value for key, value in entry.items()}


_QUOTED = re.compile(r"([\"'`])(?:(?!\1)[^\n]){3,}?\1")
_TOKEN = re.compile(r"[A-Za-z0-9+/_=.~-]{12,}")
_SECRETS = next(family.name for family in FAMILIES if 798 in family.cwes)


def _harmless(judged: Judged[Weakness], hide: Callable[[str], str]) -> Judged[Weakness]:
    weakness = judged.item

    def words(text: str) -> str:
        text = hide(text)
        if weakness.family == _SECRETS:
            text = _TOKEN.sub(_masked, _QUOTED.sub(r"\1***\1", text))
        return text

    # What a scanner says besides its title is the same of every such weakness.
    more = words if MODEL in weakness.sources else hide
    item = replace(
        weakness,
        path=hide(weakness.path),
        title=words(weakness.title),
        why=more(weakness.why),
        fix=more(weakness.fix),
        answer=words(weakness.answer),
        evidence=tuple(replace(piece, text=words(piece.text)) for piece in weakness.evidence),
    )
    return replace(judged, item=item, note=words(judged.note))


def _masked(match: re.Match[str]) -> str:
    """A name in the code is none: `private_key_of_the_service`."""
    text = match[0]
    mixed = re.search(r"\d", text) and re.search(r"[A-Za-z]", text)
    return "***" if mixed or len(text) >= 40 else text


def where(weakness: Weakness) -> str:
    """`src/a.py:3`."""
    return f"{weakness.path}:{weakness.line}" if weakness.line else weakness.path


def findings(report: SecurityReport) -> int:
    """What is open, and with a base is not old: the output `findings`."""
    ages = (Age.NEW, Age.UNKNOWN)
    return sum(j.age in ages for j in report.open) if report.base else len(report.open)


def reproduce(report: SecurityReport) -> list[str]:
    """Lines of shell."""
    commit = shlex.quote(report.commit)
    return [f"git fetch origin {commit} && git switch --detach {commit}", report.again]


def security_json(
    report: SecurityReport, annotations: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """`weaknesses.json`: for scripts, for the step around us, and as a baseline."""
    verdict = report.verdict
    return {
        "schema": SCHEMA,
        "verdict": str(verdict.ruling),
        "reason": verdict.reason,
        "findings": findings(report),
        "counts": {str(severity): report.counts()[severity] for severity in Severity},
        "commit": report.commit,
        "base": report.base,
        "no_base": report.no_base,
        "fail_on": report.fail_on,
        "looked": dict(report.looked),
        "left": dict(report.left),
        "unread": dict(report.unread),
        "files": report.files,
        "media": report.media,
        "excluded": list(report.excluded),
        "unseen": dict(verdict.unseen),
        "doubts": list(report.doubts),
        "gone": {name: list(told) for name, told in report.gone.items()},
        "coverage": {name: dict(cells) for name, cells in report.layer.coverage.items()},
        "dropped": report.layer.dropped,
        "tokens": report.layer.tokens,
        "cost_usd": report.layer.cost_usd,
        "reproduce": reproduce(report),
        "annotations": list(annotations),
        "items": [_item(report, judged) for judged in verdict.items[:LISTED]],
        "items_left_out": max(0, len(verdict.items) - LISTED),
    }


def _item(report: SecurityReport, judged: Judged[Weakness]) -> dict[str, Any]:
    item = judged.item
    return {
        "rule": item.rule,
        "fingerprint": item.fingerprint,
        "same": list(item.fingerprints),
        "age": str(judged.age),
        "history": report.history.get(item.fingerprint, ""),
        "blocks": judged.blocks,
        "status": item.status,
        "severity": str(item.severity),
        "confidence": str(item.confidence),
        "cwe": item.cwe,
        "owasp": item.owasp,
        "stride": item.stride,
        "sources": list(item.sources),
        "path": item.path,
        "line": item.line,
        "end_line": item.end_line,
        "title": item.title[:WORDS],
        "why": item.why[:WORDS],
        "fix": item.fix[:WORDS],
        "evidence": [{"path": e.path, "line": e.line, "text": e.text} for e in item.evidence],
        "note": judged.note,
    }
