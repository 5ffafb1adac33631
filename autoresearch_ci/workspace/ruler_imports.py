"""What the ruler imports, and where it looks for it: read from the text of its scripts.

The ruler is what the metric, guard, holdout and setup commands name, what those files run or import
in turn, and the tests. Nothing is run, so this reads too much rather than too little: an import in
a comment counts as well, and so does a folder that is put on the search path in some case only.
"""

from __future__ import annotations

import itertools
import posixpath
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from autoresearch_ci.workspace.command_files import command_files, command_words

_FILES_LIMIT = 2000
_BYTES_LIMIT = 256 * 1024
"""Of one file; what lies beyond is not read."""
_LINES_LIMIT = 2000
"""Of a shell script or build file, whose lines are read as commands."""


@dataclass(kw_only=True)
class RulerImports:
    """What was found."""

    folders: dict[str, str] = field(default_factory=dict)
    """On a search path: the folder (empty: the root), and which file or command puts it there."""
    programs: dict[str, str] = field(default_factory=dict)
    """On PATH: the folder, and which file or command puts it there."""
    modules: dict[str, str] = field(default_factory=dict)
    """Imported: the name as a path (`numpy`, `os/path`, `Test/More`), and the file that does."""


def read_ruler(
    commands: Iterable[str],
    tracked: Collection[str],
    editable: Callable[[str], bool],
    read: Callable[[str], bytes],
) -> RulerImports:
    """Follow `commands` through the files in `tracked`; `read` gives the content of one.

    What only files import that a proposal may edit is theirs to say, and left out.
    """
    return _Reading(tracked, editable, read).follow(commands)


_TEST = re.compile(
    r"(test_.*|.*_test|conftest)\.py|(test_.*|.*_test|.*_spec)\.rb|.*\.t|.*_spec\.lua|.*Test\.php"
)
_COMMANDS = "the commands"
_IMPORTS = {
    ".py": re.compile(r"^[ \t]*(?:from[ \t]+([\w.]+)[ \t]+import|import[ \t]+([^#\n;]+))", re.M),
    ".rb": re.compile(r"""\brequire[ \t(]+["']([\w./-]+)["']()"""),
    ".lua": re.compile(r"""\brequire[ \t(]*["']([\w./-]+)["']()"""),
    ".pl": re.compile(r"^[ \t]*(?:use|require)[ \t]+([A-Za-z][\w:]*)()", re.M),
    ".php": re.compile(r"""\b(?:include|require)(?:_once)?[ \t(]+["']([\w./-]+)["']()"""),
}
_BY_NAME = re.compile(r"""(?:import_module|__import__|run_module)\([ \t]*["']([\w.]+)["']""")
_RELATIVE = re.compile(r"^[ \t]*from[ \t]+(\.+)([\w.]*)[ \t]+import[ \t]+([^#\n]+)", re.M)
_KINDS = {".pm": ".pl", ".t": ".pl", ".pyw": ".py", ".pyi": ".py", **{k: k for k in _IMPORTS}}
_SHEBANGS = {"python": ".py", "ruby": ".rb", "perl": ".pl", "php": ".php", "lua": ".lua"}
_ENDS = {".py": (".py", "/__init__.py"), ".pl": (".pm",), ".lua": (".lua", "/init.lua")}
# `sys.path.insert(0, 'src')`, `$:.unshift "lib"`, `use lib 'lib'`, `package.path = './x/?.lua'`.
_SEARCH = re.compile(r"sys\.path|\$LOAD_PATH|\$:|use[ \t]+lib|package\.c?path|set_include_path")
_PYTHON = re.compile(r"(python|pypy)[\d.]*|\{envpython\}")
_QUOTED = re.compile(r"""["']([^"'\n]+)["']""")
_DATA = (".json", ".csv", ".txt", ".md", ".xml", ".html", ".js", ".ts", ".c", ".go", ".rs", ".java")


class _Reading:
    """One reading of the ruler."""

    def __init__(
        self,
        tracked: Collection[str],
        editable: Callable[[str], bool],
        read: Callable[[str], bytes],
    ) -> None:
        self.tracked = tracked
        self.editable = editable
        self.read = read
        self.existing = {folder for path in tracked for folder in _parents(path)}
        self.found = RulerImports(folders={"": _COMMANDS})

    def follow(self, commands: Iterable[str]) -> RulerImports:
        pending = [path for command in commands for path in self._command(command, "")]
        pending += sorted(p for p in self.tracked if _TEST.fullmatch(posixpath.basename(p)))
        if "src/__init__.py" not in self.tracked:
            self._add("src", _COMMANDS)
        seen: set[str] = set()
        while pending and len(seen) < _FILES_LIMIT:
            path = pending.pop(0)
            if path not in seen:
                seen.add(path)
                pending += self._file(path, self.read(path)[:_BYTES_LIMIT].decode(errors="replace"))
        return self.found

    def _command(self, command: str, script: str) -> list[str]:
        """The files that a command names; `script`: in which it stands, empty for a given one."""
        source = script or _COMMANDS
        words = list(command_words(command))
        for previous, word in _pairs(words):
            if previous == "-m" and re.fullmatch(r"[\w.]+", word):
                self.found.modules.setdefault(word.replace(".", "/"), source)
            if "PATH=" in word:
                for part in word.partition("=")[2].split(":"):
                    self._search(part, source)
                    if word.startswith("PATH=") and (place := _place(part)):
                        self.found.programs.setdefault(place, source)
            else:  # `tests`, `-Ilib`
                for place in map(_place, (word, word[2:])):
                    if place in self.existing and f"{place}/__init__.py" not in self.tracked:
                        self._add(place, source)
        if folder := posixpath.dirname(script):
            command = f"cd {folder}; {command}"
        files = command_files(command, self.tracked)
        pairs = [(before, posixpath.basename(word)) for before, word in _pairs(words)]
        scripts = {word for before, word in pairs if before != "-m"}
        programs = {word for before, word in pairs if _PYTHON.fullmatch(posixpath.basename(before))}
        for path in files:
            folder, name = posixpath.split(path)
            # `python folder` puts it on the search path, `python -m folder` does not.
            package = name == "__main__.py" and posixpath.basename(folder) in programs
            if posixpath.splitext(path)[1] in _KINDS and (name in scripts or package):
                self._add(folder, path)
        return files

    def _file(self, path: str, text: str) -> list[str]:
        """The files that a file of the ruler runs or imports."""
        kind = _kind(path, text)
        if kind not in _IMPORTS:
            if kind in _DATA and posixpath.basename(path) != "package.json":
                return []
            lines = [line.strip().lstrip("@-") for line in text.splitlines()[:_LINES_LIMIT]]
            commands = (line for line in lines if line and not line.startswith("#"))
            return [file for line in commands for file in self._command(line, path)]
        folder = posixpath.dirname(path)
        if kind == ".py" and _TEST.fullmatch(posixpath.basename(path)):
            while folder and f"{folder}/__init__.py" in self.tracked:  # as pytest looks for it
                folder = posixpath.dirname(folder)
            self._add(folder, path)
        for line in text.splitlines() if _SEARCH.search(text) else ():
            for quoted in _QUOTED.findall(line) if _SEARCH.search(line) else ():
                self._search(quoted.partition("?")[0], path)
                self._search(
                    posixpath.join(posixpath.dirname(path), quoted.partition("?")[0]), path
                )
        names = list(dict.fromkeys(_imported(kind, text)))
        if not self.editable(path):
            for name in names:
                self.found.modules.setdefault(name, path)
        starts = dict.fromkeys((posixpath.dirname(path), *self.found.folders))
        places = [posixpath.join(start, name) for name in names for start in starts]
        places += _relatives(path, text) if kind == ".py" else []
        ends = _ENDS.get(kind, (kind,))
        return [place + end for place in places for end in ends if place + end in self.tracked]

    def _search(self, name: str, source: str) -> None:
        if place := _place(name):
            self._add(place, source)

    def _add(self, folder: str, source: str) -> None:
        if self.found.folders.get(folder, _COMMANDS) == _COMMANDS:  # a file says more
            self.found.folders[folder] = source


def _pairs(words: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Each word, after the one before it."""
    return itertools.pairwise(["", *words])


def _parents(path: str) -> Iterator[str]:
    while path := posixpath.dirname(path):
        yield path


def _kind(path: str, text: str) -> str:
    kind = posixpath.splitext(path)[1]
    first = text[:80].partition("\n")[0]
    if not kind and first.startswith("#!"):
        return next((kind for name, kind in _SHEBANGS.items() if name in first), kind)
    return _KINDS.get(kind, kind)


def _place(name: str) -> str:
    """A folder of the repository; empty when it can be none."""
    name = name.removeprefix("$PWD/")
    if not re.fullmatch(r"[\w./@+-]+", name):
        return ""
    place = posixpath.normpath(name)
    return "" if place.startswith(("..", "/")) or place == "." else place


def _imported(kind: str, text: str) -> Iterator[str]:
    """What a file imports, as paths: a dotted name and each of its parents."""
    for first, more in _IMPORTS[kind].findall(text):
        for name in [first] if first else more.split(","):
            plain = (name.split() or [""])[0]
            if kind in (".rb", ".php"):
                yield posixpath.splitext(plain.removeprefix("./"))[0]
            elif not (kind == ".py" and plain.startswith(".")):
                parts = [part for part in re.split(r"::|[./]", plain) if part]
                yield from ("/".join(parts[:count]) for count in range(1, len(parts) + 1))
    if kind == ".py":
        yield from (name.replace(".", "/") for name in _BY_NAME.findall(text))


def _relatives(path: str, text: str) -> list[str]:
    """Where `from .name import other` leads."""
    places = []
    for dots, name, others in _RELATIVE.findall(text):
        folder = path
        for _ in dots:
            folder = posixpath.dirname(folder)
        start = posixpath.join(folder, name.replace(".", "/"))
        plain = (other.strip(" ()\t").partition(" ")[0] for other in others.split(","))
        places += [start, *(posixpath.join(start, other) for other in plain if other)]
    return [place.rstrip("/") for place in places]
