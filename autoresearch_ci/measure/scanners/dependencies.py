"""What is known of dependencies: pip-audit, npm audit, osv-scanner. All ask a service."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence

from autoresearch_ci.decide.security.severities import FIXED, by_score
from autoresearch_ci.decide.security.weakness import Confidence, Severity, Weakness
from autoresearch_ci.measure.diagnostics.adapter import (
    JsonObject,
    ToolOutput,
    UnusableOutput,
    code_of,
    mapping,
)
from autoresearch_ci.measure.scanners.scanner import (
    Scan,
    Scanner,
    ScannerTask,
    cwe_in,
    each,
    each_folder,
    named_as,
    parser,
    scan,
    severity,
)

_CWE = 1395
_REQUIREMENTS = re.compile(r"(^|/)requirements[\w.-]*\.(txt|lock)$")
_NPM = re.compile(r"(^|/)(package-lock|npm-shrinkwrap|package)\.json$")
_LOCKS = re.compile(
    r"(^|/)(package-lock\.json|yarn\.lock|pnpm-lock\.yaml|bun\.lock|poetry\.lock|uv\.lock|pdm\.lock"
    r"|Pipfile\.lock|pylock[\w.]*\.toml|requirements[\w.-]*\.txt|Cargo\.lock|go\.mod|Gemfile\.lock"
    r"|composer\.lock|pom\.xml|gradle\.lockfile|packages\.lock\.json|mix\.lock|pubspec\.lock)$"
)


def _pip_audit(task: ScannerTask) -> list[str]:
    # Resolving would build what it finds, which runs its code: only what is pinned is looked at.
    own = ["--no-deps", "--disable-pip", "--progress-spinner", "off", "--format", "json"]
    return [task.program, *own, *(word for path in task.files for word in ("-r", path))]


@parser("pip-audit")
def read_pip_audit(said: ToolOutput) -> Scan:
    if not said.document().strip():
        told = re.search(r"(?m)^ERROR:[\w.]+:(.{1,300})$", said.stderr)
        raise UnusableOutput(
            f"pip-audit: {said.words(told[1])}" if told else "pip-audit wrote nothing"
        )
    report = said.json_object("pip-audit")
    found: list[Weakness] = []
    skipped: list[str] = []
    for package in report.objects("dependencies"):
        if why := package.text("skip_reason"):
            skipped.append(said.words(why))
        found += _of_package(said, package)
    incomplete = said.stopped("pip-audit", (0, 1)) or "; ".join(skipped[:3])
    if len(skipped) > 3:
        incomplete += f"; and {len(skipped) - 3} more"
    return scan("pip-audit", found, incomplete)


def _of_package(said: ToolOutput, package: JsonObject) -> Iterator[Weakness]:
    name = f"{package.code('name')} {package.code('version')}"
    for known in package.objects("vulns", optional=True):
        number = known.code("id")
        fixed = [f for f in known.get("fix_versions") or () if isinstance(f, str)]
        yield Weakness(
            rule=f"pip-audit/{number}",
            path=said.path(_after(said, "-r")),
            severity=FIXED["pip-audit"],
            confidence=Confidence.HIGH,
            title=f"{name} is known to be vulnerable: {number}",
            why=said.words(known.text("description"))[:1000],
            fix=f"Update to {', '.join(map(code_of, fixed[:3]))}." if fixed else "",
            cwe=_CWE,
            key=f"{name} {number}",
        )


def _after(said: ToolOutput, flag: str) -> str:
    """What a flag was given: the tool does not repeat what it was asked about."""
    words = shlex.split(said.result.command)
    return words[words.index(flag) + 1] if flag in words[:-1] else ""


def _npm_audit(task: ScannerTask) -> list[str]:
    own = ["--json", "--package-lock-only", "--ignore-scripts"]
    return [task.program, "audit", *own, "--prefix", task.files[0].rpartition("/")[0]]


def _with_lock(files: Sequence[str]) -> list[list[str]]:
    """Folders in which versions are pinned."""
    locked = ("package-lock.json", "npm-shrinkwrap.json")
    return [batch for batch in each_folder(files) if any(p.endswith(locked) for p in batch)]


@parser("npm audit")
def read_npm_audit(said: ToolOutput) -> Scan:
    report = said.json_object("npm audit")
    if "vulnerabilities" not in report:
        told = report.text("message") or said.result.reason or "it says no more"
        raise UnusableOutput(f"npm audit could not ask: {said.words(told)[:300]}")
    known = report.mapping("vulnerabilities")
    found = [w for name, facts in known.items() for w in _of_npm(said, name, facts)]
    incomplete = said.stopped("npm audit", (0, 1)) or said.untold("npm audit", found)
    return scan("npm audit", found, incomplete)


def _of_npm(said: ToolOutput, name: str, facts: object) -> Iterator[Weakness]:
    about = mapping(facts, "a vulnerability")
    # What is named here by text only is told of where it comes from.
    for via in (JsonObject(v) for v in about.get("via") or () if isinstance(v, dict)):
        url = said.words(via.text("url"))
        number = code_of(url.rpartition("/")[2] or str(via.get("source", "")))
        cwes = [c for c in via.get("cwe") or () if isinstance(c, str)]
        package = code_of(name)
        yield Weakness(
            rule=f"npm-audit/{number}",
            path=said.path(f"{_after(said, '--prefix')}/package-lock.json"),
            severity=severity("npm audit", via.text("severity")),
            confidence=Confidence.HIGH,
            title=f"{package} is known to be vulnerable: {said.words(via.text('title'))[:150]}",
            why=f"Versions {via.code('range')} ({cwe_in(*cwes) and cwes[0]}). {url}",
            fix="npm audit fix" if about.get("fixAvailable") else "",
            cwe=_CWE,
            key=f"{package} {number}",
        )


def _osv(task: ScannerTask) -> list[str]:
    own = ["--format", "json", "--config", task.settings]
    return [task.program, "scan", "source", *own, *(f"--lockfile={path}" for path in task.files)]


@parser("osv-scanner")
def read_osv(said: ToolOutput) -> Scan:
    """Of its JSON; it ends with 128 where there is no package, and writes nothing then."""
    if said.result.exit_code == 128 and "o package sources found" in said.text:
        return Scan()
    report = said.json_object("osv-scanner")
    found = [w for r in report.objects("results", optional=True) for w in _of_osv(said, r)]
    return scan("osv-scanner", found, said.stopped("osv-scanner", (0, 1)))


def _of_osv(said: ToolOutput, result: JsonObject) -> Iterator[Weakness]:
    source = result.mapping("source").text("path")
    for entry in result.objects("packages", optional=True):
        about = entry.mapping("package")
        name = f"{about.code('name')} {about.code('version')}"
        texts = {
            v.text("id"): v.text("summary") for v in entry.objects("vulnerabilities", optional=True)
        }
        for group in entry.objects("groups", optional=True):
            ids = [i for i in group.get("ids") or () if isinstance(i, str)]
            number = code_of(ids[0]) if ids else "unnamed"
            words = next((texts[i] for i in ids if texts.get(i)), "")
            yield Weakness(
                rule=f"osv-scanner/{number}",
                path=said.path(source),
                severity=_score(group.text("max_severity")),
                confidence=Confidence.HIGH,
                title=f"{name} is known to be vulnerable: {said.words(words or number)[:150]}",
                why=f"See https://osv.dev/{number}",
                cwe=_CWE,
                key=f"{name} {number}",
            )


def _score(text: str) -> Severity:
    """Without a score it is as bad as those of pip-audit, which has none either."""
    plain = re.fullmatch(r"[0-9]{1,2}(\.[0-9]{1,2})?", text)
    return by_score(float(text)) if plain else FIXED["pip-audit"]


SCANNERS = (
    Scanner(
        name="pip-audit",
        program="pip-audit",
        takes=named_as(_REQUIREMENTS),
        argv=_pip_audit,
        parse=read_pip_audit,
        network=True,
        batches=each,
    ),
    Scanner(
        name="npm audit",
        program="npm",
        takes=named_as(_NPM),
        argv=_npm_audit,
        parse=read_npm_audit,
        network=True,
        batches=_with_lock,
    ),
    Scanner(
        name="osv-scanner",
        program="osv-scanner",
        takes=named_as(_LOCKS),
        argv=_osv,
        parse=read_osv,
        network=True,
    ),
)
