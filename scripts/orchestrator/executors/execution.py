"""What an executor is: it starts the worker of an attempt, and says what became of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Protocol

from orchestrator.dataclasses import dataclass
from orchestrator.errors import CannotGoOnError
from orchestrator.executors.outcome import Outcome, Refusal
from orchestrator.model import Task
from orchestrator.system.locks import FileLock
from orchestrator.system.processes import Worker, end_worker, start_worker


class Cause(StrEnum):
    """Why we ended a worker ourselves."""

    TIMEOUT = "timeout"
    IDLE_TIMEOUT = "idle_timeout"
    REFUSED = "refused"
    INTERRUPTED = "interrupted"
    STOPPED = "stopped"
    SUPERSEDED = "superseded"

    @property
    def is_timeout(self) -> bool:
        """Whether the attempt took too long, and so failed."""
        return self in (Cause.TIMEOUT, Cause.IDLE_TIMEOUT)

    @property
    def is_verdict(self) -> bool:
        """Whether it says by itself what becomes of the attempt, whatever its output says: it is put back."""
        return self in (Cause.INTERRUPTED, Cause.STOPPED, Cause.SUPERSEDED)

    @property
    def words(self) -> str:
        """The cause for a person."""
        return {
            Cause.TIMEOUT: "the timeout was over",
            Cause.IDLE_TIMEOUT: "it was silent for too long",
            Cause.REFUSED: "the API refused the login again and again",
            Cause.INTERRUPTED: "the run was interrupted",
            Cause.STOPPED: "the run was stopped by another task's failure",
            Cause.SUPERSEDED: "the state was changed meanwhile",
        }[self]


@dataclass(frozen=True, slots=True)
class Job:
    """One attempt as an executor gets it. Paths are absolute; ``lock`` is held and goes to the worker too."""

    task: Task
    number: int
    project: str
    folder: str
    prompt: str
    output: str
    errors: str
    mark: str
    lock: FileLock
    session_id: str | None = None
    resumes: bool = False
    budget_usd: float | None = None


class Handle(Protocol):
    """A worker under way."""

    worker: Worker | None
    """The process of this machine that may leave others behind; None where there is none."""
    pid: int | None
    started: float | None
    group: int

    @property
    def host(self) -> str | None:
        """Another machine that it runs on, as soon as that is known; None for this one."""
        ...

    def wait(self) -> int:
        """Sleep until the worker ends: its exit code, or minus the signal that killed it."""
        ...

    def end(self, grace_s: float) -> None:
        """End it and all it has started; ``wait`` then returns."""
        ...


class Execution(Protocol):
    """One way to run tasks."""

    @property
    def check_environment(self) -> Mapping[str, str]:
        """What the ``verify`` commands of a task are run with."""
        ...

    @property
    def is_rehearsal(self) -> bool:
        """Whether nothing is really done, so that there are no files and nothing to verify."""
        ...

    def prepare(self) -> None:
        """Look before the first task whether the program is there at all. Raises ``CannotGoOnError``."""
        ...

    def argv(self, job: Job) -> list[str]:
        """The program and its arguments; the prompt goes in by standard input."""
        ...

    def start(self, job: Job) -> Handle:
        """Start the worker. Raises ``CannotGoOnError`` when it cannot be started at all."""
        ...

    def outcome(self, job: Job, exit_code: int, cause: Cause | None, now: float) -> Outcome:
        """What became of the attempt; ``now`` is in unix seconds."""
        ...

    def new_session_id(self) -> str | None:
        """An id for the session of the next attempt, where the program knows sessions."""
        ...

    def can_resume(self, session_id: str | None) -> bool:
        """Whether an attempt can go on in the session of one that was put back."""
        ...

    def refusal(self, job: Job) -> Refusal | None:
        """What the API refuses the worker with again and again, by its output so far; None when it does not."""
        ...

    def idle_timeout_s(self, task: Task) -> float | None:
        """After how many seconds of silence a worker is ended; None: never."""
        ...


class WithoutSessions:
    """What an execution answers that knows neither sessions nor an API."""

    def new_session_id(self) -> str | None:
        """There are no sessions."""
        return None

    def can_resume(self, session_id: str | None) -> bool:
        """There are no sessions."""
        return False

    def refusal(self, job: Job) -> Refusal | None:
        """No API is asked."""
        return None


class ProcessHandle:
    """A worker that is a process of the operating system."""

    host: str | None = None

    def __init__(self, worker: Worker) -> None:
        self.worker: Worker | None = worker
        self._worker = worker
        self.pid: int | None = worker.pid
        self.started: float | None = worker.started
        self.group = worker.group

    def wait(self) -> int:
        """Sleep until the process ends."""
        code = self._worker.wait()
        return -1 if code is None else code

    def end(self, grace_s: float) -> None:
        """End the process, its group and whatever carries its mark."""
        end_worker(self._worker.pid, self._worker.group, self._worker.mark, grace_s, started=self._worker.started)


def start_process(job: Job, argv: Sequence[str], environment: Mapping[str, str]) -> ProcessHandle:
    """Start ``argv`` in the project with the files and the lock of ``job``."""
    worker = start_worker(
        argv,
        cwd=job.project,
        env=environment,
        stdin_path=job.prompt,
        stdout_path=job.output,
        stderr_path=job.errors,
        mark=job.mark,
        pass_fds=(job.lock.fileno(),),
    )
    return ProcessHandle(worker)


def require_program(program: str, advice: str) -> str:
    """Where ``program`` is; raises ``CannotGoOnError`` when it cannot be found or run."""
    from shutil import which

    found = which(program)
    if found is None:
        raise CannotGoOnError(f"the program {program!r} was not found", advice)
    return found
