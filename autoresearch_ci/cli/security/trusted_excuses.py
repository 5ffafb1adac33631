"""What the trusted commit excuses: read from its files, and from what scanners tell of them.

The trusted commit is the base's where somebody proposes a change; what a comment or a list means is
decided in decide/security/excuses.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from autoresearch_ci.config.reader import read_foreign
from autoresearch_ci.config.security import Security
from autoresearch_ci.decide.security.excuses import (
    Excuses,
    Trusted,
    accepted,
    baselined,
    excuses,
    known_leaks,
    known_secrets,
)
from autoresearch_ci.decide.security.weakness import Weakness
from autoresearch_ci.errors import ConfigError
from autoresearch_ci.safety.untrusted_values import MIB, Unreadable, json_value
from autoresearch_ci.workspace.repository import FileVersion, Repository

_LISTS = 16 * MIB


@dataclass(frozen=True, kw_only=True)
class TrustedLists:
    """Of one commit."""

    repository: Repository
    commit: str
    files: Mapping[str, FileVersion]
    """All that it has."""
    before: Mapping[str, FileVersion]
    """All that there was before the change, of which comments count."""
    moved: Mapping[str, str]
    """Of a file that the head has elsewhere: where it stood."""
    settings: Security
    today: str
    """ISO 8601."""

    def excuse(self, there: Sequence[Weakness], head: Sequence[Weakness]) -> Excuses:
        """Of the head; `there`: what scanners tell of the trusted commit. Raises `ConfigError`."""
        baseline = self.settings.baseline
        trusted = Trusted(
            weaknesses=there,
            contents={path: self._text(path) for path in {weakness.path for weakness in there}},
            secrets=known_secrets(self._json(".secrets.baseline") or {}),
            leaks=known_leaks((self._content(".gitleaksignore") or b"").decode(errors="replace")),
            baseline=baselined(self._named(baseline)) if baseline else frozenset(),
            accepted=self._accepted(),
        )
        return excuses(trusted, head)

    def _accepted(self) -> Excuses:
        path = self.settings.accepted
        content = self._content(path)
        if content is None:
            return Excuses()
        try:
            return accepted(read_foreign(content, path).data, self.today, path)
        except ConfigError as error:
            why = str(error).partition("\n")[0]
            return Excuses(problems=(f"no risk is accepted: {why}",))

    def _named(self, path: str) -> Mapping[str, object]:
        """A file that the configuration names. Raises `ConfigError` where it is none."""
        found = self._json(path)
        if found is None:
            raise ConfigError(
                f"security.baseline: {path} is no JSON file of {self.commit[:12]}, whose baseline "
                "holds.\ndo: commit a weaknesses.json there first, or correct the path."
            )
        return found

    def _json(self, path: str) -> Mapping[str, object] | None:
        content = self._content(path)
        try:
            data = json_value(content, limit=_LISTS) if content else None
        except (Unreadable, ValueError):
            return None
        return data if isinstance(data, dict) else None

    def _content(self, path: str) -> bytes | None:
        return self._read(self.files.get(path))

    def _read(self, version: FileVersion | None) -> bytes | None:
        return self.repository.read(version) if version and version.regular else None

    def _text(self, path: str) -> str:
        found = self._read(self.before.get(path) or self.before.get(self.moved.get(path, "")))
        return (found or b"").decode("utf-8-sig", "replace")
