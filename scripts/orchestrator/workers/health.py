"""How the workers of a run are: gone, silent, without progress, or slower than was estimated.

Judged from the records alone, so that any process can ask: the journal, ``workers/T-01.json``, the output files.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from enum import StrEnum

from orchestrator import clock
from orchestrator.dataclasses import dataclass
from orchestrator.durations import duration_text
from orchestrator.model import Json, RunState, Status, Task
from orchestrator.paths import RunPaths
from orchestrator.plans.globs import covers
from orchestrator.store.records import TaskRecord
from orchestrator.store.state import State
from orchestrator.store.store import Store
from orchestrator.workers.live import SILENT_S, Live, host, read_live
from orchestrator.workers.recovery import lost_tasks

ZOMBIE_S = 1200.0
"""A worker that has brought nothing forth for so long makes no progress."""
SLOW_FACTOR = 1.5
SLOW_LEAST_S = 60.0
"""A task is slow when it takes so many times the upper end of its estimate, and so much longer at least."""
MOST_LOOKED_AT = 5000
"""Files of a project that are looked at for a task that writes; more would cost more than it tells."""


class Health(StrEnum):
    """How a worker is, worst last."""

    HEALTHY = "healthy"
    SLOW = "slow"
    ZOMBIE = "zombie"
    SILENT = "silent"
    DEAD = "dead"


ALARMING = frozenset({Health.ZOMBIE, Health.SILENT, Health.DEAD})
_RANK = {health: number for number, health in enumerate(Health)}


@dataclass(frozen=True, slots=True)
class Signs:
    """What is known of one attempt under way. Times are seconds before now; None: not known, or does not apply."""

    running_s: float
    is_lost: bool = False
    is_by_hand: bool = False
    unheard_s: float | None = None
    idle_s: float | None = None
    estimate_s: float | None = None


@dataclass(frozen=True, slots=True)
class Vitals:
    """The health of the attempt of one task, why it is judged so, and what can be done."""

    task: str
    attempt: int
    agent: str
    health: Health
    signs: Signs
    where: str
    reason: str = ""
    advice: str = ""

    def record(self, done: str = "") -> dict[str, Json]:
        """The JSON form; ``done`` is what was done about it."""
        return {
            "task": self.task,
            "attempt": self.attempt,
            "agent": self.agent,
            "health": str(self.health),
            "where": self.where,
            "running_s": round(self.signs.running_s, 1),
            "unheard_s": None if self.signs.unheard_s is None else round(self.signs.unheard_s, 1),
            "idle_s": None if self.signs.idle_s is None else round(self.signs.idle_s, 1),
            "estimate_s": self.signs.estimate_s,
            "reason": self.reason or None,
            "done": done or None,
            "advice": self.advice or None,
        }


def health_of(signs: Signs) -> tuple[Health, str]:
    """The worst that ``signs`` show, and why."""
    if signs.is_lost:
        return Health.DEAD, "the process that looked after it is gone"
    if signs.unheard_s is not None and signs.unheard_s >= SILENT_S:
        return Health.SILENT, f"nothing was heard of its supervisor for {duration_text(signs.unheard_s)}"
    idle_s = signs.running_s if signs.is_by_hand else signs.idle_s
    if idle_s is not None and idle_s >= ZOMBIE_S:
        return Health.ZOMBIE, f"no progress for {duration_text(idle_s)}"
    estimate_s = signs.estimate_s
    if estimate_s is not None and signs.running_s >= max(SLOW_FACTOR * estimate_s, estimate_s + SLOW_LEAST_S):
        return Health.SLOW, f"it has run for {duration_text(signs.running_s)}, estimated {duration_text(estimate_s)}"
    return Health.HEALTHY, ""


def all_vitals(store: Store) -> list[Vitals]:
    """The health of every attempt under way, in the order of the plan."""
    lost = set(lost_tasks(store))
    return [_vitals(store, task, task in lost) for task in store.state.with_status(Status.RUNNING)]


def run_health(vitals: Sequence[Vitals], state: RunState) -> str:
    """One word for a whole run: blocked, else the health of its worst worker; silent ones count as dead."""
    if state in (RunState.BLOCKED, RunState.FAILED):
        return "blocked"
    worst = max((each.health for each in vitals), key=_RANK.__getitem__, default=Health.HEALTHY)
    return str(Health.DEAD if worst is Health.SILENT else worst)


class HealthWatch:
    """Looks after the health of a run's workers every ``interval_s`` seconds; what is new is told once."""

    def __init__(self, store: Store, interval_s: float, tell: Callable[[str], None]) -> None:
        self._store = store
        self._interval_s = interval_s
        self._tell = tell
        self._looked = time.monotonic()
        self._known: dict[str, tuple[int, Health]] = {}

    def look(self) -> None:
        """Look, if it is time."""
        if time.monotonic() - self._looked < self._interval_s:
            return
        self._looked = time.monotonic()
        found: dict[str, tuple[int, Health]] = {}
        for each in all_vitals(self._store):
            if each.health is Health.HEALTHY:
                continue
            found[each.task] = each.attempt, each.health
            if self._known.get(each.task) != found[each.task]:
                self._tell(f"{each.task} is {each.health}: {each.reason}; {each.advice}")
        self._known = found


def _vitals(store: Store, task: str, is_lost: bool) -> Vitals:
    state, paths = store.state, store.paths
    record = state.records[task]
    signs, where = _signs(state, paths, task, is_lost)
    health, reason = health_of(signs)
    advice = _advice(health, task, state.tasks[task], record, where) if health is not Health.HEALTHY else ""
    return Vitals(task, record.attempt, state.agents[task], health, signs, where, reason, advice)


def _signs(state: State, paths: RunPaths, task: str, is_lost: bool) -> tuple[Signs, str]:
    now, record, spec = clock.now(), state.records[task], state.tasks[task]
    running_s = max(0.0, now - (record.start if record.start is not None else now))
    estimate_s = spec.estimate.high_s if spec.estimate else None
    if record.by == "hand":
        return Signs(running_s, is_by_hand=True, estimate_s=estimate_s), "by hand"
    live = read_live(paths, task)
    if live is None or live.attempt != record.attempt:
        return Signs(running_s, is_lost, unheard_s=running_s, estimate_s=estimate_s), _where(record, None)
    idle_s = max(0.0, now - max(live.last_progress, _last_change(paths.project, spec)))
    unheard_s = max(0.0, now - live.last_heartbeat)
    return Signs(running_s, is_lost, False, unheard_s, idle_s, estimate_s), _where(record, live)


def _where(record: TaskRecord, live: Live | None) -> str:
    """The worker's process, or its supervisor's where nothing is known of it."""
    if live is not None and live.pid is not None:
        return f"pid {live.pid} on {live.host}"
    if live is not None:
        return f"on {live.host}"
    return f"supervisor pid {record.supervisor[1]} on {record.supervisor[0]}" if record.supervisor else "not known"


def _advice(health: Health, task: str, spec: Task, record: TaskRecord, where: str) -> str:
    if health is Health.DEAD:
        return "any command that changes something ends what is left of it and puts the task back"
    if health is Health.SILENT:
        is_here = record.supervisor is not None and record.supervisor[0] == host()
        end = f"kill {record.supervisor[1]}" if is_here and record.supervisor else "end it where it runs"
        return f"if it hangs: {end}; then `orchestrate health` puts the task back"
    if health is Health.ZOMBIE and record.by == "hand":
        until = f" at {clock.local_time(record.lease_until)}" if record.lease_until is not None else ""
        return f"it is put back when its lease ends{until}, or `orchestrate fail {task}`"
    if health is Health.ZOMBIE and spec.idle_timeout_s is not None:
        return "its idle timeout ends it"
    return f"it goes on until its timeout; `orchestrate fail {task}` ends it now"


def _last_change(project: str, spec: Task) -> float:
    """When a file that the task may write was last changed, in unix seconds; 0 when none was, or there are too many."""
    newest, looked_at = 0.0, 0
    for glob in spec.writes:
        fixed = glob.split("*", 1)[0].rpartition("/")[0]
        for folder, folders, names in os.walk(os.path.join(project, fixed)):
            folders[:] = [name for name in folders if not name.startswith(".") and name != "node_modules"]
            for name in names:
                looked_at += 1
                path = os.path.join(folder, name)
                if covers(glob, os.path.relpath(path, project).replace(os.sep, "/")):
                    newest = max(newest, _changed(path))
            if looked_at > MOST_LOOKED_AT:
                return newest
    return newest


def _changed(path: str) -> float:
    try:
        return os.lstat(path).st_mtime
    except OSError:
        return 0.0
