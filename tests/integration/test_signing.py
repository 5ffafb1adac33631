"""Commits for rules that want signatures: by git, with a key that measured code cannot reach."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from autoresearch_ci.cli.main import run_cli
from autoresearch_ci.cli.make_sandbox import refuse_signers
from autoresearch_ci.errors import ConfigError
from tests.conftest import Repo, Run, Script
from tests.integration.test_publish_run import World, go, value, world

__all__ = ["world"]

SIGN = ("--set", "publish.commit.sign=true")
BLIND = '[ -z "$SSH_AUTH_SOCK$GNUPGHOME" ] || exit 9; cat value'
"""A metric that fails where it could ask an agent for a signature."""


def needs(program: str) -> None:
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")


def call(*argv: str | Path) -> str:
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def keys() -> Iterator[Path]:
    """A folder outside of all that a run shows, with a path short enough for a socket's."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        yield Path(folder)


@pytest.fixture
def ssh_key(keys: Path) -> Path:
    needs("ssh-keygen")
    path = keys / "id"
    call("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "a key", "-f", path)
    return path


def verdicts(repo: Repo, span: str, key: Path) -> str:
    """What git says of the signatures of a range: `G` is good, `N` is none; a letter per commit."""
    signers = key.with_name("signers")
    signers.write_text(f"* {key.with_suffix('.pub').read_text()}")
    words = ("-c", f"gpg.ssh.allowedSignersFile={signers}", "log", "--format=%G?", span, "--")
    return repo.git(*words).replace("\n", "")


def test_all_that_reaches_the_branch_is_signed(world: World, ssh_key: Path) -> None:
    """Also the merge with which a night begins whose base has moved."""
    repo = world.repo
    repo.git("config", "gpg.format", "ssh")
    repo.git("config", "user.signingKey", str(ssh_key))
    flags = ("--publish-branch", "autoresearch/n", *SIGN)
    done = go(world, 9, 8, flags=flags)
    assert done.code == 0, done.told
    world.bare.commit("main", other="news\n")
    repo.git("fetch", "--quiet", str(world.bare.path), "main")
    repo.git("reset", "--quiet", "--hard", "FETCH_HEAD")
    done = go(world, 7, flags=flags, tag="u")
    assert done.code == 0, done.told
    repo.git("fetch", "--quiet", str(world.bare.path), "autoresearch/n:refs/pushed")
    subjects = repo.git("log", "--format=%s", "main..refs/pushed").splitlines()
    assert len(subjects) == 4
    assert any(subject.startswith("merge: ") for subject in subjects), subjects
    assert verdicts(repo, "main..refs/pushed", ssh_key) == "GGGG"


def test_an_agent_signs_and_measured_code_cannot_ask_it(
    run: Run, script: Script, repo: Repo, ssh_key: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needs("ssh-agent")
    agent = ssh_key.with_name("agent")
    told = call("ssh-agent", "-s", "-a", agent)
    monkeypatch.setenv("SSH_AUTH_SOCK", str(agent))
    try:
        call("ssh-add", "-q", ssh_key)
        ssh_key.unlink()
        literal = ssh_key.with_suffix(".pub").read_text().strip()
        script(value(9))
        done = run("--set", f"publish.commit.sign='key::{literal}'", metric=BLIND)
    finally:
        pid = told.partition("SSH_AGENT_PID=")[2].partition(";")[0]
        os.kill(int(pid), signal.SIGTERM)
    assert done.column("status") == ["baseline", "keep"], done.told
    assert verdicts(repo, "main..autoresearch/t", ssh_key) == "G"


def test_measured_code_cannot_read_the_key(
    run: Run, script: Script, ssh_key: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even as the user to whom it belongs, and wherever it lies."""
    script(value(9))
    reads = f"cat {ssh_key} && exit 9; ls {ssh_key.with_name('home')} && exit 9; cat value"
    sign = ("--set", f"publish.commit.sign={ssh_key}.pub", "--set", "sandbox.user=keep")
    ssh_key.with_name("home").mkdir()
    monkeypatch.setenv("GNUPGHOME", str(ssh_key.with_name("home")))
    done = run(*sign, metric=reads)
    assert done.column("status") == ["baseline", "keep"], done.told


@pytest.mark.parametrize("refused", [True, False])
def test_an_agent_that_measured_code_could_ask_is_refused(keys: Path, refused: bool) -> None:
    with socket.socket(socket.AF_UNIX) as agent:
        agent.bind(str(keys / "agent"))
        place = os.path.realpath(keys / "agent")
        jail: Any = SimpleNamespace(reached=[place] if refused else [])
        refuse_signers(jail, [str(keys / "id")])
        both = [str(keys / "id"), str(keys / "agent")]
        expected = pytest.raises(ConfigError, match="for a signature") if refused else nullcontext()
        with expected:
            refuse_signers(jail, both)


def test_a_gpg_key_is_named_by_its_address(
    run: Run, script: Script, repo: Repo, keys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needs("gpg")
    monkeypatch.setenv("GNUPGHOME", str(keys))
    unattended = ("--batch", "--quiet", "--pinentry-mode", "loopback", "--passphrase", "")
    call("gpg", *unattended, "--quick-gen-key", "Bot <bot@example.org>", "ed25519", "sign", "1d")
    script(value(9))
    # Without a key's name it is the author's.
    author = ("--set", "publish.commit.author=Bot <bot@example.org>")
    try:
        named = run("--set", "publish.commit.sign=bot@example.org", metric=BLIND)
        found = run(*SIGN, *author, tag="u", metric=BLIND)
        log = ("git", "-C", repo.path, "log", "--no-walk", "--format=%G?")
        shown = call(*log, "autoresearch/t", "autoresearch/u")
    finally:
        call("gpgconf", "--kill", "all")
    assert named.column("status") == found.column("status") == ["baseline", "keep"], found.told
    assert shown.split() == ["G", "G"]


@pytest.mark.parametrize(
    ("sign", "mode", "why"),
    [
        ("/no/such/key", "local", "git cannot sign a commit (ssh)"),
        ("nobody@example.org", "local", "git cannot sign a commit (openpgp)"),
        ("true", "bundle", "the job that measures should hold no key"),
        ("'-x'", "local", "is not a key"),
    ],
)
def test_what_cannot_be_signed_is_refused_before_anything_is_measured(
    run: Run,
    script: Script,
    repo: Repo,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    sign: str,
    mode: str,
    why: str,
) -> None:
    script(value(9))
    done = run("--set", f"publish.commit.sign={sign}", "--publish", mode)
    assert (done.code, done.rows) == (2, []), done.told
    assert why in done.err
    assert not (repo.path / ".git" / "autoresearch").exists()
    monkeypatch.chdir(repo.path)
    words = ["doctor", "--quick", "--scope", "value", "--metric", "cat value", "--publish", mode]
    assert run_cli([*words, "--set", f"publish.commit.sign={sign}"]) == 2
    assert why in " ".join(capsys.readouterr().out.split())


def test_a_key_that_is_lost_on_the_way_stops_the_run_and_leaves_nothing_unsigned(
    run: Run, script: Script, repo: Repo, ssh_key: Path
) -> None:
    script(value(9))
    signed = ("--set", f"publish.commit.sign={ssh_key}")
    # What a person, or another program, does to it while the run goes on.
    program = ssh_key.with_name("ssh-keygen")
    program.write_text(
        f"#!/bin/sh\necho >> {program}.calls\n"
        f'[ $(wc -l < {program}.calls) = 2 ] && exit 1\nexec {shutil.which("ssh-keygen")} "$@"\n'
    )
    program.chmod(0o755)
    repo.git("config", "gpg.ssh.program", str(program))
    done = run(*signed)
    assert done.code == 3, done.told
    assert "fail" in done.err
    assert repo.ref("autoresearch/t") == ""
    done = run("--resume", *signed)
    assert done.column("status") == ["baseline", "keep"], done.told
    assert verdicts(repo, "main..autoresearch/t", ssh_key) == "G"
