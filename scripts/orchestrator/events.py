"""The names of what the journal records, and what each record carries.

One event is one JSON object: ``timestamp``, ``type``, ``orchestration_id``, ``task``, ``attempt``
and the fields listed here. The table is also the source of the list in templates.md.
"""

from __future__ import annotations

from enum import StrEnum

from orchestrator.model import Json

Event = dict[str, Json]


class EventType(StrEnum):
    """What happened."""

    ORCHESTRATION_STARTED = "orchestration_started"
    PLAN_CHANGED = "plan_changed"
    BATCH_STARTED = "batch_started"
    TASK_STARTED = "task_started"
    TASK_PROGRESS = "task_progress"
    TASK_RENEWED = "task_renewed"
    TASK_COMPLETED = "task_completed"
    TASK_FAILED = "task_failed"
    TASK_RETRYING = "task_retrying"
    TASK_PUT_BACK = "task_put_back"
    TASK_SKIPPED = "task_skipped"
    SPLIT_PROPOSED = "split_proposed"
    TASK_REOPENED = "task_reopened"
    TASK_EDITED = "task_edited"
    EDIT_PUT_BACK = "edit_put_back"
    CONTEXT_ADDED = "context_added"
    MAIN_TASK_SET = "main_task_set"
    CLAIM_REFUSED = "claim_refused"
    LOOP_ITERATION = "loop_iteration"
    LOOP_ENDED = "loop_ended"
    APPROVED = "approved"
    TRUSTED = "trusted"
    WORKER_LOST = "worker_lost"
    SLOWED_DOWN = "slowed_down"
    PAUSED = "paused"
    RESUMED = "resumed"
    QUIET_HOURS_SET = "quiet_hours_set"
    BATCH_COMPLETED = "batch_completed"
    MERGED = "merged"
    CRITERION_JUDGED = "criterion_judged"
    MODEL_ASKED = "model_asked"
    REPAIRED = "repaired"
    NOTE = "note"
    REQUEST_ADDED = "request_added"
    REQUEST_REFUSED = "request_refused"
    REQUEST_TRIAGED = "request_triaged"
    REQUEST_ASKED = "request_asked"
    REQUEST_PLANNED = "request_planned"
    REQUEST_CHANGED = "request_changed"
    RUN_ARCHIVED = "run_archived"
    RUN_LOST = "run_lost"
    ORCHESTRATION_COMPLETED = "orchestration_completed"
    ORCHESTRATION_BLOCKED = "orchestration_blocked"


EVENT_FIELDS: dict[EventType, dict[str, str]] = {
    EventType.ORCHESTRATION_STARTED: {
        "title": "of the plan",
        "subtasks": "how many tasks",
        "agents": "how many agents",
    },
    EventType.PLAN_CHANGED: {
        "payload": "file under store/ with what changed",
        "source": "digest of plan.yaml",
        "added": "how many tasks are new",
        "changed": "how many tasks have other fields",
        "settings": "whether anything beside the tasks is different",
        "by": "init, add, decompose or edit",
    },
    EventType.BATCH_STARTED: {"batch": "stage number, from 1", "tasks": "ids that start it", "agents": "their agents"},
    EventType.TASK_STARTED: {
        "agent": "agent id",
        "batch": "stage number",
        "opens_batch": "whether it is among the first of its batch",
        "executor": "claude, rehearse, command or hand",
        "by": "run, exec, feed or hand",
        "session_id": "of the claude process",
        "resumes": "whether it goes on in the session of an attempt that was put back",
        "supervisor": "[host, pid, start time] of the process that judges the attempt",
        "reserved_usd": "money set aside for it",
        "lease_until": "by hand: unix seconds",
    },
    EventType.TASK_PROGRESS: {"step": "what was done"},
    EventType.TASK_RENEWED: {"lease_until": "unix seconds"},
    EventType.TASK_COMPLETED: {
        "agent": "agent id",
        "result": "file under results/",
        "hash": "digest of that file",
        "cost_usd": "of the attempt",
        "tokens": "of the attempt",
        "duration_s": "of the attempt",
        "reason": "what needs attention",
        "steps": "what was done, in order",
        "summary": "what came out",
        "batch": "stage number",
        "taken_from": "the last subtask of a task that was split, whose result this is",
    },
    EventType.TASK_FAILED: {
        "reason": "why",
        "kind": "class of the failure",
        "strategy": "the on_failure that decided",
        "blocks": "[task, agent] of those that it blocks, the nearest first",
        "blocked": "how many it blocks",
        "cost_usd": "of the attempt",
        "tokens": "of the attempt",
        "duration_s": "of the attempt",
    },
    EventType.TASK_RETRYING: {
        "agent": "agent id",
        "retry_count": "retries so far, this one included",
        "retry_reason": "why the attempt failed",
        "retry_modifications": "what the next attempt does otherwise",
        "due": "unix seconds of the next attempt",
        "failures": "failures in this series of attempts",
        "fallback": "whether the alternative is tried from now on",
        "kind": "class of the failure",
        "cost_usd": "of the attempt",
        "tokens": "of the attempt",
        "duration_s": "of the attempt",
    },
    EventType.TASK_PUT_BACK: {
        "reason": "why",
        "kind": "what ended the attempt",
        "session_id": "of a claude session that can be resumed",
        "cost_usd": "of the attempt",
        "tokens": "of the attempt",
        "duration_s": "of the attempt",
    },
    EventType.TASK_SKIPPED: {
        "agent": "agent id",
        "reason": "why",
        "cost_usd": "of the attempt that ended with it",
        "tokens": "of the attempt",
        "duration_s": "of the attempt",
        "taken_from": "the last subtask of a task that was split, which was skipped",
    },
    EventType.SPLIT_PROPOSED: {
        "agent": "agent id",
        "reason": "why the task was not split at once",
        "cost_usd": "of asking the model for parts in vain",
        "file": "subtasks for it that a person may take, in the folder of the run",
    },
    EventType.TASK_REOPENED: {
        "agent": "agent id",
        "reason": "why",
        "was": "the status before",
        "retries": "retries so far, this one included",
        "cost_usd": "of asking the model for the subtasks that it is split into",
    },
    EventType.TASK_EDITED: {
        "fields": "the new values",
        "payload": "file under store/ with the new values, where they are long",
        "by": "table or command",
    },
    EventType.EDIT_PUT_BACK: {"cell": "column", "reason": "why"},
    EventType.CONTEXT_ADDED: {
        "file": "where all that was gathered for the task is",
        "source": "the file that was added, or stdin",
        "characters": "how many were added",
        "hash": "digest of the file as it now is",
    },
    EventType.MAIN_TASK_SET: {
        "status": "continue, blocked or completed",
        "next": "the next step in a sentence",
        "focus": "what to mind in it",
        "action": "the action that `advance` chose",
        "by": "set, advance, add, loop or hand",
    },
    EventType.CLAIM_REFUSED: {"claim": "what MAIN_TASK said", "reason": "what in the plan contradicts it"},
    EventType.LOOP_ITERATION: {
        "iteration": "its number, from 1 over all starts of the loop",
        "action": "what was to be done",
        "acts": "what was done",
        "changed": "what is different afterwards",
        "outcome": "how the invocation ended",
        "reason": "why it did not end well, or what needs attention",
        "cost_usd": "of the invocation",
        "tokens": "of the invocation",
        "duration_s": "of the invocation",
        "idle": "invocations in a row that changed nothing",
        "same": "invocations in a row with the same action on the same task, left as it was",
        "mark": "digest of state and results afterwards",
        "task_mark": "digest of what there is of its task",
    },
    EventType.LOOP_ENDED: {
        "status": "continue, blocked or completed",
        "reason": "why",
        "iterations": "how many this start of the loop had",
        "cost_usd": "of these",
        "duration_s": "of these, waiting included",
    },
    EventType.APPROVED: {"by": "who", "note": "their words"},
    EventType.TRUSTED: {"hash": "digest of what may start programs"},
    EventType.WORKER_LOST: {"reason": "how it was found", "pid": "of the worker"},
    EventType.SLOWED_DOWN: {"reason": "what the API answers while the worker tries again"},
    EventType.PAUSED: {
        "kind": "limit, hand, quiet, login, money, budget or cancelled",
        "reason": "why",
        "until": "unix seconds",
    },
    EventType.RESUMED: {"reason": "why", "kind": "of the pause that ends"},
    EventType.QUIET_HOURS_SET: {"hours": "22:00-07:00, or empty for none"},
    EventType.BATCH_COMPLETED: {"batch": "stage number", "duration_s": "since the batch started"},
    EventType.MERGED: {
        "strategy": "concat, structured or ai",
        "file": "final output",
        "missing": "tasks without result",
        "results": "how many results it was made of",
        "hash": "digest of that file",
        "elsewhere": "true where that is another file than the run's final_output.md",
    },
    EventType.CRITERION_JUDGED: {
        "number": "of the criterion in the plan, from 1",
        "criterion": "its text, cut where it is long",
        "hash": "digest of its text",
        "verdict": "met, not met or not judged",
        "shown_by": "the tasks whose results show it",
        "basis": "digest of the results that were looked at",
        "how": "hand or ai",
        "by": "who: a person, or the model",
        "note": "why",
    },
    EventType.MODEL_ASKED: {
        "purpose": "merging or judging",
        "reason": "why its answer does not count",
        "cost_usd": "of the question",
        "tokens": "of the question",
    },
    EventType.REPAIRED: {"kept": "where the damaged file is"},
    EventType.NOTE: {"title": "of the log entry", "lines": "its bullets"},
    EventType.REQUEST_ADDED: {"request": "id", "priority": "P0 to P3", "by": "add or import"},
    EventType.REQUEST_REFUSED: {"file": "what was put into the queue", "reason": "why", "kept": "where it is now"},
    EventType.REQUEST_TRIAGED: {
        "request": "id",
        "decision": "simple or complex",
        "score": "of triage",
        "role": "of a simple one",
        "reasons": "why",
        "by": "triage, or the request itself",
    },
    EventType.REQUEST_ASKED: {"request": "id", "cost_usd": "of asking the model for a plan"},
    EventType.REQUEST_PLANNED: {
        "request": "id",
        "source": "role, template or model",
        "subtasks": "how many tasks",
        "why": "of the choice",
        "estimate_usd": "of the plan, low and high",
    },
    EventType.REQUEST_CHANGED: {
        "request": "id",
        "status": "the new one",
        "reason": "why",
        "cost_usd": "of its run so far",
    },
    EventType.RUN_ARCHIVED: {"kept": "where it is now", "cost_usd": "of the run"},
    EventType.RUN_LOST: {"request": "id", "reason": "how it was found", "cost_usd": "of the run, as last known"},
    EventType.ORCHESTRATION_COMPLETED: {"duration_s": "since the first start"},
    EventType.ORCHESTRATION_BLOCKED: {
        "blocking_task": "the failed task",
        "failure_reason": "why it failed",
        "attempts": "how many it has had",
        "escalation": "what a person can do",
    },
}
