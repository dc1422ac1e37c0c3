"""One attempt of a task, from its prompt to its record.

The files of an attempt are its own. Its result is published by rename under the lock of the store, and
only while the attempt is still the one under way; the record that follows alone says that the task is done.
"""

from __future__ import annotations

import os
import random
from dataclasses import dataclass, field

from orchestrator import clock, files, moves
from orchestrator.errors import OrchestrateError
from orchestrator.executors.execution import Cause, Execution, Handle, Job
from orchestrator.executors.limits import backoff_s
from orchestrator.executors.outcome import Outcome, OutcomeKind
from orchestrator.locks import FileLock
from orchestrator.model import Status
from orchestrator.moves import Failure, Spent
from orchestrator.render.prompt import Audience
from orchestrator.store import Store
from orchestrator.workers import changes, checks, hand_over, pauses
from orchestrator.workers.live import Live, host, mark_of, remove_live, write_live


@dataclass(slots=True)
class Attempt:
    """An attempt under way. ``cause`` says why it was ended by us, if it was."""

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
    begun: float = field(default_factory=clock.now)

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


def begin(attempt: Attempt) -> None:
    """Write the prompt and start the worker. The start of the attempt is on record by now."""
    store, paths, task = attempt.store, attempt.store.paths, attempt.task
    spec = hand_over.effective(store.state, task)
    record = store.state.records[task]
    resumes = record.executor == "claude" and attempt.execution.can_resume(record.session_id)
    text = hand_over.task_prompt(
        paths,
        store.state,
        task,
        audience=Audience.WORKER,
        attempt=attempt.number,
        failed_before=attempt.failed_before,
    )
    prompt_path = paths.prompt(task, attempt.number)
    files.write_whole(prompt_path, text.text, flush=False)
    lock = FileLock(paths.attempt_lock(task, attempt.number), inheritable=True, signed=False)
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
        resumes=resumes,
        budget_usd=record.reserved_usd or spec.budget_usd,
        changes_before=changes.snapshot(paths.project, spec),
    )
    attempt.begun = clock.now()
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
    write_live(paths, attempt.live)


def finish(attempt: Attempt) -> Status | None:
    """Wait for the worker, judge what it did and record it; the status that follows, None when nobody asks any more."""
    job, handle = attempt.job, attempt.handle
    if job is None or handle is None:
        raise ValueError("the attempt has not begun")
    try:
        code = handle.wait()
        handle.clear()
        outcome = attempt.execution.outcome(job, code, attempt.cause, clock.now())
        return _record(attempt, job, outcome)
    finally:
        job.lock.release()
        remove_live(attempt.store.paths, attempt.task, attempt.number)


def abandon(attempt: Attempt, error: OrchestrateError) -> Status | None:
    """Record an attempt that could not even be started."""
    if attempt.job is not None:
        attempt.job.lock.release()
    remove_live(attempt.store.paths, attempt.task, attempt.number)
    with attempt.store.change() as change:
        if not attempt.is_current:
            return None
        if error.code == 3:
            return moves.put_back(change, attempt.task, error.message, "not_started", was_started=False)
        return moves.fail(change, attempt.task, Failure(error.message, "prompt", may_pass=False), Spent())


def _record(attempt: Attempt, job: Job, outcome: Outcome) -> Status | None:
    store, paths, task = attempt.store, attempt.store.paths, attempt.task
    seconds = max(0.0, clock.now() - attempt.begun)
    spent = Spent(_cost(job, outcome), outcome.tokens, seconds)
    temp = ""
    reason = outcome.reason
    failure: Failure | None = None
    if attempt.cause is not None and attempt.cause.is_timeout and outcome.may_pass:
        failure = Failure(outcome.reason, str(attempt.cause))
    elif attempt.cause is not None and not attempt.cause.is_timeout:
        return _put_back(attempt, str(attempt.cause), attempt.cause.words, spent, outcome)
    elif outcome.is_good:
        problems = checks.all_problems(paths.project, job.task, outcome.text, attempt.execution.check_environment)
        problems += outcome.forbidden
        outside = changes.outside_writes(paths.project, job.task, job.changes_before, store.state)
        if outside and job.task.writes_policy == "fail":
            problems.append(f"it changed files outside its writes: {', '.join(outside)}")
        elif outside:
            reason = "; ".join(filter(None, [reason, f"changed files outside its writes: {', '.join(outside)}"]))
        if problems:
            failure = Failure("; ".join(problems), "check")
        else:
            temp = _written(paths.inside("results"), task, attempt.number, outcome.text)
    elif outcome.may_pass:
        failure = Failure(outcome.reason, str(outcome.kind))
    elif outcome.kind is OutcomeKind.FINAL:
        failure = Failure(outcome.reason, str(outcome.kind), may_pass=False)
    else:
        return _put_back(attempt, str(outcome.kind), outcome.reason, spent, outcome)
    with store.change() as change:
        if not attempt.is_current:
            _discard(temp)
            return None
        if failure is not None:
            delay = backoff_s(store.state.records[task].failures + 1, random.random()) * attempt.delay_scale
            return moves.fail(change, task, failure, spent, delay_s=delay)
        name = hand_over.result_name(paths, store.state, task)
        files.publish(temp, paths.inside(name))
        digest = files.digest(outcome.text.encode("utf-8", "replace"))
        moves.complete(change, task, result=name, hash=digest, spent=spent, reason=reason)
        return Status.COMPLETED


def _put_back(attempt: Attempt, kind: str, reason: str, spent: Spent, outcome: Outcome) -> Status | None:
    with attempt.store.change() as change:
        if not attempt.is_current:
            return None
        status = moves.put_back(
            change, attempt.task, reason, kind, spent, session_id=outcome.session_id if outcome.can_resume else None
        )
        pauses.pause_for(change, outcome, attempt.delay_scale)
        return status


def _cost(job: Job, outcome: Outcome) -> float:
    """What the attempt cost: as its stream says; one that was killed, at least what was set aside for it."""
    if outcome.is_settled or job.budget_usd is None:
        return outcome.cost_usd
    return max(outcome.cost_usd, job.budget_usd)


def _written(folder: str, task: str, number: int, text: str) -> str:
    """A file with ``text`` beside the results, on disk but under no name that counts."""
    files.make_private_folder(folder)
    temp = os.path.join(folder, f".{task}.{number}.tmp")
    descriptor = files.open_output(temp)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(text.encode("utf-8", "replace"))
    except OSError as error:
        _discard(temp)
        raise files.failure("write the result", temp, error) from error
    return temp


def _discard(temp: str) -> None:
    if temp:
        try:
            os.unlink(temp)
        except OSError:
            pass
