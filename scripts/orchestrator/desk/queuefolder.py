"""The queue on disk: one file for each request, changed under a lock, added by any program by rename."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from orchestrator import clock
from orchestrator.dataclasses import replace
from orchestrator.desk.requestfile import LARGEST_FILE, Request, RequestReading, RequestStatus, read_request
from orchestrator.errors import CannotGoOnError, Problem, UsageError
from orchestrator.events import EventType
from orchestrator.paths import DeskPaths
from orchestrator.store.deskjournal import DeskJournal
from orchestrator.system import files
from orchestrator.system.file_steps import failure
from orchestrator.system.locks import FileLock, is_held
from orchestrator.wording import excerpt, nearest

FRESH_S = 1.0
"""A file that is no request and changed so lately may still be being written."""

_Stamp = tuple[int, int, int]


class QueueFolder:
    """The requests of one desk. ``tell`` gets a line for each file that is set aside."""

    def __init__(self, paths: DeskPaths, tell: Callable[[str], None]) -> None:
        self.paths = paths
        self.journal = DeskJournal(paths)
        self._tell = tell
        self._known: dict[str, tuple[_Stamp, RequestReading]] = {}
        self._announced: set[str] = set()

    def scan(self) -> list[Request]:
        """Every request, the one to take first in front; what is none is set aside, where the disk can be written."""
        seen: dict[str, tuple[_Stamp, RequestReading]] = {}
        for entry in self._entries():
            name = entry.name.removesuffix(".json")
            try:
                found = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue
            stamp = (found.st_mtime_ns, found.st_size, found.st_ino)
            known = self._known.get(name)
            reading = known[1] if known and known[0] == stamp else _reading(entry.path, name, found)
            if reading.request is not None or time.time() - found.st_mtime < FRESH_S:
                seen[name] = stamp, reading
            else:
                self._set_aside(entry.path, reading.problems)
        self._known = seen
        return sorted((each.request for _, each in seen.values() if each.request), key=lambda request: request.turn)

    def has_unread(self) -> bool:
        """Whether the last scan saw a file that is no request and may still become one."""
        return any(reading.request is None for _, reading in self._known.values())

    def request(self, id: str) -> Request:
        """The request ``id``; raises ``UsageError`` where there is none."""
        request = self.find(id)
        if request is not None:
            return request
        near = nearest(id, (entry.name.removesuffix(".json") for entry in self._entries()))
        advice = f"did you mean {near}?" if near else "`orchestrate queue list` shows all"
        raise UsageError(f"there is no request {excerpt(id)}", advice)

    def find(self, id: str) -> Request | None:
        """The request ``id`` as it now is; None where there is none that can be read."""
        path = self.paths.request(os.path.basename(id))
        try:
            found = os.lstat(path)
        except OSError:
            return None
        return _reading(path, id, found).request

    def add(self, requests: Sequence[Request], by: str) -> None:
        """Put new requests into the queue, all or none; raises where an id is taken."""
        with self._locked():
            if taken := [request.id for request in requests if os.path.lexists(self.paths.request(request.id))]:
                raise CannotGoOnError(f"there is a request {taken[0]} already", "give it another id")
            for request in requests:
                files.write_whole(self.paths.request(request.id), request.text())
                self.journal.record_locked(
                    EventType.REQUEST_ADDED, request=request.id, priority=str(request.priority), by=by
                )

    def change(
        self, id: str, *, only: frozenset[RequestStatus] | None = None, cost_usd: float | None = None, **fields: object
    ) -> Request | None:
        """Change fields of a request, and record it where its status or reason is another one.

        ``only``: nothing is changed when it has another status by now, such as one that a person cancelled. The
        answer is the request as it then is; None when it is gone.
        """
        with self._locked():
            before = self.find(id)
            if before is None or (only is not None and before.status not in only):
                return before
            after = replace(before, **fields)  # type: ignore[arg-type]  # the callers name fields of Request
            if after == before:
                return after
            files.write_whole(self.paths.request(id), after.text())
            if (after.status, after.reason) != (before.status, before.reason):
                self.journal.record_locked(
                    EventType.REQUEST_CHANGED,
                    after.orchestration_id,
                    request=id,
                    status=str(after.status),
                    reason=after.reason,
                    cost_usd=cost_usd,
                )
            return after

    def is_worked_on(self, id: str) -> bool:
        """Whether a process works on the request now."""
        return is_held(self.paths.work_lock(id))

    def work_lock(self, id: str) -> FileLock:
        """The lock that the process which works on a request holds."""
        self._make_folders()
        return FileLock(self.paths.work_lock(id))

    def watch_lock(self) -> FileLock:
        """The lock of the one desk that is active."""
        self._make_folders()
        return FileLock(self.paths.watch_lock)

    def stamp(self) -> tuple[int, int] | None:
        """What changes when a request is added, changed or removed; None where there is no queue."""
        try:
            found = os.stat(self.paths.queue)
        except OSError:
            return None
        return found.st_mtime_ns, found.st_ino

    def _entries(self) -> list[os.DirEntry[str]]:
        try:
            with os.scandir(self.paths.queue) as entries:
                return [
                    entry
                    for entry in entries
                    if entry.name.endswith(".json")
                    and not entry.name.startswith(".")
                    and not entry.is_dir(follow_symlinks=False)
                ]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise failure("read", self.paths.queue, error) from error

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self._make_folders()
        with FileLock(self.paths.queue_lock, signed=False):
            yield

    def _make_folders(self) -> None:
        for folder in (self.paths.folder, self.paths.queue, os.path.dirname(self.paths.queue_lock)):
            if os.path.islink(folder) and not files.is_inside(self.paths.project, folder):
                raise CannotGoOnError(f"{folder} is a symbolic link out of the project", "put a folder in its place")
            files.make_private_folder(folder)

    def _set_aside(self, path: str, problems: Sequence[Problem]) -> None:
        """Move what is no request out of the queue, and say why; on a read-only disk only say it."""
        name = os.path.basename(path)
        reason = "; ".join(problem.text() for problem in problems)
        try:
            files.make_private_folder(self.paths.refused)
            stamp = clock.utc_text(clock.now()).replace(":", "").replace("-", "")[:15]
            kept = os.path.join(self.paths.refused, f"{name.removesuffix('.json')[:180]}.{stamp}.json")
            with self._locked():
                os.rename(path, kept)
                shown = os.path.relpath(kept, self.paths.project)
                self.journal.record_locked(EventType.REQUEST_REFUSED, file=name, reason=reason, kept=shown)
        except FileNotFoundError:
            return  # another process was faster
        except (OSError, CannotGoOnError):
            if name in self._announced:
                return
            self._announced.add(name)
            self._tell(f"queue/{name} is no request: {reason}")
            return
        self._tell(f"queue/{name} is no request and was set aside in {shown}: {reason}")


def _reading(path: str, name: str, found: os.stat_result) -> RequestReading:
    """What the file says; whatever keeps it from being read is a problem of it."""
    if not stat.S_ISREG(found.st_mode):
        return RequestReading(None, (Problem("it is a link or no plain file", "put the file itself here"),))
    if found.st_size > LARGEST_FILE:
        message = f"the file has {found.st_size:,} bytes, at most {LARGEST_FILE:,} are read"
        return RequestReading(None, (Problem(message, "put long material into a file of the project"),))
    try:
        data = files.read_own_or_none(path)
    except CannotGoOnError as error:
        return RequestReading(None, (Problem(error.message, error.advice),))
    return read_request(name, data or b"", found.st_mtime)
