"""What was said of files, as if they had stood elsewhere already: a file that moves breaks nothing.

CORE: values in, values out. Which files have moved, and that nothing else changed in them, is known
to whoever asks. A test is found by its file's path or module; where a tool names it otherwise, it
stays what it was.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from autoresearch_ci.decide.failures.failure import Diagnosis, Failure
from autoresearch_ci.decide.failures.objective import Seen


def as_moved(seen: Seen, moved: Mapping[str, str]) -> Seen:
    """`seen` with the new paths; `moved`: old path to new."""
    if not moved:
        return seen
    return {name: _diagnosis(found, moved) for name, found in seen.items()}


def _diagnosis(found: Diagnosis, moved: Mapping[str, str]) -> Diagnosis:
    modules = {_module(old): _module(new) for old, new in moved.items() if old.endswith(".py")}
    suite = found.suite and replace(
        found.suite,
        of={_test(test, moved, modules): end for test, end in found.suite.of.items()},
        reran=frozenset(_test(test, moved, modules) for test in found.suite.reran),
    )
    failures = tuple(_failure(failure, moved, modules) for failure in found.failures)
    return replace(found, failures=failures, suite=suite)


def _failure(failure: Failure, moved: Mapping[str, str], modules: Mapping[str, str]) -> Failure:
    tool, _, rest = failure.id.partition(":")
    if not rest or failure.path not in moved:
        return failure
    new = moved[failure.path]
    if rest.startswith((f"{failure.path}:", f"{failure.path} (")):
        rest = f"{new}{rest[len(failure.path) :]}"
    else:
        rest = _test(rest, moved, modules)
    return replace(failure, id=f"{tool}:{rest}", path=new)


def _test(test: str, moved: Mapping[str, str], modules: Mapping[str, str]) -> str:
    holder, found, name = test.partition("::")
    if not found:  # unittest writes dots only, and the values of a subtest after a space
        holder, found, name = test.partition(" ")
    if holder in moved:
        return f"{moved[holder]}{found}{name}"
    parts = holder.split(".")
    for count in range(len(parts), 0, -1):  # the rest are classes
        module = ".".join(parts[:count])
        if module in modules:
            return f"{'.'.join([modules[module], *parts[count:]])}{found}{name}"
    return test


def _module(path: str) -> str:
    return path.removesuffix(".py").replace("/", ".")
