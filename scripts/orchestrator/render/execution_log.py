"""The execution log: what each event of the journal says to a person, if anything.

An entry is ``### [YYYY-MM-DD HH:MM:SS] Title`` and bullets; every text of others in it is one line in which
nothing of Markdown happens.
"""

from __future__ import annotations

from collections.abc import Callable

from orchestrator import clock
from orchestrator.durations import duration_text
from orchestrator.events import Event, EventType
from orchestrator.render.markdown import inline, one_line
from orchestrator.render.summary import counted, money_text, tokens_text
from orchestrator.store.edits import COLUMN_OF
from orchestrator.store.records import Pause

REASON_LIMIT = 300

Entry = tuple[str, list[str]]
"""A title and its bullets; without bullets there is no entry."""


def log_entries(event: Event) -> list[str]:
    """What the execution log says of ``event``: no entry, one, or several."""
    say = _ENTRIES.get(str(event["type"]))
    if say is None:
        return []
    try:
        at = clock.local_datetime(clock.parse_utc(str(event["timestamp"])))
        entries = say(event)
    except (KeyError, TypeError, ValueError):
        return []  # a line that somebody changed; `status` and `check` name it
    return [
        "\n".join([f"### [{at}] {title}", *(f"- {line}" for line in bullets)]) for title, bullets in entries if bullets
    ]


def pause_text(pause: Pause) -> str:
    """``Paused until 15:45: session limit``, in one line; with the date when it ends on another day than it began."""
    until = ""
    if pause.until is not None:
        moment = clock.local_datetime(pause.until)[:16]
        is_same_day = pause.since is None or clock.local_datetime(pause.since)[:10] == moment[:10]
        until = f" until {moment[11:] if is_same_day else moment}"
    return f"Paused{until}: {inline(one_line(pause.reason, REASON_LIMIT))}"


def _text(event: Event, key: str) -> str:
    value = event.get(key)
    return inline(one_line(str(value), REASON_LIMIT)) if value not in (None, "") else ""


def _number(event: Event, key: str) -> float:
    value = event.get(key) or 0
    return value if isinstance(value, (int, float)) else float(str(value))


def _list(event: Event, key: str) -> list[str]:
    value = event.get(key)
    return [inline(one_line(str(item), REASON_LIMIT)) for item in value] if isinstance(value, list) else []


def _with(text: str, event: Event, key: str, lead: str = ": ") -> str:
    """``text``, and what ``event`` says under ``key`` after ``lead``, if it says anything."""
    more = _text(event, key)
    return f"{text}{lead}{more}" if more else text


def _agent(event: Event) -> str:
    return _text(event, "agent") or "Agent"


def _duration(event: Event) -> str:
    return duration_text(_number(event, "duration_s"))


def _cost(event: Event) -> str:
    cost, tokens = _number(event, "cost_usd"), int(_number(event, "tokens"))
    return (f", {money_text(cost)}" if cost else "") + (f", {tokens_text(tokens)} tokens" if tokens else "")


def _spent(event: Event) -> str:
    """How long an attempt took and what it cost, where it was begun at all."""
    return (f" after {_duration(event)}" if _number(event, "duration_s") else "") + _cost(event)


def _initialization(event: Event) -> list[Entry]:
    tasks, agents = int(_number(event, "subtasks")), int(_number(event, "agents"))
    return [("Initialization", [f"Created {counted(tasks, 'task')}", f"Assigned {counted(agents, 'agent')}"])]


def _plan_changed(event: Event) -> list[Entry]:
    if event.get("by") == "init":
        return []
    added, changed = int(_number(event, "added")), int(_number(event, "changed"))
    bullets = [f"Added {counted(added, 'task')}"] * bool(added)
    bullets += [f"Changed {counted(changed, 'task')}"] * bool(changed)
    bullets += ["Took over the settings of the run"] * bool(event.get("settings") and event.get("by") == "edit")
    return [("Plan Changed", bullets and [*bullets, f"By {_text(event, 'by')}"])]


def _batch_started(event: Event) -> list[Entry]:
    tasks = _list(event, "tasks")
    together = " in parallel" if len(tasks) > 1 else ""
    launched = f"{', '.join(_list(event, 'agents'))} launched{together}: {', '.join(tasks)}"
    return [(f"Batch #{_text(event, 'batch')} Started", [launched])]


def _started(event: Event) -> list[Entry]:
    """A start by hand; the first ones of a batch stand in its own entry."""
    if event.get("by") != "hand" or event.get("opens_batch"):
        return []
    return [(f"{_agent(event)} Started", [f"{_text(event, 'task')} started by hand"])]


def _renewed(event: Event) -> list[Entry]:
    until = clock.local_time(_number(event, "lease_until"))
    return [("Lease Renewed", [f"{_text(event, 'task')} is held until {until}"])]


def _completed(event: Event) -> list[Entry]:
    if event.get("taken_from"):
        taken = f"{_text(event, 'task')} completed with the result of its last subtask {_text(event, 'taken_from')}"
        return [(f"{_agent(event)} Completed", [taken, f"Output saved: {_text(event, 'result')}"])]
    bullets = [f"{_text(event, 'task')} completed, duration {_duration(event)}{_cost(event)}"]
    bullets += [f"Output saved: {_text(event, 'result')}"] * bool(event.get("result"))
    bullets += [f"Needs attention: {_text(event, 'reason')}"] * bool(event.get("reason"))
    return [(f"{_agent(event)} Completed", bullets)]


def _failed(event: Event) -> list[Entry]:
    task = _text(event, "task")
    blocks: list[list[str]] = event.get("blocks") or []  # type: ignore[assignment]  # pairs, written by failing.py
    bullets = [_with(f"{task} failed{_spent(event)}", event, "reason")]
    if (blocked := int(_number(event, "blocked"))) > len(blocks):
        bullets.append(f"Blocks {counted(blocked, 'task')}, the nearest of which follow")
    entries = [(f"{_agent(event)} Failed", bullets)]
    for name, agent in blocks:
        entries.append((f"{inline(agent)} Blocked", [f"{inline(name)} waits for {task}, which failed"]))
    return entries


def _retrying(event: Event) -> list[Entry]:
    due = clock.local_time(_number(event, "due"))
    first = f"{_text(event, 'task')} failed{_spent(event)}, retry {_text(event, 'retry_count')} at {due}"
    bullets = [_with(first, event, "retry_reason")]
    bullets += [f"Changed: {_text(event, 'retry_modifications')}"] * bool(event.get("retry_modifications"))
    return [(f"{_agent(event)} Retrying", bullets)]


def _put_back(event: Event) -> list[Entry]:
    return [
        (f"{_agent(event)} Put Back", [_with(f"{_text(event, 'task')} is open again{_spent(event)}", event, "reason")])
    ]


def _skipped(event: Event) -> list[Entry]:
    return [(f"{_agent(event)} Skipped", [_with(f"{_text(event, 'task')} skipped{_cost(event)}", event, "reason")])]


def _reopened(event: Event) -> list[Entry]:
    return [(f"{_agent(event)} Reopened", [_with(f"{_text(event, 'task')} is open again", event, "reason")])]


def _edited(event: Event) -> list[Entry]:
    fields = event["fields"]
    names = ", ".join(COLUMN_OF.get(name, inline(name)) for name in fields) if isinstance(fields, dict) else ""
    return [("Edited by Hand", [f"{_text(event, 'task')}: {names}"])]


def _edit_put_back(event: Event) -> list[Entry]:
    return [("Edit Put Back", [_with(f"{_text(event, 'task')}: {_text(event, 'cell')}", event, "reason", ", ")])]


def _context_added(event: Event) -> list[Entry]:
    characters = counted(int(_number(event, "characters")), "character")
    source = _with(f"{_text(event, 'task')}: {characters}", event, "source", " of ")
    return [("Context Gathered", [_with(source, event, "file", " in ")])]


def _main_task_set(event: Event) -> list[Entry]:
    """A status set by hand, and an end; the steps from one invocation to the next stand in its own entry."""
    by = _text(event, "by")
    if by in ("loop", "advance") and event["status"] == "continue":
        return []
    return [("Main Task Set", [_with(f"{_text(event, 'status').capitalize()}, by {by}", event, "next")])]


def _claim_refused(event: Event) -> list[Entry]:
    return [("Claim Refused", [_with(f"{_text(event, 'claim').capitalize()} was claimed", event, "reason", ", but ")])]


def _loop_iteration(event: Event) -> list[Entry]:
    task = f" {_text(event, 'task')}" if event.get("task") else ""
    first = f"{_text(event, 'action')}{task}, {_text(event, 'outcome')}, duration {_duration(event)}{_cost(event)}"
    changed, acts = _list(event, "changed"), _list(event, "acts")
    bullets = [_with(first, event, "reason"), f"Changed: {', '.join(changed) or 'nothing'}"]
    bullets += [f"More than one action: {', '.join(acts)}"] * (len(acts) > 1)
    return [(f"Loop Iteration #{_text(event, 'iteration')}", bullets)]


def _loop_ended(event: Event) -> list[Entry]:
    count = counted(int(_number(event, "iterations")), "invocation")
    bullets = [_with(_text(event, "status").capitalize(), event, "reason")]
    return [("Loop Ended", [*bullets, f"{count}, duration {_duration(event)}{_cost(event)}"])]


def _approved(event: Event) -> list[Entry]:
    return [("Approved", [_with(f"{_text(event, 'task')} approved by {_text(event, 'by')}", event, "note")])]


def _trusted(event: Event) -> list[Entry]:
    return [("Trusted", ["What the plan starts was accepted"])]


def _worker_lost(event: Event) -> list[Entry]:
    return [(f"{_agent(event)} Worker Lost", [_with(_text(event, "task"), event, "reason")])]


def _slowed_down(event: Event) -> list[Entry]:
    told = _with(f"The API asks for it while {_text(event, 'task')} tries again", event, "reason")
    return [("Slowed Down", [told, "Fewer tasks at a time for a while"])]


def _paused(event: Event) -> list[Entry]:
    until, since = _number(event, "until") or None, clock.parse_utc(str(event["timestamp"]))
    return [("Paused", [pause_text(Pause(_text(event, "kind"), str(event.get("reason") or ""), until, since))])]


def _quiet_hours_set(event: Event) -> list[Entry]:
    hours = _text(event, "hours")
    return [("Quiet Hours", [f"Nothing new starts from {hours.replace('-', ' to ')}" if hours else "None any more"])]


def _resumed(event: Event) -> list[Entry]:
    return [("Resumed", [_text(event, "reason") or "New attempts may start"])]


def _batch_completed(event: Event) -> list[Entry]:
    return [(f"Batch #{_text(event, 'batch')} Completed", [f"Duration: {_duration(event)}"])]


def _merged(event: Event) -> list[Entry]:
    bullets = [f"Final output: {_text(event, 'file')}", f"Strategy: {_text(event, 'strategy')}"]
    missing = _list(event, "missing")
    return [("Result Aggregation Completed", bullets + [f"Missing: {', '.join(missing)}"] * bool(missing))]


def _criterion_judged(event: Event) -> list[Entry]:
    shown_by = _list(event, "shown_by")
    first = f"{_text(event, 'number')}. {_text(event, 'criterion')}: {_text(event, 'verdict')}"
    bullets = [first + (f", shown by {', '.join(shown_by)}" if shown_by else "")]
    return [("Criterion Judged", [*bullets, _with(f"By {_text(event, 'by')}", event, "note")])]


def _model_asked(event: Event) -> list[Entry]:
    return [("Model Asked", [_with(f"For {_text(event, 'purpose')}{_cost(event)}", event, "reason")])]


def _repaired(event: Event) -> list[Entry]:
    return [("Repaired", [_with("The table was rebuilt from the journal", event, "kept", "; the old file is ")])]


def _note(event: Event) -> list[Entry]:
    return [(_text(event, "title"), _list(event, "lines"))]


def _request_added(event: Event) -> list[Entry]:
    return [("Request Added", [f"{_text(event, 'request')}, {_text(event, 'priority')}"])]


def _request_refused(event: Event) -> list[Entry]:
    return [("Request Refused", [_with(_with(_text(event, "file"), event, "reason"), event, "kept", ", now in ")])]


def _request_triaged(event: Event) -> list[Entry]:
    decided = _with(_with(_text(event, "decision"), event, "role", ", "), event, "score", ", score ")
    return [("Request Triaged", [f"{_text(event, 'request')}: {decided}", *_list(event, "reasons")])]


def _request_asked(event: Event) -> list[Entry]:
    return [("Request Asked", [f"{_text(event, 'request')}: the model was asked for a plan{_cost(event)}"])]


def _request_planned(event: Event) -> list[Entry]:
    tasks = counted(int(_number(event, "subtasks")), "task")
    planned = f"{_text(event, 'request')}: {tasks} from {_text(event, 'source')}"
    return [("Request Planned", [_with(planned, event, "why")])]


def _request_changed(event: Event) -> list[Entry]:
    changed = f"{_text(event, 'request')} is {_text(event, 'status')}{_cost(event)}"
    return [("Request Changed", [_with(changed, event, "reason")])]


def _run_archived(event: Event) -> list[Entry]:
    return [("Run Archived", [_with(_text(event, "orchestration_id"), event, "kept", " is now in ")])]


def _run_lost(event: Event) -> list[Entry]:
    return [("Run Lost", [_with(_text(event, "orchestration_id"), event, "reason")])]


def _all_completed(event: Event) -> list[Entry]:
    return [("All Tasks Completed", [f"Total duration: {_duration(event)}"])]


def _split_proposed(event: Event) -> list[Entry]:
    file = _text(event, "file")
    bullets = [_with(f"{_text(event, 'task')} was not split", event, "reason")]
    return [("Split Proposed", bullets + [f"Subtasks for it: {file}"] * bool(file))]


def _all_blocked(event: Event) -> list[Entry]:
    bullets = [_with(f"{_text(event, 'blocking_task')} failed", event, "failure_reason")]
    return [("Run Blocked", bullets + [_text(event, "escalation")] * bool(event.get("escalation")))]


_ENTRIES: dict[str, Callable[[Event], list[Entry]]] = {
    EventType.ORCHESTRATION_STARTED: _initialization,
    EventType.PLAN_CHANGED: _plan_changed,
    EventType.BATCH_STARTED: _batch_started,
    EventType.TASK_STARTED: _started,
    EventType.TASK_RENEWED: _renewed,
    EventType.TASK_COMPLETED: _completed,
    EventType.TASK_FAILED: _failed,
    EventType.TASK_RETRYING: _retrying,
    EventType.SPLIT_PROPOSED: _split_proposed,
    EventType.TASK_PUT_BACK: _put_back,
    EventType.TASK_SKIPPED: _skipped,
    EventType.TASK_REOPENED: _reopened,
    EventType.TASK_EDITED: _edited,
    EventType.EDIT_PUT_BACK: _edit_put_back,
    EventType.CONTEXT_ADDED: _context_added,
    EventType.MAIN_TASK_SET: _main_task_set,
    EventType.CLAIM_REFUSED: _claim_refused,
    EventType.LOOP_ITERATION: _loop_iteration,
    EventType.LOOP_ENDED: _loop_ended,
    EventType.APPROVED: _approved,
    EventType.TRUSTED: _trusted,
    EventType.WORKER_LOST: _worker_lost,
    EventType.SLOWED_DOWN: _slowed_down,
    EventType.PAUSED: _paused,
    EventType.QUIET_HOURS_SET: _quiet_hours_set,
    EventType.RESUMED: _resumed,
    EventType.BATCH_COMPLETED: _batch_completed,
    EventType.MERGED: _merged,
    EventType.CRITERION_JUDGED: _criterion_judged,
    EventType.MODEL_ASKED: _model_asked,
    EventType.REPAIRED: _repaired,
    EventType.NOTE: _note,
    EventType.REQUEST_ADDED: _request_added,
    EventType.REQUEST_REFUSED: _request_refused,
    EventType.REQUEST_TRIAGED: _request_triaged,
    EventType.REQUEST_ASKED: _request_asked,
    EventType.REQUEST_PLANNED: _request_planned,
    EventType.REQUEST_CHANGED: _request_changed,
    EventType.RUN_ARCHIVED: _run_archived,
    EventType.RUN_LOST: _run_lost,
    EventType.ORCHESTRATION_COMPLETED: _all_completed,
    EventType.ORCHESTRATION_BLOCKED: _all_blocked,
}
