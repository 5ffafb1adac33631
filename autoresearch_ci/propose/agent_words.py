"""What an agent CLI said about its work: a description, tokens and dollars, read from its output.

Pure. Output is untrusted text in a shape that changes between versions: what cannot be read is
nothing, never an error. A description may also be made from the edits themselves.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from autoresearch_ci.experiment import FileEdit
from autoresearch_ci.safety.prompt import line
from autoresearch_ci.workspace.changes import Tree

DESCRIPTION_LENGTH = 200
"""Characters."""


@dataclass(frozen=True, kw_only=True)
class Said:
    """What a CLI told us about its work; none of it is trusted for more than a label and a sum."""

    message: str = ""
    """Its last message."""
    tokens: int = 0
    """Input, cached or not, and output."""
    cost_usd: float = 0.0


def sentence(message: str) -> str:
    """The description in a last message: the labelled line, else the first one."""
    words = _described(message) or next((text for text in message.splitlines() if text.strip()), "")
    return line(words.strip(" *_#`>-"), DESCRIPTION_LENGTH)


def diff_words(edits: Sequence[FileEdit], incumbent: Tree) -> str:
    """`edit a.py (+3 -1), add b.py (+10)`."""
    return ", ".join(_edit_words(edit, incumbent) for edit in edits)


def _edit_words(edit: FileEdit, incumbent: Tree) -> str:
    try:
        before = Counter(incumbent.read(edit.path).splitlines())
        verb = "edit"
    except KeyError:
        before = Counter()
        verb = "add"
    if edit.content is None:
        return f"delete {edit.path}"
    after = Counter(edit.content.splitlines())
    counts = (f"+{(after - before).total()}", f"-{(before - after).total()}")
    return f"{verb} {edit.path} ({' '.join(counts)})"


def _objects(output: str) -> Iterator[dict[str, Any]]:
    """The JSON objects that begin at the start of a line, whatever is printed around them."""
    decoder = json.JSONDecoder()
    position = work = 0
    while work < _MOST_WORK and (match := _OBJECT.search(output, position)):
        try:
            value, position = decoder.raw_decode(output, match.start())
        except (ValueError, RecursionError) as error:
            position = match.end()
            looked_at = error.pos if isinstance(error, json.JSONDecodeError) else len(output)
            work += looked_at - match.start() + looked_at // 16  # the error counts all lines so far
            continue
        if isinstance(value, dict):
            yield value


_MOST_WORK = 1 << 28
"""Characters read in vain: each line of what is no JSON may be read up to its end."""
_OBJECT = re.compile(r"^\{", re.MULTILINE)


def claude_says(output: str) -> Said:
    said = Said()
    for value in _objects(output):
        if value.get("type") == "result":
            said = Said(
                message=_text(value.get("result")),
                tokens=_sum(value.get("usage"), *_ANTHROPIC_USAGE),
                cost_usd=_number(value.get("total_cost_usd")),
            )
    return said


_ANTHROPIC_USAGE = (
    "input_tokens",
    "cache_creation_input_tokens",
    "cache_read_input_tokens",
    "output_tokens",
)


def codex_says(output: str) -> Said:
    message, tokens = "", 0
    for value in _objects(output):
        item = _mapping(value.get("item"))
        if item.get("type") == "agent_message":
            message = _text(item.get("text"))
        tokens += _sum(value.get("usage"), "input_tokens", "output_tokens")
    return Said(message=message, tokens=tokens)


def gemini_says(output: str) -> Said:
    message, tokens = "", 0
    for value in _objects(output):
        message = _text(value.get("response")) or message
        models = _mapping(_mapping(value.get("stats")).get("models"))
        tokens += sum(_sum(_mapping(model).get("tokens"), "total") for model in models.values())
    return Said(message=message, tokens=tokens)


def opencode_says(output: str) -> Said:
    message, tokens, cost = "", 0, 0.0
    for value in _objects(output):
        part = _mapping(value.get("part"))
        if value.get("type") == "text":
            message = _text(part.get("text")) or message
        elif value.get("type") == "step_finish":
            cost += _number(part.get("cost"))
            usage = _mapping(part.get("tokens"))
            tokens += _sum(usage, "input", "output", "reasoning")
            tokens += _sum(usage.get("cache"), "read", "write")
    return Said(message=message, tokens=tokens, cost_usd=cost)


def plain_says(output: str) -> Said:
    """An unknown CLI: the last `DESCRIPTION: ...` line is its message; nothing else is known."""
    found = _described(output)
    return Said(message=f"DESCRIPTION: {found}" if found else "")


def _described(text: str) -> str:
    """What follows the last `DESCRIPTION:`, unless that is an echo of the request."""
    found = _DESCRIPTION.findall(text)
    return found[-1] if found else ""


_DESCRIPTION = re.compile(r"^[^\w\n]*DESCRIPTION[^\w\n]*:[ \t*_`]*([^<\s].*)$", re.MULTILINE)


def aider_says(output: str) -> Said:
    tokens = sum(
        _amount(sent) + _amount(received) for sent, received in _AIDER_TOKENS.findall(output)
    )
    costs = [_number(float(cost)) for cost in _AIDER_COST.findall(output)]
    message = plain_says(output).message
    return Said(message=message, tokens=tokens, cost_usd=max(costs, default=0.0))


# Bounded, as it searches megabytes that somebody else wrote.
_AMOUNT = r"([\d.,]{1,20}[kM]?)"
_AIDER_TOKENS = re.compile(rf"^Tokens: {_AMOUNT} sent,.{{0,80}}? {_AMOUNT} received", re.MULTILINE)
_AIDER_COST = re.compile(r"\$(\d{1,9}(?:\.\d{1,9})?) session")


def _amount(text: str) -> int:
    """`2.1k` is 2100."""
    scale = {"k": 1000, "M": 1_000_000}.get(text[-1], 1)
    digits = text.rstrip("kM").replace(",", "")
    return round(float(digits) * scale) if re.fullmatch(r"\d+(\.\d+)?", digits) else 0


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _number(value: object) -> float:
    """A sum of money; anything else counts as nothing."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return 0.0
    return float(value) if 0 <= value < 1e6 else 0.0


def _sum(usage: object, *names: str) -> int:
    counts = (_mapping(usage).get(name) for name in names)
    return sum(n for n in counts if type(n) is int and 0 < n < _MOST_TOKENS)


_MOST_TOKENS = 10**12
