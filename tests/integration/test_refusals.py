"""What cannot work is refused with its reason and a cure, and leaves nothing behind."""

from __future__ import annotations

import errno
import fcntl
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import threading
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from autoresearch_ci.cli.main import run_cli
from autoresearch_ci.errors import reason_of

if TYPE_CHECKING:
    from tests.conftest import Repo, Result, Run, Script

BRANCH = "refs/heads/autoresearch/t"
NOTEBOOK = "refs/autoresearch/notebook/t"


def value(number: object) -> dict[str, object]:
    return {"description": f"try {number}", "files": {"value": f"{number}\n"}}


def refused(done: Result, code: int, *sentences: str) -> None:
    """The exit code, the sentences, and no stack trace."""
    assert done.code == code, done.told
    for sentence in sentences:
        assert sentence in done.err, done.told
    assert "Traceback" not in done.err
    assert done.err.startswith("autoresearch-ci: ")


def nothing_left(repo: Repo, run: Run) -> None:
    """No ref, no verdict, no measure tree, no held lock: as if the run had not been tried."""
    refs = repo.git("for-each-ref", "--format=%(refname)").splitlines()
    assert not [ref for ref in refs if "autoresearch" in ref]
    assert run.leftovers() == []
    store = repo.path / ".git" / "autoresearch" / "t"
    if store.exists():
        assert '"verdict"' not in (store / "records.jsonl").read_text()
        with (store / "lock").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


# --- the repository -------------------------------------------------------------------------------


def test_outside_a_repository(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "plain"
    folder.mkdir()
    refused(run(cwd=folder), 3, "is not inside a git working tree", "git init")
    assert list(folder.iterdir()) == []


def test_a_bare_repository(run: Run, repo: Repo, tmp_path: Path) -> None:
    repo.git("clone", "--quiet", "--bare", str(repo.path), str(tmp_path / "bare"))
    refused(run(cwd=tmp_path / "bare"), 3, "is not inside a git working tree")


def test_a_repository_without_a_commit(run: Run, repo: Repo) -> None:
    repo.git("checkout", "--quiet", "--orphan", "new")
    refused(run(), 3, "no commit yet (unborn HEAD)", "git commit")
    nothing_left(repo, run)


def conflict(repo: Repo) -> None:
    """Two branches that cannot be merged; `main` is checked out."""
    repo.git("switch", "--quiet", "-c", "topic")
    repo.write("value", "11\n")
    repo.commit("topic")
    repo.git("switch", "--quiet", "main")
    repo.write("value", "12\n")
    repo.commit("main")


UNFINISHED: dict[str, tuple[str, ...]] = {
    "merge": ("merge", "topic"),
    "rebase": ("rebase", "topic"),
    "cherry-pick": ("cherry-pick", "topic"),
    "revert": ("revert", "--no-edit", "HEAD~1"),
    "bisect": ("bisect", "start", "HEAD", "HEAD~1"),
}


@pytest.mark.parametrize(("operation", "command"), UNFINISHED.items(), ids=UNFINISHED.keys())
def test_an_unfinished_operation(
    run: Run, repo: Repo, operation: str, command: tuple[str, ...]
) -> None:
    conflict(repo)
    repo.write("value", "13\n")
    repo.commit("later")
    repo.git(*command, check=False)
    before = repo.photograph()
    refused(run(), 3, f"a {operation} is unfinished", f"do: git {operation} ")
    assert repo.photograph() == before
    nothing_left(repo, run)


def test_a_scope_that_matches_nothing(run: Run, repo: Repo) -> None:
    repo.write("other.py", "x = 1\n")
    repo.write("ruler.py", "print(1)\n")
    repo.commit()
    refused(run(scope="src/*.py", metric="python ruler.py"), 2, "src/*.py", "--scope other.py")
    nothing_left(repo, run)


def test_a_scope_that_matches_only_what_is_not_committed(run: Run, repo: Repo) -> None:
    repo.write("new", "x")
    refused(run(scope="new"), 2, "matches no file", "not committed")
    nothing_left(repo, run)


def test_a_tag_that_is_no_name(run: Run, repo: Repo) -> None:
    for tag in ("../x", "a b", "-x", "a..b", "x.lock", "", "a/b"):
        if not tag.startswith("-"):
            refused(run(tag=tag), 2, "--tag")
    nothing_left(repo, run)


# --- the baseline ---------------------------------------------------------------------------------

UNMEASURABLE = {
    "prints nothing": ("true", "metric-error", "no number found"),
    "prints two numbers": ("echo 1; echo 2", "metric-error", "printed 2 times (1, 2)"),
    "prints nan": ("echo nan", "metric-error", "'nan' is not a plain finite number"),
    "prints inf": ("echo METRIC x=inf", "metric-error", "'inf' is not a plain finite number"),
    "exits with 3": ("echo 1; exit 3", "crash", "exit code 3"),
    "is not found": ("no-such-program", "crash", "exit code 127"),
    # Where bubblewrap is its parent it is told as a shell tells it.
    "kills itself": ("kill -9 $$", "crash", "(usually: memory ran out)"),
}


@pytest.mark.parametrize(
    ("metric", "kind", "reason"), UNMEASURABLE.values(), ids=UNMEASURABLE.keys()
)
def test_a_metric_command_that_does_not_measure(
    run: Run, script: Script, repo: Repo, metric: str, kind: str, reason: str
) -> None:
    script(value(9))
    before = repo.photograph()
    done = run(metric=f"echo last words >&2; {metric}")
    refused(done, 4, f"cannot be measured ({kind})", reason, "last words")
    assert repo.photograph() == before
    nothing_left(repo, run)


def test_a_metric_command_that_hangs(run: Run, script: Script, repo: Repo) -> None:
    script(value(9))
    done = run("--set", "metric.timeout=0.3", metric="echo waiting; sleep 60")
    refused(done, 4, "timed out after", "waiting")
    nothing_left(repo, run)


def test_a_candidate_that_hangs_is_a_crash_and_the_run_goes_on(run: Run, script: Script) -> None:
    script(value("hang"), value(9))
    metric = "if grep -q hang value; then sleep 60; fi; cat value"
    done = run("--set", "metric.timeout=0.5", metric=metric)
    assert done.column("status") == ["baseline", "crash", "keep"], done.told
    assert done.rows[1]["reason"].startswith("timed out after")


def test_a_guard_that_fails_on_the_unmodified_code(run: Run, script: Script, repo: Repo) -> None:
    script(value(9))
    done = run("--guard", "echo three tests are red; exit 1")
    refused(done, 4, "a guard fails on the unmodified code", "three tests are red")
    nothing_left(repo, run)


def test_a_guard_that_only_counts_could_never_fail(run: Run, script: Script, repo: Repo) -> None:
    script(value(9))
    done = run("--guard", "autoresearch-ci score links '*.md'")
    cure = """{command: "autoresearch-ci score links '*.md'", metric: broken_links}"""
    refused(done, 2, "nothing reads what `score` counts", f"do: guards: [{cure}]")
    nothing_left(repo, run)


def test_a_search_without_constants_is_refused_before_anything_is_measured(
    run: Run, repo: Repo
) -> None:
    result = run(proposer="search", metric="cat value; touch measured")
    assert (result.code, repo.git("branch", "--list", "autoresearch/*")) == (5, ""), result.told
    assert "no constant to search" in result.err
    assert "metric:" not in result.out


def test_setup_that_fails(run: Run, script: Script, repo: Repo) -> None:
    done = run("--set", "setup=[echo no network; exit 9]")
    refused(done, 4, "the setup command failed with exit code 9", "no network")
    nothing_left(repo, run)


def test_after_a_refused_baseline_the_same_command_can_be_repeated(
    run: Run, script: Script, repo: Repo
) -> None:
    script(value(9))
    assert run(metric="true").code == 4
    assert run().column("status") == ["baseline", "keep"]


# --- the disk -------------------------------------------------------------------------------------


def test_a_checkout_that_may_not_be_written(run: Run, script: Script, repo: Repo) -> None:
    run(tag="warm")  # everything is imported before we become somebody who may not read it
    script(value(9))
    # pytest's own folder is closed to other users.
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        folder = Path(name)
        folder.chmod(0o755)
        there = type(repo)(folder / "repo")
        shutil.copytree(repo.path, there.path)
        shutil.copy(run.script, folder)
        temporary = folder / "tmp"
        temporary.mkdir()
        temporary.chmod(0o777)
        tempfile.tempdir = str(temporary)
        subprocess.run(["chmod", "-R", "a-w", str(there.path)], check=True)
        before = there.photograph()
        theirs = replace(run, repo=there, script=folder / "script.jsonl", temporary=temporary)
        process = theirs.fork(tag="new", user=65534 if os.geteuid() == 0 else None)
        process.join(60)
        told = (folder / "printed").read_text()
        assert process.exitcode == 3, told
        assert f"autoresearch-ci: Permission denied: {there.path}" in told, told
        assert "do: chown or chmod it" in told
        assert there.photograph() == before
        assert theirs.leftovers() == []
        subprocess.run(["chmod", "-R", "u+w", str(there.path)], check=True)


# --- tags, resuming, company ----------------------------------------------------------------------


def test_a_tag_that_was_used_before(run: Run, script: Script, repo: Repo) -> None:
    script(value(9))
    run()
    before = repo.ref(BRANCH), repo.ref(NOTEBOOK)
    refused(run(), 3, "the tag 't' was used before", "--resume", "--tag")
    assert (repo.ref(BRANCH), repo.ref(NOTEBOOK)) == before


def test_a_branch_of_all_tags_that_a_person_made(run: Run, script: Script, repo: Repo) -> None:
    script(value(9))
    repo.git("branch", "autoresearch/at-night")  # its name has the tag's letter in it
    shared = ("--publish-branch", "autoresearch/at-night")
    refused(run(*shared), 3, "autoresearch/at-night exists already", "git branch -m")
    repo.git("branch", "-D", "autoresearch/at-night")
    assert run(*shared).code == 0
    refused(run(*shared), 3, "the tag 't' was used before", "--resume")


def test_a_tag_whose_branch_a_person_made(run: Run, script: Script, repo: Repo) -> None:
    script(value(9))
    repo.git("branch", "autoresearch/t")
    refused(run(), 3, "the tag 't' was used before", "autoresearch/t")
    assert repo.ref(BRANCH) == repo.ref("main")


def test_a_branch_that_is_checked_out_is_not_moved_under_the_user(
    run: Run, script: Script, repo: Repo
) -> None:
    script(value(9), value(8))
    run.once("--iterations", "1")
    repo.git("switch", "--quiet", "autoresearch/t")
    before = repo.photograph()
    refused(run("--resume"), 3, "autoresearch/t is checked out in", "git switch")
    assert repo.photograph() == before
    repo.git("switch", "--quiet", "main")
    assert run("--resume").column("metric") == ["10", "9", "8"]


def test_a_branch_that_is_checked_out_before_there_is_a_run(run: Run, repo: Repo) -> None:
    done = run("--publish-branch", "main")
    refused(done, 3, "main is checked out in", "choose another publish.branch")
    assert "--resume" not in done.err


def test_a_branch_whose_name_is_a_folder_of_others(run: Run, script: Script, repo: Repo) -> None:
    script(value(9))
    run()
    done = run("--publish-branch", "autoresearch", tag="u")
    refused(done, 3, "autoresearch cannot be created", "autoresearch/t exists")


@pytest.mark.parametrize("place", ["value", "value/folder"])
def test_a_run_folder_where_a_file_is(run: Run, repo: Repo, place: str) -> None:
    refused(
        run("--output", str(repo.path / place)), 2, "cannot be made", "is no folder", "--output"
    )


def test_a_file_in_the_place_of_the_run_folders(run: Run, repo: Repo) -> None:
    (repo.path / "autoresearch").write_text("mine")
    refused(run(), 2, "cannot be made", "is no folder", "--output")


@pytest.mark.parametrize("name", ["results.tsv", "summary.md", "run.json", "progress.svg"])
def test_a_folder_with_files_of_somebody_else_is_not_written_into(
    run: Run, script: Script, tmp_path: Path, name: str
) -> None:
    script(value(9))
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / name).write_text("mine\n")
    refused(run("--output", str(folder)), 2, f"{name} is there already")
    assert (folder / name).read_text() == "mine\n"
    (folder / name).unlink()
    for tag in ("a", "b"):  # one night after the other
        assert run("--output", str(folder), tag=tag).code == 0


def test_nothing_to_resume(run: Run, repo: Repo) -> None:
    refused(run("--resume"), 2, "there is no run 't' to continue")
    refused(run("--resume", tag=None), 2, "--resume: no earlier run")
    nothing_left(repo, run)


@pytest.mark.parametrize(
    ("key", "flags"),
    [
        ("metric", ["--metric", "cat value; true"]),
        ("metric", ["--direction", "maximize"]),
        ("guards", ["--guard", "true"]),
        ("scope", ["--scope", "other"]),
        ("setup", ["--set", "setup=['true']"]),
    ],
)
def test_resuming_with_another_ruler(
    run: Run, script: Script, repo: Repo, key: str, flags: list[str]
) -> None:
    script(value(9), value(8))
    run.once("--iterations", "1")
    before = repo.photograph(), repo.ref(BRANCH), repo.ref(NOTEBOOK)
    refused(run("--resume", *flags), 2, f"{key} changed since this run was started", "--tag")
    assert (repo.photograph(), repo.ref(BRANCH), repo.ref(NOTEBOOK)) == before
    assert len(run("--resume").rows) == 3


def test_resuming_with_more_iterations_and_another_target(run: Run, script: Script) -> None:
    script(*(value(number) for number in (9, 8, 7, 6)))
    run.once("--iterations", "1")
    done = run("--resume", "--iterations", "9", "--set", "metric.target=7")
    assert done.column("metric") == ["10", "9", "8", "7"], done.told


def test_resuming_starts_from_the_base_of_the_run_whatever_is_checked_out_now(
    run: Run, script: Script, repo: Repo
) -> None:
    script(value(9), {"description": "other", "files": {"other": "x\n"}})
    base = repo.ref("HEAD")
    run.once("--iterations", "1")
    repo.write("value", "1\n")
    repo.commit("somebody's work")
    script(value(9), value(8))
    done = run("--resume")
    assert done.column("metric") == ["10", "9", "8"], done.told
    assert repo.ref(f"{BRANCH}~2") == base


def test_another_run_on_the_same_tag(run: Run, script: Script, repo: Repo) -> None:
    script(value(9), value(8))
    run.once("--iterations", "1")
    with (repo.path / ".git" / "autoresearch" / "t" / "lock").open("r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.truncate(0)
        print(os.getpid(), file=lock, flush=True)
        done = run("--resume")
        refused(done, 3, f"the run 't' is going on already (process {os.getpid()})", "--tag")
    assert run("--resume").column("metric") == ["10", "9", "8"]


def test_two_runs_with_different_tags_side_by_side(run: Run, script: Script, repo: Repo) -> None:
    script(value(9), value(11), value(8))
    both = [run.fork(tag=tag, metric="sleep 0.02; cat value") for tag in ("t", "u")]
    for process in both:
        process.join(60)
        assert process.exitcode == 0
    assert repo.kept("t") == repo.kept("u") == ["experiment: try 9", "experiment: try 8"]
    assert run.leftovers() == []


MOVES = {
    "committed to": ("update-ref", BRANCH, "main"),
    "deleted": ("update-ref", "-d", BRANCH),
}


@pytest.mark.parametrize("move", MOVES.values(), ids=MOVES.keys())
def test_a_branch_that_a_person_moved_meanwhile(
    run: Run, script: Script, repo: Repo, move: tuple[str, ...]
) -> None:
    script(value(9), value(8), value(7))
    kept = run.once("--iterations", "2").rows[2]["commit"]
    repo.git(*move)
    moved = repo.ref(BRANCH)
    done = run("--resume")
    refused(done, 3, f"but this run left it at {kept}", "git branch -f autoresearch/t", "--tag")
    assert repo.ref(BRANCH) == moved
    repo.git("branch", "-f", "autoresearch/t", kept)
    assert run("--resume").column("metric") == ["10", "9", "8", "7"]


def test_a_branch_that_a_person_moves_during_the_run(run: Run, script: Script, repo: Repo) -> None:
    script(value(9), value(8), value(7))
    metric = f"cat value; grep -q 8 value && git -C {repo.path} update-ref {BRANCH} main"
    done = run(metric=f"{metric}; true")
    refused(done, 3, "somebody else moved that branch", "nothing is lost")
    assert repo.ref(BRANCH) == repo.ref("main")
    assert done.rows[1]["metric"] == "9"


# --- the script -----------------------------------------------------------------------------------


def test_a_script_that_is_not_there(run: Run, repo: Repo) -> None:
    refused(run(proposer="script:nowhere"), 2, "nowhere: cannot read the script")
    nothing_left(repo, run)


def test_a_configuration_that_is_wrong_is_refused_with_its_place(run: Run, repo: Repo) -> None:
    repo.write(".github/autoresearch.yml", "scope: [value]\nmetrik: {command: cat value}\n")
    done = run(scope=None, metric=None)
    refused(done, 2, ".github/autoresearch.yml:2", "metrik", "metric")
    nothing_left(repo, run)


@pytest.mark.parametrize(
    ("path", "metric", "cure"),
    [
        ("bench.py", "python3 bench.py", "git add bench.py"),
        ("tools/bench.sh", "bash tools/bench.sh", "git add tools/bench.sh"),
        ("local/run.sh", "cd local && sh run.sh", "git add -f local/run.sh"),
    ],
)
def test_a_script_that_only_the_checkout_has_is_named(
    run: Run, repo: Repo, path: str, metric: str, cure: str
) -> None:
    repo.write(".gitignore", "local/\n")
    repo.commit()
    repo.write(path, "print(1)\n")
    done = run(metric=metric)
    refused(done, 4, f"{path} is in your checkout but not committed", cure)


def test_what_an_earlier_run_wrote_is_no_missing_script(
    run: Run, script: Script, repo: Repo
) -> None:
    repo.write("out.json", "{}")
    script(value(9))
    done = run(metric="cat value > out.json; cat value")
    assert done.code == 0, done.told
    assert "not committed" not in done.out + done.err


def test_a_test_runner_without_loopback_names_the_setting(run: Run, repo: Repo) -> None:
    connect = (
        "import socket; s = socket.socket(); s.bind(('127.0.0.1', 0)); "
        "socket.create_connection(s.getsockname())"
    )
    done = run("--guard", f'{sys.executable} -c "{connect}"')
    assert done.code == 4, done.told
    full = "sandbox: full" in done.out  # there it has one, and this server accepts nobody
    assert ("--set sandbox.network=loopback" in done.err) is not full, done.told


def test_a_configuration_is_found_from_a_folder_below(run: Run, script: Script, repo: Repo) -> None:
    repo.write("packages/a/x", "")
    repo.write(".github/autoresearch.yml", "iterations: 1\n")
    repo.commit()
    script(value(9))
    below = repo.path / "packages" / "a"
    for tag, named in (("t", ()), ("v", ("--config", ".github/autoresearch.yml"))):
        done = run(*named, cwd=below, tag=tag)
        assert (done.code, "up to 1 iteration from" in done.out) == (0, True), done.told
    done = run("--config", "nowhere.yml", cwd=below, tag="u")
    refused(done, 2, str(below / "nowhere.yml"), str(repo.path / "nowhere.yml"))


@pytest.mark.parametrize("proposer", ["script:edits.jsonl", "{mix: {'script:edits.jsonl': 2}}"])
def test_a_script_of_the_configuration_is_at_the_root_and_one_that_is_typed_is_here(
    run: Run, script: Script, repo: Repo, proposer: str
) -> None:
    below = repo.path / "packages" / "a"
    for folder, number in ((repo.path, 9), (below, 8)):
        script(value(number))
        repo.write(str((folder / "edits.jsonl").relative_to(repo.path)), run.script.read_text())
    repo.write(".github/autoresearch.yml", f"proposer: {proposer}\n")
    repo.commit()
    quick = ("--iterations", "1")
    for tag, words, kept in (
        ("t", (), "9"),
        ("u", ("--set", "proposer=script:edits.jsonl"), "8"),
        ("v", ("--set", "proposer={mix: {'script:edits.jsonl': 2}}"), "8"),
        ("w", ("--set", f"proposer=script:{repo.path}/edits.jsonl"), "9"),
    ):
        done = run(*quick, *words, cwd=below, tag=tag, proposer=None)
        assert done.code == 0, done.told
        assert repo.git("show", f"autoresearch/{tag}:value") == kept
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(below)
        assert run_cli(["doctor", "--quick", "--scope", "value", "--metric", "cat value"]) == 0
        patch.chdir(repo.path / "packages")  # there is none
        assert run_cli(["doctor", "--quick", "--scope", "value", "--metric", "cat value"]) == 0


def test_a_handoff_of_the_configuration_is_at_the_root_and_one_that_is_typed_is_here(
    repo: Repo, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    repo.write("packages/a/x", "")
    repo.write(".github/autoresearch.yml", "fix: {from_debug: handoff.json}\n")
    repo.commit()
    below = repo.path / "packages" / "a"
    monkeypatch.chdir(below)
    for words, folder in (
        ((), repo.path),
        (("--set", "fix.from_debug=handoff.json"), below),
        (("--set", "fix={from_debug: handoff.json}"), below),
        (("--from-debug", "handoff.json"), below),
    ):
        assert run_cli(["fix", "--target", "false", "--scope", "value", *words]) == 2
        told = capsys.readouterr().err
        assert str(folder / "handoff.json") in told


def test_a_path_as_seen_from_a_folder_below_is_named_from_the_root(run: Run, repo: Repo) -> None:
    repo.write("packages/a/bench.py", "print(open('value').read())")
    repo.write("packages/a/own", "x")
    repo.commit()
    below = repo.path / "packages"
    done = run(scope="a/own", cwd=below)
    refused(done, 2, "it starts at the repository's root", "--scope packages/a/own")
    done = run(metric="python3 a/bench.py", cwd=below)
    refused(done, 4, "name it packages/a/bench.py", "cd packages/ &&")


def test_a_reader_that_leaves_is_no_mistake(repo: Repo) -> None:
    program = f"{shlex.quote(sys.executable)} -m autoresearch_ci config --scope value --metric x"
    line = f"set -o pipefail; {{ {program}; echo $? >&2; }} | true"
    done = subprocess.run(
        ["bash", "-c", line], cwd=repo.path, check=False, capture_output=True, text=True
    )
    assert done.stderr.split() in (["141"], ["0"]), done.stderr


def test_a_reader_that_leaves_before_the_last_word_is_none_either() -> None:
    """What is written in one go is only sent when we end."""
    code = (
        "import sys, os\n"
        "from autoresearch_ci.safety.output_streams import guard_output\n"
        "release = guard_output()\n"
        "print('said', end='')\n"
        "sys.stdin.read()\n"
        "release()\n"
    )
    reader, writer = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(writer)
    os.close(reader)
    _, told = process.communicate("")
    assert (process.returncode, told) == (0, "")


@pytest.mark.parametrize("number", [errno.EAGAIN, errno.ENOMEM])
def test_a_process_that_the_system_does_not_start_is_one_sentence(number: int) -> None:
    told = reason_of(OSError(number, os.strerror(number)))
    assert told.startswith(os.strerror(number))
    assert "pids.max" in told
    assert "--resume" in told


def test_where_the_system_refuses_a_thread_the_run_ends_in_one_sentence_and_resumes(
    run: Run, repo: Repo, script: Script
) -> None:
    script(value(9), value(8))
    flags = ("--set", "sandbox.read_only=false")  # its commands are started from a thread
    run(*flags, "--iterations", "1")
    kept = repo.git("rev-parse", BRANCH)
    usual = threading.stack_size(1 << 47)  # more than the system has to give
    try:
        done = run(*flags, "--iterations", "2", "--resume")
    finally:
        threading.stack_size(usual)
    refused(done, 3, "starts no further thread", "pids.max", "--resume")
    assert repo.git("rev-parse", BRANCH) == kept
    assert run(*flags, "--iterations", "2", "--resume").code == 0
    assert repo.git("show", f"{BRANCH}:value") == "8"
    assert repo.git("rev-parse", f"{BRANCH}^") == kept


# --- compare --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "shallow", "cause", "cure"),
    [
        ("0123456789" * 4, False, "force-pushed", "git fetch origin 0123456789"),
        ("0123456789" * 4, True, "shallow clone", "fetch-depth: 0"),
        ("nowhere...", False, "misspelt", "origin/nowhere"),
        ("no-such-branch", False, "misspelt", "origin/no-such-branch"),
        ("no-such-branch", True, "shallow clone", "git fetch --unshallow"),
    ],
)
def test_a_commit_that_is_not_here_is_explained_by_what_can_be_the_cause(
    repo: Repo,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    name: str,
    shallow: bool,
    cause: str,
    cure: str,
) -> None:
    place = repo.path
    if shallow:
        repo.commit("second")
        place = tmp_path / "shallow"
        repo.git("clone", "--quiet", "--depth=1", repo.path.as_uri(), str(place))
    monkeypatch.chdir(place)
    code = run_cli(["compare", name, "HEAD", "--scope", "value", "--metric", "cat value"])
    told = capsys.readouterr().err
    assert code == 2
    assert cause in told
    assert cure in told
    assert ("shallow" in told) == shallow
