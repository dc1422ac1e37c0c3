"""Who is told of events that this process has recorded: handoffs first, so that a hook finds them written."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from orchestrator.events import Event
from orchestrator.store.store import Store
from orchestrator.workers.handoffs import Handoffs
from orchestrator.workers.hooks import Hooks


def announce_in(store: Store, tell: Callable[[str], None]) -> None:
    """Let what changes of ``store`` record write handoffs and call the plan's hooks."""
    handoffs, hooks = Handoffs(store, tell), Hooks(store, tell)

    def announced(events: Sequence[Event]) -> None:
        handoffs(events)
        hooks(events)

    store.announce = announced
