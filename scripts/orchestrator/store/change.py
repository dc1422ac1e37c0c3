"""What a move says: one change of the state under the lock, and the values that it records."""

from __future__ import annotations

from typing import Protocol

from orchestrator.dataclasses import dataclass
from orchestrator.errors import MoveRefusedError
from orchestrator.events import EventType
from orchestrator.model import Json, Status
from orchestrator.store.state import State


class Change(Protocol):
    """One change of the state under the lock: what stands now, when it is, and a way to record."""

    @property
    def state(self) -> State:
        """What stands now, this change's own events included."""
        ...

    @property
    def now(self) -> float:
        """The time of the change, in unix seconds."""
        ...

    def record(self, type: EventType, task: str | None = None, **fields: Json) -> None:
        """Record one event; fields that are None are left out."""
        ...


@dataclass(frozen=True, slots=True)
class Spent:
    """What an attempt took: US dollars, tokens, seconds."""

    cost_usd: float = 0.0
    tokens: int = 0
    duration_s: float = 0.0

    def fields(self) -> dict[str, Json]:
        """The same as fields of an event."""
        return {
            "cost_usd": round(self.cost_usd, 6),
            "tokens": self.tokens,
            "duration_s": round(self.duration_s, 3),
        }


NOTHING_SPENT = Spent()


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an attempt failed. ``may_pass``: trying again can help. ``gives_up``: nothing else is tried, no fallback."""

    reason: str
    kind: str = "failed"
    may_pass: bool = True
    gives_up: bool = False


@dataclass(frozen=True, slots=True)
class Start:
    """Who begins an attempt and what is kept for it."""

    by: str
    executor: str
    session_id: str | None = None
    resumes: bool = False
    supervisor: list[Json] | None = None
    reserved_usd: float = 0.0


BY_HAND = Start("hand", "hand")
"""An attempt without a process: it holds until it is completed, failed or skipped, or until its lease ends."""


def refused(task: str, old: Status, new: Status, advice: str) -> MoveRefusedError:
    """The error for a move that the state machine does not have; it names the move."""
    return MoveRefusedError(f"{task} is {old}: {old} → {new} is no move", advice)


def spent_until_now(change: Change, task: str) -> Spent:
    """What the attempt of the running ``task`` has taken so far; of its money at least what was set aside for it."""
    record = change.state.records[task]
    begun = record.start if record.start is not None else change.now
    return Spent(cost_usd=record.reserved_usd, duration_s=max(0.0, change.now - begun))
