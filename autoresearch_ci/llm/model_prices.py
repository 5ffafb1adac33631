"""What tokens cost: the usage fields of an answer -> dollars, or "unknown".

The prices are those of the package genai-prices (pyproject.toml); `claude.price` overrules them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from autoresearch_ci.config.proposers import Claude, Prices
from autoresearch_ci.experiment import Spent

_LISTS = {"bedrock": "aws", "vertex": "google"}
"""Whose price list applies, where it is not called as the provider is."""


def spent(usage: Mapping[str, Any], claude: Claude) -> Spent:
    """Tokens and dollars of one answer; `usage` has the field names of the Messages API."""
    tokens = sum(_count(usage, name) for name in _FIELDS)
    return Spent(tokens=tokens, cost_usd=_dollars(usage, claude) or 0.0)


def is_known(claude: Claude) -> bool:
    """Whether this model's tokens can be turned into dollars."""
    return _dollars({"input_tokens": 1}, claude) is not None


def _dollars(usage: Mapping[str, Any], claude: Claude) -> float | None:
    return _own(usage, claude.price) if claude.price else _bundled(usage, claude)


_FIELDS = (
    "input_tokens",
    "cache_read_input_tokens",
    "cache_creation_input_tokens",
    "output_tokens",
)


def _count(usage: Mapping[str, Any], name: str) -> int:
    value = usage.get(name)
    return value if isinstance(value, int) and value > 0 else 0


def _own(usage: Mapping[str, Any], price: Prices) -> float:
    rates = (
        price.input,
        price.input if price.cache_read is None else price.cache_read,
        price.input if price.cache_write is None else price.cache_write,
        price.output,
    )
    counts = (_count(usage, name) for name in _FIELDS)
    return sum(count * rate for count, rate in zip(counts, rates, strict=True)) / 1e6


def _bundled(usage: Mapping[str, Any], claude: Claude) -> float | None:
    from genai_prices import Usage, calc_price

    fresh, read, written, output = (_count(usage, name) for name in _FIELDS)
    kinds = usage.get("cache_creation") or {}
    hour = _count(kinds, "ephemeral_1h_input_tokens") if isinstance(kinds, Mapping) else 0
    hour = min(hour, written)
    try:
        counted = Usage(
            input_tokens=fresh + read + written,
            cache_read_tokens=read,
            cache_write_tokens=written,
            cache_write_5m_tokens=written - hour,
            cache_write_1h_tokens=hour,
            output_tokens=output,
        )
        list_of = _LISTS.get(claude.provider, claude.provider)
        return float(calc_price(counted, claude.model, provider_id=list_of).total_price)
    except LookupError:
        return None
