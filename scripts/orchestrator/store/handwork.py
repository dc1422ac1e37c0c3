"""Edits of the status table that a person may make, judged and recorded; all of one save or none."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Protocol

from orchestrator.dataclasses import dataclass, field
from orchestrator.errors import MoveRefusedError, OrchestrateError, Problem
from orchestrator.events import EventType
from orchestrator.model import Status
from orchestrator.store import moves
from orchestrator.store.edits import DroppedEdit, Edit, FieldEdit, MoveEdit
from orchestrator.store.store import Store, StoreChange
from orchestrator.system import files

BY_HAND = "set by hand in master_plan.md"
_LONGEST_FIELDS = 1000
"""Characters of new values that fit into a line of the journal; longer ones get a file."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A result file in its place that passed every check of its task."""

    result: str
    hash: str
    reason: str = ""


class Hands(Protocol):
    """What an edit by hand needs from the layers above."""

    def judged(self, store: Store, task: str) -> Judged:
        """The result file of ``task`` in its place, checked; raises when it does not pass. May take long."""
        ...

    def end_worker(self, store: Store, task: str) -> None:
        """End the worker of the running ``task``, if it has one."""
        ...

    def refresh(self, store: Store, tasks: Sequence[str]) -> None:
        """Write the assignments again that ``tasks`` concern, which have changed or ended."""
        ...


@dataclass(frozen=True, slots=True)
class Judgement:
    """The results of the tasks that one version of the file (``digest``) completes, or why they do not count."""

    digest: str
    results: dict[str, tuple[int, Judged]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


def completions(edits: Sequence[Edit]) -> list[MoveEdit]:
    """The edits whose results have to be judged first."""
    return [edit for edit in edits if isinstance(edit, MoveEdit) and edit.new is Status.COMPLETED]


def judge(store: Store, hands: Hands, edits: Sequence[MoveEdit], digest: str) -> Judgement:
    """Check the results that ``edits`` declare done. Commands of the plan run here, so no lock may be held."""
    judgement = Judgement(digest)
    for edit in edits:
        attempt = store.state.records[edit.task].attempt
        try:
            judgement.results[edit.task] = attempt, hands.judged(store, edit.task)
        except OrchestrateError as error:
            judgement.problems.extend(_problems_of(error, edit))
    return judgement


def record(store: Store, hands: Hands, edits: Sequence[Edit], judgement: Judgement) -> list[Problem]:
    """Record ``edits``; what refuses them, and then none was recorded."""
    edit: Edit | None = None
    try:
        with store.change() as change:
            for edit in edits:
                _record_one(change, edit, judgement)
            for edit in edits:
                if isinstance(edit, MoveEdit) and edit.old is Status.RUNNING:
                    # Under the lock: else its supervisor would record the end of the worker before us.
                    hands.end_worker(store, edit.task)
    except OrchestrateError as error:
        if edit is None:
            raise
        return _problems_of(error, edit)
    hands.refresh(store, [edit.task for edit in edits if not isinstance(edit, DroppedEdit)])
    return []


def _record_one(change: StoreChange, edit: Edit, judgement: Judgement) -> None:
    if isinstance(edit, DroppedEdit):
        change.record(EventType.EDIT_PUT_BACK, edit.task, cell=edit.cell, reason=edit.reason)
    elif isinstance(edit, FieldEdit):
        _record_fields(change, edit)
    elif edit.new is Status.SKIPPED:
        moves.skip(change, edit.task, BY_HAND)
    elif edit.new is Status.PENDING:
        moves.reopen(change, edit.task, BY_HAND)
    elif edit.new is Status.RUNNING:
        moves.start_by_hand(change, [edit.task])
    else:
        _complete(change, edit.task, judgement)


def _record_fields(change: StoreChange, edit: FieldEdit) -> None:
    if len(json.dumps(edit.fields)) <= _LONGEST_FIELDS:
        change.record(EventType.TASK_EDITED, edit.task, fields=edit.fields, by="table")
        return
    payload = change.write_payload({"fields": edit.fields}, "edit")
    change.record(EventType.TASK_EDITED, edit.task, fields=dict.fromkeys(edit.fields), payload=payload, by="table")


def _complete(change: StoreChange, task: str, judgement: Judgement) -> None:
    attempt, judged = judgement.results[task]
    state = change.state
    data = files.read_own_or_none(change.paths.inside(*judged.result.split("/")))
    if state.records[task].attempt != attempt or data is None or files.digest(data) != judged.hash:
        raise MoveRefusedError(f"{task} went on while its result was checked", "save the table again")
    if state.status(task) is not Status.RUNNING:
        moves.start_by_hand(change, [task])
    spent = moves.spent_until_now(change, task)
    moves.complete(change, task, result=judged.result, hash=judged.hash, spent=spent, reason=judged.reason)


def _problems_of(error: OrchestrateError, edit: Edit) -> list[Problem]:
    """What ``error`` says, with the line of the edit that it is about."""
    line = edit.line + 1
    if not error.problems:
        return [Problem(error.message, error.advice, line, edit.task)]
    return [Problem(found.message, found.advice, line, edit.task) for found in error.problems]
