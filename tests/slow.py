"""Which tests `make test` leaves out: `slow.txt`, written from a measured run of all of them.

    make slow    runs everything and writes the list anew

Of a function with variants all but the first are left out when that saves half a second, and none
of them is quick. A function without is a property that `make test` does not look at at all.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from xml.etree import ElementTree

LIST = Path(__file__).with_name("slow.txt")
ALONE = 2.5
"""Seconds from which on a function without variants is left out: it is a property of its own."""
VARIANTS, VARIANT = 0.5, 0.1
"""Seconds of all variants but the first, and of one on average, from which on they are."""


def listed() -> frozenset[str]:
    """Slow functions, as `tests/folder/test_file.py::test_name`; what follows is for readers."""
    return frozenset(line.split()[0] for line in LIST.read_text(encoding="utf-8").splitlines())


def function_of(test: str) -> str:
    """A test's name without its variant."""
    return test.partition("[")[0]


def slow_functions(reports: Iterable[str]) -> Iterable[tuple[str, float]]:
    """From pytest's JUnit reports: functions, and the seconds that leaving out saves."""
    seconds: dict[str, list[float]] = defaultdict(list)
    for case in (case for name in reports for case in ElementTree.parse(name).iter("testcase")):
        path = case.attrib["classname"].replace(".", "/") + ".py"
        seconds[f"{path}::{function_of(case.attrib['name'])}"].append(float(case.attrib["time"]))
    for function, (first, *others) in sorted(seconds.items()):
        saved = sum(others) if others else first
        if saved > (max(VARIANTS, VARIANT * len(others)) if others else ALONE):
            yield function, saved


if __name__ == "__main__":
    lines = [f"{function}  {saved:.0f}\n" for function, saved in slow_functions(sys.argv[1:])]
    LIST.write_text("".join(lines), encoding="utf-8")
    print(f"{LIST}: {len(lines)} functions")
