"""The attempts of a run, its pauses and approvals, as the journal tells them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import StrEnum

from orchestrator.clock import parse_utc
from orchestrator.dataclasses import dataclass, field, replace
from orchestrator.events import Event, EventType

_GAVE_UP = "failed: "
"""What the reason begins with where a task was skipped because its last attempt had failed."""


class Outcome(StrEnum):
    """How an attempt ended."""

    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    PUT_BACK = "put back"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class AttemptFacts:
    """One attempt: times are unix seconds, ``end`` is None while it is under way, ``duration_s`` is what it took.

    ``started_by`` is run, feed, exec or hand; ``reason`` says why it ended as it did.
    """

    task: str
    number: int
    agent: str
    executor: str
    started_by: str
    start: float
    end: float | None = None
    outcome: Outcome = Outcome.RUNNING
    reason: str = ""
    cost_usd: float = 0.0
    tokens: int = 0
    duration_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Hold:
    """A time in which nothing new was started; ``end`` is None while it holds."""

    kind: str
    reason: str
    start: float
    end: float | None = None


@dataclass(frozen=True, slots=True)
class Approval:
    """A person's word that a task may start."""

    task: str
    by: str
    note: str
    at: float


@dataclass
class History:
    """What happened, in its order. ``asked_usd`` is what the model took beside the tasks, by what for."""

    attempts: list[AttemptFacts] = field(default_factory=list)
    holds: list[Hold] = field(default_factory=list)
    approvals: list[Approval] = field(default_factory=list)
    asked_usd: dict[str, float] = field(default_factory=dict)

    def of(self, task: str) -> list[AttemptFacts]:
        """The attempts of ``task``."""
        return [attempt for attempt in self.attempts if attempt.task == task]


def history(events: Iterable[Event | None]) -> History:
    """The history in ``events``; a line that somebody changed is passed over, as the state does."""
    made = History()
    open_attempts: dict[str, int] = {}
    for event in events:
        take = _TAKES.get(str(event["type"])) if event is not None else None
        if take is None or event is None:
            continue
        try:
            take(made, open_attempts, event, parse_utc(str(event["timestamp"])))
        except (KeyError, TypeError, ValueError):
            continue
    return made


def _started(made: History, open_attempts: dict[str, int], event: Event, at: float) -> None:
    task = str(event["task"])
    open_attempts[task] = len(made.attempts)
    made.attempts.append(
        AttemptFacts(
            task,
            _whole(event, "attempt"),
            _text(event, "agent"),
            _text(event, "executor"),
            _text(event, "by"),
            at,
        )
    )


def _ended(outcome: Outcome, reason: str = "reason") -> Callable[[History, dict[str, int], Event, float], None]:
    def take(made: History, open_attempts: dict[str, int], event: Event, at: float) -> None:
        task = str(event["task"])
        index = open_attempts.pop(task, None)
        if index is not None:
            before = made.attempts[index]
        elif outcome is Outcome.COMPLETED and not event.get("taken_from"):
            # A result that was there already was recorded.
            before = AttemptFacts(task, _whole(event, "attempt"), _text(event, "agent"), "", "check", at)
        else:
            return  # nothing was under way: it was given up, left out, or ended with its last subtask
        why = _text(event, reason)
        failed = outcome is Outcome.SKIPPED and why.startswith(_GAVE_UP)
        ended = replace(
            before,
            end=at,
            outcome=Outcome.FAILED if failed else outcome,
            reason=why.removeprefix(_GAVE_UP) if failed else why,
            cost_usd=_number(event, "cost_usd"),
            tokens=_whole(event, "tokens"),
            duration_s=_number(event, "duration_s"),
        )
        if index is None:
            made.attempts.append(ended)
        else:
            made.attempts[index] = ended

    return take


def _paused(made: History, _: dict[str, int], event: Event, at: float) -> None:
    _resumed(made, _, event, at)
    made.holds.append(Hold(_text(event, "kind"), _text(event, "reason"), at))


def _resumed(made: History, _: dict[str, int], event: Event, at: float) -> None:
    if made.holds and made.holds[-1].end is None:
        made.holds[-1] = replace(made.holds[-1], end=at)


def _approved(made: History, _: dict[str, int], event: Event, at: float) -> None:
    made.approvals.append(Approval(str(event["task"]), _text(event, "by"), _text(event, "note"), at))


def _asked(made: History, _: dict[str, int], event: Event, at: float) -> None:
    purpose = _text(event, "purpose")
    made.asked_usd[purpose] = made.asked_usd.get(purpose, 0.0) + _number(event, "cost_usd")


def _text(event: Event, key: str) -> str:
    return str(event.get(key) or "")


def _number(event: Event, key: str) -> float:
    return float(event.get(key) or 0.0)  # type: ignore[arg-type]  # what is no number is passed over by `history`


def _whole(event: Event, key: str) -> int:
    return int(event.get(key) or 0)  # type: ignore[arg-type]


_TAKES: dict[str, Callable[[History, dict[str, int], Event, float], None]] = {
    EventType.TASK_STARTED: _started,
    EventType.TASK_COMPLETED: _ended(Outcome.COMPLETED),
    EventType.TASK_FAILED: _ended(Outcome.FAILED),
    EventType.TASK_RETRYING: _ended(Outcome.FAILED, "retry_reason"),
    EventType.TASK_PUT_BACK: _ended(Outcome.PUT_BACK),
    EventType.TASK_SKIPPED: _ended(Outcome.SKIPPED),
    EventType.PAUSED: _paused,
    EventType.RESUMED: _resumed,
    EventType.APPROVED: _approved,
    EventType.MODEL_ASKED: _asked,
}
