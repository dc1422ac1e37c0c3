"""One event of the journal, taken over into the state. Nothing else changes a state."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from orchestrator.clock import parse_utc
from orchestrator.dataclasses import replace
from orchestrator.events import Event, EventType
from orchestrator.model import Json, OnFailure, Status, Verdict
from orchestrator.planrecords import plan_from_record, task_from_record, with_fields
from orchestrator.store.records import Judgement, LoopRecord, LoopStatus, MainTask, Pause, Slowdown, TaskRecord
from orchestrator.store.state import State

BACK_OFF = "back_off"
"""The kind of a failure with which the API asked to slow down."""


def apply(state: State, event: Event, payload_of: Callable[[Event], Mapping[str, Json] | None]) -> None:
    """Take ``event`` over; ``payload_of`` reads what the file of an event says, if it has one.

    An event of a type that this version does not know counts as a position of the journal and changes nothing.
    Raises ``KeyError``, ``TypeError`` or ``ValueError`` for a line that this program did not write.
    """
    state.rev += 1
    type = str(event["type"])
    change = _CHANGES.get(type)
    if change is not None:
        change(state, event, parse_utc(str(event["timestamp"])))
    elif type == EventType.PLAN_CHANGED:
        _change_plan(state, event, payload_of(event) or {})
    elif type == EventType.TASK_EDITED:
        _edit_task(state, event, payload_of(event) or {})


def _change_plan(state: State, event: Event, payload: Mapping[str, Json]) -> None:
    state.source = str(event["source"])
    state.payloads.append(str(event["payload"]))
    state.plan = plan_from_record(payload["plan"])  # type: ignore[arg-type]
    tasks: dict[str, dict[str, Json]] = payload["tasks"]  # type: ignore[assignment]
    for name, record in tasks.items():
        state.tasks[name] = task_from_record(record)
        state.records.setdefault(name, TaskRecord())
    agents: dict[str, str] = payload["agents"]  # type: ignore[assignment]
    state.agents.update(agents)
    if tasks:
        _reset_end(state)
    state.derive()


def _edit_task(state: State, event: Event, payload: Mapping[str, Json]) -> None:
    task = str(event["task"])
    changes: Mapping[str, Json] = payload.get("fields") or event["fields"]  # type: ignore[assignment]
    state.tasks[task] = with_fields(state.tasks[task], changes)
    if changes.keys() - {"name"}:
        state.derive()


def _end_attempt(state: State, record: TaskRecord, event: Event, at: float) -> None:
    """Settle what the attempt cost, and forget who was at it."""
    record.end = at
    cost = float(event.get("cost_usd") or 0.0)  # type: ignore[arg-type]
    tokens = int(event.get("tokens") or 0)  # type: ignore[arg-type]
    record.cost_usd += cost
    record.tokens += tokens
    if record.status is Status.RUNNING:  # else nothing ended now: the last attempt took what it took
        record.duration_s = float(event.get("duration_s") or 0.0)  # type: ignore[arg-type]
    state.spent_usd += cost
    state.settled += cost > 0
    state.tokens += tokens
    record.session_id = None
    record.resumes = False
    record.reserved_usd = 0.0
    record.supervisor = None
    record.lease_until = None


def _pay(state: State, record: TaskRecord, event: Event) -> None:
    """Count what was asked for a task beside its attempts."""
    cost = float(event.get("cost_usd") or 0.0)  # type: ignore[arg-type]
    record.cost_usd += cost
    state.spent_usd += cost


def _reset_end(state: State) -> None:
    state.merged_hash = None
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
    record.is_shared = state.is_shared(task)
    record.attempt = int(event["attempt"])  # type: ignore[arg-type]
    record.start, record.end, record.due = at, None, None
    record.reason = record.kind = ""
    record.by = str(event.get("by") or "")
    record.executor = str(event.get("executor") or "")
    record.session_id = event.get("session_id")  # type: ignore[assignment]
    record.resumes = bool(event.get("resumes"))
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
    record.taken_from = str(event["taken_from"]) if event.get("taken_from") else None
    _reset_end(state)
    state.set_status(task, Status.COMPLETED)


def _slow_down(state: State, record: TaskRecord, event: Event, at: float) -> None:
    if event.get("kind") == BACK_OFF:
        _slowed(state, record, at)


def _on_slowed_down(state: State, event: Event, at: float) -> None:
    _slowed(state, state.records[str(event["task"])], at)


def _slowed(state: State, record: TaskRecord, at: float) -> None:
    """Note that the API asked to slow down; for attempts that had begun before it last did, only that it still does."""
    before = state.slowdown
    if before is None or not before.level_at(at):
        state.slowdown = Slowdown(1, at)
    elif (record.start or at) >= before.at:
        state.slowdown = Slowdown(before.level_at(at) + 1, at)
    else:
        state.slowdown = Slowdown(before.level_at(at), at)


def _on_task_failed(state: State, event: Event, at: float) -> None:
    task = str(event["task"])
    record = state.records[task]
    _slow_down(state, record, event, at)
    _end_attempt(state, record, event, at)
    record.failures = record.lost = 0
    record.reason, record.kind = str(event.get("reason") or ""), str(event.get("kind") or "")
    record.is_to_be_split, record.proposal = event.get("strategy") == OnFailure.SPLIT, ""
    _reset_end(state)
    state.set_status(task, Status.FAILED)


def _on_task_retrying(state: State, event: Event, at: float) -> None:
    task = str(event["task"])
    record = state.records[task]
    _slow_down(state, record, event, at)
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
    record.taken_from = str(event["taken_from"]) if event.get("taken_from") else None
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
    record.is_to_be_split, record.proposal = False, ""
    _pay(state, record, event)
    record.result = record.hash = record.session_id = record.taken_from = None
    _reset_end(state)
    state.set_status(task, None)


def _on_split_proposed(state: State, event: Event, at: float) -> None:
    record = state.records[str(event["task"])]
    record.is_to_be_split, record.proposal = False, str(event.get("file") or "")
    _pay(state, record, event)


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
    ends = float(until) if until is not None else None  # type: ignore[arg-type]
    state.pause = Pause(str(event["kind"]), str(event["reason"]), ends, at)


def _on_resumed(state: State, event: Event, at: float) -> None:
    if state.pause is not None and state.pause.kind == "quiet":
        state.awake_until = state.pause.until or 0.0
    state.pause = None


def _on_quiet_hours_set(state: State, event: Event, at: float) -> None:
    state.quiet_hours = str(event.get("hours") or "")
    state.awake_until = 0.0


def _on_main_task_set(state: State, event: Event, at: float) -> None:
    task, focus = event.get("task"), event.get("focus")
    state.main_task = MainTask(
        LoopStatus(str(event["status"])),
        str(event["next"]),
        str(task) if task is not None else None,
        str(focus) if focus is not None else None,
    )
    state.main_task_by = str(event.get("by") or "")
    if state.main_task_by != "loop":
        state.loop = replace(state.loop, idle=0, same=0)  # somebody gave it a new beginning


def _on_loop_iteration(state: State, event: Event, at: float) -> None:
    task, acts = event.get("task"), event.get("acts")
    cost = float(event.get("cost_usd") or 0.0)  # type: ignore[arg-type]
    tokens = int(event.get("tokens") or 0)  # type: ignore[arg-type]
    state.spent_usd += cost
    state.settled += cost > 0
    state.tokens += tokens
    if task in state.records:
        state.records[str(task)].cost_usd += cost
        state.records[str(task)].tokens += tokens
    state.loop = LoopRecord(
        iterations=int(event["iteration"]),  # type: ignore[arg-type]
        idle=int(event["idle"]),  # type: ignore[arg-type]
        same=int(event["same"]),  # type: ignore[arg-type]
        action=str(event["action"]),
        task=str(task) if task is not None else None,
        mark=str(event["mark"]),
        task_mark=str(event.get("task_mark") or ""),
        acts=tuple(str(act) for act in acts) if isinstance(acts, list) else (),
        reason=str(event.get("reason") or ""),
    )


def _on_merged(state: State, event: Event, at: float) -> None:
    if not event.get("elsewhere"):
        state.merged_hash = None if event.get("missing") else str(event["hash"])


def _on_criterion_judged(state: State, event: Event, at: float) -> None:
    shown_by: list[str] = event.get("shown_by") or []  # type: ignore[assignment]
    state.judgements[str(event["hash"])] = Judgement(
        Verdict(str(event["verdict"])),
        by=str(event["by"]),
        is_by_hand=event["how"] == "hand",
        at=at,
        shown_by=[*map(str, shown_by)],
        basis=str(event.get("basis") or ""),
        note=str(event.get("note") or ""),
    )


def _on_model_asked(state: State, event: Event, at: float) -> None:
    state.spent_usd += float(event.get("cost_usd") or 0.0)  # type: ignore[arg-type]
    state.tokens += int(event.get("tokens") or 0)  # type: ignore[arg-type]


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
    EventType.SPLIT_PROPOSED: _on_split_proposed,
    EventType.APPROVED: _on_approved,
    EventType.TRUSTED: _on_trusted,
    EventType.SLOWED_DOWN: _on_slowed_down,
    EventType.PAUSED: _on_paused,
    EventType.RESUMED: _on_resumed,
    EventType.QUIET_HOURS_SET: _on_quiet_hours_set,
    EventType.MAIN_TASK_SET: _on_main_task_set,
    EventType.LOOP_ITERATION: _on_loop_iteration,
    EventType.MERGED: _on_merged,
    EventType.CRITERION_JUDGED: _on_criterion_judged,
    EventType.MODEL_ASKED: _on_model_asked,
    EventType.ORCHESTRATION_COMPLETED: _on_orchestration_completed,
    EventType.ORCHESTRATION_BLOCKED: _on_orchestration_blocked,
}
