"""A repair is laid out by the repository's own formatter before it is judged; nothing else is."""

from __future__ import annotations

import pytest

from tests.conftest import Repo
from tests.integration.test_fix import Fix, fix

__all__ = ["fix"]

KEPT = "autoresearch/t"
BROKEN = "def add(a, b):\n    return a - b\n"
RIGHT = "def add(a, b):\n    return a + b\n"
LAID_OUT_BADLY = "def add( a,b ):\n  return a+b\n"


def broken(repo: Repo, check: str = "ruff format --check .", **files: str) -> None:
    """A package with one red test, whose layout is looked at."""
    repo.write("sums.py", BROKEN)
    test = "from sums import add\n\n\ndef test_add():\n    assert add(2, 3) == 5\n"
    repo.write("test_sums.py", test)
    repo.write("pyproject.toml", "[tool.pytest.ini_options]\npythonpath = ['.']\n")
    repo.write("Makefile", f"check:\n\t{check}\n")
    for path, content in files.items():
        repo.write(f"{path}.py", content)
    repo.commit("broken")


def mend(**files: str) -> dict[str, object]:
    return {"description": "mend", "files": {f"{path}.py": text for path, text in files.items()}}


@pytest.mark.parametrize("check", ["ruff format --check .", "ruff check . && ruff format --check"])
def test_a_repair_is_kept_however_it_is_laid_out(repo: Repo, fix: Fix, check: str) -> None:
    broken(repo, check)
    done = fix([mend(sums=LAID_OUT_BADLY)], "--iterations", "1")
    assert done.column("status")[1:] == ["keep"], done.told
    assert repo.git("show", f"{KEPT}:sums.py") == RIGHT.strip()
    assert "laid out as the formatter wants it: sums.py" in done.told, done.told


def test_what_was_laid_out_otherwise_before_is_left_so(repo: Repo, fix: Fix) -> None:
    broken(repo)
    repo.write("sums.py", BROKEN.replace("(a, b)", "( a,b )"))
    repo.commit("laid out by hand")
    done = fix([mend(sums=RIGHT.replace("(a, b)", "( a,b )"))], "--iterations", "1")
    assert done.column("status")[1:] == ["keep"], done.told
    assert "def add( a,b )" in repo.git("show", f"{KEPT}:sums.py")


def test_only_files_that_a_repair_writes_are_laid_out(repo: Repo, fix: Fix) -> None:
    broken(repo, other="x=1\n")
    done = fix([mend(sums=LAID_OUT_BADLY, new="y=2\n")], "--iterations", "1")
    assert done.column("status")[1:] == ["keep"], done.told
    assert repo.git("show", f"{KEPT}:other.py") == "x=1"
    assert repo.git("show", f"{KEPT}:new.py") == "y = 2"


def test_where_nobody_looks_at_the_layout_nothing_is_changed(repo: Repo, fix: Fix) -> None:
    broken(repo, "ruff check .")
    fix([mend(sums=LAID_OUT_BADLY)], "--iterations", "1")
    assert repo.git("show", f"{KEPT}:sums.py") == LAID_OUT_BADLY.strip()


def test_a_repair_that_no_formatter_can_read_is_judged_as_it_is(repo: Repo, fix: Fix) -> None:
    broken(repo)
    done = fix([mend(sums="def add(a, b:\n")], "--iterations", "1")
    assert done.column("status")[1:] == ["discard"], done.told
