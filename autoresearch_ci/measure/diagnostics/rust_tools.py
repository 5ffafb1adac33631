"""What cargo says: the compiler's and clippy's messages, and the tests of libtest."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

from autoresearch_ci.decide.failures.failure import Category, Diagnosis, Problem
from autoresearch_ci.decide.failures.lost_tests import SuiteResult
from autoresearch_ci.measure.diagnostics.adapter import (
    Adapter,
    JsonObject,
    ToolOutput,
    UnusableOutput,
    diagnosis,
    line_number,
    objects,
    parser,
)

_ENDED = (0, 101)
"""101: something did not compile, or a test failed."""
_SUMMARY = re.compile(
    r"aborting due to|could not compile|\d+ warnings? emitted|for more information|some errors have"
)


def _built(said: ToolOutput) -> tuple[list[Problem], bool]:
    """What the compiler said until it had ended, and if it went well. Raises `UnusableOutput`."""
    problems: list[Problem] = []
    for event in said.json_lines("cargo"):
        if event.get("reason") == "compiler-message":
            problems += _message(said, event.mapping("message"))
        elif event.get("reason") == "build-finished":
            return problems, event.get("success") is True  # what follows is of the tests
    raise UnusableOutput("cargo did not say that its build had ended")


def _message(said: ToolOutput, message: JsonObject) -> Iterator[Problem]:
    level, text = message.text("level"), message.text("message")
    if _SUMMARY.match(text) or not level.startswith(("error", "warning")):
        return
    rule = message.mapping("code").code("code") if message.get("code") is not None else ""
    category = _category(level, rule)
    if category is Category.BUILD and not rule:
        rule = _unnamed(text)
    spans = objects(message.get("spans", []), "spans")
    place = next((span for span in spans if span.get("is_primary") is True), JsonObject())
    where = (place.text("file_name"), place.number("line_start"), place.number("column_start"))
    yield said.problem(category, *where, code=rule, message=text)


def _category(level: str, rule: str) -> Category:
    if level.startswith("error") and (not rule or re.fullmatch(r"E\d{4}", rule)):
        return Category.BUILD
    if level.startswith("error") or rule.startswith("clippy::"):
        return Category.LINT
    return Category.WARNING


def _unnamed(text: str) -> str:
    """What kind of error has no code."""
    if text.startswith("linking with"):
        return "link"
    return "import" if re.match(r"cannot find|can't find crate", text) else "syntax"


@parser("cargo")
def read_cargo(said: ToolOutput) -> Diagnosis:
    problems, well = _built(said)
    return diagnosis("cargo", problems, _gap(said, problems, well))


def _gap(said: ToolOutput, problems: list[Problem], well: bool) -> str:
    if why := said.stopped("cargo", _ENDED):
        return why
    if not well and not any(p.category in (Category.BUILD, Category.LINT) for p in problems):
        return f"cargo names no error, and yet: {said.result.reason or 'its build failed'}"
    return ""


# --- cargo test -----------------------------------------------------------------------------------

_RUNNING = re.compile(r"(?m)^running (\d{1,6}) tests?$")
_RAN = re.compile(
    r"(?m)^test (?P<name>\S[^\n]{0,400}?)(?: - should panic)? \.\.\. (?P<end>[^\n]*)$"
)
_RESULT = re.compile(r"(?m)^test result: (?:ok|FAILED)\. (\d{1,6}) passed; (\d{1,6}) failed;")
_DETAIL = re.compile(r"(?m)^---- (\S[^\n]{0,400}) stdout ----$")
_PANICKED = re.compile(r"panicked at (?:'.*', )?(\S{1,300}):(\d+):(\d+)")


@parser("cargo test")
def read_cargo_test(said: ToolOutput) -> Diagnosis:
    problems, well = _built(said)
    outcomes: dict[str, str] = {}
    gaps: list[str] = []
    text = said.stdout
    starts = list(_RUNNING.finditer(text))
    for start, after in itertools.zip_longest(starts, starts[1:]):
        end = after.start() if after else len(text)
        problems += _binary(said, text[start.end() : end], int(start[1]), outcomes, gaps)
    incomplete = _gap(said, problems, well) if not starts else said.stopped("cargo", _ENDED)
    if well and not outcomes and not incomplete:
        incomplete = "cargo test lists no test: tests that do not run are not passing tests"
    if not incomplete and gaps:
        incomplete = gaps[0]
    incomplete = incomplete or said.untold("cargo test", problems, "names no failure")
    return diagnosis("cargo test", problems, incomplete, SuiteResult(of=outcomes) if well else None)


def _binary(
    said: ToolOutput, text: str, count: int, outcomes: dict[str, str], gaps: list[str]
) -> Iterator[Problem]:
    """The tests of one program; its name is told on another stream, so a name that two of them
    have is numbered."""
    details = {match[1]: text[match.end() :][:4000] for match in _DETAIL.finditer(text)}
    listed, _, _ = text.partition("\nfailures:\n")
    found = list(_RAN.finditer(listed))
    result = _RESULT.search(text)
    bad = [match for match in found if match["end"].startswith("FAILED")]
    if len(found) != count or result is None or line_number(result[2]) != len(bad):
        gaps.append(f"{len(found)} of {count} tests of a program ended with a word of their own")
    for match in found:
        name, number = match["name"], 2
        while name in outcomes:
            name, number = f"{match['name']} #{number}", number + 1
        outcomes[name] = _end(match["end"])
        if outcomes[name] != "failed":
            continue
        told = _DETAIL.split(details.get(match["name"], ""))[0]
        place = _PANICKED.search(told)
        words = said.words(told.partition("stack backtrace:")[0]) or "failed without a word"
        where = (place[1], place[2]) if place else ("",)
        yield said.problem(Category.TEST, *where, message=words, name=name)


def _end(word: str) -> str:
    if word.startswith("ok"):
        return "passed"
    if word.startswith("FAILED"):
        return "failed"
    return "skipped" if word.startswith("ignored") else "not run"


ADAPTERS = (
    Adapter(
        tool="cargo",
        parse=read_cargo,
        command="cargo clippy --workspace --all-targets --quiet --message-format=json",
        categories=(Category.BUILD, Category.LINT, Category.WARNING),
        writes="--message-format=json",
    ),
    Adapter(
        tool="cargo test",
        parse=read_cargo_test,
        command="cargo test --workspace --no-fail-fast --message-format=json",
        categories=(Category.BUILD, Category.TEST, Category.LINT, Category.WARNING),
        writes="--no-fail-fast --message-format=json",
    ),
)
