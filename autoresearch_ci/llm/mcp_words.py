"""What MCP servers offer and answer, made fit for the model: names, schemas, bounded texts."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from autoresearch_ci.llm.tools import MAX_RESULT
from autoresearch_ci.safety.prompt import line, shown

if TYPE_CHECKING:
    from mcp.types import CallToolResult, ContentBlock, Tool

MAX_DESCRIPTION = 1_000
MAX_SCHEMA = 10_000
"""Characters of the description and the JSON schema of one tool."""
_NOT_IN_NAME = re.compile(r"[^A-Za-z0-9_-]")
_PROPERTY = re.compile(r"[A-Za-z0-9_.-]{1,64}")


def offered_name(server: str, tool: str) -> str:
    """What the model calls a tool: 64 plain characters at most, different for different tools."""
    name = f"mcp__{server}__{_NOT_IN_NAME.sub('_', tool)}"
    if name == f"mcp__{server}__{tool}" and len(name) <= 64:
        return name
    return f"{name[:55]}_{hashlib.sha256(tool.encode(errors='replace')).hexdigest()[:8]}"


def definition(name: str, tool: Tool) -> dict[str, Any]:
    """Raises `ValueError` for what the service would refuse, as it refuses the whole request."""
    import jsonschema

    # The service does not take these at the top; the server checks its arguments anyway.
    schema = {
        key: _visible(value)
        for key, value in tool.input_schema.items()
        if key not in ("anyOf", "oneOf", "allOf")
    }
    if schema.get("type") != "object":
        raise ValueError("its arguments are not an object")
    if len(json.dumps(schema, ensure_ascii=False)) > MAX_SCHEMA:
        raise ValueError(f"its schema has more than {MAX_SCHEMA} characters")
    try:
        jsonschema.Draft202012Validator.check_schema(schema)
    except jsonschema.SchemaError as error:
        raise ValueError(f"its schema is not valid: {error.message}") from error
    odd = [key for key in schema.get("properties", {}) if not _PROPERTY.fullmatch(key)]
    if odd:
        raise ValueError(f"it has an argument {odd[0]!r}")
    description = line(tool.description or tool.title or tool.name, MAX_DESCRIPTION)
    return {"name": name, "description": description, "input_schema": schema}


def _visible(value: Any) -> Any:
    if isinstance(value, str):
        return shown(value)
    if isinstance(value, list):
        return [_visible(item) for item in value]
    if isinstance(value, dict):
        return {shown(key): _visible(item) for key, item in value.items()}
    return value


def answer_text(result: CallToolResult) -> str:
    parts = list(_parts(result.content))
    if not parts and result.structured_content is not None:
        parts = [json.dumps(result.structured_content, ensure_ascii=False)]
    return "\n".join(parts) or "(the answer is empty)"


def _parts(content: Sequence[ContentBlock]) -> Iterator[str]:
    from mcp.types import EmbeddedResource, ResourceLink, TextContent, TextResourceContents

    for part in content:
        if isinstance(part, TextContent):
            yield part.text
        elif isinstance(part, EmbeddedResource) and isinstance(part.resource, TextResourceContents):
            yield part.resource.text
        elif isinstance(part, ResourceLink):
            yield f"(a link to {part.uri}, which cannot be followed)"
        else:
            yield f"({part.type} left out: only text is read)"


def bounded(text: str) -> str:
    visible = shown(text[: MAX_RESULT + 1].replace("\r\n", "\n"))
    if len(text) <= MAX_RESULT and len(visible) <= MAX_RESULT:
        return visible
    return f"{visible[:MAX_RESULT]}\n(cut: {len(text)} characters in all)"
