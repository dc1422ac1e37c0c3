"""``queue run``: the desk at work, until nothing more can be taken, or with ``--watch`` until it is stopped."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence

from orchestrator import clock
from orchestrator.commands.interrupts import interrupts
from orchestrator.commands.launch import own_words
from orchestrator.commands.plan_sources import Wish
from orchestrator.commands.session import Place, answer, tell
from orchestrator.desk.queuefolder import QueueFolder
from orchestrator.desk.requestfile import Request, RequestStatus
from orchestrator.errors import CannotGoOnError, ExitCode, InvalidInputError
from orchestrator.launchers.desk import Desk
from orchestrator.launchers.neighbours import SettingsFile
from orchestrator.model import DEFAULT_JOBS, Executor, Json, Plan
from orchestrator.paths import DeskPaths
from orchestrator.system import files
from orchestrator.system.file_steps import PRIVATE_FILE
from orchestrator.system.locks import holder
from orchestrator.system.process_table import MARK_VARIABLE
from orchestrator.workers.executions import execution_of
from orchestrator.workers.options import Wishes
from orchestrator.workers.orchestrations import orchestrations

_UNWELL = frozenset({RequestStatus.FAILED, RequestStatus.BLOCKED})


def run_queue(place: Place, wishes: Wishes, wish: Wish, *, is_watching: bool) -> ExitCode:
    """Take requests and work on them.

    Without ``is_watching``: 0 everything taken is completed, 1 something failed or is blocked, 4 something waits for
    money, a login, an approval or the end of a pause. A second desk refuses (3). Interrupted: 130, and everything that
    was under way is on the queue again.
    """
    desk = DeskPaths.of(place.paths)
    settings = SettingsFile(desk.settings, lambda line: None)
    settings.settings()
    if settings.problems:
        raise InvalidInputError("desk.yaml is refused", "mend what is named", settings.problems)
    options = wishes.options(Plan(title=""))
    execution_of(options).prepare()
    queue = QueueFolder(desk, tell)
    lock = queue.watch_lock()
    if not lock.try_acquire():
        other = holder(desk.watch_lock)
        raise CannotGoOnError(
            "another queue run is active on this queue" + (f": {other.text()}" if other else ""),
            "add requests, that one takes them; or end it with Ctrl-C where it runs",
        )
    try:
        files.make_private_folder(desk.runs)
        files.make_private_folder(os.path.dirname(desk.log("x")))
        command = [*own_words(), "queue", "work", "--dir", desk.folder, *_words(wishes, wish, options.executor)]
        at_work = Desk(
            desk,
            queue,
            SettingsFile(desk.settings, tell),
            _starter(desk, command),
            _teller(place),
            lambda: _keep_current(desk),
            wishes.jobs or DEFAULT_JOBS,
        )
        with interrupts(at_work.interrupted):
            tell("Watching the queue; Ctrl-C stops." if is_watching else "Working through the queue.")
            at_work.run(until_empty=not is_watching)
        _keep_current(desk)
    finally:
        lock.release()
    return _told(place, queue, at_work.seen, at_work.interrupted)


def _words(wishes: Wishes, wish: Wish, executor: Executor) -> list[str]:
    """The options as the process of a request gets them."""
    words: list[str] = ["--executor", str(executor)]
    for option, value in (
        ("--jobs", wishes.jobs),
        ("--command", wishes.command),
        ("--claude", wishes.claude),
        ("--scale", wishes.scale),
        ("--health-interval", wishes.health_interval),
        ("--model", wish.model),
        ("--budget-usd", wish.budget_usd),
    ):
        words += [option, str(value)] if value is not None else []
    return [*words, "--by-stage" if wishes.by_stage else "", "--auto" if wish.is_auto else "--ai"]


def _starter(desk: DeskPaths, command: Sequence[str]) -> Callable[[Request], subprocess.Popen[bytes]]:
    words = [word for word in command if word]
    # A worker may start a desk of its own: what that takes is not part of the attempt.
    environment = {name: value for name, value in os.environ.items() if name != MARK_VARIABLE}

    def start(request: Request) -> subprocess.Popen[bytes]:
        with open(desk.log(request.id), "ab", opener=_private) as log:
            return subprocess.Popen(
                [*words, "--", request.id],
                cwd=desk.project,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is this process's to pass on, and its death is no reason to end
                close_fds=True,
            )

    return start


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0), PRIVATE_FILE)


def _teller(place: Place) -> Callable[[str], None]:
    """What the desk says: on stdout, or on stderr where stdout is for JSON."""
    stream = sys.stderr if place.as_json else sys.stdout

    def say(line: str) -> None:
        print(f"[{clock.local_time(clock.now())}] {line}", file=stream, flush=True)

    return say


def _keep_current(desk: DeskPaths) -> None:
    orchestrations(desk, tell)


def _told(place: Place, queue: QueueFolder, seen: Sequence[str], interrupted: threading.Event) -> ExitCode:
    requests = queue.scan()
    mine = [each for each in requests if each.id in seen]
    waiting = [each for each in requests if each.status is RequestStatus.PENDING]
    code = ExitCode.DONE
    if interrupted.is_set():
        code = ExitCode.INTERRUPTED
    elif waiting:
        code = ExitCode.STOPPED
    elif any(each.status in _UNWELL for each in mine):
        code = ExitCode.PROBLEMS
    record: Json = {
        "requests": [each.record() for each in mine],
        "waiting": [each.id for each in waiting],
        "exit_code": int(code),
    }
    answer(place, record, f"{len(mine)} requests worked on; {len(waiting)} waiting.")
    return code
