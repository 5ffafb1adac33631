"""What counts as gone and as new, of scanners and of a model; what nobody can say is neither."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from autoresearch_ci.decide.failures.failure import Category, ordered
from autoresearch_ci.decide.security.as_failures import threshold, to_repair
from autoresearch_ci.decide.security.excuses import Excuses
from autoresearch_ci.decide.security.gate import BaseWeaknesses
from autoresearch_ci.decide.security.weakness import Severity, Weakness
from autoresearch_ci.measure.commands import Subject
from autoresearch_ci.measure.scanners.run_scanners import ScanResults
from autoresearch_ci.measure.weakness_target import ClaimedWeaknesses, ScannedCode
from autoresearch_ci.workspace.repository import FileVersion


def version(blob: str) -> FileVersion:
    return FileVersion(mode="100644", blob=blob)


FILES = {"a.py": version("bad"), "b.py": version("good"), "c.py": version("mild")}


def weakness(path: str, rule: str = "bandit/B1", severity: Severity = Severity.HIGH) -> Weakness:
    return Weakness(
        rule=rule,
        path=path,
        line=1,
        severity=severity,
        title="t",
        sources=(rule.partition("/")[0],),
        fingerprint=f"{path} {rule}",
    )


class Scanners:
    """They tell of each file by its content, and remember what they were shown."""

    def __init__(self, gaps: Mapping[str, str] | None = None) -> None:
        self.shown: list[list[str]] = []
        self.gaps = dict(gaps or {})
        self.unseen: dict[str, str] = {}

    def __call__(self, files: Mapping[str, FileVersion]) -> ScanResults:
        self.shown.append(sorted(files))
        kinds = {"bad": ("bandit/B1", Severity.HIGH), "mild": ("bandit/B2", Severity.LOW)}
        kinds["shell"] = ("bandit/B602", Severity.HIGH)
        kinds["program"] = ("bandit/B603", Severity.LOW)
        found = [weakness(p, *kinds[v.blob]) for p, v in files.items() if v.blob in kinds]
        unseen = {path: why for path, why in self.unseen.items() if path in files}
        return ScanResults(weaknesses=tuple(found), gaps=self.gaps, unseen=unseen)


def target(scan: Scanners, files: Mapping[str, FileVersion] = FILES) -> ScannedCode:
    wanted = [weakness("a.py")]
    return ScannedCode(files=files, scan=scan, wanted=wanted, least=Severity.HIGH)


def told(scan: ScannedCode, *, whole: bool = False, **changes: str | None) -> dict[str, str]:
    of = {f"{name}.py": None if blob is None else version(blob) for name, blob in changes.items()}
    found = scan.look(Subject(changes=of, iteration=1), whole=whole)
    return {f.id.partition(":")[2]: str(f.category) for f in found.failures}


def test_what_is_wanted_is_critical_and_what_was_there_besides_a_warning() -> None:
    assert told(target(Scanners())) == {
        "a.py:bandit/B1:a.py bandit/B1": "critical",
        "c.py:bandit/B2:c.py bandit/B2": "warning",
    }


def test_only_what_differs_is_looked_at_until_all_of_it_is() -> None:
    scan = Scanners()
    own = target(scan)
    assert "a.py:bandit/B1:a.py bandit/B1" not in told(own, a="good")
    assert scan.shown == [["a.py", "b.py", "c.py"], ["a.py"]]
    told(own, a="good")
    told(own, whole=True, a="good")
    told(own, a="good")
    assert scan.shown[2:] == [["a.py", "b.py", "c.py"]]


def test_what_is_known_of_the_base_is_not_asked_again() -> None:
    scan = Scanners()
    own = replace(target(scan), known=Scanners()(FILES))
    assert told(own) == told(target(Scanners()))
    assert "a.py:bandit/B1:a.py bandit/B1" not in told(own, a="good")
    assert scan.shown == [["a.py"]]


def test_what_is_new_is_as_bad_as_it_is() -> None:
    found = told(target(Scanners()), a="good", b="bad", d="mild")
    assert found["b.py:bandit/B1:b.py bandit/B1"] == "critical"
    assert found["d.py:bandit/B2:d.py bandit/B2"] == "warning"


def test_a_scanner_that_breaks_on_a_candidate_makes_nothing_go_away() -> None:
    scan = Scanners()
    own = target(scan)
    told(own)
    scan.gaps = {"bandit": "crashed"}
    look = own.look(Subject(changes={"a.py": version("good")}, iteration=1), whole=False)
    assert look.incomplete == "bandit crashed"


def test_a_scanner_that_was_broken_before_cannot_say_that_something_is_gone() -> None:
    own = target(Scanners(gaps={"bandit": "ran out of time"}))
    look = own.look(Subject(changes={"a.py": version("good")}, iteration=1), whole=False)
    assert not look.incomplete
    assert "bandit/B1" in [failure.code for failure in look.failures]


def test_a_file_that_nobody_can_look_at_any_more_is_incomplete() -> None:
    scan = Scanners()
    own = target(scan)
    told(own)
    scan.unseen = {"a.py": "binary"}
    look = own.look(Subject(changes={"a.py": version("good")}, iteration=1), whole=False)
    assert look.incomplete == "a.py: binary"


def test_that_a_program_is_started_is_no_news_where_a_shell_was() -> None:
    own = target(Scanners(), {**FILES, "s.py": version("shell")})
    assert not [name for name in told(own, s="program") if "B603" in name]
    assert [name for name in told(own, b="program") if "B603" in name]


def test_the_worst_is_repaired_first() -> None:
    wanted = [weakness("z.py", severity=Severity.CRITICAL), weakness("a.py")]
    found = [*wanted, weakness("b.py")]
    own = ScannedCode(
        files={},
        scan=lambda files: ScanResults(weaknesses=tuple(found)),
        wanted=wanted,
        least=Severity.HIGH,
    )
    look = own.look(Subject(changes={}, iteration=0), whole=False)
    first = [f for f in ordered(look.failures) if f.category is Category.CRITICAL]
    assert [f.path for f in first] == ["z.py", "a.py"]


# --- which are to be repaired ---------------------------------------------------------------------


def test_what_fails_the_gate_is_repaired_and_at_least_what_is_high() -> None:
    words = ("critical", "high", "medium", "low", "never")
    assert [*map(threshold, words)] == ["high", "high", "medium", "low", "high"]


def test_what_is_old_mild_or_excused_is_not_repaired() -> None:
    head = [weakness("a.py"), weakness("b.py"), weakness("c.py", severity=Severity.LOW)]
    found = to_repair(head, None, Excuses(), Severity.HIGH)
    assert [w.path for w in found] == ["a.py", "b.py"]
    old = BaseWeaknesses(weaknesses=[weakness("a.py")])
    assert [w.path for w in to_repair(head, old, Excuses(), Severity.HIGH)] == ["b.py"]


# --- a model's ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("word", "left"), [("fixed", 0), ("still_vulnerable", 1), ("inconclusive", 1), ("", 1)]
)
def test_of_a_models_words_only_fixed_ends_a_claim(word: str, left: int) -> None:
    asked: list[Sequence[str]] = []

    def verify(claim: Weakness, before: Mapping[str, str], after: Mapping[str, str]) -> str:
        asked.append((before["a.py"], after["a.py"]))
        return word

    claims = ClaimedWeaknesses(
        files=FILES,
        read=lambda found: found.blob.encode(),
        claims=[weakness("a.py", "model/CWE-89")],
        least=Severity.HIGH,
        verify=verify,
    )
    changed = Subject(changes={"a.py": version("new")}, iteration=1)
    for _ in range(2):
        assert len(claims.look(changed, whole=True).failures) == left
    assert asked == [("bad", "new")]
    elsewhere = Subject(changes={"b.py": version("new")}, iteration=1)
    assert len(claims.look(elsewhere, whole=True).failures) == 1
    assert len(asked) == 1
