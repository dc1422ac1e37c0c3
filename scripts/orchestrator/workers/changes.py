"""What a task changed in the project, as git sees it, and whether that is more than it may."""

from __future__ import annotations

import os

from orchestrator.model import Status, Task
from orchestrator.plans.globs import covers
from orchestrator.store.store import Store
from orchestrator.workers.git import git_entries

SHOWN = 10

Changes = dict[str, tuple[int, int] | None]


def snapshot(project: str, task: Task) -> Changes | None:
    """The files that differ from the last commit, with size and time; None for a task without ``writes`` or git."""
    if not task.writes or not os.path.exists(os.path.join(project, ".git")):
        return None
    entries = git_entries(project, "status", "--porcelain", "-z", "--untracked-files=all", "--no-renames")
    if entries is None:
        return None
    return {name: _stamp(os.path.join(project, name)) for name in (entry[3:] for entry in entries)}


def outside_writes(project: str, task: Task, before: Changes | None, store: Store) -> list[str]:
    """The files that changed while ``task`` ran, that it may not change and no other running task may."""
    if before is None:
        return []
    after = snapshot(project, task)
    if after is None:
        return []
    changed = [name for name in {**before, **after} if before.get(name, ()) != after.get(name, ())]
    allowed = [*task.writes, *task.outputs]
    with store.reading() as state:
        for other in state.with_status(Status.RUNNING):
            allowed += [*state.tasks[other].writes, *state.tasks[other].outputs]
    outside = sorted(name for name in changed if not any(covers(glob, name) for glob in allowed))
    outside = [name for name in outside if not name.startswith(".orchestrator/")]
    return [*outside[:SHOWN], *([f"and {len(outside) - SHOWN} more"] if len(outside) > SHOWN else [])]


def _stamp(path: str) -> tuple[int, int] | None:
    try:
        found = os.lstat(path)
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns
