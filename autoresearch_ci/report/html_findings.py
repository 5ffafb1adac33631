"""report.html of a look at a commit, which tries nothing: what was found, as a table.

CORE: values in, text out. Its style, policy and tables are those of a run's page (html_page.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from autoresearch_ci.report.html_list import Listing, fitted
from autoresearch_ci.report.html_page import PAGE_BYTES
from autoresearch_ci.report.html_pieces import assets, markdown, policy, template

Lines = Sequence[tuple[str, str]]
"""Label and words."""


@dataclass(frozen=True, kw_only=True)
class FindingsPage:
    """What a page shows."""

    title: str
    headline: Sequence[str]
    """Paragraphs of Markdown, what others said made harmless."""
    tiles: Lines
    list: Listing
    panels: Sequence[tuple[str, str, Lines]]
    """Name, title, lines; those without lines are left out."""
    commands: Sequence[str]
    file: str
    """Where what has no room is."""
    about: str
    """What was looked at, for the last line."""
    version: str


def findings_html(page: FindingsPage) -> str:
    """The whole document; what is in it was redacted by the caller."""
    made_of = assets(charts=False)
    values = {
        **made_of,
        "policy": policy(made_of, follow=False),
        "follow": False,
        "title": page.title,
        "headline": markdown(page.headline),
        "tiles": page.tiles,
        "panels": page.panels,
        "commands": page.commands,
        "about": page.about,
        "version": page.version,
    }
    render = template("findings").render
    empty = render(values, list=fitted(page.list, 0, page.file))
    room = PAGE_BYTES - len(empty.encode(errors="replace"))
    return render(values, list=fitted(page.list, room, page.file))
