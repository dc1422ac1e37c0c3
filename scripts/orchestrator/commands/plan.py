"""Phase 1: ``validate``, ``schema``, ``graph``."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence

from orchestrator.commands.session import Place, answer, read_session
from orchestrator.errors import CannotGoOnError, ExitCode, InvalidInputError, Problem, UsageError, errors_of
from orchestrator.model import Json, Plan
from orchestrator.plans.spec import checked_plan
from orchestrator.system import files


def plan_file(place: Place, named: str | None) -> str:
    """The plan to read: the one that was named, else ``plan.yaml`` here, else that of the run."""
    if named is not None:
        return os.path.abspath(named)
    here = os.path.join(place.paths.project, "plan.yaml")
    return here if os.path.exists(here) else place.paths.plan


def read_plan_file(path: str) -> bytes:
    """The bytes of a plan; raises when there is none."""
    if os.path.isdir(path):
        raise CannotGoOnError(
            f"{path} is a folder, expected a plan", "name the file, as in `orchestrate init plan.yaml`"
        )
    data = files.read_bytes_or_none(path)
    if data is None:
        raise CannotGoOnError(
            f"there is no plan {path}", "write plan.yaml (`orchestrate schema` says how), or name the file"
        )
    return data


def validate(place: Place, named: str | None) -> ExitCode:
    """Every problem of a plan at once; 1 when it would be refused."""
    from orchestrator.workers.links import link_problems
    from orchestrator.workers.roles import role_problems

    path = plan_file(place, named)
    reading = checked_plan(read_plan_file(path))
    plan = reading.plan or reading.draft
    tasks = plan.tasks if plan else ()
    links = link_problems(place.paths.project, tasks)
    problems = [*reading.problems, *links, *role_problems(place.paths, tasks)]
    errors = errors_of(problems)
    record: Json = {"valid": not errors, "problems": [dict(problem.record()) for problem in problems]}
    lines = [problem.text(os.path.relpath(path)) for problem in problems]
    warned = len(problems) - len(errors)
    verdict = f"refused: {len(errors)} problem(s)" if errors else "valid" + (f", {warned} warning(s)" if warned else "")
    answer(place, record, "\n".join([*lines, f"{os.path.relpath(path)}: {verdict}"]))
    return ExitCode.PROBLEMS if errors else ExitCode.DONE


def schema() -> ExitCode:
    """The JSON Schema of plan.yaml."""
    from orchestrator.plans.planschema import json_schema

    print(json.dumps(json_schema(), indent=2, ensure_ascii=False))
    return ExitCode.DONE


def meant_plan(place: Place, named: str | None) -> Plan:
    """The plan that is meant, of a run or of a file; raises with every problem when it is refused."""
    if named is None and os.path.exists(place.paths.journal):
        return read_session(place).store.state.whole_plan
    path = plan_file(place, named)
    reading = checked_plan(read_plan_file(path))
    return accepted(reading.plan, reading.problems, path)


def accepted(plan: Plan | None, problems: Sequence[Problem], path: str) -> Plan:
    """``plan``, unless an error is among ``problems``: then all errors are raised, with what to do."""
    errors = errors_of(problems)
    if errors or plan is None:
        raise InvalidInputError(
            f"{os.path.basename(path)} is refused: {len(errors)} problem(s)",
            f"mend them; `orchestrate validate {os.path.relpath(path)}` shows the warnings as well",
            errors,
        )
    return plan


def graph(place: Place, named: str | None, *, form: str = "levels", is_ascii: bool = False) -> ExitCode:
    """The dependency graph as plain levels, Mermaid or DOT."""
    from orchestrator.render import graph as drawings

    plan = meant_plan(place, named)
    tasks = list(plan.tasks)
    if form == "levels":
        text = drawings.levels(tasks, ascii=is_ascii)
    elif form == "mermaid":
        text = drawings.flowchart(tasks)
    elif form == "dot":
        text = drawings.dot(tasks)
    else:
        raise UsageError(f"there is no drawing {form!r}", "levels, mermaid or dot")
    edges: list[Json] = [
        {"from": dep.task, "to": task.id, "type": str(dep.type)} for task in tasks for dep in task.deps
    ]
    answer(place, {"format": form, "text": text, "edges": edges}, text.rstrip("\n"))
    return ExitCode.DONE
