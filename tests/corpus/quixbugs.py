"""Classic bugs of one line: the program, a test, the right line, and a wrong one that passes
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
}
