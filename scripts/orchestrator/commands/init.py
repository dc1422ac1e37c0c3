"""Phase 2: ``init`` makes a run of a plan, ``trust`` accepts what the plan may start."""

from __future__ import annotations

import os
import secrets
from collections.abc import Sequence

from orchestrator import clock, ids
from orchestrator.commands.aside import put_aside, undoing
from orchestrator.commands.plan import accepted, plan_file, read_plan_file
from orchestrator.commands.session import Place, Session, answer, open_session, tell
from orchestrator.errors import CannotGoOnError, ExitCode
from orchestrator.events import EventType
from orchestrator.model import Json, Plan
from orchestrator.paths import RunPaths
from orchestrator.plans.spec import PlanReading, checked_plan
from orchestrator.store.store import FOLDERS, Store, refuse_links
from orchestrator.store.table import Table
from orchestrator.store.takeover import PlanFile, apply_version
from orchestrator.store.trust import trust_digest, trusted_parts, untrusted_parts
from orchestrator.system import files
from orchestrator.system.locks import FileLock, remove_free_lock
from orchestrator.workers.announcing import announce_in
from orchestrator.workers.hand_over import write_agent_file
from orchestrator.workers.hands import WorkerHands
from orchestrator.workers.links import link_problems
from orchestrator.workers.roles import role_problems

NEXT_STEP = "Next: orchestrate next (do them here) or orchestrate run (worker processes)"
MOST_PROPOSED = 30
"""A plan with more tasks without a role gets no proposals."""


def init(
    place: Place,
    named: str | None,
    *,
    is_forced: bool = False,
    is_trusted: bool = False,
    takes_roles: bool = False,
) -> ExitCode:
    """Make a run of a plan: its journal, ``master_plan.md``, and one file for each agent.

    The run's copy of the plan gets the ids that were assigned and, with ``takes_roles``, the proposed roles.
    """
    path = plan_file(place, named)
    data = read_plan_file(path)
    reading = checked_plan(data)
    links = link_problems(place.paths.project, reading.plan.tasks if reading.plan else ())
    plan = accepted(reading.plan, [*reading.problems, *links], path)
    for problem in (*reading.problems, *role_problems(place.paths, plan.tasks)):
        tell(problem.text(os.path.relpath(path)))
    proposed = _proposed_roles(plan)
    written = _with_ids(data, reading)
    if takes_roles and proposed:
        written = _with_roles(written, proposed)
    if written != data:
        data, reading = written, checked_plan(written)
        plan = accepted(reading.plan, reading.problems, path)
    session, kept = new_run(place, data, reading, plan, is_forced=is_forced)
    if kept:
        tell(f"the old run was kept in {kept}")
    if is_trusted:
        trust_now(session)
    _tell_untrusted(session)
    state = session.store.state
    record: Json = {
        "id": state.id,
        "title": plan.title,
        "tasks": list(state.tasks),
        "agents": dict(state.agents),
        "stages": state.stages,
        "master_plan": place.paths.table,
        "kept": kept,
        "proposed_roles": [{"task": task, "role": role, "why": why} for task, role, why in proposed],
    }
    lines = [
        f"Created {len(plan.tasks)} tasks in {state.stages} stages for {len(set(state.agents.values()))} agents.",
        f"Plan and status: {os.path.relpath(place.paths.table)}",
    ]
    if proposed:
        where = f"`role:` in {os.path.relpath(place.paths.plan)}"
        lines.append(f"Roles, written to {where}:" if takes_roles else f"Proposed roles, for {where}:")
        lines += [f"  {task}: {role}, {why}" for task, role, why in proposed]
    answer(place, record, "\n".join([*lines, NEXT_STEP]))
    return ExitCode.DONE


def _proposed_roles(plan: Plan) -> list[tuple[str, str, str]]:
    """For each task that names no role: the task, the role that its words speak for, and why.

    Nothing is proposed for a plan that nobody reads line by line.
    """
    without = [task for task in plan.tasks if task.role is None]
    if not without or len(without) > MOST_PROPOSED:
        return []
    from orchestrator.desk.rolefiles import proposed_role

    return [(task.id, *proposed_role(task)) for task in without]


def _with_ids(data: bytes, reading: PlanReading) -> bytes:
    """The plan with the ids that were assigned written down: who later puts a task between others renames none.

    As it is where that cannot be done, as in one whose tasks are made by references to each other.
    """
    if any("id" not in given for given in reading.given):
        from orchestrator.plans.planfile import PlanFileError, with_ids

        try:
            return with_ids(data.decode("utf-8-sig")).encode()
        except PlanFileError:
            pass
    return data


def _with_roles(data: bytes, proposed: Sequence[tuple[str, str, str]]) -> bytes:
    from orchestrator.plans.planfile import with_task_fields

    text = data.decode("utf-8-sig")
    for task, role, _ in proposed:
        text = with_task_fields(text, task, {"role": role})
    return text.encode()


def new_run(
    place: Place, data: bytes, reading: PlanReading, plan: Plan, *, is_forced: bool = False
) -> tuple[Session, str | None]:
    """A new run of ``plan``, and where an old one is kept; refuses, unless it is forced, where there is one."""
    files.make_folder(os.path.dirname(place.paths.folder))
    lock = FileLock(f"{place.paths.folder}.init-lock", signed=False)
    try:
        with lock:
            kept = _make_room(place.paths, is_forced)
            with undoing(place.paths, kept, data):
                session = created(place, data, reading, plan)
    finally:
        remove_free_lock(lock.path)
    return session, kept


def created(place: Place, data: bytes, reading: PlanReading, plan: Plan, id: str | None = None) -> Session:
    """A new run in the place, which has none. Its journal is there last: until then there is no run."""
    paths = place.paths
    refuse_links(paths)
    files.make_private_folder(paths.folder)
    for name in FOLDERS:
        files.make_private_folder(paths.inside(name))
    store = Store.begin(paths, tell)
    announce_in(store, tell)
    if files.read_bytes_or_none(paths.plan) != data:
        files.write_whole(paths.plan, data)
    with store.change() as change:
        change.record(
            EventType.ORCHESTRATION_STARTED,
            orchestration_id=id or new_id(plan.title),
            title=plan.title,
            subtasks=len(plan.tasks),
            agents=len(set(ids.assigned_agents(plan.tasks, {}).values())),
        )
        apply_version(store, change, reading, files.digest(data), by="init")
    for task in store.state.tasks:
        write_agent_file(paths, store.state, task)
    session = Session(place, store, Table(store, WorkerHands()), PlanFile(store))
    session.table.show()
    store.publish()
    return session


def new_id(title: str) -> str:
    """An id for a run: the day, the words of its title, and something that is unique."""
    words = "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in title.lower())
    slug = "-".join(filter(None, words.split("-")))[:32].strip("-") or "run"
    day = clock.utc_text(clock.now())[:10].replace("-", "")
    return f"{day}-{slug}-{secrets.token_hex(3)}"


def _make_room(paths: RunPaths, is_forced: bool) -> str | None:
    """Put an old run aside, or refuse; where it is kept, if there was one."""
    if not os.path.exists(paths.journal):
        return None
    if not is_forced:
        raise CannotGoOnError(
            f"there is a run in {paths.folder} already",
            "`orchestrate status` shows it, `orchestrate add` puts tasks into it,"
            " `orchestrate init --force` keeps it aside and begins anew",
        )
    return put_aside(paths)


def trust(place: Place) -> ExitCode:
    """Accept what the plan may start, as it now is."""
    session = open_session(place)
    parts = trust_now(session)
    answer(
        place,
        {"trusted": list(parts), "hash": session.store.state.trusted},
        "\n".join(["Trusted:", *(f"  {part}" for part in parts)])
        if parts
        else "The plan starts no programs of its own.",
    )
    return ExitCode.DONE


def trust_now(session: Session) -> list[str]:
    """Record that a person accepts what the plan may start; the answer lists it."""
    parts = trusted_parts(session.store.paths, session.store.state)
    with session.store.change() as change:
        change.record(EventType.TRUSTED, hash=trust_digest(parts))
    session.look_again()
    session.show()
    return parts


def _tell_untrusted(session: Session) -> None:
    parts = untrusted_parts(session.store.paths, session.store.state)
    if parts:
        tell("The plan starts programs that are not trusted yet (`orchestrate trust` accepts them):")
        for part in parts:
            tell(f"  {part}")
