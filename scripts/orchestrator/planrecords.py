"""A plan and its tasks as JSON, with only what differs from the defaults, for plan changes and the snapshot."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any

from orchestrator.dataclasses import fields, replace
from orchestrator.model import (
    Constraint,
    Dependency,
    DependencyType,
    Estimate,
    Executor,
    Fallback,
    Json,
    Objectives,
    OnFailure,
    Plan,
    Priority,
    Rehearsal,
    RunSettings,
    Task,
    WritesPolicy,
)

_TASK_DEFAULTS = {f.name: f.default for f in fields(Task)}


def task_record(task: Task) -> dict[str, Json]:
    """``task`` as JSON, with only what differs from the defaults; ``task_from_record`` reads it."""
    record: dict[str, Json] = {}
    for name, default in _TASK_DEFAULTS.items():
        value = getattr(task, name)
        if value != default:
            record[name] = plain(value)
    return record


def task_from_record(record: Mapping[str, Json]) -> Task:
    """The task that ``task_record`` wrote. Keys of a newer version are passed over."""
    values: dict[str, object] = {}
    for name, value in record.items():
        if name in _TASK_DEFAULTS:
            reader = _READERS.get(name)
            values[name] = reader(value) if reader else (tuple(value) if isinstance(value, list) else value)
    return Task(**values)  # type: ignore[arg-type]  # one record per field, written by task_record


def plan_record(plan: Plan) -> dict[str, Json]:
    """``plan`` without its tasks, as JSON."""
    return {
        "title": plan.title,
        "request": plan.request,
        "objectives": {
            "primary": plan.objectives.primary,
            "secondary": list(plan.objectives.secondary),
            "success_criteria": list(plan.objectives.success_criteria),
        },
        "constraints": [[constraint.kind, constraint.text] for constraint in plan.constraints],
        "implicit_requirements": list(plan.implicit_requirements),
        "budget_usd": plan.budget_usd,
        "run": {
            "jobs": plan.run.jobs,
            "executor": plan.run.executor,
            "command": plan.run.command,
            "scale": plan.run.scale,
            "quiet_hours": plan.run.quiet_hours,
            "hooks": dict(plan.run.hooks),
        },
    }


def plan_from_record(record: Mapping[str, Json], tasks: tuple[Task, ...] = ()) -> Plan:
    """The plan that ``plan_record`` wrote, with ``tasks``."""
    aims: dict = record["objectives"]  # type: ignore[type-arg,assignment]
    run: dict = record["run"]  # type: ignore[type-arg,assignment]
    constraints: list[list[str]] = record["constraints"]  # type: ignore[assignment]
    return Plan(
        title=str(record["title"]),
        request=str(record["request"]),
        objectives=Objectives(aims["primary"], tuple(aims["secondary"]), tuple(aims["success_criteria"])),
        constraints=tuple(Constraint(text, kind) for kind, text in constraints),
        implicit_requirements=tuple(record["implicit_requirements"]),  # type: ignore[arg-type]
        budget_usd=record["budget_usd"],  # type: ignore[arg-type]
        run=RunSettings(**{**run, "executor": Executor(run["executor"]) if run["executor"] else None}),
        tasks=tasks,
    )


def with_fields(task: Task, changes: Mapping[str, Json]) -> Task:
    """``task`` with the fields of ``changes``, given as ``task_record`` writes them."""
    return replace(task_from_record({**task_record(task), **changes}), id=task.id)


def plain(value: object) -> Json:
    """A field as ``task_record`` writes it: enums as text, tuples as lists, dataclasses by position or name."""
    if isinstance(value, Dependency):
        return value.task if value.type is DependencyType.DATA else [value.task, str(value.type)]
    if isinstance(value, Estimate):
        return [value.low_s, value.high_s]
    if isinstance(value, Fallback):
        return {"description": value.description, "model": value.model, "role": value.role}
    if isinstance(value, Rehearsal):
        return {f.name: getattr(value, f.name) for f in fields(Rehearsal)}
    if isinstance(value, tuple):
        return [plain(item) for item in value]
    if isinstance(value, Mapping):
        return dict(value)
    return str(value) if isinstance(value, StrEnum) else value  # type: ignore[return-value]


def _dependency(value: Json) -> Dependency:
    if isinstance(value, str):
        return Dependency(value)
    task, kind = map(str, value)  # type: ignore[arg-type]  # as plain wrote it
    return Dependency(task, DependencyType(kind))


_READERS: dict[str, Callable[[Any], object]] = {
    "deps": lambda value: tuple(map(_dependency, value)),
    "writes_policy": WritesPolicy,
    "priority": lambda value: Priority(value) if value else None,
    "estimate": lambda value: Estimate(*value) if value else None,
    "on_failure": lambda value: OnFailure(value) if value else None,
    "fallback": lambda value: Fallback(**value) if value else None,
    "rehearse": lambda value: Rehearsal(**value),
    "result_schema": lambda value: value,
}
