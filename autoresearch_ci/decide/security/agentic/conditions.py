"""Whether an `if:` lets only people through who may write, and which expressions are a stranger's
words. Pure; understands `&&`, `||` and parentheses, and takes everything else as one question."""

from __future__ import annotations

import re

_EXPRESSION = re.compile(r"\$\{\{(?>(?:(?!\}\}|\$\{\{).)*)\}\}", re.DOTALL)
_LONGEST = 4_000
"""Characters of a condition; a longer one asks nothing that anybody could follow."""

_STRANGERS = re.compile(
    r"""
    github\.head_ref
    | github\.event\.(?:issue|pull_request|discussion)\.(?:title|body)\b
    | github\.event\.(?:comment|review|review_comment)\.body\b
    | github\.event\.pull_request\.head\.(?:ref|label|repo\.(?:description|homepage|default_branch))
    | github\.event\.workflow_run\.(?:head_branch|display_title|head_commit\.\S+
      |pull_requests\[?\.?\S*\.head\.ref)
    | github\.event\.(?:head_commit|commits?\S*?)\.(?:message|author\.(?:name|email))
    | github\.event\.pages\S*\.page_name
    | github\.event\.\*
    | tojson\(\s*github(?:\.event(?:\.(?:issue|pull_request|comment|discussion|review)
      )?)?\s*\)
    """,
    re.VERBOSE | re.IGNORECASE,  # as GitHub reads names
)
_INDEX = re.compile(r"\[\s*'([\w-]+)'\s*\]")

_CHECKS = re.compile(
    r"""
    author_association\s*==\s*'(?:OWNER|MEMBER|COLLABORATOR)'
    | contains\(\s*fromjson\([^)]*\)\s*,\s*[\w.]*(?:author_association|actor|login)\s*\)
    | (?:github\.(?:actor|triggering_actor|actor_id|repository_owner)|\w+\.login)
      \s*==(?!\s*''\s*$)
    | ==\s*github\.(?:actor|triggering_actor|repository_owner)\b
    | head\.repo\.full_name\s*==\s*github\.repository\b
    | github\.repository\s*==\s*[\w.]*head\.repo\.full_name
    | head\.repo\.fork\s*==\s*false | !\s*[\w.]*head\.repo\.fork\b
    | head_repository\.full_name\s*==\s*github\.repository\b
    | (?:is|has|check|allow|author|permission|trusted|member)[\w.-]*\s*==\s*'(?:true|admin|write)'
    | github\.event_name\s*==\s*'(?:workflow_dispatch|schedule|push|release|repository_dispatch)'
    | pull_request\.merged\s*(?:==\s*true\s*)?$
    | ^\s*false\s*$
    """,
    re.VERBOSE | re.IGNORECASE,
)
_OF_COMMENT = re.compile(
    r"(?:comment|review)\.(?:author_association|user\.login)|github\.actor|sender"
)


def expressions(text: str) -> list[str]:
    """What stands in `${{ }}`, each whole."""
    return [match[0] for match in _EXPRESSION.finditer(text)]


def strangers_words(expression: str) -> str:
    """The part of an expression that anybody can choose the text of; empty: there is none."""
    found = _STRANGERS.search(dotted(expression))
    return found[0] if found else ""


def dotted(expression: str) -> str:
    """With `env.TITLE` for `env['TITLE']`."""
    return _INDEX.sub(r".\1", expression)


def admits_members_only(condition: str) -> bool:
    """Whether each way through it asks who it is."""
    text = condition.strip()
    if len(text) > _LONGEST:
        return False
    if text.startswith("${{") and text.endswith("}}") and text.count("${{") == 1:
        text = text[3:-2]
    return _asks(dotted(text))


def asks_the_author(condition: str) -> bool:
    """Whether who wrote the comment is asked about, rather than who opened what it stands in."""
    return _OF_COMMENT.search(condition) is not None


_SENTENCES = re.compile(r"'[^']*[^'\w@./:,\[\]\"{}*-][^']*'")
"""Quoted texts that are more than a word or a list: what stands in them asks nothing."""


def _asks(text: str) -> bool:
    text = _unwrapped(text)
    for operator, combine in (("||", all), ("&&", any)):
        parts = _split(text, operator)
        if len(parts) > 1:
            return combine(map(_asks, parts))
    return _CHECKS.search(_SENTENCES.sub("''", text)) is not None


def _unwrapped(text: str) -> str:
    text = text.strip()
    while text.startswith("(") and _closes(text) == len(text) - 1:
        text = text[1:-1].strip()
    return text


def _closes(text: str) -> int:
    """Where the parenthesis closes that `text` opens with; -1: nowhere."""
    depth = 0
    for at, letter in _outside_quotes(text):
        depth += (letter == "(") - (letter == ")")
        if not depth:
            return at
    return -1


def _split(text: str, operator: str) -> list[str]:
    parts, depth, start = [], 0, 0
    for at, letter in _outside_quotes(text):
        depth += (letter == "(") - (letter == ")")
        if not depth and at >= start and text.startswith(operator, at):
            parts.append(text[start:at])
            start = at + len(operator)
    return [*parts, text[start:]]


def _outside_quotes(text: str) -> list[tuple[int, str]]:
    found, quoted = [], False
    for at, letter in enumerate(text):
        if letter == "'":
            quoted = not quoted
        elif not quoted:
            found.append((at, letter))
    return found
