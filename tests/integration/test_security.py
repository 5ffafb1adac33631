"""`security`: real repositories, real scanners, a real command line.

What each way around a gate would hide is one and the same weakness; the gate fails, or says that it
did not look.
"""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from autoresearch_ci.cli.main import run_cli
from tests.conftest import Repo
from tests.git_http import GitServer, create
from tests.github_api import ACTIONS, SLUG, GitHubApi, Identity

HOLE = "import subprocess\n\n\ndef run(name):\n    subprocess.call('ls ' + name, shell=True)\n"
DOC = '"""'
SHELL = f'import os\n\n\ndef run(name):\n    {DOC}Say.{DOC}\n    os.system("ls " + name)\n'
CLIENT = "import requests\n\ns = requests.Session()\ns.get('https://a.org', verify=False)\n"
KEY = f"-----BEGIN EC PRIVATE KEY-----\n{'a' * 64}\n-----END EC PRIVATE KEY-----\n"
HARMLESS = "def run(name):\n    return name\n"
WORKFLOW = """\
on: issues
permissions: {contents: read}
jobs:
  triage:
    runs-on: ubuntu-24.04
    steps:
      - run: claude -p "Look at ${{ github.event.issue.title }}"
"""


@dataclass(frozen=True, kw_only=True)
class Scanned:
    code: int
    out: str
    err: str
    folder: Path

    @property
    def json(self) -> dict[str, Any]:
        found = json.loads((self.folder / "weaknesses.json").read_text())
        assert isinstance(found, dict)
        return found

    @property
    def verdict(self) -> str:
        return str(self.json["verdict"])

    @property
    def rules(self) -> dict[str, str]:
        """What is told: rule to age."""
        return {item["rule"]: item["age"] for item in self.json["items"]}

    @property
    def blocking(self) -> list[str]:
        return [f"{i['path']}:{i['rule']}" for i in self.json["items"] if i["blocks"]]


Scan = Callable[..., Scanned]


@pytest.fixture
def scan(repo: Repo, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Scan:
    def run(*words: str, **environment: str) -> Scanned:
        monkeypatch.chdir(repo.path)
        capsys.readouterr()
        code = run_cli(["security", *words], {**os.environ, **environment})
        told = capsys.readouterr()
        folder = repo.path / "autoresearch" / f"security-{repo.git('rev-parse', 'HEAD')[:7]}"
        return Scanned(code=code, out=told.out, err=told.err, folder=folder)

    return run


@pytest.fixture
def topic(repo: Repo) -> str:
    """A branch is checked out that has left main; where it left."""
    base = repo.git("rev-parse", "HEAD")
    repo.git("switch", "--quiet", "-c", "topic")
    return base


def event(tmp_path: Path, base: str, head: str, *, fork: bool = False) -> dict[str, str]:
    name = "stranger/name" if fork else SLUG
    pull = {
        "number": 1,
        "base": {"sha": base, "repo": {"full_name": SLUG}},
        "head": {"sha": head, "repo": {"full_name": name}},
    }
    path = tmp_path / "event.json"
    path.write_text(json.dumps({"pull_request": pull}))
    return {"GITHUB_EVENT_NAME": "pull_request", "GITHUB_EVENT_PATH": str(path)}


# --- what a change brings -------------------------------------------------------------------------


def test_what_a_change_brings_fails_and_what_was_there_does_not(repo: Repo, scan: Scan) -> None:
    repo.write("old.py", HOLE)
    repo.commit()
    repo.git("switch", "--quiet", "-c", "topic")
    repo.write("old.py", f"# moved down\n\n{HOLE}")
    repo.write("new.py", HOLE.replace("run(", "other("))
    repo.commit()
    found = scan("--diff")
    assert (found.code, found.verdict) == (1, "fail")
    assert found.blocking == ["new.py:bandit/B602"]
    assert {i["path"]: i["age"] for i in found.json["items"] if i["rule"] == "bandit/B602"} == {
        "old.py": "old",
        "new.py": "new",
    }


def test_without_diff_all_of_the_commit_is_judged(repo: Repo, scan: Scan) -> None:
    repo.write("old.py", HOLE)
    repo.commit()
    assert scan().code == 1
    assert scan("--fail-on", "critical").code == 0
    assert scan("--fail-on", "never").code == 0


def test_a_clean_change_passes_whatever_stands_elsewhere(repo: Repo, scan: Scan) -> None:
    repo.write("old.py", HOLE)
    repo.commit()
    repo.git("switch", "--quiet", "-c", "topic")
    repo.write("new.py", HARMLESS)
    repo.commit()
    found = scan("--diff", "main")
    assert (found.code, found.verdict) == (0, "pass")
    assert found.json["files"] == 1


def test_a_workflow_that_pastes_a_strangers_words_into_a_prompt_fails(
    repo: Repo, scan: Scan, topic: str
) -> None:
    repo.write(".github/workflows/triage.yml", WORKFLOW)
    repo.commit()
    found = scan("--diff", topic)
    assert found.code == 1
    assert ".github/workflows/triage.yml:agentic/untrusted-prompt" in found.blocking
    assert found.rules["agentic/missing-actor-check"] == "new"


def test_uncommitted_changes_are_said_not_to_be_looked_at(repo: Repo, scan: Scan) -> None:
    repo.write("a.py", HARMLESS)
    repo.commit()
    repo.write("a.py", HOLE)
    found = scan()
    assert found.code == 0
    assert "uncommitted changes are not looked at" in found.out


def test_the_users_files_are_as_they_were(repo: Repo, scan: Scan) -> None:
    repo.write("a.py", HOLE)
    repo.commit()
    before = repo.photograph()
    scan()
    assert repo.photograph() == before


# --- ways around a gate: one for each trick -------------------------------------------------------


def generated(repo: Repo) -> None:
    repo.write("app.py", f"# @generated\n{HOLE}")


def not_shown(repo: Repo) -> None:
    repo.write(".gitattributes", "*.py -diff linguist-generated linguist-vendored binary\n")
    repo.write("app.py", HOLE)


def ignored(repo: Repo) -> None:
    repo.write("app.py", HOLE)
    repo.git("add", "--all")
    repo.write(".gitignore", "*.py\n")


def vendored(repo: Repo) -> None:
    repo.write("node_modules/x/vendor/dist/app.py", HOLE)


def an_egg(repo: Repo) -> None:
    repo.write("x.egg/__pycache__/app.py", HOLE)


def hidden_folder(repo: Repo) -> None:
    repo.write(".svn/.tox/app.py", HOLE)


def suppressed(repo: Repo) -> None:
    repo.write("app.py", HOLE.replace("shell=True)", "shell=True)  # nosec B602  # noqa: S602"))


def suppressed_by_settings(repo: Repo) -> None:
    repo.write(".bandit", "[bandit]\nskips = B602\nexclude = app.py\n")
    repo.write("pyproject.toml", '[tool.bandit]\nskips = ["B602"]\n')
    repo.write("app.py", HOLE)


def many_files(repo: Repo) -> None:
    for number in range(300):
        repo.write(f"a/{number:03}.py", "x = 1\n")
    repo.write("z/app.py", HOLE)


def crlf(repo: Repo) -> None:
    repo.write("app.py", HOLE.replace("\n", "\r\n"))


def byte_order_mark(repo: Repo) -> None:
    repo.write("app.py", b"\xef\xbb\xbf" + HOLE.encode())


def latin_1(repo: Repo) -> None:
    repo.write("app.py", f"# -*- coding: latin-1 -*-\n# caf\xe9\n{HOLE}".encode("latin-1"))


def utf_16(repo: Repo) -> None:
    repo.write("app.py", HOLE.encode("utf-16"))


def with_a_zero(repo: Repo) -> None:
    repo.write("app.py", HOLE.encode() + b"# \0\n")


def large(repo: Repo) -> None:
    repo.write("app.py", HOLE + "# " + "x" * 2_000_000)


def a_long_line(repo: Repo) -> None:
    line = "; ".join(["x = 1"] * 5000)
    repo.write("app.py", f"import subprocess; {line}; subprocess.call('ls ' + x, shell=True)\n")


def a_link(repo: Repo) -> None:
    (repo.path / "app.py").symlink_to("/etc/passwd")


def a_submodule(repo: Repo) -> None:
    repo.git("init", "--quiet", "module")
    inside = Repo(repo.path / "module")
    inside.write("app.py", HOLE)
    inside.commit()


def broken(repo: Repo) -> None:
    repo.write("app.py", f"{HOLE}\ndef broken(:\n")


def without_suffix(repo: Repo) -> None:
    repo.write("tool", f"#!/usr/bin/env python3\n{HOLE}", 0o755)


def odd_name(repo: Repo) -> None:
    repo.write("-r --help $(touch p) \n;é.py", HOLE)


def in_large_files(repo: Repo) -> None:
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 3\n"
    repo.write("app.py", pointer)


def a_picture_that_is_none(repo: Repo) -> None:
    repo.write("app.gif", b"GIF89a\0<?php system($_GET[1]); ?>")


def a_song_that_is_a_program(repo: Repo) -> None:
    repo.write("app.mp3", b"ID3=1 # -*- coding: latin-1 -*- \xff\n" + HOLE.encode())


def a_malformed_workflow_beside(repo: Repo) -> None:
    repo.write(".github/workflows/a.yml", "on: [\n")
    repo.write(".github/workflows/b.yml", WORKFLOW.replace("claude -p", "echo"))


def moved_to_where_it_runs(repo: Repo) -> None:
    (repo.path / ".github" / "workflows").mkdir(parents=True)
    repo.git("mv", "docs/example.yml", ".github/workflows/triage.yml")


def renamed_with_it(repo: Repo) -> None:
    text = (repo.path / "long.py").read_text()
    repo.git("mv", "long.py", "renamed.py")
    repo.write("renamed.py", f"{text}\n\n{HOLE}")


def named_as_one_that_is_known(repo: Repo) -> None:
    repo.write("known.py", f"{HOLE}\n# more\n")
    repo.write("known\u200b.py", HOLE.replace("ls", "rm"))


def named_alike_when_spelt_out(repo: Repo) -> None:
    for name in ("app\u200b.py", "app\\u200b.py"):
        repo.write(name, HOLE)


def moved_out_of_tests(repo: Repo) -> None:
    (repo.path / "src").mkdir()
    repo.git("mv", "tests/client.py", "src/client.py")


def another_token_beside_one(repo: Repo) -> None:
    text = (repo.path / "tests/tokens.txt").read_text()
    repo.write("tests/tokens.txt", f"{text}\nghp_{'d4E5f6' * 6}\n")


def another_key_in_its_place(repo: Repo) -> None:
    repo.write("tests/key.pem", KEY.replace("a", "b"))


def a_name_that_is_no_text(repo: Repo) -> None:
    repo.write(os.fsdecode(b"a\xff\xfe.py"), HOLE)


def named_as_what_bandit_leaves_out(repo: Repo) -> None:
    repo.write("nothing/app.py", HOLE)


def a_secret_where_none_is_looked_for(repo: Repo) -> None:
    for name in ("site.css", "deps.lock", "logo.svg", "bundle.map", "package-lock.json"):
        repo.write(name, f'key = "{"AKIA" + "2E0A8F3B244C9986"}"\n')


def by_lines_that_are_none(repo: Repo) -> None:
    was = 'os.system("ls " + name)'
    told = f"import os  # \x0c\x0c\n\n\ndef run(name):\n    {DOC}say\n    {was}\n    {DOC}\n"
    repo.write("shell.py", f'{told}    os.system("rm -r " + name)\n')


def accepted_by_itself(repo: Repo) -> None:
    repo.write("app.py", HOLE)
    entry = {"fingerprint": "0123456789abcdef", "reason": "because", "expires": "2099-01-01"}
    repo.write(".github/security-accepted.yml", json.dumps({"accepted": [entry]}))


FOUND = [
    *(generated, vendored, an_egg, hidden_folder, suppressed, crlf, byte_order_mark, a_long_line),
    *(without_suffix, odd_name, a_name_that_is_no_text, a_secret_where_none_is_looked_for),
]
UNSEEN = [
    *(latin_1, utf_16, with_a_zero, large, a_link, a_submodule, broken, in_large_files),
    *(a_picture_that_is_none, a_song_that_is_a_program),
]
"""Where it cannot be looked at, and that is said."""
STEERING = [
    *(not_shown, ignored, suppressed_by_settings, many_files, a_malformed_workflow_beside),
    *(accepted_by_itself, named_alike_when_spelt_out),
]
"""What would touch others beside it."""
IN_PLACE = {
    moved_to_where_it_runs: ".github/workflows/triage.yml",
    renamed_with_it: "renamed.py",
    named_as_one_that_is_known: "known\u200b.py",
    named_as_what_bandit_leaves_out: "nothing/app.py",
    by_lines_that_are_none: "shell.py",
    moved_out_of_tests: "src/client.py",
    another_token_beside_one: "tests/tokens.txt",
    another_key_in_its_place: "tests/key.pem",
}
"""With files that are there already, each with others; and where that is told."""


@pytest.fixture
def played(repo: Repo, scan: Scan) -> Callable[..., Scanned]:
    """What is said of a change that plays these tricks; several are a folder each, or in place."""

    def play(*tricks: Callable[[Repo], None]) -> Scanned:
        repo.write("docs/example.yml", WORKFLOW)
        repo.write("long.py", "".join(f"value_{n} = {n}\n" for n in range(50)))
        repo.write("shell.py", SHELL)
        repo.write("tests/client.py", CLIENT)
        repo.write("known.py", HOLE)
        repo.write("tests/key.pem", KEY)
        repo.write("tests/tokens.txt", f"ghp_{'a1B2c3' * 6}\n")
        repo.commit()
        repo.git("switch", "--quiet", "-c", "topic")
        for trick in tricks:
            alone = trick in IN_PLACE or len(tricks) == 1
            there = repo if alone else Repo(repo.path / trick.__name__)
            there.path.mkdir(exist_ok=True)
            trick(there)
        repo.commit()
        found = scan("--diff", "main")
        assert found.code == 1
        return found

    return play


@pytest.mark.parametrize("trick", STEERING, ids=lambda trick: trick.__name__)
def test_no_trick_gets_past_the_gate(
    played: Callable[..., Scanned], trick: Callable[[Repo], None]
) -> None:
    found = played(trick)
    assert found.verdict == ("incomplete" if trick is named_alike_when_spelt_out else "fail")
    if trick is a_malformed_workflow_beside:
        assert ".github/workflows/a.yml" in found.json["unseen"]


def test_what_was_there_before_hides_nothing_that_is_new(played: Callable[..., Scanned]) -> None:
    found = played(*IN_PLACE)
    assert found.verdict == "fail"
    assert {i["path"] for i in found.json["items"] if i["blocks"]} == {*IN_PLACE.values()}


def folders(paths: Iterable[str]) -> Counter[str]:
    return Counter(path.partition("/")[0] for path in paths)


def test_wherever_it_is_hidden_it_is_found(played: Callable[..., Scanned]) -> None:
    found = played(*FOUND)
    assert found.verdict == "fail"
    blocking = folders(found.blocking)
    assert set(blocking) == {trick.__name__ for trick in FOUND}
    assert blocking["a_secret_where_none_is_looked_for"] == 5


def test_what_cannot_be_looked_at_is_said_and_never_clean(played: Callable[..., Scanned]) -> None:
    found = played(*UNSEEN)
    assert found.verdict == "incomplete"
    assert set(folders(found.json["unseen"])) == {trick.__name__ for trick in UNSEEN}


def test_what_the_base_leaves_out_is_left_out_and_said(
    repo: Repo, scan: Scan, tmp_path: Path
) -> None:
    repo.write(".github/autoresearch.yml", "security: {exclude: ['*.bin']}\n")
    base = repo.commit()
    repo.git("switch", "--quiet", "-c", "topic")
    repo.write("a.bin", b"\0\1")
    repo.write("b.py", HARMLESS)
    head = repo.commit()
    found = scan("--diff", **event(tmp_path, base, head))
    assert found.code == 0
    assert found.json["excluded"] == ["a.bin"]


def test_a_branch_from_before_a_rule_is_held_to_the_rule_and_its_lists(
    repo: Repo, scan: Scan, tmp_path: Path
) -> None:
    repo.write(".github/autoresearch.yml", "security: {fail_on: never}\n")
    repo.commit()
    repo.git("switch", "--quiet", "-c", "topic")
    repo.write("app.py", HOLE)
    head = repo.commit()
    repo.git("switch", "--quiet", "main")
    repo.write(".github/autoresearch.yml", "security: {baseline: known.json}\n")
    repo.write("known.json", "{}")
    main = repo.commit()
    repo.git("switch", "--quiet", "topic")
    found = scan("--diff", **event(tmp_path, main, head))
    assert (found.code, found.blocking) == (1, ["app.py:bandit/B602"])


@pytest.mark.parametrize("words", [(), ("--scope", "src/**")])
def test_what_is_moved_out_of_what_is_left_out_is_new(
    repo: Repo, scan: Scan, words: tuple[str, ...]
) -> None:
    if not words:
        repo.write(".github/autoresearch.yml", "security: {exclude: ['vendor/**']}\n")
    repo.write("vendor/app.py", HOLE)
    repo.commit()
    repo.git("switch", "--quiet", "-c", "topic")
    (repo.path / "src").mkdir()
    repo.git("mv", "vendor/app.py", "src/app.py")
    repo.commit()
    assert scan("--diff", "main", *words).blocking == ["src/app.py:bandit/B602"]


def test_a_scope_in_which_there_is_nothing_is_refused(repo: Repo, scan: Scan) -> None:
    repo.write("src/app.py", HOLE)
    repo.commit()
    found = scan("--scope", "scr/**")
    assert (found.code, "matches no file" in found.err) == (2, True)
    assert scan("--diff", "HEAD", "--scope", "src/**").code == 0


def test_without_git_it_says_so(repo: Repo, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    ended = subprocess.run(
        [sys.executable, "-m", "autoresearch_ci", "security"],
        cwd=repo.path,
        env={"PATH": str(tmp_path / "empty")},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (ended.returncode, "no git on the PATH" in ended.stderr) == (3, True)


def test_code_that_no_scanner_reads_is_named_wherever_the_verdict_is(
    repo: Repo, scan: Scan, tmp_path: Path
) -> None:
    repo.write("web/app.js", "eval(location.hash)\n")
    repo.write("web/more.JS", "eval(location.hash)\n")
    repo.write("Jenkinsfile", "sh params.x\n")
    repo.write("bin/serve", "#!/usr/bin/env ruby\neval(ARGV[0])\n")
    repo.write("README.md", "words\n")
    repo.commit()
    summary = tmp_path / "summary"
    found = scan(GITHUB_STEP_SUMMARY=str(summary))
    assert (found.code, found.verdict) == (0, "pass")
    assert found.json["unread"] == {".js": 2, "Jenkinsfile": 1, "#!ruby": 1}
    told = "not looked at but for secrets: 2 .js, 1 #!ruby, 1 Jenkinsfile"
    assert told in found.json["reason"]
    assert found.out.count(told) >= 1
    page = summary.read_text()
    assert "not looked at but for secrets: 2 .js" in page
    assert "| nobody: .js | 2 | not looked at but for secrets" in page
    assert "- 2 .js: not looked at but for" in (found.folder / "overview.md").read_text()
    assert "nobody: .js" in (found.folder / "report.html").read_text()


def test_pictures_and_moved_files_are_nothing_to_fail_on(repo: Repo, scan: Scan) -> None:
    repo.write("old/app.py", HOLE)
    repo.commit()
    repo.git("switch", "--quiet", "-c", "topic")
    (repo.path / "new").mkdir()
    repo.git("mv", "old/app.py", "new/app.py")
    repo.write("logo.png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR")
    repo.commit()
    found = scan("--diff", "main")
    assert (found.code, found.verdict) == (0, "pass")
    assert found.json["media"] == 1
    assert found.rules["bandit/B602"] == "old"


# --- whose rules count ----------------------------------------------------------------------------


def test_a_pull_request_brings_no_rules_of_its_own(repo: Repo, scan: Scan, tmp_path: Path) -> None:
    base = repo.git("rev-parse", "HEAD")
    repo.git("switch", "--quiet", "-c", "topic")
    repo.write(".github/autoresearch.yml", "security: {fail_on: never, exclude: ['**']}\n")
    repo.write("app.py", HOLE)
    head = repo.commit()
    found = scan("--diff", **event(tmp_path, base, head))
    assert found.code == 1
    assert found.json["fail_on"] == "high"
    (tmp_path / "mine.yml").write_text("security: {exclude: ['app.py']}\n")
    mine = ("--config", str(tmp_path / "mine.yml"))  # is nobody's commit: who starts us says so
    assert scan("--diff", "main", *mine).code == 0
    assert scan("--diff", "main", "--set", "security.exclude=['app.py']").code == 0
    repo.write(".github/autoresearch.yml", "security: {fail_on: never, exclude: ['**']}\n")
    head = repo.commit()
    payload = {"merge_group": {"base_sha": base, "head_sha": head}}
    (tmp_path / "queue.json").write_text(json.dumps(payload))
    queue = {"GITHUB_EVENT_NAME": "merge_group", "GITHUB_EVENT_PATH": str(tmp_path / "queue.json")}
    assert scan("--diff", **queue).code == 1


@pytest.mark.parametrize("path", [".github/autoresearch.yml", "ci/looks.yml"])
def test_what_a_change_says_to_be_judged_more_mildly_does_not_count_without_a_pull_request_either(
    repo: Repo, scan: Scan, path: str
) -> None:
    weaker = {
        "fail_on": "never",
        "exclude": ["app.*"],
        "max_file_kb": 1,
        "max_files": 1,
        "accepted": "a.yml",
        "baseline": "b.json",
    }
    repo.write(path, "security: {scanners: [bandit]}\n")
    repo.write("b.json", "{}\n")
    repo.commit()
    repo.git("switch", "--quiet", "-c", "topic")
    repo.write("a.py", HARMLESS)
    repo.write("app.py", "\n" * 3000 + HOLE)
    repo.write(path, json.dumps({"security": weaker}))
    repo.commit()
    found = scan("--diff", "main", *([] if path.startswith(".github") else ["--config", path]))
    assert found.blocking == ["app.py:bandit/B602"], found.out
    assert (found.code, found.json["excluded"]) == (1, [])
    told = next(
        text for text in found.json["doubts"] if f"{path} is not as the base has it" in text
    )
    assert all(f"security.{key}" in told for key in (*weaker, "scanners"))


def test_what_a_change_says_to_be_judged_more_strictly_counts(repo: Repo, scan: Scan) -> None:
    repo.git("switch", "--quiet", "-c", "topic")
    repo.write("app.py", "import tempfile\n\nNAME = tempfile.mktemp()\n")
    repo.commit()
    assert scan("--diff", "main").code == 0
    repo.write(".github/autoresearch.yml", "security: {fail_on: medium}\n")
    repo.commit()
    found = scan("--diff", "main")
    assert (found.code, found.blocking) == (1, ["app.py:bandit/B306"])
    assert "not as the base has it" not in found.out


def test_a_pull_request_of_which_there_is_no_base_is_refused(
    repo: Repo, scan: Scan, tmp_path: Path
) -> None:
    repo.write("app.py", HOLE)
    head = repo.commit()
    found = scan("--diff", **event(tmp_path, "f" * 40, head))
    assert found.code == 2
    assert "fetch-depth" in found.err


def test_a_comment_counts_once_it_is_in_the_base(repo: Repo, scan: Scan) -> None:
    excused = HOLE.replace("shell=True)", "shell=True)  # nosec B602")
    repo.write("app.py", excused)
    repo.commit()
    found = scan()
    assert found.code == 0
    (item,) = (i for i in found.json["items"] if i["rule"] == "bandit/B602")
    assert item["status"] == "accepted"
    assert "nosec" in item["note"]
    repo.write("app.py", excused.replace("B602", "B605"))
    repo.commit()
    assert scan().code == 1  # it speaks of another rule


def test_without_the_base_that_was_asked_for_nothing_of_head_excuses_anything(
    repo: Repo, scan: Scan, tmp_path: Path
) -> None:
    repo.git("switch", "--quiet", "-c", "topic")
    suppressed(repo)
    repo.commit()
    path = tmp_path / "event.json"
    path.write_text(json.dumps({"before": "1" * 40}))
    event = {"GITHUB_EVENT_NAME": "push", "GITHUB_EVENT_PATH": str(path)}
    found = scan("--diff", **event)
    assert (found.code, found.verdict) == (1, "incomplete")
    repo.git("branch", "--force", "main")
    assert scan("--diff").code == 0, "HEAD is part of main, and judged by itself"


def test_an_accepted_risk_counts_from_the_base_alone_and_until_its_day(
    repo: Repo, scan: Scan
) -> None:
    def accept(day: str) -> None:
        entry = {"fingerprint": name, "reason": "only admins get here", "expires": day}
        repo.write(".github/security-accepted.yml", json.dumps({"accepted": [entry]}))

    repo.write("app.py", HOLE)
    repo.commit()
    name = next(i["fingerprint"] for i in scan().json["items"] if i["blocks"])
    accept("2099-01-01")
    repo.commit()
    found = scan()
    assert found.code == 0
    assert "only admins get here" in found.json["items"][0]["note"]
    repo.write("app.py", f"# moved down\n{HOLE}")
    repo.commit()
    assert scan().code == 0
    accept("2020-01-01")
    repo.commit()
    late = scan()
    assert late.code == 1
    assert "open again" in str(late.json["items"])
    repo.git("switch", "--quiet", "-c", "topic")
    accept("2099-01-01")
    repo.commit()
    assert "is not as the base has it" in str(scan("--diff", "main").json["doubts"])


def test_an_accepted_list_that_cannot_be_read_accepts_nothing(repo: Repo, scan: Scan) -> None:
    repo.write("app.py", HOLE)
    repo.write(".github/security-accepted.yml", "accepted: [")
    repo.commit()
    found = scan()
    assert found.code == 1
    assert "no risk is accepted" in str(found.json["doubts"])


def test_a_baseline_is_known_and_does_not_fail(repo: Repo, scan: Scan) -> None:
    repo.write("app.py", HOLE)
    repo.commit()
    shutil.copy(scan().folder / "weaknesses.json", repo.path / "known.json")
    repo.commit()
    assert scan("--baseline", "known.json").code == 0
    assert scan("--baseline", "nothing.json").code == 2


# --- who does not look ----------------------------------------------------------------------------


def tool(folder: Path, name: str, script: str) -> Path:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
    return path


SARIF = '{"version": "2.1.0", "runs": [{"tool": {"driver": {"name": "x"}}, "results": []}]}'


def test_a_scanner_that_does_not_look_is_incomplete(repo: Repo, scan: Scan) -> None:
    repo.write("app.txt", "text\n")
    for limit, commands in (
        (
            "60s",
            {
                "echo not json": "not JSON",
                "echo '{'": "not JSON",
                "exit 3": "wrote nothing",
                "kill -9 $$": "did not end by itself",
                "no-such-program-here": "could not be started",
                "ln -s /etc/passwd {report}": "not JSON",
                f"printf '%s' '{SARIF}'; exit 5": "lists nothing, and yet",
            },
        ),
        ("0.5s", {"sleep 60": "timed out"}),
    ):
        tools = [{"name": f"own{n}", "command": command} for n, command in enumerate(commands)]
        settings = {"security": {"tools": tools, "timeout": limit}}
        repo.write(".github/autoresearch.yml", json.dumps(settings))
        repo.commit()
        found = scan("--scope", "app.txt")
        assert (found.code, found.verdict) == (1, "incomplete")
        for tool, why in zip(tools, commands.values(), strict=True):
            assert why in found.json["unseen"][tool["name"]]
    assert scan("--scope", "app.txt", "--allow-incomplete").code == 0


def test_ones_own_scanner_is_heard_and_sees_nothing_else(repo: Repo, scan: Scan) -> None:
    script = (
        "ls -A > {report}.list; test ! -e .trivyignore || exit 9; "
        "python3 - > {report} <<'END'\n"
        "import json, os\n"
        "place = {'artifactLocation': {'uri': 'app.txt'}, 'region': {'startLine': 1}}\n"
        "result = {'ruleId': 'R1', 'level': 'error', 'message': {'text': 'bad'},\n"
        "          'locations': [{'physicalLocation': place}]}\n"
        "driver = {'driver': {'name': 'own'}}\n"
        "print(json.dumps({'version': '2.1.0', 'runs': [{'tool': driver, 'results': [result]}]}))\n"
        "END"
    )
    settings = {"security": {"tools": [{"name": "own", "command": script}]}}
    repo.write(".github/autoresearch.yml", json.dumps(settings))
    repo.commit()
    repo.git("switch", "--quiet", "-c", "topic")
    repo.write("app.txt", "text\n")
    repo.write(".trivyignore", "R1\n")
    repo.commit()
    found = scan("--diff", "main")
    assert found.blocking == ["app.txt:own/R1"]
    assert ".trivyignore is not as the base has it" in str(found.json["doubts"])


def test_a_scanner_cannot_read_what_is_secret_or_reach_the_network(
    repo: Repo, scan: Scan, tmp_path: Path
) -> None:
    secret = repo.write(".git/secret", "s3cr3t-of-the-checkout")
    script = (
        f"cat {secret} ../../../head-own-0/../.. 2>/dev/null; env; "
        "cat /proc/self/environ; python3 -c 'import socket; "
        'socket.create_connection(("127.0.0.1", 9), 1)\' 2>&1; exit 7'
    )
    settings = {"security": {"tools": [{"name": "own", "command": script}]}}
    repo.write(".github/autoresearch.yml", json.dumps(settings))
    repo.write("app.txt", "text\n")
    repo.commit()
    canaries = {"ANTHROPIC_API_KEY": "sk-ant-canary", "GITHUB_TOKEN": "ghs_canary"}
    found = scan("--scope", "app.txt", "--iterations", "0", **canaries)  # no model is asked
    everything = "".join(p.read_text() for p in found.folder.iterdir()) + found.out + found.err
    assert found.verdict == "incomplete"
    for canary in ("s3cr3t-of-the-checkout", "sk-ant-canary", "ghs_canary"):
        assert canary not in everything


def test_what_must_be_there_and_is_not_is_incomplete(
    repo: Repo, scan: Scan, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    repo.write(".github/autoresearch.yml", "security: {scanners: [gitleaks]}\n")
    repo.write("app.txt", "text\n")
    repo.commit()
    found = scan("--scope", "app.txt")
    assert found.verdict == "incomplete"
    assert "not installed" in found.json["unseen"]["gitleaks"]


def test_without_our_own_scanners_nothing_is_clean(
    repo: Repo, scan: Scan, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "bin").mkdir()
    for name in ("git", "sh", "env"):
        (tmp_path / "bin" / name).symlink_to(shutil.which(name) or "")
    monkeypatch.setattr(sys, "executable", str(tmp_path / "bin" / "python"))
    repo.write("app.py", HARMLESS)
    repo.commit()
    found = scan("--allow-incomplete", PATH=str(tmp_path / "bin"))
    assert {"bandit", "detect-secrets"} <= found.json["unseen"].keys()
    assert "pip install bandit detect-secrets zizmor" in str(found.json["unseen"])


TOOLS = ("bandit", "zizmor", "detect-secrets", "gitleaks")


AT_ONCE = (
    ("kill -ABRT $$", "did not end by itself"),
    ("kill -9 $$", "did not end by itself"),
    ("exit 0", "wrote nothing"),
    ("echo '{'", "not JSON"),
    ("echo null", "is not a"),
    ("yes | head -c 100000000", "larger than 64 MiB"),
    ("#!/no/such/interpreter", "could not be started"),
)
HANGS = (("sleep 60", "timed out"), ("yes >&2", "timed out"))


@pytest.mark.parametrize(
    ("ends", "limit", "turn"), [*((AT_ONCE, "60s", n) for n in (0, 2, 4)), (HANGS, "0.5s", 0)]
)
def test_whatever_becomes_of_a_scanner_its_scan_is_never_clean(
    repo: Repo,
    scan: Scan,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    ends: Sequence[tuple[str, str]],
    limit: str,
    turn: int,
) -> None:
    """Each scanner ends in another way: of what ends at once, each in three, in all in each."""
    (tmp_path / "bin").mkdir()
    become = {name: ends[(turn + n) % len(ends)] for n, name in enumerate(TOOLS)}
    for name, (script, _) in become.items():
        path = tool(tmp_path / "bin", name, script)
        if script.startswith("#!"):
            path.write_text(f"{script}\n")
    tool(tmp_path / "bin", "python", f'exec {sys.executable} "$@"')
    monkeypatch.setattr(sys, "executable", str(tmp_path / "bin" / "python"))
    repo.write("app.py", HARMLESS)
    repo.write(".github/workflows/a.yml", "on: push\njobs: {}\n")
    repo.commit()
    path = f"{tmp_path / 'bin'}:{os.environ['PATH']}"
    words = ("--set", f"security.timeout={limit}", "--set", "security.fail_on=low")
    found = scan(*words, PATH=path)
    assert (found.code, found.verdict) == (1, "incomplete")
    told = {**found.json["unseen"]}
    # Of zizmor, which is asked about each file by itself, the file is told.
    told["zizmor"] = told.get("zizmor") or told[".github/workflows/a.yml"]
    assert [n for n, (_, why) in become.items() if not re.search(why, told.get(n, ""))] == [], told


def test_a_scan_that_was_killed_is_not_remembered_as_done(repo: Repo, scan: Scan) -> None:
    settings = {"security": {"tools": [{"name": "own", "command": "sleep 60"}]}}
    repo.write(".github/autoresearch.yml", json.dumps(settings))
    repo.write("app.py", HOLE)
    repo.commit()
    with subprocess.Popen(
        [sys.executable, "-m", "autoresearch_ci", "security"],
        cwd=repo.path,
        stdout=subprocess.PIPE,
        text=True,
    ) as first:
        assert first.stdout
        assert "looking at" in first.stdout.readline()
        first.kill()
    again = scan("--set", "security.tools=[]")  # the same commit
    assert again.blocking == ["app.py:bandit/B602"]
    repo.write("more.py", HOLE)
    repo.commit()  # and what is pushed after it
    assert "more.py:bandit/B602" in scan("--set", "security.tools=[]").blocking


@pytest.mark.parametrize("path", ["/proc/self/environ", "../../../../etc/passwd", "no/such.py"])
def test_a_scanner_that_names_what_is_not_there_is_heard_and_nothing_is_read(
    repo: Repo, scan: Scan, path: str
) -> None:
    place = {"artifactLocation": {"uri": path}, "region": {"startLine": 10**6}}
    result = {"ruleId": "R1", "level": "error", "message": {"text": "open redirect, excluded"}}
    result["locations"] = [{"physicalLocation": place}]  # type: ignore[assignment]
    runs = [{"tool": {"driver": {"name": "own"}}, "results": [result]}]
    repo.write("said.sarif", json.dumps({"version": "2.1.0", "runs": runs}))
    settings = {"security": {"tools": [{"name": "own", "command": "cat said.sarif"}]}}
    repo.write(".github/autoresearch.yml", json.dumps(settings))
    repo.commit()
    found = scan("--scope", "said.sarif", CANARY="canary-of-the-environment")
    assert (found.code, found.verdict) == (1, "fail")
    (item,) = (i for i in found.json["items"] if i["rule"] == "own/R1")
    assert item["evidence"] == []
    everything = "".join(p.read_text() for p in found.folder.iterdir())
    assert "canary-of" not in everything
    assert "root:" not in everything


# --- from one scan to the next --------------------------------------------------------------------


def test_what_became_of_each_weakness_is_told_from_scan_to_scan(repo: Repo, scan: Scan) -> None:
    def ages(found: Scanned) -> dict[str, str]:
        return {i["path"]: i["history"] for i in found.json["items"] if i["rule"] == "bandit/B602"}

    repo.write("a.py", HOLE)
    repo.commit()
    assert ages(scan()) == {"a.py": "new"}
    repo.write("b.py", HOLE)
    repo.write("a.py", f"# moved down\n{HOLE}")
    repo.commit()
    assert ages(scan()) == {"a.py": "persisting", "b.py": "new"}
    repo.write("a.py", HARMLESS)
    repo.write("b.py", f"{HOLE}\ndef broken(:\n")
    repo.commit()
    found = scan()
    assert ["a.py" in words for words in found.json["gone"]["fixed"]] == [True]
    assert all("b.py" in words for words in found.json["gone"]["unknown"])
    assert "Fixed since it was last seen" in (found.folder / "summary.md").read_text()
    repo.write("a.py", HOLE)
    repo.commit()
    assert ages(scan()) == {"a.py": "reopened"}
    assert repo.ref("refs/autoresearch/notebook/security-history")


def test_a_history_that_is_none_of_ours_changes_no_verdict(repo: Repo, scan: Scan) -> None:
    repo.write("weaknesses.json", "[" * 1000)
    repo.git("update-ref", "refs/autoresearch/notebook/security-history", repo.commit())
    repo.write("a.py", HOLE)
    repo.commit()
    assert scan().code == 1


# --- what is told, and where ----------------------------------------------------------------------


SCHEMA = Path(__file__).parents[1] / "unit" / "report" / "sarif-2.1.0.json"


def test_every_form_says_the_same(repo: Repo, scan: Scan) -> None:
    repo.write("app.py", HOLE)
    repo.commit()
    found = scan("--format", "json")
    told = json.loads(found.out)
    assert told["verdict"] == "fail"
    assert told["folder"] == str(found.folder)
    sarif = json.loads((found.folder / "weaknesses.sarif").read_text())
    jsonschema.validate(sarif, json.loads(SCHEMA.read_text()))
    names = {item["fingerprint"] for item in found.json["items"]}
    run = sarif["runs"][0]
    assert names == {r["partialFingerprints"]["autoresearchWeakness/v1"] for r in run["results"]}
    quality = json.loads((found.folder / "gl-code-quality-report.json").read_text())
    assert names == {entry["fingerprint"] for entry in quality}
    rows = (found.folder / "security-results.tsv").read_text().splitlines()
    assert rows[0].startswith("iteration\ttimestamp\tfinding\tseverity\towasp\tstride\tevidence")
    assert len(rows) == 1 + len(names)
    handoff = json.loads((found.folder / "handoff.json").read_text())
    assert names == {entry["fingerprint"] for entry in handoff["findings"]}
    assert json.loads(scan("--format", "sarif").out)["version"] == "2.1.0"


def test_outputs_summary_and_annotations_are_told_to_the_runner(
    repo: Repo, scan: Scan, topic: str, tmp_path: Path
) -> None:
    repo.write("app.py", HOLE)
    repo.commit()
    files = {name: tmp_path / name for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
    for path in files.values():
        path.touch()
    given = {name: str(path) for name, path in files.items()}
    found = scan("--diff", "main", GITHUB_ACTIONS="true", **given)
    outputs = files["GITHUB_OUTPUT"].read_text()
    assert "verdict" in outputs
    assert "fail" in outputs
    assert "findings" in outputs
    assert "Security failed" in files["GITHUB_STEP_SUMMARY"].read_text()
    assert "::error file=app.py,line=5" in found.err


def test_a_summary_that_cannot_be_written_does_not_lose_the_verdict(
    repo: Repo, scan: Scan, tmp_path: Path
) -> None:
    repo.write("app.py", HARMLESS)
    repo.commit()
    with pytest.raises(FileNotFoundError):
        scan(GITHUB_OUTPUT=str(tmp_path / "no" / "such" / "file"))
    (folder,) = (repo.path / "autoresearch").iterdir()
    assert json.loads((folder / "weaknesses.json").read_text())["verdict"] == "pass"


def test_a_secret_is_not_carried_further(repo: Repo, scan: Scan) -> None:
    password = "correct-horse-battery-9"
    key = "AKIA" + "QYLPMN5HFIQR7XYA"
    token = base64.b64encode(b"another secret of ours 123").decode()
    repo.write("app.py", f"password = '{password}'\nkey = '{key}'\ntoken = '{token}'\n")
    repo.commit()
    found = scan("--fail-on", "low")
    assert found.code == 1
    everything = "".join(p.read_text() for p in found.folder.iterdir()) + found.out + found.err
    for secret in (password, key, token):
        assert secret not in everything


def test_a_folder_of_ours_that_is_a_link_is_refused(repo: Repo, scan: Scan, tmp_path: Path) -> None:
    (repo.path / "autoresearch").symlink_to(tmp_path)
    repo.commit()
    found = scan()
    assert found.code == 2
    assert "is a link" in found.err


# --- on a pull request ----------------------------------------------------------------------------


@pytest.fixture
def api(tmp_path: Path, repo: Repo) -> Iterator[GitHubApi]:
    with GitHubApi(bare=create(tmp_path / "server", SLUG, repo.path)) as found:
        found.tokens["actions-token"] = Identity(login=ACTIONS)
        yield found


def on_pull_request(
    api: GitHubApi, tmp_path: Path, base: str, head: str, **more: bool
) -> Mapping[str, str]:
    pull = api.pulls[0] if api.pulls else api.open_pull("somebody", "topic")
    pull["head"]["sha"] = head
    return {
        **event(tmp_path, base, head, **more),
        "GITHUB_TOKEN": "actions-token",
        "GITHUB_API_URL": api.url,
        "GITHUB_REPOSITORY": SLUG,
        "GITHUB_SERVER_URL": "https://github.test",
    }


def test_it_is_said_beside_the_lines_once_and_taken_back_when_it_is_gone(
    repo: Repo, scan: Scan, topic: str, tmp_path: Path, api: GitHubApi
) -> None:
    repo.write("app.py", HOLE)
    head = repo.commit()
    given = on_pull_request(api, tmp_path, topic, head)
    scan("--diff", **given)
    (comment,) = api.comments[1]
    assert "Security failed" in comment["body"]
    (note,) = api.review_comments[1]
    assert (note["path"], note["line"]) == ("app.py", 5)
    repo.write("app.py", f"# moved down\n{HOLE}")
    head = repo.commit()
    scan("--diff", **on_pull_request(api, tmp_path, topic, head))
    assert len(api.review_comments[1]) == 1
    repo.write("app.py", HARMLESS)
    head = repo.commit()
    passed = scan("--diff", **on_pull_request(api, tmp_path, topic, head))
    assert passed.code == 0
    (note,) = api.review_comments[1]
    assert note["body"].startswith("**Gone")
    assert api.resolved == {note["id"]}
    assert "Security passed" in api.comments[1][0]["body"]
    repo.write("app.py", HOLE)
    head = repo.commit()
    scan("--diff", **on_pull_request(api, tmp_path, topic, head))
    (note,) = api.review_comments[1]
    assert not note["body"].startswith("**Gone")
    assert api.resolved == set()


def test_only_its_own_thread_is_resolved_and_a_persons_word_on_it_stands(
    repo: Repo, scan: Scan, topic: str, tmp_path: Path, api: GitHubApi
) -> None:
    api.threads_at_once = 1
    repo.write("app.py", HOLE)
    repo.write("other.py", HOLE)
    scan("--diff", **on_pull_request(api, tmp_path, topic, repo.commit()))
    app, other = sorted(api.review_comments[1], key=lambda c: str(c["path"]))
    forged = {**app, "id": 99, "user": {"login": "somebody"}}
    api.review_comments[1].insert(0, forged)
    repo.write("app.py", HARMLESS)
    scan("--diff", **on_pull_request(api, tmp_path, topic, repo.commit()))
    assert api.resolved == {app["id"]}
    assert not other["body"].startswith("**Gone")
    api.resolved.clear()  # by somebody who wants to talk about it
    repo.write("more.py", HARMLESS)
    scan("--diff", **on_pull_request(api, tmp_path, topic, repo.commit()))
    assert api.resolved == set()


def test_a_token_that_may_not_resolve_says_so_and_the_rest_is_done(
    repo: Repo, scan: Scan, topic: str, tmp_path: Path, api: GitHubApi
) -> None:
    login = Identity(login=ACTIONS, permissions=frozenset({"pull_requests", "issues"}))
    api.tokens["actions-token"] = login
    repo.write("app.py", HOLE)
    scan("--diff", **on_pull_request(api, tmp_path, topic, repo.commit()))
    repo.write("app.py", HARMLESS)
    repo.write("new.py", HOLE)
    found = scan("--diff", **on_pull_request(api, tmp_path, topic, repo.commit()))
    old, new = api.review_comments[1]
    assert old["body"].startswith("**Gone")
    assert new["path"] == "new.py"
    assert api.resolved == set()
    assert "contents: write" in found.out
    assert "could not be written" not in found.out + found.err


@pytest.fixture
def shallow(repo: Repo, tmp_path: Path, topic: str) -> Iterator[tuple[Repo, dict[str, str]]]:
    """A clone of one commit, as actions/checkout makes it, of a branch that left main long ago."""
    repo.write("old.py", HOLE)
    repo.git("branch", "--force", "main", repo.commit("on main, too"))
    for number in range(3):
        repo.write("old.py", f"# {number}\n{HOLE}")
        repo.commit(f"moved {number}")
    repo.write("new.py", HOLE)
    repo.commit("the last")
    with (
        GitServer(root=tmp_path / "server") as server,
        GitHubApi(bare=server.create(SLUG, repo.path)) as api,
    ):
        api.bare.git("config", "uploadpack.allowAnySHA1InWant", "true")
        api.tokens[server.token] = Identity(login=ACTIONS)
        clone = Repo(tmp_path / "clone")
        subprocess.run(
            [
                *("git", "-c", "protocol.file.allow=always", "clone", "--quiet", "--depth=1"),
                *("--branch=topic", api.bare.path.as_uri(), str(clone.path)),
            ],
            check=True,
        )
        base, head = repo.git("rev-parse", "main"), clone.git("rev-parse", "HEAD")
        yield (
            clone,
            {
                **event(tmp_path, base, head),
                "GITHUB_TOKEN": server.token,
                "GITHUB_API_URL": api.url,
                "GITHUB_REPOSITORY": SLUG,
                "GITHUB_SERVER_URL": server.url,
            },
        )


def scanned_in(
    clone: Repo,
    given: Mapping[str, str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Scanned:
    monkeypatch.chdir(clone.path)
    words = ["security", "--diff", "--publish", "none", "--output", str(clone.path / "out")]
    code = run_cli(words, {**os.environ, **given})
    told = capsys.readouterr()
    return Scanned(code=code, out=told.out, err=told.err, folder=clone.path / "out")


def test_what_a_shallow_clone_lacks_is_fetched_and_the_clone_stays_as_it_is(
    shallow: tuple[Repo, dict[str, str]],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clone, given = shallow
    before = (clone.path / ".git" / "shallow").read_text()
    found = scanned_in(clone, given, capsys, monkeypatch)
    assert found.code == 1
    assert found.blocking == ["new.py:bandit/B602"]
    assert (clone.path / ".git" / "shallow").read_text() == before
    assert clone.git("rev-list", "--count", "HEAD") == "1"


def test_of_a_shallow_merge_commit_the_side_that_it_is_merged_into_is_fetched(
    shallow: tuple[Repo, dict[str, str]],
    repo: Repo,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clone, given = shallow
    bare = tmp_path / "server" / f"{SLUG}.git"
    head = repo.git("rev-parse", "topic")
    repo.git("switch", "--quiet", "main")
    repo.write("others.py", HOLE)
    repo.commit("somebody else's, after the event")
    repo.git("merge", "--quiet", "--no-ff", "-m", "Merge", "topic")
    repo.git("push", "--quiet", bare.as_uri(), "HEAD:refs/pull/1/merge")
    clone.git("fetch", "--quiet", "--depth=1", "origin", "refs/pull/1/merge")
    clone.git("checkout", "--quiet", "FETCH_HEAD")
    given = {**given, **event(tmp_path, repo.git("rev-parse", "HEAD^^"), head)}
    found = scanned_in(clone, given, capsys, monkeypatch)
    assert found.blocking == ["new.py:bandit/B602"]


def test_of_a_shallow_merge_that_the_proposal_has_made_itself_no_side_is_taken(
    shallow: tuple[Repo, dict[str, str]],
    repo: Repo,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Pushed after the event, and checked out by the branch's name."""
    clone, given = shallow
    bare = tmp_path / "server" / f"{SLUG}.git"
    repo.git("switch", "--quiet", "-c", "theirs", "main")
    repo.write("hostile.py", HOLE)
    repo.commit("known already, says who brings it")
    repo.git("merge", "--quiet", "--no-ff", "-m", "Merge", "topic")
    repo.git("push", "--quiet", bare.as_uri(), "HEAD:refs/heads/theirs")
    clone.git("fetch", "--quiet", "--depth=1", "origin", "theirs")
    clone.git("checkout", "--quiet", "FETCH_HEAD")
    found = scanned_in(clone, {**given, "GITHUB_SHA": "f" * 40}, capsys, monkeypatch)
    assert sorted(found.blocking) == ["hostile.py:bandit/B602", "new.py:bandit/B602"]


def test_what_cannot_be_fetched_either_is_refused_and_not_clean(
    shallow: tuple[Repo, dict[str, str]],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clone, given = shallow
    found = scanned_in(clone, {**given, "GITHUB_TOKEN": "wrong"}, capsys, monkeypatch)
    assert found.code == 2
    assert "fetch-depth" in found.err


def test_a_forks_pull_request_is_judged_without_a_key_and_without_a_comment(
    repo: Repo, scan: Scan, topic: str, tmp_path: Path, api: GitHubApi
) -> None:
    repo.write("app.py", HOLE)
    head = repo.commit()
    given = {**on_pull_request(api, tmp_path, topic, head, fork=True)}
    given.pop("GITHUB_TOKEN")
    found = scan("--diff", **given)
    assert (found.code, found.verdict) == (1, "fail")
    assert not api.writes()


def test_a_scan_that_is_interrupted_leaves_nothing_behind(repo: Repo, tmp_path: Path) -> None:
    settings = {"security": {"tools": [{"name": "own", "command": "sleep 60"}]}}
    repo.write(".github/autoresearch.yml", json.dumps(settings))
    repo.commit()
    place = tmp_path / "scratch"
    place.mkdir()
    with subprocess.Popen(
        [sys.executable, "-m", "autoresearch_ci", "security"],
        cwd=repo.path,
        env={**os.environ, "TMPDIR": str(place)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as scan:
        assert scan.stdout
        assert "looking at" in scan.stdout.readline()
        time.sleep(1)
        scan.send_signal(signal.SIGINT)
        scan.communicate(timeout=30)
    assert scan.returncode == 130
    assert not [path for path in place.rglob("*") if path.is_file()]


@pytest.mark.parametrize("flag", ["--guard true", "--env A=b", "--proposer search"])
def test_a_flag_of_repairs_is_refused_where_nothing_is_repaired(
    repo: Repo, scan: Scan, flag: str
) -> None:
    name, value = flag.split()
    found = scan(name, value)
    assert (found.code, f"{name} does nothing without --fix" in found.err) == (2, True)
