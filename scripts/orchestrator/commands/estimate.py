"""Phase 1: ``estimate``, what a plan will take, or what a request would take before anybody has planned it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from orchestrator.commands.plan import meant_plan
from orchestrator.commands.plan_sources import Wish, expansion
from orchestrator.commands.session import Place, answer, tell
from orchestrator.errors import ExitCode, InvalidInputError
from orchestrator.model import DEFAULT_JOBS, Estimate, Json, Plan, Task
from orchestrator.paths import DeskPaths, RunPaths
from orchestrator.plans.estimate import EstimateReport, estimate, estimate_text
from orchestrator.plans.spec import derived_name

if TYPE_CHECKING:
    from orchestrator.desk.triage import Triage


def estimate_plan(
    place: Place, named: str | None, *, jobs: int | None = None, with_slack: bool = False, is_ascii: bool = False
) -> ExitCode:
    """Critical path, work, parallelism, stages, duration, tokens, cost and bottlenecks of the plan that is meant."""
    report = project_estimate(place.paths, meant_plan(place, named), jobs)
    answer(place, report.record(), estimate_text(report, with_slack, is_ascii))
    return ExitCode.DONE


def estimate_request(
    place: Place,
    request: str,
    wish: Wish,
    *,
    jobs: int | None = None,
    with_slack: bool = False,
    is_ascii: bool = False,
) -> ExitCode:
    """The same for ``request``, offline: one task where it is simple, else the plan that a template makes of it.

    A template that is wished for is taken whatever the request looks like.
    """
    from orchestrator.desk.triage import Decision, triage

    judged = triage(request)
    if judged.decision is Decision.SIMPLE and not wish.template:
        plan, template = _single_task(request, judged), None
        why = f"simple: one task for the role {judged.role}"
    else:
        found, picked = expansion(place.paths, wish, request)
        template = picked.template if picked else wish.template
        made = found.reading().plan
        if made is None:
            raise InvalidInputError(
                f"the plan of the template {template} would be refused", "give other values with --set"
            )
        plan = made
        asked = f"the template {template}, as asked for; by its words the request is {judged.decision}"
        why = f"{judged.decision}: {picked.why}" if picked else asked
    report = project_estimate(place.paths, plan, jobs)
    about: Mapping[str, Json] = {
        "decision": str(judged.decision),
        "complexity": str(judged.complexity),
        "template": template,
        "why": why,
        "minutes_by_words": judged.minutes,
        "tokens_by_words": judged.tokens,
    }
    lines = [why, f"Going by its words alone: about {judged.minutes} minutes of work, {judged.tokens:,} tokens.", ""]
    text = "\n".join([*lines, estimate_text(report, with_slack, is_ascii)])
    answer(place, {**report.record(), "request": dict(about)}, text)
    return ExitCode.DONE


def _single_task(request: str, judged: Triage) -> Plan:
    """A simple request as the plan that it would be run as."""
    name, seconds = derived_name(request), judged.minutes * 60.0
    task = Task(
        "T-01",
        name,
        request,
        role=judged.role,
        estimate=Estimate(seconds, seconds),
        estimate_tokens=judged.tokens,
    )
    return Plan(name, request=request, tasks=(task,))


def project_estimate(paths: RunPaths, plan: Plan, jobs: int | None = None) -> EstimateReport:
    """The estimate of ``plan`` by the desk's prices and the models of roles, on ``jobs`` slots or those of the plan.

    A desk.yaml that cannot be used is told, and the bundled prices hold.
    """
    from orchestrator.desk.projectroles import find_roles
    from orchestrator.launchers.neighbours import SettingsFile

    has_roles = any(task.role and not task.model for task in plan.tasks)
    roles = find_roles(paths.project, paths.folder).by_name if has_roles else {}
    models = {name: role.model for name, role in roles.items()}
    prices = SettingsFile(DeskPaths.of(paths).settings, tell).settings().prices
    return estimate(plan, jobs or plan.run.jobs or DEFAULT_JOBS, prices, models)
