"""What a model says through a real Messages API, against every surface that people require.

The labels say what is insecure. Verdict, exit code, SARIF and the runner's annotations must say the
same, whatever is asked and however noisily it was answered.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.auditing import APP, LABELS, NOTHING, Label, Oracle, words_of
from tests.conftest import Repo
from tests.integration.test_security_model import Scan, Scanned, api, scan
from tests.messages_api import Json, Reply, calls, ends, refuses, text, tool

__all__ = ["api", "scan"]

LEVELS = ("critical", "high", "medium", "low")
LINES = {
    "critical": (78, 'exec("ping " + req.query.host)', "A command from outside by the host"),
    "high": (89, 'db.query("SELECT * FROM users WHERE id = " + req.query.id)', "SQL by the id"),
    "medium": (79, 'res.send("<p>" + req.query.name)', "Somebody else's page by the name"),
    "low": (532, "console.log(req.headers.authorization)", "Who logs in is in the log"),
}
"""By severity what stands there; no scanner that comes with us reads JavaScript."""
WEB = "".join(
    f"function f{n}(req, res, db) {{\n  {q};\n}}\n" for n, (_, q, _) in enumerate(LINES.values())
)
WORLD = [
    Label(cwe=cwe, severity=severity, line=2 + 3 * n, quote=quote, title=title, path="web.js")
    for n, (severity, (cwe, quote, title)) in enumerate(LINES.items())
]
HARMLESS = "\n".join([*APP.splitlines()[4:11], "    return request.args['name']", ""])
SARIF_LEVELS = {"critical": "error", "high": "error", "medium": "warning", "low": "note"}

Place = tuple[str, int]


@dataclass(frozen=True, kw_only=True)
class Surfaces:
    """What people and rules see of a scan."""

    code: int
    verdict: str
    alerts: frozenset[tuple[str, int, str]]
    """Path, line and level of each result in SARIF that is not suppressed."""
    whole: bool
    """Whether SARIF says that the scan succeeded."""
    errors: frozenset[Place]
    """Of the runner's annotations, those beside lines."""
    said: bool
    """Whether an annotation says the verdict."""


def surfaces(done: Scanned) -> Surfaces:
    (run,) = done.sarif["runs"]
    told = re.findall(r"^::error (.*?)::", done.out, re.MULTILINE)
    beside = (re.search(r"file=([^,]+),line=(\d+)", words) for words in told)
    return Surfaces(
        code=done.code,
        verdict=done.found["verdict"],
        alerts=frozenset(map(alert, (r for r in run["results"] if "suppressions" not in r))),
        whole=run["invocations"][0]["executionSuccessful"],
        errors=frozenset((found[1], int(found[2])) for found in beside if found),
        said=any(f"title=security%3A {done.found['verdict']}" in words for words in told),
    )


def alert(result: Json) -> tuple[str, int, str]:
    place = result["locations"][0]["physicalLocation"]
    return place["artifactLocation"]["uri"], place["region"]["startLine"], result["level"]


def expected(labels: Sequence[Label], fail_on: str) -> Surfaces:
    """By the labels alone."""
    least = LEVELS.index(fail_on) if fail_on in LEVELS else -1
    blocking = {(one.path, one.line) for one in labels if LEVELS.index(one.severity) <= least}
    return Surfaces(
        code=1 if blocking else 0,
        verdict="fail" if blocking else "pass",
        alerts=frozenset((one.path, one.line, SARIF_LEVELS[one.severity]) for one in labels),
        whole=True,
        errors=frozenset(blocking),
        said=bool(blocking),
    )


@pytest.fixture
def judged(
    scan: Scan, repo: Repo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Surfaces]:
    """On a runner of GitHub's."""
    for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY"):
        (tmp_path / name).touch()
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    repo.write("app.py", HARMLESS)
    repo.write("web.js", WEB)
    repo.commit("an application")

    def run(reply: Callable[[Json], Reply], fail_on: str, *words: str) -> Surfaces:
        done = scan(reply, "--fail-on", fail_on, "--set", "claude.patience=0.001", *words)
        outputs = (tmp_path / "GITHUB_OUTPUT").read_text()
        assert f"\n{done.found['verdict']}\n" in outputs
        return surfaces(done)

    return run


Judged = Callable[..., Surfaces]


@pytest.mark.parametrize(
    ("worst", "fail_on"), [("high", "high"), ("high", "critical"), ("critical", "never")]
)
def test_a_perfect_model_gives_what_the_labels_say(
    judged: Judged, worst: str, fail_on: str
) -> None:
    labels = WORLD[LEVELS.index(worst) :]
    assert judged(Oracle(labels=labels), fail_on) == expected(labels, fail_on)


def test_with_scanners_a_perfect_model_gives_what_the_labels_say(
    judged: Judged, repo: Repo
) -> None:
    """It keeps what they are right about, and refutes the rest with code."""
    labels = [*LABELS[:2], replace(LABELS[2], severity="high")]
    repo.write("app.py", APP)
    (repo.path / "web.js").unlink()
    repo.commit("with weaknesses")
    right = {f"app.py:{one.line}" for one in labels}
    quote = {"kind": "quote", "path": "app.py", "line": 27, "text": 'allowed = {"in", "out"}'}
    kept = {"judgement": "kept", "why": "it can be used", "evidence": []}
    gone = {"judgement": "refuted", "why": "only two folders are listed", "evidence": [quote]}

    def answer(told: str) -> Json:
        return kept if any(re.search(rf"{place}\b", told) for place in right) else gone

    found = judged(Oracle(labels=labels, answer=answer), "high")
    assert found == expected(labels, "high")


# --- noise ----------------------------------------------------------------------------------------


def moved(label: Label, by: int) -> Json:
    quote = {"kind": "quote", "path": label.path, "line": label.line + by, "text": label.quote}
    return label.finding(line=label.line + by, evidence=[quote])


def each(**by_severity: Callable[[Label], Json]) -> Oracle:
    """Each finding has a noise of its own."""
    return Oracle(finding=lambda label: by_severity[label.severity](label))


def renamed(path: str) -> Callable[[Label], Json]:
    return lambda label: replace(label, path=path).finding()


def with_more(*more: Json) -> Oracle:
    return Oracle(report=lambda found: calls(tool("report", findings=[*more, *found])))


MADE_UP = [
    replace(WORLD[0], path=path, line=n, quote=f"eval(request.args['x{n}'])", cwe=95).finding(
        severity="critical"
    )
    for n, path in enumerate(["web.js", "gone.js", "/proc/self/environ", "../../etc/passwd"] * 125)
]
WORDS = {"critical": "Blocker", "high": "ERROR", "medium": "moderate", "low": "Minor"}
NOISE = {
    "other lines, another case, as in a diff": each(
        critical=lambda label: moved(label, 5),
        high=lambda label: moved(label, -5),
        medium=renamed("WEB.js"),
        low=renamed("b/web.js"),
    ),
    "paths of elsewhere, numbers as texts": each(
        critical=renamed("/home/runner/work/shop/shop/web.js"),
        high=renamed("/github/workspace/web.js"),
        medium=renamed(".\\web.js"),
        low=lambda label: label.finding(line=f"L{label.line}", cwe=str(label.cwe)),
    ),
    "words of another scale, each ten times": Oracle(
        finding=lambda label: label.finding(severity=WORDS[label.severity], stride="Tampering"),
        report=lambda found: calls(
            tool("report", findings=[one for one in found for _ in range(10)])
        ),
    ),
    "five hundred that are made up, and malformed ones": with_more(
        {"title": "x"}, {**NOTHING, "cwe": -1}, *MADE_UP
    ),
    "words before several calls": Oracle(
        report=lambda found: calls(
            text("I found this:"), *(tool("report", findings=[one]) for one in found)
        )
    ),
    "JSON in prose": Oracle(
        report=lambda found: ends(
            text("So {it} is:\n```json\n" + json.dumps({"findings": found}) + "\n```\nAll of it.")
        )
    ),
}


@pytest.mark.parametrize("noise", NOISE)
def test_noise_changes_nothing(judged: Judged, noise: str) -> None:
    assert judged(replace(NOISE[noise], labels=WORLD), "medium") == expected(WORLD, "medium")


def test_who_sees_everything_as_critical_is_cut_to_what_evidence_allows(
    judged: Judged, repo: Repo
) -> None:
    repo.write("safe.js", "const ROOT = '/srv';\nfs.readFile(ROOT, done);\n")
    repo.commit("a constant")
    safe = Label(
        cwe=22, severity="critical", line=2, quote="fs.readFile(ROOT, done)", title="Any file",
        path="safe.js",
    )  # fmt: skip
    code = {"kind": "quote", "path": "safe.js", "line": 1, "text": "const ROOT = '/srv';"}
    refuted = {"judgement": "refuted", "why": "it is a constant", "evidence": [code]}
    stands = {"judgement": "stands", "why": "followed it to the end", "evidence": []}
    made_up = replace(WORLD[0], quote="eval(request.data)", cwe=95)
    eager = Oracle(
        labels=[*WORLD, safe, made_up],
        judge=lambda body: refuted if "Any file" in words_of(body) else stands,
    )
    assert judged(eager, "critical") == expected(WORLD, "critical")


# --- who does not look ----------------------------------------------------------------------------


def test_who_finds_nothing_is_not_clean_when_scanners_disagree(judged: Judged, repo: Repo) -> None:
    repo.write("app.py", APP)
    repo.commit("with weaknesses")
    lazy = judged(Oracle(labels=()), "high")
    assert (lazy.code, lazy.verdict, lazy.said) == (1, "fail", True)
    assert ("app.py", 18) in lazy.errors
    assert ("app.py", 18, "error") in lazy.alerts


BROKEN: dict[str, tuple[Callable[[Json], Reply], Sequence[str]]] = {
    "refuses": (lambda body: refuses("cyber"), ()),
    "reads nothing": (Oracle(labels=(), reads=False), ()),
    "a spent budget": (Oracle(labels=WORLD), ("--set", "budget.tokens=1500")),
}
"""Of those in test_model_audit.py the ways that differ here: asked nothing, looked at nothing, and
came not to the end."""


@pytest.mark.parametrize("how", BROKEN)
def test_what_did_not_look_to_the_end_is_incomplete_on_every_surface(
    judged: Judged, how: str
) -> None:
    reply, words = BROKEN[how]
    found = judged(reply, "high", *words)
    assert (found.code, found.verdict, found.whole, found.said) == (1, "incomplete", False, True)
    assert (found.errors, found.alerts) == (frozenset(), frozenset())


def test_nobody_fails_where_never_was_asked_for_and_all_the_same_it_is_incomplete(
    judged: Judged,
) -> None:
    found = judged(lambda body: refuses("cyber"), "never")
    assert (found.code, found.verdict, found.whole) == (0, "incomplete", False)
