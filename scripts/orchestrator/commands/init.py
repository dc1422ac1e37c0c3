"""Phase 2: ``init`` makes a run of a plan, ``trust`` accepts what the plan may start."""

from __future__ import annotations

import os
import secrets

from orchestrator import clock, files
from orchestrator.commands.plan import accepted, plan_file, read_plan_file
from orchestrator.commands.session import Place, Session, answer, open_session, tell
from orchestrator.errors import CannotGoOnError, ExitCode
from orchestrator.events import EventType
from orchestrator.model import Json, Plan
from orchestrator.spec import checked_plan
from orchestrator.paths import RunPaths
from orchestrator.store import Store
from orchestrator.table import Table
from orchestrator.takeover import apply_version
from orchestrator.trust import trust_digest, trusted_parts, untrusted_parts
from orchestrator.workers.hand_over import write_agent_file
from orchestrator.workers.hands import WorkerHands


def init(place: Place, named: str | None, *, is_forced: bool = False, is_trusted: bool = False) -> ExitCode:
    """Make a run of a plan: its journal, ``master_plan.md``, and one file for each agent."""
    path = plan_file(place, named)
    data = read_plan_file(path)
    reading = checked_plan(data)
    plan = accepted(reading.plan, reading.problems, path)
    for problem in reading.problems:
        tell(problem.text(os.path.relpath(path)))
    kept = _make_room(place, is_forced)
    if kept:
        tell(f"the old run was kept in {kept}")
    session = created(place, data, plan)
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
    }
    text = (
        f"Created {len(plan.tasks)} tasks in {state.stages} stages for {len(set(state.agents.values()))} agents.\n"
        f"Plan and status: {os.path.relpath(place.paths.table)}\n"
        "Next: orchestrate next (do them here) or orchestrate run (worker processes)"
    )
    answer(place, record, text)
    return ExitCode.DONE


def created(place: Place, data: bytes, plan: Plan) -> Session:
    """A new run in the place, which has none: everything is there, or nothing."""
    paths = place.paths
    files.make_private_folder(paths.folder)
    for name in ("store", "agent_tasks", "results", "context", "workers", "logs"):
        files.make_private_folder(paths.inside(name))
    if os.path.realpath(paths.plan) != os.path.realpath(plan_source(paths, data)):
        files.write_whole(paths.plan, data)
    reading = checked_plan(data)
    store = Store(paths, tell)
    with store.change() as change:
        change.record(
            EventType.ORCHESTRATION_STARTED,
            orchestration_id=new_id(plan.title),
            title=plan.title,
            subtasks=len(plan.tasks),
            agents=len({task.agent or task.id for task in plan.tasks}),
        )
        apply_version(store, change, reading, files.digest(data), by="init")
    for task in store.state.tasks:
        write_agent_file(paths, store.state, task)
    session = Session(place, store, Table(store, WorkerHands()))
    session.show()
    return session


def plan_source(paths: RunPaths, data: bytes) -> str:
    """Where ``data`` already lies as the run's plan; an empty name when it must still be written."""
    return paths.plan if files.read_bytes_or_none(paths.plan) == data else ""


def new_id(title: str) -> str:
    """An id for a run: the day, the words of its title, and something that is unique."""
    words = "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in title.lower())
    slug = "-".join(filter(None, words.split("-")))[:32].strip("-") or "run"
    day = clock.utc_text(clock.now())[:10].replace("-", "")
    return f"{day}-{slug}-{secrets.token_hex(3)}"


def _make_room(place: Place, is_forced: bool) -> str | None:
    """Put an old run aside, or refuse; where it is kept, if there was one."""
    from orchestrator.locks import is_held

    paths = place.paths
    if not os.path.exists(paths.journal):
        return None
    if not is_forced:
        raise CannotGoOnError(
            f"there is a run in {paths.folder} already",
            "`orchestrate status` shows it, `orchestrate add` puts tasks into it, `init --force` keeps it aside and begins anew",
        )
    if is_held(paths.run_lock):
        raise CannotGoOnError("the old run is active", "end it with Ctrl-C where it runs, then `init --force`")
    stamp = clock.utc_text(clock.now()).replace(":", "").replace("-", "")[:15]
    kept = f"{paths.folder}.{stamp}.old"
    number = 1
    while os.path.exists(kept):
        number += 1
        kept = f"{paths.folder}.{stamp}-{number}.old"
    keep_aside = ("templates", "roles", "desk.yaml", "queue", "runs")
    os.rename(paths.folder, kept)
    files.make_private_folder(paths.folder)
    for name in keep_aside:
        if os.path.exists(os.path.join(kept, name)):
            os.rename(os.path.join(kept, name), paths.inside(name))
    return kept


def trust(place: Place) -> ExitCode:
    """Accept what the plan may start, as it now is."""
    session = open_session(place)
    parts = trust_now(session)
    session.show()
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
    return parts


def _tell_untrusted(session: Session) -> None:
    parts = untrusted_parts(session.store.paths, session.store.state)
    if parts:
        tell("The plan starts programs that are not trusted yet (`orchestrate trust` accepts them):")
        for part in parts:
            tell(f"  {part}")
