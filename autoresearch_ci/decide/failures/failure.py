"""A failure: one thing that is broken, under an id that outlives the edits around it.

CORE: values in, values out. What a tool prints becomes problems elsewhere (measure/diagnostics/);
whether a set of failures is better than another is objective.py's business.
"""

from __future__ import annotations

import functools
import hashlib
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from autoresearch_ci.decide.failures.lost_tests import SuiteResult, stable
from autoresearch_ci.experiment import RankedWord


class Category(RankedWord):
    """What is broken, most pressing first: nothing later can be relied on before it is mended."""

    BUILD = "build"
    """It does not parse, resolve, compile, link, or cannot be collected."""
    CRITICAL = "critical"
    """A bug that will go off: an undefined name, a hole with a high severity."""
    TYPE = "type"
    TEST = "test"
    LINT = "lint"
    WARNING = "warning"


MACHINE = "machine"
"""The code of a failure whose words are those of the machine, and none of a file's text."""
ENDED_EARLY = "ended-early"
"""The code of a run of tests that stopped on its way: nobody knows of those that were to come."""
PLAN = "all planned tests run"
"""A test that no author wrote: a program that ends early is broken, and not only blind."""


@dataclass(frozen=True, kw_only=True)
class Problem:
    """What a tool said of one place, before it is known how often it said so."""

    category: Category
    path: str
    """Relative to the repository root, `/` between parts; empty: of no file."""
    message: str
    line: int = 0
    """1-based; 0: not told."""
    column: int = 0
    """As the tool counts; only tells two problems of one line apart."""
    code: str = ""
    """The tool's own word for the rule; empty: it has none."""
    name: str = ""
    """A test's own id, which then stands for the problem whatever is said of it."""


@dataclass(frozen=True, kw_only=True)
class Failure:
    """One thing that is broken."""

    category: Category
    tool: str
    id: str
    """The same as long as it is the same thing: no line number, no count, no place on a disk."""
    path: str
    line: int
    code: str
    message: str
    urgency: int = 0
    """Within its category; 0 is the most pressing."""


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """What one tool said of one tree."""

    failures: tuple[Failure, ...] = ()
    incomplete: str = ""
    """Why this may not be all of it (a crash, a missing tool, an early stop); empty: it is all."""
    suite: SuiteResult | None = None
    """How each test ended, where the tool runs tests."""


def identified(tool: str, problems: Iterable[Problem]) -> tuple[Failure, ...]:
    """Problems as failures, in their order; what was said twice of one place is one.

    Several with the same path, code and words in one file are told apart by their number in order
    of place. So when one of three is mended, it is the third that is gone, whichever it was.
    """
    once = list(dict.fromkeys(problems))
    keys = {problem: _key(tool, problem) for problem in once}
    seen: Counter[str] = Counter()
    ids = {}
    for problem in sorted(once, key=lambda problem: (problem.line, problem.column)):
        key = keys[problem]
        seen[key] += 1
        ids[problem] = key if seen[key] == 1 else f"{key}#{seen[key]}"
    return tuple(
        Failure(
            category=problem.category,
            tool=tool,
            id=ids[problem],
            path=problem.path,
            line=problem.line,
            code=problem.code,
            message=problem.message,
        )
        for problem in once
    )


_PLAIN = re.compile(r"[A-Za-z0-9_ ./:#\[\](),=+-]{2,200}")


def journal_id(failure_id: str) -> str:
    """An id as it can stand in a cell of the journal: itself, or what a hash tells apart."""
    if _PLAIN.fullmatch(failure_id) and failure_id == failure_id.strip():
        return failure_id
    plain = "".join(c if _PLAIN.fullmatch(c * 2) else "_" for c in failure_id)[:180]
    name = hashlib.sha256(failure_id.encode(errors="replace")).hexdigest()[:10]
    return f"{plain.strip()}~{name}"


_MENDED_ROOM = 400
"""Characters of a cell of the journal; its limit is 500."""


def mended_cell(ids: Sequence[str]) -> str:
    """The failures that are gone by a repair, in one cell: as many as fit, and how many more."""
    told: list[str] = []
    room = _MENDED_ROOM
    for name in ids:
        room -= len(name) + 2
        if room < 0 and told:
            return "; ".join([*told, f"+{len(ids) - len(told)}"])
        told.append(name)
    return "; ".join(told)


def mended_ids(cell: str) -> tuple[list[str], int]:
    """What `mended_cell` wrote: ids, and how many more there were."""
    *ids, last = cell.split("; ")
    if ids and (found := re.fullmatch(r"\+([0-9]{1,9})", last)):
        return ids, int(found[1])
    return [name for name in (*ids, last) if name], 0


def _key(tool: str, problem: Problem) -> str:
    if problem.name:
        return f"{tool}:{stable(problem.name)}"
    # Of a collision only the hash of the words would be to blame; path and code stay readable.
    words = hashlib.sha256(essence(problem.message).encode(errors="replace")).hexdigest()[:10]
    return ":".join((tool, problem.path, problem.code, words))


@functools.lru_cache(maxsize=8192)  # asked of the same failures in every iteration
def essence(message: str) -> str:
    """The words of a message that stay when lines are added above or a value drifts.

    A number by itself is dropped (`line 12`, `105 > 100`, `got 3`), one within a name is not
    (`x1`, `utf8`, `'3'`), nor is what stands in quotes.
    """
    text = stable(message)
    text = _PLACE.sub("", text)
    text = "".join(part if quoted else _NUMBER.sub("0", part) for part, quoted in _by_quotes(text))
    return " ".join(text.split())


_PLACE = re.compile(r"(?<=\S):[0-9]+(?::[0-9]+)?\b|\b[Ll]ines? [0-9]+(?:[-:, ]+[0-9]+)*")
_NUMBER = re.compile(r"(?<![\w'\"`.])[0-9]+(?:\.[0-9]+)?(?![\w'\"`])")
_QUOTED = re.compile(r"(?<!\w)([\"'`])(?:(?!\1).){1,200}\1|‘[^’]{1,200}’|“[^”]{1,200}”")


def _by_quotes(text: str) -> Iterable[tuple[str, bool]]:
    end = 0
    for match in _QUOTED.finditer(text):
        yield text[end : match.start()], False
        yield match.group(), True
        end = match.end()
    yield text[end:], False


_CASCADES = re.compile(
    r"syntax|unexpected (token|indent|end|eof)|unterminated|expected (an? )?['\"`]?[;:)}\]]"
    r"|no module named|cannot find (module|package|symbol|crate|name|type)|unresolved import"
    r"|could not (find|resolve|compile)|no such file|not found|undefined (name|reference|symbol)"
    r"|undeclared|does not exist|no exported member|has no (attribute|member)|is not defined"
    r"|cannot import|implicit declaration|missing (import|module|package)",
    re.IGNORECASE,
)
"""Words of a failure that others tend to follow from: a name, a module or a bracket is missing."""


def ordered(failures: Iterable[Failure]) -> list[Failure]:
    """What to mend first: by category and urgency; then what others follow from, then the easiest,
    then what lies in the same file.

    Others follow from what is said in the same words at several places, and from a missing name or
    bracket. Easy is what has a place, in a file that little else is wrong with.
    """
    everything = list(failures)
    said = Counter((f.tool, f.code, essence(f.message)) for f in everything)
    in_file = Counter(f.path for f in everything)

    def key(failure: Failure) -> tuple[object, ...]:
        follows = said[failure.tool, failure.code, essence(failure.message)]
        # That a test file cannot be loaded follows from what it loads.
        result = failure.category is Category.TEST or failure.code == "collection"
        causes = not result and _cascades(failure.message)
        return (
            failure.category.rank,
            failure.urgency,
            not causes,
            -follows if causes else 0,
            not (failure.path and failure.line),
            in_file[failure.path],
            failure.path,
            failure.line,
            failure.id,
        )

    return sorted(everything, key=key)


@functools.lru_cache(maxsize=8192)
def _cascades(message: str) -> bool:
    return _CASCADES.search(message) is not None


def counts(failures: Iterable[Failure]) -> Mapping[Category, int]:
    """By category, all of them, in their order."""
    found = Counter(failure.category for failure in failures)
    return {category: found[category] for category in Category}


def asked_for(failure: Failure, categories: Collection[str]) -> bool:
    """Whether it is of the kinds that are named, or of those that count where none is.

    A warning is what its own tool lets pass: it counts where somebody asks for warnings.
    """
    if categories:
        return failure.category in categories
    return failure.category is not Category.WARNING


def ranked(diagnosis: Diagnosis, exit_code: int) -> Diagnosis:
    """By what its tool does: what it lets pass is a warning, what it fails for alone is none."""
    if exit_code == 0:
        return _with(diagnosis, Category.LINT, Category.WARNING)
    if all(failure.category is Category.WARNING for failure in diagnosis.failures):
        return _with(diagnosis, Category.WARNING, Category.LINT)
    return diagnosis


def _with(diagnosis: Diagnosis, old: Category, new: Category) -> Diagnosis:
    failures = (
        replace(failure, category=new) if failure.category is old else failure
        for failure in diagnosis.failures
    )
    return replace(diagnosis, failures=tuple(failures))


def summary(failures: Sequence[Failure]) -> str:
    """`2 build, 11 test`; `nothing` when there is none."""
    told = [f"{number} {category}" for category, number in counts(failures).items() if number]
    return ", ".join(told) or "nothing"
