"""A program: one Markdown file that says what an investigating command asks, accepts and writes.

Its front matter is checked whole when it is loaded; its body has a section for each step. What is
done with it is investigation.py's business. Ours lie in `autoresearch_ci/programs/`.
"""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from autoresearch_ci.config.metric import Section
from autoresearch_ci.config.reader import Document, read, shown
from autoresearch_ci.config.validation_errors import Source, explain
from autoresearch_ci.decide.investigation.finding import StatusRequirement
from autoresearch_ci.decide.investigation.saturation import InvestigationLimits
from autoresearch_ci.errors import ConfigError
from autoresearch_ci.investigate.front_matter import FINDINGS, FrontMatter
from autoresearch_ci.investigate.item_schema import Schema, part
from autoresearch_ci.investigate.program_checks import missing_sections, problems
from autoresearch_ci.safety.untrusted_files import file_bytes
from autoresearch_ci.safety.untrusted_values import Unreadable

PROGRAM_LIMIT = 200_000
"""Bytes; a prompt holds all of it."""
_PARTS = re.compile(r"\A---[ \t]*\r?\n(.*?)^---[ \t]*\r?$\n?(.*)\Z", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Program:
    """A program that can be run."""

    facts: FrontMatter
    sections: Mapping[str, str]
    """Title -> text, in the file's order."""
    digest: str
    """Of the whole file: a resumed investigation must go by the same words."""

    @property
    def opening(self) -> Schema | None:
        """What is stated before anything is tried; `None`: nothing."""
        return part(self.facts.item, self.facts.first) if self.facts.first else None

    @property
    def each(self) -> Schema:
        """One item, as it is reported in the end."""
        names = [n for n in self.facts.item["properties"] if n not in self.facts.first]
        return part(self.facts.item, names)

    @property
    def closing(self) -> Schema:
        """What is answered in the end."""
        return list_of(self.each, self.facts.several) if self.facts.several else self.each

    def covering(self, cells: Mapping[str, Sequence[str]]) -> Program:
        """The same with these cells of the grid to be covered."""
        grid = {**self.facts.grid, **{name: tuple(several) for name, several in cells.items()}}
        return replace(self, facts=self.facts.model_copy(update={"grid": grid}))

    def over(self, cells: Mapping[str, Sequence[str]]) -> Program:
        """The same with these cells of the grid, of which an item names one."""
        item = dict(self.facts.item)
        item["properties"] = {
            name: {**schema, "enum": list(cells[name])} if name in cells else schema
            for name, schema in item["properties"].items()
        }
        there = self.covering(cells)
        return replace(there, facts=there.facts.model_copy(update={"item": item}))

    def called(self, words: str) -> Program:
        """The same with the roles of a set. Raises `ConfigError`."""
        roles = self.facts.sets.get(words)
        if roles is None:
            known = ", ".join(self.facts.sets) or "none"
            raise ConfigError(f"--adversarial {shown(words)}: expected one of {known}.")
        return self.played_by(roles)

    def played_by(self, roles: Sequence[str]) -> Program:
        """The same with these roles."""
        return replace(self, facts=self.facts.model_copy(update={"roles": tuple(roles)}))

    def role(self, iteration: int) -> str:
        """Who looks in an iteration (from 1); empty: nobody in particular."""
        roles = self.facts.roles
        return roles[(iteration - 1) % len(roles)] if roles else ""

    def at_depth(self, word: str) -> Program:
        """The same with the limits of that depth; empty: as it is. Raises `ConfigError`."""
        if not word:
            return self
        depth = self.facts.depths.get(word)
        if depth is None:
            words = ", ".join(self.facts.depths) or "none"
            raise ConfigError(f"--depth {shown(word)}: expected one of {words}.")
        told = {name: getattr(depth, name) for name in depth.model_fields_set}
        limits: dict[str, Any] = {
            "defaults": _with(self.facts.defaults, told, "iterations"),
            "experiments": _with(self.facts.experiments, told, "experiments", "most"),
        }
        if self.facts.panel:
            limits["panel"] = _with(_with(self.facts.panel, told, "personas"), told, "rounds")
        return replace(self, facts=self.facts.model_copy(update=limits))

    @property
    def rules(self) -> dict[str, StatusRequirement]:
        return {
            name: StatusRequirement(needs=rule.needs, fields=rule.fields)
            for name, rule in self.facts.statuses.items()
        }

    def limits(
        self, iterations: int, seconds: float | None, usd: float | None, tokens: int | None
    ) -> InvestigationLimits:
        """When it ends, within these bounds."""
        statuses = self.facts.statuses.items()
        return InvestigationLimits(
            iterations=iterations,
            news=frozenset(name for name, rule in statuses if rule.news),
            warn_after=self.facts.stop.warn_after,
            stop_after=self.facts.stop.stop_after,
            seconds=seconds,
            usd=usd,
            tokens=tokens,
        )


_S = TypeVar("_S", bound=Section)


def _with(section: _S, told: Mapping[str, Any], name: str, key: str = "") -> _S:
    """The section with what a depth says of `name`, which it calls `key`."""
    return section.model_copy(update={key or name: told[name]} if name in told else {})


def list_of(item: Schema, most: int) -> dict[str, Any]:
    """A report of several items."""
    return {
        "type": "object",
        "required": [FINDINGS],
        "properties": {
            FINDINGS: {"type": "array", "minItems": 1, "maxItems": most, "items": item},
        },
    }


def bundled(name: str) -> Program:
    """One of ours. Raises `ConfigError` when it is not as it should be."""
    text = (resources.files("autoresearch_ci") / "programs" / f"{name}.md").read_bytes()
    return parse(text, f"programs/{name}.md")


def unknown_roles(names: Iterable[str], program: Program) -> list[str]:
    """Those that neither this program has, nor any of ours."""
    left = set(names) - _roles(program)
    folder = resources.files("autoresearch_ci") / "programs"
    for file in folder.iterdir() if left else ():
        left -= _roles(bundled(file.name.removesuffix(".md")))
    return sorted(left)


def _roles(program: Program) -> set[str]:
    facts = program.facts
    return {*facts.roles, *(role for roles in facts.sets.values() for role in roles)}


def from_file(path: Path) -> Program:
    """A user's own. Raises `ConfigError`."""
    try:
        text = file_bytes(path, PROGRAM_LIMIT)
    except Unreadable as error:
        raise ConfigError(f"--program {path} {error}; expected a short Markdown file.") from error
    except OSError as error:
        raise ConfigError(f"--program {path}: cannot be read: {error.strerror}.") from error
    return parse(text, str(path))


@functools.lru_cache(maxsize=32)
def parse(data: bytes, name: str) -> Program:
    """`name` stands in errors. Raises `ConfigError` that lists every problem."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{name}: is not UTF-8 text, expected a Markdown file.") from error
    found = _PARTS.match(text)
    if found is None:
        raise ConfigError(
            f"{name}:1: there is no front matter.\n"
            "usually: the file does not begin with a line `---`, or no second one ends it.\n"
            "do: begin it as autoresearch_ci/programs/debug.md does."
        )
    # The line of `---` stays, empty, so that the numbers in errors are the file's.
    document = read("\n" + found[1], name)
    facts = _validated(document, name)
    sections = dict(_sections(found[2]))
    if wrong := [*problems(facts), *missing_sections(facts, sections)]:
        raise ConfigError("\n".join(f"{_place(document, name, at)}: {why}" for at, why in wrong))
    return Program(facts=facts, sections=sections, digest=hashlib.sha256(data).hexdigest()[:16])


def _validated(document: Document, name: str) -> FrontMatter:
    try:
        return FrontMatter.model_validate(document.data)
    except ValidationError as error:
        sources = {
            at: Source(label=f"{name}:{line}", at=at, is_file=True)
            for at, line in document.lines.items()
        }
        message = explain(
            error.errors(),
            data=document.data,
            sources=sources,
            file=name,
            exists=True,
            model=FrontMatter,
        )
        raise ConfigError(message) from error


def _place(document: Document, name: str, at: str) -> str:
    line = document.lines.get((at,))
    return f"{name}:{line}" if line else name


def _sections(body: str) -> Iterator[tuple[str, str]]:
    """By headings of the first level that stand outside of code blocks."""
    title, lines, fenced = "", list[str](), False
    for line in body.splitlines():
        fenced ^= line.startswith("```")
        if line.startswith("# ") and not fenced:
            if title:
                yield title, "\n".join(lines).strip()
            title, lines = line[2:].strip(), []
        else:
            lines.append(line)
    if title:
        yield title, "\n".join(lines).strip()
