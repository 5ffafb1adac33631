"""A candidate changes what it says and no byte, end of line or mode besides.

With what editors, tools and file systems like to normalise; and what measured code sees is what
git would check out.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.integration.test_agent_cli import Bed

if TYPE_CHECKING:
    from tests.conftest import Repo, Run, Script

BRANCH = "refs/heads/autoresearch/t"
POINTER = (
    "version https://git-lfs.github.com/spec/v1\n"
    f"oid sha256:{'4d7a' * 16}\nsize 12345\n"
)  # fmt: skip
CONTENTS = {
    "utf-16": "one\ntwo\n".encode("utf-16"),
    "utf-16-be, no mark": "one\r\ntwo".encode("utf-16-be"),
    "utf-8 with a mark": b"\xef\xbb\xbfone\ntwo\n",
    "latin-1": "caf\xe9\n".encode("latin-1"),
    "crlf": b"one\r\ntwo\r\n",
    "mixed ends": b"one\r\ntwo\nthree\rfour\n",
    "no final newline": b"one\ntwo",
    "only a newline": b"\n",
    "empty": b"",
    "nul": b"one\0two\n",
    "form feed, blanks": b"one \t\n\f\n\x1a",
    "separators": "one\u2028two\u0085three\n".encode(),
    "lfs pointer": POINTER.encode(),
    "conflict": b"<<<<<<< a\n=======\n>>>>>>> b\n",
    "$Id$": b"$Id: 123 $\n",
}
MODES = (0o644, 0o755, 0o444, 0o600, 0o555)


def path_of(number: int, mode: int) -> str:
    return f"files/{number}-{mode:o}"


@pytest.fixture
def zoo(repo: Repo) -> Repo:
    for number, content in enumerate(CONTENTS.values()):
        for mode in MODES:
            repo.write(path_of(number, mode), content, mode)
    repo.commit("zoo")
    return repo


def tree(repo: Repo, commit: str) -> dict[str, str]:
    """Path to mode and blob."""
    lines = repo.git("ls-tree", "-r", commit).splitlines()
    return {line.partition("\t")[2]: line.partition("\t")[0] for line in lines}


@pytest.fixture(params=[0o022, 0o077, 0o000], ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


@pytest.mark.usefixtures("umask")
def test_every_other_file_is_the_same_bytes_and_mode(
    run: Run, script: Script, zoo: Repo, tmp_path: Path
) -> None:
    """In the commit, and where it is measured: there it is compared with the checkout."""
    new, old, text = touched = [path_of(2, 0o755), path_of(4, 0o444), path_of(3, 0o644)]
    script({"description": "all", "files": {"value": "9\n", new: "a\r\nb", old: "", text: None}})
    but = " ".join(f"-x {Path(path).name}" for path in touched)
    executable = "\n".join(
        sorted(path_of(n, m) for n in range(len(CONTENTS)) for m in (0o555, 0o755))
    )
    (tmp_path / "executable").write_text(f"{executable}\n")
    look = tmp_path / "look.sh"  # what a metric names is frozen, so it does not name them
    look.write_text(
        f"diff -rq {but} {zoo.path}/files files >&2 || echo 77\n"
        "find files -type f -perm -100 | LC_ALL=C sort"
        f" | diff {tmp_path}/executable - >&2 || echo 78\n"
    )
    done = run("--scope", "**", metric=f"sh {look} > out; test -s out && cat out || cat value")
    assert done.column("metric") == ["10", "9"], done.told
    before, after = tree(zoo, "main"), tree(zoo, BRANCH)
    changed = {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)}
    assert changed == {"value", new, old, text}
    assert zoo.show(BRANCH, new) == b"a\r\nb"
    assert zoo.show(BRANCH, old) == b""
    assert [after[path][:6] for path in (new, old)] == ["100755", "100644"]


@pytest.mark.usefixtures("umask")
def test_an_agents_draft_has_every_byte_and_only_its_edits_come_back(
    zoo: Repo, tmp_path: Path
) -> None:
    bed = Bed(tmp_path, zoo.path)
    bed.draft.reset()
    for number, content in enumerate(CONTENTS.values()):
        for mode in MODES:
            path = bed.draft.tree / path_of(number, mode)
            assert path.read_bytes() == content
            assert bool(path.stat().st_mode & 0o100) == bool(mode & 0o100)
    (bed.draft.tree / "value").write_bytes(b"9\r\n")
    for path in (bed.draft.tree / "files").iterdir():
        path.touch()
    found = bed.draft.collect()
    assert [(edit.path, edit.content) for edit in found.edits] == [("value", b"9\r\n")]
    assert found.refusals == ()
    bed.close()


def test_odd_content_that_an_agent_writes_is_committed_and_measured_as_it_is(
    run: Run, repo: Repo, tmp_path: Path
) -> None:
    contents = tmp_path / "contents"
    contents.mkdir()
    for name, content in CONTENTS.items():
        (contents / name).write_bytes(content)
    agent = tmp_path / "agent.yml"
    agent.write_text(
        f"proposer: {{command: 'cp -R {contents} new; echo 9 > value; echo DESCRIPTION: try'}}\n"
        "iterations: 1\n"
    )
    metric = f"if diff -r {contents} new >&2; then echo 9; else echo 10; fi"
    done = run("--config", str(agent), scope="**", proposer=None, metric=metric)
    assert done.column("metric") == ["10", "9"], done.told
    assert {name: repo.show(BRANCH, f"new/{name}") for name in CONTENTS} == CONTENTS


@pytest.mark.parametrize(
    ("attributes", "committed", "seen"),
    [
        ("value text eol=crlf", b"9\n", b"9\r\n"),
        ("value -text", b"9\n", b"9\n"),
        ("value text eol=lf", b"9\n", b"9\n"),
        ("value ident", b"$Id$\n", None),
        ("value working-tree-encoding=UTF-16LE text", b"9\n", "9\n".encode("utf-16-le")),
        ("value filter=lfs diff=lfs merge=lfs -text", POINTER.encode(), POINTER.encode()),
        ("value export-ignore", b"9\n", b"9\n"),
    ],
)
def test_measured_code_sees_what_git_would_check_out(
    run: Run,
    script: Script,
    repo: Repo,
    tmp_path: Path,
    attributes: str,
    committed: bytes,
    seen: bytes | None,
) -> None:
    repo.write(".gitattributes", f"{attributes}\n")
    repo.git("add", ".gitattributes")
    repo.git("commit", "-qm", "attributes")  # `value` stays in the form in which it was committed
    script({"description": "try", "files": {"value": committed.decode()}})
    copy = tmp_path / "copy"
    done = run(
        "--iterations",
        "1",
        metric=f"if head -c 1 value | grep -q 1; then echo 10; else cp value {copy}; echo 9; fi",
    )
    assert done.column("metric") == ["10", "9"], done.told
    assert repo.show(BRANCH, "value") == committed
    if seen is None:  # git itself says what it would be
        repo.git("switch", "-q", "autoresearch/t")
        seen = (repo.path / "value").read_bytes()
    assert copy.read_bytes() == seen
