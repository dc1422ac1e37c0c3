"""A command's view of a run: the store opened, dead workers' tasks put back, people's changes taken over."""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field

from orchestrator.errors import CannotGoOnError, Problem
from orchestrator.model import Json
from orchestrator.paths import RunPaths
from orchestrator.store import Store
from orchestrator.table import Table


@dataclass(frozen=True, slots=True)
class Place:
    """Where a command works and how it answers: the folder of the run, JSON or text, ASCII or not."""

    paths: RunPaths
    as_json: bool = False

    @staticmethod
    def here(folder: str | None = None, as_json: bool = False) -> Place:
        """The place of the current folder."""
        return Place(RunPaths.of(os.getcwd(), folder), as_json)


def tell(message: str) -> None:
    """One line for a person, on stderr."""
    print(message, file=sys.stderr, flush=True)


def answer(place: Place, record: Json, text: str) -> None:
    """The answer of a command on stdout: one JSON document, or text."""
    if place.as_json:
        print(json.dumps(record, ensure_ascii=False))
    elif text:
        print(text)


@dataclass
class Session:
    """An open run. Changes go through ``store.change()``; ``close`` shows them in the table."""

    place: Place
    store: Store
    table: Table
    problems: list[Problem] = field(default_factory=list)

    def look(self) -> None:
        """Take over what people changed in plan.yaml and master_plan.md since the last look."""
        from orchestrator.takeover import take_over_plan

        self.store.refresh()
        self.problems = take_over_plan(self.store)
        self.table.take_over()
        self.problems += self.table.problems()

    def look_quietly(self) -> None:
        """The same while a run goes on: new problems are told once, and none holds anything up."""
        known = set(problem_lines(self))
        try:
            self.look()
        except CannotGoOnError as error:
            tell(f"could not look for changes by hand: {error.message}")
        for line in problem_lines(self):
            if line not in known:
                tell(line)

    def show(self) -> None:
        """Make the table show the state; a table that cannot be written holds nothing up."""
        try:
            self.table.show()
        except CannotGoOnError as error:
            tell(f"master_plan.md was not written: {error.message}")


def open_session(place: Place) -> Session:
    """Open the run for a command that changes it; what is wrong with the files of people is told on stderr."""
    from orchestrator.workers.hands import WorkerHands
    from orchestrator.workers.recovery import recover

    store = Store.open(place.paths, tell)
    session = Session(place, store, Table(store, WorkerHands()))
    for task in recover(store):
        tell(f"{task}: its worker or lease was gone; it is {store.state.status(task)} now")
    session.look()
    tell_problems(session)
    return session


def read_session(place: Place) -> Session:
    """Open the run for a command that only reads. On a disk that can be written, people's changes count here too."""
    from orchestrator.workers.hands import WorkerHands

    store = Store.open(place.paths, tell)
    session = Session(place, store, Table(store, WorkerHands()))
    if os.access(place.paths.folder, os.W_OK):
        try:
            session.look()
            session.table.show()
        except CannotGoOnError as error:
            tell(f"read only: {error.message}")
    else:
        session.problems = session.table.problems()
    tell_problems(session)
    return session


def tell_problems(session: Session) -> None:
    """Say on stderr what keeps a file of people from being taken over, with lines and advice."""
    for line in problem_lines(session):
        tell(line)


def problem_lines(session: Session) -> list[str]:
    """What is wrong with the files of people and with the journal, a line each."""
    table = set(map(id, session.table.problems()))
    lines = []
    for problem in session.problems:
        file = "master_plan.md" if id(problem) in table or problem in session.table.problems() else "plan.yaml"
        lines.append(problem.text(file))
    return [*lines, *(problem.text("events.jsonl") for problem in session.store.problems)]


def own_command() -> str:
    """How a person or an agent calls this program again."""
    program = os.path.abspath(sys.argv[0]) if sys.argv and sys.argv[0] else "orchestrate"
    if os.path.basename(program) == "orchestrate.py":
        return f"python3 {shlex.quote(program)}"
    return "orchestrate"


def known_tasks(session: Session, tasks: Sequence[str]) -> list[str]:
    """The ids as the plan writes them; raises for one that is not there."""
    from orchestrator.moves import known

    return [known(session.store.state, task).id for task in dict.fromkeys(tasks)]
