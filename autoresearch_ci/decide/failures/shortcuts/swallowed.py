"""Shortcuts outside of tests: errors that are swallowed, failures
that pipelines ignore, installs that are forced, code of others that is patched.

Comments that suppress a finding are another table's business.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from autoresearch_ci.decide.failures.shortcuts import claimed
from autoresearch_ci.decide.failures.shortcuts.claimed import Signs
from autoresearch_ci.decide.failures.shortcuts.other_tests import blanked, without_comments
from autoresearch_ci.decide.failures.shortcuts.pipeline_steps import PIPELINE, checks_less
from autoresearch_ci.decide.failures.shortcuts.suite import Shortcut
from autoresearch_ci.decide.failures.shortcuts.swallowed_python import python_signs


@dataclass(frozen=True)
class _Habit:
    rule: str
    what: str
    files: str
    pattern: str


_NOTHING = r"(?: +(?:null|undefined|nullptr|NULL|None|nil|false|0|\" *\"|' *'|\[\]|\{\}))?\s*"
_SCRIPT, _JVM = r"\.[cm]?[jt]sx?$", r"\.(java|kt|scala|cs)$"
_TOOL = r"(?:python3?|pytest|ruff|mypy|npm|npx|node|tsc|eslint|jest|vitest|go|cargo|make|mvn)"
_HABITS = (
    _Habit(
        "test-recognised",
        "compares equal to everything",
        rf"{_JVM}|{_SCRIPT}|\.(rs|cc|cpp|cxx|h|hpp|rb|swift)$",
        r"\bboolean equals\([^)]*\)\s*\{\s*return true;|\bvalueOf\(\)\s*\{\s*return\s*[\"'`\d;]"
        r"|\bfn eq\([^)]*\)\s*->\s*bool\s*\{\s*true\s*\}"
        r"|\boperator==\s*\([^)]*\)[^{;]{0,20}\{\s*return true;|\bdef ==\([^)]*\)\s*true\b"
        r"|\bbool Equals\([^)]*\)\s*(?:=>\s*true|\{\s*return true;)",
    ),
    _Habit(
        "assertion-weakened",
        "says what assertions do",
        r"^(?!(.*[/_.-])?(tests?|check|spec)[/_.-]).*\.(c|cc|cpp|cxx|h|hpp)$",
        r"(?m:^[ \t]*#\s*(?:define|undef)\s+(?:assert|NDEBUG)\b)",
    ),
    _Habit(
        "scanner-silenced",
        "uses what nobody needs, so that no tool tells of it",
        rf"{_SCRIPT}|\.(c|cc|cpp|cxx|h|hpp|go|py)$",
        r"(?m:^[ \t]*_\s*=\s*(?!\w*gettext)(?P<idle>[A-Za-z]\w*)\s*;?\s*$)"
        r"|(?m:^[ \t]*void [A-Za-z]\w*;\s*$)"
        r"|(?m:^[ \t]+(?:const )?\w+[\s*]+(?P<unused>\w+)(?:\s*=[^;\n]*)?;\s*$)"
        r"[^{}]{0,400}?\(void\)\s*(?P=unused)\s*;",
    ),
    _Habit(
        "scanner-silenced",
        "keeps code in a text, where no tool looks",
        rf"{_SCRIPT}|\.py$",
        r"(?<![\w.])(?:(?:exec|eval)\(|(?:compile|__import__)\(\s*[brf]?[\"'])|\bnew Function\(",
    ),
    _Habit(
        "error-swallowed",
        "catches an error and does nothing",
        rf"{_SCRIPT}|{_JVM}|\.(c|cc|cpp|cxx|h|hpp|php|swift)$",
        rf"\bcatch\s*(?:\([^()]*\))?\s*\{{\s*(?:return{_NOTHING})?;?\s*\}}"
        rf"|\.(?:catch|then)\(\s*(?:[^;\n]{{0,300}},\s*)?(?:(?:\(\w*\)|\w+)\s*=>|function\s*\(\w*\))\s*"
        rf"(?:\{{\s*(?:return{_NOTHING})?;?\s*\}}|undefined|null)\s*\)"
        r"|\bfinally\s*\{[^{}]*\breturn\b",
    ),
    _Habit(
        "test-skipped",
        "ends all tests as if they had passed",
        r"_test\.go$",
        r"\bfunc TestMain\([^)\n]{0,99}\)\s*\{(?:(?!\n\})[\s\S]){0,2000}?\bos\.Exit\(0\)",
    ),
    _Habit(
        "error-swallowed",
        "ignores an error",
        r"\.go$",
        r"if err != nil \{\s*(?:return(?: *(?:nil|0|false|\"\"|\" *\"),)* *nil\s*)?\}"
        r"|(?m:^[ \t]*err\s*=\s*nil\b)"
        r"|(?m:(?:^|[{;])[^\S\n]*_\s*(?:,\s*_\s*)?=(?!\s*[\w.]+\.(?:Close|Rollback)\(\)\s*return\b.*\berr)\s*\w[\w.]*\()|,\s*_\s*:?=\s*\w[\w.]*\("
        r"|(?m:^[ \t]*_\s*=\s*err\b)"
        r"|(?<!:= )\brecover\(\)\s*(?:\n|;|\})|\b(?P<held>\w{1,40}) := recover\(\)\s*;"
        r"(?!\s*(?P=held) != nil\s*\{[^{}]{0,400}?"
        r"(?:\b(?!_\b)\w[\w.]{0,99} = |<-|\bpanic\()[^\n]{0,200}\b(?P=held)\b)",
    ),
    _Habit(
        "error-swallowed",
        "gives up on an error or drops it",
        r"\.rs$",
        r"\.unwrap_unchecked\(\)|\.unwrap_or_default\(\)|\.unwrap_or_else\(\|_"
        r"|(?m:(?:^|[{;])[^\S\n]*let\s+_\s*=(?!\s*write(?:ln)?!))|\.ok\(\)\s*;|(?m:^[^\S\n]*drop\(\w+\()|\b(?:todo|unimplemented)!"
        r"|Err\(_\w*\)\s*=>\s*(?:\{\s*\}|\(\)|Default::default\(\))",
    ),
    _Habit(
        "error-swallowed",
        "gives up on an error or drops it",
        r"\.(rb|php)$",
        r"\brescue\s+nil\b|\brescue\b[^;\n]{0,99}[;\n]\s{0,99}end\b|\berror_reporting\(\s*0"
        r"|\brescue(?:\s+(?:StandardError|Exception))?(?:\s*=>\s*\w{1,99})?\s+(?:return\s+)?"
        r"(?:nil|false|0|''|\"\"|\[\]|\{\})\s*\bend\b"
        r"|(?m:^(?![ \t]*[/*#])[^\n@]{0,200}(?<![\w$\"'.])@\$?\w{1,99}\()",
    ),
    _Habit(
        "error-swallowed",
        "claims that it is not null, or drops what it throws",
        r"\.(kts?|cs|swift)$",
        r"[\w)\]]!!?[.\[]|[\w)\]]!!(?=[\s,;)])|[\w)\]]!(?=[;,)])|[)\]]!(?=\s)"
        r"|\btry!|\btry\?[^\n]{1,200}\?\?|\bas!"
        r"|\bcatch\s*\(\s*\w+\s*:\s*(?:Exception|Throwable)\s*\)\s*\{\s*"
        r"(?:null|false|0|\" *\"|empty\w+\(\))\s*\}"
        r"|\brunCatching\s*\{[^{}\n]{0,300}\}\s*(?:\n|\}|$|\.getOr(?:Default|Else|Null)\b)",
    ),
    _Habit(
        "type-unchecked",
        "claims a type that is never checked",
        rf"{_SCRIPT}|\.rs$",
        r"(?m:^[ \t]*declare module\b[^{\n]{1,200}$)|\btransmute(?:_copy)?\b",
    ),
    _Habit(
        "code-deleted",
        "leaves code out of what is compiled",
        r"\.(c|cc|cpp|cxx|h|hpp|cs|swift|rs)$",
        r"(?m:^[ \t]*#[ \t]*if[ \t]+(?:0|false)\b)|#!?\[cfg\((?:any\(\)|FALSE|false)\)\]",
    ),
    _Habit(
        "failure-ignored",
        "ignores that a command fails",
        PIPELINE,
        r"\|\|\s*(?:true|:|exit 0|echo\b[^\n\"]*)|;\s*(?:true|exit 0)\s*(?:$|[\"'\n])"
        r"|\bset \+(?:e|o pipefail)\b"
        r"|(?m:^\t[ \t]{0,99}[@+]?-(?!-)[@+]?[ \t]{0,9}[\w./$])"
        r"|(?m:^\.IGNORE\b)|(?m:^MAKEFLAGS\b[^=\n]*=.*-\w*[ik])"
        r"|\btrap\b.{0,300}\bexit 0\b|\btrap (?:''|\"\"|:) ERR\b"
        r"|\bif !? *(?:pytest|npm|npx|make|ruff|mypy|go|cargo|ctest|mvn)\b.{0,300}; *then"
        r"|(?m:^commands\s*=\s*- )"
        r"|--exit-zero\b|--passWithNoTests\b|--no-fail\b|--warn-only\b"
        r"|\bwhen:\s*(?:never|manual|on_fail\w*)\b"
        r"|(?m:^[ \t]*-?\s*continue-on-error:\s*(?!false)\S)|(?m:^[ \t]*allow_failure:(?!\s*false))"
        r"|(?m:^[ \t]*-?\s*if:\s*(?:false|\$\{\{\s*false\s*\}\}))|ignore_outcome\s*=\s*true"
        r"|success_codes\s*=",
    ),
    _Habit(
        "failure-ignored",
        "changes what a checker does",
        PIPELINE,
        r"\b(?:PYTHONOPTIMIZE|PYTEST_(?:ADDOPTS|PLUGINS|DISABLE\w*)|NODE_NO_WARNINGS|RUFF_\w+|HUSKY)"
        r"[\"']?\s*[=:]|(?m:^[ \t]*-?\s*(?:export )?SKIP\s*[=:])"
        r"|\bPYTHONWARNINGS[\"']?\s*[=:]\s*[\"']?(?!error)\w"
        rf"|(?m:^[ \t]*(?:function )?{_TOOL}\s*\(\)\s*\{{)|(?m:^[ \t]*alias {_TOOL}=)"
        r"|\b(?:(?:sed|perl)\s+-\w{0,9}i\b|git\s+(?:checkout|restore|rm)\b)[^\n]{0,300}(?<![\w-])"
        r"(?:tests?|specs?|__tests__)/|\bfind\s+(?:tests?|specs?)\b[^\n]{0,300}(?:-delete|\brm)\b",
    ),
    _Habit(
        "failure-ignored",
        "leaves out what a hook looked at",
        r"(^|/)\.pre-commit-config\.yaml$",
        r"(?m:^[ \t]*-?\s*(?:exclude|stages):\s*\S.*)",
    ),
    _Habit(
        "failure-ignored",
        "tries again what failed",
        r"(^|/)\.gitlab-ci\.yml$",
        r"(?m:^[ \t]*retry:\s*[1-9])",
    ),
    _Habit(
        "install-forced",
        "forces an install",
        PIPELINE,
        r"\b(?:npm|pnpm|yarn|bun)\b[^\n|;&\"]{0,300}\s(?:--force|-f|--legacy-peer-deps"
        r"|--ignore-engines"
        r"|--no-frozen-lockfile|--strict-peer-dependencies=false)\b|\bpip3?\b[^\n|;&]{0,300}\s(?:--no-deps"
        r"|--ignore-requires-python|--force-reinstall|--break-system-packages)\b"
        r"|--no-verify\b|--allow-unauthenticated\b|--force-yes\b|\bGOFLAGS=-mod=mod\b|GONOSUMDB"
        r"|GONOSUMCHECK|GOFLAGS=-insecure|--cap-lints\b|--ignore-platform-reqs?\b"
        r"|\bcargo install\b[^\n|;&]{0,300}\s(?:--force|-f)\b"
        r"|\bPIP_(?:NO_DEPS|BREAK_SYSTEM_PACKAGES)=1"
        r"|(?m:^[ \t]*(?:legacy-peer-deps|force|no-deps|ignore-engines)\s*=\s*true)",
    ),
)
_LANGUAGES = re.compile(rf"{_SCRIPT}|{_JVM}|\.(py|go|rs|c|cc|cpp|rb|php)$")
_OPENS_FILES = re.compile(
    r"(?<![\w.])open\(|\bread_(?:text|bytes|to_string)\b|\breadFile\w*\(|\bReadFile\(|\bfopen\("
    r"|\bFile(?:::open|\.read)|\bFiles\.(?:read|lines)|\bos\.Open\("
)
_LOOKS_FOR = re.compile(
    r"\b(?:[ri]?glob|walk|listdir|scandir|iterdir|readdir(?:Sync)?|ReadDir|WalkDir|Glob|read_dir|listFiles"
    r"|globSync|chr|fromhex|fromCharCode)\(|__file__[^\n]*\.parent(?:\.parent|s\b)"
    r"|[\"'](?:test_\w{1,60}\.\w{1,4}|\w{1,60}[._-](?:test|spec)\.\w{1,4}|\w{1,60}Tests?\.[a-z]{2,5})[\"']"
)
"""For others' files, and how names of files are written that nobody should read."""
_VENDORED = re.compile(
    r"(^|/)(_?vendor(ed)?|node_modules|third[-_]?party|site-packages|bower_components|Pods|Carthage)/"
    r"|(^|/)patches/.*\.patch$"
    r"|(^|/)\.yarn/patches/"
)
_REQUIRED = re.compile(r"(^|/)[\w.-]*(?:requirements|constraints)[\w.-]*\.(?:txt|lock)$")
_STUB = re.compile(r"^(?!(.*/)?(stubs|typings|[^/]*-stubs)/).*\.pyi$")


def swallowed(path: str, before: str | None, after: str | None) -> Iterator[Shortcut]:
    """What a file does of this that it did not do before, or did less often."""
    if _VENDORED.search(path) and before != after:
        what = "is code of others that is patched here"
        yield Shortcut(rule="vendored-patch", path=path, line=1, what=what)
        return
    if after is None:
        return
    if path.endswith((".py", ".pyi")):
        yield from _new(path, *python_signs(before or "", after))
    if before is None and _STUB.search(path):
        what = "is read instead of the code beside it, which nothing checks then"
        yield Shortcut(rule="type-unchecked", path=path, line=1, what=what)
    if re.search(r"\.([cm]?tsx?|rs)$", path):
        yield from _new(path, *claimed.of_text(path, before or "", after))
    if (
        _LANGUAGES.search(path)
        and _OPENS_FILES.search(after)
        and not _OPENS_FILES.search(before or "")
    ):
        for match in (m for m in _LOOKS_FOR.finditer(after) if m[0] not in (before or "")):
            what = f"looks for a file and reads it, where nothing did: {match[0]}"
            line = after.count("\n", 0, match.start()) + 1
            yield Shortcut(rule="test-recognised", path=path, line=line, what=what)
    for habit in _HABITS:
        if re.search(habit.files, path):
            yield from _new(path, _found(habit, path, before or ""), _found(habit, path, after))
    if "--hash=" in (before or "") and "--hash=" not in after and _REQUIRED.search(path):
        what = "no longer says what it is that is installed"
        yield Shortcut(rule="install-forced", path=path, line=1, what=what)
    if before is not None:
        yield from checks_less(path, before, after)


def _new(path: str, old: Signs, new: Signs) -> Iterator[Shortcut]:
    known = Counter((rule, words) for rule, _, _, words in old)
    for rule, line, what, words in new:
        if known[rule, words]:
            known[rule, words] -= 1
        else:
            yield Shortcut(rule=rule, path=path, line=line, what=f"{what}: {words[:80]}")


def _found(habit: _Habit, path: str, text: str) -> Signs:
    if re.search(rf"{_SCRIPT}|{_JVM}|\.(c|cc|cpp|cxx|h|hpp|go|rs|php|swift)$", path):
        # A comment in an empty block says why it is empty, and is no handling either.
        rust = path.endswith(".rs")
        text = blanked(without_comments(text, rust=rust), rust)
    return [
        (
            habit.rule,
            text.count("\n", 0, match.start()) + 1 + match[0].startswith("\n"),
            habit.what,
            " ".join(_line_of(text, match).split()),
        )
        for match in re.finditer(habit.pattern, text)
        if not _is_given(text, match)
    ]


def _is_given(text: str, match: re.Match[str]) -> bool:
    """Whether it is an argument that is not used, which who calls it may ask for."""
    name = match.groupdict().get("idle")
    if not name:
        return False
    heads = re.findall(r"\b(?:def|func|function)\b[^\n(]*\(([^\n]*)", text[: match.start()])
    return bool(heads and re.search(rf"\b{name}\b", heads[-1]))


_NEAR = 400
"""Characters of a line on either side of a sign that tell it from others."""


def _line_of(text: str, match: re.Match[str]) -> str:
    least, most = max(match.start() - _NEAR, 0), match.end() + _NEAR
    begin = max(text.rfind("\n", least, match.start()) + 1, least)
    end = text.find("\n", match.end() - 1, most)
    return text[begin : end if end >= 0 else most]
