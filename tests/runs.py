"""Runs in memory: a plan and what was recorded of it, without a disk, a clock or a process."""

from __future__ import annotations

import json
from collections.abc import Sequence

from orchestrator import clock
from orchestrator.dataclasses import dataclass, field, replace
from orchestrator.events import Event, EventType
from orchestrator.ids import assigned_agents
from orchestrator.model import Json, Plan, Status, Task
from orchestrator.planrecords import plan_record, task_record
from orchestrator.store import moves, reducer
from orchestrator.store.journal_lines import fitted
from orchestrator.store.schedule import open_stage
from orchestrator.store.snapshot import state_from_record, state_record
from orchestrator.store.state import State

MORNING = clock.parse_utc("2026-11-21T08:00:00Z")


@dataclass
class Run:
    """A ``Change`` that never ends: what it records counts at once, and `events` can be replayed."""

    state: State = field(default_factory=State)
    now: float = MORNING
    events: list[Event] = field(default_factory=list)
    payloads: dict[str, dict[str, Json]] = field(default_factory=dict)

    def record(self, type: EventType, task: str | None = None, **fields: Json) -> None:
        event: Event = {"timestamp": clock.utc_text(self.now), "type": str(type), "orchestration_id": self.state.id}
        if task is not None:
            event["task"] = task
        event.update({key: value for key, value in fields.items() if value is not None})
        event = fitted(event)
        reducer.apply(self.state, event, self.payload)
        self.events.append(event)

    def payload(self, event: Event) -> dict[str, Json] | None:
        return self.payloads.get(str(event.get("payload")))

    def change_plan(self, tasks: Sequence[Task], plan: Plan | None = None, by: str = "edit") -> None:
        """Take ``tasks`` over, new ones and others, as a version of plan.yaml would."""
        known = [*self.state.tasks.values()]
        everyone = {task.id: task for task in (*known, *tasks)}
        agents: dict[str, Json] = {**assigned_agents([*everyone.values()], self.state.agents)}
        name = f"plan-{len(self.payloads)}.json"
        self.payloads[name] = {
            "plan": plan_record(plan or self.state.plan),
            "tasks": {task.id: task_record(task) for task in tasks},
            "agents": agents,
            "said": {},
            "meant": {},
        }
        self.record(EventType.PLAN_CHANGED, payload=name, source="…", added=len(tasks), changed=0, by=by)

    def start(self, *tasks: str) -> None:
        """Begin attempts by hand."""
        moves.start_by_hand(self, tasks)

    def complete(self, *tasks: str) -> None:
        """Complete tasks, each started first where it must be."""
        for task in tasks:
            if self.state.status(task) is not Status.RUNNING:
                self.start(task)
            moves.complete(self, task, result=f"results/{task}.md", hash="sha256:0", spent=moves.Spent(duration_s=1.0))

    def fail(self, task: str, reason: str = "broken", **how: bool) -> Status:
        """Let an attempt fail, started first where it must be."""
        if self.state.status(task) is not Status.RUNNING:
            self.start(task)
        return moves.fail(self, task, moves.Failure(reason, **how), moves.Spent(), delay_s=5.0)

    def give_up(self, task: str, reason: str = "broken") -> Status:
        """Let the last attempt of ``task`` fail."""
        return self.fail(task, reason, may_pass=False, gives_up=True)

    def statuses(self) -> dict[str, str]:
        """The status of every task."""
        return {task: str(self.state.status(task)) for task in self.state.tasks}

    def types(self) -> list[str]:
        """The types of what was recorded since the plan was taken over."""
        return [str(event["type"]) for event in self.events[2:]]


def run_of(*tasks: Task, **fields: object) -> Run:
    """A run of a plan with ``tasks`` in which nothing has happened."""
    run = Run()
    run.record(
        EventType.ORCHESTRATION_STARTED,
        orchestration_id="20261121-test",
        title="Test",
        subtasks=len(tasks),
        agents=len(tasks),
    )
    run.change_plan(tasks, replace(Plan(title="Test"), **fields), by="init")  # type: ignore[arg-type]
    return run


def replayed(run: Run) -> State:
    """The state that the events of ``run`` add up to, from the beginning."""
    state = State()
    for event in run.events:
        reducer.apply(state, json.loads(json.dumps(event)), run.payload)
    return state


def reread(state: State) -> State:
    """``state`` written as a snapshot and read again, everything that is derived worked out anew."""
    return state_from_record(json.loads(json.dumps(state_record(state))))


def facts(state: State, now: float) -> dict[str, object]:
    """Everything that a state answers."""
    return {
        "recorded": state_record(state),
        "statuses": {task: state.status(task) for task in state.tasks},
        "counts": state.counts,
        "members": {status: state.with_status(status) for status in Status},
        "ready": list(state.ready()),
        "stages": {task: state.stage(task) for task in state.tasks},
        "current_stage": (state.current_stage, state.stages, open_stage(state)),
        "stages done": [state.is_stage_done(stage) for stage in range(1, state.stages + 1)],
        "approvals": state.awaiting_approval(),
        "stopped_by": state.stopped_by(),
        "run": state.run_state(now),
        "percent": state.progress_percent,
        "due": state.due(now),
    }
