"""The headless ``claude`` CLI: always a streaming output format, the prompt from a file, judged by its own object."""

from __future__ import annotations

import os
import uuid
from datetime import UTC, datetime

from orchestrator.executors.claude_argv import claude_arguments, worker_environment
from orchestrator.executors.execution import Cause, Job, ProcessHandle, require_program, start_process
from orchestrator.executors.judging import judge_claude
from orchestrator.executors.outcome import Outcome, Refusal
from orchestrator.executors.stream import read_stream, refusal_in
from orchestrator.model import DEFAULT_IDLE_TIMEOUT_S, Task
from orchestrator.system import files

_LAST_WORDS = 4096
"""Bytes at the end of a log that are looked at while it grows: an announcement of a retry takes a tenth."""


class ClaudeExecution:
    """Runs ``program``. Workers may read the folder of the run, and write nothing there."""

    def __init__(self, program: str) -> None:
        self._program = program
        self.check_environment = worker_environment(os.environ)

    is_rehearsal = False

    def prepare(self) -> None:
        """The program must be there before the first task is begun."""
        self._program = require_program(
            self._program, "install Claude Code, or name the program with --claude PATH; `orchestrate doctor` checks it"
        )

    def argv(self, job: Job) -> list[str]:
        """``claude -p`` with what the task allows; nothing is written in the folder of the run."""
        folder = os.path.realpath(job.folder)
        arguments = claude_arguments(
            job.task,
            session_id=job.session_id,
            resume=job.resumes,
            budget_usd=job.budget_usd,
            deny=[folder],
            readable=[] if _is_inside(folder, job.project) else [folder],
        )
        return [self._program, *arguments]

    def start(self, job: Job) -> ProcessHandle:
        """Start it in the project."""
        return start_process(job, self.argv(job), self.check_environment)

    def outcome(self, job: Job, exit_code: int, cause: Cause | None, now: float) -> Outcome:
        """Judge by the success rule, and name what was written where nothing may be."""
        stream = read_stream(files.read_bytes_or_none(job.output) or b"")
        errors = (files.read_bytes_or_none(job.errors) or b"").decode("utf-8", "replace")
        return judge_claude(
            stream,
            exit_code,
            errors,
            timed_out=str(cause) if cause is not None and cause.is_timeout else None,
            schema_given=job.task.result_schema is not None,
            now=datetime.fromtimestamp(now, UTC).astimezone(),
            interrupted=cause is not None and cause.is_verdict,
            refused=cause is Cause.REFUSED,
            closed=[os.path.realpath(job.folder)],
        )

    def new_session_id(self) -> str | None:
        """Sessions are named by UUID."""
        return str(uuid.uuid4())

    def can_resume(self, session_id: str | None) -> bool:
        """A session that was put back goes on where it stopped."""
        return session_id is not None

    def refusal(self, job: Job) -> Refusal | None:
        """The CLI tries again by itself, up to three minutes, whatever the answer is; its log tells each time."""
        return refusal_in(files.read_tail(job.output, _LAST_WORDS))

    def idle_timeout_s(self, task: Task) -> float | None:
        """Longer than the longest silent tool call, which takes ten minutes."""
        return task.idle_timeout_s if task.idle_timeout_s is not None else DEFAULT_IDLE_TIMEOUT_S


def _is_inside(path: str, folder: str) -> bool:
    return os.path.commonpath([path, os.path.realpath(folder)]) == os.path.realpath(folder)
