"""What a task changed in the project, as git sees it, and whether that is more than it may."""

from __future__ import annotations

import os

from orchestrator.dataclasses import dataclass
from orchestrator.model import Status, Task
from orchestrator.store.store import Store
from orchestrator.workers.git import git_entries

SHOWN = 10

_EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
"""What a repository without a commit is compared with."""
_FIELDS_BEFORE_PATH = {"1": 8, "u": 10, "?": 1}
"""The words before the path, by the kind of an entry of ``git status --porcelain=v2``."""

Stamp = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Tree:
    """The project at one moment: the commit, and the files that differ from it, with size and time (None: gone)."""

    commit: str
    files: dict[str, Stamp | None]


def look(project: str, folder: str) -> Tree | None:
    """What git says of ``project``, except of ``folder``, where the run is kept; None where there is no git."""
    top = _top(project)
    if top is None:
        return None
    words = ["status", "--porcelain=v2", "--branch", "-z", "--untracked-files=all", "--no-renames", "--ignored=no"]
    entries = git_entries(project, *words, "--", *_asked(project, folder))
    if entries is None:
        return None
    prefix = os.path.relpath(os.path.realpath(project), top).replace(os.sep, "/") + "/"
    commit, names = _EMPTY_TREE, []
    for entry in entries:
        kind = entry[:1]
        if entry.startswith("# branch.oid ") and "(" not in entry:
            commit = entry.split(" ")[2]
        elif kind in _FIELDS_BEFORE_PATH:
            name = entry.split(" ", _FIELDS_BEFORE_PATH[kind])[-1]
            names.append(name.removeprefix(prefix))
    return Tree(commit, {name: _stamp(os.path.join(project, name)) for name in names})


def outside_writes(store: Store, task: Task, before: Tree | None) -> list[str]:
    """The files that changed while ``task`` ran, that it may not change and no other running task may."""
    paths = store.paths
    after = look(paths.project, paths.folder) if before is not None else None
    if before is None or after is None:
        return []
    from orchestrator.plans.globs import covers

    names = {*before.files, *after.files, *_committed(paths.project, paths.folder, before.commit, after.commit)}
    changed = [name for name in names if before.files.get(name, ()) != _stamp(os.path.join(paths.project, name))]
    allowed = [*task.writes, *task.outputs]
    with store.reading() as state:
        for other in state.with_status(Status.RUNNING):
            allowed += [*state.tasks[other].writes, *state.tasks[other].outputs]
    outside = sorted(name for name in changed if not any(covers(glob, name) for glob in allowed))
    return [*outside[:SHOWN], *([f"and {len(outside) - SHOWN} more"] if len(outside) > SHOWN else [])]


def _top(project: str) -> str | None:
    """The folder of the repository that ``project`` is in."""
    folder = os.path.realpath(project)
    while not os.path.exists(os.path.join(folder, ".git")):
        folder, below = os.path.dirname(folder), folder
        if folder == below:
            return None
    return folder


def _committed(project: str, folder: str, before: str, after: str) -> list[str]:
    """The files that differ between two commits."""
    if before == after:
        return []
    words = ["diff", "--name-only", "-z", "--no-renames", "--relative", before, after]
    return git_entries(project, *words, "--", *_asked(project, folder)) or []


def _asked(project: str, folder: str) -> list[str]:
    """The files that git is asked about, as it takes them: the project without the folder of the run."""
    inside = os.path.relpath(folder, project).replace(os.sep, "/")
    return ["."] if inside.startswith("../") or inside == "." else [".", f":(exclude,literal){inside}"]


def _stamp(path: str) -> Stamp | None:
    try:
        found = os.lstat(path)
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns
