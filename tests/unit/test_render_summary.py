"""Amounts as people read them, and the one line for each agent that a run ends with."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.model import Status
from orchestrator.render.summary import agent_line, counted, money_text, tokens_text


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (agent_line("Agent-01", "T-01", Status.COMPLETED, 7), "[Agent-01] T-01 Completed 7s"),
        (agent_line("Agent-02", "T-02", Status.FAILED, 200, "timeout"), "[Agent-02] T-02 Failed 3m 20s: timeout"),
        (agent_line("Agent-03", "T-03", Status.BLOCKED), "[Agent-03] T-03 Blocked"),
        (agent_line("Agent-03", "T-03", Status.SKIPPED, None, "a\nb\x1b"), "[Agent-03] T-03 Skipped: a b"),
    ],
)
def test_an_agent_has_one_line(line: str, text: str) -> None:
    assert line == text


@pytest.mark.parametrize(
    ("usd", "text"),
    [
        (0, "$0.00"),
        (0.00001, "<$0.0001"),
        (0.00005, "$0.0001"),
        (0.0123, "$0.0123"),
        (0.1, "$0.10"),
        (0.123, "$0.1230"),
        (0.99999, "$1.00"),
        (12.345, "$12.35"),
        (1234.5, "$1,234.50"),
    ],
)
def test_money_has_cents_and_below_a_dollar_their_fractions(usd: float, text: str) -> None:
    assert money_text(usd) == text


@pytest.mark.parametrize(
    ("tokens", "text"),
    [
        (0, "0"), (999, "999"), (1_000, "1k"), (12_345, "12.3k"), (999_949, "999.9k"), (999_950, "1M"),
        (12_345_678, "12.3M"),
    ],
)  # fmt: skip
def test_tokens_are_short(tokens: int, text: str) -> None:
    assert tokens_text(tokens) == text


@given(st.integers(min_value=0, max_value=10**9 - 1))
def test_tokens_take_at_most_six_characters(tokens: int) -> None:
    assert len(tokens_text(tokens)) <= 6


def test_counts_agree_with_their_noun() -> None:
    assert [counted(n, "task") for n in (0, 1, 2, 1200)] == ["0 tasks", "1 task", "2 tasks", "1,200 tasks"]
    assert counted(2, "criterion", "criteria") == "2 criteria"
