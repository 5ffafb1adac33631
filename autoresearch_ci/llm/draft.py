"""A draft: edits in memory on top of one commit, behind one path policy.

Reads come from git's object store and writes go to a dictionary, so no link, race or `..` can lead
anywhere else. Readable is every regular file of the commit but the hidden ones (the holdout's);
writable is what the scope allows. Every refusal is a `DraftError` whose text the model can use.
"""

from __future__ import annotations

import difflib
import time
from collections.abc import Collection, Iterable
from dataclasses import dataclass

import regex

from autoresearch_ci.experiment import FileEdit, Tree
from autoresearch_ci.llm.text_edits import Misfit, diff_groups, inserted, like, lines, replaced
from autoresearch_ci.safety.gitignore_globs import gitignore_spec
from autoresearch_ci.safety.prompt_text import line, quoted
from autoresearch_ci.workspace.scope import Scope, is_hidden_path

MAX_FILE = 1_000_000
"""Bytes that an edited file may have."""
MAX_READ = 16_000_000
"""Bytes of a file that is read; a larger one is data, or there to fill our memory."""
MAX_FILES = 100
"""Files that one draft may change."""
MAX_PATTERN, MAX_STARS = 500, 8
"""Characters of a pattern or expression, and wildcards of a pattern: matching may backtrack."""
MAX_MATCHES = 80
MATCH_LENGTH = 200
"""Characters shown of a matching line."""
GREP_SECONDS = 5.0
"""What one search may take: an expression may backtrack for ever."""


class DraftError(Exception):
    """An operation was refused; the draft is as before."""


class OutOfScope(DraftError):
    """A write outside the scope."""


@dataclass(frozen=True, kw_only=True)
class Size:
    """How large a draft is."""

    files: int
    hunks: int


class Draft:
    """What a proposal would look like so far."""

    def __init__(
        self,
        tree: Tree,
        scope: Scope,
        *,
        start: Iterable[FileEdit] = (),
        hidden: Collection[str] = (),
    ) -> None:
        """`start` are edits of an earlier attempt that this draft continues."""
        self._tree = tree
        self._scope = scope
        self._hidden = hidden
        self._known = frozenset(path for path in tree.all_paths() if not self._is_hidden(path))
        self._overlay: dict[str, bytes | None] = {edit.path: edit.content for edit in start}
        self._started = frozenset(self._overlay)

    # --- reading ---

    def paths(self) -> list[str]:
        """Every readable file as the draft has it, sorted."""
        gone = {path for path, content in self._overlay.items() if content is None}
        return sorted((self._known | self._overlay.keys()) - gone)

    def read(self, path: str) -> bytes:
        """The file's bytes as the draft has them."""
        name = self._named(path)
        size = self._size(name)
        if size is not None and size > MAX_READ:
            raise DraftError(f"{quoted(name)}: {size} bytes, at most {MAX_READ} can be read")
        data = self._content(name)
        if data is None:
            raise DraftError(f"{quoted(name)}: no such file{self._guess(name)}")
        return data

    def text(self, path: str) -> str:
        """The file as text; one that is not UTF-8 is refused."""
        try:
            return self.read(path).decode()
        except UnicodeDecodeError as error:
            raise DraftError(f"{quoted(path)}: not a text file (not UTF-8)") from error

    def glob(self, pattern: str) -> list[str]:
        """Readable files that match a gitignore-style pattern (`*.py`, `src/**`, `docs/`)."""
        if len(pattern) > MAX_PATTERN or pattern.count("*") > MAX_STARS:
            raise DraftError("the pattern is too long or has too many stars; use a simpler one")
        try:
            spec = gitignore_spec([pattern.removeprefix("./") or "**"])
        except ValueError as error:
            raise DraftError(f"bad pattern: {error}") from error
        return [path for path in self.paths() if spec.match_file(path)]

    def folder(self, path: str) -> list[str] | None:
        """Files below a folder, `""` being the root; `None` when there is no such folder."""
        name = path.removeprefix("./").strip("/")
        if name in ("", "."):
            return self.paths()
        return [known for known in self.paths() if known.startswith(f"{name}/")] or None

    def grep(
        self,
        pattern: str,
        *,
        glob: str = "**",
        ignore_case: bool = False,
        seconds: float = GREP_SECONDS,
    ) -> list[str]:
        """`path:line: text` for each match, `MAX_MATCHES` at most."""
        if len(pattern) > MAX_PATTERN:
            raise DraftError("the expression is too long; use a simpler one")
        try:
            expression = regex.compile(pattern, regex.IGNORECASE if ignore_case else 0)
        except (regex.error, OverflowError, RecursionError) as error:
            raise DraftError(f"bad regular expression: {error}") from error
        found: list[str] = []
        deadline = time.monotonic() + seconds
        for path in self.glob(glob):
            for number, text in enumerate(self._searched(path), 1):
                left = deadline - time.monotonic()
                try:
                    hit = left > 0 and expression.search(text, timeout=left)
                except TimeoutError:
                    left = 0
                if left <= 0:
                    return [*found, "(stopped: too slow; narrow the glob or the expression)"]
                if hit:
                    found.append(f"{quoted(path)}:{number}: {line(text, MATCH_LENGTH)}")
                if len(found) == MAX_MATCHES:
                    return [*found, f"(only the first {MAX_MATCHES} matches are shown)"]
        return found

    def _searched(self, path: str) -> list[str]:
        """Lines of a file that a search looks at: none of what is large or no text."""
        if (self._size(path) or 0) > MAX_FILE:
            return []
        data = self._content(path)
        if data is None or b"\0" in data[:8000]:
            return []
        return data.decode(errors="replace").split("\n")

    # --- writing ---

    def write(self, path: str, text: str) -> None:
        """Give a file, new or not, this content."""
        name = self._writable(path)
        if self._size(name) is None:
            self._check_place(name)
        else:
            text = like(self.read(name).decode(errors="replace"), text)
        self._put_text(name, text)

    def replace(self, path: str, old: str, new: str) -> None:
        """Replace text that occurs exactly once."""
        name = self._writable(path)
        try:
            self._put_text(name, replaced(self.text(name), old, new))
        except Misfit as error:
            raise DraftError(f"{quoted(name)}: {error}") from error

    def insert(self, path: str, after: int, new: str) -> None:
        """Insert lines after line number `after`; 0 is before the first."""
        name = self._writable(path)
        try:
            self._put_text(name, inserted(self.text(name), after, new))
        except Misfit as error:
            raise DraftError(f"{quoted(name)}: {error}") from error

    def delete(self, path: str) -> None:
        """Remove a file."""
        name = self._writable(path)
        self.read(name)
        self._put(name, None)

    def revert(self, path: str) -> None:
        """Take back every edit of this draft to one file."""
        name = self._named(path)
        if name not in self._overlay:
            raise DraftError(f"{quoted(name)}: not changed by this draft")
        del self._overlay[name]

    # --- the result ---

    def edits(self) -> tuple[FileEdit, ...]:
        """What turns the incumbent into the draft.

        Files that the earlier attempt changed and this draft does not are given with the
        incumbent's content: whoever lays these edits over that attempt must undo them.
        """
        contents = {path: self._original(path) for path in self._started}
        contents.update(self._overlay)
        return tuple(
            FileEdit(path=path, content=content)
            for path, content in sorted(contents.items())
            if path in self._started or content != self._original(path)
        )

    def changed(self) -> list[str]:
        """Files that differ from the incumbent, sorted."""
        return sorted(p for p, data in self._overlay.items() if data != self._original(p))

    def size(self) -> Size:
        """How much the draft changes."""
        hunks, changed = 0, self.changed()
        for path in changed:
            before, after = (
                lines((data or b"").decode("latin-1"))
                for data in (self._original(path), self._overlay[path])
            )
            hunks += len(list(diff_groups(before, after)))
        return Size(files=len(changed), hunks=hunks)

    # --- the path policy ---

    def _named(self, path: str) -> str:
        """The path as the repository spells it; refused when it is not a plain relative one."""
        if path.startswith(("/", "~")) or "\\" in path or "\0" in path:
            raise DraftError(
                f"{quoted(path)}: paths are relative to the repository's root, for example src/a.py"
            )
        name = path.removeprefix("./")
        if not {"", ".", ".."}.isdisjoint(name.split("/")):
            raise DraftError(f"{quoted(path)}: not a plain relative path to a file")
        return name

    def _writable(self, path: str) -> str:
        name = self._named(path)
        refusal = self._scope.refusal(name)
        if refusal is None and self._is_hidden(name):
            refusal = f"out-of-scope: {name} (hidden)"
        if refusal:
            raise OutOfScope(f"refused, {quoted(refusal)}; only files in scope can be changed")
        return name

    def _is_hidden(self, path: str) -> bool:
        return is_hidden_path(path, self._hidden)

    def _content(self, name: str) -> bytes | None:
        return self._overlay[name] if name in self._overlay else self._original(name)

    def _size(self, name: str) -> int | None:
        if name in self._overlay:
            content = self._overlay[name]
            return None if content is None else len(content)
        if self._is_hidden(name):
            return None
        try:
            return self._tree.size(name)
        except KeyError:
            return None

    def _original(self, name: str) -> bytes | None:
        if self._is_hidden(name):
            return None
        try:
            return self._tree.read(name)
        except KeyError:
            return None

    def _check_place(self, name: str) -> None:
        """A new file must not replace a folder, nor lie below a file."""
        if self.folder(name):
            raise DraftError(f"{quoted(name)}: is a folder")
        parts = name.split("/")
        for end in range(1, len(parts)):
            parent = "/".join(parts[:end])
            if self._size(parent) is not None:
                raise DraftError(f"{quoted(name)}: {quoted(parent)} is a file, not a folder")

    def _put_text(self, name: str, text: str) -> None:
        try:
            self._put(name, text.encode())
        except UnicodeEncodeError as error:
            raise DraftError("the new text holds a lone surrogate, which no file can") from error

    def _put(self, name: str, content: bytes | None) -> None:
        if content is not None and len(content) > MAX_FILE:
            raise DraftError(f"{quoted(name)}: {len(content)} bytes, at most {MAX_FILE} may be")
        if name not in self._overlay and len(self._overlay) >= MAX_FILES:
            raise DraftError(f"one change may touch {MAX_FILES} files at most")
        self._overlay[name] = content

    def _guess(self, name: str) -> str:
        near = difflib.get_close_matches(name, self.paths()[:2000], n=1)
        return f", did you mean {quoted(near[0])}?" if near else ""
