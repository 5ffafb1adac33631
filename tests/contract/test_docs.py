"""README and docs/: short, with links that lead somewhere, and saying what the code says."""

from __future__ import annotations

import argparse
import ast
import itertools
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest
import yaml
from markdown_it import MarkdownIt
from markdown_it.token import Token
from pydantic import BaseModel

from autoresearch_ci.cli.arguments import make_parser
from autoresearch_ci.config.fix import FixTarget
from autoresearch_ci.config.flags import FLAGS, every_key, fields_of_flags
from autoresearch_ci.config.metric import Guard
from autoresearch_ci.config.proposers import Agent, ToolServer
from autoresearch_ci.config.resolve import load
from autoresearch_ci.config.security import SecurityTool

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
CONFIGURATION = "docs/configuration.md"
OURS = [README, *sorted(ROOT.glob("docs/*.md"))]
LINKING = [*sorted(ROOT.glob("*.md")), *OURS[1:]]
LINKING += [ROOT / "tests/README.md", ROOT / "trainer/README.md", ROOT / "examples/README.md"]
LINKING += sorted(ROOT.glob("examples/*/README.md"))
"""Pages whose links are checked."""

Generated = Callable[[str, str, str], None]


def tokens(page: Path) -> list[Token]:
    return MarkdownIt("commonmark").enable("table").parse(page.read_text(encoding="utf-8"))


def identity(page: Path) -> str:
    return str(page.relative_to(ROOT))


# --- what is generated ----------------------------------------------------------------------------


def test_every_key_is_listed_with_its_flag(generated: Generated) -> None:
    flags = {key: f"`{flag.name}`" for key, flag in FLAGS.items()}
    rows = [f"| `{key}` | {flags.get(key, '')} | {in_a_cell(text)} |" for key, text in every_key()]
    table = ["| key | flag | meaning |", "| --- | --- | --- |", *rows, ""]
    generated(CONFIGURATION, "keys", "\n".join(table))


@pytest.mark.parametrize(
    ("kind", "model"),
    [
        ("guard", Guard),
        ("agent", Agent),
        ("mcp", ToolServer),
        ("target", FixTarget),
        ("scanner", SecurityTool),
    ],
)
def test_the_keys_of_what_stands_in_a_list_are_listed(
    kind: str, model: type[BaseModel], generated: Generated
) -> None:
    rows = [
        f"| `{name}` | {in_a_cell(field.description or '')} |"
        for name, field in model.model_fields.items()
    ]
    generated(CONFIGURATION, kind, "\n".join(["| key | meaning |", "| --- | --- |", *rows, ""]))


def in_a_cell(text: str) -> str:
    return " ".join(text.split()).replace("|", r"\|")


# --- what is written by hand ----------------------------------------------------------------------


def test_the_readme_is_short() -> None:
    assert README.stat().st_size < 8000


def subcommands() -> dict[str, argparse.ArgumentParser]:
    return commands_of(make_parser())


def commands_of(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    found = (a.choices for a in parser._actions if isinstance(a, argparse._SubParsersAction))
    return dict(next(found, {}))


def test_the_readme_lists_every_command() -> None:
    listed = re.findall(r"^\| `autoresearch-ci (\w+)", README.read_text(), re.MULTILINE)
    assert sorted(listed) == sorted(subcommands())


@pytest.mark.parametrize("page", OURS, ids=identity)
def test_every_configuration_that_is_shown_can_be_loaded(page: Path) -> None:
    for token in tokens(page):
        if token.type == "fence" and token.info == "yaml":
            shown = yaml.safe_load(token.content)
            if {"metric", "scope"} <= shown.keys():
                load(text=token.content)


@pytest.mark.parametrize("page", OURS, ids=identity)
def test_every_flag_that_is_shown_exists(page: Path) -> None:
    commands = list(subcommands().values())
    commands += [inner for each in commands for inner in commands_of(each).values()]
    known = {flag for each in commands for flag in each._option_string_actions}
    known |= fields_of_flags().keys()
    text = page.read_text(encoding="utf-8")
    shown = re.findall(r"autoresearch-ci .*|`--.*?`", text)
    used = {flag for part in shown for flag in re.findall(r"(?<![\w-])--[a-z][\w-]*", part)}
    assert used - known == set()


def test_nobody_is_told_to_install_us_from_an_index_on_which_others_may_take_our_name() -> None:
    told = [*OURS, *ROOT.glob("templates/*.yml"), *ROOT.glob("autoresearch_ci/**/*.py")]
    pattern = re.compile(
        r"(?:pip|pipx|uv|uvx)[ \w]* (?:install|run) [^\n]*?'?autoresearch-ci(?!-| @|/)\b"
    )
    assert [str(p) for p in told if pattern.search(p.read_text(encoding="utf-8"))] == []


@pytest.mark.parametrize("page", LINKING, ids=identity)
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    broken = [link for link in links(page) if not leads_somewhere(page, link)]
    assert broken == []


def test_every_file_that_the_tests_page_names_is_there() -> None:
    page = (ROOT / "tests/README.md").read_text(encoding="utf-8")
    named = re.findall(r"`(?:tests/)?([\w/*]+\.py)`", page)
    assert len(named) > 20
    assert [name for name in named if not any((ROOT / "tests").rglob(name))] == []


def links(page: Path) -> Iterator[str]:
    """Of text and pictures, but for those to other places."""
    for token in tokens(page):
        for part in token.children or ():
            found = part.attrs.get("href") or part.attrs.get("src")
            if found and not re.match(r"[a-z]+:", str(found)):
                yield unquote(str(found))


def leads_somewhere(page: Path, link: str) -> bool:
    path, _, anchor = link.partition("#")
    target = page.parent / path if path else page
    return target.exists() and (not anchor or anchor in anchors(target))


def anchors(page: Path) -> set[str]:
    """As GitHub makes them: lower case, blanks to hyphens, punctuation gone, repeats counted."""
    found: dict[str, int] = {}
    for heading, text in itertools.pairwise(tokens(page)):
        if heading.type == "heading_open":
            plain = "".join(part.content for part in text.children or ())
            slug = re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")
            found[slug] = found.get(slug, -1) + 1
    return {f"{slug}-{n}" if n else slug for slug, most in found.items() for n in range(most + 1)}


def messages() -> list[str]:
    """What docs/troubleshooting.md says that a message says."""
    rows = (ROOT / "docs/troubleshooting.md").read_text(encoding="utf-8").splitlines()
    return [row.split("`")[1] for row in rows if row.startswith("| `")]


def test_every_message_that_is_explained_is_one_that_the_program_prints() -> None:
    strings = [
        node.value
        for path in sorted(ROOT.glob("autoresearch_ci/**/*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    assert len(messages()) > 20
    assert [m for m in messages() if not any(m in string for string in strings)] == []


def test_every_page_is_reached_from_the_index() -> None:
    index = (ROOT / "docs/README.md").read_text(encoding="utf-8")
    pages = [page.name for page in OURS[1:] if page.name != "README.md"]
    assert [name for name in pages if f"({name}" not in index] == []


def test_a_link_to_a_place_that_is_not_there_is_noticed() -> None:
    assert leads_somewhere(README, "docs/configuration.md#every-key")
    assert not leads_somewhere(README, "docs/configuration.md#no-such-heading")
    assert not leads_somewhere(README, "docs/no-such-page.md")


def test_the_help_of_run_fits_two_screens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    told = commands_of(make_parser(["run"]))["run"].format_help().splitlines()
    assert told[0] == "usage: autoresearch-ci run [options]"
    assert len(told) <= 52
