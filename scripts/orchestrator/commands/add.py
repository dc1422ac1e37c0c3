"""``add``: tasks put into a plan that is already running, with the checks of ``validate``."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence

from orchestrator.commands.plan import accepted
from orchestrator.commands.session import Place, Session, answer, open_session, tell
from orchestrator.errors import CannotGoOnError, ExitCode, InvalidInputError, UsageError, errors_of
from orchestrator.model import Json
from orchestrator.plans.spec import checked_plan
from orchestrator.store.store import StoreChange
from orchestrator.store.takeover import apply_version
from orchestrator.system import files
from orchestrator.workers.assignments import refresh_assignments
from orchestrator.workers.roles import role_problems


def tasks_from(given: Mapping[str, str | None], deps: Sequence[str], file: str | None) -> list[dict[str, Json]]:
    """The tasks that the options of ``add`` describe: one, or those of a YAML file (``-`` for stdin)."""
    single: dict[str, Json] = {key: value for key, value in given.items() if value is not None}
    if deps:
        single["deps"] = list(deps)
    if file is None:
        if not single.get("name") and not single.get("description"):
            raise UsageError("no task was given", "`orchestrate add NAME --description TEXT`, or `--file FILE`")
        single.setdefault("description", single.get("name"))
        return [single]
    if single:
        raise UsageError("--file and a task on the command line were both given", "give one of them")
    from orchestrator.plans.yamlfile import read_yaml

    data = sys.stdin.buffer.read() if file == "-" else files.read_bytes_or_none(file)
    if data is None:
        raise CannotGoOnError(f"there is no file {file}", "name a YAML file with one task or a list of tasks")
    document = read_yaml(data)
    if errors_of(document.problems):
        raise InvalidInputError(f"{file} cannot be read", "mend the lines named", list(document.problems))
    value = document.value
    if isinstance(value, dict) and "tasks" in value:
        value = value["tasks"]
    tasks = value if isinstance(value, list) else [value]
    if not tasks or not all(isinstance(task, dict) for task in tasks):
        raise InvalidInputError(f"{file} holds no tasks", "write one task, or a list of tasks, as in plan.yaml")
    return tasks  # type: ignore[return-value]


def add(place: Place, tasks: Sequence[Mapping[str, Json]]) -> ExitCode:
    """Put tasks into the plan of a run, with the checks of ``validate``; all or none."""
    from orchestrator.commands.first_task import begin_with_task, has_plan
    from orchestrator.plans.planfile import with_tasks

    if len(tasks) == 1 and tasks[0].get("description") not in (None, tasks[0].get("name")) and not has_plan(place):
        return _answered(begin_with_task(place, dict(tasks[0]), "add"), None)
    session = open_session(place)
    store = session.store

    def added(data: bytes) -> bytes:
        return with_tasks(data.decode("utf-8"), tasks).encode("utf-8")

    new = take_new_plan(session, added, by="add")
    refresh_assignments(store.paths, store.state, new)
    session.show()
    for problem in role_problems(store.paths, [store.state.tasks[task] for task in new]):
        tell(problem.text())
    return _answered(session, new)


def _answered(session: Session, added: Sequence[str] | None) -> ExitCode:
    """Where the new tasks stand; None for ``added`` stands for a new run, in which all are."""
    state = session.store.state
    new = [*state.tasks] if added is None else added
    record: Json = {"added": list(new), "agents": {task: state.agents[task] for task in new}}
    lines = [f"Added {task} ({state.agents[task]}): {state.tasks[task].name}, {state.status(task)}" for task in new]
    if added is None and state.main_task is not None:
        lines.append(f"A new run with this one task. Next: {state.main_task.next}")
    answer(session.place, record, "\n".join(lines))
    return ExitCode.DONE


def take_new_plan(
    session: Session,
    edited: Callable[[bytes], bytes],
    by: str,
    before: Callable[[StoreChange], None] | None = None,
) -> list[str]:
    """Write a new version of plan.yaml and record it; the tasks that are new or different.

    ``edited`` makes the new version of the present one, under the lock of the plan: what others add at the same
    moment stays. ``before`` records what belongs to the same change. Raises with every problem, and then nothing was
    changed.
    """
    store = session.store
    with session.plan.lock:
        store.refresh()
        data = files.read_bytes_or_none(store.paths.plan)
        if data is None:
            raise CannotGoOnError("plan.yaml is gone", f"put it back from a copy; `{by}` writes into it")
        if files.digest(data) != store.state.source:
            raise CannotGoOnError(
                "plan.yaml holds an edit that is refused, so nothing can be added to it",
                "mend the lines named, or put the old text back",
                session.plan.problems(),
            )
        new_data = edited(data)
        reading = checked_plan(new_data)
        accepted(reading.plan, reading.problems, store.paths.plan)
        with store.change() as change:
            if before is not None:
                before(change)
            taken, refused = apply_version(store, change, reading, files.digest(new_data), by=by)
            if refused:
                raise InvalidInputError("the new tasks are refused", "mend what is named", refused)
            files.write_whole(store.paths.plan, new_data)
    return taken
