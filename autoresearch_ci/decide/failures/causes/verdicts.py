"""Whose fault a failure is, told before anything is edited: the code's until something else is
shown.

CORE: what a tool said -> a cause, with one sentence of evidence. Two mistakes cost: to blame the
machine for a bug leaves the bug where it is; to blame the code for the machine has good code
changed. So words alone prove nothing: an error is the machine's when it came up outside of the
repository in the form that the system gives it, not when a test compares such words or the code
raises such an error itself. What was raised, and where, is for traces.py to read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass

from autoresearch_ci.decide.failures.causes.ground import Cause, Found, Ground, is_test_file
from autoresearch_ci.decide.failures.causes.machine import (
    LAST_LINES,
    is_raised,
    of_download,
    of_lines,
    of_machine,
)
from autoresearch_ci.decide.failures.causes.missing import missing_from
from autoresearch_ci.decide.failures.causes.traces import Trace, trace_of
from autoresearch_ci.decide.failures.failure import MACHINE, Category, Failure
from autoresearch_ci.decide.failures.objective import Seen
from autoresearch_ci.safety.wording import shortened

_REPORTED = frozenset({Cause.ENVIRONMENT, Cause.FLAKY, Cause.UNSURE})


def is_editable(cause: Cause) -> bool:
    """Whether a repair may be tried; the others are reported, and nothing is edited for them."""
    return cause not in _REPORTED


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Whose fault a failure is."""

    cause: Cause
    evidence: str
    """One sentence, bounded; words of a tool in it are as the tool wrote them."""

    def __str__(self) -> str:
        return f"{self.cause}: {self.evidence}"


COMES_AND_GOES = Verdict(
    cause=Cause.FLAKY, evidence="some looks at the same code find it, others do not"
)

_EVIDENCE = 300
"""Characters of a sentence."""


def causes(
    seen: Seen,
    outputs: Mapping[str, str],
    ground: Ground,
    known: MutableMapping[Failure, Verdict] | None = None,
) -> dict[str, Verdict]:
    """The verdict on every failure, by its id. `outputs`: tails by target.

    `known`: on the same ground, verdicts that no output can change; new ones are added.
    """
    known = {} if known is None else known
    found: dict[str, Verdict] = {}
    for target, diagnosis in seen.items():
        for failure in diagnosis.failures:
            told = known.get(failure)
            if told is None:
                told = verdict(failure, output=outputs.get(target, ""), ground=ground)
                if not _is_of_run(failure):
                    known[failure] = told
            found[failure.id] = told
    return found


def verdict(failure: Failure, *, output: str = "", ground: Ground | None = None) -> Verdict:
    """Whose fault one failure is."""
    ground = ground or Ground()
    cause, evidence = (
        _of_workflow(failure)
        or _of_dependency(failure, ground)
        or _of_run(failure, output, ground)
        or _of_test_file(failure)
        or (Cause.CODE, "nothing in what the tool shows speaks against the code")
    )
    return Verdict(cause=cause, evidence=shortened(evidence, _EVIDENCE))


# --- The same code, several looks -----------------------------------------------------------------


def detected_with(looks: int, rate: float) -> float:
    """The probability that so many looks see both a failure and none, where it fails at `rate`."""
    return 1 - rate**looks - (1 - rate) ** looks


_ONE_IN = (2, 5, 10)


def detection(looks: int) -> str:
    """What so many looks are worth, in one sentence for people."""
    told = [f"1 in {n}: {_percent(detected_with(looks, 1 / n))}" for n in _ONE_IN]
    word = "look" if looks == 1 else "looks"
    return (
        f"{looks} {word} at the same code: a test that fails once in so many runs is found out "
        f"with this probability: {', '.join(told)}."
    )


def _percent(share: float) -> str:
    # Nothing is ever found for sure.
    return f"{min(share * 100, 99.9):.1f} %" if share > 0.99 else f"{share * 100:.0f} %"


# --- Of files -------------------------------------------------------------------------------------

_WORKFLOW = re.compile(
    r"^(\.github/(workflows/[^/]+\.ya?ml|actions/.+/action\.ya?ml)|\.gitlab-ci\.ya?ml|\.travis\.ya?ml"
    r"|\.circleci/.+|azure-pipelines\.ya?ml|bitbucket-pipelines\.ya?ml|Jenkinsfile"
    r"|\.woodpecker(\.ya?ml|/.+)|\.buildkite/.+|\.drone\.ya?ml)$"
)


def _of_workflow(failure: Failure) -> Found:
    if _WORKFLOW.search(failure.path):
        return Cause.WORKFLOW, f"{failure.path} is a workflow of the CI"
    return None


_READ_ALONE = frozenset({Category.LINT, Category.WARNING, Category.CRITICAL})
"""What is said of one file's text: nothing in another file can mend it."""


def _of_test_file(failure: Failure) -> Found:
    # A wrong type in a test may be the subject's doing, a name that nobody defines is not.
    alone = failure.category in _READ_ALONE or failure.code == "syntax"
    if alone and is_test_file(failure.path):
        return Cause.TEST, f"{failure.path} is a test file, and what is said is of its own text"
    return None


def _of_dependency(failure: Failure, ground: Ground) -> Found:
    found = missing_from(failure, ground.files)
    if found is None:
        return None
    if found.system:
        return Cause.ENVIRONMENT, f"{found.name} belongs to the system, and is not installed there"
    if not found.own:
        return Cause.DEPENDENCY, f"{found.name} is no part of this repository: {found.how}"
    return Cause.CODE, f"{found.name} would be this repository's own: {found.how}"


# --- Of what was raised ---------------------------------------------------------------------------


def _of_run(failure: Failure, output: str, ground: Ground) -> Found:
    """Of what ran: tests, modules that are loaded for them, commands of which only the end is
    known. Other tools say what they say of a text, whatever words stand in it."""
    if not _has_trace(failure):
        if failure.code == "import" and (found := of_download(failure.message)):
            return found
        if failure.code == MACHINE:
            return of_lines([failure.message]) or (Cause.ENVIRONMENT, failure.message)
        unknown = _is_of_run(failure)
        return of_lines(output.strip().splitlines()[-LAST_LINES:]) if unknown else None
    if found := _of_fixture(failure, output):
        return found
    trace = trace_of(failure, output)
    words = trace.last.kind in ("", "Error") and _EXPECTED.match(trace.last.words)
    if _ASSERTED.search(trace.last.kind) or words:
        return None
    # Where an error is handled with a mistake, the mistake is what the test ended with.
    slip = ground.holds(trace.last.where) and trace.last.source and not is_raised(trace.last)
    chain = trace.chain[-1:] if slip else trace.chain
    told = [of_machine(failure, raised, trace, ground) for raised in chain]
    signs = [sign for sign in told if sign]
    sure = (sign for sign in signs if sign[0] is not Cause.UNSURE)
    return next(sure, signs[0] if signs else _own_mistake(failure, trace, ground))


def _has_trace(failure: Failure) -> bool:
    return failure.category is Category.TEST or failure.code == "collection"


def _is_of_run(failure: Failure) -> bool:
    """Whether what its tool printed says more than the failure itself."""
    return _has_trace(failure) or not (failure.path or failure.code)


_ASSERTED = re.compile(
    r"^(Assert\w*(Error|Exception)|AssertionFailed\w*|Failed|\w*ComparisonFailure)$"
)
_EXPECTED = re.compile(r"\s*(expect(ed)?\b|assert(ion)?\b)", re.IGNORECASE)

_FIXTURE = re.compile(r"fixture '(?P<name>[^'\n]{1,100})' not found")
_OF_PLUGINS = {
    **dict.fromkeys(("mocker", "class_mocker", "module_mocker", "session_mocker"), "pytest-mock"),
    **dict.fromkeys(("benchmark", "benchmark_weave"), "pytest-benchmark"),
    **dict.fromkeys(("db", "client", "rf", "settings", "django_db_setup"), "pytest-django"),
    **dict.fromkeys(("requests_mock",), "requests-mock"),
    **dict.fromkeys(("httpx_mock",), "pytest-httpx"),
    **dict.fromkeys(("httpserver",), "pytest-httpserver"),
    **dict.fromkeys(("event_loop", "unused_tcp_port"), "pytest-asyncio"),
    **dict.fromkeys(("aiohttp_client", "aiohttp_server"), "pytest-aiohttp"),
    **dict.fromkeys(("faker",), "Faker"),
    **dict.fromkeys(("freezer",), "pytest-freezer"),
    **dict.fromkeys(("snapshot",), "syrupy"),
    **dict.fromkeys(("qtbot", "qapp"), "pytest-qt"),
    **dict.fromkeys(("datadir", "shared_datadir"), "pytest-datadir"),
    **dict.fromkeys(("data_regression", "file_regression"), "pytest-regressions"),
    **dict.fromkeys(("fs",), "pyfakefs"),
    **dict.fromkeys(("page", "browser"), "pytest-playwright"),
    **dict.fromkeys(("anyio_backend",), "anyio"),
    **dict.fromkeys(("worker_id", "testrun_uid"), "pytest-xdist"),
    **dict.fromkeys(("cov",), "pytest-cov"),
}


def _of_fixture(failure: Failure, output: str) -> Found:
    found = _FIXTURE.search(failure.message)
    if not found or not failure.message.startswith("failed on setup"):
        return None
    if plugin := _OF_PLUGINS.get(found["name"]):
        told = f"the fixture {found['name']!r} is one of {plugin}, which is not installed"
        return Cause.DEPENDENCY, told
    return Cause.TEST, f"the test asks for a fixture that nobody defines: {found['name']!r}"


_OF_RUNNERS = r"(describe|test|it|expect|jest|vi|beforeEach|document|window) is not defined"


def _own_mistake(failure: Failure, trace: Trace, ground: Ground) -> Found:
    """What goes wrong in the test's own file before it has asked the code anything."""
    last = trace.last
    if last.kind == "CalledProcessError":
        return of_lines(trace.section.splitlines())
    if not is_test_file(failure.path):
        return None
    here = f"/{last.where}".endswith(f"/{failure.path}")
    if here and last.kind in ("SyntaxError", "IndentationError", "TabError"):
        return Cause.TEST, f"{failure.path} itself cannot be parsed: {last.words}"
    # A name may come from elsewhere: by a star, or from the runner, when it is told to give it.
    star = re.search(r"(?m)^from \S+ import \*", ground.tests.get(failure.path, ""))
    given = star or re.match(_OF_RUNNERS, last.words)
    if here and not given and last.kind in ("NameError", "UnboundLocalError", "ReferenceError"):
        return Cause.TEST, f"the test uses a name that it does not define: {last.words}"
    unread = re.search(r"SyntaxError: (\S+?): ", failure.message)
    if unread and unread[1].endswith(failure.path) and failure.code == "collection":
        return Cause.TEST, f"{failure.path} itself cannot be parsed"
    return None
