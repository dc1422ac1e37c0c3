"""Sessions that stand in a document, replayed: files are written, commands are run, and what they print is compared.

A section of the second level is one session in a project of its own. A fenced block after a paragraph that ends in
`` `NAME`: `` is a file; a ``console`` block holds commands behind ``$ `` and under each what it printed.
Times, identifiers and the project's place differ from run to run and are compared as what they are.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from orchestrator.dataclasses import dataclass, replace

_HEADING = re.compile(r"^## (?P<title>.*)$")
_FENCE = re.compile(r"^(?P<marks>`{3,})(?P<info>\w*)$")
_FILE = re.compile(r"`(?P<name>[^`]+)`:$")

_VARIABLE = (
    (re.compile(r"\b\d{8}-[\w-]+-[0-9a-f]{6}\b"), "RUN"),
    (re.compile(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d\b"), "MOMENT"),
    (re.compile(r"\b\d{4}-\d\d-\d\d\b"), "DATE"),
    (re.compile(r"\b\d\d:\d\d:\d\d\b"), "TIME"),
    (re.compile(r"\b(?:\d+m ?)?\d+(?:\.\d+)?s\b"), "DURATION"),
    (re.compile(r"(?<=-)[0-9a-f]{12}(?=>)"), "NONCE"),
)
_PROGRESS = re.compile(r"^TIME \[")


@dataclass(frozen=True)
class File:
    """A file that a session writes."""

    line: int
    name: str
    text: str


@dataclass(frozen=True)
class Command:
    """A command of a session and what it printed; ``line`` counts from 1, and ``output`` ends with a newline or is
    empty."""

    line: int
    words: str
    output: str


@dataclass(frozen=True)
class Session:
    """One section of the document."""

    title: str
    steps: tuple[File | Command, ...]

    @property
    def commands(self) -> list[Command]:
        return [step for step in self.steps if isinstance(step, Command)]


def sessions(text: str) -> list[Session]:
    """The sessions of a document; sections without a command are none."""
    titles: list[str] = []
    steps: dict[str, list[File | Command]] = {}
    lines = text.split("\n")
    at, before = 0, ""
    while at < len(lines):
        heading, fence = _HEADING.match(lines[at]), _FENCE.match(lines[at])
        if heading:
            titles.append(heading["title"])
            steps[titles[-1]] = []
        elif fence:
            end = lines.index(fence["marks"], at + 1)
            body = lines[at + 1 : end]
            file = _FILE.search(before)
            if fence["info"] == "console":
                steps[titles[-1]] += _commands(body, at + 2)
            elif file and titles:
                steps[titles[-1]].append(File(at + 2, file["name"], "\n".join(body) + "\n"))
            at = end
        before = lines[at] or before
        at += 1
    return [
        Session(title, tuple(steps[title])) for title in titles if any(isinstance(s, Command) for s in steps[title])
    ]


def _commands(body: list[str], first: int) -> Iterator[Command]:
    starts = [number for number, line in enumerate(body) if line.startswith("$ ")]
    for start, end in zip(starts, [*starts[1:], len(body)], strict=True):
        output = "".join(f"{line}\n" for line in body[start + 1 : end])
        yield Command(first + start, body[start].removeprefix("$ "), output)


def alike(output: str) -> str:
    """``output`` with what differs from run to run replaced by what it is.

    Lines of progress come as the tasks end, and two that end together come in either order: they are sorted.
    """
    for pattern, word in _VARIABLE:
        output = pattern.sub(word, output)
    lines = output.split("\n")
    progress = sorted(line for line in lines if _PROGRESS.match(line))
    return "\n".join(progress.pop(0) if _PROGRESS.match(line) else line for line in lines)


def differences(session: Session, run: Callable[[str], str]) -> list[str]:
    """Where a session prints something else than the document says; ``run`` gives what a command prints."""
    problems = [f"{session.title}: no command"] * (not session.commands)
    for command in session.commands:
        printed = run(command.words)
        if alike(printed) != alike(command.output):
            problems.append(f"line {command.line}: $ {command.words}\n--- document\n{command.output}--- now\n{printed}")
    return problems


def rewritten(text: str, session: Session, run: Callable[[str], str]) -> str:
    """``text`` with the outputs of ``session`` as they are now; one that only differs from run to run stays."""
    lines = text.split("\n")
    fresh = [replace(command, output=run(command.words)) for command in session.commands]
    for old, new in reversed(list(zip(session.commands, fresh, strict=True))):
        if alike(old.output) != alike(new.output):
            lines[old.line : old.line + old.output.count("\n")] = new.output.splitlines()
    return "\n".join(lines)
