"""What commands share towards whoever started them: what may be printed, and when to stop."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from autoresearch_ci.execution.command import Stop


def redacted(text: str, environment: Mapping[str, str], arguments: Iterable[str] = ()) -> str:
    """Without the secrets of the environment, and what looks like a token there or in
    `arguments`, of which the text may hold a part."""
    from autoresearch_ci.safety.redaction import Redactor
    from autoresearch_ci.safety.secret_values import secret_values
    from autoresearch_ci.safety.token_forms import tokens_in

    tokens = tokens_in("\n".join((text, *arguments)))
    return Redactor({*secret_values(environment), *tokens}).redact(text)


def columns(stream: TextIO) -> int | None:
    """Of the terminal that reads it; `None`: none does."""
    return shutil.get_terminal_size().columns if stream.isatty() else None


def obey_signals() -> Stop:
    """From here on SIGINT, SIGTERM and SIGHUP end the run cleanly; a second one changes nothing."""
    from autoresearch_ci.execution.command import Stop

    stop = Stop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: stop.request())
    return stop
