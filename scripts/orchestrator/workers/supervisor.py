"""Watches the attempts of this process: timeouts, silence, heartbeats, attempts that the state has given up.

A failure with ``fail-fast`` ends every attempt of the run, each by the process that watches it.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque

from orchestrator import clock
from orchestrator.dataclasses import dataclass, replace
from orchestrator.errors import ExitCode, OrchestrateError
from orchestrator.events import EventType
from orchestrator.executors.execution import Cause
from orchestrator.executors.outcome import OutcomeKind
from orchestrator.model import DEFAULT_TIMEOUT_S, Status
from orchestrator.store.records import SLOWDOWN_S
from orchestrator.store.store import Store
from orchestrator.system import files
from orchestrator.system.processes import Worker
from orchestrator.workers import attempt as attempts
from orchestrator.workers.attempt import Attempt, Verdict
from orchestrator.workers.leftovers import end_leftovers
from orchestrator.workers.live import HEARTBEAT_S, Live, show_live

TICK_S = 0.1
SLOWED_AGAIN_S = SLOWDOWN_S / 2
"""How long a worker that goes on being refused says nothing more of it."""


@dataclass(frozen=True, slots=True)
class _Watched:
    """An attempt, how much it had written when it was last looked at, and when that last grew (monotonic seconds)."""

    attempt: Attempt
    size: int
    progressed: float


class Supervisor:
    """One thread for all attempts of a process; ``grace_s`` is how long a worker may take to end when asked to."""

    def __init__(self, store: Store, grace_s: float) -> None:
        self._store = store
        self._grace_s = grace_s
        self._watched: dict[str, _Watched] = {}
        self._ended: deque[Worker] = deque()
        self._closing: Cause | None = None
        self._mutex = threading.Lock()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="supervisor", daemon=True)

    def __enter__(self) -> Supervisor:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()
        self._end_leftovers()

    def begin(self, attempt: Attempt) -> None:
        """Start the worker of ``attempt``, whose start is on record, and watch it.

        An attempt that cannot be begun is recorded so; raises ``CannotGoOnError``, with the task put back, when no
        worker can be started at all, and answers with a failed one otherwise (``attempt.handle`` is None).
        """
        try:
            attempts.begin(attempt)
        except OrchestrateError as error:
            attempts.abandon(attempt, error)
            if error.code is ExitCode.CANNOT_GO_ON:
                raise
            return
        with self._mutex:
            self._watched[attempt.task] = _Watched(attempt, 0, time.monotonic())
            closing = self._closing
        if closing is not None:
            attempt.end(closing, self._grace_s)

    def settled(self, attempt: Attempt) -> Verdict:
        """Sleep until the worker of ``attempt`` has ended, and judge it.

        What a good one left running is ended within a tick, together with what others left.
        """
        worker = attempt.handle.worker if attempt.handle is not None else None
        try:
            verdict = attempts.settle(attempt)
        finally:
            with self._mutex:
                self._watched.pop(attempt.task, None)
        if worker is not None:
            if verdict.temp:
                self._ended.append(worker)
            else:
                end_leftovers([worker])  # before it is tried again
        return verdict

    def perform(self, attempt: Attempt) -> Status:
        """Run ``attempt``, whose start is on record, to its end; the status that follows."""
        self.begin(attempt)
        if attempt.handle is not None:
            try:
                verdict = self.settled(attempt)
                with self._store.change() as change:
                    attempts.record(change, [verdict])
            finally:
                attempts.close(attempt)
        return self._store.state.status(attempt.task)

    def end_all(self, cause: Cause) -> None:
        """End every attempt, those that are just beginning too; side by side, since each may take its grace."""
        with self._mutex:
            self._closing = cause
            under_way = [watched.attempt for watched in self._watched.values()]
        enders = [threading.Thread(target=attempt.end, args=(cause, self._grace_s)) for attempt in under_way]
        for ender in enders:
            ender.start()
        for ender in enders:
            ender.join()

    def _end_leftovers(self) -> None:
        end_leftovers([self._ended.popleft() for _ in range(len(self._ended))])

    def _watch(self) -> None:
        while not self._stopped.wait(TICK_S):
            self._end_leftovers()
            with self._mutex:
                under_way = list(self._watched.values())
            if not under_way:
                continue
            try:
                self._store.refresh()
                is_read = True
            except (OrchestrateError, OSError):
                is_read = False  # a disk that cannot be read now; time goes on all the same
            for watched in under_way:
                self._look(watched, time.monotonic(), is_read)

    def _look(self, before: _Watched, now: float, is_read: bool) -> None:
        attempt, progressed = before.attempt, before.progressed
        job, live = attempt.job, attempt.live
        if job is None or live is None or attempt.cause is not None:
            return
        attempt.least_free = min(attempt.least_free, files.free_bytes(job.output))
        size = _size(job.output) + _size(job.errors)
        has_grown = size != before.size
        if has_grown:
            progressed = now
        with self._mutex:
            if attempt.task not in self._watched:
                return
            self._watched[attempt.task] = _Watched(attempt, size, progressed)
            if now - attempt.shown_s >= HEARTBEAT_S:
                # Not at the very start: a task that takes no time would pay as much for being shown as for its work.
                self._show(attempt, live, now, now - progressed)
        cause = self._cause_to_end(attempt, now, progressed, is_read)
        refusal = attempt.execution.refusal(job) if has_grown and cause is None else None
        if refusal is not None and refusal.kind is OutcomeKind.LOGIN:
            cause = Cause.REFUSED
        elif refusal is not None and now - attempt.slowed_s >= SLOWED_AGAIN_S:
            attempt.slowed_s = now
            self._slow_down(attempt, refusal.reason)
        if cause is not None:
            attempt.cause = cause
            threading.Thread(target=attempt.end, args=(cause, self._grace_s), daemon=True).start()

    def _show(self, attempt: Attempt, live: Live, now: float, silent_s: float) -> None:
        """Say that the attempt is live; a disk that does not take it is no reason to stop watching."""
        where, clock_now = attempt.handle.host if attempt.handle else None, clock.now()
        attempt.live = replace(
            live, host=where or live.host, last_heartbeat=clock_now, last_progress=clock_now - silent_s
        )
        attempt.shown_s = now
        try:
            show_live(self._store.paths, attempt.live)
        except OrchestrateError:
            pass

    def _slow_down(self, attempt: Attempt, reason: str) -> None:
        """Note that the API asks to slow down while the worker itself tries again; it is no failure yet."""
        try:
            with self._store.change() as change:
                if attempt.is_current:
                    agent = change.state.agents[attempt.task]
                    change.record(
                        EventType.SLOWED_DOWN, attempt.task, attempt=attempt.number, agent=agent, reason=reason
                    )
        except OrchestrateError:
            pass  # it is recorded with the failure, if it becomes one

    def _cause_to_end(self, attempt: Attempt, now: float, progressed: float, is_read: bool) -> Cause | None:
        if attempt.job is None:
            return None
        task = attempt.job.task
        idle_s = attempt.execution.idle_timeout_s(task)
        if is_read and not attempt.is_current:
            return Cause.SUPERSEDED
        if is_read and self._store.state.stopped_by():
            return Cause.STOPPED
        if now - attempt.begun_s >= (task.timeout_s or DEFAULT_TIMEOUT_S):
            return Cause.TIMEOUT
        return Cause.IDLE_TIMEOUT if idle_s is not None and now - progressed >= idle_s else None


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return 0
