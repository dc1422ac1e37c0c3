"""How an attempt ends without a result: retried, given up by the task's strategy, or put back.

The rules are the second table of "States of a task" in the design.
"""

from __future__ import annotations

from orchestrator.events import EventType
from orchestrator.model import OnFailure, Status, Task
from orchestrator.plans.subtasks import subtasks
from orchestrator.store.change import NOTHING_SPENT, Change, Failure, Spent, refused
from orchestrator.store.consequences import follow_subtasks
from orchestrator.store.state import State

LOST_IN_A_ROW = 3
"""A worker killed this often in a row, not by us, counts as one failure."""

BLOCKS_SHOWN = 20


def fail(change: Change, task: str, failure: Failure, spent: Spent, *, delay_s: float = 0.0) -> Status:
    """Record that the attempt of ``task`` failed and what follows; the answer is the status it has now.

    ``delay_s`` is the time until the next attempt, if there is one.
    """
    record, spec = change.state.records[task], change.state.tasks[task]
    if not spec.retry_safe:
        return _give_up(change, task, _unsafe(failure.reason, failure.kind), spent, spec.failure_strategy)
    if failure.may_pass and not failure.gives_up and record.failures < spec.max_retries:
        return _retry_later(change, task, failure, spent, record.failures + 1, change.now + delay_s)
    if (
        spec.failure_strategy is OnFailure.FALLBACK
        and spec.fallback is not None
        and not record.fallback
        and not failure.gives_up
    ):
        return _retry_later(change, task, failure, spent, 0, change.now, modifications=_fallback_words(spec))
    return _give_up(change, task, failure, spent, spec.failure_strategy)


def put_back(
    change: Change,
    task: str,
    reason: str,
    kind: str,
    spent: Spent = NOTHING_SPENT,
    *,
    session_id: str | None = None,
    was_started: bool = True,
    delay_s: float = 0.0,
) -> Status:
    """Record that the attempt of ``task`` ended without being its fault; the answer is the status it has now.

    ``delay_s`` is the time until the next attempt where it happened so often that it counts as a failure.
    """
    state = change.state
    if was_started and not state.tasks[task].retry_safe:
        # An interruption is no verdict on the task, so that even `on_failure: skip` waits for a person here.
        return _give_up(change, task, _unsafe(reason, kind), spent, OnFailure.RETRY)
    if kind == "worker_lost" and state.records[task].lost + 1 >= LOST_IN_A_ROW:
        words = f"{reason}, {LOST_IN_A_ROW} times in a row"
        return fail(change, task, Failure(words, kind), spent, delay_s=delay_s)
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
    return state.status(task)


def give_up(change: Change, task: str, reason: str) -> Status:
    """End the retries of ``task``, which waits for its next attempt; the answer is the status it has now."""
    status = change.state.status(task)
    if status is not Status.RETRYING:
        raise refused(task, status, Status.FAILED, f"`orchestrate start {task}` first")
    spec = change.state.tasks[task]
    return _give_up(change, task, Failure(reason, "by_hand", False, True), NOTHING_SPENT, spec.failure_strategy)


def mark_failed(change: Change, task: str, reason: str) -> None:
    """Give up ``task`` on purpose, whatever it was except running."""
    status = change.state.status(task)
    if status in (Status.RUNNING, Status.FAILED):
        raise refused(task, status, Status.FAILED, f"`orchestrate fail {task}` ends a running task")
    _give_up(change, task, Failure(reason, "marked", False, True), NOTHING_SPENT, OnFailure.RETRY)


def newly_blocked(state: State, task: str) -> list[str]:
    """The tasks that a failure of ``task`` blocks, directly or through others, nearest first."""
    found: dict[str, None] = {}
    queue = [task]
    for name in queue:
        for dependant in state.dependants(name):
            if dependant not in found and state.status(dependant) in (Status.WAITING, Status.PENDING):
                found[dependant] = None
                queue.append(dependant)
    return list(found)


def _may_be_split(state: State, task: str) -> bool:
    """Whether a failed ``task`` may be begun again in smaller parts: once, and not as a part of another."""
    spec = state.tasks[task]
    return spec.retry_safe and spec.parent is None and not subtasks(state.tasks, task)


def _unsafe(reason: str, kind: str) -> Failure:
    return Failure(f"not safe to retry: {reason}", kind, may_pass=False, gives_up=True)


def _retry_later(
    change: Change, task: str, failure: Failure, spent: Spent, failures: int, due: float, modifications: str = ""
) -> Status:
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
    return Status.RETRYING


def _fallback_words(spec: Task) -> str:
    alternative = spec.fallback
    if alternative is None:
        return ""
    words = ["another instruction"] * bool(alternative.description)
    words += [f"model {alternative.model}"] * bool(alternative.model)
    words += [f"role {alternative.role}"] * bool(alternative.role)
    return "fallback: " + ", ".join(words)


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
        follow_subtasks(change)
        return Status.SKIPPED
    if strategy is OnFailure.SPLIT and not _may_be_split(state, task):
        strategy = OnFailure.RETRY
    blocked = newly_blocked(state, task)
    change.record(
        EventType.TASK_FAILED,
        task,
        attempt=state.records[task].attempt,
        agent=state.agents[task],
        reason=failure.reason,
        kind=failure.kind,
        strategy=str(strategy),
        blocks=[[name, state.agents[name]] for name in blocked[:BLOCKS_SHOWN]],
        blocked=len(blocked),
        **spent.fields(),
    )
    return Status.FAILED
