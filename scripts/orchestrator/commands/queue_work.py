"""``queue work``: one request from its triage to its report, in this process; ``queue run`` starts one for each."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import FrameType

from orchestrator import clock
from orchestrator.commands.estimate import project_estimate
from orchestrator.commands.init import created, new_id
from orchestrator.commands.merge import merge
from orchestrator.commands.plan import accepted
from orchestrator.commands.plan_sources import Wish, expansion
from orchestrator.commands.report import report
from orchestrator.commands.run import run
from orchestrator.commands.session import Place, open_session, tell
from orchestrator.dataclasses import dataclass, replace
from orchestrator.desk.following import followed
from orchestrator.desk.queuefolder import QueueFolder
from orchestrator.desk.requestfile import ENDED, Request, RequestStatus
from orchestrator.errors import CannotGoOnError, ExitCode, InvalidInputError, OrchestrateError, Problem, StoppedError
from orchestrator.events import EventType
from orchestrator.launchers.neighbours import Neighbours
from orchestrator.model import Json
from orchestrator.paths import ARCHIVED, DeskPaths
from orchestrator.plans.planfile import plan_text
from orchestrator.plans.spec import checked_plan, derived_name
from orchestrator.store.state import State
from orchestrator.store.store import FOLDERS, Store
from orchestrator.store.trust import untrusted_parts
from orchestrator.system.locks import remove_free_lock
from orchestrator.workers.options import Wishes

_OPEN = frozenset(RequestStatus) - ENDED
_WORKING = frozenset({RequestStatus.RUNNING})
_HALF_MADE = frozenset({*FOLDERS, "plan.yaml", "master_plan.md", "handoffs"})
"""What a run has before its journal is there; without that nothing of it counts."""


@dataclass(frozen=True, slots=True)
class _Made:
    """A plan for a request: its text, where it comes from and why, and what triage said, if it was asked."""

    text: str
    source: str
    why: str
    triaged: Mapping[str, Json]


def work(place: Place, id: str, wishes: Wishes, wish: Wish) -> ExitCode:
    """Work on the request ``id``: 0 completed, 1 failed or blocked, 4 to be taken again, 130 interrupted.

    Triage decides between one task for one role and a plan, unless the request does; what the plan starts must be
    trusted; the run is one like any other, merged when it is complete. The status of the request says how it ended.
    """
    desk = DeskPaths.of(place.paths)
    queue = QueueFolder(desk, tell)
    request = queue.request(id)
    lock = queue.work_lock(id)
    if not lock.try_acquire():
        raise CannotGoOnError(f"another process works on {id}", "`orchestrate queue show` says how far it is")
    try:
        with _ending():
            return _worked(desk, queue, request, wishes, wish)
    finally:
        lock.release()
        remove_free_lock(lock.path)


def _worked(desk: DeskPaths, queue: QueueFolder, request: Request, wishes: Wishes, wish: Wish) -> ExitCode:
    run_id = _run_id(desk, queue, request)
    taken = queue.change(request.id, only=_OPEN, status=RequestStatus.RUNNING, reason=None, orchestration_id=run_id)
    if taken is None or taken.status is not RequestStatus.RUNNING:
        raise CannotGoOnError(f"{request.id} is {taken.status if taken else 'gone'}", "add it again to have it done")
    place = Place(desk.run(run_id))
    code, has_begun = ExitCode.DONE, False
    status, reason = RequestStatus.PENDING, "interrupted"
    try:
        if not os.path.exists(place.paths.journal):
            _begin(desk, queue, taken, place, wish, wishes)
        has_begun = True
        code = _run(place, wishes)
        status, reason = _standing(place)
    except KeyboardInterrupt:
        code = ExitCode.INTERRUPTED
    except OrchestrateError as error:
        code = error.code
        status, reason = _status_of(error), _words(error)
        if has_begun and not os.path.exists(place.paths.journal):
            advice = f"`orchestrate queue work {request.id}` begins it anew"
            status, reason = RequestStatus.BLOCKED, f"the folder of its run was removed (try: {advice})"
    if code is ExitCode.INTERRUPTED and status is RequestStatus.PENDING:
        reason = "interrupted"
    if status is RequestStatus.COMPLETED:
        reason = _report(place)
    cost = _cost_usd(place)
    queue.change(request.id, only=_WORKING, cost_usd=cost, status=status, reason=reason or None)
    if status is RequestStatus.COMPLETED or code is ExitCode.INTERRUPTED:
        return code
    return ExitCode.STOPPED if status is RequestStatus.PENDING else ExitCode.PROBLEMS


def _run_id(desk: DeskPaths, queue: QueueFolder, request: Request) -> str:
    """The id of the run: the one that is there, else that of the request, else a new one where both are taken."""
    given = request.orchestration_id
    if given is not None and os.path.exists(desk.run(given).journal):
        return given
    queue.journal.refresh()
    for name in filter(None, (given, request.id)):
        was_there = name in queue.journal.run_usd or os.path.lexists(os.path.join(desk.archived_runs, name))
        if name.casefold() != ARCHIVED and not was_there and _is_free(desk.run(name).folder):
            return name
    return new_id(derived_name(request.request))


def _is_free(folder: str) -> bool:
    """Whether a run may be made there: nothing is, or only what one that was killed had begun to make."""
    if not os.path.lexists(folder):
        return True
    if os.path.islink(folder) or not os.path.isdir(folder):
        return False
    return all(name in _HALF_MADE or name.startswith(".") for name in os.listdir(folder))


def _begin(desk: DeskPaths, queue: QueueFolder, request: Request, place: Place, wish: Wish, wishes: Wishes) -> None:
    """Make the run of ``request``: one task for one role, or a plan."""
    if os.path.lexists(place.paths.folder):
        from shutil import rmtree

        rmtree(place.paths.folder)  # half of a run, see `_is_free`
    made = _made(desk, queue, request, place, wish)
    data = made.text.encode("utf-8", "replace")
    reading = checked_plan(data)
    plan = accepted(reading.plan, reading.problems, "the plan of the request")
    figures = project_estimate(place.paths, plan, wishes.jobs)
    for note in figures.notes:
        tell(note)
    session = created(place, data, reading, plan, request.orchestration_id)
    with session.store.change() as change:
        if made.triaged:
            change.record(EventType.REQUEST_TRIAGED, None, request=request.id, **made.triaged)
        change.record(
            EventType.REQUEST_PLANNED,
            request=request.id,
            source=made.source,
            why=made.why or None,
            subtasks=len(plan.tasks),
            estimate_usd=None if figures.cost_usd is None else list(figures.cost_usd),
        )
    session.show()
    session.store.close()


def _made(desk: DeskPaths, queue: QueueFolder, request: Request, place: Place, wish: Wish) -> _Made:
    """The plan of ``request``; the request says afterwards what was decided."""
    from orchestrator.desk.projectroles import find_roles
    from orchestrator.desk.triage import Decision, triage

    judged = triage(request.request)
    is_complex = request.orchestration_required
    if is_complex is None:
        is_complex = judged.decision is Decision.COMPLEX
    role = None if is_complex else request.assigned_to or judged.role or _role_of(request)
    triaged: dict[str, Json] = {
        "decision": str(Decision.COMPLEX if is_complex else Decision.SIMPLE),
        "score": judged.score,
        "role": role,
        "reasons": list(judged.reasons),
        "by": "triage" if request.orchestration_required is None else "request",
    }
    if role is not None:
        find_roles(desk.project, desk.folder).role(role)
    queue.change(request.id, only=_WORKING, orchestration_required=is_complex, assigned_to=role)
    if role is not None:
        name = derived_name(request.request)
        task: dict[str, Json] = {"id": "T-01", "name": name, "description": request.request, "role": role}
        text = plan_text({"title": name, "request": request.request, "tasks": [task]})
        return _Made(text, "role", role, triaged)
    if wish.is_auto:
        found, picked = expansion(desk.own_run, wish, request.request)
        return _Made(plan_text(found.plan), "template", picked.why if picked else "", triaged)
    return _Made(_drafted(desk, queue, request, place, wish), "model", "", triaged)


def _role_of(request: Request) -> str:
    """The role that the words of a request speak for that is one task because somebody said so."""
    from orchestrator.desk.triage import likely_role

    return likely_role(derived_name(request.request), request.request)[0]


def _drafted(desk: DeskPaths, queue: QueueFolder, request: Request, place: Place, wish: Wish) -> str:
    from orchestrator.commands.asked_plan import assignment_in, drafted

    kept = os.path.splitext(desk.log(request.id))[0] + ".draft.yaml"
    assignment = assignment_in(desk.own_run, request.request)

    left = Neighbours(place.paths).elsewhere(State()).money_left_usd
    if left is not None:
        if left <= 0:
            raise StoppedError("the budget of the desk is used up", "raise budget_usd in desk.yaml")
        wish = replace(wish, budget_usd=left if wish.budget_usd is None else min(left, wish.budget_usd))

    def note(cost_usd: float) -> None:
        queue.journal.record(
            EventType.REQUEST_ASKED, request.orchestration_id, request=request.id, cost_usd=round(cost_usd, 6)
        )

    return drafted(
        desk.own_run,
        wish,
        assignment,
        {"request": request.request},
        kept,
        "orchestrate init",
        check=_unread_rights,
        on_cost=note,
    ).text


def _unread_rights(text: str) -> list[Problem]:
    """What a plan that nobody reads before it runs may not grant its agents."""
    from orchestrator.desk.draftrights import unbounded_rights

    plan = checked_plan(text.encode("utf-8", "replace")).plan
    return [problem for task in (plan.tasks if plan else ()) for problem in unbounded_rights(task)]


def _run(place: Place, wishes: Wishes) -> ExitCode:
    session = open_session(place)
    if untrusted_parts(place.paths, session.store.state):
        return ExitCode.CANNOT_GO_ON
    session.store.close()
    return run(place, replace(wishes, is_waiting=False))


def _standing(place: Place) -> tuple[RequestStatus, str]:
    store = Store.open(place.paths)
    return followed(store.state, clock.now(), untrusted_parts(place.paths, store.state))


def _report(place: Place) -> str:
    """Bring the results of a completed run together; what went wrong with it, if anything did."""
    try:
        merge(place)
        report(place)
    except OrchestrateError as error:
        return f"completed, but not reported: {_words(error)}"
    return ""


def _cost_usd(place: Place) -> float | None:
    try:
        return round(Store.open(place.paths).state.spent_usd, 6)
    except OrchestrateError:
        return None


def _status_of(error: OrchestrateError) -> RequestStatus:
    """What a request becomes whose plan or run could not be made."""
    if isinstance(error, StoppedError):
        return RequestStatus.PENDING
    return RequestStatus.FAILED if isinstance(error, InvalidInputError) else RequestStatus.BLOCKED


def _words(error: OrchestrateError) -> str:
    told = "; ".join([error.message, *(problem.text() for problem in error.problems[:3])])
    return f"{told} (try: {error.advice})" if error.advice else told


@contextmanager
def _ending() -> Iterator[None]:
    """SIGTERM ends what is under way as Ctrl-C does, so that whatever was started is ended with it."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    names = [name for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    before = {name: signal.signal(getattr(signal, name), interrupt) for name in names}
    try:
        yield
    finally:
        for name, old in before.items():
            signal.signal(getattr(signal, name), old)
