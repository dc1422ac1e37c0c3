"""``complete``: the result of a task that was done by hand, checked as a worker's is."""

from __future__ import annotations

import os
from collections.abc import Sequence

from orchestrator.commands.answers import answer_tasks
from orchestrator.commands.given_result import given_result
from orchestrator.commands.session import Place, known_tasks, open_session
from orchestrator.errors import ExitCode, InvalidInputError, Problem
from orchestrator.executors.claude_argv import worker_environment
from orchestrator.model import Status
from orchestrator.render.form import AgentForm, agent_box
from orchestrator.store import moves
from orchestrator.store.change import spent_until_now
from orchestrator.store.trust import require_trust, verifies
from orchestrator.system import files
from orchestrator.system.file_steps import failure
from orchestrator.workers import checks, hand_over
from orchestrator.workers.assignments import refresh_assignments
from orchestrator.workers.recovery import end_attempt


def complete(
    place: Place,
    task: str,
    *,
    result: str | None = None,
    attempt: int | None = None,
    steps: Sequence[str] = (),
    summary: Sequence[str] = (),
    is_ascii: bool = False,
) -> ExitCode:
    """Record the result of a running task, after the same checks that a worker's result passes."""
    session = open_session(place)
    store, paths = session.store, session.store.paths
    name = known_tasks(session, [task])[0]
    number = moves.require_running(store.state, name, attempt).attempt
    target = hand_over.result_name(paths, store.state, name)
    text = given_result(paths, name, result, paths.inside(*target.split("/")))
    spec = store.state.tasks[name]
    require_trust(paths, store.state, verifies(name))
    problems = checks.all_problems(paths.project, spec, text, worker_environment(os.environ))
    if problems:
        raise InvalidInputError(
            f"{name} stays running: its result does not count yet",
            f"mend what is named, then run `orchestrate complete {name}` again",
            [Problem(problem, task=name) for problem in problems],
        )
    data = text.encode("utf-8", "replace")
    temp = _written(paths.inside("results"), f".{name}.{number}.hand.tmp", data)
    try:
        with store.change() as change:
            moves.require_running(change.state, name, number)
            end_attempt(store, name)
            files.publish(temp, paths.inside(*target.split("/")))
            spent, hash = spent_until_now(change, name), files.digest(data)
            moves.complete(change, name, result=target, hash=hash, spent=spent, steps=steps, summary=summary)
    finally:
        if os.path.exists(temp):
            os.unlink(temp)
    refresh_assignments(paths, store.state, [name])
    session.show()
    form = AgentForm(
        store.state.agents[name],
        name,
        spec.name,
        spec.description,
        steps=steps,
        output=summary,
        saved_to=hand_over.shown_path(paths, target),
        duration_s=store.state.records[name].duration_s,
        status=Status.COMPLETED,
    )
    answer_tasks(session, [name], "" if place.as_json else agent_box([form], is_ascii=is_ascii))
    return ExitCode.DONE


def _written(folder: str, name: str, data: bytes) -> str:
    """A file with ``data`` beside the results, under no name that counts."""
    files.make_private_folder(folder)
    temp = os.path.join(folder, name)
    try:
        with os.fdopen(files.open_output(temp), "wb") as file:
            file.write(data)
    except OSError as error:
        os.unlink(temp)
        raise failure("write the result", temp, error) from error
    return temp
