"""What a repository is made of: languages, sources, tests, benchmarks, how it is installed.

Pure, as diagnostics/discovery/targets.py is, which finds how it is checked: paths and a way to
read them go in. What is sure is told apart from what is only likely; every answer has its reason.
"""

from __future__ import annotations

import posixpath
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from autoresearch_ci.decide.failures.shortcuts.detect import is_test
from autoresearch_ci.experiment import ReadBytes
from autoresearch_ci.measure.diagnostics.discovery.targets import Discovery, discover
from autoresearch_ci.plan.benchmarks import Benchmark, benchmarks
from autoresearch_ci.plan.builds import Builder, output_of, page_of, programs, sites
from autoresearch_ci.plan.file_contents import json_of, mapping, text_of, toml_of
from autoresearch_ci.plan.package_managers import install_commands
from autoresearch_ci.safety.gitignore_globs import gitignore_spec

ENDS: Mapping[str, tuple[str, ...]] = {
    "Python": (".py", ".pyx"),
    "TypeScript": (".ts", ".tsx", ".mts", ".cts"),
    "JavaScript": (".js", ".jsx", ".mjs", ".cjs", ".vue", ".svelte"),
    "Go": (".go",),
    "Rust": (".rs",),
    "Java": (".java", ".kt", ".scala"),
    "C/C++": (".c", ".h", ".cc", ".cpp", ".cxx", ".hh", ".hpp"),
    "notebooks": (".ipynb",),
    "SQL": (".sql",),
    "docs": (".md", ".mdx", ".rst", ".adoc"),
}
MANIFESTS: Mapping[str, tuple[str, ...]] = {
    "Python": ("pyproject.toml", "setup.py", "setup.cfg", "requirements.txt"),
    "TypeScript": ("tsconfig.json",),
    "JavaScript": ("package.json",),
    "Go": ("go.mod",),
    "Rust": ("Cargo.toml",),
    "Java": ("pom.xml", "build.gradle", "build.gradle.kts"),
    "C/C++": ("CMakeLists.txt", "meson.build", "configure.ac", "Makefile"),
}
_NOT_SOURCE = re.compile(
    r"(^|/)(tests?|testing|specs?|__tests__|__mocks__|e2e|docs?|documentation|examples?|demos?"
    r"|samples?|bench(mark)?[\w-]*|perf(ormance)?([_-][\w-]+)?|(oss-?)?fuzz(ing|er|ers)?|scripts?|tools?|ci|contrib|third_party|thirdparty|vendor|ext"
    r"|external|deps|node_modules|dist|build|out|target|fixtures|testdata|data|website|site|www"
    r"|migrations|stubs|typings|tasks|misc|dev|\.[^/]+|_examples?|\w+[_-]tests?_*|tests?[_-][\w-]+)/",
    re.IGNORECASE,
)
_NO_SOURCE_FILE = re.compile(
    r"(^|/)(setup|conftest|noxfile|fabfile|tasks|manage|build)\.(py|rs)$"
    r"|(^|/)[\w.-]+\.(config|conf|d)\.[cm]?[jt]s$|\.min\.js$|(^|/)(Gulpfile|Gruntfile)\.js$"
    r"|(^|/)(bench(mark)?s?|perf|examples?|demo)([_-][\w-]+)?\.\w+$|[\w-]+[_-]bench(mark)?\.\w+$"
    r"|(^|/)\.[^/]+$|_pb2?\.(py|go)$|\.(sample|example)\.\w+$"
)
"""What sets up, builds, measures or shows: no part of what gets better."""
_TESTS = re.compile(
    r"(^|/)(tests?|test-d|testing|specs?|__tests__|e2e|testdata)/|(^|/)(test_[^/]*\.(?!go$)|[^/]*[_.-](test|spec)\.)\w+$"
    r"|(^|/)test\.\w+$"
)
_PROMPTS = re.compile(
    r"(^|/)(SKILL|AGENTS|CLAUDE|GEMINI)\.md$|(^|/)(prompts?|skills?)/.*\.(md|txt|ya?ml|j2)$|\.prompt(\.md)?$"
)
_NO_PAGE = re.compile(
    r"(^|/)(changelog|changes|history|news|licen[cs]e|code_of_conduct|security|authors|copying"
    r"|contributors)[^/]*$|(^|/)(\.[^/]*|vendor|node_modules|tests?|fixtures)/|(^|/)\.[^/]*$"
    r"|(^|/)(readme|index|contributing)[._-][a-z]{2}([_-][a-z]{2,4})?\.md$"
    r"|(^|/)(locales?|i18n|l10n|translations?|lang)/(?!en)",
    re.IGNORECASE,
)
"""What nobody improves, is not ours, or is in another language than English."""
_TEST_SCRIPT = re.compile(r"^(?:tests?/|scripts?/)?(?:run[_-]?tests?|unittests?|tests?)\.sh$")
_PIPELINES = re.compile(
    r"\.github/workflows/[^/]+\.ya?ml|\.gitlab-ci\.yml|\.circleci/config\.yml|azure-pipelines\.yml"
    r"|Jenkinsfile|\.travis\.yml|appveyor\.yml"
)


@dataclass(frozen=True, kw_only=True)
class Stack:
    """What was found."""

    languages: tuple[str, ...]
    """Keys of `ENDS`, or `prompts`; the one that the repository is about comes first."""
    scope: tuple[str, ...]
    """Globs of its own sources, without tests; empty: there are none."""
    files: int
    """That the scope matches."""
    checks: Discovery
    """What it is checked with."""
    benchmarks: tuple[Benchmark, ...]
    pages: tuple[str, ...]
    """Documentation in Markdown."""
    prompts: tuple[str, ...]
    """Texts that are written for a model."""
    install: tuple[str, ...]
    """Command lines that prepare a bare runner."""
    pipelines: tuple[str, ...]
    """Files of the CI that is there already."""
    scripts: Mapping[str, str]
    """Of package.json at the root."""
    tests: tuple[str, ...]
    """Globs of the files that hold tests."""
    test_script: str
    """An executable script that runs tests; empty: none is called so."""
    needs_modules: bool
    """Whether package.json at the root names others."""
    output: str
    """Glob of what `npm run build` writes; empty: not known."""
    programs: tuple[Builder, ...]
    """Command that builds, path of the program that it makes, and where the repository says so."""
    page: Builder | None
    """Command that builds a page, its folder, and where the repository says so."""
    queries: tuple[str, ...]
    """Files of SQL."""
    tables: frozenset[str]
    """Of which these ask nothing: they make tables and fill them."""
    notebooks: tuple[str, ...]
    sites: tuple[tuple[str, str], ...]
    """Command that builds the documentation, and where the repository says so."""
    page_scope: tuple[str, ...]
    """Globs of `pages`, or of `prompts` where there are no others."""

    @property
    def main(self) -> str:
        return self.languages[0] if self.languages else ""

    @property
    def counted(self) -> str:
        """The files of the scope, in words."""
        of = f"{self.main} " if self.main in MANIFESTS else ""
        return f"{self.files} {of}file{'' if self.files == 1 else 's'}"

    @property
    def is_of_node(self) -> bool:
        return self.main in ("JavaScript", "TypeScript")


def stack_of(paths: Iterable[str], read: ReadBytes) -> Stack:
    """Of a repository with these files; `read` raises `KeyError` for one that is not there."""
    known = sorted(paths)
    checks = discover(known, read)
    beside = tuple(_unpublished(known, read))
    sources = _sources([path for path in known if not path.startswith(beside)])
    pages = tuple(path for path in known if path.endswith(".md") and not _NO_PAGE.search(path))
    prompts = tuple(path for path in known if _PROMPTS.search(path))
    languages = _languages(known, sources, pages, prompts)
    main = languages[0] if languages else ""
    own = {"docs": list(pages), "prompts": list(prompts), **sources}.get(main, [])
    if main == "TypeScript":
        own = sorted([*own, *(p for p in sources["JavaScript"] if not _NOT_SOURCE.search(p))])
    tests = tuple(_test_globs(known, _ends(main)))
    package = json_of(read, "package.json")
    scripts = _texts(package.get("scripts"))
    builders = _builders(scripts)
    own = [path for path in own if path not in builders]
    return Stack(
        languages=languages,
        scope=_besides(scope_of(own, ends=_ends(main)), (*tests, *_rulers(known, main, tests))),
        files=len(own),
        checks=checks,
        benchmarks=tuple(benchmarks(known, read, scripts, _package(package, read))),
        pages=pages,
        prompts=prompts,
        install=tuple(install_commands(main, known, read, checks.targets)),
        pipelines=tuple(path for path in known if _PIPELINES.fullmatch(path)),
        scripts=scripts,
        tests=tests,
        test_script=max(filter(_TEST_SCRIPT.search, known), key=lambda p: "unit" in p, default=""),
        needs_modules=bool(package.get("dependencies") or package.get("devDependencies")),
        output=output_of(package),
        programs=tuple(programs(known, read)),
        page=page_of(package, known),
        queries=tuple(sources["SQL"]),
        tables=frozenset(path for path in sources["SQL"] if _fills(path, text_of(read, path))),
        notebooks=tuple(sources["notebooks"]),
        sites=tuple(sites(known)),
        page_scope=scope_of(pages or prompts, ends=(".md",)),
    )


def _ends(main: str) -> tuple[str, ...]:
    both = ENDS["TypeScript"] + ENDS["JavaScript"] if main == "TypeScript" else ENDS.get(main, ())
    return (".md",) if main == "docs" else both


def _sources(paths: Sequence[str]) -> dict[str, list[str]]:
    """Files of each language that the repository is made of; examples where it has no others,
    unless another language has, whose pages or tools they are then."""
    ours = [path for path in paths if not (_is_test(path) or _NO_SOURCE_FILE.search(path))]
    around = [path for path in ours if not re.search(r"(^|/)(vendor|node_modules|dist)/", path)]
    made = [path for path in ours if not _NOT_SOURCE.search(path)]
    ends = {name: each for name, each in ENDS.items() if name != "docs"}
    found = {name: [path for path in made if path.endswith(each)] for name, each in ends.items()}
    others = any(found[name] for name in MANIFESTS)
    for name, each in ends.items():
        manifests = MANIFESTS.get(name, ())
        if not found[name] and (not (others and manifests) or {*manifests} & {*paths}):
            found[name] = [path for path in around if path.endswith(each)]
    return found


def _fills(path: str, text: str) -> bool:
    named = re.search(r"(schema|seed|data|fixture|init)[^/]*$", path)
    fills = re.search(r"\b(?:CREATE\s+TABLE|INSERT\s+INTO)\b", text, re.IGNORECASE)
    return bool(named or (fills and not re.search(r"(?im)^[\s(]*(?:SELECT|WITH)\b", text)))


_FOR_TESTS = re.compile(r"(?ms)^\[[^\n]*dev-dependencies.*?(?=^\[|\Z)")
_PATH = re.compile(r"\bpath\s*=\s*[\"']([^\"'\n]+)")


def _unpublished(paths: Sequence[str], read: ReadBytes) -> Iterator[str]:
    """Folders of Rust packages that are for nobody else, beside one at the root that is: they test
    it, measure it or show it; none is made of them."""
    crates = {posixpath.dirname(path): path for path in paths if path.endswith("Cargo.toml")}
    packages = {at: mapping(toml_of(read, path).get("package")) for at, path in crates.items()}
    root = packages.pop("", {})
    if root and root.get("publish") is not False:
        parts = {
            posixpath.normpath(posixpath.join(folder, part))
            for folder, path in crates.items()
            for part in _PATH.findall(_FOR_TESTS.sub("", text_of(read, path)))
        }
        inner = (at for at, package in packages.items() if package.get("publish") is False)
        yield from (f"{at}/" for at in inner if at not in parts)


def _is_test(path: str) -> bool:
    return bool(_TESTS.search(path)) or is_test(path)


def _languages(
    paths: Sequence[str],
    sources: Mapping[str, list[str]],
    pages: Sequence[str],
    prompts: Sequence[str],
) -> tuple[str, ...]:
    """A manifest at the root says more than many files do."""
    roots = {path for path in paths if "/" not in path}
    counts = Counter({name: len(found) for name, found in sources.items() if found})
    for name in counts:
        counts[name] *= 10 if roots & {*MANIFESTS.get(name, ())} else 1
    if counts["TypeScript"] and counts["JavaScript"]:
        counts["TypeScript"] += counts["JavaScript"] * (counts["TypeScript"] > len(roots))
    if not counts or 5 * sum(counts.values()) < len(pages):
        counts["docs"] = sum(counts.values()) + len(pages)
    if prompts and 2 * len(prompts) >= len(pages) and not any(n in MANIFESTS for n in counts):
        counts["prompts"] = sum(counts.values()) + 1
    return tuple(name for name, count in counts.most_common() if count)


# --- Scope ----------------------------------------------------------------------------------------


def scope_of(paths: Sequence[str], *, ends: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Few globs that match these files and few others."""
    if len(paths) <= 3:
        return tuple(paths)
    wanted = _tops(paths, whole=ends == ENDS["Go"])
    kinds = Counter(posixpath.splitext(path)[1] for path in paths)
    kept = [end for end in (ends or tuple(kinds)) if 20 * kinds[end] >= len(paths)]
    globs = [
        f"{top}/**/*{end}" if top else f"/*{end}"
        for top in sorted(wanted)
        for end in kept
        if any(_lies_in(path, top) and path.endswith(end) for path in paths)
    ]
    return tuple(globs)


_MOST = 0.8
"""Of the files: with that many the small folders beside them are left out."""


def _tops(paths: Sequence[str], *, whole: bool) -> list[str]:
    """The folders of most files. `whole`: of all, as the root is a package like any other."""
    tops = Counter(map(_top, paths))
    if inner := {top for top in tops if posixpath.dirname(top) in tops.keys() - {""}}:
        tops = Counter(posixpath.dirname(top) if top in inner else top for top in map(_top, paths))
    if not whole and len(tops) > 1 and 3 * tops[""] < len(paths):
        del tops[""]
    wanted: list[str] = []
    for top, _ in tops.most_common():
        if whole or sum(tops[each] for each in wanted) < _MOST * tops.total():
            wanted.append(top)
    above = Counter(posixpath.dirname(top) for top in wanted if "/" in top)
    wanted += [parent for parent, count in above.items() if count > 2]
    return [top for top in {*wanted} if not any(top.startswith(f"{up}/") for up in wanted if up)]


def _lies_in(path: str, top: str) -> bool:
    return path.startswith(f"{top}/") if top else "/" not in path


_STARTED = re.compile(
    r"(?:\bnode\s+(?:-\S+\s+)*|(?<!\S)(?:-o|--out-?file|--output)[ =]|>\s*)(?:\./)?([\w./-]+)"
)


def _builders(scripts: Mapping[str, str]) -> frozenset[str]:
    """Files that scripts of package.json start or write: they build and measure or are built, and
    are no source."""
    names = {name for line in scripts.values() for name in _STARTED.findall(line)}
    ends = ("", ".js", ".mjs", ".cjs", "/index.js")
    return frozenset(posixpath.normpath(f"{name}{end}") for name in names for end in ends)


_RULER = re.compile(r"(?:.*/)?(?:[\w-]+[_-])?bench(?:mark)?s?(?:[_-][\w-]+)?\.\w+")


def _rulers(paths: Sequence[str], main: str, tests: Sequence[str]) -> list[str]:
    """Benchmarks, which a glob of sources beside them would let be edited, but for those that
    are left out as tests."""
    found = [path for path in paths if path.endswith(_ends(main)) and _RULER.fullmatch(path)]
    return [path for path in found if not gitignore_spec(tests).match_file(path)]


def _besides(globs: tuple[str, ...], tests: Sequence[str]) -> tuple[str, ...]:
    """Tests and benchmarks among the sources are what holds them, and stay as they are."""
    if not any("*" in glob for glob in globs):
        return globs
    tops = {glob.split("/**")[0] for glob in globs if "/**" in glob}
    within = [t for t in tests if "*" in t or any(t.startswith(f"{top}/") for top in tops)]
    if any(glob.startswith("/") for glob in globs):
        within += [f"/{test}" for test in tests if "*" not in test and "/" not in test]
    return (*globs, *(f"!{test}" for test in within))


def _top(path: str) -> str:
    parts = path.split("/")[:-1]
    return (
        "/".join(parts[:2])
        if parts[:1] in (["src"], ["packages"], ["crates"], ["apps"], ["libs"], ["modules"])
        else "".join(parts[:1])
    )


def _test_globs(paths: Sequence[str], ends: tuple[str, ...]) -> Iterator[str]:
    """Where the tests of the main language are."""
    tests = [path for path in paths if path.endswith(ends) and _is_test(path)] if ends else []
    folders = dict.fromkeys(
        match[0]
        for path in tests
        if (match := re.match(r"(.*?/)?(tests?|specs?|__tests__)/", path))
    )
    yield from list(folders)[:6]
    left = [path for path in tests if not any(path.startswith(folder) for folder in folders)]
    yield from sorted({_shape(path) for path in left})[:6]


_AFTER, _BEFORE = re.compile(r"[^/]*([_.-](?:test|spec)\.\w+)"), re.compile(r"test_[^/]*(\.\w+)")


def _shape(path: str) -> str:
    """`test_*.py`, `*.test.ts`, or the path of a test that is called like nothing else."""
    name = posixpath.basename(path)
    if match := _BEFORE.fullmatch(name):
        return f"test_*{match[1]}"
    return f"*{match[1]}" if (match := _AFTER.fullmatch(name)) else path


def _package(package: Mapping[str, Any], read: ReadBytes) -> str:
    """What it is called, without its owner."""
    if isinstance(name := package.get("name"), str):
        return name.rpartition("/")[2]
    name = mapping(toml_of(read, "pyproject.toml").get("project")).get("name")
    return name if isinstance(name, str) else ""


def _texts(value: object) -> dict[str, str]:
    return {k: v for k, v in mapping(value).items() if isinstance(v, str)}
