"""How packages of JavaScript say that they are checked: scripts, dependencies, settings."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from typing import Any

from autoresearch_ci.measure.diagnostics.discovery.found import BYTES_LIMIT, FoundHints, short
from autoresearch_ci.measure.diagnostics.discovery.shell_lines import commands_in
from autoresearch_ci.measure.diagnostics.printed_suites import NPM_TEST
from autoresearch_ci.measure.diagnostics.registry import TOOLS
from autoresearch_ci.safety.untrusted_values import json_value

_ESLINT = re.compile(r"(^|/)(eslint\.config\.[cm]?[jt]s|\.eslintrc(\.(c?js|json|ya?ml))?)$")
_RUNNERS = re.compile(r"(^|/)(jest|vitest)\.config\.([cm]?[jt]s|json)$")


def look(found: FoundHints) -> None:
    packages = {posixpath.dirname(path) for path in found.named("package.json")}
    for path in found.named("package.json"):
        _look_at_package(found, path)
    for path in found.named("tsconfig.json"):
        folder = posixpath.dirname(path)
        if folder in packages:
            found.add("tsc", folder, f"{path}: is there")
    for path in found.paths:
        if _ESLINT.search(path) and posixpath.dirname(path) in packages:
            found.add("eslint", posixpath.dirname(path), f"{path}: is there")
        if match := _RUNNERS.search(path):
            found.add(match[2], posixpath.dirname(path), f"{path}: is there")


def _look_at_package(found: FoundHints, path: str) -> None:
    folder = posixpath.dirname(path)
    try:
        data = json_value(found.text(path) or "{}", limit=BYTES_LIMIT)
    except ValueError as error:
        found.unread.append(f"{path}: {error}")
        return
    if not isinstance(data, dict):
        return
    scripts = _scripts(data)
    for name, line in scripts.items():
        found.mentions(line, f"{path} ({name})", folder)
    for key in ("dependencies", "devDependencies"):
        needed = data.get(key)
        for tool in ("eslint", "jest", "vitest"):
            if isinstance(needed, dict) and tool in needed:
                found.add(tool, folder, f"{path}: depends on {tool}")
    part = _unknown_tests(scripts, "test", set())
    below = (p for p in found.below(folder) if p.endswith("/package.json") and p != path)
    if part and not (_HANDS_ON.search(part) and any(below)):  # which are looked at one by one
        found.add(NPM_TEST, folder, f"{path} (test): {short(part)}", _npm_test(scripts))


def _npm_test(scripts: Mapping[str, str]) -> str:
    """Without what comes after the tests (audits, uploads), and without linters and compilers that
    come before them: those are targets of their own, and a test is mended whatever they say."""
    before = scripts.get("pretest", "")
    for name in re.findall(r"\b(?:npm|yarn|pnpm) (?:run )?([\w:.-]+)", before):
        before += f"\n{scripts.get(name, '')}"
    needed = before and not any(commands_in(before))
    usual = TOOLS[NPM_TEST].command
    listed = _LISTED if _MOCHA.fullmatch(scripts.get("test", "").strip()) else ""
    if needed and "posttest" in scripts:
        return f"npm run --silent pretest && {usual} --ignore-scripts{listed}"
    if needed or not {"pretest", "posttest"} & set(scripts):
        return usual + listed
    return f"{usual} --ignore-scripts{listed}"


_MOCHA = re.compile(
    r"(?:(?:npx|nyc|c8|cross-env|\w+=\S+) +)*_?mocha\b(?!.* (?:-R|--reporter)\b)[^&|;<>]*"
)
_LISTED = " -- --reporter spec"
"""Whatever its settings say: mocha's own list of tests."""

_OTHER_SCRIPT = re.compile(r"(?:npm|pnpm|yarn|bun)(?: run)?(?: -s| --silent)* ([\w:.-]+)")
_NO_TEST = re.compile(
    r"(?:cd|pushd|echo|exit|true|rimraf|rm|mkdir|export|sleep"
    r"|(?:npx |pnpm |yarn )?(?:prettier|biome|oxlint|oxfmt|standard|dprint|publint|attw|size-limit"
    r"|knip|depcheck|madge|cspell|markdownlint(?:-cli2?)?|stylelint|tslint|vue-tsc"
    r"|tsup|rollup|esbuild|webpack|unbuild|microbundle|bunchee|tshy|babel|swc|vite build))\b"
)
"""What prepares, builds, or looks at files without running them."""
_HANDS_ON = re.compile(
    r"\b(?:turbo|nx|lerna|wsrun|rush)\b"
    r"|\b(?:npm|pnpm|yarn|bun)\b.* (?:-r|--recursive|-ws|--workspaces?|--filter|-F|workspaces)\b"
)
"""To the packages of a workspace."""


def _unknown_tests(scripts: Mapping[str, str], name: str, seen: set[str]) -> str:
    """The first command of a script that no adapter knows: nobody else runs it."""
    line = scripts.get(name, "")
    if name in seen:
        return ""
    seen.add(name)
    for part in filter(None, (part.strip(" ()\t") for part in re.split(r"&&|\|\||;|\n", line))):
        another = _OTHER_SCRIPT.fullmatch(part)
        if another and another[1] in scripts:
            if unknown := _unknown_tests(scripts, another[1], seen):
                return unknown
        elif not _NO_TEST.match(part) and not [*commands_in(part)]:
            return str(part)
    return ""


def _scripts(package: dict[str, Any]) -> dict[str, str]:
    scripts = package.get("scripts")
    told = scripts.items() if isinstance(scripts, dict) else ()
    return {name: line for name, line in told if isinstance(line, str)}
