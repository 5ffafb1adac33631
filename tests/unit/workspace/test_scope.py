"""No spelling of a path gets an edit past the scope."""

from __future__ import annotations

import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoresearch_ci.workspace.scope import Scope, build_scope
from tests.patience import promptly

EVERYTHING = Scope(include=["**"], frozen=["bench/run.sh", "program.md", "Straße/é.md"])


def allowed(scope: Scope, path: str) -> bool:
    return scope.refusal(path) is None


@pytest.mark.parametrize(
    ("globs", "path", "inside"),
    [
        (["trainer/train.py"], "trainer/train.py", True),
        (["./trainer/train.py"], "trainer/train.py", True),
        (["/train.py"], "train.py", True),
        (["/train.py"], "trainer/train.py", False),
        (["train.py"], "trainer/train.py", True),
        (["src/"], "src/a/b.py", True),
        (["src"], "src/a/b.py", True),
        (["src/"], "lib/src.py", False),
        (["*.py"], "a/b.py", True),
        (["src/*.py"], "src/a/b.py", False),
        (["src/**/*.py"], "src/b.py", True),
        (["."], "a/b.py", True),
        ([], "a.py", False),
        (["src/", "!src/gen/"], "src/gen/x.py", False),
        (["**", "!src/gen/"], "src/gen/a/b.py", False),  # gitignore itself would include this one
        (["*.py", "!tests/"], "tests/test_a.py", False),  # and this one
        (["!src/gen.py", "src/"], "src/gen.py", False),  # the order does not matter
        (["src/", "!*.md"], "src/a.py", True),
        (["caf\u00e9.py"], "caf\u00e9.py", True),
        (["a b/*"], "a b/c 'd\"\n🎉.txt", True),
        (["*"], "\udcff\udcfe.bin", True),
        (["a.py"], "a.py\n", False),
    ],
)
def test_globs_are_gitignores_and_an_exclamation_mark_always_excludes(
    globs: list[str], path: str, inside: bool
) -> None:
    assert allowed(Scope(include=globs), path) is inside


@pytest.mark.parametrize("glob", ["[", "!a[", "#x", "/", "!", "\\", " "])
def test_a_glob_that_matches_nothing_is_reported_at_once(glob: str) -> None:
    with pytest.raises(ValueError, match=r"scope|glob|pattern"):
        Scope(include=["src/", glob])


def test_the_reason_names_the_path() -> None:
    scope = Scope(include=["src/"], frozen=["src/bench.py"])
    assert scope.refusal("lib/a.py") == "out-of-scope: lib/a.py"
    assert scope.refusal("src/bench.py") == "out-of-scope: src/bench.py (frozen)"
    assert str(scope.refusal("src/conftest.py")).startswith("out-of-scope: src/conftest.py (steers")


@pytest.mark.parametrize(
    "path",
    [
        *(
            ".git",
            ".git/config",
            "sub/.git/hooks/x",
            ".GIT/config",
            ".Git",
            ".git ",
            ".git.",
            ".git. .",
        ),
        *("git~1/config", "GIT~1", "sub/git~2/x", ".git::$INDEX_ALLOCATION/config", ".git:x"),
        *(".g\u200cit/config", "\ufeff.git/config", ".gi\u202et", ".g\u200dIT "),
        *(
            ".gitmodules",
            ".GitModules",
            "gitmod~1",
            "GI7EBA~1",
            ".gitattributes",
            "a/.gitattributes",
        ),
        *(".github/workflows/ci.yml", ".GitHub/x", ".github./x", "github~1/x"),
        *("autoresearch/run-1/results.tsv", "Autoresearch/x", "autoresearch"),
        *("/etc/passwd", "../x", "a/../b", "./a", "a/./b", "a//b", "a/", "/", ".", "..", ""),
        *("a\\b", ".git\\config", "a\0b", "a/" * 3000 + "b"),
    ],
)
def test_no_scope_opens_git_github_the_run_folder_or_an_odd_path(path: str) -> None:
    assert not allowed(EVERYTHING, path)
    if path and not path.startswith("!") and "\\" not in path and path != "/":
        assert not allowed(Scope(include=["**", path]), path)


@pytest.mark.parametrize(
    "path",
    [
        *("bench/run.sh", "BENCH/Run.sh", "bench/run.sh ", "bench./run.sh.", "bench/run.s\u200dh"),
        *("bench/run.sh/x", "bench", "Bench", "PROGRAM.MD", "program.md/x/y"),
        *("STRASSE/\u00e9.md", "stra\u00dfe/e\u0301.md", "STRA\u1e9eE/E\u0301.MD"),
    ],
)
def test_no_twin_parent_or_child_of_a_frozen_path_is_editable(path: str) -> None:
    assert not allowed(EVERYTHING, path)


@given(st.sampled_from(["bench/run.sh", "Straße/é.md", ".github/x", ".git/config"]), st.data())
def test_case_and_composition_never_make_another_file(path: str, data: st.DataObject) -> None:
    form = data.draw(st.sampled_from(["NFC", "NFD"]))
    letters = [data.draw(st.sampled_from([c, c.upper(), c.lower()])) for c in path]
    assert not allowed(EVERYTHING, unicodedata.normalize(form, "".join(letters)))


@given(st.text(max_size=30) | st.text(alphabet="./\\ gitGIT~1\n\u200c:", max_size=12))
def test_any_text_is_judged_and_an_allowed_path_stays_beneath_the_root(path: str) -> None:
    if allowed(EVERYTHING, path):
        assert path
        assert {"", ".", ".."}.isdisjoint(path.split("/"))
        assert ".git" not in path.lower().split("/")


@pytest.mark.parametrize(
    "path", ["git/x.py", ".gitignore", "a/github/b", "digit~1", "x.gitx", "a. b"]
)
def test_names_that_only_resemble_protected_ones_are_ordinary(path: str) -> None:
    assert allowed(EVERYTHING, path)


TRACKED = frozenset(
    [
        *(
            "trainer/train.py",
            "bench/run.sh",
            "bench/cases.json",
            "pkg/mod.py",
            "src/tool/__main__.py",
        ),
        *("app/__main__.py", "tests/test_a.py", "Makefile", "web/package.json", "a b.sh", "run.py"),
        *("web/sub/run.py", "pkg/__init__.py"),
    ]
)


@pytest.mark.parametrize(
    ("globs", "editable"),
    [
        (["trainer/train.py"], True),
        (["./trainer/train.py"], True),
        (["trainer/"], False),
        (["trainer/*.py"], False),
        (["train.py"], False),
        (["**", "trainer/train.py"], True),
        (["trainer/train.py", "!trainer/train.py"], False),
    ],
)
def test_the_metrics_own_file_is_editable_only_when_scope_names_it(
    globs: list[str], editable: bool
) -> None:
    scope = build_scope(globs, [], ["python trainer/train.py"], TRACKED)
    assert allowed(scope, "trainer/train.py") is editable


def test_configuration_and_program_stay_frozen_though_scope_names_them() -> None:
    scope = build_scope(["program.md", "a.yml"], ["./program.md", "a.yml"], ["pytest -q"], TRACKED)
    assert scope.select(["program.md", "a.yml"]) == []


def test_select_keeps_the_order() -> None:
    scope = build_scope(["*.py", "*.sh"], [], ["bash bench/run.sh"], TRACKED)
    assert scope.select(["run.py", "bench/run.sh", "Makefile", "a b.sh"]) == ["run.py", "a b.sh"]


def test_a_hundred_thousand_paths_are_selected_in_about_a_second() -> None:
    scope = Scope(include=["src/**/*.py", "!src/gen/", "lib/", "docs/*.md"], frozen=["a/b.py"])
    paths = [f"src/pkg{number % 100}/mod{number}.py" for number in range(100_000)]
    start = time.process_time()
    assert len(scope.select(paths)) == 100_000
    assert time.process_time() - start < promptly(2)  # some 0.7 s on an idle machine
