"""Whether the results are still what was recorded: the hash in the completion record tells."""

from __future__ import annotations

import os

from orchestrator import files
from orchestrator.model import Status
from orchestrator.store import Store


def changed_results(store: Store) -> list[str]:
    """A line for each completed task whose result file is gone or is not what was recorded."""
    found = []
    for task in store.state.with_status(Status.COMPLETED):
        fault = result_fault(store, task)
        if fault:
            found.append(f"{task}: {fault}")
    return found


def result_fault(store: Store, task: str) -> str:
    """What is wrong with the recorded result file of ``task``; empty when it is as recorded."""
    record = store.state.records[task]
    if not record.result or not record.hash:
        return ""
    data = files.read_bytes_or_none(store.paths.inside(*record.result.split("/")))
    if data is None:
        return f"the result {record.result} is missing"
    if files.digest(data) != record.hash:
        return f"the result {os.path.basename(record.result)} was changed after it was recorded"
    return ""
