"""``run``: the whole plan in this process, as many tasks at a time as there are slots.

The main thread decides and records; each slot has a thread that sleeps while its worker runs. A task
starts the moment that its own dependencies are complete, not when a whole stage is.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from orchestrator import clock, moves
from orchestrator.errors import CannotGoOnError, ExitCode, OrchestrateError
from orchestrator.events import EventType
from orchestrator.executors.execution import Cause, Execution
from orchestrator.locks import FileLock, holder
from orchestrator.model import RunState, Status
from orchestrator.moves import Start
from orchestrator.schedule import Choice, Limits, choices, next_due
from orchestrator.store import Store
from orchestrator.workers import attempt as attempts
from orchestrator.workers import live
from orchestrator.workers.attempt import Attempt
from orchestrator.workers.hand_over import refresh_dependants
from orchestrator.workers.options import RunOptions
from orchestrator.workers.supervisor import Supervisor

LOOK_S = 0.5
"""How often a run looks at what other processes and people changed."""

RESUMED_BY_A_NEW_RUN = frozenset({"login", "money", "budget"})


class Reporter(Protocol):
    """Shows what a run does, as it does it."""

    def started(self, tasks: list[str]) -> None:
        """Attempts of ``tasks`` have begun."""
        ...

    def ended(self, task: str) -> None:
        """An attempt of ``task`` has ended; the state says how."""
        ...

    def looked(self) -> None:
        """Some time has passed."""
        ...


@dataclass
class Runner:
    """One run of the plan in ``store``. ``look`` takes over what people changed; ``show`` renders the table."""

    store: Store
    options: RunOptions
    execution: Execution
    reporter: Reporter
    look: Callable[[], None]
    show: Callable[[], None]
    tell: Callable[[str], None]
    interrupted: threading.Event = field(default_factory=threading.Event)
    _ended: queue.SimpleQueue[str] = field(default_factory=queue.SimpleQueue)
    _orders: queue.SimpleQueue[Attempt | None] = field(default_factory=queue.SimpleQueue)
    _under_way: set[str] = field(default_factory=set)
    _supervisor_record: list[object] = field(default_factory=live.supervisor_record)

    def run(self) -> ExitCode:
        """Run until nothing is left or nothing can go on; the answer says which."""
        threads = [threading.Thread(target=self._work, name=f"slot {n}", daemon=True) for n in range(self.options.jobs)]
        with Supervisor(self.store, self.options.grace_s, self.tell) as supervisor:
            self._supervisor = supervisor
            for thread in threads:
                thread.start()
            try:
                self._resume()
                self._loop()
            finally:
                if self._under_way:
                    supervisor.end_all(Cause.INTERRUPTED if self.interrupted.is_set() else Cause.STOPPED)
                for _ in threads:
                    self._orders.put(None)
                for thread in threads:
                    thread.join()
                self.show()
        return ExitCode.INTERRUPTED if self.interrupted.is_set() else self._exit_code()

    # -- the main thread -------------------------------------------------------------------------

    def _resume(self) -> None:
        pause = self.store.state.pause
        if pause is not None and (pause.kind in RESUMED_BY_A_NEW_RUN or not pause.holds(clock.now())):
            with self.store.change() as change:
                change.record(EventType.RESUMED, kind=pause.kind, reason="a new run was started")

    def _loop(self) -> None:
        looked = time.monotonic()
        while not self.interrupted.is_set():
            self._end_pause()
            self._start()
            if not self._under_way and self._is_over():
                return
            ended = self._wait()
            if ended and self.store.state.stopped_by():
                self._supervisor.end_all(Cause.STOPPED)
            if time.monotonic() - looked >= LOOK_S:
                looked = time.monotonic()
                self.look()
                self.reporter.looked()

    def _end_pause(self) -> None:
        pause = self.store.state.pause
        if pause is not None and not pause.holds(clock.now()):
            with self.store.change() as change:
                if change.state.pause is not None and not change.state.pause.holds(change.now):
                    change.record(EventType.RESUMED, kind=pause.kind, reason=f"{pause.kind}: its time is over")

    def _start(self) -> None:
        limits = Limits(self.options.jobs, self.options.by_stage)
        if not choices(self.store.state, clock.now(), limits):
            return
        with self.store.change() as change:
            chosen = choices(change.state, change.now, limits)
            numbers = {choice.task: self._start_one(change, choice) for choice in chosen}
        for task, (number, before) in numbers.items():
            self._under_way.add(task)
            self._orders.put(
                Attempt(self.store, self.execution, task, number, self.options.delay_scale, failed_before=before)
            )
        if numbers:
            self.reporter.started(list(numbers))

    def _start_one(self, change: moves.Change, choice: Choice) -> tuple[int, str]:
        record = change.state.records[choice.task]
        before = record.reason if record.failures or record.kind == "check" else ""
        resumable = record.session_id if self.execution.can_resume(record.session_id) else None
        how = Start(
            by="run",
            executor=str(self.options.executor),
            session_id=resumable or self.execution.new_session_id(),
            supervisor=self._supervisor_record,  # type: ignore[arg-type]
            reserved_usd=choice.reserve_usd or 0.0,
        )
        return moves.start(change, [choice.task], how)[choice.task], before

    def _wait(self) -> list[str]:
        """Sleep until an attempt ends or there is reason to look; the tasks whose attempts ended."""
        ended: list[str] = []
        try:
            ended.append(self._ended.get(timeout=self._sleep_s()))
            while True:
                ended.append(self._ended.get_nowait())
        except queue.Empty:
            pass
        for task in ended:
            self._under_way.discard(task)
            self.reporter.ended(task)
        done = [task for task in ended if self.store.state.status(task) in (Status.COMPLETED, Status.SKIPPED)]
        if done:
            refresh_dependants(self.store.paths, self.store.state, done)
        self.show() if not self._under_way else self.look_soon()
        return ended

    def look_soon(self) -> None:
        """Nothing more than the table, now and then; a place for launchers that show more."""

    def _sleep_s(self) -> float:
        now = clock.now()
        due = next_due(self.store.state)
        pause = self.store.state.pause
        times = [at - now for at in (due, pause.until if pause else None) if at is not None and at > now]
        return max(0.0, min([LOOK_S, *times]))

    def _is_over(self) -> bool:
        """Whether nothing is left that this run could wait for."""
        self.store.refresh()
        state, now = self.store.state, clock.now()
        if state.stopped_by():
            return True
        if state.count(Status.RUNNING) or state.count(Status.RETRYING):
            return False
        if not state.count(Status.PENDING):
            return True
        if state.is_paused(now) and state.pause is not None:
            return state.pause.kind in RESUMED_BY_A_NEW_RUN
        if choices(state, now, Limits(self.options.jobs, self.options.by_stage)):
            return False
        if self.options.by_stage and state.awaiting_approval():
            return True
        return self._pause_for_money()

    def _pause_for_money(self) -> bool:
        budget = self.store.state.plan.budget_usd
        if budget is None:
            return False
        with self.store.change() as change:
            spent = change.state.spent_usd
            change.record(
                EventType.PAUSED,
                kind="budget",
                reason=f"budget used up: ${spent:.4f} of ${budget:.4f} spent, no open task fits in what is left",
            )
        return True

    def _exit_code(self) -> ExitCode:
        state, now = self.store.state, clock.now()
        outcome = state.run_state(now)
        if outcome is RunState.COMPLETED:
            return ExitCode.DONE
        if outcome is RunState.PAUSED:
            return ExitCode.STOPPED
        return ExitCode.PROBLEMS if outcome in (RunState.BLOCKED, RunState.FAILED) else ExitCode.STOPPED

    # -- the threads of the slots ----------------------------------------------------------------

    def _work(self) -> None:
        while (attempt := self._orders.get()) is not None:
            try:
                perform(attempt, self._supervisor, self.interrupted)
            except OrchestrateError as error:
                self.tell(f"{attempt.task}: {error.message}")
                self.interrupted.set()
            finally:
                self._ended.put(attempt.task)


def perform(attempt: Attempt, supervisor: Supervisor, interrupted: threading.Event) -> Status | None:
    """Run ``attempt``, whose start is on record, to its end."""
    try:
        attempts.begin(attempt)
    except OrchestrateError as error:
        attempts.abandon(attempt, error)
        if error.code is ExitCode.CANNOT_GO_ON:
            raise
        return attempt.store.state.records[attempt.task].status
    supervisor.add(attempt)
    if interrupted.is_set():
        attempt.end(Cause.INTERRUPTED, 0.5)
    try:
        return attempts.finish(attempt)
    finally:
        supervisor.remove(attempt)


def hold_run_lock(store: Store) -> FileLock:
    """The lock that the one active ``run`` or ``feed`` holds; refuses, naming the other, when there is one."""
    lock = FileLock(store.paths.run_lock)
    if lock.try_acquire():
        return lock
    other = holder(store.paths.run_lock)
    raise CannotGoOnError(
        "another run is active on this plan" + (f": {other.text()}" if other else ""),
        "wait for it, watch it with `orchestrate status`, or end it with Ctrl-C where it runs",
    )
