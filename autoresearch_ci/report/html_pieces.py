"""What report.html is made of beside its values: template, style, script, policy, Markdown.

The page runs its own script only, named by its hash, and loads nothing. Markdown may hold no link,
image or HTML, whoever wrote a part of it.
"""

from __future__ import annotations

import base64
import hashlib
import html
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup

from autoresearch_ci.safety.log_text import defuse

_FOLDER = Path(__file__).parent / "page"


@cache
def template(name: str) -> Template:
    """`report` or `findings`."""
    environment = Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=True,
        finalize=_visible,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(f"{name}.html.j2")


def _visible(value: Any) -> Any:
    """Hidden characters are written out, whoever's words they are in."""
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    return "\n".join(map(defuse, value.split("\n")))


@cache
def assets(*, charts: bool) -> dict[str, Markup]:
    """Style and script, ours behind the library's; the licence travels with it.

    `charts`: of a page that has any; tables alone need no library.
    """

    def read(name: str) -> str:
        return (_FOLDER / name).read_text(encoding="utf-8").strip()

    style, script = [read("report.css")], [read("list.js")]
    if charts:
        licence = f"/*!\n{read('uPlot.LICENSE')}\n*/"
        style = [licence, read("uPlot.min.css"), *style]
        own = [read(f"{name}.js") for name in ("report", "follow")]
        script = [licence, read("uPlot.iife.min.js"), *script, *own]
    return {"style": Markup("\n".join(style)), "script": Markup("\n".join(script))}


def policy(assets: Mapping[str, str], *, follow: bool) -> str:
    """Only this style and this script, by their hashes; nothing is loaded, framed or sent."""
    parts = [
        "default-src 'none'",
        f"style-src {_hash(assets['style'])}",
        f"script-src {_hash(assets['script'])}",
        "img-src data:",
        "base-uri 'none'",
        "form-action 'none'",
        *(["connect-src 'self'"] if follow else []),
    ]
    return "; ".join(parts)


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def markdown(paragraphs: Iterable[str]) -> Markup:
    """Our own Markdown as HTML. No link, image or HTML is made of it, whoever wrote a part."""
    return Markup(_markdown().render("\n\n".join(paragraphs)))


@cache
def _markdown() -> MarkdownIt:
    parser = MarkdownIt("commonmark").enable("table").disable(["link", "image", "autolink"])
    parser.disable(["reference", "html_block"])
    parser.add_render_rule("html_inline", _as_text)
    parser.add_render_rule("heading_open", lambda *_: "<h2>")
    parser.add_render_rule("heading_close", lambda *_: "</h2>\n")
    parser.add_render_rule("td_open", _cell)
    parser.add_render_rule("th_open", _cell)
    parser.add_render_rule("table_open", lambda *_: '<div class="scroll"><table>\n')
    parser.add_render_rule("table_close", lambda *_: "</table></div>\n")
    return parser


def _as_text(
    renderer: Any, tokens: Sequence[Token], at: int, options: Any, environment: Any
) -> str:
    """The `<span>` around a dollar is for GitHub alone; any other tag is shown as it is."""
    content = tokens[at].content
    return "" if content in ("<span>", "</span>") else html.escape(content)


def _cell(renderer: Any, tokens: Sequence[Token], at: int, options: Any, environment: Any) -> str:
    """Which side it is on is said by a class: the policy allows no style of an element's own."""
    name, style = tokens[at].tag, str(tokens[at].attrs.get("style", ""))
    return f'<{name} class="r">' if "right" in style else f"<{name}>"
