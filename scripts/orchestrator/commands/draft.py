"""Phase 1: ``plan``, a plan for a request from a template, from its words, from a model, or to be filled in."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

from orchestrator import graph
from orchestrator.commands.plan_sources import Wish, expansion, shelf
from orchestrator.commands.session import Place, answer, tell
from orchestrator.errors import CannotGoOnError, ExitCode, InvalidInputError, UsageError, errors_of
from orchestrator.model import Json, Plan
from orchestrator.plans.plantemplates import PlanTemplate
from orchestrator.plans.spec import PlanReading, checked_plan
from orchestrator.plans.templatechoice import Choice
from orchestrator.render.graph import levels
from orchestrator.render.summary import money_text
from orchestrator.system import files

LIST = "templates"
"""The one word in place of a request that asks for the list of templates."""


def plan(place: Place, text: str, wish: Wish, output: str | None) -> ExitCode:
    """Write a plan for the request ``text``: to ``output``, ``-`` for stdout, else a new ``plan.yaml``."""
    target = _target(place, output)
    picked: Choice | None = None
    costs: list[float] = []
    template: str | None = wish.template
    if wish.is_ai:
        made = _drafted(place, wish, text, target, costs.append)
    elif wish.template or wish.is_auto:
        from orchestrator.plans.planfile import plan_text

        found, picked = expansion(place.paths, wish, text)
        template = picked.template if picked else wish.template
        _accept(found.reading(), f"the plan of the template {template}")
        made = plan_text(found.plan)
    else:
        from orchestrator.plans.planskeleton import skeleton

        made = skeleton(text)
    reading = checked_plan(made.encode())
    if target is not None:
        files.write_whole(target, made)
    source = wish.sources[0].removeprefix("--") if wish.sources else "skeleton"
    _answer(place, source, template, picked, reading, made, target, sum(costs))
    return ExitCode.DONE


def templates(place: Place, *, is_ascii: bool = False) -> ExitCode:
    """Every template with its parameters and its graph; 1 when one of the user's own cannot be used."""
    there = shelf(place.paths)
    shown = [(template, _example(template)) for template in there.templates.values()]
    record: Json = {
        "templates": [_template_record(template, example) for template, example in shown],
        "problems": [
            {"file": file, **problem.record()} for file, problems in there.problems.items() for problem in problems
        ],
    }
    blocks = [_template_text(template, example, is_ascii) for template, example in shown]
    answer(place, record, "\n\n".join(blocks))
    for file, problems in there.problems.items():
        for problem in problems:
            tell(problem.text(file))
    return ExitCode.PROBLEMS if there.broken else ExitCode.DONE


def _target(place: Place, output: str | None) -> str | None:
    """Where to write; None for stdout."""
    if output == "-":
        return None
    if output is not None:
        target = os.path.abspath(output)
        if os.path.isdir(target):
            raise UsageError(f"{output} is a folder, expected a file", "--output plan.yaml")
        return target
    target = os.path.join(place.paths.project, "plan.yaml")
    if os.path.lexists(target):
        raise CannotGoOnError(
            "there is a plan.yaml already, which is not overwritten", "--output FILE writes another file, `-` to stdout"
        )
    return target


def _drafted(place: Place, wish: Wish, request: str, target: str | None, on_cost: Callable[[float], None]) -> str:
    from orchestrator.commands.asked_plan import assignment_in, drafted

    paths = place.paths
    kept = os.path.splitext(target or os.path.join(paths.project, "plan.yaml"))[0] + ".draft.yaml"
    return drafted(
        paths, wish, assignment_in(paths, request), {"request": request}, kept, "orchestrate init", on_cost=on_cost
    ).text


def _accept(reading: PlanReading, what: str) -> None:
    if errors := errors_of(reading.problems):
        raise InvalidInputError(
            f"{what} would be refused", "give other values with --set, or mend the template", errors
        )


def _answer(
    place: Place,
    source: str,
    template: str | None,
    picked: Choice | None,
    reading: PlanReading,
    text: str,
    target: str | None,
    cost_usd: float,
) -> None:
    shown: Plan | None = reading.plan or reading.draft
    tasks = list(shown.tasks) if shown else []
    stages = max(graph.stages(graph.dependencies(tasks)).values(), default=0)
    open_places = len(errors_of(reading.problems))
    record: dict[str, Json] = {
        "file": target,
        "source": source,
        "template": template,
        "why": picked.why if picked else None,
        "fits": [{"template": fit.template, "score": fit.score, "why": fit.why} for fit in picked.fits]
        if picked
        else None,
        "tasks": len(tasks),
        "stages": stages,
        "valid": not open_places,
        "problems": [{**problem.record()} for problem in reading.problems],
        "cost_usd": round(cost_usd, 6),
    }
    if target is None:
        record["text"] = text
    name = os.path.relpath(target) if target else "the plan"
    how = f"by the model for {money_text(cost_usd)}" if source == "ai" else f"from the template {template}"
    told = [picked.why] if picked else []
    if source == "skeleton":
        told.append(f"Wrote {name} to be filled in: {open_places} descriptions are missing.")
        told.append(f"Next: fill it in until `orchestrate validate {name}` exits 0")
    else:
        told += [problem.text(name) for problem in reading.problems]
        told.append(f"Wrote {name} {how}: {len(tasks)} tasks in {stages} stages.")
        told += ["", levels(tasks).rstrip("\n"), "", f"Next: read it, then `orchestrate estimate {name}` and `init`"]
    if target is None and not place.as_json:
        print(text, end="")
        tell("\n".join(told))
    else:
        answer(place, record, "\n".join(told))


def _example(template: PlanTemplate) -> Sequence[Json]:
    """The tasks of ``template`` with its defaults, as plan.yaml has them."""
    from orchestrator.plans.templateexpansion import expanded

    given = {each.name: [f"<{each.name}>"] for each in template.parameters if each.default is None}
    return list(expanded(template, "…", given).tasks)


def _graph(tasks: Sequence[Json], is_ascii: bool = False) -> str:
    from orchestrator.plans.planfile import plan_text

    draft = checked_plan(plan_text({"tasks": list(tasks)}).encode()).draft
    return levels(list(draft.tasks) if draft else [], ascii=is_ascii)


def _template_record(template: PlanTemplate, tasks: Sequence[Json]) -> Json:
    return {
        "name": template.name,
        "description": template.description,
        "own": template.is_own,
        "file": template.file,
        "parameters": [
            {
                "name": each.name,
                "type": "list" if each.is_list else "text",
                "help": each.help,
                "default": list(each.default) if isinstance(each.default, tuple) else each.default,
            }
            for each in template.parameters
        ],
        "steps": [step.name for step in template.steps],
        "tasks": len(tasks),
        "graph": _graph(tasks),
    }


def _template_text(template: PlanTemplate, tasks: Sequence[Json], is_ascii: bool) -> str:
    own = f" ({template.file})" if template.is_own else ""
    lines = [f"{template.name}{own}: {template.description}"]
    for each in template.parameters:
        default = ", ".join(each.default) if isinstance(each.default, tuple) else each.default
        is_request = default == "{{request}}"
        told = "default: the request" if is_request else f"default: {default}" if default else "must be given"
        lines.append(f"  --set {each.name}={'A,B' if each.is_list else 'TEXT'}  {each.help}; {told}")
    return "\n".join([*lines, "", *(f"  {line}".rstrip() for line in _graph(tasks, is_ascii).splitlines())])
