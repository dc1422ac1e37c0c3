"""The mathematics of dependencies: cycles, order, stages, critical path and slack.

Works on plain data. ``deps`` maps an id to the ids it depends on, in the order the plan was written;
an id that is not a key of ``deps`` is unknown and passed over, a repeated one counts once.
``duration`` maps an id to any one unit of time; a missing id takes ``UNIT``.
Everything is linear or n log n and without recursion. What needs an order raises ``CycleError`` where there is none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from heapq import heapify, heappop, heappush

from orchestrator.errors import InvalidInputError
from orchestrator.model import Task

UNIT = 1.0
"""Duration of a task without an estimate."""

_ROUNDING = 1e-9
"""Slack below this share of the critical path is the rounding of sums, not slack."""


class CycleError(InvalidInputError):
    """The dependencies have no order; ``cycle`` is one that shows it."""

    def __init__(self, cycle: Sequence[str]) -> None:
        super().__init__(f"the dependencies form a cycle: {cycle_text(cycle)}", "remove one of these dependencies")
        self.cycle = tuple(cycle)


def cycle_text(cycle: Sequence[str]) -> str:
    """``cycle`` for a person: each id depends on the one after its arrow."""
    return " → ".join([*cycle, *cycle[:1]])


def dependencies(tasks: Iterable[Task]) -> dict[str, tuple[str, ...]]:
    """The ``deps`` of ``tasks`` as the functions here take them, in the order of ``tasks``."""
    return {task.id: task.dep_ids for task in tasks}


def durations(tasks: Iterable[Task]) -> dict[str, float]:
    """The seconds that schedule each task: the upper end of its estimate, ``UNIT`` where there is none."""
    return {task.id: task.estimate.high_s if task.estimate else UNIT for task in tasks}


def dependants(deps: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """For each id the ids that depend on it directly, as written."""
    result: dict[str, list[str]] = {id: [] for id in deps}
    for id, needed in deps.items():
        for dep in dict.fromkeys(needed) if len(needed) > 1 else needed:
            if dep in result:
                result[dep].append(id)
    return result


def cycles(deps: Mapping[str, Sequence[str]]) -> list[list[str]]:
    """One cycle for each knot of tasks that wait for each other; empty when the tasks can be ordered.

    A knot is a strongly connected component (Tarjan, "Depth-first search and linear graph algorithms", 1972).
    Its cycle is a shortest one through its first written id, which it begins with;
    each id depends on the next, the last on the first. A task that depends on itself is a cycle of one.
    """
    position = {id: at for at, id in enumerate(deps)}
    knots = [sorted(knot, key=position.__getitem__) for knot in _components(deps)]
    found = [_shortest_cycle(deps, knot) for knot in knots if len(knot) > 1 or knot[0] in deps[knot[0]]]
    return sorted(found, key=lambda cycle: position[cycle[0]])


def order(deps: Mapping[str, Sequence[str]]) -> list[str]:
    """All ids, each after what it depends on, and as written where that leaves a choice (Kahn 1962)."""
    names = list(deps)
    position = {id: at for at, id in enumerate(names)}
    after = dependants(deps)
    missing = _dependency_counts(after)
    free = [position[id] for id, count in missing.items() if count == 0]
    heapify(free)
    result: list[str] = []
    while free:
        id = names[heappop(free)]
        result.append(id)
        for dependant in after[id]:
            missing[dependant] -= 1
            if missing[dependant] == 0:
                heappush(free, position[dependant])
    if len(result) < len(names):
        raise CycleError(cycles(deps)[0])
    return result


def stages(deps: Mapping[str, Sequence[str]]) -> dict[str, int]:
    """The stage of each id, from 1: one more than the highest stage among its dependencies."""
    after = dependants(deps)
    stage = dict.fromkeys(deps, 1)
    for id in _sequence(deps, after):
        for dependant in after[id]:
            if stage[dependant] <= stage[id]:
                stage[dependant] = stage[id] + 1
    return stage


def ancestors(deps: Mapping[str, Sequence[str]], id: str) -> set[str]:
    """Everything that ``id`` depends on, directly or through others; ``id`` itself only when on a cycle."""
    found: set[str] = set()
    open_ids = [id]
    while open_ids:
        for dep in deps.get(open_ids.pop(), ()):
            if dep in deps and dep not in found:
                found.add(dep)
                open_ids.append(dep)
    return found


def dependant_counts(deps: Mapping[str, Sequence[str]]) -> dict[str, int]:
    """How many tasks wait for each id, directly or through others.

    Sets as bits of one number: 10,000 tasks take 12 MB for the time of the call.
    """
    after = dependants(deps)
    sequence = _sequence(deps, after)
    bit = {id: 1 << at for at, id in enumerate(sequence)}
    waiting: dict[str, int] = {}
    for id in reversed(sequence):
        mask = 0
        for dependant in after[id]:
            mask |= waiting[dependant] | bit[dependant]
        waiting[id] = mask
    return {id: waiting[id].bit_count() for id in deps}


def has_path(deps: Mapping[str, Sequence[str]], start: str, goal: str) -> bool:
    """Whether ``start`` is ``goal`` or depends on it, directly or through others.

    So a new dependency of ``a`` on ``b`` would close a cycle exactly when ``has_path(deps, b, a)``.
    """
    return start == goal or goal in ancestors(deps, start)


def longest_path_to_end(deps: Mapping[str, Sequence[str]], duration: Mapping[str, float]) -> dict[str, float]:
    """The remaining path of each id: the longest sum of durations from its start to an end, its own included."""
    after = dependants(deps)
    return _remaining(_sequence(deps, after), after, duration)


def critical_path(deps: Mapping[str, Sequence[str]], duration: Mapping[str, float]) -> list[str]:
    """The ids of a longest path from a beginning to an end; of equal ones always the first written."""
    after = dependants(deps)
    sequence = _sequence(deps, after)
    remaining = _remaining(sequence, after, duration)
    choice = [id for id in deps if not any(dep in deps for dep in deps[id])]
    path: list[str] = []
    while choice:
        # max() keeps the first of equals, and the choices are in written order.
        path.append(max(choice, key=remaining.__getitem__))
        choice = after[path[-1]]
    return path


def critical_path_length(deps: Mapping[str, Sequence[str]], duration: Mapping[str, float]) -> float:
    """The least time that all tasks take with any number of workers; 0 without tasks."""
    return max(longest_path_to_end(deps, duration).values(), default=0.0)


def slack(deps: Mapping[str, Sequence[str]], duration: Mapping[str, float]) -> dict[str, float]:
    """By how much each id may end late without delaying the whole: 0 exactly on critical paths.

    The total float of the critical path method (Kelley and Walker, "Critical-path planning and scheduling", 1959):
    length of the critical path less earliest start less remaining path.
    """
    after = dependants(deps)
    sequence = _sequence(deps, after)
    remaining = _remaining(sequence, after, duration)
    length = max(remaining.values(), default=0.0)
    start = dict.fromkeys(deps, 0.0)
    result = start.copy()
    for id in sequence:
        spare = length - start[id] - remaining[id]
        if spare > length * _ROUNDING:
            result[id] = spare
        end = start[id] + duration.get(id, UNIT)
        for dependant in after[id]:
            if start[dependant] < end:
                start[dependant] = end
    return result


def _dependency_counts(after: Mapping[str, Sequence[str]]) -> dict[str, int]:
    """For each id how many different known ids it depends on."""
    count = dict.fromkeys(after, 0)
    for next_ids in after.values():
        for id in next_ids:
            count[id] += 1
    return count


def _sequence(deps: Mapping[str, Sequence[str]], after: Mapping[str, Sequence[str]]) -> list[str]:
    """The ids in any order that works: ``order`` without its heap, for those whom ties do not matter to."""
    missing = _dependency_counts(after)
    result = [id for id, count in missing.items() if count == 0]
    for id in result:
        for dependant in after[id]:
            missing[dependant] -= 1
            if missing[dependant] == 0:
                result.append(dependant)
    if len(result) < len(missing):
        raise CycleError(cycles(deps)[0])
    return result


def _remaining(
    sequence: Sequence[str], after: Mapping[str, Sequence[str]], duration: Mapping[str, float]
) -> dict[str, float]:
    """``longest_path_to_end`` along a known sequence."""
    remaining = dict.fromkeys(after, 0.0)
    for id in reversed(sequence):
        longest = 0.0
        for dependant in after[id]:
            if remaining[dependant] > longest:
                longest = remaining[dependant]
        remaining[id] = duration.get(id, UNIT) + longest
    return remaining


def _components(deps: Mapping[str, Sequence[str]]) -> list[list[str]]:
    """The strongly connected components; Tarjan's algorithm with the call stack made a list."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    path: list[str] = []
    on_path: set[str] = set()
    result: list[list[str]] = []
    for root in deps:
        if root in index:
            continue
        index[root] = low[root] = len(index)
        path.append(root)
        on_path.add(root)
        visits = [(root, iter(deps[root]))]
        while visits:
            id, rest = visits[-1]
            for dep in rest:
                if dep not in deps:
                    continue
                if dep not in index:
                    index[dep] = low[dep] = len(index)
                    path.append(dep)
                    on_path.add(dep)
                    visits.append((dep, iter(deps[dep])))
                    break
                if dep in on_path:
                    low[id] = min(low[id], index[dep])
            else:
                visits.pop()
                if visits:
                    parent = visits[-1][0]
                    low[parent] = min(low[parent], low[id])
                if low[id] == index[id]:
                    at = len(path) - 1
                    while path[at] != id:
                        at -= 1
                    result.append(path[at:])
                    on_path.difference_update(path[at:])
                    del path[at:]
    return result


def _shortest_cycle(deps: Mapping[str, Sequence[str]], knot: Sequence[str]) -> list[str]:
    """A shortest cycle through the first id of a strongly connected ``knot``, by breadth-first search."""
    first, inside = knot[0], set(knot)
    came_from: dict[str, str] = {}
    queue = [first]
    for id in queue:
        for dep in deps[id]:
            if dep == first:
                back = [id]
                while back[-1] != first:
                    back.append(came_from[back[-1]])
                return back[::-1]
            if dep in inside and dep not in came_from:
                came_from[dep] = id
                queue.append(dep)
    raise AssertionError("a knot has a cycle through each of its tasks")
