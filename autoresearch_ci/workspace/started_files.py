"""Which files the commands that judge a repair start in turn: `make check` -> `scripts/check.sh`.

Nothing is run: rules, scripts and recipes are read as decide/makefiles_and_scripts.py reads them.
What is compiled, or imported from elsewhere, is what is judged, and so is a program whose output
goes to `diff`; a script that is started, its neighbours in a folder of scripts, and what a shell
script starts in turn say whether it is well. Reads too much rather than too little: a scope that
names a file outright opens it again.
"""

from __future__ import annotations

import fnmatch
import itertools
import posixpath
import re
import shlex
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from autoresearch_ci.decide import makefiles_and_scripts as tasks
from autoresearch_ci.decide.shell_line import simple_commands
from autoresearch_ci.experiment import ReadBytes

_FILES_LIMIT = 400
_BYTES_LIMIT = 256 * 1024
_DEPTH_LIMIT = 12
"""Of commands that stand in commands."""

_SHELLS = frozenset({"sh", "bash", "dash", "zsh", "ksh", "ash", "source", "."})
_INTERPRETER = re.compile(
    r"(?:python|pypy)[\d.]*|node|nodejs|ts-node(?:-esm)?|tsx|deno|bun|ruby|perl|php|lua|Rscript"
    r"|groovy|julia"
)
_RUNNERS = frozenset({"mocha", "_mocha", "tape", "ava", "jasmine", "prove", "bats", "lab", "tap"})
"""Start the files that they are given."""
_PACKAGE_RUNNERS = frozenset(
    {"npm", "pnpm", "yarn", "bun", "run-s", "run-p", "npm-run-all", "npm-run-all2"}
)
_BEFORE = re.compile(
    r"(?:\w+=.*|env|time|exec|sudo|nice|nohup|xargs|command|eval|npx|bunx|dlx|cross-env|dotenv|c8"
    r"|nyc|uv|poetry|pipenv|pdm|hatch|rye|run|exec|if|then|elif|else|do|while|until|!|\{|\(|--"
    r"|coverage|timeout|[\d.]+[smh]?|-\S+)"
)
"""Words that may stand before the one that is started."""
_COMPARES = frozenset({"diff", "cmp", "comm", "colordiff", "diff3", "sdiff"})
_HERE = re.compile(
    r"\$\(\s*(?:cd\s+)?(?:--\s+)?[\"']?(?:\$\()?\s*dirname\s+(?:--\s+)?[\"']?\$(?:0|\{0\}"
    r"|\{?BASH_SOURCE(?:\[0\])?\}?)[\"']?\s*\)?[\"']?(?:\s*&&\s*pwd(?:\s+-P)?)?\s*\)|\$\{0%/\*\}"
)
_VARIABLE = re.compile(r"\$(?:\w+|\{[^}]*\})/")
_SCRIPTS_FOLDER = re.compile(
    r"(^|/)(scripts?|tools?|ci|\.ci|dev|hack|bin|tests?|__tests__|specs?|checks?|qa|t)(/|$)"
)
"""Folders that hold what a repository is worked on with, not what it is."""
_ENDS = ("", ".js", ".mjs", ".cjs", ".ts", ".mts", ".py", "/index.js", "/index.ts", "/__main__.py")
_SHELL_FILE = re.compile(r"\.(sh|bash|zsh|ksh|bats)$")
_CODE_FILE = re.compile(r"\.([cm]?[jt]s|py|rb|pl|php|lua)$")
_SOURCE = re.compile(
    rf"{_CODE_FILE.pattern}|\.([cm]?[jt]sx|c|cc|cpp|cxx|h|hpp|go|rs|java|kt|cs|swift|scala|hs|ml)$"
)
"""What is built or imported: never a case or an expectation."""
_IMPORTS = re.compile(
    r"(?:\brequire\(|\bimport\(|\bfrom\s+|^\s*import\s+)\s*[\"'](\.{1,2}/[^\"'\n]{1,200})[\"']"
    r"|^\s*(?:from|import)\s+\.?([A-Za-z_][\w.]{0,200})",
    re.MULTILINE,
)
_STARTS = re.compile(r"subprocess|os\.(?:system|exec|spawn)|child_process|\b(?:exec|spawn)\w*\(|`")
_QUOTED = re.compile(r"[\"'`]([\w./-]{1,200})[\"'`]")
_ADDED_TEST = re.compile(r"(?is)\badd_test\s*\(([^)]*)\)")


@dataclass(frozen=True, kw_only=True)
class _Command:
    """One program with its words, where it runs."""

    words: tuple[str, ...]
    folder: str = ""
    script: str = ""
    """The folder of the script in which it stands."""
    compared: bool = False
    """Whether its output is what something else judges."""


def started_files(commands: Iterable[str], tracked: Collection[str], read: ReadBytes) -> list[str]:
    """Those of `tracked` that the commands start, however far down; never what they compile."""
    return [*_Following(frozenset(tracked), read).follow(commands)]


class _Following:
    def __init__(self, tracked: frozenset[str], read: ReadBytes) -> None:
        self.tracked = tracked
        self.read = read
        self.found: dict[str, None] = {}
        self.followed: set[str] = set()
        self.seen: set[tuple[str, str, str]] = set()

    def follow(self, commands: Iterable[str]) -> dict[str, None]:
        for command in commands:
            self._line(command, _Command(words=()), 0)
        return self.found

    def _line(self, line: str, where: _Command, depth: int) -> None:
        if depth > _DEPTH_LIMIT or (line, where.folder, where.script) in self.seen:
            return
        self.seen.add((line, where.folder, where.script))
        for command in _commands(line, where):
            self._command(command, depth + 1)

    def _command(self, command: _Command, depth: int) -> None:
        words = command.words
        self._read(words, command)
        if words[:1] == (DATA,):
            return None
        if words[:1] == ("for",):
            return self._start_looped(words[3:], command, depth)
        for place, word in enumerate(words[:12]):
            name, rest = posixpath.basename(word), words[place + 1 :]
            if name in ("make", "gmake"):
                return self._make(rest, command, depth)
            if name in _PACKAGE_RUNNERS:
                self._package(words[place:], command, depth)
                if name != "bun":
                    return None
            elif name in ("tox", "nox", "just"):
                return self._tasks(name, rest, command, depth)
            elif name == "ctest":
                return self._ctest(depth)
            if name in _SHELLS or _INTERPRETER.fullmatch(name):
                return self._interpreted(name, rest, command, depth)
            if name in _RUNNERS:
                given = rest if any(not w.startswith("-") for w in rest) else ("t/*.t", "test/*.js")
                return self._start(
                    [p for w in given for p in self._files(w, command)], command, depth
                )
            if "/" in word and (files := self._files(word, command)):
                return self._start(files, command, depth)
            if not _BEFORE.fullmatch(word):
                return None
        return None

    def _read(self, words: tuple[str, ...], command: _Command) -> None:
        """Cases and expectations: what is compared with, and what lies beside scripts."""
        for word in words:
            for path in self._files(word, command):
                beside = _SCRIPTS_FOLDER.search(posixpath.dirname(path))
                if not _SOURCE.search(path) and (beside or words[0] == DATA):
                    self.found.setdefault(path)

    def _start_looped(self, words: tuple[str, ...], command: _Command, depth: int) -> None:
        """`for t in tests/*.sh; do sh $t; done`; what is compiled one by one is no script."""
        files = [path for word in words for path in self._files(word, command)]
        scripts = [
            path
            for path in files
            if _SHELL_FILE.search(path)
            or (_CODE_FILE.search(path) and _SCRIPTS_FOLDER.search(posixpath.dirname(path)))
        ]
        self._start(scripts, command, depth)

    def _interpreted(
        self, name: str, words: tuple[str, ...], command: _Command, depth: int
    ) -> None:
        """`sh -e check.sh`, `sh -c 'sh check.sh'`, `python -m tools.check`, `node -r ./a run`."""
        shell, files, before = name in _SHELLS, list[str](), ""
        for word in words:
            if shell and re.fullmatch(r"-\w*c", before):
                return self._line(word, command, depth)
            if before in ("-m", "-r", "--require", "--import", "--loader"):
                module = word.replace(".", "/") if before == "-m" else word
                files += self._files(module, command, _ENDS)
                if before == "-m" and not files:
                    return None  # what is installed
            elif not word.startswith("-") and word not in ("run", "test") and before != "-c":
                files += self._files(word, command, _ENDS)
                break
            before = word
        if shell or not command.compared:
            self._start(files, command, depth)
        return None

    def _make(self, words: tuple[str, ...], command: _Command, depth: int) -> None:
        folder, named, goals, before = command.folder, "", list[str](), ""
        for word in words:
            if before in ("-C", "--directory"):
                folder = _joined(folder, word)
            elif before in ("-f", "--file"):
                named = word
            elif (
                word.startswith(("-C", "--directory=")) and len(word) > 2 and word != "--directory"
            ):
                folder = _joined(folder, word.removeprefix("-C").partition("=")[2] or word[2:])
            elif not word.startswith("-") and "=" not in word and before not in ("-j", "-I"):
                goals.append(word)
            before = word
        names = (named,) if named else ("GNUmakefile", "makefile", "Makefile", "Makefile.am")
        path = next((p for p in (_joined(folder, n) for n in names) if p in self.tracked), "")
        where = replace(command, folder=folder, compared=False)
        self._rules(path, goals, where, depth)

    def _rules(self, path: str, goals: list[str], where: _Command, depth: int) -> None:
        rules = tasks.makefile(self._text(path))
        for name in rules.included:
            for included in self._files(name, where):
                more = tasks.makefile(self._text(included))
                self._lines(more.lines([*more.rules]), where, depth)
        self._lines(rules.lines(goals), where, depth)

    def _package(self, words: tuple[str, ...], command: _Command, depth: int) -> None:
        line = shlex.join(words)
        folder = command.folder
        for before, word in itertools.pairwise(words):
            if before in ("--prefix", "-C", "--cwd", "--dir"):
                folder = _joined(folder, word)
        line = re.sub(r"\s--?(?:prefix|C|cwd|dir)[ =]\S+", "", line)
        packages = [_joined(folder, "package.json")]
        if re.search(r"\s(?:-w|--workspaces?|-r|--recursive|--filter|workspaces?)\b", line):
            packages = [p for p in sorted(self.tracked) if posixpath.basename(p) == "package.json"]
            line = re.sub(r"\s(?:-w|--workspace|--filter)[ =]\S+", "", line)
        for path in packages:
            scripts = tasks.scripts_of(self._text(path))
            asked = [*tasks.scripts_run_by(line)]
            where = replace(command, folder=posixpath.dirname(path), compared=False)
            self._lines(tasks.scripts_reached(scripts, asked).values(), where, depth)

    def _tasks(self, name: str, words: tuple[str, ...], command: _Command, depth: int) -> None:
        files = {
            "tox": ("tox.ini",),
            "nox": ("noxfile.py",),
            "just": ("justfile", "Justfile", ".justfile"),
        }[name]
        paths = (_joined(command.folder, file) for file in files)
        text = next((self._text(path) for path in paths if path in self.tracked), "")
        goals = [word for word in words if not word.startswith("-") and "=" not in word]
        lines = (
            tasks.tox_lines(text)
            if name == "tox"
            else tasks.nox_lines(text)
            if name == "nox"
            else tasks.just_lines(text, goals)
        )
        self._lines(lines, command, depth)

    def _ctest(self, depth: int) -> None:
        for path in self.tracked:
            if posixpath.basename(path) == "CMakeLists.txt":
                where = _Command(words=(), folder=posixpath.dirname(path))
                for words in _ADDED_TEST.findall(self._text(path)):
                    files = [p for w in words.split() for p in self._files(w.strip('"'), where)]
                    self._start(files, where, depth)

    def _lines(self, lines: Iterable[str], where: _Command, depth: int) -> None:
        for line in lines:
            self._line(line, where, depth)

    def _start(self, paths: Iterable[str], command: _Command, depth: int) -> None:
        """They judge, and so does what they start."""
        for path in paths:
            if path in self.followed or len(self.followed) >= _FILES_LIMIT:
                continue
            self.followed.add(path)
            text = self._text(path)
            shell = _is_shell(path, text)
            if command.compared and not shell:
                continue
            self.found[path] = None
            where = replace(command, script=posixpath.dirname(path), compared=False)
            if shell:
                self._line(text, where, depth)
            elif _SCRIPTS_FOLDER.search(posixpath.dirname(path)):
                self._start(self._neighbours(path, text), where, depth)

    def _neighbours(self, path: str, text: str) -> Iterator[str]:
        """What a script of a folder of scripts imports from there, and the scripts it starts."""
        folder = posixpath.dirname(path)
        here = _Command(words=(), folder=folder)
        for relative, module in _IMPORTS.findall(text):
            for found in self._files(relative or module.replace(".", "/"), here, _ENDS):
                if found.startswith(f"{folder}/"):
                    yield found
        for name in _QUOTED.findall(text) if _STARTS.search(text) else ():
            for found in self._files(name, replace(here, folder="", script=folder)):
                if _SHELL_FILE.search(found) or _SCRIPTS_FOLDER.search(posixpath.dirname(found)):
                    yield found

    def _files(self, word: str, command: _Command, ends: tuple[str, ...] = ("",)) -> list[str]:
        """The tracked files that a word stands for, where the command runs or its script lies."""
        plain = _VARIABLE.sub("", word) if "$" in word else word
        folders = dict.fromkeys((command.folder, command.script, posixpath.dirname(command.script)))
        found: dict[str, None] = {}
        for folder in folders:
            place = _joined(folder, plain)
            if any(sign in place for sign in "*?["):
                pattern = place.replace("**/", "*")
                found.update(dict.fromkeys(fnmatch.filter(sorted(self.tracked), pattern)))
            found.update((place + end, None) for end in ends if place + end in self.tracked)
        return [*found]

    def _text(self, path: str) -> str:
        if path not in self.tracked:
            return ""
        return self.read(path)[:_BYTES_LIMIT].decode(errors="replace")


def _joined(folder: str, name: str) -> str:
    return posixpath.normpath(posixpath.join(folder, name)).removeprefix("./")


def _is_shell(path: str, text: str) -> bool:
    first = text[:120].partition("\n")[0]
    if _SHELL_FILE.search(path):
        return True
    return bool(re.match(r"#!.*\b(ba|da|z|k|a)?sh\b", first)) and not _CODE_FILE.search(path)


def _commands(text: str, where: _Command) -> Iterator[_Command]:
    """The programs that lines of shell start, where each `cd` leads."""
    folder = where.folder
    text = re.sub(r"(?m)^[ \t]*#.*", "", text).replace("\\\n", " ")
    for line in _HERE.sub(where.script or ".", text).splitlines():
        substituted = False
        diffs = any(name in _COMPARES for name in re.findall(r"[\w-]+", line))
        for words, after in simple_commands(line):
            if words[:1] in (["cd"], ["pushd"]) and len(words) > 1:
                moved = _VARIABLE.sub("", words[1])
                folder = _joined(folder, moved) if not moved.startswith("$") else folder
                continue
            compared = substituted or (diffs and (after == "|" or any(">" in w for w in words)))
            substituted = words[-1].endswith("$") and after == "("
            yield replace(where, words=(DATA, *_data(words)), folder=folder)
            plain = tuple(word for word in words if not re.fullmatch(r"\d*[<>]+(&\d)?", word))
            yield replace(where, words=plain, folder=folder, compared=compared)
            for word in words:
                if re.search(r"\$\(|`", word):
                    for inner in re.findall(r"\$\(([^()]*)\)|`([^`]*)`", word):
                        command = "".join(inner)
                        for nested, _ in simple_commands(command):
                            yield replace(where, words=tuple(nested), folder=folder, compared=True)


DATA = "(data)"
"""Stands before the names of files that a command reads and compares with."""


def _data(words: Sequence[str]) -> list[str]:
    """What is read (`< cases`), and what output is held against (`diff - expected`)."""
    read = [word for before, word in itertools.pairwise(words) if before == "<"]
    compares = bool(words) and posixpath.basename(words[0]) in _COMPARES
    return [*read, *(words[1:] if compares else ())]
