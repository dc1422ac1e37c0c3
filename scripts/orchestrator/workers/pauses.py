"""Ends of an attempt that hold up the whole run: usage limits, and money or a login that a person must see to."""

from __future__ import annotations

from datetime import datetime

from orchestrator.events import EventType
from orchestrator.executors.outcome import Outcome, OutcomeKind
from orchestrator.store.moves import Change

_KINDS = {OutcomeKind.USAGE_LIMIT: "limit", OutcomeKind.MONEY: "money", OutcomeKind.LOGIN: "login"}


def pause_for(change: Change, outcome: Outcome, delay_scale: float) -> None:
    """Pause the run when ``outcome`` asks for it; workers that meet the same one later add nothing to it.

    A login or money problem outranks a limit, which time alone would end; a person's pause outranks everything.
    """
    kind = _KINDS.get(outcome.kind)
    if kind is None:
        return
    from orchestrator.executors.limits import limit_name, probe_delay_s

    until: float | None = None
    if kind == "limit":
        unknown = change.now + probe_delay_s(change.state.limits + 1) * delay_scale
        until = outcome.resets_at.timestamp() if isinstance(outcome.resets_at, datetime) else unknown
    pause = change.state.pause
    if pause is not None and pause.holds(change.now):
        is_later = outcome.resets_at is not None and (until or 0.0) > (pause.until or 0.0)
        is_over_before = kind == "limit" and pause.kind == "quiet" and (until or 0.0) <= (pause.until or 0.0)
        if pause.until is None or is_over_before or (pause.kind == kind and not is_later):
            return
    reason = limit_name(outcome.reason) if kind == "limit" else outcome.reason
    change.record(EventType.PAUSED, kind=kind, reason=reason, until=round(until, 3) if until else None)
