"""What a form of ``planschema`` refuses, as problems in our own words: where, what was expected, what to try."""

from __future__ import annotations

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from orchestrator.dataclasses import replace
from orchestrator.errors import Problem
from orchestrator.plans.planschema import (
    INNER_FORMS,
    DefaultsForm,
    DependencyForm,
    FallbackForm,
    Form,
    HeadForm,
    PlanForm,
    TaskForm,
)
from orchestrator.plans.yamlfile import Document, Path
from orchestrator.wording import excerpt, found, listed, nearest, printable

_EXPECTED = {
    "bool_type": "true or false",
    "dict_type": "a mapping of `key: value` lines",
    "float_type": "a number",
    "int_type": "a whole number",
    "model_attributes_type": "a mapping of `key: value` lines",
    "model_type": "a mapping of `key: value` lines",
    "string_type": "text",
    "tuple_type": "a list",
}
_TEXT_OR_MAPPING = (DependencyForm.__name__, FallbackForm.__name__)
_SYNONYMS = {
    "acceptance_criteria": "success_criteria",
    "after": "deps",
    "budget": "budget_usd",
    "checks": "verify",
    "command": "verify",
    "criteria": "success_criteria",
    "dependencies": "deps",
    "depends": "deps",
    "depends_on": "deps",
    "duration": "estimate",
    "files": "outputs",
    "goal": "objectives",
    "goals": "objectives",
    "instruction": "description",
    "instructions": "description",
    "max_budget_usd": "budget_usd",
    "name": "title",
    "needs": "deps",
    "prompt": "description",
    "requires": "deps",
    "retries": "max_retries",
    "schema": "result_schema",
    "steps": "tasks",
    "subtasks": "tasks",
    "tests": "verify",
    "title": "name",
    "tokens": "estimate_tokens",
    "tools": "allowed_tools",
}


def form_problems(error: ValidationError, document: Document, path: Path, form: type[Form]) -> list[Problem]:
    """One problem for each thing that ``form`` refuses in the value at ``path`` of ``document``."""
    problems = (_problem(each, document, path, form) for each in error.errors(include_url=False))
    return [replace(each, message=printable(each.message), advice=printable(each.advice)) for each in problems]


def _problem(error: ErrorDetails, document: Document, path: Path, form: type[Form]) -> Problem:
    """One of pydantic's errors as a problem; the name of the task is added by the caller."""
    written = document.written((*path, *error["loc"]))
    shown = written if path == ("defaults",) else written[len(path) :]
    name = _name(shown)
    line = document.line(written)
    context = error.get("ctx", {})
    kind, value = error["type"], error["input"]
    if kind == "extra_forbidden":
        return Problem(*_unknown_key(written, shown, form), line=line)
    if kind == "missing":
        return Problem(f"`{name}` has no `{error['loc'][-1]}`", f"add `{error['loc'][-1]}: …`", line=line)
    if kind == "refused":
        return Problem(f"`{name}` {context['message']}", context["advice"], line=line)
    if kind in ("enum", "literal_error"):
        choices = str(context["expected"]).split("'")[1::2]  # pydantic says: 'P0', 'P1' or 'P2'
        near = nearest(value, choices) if isinstance(value, str) else None
        message = f"`{name}` must be one of {listed(choices)}, found {found(value)}"
        return Problem(message, f"write {near or choices[0]}", line=line)
    if kind in ("greater_than_equal", "less_than_equal"):
        how, bound = ("least", context["ge"]) if kind == "greater_than_equal" else ("most", context["le"])
        limit = f"{int(bound):,}"
        return Problem(f"`{name}` must be at {how} {limit}, found {found(value)}", f"write {limit}", line=line)
    if kind == "too_long":
        return Problem(f"`{name}` has more than {context['max_length']:,} items", "shorten it", line=line)
    expected = _EXPECTED.get(kind, "written in another way")
    if kind.startswith("model_") and context.get("class_name") in _TEXT_OR_MAPPING:
        expected = f"text or {expected}"
    return Problem(f"`{name}` must be {expected}, found {found(value)}", _conversion(expected, value), line=line)


def _name(path: Path) -> str:
    """``deps[0].type`` for the path ``("deps", 0, "type")``."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else str(step)
    return text


def _conversion(expected: str, value: object) -> str:
    """How to write ``value`` so that it becomes what is ``expected``, where one can tell."""
    if value is None:
        return f"write {expected}, or remove the key"
    is_scalar = isinstance(value, (str, int, float))
    if expected == "text" and isinstance(value, (bool, int, float)):
        return f'put it in quotes: "{str(value).lower() if isinstance(value, bool) else value}"'
    if expected == "text" and isinstance(value, dict):
        return "put a text that contains `: ` or begins with `{` in quotes"
    if expected == "text" and isinstance(value, list):
        return "write one text, or put a text that begins with `[` in quotes"
    if expected == "a list" and is_scalar and str(value).strip():
        is_one = len(str(value)) < 40 and "," not in str(value)
        return f"write [{value}]" if is_one else "write one item a line, after `- `"
    if expected == "true or false" and isinstance(value, str):
        truth = {"yes": "true", "on": "true", "true": "true", "no": "false", "off": "false", "false": "false"}
        return f"write {truth.get(value.casefold(), 'true')}"
    if expected in ("a number", "a whole number") and isinstance(value, str):
        return "write digits, without quotes or units"
    return f"write {expected}"


def _unknown_key(path: Path, name: Path, form: type[Form]) -> tuple[str, str]:
    """Message and advice for the key at the end of ``path`` that does not exist there."""
    key, around = str(path[-1]), _name(name[:-1])
    inner = next((INNER_FORMS[step] for step in reversed(path[:-1]) if step in INNER_FORMS), form)
    known = inner.model_fields
    place = f"in `{around}`" if around else form.place
    message = f"there is no key {excerpt(key)} {place}"
    synonym = _SYNONYMS.get(key.casefold().replace("-", "_").replace(" ", "_"))
    if synonym in known:
        return message, f"write `{synonym}`"
    if near := nearest(key, known):
        return message, f"did you mean `{near}`?"
    if inner is HeadForm and key in DefaultsForm.model_fields:
        return message, "write it in a task, or under `defaults` for all tasks"
    if inner in (HeadForm, DefaultsForm) and key in TaskForm.model_fields:
        return message, "write it in a task"
    if inner in (TaskForm, DefaultsForm) and key in PlanForm.model_fields:
        return message, "write it at the beginning of a line, outside of the tasks"
    return message, f"remove it; the keys are {listed(list(known), 40)}"
