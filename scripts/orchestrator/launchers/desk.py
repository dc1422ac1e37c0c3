"""The desk: takes requests from the queue, one process for each, as many at once as its limits allow.

It decides and starts, and nothing else: a request is worked on by a process of its own (``queue work``), in a session
of its own, so that a desk that is killed harms none of them. Whoever works on a request holds its lock; a request that
is running while nobody holds its lock was left by a dead one and is taken up again.
"""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable

from orchestrator import clock
from orchestrator.dataclasses import dataclass, field
from orchestrator.desk.following import ASKED_AGAIN, may_go_on
from orchestrator.desk.queuefolder import QueueFolder
from orchestrator.desk.requestfile import Request, RequestStatus
from orchestrator.errors import CannotGoOnError
from orchestrator.events import EventType
from orchestrator.launchers.neighbours import Neighbours, SettingsFile
from orchestrator.paths import DeskPaths, RunPaths
from orchestrator.store.schedule import Elsewhere
from orchestrator.store.state import DONE, State
from orchestrator.store.store import Store
from orchestrator.system import files
from orchestrator.workers.recovery import recover
from orchestrator.workers.request_status import FOLLOWING, OVER, follow, is_under_way

POLL_S = 0.25
"""How often the folder of the queue is looked at, with one ``stat``."""
LOOK_S = 2.0
"""How often it is looked whether what held a request is gone."""
ASK_AGAIN_S = 600.0
"""After so long a request that the model's provider had refused is tried again."""
MOST_CRASHES = 3
"""So often a request is taken up again whose process ended without a word."""
MOST_IN_VAIN = 3
"""A request that came back so often with no task done waits as one that the provider had refused."""
END_S = 60.0
"""How long processes may take to end before they are killed; each ends its workers in a few seconds."""

_NOT_BEGUN = State()


@dataclass
class Desk:
    """One desk at work. ``start`` starts the process that works on a request; ``changed`` is told of each change.

    ``seen`` are the requests that it has taken, or whose status it has changed.
    """

    paths: DeskPaths
    queue: QueueFolder
    settings: SettingsFile
    start: Callable[[Request], subprocess.Popen[bytes]]
    tell: Callable[[str], None]
    changed: Callable[[], None]
    slots: int
    interrupted: threading.Event = field(default_factory=threading.Event)
    seen: list[str] = field(default_factory=list)
    _children: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    _tried: dict[str, float] = field(default_factory=dict)
    _crashes: Counter[str] = field(default_factory=Counter)
    _in_vain: Counter[str] = field(default_factory=Counter)
    _done: dict[str, int] = field(default_factory=dict)
    _stores: dict[str, tuple[tuple[int, int], Store]] = field(default_factory=dict)
    _is_told: bool = False
    _fault: str = ""

    def run(self, *, until_empty: bool) -> None:
        """Work until interrupted, or with ``until_empty`` until nothing more can be taken and nothing is under way."""
        files.make_private_folder(self.paths.runs)
        self._neighbours = Neighbours(self.paths.run("-"))
        seen: object = None
        looked = float("-inf")
        try:
            while not self.interrupted.is_set():
                has_ended = self._collect()
                stamp = self.queue.stamp()
                now = time.monotonic()
                if has_ended or stamp != seen or self.queue.has_unread() or now - looked >= LOOK_S:
                    seen, looked = stamp, now
                    is_busy = self._look() if until_empty else self._look_whatever_happens()
                    if until_empty and not is_busy:
                        return
                self.interrupted.wait(POLL_S)
        finally:
            self._end()

    # -- one look --------------------------------------------------------------------------------

    def _look_whatever_happens(self) -> bool:
        """Look, as one who watches: a full disk is told once, and looked at again later."""
        try:
            is_busy = self._look()
        except CannotGoOnError as error:
            if error.message != self._fault:
                self.tell(f"{error.message} (try: {error.advice})")
            self._fault = error.message
            return True
        self._fault = ""
        return is_busy

    def _look(self) -> bool:
        """Take what can be taken; whether anything is under way or may still become a request."""
        requests = [self._followed(request) for request in self.queue.scan()]
        working = {request.id for request in requests if self._is_under_way(request)}
        settings = self.settings.settings()
        for request in requests:
            if len(working) >= settings.max_runs or self.interrupted.is_set():
                break
            if request.id not in working and self._is_takeable(request) and self._has_money():
                self._take(request)
                working.add(request.id)
        if self._children:
            self.changed()
        return bool(working) or self.queue.has_unread()

    def _is_under_way(self, request: Request) -> bool:
        return request.id in self._children or is_under_way(self.queue, request)

    def _followed(self, request: Request) -> Request:
        """``request`` with the status that follows from its run, if nobody is at it."""
        if request.id in self._children or request.status in OVER:
            return request
        store = self._store(request)
        if request.status is RequestStatus.RUNNING and not self._is_under_way(request):
            self.tell(f"{request.id}: whoever worked on it is gone; it is taken up again")
            self._tried.pop(request.id, None)
            if store is not None:
                recover(store)  # its workers would go on until its turn comes
            return self._changed(request, RequestStatus.PENDING, "the process that worked on it is gone")
        if request.status not in FOLLOWING or request.orchestration_id is None:
            return request
        if store is None:
            self._note_loss(request)
            return request
        after = follow(self.queue, request, store)
        if after.status is not request.status:
            self._note(after)
        return after

    def _is_takeable(self, request: Request) -> bool:
        if request.status is not RequestStatus.PENDING:
            return False
        if self._in_vain[request.id] >= MOST_IN_VAIN and not self._may_try(request.id):
            return False
        store = self._store(request)
        if store is None:
            return request.reason is None or self._may_try(request.id)
        pause = store.state.pause
        if pause is not None and pause.kind in ASKED_AGAIN and pause.holds(clock.now()):
            return self._may_try(request.id)
        return may_go_on(store.state, clock.now(), self.slots, self._elsewhere())

    def _may_try(self, id: str) -> bool:
        """Whether it is time to try again what may have been mended, which only trying shows."""
        return time.monotonic() - self._tried.get(id, float("-inf")) >= ASK_AGAIN_S

    def _has_money(self) -> bool:
        """Whether the desk has money left; told once when it has none."""
        left = self._elsewhere().money_in_the_end_usd
        has_money = left is None or left > 0
        if not has_money and not self._is_told:
            self.tell("the budget of the desk is used up; raise budget_usd in desk.yaml")
        self._is_told = not has_money
        return has_money

    def _elsewhere(self) -> Elsewhere:
        """What all runs together leave to one that has not begun."""
        return self._neighbours.elsewhere(_NOT_BEGUN)

    def _take(self, request: Request) -> None:
        self._tried[request.id] = time.monotonic()
        self._done[request.id] = self._done_tasks(request)
        taken = self.queue.change(
            request.id, only=frozenset({RequestStatus.PENDING}), status=RequestStatus.RUNNING, reason=None
        )
        if taken is None or taken.status is not RequestStatus.RUNNING:
            return  # cancelled or removed meanwhile
        try:
            self._children[request.id] = self.start(taken)
        except OSError as error:
            self._changed(taken, RequestStatus.PENDING, f"no process could be started: {error.strerror}")
            return
        if request.id not in self.seen:
            self.seen.append(request.id)
        self.tell(f"{request.id}: taken ({request.priority})")

    # -- what became of it -----------------------------------------------------------------------

    def _collect(self) -> bool:
        """Note which processes have ended; whether any has."""
        ended = {id: code for id, child in self._children.items() if (code := child.poll()) is not None}
        for id, code in ended.items():
            del self._children[id]
            request = self.queue.find(id)
            if request is not None and request.status is RequestStatus.RUNNING and not self._is_under_way(request):
                self._crashes[id] += 1
                request = self._crashed(request, code)
            if request is not None:
                is_vain = request.status is RequestStatus.PENDING and self._done_tasks(request) == self._done.get(id)
                self._in_vain[id] = self._in_vain[id] + 1 if is_vain else 0
                self._note(request)
        if ended:
            self.changed()
        return bool(ended)

    def _note(self, request: Request) -> None:
        """Say where a request now stands."""
        self.tell(f"{request.id}: {request.status}{f': {request.reason}' if request.reason else ''}")
        if request.id not in self.seen:
            self.seen.append(request.id)

    def _crashed(self, request: Request, code: int) -> Request:
        log = os.path.relpath(self.paths.log(request.id), self.paths.project)
        how = f"was killed by signal {-code}" if code < 0 else f"ended with {code}"
        reason = f"the process that worked on it {how}; see {log}"
        gives_up = self._crashes[request.id] >= MOST_CRASHES
        status = RequestStatus.BLOCKED if gives_up else RequestStatus.PENDING
        self._tried.pop(request.id, None)
        return self._changed(request, status, reason)

    def _end(self) -> None:
        """Ask what was started here to end; each puts its tasks back and its request on the queue again."""
        for child in self._children.values():
            child.terminate()
        give_up = time.monotonic() + END_S
        for child in self._children.values():
            try:
                child.wait(max(0.0, give_up - time.monotonic()))
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        self._collect()

    # -- what is known ---------------------------------------------------------------------------

    def _run(self, request: Request) -> RunPaths:
        return self.paths.run(request.orchestration_id or "-")

    def _store(self, request: Request) -> Store | None:
        """The run of the request; None where there is none, or it cannot be read."""
        if request.orchestration_id is None:
            return None
        paths = self._run(request)
        try:
            found = os.stat(paths.journal)
            stamp = found.st_mtime_ns, found.st_size
            known = self._stores.get(request.id)
            if known is None or known[0] != stamp:
                known = self._stores[request.id] = stamp, Store.open(paths)
        except (OSError, CannotGoOnError):
            self._stores.pop(request.id, None)
            return None
        return known[1]

    def _done_tasks(self, request: Request) -> int:
        store = self._store(request)
        return sum(store.state.count(status) for status in DONE) if store is not None else 0

    def _note_loss(self, request: Request) -> None:
        """Say once that the run of a request was there and is not any more."""
        run = request.orchestration_id or ""
        self.queue.journal.refresh()
        if run not in self.queue.journal.run_usd or os.path.exists(self._run(request).folder):
            return
        reason = "its folder was removed"
        self.queue.journal.record(
            EventType.RUN_LOST, run, request=request.id, reason=reason, cost_usd=self.queue.journal.run_usd[run]
        )
        self.queue.change(request.id, orchestration_id=None)
        self.tell(f"{request.id}: the folder of its run {run} was removed")

    def _changed(self, request: Request, status: RequestStatus, reason: str) -> Request:
        """The request after its status was changed, unless somebody else was faster."""
        after = self.queue.change(request.id, only=frozenset({request.status}), status=status, reason=reason)
        return after or request
