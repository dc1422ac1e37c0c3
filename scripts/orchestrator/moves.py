"""The state machine: every move that a task can make, as the events that record it.

Each function checks that the move exists, decides what follows by the plan's rules, and records it.
A move that does not exist is refused with its name. Nothing here reads a clock, a disk or a process.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from orchestrator.errors import MoveRefusedError, UsageError
from orchestrator.events import EventType
from orchestrator.model import Json, OnFailure, RunState, Status, Task
from orchestrator.state import State, TaskRecord

LOST_IN_A_ROW = 3
"""A worker killed this often in a row, not by us, counts as one failure."""

BLOCKS_SHOWN = 20


class Change(Protocol):
    """One change of the state under the lock: what stands now, when it is, and a way to record."""

    @property
    def state(self) -> State: ...
    @property
    def now(self) -> float: ...
    def record(self, type: EventType, task: str | None = None, **fields: Json) -> None: ...


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


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an attempt failed; ``may_pass`` says whether trying again can help."""

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
    supervisor: list[Json] | None = None
    reserved_usd: float = 0.0
    lease_s: float | None = None


def known(state: State, task: str) -> Task:
    """The task with the id ``task``, in any case of letters; else a usage error that names near ones."""
    if task in state.tasks:
        return state.tasks[task]
    folded = {name.casefold(): name for name in state.tasks}
    if task.casefold() in folded:
        return state.tasks[folded[task.casefold()]]
    from difflib import get_close_matches

    near = get_close_matches(task.casefold(), folded, n=3)
    advice = "one of " + ", ".join(folded[name] for name in near) if near else "`orchestrate list` shows the ids"
    raise UsageError(f"there is no task {task!r}", advice)


def start(change: Change, tasks: Sequence[str], how: Start) -> dict[str, int]:
    """Begin an attempt of each of ``tasks``; the answer has the number of each attempt."""
    state = change.state
    for task in tasks:
        _require_startable(state, task)
    by_batch: dict[int, list[str]] = {}
    for task in tasks:
        if state.stage(task) not in state.batches_started:
            by_batch.setdefault(state.stage(task), []).append(task)
    for batch, first in sorted(by_batch.items()):
        change.record(
            EventType.BATCH_STARTED, batch=batch, tasks=list(first), agents=[state.agents[task] for task in first]
        )
    attempts: dict[str, int] = {}
    for task in tasks:
        record = state.records[task]
        attempts[task] = record.attempt + 1
        fields: dict[str, Json] = {
            "attempt": record.attempt + 1,
            "agent": state.agents[task],
            "batch": state.stage(task),
            "executor": how.executor,
            "by": how.by,
        }
        if how.session_id or record.session_id:
            fields["session_id"] = how.session_id or record.session_id
        if how.supervisor:
            fields["supervisor"] = list(how.supervisor)
        if how.reserved_usd:
            fields["reserved_usd"] = round(how.reserved_usd, 6)
        if how.lease_s is not None:
            fields["lease_until"] = round(change.now + how.lease_s, 3)
        change.record(EventType.TASK_STARTED, task, **fields)
    return attempts


def _require_startable(state: State, task: str) -> None:
    status = state.status(task)
    if status in (Status.PENDING, Status.RETRYING):
        return
    if status is Status.WAITING:
        unmet = state.unmet(task)
        if unmet:
            raise MoveRefusedError(
                f"{task} is waiting for {', '.join(unmet)}: waiting → running is no move",
                f"complete {', '.join(unmet)} first, or skip what is not needed",
            )
        raise MoveRefusedError(
            f"{task} waits for a person's approval: waiting → running is no move", f"`orchestrate approve {task}`"
        )
    advice = {
        Status.RUNNING: f"attempt {state.records[task].attempt} is under way; `orchestrate complete {task}` or `fail {task}` ends it",
        Status.BLOCKED: "retry or skip " + ", ".join(state.blockers(task)),
        Status.COMPLETED: "it is done; `orchestrate check --retry` runs gaps again",
    }.get(status, f"`orchestrate retry {task}` opens it again")
    raise _refused(task, status, Status.RUNNING, advice)


def require_running(state: State, task: str, attempt: int | None) -> TaskRecord:
    """The record of ``task``, which must be running; ``attempt``, where given, must be the one under way."""
    record = state.records[task]
    if attempt is not None and attempt != record.attempt:
        raise MoveRefusedError(
            f"attempt {attempt} of {task} is stale: attempt {record.attempt} was begun since",
            f"use --attempt {record.attempt} if this result belongs to it",
        )
    if record.status is not Status.RUNNING:
        status = state.status(task)
        advice = (
            f"`orchestrate start {task}` first"
            if status is Status.PENDING
            else f"`orchestrate status` shows why it is {status}"
        )
        raise _refused(task, status, Status.COMPLETED, advice)
    return record


def complete(
    change: Change,
    task: str,
    *,
    result: str,
    hash: str,
    spent: Spent,
    reason: str = "",
    steps: Sequence[str] = (),
    summary: Sequence[str] = (),
) -> None:
    """Record that the running ``task`` is done and its result judged good."""
    state = change.state
    fields: dict[str, Json] = {
        "attempt": state.records[task].attempt,
        "agent": state.agents[task],
        "batch": state.stage(task),
        "result": result,
        "hash": hash,
        **spent.fields(),
    }
    if reason:
        fields["reason"] = reason
    if steps:
        fields["steps"] = list(steps)
    if summary:
        fields["summary"] = list(summary)
    change.record(EventType.TASK_COMPLETED, task, **fields)


def fail(change: Change, task: str, failure: Failure, spent: Spent, *, delay_s: float = 0.0) -> Status:
    """Record that the attempt of ``task`` failed and what follows; the answer is the status it has now.

    ``delay_s`` is the time until the next attempt, if there is one.
    """
    state = change.state
    record, spec = state.records[task], state.tasks[task]
    strategy = spec.failure_strategy
    if not spec.retry_safe:
        unsafe = Failure(f"not safe to retry: {failure.reason}", failure.kind, may_pass=False, gives_up=True)
        return _give_up(change, task, unsafe, spent, strategy)
    if failure.may_pass and not failure.gives_up and record.failures < spec.max_retries:
        _retry_later(change, task, failure, spent, record.failures + 1, change.now + delay_s)
        return Status.RETRYING
    if strategy is OnFailure.FALLBACK and spec.fallback and not record.fallback and not failure.gives_up:
        _retry_later(change, task, failure, spent, 0, change.now, modifications=_fallback_words(spec))
        return Status.RETRYING
    return _give_up(change, task, failure, spent, strategy)


def _retry_later(
    change: Change, task: str, failure: Failure, spent: Spent, failures: int, due: float, modifications: str = ""
) -> None:
    record = change.state.records[task]
    change.record(
        EventType.TASK_RETRYING,
        task,
        attempt=record.attempt,
        agent=change.state.agents[task],
        retry_count=record.retries + 1,
        retry_reason=failure.reason,
        retry_modifications=modifications or None,
        kind=failure.kind,
        failures=failures,
        fallback=record.fallback or bool(modifications),
        due=round(due, 3),
        **spent.fields(),
    )


def _fallback_words(spec: Task) -> str:
    alternative = spec.fallback
    if alternative is None:
        return ""
    words = {"instruction": alternative.description, "model": alternative.model, "role": alternative.role}
    return "fallback: " + ", ".join(
        f"another {name}" if name == "instruction" else f"{name} {value}" for name, value in words.items() if value
    )


def _give_up(change: Change, task: str, failure: Failure, spent: Spent, strategy: OnFailure) -> Status:
    state = change.state
    if strategy is OnFailure.SKIP:
        change.record(
            EventType.TASK_SKIPPED,
            task,
            attempt=state.records[task].attempt,
            agent=state.agents[task],
            reason=f"failed: {failure.reason}",
            **spent.fields(),
        )
        return Status.SKIPPED
    change.record(
        EventType.TASK_FAILED,
        task,
        attempt=state.records[task].attempt,
        agent=state.agents[task],
        reason=failure.reason,
        kind=failure.kind,
        strategy=str(strategy),
        blocks=[[name, state.agents[name]] for name in state.dependants(task)[:BLOCKS_SHOWN]],
        **spent.fields(),
    )
    return Status.FAILED


def put_back(
    change: Change,
    task: str,
    reason: str,
    kind: str,
    spent: Spent = Spent(),
    *,
    session_id: str | None = None,
    was_started: bool = True,
) -> Status:
    """Record that the attempt of ``task`` ended without being its fault; the answer is the status it has now."""
    state = change.state
    if was_started and not state.tasks[task].retry_safe:
        return _give_up(
            change, task, Failure(f"not safe to retry: {reason}", kind, False, True), spent, OnFailure.RETRY
        )
    if kind == "worker_lost" and state.records[task].lost + 1 >= LOST_IN_A_ROW:
        return fail(change, task, Failure(f"{reason}, {LOST_IN_A_ROW} times in a row", kind), spent)
    change.record(
        EventType.TASK_PUT_BACK,
        task,
        attempt=state.records[task].attempt,
        agent=state.agents[task],
        reason=reason,
        kind=kind,
        session_id=session_id,
        **spent.fields(),
    )
    return Status.PENDING


def skip(change: Change, task: str, reason: str) -> None:
    """Leave ``task`` out on purpose; refused when it is completed or skipped already."""
    state = change.state
    status = state.status(task)
    if status in (Status.COMPLETED, Status.SKIPPED):
        raise _refused(task, status, Status.SKIPPED, "only a task that is not done can be skipped")
    change.record(
        EventType.TASK_SKIPPED, task, attempt=state.records[task].attempt, agent=state.agents[task], reason=reason
    )


def reopen(
    change: Change, task: str, reason: str, *, allowed: Sequence[Status] = (Status.FAILED, Status.SKIPPED)
) -> None:
    """Open ``task`` again with a new series of attempts; Retries goes on counting."""
    state = change.state
    status = state.status(task)
    if status is Status.RETRYING and Status.FAILED in allowed:
        raise MoveRefusedError(
            f"{task} is retrying: it starts again by itself",
            f"`orchestrate start {task}` or `orchestrate run` begins it",
        )
    if status not in allowed:
        raise _refused(task, status, Status.PENDING, f"a task that is {status} is not opened again by this command")
    record = state.records[task]
    change.record(
        EventType.TASK_REOPENED,
        task,
        agent=state.agents[task],
        was=str(status),
        retries=record.retries + (1 if record.attempt and status is not Status.SKIPPED else 0),
        reason=reason,
    )


def mark_failed(change: Change, task: str, reason: str) -> None:
    """Give up ``task`` on purpose, whatever it was except running."""
    state = change.state
    status = state.status(task)
    if status in (Status.RUNNING, Status.FAILED):
        raise _refused(task, status, Status.FAILED, f"`orchestrate fail {task}` ends a running task")
    _give_up(change, task, Failure(reason, "marked", False, True), Spent(), OnFailure.RETRY)


def add_consequences(change: Change) -> None:
    """Record what the events of this change bring about: batches and runs that end, runs that block."""
    state = change.state
    for batch in sorted(set(state.batches_started) - state.batches_completed):
        if batch <= state.stages and state.is_stage_done(batch):
            duration = max(0.0, change.now - state.batches_started[batch])
            change.record(EventType.BATCH_COMPLETED, batch=batch, duration_s=round(duration, 3))
    outcome = state.run_state(change.now)
    if outcome is RunState.COMPLETED and state.announced != EventType.ORCHESTRATION_COMPLETED:
        begun = state.started if state.started is not None else change.now
        change.record(EventType.ORCHESTRATION_COMPLETED, duration_s=round(max(0.0, change.now - begun), 3))
    elif outcome in (RunState.BLOCKED, RunState.FAILED):
        _announce_block(change)


def _announce_block(change: Change) -> None:
    state = change.state
    failed = state.with_status(Status.FAILED)
    if not failed or state.announced == f"{EventType.ORCHESTRATION_BLOCKED} {failed[-1]}":
        return
    record = state.records[failed[-1]]
    change.record(
        EventType.ORCHESTRATION_BLOCKED,
        failed[-1],
        blocking_task=failed[-1],
        failure_reason=record.reason,
        attempts=record.attempt,
        escalation=f"Mend the cause, then `orchestrate retry {failed[-1]}`; or go on without it: `orchestrate skip {failed[-1]}`",
    )


def _refused(task: str, old: Status, new: Status, advice: str) -> MoveRefusedError:
    return MoveRefusedError(f"{task} is {old}: {old} → {new} is no move", advice)
