"""What dead processes left behind: orphans are ended and put back, leases that are over end.

Nothing is adopted: the exit code of an orphan is gone with its supervisor, and so is the judgement of its work.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence

from orchestrator import clock
from orchestrator.dataclasses import replace
from orchestrator.events import EventType
from orchestrator.model import Executor, Status
from orchestrator.store import moves
from orchestrator.store.change import spent_until_now
from orchestrator.store.state import State, TaskRecord
from orchestrator.store.store import Store
from orchestrator.system import files
from orchestrator.system.locks import is_held
from orchestrator.system.process_table import MARK_VARIABLE, is_same_process, living_values
from orchestrator.workers.live import SILENT_S, host, mark_of, read_live, remove_live

LOADING_LOOKS = 20
LOADING_S = 0.02
"""How often, and with what pause, a worker is looked for that may still be loading."""


def lost_tasks(store: Store) -> list[str]:
    """The running tasks whose supervisor is gone."""
    return [task for task in store.state.with_status(Status.RUNNING) if _is_lost(store, task)]


def over_leases(state: State, now: float) -> list[str]:
    """The tasks started by hand whose lease is over."""
    return [
        task
        for task in state.with_status(Status.RUNNING)
        if (until := state.records[task].lease_until) is not None and until <= now
    ]


def recover(store: Store) -> list[str]:
    """End orphans and put them back, and put back what was started by hand and not renewed; the tasks put back."""
    if not lost_tasks(store) and not over_leases(store.state, clock.now()):
        return []
    store.refresh()  # a worker that ended just now, with the process that looked after it, is on record by now
    lost = lost_tasks(store)
    over = over_leases(store.state, clock.now())
    put_back: list[str] = []
    for task in _with_processes(store, lost):
        _end_orphan(store, task)
    with store.change() as change:
        state = change.state
        for task in lost:
            record = state.records[task]
            if record.status is not Status.RUNNING or not _is_lost(store, task):
                continue
            number = record.attempt
            was_started = os.path.exists(store.paths.errors(task, number)) or read_live(store.paths, task) is not None
            change.record(
                EventType.WORKER_LOST,
                task,
                attempt=number,
                agent=state.agents[task],
                reason="the process that looked after it is gone",
            )
            cost = _cost_usd(store, task, record) if was_started else 0.0
            spent = replace(spent_until_now(change, task), cost_usd=cost)
            reason = "the process that looked after it was killed, or the machine was restarted"
            moves.put_back(change, task, reason, "supervisor_lost", spent, was_started=was_started)
            _clear(store, task, number)
            put_back.append(task)
        for task in over:
            if (until := state.records[task].lease_until) is not None and until <= change.now:
                held = spent_until_now(change, task)
                moves.put_back(change, task, "its lease is over", "lease", held)
                put_back.append(task)
    return put_back


def recover_and_tell(store: Store, tell: Callable[[str], None]) -> None:
    """``recover``, with a line to ``tell`` for each task that it concerned."""
    for task in recover(store):
        tell(f"{task}: its worker or lease was gone; it is {store.state.status(task)} now")


def end_strays(store: Store) -> None:
    """End what attempts left running that are over: the run that was about to see to it was killed just then.

    For the beginning of a run, as it looks at every process of this user, 2 to 10 ms.
    """
    begin = f"{store.state.id}/"
    marks = {mark for mark in living_values(MARK_VARIABLE) if mark.startswith(begin)}
    if not marks:
        return
    store.refresh()  # after the look: what was seen and has begun rightly is on record by now
    state = store.state
    marks -= {mark_of(state.id, task, state.records[task].attempt) for task in state.with_status(Status.RUNNING)}
    if marks:
        from orchestrator.system.processes import end_marked
        from orchestrator.workers.leftovers import GRACE_S

        for mark in sorted(marks):
            end_marked(mark, GRACE_S)


def end_attempt(store: Store, task: str) -> None:
    """End whatever runs for the attempt of ``task`` that is on record, wherever it was started on this machine."""
    record = store.state.records[task]
    if record.by == "hand":
        return
    from orchestrator.system.processes import end_marked, end_worker

    mark = mark_of(store.state.id, task, record.attempt)
    live = read_live(store.paths, task)
    if live is not None and live.attempt == record.attempt and live.host == host() and live.pid is not None:
        end_worker(live.pid, live.group, mark, started=live.started)
    end_marked(mark)


def _with_processes(store: Store, lost: Sequence[str]) -> list[str]:
    """Those of ``lost`` of whose attempt a process may live; one look at all processes serves them all."""
    marks = living_values(MARK_VARIABLE) if lost else set()
    return [task for task in lost if _may_live(store, task, marks)]


def _may_live(store: Store, task: str, marks: set[str]) -> bool:
    number = store.state.records[task].attempt
    if mark_of(store.state.id, task, number) in marks or is_held(store.paths.errors(task, number)):
        return True
    live = read_live(store.paths, task)  # where the environment of a process cannot be read
    return live is not None and live.pid is not None and live.host == host() and is_same_process(live.pid, live.started)


def _end_orphan(store: Store, task: str) -> None:
    """End what runs for the attempt of ``task``, whose supervisor is dead.

    A worker that is just being loaded holds the lock of its attempt and does not show its mark yet: looked for again.
    """
    end_attempt(store, task)
    for _ in range(LOADING_LOOKS):
        if not is_held(store.paths.errors(task, store.state.records[task].attempt)):
            return
        time.sleep(LOADING_S)
        end_attempt(store, task)


def _is_lost(store: Store, task: str) -> bool:
    record = store.state.records[task]
    if record.supervisor is None:
        return False
    where, pid, started = record.supervisor
    if where != host():
        return _is_lost_elsewhere(store, task, record)
    return not is_same_process(int(pid), float(started) if started is not None else None)  # type: ignore[arg-type]


def _cost_usd(store: Store, task: str, record: TaskRecord) -> float:
    """What the attempt of an orphan cost: what was set aside for it, unless its output says more."""
    if record.executor != Executor.CLAUDE:
        return record.reserved_usd
    from orchestrator.executors.costs import least_cost_usd
    from orchestrator.executors.stream import read_stream

    stream = read_stream(files.read_bytes_or_none(store.paths.output(task, record.attempt)) or b"")
    cost = stream.cost_usd
    return max(record.reserved_usd, least_cost_usd(stream) if cost is None else cost)


def _clear(store: Store, task: str, number: int) -> None:
    """Take away what the attempt and the process that looked after it have left half-done."""
    remove_live(store.paths, task, number)
    files.remove(store.paths.inside("results", f".{task}.{number}.tmp"))
    for folder in (store.paths.folder, store.paths.store, store.paths.inside("agent_tasks")):
        files.remove_leftovers(folder)


def _is_lost_elsewhere(store: Store, task: str, record: TaskRecord) -> bool:
    """Whether an attempt of another machine is gone: nobody holds its lock, and it has said nothing for long.

    So it is when a container with another name goes on with the folder of one that is gone. Where locks do not reach
    from machine to machine, one that was only asleep notices when it wakes up that it is not asked any more.
    """
    live = read_live(store.paths, task)
    heard = live.last_heartbeat if live is not None and live.attempt == record.attempt else record.start
    if heard is not None and clock.now() - heard < SILENT_S:
        return False
    return not is_held(store.paths.errors(task, record.attempt))
