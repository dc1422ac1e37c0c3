"""The assignment files of the agents, kept in step with the plan and with what their dependencies hand over."""

from __future__ import annotations

import os
from collections.abc import Iterable

from orchestrator.paths import RunPaths
from orchestrator.plans.subtasks import with_parents
from orchestrator.store.state import State
from orchestrator.workers.hand_over import write_agent_file


def refresh_assignments(paths: RunPaths, state: State, tasks: Iterable[str]) -> None:
    """Write again what concerns ``tasks``, which are new, were changed or have ended.

    That is their own assignments, those of their dependants, and those that share an agent with them: an agent that
    gets a second task has files with the names of its tasks from then on.
    """
    tasks = with_parents(state.last_subtasks, tasks)
    concerned: dict[str, None] = {}
    agents = {state.agents[task] for task in tasks}
    for task in tasks:
        concerned.update(dict.fromkeys([task, *state.dependants(task)]))
    if any(map(state.is_shared, tasks)):
        concerned.update((name, None) for name, agent in state.agents.items() if agent in agents)
    used = {paths.agent_task(state.agents[task], task, state.is_shared(task)) for task in concerned}
    for task in concerned:
        write_agent_file(paths, state, task)
        if (plain := paths.agent_task(state.agents[task], task, shared=False)) not in used:
            _remove(plain)


def _remove(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
