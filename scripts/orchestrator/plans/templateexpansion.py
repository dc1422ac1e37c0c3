"""The plan that a template becomes for a request and the values of its parameters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from orchestrator.dataclasses import dataclass
from orchestrator.ids import free_task_ids
from orchestrator.model import Json
from orchestrator.plans.plantemplates import (
    ITEM,
    PlanTemplate,
    Shape,
    Step,
    Value,
    as_list,
    dep_name,
    filled_text,
    placeholders,
    shortened,
)
from orchestrator.plans.templatevalues import chosen_values
from orchestrator.plans.yamlfile import Document, Place

if TYPE_CHECKING:
    from orchestrator.plans.spec import PlanReading


@dataclass(frozen=True, slots=True)
class Expansion:
    """A plan that a template became. ``labels`` say of each task which step it is, and of which item."""

    plan: dict[str, Json]
    labels: tuple[str, ...]
    places: Place = 1

    @property
    def tasks(self) -> list[dict[str, Json]]:
        """The tasks, as plan.yaml has them."""
        return self.plan["tasks"]  # type: ignore[return-value]  # made below

    def reading(self) -> PlanReading:
        """The plan judged as plan.yaml is; lines are those of the template."""
        from orchestrator.plans.spec import checked_document

        return checked_document(Document(self.plan, (), self.places))


def expanded(
    template: PlanTemplate, request: str, given: Mapping[str, Sequence[str]], *, decomposed: bool = False
) -> Expansion:
    """The plan that ``template`` becomes for ``request``.

    ``given`` are the values of parameters as they were typed, several for one name where it was given several times.
    ``decomposed``: one task is split, so that tasks are named after their steps. Raises ``UsageError`` naming every
    value that does not fit.
    """
    values = chosen_values(template, request, given, decomposed=decomposed)
    filled, places = {}, {}
    for key, value in template.head.items():
        filled[key], places[key] = _filled(value, template.document.place((key,)), values, _shape(key))
    plan: dict[str, Json] = {**filled, "request": request}
    tasks: list[Json] = []
    task_places: list[Place] = []
    labels: list[str] = []
    copies = _copies(template, values)
    for at, step in enumerate(template.steps):
        for id, item in copies[step.name].items():
            own = values if item is None else {**values, ITEM: item}
            label = step.name if len(copies[step.name]) == 1 or item is None else f"{step.name}: {shortened(item)}"
            task, place = _task(step, template.document.place(("steps", at)), own)
            task |= {"id": id, "name": label if decomposed else task["name"]}
            if deps := _deps(template, step, item, copies):
                task["deps"] = deps
            tasks.append(task)
            task_places.append(place)
            labels.append(label)
    plan["tasks"] = tasks
    steps_place = template.document.place(("steps",))
    line = steps_place[0] if isinstance(steps_place, tuple) else steps_place
    return Expansion(plan, tuple(labels), (1, {**places, "tasks": (line, task_places)}))


def _copies(template: PlanTemplate, values: Mapping[str, Value]) -> dict[str, dict[str, str | None]]:
    """For each step the ids of its tasks, each with its item."""
    free = free_task_ids(())
    result: dict[str, dict[str, str | None]] = {}
    for step in template.steps:
        items = values[step.for_each] if step.for_each else None
        each: Sequence[str | None] = [None] if items is None else [items] if isinstance(items, str) else items
        result[step.name] = {next(free): item for item in each}
    return result


def _deps(
    template: PlanTemplate, step: Step, item: str | None, copies: Mapping[str, Mapping[str, str | None]]
) -> list[Json]:
    """The dependencies of one task: every task of each step that is named, of a step for the same list its own item."""
    lists = {each.name: each.for_each for each in template.steps}
    deps: list[Json] = []
    for dep in as_list(step.fields.get("deps")):
        name = dep_name(dep)
        is_paired = step.for_each is not None and lists[name] == step.for_each
        for id, other in copies[name].items():
            if not is_paired or other == item:
                deps.append({**dep, "task": id} if isinstance(dep, dict) else id)
    return deps


def _task(step: Step, place: Place, values: Mapping[str, Value]) -> tuple[dict[str, Json], Place]:
    """One task of ``step`` with all but its id and dependencies."""
    inner = place[1] if isinstance(place, tuple) and isinstance(place[1], dict) else {}
    line = place[0] if isinstance(place, tuple) else place
    task: dict[str, Json] = {"id": "", "name": step.name}
    places: dict[str, Place] = {"id": line}
    for key, value in step.fields.items():
        task[key], places[key] = _filled(value, inner.get(key, line), values, _shape(key))
    item = values.get(ITEM)
    if isinstance(item, str) and ITEM not in {name for _, name in placeholders(step.fields.get("name", ""))}:
        task["name"] = f"{task['name']}: {shortened(item)}"
    return task, (line, places)


def _shape(key: str) -> Shape:
    """How values stand in the texts under one key of a plan."""
    if key in ("title", "name"):
        return Shape.NAME
    return Shape.PROSE if key in ("description", "fallback") else Shape.LINE


def _filled(value: Json, place: Place, values: Mapping[str, Value], shape: Shape) -> tuple[Json, Place]:
    """``value`` with its parameters filled in, and where each part of it stands."""
    if isinstance(value, str):
        return filled_text(value, values, shape), place
    line, inner = place if isinstance(place, tuple) else (place, {})
    if isinstance(value, dict):
        parts = {
            key: _filled(each, inner.get(key, line) if isinstance(inner, dict) else line, values, shape)
            for key, each in value.items()
        }
        return {key: part for key, (part, _) in parts.items()}, (line, {key: at for key, (_, at) in parts.items()})
    if isinstance(value, list):
        items: list[Json] = []
        places: list[Place] = []
        for at, each in enumerate(value):
            where = inner[at] if isinstance(inner, list) and at < len(inner) else line
            for own in _each_item(each, values):
                part, part_place = _filled(each, where, own, shape)
                items.append(part)
                places.append(part_place)
        return items, (line, places)
    return value, place


def _each_item(entry: Json, values: Mapping[str, Value]) -> Iterator[Mapping[str, Value]]:
    """The values for one entry of a list: one that names a list stands once for each item of that list."""
    if isinstance(entry, str):
        for _, name in placeholders(entry):
            if isinstance(items := values.get(name), tuple):
                yield from ({**values, name: item} for item in items)
                return
    yield values
