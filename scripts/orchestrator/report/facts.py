"""Everything that a report says, worked out once for the page, the Markdown and the JSON."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from orchestrator import clock
from orchestrator.dataclasses import dataclass, replace
from orchestrator.model import DEFAULT_JOBS, Estimate, Executor, Json, RunState, Status, Task, Verdict
from orchestrator.plans.estimate import estimate
from orchestrator.render.status import run_reason, run_record, task_reason, task_record
from orchestrator.render.summary import counted
from orchestrator.report.criteria import Criterion, criteria
from orchestrator.report.history import AttemptFacts, History, Outcome
from orchestrator.store.state import State
from orchestrator.wording import listed


@dataclass(frozen=True, slots=True)
class TaskFacts:
    """One task: what was planned, what became of it, and what it took.

    ``duration_s`` is that of the attempt that counts (the last), ``work_s`` of all attempts together; both None where
    none was made. ``times_estimate`` is the first divided by the upper end of the estimate.
    """

    spec: Task
    agent: str
    status: Status
    stage: int
    priority: str
    reason: str
    attempts: tuple[AttemptFacts, ...]
    retries: int
    cost_usd: float
    tokens: int
    start: float | None
    end: float | None
    result: str | None
    summary: str
    duration_s: float | None
    work_s: float | None
    times_estimate: float | None

    @property
    def id(self) -> str:
        """The task's id."""
        return self.spec.id


@dataclass(frozen=True, slots=True)
class ReportFacts:
    """One run as it stands at ``now``. Times are unix seconds; ``elapsed_s`` is from the first start to the last end.

    ``estimated_s`` is how long the whole was estimated to take, low to high; None unless every task has an estimate,
    and in a rehearsal, whose times are made up. ``work_s`` is the time of all attempts together, ``held_s`` that of
    pauses. ``warnings`` are what is wrong with the files of the run.
    """

    state: State
    now: float
    outcome: RunState
    headline: str
    reason: str
    is_successful: bool
    criteria: tuple[Criterion, ...]
    tasks: tuple[TaskFacts, ...]
    history: History
    start: float | None
    end: float | None
    elapsed_s: float
    work_s: float
    held_s: float
    estimated_s: tuple[float, float] | None
    is_rehearsal: bool
    retries: int
    warnings: tuple[str, ...]
    is_merged: bool

    def with_status(self, *statuses: Status) -> list[TaskFacts]:
        """The tasks in one of ``statuses``, in the order of the plan."""
        return [task for task in self.tasks if task.status in statuses]

    @property
    def done(self) -> int:
        """How many tasks are completed or skipped."""
        return len(self.with_status(Status.COMPLETED, Status.SKIPPED))

    def verdicts(self) -> dict[Verdict, int]:
        """How many criteria are judged how."""
        return {verdict: sum(each.verdict is verdict for each in self.criteria) for verdict in Verdict}

    def record(self) -> dict[str, Json]:
        """What ``report --json`` prints, without the names of the files that were written."""
        return {
            "run": {
                **run_record(self.state, self.now, is_merged=self.is_merged),
                "successful": self.is_successful,
                "headline": self.headline,
            },
            "criteria": [
                {**each.record(), "at": clock.iso_offset(each.at) if each.at is not None else None}
                for each in self.criteria
            ],
            "durations": {
                "start": clock.iso_offset(self.start) if self.start is not None else None,
                "end": clock.iso_offset(self.end) if self.end is not None else None,
                "elapsed_s": round(self.elapsed_s, 3),
                "work_s": round(self.work_s, 3),
                "held_s": round(self.held_s, 3),
                "estimated_s": [*self.estimated_s] if self.estimated_s else None,
            },
            "rehearsal": self.is_rehearsal,
            "retries": self.retries,
            "judging_usd": round(self.history.asked_usd.get("judging", 0.0), 6),
            "merging_usd": round(self.history.asked_usd.get("merging", 0.0), 6),
            "tasks": [self._task_record(task) for task in self.tasks],
            "skipped": [{"task": task.id, "reason": task.reason} for task in self.with_status(Status.SKIPPED)],
            "warnings": [*self.warnings],
        }

    def _task_record(self, task: TaskFacts) -> Json:
        guess = task.spec.estimate
        return {
            **task_record(self.state, task.id, self.now),
            "estimate_s": [guess.low_s, guess.high_s] if guess else None,
            "result": task.result,
            "attempts": [
                {
                    "attempt": each.number,
                    "outcome": str(each.outcome),
                    "executor": each.executor or None,
                    "start": clock.iso_offset(each.start),
                    "end": clock.iso_offset(each.end) if each.end is not None else None,
                    "duration_s": round(each.duration_s, 3),
                    "cost_usd": round(each.cost_usd, 6),
                    "tokens": each.tokens,
                    "reason": each.reason or None,
                }
                for each in task.attempts
            ],
        }


def report_facts(
    state: State,
    history: History,
    now: float,
    *,
    summaries: Mapping[str, str],
    warnings: Sequence[str] = (),
    lost: Collection[str] = (),
    is_merged: bool = False,
) -> ReportFacts:
    """The facts of the run in ``state``.

    ``summaries`` are one line of each result by task; ``lost`` and ``is_merged`` are those of ``status_record``.
    """
    attempts: dict[str, list[AttemptFacts]] = {task: [] for task in state.tasks}
    for attempt in history.attempts:
        if attempt.task in attempts:
            attempts[attempt.task].append(_until(attempt, now))
    history = replace(history, attempts=[each for made in attempts.values() for each in made])
    is_rehearsal = any(each.executor == Executor.REHEARSE for each in history.attempts)
    tasks = tuple(
        _task(state, task, tuple(attempts[task]), now, summaries.get(task, ""), task in lost, is_rehearsal)
        for task in state.tasks
    )
    start, end = _span(history.attempts, now)
    found = tuple(criteria(state))
    outcome = state.run_state(now)
    is_successful = outcome is RunState.COMPLETED and is_merged and not _count(found, Verdict.NOT_MET)
    return ReportFacts(
        state=state,
        now=now,
        outcome=outcome,
        headline=_headline(state, outcome, found, is_merged, is_successful),
        reason=run_reason(state, now),
        is_successful=is_successful,
        criteria=found,
        tasks=tasks,
        history=history,
        start=start,
        end=end,
        elapsed_s=max(0.0, (end if end is not None else now) - start) if start is not None else 0.0,
        work_s=sum(each.duration_s for each in history.attempts),
        held_s=_held_s(history, start, end if end is not None else now),
        estimated_s=None if is_rehearsal else _estimated_s(state),
        is_rehearsal=is_rehearsal,
        retries=sum(record.retries for record in state.records.values()),
        warnings=tuple(warnings),
        is_merged=is_merged,
    )


def _until(attempt: AttemptFacts, now: float) -> AttemptFacts:
    """``attempt``, with what it has taken by ``now`` while it is under way."""
    return attempt if attempt.end is not None else replace(attempt, duration_s=max(0.0, now - attempt.start))


def _task(
    state: State,
    task: str,
    attempts: tuple[AttemptFacts, ...],
    now: float,
    summary: str,
    is_lost: bool,
    is_rehearsal: bool,
) -> TaskFacts:
    spec, record = state.tasks[task], state.records[task]
    duration_s = attempts[-1].duration_s if attempts else None
    return TaskFacts(
        spec=spec,
        agent=state.agents[task],
        status=state.status(task),
        stage=state.stage(task),
        priority=str(state.priority(task)),
        reason="worker lost" if is_lost else task_reason(state, task),
        attempts=attempts,
        retries=record.retries,
        cost_usd=record.cost_usd,
        tokens=record.tokens,
        start=attempts[0].start if attempts else None,
        end=record.end,
        result=record.result if state.status(task) is Status.COMPLETED else None,
        summary=summary,
        duration_s=duration_s,
        work_s=sum(each.duration_s for each in attempts) if attempts else None,
        times_estimate=None if is_rehearsal else _times(duration_s, attempts, spec.estimate),
    )


def _times(duration_s: float | None, attempts: Sequence[AttemptFacts], guess: Estimate | None) -> float | None:
    """How many times the upper end of the estimate the attempt took that ended well."""
    if duration_s is None or guess is None or guess.high_s <= 0 or attempts[-1].outcome is not Outcome.COMPLETED:
        return None
    return duration_s / guess.high_s


def _span(attempts: Sequence[AttemptFacts], now: float) -> tuple[float | None, float | None]:
    """When the first attempt began and the last one ended; no end while one is under way."""
    if not attempts:
        return None, None
    start = min(each.start for each in attempts)
    ends = [each.end for each in attempts if each.end is not None]
    return start, max(ends) if len(ends) == len(attempts) else None


def _held_s(history: History, start: float | None, end: float) -> float:
    """How long between ``start`` and ``end`` nothing new might be started."""
    if start is None:
        return 0.0
    return sum(
        max(0.0, min(hold.end if hold.end is not None else end, end) - max(hold.start, start)) for hold in history.holds
    )


def _estimated_s(state: State) -> tuple[float, float] | None:
    """How long the whole was estimated to take; None unless every task has an estimate: a part says nothing."""
    if not all(task.estimate for task in state.tasks.values()):
        return None
    plan = state.whole_plan
    made = estimate(plan, plan.run.jobs or DEFAULT_JOBS)
    return made.duration_s if state.tasks else None


def _count(found: Sequence[Criterion], verdict: Verdict) -> int:
    return sum(each.verdict is verdict for each in found)


def _headline(state: State, outcome: RunState, found: Sequence[Criterion], is_merged: bool, is_successful: bool) -> str:
    """One sentence: how the run stands, and how far it did what it was for."""
    tasks = counted(len(state.tasks), "task")
    done = state.count(Status.COMPLETED) + state.count(Status.SKIPPED)
    skipped = f" ({state.count(Status.SKIPPED)} skipped)" if state.count(Status.SKIPPED) else ""
    if outcome is RunState.COMPLETED:
        first = f"All {tasks} done{skipped}" if len(state.tasks) > 1 else f"The task is done{skipped}"
        parts = [first, "results merged" if is_merged else "results not merged as they now are"]
    else:
        failed = state.count(Status.FAILED)
        parts = [f"{done} of {tasks} done{skipped}", *([f"{failed} failed"] if failed else [])]
    return f"{'Successful. ' if is_successful else ''}{', '.join(parts)}; {_criteria_words(found)}."


def _criteria_words(found: Sequence[Criterion]) -> str:
    if not found:
        return "no success criteria given"
    if _count(found, Verdict.MET) == len(found):
        return "the success criterion is met" if len(found) == 1 else f"all {len(found)} success criteria met"
    counts = [f"{_count(found, verdict)} {verdict}" for verdict in Verdict if _count(found, verdict)]
    return f"success criteria: {listed(counts)}"
