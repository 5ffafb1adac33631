"""How much of what is insecure do scanners find, each alone and all together? Two tables.

    python benchmarks/security.py            # on the labelled files in data/weaknesses/
    python benchmarks/security.py --files 1000

Labels are comments (`weak: CWE-89`) that are taken out before anybody looks; what has none is safe,
and most weaknesses stand beside a twin that is. Secrets are made up here, so none is committed.
A finding is of the *right kind* when a weakness of its CWE's family is labelled in that file, and
at the *right place* when the labelled line is among those that it marks. With `--files` also the
time of `security` on as many files of Python's own library, each tool alone beside it, in turns,
and of `--diff`.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import random
import re
import resource
import shutil
import statistics
import string
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from autoresearch_ci.decide.security.weakness import Severity, family_of
from autoresearch_ci.execution.command import Stop, run_command
from autoresearch_ci.measure.diagnostics.adapter import ToolOutput
from autoresearch_ci.measure.scanners.available_scanners import OURS, SCANNERS
from autoresearch_ci.measure.scanners.scanner import ScannedFile, ScannerTask

DATA = Path(__file__).with_name("data") / "weaknesses"
_LABEL = re.compile(r"[ \t]*(?:#|//) weak:((?: CWE-\d+)+)[ \t]*$", re.MULTILINE)
OWN = ("agentic", "python")
"""Our own rules: for workflows that ask an agent, and for Python."""


@dataclass(frozen=True)
class Place:
    """Something that is insecure, or is said to be."""

    path: str
    line: int
    last: int
    kind: str

    def marks(self, other: Place) -> bool:
        return self.path == other.path and self.line <= other.line <= self.last

    def names(self, other: Place) -> bool:
        return (self.path, self.kind) == (other.path, other.kind)


@dataclass(frozen=True)
class Score:
    """Right ones among what was said, and among what there is."""

    right: int
    said: int
    found: int
    labelled: int

    def __str__(self) -> str:
        of_said = f"{self.right / self.said:.0%}" if self.said else "-"
        return f"{of_said} / {self.found / self.labelled:.0%}"


def kind(cwe: int) -> str:
    family = family_of(cwe)
    return family.name if family else f"CWE-{cwe}"


def word(letters: str, length: int, rng: random.Random) -> str:
    return "".join(rng.choice(letters) for _ in range(length))


def made_up(rng: random.Random) -> dict[str, str]:
    """Looks like secrets, and is of nobody."""
    mixed = string.ascii_letters + string.digits
    capitals = string.ascii_uppercase + string.digits
    return {
        "{PASSWORD}": word(mixed, 18, rng),
        "{AWS_ID}": "AKIA" + word(capitals, 16, rng),
        "{GITHUB_TOKEN}": "ghp_" + word(mixed, 36, rng),
        "{STRIPE_KEY}": "sk_live_" + word(mixed, 24, rng),
        "{SLACK_URL}": "https://hooks.slack.com/services/T"
        + word(capitals, 8, rng)
        + "/B"
        + word(capitals, 8, rng)
        + "/"
        + word(mixed, 24, rng),
        "{KEY_KIND}": "RSA PRIVATE KEY",
        "{KEY_LINE}": word(mixed, 64, rng),
        **{f"{{PASSWORD{n}}}": word(mixed, 18, rng) for n in (2, 3, 4)},
    }


def lay_out(target: Path) -> list[Place]:
    """The labelled files without their labels, as a repository of one commit; and the labels."""
    labels = []
    secrets = made_up(random.Random(7))
    for source in sorted(DATA.rglob("*.txt")):
        text = source.read_text(encoding="utf-8")
        path = str(source.relative_to(DATA)).removesuffix(".txt")
        for number, line in enumerate(text.splitlines(), start=1):
            if found := _LABEL.search(line):
                kinds = map(int, re.findall(r"\d+", found[1]))
                labels += [Place(path, number, number, kind(cwe)) for cwe in kinds]
        text = _LABEL.sub("", text)
        for mark, secret in secrets.items():
            text = text.replace(mark, secret)
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        (target / path).write_text(text, encoding="utf-8")
    commit(target, "start")
    return labels


def commit(target: Path, message: str) -> None:
    who = ("-c", "user.name=b", "-c", "user.email=b@example.org")
    if not (target / ".git").exists():
        subprocess.run(["git", "-C", target, "init", "-q", "-b", "main"], check=True)
    subprocess.run(["git", "-C", target, "add", "-A"], check=True)
    subprocess.run(["git", "-C", target, *who, "commit", "-qm", message], check=True)


def alone(name: str, target: Path) -> tuple[list[Place], float]:
    """What one tool says by itself, asked as we ask it and confined by nothing; and its seconds."""
    scanner = SCANNERS[name]
    listed = subprocess.run(
        ["git", "-C", target, "ls-files", "-z"], check=True, capture_output=True, text=True
    )
    files = [path for path in listed.stdout.split("\0") if path]
    taken = [path for path in files if scanner.takes(ScannedFile(path=path))]
    program = shutil.which(scanner.program) or sys.exit(f"{scanner.program} is not installed")
    places, seconds = [], 0.0
    with tempfile.TemporaryDirectory() as folder:
        settings = Path(folder) / "settings"
        settings.write_text(scanner.settings, encoding="utf-8")
        for batch in scanner.batches([f"./{path}" for path in taken]):
            task = ScannerTask(program=str(program), files=batch, settings=str(settings))
            report = Path(folder) / "report"
            line = ["/bin/sh", "-c", 'exec "$@" >"$0"', str(report), *scanner.argv(task)]
            result = run_command(
                line, cwd=target, env=dict(os.environ), timeout=900, stop=Stop(), apart=True
            )
            seconds += result.seconds
            said = ToolOutput(result=result, report=report.read_bytes(), root=str(target))
            scan = scanner.parse(said)
            if scan.incomplete:
                sys.exit(f"{name}: {scan.incomplete}")
            places += [Place(w.path, w.line, w.last_line, kind(w.cwe)) for w in scan.weaknesses]
    return places, seconds


def together(target: Path, *words: str) -> tuple[list[dict[str, object]], float]:
    """What `security` says, and its seconds."""
    program = ["autoresearch-ci", "security", "--format", "json", "--fail-on", "never", *words]
    began = time.monotonic()
    done = subprocess.run(program, cwd=target, capture_output=True, text=True, check=False)
    seconds = time.monotonic() - began
    if done.returncode not in (0, 1) or not done.stdout.strip():
        sys.exit(done.stderr)
    return json.loads(done.stdout)["items"], seconds


def placed(items: Iterable[dict[str, object]], least: Severity = Severity.INFO) -> list[Place]:
    found = []
    for item in items:
        line, last = int(str(item["line"])), int(str(item["end_line"]))
        if Severity(str(item["severity"])).reaches(least):
            path, last = str(item["path"]), max(line, min(last, line + 19))
            found.append(Place(path, line, last, kind(int(str(item["cwe"])))))
    return found


def scores(said: Sequence[Place], labels: Sequence[Place]) -> tuple[Score, Score]:
    """By kind, by place."""
    return tuple(  # type: ignore[return-value]
        Score(
            right=sum(any(how(one, label) for label in labels) for one in said),
            said=len(said),
            found=sum(any(how(one, label) for one in said) for label in labels),
            labelled=len(labels),
        )
        for how in (Place.names, Place.marks)
    )


def lost(singles: Sequence[Place], union: Sequence[Place], labels: Sequence[Place]) -> list[Place]:
    """Labels that a tool finds, kind and place, and all together do not."""

    def found(said: Sequence[Place], label: Place) -> bool:
        return any(one.marks(label) and one.names(label) for one in said)

    return [label for label in labels if found(singles, label) and not found(union, label)]


def accuracy() -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder)
        labels = lay_out(target)
        items, seconds = together(target)
        union = placed(items)
        yield f"{len(labels)} weaknesses in {len(list(DATA.rglob('*.txt')))} files"
        yield (
            "| who | says | right kind: precision / recall | right place: precision / recall | s |"
        )
        yield "| --- | --- | --- | --- | --- |"
        singles: list[Place] = []
        for name in OURS:
            said, took = alone(name, target)
            singles += said
            yield row(name, said, labels, took)
        for name in OWN:
            own = [item for item in items if name in str(item["sources"])]
            yield row(f"our own rules, `{name}`", placed(own), labels, None)
        yield row("all together, `info` too", union, labels, seconds)
        yield row("all, low and worse", placed(items, Severity.LOW), labels, None)
        yield row("all, medium and worse", placed(items, Severity.MEDIUM), labels, None)
        yield row("all, high and worse (the gate)", placed(items, Severity.HIGH), labels, None)
        if gone := lost(singles, union, labels):
            sys.exit(f"lost by merging: {gone}")
        yield "lost by merging: nothing"


def row(name: str, said: Sequence[Place], labels: Sequence[Place], seconds: float | None) -> str:
    by_kind, by_place = scores(said, labels)
    took = "" if seconds is None else f"{seconds:.1f}"
    return f"| {name} | {len(said)} | {by_kind} | {by_place} | {took} |"


PLAIN = {
    "bandit": ["bandit", "--quiet", "--recursive", "--format", "json", "."],
    "zizmor": ["zizmor", "--offline", "--quiet", "--format", "json", "."],
    "detect-secrets": ["detect-secrets", "scan", "--no-verify", "--all-files", "."],
}
"""As one asks them by hand, on as many processors as they take."""


def timed(line: Sequence[str], target: Path) -> tuple[float, float]:
    """Seconds, and those of all processors."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    subprocess.run(line, cwd=target, capture_output=True, check=False)
    seconds, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    return seconds, sum(after[:2]) - sum(before[:2])


def of_python(target: Path, files: int) -> None:
    """So many files of Python's own library."""
    library = Path(sysconfig.get_path("stdlib"))
    found = (p for p in sorted(library.rglob("*.py")) if "site-packages" not in p.parts)
    small = (path for path in found if path.stat().st_size < 40_000 and "data" not in path.parts)
    for path in itertools.islice(small, files):
        place = target / "lib" / path.relative_to(library)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, place)


def speed(files: int, rounds: int) -> Iterator[str]:
    ours = ["autoresearch-ci", "security", "--fail-on", "never", "--format", "json"]
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder)
        of_python(target, files)
        lay_out(target)
        took: dict[str, list[tuple[float, float]]] = {}
        for _ in range(rounds):
            for name, line in {"security": ours, **PLAIN}.items():
                took.setdefault(name, []).append(timed(line, target))
        for path in sorted((target / "lib").rglob("*.py"))[:10]:
            path.write_text(path.read_text() + "\nimport os\nos.system('ls ' + str(x))\n")
        commit(target, "change")
        diff = timed([*ours, "--diff", "HEAD~1"], target)
        middle = {
            name: tuple(map(statistics.median, zip(*told, strict=True)))
            for name, told in took.items()
        }
        yield f"{files} files, median of {rounds}, load {os.getloadavg()[0]:.1f}"
        yield "| who | seconds | of all processors |"
        yield "| --- | --- | --- |"
        for name, (seconds, busy) in {**middle, "--diff of ten files": diff}.items():
            yield f"| {name} | {seconds:.1f} | {busy:.1f} |"
        slowest = max(middle[name][0] for name in PLAIN)
        yield f"security / the slowest alone: {middle['security'][0] / slowest:.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--files", type=int, default=0, help="also the time on so many files")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    for line in accuracy():
        print(line, flush=True)
    if options.files:
        for line in speed(options.files, options.rounds):
            print(line, flush=True)


if __name__ == "__main__":
    main()
