"""A run while it goes on: the picture that a terminal shows of it, and a line for each thing that happens."""

from __future__ import annotations

from collections.abc import Collection

from orchestrator import clock
from orchestrator.durations import duration_text
from orchestrator.events import Event, EventType
from orchestrator.model import Status
from orchestrator.render.execution_log import log_entries, pause_text
from orchestrator.render.markdown import one_line, uncell
from orchestrator.render.summary import agent_line, spent_text, tokens_text
from orchestrator.store.change import BY_HAND
from orchestrator.store.state import State

NAME_SHOWN = 48
ROWS_SHOWN = 12
BAR_WIDTH = 30
APPROVALS_SHOWN = 5


def picture(state: State, now: float, lost: Collection[str] = ()) -> str:
    """How far the run is, what runs now and for how long, what waits for its retry, for a person, or for a pause."""
    done = state.count(Status.COMPLETED) + state.count(Status.SKIPPED)
    filled = BAR_WIDTH * done // max(1, len(state.tasks))
    facts = [f"{state.progress_percent}%", f"{done}/{len(state.tasks)}"]
    facts += [f"{state.count(Status.FAILED)} failed"] * bool(state.count(Status.FAILED))
    facts += [spent_text(state.spent_usd, state.plan.budget_usd)] * bool(state.spent_usd)
    facts += [f"{tokens_text(state.tokens)} tokens"] * bool(state.tokens)
    lines = [f"{'█' * filled}{'░' * (BAR_WIDTH - filled)} {'  '.join(facts)}"]
    running = state.with_status(Status.RUNNING)
    for task in running[:ROWS_SHOWN]:
        begun = state.records[task].start or now
        taken = "worker lost" if task in lost else duration_text(max(0.0, now - begun))
        lines.append(f"  🔵 {state.agents[task]} {task} {one_line(state.tasks[task].name, NAME_SHOWN)} {taken}")
    lines += [f"     and {len(running) - ROWS_SHOWN} more"] * (len(running) > ROWS_SHOWN)
    retrying = state.with_status(Status.RETRYING)
    for task in retrying[: max(1, ROWS_SHOWN - len(running))]:
        due = clock.local_time(state.records[task].due or now)
        lines.append(f"  🔄 {state.agents[task]} {task} {one_line(state.tasks[task].name, NAME_SHOWN)} retry at {due}")
    if waiting := approvals_text(state):
        lines.append(f"  {waiting}")
    if state.pause is not None and state.pause.holds(now):
        lines.append(f"  {pause_text(state.pause)}")
    return "\n".join(lines)


def approvals_text(state: State) -> str:
    """Which tasks wait for nothing but a person, and the command that lets them start; empty when none does."""
    waiting = state.awaiting_approval()
    if not waiting:
        return ""
    shown = ", ".join(waiting[:APPROVALS_SHOWN]) + f" and {len(waiting) - APPROVALS_SHOWN} more" * (
        len(waiting) > APPROVALS_SHOWN
    )
    return f"Waiting for a person: {shown} (orchestrate approve {waiting[0] if len(waiting) == 1 else '--all'})"


def held_text(state: State) -> str:
    """Which tasks somebody holds by hand, where nothing else is under way or due; empty otherwise."""
    running = state.with_status(Status.RUNNING)
    if not running or state.count(Status.RETRYING) or any(state.records[task].by != BY_HAND.by for task in running):
        return ""
    leases = [lease for task in running if (lease := state.records[task].lease_until) is not None]
    until = f" until {clock.local_time(max(leases))}" if leases else ""
    return f"Waiting for {', '.join(running)}, held by hand{until} (orchestrate complete, fail or skip ends that)"


def started_line(state: State, task: str, attempt: int) -> str:
    """``[Agent-02] T-02 Running (attempt 2): Review the style``."""
    again = f" (attempt {attempt})" if attempt > 1 else ""
    return f"[{state.agents[task]}] {task} Running{again}: {one_line(state.tasks[task].name, NAME_SHOWN)}"


def event_lines(event: Event, state: State) -> list[str]:
    """What ``event`` says to somebody who watches, each with its time of day; ``state`` may be later than it.

    Attempts in the words of ``run``, everything else in those of the execution log.
    """
    try:
        at = clock.local_time(clock.parse_utc(str(event["timestamp"])))
        task = str(event.get("task") or "")
        if event["type"] == EventType.TASK_STARTED:
            lines = [started_line(state, task, int(str(event["attempt"])))]
        elif (ended := _ENDS.get(str(event["type"]))) is not None:
            status, reason = ended
            duration_s = float(str(event["duration_s"])) if "duration_s" in event else None
            lines = [agent_line(state.agents[task], task, status, duration_s, str(event.get(reason) or ""))]
        else:
            lines = [_entry_line(entry) for entry in log_entries(event)]
    except (KeyError, ValueError):
        return []  # a line that somebody changed; `status` and `check` name it
    return [f"{at} {line}" for line in lines]


def _entry_line(entry: str) -> str:
    """An entry of the execution log on one line, without its Markdown."""
    heading, *bullets = entry.split("\n")
    said = "; ".join(uncell(bullet.removeprefix("- ")) for bullet in bullets)
    return one_line(f"{heading.partition('] ')[2]}: {said}", 300)


_ENDS: dict[str, tuple[Status, str]] = {
    EventType.TASK_COMPLETED: (Status.COMPLETED, "reason"),
    EventType.TASK_FAILED: (Status.FAILED, "reason"),
    EventType.TASK_RETRYING: (Status.RETRYING, "retry_reason"),
    EventType.TASK_PUT_BACK: (Status.PENDING, "reason"),
    EventType.TASK_SKIPPED: (Status.SKIPPED, "reason"),
}
