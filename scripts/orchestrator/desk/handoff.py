"""A task handed to a specialist: what one program gives another so that the role can begin. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator.clock import iso_offset
from orchestrator.model import DependencyType, Json, Status, Task
from orchestrator.render.markdown import one_line
from orchestrator.store.state import State

FROM = "orchestrator"
"""Who hands over: the plan does, not one of its agents."""

LONGEST_CONTEXT = 300
READY = (Status.PENDING, Status.RETRYING)
"""A task that is so is in the inbox of its role."""


def handoff(state: State, task: Task, results: Mapping[str, str]) -> dict[str, Json]:
    """The handoff of ``task``, which names the role that is to do it now.

    ``results`` are the files of its completed data dependencies, as somebody in the project would open them.
    """
    done: list[Json] = [
        {"task": dep.task, "result": results.get(dep.task) if dep.type is DependencyType.DATA else None}
        for dep in task.deps
        if state.status(dep.task) is Status.COMPLETED
    ]
    return {
        "handoff_id": f"{state.id}.{task.id}",
        "from": FROM,
        "to": task.role,
        "task": task.id,
        "orchestration": state.id,
        "priority": str(state.priority(task.id)),
        "worker_type": task.worker_type,
        "context": {
            "orchestration_context": orchestration_context(state),
            "dependencies_completed": done,
            "next_tasks": [*state.dependants(task.id)],
            "related_tasks": _related(state, task),
        },
        "created_at": iso_offset(_ready_at(state, task)),
    }


def orchestration_context(state: State) -> str:
    """One sentence on what it is all for: the plan's title and its primary objective."""
    title, aim = one_line(state.plan.title, LONGEST_CONTEXT), one_line(state.plan.objectives.primary, LONGEST_CONTEXT)
    sentence = f"{title.rstrip('.')}: {aim}" if aim else title
    return sentence if sentence.endswith((".", "!", "?", "…")) else f"{sentence}."


def _related(state: State, task: Task) -> list[Json]:
    """The tasks that share a dependency or a dependant with ``task``, in the order of the plan."""
    near = {name for dep in task.dep_ids for name in state.dependants(dep)}
    near |= {name for after in state.dependants(task.id) for name in state.tasks[after].dep_ids}
    return [name for name in state.tasks if name in near and name != task.id]


def _ready_at(state: State, task: Task) -> float:
    """When the last of its dependencies ended, else when the run was made; unix seconds."""
    ends = [state.records[dep].end for dep in task.dep_ids]
    return max([state.created or 0.0, *(end for end in ends if end is not None)])
