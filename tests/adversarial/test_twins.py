"""The ruler is not edited but replaced: by a new file that is found first, or that steers a tool.

Each attack is played for real and refused before anything is committed; the honest change beside it
is kept.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from autoresearch_ci.cli.main import run_cli

if TYPE_CHECKING:
    from tests.conftest import Repo, Result, Run, Script

HONEST = """def solve(tick):
    for _ in range(90):
        tick()
    return 42
"""
FASTER = HONEST.replace("90", "80")
SLOWER = HONEST.replace("90", "900")
EVALUATE = """def score(solve):
    n = []
    assert solve(lambda: n.append(1)) == 42
    return len(n)
"""
FORGED = "def score(solve):\n    return 1\n"
BENCH = """import sys
sys.path.insert(0, "src")
import work, evaluate
print("cost:", evaluate.score(work.solve))
"""
MEDIAN = """import statistics, work
n = [0]
def tick():
    n[0] += 1
assert work.solve(tick) == 42
print("cost:", statistics.median([n[0]]))
"""
PROJECT = {"src/work.py": HONEST, "src/evaluate.py": EVALUATE, "bench.py": BENCH}
CLAIM = """{"confirmation": {"base": 90.0, "head": 80.0, "gain": 0.11, "ci_low": 0.11,
"ci_high": 0.11, "n_base": 1, "n_head": 1, "holds": true}}"""
PYTHON = f"{sys.executable} bench.py"
Files = Mapping[str, str]


def play(
    run: Run,
    script: Script,
    repo: Repo,
    project: Files,
    attacks: list[Files],
    honest: Files,
    *,
    scope: tuple[str, ...] = ("src/", "!src/evaluate.py"),
    metric: str = PYTHON,
    flags: tuple[str, ...] = (),
) -> Result:
    """Each attack is refused uncommitted, and the honest change, which adds a file, is kept."""
    for path, text in project.items():
        repo.write(path, text)
    repo.commit("project")
    proposals = [*attacks, honest]
    script(*({"description": f"change {n}", "files": f} for n, f in enumerate(proposals)))
    globs = [word for glob in scope for word in ("--scope", glob)]
    done = run(*globs, "--metric-name", "cost", *flags, scope=None, metric=metric)
    assert done.column("status") == ["baseline", *["discard"] * len(attacks), "keep"], done.told
    for row in done.rows[1:-1]:
        assert row["reason"].startswith("out-of-scope: "), row
        assert (row["commit"], row["samples"]) == ("-", "0"), row
    assert repo.kept() == [f"experiment: change {len(attacks)}"]
    return done


def test_no_module_takes_the_place_of_the_frozen_evaluator(
    run: Run, script: Script, repo: Repo
) -> None:
    done = play(
        run,
        script,
        repo,
        PROJECT,
        [
            {"src/evaluate.py": FORGED},
            {"src/evaluate/__init__.py": FORGED},
            {"src/evaluate.cpython-311-x86_64-linux-gnu.so": "forged"},
            {"src/__pycache__/evaluate.cpython-311.pyc": "forged"},
            {"src/evaluate.pyi": "", "src/work.py": FASTER},
        ],
        {"src/work.py": FASTER, "src/tables.py": "SIZE = 80\n", "src/parts/__init__.py": ""},
    )
    assert done.rows[2]["reason"] == (
        "out-of-scope: src/evaluate/__init__.py (would be found instead of the frozen "
        "src/evaluate.py; to allow it, name it outright in scope)"
    )


def test_no_package_takes_the_place_of_a_file_that_the_guard_names(
    run: Run, script: Script, repo: Repo
) -> None:
    play(
        run,
        script,
        repo,
        PROJECT,
        [{"src/evaluate/__init__.py": FORGED}],
        {"src/work.py": FASTER, "src/tables.py": ""},
        scope=("src/",),
        flags=("--guard", f"{sys.executable} -m py_compile src/evaluate.py"),
    )


def test_no_module_takes_the_place_of_what_the_benchmark_imports(
    run: Run, script: Script, repo: Repo
) -> None:
    forged = "def median(x):\n    return 1\n"
    done = play(
        run,
        script,
        repo,
        {"src/work.py": HONEST, "src/bench.py": MEDIAN},
        [
            {"src/statistics.py": forged},
            {"src/statistics/__init__.py": forged},
            {"src/random.py": "raise SystemExit\n"},
            {"src/sitecustomize.py": "print('cost: 1')\n"},
            {"src/pytest.py": ""},
        ],
        {"src/work.py": FASTER, "src/tables.py": ""},
        scope=("src/",),
        metric=f"{sys.executable} src/bench.py",
    )
    assert (
        "(would be imported instead of the installed statistics, beside the frozen "
        in (done.rows[1]["reason"])
    )


@pytest.mark.skipif(not shutil.which("node"), reason="needs node")
def test_no_file_without_an_extension_takes_the_place_of_a_frozen_script(
    run: Run, script: Script, repo: Repo
) -> None:
    work = "exports.solve=(t)=>{for(let i=0;i<90;i++)t();return 42}\n"
    evaluate = "exports.score=(s)=>{let n=0;if(s(()=>n++)!==42)process.exit(1);return n}\n"
    bench = "const {score}=require('./src/evaluate');"
    bench += "console.log('cost: '+score(require('./src/work').solve))\n"
    forged = "exports.score=()=>1\n"
    play(
        run,
        script,
        repo,
        {"src/work.js": work, "src/evaluate.js": evaluate, "bench.js": bench},
        [{f"src/evaluate{end}": forged} for end in ("", ".mjs", ".ts", ".json", "/index.js")],
        {"src/work.js": work.replace("90", "80"), "src/tables.js": ""},
        scope=("src/", "!src/evaluate.js"),
        metric="node bench.js",
    )


def test_a_wide_scope_opens_no_file_that_steers(run: Run, script: Script, repo: Repo) -> None:
    paths = [
        *("vite.config.ts", "babel.config.js", "tsconfig.json", "bunfig.toml", ".pnpmfile.cjs"),
        *(".justfile", "CMakeLists.txt", "build.rs", "rules.mk", ".bazelrc", "gradlew", "mix.exs"),
        *("Directory.Build.props", "settings.gradle", "build.sbt", "phpunit.dist.xml", "deno.json"),
        *(".babelrc", ".swcrc", "vitest.workspace.ts", "ava.config.js", "webpack.config.js"),
        *("tests/__init__.py", "x.dist-info/entry_points.txt", "timeit.py", "pytest.py"),
        *("pytest_case_outcomes.py", "node_modules/x/index.js", "spec/spec_helper.rb"),
        *(".venv/lib/python3/site-packages/x.py", "__pycache__/bench.cpython-311.pyc"),
        *(".config/nextest.toml", "Taskfile.dist.yml", ".mise/config.toml"),
        *("gradle/wrapper/gradle-wrapper.properties", "jest.config.js", ".npmrc", "setup.cfg"),
    ]
    play(
        run,
        script,
        repo,
        PROJECT,
        [{path: "x"} for path in paths],
        {"src/work.py": FASTER, "src/tables.py": "", "utils/text.py": "", "notes.md": "x"},
        scope=("**", "!src/evaluate.py"),
        flags=("--iterations", str(len(paths) + 1)),
    )


def test_what_is_named_outright_may_be_made(run: Run, script: Script, repo: Repo) -> None:
    for path, text in PROJECT.items():
        repo.write(path, text)
    repo.commit("project")
    named = {"src/conftest.py": "", "src/statistics.py": "", "src/work.py": FASTER}
    script({"description": "named", "files": named})
    globs = [word for glob in ("src/", *named) for word in ("--scope", glob)]
    done = run(*globs, "--metric-name", "cost", scope=None, metric=PYTHON)
    assert done.column("status") == ["baseline", "keep"], done.told


# --- compare --------------------------------------------------------------------------------------


GATE = ("--fail-on", "regression:1%")


@pytest.fixture
def pull_request(
    repo: Repo, run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> PullRequest:
    for path, text in PROJECT.items():
        repo.write(path, text)
    config = f"scope: [src/, '!src/evaluate.py']\nmetric: {{command: '{PYTHON}', name: cost}}\n"
    repo.write(".github/autoresearch.yml", config)
    repo.git("add", "--all", "--force")
    repo.commit("project")
    monkeypatch.chdir(repo.path)
    return PullRequest(repo, capsys)


class PullRequest:
    """A change of the project that is measured against what it started from."""

    def __init__(self, repo: Repo, capsys: pytest.CaptureFixture[str]) -> None:
        self.repo = repo
        self.capsys = capsys
        self.said = ""

    def compare(self, files: Files, *words: str) -> int:
        for path, text in files.items():
            self.repo.write(path, text)
        self.repo.commit("change")
        code = run_cli(["compare", "HEAD~1", "HEAD", *words])
        self.said = "".join(self.capsys.readouterr())
        return code


@pytest.mark.parametrize(
    ("ruler", "told"),
    [
        ({"src/evaluate.py": "def score(s): return 89\n"}, "src/evaluate.py"),
        (
            {"src/evaluate/__init__.py": "def score(s): return 89\n"},
            "src/evaluate/__init__.py (would be found instead of the frozen src/evaluate.py",
        ),
        ({"bench.py": "print('cost: 89')\n"}, "bench.py (frozen)"),
        ({"src/sitecustomize.py": ""}, "src/sitecustomize.py (steers Python's start-up"),
    ],
)
def test_a_pull_request_brings_no_ruler_of_its_own(
    pull_request: PullRequest, ruler: Files, told: str
) -> None:
    assert pull_request.compare({"src/work.py": SLOWER, **ruler}, *GATE) == 1, pull_request.said
    assert "cost 90 -> 900" in pull_request.said
    assert f"not compared: {told}" in pull_request.said


def test_a_pull_request_is_measured_in_scope_only(pull_request: PullRequest) -> None:
    files = {"src/work.py": FASTER, "src/tables.py": "", "README.md": "x", "lib/evaluate.py": ""}
    assert pull_request.compare(files, *GATE) == 0
    assert "cost 90 -> 80" in pull_request.said
    left_out = "because the scope does not name them: README.md, lib/evaluate.py"
    assert left_out in pull_request.said


@pytest.mark.parametrize("files", [{"README.md": "x"}, {"src/evaluate/__init__.py": FORGED}])
def test_a_pull_request_that_changes_nothing_in_scope_passes_unmeasured_and_says_so(
    pull_request: PullRequest, files: Files
) -> None:
    assert pull_request.compare(files, *GATE) == 0, pull_request.said
    assert "nothing in scope to compare: nothing was measured; not compared: " in pull_request.said
    assert next(iter(files)) in pull_request.said
    assert "metric:" not in pull_request.said


def test_a_claim_is_not_reproduced_by_a_head_that_changes_the_ruler_alone(
    pull_request: PullRequest, tmp_path: Path
) -> None:
    claim = tmp_path / "run.json"
    claim.write_text(CLAIM)
    words = ("--fail-on", "claim-not-reproduced", "--claim", str(claim))
    assert pull_request.compare({"bench.py": "print('cost: 80')\n"}, *words) == 1
    assert "claim not reproduced" in pull_request.said


def test_the_text_of_a_pull_request_is_read_as_a_candidates_is(pull_request: PullRequest) -> None:
    cheat = {"src/work.py": "import time\ntime.perf_counter = lambda: 0\n" + FASTER}
    assert pull_request.compare(cheat, *GATE) == 1
    assert "plays against the ruler: src/work.py:2 patches time.perf_counter" in pull_request.said
    assert pull_request.compare({"src/work.py": HONEST}, *GATE) == 1  # it really is slower
    assert "plays against" not in pull_request.said
    assert pull_request.compare(cheat, *GATE, "--set", "gaming=warn") == 0
    assert "warning: plays against the ruler" in pull_request.said


def test_a_pull_request_puts_no_file_where_a_folder_or_link_stays(
    pull_request: PullRequest,
) -> None:
    repo = pull_request.repo
    (repo.path / "src/link").symlink_to("work.py")
    repo.write("src/kept/evaluate.so", "")
    repo.git("update-index", "--refresh", check=False)
    repo.commit("a link and a folder")
    (repo.path / "src/link").unlink()
    assert pull_request.compare({"src/work.py": FASTER, "src/link/x.py": ""}, *GATE) == 0
    assert "not compared: src/link (a link or a submodule)" in pull_request.said
    assert "not compared: src/link/x.py (src/link is not a folder)" in pull_request.said
