"""Phase 3: ``prompt``, ``run``, ``exec``."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from types import FrameType

from orchestrator import clock, files, moves
from orchestrator.commands.progress import agent_lines, progress
from orchestrator.commands.session import (
    Place,
    Session,
    answer,
    known_tasks,
    open_session,
    own_command,
    read_session,
    tell,
)
from orchestrator.errors import CannotGoOnError, ExitCode, MoveRefusedError
from orchestrator.launchers.builtin import Runner, hold_run_lock, perform
from orchestrator.model import Executor, Json, Status
from orchestrator.moves import Start
from orchestrator.render.prompt import Audience
from orchestrator.render.status import run_record, task_record
from orchestrator.trust import require_trust
from orchestrator.workers import hand_over, live
from orchestrator.workers.attempt import Attempt
from orchestrator.workers.executions import execution_of
from orchestrator.workers.options import RunOptions
from orchestrator.workers.supervisor import Supervisor

DETACH_WAIT_S = 10.0


def prompt(place: Place, task: str, *, audience: str = "subagent") -> ExitCode:
    """The whole prompt of a task, as a worker or a subagent gets it."""
    session = read_session(place)
    store = session.store
    name = known_tasks(session, [task])[0]
    record = store.state.records[name]
    attempt = record.attempt if record.status is Status.RUNNING else record.attempt + 1
    made = hand_over.task_prompt(
        store.paths, store.state, name, audience=Audience(audience), attempt=attempt, command=own_command()
    )
    for note in made.notes:
        tell(f"{name}: {note}")
    answer(
        place,
        {"task": name, "attempt": attempt, "prompt": made.text, "tokens": made.tokens, "notes": list(made.notes)},
        "",
    )
    if not place.as_json:
        sys.stdout.write(made.text if made.text.endswith("\n") else made.text + "\n")
    return ExitCode.DONE


def run(place: Place, options: RunOptions, *, is_detached: bool = False) -> ExitCode:
    """Run the plan to its end with the built-in launcher."""
    if is_detached:
        return _detached(place)
    session = open_session(place)
    store = session.store
    _require_trust(session, options)
    if not store.state.tasks:
        raise CannotGoOnError("the plan has no tasks yet", "`orchestrate add NAME --description TEXT`")
    execution = execution_of(options, store.paths.folder)
    execution.prepare()
    lock = hold_run_lock(store)
    try:
        with progress(store) as reporter:
            runner = Runner(store, options, execution, reporter, session.look_quietly, session.show, tell)
            with interrupts(runner.interrupted):
                code = runner.run()
    finally:
        lock.release()
    session.show()
    lines = agent_lines(store)
    record: Json = {"run": run_record(store.state, clock.now()), "exit_code": int(code), "agents": list(lines)}
    answer(place, record, "\n".join([*lines, *_closing(session, code)]))
    return code


def _closing(session: Session, code: ExitCode) -> list[str]:
    """What a person does next."""
    state = session.store.state
    now = clock.now()
    reason = run_record(state, now)["reason"]
    if code is ExitCode.DONE:
        return ["All tasks are done. Next: orchestrate check && orchestrate merge"]
    if code is ExitCode.STOPPED:
        return [f"Stopped for now: {reason or 'tasks are left'}. Next: orchestrate run, when the cause is gone"]
    if code is ExitCode.INTERRUPTED:
        return ["Interrupted: what was running was put back. Next: orchestrate run"]
    return [f"The run cannot go on: {reason}. Next: orchestrate retry ID, or orchestrate skip ID"]


def _require_trust(session: Session, options: RunOptions) -> None:
    """Refuse what would be started without trust; a command from the command line needs none."""
    uses_plan_command = options.executor is Executor.COMMAND and not options.is_command_given
    require_trust(
        session.store.paths,
        session.store.state,
        lambda part: uses_plan_command or not part.startswith("run.command: "),
    )


class interrupts:  # noqa: N801 (a context manager that reads as a word)
    """Ctrl-C, SIGTERM and a hang-up set ``flag`` instead of ending the process; the old ways come back at the end."""

    def __init__(self, flag: threading.Event) -> None:
        self._flag = flag
        self._old: dict[int, object] = {}

    def __enter__(self) -> None:
        for name in ("SIGINT", "SIGTERM", "SIGHUP"):
            number = getattr(signal, name, None)
            if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
                self._old[number] = signal.signal(number, self._set)

    def __exit__(self, *_: object) -> None:
        for number, old in self._old.items():
            signal.signal(number, old)  # type: ignore[arg-type]

    def _set(self, number: int, frame: FrameType | None) -> None:
        self._flag.set()


def _detached(place: Place) -> ExitCode:
    """Start the same command again in a session of its own, and answer with the run's id and the log."""
    session = open_session(place)
    files.make_private_folder(place.paths.inside("logs"))
    stamp = clock.utc_text(clock.now()).replace(":", "").replace("-", "")[:15]
    log = place.paths.inside("logs", f"run-{stamp}.log")
    words = [word for word in sys.argv[1:] if word not in ("--detach", "--json")]
    program = [sys.executable, os.path.abspath(sys.argv[0])] if sys.argv[0].endswith(".py") else [sys.argv[0]]
    with os.fdopen(files.open_output(log), "wb") as output:
        started = subprocess.Popen(
            [*program, *words],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            close_fds=True,
        )
    time.sleep(0.2)
    code = started.poll()
    if code not in (None, 0):
        said = (files.read_bytes_or_none(log) or b"").decode("utf-8", "replace").strip()
        raise CannotGoOnError(f"the run ended at once with exit code {code}: {said}", "mend the cause and run again")
    record: Json = {"id": session.store.state.id, "pid": started.pid, "log": log}
    answer(place, record, f"Run {session.store.state.id} goes on as process {started.pid}.\nLog: {log}")
    return ExitCode.DONE


def exec_task(place: Place, task: str, options: RunOptions) -> ExitCode:
    """Run one attempt of a task to its end: 0 done, 1 failed, 4 it will be tried again.

    A task that is running or done is left as it is, with 0; one that waits to retry ends with 4 until it is due.
    """
    session = open_session(place)
    store = session.store
    name = known_tasks(session, [task])[0]
    _require_trust(session, options)
    record = store.state.records[name]
    if store.state.status(name) in (Status.RUNNING, Status.COMPLETED, Status.SKIPPED):
        return _exec_answer(session, name, ExitCode.DONE)
    if record.status is Status.RETRYING and (record.due or 0.0) > clock.now():
        return _exec_answer(session, name, ExitCode.STOPPED)
    execution = execution_of(options, store.paths.folder)
    execution.prepare()
    flag = threading.Event()
    with Supervisor(store, options.grace_s, tell) as supervisor, interrupts(flag):
        watcher = threading.Thread(target=_end_on, args=(flag, supervisor), daemon=True)
        watcher.start()
        started = _start(session, name, options, execution)
        if started is None:
            return _exec_answer(session, name, ExitCode.DONE)
        perform(started, supervisor, flag)
    session.show()
    if store.state.status(name) in (Status.COMPLETED, Status.SKIPPED):
        hand_over.refresh_dependants(store.paths, store.state, [name])
    if flag.is_set():
        return ExitCode.INTERRUPTED
    status = store.state.status(name)
    if status in (Status.COMPLETED, Status.SKIPPED):
        return _exec_answer(session, name, ExitCode.DONE)
    code = ExitCode.PROBLEMS if status is Status.FAILED else ExitCode.STOPPED
    return _exec_answer(session, name, code)


def _end_on(flag: threading.Event, supervisor: Supervisor) -> None:
    from orchestrator.executors.execution import Cause

    flag.wait()
    supervisor.end_all(Cause.INTERRUPTED)


def _start(session: Session, task: str, options: RunOptions, execution: object) -> Attempt | None:
    """Put the start of an attempt on record; None when another process was faster."""
    from orchestrator.executors.execution import Execution
    from orchestrator.schedule import Holdings, Purse

    assert isinstance(execution, object)
    runs: Execution = execution  # type: ignore[assignment]
    store = session.store
    with store.change() as change:
        state = change.state
        if state.status(task) in (Status.RUNNING, Status.COMPLETED, Status.SKIPPED):
            return None
        record = state.records[task]
        clash = Holdings([state.tasks[other] for other in state.with_status(Status.RUNNING)]).clash(state.tasks[task])
        if clash:
            raise MoveRefusedError(
                f"{task} cannot run beside {clash[0]}: both want {clash[1]}", f"wait until {clash[0]} has ended"
            )
        before = record.reason if record.failures or record.kind == "check" else ""
        resumable = record.session_id if runs.can_resume(record.session_id) else None
        how = Start(
            by="exec",
            executor=str(options.executor),
            session_id=resumable or runs.new_session_id(),
            supervisor=live.supervisor_record(),  # type: ignore[arg-type]
            reserved_usd=Purse(state, options.jobs).reserve(state.tasks[task]) or 0.0,
        )
        number = moves.start(change, [task], how)[task]
    return Attempt(store, runs, task, number, options.delay_scale, failed_before=before)


def _exec_answer(session: Session, task: str, code: ExitCode) -> ExitCode:
    entry = task_record(session.store.state, task, clock.now())
    entry["exit_code"] = int(code)
    state = session.store.state
    answer(
        session.place,
        entry,
        f"[{state.agents[task]}] {task} {entry['status']}" + (f": {entry['reason']}" if entry["reason"] else ""),
    )
    return code
