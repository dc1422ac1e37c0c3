"""What tasks will cost by the price of their models. What has no price is left out and said, never guessed.

Pure; the user's own prices come from ``desk.yaml``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from orchestrator.dataclasses import dataclass
from orchestrator.model import Executor, Plan, Task
from orchestrator.wording import listed


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars for a million input tokens and a million output tokens."""

    input_usd: float
    output_usd: float


DEFAULT_PRICES: Mapping[str, Price] = {
    "haiku": Price(1, 5),
    "3-5-haiku": Price(0.80, 4),
    "sonnet": Price(3, 15),
    "opus": Price(5, 25),
    "opus-4-0": Price(15, 75),
    "opus-4-1": Price(15, 75),
    "opus-4-2025": Price(15, 75),
    "fable": Price(10, 50),
    "mythos": Price(10, 50),
}
"""Prices by a part of the model's name, the longest part that fits; as in the table of the claude CLI 2.1.197."""

DEFAULT_MODEL = "sonnet"
"""The model that a task is counted with when neither it nor its role names one."""

UNKNOWN_TOKENS = 20_000
"""The most that a task without ``estimate_tokens`` is taken to need: the size above which ``validate`` warns."""

_OUTPUT_SHARE = (0.1, 0.4)
"""The share of a task's tokens that it writes: from a task that mostly reads to one that mostly writes. Assumed."""


@dataclass(frozen=True, slots=True)
class Cost:
    """US dollars, low and high, of the tasks that have a price; ``usd`` is None where none has one.

    ``unpriced`` are the models without a price, ``notes`` say what was left out and what was assumed.
    """

    usd: tuple[float, float] | None
    unpriced: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def cost(plan: Plan, tasks: Sequence[Task], prices: Mapping[str, Price], role_models: Mapping[str, str | None]) -> Cost:
    """The cost of ``tasks`` of ``plan``.

    ``prices`` are the user's own, which go before the bundled ones; ``role_models`` the models of roles by their folded
    names, for tasks that name none.
    """
    table = {**DEFAULT_PRICES, **prices}
    if not tasks:
        return Cost((0.0, 0.0))
    if plan.run.executor is Executor.COMMAND:
        return Cost(None, (), ("what the plan's `command` costs is not known here",))
    low = high = 0.0
    unpriced: dict[str, list[str]] = {}
    assumed = priced = 0
    for task in tasks:
        named = task.model or role_models.get((task.role or "").casefold())
        price = price_of(named or DEFAULT_MODEL, table)
        if price is None:
            unpriced.setdefault(named or DEFAULT_MODEL, []).append(task.id)
            continue
        priced += 1
        assumed += named is None
        low += _usd(price, task.estimate_tokens or 0, _OUTPUT_SHARE[0])
        high += _usd(price, UNKNOWN_TOKENS if task.estimate_tokens is None else task.estimate_tokens, _OUTPUT_SHARE[1])
    notes = [*_unpriced_notes(unpriced), *_assumption_notes(tasks, assumed)]
    if priced and plan.budget_usd is not None and high > plan.budget_usd:
        notes.append(f"the cost may reach the budget of ${plan.budget_usd:,.2f}, which ends the run")
    return Cost((low, high) if priced else None, tuple(unpriced), tuple(notes))


def price_of(model: str, prices: Mapping[str, Price]) -> Price | None:
    """The price under the longest name in ``prices`` that is a part of ``model``; None where there is none."""
    fitting = [part for part in prices if part.casefold() in model.casefold()]
    return prices[max(fitting, key=len)] if fitting else None


def _unpriced_notes(unpriced: Mapping[str, Sequence[str]]) -> Iterator[str]:
    for model, ids in unpriced.items():
        left_out = f"{listed(ids)} {'is' if len(ids) == 1 else 'are'} not in the cost"
        yield f"no price is known for the model {model}: {left_out}; add it under `prices` in desk.yaml"


def _assumption_notes(tasks: Iterable[Task], assumed: int) -> Iterator[str]:
    total = len(list(tasks))
    if assumed:
        yield f"{_of(assumed, total)} without a model: counted at the price of {DEFAULT_MODEL}"
    if unknown := sum(task.estimate_tokens is None for task in tasks):
        yield f"{_of(unknown, total)} without a token estimate: 0 to {UNKNOWN_TOKENS:,} tokens each in the cost"


def _of(some: int, total: int) -> str:
    return f"{some:,} of {total:,} task{'s' * (total != 1)}"


def _usd(price: Price, tokens: int, output_share: float) -> float:
    return tokens * (price.input_usd * (1 - output_share) + price.output_usd * output_share) / 1e6
