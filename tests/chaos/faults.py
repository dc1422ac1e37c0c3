"""Faults that a process meets at a step of its own: the n-th time that it touches the disk.

A step is a call that changes something on disk: a write, a flush, a rename, a new file, a cut, a removal. In a child
made for the purpose the functions of `os` are replaced, so that the fault is where it is wanted and can be repeated.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

STEPS = ("write", "fsync", "replace", "open", "ftruncate", "unlink", "rename", "mkdir", "link")


@dataclass(frozen=True)
class StepFault:
    """What happens at step ``at``, counted from 1.

    ``kill``: the process is killed before it. ``tear``: half of a write is made, then it is killed; another step as
    with kill. ``refuse``: the step fails with ``errno``, and so does every later one if ``stays``. ``mislead``: it
    succeeds, and the process is told ``errno``.
    """

    kind: str
    at: int
    errno: int = 0
    stays: bool = False


class Steps:
    """Counts the steps of this process, and causes ``fault`` when it is its turn."""

    def __init__(self, fault: StepFault | None = None) -> None:
        self.fault = fault
        self.count = 0
        self.names: list[str] = []

    def install(self) -> None:
        """Replace the functions of `os`, for the rest of this process."""
        for name in STEPS:
            setattr(os, name, self._replaced(name, getattr(os, name)))

    def _replaced(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def step(*arguments: Any, **options: Any) -> Any:
            if name == "open" and not (len(arguments) > 1 and arguments[1] & os.O_CREAT):
                return real(*arguments, **options)
            if name == "write" and arguments[0] in (1, 2):
                return real(*arguments, **options)
            self.count += 1
            self.names.append(name)
            fault = self.fault
            if fault is None or self.count < fault.at or (self.count > fault.at and not fault.stays):
                return real(*arguments, **options)
            return self._cause(fault, name, real, arguments, options)

        return step

    @staticmethod
    def _cause(fault: StepFault, name: str, real: Callable[..., Any], arguments: Any, options: Any) -> Any:
        if fault.kind == "tear" and name == "write":
            data = bytes(arguments[1])
            real(arguments[0], data[: len(data) // 2])
        if fault.kind in ("kill", "tear"):
            os.kill(os.getpid(), signal.SIGKILL)
        if fault.kind == "refuse" and name in ("unlink", "ftruncate") and fault.errno == 28:
            return real(*arguments, **options)  # a full disk lets files go
        if fault.kind == "mislead":
            real(*arguments, **options)
        raise OSError(fault.errno, os.strerror(fault.errno))
