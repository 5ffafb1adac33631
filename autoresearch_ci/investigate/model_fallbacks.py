"""Who is asked: a model at a service, and the next one when it refuses or gives nothing usable.

Each is asked anew, from the first word. One whose key, address or patience is used up is not asked
again. Money is never a reason to ask the next one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from autoresearch_ci.config.proposers import Claude
from autoresearch_ci.errors import ProposerError
from autoresearch_ci.llm.conversation import Declined, NoProposal, OutOfBudget, Recorder, Turn
from autoresearch_ci.llm.tools import Dialect
from autoresearch_ci.safety.prompt_text import line
from autoresearch_ci.safety.redaction import WITHHELD, Redactor

if TYPE_CHECKING:
    from autoresearch_ci.llm.messages_api import MessagesService

_T = TypeVar("_T")


@dataclass(frozen=True, kw_only=True)
class Provider:
    """One model at one service."""

    claude: Claude
    service: MessagesService
    redactor: Redactor

    @property
    def dialect(self) -> Dialect:
        return self.service.dialect

    def ask(self, request: Mapping[str, Any], record: Recorder, check: Callable[[], None]) -> Turn:
        """Raises `NoProposal` when the answer holds a secret: it would have to be sent back."""
        turn = self.service.ask(request, record, check)
        if self.redactor.found_in_any(turn.content):
            raise NoProposal(WITHHELD)
        return turn


@dataclass(eq=False, repr=False)
class Providers:
    """All that may be asked, in order; a service is opened when it is first needed."""

    claude: Claude
    _: KW_ONLY
    open: Callable[[Claude], MessagesService]
    """Raises `ProposerError` when a service cannot be used."""
    redactor: Redactor
    note: Callable[[str], None]
    _opened: dict[str, Provider] = field(default_factory=dict)
    _lost: dict[str, ProposerError] = field(default_factory=dict)

    def verify(self) -> None:
        """Raises the first one's `ProposerError` when none of them can be used."""
        for claude in self._order(""):
            if self._provider(claude) is not None:
                return
        raise self._lost[_key(self._order("")[0])]

    def ask_each(self, work: Callable[[Provider], _T], *, role: str = "") -> _T:
        """What the first of them brings. `role`: who has a model of its own is asked there first.

        Raises `NoProposal` with what each came to, `ProposerError` when none can be asked any more,
        and whatever else `work` raises.
        """
        failures: list[str] = []
        claudes = self._order(role)
        for claude in claudes:
            provider = self._provider(claude)
            if provider is None:
                continue
            try:
                return work(provider)
            except OutOfBudget:
                raise
            except ProposerError as error:
                self._strike_off(claude, error)
                continue
            except (NoProposal, Declined) as error:
                refused = isinstance(error, Declined)
                why = f"the model refused: {error}" if refused else str(error)
                failures.append(why if len(claudes) == 1 else f"{claude.model}: {why}")
                self.note(f"{claude.model}: {line(why, 160)}")
        if failures:
            raise NoProposal("; ".join(failures))
        raise self._lost[_key(claudes[0])]

    def _order(self, role: str) -> Sequence[Claude]:
        return list({_key(claude): claude for claude in self.claude.in_turn(role)}.values())

    def _provider(self, claude: Claude) -> Provider | None:
        key = _key(claude)
        if key in self._lost:
            return None
        if key not in self._opened:
            try:
                service = self.open(claude)
            except ProposerError as error:
                self._strike_off(claude, error)
                return None
            self._opened[key] = Provider(claude=claude, service=service, redactor=self.redactor)
        return self._opened[key]

    def _strike_off(self, claude: Claude, error: ProposerError) -> None:
        self._lost[_key(claude)] = error
        self.note(f"{claude.model} is not asked any more: {line(str(error), 200)}")


def _key(claude: Claude) -> str:
    """What tells settings apart."""
    return claude.model_dump_json()
