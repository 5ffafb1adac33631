"""The only commands that a model may have run: the repository's own tests, and a script of its own.

Both run in the measure tree, confined as everything that is measured. A script's name is ours, and
so is the interpreter; what it holds is kept in git. What a run is worth is weighed here.
"""

from __future__ import annotations

import ast
import re
import shlex
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from autoresearch_ci.decide.failures.bisection import RunEnd
from autoresearch_ci.decide.failures.selected_tests import SuiteCommand
from autoresearch_ci.decide.failures.test_runners import NotAllowed
from autoresearch_ci.investigate.runs import Runs, outcome
from autoresearch_ci.record.investigation_history import Ran
from autoresearch_ci.workspace.repository import FileVersion
from autoresearch_ci.workspace.store import Store

SCRIPT_LIMIT = 32_000
"""Characters."""
FILE_LIMIT = 1 << 20
"""Bytes of a file in which a control takes something away."""
SECONDS = 60.0
"""What a script, or some tests, may take at the least; more where the symptom takes longer."""
_NAME = "autoresearch_experiment"
_ENDINGS = {"python": ".py", "sh": ".sh", "node": ".js"}
LANGUAGES = tuple(_ENDINGS)
_NEVER_BEGAN = re.compile(
    r"ModuleNotFoundError|ImportError|SyntaxError|IndentationError|command not found"
    r"|Cannot find module|No such file or directory|fixture '[^']*' not found"
)
"""A script or test that fails so has not come to what it was to show."""
_ENDS_ALL = re.compile(
    r"\b(?:_exit|SystemExit|abort|execv\w*|pthread_exit)\b|\b(?:exit|quit|Exit|kill)[ \t]*\("
)
"""What ends the process, so that whatever comes after it in a script is never asked."""
_READS = re.compile(r"\bopen\s*\(|\.read_(?:text|bytes)\b|\breadFile")
_READS_CODE = re.compile(r"\b(?:getsource\w*|linecache|__code__)\b")
_PRINTS = r"\b(?:[ef]?grep|sed|awk|cat|cmp|diff|head|tail|wc|git|\w+sum)\b[^|;&\n]*"
_NO_TESTS = (2, 3, 4, 5)
"""Exit codes of pytest other than that of a failing test."""


@dataclass(frozen=True, kw_only=True)
class Control:
    """What takes away the supposed fault: with it, a script must not fail.

    Else it fails whatever the code does, and shows nothing of it.
    """

    path: str
    old: str
    """Stands there once."""
    new: str


@dataclass(frozen=True, kw_only=True)
class Experiments:
    """What may be run, and by what its outcome is weighed."""

    runs: Runs
    store: Store
    suite: SuiteCommand
    files: Mapping[str, FileVersion]
    """Of the audited commit."""
    symptom: RunEnd | None

    def tests(self, tests: Sequence[str], iteration: int) -> Ran:
        """The repository's own test command on some tests. Raises `NotAllowed`, `OutOfTime`."""
        command = self.suite.selecting(tests, self.files)
        return self.runs.execute(
            command,
            purpose="experiment",
            iteration=iteration,
            timeout=self._patience,
            weighed=self._weighed,
        )

    def script(
        self, language: str, text: str, iteration: int, control: Control | None = None
    ) -> tuple[Ran, Ran | None]:
        """A script at the root of the tree, and if it fails, once more beside the control.

        Raises `NotAllowed`, `OutOfTime`.
        """
        _refuse_unfit(language, text)
        if control:
            _refuse_shams(text, control)
        mended = self._mended(control) if control else None
        ran = self._ran(language, text, iteration, {})
        if mended is None or ran.broken or not ran.execution().failed:
            return ran, None
        return ran, self._ran(language, text, iteration, mended, control_of=ran.number)

    def _ran(
        self,
        language: str,
        text: str,
        iteration: int,
        mended: Mapping[str, tuple[str, bytes]],
        control_of: int = 0,
    ) -> Ran:
        name = self._name(_ENDINGS[language])
        versions = self.store.commit(
            parents=[self.runs.base],
            edits={**mended, name: ("100644", text.encode())},
            message=f"experiment of iteration {iteration}",
            timestamp=int(time.time()),
        )[1]
        return self.runs.execute(
            f"{interpreter(self.suite.command, language)} {name}",
            purpose="control" if control_of else "experiment",
            iteration=iteration,
            changes=versions,
            timeout=self._patience,
            script=text,
            control_of=control_of,
            mended=next(iter(mended), ""),
            weighed=self._weighed,
        )

    def _mended(self, control: Control) -> Mapping[str, tuple[str, bytes]]:
        """The file without the supposed fault. Raises `NotAllowed`."""
        version = self.files.get(control.path)
        if version is None or not version.regular or self.store.size(version) > FILE_LIMIT:
            raise NotAllowed(f"control: {control.path[:200]!r} is no file of the repository's text")
        content, old = self.store.read(version), control.old.encode(errors="replace")
        if content.count(old) != 1:
            often = content.count(old)
            raise NotAllowed(f"control: `old` must stand once in {control.path}, not {often} times")
        return {
            control.path: (version.mode, content.replace(old, control.new.encode(errors="replace")))
        }

    @property
    def _patience(self) -> float:
        return max(SECONDS, self.runs.patience)

    def _name(self, ending: str) -> str:
        names = (f"{_NAME}{number or ''}{ending}" for number in range(len(self.files) + 1))
        return next(name for name in names if name not in self.files)

    def _weighed(self, ran: Ran) -> Ran:
        return replace(ran, known=self._is_known(ran), broken=self._is_broken(ran))

    def _is_known(self, ran: Ran) -> bool:
        """Whether it shows nothing but the symptom itself."""
        if ran.script:
            return False
        if not self.suite.is_watched:  # which tests failed is not seen: they may be the known ones
            return outcome(ran).failed
        tests = self.symptom.failing if self.symptom else frozenset()
        return ran.command == self.suite.command or bool(
            ran.failing and tests.issuperset(ran.failing)
        )

    def _is_broken(self, ran: Ran) -> bool:
        chosen = not ran.script and ran.command != self.suite.command
        if chosen and not self.suite.has_run(ran.tail):  # what selects nothing passes, too
            return True
        if not (ran.exit_code or ran.timed_out):
            return False
        symptom = self.symptom
        if ran.timed_out:
            return not (symptom and symptom.timed_out)
        if ran.exit_code in (126, 127):
            return True
        if not ran.script and self.suite.is_watched:
            return not ran.failing and ran.exit_code in _NO_TESTS
        never = _NEVER_BEGAN.search(ran.failure)
        return bool(never and never[0] not in (symptom.words if symptom else ""))


def _refuse_unfit(language: str, text: str) -> None:
    if language not in _ENDINGS:
        raise NotAllowed(f"language: expected one of {', '.join(_ENDINGS)}")
    if len(text) > SCRIPT_LIMIT or "\0" in text:
        raise NotAllowed(f"a script is a text of at most {SCRIPT_LIMIT} characters")
    try:
        text.encode()
        if language == "python":
            ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise NotAllowed(f"the script cannot be read by Python: {error}") from error


def _refuse_shams(text: str, control: Control) -> None:
    """What passes with its control whatever is wrong with the code."""
    if len(_ENDS_ALL.findall(control.new)) > len(_ENDS_ALL.findall(control.old)):
        raise NotAllowed(
            "control: `new` ends the process, so the script would pass whatever the code does"
        )
    name = control.path.rpartition("/")[2]
    if (
        (name in text and _READS.search(text))
        or _READS_CODE.search(text)
        or re.search(_PRINTS + re.escape(name), text)
    ):
        raise NotAllowed(
            f"control: the script reads {name}, so it would tell that its words were changed, and "
            "not what the code does. Call the code instead, and name no file of the control's"
        )


def interpreter(command: str, language: str) -> str:
    """What runs a script as the command runs its own code: `uv run python`, `.venv/bin/python`."""
    if language != "python":
        return {"sh": "sh", "node": "node"}[language]
    try:
        words = shlex.split(command)
    except ValueError:
        words = []
    for at, word in enumerate(words[:4]):
        folder, slash, name = word.rpartition("/")
        if re.fullmatch(r"(python|pypy)[0-9.]*", name):
            return shlex.join(words[: at + 1])
        if name in ("pytest", "py.test"):
            return shlex.join([*words[:at], f"{folder}{slash}python"])
    return "python3"
