"""Which folders are shown as toolchains: installations as a whole, and never a home."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from autoresearch_ci.execution.sandbox.toolchains import Toolchains

Make = Callable[[str], Path]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "home" / "person"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def program(home: Path) -> Make:
    def make(path: str) -> Path:
        target = home / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text("#!/bin/sh\n")
        target.chmod(0o755)
        return target

    return make


def found(home: Path, *path: Path | str, **variables: str) -> set[str]:
    environment = {"PATH": ":".join(map(str, path)), **variables}
    tools = Toolchains(home=home, apart=(str(home / "checkout"),))
    return set(tools.found(environment, []))


def test_an_installation_is_shown_as_a_whole(home: Path, program: Make) -> None:
    tool = program(".pyenv/versions/3.12/bin/python")
    (tool.parents[1] / "lib").mkdir()
    assert found(home, tool.parent) == {str(tool.parents[1])}


@pytest.mark.parametrize("mixed", [".local", ".cargo", "go", ".docker", ""])
def test_what_lies_beside_programs_of_a_home_is_not(home: Path, program: Make, mixed: str) -> None:
    tool = program(f"{mixed}/bin/tool".lstrip("/"))
    for name in ("lib", "share", "pkg"):
        (home / mixed / name).mkdir()
    assert found(home, tool.parent) == {str(home / mixed / "bin")}


def test_where_links_lead_is_shown_with_what_is_installed_there(home: Path, program: Make) -> None:
    """As pipx, uv and npm install programs."""
    tool = program(".local/share/pipx/venvs/black/bin/black")
    base = program("pythons/3.12/bin/python3")
    (base.parents[1] / "lib").mkdir()
    (tool.parents[1] / "pyvenv.cfg").write_text(f"home = {base.parent}\nversion = 3.12\n")
    (home / ".local" / "bin").mkdir(parents=True)
    (home / ".local" / "bin" / "black").symlink_to(tool)
    expected = {home / ".local" / "bin", tool.parents[1], base.parents[1]}
    assert found(home, home / ".local" / "bin") == set(map(str, expected))


def test_a_package_of_node_is_shown_with_those_that_it_uses(home: Path, program: Make) -> None:
    tool = program("tools/node_modules/pnpm/bin/pnpm.cjs")
    links = tool.parents[2] / ".bin"
    links.mkdir()
    (links / "pnpm").symlink_to(tool)
    assert found(home, links) == {str(links.parent)}
    own = program("checkout/node_modules/tool/bin/tool").parent
    assert found(home, own) == {str(own)}


@pytest.mark.parametrize("wide", ["", "..", "../..", "checkout", "nowhere"])
def test_no_home_no_checkout_and_nothing_above_is_a_toolchain(home: Path, wide: str) -> None:
    (home / "checkout").mkdir()
    place = os.path.normpath(home / wide)
    assert found(home, place, DATA=place, JAVA_HOME=place) == set()


@pytest.mark.parametrize(
    "place", ["/", "/usr", "/etc", "/home", "/opt", "/var", "/tmp", "/run", "/dev/shm"]
)
def test_no_folder_of_the_whole_machine_is(home: Path, place: str) -> None:
    assert place not in found(home, place, DATA=place), "links in it may lead to programs"


@pytest.mark.skipif(not os.access("/dev/shm", os.W_OK), reason="no shared memory")
def test_an_installation_in_shared_memory_is_shown_and_no_other_devices(home: Path) -> None:
    with tempfile.TemporaryDirectory(dir="/dev/shm") as name:
        Path(name, "env/bin").mkdir(parents=True)
        Path(name, "env/pyvenv.cfg").touch()
        assert found(home, f"{name}/env/bin", DATA="/dev/pts") == {f"{name}/env"}


def test_what_a_variable_names_is_shown_and_what_it_leads_to(home: Path, program: Make) -> None:
    real = program("disk/data/file").parent
    (home / "data").symlink_to(real)
    names = found(home, ".", "relative/bin", DATA=str(home / "data"), LIST=f"x:{real}/file")
    assert names == {str(home / "data"), str(real), f"{real}/file"}


def test_its_home_is_never_taken_from_the_environment(home: Path) -> None:
    (home / "other").mkdir()
    assert found(home, HOME=str(home / "other"), TMPDIR=str(home / "other")) == set()


def test_an_environment_of_the_checkouts_is_shown_but_not_the_checkout(
    home: Path, program: Make
) -> None:
    tool = program("checkout/.venv/bin/python")
    (tool.parents[1] / "pyvenv.cfg").write_text("home = /usr/bin\n")
    assert str(home / "checkout" / ".venv") in found(home, tool.parent)
    assert str(home / "checkout") not in found(home, tool.parent)
