"""Fails when the tests pass although a covered line of shop/price.py is wrong."""

import pathlib
import subprocess
import sys

PATH = pathlib.Path("shop/price.py")
MUTANTS = [("full // 10", "full // 9"), ("return 990", "return 991"), (">= 5000", "> 5000")]


def covered(line: str) -> bool:
    """Whether the tests run it, as the metric's own report says."""
    import xml.etree.ElementTree as ElementTree

    number = PATH.read_text().splitlines().index(line) + 1
    report = ElementTree.parse("coverage.xml")
    return any(int(e.get("hits", 0)) for e in report.iter("line") if e.get("number") == str(number))


def main() -> int:
    code = PATH.read_text()
    test = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider"]
    report = [sys.executable, "-m", "coverage"]
    subprocess.run([*report, "run", "--source=shop", *test[1:]], check=True)
    subprocess.run([*report, "xml", "-q", "-o", "coverage.xml"], check=True)
    for old, new in MUTANTS:
        line = next(line for line in code.splitlines() if old in line)
        if not covered(line):
            continue
        PATH.write_text(code.replace(old, new))
        passed = subprocess.run(test, check=False, capture_output=True).returncode == 0
        PATH.write_text(code)
        if passed:
            print(f"no test fails when {old!r} is {new!r}")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
