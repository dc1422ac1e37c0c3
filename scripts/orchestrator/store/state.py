"""What the journal adds up to: the plan as it now holds, and where each task and the run stand.

Only ``reducer.apply`` changes a state. Derived statuses (waiting, pending, blocked) are
kept up to date task by task: a change touches the dependants it concerns and nothing else, so that a
run of ten thousand tasks costs the same per event as one of ten.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Iterator

from orchestrator import graph, ids
from orchestrator.dataclasses import dataclass, field, replace
from orchestrator.model import OnFailure, Plan, Priority, RunState, Status, Task
from orchestrator.plans.subtasks import last_subtasks
from orchestrator.store.records import Judgement, LoopRecord, MainTask, Pause, Slowdown, TaskRecord

__all__ = ["DONE", "OBSTRUCTING", "Pause", "State", "TaskRecord"]

DONE = frozenset({Status.COMPLETED, Status.SKIPPED})
OBSTRUCTING = frozenset({Status.FAILED, Status.BLOCKED})


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
    slowdown: Slowdown | None = None
    quiet_hours: str | None = None
    awake_until: float = 0.0
    merged_hash: str | None = None
    """Digest of ``final_output.md`` as it was made from all results as now recorded; None where it was not."""
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
    judgements: dict[str, Judgement] = field(default_factory=dict)
    """By the digest of the criterion's text."""
    main_task: MainTask | None = None
    main_task_by: str = ""
    loop: LoopRecord = field(default_factory=LoopRecord)

    def __post_init__(self) -> None:
        self.derive()

    @property
    def whole_plan(self) -> Plan:
        """The plan with its tasks as they now hold; ``plan`` alone has none."""
        return replace(self.plan, tasks=tuple(self.tasks.values()))

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

    def is_stage_done(self, stage: int) -> bool:
        """Whether every task of ``stage`` is completed or skipped."""
        return not self._stage_open.get(stage)

    def priority(self, task: str) -> Priority:
        """The priority that holds: the one given, else the derived one."""
        return self._priority[task]

    def is_shared(self, task: str) -> bool:
        """Whether the files of ``task`` carry its id, because its agent has other tasks as well.

        What its first attempt was told holds: an agent that gets another task meanwhile writes where it was told to.
        """
        told = self.records[task].is_shared
        return self._agent_tasks[self.agents[task]] > 1 if told is None else told

    def dependants(self, task: str) -> list[str]:
        """The tasks that depend on ``task`` directly."""
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

    def focus_of(self, task: str) -> str:
        """The sentence that the loop gives ``task`` to mind; empty when it gives none."""
        main = self.main_task
        return main.focus or "" if main is not None and main.task == task else ""

    def awaiting_approval(self) -> list[str]:
        """The tasks that only a person's approval holds back, in the order of the plan."""
        held = [
            name
            for name in self._members[Status.WAITING]
            if self.tasks[name].approval and not self.records[name].approved and not self._unmet[name]
        ]
        return sorted(held, key=self._index.__getitem__)

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

    def hours_of_quiet(self) -> str:
        """The hours of the day in which nothing new is started: those set by hand, else the plan's; may be empty."""
        return self.plan.run.quiet_hours or "" if self.quiet_hours is None else self.quiet_hours

    def slots_at(self, slots: int, now: float) -> int:
        """How many of ``slots`` may be used at ``now``: fewer for a while after the API asked to slow down."""
        return self.slowdown.slots(slots, now) if self.slowdown else slots

    def is_paused(self, now: float) -> bool:
        """Whether a pause keeps new attempts from starting at ``now``."""
        return self.pause is not None and self.pause.holds(now)

    def run_state(self, now: float) -> RunState:
        """Where the run stands: the first state of design.md that fits.

        A retry that is due may start, so a pause holds it like a pending task. After ``fail-fast`` nothing may start.
        """
        counts = self.counts
        total = len(self.tasks)
        if not total:
            return RunState.PLANNING
        done = counts[Status.COMPLETED] + counts[Status.SKIPPED]
        if self.started is None and done < total and not counts[Status.FAILED]:
            return RunState.PLANNED
        is_stopped = bool(self._fail_fast)
        due = 0 if is_stopped else len(self.due(now))
        later = 0 if is_stopped else counts[Status.RETRYING] - due
        startable = 0 if is_stopped else counts[Status.PENDING] + due
        if counts[Status.RUNNING] or later or (startable and not self.is_paused(now)):
            return RunState.RUNNING
        if startable or (not is_stopped and self.awaiting_approval()):
            return RunState.PAUSED
        if done + counts[Status.FAILED] < total:
            return RunState.BLOCKED
        return RunState.FAILED if counts[Status.FAILED] else RunState.COMPLETED

    def due(self, now: float) -> list[str]:
        """The tasks that wait to retry and whose time has come, in the order of the plan."""
        if not self._members[Status.RETRYING]:
            return []
        return [task for task in self.with_status(Status.RETRYING) if self.records[task].is_due(now)]

    @property
    def progress_percent(self) -> int:
        """Completed and skipped tasks of all, in whole percent, rounded down."""
        done = self.count(Status.COMPLETED) + self.count(Status.SKIPPED)
        return done * 100 // len(self.tasks) if self.tasks else 0

    @property
    def reserved_usd(self) -> float:
        """Money set aside for the attempts under way."""
        return sum(self.records[task].reserved_usd for task in self._members[Status.RUNNING])

    @property
    def budget_left_usd(self) -> float | None:
        """What the budget of the run leaves beside what is spent and set aside; None where there is no budget."""
        budget = self.plan.budget_usd
        return None if budget is None else budget - self.spent_usd - self.reserved_usd

    # -- changes ---------------------------------------------------------------------------------

    def set_status(self, task: str, recorded: Status | None) -> None:
        """Record a status (None: it is derived from now on) and carry the change on."""
        before = self.status(task)
        self.records[task].status = recorded
        if recorded is Status.FAILED and self.tasks[task].failure_strategy is OnFailure.FAIL_FAST:
            self._fail_fast.add(task)
        else:
            self._fail_fast.discard(task)
        if recorded not in DONE:
            self.batches_completed.discard(self._stage[task])
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
        deps = {task.id: tuple(dict.fromkeys(task.dep_ids)) for task in tasks}
        self._index = {name: index for index, name in enumerate(deps)}
        self._stage = graph.stages(deps)
        self._dependants = graph.dependants(deps)
        self.last_subtasks = last_subtasks(self.tasks)
        self._agent_tasks = Counter(self.agents.values())
        self._priority = ids.priorities(tasks)
        self._order = ids.start_keys(tasks)
        self._fail_fast = {
            name
            for name, record in self.records.items()
            if record.status is Status.FAILED and self.tasks[name].failure_strategy is OnFailure.FAIL_FAST
        }
        self._unmet = dict.fromkeys(deps, 0)
        self._obstructed = dict.fromkeys(deps, 0)
        self._members: dict[Status, set[str]] = {status: set() for status in Status}
        self._stage_open = dict.fromkeys(range(1, max(self._stage.values(), default=0) + 1), 0)
        # Stage by stage, so that what a task depends on is settled before it.
        for name in sorted(deps, key=self._stage.__getitem__):
            status = self.status(name)
            self._members[status].add(name)
            if status in DONE:
                continue
            self._stage_open[self._stage[name]] += 1
            for dependant in self._dependants[name]:
                self._unmet[dependant] += 1
                self._obstructed[dependant] += status in OBSTRUCTING
        self._pending = sorted((self._order[name], name) for name in self._members[Status.PENDING])
        self.batches_completed &= {stage for stage, left in self._stage_open.items() if not left}
