"""Configuration and workflows as they are written: read back as what was meant."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from autoresearch_ci.config import reader
from autoresearch_ci.errors import ConfigError
from autoresearch_ci.plan.brief import brief_of, drafts_of
from autoresearch_ci.plan.config_draft import ConfigDraft, yaml_of
from autoresearch_ci.plan.workflow_file import USES, workflow_text

EXAMPLES = Path(__file__).parents[3] / "examples" / "workflows"
words = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), min_size=1, max_size=20
)


@given(goal=words, command=words, glob=words, comment=st.text(max_size=20))
def test_any_words_are_read_back_as_they_were(
    goal: str, command: str, glob: str, comment: str
) -> None:
    draft = ConfigDraft(
        goal=goal,
        scope=(glob, "!b"),
        metric={"command": command, "extract": {"regex": r"(\d+)\s*%", "many": "last"}},
        guards=({"command": command, "tolerance": 0.05},),
        more={"sandbox": {"network": glob}},
        reasons={"metric": comment},
    )
    assert reader.read(yaml_of(draft), "f").data == draft.data


@pytest.mark.parametrize(
    "value",
    ["a:", "a: b", "a #b", "a ", "true", "No", "n", "1", "1e3", "- a", "'", '"', "\\", "a\tb", "~"],
)
def test_words_that_yaml_takes_for_something_else_are_quoted(value: str) -> None:
    draft = ConfigDraft(goal=value, scope=(value,), metric={"command": value}, guards=())
    assert reader.read(yaml_of(draft), "f").data == draft.data


def test_plain_words_need_no_quotes() -> None:
    command = 'python -m pytest -q -p no:cacheprovider --junitxml=r.xml && echo "$PWD" | wc'
    draft = ConfigDraft(
        goal="Make it faster", scope=("src/",), metric={"command": command}, guards=()
    )
    assert f"command: {command}\n" in yaml_of(draft)
    assert "goal: Make it faster\n" in yaml_of(draft)


@pytest.mark.parametrize("name", sorted({name for name, _ in USES.values()}))
@pytest.mark.parametrize("install", [(), ("npm ci",), ("pip install -e '.[a]'", "pip install b")])
@pytest.mark.parametrize("host", [True, False])
def test_a_workflow_differs_from_its_example_in_what_is_installed(
    name: str, install: tuple[str, ...], host: bool
) -> None:
    example = (EXAMPLES / name).read_text()
    text = workflow_text(example, install=install, host=host, source="me/fork@v9")
    made, base = yaml.safe_load(text), yaml.safe_load(example)
    (job,), (usual,) = made["jobs"].values(), base["jobs"].values()
    given = job.pop("with", {})
    other = usual.pop("with")
    setup = given.pop("setup-command", "")
    assert setup.splitlines() == list(install)
    assert "base's list" not in text  # what the example installs, and why
    assert given.pop("host", False) is host
    del other["setup-command"]
    other.pop("iterations", None)
    assert given == other
    assert job.pop("uses") == f"me/fork/.github/workflows/{name}@v9"
    del usual["uses"]
    assert made == base


def test_a_brief_in_lines_is_a_configuration() -> None:
    text = "# Faster\nGoal: Make it fast\nScope: src/**, lib/a.py\nMetric: time (lower is better)\n"
    text += "Verify: `python bench.py | tail -1`\nGuard: pytest -q\nIterations: 12\n"
    usual = ConfigDraft(goal="", scope=("**",), metric={}, guards=())
    named, draft = drafts_of(brief_of(text), usual)
    assert named.metric == {
        "command": draft.metric["command"],
        "direction": "minimize",
        "name": "time",
    }
    assert draft.data == {
        "goal": "Make it fast",
        "scope": ["src/**", "lib/a.py"],
        "metric": {
            "command": "set -o pipefail; python bench.py | tail -1",
            "direction": "minimize",
            "extract": {"last_number": True},
        },
        "guards": [{"command": "pytest -q"}],
        "iterations": 12,
    }


@pytest.mark.parametrize(
    "text",
    [
        "Goal: a b Scope: src Verify: ./run --fast Guard: make check",
        "a b --scope src --verify ./run --fast --guard make check",
        "**Goal**: a b\n- Scope: src\n* Verify: ./run --fast\n> Guard: make check",
    ],
)
def test_the_same_in_one_line_or_as_flags_says_the_same(text: str) -> None:
    brief = brief_of(text)
    assert (brief.goal, brief.scope, brief.verify, brief.guard) == (
        *("a b", ("src",), "./run --fast", "make check"),
    )


def test_a_brief_without_lines_is_the_goal() -> None:
    assert brief_of("\n# Make it faster\n\nmore words").goal == "Make it faster"


def test_two_answers_to_one_line_are_refused() -> None:
    with pytest.raises(ConfigError, match="twice"):
        brief_of("Goal: a\nGoal: b")
