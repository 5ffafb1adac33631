"""What a person wrote down already: a goal with lines such as `Scope:` and `Verify:`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from autoresearch_ci.errors import ConfigError
from autoresearch_ci.plan.config_draft import ConfigDraft
from autoresearch_ci.plan.direction import direction_of, in_words

_LINE = re.compile(
    r"(?im)^[\s>*#-]*\**(goal|scope|metric|direction|verify|guard|iterations)\**\s*:\**[ \t]*(.*)$"
)
_INLINE = re.compile(r"\s+(?=(?:Scope|Metric|Direction|Verify|Guard|Iterations):\s)")
_FLAGGED = re.compile(r"\s--(scope|metric|direction|verify|guard|iterations)[ =]")


@dataclass(frozen=True, kw_only=True)
class Brief:
    """The lines, without those that are not there."""

    goal: str = ""
    scope: tuple[str, ...] = ()
    metric: str = ""
    """In words: `coverage % (higher is better)`."""
    direction: str = ""
    verify: str = ""
    """A command that prints the number."""
    guard: str = ""
    iterations: int | None = None


def brief_of(text: str) -> Brief:
    """Of lines, of the same in one line, or of a text that has none: that is the goal.

    Raises `ConfigError` for a line that stands there twice with different words.
    """
    text = _FLAGGED.sub(lambda match: f"\n{match[1].capitalize()}: ", text)
    lines = _LINE.findall(_INLINE.sub("\n", text))
    found: dict[str, str] = {}
    for name, words in ((name.lower(), _bare(words)) for name, words in lines):
        if words and found.setdefault(name, words) != words:
            raise ConfigError(f"{name.capitalize()}: stands there twice with different words.")
    if not found:
        return Brief(goal=_first_words(text))
    count = re.match(r"\d+", found.get("iterations", ""))
    return Brief(
        goal=found.get("goal", "") or _first_words(re.split(_LINE, text)[0]),
        scope=tuple(filter(None, re.split(r"[,\s]+", found.get("scope", "")))),
        metric=found.get("metric", ""),
        direction=in_words(found.get("direction", "") or found.get("metric", "")),
        verify=found.get("verify", ""),
        guard=found.get("guard", ""),
        iterations=int(count[0]) if count else None,
    )


def _bare(words: str) -> str:
    """Without the backticks and quotes that stand around all of it."""
    words = words.strip()
    return words[1:-1] if len(words) > 1 and words[0] == words[-1] and words[0] in "`\"'" else words


def _first_words(text: str) -> str:
    lines = (line.strip("#> *\t") for line in text.splitlines())
    return next((line for line in lines if line), "")[:300]


def drafts_of(brief: Brief, usual: ConfigDraft) -> Iterator[ConfigDraft]:
    """With its own command: by the number's name where it has one, else by the last number.

    `usual`: what is taken for what the brief does not say. A direction that nobody says, nor
    the name or the goal, is up, as where such briefs come from.
    """
    if not brief.verify:
        return
    command = brief.verify
    if re.search(r"(?<!\|)\|(?!\|)", command) and "pipefail" not in command:
        command = f"set -o pipefail; {command}"
    way = brief.direction or direction_of(brief.metric.split(" ")[0], brief.goal) or "maximize"
    metric: dict[str, Any] = {"command": command, "direction": way}
    if name := re.fullmatch(r"([A-Za-z_][\w./-]*)(?:\s*\([^()]*\))?", brief.metric):
        yield aimed(brief, replace(usual, metric={**metric, "name": name[1]}))
    yield aimed(brief, replace(usual, metric={**metric, "extract": {"last_number": True}}))


def aimed(brief: Brief, draft: ConfigDraft) -> ConfigDraft:
    """The draft with what else the brief says."""
    more = dict(draft.more)
    if brief.iterations:
        more["iterations"] = brief.iterations
    return replace(
        draft,
        goal=brief.goal or draft.goal,
        scope=brief.scope or draft.scope,
        guards=({"command": brief.guard},) if brief.guard else draft.guards,
        more=more,
    )
