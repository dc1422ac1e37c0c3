"""What can go wrong, and with which exit code it ends a command.

Functions of the core answer with ``list[Problem]``; only what cannot go on raises.
The command line is the one place that turns an error into text and an exit code.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum, StrEnum

from orchestrator.dataclasses import dataclass


class ExitCode(IntEnum):
    """Exit codes of every command; a contract with scripts and people."""

    DONE = 0
    PROBLEMS = 1
    USAGE = 2
    CANNOT_GO_ON = 3
    STOPPED = 4
    INTERRUPTED = 130


class Severity(StrEnum):
    """An error refuses the input; a warning is advice."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: what, where, and what to try."""

    message: str
    advice: str = ""
    line: int | None = None
    task: str | None = None
    severity: Severity = Severity.ERROR

    def text(self, file: str = "") -> str:
        """One line for a person: ``plan.yaml:12: error: T-01: message (try: advice)``."""
        place = f"{file}:{self.line}: " if self.line is not None and file else (f"{file}: " if file else "")
        place = place or (f"line {self.line}: " if self.line is not None else "")
        subject = f"{self.task}: " if self.task else ""
        advice = f" (try: {self.advice})" if self.advice else ""
        return f"{place}{self.severity}: {subject}{self.message}{advice}"

    def record(self) -> dict[str, str | int | None]:
        """The JSON form that ``validate --json`` prints."""
        return {
            "severity": str(self.severity),
            "line": self.line,
            "task": self.task,
            "message": self.message,
            "try": self.advice,
        }


def errors_of(problems: Sequence[Problem]) -> list[Problem]:
    """The problems that refuse the input."""
    return [problem for problem in problems if problem.severity is Severity.ERROR]


class OrchestrateError(Exception):
    """Something that ends a command. ``message`` says what was wrong, ``advice`` what to try."""

    code: ExitCode = ExitCode.CANNOT_GO_ON

    def __init__(self, message: str, advice: str = "", problems: Sequence[Problem] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.advice = advice
        self.problems = tuple(problems)


class UsageError(OrchestrateError):
    """The words of the command do not fit: an unknown task, a value out of range."""

    code = ExitCode.USAGE


class InvalidInputError(OrchestrateError):
    """The input was read and found wrong; ``problems`` has one entry for each finding."""

    code = ExitCode.PROBLEMS


class MoveRefusedError(OrchestrateError):
    """A change of state that the state machine does not have."""

    code = ExitCode.PROBLEMS


class CannotGoOnError(OrchestrateError):
    """Damaged state, a missing file or program, another run active, a plan that is not trusted."""

    code = ExitCode.CANNOT_GO_ON


class StoppedError(OrchestrateError):
    """Stopped for now, run again later: budget, login, approvals left, put back."""

    code = ExitCode.STOPPED
