"""What makes failures go away in a change without mending anything; runs nothing.

CORE: contents before and after -> findings, each with rule, file, line and how to allow it. What
plays against a number that is measured is gaming.py's business.

Not promised: tests of other languages than Python are read by their text, and text can be written
so that no reading finds out what it does; values that are right for one test only are recognised
where they stand in the code as they stand in the test, and an argument is compared in an ordinary
way (what code answers beside a test's inputs is neighbours.py's business). Tests are frozen unless
scope names them: this is for those that it names, and for examples that stand in code.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TypeVar

from autoresearch_ci.decide.failures.shortcuts.doc_examples import (
    asked_in_examples,
    doc_examples,
)
from autoresearch_ci.decide.failures.shortcuts.equality import own_equality
from autoresearch_ci.decide.failures.shortcuts.fallback_values import fallback_values
from autoresearch_ci.decide.failures.shortcuts.hardcoded import hardcoded
from autoresearch_ci.decide.failures.shortcuts.hardcoded_arithmetic import corrected
from autoresearch_ci.decide.failures.shortcuts.literals import (
    SOURCE,
    plain_literals,
    plain_numbers,
)
from autoresearch_ci.decide.failures.shortcuts.other_tests import (
    RUST_TESTS,
    UNREAD,
    language_of,
    tests_in,
    text_suite,
)
from autoresearch_ci.decide.failures.shortcuts.pipeline_steps import CHECKER, PIPELINE
from autoresearch_ci.decide.failures.shortcuts.python_tests import python_suite
from autoresearch_ci.decide.failures.shortcuts.strictness import lowered
from autoresearch_ci.decide.failures.shortcuts.subjects import replaced
from autoresearch_ci.decide.failures.shortcuts.suite import Shortcut, Suite, Test, loosened
from autoresearch_ci.decide.failures.shortcuts.swallowed import swallowed
from autoresearch_ci.decide.failures.shortcuts.time_limits import longer
from autoresearch_ci.decide.gaming import ENDS, PATCHES, RUNS_TESTS, knows_of_tests
from autoresearch_ci.decide.python_syntax import deep
from autoresearch_ci.decide.suppressions import added
from autoresearch_ci.experiment import Texts

RULES = (
    *("test-removed", "test-skipped", "assertion-removed", "assertion-weakened"),
    *(
        "assertion-changed",
        "tolerance-widened",
        "cases-removed",
        "subject-mocked",
        "subject-replaced",
    ),
    *("timeout-raised", "error-swallowed", "failure-ignored", "install-forced"),
    *("strictness-lowered", "vendored-patch", "value-hardcoded", "code-deleted"),
    *("type-unchecked", "scanner-silenced", "test-recognised", "unreadable"),
)
"""By which a finding can be allowed, alone or with a path: `timeout-raised:tests/test_a.py`."""
BYTES_LIMIT = 512_000
"""Of one file; a larger one is not read, and says so where it holds tests."""


def shortcuts(
    before: Texts,
    after: Texts,
    *,
    tests: Mapping[str, bytes] | None = None,
    allow: Collection[str] = (),
    runs_examples: Callable[[str], bool] = lambda path: False,
) -> list[Shortcut]:
    """The findings of a change, in order of path and line.

    `before` and `after` hold the same paths, those that the change touches; `None`: not there.
    `tests`: those of the tree, by path, where values could come from that are right for one only.
    `runs_examples`: whether the examples in a file's documentation are run as tests; others are
    words, which may say what is true now.
    """
    try:
        with deep():
            found = [*_shortcuts(before, after, tests)]
            for path, was, now in _changed(_readable(before), _readable(after)):
                found += doc_examples(path, was, now) if runs_examples(path) else ()
            return listed(found, allow)
    except RecursionError:
        what = "nests deeper than can be read, or a file beside it does"
        return listed([Shortcut(rule="unreadable", path=min(after), line=1, what=what)], allow)


def _shortcuts(
    before: Texts, after: Texts, tests: Mapping[str, bytes] | None
) -> Iterable[Shortcut]:
    before, after, tests = _readable(before), _readable(after), _readable(tests or {})
    found = [*_of_tests(before, after), *_silenced(before, after)]
    for path in (path for path in after if after[path] is None and _TYPED.search(path)):
        if any(after.get(_TYPED.sub(ending, path)) for ending in (".js", ".jsx", ".cjs", ".mjs")):
            what = "is written in a language now whose types nothing checks"
            found.append(Shortcut(rule="type-unchecked", path=path, line=1, what=what))
    found += [
        Shortcut(rule="test-recognised", path=path, line=line, what=what)
        for path, line, what in knows_of_tests(before, after)
        if what.startswith(PATCHES) or not (is_test(path) or _may(path, what, after[path] or b""))
    ]
    found += [shortcut for shortcut, certain in own_equality(*_no_tests(before, after)) if certain]
    asked = _texts(tests)
    for path, was, now in _changed(before, after):
        found += _expected(path, was, now)
        found += swallowed(path, was, now)
        found += lowered(path, was, now)
        if was and now and _TIMED.search(path):
            found += longer(path, was, now, asked)
        if _readable_tests(path):
            found += replaced(path, was, now, after)
        if not is_test(path):
            old, new = (text and plain_literals(path, text) for text in (was, now))
            beside = _tests_beside(path, was or "", old or "")
            told = (path, old, new, {**asked, path: beside} if beside else asked)
            plain = [*hardcoded(*told)]
            found += [
                *plain,
                *(f for f in corrected(*told) if f.line not in {p.line for p in plain}),
            ]
            answers = fallback_values(*told)
            found += [shortcut for shortcut, certain in answers if certain]
        found += _deleted(path, before.get(path), after.get(path), after)
    return found


def suspicious(
    before: Texts,
    after: Texts,
    *,
    tests: Mapping[str, bytes] | None = None,
    allow: Collection[str] = (),
) -> list[Shortcut]:
    """What may be a shortcut, and may be right: for a person to look at. Asked like `shortcuts`."""
    try:
        with deep():
            return listed(_suspicious(before, after, tests), allow)
    except RecursionError:
        return []


def _suspicious(
    before: Texts, after: Texts, tests: Mapping[str, bytes] | None
) -> Iterable[Shortcut]:
    asked = _texts(_readable(tests or {}))
    found = [
        shortcut
        for path, was, now in _changed(_readable(before), _readable(after))
        if not is_test(path)
        for shortcut, certain in fallback_values(path, was, now, asked)
        if not certain
    ]
    equal = own_equality(*_no_tests(_readable(before), _readable(after)))
    return [*found, *(shortcut for shortcut, certain in equal if not certain)]


def _no_tests(*sides: Texts) -> Iterator[dict[str, bytes | None]]:
    for side in sides:
        yield {
            path: content
            for path, content in side.items()
            if not is_test(path) and len(content or b"") <= BYTES_LIMIT
        }


_Content = TypeVar("_Content", bytes, bytes | None)
_ENDLESS = re.compile(rb"(?<=0[xXoObB])[0-9a-fA-F_]{1000,}")
"""Digits that Python reads and refuses to write in decimal."""


def _readable(files: Mapping[str, _Content]) -> dict[str, _Content]:
    """Without numbers that cannot be written, so that all around them is compared all the same."""
    return {path: content and _ENDLESS.sub(b"0", content) for path, content in files.items()}


def _texts(files: Mapping[str, bytes]) -> dict[str, str]:
    return {p: plain_numbers(content.decode(errors="replace")) for p, content in files.items()}


def _changed(before: Texts, after: Texts) -> Iterator[tuple[str, str | None, str | None]]:
    """Files that are others now, and not too large, before and after."""
    for path in sorted({*before, *after}):
        old, new = before.get(path), after.get(path)
        if old != new and max(len(old or b""), len(new or b"")) <= BYTES_LIMIT:
            was, now = (p if p is None else p.decode(errors="replace") for p in (old, new))
            yield path, was, now


def listed(found: Iterable[Shortcut], allow: Collection[str]) -> list[Shortcut]:
    """In order, each once, without what is allowed."""
    return sorted(
        (f for f in dict.fromkeys(found) if not {f.rule, f"{f.rule}:{f.path}"} & set(allow)),
        key=lambda shortcut: (shortcut.path, shortcut.line, shortcut.rule),
    )


_CODE = re.compile(
    r"\.(pyi?|[cm]?[jt]sx?|vue|svelte|go|rs|c|cc|cpp|cxx|h|hpp|java|kts?|scala|cs|rb|php|swift"
    r"|lua|sh|bash|sql)$"
)
_TYPED = re.compile(r"\.[cm]?tsx?$")
_TIMED = re.compile(rf"{SOURCE.pattern}|{PIPELINE}|(^|/)CMakeLists\.txt$")
_A_FEW = 5
"""Lines of code that may go with a whole file: imports that nothing needs."""
_COMMENT = re.compile(rb"\s*(#|//|/?\*|--|$)")


_PROGRAM = re.compile(
    r"__main__|\bmain\b\s*[({]|\bargv\b|\bos\.Args\b|env::args|argparse|\bcommander\b|\byargs\b|^#!"
    r"|\bSIG(?:TERM|INT)\b"
)
_AT_ONCE = re.compile(r": .*(?:_exit|_Exit|quick_exit|reallyExit|halt|exit!|kill)")


def _may(path: str, what: str, content: bytes) -> bool:
    """Whether a script that runs a checker says at its end that all went well; whether a program,
    or a process of its own, ends when it is done."""
    text = content.decode(errors="replace")
    if what.startswith(ENDS):
        return "fork" in text if _AT_ONCE.search(what) else bool(_PROGRAM.search(text))
    said = re.fullmatch(rf"{RUNS_TESTS}: echo ([\"'])PASS\1", what)
    return bool(path.endswith((".sh", ".bash")) and CHECKER.search(text) and said)


def _tests_beside(path: str, text: str, plain: str) -> str:
    """The tests that a file of code holds, those in its comments among them."""
    own = tests_in(path, plain) if path.endswith(".rs") else ""
    return f"{own}\n{plain_numbers(asked_in_examples(path, text))}".strip()


def _deleted(path: str, old: bytes | None, new: bytes | None, after: Texts) -> Iterator[Shortcut]:
    """A file of which nothing is left has no failures any more, and nothing else either."""
    if old is None or not _CODE.search(path) or is_test(path):
        return
    lines = _code_lines(old)
    if len(lines) <= _A_FEW or (new is not None and _code_lines(new)):
        return
    others = (text for other, text in after.items() if other != path and text)
    if any(2 * len(lines & _code_lines(text)) >= len(lines) for text in others):
        return  # it has moved
    what = "all code of the file is gone, and what is broken in it with it"
    yield Shortcut(rule="code-deleted", path=path, line=1, what=what)


def _code_lines(content: bytes) -> set[bytes]:
    return {line.strip() for line in content.splitlines() if not _COMMENT.match(line)}


def is_test(path: str) -> bool:
    """Whether it is there for tests: holds them, helps them, or is what they compare with.

    Code that holds its own tests, as Rust's does, is code: its tests are compared all the same.
    """
    if path.endswith(".rs"):
        return bool(RUST_TESTS.search(path))
    beside = (UNREAD, _EXPECTED, _STARTS_TESTS)
    return _readable_tests(path) or any(pattern.search(path) for pattern in beside)


_STARTS_TESTS = re.compile(r"(?:^|/)(?:run[-_]?)?(?:tests?|checks?)[\w-]*\.(?:sh|bash)$")


def _readable_tests(path: str) -> bool:
    return bool(_PYTHON_TESTS.search(path) or language_of(path))


_PYTHON_TESTS = re.compile(r"(^|/)(test_[^/]*|[^/]*_test|tests?|conftest)\.py$|(^|/)tests?/.*\.py$")


def _of_tests(before: Texts, after: Texts) -> Iterator[Shortcut]:
    """A test may move to another file of the change; then it is looked for there."""
    suites: dict[str, Suite] = {}
    for path, content in after.items():
        suite = _suite(path, content)
        if isinstance(suite, Shortcut):
            added = before.get(path) is None and UNREAD.search(path)
            if before.get(path) != content and not added:
                yield suite
        elif suite is not None:
            suites[path] = suite
            if before.get(path) is None and not any(suite):
                yield from _helped(path, suite[""])
    for path, content in before.items():
        if content is None and path.endswith("conftest.py"):
            content = b""  # it changes tests that were there
        if content is None or content == after.get(path):
            continue
        old = _suite(path, content)
        if isinstance(old, Shortcut) and after.get(path) is None and content not in after.values():
            what = "a file with tests is gone"
            yield Shortcut(rule="test-removed", path=path, line=1, what=what)
        if old is None or isinstance(old, Shortcut):
            continue
        new = suites.get(path)
        if new is None and after.get(path) is not None:
            continue  # unreadable, which was told
        elsewhere = {
            name: replace(test, skipped=test.skipped or suite[""].skipped)
            for other, suite in suites.items()
            if other != path
            for name, test in suite.items()
        }
        yield from loosened(path, old, new or {}, elsewhere)


_OWN_CODE = re.compile(r"\b(?:mock|doMock)\(\s*[\"'`]\.{1,2}/")


def _helped(path: str, helper: Test) -> Iterator[Shortcut]:
    """A new file without tests, which those that are there may come to need."""
    skips = [helper.skipped, *(helper.exits if path.endswith(".py") else ())]
    if skip := next(filter(None, skips), ""):
        what = f"keeps tests from running, or from mattering: {skip}"
        yield Shortcut(rule="test-skipped", path=path, line=1, what=what)
    for mock in filter(_OWN_CODE.search, helper.mocks):
        what = f"replaces what tests look at: {mock}"
        yield Shortcut(rule="subject-mocked", path=path, line=1, what=what)


def _silenced(before: Texts, after: Texts) -> Iterator[Shortcut]:
    for found in added(before, after, 4 * BYTES_LIMIT):
        what = f"silences {found.tool} ({found.text})"
        yield Shortcut(rule="scanner-silenced", path=found.path, line=found.line, what=what)


_EXPECTED = re.compile(
    r"\.(snap|golden|approved\.\w+|expected|ambr)$|(^|/)(__snapshots__|snapshots?|golden|goldens)/"
    r"|(^|/)(tests?|__tests__|spec)/(.*/)?(fixtures|__fixtures__|data|resources)/|(^|/)testdata/"
    r"|(^|/)(tests?|__tests__|spec)/.*\.(json|ya?ml|txt|csv|tsv|xml|html|out|svg|md|sql)$"
)
"""Files that tests compare with, and that no test's text shows."""


def _expected(path: str, was: str | None, now: str | None) -> Iterator[Shortcut]:
    if was is not None and _EXPECTED.search(path):
        what = "what tests compare with is " + ("gone" if now is None else "another")
        yield Shortcut(rule="assertion-changed", path=path, line=1, what=what)


def _suite(path: str, content: bytes | None) -> Suite | Shortcut | None:
    """`None`: holds no tests; a finding where nobody can say what it holds."""
    python = _PYTHON_TESTS.search(path)
    language = None if python else language_of(path)
    if content is None or not (python or language or UNREAD.search(path)):
        return None
    suite: Suite | None = None
    if len(content) <= BYTES_LIMIT and (python or language):
        suite = python_suite(content) if language is None else text_suite(language, content, path)
    if suite is None:
        what = "holds tests that cannot be read and compared"
        return Shortcut(rule="unreadable", path=path, line=1, what=what)
    return suite
