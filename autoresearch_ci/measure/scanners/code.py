"""What is said of code: bandit, semgrep with rules of the user's own or those that njsscan brings,
and whatever writes SARIF."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from autoresearch_ci.decide.security.severities import by_score, by_word
from autoresearch_ci.decide.security.weakness import Severity, Weakness
from autoresearch_ci.measure.diagnostics.adapter import JsonObject, ToolOutput, code_of
from autoresearch_ci.measure.diagnostics.sarif_results import SarifResult, sarif_results
from autoresearch_ci.measure.scanners.scanner import (
    Scan,
    ScannedFile,
    Scanner,
    ScannerTask,
    confidence,
    cwe_in,
    named_as,
    owasp_in,
    parser,
    scan,
    severity,
)

# --- bandit ---------------------------------------------------------------------------------------

_PYTHON = re.compile(r"#!.*\b(?:python|pypy|uv run|pipx run)")


def is_python(subject: ScannedFile) -> bool:
    name = subject.path.lower()
    return name.endswith((".py", ".pyw", ".pyi")) or bool(_PYTHON.match(subject.first_line))


def _bandit(task: ScannerTask) -> list[str]:
    # By its own default it leaves out folders such as *.egg, and whatever has the given words in
    # its path: no path of git's has these. An `.bandit` beside what it is given would steer it.
    own = ["--ignore-nosec", "--exclude", "//nothing", "--ini", task.settings]
    return [task.program, "--quiet", "--format", "json", *own, "--", *task.files]


_BROKE = re.compile(r"Bandit internal error running: [^\n]*")
"""It says so on the way, and goes on without what that test would have told."""


@parser("bandit")
def read_bandit(said: ToolOutput) -> Scan:
    report = said.json_object("bandit")
    unseen = {
        said.path(error.text("filename")): f"bandit: {said.words(error.text('reason'))}"
        for error in report.objects("errors")
    }
    found = list(_of_bandit(said, report.objects("results")))
    incomplete = said.stopped("bandit", (0, 1))
    if not incomplete and (broke := _BROKE.search(said.stderr)):
        incomplete = f"a test of bandit's broke off: {said.words(broke[0])[:300]}"
    if not incomplete and said.result.stderr.dropped:
        incomplete = "bandit warned more than is kept"
    read = map(said.path, report.mapping("metrics").keys() - {"_totals"})
    incomplete = incomplete or said.untold("bandit", found or unseen)
    return scan("bandit", found, incomplete, unseen=unseen, read=read)


_KINDS = {
    **dict.fromkeys(("B102", "B307"), 95),
    **dict.fromkeys(("B506",), 502),
    **dict.fromkeys(("B313", "B314", "B315", "B316", "B317", "B318", "B319", "B320"), 611),
    **dict.fromkeys(("B405", "B406", "B407", "B408", "B409", "B410", "B411"), 611),
    **dict.fromkeys(("B701", "B702"), 79),
}
"""What bandit files under a number that tells less or another thing: `eval` under commands of the
system, an unsafe YAML loader and XML parser under unchecked input, pages under code."""


def _of_bandit(said: ToolOutput, results: list[JsonObject]) -> Iterator[Weakness]:
    for result in results:
        lines = [n for n in result.get("line_range") or () if isinstance(n, int)]
        name = result.text("test_name").replace("_", " ")
        words = said.words(result.text("issue_text"))
        cwe = result.mapping("issue_cwe", optional=True)
        yield Weakness(
            rule=f"bandit/{result.code('test_id')}",
            path=said.path(result.text("filename")),
            line=result.number("line_number"),
            end_line=min(max(lines, default=0), 10**9),
            severity=severity("bandit", result.text("issue_severity")),
            confidence=confidence(result.text("issue_confidence")),
            title=words or name,
            why=f"See {said.words(result.text('more_info'))}",
            cwe=_KINDS.get(result.text("test_id")) or cwe.number("id"),
        )


# --- semgrep --------------------------------------------------------------------------------------


_OPTIONS = (
    *("--metrics=off", "--disable-version-check", "--disable-nosem", "--no-git-ignore"),
    *("--max-target-bytes=0", "--timeout=30", "--timeout-threshold=0", "--json", "--quiet"),
)
_ALL_FILES = {".semgrepignore": ""}
"""Without such a file it leaves out tests, examples and what is vendored."""


def _semgrep(task: ScannerTask) -> list[str]:
    rules = [word for path in task.rules for word in ("--config", path)]
    return [task.program, "scan", *_OPTIONS, *rules, "--", *task.files]


_ITS_RULES = """bin=$(dirname -- "$(readlink -f -- "$0")")
exec "$bin/semgrep" scan --config "$bin"/../lib/python3*/*-packages/njsscan/rules/semantic_grep "$@"
"""
"""njsscan itself leaves out files by parts of their names, obeys comments that silence it, and says
nothing of it when its semgrep ends with nothing: the same semgrep is asked, by the same rules."""
_JAVASCRIPT = re.compile(r"\.(?:[cm]?js|jsx)$", re.IGNORECASE)


def _njsscan(task: ScannerTask) -> list[str]:
    return ["/bin/sh", "-c", _ITS_RULES, task.program, *_OPTIONS, "--", *task.files]


@parser("semgrep")
def read_semgrep(said: ToolOutput) -> Scan:
    return _read_semgrep(said, "semgrep")


@parser("njsscan")
def read_njsscan(said: ToolOutput) -> Scan:
    """But for its marks of what is well done."""
    found = _read_semgrep(said, "njsscan")
    paths = said.json_object("njsscan").mapping("paths")
    read = (said.path(path) for path in paths.get("scanned") or () if isinstance(path, str))
    return replace(found, read=frozenset(read))


def _read_semgrep(said: ToolOutput, tool: str) -> Scan:
    """Of `--json`: its SARIF does not name files that it could not parse."""
    report = said.json_object(tool)
    unseen: dict[str, str] = {}
    gaps: list[str] = []
    for error in report.objects("errors"):
        words = said.words(error.text("message")).splitlines()
        why = f"{tool}: {words[0] if words else 'it could not be looked at'}"[:300]
        if path := error.text("path"):
            unseen[said.path(path)] = why
        else:
            gaps.append(why)
    paths = report.mapping("paths")
    for skipped in paths.objects("skipped", optional=True):
        reason = skipped.text("reason").replace("_", " ")
        unseen.setdefault(said.path(skipped.text("path")), f"{tool} skipped it: {reason}")
    results = report.objects("results")
    told = (r for r in results if "njsscan.rules.semantic_grep.good." not in str(r.get("check_id")))
    incomplete = "; ".join(gaps[:3]) or said.stopped(tool, (0, 1))
    return scan(tool, _of_semgrep(said, tool, told), incomplete, unseen=unseen)


def _of_semgrep(said: ToolOutput, tool: str, results: Iterable[JsonObject]) -> Iterator[Weakness]:
    for result in results:
        extra = result.mapping("extra")
        facts = extra.mapping("metadata", optional=True)
        start, end = (result.mapping(key) for key in ("start", "end"))
        kinds, tops = _several(facts.get("cwe")), _several(facts.get("owasp"))
        words = said.words(extra.text("message"))
        yield Weakness(
            rule=f"{tool}/{code_of(_short(result.text('check_id')))}",
            path=said.path(result.text("path")),
            line=start.number("line"),
            end_line=end.number("line"),
            severity=severity("semgrep", extra.text("severity")),
            confidence=confidence(str(facts.get("confidence") or "medium")),
            title=words.split("\n", 1)[0][:200],
            why=words,
            cwe=cwe_in(*kinds),
            owasp=owasp_in(*tops),
        )


def _several(value: object) -> list[str]:
    found = value if isinstance(value, list) else [value]
    return [text for text in found if isinstance(text, str)]


def _short(rule: str) -> str:
    """Its name without the place of the rules on this disk, which begins it."""
    return rule.rpartition(".")[2] or rule


# --- SARIF ----------------------------------------------------------------------------------------


def read_sarif_of(name: str) -> Callable[[ToolOutput], Scan]:
    """A parser of what the tool called `name` writes. Suppressed results count like others."""

    @parser(name)
    def read(said: ToolOutput) -> Scan:
        found, incomplete = sarif_results(said, name)
        told = (_of_sarif(said, name, result) for result in found)
        return scan(name, told, incomplete or said.untold(name, found))

    return read


def _of_sarif(said: ToolOutput, name: str, result: SarifResult) -> Weakness:
    tags = [t for fact in result.facts for t in fact.get("tags") or () if isinstance(t, str)]
    kinds = (str(fact.get("cwe", "")) for fact in result.facts)
    word = by_word("sarif", result.level or "warning") or Severity.MEDIUM
    helped = result.rule.mapping("help", optional=True)
    return Weakness(
        rule=f"{name}/{result.code}",
        path=result.path,
        line=result.line,
        end_line=result.end_line,
        severity=word if result.score is None else by_score(result.score),
        title=_title(said, result),
        why=result.words,
        fix=said.words(helped.text("text"))[:500],
        cwe=cwe_in(*tags, *kinds, result.code),
        owasp=owasp_in(*tags),
    )


def _title(said: ToolOutput, result: SarifResult) -> str:
    """Its first line, unless that names the file and nothing else, as trivy's does."""
    first = (result.words or result.code).split("\n", 1)[0]
    described = result.rule.mapping("shortDescription", optional=True)
    short, path = described.text("text"), result.path
    if short and path and re.fullmatch(rf"\w*:? *{re.escape(path)}", first):
        first = said.words(html.unescape(short)).split("\n", 1)[0]
    return first[:200]


SCANNERS = (
    Scanner(
        name="bandit",
        program="bandit",
        takes=is_python,
        argv=_bandit,
        parse=read_bandit,
        settings="[bandit]\n",
        splits=True,
    ),
    Scanner(
        name="semgrep",
        program="semgrep",
        takes=lambda subject: not subject.path.endswith(".semgrepignore"),
        argv=_semgrep,
        parse=read_semgrep,
        brings=_ALL_FILES,
        rules=True,
    ),
    Scanner(
        name="njsscan",
        program="njsscan",
        takes=named_as(_JAVASCRIPT),
        argv=_njsscan,
        parse=read_njsscan,
        brings=_ALL_FILES,
    ),
)
