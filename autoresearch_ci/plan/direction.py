"""Which way a number is better, by what it is called or what is asked for; pure."""

from __future__ import annotations

import re

_LOWER = re.compile(
    r"\b(lower\w*|minimi[sz]\w*|small\w*|few\w*|less|min|reduc\w*|decreas\w*|cut|shrink|shorten)\b",
    re.I,
)
_HIGHER = re.compile(r"\b(higher|maximi[sz]\w*|larg\w*|more|max|rais\w*|increas\w*|grow)\b", re.I)
_COST = (
    r"(seconds|secs?|ms|ns|us|time|bytes|[kmg]i?b|memory|rss|size|loss|bpb|perplexity|errors?"
    r"|warnings|failures|failed|latency|p\d\d|steps|allocs)"
)
_COSTS = re.compile(rf"(^|_){_COST}(_|$)|(?<=[a-z])(Ms|Time|Bytes|Latency)$")
_IS_COST = re.compile(rf"(^|_){_COST}$")
_RATE = re.compile(r"per_(s|ms|sec|second|min|minute)\b|/s$", re.I)
_GAINS = re.compile(
    r"(^|_)(ops|qps|rps|mfu)|throughput|score|accuracy|bandwidth|recall|precision|speedup", re.I
)


def in_words(words: str) -> str:
    """`minimize`, `maximize`, or nothing where they do not say it."""
    if _LOWER.search(words):
        return "minimize"
    return "maximize" if _HIGHER.search(words) else ""


def direction_of(name: str, goal: str = "") -> str:
    """Which way a number of this name is better, else what the goal says; empty: neither does."""
    if _RATE.search(name) or (_GAINS.search(name) and not _IS_COST.search(name)):
        return "maximize"
    return "minimize" if _COSTS.search(name) else in_words(goal)
