"""What tasks, agents and their files are called, and in which order tasks stand and start.

Pure functions over names. The files are named in the section "Files of a run" of the design.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import count

from orchestrator import graph
from orchestrator.model import AGENT_ID, TASK_ID, Priority, Task

NaturalKey = tuple[tuple[str | int, ...], str]
"""Sorts ids as people read them; see ``natural_key``."""

StartKey = tuple[Priority, float, NaturalKey]
"""Sorts ready tasks, the one to start first in front; see ``start_order``."""

_DIGITS = re.compile("([0-9]+)")
_NUMBERED_TASK = re.compile(r"t-0*([1-9][0-9]*)")
_WINDOWS_DEVICES = frozenset(
    ["con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10))]
)


def natural_key(id: str) -> NaturalKey:
    """A sort key under which ``T-2`` stands before ``T-10``, and which no two different ids share.

    Case does not count, except between ids that are otherwise equal.
    """
    # Text and digits alternate, beginning with text, so that keys compare like with like.
    parts: list[str | int] = _DIGITS.split(id.casefold())
    for at in range(1, len(parts), 2):
        parts[at] = int(parts[at])
    return tuple(parts), id


def start_order(priority: Priority, remaining: float, id: str) -> StartKey:
    """The sort key of a ready task: priority, then the longest remaining path, then the natural order of ids.

    ``remaining`` is the task's entry in ``graph.longest_path_to_end``. Scheduler and simulation share this key.
    """
    return priority, -remaining, natural_key(id)


def start_keys(tasks: Sequence[Task]) -> dict[str, StartKey]:
    """``start_order`` of each task of a plan, by the priority that a person gave it and its remaining path.

    A derived priority only says what the remaining path says already, in three coarse steps: taken first it made
    50-task graphs up to 13 % longer than the path alone. So tasks without a given one count as P1 here.
    """
    remaining = graph.longest_path_to_end(graph.dependencies(tasks), graph.durations(tasks))
    return {task.id: start_order(task.priority or Priority.P1, remaining[task.id], task.id) for task in tasks}


def is_task_id(text: str) -> bool:
    """Whether ``text`` may name a task: letters, digits and ``._-``, and a file may bear it on Windows as well."""
    return TASK_ID.fullmatch(text) is not None and text.partition(".")[0].casefold() not in _WINDOWS_DEVICES


def free_task_ids(existing: Iterable[str]) -> Iterator[str]:
    """``T-01``, ``T-02`` …, without end, passing over each number that ``existing`` uses, however it is padded."""
    numbered = (_NUMBERED_TASK.fullmatch(id.casefold()) for id in existing)
    used = {int(match[1]) for match in numbered if match}
    return (f"T-{n:02d}" for n in count(1) if n not in used)


def subtask_id(parent: str, n: int) -> str:
    """The id of the ``n``-th subtask, counted from 1; ``is_task_id`` tells whether it grew too long."""
    return f"{parent}.{n}"


def agent_id(n: int) -> str:
    """``Agent-01`` … ``Agent-99``, ``Agent-100`` …; ``n`` counts from 1."""
    if n < 1:
        raise ValueError(f"agents are counted from 1, not {n}")
    return f"Agent-{n:02d}"


def agent_number(agent: str) -> int | None:
    """The number in an agent id; None where ``agent`` is not one."""
    match = AGENT_ID.fullmatch(agent)
    return int(match[1]) if match else None


def agent_slug(agent: str) -> str:
    """The agent's name in file names: ``agent-01`` for ``Agent-01``."""
    return agent.casefold()


def agent_file(agent: str, task: str, shared: bool) -> str:
    """The name of the assignment in ``agent_tasks/``; with the task where the agent has several (``shared``)."""
    return f"{_file_stem(agent, task, shared)}.md"


def result_file(agent: str, task: str, shared: bool) -> str:
    """The name of the result in ``results/``; with the task where the agent has several (``shared``)."""
    return f"{_file_stem(agent, task, shared)}-result.md"


def assigned_agents(tasks: Sequence[Task], taken: Mapping[str, str]) -> dict[str, str]:
    """The agent of each task, by task id.

    An agent that the plan gives stays, then one that the task already has in ``taken`` (task id to agent);
    every other task gets an agent of its own, with the lowest number that nobody has, in the order of ``tasks``.
    """
    kept = {task.id: task.agent or taken.get(task.id) for task in tasks}
    used = {agent_number(agent) for agent in (*kept.values(), *taken.values()) if agent}
    free = (agent_id(n) for n in count(1) if n not in used)
    return {id: agent or next(free) for id, agent in kept.items()}


def priorities(tasks: Sequence[Task]) -> dict[str, Priority]:
    """The priority of each task: as given, else P0 on the critical path, P1 with dependants, P2 otherwise."""
    deps = graph.dependencies(tasks)
    critical = set(graph.critical_path(deps, graph.durations(tasks)))
    after = graph.dependants(deps)

    def derived(id: str) -> Priority:
        if id in critical:
            return Priority.P0
        return Priority.P1 if after[id] else Priority.P2

    return {task.id: task.priority or derived(task.id) for task in tasks}


def _file_stem(agent: str, task: str, shared: bool) -> str:
    return f"{agent_slug(agent)}.{task}" if shared else agent_slug(agent)
