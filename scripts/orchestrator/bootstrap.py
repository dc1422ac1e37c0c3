"""Make the libraries importable, whatever Python the user has, then start the command.

Used by ``scripts/orchestrate.py`` alone; an installation by pip has no need of it.
Every start passes here, so where nothing is missing it lists a few folders, reads two files, and imports only what the
command imports anyway. Why the libraries live in a cache: docs/decisions/0001-libraries-in-a-cache.md.
"""

from __future__ import annotations

import os
import sys

from orchestrator.errors import CannotGoOnError, ExitCode
from orchestrator.setup.libraries import STAMP, are_met, cache_roots, is_whole, requirements, set_name

PROJECT_FILE = os.path.abspath(os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "..", "pyproject.toml"))

REPAIRED = "ORCHESTRATE_LIBRARIES_REPAIRED"
"""Set for the process that takes over after a repair, so that a second failure is shown and not repaired again."""


def start() -> int:
    """Provide the libraries and run the command on ``sys.argv``; the answer is its exit code."""
    try:
        libraries = provide_libraries(PROJECT_FILE)
    except CannotGoOnError as error:
        sys.stderr.write(f"orchestrate: {error.message}\nTry: {error.advice}\n")
        return error.code
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    try:
        from orchestrator.cli import main
    except ImportError as error:
        is_ours = (error.name or "").partition(".")[0] == __package__
        if libraries is None or is_ours or REPAIRED in os.environ:
            raise
        return start_again_without(libraries)
    return main()


def provide_libraries(project_file: str) -> str | None:
    """Make every library that the project file requires importable, installing what is missing once.

    Returns the folder that was put on ``sys.path``, or None where this Python has the libraries by itself.
    Raises CannotGoOnError when they are nowhere and cannot be installed.
    """
    try:
        with open(project_file, encoding="utf-8") as file:
            wanted = requirements(file.read())
    except (OSError, UnicodeDecodeError):
        wanted = {}
    if not wanted:
        raise CannotGoOnError(
            f"{project_file} is missing or damaged; the libraries it needs are named there.",
            "copy the whole folder of the skill, not only scripts/",
        )
    if are_met(wanted, sys.path):
        return None
    name = set_name(wanted)
    folder = next(filter(is_whole, (os.path.join(root, name) for root in cache_roots())), None)
    if folder is None:
        from orchestrator.setup.installation import install

        folder = install(cache_roots(), name, wanted)
    sys.path.insert(1, folder)  # behind our own scripts, before older versions of the same libraries
    return folder


def start_again_without(libraries: str) -> int:
    """Give up a set of libraries that has lost files, and start this command once more to install it anew."""
    try:
        os.unlink(os.path.join(libraries, STAMP))
    except FileNotFoundError:
        pass  # another process has done so
    command = [sys.executable, *sys.orig_argv[1:]]
    environment = {**os.environ, REPAIRED: "1"}
    if sys.platform == "win32":  # where exec returns to the caller before the command is done
        import subprocess

        return subprocess.call(command, env=environment)
    return os.execve(command[0], command, environment)  # which does not return
