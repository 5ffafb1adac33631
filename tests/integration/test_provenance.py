"""What is measured is the candidate, wherever an environment says that its code lies."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.editable import BACKENDS, make_environment

if TYPE_CHECKING:
    from tests.conftest import Repo, Run, Script

LIB = "src/lib0/__init__.py"
NAMED = ("--metric-name", "value")


@pytest.fixture
def library(repo: Repo, script: Script) -> Repo:
    """A package in `src`, and a proposal that makes it better."""
    repo.write(LIB, "VALUE = 10\n")
    repo.write("bench.py", "import lib0\nprint('value:', lib0.VALUE)\n")
    repo.write(".gitignore", ".venv/\nnode_modules/\n")
    repo.commit("a library")
    script({"description": "nine", "files": {LIB: "VALUE = 9\n"}})
    return repo


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("metric", [".venv/bin/python bench.py", ".venv/bin/lib0"])
def test_an_editable_install_in_a_shared_environment_is_the_candidates(
    library: Repo, run: Run, backend: str, metric: str
) -> None:
    """Through the interpreter, and through a console script that names it."""
    make_environment(library.path / ".venv", library.path, backend)
    before = library.photograph()
    done = run(*NAMED, metric=metric, scope=LIB)
    assert done.column("metric") == ["10", "9"], done.told
    assert done.column("status") == ["baseline", "keep"], done.told
    assert library.photograph() == before


def test_an_activated_shared_environment_is_the_copy(library: Repo, run: Run) -> None:
    make_environment(library.path / ".venv", library.path, "poetry")
    activate = library.path / ".venv/bin/activate"
    activate.write_text(f'export VIRTUAL_ENV="{library.path}/.venv" PATH="{activate.parent}:$PATH"')
    done = run(*NAMED, metric=". .venv/bin/activate && python bench.py", scope=LIB)
    assert done.column("status") == ["baseline", "keep"], done.told


def test_what_a_command_does_to_a_rewritten_file_is_undone(library: Repo, run: Run) -> None:
    """It comes back as it was rewritten, not as the checkout has it."""
    make_environment(library.path / ".venv", library.path, "poetry")
    spoil = 'echo > "$(echo .venv/lib/python*/site-packages/lib0.pth)"'
    done = run(*NAMED, metric=f".venv/bin/python bench.py && {spoil}", scope=LIB)
    assert done.column("status") == ["baseline", "keep"], done.told


@pytest.mark.parametrize("absolute", [True, False])
def test_a_linked_package_is_the_candidates(
    library: Repo, run: Run, absolute: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A workspace's relative link, and npm link's way through a folder elsewhere."""
    modules = library.path / "node_modules"
    modules.mkdir()
    target = "../src/lib0"
    if absolute:
        elsewhere = tmp_path_factory.mktemp("global") / "lib0"
        elsewhere.symlink_to(library.path / "src" / "lib0")
        target = str(elsewhere)
    (modules / "lib0").symlink_to(target)
    done = run(*NAMED, metric="sed 's/VALUE =/value:/' node_modules/lib0/__init__.py", scope=LIB)
    assert done.column("status") == ["baseline", "keep"], done.told
