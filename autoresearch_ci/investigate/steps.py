"""Requests of an investigation besides its loop: reconnaissance, and second opinions.

A second opinion is asked for by a request that holds a claim and the raw code, and nothing of what
was said before. What it answers counts when its evidence stands, and is no comment of that code.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from autoresearch_ci.decide.comment_lines import is_spoken
from autoresearch_ci.decide.investigation.finding import Checked, Evidence, check
from autoresearch_ci.decide.line_map import lines_of
from autoresearch_ci.experiment import ReadText
from autoresearch_ci.investigate.asking import Asking, Question
from autoresearch_ci.investigate.form import Answered, Reader, fitting_entries
from autoresearch_ci.investigate.program import Program
from autoresearch_ci.investigate.program_steps import (
    RECONNAISSANCE,
    VERIFY_FIX,
    ProgramStep,
    judging_schema,
)
from autoresearch_ci.investigate.request import told_facts
from autoresearch_ci.record.investigation_history import StepDone as Done
from autoresearch_ci.safety.prompt_text import block, line

UNANSWERED = "unanswered"
"""The judgement of what nobody gave a usable answer about."""
WHOLE = 12_000
"""Characters of a file that is shown whole."""
AROUND = 60
"""Lines on either side of a place in a larger one."""
NAMES = 12
"""Entries of one list of the reconnaissance that become cells."""


@dataclass(frozen=True, kw_only=True)
class Opinion:
    """What somebody else makes of a claim."""

    judgement: str
    why: str
    evidence: tuple[Evidence, ...] = ()
    """What stands."""
    dropped: tuple[str, ...] = ()


# --- Reconnaissance -------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Terrain:
    """What is there, by the reconnaissance."""

    lists: Mapping[str, Sequence[Mapping[str, Any]]]
    """By the names of the program's schema."""
    dropped: int = 0
    """Entries whose evidence did not hold."""
    why_not: str = ""
    """Why there is none; empty: there is one."""

    def fact(self) -> str:
        """As later requests are told it."""
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        for name, entries in self.lists.items():
            yield f"{name.replace('_', ' ')}:"
            for entry in entries:
                rest = {k: v for k, v in entry.items() if k not in ("name", "evidence")}
                told = ", ".join(f"{k}: {line(str(v), 200)}" for k, v in rest.items())
                where = next((p.get("path", "") for p in entry.get("evidence", [])), "")
                yield f"- {line(str(entry['name']), 100)} ({where or 'no place'}): {told}"

    def cells(self, step: ProgramStep) -> dict[str, tuple[str, ...]]:
        """Dimension -> names, of those dimensions that the reconnaissance fills."""
        found = {
            dimension: tuple(dict.fromkeys(line(e["name"], 60) for e in self.lists.get(name, ())))
            for dimension, name in step.cells.items()
        }
        return {dimension: names[:NAMES] for dimension, names in found.items() if names}


def reconnoitre(
    asking: Asking, program: Program, facts: Sequence[tuple[str, str]]
) -> Terrain | None:
    """Once for an investigation: what an earlier process found is taken. `None`: nobody asks.

    Raises `OutOfBudget`, `ProposerError`.
    """
    step = program.facts.steps.get(RECONNAISSANCE)
    if step is None:
        return None
    known = asking.records.known.steps.get(RECONNAISSANCE)
    if known is not None:
        return Terrain(lists=known["lists"], dropped=int(known["dropped"]))
    question = Question(
        rules=program.sections["Rules"],
        stable="".join(told_facts(facts, asking.tree.paths())),
        task=program.sections[RECONNAISSANCE],
        schema=step.item,
        about="Finish: hand in what you found.",
        takes_prose=True,
    )
    terrain = asking.put_or(
        question,
        lambda answer, reader: _terrain(answer, reader, step),
        lambda why: Terrain(lists={}, why_not=why),
    )
    if terrain.why_not:
        return terrain
    found = {"lists": terrain.lists, "dropped": terrain.dropped}
    asking.records.append(Done(name=RECONNAISSANCE, found=found))
    return terrain


def _terrain(answer: Answered, reader: Reader, step: ProgramStep) -> tuple[Terrain, list[str]]:
    lists: dict[str, list[dict[str, Any]]] = {}
    wrong: list[str] = []
    for name, inner in step.item["properties"].items():
        entries, malformed = fitting_entries(answer.get(name, []), inner["items"])
        wrong += malformed
        lists[name] = []
        for entry in map(reader.located, entries):
            checked = reader.checked(entry)
            if checked.kept:
                lists[name].append({**entry, "evidence": [p.quote() for p in checked.kept]})
            else:
                wrong += checked.dropped or [f"{name}: {line(str(entry['name']), 60)}: no quote"]
    return Terrain(lists=lists, dropped=len(wrong)), wrong


# --- Second opinions ------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class BareClaim:
    """What somebody says of a place, without their reasons."""

    name: str
    """A fingerprint: what tells it from others."""
    title: str
    kind: str = ""
    """`CWE-89, by bandit`."""
    path: str = ""
    line: int = 0
    places: tuple[tuple[str, int], ...] = ()
    """Further files and lines that it speaks of."""

    def words(self, name: str = "") -> str:
        place = f"{self.path}:{self.line}" if self.line else self.path or "of no file"
        kind = f" [{line(self.kind, 100)}]" if self.kind else ""
        return f"{name}{line(self.title, 300)}{kind}, at {line(place, 300)}"

    def all_places(self) -> Iterator[tuple[str, int]]:
        yield self.path, self.line
        yield from self.places


def opinion(
    asking: Asking, program: Program, name: str, claim: BareClaim, iteration: int
) -> Opinion:
    """On one claim. Raises `OutOfBudget`, `ProposerError`."""
    step, read = program.facts.steps[name], Reader(asking.tree).text
    question = Question(
        rules=program.sections[name],
        stable=code_of(claim.all_places(), read),
        task=f"The claim:\n{claim.words()}",
        schema=judging_schema(step),
    )
    return asking.put_or(
        question,
        lambda answer, reader: judged_opinion(answer, reader.located, reader.text, step),
        lambda why: Opinion(judgement=UNANSWERED, why=why),
        iteration=iteration,
    )


def judged_opinion(
    answer: Answered,
    located: Callable[[Answered], dict[str, Any]],
    read: ReadText,
    step: ProgramStep,
) -> tuple[Opinion, Sequence[str]]:
    checked = of_code(check(located(answer)["evidence"], read, {}), read)
    word = str(answer["judgement"])
    needs = step.judgements[word].needs
    stands = not needs or not checked.kinds.isdisjoint(needs)
    why = str(answer["why"])
    if not stands:
        why = f"not {word}: it needs a {' or '.join(needs)} that stands. {why}"
    found = Opinion(
        judgement=word if stands else step.otherwise,
        why=why,
        evidence=checked.kept,
        dropped=checked.dropped,
    )
    return found, [*checked.dropped, *([] if stands else [f"{word} needs a quote of code"])]


def of_code(checked: Checked, read: ReadText) -> Checked:
    """Without quotes of what code says about itself."""
    spoken = [piece for piece in checked.kept if _is_spoken(piece, read)]
    kept = tuple(piece for piece in checked.kept if piece not in spoken)
    why = (f"{piece.words()}: a comment is no evidence of what the code does" for piece in spoken)
    return replace(
        checked,
        kept=kept,
        dropped=(*checked.dropped, *why),
        kinds=frozenset({"quote"} if kept else ()),
    )


def _is_spoken(piece: Evidence, read: ReadText) -> bool:
    return is_spoken(piece.path, read(piece.path) or "", piece.line, piece.text)


def code_of(places: Iterable[tuple[str, int]], read: ReadText) -> str:
    """Raw code around places, each file once, as delimited data."""
    by_file: dict[str, list[int]] = {}
    for path, at in places:
        by_file.setdefault(path, []).append(at)
    shown = ((path, read(path), lines) for path, lines in by_file.items() if path)
    return "".join(
        block("file", path, _window(text, lines)) for path, text, lines in shown if text is not None
    ) or block("file", "", "(no file is named)")


def _window(text: str, lines: Sequence[int]) -> str:
    rows = [f"{number:6}\t{row}" for number, row in enumerate(lines_of(text), start=1)]
    if len(text) <= WHOLE:
        return "\n".join(rows)
    wanted = {n for at in lines for n in range(max(1, at - AROUND), at + AROUND + 1)}
    kept = [row for number, row in enumerate(rows, start=1) if number in wanted]
    return "\n".join(kept)[: 4 * WHOLE]


# --- Whether a repair repairs ---------------------------------------------------------------------


def verify_fix(
    asking: Asking,
    program: Program,
    claim: BareClaim,
    *,
    before: Mapping[str, str],
    after: Mapping[str, str],
) -> Opinion:
    """Whether a weakness is gone, by the raw code before and after: text of each changed file.

    Evidence has to stand in the code after. Raises `OutOfBudget`, `ProposerError`.
    """
    step = program.facts.steps[VERIFY_FIX]
    shown = [
        block(f"file {when}", path, _window(text, [claim.line]))
        for when, files in (("before", before), ("after", after))
        for path, text in files.items()
    ]
    question = Question(
        rules=program.sections[VERIFY_FIX],
        stable="".join(shown) or block("file", "", "(no file is named)"),
        task=f"The claim, of the code before:\n{claim.words()}",
        schema=judging_schema(step),
        reads=False,
    )
    return asking.put_or(
        question,
        lambda answer, _: judged_opinion(answer, dict, after.get, step),
        lambda why: Opinion(judgement=step.otherwise, why=why),
    )
