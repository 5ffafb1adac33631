"""Runs the scanners on what is shown of a commit, side by side, each in a sandbox of its own.

A scanner sees the files that it takes, and rules that the configuration names. Nothing else of the
repository is there, so none finds settings that somebody brought along. What their answers mean for
a gate is not decided here.
"""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from autoresearch_ci.decide.python_syntax import other_code
from autoresearch_ci.decide.security import python_rules
from autoresearch_ci.decide.security.agentic import rules as agentic
from autoresearch_ci.decide.security.agentic.workflow import is_action, is_workflow
from autoresearch_ci.decide.security.mild_weaknesses import each_secret, weighed
from autoresearch_ci.decide.security.weakness import Weakness, identified
from autoresearch_ci.errors import ConfigError
from autoresearch_ci.execution.command import Stop, run_command
from autoresearch_ci.execution.environment import clean_environment
from autoresearch_ci.execution.sandbox.jail import Jail
from autoresearch_ci.measure.diagnostics.adapter import ToolOutput, as_told
from autoresearch_ci.measure.scanners.code import is_python
from autoresearch_ci.measure.scanners.exhibit import Contents, Exhibit, lay_out, steering
from autoresearch_ci.measure.scanners.scanner import Scan, Scanner, ScannerTask
from autoresearch_ci.safety.untrusted_files import file_bytes
from autoresearch_ci.safety.untrusted_values import MIB, Unreadable
from autoresearch_ci.workspace.repository import FileVersion

REPORT_BYTES = 64 * MIB
_ASKED_ALONE = 200
"""Files that are asked about one by one, when one of them keeps a scanner from all others."""
_TO_FILE = 'ulimit -f "$1"; shift; exec "$@" >"$0"'
_AMBIGUOUS = "a scanner's words on it cannot be told from those on a file that looks alike by name"
_CORES = max(2, len(os.sched_getaffinity(0)))
_A_PART = 100
"""Files that are worth a start of their own."""


@dataclass(frozen=True, kw_only=True)
class ScanResults:
    """What all scanners said of one commit."""

    weaknesses: tuple[Weakness, ...] = ()
    """One entry for each that one tool told, with a fingerprint."""
    gaps: Mapping[str, str] = field(default_factory=dict)
    """By scanner, why it did not tell all."""
    unseen: Mapping[str, str] = field(default_factory=dict)
    """By file, why not all that should have looked at it has."""
    looked: Mapping[str, int] = field(default_factory=dict)
    """By scanner, how many files it was shown."""


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What the trusted commit tells scanners."""

    semgrep: Mapping[str, FileVersion] = field(default_factory=dict)
    """The rules that the configuration names."""
    steering: Mapping[str, FileVersion] = field(default_factory=dict)
    """Settings of scanners that find them by themselves."""


@dataclass(frozen=True, kw_only=True)
class Room:
    """Where scanners work."""

    folder: Path
    """Empty, and ours alone."""
    jail: Callable[[Path, Sequence[Path], str], Jail]
    """The sandbox of a scratch folder with these folders in it, for one program."""
    inherit: Mapping[str, str]
    """The environment that theirs is filtered from."""
    stop: Stop
    redact: Callable[[str], str]
    timeout: float
    """Seconds of one run."""


@dataclass(frozen=True, kw_only=True)
class Order:
    """One scanner, ready to run."""

    scanner: Scanner
    program: str
    files: tuple[str, ...]
    place: Path
    jail: Jail
    rules: tuple[str, ...] = ()
    names: Mapping[str, str] = field(default_factory=dict)
    """What each of `files` is called in the repository."""
    refused: Mapping[str, str] = field(default_factory=dict)

    @property
    def tree(self) -> Path:
        return self.place / "tree"


def look(
    name: str,
    exhibit: Exhibit,
    scanners: Mapping[str, Scanner],
    programs: Mapping[str, str],
    *,
    room: Room,
    repository: Contents,
    rules: Rules,
    everything: Mapping[str, FileVersion],
) -> ScanResults:
    """What they say of one commit, called `name` in `room`. Those without a program are left out.

    `everything`: all files of that commit, as one workflow calls another.

    Raises `Interrupted`, `WorkspaceError`.
    """
    # The longest first: what is started last is what all wait for.
    parts = [
        (scanner, place, taken)
        for scanner in scanners.values()
        for place, taken in _parts(room.folder / name, scanner, exhibit, programs)
    ]
    parts.sort(key=lambda part: -len(part[2]))
    orders: list[Order] = []
    try:
        with ThreadPoolExecutor(max_workers=_CORES) as pool:
            runs = []
            for scanner, place, taken in parts:
                program = programs[scanner.name]
                order = _prepared(place, scanner, program, taken, exhibit, room, repository, rules)
                orders.append(order)
                runs.append(pool.submit(_asked, order, room))
            ours = _of_workflows(exhibit, repository, everything)
            scans = [run.result() for run in runs]
        for order in orders:  # only now that none runs any more
            order.jail.sweep()
    finally:
        for order in orders:
            order.jail.close()
    return _united(orders, scans, ours, exhibit, repository)


def _united(
    orders: Sequence[Order],
    scans: Sequence[Scan],
    ours: Scan,
    exhibit: Exhibit,
    repository: Contents,
) -> ScanResults:
    """Of all scanners, each told apart from what it says of another part; `ours`: of workflows."""
    parts = defaultdict[str, list[Scan]](list)
    looked = Counter[str]({agentic.TOOL: sum(_is_ours(s.path) for s in exhibit.subjects)})
    looked[python_rules.TOOL] = sum(map(is_python, exhibit.subjects))
    for order, scan in zip(orders, scans, strict=True):
        parts[order.scanner.name].append(scan)
        looked[order.scanner.name] += len({order.names[name] for name in order.files})
    told = {name: _together(found) for name, found in parts.items()} | {agentic.TOOL: ours}
    weaknesses, unparsed = _identified(told.values(), exhibit, repository)
    return ScanResults(
        weaknesses=weaknesses,
        gaps={scanner: scan.incomplete for scanner, scan in told.items() if scan.incomplete},
        unseen={
            **_both([*(scan.unseen for scan in told.values()), unparsed]),
            **_both(order.refused for order in orders),
            **exhibit.unseen,
        },
        looked=dict(looked),
    )


def _identified(
    scans: Iterable[Scan], exhibit: Exhibit, repository: Contents
) -> tuple[tuple[Weakness, ...], dict[str, str]]:
    """With what our own rules for Python say, and of which files they can say nothing.

    File by file, so that each is read and parsed once.
    """
    told = defaultdict[str, list[Weakness]](list)
    for weakness in (weakness for scan in scans for weakness in scan.weaknesses):
        told[weakness.path].append(weakness)
    python = {subject.path for subject in exhibit.subjects if is_python(subject)}
    found: list[Weakness] = []
    unparsed = {}
    for path in sorted(python | told.keys()):
        text = _text(exhibit, repository, path)
        shown = text or ""
        if path in python:
            try:
                if other := other_code(repository.read(exhibit.versions[path]), shown):
                    shown = ""
                    raise SyntaxError(f"it says that it is {other}, and is other code as that")
                told[path] += python_rules.scan(path, shown)
            except SyntaxError as error:
                unparsed[path] = f"{python_rules.TOOL}: {error.msg}"
        parts = (part for weakness in told[path] for part in each_secret(weakness, shown))
        weighty = [weighed(weakness, shown) for weakness in parts]
        found += identified(weighty, {path: text}.get)
    return tuple(found), unparsed


def _both(told: Iterable[Mapping[str, str]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for unseen in told:
        for path, why in unseen.items():
            found[path] = f"{found[path]}; {why}" if path in found else why
    return found


def _text(exhibit: Exhibit, repository: Contents, path: str) -> str | None:
    version = exhibit.versions.get(path)
    return None if version is None else repository.read(version).decode("utf-8-sig", "replace")


def _is_ours(path: str) -> bool:
    return is_workflow(path) or is_action(path)


def _of_workflows(
    exhibit: Exhibit, repository: Contents, everything: Mapping[str, FileVersion]
) -> Scan:
    """Our own rules: they run nothing, so they need no sandbox."""
    found: list[Weakness] = []
    unseen = {}

    def called(path: str) -> str | None:
        version = everything.get(path)
        if version is None or not version.regular or repository.size(version) > MIB:
            return None
        return repository.read(version).decode("utf-8-sig", "replace")

    for path in (s.path for s in exhibit.subjects if _is_ours(s.path)):
        try:
            found += agentic.scan(path, _text(exhibit, repository, path) or "", called)
        except ConfigError as error:
            unseen[path] = f"{agentic.TOOL}: {str(error).partition(chr(10))[0][:300]}"
    return Scan(weaknesses=tuple(found), unseen=unseen)


def _parts(
    place: Path, scanner: Scanner, exhibit: Exhibit, programs: Mapping[str, str]
) -> Iterator[tuple[Path, list[str]]]:
    """What it takes, in as many parts as can be looked at side by side, each with a folder."""
    if scanner.name not in programs:
        return
    taken = [subject.path for subject in exhibit.subjects if scanner.takes(subject)]
    count = min(_CORES, -(-len(taken) // _A_PART)) if scanner.splits else min(1, len(taken))
    folder = f"{place.name}-{scanner.name.replace(' ', '-')}"
    for part in range(count):
        yield place.with_name(f"{folder}-{part}"), taken[part::count]


def _prepared(
    place: Path,
    scanner: Scanner,
    program: str,
    taken: Sequence[str],
    exhibit: Exhibit,
    room: Room,
    repository: Contents,
    rules: Rules,
) -> Order:
    """The files of one part laid out."""
    names = {scanner.called(path): path for path in taken}
    versions = {name: exhibit.versions[path] for name, path in names.items()}
    brings = dict(scanner.brings)
    for path in taken:
        if retold := scanner.retold(path, _text(exhibit, repository, path) or ""):
            name, brings[name] = retold
            names[name] = path
    if scanner.configurable:
        own_words = steering(versions)
        versions = {p: v for p, v in versions.items() if p not in own_words} | {**rules.steering}
    refused = lay_out(place / "tree", versions, repository.read, brings)
    if scanner.rules:
        refused |= lay_out(place / "rules", rules.semgrep, repository.read, {})
    own = [place / part for part in ("tree", "home", "tmp")]
    for folder in own[1:]:
        folder.mkdir(mode=0o755)
    (own[2] / "settings").write_text(scanner.settings, encoding="utf-8")
    jail = room.jail(place, own, program)
    jail.own_all(place)
    alike = Counter(map(as_told, names))
    refused |= {name: _AMBIGUOUS for name in names if alike[as_told(name)] > 1}
    return Order(
        scanner=scanner,
        program=program,
        files=tuple(name for name in names if name not in refused),
        names=names,
        place=place,
        jail=jail,
        rules=(str(place / "rules"),) if scanner.rules else (),
        refused={names.get(name, name): why for name, why in refused.items()},
    )


def _asked(order: Order, room: Room) -> Scan:
    """All that it says."""
    scans = []
    for batch in (
        order.scanner.batches([f"./{path}" for path in order.files]) if order.files else ()
    ):
        scan, _ = _run(order, room, batch)
        if scan.incomplete and order.scanner.alone and len(batch) <= _ASKED_ALONE:
            scan = _one_by_one(order, room, batch, scan)
        scans.append(scan)
    return _together(scans).named({as_told(name): path for name, path in order.names.items()})


def _one_by_one(order: Order, room: Room, batch: Sequence[str], told: Scan) -> Scan:
    """`told`: what it said of all together."""
    if len(batch) == 1:
        return _unreadable(batch[0], told)
    scans: list[Scan] = []
    seconds = 0.0
    for path in batch:
        if seconds > room.timeout:  # one that hangs shall not do so for each file
            scans.append(_unreadable(path, Scan(incomplete=f"no time was left for {path}")))
            continue
        scan, took = _run(order, room, [path])
        seconds += took
        scans.append(_unreadable(path, scan) if scan.incomplete else scan)
    return _together(scans)


def _unreadable(path: str, scan: Scan) -> Scan:
    """What a scanner said of one file that it could not look at."""
    unseen = {**scan.unseen, path.removeprefix("./"): scan.incomplete}
    return Scan(weaknesses=scan.weaknesses, unseen=unseen)


def _together(scans: Sequence[Scan]) -> Scan:
    gaps = dict.fromkeys(scan.incomplete for scan in scans if scan.incomplete)
    return Scan(
        weaknesses=tuple(w for scan in scans for w in scan.weaknesses),
        incomplete="; ".join([*gaps][:3]),
        unseen=_both(scan.unseen for scan in scans),
    )


def _run(order: Order, room: Room, files: Sequence[str]) -> tuple[Scan, float]:
    temporary = order.place / "tmp"
    report = temporary / "report"
    report.unlink(missing_ok=True)
    task = ScannerTask(
        program=order.program,
        files=files,
        rules=order.rules,
        settings=str(temporary / "settings"),
    )
    argv = order.scanner.argv(task)
    # In halves of a kilobyte. Those that fetch what they know keep large files of their own.
    fetches = order.scanner.network or order.scanner.configurable
    largest = "unlimited" if fetches else str(REPORT_BYTES // 512 + 1)
    environment = clean_environment(
        # Detectors of text shall not depend on the runner's locale.
        {"PYTHONUTF8": "1", "PYTHONDONTWRITEBYTECODE": "1", "NO_COLOR": "1"},
        home=order.place / "home",
        tmp=temporary,
        inherit=room.inherit,
    )
    result = run_command(
        ["/bin/sh", "-c", _TO_FILE, str(report), largest, *argv],
        cwd=order.tree,
        env=environment,
        timeout=room.timeout,
        stop=room.stop,
        enter=order.jail.enter(network=order.scanner.network),
        apart=True,
    )
    seconds = result.seconds
    try:
        # A link would lead wherever the scanner was made to point it.
        told = file_bytes(report, REPORT_BYTES, follow=False) if report.exists() else b""
    except (Unreadable, OSError) as error:
        return Scan(incomplete=f"what {order.scanner.name} wrote {error}"), seconds
    said = ToolOutput(result=result.redacted(room.redact), report=told, root=str(order.tree))
    asked = (said.path(path) for path in files)
    return order.scanner.parse(said).held_to(asked, order.scanner.name), seconds
