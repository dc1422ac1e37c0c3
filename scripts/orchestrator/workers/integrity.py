"""Whether the results are still what was recorded, and still made from what their dependencies say."""

from __future__ import annotations

import os

from orchestrator.errors import CannotGoOnError
from orchestrator.model import Status
from orchestrator.store.state import DONE, State
from orchestrator.store.store import Store
from orchestrator.system import files


def changed_results(store: Store) -> list[str]:
    """A line for each completed task whose result file is gone or is not what was recorded."""
    faults = ((task, result_fault(store, task)) for task in store.state.with_status(Status.COMPLETED))
    return [f"{task}: {fault}" for task, fault in faults if fault]


def result_fault(store: Store, task: str) -> str:
    """What is wrong with the recorded result file of ``task``; empty when it is as recorded."""
    record = store.state.records[task]
    if not record.result or not record.hash:
        return ""
    data = files.read_own_or_none(store.paths.inside(*record.result.split("/")))
    if data is None:
        return f"the result {record.result} is missing"
    if files.digest(data) != record.hash:
        return f"the result {os.path.basename(record.result)} was changed after it was recorded"
    return ""


def is_merged(store: Store) -> bool:
    """Whether ``final_output.md`` is there as it was made from all results as now recorded."""
    wanted = store.state.merged_hash
    if wanted is None:
        return False
    try:
        data = files.read_own_or_none(store.paths.final_output)
    except CannotGoOnError:
        return False  # a link or a folder in its place is not what was made
    return data is not None and files.digest(data) == wanted


def outdated(state: State, task: str) -> str:
    """Why the work on ``task`` may no longer hold: what it depends on was opened, added or done again meanwhile."""
    if state.status(task) not in (Status.COMPLETED, Status.RUNNING):
        return ""
    deps = state.tasks[task].dep_ids
    began = state.records[task].start or 0.0
    is_open = [dep for dep in deps if state.status(dep) not in DONE]
    is_newer = [dep for dep in deps if state.status(dep) is Status.COMPLETED and (state.records[dep].end or 0) > began]
    words = [f"{', '.join(is_open)}, which it depends on, is open again"] * bool(is_open)
    words += [f"{', '.join(is_newer)}, which it depends on, was completed after it began"] * bool(is_newer)
    return f"{task} is {state.status(task)}, but {' and '.join(words)}: look whether it still holds" if words else ""
