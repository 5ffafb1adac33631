"""What is wrong with a program that its types cannot say: words that must agree in two places.

Each problem is the key that it is about, and a sentence.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import Any

from autoresearch_ci.config.reader import shown
from autoresearch_ci.investigate.front_matter import (
    ANSWER,
    CHANGES,
    DEBATE,
    OF_A_ROUND,
    OF_THE_ROW,
    FrontMatter,
    StatusRule,
)
from autoresearch_ci.investigate.item_schema import problems_of
from autoresearch_ci.investigate.program_steps import PanelRules, problems_of_steps
from autoresearch_ci.report.investigation_pages import OUTPUTS, is_output

_SECTIONS = ("Rules", "Task")


def problems(facts: FrontMatter) -> Iterator[tuple[str, str]]:
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


def missing_sections(facts: FrontMatter, sections: Mapping[str, str]) -> Iterator[tuple[str, str]]:
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
