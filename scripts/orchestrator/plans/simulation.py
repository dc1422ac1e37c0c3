"""What a plan would do on a number of slots: a discrete-event simulation of the scheduler, without a clock.

It schedules by list as ``run`` does: whenever a slot is free, the first task in start order whose dependencies are
complete and whose claims nobody holds. Graham ("Bounds on multiprocessing timing anomalies", 1969) showed that such
a schedule on m slots, without claims, takes at most 2 - 1/m times the shortest possible one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from heapq import heappop, heappush
from itertools import islice
from typing import Literal, NamedTuple

from orchestrator import graph
from orchestrator.dataclasses import dataclass
from orchestrator.ids import StartKey, start_keys
from orchestrator.model import Task
from orchestrator.plans.globs import literal_names, overlap

MOST_COMPARISONS = 50_000
"""So many pairs of globs are compared, in about half a second."""


class Claim(NamedTuple):
    """Something that a task holds while it runs: a resource by name, or the paths that a glob matches."""

    kind: Literal["resource", "writes"]
    name: str


@dataclass(frozen=True, slots=True)
class Schedule:
    """When each task starts and ends, in the unit of its durations, counted from the start of the run."""

    spans: Mapping[str, tuple[float, float]]
    waits: Mapping[Claim, float]
    """For each claim how long tasks waited for it, added up, that would have had a slot."""
    busiest: int
    """The most tasks that run at once."""

    @property
    def makespan(self) -> float:
        """The end of the last task; 0 without tasks."""
        return max((end for _, end in self.spans.values()), default=0.0)


def schedule(tasks: Sequence[Task], slots: int, duration: Mapping[str, float] | None = None) -> Schedule:
    """The simulated run of ``tasks`` in the product's own order.

    ``duration`` is what tasks really take; the order always follows the estimates, as in a run.
    """
    return simulate(
        graph.dependencies(tasks),
        graph.durations(tasks) if duration is None else duration,
        slots,
        start_keys(tasks),
        {task.id: claims(task) for task in tasks},
    )


def makespan(tasks: Sequence[Task], slots: int, duration: Mapping[str, float] | None = None) -> float:
    """How long ``schedule`` takes."""
    return schedule(tasks, slots, duration).makespan


def lower_bound(deps: Mapping[str, Sequence[str]], duration: Mapping[str, float], slots: int) -> float:
    """What no schedule beats: the critical path, and the total work divided by the slots (Graham 1969)."""
    work = sum(duration.get(id, graph.UNIT) for id in deps)
    return max(graph.critical_path_length(deps, duration), work / slots)


def claims(task: Task) -> tuple[Claim, ...]:
    """What ``task`` holds while it runs."""
    return (
        *(Claim("resource", name) for name in dict.fromkeys(task.resources)),
        *(Claim("writes", glob) for glob in dict.fromkeys(task.writes)),
    )


def simulate(
    deps: Mapping[str, Sequence[str]],
    duration: Mapping[str, float],
    slots: int,
    keys: Mapping[str, StartKey],
    held: Mapping[str, Sequence[Claim]] | None = None,
) -> Schedule:
    """The simulated run of a graph: ``keys`` sorts ready tasks, ``held`` says what each holds while it runs.

    Raises ``graph.CycleError`` where the graph has no order.
    """
    if slots < 1:
        raise ValueError(f"a run needs at least one slot, not {slots}")
    run = _Run(deps, keys, held or {})
    while run.ready or run.running:
        while run.ready and len(run.running) < slots:
            run.start_next(duration)
        run.end_next()
    if len(run.spans) < len(deps):
        raise graph.CycleError(graph.cycles(deps)[0])
    return Schedule({id: run.spans[id] for id in deps}, dict(run.waits), run.busiest)


class _Run:
    """The state of one simulation. Ranks stand for ids in the heaps, so that keys are compared only once.

    A ready task whose claim is held is parked under that claim. While a claim is free, at most the first of those
    parked under it is back among the ready ones, so that a thousand tasks on one resource cost a thousand moves.
    """

    def __init__(
        self,
        deps: Mapping[str, Sequence[str]],
        keys: Mapping[str, StartKey],
        held: Mapping[str, Sequence[Claim]],
    ) -> None:
        self.names = sorted(deps, key=keys.__getitem__)
        self.rank = {id: rank for rank, id in enumerate(self.names)}
        self.after = graph.dependants(deps)
        self.missing = dict.fromkeys(deps, 0)
        for dependants in self.after.values():
            for id in dependants:
                self.missing[id] += 1
        self.held = held
        self.rivals = _rivals({claim for each in held.values() for claim in each})
        # Ranks in rising order are a heap already.
        self.ready = [rank for rank, id in enumerate(self.names) if self.missing[id] == 0]
        self.running: list[tuple[float, int]] = []
        self.blocked: defaultdict[Claim, int] = defaultdict(int)
        self.parked: defaultdict[Claim, list[int]] = defaultdict(list)
        self.parked_since: dict[int, float] = {}
        self.woken_by: dict[int, Claim] = {}
        self.now = 0.0
        self.spans: dict[str, tuple[float, float]] = {}
        self.waits: defaultdict[Claim, float] = defaultdict(float)
        self.busiest = 0

    def start_next(self, duration: Mapping[str, float]) -> None:
        """Start the first ready task, or park it where a claim of its is held."""
        rank = heappop(self.ready)
        id = self.names[rank]
        wanted = self.held.get(id, ())
        woken_by = self.woken_by.pop(rank, None)
        obstacle = next((claim for claim in wanted if self.blocked[claim]), None)
        if obstacle is not None:
            heappush(self.parked[obstacle], rank)
            self.parked_since[rank] = self.now
            if woken_by is not None and not self.blocked[woken_by]:
                self._wake_one(woken_by)
            return
        for claim in wanted:
            for rival in self.rivals[claim]:
                self.blocked[rival] += 1
        end = self.now + duration.get(id, graph.UNIT)
        self.spans[id] = (self.now, end)
        heappush(self.running, (end, rank))
        self.busiest = max(self.busiest, len(self.running))

    def end_next(self) -> None:
        """Go on to the next end of a task, and end all that end then."""
        self.now = self.running[0][0]
        freed: dict[Claim, None] = {}
        while self.running and self.running[0][0] == self.now:
            id = self.names[heappop(self.running)[1]]
            for claim in self.held.get(id, ()):
                for rival in self.rivals[claim]:
                    self.blocked[rival] -= 1
                    freed[rival] = None
            for dependant in self.after[id]:
                self.missing[dependant] -= 1
                if self.missing[dependant] == 0:
                    heappush(self.ready, self.rank[dependant])
        for claim in freed:
            if not self.blocked[claim]:
                self._wake_one(claim)

    def _wake_one(self, claim: Claim) -> None:
        """Put the first task parked under ``claim`` back among the ready ones."""
        if self.parked[claim]:
            rank = heappop(self.parked[claim])
            self.waits[claim] += self.now - self.parked_since.pop(rank)
            self.woken_by[rank] = claim
            heappush(self.ready, rank)


def _rivals(all_claims: Iterable[Claim]) -> dict[Claim, list[Claim]]:
    """For each claim those that may not be held beside it, itself included.

    Globs can only overlap where the literal names of one begin those of the other, so each is compared with those of
    the folders around it alone. After ``MOST_COMPARISONS`` those left count as different.
    """
    result = {claim: [claim] for claim in sorted(all_claims)}
    folders: defaultdict[tuple[str, ...], list[Claim]] = defaultdict(list)
    for claim in result:
        if claim.kind == "writes":
            folders[literal_names(claim.name)].append(claim)
    pairs = (
        (claim, other)
        for folder, here in folders.items()
        for at, claim in enumerate(here)
        for depth in range(len(folder) + 1)
        for other in (folders.get(folder[:depth], ()) if depth < len(folder) else here[:at])
    )
    for claim, other in islice(pairs, MOST_COMPARISONS):
        if overlap(claim.name, other.name):
            result[claim].append(other)
            result[other].append(claim)
    return result
