"""Builds of the repository's own Maven modules that lie in a local repository.

`mvn -pl app` without `-am`, and Maven called in a module's folder, take the modules that they do
not build from where `mvn install` has put them: code from before the candidate. Hidden, it is
missed aloud. https://maven.apache.org/guides/introduction/introduction-to-repositories.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath

from autoresearch_ci.safety.untrusted_files import file_bytes
from autoresearch_ci.safety.untrusted_values import Unreadable
from autoresearch_ci.workspace.command_text import command_text

_LARGEST = 1 << 20
_CALL = re.compile(r"(?:^|[\s;&|(/])mvnw?\s+(?P<words>[^;&|\n]*)")
_PART = re.compile(r"(?:^|\s)(?:-pl|--projects|-f|--file|-rf|--resume-from)(?:[\s=]|$)")
_ALSO = re.compile(r"(?:^|\s)(?:-am|--also-make)(?:\s|$)")
_ELSEWHERE = re.compile(r"(?:^|[\s;&|(])(?:cd|pushd)\s")
_REPOSITORY = re.compile(r"""-Dmaven\.repo\.local=["']?([^\s"']+)|<localRepository>([^<]+)<""")
_OPTIONS = ("MAVEN_OPTS", "MAVEN_ARGS", "JAVA_TOOL_OPTIONS")
_SETTINGS = (".mvn/maven.config", ".mvn/jvm.config")


def installed_modules(
    root: Path,
    tracked: frozenset[str],
    editable: Iterable[str],
    lines: Sequence[str],
    environment: Mapping[str, str],
) -> list[Path]:
    """Folders of builds from which `lines` would take what a candidate may change.

    `root` has the repository's files; `tracked` are their paths, and those of the folders above.
    """
    poms = [path for path in tracked if PurePosixPath(path).name == "pom.xml"]
    if not poms:
        return []
    text = command_text(lines, tracked, lambda path: _content(root / path))
    if _installs_all(text):
        return []
    own = {str(PurePosixPath(pom).parent) for pom in poms}
    changed = {folder for path in editable if (folder := _module(path, own)) is not None}
    places = dict.fromkeys(_repositories(root, tracked, text, environment))
    return [
        build
        for folder in sorted(changed)
        for place in places
        for build in _builds(place, _content(root / folder / "pom.xml").decode(errors="replace"))
    ]


def _installs_all(text: str) -> bool:
    """Whether a command builds and installs all modules itself, before it uses them."""
    words = [call["words"] for call in _CALL.finditer(text)]
    whole = (w for w in words if _ALSO.search(w) or not _PART.search(w))
    return not _ELSEWHERE.search(text) and any(re.search(r"\binstall\b", w) for w in whole)


def _module(path: str, own: set[str]) -> str | None:
    """The innermost folder with a pom.xml that a file lies in."""
    return next((str(p) for p in PurePosixPath(path).parents if str(p) in own), None)


def _repositories(
    root: Path, tracked: frozenset[str], text: str, environment: Mapping[str, str]
) -> Iterator[Path]:
    home = environment.get("HOME", "")
    yield Path(home, ".m2", "repository")
    settings = [root / path for path in tracked if path.endswith((*_SETTINGS, "settings.xml"))]
    told = [text, *(environment.get(name, "") for name in _OPTIONS)]
    told += [
        _content(p).decode(errors="replace") for p in (*settings, Path(home, ".m2/settings.xml"))
    ]
    for place in (a or b for said in told for a, b in _REPOSITORY.findall(said)):
        place = re.sub(r"^~(?=/)|\$HOME\b|\$\{(env\.)?HOME\}|\$\{user\.home\}", home, place.strip())
        yield root / re.sub(r"\$PWD\b|\$\{PWD\}|\$\(pwd\)", str(root), place)


def _builds(repository: Path, pom: str) -> Iterator[Path]:
    """Those of one module, of the version that it has now; of all where a property says it."""
    parent = re.search(r"<parent>.*?</parent>", pom, re.DOTALL)
    inherited = parent[0] if parent else ""
    own = re.sub(
        r"<!--.*?-->|<(parent|dependencies|build|profiles|\w*[mM]anagement)>.*?</\1>",
        "",
        pom,
        flags=re.DOTALL,
    )
    group, name, version = (
        _said(tag, own) or (_said(tag, inherited) if tag != "artifactId" else "")
        for tag in ("groupId", "artifactId", "version")
    )
    if not group or not name:
        return
    folder = repository / group.replace(".", "/") / name
    if "${" in version:
        found = [path for path in folder.glob("*") if path.is_dir()]
    else:
        found = [folder / version] if version else []
    yield from (path for path in found if any(path.glob("*.jar")))


def _said(tag: str, text: str) -> str:
    found = re.search(rf"<{tag}>\s*([^<]*?)\s*</{tag}>", text)
    return found[1] if found else ""


def _content(path: Path) -> bytes:
    try:
        return file_bytes(path, _LARGEST)
    except (OSError, Unreadable):
        return b""
