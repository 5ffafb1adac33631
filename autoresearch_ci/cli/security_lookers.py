"""Which scanners are here, and what a scan lacks without the others."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from autoresearch_ci.config.security import Security
from autoresearch_ci.measure.scanners.exhibit import Exhibit, code_nobody_reads
from autoresearch_ci.measure.scanners.registry import chosen, is_required
from autoresearch_ci.measure.scanners.scanner import Scanner
from autoresearch_ci.measure.scanners.secrets import WORDS_ONLY

_EXTRA = "pip install 'autoresearch-ci[security]'"


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
        return {name: why for name in self._absent(exhibit) if is_required(name, self.settings)}

    def left(self, exhibit: Exhibit) -> dict[str, str]:
        """Those that did not look, and need not have."""
        why = "is not installed"
        absent = (n for n in self._absent(exhibit) if not is_required(n, self.settings))
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
    scanners, not_asked = chosen(settings)
    search = f"{Path(sys.executable).parent}:{environment.get('PATH', '')}"
    found = {name: shutil.which(scanner.program, path=search) for name, scanner in scanners.items()}
    return Lookers(
        scanners=scanners,
        programs={name: path for name, path in found.items() if path},
        not_asked=not_asked,
        settings=settings,
    )
