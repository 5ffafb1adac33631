"""A page that would be too long loses what matters least, whole, and says so."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from autoresearch_ci.report.summary_page import MarkdownSection, fitted

PAGE = [
    MarkdownSection(text="headline", importance=9, name="the headline"),
    MarkdownSection(text="x" * 500, importance=1, name="the rest"),
    MarkdownSection(text="ending", importance=8, name="the ending"),
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
    sections = [MarkdownSection(text=t, importance=i, name="a part") for t, i in parts]
    assert len(fitted(sections, limit).encode(errors="replace")) <= limit
