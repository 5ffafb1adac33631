"""Questions where nobody sits at a terminal: one comment on the issue or pull request that started
the job, answered by a comment of somebody who may write to the repository.

Nothing is kept between the two jobs. The second one comes to the same questions and looks for the
comment that asked exactly these about this goal: where the goal was edited meanwhile, or something
else is suggested now, nobody has agreed to it, and it is asked anew.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from autoresearch_ci.cli.action.github_event import read_trigger
from autoresearch_ci.cli.action.trigger import Permit, decide, mapping_at
from autoresearch_ci.cli.ci_job import read_payload
from autoresearch_ci.cli.init.questions import Asks
from autoresearch_ci.cli.terminal import redacted
from autoresearch_ci.config.schema import Publish
from autoresearch_ci.errors import ConfigError
from autoresearch_ci.events import Event, Note
from autoresearch_ci.publish.comment_commands import parse_answers
from autoresearch_ci.publish.forge.choose import make_forge
from autoresearch_ci.publish.forge.forge import Forge
from autoresearch_ci.safety.log_text import defuse
from autoresearch_ci.safety.markdown_text import block, inline
from autoresearch_ci.workspace.repository import Repository

T = TypeVar("T")
_WORDS = 2_000
"""Characters of what is suggested: who agrees must be able to read it to its end."""


class Waiting(Exception):
    """The job has nothing to do until somebody answers; says where, or why."""


@dataclass(frozen=True, kw_only=True)
class CommentQuestion:
    """One that is asked."""

    key: str
    words: str
    usual: str
    """What is taken when nobody says anything else; empty: there is nothing."""
    answers: tuple[str, ...] = ()
    """To choose from by number; empty: it takes words."""


@dataclass(kw_only=True)
class _Round:
    """What is asked, with the answers that are there."""

    said: Mapping[str, str] = field(default_factory=dict)
    seen: Sequence[CommentQuestion] = ()
    """What stood in the comment that was answered: the same is taken for what they left out."""
    asked: list[CommentQuestion] = field(default_factory=list)
    open: list[str] = field(default_factory=list)
    """Sentences on what is still to be said."""

    def choice(
        self, key: str, question: str, answers: Sequence[str], *, own: bool = False
    ) -> int | str:
        asked = CommentQuestion(key=key, words=question, usual="1", answers=tuple(answers))
        found = self._answer(asked)
        if found.isdigit() and 1 <= int(found) <= len(answers):
            return int(found) - 1
        if own and not found.isdigit():
            return found
        self.open.append(f"{key}: a number from 1 to {len(answers)}, not {found}")
        return 0

    def words(self, key: str, question: str, usual: str) -> str:
        return self._answer(CommentQuestion(key=key, words=question, usual=usual))

    def _answer(self, question: CommentQuestion) -> str:
        self.asked.append(question)
        found = self.said.get(question.key, "")
        if not found and (not question.usual or question not in self.seen):
            self.open.append(f"{question.key}: {question.words}")
        return found or question.usual

    def asks(self, key: str) -> bool:
        return any(question.key == key for question in self.asked)


@dataclass(kw_only=True)
class CommentQuestions:
    """On one issue or pull request."""

    forge: Forge
    number: int
    goal: str
    hide: Callable[[str], str]
    """Removes the secrets that we know."""
    mark: str = field(init=False)
    """Of the comment that holds the questions, or, where there are none, what came of it."""

    def __post_init__(self) -> None:
        self.mark = f"init:{_digest(self.goal, ())}"

    def settled(self, find: Callable[[Asks], T]) -> T:
        """Raises `Waiting` when something is to be answered that is not yet."""
        first = _Round()
        found = _tried(find, first)
        if not first.asked:
            return _there(found)
        self.mark = f"init:{_digest(self.goal, first.asked)}"
        replies = self.forge.replies(self.number, self.mark)
        answers = [a for reply in replies.said if (a := parse_answers(reply)) is not None]
        if not answers:
            self._ask(first, replies.ignored)
        said = {key: text for each in answers for key, text in each.items() if text}
        second = _Round(said=said, seen=first.asked)
        found = _tried(find, second)
        unknown = [
            f"{key or 'a line'}: {text} answers nothing"
            for key, text in answers[-1].items()  # what stood in an earlier one was told of then
            if text and not second.asks(key)
        ]
        if second.open or unknown:
            self._ask(second, [*second.open, *unknown, *replies.ignored])
        return _there(found)

    def tell(self, title: str, words: Sequence[str], text: str = "") -> None:
        """What came of it, in the same comment. `text`: lines as they are."""
        parts = [f"### {title}", *words, block(text, 30_000) if text else ""]
        self._say("\n\n".join(filter(None, parts)))

    def _say(self, text: str) -> str:
        return self.forge.sticky_comment(self.number, self.mark, self.hide(text))

    def _ask(self, round: _Round, remarks: Sequence[str]) -> None:
        long = [q.key for q in round.asked if max(map(len, (q.usual, *q.answers))) > _WORDS]
        if long:
            raise ConfigError(
                f"{long[0]}: what is suggested is too long to be agreed to in a comment.\n"
                "do: shorten it in the goal, or name it with a flag."
            )
        text = questions_markdown(self.goal, round.asked, remarks)
        raise Waiting(f"asked, and waiting for an answer: {self._say(text)}")


def _tried(find: Callable[[Asks], T], round: _Round) -> T | None:
    """`None`: nothing can be made of it before more is answered."""
    try:
        return find(round)
    except ConfigError:
        if not round.open:
            raise
        return None


def _there(found: T | None) -> T:
    assert found is not None  # nothing is open
    return found


def _digest(goal: str, asked: Sequence[CommentQuestion]) -> str:
    told = [goal, *([q.key, q.words, q.usual, *q.answers] for q in asked)]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:20]


def questions_markdown(
    goal: str, asked: Sequence[CommentQuestion], remarks: Sequence[str] = ()
) -> str:
    """The comment; whoever wrote the goal, and the repository, say nothing in it but words."""
    parts = ["### What autoresearch-ci wants to know", f"Goal: {inline(goal, _WORDS)}"]
    parts += ["\n".join(f"- {inline(remark, 300)}" for remark in remarks)] if remarks else []
    for question in asked:
        parts.append(f"**{question.key}**: {question.words}")
        if question.answers:
            numbered = enumerate(question.answers, start=1)
            parts.append("\n".join(f"{n}. {inline(text, _WORDS)}" for n, text in numbered))
        parts.append(f"Suggested: {inline(question.usual, _WORDS)}" if question.usual else "")
    example = [f"{question.key}: {question.usual}".rstrip() for question in asked]
    parts += [
        "Somebody who may write to this repository answers with a comment that begins with the "
        "line below. What is left out is taken as suggested; the first line alone takes all of it. "
        "A comment that was edited does not count.",
        block("\n".join(["/autoresearch answer", *example]), 4_000, language="text"),
    ]
    return "\n\n".join(filter(None, parts))


def comment_questions(
    environment: Mapping[str, str], repository: Repository, goal: str
) -> CommentQuestions | None:
    """Of the issue or pull request that started this job; `None`: there is none.

    Raises `ConfigError` where whoever caused it may not ask for anything, and `Waiting` where it is
    nothing that asks or answers.
    """
    hide = partial(redacted, environment=environment)
    if environment.get("GITLAB_CI") == "true":
        found = _on_gitlab(environment)
        if not found:
            print("nobody is asked here: what is detected is taken, unless flags say otherwise")
            return None
        return CommentQuestions(forge=found[0], number=found[1], goal=goal, hide=hide)
    if environment.get("GITHUB_ACTIONS") != "true" or not environment.get("GITHUB_EVENT_NAME"):
        return None
    payload = read_payload(environment)
    about = payload.get("issue") or payload.get("pull_request")
    number = about.get("number") if isinstance(about, Mapping) else None
    if not isinstance(number, int):
        return None
    forge = make_forge(Publish(mode="github"), repository, environment, _note)
    permission = decide(read_trigger(environment, forge.token()), "init")
    if permission.permit is not Permit.RUN:
        raise ConfigError(permission.reason)
    return CommentQuestions(forge=forge, number=number, goal=goal, hide=hide)


LABEL = "autoresearch"
"""Of what is asked about on GitLab, where every comment starts the job."""
_ABOUT = {"issue": "issues", "merge_request": "merge_requests"}


def is_hooked(environment: Mapping[str, str]) -> bool:
    """Whether a webhook started this job on GitLab, which anybody's comment does."""
    return environment.get("GITLAB_CI") == "true" and bool(environment.get("TRIGGER_PAYLOAD"))


def _on_gitlab(environment: Mapping[str, str]) -> tuple[Forge, int] | None:
    """Where to ask: where the webhook that started the pipeline comes from; `None`: from none."""
    if not is_hooked(environment):
        return None
    payload = read_payload(environment, "TRIGGER_PAYLOAD")
    event, kind = mapping_at(payload, "object_attributes"), payload.get("object_kind")
    noted = kind == "note"
    kind = next((name for name in _ABOUT if name in payload), "") if noted else str(kind)
    about = mapping_at(payload, kind) if noted else event
    labels = about.get("labels") or payload.get("labels") or ()
    changed = mapping_at(mapping_at(payload, "changes"), "labels")
    had = event.get("action") != "open" and not (changed and not _named(changed.get("previous")))
    asks = parse_answers(str(event.get("note"))) is not None if noted else not had
    if kind not in _ABOUT or not asks or not _named(labels):
        raise Waiting(f"nothing to do: no answer, and no new label {LABEL}")
    from autoresearch_ci.publish.forge.gitlab import GitLab

    forge = GitLab(environment.get("CI_PROJECT_PATH", ""), environment, about=_ABOUT[kind])
    actor = mapping_at(payload, "user")
    if not forge.may_write(int(actor.get("id", 0))):
        raise ConfigError(
            f"{actor.get('username') or 'whoever asked'} has no write permission here, or nobody "
            "can say: that takes GITLAB_TOKEN with the scope api.\n"
            "do: let somebody with the role Developer ask for it."
        )
    return forge, int(about["iid"])


def _named(labels: object) -> bool:
    return isinstance(labels, list) and LABEL in [label.get("title") for label in labels]


def _note(event: Event) -> None:
    if isinstance(event, Note):
        print(defuse(event.message))
