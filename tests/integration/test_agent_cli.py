"""Whatever an agent CLI does in its folder, only in-scope changes of regular files come out.

Real repositories and real processes; the agents are small programs of ours, no network.
"""

from __future__ import annotations

import json
import os
import re
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from autoresearch_ci.cli.main import run_cli
from autoresearch_ci.config.proposers import Agent
from autoresearch_ci.decide.failures.failure import Category, Failure
from autoresearch_ci.decide.failures.repair_order import Aim
from autoresearch_ci.errors import Interrupted, ProposerError, WorkspaceError
from autoresearch_ci.execution.command import Stop
from autoresearch_ci.experiment import Direction, FileEdit, Proposal, Spent
from autoresearch_ci.propose.agent_cli import AgentCliProposer
from autoresearch_ci.propose.proposer import Context, EditError, Remaining, Request
from autoresearch_ci.workspace import draft_tree
from autoresearch_ci.workspace.draft_tree import DraftTree, Material
from autoresearch_ci.workspace.repository import Changes, FileVersion, Repository
from autoresearch_ci.workspace.scope import Scope, build_scope
from autoresearch_ci.workspace.store import CommitTree, Store
from tests.patience import promptly

if TYPE_CHECKING:
    from tests.conftest import Repo, Run, Script

SCOPE = ["src/", "value", "!src/locked.py"]
HIDDEN = frozenset({"bench/holdout.sh"})


class Bed:
    """A repository, a draft of it, and proposers that run shell lines in that draft."""

    def __init__(self, path: Path, checkout: Path) -> None:
        self.path = path
        self.repository = Repository.open(checkout)
        self.base = self.repository.head()
        self.store = Store(path / "store", self.repository)
        self.files = self.repository.files(self.base)
        self.scope: Scope = build_scope(SCOPE, [], [], self.files)
        self.changes: dict[str, FileVersion | None] = {}
        self.notes: list[str] = []
        self.inherit: dict[str, str] = {"PATH": os.environ["PATH"], "SECRET_TOKEN": "hidden-value"}
        self.draft = DraftTree(
            path / "box",
            Material(
                files=self.files,
                incumbent=lambda: self.changes,
                read=self.store.read,
                scope=self.scope,
                ignored=self.repository.ignored,
                hidden=HIDDEN,
            ),
        )

    def proposer(
        self, command: str | tuple[str, ...] | None = "true", **options: Any
    ) -> AgentCliProposer:
        stop, paid = options.pop("stop", None), options.pop("paid", lambda cost: None)
        return AgentCliProposer(
            Agent(command=command, **options),
            prompt=lambda context: f"improve, attempt {context.attempt}: {context.feedback}",
            draft=self.draft,
            inherit=self.inherit,
            stop=stop,
            note=self.notes.append,
            logs=self.path,
            paid=paid,
        )

    def context(self, **more: Any) -> Context:
        tree = CommitTree(self.files, self.changes, self.scope, self.store)
        return Context(
            goal="",
            direction=Direction.MINIMIZE,
            iteration=1,
            incumbent=tree,
            base=tree,
            at=lambda _: tree,
            history=(),
            seed=0,
            **more,
        )

    def run(self, command: str | tuple[str, ...] | None, **options: Any) -> Proposal:
        return self.proposer(command, **options).propose(self.context())

    def keep(self, edits: Mapping[str, bytes | None]) -> None:
        """A commit with `edits` becomes the incumbent."""
        _, versions = self.store.commit(
            parents=[self.base],
            edits={p: None if c is None else ("100644", c) for p, c in edits.items()},
            message="kept",
            timestamp=1,
        )
        self.changes.update(versions)

    def close(self) -> None:
        self.store.close()
        self.repository.close()


@pytest.fixture
def bed(tmp_path: Path, repo: Any) -> Iterator[Bed]:
    repo.write("src/a.py", "one\ntwo\n")
    repo.write("src/tool.sh", "#!/bin/sh\n", mode=0o755)
    repo.write("src/dos.txt", "one\r\ntwo\r\n")
    repo.write("src/locked.py", "no\n")
    repo.write("bench/holdout.sh", "secret numbers\n")
    repo.write(".gitignore", "__pycache__/\n*.log\n")
    repo.write(".gitattributes", "*.py text eol=crlf\n")
    (repo.path / "src" / "link").symlink_to("a.py")
    repo.commit("more")
    bed = Bed(tmp_path, repo.path)
    yield bed
    bed.close()


def contents(proposal: Proposal) -> dict[str, bytes | None]:
    return {edit.path: edit.content for edit in proposal.edits}


def photograph(root: Path) -> dict[str, tuple[int, bytes]]:
    """Mode and content of everything below `root`."""
    found = {}
    for path in sorted(root.rglob("*")):
        mode = path.lstat().st_mode
        content = os.fsencode(path.readlink()) if path.is_symlink() else b""
        if path.is_file() and not path.is_symlink():
            content = path.read_bytes()
        found[path.relative_to(root).as_posix()] = (mode, content)
    return found


# --- what becomes of edits ------------------------------------------------------------------------


def test_the_difference_is_the_proposal(bed: Bed) -> None:
    found = bed.run("echo 9 > value; echo new > src/new.py; rm src/tool.sh; cat > /dev/null")
    assert contents(found) == {"value": b"9\n", "src/new.py": b"new\n", "src/tool.sh": None}
    assert found.proposer == "command"


def test_a_good_edit_counts_whatever_the_exit_code(bed: Bed) -> None:
    assert contents(bed.run("echo 9 > value; exit 3")) == {"value": b"9\n"}


def test_no_difference_is_a_proposal_without_edits(bed: Bed) -> None:
    found = bed.run("echo I thought about it")
    assert found.edits == ()
    assert "left every file as it is" in found.description


AIM = Aim(
    failure=Failure(
        category=Category.TEST,
        tool="pytest",
        id="pytest:test_a::test_a",
        path="src/a.py",
        line=1,
        code="",
        message="no network",
    )
)


@pytest.mark.parametrize(
    ("says", "is_meant"),
    [
        ("echo 'DESCRIPTION: nothing to do: no network here'", True),
        ("echo 'DESCRIPTION: Nothing to do: the API key is not set: please log in'", True),
        ("echo 'DESCRIPTION: nothing to do: no network here'; exit 1", False),
        ("cat; echo done", False),
        ("echo x > other; echo 'DESCRIPTION: nothing to do: no network here'", False),
        ("echo 'there was nothing to do'", False),
    ],
)
def test_where_a_repair_is_asked_for_nothing_to_do_is_an_answer(
    bed: Bed, says: str, is_meant: bool
) -> None:
    proposal = bed.proposer(says).propose(bed.context(aim=AIM))
    assert proposal.edits == ()
    assert proposal.description.startswith("nothing to do: ") is is_meant
    assert proposal.failed is ("exit 1" in says)


def test_an_edit_says_more_than_the_words_that_nothing_is_to_be_done(bed: Bed) -> None:
    agent = bed.proposer("echo 9 > value; echo 'DESCRIPTION: nothing to do: all is well'")
    assert contents(agent.propose(bed.context(aim=AIM))) == {"value": b"9\n"}


def test_only_who_is_asked_for_a_repair_is_offered_to_do_nothing(bed: Bed) -> None:
    for aim, offered in ((AIM, True), (None, False)):
        told = bed.proposer("cat > value").propose(bed.context(aim=aim)).edits[0].content or b""
        assert (b"nothing to do: <" in told) is offered
    found = bed.run("echo 'DESCRIPTION: nothing to do: no network here'")
    assert found.description.startswith("no change: ")


def test_rewriting_a_file_with_its_own_content_or_mode_is_no_edit(bed: Bed) -> None:
    assert bed.run("cat src/a.py > t; cat t > src/a.py; rm t; chmod +x value").edits == ()
    assert any("value: its mode" in note for note in bed.notes)


def test_the_draft_holds_the_bytes_of_the_commit_not_those_of_a_checkout(bed: Bed) -> None:
    """With `eol=crlf` a checkout has other bytes, and every line would count as edited."""
    found = bed.run("echo three >> src/a.py; echo three >> src/dos.txt")
    assert contents(found) == {
        "src/a.py": b"one\ntwo\nthree\n",
        "src/dos.txt": b"one\r\ntwo\r\nthree\n",
    }


def test_edits_out_of_scope_are_dropped_and_named(bed: Bed) -> None:
    found = bed.run("echo 9 > value; echo x > other; echo x > src/locked.py; echo x > new")
    assert contents(found) == {"value": b"9\n"}
    assert "out-of-scope: other" in bed.notes[0]
    assert "src/locked.py" in bed.notes[0]
    assert "dropped out-of-scope: other" in (bed.path / "1.log").read_text()


def test_only_edits_out_of_scope_are_no_change_and_the_description_says_so(bed: Bed) -> None:
    found = bed.run("echo x > other")
    assert found.edits == ()
    assert "out-of-scope: other" in found.description


def test_what_the_repository_ignores_is_neither_an_edit_nor_a_refusal(bed: Bed) -> None:
    found = bed.run("mkdir -p src/__pycache__; echo x > src/__pycache__/a.pyc; echo x > src/a.log")
    assert found.edits == ()
    assert "left every file" in found.description


@pytest.mark.parametrize(
    "plant",
    [
        "ln -s $DECOY/passwd src/new.py",
        "ln -sf $DECOY/passwd src/a.py",
        "mkfifo src/new.py",
        "rm src/a.py; mkfifo src/a.py",
        "rm src/link; echo x > src/link",
        f"truncate -s {draft_tree.MAX_FILE_BYTES + 1} src/new.py",
        "rm -rf src; ln -s $DECOY src",
    ],
)
def test_only_regular_files_of_a_sensible_size_count(bed: Bed, plant: str) -> None:
    decoy = bed.path / "decoy"
    decoy.mkdir()
    for name in ("passwd", "a.py"):
        (decoy / name).write_text("elsewhere\n")
    found = bed.run(f"DECOY={decoy}; {plant}; echo 9 > value")
    given = contents(found)
    assert given.pop("value") == b"9\n"
    assert all(content is None for content in given.values())
    assert bed.notes


def test_a_socket_is_dropped(bed: Bed) -> None:
    bed.draft.reset()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(bed.draft.tree / "src" / "s"))
        drafted = bed.draft.collect()
    assert drafted.edits == ()
    assert drafted.refusals == ("src/s: not a regular file",)


def test_an_unpacked_archive_is_no_proposal(bed: Bed) -> None:
    found = bed.run(f"cd src; for i in $(seq {draft_tree.MAX_FILES + 1}); do echo > f$i; done")
    assert found.edits == ()
    assert "more than" in found.description


def test_a_folder_that_takes_a_files_place_is_a_deletion_and_new_files(bed: Bed) -> None:
    found = bed.run("rm src/a.py; mkdir src/a.py; echo x > src/a.py/b.py")
    assert contents(found) == {"src/a.py": None, "src/a.py/b.py": b"x\n"}


def test_git_in_the_folder_is_never_asked(bed: Bed) -> None:
    """An index that hides the edit, a hook, a filter and a nested repository change nothing."""
    found = bed.run(
        "git init -q . && git -c user.name=a -c user.email=a add -f -A && "
        "git update-index --skip-worktree value && "
        "printf '#!/bin/sh\\ntouch %s/ran' \"$PWD\" > .git/hooks/post-checkout && "
        "chmod +x .git/hooks/post-checkout && git config core.fsmonitor 'touch ran; false' && "
        "git init -q src/nested && echo y > src/nested/b.py && "
        "echo 'value filter=x' > .git/info/attributes && echo 9 > value"
    )
    assert contents(found) == {"value": b"9\n", "src/nested/b.py": b"y\n"}
    assert not (bed.draft.tree / "ran").exists()


def test_what_is_hidden_is_not_there(bed: Bed) -> None:
    found = bed.run("ls bench && cp bench/* src/; echo x > value")
    assert contents(found) == {"value": b"x\n"}


# --- the next proposal starts from the incumbent --------------------------------------------------

VANDALISM = (
    "echo x > value; rm -rf src; mkdir src; ln -s .. src/root; mkdir -p a/b/c; echo x > a/b/c/d; "
    "chmod 000 a; chmod 555 src; mkdir .git; echo x > .git/HEAD; rm other; mkdir other; "
    "echo x > ~/left; echo x > $TMPDIR/left; chmod 700 bench; chmod +x .gitignore"
)


def test_each_proposal_starts_from_the_incumbent_bit_for_bit(bed: Bed) -> None:
    bed.draft.reset()
    before = photograph(bed.draft.tree)
    bed.run(VANDALISM)
    bed.draft.reset()
    assert photograph(bed.draft.tree) == before
    assert list(bed.draft.home.iterdir()) == list(bed.draft.temporary.iterdir()) == []


@pytest.mark.parametrize("gone", ['rm -rf "$PWD"', 'mv "$PWD" ../moved; ln -s moved ../tree'])
def test_a_folder_that_was_removed_proposes_nothing_and_is_built_again(bed: Bed, gone: str) -> None:
    found = bed.run(gone)
    assert found.edits == ()
    assert "removed or replaced" in found.description
    assert contents(bed.run("echo 9 > value")) == {"value": b"9\n"}


def test_a_kept_change_is_in_the_next_draft(bed: Bed) -> None:
    bed.run("echo 9 > value")
    bed.keep({"value": b"9\n", "src/a.py": None, "src/a.py/b.py": b"x\n", "src/tool.sh": b"y\n"})
    found = bed.run("cat value src/a.py/b.py src/tool.sh > src/seen; test -x src/tool.sh")
    assert contents(found) == {"src/seen": b"9\nx\ny\n"}


def test_a_rolled_back_incumbent_is_followed_back(bed: Bed) -> None:
    bed.draft.reset()
    before = photograph(bed.draft.tree)
    bed.keep({"src/deep/er/x.py": b"x\n", "src/a.py": None})
    bed.draft.reset()
    assert (bed.draft.tree / "src/deep/er/x.py").exists()
    bed.changes.clear()
    bed.draft.reset()
    assert photograph(bed.draft.tree) == before


def test_a_repair_starts_from_what_failed_and_proposes_what_it_changes(bed: Bed) -> None:
    failed = Proposal(
        description="idea",
        edits=(
            FileEdit(path="value", content=b"broken\n"),
            FileEdit(path="src/a.py", content=None),
        ),
        proposer="command",
    )
    fixing = bed.context(request=Request.REPAIR, attempt=2, previous=failed, feedback="boom")
    proposer = bed.proposer("cat > src/prompt; sed -i s/broken/fixed/ value; ls src/a.py")
    found = contents(proposer.propose(fixing))
    assert found["value"] == b"fixed\n"
    assert b"attempt 2: boom" in (found["src/prompt"] or b"")
    assert "src/a.py" not in found
    assert proposer.propose(bed.context()).edits[-1].path != "src/a.py"


def test_a_repair_that_takes_an_edit_back_says_so(bed: Bed) -> None:
    failed = Proposal(
        description="idea", edits=(FileEdit(path="value", content=b"5\n"),), proposer="command"
    )
    fixing = bed.context(request=Request.REWORK, attempt=2, previous=failed)
    assert contents(bed.proposer("echo 10 > value").propose(fixing)) == {"value": b"10\n"}


# --- how it is called -----------------------------------------------------------------------------


def test_the_prompt_is_standard_input(bed: Bed) -> None:
    found = bed.run("cat > src/seen")
    assert (contents(found)["src/seen"] or b"").startswith(b"improve, attempt 1")


@pytest.mark.parametrize(
    "words", ["cp {prompt_file} src/seen", ("cp", "{prompt_file}", "src/seen")]
)
def test_or_a_file_which_leaves_standard_input_empty(
    bed: Bed, words: str | tuple[str, ...]
) -> None:
    assert b"improve" in (contents(bed.run(words))["src/seen"] or b"")


def test_an_argv_is_not_read_by_a_shell(bed: Bed) -> None:
    agent = "import sys; open('src/seen', 'w').write(sys.argv[1] + sys.stdin.read())"
    found = bed.run((sys.executable, "-c", agent, "$HOME; `x` {braces} 'q'"))
    assert (contents(found)["src/seen"] or b"").startswith(b"$HOME; `x` {braces} 'q'improve")


def test_a_folder_with_blanks_and_quotes_is_no_trouble(tmp_path: Path, repo: Any) -> None:
    odd = tmp_path / "it's a; folder"
    odd.mkdir()
    bed = Bed(odd, repo.path)
    assert contents(bed.run("cat > value"))
    assert contents(bed.run("cat {prompt_file} > value"))
    bed.close()


def test_the_agent_sees_the_toolchain_and_what_was_named_but_no_other_secret(bed: Bed) -> None:
    bed.inherit["NAMED"] = "yes"
    found = bed.run("env > src/env", env={"GIVEN": "too"}, pass_env=("NAMED", "ABSENT"))
    lines = (contents(found)["src/env"] or b"").decode().splitlines()
    assert {"NAMED=yes", "GIVEN=too", f"HOME={bed.draft.home}"} <= set(lines)
    assert not any("hidden-value" in text for text in lines)


def test_a_timeout_discards_what_was_edited_and_says_so(bed: Bed) -> None:
    started = time.monotonic()
    found = bed.run("echo 9 > value; sleep 600", timeout=0.3)
    assert time.monotonic() - started < promptly(20)
    assert found.edits == ()
    assert "timed out" in found.description
    assert contents(bed.run("echo 8 > value")) == {"value": b"8\n"}


def test_an_agent_gets_no_more_time_than_the_run_has_left(bed: Bed) -> None:
    started = time.monotonic()
    late = bed.context(remaining=Remaining(seconds=-3.0))
    assert "timed out" in bed.proposer("sleep 600").propose(late).description
    assert time.monotonic() - started < promptly(20)


@pytest.mark.parametrize("spent", ["usd", "tokens", "iteration_usd", "iteration_tokens"])
def test_an_agent_is_not_called_once_its_budget_is_used_up(bed: Bed, spent: str) -> None:
    context = bed.context(remaining=Remaining(**{"usd": 9, "tokens": 9, spent: 0}))
    with pytest.raises(EditError, match="used up"):
        bed.proposer("echo 9 > value").propose(context)
    assert not (bed.path / "1.log").exists()


def test_what_a_call_cost_is_paid_before_anybody_judges_it(
    bed: Bed, install: Callable[[str, str], Path]
) -> None:
    install("claude", json.dumps(REPORTS["claude-code"][0]))
    bed.inherit["ANTHROPIC_API_KEY"] = "k"
    paid: list[Spent] = []
    bed.proposer(None, preset="claude-code", paid=paid.append).propose(bed.context())
    assert paid == [Spent(tokens=215, cost_usd=0.25)]


@pytest.fixture
def broken_off(
    bed: Bed, install: Callable[[str, str], Path]
) -> Callable[[str, Sequence[object]], tuple[Spent, str]]:
    """What is paid for a call of `preset` that prints `told` and is ended, and what it was given.

    An agent that is ended each time would else never be out of budget.
    """

    def broken_off(preset: str, told: Sequence[object]) -> tuple[Spent, str]:
        lines = [json.dumps(line, separators=(",", ":")) for line in told]
        read = json.dumps({"type": "user", "message": "x" * (1 << 21)})  # its middle is dropped
        seen = install(PROGRAMS[preset], "\n".join([read, *lines, read, lines[-1], ""]))
        program = bed.path / "bin" / PROGRAMS[preset]
        program.write_text(program.read_text() + "sleep 600\n")
        bed.inherit["ANTHROPIC_API_KEY"] = "k"
        paid: list[Spent] = []
        proposer = bed.proposer(None, preset=preset, model="anthropic/m", paid=paid.append)
        found = proposer.propose(bed.context(remaining=Remaining(seconds=1.0)))
        assert "counted as far as it was told" in found.description
        (cost,) = paid
        return cost, seen.read_text()

    return broken_off


def test_a_call_that_is_broken_off_costs_what_its_messages_told(
    broken_off: Callable[[str, Sequence[object]], tuple[Spent, str]],
) -> None:
    usage = {"input_tokens": 1_000, "cache_read_input_tokens": 3_000, "output_tokens": 1}
    parts = [{"type": "text", "text": "I look. " * 100}, {"type": "tool_use", "name": "Read"}]
    message = {"model": "claude-sonnet-4-5", "usage": usage}
    cost, given = broken_off(
        "claude-code",
        [
            {"type": "assistant", "message": message | {"id": key, "content": [part]}}
            for key, part in zip(("m1", "m1", "m2"), (*parts, parts[1]), strict=True)
        ],
    )
    assert "\nstream-json\n" in given
    assert 8_200 < cost.tokens < 8_300  # two messages of 4,000, words
    assert cost.cost_usd == pytest.approx(0.0115, abs=0.001)  # 3, 0.30 and 15 dollars a million


def test_steps_that_were_told_before_a_call_is_broken_off_count_once(
    broken_off: Callable[[str, Sequence[object]], tuple[Spent, str]],
) -> None:
    tokens = {"input": 1_000, "output": 20, "reasoning": 0, "cache": {"read": 4, "write": 0}}
    step = {"type": "step-finish", "tokens": tokens, "cost": 0.25}
    cost, _ = broken_off(
        "opencode", [{"type": "step_finish", "part": {"id": key, **step}} for key in ("a", "b")]
    )
    assert cost == Spent(tokens=2_048, cost_usd=0.5)


def test_a_call_may_cost_what_the_iteration_has_left(
    bed: Bed, install: Callable[[str, str], Path]
) -> None:
    seen = install("claude", "{}")
    bed.inherit["ANTHROPIC_API_KEY"] = "k"
    remaining = Remaining(usd=20, iteration_usd=0.5)
    bed.proposer(None, preset="claude-code").propose(bed.context(remaining=remaining))
    assert "--max-budget-usd\n0.5\n" in seen.read_text()


@pytest.mark.parametrize(
    ("proposer", "untold"),
    [
        ("{command: 'true'}", "budget.usd, budget.tokens"),
        ("{preset: codex}", "budget.usd"),
        ("{preset: claude-code}", ""),
    ],
)
def test_a_limit_that_an_agent_does_not_let_us_keep_is_told(
    run: Run, repo: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, proposer: str, untold: str
) -> None:
    for name in ("codex", "claude"):
        program = tmp_path / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text("#!/bin/sh\n")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "k")
    limits = ("--set", "budget.usd=1", "--set", "budget.tokens=9")
    done = run("--iterations", "1", *limits, proposer=proposer)
    told = re.findall(
        r"does not say what it uses up of ([^,]+(?:, budget[^,]+)*), which", done.told
    )
    assert told == ([untold] if untold else [])


def test_a_stop_request_ends_the_agent_at_once(bed: Bed) -> None:
    stop = Stop()
    threading.Timer(0.3, stop.request).start()
    with pytest.raises(Interrupted):
        bed.run("sleep 60", stop=stop)


# --- what it says ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "description"),
    [
        ("echo 'DESCRIPTION: lower the value'", "lower the value"),
        ("echo '**DESCRIPTION:** first'; echo 'DESCRIPTION: last'; echo bye", "last"),
        ("cat", "edit value (+1 -1)"),  # an agent that only echoes its prompt
        ("echo done; echo x > src/n.py; rm src/a.py", "delete src/a.py, add src/n.py (+1 -0)"),
    ],
)
def test_the_description_is_the_agents_or_else_made_from_the_diff(
    bed: Bed, said: str, description: str
) -> None:
    assert description in bed.run(f"echo 9 > value; {said}").description


def test_a_description_is_one_bounded_line_without_hidden_characters_or_keys(bed: Bed) -> None:
    words = r"printf 'DESCRIPTION: a\033[31m\342\200\213b %s %0999d\n' $MY_KEY 1"
    found = bed.run(f"echo 9 > value; {words}", env={"MY_KEY": "sk-0123456789abcdef"})
    assert len(found.description) <= 200
    assert found.description.isprintable()
    assert "sk-0123" not in found.description + (bed.path / "1.log").read_text()


# --- what cannot work -----------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["no-such-agent -p", ("no-such-agent",), "/no/such/agent"])
def test_a_missing_program_is_refused_before_anything_runs(
    bed: Bed, command: str | tuple[str, ...] | None
) -> None:
    with pytest.raises(ProposerError, match="not on PATH"):
        bed.proposer(command)


@pytest.mark.parametrize("command", ["cd src && ls", "if true; then :; fi", "./agent.sh", "A=1 x"])
def test_what_only_the_shell_can_tell_is_left_to_it(bed: Bed, command: str) -> None:
    bed.proposer(command)


def test_a_program_missing_further_in_ends_the_run_at_once(bed: Bed) -> None:
    with pytest.raises(ProposerError, match="exit code 127"):
        bed.run("cd src && no-such-agent")


def test_failing_again_and_again_without_an_edit_ends_the_run_with_the_reason(bed: Bed) -> None:
    proposer = bed.proposer("echo 'invalid API key'; exit 1")
    assert proposer.propose(bed.context()).edits == ()
    assert "invalid API key" in proposer.propose(bed.context()).description
    with pytest.raises(ProposerError, match="3 times in a row") as caught:
        proposer.propose(bed.context())
    assert "invalid API key" in str(caught.value)


def test_answering_too_late_again_and_again_ends_the_run(bed: Bed) -> None:
    proposer = bed.proposer("echo 9 > value; exec sleep 30", timeout=0.2)
    for _ in range(2):
        assert proposer.propose(bed.context()).edits == ()
    with pytest.raises(ProposerError, match=r"took too long .* 3 times in a row"):
        proposer.propose(bed.context())


def test_a_run_whose_agent_never_proposed_anything_is_no_success(
    run: Run, repo: Repo, tmp_path: Path
) -> None:
    config = tmp_path / "config.yml"
    config.write_text('proposer: {command: "echo 401 invalid key; exit 1"}\n')
    done = run("--config", str(config), proposer=None)
    assert done.code == 5, done.told
    assert "401 invalid key" in done.err
    assert done.column("status") == ["baseline", "no-op", "no-op"]


def test_an_agent_that_only_prints_a_login_prompt_is_no_success(
    run: Run, repo: Repo, tmp_path: Path
) -> None:
    config = tmp_path / "config.yml"
    config.write_text('proposer: {command: "echo You are not logged in."}\n')
    done = run("--config", str(config), proposer=None)
    assert done.code == 5, done.told
    assert "You are not logged in" in done.err
    assert done.column("status") == ["baseline", "no-op", "no-op"]


def test_the_preview_of_a_prompt_is_what_an_agent_gets(
    run: Run, repo: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = repo.path.parent / "config.yml"
    config.write_text("proposer: {command: cat}\niterations: 5\n")
    words = run.arguments("--config", str(config), proposer=None)
    monkeypatch.chdir(repo.path)
    run.capture.readouterr()
    assert run_cli(["prompt", *words[1:]]) == 0
    told = run.capture.readouterr().out
    assert "Left: 5 iterations" in told
    assert "DESCRIPTION: <one sentence" in told


def test_the_turn_of_an_agent_that_failed_is_anothers(
    run: Run, repo: Repo, script: Script, tmp_path: Path
) -> None:
    script(*({"description": n, "files": {"value": f"{n}\n"}} for n in "9876"))
    config = tmp_path / "config.yml"
    agent = '{command: "echo usage limit reached"}'
    config.write_text(f"proposer: [{agent}, 'script:{script.path}']\niterations: 4\n")
    done = run("--config", str(config), proposer=None)
    assert done.code == 0, done.told
    assert done.column("status")[1:] == ["keep"] * 4
    assert "usage limit reached" in done.out


# --- presets --------------------------------------------------------------------------------------

REPORTS: dict[str, tuple[dict[str, Any], str, int, float]] = {
    "claude-code": (
        {
            "type": "result",
            "result": "I lowered it.\n\nDESCRIPTION: lower the value",
            "total_cost_usd": 0.25,
            "usage": {"input_tokens": 10, "cache_read_input_tokens": 200, "output_tokens": 5},
        },
        "ANTHROPIC_API_KEY",
        215,
        0.25,
    ),
    "codex": (
        {"type": "turn.completed", "usage": {"input_tokens": 10, "output_tokens": 5}},
        "OPENAI_API_KEY",
        15,
        0.0,
    ),
    "gemini": (
        {
            "response": "DESCRIPTION: lower the value",
            "stats": {"models": {"m": {"tokens": {"total": 33}}}},
        },
        "GEMINI_API_KEY",
        33,
        0.0,
    ),
    "opencode": (
        {
            "type": "step_finish",
            "part": {"cost": 0.5, "tokens": {"input": 3, "output": 4, "cache": {"read": 5}}},
        },
        "ANTHROPIC_API_KEY",
        12,
        0.5,
    ),
}
PROGRAMS = {"claude-code": "claude", "codex": "codex", "gemini": "gemini", "opencode": "opencode"}
FAKE = """\
#!/bin/sh
env > {seen}
cat >> {seen}
printf '%s\\n' "$@" >> {seen}
ls -A "$HOME" >> {seen}
echo 9 > value
echo 'a warning on stderr' >&2
cat {report}
"""


@pytest.fixture
def install(bed: Bed) -> Callable[[str, str], Path]:
    """Puts a fake CLI on PATH; returns the file in which it notes what it was given."""

    def install(program: str, report: str) -> Path:
        folder = bed.path / "bin"
        folder.mkdir()
        (folder / "report").write_text(report)
        agent = folder / program
        agent.write_text(FAKE.format(seen=bed.path / "seen", report=folder / "report"))
        agent.chmod(0o755)
        bed.inherit["PATH"] = f"{folder}:{bed.inherit['PATH']}"
        return bed.path / "seen"

    return install


@pytest.mark.parametrize("indent", [None, 2], ids=["one line", "pretty"])
@pytest.mark.parametrize("preset", REPORTS)
def test_a_preset_gives_its_key_and_reads_tokens_and_cost(
    bed: Bed, install: Callable[[str, str], Path], preset: str, indent: int | None
) -> None:
    report, key, tokens, cost = REPORTS[preset]
    seen = install(PROGRAMS[preset], json.dumps(report, indent=indent) + "\n")
    bed.inherit |= {"ANTHROPIC_API_KEY": "k1", "OPENAI_API_KEY": "k2", "GEMINI_API_KEY": "k3"}
    bed.inherit |= {"GITHUB_TOKEN": "k4"}
    proposer = bed.proposer(None, preset=preset, model="anthropic/model")
    found = proposer.propose(bed.context())
    assert contents(found) == {"value": b"9\n"}
    assert (found.proposer, found.tokens, found.cost_usd) == (preset, tokens, cost)
    assert found.description in ("lower the value", "edit value (+1 -1)")
    given = seen.read_text()
    assert [name for name in sorted(bed.inherit) if f"\n{name}=" in f"\n{given}"] == [key, "PATH"]
    assert "improve, attempt 1" in given
    assert "anthropic/model" in given


def test_no_child_of_the_cli_lowers_what_it_says_it_costs(
    bed: Bed, install: Callable[[str, str], Path]
) -> None:
    """It would forge a price, and with it the budget: after the end nothing counts."""
    report, _, tokens, cost = REPORTS["claude-code"]
    forged = json.dumps({**report, "total_cost_usd": 0.0, "usage": {}})
    install("claude", f"{json.dumps(report)}\n{forged}\n")
    forged = json.dumps({**report, "total_cost_usd": 99.0, "usage": {}})
    program = bed.path / "bin" / "claude"
    late = f"(for i in 1 2 3 4 5; do sleep .05; echo; done; echo '{forged}') &\n"
    program.write_text(program.read_text() + late)
    bed.inherit["ANTHROPIC_API_KEY"] = "k"
    found = bed.proposer(None, preset="claude-code", model="m").propose(bed.context())
    assert (found.tokens, found.cost_usd) == (tokens, cost)


def test_aider_is_told_its_files_and_its_report_is_read(
    bed: Bed, install: Callable[[str, str], Path]
) -> None:
    words = "Tokens: 2.1k sent, 120 received. Cost: $0.01 message, $0.03 session.\n"
    seen = install("aider", words)
    bed.inherit["ANTHROPIC_API_KEY"] = "k"
    found = bed.proposer(None, preset="aider", model="anthropic/m").propose(bed.context())
    assert (found.tokens, found.cost_usd) == (2220, 0.03)
    assert "--file=src/a.py\n" in seen.read_text()


def test_gemini_finds_the_settings_it_will_not_start_without(
    bed: Bed, install: Callable[[str, str], Path]
) -> None:
    seen = install("gemini", "{}")
    bed.inherit["GEMINI_API_KEY"] = "k"
    bed.proposer(None, preset="gemini").propose(bed.context())
    assert "\n.gemini\n" in seen.read_text()


@pytest.mark.parametrize(
    "report",
    [
        '{"type": "result", "result": 5, "usage": [1], "total_cost_usd": "much"}',
        '{"type": "result", "usage": {"input_tokens": -5, "output_tokens": true}}',
        '{"type": "result", "total_cost_usd": NaN, "usage": {"input_tokens": 1e3}}',
        '{"type": "result", "result": "cut',
        "[" * 100_000,
        '{"a":' * 20_000,
    ],
)
def test_an_unreadable_report_costs_only_itself(
    bed: Bed, install: Callable[[str, str], Path], report: str
) -> None:
    install("claude", report)
    bed.inherit["ANTHROPIC_API_KEY"] = "k"
    found = bed.proposer(None, preset="claude-code").propose(bed.context())
    assert contents(found) == {"value": b"9\n"}
    assert (found.tokens, found.cost_usd) == (0, 0.0)


FAILURES = {
    "claude, rate limit": (
        "claude-code",
        '{"type":"result","subtype":"success","is_error":true,"result":"API Error: Rate limit"}',
        "API Error: Rate limit",
    ),
    "claude, no words": (
        "claude-code",
        '{"type":"result","subtype":"error_during_execution","is_error":true,"errors":["oops"]}',
        "oops",
    ),
    "claude, login, no error": (
        "claude-code",
        '{"type":"result","is_error":false,"result":"Invalid API key \u00b7 Please run /login"}',
        "Please run /login",
    ),
    "claude, limit, no error": (
        "claude-code",
        '{"type":"result","result":"You have hit your limit \u00b7 resets 3am (UTC)"}',
        "hit your limit",
    ),
    "codex, turn failed": (
        "codex",
        '{"type":"thread.started"}\n{"type":"error","message":"Reconnecting... 1/5"}\n'
        '{"type":"turn.failed","error":{"message":"You\'ve hit your usage limit."}}',
        "You've hit your usage limit.",
    ),
    "codex, error alone": (
        "codex",
        '{"type":"error","message":"unexpected status 401 Unauthorized"}',
        "401 Unauthorized",
    ),
    "gemini": (
        "gemini",
        '{\n  "error": {\n    "type": "ApiError",\n    "message": "quota exceeded", "code": 429}}',
        "quota exceeded",
    ),
    "gemini, no report": ("gemini", "Please set an Auth method in settings.json", "Auth method"),
    "opencode": (
        "opencode",
        '{"type":"error","error":{"name":"ProviderAuthError","data":{"message":"no such key"}}}',
        "no such key",
    ),
    "opencode, a name only": (
        "opencode",
        '{"type":"error","error":{"name":"UnknownError"}}',
        "UnknownError",
    ),
    "aider": (
        "aider",
        "litellm.AuthenticationError: AnthropicException - bad key\nCheck your API key.",
        "litellm.AuthenticationError: AnthropicException - bad key",
    ),
}


@pytest.mark.parametrize("failure", FAILURES)
def test_an_agent_that_reports_an_error_has_failed_whatever_its_exit_code(
    bed: Bed, install: Callable[[str, str], Path], failure: str
) -> None:
    preset, report, words = FAILURES[failure]
    install(preset.removesuffix("-code"), report)
    (bed.path / "bin" / preset.removesuffix("-code")).write_text(
        f"#!/bin/sh\ncat {bed.path / 'bin/report'}\n"
    )
    bed.inherit |= dict.fromkeys(("ANTHROPIC_API_KEY", "OPENAI_API_KEY", "GEMINI_API_KEY"), "k")
    proposer = bed.proposer(None, preset=preset, model="anthropic/model")
    found = proposer.propose(bed.context())
    assert found.failed
    assert words in found.description
    assert words in proposer.propose(bed.context()).description
    with pytest.raises(ProposerError, match=r"reports an error .* 3 times in a row") as caught:
        proposer.propose(bed.context())
    assert words in str(caught.value).partition("\n")[0]


@pytest.mark.parametrize(
    ("preset", "report"),
    [
        ("claude-code", '{"type":"result","is_error":false,"result":"nothing left to improve"}'),
        (
            "codex",
            '{"type":"error","message":"Reconnecting... 1/5"}\n{"type":"turn.completed"}',
        ),
        (
            "aider",
            "litellm.RateLimitError: slow down\nRetrying in 1 s\nTokens: 2k sent, 1 received.",
        ),
    ],
)
def test_an_agent_that_got_through_and_changed_nothing_has_not_failed(
    bed: Bed, install: Callable[[str, str], Path], preset: str, report: str
) -> None:
    program = preset.removesuffix("-code")
    install(program, report)
    (bed.path / "bin" / program).write_text(f"#!/bin/sh\ncat {bed.path / 'bin/report'}\n")
    bed.inherit |= dict.fromkeys(("ANTHROPIC_API_KEY", "OPENAI_API_KEY"), "k")
    proposer = bed.proposer(None, preset=preset, model="anthropic/model")
    for _ in range(4):
        found = proposer.propose(bed.context())
        assert (found.failed, found.edits) == (False, ())


def test_what_an_agent_edited_before_an_error_counts(bed: Bed) -> None:
    found = bed.run("echo 9 > value; echo 'usage limit reached'")
    assert (contents(found), found.failed) == ({"value": b"9\n"}, False)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"preset": "claude-code"}, "ANTHROPIC_API_KEY, which is not set"),
        ({"preset": "gemini"}, "GEMINI_API_KEY or GOOGLE_API_KEY"),
        ({"preset": "aider", "model": "sonnet"}, "provider/model"),
        ({"preset": "opencode", "model": "open-router/x"}, "OPEN_ROUTER_API_KEY"),
        ({"preset": "codex", "env": {"OPENAI_API_KEY": "k"}}, "npm install -g @openai/codex"),
    ],
)
def test_what_a_preset_lacks_is_said_before_anything_runs(
    bed: Bed, settings: dict[str, Any], said: str
) -> None:
    with pytest.raises(ProposerError, match=said):
        bed.proposer(None, **settings)


def test_changes_are_never_read_from_the_users_checkout(bed: Bed) -> None:
    (bed.repository.root / "value").write_text("dirty\n")
    changes: Changes = bed.changes
    assert changes == {}
    assert contents(bed.run("cat value > src/seen")) == {"src/seen": b"10\n"}


def test_a_draft_from_which_a_file_vanishes_while_it_is_made_is_refused_and_made_anew(
    bed: Bed, tmp_path: Path
) -> None:
    """As by a process that an agent left behind."""
    box = tmp_path / "disturbed"
    victim = box / "tree" / "src" / "a.py"
    disturbed = [True]

    def read(version: FileVersion) -> bytes:
        if disturbed and victim.exists():
            victim.unlink()
            disturbed.clear()
        return bed.store.read(version)

    draft = DraftTree(
        box,
        Material(
            files=bed.files,
            incumbent=lambda: bed.changes,
            read=read,
            scope=bed.scope,
            ignored=bed.repository.ignored,
        ),
    )
    with pytest.raises(WorkspaceError, match=r"src/a\.py vanished"):
        draft.reset()
    assert not disturbed
    draft.reset()
    assert victim.read_text() == "one\ntwo\n"
    assert draft.collect().edits == ()
    draft.remove()
