"""The loop with the steps that a program has besides: reconnaissance first, then the loop, in which
whatever is open is attacked again; what tools told is answered before it.

A program without steps is its loop alone. What was not looked at is known here, with its reason.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from autoresearch_ci.decide.saturation import UNUSABLE, is_as_asked
from autoresearch_ci.decide.weaknesses import Weakness
from autoresearch_ci.events import Note, Observer
from autoresearch_ci.investigate.asking import Asking
from autoresearch_ci.investigate.experiments import Experiments
from autoresearch_ci.investigate.investigation import Investigation
from autoresearch_ci.investigate.program import Program
from autoresearch_ci.investigate.program_steps import ANSWER, RECONNAISSANCE, REFUTE
from autoresearch_ci.investigate.steps import (
    UNANSWERED,
    Claim,
    Opinion,
    Terrain,
    opinion,
    reconnoitre,
)
from autoresearch_ci.investigate.tool_hits import answer_all
from autoresearch_ci.llm.conversation import OutOfBudget
from autoresearch_ci.record.investigation_records import Ended, Item, Known, Reviewed
from autoresearch_ci.safety.prompt_text import block, line, size

CHANGES_BYTES = 200_000
"""Of diffs that a request holds; files beyond it are named as not looked at."""
TERRAIN = "Reconnaissance"


@dataclass(kw_only=True)
class Stepped:
    """One investigation while it goes on."""

    program: Program
    iterations: int
    facts: Sequence[tuple[str, str]]
    observe: Observer
    experiments: Experiments | None = None
    hits: Sequence[Weakness] = ()
    """What tools told, with fingerprints."""
    changes: Mapping[str, str] = field(default_factory=dict)
    """By path, the diffs that are looked at, where it is a change that is."""
    written: Callable[[], object] = lambda: None
    terrain: Terrain | None = None
    answers: Mapping[str, Opinion] = field(default_factory=dict)
    """By fingerprint, what is made of what tools told."""

    def run(self, asking: Asking) -> str:
        """Why it ended. Raises `ProposerError` when nobody can be asked any more."""
        try:
            return self._run(asking)
        except OutOfBudget as error:
            reason = asking.spent_up() or str(error)
            asking.records.append(Ended(reason=reason))
            return reason

    def _run(self, asking: Asking) -> str:
        facts, steps = list(self.facts), self.program.facts.steps
        self.terrain = reconnoitre(asking, self.program, facts)
        if self.terrain and not self.terrain.why_not:
            self.program = self.program.over(self.terrain.cells(steps[RECONNAISSANCE]))
            facts.append((TERRAIN, self.terrain.fact()))
        if self.hits and ANSWER in steps:
            self.answers = answer_all(asking, self.program, self.hits, self._note)
        budget = asking.budget
        return Investigation(
            program=self.program,
            asking=asking,
            limits=self.program.limits(self.iterations, asking.wall, budget.usd, budget.tokens),
            grid=self.program.facts.grid,
            experiments=self.experiments,
            facts=facts,
            material="".join(block("diff", path, self.changes[path]) for path in self._shown()),
            observe=self.observe,
            written=self.written,
            review=lambda item: self._review(asking, item),
        ).run()

    def _note(self, message: str) -> None:
        self.observe(Note(message=message))

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
        found = opinion(asking, self.program, REFUTE, claim_of(item), item.iteration)
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

    # --- what was not looked at ---

    def incomplete(self, known: Known) -> Iterator[str]:
        """A sentence on each thing; nothing when it went as far as it was to go."""
        if not is_as_asked(known.end):
            yield f"the model did not come to the end: {known.end or 'it was interrupted'}"
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
    if item.malformed:
        yield (
            f"iteration {item.iteration}: {item.malformed} findings of the model were dropped, as "
            "a field was missing or of another kind"
        )
    if item.status == UNUSABLE:
        yield f"iteration {item.iteration}: {line(item.overruled, 300)}"
    elif rule and rule.nothing and not (item.evidence or item.read):
        yield f"iteration {item.iteration}: says that nothing is there, and has read nothing"
    elif item.reviewed.startswith(UNANSWERED):
        title = line(str(item.answer.get(program.facts.claim, "")), 100)
        yield f"nobody tried to refute {title!r}: {line(item.reviewed, 200)}"


def claim_of(item: Item) -> Claim:
    """What is said of a place, and not why."""
    cwe = item.answer.get("cwe")
    return Claim(
        name=item.fingerprint,
        title=str(item.answer.get("title", "")),
        kind=f"CWE-{cwe}" if cwe else "",
        path=item.path,
        line=item.line,
        places=tuple((piece.path, piece.line) for piece in item.evidence if piece.kind == "quote"),
    )


def focused(program: Program, words: str) -> tuple[Program, list[tuple[str, str]]]:
    """The program with the cells and roles that are named, and the rest as a fact.

    `words`: separated by commas.
    """
    asked = [word.strip().lower() for word in words.split(",") if word.strip()]
    cells = {
        dimension: [cell for cell in known if cell.lower() in asked]
        for dimension, known in program.facts.grid.items()
    }
    named = {dimension: found for dimension, found in cells.items() if found}
    roles = tuple(role for role in program.facts.roles if role.lower() in asked)
    known = {name.lower() for found in (*named.values(), roles) for name in found}
    rest = [word for word in asked if word not in known]
    program = program.covering(named) if named else program
    program = program.played_by(roles) if roles else program
    return program, [("What to look at first, as somebody asks", ", ".join(rest))] if rest else []
