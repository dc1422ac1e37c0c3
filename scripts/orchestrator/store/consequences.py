"""What a change brings about beside itself: stages that are complete, a run that has ended or cannot go on."""

from __future__ import annotations

from orchestrator.events import EventType
from orchestrator.model import RunState, Status
from orchestrator.store.change import Change
from orchestrator.store.state import DONE, State


def add_consequences(change: Change) -> None:
    """Record what the events of this change bring about, once each."""
    state = change.state
    follow_subtasks(change)
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


def follow_subtasks(change: Change) -> None:
    """Let every task that was split end as its last subtask did, or be open again as that is.

    At once with the move of the subtask, so that nobody finds such a task pending and starts it.
    """
    while any(_follow(change, task, last) for task, last in change.state.last_subtasks.items()):
        pass  # a subtask may have been split itself


def _follow(change: Change, task: str, last: str) -> bool:
    """Let ``task`` do what its last subtask did; whether it moved."""
    state = change.state
    own, other = state.records[task], state.records[last]
    status, agent = state.status(task), state.agents[task]
    if status is Status.PENDING and other.status is Status.COMPLETED:
        change.record(
            EventType.TASK_COMPLETED,
            task,
            attempt=own.attempt,
            agent=agent,
            batch=state.stage(task),
            result=other.result,
            hash=other.hash,
            taken_from=last,
        )
    elif status is Status.PENDING and other.status is Status.SKIPPED:
        reason = f"its last subtask {last} was skipped"
        change.record(EventType.TASK_SKIPPED, task, attempt=own.attempt, agent=agent, reason=reason, taken_from=last)
    elif own.taken_from == last and status in DONE and (other.status, other.hash) != (own.status, own.hash):
        reason = f"its last subtask {last} was opened again"
        change.record(EventType.TASK_REOPENED, task, agent=agent, was=str(status), retries=own.retries, reason=reason)
    else:
        return False
    return True


def _announce_block(change: Change) -> None:
    state = change.state
    task = blocking_task(state)
    if any(state.records[each].is_to_be_split for each in state.with_status(Status.FAILED)):
        return  # it may go on in a moment
    if task is None or state.announced == f"{EventType.ORCHESTRATION_BLOCKED} {task}":
        return
    change.record(
        EventType.ORCHESTRATION_BLOCKED,
        task,
        blocking_task=task,
        failure_reason=state.records[task].reason,
        attempts=state.records[task].attempt,
        escalation=escalation(state, task),
    )


def escalation(state: State, task: str) -> str:
    """What a person can do about the failed ``task``."""
    words = f"mend the cause, then: orchestrate retry {task}; or go on without it: orchestrate skip {task}"
    if file := state.records[task].proposal:
        return f"read the proposed subtasks, then: orchestrate decompose {task} --from {file}; or {words}"
    return words


def blocking_task(state: State) -> str | None:
    """The failed task to see to first: the one that stops the run, else one that others wait for."""
    stopper = state.stopped_by()
    if stopper is not None:
        return stopper
    failed = state.with_status(Status.FAILED)
    for task in failed:
        if any(state.status(dependant) is Status.BLOCKED for dependant in state.dependants(task)):
            return task
    return failed[0] if failed else None
