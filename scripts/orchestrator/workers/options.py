"""How tasks are to be run, as the command line and the plan say it together."""

from __future__ import annotations

import os
import shlex
from dataclasses import dataclass

from orchestrator.errors import UsageError
from orchestrator.model import DEFAULT_JOBS, DEFAULT_SCALE, Executor, Plan


@dataclass(frozen=True, slots=True)
class RunOptions:
    """``jobs`` slots; ``command`` is split into words; ``scale`` shortens a rehearsal."""

    jobs: int = DEFAULT_JOBS
    executor: Executor = Executor.CLAUDE
    command: tuple[str, ...] = ()
    claude: str = "claude"
    scale: float = DEFAULT_SCALE
    by_stage: bool = False
    grace_s: float = 3.0
    is_command_given: bool = False

    @property
    def delay_scale(self) -> float:
        """What the delays before retries are multiplied by."""
        return self.scale if self.executor is Executor.REHEARSE else 1.0


def run_options(
    plan: Plan,
    *,
    jobs: int | None = None,
    executor: str | None = None,
    command: str | None = None,
    claude: str | None = None,
    scale: float | None = None,
    by_stage: bool = False,
) -> RunOptions:
    """What the command line says, else what the plan says, else the defaults. Raises ``UsageError``."""
    chosen = executor or (Executor.COMMAND if command else plan.run.executor) or Executor.CLAUDE
    if chosen not in list(Executor):
        raise UsageError(f"there is no executor {chosen!r}", "one of " + ", ".join(Executor))
    kind = Executor(chosen)
    count = jobs if jobs is not None else plan.run.jobs if plan.run.jobs is not None else DEFAULT_JOBS
    if count < 1:
        raise UsageError(f"--jobs is {count}, expected at least 1", "`--jobs 4` runs four tasks at a time")
    factor = scale if scale is not None else plan.run.scale if plan.run.scale is not None else DEFAULT_SCALE
    if not 0 <= factor < float("inf"):
        raise UsageError(f"--scale is {factor}, expected 0 or more", "`--scale 0.01` plays an hour in 36 seconds")
    text = command or plan.run.command or ""
    return RunOptions(
        jobs=count,
        executor=kind,
        command=_words(text) if kind is Executor.COMMAND else (),
        claude=claude or os.environ.get("ORCHESTRATE_CLAUDE") or "claude",
        scale=factor,
        by_stage=by_stage,
        is_command_given=bool(command),
    )


def _words(text: str) -> tuple[str, ...]:
    """``text`` as a POSIX shell would split it; no shell runs it."""
    try:
        words = tuple(shlex.split(text))
    except ValueError as error:
        raise UsageError(f"--command cannot be split into words: {error}", "close the quotes") from error
    if not words:
        raise UsageError("the executor `command` needs a command", "`--command 'PROGRAM ARGUMENT'` or run.command")
    return words
