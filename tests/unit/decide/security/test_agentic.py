"""Workflows that ask an agent, and their twins that do it well: each file says what is found."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from autoresearch_ci.decide.security.agentic.conditions import admits_members_only
from autoresearch_ci.decide.security.agentic.rules import scan
from autoresearch_ci.decide.security.weakness import Severity
from autoresearch_ci.errors import ConfigError

LABELLED = sorted((Path(__file__).parent / "data" / "agentic").glob("*.yml"))


def found(text: str, path: str = ".github/workflows/w.yml") -> list[str]:
    return [f"{w.rule.removeprefix('agentic/')}:{w.line}" for w in scan(path, text)]


@pytest.mark.parametrize("file", LABELLED, ids=lambda file: file.name)
def test_exactly_what_is_labelled_is_found(file: Path) -> None:
    text = file.read_text()
    wanted = text.splitlines()[0].removeprefix("# expect:").split()
    path = "action.yml" if file.name.endswith(".action.yml") else ".github/workflows/w.yml"
    assert sorted(found(text, path)) == sorted(wanted)


def test_every_rule_has_a_bad_example() -> None:
    told = " ".join(file.read_text().splitlines()[0] for file in LABELLED)
    source = Path("autoresearch_ci/decide/security/agentic/rules.py").read_text()
    rules = re.findall(r'\n        +asked,\n        +"([a-z-]+)"', source)
    assert len(set(rules)) >= 10
    assert not [rule for rule in rules if f"{rule}:" not in told]


@pytest.mark.parametrize(
    ("condition", "asks"),
    [
        ("github.event.comment.author_association == 'OWNER'", True),
        ("${{ github.actor == 'me' }}", True),
        ("!github.event.pull_request.head.repo.fork", True),
        ("(a && github.actor == 'me') || github.event_name == 'schedule'", True),
        ("github.event.comment['author_association'] == 'MEMBER'", True),
        ("contains(github.event.comment.body, 'github.actor == x')", False),
        ("contains(github.event.comment.body, '@bot || x')", False),
        ("github.actor != 'dependabot[bot]'", False),
        ("github.actor == 'me' || true", False),
        ("github.event_name == 'issues'", False),
        ("github.actor == ''", False),
        ("always()", False),
        ("", False),
    ],
)
def test_each_way_through_a_condition_must_ask_who_it_is(condition: str, asks: bool) -> None:
    assert admits_members_only(condition) is asks


@pytest.mark.parametrize(
    ("name", "severity"),
    [
        ("whole-event", Severity.HIGH),
        ("comment-of-member", Severity.HIGH),
        ("branch-name", Severity.MEDIUM),
    ],
)
def test_a_strangers_words_are_worst_where_strangers_set_it_off(
    name: str, severity: Severity
) -> None:
    file = next(file for file in LABELLED if file.name == f"{name}.bad.yml")
    told = {w.rule: w.severity for w in scan(".github/workflows/w.yml", file.read_text())}
    assert told["agentic/untrusted-prompt"] is severity


@pytest.mark.parametrize(
    ("name", "severity"),
    [("tag-mode", Severity.CRITICAL), ("triage-everybody", Severity.HIGH)],
)
def test_everybody_is_worst_beside_a_token_that_writes_code(name: str, severity: Severity) -> None:
    file = next(file for file in LABELLED if file.name == f"{name}.bad.yml")
    told = {w.rule: w.severity for w in scan(".github/workflows/w.yml", file.read_text())}
    assert told["agentic/non-write-users"] is severity


@pytest.mark.parametrize(
    "text",
    [
        "on: [",
        "- a",
        "a: 1\na: 2",
        "a: &a [x, x, x, x, x, x, x, x, x, x]\n"
        + "".join(
            f"{chr(98 + n)}: &{chr(98 + n)} [{', '.join([f'*{chr(97 + n)}'] * 10)}]\n"
            for n in range(8)
        ),
        "a: &a {b: *a}",
    ],
    ids=["syntax", "list", "twice", "bomb", "circle"],
)
def test_what_cannot_be_read_is_refused_and_not_clean(text: str) -> None:
    with pytest.raises(ConfigError):
        scan(".github/workflows/w.yml", text)


TITLE = "${{ github.event.issue.title }}"


@pytest.mark.parametrize(
    "step",
    [
        'run: claude -p "${{ GitHub.Event.Issue.Title }}"',
        'run: claude -p "${{ join(github.event.*.title) }}"',
        f"env: {{T: '{TITLE}'}}\n        run: claude -p \"${{{{ env['T'] }}}}\"",
        f"env: {{T: '{TITLE}'}}\n        run: printenv T | claude -p",
        "run: claude -p < $GITHUB_EVENT_PATH",
        'run: claude -p "$(jq -r .issue.body $GITHUB_EVENT_PATH)"',
        "run: gh issue view 1 | claude -p",
        f'run: npx @anthropic-ai/claude-code@latest "{TITLE}"',
        f'run: npx -y @google/gemini-cli@1 -p "{TITLE}"',
        f'run: npx -y @openai/codex@0.30 exec "{TITLE}"',
        f'run: $HOME/.local/bin/claude -p "{TITLE}"',
        f"run: |\n          'claude' -p '{TITLE}'",
        f'run: C=claude; $C -p "{TITLE}"',
        f"env: {{C: claude}}\n        run: ${{C}} -p '{TITLE}'",
    ],
)
def test_no_spelling_keeps_an_agent_and_a_strangers_words_from_being_seen(step: str) -> None:
    text = f"on: issues\npermissions: {{contents: read}}\njobs:\n  t:\n    steps:\n      - {step}\n"
    assert "untrusted-prompt" in str(found(text))


WORKFLOW_CALLED = """\
on: {workflow_call: {inputs: {text: {type: string}}}}
jobs: {ask: {steps: [{run: 'claude -p "${{ inputs.text }}"'}]}}
"""
ACTION_CALLED = """\
runs: {using: composite, steps: [{shell: bash, run: 'claude -p "${{ inputs.text }}"'}]}
"""


@pytest.mark.parametrize(
    ("job", "path", "called"),
    [
        ("uses: ./.github/workflows/ask.yml", ".github/workflows/ask.yml", WORKFLOW_CALLED),
        ("steps:\n      - uses: ./tools/ask", "tools/ask/action.yml", ACTION_CALLED),
        ("steps:\n      - uses: ./tools/ask/", "tools/ask/action.yaml", ACTION_CALLED),
    ],
)
def test_a_strangers_words_are_followed_into_what_is_called(
    job: str, path: str, called: str
) -> None:
    indent = "    " if job.startswith("uses") else "        "
    text = f"on: issues\njobs:\n  t:\n    {job}\n{indent}with: {{text: '{TITLE}'}}\n"
    caller = ".github/workflows/w.yml"
    assert scan(caller, text) == ()
    rules = {w.rule: str(w.severity) for w in scan(caller, text, {path: called}.get)}
    assert rules["agentic/untrusted-prompt"] == "high"
    assert rules["agentic/missing-actor-check"] == "high"


def test_what_calls_itself_comes_to_an_end() -> None:
    text = "on: issues\njobs: {t: {uses: ./.github/workflows/w.yml}}\n"
    assert scan(".github/workflows/w.yml", text, lambda path: text) == ()


def test_what_an_agent_looks_up_with_a_tool_is_not_in_its_prompt() -> None:
    step = "run: claude -p 'Look at it by gh issue view' --allowedTools 'Bash(gh issue view:*)'"
    text = f"on: issues\njobs:\n  t:\n    steps:\n      - {step}\n"
    assert "untrusted-prompt" not in str(found(text))


@pytest.mark.parametrize(
    "text", ["on: push", "jobs: 3", "jobs: {a: {steps: [1, {uses: 5}]}}", "on: {}\njobs: {a: x}"]
)
def test_odd_types_are_no_agents(text: str) -> None:
    assert found(text) == []


@pytest.mark.parametrize(
    "step",
    [
        "run: '" + "(" * 250_000 + "'",
        "run: '" + "${{ " * 60_000 + "'",
        "run: claude -p x\n        if: \"'" + "a" * 240_000 + '"',
        "run: '" + "curl " * 50_000 + "'",
    ],
    ids=["parentheses", "expressions", "quote", "words"],
)
def test_a_text_that_would_take_forever_is_refused(step: str) -> None:
    text = f"on: issues\njobs:\n  a:\n    steps:\n      - {step}\n"
    with pytest.raises(ConfigError, match="more than 20000 characters"):
        found(text)


def test_many_steps_are_refused_and_long_texts_are_looked_at_quickly() -> None:
    begin = "on: issues\njobs:\n  a:\n    steps:\n"
    with pytest.raises(ConfigError, match="steps"):
        found(begin + "      - run: x\n" * 1001)
    for piece in ("(", "${{ ", "claude ", "curl ", "git fetch ", "a/", "$(", "secrets."):
        words = (piece * 20_000)[:19_900]
        found(f"{begin}      - run: {json.dumps(words + ' claude -p x')}\n")
