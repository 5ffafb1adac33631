"""Secrets that measured code, a model, an agent and our own output try to carry away.

Each test plants canaries and afterwards looks for them, in any form, wherever a run leaves bytes.
"""

from __future__ import annotations

import base64
import dataclasses
import fcntl
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from autoresearch_ci.cli.main import run_cli
from autoresearch_ci.config.proposers import Claude
from autoresearch_ci.errors import ProposerError
from autoresearch_ci.llm.messages_api import MessagesService
from autoresearch_ci.safety.redaction import Redactor
from autoresearch_ci.safety.restart_without_secrets import MARKER
from tests.canary import sightings
from tests.messages_api import MessagesApi, calls, submit, tool
from tests.tokens import EXAMPLES, secrets_of

if TYPE_CHECKING:
    from tests.conftest import Repo, Result, Run, Script

Tally = Callable[[str, int], None]
EDITOR = "str_replace_based_edit_tool"
PROGRAM = [sys.executable, "-m", "autoresearch_ci"]


def fresh(prefix: str = "") -> str:
    return f"{prefix}cAnArY{secrets.token_hex(20)}"


@pytest.fixture
def canary() -> str:
    return fresh()


@pytest.fixture
def nothing_leaked(repo: Repo, run: Run, tally: Tally) -> Callable[..., None]:
    """Asserts that none of the canaries is in the repository, the run's folders or `texts`."""

    def check(canaries: list[str], *texts: str | bytes) -> None:
        roots = [repo.path, run.temporary]
        bare = [canary[canary.index("cAnArY") :] for canary in canaries]
        found = sightings(bare, roots=roots, texts=texts)
        tally("canary sightings", len(found))
        assert found == []

    return check


BEGIN = "from autoresearch_ci.safety.restart_without_secrets import withhold\ne = withhold()\n"
"""How every program of ours starts."""


def probed(code: str, *, cwd: Path, under: tuple[str, ...] = (), **more: Any) -> Any:
    """What a program that begins as ours does prints as JSON."""
    begin = f"import json, os, sys\n{BEGIN}"
    argv = [*under, sys.executable, "-c", f"{begin}print(json.dumps({code}))", "first", "second"]
    done = subprocess.run(
        argv, cwd=cwd, check=False, capture_output=True, text=True, timeout=30, **more
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


# --- what others can find in /proc ----------------------------------------------------------------

HUNT = r"""
import os, re
pattern = re.compile(b"cAn" + b"ArY[0-9a-f]{30}")
def ancestors():
    # Up to the process under test, and no further.
    pid = os.getpid()
    while pid > 1:
        yield pid
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            if b"\0autoresearch_ci\0run\0" in file.read():
                return
        with open(f"/proc/{pid}/stat") as file:
            pid = int(file.read().rpartition(")")[2].split()[1])
def memory(pid):
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as mem:
        for line in maps:
            span, rights = line.split()[:2]
            start, end = (int(x, 16) for x in span.split("-"))
            if "w" in rights and end - start < 1 << 28:
                try:
                    mem.seek(start)
                    yield mem.read(end - start)
                except (OSError, ValueError, OverflowError):
                    pass
found, read, pids = [], 0, list(ancestors())
for pid in pids:
    for name in ("environ", "cmdline"):
        try:
            with open(f"/proc/{pid}/{name}", "rb") as file:
                read += 1
                found += [f"{name} of {pid}"] if pattern.search(file.read()) else []
        except OSError:
            pass
    try:
        found += [f"memory of {pid}" for part in memory(pid) if pattern.search(part)]
    except OSError:
        pass
    try:
        for number in os.listdir(f"/proc/{pid}/fd"):
            if "memfd" in os.readlink(f"/proc/{pid}/fd/{number}"):
                found.append(f"descriptor of {pid}")
    except OSError:
        pass
print("hunted:", len(pids), "read:", read, "found:", ", ".join(found) or "nothing")
print("score: 1")
"""
WITHOUT_ROOT = (
    *("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"),
    # Only so that it may look into root's folders, where this interpreter may be installed.
    *("--inh-caps", "+dac_read_search", "--ambient-caps", "+dac_read_search"),
)


@pytest.fixture(params=["as we are", "another user"])
def under(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, ...]:
    """A command line to put in front."""
    if request.param == "as we are":
        return ()
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    if subprocess.run([*WITHOUT_ROOT, "true"], check=False, capture_output=True).returncode:
        pytest.skip("setpriv cannot become another user here")
    return WITHOUT_ROOT


@pytest.fixture
def open_run(run: Run, repo: Repo, under: tuple[str, ...]) -> Iterator[Run]:
    """`run` where the other user may go, too: pytest's own folders are its owner's."""
    if not under:
        yield run
        return
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR", "/tmp")) as name:
        folder = Path(name)
        folder.chmod(0o755)
        shutil.copytree(repo.path, folder / "repo")
        (folder / "tmp").mkdir()
        (folder / "script").touch()
        for path in (folder, *folder.rglob("*")):
            os.chown(path, 65534, 65534, follow_symlinks=False)
        there = dataclasses.replace(repo, path=folder / "repo")
        yield dataclasses.replace(
            run, repo=there, script=folder / "script", temporary=folder / "tmp"
        )


CANARIES = {
    "ANTHROPIC_API_KEY": fresh("sk-ant-api03-"),
    "GITHUB_TOKEN": fresh("ghs_"),
    "ACTIONS_RUNTIME_TOKEN": fresh(),
    "ACTIONS_ID_TOKEN_REQUEST_TOKEN": fresh(),
    "INPUT_ANTHROPIC-API-KEY": fresh("sk-ant-api03-"),
    "INPUT_GITHUB-TOKEN": fresh("ghs_"),
    "PIP_INDEX_URL": f"https://user:{fresh()}@packages.example.org/simple",
}


HUNTER = shutil.which("python3", path="/usr/bin:/usr/local/bin") or sys.executable
"""One that every user may run: our own may lie below root's home."""


@pytest.fixture
def hunted(repo: Repo) -> None:
    repo.write("hunt.py", HUNT)
    repo.commit()


@pytest.mark.usefixtures("hunted")
def test_measured_code_finds_no_secret_in_any_process(
    open_run: Run,
    under: tuple[str, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    tally: Tally,
) -> None:
    for name, value in CANARIES.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("HOME", str(tmp_path))
    options = {"metric": f"{HUNTER} -S hunt.py; env"}
    started = open_run.start("--metric-name", "score", under=under, **options)
    done = open_run.finish(started, **options)
    assert done.code == 0, done.told
    log = (done.folder / "logs" / "0.log").read_text()
    told = next(line for line in log.splitlines() if line.startswith("hunted:"))
    assert told.endswith("found: nothing"), told
    assert int(told.split()[1]) >= 2, told  # the hunter, its shell; and us, where it sees us
    bare = [value[value.index("cAnArY") :].partition("@")[0] for value in CANARIES.values()]
    roots = [open_run.repo.path, open_run.temporary]
    found = sightings(bare, roots=roots, texts=[done.out, done.err])
    tally("canary sightings", len(found))
    assert found == []


def test_the_hunter_would_find_what_lies_open(repo: Repo, tmp_path: Path) -> None:
    """The same program, beneath a process that only pretends to be ours."""
    hunt = repo.write("hunt.py", HUNT)
    nested = "import os, subprocess, sys; subprocess.run([sys.executable, '-S', sys.argv[3]])"
    argv = [sys.executable, "-S", "-c", nested, "autoresearch_ci", "run", str(hunt)]
    environment = {**os.environ, "GITHUB_TOKEN": CANARIES["GITHUB_TOKEN"]}
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=True)
    assert "environ of" in done.stdout, done.stdout
    assert "memory of" in done.stdout, done.stdout


def test_git_inherits_no_secret(
    run: Run,
    script: Script,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    dump, real = tmp_path / "dump", subprocess.check_output(["which", "git"], text=True).strip()
    shim = tmp_path / "bin" / "git"
    shim.parent.mkdir()
    shim.write_text(
        f"#!/bin/sh\ncat /proc/$PPID/environ /proc/self/environ >>{dump} 2>/dev/null\n"
        f'exec {real} "$@"\n'
    )
    shim.chmod(0o755)
    for name, value in CANARIES.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PATH", f"{shim.parent}:{os.environ['PATH']}")
    script({"description": "better", "files": {"value": "9\n"}})
    done = run.finish(run.start(real=True))
    assert done.column("status") == ["baseline", "keep"], done.told
    content = dump.read_bytes()
    assert b"GIT_CONFIG_GLOBAL" in content
    assert b"cAnArY" not in content


# --- starting again -------------------------------------------------------------------------------


def test_a_restart_changes_nothing_that_a_caller_can_see(tmp_path: Path, canary: str) -> None:
    code = (
        "[os.getpid(), sys.argv[1:], os.getcwd(), os.nice(0), sys.stdin.read(), sys.orig_argv[0], "
        "e['MY_TOKEN'], os.environ.get('MY_TOKEN'), os.environ.get('PLAIN'), "
        f"os.environ.get({MARKER!r}), sorted(os.listdir('/proc/self/fd')), "
        "os.umask(0o22), os.getppid()]"
    )
    environment = {**os.environ, "MY_TOKEN": canary, "PLAIN": "1"}
    begin = f"import json, os, sys\n{BEGIN}"
    child = subprocess.Popen(
        ["nice", "-n", "3", sys.executable, "-c", f"{begin}print(json.dumps({code}))", "a", "b c"],
        cwd=tmp_path,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        umask=0o27,
    )
    out, _ = child.communicate("typed", timeout=30)
    pid, argv, cwd, nice, typed, name, kept, left, plain, marker, fds, umask, ppid = json.loads(out)
    assert pid == child.pid
    assert argv == ["a", "b c"]
    assert cwd == str(tmp_path)
    assert nice == min(os.nice(0) + 3, 19)
    assert typed == "typed"
    assert name == sys.executable
    assert (kept, left, plain, marker) == (canary, None, "1", None)
    assert fds == ["0", "1", "2", "3"]  # 3 is the folder that is being listed
    assert umask == 0o27
    assert ppid == os.getpid()


def starts(tmp_path: Path, **environment: str) -> int:
    """How many times Python starts for one call of ours."""
    counter = tmp_path / "starts"
    (tmp_path / "sitecustomize.py").write_text(f"open({str(counter)!r}, 'a').write('x')\n")
    clean = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    subprocess.run(
        [*PROGRAM, "--version"],
        env={**clean, "PYTHONPATH": str(tmp_path), **environment},
        check=True,
        capture_output=True,
    )
    return len(counter.read_text())


def test_without_secrets_nothing_is_started_again(tmp_path: Path) -> None:
    assert starts(tmp_path) == 1


def test_with_secrets_it_is_started_again_once(tmp_path: Path, canary: str) -> None:
    assert starts(tmp_path, MY_TOKEN=canary) == 2


def test_more_secrets_than_a_pipe_holds_cross_over(tmp_path: Path) -> None:
    many = {f"TOKEN_{number}": fresh() * 40 for number in range(300)}
    many |= {"LARGE_KEY": "x1" * 60_000, "ODD_KEY": "a=b\n'\"\udcff é", "EMPTY_KEY": ""}
    code = "[sum(map(len, e.values())), e['ODD_KEY'], e['EMPTY_KEY'], len(e['LARGE_KEY'])]"
    total, odd, empty, large = probed(code, cwd=tmp_path, env={**os.environ, **many})
    assert total > 600_000
    assert (odd, empty, large) == (many["ODD_KEY"], "", 120_000)


@pytest.mark.parametrize(
    "marker",
    ["0", "1", "3", "999", "abc", "-1", "", "9" * 30, "٣", "PIPE", "FILE", "MEMORY", "SEALED"],
)
def test_a_forged_marker_neither_hangs_nor_passes(marker: str, tmp_path: Path, canary: str) -> None:
    source, sink = os.pipe()  # nobody ever writes into it
    plain = os.open(tmp_path, os.O_RDONLY)
    memory = os.memfd_create("forged", os.MFD_ALLOW_SEALING)
    os.write(memory, b"1\0FORGED_TOKEN=forged")
    sealed = os.memfd_create("forged", os.MFD_ALLOW_SEALING)
    os.write(sealed, b"1\0FORGED_TOKEN=forged")  # as ours, but for the process that it is for
    seals = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE
    fcntl.fcntl(sealed, fcntl.F_ADD_SEALS, seals)
    named = {"PIPE": source, "FILE": plain, "MEMORY": memory, "SEALED": sealed}
    value = str(named.get(marker, marker))
    try:
        code = f"[e['MY_TOKEN'], 'MY_TOKEN' in os.environ, 'FORGED_TOKEN' in e, {MARKER!r} in e]"
        environment = {**os.environ, "MY_TOKEN": canary, MARKER: value}
        passed = (source, plain, memory, sealed)
        assert probed(code, cwd=tmp_path, env=environment, pass_fds=passed) == [
            *(canary, False, False, False)
        ]
    finally:
        for descriptor in (source, sink, plain, memory, sealed):
            os.close(descriptor)


def test_where_it_cannot_start_again_it_says_so_and_goes_on(tmp_path: Path, canary: str) -> None:
    program = (
        f"import os\n{BEGIN}"
        "print(e['MY_TOKEN'] == os.environ.get('MY_TOKEN'), len(e['MY_TOKEN']))\n"
    )
    done = subprocess.run(
        [sys.executable, "-"],
        input=program,
        cwd=tmp_path,
        env={**os.environ, "MY_TOKEN": canary},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["False", str(len(canary))]
    assert "secrets stay in this process's environment" in done.stderr
    assert canary not in done.stderr


@pytest.mark.parametrize(
    ("words", "code"), [(["--version"], 0), (["--nonsense"], 2), (["run", "--metric", "true"], 3)]
)
def test_exit_codes_are_kept(words: list[str], code: int, tmp_path: Path, canary: str) -> None:
    script = Path(sys.executable).with_name("autoresearch-ci")
    for program in (PROGRAM, [str(script)] if script.exists() else PROGRAM):
        done = subprocess.run(
            [*program, *words],
            cwd=tmp_path,
            env={**os.environ, "MY_TOKEN": canary, "GIT_CEILING_DIRECTORIES": str(tmp_path.parent)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code, done.stderr


def test_a_signal_at_any_moment_of_the_start_ends_it(
    run: Run, script: Script, canary: str, monkeypatch: pytest.MonkeyPatch, torture: bool
) -> None:
    monkeypatch.setenv("MY_TOKEN", canary)
    script()
    for number in range(40 if torture else 6):
        process = run.start(
            "--iterations", "0", real=True, tag=f"t{number}", metric="sleep 5; cat value"
        )
        time.sleep(number * (0.01 if torture else 0.06))
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=20)
        assert process.returncode in (-signal.SIGTERM, 130), (number, out, err)
        assert "Traceback" not in err or "KeyboardInterrupt" not in err


# --- what a model writes --------------------------------------------------------------------------


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch, canary: str) -> Iterator[MessagesApi]:
    with MessagesApi() as api:
        monkeypatch.setenv("ANTHROPIC_API_KEY", f"sk-ant-api03-{canary}")
        monkeypatch.setenv("ANTHROPIC_BASE_URL", api.url)
        yield api


def writes(text: str, path: str = "value", description: str = "a value", **more: str) -> Any:
    create = tool(EDITOR, command="create", path=path, file_text=text)
    return calls(create, submit(description, **more))


def replaces(old: str, new: str) -> Any:
    edit = tool(EDITOR, command="str_replace", path="value", old_str=old, new_str=new)
    return calls(edit, submit("a value"))


def run_claude(run: Run, *flags: str, **options: str | None) -> Result:
    words = ("--set", "claude.dialect=native", "--iterations", "1", "--json", *flags)
    return run(*words, "--scope", "*", proposer="claude", **options)


DISGUISES: dict[str, Callable[[str], Any]] = {
    "plain": lambda c: writes(f"1\n# {c}\n"),
    "base64": lambda c: writes(f"1\n# {base64.b64encode(c.encode()).decode()}\n"),
    "base64 of more": lambda c: writes(f"1\n{base64.b64encode(b'x' + c.encode()).decode()}\n"),
    "hex": lambda c: writes(f"1\n# {c.encode().hex()}\n"),
    "reversed": lambda c: writes(f"1\n# {c[::-1]}\n"),
    "a piece": lambda c: writes(f"1\n# {c[11:23]}\n"),
    "one a line": lambda c: writes("1\n" + "\n".join(f"# {char}" for char in c)),
    "in a new file": lambda c: writes(c, path="new"),
    "a file's name": lambda c: writes("1\n", path=f"{c}.py"),
    "a folder's name": lambda c: writes("1\n", path=f"{c}/a.py"),
    "description": lambda c: writes("1\n", description=f"use {c}"),
    "hypothesis": lambda c: writes("1\n", hypothesis=f"since {c.encode().hex()}"),
    "next idea": lambda c: writes("1\n", next=c[::-1]),
    "a search": lambda c: calls(tool("grep", pattern=c)),
}


def test_a_secret_that_a_model_writes_goes_nowhere(
    api: MessagesApi,
    run: Run,
    canary: str,
    nothing_leaked: Callable[..., None],
    tally: Tally,
) -> None:
    api.answer(*(answer(canary) for answer in DISGUISES.values()))
    done = run_claude(run, "--iterations", str(len(DISGUISES)))
    assert done.code == 0, done.told
    rows = zip(DISGUISES, done.rows[1:], strict=True)
    told = ("discard", "contains a secret", "withheld")
    assert {
        name: found
        for name, row in rows
        if (found := (row["status"], row["reason"], row["description"])) != told
    } == {}, done.told
    tally("secrets written by models", len(DISGUISES))
    nothing_leaked([canary], json.dumps(api.requests), done.out, done.err)


@pytest.mark.parametrize("disguise", ["plain", "reversed"])
def test_a_repair_that_holds_a_secret_goes_nowhere(
    disguise: str,
    run: Run,
    script: Script,
    canary: str,
    monkeypatch: pytest.MonkeyPatch,
    nothing_leaked: Callable[..., None],
    repo: Repo,
) -> None:
    monkeypatch.setenv("MY_TOKEN", canary)
    text = canary if disguise == "plain" else canary[::-1]
    repair = {"description": f"fix {text}", "files": {"value": f"9\n# {text}\n"}}
    script({"description": "breaks", "files": {"value": "crash"}, "repairs": [repair]})
    done = run(metric="grep -q crash value && exit 3; head -n1 value")
    assert done.column("status") == ["baseline", "discard"], done.told
    assert done.column("reason")[1] == "contains a secret"
    assert done.column("attempts")[1] == "2"
    assert done.column("description")[1] == "withheld"
    assert repo.ref("refs/heads/autoresearch/t") == ""
    script.path.unlink()
    nothing_leaked([canary], done.out, done.err)


def test_an_edit_that_does_not_fit_repeats_no_secret(
    run: Run,
    script: Script,
    canary: str,
    monkeypatch: pytest.MonkeyPatch,
    nothing_leaked: Callable[..., None],
) -> None:
    monkeypatch.setenv("MY_TOKEN", canary)
    edit = {"path": "value", "old": canary, "new": canary[::-1]}
    script({"description": f"use {canary}", "edits": [edit]})
    done = run("--json")
    assert done.column("status") == ["baseline", "discard"], done.told
    assert done.column("description")[1] == "use ***"
    nothing_leaked([canary], done.out, done.err)


def test_a_secret_outside_the_scope_is_not_named_either(
    run: Run,
    script: Script,
    canary: str,
    monkeypatch: pytest.MonkeyPatch,
    nothing_leaked: Callable[..., None],
) -> None:
    monkeypatch.setenv("MY_TOKEN", canary)
    script({"description": "elsewhere", "files": {f"{canary}/x": "1"}})
    done = run("--json")
    assert done.column("reason")[1] == "contains a secret", done.told
    assert done.column("description")[1] == "withheld"
    nothing_leaked([canary], done.out, done.err)


KNOWN = "AKIA" + "QWERTYUIOPASDFGH"


@pytest.mark.parametrize(
    ("before", "after", "status"),
    [
        ("10\n", f"9\nkey = '{KNOWN}'\n", "discard"),
        (f"10\nkey = '{KNOWN}'\n", f"9\nkey = '{KNOWN}'\n", "keep"),
        (f"10\nkey = '{KNOWN}'\n", f"9\nkey = '{KNOWN}' or '{KNOWN[:-1]}X'\n", "discard"),
        ("10\n", "9\nkey = 'ghp_' + name\n", "keep"),
    ],
    ids=["new", "there before", "another", "only a prefix"],
)
def test_only_a_new_token_of_a_well_known_service_counts(
    before: str, after: str, status: str, run: Run, script: Script, repo: Repo
) -> None:
    repo.write("value", before)
    repo.commit()
    script({"description": "a value", "files": {"value": after}})
    done = run(metric="head -n1 value")
    assert done.column("status") == ["baseline", status], done.told


def test_a_secret_that_the_repository_already_has_does_not_stop_work_beside_it(
    run: Run, script: Script, repo: Repo, canary: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_TOKEN", canary)
    repo.write("value", f"10\n# {canary}\n")
    repo.commit()
    script({"description": "better", "files": {"value": f"9\n# {canary}\n"}})
    done = run(metric="head -n1 value")
    assert done.column("status") == ["baseline", "keep"], done.told


# --- what commands print --------------------------------------------------------------------------


def test_what_a_metric_prints_of_its_secret_is_not_repeated(
    run: Run,
    script: Script,
    canary: str,
    monkeypatch: pytest.MonkeyPatch,
    nothing_leaked: Callable[..., None],
) -> None:
    monkeypatch.setenv("DEPLOY_TOKEN", canary)
    script(
        {"description": "breaks", "files": {"value": "crash"}},
        {"description": "better", "files": {"value": "9\n"}},
    )
    ways = ("cat", "rev", "base64", "xxd -p", "fold -w20", "sed s/^/key:/")
    say = "".join(f"echo $DEPLOY_TOKEN | {way}; " for way in ways) + "echo $DEPLOY_TOKEN >&2"
    done = run(
        *("--set", "pass_env=[DEPLOY_TOKEN]", "--metric-name", "score", "--json"),
        metric=f"{say}; grep -q crash value && exit 3; echo score: $(cat value)",
        guard=f"{say}; test $(cat value) = 10",
    )
    assert done.column("status") == ["baseline", "crash", "discard"], done.told
    assert (done.folder / "logs" / "0.log").read_text().count("***") > len(ways)
    nothing_leaked([canary], done.out, done.err)


def test_what_a_failing_baseline_prints_of_a_secret_is_not_repeated(
    run: Run,
    script: Script,
    canary: str,
    monkeypatch: pytest.MonkeyPatch,
    nothing_leaked: Callable[..., None],
) -> None:
    monkeypatch.setenv("DEPLOY_TOKEN", canary)
    script()
    for options in (
        {"metric": "echo $DEPLOY_TOKEN; exit 1"},
        {"guard": "echo $DEPLOY_TOKEN; false"},
        {"setup": "echo $DEPLOY_TOKEN; false"},
    ):
        done = run("--set", "pass_env=[DEPLOY_TOKEN]", **options)
        assert done.code == 4, done.told
        assert "***" in done.err
        nothing_leaked([canary], done.out, done.err)


@pytest.fixture
def agent(repo: Repo, canary: str, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Has a command line propose, which knows the canary as AGENT_KEY."""
    monkeypatch.setenv("AGENT_KEY", canary)

    def configure(lines: str) -> None:
        path = repo.path.parent / "agent.sh"
        path.write_text(f"cat >/dev/null\n{lines}\n")
        config = {"proposer": {"command": f"sh {path}", "pass_env": ["AGENT_KEY"]}}
        repo.write(".github/autoresearch.yml", json.dumps(config))
        repo.commit()

    return configure


def test_what_an_agent_prints_of_its_key_is_not_repeated(
    run: Run, agent: Callable[[str], None], canary: str, nothing_leaked: Callable[..., None]
) -> None:
    agent(
        'echo using $AGENT_KEY\necho 9 >value\necho "DESCRIPTION: found $(echo $AGENT_KEY | rev)"'
    )
    done = run("--iterations", "1", "--json", proposer=None)
    assert done.code == 0, done.told
    log = (done.folder / "logs" / "1.log").read_text()
    assert "using ***" in log
    nothing_leaked([canary], done.out, done.err)


def test_no_token_of_any_service_gets_out_of_a_run_whatever_its_variable_is_called(
    run: Run, repo: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Agent and commands are given all of them and print them; the agent keeps what it is told."""
    names = [f"PLAIN{number}" for number in range(len(EXAMPLES))]
    for name, token in zip(names, EXAMPLES.values(), strict=True):
        monkeypatch.setenv(name, token)
    told = repo.path.parent / "told"
    told.mkdir(mode=0o777)
    told.chmod(0o777)
    agent = repo.path.parent / "agent.sh"
    agent.write_text(
        f"n=$(date +%N)\ncat >{told}/$n\nenv\n"
        "echo crash $n >value\necho DESCRIPTION: use $PLAIN0 here\n"
    )
    proposer = {"command": f"sh {agent}", "pass_env": names}
    config = {"proposer": proposer, "pass_env": names, "sandbox": {"write": [str(told)]}}
    repo.write(".github/autoresearch.yml", json.dumps(config))
    repo.commit()
    say = "env; env >&2; grep -q crash value && exit 3; cat value"
    done = run(*("--iterations", "2", "--json"), proposer=None, metric=say)
    assert done.column("status")[1:] == ["crash", "crash"], done.told
    assert done.column("description")[1] == "use ghp_*** here"
    assert [path for path in told.iterdir() if "***" in path.read_text()], "what it must repair"
    texts = [done.out, done.err, *(path.read_text() for path in told.iterdir())]
    texts += [path.read_text() for path in done.folder.rglob("*") if path.is_file()]
    texts += [repo.git("log", "-p", "-m", "--all")]
    secret = {part for token in EXAMPLES.values() for part in secrets_of(token)}
    assert [part for part in secret for text in texts if part in text] == []


def test_an_agent_that_writes_its_key_into_a_file_is_discarded(
    run: Run, agent: Callable[[str], None], canary: str, nothing_leaked: Callable[..., None]
) -> None:
    agent("echo 9 >value\nprintenv AGENT_KEY | base64 >>value")
    done = run("--iterations", "1", proposer=None, metric="head -n1 value")
    assert done.column("reason")[1:] == ["contains a secret"], done.told
    nothing_leaked([canary], done.out, done.err)


def test_what_a_command_printed_of_a_secret_does_not_reach_a_model(
    api: MessagesApi,
    run: Run,
    repo: Repo,
    monkeypatch: pytest.MonkeyPatch,
    nothing_leaked: Callable[..., None],
) -> None:
    other = fresh()
    monkeypatch.setenv("DEPLOY_TOKEN", other)
    repo.write("notes", f"the token is {other}\n")
    repo.commit()
    look = calls(tool(EDITOR, command="view", path="notes"))
    api.answer(look, replaces("10", "crash"), replaces("crash", "11"))
    done = run_claude(
        run,
        "--set",
        "pass_env=[DEPLOY_TOKEN]",
        metric="grep -q crash value && echo no $DEPLOY_TOKEN >&2 && exit 3; cat value",
    )
    assert done.column("attempts") == ["1", "2"], done.told
    assert "***" in json.dumps(api.requests)
    assert sightings([other], texts=[json.dumps(api.requests), done.out, done.err]) == []


def test_a_secret_in_the_configuration_is_not_written_down(
    run: Run,
    script: Script,
    repo: Repo,
    canary: str,
    monkeypatch: pytest.MonkeyPatch,
    nothing_leaked: Callable[..., None],
) -> None:
    monkeypatch.setenv("MY_TOKEN", canary)
    script({"description": "better", "files": {"value": "9\n"}})
    flags = ("--goal", f"use {canary}", "--env", f"OTHER={canary}")
    for more in ((), ("--resume",)):
        done = run(*flags, *more, metric=f"T={canary} cat value")
        assert done.column("status") == ["baseline", "keep"], done.told
        assert r"use \*\*\*" in (done.folder / "summary.md").read_text()
        nothing_leaked([canary], done.out, done.err)


@pytest.mark.parametrize("flags", [(), ("--json",)])
def test_showing_the_configuration_shows_no_secret(
    flags: tuple[str, ...],
    repo: Repo,
    canary: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("MY_TOKEN", canary)
    monkeypatch.chdir(repo.path)
    assert (
        run_cli(
            ["config", *flags, "--metric", "true", "--scope", "value", "--goal", f"use {canary}"]
        )
        == 0
    )
    shown = capsys.readouterr().out
    assert "use ***" in shown
    assert sightings([canary], texts=[shown]) == []


def test_an_error_message_repeats_no_secret(
    run: Run, canary: str, monkeypatch: pytest.MonkeyPatch, nothing_leaked: Callable[..., None]
) -> None:
    monkeypatch.setenv("MY_TOKEN", canary)
    done = run("--direction", canary)
    assert done.code == 2, done.told
    done = run("--set", f"metric.min_effect={canary}")
    assert done.code == 2, done.told
    nothing_leaked([canary], done.out, done.err)


# --- what the SDK needs from the environment ------------------------------------------------------


class _Service(HTTPServer):
    """Exchanges tokens, and notes who asks for what."""

    seen: list[tuple[str, dict[str, str], bytes]]


@pytest.fixture
def service() -> Iterator[_Service]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.answer({"access_token": "exchanged", "token_type": "Bearer", "expires_in": 600})

        def do_GET(self) -> None:
            self.answer({"type": "model", "id": "m", "display_name": "m", "created_at": "2026"})

        def answer(self, body: dict[str, object]) -> None:
            content = self.rfile.read(int(self.headers.get("content-length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            server.seen.append((self.path, headers, content))
            data = json.dumps(body).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None:
            return

    server = _Service(("127.0.0.1", 0), Handler)
    server.seen = []
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def asked(service: _Service, **environment: str) -> list[tuple[str, dict[str, str], bytes]]:
    """What is sent when all is known from one mapping and nothing from the environment."""
    assert not [name for name in os.environ if name.startswith("ANTHROPIC_")]
    url = f"http://127.0.0.1:{service.server_address[1]}"
    made = MessagesService(
        Claude(),
        {"ANTHROPIC_BASE_URL": url, **environment},
        redactor=Redactor(),
        check=lambda: None,
        note=lambda message: None,
    )
    try:
        made.verify()
    finally:
        made.close()
    return service.seen


@pytest.fixture
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("ANTHROPIC_")]:
        monkeypatch.delenv(name)


@pytest.mark.usefixtures("no_variables")
def test_keys_and_headers_come_from_the_mapping(service: _Service, canary: str) -> None:
    [(_, headers, _)] = asked(
        service, ANTHROPIC_API_KEY=canary, ANTHROPIC_CUSTOM_HEADERS="X-Team: red\nX-Two:2"
    )
    assert headers["authorization"] == f"Bearer {canary}"
    assert (headers["x-team"], headers["x-two"]) == ("red", "2")
    (_, headers, _) = asked(service, ANTHROPIC_AUTH_TOKEN=canary)[-1]
    assert headers["authorization"] == f"Bearer {canary}"


@pytest.mark.usefixtures("no_variables")
@pytest.mark.parametrize("in_file", [False, True])
def test_a_workload_identity_comes_from_the_mapping(
    in_file: bool, service: _Service, canary: str, tmp_path: Path
) -> None:
    file = tmp_path / "token"
    file.write_text(canary)
    where = {"ANTHROPIC_IDENTITY_TOKEN_FILE": str(file)}
    seen = asked(
        service,
        ANTHROPIC_FEDERATION_RULE_ID="fdrl_1",
        ANTHROPIC_ORGANIZATION_ID="org_1",
        **(where if in_file else {"ANTHROPIC_IDENTITY_TOKEN": canary}),
    )
    (_, _, exchange), (_, headers, _) = seen
    assert canary.encode() in exchange
    assert headers["authorization"] == "Bearer exchanged"


@pytest.mark.usefixtures("no_variables")
def test_a_proxy_that_wants_a_login_is_used(service: _Service, canary: str) -> None:
    proxy = f"http://user:{canary}@127.0.0.1:{service.server_address[1]}"
    made = MessagesService(
        Claude(base_url="http://model.invalid"),
        {"ANTHROPIC_API_KEY": "k", "HTTP_PROXY": proxy},
        redactor=Redactor(),
        check=lambda: None,
        note=lambda message: None,
    )
    made.verify()
    made.close()
    [(path, headers, _)] = service.seen
    assert path.startswith("http://model.invalid/")
    assert base64.b64decode(headers["proxy-authorization"].split()[1]).decode().endswith(canary)


@pytest.mark.usefixtures("no_variables")
def test_no_key_is_still_an_error(service: _Service) -> None:
    with pytest.raises(ProposerError, match="needs a key"):
        MessagesService(Claude(), {}, redactor=Redactor(), check=lambda: None, note=print)
