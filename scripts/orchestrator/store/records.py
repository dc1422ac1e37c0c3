"""What the journal says of one task, and what holds the whole run up."""

from __future__ import annotations

from enum import StrEnum

from orchestrator.dataclasses import dataclass
from orchestrator.model import Json, Status, Verdict

CLOCK_SLACK_S = 30.0
"""A clock that is so much earlier than what was recorded was set back; less may be two machines that differ."""

SLOWDOWN_S = 60.0
"""So long without another refusal, and twice as many tasks may be under way again."""


@dataclass(slots=True)
class TaskRecord:
    """What is recorded of one task; ``status`` is None while it is derived. Times are unix seconds."""

    status: Status | None = None
    attempt: int = 0
    failures: int = 0
    lost: int = 0
    retries: int = 0
    fallback: bool = False
    start: float | None = None
    end: float | None = None
    due: float | None = None
    reason: str = ""
    kind: str = ""
    by: str = ""
    executor: str = ""
    session_id: str | None = None
    resumes: bool = False
    supervisor: list[Json] | None = None
    lease_until: float | None = None
    reserved_usd: float = 0.0
    cost_usd: float = 0.0
    tokens: int = 0
    duration_s: float = 0.0
    result: str | None = None
    hash: str | None = None
    approved: bool = False
    is_to_be_split: bool = False
    """Given up, and not split or proposed to be split by now, as its plan wants it."""
    proposal: str = ""
    """The file with subtasks for it that a person may take."""
    taken_from: str | None = None
    """The subtask whose end is that of this task, which was split."""
    is_shared: bool | None = None
    """Whether its files carry its id; None until its first attempt begins, which is told their names."""

    def is_due(self, now: float) -> bool:
        """Whether the time of the retry has come; at once where the clock was set back since it was fixed."""
        return (self.due or 0.0) <= now or now < (self.end or 0.0) - CLOCK_SLACK_S


@dataclass(slots=True)
class Pause:
    """Why nothing new is started, until when (None: until somebody resumes) and since when, in unix seconds."""

    kind: str
    reason: str
    until: float | None = None
    since: float | None = None

    def holds(self, now: float) -> bool:
        """Whether the pause still stands at ``now``.

        A limit is asked about anew where the clock was set back: its end was told by the other one.
        """
        if self.kind == "limit" and self.since is not None and now < self.since - CLOCK_SLACK_S:
            return False
        return self.until is None or now < self.until


@dataclass(slots=True)
class Slowdown:
    """The API asked to slow down: each ``level`` halves the slots; ``at`` (unix seconds) it last asked."""

    level: int
    at: float

    def level_at(self, now: float) -> int:
        """The level that holds at ``now``: one less for each ``SLOWDOWN_S`` without another refusal."""
        if now < self.at - CLOCK_SLACK_S:
            return 0
        return max(0, self.level - int(max(0.0, now - self.at) / SLOWDOWN_S))

    def slots(self, slots: int, now: float) -> int:
        """How many of ``slots`` may be used at ``now``."""
        return max(1, slots >> self.level_at(now)) if slots else 0

    @property
    def until(self) -> float:
        """When all slots are free again, if nothing else is refused; unix seconds."""
        return self.at + self.level * SLOWDOWN_S


@dataclass(slots=True)
class Judgement:
    """What was last said of one success criterion, at a time in unix seconds.

    ``shown_by`` are the tasks that show it; ``basis`` is the digest of the results that were looked at.
    """

    verdict: Verdict
    by: str
    is_by_hand: bool
    at: float
    shown_by: list[str]
    basis: str = ""
    note: str = ""


class LoopStatus(StrEnum):
    """What the stateless loop does next: it goes on, waits for a person, or is at its end."""

    CONTINUE = "continue"
    BLOCKED = "blocked"
    COMPLETED = "completed"


@dataclass(frozen=True, slots=True)
class MainTask:
    """What ``MAIN_TASK`` says: where the loop stands, its next step in a sentence, for which task, minding what."""

    status: LoopStatus
    next: str
    task: str | None = None
    focus: str | None = None


@dataclass(frozen=True, slots=True)
class LoopRecord:
    """What the journal says of the stateless loop, up to its last invocation.

    ``idle`` invocations in a row changed nothing at all; ``same`` had the same action on the same task, which was left
    as it was. ``mark`` names the state and the results after the last one, ``task_mark`` what there was of its task.
    ``acts`` is what it did, ``reason`` why it did not end well.
    """

    iterations: int = 0
    idle: int = 0
    same: int = 0
    action: str = ""
    task: str | None = None
    mark: str = ""
    task_mark: str = ""
    acts: tuple[str, ...] = ()
    reason: str = ""
