"""From the bytes of plan.yaml to a plan, or to everything that is wrong with it.

``checked_plan`` is what commands use. ``read_plan`` leaves out the rules that take several tasks to judge.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

from pydantic import ValidationError

from orchestrator.dataclasses import dataclass, field, replace
from orchestrator.errors import Problem, Severity, errors_of
from orchestrator.model import Dependency, Fallback, Json, Objectives, OnFailure, Plan, Rehearsal, RunSettings, Task
from orchestrator.planrecords import plain, plan_record
from orchestrator.plans.formproblems import form_problems
from orchestrator.plans.planfile import task_ids
from orchestrator.plans.planschema import DefaultsForm, Form, HeadForm, ObjectivesForm, RunForm, TaskForm, json_schema
from orchestrator.plans.rules import Lines, plan_problems
from orchestrator.plans.yamlfile import Document, Path, read_yaml
from orchestrator.plans.yamlsource import MOST_PROBLEMS
from orchestrator.wording import found, printable

__all__ = ["PlanReading", "checked_document", "checked_plan", "json_schema", "read_plan"]

LONGEST_DERIVED_NAME = 60

_FORM = TypeVar("_FORM", bound=Form)
_RENAMED = {"timeout": "timeout_s", "idle_timeout": "idle_timeout_s"}
_PARTS = ("defaults", "tasks")


@dataclass(frozen=True, slots=True)
class PlanReading:
    """What one version of plan.yaml says. ``plan`` is None where ``problems`` has an error.

    ``lines`` gives the line of a path such as ``("tasks", 3, "deps")``; where the task takes the field from
    ``defaults`` it is the line there. ``draft`` is the plan with what was refused left out, None where nothing
    could be read. ``given`` and ``defaults`` are what its tasks and the defaults give, by the fields of ``Task``.
    """

    plan: Plan | None
    problems: tuple[Problem, ...]
    lines: Lines
    draft: Plan | None = None
    given: tuple[Mapping[str, object], ...] = ()
    defaults: Mapping[str, object] = field(default_factory=dict)

    @property
    def raw(self) -> dict[str, Json]:
        """What is written, in one form for equal meanings, so that two versions can be compared key by key.

        The keys of ``model.plan_record``, ``defaults``, and ``tasks`` by id, each with the fields that the task gives
        itself, named and written as by ``model.task_record``.
        """
        if self.draft is None:
            return {}
        tasks: dict[str, Json] = {
            task.id: {name: plain(value) for name, value in given.items()}
            for task, given in zip(self.draft.tasks, self.given, strict=True)
        }
        defaults: dict[str, Json] = {name: plain(value) for name, value in self.defaults.items()}
        return {**plan_record(self.draft), "defaults": defaults, "tasks": tasks}


def read_plan(data: bytes) -> PlanReading:
    """The plan in ``data``, each key judged by itself; never raises, all that is wrong is in the problems."""
    return _reading(read_yaml(data))


def _reading(document: Document) -> PlanReading:
    written = document.value
    if isinstance(written, dict):
        return _Reading(document, written).result()
    problems = document.problems
    if not problems and written is None:
        problems = (Problem("the plan is empty", "begin with `title:`, `request:` and `tasks:`", line=1),)
    elif not problems:
        message = f"a plan must be a mapping of `key: value` lines, found {found(written)}"
        problems = (Problem(message, "begin with `title:`, `request:` and `tasks:`", line=1),)
    return PlanReading(None, shown_problems(problems), document.line)


def checked_plan(data: bytes) -> PlanReading:
    """``read_plan`` and the rules of ``rules``: every problem of both at once, in the order of lines."""
    return checked_document(read_yaml(data))


def checked_document(document: Document) -> PlanReading:
    """``checked_plan`` of what was read already, or was made with the lines of another file."""
    reading = _reading(document)
    if reading.draft is None or len(reading.problems) > MOST_PROBLEMS:
        return reading
    broken = plan_problems(reading.draft, reading.lines)
    if reading.plan is None:
        # What was refused is missing from the draft, so that advice about it would mislead.
        broken = errors_of(broken)
    plan = None if errors_of(broken) else reading.plan
    return replace(reading, plan=plan, problems=shown_problems([*reading.problems, *broken]))


def shown_problems(problems: Sequence[Problem]) -> tuple[Problem, ...]:
    """``problems`` in the order of their lines; of very many the first, errors before warnings."""
    if len(problems) > MOST_PROBLEMS:
        ordered = sorted(problems, key=lambda problem: problem.severity is not Severity.ERROR)
        message = f"there are more than {MOST_PROBLEMS} problems; the others are not shown"
        more = Problem(message, "correct these first", severity=ordered[MOST_PROBLEMS].severity)
        return (*shown_problems(ordered[:MOST_PROBLEMS]), more)
    return tuple(sorted(problems, key=lambda problem: problem.line or 0))


class _Reading:
    """Reads one document; what is refused is left out, so that everything else can still be judged."""

    def __init__(self, document: Document, written: dict[str, Json]) -> None:
        self.document = document
        self.problems = list(document.problems)
        self.head = self._form(HeadForm, {key: each for key, each in written.items() if key not in _PARTS}, ())
        self.shared = written.get("defaults")
        self.defaults = _task_values(self._form(DefaultsForm, self.shared, ("defaults",)))
        self.places, self.items = self._items(written.get("tasks"))

    def result(self) -> PlanReading:
        """The plan and everything that is wrong with it."""
        ids = task_ids(self.items)
        given = [self._given(item, at, id) for item, at, id in zip(self.items, self.places, ids, strict=True)]
        tasks = tuple(self._task(values, id) for values, id in zip(given, ids, strict=True))
        draft = _plan(self.head, tasks)
        plan = None if errors_of(self.problems) else draft
        return PlanReading(plan, shown_problems(self.problems), self._line, draft, tuple(given), self.defaults)

    def _items(self, written: Json) -> tuple[list[int], list[dict[str, Json]]]:
        """The tasks that are mappings, and their indices in the file."""
        if not isinstance(written, list):
            if written is not None:
                message = f"`tasks` must be a list, found {found(written)}"
                self._refuse(message, "write one task after each `- `", ("tasks",))
            return [], []
        for at, item in enumerate(written):
            if not isinstance(item, dict) and len(self.problems) <= MOST_PROBLEMS:
                message = f"a task must be a mapping of `key: value` lines, found {found(item)}"
                self._refuse(message, "write `- name: …` and below it `description: …`", ("tasks", at))
        places = [at for at, item in enumerate(written) if isinstance(item, dict)]
        return places, [item for item in written if isinstance(item, dict)]

    def _given(self, item: dict[str, Json], at: int, id: str) -> dict[str, object]:
        """What a task gives itself, by the fields of ``Task``."""
        if len(self.problems) > MOST_PROBLEMS:
            return {}
        before = len(self.problems)
        values = _task_values(self._form(TaskForm, item, ("tasks", at), id))
        if before == len(self.problems) and not values.keys() & {"description", "name"}:
            advice = "add `description: …`, the instruction for the agent"
            self._refuse("the task has neither a description nor a name", advice, ("tasks", at), id)
        return values

    def _task(self, given: Mapping[str, object], id: str) -> Task:
        """The task with ``id``: what it gives itself, and what it takes from the defaults."""
        values = {**self.defaults, **given}
        if "fallback" not in given and values.get("on_failure") is not OnFailure.FALLBACK:
            values.pop("fallback", None)
        name, description = (str(values.get(key, "")) for key in ("name", "description"))
        values |= {"id": id, "name": name or derived_name(description), "description": description or name}
        return Task(**values)  # type: ignore[arg-type]  # the forms have checked each value

    def _form(self, form: type[_FORM], written: Json, path: Path, task: str | None = None) -> _FORM:
        """What ``form`` makes of ``written``; keys that it refuses become problems and are left out."""
        if written is None:
            return form()
        if not isinstance(written, dict):
            message = f"`{path[-1]}` must be a mapping of `key: value` lines, found {found(written)}"
            self._refuse(message, "write one `key: value` a line, indented", path, task)
            return form()
        try:
            return form.model_validate(written)
        except ValidationError as error:
            problems = form_problems(error, self.document, path, form)
            self.problems += [replace(problem, task=task and printable(task)) for problem in problems]
            refused = {each["loc"][0] for each in error.errors(include_url=False)}
        if refused & {"fallback", "on_failure"}:
            refused |= {"fallback", "on_failure"}  # each without the other would be a problem of its own
        return form.model_validate({key: each for key, each in written.items() if key not in refused})

    def _refuse(self, message: str, advice: str, path: Path, task: str | None = None) -> None:
        self.problems.append(Problem(message, advice, self.document.line(path), task and printable(task)))

    def _line(self, path: Path) -> int | None:
        """The line of ``path`` in the draft, whose tasks may be fewer than those in the file."""
        if len(path) > 1 and path[0] == "tasks" and isinstance(path[1], int) and path[1] < len(self.places):
            at, inner = path[1], path[2:]
            if inner and inner[0] not in self.items[at] and isinstance(self.shared, dict) and inner[0] in self.shared:
                return self.document.line(("defaults", *inner))
            return self.document.line(("tasks", self.places[at], *inner))
        return self.document.line(path)


def derived_name(description: str) -> str:
    """A name for a task or a plan that has none: the first sentence of ``description``, cut between words."""
    words = " ".join(description.strip().partition("\n")[0].split())
    sentence = words.partition(". ")[0].rstrip(".:")
    if len(sentence) <= LONGEST_DERIVED_NAME:
        return sentence
    beginning = sentence[: LONGEST_DERIVED_NAME - 1]
    is_between_words = sentence[len(beginning)] == " "
    return (beginning if is_between_words else beginning.rpartition(" ")[0] or beginning).rstrip(",;:") + "…"


def _task_values(form: DefaultsForm) -> dict[str, object]:
    """What ``form`` gives, by the fields of ``Task``."""
    values: dict[str, object] = {}
    for key in type(form).model_fields:
        if key not in form.model_fields_set:
            continue
        value = getattr(form, key)
        if key == "deps":
            value = tuple(Dependency(dep.task, dep.type) for dep in form.deps)
        elif key == "fallback":
            value = Fallback(form.fallback.description, form.fallback.model, form.fallback.role)
        elif key == "rehearse":
            each = form.rehearse
            value = Rehearsal(each.duration, each.fails, each.hangs, each.limits, each.limit_s, each.result)
        values[_RENAMED.get(key, key)] = value
    return values


def _plan(head: HeadForm, tasks: tuple[Task, ...]) -> Plan:
    aims, run = head.objectives or ObjectivesForm(), head.run or RunForm()
    hooks = run.hooks.model_dump(exclude_unset=True) if run.hooks else {}
    title = head.title or derived_name(head.request or aims.primary or (tasks[0].name if tasks else "")) or "Plan"
    return Plan(
        title=title,
        request=head.request,
        objectives=Objectives(aims.primary, aims.secondary, aims.success_criteria),
        constraints=head.constraints,
        implicit_requirements=head.implicit_requirements,
        budget_usd=head.budget_usd,
        run=RunSettings(run.jobs, run.executor, run.command, run.scale, run.quiet_hours, hooks),
        tasks=tasks,
    )
