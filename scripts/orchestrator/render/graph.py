"""The dependency graph drawn: Mermaid and Graphviz for documents, levels for a terminal, a Gantt chart of times.

Names are foreign text. In every form they become labels that can neither end their quotes nor begin a statement.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from orchestrator import graph
from orchestrator.model import DependencyType, Task
from orchestrator.render.markdown import fenced, one_line

DRAWN_TASKS = 150
"""A flowchart of more tasks shows stages instead; above some 200 nodes nobody can read one."""

LABEL_LENGTH = 60

_MERMAID_SPECIAL = frozenset('"`#&<>[]{}|\\%$;')
# Where a colon means something: in a line with "style" or "classDef" the next entity loses its ";" (encodeEntities
# in Mermaid's utils), and ":fa-" draws an icon. Elsewhere it stays, for people read the source as well.
_MERMAID_COLON_IN = ("style", "classDef", ":fa-")
# What the lexer of Gantt charts takes for the beginning of a statement, in any case.
_GANTT_WORDS = (
    *("accdescr", "acctitle", "axisformat", "call", "click", "dateformat", "excludes", "gantt", "href", "includes"),
    *("inclusiveenddates", "section", "tickinterval", "title", "todaymarker", "topaxis", "weekday", "weekend"),
)
_GANTT_TIME = "%Y-%m-%d %H:%M:%S"
_MIDNIGHT = datetime(2000, 1, 1)  # noqa: DTZ001 - a chart shows one clock and never its zone


def mermaid(tasks: Sequence[Task]) -> str:
    """``flowchart`` in a code fence, as ``master_plan.md`` shows it; ends without a newline."""
    return fenced(flowchart(tasks), "mermaid")


def flowchart(tasks: Sequence[Task]) -> str:
    """The graph as a Mermaid flowchart: data dependencies solid, sequential ones dotted, the critical path bold.

    More than ``DRAWN_TASKS`` tasks become one node for each stage.
    """
    if not tasks:
        return 'flowchart TD\n    t0["no tasks yet"]\n'
    lines = _stage_chart(tasks) if len(tasks) > DRAWN_TASKS else _task_chart(tasks)
    return "\n".join(["flowchart TD", *(f"    {line}" for line in lines)]) + "\n"


def dot(tasks: Sequence[Task]) -> str:
    """The graph for Graphviz, drawn as ``flowchart`` does and never collapsed."""
    critical = _critical(tasks)
    lines = ["digraph plan {", "    rankdir=TB;", "    node [shape=box];"]
    for task in tasks:
        bold = ", penwidth=3" if task.id in critical else ""
        lines.append(f'    "{task.id}" [label="{_dot_label(task)}"{bold}];')
    for id, dep, type in _edges(tasks):
        dotted = " [style=dotted]" if type is DependencyType.SEQUENTIAL else ""
        lines.append(f'    "{dep}" -> "{id}"{dotted};')
    return "\n".join([*lines, "}"]) + "\n"


def levels(tasks: Sequence[Task], ascii: bool = False) -> str:
    """The graph for a terminal: stage by stage, each task with what it waits for.

    ``ascii`` draws with plain characters; names stay as they are.
    """
    arrow, rule = ("<-", "-") if ascii else ("←", "─")
    width = max((len(task.id) for task in tasks), default=0)
    waits: dict[str, list[str]] = {task.id: [] for task in tasks}
    for id, dep, type in _edges(tasks):
        waits[id].append(dep if type is DependencyType.DATA else f"{dep} (order only)")
    lines: list[str] = []
    for stage, members in _by_stage(tasks).items():
        count = f" ({len(members)} in parallel)" if len(members) > 1 else ""
        lines += ["", f"{rule * 2} Stage {stage}{count}"]
        for task in members:
            after = f"  {arrow} {', '.join(waits[task.id])}" if waits[task.id] else ""
            lines.append(f"   {task.id:<{width}}  {one_line(task.name, LABEL_LENGTH)}{after}")
    return "\n".join(lines[1:]) + "\n" if lines else "The plan has no tasks.\n"


def gantt(
    tasks: Sequence[Task],
    spans: Mapping[str, tuple[float, float]],
    title: str = "",
    start: datetime = _MIDNIGHT,
    kinds: Mapping[str, str] | None = None,
) -> str:
    """The tasks of ``spans`` on a time axis, as a Mermaid Gantt chart with one section for each stage.

    ``spans`` are seconds from ``start`` at which each task begins and ends, as ``simulation.Schedule`` has them;
    a task without a span is left out. ``start`` is the time that the axis shows, in whatever zone it should show.
    ``kinds`` are words of Mermaid's for tasks (``done``, ``active``), and ours, never a value from outside.
    """
    heading = _mermaid_text(one_line(title, LABEL_LENGTH), ":")
    lines = ["gantt", *([f"    title {heading}"] if heading else [])]
    lines += ["    dateFormat YYYY-MM-DD HH:mm:ss", "    axisFormat %H:%M"]
    critical = _critical(tasks)
    node = {task.id: f"t{n}" for n, task in enumerate(tasks, 1)}
    for stage, members in _by_stage(tasks).items():
        drawn = [task for task in members if task.id in spans]
        lines += [f"    section Stage {stage}"] if drawn else []
        for task in drawn:
            begin, end = (start + timedelta(seconds=round(at)) for at in spans[task.id])
            kind = (kinds or {}).get(task.id)
            tag = "crit, " * (task.id in critical) + f"{kind}, " * bool(kind)
            times = f"{begin:{_GANTT_TIME}}, {max(1, round((end - begin).total_seconds()))}s"
            lines.append(f"    {_gantt_label(task)} :{tag}{node[task.id]}, {times}")
    return "\n".join(lines) + "\n"


def _task_chart(tasks: Sequence[Task]) -> Iterator[str]:
    node = {task.id: f"t{n}" for n, task in enumerate(tasks, 1)}
    for task in tasks:
        yield f'{node[task.id]}["{_mermaid_label(f"{task.id} {task.name}")}"]'
    for id, dep, type in _edges(tasks):
        yield f"{node[dep]} {'-.->' if type is DependencyType.SEQUENTIAL else '-->'} {node[id]}"
    critical = _critical(tasks)
    if len(tasks) > 1:
        yield "classDef critical stroke-width:3px"
        yield f"class {','.join(node[task.id] for task in tasks if task.id in critical)} critical"


def _stage_chart(tasks: Sequence[Task]) -> Iterator[str]:
    stages = _by_stage(tasks)
    yield f'note["{len(tasks):,} tasks, drawn as stages: orchestrate graph lists each of them"]'
    for stage, members in stages.items():
        ids = members[0].id if len(members) == 1 else f"{members[0].id} to {members[-1].id}"
        count = "1 task" if len(members) == 1 else f"{len(members):,} tasks"
        yield f's{stage}["{_mermaid_label(f"Stage {stage}, {count}, {ids}")}"]'
    for stage in range(2, len(stages) + 1):
        yield f"s{stage - 1} --> s{stage}"


def _by_stage(tasks: Sequence[Task]) -> dict[int, list[Task]]:
    """The tasks of each stage, lowest stage first, tasks as written."""
    stages = graph.stages(graph.dependencies(tasks))
    result: dict[int, list[Task]] = {stage: [] for stage in range(1, max(stages.values(), default=0) + 1)}
    for task in tasks:
        result[stages[task.id]].append(task)
    return result


def _critical(tasks: Sequence[Task]) -> set[str]:
    return set(graph.critical_path(graph.dependencies(tasks), graph.durations(tasks)))


def _edges(tasks: Sequence[Task]) -> Iterator[tuple[str, str, DependencyType]]:
    """Each dependency on a known task: the task, what it depends on, and how."""
    known = {task.id for task in tasks}
    for task in tasks:
        for dependency in task.deps:
            if dependency.task in known:
                yield task.id, dependency.task, dependency.type


def _dot_label(task: Task) -> str:
    name = one_line(f"{task.id} {task.name}", LABEL_LENGTH)
    # Graphviz reads entities in labels as well as backslashes.
    return name.replace("&", "&amp;").replace("\\", "\\\\").replace('"', '\\"')


def _mermaid_label(text: str) -> str:
    """``text`` for the inside of a quoted label."""
    line = one_line(text, LABEL_LENGTH)
    return _mermaid_text(line, ":" if any(word in line for word in _MERMAID_COLON_IN) else "")


def _gantt_label(task: Task) -> str:
    line = one_line(f"{task.id} {task.name}", LABEL_LENGTH)
    text = _mermaid_text(line, ":")
    begins_statement = line[0].isdigit() or line.casefold().startswith(_GANTT_WORDS)
    return f"#{ord(line[0])};{text[1:]}" if begins_statement else text


def _mermaid_text(line: str, also: str) -> str:
    """``line`` with everything that Mermaid might read as more than text written as an entity of its own kind."""
    return "".join(f"#{ord(c)};" if c in _MERMAID_SPECIAL or c in also else c for c in line)
