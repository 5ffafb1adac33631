"""Which files are shown to scanners, and which are said not to be."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from autoresearch_ci.config.security import Security
from autoresearch_ci.measure.scanners.available_scanners import SCANNERS
from autoresearch_ci.measure.scanners.exhibit import (
    Kept,
    code_nobody_reads,
    gathered,
    lay_out,
    steering,
)
from autoresearch_ci.measure.scanners.scanner import ScannedFile
from autoresearch_ci.workspace.repository import FileVersion, Repository
from tests.conftest import Repo

PNG = b"\x89PNG\r\n\x1a\n\0" + random.Random(1).randbytes(900_000)


def shown(repo: Repo, **settings: Any) -> tuple[list[str], dict[str, str], int]:
    commit = repo.commit()
    repository = Repository.open(repo.path)
    found = gathered(repository, repository.files(commit), Security(**settings))
    repository.close()
    return [s.path for s in found.subjects], dict(found.unseen), found.media


def test_a_picture_is_counted_whatever_its_bytes_happen_to_say(repo: Repo) -> None:
    assert b"<?" in PNG
    assert b"#!" in PNG
    repo.write("logo.png", PNG)
    _, unseen, media = shown(repo)
    assert (unseen, media) == ({}, 1)


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("a.png", b"GIF89a\0"),
        ("a.gif", b"GIF89a\0<?PHP system($_GET[1]);"),
        ("a.gif", b"GIF89a\0<?= $_GET[1] ?>"),
        ("a.png", b"\x89PNG\r\n\x1a\n\0<script>alert(1)</script>"),
        ("a.py", b"\x89PNG\r\n\x1a\n\0import os"),
        ("a.bin", b"\0"),
    ],
)
def test_what_only_looks_like_a_picture_is_not_taken_for_one(
    repo: Repo, path: str, content: bytes
) -> None:
    repo.write(path, content)
    _, unseen, media = shown(repo)
    assert (unseen, media) == ({path: "binary"}, 0)


def test_more_files_or_bytes_than_are_looked_at_are_named(repo: Repo) -> None:
    repo.write("a.txt", "a\n")
    repo.write("b.txt", "b" * 2000)
    repo.write("c.txt", "c\n")
    paths, unseen, _ = shown(repo, max_files=1, max_file_kb=1)
    assert len(paths) == 1
    assert "max_file_kb" in unseen["b.txt"]
    assert "max_files" in unseen["c.txt"]


def test_what_is_laid_out_cannot_be_executed_and_what_cannot_lie_there_is_named(
    repo: Repo, tmp_path: Path
) -> None:
    repo.write("tool", "#!/bin/sh\n", 0o755)
    commit = repo.commit()
    repository = Repository.open(repo.path)
    files = {**repository.files(commit)}
    files["x" * 300] = files["tool"]
    refused = lay_out(tmp_path / "tree", files, repository.read, {".semgrepignore": ""})
    repository.close()
    assert (tmp_path / "tree" / "tool").stat().st_mode & 0o111 == 0
    assert (tmp_path / "tree" / ".semgrepignore").read_text() == ""
    assert list(refused) == ["x" * 300]


def test_settings_of_scanners_are_known() -> None:
    known = {".trivyignore", "sub/.bandit", ".gitleaks.toml", ".npmrc", ".snyk"}
    assert steering([*known, "a.py", ".github/workflows/a.yml"]) == known


def test_each_file_is_read_once_for_whoever_asks() -> None:
    version = FileVersion(mode="100644", blob="a" * 40)
    asked = []

    class Contents:
        def read(self, version: FileVersion) -> bytes:
            asked.append(version)
            return b"text"

        def size(self, version: FileVersion) -> int:
            raise AssertionError

    kept = Kept(Contents())
    assert [kept.read(version), kept.read(version), kept.size(version)] == [b"text", b"text", 4]
    assert len(asked) == 1


@pytest.mark.parametrize(
    ("scanners", "unread"),
    [
        (("bandit", "shellcheck"), {".js": 1, ".sh": 1, ".ts": 1, ".zsh": 1}),
        (("bandit", "shellcheck", "njsscan"), {".sh": 1, ".ts": 1, ".zsh": 1}),
        (("bandit",), {".sh": 2, ".js": 1, ".ts": 1, ".zsh": 1}),
    ],
)
def test_code_that_none_of_them_takes_is_named_by_its_kind(
    scanners: tuple[str, ...], unread: dict[str, int]
) -> None:
    lines = {
        "a.zsh": "",
        "b.sh": "#!/bin/zsh",
        "c.sh": "#!/bin/sh",
        "d.ts": "",
        "e.js": "",
        "f.py": "",
    }
    subjects = [ScannedFile(path=path, first_line=line) for path, line in lines.items()]
    assert code_nobody_reads(subjects, [SCANNERS[name] for name in scanners]) == unread


def test_what_runs_without_being_called_or_by_its_name_alone_is_code() -> None:
    paths = ("x.pth", "wscript", "SConstruct", "Rakefile", "defs.bzl", "CMakeLists.txt", "a.txt")
    told = code_nobody_reads([ScannedFile(path=path) for path in paths], [SCANNERS["bandit"]])
    assert {*told} == {".pth", "wscript", "SConstruct", "Rakefile", ".bzl", "CMakeLists"}
