"""Edits of plan.yaml as text: everything that an edit is not about stays as it is, byte by byte.

Every edit is read again before it is given back, and must say exactly what was said before and what was asked for.
All functions raise ``InvalidInputError`` where a text cannot be read, and ``PlanFileError`` where it cannot be edited.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from orchestrator.errors import CannotGoOnError, InvalidInputError
from orchestrator.ids import free_task_ids
from orchestrator.model import Json
from orchestrator.plans.yamledits import YamlEdits
from orchestrator.plans.yamlfile import read_yaml
from orchestrator.plans.yamlspans import Span
from orchestrator.plans.yamltext import entry_lines, item_lines
from orchestrator.wording import excerpt

PLAN_KEYS = (
    *("version", "title", "request", "objectives", "constraints", "implicit_requirements"),
    *("budget_usd", "defaults", "run", "tasks"),
)
"""The keys of plan.yaml in the order in which they are written."""

TASK_KEYS = (
    *("id", "name", "description", "parent", "deps", "resources", "writes", "writes_policy", "inputs", "outputs"),
    *("success_criteria", "verify", "result_schema", "agent", "role", "worker_type", "priority", "approval"),
    *("estimate", "estimate_tokens", "timeout", "idle_timeout", "max_retries", "on_failure", "fallback", "retry_safe"),
    *("model", "allowed_tools", "permission_mode", "max_turns", "budget_usd", "rehearse"),
)
"""The keys of a task in the order in which they are written."""

_BOM = "\ufeff"
_BLOCK_KEYS = ("objectives", "run", "defaults")
_NOT_PARAGRAPHS = ("version", "title", "request")


class PlanFileError(CannotGoOnError):
    """The text of plan.yaml is written in a way that cannot be edited safely."""


def plan_text(values: Mapping[str, Json]) -> str:
    """A whole plan.yaml that says ``values``, its keys and those of its tasks in their usual order, with a version."""
    plan = _in_order({"version": 1, **values}, PLAN_KEYS)
    tasks = plan.get("tasks")
    if isinstance(tasks, list):
        tasks = plan["tasks"] = [_in_order(task, TASK_KEYS) if isinstance(task, dict) else task for task in tasks]
    lines: list[str] = []
    for key, value in plan.items():
        lines += [""] if lines and key not in _NOT_PARAGRAPHS else []
        if key == "tasks" and isinstance(tasks, list) and tasks:
            items = [line for task in tasks for line in ["", *item_lines(task, 2)]]
            lines += ["tasks:", *items[1:]]
        else:
            lines += entry_lines(key, value, 0, is_block=key in _BLOCK_KEYS)
    return _confirmed("\n".join(lines) + "\n", plan)


def with_tasks(text: str, tasks: Sequence[Mapping[str, Json]]) -> str:
    """``text`` with ``tasks`` at the end of its list of tasks, written in the style of the others."""
    if not tasks:
        return text
    added: list[Json] = [_in_order(task, TASK_KEYS) for task in tasks]
    plan, edits = _opened(text)
    before = plan.get("tasks") or []
    if not isinstance(before, list):
        raise PlanFileError("`tasks` in plan.yaml is not a list", "run `orchestrate validate` and correct it")
    root = edits.root
    entry = root.entry("tasks") if root else None
    if root is None or root.kind == "scalar" or (entry is None and not root.is_flow):
        indent = edits.column(root.keys[0].start) if root and root.keys else 0
        edits.append_lines(
            [" " * indent + "tasks:", *(line for task in added for line in item_lines(task, indent + 2))]
        )
    elif entry is None:
        edits.add_entries(root, {"tasks": added})
    else:
        _append(edits, root, *entry, added)
    return _finished(text, edits, {**plan, "tasks": [*before, *added]})


def with_task_fields(text: str, task_id: str, changes: Mapping[str, Json]) -> str:
    """``text`` with the fields of one task replaced or added as ``changes`` says; None empties a field.

    ``task_id`` may be an id that is assigned because the text gives none.
    """
    plan, edits = _opened(text)
    tasks = _tasks(plan)
    ids = task_ids(tasks)
    if task_id not in ids:
        raise PlanFileError(f"there is no task {excerpt(task_id)} in plan.yaml", "run `orchestrate validate`")
    at = ids.index(task_id)
    span = _task_spans(edits)[at]
    if span.kind != "mapping":
        raise PlanFileError(f"the task {task_id} is written as an alias", "write it out in plan.yaml")
    new: dict[str, Json] = {}
    for key, value in changes.items():
        if entry := span.entry(key):
            edits.set_value(span, *entry, value)
        else:
            new[key] = value
    if new:
        edits.add_entries(span, _in_order(new, TASK_KEYS))
    changed: list[Json] = [*tasks[:at], {**tasks[at], **changes}, *tasks[at + 1 :]]
    return _finished(text, edits, {**plan, "tasks": changed})


def with_ids(text: str) -> str:
    """``text`` with the id of each task written down, so that it stays when tasks are put between others."""
    plan, edits = _opened(text)
    tasks = _tasks(plan)
    if all(task.get("id") is not None for task in tasks):
        return text
    named: list[Json] = []
    for task, id, span in zip(tasks, task_ids(tasks), _task_spans(edits), strict=True):
        named.append({**task, "id": id})
        if task.get("id") is None and span.kind == "mapping":
            if entry := span.entry("id"):
                edits.set_value(span, *entry, id)
            else:
                edits.put_first(span, "id", id)
    return _finished(text, edits, {**plan, "tasks": named})


def task_ids(tasks: Sequence[Mapping[str, Json]]) -> list[str]:
    """The id of each of ``tasks`` as written in plan.yaml, assigned where it has none.

    An id of a wrong type stays as text, for other tasks may depend on it.
    """
    known = [str(id).strip() if isinstance(id := task.get("id"), (str, int, float)) else "" for task in tasks]
    free = free_task_ids(id for id in known if id)
    return [id or next(free) for id in known]


def _opened(text: str) -> tuple[dict[str, Json], YamlEdits]:
    """What ``text`` says, and an edit of it."""
    edits = YamlEdits("")
    document = read_yaml(text.encode("utf-8", "surrogatepass"))
    if not document.problems:
        edits = YamlEdits(text.removeprefix(_BOM))
        document = read_yaml(edits.text.encode())
    if document.problems:
        raise InvalidInputError("plan.yaml cannot be read", "run `orchestrate validate`", document.problems)
    if document.value is not None and not isinstance(document.value, dict):
        raise PlanFileError("plan.yaml is not a mapping of `key: value` lines", "run `orchestrate validate`")
    return document.value or {}, edits


def _append(edits: YamlEdits, root: Span, key: Span, value: Span, added: Sequence[Json]) -> None:
    """Add tasks to the list ``value`` under ``key``, however it is written."""
    if value.kind == "alias":
        raise PlanFileError("`tasks` in plan.yaml is an alias", "write the list out")
    is_one_line = "\n" not in edits.text[value.start : value.end]
    if value.kind == "list" and (value.items or root.is_flow or not is_one_line):
        edits.append_items(value, added)
    elif root.is_flow:
        edits.set_value(root, key, value, list(added))
    else:
        edits.begin_list(key, value, added)


def _tasks(plan: Mapping[str, Json]) -> list[dict[str, Json]]:
    tasks = plan.get("tasks")
    if tasks is None:
        return []
    if not isinstance(tasks, list) or not all(isinstance(task, dict) for task in tasks):
        raise PlanFileError("`tasks` in plan.yaml is not a list of mappings", "run `orchestrate validate`")
    return [task for task in tasks if isinstance(task, dict)]


def _task_spans(edits: YamlEdits) -> list[Span]:
    entry = edits.root.entry("tasks") if edits.root else None
    if entry and entry[1].kind == "alias":
        raise PlanFileError("`tasks` in plan.yaml is an alias", "write the list out")
    return entry[1].items if entry else []


def _in_order(values: Mapping[str, Json], keys: Sequence[str]) -> dict[str, Json]:
    """``values`` with ``keys`` first, in their order, then the others as they are."""
    return {key: values[key] for key in keys if key in values} | dict(values)


def _finished(text: str, edits: YamlEdits, expected: Mapping[str, Json]) -> str:
    """The edited text, with the byte order mark that ``text`` had."""
    return (_BOM if text.startswith(_BOM) else "") + _confirmed(edits.result(), expected)


def _confirmed(text: str, expected: Mapping[str, Json]) -> str:
    """``text``, after it was read and found to say ``expected``, to the type."""
    try:
        document = read_yaml(text.encode())
        is_same = not document.problems and _exactly(document.value) == _exactly(dict(expected))
    except UnicodeEncodeError:
        is_same = False
    if not is_same:
        raise PlanFileError(
            "plan.yaml is written in a way that cannot be edited without changing more than was asked for",
            "make the change by hand, or write lists and mappings out, one entry a line",
        )
    return text


def _exactly(value: Json) -> str:
    """A text that two values share only when they are equal with their types; the order of keys means nothing."""
    return json.dumps(value, sort_keys=True)
