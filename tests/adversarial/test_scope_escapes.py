"""Whatever a proposal names and whatever lies in its place, only files in scope ever change.

Canaries outside the scope lie in the tree, in the checkout and beside it; after each attempt they
are the same bytes. The same list goes through all three kinds of proposers.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from autoresearch_ci import beneath
from autoresearch_ci.errors import WorkspaceError
from autoresearch_ci.snapshot import Snapshot
from tests.messages_api import MessagesApi, calls, submit, tool

if TYPE_CHECKING:
    from tests.conftest import Repo, Run, Script

Tally = Callable[[str, int], None]

ESCAPES = [
    *("../canary", "src/../../canary", "a/../../canary", "/etc/canary", "//canary", "./x/../y"),
    *("src//x", "src/./x", ".", "..", "src/", "src\\x", "..\\canary", "nul\0byte"),
    *(".git/config", ".git/hooks/pre-commit", "src/.git/config", ".GIT/config", ".Git/HEAD"),
    *(".git./config", ".git /config", "git~1/config", ".g\u200cit/config", ".git::$DATA/x"),
    *(".gitmodules", ".gitattributes", "src/.gitattributes", ".GITMODULES", "gitmod~1"),
    *(".github/workflows/ci.yml", ".GitHub/workflows/x.yml", ".github/autoresearch.yml"),
    *("autoresearch/run-t/results.tsv", "AUTORESEARCH/x", "program.md", "Program.MD"),
    *("bench.sh", "BENCH.sh", "bench.sh/x", "guard.sh", "uv.lock", "src/uv.lock"),
    *("package-lock.json", "requirements.txt", "pyproject.toml", "Makefile", "conftest.py"),
    *("src/conftest.py", "sitecustomize.py", "src/x.pth", "pytest.ini", "tox.ini", ".envrc"),
    *("link", "link/x", "folder-link/canary", "module", "module/x", "src", "value/below"),
    *("tests/test_a.py", "Tests/test_a.py", "TESTS/new.py", "te\u017fts/x.py", "tests./x.py"),
    *("caf\u00e9/x", "cafe\u0301/x", "CAF\u00c9/x", "x" * 5000, "a/" * 2500 + "x"),
]
"""With `scope: ["**", "!tests/", "!café/"]`."""
LATE = ("link", "link/x", "folder-link/canary", "module", "module/x")
CONFIG = """
scope: ["**", "!tests/", "!caf\u00e9/"]
metric: {command: sh bench.sh}
guards: [sh guard.sh]
program: program.md
iterations: 1000
confirm: never
"""
CANARIES = (
    *("bench.sh", "guard.sh", "program.md", "uv.lock", "tests/test_a.py", "caf\u00e9/x"),
    *(".github/autoresearch.yml", ".git/config"),
)


@pytest.fixture
def land(repo: Repo, tmp_path: Path) -> Repo:
    """A repository with everything that must not change, and links that lead to it."""
    repo.write("bench.sh", "cat value\n")
    repo.write("guard.sh", "true\n")
    for path in ("program.md", "uv.lock", "tests/test_a.py", "caf\u00e9/x", "src/file"):
        repo.write(path, "canary\n")
    for place in (tmp_path, tmp_path / "beside"):
        place.mkdir(exist_ok=True)
        (place / "canary").write_text("canary\n")
    (repo.path / "link").symlink_to("../canary")
    (repo.path / "folder-link").symlink_to("../beside")
    library = type(repo)(tmp_path / "library")
    library.path.mkdir()
    library.git("init", "--quiet")
    library.commit("library")
    repo.git("submodule", "--quiet", "add", str(library.path), "module")
    return repo


def configure(repo: Repo, more: str = "") -> None:
    repo.write(".github/autoresearch.yml", CONFIG + more)
    repo.commit("everything")


def check(land: Repo, before: Any, paths: int, tally: Tally) -> None:
    """Nothing of the user's changed, and nothing but `value` on the branch."""
    outside = [land.path.parent / "canary", land.path.parent / "beside/canary"]
    branch = "refs/heads/autoresearch/t"
    changed = land.git("diff", "--name-only", "main", branch).split() if land.ref(branch) else []
    escaped = [path for path in changed if path != "value"]
    escaped += [str(path) for path in outside if path.read_text() != "canary\n"]
    tally("scope escapes tried", paths)
    tally("scope escapes succeeded", len(escaped))
    assert escaped == []
    assert land.photograph() == before


def test_no_scripted_proposal_escapes(run: Run, script: Script, land: Repo, tally: Tally) -> None:
    configure(land)
    before = land.photograph()
    script(
        *({"description": "escape", "files": {path: "1\n", "value": "9\n"}} for path in ESCAPES),
        *({"description": "delete", "files": {path: None, "value": "9\n"}} for path in CANARIES),
        {"description": "honest", "files": {"value": "9\n"}},
    )
    done = run(scope=None, metric=None)
    refused = ["discard"] * (len(ESCAPES) + len(CANARIES))
    assert done.column("status") == ["baseline", *refused, "keep"], done.told
    check(land, before, len(ESCAPES) + len(CANARIES), tally)


def test_no_tool_call_escapes(
    run: Run, land: Repo, tally: Tally, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(land, "claude: {dialect: native, turns: 400}\nbudget: {iteration_tokens: 9000000}\n")
    before = land.photograph()
    editor = "str_replace_based_edit_tool"
    create = {path: tool(editor, command="create", path=path, file_text="1\n") for path in ESCAPES}
    # A draft knows regular files only; what would replace a link is refused with the proposal.
    late = [create.pop(path) for path in LATE]
    escapes = [
        *create.values(),
        *(tool(editor, command="str_replace", path=p, old_str="c", new_str="x") for p in ESCAPES),
    ]
    honest = tool(editor, command="str_replace", path="value", old_str="10", new_str="9")
    with MessagesApi() as api:
        monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-test")
        monkeypatch.setenv("ANTHROPIC_BASE_URL", api.url)
        api.answer(calls(*escapes, honest), calls(submit("honest")))
        api.answer(*(calls(call, submit("late")) for call in late))
        done = run("--iterations", str(1 + len(LATE)), scope=None, metric=None, proposer="claude")
        turns = [turn for request in api.requests for turn in request["messages"]]
        answers = [turn["content"] for turn in turns if turn["role"] == "user"]
        results = [b for b in max(answers, key=len) if b["type"] == "tool_result"]
    assert [r.get("is_error", False) for r in results] == [*[True] * len(escapes), False]
    assert done.column("status") == ["baseline", "keep", *["discard"] * len(LATE)], done.told
    check(land, before, len(escapes) + len(LATE), tally)


AGENT = r"""
for f in tests/test_a.py bench.sh guard.sh program.md uv.lock; do echo 1 > $f; done
mkdir -p Tests .GIT .git/hooks src/.git .github/workflows; echo 1 > Tests/x.py; echo 1 > .GIT/config
echo 1 > .git/config; echo 1 > src/.git/config; echo 1 > .github/workflows/x.yml
echo 1 > conftest.py
echo 1 > sitecustomize.py; ln -sf "$CANARY" src/new; ln "$CANARY" src/hard 2>/dev/null
rm src/file; ln -s "$CANARY" src/file; mkfifo src/pipe; rm link; echo 1 > link
rm folder-link; mkdir folder-link; echo 1 > folder-link/canary; mkdir -p module; echo 1 > module/x
truncate -s 3G src/huge; printf 1 > "src/$(printf 'x%.0s' $(seq 255))"
d=src; for i in $(seq 40); do d=$d/d; done; mkdir -p $d; ln -s "$CANARY" $d/deep
printf 1 > "$(printf '.git\\')"
echo 9 > value
"""


def test_no_agent_escapes(run: Run, land: Repo, tally: Tally, tmp_path: Path) -> None:
    agent = tmp_path / "agent.sh"
    # A second name of a file outside is not its content's owner: only a copy comes back.
    agent.write_text(f"CANARY={tmp_path}/canary\n{AGENT}\nrm -rf src/x* src/hard\n")
    configure(land, f"proposer: {{command: 'sh {agent}'}}\n")
    before = land.photograph()
    done = run("--iterations", "1", scope=None, metric=None, proposer=None)
    assert done.column("status") == ["baseline", "keep"], done.told
    branch = "refs/heads/autoresearch/t"
    changed = land.git("diff", "--name-status", "main", branch).split("\n")
    assert changed == ["M\tvalue"], done.told
    tally("scope escapes tried", 30)
    tally("scope escapes succeeded", 0)
    assert land.photograph() == before
    assert (tmp_path / "canary").read_text() == "canary\n"


# --- a folder that turns into a link between one step and the next --------------------------------


@contextmanager
def swapping(root: Path, name: str, elsewhere: Path) -> Iterator[Callable[[], int]]:
    """Meanwhile `root/name` is a folder and a link to `elsewhere`, thousands of times in turn."""
    ended, count = threading.Event(), [0]
    at, aside = root / name, root.parent / "aside"
    link = root.parent / "link"
    link.symlink_to(elsewhere)

    def swap() -> None:
        while not ended.is_set():
            try:
                at.rename(aside)
                link.rename(at)
                at.rename(link)
                aside.rename(at)
            except OSError:  # the other side was faster: put everything back
                if at.is_symlink():
                    at.unlink()
                if not link.is_symlink():
                    link.symlink_to(elsewhere)
                aside.mkdir(exist_ok=True)
            count[0] += 1

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        yield lambda: count[0]
    finally:
        ended.set()
        thread.join()


def precious(tmp_path: Path) -> Path:
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "deep").mkdir(parents=True)
    for name in ("file", "new", "deep/file"):
        (elsewhere / name).write_text("precious")
    elsewhere.chmod(0o711)
    return elsewhere


def state(folder: Path) -> dict[str, tuple[int, int, str]]:
    return {
        str(path.relative_to(folder)): (
            path.lstat().st_mode,
            path.lstat().st_mtime_ns,
            path.read_text() if path.is_file() else "",
        )
        for path in (folder, *folder.rglob("*"))
    }


def race(tmp_path: Path, step: Callable[[Path], object], torture: bool, tally: Tally) -> None:
    """Repeat a step while `sub` is swapped; what lies elsewhere stays as it is."""
    elsewhere = precious(tmp_path)
    before = state(elsewhere)
    root = tmp_path / "box" / "tree"
    (root / "sub" / "deep").mkdir(parents=True)
    with swapping(root, "sub", elsewhere) as swaps:
        for _ in range(20_000 if torture else 500):
            try:
                step(root)
            except (OSError, WorkspaceError):
                continue
        while swaps() < 50:
            pass
    escaped = state(elsewhere) != before
    tally("scope escapes tried", 1)
    tally("scope escapes succeeded", int(escaped))
    assert not escaped


def write(root: Path) -> None:
    beneath.write(root, "sub/new", b"spoilt", 0o600)


def remove(root: Path) -> None:
    beneath.remove(root, "sub/file")
    beneath.remove(root, "sub/deep")


def restore(root: Path) -> None:
    snapshot = Snapshot(root)
    snapshot.take()
    (root / "left").write_text("x")
    beneath.write(root, "sub/new2", b"x", 0o600)
    snapshot.undo(lambda _: None)


def modes(root: Path) -> None:
    beneath.make_folder(root, "sub/deep")
    beneath.chmod_folder(root, "sub", 0o777)
    beneath.listing(root, "sub")


def read(root: Path) -> None:
    assert beneath.read(root, "sub/file", 100) != b"precious"


@pytest.mark.parametrize("step", [write, remove, restore, modes, read])
def test_a_folder_swapped_for_a_link_leads_nowhere(
    tmp_path: Path, torture: bool, tally: Tally, step: Callable[[Path], object]
) -> None:
    race(tmp_path, step, torture, tally)


def test_a_second_name_of_a_file_elsewhere_is_never_written_to(tmp_path: Path) -> None:
    (tmp_path / "canary").write_text("canary")
    root = tmp_path / "tree"
    root.mkdir()
    os.link(tmp_path / "canary", root / "file")
    with pytest.raises(FileExistsError):
        beneath.write(root, "file", b"spoilt", 0o600)
    beneath.remove(root, "file")
    beneath.write(root, "file", b"new", 0o600)
    assert (tmp_path / "canary").read_text() == "canary"


def test_what_is_no_file_is_neither_read_nor_copied(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket"))
    for name in ("pipe", "link", "socket"):
        assert beneath.read(tmp_path, name, 1) is None
    for name in ("pipe", "socket"):
        assert not beneath.copy((tmp_path, name), (tmp_path, f"copy of {name}"))


def test_an_agent_reads_nothing_elsewhere_through_a_folder_it_made_a_link(
    tmp_path: Path, repo: Repo
) -> None:
    """A tracked name below a link would bring the content of its namesake into a commit."""
    from tests.integration.test_agent_cli import Bed, contents

    repo.write("src/a.py", "one\n")
    repo.commit("source")
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "a.py").write_text("secret\n")
    bed = Bed(tmp_path, repo.path)
    found = bed.run(f"rm -rf src; ln -s {secret} src; echo 9 > value")
    assert contents(found) == {"value": b"9\n", "src/a.py": None}
    bed.close()
