"""What an adapter is: how a tool is asked, and how its answer is read; no tool is known here.

A parser is pure: what the tool said goes in, a diagnosis comes out. It fails closed. A tool that
crashed, is missing, or left out what it says when it is well, is *incomplete*, never without
failures; what it did say before that still counts.
"""

from __future__ import annotations

import functools
import hashlib
import itertools
import posixpath
import re
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from autoresearch_ci.decide.failures.failure import (
    Category,
    Diagnosis,
    Problem,
    identified,
    ranked,
)
from autoresearch_ci.decide.failures.lost_tests import SuiteResult
from autoresearch_ci.execution.command import CommandResult
from autoresearch_ci.measure.number.xml_reports import Reports
from autoresearch_ci.safety.characters import replaced, without_hidden
from autoresearch_ci.safety.untrusted_values import Unreadable, json_value

JSON_LIMIT = 16 * 2**20
"""Characters of one document."""
FAILURES_LIMIT = 20_000
"""More are not told apart: a diagnosis is then incomplete."""
MESSAGE_LIMIT = 4_000
_TEXT_LIMIT = 512
"""Characters of a path, a code, a name."""
NOT_STARTED = (126, 127)
"""With which a shell ends that could not run it."""


@dataclass(frozen=True, kw_only=True)
class ToolOutput:
    """What a tool left behind."""

    result: CommandResult
    """Its streams kept apart."""
    report: Reports | None = None
    """What it wrote into the file that it was asked to write."""
    root: str = ""
    """Absolute path of the tree that it looked at; paths are told relative to it."""
    folder: str = ""
    """Where in the tree it ran: `packages/web`."""

    @property
    def stdout(self) -> str:
        return self.result.stdout.text

    @property
    def stderr(self) -> str:
        return self.result.stderr.text

    @property
    def text(self) -> str:
        """Both streams, nearly in their order."""
        return self.result.output

    def document(self) -> str | bytes:
        """The one report where it wrote one, else what it printed."""
        if self.report is None:
            return self.stdout
        return self.report if isinstance(self.report, bytes) else b"".join(self.report)

    def json(self, tool: str) -> Any:
        """The JSON that the tool wrote. Raises `UnusableOutput`."""
        return from_json(self.document(), tool)

    def json_object(self, tool: str) -> JsonObject:
        """Likewise, where it is one object."""
        return mapping(self.json(tool), f"what {tool} wrote")

    def json_objects(self, tool: str) -> list[JsonObject]:
        """Likewise, where it is a list of them."""
        return objects(self.json(tool), f"what {tool} wrote")

    def json_lines(self, tool: str) -> Iterator[JsonObject]:
        """Of what it printed, the lines that are an object each. Raises `UnusableOutput`."""
        for line in self.stdout.splitlines():
            if line.startswith("{"):
                yield mapping(from_json(line, tool), f"a line of {tool}'s")

    def stopped(self, tool: str, well: Collection[int]) -> str:
        """Why a run cannot have told everything; empty: it ended as it does when it has.

        `well`: exit codes with which it says that it looked at everything.
        """
        result = self.result
        if result.timed_out or result.exit_code < 0 or result.exit_code > 128:
            return f"{tool} did not end by itself: {result.failure}"
        if result.exit_code in NOT_STARTED and result.exit_code not in well:
            return f"{tool} could not be started: {result.reason}"
        if result.exit_code not in well:
            return f"{tool} failed: {result.reason}"
        dropped = result.stdout.dropped + result.stderr.dropped
        if dropped and self.report is None:
            return f"{tool} printed more than is kept ({dropped} bytes too many)"
        return ""

    def untold(self, tool: str, told: object, how: str = "lists nothing") -> str:
        """Why a run that tells nothing is not believed to have found nothing; empty: it is."""
        quiet = self.result.exit_code and not told
        return f"{tool} {how}, and yet: {self.result.reason}" if quiet else ""

    def problem(
        self,
        category: Category,
        path: str | None,
        line: str | int | None = 0,
        column: str | int | None = 0,
        *,
        message: str,
        code: str | None = "",
        name: str = "",
    ) -> Problem:
        """One that the tool tells of, in its own words; `None` and "": it does not say."""
        return Problem(
            category=category,
            path=self.path(path) if path else "",
            line=line if isinstance(line, int) else line_number(line),
            column=column if isinstance(column, int) else line_number(column),
            code=code or "",
            message=self.words(message),
            name=name,
        )

    def problem_in(self, found: re.Match[str], category: Category, code: str | None) -> Problem:
        """One of a line with the groups `path`, `line`, `column` and `message`."""
        place = (found[name] for name in ("path", "line", "column"))
        return self.problem(category, *place, code=code, message=found["message"])

    def path(self, told: str) -> str:
        """`src/a.py` of whatever the tool calls it; one outside the tree stays absolute."""
        return _relative(told, self.root.rstrip("/"), self.folder)

    def words(self, told: str) -> str:
        """A message, without the place of the tree on this disk, in bounds."""
        if self.root.strip("/"):
            told = told.replace(f"{self.root.rstrip('/')}/", "")
        return without_hidden(told.strip()[:MESSAGE_LIMIT])


def as_told(path: str) -> str:
    """What `ToolOutput.path` makes of the name of a file of the tree: in one line, all of it."""
    return _relative(f"./{path}", "", "")


@functools.lru_cache(maxsize=4096)  # tools name the same files again and again
def _relative(told: str, root: str, folder: str) -> str:
    path = told.strip().removeprefix("file://")
    if not path.startswith("/"):
        path = posixpath.join(root or "/", folder, path)
    path = posixpath.normpath(path)
    inside = path.startswith(f"{root}/")
    path = replaced(path[len(root) + 1 :] if inside else path, _spelt)
    # Nothing is dropped: it tells the file from another.
    path = re.sub(r"[^\S ]", lambda blank: _spelt(blank[0]), path)
    if len(path) <= _TEXT_LIMIT:
        return path
    return f"{path[:_TEXT_LIMIT]}~{hashlib.sha256(path.encode()).hexdigest()[:16]}"


def _spelt(sign: str) -> str:
    return sign.encode("unicode_escape").decode("ascii")


Parser = Callable[[ToolOutput], Diagnosis]


@dataclass(frozen=True, kw_only=True)
class Adapter:
    """One tool."""

    tool: str
    parse: Parser
    command: str = ""
    """How it is asked when the repository has no way of its own: a line of shell, in which
    `{report}` is a file's name. Empty: only a repository can say."""
    reports: str = ""
    """Where it writes its reports whatever it is told: a pattern, as report_files.py reads it."""
    categories: Collection[Category] = ()
    """What it can tell of, for those who ask for some only."""
    levels: bool = False
    """Whether what it says of a failure stands, whatever it exits with."""
    writes: str = ""
    """What a command must be given so that the tool answers readably; empty: it does anyway."""

    def read(self, said: ToolOutput) -> Diagnosis:
        """What a run comes to: its answer, and whether it fails for that."""
        found = self.parse(said)
        return found if self.levels else ranked(found, said.result.exit_code)


def diagnosis(
    tool: str, problems: Iterable[Problem], incomplete: str = "", suite: SuiteResult | None = None
) -> Diagnosis:
    """What a parser returns, in bounds."""
    kept = [*itertools.islice(problems, FAILURES_LIMIT + 1)]
    if len(kept) > FAILURES_LIMIT:
        incomplete = incomplete or f"{tool} tells of more than {FAILURES_LIMIT} failures"
    failures = identified(tool, kept[:FAILURES_LIMIT])
    return Diagnosis(failures=failures, incomplete=incomplete, suite=suite)


class UnusableOutput(Exception):
    """An answer that is not what the tool writes; `str(error)` says what is wrong with it."""


def from_json(text: str | bytes, tool: str) -> Any:
    """The value of one JSON text. Raises `UnusableOutput`."""
    if not text.strip():
        raise UnusableOutput(f"{tool} wrote nothing where it writes JSON")
    try:
        return json_value(text, limit=JSON_LIMIT)
    except Unreadable as error:
        raise UnusableOutput(f"the JSON of {tool} {error}") from error
    except ValueError as error:
        raise UnusableOutput(f"{tool} wrote what is not JSON: {error}") from error


class JsonObject(dict[str, Any]):
    """Of a tool's answer. What is not of the kind that is asked for raises `UnusableOutput`."""

    def text(self, key: str) -> str:
        """A text, or nothing."""
        found = self.get(key)
        if found is None:
            return ""
        if not isinstance(found, str):
            raise UnusableOutput(f"{key} is {type(found).__name__}, not a text")
        return found

    def code(self, key: str) -> str:
        """A rule's name, in bounds."""
        return code_of(self.text(key))

    def number(self, key: str) -> int:
        """A line or a column; 0 where there is none."""
        found = self.get(key)
        if found is None:
            return 0
        if isinstance(found, bool) or not isinstance(found, int):
            raise UnusableOutput(f"{key} is {type(found).__name__}, not a whole number")
        return min(max(found, 0), 10**9)

    def mapping(self, key: str, *, optional: bool = False) -> JsonObject:
        """An object; `optional`: an empty one where there is none."""
        return mapping(self.get(key) or {} if optional else self.get(key), key)

    def objects(self, key: str, *, optional: bool = False) -> list[JsonObject]:
        """A list of objects, likewise."""
        return objects(self.get(key) or [] if optional else self.get(key), key)


def objects(value: Any, where: str) -> list[JsonObject]:
    """A list of objects. Raises `UnusableOutput`."""
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise UnusableOutput(f"{where} is not a list of objects")
    return [JsonObject(item) for item in value]


def mapping(value: Any, where: str) -> JsonObject:
    """An object. Raises `UnusableOutput`."""
    if not isinstance(value, dict):
        raise UnusableOutput(f"{where} is not an object")
    return JsonObject(value)


def code_of(text: str) -> str:
    """A rule's name, in bounds."""
    return re.sub(r"\s+", " ", without_hidden(text[: 2 * _TEXT_LIMIT])).strip()[:_TEXT_LIMIT]


def line_number(text: str | None) -> int:
    """Of digits in a text; 0 where there are none, or too many."""
    return int(text) if text and len(text) < 10 and text.isascii() and text.isdigit() else 0


_Read = TypeVar("_Read")


def parser(tool: str) -> Callable[[Parser], Parser]:
    """Makes of `UnusableOutput`, wherever it is raised, an incomplete diagnosis."""
    return reading(tool, lambda why: Diagnosis(incomplete=why))


def reading(
    tool: str, incomplete: Callable[[str], _Read]
) -> Callable[[Callable[[ToolOutput], _Read]], Callable[[ToolOutput], _Read]]:
    """Makes of `UnusableOutput`, wherever it is raised, what `incomplete` makes of the reason."""

    def wrap(read: Callable[[ToolOutput], _Read]) -> Callable[[ToolOutput], _Read]:
        @functools.wraps(read)
        def parse(said: ToolOutput) -> _Read:
            try:
                return read(said)
            except UnusableOutput as error:
                # Why it wrote nothing is more telling than that it did.
                why = said.stopped(tool, range(126)) or said.result.reason
                if said.result.exit_code in NOT_STARTED:  # then it has no answer to speak of
                    return incomplete(why)
                return incomplete(f"{error} ({why})" if why else str(error))

        return parse

    return wrap
