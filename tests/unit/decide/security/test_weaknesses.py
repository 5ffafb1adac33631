"""One weakness of what several tools say, under a name that outlives moved lines."""

from __future__ import annotations

from dataclasses import replace

import pytest

from autoresearch_ci.decide.line_map import unchanged_lines
from autoresearch_ci.decide.security.severities import TYPICAL, by_score, by_word
from autoresearch_ci.decide.security.weakness import (
    FAMILIES,
    Confidence,
    Severity,
    Weakness,
    fingerprint,
    identified,
    merge,
)

CODE = "import os\n\n\ndef run(name):\n    os.system('ls ' + name)\n    return 1\n"


def weakness(rule: str = "bandit/B605", line: int = 5, **facts: object) -> Weakness:
    told = {"path": "a.py", "severity": Severity.HIGH, "title": "a shell", "cwe": 78, **facts}
    sources = (rule.partition("/")[0],)
    return Weakness(rule=rule, line=line, sources=sources, **told)  # type: ignore[arg-type]


def prints(*found: Weakness, code: str = CODE) -> list[str]:
    return [w.fingerprint for w in identified(found, lambda path: code)]


def test_a_fingerprint_survives_moved_lines_and_other_indentation() -> None:
    moved = "# one more\n\n" + CODE.replace("    os", "        os")
    assert prints(weakness()) == prints(weakness(line=7), code=moved)


@pytest.mark.parametrize(
    "code", [CODE.replace("'ls '", "'rm '"), CODE.replace("def run", "def other")]
)
def test_other_code_or_another_place_is_another_fingerprint(code: str) -> None:
    assert prints(weakness()) != prints(weakness(), code=code)


def test_a_number_in_the_code_tells_weaknesses_apart() -> None:
    assert fingerprint("r", "a.sh", "", "chmod 700 x") != fingerprint(
        "r", "a.sh", "", "chmod 777 x"
    )


def test_the_second_of_two_that_are_alike_has_a_name_of_its_own() -> None:
    code = CODE.replace("    return 1", "    os.system('ls ' + name)")
    one, two = prints(weakness(), weakness(line=6), code=code)
    assert one != two
    assert prints(weakness()) == [one]


@pytest.mark.parametrize("end", ["\x0c", "\x0b", "\x1c", "\x85", "\u2028", "\r"])
def test_no_character_moves_a_number_to_the_words_of_another_weakness(end: str) -> None:
    old, new = "#\n\nos.system(a)\n", f"#{end}#\nos.system(a)\nos.system(b)\n"
    assert prints(weakness(line=3), code=old) != prints(weakness(line=3), code=new)
    assert 3 not in unchanged_lines(old, new)


def test_what_is_marked_is_evidence_as_it_stands_there() -> None:
    (found,) = identified([weakness()], lambda path: CODE)
    assert found.evidence[0].text == "    os.system('ls ' + name)"
    assert found.evidence[0].line == 5
    assert (found.owasp, found.stride) == ("A03:2021", "TE")


def test_the_same_place_and_kind_is_one_with_the_highest_severity_and_all_sources() -> None:
    low = weakness("semgrep/shell", severity=Severity.MEDIUM, cwe=77, end_line=6)
    sure = weakness(severity=Severity.HIGH, confidence=Confidence.HIGH, fingerprint="b")
    (one,) = merge([replace(low, line=4, fingerprint="s"), sure])
    assert one.rule == "bandit/B605"
    assert (one.severity, one.confidence) == (Severity.HIGH, Confidence.HIGH)
    assert one.sources == ("bandit", "semgrep")
    assert one.fingerprints == ("b", "s")


@pytest.mark.parametrize(
    "other",
    [
        {"line": 6},
        {"path": "b.py"},
        {"cwe": 502},
        {"cwe": 0, "rule": "semgrep/other"},
    ],
)
def test_another_line_file_or_kind_stays_apart(other: dict[str, object]) -> None:
    assert len(merge([weakness(), weakness(**{"rule": "semgrep/shell", **other})])) == 2  # type: ignore[arg-type]


def test_what_marks_a_whole_file_does_not_swallow_what_is_far_below() -> None:
    assert len(merge([weakness("a/1", line=1, end_line=500), weakness("b/1", line=300)])) == 2


def test_two_of_one_tool_that_overlap_are_two() -> None:
    assert len(merge([weakness(line=5, end_line=6), weakness(line=6)])) == 2


def test_an_import_is_a_part_of_its_first_use_and_otherwise_told_by_itself() -> None:
    imported = weakness("bandit/B404", line=1, severity=Severity.INFO)
    (use, other) = merge([imported, weakness(line=5), weakness(line=9)])
    assert (use.line, other.line) == (5, 9)
    assert use.severity is Severity.HIGH
    assert merge([imported, weakness("bandit/B324", cwe=327)])[1] == merge([imported])[0]
    assert len(merge([imported, replace(imported, line=2)])) == 2


def test_without_a_line_only_the_same_words_are_one() -> None:
    first = weakness("pip-audit/X-1", line=0, title="a 1.0: X-1", cwe=1395)
    assert len(merge([first, first, replace(first, title="b 2.0: X-1")])) == 2


def test_the_worst_comes_first() -> None:
    told = [weakness(line=n, severity=s) for n, s in enumerate(reversed(Severity), start=1)]
    assert [w.severity for w in merge(told)] == list(Severity)


def test_no_cwe_belongs_to_two_families() -> None:
    cwes = [cwe for family in FAMILIES for cwe in family.cwes]
    assert len(cwes) == len(set(cwes))


@pytest.mark.parametrize("severity", list(Severity))
def test_the_score_that_is_told_means_the_severity(severity: Severity) -> None:
    assert by_score(TYPICAL[severity]) is severity


def test_a_word_that_no_tool_has_is_not_guessed() -> None:
    assert by_word("npm audit", "Moderate") is Severity.MEDIUM
    assert by_word("bandit", "dreadful") is None
