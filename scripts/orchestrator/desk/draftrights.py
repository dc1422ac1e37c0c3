"""What a plan that the model made may let its agents do while nobody reads it: nothing without bounds.

Trust covers what a plan starts by itself; this covers what it would let an agent start or change. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from orchestrator.desk.roletools import EVERY_TOOL, tool_names
from orchestrator.errors import Problem
from orchestrator.model import Task
from orchestrator.wording import excerpt

UNASKED_MODES = frozenset({"auto", "bypassPermissions"})
"""Permission modes in which calls pass that no rule allows."""

_PROGRAMS = frozenset({"Bash", "PowerShell"})
_CHANGING = frozenset({"Edit", "MultiEdit", "NotebookEdit", "Write"})
_RULE = re.compile(r"(?P<name>\w+)(?:\((?P<of>.*)\))?", re.DOTALL)


def unbounded_rights(task: Task) -> Iterator[Problem]:
    """An error for each right of ``task`` that has no bounds: any program, or files outside of the project.

    A role that ships grants its tools with bounds, so a task that names one needs no such right.
    """
    if task.permission_mode in UNASKED_MODES:
        yield Problem(
            f"`permission_mode: {task.permission_mode}` lets an agent do anything, and nobody has read this plan",
            "leave it out, and allow what the task needs with `allowed_tools`",
            task=task.id,
        )
    for tool in (name for entry in task.allowed_tools for name in tool_names(entry)):
        match = _RULE.fullmatch(tool)
        name, of = (match["name"], (match["of"] or "").strip()) if match else ("", "")
        if tool == EVERY_TOOL or (name in _PROGRAMS and not of.rstrip("*").rstrip(": ")):
            yield Problem(
                f"{excerpt(tool)} lets an agent start any program, and nobody has read this plan",
                'name the command: "Bash(npm test:*)"',
                task=task.id,
            )
        elif name in _CHANGING and not _is_in_project(of):
            yield Problem(
                f"{excerpt(tool)} lets an agent change files outside of the project, and nobody has read this plan",
                'name a path of the project: "Edit(./src/**)"',
                task=task.id,
            )


def _is_in_project(path: str) -> bool:
    """Whether a path of a rule ends at the project; a bare tool, or ``*``, is every file of the machine."""
    parts = path.replace("\\", "/").split("/")
    is_elsewhere = path[:1] in {"/", "\\", "~"} or ":" in parts[0] or ".." in parts
    return path not in {"", "*"} and not is_elsewhere
