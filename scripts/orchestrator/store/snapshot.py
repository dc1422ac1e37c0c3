"""The state as JSON: a cache of what the journal adds up to, so that a command need not read it all."""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator.dataclasses import asdict, fields
from orchestrator.model import Json, Status, Verdict
from orchestrator.planrecords import plan_from_record, plan_record, task_from_record, task_record
from orchestrator.store.records import Judgement, LoopRecord, LoopStatus, MainTask, Pause, Slowdown, TaskRecord
from orchestrator.store.state import State

_RECORD_DEFAULTS = {f.name: f.default for f in fields(TaskRecord)}


def state_record(state: State) -> dict[str, Json]:
    """``state`` as JSON for the snapshot; ``state_from_record`` reads it."""
    return {
        "id": state.id,
        "rev": state.rev,
        "plan": plan_record(state.plan),
        "source": state.source,
        "payloads": list(state.payloads),
        "tasks": [task_record(task) for task in state.tasks.values()],
        "agents": dict(state.agents),
        "records": {
            name: {
                key: value for key, default in _RECORD_DEFAULTS.items() if (value := getattr(record, key)) != default
            }
            for name, record in state.records.items()
        },
        "pause": [*asdict(state.pause).values()] if state.pause else None,
        "slowdown": [state.slowdown.level, state.slowdown.at] if state.slowdown else None,
        "quiet_hours": state.quiet_hours,
        "awake_until": state.awake_until,
        "merged_hash": state.merged_hash,
        "trusted": state.trusted,
        "spent_usd": state.spent_usd,
        "tokens": state.tokens,
        "settled": state.settled,
        "limits": state.limits,
        "created": state.created,
        "started": state.started,
        "ended": state.ended,
        "announced": state.announced,
        "batches_started": {str(stage): at for stage, at in state.batches_started.items()},
        "batches_completed": [*sorted(state.batches_completed)],
        "judgements": {name: asdict(judgement) for name, judgement in state.judgements.items()},
        "main_task": asdict(state.main_task) if state.main_task else None,
        "main_task_by": state.main_task_by,
        "loop": {**asdict(state.loop), "acts": list(state.loop.acts)},
    }


def state_from_record(record: Mapping[str, Json]) -> State:
    """The state that ``state_record`` wrote."""
    values: dict = dict(record)  # type: ignore[type-arg]
    tasks = [task_from_record(item) for item in values.pop("tasks")]
    records = {
        name: TaskRecord(**{**item, "status": Status(item["status"]) if item.get("status") else None})
        for name, item in values.pop("records").items()
    }
    pause, slowdown = values.pop("pause"), values.pop("slowdown", None)
    judgements = {
        name: Judgement(**{**item, "verdict": Verdict(item["verdict"])})
        for name, item in values.pop("judgements", {}).items()
    }
    main, loop = values.pop("main_task", None), values.pop("loop", {})
    started = {int(stage): at for stage, at in values.pop("batches_started").items()}
    return State(
        tasks={task.id: task for task in tasks},
        records=records,
        plan=plan_from_record(values.pop("plan")),
        pause=Pause(*pause) if pause else None,
        slowdown=Slowdown(*slowdown) if slowdown else None,
        main_task=MainTask(**{**main, "status": LoopStatus(main["status"])}) if main else None,
        loop=LoopRecord(**{**loop, "acts": tuple(loop.get("acts", ()))}),
        batches_started=started,
        batches_completed=set(values.pop("batches_completed")),
        judgements=judgements,
        **values,
    )
