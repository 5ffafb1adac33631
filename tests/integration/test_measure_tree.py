"""What comes back after a measurement, and what cleaning up must never touch."""

from __future__ import annotations

import os
import shlex
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from autoresearch_ci.config.schema import Sandbox
from autoresearch_ci.execution.sandbox.abilities import abilities, gives_view
from autoresearch_ci.workspace.snapshot import settle
from tests.patience import promptly

if TYPE_CHECKING:
    from tests.conftest import Repo, Run, Script

PYTHON = shlex.quote(sys.executable)
FULL = gives_view(Sandbox(), abilities(None))


def better(**files: str | None) -> dict[str, object]:
    return {"description": "better", "files": {"value": "9\n", **files}}


def test_a_clock_that_was_set_back_delays_no_measurement(tmp_path: Path) -> None:
    """What is changed now gets a time that nothing has: none of before is as old."""
    later = SimpleNamespace(st_ctime_ns=time.time_ns() + 3600 * 10**9)
    begun = time.monotonic()
    settle(tmp_path, [cast("Path", SimpleNamespace(stat=lambda: later))])
    assert time.monotonic() - begun < promptly(1)


@pytest.mark.parametrize("folder", ["$TMPDIR", "$HOME", "$PWD"])
def test_cleaning_up_never_follows_a_link_that_replaced_a_folder(
    run: Run, script: Script, tmp_path: Path, folder: str
) -> None:
    precious = tmp_path / "precious"
    (precious / "below").mkdir(parents=True)
    (precious / "below" / "file").write_text("precious")
    script(better())
    done = run(metric=f'cat value; d="{folder}"; mv "$d" "$d.away"; ln -s {precious} "$d"')
    assert (precious / "below" / "file").read_text() == "precious", done.told
    assert [p.name for p in precious.iterdir()] == ["below"]
    # What is mounted cannot be moved: the link then lies in it, and goes with the rest. Elsewhere
    # it is moved away, and a new folder is made.
    assert done.code == 0, done.told


def test_cleaning_up_never_happens_in_another_box(run: Run, script: Script, tmp_path: Path) -> None:
    other = tmp_path / "other"
    for name in ("tree", "home", "tmp"):
        (other / name).mkdir(parents=True)
        (other / name / "file").write_text("precious")
    script(better())
    done = run(metric=f'cat value; box="$(dirname "$PWD")"; mv "$box" "$box.x"; ln -s {other} $box')
    assert [p.read_text() for p in other.glob("*/file")] == ["precious"] * 3, done.told
    # A folder that is mounted cannot be moved at all: then it is only a command that fails.
    assert done.code == (4 if FULL else 3), done.told


@pytest.mark.parametrize("harm", ["rm -rf $TMPDIR || true", "rm -rf $TMPDIR; touch $TMPDIR"])
def test_a_lost_temporary_folder_is_made_again(run: Run, script: Script, harm: str) -> None:
    script(better())
    done = run(metric=f'test -d "$TMPDIR" && cat value; {harm}')
    assert done.column("status") == ["baseline", "keep"], done.told


@pytest.mark.parametrize("sealed", ["true", "false"])
def test_the_way_to_its_folders_cannot_be_closed(run: Run, script: Script, sealed: str) -> None:
    """Where the command runs as we do, and also where nothing is mounted read-only."""
    script(better())
    flags = ["--set", "sandbox.user=keep", "--set", f"sandbox.read_only={sealed}"]
    done = run(*flags, metric="cat value; chmod 000 .. . || true")
    assert done.column("status") == ["baseline", "keep"], done.told


def test_thousands_of_nested_folders_are_removed(run: Run, script: Script) -> None:
    """Also where measurements share memory, and with no permission to look into them."""
    script(better())
    nest = "import os; [(os.mkdir('d', 0o300), os.chdir('d')) for _ in range(1500)]"
    shared = "mkdir -m 700 /dev/shm/nested" if FULL else "true"
    places = ". $TMPDIR /dev/shm/nested" if FULL else ". $TMPDIR"
    dig = f'{shared}; for at in {places}; do (cd $at; {PYTHON} -c "{nest}"); done'
    done = run("--confirm", "never", metric=f"cat value; if grep -q 9 value; then {dig}; fi")
    assert done.column("status") == ["baseline", "keep"], done.told


@pytest.mark.skipif(not hasattr(os, "setxattr"), reason="folders have no attributes here")
def test_what_is_written_on_a_folder_is_gone(run: Run, script: Script, repo: Repo) -> None:
    """Times and attributes, whatever the folder's permissions are afterwards."""
    repo.write("below/file", "x\n")
    repo.commit("a folder")
    note = """
import os
for place in (".", "below", os.environ["HOME"], os.environ["TMPDIR"]):
    print("old" if os.stat(place).st_mtime == 42 else "new", os.listxattr(place))
    os.setxattr(place, "user.note", b"x")
    os.utime(place, (42, 42))
    os.chmod(place, 0o500)
"""
    script(better())
    metric = f"{PYTHON} -c {shlex.quote(note)}; cat value"
    done = run("--set", "metric.extract.last_number=true", metric=metric)
    text = "".join(path.read_text() for path in (done.folder / "logs").iterdir())
    if "Operation not supported" in text:
        pytest.skip("this file system has no attributes")
    assert done.column("status") == ["baseline", "keep"], done.told
    assert text.count("new []") >= 8
    assert text.count("new []") == text.count("new ") + text.count("old ")


@pytest.mark.parametrize("cache", ["build/", "build", "build/objects"])
def test_a_cache_folder_made_by_the_metric_survives(
    run: Run, script: Script, cache: str, repo: Repo
) -> None:
    repo.write("build/tracked", "x\n")
    repo.commit("built")
    script(better())
    warm = "test -e build/objects/o && echo warm >&2; mkdir -p build/objects; touch build/objects/o"
    done = run("--set", f"cache=[{cache}]", metric=f"{warm}; cat value")
    assert done.column("status") == ["baseline", "keep"], done.told
    assert "warm" in (done.folder / "logs" / "1.log").read_text()
    told = "build/tracked is a file of the commit in a folder of `cache`"
    assert (told in done.told) == (cache != "build/objects")


def test_a_file_and_a_folder_may_take_each_others_place(
    run: Run, script: Script, repo: Repo
) -> None:
    repo.write("thing", "file")
    repo.write("d/x", "in a folder")
    repo.commit()
    script(
        better(thing=None, **{"d/x": None}),
        {"description": "swap", "files": {"value": "8\n", "thing/y": "y", "d": "file"}},
        {"description": "worse", "files": {"value": "20\n"}},
    )
    done = run("--scope", "**", metric="ls -R >&2; cat value")
    assert done.code == 0, done.told
    assert done.column("status") == ["baseline", "keep", "keep", "discard"]
    assert "10 -> 8" in done.out  # base and result were both measured again for the headline


def test_a_shared_file_that_a_command_changed_comes_back(
    run: Run, script: Script, repo: Repo
) -> None:
    repo.write(".gitignore", "blob\n")
    repo.commit()
    repo.write("blob", "1\n")
    script(better())
    metric = 'test "$(cat blob)" = 1 && cat value; echo 2 >> blob'
    assert run("--set", "share=[blob]", metric=metric).column("status") == ["baseline", "keep"]
    assert (repo.path / "blob").read_text() == "1\n"


def test_a_shared_folder_that_is_partly_tracked_is_filled_in_with_the_commits_files(
    run: Run, script: Script, repo: Repo
) -> None:
    repo.write(".gitignore", "data/*\n!data/tracked\n")
    repo.write("data/tracked", "committed")
    repo.commit()
    repo.write("data/tracked", "changed in the checkout")
    repo.write("data/big", "big")
    script(better())
    metric = 'test "$(cat data/tracked data/big)" = committedbig && cat value'
    done = run("--set", "share=[data]", metric=metric)
    assert done.column("status") == ["baseline", "keep"], done.told


def test_a_shared_folder_that_is_a_link_is_copied_and_its_original_left_alone(
    run: Run, script: Script, repo: Repo, tmp_path: Path
) -> None:
    original = tmp_path / "modules"
    original.mkdir()
    (original / "f").write_text("1\n")
    repo.write(".gitignore", "node_modules\n")
    repo.commit()
    (repo.path / "node_modules").symlink_to(original)
    script(better())
    metric = 'test "$(cat node_modules/f)" = 1 && cat value; echo 2 >> node_modules/f'
    done = run(metric=metric)
    assert done.column("status") == ["baseline", "keep"], done.told
    assert (original / "f").read_text() == "1\n"


def test_a_candidate_writes_nothing_below_a_shared_folder(
    run: Run, script: Script, repo: Repo, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    repo.write(".gitignore", "node_modules\n")
    repo.commit()
    repo.write("node_modules/p/index.js", "1")
    (repo.path / "node_modules" / "linked").symlink_to(outside)
    script(better(**{"node_modules/p/new.js": "x"}), better(**{"node_modules/linked/evil": "x"}))
    done = run(scope="**")
    assert done.column("status") == ["baseline", "discard", "discard"], done.told
    assert not list(outside.iterdir())


def test_a_file_that_setup_deleted_stays_deleted_after_a_candidate_made_it_anew(
    run: Run, script: Script, repo: Repo
) -> None:
    repo.write("gone", "x")
    repo.commit()
    script(better(gone="new"), {"description": "worse", "files": {"value": "20\n"}})
    done = run("--set", "setup=['rm -- g?ne']", "--scope", "**")
    assert done.column("status") == ["baseline", "keep", "discard"], (
        done.column("reason"),
        done.told,
    )


def test_a_pipe_that_setup_left_may_vanish(run: Run, script: Script) -> None:
    script(better())
    done = run("--set", "setup=[mkfifo p $HOME/p]", metric="rm -f p $HOME/p; cat value")
    assert done.column("status") == ["baseline", "keep"], done.told


@pytest.mark.parametrize("path", ["out", "out/report.json/x"])
def test_a_candidate_in_the_reports_place_is_a_metric_error(
    run: Run, script: Script, path: str
) -> None:
    script(better(**{path: "in the way\n"}))
    done = run(
        *("--set", "metric.extract.file=out/report.json", "--set", "metric.extract.json=$.v"),
        "--scope",
        "**",
        metric='mkdir -p out; echo "{\\"v\\": $(cat value)}" > out/report.json; true',
    )
    assert done.column("status") == ["baseline", "metric-error"], done.told


def test_a_temporary_folder_that_is_somebody_elses_link_is_refused(
    run: Run, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (run.temporary / f"tmpwork-{os.getuid()}").symlink_to(elsewhere)
    done = run()
    assert done.code == 3, done.told
    assert "is a link or belongs to somebody else" in done.err
    assert list(elsewhere.iterdir()) == []


@pytest.mark.skipif(not abilities(None).landlock, reason="nothing is read-only here")
@pytest.mark.parametrize("fetched", [False, True])
def test_toolchains_and_downloads_below_the_users_home_are_found_and_only_read(
    fetched: bool, run: Run, script: Script, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """But what setup has downloaded itself is the measure tree's; it alone waits for a network."""
    home = tmp_path / "person"
    for name in (".cargo/registry", ".cargo/credentials.toml", ".rustup/toolchains"):
        (home / name).mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    for name in ("CARGO_HOME", "RUSTUP_HOME"):
        monkeypatch.delenv(name, raising=False)
    script(better())
    cargo = '-z "$CARGO_HOME"' if fetched else f'"$CARGO_HOME" = {home}/.cargo'
    places = (".cargo/new", ".rustup/toolchains/new")
    metric = " && ".join(
        [
            f"test {cargo} && test $RUSTUP_HOME = {home}/.rustup && ls $RUSTUP_HOME/toolchains",
            f"test -d {home}/.cargo/registry && ! ls {home}/.cargo/credentials.toml",
            *(f"! touch {home}/{place}" for place in places),
            'test "$npm_config_fetch_retries" = 0',
            "cat value",
        ]
    )
    setup = ["mkdir -p ~/.cargo/registry && test -z $npm_config_fetch_retries"] if fetched else []
    done = run("--set", f"setup={setup}", metric=metric, **{"sandbox-write": None})
    assert done.column("status") == ["baseline", "keep"], done.told
    assert not any((home / place).exists() for place in places)


def test_nothing_that_a_command_is_given_has_a_name_of_ours(run: Run, script: Script) -> None:
    """So code that looks around is measured as it will be used."""
    looks = [
        r"env | grep -v '^\(PATH\|VIRTUAL_ENV\|OLDPWD\)='",
        "pwd",
        'box=$(dirname "$PWD")',
        'find "$box" -maxdepth 2',
        'cat "$box"/site/*.py',
        'grep -F "$box" /proc/self/mountinfo',
        "git log -1 --format='%B %an %ae %cn %ce %D'",
        "git config --local --list",
        "cat .git/HEAD .git/packed-refs",
    ]
    script(better())
    seen = f"{{ {'; '.join(looks)}; }} > seen 2> /dev/null"
    judged = "! grep -i autores seen && grep -q ^HOME= seen && grep -q '^import pytest' seen"
    done = run("--guard", f"{seen}; {judged}", metric=f"{seen}; {judged} && cat value")
    assert done.column("status") == ["baseline", "keep"], done.told
