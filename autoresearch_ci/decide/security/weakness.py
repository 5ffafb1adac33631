"""A weakness: what a scanner or a model says is insecure at a place, and when two are one.

CORE: values in, values out. Who looks is measure/scanners/' business or a model's, what a gate
makes of it gate.py's. How the words of each tool become a severity is one table,
severities.py.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from autoresearch_ci.decide.investigation.finding import Evidence, enclosing
from autoresearch_ci.decide.line_map import is_disputed, lines_of
from autoresearch_ci.experiment import RankedWord, ReadText

MODEL = "model"
"""The source of what no tool has told."""
PLACE_LINES = 20
"""What a tool marks beyond so many lines (a whole job, a whole class) is no place any more: only
its first lines are."""
IMPORTS = frozenset(f"bandit/B{number}" for number in range(403, 411))
"""Rules that tell of an import, of which other rules of the same kind tell the uses."""
QUOTE_LINES = 6
"""Of what is marked, the lines that tell one weakness from another."""
QUOTE_LIMIT = 1_000
"""Characters of them that are shown; all of them count."""


class Severity(RankedWord):
    """How bad it would be, worst first."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"
    INFO = "info"

    def reaches(self, threshold: Severity) -> bool:
        """Whether it is as bad as that, or worse."""
        return self.rank <= threshold.rank


class Confidence(RankedWord):
    """How sure is who says so, surest first."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


@dataclass(frozen=True, kw_only=True)
class Weakness:
    """One thing that is insecure."""

    rule: str
    """Who names it and how: `bandit/B602`, `model/sql-injection`."""
    path: str
    """Relative to the repository's root; empty: of no file."""
    line: int = 0
    """1-based; 0: not told."""
    end_line: int = 0
    """Of what is marked, the last one; 0: that line alone."""
    severity: Severity
    confidence: Confidence = Confidence.MEDIUM
    title: str
    """What is wrong, in a line."""
    why: str = ""
    """Why that is bad: what somebody could do with it."""
    fix: str = ""
    """What to do instead."""
    cwe: int = 0
    """Number in the Common Weakness Enumeration; 0: unknown."""
    owasp: str = ""
    """Category of the OWASP Top 10, `A03:2021`; empty: none is known."""
    stride: str = ""
    """Some letters of STRIDE; empty: none is known."""
    evidence: tuple[Evidence, ...] = ()
    """What code has checked at the commit."""
    key: str = field(default="", repr=False)
    """What its tool knows it by, besides the rule: of a secret a hash, of a dependency its name and
    the advisory. Told to nobody."""
    fingerprint: str = ""
    """The same as long as it is the same thing: no line number in it; see `identified`."""
    same: tuple[str, ...] = ()
    """Fingerprints of all that were merged into it, its own first."""
    sources: tuple[str, ...] = ()
    """Tools that say so, or `model`."""
    status: str = "open"
    """`open fixed disproven blocked accepted unknown`."""
    answer: str = ""
    """What a model made of it, where a scanner told it: `refuted: why`; empty: nobody was asked."""
    role: str = ""
    """Who looked; empty: nobody in particular."""

    @property
    def family(self) -> str:
        """What kind it is, in a word that tools agree on: the name of its CWE's family."""
        found = family_of(self.cwe)
        return found.name if found else (f"CWE-{self.cwe}" if self.cwe else self.rule)

    @property
    def last_line(self) -> int:
        """Of its place; see `PLACE_LINES`."""
        return min(max(self.line, self.end_line), self.line + PLACE_LINES - 1)

    @property
    def fingerprints(self) -> tuple[str, ...]:
        """All under which it may be known."""
        return self.same or tuple(filter(None, (self.fingerprint,)))


def worst_first(weaknesses: Iterable[Weakness]) -> list[Weakness]:
    """By severity, then by how sure it is, then by place."""
    return sorted(
        weaknesses, key=lambda w: (w.severity.rank, w.confidence.rank, w.path, w.line, w.rule)
    )


# --- Kinds ----------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Family:
    """Weaknesses that tools file under different numbers, and that one repair ends."""

    name: str
    cwes: frozenset[int]
    """The first to be named, then those that it is also called."""
    owasp: tuple[str, str]
    """Categories of 2021 and of 2025."""
    stride: str
    """Letters."""


def _family(name: str, cwes: Collection[int], of_2021: str, of_2025: str, stride: str) -> Family:
    owasp = (f"{of_2021}:2021", f"{of_2025}:2025")
    return Family(name=name, cwes=frozenset(cwes), owasp=owasp, stride=stride)


FAMILIES: tuple[Family, ...] = (
    _family("sql injection", (89, 564, 943), "A03", "A05", "TIE"),
    _family("command injection", (78, 77, 88), "A03", "A05", "TE"),
    _family("code injection", (94, 95, 96, 913, 1336, 470), "A03", "A05", "TE"),
    _family("cross-site scripting", (79, 80, 83, 87, 116), "A03", "A05", "TI"),
    _family("prompt injection", (1427, 1039), "A03", "A05", "TE"),
    _family("other injection", (74, 90, 91, 93, 113, 117, 643, 917), "A03", "A05", "T"),
    _family("path traversal", (22, 23, 36, 59, 73, 99), "A01", "A01", "TI"),
    _family("request forgery by the server", (918,), "A10", "A01", "I"),
    _family("request forgery by a browser", (352,), "A01", "A01", "S"),
    _family("open redirect", (601,), "A01", "A01", "S"),
    _family("unsafe deserialisation", (502, 915, 1321), "A08", "A08", "TE"),
    _family("external entities", (611, 776, 827), "A05", "A02", "ID"),
    _family("a secret in the code", (798, 259, 260, 312, 321, 522, 540, 547), "A07", "A07", "SI"),
    _family("weak cryptography", (327, 326, 328, 916, 759, 760, 780, 310), "A02", "A04", "I"),
    _family("predictable randomness", (330, 331, 335, 337, 338), "A02", "A04", "S"),
    _family("unprotected transport", (295, 297, 319, 322, 523, 300), "A02", "A04", "SI"),
    _family("missing authorisation", (284, 285, 639, 862, 863), "A01", "A01", "E"),
    _family("missing authentication", (287, 306, 346, 347, 384, 613), "A07", "A07", "S"),
    _family("too many permissions", (732, 276, 272, 266, 668, 250, 269, 275), "A01", "A01", "E"),
    _family("exposed information", (200, 201, 209, 215, 489, 497, 532, 538), "A01", "A01", "I"),
    _family("unsafe temporary file", (377, 378, 379, 367), "A01", "A01", "TI"),
    _family("vulnerable dependency", (1104, 1035, 937, 1395), "A06", "A03", "TIDE"),
    _family("untrusted supply", (829, 494, 1357, 426, 427, 506, 353), "A08", "A03", "TE"),
    _family("denial of service", (400, 770, 1333, 409, 674, 834), "A04", "A06", "D"),
    _family("memory safety", (119, 120, 121, 122, 125, 787, 416, 415, 476), "A04", "A06", "TDE"),
    _family("ignored failure", (703, 390, 391, 252, 755, 754, 617), "A09", "A10", "RD"),
    _family("exposed interface", (605, 1327), "A05", "A02", "I"),
    _family("unsafe cookie or header", (614, 1004, 1021, 942, 1275), "A05", "A02", "SI"),
    _family("unchecked input", (20, 1284, 129), "A03", "A05", "T"),
)


def family_of(cwe: int) -> Family | None:
    """The one that a CWE belongs to; `None`: no table of ours knows it."""
    return _OF_CWE.get(cwe)


_OF_CWE = {cwe: family for family in FAMILIES for cwe in family.cwes}


def classified(weakness: Weakness) -> Weakness:
    """With the categories of OWASP and STRIDE that its CWE stands for, where it has none."""
    family = family_of(weakness.cwe)
    if family is None:
        return weakness
    return replace(
        weakness,
        owasp=weakness.owasp or family.owasp[0],
        stride=weakness.stride or family.stride,
    )


# --- What stays the same when lines move ----------------------------------------------------------


def fingerprint(rule: str, path: str, place: str, quote: str, number: int = 1) -> str:
    """Of a weakness: no line number in it. `place`: what encloses it; `number`: which of several
    that are alike.

    Of the quote only blanks are dropped. A number in it counts: `chmod 777` is not `chmod 700`.
    """
    words = "\0".join((rule, path, place, " ".join(quote.split()), str(number)))
    return hashlib.sha256(words.encode(errors="replace")).hexdigest()[:16]


def identified(weaknesses: Iterable[Weakness], read: ReadText) -> tuple[Weakness, ...]:
    """With fingerprints, and with the lines that are marked as evidence, as they stand there.

    Where tools count lines differently, the whole file is part of the fingerprint: a number may
    lead to words that somebody has put there to be taken for those of an older weakness.
    """
    seen = Counter[tuple[str, ...]]()
    path, content, whole = "", "", ""
    found = []
    for weakness in sorted(weaknesses, key=lambda w: (w.path, w.line, w.end_line, w.rule, w.title)):
        if weakness.path != path:
            path, content = weakness.path, read(weakness.path) or ""
            whole = content if is_disputed(content) else ""
        quote = quoted(content, weakness.line, weakness.end_line)
        place = enclosing(weakness.path, content, weakness.line) if quote else ""
        told = quote or weakness.key or weakness.title
        key = (weakness.rule, weakness.path, place, " ".join(told.split()))
        seen[key] += 1
        evidence = weakness.evidence
        if quote and not evidence:
            evidence = (Evidence(kind="quote", path=weakness.path, line=weakness.line, text=quote),)
        words = f"{told}\0{whole}" if whole else told
        name = fingerprint(weakness.rule, weakness.path, place, words, seen[key])
        found.append(replace(classified(weakness), fingerprint=name, evidence=evidence))
    return tuple(found)


def quoted(content: str, line: int, end_line: int = 0) -> str:
    """The lines that are marked, at most `QUOTE_LINES`; empty: they are not there."""
    if line < 1:
        return ""
    lines = lines_of(content)
    return "\n".join(lines[line - 1 : min(max(line, end_line), line + QUOTE_LINES - 1)]).strip("\n")


# --- One of several -------------------------------------------------------------------------------


def merge(weaknesses: Iterable[Weakness]) -> tuple[Weakness, ...]:
    """What tools say of the same place and the same kind becomes one, worst first.

    It keeps the highest severity, the surest word and all sources; who says it worst is quoted.
    """
    groups = defaultdict[tuple[str, str], list[Weakness]](list)
    for weakness in weaknesses:
        groups[weakness.path, weakness.family].append(weakness)
    return tuple(worst_first(one for group in groups.values() for one in _merged(group)))


def _merged(group: Sequence[Weakness]) -> Iterator[Weakness]:
    """Of one file and kind. Without a line only what is told word for word is the same."""
    placed = sorted((w for w in group if w.line), key=lambda w: (w.line, w.last_line))
    uses = [w for w in placed if w.rule not in IMPORTS]
    bundles: list[list[Weakness]] = []
    for weakness in uses or placed:
        if bundles and _alike(bundles[-1], weakness):
            bundles[-1].append(weakness)
        else:
            bundles.append([weakness])
    if uses:  # that a module is imported is a part of how it is used
        bundles[0] += [w for w in placed if w.rule in IMPORTS]
    yield from map(_one, bundles)
    unplaced = defaultdict[tuple[str, str], list[Weakness]](list)
    for weakness in group:
        if not weakness.line:
            unplaced[weakness.rule, weakness.title].append(weakness)
    yield from map(_one, unplaced.values())


def _alike(bundle: Sequence[Weakness], weakness: Weakness) -> bool:
    """Whether it lies where those do. What one tool tells apart is not one: it counted twice."""
    if weakness.line > max(w.last_line for w in bundle):
        return False
    own = {(w.rule, w.line) for w in bundle}
    return not any(rule == weakness.rule and line != weakness.line for rule, line in own)


def _one(bundle: Sequence[Weakness]) -> Weakness:
    worst = worst_first(bundle)
    first = worst[0]
    prints = dict.fromkeys(name for w in worst for name in w.fingerprints)
    return replace(
        first,
        confidence=min((w.confidence for w in worst), key=lambda c: c.rank),
        cwe=first.cwe or next((w.cwe for w in worst if w.cwe), 0),
        why=first.why or next((w.why for w in worst if w.why), ""),
        fix=first.fix or next((w.fix for w in worst if w.fix), ""),
        answer="; ".join(dict.fromkeys(w.answer for w in worst if w.answer)),
        evidence=tuple(dict.fromkeys(piece for w in worst for piece in w.evidence)),
        same=tuple(prints),
        sources=tuple(sorted({source for w in worst for source in w.sources})),
    )
