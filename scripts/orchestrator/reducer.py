"""One event of the journal, taken over into the state. Nothing else changes a state."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from orchestrator.clock import parse_utc
from orchestrator.events import Event, EventType
from orchestrator.model import Json, Status, plan_from_record, task_from_record, with_fields
from orchestrator.state import Pause, State, TaskRecord


def apply(state: State, event: Event, payload: Mapping[str, Json] | None = None) -> None:
    """Take ``event`` over; ``payload`` is what the file of a plan change says.

    An event of a type that this version does not know counts as a position of the journal and changes nothing.
    """
    state.rev += 1
    if event["type"] == EventType.PLAN_CHANGED:
        _change_plan(state, event, payload or {})
    elif (change := _CHANGES.get(str(event["type"]))) is not None:
        change(state, event, parse_utc(str(event["timestamp"])))


def _change_plan(state: State, event: Event, payload: Mapping[str, Json]) -> None:
    state.source = str(event["source"])
    state.payloads.append(str(event["payload"]))
    state.plan = plan_from_record(payload["plan"])  # type: ignore[arg-type]
    for name, record in payload["tasks"].items():  # type: ignore[union-attr]
        task = task_from_record(record)
        state.tasks[name] = task
        state.records.setdefault(name, TaskRecord())
    agents: dict[str, str] = payload["agents"]  # type: ignore[assignment]
    state.agents.update(agents)
    if payload["tasks"]:
        state.ended = None
        state.merged = False
        state.announced = ""
    state.derive()


def _end_attempt(state: State, record: TaskRecord, event: Event, at: float) -> None:
    """Settle what the attempt cost, and forget who was at it."""
    record.end = at
    cost = float(event.get("cost_usd") or 0.0)  # type: ignore[arg-type]
    tokens = int(event.get("tokens") or 0)  # type: ignore[arg-type]
    record.cost_usd += cost
    record.tokens += tokens
    record.duration_s = float(event.get("duration_s") or 0.0)  # type: ignore[arg-type]
    state.spent_usd += cost
    state.settled += cost > 0
    state.tokens += tokens
    record.reserved_usd = 0.0
    record.supervisor = None
    record.lease_until = None


def _reset_end(state: State) -> None:
    state.merged = False
    state.announced = ""
    state.ended = None


def _on_started(state: State, event: Event, at: float) -> None:
    state.id = str(event["orchestration_id"])
    state.created = at


def _on_batch_started(state: State, event: Event, at: float) -> None:
    state.batches_started.setdefault(int(event["batch"]), at)  # type: ignore[arg-type]


def _on_batch_completed(state: State, event: Event, at: float) -> None:
    state.batches_completed.add(int(event["batch"]))  # type: ignore[arg-type]


def _on_task_started(state: State, event: Event, at: float) -> None:
    task = str(event["task"])
    record = state.records[task]
    record.attempt = int(event["attempt"])  # type: ignore[arg-type]
    record.start, record.end, record.due = at, None, None
    record.reason = record.kind = ""
    record.by = str(event.get("by") or "")
    record.executor = str(event.get("executor") or "")
    record.session_id = event.get("session_id")  # type: ignore[assignment]
    record.supervisor = event.get("supervisor")  # type: ignore[assignment]
    record.lease_until = event.get("lease_until")  # type: ignore[assignment]
    record.reserved_usd = float(event.get("reserved_usd") or 0.0)  # type: ignore[arg-type]
    if state.started is None:
        state.started = at
    _reset_end(state)
    state.set_status(task, Status.RUNNING)


def _on_task_renewed(state: State, event: Event, at: float) -> None:
    state.records[str(event["task"])].lease_until = float(event["lease_until"])  # type: ignore[arg-type]


def _on_task_completed(state: State, event: Event, at: float) -> None:
    task = str(event["task"])
    record = state.records[task]
    _end_attempt(state, record, event, at)
    if state.started is None:
        state.started = at
    record.start = record.start if record.start is not None else at
    record.attempt = int(event.get("attempt") or record.attempt)  # type: ignore[arg-type]
    record.failures = record.lost = 0
    state.limits = 0
    record.reason = str(event.get("reason") or "")
    record.kind = ""
    record.result = str(event["result"]) if event.get("result") else None
    record.hash = str(event["hash"]) if event.get("hash") else None
    _reset_end(state)
    state.set_status(task, Status.COMPLETED)


def _on_task_failed(state: State, event: Event, at: float) -> None:
    task = str(event["task"])
    record = state.records[task]
    _end_attempt(state, record, event, at)
    record.failures = record.lost = 0
    record.reason, record.kind = str(event.get("reason") or ""), str(event.get("kind") or "")
    _reset_end(state)
    state.set_status(task, Status.FAILED)


def _on_task_retrying(state: State, event: Event, at: float) -> None:
    task = str(event["task"])
    record = state.records[task]
    _end_attempt(state, record, event, at)
    record.failures = int(event["failures"])  # type: ignore[arg-type]
    record.lost = 0
    record.retries = int(event["retry_count"])  # type: ignore[arg-type]
    record.fallback = bool(event.get("fallback", record.fallback))
    record.reason, record.kind = str(event.get("retry_reason") or ""), str(event.get("kind") or "")
    record.due = float(event["due"])  # type: ignore[arg-type]
    state.set_status(task, Status.RETRYING)


def _on_task_put_back(state: State, event: Event, at: float) -> None:
    task = str(event["task"])
    record = state.records[task]
    _end_attempt(state, record, event, at)
    record.kind = str(event.get("kind") or "")
    record.lost = record.lost + 1 if record.kind == "worker_lost" else 0
    record.reason = str(event.get("reason") or "")
    record.session_id = event.get("session_id")  # type: ignore[assignment]
    record.start = record.end = None
    state.set_status(task, None)


def _on_task_skipped(state: State, event: Event, at: float) -> None:
    task = str(event["task"])
    record = state.records[task]
    _end_attempt(state, record, event, at)
    record.reason = str(event.get("reason") or "")
    _reset_end(state)
    state.set_status(task, Status.SKIPPED)


def _on_task_reopened(state: State, event: Event, at: float) -> None:
    task = str(event["task"])
    record = state.records[task]
    record.retries = int(event.get("retries", record.retries))  # type: ignore[arg-type]
    record.failures = record.lost = 0
    record.fallback = False
    record.start = record.end = record.due = None
    record.reason, record.kind = "", ""
    record.result = record.hash = record.session_id = None
    stage = state.stage(task)
    state.batches_completed.discard(stage)
    _reset_end(state)
    state.set_status(task, None)


def _on_task_edited(state: State, event: Event, at: float) -> None:
    task = str(event["task"])
    state.tasks[task] = with_fields(state.tasks[task], event["fields"])  # type: ignore[arg-type]
    state.derive()


def _on_approved(state: State, event: Event, at: float) -> None:
    task = str(event["task"])
    before = state.status(task)
    state.records[task].approved = True
    state.note_change(task, before)


def _on_trusted(state: State, event: Event, at: float) -> None:
    state.trusted = str(event["hash"])


def _on_paused(state: State, event: Event, at: float) -> None:
    until = event.get("until")
    state.limits += event["kind"] == "limit"
    state.pause = Pause(str(event["kind"]), str(event["reason"]), float(until) if until is not None else None)  # type: ignore[arg-type]


def _on_resumed(state: State, event: Event, at: float) -> None:
    state.pause = None


def _on_merged(state: State, event: Event, at: float) -> None:
    state.merged = not event.get("missing")


def _on_orchestration_completed(state: State, event: Event, at: float) -> None:
    state.ended = at
    state.announced = str(event["type"])


def _on_orchestration_blocked(state: State, event: Event, at: float) -> None:
    state.announced = f"{event['type']} {event.get('blocking_task')}"


_CHANGES: dict[str, Callable[[State, Event, float], None]] = {
    EventType.ORCHESTRATION_STARTED: _on_started,
    EventType.BATCH_STARTED: _on_batch_started,
    EventType.BATCH_COMPLETED: _on_batch_completed,
    EventType.TASK_STARTED: _on_task_started,
    EventType.TASK_RENEWED: _on_task_renewed,
    EventType.TASK_COMPLETED: _on_task_completed,
    EventType.TASK_FAILED: _on_task_failed,
    EventType.TASK_RETRYING: _on_task_retrying,
    EventType.TASK_PUT_BACK: _on_task_put_back,
    EventType.TASK_SKIPPED: _on_task_skipped,
    EventType.TASK_REOPENED: _on_task_reopened,
    EventType.TASK_EDITED: _on_task_edited,
    EventType.APPROVED: _on_approved,
    EventType.TRUSTED: _on_trusted,
    EventType.PAUSED: _on_paused,
    EventType.RESUMED: _on_resumed,
    EventType.MERGED: _on_merged,
    EventType.ORCHESTRATION_COMPLETED: _on_orchestration_completed,
    EventType.ORCHESTRATION_BLOCKED: _on_orchestration_blocked,
}
