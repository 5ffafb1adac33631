"""Types and results that are only claimed: an error that is gone because a value may be anything
now, or because the code says what nobody checks.

`any` is always such a claim. `x!`, `x as User`, `cast(User, x)` and `x.unwrap()` are where the same
`x` stood there without it: nothing but the error has gone then. Of what is new in the code, or was
asked about just before, they are what people write.
"""

from __future__ import annotations

import ast
import keyword
import re
from collections.abc import Collection, Iterator

from autoresearch_ci.decide.failures.shortcuts.other_tests import (
    blanked,
    closing_brackets,
    without_comments,
)

Signs = list[tuple[str, int, str, str]]
"""Rule, line, what, and the words that make two of them one."""
_WHAT = "takes a type that is never checked"
_ANYTHING = re.compile(
    r"\bas\s+any\b|(?::\s*any\b(?=\s*=)|[:<,|&=]\s*any\b(?!\s*[(:=.]))|\bas\s+unknown\s+as\b"
    r"|\bas\s+never\b|\beval\(|\bis\s+\w+\s*(?:\{\s*return true\b|=>\s*true\b)"
    r"|\basserts\b[^{;\n]*\{\s*\}"
)
"""Of TypeScript: after which nothing is checked any more."""
_DOM = r"(?:const|Error|[(A-Za-z<]*keyof|(?:HTML|SVG)?\w*(?:Element|Event|Node))\b"
"""What the platform's own types are too wide for, as its documentation says."""
_CLAIMS = {
    "ts": re.compile(rf"(?<=[\w)\]])(?:!(?=[.\[;,)])|\s+as\s+(?!{_DOM})[A-Za-z_$({{\[])"),
    "rs": re.compile(r"\.(?:unwrap|expect)\("),
}
_TYPED = re.compile(r"::<[^<>\n]*>")
_FAILS = re.compile(
    r"(?:^|[.:])(?:parse|from_utf8\w*|from_str\w*|try_\w+|open|create|read\w*|recv|send)\([^\n]*\)$"
)
"""What gives an error in Rust, and not only nothing."""
_POISONED = re.compile(r"\.(?:lock|read|write|into_inner|join)\(\)$")
"""What fails only where another thread has given up already."""
_OF_TESTS = re.compile(r"#\[cfg\(test\)\]\s*mod\s+\w+\s*\{")
_IMPORTS = re.compile(r"[ \t]*(?:import|export)\b|[ \t]*[\w$]+ as [\w$]+,?[ \t]*$", re.MULTILINE)
"""Where `as` gives another name."""
_COPIED = re.compile(r"\breturn\s+JSON\.parse\(\s*JSON\.stringify\(")
_ASKS = re.compile(r"\b(?:if|while|for|filter|assert)\b|&&|\?(?!\.)")
_ABOUT = re.compile(
    r"\.(?:length|size|len|has|contains_key|is_\w+)\b|[!=]=|\b(?:typeof|instanceof)\b|\bis[A-Z]\w*\("
)
_NEAR = 300
"""Characters in which an expression, or the condition before it, stands."""


def of_text(path: str, before: str, after: str) -> Iterator[Signs]:
    """What TypeScript and Rust claim, before and after."""
    kind = "rs" if path.endswith(".rs") else "ts"
    was, now = (
        blanked(without_comments(t, rust=kind == "rs"), kind == "rs") for t in (before, after)
    )
    rule = "error-swallowed" if kind == "rs" else "type-unchecked"
    what = "gives up on an error or drops it" if kind == "rs" else _WHAT
    known = set[str]()
    for text in (was, now):
        found = []
        for match in _ANYTHING.finditer(text) if kind == "ts" else ():
            found.append((match.start(), "".join(match[0].split())))
        for match in _COPIED.finditer(text) if kind == "ts" else ():
            found.append((match.start(), "return JSON.parse(JSON.stringify("))
        ends = closing_brackets(text) if kind == "rs" else {}
        starts = _OF_TESTS.finditer(text) if kind == "rs" else ()
        tests = [range(m.start(), ends.get(m.end() - 1, len(text))) for m in starts]
        for match in _CLAIMS[kind].finditer(text):
            if any(match.start() in place for place in tests):
                continue  # who gives up there fails a test
            if _IMPORTS.match(text, text.rfind("\n", 0, match.start()) + 1):
                continue
            said = _spoken_of(text, match.start())
            if kind == "rs" and _POISONED.search(said):
                continue
            words = f"{said} {match[0].strip(' (')}"
            known.update([words] if text is was else ())
            bold = words in known or _stands(said, was) or (kind == "rs" and _FAILS.search(said))
            if words in known or (bold and not _asked(said, text, match.start())):
                found.append((match.start(), words))
        yield [(rule, text.count("\n", 0, at) + 1, what, words) for at, words in sorted(found)]


def _spoken_of(text: str, end: int) -> str:
    """The expression that ends there: names, calls, places in a list."""
    start, opened = end, 0
    for start in range(end, max(end - _NEAR, 0), -1):
        sign = text[start - 1]
        opened += (sign in ")]") - (sign in "([")
        if opened < 0 or not (opened or sign.isalnum() or sign in "_$.?()[]:<>"):
            break
    else:
        start = max(end - _NEAR, 0)
    return _TYPED.sub("", text[start:end]).strip("?. :<>")


def _stands(said: str, was: str) -> bool:
    return re.search(rf"(?<![\w$.]){re.escape(said)}(?![\w$])", _TYPED.sub("", was)) is not None


def _asked(said: str, text: str, at: int) -> bool:
    """Whether a condition just before looks at what a claim speaks of."""
    root = re.search(r"\b(?!this\b|self\b)[A-Za-z_$][\w$]*", said)
    lines = text[max(at - _NEAR, 0) : at].splitlines()[-4:]
    return root is not None and any(
        re.search(rf"\b{re.escape(root[0])}\b", line) and _ASKS.search(line) and _ABOUT.search(line)
        for line in lines
    )


# --- Python ---------------------------------------------------------------------------------------

_ANY_TYPE = r"(?:\w+\.)?Any|(?:\w+\.)?Callable\[\[Any(?:, Any)*\], Any\]"
_CASTS = ("cast", "typing.cast", "t.cast")


def of_python(tree: ast.AST, old: ast.AST | None) -> Iterator[tuple[str, int, str, str]]:
    """What it claims that `old` did not; `None`: all that it could claim."""
    stood = {ast.unparse(n) for n in ast.walk(old) if isinstance(n, ast.expr)} if old else None
    said = {a.arg for a in _rest(old) if a.annotation} if old else set[str]()
    rest = {id(a) for a in _rest(tree) if old and a.arg not in said}
    for node in ast.walk(tree):
        if id(node) not in rest and (told := _anything(node) or _claim(node, stood)):
            yield "type-unchecked", getattr(told, "lineno", 1), _WHAT, ast.unparse(told)


def _rest(tree: ast.AST) -> Iterator[ast.arg]:
    """`*args` and `**kwargs`: that they may be anything is not less than nothing said."""
    for node in ast.walk(tree):
        if isinstance(node, ast.arguments):
            yield from (argument for argument in (node.vararg, node.kwarg) if argument)


def _anything(node: ast.AST) -> ast.AST | None:
    """Annotations and names that say nothing, where `dict[str, Any]` says some, and branches that
    no type checker reads."""
    told: ast.AST | None = getattr(node, "annotation", None) or getattr(node, "returns", None)
    if told and re.fullmatch(_ANY_TYPE, ast.unparse(told).strip("'\"")):
        return told
    if isinstance(node, ast.If) and re.fullmatch(
        r"not (\w+\.)?TYPE_CHECKING", ast.unparse(node.test)
    ):
        return node.test
    renames = isinstance(node, ast.alias) and node.name == "Any" and node.asname
    named = ast.unparse(node.value) if isinstance(node, ast.Assign) else ""
    return node if renames or re.fullmatch(_ANY_TYPE, named) else None


def _claim(node: ast.AST, stood: Collection[str] | None) -> ast.AST | None:
    """`cast(User, x)`, `getattr(x, "name")`, and `return json.loads(json.dumps(x))`, of `stood`."""
    call = node.value if isinstance(node, ast.Return) else node
    if not (isinstance(call, ast.Call) and call.args):
        return None
    called, said = ast.unparse(call.func), [ast.unparse(argument) for argument in call.args]
    told: set[str] = set()
    if called in _CASTS:
        told = {said[-1]}
    elif called == "getattr" and len(said) == 2 and (name := _name(call.args[1])):
        told = {f"{said[0]}.{name}", name}  # what another name gives is any type
    elif (
        call is not node
        and (within := re.fullmatch(r"\w+\.dumps\((.*)\)", said[0]))
        and "loads" in called
    ):
        told = {within[1]}
    return call if told and (stood is None or told & {*stood}) else None


def _name(node: ast.AST) -> str:
    text = node.value if isinstance(node, ast.Constant) else ""
    plain = isinstance(text, str) and text.isidentifier() and not keyword.iskeyword(text)
    return str(text) if plain else ""
