"""Which files of a repository shell commands name, and what those run as text; nothing is run.

Of a Makefile or a package.json only the tasks count that are asked for: the benchmark of a
repository that also has a task for its linter does not run the linter.
"""

from __future__ import annotations

import fnmatch
import functools
import itertools
import posixpath
import re
from collections.abc import Callable, Collection, Container, Iterable, Mapping

from autoresearch_ci.decide.makefiles_and_scripts import scripts_of
from autoresearch_ci.decide.shell_line import SIGNS, tokens


def command_files(command: str, paths: Container[str]) -> list[str]:
    """Which of `paths` the shell command names, as a word, a module (`-m`) or by its tool.

    Reads too much rather than too little: a file that is only an argument counts as well.
    """
    return [place for place in _places(command) if place in paths]


@functools.lru_cache(maxsize=1024)
def _places(command: str) -> tuple[str, ...]:
    """Where it may name a file, whether one is there or not; of each command asked many times."""
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
    return tuple(dict.fromkeys(places))


ENVIRONMENTS = (".venv", "venv")
"""Where virtual environments usually lie."""


def made_environments(commands: Iterable[str]) -> list[str]:
    """Which of them shell commands make."""
    lines = "\n".join(commands)
    made = r"venv\s+(?:-\S+\s+)*{}(?![\w/])"
    return [name for name in ENVIRONMENTS if re.search(made.format(re.escape(name)), lines)]


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
    found = []
    for token in tokens(command, f"{SIGNS}`", comments=True):
        if token.text.strip("\n"):
            found.append(token.text.replace("${PWD}", "$PWD"))
        inner = not token.is_sign and re.search(r"[\s;|&()]", token.text)
        if depth < 3 and inner:  # bash -c 'python bench/run.py'
            found += command_words(token.text, depth + 1)
    return tuple(found)


_LIMIT = 500
"""Of commands and scripts; what lies beyond is not read."""
_BYTES_LIMIT = 256 * 1024
"""Of one script."""
_PYTEST = ("pytest.ini", ".pytest.ini", "pyproject.toml", "setup.cfg", "tox.ini")
_ADDED = re.compile(r"^[ \t]*addopts\b.*(?:\n(?:[ \t].*|[\]\"'].*))*", re.MULTILINE)
_SETTINGS = {
    "pytest": _PYTEST,
    "jest": tuple(f"jest.config.{end}" for end in ("js", "ts", "mjs", "cjs")),
    "vitest": tuple(f"vi{x}.config.{end}" for x in ("test", "te") for end in ("js", "ts", "mjs")),
}
"""Of runners of tests: where options stand that the command does not repeat."""
_DATA = (".json", ".csv", ".txt", ".md", ".xml", ".html", ".toml", ".cfg", ".lock")
_RULE = re.compile(
    r"^(?P<names>[^\s:=#][^:=#\n]*)::?(?!=)(?P<text>.*(?:\n(?:\t.*|[ \t]*$))*)", re.MULTILINE
)
_VARIABLE = re.compile(
    r"^[ \t]*(?:export[ \t]+)?(?P<names>[\w.-]+)[ \t]*[:?+!]{0,3}=(?P<text>(?:.*\\\n)*.*)",
    re.MULTILINE,
)


def command_text(
    commands: Iterable[str], tracked: Collection[str], read: Callable[[str], bytes]
) -> str:
    """The commands, and the scripts that they, or those scripts, name; comments are left out.

    `read` gives the content of one of `tracked`.
    """
    known = frozenset(tracked)
    pending = [("", command) for command in commands]
    told: dict[tuple[str, str], None] = {}
    while pending and len(told) < _LIMIT:
        folder, text = pending.pop(0)
        if (folder, text) in told:
            continue
        told[folder, text] = None
        for path in _named(text, folder, known):
            content = read(path)[:_BYTES_LIMIT]
            if b"\0" not in content:
                below = posixpath.dirname(path)
                parts = _parts(path, content.decode(errors="replace"), text)
                pending += [(below, _uncommented(part)) for part in parts]
    return "\n".join(text for _, text in told)


@functools.lru_cache(maxsize=_LIMIT)
def _named(text: str, folder: str, tracked: frozenset[str]) -> tuple[str, ...]:
    """Also as arguments in a list: `run(["bash", "lint.sh"])`.

    Before a run the same scripts are looked at for each command, and large ones take seconds.
    """
    plain = text.splitlines()
    lines = dict.fromkeys([*plain, *(re.sub(r"""[\[\]"',]""", " ", line) for line in plain)])
    enter = f"cd {folder}; " if folder else ""
    some = [line for line in lines if _may_name(line, tracked)]
    named = [path for line in some for path in command_files(enter + line, tracked)]
    named += [
        path
        for tool, names in _SETTINGS.items()
        if re.search(rf"\b{tool}\b", text)
        for path in (posixpath.join(place, name) for place in {"", folder} for name in names)
        if path in tracked
    ]
    return tuple(dict.fromkeys(named))


_WORD = re.compile(r"[\w.+@-]+")


def _may_name(line: str, tracked: frozenset[str]) -> bool:
    """Whether it is worth to take apart as a shell does, which is slow: most lines of a script, and
    all of a table of numbers, have no word of a file's name."""
    words = {*_WORD.findall(line), *_WORD.findall(re.sub(r"""["'\\]""", "", line))}
    words |= {part for word in words for part in word.removeprefix("-m").split(".")}
    return bool(_HERE.search(line)) or not words.isdisjoint(_words_of_names(tracked))


_HERE = re.compile(r"(?:^|\s)[\"']?\.{1,2}/?[\"']?(?:$|[\s;&|])")
"""A folder by no name of its own: `python .` runs its `__main__.py`."""


@functools.lru_cache(maxsize=8)
def _words_of_names(tracked: frozenset[str]) -> frozenset[str]:
    """One of them stands in whatever `_places` finds a file by."""
    names = {*_TOOL_FILES}
    for path in tracked:
        folder, name = posixpath.split(path)
        names |= {name, name.removesuffix(".py"), *_WORD.findall(name)}
        if name == "__main__.py":
            names |= {*_WORD.findall(posixpath.basename(folder))}
    return frozenset(names)


def _parts(path: str, text: str, command: str) -> list[str]:
    """What of a file the command runs."""
    name = posixpath.basename(path)
    if name == "package.json":
        return list(_asked(scripts_of(text), command).values())
    if name.lower() in ("makefile", "gnumakefile"):
        rules = _blocks(_RULE, text)
        asked = _asked(_blocks(_VARIABLE, text) | rules, command)
        return list(asked.values()) if asked.keys() & rules else [text]
    if name in _PYTEST:
        return [*_ADDED.findall(text), *([text] if name == "tox.ini" and "tox" in command else [])]
    return [] if name.endswith(_DATA) and name != "tox.toml" else [text]


def _asked(tasks: Mapping[str, str], command: str) -> dict[str, str]:
    """The tasks that the command names, and those that they name in turn."""
    wanted: dict[str, str] = {}
    pending = [command]
    while pending:
        words = {
            word for word in re.findall(r"[^\s\"'`$(){};&|,=@]+", pending.pop()) if word[0] != "*"
        }
        for name, text in tasks.items():
            if name not in wanted and any(fnmatch.fnmatchcase(name, word) for word in words):
                wanted[name] = text
                pending += [text, f"pre{name} post{name}"]
    return wanted


def _blocks(kind: re.Pattern[str], text: str) -> dict[str, str]:
    """Targets or variables of a Makefile, each with what stands behind it."""
    found: dict[str, str] = {}
    for match in kind.finditer(text):
        for name in match["names"].split():
            found[name] = f"{found.get(name, '')}\n{match['text']}"
    return found


def _uncommented(text: str) -> str:
    return "\n".join(x for x in text.splitlines() if not x.lstrip().startswith(("#", "//")))
