"""What an edit of the table by hand may ask for: a result judged where it lies, a worker ended."""

from __future__ import annotations

import os

from orchestrator import files
from orchestrator.errors import InvalidInputError, Problem
from orchestrator.executors.claude_argv import worker_environment
from orchestrator.store import Store
from orchestrator.table import Judged
from orchestrator.trust import require_trust, verifies
from orchestrator.workers import checks, hand_over
from orchestrator.workers.recovery import end_attempt


class WorkerHands:
    """The checks of ``complete`` and the end of a worker, for the table."""

    def judged(self, store: Store, task: str) -> Judged:
        """The result file of ``task`` in its place, with the same checks as ``complete``."""
        name = hand_over.result_name(store.paths, store.state, task)
        data = files.read_bytes_or_none(store.paths.inside(name))
        if data is None:
            raise InvalidInputError(
                f"{task} cannot be completed: there is no result file {name}",
                f"write the result to {name}, or `orchestrate complete {task} --result FILE`",
            )
        require_trust(store.paths, store.state, verifies(task))
        problems = checks.all_problems(
            store.paths.project,
            store.state.tasks[task],
            data.decode("utf-8", "replace"),
            worker_environment(os.environ),
        )
        if problems:
            raise InvalidInputError(
                f"{task} cannot be completed: {'; '.join(problems)}",
                "mend the result, then save the table again",
                [Problem(problem, f"mend {name}", task=task) for problem in problems],
            )
        return Judged(name, files.digest(data))

    def end_worker(self, store: Store, task: str) -> None:
        """End the worker of the running ``task``, if it has one."""
        end_attempt(store, task)
