"""What `security` tells: valid wherever it is read, in bounds, inert, and without the secrets."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from markdown_it import MarkdownIt

from autoresearch_ci.decide.gates import Age, GateVerdict, Judged, Ruling
from autoresearch_ci.decide.investigation.finding import Evidence
from autoresearch_ci.decide.security.weakness import Confidence, Severity, Weakness
from autoresearch_ci.record.handoff_form import FINDINGS, handoff_text
from autoresearch_ci.report import sarif
from autoresearch_ci.report import security_files as pages
from autoresearch_ci.report.gate_pieces import COMMENT_LIMIT
from autoresearch_ci.report.security_page import (
    annotated,
    beside_lines,
    comment_markdown,
    security_lines,
    security_markdown,
)
from autoresearch_ci.report.security_report import (
    SecurityReport,
    findings,
    security_json,
    without_secrets,
)
from autoresearch_ci.report.weaknesses_gitlab import code_quality, sast
from autoresearch_ci.safety.log_text import json_text

SARIF = json.loads((Path(__file__).parent / "sarif-2.1.0.json").read_text())
HOSTILE = (
    "@org/team <img src=x> ![](http://x/b.png) closes #1 ::error::x ##[error]x \x1b[31m `|` \r\n"
)


def weakness(number: int = 0, **facts: Any) -> Weakness:
    given = {
        "rule": "bandit/B602",
        "path": "a.py",
        "line": 5,
        "end_line": 6,
        "severity": Severity.HIGH,
        "confidence": Confidence.HIGH,
        "title": "a shell",
        "why": "anybody",
        "fix": "a list",
        "cwe": 78,
        "owasp": "A03:2021",
        "stride": "TE",
        "fingerprint": f"{number:016x}",
        "sources": ("bandit",),
        "evidence": (Evidence(kind="quote", path="a.py", line=5, text="run(x)"),),
        **facts,
    }
    return Weakness(**given)


def report(
    *items: Weakness, age: Age = Age.NEW, blocks: bool = True, **facts: Any
) -> SecurityReport:
    verdict = GateVerdict(
        ruling=Ruling.FAIL if items else Ruling.PASS,
        reason="told",
        items=tuple(
            Judged(item=item, age=age, target=", ".join(item.sources), blocks=blocks)
            for item in items
        ),
        unseen=facts.pop("unseen", {}),
    )
    given = {"commit": "c" * 40, "base": "b" * 40, "looked": {"bandit": 3}, "files": 3, **facts}
    return SecurityReport(verdict=verdict, **given)


def many(count: int = 30_000) -> list[Weakness]:
    return [weakness(n, severity=[*Severity][n % 5], path=f"d{n}/a.py") for n in range(count)]


@pytest.mark.parametrize(
    "items",
    [
        [],
        [weakness()],
        [weakness(path="", line=0, end_line=0, cwe=0, owasp="", why="", fix="")],
        [weakness(path="../../etc/passwd"), weakness(1, path="/etc/passwd")],
        [weakness(title=HOSTILE, why=HOSTILE, fix=HOSTILE, path=HOSTILE, rule=f"x/{HOSTILE}")],
        [weakness(path="a b/\udcff é.py")],
    ],
)
def test_sarif_is_valid_whatever_is_told(items: list[Weakness]) -> None:
    log = sarif.weaknesses_sarif(report(*items, unseen={"b.py": "binary"}))
    jsonschema.validate(json.loads(json_text(log)), SARIF)
    assert len(log["runs"][0]["results"]) == len(items)
    assert "b.py: binary" in json_text(log)


def test_more_than_github_shows_is_left_out_from_the_mildest_and_said() -> None:
    log = sarif.weaknesses_sarif(report(*many()))
    (run,) = log["runs"]
    assert len(run["results"]) == sarif.RESULTS
    assert {r["properties"]["security-severity"] for r in run["results"]} == {"9.5"}
    assert "25000 weaknesses, the mildest, are left out" in json_text(run["invocations"])
    assert len(run["tool"]["driver"]["rules"]) == 1


def test_a_log_that_github_would_refuse_is_made_smaller(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sarif, "BYTES", 20_000)
    log = sarif.weaknesses_sarif(report(*many(5000)))
    assert len(gzip.compress(json_text(log).encode())) <= 20_000
    assert 0 < len(log["runs"][0]["results"]) < 5000


def test_an_accepted_one_is_suppressed_with_its_reason() -> None:
    one = report(weakness(status="accepted"))
    items = tuple(replace(j, note="accepted: behind a proxy") for j in one.verdict.items)
    one = replace(one, verdict=replace(one.verdict, items=items))
    (result,) = sarif.weaknesses_sarif(one)["runs"][0]["results"]
    assert result["suppressions"][0]["justification"] == "accepted: behind a proxy"
    assert findings(one) == 0
    assert code_quality(one) == []


TEXT = {"type": "string", "minLength": 1}
TOOL = {
    "type": "object",
    "required": ["id", "name", "version", "vendor"],
    "properties": {"id": TEXT, "name": TEXT, "version": TEXT, "vendor": {"required": ["name"]}},
}
TIME = {"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}$"}
GITLAB = {
    "type": "object",
    "required": ["version", "scan", "vulnerabilities"],
    "properties": {
        "version": {"pattern": r"^15\.\d+\.\d+$"},
        "scan": {
            "required": ["analyzer", "scanner", "type", "status", "start_time", "end_time"],
            "properties": {
                "analyzer": TOOL,
                "scanner": TOOL,
                "type": {"const": "sast"},
                "status": {"enum": ["success", "failure"]},
                "start_time": TIME,
                "end_time": TIME,
                "messages": {
                    "items": {
                        "required": ["level", "value"],
                        "properties": {"level": {"enum": ["info", "warn", "fatal"]}, "value": TEXT},
                    }
                },
            },
        },
        "vulnerabilities": {
            "type": "array",
            "items": {
                "required": ["id", "identifiers", "location"],
                "properties": {
                    "id": TEXT,
                    "name": {"type": "string", "maxLength": 255},
                    "severity": {"enum": ["Info", "Unknown", "Low", "Medium", "High", "Critical"]},
                    "solution": {"type": "string", "maxLength": 7000},
                    "location": {
                        "properties": {
                            "file": TEXT,
                            "start_line": {"type": "integer", "minimum": 1},
                            "end_line": {"type": "integer", "minimum": 1},
                        }
                    },
                    "identifiers": {
                        "minItems": 1,
                        "items": {
                            "required": ["type", "name", "value"],
                            "properties": {"type": TEXT, "name": TEXT, "value": TEXT},
                        },
                    },
                },
            },
        },
    },
}
"""After GitLab's published report format, version 15: what it requires, in our words."""


@pytest.mark.parametrize(
    "items", [[], [weakness()], [weakness(path="", line=0, cwe=0, title=HOSTILE)], many(50)]
)
def test_gitlab_is_told_what_its_format_asks_for(items: list[Weakness]) -> None:
    found = sast(report(*items, unseen={"a": "b"}), "2026-11-30T12:00:00", "2026-11-30T12:01:00")
    jsonschema.validate(json.loads(json_text(found)), GITLAB)
    assert len({v["id"] for v in found["vulnerabilities"]}) == len(items)
    for entry in code_quality(report(*items)):
        assert entry["severity"] in ("info", "minor", "major", "critical", "blocker")
        assert entry["location"]["lines"]["begin"] >= 1
        assert entry["fingerprint"]


def test_pages_are_in_bounds_and_say_what_they_leave_out() -> None:
    one = report(*many(), unseen={f"f{n}.py": "binary" for n in range(3000)})
    assert len(comment_markdown(one, "https://x/run").encode()) <= COMMENT_LIMIT
    assert "more row" in security_markdown(one)
    for page in (
        pages.findings_page(one),
        pages.recommendations_page(one),
        pages.coverage_page(one),
    ):
        assert len(page) < 1_000_000
    assert len(list(security_lines(one))) < 200
    assert len(annotated(one)) <= 20
    assert "more of these are not shown" in annotated(one)[9].message


@pytest.mark.parametrize(
    "page", [security_markdown, pages.findings_page, pages.recommendations_page]
)
def test_nothing_that_is_told_is_alive(page: Any) -> None:
    one = report(
        weakness(title=HOSTILE, why=HOSTILE, fix=HOSTILE, path=f"a/{HOSTILE}", rule="x/y"),
        unseen={HOSTILE: HOSTILE},
        doubts=(HOSTILE,),
    )
    text = page(one)
    kinds = {
        child.type
        for token in MarkdownIt("gfm-like", {"linkify": False}).parse(text)
        for child in (token.children or [])
    }
    assert "image" not in kinds
    assert "link_open" not in kinds
    assert "@org/team" not in text
    assert "closes #1" not in text
    assert "<img" not in text
    assert "\x1b" not in text


def test_lines_for_a_terminal_and_annotations_are_harmless() -> None:
    one = report(weakness(title=HOSTILE, path=f"a{HOSTILE}"), unseen={HOSTILE: HOSTILE})
    for line in [*security_lines(one), *(a.command() for a in annotated(one))]:
        assert "\x1b" not in line
        assert "\n" not in line
        assert "##[" not in line
    assert not any(line.startswith("::") for line in security_lines(one))


SECRET = "correct-horse-9battery"


@pytest.mark.parametrize(
    "line", [f"password = '{SECRET}'", f'TOKEN="{SECRET}"', f"token: {SECRET}", f"x={SECRET}"]
)
def test_a_secret_in_the_code_is_hidden_in_every_form(line: str) -> None:
    one = weakness(
        cwe=798,
        title=f"Possible hardcoded password: '{SECRET}'",
        evidence=(Evidence(kind="quote", path="a.py", line=5, text=line),),
    )
    shown = without_secrets(report(one))
    forms = [
        json_text(security_json(shown, [])),
        json_text(sarif.weaknesses_sarif(shown)),
        json_text(sast(shown, "", "")),
        security_markdown(shown),
        pages.findings_page(shown),
        pages.table(shown, ""),
        handoff_text(pages.handoff(shown)),
        *security_lines(shown),
        *(a.message for a in annotated(shown)),
    ]
    assert not [form for form in forms if SECRET in form]
    assert SECRET in str(report(one))


def test_more_than_can_be_handed_over_is_cut_and_said() -> None:
    told_on = json.loads(handoff_text(pages.handoff(report(*many(FINDINGS + 2)))))
    assert len(told_on["findings"]) == FINDINGS
    assert told_on["incomplete"] == ["2 more, milder than these, are in weaknesses.json"]


def test_names_in_code_about_a_secret_stay_readable() -> None:
    text = "client = make_client(private_key_of_the_service)"
    quote = (Evidence(kind="quote", path="a.py", line=5, text=text),)
    shown = without_secrets(report(weakness(cwe=798, evidence=quote))).verdict
    assert shown.items[0].item.evidence[0].text == text


def test_only_what_blocks_and_stands_on_changed_lines_is_said_beside_them() -> None:
    one = report(weakness(), weakness(1, line=20, end_line=20), changed={"a.py": frozenset({6})})
    ((path, line, text, key),) = beside_lines(one)
    assert (path, line, key) == ("a.py", 6, f"{0:016x}")
    assert "a shell" in text
    assert beside_lines(report(weakness(), blocks=False, changed={"a.py": frozenset({6})})) == []


WAY = (
    Evidence(kind="quote", path="new.py", line=3, text="route(\n    run)"),
    Evidence(kind="quote", path="a.py", line=5, text="run(x)"),
)


def test_old_code_that_is_newly_reachable_is_told_by_the_way_there() -> None:
    one = report(weakness(evidence=WAY, sources=("model",)), changed={"new.py": frozenset({4})})
    ((path, line, text, _),) = beside_lines(one)
    assert (path, line, "By this line one gets to a.py:5." in text) == ("new.py", 4, True)
    log = sarif.weaknesses_sarif(one)
    jsonschema.validate(json.loads(json_text(log)), SARIF)
    (flow,) = log["runs"][0]["results"][0]["codeFlows"]
    places = [
        step["location"]["physicalLocation"]["artifactLocation"]["uri"]
        for step in flow["threadFlows"][0]["locations"]
    ]
    assert places == ["new.py", "a.py"]


def test_the_table_begins_with_the_peers_columns() -> None:
    header, row = pages.table(report(weakness(title="a\tb\nc")), "T").splitlines()
    assert header.split("\t")[:7] == [
        *("iteration", "timestamp", "finding", "severity", "owasp", "stride", "evidence")
    ]
    assert row.split("\t")[:6] == ["1", "T", "a b c", "High", "A03:2021", "TE"]


def test_every_category_of_both_top_tens_is_on_the_coverage_page() -> None:
    text = pages.coverage_page(report(weakness(), unseen={"b.py": "binary"}))
    assert text.count("| A0") + text.count("| A10") == 20
    assert "| A03 | Injection | 1 | high |" in text
    assert "| A05 | Injection | 1 | high |" in text
    assert "b.py: binary" in text
