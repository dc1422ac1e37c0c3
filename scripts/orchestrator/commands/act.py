"""Commands that move tasks: ``start``, ``complete``, ``fail``, ``retry``, ``skip``, ``approve``, ``pause``, ``resume``, ``repair``."""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Sequence

from orchestrator import clock, files, moves
from orchestrator.commands.session import Place, Session, answer, known_tasks, open_session, tell
from orchestrator.commands.show import banner
from orchestrator.errors import CannotGoOnError, ExitCode, InvalidInputError, MoveRefusedError, Problem, UsageError
from orchestrator.events import EventType
from orchestrator.executors.claude_argv import worker_environment
from orchestrator.executors.limits import backoff_s
from orchestrator.model import DEFAULT_LEASE_S, Json, Status
from orchestrator.moves import Failure, Spent, Start
from orchestrator.render.form import AgentForm, agent_box
from orchestrator.render.status import task_record
from orchestrator.schedule import Holdings
from orchestrator.trust import require_trust, verifies
from orchestrator.workers import checks, hand_over
from orchestrator.workers.recovery import end_attempt

RESULT_LIMIT = 64 * 1024 * 1024


def start(place: Place, tasks: Sequence[str], *, is_renewal: bool = False, is_ascii: bool = False) -> ExitCode:
    """Begin tasks by hand; each holds until it is completed, failed or skipped, or its lease ends."""
    session = open_session(place)
    names = known_tasks(session, tasks)
    with session.store.change() as change:
        if is_renewal:
            for task in names:
                record = moves.require_running(change.state, task, None)
                if record.by != "hand":
                    raise MoveRefusedError(f"{task} was not started by hand: it has no lease", "only `start` gives one")
                lease = change.state.tasks[task].timeout_s or DEFAULT_LEASE_S
                change.record(EventType.TASK_RENEWED, task, attempt=record.attempt, lease_until=change.now + lease)
        else:
            holdings = Holdings([change.state.tasks[other] for other in change.state.with_status(Status.RUNNING)])
            for task in names:
                clash = holdings.clash(change.state.tasks[task])
                if clash:
                    raise MoveRefusedError(
                        f"{task} cannot run beside {clash[0]}: both want {clash[1]}", f"complete {clash[0]} first"
                    )
                holdings.add(change.state.tasks[task])
                lease = change.state.tasks[task].timeout_s or DEFAULT_LEASE_S
                moves.start(change, [task], Start("hand", "hand", lease_s=lease))
    session.show()
    state = session.store.state
    if place.as_json:
        _answer_tasks(session, names)
    else:
        forms = [
            AgentForm(
                state.agents[task], task, state.tasks[task].name, state.tasks[task].description, status=Status.RUNNING
            )
            for task in names
        ]
        for stage in sorted({state.stage(task) for task in names}):
            batch = [form for form in forms if state.stage(form.task) == stage]
            print(banner(session, [form.task for form in batch], is_ascii))
            print(agent_box(batch, is_ascii=is_ascii))
    return ExitCode.DONE


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
    record = moves.require_running(store.state, name, attempt)
    number = record.attempt
    target = hand_over.result_name(paths, store.state, name)
    text = _read_result(session, name, result, paths.inside(target))
    spec = store.state.tasks[name]
    require_trust(paths, store.state, verifies(name))
    problems = checks.all_problems(paths.project, spec, text, worker_environment(os.environ))
    if problems:
        raise InvalidInputError(
            f"{name} stays running: its result does not count yet",
            f"mend what is named, then run `orchestrate complete {name}` again",
            [Problem(problem, task=name) for problem in problems],
        )
    end_attempt(store, name)
    data = text.encode("utf-8", "replace")
    files.make_private_folder(paths.inside("results"))
    temp = paths.inside("results", f".{name}.{number}.tmp")
    with os.fdopen(files.open_output(temp), "wb") as file:
        file.write(data)
    with store.change() as change:
        record = moves.require_running(change.state, name, number)
        spent = Spent(duration_s=max(0.0, change.now - (record.start or change.now)))
        files.publish(temp, paths.inside(target))
        moves.complete(change, name, result=target, hash=files.digest(data), spent=spent, steps=steps, summary=summary)
    hand_over.refresh_dependants(paths, store.state, [name])
    session.show()
    if place.as_json:
        _answer_tasks(session, [name])
    else:
        done = store.state.records[name]
        form = AgentForm(
            store.state.agents[name],
            name,
            spec.name,
            spec.description,
            steps=steps,
            output=summary,
            saved_to=hand_over.shown_path(paths, target),
            duration_s=done.duration_s,
            status=Status.COMPLETED,
            reason=done.reason,
        )
        print(agent_box([form], is_ascii=is_ascii))
    return ExitCode.DONE


def _read_result(session: Session, task: str, source: str | None, target: str) -> str:
    """The text of a result: from ``source`` (a file, or ``-`` for stdin), else the result file in its place."""
    if source == "-":
        data: bytes | None = sys.stdin.buffer.read(RESULT_LIMIT + 1)
    else:
        path = os.path.abspath(source) if source else target
        if os.path.isdir(path):
            raise UsageError(f"{path} is a folder, expected a file with the result of {task}", "`--result FILE`")
        data = files.read_bytes_or_none(path)
        if data is None:
            raise CannotGoOnError(
                f"there is no result file {source or hand_over.shown_path(session.store.paths, os.path.basename(target))}",
                f"`orchestrate complete {task} --result FILE`, or `--result -` for stdin",
            )
    assert data is not None
    if len(data) > RESULT_LIMIT:
        raise UsageError(
            f"the result has more than {RESULT_LIMIT} bytes", "put it in a file and name it in a short result"
        )
    text = data.decode("utf-8", "replace").removeprefix("\ufeff")
    if "\ufffd" in text and b"\xef\xbf\xbd" not in data:
        tell(f"{task}: the result is not UTF-8; what could not be read stands as U+FFFD")
    return text


def fail(place: Place, task: str, *, reason: str, attempt: int | None = None, is_final: bool = False) -> ExitCode:
    """Record that a running task failed; what follows is decided by the plan, with ``is_final`` it is given up."""
    session = open_session(place)
    store = session.store
    name = known_tasks(session, [task])[0]
    number = moves.require_running(store.state, name, attempt).attempt
    end_attempt(store, name)
    with store.change() as change:
        record = moves.require_running(change.state, name, number)
        spent = Spent(duration_s=max(0.0, change.now - (record.start or change.now)))
        failure = Failure(reason, "by_hand", may_pass=not is_final, gives_up=is_final)
        scale = 1.0 if record.executor != "rehearse" else (change.state.plan.run.scale or 0.01)
        moves.fail(change, name, failure, spent, delay_s=backoff_s(record.failures + 1, random.random()) * scale)
    session.show()
    return _told(session, [name])


def retry(place: Place, tasks: Sequence[str]) -> ExitCode:
    """Open failed or skipped tasks again, with a new series of attempts."""
    session = open_session(place)
    names = known_tasks(session, tasks)
    with session.store.change() as change:
        for task in names:
            moves.reopen(change, task, "retried by hand")
    session.show()
    return _told(session, names)


def skip(place: Place, tasks: Sequence[str], *, reason: str = "") -> ExitCode:
    """Leave tasks out on purpose; dependants go on without them and are told."""
    session = open_session(place)
    store = session.store
    names = known_tasks(session, tasks)
    for task in names:
        if store.state.status(task) is Status.RUNNING:
            end_attempt(store, task)
    with store.change() as change:
        for task in names:
            moves.skip(change, task, reason or "skipped by hand")
    hand_over.refresh_dependants(store.paths, store.state, names)
    session.show()
    return _told(session, names)


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
                change.record(EventType.APPROVED, task, by=_user(), note=note or None)
    session.show()
    return _told(session, names)


def _user() -> str:
    import getpass

    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"


def pause(place: Place, *, reason: str = "", until: float | None = None, quiet_hours: str | None = None) -> ExitCode:
    """Start nothing new until ``resume``, or until a time; what runs goes on."""
    session = open_session(place)
    kind, words = "hand", reason or "paused by hand"
    if quiet_hours is not None:
        from orchestrator.executors.limits import QuietHours

        hours = QuietHours.parse(quiet_hours)
        kind, words = "quiet", f"quiet hours {quiet_hours}"
        until = hours.end(clock.now()) if hours.is_quiet(clock.now()) else None
        if until is None:
            answer(
                place,
                {"paused": False},
                f"It is not quiet now; the plan's run.quiet_hours keeps {quiet_hours} each day.",
            )
            return ExitCode.DONE
    with session.store.change() as change:
        change.record(EventType.PAUSED, kind=kind, reason=words, until=until)
    session.show()
    answer(place, _pause_record(session), f"Paused: {words}")
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
    }


def repair(place: Place) -> ExitCode:
    """Rebuild ``master_plan.md`` from the journal and keep the damaged file beside it."""
    session = open_session(place)
    kept = session.table.repair()
    record: Json = {"repaired": True, "kept": kept}
    answer(place, record, "master_plan.md was rebuilt from the journal" + (f"; the old file is {kept}" if kept else ""))
    return ExitCode.DONE


def _told(session: Session, tasks: Sequence[str]) -> ExitCode:
    """Answer with where ``tasks`` now stand."""
    if session.place.as_json:
        _answer_tasks(session, tasks)
        return ExitCode.DONE
    state = session.store.state
    for task in tasks:
        entry = task_record(state, task, clock.now())
        print(f"{task}: {entry['status']}" + (f" ({entry['reason']})" if entry["reason"] else ""))
    return ExitCode.DONE


def _answer_tasks(session: Session, tasks: Sequence[str]) -> None:
    state, now = session.store.state, clock.now()
    records: list[Json] = []
    for task in tasks:
        entry = task_record(state, task, now)
        entry["attempt"] = state.records[task].attempt
        records.append(entry)
    answer(session.place, {"tasks": records}, "")
