"""Whether a result counts: its outputs are there, its ``verify`` commands pass, its schema fits.

"I am done" in words is nothing.
"""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Mapping

from orchestrator.model import DEFAULT_TIMEOUT_S, Task
from orchestrator.system import files

OUTPUT_SHOWN = 400
"""Characters of a failed command's output that the reason quotes."""


def result_problems(task: Task, text: str) -> list[str]:
    """What is wrong with the answer itself: blank, or not what its schema asks for."""
    if not text.strip():
        return ["the result is blank"]
    if task.result_schema is None:
        return []
    from orchestrator.texts.conformity import answer_problems

    return [f"the result does not fit its schema: {problem}" for problem in answer_problems(text, task.result_schema)]


def output_problems(project: str, task: Task) -> list[str]:
    """Which files of ``outputs`` are not there, or are not files inside the project."""
    problems = []
    for name in task.outputs:
        path = os.path.join(project, name)
        if not os.path.exists(path):
            problems.append(f"the output {name} is missing")
        elif not files.is_inside(project, path):
            problems.append(f"the output {name} is a link out of the project")
    return problems


def verify_problems(project: str, task: Task, environment: Mapping[str, str]) -> list[str]:
    """Which ``verify`` commands fail. Each is split into words and run in the project without a shell."""
    problems = []
    limit_s = task.timeout_s or DEFAULT_TIMEOUT_S
    for command in task.verify:
        words = shlex.split(command)
        try:
            done = subprocess.run(
                words,
                cwd=project,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=limit_s,
                check=False,
            )
        except subprocess.TimeoutExpired:
            problems.append(f"verify `{command}` did not end within {limit_s:g} s")
        except OSError as error:
            problems.append(f"verify `{command}` cannot be started: {error.strerror}")
        else:
            if done.returncode:
                said = done.stdout.decode("utf-8", "replace").strip()[-OUTPUT_SHOWN:]
                problems.append(f"verify `{command}` exited with {done.returncode}" + (f": {said}" if said else ""))
    return problems


def all_problems(project: str, task: Task, text: str, environment: Mapping[str, str]) -> list[str]:
    """What keeps ``text`` from counting as the result of ``task``; commands run only when the rest is well."""
    problems = [*result_problems(task, text), *output_problems(project, task)]
    return problems or verify_problems(project, task, environment)
