"""What makes a gain hard to believe. Such a gain may be real, so nothing is refused here.

A page can get from 1,100 to 67 ms. But most that gets better more than tenfold, gives the
same number to the last digit where it used to vary, ends before its last words or prints the
metric's line has found a way around the work. Whoever can tell is a guard or a holdout; where
there is none, people must look, and no further change may build upon it. A guard of which no test
is seen cannot tell that it was ended before it began.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from statistics import median

from autoresearch_ci.decide.gaming import ENDS, RUNS_TESTS, Ruler
from autoresearch_ci.decide.metric import noise
from autoresearch_ci.decide.metric.run_statistics import DecisionRuns, RunStatistics, Side, percent
from autoresearch_ci.decide.metric.taken_back import standing
from autoresearch_ci.experiment import HARD_TO_BELIEVE, Direction, Experiment

_TOO_GOOD = 0.9
"""Share of a number beyond which what it lost, or what it had not before, asks for a witness."""
_COINCIDENCE = 0.05
"""Chance of equal values up to which they are none."""


def is_too_good(gain: float, before: float, after: float) -> bool:
    """Whether a relative gain asks for a witness by its size: more than tenfold, either way.

    From 10 to 1 is a gain of 90 %, from 1 to 10 one of 900 %, and neither is likelier.
    """
    grows = gain > 0 and before * after > 0 and abs(after) > abs(before)
    return (gain / (1 + gain) if grows else gain) > _TOO_GOOD


def too_good(gain: float, before: float, after: float) -> list[str]:
    """The sign that a relative gain is by its size."""
    return [f"a gain of {percent(gain)}"] if is_too_good(gain, before, after) else []


def unlikely_numbers(
    evidence: DecisionRuns, session: RunStatistics, direction: Direction
) -> list[str]:
    """What is odd about the numbers of a candidate that would be kept."""
    own = evidence.values(Side.CANDIDATE)
    beside = evidence.values(Side.INCUMBENT)
    before, after = median(beside or session.incumbent), median(own)
    gain = noise.gain(noise.difference(direction, before, after), before, after)
    signs = too_good(gain, before, after)
    if not session.deterministic and _is_no_coincidence(own, (*session.incumbent, *beside)):
        signs.append(f"{len(own)} runs gave exactly {own[0]:g}, though the metric varies")
    return signs


def _is_no_coincidence(own: Sequence[float], others: Sequence[float]) -> bool:
    """Whether values that are all equal are hardly so by chance, as often as others are."""
    if not noise.exact(own) or len(set(others)) < 2:
        return False
    pairs = [first == second for first, second in combinations(others, 2)]
    return (sum(pairs) / len(pairs)) ** (len(own) - 1) <= _COINCIDENCE


def told_by_output(missing: Mapping[str, str]) -> list[str]:
    """Of what each role's command left out; of the holdout nothing more than that."""
    words = []
    for role, lack in sorted(missing.items(), reverse=True):
        if role == "holdout":
            words.append("the holdout printed less than on the unmodified code")
        else:
            who = "the metric command" if role == "metric" else "a guard"
            words.append(f"{who} {lack}")
    return words


# --- the metric's name in the text of a change ----------------------------------------------------

_TEXT = re.compile(
    r"""(?<![\w\\])[A-Za-z]{0,2}("(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`(?:[^`\\]|\\.)*`)"""
)
_PRINTING = re.compile(
    r"\b(?:f?print\w*|s?n?printf|f?puts|putStr\w*|echo|say|emit|write\w*|console|cout|cerr|log\w*"
    r"|Fprint\w*|Print\w*|std(?:out|err)|format|send|syscall|dprintf)\b"
)
_SHELL = re.compile(r"\b(?:echo|printf|print|say|cat)\b(.*)")
_COMMENT = re.compile(r"""\s*(?:#(?!!|\[|define|include)|//|/?\*|--|;|%|<!--|\"\"\"|''')""")
_BYTES_LIMIT = 2 * 2**20


def naming_lines(
    before: Mapping[str, bytes | None], after: Mapping[str, bytes | None], ruler: Ruler
) -> list[str]:
    """Places where a change prints, or looks like printing, what the ruler's number is found by.

    Both hold the same paths. What stood there before, in any of the files, is no news.
    """
    known: Counter[str] = Counter()
    for content in before.values():
        known.update(line.strip() for line in _lines(content))
    places = []
    for path, content in sorted(after.items()):
        for number, line in enumerate(_lines(content), start=1):
            if known[line.strip()] > 0:
                known[line.strip()] -= 1
            elif _names_it(line, ruler):
                places.append(f"{path}:{number}")
    return places


def _lines(content: bytes | None) -> Sequence[str]:
    if content is None or len(content) > _BYTES_LIMIT or b"\0" in content[:8000]:
        return ()
    return content.decode(errors="replace").split("\n")


def _names_it(line: str, ruler: Ruler) -> bool:
    if _COMMENT.match(line):
        return False
    texts = [match[1][1:-1] for match in _TEXT.finditer(line)]
    if not texts and (found := _SHELL.search(line)):
        texts = [found[1]]
    prints = _PRINTING.search(line) is not None
    for name in ruler.names:
        named = re.compile(rf"(?<![\w.]){re.escape(name)}(?![\w.])")
        if any(re.search(rf"{named.pattern}\s*[:=]", text) for text in texts):
            return True
        if prints and any(named.search(text) for text in texts):
            return True
    if any(key in texts for key in ruler.keys):
        return True
    return any(_holds(" ".join(texts), pieces) for pieces in map(_pieces, ruler.patterns))


def _pieces(pattern: str) -> list[str]:
    """What a regular expression asks for word by word."""
    plain = re.split(r"\(\?\w*[:=!<]|\\.|\[[^\]]*\]|[(){}*+?|^$.]", pattern)
    return [piece for piece in plain if len(piece.strip(" \t:=,")) >= 3]


def _holds(text: str, pieces: Sequence[str]) -> bool:
    return bool(pieces) and all(piece.strip() in text for piece in pieces)


# --- what follows ---------------------------------------------------------------------------------


def is_witness(guards: Iterable[str], metric_command: str) -> bool:
    """Whether one of the guards' commands runs by itself: what reads the metric's own output has
    seen no more than the metric."""
    return any(command != metric_command for command in guards)


def fools_guards(doubt: str) -> bool:
    """Whether code with these signs may let a command pass that has tested nothing: then only one
    speaks for it whose tests are seen, by name or in a report."""
    return ENDS in doubt or RUNS_TESTS in doubt


def doubt(signs: Sequence[str], *, vouched: bool) -> str:
    """The journal's cell. `vouched`: a guard or the holdout has seen it, and agrees."""
    words = "; ".join(signs)
    return words if vouched or not words else f"{HARD_TO_BELIEVE}{words}"


def no_witness(experiments: Sequence[Experiment], earlier: Sequence[Experiment] = ()) -> str:
    """Why nothing may build upon what was kept last; empty: it may.

    `earlier`: what earlier runs kept below the base, where no guard or holdout has seen that since.
    """
    kept = standing(experiments)
    last = (kept or earlier)[-1:]
    if not any(e.hard_to_believe for e in last):
        return ""
    whose = "" if kept else " of an earlier run"
    seen = " whose tests are seen" if fools_guards(last[0].doubt) else ""
    return (
        f"experiment {last[0].iteration}{whose} is hard to believe and no guard{seen} or holdout "
        "speaks for it, so nothing is built upon it; give one, and start a run"
    )
