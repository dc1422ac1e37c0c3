"""Which processes of this machine carry a given variable in their environment.

Groups, sessions and parents change hands when a worker's child calls `setsid`; its environment stays.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

# The mark of every worker, `<run>/<task>/<attempt>`, and of all that it starts.
ATTEMPT = "ORCHESTRATE_ATTEMPT"


@dataclass(frozen=True)
class Process:
    """A living process as it was seen; `cwd` is None where the system would not tell."""

    pid: int
    parent: int
    group: int
    session: int
    command: tuple[str, ...]
    cwd: Path | None
    environment: Mapping[str, str] = field(repr=False)


def carrying(name: str, start: str = "") -> list[Process]:
    """The processes whose variable `name` begins with `start`, by pid; this one and zombies are left out."""
    return processes_where(lambda environment: name in environment and environment[name].startswith(start))


def processes_where(is_wanted: Callable[[Mapping[str, str]], bool]) -> list[Process]:
    """The processes whose environment answers `is_wanted`, by pid; this one and zombies are left out."""
    found = []
    for process in psutil.process_iter():
        # Processes of other users, and those that end while they are looked at, are not ours to see.
        with suppress(psutil.Error, OSError):
            environment = process.environ()
            if process.pid != os.getpid() and is_wanted(environment):
                found.append(_described(process, environment))
    return sorted(found, key=lambda process: process.pid)


def wait_until_none(list_processes: Callable[[], list[Process]], within_s: float) -> list[Process]:
    """The processes that are still there after `within_s` seconds: at best none, at once when none is left."""
    end = time.monotonic() + within_s
    while (left := list_processes()) and time.monotonic() < end:
        time.sleep(0.05)
    return left


def kill(processes: list[Process]) -> None:
    """End them at once, by pid; for what a test itself has started."""
    for process in processes:
        with suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)


def _described(process: psutil.Process, environment: Mapping[str, str]) -> Process:
    try:
        cwd = Path(process.cwd())
    except psutil.Error:
        cwd = None
    pid = process.pid
    return Process(pid, process.ppid(), os.getpgid(pid), os.getsid(pid), tuple(process.cmdline()), cwd, environment)
