"""Refused before the baseline: an absolute path that leads what is measured into the checkout.

No candidate is there. Commands and the scripts that they name may hold one, and so may a program
on PATH that somebody wrote for this checkout, a build file, a folder that a build was configured
in, and a link. What Python environments say is provenance.py's business.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from autoresearch_ci.errors import BaselineError
from autoresearch_ci.execution.command_words import first_words
from autoresearch_ci.measure.ruler.built_programs import TASK
from autoresearch_ci.safety.untrusted_files import file_bytes
from autoresearch_ci.safety.untrusted_values import Unreadable
from autoresearch_ci.workspace.command_files import command_files, command_text
from autoresearch_ci.workspace.relocate import leads_into, names, spellings

_LARGEST = 4 << 20
_LARGEST_PROGRAM = 64 << 20
"""Bytes; Go's hold the places of their sources, and others do where they can be debugged."""
_ENTERS = re.compile(rb"(?:(?:^|[\s;&|(])(?:cd|pushd)\s+|[=:][ \t]*)[\"']?$")
"""Before a folder: a shell goes there, or a variable has somebody look there."""
_BUILD_FILES = frozenset({"go.work", "go.mod", "Cargo.toml", "package.json"})
_OF_CARGO = (".cargo/config.toml", ".cargo/config")
_SETTINGS = re.compile(
    r"(?!\.(?:github|vscode|idea|devcontainer|claude)/)(?:.*/)?(?:\.env(?:\..*)?|\.envrc"
    r"|(?:package|tsconfig|jsconfig|deno)[\w.-]*\.json|[\w.-]+\.config\.[cm]?[jt]s"
    r"|[^/]*\.(?:ini|cfg|toml|properties|mk|cmake))"
)
"""Files from which tools take where code lies. Editors' say nothing to them, and YAML is mostly of
pipelines and containers, which may well be told of a folder that is called like the checkout."""
_CONFIGURED = ("CMakeCache.txt", "config.status", "build.ninja", "Makefile")
"""What CMake, autotools, Meson and their like write where they are called."""
_LINES = 2000
"""Of scripts, that are looked at for programs."""
_PROGRAM = re.compile(r"(?<![\w.$~}/-])/(?:[\w.+-]+/)+bin/[\w.+-]+")
_FILE = re.compile(
    r"(?<![\w.$~}/-])(?:\./[\w.+-]+(?:/[\w.+-]+)*|[\w+-][\w.+-]*(?:/[\w.+-]+)+"
    r"|[\w-]+\.(?:[cm]?js|jar|war))"
)
_OF_SYSTEM = ("/usr/bin/", "/bin/", "/usr/sbin/", "/sbin/")
_DEPTH = 3
"""Folders down to which that is looked for: `build/release/x64/CMakeCache.txt`."""


@dataclass(frozen=True, kw_only=True)
class AbsolutePaths:
    """The two places, and what the repository holds."""

    tree: Path
    checkout: Path
    tracked: frozenset[str]
    """Files of the base commit, and the folders above them."""
    links: tuple[str, ...] = ()
    """Those among them that are links."""
    share: tuple[str, ...] = ()
    """Folders that the tree has from the checkout."""

    def refuse_all(self, lines: Sequence[str], environment: Mapping[str, str]) -> int:
        """Raises `BaselineError`; how many build files were looked at.

        `lines`: the commands. `environment`: what they run in.
        """
        self._refuse_lines(lines)
        self._refuse_programs(lines, environment)
        self._refuse_links()
        self._refuse_settings()
        self._refuse_configured()
        return self._refuse_build_files(environment)

    def programs(self, lines: Sequence[str]) -> list[str]:
        """What the commands begin with, and the scripts that they name; and where those say so."""
        text = self.text(lines)
        own = [line.lstrip("\t @+-") for line in text.splitlines()[:_LINES]]
        words = [word for line in (*lines, *dict.fromkeys(own)) for word in first_words(line)]
        return list(dict.fromkeys([*words, *_PROGRAM.findall(text)]))

    def words(self, lines: Sequence[str]) -> list[str]:
        """The same, all that may be a file in the repository, and tasks that build."""
        text = self.text(lines)
        tasks = (task[0] for task in TASK.finditer(text))
        return list(dict.fromkeys([*self.programs(lines), *_FILE.findall(text), *tasks]))

    def text(self, lines: Sequence[str]) -> str:
        """The commands, and the scripts that they name."""
        return command_text(lines, self.tracked, lambda path: _content(self.tree / path))

    def _refuse_lines(self, lines: Iterable[str]) -> None:
        """Also scripts that they name: those are read when it is measured, and name their own."""
        for line in lines:
            if place := self._named(os.fsencode(line), root=True):
                raise BaselineError(
                    f"the command {line!r} uses {self.checkout / place} of your checkout, where "
                    "no candidate is.\ndo: write the path relative to the repository's root."
                )
            for path in command_files(line, self.tracked):
                if place := self._named(_content(self.tree / path)):
                    raise BaselineError(
                        f"{path} uses {self.checkout}/{place} of your checkout, where no candidate "
                        "is.\ndo: make the path relative, to the script or the working folder."
                    )

    def _refuse_programs(self, lines: Sequence[str], environment: Mapping[str, str]) -> None:
        search = environment.get("PATH", os.defpath)
        direct = {word for line in lines for word in first_words(line)}
        for word in self.programs(lines):
            program = shutil.which(word, path=search) if "/" not in word else word
            if not program or not Path(program).is_absolute():
                continue
            if word in direct or not program.startswith(_OF_SYSTEM):
                self._refuse_program(word, Path(program))

    def _refuse_program(self, word: str, program: Path) -> None:
        try:
            real = os.path.realpath(program)
        except OSError:
            return  # what we cannot reach, no command can
        place = self._place(real)
        content = b"" if place else _content(Path(real), _LARGEST_PROGRAM)
        if content.startswith(b"#!"):
            place = self._named(content, root=True)
        elif self._named(content) or self._installed_by_cargo(program):
            raise BaselineError(
                f"the command {word!r} is {program}, which was built from your checkout before "
                "this run, so no candidate would be in it.\n"
                "do: have the command build what it measures (cargo run, go run, make), or name "
                "the program that a build leaves in the repository."
            )
        if place:
            raise BaselineError(
                f"the command {word!r} is {program}, which uses {self.checkout / place} of your "
                "checkout, where no candidate is.\n"
                "do: call what it calls, with a path relative to the repository's root."
            )

    def _installed_by_cargo(self, program: Path) -> bool:
        """`cargo install --path .` notes what it was built from."""
        try:
            text = _content(program.parent.parent / ".crates.toml").decode(errors="replace")
            known = tomllib.loads(text).get("v1", {})
        except tomllib.TOMLDecodeError:
            return False
        ours = names(f"file://{self.checkout}")
        return any(
            ours.search(os.fsencode(package)) and program.name in programs
            for package, programs in known.items()
            if isinstance(programs, list)
        )

    def _refuse_links(self) -> None:
        for path in self.links:
            if place := self._place(os.path.realpath(self.tree / path)):
                new = os.path.relpath(place, Path(path).parent)
                raise BaselineError(
                    f"{path} is a link to {self.checkout / place} of your checkout, where no "
                    "candidate is.\n"
                    f"do: make it relative: ln -sfn {shlex.quote(new)} {shlex.quote(path)}"
                )

    def _refuse_settings(self) -> None:
        for path in filter(_SETTINGS.fullmatch, sorted(self.tracked)):
            if place := self._named(_content(self.tree / path)):
                raise BaselineError(
                    f"{path} names {self.checkout / place} of your checkout, where no candidate "
                    "is, so what reads it would be measured as it is there.\n"
                    "do: make the path relative to the repository's root."
                )

    def _refuse_configured(self) -> None:
        for path in self._configured():
            if place := self._named(_content(path), root=True):
                told = path.relative_to(self.tree)
                raise BaselineError(
                    f"{told} names {self.checkout / place}, so a build there would use your "
                    "checkout instead of the measure tree.\n"
                    f"do: take {told.parent} from `share`, and configure the build in a `setup` "
                    "command."
                )

    def _configured(self) -> Iterator[Path]:
        """In shared folders; not in those of a dependency, which builds nothing of ours."""
        for folder in self.share:
            for depth in range(_DEPTH):
                for name in _CONFIGURED:
                    found = (self.tree / folder).glob("/".join([*["*"] * depth, name]))
                    yield from (path for path in found if "node_modules" not in path.parts)

    def _refuse_build_files(self, environment: Mapping[str, str]) -> int:
        """How many there are."""
        found = [
            self.tree / path
            for path in self.tracked
            if path.rpartition("/")[2] in _BUILD_FILES or path.endswith(_OF_CARGO)
        ]
        cargo = environment.get("CARGO_HOME")
        found += [Path(cargo, name) for name in ("config.toml", "config")] if cargo else []
        for path in found:
            if names(str(self.checkout)).search(_content(path)):
                raise BaselineError(
                    f"{path} names {self.checkout}, so a build would use your checkout instead of "
                    "the measure tree.\ndo: make the path relative, or remove the entry."
                )
        work = self.checkout / "go.work"
        if work.exists() and not (self.tree / "go.work").exists():
            raise BaselineError(
                f"{work} is not committed, so measured code would be built without it.\n"
                "do: commit it, or share it: share: [go.work]"
            )
        return len(found)

    def _place(self, real: str) -> str:
        """Of a path without links: the file or folder of the repository that it is; empty: none."""
        root = os.path.realpath(self.checkout)
        if leads_into(real, [str(self.tree)]) or not leads_into(real, [root]):
            return ""
        place = os.path.relpath(real, root)
        return place if place in self.tracked else ""

    def _named(self, text: bytes, *, root: bool = False) -> str:
        """A file or folder of the repository, named by its absolute place in the checkout.

        `root`: also the checkout itself, as `.`, where a command enters it or searches it.
        """
        if not any(spelling in text for spelling in spellings(str(self.checkout))):
            return ""  # a program may be large, and an expression is slow
        for match in names(str(self.checkout)).finditer(text):
            rest = re.match(rb"/+([\w./@+-]*)", text[match.end() :])
            path = os.path.normpath(os.fsdecode(rest[1])) if rest else "."
            entered = root and path == "." and _ENTERS.search(text[: match.start()])
            if path in self.tracked or entered:
                return path
        return ""


def _content(path: Path, limit: int = _LARGEST) -> bytes:
    try:
        return file_bytes(path, limit)
    except (OSError, Unreadable):
        return b""
