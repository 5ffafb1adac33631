"""Which lines of a file do nothing: comments, and texts that nobody uses; pure.

Whoever writes code can write `# checked above` beside it. Such words are a claim of the audited
code about itself, and no evidence for it.
"""

from __future__ import annotations

import ast
import contextlib
import io
import re
import tokenize
from collections.abc import Iterator

from autoresearch_ci.decide.line_map import lines_of

_COMMENTS = {
    "#": (".rb", ".sh", ".yml", ".yaml", ".toml", ".tf", ".pl", ".r", ".ex", ".cfg", ".ini"),
    "//": (
        *(".js", ".jsx", ".ts", ".tsx", ".mjs", ".cjs", ".go", ".rs", ".java", ".kt", ".c", ".h"),
        *(".cc", ".cpp", ".hpp", ".cs", ".swift", ".scala", ".php", ".dart", ".groovy", ".gradle"),
    ),
    "--": (".sql", ".lua", ".hs"),
}
_MARK = {ending: mark for mark, endings in _COMMENTS.items() for ending in endings}
_BLOCK = re.compile(r"/\*.*?(?:\*/|\Z)", re.DOTALL)
_MARKUP = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)


def is_spoken(path: str, content: str, line: int, quote: str) -> bool:
    """Whether a quote that begins in that line (1-based) shows nothing that is done: it holds idle
    lines only, or a comment at the end of a line without the code before it."""
    last = line + quote.count("\n")
    if last > line or does_nothing(path, content, line, last):
        return does_nothing(path, content, line, last)
    lines = lines_of(content)
    text = lines[line - 1] if 0 < line <= len(lines) else ""
    start = _comment_in(path, content, line, text)
    at = text.find(quote.strip())
    return start is not None and at >= 0 and not re.search(r"\w", text[at:][: max(0, start - at)])


def _comment_in(path: str, content: str, line: int, text: str) -> int | None:
    """Where a comment begins in the line; `None`: nowhere, as far as can be seen."""
    if path.endswith((".py", ".pyi")):
        with contextlib.suppress(SyntaxError, tokenize.TokenError):
            tokens = tokenize.generate_tokens(io.StringIO(content).readline)
            here = (t for t in tokens if t.type == tokenize.COMMENT and t.start[0] == line)
            return next((token.start[1] for token in here), None)
    found = re.search(r"(?:^|\s)(?:#|//|/\*|--\s|<!--)", text)
    return found.end() - 1 if found else None


def does_nothing(path: str, content: str, first: int, last: int) -> bool:
    """Whether the lines (1-based, both inclusive) hold only blanks, comments and idle texts."""
    busy = _busy_lines(path, content)
    return busy is not None and not any(first <= number <= last for number in busy)


def _busy_lines(path: str, content: str) -> set[int] | None:
    """Lines with something that counts; `None`: the language is not known here."""
    if path.endswith((".py", ".pyi")):
        try:
            return set(_busy_python(content))
        except (SyntaxError, ValueError, RecursionError, MemoryError, tokenize.TokenError):
            return _busy_by_marks(content, "#")
    ending = path[path.rfind(".") :].lower() if "." in path.rsplit("/", 1)[-1] else ""
    if ending in (".html", ".xml", ".vue", ".svelte"):
        return _busy_by_marks(_blanked(content, _MARKUP), "//")
    mark = _MARK.get(ending)
    if mark is None:
        return _busy_by_marks(content, "#") if _is_script(path, content) else None
    return _busy_by_marks(_blanked(content, _BLOCK) if mark == "//" else content, mark)


def _is_script(path: str, content: str) -> bool:
    return content.startswith("#!") or path.rsplit("/", 1)[-1] in ("Dockerfile", "Makefile")


def _busy_by_marks(content: str, mark: str) -> set[int]:
    lines = enumerate(lines_of(content), start=1)
    return {n for n, line in lines if line.strip() and not line.strip().startswith(mark)}


def _blanked(content: str, pattern: re.Pattern[str]) -> str:
    """Without what matches; lines stay where they are."""
    return pattern.sub(lambda found: "\n" * found[0].count("\n"), content)


_IDLE = (
    *(tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT),
    *(tokenize.ENCODING, tokenize.ENDMARKER),
)


def _busy_python(content: str) -> Iterator[int]:
    idle = set(_idle_texts(ast.parse(content)))
    for token in tokenize.generate_tokens(io.StringIO(content).readline):
        if token.type not in _IDLE and token.start not in idle:
            yield from range(token.start[0], token.end[0] + 1)


def _idle_texts(tree: ast.AST) -> Iterator[tuple[int, int]]:
    """Where texts begin that are a statement of their own, as docstrings are."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            yield node.value.lineno, node.value.col_offset
