"""What was raised, and where, read from the words of a test runner; what follows is not decided.

CORE: text in, values out. Known are pytest's ways to show a trace, those of Node, Rust's panics and
the lines of Go's tests. What is shown of one test is never mixed with what is shown of another.
"""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from autoresearch_ci.decide.failures.failure import Failure

SYSTEM = "(the system)"
"""Stands for the place of an error in whose form no program of its own writes one."""
_LIMIT = 400_000
"""Characters of an output that are looked at: its end."""


@dataclass(frozen=True, kw_only=True)
class Raised:
    """One error of a chain."""

    kind: str
    """Its type's own name, without its module; empty: not told."""
    words: str
    where: str = ""
    """The file in which it came up, as it was shown; empty: not told."""
    source: str = ""
    """The line there, as far as it was shown."""


@dataclass(frozen=True, kw_only=True)
class Trace:
    """What is known of one failure."""

    chain: tuple[Raised, ...]
    """The first cause first, what the test ended with last; never empty."""
    section: str = ""
    """All that was shown of it; empty: nothing beside its message."""

    @property
    def last(self) -> Raised:
        return self.chain[-1]


def trace_of(failure: Failure, output: str) -> Trace:
    """From the message, and from what the output shows of this failure and no other."""
    python, output = failure.tool in ("pytest", "junit", "unittest"), _plain(output)
    section = _section(failure, output) if python else ""
    if chain := _python_chain(section):
        return Trace(chain=chain, section=section)
    *first, last = _of_message(failure.message)
    if not last.where and python:
        last = replace(last, where=_place(failure.message, output))
    if not last.kind and re.fullmatch(r"(\w+\.)+\w+", failure.code):
        last = replace(last, kind=failure.code.rpartition(".")[2])
    return Trace(chain=(*first, last), section=section)


_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


@functools.lru_cache(maxsize=2)  # all failures of a run are looked up in one output
def _plain(output: str) -> str:
    return _COLOUR.sub("", output[-_LIMIT:])


def places(text: str) -> list[tuple[str, int]]:
    """Files and lines that a trace names, in its order, each once."""
    found = (
        (match["quoted"] or match["plain"], int(match["line"] or match["at"]))
        for match in _PLACE.finditer(text[:_LIMIT])
    )
    return list(dict.fromkeys(found))


_PLACE = re.compile(
    r'File "(?P<quoted>[^"\n]{1,300})", line (?P<line>\d{1,7})'
    r"|(?<![\w./-])(?:file://)?(?P<plain>[\w./@+-]{1,300}\.\w{1,5}):(?P<at>\d{1,7})\b"
)


# --- pytest ---------------------------------------------------------------------------------------

_TITLE = re.compile(
    r"(?m)^_+ (?:ERROR (?:at (?:setup|teardown) of|collecting) )?(?P<name>(?!_ )\S.*?) _+$"
    r"|^=+ (?:FAILURES|ERRORS|short test summary info|warnings summary|PASSES) =+$"
)
_CONFTEST = re.compile(r"(?m)^(?:ImportError|.*Error) while loading conftest '([^'\n]{1,400})'")


def _section(failure: Failure, output: str) -> str:
    """Of two with the same name, that which names the file."""
    test = failure.id.partition(":")[2]
    name = "." + test.removesuffix(" (loading)").replace("::", ".")
    bodies = [body for title, body in _sections(output) if name.endswith(f".{title}")]
    if len(bodies) == 1:
        return bodies[0]
    named = [body for body in bodies if failure.path and failure.path in body]
    if len(named) == 1:
        return named[0]
    conftest = next(
        (m for m in _CONFTEST.finditer(output) if failure.path and m[1].endswith(failure.path)),
        None,
    )
    return output[conftest.end() :] if conftest and not bodies else ""


@functools.lru_cache(maxsize=2)
def _sections(output: str) -> tuple[tuple[str, str], ...]:
    """Title and body of each."""
    titles = list(_TITLE.finditer(output))
    return tuple(
        (title["name"], output[title.end() : after.start() if after else None])
        for title, after in itertools.zip_longest(titles, titles[1:])
        if title["name"]
    )


_CHAINED = re.compile(
    r"(?m)^(?:During handling of the above exception, another exception occurred"
    r"|The above exception was the direct cause of the following exception):$"
)
_FRAME = re.compile(
    r'^(?:  File "(?P<native>[^"\n]+)", line \d+|(?P<path>[^\s:][^:\n]*):\d+:(?: |$))'
)
_RAISED = re.compile(r"(?P<kind>(?:\w+\.)*[A-Za-z_]\w*)(?:: (?P<words>.*))?$", re.DOTALL)
_CAPTURED = re.compile(r"(?m)^-+ Captured \w+ \w+ -+$")


@functools.lru_cache(maxsize=512)  # of what stays broken, the same is shown again
def _python_chain(section: str) -> tuple[Raised, ...]:
    return tuple(_links(section))


def _links(section: str) -> Iterator[Raised]:
    body = _CAPTURED.split(section, maxsplit=1)[0]
    for link in _CHAINED.split(body):
        told, unread = _words(link)
        if told:
            where, source = _innermost(link)
            yield replace(_raised(told), where=unread or where, source="" if unread else source)


def _words(link: str) -> tuple[str, str]:
    """Of the last block of lines that pytest marks with an E, or of Python's own last line; and
    the file that could not be parsed, where that is what they say."""
    lines = link.splitlines()
    block: list[str] = []
    for before, line in itertools.pairwise(["", *lines]):
        if line.startswith("E  "):
            block = [*block, line[1:].strip()] if before.startswith("E  ") else [line[1:].strip()]
    if block and (unread := re.match(r'File "([^"]+)"', block[0])):
        return block[-1], unread[1]
    if block:
        return "\n".join(block), ""
    plain = [line for line in lines if re.match(r"(\w+\.)*\w*[A-Z]\w+(: |$)", line)]
    return plain[-1] if plain else "", ""


def _innermost(link: str) -> tuple[str, str]:
    where = source = marked = ""
    lines = link.splitlines()
    for line, following in itertools.zip_longest(lines, lines[1:], fillvalue=""):
        if line.startswith(">  "):
            marked = line[1:].strip()
        elif found := _FRAME.match(line):
            where = found["native"] or found["path"]
            shown = bool(found["native"]) or ": in " in line
            source = following.strip() if shown else marked
    return where, "" if source == "???" else source


def _raised(told: str) -> Raised:
    found = _RAISED.match(told)
    if told.startswith("assert ") or not found:
        return Raised(kind="AssertionError" if told.startswith("assert ") else "", words=told)
    return Raised(kind=found["kind"].rpartition(".")[2], words=found["words"] or "")


def _place(message: str, output: str) -> str:
    """The file that `--tb=line` names before the message; empty where it names several."""
    first = message.partition("\n")[0].strip()
    if not first:
        return ""
    found = re.findall(rf"(?m)^([^\s:][^:\n]*):\d+: {re.escape(first)}$", output)
    return str(found[0]) if len(set(found)) == 1 else ""


# --- What a message holds by itself ---------------------------------------------------------------

_SETUP = re.compile(r'^failed on (?:setup|teardown) with "(?P<words>.*?)"?$', re.DOTALL)
_PANIC = re.compile(r"^thread '[^\n]*panicked at [^\n]*:\n(?P<words>.*)$", re.DOTALL)
_UNWRAPPED = re.compile(
    r"(?:`Err` value: |: )(?:\w+\()*(?P<words>(?:Os|Custom) \{.*|NotPresent\b.*)$"
)
_GO = re.compile(r"^\s*[\w./-]+\.go:\d+: (?P<words>.*)$", re.DOTALL)
_NODE_FRAME = re.compile(
    r"(?m)^\s+at (?:[^\n]*?\()?(?:file://)?(?P<path>[^\s():]+(?::[^\s():]+)*?):\d+:\d+\)?$"
)
_NODE_CAUSE = re.compile(r"(?m)^\s*(?:\[cause\]|Caused by): (?P<rest>.*)", re.DOTALL)


def _of_message(message: str) -> tuple[Raised, ...]:
    if panic := _PANIC.match(message):
        return (_of_panic(panic["words"]),)
    if line := _GO.match(message):
        return (Raised(kind="", words=line["words"].strip(), where=SYSTEM),)
    setup = _SETUP.match(message)
    message = setup["words"] if setup else message
    cause = _NODE_CAUSE.search(message)
    last = _of_node(message[: cause.start()] if cause else message)
    return (_of_node(cause["rest"]), last) if cause else (last,)


def _of_panic(words: str) -> Raised:
    first = words.partition("\n")[0]
    if words.startswith("assertion "):
        return Raised(kind="AssertionError", words=words)
    found = _UNWRAPPED.search(first)
    if found:
        return Raised(kind="Err", words=found["words"], where=SYSTEM)
    return Raised(kind="panic", words=words)


def _of_node(message: str) -> Raised:
    frame = _NODE_FRAME.search(message)
    words = message[: frame.start()] if frame else message
    return replace(_raised(words.strip()), where=frame["path"] if frame else "")
