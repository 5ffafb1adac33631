"""The ruler is not edited but replaced: by a new file that is found first, or that steers a tool.

Each attack is played for real and refused before anything is committed; the honest change beside it
is kept.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

import pytest

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
        *("autoresearch_outcomes.py", "node_modules/x/index.js", "spec/spec_helper.rb"),
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
