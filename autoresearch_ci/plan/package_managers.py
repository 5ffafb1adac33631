"""Which package manager a repository uses, and how a bare runner gets what it needs; pure."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from configparser import ConfigParser
from configparser import Error as NotRead
from typing import Any

from autoresearch_ci.experiment import ReadBytes
from autoresearch_ci.measure.diagnostics.discovery.targets import Target
from autoresearch_ci.plan.file_contents import mapping, text_of, toml_of


def install_commands(
    main: str, paths: Sequence[str], read: ReadBytes, targets: Sequence[Target]
) -> Iterator[str]:
    known = frozenset(paths)
    if main in ("JavaScript", "TypeScript"):
        yield from _install_of_node(known, read)
    elif main == "Python":
        yield from _install_of_python(known, read, targets)
    elif main == "Rust":
        yield "cargo fetch"
    elif main == "Go":
        yield "go mod download"
    elif main == "Java" and "pom.xml" in known:  # tests, too: who runs them is downloaded late
        yield f"{'./mvnw' if 'mvnw' in known else 'mvn'} -B -q test"


def _install_of_node(known: frozenset[str], read: ReadBytes) -> Iterator[str]:
    """Not by corepack, which newer versions of node lack; scripts may start what is global."""
    told = re.search(r'"packageManager"\s*:\s*"(\w+)@([\w.-]+)', text_of(read, "package.json"))
    own = {told[1]: told[2]} if told else {}
    if "pnpm-lock.yaml" in known:
        format_ = re.match(r"lockfileVersion: '?(\d)", text_of(read, "pnpm-lock.yaml"))
        version = own.get("pnpm") or {"5": "7", "6": "8"}.get(format_[1] if format_ else "", "10")
        yield f"{_GLOBAL}pnpm@{version} && pnpm install --frozen-lockfile"
    elif "yarn.lock" in known and "yarn lockfile v1" in text_of(read, "yarn.lock")[:200]:
        yield f"{_GLOBAL}yarn@1 && yarn install --frozen-lockfile --ignore-engines"
    elif "yarn.lock" in known:
        tool = f"@yarnpkg/cli-dist@{own.get('yarn', '4')}"
        yield f"{_GLOBAL}{tool} && yarn install --immutable"
    elif {"package-lock.json", "npm-shrinkwrap.json"} & known:
        yield "npm ci"
    elif "package.json" in known:
        yield "npm install"


_GLOBAL = "npm install --global --force "
"""GitHub's machines have a yarn already, in whose place npm puts nothing else."""


_REQUIREMENTS = re.compile(
    r"(requirements/)?(requirements[/_.-]?)?(dev|tests?)[\w.-]*(?<!\d)\.txt"
    r"|(requirements/|tests?/)?requirements\.txt"
)
"""Not those of pages or releases, nor of another version of Python, as in `tests39`."""
_EXTRAS = ("test", "tests", "testing", "dev", "develop", "development")


def _install_of_python(
    known: frozenset[str], read: ReadBytes, targets: Sequence[Target]
) -> Iterator[str]:
    pip = "python -m pip install --quiet"
    data, setup = toml_of(read, "pyproject.toml"), _ini(read, "setup.cfg")
    project = mapping(data.get("project"))
    offered = {*mapping(project.get("optional-dependencies")), *_of(setup, _EXTRAS_REQUIRE)}
    extras = [x for x in _EXTRAS if x in offered]
    groups = [x for x in _EXTRAS if x in mapping(data.get("dependency-groups"))]
    if project or {"setup.py", "setup.cfg"} & known or "build-system" in data:
        named = f"[{','.join(extras)}]" if extras else ""
        yield f"{pip} -e '.{named}'"
    names = [n for n in known if _REQUIREMENTS.fullmatch(n)]
    yield from (f"{pip} -r {name}" for name in sorted(names))
    if groups:  # of which pip knows since 25.1
        yield f"{pip} --upgrade pip"
    yield from (f"{pip} --group {name}" for name in groups[:2])
    told = " ".join((*extras, *groups, *names))
    tox = _ini(read, "tox.ini")
    inis = (_ini(read, "pytest.ini"), _ini(read, ".pytest.ini"), tox, setup)
    listed: list[str] = []
    if not re.search(r"test|dev", told):
        listed = [*dict.fromkeys(_of_tools(data, tox, setup))]
        known_lists = "\n".join(listed)
    else:
        lists = (*names, *(_DEPENDING if extras or groups else ()))
        known_lists = "\n".join(text_of(read, path) for path in lists)
    if any(target.tool == "pytest" for target in targets):
        asked = ("pytest", *_plugins(_pytest_settings(data, inis)))
        listed += [name for name in asked if not _names(name, known_lists)]
    if listed:
        yield f"{pip} {' '.join(map(shlex.quote, listed))}"


def _names(tool: str, lists: str) -> bool:
    """Whether it is a requirement there; pytest also by a plugin, which brings it along."""
    name = "pytest(?:-[a-z]+)*" if tool == "pytest" else re.escape(tool)
    return bool(re.search(rf"(?m)(?:^|[\"'\s]){name}\s*(?:[\[<>=!~;\"',]|$)", lists))


_DEPENDING = ("pyproject.toml", "setup.cfg", "setup.py")
_EXTRAS_REQUIRE = "options.extras_require"
_ID = r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?"
_VERSION = r"(?:===?|[<>!~]=|[<>]) *[A-Za-z0-9.*+!_-]+"
_NAME = re.compile(
    rf"{_ID}(?: *\[ *{_ID}(?: *, *{_ID})* *\])?(?: *{_VERSION}(?: *, *{_VERSION})*)?"
)
"""A requirement (PEP 508) without a marker, an address or anything to be filled in."""


def _of_tools(data: dict[str, Any], tox: ConfigParser, setup: ConfigParser) -> Iterator[str]:
    """What tox, hatch, pdm or poetry would install to run the tests."""
    told = [*tox.get("testenv", "deps", fallback="").splitlines()]
    told += setup.get("options", "tests_require", fallback="").splitlines()
    tool = mapping(data.get("tool"))
    envs = mapping(mapping(tool.get("hatch")).get("envs"))
    for env in (mapping(envs.get(name)) for name in ("default", "hatch-test", "test")):
        told += _strings(env.get("dependencies")) + _strings(env.get("extra-dependencies"))
    pdm, poetry = (mapping(tool.get(name)) for name in ("pdm", "poetry"))
    for listed in _for_tests(pdm.get("dev-dependencies")):
        told += _strings(listed)
    for group in (poetry, *map(mapping, _for_tests(poetry.get("group")))):
        told += mapping(group.get("dev-dependencies"))
        told += [] if group is poetry else mapping(group.get("dependencies"))
    yield from (line.strip() for line in told if _NAME.fullmatch(line.strip()))


def _for_tests(groups: object) -> list[Any]:
    """Without those that are for pages and releases."""
    others = re.compile(r"(docs?|documentation|releases?)\b")
    return [of for name, of in mapping(groups).items() if not others.match(name)]


def in_the_checkout(install: Sequence[str], commands: Sequence[str]) -> list[str]:
    """The same as commands of `setup`, which may write nowhere else, with the tools of `commands`
    in Python; empty: nothing is to be installed."""
    lines = [*install, *(tool_commands(commands) if install else ())]
    lines = [re.sub(rf"^{_GLOBAL}(\S+) && ", r"npx --yes --package=\1 ", line) for line in lines]
    own = [line.replace("python -m pip", ".venv/bin/python -m pip", 1) for line in lines]
    return ["python -m venv .venv", *own] if own != lines else lines


def beside_setup(install: Sequence[str]) -> list[str]:
    """What a bare runner lacks where `setup` installs: what scripts may start is global."""
    return [line.partition(" && ")[0] for line in install if line.startswith(_GLOBAL)]


_PLUGINS = {
    "pytest-cov": r"--(no-)?cov\b",
    "pytest-xdist": r"-n[ =]?(\d|auto|logical)|--(numprocesses|maxprocesses|dist)\b",
    "pytest-timeout": r"--timeout\b|timeout(_\w+)? =",
    "pytest-benchmark": r"--benchmark-",
    "pytest-asyncio": r"--asyncio-|asyncio_\w+ =",
    "pytest-django": r"--(ds|reuse-db|create-db|no-?migrations)\b|django_\w+ =",
    "pytest-env": r"env =",
    "pytest-mock": r"mock_\w+ =",
    "pytest-rerunfailures": r"--(only-)?reruns?\b|reruns(_\w+)? =",
    "pytest-retry": r"--retr(y|ies)\b",
    "pytest-repeat": r"--(count|repeat-scope)\b",
    "pytest-randomly": r"--randomly-",
    "pytest-random-order": r"--random-order",
    "pytest-socket": r"--(dis)?able-socket\b|--(disable|allow)-(socket|hosts|unix-socket)\b",
    "pytest-split": r"--splits\b",
    "pytest-instafail": r"--instafail\b",
    "pytest-html": r"--(self-contained-)?html\b",
    "pytest-mypy": r"--mypy\b",
    "pytest-mypy-plugins": r"--mypy-(ini-file|same-process|only-local-stub|extension-hook)\b",
    "pytest-ruff": r"--ruff\b",
    "pytest-flake8": r"--flake8\b|flake8[-_]\w+ =",
    "pytest-black": r"--black\b",
    "pytest-isort": r"--isort\b",
    "pytest-pylint": r"--pylint\b",
    "pytest-doctestplus": r"--doctest-(plus|rst|only)\b|doctest_plus\w* =",
    "pytest-remotedata": r"--remote-data\b|remote_data_strict =",
    "pytest-codspeed": r"--codspeed\b",
    "pytest-memray": r"--memray\b",
    "pytest-run-parallel": r"--parallel-threads\b",
    "syrupy": r"--snapshot-",
    "xdoctest": r"--xdoctest\b",
    "nbval": r"--nbval\b",
}
"""By what options and settings of pytest each is asked for, beside `-p NAME`; who does not have it
is told of an unknown argument, or of nothing."""


def _plugins(asked: str) -> Iterator[str]:
    """Distributions that these options and settings of pytest take."""
    for name, way in _PLUGINS.items():
        module = name.removeprefix("pytest-").replace("-", "_")
        if re.search(rf"(?im)(?<!\S)(-p ?(pytest_)?{module}\b|{way})", asked):
            yield name
    for line in re.findall(r"(?m)^required_plugins = (.+)$", asked):
        yield from filter(_NAME.fullmatch, line.split())


def _pytest_settings(data: dict[str, Any], inis: Sequence[ConfigParser]) -> str:
    """Its options, and its other settings as `key =`, of which only names of plugins are told."""
    pytest = mapping(mapping(data.get("tool")).get("pytest"))
    sections = [pytest, mapping(pytest.get("ini_options"))]
    sections += [dict(ini[x]) for ini in inis for x in ("pytest", "tool:pytest") if x in ini]
    lines = []
    for section in sections:
        for key, value in section.items():
            told = " ".join(_strings(value) or str(value).split())
            told = told if key in ("addopts", "required_plugins") else ""
            lines.append(told if key == "addopts" else f"{key} = {told}")
    return "\n".join(lines)


_NEEDED = {
    **{name: rf"\bpytest\b[^|;&]*(?<!\S)({way})" for name, way in _PLUGINS.items()},
    "asv": r"\basv run\b",
    "coverage": r"\bcoverage run\b",
    **{tool: rf"(^|[\s'\"]){tool} " for tool in ("codespell", "mypy", "pyright", "ruff")},
    "mkdocs": r"\bmkdocs build\b",
    "sphinx": r"\bsphinx-build\b",
    "nbconvert ipykernel": r"\bjupyter nbconvert\b",
}


def tool_commands(commands: Sequence[str]) -> Iterator[str]:
    """What installs the tools of a configuration in Python, and nothing where they are there."""
    names = [n for n, way in _NEEDED.items() if any(re.search(way, line) for line in commands)]
    if names:
        yield f"python -m pip install --quiet {' '.join(names)}"


def _ini(read: ReadBytes, path: str) -> ConfigParser:
    parser = ConfigParser(interpolation=None, strict=False)
    try:
        parser.read_string(text_of(read, path))
    except NotRead:
        return ConfigParser()
    return parser


def _of(parser: ConfigParser, section: str) -> Sequence[str]:
    return parser.options(section) if parser.has_section(section) else ()


def _strings(value: object) -> list[str]:
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []
