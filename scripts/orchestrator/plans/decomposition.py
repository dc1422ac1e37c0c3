"""One task of a plan split into subtasks: their ids, what they inherit, and what becomes of the task itself.

The task becomes the join of its subtasks: those that wait for no other subtask get its dependencies, it waits for those
that no other one waits for, and its dependants go on waiting for it. Where the subtasks end in a single one, the task
takes over that one's result and no agent runs for it; then that subtask has to bear what the task was checked by.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import count

from orchestrator.dataclasses import dataclass
from orchestrator.errors import InvalidInputError, Problem
from orchestrator.ids import subtask_id
from orchestrator.model import DEFAULT_MAX_RETRIES, DependencyType, Json, OnFailure, Task
from orchestrator.plans.planfile import task_ids
from orchestrator.wording import listed

FEWEST_SUBTASKS = 2

_NUMBERED = re.compile(r"[Tt]-[0-9]+")
"""An id as plans assign it: it says nothing, so that a subtask with such a one counts as not named."""


@dataclass(frozen=True, slots=True)
class Decomposition:
    """The subtasks as plan.yaml has them, and the fields of the task itself that change.

    ``last`` is the subtask whose result the task takes over; None where it joins several itself.
    """

    subtasks: tuple[dict[str, Json], ...]
    changes: dict[str, Json]
    last: str | None

    @property
    def ids(self) -> list[str]:
        """The ids of the subtasks."""
        return [str(task["id"]) for task in self.subtasks]


def decomposition(
    task: Task,
    parts: Sequence[Mapping[str, Json]],
    taken: Collection[str],
    *,
    is_approved: bool = False,
    keeps_names: bool = True,
) -> Decomposition:
    """``task`` split into ``parts``, which are tasks as in plan.yaml whose dependencies name each other.

    ``taken`` are the ids of the plan. Parts are called ``T-01.1`` … in their order; with ``keeps_names`` one with a
    name of its own for an id (not ``T-01``) keeps it. A dependency on what is no part stays as it is.
    ``is_approved``: a person has approved the task already. Raises ``InvalidInputError`` where this is no split.
    """
    if len(parts) < FEWEST_SUBTASKS:
        raise InvalidInputError(
            f"{task.id} would be split into {len(parts)} task{'s' * (len(parts) != 1)}",
            f"give at least {FEWEST_SUBTASKS} subtasks, or leave it whole",
        )
    ids = _ids(task.id, parts, taken, keeps_names)
    deps = [list(_deps(part, ids)) for part in parts]
    waited_for = {dep for each in deps for dep, _ in each}
    ends = [id for id in ids.values() if id not in waited_for]
    if not ends:
        raise InvalidInputError(
            f"the subtasks of {task.id} wait for each other", "take one of their dependencies out", [_cycle_of(ids)]
        )
    last = ends[0] if len(ends) == 1 else None
    share = _budget_share(task, len(parts) + (last is None))
    subtasks = []
    for part, id, own in zip(parts, ids.values(), deps, strict=True):
        begins = not any(dep in ids.values() for dep, _ in own)
        subtask: dict[str, Json] = {
            **{key: value for key, value in part.items() if value is not None},
            "id": id,
            "parent": task.id,
            "deps": [_dep(dep, kind) for dep, kind in own] + _first_deps(task, own if begins else None),
        }
        subtask = {**_inherited(task, share), **subtask}
        if begins and task.approval and not is_approved:
            subtask["approval"] = True
        if task.resources:
            subtask["resources"] = _joined(part.get("resources"), task.resources)
        if id == last:
            subtask |= _borne(task, subtask)
        subtasks.append({key: value for key, value in subtask.items() if value != []})
    return Decomposition(tuple(subtasks), _changes(task, ends, list(ids.values()), share, is_approved), last)


def _ids(parent: str, parts: Sequence[Mapping[str, Json]], taken: Collection[str], keeps_names: bool) -> dict[str, str]:
    """The id that each part has in the plan, by the one that it has among the parts."""
    given = {str(id) for part in parts if (id := part.get("id")) is not None}
    used = {id.casefold() for id in taken}
    free = (new for new in (subtask_id(parent, n) for n in count(1)) if new.casefold() not in used)
    result: dict[str, str] = {}
    for id in task_ids(parts):
        is_named = keeps_names and id in given and not _NUMBERED.fullmatch(id)
        if id in result:
            raise InvalidInputError(f"two subtasks have the id {id}", "give each an id of its own, or none")
        result[id] = id if is_named else next(free)
    return result


def _deps(part: Mapping[str, Json], ids: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """What ``part`` depends on, by the ids of the plan, each with its type."""
    written = part.get("deps")
    for dep in written if isinstance(written, list) else []:
        name = str(dep.get("task", "")) if isinstance(dep, dict) else str(dep)
        kind = str(dep.get("type", DependencyType.DATA)) if isinstance(dep, dict) else str(DependencyType.DATA)
        yield ids.get(name, name), kind


def _dep(task: str, kind: str) -> Json:
    return task if kind == DependencyType.DATA else {"task": task, "type": kind}


def _first_deps(task: Task, own: Sequence[tuple[str, str]] | None) -> list[Json]:
    """The dependencies of ``task`` for a subtask that begins, without those that it has itself."""
    if own is None:
        return []
    known = {dep for dep, _ in own}
    return [_dep(dep.task, str(dep.type)) for dep in task.deps if dep.task not in known]


def _inherited(task: Task, share: float | None) -> dict[str, Json]:
    """What every subtask takes from ``task`` unless it says something else itself."""
    given: dict[str, Json] = {"inputs": list(task.inputs), "role": task.role, "model": task.model}
    given["priority"] = str(task.priority) if task.priority is not None else None
    given["budget_usd"] = share
    if not task.retry_safe:
        given["retry_safe"] = False
    if task.max_retries != DEFAULT_MAX_RETRIES:
        given["max_retries"] = task.max_retries
    if task.on_failure not in (None, OnFailure.FALLBACK, OnFailure.SPLIT):
        given["on_failure"] = str(task.on_failure)
    return {key: value for key, value in given.items() if value is not None}


def _borne(task: Task, subtask: Mapping[str, Json]) -> dict[str, Json]:
    """What the last subtask has to bear for ``task``: its checks, and the permission to fulfil them."""
    borne: dict[str, Json] = {
        key: joined
        for key in ("outputs", "success_criteria", "verify", "writes", "allowed_tools")
        if (joined := _joined(subtask.get(key), getattr(task, key)))
    }
    if task.result_schema is not None:
        borne["result_schema"] = dict(task.result_schema)
    if task.writes:
        borne["writes_policy"] = str(task.writes_policy)
    if task.permission_mode is not None:
        borne.setdefault("permission_mode", subtask.get("permission_mode") or task.permission_mode)
    return borne


def _joined(own: Json, more: Sequence[str]) -> list[Json]:
    """A list with what it lacks of ``more``."""
    items = list(own) if isinstance(own, list) else []
    return [*items, *(item for item in more if item not in items)]


def _changes(
    task: Task, ends: Sequence[str], ids: Sequence[str], share: float | None, is_approved: bool
) -> dict[str, Json]:
    """The fields of ``task`` itself that change, as plan.yaml has them; None takes one out."""
    changes: dict[str, Json] = {"deps": list(ends)}
    if len(ends) > 1:
        changes["description"] = (
            f"This task was split into {listed(ids)}. You are given the results of {listed(ends)}:\n"
            "join them into the one result that the task asks for, and do none of the parts again.\n\n"
            f"The task as it was given:\n\n{task.description}"
        )
    if task.approval and not is_approved:
        changes["approval"] = False
    for key in ("estimate", "estimate_tokens"):
        if getattr(task, key) is not None:
            changes[key] = None
    if share is not None:
        changes["budget_usd"] = share if len(ends) > 1 else None
    return changes


def _budget_share(task: Task, tasks: int) -> float | None:
    """What each of ``tasks`` may cost, in US dollars, so that all of them cost no more than ``task`` might."""
    return None if task.budget_usd is None else int(task.budget_usd * 10_000) // tasks / 10_000


def _cycle_of(ids: Mapping[str, str]) -> Problem:
    return Problem(f"each of {listed(list(ids))} is waited for by another", "let one of them wait for nothing")
