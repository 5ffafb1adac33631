"""Which paths a proposal may touch; what kind of file is there (a link?) is the workspace's check.

Three rings, the first that speaks wins:

1. Never, whatever the scope says: git's and GitHub's own files, our run folder, and the paths given
   as `frozen` (configuration, program, files of the metric and guard commands), together with
   every name that some file system takes for one of them.
2. Only when the scope names the exact path, without a wildcard: files that steer how code is
   built, tested or started (`conftest.py`, `pyproject.toml`, lock files, …), existing or not.
3. Otherwise what the globs say: gitignore's syntax, but `!` always excludes, wherever it stands.

The files that a metric or guard command names belong to ring 1, unless the scope names exactly that
path: with `scope: [trainer/train.py]` and `command: python trainer/train.py` the file is the very
thing to improve, while `scope: [trainer/]` leaves it frozen. See `build_scope`.
"""

from __future__ import annotations

import functools
import itertools
import posixpath
import re
import shlex
import unicodedata
from collections.abc import Collection, Container, Iterable, Iterator, Sequence
from dataclasses import dataclass

from pathspec import GitIgnoreSpec

from autoresearch_ci.safety.characters import without_hidden

ALWAYS_FROZEN = (".github", "autoresearch")
"""Folders of the repository's root."""

STEERING_FILES = (
    # Run by every Python that starts, or by pytest before the first test.
    "sitecustomize.py",
    "usercustomize.py",
    "*.pth",
    "conftest.py",
    # Decide which tests run, with which plugins and options, and what counts as covered.
    *("pytest.ini", ".pytest.ini", "pytest.toml", ".pytest.toml", "tox.ini", "tox.toml"),
    *("setup.cfg", "pyproject.toml", "noxfile.py", ".coveragerc", "mypy.ini", "ruff.toml"),
    *("jest.config.*", "vitest.config.*", "playwright.config.*", ".mocharc*", "karma.conf.*"),
    *("phpunit.xml", "phpunit.xml.dist", ".rspec"),
    # Name the commands behind `npm test`, `make bench`, `cargo run`, or what these run first.
    *("package.json", ".npmrc", ".yarnrc", ".yarnrc.yml", "makefile", "gnumakefile", "justfile"),
    *("rakefile", "taskfile.yml", "taskfile.yaml", "setup.py", "cargo.toml"),
    *("pom.xml", "build.gradle", "build.gradle.kts", "gradle.properties", "go.mod", "go.work"),
    # Choose the interpreter, the compiler or the environment.
    *(".envrc", ".env", ".python-version", ".node-version", ".nvmrc", ".tool-versions"),
    *("mise.toml", ".mise.toml", "rust-toolchain", "rust-toolchain.toml"),
    # Pin dependencies: another version is another program, downloaded from somewhere else.
    *(
        "requirements*.txt",
        "constraints*.txt",
        "uv.lock",
        "poetry.lock",
        "pdm.lock",
        "pylock*.toml",
    ),
    *("pipfile", "pipfile.lock", "package-lock.json", "npm-shrinkwrap.json", "yarn.lock"),
    *("pnpm-lock.yaml", "bun.lock", "bun.lockb", "deno.lock", "cargo.lock", "go.sum", "gemfile"),
    *("gemfile.lock", "composer.json", "composer.lock", "gradle.lockfile", "flake.lock"),
    # Start programs in somebody's pipeline, hook or agent.
    *(".pre-commit-config.yaml", ".gitlab-ci.yml", ".travis.yml", "azure-pipelines.yml"),
    *("jenkinsfile", "bitbucket-pipelines.yml", "codeowners", ".mcp.json"),
)
"""Names and patterns of names, in lower case, at any depth."""
STEERING_FOLDERS = frozenset({".cargo", ".circleci", ".claude", ".husky", ".mvn", ".yarn"})

_WILDCARD = re.compile(r"[*?\[\\]")
_NAMES = frozenset(name for name in STEERING_FILES if "*" not in name)
_PATTERNS = re.compile(
    "|".join(re.escape(name).replace(r"\*", ".*") for name in STEERING_FILES if "*" in name),
    re.DOTALL,
)
# Windows' 8.3 names; the hexadecimal ones are what NTFS falls back to (git's `is_ntfs_dotgit`).
_SHORT_GIT_NAME = re.compile(r"git(hub|mod|att)?~[0-9]+|gi(7eba|7d29)~[0-9]+")
_GIT_NAMES = frozenset({".git", ".gitmodules", ".gitattributes"})


@dataclass(frozen=True, kw_only=True)
class Scope:
    """What may be edited. `build_scope` makes one from the configuration."""

    include: Sequence[str]
    """Gitignore-style globs; `!glob` excludes."""
    frozen: Sequence[str] = ()
    """Paths, files or folders, that no glob can open."""

    def __post_init__(self) -> None:
        _ = self._included, self._excluded  # a bad glob is reported now, not at the first edit

    def refusal(self, path: str) -> str | None:
        """Why `path` may not be edited, as a journal reason; `None` when it may."""
        why = self._why_not(path)
        if why is None:
            return None
        return f"out-of-scope: {path}" + (f" ({why})" if why else "")

    def select(self, paths: Iterable[str]) -> list[str]:
        """Those of `paths` that may be edited, in the order given."""
        return [path for path in paths if self._why_not(path) is None]

    def _why_not(self, path: str) -> str | None:
        """Empty when the path is merely not in scope."""
        # `$` in pathspec's expressions also matches before a final newline.
        plain = path.replace("\n", "\0x") if "\n" in path else path
        in_scope = self._included.match_file(plain) and not self._excluded.match_file(plain)
        odd = _odd(path)
        if odd or not in_scope:
            return odd
        key = _key(path)
        if self._excluded_keys.match_file(key):
            return "another spelling of what the scope excludes"
        parts = key.split("/")
        if any(_is_git_name(part) for part in parts):
            return "git's own files are never editable"
        if key in self._frozen_keys or not self._frozen_keys.isdisjoint(_ancestors(key)):
            return "frozen"
        if key in self._frozen_parents:
            return "would replace a folder of frozen files"
        if path not in self._literal and _steers(parts):
            return "steers how code is built, tested or run; scope must name it exactly"
        return None

    @functools.cached_property
    def _included(self) -> GitIgnoreSpec:
        return _spec(glob for glob in self.include if not glob.startswith("!"))

    @functools.cached_property
    def _excluded(self) -> GitIgnoreSpec:
        return _spec(glob[1:] for glob in self.include if glob.startswith("!"))

    @functools.cached_property
    def _excluded_keys(self) -> GitIgnoreSpec:
        """For the twins (`Tests/` of `tests/`) that some file system takes for what is excluded."""
        globs = (_pattern(glob[1:]) for glob in self.include if glob.startswith("!"))
        return GitIgnoreSpec.from_lines(_key(glob) for glob in globs)

    @functools.cached_property
    def _literal(self) -> frozenset[str]:
        return literal_paths(self.include)

    @functools.cached_property
    def _frozen_keys(self) -> frozenset[str]:
        return frozenset(_key(_plain(path)) for path in (*ALWAYS_FROZEN, *self.frozen))

    @functools.cached_property
    def _frozen_parents(self) -> frozenset[str]:
        return frozenset(parent for key in self._frozen_keys for parent in _ancestors(key))


def build_scope(
    scope_globs: Sequence[str],
    frozen_paths: Iterable[str],
    metric_commands: Iterable[str],
    tracked_paths: Iterable[str],
) -> Scope:
    """The scope of a run.

    `frozen_paths` (configuration, program) stay frozen whatever the globs say. Tracked files that
    one of `metric_commands` (metric, guards, holdout, setup) names are frozen too, except those
    that the scope names exactly. A file which such a file runs in turn is not found: give it in
    `frozen_paths`, or leave it out of the globs. Raises `ValueError` for a glob that cannot match.
    """
    tracked = frozenset(tracked_paths)
    literal = literal_paths(scope_globs)
    named = (path for command in metric_commands for path in command_files(command, tracked))
    rulers = (path for path in named if path not in literal)
    return Scope(include=tuple(scope_globs), frozen=tuple(dict.fromkeys((*frozen_paths, *rulers))))


def literal_paths(globs: Iterable[str]) -> frozenset[str]:
    """The globs that name one exact path: no wildcard, no trailing slash, no `!`."""
    return frozenset(
        _plain(glob)
        for glob in globs
        if not glob.startswith("!") and not glob.endswith("/") and not _WILDCARD.search(glob)
    )


def command_files(command: str, paths: Container[str]) -> list[str]:
    """Which of `paths` the shell command names, as a word, a module (`-m`) or by its tool.

    Reads too much rather than too little: a file that is only an argument counts as well.
    """
    words = list(_words(command))
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


def _words(command: str, depth: int = 0) -> Iterator[str]:
    lexer = shlex.shlex(command, posix=True, punctuation_chars="();<>|&`")
    lexer.whitespace_split = True
    lexer.commenters = ""
    try:
        words = list(lexer)
    except ValueError:  # an open quote: the shell will refuse it, we still look
        words = re.split(r"[\s'\"();<>|&`]+", command)
    for word in words:
        yield word.replace("${PWD}", "$PWD")
        if depth < 3 and re.search(r"[\s;|&()]", word):  # bash -c 'python bench/run.py'
            yield from _words(word, depth + 1)


def _spec(globs: Iterable[str]) -> GitIgnoreSpec:
    patterns = [_pattern(glob) for glob in globs]
    for glob in patterns:
        if not any(pattern.include for pattern in GitIgnoreSpec.from_lines([glob]).patterns):
            raise ValueError(f"scope: the pattern {glob!r} matches nothing; escape or remove it")
    return GitIgnoreSpec.from_lines(patterns)


def _pattern(glob: str) -> str:
    return "**" if glob in (".", "./") else glob.removeprefix("./")


def _plain(path: str) -> str:
    return path.removeprefix("./").strip("/")


def _odd(path: str) -> str:
    """Why the path is not a plain relative one; empty when it is."""
    if "\0" in path or "\\" in path:
        return "not a portable path"
    if len(path) > 4096:
        return "too long"
    if not {"", ".", ".."}.isdisjoint(path.split("/")):
        return "not a plain relative path"
    return ""


def _key(path: str) -> str:
    """Equal for all paths that some file system takes for the same file.

    Windows drops dots and spaces at the end of a name, macOS ignores case and Unicode composition,
    and some characters that nobody sees: `.g<U+200C>it` is `.git` there (git's `next_hfs_char`).
    """
    if path.isascii() and path.isprintable():
        key = path.lower()
    else:
        path = unicodedata.normalize("NFD", without_hidden(path))
        key = unicodedata.normalize("NFD", path.casefold())
    if not key.endswith((".", " ")) and "./" not in key and " /" not in key:
        return key
    return "/".join(part.rstrip(". ") for part in key.split("/"))


def _ancestors(key: str) -> list[str]:
    parts = key.split("/")
    return ["/".join(parts[:count]) for count in range(1, len(parts))]


def _is_git_name(part: str) -> bool:
    if part[:2] not in (".g", "gi"):
        return False
    name = part.partition(":")[0].rstrip(". ")  # `.git::$INDEX_ALLOCATION` is `.git` on NTFS
    return name in _GIT_NAMES or _SHORT_GIT_NAME.fullmatch(name) is not None


def _steers(parts: Sequence[str]) -> bool:
    return (
        parts[-1] in _NAMES
        or _PATTERNS.fullmatch(parts[-1]) is not None
        or not STEERING_FOLDERS.isdisjoint(parts[:-1])
    )


def is_hidden_path(path: str, hidden: Collection[str]) -> bool:
    """Whether `path` is one of `hidden`, or lies in a folder that is."""
    return any(path == name or path.startswith(f"{name.rstrip('/')}/") for name in hidden)
