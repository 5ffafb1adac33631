"""Of a failed command's output the line is quoted that says why, whatever tool wrote it."""

from __future__ import annotations

import pytest

from autoresearch_ci.execution.telling_line import telling_line


@pytest.mark.parametrize(
    ("output", "told"),
    [
        ("", ""),
        ("one\ntwo\n", "two"),
        ("one\n\x1b[1;31mtwo\x1b[m\n\x1b[0m\x1b[0m", "two"),
        (
            "[ERROR] Failed to execute goal a:b:1:c: no such file -> [Help 1]\n[ERROR] \n"
            "[ERROR] To see the full stack trace of the errors, re-run Maven with the -e switch.\n"
            "[ERROR] Re-run Maven using the -X switch to enable full debug logging.\n[ERROR] \n"
            "[ERROR] For more information about the errors, read:\n[ERROR] [Help 1] http://a\n",
            "[ERROR] Failed to execute goal a:b:1:c: no such file -> [Help 1]",
        ),
        (
            "Traceback (most recent call last):\n  File \"a.py\", line 1\nKeyError: 'a'\n",
            "KeyError: 'a'",
        ),
        (
            "INTERNALERROR>     self._active_nodes.remove(node)\n"
            "INTERNALERROR> KeyError: <WorkerController gw0>\n\nno tests ran in 5.73s\n",
            "INTERNALERROR> KeyError: <WorkerController gw0>",
        ),
        (
            "ERROR: usage: __main__.py [options]\n__main__.py: error: unrecognized arguments: -n\n"
            "  inifile: None\n  rootdir: /a/tree\n",
            "__main__.py: error: unrecognized arguments: -n",
        ),
        (
            "cat: missing: No such file\nmake: *** [Makefile:2: all] Error 1\n",
            "cat: missing: No such file",
        ),
        (
            "      urllib.error.URLError: <urlopen error>\n  [end of output]\n"
            "error: subprocess-exited-with-error\n\nnote: not a problem with pip.\n",
            "urllib.error.URLError: <urlopen error>",
        ),
        ("make: *** [Makefile:2: all] Error 1\n", "make: *** [Makefile:2: all] Error 1"),
        (
            "1 test failed\nautoresearch-ci: exit code 1 after 2.7 seconds of the processor: ava\n",
            "1 test failed",
        ),
        (
            "npm error npx canceled due to missing packages\n"
            "npm error A complete log of this run can be found in: /tmp/a.log\n",
            "npm error npx canceled due to missing packages",
        ),
        (
            "npm error code ENOTFOUND\nnpm error syscall getaddrinfo\n"
            "npm error network request to https://a.test/b failed, reason: ENOTFOUND a.test\n"
            "npm error network This is a problem related to network connectivity.\n"
            "npm error network\n"
            "npm error network If you are behind a proxy, please set it. See: 'npm help config'\n",
            "npm error network request to https://a.test/b failed, reason: ENOTFOUND a.test",
        ),
        (
            "error[E0425]: cannot find value `x`\n --> src/a.rs:1:1\nerror: could not compile\n",
            "error[E0425]: cannot find value `x`",
        ),
        ("a.c:3:5: error: expected ';'\nmake: *** [a.o] Error 1\n", "a.c:3:5: error: expected ';'"),
        (
            "thread 'main' panicked at src/a.rs:1:1:\nboom\n",
            "thread 'main' panicked at src/a.rs:1:1: boom",
        ),
        (
            "AssertionError [ERR_ASSERTION]: Values to be equal:\n\n1 !== 2\n\n    at x\n}\n",
            "AssertionError [ERR_ASSERTION]: Values to be equal: 1 !== 2",
        ),
    ],
)
def test_the_line_that_says_why(output: str, told: str) -> None:
    assert telling_line(output) == told


NODE = """TAP version 13
# Subtest: fine
ok 1 - fine
  ---
  duration_ms: 4.6
  ...
# Subtest: later
not ok 2 - later # TODO
  ---
  error: 'not yet'
  ...
# Subtest: suite
    # Subtest: case 0
    not ok 1 - case 0
      ---
      duration_ms: 4.037536
      location: '/a/a.test.js:2:1'
      failureType: 'testCodeFailure'
      error: |-
        Expected values to be strictly equal:

        1 !== 2

      code: 'ERR_ASSERTION'
      stack: |-
        TestContext.<anonymous> (/a/a.test.js:2:29)
      ...
    1..1
not ok 3 - suite
  ---
  type: 'suite'
  error: '1 subtest failed'
  ...
1..3
# tests 3
# fail 1
# duration_ms 274.001584
"""
NODE_SPEC = """✔ fine (0.257581ms)
✖ case 0 (2.843632ms)
  AssertionError [ERR_ASSERTION]: Expected values to be strictly equal:

  1 !== 2

      at TestContext.<anonymous> (/a/a.test.js:2:29)
  }

ℹ tests 2
ℹ fail 1

✖ failing tests:

test at a.test.js:2:1
✖ case 0 (2.843632ms)
  AssertionError [ERR_ASSERTION]: Expected values to be strictly equal:
  }
"""
CARGO = """
running 1 test
t --- FAILED

failures:

---- t stdout ----

thread 't' (28487) panicked at src/lib.rs:2:10:
assertion `left == right` failed: numbers differ
  left: 1
 right: 2
note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace


failures:
    t

test result: FAILED. 0 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.13s

error: test failed, to rerun pass `--lib`
"""
GO = """--- FAIL: TestC (0.00s)
    --- FAIL: TestC/sub (0.00s)
        w_test.go:5: deep trouble
FAIL
FAIL\tx/w\t0.003s
FAIL
"""
GO_VERBOSE = """=== RUN   TestA
    w_test.go:3: a word of one that passes
--- PASS: TestA (0.00s)
=== RUN   TestB
    w_test.go:4: want 1, got 2
--- FAIL: TestB (0.00s)
=== RUN   TestD
--- PASS: TestD (0.00s)
FAIL
FAIL\tx/w\t0.016s
FAIL
"""
GO_PANIC = """--- FAIL: TestB (0.00s)
panic: runtime error: index out of range [3] with length 0 [recovered]
\tpanic: runtime error: index out of range [3] with length 0

goroutine 19 [running]:
testing.tRunner.func1.2({0x518a00, 0xc0000ce000})
FAIL\tx/w\t0.008s
FAIL
"""
BATS = """1..2
ok 1 fine
not ok 2 adds
# (in test file a.bats, line 2)
#   `[ 1 = 2 ]' failed
"""


@pytest.mark.parametrize(
    ("output", "told"),
    [
        (NODE, "not ok 1 - case 0: Expected values to be strictly equal: 1 !== 2"),
        (NODE.replace("|-\n", "'boom'\n", 1), "not ok 1 - case 0: boom"),
        (
            NODE_SPEC,
            "✖ case 0: AssertionError [ERR_ASSERTION]: Expected values to be strictly equal: "
            "1 !== 2",
        ),
        (
            CARGO,
            "thread 't' (28487) panicked at src/lib.rs:2:10: "
            "assertion `left == right` failed: numbers differ",
        ),
        (GO, "--- FAIL: TestC/sub: w_test.go:5: deep trouble"),
        (GO_VERBOSE, "--- FAIL: TestB: w_test.go:4: want 1, got 2"),
        (
            GO_PANIC,
            "--- FAIL: TestB: panic: runtime error: index out of range [3] with length 0 "
            "[recovered]",
        ),
        ("--- FAIL: TestB (0.00s)\nFAIL\nFAIL\tx/w\t0.003s\nFAIL\n", "--- FAIL: TestB"),
        ("exit status 3\nFAIL\tx/w\t0.003s\nFAIL\n", "FAIL\tx/w\t0.003s"),
        (BATS, "not ok 2 adds: # (in test file a.bats, line 2)"),
        (" ✕ adds (3 ms)\n ✓ other\n\nRan all test suites.\n", "✕ adds"),
        # Builds and linters use the same marks.
        (
            "✓ 3 modules transformed.\n✗ Build failed in 86ms\nerror during build:\n"
            "[vite:esbuild] Transform failed with 1 error:\n"
            "/x/main.ts:3:7: ERROR: Expected ';' but found 'y'\n",
            "/x/main.ts:3:7: ERROR: Expected ';' but found 'y'",
        ),
        ("× 3.2 speedup\nload\nsolve\nValueError: no\n", "ValueError: no"),
    ],
)
def test_a_runners_first_failing_test_is_named_with_what_it_says(output: str, told: str) -> None:
    assert telling_line(output) == told.replace("\t", " ")
