"""The pictures of a report as figures: the graph with the state of each task, and when each attempt ran.

The template draws what stands here; nothing here is text for a browser.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from orchestrator import clock, graph
from orchestrator.dataclasses import dataclass
from orchestrator.durations import duration_text
from orchestrator.model import DependencyType, Status
from orchestrator.render.markdown import one_line
from orchestrator.render.wrapping import wrapped
from orchestrator.report.facts import ReportFacts, TaskFacts
from orchestrator.report.layout import NODE_HEIGHT, NODE_WIDTH, layout

DRAWN_TASKS = 150
"""A graph of more tasks is drawn as its stages; nobody can read one with more boxes."""
TIMELINE_ROWS = 300
"""The timeline has at most so many tasks; the table has all."""

NAME_COLUMNS, NAME_LINES = 20, 2
LABEL_SHOWN = 30
ROW_HEIGHT, BAR_HEIGHT, LABEL_WIDTH, CHART_WIDTH, AXIS_HEIGHT = 22.0, 14.0, 230.0, 840.0, 24.0
_LEAST_WIDTH = 2.5
_MOST_TICKS = 8
_TICKS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400)


@dataclass(frozen=True, slots=True)
class Node:
    """One task in its box, with its name in lines."""

    task: TaskFacts
    x: float
    y: float
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Line:
    """One dependency; ``is_critical`` where it is on the critical path, ``is_order`` where only the order counts."""

    path: str
    is_critical: bool
    is_order: bool


@dataclass(frozen=True, slots=True)
class StageRow:
    """One stage of a graph that is too large to draw: parts are the status, how many, and where on a width of 100."""

    stage: int
    count: int
    parts: tuple[tuple[Status, int, float, float], ...]


@dataclass(frozen=True, slots=True)
class GraphPicture:
    """The graph, or where it has too many tasks its stages."""

    width: float
    height: float
    nodes: tuple[Node, ...] = ()
    lines: tuple[Line, ...] = ()
    stages: tuple[StageRow, ...] = ()
    node_width: float = NODE_WIDTH
    node_height: float = NODE_HEIGHT


@dataclass(frozen=True, slots=True)
class Bar:
    """One attempt on the time axis; ``kind`` is its outcome as a class of the page, ``title`` says all about it."""

    x: float
    width: float
    kind: str
    title: str


@dataclass(frozen=True, slots=True)
class Row:
    """The attempts of one task; ``estimate_x`` is where the last one should have ended, if that is on the axis."""

    task: TaskFacts
    y: float
    label: str
    bars: tuple[Bar, ...]
    estimate_x: float | None


@dataclass(frozen=True, slots=True)
class Timeline:
    """When each attempt ran. ``ticks`` are places and times of day, ``holds`` places, widths and reasons."""

    width: float
    height: float
    rows: tuple[Row, ...]
    ticks: tuple[tuple[float, str], ...]
    holds: tuple[tuple[float, float, str], ...]
    hidden: int
    row_height: float = ROW_HEIGHT
    bar_height: float = BAR_HEIGHT
    label_width: float = LABEL_WIDTH
    axis_height: float = AXIS_HEIGHT


def graph_picture(facts: ReportFacts) -> GraphPicture:
    """The dependency graph with the state of every task."""
    if len(facts.tasks) > DRAWN_TASKS:
        return _stages(facts.tasks)
    specs = [task.spec for task in facts.tasks]
    deps = graph.dependencies(specs)
    drawn = layout(deps)
    critical = graph.critical_path(deps, graph.durations(specs))
    on_path = set(pairwise(critical))
    order = {(dep.task, spec.id) for spec in specs for dep in spec.deps if dep.type is DependencyType.SEQUENTIAL}
    nodes = tuple(Node(task, *drawn.nodes[task.id], _name(task.spec.name)) for task in facts.tasks)
    lines = tuple(
        Line(edge.path, (edge.dep, edge.task) in on_path, (edge.dep, edge.task) in order) for edge in drawn.edges
    )
    return GraphPicture(drawn.width, drawn.height, nodes, lines)


def _name(text: str) -> tuple[str, ...]:
    """``text`` in the lines that a box has room for, with ``…`` where there are more."""
    lines = wrapped(one_line(text, 4 * NAME_COLUMNS), NAME_COLUMNS)
    if len(lines) > NAME_LINES:
        lines = [*lines[: NAME_LINES - 1], one_line(" ".join(lines[NAME_LINES - 1 :]), NAME_COLUMNS)]
    return tuple(lines)


def _stages(tasks: Sequence[TaskFacts]) -> GraphPicture:
    rows = []
    for stage in sorted({task.stage for task in tasks}):
        members = [task for task in tasks if task.stage == stage]
        parts: list[tuple[Status, int, float, float]] = []
        at = 0.0
        for status in Status:
            count = sum(task.status is status for task in members)
            if count:
                share = 100 * count / len(members)
                parts.append((status, count, round(at, 3), round(share, 3)))
                at += share
        rows.append(StageRow(stage, len(members), tuple(parts)))
    return GraphPicture(0, 0, stages=tuple(rows))


def timeline(facts: ReportFacts) -> Timeline | None:
    """The attempts on a time axis from the first start to the last end; None where nothing was started."""
    if facts.start is None:
        return None
    start = facts.start
    end = max(facts.end if facts.end is not None else facts.now, start + 1.0)

    def x(at: float) -> float:
        return round(LABEL_WIDTH + CHART_WIDTH * (min(max(at, start), end) - start) / (end - start), 2)

    begun = sorted((task for task in facts.tasks if task.attempts), key=lambda task: task.start or 0.0)
    rows = []
    for number, task in enumerate(begun[:TIMELINE_ROWS]):
        last, guess = task.attempts[-1], task.spec.estimate
        due = last.start + guess.high_s if guess and not facts.is_rehearsal else None
        bars = tuple(
            Bar(
                at := x(each.start),
                max(_LEAST_WIDTH, round(x(each.end if each.end is not None else end) - at, 2)),
                each.outcome.replace(" ", "-"),
                f"{task.id}, attempt {each.number}: {each.outcome}, {duration_text(each.duration_s)}"
                f" from {clock.local_time(each.start)}" + (f": {one_line(each.reason, 200)}" if each.reason else ""),
            )
            for each in task.attempts
        )
        label = one_line(f"{task.id} {task.spec.name}", LABEL_SHOWN)
        rows.append(
            Row(task, number * ROW_HEIGHT, label, bars, x(due) if due is not None and start < due <= end else None)
        )
    holds = tuple(
        (x(hold.start), round(x(hold.end if hold.end is not None else end) - x(hold.start), 2), hold.reason)
        for hold in facts.history.holds
        if (hold.end if hold.end is not None else end) > start and hold.start < end
    )
    height = len(rows) * ROW_HEIGHT + AXIS_HEIGHT
    ticks = tuple((x(at), text) for at, text in _ticks(start, end))
    return Timeline(LABEL_WIDTH + CHART_WIDTH + 34, height, tuple(rows), ticks, holds, len(begun) - len(rows))


def _ticks(start: float, end: float) -> list[tuple[float, str]]:
    """Even moments of the time of day, with seconds where they are close together."""
    span = end - start
    step = next((step for step in _TICKS_S if span / step <= _MOST_TICKS), 86_400 * max(1, int(span // 86_400 // 6)))
    first = -(-start // step) * step
    moments = [first + n * step for n in range(int(max(0.0, end - first) // step) + 1)]
    shown = [clock.local_datetime(at) for at in moments]
    if step >= 86_400:
        return [(at, text[:10]) for at, text in zip(moments, shown, strict=True)]
    return [(at, text[11:] if step < 60 else text[11:16]) for at, text in zip(moments, shown, strict=True)]
