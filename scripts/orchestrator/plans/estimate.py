"""What a plan will take before anything has started: time, parallelism, tokens, money, and what holds it up.

The report's ``record`` is the JSON of ``orchestrate estimate``; ``estimate_text`` is the same for a person.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from math import ceil
from types import MappingProxyType

from orchestrator import graph
from orchestrator.dataclasses import dataclass, replace
from orchestrator.durations import duration_text
from orchestrator.ids import start_keys
from orchestrator.model import Estimate, Json, Plan, Task
from orchestrator.plans.globs import overlap
from orchestrator.plans.prices import Price, cost
from orchestrator.plans.simulation import Claim, Schedule, claims, simulate
from orchestrator.plans.subtasks import last_subtasks
from orchestrator.wording import listed

_SHOWN = 3
"""How many bottlenecks of one kind are named."""


@dataclass(frozen=True, slots=True)
class EstimateReport:
    """Times are seconds; where no task has an estimate (``is_timed`` false) they are tasks in a row.

    ``cost_usd`` is None where no price is known for any task; ``unpriced`` are the models that have none.
    ``duration_s`` is the simulated run with the low and with the high estimates, the shorter first, without retries.
    ``workers`` is the least number of slots, up to ``slots``, with which the run is as short as with all of them.
    ``parallelism`` is total work divided by the critical path. ``slack`` and ``durations`` are by task id.
    """

    total_subtasks: int
    critical_path: tuple[str, ...]
    critical_path_s: float
    total_work_s: float
    duration_s: tuple[float, float]
    parallelism: float
    parallelization_possible: bool
    workers: int
    stages: tuple[tuple[str, ...], ...]
    estimated_tokens: int
    cost_usd: tuple[float, float] | None
    roles: tuple[str, ...]
    bottlenecks: tuple[str, ...]
    slots: int
    is_timed: bool
    durations: Mapping[str, float]
    slack: Mapping[str, float]
    notes: tuple[str, ...]
    unpriced: tuple[str, ...] = ()

    def record(self) -> dict[str, Json]:
        """The JSON form that ``estimate --json`` prints."""
        return {
            "total_subtasks": self.total_subtasks,
            "critical_path": [*self.critical_path],
            "critical_path_s": _number(self.critical_path_s),
            "total_work_s": _number(self.total_work_s),
            "duration_s": [_number(value) for value in self.duration_s],
            "parallelism": round(self.parallelism, 2),
            "parallelization_possible": self.parallelization_possible,
            "workers": self.workers,
            "stages": [[*stage] for stage in self.stages],
            "estimated_tokens": self.estimated_tokens,
            "cost_usd": None if self.cost_usd is None else [round(value, 2) for value in self.cost_usd],
            "roles": [*self.roles],
            "bottlenecks": [*self.bottlenecks],
            "is_timed": self.is_timed,
            "unpriced": [*self.unpriced],
            "notes": [*self.notes],
        }


def estimate(
    plan: Plan,
    slots: int,
    prices: Mapping[str, Price] = MappingProxyType({}),
    role_models: Mapping[str, str | None] = MappingProxyType({}),
) -> EstimateReport:
    """The estimate of ``plan`` run on ``slots`` slots.

    ``prices`` are the user's own, by a part of the model's name; ``role_models`` the model of each role by its folded
    name, for tasks that name none. What was assumed or left out is said in ``notes``.
    """
    tasks = _weighed(plan.tasks)
    deps, durations = graph.dependencies(tasks), graph.durations(tasks)
    length, work = graph.critical_path_length(deps, durations), sum(durations.values())
    low_ends = {task.id: task.estimate.low_s for task in tasks if task.estimate}
    keys, held = start_keys(tasks), {task.id: claims(task) for task in tasks}

    def run(slots: int, taking: Mapping[str, float] = durations) -> Schedule:
        return simulate(deps, taking, slots, keys, held)

    limited, unlimited = run(slots), run(max(1, len(tasks)))
    ends = (run(slots, low_ends).makespan, limited.makespan)
    taken_over = last_subtasks({task.id: task for task in tasks})
    money = cost(plan, [task for task in tasks if task.id not in taken_over], prices, role_models)
    notes = money.notes
    untimed = sum(task.estimate is None for task in tasks)
    if untimed:
        notes = (_untimed_note(untimed, len(tasks)), *notes)
    report = EstimateReport(
        total_subtasks=len(tasks),
        critical_path=tuple(graph.critical_path(deps, durations)),
        critical_path_s=length,
        total_work_s=work,
        # Shorter tasks can make a longer run (Graham 1969): the low estimates need not give the low end.
        duration_s=(min(ends), max(ends)),
        parallelism=work / length if length else 0.0,
        parallelization_possible=unlimited.busiest > 1,
        workers=_useful_slots(run, limited, work),
        stages=_stages(deps),
        estimated_tokens=sum(task.estimate_tokens or 0 for task in tasks),
        cost_usd=money.usd,
        roles=tuple(dict.fromkeys(task.role for task in tasks if task.role)),
        bottlenecks=(),
        slots=slots,
        is_timed=untimed < len(tasks),
        durations=durations,
        slack=graph.slack(deps, durations),
        notes=notes,
        unpriced=money.unpriced,
    )
    bottlenecks = [*_path_bottlenecks(report, deps), *_turn_bottlenecks(report, tasks, limited)]
    if limited.makespan > unlimited.makespan * 1.05:
        more = _useful_slots(run, unlimited, work)
        shorter, time = _time(report, unlimited.makespan), _time(report, limited.makespan)
        bottlenecks.append(f"{_count(slots, 'slot')} for this much work: {time}, where {more} would take {shorter}")
    bottlenecks += [f"{task.id} starts only after a person's approval" for task in tasks if task.approval]
    return replace(report, bottlenecks=tuple(bottlenecks))


def estimate_text(report: EstimateReport, with_slack: bool = False, ascii: bool = False) -> str:
    """``report`` for a terminal; ``ascii`` uses plain characters only, ``with_slack`` adds a line for each task."""
    if not report.total_subtasks:
        return "The plan has no tasks.\n"
    arrow, dot = (" -> ", " | ") if ascii else (" → ", " · ")
    widths = _shortened([str(len(stage)) for stage in report.stages], dot)
    low, high = (_time(report, value) for value in report.duration_s)
    rows = {
        "Critical path": f"{_shortened(report.critical_path, arrow)}, {_time(report, report.critical_path_s)}",
        "Total work": f"{_time(report, report.total_work_s)}, parallelism {report.parallelism:.1f}",
        "Duration": f"{low if low == high else f'{low} to {high}'} on {_count(report.slots, 'slot')}",
        "Workers": f"{report.workers} useful" if report.parallelization_possible else "1, nothing can run in parallel",
        "Tokens": f"{report.estimated_tokens:,}" if report.estimated_tokens else "not estimated",
        "Cost": _cost_text(report),
        "Roles": ", ".join(report.roles),
    }
    stages = _count(len(report.stages), "stage")
    lines = [f"{_count(report.total_subtasks, 'task')} in {stages} ({widths})", ""]
    lines += [f"  {name:<15}{value}" for name, value in rows.items() if value]
    for title, texts in (("Bottlenecks", report.bottlenecks), ("Assumed", report.notes)):
        if texts:
            lines += ["", title, *(f"  - {text}" for text in texts)]
    if with_slack:
        width = max(map(len, report.slack))
        lines += ["", "Slack"]
        lines += [
            f"  {id:<{width}}  {_time(report, spare) if spare else 'critical'}" for id, spare in report.slack.items()
        ]
    return "".join(f"{_printable(line)}\n" for line in lines)


def _cost_text(report: EstimateReport) -> str:
    if report.cost_usd is None:
        return "not known"
    without = f", without {listed(report.unpriced)}" if report.unpriced else ""
    return " to ".join(dict.fromkeys(f"${value:,.2f}" for value in report.cost_usd)) + without


def _weighed(tasks: Sequence[Task]) -> list[Task]:
    """``tasks``, of which one that takes over the result of its last subtask takes nothing: no agent runs for it."""
    over = last_subtasks({task.id: task for task in tasks})
    nothing = Estimate(0.0, 0.0)
    return [replace(task, estimate=nothing, estimate_tokens=0) if task.id in over else task for task in tasks]


def _printable(line: str) -> str:
    """``line`` without what a terminal obeys: names of roles, resources and models are foreign text."""
    return line if line.isprintable() else "".join(c if c.isprintable() else "?" for c in line)


def _stages(deps: Mapping[str, Sequence[str]]) -> tuple[tuple[str, ...], ...]:
    """The ids of each stage, as written."""
    stages = graph.stages(deps)
    result: list[list[str]] = [[] for _ in range(max(stages.values(), default=0))]
    for id, stage in stages.items():
        result[stage - 1].append(id)
    return tuple(map(tuple, result))


def _useful_slots(run: Callable[[int], Schedule], full: Schedule, work: float) -> int:
    """The least number of slots with which the ``run`` takes no longer than ``full``, found by halving."""
    limit = full.makespan * (1 + 1e-9)
    least = min(full.busiest, ceil(work / limit)) if limit else full.busiest
    most = full.busiest
    while least < most:
        middle = (least + most) // 2
        if run(middle).makespan <= limit:
            most = middle
        else:
            least = middle + 1
    return most


def _path_bottlenecks(report: EstimateReport, deps: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """What makes the critical path long, and what many tasks wait for."""
    others = report.total_subtasks - 1
    if others > 0 and not report.parallelization_possible:
        yield "nothing can run in parallel: each task waits for another one"
    path = report.critical_path
    # One task of two is always a large part of them; one of many is from a third on.
    large = max(1 / 3, 1.5 / max(1, len(path))) * report.critical_path_s
    for id in sorted((id for id in path if report.durations[id] >= large), key=lambda id: -report.durations[id]):
        share = report.durations[id] / report.critical_path_s
        yield f"{id} takes {_time(report, report.durations[id])}, {share:.0%} of the critical path"
    if report.parallelization_possible:
        awaited: dict[int, list[str]] = {}
        for id, count in Counter(graph.dependant_counts(deps)).most_common():
            awaited.setdefault(count, []).append(id)
        for count, ids in [*awaited.items()][:_SHOWN]:
            if count >= max(2, others / 2):
                how_many = f"all {count}" if count == others else f"{count} of {others}"
                yield f"{how_many} other tasks wait for {'' if len(ids) == 1 else 'each of '}{listed(ids)}"


def _turn_bottlenecks(report: EstimateReport, tasks: Sequence[Task], run: Schedule) -> Iterator[str]:
    """Which tasks take turns in ``run`` because of a resource or of what they write."""
    for claim, wait in sorted(run.waits.items(), key=lambda item: -item[1])[:_SHOWN]:
        if wait:
            yield f"{_turn_taking(claim, tasks)}, {_time(report, wait)} of waiting"


def _turn_taking(claim: Claim, tasks: Sequence[Task]) -> str:
    """Who takes turns because of ``claim``."""
    if claim.kind == "resource":
        holders = [task.id for task in tasks if claim in claims(task)]
        return f"{listed(holders)} take turns with the resource {claim.name}"
    writers = [task.id for task in tasks if any(overlap(claim.name, glob) for glob in task.writes)]
    return f"{listed(writers)} take turns to write {claim.name}"


def _untimed_note(untimed: int, total: int) -> str:
    if untimed == total:
        return "no task has an estimate: times are counted in tasks"
    return f"{untimed} of {total} tasks without an estimate: 1s each"


def _time(report: EstimateReport, value: float) -> str:
    return duration_text(value) if report.is_timed else _count(round(value), "task")


def _count(n: int, noun: str) -> str:
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"


def _shortened(words: Sequence[str], separator: str, most: int = 9) -> str:
    """``words`` joined; of more than ``most`` only the first and last ones."""
    shown = list(words) if len(words) <= most else [*words[: most - 4], "...", *words[-3:]]
    return separator.join(shown)


def _number(value: float) -> int | float:
    """``value`` to the millisecond, without ``.0``."""
    rounded = round(value, 3)
    return int(rounded) if rounded == int(rounded) else rounded
