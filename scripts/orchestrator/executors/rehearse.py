"""A rehearsal: no model, no login, no cost. Plays fixed results, durations, failures, hangs and usage limits."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from datetime import UTC, datetime

from orchestrator.executors.execution import Cause, Job, WithoutSessions
from orchestrator.executors.outcome import Outcome, OutcomeKind
from orchestrator.model import Task
from orchestrator.system import files
from orchestrator.system.processes import Worker

UNIT_S = 60.0
"""What a task without an estimate takes, before scaling."""

_POLL_LIMIT_S = 3600.0
_HANG_S = 10**8


class RehearsalHandle:
    """A worker that is only a clock."""

    worker: Worker | None = None
    pid: int | None = None
    started: float | None = None
    group = 0
    host: str | None = None

    def __init__(self, seconds: float | None) -> None:
        self._until = None if seconds is None else time.monotonic() + seconds
        self._ended = threading.Event()

    def wait(self) -> int:
        """Sleep for as long as the task takes; one that hangs sleeps until it is ended."""
        while not self._ended.is_set():
            left = _POLL_LIMIT_S if self._until is None else self._until - time.monotonic()
            if left <= 0:
                return 0
            self._ended.wait(min(left, _POLL_LIMIT_S))
        return -15

    def end(self, grace_s: float) -> None:
        """Stop sleeping."""
        self._ended.set()


class RehearsalExecution(WithoutSessions):
    """Plays the plan; ``scale`` shortens the durations that come from estimates."""

    def __init__(self, scale: float, environment: Mapping[str, str]) -> None:
        self._scale = scale
        self.check_environment = environment

    is_rehearsal = True

    def prepare(self) -> None:
        """A rehearsal needs nothing."""

    def argv(self, job: Job) -> list[str]:
        """What takes as long elsewhere; the result is the one that `outcome` gives."""
        seconds = _HANG_S if job.task.rehearse.hangs else self._seconds(job.task)
        return ["sleep", f"{seconds:.3f}"]

    def start(self, job: Job) -> RehearsalHandle:
        """Begin to sleep."""
        files.write_whole(job.output, "", flush=False)
        return RehearsalHandle(None if job.task.rehearse.hangs else self._seconds(job.task))

    def _seconds(self, task: Task) -> float:
        if task.rehearse.duration_s is not None:
            return task.rehearse.duration_s
        return (task.estimate.high_s if task.estimate else UNIT_S) * self._scale

    def outcome(self, job: Job, exit_code: int, cause: Cause | None, now: float) -> Outcome:
        """What the plan's ``rehearse`` says of this attempt."""
        play = job.task.rehearse
        if cause is not None:
            return Outcome(is_settled=True, kind=OutcomeKind.FAILURE, reason=cause.words)
        if job.number <= play.limits:
            resets = datetime.fromtimestamp(now + play.limit_s, UTC)
            return Outcome(
                is_settled=True, kind=OutcomeKind.USAGE_LIMIT, reason="usage limit (rehearsed)", resets_at=resets
            )
        if job.number <= play.limits + play.fails:
            return Outcome(
                is_settled=True, kind=OutcomeKind.FAILURE, reason=f"failure {job.number - play.limits} (rehearsed)"
            )
        text = play.result if play.result is not None else _result(job.task)
        files.write_whole(job.output, text, flush=False)
        return Outcome(is_settled=True, kind=OutcomeKind.SUCCESS, text=text)

    def idle_timeout_s(self, task: Task) -> float | None:
        """Only when the plan says one: a rehearsal writes nothing until its end."""
        return task.idle_timeout_s


def _result(task: Task) -> str:
    """The result of a task that the plan gives none, saying what it is."""
    criteria = "".join(f"- {criterion}\n" for criterion in task.success_criteria)
    return f"# {' '.join(task.name.split())}\n\nRehearsed result of {task.id}: no model was asked.\n" + (
        f"\n## Success Criteria\n\n{criteria}" if criteria else ""
    )
