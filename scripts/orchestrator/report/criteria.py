"""The success criteria of a plan and how they were judged.

A judgement belongs to the words of its criterion, so that a criterion that is written anew has none. It counts while
the results that it was made upon are what they were: those of the tasks that show it, or for a model's judgement all.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

from orchestrator.dataclasses import dataclass
from orchestrator.model import Json, Status, Verdict
from orchestrator.store.state import State

MOST_SHOWN_BY = 20
"""So many tasks are named for one criterion; more would say nothing."""


@dataclass(frozen=True, slots=True)
class Criterion:
    """One success criterion: its number from 1, its words, and how it stands.

    ``shown_by`` are the tasks that show it, or where nobody judged it those that have it among their own criteria.
    ``by`` is who judged it, ``at`` when (unix seconds, None: nobody); ``note`` says why.
    """

    number: int
    text: str
    verdict: Verdict = Verdict.NOT_JUDGED
    shown_by: tuple[str, ...] = ()
    by: str = ""
    is_by_hand: bool = False
    at: float | None = None
    note: str = ""

    def record(self) -> dict[str, Json]:
        """The JSON form, without the time."""
        return {
            "number": self.number,
            "criterion": self.text,
            "verdict": str(self.verdict),
            "shown_by": [*self.shown_by],
            "by": self.by or None,
            "note": self.note or None,
        }


def criteria(state: State) -> list[Criterion]:
    """The success criteria of the plan of ``state``, each with the judgement that counts."""
    return [_criterion(state, n, text) for n, text in enumerate(state.plan.objectives.success_criteria, 1)]


def unmet(state: State) -> list[Criterion]:
    """Those that are judged not met."""
    return [each for each in criteria(state) if each.verdict is Verdict.NOT_MET]


def criterion_hash(text: str) -> str:
    """What the journal knows a criterion by."""
    return f"sha256:{sha256(text.encode('utf-8', 'replace')).hexdigest()[:16]}"


def basis(state: State, tasks: Sequence[str]) -> str:
    """The digest of the results of ``tasks`` as they are recorded now."""
    lines = [f"{task} {state.records[task].hash}" for task in sorted(tasks) if task in state.records]
    return sha256("\n".join(lines).encode()).hexdigest()[:16]


def basis_of_all(state: State) -> str:
    """The digest of all results: what a model's judgement is made upon."""
    return basis(state, [*state.tasks])


def likely_shown_by(state: State, text: str) -> tuple[str, ...]:
    """The tasks that have ``text`` among their own success criteria, in the order of the plan."""
    wanted = _folded(text)
    return tuple(
        task for task, spec in state.tasks.items() if any(_folded(each) == wanted for each in spec.success_criteria)
    )[:MOST_SHOWN_BY]


def _criterion(state: State, number: int, text: str) -> Criterion:
    judgement = state.judgements.get(criterion_hash(text))
    if judgement is None:
        return Criterion(number, text, shown_by=likely_shown_by(state, text))
    shown_by = tuple(task for task in judgement.shown_by if task in state.tasks)
    now = basis(state, shown_by) if judgement.is_by_hand else basis_of_all(state)
    if judgement.basis != now:
        again = [task for task in shown_by if state.status(task) is not Status.COMPLETED]
        why = f"{', '.join(again)} is open again" if again else "results have changed since"
        note = f"{judgement.by} judged it {judgement.verdict}, but {why}"
        return Criterion(number, text, shown_by=shown_by or likely_shown_by(state, text), note=note)
    return Criterion(
        number, text, judgement.verdict, shown_by, judgement.by, judgement.is_by_hand, judgement.at, judgement.note
    )


def _folded(text: str) -> str:
    return " ".join(text.split()).casefold().rstrip(".")
