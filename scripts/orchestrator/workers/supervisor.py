"""Watches the attempts of this process: timeouts, silence, heartbeats, and attempts that the state has given up."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

from orchestrator import clock
from orchestrator.executors.execution import Cause
from orchestrator.model import DEFAULT_TIMEOUT_S
from orchestrator.store import Store
from orchestrator.workers.attempt import Attempt
from orchestrator.workers.live import HEARTBEAT_S, beat

TICK_S = 0.2


class Supervisor:
    """One thread for all attempts of a process. ``tell`` gets a line when something has to be said."""

    def __init__(self, store: Store, grace_s: float, tell: Callable[[str], None]) -> None:
        self._store = store
        self._grace_s = grace_s
        self._tell = tell
        self._attempts: dict[str, tuple[Attempt, int, float]] = {}
        self._mutex = threading.Lock()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="supervisor", daemon=True)

    def __enter__(self) -> Supervisor:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()

    def add(self, attempt: Attempt) -> None:
        """Watch ``attempt``, which has begun."""
        with self._mutex:
            self._attempts[attempt.task] = (attempt, 0, clock.now())

    def remove(self, attempt: Attempt) -> None:
        """Watch ``attempt`` no more."""
        with self._mutex:
            self._attempts.pop(attempt.task, None)

    def end_all(self, cause: Cause) -> None:
        """End every attempt that is under way; side by side, since each may take its grace."""
        with self._mutex:
            attempts = [attempt for attempt, _, _ in self._attempts.values()]
        enders = [threading.Thread(target=attempt.end, args=(cause, self._grace_s)) for attempt in attempts]
        for ender in enders:
            ender.start()
        for ender in enders:
            ender.join()

    def _watch(self) -> None:
        while not self._stopped.wait(TICK_S):
            with self._mutex:
                watched = list(self._attempts.values())
            if watched:
                self._store.refresh()
            for attempt, size, progressed in watched:
                self._look(attempt, size, progressed, clock.now())

    def _look(self, attempt: Attempt, size: int, progressed: float, now: float) -> None:
        job, live = attempt.job, attempt.live
        if job is None or live is None or attempt.cause is not None:
            return
        grown = _size(job.output) + _size(job.errors)
        if grown != size:
            size, progressed = grown, now
        with self._mutex:
            if attempt.task not in self._attempts:
                return
            self._attempts[attempt.task] = (attempt, size, progressed)
        idle_s = attempt.execution.idle_timeout_s(job.task)
        limit_s = job.task.timeout_s or DEFAULT_TIMEOUT_S
        cause = None
        if not attempt.is_current:
            cause = Cause.SUPERSEDED
        elif now - attempt.begun >= limit_s:
            cause = Cause.TIMEOUT
        elif idle_s is not None and now - progressed >= idle_s:
            cause = Cause.IDLE_TIMEOUT
        if cause is not None:
            attempt.cause = cause
            threading.Thread(target=attempt.end, args=(cause, self._grace_s), daemon=True).start()
        elif now - live.last_heartbeat >= HEARTBEAT_S:
            attempt.live = beat(self._store.paths, live, now, progressed)


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return 0
