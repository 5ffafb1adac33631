"""How a line of shell starts a tool: what comes before it, which options, which paths.

Not a shell: what only a shell could tell is left to the tool's own settings. Which tools there are
is fixers.py's business.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class ToolCommand:
    """A tool as a line of shell starts it."""

    folder: str = ""
    """Where the line goes before, relative to where it begins."""
    launcher: tuple[str, ...] = ()
    """What is said before it: `uv run`, `npx --no-install`."""
    program: str = ""
    """Its path, where the line has one; else its name."""
    options: tuple[str, ...] = ()
    """Those that say what is looked at, and how."""
    paths: tuple[str, ...] = (".",)


_LAUNCHERS = (
    r"(?:uv run|poetry run|pipenv run|pdm run|rye run|hatch run|python3? -m|npx(?: --no-install)?"
    r"|pnpm exec|yarn(?: run)?|bunx)"
)
_BEFORE = re.compile(
    r"(?:^|\s)(?:#|echo|pip3?|install|add|uninstall|which|command -v|cache|--with|-r|docker)"
    r"\s(?:[^;&|]*\s)?$"
)
"""What makes of a tool's name something that is installed or printed."""
_CD = re.compile(r"\s*(?:cd|pushd)\s+([\w./-]+)\s*&&")
_FOR_A_SHELL = re.compile(r"[$`<>*?\[\]]|\{(?!report\})")


def asked(command: str, words: str, *, keeps: str = "", drops: str = "") -> ToolCommand | None:
    """The tool in a line of shell; `None`: the line does not start it.

    `words`: an expression for how it is started. `keeps`, `drops`: its options, `--config=` with a
    value. A line with any other is not understood: then the tool's own settings must say all.
    """
    command = command.replace("\\\n", " ")
    found = re.compile(
        rf"(?:^|[\s;&|(])(?:(?P<launcher>{_LAUNCHERS}) )?"
        rf"(?P<folder>[\w./-]*/)?(?P<tool>{words})"
        r"(?=[\s;&|)\"']|$)(?P<rest>[^;&|)#\n]*)"
    )
    for match in found.finditer(command):
        if _BEFORE.search(command[: match.start("tool")]):
            continue
        gone = _CD.match(command)
        launcher = (match["launcher"] or "").split()
        if launcher == ["npx"]:
            launcher.append("--no-install")
        program = (match["folder"] or "") + match["tool"].split()[0]
        options, paths = _understood(match["rest"], set(keeps.split()), set(drops.split()))
        return ToolCommand(
            folder=gone[1] if gone else "",
            launcher=tuple(launcher),
            program=program,
            options=options,
            paths=paths,
        )
    return None


def _understood(
    rest: str, keeps: set[str], drops: set[str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(options, paths); of what only a shell or the tool itself can tell, the usual."""
    usual: tuple[tuple[str, ...], tuple[str, ...]] = (), (".",)
    try:
        words = iter([] if _FOR_A_SHELL.search(rest) else shlex.split(rest))
    except ValueError:
        return usual
    options: list[str] = []
    paths: list[str] = []
    for word in words:
        name, has_value, _ = word.partition("=")
        if word == "--":  # of rustc, rustfmt and the like
            break
        if not word.startswith("-"):
            paths.append(word)
        elif has_value and f"{name}=" in keeps | drops:
            options += [word] if f"{name}=" in keeps else []
        elif f"{word}=" in keeps | drops:
            value = next(words, "")
            options += [word, value] if f"{word}=" in keeps else []
        elif word in keeps:
            options.append(word)
        elif word not in drops:
            return usual
    return tuple(options), tuple(paths) or (".",)
