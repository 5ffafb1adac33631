"""A program: one Markdown file that says what an investigating command asks, accepts and writes.

Its front matter is checked here, whole, when it is loaded; its body has a section for each step.
What is done with it is investigation.py's business. Ours lie in `autoresearch_ci/programs/`.
"""

from __future__ import annotations

import difflib
import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field, ValidationError

from autoresearch_ci.config.error_messages import Source, explain
from autoresearch_ci.config.metric import Section
from autoresearch_ci.config.reader import Document, read, shown
from autoresearch_ci.decide.findings import Rule
from autoresearch_ci.decide.saturation import Limits
from autoresearch_ci.errors import ConfigError
from autoresearch_ci.investigate.item_schema import Schema, part, problems_of
from autoresearch_ci.investigate.program_steps import (
    Input,
    PanelRules,
    Step,
    problems_of_steps,
)
from autoresearch_ci.report.finding_pages import OUTPUTS, is_output
from autoresearch_ci.safety.untrusted_files import file_bytes
from autoresearch_ci.safety.untrusted_values import Unreadable

PROGRAM_LIMIT = 200_000
"""Bytes; a prompt holds all of it."""
ANSWER = ("status", "evidence")
"""Properties that every item has: code reads them."""
CHANGES = "changes"
"""The section that is told where a change is what is looked at."""
DEBATE = "debate"
"""The section of a panel's rounds."""
FINDINGS = "findings"
"""What a report that may hold several items calls them."""
OF_THE_ROW = (
    "iteration",
    "timestamp",
    "status",
    "claimed",
    "evidence",
    "dropped",
    "file_line",
    "role",
    "commit",
    "fingerprint",
    "seconds",
    "tokens",
    "cost_usd",
)
"""Columns that the record has, whatever the program."""
OF_A_ROUND = (
    *("round", "persona", "findings_produced", "findings_revised", "challenges_issued"),
    *("flip_count", "status"),
)
"""Columns of a panel's table."""
_SECTIONS = ("Rules", "Task")
_PARTS = re.compile(r"\A---[ \t]*\r?\n(.*?)^---[ \t]*\r?$\n?(.*)\Z", re.DOTALL | re.MULTILINE)

Names = Annotated[tuple[str, ...], Field(strict=False)]
Evidences = Annotated[
    tuple[Literal["quote", "command", "failing_command", "passing_command"], ...],
    Field(strict=False),
]
FindingStatus = Literal["open", "fixed", "disproven", "blocked", "accepted", "unknown"]


class StatusRule(Section):
    """What a status asks for and means."""

    needs: Evidences = ()
    """Kinds of evidence of which one is enough."""
    fields: Names = ()
    """Parts of the answer that must not be empty."""
    news: bool = False
    """Whether it is something new, so that the search goes on."""
    nothing: bool = False
    """Whether it says that nothing is there: it covers its cells when files were read for it."""
    finding: FindingStatus = "unknown"
    """What it is called in the handoff."""


class Stop(Section):
    """What ends the search, besides iterations and budget."""

    warn_after: int = Field(default=5, ge=1)
    """Iterations without news after which that is said."""
    stop_after: int = Field(default=10, ge=1)
    """Iterations without news after which nothing is left."""
    answered_by: str = ""
    """A property of the item that is true when the question is answered; with a status that has
    news."""


class Defaults(Section):
    """What holds where nobody says otherwise."""

    iterations: int = Field(default=15, ge=0, le=1_000_000)


class Depth(Section):
    """How far a search goes that somebody asks for by a word."""

    iterations: int | None = Field(default=None, ge=0, le=1_000_000)
    """Without it as many as elsewhere."""
    experiments: int | None = Field(default=None, ge=0, le=20)
    """In each iteration; without it as many as elsewhere."""
    personas: int | None = Field(default=None, ge=2, le=12)
    """Of a panel."""
    rounds: int | None = Field(default=None, ge=0, le=5)
    """Of a panel."""


class Experiments(Section):
    """What an iteration may run, in the sandbox."""

    kinds: Annotated[tuple[Literal["tests", "script"], ...], Field(strict=False)] = ()
    """`tests`: the repository's own test command on selected tests; `script`: one that is placed in
    the measure tree."""
    most: int = Field(default=1, ge=0, le=20)
    """How many."""


class FrontMatter(Section):
    """What stands between the `---` lines."""

    name: str = Field(min_length=1, max_length=40, pattern=r"^[a-z][a-z0-9-]*$")
    """Of the command, and the beginning of its run folder's name."""
    shape: Literal["investigate", "panel"]
    """The loop that it runs in."""
    about: str = Field(min_length=1, max_length=200)
    """One line for people."""
    item: dict[str, Any]
    """JSON schema of what the model answers: an object with `status` and `evidence` in it."""
    first: Names = ()
    """Properties that are stated, and kept, before anything is tried."""
    claim: str
    """The property that tells one item from another."""
    prediction: str = ""
    """The property, `fails` or `passes`, that says how the experiment ends if the claim is true."""
    several: int = Field(default=0, ge=0, le=100)
    """How many items one report may hold; 0: it is one item. Then the place tells them apart."""
    roles: Names = ()
    """Who looks: in turns, one in each iteration, or all of a panel."""
    sets: Mapping[str, Names] = {}
    """Other roles, by the word that asks for them."""
    grid: Mapping[str, Names] = {}
    """What is to be covered: properties of the item, and the cells of each."""
    together: Names = ()
    """Dimensions of the grid of which the combinations are to be covered."""
    inputs: Mapping[str, Input] = {}
    """What a person may say, by flag."""
    steps: Mapping[str, Step] = {}
    """Requests besides the loop's own."""
    panel: PanelRules | None = None
    """Of the shape `panel`."""
    statuses: Mapping[str, StatusRule]
    """Every status that an item can get."""
    otherwise: str
    """The status of what lacks what its own asks for."""
    refuted: str = ""
    """The status of a claim whose prediction did not come true."""
    experiments: Experiments = Experiments()
    """What may be run."""
    stop: Stop = Stop()
    """What ends it."""
    columns: Names
    """Of the table, in order."""
    outputs: Names
    """Files of the run folder."""
    defaults: Defaults = Defaults()
    """Where nobody says otherwise."""
    depths: Mapping[str, Depth] = {}
    """By the word that asks for it, the shallowest first."""


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
    def rules(self) -> dict[str, Rule]:
        return {
            name: Rule(needs=rule.needs, fields=rule.fields)
            for name, rule in self.facts.statuses.items()
        }

    def limits(
        self, iterations: int, seconds: float | None, usd: float | None, tokens: int | None
    ) -> Limits:
        """When it ends, within these bounds."""
        statuses = self.facts.statuses.items()
        return Limits(
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
    if problems := [*_problems(facts), *_missing_sections(facts, sections)]:
        raise ConfigError("\n".join(f"{_place(document, name, at)}: {why}" for at, why in problems))
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


def _problems(facts: FrontMatter) -> Iterator[tuple[str, str]]:
    """What types do not say: key and sentence."""
    if wrong := list(problems_of(facts.item)):
        yield from (("item", why) for why in wrong)
        return
    if facts.item["type"] != "object":
        yield "item", "item.type: expected object"
        return
    properties = facts.item["properties"]
    required = facts.item.get("required", [])
    told = ANSWER if facts.panel is None else ("evidence",)  # a panel's status is counted
    for name in (n for n in told if n not in required):
        yield "item", f"item.required: {name} must be in it, code reads it"
    yield from _unknown("first", facts.first, properties)
    yield from (("first", f"{n}: is answered in the end") for n in facts.first if n in ANSWER)
    yield from _unknown("claim", [facts.claim], properties)
    yield from _unknown("grid", facts.grid, properties)
    row = (*properties, *OF_THE_ROW) if facts.panel is None else OF_A_ROUND
    yield from _unknown("columns", facts.columns, row)
    named = [n for n in (facts.prediction, facts.stop.answered_by) if n]
    yield from _unknown("prediction" if facts.prediction else "stop", named, properties)
    yield from _unknown("otherwise", [facts.otherwise], facts.statuses)
    yield from _unknown("refuted", [facts.refuted] if facts.refuted else [], facts.statuses)
    for status, rule in facts.statuses.items():
        yield from _unknown("statuses", rule.fields, properties, f"statuses.{status}: ")
    if facts.statuses.get(facts.otherwise, StatusRule()).needs:
        yield "otherwise", f"{facts.otherwise}: must need no evidence, it is what lacks it"
    for name in (name for name in facts.outputs if not is_output(name)):
        yield "outputs", f"{shown(name)}: nobody writes it; there are {', '.join(OUTPUTS)}"
    if any(depth.experiments for depth in facts.depths.values()) and not facts.experiments.kinds:
        yield "depths", "depths: there are no experiments, experiments.kinds is empty"
    yield from _problems_of_words(facts, properties)
    yield from _problems_of_shape(facts)
    yield from problems_of_steps(facts.steps, facts.statuses, facts.grid)


def _problems_of_shape(facts: FrontMatter) -> Iterator[tuple[str, str]]:
    if facts.several and facts.first:
        yield "several", "several: nothing can be stated first of what is reported together"
    yield from _unknown("together", facts.together, facts.grid)
    if (facts.shape == "panel") != (facts.panel is not None):
        yield "shape", "a panel, and nothing else, has `panel:`"
    if facts.panel is None:
        return
    yield from _problems_of_panel(facts, facts.panel)


def _problems_of_panel(facts: FrontMatter, panel: PanelRules) -> Iterator[tuple[str, str]]:
    for roles in (facts.roles, *facts.sets.values()):
        if len(roles) < 2:
            yield "roles", "a panel has two roles at least"
    if facts.first or facts.experiments.kinds or facts.steps:
        yield "shape", "a panel states nothing first, runs nothing and has no steps"
    named = (panel.confirmed, panel.probable, panel.minority, panel.dropped)
    yield from _unknown("panel", named, facts.statuses)


def _problems_of_words(
    facts: FrontMatter, properties: Mapping[str, Any]
) -> Iterator[tuple[str, str]]:
    """Words that stand in two places must be the same."""
    told = properties.get("status", {}).get("enum", [])
    if facts.panel is None and sorted(told) != sorted(facts.statuses):
        yield "statuses", f"item.status.enum lists {told}, expected {list(facts.statuses)}"
    for dimension, cells in facts.grid.items():
        filled = any(dimension in step.cells for step in facts.steps.values())
        alike = filled or properties.get(dimension, {}).get("enum") == list(cells)
        if dimension in properties and not alike:
            yield "grid", f"item.{dimension}.enum must list the cells of grid.{dimension}"
    expected = properties.get(facts.prediction, {}).get("enum")
    if facts.prediction and sorted(expected or []) != ["fails", "passes"]:
        yield "prediction", f"item.{facts.prediction}.enum must be [fails, passes]"
    if facts.prediction and not facts.refuted:
        yield "prediction", "needs `refuted`: the status of what did not come true"


def _unknown(key: str, names: Any, known: Any, before: str = "") -> Iterator[tuple[str, str]]:
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, list(known), n=1)
            hint = f", did you mean {near[0]}?" if near else f"; there are {', '.join(known)}"
            yield key, f"{before}{key}: {shown(name)} is not known{hint}"


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


def _missing_sections(facts: FrontMatter, sections: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for title in _SECTIONS:
        if not sections.get(title):
            yield "", f"the body has no section `# {title}`, or it is empty"
    cells = {f"{d}: {cell}" for d, several in facts.grid.items() for cell in several}
    everybody = dict.fromkeys([*facts.roles, *(r for roles in facts.sets.values() for r in roles)])
    roles = [f"role: {role}" for role in everybody]
    steps = [*facts.steps, *([DEBATE] if facts.panel else [])]
    known = [*_SECTIONS, CHANGES, *sorted(cells), *roles, *steps]
    yield from (("roles", f"there is no section `# {r}`") for r in roles if not sections.get(r))
    yield from (("steps", f"there is no section `# {s}`") for s in steps if not sections.get(s))
    for title in sections:
        if title not in known:
            near = difflib.get_close_matches(title, known, n=1)
            hint = f", did you mean `# {near[0]}`?" if near else ""
            yield "", f"nobody reads the section `# {shown(title)}`{hint}"
