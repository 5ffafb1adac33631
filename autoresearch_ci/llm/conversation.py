"""A conversation: ask, carry out the tool calls, answer them, until there is a result.

Knows the Messages API's words but no SDK. Nothing is carried out of an answer that is not whole.
"""

from __future__ import annotations

import re
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from autoresearch_ci.experiment import Spent
from autoresearch_ci.llm.draft import Draft, DraftError, Size
from autoresearch_ci.llm.tools import (
    SUBMIT,
    Dialect,
    MoreTools,
    Submission,
    ToolResult,
    call,
    submission,
)
from autoresearch_ci.safety.prompt_text import line

SEVERAL_FILES = 4
SEVERAL_HUNKS = 8
"""A change with more hunks in more than one file looks like several changes."""
_JOINED = re.compile(r";|\b(and also|as well as|additionally|plus)\b|\(\d\)|\.\s+[A-Z]", re.I)

Recorder = Callable[[Mapping[str, Any]], None]
"""Is told the usage fields of every answer, also of one that broke off."""


@dataclass(frozen=True, kw_only=True)
class Turn:
    """One whole answer of the model."""

    content: list[dict[str, Any]]
    """Its blocks, verbatim."""
    stop_reason: str
    refusal: str = ""
    """The category, when `stop_reason` is `refusal`."""
    broken_calls: frozenset[str] = frozenset()
    """Ids of tool calls whose arguments were no JSON object."""


class Ask(Protocol):
    """Sends a request and returns the whole answer, or raises `ProposerError`."""

    def __call__(
        self, request: Mapping[str, Any], record: Recorder, check: Callable[[], None]
    ) -> Turn: ...


class NoProposal(Exception):
    """The conversation ended without a usable change; the reason is for the journal."""


class OutOfBudget(NoProposal):
    """It cost what it may cost: another model would cost as much."""


class Declined(Exception):
    """The model refused; `str(error)` is the category."""


@dataclass(frozen=True, kw_only=True)
class Caps:
    """When a conversation may not go on; checked before each request, and while one is answered."""

    turns: int
    tokens: float | None = None
    usd: float | None = None
    until: float | None = None
    """By the monotonic clock."""


_R = TypeVar("_R")


@dataclass(kw_only=True, eq=False, repr=False)
class Talk(ABC, Generic[_R]):
    """Asks, has the tool calls of each answer carried out, and asks again, until there is a result.

    What the tools do, and which of them ends it, a subclass says.
    """

    wanted = "proposal"
    """What a talk without a result did not bring, in words."""
    hurry = "Two turns are left: finish and submit."

    ask: Ask
    caps: Caps
    price: Callable[[Mapping[str, Any]], Spent]
    spent: Spent = field(default_factory=Spent)
    result: _R | None = None

    @abstractmethod
    def answered(self, name: str, arguments: object, failed: bool) -> ToolResult:
        """Carry out one call; `failed`: another one of this turn did."""

    @abstractmethod
    def nudged(self, words: str) -> str:
        """What to say to an answer without a call; empty: it gave a result. May raise."""

    def run(self, request: Mapping[str, Any]) -> _R:
        """Raises `NoProposal` or `Declined`; whatever happened, `spent` says what it cost."""
        messages: list[dict[str, Any]] = [*request["messages"]]
        for turn in range(self.caps.turns):
            self._check_caps()
            sent = {**request, "messages": messages}
            answer = self.ask(sent, self._record, self._check_caps)
            self._check_whole(answer)
            # The service refuses empty text blocks, also those that it wrote itself.
            content = [b for b in answer.content if b.get("type") != "text" or b.get("text")]
            if content:
                messages = [*messages, {"role": "assistant", "content": content}]
            if answer.stop_reason == "pause_turn":
                continue
            reply = self._reply(answer, self.caps.turns - turn - 1)
            if self.result is not None:
                return self.result
            messages = [*messages, {"role": "user", "content": reply}]
        raise NoProposal(f"no {self.wanted} within {self.caps.turns} turns")

    def _record(self, usage: Mapping[str, Any]) -> None:
        self.spent += self.price(usage)

    def _check_caps(self) -> None:
        tokens, usd = self.caps.tokens, self.caps.usd
        if tokens is not None and self.spent.tokens >= tokens:
            raise OutOfBudget(f"no {self.wanted} within {tokens:.0f} tokens")
        if usd is not None and self.spent.cost_usd >= usd:
            raise OutOfBudget(f"no {self.wanted} within ${usd:g}")
        if self.caps.until is not None and time.monotonic() >= self.caps.until:
            raise OutOfBudget(f"no {self.wanted} within the time that is left")

    def _check_whole(self, answer: Turn) -> None:
        if answer.stop_reason == "refusal":
            raise Declined(line(answer.refusal, 40) or "unspecified")
        if answer.stop_reason == "max_tokens":
            raise NoProposal("the answer was cut off at max_tokens")
        if answer.stop_reason == "model_context_window_exceeded":
            raise NoProposal("the conversation outgrew the model's context window")

    def _reply(self, answer: Turn, left: int) -> list[dict[str, Any]]:
        calls = [block for block in answer.content if block.get("type") == "tool_use"]
        if not calls:
            words = "\n".join(str(block.get("text", "")) for block in answer.content)
            return [{"type": "text", "text": text}] if (text := self.nudged(words)) else []
        results: list[dict[str, Any]] = []
        failed = False
        for block in calls:
            done = self._carry_out(block, answer.broken_calls, failed)
            failed = failed or done.failed
            result = {"type": "tool_result", "tool_use_id": block["id"], "content": done.text}
            results.append({**result, "is_error": True} if done.failed else result)
        if left == 2 and self.result is None:
            results.append({"type": "text", "text": self.hurry})
        return results

    def _carry_out(
        self, block: Mapping[str, Any], broken: frozenset[str], failed: bool
    ) -> ToolResult:
        if self.result is not None:
            return ToolResult(text="already submitted", failed=True)
        if block["id"] in broken:
            return ToolResult(text="the arguments were not a whole JSON object", failed=True)
        return self.answered(str(block.get("name")), block.get("input"), failed)


@dataclass(kw_only=True, eq=False, repr=False)
class Conversation(Talk[Submission]):
    """Drives one draft from the first request to `submit`."""

    draft: Draft
    dialect: Dialect
    focused: bool
    """Ask once for a split when the change looks like several."""
    more: MoreTools | None = None
    no_change: Callable[[str], str] = lambda words: ""
    """Of a model's words, those that say why nothing is to be changed; empty: they say no such
    thing, or it is no answer here."""
    _nudged: bool = False

    def answered(self, name: str, arguments: object, failed: bool) -> ToolResult:
        if self.more and self.more.handles(name):
            return self.more.call(name, arguments)
        if name != SUBMIT:
            return call(self.draft, self.dialect, name, arguments)
        if failed:
            text = "not submitted: another call of this turn failed; look at it first"
            return ToolResult(text=text, failed=True)
        return self._submit(arguments)

    def _submit(self, arguments: object) -> ToolResult:
        try:
            given = submission(arguments)
        except DraftError as error:
            return ToolResult(text=str(error), failed=True)
        size = self.draft.size()
        reason = self.no_change(given.description)
        if reason and not size.files:
            self.result = given.model_copy(update={"description": reason})
            return ToolResult(text="submitted")
        if reason:
            text = "not submitted: files are changed; `revert` them, or say what the change does"
            return ToolResult(text=text, failed=True)
        if not size.files:
            return ToolResult(text="not submitted: no file is changed yet", failed=True)
        why = looks_like_several(size, given.description) if self.focused else ""
        if why:
            self.focused = False
            text = (
                f"Not submitted yet: this looks like several changes ({why}). If it is, keep one, "
                "take back the rest (`revert`, or edit) and name the rest in `next`. If it is one "
                "change, submit again as it is."
            )
            return ToolResult(text=text, failed=True)
        self.result = given
        return ToolResult(text="submitted")

    def nudged(self, words: str) -> str:
        reason = self.no_change(words)
        if reason and not self.draft.changed():
            self.result = Submission(description=reason, hypothesis="")
            return ""
        if not self._nudged:
            self._nudged = True
            return "Make the change with the tools, then call `submit`. Nothing else is read."
        said = line(words, 200)
        if not self.draft.changed():
            raise NoProposal(f"the model ended without a change: {said}")
        # Small models edit well and forget to call `submit`; their words serve as description.
        self.result = Submission(description=said or "an unnamed change", hypothesis="")
        return ""


def looks_like_several(size: Size, description: str) -> str:
    """Why a change seems to have more than one purpose; empty when it does not."""
    reasons = []
    if size.files >= SEVERAL_FILES:
        reasons.append(f"{size.files} files")
    if size.hunks >= SEVERAL_HUNKS and size.files > 1:
        reasons.append(f"{size.hunks} hunks")
    if size.hunks > 1 and _JOINED.search(description.strip().rstrip(".")):
        reasons.append("the description names several things")
    return ", ".join(reasons)
