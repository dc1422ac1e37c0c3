"""``archive``: orchestrations that have ended, and their requests, put aside."""

from __future__ import annotations

import os
from collections.abc import Sequence

from orchestrator import clock
from orchestrator.commands.place import Place, answer, tell
from orchestrator.desk.queuefolder import QueueFolder
from orchestrator.desk.requestfile import ENDED, Request
from orchestrator.errors import CannotGoOnError, ExitCode, UsageError
from orchestrator.events import EventType
from orchestrator.model import RunState, Status
from orchestrator.paths import DeskPaths, RunPaths
from orchestrator.store.store import Store
from orchestrator.system import files
from orchestrator.system.file_steps import failure
from orchestrator.system.locks import is_held
from orchestrator.wording import excerpt
from orchestrator.workers.orchestrations import orchestrations

DEFAULT_AGE = "7d"
_OVER = frozenset({RunState.COMPLETED, RunState.FAILED})


def archive(place: Place, ids: Sequence[str], *, older_than: str | None = None) -> ExitCode:
    """Put aside the runs that are named, or all that ended so long ago; requests that have ended go with them."""
    desk = DeskPaths.of(place.paths)
    if ids and older_than is not None:
        raise UsageError("ids and --older-than exclude each other", "name runs, or say how old")
    queue = QueueFolder(desk, tell)
    requests = {each.orchestration_id or each.id: each for each in queue.scan()}
    if ids:
        chosen = [_named(desk, name, requests) for name in dict.fromkeys(ids)]
    else:
        chosen = _old(desk, requests, clock.now() - _age_s(older_than or DEFAULT_AGE))
    for name in chosen:
        _put_aside(desk, queue, name, requests.get(name))
    orchestrations(desk, tell)
    kept = os.path.relpath(desk.archived_runs)
    text = f"Archived {len(chosen)}: {', '.join(chosen)}\nNow in {kept}" if chosen else "Nothing to archive."
    answer(place, {"archived": [*chosen], "folder": desk.archived_runs}, text)
    return ExitCode.DONE


def _age_s(text: str) -> float:
    from orchestrator.durations import FORMS, seconds

    try:
        return seconds(text)
    except ValueError as error:
        raise UsageError(f"--older-than: {error}", f"{FORMS}, or 7d") from error


def _named(desk: DeskPaths, name: str, requests: dict[str, Request]) -> str:
    """The run that ``name`` means: its own id, or that of its request."""
    by_request = {request.id: key for key, request in requests.items()}
    key = by_request.get(name, name)
    if os.path.basename(key) == key and (os.path.isdir(desk.run(key).folder) or key in requests):
        return key
    raise UsageError(f"there is no run {excerpt(name)} of the desk", "`orchestrate runs` shows all")


def _old(desk: DeskPaths, requests: dict[str, Request], before: float) -> list[str]:
    """The runs that ended before that time (unix seconds), and requests that ended without one."""
    chosen: list[str] = []
    names = sorted(os.listdir(desk.runs)) if os.path.isdir(desk.runs) else []
    for name in names:
        paths = desk.run(name)
        request = requests.get(name)
        try:
            changed = os.stat(paths.journal).st_mtime
            state = Store.open(paths).state
        except (OSError, CannotGoOnError):
            continue
        is_over = request.status in ENDED if request else state.run_state(clock.now()) in _OVER
        if is_over and changed < before and not state.count(Status.RUNNING):
            chosen.append(name)
    alone = [key for key, each in requests.items() if each.status in ENDED and key not in names]
    return chosen + [key for key in alone if os.path.getmtime(desk.request(requests[key].id)) < before]


def _put_aside(desk: DeskPaths, queue: QueueFolder, name: str, request: Request | None) -> None:
    paths = desk.run(name)
    cost_usd = None
    if os.path.isdir(paths.folder):
        cost_usd = _refuse_active(paths, queue, request)
        target = os.path.join(desk.archived_runs, name)
        files.make_private_folder(desk.archived_runs)
        _rename(paths.folder, target)
    if request is not None:
        files.make_private_folder(desk.archived_requests)
        _rename(desk.request(request.id), os.path.join(desk.archived_requests, f"{request.id}.json"))
        if os.path.exists(desk.log(request.id)):
            _rename(desk.log(request.id), os.path.join(desk.archived_requests, f"{request.id}.log"))
    shown = os.path.relpath(os.path.join(desk.archived_runs, name), desk.project)
    queue.journal.record(EventType.RUN_ARCHIVED, name, kept=shown, cost_usd=cost_usd)


def _refuse_active(paths: RunPaths, queue: QueueFolder, request: Request | None) -> float:
    """Raise where something goes on in the run; what it has cost."""
    state = Store.open(paths).state
    is_worked_on = request is not None and queue.is_worked_on(request.id)
    if is_held(paths.run_lock) or is_worked_on or state.count(Status.RUNNING):
        raise CannotGoOnError(
            f"{state.id} is active", "wait for it, or `orchestrate queue cancel` its request, then archive it"
        )
    return round(state.spent_usd, 6)


def _rename(source: str, target: str) -> None:
    if os.path.lexists(target):
        raise CannotGoOnError(f"there is {target} already", "move it away")
    try:
        os.rename(source, target)
    except OSError as error:
        raise failure("move", source, error) from error
