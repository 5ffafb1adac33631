"""Which commit brought the failure: we test, git only says which commits halve the rest.

Begun only where a run can be trusted: the failure shows in 3 of 3 runs at the bad commit and in
none of 3 at the good one. Each commit gets a tree of its own, set up anew. The end is checked once
more, by 3 runs of the commit that is found and of each parent. A commit that brought only the tests
that fail is not it: then the search is made again with these tests at every commit.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field

from pydantic import TypeAdapter

from autoresearch_ci.decide.failures.bisection import (
    REPRODUCTIONS,
    Mark,
    RunEnd,
    Search,
    judged,
    next_commit,
    reproduction,
    suspects,
)
from autoresearch_ci.errors import BaselineError, ConfigError
from autoresearch_ci.investigate.groundwork import Symptom
from autoresearch_ci.investigate.runs import Runs, outcome
from autoresearch_ci.measure.commands import OutOfTime
from autoresearch_ci.record.investigation_history import StepDone
from autoresearch_ci.record.investigation_records import refuse_forged
from autoresearch_ci.workspace.command_files import command_files
from autoresearch_ci.workspace.repository import Changes, FileVersion, Repository

_TESTS = re.compile(r"(^|/)(tests?|specs?|__tests__)/|(^|[/_.-])(test|spec)s?[_.-]|[_-]test\.")
"""Paths of tests: what a failure is measured by, which must be the same at every commit."""
_SHOWN = 20


@dataclass(frozen=True, kw_only=True)
class Bisected:
    """What it came to."""

    culprit: str = ""
    """Empty: it could not be found."""
    parents: tuple[str, ...] = ()
    """Of the culprit: at each the failure does not show."""
    suspects: tuple[str, ...] = ()
    """Commits among which it could not be told."""
    why: str = ""
    """Why there is no culprit."""
    tested: int = 0
    skipped: Mapping[str, str] = field(default_factory=dict)
    runs: tuple[int, ...] = ()
    """Numbers of the runs that show it: at the culprit, then at its parents."""

    def words(self) -> str:
        """Lines for people."""
        found = f"{self.culprit} is the first bad commit ({self.tested} tested)"
        among = [] if self.culprit else [f"suspect: {commit[:12]}" for commit in self.suspects]
        skipped = [f"{c[:12]} was skipped: {why}" for c, why in self.skipped.items()]
        lines = [found if self.culprit else self.why, *among[:_SHOWN], *skipped[:_SHOWN]]
        return "\n".join(lines)


def refuse_unrelated(repository: Repository, good: str, bad: str) -> str:
    """The good commit's name, when the bad one builds upon it. Raises `ConfigError`."""
    # A job's checkout has branches only as the remote's.
    commit = repository.ref(good) or repository.ref(f"origin/{good}")
    if commit is None:
        raise ConfigError(
            f"--bisect {good!r} is no commit of this repository.\n"
            "usually: a misspelt name, or a shallow clone (fetch-depth: 0, git fetch --unshallow)."
        )
    if commit == bad:
        raise ConfigError(f"--bisect {good}: that is the commit in which it fails.")
    if not repository.is_ancestor(commit, bad):
        base = repository.merge_base(commit, bad)
        if repository.cut_off() and not base:
            raise ConfigError(
                f"--bisect {good}: this shallow clone lacks what lies between it and HEAD.\n"
                "do: git fetch --unshallow, or fetch-depth: 0 where actions/checkout made it."
            )
        cure = f"--bisect {base[:12]}, where they parted" if base else "an earlier commit"
        raise ConfigError(
            f"--bisect {good}: HEAD does not build upon it, so nothing lies in between.\n"
            f"do: {cure}."
        )
    return commit


class Bisection:
    """One search, on the records that an earlier process may have begun."""

    def __init__(
        self,
        runs: Runs,
        repository: Repository,
        symptom: Symptom,
        files: Mapping[str, FileVersion],
        tell: Callable[[str], None],
    ) -> None:
        """`files`: of the bad commit."""
        self._runs = runs
        self._repository = repository
        self._command = symptom.command
        self._symptom: RunEnd = symptom.outcome or RunEnd(exit_code=0)
        self._reproduction = symptom.reproduction
        self._files = files
        self._tell = tell
        self._tested = 0
        self._purpose = "bisect"
        self._tests: Mapping[str, FileVersion] = {}

    def run(self, good: str) -> Bisected:
        """From `good` to the audited commit; whatever it comes to is written down."""
        known = self._runs.records.known.steps.get("bisect")
        if known is not None:
            found = TypeAdapter(Bisected).validate_python(known)
            refuse_forged([*filter(None, [found.culprit]), *found.parents])
            return found
        try:
            found = self._found(good)
        except OutOfTime:  # to be continued by a resumed investigation
            return Bisected(why="the time was used up before it was found", tested=self._tested)
        self._runs.records.append(StepDone(name="bisect", found=asdict(found)))
        return found

    def _found(self, good: str) -> Bisected:
        if not self._reproduction.certain:
            return Bisected(
                why=f"not bisected, as a single run of the bad commit proves nothing: it "
                f"{self._reproduction.words()}"
            )
        why = self._why_not_good(good)
        if why:
            return Bisected(why=f"not bisected: {why}")
        search = Search(bad=self._runs.base, good=(good,), skipped={})
        left = self._repository.halving(search.bad, search.good)
        while commit := next_commit(search, left):
            self._tested += 1
            verdict, why = self._verdict(commit)
            self._tell(f"bisect: {commit[:12]} is {verdict}, {why}; {len(left)} commits were left")
            search = search.after(commit, verdict, why)
            left = self._repository.halving(search.bad, search.good)
        among = suspects(search, left)
        if len(among) != 1:
            return Bisected(
                suspects=among,
                why=f"it is one of {len(among)} commits: the others in between cannot be tested",
                tested=self._tested,
                skipped=search.skipped,
            )
        found = self._confirmed(among[0], search)
        if not (found.culprit and found.parents):
            return found
        return self._with_tests_of(found.culprit, found.parents[0], good) or found

    def _why_not_good(self, good: str) -> str:
        """Why the good commit is not known to be good; empty: it is."""
        verdicts = [self._verdict(good, nth) for nth in range(REPRODUCTIONS)]
        skipped = next((why for verdict, why in verdicts if verdict is Mark.SKIP), "")
        if skipped:
            return f"{good[:12]} cannot be tested, {skipped}"
        rate = reproduction([verdict for verdict, _ in verdicts])
        return "" if rate.never else f"at the good commit {good[:12]} it {rate.words()}, too"

    def _verdict(self, commit: str, nth: int = 0) -> tuple[Mark, str]:
        """Of the `nth` run of a commit; one that an earlier process has made is not made again."""
        steps = self._runs.records.known.steps
        if unbuilt := steps.get(f"unbuilt {commit}"):
            return Mark.SKIP, str(unbuilt["why"])
        done = self._runs.records.known.ran(self._purpose, commit)
        if len(done) <= nth:
            try:
                ran = self._runs.execute(
                    self._command,
                    purpose=self._purpose,
                    commit=commit,
                    changes=self._carried(commit),
                    timeout=self._runs.patience,
                    watched=self._symptom.failing,
                )
            except BaselineError as error:
                why = f"it cannot be built: {str(error).splitlines()[0]}"
                self._runs.records.append(StepDone(name=f"unbuilt {commit}", found={"why": why}))
                return Mark.SKIP, why
            done.append(ran)
        return judged(self._symptom, outcome(done[nth]))

    def _carried(self, commit: str) -> Changes:
        """What the command is measured by, as the bad commit has it, and what it lacks of it."""
        there = self._repository.files(commit)
        named = carried(self._command, self._files, there)
        newer = {path: of for path, of in self._tests.items() if there.get(path) != of}
        return {**newer, **named}

    def _with_tests_of(self, culprit: str, parent: str, good: str) -> Bisected | None:
        """The search made anew, if the tests of a commit fail at its parent as well."""
        before = self._repository.files(parent)
        tests = {
            path: version
            for path, version in self._repository.files(culprit).items()
            if version.regular and _TESTS.search(path) and before.get(path) != version
        }
        if not tests or self._tests:
            return None
        self._purpose, self._tests = "bisect-tests", tests
        if self._verdict(parent)[0] is not Mark.BAD:
            self._purpose, self._tests = "bisect", {}
            return None
        self._tell(
            f"bisect: {culprit[:12]} brought tests that its parent fails, too; again with them"
        )
        found = self._found(good)
        if found.culprit or found.suspects:
            return found
        return Bisected(
            suspects=(culprit,),
            why=f"{culprit[:12]} brought the tests that fail, and what they show is older: "
            f"with them {found.why.removeprefix('not bisected: ')}",
            tested=self._tested,
        )

    def _confirmed(self, culprit: str, search: Search) -> Bisected:
        """With three runs of each side; what does not hold is no culprit."""
        if culprit in self._repository.cut_off():
            return Bisected(
                suspects=(culprit,),
                why=f"{culprit[:12]} is bad, but this shallow clone lacks what lies before it: "
                "git fetch --unshallow",
                tested=self._tested,
                skipped=search.skipped,
            )
        parents = tuple(self._repository.parents(culprit))
        numbers: list[int] = []
        for commit, wanted in ((culprit, Mark.BAD), *((p, Mark.GOOD) for p in parents)):
            if commit == self._runs.base:
                numbers += [r.number for r in self._runs.records.known.ran("reproduce", commit)]
                continue
            verdicts = [self._verdict(commit, nth)[0] for nth in range(REPRODUCTIONS)]
            if any(verdict is not wanted for verdict in verdicts):
                rate = reproduction(verdicts).words()
                return Bisected(
                    suspects=(culprit,),
                    why=f"{culprit[:12]} came out, but looked at again {commit[:12]} {rate}",
                    tested=self._tested,
                    skipped=search.skipped,
                )
            numbers += [r.number for r in self._runs.records.known.ran(self._purpose, commit)]
        return Bisected(
            culprit=culprit,
            parents=parents,
            tested=self._tested,
            skipped=search.skipped,
            runs=tuple(numbers),
        )


def carried(
    command: str, bad: Mapping[str, FileVersion], there: Mapping[str, FileVersion]
) -> dict[str, FileVersion | None]:
    """Files that the command names: tests as the bad commit has them, others where they lack."""
    named = [path for path in command_files(command, bad) if path in command]
    return {
        path: bad[path]
        for path in named
        if bad[path].regular
        and there.get(path) != bad[path]
        and (path not in there or (_TESTS.search(path) and there[path].regular))
    }
