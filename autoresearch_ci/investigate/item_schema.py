"""The part of JSON Schema that a program's `item` may use: is it sound, and does an answer fit it?

It is small on purpose: a keyword that is not checked here is refused when the program is loaded, so
no rule of a program is silently without effect.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Schema = Mapping[str, Any]

_KINDS: Mapping[str, type | tuple[type, ...]] = {
    "object": Mapping,
    "array": list,
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
}
_COUNTS = ("minLength", "maxLength", "minItems", "maxItems")
_BOUNDS = ("minimum", "maximum")
_WORDS = ("type", "description", "enum", "properties", "required", "items", *_COUNTS, *_BOUNDS)
_TEXT = 8_000
"""Characters of a text for which the schema says nothing."""
_ITEMS = 50
_DEEPEST = 6


def problems_of(schema: object, at: str = "item", depth: int = 0) -> Iterator[str]:
    """What is wrong with a schema, each with its place."""
    if not isinstance(schema, Mapping):
        yield f"{at}: is no mapping, expected a JSON schema such as {{type: string}}"
        return
    if depth > _DEEPEST:
        yield f"{at}: is nested too deeply"
        return
    for word in schema:
        if word not in _WORDS:
            near = difflib.get_close_matches(str(word), _WORDS, n=1)
            hint = f", did you mean {near[0]}?" if near else f"; there are {', '.join(_WORDS)}"
            yield f"{at}.{word}: is not supported{hint}"
    kind = schema.get("type")
    if kind not in _KINDS:
        yield f"{at}.type: expected one of {', '.join(_KINDS)}"
        return
    yield from _misplaced(schema, at, str(kind))
    if kind == "object":
        yield from _problems_of_object(schema, at, depth)
    if kind == "array":
        yield from problems_of(schema.get("items"), f"{at}.items", depth + 1)


def _misplaced(schema: Schema, at: str, kind: str) -> Iterator[str]:
    choices = schema.get("enum", [""])
    if not isinstance(choices, list) or not choices:
        yield f"{at}.enum: expected a list of values"
    elif "enum" in schema and kind != "string":
        yield f"{at}.enum: is for texts only"
    elif not all(isinstance(choice, str) for choice in choices):
        yield f"{at}.enum: expected texts; quote a word such as 'true'"
    for word in (*_COUNTS, *_BOUNDS):
        value = schema.get(word, 0)
        if not isinstance(value, int) or isinstance(value, bool):
            yield f"{at}.{word}: expected a whole number"


def _problems_of_object(schema: Schema, at: str, depth: int) -> Iterator[str]:
    properties = schema.get("properties")
    if not isinstance(properties, Mapping) or not properties:
        yield f"{at}.properties: expected at least one name with its schema"
        return
    required = schema.get("required", [])
    if not isinstance(required, list):
        yield f"{at}.required: expected a list of names"
        required = []
    for name in required:
        if name not in properties:
            yield f"{at}.required: {name} is not among the properties"
    for name, inner in properties.items():
        yield from problems_of(inner, f"{at}.{name}", depth + 1)


def part(schema: Schema, names: Sequence[str]) -> dict[str, Any]:
    """The schema of some of an object's properties, in that order."""
    properties, required = schema["properties"], schema.get("required", [])
    return {
        "type": "object",
        "properties": {name: properties[name] for name in names},
        "required": [name for name in names if name in required],
    }


def misfits(value: object, schema: Schema, at: str = "") -> Iterator[str]:
    """Why an answer does not fit; nothing when it does. What has no name there is ignored."""
    kind, where = schema["type"], at or "the answer"
    is_bool = isinstance(value, bool)
    if not isinstance(value, _KINDS[kind]) or (is_bool and kind != "boolean"):
        yield f"{where}: expected {'an' if kind[0] in 'aio' else 'a'} {kind}"
    elif isinstance(value, str):
        yield from _misfits_of_text(value, schema, where)
    elif isinstance(value, Mapping):
        for name in schema.get("required", ()):
            if name not in value:
                yield f"{where}: {name} is missing"
        for name, inner in schema["properties"].items():
            if name in value:
                yield from misfits(value[name], inner, f"{at}.{name}" if at else name)
    elif isinstance(value, list):
        if not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", _ITEMS):
            yield f"{where}: {len(value)} entries are too few or too many"
        for index, entry in enumerate(value[:_ITEMS]):
            yield from misfits(entry, schema["items"], f"{where}[{index}]")
    elif isinstance(value, (int, float)) and not is_bool:
        least, most = schema.get("minimum"), schema.get("maximum")
        if (least is not None and value < least) or (most is not None and value > most):
            yield f"{where}: is out of bounds"


def _misfits_of_text(value: str, schema: Schema, where: str) -> Iterator[str]:
    choices = schema.get("enum")
    if choices and value not in choices:
        yield f"{where}: expected one of {', '.join(choices)}"
    if len(value.strip()) < schema.get("minLength", 0):
        yield f"{where}: is too short"
    if len(value) > schema.get("maxLength", _TEXT):
        yield f"{where}: is longer than {schema.get('maxLength', _TEXT)} characters"


def fitting(value: Mapping[str, Any], schema: Schema) -> dict[str, Any]:
    """Only what the schema names, of a value that fits it."""
    kept: dict[str, Any] = {}
    for name, inner in schema["properties"].items():
        if name not in value:
            continue
        found = value[name]
        if inner["type"] == "object":
            found = fitting(found, inner)
        elif inner["type"] == "array" and inner["items"]["type"] == "object":
            found = [fitting(entry, inner["items"]) for entry in found]
        kept[name] = found
    return kept
