"""What the journal adds up to: the plan as it now holds, and where each task and the run stand.

Only ``reducer.apply`` changes a state. Derived statuses (waiting, pending, blocked) are
kept up to date task by task: a change touches the dependants it concerns and nothing else, so that a
run of ten thousand tasks costs the same per event as one of ten.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator
from dataclasses import dataclass, field

from orchestrator import graph, ids
from orchestrator.model import Json, OnFailure, Plan, Priority, RunState, Status, Task

DONE = frozenset({Status.COMPLETED, Status.SKIPPED})
OBSTRUCTING = frozenset({Status.FAILED, Status.BLOCKED})


@dataclass(slots=True)
class TaskRecord:
    """What is recorded of one task; ``status`` is None while it is derived. Times are unix seconds."""

    status: Status | None = None
    attempt: int = 0
    failures: int = 0
    lost: int = 0
    retries: int = 0
    fallback: bool = False
    start: float | None = None
    end: float | None = None
    due: float | None = None
    reason: str = ""
    kind: str = ""
    by: str = ""
    executor: str = ""
    session_id: str | None = None
    supervisor: list[Json] | None = None
    lease_until: float | None = None
    reserved_usd: float = 0.0
    cost_usd: float = 0.0
    tokens: int = 0
    duration_s: float = 0.0
    result: str | None = None
    hash: str | None = None
    approved: bool = False


@dataclass(slots=True)
class Pause:
    """Why nothing new is started, and until when (unix seconds; None is until somebody resumes)."""

    kind: str
    reason: str
    until: float | None = None

    def holds(self, now: float) -> bool:
        """Whether the pause still stands at ``now``."""
        return self.until is None or now < self.until


@dataclass
class State:
    """The whole run at one position of the journal."""

    id: str = ""
    rev: int = 0
    plan: Plan = field(default_factory=lambda: Plan(title=""))
    source: str = ""
    payloads: list[str] = field(default_factory=list)
    tasks: dict[str, Task] = field(default_factory=dict)
    agents: dict[str, str] = field(default_factory=dict)
    records: dict[str, TaskRecord] = field(default_factory=dict)
    pause: Pause | None = None
    merged: bool = False
    trusted: str = ""
    spent_usd: float = 0.0
    tokens: int = 0
    settled: int = 0
    limits: int = 0
    created: float | None = None
    started: float | None = None
    ended: float | None = None
    announced: str = ""
    batches_started: dict[int, float] = field(default_factory=dict)
    batches_completed: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.derive()

    # -- answers ---------------------------------------------------------------------------------

    def status(self, task: str) -> Status:
        """Where ``task`` stands: what is recorded, else what follows from its dependencies."""
        recorded = self.records[task].status
        if recorded is not None:
            return recorded
        if self._obstructed[task]:
            return Status.BLOCKED
        if self._unmet[task] or (self.tasks[task].approval and not self.records[task].approved):
            return Status.WAITING
        return Status.PENDING

    def stage(self, task: str) -> int:
        """The dependency level of ``task``, from 1; also the number of its batch."""
        return self._stage[task]

    @property
    def stages(self) -> int:
        """How many dependency levels the plan has."""
        return len(self._stage_open)

    @property
    def current_stage(self) -> int:
        """The lowest stage that is not complete; the last one when all are; 0 without tasks."""
        for stage in range(1, self.stages + 1):
            if self._stage_open[stage]:
                return stage
        return self.stages

    def stage_tasks(self, stage: int) -> list[str]:
        """The tasks of ``stage`` in the order of the plan."""
        return [task for task in self.tasks if self._stage[task] == stage]

    def is_stage_done(self, stage: int) -> bool:
        """Whether every task of ``stage`` is completed or skipped."""
        return not self._stage_open.get(stage)

    @property
    def open_stage(self) -> int:
        """The lowest stage in which something runs or may still start; the stage that ``--by-stage`` stays in."""
        active = (Status.RUNNING, Status.RETRYING, Status.PENDING)
        stages = [self._stage[task] for status in active for task in self._members[status]]
        return min([*stages, *(self._stage[task] for task in self.awaiting_approval())], default=0)

    def priority(self, task: str) -> Priority:
        """The priority that holds: the one given, else the derived one."""
        return self._priority[task]

    def dependants(self, task: str) -> list[str]:
        """The tasks that wait for ``task``."""
        return self._dependants[task]

    def start_key(self, task: str) -> tuple[object, ...]:
        """What puts ready tasks in the order to start them."""
        return self._order[task]

    @property
    def mean_cost_usd(self) -> float:
        """What an attempt that cost something has cost on average."""
        return self.spent_usd / self.settled if self.settled else 0.0

    def ready(self) -> Iterator[str]:
        """The pending tasks, the one to start first in front."""
        for _, task in self._pending:
            yield task

    @property
    def counts(self) -> dict[Status, int]:
        """How many tasks are in each of the eight states."""
        return {status: len(members) for status, members in self._members.items()}

    def count(self, status: Status) -> int:
        """How many tasks are ``status``."""
        return len(self._members[status])

    def with_status(self, *statuses: Status) -> list[str]:
        """The tasks in one of ``statuses``, in the order of the plan."""
        found = set().union(*(self._members[status] for status in statuses))
        return sorted(found, key=self._index.__getitem__)

    def awaiting_approval(self) -> list[str]:
        """The tasks that only a person's approval holds back."""
        return [
            name
            for name in self.with_status(Status.WAITING)
            if self.tasks[name].approval and not self.records[name].approved and not self._unmet[name]
        ]

    def blockers(self, task: str) -> list[str]:
        """The failed tasks that ``task`` waits for, directly or through others."""
        found: list[str] = []
        seen: set[str] = set()
        stack = [task]
        while stack:
            for dep in reversed(self.tasks[stack.pop()].dep_ids):
                if dep in seen:
                    continue
                seen.add(dep)
                if self.records[dep].status is Status.FAILED:
                    found.append(dep)
                elif self.status(dep) is Status.BLOCKED:
                    stack.append(dep)
        return sorted(found, key=ids.natural_key)

    def unmet(self, task: str) -> list[str]:
        """The dependencies of ``task`` that are neither completed nor skipped."""
        return [dep for dep in self.tasks[task].dep_ids if self.status(dep) not in DONE]

    def stopped_by(self) -> str | None:
        """The failed task whose ``fail-fast`` keeps everything else from starting."""
        return min(self._fail_fast, key=ids.natural_key) if self._fail_fast else None

    def is_paused(self, now: float) -> bool:
        """Whether a pause keeps new attempts from starting at ``now``."""
        return self.pause is not None and self.pause.holds(now)

    def run_state(self, now: float) -> RunState:
        """Where the run stands: the first state of design.md that fits."""
        counts = self.counts
        total = len(self.tasks)
        if not total:
            return RunState.PLANNING
        done = counts[Status.COMPLETED] + counts[Status.SKIPPED]
        if self.started is None and done < total and not counts[Status.FAILED]:
            return RunState.PLANNED
        startable = counts[Status.PENDING] if not self._fail_fast else 0
        if counts[Status.RUNNING] or counts[Status.RETRYING] or (startable and not self.is_paused(now)):
            return RunState.RUNNING
        if startable or (counts[Status.WAITING] and self.awaiting_approval()):
            return RunState.PAUSED
        if counts[Status.BLOCKED] or counts[Status.WAITING] or counts[Status.PENDING]:
            return RunState.BLOCKED
        return RunState.FAILED if counts[Status.FAILED] else RunState.COMPLETED

    @property
    def progress_percent(self) -> int:
        """Completed and skipped tasks of all, in whole percent, rounded down."""
        done = self.count(Status.COMPLETED) + self.count(Status.SKIPPED)
        return done * 100 // len(self.tasks) if self.tasks else 0

    @property
    def reserved_usd(self) -> float:
        """Money set aside for the attempts under way."""
        return sum(self.records[task].reserved_usd for task in self._members[Status.RUNNING])

    # -- changes ---------------------------------------------------------------------------------

    def set_status(self, task: str, recorded: Status | None) -> None:
        """Record a status (None: it is derived from now on) and carry the change on."""
        before = self.status(task)
        self.records[task].status = recorded
        if recorded is Status.FAILED and self.tasks[task].failure_strategy is OnFailure.FAIL_FAST:
            self._fail_fast.add(task)
        else:
            self._fail_fast.discard(task)
        self.note_change(task, before)

    def note_change(self, task: str, before: Status) -> None:
        """Count what changed since ``before`` and carry it on to the tasks that depend on ``task``."""
        changed = [(task, before, self._moved(task, before))]
        while changed:
            name, old, new = changed.pop()
            met = (new in DONE) - (old in DONE)
            obstructed = (new in OBSTRUCTING) - (old in OBSTRUCTING)
            if not met and not obstructed:
                continue
            for dependant in self._dependants[name]:
                seen = self.status(dependant)
                self._unmet[dependant] -= met
                self._obstructed[dependant] += obstructed
                changed.append((dependant, seen, self._moved(dependant, seen)))

    def _moved(self, task: str, old: Status) -> Status:
        """The status of ``task`` now, counted instead of ``old``."""
        new = self.status(task)
        if new is not old:
            self._count(task, old, -1)
            self._count(task, new, 1)
        return new

    def _count(self, task: str, status: Status, by: int) -> None:
        if by > 0:
            self._members[status].add(task)
        else:
            self._members[status].discard(task)
        if status not in DONE:
            self._stage_open[self._stage[task]] += by
        if status is Status.PENDING:
            entry = (self._order[task], task)
            if by > 0:
                insort(self._pending, entry)
            else:
                del self._pending[bisect_left(self._pending, entry)]

    def derive(self) -> None:
        """Work out everything that follows from the plan and the records."""
        tasks = list(self.tasks.values())
        deps = graph.dependencies(tasks)
        self._stage = graph.stages(deps)
        self._dependants = graph.dependants(deps)
        self._priority = ids.priorities(tasks)
        self._order = ids.start_keys(tasks)
        self._unmet = dict.fromkeys(deps, 0)
        self._obstructed = dict.fromkeys(deps, 0)
        self._fail_fast = {
            name
            for name, record in self.records.items()
            if record.status is Status.FAILED and self.tasks[name].failure_strategy is OnFailure.FAIL_FAST
        }
        statuses: dict[str, Status] = {}
        for name in graph.order(deps):
            for dep in deps[name]:
                self._unmet[name] += statuses[dep] not in DONE
                self._obstructed[name] += statuses[dep] in OBSTRUCTING
            statuses[name] = self.status(name)
        self._index = {name: index for index, name in enumerate(deps)}
        self._members: dict[Status, set[str]] = {status: set() for status in Status}
        self._stage_open = dict.fromkeys(range(1, max(self._stage.values(), default=0) + 1), 0)
        for name, status in statuses.items():
            self._members[status].add(name)
            self._stage_open[self._stage[name]] += status not in DONE
        self._pending = sorted((self._order[name], name) for name in deps if statuses[name] is Status.PENDING)
