"""All scanners: those that ship with us or are looked for, and those that the user configures."""

from __future__ import annotations

import shlex

from autoresearch_ci.config.security import Security, SecurityTool
from autoresearch_ci.measure.scanners import code, dependencies, secrets, shell, workflows
from autoresearch_ci.measure.scanners.code import read_sarif_of
from autoresearch_ci.measure.scanners.scanner import Scanner, Task

SCANNERS = {
    scanner.name: scanner
    for module in (code, shell, workflows, secrets, dependencies)
    for scanner in module.SCANNERS
}

OURS = ("bandit", "zizmor", "detect-secrets")
"""Come with the extra `security`: that they are missing is told, and the scan is incomplete."""
_SHELL = "/bin/sh"


def of_users(tool: SecurityTool) -> Scanner:
    """One that writes SARIF."""

    def argv(task: Task) -> list[str]:
        report = shlex.quote(f"{task.settings}.sarif")
        if "{report}" not in tool.command:
            return [task.program, "-c", tool.command]
        # Whatever it prints is not its report, and how it ends is told all the same.
        line = tool.command.replace("{report}", report)
        return [task.program, "-c", f"{{ {line}\n}} >&2; code=$?; cat {report}; exit $code"]

    return Scanner(
        name=tool.name,
        program=_SHELL,
        takes=lambda subject: True,
        argv=argv,
        parse=read_sarif_of(tool.name),
        network=tool.network,
        configurable=True,
    )


def chosen(settings: Security) -> tuple[dict[str, Scanner], dict[str, str]]:
    """By name, all that are to look; and those that are not asked, with the reason."""
    left: dict[str, str] = {}
    found = {}
    for name, scanner in SCANNERS.items():
        if name == "semgrep" and not settings.semgrep:
            left[name] = "it needs rules: security.semgrep names them"
        elif scanner.network and not (settings.dependencies or name in settings.scanners):
            left[name] = "it asks a service: security.dependencies allows that"
        else:
            found[name] = scanner
    return {**found, **{tool.name: of_users(tool) for tool in settings.tools}}, left


def is_required(name: str, settings: Security) -> bool:
    """Whether it is a gap when this one is not installed."""
    named = {*settings.scanners, *(tool.name for tool in settings.tools), *OURS}
    return name in named or (name == "semgrep" and bool(settings.semgrep))
