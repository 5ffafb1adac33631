"""What stands between a better number and a keep, and between a keep and a headline."""

from __future__ import annotations

import html
import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from autoresearch_ci.cli.main import run_cli
from autoresearch_ci.workspace.compared_commits import compared_commits

if TYPE_CHECKING:
    from tests.conftest import Repo, Result, Run, Script

    Captured = pytest.CaptureFixture[str]

BRANCH = "autoresearch/t"


def value(number: object, description: str = "", **more: Any) -> dict[str, Any]:
    return {
        "description": description or f"try {number}",
        "files": {"value": f"{number}\n"},
        **more,
    }


NOISY = "awk -v n=$(date +%N) '{printf \"%.9f\\n\", $1 + n % 1e6 / 1e8}' value"
"""Never prints the same number twice: the value plus up to a hundredth, whatever the time is."""


# --- units ----------------------------------------------------------------------------------------


TOOK = r"extract.regex=took ([0-9.]+)"


@pytest.mark.parametrize("rule", ["extract.last_number=true", TOOK, TOOK + " ?[mun]?s"])
def test_a_number_in_another_unit_is_no_number_and_no_reason_to_end(
    run: Run, script: Script, repo: Repo, rule: str
) -> None:
    repo.write("value", "took 1.2 ms\n")
    repo.commit("a unit")
    told = ["took 950 us", "took 1.1 s", "took 1.1 ms"]
    script(*({"description": t, "files": {"value": f"{t}\n"}} for t in told))
    done = run("--set", f"metric.{rule}")
    assert done.column("status")[1:] == ["metric-error", "metric-error", "keep"], done.told
    for row, unit in zip(done.rows[1:], ("us", "s"), strict=False):
        assert f'printed in "{unit}", by the unmodified code in "ms"' in row["reason"]


@pytest.mark.parametrize("words", [("{} points", "10", "9"), ("{} second{}", "2 s", "1 ")])
def test_prose_behind_a_number_and_its_plural_are_no_other_unit(
    run: Run, script: Script, repo: Repo, words: tuple[str, str, str]
) -> None:
    line, *values = words
    before, after = (line.format(*(f"{value} ".split(" "))) for value in values)
    repo.write("value", f"took {before}\n")
    repo.commit("prose")
    script({"description": "less", "files": {"value": f"took {after}\n"}})
    done = run("--set", "metric.extract.last_number=true", "--confirm", "never")
    assert done.column("status")[1:] == ["keep"], done.told


def test_code_that_changes_its_unit_by_itself_is_no_baseline(run: Run, repo: Repo) -> None:
    count = repo.path.parent / "count"
    varies = f"test -e {count} && echo took 1 ms || echo took 999 us; touch {count}"
    done = run("--set", "metric.extract.last_number=true", metric=varies)
    assert done.code == 4, done.told
    assert 'printed in "ms", by the unmodified code in "us"' in done.err


# --- holdout --------------------------------------------------------------------------------------


def test_a_gain_that_the_holdout_denies_is_not_kept(run: Run, script: Script, repo: Repo) -> None:
    script(value(9, "overfits"), value(8, "generalises"))
    # Better for every value but 9.
    holdout = "if grep -q 9 value; then echo 99; else cat value; fi"
    done = run("--set", f"holdout.command={holdout}")
    assert done.column("status") == ["baseline", "discard", "keep"], done.told
    assert done.rows[1]["reason"] == "the holdout did not confirm it"
    assert done.column("holdout") == ["-", "no", "gains"]
    assert repo.kept() == ["experiment: generalises"]
    said = "it gains with 1 of 1 kept change; it did not confirm 1 other change"
    assert said in (done.folder / "summary.md").read_text(encoding="utf-8")


SAME = "if grep -q 9 value; then echo 10; else cat value; fi"
WORSE = "if grep -q 9 value; then echo 11; else cat value; fi"


@pytest.mark.parametrize(
    ("holdout", "held"),
    [(SAME, "holds"), (f"({WORSE}) > n; {NOISY.replace(' value', ' n')}", "no")],
    ids=["exact", "noisy"],
)
def test_a_holdout_must_gain_unless_it_only_has_to_hold(
    run: Run, script: Script, holdout: str, held: str
) -> None:
    script(value(9, "better here only"), value(8, "better everywhere"))
    flags = ("--set", f"holdout={json.dumps({'command': holdout})}", "--confirm", "never")
    done = run(*flags)
    assert done.column("status") == ["baseline", "discard", "keep"], done.told
    assert done.column("holdout") == ["-", "no", "gains"]
    done = run(*flags, "--set", "holdout.must=hold", tag="held")
    assert done.column("holdout") == ["-", held, "holds"], done.told


@pytest.mark.parametrize(("step", "kept"), [(10, 4), (1, 6)], ids=["much", "little"])
def test_a_holdout_that_has_to_hold_is_not_walked_down_step_by_step(
    run: Run, script: Script, repo: Repo, step: int, kept: int
) -> None:
    count = repo.path.parent / "count"
    varies = f"n=$(cat {count} || echo 0); echo $((n+1)) > {count}"  # by 10, every other run
    command = f"{varies}; echo $((n % 2 * 10 - $(cat value) * {step}))"
    section = {"command": command, "must": "hold", "direction": "minimize"}
    script(*map(value, (9, 8, 7, 6, 5, 4)))
    done = run("--set", f"holdout={json.dumps(section)}")
    assert done.column("status")[1:] == ["keep"] * kept + ["discard"] * (6 - kept), done.told
    assert done.column("holdout")[1:] == ["holds"] * kept + ["no"] * (6 - kept)
    confirmation = json.loads((done.folder / "run.json").read_text())["confirmation"]
    why = "the holdout is worse than on the unmodified code" if step == 10 else ""
    assert (confirmation["holds"], confirmation["refusal"]) == (not why, why)
    assert int(count.read_text()) == 3 + 6 * 4 + (3 if why else 1) * 2
    summary = (done.folder / "summary.md").read_text(encoding="utf-8")
    assert (f"**The gain did not hold: {why}.**" in summary) is bool(why)


def test_no_number_of_the_holdout_reaches_what_a_proposer_can_read(
    run: Run, script: Script, repo: Repo
) -> None:
    script(value(9), value(8))
    secret = "echo 31337; grep -q 9 value && echo oops; true"
    done = run("--set", f"holdout.command={secret}", "--set", "holdout.extract.last_number=true")
    assert len(done.rows) == 3, done.told
    readable = [path for path in done.folder.rglob("*") if path.is_file()]
    for path in readable:
        text = path.read_text(encoding="utf-8")
        for command in (secret, html.escape(secret)):  # it says what is run
            text = text.replace(command, "")
        assert "31337" not in text, path
    notebook = repo.git("show", "refs/autoresearch/notebook/t:results.tsv")
    assert "31337" not in notebook
    private = repo.path / ".git" / "autoresearch" / "t" / "holdout"
    assert "31337" in (private / "1.log").read_text(encoding="utf-8")


def test_a_holdout_that_fails_on_the_baseline_ends_the_run(run: Run) -> None:
    done = run("--set", "holdout.command=exit 7")
    assert done.code == 4
    assert "the holdout cannot be measured" in done.err


# --- the user's own hooks -------------------------------------------------------------------------


def hook(repo: Repo, name: str, text: str) -> None:
    repo.write(f".git/hooks/{name}", f"#!/bin/sh\n{text}\n", mode=0o755)


def test_a_refusing_hook_blocks_a_candidate_before_it_is_measured(
    run: Run, script: Script, repo: Repo
) -> None:
    hook(repo, "pre-commit", "git diff --cached --name-only | grep -q value && ! grep 8 value")
    script(value(8, "refused"), value(9, "accepted"))
    done = run("--set", "hooks=true")
    assert done.column("status")[1:] == ["hook-blocked", "keep"], done.told
    assert done.rows[1]["samples"] == "0"
    assert done.rows[1]["reason"] == "the pre-commit hook refused it: exit code 1: 8"


def test_the_commit_msg_hook_reads_the_subject(run: Run, script: Script, repo: Repo) -> None:
    hook(repo, "commit-msg", '! grep -q "experiment: raise" "$1"')
    script(value(9, "raise it"), value(8, "lower it"))
    assert run("--set", "hooks=true").column("status")[1:] == ["hook-blocked", "keep"]


REFUSING = {
    "a helper that git ignores": ("pre-commit", '. "$0.d/helper.sh"', "helper.sh", "share: "),
    "a finding in the file as it is": (
        "pre-commit",
        'for f in $(git diff --cached --name-only); do echo "$f: E501"; done; exit 1',
        "value: E501",
        "has findings already",
    ),
    "the network": ("pre-commit", "echo getaddrinfo ENOTFOUND; exit 2", "ENOTFOUND", "network"),
    "a convention": (
        "commit-msg",
        'grep -qE "^(feat|fix|perf): " "$1" || { echo "type must be one of"; exit 1; }',
        "type must be one of",
        "publish: {commit: {message: 'perf: {description}'}}",
    ),
    "a ticket": ("commit-msg", 'grep -q "ABC-[0-9]" "$1"', "'experiment: the unm", "ticket"),
}


@pytest.mark.parametrize("case", REFUSING)
def test_hooks_that_refuse_the_unmodified_code_end_the_run_before_a_proposal(
    run: Run, script: Script, repo: Repo, case: str
) -> None:
    name, text, words, cure = REFUSING[case]
    hook(repo, name, text)
    script(value(9), value(8))
    done = run("--set", "hooks=true")
    assert (done.code, done.rows) == (4, []), done.told
    assert f"the {name} hook refuses" in done.err
    assert words in done.err
    assert cure in done.err


@pytest.mark.parametrize(
    "text",
    [
        'set -e; files=$(git diff --cached --name-only | grep value); test -n "$files"',
        "git diff --cached --quiet && { echo nothing to commit; exit 1; } || exit 0",
        "git diff --cached --check",
    ],
)
def test_hooks_that_look_at_what_is_staged_are_shown_something(
    run: Run, script: Script, repo: Repo, text: str
) -> None:
    hook(repo, "pre-commit", text)
    script(value(9))
    assert run("--set", "hooks=true").column("status")[1:] == ["keep"]


def test_a_file_that_hooks_refuse_as_it_is_leaves_the_others(
    run: Run, script: Script, repo: Repo
) -> None:
    hook(repo, "pre-commit", "! git diff --cached --name-only | grep -q other")
    script(value(9))
    done = run("--scope", "other", "--set", "hooks=true")
    assert done.column("status")[1:] == ["keep"], done.told


def test_what_a_hook_formats_and_stages_is_the_candidate(
    run: Run, script: Script, repo: Repo
) -> None:
    hook(repo, "pre-commit", "sed -i 's/^9$/8/' value; git add value; echo mess > other")
    script(value(9), value(7))
    done = run("--set", "hooks=true")
    assert done.column("status")[1:] == ["keep", "keep"], done.told
    assert done.column("metric") == ["10", "8", "7"]
    assert repo.show(f"{BRANCH}~1", "value") == b"8\n"
    assert repo.show(BRANCH, "value") == b"7\n"
    assert "the pre-commit hook changed value" in done.out


def test_what_a_hook_puts_in_order_and_refuses_is_asked_about_once_more(
    run: Run, script: Script, repo: Repo
) -> None:
    """As the formatters of pre-commit do, which stage nothing; what they cannot mend stays out."""
    text = "grep -qx 10 value || grep -q '[68]' value && exit; sed -i 's/^9$/8/' value; exit 1"
    hook(repo, "pre-commit", f"grep -q 7 value && exit 1\n{text}")
    script(value(9), value(7), value(6))
    done = run("--set", "hooks=true")
    assert done.column("status")[1:] == ["keep", "hook-blocked", "keep"], done.told
    assert repo.show(f"{BRANCH}~1", "value") == b"8\n"
    assert "the pre-commit hook changed value" in done.out


def by_value(commands: Mapping[int, str]) -> str:
    """A hook that does another thing for each candidate."""
    cases = "".join(f"{number}) {command};;\n" for number, command in commands.items())
    return f"case $(cat value) in\n{cases}esac 2>/dev/null\nexit 0"


def test_what_a_hook_stages_out_of_scope_is_ignored_and_said(
    run: Run, script: Script, repo: Repo
) -> None:
    stages = {
        9: "echo cheat > other; git add other",
        8: "ln -sf other value; git add value",
        7: "echo 1 > new; git add new",
        6: "git rm -q --cached other",
    }
    hook(repo, "pre-commit", by_value(stages))
    script(*map(value, stages))
    done = run("--set", "hooks=true")
    assert done.column("metric") == ["10", "9", "8", "7", "6"], done.told
    assert repo.git("diff", "--name-only", "HEAD", BRANCH) == "value"
    assert done.out.count("is ignored") == len(stages), done.told


def test_a_hook_that_takes_the_change_back_leaves_nothing_to_measure(
    run: Run, script: Script, repo: Repo
) -> None:
    hook(repo, "pre-commit", "git show HEAD:value > value; git add value")
    script(value(9))
    done = run("--set", "hooks=true")
    assert done.column("status")[1:] == ["no-op"], done.told


def test_whatever_a_hook_does_to_its_repository_is_harmless(
    run: Run, script: Script, repo: Repo
) -> None:
    messes = {
        9: "echo rubbish > .git/index",
        8: "rm -rf .git",
        7: "rm -rf .git/objects; echo 4 > value; git init -q; git add value",
        3: "ln -sf /etc/passwd .git/index",
        2: "echo 1 > value; git add value; printf x > .git/objects/4*/5*",
    }
    hook(repo, "pre-commit", by_value(messes))
    script(*map(value, messes))
    done = run("--set", "hooks=true")
    assert done.column("status")[1:] == ["keep"] * len(messes), done.told
    assert repo.git("fsck", "--no-dangling") == ""


PERF = ("--set", "publish.commit.message='perf(core): {description} [ABC-12]'")


def test_a_convention_for_messages_is_followed_by_every_commit_of_a_run(
    run: Run, script: Script, repo: Repo
) -> None:
    hook(repo, "commit-msg", 'head -1 "$1" | grep -qE "^perf\\(core\\): .* \\[ABC-12\\]$"')
    script(value(9, "close #3 @all " + "long " * 40), value(8, "short"))
    done = run("--set", "hooks=true", *PERF)
    assert done.column("status")[1:] == ["keep", "keep"], done.told
    first, second = repo.kept()
    assert second == "perf(core): short [ABC-12]"
    assert len(first) <= 100
    assert first.endswith("… [ABC-12]")
    assert "#3" not in first, "what others word closes nothing"


def test_author_and_committer_are_who_the_configuration_says(
    run: Run, script: Script, repo: Repo
) -> None:
    script(value(9))
    assert run("--set", "publish.commit.author=Perf Bot <bot@example.org>").code == 0
    people = repo.git("show", "-s", "--format=%an <%ae>|%cn <%ce>", BRANCH)
    assert people == "Perf Bot <bot@example.org>|Perf Bot <bot@example.org>"


@pytest.mark.parametrize(
    ("key", "wrong"),
    [
        ("message", "perf"),
        ("message", "perf: {description} {description}"),
        ("message", "perf: {description} {what}"),
        ("message", "perf: {description}\n\nSigned-off-by: x"),
        ("message", "x" * 61 + "{description}"),
        ("author", "Bot"),
        ("author", "Bot <bot@example.org>\ncommitter x"),
        ("author", "<bot@example.org>"),
        ("author", "Bot <bot@example.org> <"),
    ],
)
def test_a_commit_style_that_git_or_the_journal_could_not_write_is_refused(
    run: Run, repo: Repo, key: str, wrong: str
) -> None:
    config = repo.path.parent / "config.yml"
    config.write_text(json.dumps({"publish": {"commit": {key: wrong}}}))
    done = run("--config", str(config))
    assert done.code == 2, done.told
    assert f"publish.commit.{key}" in done.err


def test_hooks_are_left_alone_unless_asked_for(run: Run, script: Script, repo: Repo) -> None:
    hook(repo, "pre-commit", "exit 1")
    hook(repo, "reference-transaction", f"touch {repo.path}/.git/fired")
    script(value(9))
    assert run().column("status")[1:] == ["keep"]
    assert not (repo.path / ".git/fired").exists()


# --- confirmation ---------------------------------------------------------------------------------


def headline(folder: Path) -> str:
    return (folder / "summary.md").read_text(encoding="utf-8").splitlines()[0]


def test_the_headline_is_measured_again_at_the_end(run: Run, script: Script) -> None:
    script(value(9), value(8))
    done = run()
    facts = json.loads((done.folder / "run.json").read_text(encoding="utf-8"))
    assert facts["confirmation"]["base"] == 10
    assert facts["confirmation"]["head"] == 8
    assert facts["confirmation"]["holds"] is True
    assert "10 → 8" in headline(done.folder)
    assert "done: metric 10 -> 8, -20.0 % in every run, n=1+1; 2 kept on " in done.out


def test_a_gain_that_was_luck_is_said_first(run: Run, script: Script, tmp_path: Path) -> None:
    # Good only while the marker of the search is there: the confirmation sees the truth.
    script(value(9))
    counter = tmp_path / "calls"
    lucky = (
        f"echo x >> {counter}; if [ $(wc -l < {counter}) -gt 6 ]; then echo 10; else cat value; fi"
    )
    done = run(metric=lucky)
    assert done.column("status")[1:] == ["keep"], done.told
    assert headline(done.folder).startswith("**The gain did not hold.")
    assert "done: the gain did not hold: measured again, metric 10 -> 10, +0.0 % " in done.out
    assert "10 -> 9" not in done.out, "nothing claims what was not confirmed"


def calls(tmp_path: Path, then: str) -> str:
    """A metric command that knows as `$n` how often it has run."""
    counter = tmp_path / "calls"
    return f"echo x >> {counter}; n=$(wc -l < {counter}); v=$(cat value); {then}"


def test_one_pair_is_not_enough_to_deny_a_noisy_gain(
    run: Run, script: Script, tmp_path: Path
) -> None:
    script(value(5))
    done = run("--set", "confirm.repeats=1", metric=calls(tmp_path, "echo $v.$((n % 3))"))
    assert done.column("status")[1:] == ["keep"], done.told
    assert "n=2+2" in headline(done.folder)
    assert "did not hold" not in headline(done.folder)


def test_a_confirmation_survives_a_command_that_fails_now_and_then(
    run: Run, script: Script, tmp_path: Path
) -> None:
    script(value(5))
    done = run(metric=calls(tmp_path, "[ $n = 7 ] && exit 1; echo $v"))
    assert done.column("status")[1:] == ["keep"], done.told
    assert "10 → 5" in headline(done.folder)


def test_what_was_exact_and_is_not_found_again_gets_an_interval(
    run: Run, script: Script, tmp_path: Path
) -> None:
    script(value(5))
    done = run(metric=calls(tmp_path, "[ $n -gt 6 ] && v=$((v + n % 3)); echo $v"))
    assert done.column("status")[1:] == ["keep"], done.told
    facts = json.loads((done.folder / "run.json").read_text(encoding="utf-8"))["confirmation"]
    assert facts["n_base"] == 5
    assert facts["ci_low"] < facts["gain"] < facts["ci_high"]


def test_run_and_compare_say_a_large_gain_with_the_same_numbers_and_sign(
    run: Run,
    script: Script,
    repo: Repo,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    repo.write("value", "13141.5\n")
    repo.commit("much")
    script(value("1.5"))
    done = run()
    change = "metric 13141.5 → 1.5, -99.99 % in every run"
    assert change in headline(done.folder)
    monkeypatch.chdir(repo.path)
    assert compare(repo, "main", BRANCH) == 0
    assert f"improved: {change}, n=3+3".replace("→", "->") in capsys.readouterr().out


def test_a_gain_in_the_last_digit_of_a_number_ends_with_a_report(run: Run, script: Script) -> None:
    script(value("0.6"))
    done = run(metric="[ $(cat value) = 10 ] && echo 0.6000000000000001 || cat value")
    assert (done.code, done.column("status")[1:]) == (0, ["keep"]), done.told
    assert (done.folder / "run.json").exists()


def test_a_secret_in_the_goal_is_in_no_report(
    run: Run, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DB_PASSWORD", "hunter2&Zebra<93kdi28fj")  # looks different once escaped
    script(value(9))
    done = run("--goal", "make postgres://u:hunter2&Zebra<93kdi28fj@db faster")
    assert done.column("status")[1:] == ["keep"], done.told
    assert "postgres://u:***@db" in (done.folder / "progress.svg").read_text(encoding="utf-8")
    for path in done.folder.rglob("*.*"):
        assert "Zebra" not in path.read_text(encoding="utf-8"), path


def test_a_guard_reads_its_test_report_when_it_is_the_metric_command_too(
    run: Run, script: Script, repo: Repo
) -> None:
    suite = '<testsuite><testcase name="a"/>{}</testsuite>'
    repo.write("suite.xml", suite.format('<testcase name="b"/>'))
    both = "echo n: $(cat value); echo mem: 5; cp suite.xml report.xml"
    guard = json.dumps({"command": both, "metric": "mem", "junit": "report.xml"})
    repo.write(
        "config.yml",
        f"scope: [value, suite.xml]\nmetric: {{command: {json.dumps(both)}, name: n}}\n"
        f"guards: [{guard}]\n",
    )
    repo.commit()
    script({"description": "drop a test", "files": {"value": "9\n", "suite.xml": suite.format("")}})
    done = run("--config", "config.yml", scope=None, metric=None)
    assert done.column("status")[1:] == ["discard"], done.told
    assert "1 of 2 tests lost" in done.rows[1]["reason"]


SUPERSEDED = "v=$(cat value); [ $v = 10 ] && v=$((v + $(cat other))); echo $v"
"""The second file counts only as long as the first says 10."""
IDLE = ({"description": "lower other", "files": {"other": "4\n"}}, value(1, "lower value"))
"""The first gains, and does nothing beside the second."""


@pytest.fixture
def two_files(repo: Repo) -> Repo:
    repo.write("other", "5\n")
    repo.commit()
    return repo


def facts_of(done: Result) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((done.folder / "run.json").read_text(encoding="utf-8"))
    return found


@pytest.mark.parametrize(("asked", "runs"), [("auto", 7), ("auto", 1)])
def test_a_kept_commit_that_does_nothing_leaves_the_diff_again(
    run: Run, script: Script, two_files: Repo, asked: str, runs: int
) -> None:
    """Unasked, where the search itself took more runs than that takes."""
    script(*IDLE)
    flags = ("--set", f"confirm.ablate={asked}", "--set", f"metric.repeats.max={runs}")
    flags = (*flags, "--guard", "true", f"--set=holdout.command={SUPERSEDED}")
    done = run("--scope", "other", *flags, metric=SUPERSEDED)
    page = (done.folder / "report.html").read_bytes()
    assert run_cli(["report", str(done.folder)]) == 0
    assert (done.folder / "report.html").read_bytes() == page, "made anew, it says the same"
    looked = runs > 1
    changed = two_files.git("diff", "--name-only", f"HEAD..{BRANCH}").split()
    if not looked:
        assert changed == ["other", "value"]
        return
    assert done.column("status")[1:] == ["keep", "keep", "keep"], done.told
    assert changed == ["value"]
    assert two_files.kept()[-1] == "experiment: take back: lower other"
    facts, summary = facts_of(done), (done.folder / "summary.md").read_text(encoding="utf-8")
    first, last = done.rows[1]["commit"], done.rows[3]["commit"]
    assert (facts["idle_commits"], facts["head"], facts["totals"]["kept"]) == ([], last, 1)
    assert (facts["confirmation"]["base"], facts["confirmation"]["head"]) == (15, 1)
    assert done.rows[3]["reason"] == f"without {first[:12]}: no worse: +0.00 %"
    assert done.rows[3]["holdout"] == "holds"
    assert "### Kept (1)" in summary
    assert f"nothing of them is left:\n\n- {first[:7]} lower other\n" in summary
    assert "git revert" not in summary
    assert "lower is better; 1 of 2 kept, 1 discard" in done.out


def test_of_a_noisy_metric_a_loss_must_be_ruled_out(
    run: Run, script: Script, two_files: Repo, tmp_path: Path
) -> None:
    """Of half of what it was kept for: 13 %."""
    script({"description": "lower other", "files": {"other": "3\n"}}, value(1, "lower value"))
    once = "[ $v = 10 ] && v=$((v + $(cat other)))"
    metric = calls(tmp_path, f"{once}; echo $((v * (1000 + n * 37 % 20)))")
    flags = ("--scope", "other", "--guard", "true", "--set", "confirm.ablate=true")
    done = run(*flags, metric=metric)
    assert done.column("status")[1:] == ["keep"] * 3, done.told
    assert two_files.git("diff", "--name-only", f"HEAD..{BRANCH}") == "value"
    said = re.search(r"\(CI (.*)\.\.(.*)\)", done.rows[3]["reason"])
    assert said
    assert -6.7 < float(said[1]) <= float(said[2])


def test_what_was_taken_back_is_looked_at_and_tried_no_more(
    run: Run, script: Script, two_files: Repo
) -> None:
    script(*IDLE, value(1), {"description": "again", "files": {"other": "4\n"}}, value(0.5))
    flags = ("--scope", "other", "--guard", "true", "--set", "confirm.ablate=true")
    done = run(*flags, "--iterations", "2", metric=SUPERSEDED)
    assert done.column("status")[1:] == ["keep"] * 3, done.told
    done = run(*flags, "--iterations", "2", "--resume", metric=SUPERSEDED)
    assert len(done.rows) == 4
    assert "does nothing" not in done.out
    done = run(*flags, "--iterations", "5", "--resume", metric=SUPERSEDED)
    assert done.column("status")[4:] == ["no-op", "keep"], done.told
    assert done.rows[4]["reason"].startswith("the same code as experiment 2, keep")
    assert two_files.git("diff", "--name-only", f"HEAD..{BRANCH}") == "value"


@pytest.mark.parametrize(
    ("flag", "why"),
    [
        ("--guard=! { grep -qx 1 value && grep -q 5 other; }", "guard failed"),
        ("--set=holdout.command=echo $(($(cat value) + $(cat other)))", "the holdout did not"),
    ],
    ids=["guard", "holdout"],
)
def test_what_a_guard_or_the_holdout_needs_stays(
    run: Run, script: Script, two_files: Repo, flag: str, why: str
) -> None:
    script(*IDLE)
    flags = ("--scope", "other", "--set", "confirm.ablate=true", flag)
    done = run(*flags, metric=SUPERSEDED)
    assert done.column("status")[1:] == ["keep", "keep", "discard"], done.told
    assert "does nothing" not in done.out, "which was refuted"
    page = (done.folder / "report.html").read_bytes()
    assert run_cli(["report", str(done.folder)]) == 0
    assert (done.folder / "report.html").read_bytes() == page, "made anew, it says the same"
    first = done.rows[1]["commit"]
    assert done.rows[3]["reason"].startswith(f"without {first[:12]}: {why}")
    assert facts_of(done)["idle_commits"] == []
    assert two_files.git("rev-parse", BRANCH) == done.rows[2]["commit"]
    done = run(*flags, "--resume", metric=SUPERSEDED)
    assert len(done.rows) == 4, "what has failed is not tried again"
    summary = (done.folder / "summary.md").read_text(encoding="utf-8")
    assert "git revert" not in summary, "nor is anybody else told to"


def test_of_two_changes_that_do_the_same_one_stays(
    run: Run, script: Script, two_files: Repo
) -> None:
    two_files.write("third", "5\n")
    two_files.commit()
    same = [{"description": f"lower {name}", "files": {name: "4\n"}} for name in ("other", "third")]
    script(*same, value(1))
    once = "v=$(cat value) n=$(($(cat other) + $(cat third))); [ $v = 1 ] && "
    metric = f"{once} n=$((n > 9 ? 5 : 1)); echo $n"
    flags = ("--scope", "other", "--scope", "third", "--set", "confirm.ablate=true")
    done = run(*flags, metric=metric)
    assert done.column("metric") == ["10", "9", "8", "1", "5", "1"], done.told
    assert done.column("status")[1:] == ["keep", "keep", "keep", "discard", "keep"]
    assert two_files.git("diff", "--name-only", f"HEAD..{BRANCH}").split() == ["other", "value"]


def test_ablation_judges_by_one_run_only_what_the_confirmation_found_exact(
    run: Run, script: Script, repo: Repo, tmp_path: Path
) -> None:
    repo.write("other", "10\n")
    repo.commit()
    script({"description": "lower other", "files": {"other": "5\n"}}, value(5, "lower value"))
    # Exact until the search is over; then one run of the result, with one commit left out, is slow.
    varies = "[ $n -gt 9 ] && d=.$((n % 3)); [ $n = 21 ] && v=$((v + 6))"
    metric = calls(tmp_path, f"{varies}; echo $((v + $(cat other)))$d")
    done = run("--scope", "other", "--set", "confirm.ablate=true", metric=metric)
    assert done.column("status")[1:] == ["keep", "keep"], done.told
    facts = json.loads((done.folder / "run.json").read_text(encoding="utf-8"))
    assert (facts["confirmation"]["n_base"], facts["idle_commits"]) == (5, []), done.told
    assert "kept but does nothing" not in done.out


# --- compare --------------------------------------------------------------------------------------


def compare(repo: Repo, *words: str, metric: str = "cat value") -> int:
    return run_cli(["compare", *words, "--scope", "value", "--metric", metric])


@pytest.fixture
def two_commits(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> Repo:
    repo.git("branch", "before")
    repo.write("value", "12\n")
    repo.commit("worse")
    monkeypatch.chdir(repo.path)
    return repo


def test_compare_sees_which_commit_is_better(
    two_commits: Repo, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    before = two_commits.photograph()
    assert compare(two_commits, "before", "HEAD") == 0
    told = "regressed: metric 10 -> 12, +20.0 % in every run, n=3+3"
    assert told in capsys.readouterr().out
    assert compare(two_commits, "HEAD", "before") == 0
    assert "improved: metric 12 -> 10" in capsys.readouterr().out
    assert two_commits.photograph() == before


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("before", "HEAD", "--fail-on", "regression"), 1),
        (("before", "HEAD", "--fail-on", "regression:10%"), 1),
        (("before", "HEAD", "--fail-on", "regression:30%"), 0),
        (("HEAD", "before", "--fail-on", "regression"), 0),
        (("before", "before", "--fail-on", "regression"), 0),
        (("before", "HEAD", "--fail-on", "nonsense"), 2),
        (("before", "nowhere"), 2),
    ],
)
def test_compare_is_a_gate(two_commits: Repo, run: Run, words: tuple[str, ...], code: int) -> None:
    assert compare(two_commits, *words) == code


def test_compare_begins_where_a_branch_left_the_default_one(
    two_commits: Repo, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    two_commits.git("branch", "topic")
    two_commits.git("reset", "--quiet", "--hard", "before")
    two_commits.write("value", "5\n")
    two_commits.commit("the default branch goes on")
    two_commits.git("switch", "--quiet", "topic")
    assert compare(two_commits, "--fail-on", "regression") == 1
    assert "metric 10 -> 12" in capsys.readouterr().err
    before = two_commits.git("rev-parse", "before")
    for words in ("", "0" * 40, "main...HEAD", "main...topic", "main..."):
        base, head = compared_commits(two_commits.path, words, "", {})
        assert (base, two_commits.git("rev-parse", head)) == (before, two_commits.ref("topic"))
    assert compared_commits(two_commits.path, "0" * 40, "topic", {}) == (before, "topic")


def test_compare_takes_gitlabs_word_for_the_default_branch(
    two_commits: Repo,
    run: Run,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its clones have no `origin/HEAD`, and a branch called main may be an old one."""
    two_commits.git("update-ref", "refs/remotes/origin/main", "HEAD")
    two_commits.git("update-ref", "refs/remotes/origin/develop", "before")
    monkeypatch.setenv("CI_DEFAULT_BRANCH", "develop")
    assert compare(two_commits, "0" * 40, "--fail-on", "regression") == 1
    assert "metric 10 -> 12" in capsys.readouterr().err
    two_commits.git("update-ref", "-d", "refs/remotes/origin/develop")
    assert compare(two_commits, "0" * 40) == 2
    assert "git fetch origin develop:refs/remotes/origin/develop" in capsys.readouterr().err


def test_a_gate_reads_the_configuration_that_a_link_of_the_base_leads_to(
    repo: Repo, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also by a way to the repository that is none of its own."""
    rules = "scope: [value]\nmetric: {command: cat value, name: score, extract: {regex: '(.+)'}}\n"
    repo.write("conf/rules.yml", rules)
    repo.write(".github/x", "")
    (repo.path / ".github" / "autoresearch.yml").symlink_to("../conf/rules.yml")
    repo.commit("rules")
    repo.git("branch", "before")
    repo.write("value", "12\n")
    repo.write("conf/rules.yml", rules.replace("cat value", "echo 5"))
    repo.commit("worse, and other rules")
    monkeypatch.chdir(repo.path)
    (tmp_path / "way").symlink_to(repo.path)
    for path in (".github/autoresearch.yml", tmp_path / "way" / "conf" / "rules.yml"):
        gate = ["compare", "before", "HEAD", "--fail-on", "regression", "--config", str(path)]
        assert run_cli(gate) == 1


@pytest.mark.parametrize("leads", ["/etc/hostname", "../../beside.yml", "nowhere.yml"])
def test_a_gate_refuses_rules_that_a_link_of_the_base_leads_away_from(
    repo: Repo,
    run: Run,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    leads: str,
) -> None:
    """It would be judged by defaults in silence."""
    repo.write(".github/x", "")
    (repo.path / ".github" / "autoresearch.yml").symlink_to(leads)
    repo.commit("rules elsewhere")
    monkeypatch.chdir(repo.path)
    for gate in (["compare", "HEAD", "HEAD"], ["security", "--diff", "HEAD", "--proposed"]):
        assert run_cli(gate) == 3
        assert "leads to no file of that commit" in capsys.readouterr().err


@pytest.mark.parametrize("leads", ["inside", "outside", "folder"])
def test_no_link_brings_a_gate_another_configuration(
    repo: Repo, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, leads: str
) -> None:
    ours = "scope: [value]\nmetric: {command: cat value, name: score, extract: {regex: '(.+)'}}\n"
    repo.write(".github/autoresearch.yml", ours)
    repo.commit("rules")
    repo.git("branch", "before")
    repo.write("value", "12\n")
    theirs = ours.replace("cat value", "echo 5")
    place = tmp_path / "host.yml" if leads == "outside" else repo.path / "evil" / "autoresearch.yml"
    place.parent.mkdir(exist_ok=True)
    place.write_text(theirs)
    link = repo.path / ".github" / ("" if leads == "folder" else "autoresearch.yml")
    shutil.rmtree(link) if link.is_dir() else link.unlink()
    link.symlink_to(place.parent if leads == "folder" else place)
    repo.commit("worse, and a link")
    monkeypatch.chdir(repo.path)
    assert run_cli(["compare", "before", "HEAD", "--fail-on", "regression"]) == 1


def test_a_gate_takes_no_configuration_from_the_head_where_the_base_has_none(
    repo: Repo, run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    repo.git("branch", "before")
    repo.write(".github/autoresearch.yml", "scope: [value]\nmetric: {command: echo 5}\n")
    repo.write("value", "12\n")
    repo.commit("worse, and rules of its own")
    monkeypatch.chdir(repo.path)
    assert run_cli(["compare", "before", "HEAD", "--fail-on", "regression"]) == 2
    assert "is not in" in capsys.readouterr().err
    monkeypatch.delenv("CI", raising=False)
    assert run_cli(["compare", "before", "HEAD"]) == 0  # a person asks, and no gate


def test_compare_says_where_there_is_nothing_to_compare_with(
    two_commits: Repo, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert compare(two_commits) == 2
    assert "main contains it" in capsys.readouterr().err
    # The first push of a branch that adds nothing is no failure.
    assert compare(two_commits, "0" * 40) == 0
    assert "nothing differs between the two" in capsys.readouterr().out
    assert compare(two_commits, "before...HEAD", "HEAD") == 2
    assert "one too many" in capsys.readouterr().err
    two_commits.git("branch", "-m", "topic")
    assert compare(two_commits) == compare(two_commits, "0" * 40) == 2
    assert capsys.readouterr().err.count("fetch-depth: 0") == 2


def test_compare_takes_no_branch_for_the_default_one_because_a_clone_has_no_other(
    two_commits: Repo,
    run: Run,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    two_commits.git("branch", "topic")
    url, clone = f"file://{two_commits.path}", str(tmp_path / "clone")
    two_commits.git("clone", "--quiet", "--depth=1", "--branch=topic", url, clone)
    monkeypatch.chdir(clone)
    assert compare(two_commits, "0" * 40) == 2
    told = capsys.readouterr().err
    assert "fetch-depth: 0" in told
    cure = re.search(r"git fetch origin main:\S+/main", told)
    assert cure
    two_commits.git("-C", clone, "fetch", "--quiet", "--unshallow")
    two_commits.git("-C", clone, *cure[0].split()[1:])
    assert compare(two_commits, "0" * 40) == 0


@pytest.mark.parametrize(
    ("head", "why"),
    [
        ("1 <skipped/>", "tests lost"),  # the failing test no longer runs, nor does the other
        ("0 ; echo 'score: 0'", "printed 2 times"),
    ],
)
def test_compare_holds_the_head_to_what_a_candidate_is(
    repo: Repo,
    run: Run,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    head: str,
    why: str,
) -> None:
    tests = """read -r bad rest < value
echo "<testsuite><testcase name='a'>$rest</testcase><testcase name='b'/></testsuite>" > r.xml
echo "score: $bad"
eval "$(cut -d';' -sf2- value)"
"""
    repo.write("value", "2 <failure/>\n")
    repo.write("bench.sh", tests)
    repo.commit("start")
    repo.git("branch", "before")
    repo.write("value", f"{head}\n")
    repo.commit("head")
    monkeypatch.chdir(repo.path)
    by_report = ["--set", "metric.extract={junit: r.xml, count: failures}"]
    by_name = ["--metric-name", "score"]
    words = ["compare", "before", "HEAD", "--scope", "value", "--metric", "bash bench.sh"]
    extract = by_report if "lost" in why else by_name
    assert run_cli([*words, *extract, "--fail-on", "regression"]) == 4
    assert why in capsys.readouterr().err


@pytest.mark.parametrize(
    ("head", "why"),
    [
        ("<testcase name='a'/>", "guard failed: 1 of 2 tests lost"),
        ("<testcase name='a'/><testcase name='b'><skipped/></testcase>", "1 of 2 tests lost"),
        ("<testcase name='a'/><testcase name='b'/><testcase name='c'/>", ""),
    ],
)
def test_compare_asks_the_guards_too(
    repo: Repo,
    run: Run,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    head: str,
    why: str,
) -> None:
    def config(passes: str) -> None:
        guard = f"{{command: '{passes} && cp suite r.xml', junit: r.xml}}"
        repo.write(
            ".github/autoresearch.yml",
            f"scope: [suite]\nmetric: {{command: cat value}}\nguards: [{guard}]\n",
        )

    suite = "<testsuite>{}</testsuite>\n"
    repo.write("suite", suite.format("<testcase name='a'/><testcase name='b'/>"))
    config("true")
    repo.commit("start")
    repo.git("branch", "before")
    repo.write("suite", suite.format(head))
    repo.commit("head")
    monkeypatch.chdir(repo.path)
    gate = ["compare", "before", "HEAD", "--fail-on", "regression"]
    assert run_cli(gate) == bool(why)
    assert why in capsys.readouterr().err
    assert run_cli(gate[:3]) == 0  # nobody asked, but it is said
    assert why in capsys.readouterr().out
    if why:
        repo.git("switch", "--quiet", "-c", "red", "before")
        config("false")
        red = repo.commit("red already")
        repo.write("suite", suite.format(head))
        repo.commit("head")
        assert run_cli(["compare", red, "HEAD", "--fail-on", "regression"]) == 0
        assert "a guard that the base fails itself: guard failed: " in capsys.readouterr().out


@pytest.mark.parametrize("red_first", [True, False])
@pytest.mark.parametrize("breaks", [True, False])
def test_a_guard_that_the_base_fails_silences_no_other(
    repo: Repo,
    run: Run,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    red_first: bool,
    breaks: bool,
) -> None:
    guards = ["'! true'", "grep -q right other"][:: 1 if red_first else -1]
    configuration = f"scope: [value, other]\nmetric: {{command: cat value}}\nguards: {guards}\n"
    repo.write(".github/autoresearch.yml", configuration.replace('"', ""))
    repo.write("other", "right\n")
    repo.commit("start")
    repo.git("branch", "before")
    repo.write("value", "9\n")
    repo.write("other", "wrong\n" if breaks else "all right\n")
    repo.commit("head")
    monkeypatch.chdir(repo.path)
    assert run_cli(["compare", "before", "HEAD", "--fail-on", "regression"]) == breaks
    told = capsys.readouterr()
    assert "a guard that the base fails itself: guard failed: exit code 1 (! true)" in told.out
    assert ("(grep -q right other)" in told.err) == breaks


@pytest.mark.parametrize(
    ("metric", "guard", "told"),
    [
        ("cat value", "true", False),
        ("cat value", "make lint", True),
        ("cat value", "make bench", False),
        ("sh count.sh", "true", True),
    ],
)
def test_a_persons_comment_that_silences_a_tool_is_told_where_findings_are_counted(
    repo: Repo,
    run: Run,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    metric: str,
    guard: str,
    told: bool,
) -> None:
    repo.write(
        ".github/autoresearch.yml",
        f"scope: [value, work.py]\nmetric: {{command: {metric}}}\nguards: ['{guard}']\n",
    )
    repo.write("Makefile", "bench:\n\ttrue\nlint:\n\ttrue || ruff check .\n")
    repo.write("count.sh", "true || ruff check . | wc -l\ncat value\n")
    repo.write("work.py", "import os\n")
    repo.commit("start")
    repo.git("branch", "before")
    repo.write("value", "9\n")
    repo.write("work.py", "import os  # noqa: F401\n")
    repo.commit("head")
    monkeypatch.chdir(repo.path)
    assert run_cli(["compare", "before", "HEAD", "--fail-on", "regression"]) == 0
    words = "look twice: work.py:1 silences flake8, ruff (# noqa: F401)"
    assert (words in capsys.readouterr().out) == told


def test_compare_says_what_is_hard_to_believe_of_the_head(
    repo: Repo, run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, text in {"before": "cost: 10\nall done\n", "after": "cost: 0.5\n"}.items():
        repo.write("value", text)
        repo.commit(name)
        repo.git("branch", name)
    monkeypatch.chdir(repo.path)
    assert compare(repo, "before", "after", "--metric-name", "cost") == 0
    told = capsys.readouterr().out
    assert "hard to believe of the head: a gain of 95.0 %" in told
    assert "hard to believe of the head: the metric command printed 1 of at least 2 lines" in told


def test_compare_refuses_an_option_it_does_not_know(two_commits: Repo, run: Run) -> None:
    with pytest.raises(SystemExit) as usage:
        compare(two_commits, "before", "--help-me", "HEAD")
    assert usage.value.code == 2


def test_a_claim_is_checked_against_fresh_numbers(
    run: Run, script: Script, repo: Repo, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    script(value(9), value(8))
    done = run()
    monkeypatch.chdir(repo.path)
    gate = ("--fail-on", "claim-not-reproduced", "--claim")
    for name in ("run.json", "summary.md"):
        assert compare(repo, "main", BRANCH, *gate, str(done.folder / name)) == 0
        # The base cannot reproduce what the branch claims.
        assert compare(repo, "main", "main", *gate, str(done.folder / name)) == 1
    assert compare(repo, "main", BRANCH, *gate, str(repo.path / "value")) == 2
    assert compare(repo, "main", BRANCH, "--claim", str(done.folder / "run.json")) == 2
    (tmp_path / "body.md").write_text("+0.4 % [95 % CI -1.0, +1.8], n=5+5")
    assert compare(repo, "main", BRANCH, *gate, str(tmp_path / "body.md")) == 2
    summary = (done.folder / "summary.md").read_text()
    hidden = "<!-- 100 -> 99.9, -0.2 % [95 % CI -0.3, -0.1], n=5+5 -->\n\n"
    (tmp_path / "body.md").write_text(hidden + summary)
    assert compare(repo, "main", BRANCH, *gate, str(tmp_path / "body.md")) == 2


def test_a_result_that_was_made_worse_does_not_reproduce_its_claim(
    run: Run, script: Script, repo: Repo, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    script(value(4))
    done = run()
    repo.git("checkout", "--quiet", BRANCH)
    repo.write("value", "8\n")
    repo.commit("still better than the base")
    monkeypatch.chdir(repo.path)
    gate = ("--fail-on", "claim-not-reproduced", "--claim", str(done.folder / "summary.md"))
    assert compare(repo, "main", BRANCH, *gate) == 1
    told = capsys.readouterr()
    assert re.search(r"claimed +10 -> 4 +-60\.0 %", told.out)
    assert re.search(r"measured +10 -> 8 +-20\.0 %", told.out)
    assert "claim not reproduced, less than was claimed" in told.err


@pytest.mark.parametrize("how", ["merges", "conflicts"])
def test_a_claim_is_of_what_merging_brings_or_says_that_it_is_of_the_old_base(
    run: Run,
    script: Script,
    repo: Repo,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Captured,
    how: str,
) -> None:
    script(value(4))
    done = run(metric="cat value; cat other >/dev/null")
    repo.write(*(("other", "moved\n") if how == "merges" else ("value", "5\n")))
    repo.commit("the base moves on")
    monkeypatch.chdir(repo.path)
    gate = ("--fail-on", "claim-not-reproduced", "--claim", str(done.folder / "run.json"))
    assert compare(repo, "main", BRANCH, *gate) == 0
    told = capsys.readouterr()
    assert re.search(r"measured +10 -> 4 +-60\.0 %", told.out)
    words = "the merge of both is measured" if how == "merges" else "the claim is of the old base"
    assert words in told.out + told.err


def test_a_head_that_changes_the_ruler_does_not_get_to_use_it(
    repo: Repo, run: Run, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    repo.write("bench.sh", "cat value\n")
    repo.git("add", "bench.sh")
    repo.commit()
    repo.git("branch", "before")
    repo.write("bench.sh", "echo 1\n")
    repo.commit("cheat")
    monkeypatch.chdir(repo.path)
    assert compare(repo, "before", "HEAD", metric="sh bench.sh") == 0
    assert "nothing in scope to compare" in capsys.readouterr().out
    repo.write("value", "12\n")
    repo.commit("worse")
    gate = ("--fail-on", "regression")
    assert compare(repo, "before", "HEAD", *gate, "--json", metric="sh bench.sh") == 1
    found = capsys.readouterr()
    assert json.loads(found.out)["not_compared"] == ["bench.sh"]
    assert "not compared: bench.sh" in found.err


def test_a_head_that_changes_only_the_ci_is_no_regression(
    repo: Repo, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo.git("branch", "before")
    repo.write(".github/workflows/ci.yml", "on: push\n")
    repo.git("add", ".github")
    repo.commit("ci")
    monkeypatch.chdir(repo.path)
    assert compare(repo, "before", "HEAD", "--fail-on", "regression") == 0


def test_a_head_that_changes_the_configuration_is_measured_by_the_bases(
    repo: Repo,
    run: Run,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    repo.write(".github/autoresearch.yml", "scope: [value]\nmetric: {command: cat value}\n")
    repo.commit()
    repo.git("branch", "before")
    repo.write("value", "12\n")
    repo.write(".github/autoresearch.yml", "scope: [value]\nmetric: {command: echo 1}\n")
    repo.commit("worse, and measured by another ruler")
    monkeypatch.chdir(repo.path)
    assert run_cli(["compare", "before", "HEAD", "--fail-on", "regression"]) == 1
    assert "10 -> 12" in capsys.readouterr().out


def test_a_noisy_metric_is_confirmed_with_an_interval(run: Run, script: Script) -> None:
    script(value(5))
    done = run(metric=NOISY)
    assert done.column("status")[1:] == ["keep"], done.told
    assert int(done.rows[1]["samples"]) > 1
    facts = json.loads((done.folder / "run.json").read_text(encoding="utf-8"))["confirmation"]
    assert facts["n_base"] == facts["n_head"] == 5
    assert 0.4 < facts["ci_low"] < facts["gain"] < facts["ci_high"] < 0.6
