"""The section of the configuration about repairs, and what `fix` makes of the rest of it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from autoresearch_ci.config.metric import Section
from autoresearch_ci.config.value_types import Command, Duration, Name, RelativePath, Text, refusal

FAILURES = "(failures)"
"""Stands for the command of a metric that counts what is broken."""

CategoryName = Literal["build", "critical", "type", "test", "lint", "warning"]


KNOWN_TOOLS = frozenset(
    {
        *("actionlint", "black", "cargo", "cargo fmt", "cargo test", "eslint", "gcc", "go build"),
        *("go test", "go vet", "gofmt", "gradle", "javac", "jest", "junit", "make check"),
        *("make test", "maven", "mocha", "mypy", "node --test", "npm test", "prettier", "pyright"),
        *("pytest", "python", "ruff", "ruff format", "sarif", "shellcheck", "tap", "tsc"),
        *("unittest", "vitest"),
    }
)
"""Whose answers are read by an adapter of their own."""
_RUNS_A_FILE = re.compile(
    r"(?:^|[\s;&|(])(?:(?:ba|z|da|k)?sh|source|python[\d.]*|node|ruby|perl|php)\s+(?!-)\S"
    r"|(?:^|[\s;&|(])\.{0,2}/(?!gradlew\b|mvnw\b)\S"
)
"""A script, which somebody in scope could write anew."""


class FixTarget(Section):
    """One tool in one folder that says what is broken."""

    tool: Name = "command"
    """Whose output it is, as in `fix --dry-run`; without it, the one that the command starts and
    nothing else. Any other name needs `regex`, or means that the exit code alone is looked at."""
    command: Command
    """Shell command line; in it, `{report}` is a file for the tool to write to."""
    folder: RelativePath | None = None
    """Where it runs; without it, at the repository's root."""
    reports: RelativePath | None = None
    """Files that the tool writes whatever it is told: a path, or a pattern with `*` and `**`."""
    regex: Text = ""
    """Of a line that tells of a failure: a Python expression with groups called path, line, column,
    code, message, name."""
    category: CategoryName = "lint"
    """With `regex` or the exit code alone: of what kind its failures are."""
    timeout: Duration | None = None
    """Without it, three times its duration on the unmodified code."""
    label: Name | None = None
    """What it is called; without it, by its folder and tool."""

    @property
    def name(self) -> str:
        """What people call it: `ruff`, `packages/web: eslint`."""
        return self.label or (f"{self.folder}: {self.tool}" if self.folder else self.tool)

    @property
    def shown(self) -> str:
        """Its command, as it is typed at the repository's root."""
        return f"(cd {shlex.quote(self.folder)} && {self.command})" if self.folder else self.command

    @property
    def is_script(self) -> bool:
        """Whether its command's own files are part of the ruler: a tool that we know, started as
        itself, is told what to look at; everything else is told how."""
        known = self.tool in KNOWN_TOOLS and not self.regex
        return not known or bool(_RUNS_A_FILE.search(self.command))

    @property
    def judges(self) -> bool:
        """Whether what it starts in turn is part of the ruler, too: what a compiler's build starts
        is a part of what is built."""
        return self.tool != "gcc" or bool(self.regex)


def _target(value: object) -> object:
    return {"command": value} if isinstance(value, str) else value


class Fix(Section):
    """What `fix` repairs, and what it may do for it."""

    targets: Annotated[
        tuple[
            Annotated[
                FixTarget, BeforeValidator(_target, json_schema_input_type=Command | FixTarget)
            ],
            ...,
        ],
        Field(strict=False),
    ] = ()
    """What is run to find out what is broken; without it, what the repository's files name."""
    skip: Annotated[tuple[Name, ...], Field(strict=False)] = ()
    """Of what its files name, leave these out: names as in `fix --dry-run`."""
    scope: Annotated[tuple[Name, ...], Field(strict=False, min_length=1)] = ("**",)
    """Paths that a repair may touch, instead of `scope`; tests only if they are named outright."""
    categories: Annotated[tuple[CategoryName, ...], Field(strict=False)] = ()
    """Repair these only, and count no others; without it, all but warnings."""
    from_debug: Text = ""
    """A handoff.json that `debug` wrote: its findings are told to the proposer."""
    allow: Annotated[tuple[Name, ...], Field(strict=False)] = ()
    """Shortcuts that are none here: a rule, or `rule:path`, as refusals name them."""
    test_timeout: Duration = 120.0
    """A test of pytest that takes longer has failed, so that one that hangs hides no other."""
    attempts: int = Field(default=3, ge=1, le=100)
    """After so many attempts at one failure it is blocked, and the next is taken."""

    @model_validator(mode="after")
    def _told_apart(self) -> Self:
        names = [target.name for target in self.targets]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise refusal(
                f"has two targets called {twice!r}", "a `label` for one of them", show=False
            )
        return self


ITERATIONS = 20
"""How many repairs are tried when nobody says."""


def for_fix(data: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration's data as `fix` takes it: the metric is how much is broken.

    Scope and metric of the file are those of `run`.
    """
    section = data.get("fix")
    own = section.get("scope") if isinstance(section, Mapping) else None
    return {
        "iterations": ITERATIONS,
        **data,
        "scope": ["**"] if own is None else own,
        "metric": {"command": FAILURES, "name": "failures", "target": 0},
        "holdout": None,
        "confirm": "never",
        "calibrate": "never",
    }
