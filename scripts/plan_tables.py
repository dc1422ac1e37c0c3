"""What stands in plan.yaml and in plan templates, as tables for templates.md; ``documents`` puts them there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from markdown_table import table
from orchestrator import graph
from orchestrator.plans import planschema
from orchestrator.plans.plantemplates import Parameter, PlanTemplate
from orchestrator.plans.templateform import ParameterForm, StepForm, TemplateForm
from orchestrator.plans.templaterules import read_template

FOLDER = Path(__file__).parent / "orchestrator" / "plan_templates"


def plan_keys() -> str:
    """Every key of plan.yaml with its type, its default and its meaning, from the published schema."""
    schema: Any = planschema.json_schema()
    rows = list(_key_rows(schema, "", schema["$defs"]))
    return table(("key", "form", "meaning"), [(f"`{key}`", form, meaning) for key, form, meaning in rows])


def _key_rows(schema: Any, prefix: str, definitions: Any) -> Iterator[tuple[str, str, str]]:
    for key, value in schema["properties"].items():
        if key == "defaults":
            yield "defaults", "map", "Values for all tasks that do not give them themselves: any key of a task."
            continue
        inner = _definition(value, definitions)
        meaning = value.get("description") or (inner or {}).get("description", "")
        yield prefix + key, _form(value), meaning
        if inner is not None and key not in ("result_schema", "deps", "fallback"):
            deeper = f"{prefix}{key}[]." if value.get("type") == "array" else f"{prefix}{key}."
            yield from _key_rows(inner, deeper, definitions)


def _definition(value: Any, definitions: Any) -> Any:
    reference = value.get("$ref") or value.get("items", {}).get("$ref")
    return definitions[reference.rpartition("/")[2]] if reference else None


def _form(value: Any) -> str:
    if "enum" in value:
        return " or ".join(f"`{each}`" for each in value["enum"])
    if "anyOf" in value:
        return " or ".join(dict.fromkeys(_form(each) for each in value["anyOf"]))
    if value.get("type") == "array":
        return "list"
    if "$ref" in value or value.get("type") == "object":
        return "map"
    names = {"string": "text", "integer": "whole number", "number": "number", "boolean": "true or false"}
    types = value.get("type", "text")
    listed = [types] if isinstance(types, str) else types
    return " or ".join(names.get(each, each) for each in listed)


def bundled() -> list[PlanTemplate]:
    """Every template that ships; raises ValueError for one that is wrong."""
    found = []
    for file in sorted(FOLDER.glob("*.yaml")):
        reading = read_template(file.stem, file.read_bytes())
        if reading.template is None or reading.problems:
            raise ValueError(f"{file.name}: {reading.problems}")
        found.append(reading.template)
    return found


def plan_templates() -> str:
    """The bundled plan templates with their graphs and parameters."""
    rows = [
        (f"`{each.name}`", each.description, steps_text(each), "; ".join(map(_parameter_text, each.parameters)))
        for each in bundled()
    ]
    return table(("template", "what its plans do", "steps", "parameters and their defaults"), rows)


def steps_text(template: PlanTemplate) -> str:
    """The graph on one line: ``→`` between stages, ``+`` between steps of a stage, ``×`` where a list multiplies."""
    stages = graph.stages({step.name: step.deps for step in template.steps})
    shown = {step.name: f"{step.name} × {step.for_each}" if step.for_each else step.name for step in template.steps}
    return " → ".join(
        " + ".join(text for name, text in shown.items() if stages[name] == stage)
        for stage in range(1, max(stages.values()) + 1)
    )


def _parameter_text(parameter: Parameter) -> str:
    kind = " (list)" if parameter.is_list else ""
    default = parameter.default
    if default is None:
        told = "must be given"
    elif default == "{{request}}":
        told = "the request"
    else:
        told = default if isinstance(default, str) else ", ".join(default)
    return f"`{parameter.name}`{kind}: {told}"


def template_keys() -> str:
    """Every key of a template that a plan does not have, with its meaning."""
    own = {"step", "for_each", "name", "description"}
    rows = [
        *_form_rows(TemplateForm, "", ("description", "words", "title")),
        ("`objectives`, `constraints`, `implicit_requirements`, `defaults`", "As in plan.yaml, for every plan of it."),
        ("`parameters`", "What a person may set, by name."),
        *_form_rows(ParameterForm, "parameters.NAME.", ParameterForm.model_fields),
        ("`steps[]`", "The tasks. A step takes every key of a task but `id` and `agent`, and these:"),
        *_form_rows(StepForm, "steps[].", [name for name in StepForm.model_fields if name in own]),
        ("`steps[].deps[]`", "Names of steps; between two steps for each item of one list: the same item."),
    ]
    return table(("key", "meaning"), rows)


def _form_rows(
    form: type[TemplateForm] | type[ParameterForm] | type[StepForm], prefix: str, names: Iterable[str]
) -> Sequence[tuple[str, str]]:
    return [(f"`{prefix}{name}`", form.model_fields[name].description or "") for name in names]
