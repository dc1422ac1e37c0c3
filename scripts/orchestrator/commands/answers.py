"""How the commands that move tasks answer: where the tasks now stand, as JSON, as lines, or as the form of a batch."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator import clock
from orchestrator.commands.session import Session, answer
from orchestrator.errors import ExitCode
from orchestrator.model import Json
from orchestrator.render.form import AgentForm, agent_box, batch_banner
from orchestrator.render.status import task_record


def answer_tasks(session: Session, tasks: Sequence[str], text: str) -> None:
    """The records of ``tasks``, each with the number of its attempt, or ``text``."""
    state, now = session.store.state, clock.now()
    records: list[Json] = [{**task_record(state, task, now), "attempt": state.records[task].attempt} for task in tasks]
    answer(session.place, {"tasks": records}, text)


def answer_moved(session: Session, tasks: Sequence[str]) -> ExitCode:
    """Where ``tasks`` now stand and why, a line each."""
    state, now = session.store.state, clock.now()
    lines = []
    for task in tasks:
        entry = task_record(state, task, now)
        lines.append(f"{task}: {entry['status']}" + (f" ({entry['reason']})" if entry["reason"] else ""))
    answer_tasks(session, tasks, "\n".join(lines))
    return ExitCode.DONE


def started_text(session: Session, tasks: Sequence[str], *, is_ascii: bool) -> str:
    """The form of tasks that were just started: for each batch its banner and one box."""
    state = session.store.state
    lines = []
    for stage in sorted({state.stage(task) for task in tasks}):
        batch = [task for task in tasks if state.stage(task) == stage]
        forms = [
            AgentForm(
                state.agents[task],
                task,
                state.tasks[task].name,
                state.tasks[task].description,
                status=state.status(task),
            )
            for task in batch
        ]
        lines += [banner(session, batch, is_ascii), agent_box(forms, is_ascii=is_ascii)]
    return "\n".join(lines)


def banner(session: Session, tasks: list[str], is_ascii: bool) -> str:
    """The ruled line above a batch: its number, and the tasks it comes after."""
    state = session.store.state
    after = sorted({dep for task in tasks for dep in state.tasks[task].dep_ids}, key=list(state.tasks).index)
    return batch_banner(state.stage(tasks[0]), after, is_ascii=is_ascii)
