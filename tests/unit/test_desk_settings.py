from __future__ import annotations

import pytest

from orchestrator.desk.settings import DeskSettings, read_settings
from orchestrator.model import Plan, Task
from orchestrator.plans.estimate import estimate
from orchestrator.plans.prices import Price


def test_an_empty_file_says_nothing() -> None:
    assert read_settings(b"").settings == DeskSettings(2, 8, None, {})


def test_every_key_is_read() -> None:
    text = "max_runs: 3\nmax_agents: 5\nbudget_usd: 2.5\nprices:\n  sonnet: {input: 1, output: 2}\n"
    reading = read_settings(text.encode())
    assert reading.problems == ()
    assert reading.settings == DeskSettings(3, 5, 2.5, {"sonnet": Price(1, 2)})


@pytest.mark.parametrize(
    ("text", "line", "message", "advice"),
    [
        ("- a", 1, "must be a mapping", "begin with"),
        ("max_runs: 2\nmax_run: 3", 2, 'there is no key "max_run"', "did you mean `max_runs`?"),
        ("budget: 3", 1, 'there is no key "budget"', "did you mean `budget_usd`?"),
        ("colour: red", 1, 'there is no key "colour"', "the keys are"),
        ("max_runs: many", 1, "`max_runs` must be a whole number", "write max_runs: 2"),
        ("max_runs: true", 1, "`max_runs` must be a whole number", "write max_runs: 2"),
        ("max_agents: 0", 1, "`max_agents` must be 1 to 1,000", "write max_agents: 8"),
        ("\nbudget_usd: -1", 2, "`budget_usd` must be 0 to", "write digits alone"),
        ("budget_usd: $5", 1, "`budget_usd` must be a number of US dollars", "write digits alone"),
        ("prices: 3", 1, "`prices` must be a mapping", "write `sonnet:"),
        ("prices:\n  opus: 3", 2, 'the price of "opus" must be a mapping', "write `sonnet:"),
        ("prices:\n  opus:\n    input: 1", 2, 'the price of "opus" has no `output`', "write `sonnet:"),
        ("prices:\n  opus:\n    input: 1\n    output: x", 4, "`prices.opus.output` must be a number", "write digits"),
        ("prices:\n  opus: {input: 1, output: 2, cached: 3}", 2, 'has no key "cached"', "input and output"),
        ("max_runs: [", 2, "", ""),
    ],
)
def test_what_is_wrong_is_named_with_its_line_and_advice(text: str, line: int, message: str, advice: str) -> None:
    (problem,) = read_settings(text.encode()).problems
    assert (problem.line or 0) >= 1 and (problem.line == line or not message)
    assert message in problem.message and advice in problem.advice


def test_all_problems_are_told_at_once_in_the_order_of_lines() -> None:
    problems = read_settings(b"max_agents: x\nfoo: 1\nmax_runs: 0\n").problems
    assert [problem.line for problem in problems] == [1, 2, 3]


def test_a_price_of_the_user_is_counted_and_a_model_without_one_is_named() -> None:
    plan = Plan("x", tasks=(Task("T-01", "x", "x", model="unheard-of-1", estimate_tokens=1_000_000),))
    assert any("unheard-of-1" in note for note in estimate(plan, 1).notes)
    prices = read_settings(b"prices:\n  unheard-of: {input: 1, output: 1}\n").settings.prices
    assert estimate(plan, 1, prices).cost_usd == (1.0, 1.0)
