"""One run from preflight to report, on a real repository: what is recorded, what stays untouched.

The proposer is a script, the metric a shell command of milliseconds that never varies, so that each
candidate costs one measurement and every row can be predicted.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.conftest import Repo, Result, Run, Script

Line = Mapping[str, Any]
BRANCH = "refs/heads/autoresearch/t"
NOTEBOOK = "refs/autoresearch/notebook/t"
CRASHES = "if grep -q crash value; then echo no luck >&2; exit 3; fi; cat value"
"""A metric command that a candidate can crash."""


def change(description: str, path: str, content: str | None, **more: Any) -> Line:
    return {"description": description, "files": {path: content}, **more}


def value(number: object, description: str = "", **more: Any) -> Line:
    return change(description or f"try {number}", "value", f"{number}\n", **more)


# --- rows -----------------------------------------------------------------------------------------


def test_every_outcome_is_a_row_that_says_why(run: Run, script: Script, repo: Repo) -> None:
    script(
        value(9, "better"),
        value(9.5, "worse"),
        value("crash", "breaks"),
        value("many\n1\n2", "two numbers"),
        value("nan", "not a number"),
        value(9, "the same again"),
        change("elsewhere", "other", "changed"),
    )
    done = run(metric=CRASHES)
    assert done.code == 0, done.told
    assert done.column("status") == [
        *("baseline", "keep", "discard", "crash"),
        *("metric-error", "metric-error", "no-op", "discard"),
    ]
    reasons = dict(zip(done.column("description"), done.column("reason"), strict=True))
    assert reasons["breaks"] == "exit code 3: no luck"
    assert reasons["two numbers"].endswith("printed 2 times (1, 2)")
    assert "nan" in reasons["not a number"]
    assert reasons["the same again"] == "the proposal leaves every file as it is"
    assert reasons["elsewhere"] == "out-of-scope: other"
    assert done.column("metric") == ["10", "9", "9.5", *"-----"]
    assert done.column("best") == ["10", *["9"] * 7]
    assert done.column("delta")[1:3] == ["-1", "+0.5"]
    assert done.column("iteration") == [str(i) for i in range(8)]
    assert repo.kept() == ["experiment: better"]


def test_what_old_runs_alone_rejected_is_measured_again_and_then_judged(
    run: Run, script: Script
) -> None:
    """Its only run may have met a slower machine."""
    script(value(13, "first"), *(value(14, f"second, time {n}") for n in (1, 2, 3)))
    runs = script.path.parent / "runs"  # no two of them give the same number
    varies = f"echo >> {runs}; echo $(($(cat value) * 1000 + $(wc -l < {runs})))"
    done = run("--confirm", "never", metric=varies)
    assert done.column("status")[1:] == ["discard", "discard", "discard", "no-op"], done.told
    assert done.column("samples")[1:] == ["2", "1", "2", "0"]
    assert done.column("reason")[2].startswith("clearly worse by old runs: -")
    assert done.column("reason")[4].startswith("the same code as experiment 3, discard: ")


def test_code_that_was_judged_is_not_measured_again(run: Run, script: Script, repo: Repo) -> None:
    runs = repo.path.parent / "runs"
    both = {"description": "a way around", "files": {"value": "11\n", "other": "text\n"}}
    repaired = value("crash", "needs a repair", repairs=[value("crash"), value(9)])
    script(
        *(value(11, "worse"), value(11, "worse, in other words"), both),
        *(value(9, "better"), value(11, "worse than that, too"), value(10, "back to the start")),
        *(value("crash", "breaks"), value("crash", "breaks again"), value(9.5), value(8)),
    )
    options = {"metric": f"echo >> {runs}; {CRASHES}"}
    flags = ("--scope", "other", "--confirm", "never", "--iterations")
    done = run(*flags, "5", **options)
    done = run(*flags, "10", "--resume", **options)
    assert done.column("status")[1:] == [
        *("discard", "no-op", "no-op", "keep", "no-op", "no-op", "crash", "no-op"),
        *("discard", "keep"),
    ], done.told
    reasons = done.column("reason")
    assert reasons[2] == reasons[3] == reasons[5]
    assert reasons[2].startswith("the same code as experiment 1, discard: -10.0 %")
    assert reasons[6] == "the same code as the baseline"
    assert reasons[8] == "the same code as experiment 7, crash: exit code 3: no luck"
    samples = [int(count) for count in done.column("samples")]
    assert [samples[row] for row in (2, 3, 5, 6, 8)] == [0] * 5
    # Once more when it was resumed: what was kept, on what may be another machine.
    assert runs.read_text().count("\n") == sum(samples) + 1
    # A repair that repairs nothing is no further attempt.
    script(repaired)
    row = run(tag="u", **options).rows[1]
    assert (row["status"], row["attempts"], row["samples"]) == ("crash", "1", "2")


def test_a_proposal_that_no_longer_fits_is_a_discard(run: Run, script: Script) -> None:
    stale = {"description": "stale", "edits": [{"path": "value", "old": "7", "new": "1"}]}
    script(stale, value(9))
    done = run()
    assert done.column("status") == ["baseline", "discard", "keep"], done.told
    assert "'7'" in done.rows[1]["reason"]


def test_a_refused_proposal_is_neither_committed_nor_measured(run: Run, script: Script) -> None:
    script(change("elsewhere", "other", "changed"))
    row = run().rows[1]
    assert (row["commit"], row["samples"], row["metric"]) == ("-", "0", "-")


def test_higher_can_be_better(run: Run, script: Script, repo: Repo) -> None:
    script(value(9), value(11))
    assert run("--direction", "maximize").column("status")[1:] == ["discard", "keep"]
    assert repo.kept() == ["experiment: try 11"]


def test_a_run_says_where_it_stands_as_often_as_it_is_told_to(run: Run, script: Script) -> None:
    script(value(9), value(11), value(8))
    assert "checkpoint" not in run("--set", "checkpoints=0").told
    told = run("--set", "checkpoints=2", "--tag", "again").told
    assert told.count("checkpoint after") == 1
    assert "checkpoint after 2: 10 -> 9, 10.0 % better; 1 of 2 kept; continue" in told


def test_a_crash_is_repaired_within_the_same_row(run: Run, script: Script, repo: Repo) -> None:
    repairs = [value("crash 2", "still wrong"), value(8, "a typo")]
    script(value("crash 1", "idea", repairs=repairs), value(7, "next"))
    done = run(metric=CRASHES)
    row = done.rows[1]
    assert (row["status"], row["attempts"], row["description"]) == ("keep", "3", "idea")
    # A crash is measured twice, a keep three times.
    assert (row["metric"], row["samples"]) == ("8", "7")
    assert done.column("iteration") == ["0", "1", "2"]
    assert repo.kept() == ["experiment: idea", "experiment: next"]


def test_a_crash_gets_three_attempts_and_no_more(run: Run, script: Script, repo: Repo) -> None:
    repairs = [value("crash 2"), value("crash 3"), value(8, "too late")]
    script(value("crash 1", "idea", repairs=repairs))
    row = run(metric=CRASHES).rows[1]
    assert (row["status"], row["attempts"], row["samples"]) == ("crash", "3", "6")
    assert repo.ref(BRANCH) == ""


def test_a_repair_that_does_not_help_leaves_the_incumbent_in_place(
    run: Run, script: Script, repo: Repo
) -> None:
    script(
        {
            "description": "two files",
            "files": {"value": "crash\n", "other": "x\n"},
            "repairs": [value("crash again")],
        },
        value(9),
    )
    done = run("--scope", "other", metric=f"{CRASHES}; grep -q text other")
    assert done.column("status") == ["baseline", "crash", "keep"], done.told
    assert repo.show(BRANCH, "other") == b"text\n"


def test_a_better_metric_that_breaks_a_guard_may_be_reworked(
    run: Run, script: Script, repo: Repo
) -> None:
    files = {"value": "9\n", "other": "text 9\n"}
    rework = {"description": "add what the guard wants", "files": files}
    script(
        value(9, "idea", repairs=[value(9.5, "careless"), rework]),
        value(8, "given up", repairs=[value(8.1), value(8.2), value(7)]),
    )
    guard = "grep -q 10 value || grep -q $(cat value) other"
    done = run("--scope", "other", "--guard", guard)
    assert done.column("status") == ["baseline", "keep", "discard"], done.told
    assert done.column("guard") == ["pass", "pass", "fail"]
    assert done.column("attempts") == ["1", "3", "3"]
    assert done.rows[2]["reason"] == f"guard failed: exit code 1 ({guard})"
    assert repo.show(BRANCH, "other") == b"text 9\n"


def test_a_guard_runs_only_on_what_would_be_kept(run: Run, script: Script) -> None:
    script(value(11), value(9))
    assert run("--guard", "true").column("guard") == ["pass", "-", "pass"]


def test_a_guard_with_a_number_allows_its_tolerance(run: Run, script: Script, repo: Repo) -> None:
    repo.write(
        ".github/autoresearch.yml",
        "scope: [value, other]\n"
        "metric: {command: cat value}\n"
        "guards:\n"
        "  - {command: cat other, metric: size, direction: minimize, tolerance: 10%}\n",
    )
    repo.write("other", "size: 100\n")
    repo.commit("configuration")
    script(
        {"description": "9, 110", "files": {"value": "9\n", "other": "size: 110\n"}},
        {"description": "8, 111", "files": {"value": "8\n", "other": "size: 111\n"}},
        {"description": "7, none", "files": {"value": "7\n", "other": "size: none\n"}},
        {"description": "6, 50", "files": {"value": "6\n", "other": "size: 50\n"}},
    )
    done = run(scope=None, metric=None)
    assert done.column("status") == ["baseline", "keep", "discard", "discard", "keep"], done.told
    assert done.column("guard-metric") == ["100", "110", "111", "-", "50"]
    assert done.rows[2]["reason"] == "size 111 is worse than 100 by more than 10 %"


def test_a_guard_may_watch_a_second_number_of_the_metric_command(
    run: Run, script: Script, repo: Repo
) -> None:
    command = "echo run >> $RUNS; cat value"
    repo.write(
        ".github/autoresearch.yml",
        f"scope: [value]\nmetric: {{command: {command}, name: loss}}\n"
        f"guards: [{{command: {command}, metric: memory}}]\n"
        f"env: {{RUNS: {repo.path.parent}/runs}}\n",
    )
    repo.write("value", "loss: 2\nmemory: 5\n")
    repo.commit("configuration")
    script(value("loss: 1\nmemory: 6", "hungry"), value("loss: 1\nmemory: 5", "lean"))
    done = run(scope=None, metric=None, confirm="never")
    assert done.column("status") == ["baseline", "discard", "keep"], done.told
    runs = (repo.path.parent / "runs").read_text().count("run")
    assert runs == sum(int(samples) for samples in done.column("samples"))


# --- the end of a run -----------------------------------------------------------------------------


def stopped(run: Run, *flags: str) -> tuple[int, str]:
    """Iterations done, and the reason given."""
    done = run(*flags)
    assert done.code == 0, done.told
    reason = next(line for line in done.out.splitlines() if line.startswith("stopped: "))
    return len(done.rows) - 1, reason.removeprefix("stopped: ")


def test_a_run_ends_at_its_last_iteration(run: Run, script: Script) -> None:
    script(value(9), value(8), value(7))
    assert stopped(run, "--iterations", "2") == (2, "all 2 iterations done")


def test_a_run_ends_at_its_target(run: Run, script: Script) -> None:
    script(value(9), value(8), value(7))
    assert stopped(run, "--set", "metric.target=8") == (2, "target 8 reached")


def test_a_run_ends_at_a_plateau(run: Run, script: Script) -> None:
    script(value(11), value(9), value(12), value(13), value(8))
    assert stopped(run, "--set", "plateau=2") == (4, "plateau: 2 iterations without a keep")


def test_setup_is_part_of_the_minutes(run: Run, script: Script) -> None:
    script(value(9))
    done, reason = stopped(run, "--set", "setup=[sleep 1.5]", "--minutes", "0.02")
    assert reason.startswith("time budget"), reason
    assert done == 0


def test_a_journal_that_was_deleted_during_the_run_is_whole_in_the_end(
    run: Run, script: Script, repo: Repo
) -> None:
    script(value(9), value(8))
    journal = repo.path / "autoresearch" / "run-t" / "results.tsv"
    done = run(
        *("--set", f"sandbox.write=[{repo.path.parent}, {journal.parent}]"),
        metric=f"[ $(cat value) = 8 ] && rm -f {journal}; cat value",
        **{"sandbox-write": None},
    )
    assert done.column("status") == ["baseline", "keep", "keep"], done.told


def test_a_run_ends_when_its_minutes_are_over(run: Run, script: Script) -> None:
    script(value(9), value(8), value(7))
    done = run("--minutes", "0.00001")
    assert done.column("status") == ["baseline"], done.told
    assert "stopped: time budget of 1e-05 min used up" in done.out
    # Two equal values, where a third is not waited for, prove no metric exact.
    assert done.column("samples") == ["2"]
    assert "deterministic" not in done.out
    assert run("--resume", "--confirm", "never").column("status") == ["baseline", *["keep"] * 3]


def test_no_command_begins_that_the_minutes_do_not_hold(
    run: Run, script: Script, repo: Repo
) -> None:
    """Half decided is undecided: what was begun is measured again when the run is resumed."""
    runs = repo.path.parent / "runs"
    nap = repo.path.parent / "nap"
    nap.write_text("3")
    metric = f"echo >> {runs}; if grep -q 9 value; then sleep $(cat {nap}); fi; cat value"
    script(value(9))

    def measured(*flags: str) -> tuple[Result, int]:
        runs.write_text("")
        return run(*flags, metric=metric), runs.read_text().count("\n")

    done, count = measured("--minutes", "0.05")
    assert done.code == 0, done.told
    assert "stopped: time budget of 0.05 min" in done.out
    # One more than the baseline's at the most; a keep takes three, and four its confirmation.
    assert done.column("status") == ["baseline"]
    assert count <= int(done.rows[0]["samples"]) + 1
    nap.write_text("0")
    done, _ = measured("--resume", "--confirm", "never")
    assert done.column("status") == ["baseline", "keep"], done.told
    done, count = measured("--resume", "--minutes", "0.00001")
    assert "the gain could not be confirmed: time budget of 1e-05 min used up" in done.told
    assert count == 0


def test_a_run_ends_with_its_script(run: Run, script: Script) -> None:
    script(value(9))
    assert stopped(run) == (1, "the proposer has nothing more to propose")


def test_no_iterations_measure_the_baseline_only(run: Run, script: Script) -> None:
    script(value(9))
    assert stopped(run, "--iterations", "0") == (0, "all 0 iterations done")


# --- git ------------------------------------------------------------------------------------------


def test_the_branch_holds_the_kept_commits_and_nothing_else(
    run: Run, script: Script, repo: Repo
) -> None:
    long = "a sentence that goes on " * 8
    script(
        value(9, "first"), value(11, "worse"), value(8, f"{long}\nwith\ttabs"), value("x", "broken")
    )
    done = run()
    assert repo.subjects(f"main..{BRANCH}") == [
        "experiment: first",
        f"experiment: {long}"[:99] + "…",
    ]
    assert repo.ref("autoresearch/t") == done.rows[3]["commit"]  # what a person will type
    assert repo.ref(f"{BRANCH}~1") == done.rows[1]["commit"]
    assert repo.ref(f"{BRANCH}~2") == repo.ref("main")
    assert repo.git("diff", "--stat", "main", BRANCH, "--name-only") == "value"
    trailers = repo.git("log", "-1", "--format=%(trailers:only)", f"{BRANCH}~1").splitlines()
    assert [line for line in trailers if line] == [
        "Autoresearch-Run: t",
        "Autoresearch-Iteration: 1",
        "Autoresearch-Metric: 9.0",
    ]
    assert f"experiment: {long.strip()} with tabs" in repo.git("log", "-1", "--format=%b", BRANCH)


def test_the_notebook_holds_every_attempt_and_the_journal_at_that_time(
    run: Run, script: Script, repo: Repo
) -> None:
    script(value(9, "good"), value(11, "bad"), value(9, "nothing"), value("crash", "broken"))
    done = run(metric=CRASHES)
    assert repo.subjects(NOTEBOOK) == [
        "baseline: the unmodified code",
        *("keep: good", "discard: bad", "no-op: nothing", "crash: broken"),
    ]
    journal = (done.folder / "results.tsv").read_bytes()
    for row in done.rows:
        commit = f"{NOTEBOOK}~{4 - int(row['iteration'])}"
        noted = repo.show(commit, "results.tsv")
        assert journal.startswith(noted)
        assert noted.count(b"\n") == 3 + int(row["iteration"])
        if row["commit"] != "-" and row["status"] != "baseline":
            assert repo.ref(f"{commit}^2") == row["commit"]
    assert repo.show(f"{NOTEBOOK}~2^2", "value") == b"11\n"


def test_every_attempt_of_a_row_survives_garbage_collection(
    run: Run, script: Script, repo: Repo
) -> None:
    crash = value("crash", "idea", repairs=[value("crash again", "repair"), value(9, "works")])
    lost = value("crash too", "lost", repairs=[change("elsewhere", "other", "x")])
    script(crash, lost, value(8))
    run("--iterations", "2", metric=CRASHES)
    repo.git("gc", "--quiet", "--prune=now")
    attempts = repo.git("log", "--format=%H", "--grep=^experiment", NOTEBOOK).split()
    assert {repo.show(commit, "value") for commit in attempts} == {
        *(b"crash\n", b"crash again\n", b"9\n", b"crash too\n")
    }
    done = run("--resume", metric=CRASHES)
    assert done.column("status") == ["baseline", "keep", "discard", "keep"], done.told
    repo.git("fsck", "--strict", "--no-dangling")


def test_nothing_kept_means_no_branch(run: Run, script: Script, repo: Repo) -> None:
    script(value(11))
    assert run().code == 0
    assert repo.ref(BRANCH) == ""
    assert repo.ref(NOTEBOOK)


def test_publish_none_keeps_without_a_branch(run: Run, script: Script, repo: Repo) -> None:
    script(value(9), value(8), value(8.5))
    done = run("--publish", "none")
    assert done.column("status")[1:] == ["keep", "keep", "discard"], done.told
    assert repo.git("branch", "--format=%(refname:short)") == "main"
    assert repo.subjects(f"{NOTEBOOK}~1^2")[-2:] == [
        "experiment: try 9",
        "experiment: try 8",
    ]


def test_a_resumed_run_on_another_machine_keeps_no_change_for_what_the_machine_gained(
    run: Run, script: Script, repo: Repo, tmp_path: Path
) -> None:
    """Of an exact number: one that varies is compared with fresh runs anyway."""
    machine = tmp_path / "machine"
    machine.mkdir()
    machine.chmod(0o755)
    repo.write("other", "1\n")
    repo.commit()
    script(value(9), {"description": "does nothing", "files": {"other": "2\n"}}, value(8))
    flags = ("--scope", "other", "--set", f"sandbox.read=[{machine}]")
    metric = f"expr $(cat value) + $(cat {machine}/level)"
    (machine / "level").write_text("50\n")
    run(*flags, "--iterations", "1", metric=metric)
    (machine / "level").write_text("40\n")
    done = run(*flags, "--iterations", "3", "--resume", metric=metric)
    assert done.column("status")[1:] == ["keep", "discard", "keep"], done.told
    assert "what was kept measures 49 now and 59 before" in done.out + done.err
    assert done.rows[2]["reason"] == "+0.00 %, deterministic"
    assert done.column("delta")[1:] == ["-1", "0", "-1"]


def test_a_second_run_has_its_own_branch_and_leaves_the_first_alone(
    run: Run, script: Script, repo: Repo
) -> None:
    script(value(9))
    run()
    first = repo.ref(BRANCH), repo.ref(NOTEBOOK)
    assert run(tag="u").code == 0
    assert (repo.ref(BRANCH), repo.ref(NOTEBOOK)) == first
    assert repo.kept("u") == ["experiment: try 9"]


# --- what is the user's stays the user's ----------------------------------------------------------


def test_the_checkout_is_untouched_whatever_state_it_is_in(
    run: Run, script: Script, repo: Repo
) -> None:
    repo.write(".gitignore", "*.o\n")
    repo.write("run.sh", "#!/bin/sh\n", 0o755)
    repo.write("locked", "read only\n", 0o444)
    repo.git("config", "core.autocrlf", "input")
    repo.commit("more files")
    repo.write("value", "stashed\n")
    repo.git("stash")
    repo.git("switch", "--quiet", "-c", "topic")
    repo.write("value", "5\n")
    repo.write("other", "staged\n")
    repo.git("add", "other")
    repo.write("other", "staged, then changed\n")
    repo.write("new", "untracked\n", 0o600)
    repo.write("a.o", "ignored\n")
    repo.path.joinpath("run.sh").chmod(0o700)
    repo.path.joinpath("link").symlink_to("nowhere")
    repo.git("update-index", "--assume-unchanged", "value")
    status = repo.git("status", "--porcelain")
    before = repo.photograph()
    script(value(9), value("crash"), value(11), change("add", "new", "x"), value(8))
    done = run("--scope", "new", metric=CRASHES)
    assert done.column("metric") == ["10", "9", "-", "11", "9", "8"], done.told
    assert repo.photograph() == before
    assert repo.git("status", "--porcelain") == status
    assert repo.git("symbolic-ref", "HEAD") == "refs/heads/topic"
    assert repo.git("stash", "list").count("stash@") == 1
    assert run.leftovers() == []


def test_a_run_without_a_branch_says_where_its_commits_are(
    run: Run, script: Script, repo: Repo
) -> None:
    script(value(9))
    done = run("--publish", "none")
    assert "; 1 kept\n" in done.out
    shown = (done.folder / "summary.md").read_text(encoding="utf-8")
    [command] = [line for line in shown.splitlines() if "# what was kept" in line]
    words = command.partition("#")[0].split()
    assert "try 9" in repo.git(*words[1:])


def test_the_run_folder_is_kept_out_of_git_without_a_tracked_change(
    run: Run, script: Script, repo: Repo
) -> None:
    exclude = repo.path / ".git" / "info" / "exclude"
    before = exclude.read_text()
    run(tag="t")
    run(tag="u")
    assert exclude.read_text() == f"{before}/autoresearch/run-*/\n"
    assert repo.git("status", "--porcelain") == ""


def test_uncommitted_changes_are_not_part_of_the_run_and_it_says_so(run: Run, repo: Repo) -> None:
    repo.write("value", "1\n")
    done = run()
    assert done.rows[0]["metric"] == "10"
    assert "uncommitted changes" in done.out


# --- the measure tree -----------------------------------------------------------------------------

CENSUS = """
cd "$1"
(find tree home tmp ! -path tree/value -printf '%M %p %l\n' | LC_ALL=C sort
 find tree home tmp -type f ! -path tree/value ! -path 'tree/.git/[Hi]*' -exec cksum {} + |
    LC_ALL=C sort) |
    cksum | cut -d' ' -f1
"""
"""Prints a number that stands for all names, modes and contents of the measure tree, HOME, TMP.

But for what a candidate changes: its file, and git's word on what is measured.
"""

VANDALISM = {
    "creates files": "touch x 'a b' .hidden; mkdir -p deep/er; echo 1 > deep/er/x; mkfifo pipe",
    "changes files": "echo more >> other; : > folder/file",
    "changes files in place with their time": (
        "s=$TMPDIR/stamp; touch -r other $s; echo TEXT > other; touch -r $s other; rm $s"
    ),
    "deletes files": "rm -rf folder other",
    "renames": "mv other other2; mv folder folder2",
    "takes permissions away": "chmod +x folder/file; chmod 444 value; chmod 0 other folder",
    "closes folders": "mkdir shut; touch shut/x; chmod 500 shut; chmod 555 folder; chmod 444 .",
    "replaces a file by a link": "rm other; ln -s /etc/passwd other; ln -s / root",
    "replaces a folder by a file": "rm -rf folder; echo x > folder",
    "replaces a folder by a link": ("m=$TMPDIR/moved; mv folder $m; ln -s $m folder; rm -rf $m"),
    "replaces a file by a folder": "rm other; mkdir -p other/other; touch other/other/x",
    "writes to HOME and TMP": (
        'mkdir -p "$HOME/.cache" "$TMPDIR/x"; touch "$HOME/.cache/x" "$TMPDIR/x/y"'
    ),
    "makes a git repository": (
        "rm -rf .git; git init -q . && git add -A && "
        "git -c user.name=a -c user.email=b commit -qm x"
    ),
    "changes the candidate": "echo 1 > value",
    "makes folders without permission": "mkdir -p dark/er; touch dark/er/x; chmod 0 dark/er dark",
}


def test_what_a_measurement_does_does_not_reach_the_next(
    run: Run, script: Script, repo: Repo
) -> None:
    """Each candidate does another harm, the unmodified code the first."""
    last = 10 + len(VANDALISM)
    harms = "".join(f"{n})\n{harm}\n;;\n" for n, harm in enumerate(VANDALISM.values(), start=10))
    census = f"box=$(dirname $PWD)\n(set -- $box; {CENSUS})\n"
    repo.write("folder/file", "content\n")
    repo.write("bench.sh", f"{census}case $(cat value) in\n{harms}esac\n")
    repo.commit("benchmark")
    script(*map(value, range(11, last + 1)))
    done = run("--iterations", str(len(VANDALISM)), metric="bash bench.sh")
    assert done.code == 0, done.told
    found = dict(zip(["none yet", *VANDALISM], done.column("metric"), strict=True))
    assert len(set(found.values())) == 1, found
    assert done.column("status") == ["baseline", *["discard"] * len(VANDALISM)], done.told
    assert "this metric is deterministic" in done.out  # the baseline's own runs saw no difference
    assert run.leftovers() == []


def test_a_candidate_is_measured_and_nothing_of_it_reaches_the_next(
    run: Run, script: Script, repo: Repo
) -> None:
    repo.write("src/a", "1\n")
    repo.write("src/b", "1\n")
    repo.commit("sources")
    script(
        change("add", "src/new/deep/c", "x"),
        {"description": "remove", "files": {"src/a": None, "src/b": None}},
        {"description": "move", "files": {"src/b": None, "src/new/b": "1\n"}},
        change("edit", "src/b", "2\n"),
    )
    done = run(
        *("--metric-name", "same", "--guard", "true"),
        scope="src/",
        metric="exec 2>&1; find src ! -type d | sort; cat src/b*; echo same: 1",
    )
    assert done.column("status") == ["baseline", *["discard"] * 4], done.told

    def seen(iteration: int) -> list[str]:
        log = (done.folder / "logs" / f"{iteration}.log").read_text()
        return log.partition("\nsame: 1\n")[0].splitlines()[1:]

    assert [seen(i) for i in range(5)] == [
        ["src/a", "src/b", "1"],
        ["src/a", "src/b", "src/new/deep/c", "1"],
        ["find: ‘src’: No such file or directory", "cat: 'src/b*': No such file or directory"],
        ["src/a", "src/new/b", "cat: 'src/b*': No such file or directory"],
        ["src/a", "src/b", "2"],
    ]


def test_what_setup_made_survives_a_metric_that_spoils_it(
    run: Run, script: Script, repo: Repo
) -> None:
    repo.write("lock", "1\n")
    repo.commit("lock file")
    script(value(9), value(8))
    metric = (
        'cat built/x "$HOME/.tool" lock | tr -d "\\n" | grep -qx 5home2 || exit 7; cat value; '
        'echo bad > built/x; rm "$HOME/.tool"; echo 3 > lock'
    )
    done = run(
        "--set",
        "setup=[mkdir built; echo 5 > built/x, printf home > $HOME/.tool; echo 2 > lock]",
        metric=metric,
    )
    assert done.column("metric") == ["10", "9", "8"], done.told
    assert repo.git("diff", "--name-only", "main", BRANCH) == "value"


def test_dependency_folders_come_along_and_go_no_way_back(
    run: Run, script: Script, repo: Repo
) -> None:
    repo.write(".gitignore", "node_modules\n")
    repo.commit("ignore")
    repo.write("node_modules/pkg/run", "echo yes\n", 0o755)
    (repo.path / "node_modules" / ".bin").mkdir()
    (repo.path / "node_modules" / ".bin" / "run").symlink_to("../pkg/run")
    before = repo.photograph()
    script(value(9), value(8))
    harm = "echo spoilt > node_modules/pkg/run; rm node_modules/.bin/run"
    metric = f"test $(node_modules/.bin/run) = yes || exit 7; cat value; {harm}"
    done = run(metric=metric)
    assert done.column("metric") == ["10", "9", "8"], done.told
    assert repo.photograph() == before


def test_submodules_are_filled_in(run: Run, script: Script, repo: Repo) -> None:
    library = another(repo, "library")
    library.write("data", "data\n")
    library.write("folder/more", "more\n")
    library.commit("library")
    repo.git("submodule", "--quiet", "add", str(library.path), "vendor/lib")
    repo.commit("use the library")
    before = repo.photograph()
    script(value(9), change("inside", "vendor/lib/data", "x"), change("it", "vendor/lib", "x"))
    metric = "cat vendor/lib/data vendor/lib/folder/more >&2 || exit 7; cat value; rm -r vendor"
    done = run("--scope", "vendor/", metric=metric)
    assert done.column("status") == ["baseline", "keep", "discard", "discard"], done.told
    assert done.rows[2]["reason"].startswith("out-of-scope: vendor/lib/data")
    assert done.rows[3]["reason"].startswith("out-of-scope: vendor/lib")
    assert repo.photograph() == before
    assert repo.git("diff", "--name-only", "main", BRANCH) == "value"


def test_a_submodule_that_is_not_checked_out_is_an_empty_folder_and_we_say_so(
    run: Run, repo: Repo
) -> None:
    library = another(repo, "library")
    library.commit("library")
    repo.git("submodule", "--quiet", "add", str(library.path), "lib")
    repo.commit("use the library")
    repo.git("submodule", "--quiet", "deinit", "--force", "lib")
    done = run(metric="ls lib >&2 || exit 7; cat value")
    assert done.code == 0, done.told
    assert "submodule lib is not checked out" in done.out


def another(repo: Repo, name: str) -> Repo:
    """A second repository, beside the first."""
    path = repo.path.parent / name
    path.mkdir()
    other = type(repo)(path)
    other.git("init", "--quiet", "--initial-branch=main")
    return other


# --- names and bytes ------------------------------------------------------------------------------

NAMES = {
    "spaces": " a  b ",
    "newline": "a\nb",
    "quotes": "a\"b'c",
    "emoji": "🦜/é/日本",
    "options": "--help",
    "globs": "a*?[b]",
    "dollar": "$(touch x)`y`",
    "tab": "a\tb",
    "backslash beside it": "plain",
}


def test_any_name_can_be_edited_measured_and_kept(run: Run, script: Script, repo: Repo) -> None:
    names = [f"src/{name}" for name in NAMES.values()]
    for name in names:
        repo.write(name, "10\n")
    repo.write("src/back\\slash", "x\n")
    repo.commit("names")
    metric = "find src -type f ! -name 'back*' -exec cat {} + | awk '{n += $1} END {print n}'"
    edits = [change(f"edit {name}", name, "9\n") for name in names]
    script(*edits, *(change(f"add {name}2", f"{name}2", "8\n") for name in names))
    done = run("--iterations", "99", scope="src/", metric=f"{metric}; rm -rf src")
    total = 10 * len(names)
    assert done.column("status")[1:] == [*["keep"] * len(names), *["discard"] * len(names)]
    assert done.column("metric")[1:] == [
        *(str(total - n - 1) for n in range(len(names))),
        *[str(total - len(names) + 8)] * len(names),
    ]
    assert {repo.show(BRANCH, name) for name in names} == {b"9\n"}
    changed = repo.git("diff", "--name-only", "-z", "main", BRANCH).split("\0")[:-1]
    assert set(changed) == set(names)


def test_names_that_are_no_text_are_carried_along(run: Run, script: Script, repo: Repo) -> None:
    name = os.fsdecode(b"src/\xff\xfe caf\xe9")
    repo.write(name, b"\xff\x00bytes")
    repo.commit("latin1")
    before = repo.photograph()
    script(value(9), value(8))
    harm = "for f in src/*; do echo spoilt > \"$f\"; done; touch src/$(printf 'new\\377')"
    check = "test $(cat src/* | wc -c) = 7 || exit 7"
    done = run("--scope", "src/", metric=f"{check}; cat value; {harm}")
    assert done.column("metric") == ["10", "9", "8"], done.told
    assert repo.photograph() == before
    raw = subprocess.run(
        ["git", "ls-tree", "-r", "-z", "--name-only", BRANCH],
        cwd=repo.path,
        check=True,
        capture_output=True,
    ).stdout
    assert b"src/\xff\xfe caf\xe9\0" in raw


@pytest.mark.parametrize("scope", ["src/", "value"], ids=["in scope", "out of scope"])
def test_a_run_with_names_that_are_no_text_resumes(
    scope: str, run: Run, repo: Repo, script: Script, tmp_path: Path
) -> None:
    name = os.fsdecode(b"src/caf\xe9")
    repo.write(name, "10\n")
    repo.commit("latin1")
    edit = "for f in src/caf*; do echo $(($(cat $f) - 1)) > $f; done; echo 8 > value"
    config = tmp_path / "config.yml"
    config.write_text(f"proposer: {{command: {json.dumps(edit)}}}\n")
    flags = ("--config", str(config), "--scope", scope)
    metric = "cat src/caf*" if scope == "src/" else "cat value"
    first = run(*flags, "--iterations", "1", proposer=None, metric=metric, scope=None)
    assert first.code == 0, first.told
    again = run(*flags, "--resume", "--iterations", "2", proposer=None, metric=metric, scope=None)
    assert again.code == 0, again.told
    assert len(again.rows) == 3, again.told
    ends = ["keep", "keep"] if scope == "src/" else ["keep", "no-op"]
    assert again.column("status")[1:] == ends, again.told


BYTES = {
    "CRLF": b"one\r\nvalue = 10\r\nthree\r\n",
    "no final newline": b"one\nvalue = 10",
    "mixed line ends": b"one\r\nvalue = 10\nthree\rfour",
    "byte order mark": b"\xef\xbb\xbfvalue = 10\n",
    "no UTF-8": b"caf\xe9 \xff\xfe\x00\nvalue = 10\n\x80",
    "empty lines at the end": b"value = 10\n\n\n",
}


@pytest.mark.parametrize("attributes", ["", "* text=auto eol=crlf\n"], ids=["plain", "crlf"])
def test_bytes_outside_the_edit_stay_as_they_are(
    run: Run, script: Script, repo: Repo, attributes: str
) -> None:
    for name, content in BYTES.items():
        repo.write(f"files/{name}", content)
    repo.commit("as it is")
    if attributes:
        repo.write(".gitattributes", attributes)
        repo.git("add", ".gitattributes")
        repo.git("commit", "--quiet", "-m", "attributes")
    edit = {"old": "value = 10", "new": "value = 9"}
    script({"description": "edit", "edits": [{"path": f"files/{n}", **edit} for n in BYTES]})
    metric = "grep -aoh 'value = [0-9]*' files/* | cut -c9- | sort -u"
    done = run(scope="files/", metric=metric)
    assert done.column("status") == ["baseline", "keep"], done.told
    for name in BYTES:
        base = repo.show("main", f"files/{name}")
        assert repo.show(BRANCH, f"files/{name}") == base.replace(b"10", b"9")


def test_a_candidate_is_measured_with_the_line_ends_of_the_base(
    run: Run, script: Script, repo: Repo
) -> None:
    """Else a change of one word would look like a change of every line to measured code."""
    repo.write(".gitattributes", "*.bat text eol=crlf\n")
    repo.write("a.bat", "10\r\nx\r\n")
    repo.commit("crlf")
    edit = {"path": "a.bat", "old": "10", "new": "9"}
    script({"description": "edit", "edits": [edit]})
    metric = "head -1 a.bat | tr -d '\\r'; tr -dc '\\r' < a.bat | wc -c"
    done = run("--set", r"metric.extract.regex=(?m)\A\d+\n(\d+)", scope="a.bat", metric=metric)
    assert done.rows[1]["metric"] == done.rows[0]["metric"], done.told


def test_attributes_that_a_measurement_spoils_do_not_change_line_ends(
    run: Run, script: Script, repo: Repo
) -> None:
    repo.write(".gitattributes", "*.bat text eol=crlf\n")
    repo.write("a.bat", "x\r\n")
    repo.write("b.bat", "x\r\n")
    repo.commit("crlf")
    script(change("same length", "a.bat", "y\n"), value(10), value(9))
    metric = "cat a.bat b.bat | wc -c; rm a.bat b.bat; echo > .gitattributes"
    done = run("--scope", "a.bat", metric=metric)
    assert set(done.column("metric")) == {"6", "-"}, done.told


def test_executable_bits_stay_as_they_are(run: Run, script: Script, repo: Repo) -> None:
    repo.write("bench", "#!/bin/sh\ncat value\n", 0o755)
    repo.write("tool", "#!/bin/sh\necho 1\n", 0o755)
    repo.commit("tools")
    script(
        {"description": "edit a tool", "files": {"tool": "#!/bin/sh\necho 2\n", "value": "9\n"}},
        {"description": "delete it", "files": {"tool": None, "value": "8\n"}},
    )
    done = run("--scope", "tool", metric="test ! -e tool || ./tool >/dev/null || exit 7; ./bench")
    assert done.column("status") == ["baseline", "keep", "keep"], done.told
    modes = repo.git("ls-tree", "-r", "--format=%(objectmode) %(path)", f"{BRANCH}~1")
    assert modes.splitlines() == [
        *("100755 bench", "100644 other", "100755 tool", "100644 value"),
    ]


def test_files_without_write_permission_are_no_obstacle(
    run: Run, script: Script, repo: Repo
) -> None:
    for name in ("value", "other"):
        (repo.path / name).chmod(0o444)
    before = repo.photograph()
    script(value(9), value(8), value(11))
    harm = "chmod 444 value other; chmod 555 ."
    done = run(metric=f"cat value; {harm}")
    assert done.column("status") == ["baseline", "keep", "keep", "discard"], done.told
    assert repo.photograph() == before


# --- where a run can start ------------------------------------------------------------------------


def test_from_a_folder_inside_the_repository(run: Run, script: Script, repo: Repo) -> None:
    folder = repo.path / "deep" / "er"
    folder.mkdir(parents=True)
    script(value(9))
    assert run(cwd=folder).column("status") == ["baseline", "keep"]
    assert repo.kept() == ["experiment: try 9"]


def test_from_a_detached_head(run: Run, script: Script, repo: Repo) -> None:
    base = repo.ref("HEAD")
    repo.commit("later")
    repo.git("checkout", "--quiet", "--detach", base)
    script(value(9))
    assert run().column("status") == ["baseline", "keep"]
    assert repo.git("rev-parse", "HEAD") == base
    assert repo.ref(f"{BRANCH}~1") == base


def test_from_a_shallow_clone(run: Run, script: Script, repo: Repo) -> None:
    for name in ("second", "third"):
        repo.write("other", name)
        repo.commit(name)
    origin = repo.path.rename(repo.path.with_name("origin"))
    type(repo)(origin).git("clone", "--quiet", "--depth=1", f"file://{origin}", str(repo.path))
    before = repo.photograph()
    script(value(9), value(8))
    done = run()
    assert done.column("status") == ["baseline", "keep", "keep"], done.told
    assert repo.photograph() == before
    assert repo.git("rev-parse", "--is-shallow-repository") == "true"
    assert repo.kept() == ["experiment: try 9", "experiment: try 8"]


def test_from_a_clone_that_lacks_what_it_has_not_checked_out(
    run: Run, script: Script, repo: Repo
) -> None:
    for name in ("second", "third"):
        repo.write("other", name)
        repo.commit(name)
    origin = repo.path.rename(repo.path.with_name("origin"))
    theirs = type(repo)(origin)
    theirs.git("config", "uploadpack.allowFilter", "true")
    theirs.git("clone", "--quiet", "--filter=blob:none", f"file://{origin}", str(repo.path))
    before = repo.photograph()
    script(value(9), value(8))
    done = run()
    assert done.column("status") == ["baseline", "keep", "keep"], done.told
    assert repo.photograph() == before
    assert repo.kept() == ["experiment: try 9", "experiment: try 8"]


def test_a_sparse_checkout_is_measured_whole(run: Run, script: Script, repo: Repo) -> None:
    repo.write("needed/elsewhere", "x\n")
    repo.commit("a folder")
    repo.git("sparse-checkout", "set", "--no-cone", "/value")
    assert not (repo.path / "needed").exists()
    before = repo.photograph()
    script(value(9), value(8))
    done = run(metric="test -e needed/elsewhere && cat value")
    assert done.column("status") == ["baseline", "keep", "keep"], done.told
    assert repo.photograph() == before
    repo.git("sparse-checkout", "disable")
    assert "needed/elsewhere" in repo.git("ls-tree", "-r", "--name-only", "autoresearch/t")


def test_from_a_second_worktree(run: Run, script: Script, repo: Repo) -> None:
    main = repo.path.rename(repo.path.with_name("main"))
    type(repo)(main).git("worktree", "add", "--quiet", "-b", "topic", str(repo.path))
    before, elsewhere = repo.photograph(), type(repo)(main).photograph()
    script(value(9), value(8))
    done = run()
    assert done.column("status") == ["baseline", "keep", "keep"], done.told
    assert repo.photograph() == before
    assert type(repo)(main).photograph() == elsewhere
    assert repo.kept() == ["experiment: try 9", "experiment: try 8"]


def test_in_a_repository_with_sha256_names(run: Run, script: Script, repo: Repo) -> None:
    modern = another(repo, "modern")
    modern.git("init", "--quiet", "--object-format=sha256", "--initial-branch=main", "sub")
    modern = type(repo)(modern.path / "sub")
    modern.write("value", "10\n")
    modern.commit("start")
    script(value(9), value(8), value(11))
    before = modern.photograph()
    done = run(cwd=modern.path)
    assert done.code == 0, done.told
    assert modern.photograph() == before
    assert modern.kept() == ["experiment: try 9", "experiment: try 8"]


def test_in_a_repository_that_borrows_objects(run: Run, script: Script, repo: Repo) -> None:
    origin = repo.path.rename(repo.path.with_name("origin"))
    type(repo)(origin).git("clone", "--quiet", "--shared", str(origin), str(repo.path))
    script(value(9))
    assert run().column("status") == ["baseline", "keep"]


def test_hostile_git_configuration_is_not_consulted(run: Run, script: Script, repo: Repo) -> None:
    """A hook, filter or monitor of the repository must not run when we commit and check out."""
    mark = repo.path.parent / "ran"
    hook = f"#!/bin/sh\ntouch {mark}\nexit 1\n"
    for name in ("pre-commit", "post-checkout", "reference-transaction", "post-index-change"):
        repo.write(f".git/hooks/{name}", hook, 0o755)
    repo.write(".gitattributes", "* filter=evil\n")
    repo.git("-c", "core.hooksPath=/dev/null", "add", "-A")
    repo.git("-c", "core.hooksPath=/dev/null", "commit", "-qm", "attributes")
    for key in ("filter.evil.smudge", "core.fsmonitor"):
        repo.git("config", key, f"touch {mark}; cat")
    script(value(9))
    done = run()
    assert done.column("status") == ["baseline", "keep"], done.told
    assert not mark.exists()


# --- what a proposal may not touch ----------------------------------------------------------------

FORBIDDEN = [
    *(".git/config", ".git/hooks/pre-commit", "sub/.git/config", ".GIT/config", ".gitattributes"),
    *(".github/x", ".github/workflows/ci.yml", ".github/autoresearch.yml", "autoresearch/x"),
    *("bench.sh", "../x", "/etc/x", "src/../../x", "src//x", "./src/x", "", ".", "src"),
    *("link", "link/x", "folder-link/x", "module", "module/x", "conftest.py", "src\\x", "src/\0"),
]


def test_a_path_out_of_bounds_is_refused_and_nothing_changes(
    run: Run, script: Script, repo: Repo
) -> None:
    library = another(repo, "library")
    library.commit("library")
    repo.git("submodule", "--quiet", "add", str(library.path), "module")
    repo.write("src/file", "x\n")
    repo.write("bench.sh", "cat value\n")
    repo.write(".github/autoresearch.yml", "scope: ['**']\nmetric: {command: sh bench.sh}\n")
    (repo.path / "link").symlink_to("other")
    (repo.path / "folder-link").symlink_to("src")
    repo.commit("everything")
    before = repo.photograph()
    script(
        *(change(f"only {path}", path, "x\n") for path in FORBIDDEN),
        *(
            {"description": f"also {path}", "files": {"value": "9\n", path: "x\n"}}
            for path in FORBIDDEN
        ),
        *(change(f"delete {path}", path, None) for path in FORBIDDEN if path != "src"),
        value(8),
    )
    done = run("--iterations", "1000", scope=None, metric=None)
    assert done.code == 0, done.told
    *refused, last = done.rows[1:]
    assert last["status"] == "keep"
    for row in refused:
        path = row["description"].partition(" ")[2].rstrip("\0")
        assert row["status"] == "discard", row
        assert row["reason"].startswith(f"out-of-scope: {path}".strip()), row
        assert (row["commit"], row["samples"]) == ("-", "0"), row
    assert repo.photograph() == before
    assert repo.kept() == ["experiment: try 8"]


def test_a_new_file_cannot_take_the_place_of_a_folder_or_lie_below_a_file(
    run: Run, script: Script, repo: Repo
) -> None:
    repo.write("src/file", "x\n")
    repo.commit("sources")
    script(change("folder", "src", "x"), change("below", "src/file/x", "x"))
    done = run(scope="src")
    assert done.column("status")[1:] == ["discard", "discard"], done.told


def test_the_metric_command_gets_no_secret(
    run: Run, script: Script, repo: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "hidden123")
    monkeypatch.setenv("GITHUB_TOKEN", "hidden123")
    done = run(metric="env | grep -c hidden123; true")
    assert done.rows[0]["metric"] == "0", done.told


def test_the_run_folder_tells_the_whole_story(run: Run, script: Script, repo: Repo) -> None:
    script(value(9, "good"), value("crash", "bad"))
    done = run(metric=CRASHES)
    names = sorted(p.relative_to(done.folder).as_posix() for p in done.folder.rglob("*.*"))
    assert names == [
        *("logs/0.log", "logs/1.log", "logs/2.log", "progress.svg"),
        *("report.html", "results.tsv", "run.json", "summary.md"),
    ]
    assert "no luck" in (done.folder / "logs" / "2.log").read_text()
    assert "good" in (done.folder / "summary.md").read_text()


def test_the_output_folder_may_be_elsewhere(run: Run, script: Script, tmp_path: Path) -> None:
    script(value(9))
    assert run("--output", str(tmp_path / "out")).code == 0
    assert (tmp_path / "out" / "results.tsv").exists()


def test_what_a_proposal_expects_is_in_the_journal_and_held_against_it(
    run: Run, script: Script
) -> None:
    script(
        {"description": "met", "files": {"value": "9\n"}, "expected": 0.12},
        {"description": "missed", "files": {"value": "8.9\n"}, "expected": 0.5},
        {"description": "silent", "files": {"value": "8\n"}},
    )
    done = run()
    assert done.column("expected") == ["-", "0.12", "0.5", "-"], done.told
    summary = (done.folder / "summary.md").read_text(encoding="utf-8")
    assert (
        "Of 2 gains that a proposer foresaw, 1 came within half to twice of it, 1 under" in summary
    )
