"""What the sandbox decides before the kernel is asked: places, users, filters, words."""

from __future__ import annotations

import gc
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from autoresearch_ci.cli.make_sandbox import required
from autoresearch_ci.config.schema import Sandbox
from autoresearch_ci.errors import ConfigError
from autoresearch_ci.execution.command_words import first_words, programs
from autoresearch_ci.execution.sandbox import users
from autoresearch_ci.execution.sandbox.abilities import (
    Abilities,
    Protection,
    Situation,
    describe,
)
from autoresearch_ci.execution.sandbox.kernel import answer_of_a_child, as_scheduled
from autoresearch_ci.execution.sandbox.namespaces import _room
from autoresearch_ci.execution.sandbox.places import services, visible
from autoresearch_ci.execution.sandbox.seccomp import (
    LOCAL_FAMILIES,
    NETWORK_FAMILIES,
    NEVER_NEEDED,
    program,
)
from autoresearch_ci.execution.sandbox.shared_memory import delete
from autoresearch_ci.execution.sandbox.users import User, named, spare

NOBODY = User(65534, 65534)
EVERYTHING = Abilities(landlock=7, filters="", why_no_view="", why_not_fresh="", why_no_loopback="")
CONTAINER = replace(EVERYTHING, why_no_view="not permitted", why_not_fresh="not permitted")
NOTHING = Abilities(
    landlock=0, filters="no", why_no_view="no", why_not_fresh="no", why_no_loopback="no"
)


# --- places ---------------------------------------------------------------------------------------


@pytest.fixture
def forest(tmp_path: Path) -> Callable[..., Path]:
    def grow(*paths: str) -> Path:
        for path in paths:
            (tmp_path / path).mkdir(parents=True)
        return tmp_path

    return grow


def is_seen(path: Path, rules: Sequence[str]) -> bool:
    """As Landlock does: a rule holds for all below it."""
    return any(path.is_relative_to(rule) for rule in rules)


def test_only_what_is_shown_is_visible_and_nothing_hidden_in_it(
    forest: Callable[..., Path],
) -> None:
    root = forest("a/secret/below", "a/other/below", "b")
    rules = visible([str(root / "a" / "secret")], [str(root / "a")])
    assert is_seen(root / "a" / "other" / "below", rules)
    assert not is_seen(root / "b", rules)
    assert not is_seen(Path("/usr/bin"), rules)
    assert not is_seen(root / "a" / "secret", rules)
    assert not is_seen(root / "a" / "secret" / "below", rules)


def test_the_innermost_of_hidden_and_shown_decides(forest: Callable[..., Path]) -> None:
    root = forest("hidden/shown/hidden", "hidden/other")
    hidden = [str(root / "hidden"), str(root / "hidden" / "shown" / "hidden")]
    (root / "hidden" / "shown" / "file").write_text("")
    rules = visible(hidden, [str(root / "hidden" / "shown")])
    assert is_seen(root / "hidden" / "shown" / "file", rules)
    assert not is_seen(root / "hidden" / "other", rules)
    assert not is_seen(root / "hidden" / "shown" / "hidden", rules)


def test_what_a_link_leads_to_is_hidden_and_no_link_leads_there(
    forest: Callable[..., Path],
) -> None:
    root = forest("real/secret", "home")
    (root / "home" / ".ssh").symlink_to(root / "real" / "secret")
    rules = visible([str(root / "home" / ".ssh")], [str(root)])
    assert not is_seen(root / "real" / "secret", rules)
    assert str(root / "home" / ".ssh") not in rules


def test_what_is_shown_as_a_whole_is_one_rule(forest: Callable[..., Path]) -> None:
    root = forest("inner/shown", "beside")
    inner = [str(root / "inner" / "shown"), str(root / "not there")]
    assert visible([str(root / "neither")], [str(root), *inner]) == [os.path.realpath(root)]


def test_sockets_named_by_the_environment_are_services(tmp_path: Path) -> None:
    path = tmp_path / "agent"
    path.write_text("")
    found = {"SSH_AUTH_SOCK": str(path), "DOCKER_HOST": "tcp://127.0.0.1:1"}
    assert str(path) in services(found)
    assert not any(name.startswith("tcp") for name in services(found))


# --- users ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("python bench.py", ["python"]),
        ("A=1 B='x y' pytest -q", ["pytest"]),
        ("cd x && make; ./run | tail -1", ["cd", "make", "./run", "tail"]),
        ("time python x", ["time", "python"]),
        ("cat <a >b", ["cat"]),
        ("echo 'a; b'", ["echo"]),
        ("echo \"it's", ["echo"]),
        ("a\nb", ["a", "b"]),
        ("# it's; a\nb 'c' # d; e \\\nf", ["b", "f"]),
    ],
)
def test_the_programs_of_a_shell_line_are_found(line: str, words: list[str]) -> None:
    assert list(first_words(line)) == words


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("uv run --frozen bench.py", ["uv", "bench.py"]),
        ("poetry run pytest -q", ["poetry", "pytest"]),
        ("bash -c 'node bench.js | tail -1'", ["bash", "node", "tail"]),
        ("/bin/sh -ec 'A=1 ./x'", ["/bin/sh", "./x"]),
        ("env -u A B=1 python3 x", ["env", "A"]),
        ("npx --yes vitest", ["npx", "vitest"]),
        ("run uv", ["run"]),
    ],
)
def test_what_a_runner_starts_is_a_program_too(line: str, words: list[str]) -> None:
    assert list(first_words(line)) == words


@pytest.mark.parametrize(
    "line",
    [
        "bash run.sh", "sh ./run.sh 3", "make bench", "bash -e runme 3", "sh < runme", "./runme",
        "bash outer", "sh -c 'bash runme'", "cd . && . ./runme",
    ],
)  # fmt: skip
def test_what_a_script_starts_is_looked_for_as_well(tmp_path: Path, line: str) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("tool", "make"):
        (tools / name).write_text("")
        (tools / name).chmod(0o755)
    (tmp_path / "run.sh").write_text("#!/bin/bash\n# other\ncd x && tool -x\n")
    (tmp_path / "runme").write_text("#!/usr/bin/env bash\nA=1 tool -x\n")
    (tmp_path / "outer").write_text("bash outer\nbash ./runme\n")
    (tmp_path / "Makefile").write_text("bench: run.sh\n\t@tool -x\n")
    assert str(tools / "tool") in programs([line], str(tools), tmp_path)


def test_a_program_that_a_shell_is_given_is_no_script(tmp_path: Path) -> None:
    (tmp_path / "tool").write_text("")
    (tmp_path / "tool").chmod(0o755)
    (tmp_path / "binary").write_text("\x7fELF\0\ntool\n")
    assert not programs(["bash binary", f"./{'x' * 300}"], str(tmp_path), tmp_path)


@pytest.mark.parametrize("line", ["curl x | bash {pipe}", ". {pipe}", "sh -x < {pipe}", "./pipe"])
def test_what_a_shell_reads_from_a_pipe_is_not_waited_for(tmp_path: Path, line: str) -> None:
    """As `/dev/stdin` is, where nothing comes."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    looking = threading.Thread(
        target=programs, args=([line.format(pipe=pipe)], str(tmp_path), tmp_path), daemon=True
    )
    looking.start()
    looking.join(20)
    waited = looking.is_alive()
    with suppress(OSError):  # nobody reads: nothing to end
        os.close(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))
    assert not waited


def test_what_runs_a_script_is_needed_as_well(tmp_path: Path) -> None:
    tools, root = tmp_path / "tools", tmp_path / "root"
    for folder in (tools, root / ".venv"):
        folder.mkdir(parents=True)
    for name, text in (("tool", "#!/opt/x/python\n"), ("node", "\x7fELF")):
        (tools / name).write_text(text)
        (tools / name).chmod(0o755)
    (root / "run.js").write_text("#!/usr/bin/env node\n")
    (root / ".venv" / "python").symlink_to(tools / "node")
    found = programs(["tool -x", "./run.js", ".venv/python a"], str(tools), root)
    expected = {str(tools / "tool"), "/opt/x/python", "/usr/bin/env", str(tools / "node")}
    assert set(found) == expected


def test_an_unknown_user_is_a_configuration_error() -> None:
    with pytest.raises(ConfigError, match="no user 'nobody-of-this-name'"):
        named("nobody-of-this-name")
    assert named("54321") == User(54321, 54321)


@pytest.mark.skipif(os.getuid() != 0, reason="only root has users to spare")
@pytest.mark.filterwarnings("error")
def test_a_user_that_another_run_took_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """The name that another holds is let go of at once: no socket is left to the collector."""
    held: list[socket.socket] = []
    monkeypatch.setattr(users, "_held", held)
    one_run = f"run-{os.getpid()}"
    first, second = spare.__wrapped__(one_run), spare.__wrapped__(one_run)
    gc.collect()
    assert first is not None
    assert second is not None
    assert first != second
    for each in held:
        each.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_what_has_a_second_name_elsewhere_is_not_given_away(tmp_path: Path) -> None:
    precious, trap, plain = (tmp_path / name for name in ("precious", "trap", "plain"))
    precious.write_text("")
    trap.hardlink_to(precious)
    plain.write_text("")
    link = tmp_path / "link"
    link.symlink_to(precious)
    for path in (trap, plain, link):
        NOBODY.own(tmp_path, path.name)
    assert precious.stat().st_uid == 0
    assert plain.stat().st_uid == link.lstat().st_uid == 65534


def test_what_a_command_leaves_thousands_of_folders_deep_is_deleted(tmp_path: Path) -> None:
    script = "import os; [(os.mkdir('d', 0o300), os.chdir('d')) for _ in range(2000)]"
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=True)
    delete(tmp_path / "d")
    assert list(tmp_path.iterdir()) == []


# --- filters --------------------------------------------------------------------------------------

ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
PTRACE, SOCKET = {"x86_64": 101, "aarch64": 117}, {"x86_64": 41, "aarch64": 198}
SOCKETPAIR = {"x86_64": 53, "aarch64": 199}
UNSHARE, BPF = {"x86_64": 272, "aarch64": 97}, {"x86_64": 321, "aarch64": 280}
IOCTL = {"x86_64": 16, "aarch64": 29}
READ = {"x86_64": 0, "aarch64": 63}


def verdict(code: Sequence[tuple[int, int, int, int]], data: Mapping[int, int]) -> int:
    """The errno that the kernel would answer with; 0: allowed."""
    accumulator = at = 0
    while True:
        operation, yes, no, value = code[at]
        at += 1
        if operation == 0x20:
            accumulator = data.get(value, 0)
        elif operation == 0x06:
            return 0 if value == 0x7FFF0000 else value & 0xFFFF
        else:
            test = {0x15: accumulator == value, 0x35: accumulator >= value}
            at += yes if test.get(operation, bool(accumulator & value)) else no


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_the_filter_refuses_what_it_says_and_nothing_else(machine: str) -> None:
    arch = {4: ARCH[machine]}
    closed = program(machine, LOCAL_FAMILIES, NEVER_NEEDED)
    private = program(machine, NETWORK_FAMILIES, NEVER_NEEDED)
    opened = program(machine, None, [*NEVER_NEEDED, "ptrace"])

    def call(code: Sequence[tuple[int, int, int, int]], number: int, *words: int) -> int:
        arguments = {16 + 8 * index: word for index, word in enumerate(words)}
        return verdict(code, {0: number, **arch, **arguments})

    for code in (closed, private, opened):
        assert call(code, READ[machine], 1, 2, 3) == 0
        assert call(code, BPF[machine]) == 1
        assert call(code, 425) == 1
        assert call(code, 451) == 1, "which files others have read lately"
        assert call(code, 435) == 38
        assert call(code, UNSHARE[machine], 0x10000000 | 0x20000) == 1
        assert call(code, UNSHARE[machine], 0x400) == 0
        assert verdict(code, {0: READ[machine], 4: 0x40000003}) == 1, "another architecture"
        assert [call(code, SOCKETPAIR[machine], family) for family in (1, 30)] == [0, 95]
    assert [call(closed, SOCKET[machine], f, 1, 0) for f in (1, 2, 10, 16, 17, 38, 40)] == [
        0, 13, 13, 0, 13, 13, 13
    ]  # fmt: skip
    assert [call(private, SOCKET[machine], f, 1, 0) for f in (1, 2, 10, 16, 17, 38, 40)] == [
        0, 0, 0, 0, 13, 13, 13
    ]  # fmt: skip
    for order, refused in {0x40086602: 95, 0x401C5820: 95, 0x5412: 95, 0x5401: 0}.items():
        assert call(opened, IOCTL[machine], 3, order) == refused
    assert call(closed, SOCKET[machine], 16, 3, 9) == 13, "netlink to the audit system"
    assert call(opened, SOCKET[machine], 40, 1, 0) == 0
    assert (call(closed, PTRACE[machine]), call(opened, PTRACE[machine])) == (0, 1)


def test_the_other_numbering_of_x86_is_refused() -> None:
    code = program("x86_64", None, NEVER_NEEDED)
    assert verdict(code, {0: 0x40000000 + 39, 4: ARCH["x86_64"]}) == 1


@pytest.mark.parametrize("without", ["", "sched_getscheduler"])  # as in musl
def test_priority_that_nobody_can_give_back_is_that_of_all_later_commands(without: str) -> None:
    """As when a user makes a run give way to others: that ends no run."""

    def renice() -> str:
        if not os.geteuid():
            os.setuid(NOBODY.uid)
        if without:
            setattr(os, without, lambda _: os.listdir("/nowhere"))  # noqa: PTH208 - an OSError
        restore, told, reniced = as_scheduled(), list[int](), threading.Event()

        def start_later() -> None:
            reniced.wait()
            restore()
            told.append(os.getpriority(os.PRIO_PROCESS, 0))

        later = threading.Thread(target=start_later)
        later.start()
        told.append(os.nice(2))
        restore()
        reniced.set()
        later.join()
        return f"{told[1] - told[0]}"

    assert answer_of_a_child(renice) == "0"


# --- words ----------------------------------------------------------------------------------------


def said(found: Abilities, user: User | None = None, **of: Any) -> Protection:
    return describe(Situation(**{"asked": Sandbox(), "found": found, "user": user, **of}))


def test_where_everything_works_nothing_is_missing() -> None:
    found = said(EVERYTHING, NOBODY, reached=["/run/docker.sock"])
    assert found.off == ()
    bare = said(EVERYTHING, NOBODY, bare={"/opt/tools": "Invalid argument"}).off
    assert "sockets that are made in /opt/tools while it runs, because" in str(*bare)
    assert found.network == "deny"
    assert "runs as uid 65534" in found.on
    assert "(sandbox.user: keep)" in found.hint
    assert "has no network (sandbox.network: deny)" in found.hint
    assert "network" not in found.setup_hint


def test_a_container_keeps_the_network_out_and_may_end_it_at_the_loopback() -> None:
    assert said(CONTAINER).network == "deny"
    asked = Sandbox(network="loopback")
    shared = said(CONTAINER, asked=asked)
    assert shared.network == "loopback"
    assert any("127.0.0.1 answers measured code" in str(missing) for missing in shared.off)
    found = said(replace(CONTAINER, why_no_loopback="no"), asked=asked)
    assert found.network == "deny", "less than was asked for, and never more"
    assert not found.loopback
    assert any("has no network at all, although" in str(missing) for missing in found.off)
    assert "has no network" in found.hint


def test_what_is_missing_is_said_once_with_its_reason_and_cure() -> None:
    found = said(NOTHING)
    words = [str(missing) for missing in found.off]
    assert len(words) == len(set(words)) == 5
    assert all(", because " in text and text.endswith(".") for text in words)
    assert found.network == "allow"
    assert found.on == ("gains no privileges",)


def test_an_old_landlock_is_reported_unless_another_user_makes_up_for_it() -> None:
    old = replace(CONTAINER, landlock=1)
    ours, others = (said(old, user).off for user in (None, NOBODY))
    assert len(ours) == len(others) + 3


def test_a_container_says_what_it_promises_about_memory() -> None:
    (told,) = (words for words in said(CONTAINER, NOBODY).on if "memory" in words)
    assert told == "may share memory with others while it runs, and leaves none behind"
    assert "has no /dev/shm" in said(CONTAINER, NOBODY, shares=False).on


@pytest.mark.parametrize(
    ("found", "user", "asked", "holds"),
    [
        (EVERYTHING, None, Sandbox(), "full"),
        (EVERYTHING, NOBODY, Sandbox(), "full"),
        (replace(EVERYTHING, filters="no"), NOBODY, Sandbox(), "none"),
        (CONTAINER, NOBODY, Sandbox(), "container"),
        (CONTAINER, None, Sandbox(), "container"),
        (replace(CONTAINER, landlock=4), NOBODY, Sandbox(), "container"),
        (replace(CONTAINER, landlock=4), None, Sandbox(), "none"),
        (replace(CONTAINER, filters="no"), NOBODY, Sandbox(), "none"),
        (NOTHING, NOBODY, Sandbox(), "none"),
        (EVERYTHING, NOBODY, Sandbox(read_only=False), "none"),
    ],
)
def test_what_holds_is_the_least_of_its_parts(
    found: Abilities, user: User | None, asked: Sandbox, holds: str
) -> None:
    assert said(found, user, asked=asked).holds == holds


@pytest.mark.parametrize(
    ("variables", "asked", "wanted"),
    [
        ({}, Sandbox(), "none"),
        ({"GITHUB_ACTIONS": "true"}, Sandbox(), "container"),
        ({"GITLAB_CI": "true"}, Sandbox(), "container"),
        ({"GITLAB_CI": "true"}, Sandbox(require="none"), "none"),
        ({"GITLAB_CI": "true"}, Sandbox(require="full"), "full"),
        ({"GITHUB_ACTIONS": "true"}, Sandbox(read_only=False), "none"),
    ],
)
def test_a_job_requires_more_than_a_laptop(
    variables: Mapping[str, str], asked: Sandbox, wanted: str
) -> None:
    assert required(asked, variables) == wanted


def test_switched_off_is_neither_on_nor_missing() -> None:
    found = said(NOTHING, NOBODY, asked=Sandbox(network="allow", read_only=False))
    assert [missing.what for missing in found.off] == [
        "the system calls of measured code are not filtered"
    ]


@pytest.mark.parametrize(
    ("told", "limits", "expected"),
    [
        ("", {"memory.max": 4096}, 2048),
        ("0::/a/b\n", {"memory.max": "max", "a/memory.max": 8192, "a/b/memory.max": "max"}, 4096),
        ("0::/a/b\n", {"a/memory.max": 8192, "a/b/memory.max": 6000}, 3000),
        ("1:cpu:/c\n4:memory:/m\n0::/\n", {"memory/m/memory.limit_in_bytes": 400}, 200),
        ("0::/../outside\n", {"memory.max": 4096}, 2048),
    ],
)
def test_a_measurement_may_write_half_of_what_its_control_groups_leave_us(
    tmp_path: Path, told: str, limits: Mapping[str, object], expected: int
) -> None:
    """Else what it wrote would be there when the kernel looks for somebody to end, and we alone."""
    groups = tmp_path / "groups"
    for path, limit in limits.items():
        (groups / path).parent.mkdir(parents=True, exist_ok=True)
        (groups / path).write_text(f"{limit}\n")
    own = tmp_path / "own"
    own.write_text(told)
    assert _room(groups, own) == expected
