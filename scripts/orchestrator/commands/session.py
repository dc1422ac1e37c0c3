"""A command's view of a run: the store opened, dead workers' tasks put back, people's changes taken over."""

from __future__ import annotations

import os
import shlex
import sys
import threading
from collections.abc import Sequence

from orchestrator.commands.place import Place as Place
from orchestrator.commands.place import answer as answer
from orchestrator.commands.place import tell as tell
from orchestrator.dataclasses import dataclass, field
from orchestrator.errors import CannotGoOnError, OrchestrateError
from orchestrator.store.store import Store
from orchestrator.store.table import Table
from orchestrator.store.takeover import PlanFile


@dataclass
class Session:
    """An open run. Changes go through ``store.change()``; ``show`` shows them in the table."""

    place: Place
    store: Store
    table: Table
    plan: PlanFile
    _faults: list[str] = field(default_factory=list)
    _looking: threading.Thread | None = None
    _looks_again: bool = False

    def look(self) -> None:
        """Take over what people changed in plan.yaml and master_plan.md since the last look.

        A file that cannot be read holds nothing up: ``problem_lines`` has it.
        """
        self._faults = []
        self.store.refresh()
        try:
            taken = self.plan.take_over()
            if taken:
                from orchestrator.workers.assignments import refresh_assignments

                refresh_assignments(self.store.paths, self.store.state, taken)
        except CannotGoOnError as error:
            self._faults.append(f"plan.yaml: error: {error.message} (try: {error.advice})")
        try:
            self.table.take_over()
        except CannotGoOnError as error:
            self._faults.append(f"master_plan.md: error: {error.message} (try: {error.advice})")

    def look_quietly(self) -> None:
        """The same while a run goes on, beside it: a large plan is read, or a result checked, while tasks start.

        New problems are told once.
        """
        if self._looking is not None and self._looking.is_alive():
            self._looks_again = True
            return
        if self.table.is_untouched() and not self.plan.is_new():
            return
        self._looking = threading.Thread(target=self._look_beside, name="look", daemon=True)
        self._looking.start()

    def look_to_the_end(self) -> None:
        """The same before a run ends: it is done when this returns, so that an edit of the last moment counts."""
        self.look_quietly()
        if self._looking is not None:
            self._looking.join()

    def _look_beside(self) -> None:
        known = set(problem_lines(self))
        while True:
            self._looks_again = False
            try:
                self.look()
            except OrchestrateError as error:
                tell(f"could not look for changes by hand: {error.message}")
            lines = problem_lines(self)
            for line in lines:
                if line not in known:
                    tell(line)
            known = set(lines)
            if not self._looks_again:
                return

    def look_again(self) -> None:
        """Take over what was refused of the table, where what this command did allows it now; told when not."""
        try:
            self.table.look_again()
        except CannotGoOnError as error:
            self._faults.append(f"master_plan.md: error: {error.message} (try: {error.advice})")

    def show(self) -> None:
        """Make the table show the state; a table that cannot be written holds nothing up."""
        try:
            self.table.show()
        except CannotGoOnError as error:
            tell(f"master_plan.md was not written: {error.message}")

    @property
    def faults(self) -> list[str]:
        """What kept the last look from reading a file of people at all, a line each."""
        return list(self._faults)


def open_session(place: Place) -> Session:
    """Open the run for a command that changes it; what is wrong with the files of people is told on stderr."""
    from orchestrator.workers.recovery import recover_and_tell

    session = _opened(place)
    recover_and_tell(session.store, tell)
    session.look()
    tell_problems(session)
    return session


def open_or_read(place: Place) -> Session:
    """The same for a command that also has something to say where nothing can be written, as on a read-only disk."""
    try:
        return open_session(place)
    except CannotGoOnError as error:
        session = read_session(place)  # raises the same where there is no run at all
        tell(f"nothing was put back or taken over: {error.message}")
        return session


def beside(place: Place) -> Session:
    """The run once more in a process that has opened it already: for a thread that changes the plan beside the rest.

    Nothing is recovered or taken over; the first one sees to that.
    """
    return _opened(place)


def read_session(place: Place) -> Session:
    """Open the run for a command that only reads. On a disk that can be written, people's changes count here too."""
    session = _opened(place)
    if os.access(place.paths.folder, os.W_OK):
        session.look()
        session.show()
    tell_problems(session)
    return session


def _opened(place: Place) -> Session:
    from orchestrator.workers.announcing import announce_in
    from orchestrator.workers.hands import WorkerHands

    store = Store.open(place.paths, tell)
    announce_in(store, tell)
    return Session(place, store, Table(store, WorkerHands()), PlanFile(store))


def tell_problems(session: Session) -> None:
    """Say on stderr what keeps a file of people from being taken over, with lines and advice."""
    for line in problem_lines(session):
        tell(line)


def problem_lines(session: Session) -> list[str]:
    """What is wrong with the files of people and with the journal, a line each."""
    lines = session.faults
    for name, problems in (
        ("plan.yaml", session.plan.problems),
        ("master_plan.md", session.table.problems),
        ("events.jsonl", lambda: session.store.problems),
    ):
        try:
            lines += [problem.text(name) for problem in problems()]
        except CannotGoOnError:
            pass  # a file that cannot be read, which is among the faults of the last look
    return list(dict.fromkeys(lines))


def own_command() -> str:
    """How a person or an agent calls this program again."""
    program = os.path.abspath(sys.argv[0]) if sys.argv and sys.argv[0] else "orchestrate"
    if os.path.basename(program) == "orchestrate.py":
        return f"python3 {shlex.quote(program)}"
    return "orchestrate"


def user() -> str:
    """Who gives a command."""
    import getpass

    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"


def known_tasks(session: Session, tasks: Sequence[str]) -> list[str]:
    """The ids as the plan writes them; raises for one that is not there."""
    from orchestrator.store.moves import known

    return [known(session.store.state, task).id for task in dict.fromkeys(tasks)]
