"""Commands that answer and change nothing: ``status``, ``list``, ``next``, ``log``."""

from __future__ import annotations

import json
import time

from orchestrator import clock
from orchestrator.commands.answers import banner
from orchestrator.commands.session import Place, Session, answer, problem_lines, read_session, tell
from orchestrator.errors import ExitCode, UsageError
from orchestrator.launchers.neighbours import Neighbours
from orchestrator.model import Json, Status
from orchestrator.render.form import AgentForm, agent_box
from orchestrator.render.master_plan import log_entries
from orchestrator.render.status import list_lines, next_record, run_reason, status_record, status_text, task_record
from orchestrator.store.journal import Journal
from orchestrator.store.schedule import startable
from orchestrator.workers.recovery import lost_tasks

FOLLOW_S = 0.5


def status(place: Place, *, is_full: bool = False) -> ExitCode:
    """Where the run stands: a few lines, or with ``is_full`` a line for every task.

    What is wrong with the files is among the lines, and on stderr.
    """
    from orchestrator.workers.integrity import is_merged

    session = read_session(place)
    state, now, lost = session.store.state, clock.now(), lost_tasks(session.store)
    merged = is_merged(session.store)
    known = problem_lines(session)
    problems = list(dict.fromkeys([*known, *_tampering(session)]))
    for problem in problems:
        if problem not in known:  # those are told already
            tell(problem)
    if place.as_json:
        answer(place, status_record(state, now, lost, is_merged=merged), "")
        return ExitCode.DONE
    text = status_text(state, now, lost, problems, is_merged=merged)
    if is_full:
        text = "\n".join([text, "", *list_lines(state, list(state.tasks), now, lost)])
    answer(place, None, text)
    return ExitCode.DONE


def _tampering(session: Session) -> list[str]:
    """What was changed behind the store's back: lines of the journal, recorded results."""
    from orchestrator.workers.integrity import changed_results

    found = [problem.text("events.jsonl") for problem in session.store.journal.faults()]
    return [*found, *changed_results(session.store)]


def list_tasks(place: Place, *, by_state: bool = False, only: str | None = None) -> ExitCode:
    """A line for each task; ``by_state`` groups them, ``only`` keeps one status."""
    session = read_session(place)
    state, now, lost = session.store.state, clock.now(), lost_tasks(session.store)
    if only is not None and only.lower() not in list(Status):
        raise UsageError(f"there is no status {only!r}", "one of " + ", ".join(Status))
    wanted = [Status(only.lower())] if only else list(Status)
    tasks = [task for task in state.tasks if state.status(task) in wanted]
    records: list[Json] = [task_record(state, task, now, lost) for task in tasks]
    grouped: dict[str, list[str]] = {str(status): state.with_status(status) for status in wanted}
    lines: list[str] = []
    if by_state:
        for status, members in grouped.items():
            if members:
                lines += [
                    f"{status} ({len(members)})",
                    *(f"  {line}" for line in list_lines(state, members, now, lost)),
                ]
        answer(place, {name: list(members) for name, members in grouped.items()}, "\n".join(lines))
    else:
        answer(place, {"tasks": records}, "\n".join(list_lines(state, tasks, now, lost)))
    return ExitCode.DONE


def next_tasks(place: Place, *, is_ascii: bool = False) -> ExitCode:
    """What may start now, together, grouped as the batches it belongs to."""
    session = read_session(place)
    state, now = session.store.state, clock.now()
    ready, held = startable(state, now, Neighbours(place.paths).elsewhere(state))
    text = "" if place.as_json else _next_text(session, ready, held, is_ascii)
    answer(place, next_record(state, now, ready), text)
    return ExitCode.DONE


def _next_text(session: Session, ready: list[str], held: dict[str, str], is_ascii: bool) -> str:
    state, now = session.store.state, clock.now()
    lines: list[str] = []
    for stage in sorted({state.stage(task) for task in ready}):
        batch = [task for task in ready if state.stage(task) == stage]
        forms = [AgentForm(state.agents[task], task, state.tasks[task].name) for task in batch]
        lines += [banner(session, batch, is_ascii), agent_box(forms, is_ascii=is_ascii)]
    running = state.with_status(Status.RUNNING)
    approvals = state.awaiting_approval()
    lines += [f"Not beside these: {task}, {why}" for task, why in held.items()]
    lines += [f"Running: {', '.join(running)}"] * bool(running)
    lines += [f"Waiting for approval: {', '.join(approvals)} (orchestrate approve ID)"] * bool(approvals)
    if not ready:
        why = run_reason(state, now)
        lines.insert(0, f"Nothing may start now: the run is {state.run_state(now)}{f' ({why})' if why else ''}.")
    return "\n".join(lines)


def log(place: Place, *, is_following: bool = False, limit: int | None = None) -> ExitCode:
    """The execution log, or with ``--json`` the events; ``is_following`` goes on until interrupted, an event a line."""
    if limit is not None and limit < 0:
        raise UsageError(f"--limit is {limit}, expected 0 or more", "`--limit 20`")
    paths = read_session(place).store.paths
    journal = Journal(paths.journal, paths.torn)
    events = [event for event in journal.news() if event is not None]
    shown = events if limit is None else events[len(events) - min(limit, len(events)) :]
    if not is_following:
        answer(place, {"events": [*shown]}, "\n\n".join(entry for event in shown for entry in log_entries(event)))
        return ExitCode.DONE
    while True:
        for event in shown:
            for line in [json.dumps(event, ensure_ascii=False)] if place.as_json else log_entries(event):
                print(line, flush=True)
        time.sleep(FOLLOW_S)
        shown = [event for event in journal.news_or_all() if event is not None]
