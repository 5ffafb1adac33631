"""A goal in plain words -> what is offered for it; pure, and the same each time.

The first rule whose words stand in the goal is taken, so the narrow ones come first.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from autoresearch_ci.plan import offers
from autoresearch_ci.plan.offers import Offer
from autoresearch_ci.plan.stack import Stack


@dataclass(frozen=True, kw_only=True)
class GoalRule:
    """What a kind of goal is measured by."""

    name: str
    words: re.Pattern[str]
    make: Callable[[Stack], Iterator[Offer]]
    needs: str
    """What a repository lacks for which nothing can be offered."""


Make = Callable[[Stack], Iterator[Offer]]


def _rule(name: str, words: tuple[str, ...], make: Make, needs: str) -> GoalRule:
    return GoalRule(name=name, words=re.compile("|".join(words), re.I), make=make, needs=needs)


def _printed(words: str, *, tools: bool = True) -> Callable[[Stack], Iterator[Offer]]:
    """What benchmarks print by such a name. `tools`: else what a tool says of an operation, whose
    time is the inverse of how many there are in a second."""

    def make(stack: Stack) -> Iterator[Offer]:
        named = tuple(
            replace(each, name=name)
            for each in stack.benchmarks
            for name in each.names
            if re.search(words, name, re.I)
        )
        timed = tuple(each for each in stack.benchmarks if tools and each.is_tool)
        yield from offers.benchmark_runs(replace(stack, benchmarks=named or timed))

    return make


def _speed(stack: Stack) -> Iterator[Offer]:
    yield from offers.benchmark_runs(stack)
    yield from offers.suite_time(stack)


def _smaller(stack: Stack) -> Iterator[Offer]:
    yield from offers.binary(stack)
    yield from offers.bundle(stack)


def _warnings(stack: Stack) -> Iterator[Offer]:
    yield from offers.lint(stack)
    yield from offers.compiler_warnings(stack)


_A_BENCHMARK = "a command that measures it and prints `name: value`; say --metric and --metric-name"
_A_SUITE = "tests whose runner is known"
_PAGES = r"\b(readme|docs|documentation|pages?|guides?|manual)\b"
_DOCUMENTED = r"\b(public|functions?|class(es)?|methods?|modules?|names?|api)\b"
_TESTS = (
    r"(\btests?\b(?! (loss|data|set|image|error|score|accuracy))|\b(py)?test[ -]?(suite|run)"
    r"|\bpytest\b|\bsuite\b|\bci\b)"
)
_NEAR = r"(?:(?!\b(and|pass|passing|green)\b).)*"
_NOT_WORK = r"^(?!.*\b(builds?|compilation|compile|compiles|start-?up|installs?|deploys?)\b)"
"""What is fast before anything that a benchmark or a test runs."""
RULES = (
    _rule(
        "val_bpb",
        (r"val_bpb", r"bits.per.byte", r"validation loss", r"better (language )?model\b"),
        offers.training,
        "a train.py that prints val_bpb",
    ),
    _rule(
        "docs coverage",
        (
            r"doc(s|string|umentation)?s?.coverage",
            r"docstring",
            r"undocumented",
            rf"\bdocument\b(?!.* and (?!(\w+ )?{_DOCUMENTED})).*{_DOCUMENTED}",
            rf"{_DOCUMENTED}.*\b(un)?documented\b",
        ),
        offers.docstrings,
        "Python sources",
    ),
    _rule(
        "coverage",
        (r"coverage", r"\bcovered\b", r"untested", r"\bcover\b.*\b(lines|code|branches)\b"),
        offers.coverage,
        "tests of pytest, unittest, vitest, jest, go or cargo, or nyc or c8 in a script of "
        "package.json",
    ),
    _rule(
        "type errors",
        (
            r"\btyp(e|ing)s?\b.*(error|check|clean|safe)",
            r"\btypescript (\w+ )?errors?\b|\berrors? (of|in) (the |our )?typescript\b",
            r"\bmypy\b",
            r"pyright",
            r"\btsc\b",
        ),
        offers.type_errors,
        "settings of mypy, pyright or TypeScript",
    ),
    _rule(
        "warnings of pages",
        (r"mkdocs", r"sphinx", r"(docs?|documentation|pages?|site)\b.*\bwarnings?", r"docs? build"),
        offers.page_warnings,
        "mkdocs.yml, or a folder docs with Sphinx's conf.py",
    ),
    _rule(
        "lint",
        (r"\blint", r"\bruff\b", r"eslint", r"clippy", r"warnings?\b"),
        _warnings,
        "settings of a linter that is known, or CMake",
    ),
    _rule(
        "bundle size",
        (
            r"bundle",
            r"\bless (js\b|javascript)",
            r"(size|small).*\bdownload|\bdownload size",
            r"\bdist\b",
            r"(\bjs\b|javascript|asset|package|npm).*(size|small)",
            r"(small|size).*(\bjs\b|javascript|package)",
        ),
        offers.bundle,
        "a script `build` in package.json, and in its `main` or `files` what that writes: a folder "
        "such as dist, or a file that it names",
    ),
    _rule(
        "binary size",
        (
            r"(binary|executable|program|library|object).*(size|small|big|strip|footprint)",
            r"(size|small\w*|shrink).*(binary|executable|program|library|object)",
        ),
        _smaller,
        "a build of a program (of C and C++ also a library) that is neither example nor test: "
        "src/main.rs, main.go, CMake, a Makefile; or of JavaScript a script `build`",
    ),
    _rule(
        "readability",
        (
            r"readab",
            r"easier to read",
            rf"{_PAGES}.*\b(easier|clearer|understand)",
            rf"\b(clearer|simpler|simplify)\b.*{_PAGES}",
            r"plain (english|language)",
            r"\bsimpl(e|er|ify) (the |our |its )?(language|words|wording)\b(?! server)",
            r"flesch",
            r"reading (ease|level)",
        ),
        offers.readability,
        "pages in Markdown",
    ),
    _rule("links", (r"\blinks?\b(?! time)",), offers.links, "pages in Markdown"),
    _rule("spelling", (r"spell", r"typos?\b"), offers.spelling, "pages in Markdown"),
    _rule(
        "complexity",
        (r"complex|complicated", r"cyclomatic", r"simpler", r"simplif"),
        offers.complexity,
        "sources of one language",
    ),
    _rule(
        "TODO count",
        (r"\btodos?\b", r"fixme", r"tech(nical)?.debt"),
        offers.marks,
        "sources of one language",
    ),
    _rule(
        "SQL",
        (r"\bsql\b", r"\bquer(y|ies)\b"),
        offers.sql,
        "files of SQL that SQLite understands",
    ),
    _rule(
        "memory",
        (r"memory", r"\brss\b", r"\bram\b", r"footprint"),
        offers.memory,
        "a benchmark (of Go, `func Benchmark`), or tests of Python or Node, which are their "
        "runner's process; `autoresearch-ci score time -- CMD` prints `peak_memory_mb`",
    ),
    _rule("notebooks", (r"notebooks?\b",), offers.notebooks, "notebooks"),
    _rule(
        "percentile",
        (r"\bp\d\d\b", r"percentile", r"\btail latenc"),
        _printed(r"p\d\d(?!\d)", tools=False),
        "a command that measures it and prints `p95: value`; say --metric and --metric-name",
    ),
    _rule(
        "latency",
        (r"latency", r"response time"),
        _printed(r"latency|ms$"),
        _A_BENCHMARK,
    ),
    _rule(
        "throughput",
        (r"throughput", r"(per|a|each) second", r"\b[rq]ps\b", r"\w/s(ec)?\b"),
        _printed(r"per_sec|throughput|rps|qps|ops|/s"),
        _A_BENCHMARK,
    ),
    _rule(
        "Lighthouse",
        (
            r"lighthouse",
            r"web vitals",
            r"page speed",
            r"\blcp\b",
            r"\b(web)?(page|site)s?\b.*\bload",
        ),
        offers.lighthouse,
        "lighthouse in package.json, and an index.html or a script `build` that writes one",
    ),
    _rule(
        "test time",
        (
            rf"{_TESTS}{_NEAR}(time|fast|quick|speed|slow|\blong|duration|second|minute)",
            r"\b(fast|quick|speed|slow|shorten)\w*"
            rf"( (?!(and|that|so|for|on|in|than|as)\b)\S+){{0,5}} {_TESTS}",
            r"\b(time|long|duration|seconds|minutes)( (of|for|to|run|running|spent (in|on)|it"
            rf"|takes?|taken by|that|the|our|all|whole|unit))* {_TESTS}",
        ),
        offers.suite_time,
        _A_SUITE,
    ),
    _rule(
        "speed",
        (
            rf"{_NOT_WORK}.*(\bfast(er|est)?\b|speed|slow|quick|run ?time|performan|optimi[sz]e"
            r"|seconds|\bcpu\b)",
        ),
        _speed,
        f"a benchmark or {_A_SUITE}",
    ),
)


def rule_for(goal: str) -> GoalRule | None:
    """The first whose words stand in it; what only must not get worse is not the goal."""
    parts = _CLAUSES.split(goal)
    aims = [part for part in parts if not _CONDITION.search(part)] or parts[:1]
    found = (rule for aim in aims for rule in RULES if rule.words.search(aim))
    return next(found, None)


_CLAUSES = re.compile(
    r"[,;](?=\s)|[.!](?=\s|$)|\s+(?=without\b|while\b|but\b|yet\b|(?:and )?keep(?:s|ing)?\b)|\n",
    re.I,
)
_CONDITION = re.compile(
    r"^\s*(?:(?:without (?!spelling|typing)(?:\w+ing|any|new|more|fewer|worse|loss|change)"
    r"|while|but|yet|(?:and )?keep(?:s|ing)?|no(?! more))\b|$)"
    r"|\bmust(?! (?:be|become|get) \w+er\b)|\b(?:may|should|shall|can|do|does) ?n(?:o|'?)t\b"
    r"|\b(?:stays?|remains?|still (?:pass|work|hold|be)|same|never|nothing|unchanged)\b",
    re.I,
)


def offers_for(goal: str, stack: Stack) -> list[Offer]:
    """What the rules have for it, with its words as goal and its target."""
    rule = rule_for(goal)
    found = rule.make(stack) if rule else ()
    if rule and rule.name == "percentile":  # another one is another number
        told = _PERCENTILE.search(goal)
        asked = re.compile(f"p{told[1] or told[2] if told else '9.'}", re.I)
        found = (offer for offer in found if asked.search(str(offer.metric["name"])))
    return [_aimed(replace(offer, goal=goal), goal) for offer in found]


_PERCENTILE = re.compile(r"\bp(\d\d)\b|\b(\d\d)(?:th)?[ -]percentile", re.I)


def usual_offers(stack: Stack) -> list[Offer]:
    """What is offered where nobody says a goal, the likeliest first."""
    words: tuple[Make, ...] = (offers.readability, offers.links, offers.page_warnings)
    sizes: tuple[Make, ...] = (offers.bundle, offers.binary)
    speed: tuple[Make, ...] = (offers.benchmark_runs, offers.suite_time)
    lint: tuple[Make, ...] = () if stack.main == "Go" else (offers.lint,)  # go test vets already
    counts: tuple[Make, ...] = (offers.sql, offers.type_errors, *lint, offers.complexity)
    if stack.main in ("docs", "prompts"):
        makers = (*words, *speed, *sizes)
    elif stack.main == "notebooks":
        makers = (offers.benchmark_runs, offers.notebooks, *words)
    elif stack.main == "SQL":
        makers = (offers.sql, *speed, *words)
    elif stack.is_of_node:
        makers = (offers.benchmark_runs, *sizes, offers.suite_time, *counts, *words)
    else:
        makers = (offers.training, *speed, *sizes, *counts, offers.coverage, *words)
    found = [_calm(offer) for make in makers for offer in make(stack)]
    more = [offer for offer in found if offer.title == "benchmarks"][_BENCHMARKS:]
    return [*(offer for offer in found if offer not in more), *more]


_BENCHMARKS = 3
"""That come first: where none of them works, the next will hardly, and another number may."""


def _calm(offer: Offer) -> Offer:
    """By the processor's clock, which other jobs on the machine disturb less."""
    if offer.metric.get("name") != "seconds" or offers.SCORE not in offer.metric["command"]:
        return offer
    return replace(offer, metric={**offer.metric, "name": "cpu_seconds"})


_TARGET = re.compile(r"(?:\bto|above|at least|over|reach\w*|>=?)\s+(\d+(?:\.\d+)?)\s*%", re.I)


def _aimed(offer: Offer, goal: str) -> Offer:
    """With the percentage that is to be reached, where the number is one."""
    match = _TARGET.search(goal)
    is_percentage = re.search("coverage|percent", f"{offer.title} {offer.metric.get('name')}")
    if match and is_percentage:
        return replace(offer, metric={**offer.metric, "target": float(match[1])})
    return offer
