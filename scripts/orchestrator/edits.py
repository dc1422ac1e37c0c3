"""What a person changed in the status table: the difference from the table they had before them.

Pure: the rows of the file, the state that it showed, and the state as it is now go in; the edits and
what is wrong with them come out. Start, End and Retries are never read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator import graph
from orchestrator.document import STATUS_CELLS, Row
from orchestrator.errors import Problem
from orchestrator.model import DependencyType, Json, Status
from orchestrator.state import State

DERIVED = frozenset({Status.WAITING, Status.PENDING, Status.BLOCKED})
OPENABLE = frozenset({Status.FAILED, Status.SKIPPED})


@dataclass(frozen=True, slots=True)
class MoveEdit:
    """A status set by hand."""

    task: str
    old: Status
    new: Status
    line: int


@dataclass(frozen=True, slots=True)
class FieldEdit:
    """Other fields of a task, as ``model.with_fields`` takes them."""

    task: str
    fields: dict[str, Json]
    line: int


@dataclass(frozen=True, slots=True)
class DroppedEdit:
    """A cell of a task that started since the table was shown; it is put back, and the log says so."""

    task: str
    cell: str


Edit = MoveEdit | FieldEdit | DroppedEdit


def hand_edits(rows: Sequence[Row], shown: State, now: State) -> tuple[list[Edit], list[Problem]]:
    """The edits that ``rows`` make to the table of ``shown``, to be applied to ``now``; all or none."""
    problems = _missing(rows, shown, now)
    edits: list[Edit] = []
    for row in rows:
        if row.task not in shown.tasks:
            continue
        _read_row(row, shown, now, edits, problems)
    if not problems:
        problems += _broken_graph(edits, now)
    return edits, problems


def _missing(rows: Sequence[Row], shown: State, now: State) -> list[Problem]:
    listed = {row.task for row in rows}
    problems = [
        Problem(
            f"the row of {task} is lost",
            f"put it back; to leave the task out, set its status to {STATUS_CELLS[Status.SKIPPED]}",
            line=min((row.line for row in rows), default=0) + 1,
            task=task,
        )
        for task in shown.tasks
        if task not in listed
    ]
    problems += [
        Problem(
            f"{row.task} is no task of this plan: a row is not a way to add one",
            "`orchestrate add`, or a new task in .orchestrator/plan.yaml",
            line=row.line + 1,
            task=row.task,
        )
        for row in rows
        if row.task not in shown.tasks
    ]
    return problems


def _read_row(row: Row, shown: State, now: State, edits: list[Edit], problems: list[Problem]) -> None:
    task = shown.tasks[row.task]
    old = shown.status(row.task)
    if row.agent != shown.agents[row.task]:
        problems.append(
            _problem(row, f"the agent of {row.task} cannot be changed here", f"write {shown.agents[row.task]} again")
        )
    if row.status is not old:
        _read_status(row, old, now, edits, problems)
    fields: dict[str, Json] = {}
    if row.name != " ".join(task.name.split()) and row.name != task.name:
        fields["name"] = row.name
    if row.priority is not shown.priority(row.task):
        fields["priority"] = str(row.priority)
    if set(row.deps) != set(task.dep_ids):
        types = {dep.task: dep.type for dep in task.deps}
        fields["deps"] = [
            dep if types.get(dep, DependencyType.DATA) is DependencyType.DATA else [dep, str(types[dep])]
            for dep in dict.fromkeys(row.deps)
        ]
    if not fields:
        return
    if shown.records[row.task].attempt:
        names = ", ".join(fields)
        problems.append(
            _problem(row, f"{row.task} has been started: its {names} can no longer be changed", "put the old text back")
        )
    elif now.records[row.task].attempt:
        edits += [DroppedEdit(row.task, name) for name in fields]
    elif not row.name:
        problems.append(_problem(row, "the task description is empty", "give the task a name"))
    else:
        edits.append(FieldEdit(row.task, fields, row.line))


def _read_status(row: Row, old: Status, now: State, edits: list[Edit], problems: list[Problem]) -> None:
    new, current = row.status, now.status(row.task)
    if new is current:
        return
    move = f"{row.task} is {current}: {current} → {new} by hand is no move"
    if new is Status.SKIPPED and current not in (Status.COMPLETED, Status.SKIPPED):
        edits.append(MoveEdit(row.task, current, new, row.line))
    elif new is Status.PENDING and current in OPENABLE:
        edits.append(MoveEdit(row.task, current, new, row.line))
    elif new is Status.RUNNING and current in (Status.PENDING, Status.RETRYING):
        edits.append(MoveEdit(row.task, current, new, row.line))
    elif new is Status.COMPLETED and current in (Status.RUNNING, Status.PENDING):
        edits.append(MoveEdit(row.task, current, new, row.line))
    elif new in DERIVED and current not in OPENABLE:
        problems.append(
            _problem(
                row,
                move + (f"; {new} follows from the dependencies and is never set" if current in DERIVED else ""),
                f"write {STATUS_CELLS[current]} again",
            )
        )
    elif new is Status.FAILED:
        problems.append(
            _problem(row, move, f"`orchestrate fail {row.task}`, or set it to {STATUS_CELLS[Status.SKIPPED]}")
        )
    else:
        problems.append(_problem(row, move, f"write {STATUS_CELLS[current]} again"))


def _broken_graph(edits: Sequence[Edit], now: State) -> list[Problem]:
    """What the edited dependencies would break: unknown tasks, tasks that wait for themselves, cycles."""
    deps = {name: list(task.dep_ids) for name, task in now.tasks.items()}
    problems: list[Problem] = []
    lines: dict[str, int] = {}
    for edit in edits:
        if not isinstance(edit, FieldEdit) or "deps" not in edit.fields:
            continue
        wanted: list[str] = [dep if isinstance(dep, str) else dep[0] for dep in edit.fields["deps"]]  # type: ignore
        lines[edit.task] = edit.line
        deps[edit.task] = wanted
        problems += [
            Problem(
                f"{edit.task} cannot depend on {dep}: there is no such task"
                if dep not in now.tasks
                else f"{edit.task} cannot depend on itself",
                "write ids of the first column with commas between them, or None",
                line=edit.line + 1,
                task=edit.task,
            )
            for dep in wanted
            if dep not in now.tasks or dep == edit.task
        ]
    if lines and not problems:
        problems += [
            Problem(
                f"the dependencies form a cycle: {graph.cycle_text(cycle)}",
                "take one of these dependencies out",
                line=next((lines[name] for name in cycle if name in lines), 0) + 1,
                task=cycle[0],
            )
            for cycle in graph.cycles(deps)
        ]
    return problems


def _problem(row: Row, message: str, advice: str) -> Problem:
    return Problem(message, advice, line=row.line + 1, task=row.task)
