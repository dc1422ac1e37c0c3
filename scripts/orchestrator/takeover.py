"""``.orchestrator/plan.yaml`` edited after ``init``: compared with the version last taken over, field by field.

Only differences are taken over: new tasks, fields of tasks neither running nor completed, the settings of
the run. One refused line refuses the whole file, and the old plan stays in force.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from orchestrator import files, ids
from orchestrator.errors import Problem, errors_of
from orchestrator.events import EventType
from orchestrator.model import Json, Plan, Status, Task, plan_record, task_from_record, task_record
from orchestrator.spec import PlanReading, checked_plan
from orchestrator.state import State
from orchestrator.store import Store, StoreChange

CLOSED = frozenset({Status.RUNNING, Status.COMPLETED})


@dataclass(frozen=True, slots=True)
class Version:
    """A version of the plan as it was taken over: what each task said, and what that meant with the defaults."""

    said: dict[str, dict[str, Json]]
    meant: dict[str, dict[str, Json]]
    settings: dict[str, Json]


@dataclass(frozen=True, slots=True)
class Difference:
    """What a new version changes: whole records of the tasks that are new or different, and their agents."""

    tasks: dict[str, dict[str, Json]]
    agents: dict[str, str]
    added: int
    changed: int


def take_over_plan(store: Store) -> list[Problem]:
    """Take over what changed in plan.yaml; the problems that refuse it, none when there is nothing to take."""
    data = files.read_bytes_or_none(store.paths.plan)
    if data is None:
        return [
            Problem(
                "the file is gone; the run goes on with the plan last taken over",
                "put it back to be able to `add` and `decompose`",
            )
        ]
    digest = files.digest(data)
    if digest == store.state.source:
        return []
    if store.refused_plan is not None and store.refused_plan[0] == (digest, store.state.rev):
        return store.refused_plan[1]
    reading = checked_plan(data)
    refused = errors_of(reading.problems)
    if not refused and reading.plan is not None:
        with store.change() as change:
            refused = apply_version(store, change, reading, digest, by="edit")
    store.refused_plan = ((digest, store.state.rev), refused) if refused else None
    return refused


def apply_version(store: Store, change: StoreChange, reading: PlanReading, digest: str, by: str) -> list[Problem]:
    """Record the difference that ``reading`` makes; the problems that refuse it, and then nothing is recorded."""
    plan = reading.plan
    assert plan is not None
    old = last_version(store, change.state)
    problems = _refusals(reading, plan, old, change.state)
    if problems:
        return problems
    difference = _difference(plan, old, change.state)
    if by == "edit":
        problems = _broken(difference, change.state)
        if problems:
            return problems
    payload: dict[str, Json] = {
        "plan": plan_record(plan),
        "tasks": dict(difference.tasks),
        "agents": dict(difference.agents),
        "said": {name: said for name, said in said_by(reading).items() if said != old.said.get(name)},
        "meant": {task.id: record for task in plan.tasks if (record := task_record(task)) != old.meant.get(task.id)},
    }
    change.record(
        EventType.PLAN_CHANGED,
        payload=store.write_payload(payload),
        source=digest,
        added=difference.added,
        changed=difference.changed,
        by=by,
    )
    return []


def last_version(store: Store, state: State) -> Version:
    """The version last taken over, from the files that the plan changes kept."""
    version = Version({}, {}, {})
    for name in state.payloads:
        payload = store.read_payload(name)
        version.said.update(payload["said"])  # type: ignore[arg-type]
        version.meant.update(payload["meant"])  # type: ignore[arg-type]
        version.settings.update(payload["plan"])  # type: ignore[arg-type]
    return version


def said_by(reading: PlanReading) -> dict[str, dict[str, Json]]:
    """What each task says itself, by its id."""
    tasks: dict[str, dict[str, Json]] = reading.raw["tasks"]  # type: ignore[assignment]
    return tasks


def _refusals(reading: PlanReading, plan: Plan, old: Version, state: State) -> list[Problem]:
    present = {task.id for task in plan.tasks}
    problems = [
        Problem(
            f"the task {task} is gone from the plan: a task is not taken out once the run has it",
            f"put it back, and `orchestrate skip {task}` if it is not needed",
            task=task,
        )
        for task in old.said
        if task not in present
    ]
    places = {task.id: place for place, task in enumerate(plan.tasks)}
    for task, said in said_by(reading).items():
        before = old.said.get(task)
        if before is None or before == said or state.status(task) not in CLOSED:
            continue
        for name in sorted({*before, *said}):
            if before.get(name) != said.get(name):
                status = state.status(task)
                problems.append(
                    Problem(
                        f"{task} is {status}: its {name.removesuffix('_s')} can no longer be changed",
                        "put the old value back; a new task can do what is new",
                        line=reading.lines(("tasks", places[task], name.removesuffix("_s"))),
                        task=task,
                    )
                )
    return problems


def _difference(plan: Plan, old: Version, state: State) -> Difference:
    tasks: dict[str, dict[str, Json]] = {}
    added = changed = 0
    for task in plan.tasks:
        new, before = task_record(task), old.meant.get(task.id)
        if before is None:
            tasks[task.id] = new
            added += 1
        elif new != before and state.status(task.id) not in CLOSED:
            tasks[task.id] = _merged(state.tasks[task.id], before, new)
            changed += 1
    specs = [task_from_record(tasks[task.id]) if task.id in tasks else state.tasks[task.id] for task in plan.tasks]
    kept = {
        name: agent
        for name, agent in state.agents.items()
        if name not in tasks or task_from_record(tasks[name]).agent in (None, agent)
    }
    agents = ids.assigned_agents(specs, kept)
    return Difference(
        tasks, {name: agent for name, agent in agents.items() if state.agents.get(name) != agent}, added, changed
    )


def _merged(current: Task, before: Mapping[str, Json], new: Mapping[str, Json]) -> dict[str, Json]:
    """``current``, which may have been edited in the table, with the fields that differ between two versions."""
    record = task_record(current)
    for name in {*before, *new}:
        if before.get(name) == new.get(name):
            continue
        if name in new:
            record[name] = new[name]
        else:
            record.pop(name, None)
    return record


def _broken(difference: Difference, state: State) -> list[Problem]:
    """What the new version and the edits of the table together would break."""
    from orchestrator import graph

    deps = {name: task.dep_ids for name, task in state.tasks.items()}
    deps.update({name: task_from_record(record).dep_ids for name, record in difference.tasks.items()})
    return [
        Problem(
            f"with the dependencies set in master_plan.md this makes a cycle: {graph.cycle_text(cycle)}",
            "take one of these dependencies out",
            task=cycle[0],
        )
        for cycle in graph.cycles(deps)
    ]
