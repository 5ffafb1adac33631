"""The one table of tools that mend what they complain of: how each is asked to mend one rule.

Pure: a failure and the line of shell that found it go in, calls come out. A tool is started as the
repository starts it, on what the repository points it at; what it is allowed to mend is less than
it could: one rule, and only what it calls safe. Running it is autofix.py's business.
"""

from __future__ import annotations

import itertools
import json
import posixpath
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from autoresearch_ci.decide.failures.failure import Category, Failure
from autoresearch_ci.decide.failures.repair_order import Aim
from autoresearch_ci.propose.tool_command import ToolCommand, asked

SCRIPT, TEMPORARY = "{script}", "{tmp}"
"""Stand for places that are only known when a fixer is run."""


@dataclass(frozen=True, kw_only=True)
class Fixer:
    """One tool."""

    name: str
    words: str
    """An expression for how a line starts it when it only looks: `ruff check`."""
    argv: Callable[[ToolCommand, str], Sequence[str]]
    """What mends a rule."""
    rule: Callable[[Failure], str] = lambda failure: ""
    """The rule behind a failure of one of `tools`; empty: it mends nothing of that."""
    tools: tuple[str, ...] = ()
    """Whose failures it mends, by the names of the adapters."""
    whole: bool = False
    """It mends all or nothing: also what a line complains of that starts it, if that is style and
    nobody knows the rules of it."""
    keeps: str = ""
    """Its options that say what is looked at, and how strictly; see `asked`."""
    drops: str = ""
    """Those that say how to print, or what to change."""
    endings: tuple[str, ...] = ()
    """How files are called that it mends; empty: any."""
    ended: tuple[int, ...] = (0,)
    """Exit codes with which it has done what it could."""
    creates: bool = False
    """Whether a file that was not there may be its work."""
    script: str = ""
    """Content of the file that `{script}` in its arguments stands for: a CommonJS module."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """`{tmp}` in a value is its folder for temporary files."""


@dataclass(frozen=True, kw_only=True)
class FixerCall:
    """One run of a fixer."""

    fixer: Fixer
    rule: str
    """Empty: it has only one."""
    argv: tuple[str, ...]
    folder: str
    """Relative to the repository's root; empty: there."""

    @property
    def mark(self) -> str:
        """How the description of what comes of it begins; nothing else does."""
        place = f" below {self.folder}" if self.folder else ""
        return f"{self.fixer.name}: {f'fix {self.rule}' if self.rule else 'applied'}{place} in "


def calls(aim: Aim) -> Iterator[FixerCall]:
    """What may mend the failure, the likeliest first."""
    failure = aim.failure
    read = any(failure.tool in fixer.tools for fixer in FIXERS) or failure.category not in _STYLE
    for fixer in FIXERS:
        found = asked(aim.command, fixer.words, keeps=fixer.keeps, drops=fixer.drops)
        rule = fixer.rule(failure) if failure.tool in fixer.tools else ""
        if not rule and (read or not fixer.whole or found is None):
            continue
        tool = found or ToolCommand(program=fixer.name.split()[0])
        folder = _joined(aim.folder, tool.folder)
        if folder.startswith(("/", "..")):
            continue
        yield FixerCall(
            fixer=fixer,
            rule="" if fixer.whole else rule,
            argv=tuple(fixer.argv(tool, rule)),
            folder=folder,
        )


def layout_calls(aim: Aim, paths: Collection[str]) -> Iterable[FixerCall]:
    """What writes these files as the formatters want them that a repair is asked about."""
    found: dict[tuple[tuple[str, ...], str], FixerCall] = {}
    layouts = [fixer for fixer in FIXERS if fixer.whole and not fixer.tools]
    for (command, folder), fixer in itertools.product(aim.checks, layouts):
        tool = asked(command, fixer.words, keeps=fixer.keeps, drops=fixer.drops)
        if tool is None:
            continue
        where = _joined(folder, tool.folder)
        places = [_joined(where, path) for path in tool.paths]
        own = [
            posixpath.relpath(path, where or ".")
            for path in sorted(paths)
            if path.endswith(fixer.endings or "") and any(_is_in(path, place) for place in places)
        ]
        if own:
            argv = tuple(fixer.argv(replace(tool, paths=tuple(own)), ""))
            found[argv, where] = FixerCall(fixer=fixer, rule="", argv=argv, folder=where)
    return found.values()


def _is_in(path: str, place: str) -> bool:
    return not place or path == place or path.startswith(f"{place}/")


_STYLE = (Category.LINT, Category.WARNING)
"""No formatter mends a test or a type, whatever else the line starts."""


def _joined(folder: str, below: str) -> str:
    found = posixpath.normpath(posixpath.join(folder, below))
    return "" if found == "." else found


# --- The tools ------------------------------------------------------------------------------------


def _code(pattern: str) -> Callable[[Failure], str]:
    """A rule is what a failure's code says: a word of a tool's output, and then an argument."""
    compiled = re.compile(pattern)
    return lambda failure: failure.code if compiled.fullmatch(failure.code) else ""


def _modules(failure: Failure) -> str:
    return "modules" if _MODULES.search(failure.message) else ""


_MODULES = re.compile(r"no required module|missing go\.sum|updates? to go\.(mod|sum)|go mod tidy")


def _plainly(*words: str) -> Callable[[ToolCommand, str], Sequence[str]]:
    """The tool with other words in place of those that say to look only."""

    def argv(tool: ToolCommand, rule: str) -> Sequence[str]:
        return [*tool.launcher, tool.program, *words, *tool.options, "--", *tool.paths]

    return argv


def _ruff(tool: ToolCommand, rule: str) -> Sequence[str]:
    # Alone, RUF100 would take every `noqa` for unused whose rule is not asked for. Otherwise
    # --select is better: it leaves what the settings call `unfixable` alone.
    only = ["--fixable", rule] if rule == "RUF100" else ["--select", rule]
    options = list(tool.options)
    if rule != "RUF100":
        for name in ("--select", "--extend-select", "--ignore"):
            options = _without(options, name)
    return [
        *(*tool.launcher, tool.program, "check", "--fix", "--no-unsafe-fixes", "--no-cache"),
        *("--exit-zero", *only, *options, "--", *tool.paths),
    ]


def _without(options: Sequence[str], name: str) -> list[str]:
    kept: list[str] = []
    words = iter(options)
    for word in words:
        if word == name:
            next(words, "")
        elif not word.startswith(f"{name}="):
            kept.append(word)
    return kept


_ESLINT = """
const { createRequire } = require("node:module");
const fs = require("node:fs");
const path = require("node:path");
const [rule, config, extensions, ...patterns] = process.argv.slice(2);
function load() {
  try {
    return createRequire(path.join(process.cwd(), "_"))("eslint");
  } catch (error) {
    if (error.code !== "MODULE_NOT_FOUND") throw error;
  }
  for (const folder of (process.env.PATH || "").split(path.delimiter)) {
    const program = path.join(folder, "eslint");
    if (fs.existsSync(program)) return createRequire(fs.realpathSync(program))("eslint");
  }
  throw new Error("eslint is not installed");
}
async function main() {
  const eslint = load();
  const ESLint = eslint.loadESLint ? await eslint.loadESLint() : eslint.ESLint;
  const options = { fix: (message) => message.ruleId === rule };
  if (config) options.overrideConfigFile = path.resolve(config);
  const given = JSON.parse(extensions);
  if (given.length && ESLint.configType !== "flat") options.extensions = given;
  await ESLint.outputFixes(await new ESLint(options).lintFiles(patterns));
}
main().catch((error) => {
  console.error(String((error && error.message) || error));
  process.exit(2);
});
"""
"""Its command line cannot fix one rule only (`--rule` adds rules, `--fix-type` takes whole kinds of
them); its programming interface can be asked about each fix."""


def _eslint(tool: ToolCommand, rule: str) -> Sequence[str]:
    given = _values(tool.options)
    config = next((given[name] for name in ("-c", "--config") if name in given), "")
    dots = [f".{e.strip().lstrip('.')}" for e in given.get("--ext", "").split(",") if e.strip()]
    return ["node", SCRIPT, rule, config, json.dumps(dots), *tool.paths]


def _values(options: Sequence[str]) -> dict[str, str]:
    """Options with values, however they are written."""
    found: dict[str, str] = {}
    words = iter(options)
    for word in words:
        name, written, value = word.partition("=")
        found[name] = value if written else next(words, "")
    return found


_RUSTC_GROUPS = ("unused", "nonstandard_style", "future_incompatible", "rust_2018_idioms")
_CLIPPY_GROUPS = ("all", "pedantic", "nursery", "cargo")


def _clippy(tool: ToolCommand, rule: str) -> Sequence[str]:
    silent = [*_RUSTC_GROUPS, *(f"clippy::{group}" for group in _CLIPPY_GROUPS)]
    return [
        *("cargo", "clippy", "--fix", "--allow-dirty", "--allow-staged", "--allow-no-vcs"),
        *(*tool.options, "--"),
        *(word for group in silent for word in ("-A", group)),
        *("-W", rule),
    ]


def _gofmt(tool: ToolCommand, rule: str) -> Sequence[str]:
    return [tool.program, "-w", *tool.options, "--", *tool.paths]


_PYTHON = (".py", ".pyi", ".pyw", ".ipynb")
_SCRIPTS = (".js", ".jsx", ".cjs", ".mjs", ".ts", ".tsx", ".cts", ".mts", ".vue", ".svelte",
            ".astro", ".json", ".md")  # fmt: skip
_RUFF_KEEPS = (
    "--config= --exclude= --extend-exclude= --force-exclude --preview --no-preview --isolated "
    "--target-version= --line-length= --per-file-ignores= --extend-per-file-ignores= "
)

FIXERS = (
    Fixer(
        name="ruff",
        words="ruff check",
        argv=_ruff,
        rule=_code(r"[A-Z]{1,6}[0-9]{1,5}"),
        tools=("ruff",),
        keeps=_RUFF_KEEPS + "--select= --extend-select= --ignore=",
        drops="--fix --no-fix --show-fixes --unsafe-fixes --no-unsafe-fixes --no-cache --exit-zero "
        "--diff --output-format= --output-file= -o= -q --quiet -v --verbose -n --cache-dir= "
        "--statistics --exit-non-zero-on-fix -e",
        endings=_PYTHON,
    ),
    Fixer(
        name="eslint",
        words="eslint",
        argv=_eslint,
        script=_ESLINT,
        rule=_code(r"@?[A-Za-z0-9][\w./-]{0,150}"),
        tools=("eslint",),
        keeps="-c= --config= --ext=",
        drops="--format= -f= --output-file= -o= --fix --fix-dry-run --fix-type= --max-warnings= "
        "--cache --cache-location= --quiet --color --no-color --report-unused-disable-directives",
        endings=_SCRIPTS,
    ),
    Fixer(
        name="clippy",
        words="cargo (?:clippy|check)",
        argv=_clippy,
        rule=_code(r"clippy::[a-z0-9_]{1,80}|[a-z][a-z_]{1,80}_[a-z_]{1,80}"),
        tools=("cargo",),
        keeps="--workspace --all --all-targets --all-features --features= --no-default-features "
        "-p= --package= --manifest-path= --tests --lib --bins --locked --frozen --offline",
        drops="--message-format= -q --quiet -v --verbose --color= --fix --keep-going",
        endings=(".rs",),
        environment={"CARGO_TARGET_DIR": "{tmp}/target"},
    ),
    Fixer(
        name="go mod tidy",
        words="go mod (?:tidy|verify)",
        argv=lambda tool, rule: ["go", "mod", "tidy"],
        rule=_modules,
        tools=("go build", "go vet", "go test"),
        whole=True,
        endings=("go.mod", "go.sum"),
        creates=True,
    ),
    Fixer(
        name="ruff format",
        words="ruff format",
        argv=_plainly("format", "--no-cache"),
        whole=True,
        keeps=_RUFF_KEEPS,
        drops="--check --diff --no-cache --cache-dir= -q --quiet -v --verbose --output-format=",
        endings=_PYTHON,
        ended=(0, 2),
    ),
    Fixer(
        name="black",
        words="black",
        argv=_plainly("--quiet"),
        whole=True,
        keeps="-l= --line-length= --config= -t= --target-version= -S --skip-string-normalization "
        "-C --skip-magic-trailing-comma --preview --exclude= --extend-exclude= --force-exclude= "
        "--include= --pyi",
        drops="--check --diff -q --quiet -v --verbose --color --no-color",
        endings=_PYTHON,
        ended=(0, 123),
    ),
    Fixer(
        name="isort",
        words="isort",
        argv=_plainly("--quiet"),
        whole=True,
        keeps="--profile= --settings-path= --sp= --settings-file= -l= --line-length= --sg= "
        "--skip-glob= -s= --skip= --gitignore",
        drops="-c --check --check-only --diff --df -q --quiet -v --verbose --color",
        endings=_PYTHON,
    ),
    Fixer(
        name="prettier",
        words="prettier",
        argv=_plainly("--write"),
        whole=True,
        keeps="--config= --ignore-path= --ignore-unknown -u --plugin=",
        drops="--check -c --list-different -l --log-level= --loglevel= --no-color --color --cache "
        "--no-error-on-unmatched-pattern",
        ended=(0, 2),
    ),
    *(
        Fixer(
            name=name,
            words=name,
            argv=_gofmt,
            whole=True,
            keeps="-s -local= -extra",
            drops="-l -d -e",
            endings=(".go",),
            ended=(0, 2),
        )
        for name in ("gofmt", "gofumpt", "goimports")
    ),
    Fixer(
        name="cargo fmt",
        words="cargo fmt",
        argv=lambda tool, rule: ["cargo", "fmt", *tool.options],
        whole=True,
        keeps="--all --manifest-path= -p= --package=",
        drops="--check -q --quiet -v --verbose --message-format=",
        endings=(".rs",),
    ),
)
"""Asked in this order."""
