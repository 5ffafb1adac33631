"""What one measurement leaves, and the next looks for: in whatever a file system remembers.

The program is run as the metric by a real run, several times in each; it looks for each trace, says
what it found, and leaves it. Where nothing is layered it finds some of them, so it can.
"""

from __future__ import annotations

import contextlib
import re
import subprocess
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from autoresearch_ci.config.schema import Sandbox
from autoresearch_ci.execution.sandbox.abilities import abilities, gives_view
from tests.adversarial.attacks import ROOT, STRICT, as_user, without_bubblewrap

if TYPE_CHECKING:
    from tests.adversarial.attacks import Attack
    from tests.conftest import Repo, Run, Script

FOUND = abilities(None)
NO_LAYERS = FOUND.why_not_fresh if gives_view(Sandbox(), FOUND) else "no view"
layered = pytest.mark.skipif(bool(NO_LAYERS), reason=NO_LAYERS)
LEAVE = r"""
import contextlib, ctypes, fcntl, os, struct

GENERATION, SET_GENERATION, FLAGS, SET_FLAGS = 0x80087601, 0x40087602, 0x80086601, 0x40086602
SYNCHRONOUS, NO_ATIME, NO_DUMP = 0x8, 0x80, 0x40
home, temporary, box = os.environ["HOME"], os.environ["TMPDIR"], os.path.dirname(os.getcwd())
folders = [".", "below", ".git", home, f"{home}/of-setup", temporary, box]
files = ["value", "below/file", f"{home}/of-setup/file", ".git/HEAD"]

def looked(what, act):
    with contextlib.suppress(OSError, KeyError):
        if act():
            print("FOUND", what)

def did(act):
    with contextlib.suppress(OSError):
        act()

def asked(path, number, value=0):
    descriptor = os.open(path, os.O_RDONLY)
    try:
        answer = fcntl.ioctl(descriptor, number, struct.pack("l", value))
        return struct.unpack("l", answer)[0] & 0xffffffff
    finally:
        os.close(descriptor)

def touched(path):
    with open(path, "a") as file:
        file.write("x")

for path in folders + files:
    looked(f"generation of {path}", lambda: asked(path, GENERATION) >> 16 == 0xcafe)
    looked(f"attribute of {path}", lambda: os.getxattr(path, "user.answer"))
    looked(f"flags of {path}", lambda: asked(path, FLAGS) & (SYNCHRONOUS | NO_ATIME | NO_DUMP))
    looked(f"mode of {path}", lambda: os.stat(path).st_mode & 0o1000)
for path in folders:
    looked(f"time of {path}", lambda: os.stat(path).st_mtime == 42)
    looked(f"size of {path}", lambda: os.stat(path).st_size > 10_000)
    looked(f"name in {path}", lambda: os.path.lexists(f"{path}/ANSWER"))
unread = "/".join(["below", "unread"])  # we read what a command names, before it starts
looked("last read", lambda: os.stat(unread).st_atime > os.stat(unread).st_mtime)
for path in ("/tmp", "/var/tmp", "/dev/shm", "/run", "/dev/mqueue"):
    looked(f"name in {path}", lambda: os.path.lexists(f"{path}/ANSWER"))
def terminals():
    names = [f"/dev/pts/{name}" for name in os.listdir("/dev/pts") if name.isdigit()]
    return [name for name in names if os.stat(name).st_uid == os.getuid()]
looked("terminal", terminals)
looked("System V", lambda: ctypes.CDLL(None).shmget(KEY, 0, 0) != -1)
looked("link", lambda: os.stat("value").st_nlink > 1)
touched("new")
room = os.statvfs(".")
with open("value") as file:
    state = file.read().strip()
print("NUMBERS", state, os.stat("new").st_ino, room.f_files - room.f_ffree)

for path in folders + files:
    did(lambda: asked(path, SET_GENERATION, 0xcafe << 16 | 42))
    did(lambda: os.setxattr(path, "user.answer", b"42"))
    did(lambda: os.chmod(path, os.stat(path).st_mode | 0o1000))
for path in folders:
    did(lambda: touched(f"{path}/ANSWER"))
for path in (".", "below", home, temporary):
    names = [f"{path}/{number:0200}" for number in range(100)]
    for name in names:
        did(lambda: touched(name))
    for name in names:
        did(lambda: os.unlink(name))
for path in folders:
    did(lambda: os.utime(path, (42, 42)))
with open(unread) as file:
    file.read()
did(lambda: os.link(unread, "unread-too"))  # what is copied back was read for it
for path in ("/tmp", "/var/tmp", "/dev/shm", "/run", "/dev/mqueue"):
    did(lambda: touched(f"{path}/ANSWER"))
did(lambda: os.openpty())
ctypes.CDLL(None).shmget(KEY, 4096, 0o1600)
did(lambda: os.link("value", "second"))
for path in folders + files:
    did(lambda: asked(path, SET_FLAGS, asked(path, FLAGS) | SYNCHRONOUS | NO_ATIME | NO_DUMP))
"""
SETUP = "setup=[mkdir $HOME/of-setup && echo 1 > $HOME/of-setup/file]"


def printed(attack: Attack, repo: Repo, script: Script, *flags: str) -> list[str]:
    """What it said in each of several measurements, of the base and of a candidate."""
    repo.write("below/file", "x\n")
    repo.write("below/unread", "x\n")
    key = hex(zlib.crc32(attack.open_folder.name.encode()) & 0x7FFFFFFF | 1)
    program = LEAVE.replace("ANSWER", name := f"{attack.open_folder.name}-x").replace("KEY", key)
    attack.plant(program)
    script({"description": "better", "files": {"value": "9\n"}})
    more = ["--set", SETUP, "--set", "metric.extract.last_number=true", *flags]
    done = attack.run(*more, metric="./attack 2>&1; cat value", **STRICT)
    for everybodys in ("/tmp", "/var/tmp", "/dev/shm", "/run"):
        Path(everybodys, name).unlink(missing_ok=True)
    subprocess.run(["ipcrm", "-M", key], capture_output=True, check=False)
    assert done.column("status") == ["baseline", "keep"], done.told
    logs = sorted((done.folder / "logs").iterdir())
    text = "".join(path.read_text(encoding="utf-8") for path in logs)
    assert text.count("NUMBERS") > 3, text
    return re.findall("^(?:FOUND|NUMBERS|Trace).*", text, re.MULTILINE)


@pytest.fixture(params=["full", "container as another user", "container as our user"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """What measurements are kept apart by: the user to be set."""
    mechanism, _, user = request.param.partition(" as ")
    if mechanism == "full" and NO_LAYERS:
        pytest.skip(NO_LAYERS)
    if user == "another user" and not ROOT:
        pytest.skip("only root has other users")
    with contextlib.ExitStack() as stack:
        if mechanism == "container":
            stack.enter_context(without_bubblewrap(tmp_path / "empty"))
        yield f"sandbox.user={'keep' if user == 'our user' else 'auto'}"


def test_tools_that_copy_permissions_do_their_work(run: Run, place: str) -> None:
    copies = "cp -p value a && cp -a value b && install -m 600 value c && sed -i s/1/2/ a"
    done = run("--iterations", "0", "--set", place, metric=f"{copies} && cat value")
    assert done.code == 0, done.told
    assert done.rows[0]["metric"] == "10"


def test_nothing_of_an_earlier_measurement_is_found(
    attack: Attack, repo: Repo, script: Script, place: str, request: pytest.FixtureRequest
) -> None:
    found = printed(attack, repo, script, "--set", place)
    numbers = [line for line in found if line.startswith("NUMBERS")]
    assert {line.split()[1] for line in numbers} == {"10", "9"}
    if "full" in request.node.name:
        assert len(set(numbers)) == 2, "not even by the number that the next new file gets"
    rest = {line for line in found if line not in numbers}
    if "our user" in request.node.name:  # what is ours, and the memory of everybody
        box = re.compile(r"FOUND (?:\w+ of|name in) (?:/dev/shm|.*/[0-9a-f]{16})$")
        rest = {line for line in rest if not box.match(line) and line != "FOUND System V"}
    assert not rest


@pytest.mark.skipif(sys.platform != "linux", reason="its file systems")
def test_without_layers_the_same_code_finds_what_it_left(
    attack: Attack, repo: Repo, script: Script
) -> None:
    found = printed(attack, repo, script, "--set", "sandbox.read_only=false")
    traces = {line for line in found if line.startswith("FOUND")}
    assert traces, "then it would not find them in layers either"


def test_only_what_the_unmodified_code_leaves_in_folders_of_the_cache_survives(
    attack: Attack, script: Script, place: str
) -> None:
    attack.plant(
        "#!/bin/sh\nstate=$(cat value)\n"
        "for at in build/deep . build.d $HOME; do for of in 10 12 9; do\n"
        "    test -e $at/left$of && echo FOUND $at $of by $state\ndone; done\n"
        "for at in build/deep . build.d $HOME; do mkdir -p $at; touch $at/left$state; done\n"
        "rm -f build/gone; touch build/gone; rm build/gone; true\n"
    )
    script(*({"description": f"{value}", "files": {"value": f"{value}\n"}} for value in (12, 9)))
    flags = ("--set", "cache=[build/]", "--set", place, "--iterations", "2")
    done = attack.run(*flags, metric="./attack 2>&1; cat value", **STRICT)
    assert done.column("status") == ["baseline", "discard", "keep"], done.told
    text = "".join(path.read_text() for path in (done.folder / "logs").iterdir())
    found = set(re.findall(r"FOUND (.*)", text))
    assert found == {f"build/deep 10 by {state}" for state in (10, 12, 9)}, text


def test_a_candidate_cannot_spoil_the_cache_for_what_it_is_compared_with(
    attack: Attack, script: Script, place: str
) -> None:
    """Neither by what it leaves there, nor by what it does to what is built there."""
    attack.plant(
        "#!/bin/sh\nstate=$(cat value)\nmkdir -p build\n"
        "test -e build/program || echo 0 >build/program\n"
        "echo $((1000 * (10 + $(cat build/program)) + $(date +%N | cut -c 5)))\n"
        "test $state = 10 || { rm -rf build/* && echo 5 >build/program && chmod 500 build; }\n"
    )
    script({"description": "not faster", "files": {"value": "11\n"}})
    flags = ("--set", "cache=[build/]", "--set", place, "--iterations", "1")
    done = attack.run(*flags, metric="./attack", **STRICT)
    assert done.column("status") == ["baseline", "discard"], done.told
    text = (done.folder / "logs" / "1.log").read_text()
    assert set(re.findall(r"^(1\d)\d\d\d$", text, re.MULTILINE)) == {"10"}, text


@pytest.mark.parametrize("fails", [False, True])
def test_a_run_that_goes_on_builds_of_the_unmodified_code_first(
    attack: Attack, script: Script, fails: bool
) -> None:
    """Once, and as what it is; where that fails it is said, and the run goes on."""
    broken = attack.open_folder / "broken"
    attack.plant(
        "#!/bin/sh\nmkdir -p build\nif ! test -e build/made; then\n"
        f"    test -e {broken} && test $(cat value) = 10 && echo BROKEN >&2 && exit 1\n"
        "    echo BUILDS OF $(cat value) >&2\n    cat value >build/made\nfi\n"
        "echo BUILT OF $(cat build/made) >&2\ncat value\n"
    )
    files = ({"value": "9\n"}, {"value": "8\n"}, {"value": "7\n"})
    script(*({"description": "better", "files": each} for each in files))
    more = ("--set", "cache=[build/]", "--confirm", "never", "--set", f"sandbox.read=[{broken}]")
    attack.run(*more, "--iterations", "1", metric="./attack", **STRICT)
    if fails:
        broken.write_text("")
    done = attack.run(*more, "--iterations", "3", "--resume", metric="./attack", **STRICT)
    assert done.column("status") == ["baseline", "keep", "keep", "keep"], done.told
    base, *others = ((done.folder / "logs" / f"{n}.log").read_text() for n in (0, 2, 3))
    assert ("which was to build again what `cache` keeps" in done.told) == fails
    assert base.count("BROKEN") == fails
    assert base.count("BUILDS OF 10") == 2 - fails
    if not fails:
        built = set(re.findall(r"BUIL\w+ OF .*", "".join(others)))
        assert built == {"BUILT OF 10"}, others


@layered
@as_user
def test_what_was_built_of_another_version_is_older_than_this_one(
    attack: Attack, repo: Repo, script: Script, user: str
) -> None:
    """Else the number would be that of a program which nobody measures."""
    build = "test build/made -nt value || { mkdir -p build && cat value > build/made; }"
    attack.plant(f"#!/bin/sh\n{build}\ncat build/made\n")
    script(*({"description": f"{value}", "files": {"value": f"{value}\n"}} for value in (12, 9, 8)))
    flags = ("--set", "cache=[build/]", "--set", f"sandbox.user={user}")
    done = attack.run(*flags, "--iterations", "3", metric="./attack", **STRICT)
    assert done.column("status") == ["baseline", "discard", "keep", "keep"], done.told
    assert done.column("metric") == ["10", "12", "9", "8"]


@layered
def test_a_candidates_file_in_a_folder_of_the_cache_is_no_other_ones(
    attack: Attack, repo: Repo, script: Script
) -> None:
    repo.write("build/old", "10\n")
    attack.plant("#!/bin/sh\ncat build/new 2>/dev/null || cat build/old\n")
    files = ({"build/old": "12\n"}, {"build/new": "13\n"}, {"build/old": None, "build/new": "9\n"})
    script(*({"description": f"{number}", "files": each} for number, each in enumerate(files)))
    flags = ("--set", "cache=[build/]", "--scope", "build/**", "--iterations", "3")
    done = attack.run(*flags, scope=None, metric="./attack", **STRICT)
    assert done.column("metric") == ["10", "12", "13", "9"], done.told
    assert "10 -> 9" in done.out, "both were measured again"


@layered
@pytest.mark.parametrize("left", ["echo x >build/inner", "ln -s /etc build/inner"])
def test_what_lies_in_a_candidates_way_in_the_cache_ends_no_run(
    attack: Attack, repo: Repo, script: Script, left: str
) -> None:
    repo.write("build/inner/deep/file", "10\n")
    attack.plant(f"#!/bin/sh\ncat value\nrm -rf build/inner\n{left}\n")
    files = {"build/inner/deep/file": "1\n", "value": "9\n"}
    script({"description": "better", "files": files})
    flags = ("--set", "cache=[build/]", "--scope", "build/**", "--scope", "value")
    done = attack.run(*flags, scope=None, metric="./attack", **STRICT)
    assert done.column("status") == ["baseline", "keep"], done.told


@pytest.mark.parametrize("place", ["full", "container as another user"], indirect=True)
def test_thousands_of_folders_in_each_other_are_gone(
    attack: Attack, script: Script, place: str
) -> None:
    depth = 1_200  # of each: more than Python recurses, and than files may be open
    attack.plant(
        "import os\nif open('value').read() == '9\\n':\n"
        "    for place in (os.environ['HOME'], os.environ['TMPDIR'], os.getcwd()):\n"
        "        os.chdir(place)\n"
        f"        for _ in range({depth}):\n"
        "            os.mkdir('d' * 200)\n"
        "            os.chdir('d' * 200)\n"
        "        os.chmod('.', 0)\n"
    )
    files = ({"value": "9\n"}, {"value": "8\n"})
    script(*({"description": "deep", "files": each} for each in files))
    flags = ("--iterations", "2", "--confirm", "never", "--set", "metric.timeout=5m")
    done = attack.run("--set", place, *flags, **attack.options)
    assert done.column("status") == ["baseline", "keep", "keep"], done.told


@layered
def test_who_fills_its_folders_has_failed_and_nobody_else(attack: Attack, script: Script) -> None:
    attack.plant(
        "import os\nroom = os.statvfs('.')\nif open('value').read() == '9\\n':\n"
        "    with open('full', 'wb') as file:\n"
        "        os.posix_fallocate(file.fileno(), 0, (room.f_blocks + 1) * room.f_frsize)\n"
    )
    script(
        {"description": "full", "files": {"value": "9\n"}},
        {"description": "better", "files": {"value": "8\n"}},
    )
    metric = "./attack 2>&1 || exit; cat value"
    done = attack.run("--iterations", "2", metric=metric, **STRICT)
    assert done.column("status") == ["baseline", "crash", "keep"], done.told
    assert "No space left on device" in done.column("reason")[1]
