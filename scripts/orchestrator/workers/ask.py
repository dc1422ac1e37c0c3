"""One question to the model outside any task: a merge, a plan. It has no session and is judged as an attempt is."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime

from orchestrator import clock
from orchestrator.dataclasses import dataclass
from orchestrator.errors import CannotGoOnError, ExitCode, OrchestrateError, StoppedError
from orchestrator.executors.claude_argv import claude_arguments, worker_environment
from orchestrator.executors.execution import require_program
from orchestrator.executors.judging import judge_claude
from orchestrator.executors.outcome import Outcome, OutcomeKind
from orchestrator.executors.stream import read_stream
from orchestrator.model import Json, Task
from orchestrator.system import files
from orchestrator.system.processes import start_worker

ASK_TIMEOUT_S = 20 * 60.0


@dataclass(frozen=True, slots=True)
class Question:
    """What to ask, with which model, at what most; ``schema`` asks for structured output.

    ``may_read``: the model may look into the project. It has no tools otherwise: what it is asked about may be
    hostile.
    """

    prompt: str
    purpose: str
    model: str | None = None
    budget_usd: float | None = None
    schema: Mapping[str, Json] | None = None
    may_read: bool = False


class NoAnswerError(CannotGoOnError):
    """There is no answer that counts, which cost ``cost_usd`` all the same; ``may_pass``: asking again can help."""

    code = ExitCode.PROBLEMS

    def __init__(self, message: str, *, may_pass: bool, cost_usd: float = 0.0) -> None:
        super().__init__(message, "run the command again, or do this step without the model")
        self.may_pass = may_pass
        self.cost_usd = cost_usd


def ask(claude: str, project: str, question: Question, timeout_s: float = ASK_TIMEOUT_S) -> Outcome:
    """The model's answer, judged good; raises when there is none, saying whether trying again later can help."""
    program = require_program(claude, "install Claude Code, or name the program with --claude PATH")
    task = Task("ask", question.purpose, question.purpose, model=question.model, result_schema=question.schema)
    arguments = [*claude_arguments(task, session_id=None, budget_usd=question.budget_usd), "--no-session-persistence"]
    arguments += [] if question.may_read else ["--tools="]
    with tempfile.TemporaryDirectory(prefix="orchestrate-ask-") as folder:
        source, output, errors = (os.path.join(folder, name) for name in ("prompt.md", "out.jsonl", "err.txt"))
        files.write_whole(source, question.prompt, flush=False)
        worker = start_worker(
            [program, *arguments],
            cwd=project,
            env=worker_environment(os.environ),
            stdin_path=source,
            stdout_path=output,
            stderr_path=errors,
            mark=mark_of_question(question.purpose),
        )
        try:
            code = worker.wait(timeout_s)
        except BaseException:
            worker.end()
            raise
        if code is None:
            worker.end()
        outcome = judge_claude(
            read_stream(files.read_bytes_or_none(output) or b""),
            code,
            (files.read_bytes_or_none(errors) or b"").decode("utf-8", "replace"),
            timed_out="timeout" if code is None else None,
            schema_given=question.schema is not None,
            now=datetime.fromtimestamp(clock.now(), UTC).astimezone(),
        )
    if not outcome.is_good:
        raise _no_answer(question.purpose, outcome)
    return outcome


def mark_of_question(purpose: str) -> str:
    """What the process of a question of this process carries in its environment."""
    return f"ask/{purpose}/{os.getpid()}"


def _no_answer(purpose: str, outcome: Outcome) -> OrchestrateError:
    message = f"the model did not answer ({purpose}): {outcome.reason}"
    if outcome.kind in (OutcomeKind.USAGE_LIMIT, OutcomeKind.MONEY, OutcomeKind.LOGIN, OutcomeKind.BACK_OFF):
        return StoppedError(message, "run the command again when the cause is gone")
    return NoAnswerError(message, may_pass=outcome.may_pass, cost_usd=outcome.cost_usd)
