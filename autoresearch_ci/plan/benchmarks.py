"""Which files and scripts of a repository measure something, and how they are started."""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace

from autoresearch_ci.experiment import ReadBytes
from autoresearch_ci.plan.direction import direction_of
from autoresearch_ci.plan.file_contents import text_of

_FILES_LIMIT = 40
_GO_FILES = 400
_BYTES_LIMIT = 200_000


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """One command that measures."""

    command: str
    reason: str
    name: str = ""
    """Of the number that it prints as `name: value`; empty: it prints none that is known, or
    several."""
    names: tuple[str, ...] = ()
    """Of all that it prints so."""
    is_tool: bool = False
    """Whether a tool prints its results in a form that `score bench` knows. Such tools repeat the
    work for as long as they like; what others do takes as long as it takes."""
    only: str = ""
    """The word by which such results are told from those of whatever is compared with."""
    before: str = ""
    """What has to be built first, and is no part of it."""

    @property
    def maximize(self) -> bool:
        return direction_of(self.name) == "maximize"


_SCRIPT = re.compile(
    r"(?:.*/)?(?:bench(?:mark)?s?|perf)(?:[_-][\w-]+)?\.(?P<end>py|js|mjs|cjs|sh)$"
    r"|(?:.*/)?[\w-]+[_-]bench(?:mark)?\.(?P<late>py|js|mjs|sh)$"
    r"|(?:.*/)?(?:bench(?:mark)?s?|perf|performance)/(?:index|run|main|all|__main__|suite)"
    r"\.(?P<inner>py|js|mjs|cjs|sh)$"
)
_AWAY = re.compile(r"(^|/)(node_modules|vendor|third_party|deps|docs?|site|website|examples?)/")
_STARTS = {"py": "python", "js": "node", "mjs": "node", "cjs": "node", "sh": "bash"}
_SAYS = re.compile(r"""["'`](?:METRIC )?(?P<name>[A-Za-z][\w./-]{1,40})\s*[:=]\s*(?:\$?\{|%)""")
_TRAINS = re.compile(r"(?:.*/)?train\.py$")
_TOOL = re.compile(
    r"\b(?:mitata|benny|hyperfine|pyperf)\b|\bvitest bench|\bbenchmark\.Suite\b"
    r"|\b(?:from |(?:require|import)\()['\"][\w@/-]{0,99}bench[\w-]*['\"]|\bpython3? -m timeit\b"
    r"|\bgo test\b.{0,300}-bench\b|\bcargo bench\b"
    r"|\bops/s(?:ec)?\b|\bns/(?:op|iter)\b"
)
_NO_RULER = re.compile(
    r"\b(?:matcha|cronometro)\b|\b(?:npm|pnpm|yarn) (?:i|ci|install|add)\b|\bpip3? install\b"
    r"|\bmvn\b.* install\b|\b(?:wget|curl) (?:-|['\"]?https?:)|\bgit clone\b|\bapt-get\b"
    r"|\.add_argument\(\s*['\"](?!-)(?![^()]*\b(?:nargs|default)\b)"
)
"""Whose results are in no form that is known, or which fetches what it measures with: that takes a
network, and most of the time; or which does not start without arguments."""
_NAMED = re.compile(
    r"""\b(?:add|bench|benchmark|task|run|test)\(\s*(?:f?["'`]|name\s*=\s*f?["'])([^"'`]+)["'`]"""
)


def benchmarks(
    paths: Sequence[str], read: ReadBytes, scripts: Mapping[str, str], package: str = ""
) -> Iterator[Benchmark]:
    """The likeliest first, each once. `scripts`: of package.json. `package`: what the repository is
    called."""
    found: dict[str, Benchmark] = {}
    for each in _found(paths, read, scripts, package):
        known = found.setdefault(each.command, each)
        if each.is_tool and not known.is_tool:
            found[each.command] = replace(known, is_tool=True, only=each.only)
    yield from found.values()


def _found(
    paths: Sequence[str], read: ReadBytes, scripts: Mapping[str, str], package: str
) -> Iterator[Benchmark]:
    for path in [p for p in paths if _TRAINS.match(p)][:3]:
        if "val_bpb" in text_of(read, path, _BYTES_LIMIT):
            yield Benchmark(
                command=f"python {path}", name="val_bpb", reason=f"{path}: prints val_bpb"
            )
    known = frozenset(paths)
    yield from _of_scripts(known, read, scripts, package)
    yield from _of_pytest(paths, read)
    yield from _of_node(known, read, scripts, package)
    yield from _of_cargo(paths, read)
    yield from _of_go(paths, read)
    yield from _of_java(known, read)
    yield from _of_cmake(known, read)
    yield from _of_make(known, read)
    yield from _of_asv(known)


def _of_scripts(
    known: Set[str], read: ReadBytes, scripts: Mapping[str, str], package: str
) -> Iterator[Benchmark]:
    found = [p for p in known if _SCRIPT.match(p) and not _AWAY.search(p)]
    for path in sorted(found, key=lambda p: (p.count("/"), p))[:_FILES_LIMIT]:
        match, text = _SCRIPT.match(path), text_of(read, path, _BYTES_LIMIT)
        if not match or _NO_RULER.search(text) or _has_own_modules(path, known, read):
            continue
        end = match["end"] or match["late"] or match["inner"]
        command = f"{_STARTS[end]} {shlex.quote(path)}"
        if end == "py" and re.search(r"(?m)^\s*from \.", text):  # it starts as a module only
            command = f"python -m {shlex.quote(path.removesuffix('.py').replace('/', '.'))}"
        built = re.search(r"""["']\.\./(dist|build|lib|out)\b""", text)
        before = "npm run --silent build" if built and "build" in scripts else ""
        if _TOOL.search(text):
            yield Benchmark(
                command=command,
                reason=f"{path}: a benchmark tool",
                is_tool=True,
                only=_own(text, package),
                before=before,
            )
        elif end != "py" or "__main__" in text or "def " not in text:
            names = tuple(dict.fromkeys(told["name"] for told in _SAYS.finditer(text)))
            only = names[0] if len(names) == 1 else ""
            yield Benchmark(command=command, name=only, names=names, reason=path, before=before)


def _own(text: str, package: str) -> str:
    """The package's name, where only some of the benchmarks have it in theirs."""
    names = _NAMED.findall(text)
    own = [name for name in names if package and package in name]
    return package if own and len(own) < len(names) else ""


_FIXTURE = re.compile(r"(?m)^\s*(?:async )?def test\w*\([^)]*\bbenchmark\b")


def _of_pytest(paths: Sequence[str], read: ReadBytes) -> Iterator[Benchmark]:
    """pytest-benchmark's medians; marked tests alone do the same work each time."""
    tests = [p for p in paths if p.endswith(".py") and re.search(r"bench|perf", p, re.I)]
    for path in tests[:_FILES_LIMIT]:
        text, folder = text_of(read, path, _BYTES_LIMIT), posixpath.dirname(path)
        place = shlex.quote(folder if re.search(r"bench|perf", folder, re.I) else path)
        command = f"python -m pytest -q -p no:cacheprovider {place}"
        if _FIXTURE.search(text):
            told = " --benchmark-only --benchmark-json=benchmark.json"
            told += " && grep -e fullname -e median benchmark.json"  # all rounds are in there, too
            yield Benchmark(
                command=f"{command}{told}", reason=f"{path}: the fixture benchmark", is_tool=True
            )
            return
        if "pytest.mark.benchmark" in text:
            yield Benchmark(command=command, reason=f"{path}: pytest.mark.benchmark")
            return


_SCRIPTS = re.compile(r"(?:bench(?:mark)?s?|perf)(?::[\w:-]+)?")


def _of_node(
    known: Set[str], read: ReadBytes, scripts: Mapping[str, str], package: str
) -> Iterator[Benchmark]:
    """Scripts of package.json, and what vitest measures."""
    for name in sorted(filter(_SCRIPTS.fullmatch, scripts), key=lambda name: (":" in name, name)):
        line = scripts[name]
        files = [*_module_files(line.split(), "", known)]
        if not files and re.match(r"node [\w./-]+$", line):  # it was moved, or never committed
            continue
        text = "\n".join(text_of(read, path, _BYTES_LIMIT) for path in files)
        for path in files:  # what a script puts together lies beside it
            inner = _module_files(_BESIDE.findall(text), posixpath.dirname(path), known)
            text = "\n".join((text, *(text_of(read, each, _BYTES_LIMIT) for each in inner)))
        away = any(_has_own_modules(path, known, read) for path in files)
        if away or _NO_RULER.search(f"{line}\n{text}"):
            continue
        once = " -- --run" if re.search(r"\bvitest bench\b(?!.*--run)", line) else ""
        around = {f"pre{name}", f"post{name}"} & {*scripts}  # only npm runs these as well
        plain = not around and re.fullmatch(r"node( (?!-)[\w./-]+)+", line)  # npm's start is long
        yield Benchmark(
            command=line if plain else f"npm run --silent {name}{once}",
            reason=f"package.json: script {name}",
            is_tool=bool(_TOOL.search(f"{line}\n{text}")),
            only=_own(text, package),
        )
    measured = sorted(p for p in known if re.search(r"\.bench\.[cm]?[jt]sx?$", p))
    if measured and not any("vitest bench" in line for line in scripts.values()):
        command = "npx --no-install vitest bench --run"
        yield Benchmark(command=command, reason=f"{measured[0]}: of vitest", is_tool=True)


_BESIDE = re.compile(r"""\b(?:require\(|from\s+|import[\s(]+)['"](\.{1,2}/[\w./-]+)['"]""")


def _module_files(names: Iterable[str], folder: str, known: Set[str]) -> Iterator[str]:
    """Files that node takes for these."""
    for name in names:
        path = posixpath.normpath(posixpath.join(folder, name))
        ends = ("", ".js", ".mjs", ".cjs", ".ts", "/index.js")
        yield from [f"{path}{end}" for end in ends if f"{path}{end}" in known][:1]


def _has_own_modules(path: str, known: Set[str], read: ReadBytes) -> bool:
    """Whether it lies in a package of its own whose modules nobody has installed: it would end
    before it measures, and not always by failing."""
    while path := posixpath.dirname(path):
        if f"{path}/package.json" in known:
            root = text_of(read, "package.json", _BYTES_LIMIT)
            own = _MODULES.findall(text_of(read, f"{path}/package.json", _BYTES_LIMIT))
            names = {name for section in own for name in re.findall(r'"([^"]+)"\s*:', section)}
            shared = '"workspaces"' in root or any(each in known for each in _WORKSPACES)
            return not shared and any(f'"{name}"' not in root for name in names)
    return False


_WORKSPACES = ("pnpm-workspace.yaml", "lerna.json", "rush.json")
"""At the root: what its packages need is installed with it."""
_MODULES = re.compile(r'"(?:devD|d)ependencies"\s*:\s*\{([^}]*)\}')


def _of_cargo(paths: Sequence[str], read: ReadBytes) -> Iterator[Benchmark]:
    """Criterion, divan, and libtest's own, which a stable compiler runs when it is told to."""
    for path in sorted(p for p in paths if re.search(r"(^|/)benches/[\w-]+\.rs$", p)):
        folder, text = path.rpartition("benches/")[0].rstrip("/"), text_of(read, path, _BYTES_LIMIT)
        told = {
            "criterion_main!": " -- --output-format bencher --warm-up-time 1 --measurement-time 2",
            "divan::main": "",
            "#![feature(test)]": "",
        }
        for mark, options in told.items():
            if mark in text:
                inside = f"cd {shlex.quote(folder)} && " if folder else ""
                name = posixpath.basename(path).removesuffix(".rs")
                unstable = "RUSTC_BOOTSTRAP=1 " if "feature" in mark else ""
                command = f"{inside}{unstable}cargo bench --bench {name}{options}"
                yield Benchmark(command=command, reason=f"{path}: {mark}", is_tool=True)
                return


_GO_BENCHMARK = re.compile(r"(?m)^func Benchmark\w+\(")


def _of_go(paths: Sequence[str], read: ReadBytes) -> Iterator[Benchmark]:
    """Of the package that has most of them, three times each; one in a module of its own inside
    the repository is not found from its root, and needs what nobody else does."""
    nested = [f"{posixpath.dirname(p)}/" for p in paths if p.endswith("/go.mod")]
    found: dict[str, list[str]] = {}
    for path in [path for path in paths if path.endswith("_test.go")][:_GO_FILES]:
        if any(map(path.startswith, nested)) and "go.mod" in paths:
            continue
        count = len(_GO_BENCHMARK.findall(text_of(read, path, _BYTES_LIMIT)))
        found.setdefault(posixpath.dirname(path), []).extend([path] * count)
    folder, counted = max(found.items(), key=lambda item: len(item[1]), default=("", []))
    if counted:
        place = f"./{folder}" if folder else "."
        length = "100ms" if len(counted) <= _FILES_LIMIT else "20ms"
        command = f"go test -run=^$ -bench . -benchtime {length} -count 3 {place}"
        reason = f"{counted[0]}: func Benchmark"
        yield Benchmark(command=command, reason=reason, is_tool=True)


def _of_java(known: Set[str], read: ReadBytes) -> Iterator[Benchmark]:
    """JMH, by the plugin of Gradle or as the jar of a module."""
    for path in sorted(p for p in known if posixpath.basename(p) in _BUILDS):
        text, folder = text_of(read, path, _BYTES_LIMIT), posixpath.dirname(path)
        if "me.champeau.jmh" in text and "gradle" in path:
            start = "./gradlew" if "gradlew" in known else "gradle"
            task = f":{folder.replace('/', ':')}:jmh" if folder else "jmh"
            command = f"{start} --no-daemon --console=plain {task}"
            yield Benchmark(command=command, reason=f"{path}: JMH", is_tool=True)
        elif "jmh-core" in text and "benchmarks<" in text:
            start = "./mvnw" if "mvnw" in known else "mvn"
            jar = shlex.quote(posixpath.join(folder, "target/benchmarks.jar"))
            module = f" -pl {folder} -am" if folder else ""
            yield Benchmark(
                command=f"java -jar {jar} -f 1 -wi 2 -i 3",
                before=f"{start} -B -o -q package -DskipTests{module}",
                reason=f"{path}: JMH",
                is_tool=True,
            )


_BUILDS = ("pom.xml", "build.gradle", "build.gradle.kts")


def _of_cmake(known: Set[str], read: ReadBytes) -> Iterator[Benchmark]:
    """A program that links Google's library."""
    lists = sorted(p for p in known if posixpath.basename(p) == "CMakeLists.txt")
    if "CMakeLists.txt" not in known:
        return
    switched = re.findall(
        r"(?i)option\(\s*(\w*BENCH\w*)", text_of(read, "CMakeLists.txt", _BYTES_LIMIT)
    )
    options = "".join(f" -D{name}=ON" for name in switched)
    for path in lists[:_FILES_LIMIT]:
        text = text_of(read, path, _BYTES_LIMIT)
        match = re.search(r"(?i)add_executable\(\s*([\w.-]*bench[\w.-]*)", text)
        if match and re.search(r"benchmark::benchmark|\bbenchmark_main\b", text):
            made = f"cmake -S . -B build -DCMAKE_BUILD_TYPE=Release{options}"
            yield Benchmark(
                command=f'"$(find build -name {match[1]} -type f)" --benchmark_min_time=0.1',
                before=f"{made} && cmake --build build -j 4 --target {match[1]}",
                reason=f"{path}: add_executable({match[1]})",
                is_tool=True,
            )
            return


def _of_make(known: Set[str], read: ReadBytes) -> Iterator[Benchmark]:
    """Once to build it, and again to measure; one that links a program does not start it."""
    for path in ("GNUmakefile", "makefile", "Makefile"):
        text = text_of(read, path, _BYTES_LIMIT) if path in known else ""
        rule = re.search(
            r"(?m)^((?:run-)?(?:bench(?:mark)?s?|perf))\s*:(?!=).*((?:\n(?:\t.*|#.*|))*)", text
        )
        if rule:
            built, is_tool = f"make {rule[1]}", bool(_TOOL.search(rule[2]))
            links = re.search(rf"\s-o\s*(?:\$@|\$\(@\)|{re.escape(rule[1])})(?!\S)", rule[2])
            yield Benchmark(
                command=f"./{rule[1]}" if links else built,
                before="" if is_tool and not links else built,
                reason=f"{path}: {rule[1]}",
                is_tool=is_tool,
            )
            return


def _of_asv(known: Set[str]) -> Iterator[Benchmark]:
    for path in sorted(p for p in known if posixpath.basename(p) == "asv.conf.json")[:1]:
        folder = posixpath.dirname(path)
        inside = f"cd {shlex.quote(folder)} && " if folder else ""
        command = f"{inside}asv machine --yes && asv run --python=same -a rounds=1 -a repeat=5"
        yield Benchmark(command=command, reason=f"{path}: asv", is_tool=True)
