"""What the tests of a TypeScript, JavaScript, Go, Rust, C, C++ or Java file check, by its text.

Comments are blanked first, so that what is commented out is gone. A test is what its declaration
opens, up to the bracket that closes it; an assertion is a call, up to its own. How deep an
assertion stands within its test counts: what moves below a condition checks less.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from autoresearch_ci.decide.failures.shortcuts.suite import Assertion, Suite, Test


@dataclass(frozen=True, kw_only=True)
class Language:
    """How tests are written; all are regular expressions over text without comments."""

    files: str
    """Paths of files that hold tests."""
    test: str
    """A declaration, with the group `name`; the next bracket opens its body."""
    opens: str
    assertion: str
    """A call, up to and with its opening bracket."""
    weak: str
    """Assertions, by their text, that say little."""
    skip: str
    mock: str
    tolerance: str
    """A number in an assertion's text that says how far off a value may be, in the group `far`."""
    case: str = r"(?!)"
    """One row of a table of cases."""
    timeout: str = r"(?!)"
    """A limit of time, with the group `limit`."""
    usual: float | None = None
    """That limit, where none is given."""
    chained: bool = False
    """Whether calls on the result belong to the assertion: `expect(x).toBe(3)`."""


_INNER = r"\{(?:[^{}\n]|\{[^{}\n]*\})*\}"
_ROW = rf"(?:[^{{}}\n]|{_INNER})"
"""What stands in one row of a table: values, and braces up to two deep."""
_SCRIPT = Language(
    files=r"(^|/|\.|_|-)(tests?|spec)\.[cm]?[jt]sx?$|(^|/)(__tests__|tests?|e2e|cypress)/.*\.[cm]?[jt]sx?$"
    r"|\.(?:cy|e2e)\.[cm]?[jt]sx?$",
    test=r"\b(?:x|f)?(?:it|test)(?:\.\w+)*(?:\.each\s*\((?:[^()]|\([^()]*\))*\)"
    r"|\.each\s*`[^`]*`)?\s*\(\s*(?P<quote>['\"`])(?P<name>(?:(?!(?P=quote)).)*)(?P=quote)",
    opens="(",
    assertion=r"\b(?:expect(?:TypeOf)?(?:\.\w+)?|assert(?:\.\w+)*|should|t\.(?:is|deepEqual|true"
    r"|false|throws|truthy|not))\s*\(",
    weak=r"toBeTruthy|toBeDefined|toBeFalsy|not\.|toBeGreater|toBeLess|toContain|toMatch|any\("
    r"|anything|toThrow\(\)|toBeInstanceOf|assert\.ok|toHaveBeenCalled\(\)",
    skip=r"\b(?:it|test|describe|suite)\.(?:skip|todo|fixme|only|skipIf|runIf|fails|failing|concurrent"
    r"\.skip)\b|\bx(?:it|describe|test)\s*\(|\bf(?:it|describe)\s*\(|\b(?:ctx|t|context|this)"
    r"\.(?:skip|todo)\s*\(|(?<![\w.])skip\s*\(|retryTimes\(|\bretry\s*:"
    r"|\b(?:skip|todo|only)\s*:\s*(?:true|['\"!]|[^,}\n]{0,40}\b(?:process|env)\b)",
    mock=r"\b(?:jest|vi)\.(?:mock|spyOn|fn|doMock|stubGlobal)\s*\([^,()\n]*"
    r"|\b(?:page|context)\.route\s*\([^,()\n]*|\bcy\.intercept\([^,()\n]*|\bnock\([^()\n]*\)"
    r"|\bsinon\.\w+\([^()]*\)|\.mock(?:Return|Resolved|Rejected|Implementation)\w*\(",
    tolerance=r"toBeCloseTo\(.*,\s*(?P<places>\d+)\s*\)|closeTo\([^,]+,[^,]+,\s*(?P<far>[\d.e-]+)",
    case=rf"(?m)^\s*(?:\[(?:[^\[\]\n]|\[[^\[\]\n]*\])*\]|\{{{_ROW}*\}}),?\s*$"
    r"|^\s*\$\{[^\n]*\|[^\n]*$",
    timeout=r"(?:setTimeout|testTimeout|timeout)\s*[(:]\s*(?P<limit>[\d_]+)|\},\s*(?P<last>[\d_]+)\s*\)$",
    usual=5000,
    chained=True,
)
_GO = Language(
    files=r"_test\.go$",
    test=r"(?m)^func (?P<name>(?:Test|Fuzz|Example)\w*)\s*\(",
    opens="{",
    assertion=r"\bif\s+[^{};\n]*?(?:;[^{}\n]*)?(?=\{)|\b(?:assert|require)\.\w+\(|\b[tb]\.(?:Error|Errorf"
    r"|Fatal|Fatalf|Fail|FailNow)\(",
    weak=r"NotNil|NotEmpty|\.True\(|Contains|NoError|Greater|Less|assert\.Error\(|require\.Error\(",
    skip=r"\b[tb]\.Skip(?:f|Now)?\(|testing\.Short\(\)",
    mock=r"\b(?:gomock\.\w+|NewMock\w+|gomonkey\.\w+|monkey\.Patch)\(",
    tolerance=r"(?:InDelta|InEpsilon)f?\(.*,(?P<far>[\d.e-]+)\)$"
    r"|math\.Abs\(.*\) ?>=? ?(?P<below>[\d.e-]+)",
    case=rf"(?m)^\s*\{{{_ROW}*\}},\s*$",
    timeout=r"(?:WithTimeout\([^,]+,|time\.After\()\s*(?P<limit>\d+)",
)
_RUST = Language(
    files=r"\.rs$",
    test=r"#\[(?:\w+::)*test(?:\([^\]]*\))?\]\s*(?:#\[[^\]]*\]\s*)*(?:pub\s+)?(?:async\s+)?fn\s+(?P<name>\w+)",
    opens="{",
    assertion=r"#\[should_panic[^\]]*\]|\b(?:assert\w*|debug_assert\w*|panic|prop_assert\w*|matches)!\s*[(\[]",
    weak=r"^assert!\(.*is_(?:ok|some|err|none)\(\)|assert_ne!|^assert!\(.*[<>]|matches!",
    skip=r"#\[ignore[^\]]*\]|#\[should_panic[^\]]*\]|#\[cfg(?:_attr)?\((?!test\)\])[^\]]*\]",
    mock=r"\bMock\w+::(?:new|default)\(|#\[automock\]|\bmock!\s*\{",
    tolerance=r"(?:abs\(\)\s*<=?\s*|epsilon\s*=\s*|max_relative\s*=\s*)(?P<far>[\d._e-]+\d)",
    case=r"#\[(?:test_case|case)\([^\]]*\)\]|(?m:^\s*\([^()\n]*\),\s*$)",
    timeout=r"#\[timeout\((?P<limit>\d+)",
)
_C = Language(
    files=r"(^|[/_.-])(tests?|check|spec)([/_.-].*|\w*)\.(c|cc|cpp|cxx|h|hpp)$|(^|/)\w*[tT]est\w*\.(c|cc|cpp|cxx)$",
    test=r"(?m)^\s*(?:TEST(?:_F|_P|_CASE)?|TYPED_TEST|START_TEST|SCENARIO|Test)\s*\(\s*(?P<name>[^(){}\n]*)\)"
    r"|^(?:static\s+)?(?:void|int)\s+(?P<plain>test\w*|main)\s*\([^;{}]*\)\s*(?=\{)",
    opens="{",
    assertion=r"\b(?:assert|static_assert|_Static_assert|ck_\w+|(?:ASSERT|EXPECT|CHECK|REQUIRE"
    r"|CU_ASSERT|TEST_ASSERT|cr_assert)\w*|assert_\w+|mu_assert)\s*\("
    r"|\bif\s*\((?=[^;{}]*\)\s*\{?\s*(?:return [1-9]|abort|exit\(1|fail))",
    weak=r"^(?:ASSERT|EXPECT)_(?:TRUE|NE|GT|LT|GE|LE)|NOT_NULL|non_null|^assert\([^=!<>]*\)$"
    r"|^assert.*!=NULL",
    skip=r"\bGTEST_SKIP\(|\bDISABLED_\w+|\bTEST_(?:IGNORE|PASS)\w*|\bskip\(\)|(?m:^\s*#\s*if\s+0\b)|\bcr_skip\w*\(",
    mock=r"\b(?:EXPECT_CALL|ON_CALL|will_return|mock_type|FAKE_VALUE_FUNC)\s*\(",
    tolerance=r"WITHIN\w*\((?P<first>[\d.e-]+)"
    r"|(?:NEAR|float_equal|DOUBLE_EQUAL|_tol)\w*\(.*,(?P<far>[\d.e-]+)f?\)$"
    r"|fabsf?\([^<]*<=?(?P<below>[\d.e-]+)",
    case=rf"(?m)^\s*\{{{_ROW}*\}},\s*$",
    timeout=r"(?:tcase_set_timeout\([^,]+,|alarm\(|TIMEOUT\s+)\s*(?P<limit>\d+)",
)
_JAVA = Language(
    files=r"^(?!(.*/)?src/main/)(.*/)?((test|tests|androidTest)/.*|[^/]*(Test|Tests|IT|Spec))\.(java|kt)$",
    test=r"@(?:Test|ParameterizedTest|RepeatedTest)\b(?:\([^)]*\))?(?:\s*@\w+(?:\((?:[^()]|\([^()]*\))*\))?)*"
    r"\s*(?:(?:public|private|protected|internal|final|static|suspend)\s+)*(?:void|fun|[\w<>\[\]]+)\s+(?P<name>`[^`]+`|\w+)\s*\(",
    opens="{",
    assertion=r"@Test\s*\(|\b(?:assert\w+|assertThat|assertThrows|verify\w*|fail|expectThrows|shouldBe|check)\s*(?:<[^>]*>)?\s*\("
    r"|\bassertFailsWith\s*<[^>\n]*>\s*\{",
    weak=r"assertNotNull|assertTrue|assertNotEquals|isNotNull|isTrue|isNotEmpty|assertDoesNotThrow"
    r"|[(,]Exception\.class|contains\(|isGreater|isLess|any\(\)",
    skip=r"@(?:Disabled|Ignore|DisabledIf\w*|DisabledOn\w*|EnabledIf\w*|EnabledOn\w*)\b|\bassume\w+\s*\(|enabled\s*=\s*false"
    r"|@(?:Retry\w*|RepeatedIfExceptions\w*|Flaky\w*|Tag|Category)\b|@Test\s*\([^()]*\bexpected\b"
    r"|@Test\b[\s\w]*\bprivate\b",
    mock=r"@(?:Mock|MockBean|MockitoBean|Spy|InjectMocks)\b|\b(?:Mockito\.)?(?:mock|spy|mockStatic)\s*\([^()]*\)|\bmockk\s*[<(]",
    tolerance=r"assertEquals\(.*,\s*(?P<far>\d*\.?\d+(?:e-?\d+)?)[dDfF]?\s*\)$|(?:offset|within|closeTo)\((?:[^()]*,\s*)?(?P<below>[\d.e-]+)",
    case=r"(?m)^\s*\"[^\"\n]*\",?\s*$|\bArguments\.(?:of|arguments)\("
    r"|(?<=[{,])[^\S\n]*(?:\"[^\"\n]*\"|-?\d[\w.]*)(?=[^\S\n]*[,}])",
    timeout=r"@Timeout\(\s*(?:value\s*=\s*)?(?P<limit>\d+)|timeout\s*=\s*(?P<other>\d+)",
    chained=True,
)
LANGUAGES = (_SCRIPT, _GO, _RUST, _C, _JAVA)
_UNREAD = (
    r"(?:rb|cr|php|phpt|cs|fs|vb|swift|m|mm|dart|scala|groovy|kts|exs?|erl|pl|pm|lua|bats|sh|bash"
    r"|clj[cs]?|hs|mli?|R|r|jl|nim|zig|tcl|vue|svelte)"
)
UNREAD = re.compile(
    rf"(?:^|/)(?:tests?|specs?|e2e|cypress|__tests__|[\w.]*Tests)/(?:.*/)?[^/]*\.{_UNREAD}$"
    rf"|(?:^|/)(?:test_[^/]*|[^/]*[_.-](?:tests?|spec)|[^/]+(?:Tests?|Spec|TestCase))\.{_UNREAD}$"
    r"|(?:^|/)t/[^/]*\.t$|\.(?:feature|robot|hurl)$|(?:^|/)features/.*\.(?:rb|js|ts|py)$"
)
"""Tests in languages of which no assertions are read."""
_SWITCHES = (
    r"(?m)^//\s?(?:go:build|\+build)[^\n]*|^\s*#\s*define\s+NDEBUG\b"
    r"|^\s*macro_rules!\s*(?:debug_)?(?:assert|panic)\w*|^\s*#\s*(?:undef|define)\s+(?:assert|ASSERT|EXPECT|CHECK|REQUIRE|TEST)\w*|^#!\[cfg\([^\n]*"
)
"""Lines that switch off a whole file, or what its assertions do."""
_OTHER_MACHINES = re.compile(
    r"_(?:aix|android|darwin|dragonfly|freebsd|illumos|ios|js|netbsd|openbsd|plan9|solaris|wasip1"
    r"|windows|386|arm|arm64|loong64|mips\w{0,6}|ppc64\w{0,2}|riscv64|s390x|wasm)_test\.go$"
)
"""Names by which Go leaves a file out where most people run tests."""
_WHITESPACE = re.compile(r"\s+")
_VAIN = re.compile(
    r"^(?:expect\((true|1)\)\.toBe(?:Truthy\(\)|\(\1\))|assert\w*!?\s*\(\s*(?:true|1|TRUE)\s*\)"
    r"|(?:EXPECT|ASSERT)_TRUE\((?:true|1)\)|assert(?:_eq!|Equals)\(\s*(\w+)\s*,\s*\2\s*\)"
    r"|(?:assert|require)\.True\(t,\s*true\)|if false\b.*)$"
)
"""Assertions that always hold."""


def language_of(path: str) -> Language | None:
    """`None`: holds no tests that we can read."""
    return next((known for known in LANGUAGES if re.search(known.files, path)), None)


def text_suite(language: Language, content: bytes, path: str) -> Suite:
    """Tests by name, what lies outside of them under the name ``."""
    rust = path.endswith(".rs")
    text = without_comments(content.decode(errors="replace"), rust=rust)
    plain = blanked(text, rust)
    closings = closing_brackets(plain)
    suite: dict[str, Test] = {}
    outside: list[tuple[int, int]] = []
    end = 0
    for match in re.finditer(language.test, text):
        if match.start() < end:
            continue  # one within another belongs to it
        groups = match.groupdict()
        name = (groups.get("name") or groups.get("plain") or "").strip()
        if language.opens == "(":
            opening = text.rfind("(", match.start(), match.start("quote"))
        else:
            opening = plain.find(language.opens, match.end())
        # Marks of a test stand before it: on lines just above.
        begin = max(end, _marks(text, match.start()))
        outside.append((end, begin))
        closing = closings.get(opening, len(text) if opening >= 0 else match.end())
        number, unique = 2, name
        while unique in suite:
            unique, number = f"{name} #{number}", number + 1
        line = text.count("\n", 0, begin) + 1
        suite[unique] = _test(language, text[begin:closing], plain[begin:closing], line)
        end = closing
    outside.append((end, len(text)))
    begin = _begin_of_tests(path, text)
    outside = [(max(a, begin), b) for a, b in outside if b > begin]
    rest = ["\n".join(source[a:b] for a, b in outside) for source in (text, plain)]
    suite[""] = _test(language, rest[0], rest[1], 1)
    switch = re.search(_SWITCHES, content.decode(errors="replace")) or _OTHER_MACHINES.search(path)
    if switch:
        suite[""].skipped = switch[0].strip()
    if rust:  # elsewhere in the code, an assertion is no test's
        suite[""].assertions = []
    return suite


RUST_TESTS = re.compile(r"(^|/)(tests|benches)/|(^|/)(tests?|test_\w+|\w+_tests?)\.rs$")
"""Files of Rust that are there for tests; any other may hold some besides."""
_OWN_TESTS = re.compile(
    r"#\[cfg\(test\)\]\s*(?:pub\s+)?mod\s+\w+\s*\{|(?:#\[[^\]\n]*\]\s*)?\bmod\s+tests?\s*\{"
)


def _begin_of_tests(path: str, text: str) -> int:
    """Where a file stops being code; its end where it is nothing else."""
    if not path.endswith(".rs") or RUST_TESTS.search(path):
        return 0
    found = _OWN_TESTS.search(text)
    return found.start() if found else len(text)


def tests_in(path: str, text: str) -> str:
    """What of a file with tests is there for them, each line in its place."""
    begin = _begin_of_tests(path, text)
    return "\n" * text.count("\n", 0, begin) + text[begin:]


def _marks(text: str, place: int) -> int:
    """Where the lines of annotations above a declaration begin."""
    begin = text.rfind("\n", 0, place) + 1
    while begin > 0:
        above = text.rfind("\n", 0, begin - 1) + 1
        if not text[above:begin].strip().startswith(("@", "#[")):
            break
        begin = above
    return begin


def _test(language: Language, text: str, plain: str, line: int) -> Test:
    skip = re.search(language.skip, text)
    assertions = dict(_assertions(language, text, plain, line))
    return Test(
        line=line,
        assertions=list(assertions.values()),
        skipped=skip[0].strip() if skip else "",
        cases=Counter(_WHITESPACE.sub("", m[0]) for m in re.finditer(language.case, text)),
        calls=_calls(text, plain, assertions),
        exits=Counter(_WHITESPACE.sub(" ", m[0]).strip() for m in _EXITS.finditer(plain)),
        mocks=Counter(_WHITESPACE.sub(" ", m[0])[:80] for m in re.finditer(language.mock, text))
        + _overwritten(plain),
        timeout=_first_number(re.search(language.timeout, text.rstrip().rstrip(";")))
        or language.usual,
    )


_RESULT = re.compile(r"\b(\w+)\s*:?=(?!=)[^;\n]*\(")
_FIXED = re.compile(r"(?m)(?:^|;)\s*((\w+)\s*=\s*-?\d[\w.]*)\s*(?:;|$)")


def _overwritten(plain: str) -> Counter[str]:
    """Results of calls in whose place a number is put."""
    results = {match[1] for match in _RESULT.finditer(plain)}
    return Counter(match[1] for match in _FIXED.finditer(plain) if match[2] in results)


_EXITS = re.compile(
    r"(?m)\bcontinue\s*(?:;|$)|\brange\s+\w+\[[^\[\]\n]{0,40}:[^\[\]\n]{0,40}\]"
    r"|(?:\]\s*|\bof\s+\w+)\.(?:slice|filter|splice)\(|\bcatch\s*\(\s*(?:final\s+)?(?:Throwable|Error|AssertionError)\b"
    r"|\breturn\s*(?:;|$)|\breturn (?:0|true|false|nil|null|undefined|Ok\(\(\)\))\s*;?\s*$"
    r"|\b(?:process|os|System|std::process)(?:\.|::)[eE]xit\(|\b_?exit\(\s*0|\bpanic::catch_unwind\b"
)
_CALL = re.compile(r"(?<![\w.:@])(?<!#\[)[\w.:]*\w\s*\(")
_AWAITED = re.compile(r"\bawait\s+[\w.]+")
_CALL_LIMIT = 300
"""Characters of a call that are compared."""
_NO_CALL = re.compile(
    r"^(?:if|for|while|switch|catch|func|fn|function|return|sizeof|describe|it|test|TEST\w*|void"
    r"|t\.(?:Run|Log\w*|Error\w*|Fatal\w*|Helper|Parallel)|console\.\w+|f?printf|println|async"
    r"|fmt\.\w+|System\.out\.\w+|String\.format)\s*\($|(?:^|\.)each\s*\($"
)


def _calls(text: str, plain: str, assertions: Mapping[tuple[int, int], Assertion]) -> Counter[str]:
    """What is called outside of assertions."""
    # A promise that nobody awaits fails nowhere, whatever is expected of it.
    found = Counter(_WHITESPACE.sub(" ", match[0]) for match in _AWAITED.finditer(plain))
    closings = closing_brackets(plain)
    spans = iter(sorted(assertions))
    span = next(spans, None)
    for match in _CALL.finditer(plain):
        while span and span[1] <= match.start():
            span = next(spans, None)
        inside = span is not None and span[0] <= match.start()
        if inside or _NO_CALL.search(match[0]):
            continue
        end = closings.get(match.end() - 1, len(plain))
        if plain.find("{", match.start(), end) < 0:  # what holds a block is no call of the subject
            words = text[match.start() : min(end, match.start() + _CALL_LIMIT)]
            found[_under(plain, match.start()) + _WHITESPACE.sub("", words)] += 1
    return found


def _assertions(
    language: Language, text: str, plain: str, line: int
) -> Iterator[tuple[tuple[int, int], Assertion]]:
    """Each with where it stands."""
    end = 0
    depths, closings = _depths(plain), closing_brackets(plain)
    for match in re.finditer(language.assertion, plain):
        if match.start() < end:
            continue
        end = match.end()
        if plain[end - 1] in _CLOSES:
            end = closings.get(end - 1, len(plain))
        while language.chained and (more := _CHAINED.match(plain, end)):
            end = closings.get(more.end() - 1, len(plain)) if more[1] else more.end()
        told = text[match.start() : end].strip()
        # Of `if a != b` the blanks belong to it; in a call they are layout.
        told = _WHITESPACE.sub(" " if told.startswith("if") else "", told)
        found = re.search(language.tolerance, told)
        tolerance = _first_number(found)
        if found and tolerance is not None:
            group = next(name for name, value in found.groupdict().items() if value)
            told = f"{told[: found.start(group)]}…{told[found.end(group) :]}"
            tolerance = 10.0 ** -min(tolerance, 300.0) if group == "places" else tolerance
        weak = re.search(language.weak, told)
        assertion = Assertion(
            text=told,
            line=line + text.count("\n", 0, match.start()),
            strength=0 if _VAIN.match(told) else 1 if weak else 2,
            tolerance=tolerance,
            where=f"{depths[match.start()]} blocks deep: {_under(plain, match.start())}",
        )
        yield (match.start(), end), assertion


_UNDER = re.compile(r"\b(?:if|while|for)\s*\([^;{}]*\)\s*$")


def _under(plain: str, place: int) -> str:
    """The condition before a statement that stands in no block: `if (0) assert(…)`."""
    found = _UNDER.search(plain[max(place - _CALL_LIMIT, 0) : place])
    return _WHITESPACE.sub("", found[0]) if found else ""


_CHAINED = re.compile(r"\s*\.\s*\w+(?:<[^>]*>)?\s*(\()?")


def _first_number(match: re.Match[str] | None) -> float | None:
    for value in match.groupdict().values() if match else ():
        if value:
            try:
                return abs(float(value.replace("_", "")))
            except ValueError:
                continue
    return None


def _depths(plain: str) -> list[int]:
    """Of each character: how many blocks and calls are open there."""
    level, depths = 0, []
    for char in plain:
        depths.append(level)
        level += (char in "{(") - (char in "})")
    return [*depths, level]


_CLOSES = {"(": ")", "{": "}", "[": "]"}
_BRACKET = re.compile(r"[(){}\[\]]")


def closing_brackets(plain: str) -> Mapping[int, int]:
    """By the place of each opening bracket, that after the one that closes it."""
    found: dict[int, int] = {}
    open_ones: dict[str, list[int]] = {")": [], "}": [], "]": []}
    for match in _BRACKET.finditer(plain):
        if match[0] in _CLOSES:
            open_ones[_CLOSES[match[0]]].append(match.start())
        elif open_ones[match[0]]:
            found[open_ones[match[0]].pop()] = match.end()
    return found


_CHARACTER = r"'(?:[^'\\\n]|\\.[^'\n]{0,8})'"
_STRING = r'"(?>(?:[^"\\]|\\[\s\S])*)"|`(?>(?:[^`\\]|\\[\s\S])*)`|' + _CHARACTER
_QUOTED = _STRING + r"|'(?>(?:[^'\\\n]|\\.)*)'"
"""Strings may stand in these as well; in Rust they begin lifetimes."""


def blanked(text: str, rust: bool) -> str:
    """Without what stands in strings; everything else keeps its place."""
    return re.sub(_STRING if rust else _QUOTED, lambda m: re.sub(r"[^\n]", " ", m[0]), text)


def without_comments(text: str, *, rust: bool = False) -> str:
    """Comments as blanks, so that lines and columns stay; strings are left alone."""
    pattern = rf"(?P<keep>{_STRING if rust else _QUOTED})|//[^\n]*|/\*[\s\S]*?(?:\*/|\Z)"

    def blank(match: re.Match[str]) -> str:
        return match[0] if match["keep"] else re.sub(r"[^\n]", " ", match[0])

    return re.sub(pattern, blank, text)
