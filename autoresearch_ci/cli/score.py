"""`autoresearch-ci score KIND ...`: metric commands that come with us; prints `name: value` lines.

Each is deterministic but for the clock, and fails rather than prints a number of half of what it
was to look at. What is counted and how is measure/scorers' business.
"""

from __future__ import annotations

import argparse
import ast
import glob
import gzip
import os
import re
import shlex
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext, redirect_stdout
from dataclasses import asdict
from pathlib import Path

from autoresearch_ci.errors import BaselineError, ConfigError
from autoresearch_ci.safety.log_text import defuse, json_text

Numbers = Mapping[str, float]
_SHOWN = 20
"""Places that are told beside a count."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What each kind takes; files are globs relative to the current folder."""
    kinds = parser.add_subparsers(dest="kind", required=True, metavar="KIND")
    of_commands = {
        "time": "seconds, cpu_seconds and peak_memory_mb of a command",
        "bench": "nanoseconds an operation takes, as benchmark tools print it, and results",
        "problems": "how many problems a linter, type checker or compiler tells of",
        "lines": "how many lines a command prints that match",
    }
    for kind, text in of_commands.items():
        each = kinds.add_parser(kind, help=text, allow_abbrev=False)
        if kind == "bench":
            each.add_argument(
                "--results", type=int, default=0, metavar="N", help="no more, no less"
            )
            each.add_argument("--only", default="", metavar="WORD", help="that their names have")
        if kind == "problems":
            each.add_argument("--tool", required=True, help="whose output it is, as in fix.targets")
        if kind == "lines":
            each.add_argument("--regex", default=".", help="default: every line that is not empty")
            each.add_argument(
                "--exit-codes", default="0,1", help="with which it has looked at everything"
            )
        each.add_argument("words", nargs="+", metavar="CMD", help="after --, with its arguments")
    of_files = {
        "size": "bytes and gzip_bytes of files",
        "readability": "reading_ease and grade of English Markdown",
        "prose": "violations of limits of Markdown: length, sentences, words, headings",
        "links": "broken_links of Markdown within the repository",
        "docstrings": "documented_percent of public Python names",
        "marks": "marks such as TODO",
        "complexity": "complexity, worst_complexity and functions of source files",
        "sql": "vm_steps and seconds that queries take in SQLite, and their answers",
    }
    for kind, text in of_files.items():
        each = kinds.add_parser(kind, help=text, allow_abbrev=False)
        each.add_argument("files", nargs="+", metavar="GLOB")
        each.add_argument(
            "--exclude", action="append", default=[], metavar="GLOB", help="as `!` in a scope"
        )
        if kind == "size":
            each.add_argument("--least", type=int, default=0, metavar="N", help="files, or none")
        _add_options(kind, each)
    each = kinds.add_parser("lighthouse", help="performance of a folder's page", allow_abbrev=False)
    each.add_argument("folder", metavar="FOLDER", help="with an index.html")
    for each in kinds.choices.values():
        each.add_argument("--json", action="store_true", help="print JSON")


def _add_options(kind: str, parser: argparse.ArgumentParser) -> None:
    if kind == "prose":
        for name, what in (
            ("words", "words of a file"),
            ("sentence", "words of a sentence"),
            ("line", "characters of a line"),
        ):
            parser.add_argument(f"--max-{name}", type=int, default=0, metavar="N", help=what)
        parser.add_argument("--forbid", action="append", default=[], metavar="WORD")
        parser.add_argument("--heading", action="append", default=[], metavar="TEXT")
    elif kind == "marks":
        parser.add_argument("--word", action="append", default=[], metavar="WORD")
    elif kind == "sql":
        parser.add_argument("--load", action="append", default=[], metavar="FILE")
        parser.add_argument("--database", default=":memory:", metavar="FILE")
        parser.add_argument("--answers", type=int, default=None, metavar="N", help="these, or none")


def main(options: argparse.Namespace) -> int:
    """Print the numbers; what was counted, and a timed command's own words, stand above them."""
    try:
        with redirect_stdout(sys.stderr) if options.json else nullcontext():
            numbers = KINDS[options.kind](options)
    except UnicodeDecodeError as error:
        raise BaselineError(f"score {options.kind}: a file is no UTF-8 text: {error}") from error
    if options.json:
        print(json_text({name: float(f"{value:.10g}") for name, value in numbers.items()}))
        return 0
    for name, value in numbers.items():
        print(f"{name}: {value:.10g}")
    return 0


# --- of commands ----------------------------------------------------------------------------------


def _time(options: argparse.Namespace) -> Numbers:
    from autoresearch_ci.execution.timed import timed

    sys.stdout.flush()
    try:
        found = timed(options.words, sys.stderr.fileno() if options.json else None)
    except OSError as error:
        raise BaselineError(f"{options.words[0]}: {error.strerror}") from error
    if found.exit_code:
        what = f"after {found.cpu_seconds:.4g} seconds of the processor"
        what += f" and {found.peak_memory_mb:.4g} MiB" if found.peak_memory_mb else ""
        raise BaselineError(f"exit code {found.exit_code} {what}: {shlex.join(options.words)}")
    told = {k: v for k, v in asdict(found).items() if k != "exit_code" and v is not None}
    return {name: round(value, 4) for name, value in told.items()}


def _bench(options: argparse.Namespace) -> Numbers:
    from autoresearch_ci.execution.command import run_command
    from autoresearch_ci.measure.scorers.benchmarks import results

    said = run_command(_line(options.words), cwd=Path.cwd(), env=os.environ)
    _refuse_cut(said.output, said.command)
    print("\n".join(map(defuse, said.output.splitlines())))
    if said.exit_code or said.timed_out:
        raise BaselineError(f"{said.reason or f'exit code {said.exit_code}'}: {said.command}")
    try:
        found = results(said.output, options.only)
    except ValueError as error:
        raise BaselineError(f"score bench: {error}: {said.command}") from error
    if options.results not in (0, found.results):
        raise BaselineError(
            f"score bench: {found.results} results instead of {options.results}: {said.command}"
        )
    return {name: value for name, value in asdict(found).items() if value is not None}


def _problems(options: argparse.Namespace) -> Numbers:
    from autoresearch_ci.execution.command import run_command
    from autoresearch_ci.measure.diagnostics.adapter import ToolOutput
    from autoresearch_ci.measure.diagnostics.registry import TOOLS

    adapter = TOOLS.get(options.tool)
    if adapter is None:
        raise ConfigError(f"score problems: no tool {options.tool!r}; known: {', '.join(TOOLS)}")
    here = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report"
        command = _line(options.words).replace("{report}", str(report))
        result = run_command(command, cwd=here, env=os.environ, apart=True)
        content = report.read_bytes() if report.exists() else None
    found = adapter.parse(ToolOutput(result=result, report=content, root=str(here)))
    if found.incomplete:
        raise BaselineError(f"{options.tool} did not tell everything: {found.incomplete}")
    _show(f"{f.path}:{f.line}: {f.message.splitlines()[0]}" for f in found.failures if f.message)
    return {"problems": len(found.failures)}


def _lines(options: argparse.Namespace) -> Numbers:
    import regex

    from autoresearch_ci.execution.command import run_command

    try:
        pattern = regex.compile(options.regex)
    except regex.error as error:
        raise ConfigError(f"score lines: --regex {options.regex!r}: {error}") from error
    result = run_command(_line(options.words), cwd=Path.cwd(), env=os.environ)
    well = {int(code) for code in options.exit_codes.split(",") if code.strip().isdigit()}
    if result.exit_code not in well or result.timed_out:
        raise BaselineError(f"{result.reason or 'exit code 0'}: {result.command}")
    _refuse_cut(result.output, result.command)
    if result.exit_code and (crash := _CRASH.search(result.output)):
        raise BaselineError(f"it crashed ({defuse(crash[0])[:200]}): {result.command}")
    found = [line for line in result.output.splitlines() if pattern.search(line, timeout=10)]
    _show(found)
    return {"lines": len(found)}


_CRASH = re.compile(
    r"^Traceback \(most recent call last\):$|^\S*python\S*: No module named .*", re.MULTILINE
)
"""Python ends with the code by which linters say that they have found something."""


def _refuse_cut(output: str, command: str) -> None:
    """What is left out in the middle would make another number of the rest."""
    if re.search(r"(?m)^\[\.\.\. \d+ bytes not kept \.\.\.\]$", output):
        raise BaselineError(f"it prints more than is kept; let it print only results: {command}")


def _line(words: Sequence[str]) -> str:
    """One word is a line of shell, several are an argument list."""
    return words[0] if len(words) == 1 else shlex.join(words)


# --- of files -------------------------------------------------------------------------------------


def _size(options: argparse.Namespace) -> Numbers:
    contents = [path.read_bytes() for path in _files(options)]
    if len(contents) < options.least:
        told = f"{len(contents)} files instead of at least {options.least}"
        raise BaselineError(f"score size: {told}: one that is not written is not smaller.")
    packed = sum(len(gzip.compress(each, mtime=0)) for each in contents)
    return {"bytes": sum(map(len, contents)), "gzip_bytes": packed, "files": len(contents)}


def _readability(options: argparse.Namespace) -> Numbers:
    import pyphen

    from autoresearch_ci.measure.scorers.prose import page, readability

    language = pyphen.Pyphen(lang="en_US")
    try:
        found = readability(
            [page(text) for _, text in _texts(options)],
            lambda word: len(language.positions(word)) + 1,
        )
    except ValueError as error:
        raise BaselineError(str(error)) from error
    return {name: round(value, 4) for name, value in asdict(found).items()}


def _prose(options: argparse.Namespace) -> Numbers:
    from autoresearch_ci.measure.scorers.prose import ProseLimits, broken_limits

    limits = ProseLimits(
        max_words=options.max_words,
        max_sentence=options.max_sentence,
        max_line=options.max_line,
        forbidden=tuple(options.forbid),
        headings=tuple(options.heading),
    )
    if limits == ProseLimits():
        raise ConfigError("score prose: give a limit, such as --max-words 800 or --forbid very")
    found = [
        f"{path}: {what}" for path, text in _texts(options) for what in broken_limits(text, limits)
    ]
    _show(found)
    return {"violations": len(found)}


def _links(options: argparse.Namespace) -> Numbers:
    from autoresearch_ci.measure.scorers.prose import broken_links

    found = [
        f"{path}: {target}"
        for path, text in _texts(options)
        for target in broken_links(path, text, _read)
    ]
    _show(found)
    return {"broken_links": len(found)}


def _read(path: str) -> str | None:
    place = Path(path)
    if place.is_dir():
        return ""
    return place.read_text(encoding="utf-8", errors="replace") if place.is_file() else None


def _docstrings(options: argparse.Namespace) -> Numbers:
    from autoresearch_ci.measure.scorers.code import documented

    try:
        found = documented([text for _, text in _texts(options)])
    except SyntaxError as error:
        raise BaselineError(f"a file is no Python: {error}") from error
    return {"documented_percent": round(found.percent, 4), "names": found.total}


def _marks(options: argparse.Namespace) -> Numbers:
    from autoresearch_ci.measure.scorers.code import marks

    words = options.word or ["TODO", "FIXME", "XXX", "HACK"]
    return {"marks": sum(marks(text, words) for _, text in _texts(options))}


def _complexity(options: argparse.Namespace) -> Numbers:
    import lizard

    found: list[int] = []
    for path in _files(options):
        text = path.read_text(encoding="utf-8", errors="replace")
        if path.suffix == ".py":  # of `def f(): ...` in one line Lizard sees nothing
            text = _spread(text, path)
        seen = lizard.analyze_file.analyze_source_code(str(path), text)
        found += [function.cyclomatic_complexity for function in seen.function_list]
    if not found:  # a score of nothing would be the best one
        raise BaselineError("score complexity: no function was found")
    return {"complexity": sum(found), "worst_complexity": max(found), "functions": len(found)}


def _spread(text: str, path: Path) -> str:
    """The same Python with a line for each statement."""
    try:
        return ast.unparse(ast.parse(text))
    except (SyntaxError, ValueError) as error:
        raise BaselineError(f"{path} is no Python: {error}") from error


def _sql(options: argparse.Namespace) -> Numbers:
    import sqlite3

    from autoresearch_ci.measure.scorers.queries import cost

    prepare = [Path(path).read_text(encoding="utf-8") for path in options.load]
    queries = "\n".join(text for _, text in _texts(options))
    if not (prepare or options.database == ":memory:" or Path(options.database).is_file()):
        raise ConfigError(f"score sql: --database {options.database} is not there")
    try:
        found = cost(prepare, queries, options.database)
    except sqlite3.Error as error:
        raise BaselineError(f"SQLite: {error}") from error
    if not (found.vm_steps or found.rows):
        raise BaselineError("score sql: the queries do nothing that could be counted")
    if options.answers not in (None, found.answers):
        raise BaselineError(f"score sql: other rows than before: answers {found.answers}")
    return asdict(found)


def _lighthouse(options: argparse.Namespace) -> Numbers:
    from autoresearch_ci.measure.scorers.pages import lighthouse

    if not (Path(options.folder) / "index.html").is_file():
        raise ConfigError(f"score lighthouse: {options.folder}/index.html is not there")
    try:
        return lighthouse(Path(options.folder))
    except (ValueError, KeyError, OSError) as error:
        raise BaselineError(f"score lighthouse: {error}") from error


def _files(options: argparse.Namespace) -> list[Path]:
    """Raises `ConfigError` for a glob without a file: a score of nothing would be the best one."""
    found: dict[str, None] = {}
    for pattern in options.files:
        named = glob.glob(pattern, recursive=True)  # noqa: PTH207 (an absolute one works, too)
        paths = [path for path in sorted(named) if Path(path).is_file()]
        if not paths:
            raise ConfigError(f"score {options.kind}: {pattern} matches no file in {Path.cwd()}")
        found |= dict.fromkeys(os.path.normpath(path) for path in paths)
    if options.exclude:
        from autoresearch_ci.safety.gitignore_globs import gitignore_spec

        left_out = gitignore_spec(options.exclude)
        found = {path: None for path in found if not left_out.match_file(path)}
    if not found:
        raise ConfigError(f"score {options.kind}: --exclude leaves no file")
    return [Path(path) for path in found]


def _texts(options: argparse.Namespace) -> Iterator[tuple[str, str]]:
    for path in _files(options):
        yield str(path), path.read_text(encoding="utf-8")


def _show(places: Iterator[str] | Sequence[str]) -> None:
    for number, place in enumerate(places):
        if number == _SHOWN:
            print("and more")
            break
        print(defuse(place)[:200])


KINDS: Mapping[str, Callable[[argparse.Namespace], Numbers]] = {
    "time": _time,
    "bench": _bench,
    "problems": _problems,
    "lines": _lines,
    "size": _size,
    "readability": _readability,
    "prose": _prose,
    "links": _links,
    "docstrings": _docstrings,
    "marks": _marks,
    "complexity": _complexity,
    "sql": _sql,
    "lighthouse": _lighthouse,
}
