"""Commands that answer and change nothing: ``status``, ``list``, ``next``, ``log``."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

from orchestrator import clock
from orchestrator.commands.session import Place, Session, answer, problem_lines, read_session
from orchestrator.errors import ExitCode, UsageError
from orchestrator.events import Event
from orchestrator.model import Json, Status
from orchestrator.render.form import AgentForm, agent_box, batch_banner
from orchestrator.render.master_plan import log_entries
from orchestrator.render.status import list_lines, next_record, status_record, status_text, task_record
from orchestrator.schedule import candidates
from orchestrator.workers.recovery import lost_tasks

FOLLOW_S = 0.5


def status(place: Place, *, is_full: bool = False) -> ExitCode:
    """Where the run stands: a few lines, or with ``is_full`` a line for every task."""
    session = read_session(place)
    state, now, lost = session.store.state, clock.now(), lost_tasks(session.store)
    problems = [*problem_lines(session), *_tampering(session)]
    record = status_record(state, now, lost)
    record["problems"] = list(problems)
    text = status_text(state, now, lost, problems)
    if is_full:
        text = "\n".join([text, "", *list_lines(state, list(state.tasks), now, lost)])
    answer(place, record, text)
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
    """What may start now, grouped as the batch it belongs to."""
    session = read_session(place)
    state, now = session.store.state, clock.now()
    held = state.is_paused(now) or state.stopped_by()
    ready = [] if held else list(candidates(state, now))
    record = next_record(state, now, ready)
    answer(place, record, _next_text(session, ready, is_ascii) if not place.as_json else "")
    return ExitCode.DONE


def _next_text(session: Session, ready: list[str], is_ascii: bool) -> str:
    state, now = session.store.state, clock.now()
    lines: list[str] = []
    for stage in sorted({state.stage(task) for task in ready}):
        batch = [task for task in ready if state.stage(task) == stage]
        lines.append(banner(session, batch, is_ascii))
        lines.append(
            agent_box(
                [AgentForm(state.agents[task], task, state.tasks[task].name) for task in batch], is_ascii=is_ascii
            )
        )
    running = state.with_status(Status.RUNNING)
    approvals = state.awaiting_approval()
    lines += [f"Running: {', '.join(running)}"] * bool(running)
    lines += [f"Waiting for approval: {', '.join(approvals)} (orchestrate approve ID)"] * bool(approvals)
    if not ready:
        lines.insert(0, f"Nothing may start now: the run is {state.run_state(now)}.")
    return "\n".join(lines)


def banner(session: Session, tasks: list[str], is_ascii: bool) -> str:
    """The ruled line above a batch: its number, and the tasks it comes after."""
    state = session.store.state
    after = sorted({dep for task in tasks for dep in state.tasks[task].dep_ids}, key=list(state.tasks).index)
    return batch_banner(state.stage(tasks[0]), after, is_ascii=is_ascii)


def log(place: Place, *, is_following: bool = False, limit: int | None = None) -> ExitCode:
    """The execution log, or with ``--json`` the events, one a line; ``is_following`` goes on until interrupted."""
    session = read_session(place)
    shown = 0
    while True:
        events = [event for event in session.store.journal.events() if event is not None]
        fresh = events[shown:]
        if not shown and limit is not None:
            fresh = fresh[-limit:] if limit else []
        for line in _log_lines(fresh, place.as_json):
            print(line, flush=is_following)
        shown = len(events)
        if not is_following:
            return ExitCode.DONE
        time.sleep(FOLLOW_S)


def _log_lines(events: list[Event], as_json: bool) -> Iterator[str]:
    for event in events:
        if as_json:
            yield json.dumps(event, ensure_ascii=False)
        else:
            yield from log_entries(event)
