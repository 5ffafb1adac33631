"""What tokens cost: the usage fields of an answer -> dollars, or "unknown". Prices are bundled."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from autoresearch_ci.config.proposers import Prices
from autoresearch_ci.experiment import Spent

_LISTS = {"bedrock": "aws", "vertex": "google"}
"""Whose price list applies, where it is not called as the provider is."""


def spent(
    usage: Mapping[str, Any],
    model: str,
    *,
    provider: str = "anthropic",
    price: Prices | None = None,
) -> Spent:
    """Tokens and dollars of one answer; `usage` has the field names of the Messages API."""
    dollars = _own(usage, price) if price else _bundled(usage, model, provider)
    return Spent(tokens=sum(_count(usage, name) for name in _FIELDS), cost_usd=dollars or 0.0)


def is_known(model: str, *, provider: str = "anthropic", price: Prices | None = None) -> bool:
    """Whether this model's tokens can be turned into dollars."""
    return price is not None or _bundled({"input_tokens": 1}, model, provider) is not None


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


def _bundled(usage: Mapping[str, Any], model: str, provider: str) -> float | None:
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
        return float(
            calc_price(counted, model, provider_id=_LISTS.get(provider, provider)).total_price
        )
    except LookupError:
        return None
