"""One iteration's talk with a model: it reads, states a hypothesis, makes an experiment, reports.

What it states first is kept as it was. What it reports is checked before it counts: the schema, the
quotes, the runs, and whether somebody has said the same before. It writes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from autoresearch_ci.decide.failures.test_runners import NotAllowed
from autoresearch_ci.decide.investigation.finding import (
    Checked,
    Execution,
    claim_key,
    is_same_claim,
)
from autoresearch_ci.errors import BaselineError
from autoresearch_ci.investigate.experiments import LANGUAGES, Control, Experiments
from autoresearch_ci.investigate.form import (
    REPORT,
    Answered,
    Refused,
    Reporting,
    fitting_entries,
    told_misfits,
)
from autoresearch_ci.investigate.front_matter import FINDINGS
from autoresearch_ci.investigate.item_schema import Schema, fitting, misfits
from autoresearch_ci.investigate.program import Program
from autoresearch_ci.llm.tools import ToolResult, reading_definitions
from autoresearch_ci.record.investigation_history import Item, Known, Ran
from autoresearch_ci.safety.prompt_text import block, line

FIRST, TESTS, SCRIPT = "hypothesis", "run_tests", "run_script"


@dataclass(frozen=True, kw_only=True)
class Reported:
    """One thing that is reported."""

    answer: Answered
    """What the program's item names, and nothing else."""
    checked: Checked


@dataclass(frozen=True, kw_only=True)
class InquiryResult:
    """What came of it."""

    reports: tuple[Reported, ...]
    """One, or some where the program says that there may be several."""
    dropped: tuple[str, ...] = ()
    """Why others of them were not taken."""
    malformed: int = 0
    """How many of those may have been something all the same."""
    runs: tuple[Ran, ...]
    """The experiments of this talk."""
    controls: Mapping[int, Ran] = field(default_factory=dict)
    """By the number of the experiment that each belongs to."""
    read: tuple[str, ...]
    """Files that were really read."""

    @property
    def is_spoilt(self) -> bool:
        """Whether an experiment fails without what it was to show, too."""
        return any(ran.execution().failed and not ran.broken for ran in self.controls.values())


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
    "What counts is its exit code: let it exit with 1 where it shows the failure, else with 0. "
    "If it fails, it is run again with `control`, which takes away what you suppose to be the "
    "cause: only a script that passes then shows anything; without a control a failure is none."
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
        "control": {
            "type": "object",
            "description": "Replaces text that stands once in a file, for the second run only.",
            "properties": {
                "path": {"type": "string", "minLength": 1, "maxLength": 500},
                "old": {"type": "string", "minLength": 1, "maxLength": 8_000},
                "new": {"type": "string", "maxLength": 8_000},
            },
            "required": ["path", "old", "new"],
        },
    },
    "required": ["language", "script"],
}


@dataclass(kw_only=True, eq=False, repr=False)
class Inquiry(Reporting[InquiryResult]):
    """From the first request to `report`."""

    program: Program
    experiments: Experiments | None
    known: Known
    """What earlier iterations found."""
    iteration: int
    _opening: dict[str, Any] = field(default_factory=dict)
    _runs: list[Ran] = field(default_factory=list)
    _controls: dict[int, Ran] = field(default_factory=dict)

    def offered(self) -> list[str]:
        return [tool["name"] for tool in definitions(self.program)]

    def another(self, name: str, arguments: Answered) -> ToolResult:
        return {FIRST: self._state, TESTS: self._test, SCRIPT: self._script}[name](arguments)

    # --- the tools ---

    def _state(self, arguments: Answered) -> ToolResult:
        schema = self.program.opening
        if schema is None or self._opening:
            return ToolResult(text="it is stated already, and stays as it is", failed=True)
        if wrong := told_misfits(arguments, schema):
            return ToolResult(text=wrong, failed=True)
        if same := self._said_before(arguments):
            return ToolResult(text=same, failed=True)
        self._opening = fitting(arguments, schema)
        return ToolResult(text="stated; now make the experiment")

    def _test(self, arguments: Answered) -> ToolResult:
        if wrong := told_misfits(arguments, _TESTS):
            return ToolResult(text=wrong, failed=True)
        tests = list(arguments["tests"])
        return self._tried(lambda e: (e.tests(tests, self.iteration), None))

    def _script(self, arguments: Answered) -> ToolResult:
        if wrong := told_misfits(arguments, _SCRIPT):
            return ToolResult(text=wrong, failed=True)
        language, text = arguments["language"], arguments["script"]
        told = arguments.get("control")
        control = Control(path=told["path"], old=told["old"], new=told["new"]) if told else None
        return self._tried(lambda e: e.script(language, text, self.iteration, control))

    def _tried(self, run: Callable[[Experiments], tuple[Ran, Ran | None]]) -> ToolResult:
        """One experiment, if it may still be made."""
        most = self.program.facts.experiments.most
        if self.program.opening and not self._opening:
            text = f"state first what you suppose, with `{FIRST}`: else it shows nothing"
            return ToolResult(text=text, failed=True)
        if len(self._runs) >= most:
            return ToolResult(text=f"no more than {most} in one iteration; now report", failed=True)
        if self.experiments is None:
            return ToolResult(text="nothing can be run here", failed=True)
        try:
            ran, control = run(self.experiments)
        except (NotAllowed, BaselineError) as error:
            return ToolResult(text=f"not run: {line(str(error), 400)}", failed=True)
        self._runs.append(ran)
        if control:
            self._controls[ran.number] = control
        return ToolResult(text=_told_run(ran) + _told_control(ran, control))

    # --- what is reported ---

    def refused(self, arguments: Answered) -> str:
        if self.program.opening and not self._opening:
            return f"state first what you suppose, with `{FIRST}`"
        return super().refused(arguments)

    def judged(self, answer: Answered) -> tuple[InquiryResult, Sequence[str]]:
        malformed = 0
        if self.program.facts.several:
            entries, wrong = fitting_entries(answer[FINDINGS], self.program.each)
            misshapen = (e for e in answer[FINDINGS] if any(misfits(e, self.program.each)))
            malformed = sum(map(self._may_be_something, misshapen))
            if not entries:
                raise Refused(f"malformed: {line('; '.join(wrong), 600)}")
            reports = [self._checked(self.reader.located(entry)) for entry in entries]
        else:
            wrong = []
            reports = [self._checked(self.reader.located({**self._opening, **answer}))]
            if not self._opening and (same := self._said_before(reports[0].answer)):
                raise Refused(same)
        result = InquiryResult(
            reports=tuple(reports),
            dropped=tuple(wrong),
            malformed=malformed,
            runs=tuple(self._runs),
            controls=self._controls,
            read=self.reader.files,
        )
        return result, [*wrong, *(why for one in reports for why in self._problems(one))]

    def _may_be_something(self, entry: object) -> bool:
        """Whether it could have counted in another form: it names a place, and denies nothing."""
        if not isinstance(entry, Mapping):
            return True
        rule = self.program.facts.statuses.get(str(entry.get("status")))
        denies = rule is not None and rule.finding == "disproven"
        return not denies and bool(entry.get("path") or entry.get("evidence"))

    def _problems(self, report: Reported) -> Iterator[str]:
        yield from report.checked.dropped
        rule = self.program.facts.statuses[str(report.answer["status"])]
        if rule.nothing and not (report.checked.kept or self.reader.files):
            yield "nothing was read: read the code of which you say that nothing is there"

    def _checked(self, answer: Answered) -> Reported:
        """By the repository as it is, and by what was really run.

        What an earlier talk ran was to show something else: it may be cited, and confirms nothing.
        """
        before = {n: replace(run, symptom=True) for n, run in self.known.executions.items()}
        beside = {ran.number: ran.execution() for ran in self._controls.values()}
        own = {ran.number: self._execution(ran, answer) for ran in self._runs}
        runs = {**before, **beside, **own}
        return Reported(answer=answer, checked=self.reader.checked(answer, runs))

    def _execution(self, ran: Ran, answer: Answered) -> Execution:
        """As evidence of an answer: a control elsewhere than in the file that it names is none."""
        control = self._controls.get(ran.number)
        elsewhere = control and answer.get("path") not in (None, "", control.mended)
        return ran.execution(None if elsewhere else control)

    def _said_before(self, answer: Answered) -> str:
        """Which earlier iteration said the same; empty: none."""
        name = self.program.facts.claim
        mine = claim_key(str(answer.get(name, "")))
        for item in self.known.items:
            if is_same_claim(mine, claim_key(str(item.answer.get(name, "")))):
                return (
                    f"not new: iteration {item.iteration} looked at it, and it is "
                    f"{item.status.replace('_', ' ')}. Take something else."
                )
        return ""


def _told_run(ran: Ran) -> str:
    ending = ran.failure or "exit code 0"
    tests = f"failing: {', '.join(ran.failing[:20])}\n" if ran.failing else ""
    broken = "it failed before it could show anything" if ran.execution().failed else "no test ran"
    worth = f"{broken}\n" if ran.broken else ""
    worth = "this is the failure that is known already\n" if ran.known else worth
    shown = block("output of run", str(ran.number), ran.tail)
    return f"run {ran.number}: {line(ending, 300)} after {ran.seconds:.1f} s\n{worth}{tests}{shown}"


def _told_control(ran: Ran, control: Ran | None) -> str:
    """What the second run showed of the first."""
    if control is None:
        alone = bool(ran.script) and ran.execution().failed and not ran.broken
        return "\nthere was no control: that it fails shows nothing by itself" if alone else ""
    number, ending = control.number, control.failure or "exit code 0"
    worth, shown = "so it depends on what was taken away", ""
    if control.execution().failed:
        worth = "so it is not what makes it fail"
        worth = "it failed before it could show anything" if control.broken else worth
        shown = "\n" + block("output of run", str(number), control.tail)
    where = f"the control, without that in {control.mended}"
    return f"\nrun {number}, {where}: {line(ending, 300)}: {worth}{shown}"


def earlier(items: Sequence[Item], claim: str, limit: int) -> list[str]:
    """One line for each of the latest iterations."""
    return [
        f"{item.iteration}. {item.status}: {line(str(item.answer.get(claim, '')), 160)}"
        + (f" ({line(item.overruled, 100)})" if item.overruled else "")
        for item in items[-limit:]
    ]
