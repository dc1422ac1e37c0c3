"""``run``: the whole plan in this process, as many tasks at a time as there are slots.

The main thread decides, starts and records: what has ended and what begins go into one change, with one flush. Each
slot has a thread that sleeps while its worker runs and then judges it. A task starts the moment that its own
dependencies are complete, not when a whole stage is.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Sequence

from orchestrator.dataclasses import dataclass, field
from orchestrator.errors import CannotGoOnError, ExitCode, OrchestrateError
from orchestrator.executors.execution import Cause, Execution
from orchestrator.launchers.course import LOOK_S, Course, Reporter, View
from orchestrator.store.schedule import Choice
from orchestrator.store.state import DONE
from orchestrator.store.store import Store
from orchestrator.workers import attempt as attempts
from orchestrator.workers.attempt import Attempt, Verdict, open_attempts
from orchestrator.workers.hand_over import refresh_dependants
from orchestrator.workers.health import HealthWatch
from orchestrator.workers.options import RunOptions
from orchestrator.workers.recovery import end_strays, recover_and_tell
from orchestrator.workers.supervisor import Supervisor


@dataclass(frozen=True, slots=True)
class _Trouble:
    """An attempt whose end could not be judged."""

    attempt: Attempt
    error: OrchestrateError


@dataclass
class Runner:
    """One run of the plan in ``store``.

    ``slots`` says how many workers there is room for now, where that is not ``options.jobs``: with several machines
    one may be lost. ``by`` is the command that the journal names.
    """

    store: Store
    options: RunOptions
    execution: Execution
    reporter: Reporter
    view: View
    slots: Callable[[], int] | None = None
    by: str = "run"
    interrupted: threading.Event = field(default_factory=threading.Event)
    _ended: queue.SimpleQueue[Verdict | _Trouble] = field(default_factory=queue.SimpleQueue)
    _orders: queue.SimpleQueue[Attempt | None] = field(default_factory=queue.SimpleQueue)
    _under_way: set[str] = field(default_factory=set)
    _trouble: list[OrchestrateError] = field(default_factory=list)
    _is_ending: bool = False

    def run(self) -> ExitCode:
        """Run until nothing is left or nothing can go on; the answer says which."""
        options = self.options
        self._course = Course(
            self.store, self.slots or (lambda: options.jobs), by_stage=options.by_stage, is_waiting=options.is_waiting
        )
        threads = [threading.Thread(target=self._work, name=f"slot {n}", daemon=True) for n in range(self.options.jobs)]
        end_strays(self.store)
        with Supervisor(self.store, self.options.grace_s) as supervisor:
            self._supervisor = supervisor
            for thread in threads:
                thread.start()
            try:
                self._course.resume()
                self._loop()
            finally:
                self._end()
                for _ in threads:
                    self._orders.put(None)
                for thread in threads:
                    thread.join()
                self.view.end()
                self.view.show()
        if self._trouble:
            self.store.refuse_removed()  # the cause of whatever else could not be done
            raise self._trouble[0]
        return ExitCode.INTERRUPTED if self.interrupted.is_set() else self._course.exit_code()

    # -- the main thread -------------------------------------------------------------------------

    def _loop(self) -> None:
        looked = time.monotonic()
        watch = HealthWatch(self.store, self.options.health_interval_s, self.view.tell)
        ended: list[Verdict] = []
        while not (self.interrupted.is_set() or self._trouble):
            self._course.see_to_pauses()
            self._turn(ended)
            self.view.show(soon=True)
            if not self._under_way:
                is_at_work = self.view.is_at_work()  # before the look at what it has done
                self.store.refresh()
                if not is_at_work and self._course.is_over_after(self.view.look_at_last):
                    return
                if not self._course.slots():
                    raise CannotGoOnError(
                        "no machine is left to run a task on", "`orchestrate status` says what is left"
                    )
            ended = self._wait()
            if time.monotonic() - looked >= LOOK_S:
                looked = time.monotonic()
                self.store.refuse_removed()
                recover_and_tell(self.store, self.view.tell)  # of other processes; a run would wait for them for ever
                watch.look()
                self.view.look()
                self.reporter.looked()
        self._turn(ended)

    def _end(self) -> None:
        """End what is under way, and record how it ended."""
        self._is_ending = True
        if self._under_way:
            self._supervisor.end_all(Cause.INTERRUPTED if self.interrupted.is_set() else Cause.STOPPED)
        while self._under_way:
            self._turn(self._wait())

    def _turn(self, ended: Sequence[Verdict]) -> None:
        """Record what has ended and what begins now, in one change, and start the workers."""
        if not ended and not self._choices():
            return
        with self._course.deciding(), self.store.change() as change:
            attempts.record(change, ended)
            reserves = {choice.task: choice.reserve_usd for choice in self._choices()}
            opened = open_attempts(self.store, change, reserves, self.execution, self.options, self.by)
        for verdict in ended:
            self.reporter.ended(verdict.attempt.task)
        for attempt in opened:
            self._begin(attempt)
        if opened:
            self.reporter.started([attempt.task for attempt in opened])
        for verdict in ended:
            attempts.close(verdict.attempt)
        self._refresh([verdict.attempt.task for verdict in ended])

    def _choices(self) -> list[Choice]:
        """What to begin now; nothing once the run is ending."""
        return [] if self._is_ending or self.interrupted.is_set() or self._trouble else self._course.choices()

    def _begin(self, attempt: Attempt) -> None:
        try:
            self._supervisor.begin(attempt)
        except OrchestrateError as error:
            self._trouble.append(error)
        if attempt.handle is not None:
            self._under_way.add(attempt.task)
            self._orders.put(attempt)

    def _refresh(self, ended: Sequence[str]) -> None:
        done = [task for task in ended if self.store.state.status(task) in DONE]
        if done:
            refresh_dependants(self.store.paths, self.store.state, done)

    def _wait(self) -> list[Verdict]:
        """Sleep until an attempt ends or there is reason to look; the verdicts on those that ended."""
        ended: list[Verdict] = []
        try:
            self._take(self._ended.get(timeout=self._course.wait_s(LOOK_S)), ended)
            while True:
                self._take(self._ended.get_nowait(), ended)
        except queue.Empty:
            pass
        return ended

    def _take(self, end: Verdict | _Trouble, ended: list[Verdict]) -> None:
        self._under_way.discard(end.attempt.task)
        if isinstance(end, _Trouble):
            attempts.close(end.attempt)
            self._trouble.append(end.error)
        else:
            ended.append(end)

    # -- the threads of the slots ----------------------------------------------------------------

    def _work(self) -> None:
        while (attempt := self._orders.get()) is not None:
            try:
                self._ended.put(self._supervisor.settled(attempt))
            except OrchestrateError as error:
                self._ended.put(_Trouble(attempt, error))
