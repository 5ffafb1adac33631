"""Ten classic bugs of one line: the program, a test, the right line, and a wrong one that passes
the test's first case."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Bug:
    """One program."""

    code: str
    bug: str
    right: str
    wrong: str
    cases: tuple[tuple[str, str], ...]
    """(call, what it gives); the first holds with the wrong line, too."""
    hangs: bool = False


BUGS = {
    "bitcount": Bug(
        code="def bitcount(n):\n    count = 0\n    while n:\n        {}\n        count += 1\n"
        "    return count\n",
        bug="n ^= n - 1",
        right="n &= n - 1",
        wrong="n >>= 1",
        cases=(("bitcount(1)", "1"), ("bitcount(8)", "1"), ("bitcount(127)", "7")),
        hangs=True,
    ),
    "gcd": Bug(
        code="def gcd(a, b):\n    if b == 0:\n        return a\n    {}\n",
        bug="return gcd(a % b, b)",
        right="return gcd(b, a % b)",
        wrong="return b",
        cases=(("gcd(6, 3)", "3"), ("gcd(13, 7)", "1"), ("gcd(100, 35)", "5")),
    ),
    "find": Bug(
        code="def find(values, wanted):\n    low, high = 0, len(values)\n    while low < high:\n"
        "        middle = (low + high) // 2\n        if values[middle] == wanted:\n"
        "            return middle\n        if values[middle] < wanted:\n            {}\n"
        "        else:\n            high = middle\n    return -1\n",
        bug="low = middle",
        right="low = middle + 1",
        wrong="low = middle + 2",
        cases=(
            ("find([1, 3, 5], 5)", "-1 + 3"),
            ("find([1, 3], 4)", "-1"),
            ("find([2, 4, 8], 8)", "2"),
        ),
        hangs=True,
    ),
    "sieve": Bug(
        code="def sieve(top):\n    primes = []\n    for n in range(2, top + 1):\n        if {}:\n"
        "            primes.append(n)\n    return primes\n",
        bug="any(n % p > 0 for p in primes)",
        right="all(n % p > 0 for p in primes)",
        wrong="n % 2 or n == 2",
        cases=(("sieve(5)", "[2, 3, 5]"), ("sieve(10)", "[2, 3, 5, 7]")),
    ),
    "flatten": Bug(
        code="def flatten(value):\n    if isinstance(value, list):\n        for item in value:\n"
        "            yield from flatten(item)\n    else:\n        {}\n",
        bug="yield flatten(value)",
        right="yield value",
        wrong="yield abs(value)",
        cases=(("list(flatten([1, [2]]))", "[1, 2]"), ("list(flatten([[-3]]))", "[-3]")),
    ),
    "digits": Bug(
        code="def digits(n):\n    found = []\n    while n:\n        found.append(n % 10)\n"
        "        {}\n"
        "    return found[::-1]\n",
        bug="n = n - n // 10",
        right="n //= 10",
        wrong="n = n // 10 if n < 100 else 0",
        cases=(("digits(42)", "[4, 2]"), ("digits(123)", "[1, 2, 3]")),
        hangs=True,
    ),
    "largest_sum": Bug(
        code="def largest_sum(values):\n    best = here = 0\n    for value in values:\n        {}\n"
        "        best = max(best, here)\n    return best\n",
        bug="here = here + value",
        right="here = max(0, here + value)",
        wrong="here = max(value, 0)",
        cases=(("largest_sum([-5, 3])", "3"), ("largest_sum([-5, 3, 4])", "7")),
    ),
    "levenshtein": Bug(
        code="def levenshtein(a, b):\n    if not a or not b:\n        {}\n    if a[0] == b[0]:\n"
        "        return levenshtein(a[1:], b[1:])\n    return 1 + min(levenshtein(a, b[1:]), "
        "levenshtein(a[1:], b[1:]), levenshtein(a[1:], b))\n",
        bug="return 0",
        right="return len(a) + len(b)",
        wrong="return 1",
        cases=(
            ("levenshtein('ab', 'abc')", "1"),
            ("levenshtein('', 'xyz')", "3"),
        ),
    ),
    "pascal": Bug(
        code="def pascal(n):\n    rows = [[1]]\n    for _ in range(n - 1):\n"
        "        last = rows[-1]\n"
        "        middle = [a + b for a, b in {}]\n        rows.append([1, *middle, 1])\n"
        "    return rows\n",
        bug="zip(last, last)",
        right="zip(last, last[1:])",
        wrong="[]",
        cases=(("pascal(2)", "[[1], [1, 1]]"), ("pascal(3)[2]", "[1, 2, 1]")),
    ),
    "wrap": Bug(
        code="def wrap(text, width):\n    lines = []\n    while len(text) > width:\n"
        "        end = text.rfind(' ', 0, width)\n        if end == -1:\n            end = width\n"
        "        lines.append(text[:end])\n        text = text[end:]\n    {}\n    return lines\n",
        bug="lines = lines",
        right="lines.append(text)",
        wrong="lines.append(text.strip())",
        cases=(("wrap('abc', 5)", "['abc']"), ("wrap('ab ', 5)", "['ab ']")),
    ),
}
