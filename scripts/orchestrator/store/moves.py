"""The state machine: every move that a task can make, as the events that record it.

Each function checks that the move exists, decides what follows by the plan's rules, and records it.
A move that does not exist is refused with its name. Nothing here reads a clock, a disk or a process.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from orchestrator.errors import MoveRefusedError, UsageError
from orchestrator.events import EventType
from orchestrator.model import DEFAULT_LEASE_S, Json, Status, Task
from orchestrator.store.change import BY_HAND, Change, Failure, Spent, Start, refused, spent_until_now
from orchestrator.store.consequences import add_consequences, follow_subtasks
from orchestrator.store.failing import fail, give_up, mark_failed, put_back
from orchestrator.store.records import TaskRecord
from orchestrator.store.schedule import Holdings
from orchestrator.store.state import State

__all__ = [
    "BY_HAND",
    "Change",
    "Failure",
    "Spent",
    "Start",
    "add_consequences",
    "complete",
    "fail",
    "give_up",
    "known",
    "mark_failed",
    "put_back",
    "renew",
    "reopen",
    "require_attempt",
    "require_running",
    "skip",
    "spent_until_now",
    "start",
    "start_by_hand",
    "start_each",
]


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
    return start_each(change, dict.fromkeys(tasks, how))


def start_each(change: Change, starts: Mapping[str, Start]) -> dict[str, int]:
    """Begin an attempt of each task of ``starts``, all or none; the answer has the number of each attempt."""
    state = change.state
    for task in starts:
        _require_startable(state, task)
    first: dict[int, list[str]] = {}
    for task in starts:
        if state.stage(task) not in state.batches_started:
            first.setdefault(state.stage(task), []).append(task)
    for batch, names in sorted(first.items()):
        agents = list(dict.fromkeys(state.agents[task] for task in names))
        change.record(EventType.BATCH_STARTED, batch=batch, tasks=list(names), agents=[*agents])
    return {task: _start_one(change, task, how, state.stage(task) in first) for task, how in starts.items()}


def start_by_hand(change: Change, tasks: Sequence[str]) -> dict[str, int]:
    """Begin attempts without a process, all or none: refused beside what holds the same resources or files."""
    state = change.state
    holdings = Holdings([state.tasks[other] for other in state.with_status(Status.RUNNING)])
    for task in tasks:
        _require_startable(state, task)
        clash = holdings.clash(state.tasks[task])
        if clash:
            raise MoveRefusedError(
                f"{task} cannot run beside {clash[0]}: both want {clash[1]}", f"complete {clash[0]} first"
            )
        holdings.add(state.tasks[task])
    return start(change, tasks, BY_HAND)


def renew(change: Change, task: str) -> None:
    """Begin the lease of ``task``, which was started by hand, anew."""
    record = require_running(change.state, task, None, Status.RUNNING)
    if record.by != BY_HAND.by:
        raise MoveRefusedError(f"{task} was not started by hand: it has no lease", "only `start` gives one")
    change.record(EventType.TASK_RENEWED, task, attempt=record.attempt, lease_until=_lease_until(change, task))


def _start_one(change: Change, task: str, how: Start, opens_batch: bool) -> int:
    state = change.state
    number = state.records[task].attempt + 1
    fields: dict[str, Json] = {
        "attempt": number,
        "agent": state.agents[task],
        "batch": state.stage(task),
        "opens_batch": opens_batch,
        "executor": how.executor,
        "by": how.by,
    }
    if how.session_id:
        fields["session_id"] = how.session_id
    if how.resumes:
        fields["resumes"] = True
    if how.supervisor:
        fields["supervisor"] = list(how.supervisor)
    if how.reserved_usd:
        fields["reserved_usd"] = round(how.reserved_usd, 6)
    if how.by == BY_HAND.by:
        fields["lease_until"] = _lease_until(change, task)
    change.record(EventType.TASK_STARTED, task, **fields)
    return number


def _lease_until(change: Change, task: str) -> float:
    """The ``timeout`` that the plan gives the task, else an hour, from now."""
    return round(change.now + (change.state.tasks[task].timeout_s or DEFAULT_LEASE_S), 3)


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
        Status.RUNNING: f"attempt {state.records[task].attempt} is under way;"
        f" `orchestrate complete {task}` or `fail {task}` ends it",
        Status.BLOCKED: "retry or skip " + ", ".join(state.blockers(task)),
        Status.COMPLETED: "it is done; `orchestrate check --retry` opens gaps again",
    }.get(status, f"`orchestrate retry {task}` opens it again")
    raise refused(task, status, Status.RUNNING, advice)


def require_running(state: State, task: str, attempt: int | None, wanted: Status = Status.COMPLETED) -> TaskRecord:
    """The record of ``task``, which must be running; ``attempt``, where given, must be the one under way.

    ``wanted`` is the status of the move that is refused otherwise.
    """
    record = state.records[task]
    require_attempt(record, task, attempt)
    if record.status is not Status.RUNNING:
        status = state.status(task)
        advice = (
            f"`orchestrate start {task}` first"
            if status in (Status.PENDING, Status.RETRYING)
            else f"`orchestrate status` shows why it is {status}"
        )
        raise refused(task, status, wanted, advice)
    return record


def require_attempt(record: TaskRecord, task: str, attempt: int | None) -> None:
    """Refuse ``attempt``, where given, unless it is the latest one of ``task``."""
    if attempt is None or attempt == record.attempt:
        return
    if attempt > record.attempt:
        latest = f"the latest is {record.attempt}" if record.attempt else "it was never started"
        raise MoveRefusedError(f"there is no attempt {attempt} of {task}: {latest}", f"`orchestrate start {task}`")
    raise MoveRefusedError(
        f"attempt {attempt} of {task} is stale: attempt {record.attempt} was begun since",
        f"use --attempt {record.attempt} if this result belongs to it",
    )


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
    require_running(state, task, None)
    change.record(
        EventType.TASK_COMPLETED,
        task,
        attempt=state.records[task].attempt,
        agent=state.agents[task],
        batch=state.stage(task),
        result=result,
        hash=hash,
        reason=reason or None,
        steps=list(steps) or None,
        summary=list(summary) or None,
        **spent.fields(),
    )
    follow_subtasks(change)


def skip(change: Change, task: str, reason: str) -> None:
    """Leave ``task`` out on purpose; refused when it is completed or skipped already."""
    state = change.state
    status = state.status(task)
    if status in (Status.COMPLETED, Status.SKIPPED):
        raise refused(task, status, Status.SKIPPED, "only a task that is not done can be skipped")
    spent = spent_until_now(change, task) if status is Status.RUNNING else None
    change.record(
        EventType.TASK_SKIPPED,
        task,
        attempt=state.records[task].attempt,
        agent=state.agents[task],
        reason=reason,
        **(spent.fields() if spent else {}),
    )
    follow_subtasks(change)


def reopen(
    change: Change,
    task: str,
    reason: str,
    *,
    allowed: Sequence[Status] = (Status.FAILED, Status.SKIPPED),
    cost_usd: float = 0.0,
) -> None:
    """Open ``task`` again with a new series of attempts; Retries goes on counting.

    ``cost_usd`` is what it took to find out how.
    """
    state = change.state
    status = state.status(task)
    if status is Status.RETRYING:
        raise MoveRefusedError(
            f"{task} is retrying: retrying → pending is no move, it starts again by itself",
            f"`orchestrate start {task}` or `orchestrate run` begins it",
        )
    if status not in allowed:
        raise refused(task, status, Status.PENDING, f"a task that is {status} is not opened again by this command")
    record = state.records[task]
    change.record(
        EventType.TASK_REOPENED,
        task,
        agent=state.agents[task],
        was=str(status),
        retries=record.retries + bool(record.attempt),
        reason=reason,
        cost_usd=round(cost_usd, 6) or None,
    )
