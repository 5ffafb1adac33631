"""What is said of shell scripts and of workflows: shellcheck and actionlint."""

from __future__ import annotations

from autoresearch_ci.decide.failures.failure import Category, Diagnosis
from autoresearch_ci.measure.diagnostics.adapter import (
    Adapter,
    ToolOutput,
    UnusableOutput,
    code_of,
    diagnosis,
    objects,
    parser,
)

_ENDED = (0, 1)
_OF_XARGS = 123
"""For any code of what it started."""
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
    written = said.json("shellcheck")
    comments = written.get("comments") if isinstance(written, dict) else written
    problems = []
    for item in objects(comments, "comments"):
        level, number = item.text("level"), item.number("code")
        if level not in _LEVELS:
            raise UnusableOutput(f"shellcheck has a level that is not known: {code_of(level)}")
        broken = level == "error" and number in _UNPARSED
        category = Category.BUILD if broken else _LEVELS[level]
        code = "syntax" if broken else f"SC{number}"
        where = (item.text("file"), item.number("line"), item.number("column"))
        problems.append(said.problem(category, *where, code=code, message=item.text("message")))
    # What it could not read it names on the other stream.
    ended = _ENDED if said.stderr.strip() else (*_ENDED, _OF_XARGS)
    incomplete = said.stopped("shellcheck", ended)
    return diagnosis("shellcheck", problems, incomplete or said.untold("shellcheck", problems))


@parser("actionlint")
def read_actionlint(said: ToolOutput) -> Diagnosis:
    """Of `-format '{{json .}}'`."""
    problems = []
    for item in said.json_objects("actionlint"):
        kind = item.code("kind")
        broken = kind == "syntax-check"
        category = Category.BUILD if broken else Category.LINT
        code = "syntax" if broken else kind
        where = (item.text("filepath"), item.number("line"), item.number("column"))
        problems.append(said.problem(category, *where, code=code, message=item.text("message")))
    incomplete = said.stopped("actionlint", _ENDED)
    return diagnosis("actionlint", problems, incomplete or said.untold("actionlint", problems))


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
