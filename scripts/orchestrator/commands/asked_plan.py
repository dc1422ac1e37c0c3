"""A plan that a model makes: what it is given to plan with, and the rounds until its answer is right."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from orchestrator.commands.plan_sources import Wish
from orchestrator.commands.session import tell
from orchestrator.dataclasses import replace
from orchestrator.errors import InvalidInputError, OrchestrateError, Problem, Severity
from orchestrator.executors.claude_argv import claude_program
from orchestrator.model import Json, Task
from orchestrator.paths import RunPaths
from orchestrator.system import files

if TYPE_CHECKING:
    from orchestrator.plans.drafting import Check, Draft
    from orchestrator.render.plan_prompt import Assignment


def assignment_in(
    paths: RunPaths, request: str, task: Task | None = None, title: str = "", before: Sequence[str] = ()
) -> Assignment:
    """What the model is given: ``request``, or ``task`` of the plan ``title`` to split, and what the project has.

    ``before`` names the tasks that ``task`` depends on.
    """
    from orchestrator.desk.projectroles import find_roles
    from orchestrator.render.plan_prompt import Assignment
    from orchestrator.workers.hand_over import exists_in
    from orchestrator.workers.project_files import project_listing

    project = paths.project
    roles = {role.name: role.summary for role in find_roles(project, paths.folder).by_name.values()}
    return Assignment(request, project_listing(project), task, title, tuple(before), exists_in(project), roles)


def drafted(
    paths: RunPaths,
    wish: Wish,
    assignment: Assignment,
    head: Mapping[str, Json],
    kept: str,
    use: str,
    check: Check | None = None,
    on_cost: Callable[[float], None] = lambda usd: None,
) -> Draft:
    """The plan that the model made, found right; raises with what was wrong each time, the last answer in ``kept``.

    ``use`` is the command that takes such a file, without the file's name.
    ``on_cost`` is told what each answer has cost.
    """
    from orchestrator.plans.drafting import Answer, drafting, plan_schema, refused
    from orchestrator.workers.ask import NoAnswerError, Question, ask

    program = claude_program(wish.claude)
    schema = plan_schema()
    costs: list[float] = []

    def asked(text: str) -> Answer:
        left = None if wish.budget_usd is None else wish.budget_usd - sum(costs)
        if left is not None and left <= 0:
            raise InvalidInputError(f"the budget of ${wish.budget_usd:.2f} is used up", "raise --budget-usd")
        tell(f"asking again: answer {len(costs)} was refused" if costs else "asking the model for a plan")
        try:
            outcome = ask(program, paths.project, Question(text, "plan", wish.model, left, schema, may_read=True))
        except NoAnswerError as error:
            pay(error.cost_usd)
            if not error.may_pass:
                raise
            return Answer(fault=error.message)
        pay(outcome.cost_usd)
        return Answer(outcome.structured)

    def pay(usd: float) -> None:
        costs.append(usd)
        on_cost(usd)

    stopped: OrchestrateError | None = None
    conversation = drafting(
        assignment, head, lambda text: [*_role_faults(paths, text), *(check(text) if check else ())]
    )
    question = next(conversation)
    draft: Draft | None = None
    while draft is None:
        answer: Answer | None = None
        try:
            answer = asked(question)
        except OrchestrateError as error:
            stopped = error
        try:
            question = conversation.send(answer)
        except StopIteration as end:
            draft = end.value
    if draft.reading is not None:
        return draft
    if stopped is not None and not draft.refusals:
        raise stopped
    if draft.text:
        files.write_whole(kept, draft.text)
    raise refused(draft, os.path.relpath(kept) if draft.text else "", use, stopped)


def _role_faults(paths: RunPaths, text: str) -> list[Problem]:
    """An error for each role of a plan that there is not: the model was told which there are."""
    from orchestrator.plans.spec import checked_plan
    from orchestrator.workers.roles import role_problems

    plan = checked_plan(text.encode()).plan
    found = role_problems(paths, plan.tasks) if plan else []
    return [replace(problem, severity=Severity.ERROR) for problem in found]
