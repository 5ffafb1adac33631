"""What excuses a weakness, and what only looks as if it did."""

from __future__ import annotations

from typing import Any

import pytest

from autoresearch_ci.decide.security.excuses import (
    Excuses,
    Trusted,
    accepted,
    baselined,
    commented,
    excuses,
    known_leaks,
    known_secrets,
)
from autoresearch_ci.decide.security.weakness import Severity, Weakness, identified

TODAY = "2026-11-30"
RISK = {"fingerprint": "0123456789abcdef", "reason": "behind a proxy", "expires": "2027-01-31"}


def weakness(rule: str, line: int = 2, **facts: Any) -> Weakness:
    told = {"path": "a.py", "severity": Severity.HIGH, "title": "t", **facts}
    return Weakness(rule=rule, line=line, sources=(rule.partition("/")[0],), **told)


@pytest.mark.parametrize(
    ("rule", "line", "counts"),
    [
        ("bandit/B602", "x  # nosec", True),
        ("bandit/B602", "x  #nosec B602, B603", True),
        ("bandit/B602", "x  # nosec B101", False),
        ("bandit/B602", "x  # noqa: S602", True),
        ("bandit/B602", "x  # noqa: E501", False),
        ("bandit/B602", "x  # noqa", False),
        ("bandit/B602", "x  # nosecrets here", False),
        ("semgrep/no-eval", "x  # nosemgrep", True),
        ("semgrep/no-eval", "x  // nosemgrep: rules.no-eval", True),
        ("semgrep/no-eval", "x  # nosemgrep: another", False),
        ("zizmor/artipacked", "x # zizmor: ignore[artipacked]", True),
        ("zizmor/artipacked", "x # zizmor: ignore[unpinned-uses]", False),
        ("njsscan/eval_nodejs", "x // njsscan-ignore: eval_nodejs, other", True),
        ("njsscan/eval_nodejs", "x // njsscan-ignore: other", False),
        ("njsscan/eval_nodejs", "x // njsscan-ignore:", False),
        ("njsscan/eval_nodejs", "x // nosemgrep", True),
        ("agentic/write-token", "x # security: ignore[write-token] it is needed", True),
        ("detect-secrets/secret-keyword", "x  # pragma: allowlist secret", True),
        ("gitleaks/aws", "x # gitleaks:allow", True),
        ("bandit/B602", "x # gitleaks:allow", False),
        ("gitleaks/aws", "x # nosec", False),
    ],
)
def test_a_comment_counts_for_its_own_tool_and_rule(rule: str, line: str, counts: bool) -> None:
    assert bool(commented(weakness(rule), f"above\n{line}\nbelow\n")) is counts


def test_a_comment_counts_on_the_line_before_where_its_tool_says_so() -> None:
    assert commented(weakness("semgrep/a"), "# nosemgrep: a\nx\n")
    assert commented(weakness("njsscan/a"), "// nosemgrep: a\nx\n")
    assert commented(weakness("detect-secrets/x"), "# pragma: allowlist nextline secret\nx\n")
    shell = "# shellcheck source=/dev/null disable=SC2115\nx\n"
    assert commented(weakness("shellcheck/SC2115"), shell)
    assert not commented(weakness("shellcheck/SC2091"), shell)
    assert not commented(weakness("semgrep/a"), "y()  # nosemgrep: a\nx\n")
    assert not commented(weakness("bandit/B602"), "# nosec\nx\n")


def test_a_comment_elsewhere_does_not_count() -> None:
    assert not commented(weakness("bandit/B602"), "x\nx\nx  # nosec\n")
    assert not commented(weakness("bandit/B602", line=0), "x  # nosec\n")
    assert not commented(weakness("bandit/B602", line=99), "x  # nosec\n")


def test_a_risk_is_accepted_until_its_last_day() -> None:
    found = accepted({"accepted": [RISK]}, TODAY, "f.yml")
    assert found.of["0123456789abcdef"].why == "behind a proxy"
    assert not found.expired
    assert accepted({"accepted": [RISK]}, "2027-01-31", "f.yml").of
    late = accepted({"accepted": [RISK]}, "2027-02-01", "f.yml")
    assert (len(late.of), len(late.expired)) == (0, 1)


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        ({**RISK, "reason": ""}, "reason"),
        ({**RISK, "reason": 3}, "reason"),
        ({**RISK, "expires": None}, "expires"),
        ({**RISK, "expires": "never"}, "expires"),
        ({**RISK, "expires": "2026-13-01"}, "expires"),
        ({**RISK, "fingerprint": "*"}, "fingerprint"),
        ({**RISK, "path": "**"}, "path"),
        ("all", "mapping"),
    ],
)
def test_what_lacks_something_is_not_accepted_and_said(entry: object, why: str) -> None:
    found = accepted({"accepted": [entry, RISK]}, TODAY, "f.yml")
    assert why in found.problems[0]
    assert len(found.of) == 1


def test_what_is_no_list_accepts_nothing() -> None:
    assert accepted({"accepted": "all"}, TODAY, "f.yml").problems
    assert accepted({}, TODAY, "f.yml").problems


CODE = "def f(x):\n    run(x)  # nosec\n"


def told(*rules: str, code: str = CODE) -> tuple[Weakness, ...]:
    return identified([weakness(rule, cwe=78) for rule in rules], lambda path: code)


def test_only_what_the_trusted_commit_says_counts() -> None:
    head = told("bandit/B602")
    (name,) = head[0].fingerprints
    nowhere = Trusted()
    assert name not in excuses(nowhere, head).of
    there = Trusted(weaknesses=head, contents={"a.py": CODE})
    assert excuses(there, head).of[name].kind == "comment"


def test_a_comment_that_is_added_is_no_excuse() -> None:
    before = CODE.replace("  # nosec", "")
    base = told("bandit/B602", code=before)
    head = told("bandit/B602")
    found = excuses(Trusted(weaknesses=base, contents={"a.py": before}), head)
    assert head[0].fingerprint not in found.of


def test_an_accepted_risk_is_one_for_all_tools_that_tell_of_it() -> None:
    code = CODE.replace("  # nosec", "")
    head = told("bandit/B602", "semgrep/shell", code=code)
    one = accepted({"accepted": [{**RISK, "fingerprint": head[0].fingerprint}]}, TODAY, "f")
    for weaknesses in (head, ()):
        found = excuses(Trusted(weaknesses=weaknesses, accepted=one), head)
        assert {w.fingerprint for w in head} <= found.of.keys()
    other = told("bandit/B602", code=code.replace("run(x)", "run(y)"))
    assert other[0].fingerprint not in excuses(Trusted(accepted=one), other).of


def test_an_accepted_risk_is_none_for_what_a_change_makes_worse_on_its_line() -> None:
    code = CODE.replace("  # nosec", "")
    known, worse = identified(
        [
            weakness("bandit/B608", cwe=89, severity=Severity.MEDIUM),
            weakness("python/request-query", cwe=89),
        ],
        lambda path: code,
    )
    one = accepted({"accepted": [{**RISK, "fingerprint": known.fingerprint}]}, TODAY, "f")
    found = excuses(Trusted(weaknesses=[known], accepted=one), [known, worse])
    assert found.get(known)
    assert not found.get(worse)


def test_a_second_line_just_like_an_accepted_one_is_not_accepted() -> None:
    code = "def f():\n    call()\n\n\ndef g():\n    call()\n"
    pair = [weakness("bandit/B602", line, cwe=78) for line in (2, 6)]
    first, second = identified(pair, lambda path: code)
    risk = {**RISK, "fingerprint": first.fingerprint}
    found = excuses(
        Trusted(weaknesses=[first], accepted=accepted({"accepted": [risk]}, TODAY, "x")),
        [first, second],
    )
    assert found.get(first)
    assert not found.get(second)


def test_lists_that_tools_keep_are_read() -> None:
    data = {
        "results": {
            "a.py": [
                {"hashed_secret": "aa", "line_number": 3},
                {"hashed_secret": "bb", "is_secret": True},
                {"hashed_secret": 3},
                "x",
            ],
            "b.py": "x",
        }
    }
    assert known_secrets(data) == {("a.py", "aa")}
    assert known_secrets({"results": []}) == frozenset()
    text = f"# a comment\na.py:aws:3\n{'0' * 40}:b.py:key:7\nbad\na:b:c\n"
    assert known_leaks(text) == {("a.py", "aws", 3), ("b.py", "key", 7)}
    items = {"items": [{"fingerprint": "0" * 16, "same": ["1" * 16]}, {"fingerprint": "*"}, 3]}
    assert baselined(items) == {"0" * 16, "1" * 16}
    assert baselined({"items": 3}) == frozenset()


def test_a_listed_secret_is_excused_by_its_hash_and_not_by_its_line() -> None:
    secret = weakness("detect-secrets/secret-keyword", key="aa", cwe=798)
    head = identified([secret], lambda path: "\nX = 'y'\n")
    listed = Trusted(weaknesses=head, secrets=frozenset({("a.py", "aa")}))
    assert excuses(listed, head).of
    assert not excuses(Trusted(weaknesses=head, secrets=frozenset({("a.py", "bb")})), head).of


def test_nothing_is_excused_by_nothing() -> None:
    assert excuses(Trusted(), ()) == Excuses()
