"""What of a commit is shown to scanners: read from git as it is, whatever attributes say of it.

No file is left out for what it says of itself (`@generated`, `linguist-generated`, `-diff`) or for
the folder that it lies in. What cannot be looked at is named with the reason.
"""

from __future__ import annotations

import os
import re
import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Protocol

from autoresearch_ci.config.security import Security
from autoresearch_ci.measure.scanners.scanner import ScannedFile, Scanner
from autoresearch_ci.safety.gitignore_globs import gitignore_spec
from autoresearch_ci.safety.untrusted_values import MIB
from autoresearch_ci.workspace.repository import FileVersion

_LINE = 200
_KEPT = 256 * MIB
_HEADER = 64
"""Bytes in which each of these formats has a zero."""
_LFS = b"version https://git-lfs.github.com/spec/"
_MEDIA: Mapping[str, tuple[bytes, ...]] = {
    ".png": (b"\x89PNG\r\n\x1a\n",),
    ".jpg": (b"\xff\xd8\xff",),
    ".jpeg": (b"\xff\xd8\xff",),
    ".gif": (b"GIF87a", b"GIF89a"),
    ".webp": (b"RIFF",),
    ".ico": (b"\0\0\1\0",),
    ".woff": (b"wOFF",),
    ".woff2": (b"wOF2",),
    ".ttf": (b"\0\1\0\0",),
    ".otf": (b"OTTO",),
    ".mp3": (b"ID3", b"\xff\xfb"),
    ".ogg": (b"OggS",),
}
"""How a picture, a font or a sound begins that is what its name says."""
_ALIVE = re.compile(rb"<\?php|<\?=\s*\$|<script|<%@|<svg", re.IGNORECASE)
"""What makes of such a file more than that; long enough not to come about by chance."""


class Contents(Protocol):
    """What holds the files: the repository, or the store of a run."""

    def read(self, version: FileVersion) -> bytes: ...

    def size(self, version: FileVersion) -> int: ...


class Kept:
    """Contents of which each file is read once, as long as there is room; for several threads."""

    def __init__(self, contents: Contents) -> None:
        self._contents, self._lock = contents, threading.Lock()
        self._kept: dict[str, bytes] = {}
        self._room = _KEPT

    def read(self, version: FileVersion) -> bytes:
        with self._lock:
            found = self._kept.get(version.blob)
            if found is None:
                found = self._contents.read(version)
                if len(found) <= self._room:
                    self._kept[version.blob] = found
                    self._room -= len(found)
            return found

    def size(self, version: FileVersion) -> int:
        with self._lock:
            found = self._kept.get(version.blob)
            return self._contents.size(version) if found is None else len(found)


@dataclass(frozen=True, kw_only=True)
class Exhibit:
    """What is shown, and what is not."""

    subjects: tuple[ScannedFile, ...] = ()
    versions: Mapping[str, FileVersion] = field(default_factory=dict)
    """Of each subject."""
    unseen: Mapping[str, str] = field(default_factory=dict)
    """Path to why it cannot be looked at."""
    excluded: tuple[str, ...] = ()
    """Left out by the configuration."""
    media: int = 0
    """Pictures, fonts and sounds, in which nothing runs."""


def gathered(repository: Contents, files: Mapping[str, FileVersion], settings: Security) -> Exhibit:
    """Of these files of a commit."""
    left_out = gitignore_spec(settings.exclude)
    subjects: list[ScannedFile] = []
    versions: dict[str, FileVersion] = {}
    unseen: dict[str, str] = {}
    excluded: list[str] = []
    media = 0
    for path, version in sorted(files.items()):
        if left_out.match_file(path):
            excluded.append(path)
        elif why := _unshown(path, version, repository, settings, len(subjects)):
            unseen[path] = why
        elif isinstance(found := _read(path, repository.read(version)), ScannedFile):
            subjects.append(found)
            versions[path] = version
        elif found:
            unseen[path] = found
        else:
            media += 1
    return Exhibit(
        subjects=tuple(subjects),
        versions=versions,
        unseen=unseen,
        excluded=tuple(excluded),
        media=media,
    )


def _unshown(
    path: str, version: FileVersion, repository: Contents, settings: Security, so_far: int
) -> str:
    """Why a file is not even read; empty: it is."""
    if version.mode == "120000":
        return "a link: what it leads to is not looked at"
    if not version.regular:
        return "a submodule: its commits are not looked at"
    parts = path.split("/")
    if {"", ".", "..", ".git"} & {part.lower() for part in parts}:
        return "a path that git itself refuses"
    size = repository.size(version)
    if size > settings.max_file_kb * 1024:
        return f"{size // 1024} kB, more than security.max_file_kb ({settings.max_file_kb})"
    if so_far >= settings.max_files:
        return f"one of more files than security.max_files ({settings.max_files})"
    return ""


def _read(path: str, content: bytes) -> ScannedFile | str:
    """What is shown; else why not, or nothing for what holds no code."""
    if content.startswith(_LFS):
        return "its content is in Git LFS"
    if b"\0" in content:
        return "" if _is_media(path, content) else "binary"
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return "" if _is_media(path, content) else "not text in UTF-8"
    return ScannedFile(path=path, first_line=text.split("\n", 1)[0][:_LINE])


def _is_media(path: str, content: bytes) -> bool:
    starts = _MEDIA.get(PurePosixPath(path.lower()).suffix, ())
    # No interpreter goes past a zero; `GIF89a=1` and `ID3=1` are how a program may begin.
    begins = content.startswith(starts) and b"\0" in content[:_HEADER] if starts else False
    return begins and not _ALIVE.search(content)


_CODE = re.compile(
    r"\.(?:[cm]?[jt]sx?|vue|svelte|astro|coffee|go|java|kts?|scala|groovy|gradle|clj[cs]?|rb|erb|php|phtml"
    r"|rs|c|cc|cpp|cxx|h|hpp|hxx|m|mm|cs|vb|fsx?|swift|dart|lua|pl|pm|exs?|erl|hs|mli?|r|jl|nim|zig|sol"
    r"|sh|bash|zsh|ksh|fish|awk|ps1|psm1|bat|cmd|sql|tf|hcl|bicep|ipynb|pyx|html?|jinja2?|j2|ejs|hbs"
    r"|jsp|aspx?|cshtml|razor|twig|mako|pth|bzl|mk|cmake|tcl|vbs|el|lisp|scm|rkt|cr|pas|f90)$"
    r"|(?:^|/)(?:(?:Docker|Container)file(?:\.[\w-]+)?|CMakeLists\.txt|wscript|SCons(?:truct|cript))$"
    r"|(?:^|/)(?:Make|Jenkins|Vagrant|Rake|Gem|Pod|Snake|just)file$",
    re.IGNORECASE,
)
_SCRIPT = re.compile(r"#!\s*\S*/(?:env\s+(?:-S\s*)?)?([\w.+-]+)")


def code_nobody_reads(
    subjects: Collection[ScannedFile], scanners: Collection[Scanner]
) -> Mapping[str, int]:
    """How many files of code, by their kinds, none of these takes; most first.

    `scanners`: those that know languages, and not only how a secret looks.
    """
    kinds = Counter(
        kind
        for subject in subjects
        if (kind := _kind_of_code(subject)) and not any(s.takes(subject) for s in scanners)
    )
    return dict(sorted(kinds.items(), key=lambda kind: (-kind[1], kind[0])))


def _kind_of_code(subject: ScannedFile) -> str:
    """What it is called after; empty: it is none."""
    path = PurePosixPath(subject.path)
    if found := _CODE.search(subject.path):
        named = found[0].lstrip("/")
        return path.suffix.lower() if named.startswith(".") else path.name.partition(".")[0]
    script = _SCRIPT.match(subject.first_line)
    return f"#!{script[1]}" if script else ""


def lay_out(
    folder: Path,
    versions: Mapping[str, FileVersion],
    read: Callable[[FileVersion], bytes],
    brings: Mapping[str, str],
) -> dict[str, str]:
    """Write the files into a new folder of ours; returns what this file system cannot hold.

    As plain files that nobody can execute, whatever mode they have.
    """
    folder.mkdir(mode=0o755, parents=True)
    refused = {}
    for path, content in _contents(versions, read, brings):
        place = folder / path
        try:
            place.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            place.write_bytes(content)
        except OSError as error:
            refused[path] = f"cannot be laid out here: {os.strerror(error.errno or 0)}"
    return refused


def _contents(
    versions: Mapping[str, FileVersion],
    read: Callable[[FileVersion], bytes],
    brings: Mapping[str, str],
) -> Iterator[tuple[str, bytes]]:
    for path, version in versions.items():
        if path not in brings:
            yield path, read(version)
    for path, text in brings.items():
        yield path, text.encode()


def steering(paths: Collection[str]) -> frozenset[str]:
    """Those that scanners take as their own configuration."""
    return frozenset(path for path in paths if _steers(path))


def _steers(path: str) -> bool:
    name = path.rpartition("/")[2].lower()
    return name in _CONFIGURATION or (name.startswith(".") and name.endswith(("ignore", "rc")))


_CONFIGURATION = frozenset(
    {
        *(".bandit", "zizmor.yml", "zizmor.yaml", ".secrets.baseline", ".gitleaks.toml"),
        *(".semgrep.yml", ".semgrep.yaml", "osv-scanner.toml", ".npmrc", ".snyk", "trivy.yaml"),
        *(".checkov.yml", ".checkov.yaml", ".tfsec.yml", ".hadolint.yaml", ".hadolint.yml"),
        *(".kics.config", "kics.config", ".gosec.json", "brakeman.ignore", ".brakeman.yml"),
        *(".grype.yaml", "codeql-config.yml", ".trufflehog.yml", "sonar-project.properties"),
    }
)
