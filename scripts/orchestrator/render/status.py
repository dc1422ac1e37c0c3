"""Where a run stands: as the JSON that others rely on, and as a few lines that fit a terminal or a context."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from orchestrator import clock
from orchestrator.dataclasses import dataclass
from orchestrator.durations import duration_text
from orchestrator.model import Json, RunState, Status
from orchestrator.render.markdown import one_line
from orchestrator.render.master_plan import pause_text
from orchestrator.render.summary import counted, spent_text, tokens_text
from orchestrator.store.consequences import blocking_task, escalation
from orchestrator.store.state import State
from orchestrator.store.statustable import STATUS_CELLS

WORKER_LOST = "worker lost"
TEXT_LIMIT = 4000
"""Bytes of ``status_text``, so that a session's context is not flooded."""

_ORDER = (
    Status.RUNNING,
    Status.RETRYING,
    Status.FAILED,
    Status.BLOCKED,
    Status.PENDING,
    Status.WAITING,
    Status.SKIPPED,
    Status.COMPLETED,
)
_WITH_REASON = frozenset({Status.RUNNING, Status.RETRYING, Status.FAILED})


@dataclass(frozen=True, slots=True)
class _Room:
    """How much the text shows: ids of a group, lines of a group, characters of a name or a reason, problems."""

    ids: int
    lines: int
    words: int
    problems: int


_ROOMS = (_Room(12, 8, 120, 20), _Room(8, 4, 80, 8), _Room(4, 2, 40, 4), _Room(1, 1, 20, 2))


def status_record(state: State, now: float, lost: Collection[str] = (), *, is_merged: bool = False) -> dict[str, Json]:
    """What ``status --json`` prints; ``lost`` are the running tasks whose worker is gone.

    ``is_merged``: the final output is there as it was made from all results as now recorded.
    """
    return {
        "run": run_record(state, now, is_merged=is_merged),
        "tasks": [task_record(state, task, now, lost) for task in state.tasks],
    }


def run_record(state: State, now: float, *, is_merged: bool) -> dict[str, Json]:
    """The run as a whole; ``is_merged`` as for ``status_record``."""
    pause = state.pause if state.is_paused(now) else None
    return {
        "id": state.id,
        "title": state.plan.title,
        "state": str(state.run_state(now)),
        "merged": is_merged,
        "progress_percent": state.progress_percent,
        "current_stage": state.current_stage,
        "stages": state.stages,
        "counts": {str(status): count for status, count in state.counts.items()},
        "cost_usd": round(state.spent_usd, 6),
        "tokens": state.tokens,
        "budget_usd": state.plan.budget_usd,
        "paused_until": clock.iso_offset(pause.until) if pause and pause.until is not None else None,
        "reason": run_reason(state, now) or None,
    }


def task_record(state: State, task: str, now: float, lost: Collection[str] = ()) -> dict[str, Json]:
    """One task of the run."""
    spec, record = state.tasks[task], state.records[task]
    return {
        "id": task,
        "name": spec.name,
        "agent": state.agents[task],
        "role": spec.role,
        "status": str(state.status(task)),
        "reason": WORKER_LOST if task in lost else (task_reason(state, task) or None),
        "priority": str(state.priority(task)),
        "deps": list(spec.dep_ids),
        "stage": state.stage(task),
        "start": clock.iso_offset(record.start) if record.start is not None else None,
        "end": clock.iso_offset(record.end) if record.end is not None else None,
        "retries": record.retries,
        "cost_usd": round(record.cost_usd, 6),
        "tokens": record.tokens,
        "duration_s": _duration_s(state, task, now),
    }


def _duration_s(state: State, task: str, now: float) -> float | None:
    record = state.records[task]
    if record.status is Status.RUNNING and record.start is not None:
        return round(max(0.0, now - record.start), 3)
    return round(record.duration_s, 3) if record.end is not None else None


def run_reason(state: State, now: float) -> str:
    """Why the run does not go on by itself, or what stands in its way; empty when nothing does."""
    if state.is_paused(now) and state.pause:
        return pause_text(state.pause)
    outcome = state.run_state(now)
    stopper = state.stopped_by()
    if stopper:
        return f"{stopper} (on_failure: fail-fast) has failed: {state.records[stopper].reason}"
    if outcome in (RunState.BLOCKED, RunState.FAILED):
        failed = state.with_status(Status.FAILED)
        return "; ".join(f"{task} failed: {one_line(state.records[task].reason, 200)}" for task in failed[:3])
    if outcome is RunState.PAUSED and state.awaiting_approval():
        return approvals_reason(state)
    slowdown = state.slowdown
    if outcome is RunState.RUNNING and slowdown is not None and slowdown.level_at(now):
        part = f"1 of {2 ** slowdown.level_at(now)} slots in use"
        return f"slowed down until {clock.local_time(slowdown.until)}, {part}: the API asked for it"
    return ""


def approvals_reason(state: State) -> str:
    """Which tasks wait for a person and for nothing else."""
    return "waiting for a person's approval: " + ", ".join(state.awaiting_approval())


def task_reason(state: State, task: str) -> str:
    """Why ``task`` is where it is, in one line."""
    record, status = state.records[task], state.status(task)
    if status is Status.BLOCKED:
        return "; ".join(f"{name} failed" for name in state.blockers(task))
    if status is Status.WAITING:
        unmet = state.unmet(task)
        return f"waiting for {', '.join(unmet)}" if unmet else "waiting for approval"
    if status is Status.RETRYING and record.due is not None:
        return f"retry at {clock.local_time(record.due)}: {record.reason}"
    return record.reason


def status_text(
    state: State,
    now: float,
    lost: Collection[str] = (),
    problems: Sequence[str] = (),
    *,
    is_merged: bool = False,
) -> str:
    """At most ``TEXT_LIMIT`` bytes: what is run, how far it is, who does what, what is in the way.

    ``lost`` and ``is_merged`` as for ``status_record``.
    """
    run = run_record(state, now, is_merged=is_merged)
    texts = (_text_in(room, state, run, now, lost, problems) for room in _ROOMS)
    return next((text for text in texts if len(text.encode("utf-8", "replace")) <= TEXT_LIMIT), None) or _cut(
        _text_in(_ROOMS[-1], state, run, now, lost, problems)
    )


def _cut(text: str) -> str:
    kept = text.encode("utf-8", "replace")[: TEXT_LIMIT - 4].decode("utf-8", "ignore")
    return f"{kept}…"


def _text_in(
    room: _Room,
    state: State,
    run: Mapping[str, Json],
    now: float,
    lost: Collection[str],
    problems: Sequence[str],
) -> str:
    done = state.count(Status.COMPLETED) + state.count(Status.SKIPPED)
    facts = [f"{state.progress_percent}%", f"{done} of {len(state.tasks)} tasks done"]
    facts += [f"stage {state.current_stage} of {state.stages}"] * bool(state.stages)
    if state.spent_usd or state.plan.budget_usd is not None:
        facts.append(spent_text(state.spent_usd, state.plan.budget_usd))
    facts += [f"{tokens_text(state.tokens)} tokens"] * bool(state.tokens)
    lines = [
        f"{one_line(state.plan.title, 80)}: {run['state']}{', merged' if run['merged'] else ''}",
        " · ".join(facts),
    ]
    lines += [f"! {one_line(str(run['reason']), 3 * room.words)}"] * bool(run["reason"])
    if run["state"] in (RunState.BLOCKED, RunState.FAILED) and (task := blocking_task(state)) is not None:
        attempts = counted(state.records[task].attempt, "attempt")
        lines.append(f"  after {attempts}; {escalation(state, task)}")
    approvals = state.awaiting_approval()
    if approvals and approvals_reason(state) != run["reason"]:
        lines.append(f"! {one_line(approvals_reason(state), 3 * room.words)}")
    for status in _ORDER:
        tasks = state.with_status(status)
        if tasks:
            lines += _group(room, state, status, tasks, now, lost)
    lines += [f"! {one_line(problem, 400)}" for problem in problems[: room.problems]]
    if len(problems) > room.problems:
        lines.append(f"! and {len(problems) - room.problems} more problems, on stderr")
    return "\n".join(lines)


def _group(
    room: _Room, state: State, status: Status, tasks: Sequence[str], now: float, lost: Collection[str]
) -> list[str]:
    cell = STATUS_CELLS[status]
    if status is Status.BLOCKED:
        blockers = list(dict.fromkeys(name for task in tasks[: room.ids] for name in state.blockers(task)))
        return [f"{cell} ({len(tasks)}): {_ids(tasks, room.ids)}, because of {_ids(blockers, room.ids)}"]
    if status not in _WITH_REASON:
        return [f"{cell} ({len(tasks)}): {_ids(tasks, room.ids)}"]
    lines = [f"{cell} ({len(tasks)}):"]
    for task in tasks[: room.lines]:
        duration_s = _duration_s(state, task, now)
        parts = [f"{task} {state.agents[task]} {one_line(state.tasks[task].name, min(48, room.words))}"]
        if duration_s is not None and status is Status.RUNNING:
            parts.append(duration_text(duration_s))
        reason = WORKER_LOST if task in lost else task_reason(state, task)
        parts += [one_line(reason, room.words)] * bool(reason)
        lines.append("  " + " · ".join(parts))
    if len(tasks) > room.lines:
        lines.append(f"  and {len(tasks) - room.lines} more: {_ids(tasks[room.lines :], room.ids)}")
    return lines


def _ids(tasks: Sequence[str], shown: int) -> str:
    return ", ".join(tasks[:shown]) + (f" and {len(tasks) - shown} more" if len(tasks) > shown else "")


def list_lines(state: State, tasks: Sequence[str], now: float, lost: Collection[str] = ()) -> list[str]:
    """One line a task: id, status, agent, priority, name, and why it is there."""
    width = max((len(task) for task in tasks), default=0)
    lines = []
    for task in tasks:
        reason = WORKER_LOST if task in lost else task_reason(state, task)
        name = one_line(state.tasks[task].name, 60)
        why = f" ({one_line(reason, 100)})" if reason else ""
        status = state.status(task)
        lines.append(f"{task:<{width}}  {status:<9}  {state.agents[task]}  {state.priority(task)}  {name}{why}")
    return lines


def next_record(state: State, now: float, ready: Sequence[str]) -> dict[str, Json]:
    """What ``next --json`` prints; ``ready`` are the tasks that may start, in order."""
    return {
        "ready": list(ready),
        "running": list(state.with_status(Status.RUNNING)),
        "waiting_for_approval": list(state.awaiting_approval()),
        "batch": min((state.stage(task) for task in ready), default=None),
        "state": str(state.run_state(now)),
    }
