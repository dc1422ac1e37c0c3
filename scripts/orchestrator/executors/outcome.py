"""How an attempt ended: success, a failure of one kind or another, or something that is not its fault."""

from __future__ import annotations

from enum import StrEnum

from orchestrator.dataclasses import dataclass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import datetime

    from orchestrator.executors.claude_events import Usage
    from orchestrator.executors.denials import Denial
    from orchestrator.model import Json


class OutcomeKind(StrEnum):
    """What follows from an attempt. All but the good ones leave the task undone."""

    SUCCESS = "success"
    NEEDS_ATTENTION = "needs_attention"
    FAILURE = "failure"
    BACK_OFF = "back_off"
    FINAL = "final"
    USAGE_LIMIT = "usage_limit"
    MONEY = "money"
    LOGIN = "login"
    INTERRUPTED = "interrupted"
    WORKER_LOST = "worker_lost"


@dataclass(frozen=True, slots=True)
class Refusal:
    """What the API refuses a worker with that goes on asking: ``LOGIN`` or ``BACK_OFF``, and the answer in words."""

    kind: OutcomeKind
    reason: str


_PUT_BACK = frozenset(
    {
        OutcomeKind.USAGE_LIMIT,
        OutcomeKind.MONEY,
        OutcomeKind.LOGIN,
        OutcomeKind.INTERRUPTED,
        OutcomeKind.WORKER_LOST,
    }
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an attempt. ``reason`` is for people; ``text`` is the result, empty unless it is good.

    ``forbidden`` are writes where none is allowed; ``is_settled`` says that ``cost_usd`` is the final word on the
    cost rather than the least it can be; ``session_id`` is set with ``can_resume`` when another attempt may go on.
    """

    kind: OutcomeKind
    reason: str = ""
    text: str = ""
    structured: Json = None
    denials: tuple[Denial, ...] = ()
    forbidden: tuple[str, ...] = ()
    cost_usd: float = 0.0
    usage: Usage | None = None
    is_settled: bool = False
    resets_at: datetime | None = None
    session_id: str | None = None
    can_resume: bool = False

    @property
    def is_good(self) -> bool:
        """Whether there is a result to check and publish."""
        return self.kind in (OutcomeKind.SUCCESS, OutcomeKind.NEEDS_ATTENTION)

    @property
    def is_put_back(self) -> bool:
        """Whether the task goes back to where it was and no retry is counted."""
        return self.kind in _PUT_BACK

    @property
    def may_pass(self) -> bool:
        """Whether it is a failure that another attempt may not meet."""
        return self.kind in (OutcomeKind.FAILURE, OutcomeKind.BACK_OFF)

    @property
    def tokens(self) -> int:
        """All tokens of the attempt."""
        return self.usage.total if self.usage else 0
