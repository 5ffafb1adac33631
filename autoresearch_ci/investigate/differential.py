"""Which changed lines the failing tests execute; where that cannot be seen, which a trace names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from pydantic import TypeAdapter

from autoresearch_ci.decide.failures.changed_lines import Spot, changed_lines, spots, traced
from autoresearch_ci.investigate.bisect import carried
from autoresearch_ci.investigate.groundwork import Symptom
from autoresearch_ci.investigate.runs import Runs
from autoresearch_ci.record.investigation_history import StepDone
from autoresearch_ci.workspace.repository import FileVersion, Repository

_BYTES = 500_000
"""Of a file that is compared."""
_FILES = 300
_SHOWN = 40


@dataclass(frozen=True, kw_only=True)
class Differential:
    """What differs between two commits, where the failure passes."""

    since: str
    commit: str
    how: str
    """`executed lines`, or `trace`."""
    spots: tuple[Spot, ...]
    """The most suspicious first."""
    files: tuple[str, ...]
    """All files that differ, as far as they were compared."""
    trace: tuple[tuple[str, int], ...]
    """Places that the failing output names, in its order."""

    @property
    def place(self) -> tuple[str, int]:
        """Where to look first, path and line; 0: only the file is known, or nothing."""
        if self.spots:
            return self.spots[0].path, self.spots[0].line
        return (self.files[0], 0) if len(self.files) == 1 else ("", 0)

    def words(self) -> str:
        """Lines for people."""
        shown = [
            f"{spot.path}:{spot.line} (failing {spot.failing}, passing {spot.passing}): {spot.text}"
            for spot in self.spots[:20]
        ]
        where = ", ".join(f"{path}:{at}" for path, at in self.trace[:10])
        lines = [f"by {self.how}; {len(self.files)} files differ"]
        lines += shown or ["no changed line is known to be executed"]
        return "\n".join([*lines, f"the output names {where}"] if where else lines)


def differential(
    runs: Runs, repository: Repository, symptom: Symptom, *, since: str, commit: str
) -> Differential:
    """From `since` to `commit`, at which the failure shows; if an earlier process has not looked.

    Raises `BaselineError`, `OutOfTime`.
    """
    known = runs.records.known.steps.get("differential")
    if known and (known["since"], known["commit"]) == (since, commit):
        return TypeAdapter(Differential).validate_python(known)
    before, after = repository.files(since), repository.files(commit)
    text = _texts(repository, after, [p for p in after if before.get(p) != after[p]])
    old = _texts(repository, before, list(text))
    changed = {path: changed_lines(old.get(path, ""), now) for path, now in text.items()}
    bad = repository.files(runs.base)
    moved = carried(symptom.command, bad, after)
    tests = runs.traced(symptom.command, commit=commit, changes=moved, files=after, sources=text)
    lines = {path: now.splitlines() for path, now in text.items()}
    failed = symptom.failed
    root = str(runs.at(commit).tree.layout.tree)
    trace = traced(failed.tail if failed else "", after, root)
    found = spots(changed, tests, lines)
    if not tests:
        found = [
            Spot(path=path, line=at, text=_at(lines, path, at), failing=1, passing=0)
            for path, at in trace
            if at in changed.get(path, ())
        ]
    result = Differential(
        since=since,
        commit=commit,
        how="executed lines" if tests else "trace",
        spots=tuple(found[:_SHOWN]),
        files=tuple(sorted(text)),
        trace=tuple(trace[:_SHOWN]),
    )
    runs.records.append(StepDone(name="differential", found=asdict(result)))
    return result


def _at(lines: Mapping[str, list[str]], path: str, line: int) -> str:
    known = lines.get(path, [])
    return known[line - 1] if 0 < line <= len(known) else ""


def _texts(
    repository: Repository, files: Mapping[str, FileVersion], paths: list[str]
) -> dict[str, str]:
    """Of those that are text, and not too large."""
    found: dict[str, str] = {}
    for path in sorted(paths):
        version = files.get(path)
        if version is None or not version.regular or repository.size(version) > _BYTES:
            continue
        content = repository.read(version)
        if b"\0" not in content[:8000]:
            found[path] = content.decode(errors="replace")
        if len(found) == _FILES:
            break
    return found
