"""What a build may keep is found by the files that it is built from."""

from __future__ import annotations

import pytest

from autoresearch_ci.workspace.build_caches import build_caches


@pytest.mark.parametrize(
    ("paths", "folders"),
    [
        (["Cargo.toml", "src/main.rs", "crates/a/Cargo.toml"], ("target/",)),
        (["a/Cargo.toml", "ab/Cargo.toml"], ("a/target/", "ab/target/")),
        (["go.mod"], (".cache/go-build/",)),
        (["settings.gradle.kts", "build.gradle.kts"], (".gradle/", "build/")),
        (["web/package.json", "pom.xml"], ("target/", "web/node_modules/.cache/")),
        (["bench.py", "docs/go.mod.md"], ()),
    ],
)
def test_the_outputs_of_a_build_are_named(paths: list[str], folders: tuple[str, ...]) -> None:
    assert build_caches(paths) == folders
