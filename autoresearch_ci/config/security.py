"""The section of the configuration about `security`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from autoresearch_ci.config.metric import Section
from autoresearch_ci.config.value_types import Command, Duration, Name, RelativePath, refusal

FailOn = Literal["critical", "high", "medium", "low", "never"]
ScannerName = Literal[
    "bandit",
    "zizmor",
    "detect-secrets",
    "gitleaks",
    "semgrep",
    "njsscan",
    "shellcheck",
    "hadolint",
    "pip-audit",
    "npm audit",
    "osv-scanner",
]
RESERVED = frozenset({*ScannerName.__args__, "agentic", "python", "model"})  # type: ignore[attr-defined]


class SecurityTool(Section):
    """A scanner that writes SARIF."""

    name: Name
    """What its findings are called after: `trivy`."""
    command: Command
    """Shell command line, run in a copy of what is looked at; `{report}` in it is a file to write
    to, without it what it prints is the report."""
    network: bool = False
    """Whether it may use the network."""


class Security(Section):
    """What `security` looks with and at, and what fails it."""

    fail_on: FailOn = "high"
    """Weaknesses as bad as that fail the gate; with --diff, new ones only."""
    scanners: Annotated[tuple[ScannerName, ...], Field(strict=False)] = ()
    """Scanners that must be there: without them, the scan is incomplete."""
    dependencies: bool = False
    """Ask services about dependencies, with pip-audit, npm audit and osv-scanner if installed."""
    semgrep: Annotated[tuple[RelativePath, ...], Field(strict=False)] = ()
    """Files or folders of the repository with rules for semgrep."""
    tools: Annotated[tuple[SecurityTool, ...], Field(strict=False)] = ()
    """Other scanners that write SARIF."""
    exclude: Annotated[tuple[Name, ...], Field(strict=False)] = ()
    """Paths that are not looked at, as gitignore-style globs."""
    baseline: RelativePath | None = None
    """A `weaknesses.json` in the repository: what stands in it is known and does not fail."""
    accepted: RelativePath = ".github/security-accepted.yml"
    """Risks that somebody has accepted: fingerprint, reason and expiry of each."""
    max_file_kb: int = Field(default=1024, ge=1, le=65536)
    """Larger files are not looked at, and listed."""
    max_files: int = Field(default=20_000, ge=1, le=1_000_000)
    """So many files are looked at."""
    timeout: Duration = 600.0
    """After which a scanner is stopped, and the scan is incomplete."""

    @model_validator(mode="after")
    def _told_apart(self) -> Self:
        names = [tool.name for tool in self.tools]
        twice = next((n for n in names if names.count(n) > 1 or n in RESERVED), None)
        if twice is not None:
            raise refusal(
                f"has two scanners called {twice!r}", "another `name` for one", show=False
            )
        return self


_STRICTEST_LAST = ("never", "critical", "high", "medium", "low")


def at_least(trusted: Security, besides: Security) -> Security:
    """What the trusted commit says, and what another asks for besides: never less is looked at,
    with fewer scanners, or failed by."""
    named = {tool.name for tool in trusted.tools}
    return trusted.model_copy(
        update={
            "fail_on": max(trusted.fail_on, besides.fail_on, key=_STRICTEST_LAST.index),
            "scanners": tuple(dict.fromkeys((*trusted.scanners, *besides.scanners))),
            "dependencies": trusted.dependencies or besides.dependencies,
            "tools": (*trusted.tools, *(t for t in besides.tools if t.name not in named)),
            **{
                name: max(getattr(trusted, name), getattr(besides, name))
                for name in ("max_file_kb", "max_files", "timeout")
            },
        }
    )


def for_security(data: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration's data as `security` takes it: nothing is measured, all is looked at."""
    return {**data, "scope": ["**"], "metric": {"command": "true"}}
