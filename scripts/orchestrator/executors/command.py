"""Any other agent CLI: the prompt on stdin, the result on stdout, success is exit 0 with output that is not blank."""

from __future__ import annotations

import os
from collections.abc import Sequence

from orchestrator.executors.claude_argv import worker_environment
from orchestrator.executors.execution import Cause, Job, ProcessHandle, WithoutSessions, require_program, start_process
from orchestrator.executors.judging import judge_command
from orchestrator.executors.outcome import Outcome
from orchestrator.model import Task
from orchestrator.system import files


class CommandExecution(WithoutSessions):
    """Runs ``argv``, which was split into words and meets no shell."""

    def __init__(self, argv: Sequence[str]) -> None:
        self._argv = list(argv)
        self.check_environment = worker_environment(os.environ)

    is_rehearsal = False

    def prepare(self) -> None:
        """The command must be a program that can be found."""
        # Found once: a program that is looked for along PATH costs each start a try for each folder of it.
        self._argv[0] = require_program(
            self._argv[0], "give --command, or run.command in the plan, a program that is installed"
        )

    def argv(self, job: Job) -> list[str]:
        """The command, the same for every task."""
        return list(self._argv)

    def start(self, job: Job) -> ProcessHandle:
        """Start the command in the project."""
        return start_process(job, self.argv(job), self.check_environment)

    def outcome(self, job: Job, exit_code: int, cause: Cause | None, now: float) -> Outcome:
        """Judge by exit code and output."""
        output = files.read_bytes_or_none(job.output) or b""
        errors = files.read_bytes_or_none(job.errors) or b""
        interrupted = cause is not None and cause.is_verdict
        return judge_command(exit_code, output, errors, timed_out=_timeout(cause), interrupted=interrupted)

    def idle_timeout_s(self, task: Task) -> float | None:
        """Only when the plan says one: a command may be silent until its end."""
        return task.idle_timeout_s


def _timeout(cause: Cause | None) -> str | None:
    return str(cause) if cause is not None and cause.is_timeout else None
