"""What an attempt of ``claude`` has cost at least whose result, with the CLI's own sum, never came."""

from __future__ import annotations

from orchestrator.executors.claude_events import Usage
from orchestrator.executors.stream import StreamReading
from orchestrator.plans.prices import DEFAULT_PRICES, Price, price_of

CACHE_READ_SHARE = 0.1
CACHE_WRITE_SHARE = 1.25
"""The price of a token that is read from the cache, or written there for five minutes, by that of one of input."""


def least_cost_usd(stream: StreamReading) -> float:
    """US dollars for the tokens that the messages of ``stream`` tell; models without a known price count nothing."""
    return sum(
        _usd(usage, price)
        for model, usage in stream.usage_by_model.items()
        if (price := price_of(model, DEFAULT_PRICES)) is not None
    )


def _usd(usage: Usage, price: Price) -> float:
    cached = CACHE_READ_SHARE * usage.cache_read_tokens + CACHE_WRITE_SHARE * usage.cache_write_tokens
    return ((usage.input_tokens + cached) * price.input_usd + usage.output_tokens * price.output_usd) / 1e6
