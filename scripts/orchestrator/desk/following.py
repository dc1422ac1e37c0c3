"""How the status of a request follows the state of its run, and when a run that was held may go on. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.dataclasses import replace
from orchestrator.desk.requestfile import RequestStatus
from orchestrator.model import RunState, Status
from orchestrator.render.status import run_reason
from orchestrator.store.schedule import NOTHING_ELSEWHERE, Elsewhere, Limits, choices
from orchestrator.store.state import State
from orchestrator.wording import listed

CANCELLED = "cancelled"
"""The kind of the pause that holds the run of a cancelled request."""

ASKED_AGAIN = frozenset({"login", "money"})
"""Pauses of which nobody but the model's provider knows when they are over: trying is the one way to find out."""

_BY_STATE = {
    RunState.COMPLETED: RequestStatus.COMPLETED,
    RunState.FAILED: RequestStatus.FAILED,
    RunState.BLOCKED: RequestStatus.BLOCKED,
}


def followed(state: State, now: float, untrusted: Sequence[str] = ()) -> tuple[RequestStatus, str]:
    """The status of a request at whose run nobody works, and why; ``untrusted`` is what nobody accepted.

    No reason is given for a run that may go on.
    """
    outcome = state.run_state(now)
    if outcome is RunState.COMPLETED:
        return RequestStatus.COMPLETED, ""
    if untrusted:
        return RequestStatus.BLOCKED, f"the plan starts what is not trusted: {listed(untrusted, 5)}"
    status = _BY_STATE.get(outcome)
    if status is None and state.stopped_by():
        status = RequestStatus.BLOCKED
    if status is not None:
        return status, run_reason(state, now)
    return RequestStatus.PENDING, run_reason(state, now) or _open_reason(state)


def may_go_on(state: State, now: float, slots: int, elsewhere: Elsewhere = NOTHING_ELSEWHERE) -> bool:
    """Whether a run of a pending request has something to do: what had paused it is gone.

    What other runs hold is no reason to wait here: the run waits for that itself.
    """
    pause = state.pause
    if pause is None or not pause.holds(now):
        return state.stopped_by() is None and _has_open(state)
    if pause.kind != "budget":
        return False
    free = Elsewhere(money_left_usd=elsewhere.money_in_the_end_usd)
    return bool(choices(replace(state, pause=None), now, Limits(slots), free))


def _has_open(state: State) -> bool:
    """Whether a task may start, now or by itself later, or is under way."""
    return any(state.count(each) for each in (Status.PENDING, Status.RETRYING, Status.RUNNING))


def _open_reason(state: State) -> str:
    """Why a run at which nobody works does not go on; empty where it may."""
    if not _has_open(state) and (approvals := state.awaiting_approval()):
        return f"waiting for a person's approval: {', '.join(approvals)}"
    return ""
