"""What one start of the stateless loop is given, and what it answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator.errors import ExitCode
from orchestrator.executors.outcome import Outcome
from orchestrator.store.nextaction import Action


@dataclass(frozen=True, slots=True)
class LoopLimits:
    """When to stop for now: invocations, minutes and US dollars of this start; ``interval_s`` lies between two."""

    interval_s: float = 0.0
    iterations: int | None = None
    minutes: float | None = None
    budget_usd: float | None = None
    waits: bool = True


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
