"""Tokens -> dollars, or the admission that nobody knows."""

from __future__ import annotations

from typing import Literal

import pytest

from autoresearch_ci.config.proposers import Claude, Prices
from autoresearch_ci.llm.model_prices import is_known, spent

USAGE = {"input_tokens": 1000, "output_tokens": 50}


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("anthropic", "claude-opus-5-5"),
        ("bedrock", "anthropic.claude-opus-4-20250514-v1:0"),
        ("vertex", "claude-opus-4"),
    ],
)
def test_the_list_of_each_provider_is_known(
    provider: Literal["anthropic", "bedrock", "vertex"], model: str
) -> None:
    claude = Claude(provider=provider, model=model)
    assert is_known(claude)
    assert spent(USAGE, claude).cost_usd > 0


def test_an_unknown_price_is_told_unless_the_user_gives_one() -> None:
    own = Claude(model="local", price=Prices(input=1.0, output=2.0))
    assert not is_known(Claude(model="local"))
    assert is_known(own)
    assert spent(USAGE, own).cost_usd == pytest.approx((1000 + 2 * 50) / 1e6)
