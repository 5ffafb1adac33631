"""All scanners, those that the user configures among them: which are here, and what a scan lacks
without the others."""

from __future__ import annotations

import shlex
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from autoresearch_ci.config.security import Security, SecurityTool
from autoresearch_ci.measure.scanners import code, dependencies, secrets, shell, workflows
from autoresearch_ci.measure.scanners.code import read_sarif_of
from autoresearch_ci.measure.scanners.exhibit import Exhibit, code_nobody_reads
from autoresearch_ci.measure.scanners.scanner import Scanner, ScannerTask
from autoresearch_ci.measure.scanners.secrets import WORDS_ONLY

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

    def argv(task: ScannerTask) -> list[str]:
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


def _chosen(settings: Security) -> tuple[dict[str, Scanner], dict[str, str]]:
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


def _is_required(name: str, settings: Security) -> bool:
    """Whether it is a gap when this one is not installed."""
    named = {*settings.scanners, *(tool.name for tool in settings.tools), *OURS}
    return name in named or (name == "semgrep" and bool(settings.semgrep))


_EXTRA = "pip install bandit detect-secrets zizmor"


@dataclass(frozen=True, kw_only=True)
class Lookers:
    """All that are to look."""

    scanners: Mapping[str, Scanner]
    programs: Mapping[str, str]
    """Of those that are installed, where."""
    not_asked: Mapping[str, str]
    """Others, with the reason."""
    settings: Security

    def running(self, exhibit: Exhibit) -> list[str]:
        """Those that find something to look at."""
        return [name for name in self.programs if self._takes_any(name, exhibit)]

    def missing(self, exhibit: Exhibit) -> dict[str, str]:
        """Those that must be there, and are not."""
        why = f"is not installed, and the scan is not whole without it ({_EXTRA})"
        return {name: why for name in self._absent(exhibit) if _is_required(name, self.settings)}

    def left(self, exhibit: Exhibit) -> dict[str, str]:
        """Those that did not look, and need not have."""
        why = "is not installed"
        absent = (n for n in self._absent(exhibit) if not _is_required(n, self.settings))
        return {**self.not_asked, **dict.fromkeys(absent, why)}

    def read_by_nobody(self, exhibit: Exhibit) -> Mapping[str, int]:
        """Kinds of code that only secrets are looked for in, and how many files of each."""
        able = [self.scanners[name] for name in self.programs if name not in WORDS_ONLY]
        return code_nobody_reads(exhibit.subjects, able)

    def _absent(self, exhibit: Exhibit) -> Iterator[str]:
        for name in self.scanners:
            if name not in self.programs and self._takes_any(name, exhibit):
                yield name

    def _takes_any(self, name: str, exhibit: Exhibit) -> bool:
        return any(map(self.scanners[name].takes, exhibit.subjects))


def lookers(settings: Security, environment: Mapping[str, str]) -> Lookers:
    """Those beside us first: they are the ones that were tested with us."""
    scanners, not_asked = _chosen(settings)
    search = f"{Path(sys.executable).parent}:{environment.get('PATH', '')}"
    found = {name: shutil.which(scanner.program, path=search) for name, scanner in scanners.items()}
    return Lookers(
        scanners=scanners,
        programs={name: path for name, path in found.items() if path},
        not_asked=not_asked,
        settings=settings,
    )
