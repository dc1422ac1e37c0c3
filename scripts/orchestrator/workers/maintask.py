"""``MAIN_TASK`` on disk: written whole and on record, and taken over when a person has edited it."""

from __future__ import annotations

import os

from orchestrator.errors import InvalidInputError, Problem
from orchestrator.events import EventType
from orchestrator.store.nextaction import NextStep, Surroundings
from orchestrator.store.records import MainTask
from orchestrator.store.settling import wait_until_settled
from orchestrator.store.state import State
from orchestrator.store.store import Store
from orchestrator.system import files
from orchestrator.texts.maintask import (
    LARGEST_BYTES,
    MainTaskReading,
    main_task_problems,
    main_task_text,
    read_main_task,
)
from orchestrator.workers.gathering import gathered
from orchestrator.workers.integrity import is_merged
from orchestrator.workers.project_files import missing_inputs

HAND = "hand"
"""Who set it: a person, in the file itself."""


def take_over_main_task(store: Store) -> list[Problem]:
    """Put on record what a person wrote into the file; what keeps it from that, and then what was there before holds.

    A file that is gone is written again.
    """
    path, main = store.paths.main_task, store.state.main_task
    data = _read(path)
    if data is None:
        if main is not None:
            files.write_whole(path, main_task_text(main))
        return []
    if main is not None and data == main_task_text(main).encode():
        return []
    wait_until_settled(path)
    reading = _checked(_read(path) or b"", store.state)
    if reading.value is None:
        return list(reading.problems)
    if reading.value == main:
        return []
    set_main_task(store, reading.value, HAND)
    return []


def set_main_task(store: Store, main: MainTask, by: str, action: str | None = None) -> None:
    """Put ``main`` on record, set ``by`` whom, and write the file. Raises ``InvalidInputError`` with every problem."""
    if problems := main_task_problems(main):
        raise InvalidInputError("MAIN_TASK does not hold that", "keep to the limits", problems)
    path = store.paths.main_task
    with store.change() as change:
        refused = _refused(path, change.state)
        if refused is not None:
            files.write_whole(f"{path}.refused", refused)
            store.tell(f"what MAIN_TASK said could not be read; it is kept in {os.path.basename(path)}.refused")
        change.record(
            EventType.MAIN_TASK_SET,
            main.task,
            status=str(main.status),
            next=main.next,
            focus=main.focus,
            action=action,
            by=by,
        )
        # Before the journal is written: what a crash in between leaves is the right text, set by hand as it seems.
        files.write_whole(path, main_task_text(main))


def set_next_step(store: Store, step: NextStep, by: str) -> None:
    """Put the derived ``step`` on record, unless it stands there already."""
    if step.main != store.state.main_task:
        set_main_task(store, step.main, by, str(step.action))


def surroundings(store: Store) -> Surroundings:
    """What the disk knows of the tasks."""
    paths = store.paths
    return Surroundings(
        missing_inputs=lambda task: missing_inputs(paths.project, store.state.tasks[task].inputs),
        has_context=lambda task: bool(gathered(paths, task).strip()),
        is_merged=lambda: is_merged(store),
    )


def _read(path: str) -> bytes | None:
    """The file, no further than it takes to see that it is too long. A symbolic link in its place is refused."""
    if os.path.isfile(path) and not os.path.islink(path) and os.path.getsize(path) > LARGEST_BYTES:
        with open(path, "rb") as file:
            return file.read(LARGEST_BYTES + 1)
    return files.read_own_or_none(path)


def _checked(data: bytes, state: State) -> MainTaskReading:
    """What ``data`` says; a task that the plan does not have is a problem too, another case of letters is none."""
    from orchestrator.errors import UsageError
    from orchestrator.store.moves import known

    reading = read_main_task(data)
    if reading.value is None or reading.value.task is None:
        return reading
    main = reading.value
    try:
        task = known(state, str(main.task)).id
    except UsageError as error:
        return MainTaskReading(None, (Problem(f"TASK: {error.message}", error.advice),))
    return MainTaskReading(MainTask(main.status, main.next, task, main.focus))


def _refused(path: str, state: State) -> bytes | None:
    """What a person wrote and what is not read, before it is written over."""
    data = _read(path)
    if data is None or (state.main_task is not None and data == main_task_text(state.main_task).encode()):
        return None
    return data if read_main_task(data).value is None else None
