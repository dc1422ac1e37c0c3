"""What one start of the stateless loop is given, and what it answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator.errors import ExitCode
from orchestrator.executors.outcome import Outcome
from orchestrator.render.summary import money_text
from orchestrator.store.nextaction import Action


@dataclass(frozen=True, slots=True)
class LoopLimits:
    """When to stop for now: invocations, minutes and US dollars of this start; ``interval_s`` lies between two."""

    interval_s: float = 0.0
    iterations: int | None = None
    minutes: float | None = None
    budget_usd: float | None = None
    waits: bool = True

    def reached(self, iterations: int, minutes: float, spent_usd: float) -> str:
        """Which of them is reached by so much; empty for none."""
        if self.iterations is not None and iterations >= self.iterations:
            return f"{iterations} of {self.iterations} iterations are done"
        if self.minutes is not None and minutes >= self.minutes:
            return f"{self.minutes:g} minutes are over"
        if self.budget_usd is not None and spent_usd >= self.budget_usd:
            return f"budget used up: {money_text(spent_usd)} of {money_text(self.budget_usd)}"
        return ""


@dataclass(frozen=True, slots=True)
class Caller:
    """How ``claude`` is called: the program, the folder with ours, our commands, a model, tools besides the task's."""

    program: str
    folder: str
    commands: Sequence[str]
    model: str | None = None
    tools: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Ending:
    """Why the loop stops, and with which exit code."""

    code: ExitCode
    reason: str


@dataclass(frozen=True, slots=True)
class Iteration:
    """What one invocation was for, and what came of it."""

    number: int
    action: Action
    task: str | None
    outcome: Outcome
    acts: tuple[str, ...]
    changed: tuple[str, ...]
    duration_s: float
