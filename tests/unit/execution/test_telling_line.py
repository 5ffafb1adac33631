"""Of a failed command's output the line is quoted that says why, whatever tool wrote it."""

from __future__ import annotations

import pytest

from autoresearch_ci.execution.command import telling_line


@pytest.mark.parametrize(
    ("output", "told"),
    [
        ("", ""),
        ("one\ntwo\n", "two"),
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
        ("make: *** [Makefile:2: all] Error 1\n", "make: *** [Makefile:2: all] Error 1"),
        (
            "error[E0425]: cannot find value `x`\n --> src/a.rs:1:1\nerror: could not compile\n",
            "error[E0425]: cannot find value `x`",
        ),
        ("a.c:3:5: error: expected ';'\nmake: *** [a.o] Error 1\n", "a.c:3:5: error: expected ';'"),
        (
            "thread 'main' panicked at src/a.rs:1:1:\nboom\n",
            "thread 'main' panicked at src/a.rs:1:1:",
        ),
    ],
)
def test_the_line_that_says_why(output: str, told: str) -> None:
    assert telling_line(output) == told
