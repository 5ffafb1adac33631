"""How packages of JavaScript say that they are checked: scripts, dependencies, settings."""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from itertools import takewhile
from typing import Any

from autoresearch_ci.decide.shell_line import QUOTED, WORD, Token, is_variable, parts, tokens
from autoresearch_ci.measure.diagnostics.discovery.found import (
    BYTES_LIMIT,
    FoundHints,
    folders_above,
    short,
)
from autoresearch_ci.measure.diagnostics.discovery.shell_lines import commands_in
from autoresearch_ci.measure.diagnostics.printed_suites import NPM_TEST
from autoresearch_ci.measure.diagnostics.registry import TOOLS
from autoresearch_ci.safety.untrusted_values import json_value

_ESLINT = re.compile(r"(^|/)(eslint\.config\.[cm]?[jt]s|\.eslintrc(\.(c?js|json|ya?ml))?)$")
_RUNNERS = re.compile(r"(^|/)(jest|vitest)\.config\.([cm]?[jt]s|json)$")


def look(found: FoundHints) -> None:
    packages = {posixpath.dirname(path) for path in found.named("package.json")}
    scripted = [
        (tool, posixpath.dirname(path))
        for path in found.named("package.json")
        for tool in _look_at_package(found, path)
    ]
    for path in found.named("tsconfig.json"):
        folder = posixpath.dirname(path)
        around = {folder, *folders_above(folder)}
        # Where no package here brings the compiler, nobody compiles: editors read it.
        brought = any(_needs(found, above, "typescript") for above in around & packages)
        if folder in packages and (brought or ("tsc", folder) in found.hints):
            found.add("tsc", folder, f"{path}: is there")
    for path in found.paths:
        if _ESLINT.search(path) and posixpath.dirname(path) in packages:
            found.add("eslint", posixpath.dirname(path), f"{path}: is there")
        if match := _RUNNERS.search(path):
            found.add(match[2], posixpath.dirname(path), f"{path}: is there")
    for hint in scripted:
        found.hints.pop(hint, None)


def _look_at_package(found: FoundHints, path: str) -> Sequence[str]:
    """The runners that only its script `test` knows how to start."""
    folder = posixpath.dirname(path)
    try:
        data = json_value(found.text(path) or "{}", limit=BYTES_LIMIT)
    except ValueError as error:
        found.unread.append(f"{path}: {error}")
        return ()
    if not isinstance(data, dict):
        return ()
    scripts = _scripts(data)
    known = [*_known_tests(scripts)]
    scripted = [tool for tool, command in known if not command]
    for tool, command in known:
        found.add(tool, folder, f"{path} (test): {short(scripts['test'])}", command)
    for name, line in scripts.items():
        found.mentions(line, f"{path} ({name})", folder)
    for key in ("dependencies", "devDependencies"):
        needed = data.get(key)
        for tool in ("eslint", *(("jest", "vitest") if not known else ())):
            if isinstance(needed, dict) and tool in needed:
                found.add(tool, folder, f"{path}: depends on {tool}")
    parts = [*_unknown_tests(scripts, "test", set())]
    at = parts.index("") if "" in parts else 0
    parts = [*filter(_TESTS.search, parts[:at]), *parts[at:]]  # what else comes before prepares
    part = scripts["test"] if scripted else next(filter(None, parts), "")
    below = (p for p in found.below(folder) if p.endswith("/package.json") and p != path)
    hands_on = _HANDS_ON.search(part) and any(below)  # to what is looked at by itself
    if part and (scripted or not hands_on):
        found.add(NPM_TEST, folder, f"{path} (test): {short(part)}", _npm_test(scripts))
    return scripted


def _needs(found: FoundHints, folder: str, name: str) -> bool:
    """Whether the package depends on it."""
    try:
        data = json_value(found.text(posixpath.join(folder, "package.json")), limit=BYTES_LIMIT)
    except ValueError:
        return False
    given = (data.get(key) for key in _NEEDED) if isinstance(data, dict) else ()
    return any(isinstance(needed, dict) and name in needed for needed in given)


_NEEDED = ("dependencies", "devDependencies", "peerDependencies", "optionalDependencies")


def _known_tests(scripts: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Each runner that we know and the script `test` starts, with what this builds before; no
    command where one run would not be what it does."""
    steps = [*_steps(scripts, "test", set())]
    if any(line.startswith("cd ") for _, line in steps):  # its tests are those of that folder
        return
    for tool in dict.fromkeys(tool for tool, _ in steps if tool):
        first = next(at for at, (known, _) in enumerate(steps) if known == tool)
        runs = [line for known, line in steps if known == tool]
        before = [line for known, line in steps[:first] if not known]
        asked = _asked(tool, runs)
        yield tool, asked and " && ".join((*dict.fromkeys(before), asked))


def _steps(scripts: Mapping[str, str], name: str, seen: set[str]) -> Iterator[tuple[str, str]]:
    """What a script does, but for checks: a runner of tests that we know and how it is started,
    or no tool and what comes before it."""
    if name in seen:
        return
    seen.add(name)
    before = f"pre{name}"
    if before in scripts and not _only_checks(scripts, before, set()):
        yield "", f"npm run --silent {before}"
    for part in parts(scripts.get(name, "")):
        another = _OTHER_SCRIPT.fullmatch(part)
        if another and another[1] in scripts:
            inner = [*_steps(scripts, another[1], {*seen})]
            inner[-1:] = [(tool, f"{line}{another[2]}") for tool, line in inner[-1:]]
            given = "".join(f"{t.written} " for t in tokens(part) if is_variable(t.text))
            if any(tool for tool, _ in inner):
                yield from ((tool, f"{given}{line}") for tool, line in inner)
            elif not _only_checks(scripts, another[1], set()):
                yield "", f"{given}npm run --silent {another[1]}"
        elif tool := next((tool for tool, _ in commands_in(part) if tool in _SUITES), ""):
            yield tool, part
        elif not _is_check(part):
            yield "", part if _IS_SHELL.match(part) else f"npx --no-install -c {shlex.quote(part)}"


def _asked(tool: str, runs: Sequence[str]) -> str:
    """All in one run: with the files that node is given, and else with the variables and settings
    that all have, as which part of the tests a line is for is not known. Empty where each has
    variables of its own, of node also where some have: its files would run without them."""
    name = tool.split(" ", 1)[0]
    words = [[t.written for t in takewhile(_is_plain, tokens(line))] for line in runs]
    if not all(name in each for each in words):  # within quotes, or of another program
        return TOOLS[tool].command
    before = [each[: each.index(name)] for each in words]
    given = [[*filter(is_variable, each)] for each in before]
    variables = [word for word in given[0] if all(word in each for each in given)]
    alike = [{*each} == {*variables} for each in given]
    if not (all(alike) if tool == "node --test" else any(alike)):
        return ""
    lines = [" ".join(each[each.index(name) :]) for each in words]
    if tool == "node --test":
        own: list[str] = []
        for line in lines:
            told = [token.written for token in tokens(_NODE_DROPPED.sub("", line))][1:]
            own += [word for word in told if word != "--test" and word not in {*own}]
        return " ".join((*variables, "node --test", TOOLS[tool].writes, *own))
    settings = [set(_SETTINGS.findall(line)) for line in lines]
    return " ".join((*variables, TOOLS[tool].command, *sorted(set.intersection(*settings))))


def _is_plain(token: Token) -> bool:
    """Whether it is a word that is the same for every shell."""
    return not token.is_sign and not re.search(r"[$`]", re.sub(QUOTED, "", token.written))


def _is_check(part: str) -> bool:
    """Whether it looks at files without running or building them."""
    tools = [tool for tool, _ in commands_in(part)]
    if "tsc" in tools and "noEmit" not in part:
        return False
    return bool(tools or _LINTS.match(part))


def _only_checks(scripts: Mapping[str, str], name: str, seen: set[str]) -> bool:
    """Also where there is no such script."""
    if name in seen:
        return True
    seen.add(name)
    return all(
        _only_checks(scripts, another[1], seen)
        if (another := _OTHER_SCRIPT.fullmatch(part)) and another[1] in scripts
        else _is_check(part)
        for part in parts(scripts.get(name, ""))
    )


_SUITES = ("jest", "vitest", "node --test")
_SETTINGS = re.compile(
    rf"(?<=\s)(?:(?:-c|--config|--root|--environment|--typecheck\.tsconfig)[= ]{WORD}"
    r"|--typecheck(?!\S))"
)
_NODE_DROPPED = re.compile(
    rf"(?<!\S)--(?:test-(?:reporter(?:-destination)?|coverage-\w+)[= ]{WORD}"
    r"|watch\S*|test-only|experimental-test-coverage)(?!\S)"
)
_IS_SHELL = re.compile(r"(?:node|npm|npx|yarn|pnpm|cd|rm|mkdir|cp|mv|sh|bash|make|echo|\.|\w+=)\b")


def _npm_test(scripts: Mapping[str, str]) -> str:
    """Without what comes after the tests (audits, uploads), and without linters and compilers that
    come before them: those are targets of their own, and a test is mended whatever they say."""
    if alone := _tests_alone(scripts):
        return alone
    needed = not _only_checks(scripts, "pretest", set())
    usual = TOOLS[NPM_TEST].command
    listed = _LISTED if _MOCHA.fullmatch(scripts.get("test", "").strip()) else ""
    if needed and "posttest" in scripts:
        return f"npm run --silent pretest && {usual} --ignore-scripts{listed}"
    if needed or not {"pretest", "posttest"} & set(scripts):
        return usual + listed
    return f"{usual} --ignore-scripts{listed}"


def _tests_alone(scripts: Mapping[str, str]) -> str:
    """What the script `test` runs when the targets have gone that it starts before: `npm run lint
    && npm run mocha` with a linter that complains would run no test. Empty: it is not that plain.
    """
    steps = parts(scripts.get("test", ""))
    *before, last = steps or [""]
    if not before or scripts["test"].count("&&") < len(before) or _HOOKED & scripts.keys():
        return ""
    if not all(_is_target(scripts, step, 4) for step in before):
        return ""
    another = _OTHER_SCRIPT.fullmatch(last)
    name = another[1] if another and not another[2] and last.startswith("npm") else ""
    if name not in scripts:
        return ""
    return f"npm run --silent {name}{_LISTED * bool(_MOCHA.fullmatch(scripts[name].strip()))}"


def _is_target(scripts: Mapping[str, str], step: str, depth: int) -> bool:
    """Whether all that it does is asked for by itself."""
    another = _OTHER_SCRIPT.fullmatch(step)
    if another and another[1] in scripts:
        inner = parts(scripts[another[1]])
        return bool(inner and depth) and all(_is_target(scripts, i, depth - 1) for i in inner)
    tools = {tool for tool, _ in commands_in(step)}
    return bool(tools) and not tools & {*_SUITES} and _is_check(step)


_HOOKED = {"pretest", "posttest"}
_MOCHA = re.compile(r"(?:(?:npx|nyc|c8|cross-env|\w+=\S+) +)*_?mocha\b[^&|;<>]*")
_LISTED = " -- --reporter spec"
"""Whatever its settings and words say, as the last one counts: mocha's own list of tests."""

_OTHER_SCRIPT = re.compile(
    rf"(?:(?:cross-env|\w+={WORD}) )*(?:npm|pnpm|yarn|bun)(?: run)?(?: -s| --silent)* ([\w:.-]+)"
    r"(?: --)?((?<= --) .*|)"
)
_LINTS = re.compile(
    r"(?:npx |pnpm |yarn )?(?:prettier|biome|oxlint|oxfmt|standard|dprint|publint|attw|size-limit"
    r"|knip|depcheck|madge|cspell|markdownlint(?:-cli2?)?|stylelint|tslint|vue-tsc|xo|remark"
    r"|type-coverage|echo|true|date)\b"
)
_NO_TEST = re.compile(
    rf"{_LINTS.pattern}|(?:cd|pushd|echo|exit|true|rimraf|rm|mkdir|export|sleep"
    r"|(?:npx |pnpm |yarn )?(?:tsup|rollup|esbuild|webpack|unbuild|microbundle|bunchee|tshy|babel"
    r"|swc|vite build))\b"
)
"""What prepares, builds, or looks at files without running them."""
_TESTS = re.compile(
    r"(?<![\w-])(?:_?mocha|ava|tape|tap|jasmine|uvu|qunit|karma)(?![\w-])"
    r"|^node (?:\./)?(?:tests?|specs?)(?:/(?:run|index|all|main|tests?)[\w-]*)?(?:\.[cm]?js)?$"
)
_HANDS_ON = re.compile(
    r"\b(?:turbo|nx|lerna|wsrun|rush)\b"
    r"|\b(?:npm|pnpm|yarn|bun)\b.* (?:-r|--recursive|-ws|--workspaces?|--filter|-F|workspaces)\b"
)
"""To the packages of a workspace."""


def _unknown_tests(scripts: Mapping[str, str], name: str, seen: set[str]) -> Iterator[str]:
    """The commands of a script that no adapter knows: nobody else runs them. Empty for a runner of
    tests that we know."""
    if name in seen:
        return
    seen.add(name)
    for part in parts(scripts.get(name, "")):
        another = _OTHER_SCRIPT.fullmatch(part)
        tools = [tool for tool, _ in commands_in(part)]
        if another and another[1] in scripts:
            yield from _unknown_tests(scripts, another[1], seen)
        elif {*tools} & {*_SUITES}:
            yield ""
        elif not tools and not _NO_TEST.match(part):
            yield part


def _scripts(package: dict[str, Any]) -> dict[str, str]:
    scripts = package.get("scripts")
    told = scripts.items() if isinstance(scripts, dict) else ()
    return {name: line for name, line in told if isinstance(line, str)}
