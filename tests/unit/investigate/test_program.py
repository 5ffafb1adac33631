"""A program that would silently do something else than it says is refused, with its line."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import pytest

from autoresearch_ci.errors import ConfigError
from autoresearch_ci.investigate.program import bundled, from_file, parse
from tests.panels import PROGRAM

FOLDER = resources.files("autoresearch_ci") / "programs"
OURS = sorted(path.name for path in FOLDER.iterdir())
DEBUG = (FOLDER / "debug.md").read_text()


@pytest.mark.parametrize("name", OURS)
def test_every_program_of_ours_loads(name: str) -> None:
    program = bundled(name.removesuffix(".md"))
    assert program.facts.name == name.removesuffix(".md")
    assert program.sections["Rules"]


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("shape: investigate", "shape: spiral", ":3: shape: is not one of the choices"),
        ("about:", "abut:", "unknown key, did you mean `about`?"),
        ("otherwise: inconclusive", "otherwise: unsure", "otherwise: unsure is not known"),
        ("minLength: 12", "minLenght: 12", "did you mean minLength?"),
        ("# Task", "# Tasks", "no section `# Task`"),
        ("# technique: race", "# technique: races", "did you mean `# technique: race`?"),
        ("columns: [iteration", "columns: [iterations", "did you mean iteration?"),
        ("enum: [fails, passes]", "enum: [yes, no]", "must be [fails, passes]"),
        ("refuted: disproven", "refuted: wrong", "refuted: wrong is not known"),
        ("needs: [failing_command, quote]", "needs: [rumour]", "is not one of the choices"),
        ("prediction: expect", "prediction: expected", "did you mean expect?"),
        ("  inconclusive: {}", "  inconclusive: {}\n  maybe: {}", "item.status.enum lists"),
        ("outputs: [findings.md", "outputs: [../findings.md", "nobody writes it"),
        ("claim: claim", "claim: clam", "did you mean claim?"),
        ("first: [claim", "first: [evidence, claim", "answered in the end"),
        ("required: [claim, because, test, expect, technique, status,", "required: [", "status"),
        ("  technique: [error-line,", "  technique: [", "must list the cells"),
        ("item:", "item: &a", "anchors and aliases"),
        (
            "experiments: {kinds: [tests, script], most: 1}",
            "",
            "depths: there are no experiments",
        ),
        ("quick: {iterations: 5}", "quick: {iteration: 5}", "did you mean `iterations`?"),
        ("first:", "roles: [insider]\nfirst:", "there is no section `# role: insider`"),
    ],
)
def test_a_mistake_is_named_with_what_was_meant(old: str, new: str, why: str) -> None:
    assert old in DEBUG
    with pytest.raises(ConfigError) as caught:
        parse(DEBUG.replace(old, new, 1).encode(), "p.md")
    assert why in str(caught.value)
    assert "p.md" in str(caught.value)


@pytest.mark.parametrize("text", [b"", b"# Rules\n", b"---\nname: x\n", b"\xff\xfe", b"---\n---\n"])
def test_what_is_no_program_is_refused(text: bytes) -> None:
    with pytest.raises(ConfigError):
        parse(text, "p.md")


def test_a_file_that_cannot_be_read_is_an_error_of_usage(tmp_path: Path) -> None:
    large = tmp_path / "large.md"
    large.write_bytes(b"x" * 300_000)
    for path in (tmp_path, tmp_path / "none", large):
        with pytest.raises(ConfigError, match="--program"):
            from_file(path)


def test_what_is_stated_first_is_not_asked_again() -> None:
    program = bundled("debug")
    assert program.opening is not None
    assert set(program.opening["properties"]).isdisjoint(program.closing["properties"])
    assert {"status", "evidence"} <= set(program.closing["required"])


def test_a_depth_says_how_many_iterations_and_experiments() -> None:
    program = parse(DEBUG.encode(), "p.md")
    limits = {
        word: (at.facts.defaults.iterations, at.facts.experiments.most)
        for word in ("", *program.facts.depths)
        for at in [program.at_depth(word)]
    }
    assert limits == {"": (15, 1), "quick": (5, 1), "standard": (15, 1), "deep": (30, 2)}
    assert program.at_depth("deep").digest == program.digest


def test_a_depth_that_the_program_does_not_know_is_refused_with_those_it_has() -> None:
    with pytest.raises(ConfigError, match="--depth shallow: expected one of quick, standard"):
        bundled("debug").at_depth("shallow")


def test_the_example_in_the_documentation_loads() -> None:
    page = (Path(__file__).parents[3] / "docs" / "programs.md").read_text()
    example = page.partition("```markdown\n")[2].partition("```\n")[0]
    assert parse(example.encode(), "smells.md").facts.name == "smells"


SECURITY = (FOLDER / "security.md").read_text()


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("  refute:\n", "  refuse:\n", "nobody asks it"),
        (
            "    otherwise: unsure\n    votes",
            "    otherwise: maybe\n    votes",
            "one of its judgements",
        ),
        ("becomes: rejected}", "becomes: gone}", "gone is no status"),
        ("refuted: {needs: [quote], becomes", "refuted: {becomes", "it must need evidence"),
        ("cells: {asset: assets}", "cells: {assets: assets}", "is not in the grid"),
        ("cells: {asset: assets}", "cells: {asset: asset}", "not one of its lists"),
        ("required: [name, about, evidence]", "required: [about]", "a required `name`"),
        ("together: [stride, asset]", "together: [stride, assets]", "did you mean asset?"),
        ("several: 20", "several: 20\nfirst: [title]", "nothing can be stated first"),
        ("shape: investigate", "shape: panel", "a panel, and nothing else"),
        ("# verify-fix", "# verify-fixes", "no section `# verify-fix`"),
    ],
)
def test_a_mistake_in_a_step_is_named(old: str, new: str, why: str) -> None:
    assert old in SECURITY
    with pytest.raises(ConfigError) as caught:
        parse(SECURITY.replace(old, new, 1).encode(), "p.md")
    assert why in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("roles: [ada, ben, cleo, dan, eve]", "roles: [ada]", "two roles at least"),
        ("probable: probable,", "probable: likely,", "likely is not known"),
        ("# debate", "# debates", "no section `# debate`"),
        ("columns:\n  [round", "columns:\n  [rounds", "did you mean round?"),
        ("claim: title", "claim: title\nexperiments: {kinds: [script]}", "runs nothing"),
        ("sets: {adversarial: [eve", "sets: {adversarial: [eva", "no section `# role: eva`"),
        ("rounds: 2", "rounds: 9", "rounds"),
    ],
)
def test_a_mistake_in_a_panel_is_named(old: str, new: str, why: str) -> None:
    assert old in PROGRAM
    with pytest.raises(ConfigError) as caught:
        parse(PROGRAM.replace(old, new, 1).encode(), "p.md")
    assert why in str(caught.value)
