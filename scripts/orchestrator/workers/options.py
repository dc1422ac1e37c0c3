"""How tasks are to be run, as the command line and the plan say it together."""

from __future__ import annotations

import shlex
from typing import TypeVar

from orchestrator.dataclasses import dataclass
from orchestrator.errors import UsageError
from orchestrator.executors.claude_argv import claude_program
from orchestrator.model import DEFAULT_JOBS, DEFAULT_SCALE, Executor, Plan

T = TypeVar("T")

DEFAULT_HEALTH_INTERVAL_S = 120.0
"""How often a run looks after the health of its workers."""


@dataclass(frozen=True, slots=True)
class RunOptions:
    """``jobs`` slots; ``command`` is split into words; ``scale`` shortens a rehearsal.

    ``is_waiting``: a usage limit or a pause is waited out, else it ends the run.
    """

    jobs: int = DEFAULT_JOBS
    executor: Executor = Executor.CLAUDE
    command: tuple[str, ...] = ()
    claude: str = "claude"
    scale: float = DEFAULT_SCALE
    by_stage: bool = False
    grace_s: float = 3.0
    is_command_given: bool = False
    is_waiting: bool = True
    health_interval_s: float = DEFAULT_HEALTH_INTERVAL_S

    @property
    def delay_scale(self) -> float:
        """What the delays before retries are multiplied by."""
        return self.scale if self.executor is Executor.REHEARSE else 1.0


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the command line says of how to run; None is not said, and then the plan decides, else the default."""

    jobs: int | None = None
    executor: str | None = None
    command: str | None = None
    claude: str | None = None
    scale: float | None = None
    by_stage: bool = False
    health_interval: str | None = None
    is_waiting: bool = True

    def options(self, plan: Plan) -> RunOptions:
        """These wishes completed by ``plan``. Raises ``UsageError``."""
        chosen = self.executor or (Executor.COMMAND if self.command else plan.run.executor) or Executor.CLAUDE
        if chosen not in list(Executor):
            raise UsageError(f"there is no executor {chosen!r}", "one of " + ", ".join(Executor))
        kind = Executor(chosen)
        jobs = _first(self.jobs, plan.run.jobs, DEFAULT_JOBS)
        if jobs < 1:
            raise UsageError(f"--jobs is {jobs}, expected at least 1", "`--jobs 4` runs four tasks at a time")
        scale = _first(self.scale, plan.run.scale, DEFAULT_SCALE)
        if not 0 <= scale < float("inf"):
            raise UsageError(f"--scale is {scale}, expected 0 or more", "`--scale 0.01` plays an hour in 36 seconds")
        text = self.command or plan.run.command or ""
        return RunOptions(
            jobs=jobs,
            executor=kind,
            command=_words(text) if kind is Executor.COMMAND else (),
            claude=claude_program(self.claude),
            scale=scale,
            by_stage=self.by_stage,
            is_command_given=bool(self.command),
            is_waiting=self.is_waiting,
            health_interval_s=_interval_s(self.health_interval),
        )


def _first(said: T | None, planned: T | None, default: T) -> T:
    return said if said is not None else planned if planned is not None else default


def _interval_s(text: str | None) -> float:
    """``text`` in seconds; the default where nothing was said."""
    if text is None:
        return DEFAULT_HEALTH_INTERVAL_S
    from orchestrator.durations import FORMS, seconds

    try:
        interval_s = seconds(text)
        if interval_s <= 0:
            raise ValueError("it must be longer than 0")
    except ValueError as error:
        raise UsageError(f"--health-interval: {error}", FORMS) from error
    return interval_s


def _words(text: str) -> tuple[str, ...]:
    """``text`` as a POSIX shell would split it; no shell runs it."""
    try:
        words = tuple(shlex.split(text))
    except ValueError as error:
        raise UsageError(f"--command cannot be split into words: {error}", "close the quotes") from error
    if not words:
        raise UsageError("the executor `command` needs a command", "`--command 'PROGRAM ARGUMENT'` or run.command")
    return words
