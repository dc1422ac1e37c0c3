"""Symbolic links that lead what a task may write out of the project; the rules of a plan look at its words alone."""

from __future__ import annotations

import os
from collections.abc import Iterable

from orchestrator.errors import Problem
from orchestrator.model import Task
from orchestrator.plans.globs import literal_names
from orchestrator.system import files


def link_problems(project: str, tasks: Iterable[Task]) -> list[Problem]:
    """An error for each entry of ``writes`` and ``outputs`` that a link leads out of ``project``."""
    return [
        Problem(
            f"{key} {glob!r} leads out of the project through a symbolic link",
            "name a folder that is in the project itself, or start the run where the folder is",
            task=task.id,
        )
        for task in tasks
        for key, globs in (("writes", task.writes), ("outputs", task.outputs))
        for glob in globs
        if not files.is_inside(project, os.path.join("", *literal_names(glob)))
    ]
