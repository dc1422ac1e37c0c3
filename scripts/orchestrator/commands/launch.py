"""``launch``: writes the scripts that run the plan from a terminal, without Claude."""

from __future__ import annotations

import os
import sys

from orchestrator.commands.session import Place, answer, read_session
from orchestrator.errors import ExitCode
from orchestrator.model import Json
from orchestrator.render.launch import run_ps1, run_sh
from orchestrator.system import files
from orchestrator.workers.options import Wishes


def launch(place: Place, wishes: Wishes) -> ExitCode:
    """Write the launch scripts, which only their owner may read and start."""
    session = read_session(place)
    paths = session.store.paths
    options = wishes.options(session.store.state.plan)
    bash = run_sh(
        project=paths.project,
        folder=paths.folder,
        jobs=options.jobs,
        command=own_words(),
        options=["--dir", paths.folder, *_said(wishes)],
    )
    powershell = run_ps1(
        project=paths.project, folder=paths.folder, jobs=options.jobs, command=own_words(), options=_said(wishes)
    )
    files.make_private_folder(paths.inside("launch"))
    targets = [paths.inside("launch", name) for name in ("run.sh", "run.ps1")]
    for target, text in zip(targets, (bash, powershell), strict=True):
        files.write_whole(target, text)
    os.chmod(targets[0], 0o700)
    record: Json = {"files": [*targets], "jobs": options.jobs, "executor": str(options.executor)}
    shown = [os.path.relpath(target) for target in targets]
    lines = [
        f"Wrote {shown[0]} and {shown[1]}",
        f"Start one of them: bash {shell_word(shown[0])}    (--help explains it)",
        f"           or: pwsh -File {shell_word(shown[1])}    (Get-Help explains it)",
    ]
    answer(place, record, "\n".join(lines))
    return ExitCode.DONE


def own_words() -> list[str]:
    """The words that start this program again, from any folder."""
    program = os.path.abspath(sys.argv[0])
    if program.endswith(".py"):
        return [sys.executable, program]
    # On Windows the program that pip installs takes the ending of its name away before anybody sees it.
    return [program if os.path.exists(program) else f"{program}.exe"]


def shell_word(path: str) -> str:
    """``path`` as a word that a person can paste into a shell."""
    from shlex import quote

    return quote(path if not path.startswith("-") else f"./{path}")


def _said(wishes: Wishes) -> list[str]:
    """The options of ``wishes`` as words; what was not said is left to the plan."""
    said = {
        "--executor": wishes.executor,
        "--command": wishes.command,
        "--claude": wishes.claude,
        "--scale": None if wishes.scale is None else str(wishes.scale),
    }
    return [word for name, value in said.items() if value is not None for word in (name, value)]
