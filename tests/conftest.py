"""A real repository, a scripted proposer and our command line: `repo`, `script`, `run`.

Everything happens in `tmp_path`, also what a run puts into the folder for temporary files.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import hashlib
import json
import multiprocessing
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from autoresearch_ci.cli.main import run_cli
from autoresearch_ci.config.flags import FLAGS
from autoresearch_ci.execution.sandbox import users
from tests import slow

pytest.register_assert_rewrite("tests.faults.invariant")  # it asserts, and says what differs
_TALLY = pytest.StashKey[Counter[str]]()
_EXAMPLES = 25
"""Of Hypothesis, where not everything is to be tried and a test does not say."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--torture", action="store_true", help="every kill point and vector instead of a sample"
    )
    parser.addoption(
        "--slow",
        action="store_true",
        help="also what is slow, see tests/slow.py; --torture is, too",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_TALLY] = Counter()
    everything = config.getoption("--slow") or config.getoption("--torture")
    # How fast a machine is says nothing of a property.
    patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.register_profile("all", patient)
    settings.register_profile("sample", patient, max_examples=_EXAMPLES)
    settings.load_profile("all" if everything else "sample")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Slow tests are left out, except of files that are named; else they come first.

    First, so that no worker begins one when the others have nothing left.
    """
    listed, seen = slow.listed(), set[str]()
    for item in items:
        function = slow.function_of(item.nodeid)
        first = "[" in item.nodeid and function not in seen
        if function in listed and (listed[function] or not first):
            item.add_marker(pytest.mark.slow)
        seen.add(function)
    named = {Path(str(word).partition("::")[0]).resolve() for word in config.args}
    everything = config.getoption("--slow") or config.getoption("--torture")
    everything = everything or "slow" in config.option.markexpr  # `-m slow`
    wanted, left_out = [], []
    for item in items:
        is_slow = item.get_closest_marker("slow") is not None
        kept = everything or not is_slow or item.path in named
        (wanted if kept else left_out).append(item)
    wanted.sort(key=lambda item: item.get_closest_marker("slow") is None)
    items[:] = wanted
    config.hook.pytest_deselected(items=left_out)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What is there then stays: no search for garbage needs to look at it, then or later."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """What a test's runs hold for as long as their process lives is given back.

    Users of their own: there are some hundreds for all workers. What a file's tests needed: a fork
    copies the map of all our memory.
    """
    while users._held:
        users._held.pop().close()
    users.spare.cache_clear()
    if nextitem is None or nextitem.path != item.path:
        gc.collect()
        if trim := getattr(ctypes.CDLL(None), "malloc_trim", None):  # glibc's
            trim(0)


def pytest_sessionfinish(session: pytest.Session) -> None:
    if hasattr(session.config, "workeroutput"):  # a worker of pytest-xdist tells its controller
        session.config.workeroutput["tally"] = dict(session.config.stash[_TALLY])


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    node.config.stash[_TALLY].update(getattr(node, "workeroutput", {}).get("tally", {}))


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    for what, count in sorted(config.stash[_TALLY].items()):
        terminalreporter.write_line(f"{what}: {count}")


@pytest.fixture
def torture(request: pytest.FixtureRequest) -> bool:
    """Whether everything is to be tried, or a seeded sample that takes seconds."""
    return bool(request.config.getoption("--torture"))


@pytest.fixture
def tally(request: pytest.FixtureRequest) -> Callable[[str, int], None]:
    """`tally("kill points tried", 3)` adds to a figure that is printed after all tests.

    Count a failure, too (`tally("cheats kept", kept)`), so that its zero is printed.
    """
    counter = request.config.stash[_TALLY]

    def add(what: str, count: int) -> None:
        counter[what] += count

    return add


for _name in [name for name in os.environ if name.startswith("GIT_")]:
    del os.environ[_name]  # what steers a person's git shall not steer ours, nor cost it an `env`
# A version manager's Python is a script, and each run asks every Python on PATH.
os.environ["PATH"] = os.pathsep.join(
    folder
    for folder in os.environ["PATH"].split(os.pathsep)
    if Path(folder).name != "shims" or not (Path(folder) / "python").exists()
)
GIT_ENVIRONMENT = {
    **os.environ,
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    **{f"GIT_{role}_NAME": "A Person" for role in ("AUTHOR", "COMMITTER")},
    **{f"GIT_{role}_EMAIL": "person@example.org" for role in ("AUTHOR", "COMMITTER")},
    **{f"GIT_{role}_DATE": "2026-01-01T00:00:00Z" for role in ("AUTHOR", "COMMITTER")},
}
OURS = ("autoresearch", ".git/autoresearch", ".git/refs/autoresearch")
"""What a run may write in a checkout, besides its branch, objects, and a line of info/exclude."""
OUR_BRANCHES = (".git/refs/heads/autoresearch", ".git/logs/refs/heads/autoresearch")
UNINTERESTING = (".git/objects", ".git/info/exclude")
_CALM = ("-c", "protocol.file.allow=always", "-c", "maintenance.auto=false")
FEW_PLUGINS = ("--env", "PYTEST_DISABLE_PLUGIN_AUTOLOAD=1")
"""For commands that start pytest: half of what that costs are plugins that are installed here."""


@dataclass(frozen=True)
class Repo:
    """A git repository of the user's."""

    path: Path

    def git(self, *arguments: str, check: bool = True) -> str:
        """Run git as the user would; what it printed, without the final newline."""
        done = subprocess.run(
            ["git", *_CALM, *arguments],
            cwd=self.path,
            env=GIT_ENVIRONMENT,
            check=False,
            capture_output=True,
        )
        if check and done.returncode:
            raise AssertionError(f"git {' '.join(arguments)}: {done.stderr.decode()}")
        return os.fsdecode(done.stdout).rstrip("\n")

    def write(self, path: str, content: str | bytes, mode: int | None = None) -> Path:
        target = self.path / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content if isinstance(content, bytes) else os.fsencode(content))
        if mode is not None:
            target.chmod(mode)
        return target

    def commit(self, message: str = "a commit") -> str:
        """Commit everything as it is; the commit's name."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD")

    def show(self, commit: str, path: str) -> bytes:
        """The file as committed, byte for byte."""
        argv = ["git", "cat-file", "blob", f"{commit}:{path}"]
        return subprocess.run(argv, cwd=self.path, check=True, capture_output=True).stdout

    def subjects(self, span: str) -> list[str]:
        """Subjects of a range of commits, first parents only, oldest first."""
        log = self.git("log", "--first-parent", "--reverse", "--format=%s", span, "--")
        return log.splitlines()

    def kept(self, tag: str = "t") -> list[str]:
        """Subjects of what a run added to its branch, in order."""
        branch = f"refs/heads/autoresearch/{tag}"
        return self.subjects(f"{self.git('merge-base', 'HEAD', branch)}..{branch}")

    def ref(self, name: str) -> str:
        """The commit a ref names; empty when there is none."""
        return self.git("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}", check=False)

    def photograph(self) -> dict[str, tuple[int, int, str]]:
        """Mode, mtime and content of all that is the user's: files, index, HEAD, refs, stash."""
        return dict(_photograph(self.path, (*OURS, *OUR_BRANCHES, *UNINTERESTING)))


def _photograph(root: Path, without: Sequence[str]) -> Iterator[tuple[str, tuple[int, int, str]]]:
    for folder, folders, names in os.walk(root):
        below = os.path.relpath(folder, root)
        here = "" if below == "." else f"{below}/"
        folders[:] = [name for name in folders if f"{here}{name}" not in without]
        links = [name for name in folders if (Path(folder) / name).is_symlink()]
        for name in (*names, *links):
            if f"{here}{name}" in without:
                continue
            path = Path(folder) / name
            status = path.lstat()
            if stat.S_ISLNK(status.st_mode):
                content = os.readlink(path)  # noqa: PTH115 (a name may be no text)
            else:
                content = hashlib.sha256(path.read_bytes()).hexdigest()
            yield f"{here}{name}", (status.st_mode, status.st_mtime_ns, content)


@dataclass(frozen=True, kw_only=True)
class Result:
    """What one call of the command line came to."""

    code: int
    out: str
    err: str
    folder: Path

    @property
    def rows(self) -> list[dict[str, str]]:
        """The journal, read as any spreadsheet would; empty when there is none."""
        path = self.folder / "results.tsv"
        if not path.exists():
            return []
        _, titles, *rows = path.read_text(encoding="utf-8").split("\n")[:-1]
        names = titles.split("\t")
        return [dict(zip(names, row.split("\t"), strict=True)) for row in rows]

    def column(self, name: str) -> list[str]:
        return [row[name] for row in self.rows]

    @property
    def told(self) -> str:
        """Everything printed, for a failing assertion."""
        return f"exit code {self.code}\n{self.out}\n{self.err}"


@dataclass(frozen=True, kw_only=True)
class Run:
    """`autoresearch-ci run` in the repository: called, within this process; `start`, its own."""

    repo: Repo
    script: Path
    temporary: Path
    capture: pytest.CaptureFixture[str]
    prepared: Path
    """Where this session keeps the states that tests begin with, for all its workers."""

    def once(self, *flags: str, **options: str | None) -> Result:
        """As calling it, to begin a test with: the next that asks for the same gets a copy."""
        words = self.arguments(*flags, **options)

        def call() -> list[Any]:
            done = self(*flags, **options)
            return [done.code, done.out, done.err]

        return self.result(*self.in_state("\0".join(words), call), **options)

    def in_state(self, name: str, reach: Callable[[], Any]) -> Any:
        """What `reach` answers, and the repository as it left it, which is done once a session.

        Two states are the same when HEAD, the script and `name` are, but for the test's own folder.
        """
        asked = "\0".join([self.repo.git("rev-parse", "HEAD"), self.script.read_text(), name])
        for folder in (self.repo.path.parent, self.script.parent):
            asked = asked.replace(str(folder), "")
        copy = self.prepared / hashlib.sha256(asked.encode()).hexdigest()
        if copy.exists():
            shutil.rmtree(self.repo.path)
            shutil.copytree(copy / "repo", self.repo.path, symlinks=True)
            self.repo.git("update-index", "--refresh", check=False)  # it names the files' inodes
            return json.loads((copy / "answer").read_text())
        found = reach()
        part = Path(tempfile.mkdtemp(dir=self.prepared))
        shutil.copytree(self.repo.path, part / "repo", symlinks=True)
        (part / "answer").write_text(json.dumps(found))
        with contextlib.suppress(OSError):  # another worker was faster
            part.rename(copy)
        return found

    def __call__(self, *flags: str, cwd: Path | None = None, **options: str | None) -> Result:
        self.capture.readouterr()
        before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        back = Path.cwd()
        os.chdir(cwd or self.repo.path)
        try:
            code = run_cli(self.arguments(*flags, **options))
        finally:
            os.chdir(back)
            for number, handler in before.items():
                signal.signal(number, handler)
        out, err = self.capture.readouterr()
        return self.result(code, out, err, **options)

    def start(
        self, *flags: str, under: Sequence[str] = (), real: bool = False, **options: str | None
    ) -> subprocess.Popen[str]:
        """A process group of its own, forked; `real`: Python is started, after the words `under`.

        The first in a test process takes a second, for what is imported.
        """
        from tests.forked import command_line

        words = self.arguments(*flags, **options)
        begin = partial(command_line, words)
        if real or under:
            argv = [*under, sys.executable, "-m", "autoresearch_ci", *words]
            begin = partial(subprocess.Popen, argv)
        return begin(
            cwd=self.repo.path,
            env={**os.environ, "TMPDIR": str(self.temporary)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def fork(
        self, *flags: str, user: int | None = None, **options: str | None
    ) -> multiprocessing.Process:
        """As `start`, without the time that starting Python takes; `user`: only root can."""
        arguments = self.arguments(*flags, **options)

        def child() -> None:
            os.setsid()
            os.chdir(self.repo.path)
            with (self.repo.path.parent / "printed").open("w") as file:
                sys.stdout = sys.stderr = file
                if user is not None:
                    os.setgroups([])
                    os.setuid(user)
                code = run_cli(arguments)
            sys.exit(code)

        process: Any = multiprocessing.get_context("fork").Process(target=child)
        process.start()
        return process

    def finish(
        self, process: subprocess.Popen[str], timeout: float = 300, **options: str | None
    ) -> Result:
        out, err = process.communicate(timeout=timeout)
        return self.result(process.returncode, out, err, **options)

    def arguments(self, *flags: str, **options: str | None) -> list[str]:
        """The command line; an option of `None` is left out, for a configuration file to say.

        One that has no flag is a key, with hyphens for its dots: it is given by `--set`.
        """
        given: Mapping[str, str | None] = {
            "scope": "value",
            "metric": "cat value",
            "proposer": f"script:{self.script}",
            "tag": "t",
            # Where metric commands of tests tell that they have started, and misbehave.
            "sandbox-write": str(self.repo.path.parent),
            **options,
        }
        words = [word for k, v in given.items() if v is not None for word in _option(k, v)]
        return ["run", *words, *flags]

    def result(self, code: int, out: str, err: str, **options: str | None) -> Result:
        tag = options.get("tag", "t")
        folder = self.repo.path / "autoresearch" / f"run-{tag}"
        return Result(code=code, out=out, err=err, folder=folder)

    def leftovers(self) -> list[str]:
        """What runs left in the folder for temporary files, and in memory."""
        found = self.temporary.glob("tmpwork-*/*")
        return [*map(str, found), *self.leftovers_in_memory()]

    def leftovers_in_memory(self) -> list[str]:
        """Only what is named after this repository's runs: those of other tests go on."""
        stores = (self.repo.path / ".git" / "autoresearch").glob("*")
        boxes = [hashlib.sha256(os.fsencode(store)).hexdigest()[:16] for store in stores]
        return [str(path) for box in boxes for path in Path("/dev/shm").glob(f"*-{box}-*")]


_TYPED = {"--tag", *(flag.name for flag in FLAGS.values())}
_LISTS = ("sandbox.write", "setup")


def _option(name: str, value: str) -> tuple[str, str]:
    if f"--{name}" in _TYPED:
        return f"--{name}", value
    key = name.replace("-", ".")
    return "--set", f"{key}={json.dumps([value]) if key in _LISTS else value}"


@dataclass(frozen=True)
class Script:
    """The file that the scripted proposer replays."""

    path: Path

    def __call__(self, *lines: Mapping[str, Any]) -> None:
        text = "".join(json.dumps(line) + "\n" for line in lines)
        self.path.write_text(text, encoding="utf-8")


@pytest.fixture(scope="session")
def first_commit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What every `repo` is a copy of: a copy costs less than git's own five processes."""
    repo = Repo(tmp_path_factory.mktemp("first") / "repo")
    repo.path.mkdir()
    repo.git("init", "--quiet", "--initial-branch=main")
    repo.write("value", "10\n")
    repo.write("other", "text\n")
    repo.commit("start")
    for hook in (repo.path / ".git/hooks").iterdir():
        hook.unlink()  # samples
    return repo.path


@pytest.fixture
def repo(tmp_path: Path, first_commit: Path) -> Repo:
    """A repository with one commit: `value` holds the metric, `other` something else."""
    repo = Repo(tmp_path / "repo")
    shutil.copytree(first_commit, repo.path, symlinks=True)
    repo.git("update-index", "--refresh")  # it names the files' inodes
    return repo


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.getbasetemp()  # of a worker of pytest-xdist, in the session's
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "prepared"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture
def script(tmp_path: Path) -> Script:
    script = Script(tmp_path / "script.jsonl")
    script()
    return script


@pytest.fixture
def run(
    repo: Repo,
    script: Script,
    tmp_path: Path,
    prepared: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Run:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    # tempfile looks at TMPDIR once per process.
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    return Run(
        repo=repo,
        script=script.path,
        temporary=temporary,
        capture=capsys,
        prepared=prepared,
    )
