"""What counts as a number in a measurement: finite, and written plainly. All else is an error.

Where the number stands is not known here.
"""

from __future__ import annotations

import math
import re

NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")


class MetricError(Exception):
    """The output holds no trustworthy number; `str(error)` is the journal's reason cell.

    Not an `AutoresearchError`: a candidate without a number is a row, and the run goes on.
    """


def parse_number(text: str) -> float:
    """A finite number in plain ASCII: sign, digits, fraction, exponent, and nothing else.

    Raises `MetricError` for `nan`, `inf`, `1e400`, `1,234.5`, `1_000`, `0x1F`, `١٢`, and ``.
    """
    if len(text) > 1000 or not NUMBER.fullmatch(text):
        raise MetricError(f"{_shown(text)} is not a plain finite number")
    value = float(text)
    if not math.isfinite(value):
        raise MetricError(f"{_shown(text)} is too large for a number")
    return value


def _shown(text: str) -> str:
    return ascii(text if len(text) <= 40 else text[:39] + "…")
