"""Whatever a proposal names and whatever lies in its place, only files in scope ever change.

Canaries outside the scope lie in the tree, in the checkout and beside it; after each attempt they
are the same bytes. The same list goes through all three kinds of proposers.
"""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from autoresearch_ci.safety import untrusted_files as beneath
from tests.integration.test_agent_cli import Bed, contents
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


AGENT = [
    *(f"echo 1 > {name}" for name in ("tests/test_a.py", "bench.sh", "guard.sh", "program.md")),
    *(
        "echo 1 > uv.lock",
        "mkdir Tests && echo 1 > Tests/x.py",
        "mkdir .GIT && echo 1 > .GIT/config",
    ),
    *("mkdir -p .git/hooks && echo 1 > .git/config", "mkdir src/.git && echo 1 > src/.git/config"),
    *("mkdir -p .github/workflows && echo 1 > .github/workflows/x.yml", "echo 1 > conftest.py"),
    *("echo 1 > sitecustomize.py", "echo 1 > 'src/back\\slash'", "echo 1 > src/x.pth"),
    *('ln -s "$CANARY" src/new', 'ln "$CANARY" src/hard', "ln src/odd src/odder"),
    *('rm src/file; ln -s "$CANARY" src/file', 'rm src/file2; ln "$CANARY" src/file2'),
    *("mkfifo src/pipe", "rm src/file3; mkfifo src/file3", "truncate -s 3G src/huge"),
    *("rm link; echo 1 > link", "rm folder-link; mkdir folder-link; echo 1 > folder-link/canary"),
    *(
        "mkdir -p module; echo 1 > module/x",
        'd=$(seq -s/ 90); mkdir -p $d; ln -s "$CANARY" $d/deep',
    ),
    'rm tests/test_b.py; ln -s "$CANARY" tests/test_b.py',
    "python3 -S -c \"import socket; socket.socket(socket.AF_UNIX).bind('src/socket')\"",
]
HONEST = [
    *(
        "echo 9 > value",
        'echo 1 > "src/$(printf "x%.0s" $(seq 255))"',
        "echo 1 > \"$(printf 'src/\\303\\244')\"",
    ),
    "echo 1 > \"$(printf 'src/\\377\\376')\"",
]
"""Names that git takes as well: the longest, and one that is no text."""


def test_no_agent_escapes(run: Run, land: Repo, tally: Tally, tmp_path: Path) -> None:
    for name in ("src/file2", "src/file3", "src/odd", "tests/test_b.py"):
        land.write(name, "canary\n")
    lines = [*AGENT, *HONEST]
    failed = tmp_path / "failed"
    agent = tmp_path / "agent.sh"
    agent.write_text(
        f"exec 2>/dev/null; CANARY={tmp_path}/canary\n"
        + "".join(f"{{ {line}; }} || echo {n} >> {failed}\n" for n, line in enumerate(lines))
    )
    configure(land, f"proposer: {{command: 'sh {agent}'}}\n")
    before = land.photograph()
    done = run("--iterations", "1", scope=None, metric=None, proposer=None)
    assert done.column("status") == ["baseline", "keep"], done.told
    unmade = failed.read_text().split() if failed.exists() else []
    # What lies outside does not exist in the full view; elsewhere, Landlock may refuse the link.
    away = [n for n in unmade if 'ln "$CANARY"' in lines[int(n)]]
    assert unmade == away, [lines[int(n)] for n in unmade]
    branch = "refs/heads/autoresearch/t"
    changed = land.git("diff", "-z", "--no-renames", "--name-status", "main", branch).split("\0")[
        :-1
    ]
    found = dict(zip(changed[1::2], changed[::2], strict=True))
    honest = {"value": "M", f"src/{'x' * 255}": "A", "src/\u00e4": "A", "src/\udcff\udcfe": "A"}
    if away:  # nothing was put where it was taken away
        honest["src/file2"] = "D"
    # What became a link, a pipe or the like is no edit, nor is what was there deleted by it.
    escaped = [path for path in found if found[path] != honest.get(path)]
    there = (path for path in found if found[path] != "D")
    escaped += [path for path in there if "canary" in land.git("show", f"{branch}:{path}")]
    outside = [tmp_path / "canary", tmp_path / "beside/canary"]
    escaped += [str(path) for path in outside if path.read_text() != "canary\n"]
    tally("scope escapes tried", len(AGENT))
    tally("scope escapes succeeded", len(escaped))
    assert escaped == [], done.told
    assert sorted(found) == sorted(honest), done.told
    assert land.photograph() == before


# --- single holes ---------------------------------------------------------------------------------


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


def test_a_device_in_a_draft_is_neither_opened_nor_an_edit(tmp_path: Path, repo: Repo) -> None:
    repo.write("src/a.py", "one\n")
    repo.commit("source")
    bed = Bed(tmp_path, repo.path)
    bed.draft.reset()
    src = bed.draft.tree / "src"
    (src / "a.py").unlink()
    try:
        for name in ("a.py", "zero"):
            os.mknod(src / name, stat.S_IFCHR | 0o666, os.makedev(1, 5))
    except PermissionError:
        pytest.skip("needs root, to make a device")
    found = bed.draft.collect()
    assert found.edits == ()
    assert sorted(found.refusals) == [
        "src/a.py: not a regular file",
        "src/zero: not a regular file",
    ]
    bed.draft.reset()
    assert (src / "a.py").read_text() == "one\n"
    bed.close()


def test_a_second_name_of_a_file_elsewhere_is_not_read_for_an_agent(
    tmp_path: Path, repo: Repo
) -> None:
    """Who may link it need not be allowed to read it; we may be."""
    repo.write("src/a.py", "one\n")
    repo.commit("source")
    (tmp_path / "secret").write_text("secret\n")
    bed = Bed(tmp_path, repo.path)
    bed.draft.reset()
    for name in ("src/a.py", "src/b.py"):
        (bed.draft.tree / name).unlink(missing_ok=True)
        os.link(tmp_path / "secret", bed.draft.tree / name)
    found = bed.draft.collect()
    assert found.edits == ()
    reasons = {refusal.partition(": ")[2] for refusal in found.refusals}
    assert reasons == {"a file with a second name (hard link)"}
    bed.draft.reset()
    assert (bed.draft.tree / "src/a.py").read_text() == "one\n"
    assert (tmp_path / "secret").read_text() == "secret\n"
    bed.close()


def test_an_agent_reads_nothing_elsewhere_through_a_folder_it_made_a_link(
    tmp_path: Path, repo: Repo
) -> None:
    """A tracked name below a link would bring the content of its namesake into a commit."""
    repo.write("src/a.py", "one\n")
    repo.commit("source")
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "a.py").write_text("secret\n")
    bed = Bed(tmp_path, repo.path)
    found = bed.run(f"rm -rf src; ln -s {secret} src; echo 9 > value")
    assert contents(found) == {"value": b"9\n", "src/a.py": None}
    bed.close()
