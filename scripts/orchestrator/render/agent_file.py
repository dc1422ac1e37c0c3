"""One agent's whole assignment as a page: ``agent_tasks/agent-01.md``.

The page is read by people and by agents that were told to open it; a worker gets the same by ``render.prompt``.
Texts of the plan stand in block quotes and on single lines, so that no heading or fence in them changes its outline.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TypeAlias

from orchestrator.dataclasses import dataclass
from orchestrator.durations import duration_text, estimate_text
from orchestrator.model import DEFAULT_TIMEOUT_S, DependencyType, Plan, Priority, Task, WritesPolicy
from orchestrator.render.handed_over import HandedOver
from orchestrator.render.markdown import inline, inline_code
from orchestrator.render.summary import counted, money_text
from orchestrator.render.templates import rendered
from orchestrator.wording import listed

# What the rules of good decomposition call too large for one agent.
ATOMIC_DURATION_S = 20 * 60.0
ATOMIC_TOKENS = 20_000
ATOMIC_FILES = 3

Facts: TypeAlias = list[tuple[str, list[str]]]
"""Labels with their values in Markdown, in the order in which they are shown; a label without values is left out."""


@dataclass(frozen=True, slots=True)
class Check:
    """One criterion of an atomic task, whether the plan meets it, and what that is judged by."""

    criterion: str
    holds: bool
    why: str


def agent_file(
    plan: Plan,
    task: Task,
    *,
    agent: str,
    result_file: str,
    dependencies: Sequence[HandedOver] = (),
    priority: Priority | None = None,
    role: str | None = None,
    context_file: str = "",
    folder: str = ".orchestrator",
) -> str:
    """The page that assigns ``task`` to ``agent``.

    ``result_file``, ``context_file`` (empty: nothing was gathered) and ``folder``, where the run keeps its files,
    are paths as the agent would open them. ``priority`` and ``role`` are as derived; without them the plan's own
    are shown. ``dependencies`` come in the order of ``task.deps``.
    """
    return rendered(
        "agent_task.md.j2",
        plan=plan,
        task=task,
        agent=agent,
        definition=_definition(task, dependencies, result_file, priority or task.priority, role or task.role),
        dependencies=dependencies,
        context_file=context_file,
        permissions=_permissions(task),
        folder=folder,
        checks=atomicity(task),
        result_file=result_file,
        schema=schema_text(task),
        run=_run(plan),
    )


def schema_text(task: Task) -> str:
    """The JSON Schema of the task's answer, indented; empty where any text will do."""
    return "" if task.result_schema is None else json.dumps(dict(task.result_schema), indent=2, ensure_ascii=False)


def atomicity(task: Task) -> list[Check]:
    """The four criteria of an atomic task, judged by what the plan says of ``task``."""
    return [_single_responsibility(task), _independently_executable(task), _verifiable(task), _safe_to_retry(task)]


def _definition(
    task: Task, dependencies: Sequence[HandedOver], result_file: str, priority: Priority | None, role: str | None
) -> Facts:
    timeout = duration_text(DEFAULT_TIMEOUT_S if task.timeout_s is None else task.timeout_s)
    results = [
        f"the result of {given.task}"
        for given in dependencies
        if given.type is DependencyType.DATA and not given.is_missing
    ]
    return _given(
        [
            ("Task", [task.id]),
            ("Name", [inline(task.name)]),
            ("Role", [inline(", ".join(filter(None, (role, task.worker_type))))]),
            ("Priority", [priority or ""]),
            ("Input", [*map(inline, task.inputs), *results] or ["the project as it is"]),
            ("Output", [inline_code(result_file), *map(inline_code, task.outputs)]),
            ("Estimated time", [estimate_text(task.estimate) if task.estimate else ""]),
            ("Timeout", [timeout]),
        ]
    )


def _permissions(task: Task) -> Facts:
    elsewhere = "fails the task" if task.writes_policy is WritesPolicy.FAIL else "is reported"
    named = [*map(inline_code, dict.fromkeys((*task.writes, *task.outputs)))]
    files = [*named, f"a change anywhere else {elsewhere}"] if named else ["none named in the plan"]
    return _given(
        [
            ("Files", files),
            ("Tools", [", ".join(map(inline_code, task.allowed_tools)) or "those that only read"]),
            ("Permission mode", [inline_code(task.permission_mode or "")]),
            ("Held by this task alone", list(map(inline_code, task.resources))),
            ("Model", [inline_code(task.model or "")]),
            ("Turns", [f"at most {task.max_turns}" if task.max_turns is not None else ""]),
            ("Cost", [f"at most {money_text(task.budget_usd)}" if task.budget_usd is not None else ""]),
        ]
    )


def _run(plan: Plan) -> Facts:
    aims = plan.objectives
    constraints = [
        inline(f"{constraint.kind}: {constraint.text}" if constraint.kind else constraint.text)
        for constraint in plan.constraints
    ]
    return _given(
        [
            ("Objective", [inline(aims.primary or plan.title)]),
            ("Also", list(map(inline, aims.secondary))),
            ("The run succeeds when", list(map(inline, aims.success_criteria))),
            ("Constraints", constraints),
            ("Expected without being said", list(map(inline, plan.implicit_requirements))),
        ]
    )


def _given(facts: Facts) -> Facts:
    """``facts`` without empty values, and without the labels that have no other."""
    filled = [(label, [value for value in values if value]) for label, values in facts]
    return [(label, values) for label, values in filled if values]


def _single_responsibility(task: Task) -> Check:
    over = [
        duration_text(task.estimate.high_s) if task.estimate and task.estimate.high_s > ATOMIC_DURATION_S else "",
        f"{task.estimate_tokens:,} tokens" if (task.estimate_tokens or 0) > ATOMIC_TOKENS else "",
        f"{len(task.outputs)} files" if len(task.outputs) > ATOMIC_FILES else "",
    ]
    large = ", ".join(filter(None, over))
    why = f"large for one agent: {large}" if large else "one instruction, one agent, one result"
    return Check("Single responsibility", not large, why)


def _independently_executable(task: Task) -> Check:
    why = f"begins when {listed(task.dep_ids)} left what it needs" if task.deps else "needs no other task"
    return Check("Independently executable", True, f"{why}; nobody is asked on the way")


def _verifiable(task: Task) -> Check:
    ways = [
        counted(len(task.success_criteria), "success criterion", "success criteria") if task.success_criteria else "",
        counted(len(task.outputs), "file") + " to exist" if task.outputs else "",
        counted(len(task.verify), "command") + " to pass" if task.verify else "",
        "a JSON Schema of the answer" if task.result_schema is not None else "",
    ]
    seen = ", ".join(filter(None, ways))
    return Check("Verifiable output", bool(seen), seen or "the plan names nothing that could be checked")


def _safe_to_retry(task: Task) -> Check:
    if not task.retry_safe:
        return Check("Safe to retry", False, "never started a second time by itself")
    again = f"started again up to {counted(task.max_retries, 'time')} after a failure"
    return Check("Safe to retry", True, again if task.max_retries else "but a failure is final")
