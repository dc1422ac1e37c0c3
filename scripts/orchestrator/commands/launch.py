"""``launch``: writes the scripts that run the plan from a terminal, without Claude."""

from __future__ import annotations

import os
import sys

from orchestrator.commands.session import Place, answer, read_session
from orchestrator.errors import ExitCode
from orchestrator.model import Json
from orchestrator.render.launch import loop_ps1, loop_sh, run_ps1, run_sh
from orchestrator.system import files
from orchestrator.workers.options import Wishes


def launch(place: Place, wishes: Wishes) -> ExitCode:
    """Write the launch scripts, which only their owner may read and start."""
    session = read_session(place)
    paths = session.store.paths
    options = wishes.options(session.store.state.plan)
    project, folder, command = paths.project, paths.folder, own_words()
    place_words, running, looping = ["--dir", folder], _said(wishes), _said_of_the_loop(wishes)
    jobs = options.jobs
    texts = {
        "run.sh": run_sh(project=project, folder=folder, jobs=jobs, command=command, options=[*place_words, *running]),
        "run.ps1": run_ps1(project=project, folder=folder, jobs=jobs, command=command, options=running),
        "loop.sh": loop_sh(project=project, folder=folder, command=command, options=[*place_words, *looping]),
        "loop.ps1": loop_ps1(project=project, folder=folder, command=command, options=looping),
    }
    files.make_private_folder(paths.inside("launch"))
    targets = {name: paths.inside("launch", name) for name in texts}
    for name, target in targets.items():
        files.write_whole(target, texts[name])
        if name.endswith(".sh"):
            os.chmod(target, 0o700)
    record: Json = {"files": [*targets.values()], "jobs": jobs, "executor": str(options.executor)}
    shown = {name: shell_word(os.path.relpath(target)) for name, target in targets.items()}
    lines = [
        f"Wrote {', '.join(texts)} in {shell_word(os.path.relpath(paths.inside('launch')))}",
        f"Start one of them: bash {shown['run.sh']}    (--help explains it)",
        f"           or: pwsh -File {shown['run.ps1']}    (Get-Help explains it)",
        f"A fresh claude for each step: bash {shown['loop.sh']}",
        f"           or: pwsh -File {shown['loop.ps1']}",
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


def _said_of_the_loop(wishes: Wishes) -> list[str]:
    """Those of them that ``loop`` knows."""
    return [] if wishes.claude is None else ["--claude", wishes.claude]
