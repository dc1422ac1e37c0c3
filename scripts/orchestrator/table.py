"""``master_plan.md`` on disk: rendered from the journal, and read back when a person changed it.

The journal never waits for the table. A file that cannot be read, or that holds an edit which is
refused, is left alone and named until somebody mends it or ``repair`` rebuilds it.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from orchestrator import clock, files, moves
from orchestrator.document import Layout, Reading, read_document, spliced
from orchestrator.edits import DroppedEdit, Edit, FieldEdit, MoveEdit, hand_edits
from orchestrator.errors import CannotGoOnError, OrchestrateError, Problem
from orchestrator.events import EventType
from orchestrator.journal import Position
from orchestrator.locks import FileLock
from orchestrator.model import DEFAULT_LEASE_S, Json, Status
from orchestrator.moves import Spent, Start
from orchestrator.render.master_plan import graph_lines, log_entries, new_document, parts
from orchestrator.store import Store, StoreChange

SETTLE_S = 1.0
"""A file that changed less than this many seconds ago may still be being written."""
_LOOK_AGAIN_S = 0.05


@dataclass(frozen=True, slots=True)
class Judged:
    """A result file that passed every check of its task."""

    result: str
    hash: str
    reason: str = ""


class Hands(Protocol):
    """What an edit by hand needs from the layers above: checks of a result, and the end of a worker."""

    def judged(self, store: Store, task: str) -> Judged:
        """The result file of ``task`` in its place, checked; raises when it does not pass."""
        ...

    def end_worker(self, store: Store, task: str) -> None:
        """End the worker of the running ``task``, if it has one."""
        ...


@dataclass(slots=True)
class Shown:
    """What was last written, what was last refused, and why."""

    digest: str = ""
    rev: int = 0
    position: Position = Position()
    layout: Layout | None = None
    refused: str = ""
    problems: list[Problem] = field(default_factory=list)


class Table:
    """The view of one store. ``hands`` None reads edits but takes none over."""

    def __init__(self, store: Store, hands: Hands | None) -> None:
        self.store = store
        self.hands = hands
        self.paths = store.paths
        self._lock = FileLock(self.paths.table_lock, signed=False)
        self._shown: Shown | None = None
        self._shown_at = 0.0
        self._shown_cost_s = 0.0

    def problems(self) -> list[Problem]:
        """What keeps the file from being read or taken over, as last seen; empty when all is well."""
        return list(self._read_shown().problems)

    def take_over(self) -> None:
        """Read what people changed and record it; then show the state as it is."""
        if self._is_untouched():
            return
        with self._lock:
            self._show()

    def show(self) -> None:
        """Make the file show the state as it now is, unless another process already has."""
        if self._read_shown().rev >= self.store.state.rev and self._is_untouched():
            return
        with self._lock:
            self._show()

    def show_soon(self) -> None:
        """Show the state unless that was done a moment ago; a large table waits longer."""
        if time.monotonic() - self._shown_at >= max(0.5, 10 * self._shown_cost_s):
            self.show()

    def repair(self) -> str | None:
        """Rebuild the file from the journal; the answer is where the damaged one is kept, if there was one."""
        with self._lock:
            damaged = files.read_bytes_or_none(self.paths.table)
            kept = None
            if damaged is not None:
                stamp = clock.local_datetime(clock.now()).replace(":", "").replace(" ", "-").replace("-", "")
                kept = f"{self.paths.table}.damaged-{stamp}"
                files.write_whole(kept, damaged)
            with self.store.change() as change:
                change.record(EventType.REPAIRED, kept=os.path.basename(kept) if kept else None)
            self._write_new()
            return kept

    # -- what is there ---------------------------------------------------------------------------

    def _is_untouched(self) -> bool:
        data = files.read_bytes_or_none(self.paths.table)
        if data is None:
            return False
        digest, shown = files.digest(data), self._read_shown()
        return digest in (shown.digest, shown.refused)

    def _show(self) -> None:
        """Under the lock: take edits over, then write the file."""
        begun = time.monotonic()
        self.store.refresh()
        shown = self._read_shown()
        data = files.read_bytes_or_none(self.paths.table)
        if data is None:
            self._write_new()
        elif files.digest(data) == shown.digest and shown.layout is not None:
            if shown.rev < self.store.state.rev:
                self._write(data.decode("utf-8"), shown.layout, shown)
        else:
            self._read_edited(data, shown)
        self._shown_at = time.monotonic()
        self._shown_cost_s = self._shown_at - begun

    def _read_edited(self, data: bytes, shown: Shown) -> None:
        data = self._settled(data)
        if files.digest(data) == shown.refused:
            return
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError as error:
            line = data.count(b"\n", 0, error.start) + 1
            self._refuse(data, [Problem("the file is not UTF-8", "save it as UTF-8", line=line)], shown)
            return
        reading = read_document(text)
        if reading.layout is None:
            self._refuse(data, reading.problems, shown)
            return
        if not self._take_edits(data, reading, shown):
            return
        self._write(text, reading.layout, Shown(rev=reading.layout.rev))

    def _settled(self, data: bytes) -> bytes:
        """The file once nobody is writing it: read again until it stays the same or is old enough."""
        until = time.monotonic() + SETTLE_S
        while time.monotonic() < until:
            try:
                age = time.time() - os.stat(self.paths.table).st_mtime
            except FileNotFoundError:
                age = 0.0
            if age >= _LOOK_AGAIN_S * 4:
                break
            time.sleep(_LOOK_AGAIN_S)
            data = files.read_bytes_or_none(self.paths.table) or b""
        return data

    def _take_edits(self, data: bytes, reading: Reading, shown: Shown) -> bool:
        """Record what the file changes, all or nothing; whether the file may be written again."""
        layout = reading.layout
        assert layout is not None
        try:
            base = self.store.state_at(layout.rev)
        except CannotGoOnError as error:
            self._refuse(data, [Problem(error.message, error.advice, line=layout.progress + 1)], shown)
            return False
        edits, problems = hand_edits(reading.rows, base, self.store.state)
        if problems:
            self._refuse(data, problems, shown, may_pass=True)
            return False
        if not edits:
            return True
        if self.hands is None:
            return False
        edit: Edit | None = None
        try:
            judged = {
                edit.task: self.hands.judged(self.store, edit.task)
                for edit in edits
                if isinstance(edit, MoveEdit) and edit.new is Status.COMPLETED
            }
            for edit in edits:
                if isinstance(edit, MoveEdit) and edit.new is Status.SKIPPED and edit.old is Status.RUNNING:
                    self.hands.end_worker(self.store, edit.task)
            with self.store.change() as change:
                for edit in edits:
                    self._record(change, edit, judged)
        except OrchestrateError as error:
            line = getattr(edit, "line", layout.table[0]) + 1
            task_name = edit.task if edit else None
            found = error.problems or [Problem(error.message, error.advice, line=line, task=task_name)]
            self._refuse(data, found, shown, may_pass=True)
            return False
        return True

    def _record(self, change: StoreChange, edit: Edit, judged: dict[str, Judged]) -> None:
        if isinstance(edit, DroppedEdit):
            reason = "the task started before the edit was read"
            change.record(EventType.EDIT_PUT_BACK, edit.task, cell=edit.cell, reason=reason)
        elif isinstance(edit, FieldEdit):
            change.record(EventType.TASK_EDITED, edit.task, fields=edit.fields, by="table")
        elif edit.new is Status.SKIPPED:
            moves.skip(change, edit.task, "set by hand in master_plan.md")
        elif edit.new is Status.PENDING:
            moves.reopen(change, edit.task, "set by hand in master_plan.md")
        else:
            if change.state.status(edit.task) is not Status.RUNNING:
                lease_s = change.state.tasks[edit.task].timeout_s or DEFAULT_LEASE_S
                moves.start(change, [edit.task], Start("hand", "hand", lease_s=lease_s))
            if edit.new is Status.COMPLETED:
                result = judged[edit.task]
                moves.complete(
                    change, edit.task, result=result.result, hash=result.hash, spent=Spent(), reason=result.reason
                )

    # -- what is written -------------------------------------------------------------------------

    def _write(self, text: str, layout: Layout, shown: Shown) -> None:
        state = self.store.state
        log, plan_events = self._unlogged(shown, layout.rev)
        graph = graph_lines(state) if plan_events else None
        new_text, new_layout = spliced(text, layout, parts(state, log, graph))
        self._commit(new_text, new_layout)

    def _write_new(self) -> None:
        log = [entry for event in self.store.journal.events() if event for entry in log_entries(event)]
        text = new_document(self.store.state, log)
        reading = read_document(text)
        if reading.layout is None:
            raise CannotGoOnError(
                "a new master_plan.md could not be read back: " + "; ".join(p.text() for p in reading.problems),
                "this is a defect of the program; the journal and the results are untouched",
            )
        self._commit(text, reading.layout)

    def _commit(self, text: str, layout: Layout) -> None:
        data = text.encode("utf-8", "replace")
        files.write_whole(self.paths.table, data)
        self._write_shown(
            Shown(digest=files.digest(data), rev=layout.rev, position=self.store.journal.position, layout=layout)
        )

    def _unlogged(self, shown: Shown, rev: int) -> tuple[list[str], bool]:
        """The log entries after position ``rev``, and whether the plan changed there."""
        log: list[str] = []
        plan_changed = False
        position = shown.position if shown.rev == rev and shown.position.lines == rev else Position()
        for number, event in enumerate(self.store.journal.events(position), start=position.lines + 1):
            if number > self.store.state.rev:
                break
            if event is None or number <= rev:
                continue
            plan_changed = plan_changed or event["type"] in (EventType.PLAN_CHANGED, EventType.TASK_EDITED)
            log += log_entries(event)
        return log, plan_changed

    def _refuse(self, data: bytes, problems: Sequence[Problem], shown: Shown, may_pass: bool = False) -> None:
        """Remember what is wrong; an edit that may pass when the state has moved on is tried again each time."""
        shown.refused = "" if may_pass else files.digest(data)
        shown.problems = list(problems)
        self._write_shown(shown)

    # -- what was shown --------------------------------------------------------------------------

    def _read_shown(self) -> Shown:
        data = files.read_bytes_or_none(self.paths.shown)
        if data is None:
            return Shown()
        try:
            record = json.loads(data)
            layout = record["layout"]
            return Shown(
                digest=record["digest"],
                rev=record["rev"],
                position=Position(*record["position"]),
                layout=Layout(
                    tuple(layout[0]), layout[1], layout[2], tuple(layout[3]) if layout[3] else None, layout[4]
                )
                if layout
                else None,
                refused=record["refused"],
                problems=[Problem(*item) for item in record["problems"]],
            )
        except (ValueError, KeyError, TypeError, IndexError):
            return Shown()

    def _write_shown(self, shown: Shown) -> None:
        layout, position = shown.layout, shown.position
        record: dict[str, Json] = {
            "digest": shown.digest,
            "rev": shown.rev,
            "position": [position.offset, position.lines, position.chain],
            "layout": [
                list(layout.table),
                layout.progress,
                layout.log_end,
                list(layout.graph) if layout.graph else None,
                layout.rev,
            ]
            if layout
            else None,
            "refused": shown.refused,
            "problems": [[p.message, p.advice, p.line, p.task] for p in shown.problems],
        }
        files.write_whole(self.paths.shown, json.dumps(record, ensure_ascii=False), flush=False)
