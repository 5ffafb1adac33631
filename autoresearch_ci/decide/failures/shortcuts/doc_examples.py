"""Examples in documentation that are run as tests: Python's doctests, and Rust's in comments.

They stand in the code that a repair may edit, so where somebody runs them they are compared as
assertions are: what is asked must still be asked, and expected. An example beside others, or of
something that is gone, is free.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from autoresearch_ci.decide.failures.shortcuts.suite import Shortcut


@dataclass(frozen=True)
class _Example:
    owner: str
    """The function or class that it documents; empty: the file."""
    asks: str
    expects: str
    directive: str
    """How loosely what it prints is compared."""


_DOCTESTED = re.compile(r"\.(?:py[xi]?|md|rst|txt)$")
_OWNER = re.compile(r"\s{0,80}(?:async )?(?:def|class) (\w{1,200})")
_PROMPT = re.compile(r"\s{0,200}>>>(?: (.*))?$")
_MORE = re.compile(r"\s{0,200}\.\.\.(?: (.*))?$")
_OPENED = re.compile(r"\s{0,200}[rRuU]?(?:\"\"\"|''')")
_QUOTES = re.compile(r"\"\"\"|'''")
_FENCE = ("```", "~~~")
_DIRECTIVE = re.compile(r"#\s{0,20}doctest:(.*)$")

_RUST_COMMENT = re.compile(r"\s{0,200}//[/!] ?(.*)$")
_RUST_OWNER = re.compile(
    r"\s{0,80}(?:pub(?:\([^)]{0,80}\))? )?(?:(?:const|async|unsafe|default) )*"
    r"(?:fn|struct|enum|trait|mod|impl|type|macro_rules!|static|union)\b\W{1,20}(\w{1,200})"
)
_NOT_RUN = re.compile(r"\b(?:ignore|no_run|compile_fail|text|console|toml|sh|bash|json|none)\b")
_ASSERTS = re.compile(r"\s{0,80}(?:# )?(?:debug_)?assert\w{0,20}!")


def doc_examples(path: str, was: str | None, now: str | None) -> Iterator[Shortcut]:
    """What examples of a file no longer ask or expect."""
    read = _rust if path.endswith(".rs") else _python if _DOCTESTED.search(path) else None
    if read is None or was is None or now is None:
        return
    old, new = [*read(was)], [*read(now)]
    there = Counter(example for example, _ in new)
    owners = {example.owner for example, _ in new} | _owners(path, now)
    lines = {(example.owner, example.asks): line for example, line in new}
    left = {(example.owner, example.asks): example for example, _ in new}
    for example, line in old:
        there[example] -= 1
        key = example.owner, example.asks
        if there[example] >= 0 or example.owner not in owners:
            continue
        asked = example.asks[:80]
        if key not in left:
            rule, what = "assertion-removed", f"an example is gone: {asked}"
        elif left[key].expects == example.expects:
            rule, what = "assertion-weakened", f"an example is compared otherwise: {asked}"
        else:
            rule, what = "assertion-changed", f"an example expects another result: {asked}"
        yield Shortcut(rule=rule, path=path, line=lines.get(key, line), what=what)


def runs_examples(path: str, tests: Iterable[str]) -> bool:
    """Whether one of the tests with these ids is what stands in a file: pytest tells of the
    examples of `src/a.py` as `src.a::a.f`, and of a page by its name."""
    name = path.removesuffix(".py").replace("/", ".") if path.endswith(".py") else path
    return any(test.startswith((f"{name}::", f"{name}.")) for test in tests)


def asked_in_examples(path: str, text: str) -> str:
    """The examples of a file as a test would ask them: values could come from there, too."""
    if path.endswith(".rs"):
        return "\n".join(example.asks for example, _ in _rust(text))
    examples = _python(text) if _DOCTESTED.search(path) else ()
    return "\n".join(f"assert {e.asks} == {e.expects}" for e, _ in examples if e.expects)


def _owners(path: str, text: str) -> set[str]:
    pattern = _RUST_OWNER if path.endswith(".rs") else _OWNER
    return {"", *(match[1] for line in text.splitlines() if (match := pattern.match(line)))}


def _python(text: str) -> Iterator[tuple[_Example, int]]:
    """Each with the number of its line."""
    owner, start, asks, expects = "", 0, list[str](), list[str]()
    for number, line in enumerate((*text.splitlines(), ""), 1):
        line = _OPENED.sub("", line, count=1) if _OPENED.match(line) else line
        closed = _QUOTES.search(line)
        told = line[: closed.start()] if closed else line
        prompt = _PROMPT.match(told)
        ends = not told.strip() or told.strip().startswith(_FENCE)
        if asks and (prompt or ends):
            yield _example(owner, asks, expects), start
            asks, expects = [], []
        if prompt:
            start, asks = number, [prompt[1] or ""]
        elif asks and not expects and (more := _MORE.match(told)):
            asks.append(more[1] or "")
        elif asks:
            expects.append(told.strip())
        elif found := _OWNER.match(told):
            owner = found[1]
        if asks and closed:
            yield _example(owner, asks, expects), start
            asks, expects = [], []


def _example(owner: str, asks: Sequence[str], expects: Sequence[str]) -> _Example:
    told = "".join(match[1].strip() for each in asks if (match := _DIRECTIVE.search(each)))
    asked = " ".join(" ".join(_DIRECTIVE.sub("", each) for each in asks).split())
    return _Example(owner, asked, "\n".join(expects), told)


def _rust(text: str) -> Iterator[tuple[_Example, int]]:
    """The assertions of examples that are run; each documents what comes next."""
    pending: list[tuple[str, int]] = []
    statement, start, runs, fenced = "", 0, False, False
    for number, line in enumerate((*text.splitlines(), "end"), 1):
        if (comment := _RUST_COMMENT.match(line)) is None:
            statement, runs, fenced = "", False, False
            if line.strip() and not line.strip().startswith("#"):
                owner = _RUST_OWNER.match(line)
                yield from ((_Example(owner[1] if owner else "", a, "", ""), n) for a, n in pending)
                pending = []
            continue
        said = comment[1].strip()
        if said.startswith(_FENCE):
            fenced = not fenced
            runs, statement = fenced and not _NOT_RUN.search(said), ""
        elif runs and (statement or _ASSERTS.match(said)):
            start = start if statement else number
            statement = f"{statement} {said}".lstrip()
            if said.endswith(";"):
                pending.append((statement, start))
                statement = ""
