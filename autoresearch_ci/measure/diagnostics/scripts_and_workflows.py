"""What is said of shell scripts and of workflows: shellcheck and actionlint."""

from __future__ import annotations

from autoresearch_ci.decide.failures.failure import Category, Diagnosis, Problem
from autoresearch_ci.measure.diagnostics.adapter import (
    Adapter,
    ToolOutput,
    UnusableOutput,
    code_of,
    diagnosis,
    document,
    items,
    number_at,
    parser,
    stopped,
    text_at,
    untold,
)

_ENDED = (0, 1)
_LEVELS = {
    "error": Category.LINT,
    "warning": Category.LINT,
    "info": Category.WARNING,
    "style": Category.WARNING,
}
_UNPARSED = range(1000, 2000)
"""Codes of shellcheck's parser; of these, errors only keep it from going on."""


@parser("shellcheck")
def read_shellcheck(said: ToolOutput) -> Diagnosis:
    """Of `json1`, or of the older `json`, which is the list alone."""
    written = document(said, "shellcheck")
    comments = written.get("comments") if isinstance(written, dict) else written
    problems = []
    for item in items(comments, "comments"):
        level, number = text_at(item, "level"), number_at(item, "code")
        if level not in _LEVELS:
            raise UnusableOutput(f"shellcheck has a level that is not known: {code_of(level)}")
        broken = level == "error" and number in _UNPARSED
        problems.append(
            Problem(
                category=Category.BUILD if broken else _LEVELS[level],
                path=said.path(text_at(item, "file")),
                line=number_at(item, "line"),
                column=number_at(item, "column"),
                code="syntax" if broken else f"SC{number}",
                message=said.words(text_at(item, "message")),
            )
        )
    incomplete = stopped(said, "shellcheck", _ENDED)
    return diagnosis("shellcheck", problems, incomplete or untold(said, "shellcheck", problems))


@parser("actionlint")
def read_actionlint(said: ToolOutput) -> Diagnosis:
    """Of `-format '{{json .}}'`."""
    problems = []
    for item in items(document(said, "actionlint"), "what actionlint wrote"):
        kind = code_of(text_at(item, "kind"))
        broken = kind == "syntax-check"
        problems.append(
            Problem(
                category=Category.BUILD if broken else Category.LINT,
                path=said.path(text_at(item, "filepath")),
                line=number_at(item, "line"),
                column=number_at(item, "column"),
                code="syntax" if broken else kind,
                message=said.words(text_at(item, "message")),
            )
        )
    incomplete = stopped(said, "actionlint", _ENDED)
    return diagnosis("actionlint", problems, incomplete or untold(said, "actionlint", problems))


_TOLD = (Category.BUILD, Category.LINT, Category.WARNING)
ADAPTERS = (
    Adapter(
        tool="shellcheck",
        parse=read_shellcheck,
        command="git ls-files -z '*.sh' | xargs -0 -r shellcheck --format json1 --",
        categories=_TOLD,
        writes="--format json1",
    ),
    Adapter(
        tool="actionlint",
        parse=read_actionlint,
        command="actionlint -format '{{json .}}'",
        categories=(Category.BUILD, Category.LINT),
        writes="-format '{{json .}}'",
    ),
)
