"""The progress picture as PNG, for places that take no SVG: chats, slides, some wikis.

Drawn by resvg (https://github.com/linebender/resvg), an extra: one wheel of 1.4 MB without
dependencies. It leaves out text for which it finds no font, so one that it can draw with is looked
for first.
"""

from __future__ import annotations

from autoresearch_ci.errors import ConfigError, WorkspaceError

SCALE = 2.0
"""Pixels for one unit of the SVG: sharp on today's displays."""
_PROBE = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="24" height="24">'
    '<text x="2" y="18" font-family="sans-serif" font-size="16">{}</text></svg>'
)
_FAMILIES = (
    *("DejaVu Sans", "Liberation Sans", "Noto Sans", "Arial", "Helvetica", "Segoe UI"),
    *("Roboto", "Open Sans", "Ubuntu", "Cantarell", "FreeSans", "Nimbus Sans"),
)
"""One of which is nearly everywhere where there are fonts at all."""


def png(svg: str) -> bytes:
    """Raises `ConfigError` without the library, `WorkspaceError` without a font."""
    try:
        import resvg_py
    except ImportError as error:
        raise ConfigError(
            "a PNG is drawn by resvg_py, which is not installed.\n"
            "do: pip install resvg_py; or name a FILE.svg, which needs nothing."
        ) from error

    def drawn(text: str, family: str) -> bytes:
        return bytes(
            resvg_py.svg_to_bytes(svg_string=_PROBE.format(text), sans_serif_family=family)
        )

    family = next((name for name in _FAMILIES if drawn("A", name) != drawn("", name)), "")
    if not family:
        raise WorkspaceError(
            "a PNG cannot be drawn here: there is no font for its words.\n"
            "do: install one, as  apt-get install fonts-dejavu-core  does; or name a FILE.svg."
        )
    return bytes(resvg_py.svg_to_bytes(svg_string=svg, zoom=SCALE, sans_serif_family=family))
