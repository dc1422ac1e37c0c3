"""The status of a request brought in line with its run, when nobody is at it."""

from __future__ import annotations

import os

from orchestrator import clock
from orchestrator.desk.following import followed
from orchestrator.desk.queuefolder import QueueFolder
from orchestrator.desk.requestfile import Request, RequestStatus
from orchestrator.errors import CannotGoOnError
from orchestrator.store.store import Store
from orchestrator.store.trust import untrusted_parts
from orchestrator.system.locks import is_held

FOLLOWING = frozenset({RequestStatus.PENDING, RequestStatus.BLOCKED, RequestStatus.FAILED})
"""Statuses that may be another one by now, because somebody went on with the run by hand."""
OVER = frozenset({RequestStatus.COMPLETED, RequestStatus.CANCELLED})
"""Statuses that stay, whatever becomes of the run."""


def is_under_way(queue: QueueFolder, request: Request) -> bool:
    """Whether a process works on the request, or a person runs its run."""
    if request.status in OVER or (request.status is not RequestStatus.RUNNING and request.orchestration_id is None):
        return False
    run = queue.paths.run(request.orchestration_id or "-")
    return queue.is_worked_on(request.id) or is_held(run.run_lock)


def follow(queue: QueueFolder, request: Request, store: Store) -> Request:
    """``request`` with the status that follows from its run in ``store``, recorded where it is another one."""
    if request.status not in FOLLOWING:
        return request
    status, reason = followed(store.state, clock.now(), untrusted_parts(store.paths, store.state))
    is_same = status is request.status and (reason in ("", request.reason) or status is not RequestStatus.PENDING)
    if is_same or is_under_way(queue, request):
        return request
    after = queue.change(
        request.id,
        only=frozenset({request.status}),
        cost_usd=round(store.state.spent_usd, 6),
        status=status,
        reason=reason or None,
    )
    return after or request


def as_they_stand(queue: QueueFolder, requests: list[Request]) -> list[Request]:
    """``requests`` for a reader: each follows its run where that can be read and the disk be written."""
    if not os.access(queue.paths.queue, os.W_OK):
        return requests
    return [_as_it_stands(queue, request) for request in requests]


def _as_it_stands(queue: QueueFolder, request: Request) -> Request:
    if request.status not in FOLLOWING or request.orchestration_id is None:
        return request
    paths = queue.paths.run(request.orchestration_id)
    try:
        return follow(queue, request, Store.open(paths)) if os.path.exists(paths.journal) else request
    except CannotGoOnError:
        return request
