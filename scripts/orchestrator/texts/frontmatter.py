"""The YAML between two ``---`` lines at the top of a result, read tolerantly and kept as text.

Agents write it, so nothing about it can be relied on: every scalar stays the text that it was written as (``on``,
``001`` and dates too), depth is bounded, aliases are refused, and what cannot be read is an error with its line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, TypeAlias, Union

from orchestrator.dataclasses import dataclass

if TYPE_CHECKING:
    from yaml import Event

DEEPEST: Final = 32
"""Collections inside collections beyond this are refused."""

_RULE: Final = re.compile(r"---[ \t]*\n")
_END: Final = re.compile(r"^(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.MULTILINE)
# `key:` or `"key":` on the first line that is neither blank nor a comment: a rule with prose under it has none.
_FIRST_KEY: Final = re.compile(
    r"(?:[ \t]*(?:#.*)?\n)*(?:[\w][\w .-]{0,63}|\"[^\"\n]{1,64}\"|'[^'\n]{1,64}')[ \t]*:(?:[ \t]|\n|\Z)"
)
_NOTHING: Final = frozenset({"", "~", "null", "Null", "NULL"})


@dataclass(frozen=True, slots=True)
class Entries:
    """A mapping of the front matter: keys in lower case, in the order written, and the line of each key, from 1."""

    values: dict[str, Value]
    lines: dict[str, int]


Value: TypeAlias = Union[str, "list[Value]", Entries]


@dataclass(frozen=True, slots=True)
class Split:
    """A text with front matter: the YAML without its rules, and what comes after."""

    yaml: str
    rest: str


class FrontMatterError(ValueError):
    """Front matter that cannot be read; ``line`` counts from 1 in the whole text."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.line = line


def split(text: str) -> Split | None:
    """``text`` cut into front matter and rest, or None where it has none.

    ``---`` on the first line begins front matter only when a key follows; otherwise it is a rule of the Markdown.
    Raises ``FrontMatterError`` when it begins and never ends. Lines must end with a plain newline.
    """
    begin = _RULE.match(text)
    if begin is None:
        return None
    end = _END.search(text, begin.end())
    inside = text[begin.end() : end.start() if end else len(text)]
    if not _FIRST_KEY.match(inside) and (end is None or inside.strip()):
        return None
    if end is None:
        raise FrontMatterError("the front matter has no closing `---` line", 1)
    return Split(inside, text[end.end() :])


def entries(yaml: str) -> Entries:
    """The mapping that the YAML of ``Split`` stands for; empty YAML is an empty one. Raises ``FrontMatterError``."""
    from orchestrator.plans.yamlsource import SourceError, events

    try:
        value = _document(events(yaml))
    except SourceError as error:
        problem = error.problems[0]
        raise FrontMatterError(f"the front matter cannot be read: {problem.message}", (problem.line or 1) + 1) from None
    if value == "":
        return Entries({}, {})
    if not isinstance(value, Entries):
        raise FrontMatterError("the front matter is not a mapping of keys to values", 2)
    return value


def _document(stream: Iterator[Event]) -> Value:
    """The value of the first document in ``stream``."""
    from yaml import NodeEvent

    for event in stream:
        if isinstance(event, NodeEvent):
            return _value(event, stream, 0)
    return ""


def _value(event: Event, stream: Iterator[Event], depth: int) -> Value:
    """The value that begins with ``event``; takes the events that belong to it from ``stream``."""
    from yaml import MappingEndEvent, MappingStartEvent, ScalarEvent, SequenceEndEvent, SequenceStartEvent

    line = _line(event)
    if isinstance(event, ScalarEvent):
        return "" if not event.style and event.value in _NOTHING else str(event.value)
    if depth >= DEEPEST:
        raise FrontMatterError(f"the front matter is nested more than {DEEPEST} deep", line)
    if isinstance(event, SequenceStartEvent):
        items: list[Value] = []
        for inner in stream:
            if isinstance(inner, SequenceEndEvent):
                break
            items.append(_value(inner, stream, depth + 1))
        return items
    if not isinstance(event, MappingStartEvent):
        raise FrontMatterError("the front matter uses a YAML alias", line)
    made = Entries({}, {})
    for inner in stream:
        if isinstance(inner, MappingEndEvent):
            break
        place = _line(inner)
        key = _value(inner, stream, depth + 1)
        if not isinstance(key, str):
            raise FrontMatterError("a key of the front matter is not a plain text", place)
        folded = key.strip().lower()
        if folded in made.values:
            raise FrontMatterError(f"the key `{folded}` occurs twice", place)
        made.lines[folded] = place
        made.values[folded] = _value(next(stream), stream, depth + 1)
    return made


def _line(event: Event) -> int:
    """The line of ``event`` in the whole text, where the YAML begins with the second line."""
    return event.start_mark.line + 2 if event.start_mark else 1


def plain(value: Value) -> str:
    """``value`` as text: a scalar as it is, a collection as a Markdown list."""
    return value if isinstance(value, str) else "\n".join(_listed(value, ""))


def _listed(value: Value, indent: str) -> Iterator[str]:
    pairs: list[tuple[str, Value]] = (
        [(f"{key}: ", inner) for key, inner in value.values.items()]
        if isinstance(value, Entries)
        else [("", inner) for inner in value]
    )
    for label, inner in pairs:
        if isinstance(inner, str):
            first, *others = inner.rstrip().split("\n")
            yield f"{indent}- {label}{first}".rstrip()
            yield from (f"{indent}  {line}".rstrip() for line in others)
        else:
            yield f"{indent}- {label}".rstrip()
            yield from _listed(inner, indent + "  ")
