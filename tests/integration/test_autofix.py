"""What the tools' own fixers make of a repository: one rule, in scope, without network or secrets.

Real repositories, real tools, the sandbox of measured code; a tool that is not installed here is
not tested.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from autoresearch_ci.cli.assembly import Collaborators, make_ledger, make_redactor
from autoresearch_ci.cli.make_proposer import make_proposer
from autoresearch_ci.config.fix import FAILURES
from autoresearch_ci.config.schema import Config
from autoresearch_ci.decide.failures.failure import Category, Failure
from autoresearch_ci.decide.failures.repair_order import Aim
from autoresearch_ci.events import Event
from autoresearch_ci.execution.command import Stop
from autoresearch_ci.experiment import Direction, Experiment, Proposal, Status
from autoresearch_ci.preflight import Options, survey
from autoresearch_ci.propose.proposer import Context, NothingLeft, Proposer, Remaining, Request
from autoresearch_ci.record.run_records import Records
from autoresearch_ci.workspace.store import CommitTree, opened
from tests import journal_rows

if TYPE_CHECKING:
    from tests.conftest import Repo

RUFF = shutil.which("ruff", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
SECRET = "s3cr3t-of-the-checkout"
UNUSED = "import os\nimport sys\n\nprint(sys.argv)\n"


class Bed:
    """A repository, and the proposer that its configuration makes."""

    def __init__(self, stack: ExitStack, repo: Repo, tmp: Path, **settings: Any) -> None:
        self.events: list[Event] = []
        environment = settings.pop("environment", {})
        config = Config.model_validate(
            {
                "scope": ["**"],
                "metric": {"command": FAILURES},
                "proposer": "autofix",
                "publish": "none",
                **settings,
            }
        )
        context = survey(config, Options(start=repo.path, tag="t"))
        self.context = replace(context, scratch=tmp / "above" / "0123456789abcdef")
        self.context.run_store.mkdir(parents=True, mode=0o700)
        records = Records(self.context.run_store)
        stack.callback(records.close)
        self.store = stack.enter_context(opened(self.context.repository, tmp / "store"))
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        home = {n: os.environ[n] for n in ("RUSTUP_HOME", "CARGO_HOME", "HOME") if n in os.environ}
        environment = {**home, "PATH": path, "GITHUB_TOKEN": SECRET, **environment}
        collaborators = Collaborators(
            config=config,
            context=self.context,
            store=self.store,
            observe=self.events.append,
            stop=Stop(),
            environment=environment,
            redactor=make_redactor(config, environment),
        )
        ledger = make_ledger(config, self.context, self.store, records)
        self.proposer: Proposer = make_proposer(collaborators, ledger, stack)

    def ask(self, tool: str, code: str, command: str, **more: Any) -> Proposal | None:
        aim = Aim(
            failure=failure(tool, code),
            command=command,
            folder=more.pop("folder", ""),
            tried=more.pop("tried", ()),
        )
        tree = CommitTree(self.context.files, {}, self.context.scope, self.store)
        context = Context(
            goal="",
            direction=Direction.MINIMIZE,
            iteration=1,
            incumbent=tree,
            base=tree,
            at=lambda _: tree,
            history=more.pop("history", (row(0, Status.BASELINE, "-", "the unmodified code"),)),
            seed=0,
            aim=aim,
            **more,
        )
        try:
            return self.proposer.propose(context)
        except NothingLeft as reason:
            self.last_word = str(reason)
            return None
        finally:
            print(self.notes)

    @property
    def notes(self) -> str:
        return "\n".join(str(getattr(event, "message", "")) for event in self.events)


Make = Callable[..., Bed]


@pytest.fixture
def make(repo: Repo, tmp_path: Path) -> Iterator[Make]:
    with ExitStack() as stack:
        # What nobody may pass would keep the fixers with root's own user.
        for folder in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
            folder.chmod(0o755)
        yield lambda **settings: Bed(stack, repo, tmp_path, **settings)


def failure(tool: str, code: str) -> Failure:
    return Failure(
        category=Category.LINT,
        tool=tool,
        id=f"{tool}:src/a.py:{code}:0",
        path="src/a.py",
        line=1,
        code=code,
        message="`os` imported but unused",
    )


def row(number: int, status: Status, proposer: str, description: str) -> Experiment:
    return journal_rows.row(
        number,
        commit=f"{number:040x}",
        metric=1.0,
        delta=None,
        status=status,
        description=description,
        best=1.0,
        proposer=proposer,
        reason="",
    )


def contents(proposal: Proposal | None) -> Mapping[str, bytes | None]:
    assert proposal is not None
    return {edit.path: edit.content for edit in proposal.edits}


def planted(path: Path, lines: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{lines}\n")
    path.chmod(0o755)


# --- ruff -----------------------------------------------------------------------------------------

needs_ruff = pytest.mark.skipif(RUFF is None, reason="ruff is not installed")
CHECK = "ruff check --no-fix --no-cache --output-format json --output-file {report} ."


@needs_ruff
def test_one_rule_is_mended_wherever_it_is_broken_and_no_other(repo: Repo, make: Make) -> None:
    repo.write("src/a.py", UNUSED)
    repo.write("src/b.py", "import json\nx = 1 == None\n")
    repo.write("ruff.toml", '[lint]\nselect = ["F", "E", "I"]\n')
    repo.commit()
    found = make().ask("ruff", "F401", CHECK)
    assert contents(found) == {
        "src/a.py": b"import sys\n\nprint(sys.argv)\n",
        "src/b.py": b"x = 1 == None\n",
    }
    assert found is not None
    assert found.description == "ruff: fix F401 in 2 files (`os` imported but unused)"
    assert found.proposer == "autofix"


@needs_ruff
@pytest.mark.parametrize("settings", ["", "unsafe-fixes = true\nfix = true\n"])
def test_what_ruff_calls_unsafe_is_never_applied(repo: Repo, make: Make, settings: str) -> None:
    repo.write("src/a.py", "x = input()\nprint(x == None)\n")
    repo.write("ruff.toml", f'{settings}[lint]\nselect = ["E"]\n')
    repo.commit()
    assert make().ask("ruff", "E711", CHECK) is None


@needs_ruff
def test_what_the_settings_call_unfixable_is_left_alone(repo: Repo, make: Make) -> None:
    repo.write("src/a.py", UNUSED)
    repo.write("ruff.toml", '[lint]\nselect = ["F"]\nunfixable = ["F401"]\n')
    repo.commit()
    assert make().ask("ruff", "F401", CHECK) is None


@needs_ruff
def test_a_complaint_about_the_format_is_answered_by_the_formatter(repo: Repo, make: Make) -> None:
    repo.write("src/a.py", "x=1\n")
    repo.commit()
    found = make().ask("command", "", "ruff format --check .")
    assert contents(found) == {"src/a.py": b"x = 1\n"}
    assert found is not None
    assert found.description == "ruff format: applied in src/a.py"


@needs_ruff
def test_files_out_of_scope_are_dropped_and_named(repo: Repo, make: Make) -> None:
    repo.write("src/a.py", UNUSED)
    repo.write("others/b.py", UNUSED)
    repo.commit()
    bed = make(fix={"scope": ["src/"]}, scope=["src/"])
    assert contents(bed.ask("ruff", "F401", CHECK)).keys() == {"src/a.py"}
    assert "out-of-scope: others/b.py" in bed.notes


@needs_ruff
def test_a_folder_of_its_own_is_where_the_fixer_runs(repo: Repo, make: Make) -> None:
    repo.write("src/a.py", UNUSED)
    repo.write("packages/web/b.py", UNUSED)
    repo.commit()
    found = make().ask("ruff", "F401", CHECK, folder="packages/web")
    assert contents(found).keys() == {"packages/web/b.py"}


@needs_ruff
def test_settings_from_outside_of_the_tree_are_a_note_and_nothing_of_them_is_told(
    repo: Repo, make: Make, tmp_path: Path
) -> None:
    secret = tmp_path / "home" / "token.toml"
    secret.parent.mkdir(mode=0o700)
    secret.write_text(f"token = {SECRET}\n")
    repo.write("src/a.py", UNUSED)
    repo.write("ruff.toml", f'extend = "{secret}"\n')
    repo.commit()
    bed = make()
    assert bed.ask("ruff", "F401", CHECK) is None
    assert "autofix: ruff: exit code 2" in bed.notes
    assert SECRET not in bed.notes
    assert SECRET not in (bed.context.folder / "logs" / "1.log").read_text()


# --- what was tried -------------------------------------------------------------------------------


@needs_ruff
def test_a_rule_is_not_proposed_again_for_the_incumbent_it_was_discarded_for(
    repo: Repo, make: Make
) -> None:
    repo.write("src/a.py", UNUSED)
    repo.commit()
    bed = make()
    first = bed.ask("ruff", "F401", CHECK)
    assert first is not None
    rows = [
        row(0, Status.BASELINE, "-", "the unmodified code"),
        row(1, Status.DISCARD, "autofix", first.description),
    ]
    assert bed.ask("ruff", "F401", CHECK, history=rows) is None
    assert bed.ask("ruff", "F401", CHECK, history=rows, tried=(rows[1],)) is None
    other = [*rows, row(2, Status.KEEP, "claude", "something else")]
    assert bed.ask("ruff", "F401", CHECK, history=other) == first


@needs_ruff
def test_a_withheld_description_counts_as_tried(repo: Repo, make: Make) -> None:
    repo.write("src/a.py", UNUSED)
    repo.commit()
    rows = [
        row(0, Status.BASELINE, "-", "the unmodified code"),
        row(1, Status.DISCARD, "autofix", "(withheld: it holds a secret)"),
    ]
    bed = make()
    assert bed.ask("ruff", "F401", CHECK, history=rows, tried=(rows[1],)) is None
    assert bed.ask("ruff", "F401", CHECK, history=rows) is not None


@needs_ruff
def test_a_fixer_repairs_none_of_its_own_ideas(repo: Repo, make: Make) -> None:
    repo.write("src/a.py", UNUSED)
    repo.commit()
    assert make().ask("ruff", "F401", CHECK, request=Request.REWORK, attempt=2) is None


def test_without_a_model_the_last_word_says_what_needs_one(repo: Repo, make: Make) -> None:
    bed = make()
    assert bed.ask("mypy", "arg-type", "mypy .") is None
    assert "mypy:src/a.py:arg-type:0" in bed.last_word
    assert "(1 lint) needs a model: set ANTHROPIC_API_KEY" in bed.last_word
    assert "--proposer claude-code, codex" in bed.last_word
    assert "\n" not in bed.last_word


# --- programs of the repository's -----------------------------------------------------------------


def test_a_tool_in_the_shared_environment_is_found_in_its_copy(repo: Repo, make: Make) -> None:
    """The checkout's own must not run: its scripts write where they lie."""
    tool = repo.path / ".venv" / "bin" / "ruff"
    planted(
        tool, f'echo "$0" > src/a.py; echo {repo.path} > src/b.py; echo "$VIRTUAL_ENV" > src/c.py'
    )
    repo.write(".gitignore", ".venv/\n")
    for name in "abc":
        repo.write(f"src/{name}.py", "x = 1\n")
    repo.commit()
    environment = {
        "PATH": f"{tool.parent}:{os.environ['PATH']}",
        "VIRTUAL_ENV": str(tool.parent.parent),
    }
    bed = make(environment=environment)
    found = contents(bed.ask("ruff", "F401", CHECK))
    draft = f"{bed.context.scratch}-draft-autofix/tree"
    assert found["src/a.py"] == f"{draft}/.venv/bin/ruff\n".encode()
    assert found["src/b.py"] == f"{draft}\n".encode()
    assert found["src/c.py"] == f"{draft}/.venv\n".encode()


def test_what_setup_has_installed_in_the_measure_tree_is_found(repo: Repo, make: Make) -> None:
    repo.write("src/a.py", "x = 1\n")
    repo.write(".gitignore", ".venv/\n")
    repo.commit()
    bed = make()
    planted(bed.context.scratch / "tree" / ".venv" / "bin" / "ruff", "echo mended > src/a.py")
    found = bed.ask("ruff", "F401", ".venv/bin/ruff check .")
    assert contents(found) == {"src/a.py": b"mended\n"}


def test_a_link_that_setup_has_made_of_its_folder_is_not_followed(
    repo: Repo, make: Make, tmp_path: Path
) -> None:
    """We read more than setup does."""
    repo.write(".gitignore", ".venv\n")
    repo.write("src/a.py", "x = 1\n")
    repo.write("tools/ruff", "#!/bin/sh\nls -A . .venv > src/a.py 2>&1; exit 0\n", mode=0o755)
    repo.commit()
    bed = make()
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "key").write_text(SECRET)
    (bed.context.scratch / "tree").mkdir(parents=True)
    (bed.context.scratch / "tree" / ".venv").symlink_to(tmp_path / "theirs")
    told = contents(bed.ask("ruff", "F401", "tools/ruff check ."))["src/a.py"] or b""
    assert b"key" not in told
    assert b"src" in told


def test_of_a_shared_folder_the_commit_has_the_last_word(repo: Repo, make: Make) -> None:
    """What git does not track there is the checkout's, and never part of a proposal."""
    repo.write(".gitignore", "packages/web/node_modules/\n")
    shared = "packages/web/node_modules"
    repo.write(f"{shared}/ours.js", "committed\n")
    repo.write("src/a.py", "x = 1\n")
    lines = f"cat {shared}/ours.js {shared}/theirs.js > src/a.py; echo new | tee {shared}/*.js"
    repo.write("tools/ruff", f"#!/bin/sh\n{lines} {shared}/more.js\n", mode=0o755)
    repo.git("add", "--force", f"{shared}/ours.js")
    repo.commit()
    repo.write(f"{shared}/ours.js", "changed since\n")
    repo.write(f"{shared}/theirs.js", "installed\n")
    bed = make(share=[shared])
    for _ in range(2):
        found = contents(bed.ask("ruff", "F401", "tools/ruff check ."))
        assert found == {"src/a.py": b"committed\ninstalled\n"}
    assert (repo.path / shared / "theirs.js").read_text() == "installed\n"


def test_a_fixer_that_spoils_its_own_folder_finds_it_as_it_was(repo: Repo, make: Make) -> None:
    """Otherwise what is proposed would depend on what was proposed before."""
    tool = repo.path / ".venv" / "bin" / "ruff"
    planted(tool, 'cat "$0" "$PWD/.venv/x" > src/a.py; echo "# more" >> "$0"; rm .venv/x')
    (repo.path / ".venv" / "x").write_text("there\n")
    repo.write(".gitignore", ".venv/\n")
    repo.write("src/a.py", "x = 1\n")
    repo.commit()
    bed = make()
    command = ".venv/bin/ruff check ."
    first = contents(bed.ask("ruff", "F401", command))
    assert first == contents(bed.ask("ruff", "F401", command))
    assert first.keys() == {"src/a.py"}
    assert b"there" in (first["src/a.py"] or b"")


def test_a_program_of_the_repositorys_has_no_secret_and_no_way_out(
    repo: Repo, make: Make, tmp_path: Path
) -> None:
    """A `ruff` on the path that is anything else."""
    outside = tmp_path / "outside"
    outside.mkdir(mode=0o777)
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    repo.write(".env", f"TOKEN={SECRET}\n")
    repo.write("src/a.py", "x = 1\n")
    lines = [
        "env > src/a.py",
        f"cat {repo.path}/.env {repo.path}/.git/config >> src/a.py 2>&1",
        f"echo x > {outside}/planted",
        f"echo x > {repo.path}/src/a.py",
        "mkdir -p .git/hooks .github/workflows",
        "echo x | tee .git/hooks/pre-commit .github/workflows/x.yml src/new.py ruff.toml",
        "rm src/b.py",
        f"python3 -c 'import socket; socket.create_connection((\"127.0.0.1\", {port}))' 2>&1 "
        "| tail -1 >> src/a.py",
    ]
    repo.write("tools/ruff", "#!/bin/sh\n" + "\n".join(lines) + "\nexit 0\n", mode=0o755)
    repo.write("src/b.py", "y = 1\n")
    repo.commit()
    bed = make(environment={"PATH": f"{repo.path}/tools:{os.environ['PATH']}"})
    with listener:
        found = contents(bed.ask("ruff", "F401", CHECK))
    assert found.keys() == {"src/a.py"}
    told = found["src/a.py"] or b""
    assert SECRET.encode() not in told
    assert b"[core]" not in told
    assert b"rror" in told.splitlines()[-1]
    assert not list(outside.iterdir())
    assert (repo.path / "src" / "a.py").read_text() == "x = 1\n"
    assert "dropped src/b.py: a fixer deletes no file" in bed.notes
    assert "out-of-scope: .github/workflows/x.yml" in bed.notes
    assert "dropped src/new.py: a fixer makes no file" in bed.notes


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        ("echo half > src/a.py; kill -SEGV $$", "SIGSEGV"),
        ("echo half > src/a.py; echo no such rule; exit 2", "exit code 2: no such rule"),
        ("echo half > src/a.py; sleep 60", "timed out"),
        ("rm -rf ../tree/*; rm -rf ../tree", ""),
    ],
)
def test_a_fixer_that_fails_proposes_nothing_and_is_noted(
    repo: Repo, make: Make, lines: str, why: str
) -> None:
    repo.write("src/a.py", "x = 1\n")
    repo.write("tools/ruff", f"#!/bin/sh\n{lines}\n", mode=0o755)
    repo.commit()
    bed = make()
    command = "tools/ruff check ."
    assert bed.ask("ruff", "F401", command, remaining=Remaining(seconds=1.0)) is None
    assert re.search(f"autofix: ruff: .*{why}", bed.notes)
    assert bed.ask("ruff", "F401", command, remaining=Remaining(seconds=1.0)) is None


def test_a_missing_fixer_proposes_nothing_and_is_noted(repo: Repo, make: Make) -> None:
    repo.write("src/a.py", "x = 1\n")
    repo.commit()
    bed = make(environment={"PATH": "/usr/bin:/bin"})
    assert bed.ask("eslint", "semi", "nowhere/eslint .") is None
    assert "autofix: eslint: " in bed.notes
    assert bed.ask("ruff", "F401", "nowhere/ruff check .") is None
    assert "autofix: ruff: exit code 127" in bed.notes


# --- JavaScript -----------------------------------------------------------------------------------

PACKAGES = ("eslint@9", "prettier@3")


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A `node_modules`, or a skip."""
    if not shutil.which("npm"):
        pytest.skip("npm is not installed")
    folder = tmp_path_factory.mktemp("npm")
    (folder / "package.json").write_text("{}")
    argv = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", *PACKAGES]
    try:
        done = subprocess.run(argv, cwd=folder, capture_output=True, timeout=60, check=False)
    except subprocess.TimeoutExpired:
        pytest.skip("the npm registry does not answer")
    if done.returncode:
        pytest.skip("the npm registry is out of reach")
    return folder / "node_modules"


ESLINT = "npx --no-install eslint --format json --output-file {report} ."
RULES = """
export default [
  { rules: { "no-extra-semi": "error", "prefer-const": "error", "no-var": "error" } },
];
"""


@pytest.fixture
def javascript(repo: Repo, packages: Path) -> Repo:
    shutil.copytree(packages, repo.path / "node_modules", symlinks=True)
    repo.write(".gitignore", "node_modules/\n")
    repo.write("package.json", '{"type": "module"}\n')
    repo.write("eslint.config.js", RULES)
    repo.write("src/a.js", "let one = 1;;\nvar two = 2;\nconsole.log(one, two);\n")
    repo.commit()
    return repo


def test_eslint_mends_one_rule(javascript: Repo, make: Make) -> None:
    bed = make()
    assert contents(bed.ask("eslint", "prefer-const", ESLINT)) == {
        "src/a.js": b"const one = 1;;\nvar two = 2;\nconsole.log(one, two);\n"
    }
    assert contents(bed.ask("eslint", "no-extra-semi", ESLINT)) == {
        "src/a.js": b"let one = 1;\nvar two = 2;\nconsole.log(one, two);\n"
    }
    assert bed.ask("eslint", "no-unused-vars", ESLINT) is None


def test_prettier_rewrites_what_it_complains_of(javascript: Repo, make: Make) -> None:
    found = contents(make().ask("command", "", "npx prettier --check src"))
    assert found == {"src/a.js": b"let one = 1;\nvar two = 2;\nconsole.log(one, two);\n"}


def test_settings_of_eslint_that_delete_and_write_change_no_more_than_its_files(
    javascript: Repo, make: Make, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir(mode=0o777)
    javascript.write("keep.txt", "kept\n")
    javascript.write("data.csv", "1\n")
    javascript.write(
        "eslint.config.js",
        'import fs from "node:fs";\n'
        'fs.rmSync("keep.txt"); fs.writeFileSync("data.csv", "2");\n'
        'fs.mkdirSync(".github/workflows", { recursive: true });\n'
        'fs.writeFileSync(".github/workflows/x.yml", "on: push");\n'
        f'try {{ fs.writeFileSync("{outside}/x", "x"); }} catch {{}}\n'
        f'try {{ fs.writeFileSync("{javascript.path}/data.csv", "3"); }} catch {{}}\n'
        'fs.writeFileSync("node_modules/eslint/package.json", "{}");\n' + RULES,
    )
    javascript.commit()
    bed = make()
    for _ in range(2):
        found = bed.ask("eslint", "prefer-const", ESLINT)
        assert contents(found).keys() == {"src/a.js"}
    assert not list(outside.iterdir())
    assert (javascript.path / "data.csv").read_text() == "1\n"
    assert "dropped keep.txt: a fixer deletes no file" in bed.notes
    assert "dropped data.csv: no file that eslint mends" in bed.notes


# --- Other languages ------------------------------------------------------------------------------


@pytest.mark.skipif(not shutil.which("gofmt"), reason="Go is not installed")
def test_gofmt_rewrites_what_it_lists(repo: Repo, make: Make) -> None:
    repo.write("cmd/a.go", "package a\nvar  x = 1\n")
    repo.write("cmd/broken.go", "package {\n")
    repo.commit()
    found = make().ask("gofmt", "", 'test -z "$(gofmt -l cmd)"')
    assert contents(found) == {"cmd/a.go": b"package a\n\nvar x = 1\n"}


@pytest.mark.skipif(not shutil.which("go"), reason="Go is not installed")
def test_go_mod_tidy_drops_what_nothing_imports(repo: Repo, make: Make) -> None:
    repo.write("lib/go.mod", "module lib\n\ngo 1.19\n")
    repo.write("go.mod", "module a\n\ngo 1.19\n\nrequire lib v0.0.0\n\nreplace lib => ./lib\n")
    repo.write("a.go", "package a\n")
    repo.commit()
    bed = make(scope=["go.mod", "go.sum", "*.go"])
    found = contents(bed.ask("command", "", "go mod tidy && git diff --exit-code"))
    assert b"require lib" not in (found["go.mod"] or b"")


def _has_clippy() -> bool:
    if not shutil.which("cargo"):
        return False
    argv = ["cargo", "clippy", "--version"]
    return not subprocess.run(argv, capture_output=True, check=False).returncode


@pytest.mark.skipif(not _has_clippy(), reason="clippy is not installed")
def test_clippy_mends_one_lint(repo: Repo, make: Make) -> None:
    repo.write("Cargo.toml", '[package]\nname = "x"\nversion = "0.1.0"\nedition = "2021"\n')
    repo.write("Cargo.lock", 'version = 4\n\n[[package]]\nname = "x"\nversion = "0.1.0"\n')
    code = "pub fn f(x: i32) -> i32 {\n    let mut y = x;\n    return y;\n}\n"
    repo.write("src/lib.rs", code)
    repo.commit()
    command = "cargo clippy --message-format=json --all-targets -- -D warnings"
    bed = make(fix={"targets": [{"tool": "cargo", "command": command}]})
    assert contents(bed.ask("cargo", "clippy::needless_return", command)) == {
        "src/lib.rs": code.replace("return y;", "y").encode()
    }
    assert contents(bed.ask("cargo", "unused_mut", command)) == {
        "src/lib.rs": code.replace("let mut", "let").encode()
    }
