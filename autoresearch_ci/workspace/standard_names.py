"""Names that come with languages, compilers and test runners: a new file of such a name hides one.

Only names; where somebody would look for them is twins.py's business.
"""

from __future__ import annotations

import re
import sys

PYTHON_STANDARD = {name.lower() for name in sys.stdlib_module_names} - {
    "test",
    "this",
    "antigravity",
}
PYTHON_RUNNERS = re.compile(
    r"_?pytest(_.*)?|pluggy|iniconfig|py|xdist|execnet|coverage|hypothesis|nose2?|mock|tox|nox"
    r"|unittest2|packaging|pygments|exceptiongroup|pkg_resources|setuptools|_distutils_hack"
    r"|pyperf|asv|pytest_case_outcomes"
)
"""What test and benchmark runners import, theirs and ours."""
_HEADER_NAMES = """
    assert.h complex.h ctype.h errno.h fenv.h float.h inttypes.h iso646.h limits.h locale.h math.h
    setjmp.h signal.h stdalign.h stdarg.h stdatomic.h stdbool.h stddef.h stdint.h stdio.h stdlib.h
    string.h tgmath.h threads.h time.h uchar.h wchar.h wctype.h unistd.h pthread.h sys/time.h
    sys/resource.h sys/types.h x86intrin.h immintrin.h gtest/gtest.h gmock/gmock.h
    benchmark/benchmark.h catch2/catch.hpp catch.hpp doctest.h doctest/doctest.h check.h cmocka.h
    unity.h criterion/criterion.h algorithm atomic cassert chrono cmath cstdio cstdlib cstring ctime
    iostream random thread vector"""
STANDARD_HEADERS = frozenset(_HEADER_NAMES.split())
"""Of C, C++ and their test runners."""
JVM_RUNNERS = re.compile(
    r"(^|/)(org/junit|junit|org/openjdk/jmh|org/testng|org/hamcrest|org/mockito|org/assertj"
    r"|org/scalatest|org/spockframework|kotlin/test)/(.*/)?[^/]+\.(java|kt|scala|groovy|class)$"
)
_PERL_NAMES = """
    base benchmark bytes carp config constant cwd data/dumper encode english errno exporter
    exporter/heavy fcntl feature fields file/basename file/path file/spec file/temp findbin
    getopt/long integer io/file io/handle json/pp lib list/util overload parent posix re
    scalar/util storable strict symbol test/builder test/more test/simple text/balanced
    tie/hash time/hires time/local utf8 vars version warnings warnings/register xsloader
    dynaloader"""
PERL_CORE = frozenset(_PERL_NAMES.split())
