"""``start``: tasks that are done by hand. It imports nothing more than it needs, as many may be given at once."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.commands.answers import answer_tasks, started_text
from orchestrator.commands.session import Place, known_tasks, open_session
from orchestrator.errors import ExitCode, MoveRefusedError
from orchestrator.launchers.neighbours import Neighbours
from orchestrator.store import moves
from orchestrator.store.schedule import Elsewhere, Holdings
from orchestrator.store.state import State


def start(place: Place, tasks: Sequence[str], *, is_renewal: bool = False, is_ascii: bool = False) -> ExitCode:
    """Begin tasks by hand; each holds until it is completed, failed or skipped, or its lease ends."""
    session = open_session(place)
    names = known_tasks(session, tasks)
    neighbours = Neighbours(place.paths)
    with neighbours.deciding(session.store.state), session.store.change() as change:
        if is_renewal:
            for task in names:
                moves.renew(change, task)
        else:
            _refuse_clash(change.state, names, neighbours.elsewhere(change.state))
            moves.start_by_hand(change, names)
    session.show()
    answer_tasks(session, names, "" if place.as_json else started_text(session, names, is_ascii=is_ascii))
    return ExitCode.DONE


def _refuse_clash(state: State, tasks: Sequence[str], elsewhere: Elsewhere) -> None:
    """Raise where a task wants what a task of another run of the same desk holds."""
    holdings = Holdings(elsewhere.tasks)
    for task in tasks:
        if clash := holdings.clash(state.tasks[task]):
            raise MoveRefusedError(
                f"{task} cannot run beside {clash[0]} of another run: both want {clash[1]}",
                f"wait until {clash[0]} has ended",
            )
