"""Which programs a shell line starts, as far as that can be told without being a shell.

Whether they are there for a command is not the business of this module.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from autoresearch_ci.decide.shell_line import is_variable, tokens


def programs(commands: Sequence[str], search: str, root: Path) -> list[str]:
    """The programs that shell lines begin with, and those that scripts among them are run by."""
    found: dict[str, None] = {}
    known = set[str]()
    lines = [*commands, *(line for ln in commands for line in _script_lines(ln, root, known))]
    for word in (word for command in lines for word in first_words(command)):
        if "/" in word and not word.startswith("/"):
            # Of the repository: only what runs it lies elsewhere.
            found.update(dict.fromkeys(_interpreters(root / word, search)))
            real = (root / word).resolve()
            with contextlib.suppress(OSError):  # of a name that is too long
                if real.is_file() and not real.is_relative_to(root):  # the Python of a shared .venv
                    found[str(real)] = None
        elif program := shutil.which(word, path=search):
            found[program] = None
            found.update(dict.fromkeys(_interpreters(Path(program), search)))
    return list(found)


_STARTERS = frozenset({"env", "exec", "time", "nice", "nohup", "then", "do", "!", "command", "npx"})
_RUNNERS = frozenset({"uv", "poetry", "pipenv", "pdm", "hatch", "rye", "bundle", "pnpm", "conda"})
"""Followed by `run` or `exec`, they start what comes next."""
_SHELLS = frozenset({"sh", "bash", "dash", "zsh", "ksh"})
_MAKEFILES = ("Makefile", "makefile", "GNUmakefile")
_SCRIPT = 1 << 16
"""Characters of a script that are looked at."""


def first_words(command: str) -> Iterator[str]:
    """Of each simple command, as far as a line can be understood without being a shell."""
    first, before = True, ""
    for token in tokens(command):
        word = token.text
        if token.is_sign:
            first, before = not set(word) & set("<>"), ""
            continue
        name = before.rpartition("/")[2]
        if first and not is_variable(word) and not word.startswith("-"):
            yield word
            first, before = word in _STARTERS, word
        elif name in _RUNNERS and word in ("run", "exec"):
            first, before = True, ""
        elif name in _SHELLS and re.fullmatch("-[a-z]*c", word):
            before = "-c"
        elif before == "-c":  # of a shell: a line of its own
            yield from first_words(word)
            before = ""


def _script_lines(command: str, root: Path, known: set[str]) -> Iterator[str]:
    """Of the shell scripts and makefiles that a command starts: their programs are its own."""
    words = [token.text for token in tokens(command)]
    names = [*_given(command), *(name for name in words if name.endswith((".sh", ".bash")))]
    names += [name for name in first_words(command) if _is_shells(root, name)]
    names += _MAKEFILES if "make" in words else ()
    for before, line in itertools.pairwise(words):
        if re.fullmatch("-[a-z]*c", before) and line != command:  # of a shell: a line of its own
            yield from _script_lines(line, root, known)
    for name in names:
        lines = [] if name in known else _text(root / name).splitlines()
        known.add(name)
        recipes = (line[1:].lstrip("@-+") for line in lines if line.startswith("\t"))
        code = (line for line in lines if not line.lstrip().startswith("#"))
        for line in recipes if name in _MAKEFILES else code:
            yield line
            yield from _script_lines(line, root, known)


def _given(command: str) -> Iterator[str]:
    """What shells are told to read, whatever it is called."""
    reads = False
    for token in tokens(command):
        word = token.text
        if token.is_sign:
            reads = reads and bool(set(word) & set("<>"))
        elif word.rpartition("/")[2] in _SHELLS | {".", "source"}:
            reads = True
        elif reads and not word.startswith(("-", "+")):
            yield word
            reads = False


def _is_shells(root: Path, name: str) -> bool:
    """Whether a program of the repository is a shell script by its first line."""
    within = "/" in name and not name.startswith("/")
    words = _text(root / name).partition("\n")[0].removeprefix("#!").split() if within else []
    return any(word.rpartition("/")[2] in _SHELLS for word in words)


def _text(path: Path) -> str:
    """Its beginning; empty for what no shell reads, and for a pipe, which would have us wait."""
    with contextlib.suppress(OSError, ValueError):
        if path.is_file():
            with path.open(errors="replace") as file:
                text = file.read(_SCRIPT)
            return "" if "\0" in text else text
    return ""


def _interpreters(script: Path, search: str) -> Iterator[str]:
    line = b""
    with contextlib.suppress(OSError):
        if script.is_file():
            with script.open("rb") as file:
                line = file.readline(256)
    if not line.startswith(b"#!"):
        return
    words = os.fsdecode(line[2:]).split()
    if words:
        yield words[0]
    if len(words) > 1 and words[0].endswith("/env"):
        name = next((word for word in words[1:] if not word.startswith("-")), "")
        if program := shutil.which(name, path=search):
            yield program
