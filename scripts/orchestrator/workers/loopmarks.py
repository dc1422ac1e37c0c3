"""Digests by which the loop sees whether anything is different: the state, the results, what was gathered."""

from __future__ import annotations

import json
import os

from orchestrator.model import Json
from orchestrator.plans.subtasks import subtasks
from orchestrator.store.loopcourse import Marks
from orchestrator.store.store import Store
from orchestrator.system import files


def marks_of(store: Store, task: str | None) -> Marks:
    """The marks as they now are; for no task the whole stands for it."""
    state, paths = store.state, store.paths
    whole = _digest(
        [
            state.source,
            state.merged_hash,
            [_of_task(store, name) for name in state.tasks],
            [_listing(paths.inside(folder)) for folder in ("results", "context")],
            _stamp(paths.final_output),
        ]
    )
    if task not in state.tasks:
        return Marks(whole, whole)
    own: list[Json] = [
        _of_task(store, str(task)),
        _stamp(paths.context(str(task))),
        [*subtasks(state.tasks, str(task))],
    ]
    return Marks(whole, _digest(own))


def _of_task(store: Store, task: str) -> Json:
    record = store.state.records[task]
    return [task, str(record.status or ""), record.attempt, record.hash, record.approved]


def _listing(folder: str) -> Json:
    try:
        return [[name, *_stamp(os.path.join(folder, name))] for name in sorted(os.listdir(folder))]
    except OSError:
        return []


def _stamp(path: str) -> list[Json]:
    """Size and time of a file; nothing where there is none."""
    try:
        found = os.stat(path)
    except OSError:
        return []
    return [found.st_size, found.st_mtime_ns]


def _digest(value: Json) -> str:
    return files.digest(json.dumps(value, separators=(",", ":")).encode())[7:23]
