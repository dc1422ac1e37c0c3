"""The other runs of the same desk: what they hold and have spent, so that all together keep the limits of the desk.

Nobody publishes anything for it: what is under way is read from the journals of the runs, and whoever starts a task
does so under one lock of the desk, so that two runs never take the same. A project without ``runs/`` pays one look.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from orchestrator.dataclasses import replace
from orchestrator.errors import CannotGoOnError, Problem
from orchestrator.model import Status, Task
from orchestrator.paths import DeskPaths, RunPaths
from orchestrator.store.schedule import NOTHING_ELSEWHERE, Elsewhere
from orchestrator.store.state import State
from orchestrator.store.store import Store
from orchestrator.system import files
from orchestrator.system.locks import FileLock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from orchestrator.desk.settings import DeskSettings

LOOK_S = 0.25
"""How old what is known of other runs may be where nothing is decided by it."""

_Stamp = tuple[int, int, int]


class _Neighbour(NamedTuple):
    """What is known of one other run: its journal as it was looked at, and what it takes."""

    stamp: _Stamp
    store: Store | None
    tasks: tuple[Task, ...]
    workers: int
    spent_usd: float
    reserved_usd: float


class SettingsFile:
    """``desk.yaml``, read again when it changes. One that is wrong leaves in force what was there before."""

    def __init__(self, path: str, tell: Callable[[str], None]) -> None:
        from orchestrator.desk.settings import DeskSettings  # not on the way of a project without a desk

        self._path = path
        self._tell = tell
        self._seen: _Stamp | None = None
        self._settings = DeskSettings()
        self.problems: tuple[Problem, ...] = ()

    def settings(self) -> DeskSettings:
        """The limits that hold now."""
        stamp = _stamp(self._path)
        if stamp != self._seen:
            self._seen = stamp
            self._read()
        return self._settings

    def _read(self) -> None:
        from orchestrator.desk.settings import DeskSettings, read_settings

        self.problems = ()
        try:
            data = files.read_bytes_or_none(self._path)
        except CannotGoOnError as error:
            self.problems = (Problem(error.message, error.advice),)
            data = None
        if data is None:
            self._settings = DeskSettings() if not self.problems else self._settings
            return
        reading = read_settings(data)
        self.problems = reading.problems
        if not reading.problems:
            self._settings = reading.settings
        for problem in reading.problems:
            self._tell(problem.text("desk.yaml"))


class Neighbours:
    """The other runs of the desk of the run in ``paths``."""

    def __init__(self, paths: RunPaths, tell: Callable[[str], None] = lambda message: None) -> None:
        self._own = paths.folder
        self._desk = DeskPaths.of(paths)
        self._is_there = os.path.isdir(self._desk.runs)
        self._is_of_desk = self._desk.has(paths)
        self._known: dict[str, _Neighbour] = {}
        self._elsewhere = NOTHING_ELSEWHERE
        self._looked = float("-inf")
        if self._is_there:
            from orchestrator.store.deskjournal import DeskJournal
            from orchestrator.workers.orchestrations import settled_costs

            self._settled = settled_costs(self._desk)
            self._lock = FileLock(self._desk.runs_lock, signed=False)
            self._journal = DeskJournal(self._desk)
            self._settings = SettingsFile(self._desk.settings, tell)

    @property
    def is_alone(self) -> bool:
        """Whether there is no desk."""
        return not self._is_there

    @contextmanager
    def deciding(self, state: State) -> Iterator[None]:
        """While something is chosen and its start recorded: no other run does so meanwhile, and all is looked at."""
        if not self._is_there:
            yield
            return
        with self._lock:
            self._look(state)
            yield

    def elsewhere(self, state: State) -> Elsewhere:
        """What the others leave to the run that is in ``state``, as of a moment ago."""
        if self._is_there and not self._lock.is_held and time.monotonic() - self._looked >= LOOK_S:
            self._look(state)
        return self._elsewhere

    @property
    def budget_usd(self) -> float | None:
        """The budget of the desk over all time; None for a run that is not its own."""
        return self._settings.settings().budget_usd if self._is_there and self._is_of_desk else None

    @property
    def spent_usd(self) -> float:
        """What the desk has spent over all time, without the run itself, as of the last look."""
        gone = sum(cost for run, cost in self._journal.run_usd.items() if run not in self._known and not self._is(run))
        return self._journal.asked_usd + gone + sum(each.spent_usd for each in self._known.values())

    def _is(self, run: str) -> bool:
        return self._is_of_desk and os.path.basename(self._own) == run

    def _look(self, state: State) -> None:
        self._looked = time.monotonic()
        present: dict[str, _Neighbour] = {}
        for name, paths in self._others():
            if (neighbour := self._neighbour(name, paths)) is not None:
                present[name] = neighbour
        self._known = present
        tasks = tuple(task for each in present.values() for task in each.tasks)
        if not self._is_of_desk:
            self._elsewhere = Elsewhere(tasks)
            return
        self._journal.refresh()
        settings = self._settings.settings()
        desk_runs = [each for name, each in present.items() if name]
        agents_left = max(0, settings.max_agents - sum(each.workers for each in desk_runs))
        left = in_the_end = None
        if settings.budget_usd is not None:
            in_the_end = settings.budget_usd - self.spent_usd - state.spent_usd
            left = in_the_end - state.reserved_usd - sum(each.reserved_usd for each in desk_runs)
        self._elsewhere = Elsewhere(tasks, agents_left, left, in_the_end)

    def _others(self) -> Iterator[tuple[str, RunPaths]]:
        """The other runs by name; the single plan beside the desk has none."""
        try:
            with os.scandir(self._desk.runs) as entries:
                names = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
        except OSError:
            names = []
        for name in names:
            paths = self._desk.run(name)
            if paths.folder != self._own:
                yield name, paths
        if self._desk.folder != self._own:
            yield "", self._desk.own_run

    def _neighbour(self, name: str, paths: RunPaths) -> _Neighbour | None:
        stamp = _stamp(paths.journal)
        if stamp is None:
            return None
        known = self._known.get(name)
        if known is not None and known.stamp == stamp:
            return known
        settled = self._settled.get(name)
        if known is None and settled is not None and settled[0] == stamp[:2]:
            return _Neighbour(stamp, None, (), 0, settled[1] if name else 0.0, 0.0)
        try:
            store = known.store if known is not None else None
            if store is None:
                store = Store.open(paths)
            else:
                store.refresh()
        except CannotGoOnError:
            return None  # damaged, or just being taken away: `runs` tells it
        state = store.state
        running = state.with_status(Status.RUNNING)
        is_own_plan = not name
        return _Neighbour(
            stamp,
            store if running or state.count(Status.PENDING) else None,
            tuple(replace(state.tasks[task], id=f"{name or state.id}/{task}") for task in running),
            0 if is_own_plan else sum(state.records[task].by != "hand" for task in running),
            0.0 if is_own_plan else state.spent_usd,
            0.0 if is_own_plan else state.reserved_usd,
        )


def _stamp(path: str) -> _Stamp | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
