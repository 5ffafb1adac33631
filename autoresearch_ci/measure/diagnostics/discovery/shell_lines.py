"""Tools that a line of shell starts, and the command of each that answers readably; pure.

A tool is asked as the repository itself asks it, with what makes its answer readable added, and
without what would change files, hide failures or look at a part of the tests only.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from autoresearch_ci.measure.diagnostics.registry import TOOLS

_LAUNCHERS = (
    r"(?:uv run|poetry run|pipenv run|pdm run|rye run|hatch run|python3? -m|npx(?: --no-install)?"
    r"|pnpm(?: exec)?|yarn(?: run)?|bunx)"
)
_MANAGERS = re.compile(r"^(?:uv|poetry|pipenv|pdm|rye|hatch) run ")
"""Whose environment is there already: they would make another one, for which measured code has
neither their cache nor a network."""
_ONLY_LOOKS = r"[^;&|)#\n]{0,200}?\s--(?:check|diff)(?:[\s;&|)]|$)"
"""Behind a formatter that writes nothing."""
_ONLY_LISTS = (
    r"(?![^;&|)#\n]{0,200}?\s(?:-w|--write)\b)"
    r"[^;&|)#\n]{0,200}?\s-(?:-check|-list-different|c|[lds]*[ld][lds]*)(?=[\s;&|)]|$)"
)
"""Likewise, where a letter may say so."""
_STARTED = {
    "pytest": r"(?:pytest|py\.test)",
    "unittest": r"(?<=-m )unittest(?: discover)?",
    "ruff": r"ruff check",
    "ruff format": rf"ruff format(?={_ONLY_LOOKS})",
    "black": rf"black(?={_ONLY_LOOKS})",
    "mypy": r"mypy",
    "pyright": r"(?:based)?pyright",
    "tsc": r"tsc",
    "eslint": r"eslint",
    "jest": r"jest",
    "node --test": r"node(?: (?:-r|-C|--(?:require|import|(?:experimental-)?loader|conditions))"
    r" \S+| -\S+)*? --test",
    "vitest": r"vitest(?: run)?",
    "cargo": r"cargo (?:clippy|check)",
    "cargo test": r"cargo test",
    "go build": r"go build",
    "go vet": r"go vet",
    "go test": r"go test",
    "gofmt": rf"gofmt(?={_ONLY_LISTS})",
    "cargo fmt": rf"cargo fmt(?={_ONLY_LOOKS})",
    "prettier": rf"prettier(?={_ONLY_LISTS})",
    "shellcheck": r"shellcheck",
    "actionlint": r"actionlint",
}
_TOOL = (
    rf"(?P<launcher>{_LAUNCHERS} )?(?P<tool>"
    + "|".join(f"(?P<t{n}>{words})" for n, words in enumerate(_STARTED.values()))
    + ")"
)
_START = re.compile(rf"(?:^|[;&|(]|\s){_TOOL}(?=[\s;&|)]|$)(?P<rest>[^;&|)#\n]*)")
_ALONE = re.compile(
    rf"(?:cd (?P<folder>[\w-][\w./-]*) && )?(?P<before>(?:[A-Za-z_]\w*=[\w./:,=-]* )*){_TOOL}"
    r"(?P<rest>(?:[ \t][^;&|#\n<>$`]*)?)"
)
"""A line that does nothing else."""
_BEFORE = re.compile(
    r"(?:^|\s)(?:#|echo|pip3?|install|add|uninstall|which|command -v|cache|--with|-r|docker)"
    r"\s*(?:.*\s)?$"
)
"""What makes of a tool's name something that is installed or printed."""
_DROPPED = re.compile(
    r"(?:^|(?<=\s))(?:--fix(?:=\S+)?|--show-fixes|--unsafe-fixes|--exit-zero|--pretty|--quiet|-q"
    r"|--verbose|-v+|--check|--diff|--colou?r(?:=\S+)?|--no-color|--no-fix|--no-cache|--cache"
    r"|--install-types|--non-interactive|--message-format[= ]\S+|--no-fail-fast|-json"
    r"|(?:--output-format|--output|--format|-f|-o|--output-file)(?:[= ]\S+))(?=\s|$)"
)
"""Arguments that change files, hide failures, or say how to print."""
_REPORTED = re.compile(
    r"(?:^|(?<=\s))(?:--junit-?xml|--outputFile|--reporters?|--test-reporter(?:-destination)?)"
    r"[= ]\S+"
)
"""Where a suite is told to write, and how: it is asked for a report of our own."""
_KEPT = re.compile(
    r"--?|--(?:config|project|strict|ext|max-warnings|select|extend-select|all-features|features"
    r"|workspace|all-targets|all|tests|benches|locked|exclude|python-version|noEmit|build|severity"
    r"|shell|ignore-missing-imports|package|external-sources)(?:=.*)?|-[cpbDxSsPmt]|-race|-tags(?:=.*)?"
    r"|-gcflags=.*|-count=1"
)
"""Arguments that say what is looked at and how strictly. Any other may do anything."""


_GO_FLAGS = re.compile(r"(?:^|(?<=\s))(?:-race|-tags[= ]\S+|-gcflags=\S+|-count=1)(?=\s|$)")
_NEEDS_A_PLACE = ("eslint", "ruff", "ruff format", "black")
_OF_TESTS = ("pytest", "jest", "vitest", "node --test")
"""A part of the tests is what a line that starts one of these is often for."""
_VALUE = r"(?:'[\w.*/?-]{1,200}'|\"[\w.*/?-]{1,200}\"|[\w.*/?-]{1,200})"
_DOCTESTS = re.compile(
    r"(?<!\S)--(?:doctest-(?:modules|continue-on-failure)"
    rf"|(?:doctest-glob|ignore(?:-glob)?)[= ]{_VALUE})(?!\S)"
)
"""What pytest collects besides, and what it must not import for that."""
_NO_PLACE = re.compile(
    r"(?<!\S)-(?:[cknoprW]|-(?:cov|tb|maxfail|durations|color|rootdir)) \S{1,200}"
)
"""Options of pytest with a value that is no place to look at."""


def commands_in(text: str) -> Iterator[tuple[str, str]]:
    """(tool, command that answers readably) for each known tool that a text starts or, where the
    command is empty, names.

    What follows the tool stays, but for what would change its answer; where that depends on a
    variable, the tool's usual command is taken.
    """
    for line in text.replace("\\\n", " ").splitlines():
        for match in _START.finditer(line):
            if _BEFORE.search(line[: match.start("tool")].rstrip() + " "):
                continue
            tool = _name(match)
            rest = _DROPPED.sub("", match["rest"])
            rest = " ".join(rest.split())
            own = _MANAGERS.sub("", match["launcher"] or "").strip()
            yield tool, _command(tool, own, match["tool"], rest)


def as_tool(line: str) -> tuple[str, str, str] | None:
    """(tool, the same command with what makes it answer readably, folder); `None`: a line of shell
    that is more than a known tool that is started, or something else.

    What it looks at, and how, is what the line says.
    """
    match = _ALONE.fullmatch(line.strip())
    if match is None or ".." in (match["folder"] or "").split("/"):
        return None
    tool, launcher = _name(match), (match["launcher"] or "").strip()
    rest = (_REPORTED if tool in _OF_TESTS else _DROPPED).sub("", match["rest"])
    own = rest.split()
    if tool == "cargo test" and "--" in own:
        return None  # what it tells its programs may be how to print
    command = " ".join(filter(None, (launcher, match["tool"], TOOLS[tool].writes, *own)))
    if tool in _FORMATTERS:
        command = _formatter(tool, launcher, match["tool"], match["rest"].split())
    return tool, f"{match['before']}{command}", match["folder"] or ""


def _name(match: re.Match[str]) -> str:
    return next(tool for n, tool in enumerate(_STARTED) if match[f"t{n}"] is not None)


def _command(tool: str, launcher: str, words: str, rest: str) -> str:
    adapter = TOOLS[tool]
    own = rest.split()
    if tool in _FORMATTERS:
        return _formatter(tool, launcher, words, own)
    usual = (
        tool in _OF_TESTS  # a part of the tests is what a line is often for
        or any(mark in rest for mark in ("$`<>{}" if _is_quoted(tool, rest) else "$`<>{}\"'*"))
        or any(word.startswith("-") and not _KEPT.fullmatch(word) for word in own)
    )
    if tool == "go test" and not any(mark in rest for mark in "$`<>{}\"'*"):
        usual = False
        own = [*_GO_FLAGS.findall(rest), "./..."]  # who names packages names a part
    if tool == "cargo test":
        parts = {"-p", "--package", *(("--benches",) if "--tests" not in own else ())}
        usual = usual or bool(parts & {*own} or (own and own[0][0] != "-"))
    if usual:
        asked = adapter.command if not launcher else _launched(adapter.command, launcher)
        return f"{asked}{_doctests(rest)}" if tool == "pytest" else asked
    if tool == "mypy" and all(word.startswith("-") for word in own):
        return ""  # the name of what is installed, or its settings say what it looks at
    if tool == "unittest":
        if own[:1] == ["discover"]:  # which must be the first word
            words, own = f"{words} discover", own[1:]
        return " ".join(("python -m", words, adapter.writes, *own))
    if tool == "shellcheck" and not own:
        return adapter.command
    if tool == "tsc" and not {"--noEmit", "-b", "--build"} & set(own):
        own.insert(0, "--noEmit")
    if tool in _NEEDS_A_PLACE and not any(not word.startswith("-") for word in own):
        own.append(".")
    if not launcher and tool in ("tsc", "eslint"):
        launcher = "npx --no-install"
    return " ".join(filter(None, (launcher, words, adapter.writes, *own)))


_FORMATTERS = {
    "gofmt": re.compile(r"-[ldse]+"),
    "cargo fmt": re.compile(r"--?|-l"),
    "prettier": re.compile(r"-c|-l|--list-different|--no-error-on-unmatched-pattern"),
}
"""Each with how it is told to look only, or how to print."""


def _formatter(tool: str, launcher: str, words: str, own: Sequence[str]) -> str:
    """What it looks at is as it is: it may be told to leave out what nobody formats."""
    adapter, silent = TOOLS[tool], _FORMATTERS[tool]
    rest = " ".join(word for word in own if not silent.fullmatch(word))
    odd = rest.count('"') % 2 or rest.count("'") % 2
    if odd or any(mark in rest for mark in "$`<>"):
        return adapter.command if not launcher else _launched(adapter.command, launcher)
    if tool == "gofmt" and any("s" in word for word in own if silent.fullmatch(word)):
        words = f"{words} -s"
    if tool == "cargo fmt":
        return " ".join(filter(None, (words, rest, adapter.writes)))
    launcher = launcher or ("npx --no-install" if tool == "prettier" else "")
    return " ".join(filter(None, (launcher, words, adapter.writes, rest or ".")))


def _doctests(rest: str) -> str:
    """Where pytest is asked for those of all that it looks at: they are tests as any other."""
    told = _DOCTESTS.findall(rest)
    others = _NO_PLACE.sub("", _DOCTESTS.sub("", rest)).split()
    if all(word.startswith("-") for word in others) and any("--doctest" in word for word in told):
        return "".join(f" {word}" for word in told)
    return ""


def _is_quoted(tool: str, rest: str) -> bool:
    """Whether quotes in what follows are of the command: without a pattern, other tests run."""
    return tool == "unittest" and not (rest.count('"') % 2 or rest.count("'") % 2)


def _launched(command: str, launcher: str) -> str:
    """The usual command, started as the repository starts it."""
    if launcher.startswith("python"):
        return command
    bare = command.removeprefix("npx --no-install ")
    return f"{launcher} {bare}"
