"""``loop``: call ``claude`` afresh for every step of the plan, until it is done or cannot go on."""

from __future__ import annotations

import os
from collections.abc import Sequence

from orchestrator.commands.first_task import begin_with_request
from orchestrator.commands.interrupts import interrupts
from orchestrator.commands.launch import own_words
from orchestrator.commands.main_task import main_task_record
from orchestrator.commands.session import Place, Session, answer, open_session, problem_lines, tell
from orchestrator.commands.view import SessionView
from orchestrator.dataclasses import dataclass, replace
from orchestrator.errors import CannotGoOnError, ExitCode, UsageError
from orchestrator.executors.claude_argv import claude_program
from orchestrator.executors.execution import require_program
from orchestrator.launchers.course import hold_run_lock
from orchestrator.launchers.loop import Loop
from orchestrator.launchers.loopterms import Caller, Ending, LoopLimits
from orchestrator.model import Json
from orchestrator.texts.maintask import shown_main_task
from orchestrator.workers.invocation import write_own_program


@dataclass(frozen=True, slots=True)
class LoopWish:
    """What the command line asks for; ``commands`` are all commands of this program."""

    commands: Sequence[str]
    request: str | None = None
    template: str | None = None
    interval: str | None = None
    iterations: int | None = None
    minutes: float | None = None
    budget_usd: float | None = None
    model: str | None = None
    claude: str | None = None
    tools: Sequence[str] = ()
    is_once: bool = False


class _LoopView(SessionView):
    """A view that waits for what it looks at: the next step depends on it."""

    def look(self) -> None:
        """Take over what people changed, and tell what is new among the problems."""
        known = set(problem_lines(self._session))
        self._session.look()
        for line in problem_lines(self._session):
            if line not in known:
                tell(line)


def loop(place: Place, wish: LoopWish) -> ExitCode:
    """Run the loop: 0 completed, 1 blocked, 4 stopped for now with STATUS continue, 130 interrupted."""
    limits = _limits(wish)
    program = require_program(
        claude_program(wish.claude),
        "install Claude Code, or name the program with --claude PATH; `orchestrate doctor` checks it",
    )
    session = _session(place, wish)
    store = session.store
    lock = hold_run_lock(store)
    try:
        folder = write_own_program(place.paths, own_words())
        caller = Caller(program, folder, wish.commands, wish.model, tuple(wish.tools))
        looping = Loop(store, caller, limits, _LoopView(session))
        with interrupts(looping.interrupted):
            ending = looping.run()
    finally:
        lock.release()
    return _answer(place, looping, ending)


def _session(place: Place, wish: LoopWish) -> Session:
    """The run to go on with; with a request a new one, unless it is the one that there is."""
    if wish.request is None:
        if wish.template is not None:
            raise UsageError("--template is for a request", '`orchestrate loop "REQUEST" --template NAME`')
        if not os.path.exists(place.paths.journal):
            raise CannotGoOnError(
                f"there is no run in {place.paths.folder}",
                '`orchestrate loop "REQUEST"` begins one, or `orchestrate init` with a plan',
            )
        return open_session(place)
    if not os.path.exists(place.paths.journal):
        return begin_with_request(place, wish.request, wish.template, "loop")
    session = open_session(place)
    if session.store.state.plan.request.strip() != wish.request.strip():
        raise CannotGoOnError(
            "there is a run of another request already",
            "`orchestrate loop` goes on with it, `orchestrate add` puts a task into it; --dir names another place",
        )
    return session


def _limits(wish: LoopWish) -> LoopLimits:
    for name, value in (("--max-iterations", wish.iterations), ("--max-minutes", wish.minutes)):
        if value is not None and not 0 < value < float("inf"):
            raise UsageError(f"{name} is {value}, expected more than 0", f"`{name} 20`")
    limits = LoopLimits(_interval_s(wish.interval), wish.iterations, wish.minutes, wish.budget_usd)
    return replace(limits, iterations=1, waits=False) if wish.is_once else limits


def _interval_s(text: str | None) -> float:
    if text is None:
        return 0.0
    from orchestrator.durations import FORMS, seconds

    try:
        return float(text) if text.replace(".", "", 1).isdigit() else seconds(text)
    except ValueError as error:
        raise UsageError(f"--interval: {error}", FORMS) from error


def _answer(place: Place, looping: Loop, ending: Ending) -> ExitCode:
    main = looping.store.state.main_task
    last = looping.iterations[-1] if looping.iterations else None
    record: dict[str, Json] = {
        **(main_task_record(main) if main is not None else {}),
        "action": str(last.action) if last else None,
        "iteration": looping.store.state.loop.iterations,
        "iterations": len(looping.iterations),
        "changed": [*last.changed] if last else [],
        "cost_usd": round(looping.cost_usd, 6),
        "duration_s": round(sum(each.duration_s for each in looping.iterations), 3),
        "reason": ending.reason,
        "exit_code": int(ending.code),
    }
    text = "\n".join([*([shown_main_task(main)] if main is not None else []), f"Loop ended: {ending.reason}"])
    answer(place, record, text)
    return ending.code
