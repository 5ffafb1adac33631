"""Builds of the repository's own JVM modules that lie in a local repository.

`mvn -pl app` without `-am`, and Maven called in a module's folder, take the modules that they do
not build from where `mvn install` has put them: code from before the candidate. What Gradle and sbt
publish for this machine is found the same way. Hidden, it is missed aloud.
https://maven.apache.org/guides/introduction/introduction-to-repositories.html
https://docs.gradle.org/current/userguide/publishing_maven.html#publishing_maven:install
https://www.scala-sbt.org/1.x/docs/Publishing.html#Publishing+locally
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath

from autoresearch_ci.safety.untrusted_files import file_bytes
from autoresearch_ci.safety.untrusted_values import Unreadable
from autoresearch_ci.workspace.command_files import command_text

_LARGEST = 1 << 20
_CALL = re.compile(r"(?:^|[\s;&|(/])mvnw?\s+(?P<words>[^;&|\n]*)")
_PART = re.compile(r"(?:^|\s)(?:-pl|--projects|-f|--file|-rf|--resume-from)(?:[\s=]|$)")
_ALSO = re.compile(r"(?:^|\s)(?:-am|--also-make)(?:\s|$)")
_ELSEWHERE = re.compile(r"(?:^|[\s;&|(])(?:cd|pushd)\s")
_REPOSITORY = re.compile(r"""-Dmaven\.repo\.local=["']?([^\s"']+)|<localRepository>([^<]+)<""")
_OPTIONS = ("MAVEN_OPTS", "MAVEN_ARGS", "JAVA_TOOL_OPTIONS")
_SETTINGS = (".mvn/maven.config", ".mvn/jvm.config")
_SCRIPTS = re.compile(r"(?:^|/)(?:build\.gradle(?:\.kts)?|build\.sbt)$")
_SHARED = re.compile(r"(?:^|/)(?:build|settings|gradle)\.(?:gradle|sbt|properties)(?:\.kts)?$")
_PUBLISHES = re.compile(r"([\w:.-]+[:/])?publish(?:\w*ToMavenLocal|Local|M2)\b")
_SAID = r"""(?m)(?:^|[\s{{(.])(?:{})\s*(?::?=|\.set\()?\s*["']?(\w[\w.-]*)"""
_GROUP = re.compile(_SAID.format(r"group|groupId|organization|rootProject\.name"))
_NAME = re.compile(_SAID.format("name|archivesName|archivesBaseName|artifactId"))
_PLATFORM = re.compile(r"-jvm$|_(?:sjs\d|native\d)?[._]?[23](?:\.\d+)?$")


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
    scripts = [path for path in tracked if _SCRIPTS.search(path)]
    if not poms and not scripts:
        return []
    text = command_text(lines, tracked, lambda path: _content(root / path))
    places = dict.fromkeys(_repositories(root, tracked, text, environment))
    found: list[Path] = []
    if not _installs_all(text):
        for folder in _changed(poms, editable):
            pom = _content(root / folder / "pom.xml").decode(errors="replace")
            found += (build for place in places for build in _builds(place, pom))
    anew = {module.strip(":/").replace(":", "/") for module in _PUBLISHES.findall(text)}
    if scripts and "" not in anew:  # else all modules are published
        shared = _text_of(root, filter(_SHARED.search, tracked))
        places |= {Path(environment.get("HOME", ""), ".ivy2", "local"): None}
        for folder in sorted({*_changed(scripts, editable)} - anew):
            own = _text_of(root, (s for s in scripts if str(PurePosixPath(s).parent) == folder))
            found += (build for place in places for build in _published(place, folder, own, shared))
    return list(dict.fromkeys(found))


def _changed(files: Iterable[str], editable: Iterable[str]) -> list[str]:
    """The folders of modules, which such a file each describes, that a candidate may change."""
    own = {str(PurePosixPath(file).parent) for file in files}
    return sorted({folder for path in editable if (folder := _module(path, own)) is not None})


def _text_of(root: Path, paths: Iterable[str]) -> str:
    return "\n".join(_content(root / path).decode(errors="replace") for path in sorted(paths))


def _published(repository: Path, folder: str, own: str, shared: str) -> Iterator[Path]:
    """Those of a module of Gradle or sbt, of any version: scripts are programs."""
    names = {PurePosixPath(folder).name, *_NAME.findall(shared if folder == "." else own)}
    for group in {*_GROUP.findall(f"{own}\n{shared}")}:
        for place in {group.replace(".", "/"), group}:  # as Maven, and as Ivy lays it out
            for path in repository.glob(f"{place}/*/*"):
                written = any(path.glob("*.[ja]ar")) or any(path.glob("jars/*.jar"))
                if written and _PLATFORM.sub("", path.parent.name) in names:
                    yield path


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
