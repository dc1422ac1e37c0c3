"""One attempt of a task, from its prompt to its record.

The files of an attempt are its own. Its result is published by rename under the lock of the store, and
only while the attempt is still the one under way; the record that follows alone says that the task is done.
"""

from __future__ import annotations

import math
import os
import random
import time
from collections.abc import Mapping, Sequence

from orchestrator import clock
from orchestrator.dataclasses import dataclass, field
from orchestrator.errors import InvalidInputError, OrchestrateError
from orchestrator.executors.execution import Cause, Execution, Handle, Job
from orchestrator.executors.outcome import Outcome, OutcomeKind
from orchestrator.model import Status, WritesPolicy
from orchestrator.render.prompt import Audience
from orchestrator.store import moves
from orchestrator.store.moves import Failure, Spent, Start
from orchestrator.store.store import Store, StoreChange
from orchestrator.system import files
from orchestrator.system.locks import FileLock
from orchestrator.workers import changes, checks, hand_over, pauses
from orchestrator.workers.changes import Tree
from orchestrator.workers.leftovers import end_leftovers
from orchestrator.workers.links import link_problems
from orchestrator.workers.live import Live, host, mark_of, remove_live, supervisor_record
from orchestrator.workers.options import RunOptions

ENOUGH_FREE = 1024 * 1024
"""Bytes that a disk must have left for an answer to be believed: programs say nothing of a write that did not fit."""


@dataclass(slots=True)
class Attempt:
    """An attempt under way. ``cause`` says why it was ended by us, if it was.

    ``begun`` is for people, ``begun_s`` (monotonic) for timeouts and durations, which no change of the clock touches.
    ``least_free`` is the smallest number of bytes that the disk had left while it ran, ``before`` what git said of the
    project when it began, for a task with ``writes``; ``slowed_s`` (monotonic), when it last
    told that the API asks to slow down.
    """

    store: Store
    execution: Execution
    task: str
    number: int
    delay_scale: float = 1.0
    failed_before: str = ""
    cause: Cause | None = None
    job: Job | None = None
    handle: Handle | None = None
    live: Live | None = None
    shown_s: float = -math.inf
    begun: float = field(default_factory=clock.now)
    begun_s: float = field(default_factory=time.monotonic)
    least_free: int = ENOUGH_FREE
    before: Tree | None = None
    slowed_s: float = -math.inf

    @property
    def is_current(self) -> bool:
        """Whether the state still knows this attempt as the one under way."""
        record = self.store.state.records[self.task]
        return record.status is Status.RUNNING and record.attempt == self.number

    def end(self, cause: Cause, grace_s: float) -> None:
        """End the worker and all it has started; the first cause stands."""
        if self.cause is None:
            self.cause = cause
        if self.handle is not None:
            self.handle.end(grace_s)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of an attempt: a ``failure``, a result waiting under ``temp``, or else it is put back."""

    attempt: Attempt
    outcome: Outcome
    spent: Spent
    failure: Failure | None = None
    temp: str = ""
    hash: str = ""
    kind: str = ""
    reason: str = ""


def open_attempts(
    store: Store,
    change: StoreChange,
    reserves: Mapping[str, float | None],
    execution: Execution,
    options: RunOptions,
    by: str,
) -> list[Attempt]:
    """Put the start of the next attempt of each task on record, judged by this process; none has begun yet.

    ``reserves`` has the money that is set aside for each task, ``by`` is the command that starts them.
    """
    starts: dict[str, Start] = {}
    failed_before: dict[str, str] = {}
    supervisor = supervisor_record()
    for task, reserve_usd in reserves.items():
        record = change.state.records[task]
        failed_before[task] = record.reason if record.failures or record.kind == "check" else ""
        resumable = record.session_id if execution.can_resume(record.session_id) else None
        starts[task] = Start(
            by=by,
            executor=str(options.executor),
            session_id=resumable or execution.new_session_id(),
            resumes=resumable is not None,
            supervisor=supervisor,
            reserved_usd=reserve_usd or 0.0,
        )
    return [
        Attempt(store, execution, task, number, options.delay_scale, failed_before=failed_before[task])
        for task, number in moves.start_each(change, starts).items()
    ]


def begin(attempt: Attempt) -> None:
    """Write the prompt and start the worker. The start of the attempt is on record by now.

    Raises where the task starts something that nobody trusts: the plan may have changed since the run began.
    """
    store, paths, task = attempt.store, attempt.store.paths, attempt.task
    spec = hand_over.effective(paths, store.state, task)
    if spec.verify:
        from orchestrator.store.trust import require_trust, verifies

        require_trust(paths, store.state, verifies(task))
    for problem in link_problems(paths.project, [spec]):
        raise InvalidInputError(problem.message, problem.advice)
    record = store.state.records[task]
    text = hand_over.task_prompt(
        paths,
        store.state,
        task,
        audience=Audience.WORKER,
        attempt=attempt.number,
        failed_before=attempt.failed_before,
    )
    prompt_path = paths.prompt(task, attempt.number)
    files.write_new(prompt_path, text.text)
    lock = FileLock(paths.errors(task, attempt.number), inheritable=True, signed=False)
    lock.acquire()
    attempt.job = Job(
        task=spec,
        number=attempt.number,
        project=paths.project,
        folder=paths.folder,
        prompt=prompt_path,
        output=paths.output(task, attempt.number),
        errors=paths.errors(task, attempt.number),
        mark=mark_of(store.state.id, task, attempt.number),
        lock=lock,
        session_id=record.session_id,
        resumes=record.resumes,
        budget_usd=min((usd for usd in (record.reserved_usd, spec.budget_usd) if usd), default=None),
    )
    if spec.writes or spec.writes_policy is WritesPolicy.FAIL:
        attempt.before = changes.look(paths.project, paths.folder)
    attempt.begun, attempt.begun_s = clock.now(), time.monotonic()
    attempt.handle = attempt.execution.start(attempt.job)
    attempt.live = Live(
        task=task,
        attempt=attempt.number,
        agent=store.state.agents[task],
        role=spec.role,
        pid=attempt.handle.pid,
        started=attempt.handle.started,
        group=attempt.handle.group,
        host=host(),
        supervisor=os.getpid(),
        mark=attempt.job.mark,
        session_id=record.session_id,
        begun=attempt.begun,
        last_heartbeat=attempt.begun,
        last_progress=attempt.begun,
    )


def settle(attempt: Attempt) -> Verdict:
    """Wait for the worker and judge what it did; nothing is on record yet. Its result is on disk, under no name."""
    job, handle = attempt.job, attempt.handle
    if job is None or handle is None:
        raise ValueError("the attempt has not begun")
    code = handle.wait()
    if handle.worker is not None and _looks_at_the_project(attempt, job):
        end_leftovers([handle.worker])
    outcome = attempt.execution.outcome(job, code, attempt.cause, clock.now())
    attempt.least_free = min(attempt.least_free, files.free_bytes(job.output))
    spent = Spent(_cost(job, outcome), outcome.tokens, time.monotonic() - attempt.begun_s)
    return _verdict(attempt, job, outcome, spent)


def record(change: StoreChange, verdicts: Sequence[Verdict]) -> None:
    """Record what became of attempts; one that is not under way any more is passed over, and its result dropped."""
    current = [verdict for verdict in verdicts if verdict.attempt.is_current]
    for verdict in verdicts:
        if verdict.temp and verdict not in current:
            files.remove(verdict.temp)
    store = change.state
    names = {
        verdict.attempt.task: hand_over.result_name(verdict.attempt.store.paths, store, verdict.attempt.task)
        for verdict in current
        if verdict.temp
    }
    if names:
        files.publish_all(
            [(v.temp, v.attempt.store.paths.inside(*names[v.attempt.task].split("/"))) for v in current if v.temp]
        )
    for verdict in current:
        task, spent = verdict.attempt.task, verdict.spent
        if not verdict.temp:
            from orchestrator.executors.limits import backoff_s

            delay = backoff_s(store.records[task].failures + 1, random.uniform(-1, 1)) * verdict.attempt.delay_scale
        if verdict.failure is not None:
            moves.fail(change, task, verdict.failure, spent, delay_s=delay)
        elif verdict.temp:
            moves.complete(change, task, result=names[task], hash=verdict.hash, spent=spent, reason=verdict.reason)
        else:
            session = verdict.outcome.session_id if verdict.outcome.can_resume else None
            moves.put_back(change, task, verdict.reason, verdict.kind, spent, session_id=session, delay_s=delay)
            pauses.pause_for(change, verdict.outcome, verdict.attempt.delay_scale)


def close(attempt: Attempt) -> None:
    """Take away what shows that the attempt is live; its end is on record."""
    if attempt.job is not None:
        attempt.job.lock.release()
    if attempt.shown_s > -math.inf:
        remove_live(attempt.store.paths, attempt.task, attempt.number)


def abandon(attempt: Attempt, error: OrchestrateError) -> Status | None:
    """Record an attempt that could not even be started."""
    close(attempt)
    with attempt.store.change() as change:
        if not attempt.is_current:
            return None
        if error.code == 3:
            return moves.put_back(change, attempt.task, error.message, "not_started", was_started=False)
        return moves.fail(change, attempt.task, Failure(error.message, "prompt", may_pass=False), Spent())


def _looks_at_the_project(attempt: Attempt, job: Job) -> bool:
    """Whether the checks look at files that something still running could change."""
    return bool(job.task.verify or job.task.outputs) or attempt.before is not None


def _verdict(attempt: Attempt, job: Job, outcome: Outcome, spent: Spent) -> Verdict:
    cause = attempt.cause
    if cause is not None and cause.is_timeout and outcome.may_pass:
        return Verdict(attempt, outcome, spent, failure=Failure(outcome.reason, str(cause)))
    if cause is not None and cause.is_verdict:
        return Verdict(attempt, outcome, spent, kind=str(cause), reason=cause.words)
    if outcome.is_good:
        return _checked(attempt, job, outcome, spent)
    if outcome.may_pass or outcome.kind is OutcomeKind.FINAL:
        reason = "; ".join(filter(None, [outcome.reason, _outside_words(attempt, job)]))
        failure = Failure(reason, str(outcome.kind), may_pass=outcome.may_pass)
        return Verdict(attempt, outcome, spent, failure=failure)
    return Verdict(attempt, outcome, spent, kind=str(outcome.kind), reason=outcome.reason)


def _checked(attempt: Attempt, job: Job, outcome: Outcome, spent: Spent) -> Verdict:
    """The verdict on an answer that is good in itself: its checks decide."""
    paths, reason, execution = attempt.store.paths, outcome.reason, attempt.execution
    problems = [*outcome.forbidden]
    if attempt.least_free < ENOUGH_FREE:
        problems.append(f"the disk was full while it ran ({attempt.least_free // 1024} KB left): its answer may be cut")
    if not execution.is_rehearsal:
        problems += checks.all_problems(paths.project, job.task, outcome.text, execution.check_environment)
    outside = _outside_words(attempt, job)
    if outside and job.task.writes_policy is WritesPolicy.FAIL:
        problems.append(outside)
    else:
        reason = "; ".join(filter(None, [reason, outside]))
    if problems:
        return Verdict(attempt, outcome, spent, failure=Failure("; ".join(problems), "check"))
    data = outcome.text.encode("utf-8", "replace")
    temp = paths.inside("results", f".{attempt.task}.{attempt.number}.tmp")
    files.write_new(temp, data, flush=True)
    return Verdict(attempt, outcome, spent, temp=temp, hash=files.digest(data), reason=reason)


def _outside_words(attempt: Attempt, job: Job) -> str:
    """What the attempt changed outside the writes of its task, in words; empty when nothing."""
    outside = changes.outside_writes(attempt.store, job.task, attempt.before)
    return f"changed files outside its writes: {', '.join(outside)}" if outside else ""


def _cost(job: Job, outcome: Outcome) -> float:
    """What the attempt cost: as its stream says; one that was killed, at least what was set aside for it."""
    if outcome.is_settled or job.budget_usd is None:
        return outcome.cost_usd
    return max(outcome.cost_usd, job.budget_usd)
