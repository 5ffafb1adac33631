"""`debug` without a key: what fails, which commit brought it, which changed lines are executed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import Repo
from tests.debugging import CHECK, COMMAND, Debug, history, make_debug


@pytest.fixture
def debug(
    repo: Repo,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Debug:
    return make_debug(repo, tmp_path, capsys, monkeypatch)


def test_the_commit_that_brought_it_is_found_and_nothing_of_the_checkout_touched(
    repo: Repo, debug: Debug
) -> None:
    names = history(repo, 1, 2, 3, 4, 30, 31, 32, 33)
    before = repo.photograph()
    done = debug("--bisect", names[0])
    assert done.code == 0, done.err
    assert repo.photograph() == before
    (finding,) = done.handoff["findings"]
    assert finding["status"] == "open"
    assert f"{names[4][:12]} brought it: step 4" in finding["title"]
    runs = debug.known().runs.values()
    at_culprit = [run.exit_code for run in runs if run.commit == names[4]]
    at_parent = [run.exit_code for run in runs if run.commit == names[3]]
    assert (at_culprit, at_parent) == ([1, 1, 1], [0, 0, 0])
    assert {piece["run"] for piece in finding["evidence"]} <= {run.number for run in runs}
    assert done.handoff["commit"] == names[-1]
    assert "step 4" in done.page("findings.md")
    rows = done.page("debug-results.tsv").splitlines()
    assert rows[0].split("\t")[:4] == ["iteration", "timestamp", "claim", "status"]
    assert len(rows) == 2
    assert f"next: autoresearch-ci fix --from-debug {done.folder}/handoff.json" in done.out


def test_where_nothing_is_confirmed_it_is_said_how_to_go_on(repo: Repo, debug: Debug) -> None:
    history(repo, 1, 30)
    done = debug("--fix")
    assert done.code == 0, done.err
    assert "not repaired: nothing is confirmed for --fix to begin with" in done.out
    assert f"debug --command '{COMMAND}' --bisect GOOD" in done.out
    assert f"next: autoresearch-ci fix --symptom '{COMMAND}'" in done.out


def test_without_a_command_what_fix_is_configured_with_says_what_fails(
    repo: Repo, debug: Debug
) -> None:
    repo.write("Makefile", "check:\n\tfalse\n")
    repo.write(".github/autoresearch.yml", "fix: {targets: [{tool: own, command: sh check.sh}]}\n")
    history(repo, 30)
    done = debug(command=None)
    assert done.code == 0, done.err
    assert "sh check.sh: fails 3 of 3" in done.out
    assert "make check" not in done.out
    repo.write(".github/autoresearch.yml", "fix: {skip: [make check]}\n")
    repo.commit("leave it out")
    assert debug(command=None, tag="u").code == 2


def test_what_a_tool_lets_pass_is_no_failure_to_look_into(repo: Repo, debug: Debug) -> None:
    warns = (
        "{tool: warns, command: 'echo a:1:odd', regex: '(?P<path>a):(?P<line>1):(?P<message>.*)'"
    )
    own = "{tool: own, command: sh check.sh}"
    repo.write(
        ".github/autoresearch.yml", f"fix: {{targets: [{warns}, category: warning}}, {own}]}}\n"
    )
    history(repo, 30)
    done = debug(command=None)
    assert "1 lint, 1 warning: one of them is looked into, tests first" in done.out
    assert "sh check.sh: fails 3 of 3" in done.out


def test_a_flaky_failure_is_not_bisected_and_it_is_said_why(repo: Repo, debug: Debug) -> None:
    counter = repo.path.parent / "counter"
    flaky = f'echo x >> {counter}; test "$(($(wc -l < {counter}) % 2))" = 0 || exit 1\n'
    names = history(repo, 1, 2, 3, check=flaky)
    done = debug("--bisect", names[0], *debug.writes_outside)
    assert done.code == 0
    assert "not bisected" in done.out
    assert "fails 5 of 10" in done.out
    assert done.handoff["findings"] == []
    assert not any(run.purpose == "bisect" for run in debug.known().runs.values())


def test_what_fails_at_the_good_commit_too_is_not_bisected(repo: Repo, debug: Debug) -> None:
    names = history(repo, 30, 31, 32)
    done = debug("--bisect", names[0])
    assert "at the good commit" in done.page("summary.md")
    assert done.handoff["findings"] == []
    assert done.handoff["status"] == "BOUNDED"


def test_commits_that_cannot_be_tested_are_skipped(repo: Repo, debug: Debug) -> None:
    names = history(repo, 1, 2, None, 4, None, 30, 31, 32)
    broken = CHECK.replace("test ", 'grep -q none value && { echo "no build"; exit 3; }; test ', 1)
    assert broken != CHECK
    history(repo, 33, check=broken)
    done = debug("--bisect", names[0])
    assert done.handoff["findings"] == []
    told = done.page("findings.md")
    assert "suspect" in told
    assert names[5][:12] in told
    assert names[4][:12] in told


def test_a_commit_whose_setup_fails_is_skipped_too(repo: Repo, debug: Debug) -> None:
    repo.write("build.sh", "test ! -e broken\n")
    first = history(repo, 1, 2)
    repo.write("broken", "")
    repo.commit("cannot be built")
    (repo.path / "broken").unlink()
    names = history(repo, 3, 30, 31, 32)
    done = debug("--bisect", first[0], "--set", 'setup=["sh build.sh"]')
    assert done.code == 0, done.err
    assert names[1][:12] in done.handoff["findings"][0]["title"]


def test_a_check_that_was_written_later_is_taken_along(repo: Repo, debug: Debug) -> None:
    names = []
    for value in (1, 2, 30, 31):
        repo.write("value", f"{value}\n")
        repo.write("notes", f"{value}\n")
        names.append(repo.commit(f"value {value}"))
    repo.write("check.sh", CHECK)
    repo.commit("a check for it")
    done = debug("--bisect", names[0])
    assert names[2][:12] in done.handoff["findings"][0]["title"]


def test_a_bug_that_a_merge_brought_is_found_on_its_branch(repo: Repo, debug: Debug) -> None:
    names = history(repo, 1, 2)
    repo.git("switch", "--quiet", "-c", "side")
    repo.write("side", "1\n")
    repo.commit("side 1")
    repo.write("value", "30\n")
    culprit = repo.commit("side 2")
    repo.write("side", "3\n")
    repo.commit("side 3")
    repo.git("switch", "--quiet", "main")
    for number in range(3):
        repo.write("notes", f"main {number}\n")
        repo.commit(f"main {number}")
    repo.git("merge", "--quiet", "--no-edit", "side")
    done = debug("--bisect", names[0])
    assert done.code == 0, done.err
    assert culprit[:12] in done.handoff["findings"][0]["title"]


def test_with_json_standard_output_is_the_handoff(repo: Repo, debug: Debug) -> None:
    names = history(repo, 1, 30)
    done = debug("--bisect", names[0], "--json")
    assert json.loads(done.out) == done.handoff
    assert "first bad commit" in done.err


def test_no_time_is_said_and_more_of_it_goes_on(repo: Repo, debug: Debug) -> None:
    names = history(repo, 1, 2, 30, 31)
    done = debug("--bisect", names[0], "--minutes", "0.000001")
    assert done.code == 0, done.err
    assert "--resume" in done.out
    assert done.handoff["findings"] == []
    assert done.handoff["status"] == "BOUNDED"
    again = debug("--resume", command=None)
    assert names[2][:12] in again.handoff["findings"][0]["title"]


def test_a_command_that_passes_leaves_nothing_to_look_for(repo: Repo, debug: Debug) -> None:
    names = history(repo, 1, 2)
    done = debug("--bisect", names[0])
    assert done.code == 0
    assert "passes 3 of 3" in done.page("summary.md")
    assert not any(run.purpose == "bisect" for run in debug.known().runs.values())


@pytest.mark.parametrize(
    ("flags", "command", "code", "why"),
    [
        (("--bisect", "no-such"), COMMAND, 2, "is no commit"),
        (("--bisect=--all",), COMMAND, 2, "is no commit"),
        (("--bisect", "HEAD"), COMMAND, 2, "in which it fails"),
        (("--bisect", "side"), COMMAND, 2, "does not build upon it"),
        (("--technique", "tarot"), COMMAND, 2, "error-line"),
        (("--program", "nothing.md"), COMMAND, 2, "cannot be read"),
        ((), "no-such-program --x", 4, "cannot be started"),
        ((), None, 2, "nothing that could fail"),
        (("--resume",), COMMAND, 2, "to continue here"),
        (("--set", "setup=['exit 7']"), COMMAND, 4, "setup command failed"),
    ],
)
def test_what_cannot_be_done_is_refused_with_its_exit_code(
    repo: Repo, debug: Debug, flags: tuple[str, ...], command: str | None, code: int, why: str
) -> None:
    repo.git("branch", "side")
    repo.git("switch", "--quiet", "side")
    repo.write("other", "elsewhere\n")
    repo.commit("aside")
    repo.git("switch", "--quiet", "main")
    history(repo, 30)
    done = debug(*flags, command=command)
    assert (done.code, why in done.err) == (code, True), done.err


def test_a_tag_is_used_once_and_can_be_continued_as_it_began(repo: Repo, debug: Debug) -> None:
    history(repo, 30)
    assert debug().code == 0
    runs = len(debug.known().runs)
    assert debug().code == 3
    assert debug("--resume", command=None).code == 0
    assert len(debug.known().runs) == runs
    other = debug("--resume", command="sh other.sh")
    assert (other.code, "was 'sh check.sh'" in other.err) == (2, True)


def test_a_handoff_in_our_own_form_brings_no_command_either(
    repo: Repo, debug: Debug, tmp_path: Path
) -> None:
    history(repo, 30)
    mine = debug().handoff
    mine["asked"]["command"] = evil = f"touch {tmp_path}/evil; false"
    path = tmp_path / "handed.json"
    path.write_text(json.dumps(mine))
    done = debug("--from", str(path), *debug.writes_outside, tag="u", command=None)
    assert done.code == 0, done.err
    assert not (tmp_path / "evil").exists()
    assert evil not in [run.command for run in debug.known("u").runs.values()]


def test_a_handoff_that_does_not_fit_is_refused_before_anything_is_run(
    repo: Repo, debug: Debug, tmp_path: Path
) -> None:
    history(repo, 30)
    path = tmp_path / "handed.json"
    path.write_text('{"version": 1, "findings": []}')
    done = debug("--from", str(path))
    assert done.code == 2
    assert "does not fit handoff.schema.json" in done.err
    assert not done.folder.exists()


def test_a_pipe_that_hides_the_exit_code_is_named(repo: Repo, debug: Debug) -> None:
    history(repo, 30, check='echo "# fail 1"; exit 1\n')
    done = debug(command=f"{COMMAND} | cat")
    assert "its output tells of a failure (# fail 1): something hides the exit code" in done.out
    assert done.handoff["status"] == "BOUNDED"


def test_a_commit_that_brought_only_the_failing_test_is_not_the_culprit(
    repo: Repo, debug: Debug
) -> None:
    """Nobody knows which of these tests fail, so without them an older commit passes."""
    repo.write("t/first.test.js", "true\n")
    repo.write("cart.js", "x * 2\n")
    good = repo.commit("a cart")
    repo.write("cart.js", "x * 3\n")
    bad = repo.commit("another tax")
    repo.write("notes", "1\n")
    noise = repo.commit("notes")
    repo.write("t/tax.test.js", "grep -q 'x . 2' cart.js\n")
    repo.write("t/held.test.js", "echo HELD-OUT\n")
    test = repo.commit("test the tax")
    command = "for test in t/*.test.js; do sh $test || exit 1; done"
    held = ("--set", "holdout={command: 'true', read: [t/held.test.js]}")
    done = debug("--bisect", good, *held, command=command)
    assert "HELD-OUT" not in "".join(ran.tail for ran in debug.known().runs.values())
    (finding,) = done.handoff["findings"]
    assert f"{bad[:12]} brought it: another tax" in finding["title"]
    assert f"{test[:12]} brought tests that its parent fails, too" in done.out
    since = debug("--bisect", noise, command=command, tag="u")
    assert since.handoff["findings"] == []
    assert f"{test[:12]} brought the tests that fail, and what they show is older" in since.out


def test_a_commit_whose_past_is_cut_off_is_not_the_first_bad_one(repo: Repo, debug: Debug) -> None:
    """To git it looks as if nothing lay before it."""
    good, *_ = history(repo, 1, 2)
    repo.git("checkout", "-q", "-b", "topic")
    bad, cut, _ = history(repo, 30, 31, 32)
    repo.git("checkout", "-q", "-")
    repo.git("merge", "-q", "--no-ff", "-X", "theirs", "-m", "merge", "topic")
    (repo.path / ".git" / "shallow").write_text(f"{cut}\n")
    done = debug("--bisect", good)
    assert done.handoff["findings"] == []
    assert f"{cut[:12]} is bad, but this shallow clone lacks what lies before it" in done.out
    assert bad[:12] not in done.page("findings.md")


def test_a_good_commit_beyond_what_a_shallow_clone_has_is_refused_as_that(
    repo: Repo, debug: Debug
) -> None:
    names = history(repo, 1, 2, 3, 30)
    (repo.path / ".git" / "shallow").write_text(f"{names[2]}\n")
    done = debug("--bisect", names[0])
    assert done.code == 2
    assert "this shallow clone lacks what lies between" in done.err
    assert "fetch-depth: 0" in done.err


def test_tests_that_fail_only_behind_others_are_told_from_those_that_fail(
    repo: Repo, debug: Debug
) -> None:
    repo.write("shop.py", "SEEN = []\n")
    repo.write("test_a.py", "import shop\ndef test_a():\n    shop.SEEN.append(1)\n")
    repo.write("test_b.py", "import shop\ndef test_b():\n    assert not shop.SEEN\n")
    repo.commit("a shop")
    command = f"{sys.executable} -m pytest -q -p no:cacheprovider"
    told = "they fail only when others have run before them"
    assert told in debug(command=command).page("findings.md")
    repo.write("test_b.py", "def test_b():\n    assert False\n")
    repo.commit("worse")
    assert told not in debug(command=command, tag="u").page("findings.md")


@pytest.mark.skipif(not shutil.which("node"), reason="there is no node here")
def test_the_changed_lines_that_node_executes_are_named(repo: Repo, debug: Debug) -> None:
    cart = (
        "exports.tax = (x) => {{\n  return x * {};\n}};\n"
        "exports.other = () => {{\n  return {};\n}};\n"
    )
    test = "require('node:test')('t', () => { if (require('./cart.js').tax(2) !== 4) throw 1; });\n"
    repo.write("cart.test.js", test)
    repo.write("cart.js", cart.format(2, 1))
    good = repo.commit("a cart")
    repo.write("cart.js", cart.format(3, 2))
    repo.commit("another tax")
    done = debug("--bisect", good, command="node --test .")
    (finding,) = done.handoff["findings"]
    assert (finding["path"], finding["line"]) == ("cart.js", 2)
    assert "by executed lines" in done.page("findings.md")


def test_words_of_the_repository_do_nothing_in_the_pages(repo: Repo, debug: Debug) -> None:
    names = history(repo, 1, 2)
    repo.write("value", "30\n")
    repo.commit("@everyone fixes #1 <img src=x> ::error::boom `x`")
    done = debug("--bisect", names[0])
    assert done.code == 0
    page = done.page("findings.md")
    assert "<img" not in page
    assert "@everyone" not in page
    assert not any(row.startswith("::") for row in done.out.splitlines())


PYTHON = {
    "shop.py": "RATE = 2\n\n\ndef tax(x):\n    return x * RATE\n\n\ndef total(x):\n    return x\n",
    "test_shop.py": "from shop import tax, total\n\n\ndef test_tax():\n    assert tax(2) == 4\n\n\n"
    "def test_total():\n    assert total(2) == 2\n",
}


def test_the_changed_lines_that_a_failing_test_executes_are_named(repo: Repo, debug: Debug) -> None:
    for name, text in PYTHON.items():
        repo.write(name, text)
    good = repo.commit("a shop")
    repo.write("shop.py", PYTHON["shop.py"].replace("x * RATE", "x + RATE + 1") + "\n\nIDLE = 1\n")
    repo.write("README", "words\n")
    bad = repo.commit("another tax")
    done = debug("--bisect", good, command=None)
    assert done.code == 0, done.err
    assert done.handoff["findings"], done.page("findings.md")
    (finding,) = done.handoff["findings"]
    assert (finding["path"], finding["line"]) == ("shop.py", 5)
    assert bad[:12] in finding["title"]
    page = done.page("findings.md")
    assert "by executed lines" in page
    assert "shop.py:5 (failing 1, passing 0)" in page
    asked = debug.known().ran("reproduce", bad)[0].command
    assert "test_shop.py::test_tax" in asked
    assert "junit" not in asked


def records(debug: Debug) -> int:
    path = debug.repo.path / ".git/autoresearch/debug-t/investigation.jsonl"
    return path.read_bytes().count(b"\n") if path.exists() else 0


@pytest.mark.parametrize("lines", [2, 9])
def test_killed_at_any_time_it_goes_on_and_finds_the_same(
    repo: Repo, debug: Debug, tmp_path: Path, lines: int
) -> None:
    slow = f"sleep 0.2\n{CHECK}"
    names = history(repo, 1, 2, 3, 30, 31, check=slow)
    words = debug.arguments("--bisect", names[0])
    process = subprocess.Popen(
        [sys.executable, "-m", "autoresearch_ci", *words],
        cwd=repo.path,
        env={**os.environ, "TMPDIR": str(tmp_path / "tmp")},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    while records(debug) < lines and process.poll() is None:
        time.sleep(0.01)
    process.kill()
    process.wait()
    path = repo.path / ".git/autoresearch/debug-t/investigation.jsonl"
    with path.open("ab") as file:
        file.write(b'{"record": "ran", "number": 99')  # torn
    before = debug.known()
    done = debug("--resume", command=None)
    assert done.code == 0, done.err
    assert names[3][:12] in done.handoff["findings"][0]["title"]
    after = debug.known()
    assert {n: after.runs[n] for n in before.runs} == before.runs
    assert len(after.ran("reproduce", names[-1])) == 3


def test_asked_to_stop_it_writes_what_it_knows(repo: Repo, debug: Debug, tmp_path: Path) -> None:
    ran = repo.path.parent / "ran"
    history(repo, 30, check=f"test -e {ran} && sleep 600\ntouch {ran}\nexit 1\n")
    process = subprocess.Popen(
        [sys.executable, "-m", "autoresearch_ci", *debug.arguments(*debug.writes_outside)],
        cwd=repo.path,
        env={**os.environ, "TMPDIR": str(tmp_path / "tmp")},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    while records(debug) < 2 and process.poll() is None:
        time.sleep(0.01)
    process.terminate()
    _, told = process.communicate()
    assert process.returncode == 130, told
    assert json.loads((debug.folder() / "handoff.json").read_text())["status"] == "BOUNDED"


def test_a_record_that_was_changed_is_never_believed(repo: Repo, debug: Debug) -> None:
    history(repo, 30)
    assert debug().code == 0
    path = repo.path / ".git/autoresearch/debug-t/investigation.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"exit_code": 1', b'"exit_code": 0', 1))
    done = debug("--resume", command=None)
    assert (done.code, "not a record of ours" in done.err) == (3, True)
