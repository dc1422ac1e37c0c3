"""``handoffs/to-<role>-<task>.json``: written the moment a task with a role becomes ready, for whoever waits for it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence

from orchestrator.errors import OrchestrateError
from orchestrator.events import Event, EventType
from orchestrator.model import Json, Status
from orchestrator.paths import RunPaths
from orchestrator.store.state import State
from orchestrator.store.store import Store

_HANDED_OVER = frozenset({Status.PENDING, Status.RETRYING, Status.RUNNING})
# What makes a task ready, or another role's, beside the plan itself.
_MOVES = frozenset(
    {
        EventType.TASK_COMPLETED,
        EventType.TASK_SKIPPED,
        EventType.TASK_RETRYING,
        EventType.TASK_REOPENED,
        EventType.TASK_EDITED,
        EventType.APPROVED,
    }
)


def handoff_of(paths: RunPaths, state: State, task: str) -> dict[str, Json]:
    """The handoff of ``task`` as it now is; ``to`` is None where the task names no role."""
    from orchestrator.desk.handoff import handoff
    from orchestrator.workers import hand_over  # this module is on the way of every command, that one need not be

    results = {
        dep: hand_over.shown_path(paths, hand_over.result_name(paths, state, dep))
        for dep in state.tasks[task].dep_ids
        if state.status(dep) is Status.COMPLETED
    }
    return handoff(state, hand_over.planned(state, task), results)


def write_handoff(paths: RunPaths, state: State, task: str) -> str | None:
    """Write the file of ``task``, which is ready; its path, None where the task names no role."""
    record = handoff_of(paths, state, task)
    if record["to"] is None:
        return None
    from orchestrator.system import files

    path = paths.handoff(str(record["to"]), task)
    files.make_private_folder(paths.inside("handoffs"))
    files.write_whole(path, json.dumps(record, ensure_ascii=False, indent=2) + "\n", flush=False)
    return path


class Handoffs:
    """Writes the handoffs of tasks that events of this process have made ready."""

    def __init__(self, store: Store, tell: Callable[[str], None]) -> None:
        self._store = store
        self._tell = tell

    def __call__(self, events: Sequence[Event]) -> None:
        """Write what ``events`` concern; a file that cannot be written holds nothing up."""
        state = self._store.state
        try:
            for task in self._concerned(state, events):
                if state.tasks[task].roles and state.status(task) in _HANDED_OVER:
                    write_handoff(self._store.paths, state, task)
        except OrchestrateError as error:
            self._tell(f"a handoff was not written: {error.message}")

    @staticmethod
    def _concerned(state: State, events: Sequence[Event]) -> Iterable[str]:
        found: dict[str, None] = {}
        for event in events:
            if event["type"] == EventType.PLAN_CHANGED:
                found.update(dict.fromkeys(state.tasks))
            elif event["type"] in _MOVES:
                task = str(event["task"])
                found.update(dict.fromkeys([task, *state.dependants(task)]))
        return found
