"""The parts of ``master_plan.md`` that are ours: rows, progress line, graph, log entries, and the whole of a new file.

A row is a pure function of the state, so that the table of any earlier position can be made again.
"""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator import clock
from orchestrator.model import Status
from orchestrator.render.execution_log import log_entries, pause_text
from orchestrator.render.markdown import cell
from orchestrator.render.summary import money_text, spent_text, tokens_text
from orchestrator.store.state import State
from orchestrator.store.statustable import STATUS_CELLS, table_head
from orchestrator.texts.document import Parts

__all__ = ["graph_lines", "log_entries", "new_document", "parts", "pause_text", "progress_line", "table_rows"]

APPROVALS_SHOWN = 5


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
    """Whether the times in the table are of more than one day."""
    times = [at for record in state.records.values() for at in (record.start, record.end) if at is not None]
    return bool(times) and clock.local_datetime(min(times))[:10] != clock.local_datetime(max(times))[:10]


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
        spent = spent_text(state.spent_usd, state.plan.budget_usd)
        parts.append(f"{spent}, {tokens_text(state.tokens)} tokens")
    elif state.plan.budget_usd is not None:
        parts.append(f"budget {money_text(state.plan.budget_usd)}")
    if state.pause:
        parts.append(pause_text(state.pause))
    approvals = state.awaiting_approval()
    if approvals:
        more = " …" if len(approvals) > APPROVALS_SHOWN else ""
        parts.append("waiting for approval: " + ", ".join(approvals[:APPROVALS_SHOWN]) + more)
    return " · ".join(parts)


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
