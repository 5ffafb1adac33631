"""Before the baseline: what commands import and open of the repository is the measure tree's.

Python environments are read for places that lead into the checkout, or into another copy of the
repository. What an editable install says is redirected, and so is what was installed from the
repository; everything else is refused with the file that says it. Copies of environments in the
tree have been rewritten already (workspace/relocate.py); what is no Python is looked at in
absolute_paths.py.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path

from autoresearch_ci.errors import BaselineError
from autoresearch_ci.measure.ruler.absolute_paths import AbsolutePaths
from autoresearch_ci.measure.ruler.built_programs import refuse_built, refuse_compiled
from autoresearch_ci.measure.ruler.installed_copies import (
    InstalledCopy,
    built_in_place,
    installed_copies,
)
from autoresearch_ci.measure.ruler.maven_modules import installed_modules
from autoresearch_ci.workspace.relocate import leads_into
from autoresearch_ci.workspace.snapshot import remove

_LARGEST = 4 << 20
_PYTHON = re.compile(r"(?:python|pypy)[0-9.]*")
_STARTED = re.compile(r"\bimport\s+(\w+)")
_QUOTED = re.compile(r"""["'](/[^"'\n]+)["']""")
_FINDERS = ("_EditableFinder", "RedirectingFinder")
"""Of setuptools and of `editables`: their tables can be redirected when Python has started."""
_OF_SYSTEM = ("usr/lib/python3/dist-packages", "usr/local/lib/python3*/dist-packages")
REDIRECTION = "sitecustomize"

_END = "that is all"
"""Ends what a Python answers: one that says nothing has proved nothing."""


class Unanswered(Exception):
    """A program could not be asked; the text is the reason."""


AskPython = Callable[[Sequence[str], Mapping[str, str]], str]
"""Runs an argv as measured code in an environment; what it printed. Raises `Unanswered`."""


@dataclass(frozen=True)
class _Claim:
    """A file says that code lies at a place."""

    file: Path
    place: str
    redirectable: bool


@dataclass(frozen=True, kw_only=True)
class Supply:
    """What commands need so that the measure tree is what they use, and what was looked at."""

    environment: Mapping[str, str]
    """Variables to be added."""
    hidden: tuple[str, ...]
    """Places of the checkout that nothing may read any more, in case that the rest is evaded."""
    shown: tuple[str, ...]
    """Environments among them."""
    told: str
    """One line for people."""


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """What Python environments say of the two places, and what the rest does."""

    paths: AbsolutePaths
    editable: frozenset[str]
    """Those that a candidate may change."""
    measured: tuple[str, ...] = ()
    """Commands that run for each candidate, the metric's first."""
    setup: tuple[str, ...] = ()
    """Those that ran once, before."""
    fixed: bool = False
    """Whether there are none, so that what setup has built is what is asked for."""
    folder: Path
    """For a module of ours that redirects imports."""

    @property
    def tree(self) -> Path:
        return self.paths.tree

    @property
    def checkout(self) -> Path:
        return self.paths.checkout

    @property
    def tracked(self) -> frozenset[str]:
        return self.paths.tracked

    def prove(self, lines: Sequence[str], environment: Mapping[str, str], ask: AskPython) -> Supply:
        """Of all that the commands `lines` use. Raises `BaselineError`."""
        looked = self.paths.refuse_all(lines, environment)
        pythons = list(dict.fromkeys(self._pythons(lines, environment)))
        claims: list[_Claim] = []
        copies: list[InstalledCopy] = []
        prefixes = []
        places = [Path(os.path.realpath(place)) for place in (self.checkout, self.tree)]
        silent: dict[str, str] = {}

        @cache
        def recorded(site: Path) -> tuple[list[InstalledCopy], list[_Claim]]:
            """What `python` and `python3` of one environment share."""
            return [*installed_copies(site, self.tree, self.tracked, places)], [*_claims(site)]

        for python in pythons:
            try:
                sites = list(self._sites(python, environment, ask))
            except Unanswered as error:
                silent[python] = str(error)
                continue
            for site in sites:
                copied, claimed = recorded(site)
                found = [claim for claim in claimed if self._is_ours(claim, python)]
                copies, claims = copies + copied, claims + found
                prefixes += [str(Path(python).parent.parent)] * bool(found or copied)
        for copy in (*copies, built_in_place(self.tree, self.tracked)):
            if not (self.fixed and copy.site.is_relative_to(self.tree)):
                self._refuse_compiled(copy)
        if not self.fixed:
            self._refuse_built()
        added = self._redirected(claims, copies, environment) if claims or copies else {}
        for python in pythons if added else ():
            try:
                self._refuse_remains(python, _answer(ask, _probe(python), {**environment, **added}))
            except Unanswered as error:
                if str(Path(python).parent.parent) in prefixes:
                    raise _unproved(python, error) from error
                silent[python] = str(error)
        told = f"checked: {_count(len(pythons) - len(silent), 'Python environment')}"
        told += f", {_count(looked, 'build file')} and {_count(len(lines), 'command')}"
        told += ": what they use of this repository is the measure tree's"
        told += "".join(f"; not checked: {python} ({why})" for python, why in silent.items())
        built = [str(path) for path in self._built(lines, environment)]
        told += f" (hidden, as the tree is built from: {', '.join(built)})" if built else ""
        if not added:
            return Supply(environment={}, hidden=tuple(built), shown=(), told=told)
        said = [*(claim.file for claim in claims), *(copy.record for copy in copies)]
        files = ", ".join(sorted({str(file) for file in said}))
        left = (place for copy in copies for place in copy.places)
        hidden = [*built, *(str(_found_at(Path(os.path.realpath(c.place)))) for c in claims)]
        hidden += [place for place in left if not leads_into(place, [str(self.tree)])]
        return Supply(
            environment=added,
            hidden=tuple(set(hidden)),
            shown=tuple(prefix for prefix in prefixes if leads_into(prefix, [str(self.checkout)])),
            told=f"{told} (redirected: {files})",
        )

    def _refuse_compiled(self, copy: InstalledCopy) -> None:
        for line in self.measured[:1]:
            words, text = self.paths.words([line]), self.paths.text([line])
            refuse_compiled(copy, self.editable, line, words=words, text=text)

    def _refuse_built(self) -> None:
        setup = [*self.paths.words(self.setup), *" ".join(self.setup).split()]
        for line in dict.fromkeys(self.measured):  # each in a tree of its own
            refuse_built(
                self.tree,
                self.tracked,
                self.editable,
                measured=self.paths.words([line]),
                setup=setup,
                shared=self.paths.share,
            )

    def _built(self, lines: Sequence[str], environment: Mapping[str, str]) -> list[Path]:
        """Of what a candidate may change: installed before the run."""
        return installed_modules(self.tree, self.tracked, self.editable, lines, environment)

    def _is_ours(self, claim: _Claim, python: str) -> bool:
        """Whether it has to be redirected. Raises `BaselineError` where that cannot be done."""
        checkout, prefix = str(self.checkout), str(Path(python).parent.parent)
        if leads_into(claim.place, [str(self.tree)]):
            return False
        if leads_into(claim.place, [checkout]):
            own = leads_into(prefix, [checkout]) and not leads_into(checkout, [prefix])
            if own and leads_into(claim.place, [prefix]):
                return False  # an environment that lies in the checkout
            below = os.path.relpath(os.path.realpath(claim.place), os.path.realpath(checkout))
            if claim.redirectable and _found_at(self.tree / below).exists():
                return True
            raise _refusal(claim, "your checkout")
        if copy := self._copy(claim.place):
            raise _refusal(claim, f"{copy}, another copy of this repository,")
        return False

    def _copy(self, place: str) -> str:
        """The other working tree that offers the same code; empty: none."""
        path = _found_at(Path(os.path.realpath(place)))
        top = next((p for p in (path, *path.parents) if (p / ".git").exists()), None)
        if top is None:
            return ""
        below = path.relative_to(top).as_posix()
        if path.is_dir() and not (path / "__init__.py").exists():
            offered = [p.name for p in path.iterdir() if _is_code(p)]
            paths = [name if below == "." else f"{below}/{name}" for name in offered]
        else:
            paths = [below]
        return str(top) if paths and all(path in self.tracked for path in paths) else ""

    def _pythons(self, lines: Sequence[str], environment: Mapping[str, str]) -> Iterator[str]:
        search = environment.get("PATH", os.defpath)
        for variable in ("VIRTUAL_ENV", "CONDA_PREFIX"):
            if environment.get(variable):
                yield from _existing(Path(environment[variable], "bin", "python"))
        for settings in self.tree.glob("*/pyvenv.cfg"):
            yield from _existing(settings.parent / "bin" / "python")
        for word in ("python", "python3", *self.paths.programs(lines)):
            program = str(self.tree / word) if "/" in word else shutil.which(word, path=search)
            if program and _PYTHON.fullmatch(Path(program).name):
                yield from _existing(Path(program))
            elif program:
                yield from _run_by(Path(program))

    def _sites(self, python: str, environment: Mapping[str, str], ask: AskPython) -> Iterator[Path]:
        """Where it looks for path files."""
        if _text(Path(python), 2).startswith("#!"):  # pyenv's, which chooses another one
            code = f"import site\nprint(*site.getsitepackages(), {_END!r}, sep='\\n')"
            lines = _answer(ask, [python, "-c", code], {})
            yield from (Path(line) for line in lines if line.startswith("/"))
            return
        prefix = Path(python).parent.parent
        settings = _text(prefix / "pyvenv.cfg", 1 << 16)
        if settings:
            yield from _packages(prefix)
            if not re.search(r"(?mi)^include-system-site-packages\s*=\s*true", settings):
                return
        base = Path(os.path.realpath(python)).parent.parent
        yield from _packages(base)
        if base in (Path("/usr"), Path("/")):
            for pattern in _OF_SYSTEM:
                yield from Path("/").glob(pattern)

    def _redirected(
        self,
        claims: Iterable[_Claim],
        copies: Iterable[InstalledCopy],
        environment: Mapping[str, str],
    ) -> dict[str, str]:
        remove(self.folder)
        self.folder.mkdir()
        source = resources.files("autoresearch_ci.measure.redirection") / f"{REDIRECTION}.py"
        root = os.path.realpath(self.checkout)
        places: dict[str, str] = {}
        added: dict[str, list[str]] = {}
        for claim in claims:
            if claim.file.suffix == ".pth":
                added.setdefault(str(claim.file.parent), []).append(claim.place)
            new = os.path.normpath(self.tree / os.path.relpath(os.path.realpath(claim.place), root))
            places |= {claim.place: new, os.path.realpath(claim.place): new}
        packages: dict[str, str] = {}
        extras: dict[str, str] = {}
        for copy in copies:
            packages |= {name: str(self.tree / path) for name, path in copy.packages.items()}
            extras |= copy.extras
        target = self.folder / f"{REDIRECTION}.py"
        calls = f"move({places!r}, {added!r})\nreplace({packages!r}, {extras!r})\n"
        target.write_text(f"{source.read_text()}\n{calls}")
        target.chmod(0o444)
        self.folder.chmod(0o755)
        search = environment.get("PYTHONPATH")
        return {"PYTHONPATH": f"{self.folder}{os.pathsep}{search}" if search else str(self.folder)}

    def _refuse_remains(self, python: str, places: Iterable[str]) -> None:
        prefix = str(Path(python).parent.parent)
        for place in places:
            inside = place.startswith("/") and leads_into(place, [str(self.checkout)])
            if inside and not leads_into(place, [prefix, str(self.tree)]):
                raise _refusal(_Claim(Path(python), place, True), "your checkout")


def _probe(python: str) -> list[str]:
    return [
        python,
        "-c",
        "import sys\nprint(*sys.path, sep='\\n')\n"
        "for finder in sys.meta_path:\n"
        "    module = sys.modules.get(getattr(finder, '__module__', None))\n"
        "    for found in [*vars(finder).values(), *vars(module or sys).values()]:\n"
        "        if isinstance(found, dict):\n"
        "            print(*(v for v in found.values() if isinstance(v, str)), sep='\\n')\n"
        f"print({_END!r})",
    ]


def _answer(ask: AskPython, argv: Sequence[str], environment: Mapping[str, str]) -> list[str]:
    """What a Python says line by line. Raises `Unanswered`."""
    lines = ask(argv, environment).splitlines()
    if _END not in lines:
        raise Unanswered("it says nothing")
    return lines


def _unproved(python: str, reason: Unanswered) -> BaselineError:
    return BaselineError(
        f"{python} has this repository installed in place, and cannot say what it would import: "
        f"{reason}.\n"
        "usually: that Python does not start as measured code, or the machine is very busy.\n"
        "do: mend or remove the environment, or take it off PATH; then try again."
    )


def _refusal(claim: _Claim, whose: str) -> BaselineError:
    return BaselineError(
        f"measured code would import {whose} instead of the measure tree: {claim.file} names "
        f"{claim.place}.\n"
        "usually: an editable install (pip install -e ., pip develop) that cannot be redirected.\n"
        "do: install it in `setup` into an environment of the measure tree, for example\n"
        "  setup: [python -m venv .venv && .venv/bin/pip install -e .]\n"
        "or remove it from that environment (pip uninstall) and set `env: {PYTHONPATH: src}`."
    )


def _claims(site: Path) -> Iterator[_Claim]:
    """What a folder of packages says of code elsewhere."""
    try:
        entries = sorted(os.scandir(site), key=lambda entry: entry.name)
    except OSError:
        return
    for entry in entries:
        if entry.is_symlink():
            yield _Claim(Path(entry.path), os.path.realpath(entry.path), False)
        elif entry.name.endswith((".pth", ".egg-link")):
            path = Path(entry.path)
            for line in _text(path, _LARGEST).splitlines():
                yield from _claims_of(path, line.strip())


def _claims_of(file: Path, line: str) -> Iterator[_Claim]:
    if not line.startswith("import"):
        if line and not line.startswith("#"):
            yield _Claim(file, os.path.normpath(file.parent / line), True)
        return
    yield from (_Claim(file, place, True) for place in _QUOTED.findall(line))
    for module in _STARTED.findall(line):
        finder = file.parent / f"{module}.py"
        text = _text(finder, _LARGEST)
        redirectable = any(name in text for name in _FINDERS)
        yield from (_Claim(finder, place, redirectable) for place in _QUOTED.findall(text))


def _packages(prefix: Path) -> Iterator[Path]:
    for kind in ("python*", "pypy*"):
        for library in ("lib", "lib64"):
            yield from prefix.glob(f"{library}/{kind}/site-packages")


def _found_at(path: Path) -> Path:
    """A module that is one file stands in a finder without its ending."""
    alone = path.with_name(f"{path.name}.py")
    return alone if alone.exists() and not path.exists() else path


def _is_code(path: Path) -> bool:
    return path.suffix in (".py", ".so") or (path / "__init__.py").exists()


def _existing(path: Path) -> Iterator[str]:
    if path.exists():
        yield str(path)


def _run_by(script: Path) -> Iterator[str]:
    """The Python that a console script begins with."""
    line = _text(script, 512).partition("\n")[0]
    words = shlex.split(line[2:], posix=False) if line.startswith("#!") else []
    if words and _PYTHON.fullmatch(Path(words[0]).name):
        yield from _existing(Path(words[0]))


def _text(path: Path, limit: int) -> str:
    """The beginning of a file, or nothing."""
    try:
        with path.open("rb") as file:
            return file.read(limit).decode(errors="replace")
    except OSError:
        return ""


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
