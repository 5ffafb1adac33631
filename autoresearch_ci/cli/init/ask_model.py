"""Asks a model how a goal is measured; what it answers is tried by whoever asks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import Any

from autoresearch_ci.config.proposers import Claude
from autoresearch_ci.config.resolve import Setting
from autoresearch_ci.errors import ProposerError
from autoresearch_ci.llm.messages_api import MessagesService
from autoresearch_ci.plan.config_draft import ConfigDraft
from autoresearch_ci.plan.model_request import UnusableAnswer, draft_in, request
from autoresearch_ci.plan.stack import Stack
from autoresearch_ci.safety.redaction import Redactor
from autoresearch_ci.safety.secret_values import secret_values

_TRIES = 2
"""Answers that a plan may take: a model now and then forgets the tool."""


def asked_plan(
    goal: str,
    stack: Stack,
    files: Sequence[str],
    typed: Sequence[Setting],
    environment: Mapping[str, str],
    complaint: str = "",
) -> ConfigDraft:
    """One plan. `typed`: what the command line says about Claude. Raises `ProposerError`."""
    claude = Claude.model_validate(_section(typed))
    service = MessagesService(
        claude,
        environment,
        redactor=Redactor(secret_values(environment)),
        check=lambda: None,
        note=lambda message: None,
    )
    why = ""
    with closing(service):
        for _ in range(_TRIES):
            asked = request(claude.model, goal, stack, files, complaint)
            try:
                return draft_in(service.ask(asked, lambda usage: None), goal)
            except UnusableAnswer as error:
                why = str(error)
    raise ProposerError(f"{why}.\ndo: --metric CMD --metric-name NAME says it without a model.")


def _section(typed: Sequence[Setting]) -> dict[str, Any]:
    """The section `claude` of what was typed."""
    section: dict[str, Any] = {}
    for setting in typed:
        if setting.at[0] == "claude" and len(setting.at) == 2:
            section[str(setting.at[1])] = setting.value
    return section
