"""The launch scripts as text: who runs them, where, with which options. Nothing of the plan is in them."""

from __future__ import annotations

import os
from collections.abc import Sequence

from orchestrator.render.powershell import is_lost_by_windows_powershell
from orchestrator.render.templates import rendered


def run_sh(*, project: str, folder: str, jobs: int, command: Sequence[str], options: Sequence[str]) -> str:
    """``run.sh`` for the run in ``folder`` of ``project``, both from the root.

    ``jobs`` is the number of slots unless the script is told another one, ``command`` the words that start this
    program, and ``options`` what ``feed`` and ``exec`` are given each time, ``--dir`` among them.
    """
    return rendered("run.sh.j2", project=project, folder=folder, jobs=jobs, command=command, options=options)


def loop_sh(*, project: str, folder: str, command: Sequence[str], options: Sequence[str]) -> str:
    """``loop.sh``, as `run_sh`; ``options`` are what ``loop`` is given before those of the script's own call."""
    return rendered("loop.sh.j2", project=project, folder=folder, command=command, options=options)


def run_ps1(*, project: str, folder: str, jobs: int, command: Sequence[str], options: Sequence[str]) -> str:
    """``run.ps1`` for the run in ``folder`` of ``project``, both from the root; it is pure ASCII.

    ``jobs`` and ``command`` as for `run_sh`; ``options`` without ``--dir``, because a script inside its project finds
    the project from its own place.
    """
    return rendered("run.ps1.j2", jobs=jobs, **_words_of_ps1(project, folder, command, options))


def loop_ps1(*, project: str, folder: str, command: Sequence[str], options: Sequence[str]) -> str:
    """``loop.ps1``, as `run_ps1`; ``options`` are what ``loop`` is given after those of the script's own call."""
    return rendered("loop.ps1.j2", **_words_of_ps1(project, folder, command, options))


def _words_of_ps1(project: str, folder: str, command: Sequence[str], options: Sequence[str]) -> dict[str, object]:
    """What both scripts of PowerShell say of their place and of the program."""
    inside = _inside(folder, project)
    place = ["--dir", folder if inside is None else inside]
    return {
        "project": project,
        "steps_up": None if inside is None else len([part for part in inside.split(os.sep) if part != os.curdir]),
        "command": list(command),
        "place": place,
        "options": list(options),
        "is_lost": any(map(is_lost_by_windows_powershell, [*command, *place, *options])),
    }


def _inside(folder: str, project: str) -> str | None:
    """``folder`` as seen from ``project``; None where it is not inside."""
    try:
        path = os.path.relpath(folder, project)
    except ValueError:  # on Windows, another drive
        return None
    return None if path.split(os.sep)[0] == os.pardir else path
