"""What git says of the project."""

from __future__ import annotations

import os
import subprocess

GIT_TIMEOUT_S = 20.0


def git_entries(project: str, *words: str) -> list[str] | None:
    """The entries, separated by null bytes, that ``git WORDS`` prints in ``project``; None where it cannot say."""
    try:
        done = subprocess.run(
            # Without the locks of an index that is only refreshed: they would refuse what a worker does at that moment.
            ["git", "--no-optional-locks", *words],
            cwd=project,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=GIT_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return None if done.returncode else [os.fsdecode(entry) for entry in done.stdout.split(b"\0") if entry]
