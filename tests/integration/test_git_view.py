"""What git answers to measured code: a repository of exactly what is measured."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from autoresearch_ci.workspace.repository import Repository
from autoresearch_ci.workspace.store import histories_kept, opened
from tests.conftest import Repo

if TYPE_CHECKING:
    from tests.conftest import Result, Run, Script


@pytest.fixture
def tagged(repo: Repo, script: Script) -> Repo:
    repo.write("src/a/one", "1\n")
    repo.write("src/b", "2\n")
    repo.write(".gitignore", "*.log\n")
    repo.commit("more")
    script({"description": "nine", "files": {"value": "9\n", "src/a/one": None, "src/new": "n\n"}})
    return repo


def answers(done: Result, iteration: int = 1) -> str:
    return (done.folder / "logs" / f"{iteration}.log").read_text()


NAMED = ("--scope", "value")
"""The metric's own file is editable only when it is named."""


def asked(run: Run, *questions: str) -> Result:
    """A run in which each question is asked of the baseline and of the candidate."""
    lines = " && ".join(f"{question} >&2" for question in questions)
    return run(*NAMED, metric=f"{lines} && cat value", scope="**")


@pytest.mark.parametrize("annotated", [True, False])
@pytest.mark.parametrize("behind", [0, 2])
def test_a_candidate_has_the_version_of_the_base_commit(
    tagged: Repo, run: Run, annotated: bool, behind: int
) -> None:
    flags = ["-a", "-m", "one"] if annotated else []
    tagged.git("tag", *flags, "releases/v1")
    for number in range(behind):
        tagged.commit(str(number))
    expected = "releases/v1" if not behind else "releases/v1-2-"
    done = asked(run, f"git describe --tags --dirty --match '*v1' | grep -x '{expected}[g0-9a-f]*'")
    assert done.column("status") == ["baseline", "keep"], done.told


def test_what_is_measured_is_committed_and_clean(tagged: Repo, run: Run) -> None:
    """Also to plumbing, which trusts times and sizes; also when it is measured again."""
    done = asked(
        run,
        "git diff --quiet",
        "git diff-files --quiet",
        "git diff --quiet HEAD",
        "git diff-index --quiet --cached HEAD",
        'test -z "$(git status --porcelain)"',
        "git fsck --no-dangling --connectivity-only",
        'test "$(git show HEAD:value)" = "$(cat value)"',
    )
    assert done.column("status") == ["baseline", "keep"], done.told


def test_files_are_listed_as_measured(tagged: Repo, run: Run) -> None:
    done = asked(run, "git ls-files | tr '\\n' ' '", "git ls-tree -r --name-only HEAD | wc -l")
    assert ".gitignore other src/a/one src/b value " in answers(done, 0)
    assert ".gitignore other src/b src/new value " in answers(done)


def test_history_and_root_are_the_checkouts(tagged: Repo, run: Run) -> None:
    done = asked(
        run,
        "git log -1 --format=%an:%ad:%s",
        "test $(git rev-list --count HEAD) = 2",
        'test "$(git rev-parse --show-toplevel)" = "$PWD"',
        "git check-ignore x.log",
    )
    assert done.column("status") == ["baseline", "keep"], done.told
    assert answers(done, 0).count("A Person:Thu Jan 1 00:00:00 2026 +0000:more") >= 1
    assert "A Person:Thu Jan 1 00:00:00 2026 +0000:more" in answers(done)


def test_nothing_of_the_users_is_in_it(tagged: Repo, run: Run) -> None:
    """No remote, token, branch, hook or setting."""
    tagged.git("remote", "add", "origin", "https://token@example.org/x.git")
    tagged.git("config", "user.email", "person@example.org")
    tagged.write(".git/hooks/pre-commit", "#!/bin/sh\n", 0o755)
    done = asked(run, "git config --list", "git remote -v", "git branch -a", "find .git -type f")
    told = answers(done, 0) + answers(done)
    assert done.column("status") == ["baseline", "keep"], done.told
    assert "example.org" not in told
    assert "hooks" not in told
    assert "main" not in told


def test_what_a_command_does_to_it_is_gone(tagged: Repo, run: Run) -> None:
    spoil = (
        "git config x.y z; git tag t; git add -A; git commit -qm x --allow-empty; "
        "git gc -q; rm .git/packed-refs; echo x > .git/index"
    )
    before = tagged.photograph()
    done = asked(
        run,
        'test -z "$(git status --porcelain; git config x.y; git tag)"',
        f"(git -c user.name=a -c user.email=b {spoil[4:]}; true)",
    )
    assert done.column("status") == ["baseline", "keep"], done.told
    assert tagged.photograph() == before


def test_it_holds_what_base_and_tags_lead_to_and_the_candidate(
    tagged: Repo, run: Run, script: Script, tmp_path: Path
) -> None:
    """No other branch, no other attempt, no row of a notebook, whichever command looks for them."""
    tagged.git("checkout", "-q", "-b", "elsewhere")
    for name in ("released", "secret"):
        tagged.write(name, name)
        tagged.commit(name)
        if name == "released":
            tagged.git("tag", "-m", "a tag", "v2")
    tagged.git("checkout", "-q", "main")
    seen = tmp_path / "seen"
    seen.mkdir()
    seen.chmod(0o777)
    look = "git cat-file --batch-all-objects --batch-check='%(objectname)'"
    tagged.write("look", f"{look} > {seen}/$(cat value)-$1-$$\n")
    tagged.commit("look")
    tagged.write(".git/hooks/pre-commit", "#!/bin/sh\nsh look hook\n", 0o755)
    attempts = [{"description": v, "files": {"value": f"{v}\n"}} for v in ("20", "9")]
    script(*attempts)
    done = run(
        *("--set", "hooks=true", "--set", "setup=[sh look setup]", "--guard", "sh look guard"),
        *("--set", "holdout={command: sh look holdout; cat value}"),
        metric="git fsck --connectivity-only >&2 && sh look metric && cat value",
        **{"sandbox-write": str(seen)},
    )
    assert done.column("status") == ["baseline", "discard", "keep"], done.told
    looked = {path: path.name.split("-") for path in seen.iterdir()}
    kinds = {(value, kind) for value, kind, _ in looked.values()}
    assert kinds >= {("10", k) for k in ("setup", "metric", "guard", "holdout", "hook")}
    assert kinds >= {("9", k) for k in ("metric", "guard", "holdout", "hook")}
    assert ("20", "metric") in kinds
    listed = ("rev-list", "--objects", "--no-object-names")
    known = set(tagged.git(*listed, "main", "--tags").split())
    of_value: dict[str, set[str]] = {"10": set(), "9": set(), "20": set()}
    for commit in tagged.git("rev-list", "--all", "--not", "main", "--tags").split():
        value = tagged.git("show", f"{commit}:value", check=False)
        if value in ("9", "20"):
            of_value[value] |= set(tagged.git(*listed, commit, "--not", "main").split())
    unseen = set(tagged.git(*listed, "--all").split()) - known
    assert unseen > of_value["9"] | of_value["20"]
    for path, (value, *_) in looked.items():
        found = set(path.read_text().split())
        assert found >= known
        assert not found & (unseen - of_value[value]), path.name


def test_the_same_history_is_packed_once(tagged: Repo, tmp_path: Path) -> None:
    """And what leads to a later commit is added to it, but to an earlier one nothing of a later."""
    tagged.git("tag", "-m", "a tag", "v1", "HEAD~")
    listed = ("rev-list", "--objects", "--no-object-names", "--tags")
    commits = ["HEAD", "HEAD", "HEAD~", "HEAD"]
    with opened(Repository.open(tagged.path), tmp_path / "git") as store, histories_kept():
        packs: list[set[int]] = []
        for number, name in enumerate(commits):
            commit, tree = tagged.git("rev-parse", name), tmp_path / str(number) / "tree"
            tree.mkdir(parents=True)
            store.check_out(commit, tree, {})
            store.view(commit, tree, (), False, {}, {}, ())
            found = sorted((tree.parent / "objects" / "pack").iterdir())
            packs.append({path.stat().st_ino for path in found})
            told = [tagged.git("verify-pack", "-v", str(p)) for p in found if p.suffix == ".idx"]
            shown = {line.split()[0] for text in told for line in text.splitlines()}
            expected = set(tagged.git(*listed, commit).split())
            assert {name for name in shown if len(name) == 40} == expected
            if number == 2:
                tagged.write("later", "1\n")
                tagged.commit("later")
    assert packs[0] == packs[1] != packs[2]
    assert packs[3] > packs[2]


def test_setup_may_ask_too(tagged: Repo, run: Run) -> None:
    """As `pip install -e .` does for the version."""
    tagged.git("tag", "v1")
    done = run(
        *("--set", "setup=[git describe --tags > version]"),
        *("--guard", "grep -x v1 version"),
    )
    assert done.code == 0, done.told
    assert done.column("status")[0] == "baseline", done.told


@pytest.mark.parametrize(
    ("how", "depth"),
    [("--depth=1", 1), ("--depth=2", 2), ("--filter=tree:0", 2), ("--filter=blob:none", 2)],
)
def test_a_clone_of_a_part_answers_as_far_as_it_goes(
    tagged: Repo, run: Run, tmp_path: Path, how: str, depth: int
) -> None:
    tagged.git("tag", "v1")
    tagged.git("config", "uploadpack.allowFilter", "true")
    clone = Repo(tmp_path / "clone")
    tagged.git("clone", "-q", how, f"file://{tagged.path}", str(clone.path))
    question = f"test $(git rev-list --count HEAD) = {depth} && git describe --tags >&2"
    done = run(metric=f"{question} && cat value", cwd=clone.path)
    assert done.code == 0, done.told
    assert "1 kept" in done.out, done.told


def test_a_repository_with_sha256_names_answers(run: Run, script: Script, tmp_path: Path) -> None:
    other = Repo(tmp_path / "sha256")
    other.path.mkdir()
    other.git("init", "--quiet", "--object-format=sha256")
    other.write("value", "10\n")
    other.commit()
    script({"description": "nine", "files": {"value": "9\n"}})
    metric = 'git diff --quiet HEAD && test "$(git show HEAD:value)" = "$(cat value)" && cat value'
    done = run(metric=metric, cwd=other.path)
    assert "1 kept" in done.out, done.told


def test_odd_names_are_clean(tagged: Repo, run: Run, script: Script) -> None:
    names = ["a b", "ä", "line\nend", 'q"uote', "x" * 200, "src.b", "src0"]
    for name in names:
        tagged.write(name, "1\n")
    tagged.commit("odd")
    script({"description": "nine", "files": {"value": "9\n", **dict.fromkeys(names, "2\n")}})
    done = asked(run, "git diff --quiet HEAD", "git fsck --connectivity-only", "git ls-files")
    assert done.column("status") == ["baseline", "keep"], done.told


def test_converted_and_filtered_files_are_clean(tagged: Repo, run: Run) -> None:
    tagged.write(".gitattributes", "*.txt text eol=crlf\nlarge filter=x\n")
    tagged.git("config", "filter.x.clean", "tr a b")
    tagged.git("config", "filter.x.smudge", "tr b a")
    tagged.write("a.txt", "1\r\n2\r\n")
    tagged.write("large", "aaa\n")
    tagged.commit("attributes")
    done = asked(run, "git diff --quiet HEAD", "git diff-files --quiet", "grep -x aaa large")
    assert done.column("status") == ["baseline", "keep"], done.told


def test_a_users_hook_still_sees_what_is_to_be_committed(tagged: Repo, run: Run) -> None:
    # It is asked about the unmodified code first: then there is no src/new to be committed.
    hook = (
        "#!/bin/sh\nnames=$(git diff --cached --name-only | tr '\\n' ' ')\n"
        'case "$names" in *src/new*) test "$names" = "src/a/one src/new value ";; ?*) ;; '
        "*) exit 1;; esac\n"
    )
    tagged.write(".git/hooks/pre-commit", hook, 0o755)
    done = run(
        "--set", "hooks=true", *NAMED, metric="git diff --quiet HEAD && cat value", scope="**"
    )
    assert done.column("status") == ["baseline", "keep"], done.told


def test_a_submodule_stays_one(tagged: Repo, run: Run, tmp_path: Path) -> None:
    other = Repo(tmp_path / "other")
    other.path.mkdir()
    other.git("init", "--quiet")
    other.write("file", "x\n")
    other.commit()
    tagged.git("submodule", "--quiet", "add", str(other.path), "lib")
    tagged.commit("submodule")
    listed = shlex.quote("160000 commit [0-9a-f]*\tlib")
    done = asked(run, f"git ls-tree HEAD | grep {listed}", "git diff --quiet HEAD", "cat lib/file")
    assert done.column("status") == ["baseline", "keep"], done.told
