"""``master_plan.md`` on disk: rendered from the journal, and read back when a person changed it.

The journal never waits for the table. A file that cannot be read, or that holds an edit which is
refused, is left alone and named until somebody mends it or ``repair`` rebuilds it.
The lock of the table is taken before that of the state, never after it, and commands of the plan run under neither.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence

from orchestrator import clock
from orchestrator.errors import CannotGoOnError, Problem
from orchestrator.events import EventType
from orchestrator.render.master_plan import graph_lines, log_entries, new_document, parts
from orchestrator.store.edits import MoveEdit, hand_edits
from orchestrator.store.handwork import Hands, Judged, Judgement, completions, judge, record
from orchestrator.store.journal import BEGINNING
from orchestrator.store.settling import changed_at, wait_until_settled
from orchestrator.store.shown import Shown, read_shown, write_shown
from orchestrator.store.store import Store
from orchestrator.system import files
from orchestrator.system.locks import FileLock
from orchestrator.system.saving import write_over
from orchestrator.texts.document import Layout, Reading, read_document, spliced

__all__ = ["Hands", "Judged", "Table"]


class Table:
    """The view of one store. ``hands`` None reads edits but takes none over."""

    def __init__(self, store: Store, hands: Hands | None) -> None:
        self.store = store
        self.hands = hands
        self.paths = store.paths
        self._mutex = threading.Lock()
        self._lock = FileLock(self.paths.table_lock, signed=False)
        self._shown_at = 0.0
        self._shown_cost_s = 0.0

    def problems(self) -> list[Problem]:
        """What keeps the file from being read or taken over, as last seen; empty when all is well."""
        shown = self._read_shown()
        if shown.rev > self.store.state.rev and not self.store.refresh():
            return [_cut_journal(shown.rev, self.store.state.rev)]
        if not shown.problems:
            return []
        data = files.read_bytes_or_none(self.paths.table)
        return shown.problems if data is not None and files.digest(data) == shown.refused else []

    def take_over(self) -> None:
        """Read what people changed and record it; then show the state as it is."""
        if not self.is_untouched():
            self._update()

    def show(self) -> None:
        """Make the file show the state as it now is, unless another process already has."""
        if self._read_shown().rev < self.store.state.rev or not self.is_untouched():
            self._update()

    def show_soon(self) -> None:
        """Show the state unless that was done a moment ago; a large table waits longer."""
        if time.monotonic() - self._shown_at >= max(0.5, 10 * self._shown_cost_s):
            self.show()

    def look_again(self) -> None:
        """Read the file as if it had just been saved: a refused edit may be allowed by now."""
        with self._mutex, self._lock:
            shown = self._read_shown()
            if shown.refused:
                shown.refused, shown.refused_at, shown.refused_rev, shown.problems = "", 0, None, []
                write_shown(self.paths.shown, shown)
        self.take_over()

    def repair(self) -> str | None:
        """Rebuild the file from the journal; the answer is where the damaged one is kept, if there was one."""
        with self._mutex, self._lock:
            damaged = files.read_bytes_or_none(self.paths.table)
            kept = self._kept_name() if damaged is not None else None
            if kept is not None and damaged is not None:
                files.write_whole(kept, damaged)
            with self.store.change() as change:
                change.record(EventType.REPAIRED, kept=os.path.basename(kept) if kept else None)
            while True:
                try:
                    self._write_new(damaged)
                    return kept
                except _OvertakenError:
                    damaged = files.read_bytes_or_none(self.paths.table)

    def is_untouched(self) -> bool:
        """Whether the file is as it was last written, or last refused: then there is nothing to read."""
        data = files.read_bytes_or_none(self.paths.table)
        if data is None:
            return False
        digest, shown = files.digest(data), self._read_shown()
        return digest == shown.digest or self._stays_refused(digest, shown)

    # -- what is there ---------------------------------------------------------------------------

    def _update(self) -> None:
        """Take edits over, then write the file. What has to be judged first is judged between two looks."""
        judgement = Judgement("")
        while True:
            if self._is_touched():
                wait_until_settled(self.paths.table)
            try:
                with self._mutex, self._lock:
                    unjudged, digest = self._show(judgement)
            except _OvertakenError:
                continue
            if not unjudged or self.hands is None:
                return
            judging = FileLock(self.paths.judging_lock, signed=False)
            if not judging.try_acquire():
                return  # another process is at it and shows the table when it has finished
            try:
                judgement = judge(self.store, self.hands, unjudged, digest)
            finally:
                judging.release()

    def _is_touched(self) -> bool:
        """Whether a person changed the file: another process that is just writing it has not, but looks like it."""
        if self.is_untouched():
            return False
        with self._mutex, self._lock:
            return not self.is_untouched()

    def _show(self, judgement: Judgement) -> tuple[list[MoveEdit], str]:
        """Under the lock; the edits that wait for a judgement, and the digest of the file they stand in."""
        begun = time.monotonic()
        self.store.refresh()
        shown, unjudged, digest = self._read_shown(), [], ""
        data = files.read_bytes_or_none(self.paths.table)
        if data is None:
            self._write_new(None)
        elif shown.rev > self.store.state.rev:
            pass  # the journal was cut: `problems` says so, and `repair` makes a new beginning
        else:
            digest = files.digest(data)
            if digest == shown.digest and shown.layout is not None:
                if shown.rev < self.store.state.rev:
                    self._write(data.decode("utf-8"), shown.layout, shown)
            elif not self._stays_refused(digest, shown):
                unjudged = self._read_edited(data, digest, shown, judgement)
        self._shown_at = time.monotonic()
        self._shown_cost_s = self._shown_at - begun
        return unjudged, digest

    def _read_edited(self, data: bytes, digest: str, shown: Shown, judgement: Judgement) -> list[MoveEdit]:
        """Take over what a person changed and write the file, unless something is wrong or still to be judged."""
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError as error:
            line = data.count(b"\n", 0, error.start) + 1
            self._refuse(digest, [Problem("the file is not UTF-8", "save it as UTF-8", line)], shown)
            return []
        reading = read_document(text)
        if reading.layout is None:
            self._refuse(digest, reading.problems, shown)
            return []
        return self._take_edits(text, digest, reading, reading.layout, shown, judgement)

    def _take_edits(
        self, text: str, digest: str, reading: Reading, layout: Layout, shown: Shown, judgement: Judgement
    ) -> list[MoveEdit]:
        try:
            base = self.store.state_at(layout.rev)
        except CannotGoOnError as error:
            self._refuse(digest, [Problem(error.message, error.advice, layout.progress + 1)], shown)
            return []
        edits, problems = hand_edits(reading.rows, base, self.store.state)
        if self._is_refused(digest, shown) and (edits or problems):
            # What was refused is not taken over later, behind the back of whoever has given it up.
            self._refuse(digest, problems or shown.problems, shown, self.store.state.rev)
            return []
        if edits and self.hands is not None:
            done = completions(edits)
            if done and judgement.digest != digest:
                return done
            problems = judgement.problems or record(self.store, self.hands, edits, judgement)
        if problems:
            self._refuse(digest, problems, shown, self.store.state.rev)
        elif self.hands is not None or not edits:
            self._write(text, layout, Shown(rev=layout.rev))
        return []

    # -- what is written -------------------------------------------------------------------------

    def _write(self, text: str, layout: Layout, shown: Shown) -> None:
        """Write ``text`` anew as the state is; never over what somebody saved since it was read."""
        state = self.store.state
        log, is_redrawn = self._unlogged(shown, layout.rev)
        drawing = graph_lines(state) if is_redrawn else None
        self._commit(*spliced(text, layout, parts(state, log, drawing)), text.encode("utf-8"))

    def _write_new(self, over: bytes | None) -> None:
        log = [entry for event in self.store.journal.events() if event for entry in log_entries(event)]
        text = new_document(self.store.state, log)
        reading = read_document(text)
        if reading.layout is None:
            raise CannotGoOnError(
                "a new master_plan.md could not be read back: " + "; ".join(p.text() for p in reading.problems),
                "this is a defect of the program; the journal and the results are untouched",
            )
        self._commit(text, reading.layout, over)

    def _commit(self, text: str, layout: Layout, over: bytes | None) -> None:
        """Put ``text`` in the place of ``over``; raises ``_OvertakenError`` when somebody saved the file meanwhile."""
        data = text.encode("utf-8", "replace")
        if write_over(self.paths.table, data, over) is not None:
            raise _OvertakenError
        position = self.store.journal.position
        write_shown(self.paths.shown, Shown(files.digest(data), layout.rev, position, layout))

    def _unlogged(self, shown: Shown, rev: int) -> tuple[list[str], bool]:
        """The log entries after position ``rev``, and whether the graph changed there."""
        log: list[str] = []
        is_redrawn = False
        position = shown.position
        if shown.rev != rev or not self.store.journal.has(position):
            position = BEGINNING
        for number, event in enumerate(self.store.journal.events(position), start=position.lines + 1):
            if number > self.store.state.rev:
                break
            if event is None or number <= rev:
                continue
            is_redrawn = is_redrawn or event["type"] in (EventType.PLAN_CHANGED, EventType.TASK_EDITED)
            log += log_entries(event)
        return log, is_redrawn

    def _kept_name(self) -> str:
        stamp = "".join(filter(str.isdigit, clock.local_datetime(clock.now())))
        name, number = f"{self.paths.table}.damaged-{stamp}", 1
        while os.path.lexists(name):
            number += 1
            name = f"{self.paths.table}.damaged-{stamp}-{number}"
        return name

    # -- what was shown --------------------------------------------------------------------------

    def _read_shown(self) -> Shown:
        return read_shown(self.paths.shown)

    def _is_refused(self, digest: str, shown: Shown) -> bool:
        return digest == shown.refused and changed_at(self.paths.table) == shown.refused_at

    def _stays_refused(self, digest: str, shown: Shown) -> bool:
        """Whether what was refused is so still: the state may have come to what an edit asked for."""
        rev = shown.refused_rev
        return self._is_refused(digest, shown) and (rev is None or self.store.state.rev <= rev)

    def _refuse(self, digest: str, problems: Sequence[Problem], shown: Shown, rev: int | None = None) -> None:
        """Leave this version of the file alone and remember what is wrong with it, and until which change of state."""
        shown.refused, shown.refused_at, shown.refused_rev = digest, changed_at(self.paths.table), rev
        shown.problems = list(problems)
        write_shown(self.paths.shown, shown)


class _OvertakenError(Exception):
    """Somebody saved the file while it was being read: it is read again."""


def _cut_journal(shown: int, lines: int) -> Problem:
    return Problem(
        f"the file shows line {shown} of events.jsonl, which has only {lines} lines: its end was cut off",
        "put the journal back from a copy, or `orchestrate repair` makes a new table of what is left",
    )
