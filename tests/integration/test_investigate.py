"""A program of one's own, called by its file: gate, steps, words, and what its flags say."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.auditing import step_of, use_temporary
from tests.conftest import Repo
from tests.messages_api import Json, MessagesApi, Reply, calls, refuses, tool
from tests.panels import KEY, SHOP, Panels, finding

PAGE = Path(__file__).parents[2] / "docs" / "programs.md"
MORE = """\
inputs:
  who: {about: Who has to read it, choices: [newcomer, owner], required: true}
grid: {severity: [critical, high, medium, low, info]}
steps:
  refute:
    judgements: {stands: {}, refuted: {needs: [quote], becomes: fine}}
    otherwise: stands
depths: {quick: {iterations: 1}}
---
"""


@pytest.fixture
def api() -> Iterator[MessagesApi]:
    with MessagesApi() as server:
        yield server
        assert server.problems == []


@pytest.fixture
def smells(
    repo: Repo,
    api: MessagesApi,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Panels:
    """The example of the documentation, with a step, an input and a depth."""
    use_temporary(tmp_path, monkeypatch)
    repo.write("shop.py", SHOP)
    repo.commit("a shop")
    example = PAGE.read_text().partition("```markdown\n")[2].partition("```\n")[0]
    head, mark, body = example.rpartition("---\n")
    program = tmp_path / "smells.md"
    program.write_text(f"{head}{MORE}{body}\n# refute\n\nShow that it is wrong.\n")
    assert mark
    return Panels(
        repo=repo,
        api=api,
        capture=capsys,
        words=("investigate", "--program", str(program), "--say", "who=newcomer"),
        name="smells",
        environment={"PATH": os.environ["PATH"], "ANTHROPIC_API_KEY": KEY},
    )


def judging(judgement: str, *evidence: Json) -> Any:
    """All is reported once, and then judged so."""

    def reply(body: Json) -> Reply:
        if step_of(body) == "judge":
            told = {"judgement": judgement, "why": "as it is there", "evidence": list(evidence)}
            return calls(tool("report", **told))
        found = [finding(name, status="found") for name in ("loop", "zero")]
        return calls(tool("report", findings=found))

    return reply


QUICK = ("--depth", "quick")
QUOTE = {"kind": "quote", "path": "shop.py", "line": 16, "text": "time.sleep(1)"}


@pytest.mark.parametrize(("fail_on", "code"), [("critical", 0), ("high", 1), ("never", 0)])
def test_what_stands_decides_the_gate(smells: Panels, fail_on: str, code: int) -> None:
    done = smells(*[judging("stands")] * 9, flags=(*QUICK, "--fail-on", fail_on))
    assert done.code == code, done.err
    assert len(done.handoff["findings"]) == 2
    assert done.page("smells-results.tsv").count("\n") == 3


def test_what_is_refuted_with_code_is_closed(smells: Panels) -> None:
    done = smells(*[judging("refuted", QUOTE)] * 9, flags=(*QUICK, "--fail-on", "low"))
    assert done.code == 0, done.out
    assert {f["status"] for f in done.handoff["findings"]} == {"disproven"}
    assert "refuted: as it is there" in str(done.handoff)


def test_what_is_refuted_without_code_stays(smells: Panels) -> None:
    done = smells(*[judging("refuted")] * 12, flags=(*QUICK, "--fail-on", "high"))
    assert (done.code, "verdict: fail" in done.out) == (1, True)


def test_a_refusal_is_incomplete(smells: Panels) -> None:
    done = smells(*[refuses("cyber")] * 9, flags=(*QUICK, "--fail-on", "critical"))
    assert (done.code, "verdict: incomplete" in done.out) == (1, True)
    assert "the model refused: cyber" in done.out


def test_a_word_that_is_no_depth_and_an_input_that_is_missing_are_mistakes(smells: Panels) -> None:
    wrong = smells(flags=("--depth", "bottomless"))
    assert (wrong.code, "expected one of quick" in wrong.err) == (2, True)
    silent = smells.but(words=smells.words[:3])(tag="u")
    assert (silent.code, "--say who=... (Who has to read it)" in silent.err) == (2, True)
    other = smells.but(words=(*smells.words[:3], "--say", "who=nobody"))(tag="v")
    assert (other.code, "newcomer, owner" in other.err) == (2, True)
    panel = smells(flags=("--rounds", "2"), tag="w")
    assert (panel.code, "is for panels" in panel.err) == (2, True)


def test_a_role_that_nobody_has_is_named(smells: Panels) -> None:
    flags = (*QUICK, "--set", "claude.roles={devils-advocat: {model: another}}")
    done = smells(*[judging("stands")] * 9, flags=flags)
    assert "has a role 'devils-advocat'" in done.out + done.err


def test_a_focus_is_told_or_covered(smells: Panels, api: MessagesApi) -> None:
    smells(*[judging("stands")] * 9, flags=(*QUICK, "--focus", "medium, the loop"))
    first = api.requests[0]["messages"][0]["content"]
    assert "the loop" in first[0]["text"]
    assert "Least tried of severity: medium" in first[1]["text"]
    assert "critical 0" not in first[1]["text"]
