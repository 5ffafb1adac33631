"""What scanners say is read as they mean it, and one that did not say everything is never clean.

`data/` holds what they printed, but for local paths; those that ask a service were answered by one
of ours that speaks as it does. Where the tool could not be had, `made_by_hand` leads to the
documentation of what it writes.
"""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from autoresearch_ci.decide.security.weakness import Confidence, Severity
from autoresearch_ci.execution.command import CommandResult, Printed
from autoresearch_ci.measure.diagnostics.adapter import ToolOutput
from autoresearch_ci.measure.scanners.available_scanners import SCANNERS
from autoresearch_ci.measure.scanners.code import read_sarif_of
from autoresearch_ci.measure.scanners.scanner import (
    LIMIT,
    Scan,
    ScannedFile,
    Scanner,
    ScannerTask,
    scan,
)

DATA = Path(__file__).parent / "data"
RECORDINGS = {path.stem: json.loads(path.read_bytes()) for path in sorted(DATA.glob("*.json"))}
PARSERS = {name: scanner.parse for name, scanner in SCANNERS.items()} | {
    "trivy": read_sarif_of("trivy")
}


def parser_of(recording: str) -> Any:
    names = [n for n in PARSERS if recording.startswith(n.replace(" ", "-"))]
    return PARSERS[names[0]]


def said(recording: str, **changes: Any) -> ToolOutput:
    told = {**RECORDINGS[recording], **changes}
    result = CommandResult(
        command=told["command"],
        exit_code=told["exit_code"],
        output=told["stdout"] + told["stderr"],
        tail=told["stderr"],
        stderr=Printed(text=told["stderr"]),
        timed_out=told.get("timed_out", False),
    )
    return ToolOutput(result=result, report=told["stdout"].encode(), root="/tree")


def read(recording: str, **changes: Any) -> Scan:
    found = parser_of(recording)(said(recording, **changes))
    assert isinstance(found, Scan)
    return found


def lines(scan: Scan) -> list[tuple[str, str, int, Severity]]:
    return [(w.rule.partition("/")[2], w.path, w.line, w.severity) for w in scan.weaknesses]


HIGH, MEDIUM, LOW = Severity.HIGH, Severity.MEDIUM, Severity.LOW


@pytest.mark.parametrize(
    ("recording", "wanted"),
    [
        (
            "bandit-1.9.4",
            [
                ("B403", "a.py", 1, LOW),
                ("B105", "a.py", 2, LOW),
                ("B602", "a.py", 5, HIGH),
                ("B301", "a.py", 6, MEDIUM),
                ("B307", "a.py", 9, MEDIUM),
                ("B324", "a.py", 11, HIGH),
            ],
        ),
        (
            "zizmor-1.32.0",
            [
                ("artipacked", ".github/workflows/w.yml", 6, MEDIUM),
                ("excessive-permissions", ".github/workflows/w.yml", 3, MEDIUM),
                ("dangerous-triggers", ".github/workflows/w.yml", 1, HIGH),
                ("template-injection", ".github/workflows/w.yml", 9, HIGH),
                ("unpinned-uses", ".github/workflows/w.yml", 6, HIGH),
            ],
        ),
        (
            "detect-secrets-1.5.0",
            [
                ("secret-keyword", "a.py", 2, MEDIUM),
                ("aws-access-key", "a.py", 10, HIGH),
                ("private-key", "key.pem", 1, HIGH),
            ],
        ),
        (
            "shellcheck-0.11.0",
            [
                ("SC2115", "a.sh", 2, MEDIUM),
                ("SC2086", "a.sh", 3, Severity.INFO),
                ("SC2091", "a.sh", 4, MEDIUM),
                ("SC2156", "a.sh", 5, MEDIUM),
                ("SC2294", "a.sh.as-told", 7, MEDIUM),
            ],
        ),
        (
            "hadolint-2.15.1",
            [
                ("DL3007", "Dockerfile", 1, LOW),
                ("DL3004", "Dockerfile", 2, MEDIUM),
                ("DL3002", "Dockerfile", 4, MEDIUM),
            ],
        ),
        ("semgrep-1.185.0", [("no-eval", "a.py", 1, HIGH), ("no-eval", "a.py", 2, HIGH)]),
        (
            "njsscan-1.0.2",
            [
                ("generic_os_command_exec", "app.js", 4, HIGH),
                ("express_open_redirect", "app.js", 5, HIGH),
                ("eval_nodejs", "app.js", 6, HIGH),
                ("express_open_redirect", "app.js", 7, HIGH),
                ("node_tls_reject", "app.js", 8, HIGH),
            ],
        ),
        (
            "npm-audit-11",
            [
                ("GHSA-p6mc-m468-83gw", "web/package-lock.json", 0, HIGH),
                ("GHSA-29mw-wpgm-hmr9", "web/package-lock.json", 0, MEDIUM),
            ],
        ),
        ("pip-audit-2.10.1", [("PYSEC-2019-217", "api/requirements.txt", 0, HIGH)]),
        (
            "osv-scanner-2",
            [("GHSA-c3h9-896r-86jm", "go.mod", 0, HIGH), ("GO-2099-1", "go.mod", 0, HIGH)],
        ),
        ("gitleaks-8.30.1", [("generic-api-key", "a.py", 3, HIGH)]),
        ("trivy-sarif", [("DS002", "docker/My file", 3, Severity.CRITICAL)]),
        (
            "trivy-0.59.1",
            [
                ("DS002", "docker/Dockerfile", 2, HIGH),
                ("DS010", "docker/Dockerfile", 4, Severity.CRITICAL),
                ("github-pat", "my conf.py", 1, Severity.CRITICAL),
            ],
        ),
    ],
)
def test_what_it_says_is_read(recording: str, wanted: list[object]) -> None:
    found = read(recording)
    assert lines(found) == wanted
    assert (found.incomplete, found.unseen) == ("", {})


@pytest.mark.parametrize(
    "recording", [name for name in RECORDINGS if name.endswith(("-clean", "-nothing"))]
)
def test_one_that_finds_nothing_is_clean(recording: str) -> None:
    assert replace(read(recording), read=None) == Scan()


def test_a_test_of_bandits_that_broke_off_is_incomplete() -> None:
    told = "[tester]\tERROR\tBandit internal error running: hardcoded_sql on file ./a.py at line 5"
    assert "hardcoded_sql" in read("bandit-1.9.4", stderr=told).incomplete


def test_a_file_that_bandit_says_nothing_of_was_not_looked_at() -> None:
    found = read("bandit-1.9.4-clean").held_to(["clean.py", "left/out.py"], "bandit")
    assert [*found.unseen] == ["left/out.py"]
    assert Scan().held_to(["a.py"], "zizmor") == Scan()


def test_a_title_says_what_is_wrong_where_the_message_begins_with_the_file() -> None:
    titles = [w.title for w in read("trivy-0.59.1").weaknesses]
    assert titles == [
        "Image user should not be 'root'",
        "RUN using 'sudo'",
        "GitHub Personal Access Token",
    ]


def test_a_script_that_njsscan_does_not_say_to_have_read_is_told() -> None:
    found = read("njsscan-1.0.2")
    assert found.held_to(["app.js", "test/good.js"], "njsscan").unseen == {}
    assert [*found.held_to(["app.js", "b.js"], "njsscan").unseen] == ["b.js"]


def test_in_a_file_of_hashes_only_the_form_of_a_secret_is_looked_for() -> None:
    scanner = SCANNERS["detect-secrets"]
    batches = scanner.batches(["./a.py", "./package-lock.json.as-text", "./x/go.sum.as-text"])
    assert batches == [["./a.py"], ["./package-lock.json.as-text", "./x/go.sum.as-text"]]
    argvs = [scanner.argv(ScannerTask(program="/x", files=batch)) for batch in batches]
    assert ["HexHighEntropyString" in argv for argv in argvs] == [False, True]


@pytest.mark.parametrize(
    ("recording", "why"),
    [
        ("bandit-1.9.4-usage", "bandit wrote nothing"),
        ("zizmor-1.32.0-malformed", "invalid YAML syntax"),
        ("detect-secrets-1.5.0-usage", "detect-secrets wrote nothing"),
        ("shellcheck-0.11.0-missing", "does not exist"),
        ("hadolint-2.15.1-missing", "hadolint wrote nothing"),
        ("semgrep-1.185.0-norules", "unable to find a config"),
        ("njsscan-1.0.2-norules", "unable to find a config"),
        ("pip-audit-2.10.1-skipped", "requests (2.19.0)"),
        ("pip-audit-2.10.1-unpinned", "not pinned"),
        ("npm-audit-refused", "405 Method Not Allowed"),
        ("osv-scanner-2-failed", "osv-scanner"),
        ("gitleaks-8.30.1-failed", "unable to load gitleaks config"),
        ("trivy-sarif-failed", "did not succeed"),
    ],
)
def test_one_that_did_not_look_is_incomplete_and_says_why(recording: str, why: str) -> None:
    found = read(recording)
    assert why in found.incomplete or any(why in text for text in found.unseen.values())


@pytest.mark.parametrize(
    ("recording", "path"),
    [
        ("bandit-1.9.4-syntax", "bad.py"),
        ("semgrep-1.185.0-syntax", "bad.py"),
        ("njsscan-1.0.2-syntax", "broken.js"),
        ("shellcheck-0.11.0-syntax", "broken.sh"),
        ("hadolint-2.15.1-syntax", "Dockerfile.bad"),
    ],
)
def test_a_file_that_it_could_not_parse_is_named(recording: str, path: str) -> None:
    found = read(recording)
    assert path in found.unseen
    assert found.incomplete == ""


FIRST = [name for name in RECORDINGS if lines(read(name))]


@pytest.mark.parametrize("recording", FIRST)
@pytest.mark.parametrize(
    "how",
    [
        {"exit_code": -9},
        {"exit_code": 137},
        {"exit_code": 2, "stderr": "Traceback"},
        {"timed_out": True},
        {"stdout": ""},
        {"stdout": "I found nothing."},
        {"stdout": "[" * 100_000},
        {"stdout": "null"},
        {"stdout": '{"results": 3, "runs": {}, "dependencies": 1}'},
    ],
    ids=lambda how: "-".join(f"{key}={str(value)[:12]}" for key, value in how.items()),
)
def test_a_crash_or_another_answer_is_incomplete(recording: str, how: dict[str, Any]) -> None:
    if "trivy" in recording and how.get("exit_code") == 2:
        pytest.skip("SARIF says by itself whether it succeeded, whatever code its tool ends with")
    assert read(recording, **how).incomplete


@pytest.mark.parametrize("recording", FIRST)
def test_an_answer_that_is_cut_is_incomplete(recording: str) -> None:
    whole = RECORDINGS[recording]["stdout"]
    assert read(recording, stdout=whole[: len(whole) // 2]).incomplete


def test_a_scanner_that_fails_and_lists_nothing_is_incomplete() -> None:
    for name in ("bandit-1.9.4-clean", "gitleaks-8.30.1-clean", "zizmor-1.32.0-clean"):
        assert read(name, exit_code=1).incomplete, name


def test_what_a_tool_suppresses_counts_all_the_same() -> None:
    assert len(read("semgrep-1.185.0").weaknesses) == 2  # the second has `# nosemgrep`
    assert "B307" in str(lines(read("bandit-1.9.4")))  # `# nosec`
    assert read("trivy-sarif").weaknesses


def test_what_osv_documents_is_read_by_groups_of_one_vulnerability() -> None:
    """https://google.github.io/osv-scanner/output/: absolute paths, groups with or without a
    score."""
    about = {"name": "regex", "version": "1.5.1", "ecosystem": "crates.io"}
    both = ["GHSA-m5pq-gvj9-9vr8", "RUSTSEC-2022-0013"]
    known = [{"id": name, "aliases": ["CVE-2022-24713"]} for name in both]
    analysis = {"RUSTSEC-2022-0013": {"called": False}}
    entry = {
        "package": about,
        "vulnerabilities": known,
        "groups": [{"ids": both, "experimentalAnalysis": analysis}],
    }
    source = {"path": "/tree/sub/Cargo.lock", "type": "lockfile"}
    told = json.dumps({"results": [{"source": source, "packages": [entry]}]})
    found = read("osv-scanner-2", stdout=told, exit_code=1)
    assert lines(found) == [("GHSA-m5pq-gvj9-9vr8", "sub/Cargo.lock", 0, HIGH)]
    assert read("osv-scanner-2", stdout=told, exit_code=127).incomplete


def test_a_place_in_sarif_may_be_an_address_or_below_a_named_root() -> None:
    """As osv-scanner and trivy write it of dependencies: no region, or the first line."""
    at = [
        {"artifactLocation": {"uri": "file:///tree/sub/Cargo.lock"}},
        {
            "artifactLocation": {"uri": "a.lock", "uriBaseId": "ROOTPATH"},
            "region": {"startLine": 1},
        },
    ]
    results = [
        {
            "ruleId": "CVE-1",
            "level": "warning",
            "message": {"text": "Package: a"},
            "locations": [{"physicalLocation": place}],
        }
        for place in at
    ]
    told = json.dumps({"runs": [{"tool": {"driver": {"name": "x"}}, "results": results}]})
    found = lines(read("trivy-sarif", stdout=told, exit_code=0))
    assert found == [("CVE-1", "a.lock", 1, MEDIUM), ("CVE-1", "sub/Cargo.lock", 0, MEDIUM)][::-1]


def test_the_severity_of_an_extensions_rule_is_heard() -> None:
    rule = {"id": "js/xss", "properties": {"security-severity": "9.1"}}
    driver = {"name": "x", "rules": [{"id": "other"}]}
    tool = {"driver": driver, "extensions": [{"name": "a"}, {"name": "b", "rules": [rule]}]}
    by_id = {"ruleId": "js/xss", "message": {"text": "m"}}
    by_place = {"rule": {"index": 0, "toolComponent": {"index": 1}}, "message": {"text": "m"}}
    told = json.dumps({"runs": [{"tool": tool, "results": [by_id, by_place]}]})
    found = read("trivy-sarif", stdout=told, exit_code=0)
    assert [str(w.severity) for w in found.weaknesses] == ["critical", "critical"]
    assert {w.rule for w in found.weaknesses} == {"trivy/js/xss"}


def test_a_tool_that_could_not_load_its_rules_is_incomplete() -> None:
    notice = {"level": "error", "message": {"text": "rules.yml is broken"}}
    run = {
        "tool": {"driver": {"name": "x"}},
        "results": [],
        "invocations": [{"executionSuccessful": True, "toolConfigurationNotifications": [notice]}],
    }
    told = json.dumps({"runs": [run]})
    assert "is broken" in read("trivy-sarif", stdout=told, exit_code=0).incomplete


def test_no_answer_carries_a_secret_further() -> None:
    assert "hunter2" not in str(read("detect-secrets-1.5.0").weaknesses)


def test_a_guess_is_not_as_sure_as_a_known_form() -> None:
    sure = {w.rule: w.confidence for w in read("detect-secrets-1.5.0").weaknesses}
    assert sure["detect-secrets/secret-keyword"] is Confidence.LOW
    assert sure["detect-secrets/aws-access-key"] is Confidence.HIGH


def test_more_than_is_told_apart_is_incomplete() -> None:
    (one,) = read("gitleaks-8.30.1").weaknesses
    found = scan("gitleaks", [one] * (LIMIT + 1))
    assert found.incomplete
    assert len(found.weaknesses) == LIMIT


def test_a_path_outside_of_the_tree_is_told_as_such() -> None:
    told = json.loads(RECORDINGS["gitleaks-8.30.1"]["stdout"])
    told[0]["File"] = "../../etc/passwd"
    assert read("gitleaks-8.30.1", stdout=json.dumps(told)).weaknesses[0].path == "/etc/passwd"


@pytest.mark.parametrize(
    ("name", "path", "first_line", "takes"),
    [
        ("bandit", "a.py", "", True),
        ("bandit", "a.PY", "", True),
        ("bandit", "tool", "#!/usr/bin/env python3", True),
        ("bandit", "tool", "#!/usr/bin/env -S uv run --script", True),
        ("bandit", "x.egg/a.py", "# @generated", True),
        ("bandit", "a.txt", "", False),
        ("zizmor", ".github/workflows/a.yaml", "", True),
        ("zizmor", "deep/action.yml", "", True),
        ("zizmor", "docs/a.yml", "", False),
        ("shellcheck", "bin/serve", "#!/usr/bin/env bash", True),
        ("shellcheck", "a.sh", "", True),
        ("shellcheck", "a.sh", "#!/bin/zsh", False),
        ("shellcheck", "a.zsh", "#!/bin/zsh", False),
        ("njsscan", "node_modules/spec/a.min.js", "", True),
        ("njsscan", "a.MJS", "", True),
        ("njsscan", "a.ts", "", False),
        ("hadolint", "deploy/Dockerfile.dev", "", True),
        ("hadolint", "Containerfile", "", True),
        ("hadolint", "docker-compose.yml", "", False),
        ("detect-secrets", "swagger/package-lock.json", "", True),
        ("gitleaks", ".gitleaksignore", "", False),
        ("semgrep", "sub/.semgrepignore", "", False),
    ],
)
def test_it_takes_what_it_can_read(name: str, path: str, first_line: str, takes: bool) -> None:
    assert SCANNERS[name].takes(ScannedFile(path=path, first_line=first_line)) is takes


def test_names_are_spread_over_command_lines_that_have_room() -> None:
    files = [f"./{'x' * 200}{n}" for n in range(5000)]
    batches = SCANNERS["bandit"].batches(files)
    assert [path for batch in batches for path in batch] == files
    assert len(batches) > 1
    assert SCANNERS["bandit"].batches(["./a"]) == [["./a"]]


@pytest.mark.parametrize("told", ["disable=SC2086", "source=/dev/null disable=SC2086"])
def test_shellcheck_is_shown_what_its_comments_would_hide_line_by_line(told: str) -> None:
    text = f"#!/bin/sh\n# shellcheck {told}\ncp $1 /tmp\n"
    retold = SCANNERS["shellcheck"].retold("a.sh", text)
    assert retold == ("a.sh.as-told", text.replace("# shell", "#- shell"))
    assert SCANNERS["shellcheck"].retold("a.sh", "cp $1 /tmp\n") is None


@pytest.mark.parametrize("scanner", SCANNERS.values(), ids=lambda scanner: scanner.name)
def test_no_file_is_shown_in_the_place_of_another(scanner: Scanner) -> None:
    endings = ("", ".as-text", ".as-lines", ".as-told")
    shown: dict[str, str] = {}
    for path in ("a.sh", *map("".join, itertools.product(("a.sh", "b.css"), endings, endings))):
        retold = scanner.retold(path, "# shellcheck disable=SC2115\npassword = x\n")
        for name in (scanner.called(path), *(retold or ())[:1]):
            assert shown.setdefault(name, path) == path


def test_npm_is_asked_where_versions_are_pinned() -> None:
    files = ["./a/package.json", "./a/package-lock.json", "./b/package.json"]
    assert SCANNERS["npm audit"].batches(files) == [files[:2]]
