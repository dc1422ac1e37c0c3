"""``feed``: says which task to start the moment it may start and a slot is free; other processes run it with ``exec``.

GNU parallel and PowerShell start a process for each line that ``feed`` prints, and that is all they do: what was
started, what ended and how is read from the journal, which ``exec``, people and other commands write. A task that was
given out and not begun, or whose process is gone, is given out again.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from typing import Protocol

from orchestrator.dataclasses import dataclass, field
from orchestrator.errors import CannotGoOnError, ExitCode
from orchestrator.launchers.course import LOOK_S, Course, Reporter, View
from orchestrator.model import Status
from orchestrator.store.schedule import Holdings
from orchestrator.store.state import DONE
from orchestrator.store.store import Store
from orchestrator.system.locks import FileLock
from orchestrator.system.process_table import is_same_process
from orchestrator.workers.hand_over import refresh_dependants
from orchestrator.workers.health import HealthWatch
from orchestrator.workers.live import host
from orchestrator.workers.options import RunOptions
from orchestrator.workers.recovery import end_strays, recover, recover_and_tell

FED = "feed"
"""What the journal says started an attempt that was given out."""
POLL_S = 0.02
"""How often the journal is looked at, with one ``stat``, while things happen."""
QUIET_POLL_S = 0.05
"""The same after a second without news, when the delay is small beside what tasks take."""
RECOVER_S = 1.0
"""How often workers are looked for that are gone."""
GIVE_AGAIN_S = 60.0
"""A task that was given out has begun by then, or is given out again."""
GIVE_UP = 3
"""So often in a row a task is given out in vain before the feed ends; something is wrong with what it feeds."""
KILL_S = 5.0
"""How much longer than its worker's grace an ``exec`` may take to end before it is killed."""


class Outlet(Protocol):
    """Where ids go to: whoever reads there starts them."""

    def write(self, line: str) -> None:
        """Give ``line`` out, at once."""
        ...

    def is_read(self) -> bool:
        """Whether anybody is still there to read."""
        ...


@dataclass(frozen=True, slots=True)
class _Given:
    """A task that was given out: its last attempt by then, and when (monotonic seconds)."""

    attempt: int
    at: float


@dataclass
class Feeder:
    """One fed run of the plan in ``store``.

    ``lock`` is the held lock of the run; it is released with the last look, so that no ``exec`` starts a task after.
    """

    store: Store
    options: RunOptions
    reporter: Reporter
    view: View
    lock: FileLock
    outlet: Outlet
    give_again_s: float = GIVE_AGAIN_S
    interrupted: threading.Event = field(default_factory=threading.Event)
    _given: dict[str, _Given] = field(default_factory=dict)
    _in_vain: dict[str, int] = field(default_factory=dict)
    _under_way: dict[str, int] = field(default_factory=dict)
    _noted: int = -1

    def run(self) -> ExitCode:
        """Feed until nothing is left or nothing can go on; the answer says which."""
        self._journal = self.store.paths.journal
        self._course = Course(self.store, lambda: self.options.jobs, by_stage=self.options.by_stage)
        end_strays(self.store)
        try:
            self._course.resume()
            self._loop()
        finally:
            self._end_workers()
            self.view.end()
            self.view.show()
        if self.interrupted.is_set():
            return ExitCode.INTERRUPTED
        return self._course.exit_code() if self.outlet.is_read() else ExitCode.STOPPED

    # -- what to give out ------------------------------------------------------------------------

    def _loop(self) -> None:
        looked = recovered = news = time.monotonic()
        watch = HealthWatch(self.store, self.options.health_interval_s, self.view.tell)
        self._take_note()
        while not self.interrupted.is_set():
            self._course.see_to_pauses()
            for choice in self._course.choices(self._given):
                self._given[choice.task] = _Given(self.store.state.records[choice.task].attempt, time.monotonic())
                self.outlet.write(choice.task)
            if not self.outlet.is_read():
                return
            is_idle = not self._given and not self.view.is_at_work()
            if is_idle and not self._has_news() and self._course.is_over_after(self.view.look_at_last):
                return
            now = time.monotonic()
            self.interrupted.wait(self._course.wait_s(POLL_S if now - news < 1.0 else QUIET_POLL_S))
            if now - recovered >= RECOVER_S:
                recovered = now
                recover_and_tell(self.store, self.view.tell)
            if now - looked >= LOOK_S:
                looked = now
                watch.look()
                self.view.look()
                self.view.show(soon=True)
                self.reporter.looked()
            if self._has_news():
                news = now
                self.store.refresh()
                self._take_note()
            self._take_back()

    def _has_news(self) -> bool:
        if self._noted != self.store.state.rev:
            return True
        try:
            return os.stat(self._journal).st_size != self.store.journal.position.offset
        except OSError:
            return True

    # -- what became of it -----------------------------------------------------------------------

    def _take_note(self) -> None:
        """Compare what was given out and what was under way with what the state now says."""
        state = self.store.state
        self._noted = state.rev
        running = {
            task: state.records[task].attempt
            for task in (state.with_status(Status.RUNNING) if state.count(Status.RUNNING) else ())
            if state.records[task].by != "hand"
        }
        begun = {
            task: state.records[task].attempt
            for task, given in self._given.items()
            if state.records[task].attempt > given.attempt
        }
        before = self._under_way
        started = [task for task, number in {**begun, **running}.items() if before.get(task) != number]
        ended = [task for task in {**before, **begun} if task not in running]
        self._under_way = running
        for task in begun:
            del self._given[task]
            self._in_vain.pop(task, None)
        if started:
            self.reporter.started(started)
        for task in ended:
            self.reporter.ended(task)
        done = [task for task in ended if state.status(task) in DONE]
        if done:
            refresh_dependants(self.store.paths, state, done)

    def _take_back(self) -> None:
        """Forget what was given out and will not begin: it is chosen again when it may start."""
        if not self._given:
            return
        state = self.store.state
        is_held = self._course.is_held
        running = [state.tasks[task] for task in state.with_status(Status.RUNNING)]
        taken = Holdings([*running, *self._course.elsewhere])
        for task, given in list(self._given.items()):
            if is_held or state.status(task) not in (Status.PENDING, Status.RETRYING) or taken.clash(state.tasks[task]):
                del self._given[task]  # what runs it now refuses, or has refused
            elif time.monotonic() - given.at >= self.give_again_s:
                del self._given[task]
                self._in_vain[task] = self._in_vain.get(task, 0) + 1
                if self._in_vain[task] >= GIVE_UP:
                    raise CannotGoOnError(
                        f"{task} was given out {GIVE_UP} times and never began",
                        f"`orchestrate exec {task}` in a terminal says why",
                    )
                self.view.tell(f"{task}: given out {self.give_again_s:g} s ago and not begun; it is given out again")

    # -- the end ---------------------------------------------------------------------------------

    def _end_workers(self) -> None:
        """End what is under way, each by its own ``exec``, which puts its task back; then give the run's lock up.

        Kills those that take too long; their tasks are put back here. Nothing is under way where the run is over.
        """
        asked: dict[str, int] = {}
        give_up = time.monotonic() + self.options.grace_s + KILL_S
        while True:
            with self.store.change():
                workers = self._own_workers()
                if not workers:
                    self.lock.release()
                    break
            is_late = time.monotonic() >= give_up
            for task, (attempt, pid) in workers.items():
                if pid is not None and (is_late or asked.get(task) != attempt):
                    asked[task] = attempt
                    _signal(pid, is_late)
            time.sleep(POLL_S)
            recover(self.store)
        self._take_note()

    def _own_workers(self) -> dict[str, tuple[int, int | None]]:
        """The tasks that ``exec`` runs for feeds of this machine: the attempt, and its pid while that lives."""
        state = self.store.state
        found: dict[str, tuple[int, int | None]] = {}
        for task in state.with_status(Status.RUNNING):
            record = state.records[task]
            if record.by != FED or record.supervisor is None or record.supervisor[0] != host():
                continue
            _, pid, started = record.supervisor
            is_alive = is_same_process(int(pid), started)  # type: ignore[arg-type]
            found[task] = (record.attempt, int(pid) if is_alive else None)  # type: ignore[arg-type]
        return found


def _signal(pid: int, is_late: bool) -> None:
    """Ask an ``exec`` to end, or end it; Windows knows no asking."""
    try:
        os.kill(pid, getattr(signal, "SIGKILL", signal.SIGTERM) if is_late else signal.SIGTERM)
    except OSError:
        pass
