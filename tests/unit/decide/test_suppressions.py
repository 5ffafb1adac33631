"""What a change adds to silence a tool is found, whatever the language; what stays is no news."""

from __future__ import annotations

import time

import pytest

from autoresearch_ci.decide.failures.shortcuts.detect import shortcuts
from autoresearch_ci.decide.suppressions import _TABLE, added

LIMIT = 2**21


def found(before: str | None, after: str | None, path: str = "work.x") -> list[str]:
    old, new = (None if text is None else text.encode() for text in (before, after))
    return [str(one) for one in added({path: old}, {path: new}, LIMIT)]


EXAMPLES = """\
import os  # noqa
import os  # NOQA: F401
x = 1  # basedpyright: ignore[reportAny]
#nowarn "25"
-compile([nowarn_unused_function]).
x = 1  # skipcq: PYL-W0612
# ameba:disable Lint/Syntax
/* jscpd:ignore-start */
# flake8: noqa
# ruff: noqa
# ruff: file-noqa
# ruff: ignore[F401]
x = f()  # type: ignore
x = f()  # type:ignore[arg-type]
@no_type_check
@typing.no_type_check
# mypy: ignore-errors
# mypy: disable-error-code="arg-type"
# mypy: allow-untyped-defs
# mypy: no-strict-optional
# pyright: ignore
# pyright: basic
# pyright: reportMissingImports=false
# pyre-ignore[6]
# pyre-fixme
# pyrefly: ignore
# ty: ignore[unresolved-import]
# pytype: disable=attribute-error
# pylint: disable=invalid-name
# pylint: skip-file
if x:  # pragma: no cover
if x:  # pragma: no branch
x = 1  # pragma: no mutate
import a  # isort: skip
# isort: skip_file
# fmt: off
x = 1  # fmt: skip
# yapf: disable
# autopep8: off
>>> f()  # doctest: +SKIP
# vulture: ignore
/* eslint-disable */
// eslint-disable-next-line no-console
x() // eslint-disable-line
/* eslint no-console: "off" */
// @ts-ignore
// @ts-expect-error: why
// @ts-nocheck
/** @type {any} */
//go:build ignore
// tslint:disable-next-line:no-any
// biome-ignore lint/suspicious/noExplicitAny: why
// rome-ignore lint: why
// oxlint-disable-next-line
// deno-lint-ignore no-explicit-any
/* jshint ignore:start */
// $FlowFixMe[incompatible-call]
// @noflow
{/* prettier-ignore */}
<!-- prettier-ignore-start -->
/* istanbul ignore next */
/* c8 ignore start */
/* v8 ignore file */
/* node:coverage disable */
// Stryker disable all
#pragma GCC diagnostic ignored "-Wall"
#  pragma clang diagnostic ignored "-Weverything"
#pragma GCC system_header
int unused __attribute__((unused));
[[maybe_unused]] int unused;
_Pragma("GCC diagnostic ignored \\"-Wunused\\"")
#pragma warning disable CS0168
#pragma warning(disable: 4996)
x <- 1 # nolint
# nocov start
int x; // NOLINT
// NOLINTNEXTLINE(bugprone-*)
//nolint:gosec
/* NOLINT */
// cppcheck-suppress unusedFunction
// clang-format off
[[clang::suppress]]
__attribute__((no_sanitize("address")))
// coverity[leaked_storage]
x = 1; //-V501
/*lint -e534 */
// LCOV_EXCL_LINE
// GCOVR_EXCL_START
//lint:ignore SA1000 why
//revive:disable:exported
//exhaustive:ignore
#[allow(dead_code)]
#![allow(clippy::all)]
#[expect(unused)]
#[cfg_attr(test, allow(dead_code))]
#[rustfmt::skip]
#[coverage(off)]
#[cfg(not(tarpaulin_include))]
// swiftlint:disable:next force_cast
// swiftformat:disable all
// ktlint-disable no-wildcard-imports
@Suppress("UNCHECKED_CAST")
@file:Suppress("unused")
@SuppressWarnings("unchecked")
@SuppressLint("NewApi")
@SuppressFBWarnings("EI_EXPOSE_REP")
// CHECKSTYLE:OFF
// scalastyle:off
int x; // NOPMD
// CPD-OFF
let f x = x [@@@warning "-a"]
pragma Warnings (Off);
#_:clj-kondo/ignore
<!-- svelte-ignore a11y_no_noninteractive_tabindex -->
# gdlint:ignore=max-line-length
# cmake-lint: disable=C0103
// zlint-disable no-undefined
%% elvis:disable
# robocop: off=all
//noinspection unchecked
@nowarn("cat=deprecation")
// $COVERAGE-OFF$
[SuppressMessage("Style", "IDE0001")]
[ExcludeFromCodeCoverage]
#nullable disable
// ReSharper disable once UnusedMember.Local
// ignore: avoid_print
// coverage:ignore-line
x = 1 # rubocop:disable Style/Foo
# rubocop:todo Metrics/AbcSize
# :nocov:
# typed: false
# :reek:FeatureEnvy
// phpcs:ignore
// @codingStandardsIgnoreLine
/** @phpstan-ignore-next-line */
/** @psalm-suppress MixedAssignment */
/** @codeCoverageIgnore */
/** @phan-suppress PhanUnused */
/** @suppress {checkTypes} */
## no critic (ProhibitFoo)
no warnings 'once';
# uncoverable branch true
-- luacheck: ignore 212
---@diagnostic disable-next-line: undefined-global
-- selene: allow(unused_variable)
# credo:disable-for-next-line
@dialyzer {:nowarn_function, f: 1}
# coveralls-ignore-start
{-# OPTIONS_GHC -Wno-orphans #-}
{- HLINT ignore "Use map" -}
# shellcheck disable=SC2086
[Diagnostics.CodeAnalysis.SuppressMessageAttribute('PSFoo', '')]
# hadolint ignore=DL3008
# hadolint global ignore=DL3008
# yamllint disable rule:line-length
# zizmor: ignore[unpinned-uses]
<!-- markdownlint-disable MD013 -->
<!-- vale off -->
<!-- textlint-disable -->
<!-- lint disable no-html -->
/* stylelint-disable-next-line color-no-hex */
<!-- htmlhint ignore:start -->
<!-- [html-validate-disable-next no-inline-style] -->
SELECT 1 -- noqa: LT01
# tflint-ignore: terraform_required_version
// solhint-disable-next-line
// slither-disable-next-line reentrancy-eth
/* verilator lint_off UNUSED */
// buf:lint:ignore PACKAGE_DEFINED
x = eval(y)  # nosec
x = eval(y)  # nosec B307
// #nosec G104
# nosemgrep: rule-id
// njsscan-ignore: rule-id
# security: ignore[write-token]
x = 1  # lgtm [py/unused]
// codeql[js/xss]
x = 1; // NOSONAR
# checkov:skip=CKV_AWS_1:why
# tfsec:ignore:aws-s3
# kics-scan ignore
key = "x"  # gitleaks:allow
key = "x"  # pragma: allowlist secret
// deepcode ignore Sqli: why
// cspell:disable-next-line
""".splitlines()


def test_every_tool_of_the_table_is_found_and_no_example_is_missed() -> None:
    missed, tools = [], set()
    for example in EXAMPLES:
        silenced = added({"f": b"x\n"}, {"f": f"x\n{example}\n".encode()}, LIMIT)
        tools |= {one.tool for one in silenced}
        if {one.line for one in silenced} != {2}:
            missed.append(example)
    assert missed == []
    assert {tool for tool, _ in _TABLE} == tools


HONEST = """\
import re  # the number of ignored lines
# There are no warnings, and nothing is disabled.
# ignore this: a type of its own
# Ignore: see below
x = "type: ignore"
// ignore: we do not care
# lint the rest, ignore the first
// linted: disabled rows are shown
/* eslint, prettier and tslint are happy with this */
options = {ignore: true, disable: [], suppress: null}
parser.add_argument("--disable-cache")
git config core.excludesFile .gitignore
#include <errno.h>
#[derive(Debug)]
#pragma once
#pragma omp parallel for
#pragma GCC optimize("O3")
@Override
@lru_cache
use warnings;
x = pragma + no + cover
self.coverage = off
-- a comment about noqa
there are no strict rules here
# nothing secret, mypy is right
// fallthrough
""".splitlines()


@pytest.mark.parametrize("line", HONEST)
def test_an_ordinary_line_silences_nothing(line: str) -> None:
    assert found("", f"{line}\n") == []


CASES = {
    "added": ("a\n", "a\nb  # noqa\n", ["work.x:2 silences flake8, ruff (# noqa)"]),
    "one more": ("a # noqa\n", "a # noqa\nb # noqa\n", ["work.x:2 silences flake8, ruff (# noqa)"]),
    "moved": ("a # noqa\nb\n", "b\na # noqa\n", []),
    "the code around it": ("a # noqa\n", "a2 # noqa\n", []),
    "removed": ("a # noqa\n", "a\n", []),
    "narrowed": ("a # type: ignore\n", "a # type: ignore[x]\n", []),
    "widened": (
        "a # type: ignore[x]\n",
        "a # type: ignore\n",
        ["work.x:1 silences type checkers (# type: ignore)"],
    ),
    "another rule": (
        "a # noqa: E501\n",
        "a # noqa: E501, F401\n",
        ["work.x:1 silences flake8, ruff (# noqa: E501, F401)"],
    ),
    "another order": ("a # noqa: E501,F401\n", "a # noqa: F401, E501\n", []),
    "a new file": (None, "// @ts-nocheck\n", ["work.x:1 silences TypeScript (@ts-nocheck)"]),
    "a deleted file": ("// @ts-nocheck\n", None, []),
    "data": ("", "\0 # noqa", []),
}


@pytest.mark.parametrize("case", CASES)
def test_only_what_is_new_is_told(case: str) -> None:
    before, after, told = CASES[case]
    assert found(before, after) == told


def test_what_moves_to_another_file_of_the_change_is_no_news() -> None:
    old: dict[str, bytes | None] = {"a": b"x # noqa\n", "b": None}
    assert added(old, {"a": b"", "b": b"y # noqa\n"}, LIMIT) == []


def test_a_suppression_is_no_repair() -> None:
    (told,) = shortcuts({"a.c": b""}, {"a.c": b"int x; // NOLINT\n"})
    assert (told.rule, told.path, told.line) == ("scanner-silenced", "a.c", 1)
    assert told.what == "silences clang-tidy, golangci-lint (// NOLINT)"
    allowed = ["scanner-silenced:a.c"]
    assert shortcuts({"a.c": b""}, {"a.c": b"int x; // NOLINT\n"}, allow=allowed) == []


@pytest.mark.parametrize("text", ["# a comment, with words\n" * 20_000, "#" * 50_000 + " noqa"])
def test_a_large_file_is_read_in_time(text: str) -> None:
    began = time.process_time()
    added({"a": b""}, {"a": text.encode()}, LIMIT)
    assert time.process_time() - began < 10
