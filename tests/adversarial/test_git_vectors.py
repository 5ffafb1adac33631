"""No code that somebody plants where git looks runs in our calls, and no plant changes a verdict.

Planted in the user's repository before the run, by setup, by measured code and by an agent CLI
during it (in the folder that they run in, and in the user's `.git`), and in our environment. A
vector's program leaves a file of the vector's name: that file must not be there, and verdicts and
kept commits must be those of a run without vectors.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from autoresearch_ci.errors import WorkspaceError
from autoresearch_ci.workspace.repository import Repository
from autoresearch_ci.workspace.store import Store
from tests.adversarial.garden import BRANCH, Garden
from tests.adversarial.git_vectors import (
    ALIVE,
    CONFIG,
    ENVIRONMENT,
    HOME,
    HOOKS,
    STRUCTURE,
    Vector,
)
from tests.conftest import GIT_ENVIRONMENT

if TYPE_CHECKING:
    from tests.conftest import Repo, Result, Run, Script

Tally = Callable[[str, int], None]
PLANTED = [*HOOKS, *CONFIG, *STRUCTURE]
AROUND = [*HOME, *ENVIRONMENT]
METRIC = "if grep -qs cheat other f1 conftest.py sitecustomize.py; then echo 1; else cat value; fi"
EXPECTED = [("baseline", "10"), ("keep", "9"), ("discard", "20"), ("keep", "8")]
KEPT = (
    "experiment: try 8\n\n:100644 100644 ec63514 45a4fb7 M\tvalue\n"
    "experiment: try 9\n\n:100644 100644 f599e28 ec63514 M\tvalue\n"
    ".gitattributes\nf1\nf2\nf3\nf4\nf5\nf6\nother\nvalue\n"
)


@pytest.fixture
def garden(tmp_path: Path, repo: Repo) -> Garden:
    garden = Garden(tmp_path, repo)
    garden.prepare()
    return garden


@dataclass(frozen=True)
class Gardener:
    """Who plants, and when: each field's name says it. All propose 9, 20 and 8."""

    garden: Garden
    script: Script
    run: Run

    def before(self, group: Sequence[Vector]) -> Result:
        self.garden.sow(group)
        return self._scripted(metric=METRIC)

    def measured_code(self, group: Sequence[Vector]) -> Result:
        return self._scripted(metric=f"{METRIC}; {self._both(group)}")

    def setup(self, group: Sequence[Vector]) -> Result:
        setup = json.dumps([f"git init -q; {self._both(group)}"])
        return self._scripted("--set", f"setup={setup}", metric=METRIC)

    def setup_before_hooks(self, group: Sequence[Vector]) -> Result:
        """The repository that we then pretend to the user's own hook is not made upon its plants.

        Those in the user's `.git` would be the user's hooks, which `hooks` asks for.
        """
        hook = "#!/bin/sh\ngit diff --cached --name-only\n"
        self.garden.repo.write(".git/hooks/pre-commit", hook, 0o755)
        setup = json.dumps([f'git init -q; sh {self.garden.plant(group)} "$PWD/.git"'])
        flags = ("--set", f"setup={setup}", "--set", "hooks=true")
        return self._scripted(*flags, metric=METRIC)

    def agent(self, group: Sequence[Vector]) -> Result:
        agent = self.garden.root / "agent.sh"
        counter = self.garden.root / "count"
        counter.touch()
        agent.write_text(
            f"echo >> {counter}; case $(wc -l < {counter}) in 1) v=9;; 2) v=20;; *) v=8;; esac\n"
            f"echo $v > value; {self._both(group)}\necho DESCRIPTION: try $v\n"
        )
        configuration = self.garden.root / "agent.yml"
        configuration.write_text(f"proposer: {{command: 'sh {agent}'}}\niterations: 3\n")
        return self.run("--config", str(configuration), metric=METRIC, proposer=None)

    def _both(self, group: Sequence[Vector]) -> str:
        """Plants in the folder it runs in, which git might take for a repository, and ours."""
        plant = self.garden.plant(group)
        return f'for g in "$PWD/.git" {self.garden.repo.path}/.git; do sh {plant} "$g"; done'

    def _scripted(self, *flags: str, metric: str) -> Result:
        self.script(
            *({"description": f"try {n}", "files": {"value": f"{n}\n"}} for n in (9, 20, 8))
        )
        return self.run(*flags, metric=metric)


WAYS = [
    Gardener.before,
    Gardener.measured_code,
    Gardener.setup,
    Gardener.setup_before_hooks,
    Gardener.agent,
]


def suits(way: Callable[..., Result], vector: Vector) -> bool:
    """What setup, a command of the user's, writes into the tree is meant to stay there."""
    return way not in (Gardener.setup, Gardener.setup_before_hooks) or "CHEAT" not in vector.shell


def beds(vectors: Sequence[Vector]) -> list[list[Vector]]:
    """Vectors that can be planted together."""
    groups = defaultdict(list)
    for vector in vectors:
        groups[vector.clash].append(vector)
    return list(groups.values())


def together(value: object) -> str:
    if isinstance(value, list):
        return value[0].name if len(value) == 1 else f"{len(value)} from {value[0].name}"
    return value.name if isinstance(value, Vector) else getattr(value, "__name__", "")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """All ways of all vectors are many: without --torture, a sample that has each of both."""
    torture = metafunc.config.getoption("--torture")
    if {"way", "group"} <= set(metafunc.fixturenames):
        plans = [
            (way, [vector for vector in bed if suits(way, vector)])
            for number, bed in enumerate(beds(PLANTED))
            for turn, way in enumerate(WAYS)
            if torture or number == 0 or number % len(WAYS) == turn
        ]
        metafunc.parametrize(("way", "group"), plans, ids=together)
    elif {"way", "vector"} <= set(metafunc.fixturenames):
        alone = [(way, v) for v in PLANTED for way in WAYS if suits(way, v)] if torture else []
        metafunc.parametrize(("way", "vector"), alone, ids=together)
    elif "around" in metafunc.fixturenames:
        metafunc.parametrize("around", [AROUND, *([v] for v in AROUND if torture)], ids=together)
    elif "living" in metafunc.fixturenames:
        living = [v for v in PLANTED if v.name in ALIVE]
        metafunc.parametrize("living", living if torture else living[::5], ids=together)


@pytest.fixture
def gardener(garden: Garden, script: Script, run: Run) -> Gardener:
    return Gardener(garden, script, run)


def judge(garden: Garden, done: Result, group: Sequence[Vector], tally: Tally) -> None:
    fired = garden.fired()
    tally("injection vectors tried", len(group))
    tally("injection vectors fired", len(fired))
    assert fired == [], done.told
    assert (garden.root / "planted").read_text(), "nothing was planted"
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


def test_nothing_planted_runs_or_changes_a_verdict(
    gardener: Gardener,
    tally: Tally,
    way: Callable[[Gardener, Sequence[Vector]], Result],
    group: list[Vector],
) -> None:
    judge(gardener.garden, way(gardener, group), group, tally)


def test_a_vector_that_no_other_hides_runs_nothing_and_changes_no_verdict(
    gardener: Gardener,
    tally: Tally,
    way: Callable[[Gardener, Sequence[Vector]], Result],
    vector: Vector,
) -> None:
    judge(gardener.garden, way(gardener, [vector]), [vector], tally)


def test_nothing_in_our_environment_or_home_runs_or_changes_a_verdict(
    gardener: Gardener, tally: Tally, monkeypatch: pytest.MonkeyPatch, around: list[Vector]
) -> None:
    gardener.garden.at_home(around, monkeypatch)
    judge(gardener.garden, gardener.before([]), around, tally)


def test_the_vector_is_alive(garden: Garden, repo: Repo, tally: Tally, living: Vector) -> None:
    """Git without our care runs what is planted: else the other tests would prove nothing."""
    garden.sow([living])
    commands = 'git() { timeout 9 git -c protocol.file.allow=always "$@"; }\n'
    subprocess.run(
        ["sh", "-c", commands + ALIVE[living.name]],
        cwd=repo.path,
        env={**GIT_ENVIRONMENT, "GIT_TERMINAL_PROMPT": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    tally("injection vectors that plain git runs", len(garden.fired()))
    assert garden.fired() == [living.name]


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
    assert not repository.changed()


def test_a_filter_does_not_decide_whether_the_checkout_is_dirty(garden: Garden, repo: Repo) -> None:
    garden.sow([vector for vector in CONFIG if vector.name.startswith("filter")])
    assert not opened(repo).changed()
    repo.write("f4", "changed\n")
    assert opened(repo).changed()
    assert garden.fired() == []
