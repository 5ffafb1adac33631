"""The model layer of `security`: what a model finds and code has checked, and what it made of hits.

The deterministic layer and the gate are security.py's. A model that cannot be asked, refuses, is
cut short or looks at nothing makes the layer incomplete, with the reason; never clean.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from autoresearch_ci.cli.open_investigation import Desk
from autoresearch_ci.decide.saturation import UNUSABLE, coverage, crossed, is_as_asked
from autoresearch_ci.decide.weaknesses import (
    MODEL,
    Confidence,
    Severity,
    Weakness,
    identified,
    worst_first,
)
from autoresearch_ci.errors import ProposerError
from autoresearch_ci.investigate.asking import Asking
from autoresearch_ci.investigate.form import Reader
from autoresearch_ci.investigate.investigation import Investigation
from autoresearch_ci.investigate.outcome_pages import each_looked
from autoresearch_ci.investigate.program import Program
from autoresearch_ci.investigate.program_steps import ANSWER, RECONNAISSANCE, REFUTE
from autoresearch_ci.investigate.steps import (
    UNANSWERED,
    Claim,
    Opinion,
    Terrain,
    answer_all,
    opinion,
    reconnoitre,
    verify_fix,
)
from autoresearch_ci.llm.conversation import OutOfBudget
from autoresearch_ci.record.investigation_records import Ended, Item, Reviewed
from autoresearch_ci.safety.prompt_text import block, line, size

CHANGES_BYTES = 200_000
"""Of diffs that a request holds; files beyond it are named as not looked at."""
TERRAIN = "Reconnaissance"


@dataclass(frozen=True, kw_only=True)
class ModelLayer:
    """What came of it."""

    weaknesses: tuple[Weakness, ...] = ()
    """What the model says, worst first: `open` with evidence that stands and that nobody refuted,
    `unknown` without, `disproven` where it was refuted."""
    hits: tuple[Weakness, ...] = ()
    """All that were handed in; `disproven` are those that were refuted with code as evidence."""
    why_not: str = ""
    """Why no model was asked at all; empty: one was."""
    incomplete: tuple[str, ...] = ()
    """What was not looked at, and why."""
    coverage: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """Dimension -> cell -> how often it was looked at with evidence in the record."""
    terrain: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    """The reconnaissance, by the names of the program's schema."""
    dropped: int = 0
    """Pieces of evidence that did not hold."""
    tokens: int = 0
    cost_usd: float = 0.0


def audit(
    desk: Desk,
    hits: Sequence[Weakness],
    *,
    focus: str = "",
    changes: Mapping[str, str] | None = None,
    facts: Sequence[tuple[str, str]] = (),
) -> ModelLayer:
    """Never raises for want of a model: the reason is in what it returns.

    `hits`: what the deterministic layer found, with fingerprints; `focus`: cells, roles or words;
    `changes`: by path, the diffs that are audited, where it is a change that is; `facts`: title and
    text of what the model is told besides.
    """
    if why := desk.why_no_model():
        return ModelLayer(hits=tuple(hits), why_not=why)
    work = _Audit(desk=desk, hits=hits, focus=focus, changes=changes or {}, told=facts)
    try:
        with desk.asking() as asking:
            work.run(asking)
    except (ProposerError, OutOfBudget) as error:
        work.broken = line(str(error), 300)
        if isinstance(error, OutOfBudget):
            desk.records.append(Ended(reason=work.broken))
    return work.layer()


@dataclass(kw_only=True)
class _Audit:
    """One audit while it goes on."""

    desk: Desk
    hits: Sequence[Weakness]
    focus: str
    changes: Mapping[str, str]
    told: Sequence[tuple[str, str]]
    program: Program = field(init=False)
    terrain: Terrain | None = None
    answers: Mapping[str, Opinion] = field(default_factory=dict)
    broken: str = ""
    """Why it did not come to its end."""

    def __post_init__(self) -> None:
        self.program, self._words = focused(self.desk.program, self.focus)

    def run(self, asking: Asking) -> None:
        """Raises `ProposerError`, `OutOfBudget`."""
        note = self.desk.collaborators.note
        facts = [*self.told, *self.desk.facts, *self._words]
        self.terrain = reconnoitre(asking, self.program, facts)
        if self.terrain and not self.terrain.why_not:
            step = self.program.facts.steps[RECONNAISSANCE]
            self.program = self.program.over(self.terrain.cells(step))
            facts.append((TERRAIN, self.terrain.fact()))
        if self.hits and ANSWER in self.program.facts.steps:
            self.answers = answer_all(asking, self.program, self.hits, note)
        budget = asking.budget
        Investigation(
            program=self.program,
            asking=asking,
            limits=self.program.limits(
                self.desk.iterations, asking.wall, budget.usd, budget.tokens
            ),
            grid=self.program.facts.grid,
            experiments=None,
            facts=facts,
            material=self._material(),
            observe=self.desk.collaborators.observe,
            review=lambda item: self._review(asking, item),
        ).run()

    def _material(self) -> str:
        told = [block("diff", path, self.changes[path]) for path in self._shown()]
        return "".join(told)

    def _shown(self) -> list[str]:
        """Paths of the diffs that a request has room for, the shortest first."""
        left, shown = CHANGES_BYTES, []
        for path in sorted(self.changes, key=lambda path: (len(self.changes[path]), path)):
            left -= size(self.changes[path])
            if left >= 0:
                shown.append(path)
        return sorted(shown)

    def _review(self, asking: Asking, item: Item) -> None:
        """Somebody else tries to refute it."""
        step = self.program.facts.steps.get(REFUTE)
        reviews = sum(bool(i.reviewed) for i in asking.records.known.items)
        if step is None or reviews >= step.most:
            return
        found = opinion(asking, self.program, REFUTE, _claim_of(item), item.iteration)
        judgement = step.judgements.get(found.judgement)
        asking.records.append(
            Reviewed(
                fingerprint=item.fingerprint,
                status=(judgement.becomes if judgement else "") or item.status,
                judgement=found.judgement,
                why=line(found.why, 1000),
                evidence=found.evidence,
                dropped=found.dropped,
            )
        )

    # --- what it came to ---

    def layer(self) -> ModelLayer:
        known = self.desk.records.known
        read = Reader(self.desk.tree()).text
        found = [
            _weakness(item, self.program, known.start.base if known.start else "")
            for item in known.items
            if _is_said(item, self.program)
        ]
        rows = each_looked(known.items, self.program)
        grid, together = self.program.facts.grid, self.program.facts.together
        covered = dict(coverage(grid, rows))
        if together:
            covered[" x ".join(together)] = crossed(grid, rows, together)
        return ModelLayer(
            weaknesses=tuple(worst_first(identified(found, read))),
            hits=tuple(self._answered(hit) for hit in self.hits),
            incomplete=tuple(self._incomplete()),
            coverage=covered,
            terrain=self.terrain.lists if self.terrain else {},
            dropped=sum(len(item.dropped) for item in known.items)
            + (self.terrain.dropped if self.terrain else 0),
            tokens=known.spent.tokens,
            cost_usd=known.spent.cost_usd,
        )

    def _answered(self, hit: Weakness) -> Weakness:
        found = self.answers.get(hit.fingerprint)
        step = self.program.facts.steps.get(ANSWER)
        if found is None or step is None:
            return hit
        becomes = step.judgements[found.judgement].becomes
        rule = self.program.facts.statuses.get(becomes)
        return replace(
            hit,
            status=rule.finding if rule else hit.status,
            why=f"{hit.why} {found.judgement}, says a model: {found.why}".strip(),
            evidence=(*hit.evidence, *found.evidence),
        )

    def _incomplete(self) -> Iterator[str]:
        known = self.desk.records.known
        if self.broken:
            yield f"the model layer did not come to its end: {self.broken}"
        elif not is_as_asked(known.end):
            yield f"the model layer did not come to its end: {known.end or 'it was interrupted'}"
        if self.terrain and self.terrain.why_not:
            yield f"there is no reconnaissance: {line(self.terrain.why_not, 300)}"
        unanswered = [hit for hit in self.hits if hit.fingerprint not in self.answers]
        if unanswered and ANSWER in self.program.facts.steps:
            number = f"{len(unanswered)} of {len(self.hits)}"
            yield f"the model did not answer {number} findings of tools"
        for path in sorted(self.changes.keys() - set(self._shown())):
            yield f"the model did not see the changes of {path}: they are too many"
        for item in known.items:
            yield from _why_incomplete(item, self.program)


def _why_incomplete(item: Item, program: Program) -> Iterator[str]:
    rule = program.facts.statuses.get(item.status)
    if item.status == UNUSABLE:
        yield f"iteration {item.iteration}: {line(item.overruled, 300)}"
    elif rule and rule.nothing and not (item.evidence or item.read):
        yield f"iteration {item.iteration}: says that nothing is there, and has read nothing"
    elif item.reviewed.startswith(UNANSWERED):
        title = line(str(item.answer.get(program.facts.claim, "")), 100)
        yield f"nobody tried to refute {title!r}: {line(item.reviewed, 200)}"


def _is_said(item: Item, program: Program) -> bool:
    """Whether it is a word on a weakness, and not on there being none."""
    rule = program.facts.statuses.get(item.claimed)
    return rule is not None and rule.finding != "disproven"


def _claim_of(item: Item) -> Claim:
    cwe = item.answer.get("cwe")
    return Claim(
        name=item.fingerprint,
        title=str(item.answer.get("title", "")),
        kind=f"CWE-{cwe}" if cwe else "",
        path=item.path,
        line=item.line,
        places=tuple((piece.path, piece.line) for piece in item.evidence if piece.kind == "quote"),
    )


def _weakness(item: Item, program: Program, commit: str) -> Weakness:
    """A finding as the gate knows it: only the place and quotes that code has found."""
    answer, rule = item.answer, program.facts.statuses.get(item.status)
    cwe = int(answer.get("cwe") or 0)
    unsure = not item.reviewed.startswith("stands")
    confidence = Confidence(str(answer.get("confidence") or Confidence.MEDIUM))
    return Weakness(
        rule=f"{MODEL}/CWE-{cwe}" if cwe else f"{MODEL}/{program.facts.name}",
        path=item.path,
        line=item.line,
        end_line=_end(item),
        severity=Severity(str(answer.get("severity") or Severity.MEDIUM)),
        confidence=max(confidence, Confidence.MEDIUM, key=_rank) if unsure else confidence,
        title=str(answer.get("title", "")),
        why=" ".join(filter(None, (str(answer.get("why", "")), item.overruled))),
        fix=str(answer.get("fix", "")),
        cwe=cwe,
        owasp=str(answer.get("owasp", "")),
        stride=_letter(str(answer.get("stride", ""))),
        evidence=item.evidence,
        sources=(MODEL,),
        status=rule.finding if rule else "unknown",
        dimension=str(answer.get("asset", "")),
        role=item.role,
        commit=commit,
    )


def _rank(confidence: Confidence) -> int:
    return confidence.rank


def _letter(stride: str) -> str:
    return stride[:1].upper()


def _end(item: Item) -> int:
    """The last line, if it is told soundly."""
    told = item.answer.get("end_line")
    near = isinstance(told, int) and item.line <= told <= item.line + 200
    return int(told) if near and told else item.line


def focused(program: Program, words: str) -> tuple[Program, list[tuple[str, str]]]:
    """The program with the cells and roles that are named, and the rest as a fact.

    `words`: separated by commas.
    """
    asked = [word.strip() for word in words.split(",") if word.strip()]
    cells = {
        dimension: [cell for cell in known if cell.lower() in map(str.lower, asked)]
        for dimension, known in program.facts.grid.items()
    }
    named = {dimension: found for dimension, found in cells.items() if found}
    roles = tuple(role for role in program.facts.roles if role in asked)
    known = {cell.lower() for found in named.values() for cell in found} | set(roles)
    rest = [word for word in asked if word.lower() not in known]
    if named:
        program = program.over(named)
    if roles:
        facts = program.facts.model_copy(update={"roles": roles})
        program = replace(program, facts=facts)
    return program, [("What to look at first, as somebody asks", ", ".join(rest))] if rest else []


def check_fix(
    desk: Desk, weakness: Weakness, *, before: Mapping[str, str], after: Mapping[str, str]
) -> Opinion:
    """`fixed`, `still_vulnerable` or `inconclusive`, with the reason: never more than code shows.

    `before` and `after`: by path, the text of each changed file.
    """
    claim = Claim(
        name=weakness.fingerprint,
        title=weakness.title,
        kind=f"CWE-{weakness.cwe}" if weakness.cwe else "",
        path=weakness.path,
        line=weakness.line,
    )
    try:
        with desk.asking() as asking:
            return verify_fix(asking, desk.program, claim, before=before, after=after)
    except (ProposerError, OutOfBudget) as error:
        return Opinion(judgement="inconclusive", why=line(str(error), 300))
