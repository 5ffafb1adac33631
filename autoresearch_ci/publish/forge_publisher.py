"""Publishes a run on a forge while it goes on: branch and notebook first, then the pull request.

A refusal is told and tried again at the next keep and at the end; it never stops or loses anything.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass, field, replace

from autoresearch_ci.config.schema import Publish
from autoresearch_ci.errors import WorkspaceError
from autoresearch_ci.events import Note, Observer, Warning
from autoresearch_ci.experiment import NOT_PUBLISHED, Published
from autoresearch_ci.publish.bundle import drop_copy, keep_copy, write
from autoresearch_ci.publish.forge.forge import Forge, PullRequest, PullRequestContent, PullState
from autoresearch_ci.publish.forge.forge_refusals import TRANSIENT, ForgeRefused, RefusalKind
from autoresearch_ci.publish.forge.git_remote import Moved, Remote, Update
from autoresearch_ci.publish.publisher import Publisher, RunRecord, StartPoint, illustrated_notebook
from autoresearch_ci.publish.resolve_start import StartResolver, forget_branch
from autoresearch_ci.publish.run_identity import RunIdentity
from autoresearch_ci.publish.start_rules import numbered
from autoresearch_ci.record import remote_notebooks
from autoresearch_ci.record.run_history import PushRecord
from autoresearch_ci.report.pull_request import PullRequestInfo, body, title
from autoresearch_ci.report.run_summary import RunInfo, hard_to_believe, run_summary
from autoresearch_ci.workspace.repository import Repository


@dataclass(eq=False, repr=False)
class ForgePublisher(Publisher):
    """To a forge."""

    forge: Forge
    remote: Remote
    repository: Repository
    publish: Publish
    run: RunIdentity
    observe: Observer
    _: KW_ONLY
    file: bool = True
    """Whether a bundle is left in the run folder as well, should a push be refused."""
    _start_point: StartPoint = field(default_factory=StartPoint)
    _record: RunRecord | None = None
    _describe: Callable[[], RunInfo] | None = None
    _pull: PullRequest | None = None
    _abandoned: tuple[str, PullRequest] | None = None
    """One whose branch was left to others, after the branch: told where it goes on, closed."""
    _held: list[PullRequest] = field(default_factory=list)
    """For the same goal, from other branches, and all of it is part of this run's."""
    _waiting: bool = False
    """Another one is open for the same goal, and that has been said."""
    _refused: Exception | None = None
    _bundle: str = ""
    """The file that was left last."""
    _with_notebook: bool = True
    _built_upon: str | None = None
    """The answer of `_holds_refused`, once it is known."""

    def __post_init__(self) -> None:
        self._resolver = StartResolver(
            self.forge, self.remote, self.repository, self.run, self.observe
        )
        self._final = self._hurry = self._blind = False

    def begin(self, tag: str) -> StartPoint:
        """Look at the remote, and decide. Raises `ForgeRefused` for what will not pass."""
        try:
            return self._resolver.resolve(tag)
        except ForgeRefused as error:
            if error.kind not in TRANSIENT:
                raise
            self.observe(Warning(message=f"starting without what earlier runs know: {error}"))
            forget_branch(self.repository, self.run.branch, tag)
            return StartPoint(
                branch=self.run.branch,
                notebook_ref=f"{remote_notebooks.NOTEBOOKS}{tag}",
                ruler=self.run.ruler,
                because="apart",  # from whatever the forge turns out to have
            )

    def follow(self, record: RunRecord, start: StartPoint, describe: Callable[[], RunInfo]) -> None:
        self._record, self._describe = record, describe
        self._start_point = self._checked(start)
        pushed = record.history.pushed
        self._blind = self._start_point.because == "apart" and not pushed
        if pushed and self._is_own(pushed.branch):
            # An earlier process may have gone aside.
            self._start_point = replace(
                self._start_point,
                branch=pushed.branch,
                replaces=pushed.replaces,
                because=pushed.because or self._start_point.because,
            )

    def _may_show(self, record: RunRecord) -> bool:
        """Whether anything was kept, and nothing of it is what a person has refused since."""
        return bool(record.history.kept) and not self._holds_refused(record)

    def _holds_refused(self, record: RunRecord) -> str:
        """The closed pull request whose changes this run builds upon; empty: none."""
        if self._built_upon is None:
            origin = self._describe().origin if self._describe else record.facts.base
            self._built_upon = next(
                (
                    change.pull_request
                    for change in self._start_point.rejected
                    if self.remote.is_ancestor(change.commit, record.incumbent)
                    and not self.remote.is_ancestor(change.commit, origin)
                ),
                "",
            )
            if self._built_upon:
                self.observe(
                    Warning(
                        message=f"a person closed {self._built_upon} while this run went on, and "
                        "it builds upon what that held: only the notebook is pushed"
                    )
                )
        return self._built_upon

    def _checked(self, start: StartPoint) -> StartPoint:
        """Records can come from a cache that others write to: they name no branch but ours."""
        record, notebook = self._record, start.notebook_ref
        own = record.facts.notebook_ref if record else ""
        if not self._is_own(start.branch):  # or `publish` was changed for the resumption
            start = StartPoint(branch=self.run.branch, tried=start.tried)
        if notebook not in numbered(own, 10_000):
            notebook = own
        return replace(start, notebook_ref=notebook)

    def _is_own(self, branch: str) -> bool:
        return branch in numbered(self.run.branch, 10_000)

    def kept(self) -> None:
        self._publish()

    def finish(self, *, hurry: bool) -> Published:
        self._hurry = hurry
        if hurry:
            self.forge.hurry()
            self.remote.waits, self.remote.stall = (), 3
        self._final = True
        self._publish()
        if self._record is None:
            return Published()
        any_kept = self._may_show(self._record)
        if not (any_kept or hurry):
            self._tell_unopened()
        pushed = _known(self._record).get(self._branch_ref) == self._record.incumbent
        there = pushed or self._start_point.there or self._branch_ref in _known(self._record)
        pull = self._pull or self._resolver.found
        refused = bool(self._refused and any_kept)
        return Published(
            branch=self._start_point.branch if any_kept and pushed else "",
            standing=self._start_point.branch if there else "",
            pull_request=pull.url if pull else "",
            compare=self._compare_link() if refused and pushed else "",
            file=self._bundle if refused else "",
            refused=str(self._refused) if refused else "",
            nothing="" if any_kept else self._why_nothing(self._record),
        )

    def _tell_unopened(self) -> None:
        """An earlier run's branch is there, and its pull request was refused or got lost."""
        branch = self._start_point.branch
        if not (self.forge.tells and self._start_point.base):
            return
        try:
            pulls = self.forge.pull_requests(branch)
        except ForgeRefused:
            return
        if not pulls:
            self.observe(
                Warning(
                    message=f"{branch} holds what earlier runs kept, and there is no pull request "
                    "from it.\n"
                    "usually: it was refused, or the network failed, when the branch was pushed.\n"
                    f"do: open it by hand: {self._compare_link()}"
                )
            )

    def _why_nothing(self, record: RunRecord) -> str:
        if record.history.kept and (url := self._holds_refused(record)):
            return f"what was kept builds upon {url}, which a person has closed"
        return "nothing was kept"

    def close(self) -> None:
        self.remote.close()

    def why_apart(self) -> str:
        """Why a run that has ended did not continue the branch of our open pull request."""
        branch, _ = self._resolver.passed_over or ("", None)
        tip = self.remote.fetch(f"refs/heads/{branch}") if branch else None
        conflicts = tip and self.remote.merge(tip, self.repository.head()) is None
        return "conflict" if conflicts else "apart"

    def resolve_finished(self, tag: str, head: str, notebook: str) -> StartPoint:
        """Where a finished run goes whose newest commits these are, of branch and notebook."""
        return self._resolver.resolve_finished(tag, head, notebook)

    def _publish(self) -> None:
        """Push, then the pull request. What is refused is told once and tried again next time."""
        if self._record is None or self._describe is None:
            return
        before, self._refused = self._refused, None
        try:
            notebook = illustrated_notebook(self._record, self._describe(), self._start_point)
            self._leave_file(self._record, notebook)
            if self._blind:
                self._look_again(self._record, notebook)
            self._push(self._record, notebook)
            drop_copy(self.repository, self._record.facts.tag, self._record.incumbent)
            if self._may_show(self._record):
                self._publish_pull_request(self._record, self._describe(), notebook)
        except (ForgeRefused, WorkspaceError) as error:
            self._refused = error
            # Once: what is refused at the end is what the run ends with, where it kept anything.
            told_at_the_end = self._final and not self._hurry and self._may_show(self._record)
            if str(before) != str(error) and not told_at_the_end:
                self.observe(Warning(message=f"{NOT_PUBLISHED}{error}"))

    def _look_again(self, record: RunRecord, notebook: str | None) -> None:
        """Where a run goes that began without a look at the forge, which has what it has."""
        tag = self._start_point.notebook_ref.removeprefix(remote_notebooks.NOTEBOOKS)
        start = self.resolve_finished(tag, record.incumbent, notebook or "")
        if start.because in ("moved", "conflict"):
            start = replace(start, because="apart")
        self._start_point = replace(self._checked(start), ruler=self._start_point.ruler)
        self._blind, self._built_upon = False, None

    def _leave_file(self, record: RunRecord, notebook: str | None) -> None:
        """Pushes can be refused and machines thrown away: a file can be carried elsewhere."""
        if not (self.file and notebook and self._describe and record.history.kept):
            return
        try:
            written = write(
                self.repository,
                record,
                self._describe(),
                self._start_point,
                branch=self.run.branch,
                notebook=notebook,
            )
            keep_copy(self.repository, record.facts.tag, written)
        except (OSError, WorkspaceError) as error:
            self.observe(Warning(message=f"no bundle could be written: {error}"))
        else:
            self._bundle = str(written)

    def _push(self, record: RunRecord, notebook: str | None) -> None:
        """Both refs or none. A branch that somebody moved is left to them."""
        for _ in range(20):
            updates = self._updates(record, notebook)
            if not updates:
                return
            try:
                self.remote.push(updates, self._push_options(record))
            except Moved as error:
                self._reconcile(record, error, notebook)
                continue
            except ForgeRefused as error:
                if error.kind is not RefusalKind.HIDDEN_REF or not self._with_notebook:
                    raise
                self._with_notebook = False
                self.observe(Warning(message=str(error)))
                continue
            self._remember_pushed(record, {update.ref: update.new for update in updates})
            return
        raise WorkspaceError(
            "the branch moves faster than it can be pushed to.\n"
            "usually: several runs publish to the same branch.\n"
            "do: give each a publish.branch of its own, or a concurrency group."
        )

    def _updates(self, record: RunRecord, notebook: str | None) -> list[Update]:
        wanted = []
        if self._may_show(record):
            wanted.append((self._branch_ref, record.incumbent, self._start_point.there))
        if notebook and self._with_notebook:
            wanted.append((self._start_point.notebook_ref, notebook, None))
        before = _known(record)
        updates = [Update(ref=r, new=n, old=before.get(r, old)) for r, n, old in wanted]
        return [update for update in updates if update.new != update.old]

    def _reconcile(self, record: RunRecord, error: Moved, notebook: str | None) -> None:
        """Learn what is there: our own earlier push whose record was lost, or somebody else's."""
        mine = {e.commit for e in record.history.kept}
        there = error.refs.get(self._branch_ref)
        book = error.refs.get(self._start_point.notebook_ref)
        seen: dict[str, str] = {}
        if there in mine and there:
            seen[self._branch_ref] = there
        if book and notebook and self.remote.is_ancestor(book, notebook):
            seen[self._start_point.notebook_ref] = book
        known = _known(record)
        if any(known.get(ref) != commit for ref, commit in seen.items()):
            self._remember_pushed(record, seen)
            return
        if book and self._start_point.notebook_ref not in seen:
            self._start_point = replace(
                self._start_point,
                notebook_ref=_after(record.facts.notebook_ref, self._start_point.notebook_ref),
            )
            return
        self.observe(Warning(message=str(error)))
        left = self._start_point.branch
        pull = None if self._abandoned else self._pull or self._newest(left)
        because = "moved" if there else "deleted"
        if there and not self._start_point.there and self._branch_ref not in _known(record):
            because = "apart"  # it was made after we looked: nothing of it is part of this run
        if pull:
            self._abandoned = left, pull
            because = _BECAUSE.get(pull.state, because)
        self._start_point = replace(
            self._start_point,
            branch=_after(self.run.branch, left),
            there=None,
            replaces=pull.url if pull else self._start_point.replaces,
            because=because if pull else self._start_point.because,
        )

    def _newest(self, branch: str) -> PullRequest | None:
        """The newest pull request from a branch; none where the forge does not tell."""
        try:
            return next(iter(self.forge.pull_requests(branch)), None)
        except ForgeRefused:
            return None

    def _remember_pushed(self, record: RunRecord, refs: dict[str, str]) -> None:
        record.pushed(
            PushRecord(
                branch=self._start_point.branch,
                replaces=self._start_point.replaces,
                because=self._start_point.because,
                refs={**_known(record), **refs},
            )
        )

    def _publish_pull_request(self, record: RunRecord, info: RunInfo, notebook: str | None) -> None:
        pulls = self.forge.pull_requests(self._start_point.branch)
        if pulls and pulls[0].state is PullState.CLOSED:
            self._pull = pulls[0]
            self.observe(Note(message=f"{pulls[0].url} was closed by a person and stays closed"))
            return
        if self._abandoned and (now := self._newest(self._abandoned[0])):
            # It may have been merged or closed while this run went on: then that is what is said.
            self._abandoned = self._abandoned[0], now
            if now.state in _BECAUSE:
                self._start_point = replace(self._start_point, because=_BECAUSE[now.state])
            if now.state is PullState.CLOSED and not pulls:
                self._pull = now
                self.observe(
                    Note(
                        message=f"{now.url} was closed by a person while this run went on, so "
                        f"nothing is opened; what was kept is on {self._start_point.branch}"
                    )
                )
                return
        if not (pulls and pulls[0].state is PullState.OPEN) and self._must_wait(record):
            return
        pull = self.forge.open_or_update(self._content(record, info, notebook))
        if pull is None:
            return
        if self._pull is None or self._pull.number != pull.number:
            self.observe(Note(message=f"pull request: {pull.url}"))
        self._pull = pull
        self._supersede(pull)

    def _must_wait(self, record: RunRecord) -> bool:
        """Whether one of ours is open for the same goal that this run does not take the place of.

        Two of them would change the same lines against the same base: only one can be merged.
        """
        self._held = []
        left = [one[1].number for one in (self._abandoned, self._resolver.passed_over) if one]
        for one in self.forge.open_for(self.run.goal, self._resolver.base_branch()):
            if one.number in left:
                continue
            tip = self.remote.fetch(f"refs/heads/{one.branch}")
            if not tip or not self.remote.is_ancestor(tip, record.incumbent):
                why = f"{one.url} is open for the same goal"
                self._say_waiting(one.branch, why, "merge or close it")
                return True
            self._held.append(one)
        return False

    def _must_wait_for_branch(self, record: RunRecord) -> bool:
        """The same as far as git tells: another branch for it holds what neither base nor run does.

        Asked before the push, as that opens it.
        """
        base = self.remote.fetch(f"refs/heads/{self._resolver.base_branch()}")
        known = (record.incumbent, self.repository.head(), *filter(None, [base]))
        for branch in self._resolver.others(record.facts.tag):
            tip = self.remote.fetch(f"refs/heads/{branch}")
            if tip and not any(self.remote.is_ancestor(tip, commit) for commit in known):
                self._say_waiting(
                    branch,
                    f"branch {branch} holds what another run kept for the same goal, and a merge "
                    "request from it may be open",
                    "merge it or delete the branch",
                )
                return True
        return False

    def _say_waiting(self, branch: str, why: str, cure: str) -> None:
        if self._waiting:
            return
        self._waiting = True
        self.observe(
            Warning(
                message=f"{why}, so no other is opened; what was kept is on "
                f"{self._start_point.branch}.\n"
                f"do: {cure}, then open this one by hand: {self._compare_link()}; to continue it "
                f"instead, run with --publish-branch {shlex.quote(branch)}"
            )
        )

    def _supersede(self, pull: PullRequest) -> None:
        """Close ours that this one took the place of; not one that holds what this one does not."""
        left = [one for one in (self._abandoned, self._resolver.passed_over) if one]
        self._abandoned = self._resolver.passed_over = None
        for one in self._held:
            text = f"Continued in {pull.url}, which holds all of its commits."
            self.forge.supersede(one, one.branch, text)
        self._held = []
        if self._start_point.because == "apart":
            return
        why = _WHY.get(self._start_point.because, "")
        for branch, other in left:
            if other.state is PullState.OPEN and other.ours and other.number != pull.number:
                self.forge.supersede(
                    other, branch, f"Continued in {pull.url}. {why}This branch is left as it is."
                )

    def _content(
        self, record: RunRecord, info: RunInfo, notebook: str | None
    ) -> PullRequestContent:
        start = self._start_point
        mine = {e.commit for e in record.history.kept}  # published before: the job was repeated
        earlier = [e for e in start.kept_rows if e.commit not in mine]
        info = replace(info, branch=start.branch, notebook_ref=start.notebook_ref)
        # What this run has guards or a holdout for, these have seen with the unmodified code.
        unvouched = [
            e
            for e in earlier
            if e.hard_to_believe and not (self.run.holdout or info.has_witness_for(e.doubt))
        ]
        more = PullRequestInfo(
            head=record.incumbent,
            chart=self.forge.file_link(notebook, remote_notebooks.CHART) if notebook else "",
            job=self.run.job,
            checks=self.forge.checks_link(start.branch),
            moved=self._moved(record, info) if self._final else "",
            holdout=self.run.holdout,
            earlier=earlier,
            unvouched=unvouched,
            replaces=start.replaces,
            because=start.because,
            rejected=[change.description for change in start.rejected],
            ignored=start.ignored,
            final=self._final,
        )
        experiments = tuple(record.experiments)
        held = info.confirmation is not None and info.confirmation.holds
        if info.repairs is not None:
            held = info.repairs.verdict == "green"
        doubted = hard_to_believe(run_summary(experiments), info, unvouched)
        held_back = doubted or (info.confirmation is not None and not held)
        publish = self.publish.model_copy(update={"draft": True}) if held_back else self.publish
        return PullRequestContent(
            branch=start.branch,
            base=self._resolver.base_branch(),
            title=title(experiments, info, unvouched),
            goal=self.run.goal,
            render=lambda room: body(experiments, info, more, room),
            publish=publish,
            ready=publish.ready and self._final and held and not doubted,
            held_back=held_back,
            # A repair was kept for what was seen of it, and no number waits to be measured again.
            confirmed=held or info.repairs is not None,
        )

    def _moved(self, record: RunRecord, info: RunInfo) -> str:
        """The newest commit of the branch to merge into, where what was measured lacks it."""
        ref = f"refs/heads/{self._resolver.base}"
        try:
            tip = self.remote.refs(ref).get(ref) if self._resolver.base else None
        except ForgeRefused:
            return ""
        if not tip or self.remote.is_ancestor(tip, record.incumbent):
            return ""
        return "" if self.remote.is_ancestor(tip, info.origin) else tip

    def _push_options(self, record: RunRecord) -> Sequence[str]:
        if not record.history.kept or self._describe is None:
            return ()
        try:
            if not self.forge.tells and self._must_wait_for_branch(record):
                return ()
            return self.forge.push_options(self._content(record, self._describe(), None))
        except ForgeRefused as error:
            if error.kind not in TRANSIENT:
                raise
            return ()  # push first, ask later

    def _compare_link(self) -> str:
        return self.forge.compare_link(self._resolver.base or "HEAD", self._start_point.branch)

    @property
    def _branch_ref(self) -> str:
        return f"refs/heads/{self._start_point.branch}"


_BECAUSE = {PullState.CLOSED: "closed", PullState.MERGED: "merged"}
_WHY = {
    "conflict": "This branch conflicts with the base; its changes were tried again there. ",
    "moved": "Somebody else pushed to this branch while the run was measured; that work is no "
    "part of it. ",
}


def _known(record: RunRecord) -> dict[str, str]:
    """What was published last: commits by ref."""
    return record.history.pushed.refs if record.history.pushed else {}


def _after(base: str, current: str) -> str:
    """The name that follows `current` among those made from `base`."""
    known = iter(numbered(base, 10_000))
    for name in known:
        if name == current:
            break
    return next(known, f"{current}-2")
