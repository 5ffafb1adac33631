"""Which tests `make test` leaves out: `slow.txt`, written from a measured run of all of them.

    make slow    runs everything and writes the list anew

Of a function with variants all but the first are left out when that saves half a second, and none
of them is quick. Where the first alone takes seconds, or there are no variants, it is left out,
too: that is a property that `make test` does not look at at all.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from xml.etree import ElementTree

LIST = Path(__file__).with_name("slow.txt")
ALONE = 2.5
"""Seconds from which on a function is left out with its first variant: it is a property."""
VARIANTS, VARIANT = 0.5, 0.1
"""Seconds of all variants but the first, and of one on average, from which on they are."""
_WHOLE = "whole"


def listed() -> dict[str, bool]:
    """Slow functions, `tests/folder/test_file.py::test_name`; whether the first variant is, too."""
    rows = map(str.split, LIST.read_text(encoding="utf-8").splitlines())
    return {function: whole == [_WHOLE] for function, _, *whole in rows}


def function_of(test: str) -> str:
    """A test's name without its variant."""
    return test.partition("[")[0]


def slow_functions(reports: Iterable[str]) -> Iterable[tuple[str, float, bool]]:
    """From pytest's JUnit reports: functions, seconds saved, whether the first variant is slow."""
    seconds: dict[str, list[float]] = defaultdict(list)
    for case in (case for name in reports for case in ElementTree.parse(name).iter("testcase")):
        path = case.attrib["classname"].replace(".", "/") + ".py"
        seconds[f"{path}::{function_of(case.attrib['name'])}"].append(float(case.attrib["time"]))
    for function, (first, *others) in sorted(seconds.items()):
        whole, rest = first > ALONE, sum(others)
        if whole or rest > max(VARIANTS, VARIANT * len(others)):
            yield function, rest + first * whole, whole and bool(others)


if __name__ == "__main__":
    lines = [
        f"{function}  {saved:.0f}{f'  {_WHOLE}' * whole}\n"
        for function, saved, whole in slow_functions(sys.argv[1:])
    ]
    LIST.write_text("".join(lines), encoding="utf-8")
    print(f"{LIST}: {len(lines)} functions")
