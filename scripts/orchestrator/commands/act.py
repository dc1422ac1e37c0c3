"""Commands that move tasks: ``fail``, ``retry``, ``skip``, ``approve``; and those that hold or free a run.

Whoever takes a running task from its worker ends the worker under the lock of the state: else its supervisor would
record the end of the worker first, and the task might begin anew in between.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from orchestrator import clock
from orchestrator.commands.answers import answer_moved
from orchestrator.commands.session import Place, Session, answer, known_tasks, open_session, user
from orchestrator.commands.splitting import leave_proposals
from orchestrator.errors import ExitCode, UsageError
from orchestrator.events import EventType
from orchestrator.executors.limits import backoff_s
from orchestrator.model import DEFAULT_SCALE, Executor, Json, Status
from orchestrator.store import moves
from orchestrator.store.change import Failure, spent_until_now
from orchestrator.workers.assignments import refresh_assignments
from orchestrator.workers.recovery import end_attempt


def fail(place: Place, task: str, *, reason: str, attempt: int | None = None, is_final: bool = False) -> ExitCode:
    """Record that a task failed; what follows is decided by the plan, with ``is_final`` it is given up at once.

    A task that waits to retry has no attempt that could fail: it is given up.
    """
    session = open_session(place)
    store = session.store
    name = known_tasks(session, [task])[0]
    with store.change() as change:
        moves.require_attempt(change.state.records[name], name, attempt)
        if change.state.status(name) is Status.RETRYING:
            moves.give_up(change, name, reason)
        else:
            record = moves.require_running(change.state, name, attempt, Status.FAILED)
            end_attempt(store, name)
            failure = Failure(reason, "by_hand", may_pass=not is_final, gives_up=is_final)
            delay_s = backoff_s(record.failures + 1, random.uniform(-1, 1)) * _delay_scale(session, record.executor)
            moves.fail(change, name, failure, spent_until_now(change, name), delay_s=delay_s)
    leave_proposals(session)
    refresh_assignments(store.paths, store.state, [name])
    session.show()
    return answer_moved(session, [name])


def _delay_scale(session: Session, executor: str) -> float:
    """What delays of retries are multiplied by: a rehearsal has its own time."""
    if executor != Executor.REHEARSE:
        return 1.0
    scale = session.store.state.plan.run.scale
    return DEFAULT_SCALE if scale is None else scale


def retry(place: Place, tasks: Sequence[str]) -> ExitCode:
    """Open failed or skipped tasks again, with a new series of attempts."""
    session = open_session(place)
    names = known_tasks(session, tasks)
    with session.store.change() as change:
        for task in names:
            moves.reopen(change, task, "retried by hand")
    session.show()
    return answer_moved(session, names)


def skip(place: Place, tasks: Sequence[str], *, reason: str = "") -> ExitCode:
    """Leave tasks out on purpose; dependants go on without them and are told."""
    session = open_session(place)
    store = session.store
    names = known_tasks(session, tasks)
    with store.change() as change:
        running = [task for task in names if change.state.status(task) is Status.RUNNING]
        for task in names:
            moves.skip(change, task, reason or "skipped by hand")
        for task in running:
            end_attempt(store, task)
    refresh_assignments(store.paths, store.state, names)
    session.show()
    return answer_moved(session, names)


def approve(place: Place, tasks: Sequence[str], *, is_all: bool = False, note: str = "") -> ExitCode:
    """A person's word that tasks with ``approval`` may start."""
    session = open_session(place)
    names = known_tasks(session, tasks)
    state = session.store.state
    if is_all:
        names += [
            task
            for task, spec in state.tasks.items()
            if spec.approval and not state.records[task].approved and task not in names
        ]
    elif not names:
        raise UsageError("no task was named", "`orchestrate approve ID`, or `--all`")
    for task in names:
        if not state.tasks[task].approval:
            raise UsageError(f"{task} needs no approval", "only tasks with `approval: true` do")
    with session.store.change() as change:
        for task in names:
            if not change.state.records[task].approved:
                change.record(EventType.APPROVED, task, by=user(), note=note or None)
    session.show()
    return answer_moved(session, names)


def pause(place: Place, *, reason: str = "", until: float | None = None, quiet_hours: str | None = None) -> ExitCode:
    """Start nothing new until ``resume``, or until a time; what runs goes on."""
    if quiet_hours is not None:
        return _set_quiet_hours(place, quiet_hours)
    session = open_session(place)
    words = reason or "paused by hand"
    with session.store.change() as change:
        change.record(EventType.PAUSED, kind="hand", reason=words, until=until)
    session.show()
    answer(place, _pause_record(session), f"Paused: {words}")
    return ExitCode.DONE


def _set_quiet_hours(place: Place, text: str) -> ExitCode:
    """Keep these hours of each day quiet from now on, instead of the plan's; ``none`` takes them away."""
    from orchestrator.executors.limits import QuietHours
    from orchestrator.launchers.course import end_of_quiet

    hours = "" if text.strip().lower() == "none" else str(QuietHours.parse(text))
    session = open_session(place)
    with session.store.change() as change:
        until = end_of_quiet(hours, change.now) if hours else None
        change.record(EventType.QUIET_HOURS_SET, hours=hours)
        was = change.state.pause if change.state.is_paused(change.now) else None
        if was is not None and was.kind == "quiet" and until is None:
            change.record(EventType.RESUMED, kind="quiet", reason="the quiet hours were changed")
        elif until is not None and (was is None or was.kind == "quiet"):
            change.record(EventType.PAUSED, kind="quiet", reason=f"quiet hours {hours}", until=until)
    session.show()
    words = f"Nothing new starts from {hours.replace('-', ' to ')}" if hours else "No hours are quiet any more"
    answer(place, _pause_record(session), f"{words}{', nor now' if until is not None else ''}.")
    return ExitCode.DONE


def resume(place: Place) -> ExitCode:
    """End a pause, whatever its cause was."""
    session = open_session(place)
    with session.store.change() as change:
        was = change.state.pause
        if was is not None:
            change.record(EventType.RESUMED, kind=was.kind, reason="resumed by hand")
    session.show()
    answer(place, _pause_record(session), "New attempts may start." if was else "The run was not paused.")
    return ExitCode.DONE


def _pause_record(session: Session) -> Json:
    state = session.store.state
    held = state.pause if state.is_paused(clock.now()) else None
    return {
        "paused": held is not None,
        "kind": held.kind if held else None,
        "reason": held.reason if held else None,
        "until": clock.iso_offset(held.until) if held and held.until is not None else None,
        "quiet_hours": state.hours_of_quiet() or None,
    }


def repair(place: Place) -> ExitCode:
    """Rebuild ``master_plan.md`` from the journal and keep the damaged file beside it."""
    session = open_session(place)
    kept = session.table.repair()
    record: Json = {"repaired": True, "kept": kept}
    answer(place, record, "master_plan.md was rebuilt from the journal" + (f"; the old file is {kept}" if kept else ""))
    return ExitCode.DONE
