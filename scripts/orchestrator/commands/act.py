"""Commands that move tasks: ``start``, ``complete``, ``fail``, ``retry``, ``skip``; and those that hold or free a run.

Whoever takes a running task from its worker ends the worker under the lock of the state: else its supervisor would
record the end of the worker first, and the task might begin anew in between.
"""

from __future__ import annotations

import os
import random
from collections.abc import Sequence

from orchestrator import clock
from orchestrator.commands.answers import answer_moved, answer_tasks, started_text
from orchestrator.commands.given_result import given_result
from orchestrator.commands.session import Place, Session, answer, known_tasks, open_session, user
from orchestrator.commands.splitting import leave_proposals
from orchestrator.errors import ExitCode, InvalidInputError, MoveRefusedError, Problem, UsageError
from orchestrator.events import EventType
from orchestrator.executors.claude_argv import worker_environment
from orchestrator.executors.limits import backoff_s
from orchestrator.launchers.neighbours import Neighbours
from orchestrator.model import DEFAULT_SCALE, Executor, Json, Status
from orchestrator.render.form import AgentForm, agent_box
from orchestrator.store import moves
from orchestrator.store.change import Failure, spent_until_now
from orchestrator.store.schedule import Elsewhere, Holdings
from orchestrator.store.state import State
from orchestrator.store.trust import require_trust, verifies
from orchestrator.system import files
from orchestrator.system.file_steps import failure
from orchestrator.workers import checks, hand_over
from orchestrator.workers.assignments import refresh_assignments
from orchestrator.workers.recovery import end_attempt


def start(place: Place, tasks: Sequence[str], *, is_renewal: bool = False, is_ascii: bool = False) -> ExitCode:
    """Begin tasks by hand; each holds until it is completed, failed or skipped, or its lease ends."""
    session = open_session(place)
    names = known_tasks(session, tasks)
    neighbours = Neighbours(place.paths)
    with neighbours.deciding(session.store.state), session.store.change() as change:
        if is_renewal:
            for task in names:
                moves.renew(change, task)
        else:
            _refuse_clash(change.state, names, neighbours.elsewhere(change.state))
            moves.start_by_hand(change, names)
    session.show()
    answer_tasks(session, names, "" if place.as_json else started_text(session, names, is_ascii=is_ascii))
    return ExitCode.DONE


def _refuse_clash(state: State, tasks: Sequence[str], elsewhere: Elsewhere) -> None:
    """Raise where a task wants what a task of another run of the same desk holds."""
    holdings = Holdings(elsewhere.tasks)
    for task in tasks:
        if clash := holdings.clash(state.tasks[task]):
            raise MoveRefusedError(
                f"{task} cannot run beside {clash[0]} of another run: both want {clash[1]}",
                f"wait until {clash[0]} has ended",
            )


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
        was = change.state.pause
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
    held = session.store.state.pause
    return {
        "paused": held is not None,
        "kind": held.kind if held else None,
        "reason": held.reason if held else None,
        "until": clock.iso_offset(held.until) if held and held.until is not None else None,
        "quiet_hours": session.store.state.hours_of_quiet() or None,
    }


def repair(place: Place) -> ExitCode:
    """Rebuild ``master_plan.md`` from the journal and keep the damaged file beside it."""
    session = open_session(place)
    kept = session.table.repair()
    record: Json = {"repaired": True, "kept": kept}
    answer(place, record, "master_plan.md was rebuilt from the journal" + (f"; the old file is {kept}" if kept else ""))
    return ExitCode.DONE
