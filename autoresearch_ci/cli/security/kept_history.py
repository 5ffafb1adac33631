"""What became of weaknesses since the last scan of everything: read, told, and written down.

Only a scan of a whole commit that nobody merely proposes goes on with it. That it cannot be read or
written is told, and changes no verdict.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from autoresearch_ci.cli.security.scan import Scanned
from autoresearch_ci.config.schema import Config
from autoresearch_ci.decide.security.weakness import MODEL
from autoresearch_ci.decide.security.weakness_history import Entry, ScannedHistory, continued
from autoresearch_ci.errors import ConfigError, PublishError, WorkspaceError
from autoresearch_ci.events import Observer, Warning
from autoresearch_ci.publish.forge.choose import make_forge
from autoresearch_ci.publish.forge.git_remote import Remote, Update
from autoresearch_ci.record import weakness_records as record
from autoresearch_ci.report.security_report import SecurityReport
from autoresearch_ci.workspace.repository import Repository


@dataclass(frozen=True)
class CommitHistory:
    """The one of a repository."""

    repository: Repository
    config: Config
    environment: Mapping[str, str]
    observe: Observer

    def continued(self, report: SecurityReport, scanned: Scanned, day: str) -> SecurityReport:
        """The report with what became of each; written down, and pushed where that is wanted."""
        try:
            if self.config.publish.mode in ("github", "gitlab"):
                with closing(self._remote()) as remote:
                    return self._with(remote, report, scanned, day)
            return self._told(record.last(self.repository), report, scanned, day)
        except (ConfigError, PublishError, WorkspaceError) as error:
            why = str(error).partition("\n")[0]
            self.observe(Warning(message=f"the history of weaknesses is not continued: {why}"))
            return report

    def _remote(self) -> Remote:
        forge = make_forge(self.config.publish, self.repository, self.environment, self.observe)
        return Remote(forge.address, self.repository, token=forge.token)

    def _with(
        self, remote: Remote, report: SecurityReport, scanned: Scanned, day: str
    ) -> SecurityReport:
        tip = remote.fetch(record.REF)
        known = record.read(self.repository.content(tip, record.FILE)) if tip else ()
        found = self._told(known, report, scanned, day, tip)
        if made := self.repository.ref(record.REF):
            remote.push([Update(ref=record.REF, new=made, old=tip)])
        return found

    def _told(
        self,
        known: Sequence[Entry],
        report: SecurityReport,
        scanned: Scanned,
        day: str,
        tip: str | None = None,
    ) -> SecurityReport:
        # What only a model says, and nothing bears out, is nothing that could be fixed one day.
        # What is hidden in reports is compared here, and not shown.
        quotes = {weakness.fingerprint: weakness.evidence for weakness in scanned.head.weaknesses}
        told = [
            replace(
                judged.item,
                evidence=tuple(
                    q for name in judged.item.fingerprints for q in quotes.get(name, ())
                ),
            )
            for judged in report.verdict.items
            if judged.item.sources != (MODEL,) or judged.item.status in ("open", "accepted")
        ]
        chapter = continued(known, told, self._looked(report, scanned, day))
        with tempfile.TemporaryDirectory(dir=self._place()) as folder:
            record.remember(
                self.repository,
                Path(folder) / "git",
                chapter.entries,
                report.commit,
                tip or self.repository.ref(record.REF),
            )
        return replace(report, history=chapter.ages, gone=chapter.gone)

    def _place(self) -> Path:
        place = self.repository.common_dir / "autoresearch"
        place.mkdir(exist_ok=True, mode=0o700)
        return place

    def _looked(self, report: SecurityReport, scanned: Scanned, day: str) -> ScannedHistory:
        unseen = report.verdict.unseen
        # A scanner without a file to look at has looked at all there is.
        scanners = {weakness for weakness in scanned.asked if weakness not in unseen}
        return ScannedHistory(
            commit=report.commit,
            day=day,
            files=[s.path for s in scanned.exhibit.subjects if s.path not in unseen],
            present=self.repository.files(report.commit),
            scanners=scanners,
            read=lambda path: self._text(report.commit, path),
        )

    def _text(self, commit: str, path: str) -> str | None:
        content = self.repository.content(commit, path)
        return None if content is None else content.decode("utf-8-sig", "replace")
