"""Output text, JSON, JUnit or coverage XML -> one number; running the command is measurement's job.

Everything here fails closed: a measurement that is not exactly one finite number, written plainly,
is a `MetricError`, never a guess.
"""

from __future__ import annotations

import json
import math
import re
import statistics
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

OUTPUT_LIMIT = 4 * 2**20
"""Characters of output looked at; of more, the tail. Bounds what a user's regex can cost."""
JSON_LIMIT = 8 * 2**20
"""Characters of JSON; Python objects take some twenty times that."""
XML_LIMIT = 16 * 2**20
"""Bytes of a report."""
XML_TAGS_LIMIT = 1_000_000
"""Tags of a report: some 100 bytes of memory each, however short they are written."""

PICKS: dict[str, Callable[[Sequence[float]], float]] = {
    "first": lambda values: values[0],
    "last": lambda values: values[-1],
    "min": min,
    "max": max,
    "mean": statistics.fmean,
    "median": statistics.median,
}
COUNTS = ("failures", "errors", "failed", "skipped", "passed", "tests", "seconds")

_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[+-]?(?:nan|inf|infinity)", re.IGNORECASE)
_SGR = r"(?:\x1b\[[0-9;:]*m)+"
# A colour around a number is decoration; one inside it (`0.<red>98`) is left there, to be refused.
_COLOUR = re.compile(rf"(?<![0-9.eE+-]){_SGR}|{_SGR}(?![0-9.eE+-])")
_NEWLINE = re.compile(r"\r\n|\r|\n")
_BETWEEN_WORDS = re.compile(r"[\s=|()\[\]{}<>\"'`]+|(?<=[^\W\d]):")
_STARTS_LIKE_A_NUMBER = re.compile(r"\W*\d")
_JSON_STEP = re.compile(r"\.([^.\[\]'\"*]+)|\[(-?[0-9]+)\]|\['([^']*)'\]|\[\"([^\"]*)\"\]")


class MetricError(Exception):
    """The output holds no trustworthy number; `str(error)` is the journal's reason cell.

    Not an `AutoresearchError`: a candidate without a number is a row, and the run goes on.
    """


@dataclass(frozen=True, kw_only=True)
class Extract:
    """Where the number is. The first that is set counts: junit, coverage, json, regex, last_number,
    name; with none set, the output's only `METRIC name=value` line or else its only bare number.
    """

    name: str | None = None
    """As in `name: value` or `METRIC name=value`, alone on a line."""
    regex: str | None = None
    """Its first group is the number; `^` and `$` match at line ends."""
    json: str | None = None
    """`$.a.b[0]['c']` into the whole text, or else into its last line that is a JSON object."""
    file: str | None = None
    """Read this file instead of the output."""
    junit: str | None = None
    """Path of a JUnit XML report."""
    count: str = "failures"
    """One of `COUNTS`; `failed` is failures and errors, `seconds` the sum of the cases' times."""
    coverage: str | None = None
    """Path of a Cobertura XML report; the number is its line rate in percent."""
    last_number: bool = False
    """The last thing that looks like a number; a `%` or punctuation after it is dropped."""
    many: str = "error"
    """What several matches mean: `error`, or one of `PICKS`."""


def report_path(spec: Extract) -> str | None:
    """The file that the caller must read for `extract`; a glob is the caller's to expand."""
    return spec.junit or spec.coverage or spec.file


def extract(output: str, spec: Extract, report: bytes | None = None) -> float:
    """The number that `spec` describes. Raises `MetricError`.

    Colour codes around words are dropped, and a carriage return ends a line as a newline does.
    """
    path = report_path(spec)
    if path is not None and report is None:
        raise MetricError(f"{path} was not written by the metric command")
    if spec.junit is not None:
        return _junit_count(_xml(report or b"", spec.junit), spec)
    if spec.coverage is not None:
        return _line_rate(_xml(report or b"", spec.coverage), spec.coverage)
    text = output if report is None else _decode(report)
    if spec.json is not None:
        return _json_number(text, spec.json)
    return _text_number(_tail(text), spec)


def named_numbers(output: str) -> dict[str, float]:
    """Every `name: value` or `METRIC name=value` line whose name occurs once, with a number."""
    found: dict[str, float | None] = {}
    for name, text in _named_lines(_tail(output)):
        try:
            found[name] = None if name in found else parse_number(text)
        except MetricError:
            found[name] = None
    return {name: value for name, value in found.items() if value is not None}


def parse_number(text: str) -> float:
    """A finite number in plain ASCII: sign, digits, fraction, exponent, and nothing else.

    Raises `MetricError` for `nan`, `inf`, `1e400`, `1,234.5`, `1_000`, `0x1F`, `١٢`, and ``.
    """
    if len(text) > 1000 or not _NUMBER.fullmatch(text):
        raise MetricError(f"{_shown(text)} is not a plain finite number")
    value = float(text)
    if not math.isfinite(value):
        raise MetricError(f"{_shown(text)} is too large for a number")
    return value


def _text_number(text: str, spec: Extract) -> float:
    if spec.regex is not None:
        return _pick(_regex_matches(text, spec.regex), spec.many, f"regex {spec.regex}")
    if spec.last_number:
        return parse_number(_last_number(text))
    if spec.name is not None:
        values = list(_values_of(text, spec.name))
        return _pick(values, spec.many, spec.name, seen=named_numbers(text))
    return _only_number(text, spec.many)


def _pick(texts: Sequence[str], many: str, what: str, seen: Iterable[str] = ()) -> float:
    if not texts:
        others = ", ".join(list(seen)[:5])
        raise MetricError(f"{what} was not printed" + (f"; seen: {others}" if others else ""))
    if len(texts) > 1 and many not in PICKS:
        values = ", ".join(text[:20] for text in texts[:4]) + (", …" if len(texts) > 4 else "")
        raise MetricError(f"{what} printed {len(texts)} times ({values})")
    try:
        numbers = [parse_number(text) for text in texts]
        value = PICKS[many](numbers) if len(numbers) > 1 else numbers[0]
    except MetricError as error:
        raise MetricError(f"{what}: {error}") from error
    except OverflowError:
        value = math.inf
    if not math.isfinite(value):
        raise MetricError(f"{what}: the {many} is too large for a number")
    return value


def _only_number(text: str, many: str) -> float:
    """The number when the configuration says nothing about where it is."""
    metrics = list(_named_lines(text, only_metric=True))
    names = sorted({name for name, _ in metrics})
    if len(names) > 1:
        raise MetricError(
            f"several METRIC lines; set metric.name to one of: {', '.join(names[:5])}"
        )
    if metrics:
        return _pick([value for _, value in metrics], many, names[0])
    bare = [line for line in _lines(text) if _NUMBER.fullmatch(line) or _NOT_FINITE.fullmatch(line)]
    if bare:
        return _pick(bare, many, "a bare number (set metric.name or metric.extract)")
    seen = ", ".join(list(named_numbers(text))[:5])
    raise MetricError(
        f"no number found; set metric.name to one of: {seen}"
        if seen
        else "no number found; print `METRIC name=value` or set metric.extract"
    )


def _lines(text: str) -> Iterator[str]:
    for line in _NEWLINE.split(text):
        yield line.strip(" \t")


def _named_lines(text: str, *, only_metric: bool = False) -> Iterator[tuple[str, str]]:
    for line in _lines(text):
        keyword, _, rest = line.partition(" ")
        if keyword == "METRIC":
            name, found, value = rest.partition("=")
        elif only_metric:
            continue
        else:
            name, found, value = line.partition(":")
        name = name.strip(" \t")
        if found and 0 < len(name) <= 100:
            yield name, value.strip(" \t")


def _values_of(text: str, name: str) -> Iterator[str]:
    """The text after every `name:` or `METRIC name=`, whether or not it is a number.

    A line `loss: diverged` is a match too: next to `loss: 0.98` it must not go unnoticed.
    """
    for line in _lines(text):
        if name not in line:
            continue
        keyword, _, rest = line.partition(" ")
        body, mark = (rest.strip(" \t"), "=") if keyword == "METRIC" else (line, ":")
        after = body.removeprefix(name).lstrip(" \t")
        if body.startswith(name) and after.startswith(mark):
            yield after[1:].strip(" \t")


def _regex_matches(text: str, regex: str) -> list[str]:
    try:
        pattern = re.compile(regex, re.MULTILINE)
    except re.error as error:
        raise MetricError(f"regex {regex} is not valid: {error}") from error
    if not pattern.groups:
        raise MetricError(f"regex {regex} has no group; put parentheses around the number")
    return [match.group(1) or "" for match in pattern.finditer(text)]


def _last_number(text: str) -> str:
    for line in reversed(_NEWLINE.split(text)):
        for word in reversed(_BETWEEN_WORDS.split(line)):
            word = word.rstrip(".,:;!%")
            if _STARTS_LIKE_A_NUMBER.match(word) or _NOT_FINITE.fullmatch(word):
                return word
    raise MetricError("no number was printed")


class _JsonNumber(str):
    """A number's own text, so that `parse_number` judges it and not the JSON parser."""

    __slots__ = ()


def _json_number(text: str, path: str) -> float:
    value = _load_json(text)
    for step in _json_steps(path):
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError) as error:
            raise MetricError(f"{path}: the JSON has no {step!r} there") from error
    if not isinstance(value, _JsonNumber):
        raise MetricError(f"{path} is a JSON {type(value).__name__}, not a number")
    return parse_number(value)


def _json_steps(path: str) -> Iterator[str | int]:
    rest = path.removeprefix("$") if path.startswith("$") else f".{path}"
    while rest:
        step = _JSON_STEP.match(rest)
        if step is None:
            raise MetricError(f"{path}: only steps like $.a.b[0]['c'] are understood")
        key, index, *quoted = step.groups()
        yield int(index) if index is not None else next(k for k in (key, *quoted) if k is not None)
        rest = rest[step.end() :]


def _load_json(text: str) -> Any:
    if len(text) > JSON_LIMIT:
        raise MetricError(f"more than {JSON_LIMIT >> 20} MiB of JSON")
    try:
        return _parse_json(text)
    except json.JSONDecodeError:
        pass
    for line in reversed(_NEWLINE.split(text)):
        if line.lstrip().startswith(("{", "[")):
            try:
                return _parse_json(line)
            except json.JSONDecodeError:
                continue
    raise MetricError("no JSON in the output")


def _parse_json(text: str) -> Any:
    try:
        return json.loads(
            text,
            parse_int=_JsonNumber,
            parse_float=_JsonNumber,
            parse_constant=_JsonNumber,
            object_pairs_hook=_distinct,
        )
    except RecursionError as error:
        raise MetricError("the JSON is nested too deeply") from error


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise MetricError("the JSON has the same key twice in one object")
    return found


def _xml(report: bytes, path: str) -> Element:
    """The report's root element; entities are refused, and nothing outside the report is read."""
    from xml.etree.ElementTree import ParseError

    import defusedxml.ElementTree

    if len(report) > XML_LIMIT:
        raise MetricError(f"{path} is larger than {XML_LIMIT >> 20} MiB")
    if report.count(b"<") > XML_TAGS_LIMIT:
        raise MetricError(f"{path} has more than {XML_TAGS_LIMIT} tags")
    try:
        # A bare DOCTYPE stays allowed: Cobertura reports carry one.
        root: Element = defusedxml.ElementTree.fromstring(report)
    except (ParseError, ValueError, LookupError) as error:  # LookupError: an unknown encoding
        raise MetricError(f"{path} is not usable XML: {error}") from error
    return root


def _junit_count(root: Element, spec: Extract) -> float:
    """Counted from the cases themselves, with nested suites; the totals only have to agree."""
    from junitparser import TestCase

    if root.tag not in ("testsuites", "testsuite"):
        raise MetricError(f"{spec.junit} is not a JUnit report: its root is <{root.tag[:40]}>")
    elements = list(root.iter("testcase"))
    if not elements:
        raise MetricError(
            f"{spec.junit} lists no test: tests that do not run are not passing tests"
        )
    listed = sum(1 for case in elements for child in case if child.tag in ("failure", "error"))
    if _declared_bad(root) > listed:
        raise MetricError(f"{spec.junit} announces {_declared_bad(root)} bad tests, lists {listed}")
    if spec.count == "seconds":
        return math.fsum(_case_seconds(case, spec.junit) for case in elements)
    cases = [TestCase.fromelem(element) for element in elements]  # type: ignore[no-untyped-call]
    wanted: dict[str, Callable[[Any], bool]] = {
        "failures": lambda case: case.is_failure,
        "errors": lambda case: case.is_error,
        "failed": lambda case: case.is_failure or case.is_error,
        "skipped": lambda case: case.is_skipped,
        "passed": lambda case: case.is_passed,
        "tests": lambda case: True,
    }
    if spec.count not in wanted:
        raise MetricError(f"count {spec.count} is not one of: {', '.join(COUNTS)}")
    return float(sum(1 for case in cases if wanted[spec.count](case)))


def _declared_bad(root: Element) -> int:
    """Failures and errors that the totals announce: a suite can fail without listing a case."""
    tops = [root] if "failures" in root.attrib or "errors" in root.attrib else list(root)
    totals = [top.get(name, "") for top in tops for name in ("failures", "errors")]
    return sum(int(total) for total in totals if re.fullmatch("[0-9]{1,9}", total))


def _case_seconds(case: Element, path: str | None) -> float:
    try:
        return parse_number(case.get("time", ""))
    except MetricError as error:
        raise MetricError(f"{path}: {case.get('name', '?')[:60]} has no time: {error}") from error


def _line_rate(root: Element, path: str) -> float:
    text = root.get("line-rate")
    if root.tag != "coverage" or text is None:
        raise MetricError(f"{path} is not a Cobertura report: no <coverage line-rate>")
    if not 0 <= parse_number(text) <= 1:
        raise MetricError(f"{path}: line-rate {text} is not between 0 and 1")
    if root.get("lines-valid") == "0":
        raise MetricError(f"{path} covers no line at all")
    return float(Decimal(text) * 100)  # in decimal, so that 0.8532 is 85.32


def _tail(text: str) -> str:
    if len(text) > OUTPUT_LIMIT:
        text = text[-OUTPUT_LIMIT:].partition("\n")[2]
    return _COLOUR.sub("", text) if "\x1b" in text else text


def _decode(report: bytes) -> str:
    return report.decode("utf-8-sig", errors="replace")


def _shown(text: str) -> str:
    return ascii(text if len(text) <= 40 else text[:39] + "…")
