"""What our own rules say of a commit, beside the scanners and without any."""

from __future__ import annotations

from pathlib import Path

import pytest

from autoresearch_ci.config.security import Security
from autoresearch_ci.decide.python_syntax import parsed
from autoresearch_ci.execution.command import Stop
from autoresearch_ci.execution.sandbox.jail import Jail
from autoresearch_ci.measure.scanners.exhibit import gathered
from autoresearch_ci.measure.scanners.run_scanners import Room, Rules, ScanResults, look
from autoresearch_ci.workspace.repository import Repository
from tests.conftest import Repo

WEAK = "import jwt\n\n\ndef {name}(t):\n    return jwt.decode(t, verify=False)\n"


def no_jail(*_: object) -> Jail:
    pytest.fail("nothing is run")


def seen(repo: Repo, place: Path) -> ScanResults:
    repository = Repository.open(repo.path)
    files = repository.files(repo.commit())
    room = Room(folder=place, jail=no_jail, inherit={}, stop=Stop(), redact=str, timeout=1)
    try:
        return look(
            "head",
            gathered(repository, files, Security()),
            scanners={},
            programs={},
            room=room,
            repository=repository,
            rules=Rules(),
            everything=files,
        )
    finally:
        repository.close()


def test_a_file_with_findings_is_parsed_once(repo: Repo, tmp_path: Path) -> None:
    for number in range(7):
        repo.write(f"m{number}.py", WEAK.format(name=f"of_{number}") * 2)
    before = parsed.cache_info().misses
    found = seen(repo, tmp_path).weaknesses
    assert [w.path for w in found] == [f"m{n}.py" for n in range(7) for _ in range(2)]
    assert parsed.cache_info().misses - before == 7


@pytest.mark.parametrize(
    ("first", "hidden"),
    [
        ("# coding: utf-7", "# +AAo-import jwt+AAo-jwt.decode(t, verify=False)"),
        ("#\r# -*- coding: unicode_escape -*-", "# \\nimport jwt\\njwt.decode(t, verify=False)"),
    ],
)
def test_python_that_reads_as_other_code_than_its_text_is_not_looked_at(
    repo: Repo, tmp_path: Path, first: str, hidden: str
) -> None:
    repo.write("a.py", f"{first}\n{hidden}\n")
    repo.write("b.py", b"# coding: latin-1\nname = '\xc3\xa9'\n")
    assert [*seen(repo, tmp_path).unseen] == ["a.py"]


def test_python_that_cannot_be_parsed_is_named_beside_what_can(repo: Repo, tmp_path: Path) -> None:
    repo.write("a.py", WEAK.format(name="a"))
    repo.write("b.py", "import jwt\nprint 'x'\n")
    told = seen(repo, tmp_path)
    assert [w.rule for w in told.weaknesses] == ["python/unverified-token"]
    assert told.unseen == {"b.py": "python: it is no Python of this version"}
