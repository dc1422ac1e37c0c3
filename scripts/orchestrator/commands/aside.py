"""An old run put aside for a new one, and put back when the new one does not come about."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from orchestrator import clock
from orchestrator.errors import CannotGoOnError
from orchestrator.model import Status
from orchestrator.paths import RunPaths
from orchestrator.store.store import Store
from orchestrator.system import files
from orchestrator.system.locks import is_held
from orchestrator.workers.recovery import recover

STAYING = ("templates", "roles", "desk.yaml", "queue", "runs")
"""What belongs to the project and not to one run."""


def put_aside(paths: RunPaths) -> str:
    """Rename the folder of the run; where it is kept now. Refuses while something is running in it."""
    _refuse_active(paths)
    stamp = clock.utc_text(clock.now()).replace(":", "").replace("-", "")[:15]
    kept, number = f"{paths.folder}.{stamp}.old", 1
    while os.path.lexists(kept):
        number += 1
        kept = f"{paths.folder}.{stamp}-{number}.old"
    os.rename(paths.folder, kept)
    files.make_private_folder(paths.folder)
    _move(STAYING, kept, paths.folder)
    return kept


@contextmanager
def undoing(paths: RunPaths, kept: str | None, plan: bytes) -> Iterator[None]:
    """While a run of ``plan`` is made in the folder: when that fails, everything is as it was before.

    A table or another plan that lies in its way is kept beside its place. Everything is put back by renaming, which
    a full disk does not hinder.
    """
    in_the_way = [paths.table] if os.path.lexists(paths.table) else []
    in_the_way += [paths.plan] if files.read_bytes_or_none(paths.plan) not in (None, plan) else []
    beside = [(_keep_beside(path), path) for path in in_the_way]
    before = set(os.listdir(paths.folder)) if os.path.isdir(paths.folder) else None
    try:
        yield
    except BaseException:
        _undo(paths, kept, before)
        for old, path in beside:
            os.rename(old, path)
        raise


def _undo(paths: RunPaths, kept: str | None, before: set[str] | None) -> None:
    from shutil import rmtree

    if not os.path.isdir(paths.folder):
        return
    for name in set(os.listdir(paths.folder)) - (before or set()):
        path = paths.inside(name)
        if os.path.isdir(path) and not os.path.islink(path):
            rmtree(path, ignore_errors=True)
        else:
            os.unlink(path)
    if kept is not None:
        _move(STAYING, paths.folder, kept)
    if kept is not None or before is None:
        os.rmdir(paths.folder)
    if kept is not None:
        os.rename(kept, paths.folder)


def _refuse_active(paths: RunPaths) -> None:
    if is_held(paths.run_lock):
        raise CannotGoOnError("the old run is active", "end it with Ctrl-C where it runs, then `init --force`")
    try:
        store = Store.open(paths)
        recover(store)
    except CannotGoOnError:
        return  # too damaged to be read, and so nothing in it can go on
    running = [task for task in store.state.with_status(Status.RUNNING) if store.state.records[task].supervisor]
    if running:
        raise CannotGoOnError(
            f"the old run is active: {', '.join(running)} has a worker", "wait for it, or `orchestrate skip` it first"
        )


def _keep_beside(path: str) -> str:
    kept, number = f"{path}.old", 1
    while os.path.lexists(kept):
        number += 1
        kept = f"{path}.old-{number}"
    os.rename(path, kept)
    return kept


def _move(names: tuple[str, ...], source: str, target: str) -> None:
    for name in names:
        if os.path.lexists(os.path.join(source, name)):
            os.rename(os.path.join(source, name), os.path.join(target, name))
