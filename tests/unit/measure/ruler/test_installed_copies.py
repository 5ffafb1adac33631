"""What is installed from the repository is found, and each of its packages has its place there."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import pytest

from autoresearch_ci.errors import BaselineError
from autoresearch_ci.measure.ruler.absolute_paths import AbsolutePaths
from autoresearch_ci.measure.ruler.built_programs import refuse_built
from autoresearch_ci.measure.ruler.installed_copies import InstalledCopy, installed_copies


def install(site: Path, files: list[str], *, egg: bool = False) -> None:
    """A distribution called `lib0` whose record names `files`."""
    top = site / "lib0-0.1-py3.11.egg" if egg else site
    for file in files:
        path = top / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    info = top / ("EGG-INFO" if egg else "lib0-0.1.dist-info")
    info.mkdir()
    (info / "RECORD").write_text("".join(f"{file},,\n" for file in files))


def found(tmp_path: Path, installed: list[str], tracked: list[str], **how: bool) -> InstalledCopy:
    root, site = tmp_path / "root", tmp_path / "site"
    root.mkdir()
    site.mkdir()
    (root / "setup.py").write_text("setup(\n    name='Lib0', version='1')\n")
    install(site, installed, **how)
    (copy,) = installed_copies(site, root, frozenset([*tracked, "setup.py"]), [root])
    return copy


@pytest.mark.parametrize(
    ("installed", "tracked", "packages"),
    [
        (["lib0/__init__.py"], ["src/lib0/__init__.py"], {"lib0": "src"}),
        (["lib0/__init__.py"], ["lib0/__init__.py", "old/lib0/__init__.py"], {"lib0": "."}),
        (["lib0/__init__.py"], ["packages/a/lib0/__init__.py"], {"lib0": "packages/a"}),
        (["mod.py"], ["mod.py"], {"mod": "."}),
        (
            ["space/lib0/__init__.py", "space/lib0/a.py"],
            ["src/space/lib0/__init__.py", "src/space/lib0/a.py"],
            {"space.lib0": "src/space"},
        ),
        (  # a folder without __init__.py
            ["lib0/a.py", "lib0/b/c.py"],
            ["src/lib0/a.py", "src/lib0/b/c.py"],
            {"lib0.a": "src/lib0", "lib0.b.c": "src/lib0/b"},
        ),
        (  # what has more of its files
            ["lib0/__init__.py", "lib0/a.py"],
            ["x/lib0/__init__.py", "x/lib0/a.py", "y/lib0/__init__.py"],
            {"lib0": "x"},
        ),
    ],
)
def test_each_package_has_its_place(
    tmp_path: Path, installed: list[str], tracked: list[str], packages: dict[str, str]
) -> None:
    assert found(tmp_path, installed, tracked).packages == packages


def test_an_egg_is_a_copy_too(tmp_path: Path) -> None:
    copy = found(tmp_path, ["lib0/__init__.py"], ["src/lib0/__init__.py"], egg=True)
    assert copy.packages == {"lib0": "src"}


def test_what_a_build_has_written_comes_from_the_copy(tmp_path: Path) -> None:
    installed = ["lib0/__init__.py", "lib0/_version.py", "lib0/gen/__init__.py", "_top.py"]
    copy = found(tmp_path, installed, ["src/lib0/__init__.py"])
    site = tmp_path / "site"
    assert copy.extras == {"lib0._version": str(site / "lib0"), "lib0.gen": str(site / "lib0")}
    assert copy.places == ()


@pytest.mark.parametrize(
    ("tracked", "why"),
    [
        (["source/__init__.py"], "no file there is like it"),  # package_dir={"lib0": "source"}
        (["a/lib0/__init__.py", "b/lib0/__init__.py"], "it could be that of a or b"),
    ],
)
def test_a_package_without_a_plain_place_is_refused(
    tmp_path: Path, tracked: list[str], why: str
) -> None:
    with pytest.raises(BaselineError, match=why):
        found(tmp_path, ["lib0/__init__.py"], tracked)


def test_an_editable_install_is_none(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'lib0'\n")
    site = tmp_path / "site"
    site.mkdir()
    install(site, ["__editable___lib0_0_1_finder.py", "_editable_impl_lib0.py"])
    assert list(installed_copies(site, tmp_path, frozenset({"pyproject.toml"}), [])) == []


def test_a_project_among_the_tests_is_not_the_repositorys_own(tmp_path: Path) -> None:
    """Its name may be that of any tool in the environment, which is no copy of anything here."""
    manifest = tmp_path / "tests" / "data" / "pyproject.toml"
    manifest.parent.mkdir(parents=True)
    manifest.write_text("[project]\nname = 'lib0'\n")
    site = tmp_path / "site"
    site.mkdir()
    install(site, ["lib0/__init__.py"])
    assert (
        list(installed_copies(site, tmp_path, frozenset({"tests/data/pyproject.toml"}), [])) == []
    )


def test_a_package_of_a_monorepo_has_its_own_place(tmp_path: Path) -> None:
    tracked = ["packages/a/src/lib0/__init__.py", "packages/b/src/lib1/__init__.py"]
    assert found(tmp_path, ["lib0/__init__.py"], tracked).packages == {"lib0": "packages/a/src"}


def test_tests_that_are_called_like_the_package_are_not_it(tmp_path: Path) -> None:
    tracked = ["src/lib0/__init__.py", "tests/lib0/__init__.py"]
    assert found(tmp_path, ["lib0/__init__.py"], tracked).packages == {"lib0": "src"}


BUILT = {
    "native": ("bench", b"\x7fELF", "src/a.c", "./bench"),
    "an argument": ("target/release/bench", b"\x7fELF", "src/a.rs", "time target/release/bench"),
    "Java": ("app.jar", b"PK", "src/A.java", "java -jar app.jar"),
    "classes": ("target/classes/A.class", b"x", "src/A.kt", "java -cp target/classes A"),
    "a bundle": ("dist/bench.js", b"x", "src/a.ts", "node dist/bench.js"),
    "in a script": ("dist/bench.js", b"x", "src/a.ts", "sh run.sh"),
}


@pytest.mark.parametrize("kind", BUILT)
def test_what_setup_built_and_no_command_builds_again_is_refused(tmp_path: Path, kind: str) -> None:
    path, content, source, command = BUILT[kind]
    for name, text in ((path, content), ("run.sh", b"node ./dist/bench.js\n")):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(text)
    tracked = frozenset({source, "run.sh"})
    paths = AbsolutePaths(tree=tmp_path, checkout=tmp_path / "none", tracked=tracked)

    def refused(measured: str, setup: str = "make all", *, scope: str = source) -> bool:
        words = {"measured": paths.words([measured]), "setup": paths.words([setup])}
        try:
            refuse_built(tmp_path, tracked, [scope], **words, shared=())
        except BaselineError as error:
            return f"a change of {source} would not be measured" in str(error)
        return False

    assert refused(command)
    assert not refused(f"make && {command}")
    for builder in ("npm run -s build", "${CC:-cc} a.c", "x86_64-linux-gnu-gcc-13 a.c"):
        assert not refused(f"{builder} && {command}")
    assert refused(f"cd build; {command}")
    assert refused(f"{command} --label build")
    assert refused(command, "gcc-13 -o bench src/a.c")
    assert not refused(command, "curl -O https://example.org/tool")
    assert not refused(command, scope="notes.md")
    assert not refused(". ./settings.sh")  # the command `.` is no folder of classes


@pytest.mark.parametrize(
    ("target", "content", "refused"),
    [
        ("build/bench", b"\x7fELF", True),
        ("node_modules/tool/bench", b"\x7fELF", False),
        ("run.sh", b"\x7fELF", False),
        ("../bench", b"\x7fELF", False),
        ("build/lint", b"\x7fELF\nmod\texample.org/lint\tv1.2.3\th1:abc=\n", False),
        ("build/lint", b"\x7fELF\nmod\texample.org/ours\t(devel)\t\ndep\ta\tv1\th1:abc=\n", True),
    ],
    ids=["a build", "a dependency", "a file of the commit", "elsewhere", "a module's", "our own"],
)
def test_a_link_is_what_it_leads_to(
    tmp_path: Path, target: str, content: bytes, refused: bool
) -> None:
    root = tmp_path / "tree"
    root.mkdir()
    (root / target).parent.mkdir(parents=True, exist_ok=True)
    (root / target).write_bytes(content)
    (root / "tool").symlink_to(target)
    words = {"measured": ["./tool"], "setup": ["make"], "shared": ()}
    with pytest.raises(BaselineError) if refused else contextlib.nullcontext():
        refuse_built(root, frozenset({"run.sh"}), ["a.c"], **words)


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "tool")
    refuse_built(tmp_path, frozenset(), ["a.c"], measured=["./tool"], setup=["make"], shared=())


def test_a_build_in_a_shared_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "build").mkdir()
    (tmp_path / "build/bench").write_bytes(b"\x7fELF")
    words = {"measured": ["build/bench"], "setup": ["true"]}
    refuse_built(tmp_path, frozenset(), ["a.c"], **words, shared=())
    with pytest.raises(BaselineError, match="build/bench, which was built before the run"):
        refuse_built(tmp_path, frozenset(), ["a.c"], **words, shared=["build"])
