"""``watch``: a run as anybody sees it who does not run it, until it ends."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from orchestrator import clock
from orchestrator.commands.progress import closing_line
from orchestrator.commands.session import Place, read_session
from orchestrator.errors import CannotGoOnError, ExitCode
from orchestrator.events import Event
from orchestrator.model import RunState, Status
from orchestrator.render.live import event_lines, picture
from orchestrator.render.markdown import one_line
from orchestrator.render.status import status_record
from orchestrator.store.journal import Journal
from orchestrator.store.store import Store
from orchestrator.system.locks import is_held
from orchestrator.workers.integrity import is_merged
from orchestrator.workers.recovery import lost_tasks

LOOK_S = 0.5
"""How often the journal is looked at: a read from where it ended last."""

HEALTH_S = 10.0
"""How often the processes of the workers are looked for."""

FRAMES_PER_S = 2
"""How often the picture is drawn anew; the seconds in it go on."""

_RUN_CODES = {
    RunState.COMPLETED: ExitCode.DONE,
    RunState.FAILED: ExitCode.PROBLEMS,
    RunState.BLOCKED: ExitCode.PROBLEMS,
}


def watch(place: Place, *, is_once: bool = False) -> ExitCode:
    """Show the run as it goes on, and end as ``run`` would; ``is_once`` shows how it is now, and ends with 0.

    With JSON it is the document of ``status``, a line for each time that something has happened.
    """
    store = read_session(place).store
    if is_once:
        print(_frame(store, place.as_json), flush=True)
        return ExitCode.DONE
    return _Watch(store, place.as_json).until_it_ends()


class _Watch:
    """One who watches: where they are in the journal, and whether they have seen somebody run the plan."""

    def __init__(self, store: Store, as_json: bool) -> None:
        self._store = store
        self._as_json = as_json
        self._journal = Journal(store.paths.journal, store.paths.torn)
        self._lost: list[str] = []
        self._looked = 0.0
        self._has_run = False

    def until_it_ends(self) -> ExitCode:
        """Look again and again; the answer is the exit code of the run."""
        self._journal.news()  # what happened before is in the first picture
        self._store.refresh()
        is_live = not self._as_json and sys.stdout.isatty()
        if not is_live:
            print(_frame(self._store, self._as_json), flush=True)
        with self._screen() if is_live else nullcontext(self._print) as say:
            while (code := self._end()) is None:
                time.sleep(LOOK_S)
                events = [event for event in self._journal.news_or_all() if event is not None]
                if events:
                    self._store.refresh()
                    say(events)
        if not self._as_json:
            print(closing_line(self._store, code), flush=True)
        return code

    def _print(self, events: Sequence[Event]) -> None:
        if self._as_json:
            print(_frame(self._store, as_json=True), flush=True)
            return
        for event in events:
            for line in event_lines(event, self._store.state):
                print(line, flush=True)

    def _screen(self) -> AbstractContextManager[Callable[[Sequence[Event]], None]]:
        return _Screen(self._store, lambda: self._lost)

    def _end(self) -> ExitCode | None:
        """The exit code of the run, once nobody runs it any more and nothing of it is under way; else None."""
        if time.monotonic() - self._looked >= HEALTH_S:
            self._looked = time.monotonic()
            self._lost = list(lost_tasks(self._store))
        if _is_run(self._store):
            self._has_run = True
            return None
        state = self._store.state
        outcome = state.run_state(clock.now())
        if outcome in _RUN_CODES:
            return _RUN_CODES[outcome]
        if state.count(Status.RUNNING) > len(self._lost):
            return None
        if outcome is RunState.PAUSED or self._has_run:
            return ExitCode.STOPPED
        return None


class _Screen:
    """A picture at the foot of the terminal, above it a line for each thing that happens."""

    def __init__(self, store: Store, lost: Callable[[], Sequence[str]]) -> None:
        from rich.console import Console
        from rich.live import Live

        self._store = store
        self._lost = lost
        self._console = Console()
        self._live = Live(
            console=self._console,
            refresh_per_second=FRAMES_PER_S,
            transient=True,
            get_renderable=self._picture,
        )

    def __enter__(self) -> Callable[[Sequence[Event]], None]:
        self._live.start()
        return self._say

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def _picture(self) -> Any:
        from rich.text import Text

        return Text(_text(self._store, self._lost()))

    def _say(self, events: Sequence[Event]) -> None:
        from rich.text import Text

        for event in events:
            for line in event_lines(event, self._store.state):
                self._console.print(Text(line))


def _frame(store: Store, as_json: bool) -> str:
    """How the run is now."""
    lost = lost_tasks(store)
    if as_json:
        return json.dumps(status_record(store.state, clock.now(), lost, is_merged=is_merged(store)), ensure_ascii=False)
    return _text(store, lost)


def _text(store: Store, lost: Sequence[str]) -> str:
    with store.reading() as state:
        now = clock.now()
        return f"{one_line(state.plan.title, 80)}: {state.run_state(now)}\n{picture(state, now, lost)}"


def _is_run(store: Store) -> bool:
    """Whether a ``run`` or ``feed`` holds the plan; on a file system that cannot tell, nobody does."""
    try:
        return is_held(store.paths.run_lock)
    except CannotGoOnError:
        return False
