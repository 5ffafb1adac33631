"""The remote over real smart HTTP: tokens, leases, refusals, lost answers, shallow clones."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from autoresearch_ci.errors import ConfigError
from autoresearch_ci.publish.forge.forge import Address
from autoresearch_ci.publish.forge.forge_refusals import (
    ForgeRefused,
    PublishPlace,
    RefusalKind,
    classify,
    explain,
)
from autoresearch_ci.publish.forge.git_remote import Moved, Remote, Update
from autoresearch_ci.workspace.repository import Repository
from tests.conftest import Repo
from tests.git_http import LARGE, PROTECTED, RULES, SECRET, WORKFLOW, Bare, GitServer
from tests.patience import promptly

BRANCH = "refs/heads/autoresearch/t"
NOTEBOOK = "refs/autoresearch/notebook/t"

Connect = Callable[..., Remote]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[GitServer]:
    with GitServer(root=tmp_path / "server") as server:
        yield server


@pytest.fixture
def bare(server: GitServer, repo: Repo) -> Bare:
    return server.create("owner/name", repo.path)


@pytest.fixture
def sleeps() -> list[float]:
    return []


@pytest.fixture
def connect(server: GitServer, bare: Bare, repo: Repo, sleeps: list[float]) -> Iterator[Connect]:
    opened: list[Remote] = []

    def connect(
        path: Path = repo.path, *, url: str = "", token: str = "", stall: int = 5
    ) -> Remote:
        address = Address(
            url=url or f"{server.url}/owner/name.git",
            place=PublishPlace(repository="owner/name", branch="autoresearch/t"),
        )
        remote = Remote(
            address,
            Repository.open(path),
            token=lambda: token or server.token,
            sleep=sleeps.append,
            stall=stall,
        )
        opened.append(remote)
        return remote

    yield connect
    for remote in opened:
        remote.close()


def updates(commit: str, old: str | None = None, note: str = "") -> list[Update]:
    return [
        Update(ref=BRANCH, new=commit, old=old),
        Update(ref=NOTEBOOK, new=note or commit, old=None),
    ]


def test_branch_and_notebook_arrive_together(connect: Connect, bare: Bare, repo: Repo) -> None:
    kept = repo.commit("kept")
    connect().push(updates(kept))
    assert bare.ref(BRANCH) == bare.ref(NOTEBOOK) == kept


def test_pushing_the_same_again_changes_nothing(connect: Connect, bare: Bare, repo: Repo) -> None:
    kept = repo.commit("kept")
    remote = connect()
    remote.push(updates(kept))
    remote.push(updates(kept))
    assert bare.ref(BRANCH) == kept


def test_when_one_ref_is_refused_neither_moves(connect: Connect, bare: Bare, repo: Repo) -> None:
    (bare.path / "refused-ref").write_text("error: GH006: Protected branch\n")
    with pytest.raises(ForgeRefused) as caught:
        connect().push(updates(repo.commit("kept")))
    assert caught.value.kind is RefusalKind.PROTECTED
    assert bare.refs("refs/heads/autoresearch") == bare.refs("refs/autoresearch") == []


def test_a_persons_commit_on_the_branch_is_never_overwritten(
    connect: Connect, bare: Bare, repo: Repo
) -> None:
    first = repo.commit("first")
    remote = connect()
    remote.push([Update(ref=BRANCH, new=first, old=None)])
    theirs = bare.commit("autoresearch/t")
    with pytest.raises(Moved) as caught:
        remote.push([Update(ref=BRANCH, new=repo.commit("second"), old=first)])
    assert bare.ref(BRANCH) == theirs
    assert caught.value.refs == {BRANCH: theirs}


def test_a_deleted_branch_is_not_brought_back(connect: Connect, bare: Bare, repo: Repo) -> None:
    first = repo.commit("first")
    remote = connect()
    remote.push([Update(ref=BRANCH, new=first, old=None)])
    bare.git("update-ref", "-d", BRANCH)
    with pytest.raises(Moved):
        remote.push([Update(ref=BRANCH, new=repo.commit("second"), old=first)])
    assert bare.ref(BRANCH) == ""


def test_a_rewritten_history_is_refused_before_anything_is_sent(
    connect: Connect, bare: Bare, repo: Repo, server: GitServer
) -> None:
    first = repo.commit("first")
    remote = connect()
    remote.push([Update(ref=BRANCH, new=first, old=None)])
    repo.git("reset", "--hard", "--quiet", "HEAD~1")
    asked = len(server.requests)
    with pytest.raises(Moved):
        remote.push([Update(ref=BRANCH, new=repo.commit("another"), old=first)])
    assert len(server.requests) == asked
    assert bare.ref(BRANCH) == first


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        (PROTECTED, RefusalKind.PROTECTED),
        (RULES, RefusalKind.PROTECTED),
        (WORKFLOW, RefusalKind.WORKFLOWS),
        (LARGE, RefusalKind.TOO_LARGE),
        (SECRET, RefusalKind.SECRET),
        ("pre-receive hook of the company: no Mondays", RefusalKind.OTHER),
        ("This repository was archived so it is read-only.", RefusalKind.ARCHIVED),
    ],
)
def test_a_hooks_refusal_is_recognised_and_quoted(
    connect: Connect, bare: Bare, repo: Repo, said: str, kind: RefusalKind
) -> None:
    bare.refuse(said)
    with pytest.raises(ForgeRefused) as caught:
        connect().push(updates(repo.commit("kept")))
    assert caught.value.kind is kind
    assert caught.value.exit_code == 6
    message = str(caught.value)
    assert said.splitlines()[0].split("`")[0][:40] in message, message
    assert "usually: " in message
    assert "\ndo: " in message


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        (
            "error: RPC failed; HTTP 413 curl 22 The requested URL returned error: 413\n"
            "send-pack: unexpected disconnect while reading sideband packet\n"
            "fatal: the remote end hung up unexpectedly",
            RefusalKind.PUSH_TOO_LARGE,
        ),
        ("<h1>413 Request Entity Too Large</h1> nginx", RefusalKind.PUSH_TOO_LARGE),
        ("fatal: pack exceeds maximum allowed size (2.00 GiB)", RefusalKind.PUSH_TOO_LARGE),
        (" ! [remote rejected] t -> t (shallow update not allowed)", RefusalKind.SHALLOW),
        ("error: RPC failed; HTTP 400 curl 22\nfatal: hung up unexpectedly", RefusalKind.OTHER),
        ("error: RPC failed; HTTP 408 curl 22", RefusalKind.UNREACHABLE),
        ("error: RPC failed; HTTP 502 curl 22", RefusalKind.UNREACHABLE),
        ("error: RPC failed; curl 56 recv failure", RefusalKind.UNREACHABLE),
    ],
)
def test_an_answer_that_will_not_change_is_not_called_an_outage(
    said: str, kind: RefusalKind
) -> None:
    assert classify(said) is kind
    told = str(explain(kind, said, PublishPlace(repository="owner/name")))
    assert ("itself is down" in told) == (kind is RefusalKind.UNREACHABLE)


@pytest.mark.parametrize("name", ["certificate", "GH006", "SSL_ERROR", "GH001", "GH009-rate"])
@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("unable to access '{url}': Could not resolve host: {name}", RefusalKind.UNREACHABLE),
        ("unable to access '{url}': Failed to connect to {name} port 443", RefusalKind.UNREACHABLE),
        ("unable to access '{url}': The requested URL returned error: 403", RefusalKind.FORBIDDEN),
        ("remote: Permission to acme/{name}.git denied to bot.", RefusalKind.FORBIDDEN),
        ("fatal: repository '{url}' not found", RefusalKind.NOT_FOUND),
        ("! [remote rejected] a1 -> {name} (pre-receive hook declined)", RefusalKind.OTHER),
        ("! refs/heads/{name}:refs/heads/{name} [rejected] (fetch first)", RefusalKind.MOVED),
        ("'{url}': SSL certificate problem: unable to get issuer", RefusalKind.CERTIFICATE),
    ],
)
def test_the_name_of_a_repository_or_a_branch_says_nothing(
    said: str, kind: RefusalKind, name: str
) -> None:
    url = f"https://{name}.test:8443/acme/{name}.git/"
    assert classify(said.format(url=url, name=name)) is kind


def test_a_host_that_is_not_found_is_asked_again_whatever_its_name(
    connect: Connect, sleeps: list[float]
) -> None:
    with pytest.raises(ForgeRefused) as caught:
        connect(url="https://certificate.invalid/acme/certificates.git").refs()
    assert caught.value.kind is RefusalKind.UNREACHABLE
    assert len(sleeps) == 2


def test_a_missing_permission_names_the_yaml_to_write(
    connect: Connect, server: GitServer, repo: Repo
) -> None:
    server.forbidden = "remote: Write access to repository not granted."
    with pytest.raises(ForgeRefused) as caught:
        connect().push(updates(repo.commit("kept")))
    assert caught.value.kind is RefusalKind.FORBIDDEN
    assert "permissions: {contents: write, pull-requests: write}" in str(caught.value)


def test_an_expired_token_is_said_to_be_one(connect: Connect, repo: Repo) -> None:
    with pytest.raises(ForgeRefused) as caught:
        connect(token="an-old-token").push(updates(repo.commit("kept")))
    assert caught.value.kind is RefusalKind.CREDENTIALS
    assert "an-old-token" not in str(caught.value)


def test_a_repository_that_is_not_there_is_said_to_be_missing(
    connect: Connect, server: GitServer
) -> None:
    with pytest.raises(ForgeRefused) as caught:
        connect(url=f"{server.url}/owner/other.git").refs()
    assert caught.value.kind is RefusalKind.NOT_FOUND


@pytest.mark.parametrize("fault", ["500", "cut"])
def test_a_server_that_fails_once_is_asked_again(
    connect: Connect, server: GitServer, bare: Bare, repo: Repo, fault: str
) -> None:
    server.faults = [fault]
    kept = repo.commit("kept")
    connect().push(updates(kept))
    assert bare.ref(BRANCH) == kept
    assert not server.faults


@pytest.mark.parametrize("waits", [(), (1.0,)])
def test_a_push_whose_answer_was_lost_counts_as_done(
    connect: Connect, server: GitServer, bare: Bare, repo: Repo, waits: tuple[float, ...]
) -> None:
    server.faults = ["500-after", "500", "500"]
    kept = repo.commit("kept")
    remote = connect()
    remote.waits = waits
    remote.push(updates(kept))
    assert bare.ref(BRANCH) == kept
    assert server.faults == ["500", "500"]  # it was not sent again


def test_a_server_that_stays_broken_is_given_up(
    connect: Connect, server: GitServer, repo: Repo
) -> None:
    server.faults = ["500"] * 9
    with pytest.raises(ForgeRefused) as caught:
        connect().push(updates(repo.commit("kept")))
    assert caught.value.kind is RefusalKind.UNREACHABLE
    assert len(server.faults) == 6  # three tries


def test_a_stalled_push_ends(connect: Connect, server: GitServer, repo: Repo) -> None:
    server.faults = ["stall"]
    remote = connect(stall=1)
    remote.waits = ()
    began = time.monotonic()
    with pytest.raises(ForgeRefused) as caught:
        remote.push(updates(repo.commit("kept")))
    assert caught.value.kind is RefusalKind.UNREACHABLE
    assert time.monotonic() - began < promptly(10)


def test_a_shallow_clone_can_push(
    connect: Connect, server: GitServer, bare: Bare, repo: Repo, tmp_path: Path
) -> None:
    for number in range(3):
        bare.commit("main", f"commit {number}")
    shallow = Repo(tmp_path / "shallow")
    repo.git("clone", "--quiet", "--depth=1", bare.path.as_uri(), str(shallow.path))
    kept = shallow.commit("kept")
    connect(shallow.path).push(updates(kept))
    assert bare.ref(BRANCH) == kept
    assert bare.git("fsck") == ""


def test_a_branch_is_fetched_without_touching_the_users_refs(
    connect: Connect, bare: Bare, repo: Repo
) -> None:
    bare.git("update-ref", BRANCH, "refs/heads/main")
    theirs = bare.commit("autoresearch/t")
    before = repo.photograph()
    remote = connect()
    assert remote.fetch(BRANCH) == theirs
    assert remote.fetch("refs/heads/missing") is None
    assert remote.is_ancestor(repo.ref("HEAD"), theirs)
    assert repo.photograph() == before
    assert repo.git("for-each-ref", "--format=%(refname)") == "refs/heads/main"


def test_files_of_notebooks_are_read_and_forgotten(
    connect: Connect, bare: Bare, repo: Repo
) -> None:
    for name in ("a", "b"):
        bare.git("update-ref", f"refs/heads/{name}", "refs/heads/main")
        commit = bare.commit(name, **{"results.tsv": f"journal {name}\n"})
        bare.git("update-ref", f"refs/autoresearch/notebook/{name}", commit)
    refs = sorted(bare.refs("refs/autoresearch"))
    found = connect().read_tips(refs, ["results.tsv", "missing"])
    assert [found[ref] for ref in refs] == [
        {"results.tsv": b"journal a\n"},
        {"results.tsv": b"journal b\n"},
    ]
    assert repo.git("cat-file", "-e", bare.ref(refs[0]), check=False) == ""
    code = subprocess.run(
        ["git", "cat-file", "-e", bare.ref(refs[0])],
        check=False,
        cwd=repo.path,
        capture_output=True,
    ).returncode
    assert code != 0


def test_the_users_own_credentials_are_neither_used_nor_sent(
    connect: Connect, server: GitServer, bare: Bare, repo: Repo
) -> None:
    repo.git("config", f"http.{server.url}/.extraheader", "AUTHORIZATION: basic c29tZTpvbmU=")
    repo.git("config", f"url.{server.url}/evil/.insteadOf", f"{server.url}/owner/")
    repo.git("config", "credential.helper", "!echo password=theirs")
    kept = repo.commit("kept")
    connect().push(updates(kept))
    assert bare.ref(BRANCH) == kept
    assert set(server.said) == {f"x-access-token:{server.token}"}


def test_no_process_shows_the_token_while_it_pushes(
    connect: Connect, server: GitServer, repo: Repo
) -> None:
    """Arguments and environments of every descendant, looked at while the server stalls."""
    server.faults = ["stall"]
    remote = connect(stall=2)
    remote.waits = ()
    kept = repo.commit("kept")
    seen: list[bytes] = []
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.01):
            seen.extend(_of_descendants(os.getpid()))

    watcher = threading.Thread(target=watch)
    watcher.start()
    with pytest.raises(ForgeRefused):
        remote.push(updates(kept))
    done.set()
    watcher.join()
    assert any(b"git-remote-http" in text for text in seen)
    assert not [text for text in seen if server.token.encode() in text]


def test_no_file_holds_the_token(connect: Connect, server: GitServer, repo: Repo) -> None:
    remote = connect()
    remote.push(updates(repo.commit("kept")))
    files = [path for path in (repo.path / ".git").rglob("*") if path.is_file()]
    assert any(path.name == "askpass" for path in files)
    assert not [path for path in files if server.token.encode() in path.read_bytes()]


def test_another_host_that_asks_for_the_password_gets_none(
    connect: Connect, server: GitServer, bare: Bare, repo: Repo, tmp_path: Path
) -> None:
    with GitServer(root=tmp_path / "other") as other:
        other.create("owner/name", repo.path)
        server.redirect = other.url
        with pytest.raises(ForgeRefused) as caught:
            connect().refs()
        assert caught.value.kind is RefusalKind.CREDENTIALS
        assert other.requests
        assert not other.said


@pytest.mark.parametrize(
    "url", ["http://example.org/owner/name.git", "ssh://git@host/x", "ext::sh -c true", "-oProxy"]
)
def test_a_token_is_only_sent_over_https(connect: Connect, url: str) -> None:
    with pytest.raises(ConfigError):
        connect(url=url).refs()


def test_nothing_is_left_behind(connect: Connect, repo: Repo) -> None:
    remote = connect()
    remote.push(updates(repo.commit("kept")))
    remote.close()
    assert list((repo.path / ".git" / "autoresearch").iterdir()) == []


def _of_descendants(root: int) -> Iterator[bytes]:
    """Arguments and environment of every process below `root`."""
    parents = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            text = (folder / "stat").read_text()
            parents[int(folder.name)] = int(text.rpartition(")")[2].split()[1])
        except OSError:
            continue
    below = {root}
    for _ in range(6):
        below |= {child for child, parent in parents.items() if parent in below}
    for child in below - {root}:
        try:
            folder = Path("/proc") / str(child)
            yield (folder / "cmdline").read_bytes() + (folder / "environ").read_bytes()
        except OSError:
            continue
