"""Which paths a proposal may touch; what kind of file is there (a link?) is the workspace's check.

Three rings, the first that speaks wins:

1. Never, whatever the scope says: git's and GitHub's own files, our run folder, and the paths given
   as `frozen` (configuration, program, files of the metric and guard commands), together with
   every name that some file system takes for one of them.
2. Only when the scope names the exact path, without a wildcard: files that steer how code is
   built, tested or started (steering_files.py), existing or not, new files that would be found
   instead of one that may not be edited (twins.py), and for a repair tests
   and what makes linters look away.
3. Otherwise what the globs say: gitignore's syntax, but `!` always excludes, wherever it stands.

The files that a metric or guard command names belong to ring 1, unless the scope names exactly that
path: with `scope: [trainer/train.py]` and `command: python trainer/train.py` the file is the very
thing to improve, while `scope: [trainer/]` leaves it frozen. See `build_scope`.
"""

from __future__ import annotations

import functools
import re
import shlex
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass

from pathspec import GitIgnoreSpec

from autoresearch_ci.decide.failures.shortcuts.left_out import NAMES as LEFT_OUT
from autoresearch_ci.safety.gitignore_globs import gitignore_spec
from autoresearch_ci.workspace.command_files import command_files
from autoresearch_ci.workspace.started_files import started_files
from autoresearch_ci.workspace.steering_files import steered_tool
from autoresearch_ci.workspace.twins import Twins, same_file_key

ALWAYS_FROZEN = (".github", "autoresearch")
"""Folders of the repository's root."""

_CURE = "; to allow it, name it outright in scope"
_WILDCARD = re.compile(r"[*?\[\\]")
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
    tracked: Collection[str] = ()
    """What is there already: the files of the base commit."""
    commands: Sequence[str] = ()
    """Of the ruler: metric, guards, holdout, setup."""
    started: Collection[str] = ()
    """What those commands start in turn, and so judges as well."""
    read: Callable[[str], bytes] | None = None
    """Content of a tracked file; `None`: what the ruler imports is not known."""
    opened: Collection[str] = ()
    """Of what is never editable, paths that are all the same: a workflow that is insecure."""
    tests: Callable[[str], bool] | None = None
    """Where tests are what says whether a repair is one: which paths hold them."""

    filter_of: Callable[[str], str] | None = None
    """Which filter of git's would change what is committed of a new file; empty: none."""

    def __post_init__(self) -> None:
        _ = self._included, self._excluded  # a bad glob is reported now, not at the first edit

    def refusal(self, path: str) -> str | None:
        """Why `path` may not be edited, as a journal reason; `None` when it may."""
        why = self._why_not(path)
        if why is None and path not in self._literal:
            twin = self._twins.refusal(path)
            why = f"{twin}{_CURE}" if twin else None
        if why is None and self.filter_of and path not in self.tracked:
            driver = self.filter_of(path)
            why = f"git's filter {driver} makes it, and is not run here" if driver else None
        if why is None:
            return None
        return f"out-of-scope: {path}" + (f" ({why})" if why else "")

    def select(self, paths: Iterable[str]) -> list[str]:
        """Those of `paths`, which are tracked, that may be edited, in the order given."""
        return [path for path in paths if self._why_not(path) is None]

    def _why_not(self, path: str) -> str | None:
        """Empty when the path is merely not in scope."""
        # `$` in pathspec's expressions also matches before a final newline.
        plain = path.replace("\n", "\0x") if "\n" in path else path
        in_scope = self._included.match_file(plain) and not self._excluded.match_file(plain)
        odd = _odd(path)
        if odd or not in_scope:
            return odd
        key = same_file_key(path)
        if self._excluded_keys.match_file(key):
            return "another spelling of what the scope excludes"
        parts = key.split("/")
        if any(_is_git_name(part) for part in parts):
            return "git's own files are never editable"
        if path in self.opened:
            return None
        if key in self._frozen_keys or not self._frozen_keys.isdisjoint(_ancestors(key)):
            return "frozen"
        if key in self._started_keys and path not in self._literal:
            return f"is started by what says whether all is well{_CURE}"
        if key in self._frozen_parents:
            return "would replace a folder of frozen files"
        if path not in self._literal and (tool := steered_tool(parts)):
            return f"steers {tool}{_CURE}"
        if path not in self._literal and self.tests and self.tests(path):
            return f"holds tests{_CURE}"
        if path not in self._literal and self.tests and parts[-1] in LEFT_OUT:
            return f"says what linters do not look at{_CURE}"
        return None

    @functools.cached_property
    def _twins(self) -> Twins:
        return Twins(
            self.tracked, self.commands, lambda path: self._why_not(path) is None, self.read
        )

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
        return gitignore_spec(same_file_key(glob) for glob in globs)

    @functools.cached_property
    def _literal(self) -> frozenset[str]:
        return literal_paths(self.include)

    @functools.cached_property
    def _frozen_keys(self) -> frozenset[str]:
        return frozenset(same_file_key(_plain(path)) for path in (*ALWAYS_FROZEN, *self.frozen))

    @functools.cached_property
    def _frozen_parents(self) -> frozenset[str]:
        keys = (*self._frozen_keys, *self._started_keys)
        return frozenset(parent for key in keys for parent in _ancestors(key))

    @functools.cached_property
    def _started_keys(self) -> frozenset[str]:
        return frozenset(map(same_file_key, self.started))


def build_scope(
    scope_globs: Sequence[str],
    frozen_paths: Iterable[str],
    metric_commands: Iterable[str],
    tracked_paths: Iterable[str],
    read: Callable[[str], bytes] | None = None,
    tests: Callable[[str], bool] | None = None,
    judged_by: Iterable[str] = (),
) -> Scope:
    """The scope of a run.

    `frozen_paths` (configuration, program) stay frozen whatever the globs say. Tracked files that
    one of `metric_commands` (metric, guards, holdout, setup) names are frozen too, except those
    that the scope names exactly. A file which such a file runs in turn is found for `judged_by`
    only, commands that say whether a repair is one: else give it in `frozen_paths`, or leave it
    out of the globs. `read` gives the content of a tracked file, to see what the ruler imports; it
    is called when the first new file is judged, or for `judged_by`. Raises `ValueError` for a glob
    that cannot match.
    """
    tracked, commands = frozenset(tracked_paths), tuple(metric_commands)
    literal = literal_paths(scope_globs)
    named = (path for command in commands for path in command_files(command, tracked))
    rulers = (path for path in named if path not in literal)
    started = started_files(judged_by, tracked, read) if read else ()
    return Scope(
        include=tuple(scope_globs),
        frozen=tuple(dict.fromkeys((*frozen_paths, *rulers))),
        tracked=tracked,
        commands=(*commands, *map(shlex.quote, started)),
        started=frozenset(started),
        read=read,
        tests=tests,
    )


def literal_paths(globs: Iterable[str]) -> frozenset[str]:
    """The globs that name one exact path: no wildcard, no trailing slash, no `!`."""
    return frozenset(
        _plain(glob)
        for glob in globs
        if not glob.startswith("!") and not glob.endswith("/") and not _WILDCARD.search(glob)
    )


def _spec(globs: Iterable[str]) -> GitIgnoreSpec:
    patterns = [_pattern(glob) for glob in globs]
    for glob in patterns:
        if not any(pattern.include for pattern in gitignore_spec([glob]).patterns):
            raise ValueError(f"scope: the pattern {glob!r} matches nothing; escape or remove it")
    return gitignore_spec(patterns)


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


def _ancestors(key: str) -> list[str]:
    parts = key.split("/")
    return ["/".join(parts[:count]) for count in range(1, len(parts))]


def _is_git_name(part: str) -> bool:
    if part[:2] not in (".g", "gi"):
        return False
    name = part.partition(":")[0].rstrip(". ")  # `.git::$INDEX_ALLOCATION` is `.git` on NTFS
    return name in _GIT_NAMES or _SHORT_GIT_NAME.fullmatch(name) is not None


def matched(globs: Iterable[str], paths: Iterable[str]) -> list[str]:
    """Those of `paths` that globs like the scope's select."""
    spec = gitignore_spec(map(_pattern, globs))
    return [path for path in paths if spec.match_file(path.replace("\n", "\0x"))]


def is_hidden_path(path: str, hidden: Collection[str]) -> bool:
    """Whether `path` is one of `hidden`, or lies in a folder that is."""
    return path in hidden or any(folder in hidden for folder in _ancestors(path))
