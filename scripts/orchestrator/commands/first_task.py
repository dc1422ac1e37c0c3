"""A run that begins with nothing but a sentence: a plan of one task, or of a template, and the first ``MAIN_TASK``."""

from __future__ import annotations

import os

from orchestrator import clock
from orchestrator.commands.given_request import plannable_request
from orchestrator.commands.init import new_run
from orchestrator.commands.plan import accepted
from orchestrator.commands.plan_sources import Wish, expansion
from orchestrator.commands.session import Place, Session
from orchestrator.errors import CannotGoOnError
from orchestrator.model import Json
from orchestrator.plans.planfile import plan_text
from orchestrator.plans.spec import checked_plan, derived_name
from orchestrator.store.nextaction import next_step
from orchestrator.workers.maintask import set_next_step, surroundings


def has_plan(place: Place) -> bool:
    """Whether there is a run, or a plan that one could be made of."""
    paths = place.paths
    return any(map(os.path.exists, (paths.journal, paths.plan, os.path.join(paths.project, "plan.yaml"))))


def begin_with_task(place: Place, task: dict[str, Json], by: str) -> Session:
    """Make a plan of one task, whose description is the request, and a run of it; its first step is to split it."""
    name, request = str(task.get("name") or derived_name(str(task["description"]))), str(task["description"])
    plan: dict[str, Json] = {"version": 1, "title": name, "request": request, "tasks": [{**task, "name": name}]}
    return _begun(place, plan_text(plan), by)


def begin_with_request(place: Place, request: str | None, template: str | None, by: str) -> Session:
    """The same for a request, or with ``template`` a plan of that template."""
    text = plannable_request(request, None, "loop")
    if template is None:
        return begin_with_task(place, {"description": text}, by)
    found, _ = expansion(place.paths, Wish(template), text)
    accepted(found.reading().plan, found.reading().problems, f"the plan of the template {template}")
    return _begun(place, plan_text(found.plan), by)


def _begun(place: Place, text: str, by: str) -> Session:
    if has_plan(place):
        raise CannotGoOnError(
            "there is a plan already", "`orchestrate init` makes a run of plan.yaml; `loop` goes on with a run"
        )
    data = text.encode()
    reading = checked_plan(data)
    plan = accepted(reading.plan, reading.problems, place.paths.plan)
    session, _ = new_run(place, data, reading, plan)
    set_next_step(session.store, next_step(session.store.state, clock.now(), surroundings(session.store)), by)
    session.show()
    return session
