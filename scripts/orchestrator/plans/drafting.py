"""A plan made by a model: what it is asked, what is wrong with its answer, and what goes back to it. Starts nothing.

An answer is believed for nothing: it passes the same checks as a plan that a person wrote.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from typing import TypeAlias

from orchestrator.dataclasses import dataclass
from orchestrator.errors import InvalidInputError, OrchestrateError, Problem, errors_of
from orchestrator.model import Json
from orchestrator.plans.planfile import plan_text
from orchestrator.plans.planschema import json_schema
from orchestrator.plans.spec import PlanReading, checked_plan
from orchestrator.render.plan_prompt import Assignment, plan_prompt
from orchestrator.wording import found

MOST_ROUNDS = 3
"""How often problems go back; with the first question there are four answers at most."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: a value, or with ``fault`` why there is none."""

    value: Json = None
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Draft:
    """The last answer that was a plan, as plan.yaml, and what was wrong each time.

    ``reading`` is None where none was right.
    """

    text: str
    reading: PlanReading | None
    refusals: tuple[tuple[Problem, ...], ...] = ()


Rounds: TypeAlias = Generator[str, Answer | None, Draft]
"""Yields what to ask, is sent the answer, or None where nobody may be asked any more; returns the draft."""
Check: TypeAlias = Callable[[str], Sequence[Problem]]
"""Further rules for an answer that is a good plan in itself, given as plan.yaml."""


def no_more(text: str) -> Sequence[Problem]:
    """No further check."""
    return ()


def drafting(assignment: Assignment, head: Mapping[str, Json], check: Check = no_more) -> Rounds:
    """The conversation about ``assignment``.

    ``head`` are keys of plan.yaml that are not the model's to say, such as the request in the user's words.
    """
    last, text, problems = "", "", list[Problem]()
    refusals: list[tuple[Problem, ...]] = []
    for _ in range(1 + MOST_ROUNDS):
        answer = yield plan_prompt(assignment, text, problems)
        if answer is None:
            break
        if answer.fault:
            problems = [Problem(f"there was no answer to judge: {answer.fault}")]
        else:
            text, reading, problems = _judged(answer.value, head, check)
            last = text or last
            if reading is not None and not errors_of(problems):
                return Draft(text, reading, tuple(refusals))
        refusals.append(tuple(problems))
    return Draft(last, None, tuple(refusals))


def plan_schema() -> dict[str, Json]:
    """The JSON Schema of plan.yaml for an answer, which must have tasks."""
    schema = json_schema()
    return {**schema, "required": ["tasks"]}


def refused(draft: Draft, kept: str, use: str, stopped: OrchestrateError | None = None) -> InvalidInputError:
    """The error for a draft that never became right: what was wrong each time, and where the last one is.

    ``use`` is the command that takes the file ``kept``, without its name. ``stopped`` is what ended the conversation
    before its time; the error has its exit code.
    """
    told = [
        Problem(f"answer {number}: {problem.message}", problem.advice, problem.line, problem.task, problem.severity)
        for number, problems in enumerate(draft.refusals, 1)
        for problem in errors_of(problems)
    ]
    where = f"; the last answer is kept in {kept}" if kept else ""
    count = len(draft.refusals)
    why = f": {stopped.message}" if stopped else ""
    error = InvalidInputError(
        f"the model gave no valid plan in {count} answer{'s' * (count != 1)}{why}{where}",
        f"mend it and `{use} {kept}`, or use --template or --auto" if kept else "use --template or --auto",
        told,
    )
    error.code = stopped.code if stopped else error.code
    return error


def _judged(value: Json, head: Mapping[str, Json], check: Check) -> tuple[str, PlanReading | None, list[Problem]]:
    """The answer as plan.yaml, as it was read, and everything that is wrong with it."""
    if not isinstance(value, dict):
        return "", None, [Problem(f"the answer must be a plan, found {found(value)}", "give `tasks` and `title`")]
    values = {key: each for key, each in value.items() if key != "version"} | dict(head)
    try:
        text = plan_text(values)
    except (OrchestrateError, ValueError) as error:
        return "", None, [Problem(f"the answer cannot be written as plan.yaml: {error}", "use plain texts and lists")]
    reading = checked_plan(text.encode("utf-8", "replace"))
    problems = list(reading.problems)
    if reading.plan is not None and not reading.plan.tasks:
        problems.append(Problem("the plan has no tasks", "give 3 to 10 tasks", reading.lines(("tasks",))))
    elif reading.plan is not None:
        problems += check(text)
    return text, reading, problems
