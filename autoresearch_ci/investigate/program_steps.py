"""What a program's front matter may say besides the loop itself: steps, panel, inputs, depths.

Types alone and what they cannot say; what each is for is its reader's business.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import Field

from autoresearch_ci.config.metric import Section
from autoresearch_ci.config.reader import shown
from autoresearch_ci.investigate.item_schema import Schema, problems_of

RECONNAISSANCE, ANSWER, REFUTE, VERIFY_FIX = "reconnaissance", "answer", "refute", "verify-fix"
JUDGING = (ANSWER, REFUTE, VERIFY_FIX)
"""Steps whose answer is one of the program's words, with evidence."""
STEPS = (RECONNAISSANCE, *JUDGING)
Names = Annotated[tuple[str, ...], Field(strict=False)]


class AllowedWord(Section):
    """A word that a step may answer."""

    needs: Annotated[tuple[Literal["quote"], ...], Field(strict=False)] = ()
    """Evidence without which it counts as the step's `otherwise`."""
    becomes: str = ""
    """The status that the item then has; empty: the one that it had."""


class ProgramStep(Section):
    """A request of its own: it knows nothing of what else was said."""

    judgements: Mapping[str, AllowedWord] = {}
    """The words that it may answer."""
    otherwise: str = ""
    """The word that counts where evidence lacks."""
    item: Mapping[str, Any] = {}
    """Of `reconnaissance`: JSON schema of what it answers, lists of objects with a `name`."""
    cells: Mapping[str, str] = {}
    """Of `reconnaissance`: dimensions of the grid whose cells are the names in one of its lists."""
    most: int = Field(default=60, ge=1, le=1000)
    """How many items it is asked about in all."""
    votes: int = Field(default=1, ge=1, le=5)
    """How many requests must agree before a judgement that changes a status counts."""


class PanelRules(Section):
    """How several roles come to one list."""

    rounds: int = Field(default=2, ge=0, le=5)
    """Of debate, after each has looked alone."""
    personas: int = Field(default=5, ge=2, le=12)
    """How many of the roles take part, the first ones."""
    findings: int = Field(default=40, ge=1, le=500)
    """How many there may be in all; each may bring its share."""
    confirmed: str
    """The status of what three in five confirm."""
    probable: str
    """Of what two confirm."""
    minority: str
    """Of what one alone stands by."""
    dropped: str
    """Of what nobody confirms in the end."""


class ProgramInput(Section):
    """Something that a person says: a flag of the command, told to the model as data."""

    about: str = Field(min_length=1, max_length=200)
    """One line of help."""
    choices: Names = ()
    """Words that it may be; empty: any text."""
    required: bool = False


def problems_of_steps(
    steps: Mapping[str, ProgramStep], statuses: Mapping[str, Any], grid: Mapping[str, Any]
) -> Iterator[tuple[str, str]]:
    """What types do not say: key and sentence."""
    for name, step in steps.items():
        if name not in STEPS:
            yield "steps", f"steps.{shown(name)}: nobody asks it; there are {', '.join(STEPS)}"
        elif name == RECONNAISSANCE:
            yield from _problems_of_lists(step, grid)
        else:
            yield from _problems_of_judgements(name, step, statuses)


def _problems_of_judgements(
    name: str, step: ProgramStep, statuses: Mapping[str, Any]
) -> Iterator[tuple[str, str]]:
    if step.otherwise not in step.judgements:
        yield "steps", f"steps.{name}.otherwise: must be one of its judgements"
    elif step.judgements[step.otherwise].needs:
        yield "steps", f"steps.{name}.otherwise: must need no evidence, it is what lacks it"
    for word, judgement in step.judgements.items():
        if judgement.becomes and judgement.becomes not in statuses:
            yield "steps", f"steps.{name}.{word}.becomes: {shown(judgement.becomes)} is no status"
        if judgement.becomes and not judgement.needs and word != step.otherwise:
            yield "steps", f"steps.{name}.{word}: changes a status, so it must need evidence"


def _problems_of_lists(step: ProgramStep, grid: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    at = f"steps.{RECONNAISSANCE}.item"
    if wrong := list(problems_of(step.item, at)):
        yield from (("steps", why) for why in wrong)
        return
    for name, inner in _properties(step.item):
        listed = inner["type"] == "array" and inner["items"]["type"] == "object"
        if not listed or "name" not in inner["items"].get("required", []):
            yield "steps", f"{at}.{name}: expected a list of objects with a required `name`"
    for dimension, name in step.cells.items():
        if dimension not in grid:
            yield "steps", f"steps.{RECONNAISSANCE}.cells: {shown(dimension)} is not in the grid"
        if name not in dict(_properties(step.item)):
            yield "steps", f"steps.{RECONNAISSANCE}.cells: {shown(name)} is not one of its lists"


def _properties(schema: Schema) -> list[tuple[str, Schema]]:
    return list(schema.get("properties", {}).items())


def judging_schema(step: ProgramStep) -> dict[str, Any]:
    """What a judging step answers."""
    return {
        "type": "object",
        "required": ["judgement", "why", "evidence"],
        "properties": {
            "judgement": {"type": "string", "enum": list(step.judgements)},
            "why": {"type": "string", "minLength": 8, "maxLength": 2000},
            "evidence": QUOTES,
        },
    }


def answers_schema(step: ProgramStep, names: Sequence[str]) -> dict[str, Any]:
    """What a step answers that is asked about several claims."""
    one = judging_schema(step)
    told = {"id": {"type": "string", "enum": list(names)}, **one["properties"]}
    each = {"type": "object", "required": ["id", *one["required"]], "properties": told}
    listed = {"type": "array", "minItems": 1, "maxItems": 2 * len(names), "items": each}
    return {"type": "object", "required": ["answers"], "properties": {"answers": listed}}


def votes_schema(names: Sequence[str]) -> dict[str, Any]:
    """What a role of a panel says of all that was found."""
    each = {
        "type": "object",
        "required": ["id", "vote", "why", "evidence"],
        "properties": {
            "id": {"type": "string", "enum": list(names)},
            "vote": {"type": "string", "enum": ["confirm", "dispute", "abstain"]},
            "severity": {
                "type": "string",
                "enum": ["critical", "high", "medium", "low", "info"],
                "description": "which you would give, if it is another one",
            },
            "why": {"type": "string", "minLength": 4, "maxLength": 1000},
            "evidence": QUOTES,
        },
    }
    listed = {"type": "array", "minItems": 1, "maxItems": 2 * len(names), "items": each}
    return {"type": "object", "required": ["votes"], "properties": {"votes": listed}}


QUOTES: Mapping[str, Any] = {
    "type": "array",
    "maxItems": 10,
    "description": "Quotes of code that stand in the repository.",
    "items": {
        "type": "object",
        "required": ["kind", "path", "text"],
        "properties": {
            "kind": {"type": "string", "enum": ["quote"]},
            "path": {"type": "string", "maxLength": 500},
            "line": {"type": "integer", "minimum": 0, "description": "where it begins"},
            "text": {"type": "string", "maxLength": 4000, "description": "the lines, verbatim"},
        },
    },
}
