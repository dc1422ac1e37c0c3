"""Plan templates: what one is, and how its texts are filled in.

Texts of a template name parameters as ``{{parameter}}``. They are filled in by plain replacement, once: a value that
holds such a name itself stays as it is. ``{{request}}`` is the user's words, ``{{item}}`` the item of a step that is
there for each item of a list; ``\\{{name}}`` stands for itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from enum import Enum
from typing import TypeAlias

from orchestrator.dataclasses import dataclass, field
from orchestrator.model import Json
from orchestrator.plans.yamlfile import Document

REQUEST, ITEM = "request", "item"
RESERVED = (REQUEST, ITEM)

PLACEHOLDER = re.compile(r"(?P<escape>\\?)\{\{\s*(?P<name>[A-Za-z][A-Za-z0-9_-]*)\s*\}\}")

Value: TypeAlias = "str | tuple[str, ...]"


class Shape(Enum):
    """How a value stands in a text."""

    NAME = "shortened, on one line"
    LINE = "on one line"
    PROSE = "as it is; several lines in place of a whole line are quoted, so that one sees where they end"
    PLAIN = "as it is"


_LONGEST_IN_NAME = 60
"""Characters of a value inside a title or the name of a task."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """What a person may set: a text, or a list that multiplies tasks. Without a default it must be given."""

    name: str
    help: str = ""
    is_list: bool = False
    default: Value | None = None
    when_decomposed: Value | None = None

    def default_for(self, decomposed: bool) -> Value | None:
        """What it is when nobody sets it."""
        return self.when_decomposed if decomposed and self.when_decomposed is not None else self.default


@dataclass(frozen=True, slots=True)
class Step:
    """One task, or with ``for_each`` one for each item of that list; ``fields`` are the keys of a task as written."""

    name: str
    for_each: str | None
    fields: Mapping[str, Json]

    @property
    def deps(self) -> tuple[str, ...]:
        """The names of the steps that come first."""
        return tuple(dep_name(dep) for dep in as_list(self.fields.get("deps")))


@dataclass(frozen=True, slots=True)
class PlanTemplate:
    """A template that was read and found right. ``head`` is what becomes the plan's head, as written."""

    name: str
    description: str
    parameters: tuple[Parameter, ...]
    head: Mapping[str, Json]
    steps: tuple[Step, ...]
    words: Mapping[str, int] = field(default_factory=dict)
    document: Document = field(default_factory=lambda: Document(None))
    file: str = ""
    is_own: bool = False


def placeholders(value: Json) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Every parameter that the texts of ``value`` name, with the path to the text."""
    if isinstance(value, str):
        yield from (((), match["name"]) for match in PLACEHOLDER.finditer(value) if not match["escape"])
    elif isinstance(value, list):
        yield from (((at, *path), name) for at, each in enumerate(value) for path, name in placeholders(each))
    elif isinstance(value, dict):
        yield from (((key, *path), name) for key, each in value.items() for path, name in placeholders(each))


def as_list(value: Json) -> list[Json]:
    """``value`` where it is a list, else nothing."""
    return value if isinstance(value, list) else []


def dep_name(dep: Json) -> str:
    """The step that one entry of ``deps`` names."""
    return str(dep.get("task", "")) if isinstance(dep, dict) else str(dep)


def filled_text(text: str, values: Mapping[str, Value], shape: Shape) -> str:
    """``text`` with its parameters filled in, each value in the ``shape`` that the text allows."""

    def value_of(match: re.Match[str]) -> str:
        if match["escape"]:
            return match[0][1:]
        value = values[match["name"]]
        shown = (value if isinstance(value, str) else ", ".join(value)).strip("\n")
        if shape is Shape.NAME:
            return shortened(shown)
        if shape is Shape.LINE:
            return " ".join(shown.split())
        before, after = text[: match.start()].rpartition("\n")[2], text[match.end() :].partition("\n")[0]
        if shape is Shape.PROSE and not before and not after and "\n" in shown:
            return "\n".join(f"> {line}".rstrip() for line in shown.split("\n"))
        return shown

    return PLACEHOLDER.sub(value_of, text)


def shortened(text: str) -> str:
    """``text`` for a name: as it is where it is short, else its first sentence, on one line, cut between words."""
    line = " ".join(text.split())
    if len(line) <= _LONGEST_IN_NAME and "\n" not in text:
        return line
    from orchestrator.plans.spec import derived_name

    short = derived_name(text)
    return short if len(short) <= _LONGEST_IN_NAME else short[: _LONGEST_IN_NAME - 1] + "…"
