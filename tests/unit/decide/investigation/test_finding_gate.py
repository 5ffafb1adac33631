"""A gate on findings fails closed."""

from __future__ import annotations

import pytest

from autoresearch_ci.decide.gates import Ruling
from autoresearch_ci.decide.investigation.gate import ruled


@pytest.mark.parametrize(
    ("severities", "missing", "fail_on", "allow", "ruling"),
    [
        ([], [], "low", False, Ruling.PASS),
        (["low"], [], "medium", False, Ruling.PASS),
        (["low"], [], "low", False, Ruling.FAIL),
        (["low", ""], [], "critical", False, Ruling.FAIL),
        (["grave"], [], "critical", False, Ruling.FAIL),
        ([], ["a file"], "critical", False, Ruling.INCOMPLETE),
        (["low"], ["a file"], "critical", True, Ruling.PASS),
        (["high"], ["a file"], "high", True, Ruling.FAIL),
        (["critical"], ["a file"], "never", False, Ruling.PASS),
    ],
)
def test_what_is_open_or_was_not_looked_at_decides(
    severities: list[str], missing: list[str], fail_on: str, allow: bool, ruling: Ruling
) -> None:
    found = ruled(severities, missing, fail_on=fail_on, allow_incomplete=allow)
    assert found.ruling is ruling
    assert found.exit_code == (0 if ruling is Ruling.PASS else 1)
