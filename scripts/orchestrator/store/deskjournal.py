"""The journal of the desk: what happened to requests, in the form of a run's journal, and what their runs have cost.

The events of a run are in the journal of that run; here is what there is no run for, not yet or not any more.
"""

from __future__ import annotations

import os

from orchestrator import clock
from orchestrator.events import Event, EventType
from orchestrator.model import Json
from orchestrator.paths import DeskPaths
from orchestrator.store.journal import CutError, Journal
from orchestrator.store.journal_lines import fitted
from orchestrator.system import files
from orchestrator.system.locks import FileLock


class DeskJournal:
    """The journal of one desk, read from where it was left; any number of processes append to it."""

    def __init__(self, paths: DeskPaths) -> None:
        self._paths = paths
        self._journal = Journal(paths.journal, paths.torn)
        self._asked_usd = 0.0
        self._run_usd: dict[str, float] = {}

    def record(self, type: EventType, orchestration_id: str | None = None, **fields: Json) -> None:
        """Record one event; durable when this returns. Fields that are None are left out."""
        files.make_private_folder(self._paths.queue)
        files.make_private_folder(os.path.dirname(self._paths.queue_lock))
        with FileLock(self._paths.queue_lock, signed=False):
            self.record_locked(type, orchestration_id, **fields)

    def record_locked(self, type: EventType, orchestration_id: str | None = None, **fields: Json) -> None:
        """``record`` for who holds the lock of the queue."""
        event: Event = {
            "timestamp": clock.utc_text(clock.now()),
            "type": str(type),
            "orchestration_id": orchestration_id,
        }
        event = fitted({**event, **{key: value for key, value in fields.items() if value is not None}})
        self.refresh()
        self._journal.append([event])
        self._count(event)
        self._journal.flush(self._journal.position.offset)

    def refresh(self) -> None:
        """Take over what other processes recorded."""
        try:
            news = self._journal.news()
        except CutError:
            self._journal.start_again()
            self._asked_usd, self._run_usd = 0.0, {}
            news = self._journal.news()
        for event in news:
            if event is not None:
                self._count(event)

    @property
    def asked_usd(self) -> float:
        """What asking the model for plans has cost; ``refresh`` first."""
        return self._asked_usd

    @property
    def run_usd(self) -> dict[str, float]:
        """What each run has cost, as last recorded here; ``refresh`` first."""
        return self._run_usd

    def _count(self, event: Event) -> None:
        cost, run = event.get("cost_usd"), event.get("orchestration_id")
        if not isinstance(cost, (int, float)) or isinstance(cost, bool):
            return
        if event.get("type") == EventType.REQUEST_ASKED:
            self._asked_usd += cost
        elif isinstance(run, str):
            self._run_usd[run] = max(cost, self._run_usd.get(run, 0.0))
