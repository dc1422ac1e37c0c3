"""A whole run for other programs: one JSON document, a table of its tasks, a chart of its times."""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Mapping
from datetime import UTC, datetime

from orchestrator import clock
from orchestrator.model import DEFAULT_JOBS, Json, Status
from orchestrator.plans.estimate import EstimateReport
from orchestrator.render.graph import gantt
from orchestrator.render.status import task_record
from orchestrator.report.history import History
from orchestrator.store.schedule import expected_spans
from orchestrator.store.state import DONE, State

CSV_COLUMNS = (
    *("id", "name", "agent", "role", "worker_type", "status", "reason", "priority", "stage", "deps", "start", "end"),
    *("duration_s", "estimate_low_s", "estimate_high_s", "attempts", "retries", "cost_usd", "tokens"),
    *("estimated_tokens", "result", "description"),
)

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def export_record(
    state: State,
    now: float,
    *,
    created: Mapping[str, float],
    complexity: str,
    zombies: Collection[str],
    estimate: EstimateReport,
) -> dict[str, Json]:
    """The run as one JSON document, in the form of design.md.

    ``created`` is when each task came into the plan (unix seconds); ``zombies`` are running tasks without progress.
    """
    stages: dict[str, Json] = {}
    for stage in range(1, state.stages + 1):
        stages[f"stage_{stage}"] = [task for task in state.tasks if state.stage(task) == stage]
    active = state.with_status(Status.RUNNING, Status.RETRYING)
    return {
        "orchestration_id": state.id,
        "parent_task_id": None,
        "task_title": state.plan.title,
        "complexity": complexity,
        "created_at": _time(state.created),
        "status": str(state.run_state(now)),
        "subtasks": [_subtask(state, task, created.get(task)) for task in state.tasks],
        "execution_plan": stages,
        "resource_estimate": estimate.record(),
        "progress": {
            "current_stage": state.current_stage,
            "completed_subtasks": [*state.with_status(Status.COMPLETED)],
            "active_subtasks": [task for task in active if task not in zombies],
            "failed_subtasks": [*state.with_status(Status.FAILED)],
            "zombie_subtasks": [task for task in active if task in zombies],
        },
    }


def _subtask(state: State, task: str, created: float | None) -> Json:
    spec = state.tasks[task]
    return {
        "subtask_id": task,
        "parent_task_id": spec.parent,
        "title": spec.name,
        "description": spec.description,
        "assigned_to": spec.role or state.agents[task],
        "worker_type": spec.worker_type,
        "dependencies": [*spec.dep_ids],
        "estimated_duration_minutes": round(spec.estimate.high_s / 60, 2) if spec.estimate else None,
        "estimated_tokens": spec.estimate_tokens,
        "files_affected": [*dict.fromkeys((*spec.writes, *spec.outputs))],
        "success_criteria": [*spec.success_criteria],
        "status": str(state.status(task)),
        "created_at": _time(created if created is not None else state.created),
    }


def _time(at: float | None) -> str | None:
    return clock.iso_offset(at) if at is not None else None


def csv_text(state: State, now: float, lost: Collection[str] = ()) -> str:
    """A line for each task, as RFC 4180 has it, with a header.

    A text that a spreadsheet would take for a formula begins with an apostrophe, as OWASP advises ("CSV Injection").
    """
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\r\n")
    writer.writerow(CSV_COLUMNS)
    for task, spec in state.tasks.items():
        record = {
            **task_record(state, task, now, lost),
            "deps": " ".join(spec.dep_ids),
            "worker_type": spec.worker_type,
            "estimate_low_s": spec.estimate.low_s if spec.estimate else None,
            "estimate_high_s": spec.estimate.high_s if spec.estimate else None,
            "attempts": state.records[task].attempt,
            "estimated_tokens": spec.estimate_tokens,
            "result": state.records[task].result,
            "description": spec.description,
        }
        writer.writerow([_csv_cell(record[name]) for name in CSV_COLUMNS])
    return written.getvalue()


def _csv_cell(value: object) -> object:
    if value is None:
        return ""
    if not isinstance(value, str):
        return value
    text = value.encode("utf-8", "replace").decode().replace("\0", "\ufffd")
    return f"'{text}" if text.lstrip(" ").startswith(_FORMULA) else text


def gantt_text(state: State, history: History, now: float) -> str:
    """A Mermaid Gantt chart: when tasks ran, and when those that are left would by their estimates."""
    tasks = [*state.tasks.values()]
    known = [attempt for attempt in history.attempts if attempt.task in state.tasks]
    first = min((attempt.start for attempt in known), default=now)
    spans: dict[str, tuple[float, float]] = {}
    for attempt in known:
        end = attempt.end if attempt.end is not None else now
        begun = spans.get(attempt.task, (attempt.start - first, 0.0))[0]
        spans[attempt.task] = (begun, max(end - first, begun))
    left = {task for task in state.tasks if task not in spans and state.status(task) not in _NOT_TO_COME}
    for task, (begin, end) in expected_spans(state, left, state.plan.run.jobs or DEFAULT_JOBS).items():
        spans[task] = (now - first + begin, now - first + end)
    kinds = {task: kind for task in spans if (kind := _KINDS.get(state.status(task)))}
    start = datetime.fromtimestamp(first, UTC).astimezone().replace(tzinfo=None)
    return gantt(tasks, spans, state.plan.title, start, kinds)


_NOT_TO_COME = (*DONE, Status.FAILED, Status.BLOCKED)
_KINDS = {
    Status.COMPLETED: "done",
    Status.RUNNING: "active",
    Status.RETRYING: "active",
}
"""What Mermaid calls them; a failed task has no name of its own there."""
