"""The cure that is named is the right one, and none is named where nothing tells."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest

from autoresearch_ci.measure.cures import cures, unwritable


@pytest.mark.parametrize(
    "output",
    [
        "OSError: [Errno 101] Network is unreachable\n...\nKeyError: <WorkerController gw0>",
        "OSError: [Errno 99] Cannot assign requested address",
        "requests.ConnectionError: HTTPConnectionPool(host='localhost', port=8080)",
        "Error: connect EADDRNOTAVAIL ::1:5432",
        "redis: dial tcp 127.0.0.1:6379: connect: network is unreachable",
        "socket.socket(AF_INET): PermissionError: [Errno 1] Operation not permitted",
    ],
)
def test_a_local_server_without_loopback_is_told_how_to_get_it(output: str) -> None:
    (told,) = cures(output, network="deny")
    assert told.endswith("--set sandbox.network=loopback")
    assert cures(output, network="loopback") == []
    assert cures(output, network="allow") == []


@pytest.mark.parametrize(
    "output",
    [
        "curl: (6) Could not resolve host: x.org",
        "getaddrinfo EAI_AGAIN registry.npmjs.org",
        "hint: Packages were unavailable because the network was disabled. When the network is",
        "> No cached version of junit:junit:4.13 available for offline mode.",
        "As a reminder, you're using offline mode (--offline) which can sometimes cause surprising",
        "x.go:3:8: module lookup disabled by GOPROXY=off",
        "npm error code ENOTCACHED",
        " ERR_PNPM_NO_OFFLINE_META  Failed to resolve is-odd@3.0.1 in package mirror",
    ],
)
@pytest.mark.parametrize("network", ["deny", "loopback"])
def test_a_download_belongs_into_setup(output: str, network: str) -> None:
    (told,) = cures(output, network=network)
    assert "`setup` command" in told
    assert "sandbox.network=allow" in told
    reached = cures(output)  # with the network
    assert all("pass_env" in told for told in reached)
    assert bool(reached) == bool(re.search("resolve host|EAI_AGAIN", output))


@pytest.mark.parametrize(
    ("output", "cure"),
    [
        (
            "mkdir: cannot create directory \u2018/opt/x\u2019: Read-only file system",
            "write=[/opt/x]",
        ),
        ("fatal: x\n*** Please tell me who you are.\n", "git config --global user.name test"),
        ("OSError: [Errno 30] Read-only file system: '/var/lib/y'", "write=[/var/lib/y]"),
        ("touch: cannot touch '/srv/z/a': Read-only file system", "write=[/srv/z/a]"),
        ("OSError: [Errno 28] No space left on device", "cache=[target/]"),
        ("Error: EXDEV: cross-device link not permitted, rename 'a' -> 'b'", "mv or shutil.move"),
        ("KeyError: 'DATABASE_URL'", "'pass_env=[DATABASE_URL]', or give it: --env DATABASE_URL="),
        ("bench.sh: line 3: API_HOST: unbound variable", "pass_env=[API_HOST]"),
        ("/usr/bin/bash: line 1: hyperfine: command not found", "install hyperfine"),
        ("/bin/sh: 1: hyperfine: not found", "install hyperfine"),
        ("ModuleNotFoundError: No module named 'numpy'", "install numpy"),
        ("error: unrecognized arguments: -q --cov=a --cov-report=xml", "the plugin pytest-cov"),
        ("bash: ./run.sh: cannot execute: required file not found", "first line of ./run.sh"),
        ("/usr/bin/bash: line 1: ./run.sh: Permission denied", "--chmod=+x ./run.sh"),
        ("Cannot connect to the Docker daemon at unix:///var/run/docker.sock.", "containers"),
        ('sudo: The "no new privileges" flag is set', "leave out sudo"),
        ("kernel.perf_event_paranoid is 4", "perf_event_paranoid=1"),
        ("_tkinter.TclError: no display name and no $DISPLAY", "xvfb-run"),
        ("Failed to move to new namespace: Operation not permitted", "--no-sandbox"),
    ],
)
def test_what_an_output_says_is_lacking_is_given_in_one_line(output: str, cure: str) -> None:
    (told,) = cures(output)
    assert cure in told


def test_a_folder_where_nothing_runs_is_named() -> None:
    output = "bash: ./bench: Permission denied"
    (told,) = cures(output, noexec="/tmp")
    assert "TMPDIR" in told
    assert "/tmp is mounted noexec" in told
    assert cures("AssertionError", noexec="/tmp") == []


def test_a_toolchain_that_was_not_found_is_named() -> None:
    words = "error: rustup could not choose a version of cargo to run, because one wasn't specified"
    assert "RUSTUP_HOME" in cures(words)[0]


@pytest.mark.parametrize(
    "output",
    [
        "",
        "AssertionError: 3 != 4",
        "exit code 1",
        "port 8080",
        "KeyError: 'name'",
        "404: page not found",
        "tests/a.py::test_display PASSED",
    ],
)
def test_no_cure_is_better_than_a_wrong_one(output: str) -> None:
    assert cures(output, network="deny", noexec="/tmp") == []


def test_a_module_that_maven_did_not_build_is_built_with_what_uses_it() -> None:
    for said in ("Could not find artifact demo:lib:jar:1", "The following artifacts could not"):
        output = f"[ERROR] Could not resolve dependencies for project demo:app:jar:1: {said}"
        told = cures(f"{output} be resolved: demo:lib:jar:1: no" if "fol" in said else output)
        assert [line for line in told if "demo:lib is a module" in line and "-am" in line], said


@pytest.mark.parametrize(
    "said",
    [
        "> Could not resolve all files for configuration ':c'.\n   > Could not find demo:lib:1.0.",
        "[error] sbt.librarymanagement.ResolveException: unresolved dependency: demo#lib;1.0: no",
    ],
)
def test_a_module_that_was_published_before_is_published_by_the_command(said: str) -> None:
    (told,) = [line for line in cures(said) if "is a module of this repository" in line]
    assert "publish" in told
    assert re.search("demo[:#]lib", told)


def test_a_long_line_of_nothing_costs_little() -> None:
    """What grows with the square of such a line would take days."""
    began = time.process_time()
    for unit in ("x", "/", "A", "error: unrecognized arguments: "):
        cures(unit * ((1 << 20) // len(unit)), network="deny")
    assert time.process_time() - began < 20
    path = f"/{'a' * 5000}"
    assert cures(f"cp: o{path}: Read-only file system")[0].endswith(
        f"--set 'sandbox.write=[{path}]'"
    )


@pytest.mark.parametrize(
    "output",
    [
        "PermissionError: [Errno 13] Permission denied: 'PLACE/x'",
        'Exception in thread "main" java.nio.file.AccessDeniedException: PLACE/a174b',
        'Error: unable to open database "PLACE/x.db": unable to open database file',
        "Error: EACCES: permission denied, open 'PLACE/x'",
        "bash: line 1: PLACE/x: Permission denied",
    ],
)
def test_who_insists_on_a_folder_of_everybodys_is_told_of_ours(output: str, tmp_path: Path) -> None:
    said = output.replace("PLACE", str(tmp_path))
    assert unwritable(said, lambda _: False) == [], "that is not the sandbox's doing"
    tmp_path.chmod(0o1777)
    (told,) = unwritable(f"{said}\n{said}", lambda _: False)
    assert "TMPDIR" in told
    assert f"--set 'sandbox.write=[{tmp_path}/NAME]'" in told
    assert unwritable(said, lambda _: True) == [], "it has that folder"
    assert unwritable(f"reads {tmp_path}/x", lambda _: False) == []
