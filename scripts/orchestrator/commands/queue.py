"""The queue of requests: ``queue add``, ``list``, ``show``, ``cancel``, ``import``. Taking them is ``queue run``."""

from __future__ import annotations

import os
import signal
import sys
import time

from orchestrator import clock
from orchestrator.commands.given_request import plannable_request
from orchestrator.commands.init import new_id
from orchestrator.commands.session import Place, answer, open_session, tell
from orchestrator.desk.following import CANCELLED
from orchestrator.desk.queuefolder import QueueFolder
from orchestrator.desk.requestfile import (
    DEFAULT_PRIORITY,
    ENDED,
    Request,
    RequestStatus,
    refused,
    requests_of,
)
from orchestrator.errors import CannotGoOnError, ExitCode, InvalidInputError, UsageError
from orchestrator.events import EventType
from orchestrator.model import Json, Priority, Status
from orchestrator.paths import DeskPaths
from orchestrator.render.markdown import one_line
from orchestrator.store.store import Store
from orchestrator.system import files
from orchestrator.system.locks import holder, is_held
from orchestrator.wording import listed
from orchestrator.workers.live import host
from orchestrator.workers.recovery import recover
from orchestrator.workers.request_status import as_they_stand

END_S = 30.0
"""How long the process that works on a cancelled request may take to end its workers before it is killed."""
MOST_IMPORT_BYTES = 64 * 1024 * 1024
_SHOWN = 60


def add(
    place: Place,
    request: str | None,
    *,
    file: str | None = None,
    priority: str | None = None,
    role: str | None = None,
    orchestrate: bool | None = None,
) -> ExitCode:
    """Put a request into the queue; ``orchestrate`` overrules triage, ``role`` says who does it as one task."""
    desk = DeskPaths.of(place.paths)
    text = plannable_request(request, file, "queue add")
    if role is not None:
        if orchestrate:
            raise UsageError("--role and --orchestrate exclude each other", "a role does one task; a plan has several")
        from orchestrator.desk.projectroles import find_roles

        role, orchestrate = find_roles(desk.project, desk.folder).role(role).name, False
    made = Request(
        id=new_id(_slug(text)),
        request=text,
        orchestration_required=orchestrate,
        priority=_priority(priority),
        assigned_to=role,
        created_at=clock.now(),
    )
    queue = QueueFolder(desk, tell)
    queue.add([made], "add")
    answer(place, made.record(), f"Added {made.id} ({made.priority}).{_hint(queue)}")
    return ExitCode.DONE


def import_requests(place: Place, file: str) -> ExitCode:
    """Put every request of a JSON list into the queue, all or none."""
    data = _data(file, MOST_IMPORT_BYTES)
    requests, problems = requests_of(data, lambda text: new_id(_slug(text)), clock.now())
    if problems:
        raise refused(file, problems)
    queue = QueueFolder(DeskPaths.of(place.paths), tell)
    queue.add(requests, "import")
    ids = [request.id for request in requests]
    answer(place, {"added": [*ids]}, f"Added {len(ids)}: {listed(ids)}.{_hint(queue)}")
    return ExitCode.DONE


def list_requests(place: Place, *, status: str | None = None) -> ExitCode:
    """A line for each request, the one to take first in front, those that have ended at the end."""
    if status is not None and status.casefold() not in list(RequestStatus):
        raise UsageError(f"there is no status {status!r}", "one of " + ", ".join(RequestStatus))
    queue = QueueFolder(DeskPaths.of(place.paths), tell)
    found = as_they_stand(queue, queue.scan())
    requests = [each for each in found if status is None or each.status == status.casefold()]
    requests.sort(key=lambda each: each.status in ENDED)
    counts: dict[str, Json] = {str(each): sum(one.status is each for one in requests) for each in RequestStatus}
    record: Json = {
        "requests": [each.record() for each in requests],
        "counts": counts,
        "desk": is_held(queue.paths.watch_lock),
    }
    lines = [_line(each) for each in requests] or ["The queue is empty."]
    answer(place, record, "\n".join(lines))
    return ExitCode.DONE


def show(place: Place, id: str) -> ExitCode:
    """One request, and where its run stands."""
    desk = DeskPaths.of(place.paths)
    queue = QueueFolder(desk, tell)
    (request,) = as_they_stand(queue, [queue.request(id)])
    run: Json = None
    lines = [_line(request), "", request.request, ""]
    if request.orchestration_id is not None and os.path.exists(desk.run(request.orchestration_id).journal):
        from orchestrator.render.status import run_record, status_text
        from orchestrator.workers.integrity import is_merged

        paths = desk.run(request.orchestration_id)
        store, now = Store.open(paths), clock.now()
        merged = is_merged(store)
        run = {**run_record(store.state, now, is_merged=merged), "folder": paths.shown_folder}
        lines += [status_text(store.state, now, is_merged=merged), ""]
        lines += [f"Its run: orchestrate status --dir {paths.shown_folder}"]
    elif os.path.exists(desk.log(id)):
        lines += [f"What was printed: {os.path.relpath(desk.log(id))}"]
    answer(place, {**request.record(), "run": run}, "\n".join(lines).rstrip())
    return ExitCode.DONE


def cancel(place: Place, id: str, *, reason: str = "") -> ExitCode:
    """Take a request off the queue; when it is being worked on, its workers are ended and their tasks put back."""
    desk = DeskPaths.of(place.paths)
    queue = QueueFolder(desk, tell)
    request = queue.request(id)
    if request.status in ENDED:
        raise InvalidInputError(f"{id} is {request.status}", "only what has not ended can be cancelled")
    words = reason.strip() or "cancelled by hand"
    open_statuses = frozenset(RequestStatus) - ENDED
    after = queue.change(id, only=open_statuses, status=RequestStatus.CANCELLED, reason=words)
    if after is None or after.status is not RequestStatus.CANCELLED:
        raise InvalidInputError(
            f"{id} is {after.status if after else 'gone'} by now", "look at `orchestrate queue list`"
        )
    ended = _end_work(desk, queue, after)
    told = f", {listed(ended)} put back" if ended else ""
    answer(place, {**after.record(), "ended": [*ended]}, f"Cancelled {id}{told}.")
    return ExitCode.DONE


def _end_work(desk: DeskPaths, queue: QueueFolder, request: Request) -> list[str]:
    """End whatever works on the request and hold its run; the tasks that were under way."""
    if request.orchestration_id is None:
        return []
    paths = desk.run(request.orchestration_id)
    running: list[str] = []
    if os.path.exists(paths.journal):
        store = Store.open(paths, tell)
        running = store.state.with_status(Status.RUNNING)
        with store.change() as change:
            change.record(EventType.PAUSED, kind=CANCELLED, reason=f"the request was cancelled: {request.reason}")
    _end_holder(desk.work_lock(request.id))
    if os.path.exists(paths.journal):
        _end_holder(paths.run_lock)
        recover(store)
        open_session(Place(paths)).show()
    return running


def _end_holder(lock: str) -> None:
    """End the process that holds ``lock`` on this machine: asked first, killed when it takes too long."""
    asked, give_up = 0, time.monotonic() + END_S
    while is_held(lock):
        other = holder(lock)
        if other is None or other.host != host() or other.pid == os.getpid():
            raise CannotGoOnError(f"{lock} is held by another machine", "end that process there")
        is_late = time.monotonic() >= give_up
        if other.pid != asked or is_late:
            asked = other.pid
            _signal(other.pid, is_late)
        if time.monotonic() >= give_up + END_S:
            raise CannotGoOnError(f"process {other.pid} does not end", "end it, then cancel again")
        time.sleep(0.05)


def _signal(pid: int, is_late: bool) -> None:
    try:
        os.kill(pid, getattr(signal, "SIGKILL", signal.SIGTERM) if is_late else signal.SIGTERM)
    except OSError:
        pass


def _data(file: str, most: int) -> bytes:
    """The bytes of a file, or with ``-`` of stdin; raises where there are too many."""
    if file == "-":
        data = sys.stdin.buffer.read(most + 1)
    else:
        if os.path.isdir(file) or not os.path.exists(file):
            raise UsageError(f"there is no file {file}", "name a file, or `-` for stdin")
        if os.path.getsize(file) > most:
            raise UsageError(f"{file} has {os.path.getsize(file):,} bytes, at most {most:,} are read", "split it")
        data = files.read_bytes_or_none(file) or b""
    if len(data) > most:
        raise UsageError(f"at most {most:,} bytes are read", "split it")
    return data


def _priority(text: str | None) -> Priority:
    if text is None:
        return DEFAULT_PRIORITY
    if text.upper() not in list(Priority):
        raise UsageError(f"there is no priority {text!r}", "one of " + ", ".join(Priority))
    return Priority(text.upper())


def _slug(text: str) -> str:
    """The first words of a request, for its id."""
    from orchestrator.plans.spec import derived_name

    return derived_name(text)


def _line(request: Request) -> str:
    who = f" → {request.assigned_to}" if request.assigned_to else ""
    why = f" ({one_line(request.reason, 100)})" if request.reason else ""
    return f"{request.id}  {request.status:<9}  {request.priority}  {one_line(request.request, _SHOWN)}{who}{why}"


def _hint(queue: QueueFolder) -> str:
    """What a person does next, where nobody takes requests."""
    return "" if is_held(queue.paths.watch_lock) else " `orchestrate queue run --once` works on it."
