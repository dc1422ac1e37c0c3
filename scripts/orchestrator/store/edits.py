"""What a person changed in the status table: the difference from the table they had before them.

Pure: the rows of the file, the state that it showed, and the state as it is now go in; the edits and
what is wrong with them come out. Start, End and Retries are never read.
"""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator import graph
from orchestrator.dataclasses import dataclass
from orchestrator.errors import Problem
from orchestrator.model import Dependency, Json, Status, Task
from orchestrator.planrecords import plain
from orchestrator.store.state import State
from orchestrator.store.statustable import STATUS_CELLS, Row

DERIVED = frozenset({Status.WAITING, Status.PENDING, Status.BLOCKED})
OPENABLE = frozenset({Status.FAILED, Status.SKIPPED})
COLUMN_OF = {"name": "Task Description", "priority": "Priority", "deps": "Deps"}


@dataclass(frozen=True, slots=True)
class MoveEdit:
    """A status set by hand; ``line`` counts from 0."""

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
    """A cell that was overtaken since the table was shown; it is put back, and the log says so."""

    task: str
    cell: str
    reason: str
    line: int


Edit = MoveEdit | FieldEdit | DroppedEdit


def hand_edits(rows: Sequence[Row], shown: State, now: State) -> tuple[list[Edit], list[Problem]]:
    """The edits that ``rows`` make to the table of ``shown``, to be applied to ``now``; all or none."""
    problems = _missing(rows, shown)
    edits: list[Edit] = []
    for row in rows:
        if row.task in shown.tasks:
            _read_row(row, shown, now, edits, problems)
    if not problems:
        problems = _broken_graph(edits, now)
    return ([] if problems else edits), problems


def _missing(rows: Sequence[Row], shown: State) -> list[Problem]:
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
    return problems + [
        Problem(
            f"{row.task} is no task of this plan: a row is not a way to add one",
            "`orchestrate add`, or a new task in .orchestrator/plan.yaml",
            line=row.line + 1,
            task=row.task,
        )
        for row in rows
        if row.task not in shown.tasks
    ]


def _read_row(row: Row, shown: State, now: State, edits: list[Edit], problems: list[Problem]) -> None:
    if row.agent != shown.agents[row.task]:
        agent = shown.agents[row.task]
        problems.append(
            _problem(row, f"the agent of {row.task} cannot be changed here: {agent} → {row.agent}", f"write {agent}")
        )
    old = shown.status(row.task)
    if row.status is not old:
        _read_status(row, old, now, edits, problems)
    fields = _fields(row, shown, now)
    if not fields:
        return
    if shown.records[row.task].start is not None:
        cells = ", ".join(COLUMN_OF[name] for name in fields)
        message = f"{row.task} is {old}: {cells} of a task that was started can no longer be changed"
        problems.append(_problem(row, message, "put the old text back"))
    elif now.records[row.task].start is not None:
        reason = "the task started before the edit was read"
        edits += [DroppedEdit(row.task, COLUMN_OF[name], reason, row.line) for name in fields]
    elif not row.name.strip():
        problems.append(_problem(row, "the task description is empty", "give the task a name"))
    else:
        edits.append(FieldEdit(row.task, fields, row.line))


def _fields(row: Row, shown: State, now: State) -> dict[str, Json]:
    """What ``row`` changes besides the status; what already stands so is no change."""
    before, current = shown.tasks[row.task], now.tasks[row.task]
    fields: dict[str, Json] = {}
    if row.name != before.name and row.name != current.name:
        fields["name"] = row.name
    if row.priority is not shown.priority(row.task) and row.priority is not current.priority:
        fields["priority"] = str(row.priority)
    deps = _deps(row, before, current, now)
    if deps is not None:
        fields["deps"] = deps
    return fields


def _deps(row: Row, before: Task, current: Task, now: State) -> list[Json] | None:
    """The dependencies that ``row`` asks for, taken to those of ``current``; None when nothing changes.

    Only what was added or taken out counts, so that what plan.yaml changed meanwhile stays.
    """
    if row.deps == before.dep_ids:
        return None
    folded = {name.casefold(): name for name in now.tasks}
    wanted = [folded.get(dep.casefold(), dep) for dep in row.deps]
    added = [dep for dep in dict.fromkeys(wanted) if dep not in before.dep_ids and dep not in current.dep_ids]
    removed = {dep for dep in before.dep_ids if dep not in wanted} & {*current.dep_ids}
    if not added and not removed:
        return None
    kept = [dep for dep in current.deps if dep.task not in removed]
    return [plain(dep) for dep in (*kept, *map(Dependency, added))]


def _read_status(row: Row, old: Status, now: State, edits: list[Edit], problems: list[Problem]) -> None:
    new, current = row.status, now.status(row.task)
    if new is current:
        return
    allowed = (
        (new is Status.SKIPPED and current is not Status.COMPLETED)
        or (new is Status.PENDING and current in OPENABLE)
        or (new is Status.RUNNING and current in (Status.PENDING, Status.RETRYING))
        or (new is Status.COMPLETED and current in (Status.RUNNING, Status.PENDING))
    )
    if allowed:
        edits.append(MoveEdit(row.task, current, new, row.line))
    elif new is Status.PENDING and old in OPENABLE:
        edits.append(DroppedEdit(row.task, "Status", "the task was opened again before the edit was read", row.line))
    else:
        problems.append(_refused_status(row, current))


def _refused_status(row: Row, current: Status) -> Problem:
    new = row.status
    message = f"{row.task} is {current}: {current} → {new} by hand is no move"
    if new in DERIVED and current not in OPENABLE:
        message += f"; {new} follows from the dependencies and is never set"
    advice = f"write {STATUS_CELLS[current]} again"
    if new is Status.FAILED and current is not Status.COMPLETED:
        advice = f"`orchestrate fail {row.task}`, or set it to {STATUS_CELLS[Status.SKIPPED]}"
    return _problem(row, message, advice)


def _broken_graph(edits: Sequence[Edit], now: State) -> list[Problem]:
    """What the edited dependencies would break: unknown tasks, tasks that wait for themselves, cycles."""
    changed = {edit.task: edit for edit in edits if isinstance(edit, FieldEdit) and "deps" in edit.fields}
    if not changed:
        return []
    deps = {name: list(task.dep_ids) for name, task in now.tasks.items()}
    problems: list[Problem] = []
    for edit in changed.values():
        listed: list[Json] = edit.fields["deps"]  # type: ignore[assignment]
        deps[edit.task] = [dep if isinstance(dep, str) else str(dep[0]) for dep in listed]  # type: ignore[index]
        problems += [_wrong_dep(edit, dep, now) for dep in deps[edit.task] if dep not in now.tasks or dep == edit.task]
    if problems:
        return problems
    return [
        Problem(
            f"the dependencies form a cycle: {graph.cycle_text(cycle)}",
            "take one of these dependencies out",
            line=next((changed[name].line for name in cycle if name in changed), 0) + 1,
            task=cycle[0],
        )
        for cycle in graph.cycles(deps)
    ]


def _wrong_dep(edit: FieldEdit, dep: str, now: State) -> Problem:
    why = "itself" if dep in now.tasks else f"{dep}: there is no such task"
    advice = "write ids of the first column with commas between them, or None"
    return Problem(f"{edit.task} cannot depend on {why}", advice, line=edit.line + 1, task=edit.task)


def _problem(row: Row, message: str, advice: str) -> Problem:
    return Problem(message, advice, line=row.line + 1, task=row.task)
