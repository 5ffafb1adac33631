"""One iteration's talk with a model: it reads, states a hypothesis, makes an experiment, reports.

What it states first is kept as it was. What it reports is checked before it counts: the schema, the
quotes, the runs, and whether somebody has said the same before. It writes nothing.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from autoresearch_ci.decide.findings import Checked, check, claim_key, is_same_claim
from autoresearch_ci.decide.test_runners import NotAllowed
from autoresearch_ci.errors import BaselineError
from autoresearch_ci.experiment import Spent
from autoresearch_ci.investigate.experiments import LANGUAGES, Experiments
from autoresearch_ci.investigate.item_schema import Schema, fitting, misfits
from autoresearch_ci.investigate.program import Program
from autoresearch_ci.llm.conversation import Ask, Caps, NoProposal, Talk
from autoresearch_ci.llm.draft import Draft, DraftError
from autoresearch_ci.llm.tools import READING, Answer, read_only, reading_definitions
from autoresearch_ci.record.investigation_records import Item, Known, Ran
from autoresearch_ci.safety.prompt_text import block, line

FIRST, TESTS, SCRIPT, REPORT = "hypothesis", "run_tests", "run_script", "report"
_READ_LIMIT = 100
"""Files that are remembered as read."""
_MISFITS = 6
"""Of an answer that does not fit, how many are told."""

Answered = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Result:
    """What came of it."""

    answer: Answered
    """What the program's item names, and nothing else."""
    checked: Checked
    runs: tuple[Ran, ...]
    """The experiments of this talk."""
    read: tuple[str, ...]
    """Files that were really read."""


def definitions(program: Program) -> list[dict[str, Any]]:
    """The `tools` of every request of a program."""
    tools = reading_definitions()
    if program.opening:
        tools.append(
            _tool(
                FIRST, "State, once and before any experiment, what you suppose.", program.opening
            )
        )
    kinds = program.facts.experiments.kinds
    if "tests" in kinds:
        tools.append(_tool(TESTS, _ABOUT_TESTS, _TESTS))
    if "script" in kinds:
        tools.append(_tool(SCRIPT, _ABOUT_SCRIPTS, _SCRIPT))
    return [*tools, _tool(REPORT, "Finish: hand in what you found.", program.closing)]


def _tool(name: str, about: str, schema: Schema) -> dict[str, Any]:
    return {"name": name, "description": about, "input_schema": schema}


_ABOUT_TESTS = (
    "Run the repository's own test command on the tests that you name (`path` or `path::name`), "
    "or, if you name none, as it is. In a sandbox, without network."
)
_ABOUT_SCRIPTS = (
    "Run a script at the root of a fresh copy of the repository, in a sandbox, without network. "
    "What counts is its exit code: let it exit with 1 where it shows the failure, else with 0."
)
_TESTS: dict[str, Any] = {
    "type": "object",
    "properties": {
        "tests": {"type": "array", "maxItems": 20, "items": {"type": "string", "maxLength": 500}}
    },
    "required": ["tests"],
}
_SCRIPT: dict[str, Any] = {
    "type": "object",
    "properties": {
        "language": {"type": "string", "enum": list(LANGUAGES)},
        "script": {"type": "string", "minLength": 1, "maxLength": 32_000},
    },
    "required": ["language", "script"],
}


class Inquiry(Talk[Result]):
    """From the first request to `report`."""

    wanted = "report"
    hurry = "Two turns are left: report what you have."

    def __init__(
        self,
        *,
        ask: Ask,
        caps: Caps,
        price: Callable[[Mapping[str, Any]], Spent],
        program: Program,
        tree: Draft,
        experiments: Experiments | None,
        known: Known,
        iteration: int,
    ) -> None:
        """`known`: what earlier iterations found."""
        super().__init__(ask=ask, caps=caps, price=price)
        self._program = program
        self._tree = tree
        self._experiments = experiments
        self._known = known
        self._iteration = iteration
        self._opening: dict[str, Any] = {}
        self._runs: list[Ran] = []
        self._read: dict[str, None] = {}
        self._warned = self._nudged = False

    def answered(self, name: str, arguments: object, failed: bool) -> Answer:
        if name in READING:
            return self._looked(name, arguments)
        work = {FIRST: self._state, TESTS: self._test, SCRIPT: self._script, REPORT: self._report}
        offered = [tool["name"] for tool in definitions(self._program)]
        if name not in offered:
            told = f"there is no tool {line(name, 60)!r}; there are: {', '.join(offered)}"
            return Answer(text=told, failed=True)
        if name == REPORT and failed:
            text = "not taken: another call of this turn failed; look at it first"
            return Answer(text=text, failed=True)
        return work[name](arguments if isinstance(arguments, Mapping) else {})

    def _looked(self, name: str, arguments: object) -> Answer:
        done = read_only(self._tree, name, arguments)
        told = arguments.get("path") if isinstance(arguments, Mapping) else None
        path = told if isinstance(told, str) and not done.failed else ""
        # Without a text it is a folder that was listed.
        if path and len(self._read) < _READ_LIMIT and self.read(path) is not None:
            self._read[path.removeprefix("./")] = None
        return done

    def nudged(self, said: str) -> str:
        if self._nudged:
            raise NoProposal(f"the model ended without a report: {said}")
        self._nudged = True
        return f"Go on with the tools, and end with `{REPORT}`. Nothing else is read."

    # --- the tools ---

    def _state(self, arguments: Answered) -> Answer:
        schema = self._program.opening
        if schema is None or self._opening:
            return Answer(text="it is stated already, and stays as it is", failed=True)
        if wrong := _told_misfits(arguments, schema):
            return Answer(text=wrong, failed=True)
        if same := self._said_before(arguments):
            return Answer(text=same, failed=True)
        self._opening = fitting(arguments, schema)
        return Answer(text="stated; now make the experiment")

    def _test(self, arguments: Answered) -> Answer:
        if wrong := _told_misfits(arguments, _TESTS):
            return Answer(text=wrong, failed=True)
        tests = list(arguments["tests"])
        return self._tried(lambda e: e.tests(tests, self._iteration))

    def _script(self, arguments: Answered) -> Answer:
        if wrong := _told_misfits(arguments, _SCRIPT):
            return Answer(text=wrong, failed=True)
        language, text = arguments["language"], arguments["script"]
        return self._tried(lambda e: e.script(language, text, self._iteration))

    def _tried(self, run: Callable[[Experiments], Ran]) -> Answer:
        """One experiment, if it may still be made."""
        most = self._program.facts.experiments.most
        if self._program.opening and not self._opening:
            text = f"state first what you suppose, with `{FIRST}`: else it shows nothing"
            return Answer(text=text, failed=True)
        if len(self._runs) >= most:
            return Answer(text=f"no more than {most} in one iteration; now report", failed=True)
        if self._experiments is None:
            return Answer(text="nothing can be run here", failed=True)
        try:
            ran = run(self._experiments)
        except (NotAllowed, BaselineError) as error:
            return Answer(text=f"not run: {line(str(error), 400)}", failed=True)
        self._runs.append(ran)
        return Answer(text=_told_run(ran))

    def _report(self, arguments: Answered) -> Answer:
        schema = self._program.closing
        if self._program.opening and not self._opening:
            return Answer(text=f"state first what you suppose, with `{FIRST}`", failed=True)
        if wrong := _told_misfits(arguments, schema):
            return Answer(text=wrong, failed=True)
        answer = {**self._opening, **fitting(arguments, schema)}
        if not self._opening and (same := self._said_before(answer)):
            return Answer(text=same, failed=True)
        checked = self._checked(answer)
        if checked.dropped and not self._warned:
            self._warned = True  # once: who has no better evidence has none
            dropped = "; ".join(line(why, 200) for why in checked.dropped)
            text = f"evidence that does not hold: {dropped}. Correct it, or report without it."
            return Answer(text=text, failed=True)
        runs, paths = tuple(self._runs), tuple(self._read)
        self.result = Result(answer=answer, checked=checked, runs=runs, read=paths)
        return Answer(text="taken")

    # --- what is checked ---

    def _checked(self, answer: Answered) -> Checked:
        """By the repository as it is, and by what was really run.

        What an earlier talk ran was to show something else: it may be cited, and confirms nothing.
        """
        before = {n: replace(run, symptom=True) for n, run in self._known.executions.items()}
        runs = {**before, **{ran.number: ran.execution() for ran in self._runs}}
        return check(answer.get("evidence", []), self.read, runs)

    def read(self, path: str) -> str | None:
        """A text file of the audited commit, by the policy of all tools."""
        try:
            return self._tree.text(path)
        except DraftError:
            return None

    def _said_before(self, answer: Answered) -> str:
        """Which earlier iteration said the same; empty: none."""
        name = self._program.facts.claim
        mine = claim_key(str(answer.get(name, "")))
        for item in self._known.items:
            if is_same_claim(mine, claim_key(str(item.answer.get(name, "")))):
                return (
                    f"not new: iteration {item.iteration} looked at it, and it is "
                    f"{item.status.replace('_', ' ')}. Take something else."
                )
        return ""


def _told_misfits(arguments: Answered, schema: Schema) -> str:
    """Empty when it fits."""
    wrong = list(itertools.islice(misfits(arguments, schema), _MISFITS))
    return f"malformed: {line('; '.join(wrong), 600)}" if wrong else ""


def _told_run(ran: Ran) -> str:
    ending = ran.failure or "exit code 0"
    tests = f"failing: {', '.join(ran.failing[:20])}\n" if ran.failing else ""
    broken = "it failed before it could show anything" if ran.execution().failed else "no test ran"
    worth = f"{broken}\n" if ran.broken else ""
    worth = "this is the failure that is known already\n" if ran.known else worth
    shown = block("output of run", str(ran.number), ran.tail)
    return f"run {ran.number}: {line(ending, 300)} after {ran.seconds:.1f} s\n{worth}{tests}{shown}"


def earlier(items: Sequence[Item], claim: str, limit: int) -> list[str]:
    """One line for each of the latest iterations."""
    return [
        f"{item.iteration}. {item.status}: {line(str(item.answer.get(claim, '')), 160)}"
        + (f" ({line(item.overruled, 100)})" if item.overruled else "")
        for item in items[-limit:]
    ]
