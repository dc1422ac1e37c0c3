"""Rules about a command that is split into words as a POSIX shell does it, and run without one."""

from __future__ import annotations

from shlex import split
from typing import NamedTuple

_SHELL_WORDS = frozenset({"&&", "||", "|", ";", ">", ">>", "<", "2>&1", "&"})


class CommandFault(NamedTuple):
    """What is wrong with a command, in words that follow it, and what to try."""

    what: str
    advice: str


def command_fault(command: str) -> CommandFault | None:
    """Why ``command`` cannot be run; None where it can be split and names a program."""
    try:
        words = split(command)
    except ValueError as error:
        if "quotation" in str(error):
            return CommandFault("has a quote that is never closed", "close it, or put a backslash before it")
        return CommandFault("ends in a backslash that escapes nothing", "remove or double it")
    if words and words[0]:
        return None
    return CommandFault("names no program", "begin with the program to run, such as pytest -q")


def shell_word(command: str) -> str | None:
    """The first word of a command without faults that only a shell understands."""
    try:
        words = split(command, posix=False)  # leaves the quotes on, so that a quoted word is not taken for the shell's
    except ValueError:
        return None
    return "cd" if words[:1] == ["cd"] else next((word for word in words if word in _SHELL_WORDS), None)
