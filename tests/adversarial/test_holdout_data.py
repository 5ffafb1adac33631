"""What `holdout.read` lists is the holdout's alone: whatever other commands try, and in every tree.

The holdout's own command leaves copies wherever it can, as a candidate would have it do.
"""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from autoresearch_ci.config.metric import Holdout, Metric
from autoresearch_ci.config.schema import Config
from autoresearch_ci.execution.sandbox.abilities import abilities
from autoresearch_ci.preflight import Options, at_commit, investigation_context
from tests.adversarial.attacks import ROOT, in_a_container, without_bubblewrap

if TYPE_CHECKING:
    from tests.adversarial.attacks import Attack
    from tests.conftest import Repo, Run

LOOK = """
word=THE-HELD-OUT
objects=$(sed 1q .git/objects/info/alternates || echo .) 2> /dev/null
{
  cat data/held/now.txt data/was.txt "$0.place/far.txt"
  git cat-file --batch-all-objects --batch
  git status --porcelain
  git ls-files
  [ ! -d .git ] || git show HEAD:data/other.txt > /dev/null || echo '?? lost'
  grep -raE "$word" . "$HOME" "$TMPDIR" "$objects/.."
} 2> /dev/null | grep -aoE "$word-[a-z]*|^( D|D |[?]{2}) .*|held/now.txt" > "$0.seen/$1-$$"
[ "$1" = holdout ] || exit 0
for place in . built data "$HOME" "$TMPDIR" .git/objects; do
  cp -r data/held "$place/copied" && cp "$0.place/far.txt" "$place/far-copied"
done 2> /dev/null
git add -A; git stash -q
true
"""


@pytest.mark.parametrize(
    "mechanism", ["full", "container, another user", "container, our user", "none"]
)
def test_only_the_holdout_sees_what_it_alone_reads(
    mechanism: str, attack: Attack, tmp_path: Path
) -> None:
    found = abilities(None)
    if "container" in mechanism and found.landlock < 6:
        pytest.skip(f"no {mechanism} here: {found}")
    if mechanism == "full" and found.why_no_view:
        pytest.skip(found.why_no_view)
    if "another" in mechanism and not ROOT:
        pytest.skip("only root has other users")
    repo, look = attack.repo, attack.open_folder / "look"
    look.write_text(LOOK)
    place, seen = attack.open_folder / "look.place", attack.open_folder / "look.seen"
    for folder in (place, seen):
        folder.mkdir()
        folder.chmod(0o777)
    (place / "far.txt").write_text("THE-HELD-OUT-far\n")
    repo.write("data/was.txt", "THE-HELD-OUT-moved\n")
    repo.commit("a name of its own")
    repo.git("mv", "data/was.txt", "data/moved.txt")
    repo.write("data/held/now.txt", "THE-HELD-OUT-old\n")
    repo.commit("old")
    repo.git("tag", "v1")
    (repo.path / "data/held/moved.txt").write_bytes((repo.path / "data/moved.txt").read_bytes())
    repo.git("rm", "-q", "data/moved.txt")
    repo.write("data/held/now.txt", "THE-HELD-OUT-now\n")
    repo.write("data/held/empty.txt", "")
    repo.write("data/other.txt", "")
    repo.commit("now")
    repo.write(".git/hooks/pre-commit", f"#!/bin/sh\nsh {look} hook\n", 0o755)
    agent, config = attack.open_folder / "tools" / "agent", tmp_path / "config.yml"
    agent.parent.mkdir()
    agent.write_text(f"#!/bin/sh\nsh {look} agent\necho 9 > value\n")
    agent.chmod(0o755)
    config.write_text(json.dumps({"proposer": {"command": str(agent)}}))
    with contextlib.ExitStack() as stack:
        if mechanism != "full":
            stack.enter_context(without_bubblewrap(tmp_path / "empty"))
            stack.enter_context(in_a_container(tmp_path, attack.open_folder))
        user = "auto" if "another" in mechanism or mechanism == "full" else "keep"
        asked = f"sh {look}"
        done = attack.run(
            *("--config", str(config), "--scope", "value", "--scope", "other"),
            *("--set", "calibrate=never", "--set", "confirm=never", "--iterations", "1"),
            *(
                "--set",
                f"sandbox.user={user}",
                "--set",
                f"sandbox.read_only={json.dumps(mechanism != 'none')}",
            ),
            *("--set", f"sandbox.read=[{look}]"),
            *("--set", f"sandbox.write=[{seen}]", "--set", "hooks=true"),
            *("--set", f"setup=[{asked} setup]", "--guard", f"{asked} guard"),
            *("--set", "cache=[built/, data/]"),
            *("--set", f"holdout={{command: '{asked} holdout && cat value', must: hold}}"),
            *("--set", f"holdout.read=['data/held/ ', {place}]"),
            metric=f"{asked} metric; cat value",
            proposer=None,
            **{"sandbox-write": None},
        )
    assert done.column("status") == ["baseline", "keep"], done.told
    told = "holdout.read keeps nothing from the other commands here" in done.told
    assert told == (mechanism == "none")
    if told:
        return
    looked: dict[str, set[str]] = {}
    for path in seen.iterdir():
        looked.setdefault(path.name.partition("-")[0], set()).add(path.read_text())
    assert looked.keys() == {"setup", "metric", "guard", "hook", "holdout", "agent"}
    everything = {"THE-HELD-OUT-far", "THE-HELD-OUT-moved", "THE-HELD-OUT-now", "held/now.txt"}
    for kind, texts in looked.items():
        found_there = {line for text in texts for line in text.splitlines()}
        assert found_there == (everything if kind == "holdout" else set()), kind


@pytest.mark.parametrize(
    ("listed", "more", "why"),
    [
        ("data/", ["--scope", "**"], "data/one is in scope"),
        ("data/two", [], "matches no file of the base commit"),
        ("data/", ["--guard", "sh data/one"], "data/one is named by another command"),
        ("link", [], "link is no regular file"),
        ("~/it", ["--set", "sandbox.read=[HOME]"], "it lies in HOME, which"),
        ("data/", ["--set", "sandbox.write=[REPO]"], "data/one lies in REPO, which"),
        ("data/", ["--set", "share=[data]"], "data/one lies in REPO/data, which"),
        ("REPO/link/far", ["--set", "share=[more]"], "REPO/link/far lies in REPO/more, which"),
        ("REPO/link/far", ["--set", "sandbox.read=[REPO/more]"], "lies in REPO/more, which"),
        ("~", [], "HOME is more than a place of its own"),
        ("REPO/data", [], "holds data/one of the commit"),
        ("/nowhere/to/be/found", [], "/nowhere/to/be/found does not exist"),
        ("!data/", [], "selects nothing"),
        ("../data", [], "leaves the repository"),
    ],
)
def test_what_would_not_be_the_holdouts_alone_is_refused(
    listed: str,
    more: list[str],
    why: str,
    run: Run,
    repo: Repo,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    repo.write("data/one", "1\n")
    (repo.path / "link").symlink_to("more")
    repo.commit("more")
    repo.write("more/far", "1\n")
    places = (("HOME", str(tmp_path / "home")), ("REPO", str(repo.path)))
    for name, path in places:
        listed, why = listed.replace(name, path), why.replace(name, path)
        more = [word.replace(name, path) for word in more]
    held = ("--set", f"holdout={{command: cat value, read: ['{listed}']}}")
    done = run(*held, *more, metric="cat value", **{"sandbox-write": None})
    assert done.code == 2, done.told
    assert why in done.told


def test_a_command_that_only_looks_has_it_in_scope_and_hides_it_from_models(repo: Repo) -> None:
    repo.write("data/one", "1\n")
    repo.commit("more")
    repo.write("data/two", "2\n")
    later = repo.commit("later")
    holdout = Holdout(command="cat value", read=("data/",))
    config = Config(scope=("**",), metric=Metric(command="cat value"), holdout=holdout)
    found = investigation_context(
        config, Options(start=repo.path, tag="t", base=repo.git("rev-parse", "HEAD~")), "debug"
    )
    assert found.hidden == {"data/one"}
    assert at_commit(found, later).hidden == {"data/one", "data/two"}
