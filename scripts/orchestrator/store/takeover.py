"""``.orchestrator/plan.yaml`` edited after ``init``: compared with the version last taken over, field by field.

Only differences are taken over: new tasks, fields of tasks neither running nor completed, the settings of
the run. One refused line refuses the whole file, and the old plan stays in force.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from orchestrator import graph, ids
from orchestrator.dataclasses import dataclass
from orchestrator.errors import Problem, errors_of
from orchestrator.events import EventType
from orchestrator.model import Json, Plan, Status, Task
from orchestrator.planrecords import plan_record, task_from_record, task_record
from orchestrator.store.settling import wait_until_settled
from orchestrator.store.shown import problem_records, problems_from
from orchestrator.store.state import State
from orchestrator.store.store import Store, StoreChange
from orchestrator.system import files
from orchestrator.system.locks import FileLock

if TYPE_CHECKING:
    from orchestrator.plans.spec import PlanReading

CLOSED = frozenset({Status.RUNNING, Status.COMPLETED})


@dataclass(frozen=True, slots=True)
class Version:
    """A version of the plan as it was taken over: what each task said, and what that meant with the defaults."""

    said: dict[str, dict[str, Json]]
    meant: dict[str, dict[str, Json]]
    settings: dict[str, Json]


@dataclass(frozen=True, slots=True)
class Difference:
    """What a new version changes: whole records of the tasks that are new or different, and their agents.

    ``meant`` is what it says of them with its defaults. A task that is closed keeps what was meant before: what the
    defaults say by now is taken over by the next version that finds it open.
    """

    tasks: dict[str, dict[str, Json]]
    meant: dict[str, dict[str, Json]]
    agents: dict[str, str]
    added: int


class PlanFile:
    """``plan.yaml`` of one run, as people edit it. What was refused is kept, so that it is not parsed again."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.paths = store.paths
        self.lock = FileLock(self.paths.plan_lock, signed=False)
        self._mutex = threading.Lock()

    def problems(self) -> list[Problem]:
        """What keeps the file from being taken over, as last seen; empty when all is well."""
        data = files.read_bytes_or_none(self.paths.plan)
        if data is not None:
            digest = files.digest(data)
            return [] if digest == self.store.state.source else self._refusal(digest)[1]
        return [
            Problem(
                "the file is gone; the run goes on with the plan last taken over",
                "put it back to be able to `add` and `decompose`",
            )
        ]

    def take_over(self) -> list[str]:
        """Take over what changed since the last time, all or nothing; the tasks that are new or different."""
        if not self.is_new():
            return []
        wait_until_settled(self.paths.plan)
        with self._mutex, self.lock:
            self.store.refresh()
            return self._take_over() if self.is_new() else []

    def is_new(self) -> bool:
        """Whether the file is neither what was taken over nor what was refused: then there is something to read."""
        data = files.read_bytes_or_none(self.paths.plan)
        if data is None or (digest := files.digest(data)) == self.store.state.source:
            return False
        rev, problems = self._refusal(digest)
        return not problems or rev not in (None, self.store.state.rev)

    def _take_over(self) -> list[str]:
        from orchestrator.plans.spec import (
            checked_plan,  # pydantic: 0.14 s that a plan which did not change need not cost
        )

        data = files.read_bytes_or_none(self.paths.plan) or b""
        digest = files.digest(data)
        reading = checked_plan(data)
        if errors := errors_of(reading.problems):
            self._refuse(digest, None, errors)
            return []
        with self.store.change() as change:
            taken, refused = apply_version(self.store, change, reading, digest, by="edit")
        if refused:
            self._refuse(digest, self.store.state.rev, refused)
        return taken

    def _refusal(self, digest: str) -> tuple[int | None, list[Problem]]:
        """Why this version was refused, if it was, and at which position; None where no position can change that."""
        kept = files.read_bytes_or_none(self.paths.refused_plan)
        try:
            record = json.loads(kept or b"{}")
            if record and record["digest"] == digest:
                return record["rev"], problems_from(record["problems"])
        except (ValueError, KeyError, TypeError):
            pass  # a note that cannot be read is none
        return None, []

    def _refuse(self, digest: str, rev: int | None, problems: Sequence[Problem]) -> None:
        record = {"digest": digest, "rev": rev, "problems": problem_records(problems)}
        files.write_whole(self.paths.refused_plan, json.dumps(record, ensure_ascii=False), flush=False)


def apply_version(
    store: Store, change: StoreChange, reading: PlanReading, digest: str, by: str
) -> tuple[list[str], list[Problem]]:
    """Record the difference that ``reading`` makes: the tasks that are new or different, or why it is refused.

    What is refused is refused as a whole, and then nothing is recorded.
    """
    plan = reading.plan
    if plan is None:
        raise ValueError("a plan that was refused is not taken over")
    old = last_version(store, change.state)
    difference = _difference(plan, old, change.state)
    problems = _refusals(reading, plan, old, change.state) or _broken(reading, difference, change.state)
    if problems:
        return [], problems
    said, settings = said_by(reading), plan_record(plan)
    payload: dict[str, Json] = {
        "plan": settings,
        "tasks": dict(difference.tasks),
        "agents": dict(difference.agents),
        "said": {name: fields for name, fields in said.items() if fields != old.said.get(name)},
        "meant": dict(difference.meant),
    }
    change.record(
        EventType.PLAN_CHANGED,
        payload=store.write_payload(payload),
        source=digest,
        added=difference.added,
        changed=len(difference.tasks) - difference.added,
        settings=settings != old.settings,
        by=by,
    )
    return [*difference.tasks], []


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
            line=reading.lines(("tasks",)) or 1,  # the key itself may be gone
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
    meant: dict[str, dict[str, Json]] = {}
    added = 0
    for task in plan.tasks:
        new, before = task_record(task), old.meant.get(task.id)
        if new == before or (before is not None and state.status(task.id) in CLOSED):
            continue
        meant[task.id] = new
        tasks[task.id] = new if before is None else _merged(state.tasks[task.id], before, new)
        added += before is None
    specs = [task_from_record(tasks[task.id]) if task.id in tasks else state.tasks[task.id] for task in plan.tasks]
    kept = {
        name: agent
        for name, agent in state.agents.items()
        if name not in tasks or task_from_record(tasks[name]).agent in (None, agent)
    }
    agents = ids.assigned_agents(specs, kept)
    changed = {name: agent for name, agent in agents.items() if state.agents.get(name) != agent}
    return Difference(tasks, meant, changed, added)


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


def _broken(reading: PlanReading, difference: Difference, state: State) -> list[Problem]:
    """What the new version and the edits of the table together would break."""
    deps = {name: task.dep_ids for name, task in state.tasks.items()}
    deps.update({name: task_from_record(record).dep_ids for name, record in difference.tasks.items()})
    return [
        Problem(
            f"with the dependencies set in master_plan.md this makes a cycle: {graph.cycle_text(cycle)}",
            "take one of these dependencies out",
            line=reading.lines(("tasks",)) or 1,  # the key itself may be gone
            task=cycle[0],
        )
        for cycle in graph.cycles(deps)
    ]
