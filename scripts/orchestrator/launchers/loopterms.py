"""What one start of the stateless loop is given, and what it answers."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.dataclasses import dataclass
from orchestrator.errors import ExitCode
from orchestrator.executors.outcome import Outcome
from orchestrator.launchers.course import RESUMED_BY_A_NEW_RUN
from orchestrator.model import Status, Task
from orchestrator.render.summary import money_text
from orchestrator.store.nextaction import Action
from orchestrator.store.state import State


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

    def left_usd(self, spent_usd: float, state: State, task: Task | None) -> float | None:
        """What one invocation may cost: the least that is left of these limits, of the plan, and for ``task``."""
        left = [] if self.budget_usd is None else [self.budget_usd - spent_usd]
        if state.budget_left_usd is not None:
            left.append(state.budget_left_usd)
        if task is not None and task.budget_usd is not None:
            left.append(task.budget_usd)
        return min(left, default=None)


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


def held_by(state: State, now: float) -> str:
    """What holds everything until a person has acted or the loop is started again; empty when nothing does."""
    pause = state.pause
    if pause is not None and pause.holds(now) and pause.kind in RESUMED_BY_A_NEW_RUN:
        return f"{pause.kind}: {pause.reason}"
    approvals = state.awaiting_approval()
    if approvals and not state.with_status(Status.PENDING, Status.RUNNING, Status.RETRYING):
        return f"waiting for approval: {', '.join(approvals)}"
    return ""
