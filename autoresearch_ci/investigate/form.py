"""A talk that ends in a report: it reads the audited commit, and hands in what fits a schema.

Who asks says what the schema is and what the report is worth. It knows nothing of other talks, and
writes nothing.
"""

from __future__ import annotations

import itertools
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from autoresearch_ci.decide.investigation.finding import Checked, Execution, check
from autoresearch_ci.investigate.answers import eased, in_prose, placed
from autoresearch_ci.investigate.item_schema import Schema, fitting, misfits
from autoresearch_ci.llm.conversation import NoProposal, Talk, Turn
from autoresearch_ci.llm.draft import Draft, DraftError
from autoresearch_ci.llm.tools import READING, ToolResult, read_only, reading_definitions
from autoresearch_ci.safety.prompt_text import line

REPORT = "report"
LIST_LIMIT = 10_000
"""Entries of a list that are looked at, however many a schema asks for."""
_READ_LIMIT = 100
"""Files that are remembered as read."""
_MISFITS = 6
"""Of an answer that does not fit, how many are told."""

Answered = Mapping[str, Any]
_R = TypeVar("_R")


class Refused(Exception):
    """A report that fits cannot be taken; the reason is told."""


class Reader:
    """The audited commit as a model may look at it; remembers what was really read."""

    def __init__(self, tree: Draft) -> None:
        self._tree = tree
        self._paths = frozenset(tree.paths())
        self._texts: dict[str, str | None] = {}
        self._read: dict[str, None] = {}

    @property
    def files(self) -> tuple[str, ...]:
        """Files that were read, in order."""
        return tuple(self._read)

    def answer(self, name: str, arguments: object) -> ToolResult:
        """Carry out one of `READING`."""
        done = read_only(self._tree, name, arguments)
        told = arguments.get("path") if isinstance(arguments, Mapping) else None
        path = told if isinstance(told, str) and not done.failed else ""
        # Without a text it is a folder that was listed.
        if path and len(self._read) < _READ_LIMIT and self.text(path) is not None:
            self._read[path.removeprefix("./")] = None
        return done

    def text(self, path: str) -> str | None:
        """A text file of the audited commit, by the policy of all tools."""
        if path not in self._texts:
            try:
                self._texts[path] = self._tree.text(path)
            except DraftError:
                self._texts[path] = None
        return self._texts[path]

    def texts(self) -> Iterator[str]:
        """Of all files that were looked at."""
        return (text for text in self._texts.values() if text is not None)

    def located(self, answer: Answered) -> dict[str, Any]:
        """An answer whose paths are the commit's own, where it is clear which is meant."""
        found = dict(answer)
        if isinstance(found.get("path"), str):
            found["path"] = placed(found["path"], self._paths)
        if isinstance(found.get("evidence"), list):
            found["evidence"] = [
                self.located(piece) if isinstance(piece, Mapping) else piece
                for piece in found["evidence"]
            ]
        return found

    def checked(
        self, answer: Answered, executions: Mapping[int, Execution] | None = None
    ) -> Checked:
        """What stands of an answer's evidence."""
        return check(answer.get("evidence", []), self.text, executions or {})


@dataclass(kw_only=True, eq=False, repr=False)
class Reporting(Talk[_R]):
    """From the first request to `report`; lists of several reports of one turn are one."""

    wanted = "report"
    hurry = "Two turns are left: report what you have."
    takes_prose = True
    """Whether JSON among words is a report, if it was not copied from what was read. Where a word
    closes something, only a call counts: who speaks of an attack may quote it."""

    reader: Reader
    schema: Schema
    _request: Mapping[str, Any] = field(default_factory=dict)
    _given: dict[str, Any] = field(default_factory=dict)
    _taken: _R | None = None
    _warned: bool = False
    _nudged: bool = False

    @abstractmethod
    def judged(self, answer: Answered) -> tuple[_R, Sequence[str]]:
        """What a report that fits is worth, and what of it does not hold. Raises `Refused`."""

    def refused(self, arguments: Answered) -> str:
        """Why a report cannot be taken as it is; empty: it can."""
        return told_misfits(arguments, self.schema)

    def offered(self) -> list[str]:
        """Names of the tools."""
        return [*READING, REPORT]

    def another(self, name: str, arguments: Answered) -> ToolResult:
        """Carry out a call of a tool of its own."""
        raise NotImplementedError(name)

    def answered(self, name: str, arguments: object, failed: bool) -> ToolResult:
        if name not in self.offered():
            told = f"there is no tool {line(name, 60)!r}; there are: {', '.join(self.offered())}"
            return ToolResult(text=told, failed=True)
        if name in READING:
            return self.reader.answer(name, arguments)
        given = arguments if isinstance(arguments, Mapping) else {}
        if name != REPORT:
            return self.another(name, given)
        if failed:
            text = "not taken: another call of this turn failed; look at it first"
            return ToolResult(text=text, failed=True)
        return self._report(given)

    def run(self, request: Mapping[str, Any]) -> _R:
        self._request = request
        return super().run(request)

    def _shown(self) -> Iterator[str]:
        """All that the model was shown: the request, and what it read."""
        yield from _texts_of(self._request.get("messages", []))
        yield from self.reader.texts()

    def nudged(self, words: str) -> str:
        found = None
        if self.takes_prose:
            found = in_prose(words, self.schema, self._shown, lambda meant: not self.refused(meant))
        failed = self._report(found) if found is not None else None
        if failed is not None and not failed.failed:
            self.result = self._taken
            return ""
        if self._nudged:
            raise NoProposal(f"the model ended without a report: {line(words, 200)}")
        self._nudged = True
        told = f"{failed.text} " if failed else ""
        return f"{told}Go on with the tools, and end with `{REPORT}`. Nothing else is read."

    def _report(self, arguments: Answered) -> ToolResult:
        meant = eased(arguments, self.schema)
        if wrong := self.refused(meant):
            return ToolResult(text=wrong, failed=True)
        if self._taken is not None and not _is_lists(self.schema):
            return ToolResult(text="already reported", failed=True)
        whole = _joined(self._given, _named(meant, self.schema))
        try:
            result, wrong_parts = self.judged(whole)
        except Refused as error:
            return ToolResult(text=str(error), failed=True)
        if wrong_parts and not self._warned:
            self._warned = True  # once: who has no better evidence has none
            told = "; ".join(line(why, 200) for why in itertools.islice(wrong_parts, _MISFITS))
            text = f"what does not hold: {told}. Correct it and report all of it, or without it."
            return ToolResult(text=text, failed=True)
        self._given, self._taken = whole, result
        return ToolResult(text="taken")

    def _reply(self, answer: Turn, left: int) -> list[dict[str, Any]]:
        reply = super()._reply(answer, left)
        self.result = self._taken
        return reply


@dataclass(kw_only=True, eq=False, repr=False)
class Form(Reporting[_R]):
    """One that only reads and reports; what the report is worth is told by a function."""

    worth: Callable[[Answered, Reader], tuple[_R, Sequence[str]]]
    reads: bool = True
    """Whether it may look at the audited commit."""
    takes_prose: bool = False

    def offered(self) -> list[str]:
        return super().offered() if self.reads else [REPORT]

    def judged(self, answer: Answered) -> tuple[_R, Sequence[str]]:
        return self.worth(answer, self.reader)


def form_tools(schema: Schema, about: str, *, reads: bool = True) -> list[dict[str, Any]]:
    """The `tools` of a request that ends in a report."""
    reading = reading_definitions() if reads else []
    return [*reading, {"name": REPORT, "description": about, "input_schema": schema}]


def told_misfits(arguments: Answered, schema: Schema) -> str:
    """Empty when it fits. Entries of a report's own lists are looked at one by one, elsewhere."""
    wrong = list(itertools.islice(_misfits_outside_of_lists(arguments, schema), _MISFITS))
    return f"malformed: {line('; '.join(wrong), 600)}" if wrong else ""


def _misfits_outside_of_lists(arguments: Answered, schema: Schema) -> Iterator[str]:
    if not _is_lists(schema):
        yield from misfits(arguments, schema)
        return
    for name in schema.get("required", ()):
        if name not in arguments:
            yield f"the answer: {name} is missing"
    for name, inner in schema["properties"].items():
        given = arguments.get(name, [])
        if not isinstance(given, list):
            yield f"{name}: expected an array"
        elif len(given) < inner.get("minItems", 0) or len(given) > LIST_LIMIT:
            yield f"{name}: {len(given)} entries are too few or too many"


def fitting_entries(
    entries: Sequence[Any], schema: Schema
) -> tuple[list[dict[str, Any]], list[str]]:
    """Those that fit, as the schema names them, and why the others do not."""
    kept, dropped = [], []
    for number, entry in enumerate(entries[:LIST_LIMIT], start=1):
        wrong = list(itertools.islice(misfits(entry, schema), 2))
        if wrong:
            dropped.append(f"entry {number}: {'; '.join(wrong)}")
        else:
            kept.append(fitting(entry, schema))
    return kept, dropped


def _texts_of(messages: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for message in messages:
        yield from (str(block.get("text", "")) for block in message["content"])


def _is_lists(schema: Schema) -> bool:
    """Whether a report is nothing but lists of objects."""
    inner = schema["properties"].values()
    return all(i["type"] == "array" and i["items"]["type"] == "object" for i in inner)


def _named(answer: Answered, schema: Schema) -> dict[str, Any]:
    """What the schema names; entries of lists as they are."""
    if not _is_lists(schema):
        return fitting(answer, schema)
    return {name: answer[name] for name in schema["properties"] if name in answer}


def _joined(one: Answered, other: Answered) -> dict[str, Any]:
    """Both reports; their lists one after the other."""
    longer = {
        name: [*one[name], *value]
        for name, value in other.items()
        if name in one and isinstance(value, list)
    }
    return {**one, **other, **longer}
