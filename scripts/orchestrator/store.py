"""The state of a run on disk: read, changed by any number of processes at once, never half-written.

A change is appended to the journal and flushed, under a lock file of its own. What the journal adds up
to is kept in memory and, as a cache, in a snapshot; a plan change keeps its tasks in a file of its own.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from orchestrator import clock, files, moves, reducer
from orchestrator.errors import CannotGoOnError, Problem
from orchestrator.events import Event, EventType
from orchestrator.journal import Journal, Position
from orchestrator.locks import FileLock
from orchestrator.model import Json
from orchestrator.paths import RunPaths
from orchestrator.snapshot import state_from_record, state_record
from orchestrator.state import State

SNAPSHOT_EVERY = 256
"""Events after which the snapshot is written again; a plan of many tasks waits for more."""

_SNAPSHOT_VERSION = 1


def _silent(message: str) -> None:
    """Nobody listens."""


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

    def record(self, type: EventType, task: str | None = None, **fields: Json) -> None:
        """Record one event; fields that are None are left out."""
        event: Event = {
            "timestamp": clock.utc_text(self.now),
            "type": str(type),
            "orchestration_id": self.state.id or fields.pop("orchestration_id", None),
        }
        if task is not None:
            event["task"] = task
        event.update({key: value for key, value in fields.items() if value is not None})
        payload = self._store.payload(event)
        reducer.apply(self.state, event, payload)
        self.events.append(event)


class Store:
    """The state of one run. Threads of a process may share it; processes share the files."""

    def __init__(self, paths: RunPaths, tell: Callable[[str], None] = _silent) -> None:
        self.paths = paths
        self.tell = tell
        self.state = State()
        self.journal = Journal(paths.journal, paths.torn)
        self._lock = FileLock(paths.lock, signed=False, announce=tell)
        self._mutex = threading.RLock()
        self._snapshot_lines = 0
        self.refused_plan: tuple[tuple[str, int], list[Problem]] | None = None

    @classmethod
    def open(cls, paths: RunPaths, tell: Callable[[str], None] = _silent) -> Store:
        """The store of an existing run, read up to the last complete line of its journal."""
        if not os.path.exists(paths.journal):
            raise CannotGoOnError(
                f"there is no run in {paths.folder}", "`orchestrate init PLAN` begins one; `--dir` names another place"
            )
        store = cls(paths, tell)
        store._load()
        store.refresh()
        return store

    @property
    def problems(self) -> list[Problem]:
        """What was wrong with the lines of the journal that were read."""
        return list(self.journal.problems)

    def refresh(self) -> bool:
        """Take over what other processes recorded; whether there was anything."""
        with self._mutex:
            before = self.state.rev
            for event in self.journal.news():
                if event is None:
                    self.state.rev += 1
                else:
                    reducer.apply(self.state, event, self.payload(event))
            return self.state.rev != before

    @contextmanager
    def change(self) -> Iterator[StoreChange]:
        """Change the state under the lock: all that is recorded in the block is written, or nothing.

        Durable when the block has ended.
        """
        with self._changed() as change:
            yield change
        if change.events:
            self.journal.flush(change.end)

    @contextmanager
    def _changed(self) -> Iterator[StoreChange]:
        with self._mutex:
            self._lock.acquire()
            try:
                self.refresh()
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
                    if change.events:
                        self._forget()
                    raise
                if self.state.rev - self._snapshot_lines >= max(SNAPSHOT_EVERY, len(self.state.tasks) // 2):
                    self._write_snapshot()
            finally:
                self._lock.release()

    def state_at(self, rev: int) -> State:
        """The state as it was at position ``rev`` of the journal."""
        state = State()
        for event in self.journal.events():
            if state.rev >= rev:
                break
            if event is None:
                state.rev += 1
            else:
                reducer.apply(state, event, self.payload(event))
        if state.rev != rev:
            raise CannotGoOnError(f"the journal has no position {rev}", "`orchestrate repair` rebuilds master_plan.md")
        return state

    def write_payload(self, payload: Mapping[str, Json]) -> str:
        """Keep what a plan change says, in a file that is there before its event; the answer is its name."""
        files.make_private_folder(self.paths.store)
        data = json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
        name = f"plan-{files.digest(data)[7:23]}.json"
        target = os.path.join(self.paths.store, name)
        if not os.path.exists(target):
            files.write_whole(target, data)
        return name

    def payload(self, event: Event) -> dict[str, Json] | None:
        """What the file of a plan change says; None for every other event."""
        if event["type"] != EventType.PLAN_CHANGED:
            return None
        return self.read_payload(str(event["payload"]))

    def read_payload(self, name: str) -> dict[str, Json]:
        """What the plan change kept under ``name`` says; the name holds the digest of the file."""
        data = files.read_bytes_or_none(os.path.join(self.paths.store, os.path.basename(name)))
        if data is None or files.digest(data)[7:23] != name[5:21]:
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

    def _load(self) -> None:
        data = files.read_bytes_or_none(self.paths.snapshot)
        if data is None:
            return
        try:
            record = json.loads(data)
            if record["version"] != _SNAPSHOT_VERSION:
                return
            position = Position(*record["position"])
            if not self._is_ours(position) or not self.journal.resume(position):
                return
            self.state = state_from_record(record["state"])
            self._snapshot_lines = self.state.rev
        except (ValueError, KeyError, TypeError):
            # A cache that cannot be read is not used; the journal says it all.
            self._forget_position()

    def _is_ours(self, position: Position) -> bool:
        """Whether the line that ends at ``position`` is the one the snapshot was made after."""
        try:
            with open(self.paths.journal, "rb") as file:
                file.seek(max(0, position.offset - 19))
                return file.read(19) == position.chain.encode() + b'"}\n'
        except OSError:
            return False

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
        self._snapshot_lines = self.state.rev

    def _forget(self) -> None:
        """Read everything again, after a change that was not written."""
        self._forget_position()
        self._load()
        self.refresh()

    def _forget_position(self) -> None:
        self.journal.position = Position()
        self.journal.problems.clear()
        self.state = State()
        self._snapshot_lines = 0
