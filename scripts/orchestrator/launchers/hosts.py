"""The file that names the machines of a run: one a line, how to reach it and how many tasks it takes at once.

``4/build-1``, ``anna@build-2:2222``, ``2/ssh -i KEY -o ConnectTimeout=5 build-3``: the number of slots and a slash, the
options of ssh behind the word ``ssh``, the host with user and port. ``#`` begins a comment. GNU parallel reads lines
of the same look, which is why people know it; what it is given is made from these values, never the line itself.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence

from orchestrator.dataclasses import dataclass
from orchestrator.errors import Problem

TAKES_VALUE = frozenset("BbcDEeFIiJLlmOopQRSWw")
"""The options of ssh that have a value."""

_SLOTS = re.compile(r"(\d+)/(.*)", re.DOTALL)
_DESTINATION = re.compile(
    r"(?:(?P<user>[^\s@:/-][^\s@:/]*)@)?"
    r"(?P<host>[\w.][\w.-]*|\[[0-9A-Fa-f:.]+\])"
    r"(?::(?P<port>\d+))?"
)
_KEY_CHECK = re.compile(
    r"(stricthostkeychecking|userknownhostsfile|globalknownhostsfile|nohostauthenticationforlocalhost)\s*=?\s*(.*)",
    re.IGNORECASE,
)
_ADVICE = "`4/build-1`, `2/anna@build-2:2222` or `4/ssh -i KEY build-3`, one host a line"


@dataclass(frozen=True, slots=True)
class Host:
    """A machine: its name for people, the words that ssh takes before the command, how many tasks at once.

    ``label`` is the name by which GNU parallel knows it: plain letters, one for each line.
    """

    name: str
    label: str
    slots: int
    words: tuple[str, ...]
    line: int


def read_hosts(text: str, slots: int) -> tuple[list[Host], list[Problem]]:
    """The hosts of a file, in its order, and what is wrong with it; ``slots`` is for lines that give no number."""
    found: list[Host] = []
    problems: list[Problem] = []
    for number, line in enumerate(text.removeprefix("\ufeff").splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        host = _read_line(line.strip(), number, slots)
        if isinstance(host, Problem):
            problems.append(host)
        elif host.words in [other.words for other in found]:
            problems.append(Problem(f"{host.name} is named twice", "give one line all its slots", line=number))
        else:
            found.append(host)
    if not found and not problems:
        problems.append(Problem("the file names no host", _ADVICE))
    return found, problems


def _read_line(line: str, number: int, slots: int) -> Host | Problem:
    match = _SLOTS.fullmatch(line)
    count, rest = (int(match[1]), match[2].strip()) if match else (slots, line)
    if not 0 < count <= 1000:
        return Problem(f"{count} slots: expected 1 to 1000", _ADVICE, line=number)
    try:
        words = shlex.split(rest)
    except ValueError as error:
        return Problem(f"the line cannot be split into words: {error}", "close the quotes", line=number)
    options: list[str] = []
    if words and words[0] == "ssh":
        *options, destination = words[1:] or [""]
    elif len(words) == 1:
        destination = words[0]
    else:
        return Problem(f"{rest!r} is more than a host", "options of ssh follow the word ssh: " + _ADVICE, line=number)
    problem = _option_problem(options)
    if problem:
        return Problem(problem[0], problem[1], line=number)
    place = _DESTINATION.fullmatch(destination)
    if destination == ":":
        advice = "name localhost, or use run.sh without --hosts"
        return Problem("`:`, this machine without ssh, is not taken", advice, line=number)
    if place is None:
        return Problem(f"{destination!r} is no host", _ADVICE, line=number)
    port = ["-p", place["port"]] if place["port"] else []
    target = (f"{place['user']}@" if place["user"] else "") + place["host"].strip("[]")
    label = f"h{number}-" + re.sub(r"[^A-Za-z0-9.]", "-", destination)
    return Host(destination, label, count, (*options, *port, target), number)


def _option_problem(options: Sequence[str]) -> tuple[str, str] | None:
    """What is wrong with options of ssh, and what to try: one that is none, or one that no longer checks host keys."""
    for option, value in _pairs(options):
        if not re.fullmatch(r"-\w", option):
            return f"{option!r} is no option of ssh", _ADVICE
        if value is None:
            return f"the option {option} has no value", _ADVICE
        match = _KEY_CHECK.fullmatch(value.strip()) if option == "-o" else None
        if match and _weakens(match[1].lower(), match[2].strip().strip('"')):
            advice = "connect once by hand, `ssh HOST`, and compare the key; then the host is known"
            return f"{value} would switch the check of host keys off", advice
    return None


def _weakens(option: str, value: str) -> bool:
    if option == "stricthostkeychecking":
        return value.lower() in ("no", "off", "accept-new")
    if option == "nohostauthenticationforlocalhost":
        return value.lower() != "no"
    return value in ("/dev/null", "none")


def _pairs(options: Sequence[str]) -> Iterator[tuple[str, str | None]]:
    """Each option with its value; ``-p22`` and ``-p 22`` are the same, flags have an empty one."""
    rest = iter(options)
    for option in rest:
        if len(option) > 1 and option[0] == "-" and option[1] in TAKES_VALUE:
            yield option[:2], option[2:] or next(rest, None)
        else:
            yield option, ""
