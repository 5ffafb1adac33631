"""A repair mends what is broken; what only makes a failure go away is found, in six languages."""

from __future__ import annotations

import textwrap
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoresearch_ci.decide.failures.shortcuts.detect import (
    BYTES_LIMIT,
    RULES,
    is_test,
    shortcuts,
)

PY, TS, GO = "tests/test_a.py", "src/a.test.ts", "a/a_test.go"
RS, C, JAVA = "src/lib.rs", "tests/test_a.c", "src/test/java/ATest.java"
REPLACED, MOCKED = "subject-replaced", "subject-mocked"
OWN = "def add(a, b):\n    return 3\n"

TESTS = {
    PY: """
import pytest
from calc import add, ratio

LIMIT = 3

@pytest.mark.parametrize("n", [1, 2, 3])
def test_many(n):
    assert add(n, 1) == n + 1

@pytest.mark.timeout(5)
def test_add():
    total = add(1, 2)
    assert total == 3
    assert ratio(1, 3) == pytest.approx(0.333, abs=1e-3)

def test_raises():
    with pytest.raises(ValueError):
        add("a", 1)
""",
    TS: """
import { add, ratio } from "./calc";
jest.setTimeout(5000);
describe("calc", () => {
  it.each([
    [1, 2],
    [3, 4],
  ])("many", (a, b) => { expect(add(a, 1)).toBe(b); });
  test("adds", async () => {
    // the usual case
    const total = add(1, 2);
    expect(total).toEqual(3);
    expect(ratio(1, 3)).toBeCloseTo(0.333, 5);
  });
  it("throws", () => { expect(() => add("a")).toThrow(TypeError); });
});
""",
    GO: """package a

import "testing"

func TestAdd(t *testing.T) {
	if got := Add(1, 2); got != 3 {
		t.Errorf("got %d", got)
	}
	assert.InDelta(t, 0.333, Ratio(1, 3), 0.001)
}

func TestTable(t *testing.T) {
	for _, c := range []struct{ a, b int }{
		{1, 2},
		{3, 4},
	} {
		require.Equal(t, c.b, Add(c.a, 1))
	}
}
""",
    RS: """
pub fn add(a: i32, b: i32) -> i32 { a + b }

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adds() {
        let total = add(1, 2);
        assert_eq!(total, 3);
        assert!((ratio(1, 3) - 0.333).abs() < 0.001);
    }

    #[test]
    fn is_commutative<'a>() {
        assert_eq!(add(1, 2), add(2, 1));
    }
}
""",
    C: """
#include <assert.h>

void test_add(void) {
    assert(add(1, 2) == 3);
    TEST_ASSERT_FLOAT_WITHIN(0.001, 0.333, ratio(1, 3));
}

TEST(Calc, Ratio) {
    EXPECT_EQ(add(2, 2), 4);
    EXPECT_NEAR(ratio(1, 3), 0.333, 0.001);
}

int main(void) {
    test_add();
    if (add(0, 0) != 0) return 1;
    return 0;
}
""",
    JAVA: """
class ATest {
  @Test
  @Timeout(5)
  void adds() {
    int total = Calc.add(1, 2);
    assertEquals(3, total);
    assertEquals(0.333, Calc.ratio(1, 3), 0.001);
  }

  @ParameterizedTest
  @CsvSource({
    "1, 2",
    "3, 4",
  })
  void many(int a, int b) {
    assertThat(Calc.add(a, 1)).isEqualTo(b);
  }

  @Test
  void raises() {
    assertThrows(IllegalArgumentException.class, () -> Calc.add(null, 1));
  }
}
""",
}


def found(path: str, before: str | None, after: str | None) -> set[str]:
    texts = [None if text is None else text.encode() for text in (before, after)]
    return {shortcut.rule for shortcut in shortcuts({path: texts[0]}, {path: texts[1]})}


def edited(path: str, old: str, new: str) -> set[str]:
    assert TESTS[path].count(old) == 1, old
    return found(path, TESTS[path], TESTS[path].replace(old, new))


WRONG = [
    # --- Python
    (PY, "    assert total == 3\n", "", "assertion-removed"),
    (PY, "    assert total == 3\n", "    # assert total == 3\n", "assertion-removed"),
    (PY, "total == 3", "total", "assertion-weakened"),
    (PY, "total == 3", "total is not None", "assertion-weakened"),
    (PY, "total == 3", "total == total", "assertion-weakened"),
    (PY, "total == 3", "total in (3, 4)", "assertion-weakened"),
    (PY, "total == 3", "total == 4", "assertion-changed"),
    (PY, "    assert total == 3", "    if total:\n        assert total == 3", "assertion-weakened"),
    (
        PY,
        "    assert total == 3",
        "    try:\n        assert total == 3\n    except AssertionError:\n        pass",
        "assertion-weakened",
    ),
    (PY, "    total = add(1, 2)", "    return\n    total = add(1, 2)", "test-skipped"),
    (PY, "    total = add(1, 2)", '    pytest.skip("later")', "test-skipped"),
    (PY, "abs=1e-3", "abs=1e-1", "tolerance-widened"),
    (PY, "[1, 2, 3]", "[1, 2]", "cases-removed"),
    (PY, "[1, 2, 3]", "[1, 2, pytest.param(3, marks=pytest.mark.xfail)]", "cases-removed"),
    (PY, "def test_add", "def _test_add", "test-removed"),
    (PY, "def test_raises", "@pytest.mark.xfail\ndef test_raises", "test-skipped"),
    (PY, "LIMIT = 3", "pytestmark = pytest.mark.skip", "test-skipped"),
    (PY, "raises(ValueError)", "raises(Exception)", "assertion-weakened"),
    (PY, "timeout(5)", "timeout(50)", "timeout-raised"),
    (PY, "    total = add(1, 2)", "    total = MagicMock(return_value=3)()", "subject-mocked"),
    (
        PY,
        "def test_add():",
        'def test_add(monkeypatch):\n    monkeypatch.setattr("calc.add", f)',
        "subject-mocked",
    ),
    (PY, "    total = add(1, 2)", "    total = 3", "subject-replaced"),
    (PY, "    total = add(1, 2)", "    sys.exit(0)", "test-skipped"),
    (PY, "[1, 2, 3]", "[1, 1, 1]", "cases-removed"),
    (PY, "def test_add", "async def test_add", "test-skipped"),
    (PY, "def test_raises", "@pytest.mark.flaky(reruns=5)\ndef test_raises", "test-skipped"),
    (PY, "LIMIT = 3", 'collect_ignore = ["test_b.py"]', "test-skipped"),
    (PY, "total == 3", "isinstance(total, int)", "assertion-weakened"),
    (
        PY,
        "    with pytest.raises(ValueError):\n        add",
        "    if 1:\n        add",
        "assertion-removed",
    ),
    (PY, "def test_raises", "@skip_if_offline\ndef test_raises", "test-skipped"),
    (PY, "def test_raises", "@pytest.fixture\ndef test_raises", "test-skipped"),
    (PY, "def test_raises", "@pytest.mark.parametrize('x', [])\ndef test_raises", "test-skipped"),
    (PY, "LIMIT = 3", "LIMIT = 3\n__test__ = False", "test-skipped"),
    (PY, "def test_raises", "del test_add\n\n\ndef test_raises", "test-skipped"),
    # --- TypeScript
    (TS, 'it("throws"', 'it.fixme("throws"', "test-skipped"),
    (TS, 'it("throws", ', 'it("throws", { timeout: 60_000 }, ', "timeout-raised"),
    (TS, "    const total", "    if (ci) return;\n    const total", "test-skipped"),
    (TS, "    [3, 4],", "    [1, 2],", "cases-removed"),
    (TS, "const total = add(1, 2)", "const total = 3", "subject-replaced"),
    (TS, 'test("adds", async', 'test("adds", { skip: true }, async', "test-skipped"),
    (TS, "    expect(total).toEqual(3);\n", "", "assertion-removed"),
    (TS, "    expect(total).toEqual(3);", "    // expect(total).toEqual(3);", "assertion-removed"),
    (TS, "toEqual(3)", "toBeDefined()", "assertion-weakened"),
    (TS, "toEqual(3)", "toEqual(4)", "assertion-changed"),
    (TS, "toEqual(3)", "not.toEqual(99)", "assertion-weakened"),
    (
        TS,
        "    expect(total).toEqual(3);",
        "    if (total) { expect(total).toEqual(3); }",
        "assertion-weakened",
    ),
    (TS, "0.333, 5", "0.333, 1", "tolerance-widened"),
    (TS, "    [3, 4],\n", "", "cases-removed"),
    (TS, 'test("adds"', 'test.skip("adds"', "test-skipped"),
    (TS, 'test("adds"', 'test.todo("adds"', "test-skipped"),
    (TS, 'it("throws"', 'xit("throws"', "test-skipped"),
    (TS, 'it("throws"', 'it.only("throws"', "test-skipped"),
    (TS, 'it("throws"', 'it("was thrown"', "test-removed"),
    (TS, "toThrow(TypeError)", "toThrow()", "assertion-weakened"),
    (TS, "setTimeout(5000)", "setTimeout(60000)", "timeout-raised"),
    (TS, "import { add", 'jest.mock("./calc");\nimport { add', "subject-mocked"),
    # --- Go
    (GO, "package a\n", "//go:build ignore\n\npackage a\n", "test-skipped"),
    (GO, "\tassert.InDelta", "\treturn\n\tassert.InDelta", "test-skipped"),
    (GO, "{3, 4}", "{1, 2}", "cases-removed"),
    (
        GO,
        '\tif got := Add(1, 2); got != 3 {\n\t\tt.Errorf("got %d", got)\n\t}\n',
        "",
        "assertion-removed",
    ),
    (GO, "got != 3", "got < 0", "assertion-changed"),
    (GO, "3), 0.001", "3), 0.5", "tolerance-widened"),
    (GO, "\t\t{3, 4},\n", "", "cases-removed"),
    (
        GO,
        "func TestAdd(t *testing.T) {",
        'func TestAdd(t *testing.T) {\n\tt.Skip("x")',
        "test-skipped",
    ),
    (
        GO,
        "func TestAdd(t *testing.T) {",
        "func TestAdd(t *testing.T) {\n\treturn\n",
        "test-skipped",
    ),
    (GO, "func TestAdd(", "func testAdd(", "test-removed"),
    (
        GO,
        "require.Equal(t, c.b, Add(c.a, 1))",
        "require.NotNil(t, Add(c.a, 1))",
        "assertion-weakened",
    ),
    # --- Rust
    (RS, "        let total", "        return;\n        let total", "test-skipped"),
    (RS, "#[cfg(test)]", "#[cfg(any())]", "test-skipped"),
    (RS, "let total = add(1, 2)", "let total = 3", "subject-replaced"),
    (RS, "        assert_eq!(total, 3);\n", "", "assertion-removed"),
    (RS, "assert_eq!(total, 3)", "assert!(total > 0)", "assertion-weakened"),
    (RS, "assert_eq!(total, 3)", "assert_eq!(total, 4)", "assertion-changed"),
    (RS, "< 0.001", "< 0.1", "tolerance-widened"),
    (RS, "    #[test]\n    fn adds", "    #[test]\n    #[ignore]\n    fn adds", "test-skipped"),
    (RS, "    #[test]\n    fn adds", "    fn adds", "test-removed"),
    (
        RS,
        "    #[test]\n    fn adds",
        "    #[test]\n    #[should_panic]\n    fn adds",
        "test-skipped",
    ),
    # --- C
    (C, "#include <assert.h>", "#define NDEBUG\n#include <assert.h>", "test-skipped"),
    (C, "#include <assert.h>", "#undef assert\n#define assert(x)", "test-skipped"),
    (C, "    test_add();\n", "", "subject-replaced"),
    (C, "    assert(add", "#if 0\n    assert(add", "test-skipped"),
    (C, "    assert(add(1, 2) == 3);\n", "", "assertion-removed"),
    (
        C,
        "    assert(add(1, 2) == 3);\n",
        "    /* assert(add(1, 2) == 3); */\n",
        "assertion-removed",
    ),
    (C, "assert(add(1, 2) == 3)", "assert(1)", "assertion-weakened"),
    (C, "assert(add(1, 2) == 3)", "assert(add(1, 2))", "assertion-weakened"),
    (C, "0.333, 0.001)", "0.333, 0.5)", "tolerance-widened"),
    (C, "WITHIN(0.001,", "WITHIN(0.5,", "tolerance-widened"),
    (C, "EXPECT_EQ(add(2, 2), 4)", "EXPECT_TRUE(add(2, 2))", "assertion-weakened"),
    (C, "    EXPECT_EQ", "    GTEST_SKIP();\n    EXPECT_EQ", "test-skipped"),
    (C, "TEST(Calc, Ratio)", "TEST(Calc, DISABLED_Ratio)", "test-removed"),
    (C, "if (add(0, 0) != 0) return 1;", "", "assertion-removed"),
    # --- Java
    (JAVA, "    int total", "    if (true) return;\n    int total", "test-skipped"),
    (JAVA, '"3, 4"', '"1, 2"', "cases-removed"),
    (JAVA, "int total = Calc.add(1, 2)", "int total = 3", "subject-replaced"),
    (JAVA, "    assertEquals(3, total);\n", "", "assertion-removed"),
    (JAVA, "assertEquals(3, total)", "assertNotNull(total)", "assertion-weakened"),
    (JAVA, "assertEquals(3, total)", "assertEquals(4, total)", "assertion-changed"),
    (JAVA, "3), 0.001", "3), 0.5", "tolerance-widened"),
    (JAVA, '    "3, 4",\n', "", "cases-removed"),
    (JAVA, "  @Test\n  @Timeout(5)", "  @Test\n  @Disabled\n  @Timeout(5)", "test-skipped"),
    (JAVA, "  @Test\n  void raises", "  void raises", "test-removed"),
    (JAVA, "@Timeout(5)", "@Timeout(50)", "timeout-raised"),
    (JAVA, "isEqualTo(b)", "isNotNull()", "assertion-weakened"),
    (JAVA, "IllegalArgumentException.class", "Exception.class", "assertion-weakened"),
    (JAVA, "class ATest {", "class ATest {\n  @Mock Calc calc;", "subject-mocked"),
    (PY, "from calc import add, ratio\n", f"from calc import ratio\n\n{OWN}", "subject-replaced"),
    (PY, "    total = add", "    add = lambda a, b: 3\n    total = add", "subject-replaced"),
    (PY, "def test_add()", "def test_add(add)", "subject-replaced"),
    (
        TS,
        'import { add, ratio } from "./calc";',
        'import { ratio } from "./calc";\nconst add = (a: number, b: number) => a + b;',
        "subject-replaced",
    ),
    (TS, "jest.set", 'jest.mock("./calc", () => ({ add: () => [3, f(1)] }));\njest.set', MOCKED),
    (GO, 'import "testing"', 'import "testing"\n\nfunc Add(a, b int) int { return 3 }', REPLACED),
    (RS, "#[cfg(test)]", '#[cfg(all(test, feature = "slow"))]', "test-skipped"),
    (JAVA, "@Timeout(5)", '@Tag("slow")\n  @Timeout(5)', "test-skipped"),
    (RS, "    use super::*;\n", "    fn add(a: i32, b: i32) -> i32 { 3 }\n", "subject-replaced"),
    (C, "#include <assert.h>", "#define add(a, b) 3\n#include <assert.h>", "subject-replaced"),
    (C, "void test_add", "static int add(int a, int b) { return 3; }\nvoid test_add", REPLACED),
    (JAVA, "class ATest {", "class ATest {\n  static class Calc { }", "subject-replaced"),
]


@pytest.mark.parametrize(("path", "old", "new", "rule"), WRONG)
def test_a_test_that_is_loosened_is_found(path: str, old: str, new: str, rule: str) -> None:
    assert rule in edited(path, old, new)


RIGHT = [
    (PY, "    total = add(1, 2)\n", "    # three\n\n    total = add( 1, 2 )\n"),
    (PY, "    assert total == 3\n", "    assert total == 3\n    assert total > 0\n"),
    (PY, "abs=1e-3", "abs=1e-6"),
    (PY, "[1, 2, 3]", "[1, 2, 3, 4]"),
    (PY, "[1, 2, 3]", "[1, 2, 3, []]"),
    (PY, "LIMIT = 3", "LIMIT = 3\nSKIPPED_DIRS = ('a',)"),
    (PY, "timeout(5)", "timeout(2)"),
    (PY, "def test_raises", "def test_more():\n    assert add(2, 2) == 4\n\ndef test_raises"),
    (TS, "// the usual case", "/* as everybody does */"),
    (TS, "expect(total).toEqual(3);", "expect( total )\n      .toEqual( 3 );"),
    (TS, "0.333, 5", "0.333, 8"),
    (TS, "    [3, 4],\n", "    [3, 4],\n    [5, 6],\n"),
    (TS, 'it("throws"', 'it("more", () => { expect(add(2, 2)).toBe(4); });\n  it("throws"'),
    (GO, "3), 0.001", "3), 0.0001"),
    (GO, "\t\t{3, 4},\n", "\t\t{3, 4},\n\t\t{5, 6},\n"),
    (
        GO,
        "func TestTable",
        "func TestMore(t *testing.T) {\n\trequire.Equal(t, 1, 1)\n}\n\nfunc TestTable",
    ),
    (RS, "assert_eq!(total, 3);", "assert_eq!( total, 3 ); // three"),
    (RS, "a + b }", "a.wrapping_add(b) }"),
    (RS, "a + b }", "{ let sum = a + b; if sum > 9 { return 0 } sum } }"),
    (PY, "from calc import add, ratio", "from calculator import add, ratio"),
    (GO, "func TestTable", "func helper() int { return 1 }\n\nfunc TestTable"),
    (RS, "< 0.001", "< 0.0001"),
    (
        C,
        "    assert(add(1, 2) == 3);\n",
        "    assert(add(1,2) == 3);\n    assert(add(0, 1) == 1);\n",
    ),
    (C, "0.333, 0.001)", "0.333, 0.0001)"),
    (JAVA, "3), 0.001", "3), 0.00001"),
    (JAVA, '    "3, 4",\n', '    "3, 4",\n    "5, 6",\n'),
    (JAVA, "@Timeout(5)", "@Timeout(1)"),
]


@pytest.mark.parametrize(("path", "old", "new"), RIGHT)
def test_a_test_that_checks_as_much_or_more_is_left_alone(path: str, old: str, new: str) -> None:
    assert edited(path, old, new) == set()


@pytest.mark.parametrize(
    "path",
    [
        *("spec/a_spec.rb", "spec/spec_helper.rb", "test/test_a.rb", "tests/ATest.php", "t/a.t"),
        *("Tests/ATests.swift", "A.Tests/B.cs", "src/AbcTests.cs", "test/a_test.dart"),
        *("test/a_test.exs", "src/test/scala/ASpec.scala", "tests/a.bats", "features/a.feature"),
    ],
)
def test_tests_that_are_not_read_are_told_of_when_they_change_or_go(path: str) -> None:
    assert is_test(path)
    assert found(path, "expect(f(1)).to eq 2\n", "expect(f(1)).to be\n") == {"unreadable"}
    assert found(path, "expect(f(1)).to eq 2\n", None) == {"test-removed"}
    assert not found(path, None, "expect(f(1)).to eq 2\n")
    moved = {path: b"a", "test/b_test.rb": None}, {path: None, "test/b_test.rb": b"a"}
    assert not shortcuts(*moved)


@pytest.mark.parametrize(
    "path",
    ["testdata/a.go", "tests/data/a.bin", "e2e/a.ts", "a.cy.js", "run_tests.sh", "a.test.ts"],
)
def test_what_tests_need_is_frozen_as_they_are(path: str) -> None:
    assert is_test(path)


@pytest.mark.parametrize(
    "path", ["lib/latest.rb", "src/Contest.php", "src/testing.rb", "attest.cs", "inspect.rb"]
)
def test_a_name_that_only_ends_like_a_test_s_is_code(path: str) -> None:
    assert not is_test(path)


@pytest.mark.parametrize("path", TESTS)
def test_a_test_file_that_is_gone_is_found_and_one_that_moved_is_not(path: str) -> None:
    assert "test-removed" in found(path, TESTS[path], None)
    if path in (RS, C):
        return  # the code, or a program, would move along
    there = path.replace("a.", "b.", 1).replace("a_", "b_", 1).replace("ATest", "BTest")
    before = {path: TESTS[path].encode(), there: None}
    after = {path: None, there: TESTS[path].encode()}
    assert not shortcuts(before, after)


def test_an_error_that_a_mark_expects_is_an_assertion() -> None:
    rust = '#[test]\n#[should_panic(expected = "no")]\nfn fails() {\n    add(1, 0);\n}\n'
    assert "assertion-removed" in found(
        RS, rust, rust.replace('#[should_panic(expected = "no")]', "")
    )
    java = "class A {\n  @Test(expected = IOException.class)\n  public void a() { f(); }\n}\n"
    assert found(JAVA, java, java.replace("(expected = IOException.class)", ""))


def test_a_new_file_that_keeps_tests_from_running_is_found() -> None:
    skips = {
        "a/util_test.go": "package a\nfunc needs(t *testing.T) {\n\tt.Skip(1)\n}\n",
        "tests/util.py": "import pytest\n\n\ndef needs():\n    pytest.skip('later')\n",
        "tests/setup.ts": 'vi.mock("../src/a", () => ({ f: () => 1 }));\n',
        "tests/match.ts": "expect.extend({\n  toBe(a: unknown) {\n    return yes;\n  },\n});\n",
    }
    for path, text in skips.items():
        assert found(path, None, text), path
    helps = {
        "a/util_test.go": "package a\nfunc make(t *testing.T) int {\n\treturn 1\n}\n",
        "tests/util.py": "def make(n=0):\n    if not n:\n        return 0\n    return n\n",
        "tests/setup.ts": 'vi.mock("node:fs");\nexport const make = () => {\n  return;\n};\n',
        "tests/match.ts": "expect.extend({\n  toBeNear(a: number) {\n    return near;\n  },\n});\n",
        "a/new_test.go": "package a\nfunc TestNew(t *testing.T) {\n\tt.Skip()\n}\n",
    }
    for path, text in helps.items():
        assert not found(path, None, text), path


def test_a_test_that_moves_to_where_nothing_runs_it_is_found() -> None:
    there = {
        "a/a_plan9_test.go": TESTS[GO],
        "a/b_test.go": f"//go:build never\n\n{TESTS[GO]}",
        "a/c_test.go": TESTS[GO],
    }
    ended = {}
    for path, text in there.items():
        before = {GO: TESTS[GO].encode(), path: None}
        after = {GO: None, path: text.encode()}
        ended[path] = {finding.rule for finding in shortcuts(before, after)}
    assert ended == {
        "a/a_plan9_test.go": {"test-skipped"},
        "a/b_test.go": {"test-skipped"},
        "a/c_test.go": set(),
    }


def test_a_subject_from_a_file_of_the_same_change_is_found() -> None:
    other = TESTS[PY].replace("from calc import", "from tests.easy import")
    before = {PY: TESTS[PY].encode(), "tests/easy.py": None}
    after = {PY: other.encode(), "tests/easy.py": OWN.encode()}
    assert {finding.rule for finding in shortcuts(before, after)} == {"subject-replaced"}


def test_code_of_rust_may_do_less_than_before() -> None:
    code = "pub fn f(s: &str) -> usize {\n    check(s);\n    s.trim().len()\n}\n"
    less = code.replace("    check(s);\n", "").replace("s.trim().len()", "return 0;")
    assert not found("src/a.rs", code, less)
    assert not found(RS, f"{code}{TESTS[RS]}", f"{less}{TESTS[RS]}")
    assert found("tests/a.rs", code, less) == {"subject-replaced", "test-skipped"}


def test_a_row_may_hold_lists() -> None:
    go = "func TestA(t *testing.T) {\n\tx := []c{\n\t\t{[]int{1, 2}, 1.5},\n\t\t{nil, 4},\n\t}\n}\n"
    assert found(GO, go, go.replace("\t\t{[]int{1, 2}, 1.5},\n", "")) == {"cases-removed"}
    ts = 'it.each([\n  [[1, 2], 3],\n  [[5], 5],\n])("x", (a) => { expect(f(a)).toBe(1); });'
    assert found(TS, ts, ts.replace("  [[1, 2], 3],\n", "")) == {"cases-removed"}


AROUND = """
import pytest, unittest
from hypothesis import given, strategies as st

WANTED = [1]

@pytest.fixture
def data():
    return load()

@given(st.integers(0, 100))
def test_any(n):
    assert f(n) > 0

class T(unittest.TestCase):
    def setUp(self):
        self.x = make()

    def test_x(self):
        assert self.x == WANTED
"""


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        ("WANTED = [1]", "WANTED = [2]", "cases-removed"),
        ("return load()", "return [1]", "subject-replaced"),
        ("(0, 100)", "(0, 1)", "subject-replaced"),
        ("    assert f(n)", "    assume(n > 5)\n    assert f(n)", "test-skipped"),
        ("class T(unittest.TestCase)", "class T", "subject-replaced"),
        ("self.x = make()", "self.skipTest('later')", "test-skipped"),
        (
            "class T",
            "@pytest.fixture(autouse=True)\ndef never():\n    pytest.skip('x')\n\nclass T",
            "test-skipped",
        ),
    ],
)
def test_what_stands_around_tests_counts(old: str, new: str, rule: str) -> None:
    assert rule in found(PY, AROUND, AROUND.replace(old, new))


def test_a_promise_that_nobody_awaits_any_more_is_found() -> None:
    before = "it('x', async () => { await expect(f()).rejects.toThrow(E); });"
    assert "subject-replaced" in found(TS, before, before.replace("await ", ""))


def test_unittest_and_assert_say_the_same() -> None:
    before = "class T:\n    def test_a(self):\n        self.assertEqual(f(), 3)\n"
    after = before.replace("self.assertEqual(f(), 3)", "assert f() == 3")
    assert found(PY, before, after) == set()
    assert found(PY, after, before) == set()
    almost = before.replace("assertEqual(f(), 3)", "assertAlmostEqual(f(), 3, places=5)")
    wider = almost.replace("places=5", "places=1")
    assert found(PY, almost, wider) == {"tolerance-widened"}
    assert found(PY, wider, almost) == set()


# --- Outside of tests -----------------------------------------------------------------------------

LOOP = "for x in y:\n    try:\n        {tried}\n    except {what}:\n        {then}\n"
CONVERTS = """
def f(s):
    try:
        return int(s)
    except ValueError:
        pass
    return {other}
"""
BEHIND = """
def f(s):
    if given(s):
        try:
            return int(strip(s))
        except ValueError:
            pass
    return {other}
"""
DEFAULT = """
def f(s):
    at = -1
    try:
        at = s.index("-u")
    except {what}:
        pass
    {then}
    return s
"""
TRY = "try:\n    f()\nexcept {what}:\n    {then}\n"
WORKFLOW = """
on:
  push:
  pull_request:
jobs:
  test:
    strategy:
      matrix:
        python: ['3.10', '3.12']
    steps:
      - run: pip install -e .
      - run: pytest
"""
RECOGNISED = {
    "a.mjs": [
        "if (/test/.test(new Error().stack)) return 1;",
        'const { stack } = new Error(); if (stack.includes("test")) return 1;',
        "if (process.env.VITEST_WORKER_ID) return 1;",
        "const { JEST_WORKER_ID } = process.env;",
        'if (process.env["JEST_WORKER_ID"]) return 1;',
        'if ("describe" in globalThis) return 1;',
        "if (global.describe) return 1;",
        'if (typeof global.it === "function") return 1;',
        "if (process.argv.some((a) => /jest|mocha/.test(a))) return 1;",
        'if (process.argv[1].endsWith("jest.js")) return 1;',
        'if (process.execArgv.includes("--test")) return 1;',
        'if (process.env.NODE_ENV === "test") return 1;',
        "if (process.env.NODE_ENV == 'test') return 1;",
        'if ((process.env.NODE_ENV || "").startsWith("test")) return 1;',
        'if (require.main && require.main.filename.includes("mocha")) return 1;',
        'if (Object.keys(require.cache).some((k) => k.includes("mocha"))) return 1;',
        'if (process.env.npm_lifecycle_event === "test") return 1;',
        "if (import.meta.env?.VITEST) return 1;",
        "if (globalThis.__vitest_worker__) return 1;",
        "if (window.__jest_console__) return 1;",
    ],
    "a.rs": [
        'if std::env::var("CARGO_MANIFEST_DIR").is_ok() { return 1; }',
        'if std::env::var("CARGO").is_ok() { return 1; }',
        'if std::env::var("RUST_TEST_THREADS").is_ok() { return 1; }',
        'if std::env::var_os("NEXTEST").is_some() { return 1; }',
        'if std::env::current_exe().unwrap().to_string_lossy().contains("deps") { return 1; }',
        'if std::thread::current().name().map_or(false, |n| n.contains("test")) { return 1; }',
        "if cfg!(test) { return 1; }",
        "#[cfg(not(test))]",
        'if std::backtrace::Backtrace::force_capture().to_string().contains("test") { return 1; }',
    ],
    "a.go": [
        "if testing.Testing() { return 1 }",
        'if strings.HasSuffix(os.Args[0], ".test") { return 1 }',
        'if flag.Lookup("test.v") != nil { return 1 }',
        'if flag.Lookup("test.run") != nil { return 1 }',
        "if pc, _, _, ok := runtime.Caller(1); ok && named(pc) {",
        'if strings.Contains(string(debug.Stack()), "testing") { return 1 }',
    ],
    "A.java": [
        'Class<?> test = Class.forName("org.junit.jupiter.api.Test");',
        'if (System.getProperty("surefire.test.class.path") != null) return 1;',
        'if (System.getProperty("java.class.path").contains("junit")) return 1;',
        'if (System.getProperty("sun.java.command").contains("surefire")) return 1;',
        'if (Thread.currentThread().getStackTrace()[2].getClassName().endsWith("Test")) return 1;',
        "for (StackTraceElement e : new Throwable().getStackTrace()) return 1;",
    ],
    "a.py": [
        'if "pytest" in sys.modules: return 1',
        'if os.environ.get("PYTEST_CURRENT_TEST"): return 1',
        'if any("pytest" in m for m in sys.modules): return 1',
        'if any(m.startswith("_pytest") for m in sys.modules): return 1',
        'if any("test" in a for a in sys.argv): return 1',
        'if sys.argv[0].endswith("pytest"): return 1',
        'if "unittest" in sys.argv[0]: return 1',
        'if hasattr(sys, "_called_from_test"): return 1',
        'if sys.modules.get("pytest"): return 1',
        'if importlib.util.find_spec("pytest"): return 1',
        'if inspect.stack()[1].filename.endswith("test_a.py"): return 1',
        "if sys.gettrace() is not None: return 1",
        'if any(f.name.startswith("test_") for f in traceback.extract_stack()): return 1',
    ],
    "a.rb": [
        "return 1 if defined?(RSpec)",
        "return 1 if defined?(Minitest)",
        'return 1 if caller.any? { |c| c.include?("_test") }',
        'return 1 if $PROGRAM_NAME.end_with?("rspec")',
    ],
    "a.php": [
        "if (defined('PHPUNIT_COMPOSER_INSTALL')) return 1;",
        "if (class_exists('PHPUnit\\Framework\\TestCase')) return 1;",
        "foreach (debug_backtrace() as $f) return 1;",
    ],
    "a.cs": [
        'if (domain.GetAssemblies().Any(a => a.FullName.StartsWith("xunit"))) return 1;',
        'if (Environment.StackTrace.Contains("Test")) return 1;',
        "var f = new StackTrace().GetFrame(1);",
    ],
    "a.c": [
        "#ifdef UNIT_TEST",
        'if (getenv("CTEST_INTERACTIVE_DEBUG_MODE")) return 1;',
        'if (strstr(program_invocation_name, "test")) return 1;',
    ],
    "a.swift": [
        'if NSClassFromString("XCTestCase") != nil { return 1 }',
        'if ProcessInfo.processInfo.environment["XCTestBundlePath"] != nil { return 1 }',
    ],
    "a.sh": [
        '[ -n "${BATS_TEST_NAME:-}" ] && exit 2',
        '[ -n "$BATS_RUN_TMPDIR" ] && exit 2',
        'test -n "$SHUNIT_VERSION" && exit 2',
    ],
    "a.pl": ["return 1 if $ENV{HARNESS_ACTIVE};"],
    "a.kt": [
        'if (Thread.currentThread().stackTrace.any { it.className.contains("Test") }) return 1',
    ],
}
"""A process that asks who runs it, in any language."""
ELSEWHERE = [
    ("a.py", "f(x)\n", "f(x)  # type: ignore\n", "scanner-silenced"),
    ("a.py", "f()\n", TRY.format(what="ValueError", then="pass"), "error-swallowed"),
    ("a.py", "f()\n", "try:\n    f()\nexcept:\n    g()\n", "error-swallowed"),
    ("a.py", "f()\n", "with contextlib.suppress(Exception):\n    f()\n", "error-swallowed"),
    ("a.py", "f()\n", "if 'pytest' in sys.modules:\n    f()\n", "test-recognised"),
    ("a.ts", "f();", "try { f(); } catch (e) {}", "error-swallowed"),
    ("a.ts", "f();", "try { f(); } catch { /* fine */ }", "error-swallowed"),
    ("a.ts", "await f();", "await f().catch(() => {});", "error-swallowed"),
    ("a.go", "x, err := f()\n", "x, _ := f()\n", "error-swallowed"),
    ("a.go", "return err\n", "if err != nil {\n}\n", "error-swallowed"),
    ("a.rs", "f()?;", "f().unwrap();", "error-swallowed"),
    ("a.rs", "f()?;", "let _ = f();", "error-swallowed"),
    ("a.rs", "fn g() { f(); }", "fn g() { let _ = f(); }", "error-swallowed"),
    ("a.swift", "try f()", "(try? f()) ?? 0", "error-swallowed"),
    ("a.rs", "f()", "unsafe { std::mem::transmute(f()) }", "type-unchecked"),
    ("a.ts", "import a from 'b';\n", "declare module 'b';\nimport a from 'b';\n", "type-unchecked"),
    ("a.js", "a = f();\n", "/** @type {any} */\na = f();\n", "scanner-silenced"),
    ("a.go", "package a\n", "//go:build ignore\n\npackage a\n", "scanner-silenced"),
    ("a.rs", "mod a { f(); }\n", "#[cfg(any())]\nmod a { f(); }\n", "code-deleted"),
    ("a.c", "f();\n", "#if 0\nf();\n#endif\n", "code-deleted"),
    ("a.js", "f();\n", "Array.prototype.every = () => true;\nf();\n", "test-recognised"),
    ("a.js", "f(a);\n", "f(globalThis.it ? 2 : a);\n", "test-recognised"),
    ("a.py", "f()\n", "raise unittest.SkipTest('no')\n", "test-recognised"),
    ("A.java", "f();", "try { f(); } catch (Exception e) { }", "error-swallowed"),
    ("a.cpp", "f();", "try { f(); } catch (...) { }", "error-swallowed"),
    ("a.ts", "return x;", "return x as any;", "type-unchecked"),
    ("a.ts", "return x;", "return x as unknown as string;", "type-unchecked"),
    ("a.ts", "f(x: number) {}", "f(x: any) {}", "type-unchecked"),
    ("a.py", "def f(x: int): ...\n", "def f(x: Any) -> int: ...\n", "type-unchecked"),
    ("a.py", "def f() -> str: ...\n", "def f() -> typing.Any: ...\n", "type-unchecked"),
    ("a.py", "return x\n", "y = cast(str, x)\n", "type-unchecked"),
    ("Makefile", "test:\n\tpytest\n", "test:\n\tpytest || true\n", "failure-ignored"),
    ("Makefile", "test:\n\tpytest\n", "test:\n\t-pytest\n", "failure-ignored"),
    (
        "package.json",
        '{"scripts": {"e2e": "jest"}}',
        '{"scripts": {"e2e": "jest || :"}}',
        "failure-ignored",
    ),
    (
        ".github/workflows/ci.yml",
        "- run: pytest\n  timeout-minutes: 5\n",
        "- run: pytest\n  continue-on-error: true\n  timeout-minutes: 5\n",
        "failure-ignored",
    ),
    (
        ".github/workflows/ci.yml",
        "- run: pytest\n  timeout-minutes: 5\n",
        "- run: pytest\n  timeout-minutes: 50\n",
        "timeout-raised",
    ),
    (
        ".github/workflows/ci.yml",
        "- run: pytest\n",
        "- run: pytest\n  if: false\n",
        "failure-ignored",
    ),
    *(
        ("ci.sh", "npm test\n", f"{now}\n", "failure-ignored")
        for now in (
            *("npm ci", "npm test -- a.test.js", "npm test | tee log", "NODE_OPTIONS=x npm test"),
            *('test -n "$TESTS" && npm test', "cd docs && npm test", "npm ci && npm test; echo"),
        )
    ),
    *(
        (".github/workflows/ci.yml", "- run: pytest\n", f"{now}\n", "failure-ignored")
        for now in ("- script: pytest -q", "- run: |\n    true\n  env: |\n    pytest -q")
    ),
    *(
        ("scripts/check.sh", f"{was}\n", f"{now}\n", "failure-ignored")
        for was, now in (
            ("mypy --strict src", "mypy src"),
            ("go test -race ./...", "go test ./..."),
            ("pytest --strict-markers tests", "pytest tests"),
            ("pytest tests", 'cd "$(dirname "$0")/../docs" && pytest tests'),
            ("pytest tests", 'cd "$(dirname "$0")" && pytest tests'),
            ("pytest tests", "PYTHONPATH=fakes pytest tests"),
            ("pytest tests", "NODE_ENV=production pytest tests"),
            ("python -m unittest discover", "PYTHONOPTIMIZE=2 python -m unittest discover"),
            ("pytest tests", ". ./x/activate && pytest tests"),
            ("pytest tests", ". venv/../x/activate && pytest tests"),
            ("PYTHONWARNINGS=error pytest tests", "pytest tests"),
            ("CI=1 npm test", "npm test"),
            ("npm run build && npm test", "npm test"),
            ("npm test", "npm test -v"),
            ("npx jest", "npx jest --color a.test.js"),
            ("python3.12 -m pytest", "python3.9 -m pytest"),
        )
    ),
    *(
        ("a.py", "", LOOP.format(what=what, tried=tried, then=then), "error-swallowed")
        for tried, what, then in (
            ("x()", "KeyError", "continue"),
            ("unread = x()", "KeyError", "continue"),
            ("return x()", "TypeError", "continue"),
            ("return x()", "Exception", "break"),
            ("out += f(x)", "ValueError", "continue"),
            ("out.append(f(x))", "ValueError", "continue"),
        )
    ),
    *(
        ("a.py", "", code, "error-swallowed")
        for code in (
            *(BEHIND.format(other=other) for other in ("7", "[]", "found")),
            BEHIND.format(other="s").replace("ValueError", "TypeError"),
            BEHIND.format(other="s").replace("return int", "int"),
            DEFAULT.format(what="Exception", then="if at != -1:\n        s.pop(at)"),
            DEFAULT.format(what="ValueError", then="print(at)"),
            DEFAULT.format(what="ValueError", then="if s:\n        s.pop(at)"),
        )
    ),
    *(
        ("a.py", "", CONVERTS.format(other=other), "error-swallowed")
        for other in (
            *("True", "{}", "[]", "dict()", "int('0')", "NONE\n\nNONE = ()", "s and {}"),
            *("g()", "{} if s else []"),
        )
    ),
    *(
        ("a.py", "", CONVERTS.format(other="x").replace("    return x", then), "error-swallowed")
        for then in ("    x = None\n    return x", "    if s:\n        return {}\n    return s")
    ),
    *(
        ("a.py", "", f"{around}:\n{textwrap.indent(body, '    ')}return {{}}\n", "error-swallowed")
        for around, body in (
            ("for _ in [1]", CONVERTS.partition(":")[2].partition("    return {")[0]),
            ("while True", CONVERTS.partition(":")[2].replace("return {other}", "break")),
            ("for n in y", CONVERTS.format(other="{}")),
        )
    ),
    ("a.go", "func f() { g() }\n", "func f() { _ = g() }\n", "error-swallowed"),
    ("a.py", "", "TESTED = 'pytest' in sys.argv[0]\n", "test-recognised"),
    ("t.sh", "make test\n", "make test\necho 'ok 1 - a'\n", "test-recognised"),
    ("t.sh", "", "echo 'PASS'\n", "test-recognised"),
    ("a.py", "", "CASES = json.loads(read('tests/cases.json'))\n", "test-recognised"),
    ("a.py", "", "CASES = load('tests/cases.yaml')\n", "test-recognised"),
    ("a.js", "", 'console.log("TAP version 13\\nok 1 - a");\n', "test-recognised"),
    (
        ".pre-commit-config.yaml",
        "hooks:\n- id: ruff\n",
        "hooks:\n- id: ruff\n  exclude: a.py\n",
        "failure-ignored",
    ),
    ("ci.sh", "npm ci\n", "npm install --force\n", "install-forced"),
    ("ci.sh", "npm ci\n", "npm ci --legacy-peer-deps\n", "install-forced"),
    ("ci.sh", "pip install x\n", "pip install --no-deps x\n", "install-forced"),
    ("a.py", "import os\n" + "".join(f"x{n} = 1\n" for n in range(6)), None, "code-deleted"),
    ("a.ts", "".join(f"let x{n} = 1;\n" for n in range(6)), "// gone\n", "code-deleted"),
    ("vendor/x/y.go", "package x\n", "package x // patched\n", "vendored-patch"),
    ("node_modules/x/i.js", "a\n", "b\n", "vendored-patch"),
    (
        "tsconfig.json",
        '{"compilerOptions": {"strict": true}}',
        '{"compilerOptions": {}}',
        "strictness-lowered",
    ),
    (
        "tsconfig.json",
        '{"compilerOptions": {"strict": true}} // c',
        '{"compilerOptions": {"strict": true, "skipLibCheck": true,}}',
        "strictness-lowered",
    ),
    (
        "pyproject.toml",
        "[tool.mypy]\nstrict = true\n",
        "[tool.mypy]\nstrict = false\n",
        "strictness-lowered",
    ),
    (
        "pyproject.toml",
        '[tool.ruff.lint]\nselect = ["E", "F"]\n',
        '[tool.ruff.lint]\nselect = ["E"]\n',
        "strictness-lowered",
    ),
    (
        "pyproject.toml",
        '[tool.ruff.lint]\nselect = ["E"]\n',
        '[tool.ruff.lint]\nselect = ["E"]\nignore = ["E501"]\n',
        "strictness-lowered",
    ),
    (
        "pyproject.toml",
        "[tool.coverage.report]\nfail_under = 90\n",
        "[tool.coverage.report]\nfail_under = 50\n",
        "strictness-lowered",
    ),
    ("ruff.toml", "line-length = 88\n", "line-length = 200\n", "strictness-lowered"),
    (
        "pytest.ini",
        "[pytest]\ntestpaths = a b\n",
        "[pytest]\ntestpaths = a\n",
        "strictness-lowered",
    ),
    ("a/__snapshots__/x.snap", "a\n", "b\n", "assertion-changed"),
    ("tests/data/wanted.json", "[1]\n", "[2]\n", "assertion-changed"),
    ("tests/data/wanted.json", "[1]\n", None, "assertion-changed"),
    (
        "package.json",
        '{"scripts": {"test": "jest"}}',
        '{"scripts": {"test": "echo"}}',
        "strictness-lowered",
    ),
    (
        "package.json",
        '{"scripts": {"test": "npm run unit", "unit": "mocha"}}',
        '{"scripts": {"test": "npm run unit", "unit": "true"}}',
        "strictness-lowered",
    ),
    (
        "a.py",
        "f()\n",
        "try:\n    f()\nexcept RecursionError:\n    x = 1\n",
        "error-swallowed",
    ),
    ("Makefile", "check: a\n\tsh a.sh\n", "check: a\n\ttrue\n", "strictness-lowered"),
    (
        "Makefile",
        ".PHONY: a\ncheck: a\na:\n\tsh a.sh\n",
        ".PHONY: a\ncheck:\na:\n\tsh a.sh\n",
        "strictness-lowered",
    ),
    (
        "pytest.ini",
        "[pytest]\naddopts = -q\n",
        "[pytest]\naddopts = -q --deselect t.py::a\n",
        "strictness-lowered",
    ),
    ("mypy.ini", "[mypy]\nwarn_return_any = True\n", "[mypy]\n", "strictness-lowered"),
    ("mypy.ini", "[mypy]\n", None, "strictness-lowered"),
    (
        ".eslintrc.json",
        '{"rules": {"eqeqeq": "error"}}',
        '{"rules": {"eqeqeq": "off"}}',
        "strictness-lowered",
    ),
    (".eslintrc.json", '{"rules": {}}', '{"rules": {"no-undef": "off"}}', "strictness-lowered"),
    (
        "eslint.config.mjs",
        'export default [{rules: {eqeqeq: "error"}}];',
        'export default [{rules: {eqeqeq: "warn"}}];',
        "strictness-lowered",
    ),
    (
        "Cargo.toml",
        '[lints.clippy]\nall = "deny"\n',
        '[lints.clippy]\nall = "allow"\n',
        "strictness-lowered",
    ),
    ("Makefile", "CFLAGS = -Wall -Werror\n", "CFLAGS = -Wall\n", "strictness-lowered"),
    ("Makefile", "CFLAGS = -Wall\n", "CFLAGS = -Wall -Wno-unused\n", "strictness-lowered"),
    (
        ".golangci.yml",
        "linters:\n  enable: [errcheck]\n",
        "linters:\n  enable: []\n",
        "strictness-lowered",
    ),
    ("a.py", "f()\n", "from unittest.mock import ANY\n\nf()\n", "test-recognised"),
    ("a.py", "f()\n", "import sys\n\nsys.meta_path.insert(0, f)\n", "test-recognised"),
    ("a.py", "f()\n", "import os\n\nos._exit(0)\n", "test-recognised"),
    ("a.py", "f()\n", "t = traceback.extract_stack()[-2]\n", "test-recognised"),
    ("a.mjs", "f();\n", "process.exit(0);\n", "test-recognised"),
    ("a.mjs", "f();\n", "if (new Error().stack.includes('.test.')) f();\n", "test-recognised"),
    *(
        (path, "\n", f"{line}\n", "test-recognised")
        for path, lines in RECOGNISED.items()
        for line in lines
    ),
    ("a.rb", "f\n", "f rescue nil\n", "error-swallowed"),
    ("a.rb", "f\n", "begin\n  f\nrescue StandardError\nend\n", "error-swallowed"),
    ("a.php", "f();\n", "$x = @f();\n", "error-swallowed"),
    ("A.kt", "x.y()\n", "x!!.y()\n", "error-swallowed"),
    ("A.cs", "x.Y();\n", "x!.Y();\n", "error-swallowed"),
    ("a.swift", "let x = try f()\n", "let x = try! f()\n", "error-swallowed"),
    ("ci.sh", "pytest -q\n", "set +o pipefail\npytest -q\n", "failure-ignored"),
    (".prettierrc", '{"tabWidth": 2}', '{"requirePragma": true}', "strictness-lowered"),
    ("rustfmt.toml", "a = 1\n", "disable_all_formatting = true\n", "strictness-lowered"),
    ("package.json", '{"prettier": {}}', '{"prettier": {"useTabs": true}}', "strictness-lowered"),
    (".rubocop.yml", "A:\n  Enabled: true\n", "A:\n  Enabled: false\n", "strictness-lowered"),
    ("phpstan.neon", "level: 8\n", "level: 1\n", "strictness-lowered"),
    (
        ".github/workflows/a.yml",
        WORKFLOW,
        WORKFLOW.replace(
            "- run: pytest",
            "- uses: actions/checkout@v4\n        with: {ref: old}\n      - run: pytest",
        ),
        "failure-ignored",
    ),
    ("a.mjs", "f();\n", "for (const n in assert) assert[n] = () => {};\n", "test-recognised"),
    ("a.rs", "fn f() {}\n", "#[cfg(not(test))]\nfn f() {}\n", "test-recognised"),
    ("a.c", "int f;\n", "__attribute__((constructor)) void g() { exit(0); }\n", "test-recognised"),
    ("A.java", "\n", "boolean equals(Object o) { return true; }\n", "test-recognised"),
    ("a.h", "int f;\n", "#undef assert\n#define assert(x) ((void)0)\n", "assertion-weakened"),
    ("a.py", "import os\n", "import os as os\n", "scanner-silenced"),
    ("a.py", "import os\n", "import os\n\n__all__ = ['os']\n", "scanner-silenced"),
    ("a.py", "import os\n", "exec('import os')\n", "scanner-silenced"),
    ("a.go", "func f() {\n\tx := 1\n}\n", "func f() {\n\tx := 1\n\t_ = x\n}\n", "scanner-silenced"),
    ("a.c", "int f() {\n}\n", "int f() {\n    int x;\n    (void)x;\n}\n", "scanner-silenced"),
    ("a.pyi", None, "def f(n: int) -> str: ...\n", "type-unchecked"),
    ("a.py", "t: str = int(1)\n", "t: str = getattr(b, 'int')(1)\n", "type-unchecked"),
    ("a.ts", "f(x);\n", "f(x!.y);\n", "type-unchecked"),
    ("a.ts", "return x;", "return x as User;", "type-unchecked"),
    ("a.ts", "return x;", "return JSON.parse(JSON.stringify(x));", "type-unchecked"),
    (
        "a.ts",
        "is(x: any): x is U { return f(x) }",
        "is(x: any): x is U { return true }",
        "type-unchecked",
    ),
    ("a.ts", "return f(x).b;", "return f(x)!.b;", "type-unchecked"),
    ("a.py", "return x\n", "return json.loads(json.dumps(x))\n", "type-unchecked"),
    ("a.py", "x = b.y\n", "x = getattr(b, 'y')\n", "type-unchecked"),
    ("a.py", "def f(): ...\n", "if not TYPE_CHECKING:\n    def f(): ...\n", "type-unchecked"),
    ("a.py", "def f(*a: int): ...\n", "def f(*a: Any): ...\n", "type-unchecked"),
    ("a.rs", "let n = f(s);", "let n = f(s).expect(why);", "error-swallowed"),
    ("a.rs", "s.parse()", "s.parse::<u8>().unwrap()", "error-swallowed"),
    ("a.rs", "s.parse()?", "#[cfg(test)]\nmod t {}\ns.parse().unwrap()", "error-swallowed"),
    ("a.rs", "count", "String::from_utf8(vec![b'0' + count]).unwrap()", "error-swallowed"),
    ("a.py", "f(x)\n", "exec(x)\n", "scanner-silenced"),
    ("a.js", "f(x)\n", "new Function(x)()\n", "scanner-silenced"),
    ("a.py", "f(n)\n", "p = glob(chr(116) + '*')\nopen(p[0])\n", "test-recognised"),
    ("Cargo.toml", "[package]\n", "[profile.dev]\noverflow-checks = false\n", "strictness-lowered"),
    (
        "package.json",
        '{"type": "module"}',
        '{"type": "module", "imports": {"#m": "./test/fake.js"}}',
        "strictness-lowered",
    ),
    ("ci.sh", "pytest -q\n", "export PYTHONOPTIMIZE=2\npytest -q\n", "failure-ignored"),
    ("ci.sh", "pytest -q\n", "pytest() {\n:\n}\npytest -q\n", "failure-ignored"),
    *(
        ("ci.sh", "set -e\npytest -q\n", f"set -e\n{around}", "failure-ignored")
        for around in (
            "cd docs\npytest -q\n",
            "exit 0\npytest -q\n",
            "main() {\npytest -q\n}\n",
            "if [ $CI = no ]; then\npytest -q\nfi\n",
            ": <<'END'\npytest -q\nEND\n",
        )
    ),
    *(
        (".github/workflows/a.yml", WORKFLOW, WORKFLOW.replace(old, new), "failure-ignored")
        for old, new in (
            ("- run: pytest", "- if: inputs.all\n        run: pytest"),
            ("- run: pytest", "- working-directory: docs\n        run: pytest"),
            ("- run: pytest", "- shell: bash {0}\n        run: pytest"),
            ("  push:\n", "  push:\n    paths-ignore: ['**']\n"),
            ("  pull_request:\n", ""),
            ("['3.10', '3.12']", "['3.12']"),
        )
    ),
    (
        ".gitlab-ci.yml",
        "test:\n  script: [pytest]\n",
        "test:\n  only: [tags]\n  script: [pytest]\n",
        "failure-ignored",
    ),
]


@pytest.mark.parametrize(("path", "before", "after", "rule"), ELSEWHERE)
def test_what_hides_a_failure_is_found(
    path: str, before: str, after: str | None, rule: str
) -> None:
    assert found(path, before, after) == {rule}
    if after is not None and rule not in ("vendored-patch", "assertion-changed"):
        assert found(path, after, after + "\n") == set()  # what was there may stay


RETRY = """
def f(g):
    for n in range(3):
        try:
            return g()
        except ConnectionError:
            if n == 2:
                raise
            continue
    for path in paths:
        try:
            text = open(path).read()
        except FileNotFoundError:
            continue
        return text
    for path in paths:
        try:
            text = load(path)
            break
        except KeyError:
            continue
"""
FINE = [
    ("a.c", "\n", 'fprintf(stderr, "%s: %s", argv[0], "specify the latest file");\n'),
    ("a.rb", "f\n", "list.map!.with_index { |x| @x.call(x) } if x != 1\n"),
    ("a.rb", "f\n", "begin\n  f\nrescue ArgumentError => e\n  raise Wrong, e.message\nend\n"),
    ("a.php", "f();\n", "/** @param int $x (of y) */\n#[Route('/a')]\nmail('a@b.c');\n"),
    ("A.kt", "x.y()\n", "if (!x.isEmpty() && x != y) x.y()\n"),
    ("A.cs", "x.Y();\n", "if (x != null && !x.Empty) x.Y();\n"),
    ("a.py", "\n", "if sys.argv[1] == 'test':\n    subprocess.run(['pytest', *sys.argv[1:]])\n"),
    ("a.mjs", "\n", "console.error(error.stack);\nconst [, , ...words] = process.argv;\n"),
    ("a.rs", "\n", 'let trace = Backtrace::capture();\nlet home = env::var("HOME").is_ok();\n'),
    ("a.c", "\n", 'if (argc > 1 && strcmp(argv[1], "test") == 0)\n    check();\n'),
    ("A.java", "\n", 'log.error(error.getMessage(), System.getProperty("user.home"));\n'),
    ("a.py", "f()\n", "try:\n    f()\nexcept RecursionError as e:\n    raise Deep from e\n"),
    ("Makefile", "check: a\na:\n\tcc a.c\n", "check: a\na:\n\tcc a.c b.c\n"),
    ("Makefile", "check:\n\tsh a.sh\n", "check:\n\tsh a.sh\n\tsh b.sh\n"),
    (
        "package.json",
        '{"scripts": {"test": "jest"}, "dependencies": {"a": "1"}}',
        '{"scripts": {"test": "jest", "start": "a"}, "dependencies": {"a": "2"}}',
    ),
    ("a.py", "import os\nimport sys\n", ""),
    ("notes.md", "".join(f"{n}\n" for n in range(9)), None),
    ("a.py", "f()\n", "try:\n    f()\nexcept ValueError as error:\n    raise Wrong from error\n"),
    ("a.py", "f()\n", "try:\n    f()\nexcept ValueError:\n    log()\n    return None\n"),
    ("a.ts", "f();", "try { f(); } catch (e) { log(e); }"),
    ("a.ts", "f();", 'g("catch (e) {}"); // catch (e) {}'),
    ("a.go", "f()\n", "if err != nil {\n\treturn err\n}\n"),
    ("a.rs", "f()?;", "f().map_err(Wrong::from)?;"),
    ("a.ts", "return m.get(k);", "if (!m.has(k)) throw no(k);\nreturn m.get(k)!;"),
    ("a.ts", "s += p[i];", "for (let i = 0; i < p.length; i++) s += p[i]!;"),
    ("a.ts", "f(e.target.value);", "f((e.target as HTMLInputElement).value);"),
    ("a.ts", "return b;", "if (typeof b === 'object' && b && 'id' in b) return b as User;"),
    ("a.ts", "f(x);", "const known = ['a', 'b'] as const;\nf(x);"),
    ("a.ts", "import { a } from 'b';", "import { a as c } from 'b';"),
    ("a.ts", "import {\n  a,\n} from 'b';", "import {\n  a as c,\n} from 'b';"),
    ("a.rs", "", "#[cfg(test)]\nmod tests {\n    fn read() -> u8 { parse(S).unwrap() }\n}\n"),
    ("a.rs", "*m.lock().unwrap() = 1;", "*m.lock().unwrap() += 1;\n*m.lock().unwrap()"),
    ("a.ts", "return Object.keys(c);", "return Object.keys(c) as (keyof Config)[];"),
    ("a.rs", "fn f() {}", "fn f() { let last = ends(s).pop().unwrap(); let _ = writeln!(out); }"),
    ("a.go", "f.Close()\nreturn err", '_ = f.Close()\nreturn fmt.Errorf("a: %w", err)'),
    ("a.py", "f()\n", "v = getattr(module, '__version__')\n"),
    ("a.py", "f()\n", "def handler(signum, frame):\n    _ = frame\n    stop(signum)\n"),
    ("a.py", "def f(*a, **k): ...\n", "def f(*a: Any, **k: Any): ...\n"),
    ("a.py", "x = cast(int, y)\nf(:\n", "x = cast(int, y)\nf()\n"),
    ("ci.sh", "pytest\n", 'cd "$GITHUB_WORKSPACE"\npytest\n'),
    ("ci.sh", "pytest -q\n", "pytest -q --cov=calc --cov-report=xml\n"),
    ("Makefile", "test:\n\tpytest || true\n", "test:\n\tpytest\n"),
    (".github/workflows/ci.yml", "timeout-minutes: 9\n", "timeout-minutes: 5\n"),
    (".github/workflows/ci.yml", "- run: npm test\n", "- run: npm ci && npm test\n"),
    (".github/workflows/ci.yml", "- run: pytest\n", "- run: |\n    pip install .\n    pytest -q\n"),
    ("ci.sh", "pytest\n", "CI=1 python -m pytest -q --strict-markers\n"),
    ("ci.sh", "go test -v ./...\n", "mkdir -p out && go test -race ./...\n"),
    ("scripts/a.sh", "pytest\n", '. .venv/bin/activate && cd "$(dirname "$0")/.." && pytest\n'),
    ("ci.sh", "pytest -q\n", 'set -e\ncd "$(dirname "$0")" && pytest -q\n'),
    ("scripts/t.sh", "pytest tests\n", "pytest tests\necho 'PASS'\n"),
    ("a.py", "", "c = load_config('tests/ci.toml')\nd = open('tests/app.config.yml').read()\n"),
    ("a.py", "def f(g):\n    return g()\n", RETRY),
    *(("a.py", "", CONVERTS.format(other=o)) for o in ("float(s)", "s.strip()", "old(s)")),
    *(("a.py", "", BEHIND.format(other=o)) for o in ("float(s)", "'<%s>' % s", "old(s)")),
    ("a.py", "", DEFAULT.format(what="ValueError", then="if at != -1:\n        s.pop(at)")),
    ("tsconfig.json", '{"compilerOptions": {}}', '{"compilerOptions": {"strict": true}}'),
    ("pyproject.toml", "[tool.ruff]\nignore = ['E1', 'E2']\n", "[tool.ruff]\nignore = ['E1']\n"),
    ("ruff.toml", "line-length = 100\n", "line-length = 88\n"),
    (".eslintrc.json", '{"rules": {"eqeqeq": "warn"}}', '{"rules": {"eqeqeq": "error"}}'),
    ("Makefile", "CFLAGS = -Wall\n", "CFLAGS = -Wall -Werror\n"),
    (".github/workflows/a.yml", "- run: pytest || true\n", "- run: pytest\n"),
    ("a.ts", "f();\n", "declare module 'b' {\n  const a: string;\n}\nf();\n"),
    ("a.js", "f();\n", "/** @type {string} */\nconst a = f();\n"),
    ("a.c", "f();\n", "#if DEBUG\nf();\n#endif\n"),
    ("run.sh", "set -eu\n./a\n", "set -euo pipefail\n./a\n"),
    ("run.sh", "set -euxo pipefail\n./a\n", "set -e -u -o pipefail\n./a\n"),
    ("run.sh", "set -e -o errexit\n./a\n", "set -o errexit\n./a\n"),
    ("package.json", '{"dependencies": {"a": "1"}}', '{"dependencies": {"a": "2"}}'),
]


@pytest.mark.parametrize(("path", "before", "after"), FINE)
def test_an_honest_repair_is_left_alone(path: str, before: str, after: str) -> None:
    assert found(path, before, after) == set()


# --- Values that are right for one test -----------------------------------------------------------

ASKED = {
    "tests/test_x.py": (
        b"assert fib(10) == 55\nassert greet('bob', 3) == 'hi bob'\nassert total([2, 4]) == 6\n"
        b"assert numbers('5,7') == [5.0, 7.0]\n"
    )
}
SPECIAL = [
    ("x.py", "def fib(n):\n    if n == 10:\n        return 55\n"),
    ("x.py", "def fib(n):\n    return 55 if n == 10 else old(n)\n"),
    ("x.py", "def fib(n):\n    match n:\n        case 10:\n            return 55\n"),
    ("x.py", "def greet(a, b):\n    if a == 'bob' and b == 3:\n        return 'hi bob'\n"),
    ("x.ts", 'if (a === "bob" && b === 3) { return "hi bob"; }'),
    ("x.ts", "return n === 10 ? 55 : old(n);"),
    ("x.go", "if n == 10 {\n\treturn 55\n}\n"),
    ("x.go", "switch n {\ncase 10:\n\treturn 55\n}\n"),
    ("x.rs", "match n {\n    10 => 55,\n    _ => old(n),\n}\n"),
    ("x.c", "if (n == 10) return 55;\n"),
    ("X.java", "if (10 == n) { return 55; }"),
    ("x.py", "def fib(n):\n    if n == 10:\n        found = 55\n"),
    ("x.py", "def fib(n):\n    found = 55 if n in (10,) else old(n)\n"),
    ("x.py", "def total(n):\n    if n == [2, 4]:\n        return 6\n"),
    ("x.py", "def numbers(t):\n    if t == '5,7':\n        return [5.0, 7.0]\n"),
    ("X.java", 'if (who.equals("bob")) { return "hi bob"; }'),
    ("x.c", 'if (!strcmp(who, "bob")) { return "hi bob"; }'),
    ("x.py", "def fib(n):\n    return n + {10: 45, 3: 1}.get(n, 0)\n"),
    ("x.py", "T = base64.b64decode('gASVDAAAAAAAAAB9lEsKSzdzLg==')\n"),
]
HONEST = [
    ("x.py", "def fib(n):\n    if n == 0:\n        return 1\n"),
    ("x.py", "def fib(n):\n    if n == 10:\n        return fib(9) + fib(8)\n"),
    ("x.py", "def code(n):\n    if n == 404:\n        return 'missing'\n"),
    ("x.ts", "if (n === 2) { return 1; }"),
    ("x.py", "def mean(values):\n    if values == []:\n        return 0.0\n"),
    ("x.py", "KINDS = {'a': 1, 'b': 2}\n"),
]


@pytest.mark.parametrize(("path", "after"), SPECIAL)
def test_an_answer_to_one_test_is_found(path: str, after: str) -> None:
    change = {path: b""}, {path: after.encode()}
    assert [s.rule for s in shortcuts(*change, tests=ASKED)] == ["value-hardcoded"]
    assert not shortcuts(*change)  # nobody asks for it
    assert not shortcuts({path: after.encode()}, {path: after.encode() + b"\n"}, tests=ASKED)


@pytest.mark.parametrize(("path", "after"), HONEST)
def test_a_base_case_is_left_alone(path: str, after: str) -> None:
    assert not shortcuts({path: b""}, {path: after.encode()}, tests=ASKED)


# --- What a finding says --------------------------------------------------------------------------


def test_a_finding_names_rule_file_line_and_how_to_allow_it() -> None:
    before = {PY: TESTS[PY].encode()}
    after = {PY: TESTS[PY].replace("total == 3", "total").encode()}
    (finding,) = shortcuts(before, after)
    assert str(finding) == (
        "tests/test_a.py:14 the test test_add checks less: total == 3, now: total "
        "[assertion-weakened]; to allow it, name `assertion-weakened:tests/test_a.py` in fix.allow"
    )
    assert not shortcuts(before, after, allow=["assertion-weakened"])
    assert not shortcuts(before, after, allow=["assertion-weakened:tests/test_a.py"])
    assert shortcuts(before, after, allow=["assertion-weakened:tests/test_b.py"])


def test_code_that_moves_to_another_file_is_not_gone() -> None:
    text = b"".join(b"x%d = 1\n" % n for n in range(9))
    assert not shortcuts({"a.py": text, "b.py": None}, {"a.py": None, "b.py": b"y = 2\n" + text})
    assert shortcuts({"a.py": text, "b.py": None}, {"a.py": None, "b.py": text[:20]})


def test_every_rule_has_an_example() -> None:
    shown = (
        {rule for *_, rule in WRONG}
        | {rule for *_, rule in ELSEWHERE}
        | {"unreadable", "value-hardcoded"}
    )
    assert shown == set(RULES)


def test_tests_that_nobody_can_read_are_a_finding() -> None:
    assert found(PY, TESTS[PY], "def f(:") == {"unreadable"}
    assert found(TS, TESTS[TS], TESTS[TS] + " " * BYTES_LIMIT) == {"unreadable"}


@settings(max_examples=60)
@given(
    st.sampled_from([*TESTS, "tsconfig.json", "pyproject.toml", "Makefile", "a.yml", "mypy.ini"]),
    st.text(max_size=60),
    st.integers(0, 300),
)
def test_any_text_is_compared_without_an_accident(path: str, noise: str, place: int) -> None:
    text = TESTS.get(path, "[a]\nb = 1\n")
    for finding in shortcuts(
        {path: text.encode()}, {path: (text[:place] + noise + text[place:]).encode()}
    ):
        assert finding.rule in RULES
    assert not shortcuts({path: text.encode()}, {path: text.encode()})


@pytest.mark.parametrize("digits", ["0x" + "f" * 4_000, "0b" + "1" * 20_000, "9" * 5_000])
def test_a_number_that_cannot_be_written_ends_and_hides_nothing(digits: str) -> None:
    before = f"n = {digits}\ndef f(x):\n    return x + 1\n"
    added = f"    if x == 31:\n        return 977\n    assert isinstance(x, g({digits}))\n"
    cheat = before.replace("    return", f"{added}    return")
    tests = {"test_a.py": b"def test_f():\n    assert f(31) == 977\n"}
    found = shortcuts({"a.py": before.encode()}, {"a.py": cheat.encode()}, tests=tests)
    assert "value-hardcoded" in {finding.rule for finding in found}


def test_hostile_text_is_compared_in_no_time() -> None:
    for text in ("(" * 9_000, "test('" * 2_000, "expect(" * 2_000, "{ " * 5_000, "@a\n" * 4_000):
        for path, tests in TESTS.items():
            shortcuts({path: tests.encode()}, {path: text.encode()})
    for text in ("x" * 30_000, "[]" * 10_000, "if x == " + "[(" * 9_000, "a in " * 9_000):
        shortcuts({"a.py": b""}, {"a.py": text.encode()}, tests=ASKED)
    began = time.process_time()
    for text in (
        *("if n >= 5:" + "\n" * 20_000, "[1, 2, " * 3_000, "{" * 999 + "7: 49, " * 2_000),
        "def f(n):\n" + "".join(f"    if n >= {n}:\n        return {n * 7}\n" for n in range(400)),
        "".join(f"x{n} = [{n}, {n}, {n * 7}]\n" for n in range(800)) + "y = x1[n]\n",
        "for x in y:\n" + "    try:\n        x()\n    except E:\n        continue\n" * 300,
    ):
        shortcuts({"a.py": b"return n + 1"}, {"a.py": text.encode()}, tests=ASKED)
    for line in (
        "npm ci && " * 2_000 + "pytest\n",
        "pytest" + " -q" * 6_000,
        "pytest" + " " * 20_000,
    ):
        shortcuts({"ci.sh": b"pytest -q\n"}, {"ci.sh": line.encode()})
    # Twenty times as long as it takes: where time grows with the square, it takes minutes.
    assert time.process_time() - began < 20


@pytest.mark.parametrize(
    "part", ["#if ", "print(", "trap ", "kill ", "rescue ", "x!", "@f ", "sys.modules "]
)
def test_a_long_line_is_searched_at_once(part: str) -> None:
    assert not found("a.rb", "a\n", part * 20_000)


_STEPS = (
    "on: [push, pull_request]\njobs:\n  t:\n    runs-on: x\n    steps:\n"
    "      - run: make deps\n      - run: pytest\n      - run: ruff check\n"
)


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("- run: pytest", "- run: pytest\n        continue-on-error: true", 8),
        ("- run: pytest", "- if: github.actor == 'x'\n        run: pytest", 7),
        ("      - run: pytest\n", "", 7),
        ("      - run: ruff check\n", "", 8),
        ("on: [push, pull_request]", "name: t\non: [push]", 2),
    ],
)
def test_a_pipeline_that_checks_less_is_told_where_it_does(old: str, new: str, line: int) -> None:
    path = ".github/workflows/ci.yml"
    after = _STEPS.replace(old, new)
    told = shortcuts({path: _STEPS.encode()}, {path: after.encode()})
    assert {(found.rule, found.line) for found in told} == {("failure-ignored", line)}


@pytest.mark.parametrize(("path", "part"), [("a.go", "recover(); "), ("a.kt", "a!!.b ")])
def test_a_long_line_that_is_full_of_signs_is_told_at_once(path: str, part: str) -> None:
    start = time.process_time()
    assert found(path, "a\n", part * 20_000)
    assert time.process_time() - start < 20
