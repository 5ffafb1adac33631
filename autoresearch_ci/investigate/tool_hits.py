"""What tools told, answered one by one by requests that hold raw code: kept, or refuted by it.

None vanishes: what nobody answers is not in the result, and stays what it was.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from autoresearch_ci.decide.findings import Evidence
from autoresearch_ci.decide.weaknesses import Weakness
from autoresearch_ci.investigate.asking import Asking, Question
from autoresearch_ci.investigate.form import Answered, Reader, fitting_entries
from autoresearch_ci.investigate.program import Program
from autoresearch_ci.investigate.program_steps import ANSWER, Step, answers_schema
from autoresearch_ci.investigate.steps import (
    Claim,
    Opinion,
    code_of,
    judged_opinion,
    told_piece,
)
from autoresearch_ci.llm.conversation import NoProposal, OutOfBudget
from autoresearch_ci.record.investigation_records import Step as Done
from autoresearch_ci.safety.prompt_text import line

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


def _claim(hit: Weakness) -> Claim:
    cwe = f"CWE-{hit.cwe}, " if hit.cwe else ""
    return Claim(
        name=hit.fingerprint,
        title=hit.title,
        kind=f"{cwe}{hit.rule}, by {', '.join(hit.sources) or 'a tool'}",
        path=hit.path,
        line=hit.line,
    )


def _cast(asking: Asking, claim: Claim, vote: int) -> Mapping[str, Any] | None:
    return asking.records.known.steps.get(f"{ANSWER} {claim.name} {vote}")


def _may_change(asking: Asking, step: Step, claim: Claim, vote: int) -> bool:
    """Whether that vote is still to be cast: all before it were for a change."""
    if _cast(asking, claim, vote) is not None:
        return False
    earlier = [_cast(asking, claim, before) for before in range(1, vote)]
    return all(cast and step.judgements[cast["judgement"]].becomes for cast in earlier)


def _batches(claims: Sequence[Claim]) -> Iterator[list[Claim]]:
    """Few at a time, of one folder where that can be."""
    ordered = sorted(claims, key=lambda claim: claim.path.rpartition("/")[0])
    for start in range(0, len(ordered), BATCH):
        yield ordered[start : start + BATCH]


def _answer(
    asking: Asking, program: Program, batch: Sequence[Claim], vote: int, note: Callable[[str], None]
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
        evidence = [told_piece(piece) for piece in found.evidence]
        told_of = {"judgement": found.judgement, "why": found.why, "evidence": evidence}
        asking.records.append(Done(name=f"{ANSWER} {names[name].name} {vote}", found=told_of))


def _opinions(
    answer: Answered, reader: Reader, step: Step, names: Sequence[str]
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


def _agreed(asking: Asking, step: Step, claim: Claim) -> Opinion | None:
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
