"""Which of the lines that a failed command printed says what failed."""

from __future__ import annotations

import re
from collections.abc import Sequence

from autoresearch_ci.safety.prompt_text import line as plain

_LOOKED_AT = 1 << 16
_CODES = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")
_TELLING = 200
"""Characters."""
_FAILED = re.compile(
    r"--- FAIL: |not ok\b(?!.*# (?:TODO|SKIP))|[✖✕✗×] (?!failing tests|\d+ problem)", re.IGNORECASE
)
"""Of Go, of TAP (node in a pipe, bats, prove), of node, vitest and jest."""
_GO_FAILED = "--- FAIL: "
_NAMED = re.compile("--- FAIL: |not ok", re.IGNORECASE)
"""What nobody but a runner of tests says: builds and linters use the marks, too."""
_SAYS = re.compile(
    r"(?P<key>(?:error|message): )|\S+\.go:\d+: |panic: |# |→ |(?:[A-Za-z_]\w*)?Error\b"
)
_NEXT_TEST = re.compile(r"(?:not )?ok\b|[✔✓√✖✕✗×] |--- \w+: |=== |# Subtest|\.\.\.$")
_DURATION = re.compile(r" \(?[\d.]+ ?m?s\)?$")
_COMPILERS = re.compile(
    r"^error(\[\w+\])?: (?!could not compile|aborting due|subprocess-exited|\w+ failed, to rerun"
    r"|\d+ targets? failed)"
    r"|^\S[^:]{0,200}:\d+(:\d+)?: (fatal )?error:|: error [A-Z]+\d+:"  # C, TypeScript, C#
    r"|^\S{1,200}\.go:\d+:\d+: |: undefined reference to |^\S{1,200}\.java:\d+: error:"
)
_RAISED = re.compile(
    r"(E\s+|INTERNALERROR> )?(Uncaught )?"
    r"[A-Za-z_][\w.]{0,100}(Error|Exception|Interrupt|Exit)\b( \[\w+\])?(: .*|$)"
    r"|thread '[^']{0,100}' .{0,20}panicked at|panic: |fatal: |Fatal "
    # argparse, pip, cargo
    r"|(\S{1,100}: )?(error|ERROR|Error): (?!usage: |subprocess-exited"
    r"|\w+ failed, to rerun|\d+ targets? failed)"
)
# That something failed, and nothing of what.
_ECHO = re.compile(
    r"g?make(\[\d+\])?: (\*\*\*|Leaving)|no tests ran in |FAIL$|exit status \d+$"
    r"|error: (\w+ failed, to rerun|\d+ targets? failed)|autoresearch-ci: exit code \d+ after "
    r"|\[ERROR\]( ?$| \[Help| For more information| To see the full| Re-run Maven| After correcting"
    r"|   mvn <)"
    r"|npm (error|ERR!) (A complete log|code |errno |network\b(?! request)|/|$)"
)


def last_lines(text: str, count: int = 20) -> str:
    """How a command's output ended, for an error message."""
    return "\n".join(text.strip().splitlines()[-count:]) or "(it printed nothing)"


def telling_line(text: str) -> str:
    """The line of a failed command's output that says most: the first error, else the last line."""
    shown = _CODES.sub("", text[-_LOOKED_AT:])
    lines = [line.strip() for line in shown.splitlines() if line.strip()]
    test = _failed_test(lines)
    found = test if ": " in test or _NAMED.match(test) else ""
    if not found:
        found = next((line for line in lines if _COMPILERS.search(line)), "")
    if not found:
        raised = (at for at in reversed(range(len(lines))) if _RAISED.match(lines[at]))
        found = next((_announced(lines[at:]) for at in raised), "") or test
    if not found:
        found = next((line for line in reversed(lines) if not _ECHO.match(line)), "")
    return plain(found or (lines[-1] if lines else ""), _TELLING)


def _announced(lines: Sequence[str]) -> str:
    """The first line, with the next one where it only announces that."""
    return " ".join(lines[: 2 if lines[0].endswith(":") else 1])


def _failed_test(lines: Sequence[str]) -> str:
    """The first that a runner names, and why; empty: none."""
    first = next((at for at, line in enumerate(lines) if _FAILED.match(line)), None)
    if first is None:
        return ""
    at = first
    while lines[at + 1 : at + 2] and lines[at + 1].startswith(_GO_FAILED):
        at += 1  # of its parts, the innermost
    name = _DURATION.sub("", lines[at])
    ends = (n for n, line in enumerate(lines) if n > at and _NEXT_TEST.match(line))
    behind = lines[at + 1 : next(ends, len(lines))]
    if name.startswith(_GO_FAILED):  # what it says stands before its name with -v
        behind = [*behind[:1], *lines[max(first - 1, 0) : first]]
    elif behind[:1] != ["---"]:  # else TAP's YAML
        behind = behind[:2]
    for number, line in enumerate(behind):
        if match := _SAYS.match(line):
            said = line.removeprefix(match["key"] or "").strip("'\"")
            rest = behind[number + 1 :]
            block = said in ("|-", "|", ">-")
            return f"{name}: {' '.join(rest[:2]) if block else _announced([said, *rest])}"
    return name
