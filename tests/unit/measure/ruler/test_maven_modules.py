from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from autoresearch_ci.measure.ruler.maven_modules import installed_modules

PARENT = (
    "<project><groupId>org.demo</groupId><artifactId>all</artifactId><version>{}</version>"
    "<modules><module>lib</module><module>app</module></modules></project>"
)
MODULE = (
    "<project><parent><groupId>org.demo</groupId><artifactId>all</artifactId>"
    "<version>{}</version></parent><!-- <artifactId>old</artifactId> -->"
    "<dependencies><dependency><artifactId>other</artifactId><version>3</version></dependency>"
    "</dependencies><artifactId>{}</artifactId></project>"
)
BUILD = "org/demo/lib/1-SNAPSHOT"


class World:
    def __init__(self, folder: Path, version: str = "1-SNAPSHOT") -> None:
        self.home, self.root = folder / "home", folder / "tree"
        for path, text in {
            "pom.xml": PARENT.format(version),
            "lib/pom.xml": MODULE.format(version, "lib"),
            "lib/src/Lib.java": "",
            "app/pom.xml": MODULE.format(version, "app"),
            "app/src/App.java": "",
        }.items():
            self.write(self.root / path, text)
        self.install(self.home / ".m2/repository")

    def write(self, path: Path, text: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def install(self, repository: Path) -> None:
        self.write(repository / BUILD / "lib-1-SNAPSHOT.jar", "old")
        self.write(repository / "org/demo/lib/0.9/lib-0.9.jar", "a release")
        self.write(repository / "org/demo/other/1-SNAPSHOT/other.jar", "another's")

    def found(
        self, *lines: str, editable: str = "lib/src/Lib.java", **environment: str
    ) -> list[Path]:
        files = [path for path in self.root.rglob("*") if path.is_file()]
        tracked = frozenset(path.relative_to(self.root).as_posix() for path in files)
        variables: Mapping[str, str] = {"HOME": str(self.home), **environment}
        return installed_modules(self.root, tracked, [editable], lines, variables)


@pytest.mark.parametrize(
    "line",
    [
        "mvn -q -o -pl app test",
        "cd app && mvn -o test",
        "mvn -f app/pom.xml test",
        "mvn -o test",
        "mvn -pl app install",
        "cd app && mvn install",
        "./measure.sh",
    ],
)
def test_the_build_of_a_module_that_may_change_is_found_however_maven_is_called(
    tmp_path: Path, line: str
) -> None:
    world = World(tmp_path)
    assert world.found(line) == [world.home / ".m2/repository" / BUILD]


@pytest.mark.parametrize(
    "line", ["mvn install", "./mvnw -q -pl app -am install && mvn -pl app test"]
)
def test_what_commands_install_anew_is_theirs(tmp_path: Path, line: str) -> None:
    assert World(tmp_path).found(line) == []


def test_what_no_candidate_changes_may_be_used_as_it_is_installed(tmp_path: Path) -> None:
    assert World(tmp_path).found("mvn -pl app test", editable="app/src/App.java") == []


def test_of_a_version_that_a_property_says_every_build_may_be_it(tmp_path: Path) -> None:
    world = World(tmp_path, version="${revision}")
    lib = world.home / ".m2/repository/org/demo/lib"
    assert sorted(world.found("mvn -pl app test")) == [lib / "0.9", lib / "1-SNAPSHOT"]


@pytest.mark.parametrize(
    ("line", "environment", "settings"),
    [
        ("mvn -Dmaven.repo.local={} -pl app test", {}, ""),
        ("mvn -Dmaven.repo.local='{}' -pl app test", {}, ""),
        ("mvn -pl app test", {"MAVEN_OPTS": "-Xmx1g -Dmaven.repo.local={}"}, ""),
        ("mvn -pl app test", {}, "-Dmaven.repo.local={}"),
        ("mvn -s settings.xml test", {}, "<settings><localRepository>{}</localRepository>"),
    ],
)
def test_a_repository_elsewhere_is_looked_into(
    tmp_path: Path, line: str, environment: Mapping[str, str], settings: str
) -> None:
    world, place = World(tmp_path), tmp_path / "cache" / "maven"
    world.install(place)
    name = "settings.xml" if settings.startswith("<") else ".mvn/maven.config"
    world.write(world.root / name, settings.format(place))
    given = {key: value.format(place) for key, value in environment.items()}
    assert place / BUILD in world.found(line.format(place), **given)


def test_without_maven_nothing_is_looked_at(tmp_path: Path) -> None:
    world = World(tmp_path)
    for path in world.root.rglob("pom.xml"):
        path.unlink()
    assert world.found("mvn test") == []


SCRIPTS = {
    "Groovy": {
        "settings.gradle": "include 'lib'",
        "build.gradle": "subprojects { group 'org.demo' }",
    },
    "Kotlin": {"build.gradle.kts": 'allprojects { group = "org.demo" }'},
    "properties": {"gradle.properties": "group=org.demo\n"},
    "artifact": {"one/build.gradle": "group = 'org.demo'\narchivesBaseName = 'lib'\n"},
    "root": {"settings.gradle": "rootProject.name = 'lib'", "build.gradle": "group = 'org.demo'"},
    "sbt": {"build.sbt": 'ThisBuild / organization := "org.demo"\nlazy val lib = project\n'},
}


@pytest.mark.parametrize("kind", SCRIPTS)
def test_what_gradle_or_sbt_published_for_this_machine_is_found(tmp_path: Path, kind: str) -> None:
    world = World(tmp_path)
    for path in world.root.rglob("pom.xml"):
        path.unlink()
    folder = {"artifact": "one", "root": "", "sbt": "lib"}.get(kind, "lib")
    for path, text in SCRIPTS[kind].items():
        world.write(world.root / path, text)
    if folder == "lib":
        world.write(world.root / "lib" / ("build.sbt" if kind == "sbt" else "build.gradle"), "")
    builds = [world.home / ".m2/repository" / BUILD, world.home / ".m2/repository/org/demo/lib/0.9"]
    if kind == "sbt":
        builds = [world.home / ".ivy2/local/org.demo/lib_2.13/1.0"]
        world.write(builds[0] / "jars/lib_2.13.jar", "old")
        builds.append(world.home / ".m2/repository/org/demo/lib_3/1.0")
        world.write(builds[1] / "lib_3.jar", "old")
    changed = f"{folder}/src/Lib.java".removeprefix("/")
    found = world.found("cd app && gradle test", editable=changed)
    assert {*builds} <= {*found}
    assert not [place for place in found if "other" in str(place)]
    again = "sbt publishLocal test" if kind == "sbt" else "./gradlew publishToMavenLocal test"
    assert world.found(again, editable=changed) == []
    if folder == "lib" and kind != "sbt":
        assert world.found("./gradlew :lib:publishToMavenLocal test", editable=changed) == []
        assert world.found("./gradlew :app:publishToMavenLocal test", editable=changed)
