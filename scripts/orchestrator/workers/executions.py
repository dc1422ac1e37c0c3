"""The executor that the options name."""

from __future__ import annotations

import os

from orchestrator.executors.execution import Execution
from orchestrator.model import Executor
from orchestrator.workers.options import RunOptions


def execution_of(options: RunOptions) -> Execution:
    """The executor that ``options`` name."""
    if options.executor is Executor.REHEARSE:
        from orchestrator.executors.claude_argv import worker_environment
        from orchestrator.executors.rehearse import RehearsalExecution

        return RehearsalExecution(options.scale, worker_environment(os.environ))
    if options.executor is Executor.COMMAND:
        from orchestrator.executors.command import CommandExecution

        return CommandExecution(options.command)
    from orchestrator.executors.claude import ClaudeExecution

    return ClaudeExecution(options.claude)
