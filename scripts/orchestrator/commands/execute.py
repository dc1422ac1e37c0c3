"""``exec``: one attempt of one task, from its start to its record. Started thousands of times, so it imports little."""

from __future__ import annotations

import threading
import time

from orchestrator import clock
from orchestrator.commands.interrupts import interrupts
from orchestrator.commands.place import Place, answer, tell
from orchestrator.commands.run_trust import require_run_trust
from orchestrator.errors import ExitCode, MoveRefusedError, StoppedError
from orchestrator.executors.execution import Cause, Execution
from orchestrator.launchers.neighbours import Neighbours
from orchestrator.model import Status
from orchestrator.store.moves import known
from orchestrator.store.schedule import Elsewhere, Holdings, Purse
from orchestrator.store.state import DONE
from orchestrator.store.store import Store, StoreChange
from orchestrator.system.locks import is_held
from orchestrator.workers.attempt import Attempt, open_attempts
from orchestrator.workers.executions import execution_of
from orchestrator.workers.options import RunOptions, Wishes
from orchestrator.workers.supervisor import Supervisor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from orchestrator.commands.session import Session

LEFT_ALONE = DONE | {Status.RUNNING}
TIE_S = 0.5
"""How often a tied ``exec`` looks whether its feed still lives: one open and one question to the kernel."""


def exec_task(place: Place, task: str, wishes: Wishes, *, is_fed: bool = False, is_tied: bool = False) -> ExitCode:
    """Run one attempt of a task to its end: 0 done, 1 failed, 4 put back or to be tried again, 130 interrupted.

    A task that is running or done is left as it is, with 0; one that waits to retry ends with 4 until it is due.
    ``is_fed`` says that ``feed`` gave the task out: then nothing starts once that feed has ended, and what else a
    command does for people (the table, orphans of others, their edits) is left to it. ``is_tied`` ends the attempt,
    and puts the task back, when that feed has ended: whatever started both may not be able to say so.
    """
    session = None if is_fed else _session(place)
    store = session.store if session else _fed_store(place)
    name = known(store.state, task).id
    options = wishes.options(store.state.plan)
    require_run_trust(store, options)
    execution = execution_of(options)
    interrupted = threading.Event()
    with Supervisor(store, options.grace_s) as supervisor, interrupts(interrupted):
        attempt = _opened(store, name, options, execution, is_fed)
        if attempt is not None:
            threading.Thread(target=_end_on, args=(interrupted, supervisor), daemon=True).start()
            if is_tied:
                threading.Thread(target=_wait_for_end, args=(store.paths.run_lock, interrupted), daemon=True).start()
            supervisor.perform(attempt)
    if session:
        _show(session, name)
    if interrupted.is_set():
        return ExitCode.INTERRUPTED
    return _told(place, store, name)


def _fed_store(place: Place) -> Store:
    from orchestrator.workers.announcing import announce_in

    store = Store.open(place.paths, tell)
    announce_in(store, tell)
    return store


def _session(place: Place) -> Session:
    """The run as a command of its own opens it: orphans put back, edits taken over."""
    from orchestrator.commands.session import open_session

    return open_session(place)


def _show(session: Session, task: str) -> None:
    """Bring the table and the files of the agents that wait for ``task`` up to date."""
    from orchestrator.commands.splitting import leave_proposals
    from orchestrator.workers.hand_over import refresh_dependants

    store = session.store
    leave_proposals(session)
    if store.state.status(task) in DONE:
        refresh_dependants(store.paths, store.state, [task])
    session.show()


def _opened(store: Store, task: str, options: RunOptions, execution: Execution, is_fed: bool) -> Attempt | None:
    """The attempt, its start on record; None where there is nothing to start.

    Raises what the exit code says: ``StoppedError`` for what holds the whole run, ``MoveRefusedError`` for the rest.
    """
    if not _may_begin(store, task, clock.now()):
        return None
    execution.prepare()
    neighbours = Neighbours(store.paths)
    with neighbours.deciding(store.state), store.change() as change:
        if not _may_begin(store, task, change.now):
            return None  # another process was faster
        if is_fed and not is_held(store.paths.run_lock):
            raise StoppedError("the feed that gave it out has ended", "start the launch script again")
        reserve = _reserve_usd(change, task, options, neighbours.elsewhere(store.state))
        return open_attempts(store, change, {task: reserve}, execution, options, "feed" if is_fed else "exec")[0]


def _may_begin(store: Store, task: str, now: float) -> bool:
    state = store.state
    if state.status(task) in LEFT_ALONE:
        return False
    record = state.records[task]
    return record.status is not Status.RETRYING or record.is_due(now)


def _reserve_usd(change: StoreChange, task: str, options: RunOptions, elsewhere: Elsewhere) -> float | None:
    """The money to set aside; raises when something else holds the task, or there is no money left for it."""
    state = change.state
    if state.pause is not None and state.pause.holds(change.now):
        raise StoppedError(f"the run is paused: {state.pause.reason}", "`orchestrate resume` ends a pause")
    if stopper := state.stopped_by():
        raise StoppedError(f"{stopper} (on_failure: fail-fast) has failed, nothing new starts", f"retry {stopper}")
    here = [state.tasks[other] for other in state.with_status(Status.RUNNING)]
    clash = Holdings([*here, *elsewhere.tasks]).clash(state.tasks[task])
    if clash:
        raise MoveRefusedError(
            f"{task} cannot run beside {clash[0]}: both want {clash[1]}", f"wait until {clash[0]} has ended"
        )
    if elsewhere.agents_left is not None and len(here) >= elsewhere.agents_left:
        raise StoppedError("the desk has as many agents as it may (max_agents)", "run the same command again later")
    purse = Purse(state, options.jobs, elsewhere.money_left_usd)
    reserve = purse.reserve(state.tasks[task])
    if reserve is not None and not purse.affords(reserve):
        raise StoppedError(
            f"{task} needs ${reserve:.4f}, more than what is left of the budget",
            "raise budget_usd in the plan, or in desk.yaml",
        )
    return reserve


def _end_on(interrupted: threading.Event, supervisor: Supervisor) -> None:
    interrupted.wait()
    supervisor.end_all(Cause.INTERRUPTED)


def _wait_for_end(run_lock: str, interrupted: threading.Event) -> None:
    """Sleep until nobody holds the lock of the run."""
    while is_held(run_lock):
        time.sleep(TIE_S)
    interrupted.set()


def _told(place: Place, store: Store, task: str) -> ExitCode:
    """Answer with where ``task`` now stands, and the exit code for that."""
    state = store.state
    status = state.status(task)
    code = ExitCode.PROBLEMS if status is Status.FAILED else ExitCode.STOPPED
    if status in LEFT_ALONE:
        code = ExitCode.DONE
    if place.as_json:
        from orchestrator.render.status import task_record

        answer(place, {**task_record(state, task, clock.now()), "exit_code": int(code)}, "")
    else:
        reason = state.records[task].reason
        print(f"[{state.agents[task]}] {task} {status}" + (f": {reason}" if reason else ""))
    return code
