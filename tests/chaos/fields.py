"""Every field of plan.yaml that the published schema names, so that a new one is attacked without being listed here."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

Place = tuple[str | int, ...]

_STARTS_PROGRAMS = ({"run", "hooks"}, {"run", "command"}, {"verify"})
_GIVEN: tuple[Place, ...] = (("tasks", 0, "id"), ("tasks", 0, "deps", 0), ("tasks", 0, "deps", 0, "task"))
"""What has to stay as it is, or the rest could not be tried: refusing it is tried by the mutants."""


def text_places(schema: dict[str, Any]) -> list[Place]:
    """Where a plan may hold a value, by its JSON Schema; of a list its first item."""
    found = dict.fromkeys(_places(schema, schema, ()))
    return [place for place in found if place not in _GIVEN]


def starts_programs(place: Place) -> bool:
    """Whether what stands there is a command line."""
    return any(words <= set(place) for words in _STARTS_PROGRAMS)


def with_text(plan: dict[str, Any], place: Place, text: str) -> dict[str, Any]:
    """A copy of ``plan`` with ``text`` at ``place``."""
    changed = copy.deepcopy(plan)
    here: Any = changed
    for key, following in pairwise(place):
        empty: Any = [] if isinstance(following, int) else {}
        if isinstance(key, int):
            if not here:
                here.append(empty)
            elif not isinstance(here[0], type(empty)):
                here[0] = empty
            here = here[0]
        else:
            if not isinstance(here.get(key), type(empty)):
                here[key] = empty
            here = here[key]
    last = place[-1]
    if isinstance(last, int):
        here[:1] = [text]
    else:
        here[last] = text
    return changed


def _places(schema: dict[str, Any], node: dict[str, Any], at: Place) -> Iterator[Place]:
    node = _resolved(schema, node)
    inner = [*node.get("anyOf", ()), *node.get("oneOf", ()), *node.get("allOf", ())]
    for each in inner:
        yield from _places(schema, each, at)
    for name, each in node.get("properties", {}).items():
        yield from _places(schema, each, (*at, name))
    if isinstance(node.get("items"), dict):
        yield from _places(schema, node["items"], (*at, 0))
    elif at and not inner and "properties" not in node:
        yield at


def _resolved(schema: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in node:
        found: Any = schema
        for key in node["$ref"].removeprefix("#/").split("/"):
            found = found[key]
        node = {**found, **{key: value for key, value in node.items() if key != "$ref"}}
    return node
