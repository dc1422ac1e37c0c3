"""The entries of a role's front matter as values, each checked, with every problem at once. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeVar

from orchestrator import durations
from orchestrator.dataclasses import dataclass
from orchestrator.desk.rolesource import Front
from orchestrator.desk.roletools import EVERY_TOOL, tool_names, tool_problems
from orchestrator.errors import Problem, Severity
from orchestrator.model import Json
from orchestrator.wording import found, listed, nearest

PERMISSION_MODES = ("acceptEdits", "auto", "bypassPermissions", "default", "dontAsk", "plan")
"""As in ``fieldtypes``, which is not imported for them because pydantic loads slowly; a test holds both together."""

LONGEST_WHEN = 8_000
LARGEST_TURNS = 10_000
LARGEST_USD = 1_000_000
INHERIT = "inherit"

_KEYS = ("name", "description", "tools", "disallowed_tools", "permission_mode", "model", "limits", "max_turns")
_LIMITS = ("max_turns", "timeout", "budget_usd")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_MODEL = re.compile(r"[A-Za-z0-9][\w.:/@\[\]-]{0,127}")
_EVERYTHING: tuple[str, ...] = (EVERY_TOOL,)
_NOTHING: tuple[str, ...] = ()
_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True)
class Limits:
    """The most that one attempt may take: turns, seconds, US dollars. None is "not said"."""

    max_turns: int | None = None
    timeout_s: float | None = None
    budget_usd: float | None = None

    def record(self) -> dict[str, Json]:
        """Its JSON."""
        return {"max_turns": self.max_turns, "timeout_s": self.timeout_s, "budget_usd": self.budget_usd}


@dataclass(frozen=True, slots=True)
class Fields:
    """What the front matter says; a value that could not be used is as if it were not there."""

    name: str
    when: str
    tools: tuple[str, ...] | None
    permission_mode: str | None
    model: str | None
    limits: Limits


def fields_of(front: Front, *, is_agent: bool) -> tuple[Fields, list[Problem]]:
    """The values of ``front`` and what is wrong with them. Keys of Claude Code that mean nothing here are passed over
    in its agents."""
    entries = _Entries(front)
    fields = Fields(
        name=entries.value("name", _name, ""),
        when=entries.value("description", _when, ""),
        tools=entries.tools(),
        permission_mode=entries.value("permission_mode", _permission_mode, None),
        model=entries.value("model", _model, None),
        limits=entries.limits(),
    )
    for key, advice in (("name", "add a line such as `name: security`"), ("description", "say when it is to be used")):
        if front.values.get(key) is None:
            severity = Severity.ERROR if key == "name" else Severity.WARNING
            entries.problems.append(Problem(f"the front matter has no {key}", advice, 1, severity=severity))
    if not is_agent:
        entries.add_unknown()
    return fields, entries.problems


class _Entries:
    """Reads one entry after the other, and collects problems with their lines."""

    def __init__(self, front: Front) -> None:
        self.front = front
        self.problems: list[Problem] = []

    def value(self, key: str, reader: Callable[[Json], _Value], default: _Value) -> _Value:
        """The value of ``key`` as ``reader`` gives it; ``default`` where it is missing or the reader refuses it."""
        raw = self.front.values.get(key)
        return default if raw is None else self._read(key, raw, reader, default)

    def tools(self) -> tuple[str, ...] | None:
        """The tools, without those that are not allowed; None where nothing is said, or everything."""
        tools = self.value("tools", _tools, _EVERYTHING)
        if EVERY_TOOL in tools:
            return None
        self.problems += tool_problems(tools, self.front.lines.get("tools"))
        barred = {name.partition("(")[0] for name in self.value("disallowed_tools", _tools, _NOTHING)}
        return tuple(tool for tool in tools if tool.partition("(")[0] not in barred)

    def limits(self) -> Limits:
        """The limits, under ``limits`` or, for the turns, where Claude Code has them."""
        turns = self.value("max_turns", _turns, None)
        raw = self.front.values.get("limits")
        if raw is None:
            return Limits(turns)
        if not isinstance(raw, dict):
            self._add("limits", f"limits must be a mapping, found {found(raw)}", f"use {listed(_LIMITS)}")
            return Limits(turns)
        for key in raw:
            if key not in _LIMITS:
                self._add("limits", f"there is no limit `{key:.60}`", f"use {listed(_LIMITS)}")

        def limit(key: str, reader: Callable[[Json], _Value]) -> _Value | None:
            value = raw.get(key)
            return None if value is None else self._read("limits", value, reader, None, key)

        return Limits(limit("max_turns", _turns) or turns, limit("timeout", _seconds), limit("budget_usd", _dollars))

    def add_unknown(self) -> None:
        """A warning for each key that means nothing."""
        for key in self.front.values:
            if key not in _KEYS:
                near = nearest(key, _KEYS)
                advice = f"did you mean {near}?" if near else f"use {listed(_KEYS[:4])}, model, limits"
                message = f"`{key:.60}` means nothing in a role"
                self.problems.append(
                    Problem(message, advice, self.front.lines.get(key), severity=Severity.WARNING),
                )

    def _read(self, key: str, raw: Json, reader: Callable[[Json], _Value], default: _Value, name: str = "") -> _Value:
        try:
            return reader(raw)
        except ValueError as error:
            message, _, advice = str(error).partition(" | ")
            self._add(key, f"{name or key} {message}", advice)
            return default

    def _add(self, key: str, message: str, advice: str) -> None:
        self.problems.append(Problem(message, advice, self.front.lines.get(key)))


# Each reader raises ValueError("what is wrong | what to try").


def _name(value: Json) -> str:
    if not isinstance(value, str) or not _NAME.fullmatch(value.strip()):
        raise ValueError(f"must be one word of letters, digits and . _ -, found {found(value)} | write name: security")
    return value.strip()


def _when(value: Json) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"must be a text, found {found(value)} | say when the role is to be used")
    return value.replace("\\n", "\n").strip()[:LONGEST_WHEN]


def _tools(value: Json) -> tuple[str, ...]:
    items = value if isinstance(value, list) else [value]
    names: list[str] = []
    for item in items:
        if not isinstance(item, str):
            raise ValueError(f"must be names of tools, found {found(item)} | write tools: Read, Grep, Edit")
        names += tool_names(item)
    return tuple(dict.fromkeys(names))


def _permission_mode(value: Json) -> str:
    if not isinstance(value, str) or value not in PERMISSION_MODES:
        near = nearest(value, PERMISSION_MODES) if isinstance(value, str) else None
        advice = f"did you mean {near}?" if near else f"use one of {listed(PERMISSION_MODES)}"
        raise ValueError(f"has no mode like {found(value)} | {advice}")
    return value


def _model(value: Json) -> str | None:
    if not isinstance(value, str) or not _MODEL.fullmatch(value.strip()):
        raise ValueError(f"must be the name of a model, found {found(value)} | write model: sonnet, or leave it out")
    return None if value.strip().lower() == INHERIT else value.strip()


def _turns(value: Json) -> int:
    # Read line by line, a number is still a text.
    number = int(value) if isinstance(value, str) and value.isdecimal() and len(value) < 6 else value
    if isinstance(number, bool) or not isinstance(number, int) or not 1 <= number <= LARGEST_TURNS:
        raise ValueError(f"must be a whole number from 1 to {LARGEST_TURNS:,}, found {found(value)} | write 60")
    return number


def _seconds(value: Json) -> float:
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise ValueError(f"must be a duration, found {found(value)} | write {durations.FORMS}")
    try:
        seconds = durations.seconds(value)
    except ValueError as error:
        raise ValueError(f"must be a duration: {error} | write {durations.FORMS}") from None
    if seconds == 0:
        raise ValueError(f"must be longer than 0 | write {durations.FORMS}")
    return seconds


def _dollars(value: Json) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value <= LARGEST_USD:
        raise ValueError(f"must be US dollars above 0, found {found(value)} | write 2.50")
    return float(value)
