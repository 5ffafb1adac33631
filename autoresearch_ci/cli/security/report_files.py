"""The report of a security scan in every form that somebody reads."""

from __future__ import annotations

import datetime
from functools import partial

import autoresearch_ci
from autoresearch_ci.cli.gate_files import Gated
from autoresearch_ci.record.handoff_form import handoff_text
from autoresearch_ci.report import security_files as pages
from autoresearch_ci.report.html_findings import security_html
from autoresearch_ci.report.reconnaissance_pages import attack_surface_page, threat_model_page
from autoresearch_ci.report.sarif import weaknesses_sarif
from autoresearch_ci.report.security_page import annotated, security_lines, security_markdown
from autoresearch_ci.report.security_report import SecurityReport, findings, security_json
from autoresearch_ci.report.weaknesses_gitlab import code_quality, sast
from autoresearch_ci.safety.log_text import json_text

_READABLE = 500
"""Weaknesses up to which files of JSON are indented."""


def gated(report: SecurityReport, began: datetime.datetime) -> Gated:
    """All of it."""
    annotations = annotated(report)
    facts = security_json(report, [annotation.as_json() for annotation in annotations])
    ended = f"{datetime.datetime.now(datetime.UTC):%Y-%m-%dT%H:%M:%S}"
    started = f"{began:%Y-%m-%dT%H:%M:%S}"
    summary = security_markdown(report)
    # For people, where people may read it: it takes several times as long.
    text = partial(json_text, indent=1 if len(report.verdict.items) <= _READABLE else None)
    asks = report.exit_code and any(judged.blocks for judged in report.verdict.items)
    return Gated(
        lines=[*security_lines(report)],
        json=facts,
        files={
            "weaknesses.json": text(facts),
            "weaknesses.sarif": text(weaknesses_sarif(report)),
            "gl-sast-report.json": text(sast(report, started, ended)),
            "gl-code-quality-report.json": text(code_quality(report)),
            "security-results.tsv": pages.table(report, f"{started}Z"),
            "overview.md": pages.overview_page(report),
            "threat-model.md": threat_model_page(report.layer),
            "attack-surface-map.md": attack_surface_page(report.layer),
            "findings.md": pages.findings_page(report),
            "owasp-coverage.md": pages.coverage_page(report),
            "recommendations.md": pages.recommendations_page(report),
            "handoff.json": handoff_text(pages.handoff(report)),
            "summary.md": summary,
            "report.html": security_html(report, autoresearch_ci.__version__),
        },
        summary=summary,
        outputs={
            "findings": str(findings(report)),
            "verdict": str(report.verdict.ruling),
            "tokens": str(report.layer.tokens),
            "cost-usd": str(report.layer.cost_usd),
        },
        annotations=annotations,
        next="autoresearch-ci security --fix   # repairs what is high or critical" if asks else "",
    )
