"""A result that a person put in its place, judged where it lies."""

from __future__ import annotations

import os

from orchestrator.errors import InvalidInputError, Problem
from orchestrator.executors.claude_argv import worker_environment
from orchestrator.store.store import Store
from orchestrator.store.table import Judged
from orchestrator.store.trust import require_trust, verifies
from orchestrator.system import files
from orchestrator.workers import checks, hand_over


def judged(store: Store, task: str) -> Judged:
    """The result file of ``task`` in its place, with the same checks as ``complete``; raises what is wrong with it."""
    name = hand_over.result_name(store.paths, store.state, task)
    data = files.read_own_or_none(store.paths.inside(*name.split("/")))
    if data is None:
        raise InvalidInputError(
            f"{task} cannot be completed: there is no result file {name}",
            f"write the result to {name} and save the table again, or `orchestrate complete {task} --result FILE`",
        )
    require_trust(store.paths, store.state, verifies(task))
    problems = checks.all_problems(
        store.paths.project,
        store.state.tasks[task],
        data.decode("utf-8", "replace"),
        worker_environment(os.environ),
    )
    if problems:
        advice = f"mend {name}, then save the table again"
        raise InvalidInputError(
            f"{task} cannot be completed",
            advice,
            [Problem(f"{task} cannot be completed: {problem}", advice, task=task) for problem in problems],
        )
    return Judged(name, files.digest(data))
