"""The plan as values: what was asked for, which tasks it takes and how each is to be run.

Pure data. Text from outside passes through ``spec`` first and is known to be right here.
All durations are seconds, all money is US dollars.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import TypeAlias

from orchestrator.dataclasses import dataclass, field

Json: TypeAlias = bool | int | float | str | list["Json"] | dict[str, "Json"] | None

DEFAULT_TIMEOUT_S = 30 * 60.0
DEFAULT_IDLE_TIMEOUT_S = 20 * 60.0
DEFAULT_LEASE_S = 60 * 60.0
DEFAULT_MAX_RETRIES = 2
DEFAULT_JOBS = 4
DEFAULT_SCALE = 0.01

TASK_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
AGENT_ID = re.compile(r"Agent-(0[1-9]|[1-9][0-9]+)")


class Status(StrEnum):
    """Where a task stands. The first three follow from others and are never recorded."""

    WAITING = "waiting"
    PENDING = "pending"
    BLOCKED = "blocked"
    RUNNING = "running"
    RETRYING = "retrying"
    COMPLETED = "completed"
    FAILED = "failed"
    SKIPPED = "skipped"


class RunState(StrEnum):
    """Where the whole run stands."""

    PLANNING = "planning"
    PLANNED = "planned"
    RUNNING = "running"
    PAUSED = "paused"
    BLOCKED = "blocked"
    FAILED = "failed"
    COMPLETED = "completed"


class Verdict(StrEnum):
    """Whether a success criterion of the plan was reached, as somebody judged it."""

    MET = "met"
    NOT_MET = "not met"
    NOT_JUDGED = "not judged"


class Priority(StrEnum):
    """P0 runs first. P3 is only given by hand, and is skipped when it fails."""

    P0 = "P0"
    P1 = "P1"
    P2 = "P2"
    P3 = "P3"


class DependencyType(StrEnum):
    """``data``: the result is handed over. ``sequential``: only the order counts."""

    DATA = "data"
    SEQUENTIAL = "sequential"


class OnFailure(StrEnum):
    """What follows when a task's attempts are used up."""

    RETRY = "retry"
    SKIP = "skip"
    FAIL_FAST = "fail-fast"
    FALLBACK = "fallback"
    SPLIT = "split"


class WritesPolicy(StrEnum):
    """What a change outside ``writes`` does: it is reported, or it fails the task."""

    REPORT = "report"
    FAIL = "fail"


class Executor(StrEnum):
    """What runs a task: the ``claude`` CLI, a rehearsal without a model, or another command."""

    CLAUDE = "claude"
    REHEARSE = "rehearse"
    COMMAND = "command"


@dataclass(frozen=True, slots=True)
class Dependency:
    """The task that must be complete first, and whether its result is handed over."""

    task: str
    type: DependencyType = DependencyType.DATA


@dataclass(frozen=True, slots=True)
class Estimate:
    """Expected duration in seconds, low to high; the upper end schedules."""

    low_s: float
    high_s: float


@dataclass(frozen=True, slots=True)
class Fallback:
    """The alternative that one more series of attempts uses; what is None stays as it was."""

    description: str | None = None
    model: str | None = None
    role: str | None = None


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """How a task behaves in a rehearsal; times are wall seconds and are not scaled."""

    duration_s: float | None = None
    fails: int = 0
    hangs: bool = False
    limits: int = 0
    limit_s: float = 1.0
    result: str | None = None


@dataclass(frozen=True, slots=True)
class Constraint:
    """A limit on the work; ``kind`` is time, resources, technical, scope or None."""

    text: str
    kind: str | None = None


@dataclass(frozen=True, slots=True)
class Objectives:
    """What the request is for and how one knows that it was reached."""

    primary: str = ""
    secondary: tuple[str, ...] = ()
    success_criteria: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RunSettings:
    """How to run the plan; None is "not said", and the command line overrides all."""

    jobs: int | None = None
    executor: Executor | None = None
    command: str | None = None
    scale: float | None = None
    quiet_hours: str | None = None
    hooks: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Task:
    """One atomic piece of work. None is "not given"; the properties give what then holds."""

    id: str
    name: str
    description: str
    deps: tuple[Dependency, ...] = ()
    resources: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    writes_policy: WritesPolicy = WritesPolicy.REPORT
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    success_criteria: tuple[str, ...] = ()
    verify: tuple[str, ...] = ()
    result_schema: Mapping[str, Json] | None = None
    agent: str | None = None
    role: str | None = None
    worker_type: str | None = None
    priority: Priority | None = None
    approval: bool = False
    estimate: Estimate | None = None
    estimate_tokens: int | None = None
    timeout_s: float | None = None
    idle_timeout_s: float | None = None
    max_retries: int = DEFAULT_MAX_RETRIES
    on_failure: OnFailure | None = None
    fallback: Fallback | None = None
    retry_safe: bool = True
    model: str | None = None
    allowed_tools: tuple[str, ...] = ()
    permission_mode: str | None = None
    max_turns: int | None = None
    budget_usd: float | None = None
    rehearse: Rehearsal = Rehearsal()
    parent: str | None = None

    @property
    def dep_ids(self) -> tuple[str, ...]:
        """The ids of the tasks that must be complete first."""
        return tuple(dependency.task for dependency in self.deps)

    @property
    def roles(self) -> tuple[str, ...]:
        """The names of the roles that may do it: its own, and that of its fallback."""
        other = self.fallback.role if self.fallback else None
        return tuple(name for name in (self.role, other) if name)

    @property
    def failure_strategy(self) -> OnFailure:
        """``on_failure`` as it holds: skip for P3 where the plan says nothing, else retry."""
        if self.on_failure is not None:
            return self.on_failure
        return OnFailure.SKIP if self.priority is Priority.P3 else OnFailure.RETRY


@dataclass(frozen=True, slots=True)
class Plan:
    """A whole plan: the request, what it is for, and the tasks in the order they were written."""

    title: str
    request: str = ""
    objectives: Objectives = Objectives()
    constraints: tuple[Constraint, ...] = ()
    implicit_requirements: tuple[str, ...] = ()
    budget_usd: float | None = None
    run: RunSettings = RunSettings()
    tasks: tuple[Task, ...] = ()
