"""The parts of ``master_plan.md`` that are ours: rows, progress line, graph, log entries, and the whole of a new file.

A row is a pure function of the state, so that the table of any earlier position can be made again.
"""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator import clock
from orchestrator.document import STATUS_CELLS, Parts, table_head
from orchestrator.durations import duration_text
from orchestrator.events import Event, EventType
from orchestrator.model import Status
from orchestrator.render.markdown import cell, inline, one_line
from orchestrator.render.summary import counted, money_text, tokens_text
from orchestrator.state import Pause, State

NAME_LIMIT = 200
REASON_LIMIT = 300
PAUSE_WORDS = {"limit": "usage limit", "hand": "by hand", "quiet": "quiet hours", "login": "login", "money": "money"}


def table_rows(state: State) -> list[str]:
    """The rows of the status table, in the order of the plan."""
    dated = _spans_days(state)
    return [_row(state, task, dated) for task in state.tasks]


def _row(state: State, task: str, dated: bool) -> str:
    record = state.records[task]
    spec = state.tasks[task]
    deps = ",".join(spec.dep_ids) or "None"
    return (
        f"| {task} | {cell(spec.name)} | {state.agents[task]} | {STATUS_CELLS[state.status(task)]}"
        f" | {state.priority(task)} | {deps} | {_when(record.start, dated)} | {_when(record.end, dated)}"
        f" | {record.retries} |"
    )


def _when(at: float | None, dated: bool) -> str:
    if at is None:
        return "-"
    return clock.local_datetime(at) if dated else clock.local_time(at)


def _spans_days(state: State) -> bool:
    """Whether the run has begun on another day than its latest change."""
    if state.started is None:
        return False
    ends = [record.end or record.start or 0.0 for record in state.records.values()]
    latest = max(ends, default=0.0) or state.started
    return clock.local_datetime(state.started)[:10] != clock.local_datetime(latest)[:10]


def progress_line(state: State) -> str:
    """Where the run stands, on one line: percent, counts, stage, money, and what holds it."""
    counts = state.counts
    done = counts[Status.COMPLETED] + counts[Status.SKIPPED]
    parts = [f"**Progress:** {state.progress_percent}% ({done} of {len(state.tasks)} tasks)"]
    shown = (
        Status.RUNNING,
        Status.RETRYING,
        Status.PENDING,
        Status.WAITING,
        Status.BLOCKED,
        Status.FAILED,
        Status.SKIPPED,
    )
    parts += [f"{counts[status]} {status}" for status in shown if counts[status]]
    if state.stages:
        parts.append(f"stage {state.current_stage} of {state.stages}")
    if state.tokens or state.spent_usd:
        budget = f" of {money_text(state.plan.budget_usd)}" if state.plan.budget_usd is not None else ""
        parts.append(f"{money_text(state.spent_usd)}{budget}, {tokens_text(state.tokens)} tokens")
    elif state.plan.budget_usd is not None:
        parts.append(f"budget {money_text(state.plan.budget_usd)}")
    if state.pause:
        parts.append(pause_text(state.pause))
    approvals = state.awaiting_approval()
    if approvals:
        parts.append("waiting for approval: " + ", ".join(approvals[:5]) + (" …" if len(approvals) > 5 else ""))
    return " · ".join(parts)


def pause_text(pause: Pause) -> str:
    """``Paused until 15:45: session limit``, in one line."""
    until = f" until {clock.local_time(pause.until)[:5]}" if pause.until is not None else ""
    return f"Paused{until}: {inline(one_line(pause.reason, REASON_LIMIT))}"


def parts(state: State, log: Sequence[str], graph: Sequence[str] | None) -> Parts:
    """What is to stand in the file at the state's position."""
    return Parts(table_rows(state), progress_line(state), log, graph, state.rev)


def graph_lines(state: State) -> list[str]:
    """The dependency graph as a Mermaid block."""
    from orchestrator.render.graph import mermaid

    return mermaid(list(state.tasks.values())).strip("\n").split("\n")


def new_document(state: State, log: Sequence[str]) -> str:
    """A whole ``master_plan.md`` for ``state``."""
    from orchestrator.render.templates import rendered

    return rendered(
        "master_plan.md.j2",
        plan=state.plan,
        head=table_head(),
        rows=table_rows(state),
        progress=progress_line(state),
        rev=state.rev,
        graph=graph_lines(state),
        log=list(log),
    )


def log_entries(event: Event) -> list[str]:
    """What the execution log says of ``event``: no entry, one, or two."""
    say = _ENTRIES.get(str(event["type"]))
    if say is None:
        return []
    at = clock.local_datetime(clock.parse_utc(str(event["timestamp"])))
    return [
        "\n".join([f"### [{at}] {title}", *(f"- {line}" for line in bullets)])
        for title, bullets in say(event)
        if bullets
    ]


Entry = list[tuple[str, list[str]]]


def _text(event: Event, key: str) -> str:
    value = event.get(key)
    return inline(one_line(str(value), REASON_LIMIT)) if value not in (None, "") else ""


def _agent(event: Event) -> str:
    return _text(event, "agent") or "Agent"


def _initialization(event: Event) -> Entry:
    tasks, agents = event.get("subtasks"), event.get("agents")
    return [
        (
            "Initialization",
            [f"Created {counted(int(tasks or 0), 'task')}", f"Assigned {counted(int(agents or 0), 'agent')}"],
        )
    ]


def _plan_changed(event: Event) -> Entry:
    if event.get("by") == "init":
        return []
    added, changed = event.get("added") or 0, event.get("changed") or 0
    bullets = [f"Added {counted(int(added), 'task')}"] * bool(added) + [
        f"Changed {counted(int(changed), 'task')}"
    ] * bool(changed)
    return [("Plan Changed", [*(bullets or ["Settings of the run taken over"]), f"By {_text(event, 'by')}"])]


def _batch_started(event: Event) -> Entry:
    agents = ", ".join(map(str, event.get("agents") or []))  # type: ignore[arg-type]
    tasks = ", ".join(map(str, event.get("tasks") or []))  # type: ignore[arg-type]
    together = " in parallel" if len(event.get("tasks") or []) > 1 else ""  # type: ignore[arg-type]
    return [(f"Batch #{event['batch']} Started", [f"{agents} launched{together}: {tasks}"])]


def _completed(event: Event) -> Entry:
    bullets = [f"{event['task']} completed, duration {_duration(event)}{_spent(event)}"]
    if event.get("result"):
        bullets.append(f"Output saved: {_text(event, 'result')}")
    if event.get("reason"):
        bullets.append(f"Needs attention: {_text(event, 'reason')}")
    return [(f"{_agent(event)} Completed", bullets)]


def _failed(event: Event) -> Entry:
    entries: Entry = [
        (f"{_agent(event)} Failed", [f"{event['task']} failed{_spent(event, ', ')}: {_text(event, 'reason')}"])
    ]
    blocks: list[list[str]] = event.get("blocks") or []  # type: ignore[assignment]
    entries += [(f"{agent} Blocked", [f"{task} waits for {event['task']}, which failed"]) for task, agent in blocks]
    return entries


def _retrying(event: Event) -> Entry:
    due = clock.local_time(float(event["due"]))  # type: ignore[arg-type]
    bullets = [f"{event['task']} retry {event['retry_count']} at {due}: {_text(event, 'retry_reason')}"]
    if event.get("retry_modifications"):
        bullets.append(f"Changed: {_text(event, 'retry_modifications')}")
    return [(f"{_agent(event)} Retrying", bullets)]


def _put_back(event: Event) -> Entry:
    return [(f"{_agent(event)} Put Back", [f"{event['task']} is pending again: {_text(event, 'reason')}"])]


def _skipped(event: Event) -> Entry:
    reason = _text(event, "reason")
    return [(f"{_agent(event)} Skipped", [f"{event['task']} skipped" + (f": {reason}" if reason else "")])]


def _reopened(event: Event) -> Entry:
    reason = _text(event, "reason")
    return [(f"{_agent(event)} Reopened", [f"{event['task']} is open again" + (f": {reason}" if reason else "")])]


def _edited(event: Event) -> Entry:
    fields: dict[str, object] = event["fields"]  # type: ignore[assignment]
    names = ", ".join(fields)
    return [("Edited by Hand", [f"{event['task']}: {names}"])]


def _edit_put_back(event: Event) -> Entry:
    return [("Edit Put Back", [f"{event['task']}: {_text(event, 'cell')} ({_text(event, 'reason')})"])]


def _approved(event: Event) -> Entry:
    note = _text(event, "note")
    return [("Approved", [f"{event['task']} approved by {_text(event, 'by')}" + (f": {note}" if note else "")])]


def _worker_lost(event: Event) -> Entry:
    return [(f"{_agent(event)} Worker Lost", [f"{event['task']}: {_text(event, 'reason')}"])]


def _paused(event: Event) -> Entry:
    until = event.get("until")
    pause = Pause(str(event["kind"]), str(event["reason"]), float(until) if until is not None else None)  # type: ignore[arg-type]
    return [("Paused", [pause_text(pause)])]


def _resumed(event: Event) -> Entry:
    return [("Resumed", [_text(event, "reason") or "New attempts may start"])]


def _batch_completed(event: Event) -> Entry:
    return [(f"Batch #{event['batch']} Completed", [f"Duration: {_duration(event)}"])]


def _merged(event: Event) -> Entry:
    missing: list[str] = event.get("missing") or []  # type: ignore[assignment]
    bullets = [f"Final output: {_text(event, 'file')}", f"Strategy: {_text(event, 'strategy')}"]
    return [("Result Aggregation Completed", bullets + [f"Missing: {', '.join(missing)}"] * bool(missing))]


def _repaired(event: Event) -> Entry:
    kept = _text(event, "kept")
    return [
        ("Repaired", ["The table was rebuilt from the journal" + (f"; the damaged file is {kept}" if kept else "")])
    ]


def _note(event: Event) -> Entry:
    return [(_text(event, "title"), [inline(str(line)) for line in event.get("lines") or []])]  # type: ignore[union-attr]


def _all_completed(event: Event) -> Entry:
    return [("All Tasks Completed", [f"Total duration: {_duration(event)}"])]


def _all_blocked(event: Event) -> Entry:
    bullets = [f"{_text(event, 'blocking_task')} failed: {_text(event, 'failure_reason')}"]
    return [("Run Blocked", bullets + [_text(event, "escalation")] * bool(event.get("escalation")))]


def _duration(event: Event) -> str:
    return duration_text(float(event.get("duration_s") or 0.0))  # type: ignore[arg-type]


def _spent(event: Event, lead: str = ", ") -> str:
    cost = float(event.get("cost_usd") or 0.0)  # type: ignore[arg-type]
    return f"{lead}{money_text(cost)}" if cost else ""


_ENTRIES = {
    EventType.ORCHESTRATION_STARTED: _initialization,
    EventType.PLAN_CHANGED: _plan_changed,
    EventType.BATCH_STARTED: _batch_started,
    EventType.TASK_COMPLETED: _completed,
    EventType.TASK_FAILED: _failed,
    EventType.TASK_RETRYING: _retrying,
    EventType.TASK_PUT_BACK: _put_back,
    EventType.TASK_SKIPPED: _skipped,
    EventType.TASK_REOPENED: _reopened,
    EventType.TASK_EDITED: _edited,
    EventType.EDIT_PUT_BACK: _edit_put_back,
    EventType.APPROVED: _approved,
    EventType.WORKER_LOST: _worker_lost,
    EventType.PAUSED: _paused,
    EventType.RESUMED: _resumed,
    EventType.BATCH_COMPLETED: _batch_completed,
    EventType.MERGED: _merged,
    EventType.REPAIRED: _repaired,
    EventType.NOTE: _note,
    EventType.ORCHESTRATION_COMPLETED: _all_completed,
    EventType.ORCHESTRATION_BLOCKED: _all_blocked,
}
