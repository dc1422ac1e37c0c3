"""What a person sees while a run goes on: live lines in a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from orchestrator import clock
from orchestrator.commands.session import Place, answer, read_session
from orchestrator.errors import ExitCode
from orchestrator.model import Status
from orchestrator.render.live import approvals_text, held_text, picture, started_line
from orchestrator.render.master_plan import pause_text
from orchestrator.render.status import run_reason, task_reason
from orchestrator.render.summary import agent_line
from orchestrator.store.state import State
from orchestrator.store.store import Store

if TYPE_CHECKING:
    from rich.live import Live
    from rich.text import Text


class PlainProgress:
    """A line for each thing that happens, on stderr."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._paused = ""
        self._waiting = ""

    def started(self, tasks: list[str]) -> None:
        """Say which tasks have begun."""
        state = self._store.state
        for task in tasks:
            self._say(started_line(state, task, state.records[task].attempt))

    def ended(self, task: str) -> None:
        """Say how an attempt of ``task`` ended."""
        state, record = self._store.state, self._store.state.records[task]
        status = state.status(task)
        duration = record.duration_s if record.end is not None else None
        reason = _own_reason(state, task)
        if status is Status.RUNNING:  # the next attempt began in the change that recorded this end
            status, reason = Status.RETRYING, "now, with the fallback" if record.fallback else "now"
        self._say(agent_line(state.agents[task], task, status, duration, reason))
        if state.pause is not None:
            self._tell_pause(pause_text(state.pause))  # now: a short one may be over at the next look
        self._tell_waiting()

    def looked(self) -> None:
        """Say once that the run is paused, and which tasks wait for a person or are held by one."""
        pause = self._store.state.pause
        self._tell_pause(pause_text(pause) if pause is not None and pause.holds(clock.now()) else "")
        self._tell_waiting()

    def _tell_pause(self, text: str) -> None:
        if text != self._paused:
            self._paused = text
            self._say(text or "Resumed")

    def _tell_waiting(self) -> None:
        waiting = approvals_text(self._store.state) or held_text(self._store.state)
        if waiting != self._waiting:
            self._waiting = waiting
            if waiting:
                self._say(waiting)

    def __enter__(self) -> PlainProgress:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing to take down."""

    def _say(self, line: str) -> None:
        print(f"{clock.local_time(clock.now())} {line}", file=sys.stderr, flush=True)


class LiveProgress(PlainProgress):
    """The same lines above a picture of what is running now, in a terminal."""

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self._live: Live | None = None

    def __enter__(self) -> LiveProgress:
        from rich.console import Console
        from rich.live import Live

        self._live = Live(
            console=Console(stderr=True), refresh_per_second=4, transient=True, get_renderable=self._picture
        )
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def _picture(self) -> Text:
        from rich.text import Text

        return Text(picture(self._store.state, clock.now()))

    def _say(self, line: str) -> None:
        if self._live is None:
            super()._say(line)
        else:
            from rich.text import Text

            self._live.console.print(Text(f"{clock.local_time(clock.now())} {line}"))


def progress(store: Store) -> PlainProgress:
    """What suits the terminal, or the file, that stderr is."""
    return LiveProgress(store) if sys.stderr.isatty() else PlainProgress(store)


def _own_reason(state: State, task: str) -> str:
    """Why ``task`` is where it is; empty where that is what holds the whole run, which is said once for all."""
    reason = task_reason(state, task)
    return "" if state.pause is not None and reason == state.pause.reason else reason


def agent_lines(store: Store) -> list[str]:
    """One line for each task with its agent, in the order of the plan: what a run ends with."""
    state = store.state
    return [
        agent_line(
            state.agents[task],
            task,
            state.status(task),
            state.records[task].duration_s if state.records[task].end is not None else None,
            _own_reason(state, task) if state.status(task) is not Status.COMPLETED else state.records[task].reason,
        )
        for task in state.tasks
    ]


def list_agents(place: Place) -> ExitCode:
    """The same as a command of its own, for scripts to end with."""
    lines = agent_lines(read_session(place).store)
    answer(place, {"agents": list(lines)}, "\n".join(lines))
    return ExitCode.DONE


def closing_line(store: Store, code: ExitCode, again: str = "orchestrate run") -> str:
    """What a person does next after a run that ended with ``code``; ``again`` is the command that goes on."""
    approvals = ", ".join(store.state.awaiting_approval())
    reason = run_reason(store.state, clock.now()) or (f"waiting for approval: {approvals}" if approvals else "")
    if code is ExitCode.DONE:
        return "All tasks are done. Next: orchestrate check && orchestrate merge"
    if code is ExitCode.STOPPED and approvals and reason.endswith(approvals):
        return f"Stopped for now: {reason}. Next: orchestrate approve ID (or --all), then {again}"
    if code is ExitCode.STOPPED:
        return f"Stopped for now: {reason or 'tasks are left'}. Next: {again}, when the cause is gone"
    if code is ExitCode.INTERRUPTED:
        return f"Interrupted: what was running was put back. Next: {again}"
    return f"The run cannot go on: {reason}. Next: orchestrate retry ID, or orchestrate skip ID"
