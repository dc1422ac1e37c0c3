"""The values of a template's parameters: as they were typed, else its defaults."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from orchestrator.errors import Problem, UsageError
from orchestrator.plans.plantemplates import REQUEST, Parameter, PlanTemplate, Shape, Value, filled_text
from orchestrator.plans.yamlfile import read_yaml
from orchestrator.wording import excerpt, listed, nearest


def chosen_values(
    template: PlanTemplate, request: str, given: Mapping[str, Sequence[str]], *, decomposed: bool = False
) -> dict[str, Value]:
    """The value of each parameter, and the request; raises ``UsageError``."""
    known = {parameter.name: parameter for parameter in template.parameters}
    problems: list[Problem] = []
    for name in given:
        if name not in known:
            near = nearest(name, known)
            advice = f"did you mean {near}?" if near else f"one of {listed(list(known))}" if known else "leave it out"
            problems.append(Problem(f"the template {template.name} has no parameter {excerpt(name)}", advice))
    values: dict[str, Value] = {REQUEST: request}
    for parameter in template.parameters:
        default = parameter.default_for(decomposed)
        if parameter.name in given:
            value, problem = _typed(parameter, given[parameter.name])
            problems += [problem] if problem else []
            values[parameter.name] = value
        elif default is None:
            what = f": {parameter.help}" if parameter.help else ""
            advice = f"--set {parameter.name}={'FIRST,SECOND' if parameter.is_list else 'TEXT'}"
            problems.append(Problem(f"the parameter {parameter.name} must be given{what}", advice))
        else:
            values[parameter.name] = _with_request(default, request)
    if problems:
        raise UsageError(f"the template {template.name} cannot be used like that", "mend what is named", problems)
    return values


def _typed(parameter: Parameter, given: Sequence[str]) -> tuple[Value, Problem | None]:
    """The value that was typed for ``parameter``, and what is wrong with it.

    One text for a list is split at its commas, or is a list of YAML; several texts are its items as they are.
    """
    name = parameter.name
    if not parameter.is_list:
        text = given[-1].strip()
        if len(given) > 1:
            return text, Problem(f"the parameter {name} is a text and was given {len(given)} times", "give it once")
        return text, None if text else Problem(f"the parameter {name} is blank", f"--set {name}=TEXT")
    items = list(given)
    if len(items) == 1 and items[0].lstrip().startswith("["):
        read = read_yaml(items[0].encode("utf-8", "replace"))
        if read.problems or not isinstance(read.value, list):
            return (), Problem(f"the list for {name} cannot be read", f"--set {name}='[FIRST, \"SECOND, THIRD\"]'")
        items = [item if isinstance(item, str) else str(item) for item in read.value]
    elif len(items) == 1:
        items = re.split(r"[,\n]", items[0])
    value = tuple(" ".join(item.split()) for item in items if item.strip())
    if not value:
        return value, Problem(f"the list {name} has no item", f"--set {name}=FIRST,SECOND")
    twice = next((item for item in value if value.count(item) > 1), None)
    return value, Problem(f"{excerpt(twice)} stands twice in the list {name}", "give it once") if twice else None


def _with_request(default: Value, request: str) -> Value:
    values = {REQUEST: request}
    if isinstance(default, str):
        return filled_text(default, values, Shape.PLAIN)
    return tuple(filled_text(item, values, Shape.LINE) for item in default)
