"""``handoff``: a task as it is handed to its role, and what waits for a role."""

from __future__ import annotations

import json
import os

from orchestrator.commands.session import Place, answer, known_tasks, read_session
from orchestrator.desk.handoff import READY
from orchestrator.errors import CannotGoOnError, ExitCode
from orchestrator.model import Json
from orchestrator.workers.hand_over import planned
from orchestrator.workers.handoffs import handoff_of, write_handoff


def handoff(place: Place, task: str) -> ExitCode:
    """Print the handoff of a task as it now is; the file is written as well where the task is ready for its role."""
    session = read_session(place)
    state, paths = session.store.state, place.paths
    name = known_tasks(session, [task])[0]
    if state.status(name) in READY and os.access(paths.folder, os.W_OK):
        try:
            write_handoff(paths, state, name)
        except CannotGoOnError:
            pass  # what is asked for is printed all the same
    record = handoff_of(paths, state, name)
    answer(place, record, json.dumps(record, ensure_ascii=False, indent=2))
    return ExitCode.DONE


def inbox(place: Place, role: str) -> ExitCode:
    """List what is ready for a role, the most urgent first."""
    state = read_session(place).store.state
    ready = sorted(state.with_status(*READY), key=state.start_key)
    tasks = [task for task in ready if (planned(state, task).role or "").casefold() == role.casefold()]
    handoffs: list[Json] = [{**handoff_of(place.paths, state, task)} for task in tasks]
    lines = [
        f"{task} ({state.priority(task)}, {state.status(task)}): {state.tasks[task].name}"
        + (f" [{state.tasks[task].worker_type}]" if state.tasks[task].worker_type else "")
        for task in tasks
    ]
    answer(place, {"to": role, "handoffs": handoffs}, "\n".join(lines) if lines else f"Nothing is ready for {role}.")
    return ExitCode.DONE
