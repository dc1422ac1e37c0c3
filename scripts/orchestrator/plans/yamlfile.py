"""YAML read for people who edit it: plain values, the line of each of them, and every problem at once.

Stricter than YAML 1.1, closer to JSON: only ``null``, ``~``, nothing, ``true``, ``false`` and numbers in JSON's form
have a type of their own; ``on``, ``yes``, ``001``, ``12:30`` and dates stay text. Keys are text, and none comes twice.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TypeAlias

import yaml

from orchestrator.dataclasses import dataclass
from orchestrator.errors import Problem
from orchestrator.model import Json
from orchestrator.plans.yamlsource import MOST_PROBLEMS, SourceError, events, line_of, source_text
from orchestrator.wording import EXCERPT_LENGTH, excerpt, found, printable

DEEPEST = 100
"""Levels of nesting; a plan has about six, and readers further on recurse."""

MOST_VALUES = 1_000_000
"""Values in one file, each alias counted with everything it stands for."""

Path: TypeAlias = tuple[str | int, ...]
"""The way to a value from the root: keys and indices from 0, as in ``("tasks", 3, "deps", 0)``."""

Place: TypeAlias = "int | tuple[int, Children]"
"""The line of a value, and where the values inside it stand."""

Children: TypeAlias = "dict[str, Place] | list[Place]"
_Container: TypeAlias = "dict[str, Json] | list[Json]"

_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_NUMBER_BEGINS = frozenset("-0123456789")
_MOST_DIGITS = 308
_WORDS: dict[str, Json] = {"": None, "~": None, "null": None, "true": True, "false": False}
_PLAIN_TAGS = frozenset({None, "!", "tag:yaml.org,2002:str", "tag:yaml.org,2002:seq", "tag:yaml.org,2002:map"})
_CHARACTERS_PER_VALUE = 64


@dataclass(frozen=True, slots=True)
class Document:
    """What one YAML file says. ``value`` is None where it is empty or could not be read to its end."""

    value: Json
    problems: tuple[Problem, ...] = ()
    places: Place = 1

    def line(self, path: Path) -> int | None:
        """The line, from 1, of the value at ``path``: that of its key where it has one.

        Where there is no such value, the line of the nearest one around it; None for the whole document.
        """
        steps = self._steps(path)
        return steps[-1] if steps else None

    def written(self, path: Path) -> Path:
        """The part of ``path`` that the file has."""
        return path[: len(self._steps(path))]

    def place(self, path: Path) -> Place:
        """Where the value at ``path``, or the nearest one around it, stands with everything in it.

        For a document that is made of parts of this one, so that its problems name these lines.
        """
        place = self.places
        for step in path:
            inner = _child(place, step)
            if inner is None:
                return place[0] if isinstance(place, tuple) else place
            place = inner
        return place

    def _steps(self, path: Path) -> list[int]:
        """The line after each step of ``path``, as far as the file has it."""
        place, lines = self.places, []
        for step in path:
            inner = _child(place, step)
            if inner is None:
                break
            place = inner
            lines.append(place[0] if isinstance(place, tuple) else place)
        return lines


def read_yaml(data: bytes) -> Document:
    """What the YAML file ``data`` says; never raises, all that is wrong is in the document's problems."""
    construction = _Construction()
    try:
        text = source_text(data)
        construction.read(events(text))
    except SourceError as error:
        return Document(None, (*construction.problems, *error.problems))
    return Document(construction.value, tuple(construction.problems), construction.places)


def typed(plain: str) -> Json:
    """The value of an unquoted scalar; raises ``OverflowError`` for a number that no computer calculates with."""
    if plain[:1] not in _NUMBER_BEGINS:
        return _WORDS.get(plain, plain)
    number = _NUMBER.fullmatch(plain)
    if not number:
        return plain
    if number[1] is None and number[2] is None:
        if len(plain) > _MOST_DIGITS:
            raise OverflowError
        return int(plain)
    if abs(value := float(plain)) == float("inf"):
        raise OverflowError
    return value


def _child(place: Place, step: str | int) -> Place | None:
    """The place of one key or item inside ``place``."""
    children = place[1] if isinstance(place, tuple) else None
    if isinstance(children, dict):
        return children.get(step) if isinstance(step, str) else None
    if isinstance(children, list) and isinstance(step, int) and 0 <= step < len(children):
        return children[step]
    return None


@dataclass(slots=True)
class _Open:
    """A collection whose end has not been read yet."""

    value: _Container
    places: Children
    line: int
    anchor: str | None
    weight: int
    key: str | None = None
    key_line: int = 0
    is_key: bool = False
    """In a mapping: what comes next is a key."""


class _Construction:
    """Builds values and their places from events, on a list of open collections instead of by recursion."""

    def __init__(self) -> None:
        self.value: Json = None
        self.places: Place = 1
        self.problems: list[Problem] = []
        self.open: list[_Open] = []
        self.anchors: dict[str, tuple[Json, Place, int] | None] = {}
        self.weight = 0

    def read(self, source: Iterable[yaml.Event]) -> None:
        """Read the one document of ``source``; raises ``SourceError`` at what makes reading on pointless."""
        documents = 0
        for event in source:
            if isinstance(event, yaml.ScalarEvent):
                self._scalar(event)
            elif isinstance(event, yaml.CollectionStartEvent):
                self._begin(event)
            elif isinstance(event, yaml.CollectionEndEvent):
                self._end()
            elif isinstance(event, yaml.AliasEvent):
                self._alias(event)
            elif isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    message = "a second document begins here; a plan is one document"
                    raise SourceError(Problem(message, "remove the line `---`", line=line_of(event)))
            if len(self.problems) >= MOST_PROBLEMS:
                raise SourceError(Problem(f"more than {MOST_PROBLEMS} problems; reading stopped", line=line_of(event)))

    def _scalar(self, event: yaml.ScalarEvent) -> None:
        line, value = line_of(event), event.value
        result: Json = value
        if event.tag is not None:
            self._check_tag(event.tag, line)
        elif event.implicit[0]:
            try:
                result = typed(value)
            except OverflowError:
                self._add_problem(f"the number {excerpt(value)} is too large", "write a smaller one", line)
        weight = 1 + len(value) // _CHARACTERS_PER_VALUE
        self._weigh(weight, line)
        if event.anchor is not None:
            self.anchors[event.anchor] = (result, line, weight)
        is_merge = value == "<<" and event.implicit[0]
        self._put(result, line, weight, line, is_merge)

    def _alias(self, event: yaml.AliasEvent) -> None:
        line, name = line_of(event), event.anchor or ""
        shown = printable(name[:EXCERPT_LENGTH])
        target = self.anchors.get(name)
        if target is None:
            if name in self.anchors:
                self._add_problem(f"`*{shown}` stands inside of what it names", "write the value out", line)
            else:
                message = f"`*{shown}` names nothing: there is no `&{shown}` above"
                self._add_problem(message, "put a text that begins with `*` in quotes", line)
            target = (None, line, 1)
        value, place, weight = target
        self._weigh(weight, line)
        self._put(value, place, weight, line)

    def _begin(self, event: yaml.CollectionStartEvent) -> None:
        line = line_of(event)
        if event.tag is not None:
            self._check_tag(event.tag, line)
        if len(self.open) == DEEPEST:
            raise SourceError(Problem(f"values are nested more than {DEEPEST} levels deep", "nest less", line=line))
        self._weigh(1, line)
        if event.anchor is not None:
            self.anchors[event.anchor] = None
        if isinstance(event, yaml.MappingStartEvent):
            self.open.append(_Open({}, {}, line, event.anchor, 1, is_key=True))
        else:
            self.open.append(_Open([], [], line, event.anchor, 1))

    def _end(self) -> None:
        done = self.open.pop()
        place = (done.line, done.places)
        if done.anchor is not None:
            self.anchors[done.anchor] = (done.value, place, done.weight)
        self._put(done.value, place, done.weight, done.line)

    def _put(self, value: Json, place: Place, weight: int, line: int, is_merge: bool = False) -> None:
        """Put a finished value where it belongs: root, item of a list, key or value of a mapping."""
        if not self.open:
            self.value, self.places = value, place
            return
        parent = self.open[-1]
        parent.weight += weight
        if isinstance(parent.value, list) and isinstance(parent.places, list):
            parent.value.append(value)
            parent.places.append(place)
        elif isinstance(parent.value, dict) and isinstance(parent.places, dict):
            if parent.is_key:
                parent.key = self._key(value, parent, line, is_merge)
                parent.key_line = line
            elif parent.key is not None:
                parent.value[parent.key] = value
                parent.places[parent.key] = (parent.key_line, place[1]) if isinstance(place, tuple) else parent.key_line
            parent.is_key = not parent.is_key

    def _key(self, value: Json, parent: _Open, line: int, is_merge: bool) -> str | None:
        """``value`` as a key of ``parent``; None where it cannot be one, so that its value is passed over."""
        if is_merge:
            self._add_problem("`<<` does not merge mappings here", "write the values out, or use `defaults`", line)
        elif isinstance(value, (list, dict)):
            message, advice = f"a key must be text, found {found(value)}", "quote a text that begins with `{` or `[`"
            self._add_problem(message, advice, line)
        elif not isinstance(value, str):
            shown = "null" if value is None else str(value).lower()
            self._add_problem(f"a key must be text, found {found(value)}", f'put it in quotes: "{shown:.40}"', line)
        elif isinstance(parent.places, dict) and value in parent.places:
            first = parent.places[value]
            first_line = first[0] if isinstance(first, tuple) else first
            self._add_problem(f"{excerpt(value)} stands twice, in lines {first_line} and {line}", "keep one", line)
        else:
            return value
        return None

    def _weigh(self, weight: int, line: int) -> None:
        """Count values; raises ``SourceError`` where there are too many."""
        self.weight += weight
        if self.weight > MOST_VALUES:
            message = f"the file stands for more than {MOST_VALUES:,} values"
            raise SourceError(Problem(message, "use fewer or smaller aliases", line=line))

    def _check_tag(self, tag: str, line: int) -> None:
        if tag not in _PLAIN_TAGS:
            name = tag.replace("tag:yaml.org,2002:", "!!")
            advice = "leave it out; quote a text that is meant to begin with `!`"
            self._add_problem(f"the tag {excerpt(name)} is not allowed", advice, line)

    def _add_problem(self, message: str, advice: str, line: int) -> None:
        self.problems.append(Problem(message, advice, line=line))
