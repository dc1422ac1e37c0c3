"""What a task changed in the project, as git sees it, and whether that is more than it may."""

from __future__ import annotations

import os
import subprocess

from orchestrator.globs import covers
from orchestrator.model import Status, Task
from orchestrator.store import Store

SHOWN = 10
_GIT_TIMEOUT_S = 20.0

Changes = dict[str, tuple[int, int] | None]


def snapshot(project: str, task: Task) -> Changes | None:
    """The files that differ from the last commit, with size and time; None for a task without ``writes`` or git."""
    if not task.writes or not os.path.exists(os.path.join(project, ".git")):
        return None
    try:
        done = subprocess.run(
            ["git", "status", "--porcelain", "-z", "--untracked-files=all", "--no-renames"],
            cwd=project,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_GIT_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    if done.returncode:
        return None
    names = [os.fsdecode(entry[3:]) for entry in done.stdout.split(b"\0") if entry]
    return {name: _stamp(os.path.join(project, name)) for name in names}


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
