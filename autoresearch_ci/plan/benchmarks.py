"""Which files and scripts of a repository measure something, and how they are started."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

Read = Callable[[str], bytes]
_FILES_LIMIT = 40
_BYTES_LIMIT = 200_000


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """One command that measures."""

    command: str
    name: str
    """Of the number that it prints as `name: value`; empty: it is not known to print one."""
    regex: str
    """With groups around each number where it prints several in a known form, or empty."""
    maximize: bool
    reason: str
    is_fixed_work: bool
    """Whether it always does the same work, so that its time says how fast that is; other tools
    work for a fixed time."""


_SCRIPT = re.compile(
    r"(?:.*/)?(?:bench(?:mark)?s?|perf)(?:[_-][\w-]+)?\.(?P<end>py|js|mjs|cjs|sh)$"
    r"|(?:.*/)?[\w-]+[_-]bench(?:mark)?\.(?P<late>py|js|mjs|sh)$"
)
_STARTS = {"py": "python", "js": "node", "mjs": "node", "cjs": "node", "sh": "bash"}
_SAYS = re.compile(r"""["'`](?:METRIC )?(?P<name>[A-Za-z][\w./-]{1,40})\s*[:=]\s*(?:\$?\{|%)""")
_TRAINS = re.compile(r"(?:.*/)?train\.py$")
_BETTER_HIGH = re.compile(r"per_sec|/s$|ops|throughput|score|accuracy|qps|rps|bandwidth|mfu", re.I)


def benchmarks(paths: Sequence[str], read: Read, scripts: Mapping[str, str]) -> Iterator[Benchmark]:
    """The likeliest first. `scripts`: of package.json."""
    for path in [p for p in paths if _TRAINS.match(p)][:3]:
        if "val_bpb" in _text(read, path):
            yield _said(f"python {path}", "val_bpb", f"{path}: prints val_bpb")
    looked = 0
    for path in sorted(paths, key=lambda p: (p.count("/"), p)):
        match = _SCRIPT.match(path)
        if match and looked < _FILES_LIMIT and not re.search(r"(^|/)(node_modules|vendor)/", path):
            looked += 1
            text = _text(read, path)
            if match["end"] != "py" or "__main__" in text or "def " not in text:
                start = _STARTS[match["end"] or match["late"]]
                names = dict.fromkeys(found["name"] for found in _SAYS.finditer(text))
                only = next(iter(names)) if len(names) == 1 else ""
                yield _said(f"{start} {path}", only, f"{path}: is there")
    for name in ("bench", "benchmark", "perf"):
        if name in scripts and "vitest" not in scripts[name]:
            yield _said(f"npm run --silent {name}", "", f"package.json: script {name}")
    yield from _of_go(paths, read)
    yield from _of_make(paths, read)


def _said(command: str, name: str, reason: str) -> Benchmark:
    return Benchmark(
        command=command,
        name=name,
        regex="",
        maximize=bool(_BETTER_HIGH.search(name)),
        reason=reason,
        is_fixed_work=True,
    )


def _of_go(paths: Sequence[str], read: Read) -> Iterator[Benchmark]:
    tests = [path for path in paths if path.endswith("_test.go")][:_FILES_LIMIT]
    for path in tests:
        if re.search(r"(?m)^func Benchmark\w+\(", _text(read, path)):
            folder = posixpath.dirname(path) or "."
            yield Benchmark(
                command=f"go test -run '^$' -bench . -count 1 ./{folder}".replace("/.", "/"),
                name="",
                regex=r"([\d.]+) ns/op",
                maximize=False,
                reason=f"{path}: func Benchmark",
                is_fixed_work=False,
            )
            return


def _of_make(paths: Sequence[str], read: Read) -> Iterator[Benchmark]:
    for path in ("Makefile", "GNUmakefile", "makefile"):
        rule = path in paths and re.search(r"(?m)^(bench(?:mark)?)\s*:(?!=)", _text(read, path))
        if rule:
            yield _said(f"make {rule[1]}", "", f"{path}: {rule[1]}")
            return


def _text(read: Read, path: str) -> str:
    try:
        return read(path)[:_BYTES_LIMIT].decode("utf-8", errors="replace")
    except KeyError:
        return ""
