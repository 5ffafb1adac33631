"""No code that somebody plants where git looks runs in our calls, and no plant changes a verdict.

Planted in the user's repository before the run, by measured code during it (in its own folder and
in the user's `.git`), by an agent CLI in the draft, and in our environment. A vector's program
leaves a file of the vector's name: that file must not be there, and verdicts and kept commits must
be those of a run without vectors.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from autoresearch_ci.errors import WorkspaceError
from autoresearch_ci.store import Store
from autoresearch_ci.workspace import Repository
from tests.adversarial.git_vectors import (
    _ALL_HOOKS,
    _CHEAT,
    ATTRIBUTES,
    CONFIG,
    ENVIRONMENT,
    HOME,
    HOOKS,
    INFO_ATTRIBUTES,
    STRUCTURE,
    Vector,
)
from tests.conftest import GIT_ENVIRONMENT

if TYPE_CHECKING:
    from tests.conftest import Repo, Result, Run, Script

_COMMIT = "git commit -q --allow-empty -m x"
ALIVE = {
    **{f"hook {name}": _COMMIT for name in ("pre-commit", "prepare-commit-msg", "commit-msg")},
    "hook post-commit": _COMMIT,
    "hook post-checkout": "git checkout -q -b b",
    "hook reference-transaction": "git update-ref refs/heads/b HEAD",
    "hook post-index-change": "git read-tree HEAD",
    "hook pre-push": "git push -q . HEAD:refs/heads/b",
    "hook post-rewrite": f"{_COMMIT}; git commit -q --amend --allow-empty -m y",
    "core.fsmonitor": "git status",
    "fsmonitor-watchman": "git status",
    "core.hooksPath": _COMMIT,
    "filter.clean": "git status",
    "filter.smudge": "rm other; git checkout -- other",
    "filter.process": "git status",
    "filter with odd name": "git status",
    "core.attributesFile": "git status",
    "diff.textconv": "echo x >> value; git diff",
    "diff.command": "echo x >> other; git diff",
    "diff.external": "echo x >> f4; git diff",
    "aliases": "git st",
    "core.pager": "script -qc 'git log' /dev/null || git -p log",
    "core.editor": "git commit --allow-empty",
    "core.sshCommand": "git ls-remote ssh://127.0.0.1/x",
    "gpg.program": _COMMIT,
    "include.path": "git status",
    "includeIf.gitdir": "echo x >> f5; git diff",
    "config.worktree": "git status",
    "remote.uploadpack": "git fetch origin",
}
SAMPLE = ("hook pre-commit", "core.fsmonitor", "filter.clean", "diff.textconv", "gpg.program")

Tally = Callable[[str, int], None]
PLANTED = [*HOOKS, *CONFIG, *STRUCTURE]
BRANCH = "refs/heads/autoresearch/t"
METRIC = "if grep -qs cheat other f1 conftest.py sitecustomize.py; then echo 1; else cat value; fi"
EXPECTED = [("baseline", "10"), ("keep", "9"), ("discard", "20"), ("keep", "8")]


@dataclass(frozen=True)
class Garden:
    """Where vectors grow."""

    root: Path
    repo: Repo

    @property
    def marks(self) -> Path:
        return self.root / "marks"

    def fired(self) -> list[str]:
        return sorted(path.name for path in self.marks.iterdir())

    def prepare(self) -> None:
        for name in ("marks", "evil", "elsewhere", "home"):
            (self.root / name).mkdir()
        for name in ("f1", "f2", "f3", "f4", "f5", "f6"):
            self.repo.write(name, f"{name}\n")
        self.repo.write(".gitattributes", ATTRIBUTES)
        self.repo.commit("files")
        (self.root / "elsewhere/canary").write_text("canary")
        self._clean("init", "--quiet", "--bare", str(self.root / "clean"))

    def plant(self, vectors: Iterable[Vector]) -> Path:
        """A shell script that plants them where it runs; `$1` is the git directory."""
        overlay = self.root / "overlay"
        shutil.rmtree(overlay, ignore_errors=True)
        for name in ("git/info", "tree"):
            (overlay / name).mkdir(parents=True)
        lines = [
            'exec 2>/dev/null; G=$1; mkdir -p "$G"',
            # Planting shall not set off what was planted before.
            'git() { command git -c core.hooksPath=/dev/null -c core.fsmonitor=false "$@"; }',
            f'cp -R {overlay}/git/. "$G/"; cat {overlay}/config >> "$G/config"',
            f"cp -R {overlay}/tree/. .",
        ]
        config = []
        (overlay / "git/info/attributes").write_text(INFO_ATTRIBUTES)
        for vector in vectors:
            config.append(self.fill(vector, vector.config))
            for below, files in (("git", vector.git), ("tree", vector.tree)):
                for path, text in files.items():
                    self._write(overlay / below / path, self.fill(vector, text))
            if vector.shell:
                lines.append(f"( {self.fill(vector, vector.shell)} )")
        (overlay / "config").write_text("".join(config))
        script = self.root / "plant.sh"
        script.write_text("\n".join([*lines, "true"]) + "\n")
        return script

    def fill(self, vector: Vector, text: str) -> str:
        mark = self.marks / vector.name.replace("/", "_")
        program = self.root / "evil" / f"{abs(hash(vector.name))}"
        self._write(program, f"#!/bin/sh\n: > '{mark}'\nexec timeout 1 cat\n")
        words = {
            "RUN": program,
            "MARK": mark,
            "CHEAT": _CHEAT,
            "../../elsewhere": self.root / "elsewhere",
            "FOLDER": self.root / "home",
            "HOOKS": self.root / "home/planted",
            "TEMPLATE": self.root / "home/t",
        }
        for word, value in words.items():
            text = text.replace(word, str(value))
        return text

    def at_home(self, vectors: Iterable[Vector], environment: pytest.MonkeyPatch) -> None:
        """Plant in our own environment and HOME."""
        environment.setenv("HOME", str(self.root / "home"))
        for vector in vectors:
            for path, text in {**_ALL_HOOKS, **vector.home}.items():
                self._write(self.root / "home" / path, self.fill(vector, text))
            for name, value in vector.environment.items():
                environment.setenv(name, self.fill(vector, value))

    def sow(self, vectors: Iterable[Vector]) -> None:
        """Plant in the user's repository, and make git look at every file again."""
        script = self.plant(vectors)
        argv = ["sh", str(script), str(self.repo.path / ".git")]
        subprocess.run(argv, cwd=self.repo.path, check=True, env=GIT_ENVIRONMENT)
        for path in self.repo.path.iterdir():
            if path.is_file():
                os.utime(path, (1, 1))
        for name in self.fired():
            (self.marks / name).unlink()

    @property
    def git_dir(self) -> Path:
        """Where the user's repository really is now."""
        moved = self.repo.path / ".git.moved"
        return moved if moved.exists() else self.repo.path / ".git"

    def kept(self) -> str:
        """What the run's branch is, read by a git that no vector can reach."""
        tip = (self.git_dir / BRANCH).read_text().strip()
        assert self._clean("fsck", "--no-dangling", "--strict", tip) == ""
        log = self._clean("log", "--format=%s", "--raw", "--abbrev=7", tip, "-2")
        return log + self._clean("ls-tree", "--name-only", tip)

    def subjects(self, commit: str) -> str:
        return self._clean("log", "--format=%s", commit)

    def _clean(self, *arguments: str) -> str:
        objects = str(self.git_dir / "objects")
        done = subprocess.run(
            ["git", "--git-dir", str(self.root / "clean"), *arguments],
            env={**GIT_ENVIRONMENT, "GIT_OBJECT_DIRECTORY": objects},
            cwd=self.root,
            check=True,
            capture_output=True,
        )
        return done.stdout.decode()

    @staticmethod
    def _write(path: Path, text: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)


@pytest.fixture
def garden(tmp_path: Path, repo: Repo) -> Garden:
    garden = Garden(tmp_path, repo)
    garden.prepare()
    return garden


def beds(vectors: Sequence[Vector], only: Sequence[int] | None = None) -> list[list[Vector]]:
    """Vectors that can be planted together."""
    groups = defaultdict(list)
    for vector in vectors:
        groups[vector.clash].append(vector)
    return [group for clash, group in groups.items() if only is None or clash in only]


def together(group: Sequence[Vector]) -> str:
    return group[0].name if len(group) == 1 else f"{len(group)} together"


def proposals(script: Script) -> None:
    script(*({"description": f"try {n}", "files": {"value": f"{n}\n"}} for n in (9, 20, 8)))


KEPT = (
    "experiment: try 8\n\n:100644 100644 ec63514 45a4fb7 M\tvalue\n"
    "experiment: try 9\n\n:100644 100644 f599e28 ec63514 M\tvalue\n"
    ".gitattributes\nf1\nf2\nf3\nf4\nf5\nf6\nother\nvalue\n"
)


def judge(garden: Garden, done: Result, group: Sequence[Vector], tally: Tally) -> None:
    fired = garden.fired()
    tally("injection vectors tried", len(group))
    tally("injection vectors fired", len(fired))
    assert fired == [], done.told
    assert (garden.root / "elsewhere/canary").read_text() == "canary"
    main = (garden.git_dir / "refs/heads/main").read_text().strip()
    assert garden.subjects(main) == "files\nstart\n"
    if done.code and any(vector.stops for vector in group):
        assert done.code == 3, done.told
        assert "do: " in done.err, done.told
        return
    rows = list(zip(done.column("status"), done.column("metric"), strict=True))
    assert rows == EXPECTED, done.told
    assert garden.kept() == KEPT


@pytest.mark.parametrize("group", beds(PLANTED), ids=together)
def test_nothing_planted_in_the_users_repository_runs_or_changes_a_verdict(
    run: Run, script: Script, garden: Garden, tally: Tally, group: list[Vector]
) -> None:
    garden.sow(group)
    proposals(script)
    judge(garden, run(metric=METRIC), group, tally)


@pytest.mark.parametrize("group", beds(PLANTED, (0, 7, 8)), ids=together)
def test_nothing_that_measured_code_plants_runs_or_changes_a_verdict(
    run: Run, script: Script, garden: Garden, repo: Repo, tally: Tally, group: list[Vector]
) -> None:
    """In the folder it runs in, which git might take for a repository, and in the user's `.git`."""
    plant = garden.plant(group)
    proposals(script)
    metric = f'{METRIC}; for g in "$PWD/.git" {repo.path}/.git; do sh {plant} "$g"; done'
    judge(garden, run(metric=metric), group, tally)


@pytest.mark.parametrize("group", beds(PLANTED, (0,)), ids=together)
def test_nothing_that_setup_or_a_hook_plants_runs_or_changes_a_verdict(
    run: Run, script: Script, garden: Garden, repo: Repo, tally: Tally, group: list[Vector]
) -> None:
    """Setup's plants stay; the repository that we then pretend to a hook is not made upon them."""
    group = [vector for vector in group if "CHEAT" not in vector.shell]
    plant = garden.plant(group)
    repo.write(".git/hooks/pre-commit", "#!/bin/sh\ngit diff --cached --name-only\n", 0o755)
    proposals(script)
    done = run("--setup", f'git init -q; sh {plant} "$PWD/.git"', "--hooks", metric=METRIC)
    fired = [name for name in garden.fired() if name != "hook pre-commit"]
    assert fired == [], done.told
    judge(garden, done, group, tally)


@pytest.mark.parametrize("group", beds(PLANTED, (0,)), ids=together)
def test_nothing_that_an_agent_plants_in_the_draft_runs_or_changes_a_verdict(
    run: Run, garden: Garden, repo: Repo, tally: Tally, group: list[Vector]
) -> None:
    plant = garden.plant(group)
    agent = garden.root / "agent.sh"
    agent.write_text(
        "case $(cat value) in 10) v=9;; 9) v=8;; esac; [ -e ~/../../n ] ; echo $v > value\n"
        f'for g in "$PWD/.git" {repo.path}/.git; do sh {plant} "$g"; done\n'
        "echo DESCRIPTION: try $v\n"
    )
    repo.write(
        ".github/autoresearch.yml",
        f"scope: [value]\nmetric: {{command: '{METRIC}'}}\nproposer: {{command: 'sh {agent}'}}\n"
        "iterations: 2\n",
    )
    repo.commit("configuration")
    done = run(scope=None, metric=None, proposer=None)
    tally("injection vectors tried", len(group))
    tally("injection vectors fired", len(garden.fired()))
    assert garden.fired() == [], done.told
    assert done.column("metric") == ["10", "9", "8"], done.told
    assert garden.kept() == KEPT.replace("f1\n", "f1\n").replace(
        ".gitattributes\n", ".gitattributes\n.github\n"
    )


def test_nothing_in_our_environment_or_home_runs_or_changes_a_verdict(
    run: Run, script: Script, garden: Garden, tally: Tally, monkeypatch: pytest.MonkeyPatch
) -> None:
    garden.sow([])
    garden.at_home([*HOME, *ENVIRONMENT], monkeypatch)
    proposals(script)
    judge(garden, run(metric=METRIC), [*HOME, *ENVIRONMENT], tally)


def test_every_vector_alone(
    run: Run,
    script: Script,
    garden: Garden,
    tally: Tally,
    torture: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One that fires only when no other hides it."""
    if not torture:
        pytest.skip("make torture")
    proposals(script)
    original = tmp_path / "original"
    shutil.copytree(garden.repo.path, original, symlinks=True)
    for vector in (*PLANTED, *HOME, *ENVIRONMENT):
        for during in (False, True):
            shutil.rmtree(garden.repo.path)
            shutil.copytree(original, garden.repo.path, symlinks=True)
            with monkeypatch.context() as environment:
                if vector.home or vector.environment:
                    garden.at_home([vector], environment)
                plant = garden.plant([vector])
                folders = f'"$PWD/.git" {garden.repo.path}/.git'
                metric = f'{METRIC}; for g in {folders}; do sh {plant} "$g"; done'
                if not during:
                    garden.sow([vector])
                done = run(metric=metric if during else METRIC)
            judge(garden, done, [vector], tally)


@pytest.mark.parametrize("name", sorted(ALIVE))
def test_the_vector_is_alive(
    garden: Garden, repo: Repo, name: str, torture: bool, tally: Tally
) -> None:
    """Git without our care runs what is planted: else the other tests would prove nothing."""
    if not torture and name not in SAMPLE:
        pytest.skip("make torture")
    vector = next(vector for vector in (*HOOKS, *CONFIG) if vector.name == name)
    garden.sow([vector])
    commands = f'git() {{ timeout 9 git -c protocol.file.allow=always "$@"; }}\n{ALIVE[name]}'
    subprocess.run(
        ["sh", "-c", commands],
        cwd=repo.path,
        env={**GIT_ENVIRONMENT, "GIT_TERMINAL_PROMPT": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    tally("injection vectors that plain git runs", len(garden.fired()))
    assert garden.fired() == [name]


# --- single holes ---------------------------------------------------------------------------------


def opened(repo: Repo) -> Repository:
    return Repository.open(repo.path)


def test_a_missing_object_is_not_fetched_by_what_the_repository_configures(
    garden: Garden, repo: Repo
) -> None:
    """A promisor remote is asked for objects that are not there, by a program of its choice."""
    upload = next(vector for vector in CONFIG if vector.name == "remote.uploadpack")
    garden.sow([upload])
    repo.write(f".git/{BRANCH}", "1" * 40 + "\n")
    assert opened(repo).ref(BRANCH) is None
    assert garden.fired() == []


def test_no_signature_is_checked_by_what_the_repository_configures(
    garden: Garden, repo: Repo
) -> None:
    tree = repo.git("rev-parse", "HEAD^{tree}")
    person = "A <a@example.org> 1 +0000"
    commit = f"tree {tree}\nauthor {person}\ncommitter {person}\ngpgsig x\n \n\nsubject\n\nbody\n"
    repo.write("signed", commit)
    name = repo.git("hash-object", "-t", "commit", "-w", "--literally", "signed")
    garden.sow([vector for vector in CONFIG if vector.name == "gpg.program"])
    assert opened(repo).message(name) == "subject\n\nbody\n"
    assert garden.fired() == []


def test_a_file_whose_object_was_rewritten_is_not_read(repo: Repo, tmp_path: Path) -> None:
    version = opened(repo).files("HEAD")["value"]
    other = repo.git("rev-parse", "HEAD:other")
    places = [repo.path / ".git/objects" / n[:2] / n[2:] for n in (version.blob, other)]
    places[0].chmod(0o644)
    places[0].write_bytes(places[1].read_bytes())
    store = Store(tmp_path / "store", opened(repo))
    with pytest.raises(WorkspaceError, match="another content"):
        store.read(version)
    store.close()


def test_configuration_planted_in_our_own_git_directory_is_thrown_out(
    garden: Garden, repo: Repo, tmp_path: Path
) -> None:
    """Where measured code runs as our user, it can write there as well."""
    store = Store(tmp_path / "store", opened(repo))
    plant = garden.plant([*HOOKS, *(v for v in CONFIG if v.clash == 0)])
    subprocess.run(["sh", str(plant), str(store.folder)], cwd=tmp_path, check=True)
    tree = tmp_path / "tree"
    tree.mkdir()
    store.check_out(repo.git("rev-parse", "HEAD"), tree, {})
    store.close()
    assert garden.fired() == []
    assert (tree / "f1").read_text() == "f1\n"
    assert (
        sorted(path.name for path in store.folder.iterdir() if path.name in ("info", "hooks")) == []
    )


def test_a_repository_that_somebody_left_for_others_to_find_is_refused(
    repo: Repo, tmp_path: Path
) -> None:
    if os.getuid():
        pytest.skip("needs root, to make a folder that is somebody else's")
    mine = repo.path / "mine"
    mine.mkdir()
    os.chown(repo.path / ".git", 12345, 12345)
    with pytest.raises(WorkspaceError, match="belongs to another user"):
        Repository.open(mine)
    os.chown(repo.path, 12345, 12345)  # a checkout in a container: all of it is somebody else's
    repository = Repository.open(mine)
    assert repository.head()
    assert not repository.dirty()


def test_a_filter_does_not_decide_whether_the_checkout_is_dirty(garden: Garden, repo: Repo) -> None:
    garden.sow([vector for vector in CONFIG if vector.name.startswith("filter")])
    assert not opened(repo).dirty()
    repo.write("f4", "changed\n")
    assert opened(repo).dirty()
    assert garden.fired() == []
