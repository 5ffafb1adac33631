"""Whether commands run the tool that a comment silences: else the comment makes no number better.

A benchmark is no better for a `noqa`. Read from words, so it says yes too often rather than too
seldom: a script that only mentions the tool counts as well.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from autoresearch_ci.decide.gaming.suppressions import without_suppressions

_CHECK_TYPES = "mypy dmypy pyright basedpyright pyre pytype pyrefly ty zuban"
_COVERAGE = "coverage cov cover codecov"
_WARNINGS = "warning warnings werror"
_RUN_ALL = (
    "lint linter linters typecheck type-check pre-commit prek megalinter super-linter lefthook "
    "reviewdog qodana codacy codeclimate"
)
"""What may run any of the tools."""
_NAMES: Mapping[str, str] = {
    "flake8, ruff": "flake8 ruff pycodestyle pylama prospector vulture",
    "type checkers": _CHECK_TYPES,
    "mypy": "mypy dmypy",
    "pyright": "pyright basedpyright",
    "pylint": "pylint pylama prospector",
    "coverage": f"{_COVERAGE} slipcover",
    "eslint": "eslint eslint_d xo standard oxlint biome",
    "TypeScript": "tsc vue-tsc tsgo svelte-check ts-jest ts-node deno",
    "deno": f"lint fmt {_COVERAGE}",
    "istanbul, c8, v8": f"istanbul nyc c8 v8 collectCoverage coverageThreshold {_COVERAGE}",
    "node's coverage": _COVERAGE,
    "stryker": "stryker mutation",
    "compilers": f"gcc g++ cc c++ clang clang++ {_WARNINGS}",
    "MSVC, C#": f"cl msbuild dotnet csc {_WARNINGS}",
    "R's lintr, covr": "lintr covr",
    "clang's analyzer": "scan-build analyze analyzer clang-check",
    "sanitizers": "fsanitize sanitizer sanitize asan ubsan tsan msan",
    "coverity": "coverity cov-build cov-analyze",
    "PVS-Studio": "pvs-studio pvs-studio-analyzer",
    "lint": "splint pclint pc-lint",
    "lcov, gcovr": f"lcov gcov gcovr fastcov llvm-cov {_COVERAGE}",
    "staticcheck": "staticcheck golangci-lint",
    "revive": "revive golangci-lint",
    "Go's linters": f"exhaustive exhaustruct nilaway gocritic {_COVERAGE}",
    "rustc, clippy": f"rustc clippy {_WARNINGS}",
    "rustfmt": "rustfmt fmt",
    "Rust's coverage": f"tarpaulin llvm-cov grcov {_COVERAGE}",
    "Kotlin": f"kotlinc detekt ktlint {_WARNINGS}",
    "javac, Android's lint, SpotBugs": f"javac xlint spotbugs errorprone pmd {_WARNINGS}",
    "checkstyle, scalastyle": "checkstyle scalastyle checkstyleMain",
    "PMD": "pmd cpd",
    "OCaml": f"ocamlc ocamlopt dune {_WARNINGS}",
    "Ada": f"gnatmake gprbuild gcc {_WARNINGS}",
    "svelte": "svelte-check vite",
    "a linter": "lint check",
    "IntelliJ": "inspect qodana",
    "scalac": f"scalac scalafix scoverage {_COVERAGE} {_WARNINGS}",
    "C#, PowerShell": (
        f"dotnet msbuild csc coverlet PSScriptAnalyzer Invoke-ScriptAnalyzer {_COVERAGE}"
    ),
    "C#": f"dotnet msbuild csc {_WARNINGS}",
    "ReSharper": "resharper inspectcode jb",
    "Dart": f"dart flutter analyze {_COVERAGE}",
    "rubocop, standard": "rubocop standardrb",
    "simplecov": f"simplecov {_COVERAGE}",
    "sorbet": "sorbet srb",
    "phpcs": "phpcs php_codesniffer",
    "PHPUnit, infection": f"phpunit infection {_COVERAGE}",
    "phan, Closure": "phan closure-compiler google-closure-compiler",
    "perlcritic": "perlcritic critic",
    "Perl": _WARNINGS,
    "Devel::Cover": _COVERAGE,
    "dialyzer": "dialyzer dialyxir",
    "excoveralls": f"coveralls excoveralls {_COVERAGE}",
    "GHC": f"ghc wall {_WARNINGS}",
    "hlint": "hlint",
    "prose linters": "vale textlint alex",
    "HTML's linters": "htmlhint html-validate",
    "buf, protolint": "buf protolint",
    "codeql, lgtm": "codeql lgtm",
    "SonarQube": "sonarqube sonar-scanner sonar sonarcloud",
    "checkov": "checkov bridgecrew",
    "secret scanners": "gitleaks trufflehog ggshield detect-secrets",
    "spell checkers": "cspell codespell typos spellchecker spell",
}
"""The words by which the tool of `suppressions.py` is run, where its own name is not the one."""


def is_run(tool: str, text: str) -> bool:
    """Whether `text`, the commands and their scripts, names the tool of a suppression.

    Its comments that silence the tool do not count.
    """
    names = f"{_NAMES.get(tool) or tool.replace(',', '')} {_RUN_ALL}".split()
    words = "|".join(map(re.escape, names))
    pattern = re.compile(rf"(?<![a-z0-9])(?:{words})(?![a-z0-9])", re.IGNORECASE)
    lines = (line for line in text.splitlines() if pattern.search(line))
    return any(pattern.search(without_suppressions(line)) for line in lines)
