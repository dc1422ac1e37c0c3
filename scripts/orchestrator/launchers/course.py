"""The course of a run, the same for every launcher: what may start now, what holds it, when and how it is over."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Protocol

from orchestrator import clock
from orchestrator.errors import CannotGoOnError, ExitCode
from orchestrator.events import EventType
from orchestrator.launchers.neighbours import Neighbours
from orchestrator.model import RunState, Status
from orchestrator.store.schedule import Choice, Elsewhere, Limits, choices, expected_spans, next_due
from orchestrator.store.state import DONE, State
from orchestrator.store.store import Store
from orchestrator.system.locks import FileLock, holder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from orchestrator.model import Task

LOOK_S = 0.5
"""How often a launcher looks at what people changed."""

RESUMED_BY_A_NEW_RUN = frozenset({"login", "money", "budget"})
"""Pauses that a person ends by starting the run again, so that no run waits for them."""


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


class View(Protocol):
    """The files that people read and edit while a run goes on, and the line that tells them something."""

    def look(self) -> None:
        """Take over what people changed."""
        ...

    def look_at_last(self) -> None:
        """The same before a run ends: it is done when this returns."""
        ...

    def is_at_work(self) -> bool:
        """Whether something beside the tasks may still make some ready."""
        ...

    def end(self) -> None:
        """The run ends."""
        ...

    def show(self, *, soon: bool = False) -> None:
        """Make the table show the state; ``soon`` leaves it out when that was done a moment ago."""
        ...

    def tell(self, message: str) -> None:
        """One line for a person."""
        ...


class Course:
    """The decisions of one run. ``slots`` says how many tasks may be under way, and may change as it goes on.

    ``is_waiting``: a usage limit or a pause is waited out; else the run is over with it.
    """

    def __init__(
        self, store: Store, slots: Callable[[], int], *, by_stage: bool = False, is_waiting: bool = True
    ) -> None:
        self.store = store
        self.slots = slots
        self.by_stage = by_stage
        self.is_waiting = is_waiting
        self._neighbours = Neighbours(store.paths)

    def choices(self, given: Collection[str] = ()) -> list[Choice]:
        """The tasks to start now; ``given`` were chosen before and have not started yet."""
        state, now = self.store.state, clock.now()
        if quiet_until(state, now) is not None:
            return []  # they have just begun, and are on record in a moment
        return choices(state, now, self._limits, self._neighbours.elsewhere(state), given)

    @property
    def elsewhere(self) -> tuple[Task, ...]:
        """What other runs of the same desk have under way."""
        return self._neighbours.elsewhere(self.store.state).tasks

    def deciding(self) -> AbstractContextManager[None]:
        """While tasks are chosen and their start is recorded: no other run of the same desk does so meanwhile."""
        return self._neighbours.deciding(self.store.state)

    def resume(self) -> None:
        """Begin: a pause that a new start ends, or whose time is over, is ended."""
        pause = self.store.state.pause
        if pause is not None and (pause.kind in RESUMED_BY_A_NEW_RUN or not pause.holds(clock.now())):
            with self.store.change() as change:
                change.record(EventType.RESUMED, kind=pause.kind, reason="a new run was started")

    def see_to_pauses(self) -> None:
        """End a pause whose time is over, and begin the quiet hours when they have come."""
        pause, now = self.store.state.pause, clock.now()
        if pause is not None and not pause.holds(now):
            with self.store.change() as change:
                if change.state.pause is not None and not change.state.pause.holds(change.now):
                    change.record(EventType.RESUMED, kind=pause.kind, reason=f"{pause.kind}: its time is over")
            pause = self.store.state.pause
        if pause is None and quiet_until(self.store.state, now) is not None:
            with self.store.change() as change:
                until = quiet_until(change.state, change.now)
                if change.state.pause is None and until is not None:
                    hours = change.state.hours_of_quiet()
                    change.record(EventType.PAUSED, kind="quiet", reason=f"quiet hours {hours}", until=until)

    def wait_s(self, most_s: float) -> float:
        """How long nothing can change by itself: until a retry is due or a pause is over, at most ``most_s``."""
        now = clock.now()
        pause = self.store.state.pause
        times = [
            at - now
            for at in (next_due(self.store.state), pause.until if pause else None)
            if at is not None and at > now
        ]
        return max(0.0, min([most_s, *times]))

    @property
    def is_held(self) -> bool:
        """Whether nothing may start now, whatever it is."""
        return self.store.state.is_paused(clock.now()) or self.store.state.stopped_by() is not None

    def is_over(self) -> bool:
        """Whether nothing is left that a run could wait for. A budget that affords nothing more pauses the run."""
        state, now = self.store.state, clock.now()
        running = state.with_status(Status.RUNNING) if state.count(Status.RUNNING) else []
        if state.stopped_by():
            return all(state.records[task].by == "hand" for task in running)
        if running:
            is_held_up = not self.is_waiting and state.is_paused(now)
            return is_held_up and all(state.records[task].by == "hand" for task in running)
        if not state.count(Status.PENDING) and not state.count(Status.RETRYING):
            return True
        if state.is_paused(now) and state.pause is not None:
            return state.pause.kind in RESUMED_BY_A_NEW_RUN or not self.is_waiting
        if quiet_until(state, now) is not None:
            return False
        if state.count(Status.RETRYING) > len(state.due(now)) or self.choices() or self._is_held_elsewhere():
            return False
        if self.by_stage and state.awaiting_approval():
            return True
        return self._pause_for_money()

    def is_over_after(self, look: Callable[[], None]) -> bool:
        """Whether nothing is left, what a last ``look`` at the changes of people brings included."""
        if not self.is_over():
            return False
        look()
        return self.is_over()

    def exit_code(self) -> ExitCode:
        """What a run that is over ends with."""
        outcome = self.store.state.run_state(clock.now())
        if outcome is RunState.COMPLETED:
            return ExitCode.DONE
        return ExitCode.PROBLEMS if outcome in (RunState.BLOCKED, RunState.FAILED) else ExitCode.STOPPED

    @property
    def _limits(self) -> Limits:
        return Limits(self.slots(), self.by_stage)

    def _is_held_elsewhere(self) -> bool:
        """Whether something could start if the other runs of the desk had ended."""
        if self._neighbours.is_alone:
            return False
        state = self.store.state
        in_the_end = Elsewhere(money_left_usd=self._neighbours.elsewhere(state).money_in_the_end_usd)
        return bool(choices(state, clock.now(), self._limits, in_the_end))

    def _pause_for_money(self) -> bool:
        state = self.store.state
        budget, of_desk = state.plan.budget_usd, self._neighbours.budget_usd
        if budget is None and of_desk is None:
            return False
        reason = ""
        if of_desk is not None and (budget is None or choices(state, clock.now(), self._limits)):
            spent = self._neighbours.spent_usd + state.spent_usd
            reason = f"the budget of the desk is used up: ${spent:.4f} of ${of_desk:.4f} spent; see desk.yaml"
        with self.store.change() as change:
            words = reason or _budget_words(change.state.spent_usd, budget or 0.0)
            change.record(EventType.PAUSED, kind="budget", reason=words)
        return True


def quiet_until(state: State, now: float) -> float | None:
    """When the quiet hours end that hold something up at ``now``; None when nothing is held up."""
    hours = state.hours_of_quiet()
    if not hours or now < state.awake_until or not (state.count(Status.PENDING) or state.count(Status.RETRYING)):
        return None
    return end_of_quiet(hours, now)


def end_of_quiet(hours: str, now: float) -> float | None:
    """When ``hours``, as in ``22:00-07:00``, end that have begun by ``now``; None outside them."""
    from datetime import UTC, datetime

    from orchestrator.executors.limits import QuietHours

    quiet, local = QuietHours.parse(hours), datetime.fromtimestamp(now, UTC).astimezone()
    # By the clock on the wall, which may be set forward or back before that.
    return quiet.end(local).replace(tzinfo=None).timestamp() if quiet.is_quiet(local) else None


def _budget_words(spent: float, budget: float) -> str:
    over = f", ${spent - budget:.4f} over: a worker ends after the answer it is at" if spent > budget else ""
    return f"budget used up: ${spent:.4f} of ${budget:.4f} spent{over}; no open task fits in what is left"


def expected_order(state: State, slots: int) -> list[str]:
    """The tasks that are left, as they would be started on ``slots`` slots if each took as long as it is estimated."""
    left = {task for task in state.tasks if state.status(task) not in DONE}
    spans = expected_spans(state, left, slots)
    return sorted(left, key=lambda name: (spans[name][0], state.start_key(name)))


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
