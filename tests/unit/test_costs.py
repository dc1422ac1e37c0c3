"""The cost of an attempt without a result: what its messages tell, by the price of their models."""

from __future__ import annotations

import json

import pytest

from orchestrator.executors.costs import least_cost_usd
from orchestrator.executors.stream import read_stream


def message(id: str, model: str, **usage: int) -> dict[str, object]:
    blocks = [{"type": "text", "text": "x"}]
    return {"type": "assistant", "message": {"id": id, "model": model, "content": blocks, "usage": usage}}


def cost(*messages: dict[str, object]) -> float:
    return least_cost_usd(read_stream(b"".join(json.dumps(each).encode() + b"\n" for each in messages)))


def test_input_output_and_cache_have_their_prices() -> None:
    million = 1_000_000
    assert cost(message("a", "claude-opus-4-8[1m]", input_tokens=million)) == pytest.approx(5)
    assert cost(message("a", "claude-sonnet-4-5", output_tokens=million)) == pytest.approx(15)
    assert cost(message("a", "claude-haiku-4-5", cache_read_input_tokens=million)) == pytest.approx(0.1)
    assert cost(message("a", "claude-haiku-4-5", cache_creation_input_tokens=million)) == pytest.approx(1.25)


def test_messages_are_summed_and_one_that_comes_in_parts_is_counted_once() -> None:
    parts = [message("a", "claude-sonnet-4-5", input_tokens=100_000)] * 2
    assert cost(*parts, message("b", "claude-haiku-4-5", input_tokens=100_000)) == pytest.approx(0.4)


def test_a_model_without_a_known_price_and_the_clis_own_messages_cost_nothing() -> None:
    assert cost(message("a", "other-model", input_tokens=5_000), message("b", "<synthetic>", input_tokens=9)) == 0
    assert cost() == 0
