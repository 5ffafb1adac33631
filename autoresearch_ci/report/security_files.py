"""The files of a security scan that are read later: findings, coverage, what to do, table, handoff.

Columns and names of files are the peer's, so that its tools read ours.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from autoresearch_ci.decide.gates import Judged, Ruling
from autoresearch_ci.decide.security.model_layer import ModelLayer
from autoresearch_ci.decide.security.weakness import FAMILIES, Severity, Weakness
from autoresearch_ci.record.handoff_form import FINDINGS, VERSION
from autoresearch_ci.report.reconnaissance_pages import LISTS, covered
from autoresearch_ci.report.security_report import LISTED, UNREAD, SecurityReport, where
from autoresearch_ci.safety.log_text import defuse
from autoresearch_ci.safety.markdown_text import block, inline
from autoresearch_ci.safety.wording import commit_name, shortened

_PAGE = 500
"""Weaknesses on one page."""
_CELL = 500
COLUMNS = (
    *("iteration", "timestamp", "finding", "severity", "owasp", "stride", "evidence"),
    *(
        "file_line",
        "status",
        "age",
        "confidence",
        "cwe",
        "rule",
        "sources",
        "fingerprint",
        "commit",
    ),
)
"""The peer's, then ours."""
TOP_TEN: Mapping[str, Mapping[str, str]] = {
    "2021": {
        "A01": "Broken Access Control",
        "A02": "Cryptographic Failures",
        "A03": "Injection",
        "A04": "Insecure Design",
        "A05": "Security Misconfiguration",
        "A06": "Vulnerable and Outdated Components",
        "A07": "Identification and Authentication Failures",
        "A08": "Software and Data Integrity Failures",
        "A09": "Security Logging and Monitoring Failures",
        "A10": "Server-Side Request Forgery",
    },
    "2025": {
        "A01": "Broken Access Control",
        "A02": "Security Misconfiguration",
        "A03": "Software Supply Chain Failures",
        "A04": "Cryptographic Failures",
        "A05": "Injection",
        "A06": "Insecure Design",
        "A07": "Authentication Failures",
        "A08": "Software or Data Integrity Failures",
        "A09": "Security Logging and Alerting Failures",
        "A10": "Mishandling of Exceptional Conditions",
    },
}


def overview_page(report: SecurityReport) -> str:
    """`overview.md`: in a minute, what it came to, and which page has what."""
    counts, verdict = report.counts(), report.verdict
    told = ", ".join(f"{counts[s]} {s}" for s in Severity if counts[s]) or "nothing"
    lines = [
        f"# Security of {commit_name(report.commit)}",
        "",
        f"Verdict: {verdict.ruling}. {inline(verdict.reason, 600)}",
        "",
        f"- Open: {told}.",
        *(f"- {len(found)} {words}." for words, found in _otherwise(report) if found),
        f"- Looked with: {', '.join(inline(name, 60) for name in report.looked) or 'nothing'}, "
        f"at {report.files} files.",
        *(f"- {n} {inline(kind, 60)}: {UNREAD}." for kind, n in report.unread.items()),
        *(f"- {text}" for text in _of_the_model(report.layer)),
        *(f"- Not looked at to the end: {inline(text, 300)}" for text in verdict.missed[:_PAGE]),
        "",
        "| page | has |",
        "| --- | --- |",
        *(f"| [{name}]({name}) | {words} |" for name, words in PAGES.items()),
        "",
    ]
    return "\n".join(lines)


def _of_the_model(layer: ModelLayer) -> Iterator[str]:
    if layer.why_not:
        yield f"No model was asked: {inline(layer.why_not, 200)}."
        return
    found = (f"{words} {len(layer.terrain.get(name, ()))}" for name, words in LISTS.items())
    yield f"A model found: {', '.join(found)}."
    reach = (f"{inline(name, 60)} {covered(layer, name)}" for name in layer.coverage)
    yield f"It looked at, with evidence: {', '.join(reach) or 'nothing'}."
    yield f"Quotes of it that do not stand in the code, and were dropped: {layer.dropped}."
    yield f"{layer.tokens} tokens, ${layer.cost_usd:.2f}."


def _otherwise(report: SecurityReport) -> Iterator[tuple[str, Sequence[Judged[Weakness]]]]:
    yield "refuted with code", report.of_status("disproven")
    yield "for a person to look at: code alone does not tell", report.of_status("unknown")
    yield "accepted or known", report.of_status("accepted")


PAGES = {
    "threat-model.md": "what is at stake, where trust ends, which combinations were looked at",
    "attack-surface-map.md": "where something comes in, and the stack",
    "findings.md": "each weakness with its evidence and what became of it",
    "owasp-coverage.md": "by category of the Top 10s, what was looked at and what is open",
    "recommendations.md": "what to do, what matters most first",
}


def findings_page(report: SecurityReport) -> str:
    """`findings.md`: each weakness with its evidence."""
    lines = [f"# Findings at {commit_name(report.commit)}", "", inline(report.verdict.reason, 600)]
    for judged in report.verdict.items[:_PAGE]:
        lines += ["", *_finding(judged)]
    if (more := len(report.verdict.items) - _PAGE) > 0:
        lines += ["", f"And {more} more in `weaknesses.json`."]
    return "\n".join([*lines, ""])


def _finding(judged: Judged[Weakness]) -> Iterator[str]:
    item = judged.item
    yield f"## {item.severity}: {inline(item.title, 200)}"
    yield ""
    for name, value in (
        ("where", where(item)),
        ("rule", f"{item.rule} (says: {', '.join(item.sources)})"),
        ("kind", f"{item.family}{f', CWE-{item.cwe}' if item.cwe else ''}"),
        ("OWASP", item.owasp),
        ("STRIDE", item.stride),
        ("confidence", str(item.confidence)),
        ("status", f"{item.status}, {judged.age}{f' ({judged.note})' if judged.note else ''}"),
        ("fingerprint", item.fingerprint),
    ):
        if value:
            yield f"- {name}: {inline(value, 400)}"
    for text in (item.why, item.fix and f"Instead: {item.fix}"):
        if text:
            yield ""
            yield inline(text, 1_000)
    for piece in item.evidence[:3]:
        yield ""
        yield block(piece.text, 1_000)


def coverage_page(report: SecurityReport) -> str:
    """`owasp-coverage.md`: by category, what was told. Nothing told is not nothing there."""
    told = defaultdict[str, list[Weakness]](list)
    for judged in report.open:
        for name in _categories(judged.item):
            told[name].append(judged.item)
    lines = [f"# OWASP Top 10 at {commit_name(report.commit)}", ""]
    lines += ["A category without weaknesses is one in which none of these told of any:", ""]
    lines += [f"- {inline(name, 60)}: {count} files" for name, count in report.looked.items()]
    looked = report.layer.coverage.get("owasp", {})
    for year, names in TOP_TEN.items():
        lines += ["", f"## {year}", ""]
        lines += ["| category | | open | worst | how often a model looked, with evidence |"]
        lines += ["| --- | --- | ---: | --- | --- |"]
        for number, name in names.items():
            found = told[f"{number}:{year}"]
            worst = min((w.severity for w in found), key=lambda s: s.rank, default="")
            seen = str(looked.get(f"{number}:{year}") or "not")
            lines.append(f"| {number} | {name} | {len(found) or ''} | {worst} | {seen} |")
    gaps = [f"- {inline(text, 300)}" for text in report.verdict.missed[:_PAGE]]
    if gaps:
        lines += ["", "## Not looked at to the end", "", *gaps]
    return "\n".join([*lines, ""])


def _categories(item: Weakness) -> Iterator[str]:
    family = next((f for f in FAMILIES if f.name == item.family), None)
    if family:
        yield from family.owasp
    elif item.owasp:
        yield item.owasp


def recommendations_page(report: SecurityReport) -> str:
    """`recommendations.md`: what to do, what matters most first, each kind once."""
    kinds = defaultdict[tuple[Severity, str], list[Weakness]](list)
    for judged in report.open:
        kinds[judged.item.severity, judged.item.family].append(judged.item)
    lines = [f"# What to do at {commit_name(report.commit)}"]
    if not kinds:
        lines += ["", "Nothing is open."]
    for (severity, family), items in sorted(kinds.items(), key=lambda pair: pair[0][0].rank):
        lines += ["", f"## {severity}: {inline(family, 100)} ({len(items)})", ""]
        fixes = dict.fromkeys(item.fix for item in items if item.fix)
        lines += [f"{inline(fix, 400)}\n" for fix in [*fixes][:5]]
        lines += [f"- {inline(where(item), 200)}: {inline(item.title, 160)}" for item in items[:50]]
        if len(items) > 50:
            lines.append(f"- and {len(items) - 50} more")
    return "\n".join([*lines, ""])


def table(report: SecurityReport, timestamp: str) -> str:
    """`security-results.tsv`."""
    rows = [
        [_cell(value) for value in _row(number, judged, report, timestamp)]
        for number, judged in enumerate(report.verdict.items[:LISTED], start=1)
    ]
    return "".join("\t".join(row) + "\n" for row in [list(COLUMNS), *rows])


def _row(
    number: int, judged: Judged[Weakness], report: SecurityReport, timestamp: str
) -> Sequence[str]:
    item = judged.item
    quote = item.evidence[0].text if item.evidence else ""
    return (
        *(str(number), timestamp, item.title, str(item.severity).capitalize(), item.owasp),
        *(item.stride, quote, where(item), item.status, str(judged.age), str(item.confidence)),
        *(f"CWE-{item.cwe}" if item.cwe else "", item.rule, ", ".join(item.sources)),
        *(item.fingerprint, commit_name(report.commit)),
    )


def _cell(text: str) -> str:
    return defuse(shortened(" ".join(text.split()), _CELL)) or "-"


def handoff(report: SecurityReport) -> dict[str, Any]:
    """`handoff.json`: for the next command."""
    whole = report.verdict.ruling is not Ruling.INCOMPLETE
    left = len(report.verdict.items) - FINDINGS
    more = [f"{left} more, milder than these, are in weaknesses.json"] if left > 0 else []
    return {
        "version": VERSION,
        "source": "security",
        "tag": commit_name(report.commit),
        "commit": report.commit,
        "base": report.base or report.commit,
        "status": "COMPLETE" if whole else "BOUNDED",
        "end": report.verdict.reason,
        "asked": {"fail_on": report.fail_on},
        "scope": [],
        "findings": [_handed(judged, report) for judged in report.verdict.items[:FINDINGS]],
        "incomplete": [*more, *report.verdict.missed][:1_000],
    }


def _handed(judged: Judged[Weakness], report: SecurityReport) -> dict[str, Any]:
    item = judged.item
    evidence = item.evidence[:100]
    return {
        "fingerprint": item.fingerprint,
        "status": item.status,
        "rule": item.rule,
        "title": item.title,
        "severity": str(item.severity),
        "confidence": str(item.confidence),
        "path": "" if item.path.startswith("/") else item.path,  # of no file of the repository
        "line": item.line,
        "end_line": max(item.line, item.end_line),
        "why": item.why,
        "claim": item.title,
        "fix": item.fix,
        "dimension": {"owasp": item.owasp, "stride": item.stride},
        "role": item.role,
        "commit": report.commit,
        "evidence": [
            {"kind": "quote", "path": e.path, "line": e.line, "text": e.text} for e in evidence
        ],
    }
