"""Weaknesses as a target of a run that repairs: scanners, and a model that is asked again.

What counts as news is decided in decide/security/as_failures.py. A scanner sees only files that
differ from the base commit; before anything is kept, it sees all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from autoresearch_ci.decide.failures.failure import Diagnosis
from autoresearch_ci.decide.failures.lost_tests import some
from autoresearch_ci.decide.failures.shortcuts.suite import Shortcut
from autoresearch_ci.decide.security.as_failures import as_failures
from autoresearch_ci.decide.security.dodges import dodges
from autoresearch_ci.decide.security.weakness import Severity, Weakness
from autoresearch_ci.experiment import Texts
from autoresearch_ci.measure.commands import Subject
from autoresearch_ci.measure.outcome import identity
from autoresearch_ci.measure.scanners.exhibit import steering
from autoresearch_ci.measure.scanners.run_scanners import ScanResults
from autoresearch_ci.workspace.repository import Changes, FileVersion, Versions

SCANNERS = "scanners"
"""What the target is called."""
MODEL = "model"
FIXED = "fixed"
"""The only word of a model that ends a weakness."""


@dataclass(frozen=True, kw_only=True)
class ScannedCode:
    """See `OwnTarget`: what scanners say of a state of the code."""

    files: Versions
    """Of the base commit."""
    scan: Callable[[Versions], ScanResults]
    """What all scanners say of these files."""
    wanted: Sequence[Weakness]
    """What is to be repaired."""
    least: Severity
    """From which on something new is as bad as what is repaired."""
    excusing: Collection[str] = ()
    """Paths of what says that a weakness does not count."""
    allow: Collection[str] = ()
    """Shortcuts that are none here."""
    known: ScanResults | None = None
    """What was said of the base commit already; `None`: nobody was asked."""
    _seen: dict[str, ScanResults] = field(default_factory=dict)
    """By identity of the code; nothing that cannot be found out again by looking."""
    _whole: dict[str, ScanResults] = field(default_factory=dict)

    def look(self, subject: Subject, *, whole: bool) -> Diagnosis:
        base, changes = self.known or self._all_of({}), subject.changes
        if not changes:
            seen = base
        else:
            seen = self._all_of(changes) if whole else self._part(changes, base)
        return Diagnosis(
            failures=as_failures(
                SCANNERS,
                _carried(base, seen),
                wanted={weakness.fingerprint for weakness in self.wanted},
                known={weakness.fingerprint: weakness for weakness in base.weaknesses},
                least=self.least,
            ),
            incomplete=_darker(base, seen),
        )

    def _all_of(self, changes: Changes) -> ScanResults:
        name = identity(changes)
        if name not in self._whole:
            state: dict[str, FileVersion | None] = {**self.files, **changes}
            self._whole[name] = self.scan({p: v for p, v in state.items() if v is not None})
        return self._whole[name]

    def _part(self, changes: Changes, base: ScanResults) -> ScanResults:
        """What is known of the base commit, and what differs from it looked at."""
        name = identity(changes)
        if name in self._whole:
            return self._whole[name]
        if name not in self._seen:
            now = self.scan({p: v for p, v in changes.items() if v is not None})
            told = [weakness for weakness in base.weaknesses if weakness.path not in changes]
            unseen = {path: why for path, why in base.unseen.items() if path not in changes}
            self._seen[name] = replace(
                now, weaknesses=(*told, *now.weaknesses), unseen={**unseen, **now.unseen}
            )
        return self._seen[name]

    def foul(self, before: Texts, after: Texts) -> str:
        rule = "scanner-silenced"
        paths = [path for path in after if path in steering(after) or path in self.excusing]
        what = "says what scanners do not tell"
        own = [Shortcut(rule=rule, path=path, line=1, what=what) for path in sorted(paths)]
        found = [*own, *dodges(before, after, self.wanted)]
        asked = [f for f in found if not {f.rule, f"{f.rule}:{f.path}"} & set(self.allow)]
        return str(asked[0]) if asked else ""


def _carried(base: ScanResults, now: ScanResults) -> list[Weakness]:
    """With what nobody can say to be gone: who told it did not look to the end, then or now."""
    known = {weakness.fingerprint for weakness in now.weaknesses}
    gaps, dark = base.gaps.keys() & now.gaps.keys(), base.unseen.keys() & now.unseen.keys()
    return [
        *now.weaknesses,
        *(
            weakness
            for weakness in base.weaknesses
            if weakness.fingerprint not in known
            and (weakness.path in dark or gaps & set(weakness.sources))
        ),
    ]


def _darker(base: ScanResults, now: ScanResults) -> str:
    """What was looked at in the base commit and is not now; empty: nothing."""
    told = [f"{name} {why}" for name, why in now.gaps.items() if name not in base.gaps]
    told += [f"{path}: {why}" for path, why in now.unseen.items() if path not in base.unseen]
    return some(told) if told else ""


Verify = Callable[[Weakness, Mapping[str, str], Mapping[str, str]], str]
"""Given code before and after, `fixed`, `still_vulnerable` or `inconclusive`."""


@dataclass(frozen=True, kw_only=True)
class ClaimedWeaknesses:
    """See `OwnTarget`: what a model claims, and an independent request is asked about again."""

    files: Versions
    read: Callable[[FileVersion], bytes]
    claims: Sequence[Weakness]
    least: Severity
    verify: Verify
    allow: Collection[str] = ()
    _opinions: dict[tuple[str, str], str] = field(default_factory=dict)
    """By fingerprint and identity of the code."""

    def look(self, subject: Subject, *, whole: bool) -> Diagnosis:
        """A claim is gone where its own code has changed, and whoever is asked says `fixed`."""
        left = self.left(subject.changes)
        known = {claim.fingerprint: claim for claim in self.claims}
        return Diagnosis(
            failures=as_failures(MODEL, left, wanted=known, known=known, least=self.least)
        )

    def left(self, changes: Changes) -> list[Weakness]:
        """Claims that stand in this state of the code."""
        return [claim for claim in self.claims if not self._is_fixed(claim, changes)]

    def _is_fixed(self, claim: Weakness, changes: Changes) -> bool:
        places = {claim.path, *(piece.path for piece in claim.evidence)}
        mine = {path: new for path, new in changes.items() if new != self.files.get(path)}
        if not places & mine.keys():
            return False
        key = claim.fingerprint, identity(mine)
        if key not in self._opinions:
            before = {path: self._text(self.files.get(path)) for path in mine}
            after = {path: self._text(version) for path, version in mine.items()}
            self._opinions[key] = self.verify(claim, before, after)
        return self._opinions[key] == FIXED

    def _text(self, version: FileVersion | None) -> str:
        if version is None or not version.regular:
            return ""
        return self.read(version).decode("utf-8-sig", "replace")

    def foul(self, before: Texts, after: Texts) -> str:
        found = dodges(before, after, self.claims)
        asked = (f for f in found if not {f.rule, f"{f.rule}:{f.path}"} & set(self.allow))
        return str(first) if (first := next(asked, None)) else ""
