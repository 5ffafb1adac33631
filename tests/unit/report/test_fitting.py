"""A page that would be too long loses what matters least, whole, and says so."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from autoresearch_ci.report.summary_page import fitted

PAGE = [
    ("headline", 9, "the headline"),
    ("x" * 500, 1, "the rest"),
    ("ending", 8, "the ending"),
]


def test_everything_that_fits_is_there_in_order() -> None:
    assert fitted(PAGE, 10_000) == f"headline\n\n{'x' * 500}\n\nending\n"


def test_the_least_important_goes_first_and_is_named() -> None:
    page = fitted(PAGE, 300)
    assert page == (
        "headline\n\nending\n\nLeft out, because the page would be too long: the rest.\n"
    )


@given(
    st.lists(st.tuples(st.text(max_size=300), st.integers(0, 9)), max_size=8),
    st.integers(200, 2000),
)
def test_a_page_is_never_larger_than_its_limit(parts: list[tuple[str, int]], limit: int) -> None:
    sections = [(text, importance, "a part") for text, importance in parts]
    assert len(fitted(sections, limit).encode(errors="replace")) <= limit
