"""Where the tasks of a graph are drawn: stages as columns, ordered so that few edges cross.

The method of Sugiyama, Tagawa and Toda ("Methods for Visual Understanding of Hierarchical System Structures", 1981):
an edge over several stages passes through a place of its own in each stage between, and the places of each column are
ordered by the mean place of their neighbours, in sweeps to and fro.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import pairwise

from orchestrator import graph
from orchestrator.dataclasses import dataclass

NODE_WIDTH, NODE_HEIGHT = 156.0, 58.0
COLUMN_GAP, ROW_GAP, MARGIN = 42.0, 14.0, 4.0
PASSING_HEIGHT = 10.0
_SWEEPS = 6

Place = tuple[str, str, int]
"""A task itself (``(id, "", stage)``), or where the edge from one task to another passes a stage."""


@dataclass(frozen=True, slots=True)
class Edge:
    """A dependency as a path of SVG, from the task that is first."""

    dep: str
    task: str
    path: str


@dataclass(frozen=True, slots=True)
class Layout:
    """Top left corners of the tasks, the edges, and the size of it all, in units of SVG."""

    width: float
    height: float
    nodes: Mapping[str, tuple[float, float]]
    edges: tuple[Edge, ...]


def layout(deps: Mapping[str, Sequence[str]]) -> Layout:
    """The drawing of the acyclic graph ``deps`` (id to the ids that it depends on)."""
    stage = graph.stages(deps)
    columns: dict[int, list[Place]] = {n: [] for n in range(1, max(stage.values(), default=0) + 1)}
    for task in deps:
        columns[stage[task]].append((task, "", stage[task]))
    routes: dict[tuple[str, str], list[Place]] = {}
    before: dict[Place, list[Place]] = defaultdict(list)
    after: dict[Place, list[Place]] = defaultdict(list)
    for task, needed in deps.items():
        for dep in dict.fromkeys(each for each in needed if each in deps):
            passed: list[Place] = [(dep, task, n) for n in range(stage[dep] + 1, stage[task])]
            for place in passed:
                columns[place[2]].append(place)
            route: list[Place] = [(dep, "", stage[dep]), *passed, (task, "", stage[task])]
            routes[dep, task] = route
            for first, second in pairwise(route):
                after[first].append(second)
                before[second].append(first)
    _order(columns, before, after)
    y = _heights(columns)
    height = max((y[place] + _size(place) for column in columns.values() for place in column), default=0.0)
    edges = tuple(Edge(dep, task, _path(route, y)) for (dep, task), route in routes.items())
    nodes = {task: (_left(stage[task]), y[task, "", stage[task]]) for task in deps}
    return Layout(_left(len(columns)) + NODE_WIDTH + MARGIN if columns else 0.0, height + MARGIN, nodes, edges)


def _order(
    columns: dict[int, list[Place]], before: Mapping[Place, list[Place]], after: Mapping[Place, list[Place]]
) -> None:
    rank = {place: n for column in columns.values() for n, place in enumerate(column)}
    for sweep in range(_SWEEPS):
        forth = sweep % 2 == 0
        for number in sorted(columns, reverse=not forth):
            neighbours = before if forth else after
            column = columns[number]
            column.sort(key=lambda place: _mean([rank[each] for each in neighbours.get(place, ())], rank[place]))
            rank.update((place, n) for n, place in enumerate(column))


def _mean(values: Sequence[int], otherwise: int) -> float:
    return sum(values) / len(values) if values else float(otherwise)


def _heights(columns: Mapping[int, Sequence[Place]]) -> dict[Place, float]:
    """The top of each place; columns are centred on the tallest."""
    totals = {n: sum(map(_size, column)) + ROW_GAP * (len(column) - 1) for n, column in columns.items()}
    tallest = max(totals.values(), default=0.0)
    y: dict[Place, float] = {}
    for number, column in columns.items():
        at = MARGIN + (tallest - totals[number]) / 2
        for place in column:
            y[place] = at
            at += _size(place) + ROW_GAP
    return y


def _size(place: Place) -> float:
    return PASSING_HEIGHT if place[1] else NODE_HEIGHT


def _left(stage: int) -> float:
    return MARGIN + (stage - 1) * (NODE_WIDTH + COLUMN_GAP)


def _path(route: Sequence[Place], y: Mapping[Place, float]) -> str:
    """Curves from the right side of the first task to the left side of the last, straight where others are passed."""
    middle = {place: y[place] + _size(place) / 2 for place in route}
    at = _left(route[0][2]) + NODE_WIDTH, middle[route[0]]
    path = f"M{at[0]:g} {at[1]:g}"
    for place in route[1:]:
        to = _left(place[2]), middle[place]
        bend = COLUMN_GAP / 2
        path += f"C{at[0] + bend:g} {at[1]:g} {to[0] - bend:g} {to[1]:g} {to[0]:g} {to[1]:g}"
        if place[1]:
            to = to[0] + NODE_WIDTH, to[1]
            path += f"H{to[0]:g}"
        at = to
    return path
