"""Which files and folders of a repository a shell command names; nothing is run."""

from __future__ import annotations

import functools
import itertools
import posixpath
import re
import shlex
from collections.abc import Container


def command_files(command: str, paths: Container[str]) -> list[str]:
    """Which of `paths` the shell command names, as a word, a module (`-m`) or by its tool.

    Reads too much rather than too little: a file that is only an argument counts as well.
    """
    words = command_words(command)
    folders, names = [""], []
    for previous, word in itertools.pairwise(["", *words]):
        if previous in ("cd", "pushd", "-C", "--directory", "--prefix"):
            folders += [word, posixpath.join(folders[-1], word)]
        module = word if previous == "-m" else word[2:] if word.startswith("-m") else ""
        names += [word, *word.partition("=")[2:], word.partition("::")[0], *_module_files(module)]
        names += [f"{word}/__main__.py", *_TOOL_FILES.get(posixpath.basename(word), ())]
    places = (
        posixpath.normpath(posixpath.join(folder, name.removeprefix("$PWD/")))
        for name in names
        for folder in folders
    )
    return list(dict.fromkeys(place for place in places if place in paths))


_MAKEFILES = ("GNUmakefile", "makefile", "Makefile")
_TOOL_FILES = {
    **dict.fromkeys(("make", "gmake"), _MAKEFILES),
    **dict.fromkeys(("npm", "npx", "pnpm", "yarn", "bun"), ("package.json",)),
    **dict.fromkeys(("invoke", "inv"), ("tasks.py",)),
    "just": ("justfile", "Justfile", ".justfile"),
    "task": ("Taskfile.yml", "Taskfile.yaml"),
    "rake": ("Rakefile",),
    "cargo": ("Cargo.toml",),
    "tox": ("tox.ini", "tox.toml"),
    "nox": ("noxfile.py",),
}


def _module_files(module: str) -> list[str]:
    stem = module.replace(".", "/")
    places = (f"{root}{stem}" for root in ("", "src/")) if stem else ()
    return [f"{place}{end}" for place in places for end in (".py", "/__main__.py")]


@functools.lru_cache(maxsize=1024)
def command_words(command: str, depth: int = 0) -> tuple[str, ...]:
    """Its words, and those of commands in them; before a run each is looked at many times."""
    lexer = shlex.shlex(command, posix=True, punctuation_chars="();<>|&`")
    lexer.whitespace_split = True
    lexer.commenters = ""
    try:
        words = list(lexer)
    except ValueError:  # an open quote: the shell will refuse it, we still look
        words = re.split(r"[\s'\"();<>|&`]+", command)
    found = []
    for word in words:
        found.append(word.replace("${PWD}", "$PWD"))
        if depth < 3 and re.search(r"[\s;|&()]", word):  # bash -c 'python bench/run.py'
            found += command_words(word, depth + 1)
    return tuple(found)
