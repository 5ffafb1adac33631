"""Which files and scripts of a repository measure something, and how they are started."""

from __future__ import annotations

import posixpath
import re
import shlex
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
_TIMED = re.compile(
    r"\b(?:tinybench|mitata|benchmark|benny|matcha|bench-node|cronometro|hyperfine|pyperf|asv)\b"
    r"|\bpytest[-_]benchmark\b|\bbenchmark\.Suite\b"
)
"""Tools that repeat the work for as long as they like: the time of it all says nothing."""


def benchmarks(paths: Sequence[str], read: Read, scripts: Mapping[str, str]) -> Iterator[Benchmark]:
    """The likeliest first. `scripts`: of package.json."""
    for path in [p for p in paths if _TRAINS.match(p)][:3]:
        if "val_bpb" in _text(read, path):
            yield _said(f"python {path}", "val_bpb", f"{path}: prints val_bpb")
    looked = 0
    timed = set()
    for path in sorted(paths, key=lambda p: (p.count("/"), p)):
        match = _SCRIPT.match(path)
        if match and looked < _FILES_LIMIT and not re.search(r"(^|/)(node_modules|vendor)/", path):
            looked += 1
            text = _text(read, path)
            start = _STARTS[match["end"] or match["late"]]
            if _TIMED.search(text):
                timed.add(path)
            elif match["end"] != "py" or "__main__" in text or "def " not in text:
                names = dict.fromkeys(found["name"] for found in _SAYS.finditer(text))
                only = next(iter(names)) if len(names) == 1 else ""
                yield _said(f"{start} {path}", only, f"{path}: is there")
    yield from _of_pytest(paths, read)
    for name in ("bench", "benchmark", "perf"):
        line = scripts.get(name, "")
        known = re.search(rf"vitest|{_TIMED.pattern}", line) or any(p in line for p in timed)
        if line and not known:
            yield _said(f"npm run --silent {name}", "", f"package.json: script {name}")
    yield from _of_cargo(paths, read)
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


def _rates(command: str, regex: str, reason: str) -> Benchmark:
    """Of times, which are to be short."""
    return Benchmark(
        command=command,
        name="",
        regex=regex,
        maximize=False,
        reason=reason,
        is_fixed_work=False,
    )


_FIXTURE = re.compile(r"(?m)^\s*(?:async )?def test\w*\([^)]*\bbenchmark\b")


def _of_pytest(paths: Sequence[str], read: Read) -> Iterator[Benchmark]:
    """pytest-benchmark's medians; marked tests alone do the same work each time."""
    tests = [p for p in paths if p.endswith(".py") and re.search(r"bench|perf", p, re.I)]
    for path in tests[:_FILES_LIMIT]:
        text, folder = _text(read, path), posixpath.dirname(path)
        place = shlex.quote(folder if re.search(r"bench|perf", folder, re.I) else path)
        command = f"python -m pytest -q -p no:cacheprovider {place}"
        if _FIXTURE.search(text):
            told = " --benchmark-only --benchmark-json=benchmark.json && cat benchmark.json"
            regex = r'"median": ([\d.e+-]+)'
            reason = f"{path}: the fixture benchmark"
            yield _rates(f"{command}{told}", regex, reason)
            return
        if "pytest.mark.benchmark" in text:
            yield _said(command, "", f"{path}: pytest.mark.benchmark")
            return


def _of_cargo(paths: Sequence[str], read: Read) -> Iterator[Benchmark]:
    """Criterion's, asked to print as Rust's own harness does: always in nanoseconds."""
    for path in sorted(p for p in paths if re.search(r"(^|/)benches/[\w-]+\.rs$", p)):
        folder = path.rpartition("benches/")[0].rstrip("/")
        name = posixpath.basename(path).removesuffix(".rs")
        if "criterion_main!" in _text(read, path):
            inside = f"cd {shlex.quote(folder)} && " if folder else ""
            command = f"{inside}cargo bench --bench {name} -- --output-format bencher"
            regex = r"bench:\s+(\d+) ns/iter"
            yield _rates(command, regex, f"{path}: Criterion")
            return


def _of_go(paths: Sequence[str], read: Read) -> Iterator[Benchmark]:
    tests = [path for path in paths if path.endswith("_test.go")][:_FILES_LIMIT]
    for path in tests:
        if re.search(r"(?m)^func Benchmark\w+\(", _text(read, path)):
            folder = posixpath.dirname(path) or "."
            place = f"./{folder}".replace("/.", "/")
            yield _rates(
                f"go test -run '^$' -bench . -benchtime 200ms -count 1 {place}",
                r"([\d.]+) ns/op",
                f"{path}: func Benchmark",
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
