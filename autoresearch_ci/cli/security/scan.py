"""Scans a commit, and of its base what is needed to say what the commit brings.

What an answer means for a gate is decided in decide/security/gate.py, what excuses it in
decide/security/excuses.py.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial

from autoresearch_ci.cli import make_sandbox
from autoresearch_ci.cli.gate_commits import Compared
from autoresearch_ci.cli.security.scanned_base import BaseFiles
from autoresearch_ci.cli.security.trusted_excuses import TrustedLists
from autoresearch_ci.config.schema import Config
from autoresearch_ci.decide.security import python_rules
from autoresearch_ci.decide.security.agentic import rules as agentic
from autoresearch_ci.decide.security.excuses import Excuses
from autoresearch_ci.decide.security.gate import BaseWeaknesses, held_open
from autoresearch_ci.decide.security.model_layer import ModelLayer
from autoresearch_ci.decide.security.weakness import MODEL, Weakness
from autoresearch_ci.errors import ConfigError
from autoresearch_ci.events import Note, Observer
from autoresearch_ci.execution.command import Stop
from autoresearch_ci.measure.scanners.available_scanners import lookers
from autoresearch_ci.measure.scanners.exhibit import (
    Contents,
    Exhibit,
    Kept,
    gathered,
    steering,
)
from autoresearch_ci.measure.scanners.run_scanners import Room, Rules, ScanResults, look
from autoresearch_ci.record.run_names import run_store
from autoresearch_ci.report.run_summary import count
from autoresearch_ci.safety.gitignore_globs import gitignore_spec
from autoresearch_ci.safety.redaction import Redactor
from autoresearch_ci.workspace.repository import Repository, Versions
from autoresearch_ci.workspace.scratch import in_use, scratch_of
from autoresearch_ci.workspace.snapshot import remove

AskModel = Callable[
    [Sequence[Weakness], Callable[[], Mapping[str, tuple[str, str]]] | None], ModelLayer
]
"""What scanners told, and where a change is looked at what reads the texts before and after."""


@dataclass(frozen=True, kw_only=True)
class Scanned:
    """All that was seen, and what of it is excused."""

    head: ScanResults
    exhibit: Exhibit
    base: BaseWeaknesses | None
    """`None`: all of the head is judged."""
    excuses: Excuses
    gaps: Mapping[str, str]
    """Scanners that did not look to the end, and files that not all have seen."""
    asked: frozenset[str] = frozenset()
    """Scanners that are installed, and our own rules."""
    left: Mapping[str, str] = field(default_factory=dict)
    """Scanners that nobody asked for and that did not look, with the reason."""
    unread: Mapping[str, int] = field(default_factory=dict)
    """Kinds of code that no scanner here reads, and how many files of each."""
    doubts: tuple[str, ...] = ()
    """Sentences; none of them decides."""
    changed: Mapping[str, frozenset[int]] = field(default_factory=dict)
    """Lines that the change touched, by file; with a base only."""
    layer: ModelLayer = field(default_factory=ModelLayer)
    """What a model made of it."""


@dataclass(frozen=True, kw_only=True)
class ScanContext:
    """What a scan works with."""

    config: Config
    repository: Repository
    pair: Compared
    environment: Mapping[str, str]
    redactor: Redactor
    stop: Stop
    observe: Observer
    today: str
    """ISO 8601."""
    ask: AskModel | None = None
    """The model layer; `None`: there is none."""

    def run(self, *, diff: bool, scope: Sequence[str] = ()) -> Scanned:
        """Of what differs from the base, or of the whole commit. `scope`: these paths only."""
        with self._room() as room:
            return _Scanning(self, room, diff=diff, scope=scope).run()

    @contextmanager
    def looker(self) -> Iterator[Callable[[Versions, Contents], ScanResults]]:
        """What all scanners say of files that are no commit's yet, by the rules of this scan."""
        with self._room() as room:
            scanning, numbers = _Scanning(self, room, diff=False, scope=()), itertools.count(1)

            def looked(files: Versions, contents: Contents) -> ScanResults:
                name = f"candidate-{next(numbers)}"
                kept = Kept(contents)
                exhibit = gathered(kept, files, self.config.security)
                try:
                    everything = {**scanning.files, **files}
                    return scanning.seen(name, exhibit, kept, everything)
                finally:
                    for place in room.folder.glob(f"{name}-*"):
                        remove(place)

            yield looked

    @contextmanager
    def _room(self) -> Iterator[Room]:
        store = run_store(self.repository, f"security-{self.pair.head[:12]}")
        scratch = scratch_of(store)
        with in_use(scratch):
            remove(scratch)
            scratch.mkdir(mode=0o755, parents=True)
            yield Room(
                folder=scratch,
                jail=partial(make_sandbox.scanner, self.config, self.repository),
                inherit=self.environment,
                stop=self.stop,
                redact=self.redactor.redact,
                timeout=self.config.security.timeout,
            )


class _Scanning:
    """One scan."""

    def __init__(self, scan: ScanContext, room: Room, *, diff: bool, scope: Sequence[str]) -> None:
        self.scan, self.room, self.diff, self.scope = scan, room, diff, scope
        self.settings = scan.config.security
        repository, pair = scan.repository, scan.pair
        self.contents = Kept(repository)
        self.files = repository.files(pair.head)
        self.base = repository.files(pair.base) if pair.base else {}
        # Whose excuses and rules count.
        self.trusted = pair.base if pair.base and (diff or pair.proposed) else pair.head
        self.theirs = self.base if self.trusted == pair.base else self.files
        # Lists are those of today, as is the configuration that names them.
        self.rules = pair.rules or self.trusted
        self.listed = repository.files(self.rules) if self.rules != self.trusted else self.theirs
        self.lookers = lookers(self.settings, scan.environment)
        self.was = BaseFiles(
            repository=repository,
            files=self.base,
            moved=repository.moved(pair.base, pair.head) if pair.base and diff else {},
            scanners=self.lookers.scanners,
            settings=self.settings,
            scope=scope,
        )

    def run(self) -> Scanned:
        exhibit = gathered(self.contents, self._wanted(), self.settings)
        seen = self._look("head", exhibit, self.files)
        layer = self._asked(seen, exhibit)
        head = self._with(layer, seen, exhibit)
        before = self._before(exhibit, head)
        pair = self.scan.pair
        # Then the head's own rules and excuses hold, and whose it is nobody knows.
        no_base = self.diff and not pair.base and pair.target != pair.head
        excuses = TrustedLists(
            repository=self.scan.repository,
            commit=self.rules,
            files=self.listed,
            before=self.theirs,
            moved=self.was.moved,
            settings=self.settings,
            today=self.scan.today,
        ).excuse(before.weaknesses, head.weaknesses)
        return Scanned(
            head=head,
            exhibit=exhibit,
            base=self._base(exhibit, head, before, layer) if self.diff else None,
            excuses=excuses,
            gaps={
                **self.lookers.missing(exhibit),
                **head.gaps,
                **head.unseen,
                **({"the base": pair.missing} if no_base else {}),
            },
            asked=frozenset({*self.lookers.programs, agentic.TOOL, python_rules.TOOL}),
            left={
                **self.lookers.left(exhibit),
                **({MODEL: layer.why_not} if layer.why_not else {}),
            },
            unread=self.lookers.read_by_nobody(exhibit),
            doubts=(*excuses.problems, *self._doubts(before)),
            changed=self.was.changed(exhibit, _places(head)) if self.diff else {},
            layer=layer,
        )

    def _asked(self, seen: ScanResults, exhibit: Exhibit) -> ModelLayer:
        if self.scan.ask is None:
            return ModelLayer(hits=seen.weaknesses)
        pair = self.scan.pair
        texts = partial(self.was.pairs, exhibit, self.files)
        return self.scan.ask(seen.weaknesses, texts if self.diff and pair.base else None)

    def _with(self, layer: ModelLayer, seen: ScanResults, exhibit: Exhibit) -> ScanResults:
        """With what a model made of it, and found besides; what it did not look at is a gap."""
        if layer.why_not or self.scan.ask is None:
            return seen
        hits = held_open(layer.hits) if self.diff or self.scan.pair.proposed else layer.hits
        gaps = {MODEL: "; ".join(layer.incomplete)} if layer.incomplete else {}
        return replace(
            seen,
            weaknesses=(*hits, *layer.weaknesses, *layer.older),
            gaps={**seen.gaps, **gaps},
            looked={**seen.looked, MODEL: len(exhibit.subjects)},
        )

    def _wanted(self) -> Versions:
        """The files that are to be looked at. Raises `ConfigError` where none can be."""
        globs = gitignore_spec(self.scope)
        inside = globs.match_file if self.scope else lambda path: True
        if self.scope and not any(map(inside, {**self.base, **self.files})):
            raise ConfigError(
                f"scope {list(self.scope)} matches no file of the commit, so nothing would be "
                "looked at.\n"
                "usually: the glob is relative to another folder (it starts at the repository's "
                "root)."
            )
        if self.diff and self.scan.pair.base:
            return {
                path: version
                for path, version in self.files.items()
                if self.base.get(path) != version and inside(path)
            }
        return {path: version for path, version in self.files.items() if inside(path)}

    def _look(self, name: str, exhibit: Exhibit, everything: Versions) -> ScanResults:
        running = self.lookers.running(exhibit)
        files = count(len(exhibit.subjects), "file")
        told = f"looking at {files} of the {name} with {', '.join(running)}"
        self.scan.observe(Note(message=told if running else f"nothing to look at in the {name}"))
        return self.seen(name, exhibit, self.contents, everything)

    def seen(
        self, name: str, exhibit: Exhibit, contents: Contents, everything: Versions
    ) -> ScanResults:
        """What the scanners say of it; a name can be used once in a room.

        `everything`: all files that there are, for what calls what.
        """
        return look(
            name,
            exhibit,
            self.lookers.scanners,
            self.lookers.programs,
            room=self.room,
            repository=contents,
            rules=Rules(
                semgrep=self._rules(),
                steering={path: self.listed[path] for path in steering(self.listed)},
            ),
            everything=everything,
        )

    def _rules(self) -> Versions:
        """What semgrep is told, as the trusted commit has it. Raises `ConfigError`."""
        found = {}
        for name in self.settings.semgrep:
            below = {
                path: version
                for path, version in self.listed.items()
                if (path == name or path.startswith(f"{name.rstrip('/')}/")) and version.regular
            }
            if not below:
                raise ConfigError(
                    f"security.semgrep: {name} is not in {self.rules[:12]}, whose rules hold.\n"
                    "do: commit it there first, or correct the path."
                )
            found.update(below)
        return found

    # --- the base ---------------------------------------------------------------------------------

    def _before(self, exhibit: Exhibit, head: ScanResults) -> ScanResults:
        """What was there already, in the files of which something is told now."""
        if self.trusted == self.scan.pair.head:
            return head
        told = {weakness.path for weakness in head.weaknesses}
        versions = {
            subject.path: version
            for subject in exhibit.subjects
            if subject.path in told and (version := self.was.version(subject))
        }
        if not versions:
            return ScanResults()
        everything = self.settings.model_copy(update={"exclude": ()})
        return self._look("base", gathered(self.contents, versions, everything), self.base)

    def _base(
        self, exhibit: Exhibit, head: ScanResults, before: ScanResults, layer: ModelLayer
    ) -> BaseWeaknesses:
        told = {weakness.path for weakness in head.weaknesses}
        return BaseWeaknesses(
            weaknesses=(*before.weaknesses, *layer.older),
            lines=self.was.unchanged(exhibit, told),
            missing=self.scan.pair.missing,
        )

    def _doubts(self, before: ScanResults) -> Iterable[str]:
        if self.trusted == self.scan.pair.head:
            return
        own = (*steering(self.files), self.settings.accepted)
        for path in sorted(set(own)):
            if self.files.get(path) != self.theirs.get(path):
                yield f"{path} is not as the base has it; the base's counts"
        for name, why in before.gaps.items():
            yield f"at the base, {name} did not tell all ({why}): what it tells now counts as new"


def _places(head: ScanResults) -> set[str]:
    """Files that are told of, and those by which one gets there."""
    told = {weakness.path for weakness in head.weaknesses}
    return told | {piece.path for weakness in head.weaknesses for piece in weakness.evidence}
