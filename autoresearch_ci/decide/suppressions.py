"""Comments that make a tool look away: a linter, a type checker, a coverage report, a scanner.

They make a count of findings smaller and a coverage larger, and the code no better. One table, by
tool, from each tool's documentation. What counts is what a change adds: a comment that moves is no
news, nor is one that names a rule where the same one silenced them all before.

Not looked at: configuration, which is a steering file and must be named in the scope.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

_TABLE: tuple[tuple[str, str], ...] = (
    # Python
    ("flake8, ruff", r"# (?:flake8 [:=] |ruff : (?:file-)?)?noqa\b"),
    ("ruff", r"# ruff : (?:ignore|disable)\b"),
    ("type checkers", r"# type : ignore\b|@(?:typing\.|t\.)?no_type_check\b"),
    ("mypy", r"# mypy : (?:ignore-errors|disable-error-code|allow-[\w-]+|no-[\w-]+)"),
    ("pyright", r"# (?:based)?pyright : (?:ignore|basic|standard|report\w+ = \w+)"),
    ("pyre", r"# pyre-(?:ignore|fixme|unsafe|do-not-check)(?:-all-errors)?"),
    ("pyrefly, ty", r"# (?:pyrefly|ty) : ignore(?:-errors|-all-errors)?\b"),
    ("pytype", r"# pytype : (?:disable|skip-file)"),
    ("pylint", r"# pylint : (?:disable(?:-next|-msg|-all)?|skip-file)"),
    ("coverage", r"# pragma :? no (?:cover|branch)\w*"),
    ("mutmut", r"# pragma : no mutate"),
    ("isort", r"# isort : (?:skip|off|dont-add\w*)(?:_file)?"),
    ("black, ruff, yapf", r"# (?:fmt : (?:off|skip)|yapf : disable)\b"),
    ("autopep8", r"# autopep8 : off"),
    ("doctest", r"# doctest : \+skip"),
    ("vulture, refurb", r"# (?:vulture|refurb) : ignore"),
    # JavaScript and TypeScript
    ("eslint", r"\beslint-disable(?:-next-line|-line)?\b"),
    ("eslint", r"/\* eslint  [\w@/-]+ : [\[\"']*(?:off|0)\b"),
    ("TypeScript", r"@ts-(?:ignore|expect-error|nocheck)\b"),
    ("TypeScript", r"@type \{ (?:any|\*) \}"),
    ("tslint", r"\btslint : disable(?:-next-line|-line|:next-line)?"),
    ("biome, rome", r"\b(?:biome|rome)-ignore(?:-all|-start)?\b"),
    ("oxlint", r"\boxlint-disable(?:-next-line|-line)?"),
    ("deno", r"\bdeno-(?:lint|coverage|fmt)-ignore(?:-file|-start)?"),
    ("jshint", r"\bjshint  (?:ignore|-W\d+)|\bjslint-disable"),
    ("flow", r"\$Flow(?:FixMe|Ignore|Issue|ExpectedError)\b|@noflow\b|\bflowlint  [\w-]+:off"),
    ("prettier", r"\bprettier-ignore(?:-start|-attribute)?\b"),
    ("istanbul, c8, v8", r"\b(?:istanbul|c8|v8)  ignore\b(?:  (?:next|file|if|else|start))?"),
    ("node's coverage", r"\bnode:coverage  (?:ignore|disable)"),
    ("stryker", r"\bstryker  disable\b"),
    # C, C++, Objective-C
    ("compilers", r"# pragma  (?:GCC|clang)  (?:diagnostic  ignored \"?[\w+-]*|system_header)"),
    ("compilers", r"__attribute__ \( \( _{0,2}unused_{0,2}\b|\[\[ (?:maybe_unused|gnu::unused)\b"),
    ("compilers", r"_Pragma \([^)\n]{0,40}diagnostic ignored[^)\n]{0,60}"),
    ("MSVC, C#", r"# pragma  warning \(? (?:disable|suppress)\b"),
    ("R's lintr, covr", r"# (?:nolint|nocov)\b(?:  (?:start|next))?"),
    ("clang-tidy, golangci-lint", r"// nolint(?:nextline|begin)?\b|/\* nolint\w*"),
    ("cppcheck", r"\bcppcheck-suppress(?:-file|-begin|-macro)?\b"),
    ("clang-format", r"// clang-format  off"),
    ("clang's analyzer", r"\b__clang_analyzer__\b|\[\[clang::suppress"),
    ("sanitizers", r"\bno_sanitize(?:_\w+)?\b"),
    ("coverity", r"(?://|/\*) coverity \["),
    ("PVS-Studio", r"//-V(?:\d{3}|::)"),
    ("lint", r"/\*(?:lint  -|@(?:ignore|i)@)"),
    ("lcov, gcovr", r"\b(?:LCOV|GCOVR|GCOV|COV)_EXCL_(?:LINE|START|BR_LINE|BR_START)\b"),
    # Go, Rust, Swift, Java, Kotlin, Scala, C#, Dart
    ("Go's build", r"//(?:go:build|  \+build)  ignore\b"),
    ("staticcheck", r"//lint:(?:file-)?ignore\b"),
    ("revive", r"//revive:disable(?:-next-line|-line)?"),
    ("Go's linters", r"//(?:exhaustive|exhaustruct|nilaway|gocritic|gocover):ignore\b"),
    ("rustc, clippy", r"#!?\[ (?:cfg_attr \([^\]\n]{0,80}\b)?(?:allow|expect) \("),
    ("rustfmt", r"#!?\[[^\]\n]{0,60}\brustfmt(?:::|_)skip"),
    ("Rust's coverage", r"#!?\[[^\]\n]{0,60}(?:coverage \( off|tarpaulin(?:_include|::skip))"),
    ("swiftlint", r"\bswiftlint:disable(?::next|:this|:previous)?"),
    ("swiftformat", r"\bswiftformat:(?:disable|options)(?::next)?"),
    ("ktlint", r"\bktlint-disable\b"),
    ("Kotlin", r"@(?:file:)?Suppress \("),
    ("javac, Android's lint, SpotBugs", r"@Suppress(?:Warnings|Lint|FBWarnings)\b"),
    ("checkstyle, scalastyle", r"\b(?:CHECKSTYLE|scalastyle) : (?:OFF|SUPPRESS)\b"),
    ("PMD", r"// (?:NOPMD|CPD-OFF)\b"),
    ("IntelliJ", r"\bnoinspection\b"),
    ("scalac", r"@(?:scala\.annotation\.)?nowarn\b|\bscalafix:off|\$COVERAGE-OFF\$"),
    (
        "C#, PowerShell",
        r"\[ (?:assembly : )?[\w.]*(?:SuppressMessage|ExcludeFromCodeCoverage)\w*",
    ),
    ("C#", r"#nullable  disable\b"),
    ("F#", r"^ #nowarn\b"),
    ("Erlang", r"^ -compile \([^)\n]{0,40}nowarn_\w+"),
    ("ReSharper", r"\bReSharper  disable\b(?:  once)?"),
    ("Dart", r"// ignore(?:_for_file)? : [a-z]+_\w+|\bcoverage:ignore-(?:line|start|file)"),
    # Ruby, PHP, Perl, Lua, Elixir, Erlang, Haskell
    ("rubocop, standard", r"# (?:rubocop|standard) : (?:disable|todo)"),
    ("simplecov", r"# :nocov:"),
    ("sorbet", r"# typed : (?:false|ignore)\b"),
    ("reek", r"# :reek:"),
    ("phpcs", r"\bphpcs:(?:ignore(?:File)?|disable)\b|@codingStandardsIgnore\w+"),
    ("phpstan", r"@phpstan-ignore(?:-line|-next-line)?\b"),
    ("psalm", r"@psalm-suppress\b"),
    ("PHPUnit, infection", r"@(?:codeCoverageIgnore\w*|infection-ignore-all)\b"),
    ("phan, Closure", r"@(?:phan-)?suppress\b(?:-\w+)*"),
    ("perlcritic", r"## no  critic\b"),
    ("Perl", r"^ no  (?:warnings|strict)\b"),
    ("Devel::Cover", r"# uncoverable\b"),
    ("luacheck", r"-- luacheck : (?:ignore|no\b)|---@diagnostic  disable[\w-]*"),
    ("selene", r"-- selene: allow"),
    ("credo", r"# credo:disable-for-[\w-]+"),
    ("dialyzer", r"@dialyzer\b|^ -dialyzer\b"),
    ("excoveralls", r"\bcoveralls-ignore-(?:start|next-line)"),
    ("GHC", r"\{-# OPTIONS_GHC[^}\n]{0,80}(?:-w\b|-Wno-|-fno-warn)"),
    ("hlint", r"\bHLINT  ignore\b|\"HLint: ignore"),
    ("OCaml", r"\[@{1,3}(?:ocaml\.)?warning  \"-"),
    ("Ada", r"\bpragma  Warnings \( Off\b"),
    ("clj-kondo, eastwood", r"#_ :(?:clj-kondo|eastwood)/ignore\b"),
    # Shells, images, configuration, documents, and the rest
    ("shellcheck", r"# shellcheck  disable\b"),
    ("hadolint", r"# hadolint  (?:global  )?ignore\b"),
    ("yamllint", r"# yamllint  disable(?:-line|-file)?"),
    ("zizmor", r"# zizmor : ignore"),
    ("markdownlint", r"\bmarkdownlint-(?:disable|configure)(?:-next-line|-line|-file)?"),
    ("prose linters", r"<!-- (?:vale  (?:off|[\w.]+ = no)\b|textlint-disable)"),
    ("prose linters", r"<!-- (?:lint|alex)  (?:disable|ignore)"),
    ("stylelint", r"\bstylelint-disable(?:-next-line|-line)?"),
    ("HTML's linters", r"\b(?:htmlhint|html-validate)(?:-|  )(?:disable|ignore)(?:-next|-block)?"),
    ("sqlfluff, squawk", r"-- (?:noqa|sqlfluff:off|squawk-ignore)\b"),
    ("tflint", r"(?:#|//) tflint-ignore(?:-file)?"),
    ("solhint, slither", r"\b(?:solhint|slither)-disable(?:-next-line|-line|-start)?"),
    ("verilator", r"\bverilator  (?:lint_off|coverage_off)\b"),
    ("buf, protolint", r"\b(?:buf:lint:ignore|protolint:disable(?::next|:this)?)\b"),
    ("svelte", r"<!-- svelte-ignore\b|// svelte-ignore\b"),
    # Any other, by the way in which nearly all are called and told
    (
        "a linter",
        r"(?:#|//|--|%|;|/\*|<!--|\") (?!deno|(?:[a-z]s|ox|kt|swift|style|markdown)lint)"
        r"[\w.-]{0,20}(?:lint|elvis|statix|robocop|narc)[\w.]{0,12}"
        r"(?:-| : |  )(?:ignore|disable|off|skip|suppress)\b",
    ),
    # Scanners that read every language
    ("bandit, gosec", r"(?:#|//|/\*|--) #?nosec\b"),
    ("semgrep", r"\bnosem(?:grep)?\b"),
    ("njsscan", r"\bnjsscan-ignore:"),
    ("our own rules of workflows", r"# security : ignore\b"),
    ("codeql, lgtm", r"(?:#|//|/\*|--) (?:lgtm\b|codeql \[)"),
    ("SonarQube", r"\bNOSONAR\b"),
    ("checkov", r"\b(?:checkov|bridgecrew):skip\b"),
    ("tfsec, trivy, kics", r"\b(?:tfsec|trivy):ignore\b|\bkics-scan  (?:ignore|disable)\b"),
    ("secret scanners", r"\b(?:gitleaks:allow|trufflehog:ignore|ggignore)\b"),
    ("secret scanners", r"\bpragma: (?:allow|white)list\b"),
    ("DeepSource, ameba, jscpd", r"\b(?:skipcq\b|ameba:disable|jscpd:ignore-start)"),
    ("snyk", r"\b(?:deepcode|snyk) :?  ignore\b"),
    ("spell checkers", r"\b(?:c?spell|spell-?checker|codespell|typos) : (?:disable|ignore)[\w-]*"),
)
"""(tool, what it looks for); one space stands for any white space or none, two for some."""


def _spaced(pattern: str) -> str:
    return re.sub(" +", lambda gap: r"[\t ]*" if gap[0] == " " else r"[\t ]+", pattern)


_ANY = re.compile(
    "|".join(f"(?P<t{n}>{_spaced(text)})" for n, (_, text) in enumerate(_TABLE)), re.IGNORECASE
)
_HINTS = (
    *("ignore", "noqa", "disable", "suppress", "nolint", "nocov", "cover", "skip", "off", "diag"),
    *("nosec", "nosem", "lgtm", "codeql", "nosonar", "nopmd", "noinspection", "nowarn", "allow"),
    *(
        "@type",
        "go:build",
        "+build",
        "expect",
        "excl",
        "fixme",
        "flow",
        "unsafe",
        "no_type",
        "no-",
        "nocheck",
        "mutate",
        "typed",
    ),
    *("pyright", "dont-add", "todo", "critic", "warnings", "strict", "reek", "lint", "sanit"),
    *("system_header", "analyzer", "coverity", "dialyzer", "vale", "secret", "white", "ghc", "-v"),
    *("no ", "no\t", "tarpaulin", "unused", "cpd-off", "warning"),
)
"""Without one of these words a line is nothing for the table, which is slow to look for."""
_RULES = re.compile(
    r"""[\t ]*(?:[:=(\[{"']+[\t ]*|[\t ](?=[\w@-]*[-/\d_]))"""
    r"""([\w@/.:*-]+(?:["']?[\t ]*,[\t ]*["']?[\w@/.:*-]+)*)"""
)
"""The rules' names: behind a sign, or such as can be no ordinary word."""
_SHOWN = 60


@dataclass(frozen=True, kw_only=True)
class Suppression:
    """One comment that silences one rule, or all."""

    path: str
    line: int
    tool: str
    rule: str
    """Empty: all that the tool has, or all that the comment says."""
    text: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line} silences {self.tool} ({self.text})"


def added(
    before: Mapping[str, bytes | None], after: Mapping[str, bytes | None], limit: int
) -> list[Suppression]:
    """Those that a change adds, one of each tool and rule; both hold the same paths.

    `limit`: bytes of a file; a larger one is data.
    """
    old = [found for path, content in before.items() for found in _all(path, content, limit)]
    new = [found for path, content in sorted(after.items()) for found in _all(path, content, limit)]
    more = _counts(new)
    more.subtract(_counts(old))
    known = {(found.path, found.text) for found in old}
    chosen = []
    for (tool, rule), count in more.items():
        if count <= 0 or (rule and more[tool, ""] <= -count):  # a rule where there were all
            continue
        here = [found for found in new if (found.tool, found.rule) == (tool, rule)]
        chosen.append(next((f for f in here if (f.path, f.text) not in known), here[-1]))
    return list({(found.path, found.line): found for found in chosen}.values())


def _counts(found: Iterable[Suppression]) -> Counter[tuple[str, str]]:
    return Counter((one.tool, one.rule) for one in found)


def _all(path: str, content: bytes | None, limit: int) -> Iterator[Suppression]:
    if content is None or len(content) > limit or b"\0" in content[:8000]:
        return
    for number, line in enumerate(content.decode(errors="replace").split("\n"), start=1):
        low = line.lower()
        if not any(hint in low for hint in _HINTS):
            continue
        for match in _ANY.finditer(line):
            tool = _TABLE[int(str(match.lastgroup)[1:])][0]
            rules = _RULES.match(line, match.end())
            text = line[match.start() : rules.end() if rules else match.end()]
            names = re.split(r"[\s,\"']+", rules[1]) if rules else [""]
            for rule in names:
                yield Suppression(path=path, line=number, tool=tool, rule=rule, text=_plain(text))


def _plain(text: str) -> str:
    return " ".join(text.split())[:_SHOWN]
