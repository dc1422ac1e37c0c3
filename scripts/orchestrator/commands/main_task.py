"""``main-task``: the four-line state of the stateless loop, read, set, derived from the plan, and its history."""

from __future__ import annotations

import os

from orchestrator import clock
from orchestrator.commands.session import Place, Session, answer, known_tasks, open_session, read_session, tell
from orchestrator.errors import CannotGoOnError, ExitCode, InvalidInputError, UsageError
from orchestrator.events import EventType
from orchestrator.model import Json
from orchestrator.store.nextaction import NO_PLAN, NextStep, next_step
from orchestrator.store.records import LoopStatus, MainTask
from orchestrator.texts.maintask import shown_main_task
from orchestrator.wording import nearest
from orchestrator.workers.maintask import set_main_task, set_next_step, surroundings, take_over_main_task

ACTS = ("read", "set", "advance", "history")


def main_task(
    place: Place, act: str, status: str | None, sentence: str | None, *, task: str | None, focus: str | None
) -> ExitCode:
    """Do what ``act`` says; ``status``, ``sentence``, ``task`` belong to ``set``, ``focus`` to ``advance`` as well."""
    if act not in ACTS:
        near = nearest(act, ACTS)
        raise UsageError(
            f"there is no `main-task {act}`", f"`main-task {near}`" if near else "one of " + ", ".join(ACTS)
        )
    if act == "set":
        return _set(place, status, sentence, task, focus)
    if status is not None or sentence is not None or task is not None or (focus is not None and act != "advance"):
        raise UsageError(f"`main-task {act}` takes none of these words", '`main-task set continue "NEXT" --task ID`')
    if act == "advance":
        return _advance(place, focus)
    return _read(place) if act == "read" else _history(place)


def main_task_record(main: MainTask) -> dict[str, Json]:
    """``main`` as JSON."""
    return {"status": str(main.status), "next": main.next, "task": main.task, "focus": main.focus}


def _read(place: Place) -> ExitCode:
    session = read_session(place)
    _take_over(session)
    main = session.store.state.main_task
    if main is None:
        raise CannotGoOnError("there is no MAIN_TASK yet", "`orchestrate main-task advance` derives it from the plan")
    answer(place, main_task_record(main), shown_main_task(main))
    return ExitCode.DONE


def _set(place: Place, status: str | None, sentence: str | None, task: str | None, focus: str | None) -> ExitCode:
    if status is None or sentence is None:
        raise UsageError(
            "a status and the next step are needed", '`main-task set continue "Review security." --task T-03`'
        )
    if status.lower() not in list(LoopStatus):
        near = nearest(status, list(LoopStatus))
        raise UsageError(f"there is no status {status!r}", near or "continue, blocked or completed")
    session = open_session(place)
    name = known_tasks(session, [task])[0] if task else None
    main = MainTask(LoopStatus(status.lower()), sentence.strip(), name, focus.strip() if focus else None)
    set_main_task(session.store, main, "set")
    session.show()
    answer(place, main_task_record(main), shown_main_task(main))
    return ExitCode.DONE


def _advance(place: Place, focus: str | None) -> ExitCode:
    if not os.path.exists(place.paths.journal):
        tell("there is no run yet, so nothing was written; `orchestrate add NAME --description TEXT` makes one")
        return _told(place, NO_PLAN)
    session = open_session(place)
    store = session.store
    step = next_step(store.state, clock.now(), surroundings(store))
    if focus is not None:
        main = step.main
        step = NextStep(step.action, MainTask(main.status, main.next, main.task, focus.strip() or None))
    set_next_step(store, step, "advance")
    session.show()
    return _told(place, step)


def _told(place: Place, step: NextStep) -> ExitCode:
    record = {**main_task_record(step.main), "action": str(step.action)}
    answer(place, record, f"{shown_main_task(step.main)}\nAction: {step.action}")
    return ExitCode.DONE


def _history(place: Place) -> ExitCode:
    """Every MAIN_TASK that was, the oldest first."""
    session = read_session(place)
    entries: list[Json] = []
    lines = []
    for event in session.store.journal.events():
        if event is None or event["type"] != EventType.MAIN_TASK_SET:
            continue
        at = clock.parse_utc(str(event["timestamp"]))
        names = ("status", "next", "task", "focus", "action", "by")
        entries.append({"time": clock.iso_offset(at), **{name: event.get(name) for name in names}})
        task = f" {event['task']}" if event.get("task") else ""
        focus = f" (focus: {event['focus']})" if event.get("focus") else ""
        action = f", {event['action']}" if event.get("action") else ""
        lines.append(
            f"[{clock.local_datetime(at)}] {event['status']}{task}: {event['next']}{focus}; by {event['by']}{action}"
        )
    answer(place, {"history": entries}, "\n".join(lines) or "MAIN_TASK was never set")
    return ExitCode.DONE


def _take_over(session: Session) -> None:
    """Take over what a person wrote; raises with the lines of what cannot be read."""
    if not os.access(session.place.paths.folder, os.W_OK):
        return
    if problems := take_over_main_task(session.store):
        raise InvalidInputError(
            "MAIN_TASK cannot be read", "mend the lines named, or `orchestrate main-task advance`", problems
        )
