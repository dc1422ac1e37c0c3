"""``on_failure: split``: a task that was given up is begun again in smaller parts, or such parts are proposed.

While a run goes on with ``claude``, the model is asked beside it and the run takes the parts as they come. Else parts
from a template are left for a person. Parts of a model get the tools of the whole and no checks of their own: nobody
has read them.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping, Sequence

from orchestrator.dataclasses import replace
from orchestrator.errors import CannotGoOnError, OrchestrateError
from orchestrator.model import Executor, Status
from orchestrator.store.state import State
from orchestrator.system.locks import is_held
from orchestrator.workers.options import RunOptions

TYPE_CHECKING = False
if TYPE_CHECKING:
    from orchestrator.commands.plan_sources import Wish
    from orchestrator.commands.session import Place, Session
    from orchestrator.model import Json, Task

_KEPT = ("id", "name", "description", "deps", "inputs", "success_criteria", "estimate", "estimate_tokens")
"""What a model says of a part; all else is as with the whole."""

_LEAST_USD = 0.01


def to_be_split(state: State) -> list[str]:
    """The failed tasks that are still to be split, or proposed to be, in the order of the plan."""
    failed = state.with_status(Status.FAILED) if state.count(Status.FAILED) else []
    return [task for task in failed if state.records[task].is_to_be_split]


def leave_proposals(session: Session) -> None:
    """Propose parts for each task that is to be split, unless a run is active, which sees to that itself."""
    tasks = to_be_split(session.store.state)
    if tasks and not is_held(session.store.paths.run_lock):
        for task in tasks:
            _propose(session, task, "no run is active that could ask the model")


class Splitting:
    """Splits what fails while a run goes on, one task after the other, in a thread with a session of its own."""

    def __init__(self, place: Place, options: RunOptions) -> None:
        self._place = place
        self._options = options
        self._thread: threading.Thread | None = None
        self._tried: set[tuple[str, int]] = set()

    def is_needed(self, state: State) -> bool:
        """Whether a task is to be split, or is just being split."""
        return bool(self._untried(state)) or (self._thread is not None and self._thread.is_alive())

    def look(self, state: State) -> None:
        """Begin, if there is something to split and nothing under way."""
        if (self._thread is None or not self._thread.is_alive()) and self._untried(state):
            self._thread = threading.Thread(target=self._split_all, name="splitting", daemon=True)
            self._thread.start()

    def end(self) -> None:
        """End a question that is under way; the next run asks again."""
        if self._thread is not None and self._thread.is_alive():
            from orchestrator.system.processes import end_marked
            from orchestrator.workers.ask import mark_of_question

            end_marked(mark_of_question("plan"))
            self._thread.join(10.0)

    def _split_all(self) -> None:
        from orchestrator.commands.session import beside, tell

        session = beside(self._place)
        for task in self._untried(session.store.state):
            self._tried.add((task, session.store.state.records[task].attempt))
            try:
                _split_or_propose(session, task, self._options)
            except OrchestrateError as error:
                tell(f"{task} was not split: {error.message}")  # such as a full disk; a run does not wait for that

    def _untried(self, state: State) -> list[str]:
        return [task for task in to_be_split(state) if (task, state.records[task].attempt) not in self._tried]


def _split_or_propose(session: Session, task: str, options: RunOptions) -> None:
    from orchestrator.commands.decompose import parts_of, split
    from orchestrator.commands.session import tell

    state = session.store.state
    if options.executor is not Executor.CLAUDE:
        _propose(session, task, f"the executor {options.executor} cannot be asked")
        return
    costs: list[float] = []
    try:
        tell(f"{task} was given up; the model is asked to split it")
        parts = parts_of(session, task, _question(state, task, options), costs.append)
        bounded = [_bounded(part, state.tasks[task]) for part in parts.tasks]
        made = split(session, task, replace(parts, tasks=bounded), sum(costs))
        tell(f"{task} was split into {', '.join(made.ids)}")
    except OrchestrateError as error:
        _propose(session, task, error.message, sum(costs))


def _question(state: State, task: str, options: RunOptions) -> Wish:
    from orchestrator.commands.plan_sources import Wish

    left = state.budget_left_usd
    if left is not None and left < _LEAST_USD:
        raise CannotGoOnError("the budget of the run has no room for a question to the model")
    return Wish(is_ai=True, claude=options.claude, model=state.tasks[task].model, budget_usd=left)


def _bounded(part: Mapping[str, Json], whole: Task) -> dict[str, Json]:
    """``part`` as a model made it, with the permissions of ``whole`` and nothing that starts a program."""
    given: dict[str, Json] = {
        "allowed_tools": [*whole.allowed_tools],
        "writes": [*whole.writes],
        "permission_mode": whole.permission_mode,
        "worker_type": whole.worker_type,
    }
    kept = {key: part[key] for key in _KEPT if key in part}
    return {**kept, **{key: value for key, value in given.items() if value}}


def _propose(session: Session, task: str, reason: str, cost_usd: float = 0.0) -> None:
    """Leave parts for ``task`` as a template makes them, and put that on record."""
    from orchestrator.commands.session import tell
    from orchestrator.events import EventType

    store = session.store
    file = ""
    try:
        file = _written(session, task)
    except OrchestrateError as error:
        reason = f"{reason}; no parts are proposed: {error.message}"
    with store.change() as change:
        if change.state.status(task) is Status.FAILED and change.state.records[task].is_to_be_split:
            agent = change.state.agents[task]
            cost = round(cost_usd, 6) or None
            change.record(EventType.SPLIT_PROPOSED, task, agent=agent, reason=reason, file=file or None, cost_usd=cost)
    how = f": `orchestrate decompose {task} --from {file}`" if file else ""
    tell(f"{task} was not split ({reason}); a person decides{how}")


def _written(session: Session, task: str) -> str:
    """The file with the proposed parts, as somebody in the project would open it."""
    from orchestrator.commands.decompose import parts_of
    from orchestrator.commands.plan_sources import Wish
    from orchestrator.plans.planfile import plan_text
    from orchestrator.system import files
    from orchestrator.workers.hand_over import shown_path

    parts: Sequence[Mapping[str, Json]] = parts_of(session, task, Wish(is_auto=True)).tasks
    name = f"{task}.split.yaml"
    files.write_whole(session.store.paths.inside(name), plan_text({"tasks": [dict(part) for part in parts]}))
    return shown_path(session.store.paths, os.path.basename(name))
