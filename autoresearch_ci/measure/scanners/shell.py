"""What is said of shell scripts and Dockerfiles: ShellCheck and hadolint, which speaks its codes.

Both are linters. Asked are those rules of theirs alone by which somebody gets in, each with its CWE
and how bad it is: their own words say how sure they are that a script does not do what is meant.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from autoresearch_ci.decide.security.severities import OF_SHELL
from autoresearch_ci.decide.security.weakness import Weakness
from autoresearch_ci.measure.diagnostics.adapter import JsonObject, ToolOutput
from autoresearch_ci.measure.scanners.scanner import (
    Scan,
    ScannedFile,
    Scanner,
    ScannerTask,
    named_as,
    parser,
    scan,
)

_SHELL = re.compile(r"\.(?:sh|bash|dash|ksh)$", re.IGNORECASE)
_INTERPRETER = re.compile(r"#!\s*\S*/(?:env\s+(?:-S\s*)?)?(?:ba|da|k)?sh\b")
_FOREIGN = re.compile(r"#!.*\b(?:zsh|fish|t?csh)\b")
_DOCKERFILE = re.compile(
    r"(?:^|/)(?:(?:Docker|Container)file(?:\.[\w-]+)?|[\w.-]+\.dockerfile)$", re.IGNORECASE
)
_TOLD = re.compile(r"#(?=\s*shellcheck\s)")
"""Of a line that tells ShellCheck anything: `disable=` may stand behind other words of it."""
_RETOLD = ".as-told"
_BROKEN = re.compile(r"(?:SC10(?:7[0-3]|8[89])|DL1000)$")
"""It could not be parsed, so nothing else is told of it."""


def is_shell(subject: ScannedFile) -> bool:
    script = _INTERPRETER.match(subject.first_line)
    named = _SHELL.search(subject.path) and not _FOREIGN.match(subject.first_line)
    return bool(script or named)


def _unsilenced(path: str, text: str) -> tuple[str, str] | None:
    """No option makes it overlook its own comments."""
    return (f"{path}{_RETOLD}", _TOLD.sub("#-", text)) if _TOLD.search(text) else None


def _shellcheck(task: ScannerTask) -> list[str]:
    return [task.program, "--norc", "--format=json1", "--", *task.files]


@parser("shellcheck")
def read_shellcheck(said: ToolOutput) -> Scan:
    report = said.json_object("shellcheck")
    return _read(said, "shellcheck", report.objects("comments"), (0, 1))


def _hadolint(task: ScannerTask) -> list[str]:
    own = ["--no-fail", "--disable-ignore-pragma", "--config", task.settings, "--format", "json"]
    return [task.program, *own, "--", *task.files]


@parser("hadolint")
def read_hadolint(said: ToolOutput) -> Scan:
    return _read(said, "hadolint", said.json_objects("hadolint"), (0,))


def _read(said: ToolOutput, tool: str, told: list[JsonObject], ends: tuple[int, ...]) -> Scan:
    found, unseen = {}, {}
    for comment in told:
        path = said.path(comment.text("file"))
        code = _code(comment)
        words = said.words(comment.text("message"))
        if _BROKEN.match(code) and comment.text("level") == "error":
            unseen[path] = f"{tool}: {words[:200]}"
        for weakness in _weakness(tool, code, path, comment, words):
            found[path.removesuffix(_RETOLD), code, weakness.line] = weakness
    return scan(tool, found.values(), said.stopped(tool, ends), unseen=unseen)


def _code(comment: JsonObject) -> str:
    code = comment.get("code")
    return f"SC{code}" if isinstance(code, int) else comment.code("code")


def _weakness(
    tool: str, code: str, path: str, comment: JsonObject, words: str
) -> Iterator[Weakness]:
    if code not in OF_SHELL:
        return
    severity, cwe = OF_SHELL[code]
    yield Weakness(
        rule=f"{tool}/{code}",
        path=path,
        line=comment.number("line"),
        end_line=comment.number("endLine"),
        severity=severity,
        title=words.split("\n", 1)[0][:200],
        why=words,
        cwe=cwe,
    )


SCANNERS = (
    Scanner(
        name="shellcheck",
        program="shellcheck",
        takes=is_shell,
        argv=_shellcheck,
        parse=read_shellcheck,
        called=lambda path: f"{path}{_RETOLD}" if path.endswith(_RETOLD) else path,
        retold=_unsilenced,
        splits=True,
    ),
    Scanner(
        name="hadolint",
        program="hadolint",
        takes=named_as(_DOCKERFILE),
        argv=_hadolint,
        parse=read_hadolint,
        settings="{}\n",
    ),
)
