"""The loop with the steps that a program has besides: reconnaissance first, then the loop, in which
whatever is open is attacked again; what tools told is answered before it, one by one, by requests
that hold raw code.

A program without steps is its loop alone. What was not looked at is known here, with its reason,
and what nobody answers stays what it was.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from autoresearch_ci.decide.investigation.finding import Evidence
from autoresearch_ci.decide.investigation.saturation import UNUSABLE, is_as_asked
from autoresearch_ci.decide.security.weakness import Weakness
from autoresearch_ci.events import Note, Observer
from autoresearch_ci.investigate.asking import Asking, Question
from autoresearch_ci.investigate.experiments import Experiments
from autoresearch_ci.investigate.form import Answered, Reader, fitting_entries
from autoresearch_ci.investigate.investigation import Investigation
from autoresearch_ci.investigate.program import Program
from autoresearch_ci.investigate.program_steps import (
    ANSWER,
    RECONNAISSANCE,
    REFUTE,
    ProgramStep,
    answers_schema,
)
from autoresearch_ci.investigate.steps import (
    UNANSWERED,
    BareClaim,
    Opinion,
    Terrain,
    code_of,
    judged_opinion,
    opinion,
    reconnoitre,
)
from autoresearch_ci.llm.conversation import NoProposal, OutOfBudget
from autoresearch_ci.record.investigation_history import InvestigationEnded, Item, Known, Reviewed
from autoresearch_ci.record.investigation_history import StepDone as Done
from autoresearch_ci.safety.prompt_text import block, line, size
from autoresearch_ci.workspace.scope import is_hidden_path

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
    hidden: Collection[str] = ()
    """Files whose diffs nobody is shown."""
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
            asking.records.append(InvestigationEnded(reason=reason))
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
            if is_hidden_path(path, self.hidden):
                continue
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
            holdouts = is_hidden_path(path, self.hidden)
            why = "they are the holdout's" if holdouts else "they are too many"
            yield f"the model did not see the changes of {path}: {why}"
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


def claim_of(item: Item) -> BareClaim:
    """What is said of a place, and not why."""
    cwe = item.answer.get("cwe")
    return BareClaim(
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


# --- What tools told ------------------------------------------------------------------------------

BATCH = 8
"""Claims of one request."""


def answer_all(
    asking: Asking, program: Program, hits: Sequence[Weakness], note: Callable[[str], None]
) -> Mapping[str, Opinion]:
    """By fingerprint, what is made of each hit; one that is not in it was not answered.

    A judgement that changes a status counts when as many requests as the program says agree. Raises
    `OutOfBudget`, `ProposerError`.
    """
    step = program.facts.steps[ANSWER]
    claims = [_claim(hit) for hit in hits[: step.most]]
    for vote in range(1, step.votes + 1):
        open_ones = [claim for claim in claims if _may_change(asking, step, claim, vote)]
        shuffled = random.Random(f"{program.digest}{vote}").sample(open_ones, len(open_ones))
        for batch in _batches(shuffled if vote > 1 else open_ones):
            _answer(asking, program, batch, vote, note)
    found = {claim.name: _agreed(asking, step, claim) for claim in claims}
    return {name: agreed for name, agreed in found.items() if agreed is not None}


def _claim(hit: Weakness) -> BareClaim:
    cwe = f"CWE-{hit.cwe}, " if hit.cwe else ""
    return BareClaim(
        name=hit.fingerprint,
        title=hit.title,
        kind=f"{cwe}{hit.rule}, by {', '.join(hit.sources) or 'a tool'}",
        path=hit.path,
        line=hit.line,
    )


def _cast(asking: Asking, claim: BareClaim, vote: int) -> Mapping[str, Any] | None:
    return asking.records.known.steps.get(f"{ANSWER} {claim.name} {vote}")


def _may_change(asking: Asking, step: ProgramStep, claim: BareClaim, vote: int) -> bool:
    """Whether that vote is still to be cast: all before it were for a change."""
    if _cast(asking, claim, vote) is not None:
        return False
    earlier = [_cast(asking, claim, before) for before in range(1, vote)]
    return all(cast and step.judgements[cast["judgement"]].becomes for cast in earlier)


def _batches(claims: Sequence[BareClaim]) -> Iterator[list[BareClaim]]:
    """Few at a time, of one folder where that can be."""
    ordered = sorted(claims, key=lambda claim: claim.path.rpartition("/")[0])
    for start in range(0, len(ordered), BATCH):
        yield ordered[start : start + BATCH]


def _answer(
    asking: Asking,
    program: Program,
    batch: Sequence[BareClaim],
    vote: int,
    note: Callable[[str], None],
) -> None:
    step, read = program.facts.steps[ANSWER], Reader(asking.tree).text
    names = {f"H{number}": claim for number, claim in enumerate(batch, start=1)}
    told = "\n".join(claim.words(f"{name}: ") for name, claim in names.items())
    question = Question(
        rules=program.sections[ANSWER],
        stable=code_of((place for claim in batch for place in claim.all_places()), read),
        task=f"What tools told, to be answered one by one:\n{told}",
        schema=answers_schema(step, list(names)),
    )
    try:
        opinions = asking.put(question, lambda a, reader: _opinions(a, reader, step, list(names)))
    except OutOfBudget:
        raise
    except NoProposal as error:
        note(f"{len(batch)} findings of tools were not answered: {line(str(error), 200)}")
        return
    for name, found in opinions.items():
        evidence = [piece.quote() for piece in found.evidence]
        told_of = {"judgement": found.judgement, "why": found.why, "evidence": evidence}
        asking.records.append(Done(name=f"{ANSWER} {names[name].name} {vote}", found=told_of))


def _opinions(
    answer: Answered, reader: Reader, step: ProgramStep, names: Sequence[str]
) -> tuple[dict[str, Opinion], list[str]]:
    schema = answers_schema(step, names)["properties"]["answers"]["items"]
    entries, wrong = fitting_entries(answer["answers"], schema)
    found: dict[str, Opinion] = {}
    for entry in entries:
        opinion, problems = judged_opinion(entry, reader.located, reader.text, step)
        wrong += problems
        if found.setdefault(entry["id"], opinion).judgement != opinion.judgement:
            # Who says both has not decided it.
            found[entry["id"]] = replace(opinion, judgement=step.otherwise)
    missing = [name for name in names if name not in found]
    return found, [*wrong, *(f"{name} is not answered" for name in missing)]


def _agreed(asking: Asking, step: ProgramStep, claim: BareClaim) -> Opinion | None:
    votes = [_cast(asking, claim, vote) for vote in range(1, step.votes + 1)]
    cast = [vote for vote in votes if vote is not None]
    if not cast:
        return None
    last = cast[-1]
    changes = bool(step.judgements[last["judgement"]].becomes)
    agreed = not changes or (len(cast) == step.votes)
    return Opinion(
        judgement=last["judgement"] if agreed else step.otherwise,
        why=str(last["why"]) if agreed else f"nobody agreed: {last['why']}",
        evidence=tuple(Evidence(kind="quote", **piece) for piece in last["evidence"]),
    )
