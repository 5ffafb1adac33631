"""What of a scanned commit stood at its base: files, their texts, and which lines are as they were.

What that makes of a weakness is decided in decide/security/gate.py.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from autoresearch_ci.config.security import Security
from autoresearch_ci.decide.line_map import lines_of, unchanged_lines
from autoresearch_ci.decide.security.mild_weaknesses import is_rehearsal
from autoresearch_ci.measure.scanners.exhibit import Exhibit, gathered
from autoresearch_ci.measure.scanners.scanner import ScannedFile, Scanner
from autoresearch_ci.safety.gitignore_globs import gitignore_spec
from autoresearch_ci.workspace.repository import FileVersion, Repository, Versions


@dataclass(frozen=True, kw_only=True)
class BaseFiles:
    """Of the base of a scan."""

    repository: Repository
    files: Versions
    """All that it has; empty: there is no base."""
    moved: Mapping[str, str]
    """Of a file that the head has elsewhere: where it stood."""
    scanners: Mapping[str, Scanner]
    settings: Security
    scope: Sequence[str]
    """Globs; empty: everything was asked about."""

    def version(self, subject: ScannedFile) -> FileVersion | None:
        """What a file was. Of one that was moved, too: but where other scanners look, it is new,
        and so it is when nobody was to look where it stood, or less was made of it there."""
        path = subject.path
        if path in self.files:
            return self.files[path]
        source = self.moved.get(path, "")
        if source not in self.files or not self.is_asked_about(source):
            return None
        was = ScannedFile(path=source, first_line=subject.first_line)
        same = all(s.takes(was) == s.takes(subject) for s in self.scanners.values())
        rehearsed = is_rehearsal(source) and not is_rehearsal(path)
        return self.files[source] if same and not rehearsed else None

    def is_asked_about(self, path: str) -> bool:
        """Whether somebody would look there."""
        left_out = gitignore_spec(self.settings.exclude).match_file(path)
        return not left_out and (not self.scope or gitignore_spec(self.scope).match_file(path))

    def pairs(self, exhibit: Exhibit, head: Collection[str]) -> dict[str, tuple[str, str]]:
        """By path, the text of each file that differs, at the base and at the head.

        Of a file that is gone, too: a check may have stood in it. `head`: all paths that it has.
        """
        found = {path: (text, "") for path, text in self._gone(head)}
        return found | {path: (before, after) for path, before, after in self._texts(exhibit)}

    def unchanged(self, exhibit: Exhibit, paths: Collection[str]) -> dict[str, Mapping[int, int]]:
        """By file, each line that is as it was, and where it stood."""
        return {
            path: unchanged_lines(before, after)
            for path, before, after in self._texts(exhibit, paths)
        }

    def changed(self, exhibit: Exhibit, paths: Collection[str]) -> dict[str, frozenset[int]]:
        """By file, the lines that are not: where a comment beside a line can be put."""
        found = {}
        for path, before, after in self._texts(exhibit, paths):
            kept = unchanged_lines(before, after)
            every = range(1, len(lines_of(after)) + 1)
            found[path] = frozenset(line for line in every if line not in kept)
        return found

    def _texts(
        self, exhibit: Exhibit, paths: Collection[str] | None = None
    ) -> Iterator[tuple[str, str, str]]:
        """Path and both texts; before it was there, the first one is empty."""
        for subject in exhibit.subjects:
            if paths is None or subject.path in paths:
                version = self.version(subject)
                before = self.text(version) if version else ""
                yield subject.path, before, self.text(exhibit.versions[subject.path])

    def _gone(self, head: Collection[str]) -> Iterator[tuple[str, str]]:
        versions = {
            path: version
            for path, version in self.files.items()
            if path not in head and path not in self.moved.values() and self.is_asked_about(path)
        }
        was = gathered(self.repository, versions, self.settings)
        for subject in was.subjects:
            yield subject.path, self.text(was.versions[subject.path])

    def text(self, version: FileVersion) -> str:
        """Empty for a link or a submodule."""
        if not version.regular:
            return ""
        return self.repository.read(version).decode("utf-8-sig", "replace")
