"""What benchmark tools print -> the time of one operation, whatever the unit; pure.

Rates become times, and repeated runs of one benchmark, as of `go test -count`, their median. Over
several benchmarks the mean is geometric, so that twice as fast counts the same in each.
"""

from __future__ import annotations

import math
import re
import statistics
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

_UNITS = {"ns": 1.0, "us": 1e3, "µs": 1e3, "μs": 1e3, "ms": 1e6, "s": 1e9}
_UNITS |= {"nsec": 1.0, "usec": 1e3, "msec": 1e6, "sec": 1e9}
_NUMBER = r"(?:[1-9]\d{0,2}(?:,\d{3})+|\d+(?![\d,]))\.?\d*(?:e[+-]?\d+)?"
"""A comma parts thousands; before decimals, as some languages have it, it makes no number."""
_TIME = rf"(?<![\d,.])(?P<value>{_NUMBER}) *(?P<unit>[nuµμm]?s(?:ec)?)\b"
_PER = r" ?/ ?(?P<per>[nuµμm]?s)(?:ec|econd)?\b"
_RATE = rf"(?P<rate>{_NUMBER})\s+ops{_PER}"
_LINES = tuple(
    re.compile(text)
    for text in (
        rf"^(?P<pooled>Benchmark\S*)\s+\d+\s+{_TIME}/op",  # go test
        rf"^test (?P<name>.+?) +\.\.\. bench: +{_TIME}/iter",  # libtest; Criterion as bencher
        r"^(?P<name>.*?)\s*time: +\[\S+ \S+ (?P<value>[\d.]+) (?P<unit>[nuµμm]?s) ",  # Criterion
        rf"^[│\s├╰─]+(?P<name>\S.*?) +(?:[\d.]+ [nuµμm]?s +│ +){{2}}{_TIME} +│",  # divan's median
        rf"^(?P<name>.*?):? *Mean \+- std dev: {_TIME}",  # pyperf
        rf"^(?P<name>)\s*\d+ loops?, best of \d+: {_TIME} per loop",  # timeit
        rf"^\s*Time \(mean ± σ\): +{_TIME}(?P<name>)",  # hyperfine
        rf"^(?P<pooled>BM_\S+|\S+/\S+|\w+) +\d[\d.e+]* [nuµm]?s +{_TIME} +\d+(?:\s|$)",  # Google's
        rf"^\S*\[ *\d+\.\d+%\] ·+ (?P<name>\S+) +{_TIME}",  # asv
        r"^(?P<name>\S+) +(?:avgt|sample|ss) +\d+ +(?P<value>[\d.]+) *(?P<unit>[nuµm]?s)/op",
        r"^(?P<name>\S+) +thrpt +\d+ +(?P<rate>[\d.]+) +ops/(?P<per>[nuµm]?s)$",
        rf"^(?P<name>.*?)\s+{_TIME}/iter\b",  # mitata, deno bench
        rf"^\s+(?P<name>)(?P<rate>\d{{1,3}}(?: \d{{3}})*) ops{_PER}",  # benny
        rf"^(?P<name>(?!.* thrpt )[^±]*?)(?: x|:)?\s+{_RATE}",  # benchmark.js, tinybench by hand
        r"^\s+[·✓] (?P<name>\S.*?) +(?P<rate>[\d,]+\.\d+)(?: +[\d,.]+){7} ",  # vitest bench
    )
)
_ALLOCATED = re.compile(r"(?m)^Benchmark\S*\s.*\s(\d+) B/op\b")
_UNREAD = re.compile(
    r"\bERROR OCCURRED\b|^\S*\[ *\d+\.\d+%\] ·+ \S+ +(?:ok|failed|n/a|\d+/\d+ failed)\s*$"
    r"|(?:^|\s)\d+\s+[\d.,]+ ns/op\b|^[^\s:]+\s(?:.*\s)?(?:avgt|sample|ss) +(?:\d+ +)?\S.*/op\s*$"
    r"|^\S.*?\s{2,}error: "
)
"""What stands for a benchmark of which no number can be read: it failed, or has several."""
_TABLE = re.compile(r"\S*\[ *\d+\.\d+%\] ·+ (\S+) +ok\s*$")
_CELL = re.compile(r"([\d.]+)±[\d.]+([nuµμm]?s)\b")
_NO_TIME = re.compile(r"(?:^|\.)(?:track|mem|peakmem)_")
"""By which asv knows benchmarks that count something else."""
_AGGREGATE = re.compile(r"(.+)_(?:mean|median|stddev)")
_ERROR = re.compile(r" ?± *[\d.]+(?= *(?:[nuµμm]?s\b|ops/))")
_THIN = re.compile(r"(?<=\d)[\u00a0\u2009\u202f](?=\d{3})")
"""A blank that parts thousands, and no words."""
_CODES = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")
_JSON_NAME = re.compile(r'"(?:fullname|command)":\s*"((?:[^"\\]|\\.)*)"')
_JSON_MEDIAN = re.compile(r'"median":\s*([\d.]+(?:e[+-]?\d+)?)')


@dataclass(frozen=True, kw_only=True)
class Results:
    """Of one run of everything."""

    nanoseconds: float
    """Of one operation: the geometric mean over benchmarks."""
    results: int
    """Lines that told one."""
    bytes_per_op: float | None = None
    """That one operation allocates, where each line of `go test -benchmem` tells it: likewise, of
    one byte more, as many allocate nothing."""


def results(output: str, only: str = "") -> Results:
    """`only`: a word that names of benchmarks have that count, where others are compared with.

    Raises `ValueError` where nothing is told, or a time that cannot be.
    """
    found: dict[str, list[float]] = {}
    for name, value in _told(_THIN.sub(",", _CODES.sub("", output))):
        if only in name:
            if not (0 < value < math.inf):
                raise ValueError(f"{name.strip() or 'a benchmark'} takes {value:g} ns")
            found.setdefault(name, []).append(value)
    found = {name: values for name, values in found.items() if not _is_repeated(name, found)}
    if not found:
        named = f" of {only!r}" if only else ""
        raise ValueError(f"no result{named} in a form that is known of a benchmark tool")
    times = [statistics.median(values) for values in found.values()]
    count = sum(map(len, found.values()))
    allocated = [math.log1p(int(told)) for told in _ALLOCATED.findall(output)]
    return Results(
        nanoseconds=statistics.geometric_mean(times),
        results=count,
        bytes_per_op=math.expm1(statistics.fmean(allocated)) if len(allocated) == count else None,
    )


def _told(output: str) -> Iterator[tuple[str, float]]:
    """Names of their own but for a tool's own repetitions, and nanoseconds."""
    names = [name.replace("\\", "") for name in _JSON_NAME.findall(output)]
    medians = [float(text) * 1e9 for text in _JSON_MEDIAN.findall(output)]
    if names and len(names) == len(medians):  # pytest-benchmark, hyperfine: seconds
        yield from zip(names, medians, strict=True)
        return
    header: Sequence[str] = ()
    package = ""
    for number, line in enumerate(_without_tables(output.splitlines())):
        cells = [cell.strip(" '") for cell in line.strip().strip("│|").split("│")]
        if len(cells) > 2 and any(re.search(r"ops/s|\((ns|ms)\)", cell) for cell in cells):
            header = cells
        elif header and len(cells) == len(header):
            yield _of_table(header, cells, number)
        elif match := _match(_ERROR.sub("", line)):
            groups = match.groupdict()
            pooled = groups.get("pooled")
            name = f"{package}{pooled}" if pooled else f"{groups.get('name') or ''} {number}"
            yield name, _nanoseconds(groups)
        elif line.startswith("pkg: "):
            package = f"{line[5:].strip()} "
        elif _UNREAD.search(line):
            raise ValueError(f"no number can be read in {line.strip()[:200]!r}")


def _without_tables(lines: Iterable[str]) -> Iterator[str]:
    """What asv tells of a benchmark with parameters, as if each had one of its own."""
    unread = name = ""
    for line in lines:
        if match := _TABLE.match(line):
            yield unread
            name = match[1]
            unread = "" if _NO_TIME.search(name) else line
        elif name and line.startswith("     "):
            if "failed" in line:
                yield f"[0.00%] ·· {name} failed"
            for value, unit in _CELL.findall(line):
                unread = ""
                yield f"[0.00%] ·· {name} {value}{unit}"
        else:
            yield line
    yield unread


def _is_repeated(name: str, found: Collection[str]) -> bool:
    """Whether Google's library tells it besides of repetitions, or how much they differ."""
    match = _AGGREGATE.fullmatch(name)
    if match is None or f"{match[1]}_stddev" not in found:
        return False
    return match[1] in found or not name.endswith("_median")


def _match(line: str) -> re.Match[str] | None:
    return next((match for pattern in _LINES if (match := pattern.search(line))), None)


def _of_table(header: Sequence[str], cells: Sequence[str], number: int) -> tuple[str, float]:
    """A row that `console.table` made of tinybench's results."""
    named = next((at for at, head in enumerate(header) if "ame" in head), 1)
    wanted = (r"med.*\((ns|ms)\)", r"\((ns|ms)\)", "ops/s")
    at = min(
        (rank, place)
        for place, head in enumerate(header)
        for rank, pattern in enumerate(wanted)
        if re.search(pattern, head)
    )[1]
    first = re.match(r"[\d,. ]*\d", cells[at])
    value = float(re.sub(r"[, ]", "", first[0])) if first else 0.0
    unit = re.search(r"\((ns|ms)\)", header[at])
    rate = 1e9 / value if value else 0.0
    return f"{cells[named]} {number}", value * _UNITS[unit[1]] if unit else rate


def _nanoseconds(groups: dict[str, str | None]) -> float:
    if rate := groups.get("rate"):
        value = float(re.sub(r"[, ]", "", rate))
        return _UNITS[groups.get("per") or "s"] / value if value else 0.0
    return float((groups["value"] or "0").replace(",", "")) * _UNITS[groups["unit"] or "ns"]
