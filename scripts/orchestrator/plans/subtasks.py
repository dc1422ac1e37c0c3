"""Tasks that were split into subtasks, and the one subtask that each of them stands for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from orchestrator.model import DependencyType, Task


def subtasks(tasks: Mapping[str, Task], parent: str) -> list[str]:
    """The tasks that ``parent`` was split into, in the order of the plan."""
    return [task.id for task in tasks.values() if task.parent == parent]


def last_subtasks(tasks: Mapping[str, Task]) -> dict[str, str]:
    """Each task that ends with one of its subtasks, and that subtask: what happens to the one happens to the other.

    A task ends with a subtask when it waits for its result and for nothing else.
    """
    parents = dict.fromkeys(task.parent for task in tasks.values() if task.parent in tasks)
    result: dict[str, str] = {}
    for parent in parents:
        deps = tasks[parent].deps if parent is not None else ()
        if parent is not None and len(deps) == 1 and deps[0].type is DependencyType.DATA:
            last = tasks.get(deps[0].task)
            if last is not None and last.parent == parent:
                result[parent] = last.id
    return result


def with_parents(last: Mapping[str, str], tasks: Iterable[str]) -> list[str]:
    """``tasks``, and those that end with one of them; ``last`` is what ``last_subtasks`` answers."""
    found = dict.fromkeys(tasks)
    ends_with = {subtask: task for task, subtask in last.items()}
    for task in list(found):
        while (parent := ends_with.get(task)) is not None:
            found[parent] = None
            task = parent
    return list(found)
