"""Pages of a reconnaissance say no more than was found, and nothing in them is alive."""

from __future__ import annotations

from autoresearch_ci.decide.security.model_layer import ModelLayer
from autoresearch_ci.report.reconnaissance_pages import (
    attack_surface_page,
    covered,
    threat_model_page,
)

COMMIT = "0123456789abcdef0123456789abcdef01234567"
PLACE = [{"path": "app.py", "line": 3, "text": "x"}]
LISTS = {
    "assets": [{"name": "accounts | @everyone", "worth": "high", "about": "<b>x</b>",
                "evidence": PLACE}],
    "entry_points": [{"name": "/user", "about": "by name\n## more", "evidence": PLACE}],
}  # fmt: skip
COVERAGE = {
    "stride": {"spoofing": 2, "tampering": 0},
    "stride x asset": {"spoofing x accounts": 2, "tampering x accounts": 0},
}
LAYER = ModelLayer(commit=COMMIT, terrain=LISTS, coverage=COVERAGE)


def test_what_is_not_there_is_said() -> None:
    page = threat_model_page(LAYER)
    assert "None was found, or nobody looked." in page.partition("## Trust boundaries")[2]
    assert "| spoofing | 2 |" in page
    assert "| tampering | not |" in page
    assert [covered(LAYER, name) for name in ("stride", "owasp")] == ["1 of 2", ""]


def test_without_a_model_no_page_looks_as_if_one_had_been_asked() -> None:
    nobody = ModelLayer(why_not="there is no key")
    for page in (threat_model_page(nobody), attack_surface_page(nobody)):
        assert "No model was asked: there is no key." in page
        assert "A model has told this" not in page


def test_words_of_others_are_inert() -> None:
    page = threat_model_page(LAYER) + attack_surface_page(LAYER)
    assert "app.py:3" in page
    assert "<b>" not in page
    assert "@everyone" not in page
    assert not any(row == "## more" for row in page.splitlines())
    rows = [row for row in page.splitlines() if row.startswith("| accounts")]
    assert [row.replace("\\|", "").count("|") for row in rows] == [5]
