"""`autoresearch-ci score`: prints numbers, or fails; never a number of half of what was asked."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from autoresearch_ci.cli.main import run_cli
from autoresearch_ci.cli.score import KINDS
from autoresearch_ci.decide.command_screen import COUNTS

if TYPE_CHECKING:
    from tests.conftest import Repo, Run


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def score(capfd: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict[str, float], str]:
    code = run_cli(["score", *words])
    out, err = capfd.readouterr()
    lines = (line.partition(": ") for line in out.splitlines())
    numbers = {name: value for name, _, value in lines if value.replace(".", "").isdigit()}
    return code, {name: float(value) for name, value in numbers.items()}, out + err


def test_a_command_s_own_output_stays_and_its_cost_comes_after(
    capfd: pytest.CaptureFixture[str],
) -> None:
    code, numbers, told = score(capfd, "time", "--", "sh", "-c", "echo said; exit 0")
    assert code == 0
    assert told.startswith("said\n")
    assert numbers["seconds"] > 0


def test_a_command_that_fails_has_no_time(capfd: pytest.CaptureFixture[str]) -> None:
    assert score(capfd, "time", "--", "false")[:2] == (4, {})
    code, _, told = score(capfd, "time", "--", "no-such-program")
    assert code == 4
    assert "no-such-program" in told


def test_memory_is_that_of_the_command(capfd: pytest.CaptureFixture[str]) -> None:
    for size in (40, 400):
        line = f"x = b'1' * ({size} << 20)"
        _, numbers, _ = score(capfd, "time", "--", "python", "-c", line)
        assert size < numbers["peak_memory_mb"] < size + 30
    # Less than an interpreter takes cannot be told from what it takes.
    assert "peak_memory_mb" not in score(capfd, "time", "--", "true")[1]


def test_results_of_benchmarks_are_all_there_or_no_number(
    capfd: pytest.CaptureFixture[str],
) -> None:
    line = "echo a x 1,000 ops/sec; echo b x 10 ops/sec"
    assert score(capfd, "bench", "--", line)[1] == {"nanoseconds": 1e7, "results": 2}
    only = ("--only", "a", "--results", "1")
    assert score(capfd, "bench", *only, "--", line)[1] == {"nanoseconds": 1e6, "results": 1}
    code, numbers, told = score(capfd, "bench", "--results", "3", "--", line)
    assert (code, numbers) == (4, {})
    assert "2 results instead of 3" in told
    assert score(capfd, "bench", "--", f"{line}; exit 1")[:2] == (4, {})
    assert score(capfd, "bench", "--", "echo fast")[:2] == (4, {})


@pytest.mark.parametrize("kind", ["bench", "lines"])
def test_output_that_is_not_all_kept_has_no_number(
    capfd: pytest.CaptureFixture[str], kind: str
) -> None:
    script = "print('BenchmarkA-8  100  500 ns/op'); print(('y' * 79 + '\\n') * 40_000)"
    code, numbers, told = score(capfd, kind, "--", sys.executable, "-c", script)
    assert (code, numbers) == (4, {})
    assert "it prints more than is kept" in told


def test_lines_that_match_are_counted_where_the_exit_code_is_known(
    capfd: pytest.CaptureFixture[str],
) -> None:
    line = "echo a: error; echo b: note; exit 1"
    assert score(capfd, "lines", "--regex", "error", "--", line)[1] == {"lines": 1}
    assert score(capfd, "lines", "--exit-codes", "0", "--", line)[0] == 4


@pytest.mark.parametrize("words", [("-m", "no_such_linter"), ("-c", "raise ValueError")])
def test_a_tool_that_crashed_is_no_tool_that_found_nothing(
    capfd: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    code, numbers, told = score(capfd, "lines", "--regex", "E501", "--", sys.executable, *words)
    assert (code, numbers) == (4, {})
    assert "it crashed" in told


def test_a_function_on_one_line_is_as_complex_as_on_several(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.py").write_text("def f(x):\n    return 1 if x else 2\n")
    several = score(capfd, "complexity", "a.py")[1]
    (tmp_path / "a.py").write_text("def f(x): return 1 if x else 2\n")
    assert score(capfd, "complexity", "a.py")[1] == several
    assert several["complexity"] == 2


@pytest.mark.parametrize("text", ["def f(:\n", "x = 1\n", ""])
def test_a_file_without_a_function_is_not_the_simplest(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], text: str
) -> None:
    (tmp_path / "a.py").write_text(text)
    assert score(capfd, "complexity", "a.py")[:2] == (4, {})


def test_queries_that_do_nothing_have_no_cost(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "q.sql").write_text("-- SELECT 1;\n")
    assert score(capfd, "sql", "q.sql")[:2] == (4, {})
    (tmp_path / "q.sql").write_text("SELECT 1;\n")
    code, numbers = score(capfd, "sql", "q.sql")[:2]
    answers = str(int(numbers["answers"]))
    assert (code, numbers["rows"]) == (0, 1)
    assert score(capfd, "sql", "q.sql", "--answers", answers)[0] == 0
    (tmp_path / "q.sql").write_text("SELECT 2;\n")
    assert score(capfd, "sql", "q.sql", "--answers", answers)[:2] == (4, {})
    assert score(capfd, "sql", "q.sql", "--database", "gone.db")[:2] == (2, {})
    assert not (tmp_path / "gone.db").exists()


def test_problems_are_read_as_fix_reads_them(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.py").write_text("import os\nimport sys\n")
    ruff = "ruff check --no-cache --output-format json --output-file {report} ."
    assert score(capfd, "problems", "--tool", "ruff", "--", ruff)[1]["problems"] == 2
    code, _, told = score(capfd, "problems", "--tool", "ruff", "--", "ruff check --no-such-flag")
    assert code == 4
    assert "did not tell everything" in told


def test_an_expression_that_is_none_is_said_to_be(capfd: pytest.CaptureFixture[str]) -> None:
    code, _, told = score(capfd, "lines", "--regex", "(", "--", "true")
    assert code == 2
    assert "--regex '('" in told


def test_a_glob_without_a_file_is_no_score_of_nothing(
    capfd: pytest.CaptureFixture[str],
) -> None:
    code, numbers, told = score(capfd, "marks", "src/*.py")
    assert (code, numbers) == (2, {})
    assert "matches no file" in told


def test_what_is_left_out_is_not_counted(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.py").write_text("# TODO\n")
    (tmp_path / "test_a.py").write_text("# TODO\n")
    assert score(capfd, "marks", "*.py")[1] == {"marks": 2}
    assert score(capfd, "marks", "*.py", "--exclude", "test_*.py")[1] == {"marks": 1}
    assert score(capfd, "marks", "*.py", "--exclude", "*")[0] == 2


_WORDS_OF = {
    "problems": ["--tool", "ruff", "--", "echo []"],
    "lines": ["--", "true"],
    "prose": ["a.md", "--forbid", "very"],
}


@pytest.mark.parametrize("kind", sorted({*COUNTS} - {"lighthouse"}))
def test_a_kind_that_fails_for_nothing_prints_the_number_that_a_guard_is_told_to_watch(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], kind: str
) -> None:
    (tmp_path / "a.md").write_text("Very short.\n")
    (tmp_path / "a.py").write_text("def f(): ...\n")
    file = "a.md" if kind in ("readability", "links") else "a.py"
    code, numbers, told = score(capfd, kind, *_WORDS_OF.get(kind, [file]))
    assert code == 0, told
    assert COUNTS[kind]["metric"] in numbers


def test_each_other_kind_fails_with_what_it_runs() -> None:
    assert {*KINDS} - {*COUNTS} == {"bench", "sql", "time"}


def test_sizes_are_the_same_each_time(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.js").write_text("a" * 1000)
    first = score(capfd, "size", "*.js")[1]
    assert first == score(capfd, "size", "*.js")[1]
    assert first["bytes"] == 1000
    assert first["gzip_bytes"] < 100
    assert score(capfd, "size", "--least", "1", "*.js")[1] == first
    code, numbers, told = score(capfd, "size", "--least", "2", "*.js")
    assert (code, numbers) == (4, {})
    assert "1 files instead of at least 2" in told


def test_prose_without_a_limit_is_a_mistake(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.md").write_text("Very short.\n")
    assert score(capfd, "prose", "a.md")[0] == 2
    assert score(capfd, "prose", "a.md", "--forbid", "very")[1] == {"violations": 1}


_NPX = """#!/usr/bin/env python3
import json, sys, urllib.request
text = urllib.request.urlopen(sys.argv[3]).read().decode()
path = next(word for word in sys.argv if word.startswith("--output-path="))[14:]
names = ("largest-contentful-paint", "total-blocking-time", "total-byte-weight")
score = None if "blank" in text else 0.87
with open(path, "w") as report:
    json.dump({"categories": {"performance": {"score": score}},
               "audits": {name: {"numericValue": len(text)} for name in names}}, report)
sys.exit(text.startswith("broken"))
"""


def test_lighthouse_looks_at_the_folder_and_a_page_without_a_score_has_none(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    npx = tmp_path / "bin/npx"
    npx.parent.mkdir()
    npx.write_text(_NPX)
    npx.chmod(0o755)
    monkeypatch.setenv("PATH", f"{npx.parent}{os.pathsep}{os.environ['PATH']}")
    assert score(capfd, "lighthouse", "site")[:2] == (2, {})
    page = tmp_path / "site/index.html"
    page.parent.mkdir()
    page.write_text("<h1>a</h1>")
    numbers = {"performance": 87, "lcp_ms": 10, "blocking_ms": 10, "page_bytes": 10}
    assert score(capfd, "lighthouse", "site")[:2] == (0, numbers)
    for text in ("blank", "broken"):
        page.write_text(text)
        assert score(capfd, "lighthouse", "site")[:2] == (4, {})


def test_measured_code_finds_us_wherever_we_are_installed(
    repo: Repo, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In place or not, on PATH or not."""
    folders = os.environ["PATH"].split(os.pathsep)
    elsewhere = [folder for folder in folders if not Path(folder, "autoresearch-ci").exists()]
    monkeypatch.setenv("PATH", os.pathsep.join(elsewhere))
    monkeypatch.delenv("VIRTUAL_ENV", raising=False)
    monkeypatch.chdir(repo.path)
    unseen: dict[str, str | None] = {"sandbox-write": None}
    metric = "autoresearch-ci score size value"
    done = run("--metric-name", "bytes", "--iterations", "0", metric=metric, **unseen)
    assert done.column("status") == ["baseline"], done.told
