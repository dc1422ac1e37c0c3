"""The state of a run on disk: read, changed by any number of processes at once, never half-written.

A change is appended to the journal and flushed, under a lock file of its own. What the journal adds up
to is kept in memory and, as a cache, in a snapshot; a plan change keeps its tasks in a file of its own.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from orchestrator import clock
from orchestrator.errors import CannotGoOnError, Problem
from orchestrator.events import Event, EventType
from orchestrator.model import Json
from orchestrator.paths import RunPaths
from orchestrator.store import moves, reducer
from orchestrator.store.journal import CutError, Journal, Position
from orchestrator.store.journal_lines import damage, fitted
from orchestrator.store.snapshot import state_from_record, state_record
from orchestrator.store.state import State
from orchestrator.system import files
from orchestrator.system.locks import FileLock

SNAPSHOT_EVERY = 256
"""Events after which the snapshot is written again; a plan of many tasks waits for more."""

_SNAPSHOT_VERSION = 1


FOLDERS = ("store", "agent_tasks", "results", "context", "workers", "logs", "handoffs")
"""The folders of a run."""


def refuse_links(paths: RunPaths) -> None:
    """Raise where the folder of the run leads out of the project, or one of its own folders anywhere."""
    for folder in (paths.folder, *(paths.inside(name) for name in FOLDERS)):
        if os.path.islink(folder) and (folder != paths.folder or not files.is_inside(paths.project, folder)):
            raise CannotGoOnError(
                f"{folder} is a symbolic link: the files of a run are not written through one",
                "put the folder itself in its place, or name the folder that is meant with --dir",
            )


def _silent(message: str) -> None:
    """Nobody listens."""


def _unheard(events: Sequence[Event]) -> None:
    """Nobody waits for events."""


class StoreChange:
    """One change in the making; what it records counts at once and is written when it ends."""

    def __init__(self, store: Store, now: float) -> None:
        self._store = store
        self.now = now
        self.events: list[Event] = []
        self.end = 0

    @property
    def state(self) -> State:
        """What stands now, this change's own events included."""
        return self._store.state

    @property
    def paths(self) -> RunPaths:
        """Where the files of the run are."""
        return self._store.paths

    def write_payload(self, payload: Mapping[str, Json], kind: str) -> str:
        """Keep what is too long for a line, in a file that is there before its event; the answer is its name."""
        return self._store.write_payload(payload, kind)

    def record(self, type: EventType, task: str | None = None, **fields: Json) -> None:
        """Record one event; fields that are None are left out."""
        event: Event = {
            "timestamp": clock.utc_text(self.now),
            "type": str(type),
            "orchestration_id": self.state.id,
        }
        if task is not None:
            event["task"] = task
        event.update({key: value for key, value in fields.items() if value is not None})
        event = fitted(event)
        reducer.apply(self.state, event, self._store.payload)
        self.events.append(event)


class Store:
    """The state of one run. Threads of a process may share it; processes share the files."""

    def __init__(self, paths: RunPaths, tell: Callable[[str], None] = _silent) -> None:
        self.paths = paths
        self.tell = tell
        self.announce: Callable[[Sequence[Event]], None] = _unheard
        """Called with what a change has recorded, once that is durable and the lock is free again."""
        self.state = State()
        self.journal = Journal(paths.journal, paths.torn)
        self._lock = FileLock(paths.lock, signed=False, announce=tell)
        self._mutex = threading.RLock()
        self._lacks_snapshot = False

    @classmethod
    def open(cls, paths: RunPaths, tell: Callable[[str], None] = _silent) -> Store:
        """The store of an existing run, read up to the last complete line of its journal."""
        if not os.path.exists(paths.journal):
            raise CannotGoOnError(
                f"there is no run in {paths.folder}", "`orchestrate init PLAN` begins one; `--dir` names another place"
            )
        refuse_links(paths)
        store = cls(paths, tell)
        known = store._load()
        store.refresh()
        store._lacks_snapshot = store.state.rev - known >= 2 * store._snapshot_every()
        return store

    @classmethod
    def begin(cls, paths: RunPaths, tell: Callable[[str], None] = _silent) -> Store:
        """The store of a new run. Nobody sees the run until ``publish``, so that half of one is none."""
        store = cls(paths, tell)
        store.journal.path = paths.unpublished
        for leftover in (paths.unpublished, paths.snapshot, paths.shown, paths.refused_plan):
            files.remove(leftover)
        return store

    def publish(self) -> None:
        """Make the new run exist: its journal gets its name as the last step."""
        self.journal.close()
        files.publish(self.paths.unpublished, self.paths.journal)
        self.journal.path = self.paths.journal

    @property
    def problems(self) -> list[Problem]:
        """What was wrong with the lines of the journal that were read."""
        return list(self.journal.problems)

    def refresh(self) -> bool:
        """Take over what other processes recorded; whether there was anything."""
        with self._mutex:
            before = self.state.rev
            try:
                news = self.journal.news()
            except CutError:
                self.refuse_removed()
                self.journal.reopen()
                self._forget()
                return True
            try:
                for event in news:
                    self._apply(self.state, event, self.journal.problems)
            except BaseException:
                self._begin_again()  # what was read by now is not all that the journal says up to its position
                raise
            return self.state.rev != before

    def refuse_removed(self) -> None:
        """Raise where the journal that was read is there no more: without it nothing can be recorded."""
        if self.state.rev and not os.path.exists(self.journal.path):
            raise CannotGoOnError(
                f"the run in {self.paths.folder} was removed or moved while it was in use",
                "put the folder back, or begin anew with `orchestrate init PLAN`",
            )

    def _apply(self, state: State, event: Event | None, problems: list[Problem]) -> None:
        """Take one line over; one that says nothing, or nothing that fits, counts as a position."""
        if event is None:
            state.rev += 1
            return
        try:
            reducer.apply(state, event, self.payload)
        except (KeyError, TypeError, ValueError) as error:
            problems.append(damage(state.rev, f"does not fit what stands before it ({type(error).__name__}: {error})"))

    @contextmanager
    def change(self) -> Iterator[StoreChange]:
        """Change the state under the lock: all that is recorded in the block is written, or nothing.

        Durable when the block has ended.
        """
        with self._changed() as change:
            yield change
        if change.events:
            self.journal.flush(change.end)
            self.announce(change.events)

    @contextmanager
    def _changed(self) -> Iterator[StoreChange]:
        with self._mutex:
            try:
                self._lock.acquire()
            except CannotGoOnError:
                self.refuse_removed()
                raise
            try:
                self.refresh()
                rev = self.state.rev
                change = StoreChange(self, clock.now())
                try:
                    yield change
                    if change.events:
                        moves.add_consequences(change)
                        told = self.journal.append(change.events)
                        change.end = self.journal.position.offset
                        if told:
                            self.tell(told)
                except BaseException:
                    if self.state.rev != rev:
                        self._forget()
                    raise
            finally:
                self._lock.release()
            if self._is_snapshot_due(rev):
                self._write_snapshot()

    @contextmanager
    def reading(self) -> Iterator[State]:
        """The state, which no other thread changes during the block."""
        with self._mutex:
            yield self.state

    def state_at(self, rev: int) -> State:
        """The state as it was at position ``rev`` of the journal."""
        state = State()
        for event in self.journal.events():
            if state.rev >= rev:
                break
            self._apply(state, event, [])
        if state.rev != rev:
            raise CannotGoOnError(f"the journal has no position {rev}", "`orchestrate repair` rebuilds master_plan.md")
        return state

    def write_payload(self, payload: Mapping[str, Json], kind: str = "plan") -> str:
        """Keep what is too long for a line, in a file that is there before its event; the answer is its name."""
        files.make_private_folder(self.paths.store)
        data = json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
        name = f"{kind}-{_digest(data)}.json"
        target = os.path.join(self.paths.store, name)
        if not os.path.exists(target):
            files.write_whole(target, data)
        return name

    def payload(self, event: Event) -> dict[str, Json] | None:
        """What the file of ``event`` says; None for an event that says it all itself."""
        name = event.get("payload")
        return self.read_payload(name) if isinstance(name, str) else None

    def read_payload(self, name: str) -> dict[str, Json]:
        """What is kept under ``name``, which holds the digest of the file."""
        data = files.read_bytes_or_none(os.path.join(self.paths.store, os.path.basename(name)))
        if data is None or f"-{_digest(data)}.json" != name[-22:]:
            raise CannotGoOnError(
                f"store/{name} is {'missing' if data is None else 'damaged'}: the journal needs it to know the plan",
                "put the file back from a copy; the results are untouched",
            )
        read: dict[str, Json] = json.loads(data)
        return read

    def close(self) -> None:
        """Give descriptors back."""
        self.journal.close()

    # -- the snapshot ----------------------------------------------------------------------------

    def _load(self) -> int:
        """Take the snapshot over if it is of use; how many lines of the journal it stands for."""
        data = files.read_bytes_or_none(self.paths.snapshot)
        if data is None:
            return 0
        try:
            record = json.loads(data)
            if record["version"] == _SNAPSHOT_VERSION and self.journal.resume(Position(*record["position"])):
                self.state = state_from_record(record["state"])
        except (ValueError, KeyError, TypeError, AttributeError):
            self._begin_again()  # a cache that cannot be read is not used; the journal says it all
        return self.state.rev

    def _snapshot_every(self) -> int:
        return max(SNAPSHOT_EVERY, len(self.state.tasks))

    def _is_snapshot_due(self, rev: int) -> bool:
        """Whether the change that began at ``rev`` is the one to write the snapshot.

        Of all processes it is the one that passes a round number of events, so that not each of them writes its own;
        where that one was killed, it is one that had much to read.
        """
        every = self._snapshot_every()
        return self._lacks_snapshot or rev // every < self.state.rev // every

    def _write_snapshot(self) -> None:
        position = self.journal.position
        record = {
            "version": _SNAPSHOT_VERSION,
            "position": [position.offset, position.lines, position.chain],
            "state": state_record(self.state),
        }
        data = json.dumps(record, ensure_ascii=False, separators=(",", ":"))
        try:
            files.write_whole(self.paths.snapshot, data, flush=False)
        except CannotGoOnError as error:
            self.tell(f"the snapshot was not written, the next command reads the whole journal: {error.message}")
        self._lacks_snapshot = False

    def _forget(self) -> None:
        """Read everything again, after a change that was not written; other threads see the old state or the new."""
        fresh = Store(self.paths)
        fresh.journal.path = self.journal.path
        fresh._load()
        fresh.refresh()
        self.journal.go_on_as(fresh.journal)
        self.state = fresh.state

    def _begin_again(self) -> None:
        self.journal.start_again()
        self.state = State()


def _digest(data: bytes) -> str:
    return files.digest(data)[7:23]
