"""``decompose``: one task of a running plan split into subtasks, whose join it becomes."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from orchestrator.commands.add import take_new_plan
from orchestrator.commands.plan_sources import Wish, expansion
from orchestrator.commands.session import Place, Session, answer, known_tasks, open_session
from orchestrator.dataclasses import dataclass, field
from orchestrator.errors import (
    CannotGoOnError,
    ExitCode,
    InvalidInputError,
    MoveRefusedError,
    OrchestrateError,
    Problem,
    errors_of,
)
from orchestrator.model import Json, Status
from orchestrator.plans.decomposition import Decomposition, decomposition
from orchestrator.plans.planfile import with_task_fields, with_tasks
from orchestrator.plans.spec import checked_plan
from orchestrator.plans.subtasks import subtasks
from orchestrator.plans.templatechoice import Choice
from orchestrator.plans.yamlfile import Document, read_yaml
from orchestrator.store import moves
from orchestrator.store.state import State
from orchestrator.store.store import Store, StoreChange
from orchestrator.system import files
from orchestrator.wording import listed
from orchestrator.workers.assignments import refresh_assignments
from orchestrator.workers.gathering import gathered, keep_gathered

OnCost: TypeAlias = Callable[[float], None]
OPENED_AGAIN = (Status.FAILED, Status.SKIPPED)
"""A task that was given up is open again once it is split."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What a task is to be split into, as plan.yaml has tasks, and where that comes from."""

    tasks: Sequence[Mapping[str, Json]]
    source: str
    template: str | None = None
    picked: Choice | None = None
    keeps_names: bool = field(default=False)


def decompose(place: Place, task: str, wish: Wish) -> ExitCode:
    """Split ``task`` as ``wish`` says; refused while it runs, when it is complete, or when it was split already."""
    wish.require_one(may_be_none=False)
    session = open_session(place)
    name = known_tasks(session, [task])[0]
    _require_splittable(session.store.state, name)
    costs: list[float] = []
    parts = parts_of(session, name, wish, costs.append)
    _answer(session, name, parts, split(session, name, parts, sum(costs)))
    return ExitCode.DONE


def split(session: Session, name: str, parts: Parts, cost_usd: float = 0.0) -> Decomposition:
    """Put ``parts`` into the plan as the subtasks of ``name``, which is open again if it was given up.

    ``cost_usd`` is what the model took for them; it counts for a task that was given up.
    """
    made: list[Decomposition] = []

    def edited(data: bytes) -> bytes:
        _require_splittable(session.store.state, name)
        made.append(_decomposition(session.store.state, name, parts.tasks, keeps_names=parts.keeps_names))
        return _new_plan(data, name, made[-1])

    def reopen(change: StoreChange) -> None:
        if change.state.status(name) in OPENED_AGAIN:
            moves.reopen(change, name, "split into subtasks", cost_usd=cost_usd)

    taken = take_new_plan(session, edited, by="decompose", before=reopen)
    store = session.store
    _hand_gathered_on(store, name, made[-1])
    refresh_assignments(store.paths, store.state, taken)
    session.show()
    return made[-1]


def _require_splittable(state: State, task: str) -> None:
    status = state.status(task)
    if status in (Status.RUNNING, Status.COMPLETED, Status.RETRYING):
        advice = {
            Status.RUNNING: f"end it first: `orchestrate fail {task} --final`, or let it go on",
            Status.RETRYING: f"it starts again by itself; `orchestrate skip {task}` ends that, then split it",
            Status.COMPLETED: "add what is left to do as new tasks: `orchestrate add`",
        }
        raise MoveRefusedError(f"{task} is {status}: a task is not split then", advice[status])
    if existing := subtasks(state.tasks, task):
        raise MoveRefusedError(f"{task} was split already, into {listed(existing)}", "split one of these further")


def parts_of(session: Session, task: str, wish: Wish, on_cost: OnCost = lambda usd: None) -> Parts:
    """The subtasks that ``wish`` asks for; ``on_cost`` is told what each answer of the model has cost."""
    paths, spec = session.store.paths, session.store.state.tasks[task]
    if wish.file is not None:
        return Parts(_tasks_of_file(wish.file), "from", keeps_names=True)
    if wish.is_ai:
        return Parts(_drafted(session, task, wish, on_cost), "ai")
    words = f"{spec.name}\n{spec.description}"
    found, picked = expansion(paths, wish, spec.description, words=words, decomposed=True)
    if errors := errors_of(found.reading().problems):
        name = picked.template if picked else wish.template
        raise InvalidInputError(f"the template {name} does not fit {task}", "give other values with --set", errors)
    source = "template" if wish.template else "auto"
    return Parts(found.tasks, source, picked.template if picked else wish.template, picked)


def _tasks_of_file(file: str) -> list[dict[str, Json]]:
    """The tasks of a file that has a plan, or a list of tasks."""
    data = sys.stdin.buffer.read() if file == "-" else files.read_bytes_or_none(os.path.abspath(file))
    if data is None:
        raise CannotGoOnError(f"there is no file {file}", "name a YAML file with a list of tasks")
    document = read_yaml(data)
    if document.problems:
        raise InvalidInputError(f"{file} cannot be read", "mend the lines named", list(document.problems))
    if not isinstance(document.value, dict):
        document = Document({"tasks": document.value})
    tasks = _tasks_in(document)
    if not tasks:
        raise InvalidInputError(f"{file} holds no tasks", "write a list of tasks, as in plan.yaml")
    return tasks


def _tasks_in(document: Document) -> list[dict[str, Json]]:
    """The tasks of a plan, each with what the plan's ``defaults`` give it; none where they are not all mappings."""
    value = document.value if isinstance(document.value, dict) else {}
    tasks, defaults = value.get("tasks"), value.get("defaults")
    shared = defaults if isinstance(defaults, dict) else {}
    found = [{**shared, **task} for task in tasks if isinstance(task, dict)] if isinstance(tasks, list) else []
    return found if isinstance(tasks, list) and len(found) == len(tasks) else []


def _drafted(session: Session, task: str, wish: Wish, on_cost: OnCost) -> list[dict[str, Json]]:
    """The subtasks that the model made."""
    from orchestrator.commands.asked_plan import assignment_in, drafted

    paths, state = session.store.paths, session.store.state
    spec = state.tasks[task]
    before = [f"{dep.task}, {state.tasks[dep.task].name}" for dep in spec.deps]
    assignment = assignment_in(paths, spec.description, spec, state.plan.title, before)
    present = files.read_bytes_or_none(paths.plan) or b""

    def check(text: str) -> Sequence[Problem]:
        try:
            split = _decomposition(state, task, _tasks_in(read_yaml(text.encode())), keeps_names=False)
            new = checked_plan(_new_plan(present, task, split))
        except OrchestrateError as error:
            return error.problems or [Problem(error.message, error.advice)]
        return [Problem(each.message, each.advice, task=each.task) for each in errors_of(new.problems)]

    kept = paths.inside(f"{task}.draft.yaml")
    again = f"orchestrate decompose {task} --from"
    draft = drafted(paths, wish, assignment, {"title": spec.name}, kept, again, check, on_cost)
    return _tasks_in(read_yaml(draft.text.encode()))


def _decomposition(state: State, task: str, tasks: Sequence[Mapping[str, Json]], *, keeps_names: bool) -> Decomposition:
    is_approved = state.records[task].approved
    return decomposition(state.tasks[task], tasks, list(state.tasks), is_approved=is_approved, keeps_names=keeps_names)


def _new_plan(data: bytes, task: str, split: Decomposition) -> bytes:
    """plan.yaml with the subtasks at its end and the task as their join."""
    text = with_tasks(data.decode("utf-8"), split.subtasks)
    return with_task_fields(text, task, split.changes).encode("utf-8")


def _hand_gathered_on(store: Store, task: str, split: Decomposition) -> None:
    """Give what was gathered for ``task`` to the subtasks that begin; the others have their results."""
    if text := gathered(store.paths, task):
        for id in split.ids:
            if not set(store.state.tasks[id].dep_ids) & set(split.ids):
                keep_gathered(store, id, text, f"{task}.md")


def _answer(session: Session, task: str, parts: Parts, split: Decomposition) -> None:
    state = session.store.state
    record: Json = {
        "task": task,
        "subtasks": [
            {
                "id": id,
                "name": state.tasks[id].name,
                "agent": state.agents[id],
                "deps": list(state.tasks[id].dep_ids),
                "status": str(state.status(id)),
            }
            for id in split.ids
        ],
        "takes_over": split.last,
        "source": parts.source,
        "template": parts.template,
        "why": parts.picked.why if parts.picked else None,
    }
    lines = [parts.picked.why] if parts.picked else []
    how = f" by the template {parts.template}" if parts.template else ""
    lines.append(f"Split {task} into {len(split.ids)} subtasks{how}:")
    for id in split.ids:
        deps = f"  ← {', '.join(state.tasks[id].dep_ids)}" if state.tasks[id].deps else ""
        lines.append(f"  {id} ({state.agents[id]}) {state.tasks[id].name}, {state.status(id)}{deps}")
    ends = listed(list(state.tasks[task].dep_ids))
    lines.append(
        f"{task} takes over the result of {split.last}; no agent runs for it."
        if split.last
        else f"{task} joins the results of {ends}."
    )
    answer(session.place, record, "\n".join(lines))
