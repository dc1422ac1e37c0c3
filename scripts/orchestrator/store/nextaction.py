"""The next single action of the stateless loop, derived from the plan and where its tasks stand.

Pure: what only the disk knows (files of inputs, gathered material) is asked through ``Surroundings``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import StrEnum

from orchestrator.dataclasses import dataclass
from orchestrator.model import RunState, Status, Task
from orchestrator.plans.rules import LONGEST_ESTIMATE_S, MOST_FILES, MOST_TOKENS
from orchestrator.plans.subtasks import subtasks
from orchestrator.store.records import LoopStatus, MainTask
from orchestrator.store.schedule import startable
from orchestrator.store.state import DONE, State
from orchestrator.texts.maintask import one_sentence
from orchestrator.wording import listed

HAND = "hand"
"""Who is at a task that was started without a process."""


class Action(StrEnum):
    """What one invocation does."""

    DECOMPOSE = "decompose"
    EXECUTE = "execute"
    GATHER_CONTEXT = "gather_context"
    SYNTHESIZE = "synthesize"
    CHECK_STATUS = "check_status"


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the disk knows: the inputs of a task that are written as paths and are not there, whether something was
    gathered for it, and whether the merged document is that of all results as now recorded."""

    missing_inputs: Callable[[str], Sequence[str]]
    has_context: Callable[[str], bool]
    is_merged: Callable[[], bool]


@dataclass(frozen=True, slots=True)
class NextStep:
    """The next step: its action, and what ``MAIN_TASK`` says of it."""

    action: Action
    main: MainTask


NO_PLAN = NextStep(Action.DECOMPOSE, MainTask(LoopStatus.CONTINUE, "Make a plan of the request"))


def next_step(state: State, now: float, around: Surroundings) -> NextStep:
    """What to do next at ``now`` (unix seconds); in doubt to look at the status."""
    if not state.tasks:
        return NO_PLAN
    if task := _best(state, now):
        return _step(action_for(state, task, around), state.tasks[task])
    outcome = state.run_state(now)
    if outcome is RunState.COMPLETED:
        return _at_the_end(around.is_merged())
    if waits := _waits(state, now):
        return NextStep(Action.CHECK_STATUS, MainTask(LoopStatus.CONTINUE, waits))
    if why := _obstacle(state):
        return NextStep(Action.CHECK_STATUS, MainTask(LoopStatus.BLOCKED, one_sentence(why)))
    return NextStep(Action.CHECK_STATUS, MainTask(LoopStatus.CONTINUE, "Look at the status and at what is ready"))


def action_for(state: State, task: str, around: Surroundings) -> Action:
    """What is to be done with ``task``, which may start or was started by hand."""
    spec = state.tasks[task]
    if state.status(task) is not Status.RUNNING:
        if state.status(task) is Status.PENDING and is_to_be_split(state, spec):
            return Action.DECOMPOSE
        if around.missing_inputs(task) and not around.has_context(task):
            return Action.GATHER_CONTEXT
    return Action.EXECUTE


def action_of(state: State, main: MainTask, now: float, around: Surroundings) -> Action:
    """What ``main``, which a person or an invocation has written, comes down to."""
    if main.task in state.tasks and _can_be_done(state, str(main.task)):
        return action_for(state, str(main.task), around)
    return next_step(state, now, around).action


def is_to_be_split(state: State, task: Task) -> bool:
    """Whether ``task`` is a whole request in one sentence, or larger than one piece of work.

    A part of a split task is not split again by itself: that would have no end.
    """
    if task.parent is not None or subtasks(state.tasks, task.id):
        return False
    is_request = len(state.tasks) == 1 and task.description.strip() == state.plan.request.strip()
    return (
        is_request
        or (task.estimate is not None and task.estimate.high_s > LONGEST_ESTIMATE_S)
        or (task.estimate_tokens or 0) > MOST_TOKENS
        or len({*task.outputs, *task.writes}) > MOST_FILES
    )


def contradiction(state: State, main: MainTask, around: Surroundings) -> str:
    """What in the plan contradicts ``main``; empty when nothing does."""
    if main.status is LoopStatus.COMPLETED:
        left = [task for task in state.tasks if state.status(task) not in DONE]
        if left or not state.tasks:
            return f"{listed(left)} {'is' if len(left) == 1 else 'are'} open" if left else "there is no task yet"
        return "" if around.is_merged() else "the results are not merged"
    if main.status is LoopStatus.CONTINUE and main.task is not None:
        if main.task not in state.tasks:
            return f"there is no task {main.task}"
        if state.status(main.task) in DONE:
            return f"{main.task} is {state.status(main.task)}"
    return ""


def waits_for_others(state: State, now: float) -> bool:
    """Whether only time or others can go on: a pause, a retry that is not due, tasks that somebody else does."""
    if _best(state, now) is not None or not state.tasks:
        return False
    return state.is_paused(now) or bool(state.with_status(Status.RUNNING, Status.RETRYING))


def _best(state: State, now: float) -> str | None:
    """The task to see to first: the one the loop has begun and not ended, else the first that may start."""
    main = state.main_task
    if main is not None and main.task in state.tasks and _is_begun(state, str(main.task)):
        return main.task
    ready, _ = startable(state, now)
    return ready[0] if ready else None


def _is_begun(state: State, task: str) -> bool:
    return state.status(task) is Status.RUNNING and state.records[task].by == HAND


def _can_be_done(state: State, task: str) -> bool:
    return _is_begun(state, task) or state.status(task) in (Status.PENDING, Status.RETRYING)


def _step(action: Action, task: Task) -> NextStep:
    verb = {Action.DECOMPOSE: "Decompose", Action.GATHER_CONTEXT: "Gather context for"}.get(action, "Execute")
    sentence = f"{verb} {one_sentence(task.name, most_words=10)}"
    return NextStep(action, MainTask(LoopStatus.CONTINUE, sentence, task.id))


def _at_the_end(is_merged: bool) -> NextStep:
    if is_merged:
        main = MainTask(LoopStatus.COMPLETED, "Nothing is left: the results are merged into final_output.md")
        return NextStep(Action.CHECK_STATUS, main)
    return NextStep(Action.SYNTHESIZE, MainTask(LoopStatus.CONTINUE, "Check the results and merge them"))


def _waits(state: State, now: float) -> str:
    """What everything waits for that is not a failure."""
    if state.pause is not None and state.is_paused(now) and not state.stopped_by():
        return f"Wait for the end of the pause: {state.pause.kind}"
    if under_way := state.with_status(Status.RUNNING, Status.RETRYING):
        return f"Wait for {listed(under_way, 3)} and look at the status"
    if approvals := state.awaiting_approval():
        return f"Wait for a person to approve {listed(approvals, 3)}"
    return ""


def _obstacle(state: State) -> str:
    failed = [task for task in [state.stopped_by()] if task] or state.with_status(Status.FAILED)
    if not failed:
        return ""
    reason = state.records[failed[0]].reason
    return f"{listed(failed, 3)} failed" + (f": {reason}" if reason else "")
