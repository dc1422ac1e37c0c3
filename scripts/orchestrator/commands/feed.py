"""``feed``: the scheduler of the launch scripts. It prints which task to start, and never starts one itself."""

from __future__ import annotations

import errno
import os
import select
import sys
import threading
from collections.abc import Callable

from orchestrator.commands.interrupts import interrupts
from orchestrator.commands.progress import closing_line, progress
from orchestrator.commands.run_trust import require_run_trust
from orchestrator.commands.session import Place, Session, open_session, tell
from orchestrator.commands.splitting import Splitting
from orchestrator.commands.view import SessionView
from orchestrator.errors import CannotGoOnError, ExitCode
from orchestrator.launchers.course import Reporter, hold_run_lock
from orchestrator.launchers.feed import Feeder
from orchestrator.system.locks import FileLock
from orchestrator.workers.executions import execution_of
from orchestrator.workers.options import RunOptions, Wishes

Feed = Callable[[Reporter, FileLock, threading.Event], ExitCode]
"""A feed that shows what it does, under the lock of the run, until it is over or the event is set."""


def feed(place: Place, wishes: Wishes, *, is_tied: bool = False) -> ExitCode:
    """Print one id a line the moment the task may start and a slot is free, until the run is over.

    ``is_tied`` ends the run, with its workers, when standard input ends: so does a launch script that was killed.
    """
    session, options = open_feed(place, wishes)

    def run(reporter: Reporter, lock: FileLock, interrupted: threading.Event) -> ExitCode:
        execution_of(options).prepare()
        view = SessionView(session, Splitting(session.place, options))
        return Feeder(session.store, options, reporter, view, lock, StandardOutput(), interrupted=interrupted).run()

    return conduct(session, run, is_tied=is_tied)


def feed_order(place: Place, wishes: Wishes) -> ExitCode:
    """Print the ids that are left in the order in which they would be given out, and start nothing."""
    from orchestrator.commands.session import read_session
    from orchestrator.launchers.course import expected_order

    session = read_session(place)
    options = wishes.options(session.store.state.plan)
    for task in expected_order(session.store.state, options.jobs):
        print(task)
    return ExitCode.DONE


def open_feed(place: Place, wishes: Wishes) -> tuple[Session, RunOptions]:
    """The run and how to run it; raises where nothing can be started."""
    session = open_session(place)
    options = wishes.options(session.store.state.plan)
    require_run_trust(session.store, options)
    if not session.store.state.tasks:
        raise CannotGoOnError("the plan has no tasks yet", "`orchestrate add NAME --description TEXT`")
    return session, options


def conduct(session: Session, run: Feed, *, is_tied: bool) -> ExitCode:
    """Hold the run's lock while ``run`` feeds, and say at the end what a person does next."""
    store = session.store
    interrupted = threading.Event()
    lock = hold_run_lock(store)
    try:
        with progress(store) as reporter, interrupts(interrupted):
            if is_tied:
                threading.Thread(target=_wait_for_end, args=(interrupted,), daemon=True).start()
            code = run(reporter, lock, interrupted)
    finally:
        lock.release()
    if code is not ExitCode.DONE:
        tell(closing_line(store, code, again="start the launch script again"))
    return code


class StandardOutput:
    """Standard output as the outlet of a feed."""

    def __init__(self) -> None:
        self._is_read = True
        self._poll = select.poll() if hasattr(select, "poll") else None
        if self._poll is not None:
            self._poll.register(sys.stdout.fileno(), 0)

    def write(self, line: str) -> None:
        """Print ``line`` at once."""
        try:
            os.write(sys.stdout.fileno(), f"{line}\n".encode())
        except OSError as error:
            if error.errno not in (errno.EPIPE, errno.EINVAL):  # the one of Windows
                raise
            self._is_read = False

    def is_read(self) -> bool:
        """Whether the other end of the pipe is open, as far as the system tells; a file or a terminal always is."""
        if self._is_read and self._poll is not None:
            gone = select.POLLERR | select.POLLNVAL
            self._is_read = not any(events & gone for _, events in self._poll.poll(0))
        return self._is_read


def _wait_for_end(interrupted: threading.Event) -> None:
    """Sleep until standard input ends; whatever is written there means nothing."""
    while os.read(sys.stdin.fileno(), 4096):
        pass
    interrupted.set()
