"""Which tasks to start now: the one scheduler behind every launcher.

A task starts as soon as its own dependencies are complete. Among those that may start: priority, then
longest remaining path, then natural id order (``graph.start_order``), which keeps the makespan within
a few percent of the lower bound, where going stage by stage takes 2.6 times as long.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from heapq import merge

from orchestrator.dataclasses import dataclass
from orchestrator.model import Status, Task
from orchestrator.store.state import State


@dataclass(frozen=True, slots=True)
class Limits:
    """What bounds the tasks under way: slots, and whether stages are kept apart."""

    slots: int
    by_stage: bool = False


@dataclass(frozen=True, slots=True)
class Choice:
    """A task to start, and the money to set aside for it (None: the run has no budget)."""

    task: str
    reserve_usd: float | None


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """What the other runs of the same desk leave to this one; None is no limit.

    ``tasks`` are under way there, and hold their resources and writes. ``agents_left`` workers this run may have in
    all. ``money_left_usd`` is neither spent nor set aside anywhere, ``money_in_the_end_usd`` is not spent anywhere.
    """

    tasks: tuple[Task, ...] = ()
    agents_left: int | None = None
    money_left_usd: float | None = None
    money_in_the_end_usd: float | None = None


NOTHING_ELSEWHERE = Elsewhere()
"""There are no other runs, and no limits that they share."""


def choices(
    state: State,
    now: float,
    limits: Limits,
    elsewhere: Elsewhere = NOTHING_ELSEWHERE,
    given: Collection[str] = (),
) -> list[Choice]:
    """The tasks to start at ``now``, first one first; never more than there are free slots.

    ``given`` are tasks that were chosen before and whose start is not on record yet: they hold what they would hold
    while they run.
    """
    if state.is_paused(now) or state.stopped_by():
        return []
    running = state.with_status(Status.RUNNING) if state.count(Status.RUNNING) else []
    by_hand = sum(1 for task in running if state.records[task].by == "hand")
    slots = state.slots_at(limits.slots, now)
    if elsewhere.agents_left is not None:
        slots = min(slots, elsewhere.agents_left)
    free = slots - len(given) - (len(running) - by_hand)
    if free <= 0:
        return []
    taken = Holdings([*(state.tasks[task] for task in (*running, *given)), *elsewhere.tasks])
    purse = Purse(state, limits.slots, elsewhere.money_left_usd)
    for task in given:
        purse.take(purse.reserve(state.tasks[task]))
    stage = open_stage(state) if limits.by_stage else None
    chosen: list[Choice] = []
    for task in candidates(state, now):
        if task in given or (stage is not None and state.stage(task) != stage):
            continue
        spec = state.tasks[task]
        if taken.clash(spec):
            continue
        reserve = purse.reserve(spec)
        if reserve is not None and not purse.affords(reserve):
            continue
        purse.take(reserve)
        taken.add(spec)
        chosen.append(Choice(task, reserve))
        if len(chosen) == free:
            break
    return chosen


def candidates(state: State, now: float) -> Iterator[str]:
    """The tasks that may start at ``now``, the one to start first in front: pending, or due to retry."""
    due = state.due(now)
    return merge(sorted(due, key=state.start_key), state.ready(), key=state.start_key) if due else state.ready()


def expected_spans(state: State, left: Collection[str], slots: int) -> dict[str, tuple[float, float]]:
    """When each task of ``left`` would begin and end on ``slots`` slots, in seconds from now.

    Each is taken to last as long as it is estimated, and what it depends on beside ``left`` to be there.
    """
    from orchestrator.dataclasses import replace
    from orchestrator.plans.simulation import schedule

    specs = [state.tasks[task] for task in state.tasks if task in left]
    tasks = [replace(spec, deps=tuple(dep for dep in spec.deps if dep.task in left)) for spec in specs]
    return dict(schedule(tasks, slots).spans)


def open_stage(state: State) -> int:
    """The lowest stage in which something runs or may still start; the stage that ``--by-stage`` stays in."""
    active = state.with_status(Status.RUNNING, Status.RETRYING, Status.PENDING)
    return min(map(state.stage, [*active, *state.awaiting_approval()]), default=0)


def startable(state: State, now: float, elsewhere: Elsewhere = NOTHING_ELSEWHERE) -> tuple[list[str], dict[str, str]]:
    """The tasks that may start together at ``now``, first one first, and what keeps each of the other candidates."""
    if state.is_paused(now) or state.stopped_by():
        return [], {}
    holdings = Holdings([*(state.tasks[task] for task in state.with_status(Status.RUNNING)), *elsewhere.tasks])
    ready: list[str] = []
    held: dict[str, str] = {}
    for task in candidates(state, now):
        clash = holdings.clash(state.tasks[task])
        if clash:
            held[task] = f"{clash[0]} wants {clash[1]} as well"
        else:
            holdings.add(state.tasks[task])
            ready.append(task)
    return ready, held


class Holdings:
    """The resources and write sets of the tasks under way."""

    def __init__(self, tasks: Collection[Task]) -> None:
        self._resources: dict[str, str] = {}
        self._writes: list[tuple[str, str]] = []
        for task in tasks:
            self.add(task)

    def add(self, task: Task) -> None:
        """Count ``task`` as under way."""
        for resource in task.resources:
            self._resources[resource] = task.id
        self._writes += [(glob, task.id) for glob in task.writes]

    def clash(self, task: Task) -> tuple[str, str] | None:
        """The task under way that ``task`` cannot run beside, and what both want; None when there is none."""
        for resource in task.resources:
            holder = self._resources.get(resource)
            if holder is not None and holder != task.id:
                return holder, f"the resource {resource}"
        if task.writes and self._writes:
            from orchestrator.plans.globs import overlap

            for glob in task.writes:
                for other, holder in self._writes:
                    if holder != task.id and overlap(glob, other):
                        return holder, f"the files {glob} and {other}"
        return None


class Purse:
    """The money of the run that is neither spent nor set aside; ``desk_left_usd`` is what all runs have left."""

    def __init__(self, state: State, slots: int, desk_left_usd: float | None = None) -> None:
        self.budget_usd = state.plan.budget_usd
        if desk_left_usd is not None:
            most = state.spent_usd + state.reserved_usd + desk_left_usd
            self.budget_usd = most if self.budget_usd is None else min(self.budget_usd, most)
        self._left = (self.budget_usd or 0.0) - state.spent_usd - state.reserved_usd
        share = max(0.0, (self.budget_usd or 0.0) - state.spent_usd) / max(1, slots)
        self._usual = max(state.mean_cost_usd, share)

    def reserve(self, task: Task) -> float | None:
        """What to set aside for ``task``, where the CLI also stops it: its own budget, else its share of what is left,
        but no less than the running mean. The mean alone would stop every task that costs more than the others.
        """
        if self.budget_usd is None:
            return task.budget_usd
        return self._usual if task.budget_usd is None else task.budget_usd

    def affords(self, amount: float) -> bool:
        """Whether ``amount`` is there; without a budget it always is. A budget used up affords nothing."""
        if self.budget_usd is None:
            return True
        return self._left > 1e-9 and amount <= self._left + 1e-9

    def take(self, amount: float | None) -> None:
        """Set ``amount`` aside."""
        self._left -= amount or 0.0


def next_due(state: State) -> float | None:
    """When the next waiting retry is due, in unix seconds."""
    due = (
        [state.records[task].due for task in state.with_status(Status.RETRYING)] if state.count(Status.RETRYING) else []
    )
    return min((at for at in due if at is not None), default=None)
