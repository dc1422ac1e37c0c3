"""The course of the stateless loop as a pure decision: what an invocation was worth, and when to stop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from orchestrator.dataclasses import dataclass
from orchestrator.events import Event, EventType
from orchestrator.model import Status
from orchestrator.store.edits import DERIVED
from orchestrator.store.nextaction import Action
from orchestrator.store.records import LoopRecord

MOST_IDLE = 3
"""So many invocations in a row that change nothing, or leave the same task as it was, are enough."""


@dataclass(frozen=True, slots=True)
class Marks:
    """Digests of the state and the results, and of what there is of one task."""

    whole: str
    task: str


@dataclass(frozen=True, slots=True)
class Count:
    """How many invocations in a row changed nothing, and how many had the same action on the same unchanged task."""

    idle: int
    same: int


def counted(last: LoopRecord, action: Action, task: str | None, before: Marks, after: Marks) -> Count:
    """The counts after an invocation for ``action`` on ``task``; whatever others changed since the last begins anew."""
    is_repeated = (last.action, last.task) == (action, task) and last.task_mark == before.task
    idle = (last.idle if last.mark == before.whole else 0) + 1 if before.whole == after.whole else 0
    same = (last.same if is_repeated else 0) + 1 if before.task == after.task else 0
    return Count(idle, same)


def standstill(last: LoopRecord, whole: str, task_mark: str, action: Action, task: str | None) -> str:
    """Why another invocation would be no use, given the marks as they now are; empty when it may be of use."""
    why = f": {last.reason}" if last.reason else ""
    if last.idle >= MOST_IDLE and last.mark == whole:
        return f"{last.idle} invocations changed nothing{why}"
    is_repeated = (last.action, last.task) == (action, task) and last.task_mark == task_mark
    if last.same >= MOST_IDLE and is_repeated:
        return f"{action} {f'{task} ' if task else ''}{last.same} times, and nothing came of it{why}"
    return ""


def acts_of(events: Sequence[Event]) -> tuple[str, ...]:
    """The actions that ``events`` show, each with its task, in order: ``execute T-02``, ``synthesize``."""
    found: dict[str, None] = {}
    for event in events:
        task = str(event.get("task") or "")
        kind, by = event["type"], event.get("by")
        if kind == EventType.PLAN_CHANGED and by in ("init", "add", "decompose"):
            found["decompose"] = None
        elif kind == EventType.CONTEXT_ADDED and not _is_handed_on(event):
            found[f"gather_context {task}"] = None
        elif kind in _ENDS and not event.get("taken_from"):
            found[f"execute {task}"] = None
        elif kind == EventType.MERGED:
            found["synthesize"] = None
    return tuple(found)


def changes_of(before: Mapping[str, Status], after: Mapping[str, Status], events: Sequence[Event]) -> list[str]:
    """What is different: tasks that moved or are new, gathered material, the plan, the merged result."""
    found = {f"{task} {status}": None for task, status in after.items() if _has_moved(before.get(task), status)}
    new = [task for task in after if task not in before]
    if new:
        found[f"{len(new)} new task{'s' * (len(new) > 1)}"] = None
    for event in events:
        if event["type"] == EventType.CONTEXT_ADDED:
            found[f"context of {event.get('task')}"] = None
        elif event["type"] == EventType.PLAN_CHANGED and not new:
            found["plan"] = None
        elif event["type"] == EventType.MERGED:
            found["final_output.md"] = None
    return list(found)


def _has_moved(old: Status | None, new: Status) -> bool:
    """Whether a task did something itself: what only follows from another task is no move of its own."""
    return old is not None and old is not new and not (old in DERIVED and new in DERIVED)


def _is_handed_on(event: Event) -> bool:
    """Whether it is what `decompose` hands on to a subtask: ``T-02.md`` to ``T-02.1``."""
    source = str(event.get("source") or "")
    return source.endswith(".md") and str(event.get("task")).startswith(source.removesuffix("md"))


_ENDS = (EventType.TASK_COMPLETED, EventType.TASK_FAILED, EventType.TASK_RETRYING)
