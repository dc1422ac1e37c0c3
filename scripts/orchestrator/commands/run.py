"""Phase 3 with the built-in launcher: ``prompt`` and ``run``."""

from __future__ import annotations

import os
import subprocess
import sys
import time

from orchestrator import clock
from orchestrator.commands.interrupts import interrupts
from orchestrator.commands.progress import agent_lines, closing_line, progress
from orchestrator.commands.run_trust import require_run_trust
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
from orchestrator.commands.splitting import Splitting
from orchestrator.commands.view import SessionView
from orchestrator.errors import CannotGoOnError, ExitCode
from orchestrator.launchers.builtin import Runner
from orchestrator.launchers.course import hold_run_lock
from orchestrator.model import Json, Status
from orchestrator.render.prompt import Audience
from orchestrator.render.status import run_record
from orchestrator.system import files
from orchestrator.system.locks import holder
from orchestrator.system.process_table import MARK_VARIABLE
from orchestrator.workers import hand_over
from orchestrator.workers.executions import execution_of
from orchestrator.workers.integrity import is_merged
from orchestrator.workers.options import Wishes

DETACH_PATIENCE_S = 20.0
"""How long a detached run may take until it holds its lock, past everything that can end it at once."""
DETACH_LOOK_S = 0.05


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


def run(place: Place, wishes: Wishes, *, is_detached: bool = False) -> ExitCode:
    """Run the plan to its end with the built-in launcher."""
    session = open_session(place)
    store = session.store
    options = wishes.options(store.state.plan)
    require_run_trust(store, options)
    if not store.state.tasks:
        raise CannotGoOnError("the plan has no tasks yet", "`orchestrate add NAME --description TEXT`")
    execution = execution_of(options)
    lock = hold_run_lock(store)
    try:
        execution.prepare()
        if is_detached:  # what would end it at once is known by now
            lock.release()
            return _detached(session)
        with progress(store) as reporter:
            runner = Runner(store, options, execution, reporter, SessionView(session, Splitting(place, options)))
            with interrupts(runner.interrupted):
                code = runner.run()
    finally:
        lock.release()
    session.show()
    lines = agent_lines(store)
    record: Json = {
        "run": run_record(store.state, clock.now(), is_merged=is_merged(store)),
        "exit_code": int(code),
        "agents": list(lines),
    }
    answer(place, record, "\n".join([*lines, closing_line(store, code)]))
    return code


def _code_unless_begun(started: subprocess.Popen[bytes], lock: str) -> int | None:
    """The exit code of a detached run that ended at once; None as soon as it holds the lock of the run."""
    begun, give_up = clock.now() - 0.01, time.monotonic() + DETACH_PATIENCE_S  # what the lock says is rounded
    while (code := started.poll()) is None and time.monotonic() < give_up:
        other = holder(lock)
        if other is not None and other.started >= begun:
            break
        time.sleep(DETACH_LOOK_S)
    return code


def _detached(session: Session) -> ExitCode:
    """Start the same command again in a session of its own, and answer with the run's id and the log."""
    from orchestrator.commands.launch import own_words

    place = session.place
    files.make_private_folder(place.paths.inside("logs"))
    stamp = clock.utc_text(clock.now()).replace(":", "").replace("-", "")[:15]
    log = place.paths.inside("logs", f"run-{stamp}.log")
    words = [word for word in sys.argv[1:] if word not in ("--detach", "--json")]
    # A worker may start a run of its own: that one is not part of the attempt, and outlives it.
    environment = {name: value for name, value in os.environ.items() if name != MARK_VARIABLE}
    with os.fdopen(files.open_output(log), "wb") as output:
        started = subprocess.Popen(
            [*own_words(), *words],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
            close_fds=True,
        )
    code = _code_unless_begun(started, place.paths.run_lock)
    if code not in (None, 0):
        said = (files.read_bytes_or_none(log) or b"").decode("utf-8", "replace").strip()
        raise CannotGoOnError(f"the run ended at once with exit code {code}: {said}", "mend the cause and run again")
    record: Json = {"id": session.store.state.id, "pid": started.pid, "log": log}
    answer(place, record, f"Run {session.store.state.id} goes on as process {started.pid}.\nLog: {log}")
    return ExitCode.DONE
