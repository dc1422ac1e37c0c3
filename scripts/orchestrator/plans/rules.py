"""What a plan must and should be like beyond its form: rules that take several fields or several tasks to judge.

Pure: a plan in, problems out. An error refuses the plan; a warning says what tends to go wrong.
The limits of the warnings are those of the design, under plan.yaml.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

from orchestrator import graph
from orchestrator.dataclasses import dataclass
from orchestrator.durations import duration_text
from orchestrator.errors import Problem, Severity
from orchestrator.ids import is_task_id
from orchestrator.model import DEFAULT_TIMEOUT_S, TASK_ID, DependencyType, OnFailure, Plan, Task
from orchestrator.plans.commandrules import command_fault, shell_word
from orchestrator.plans.mentions import hidden_dependencies
from orchestrator.plans.pathrules import TooManyGlobsError, clashes, is_path, outside
from orchestrator.wording import excerpt, listed, nearest, printable

FEWEST_TASKS, MOST_TASKS = 3, 10
MOST_STAGES = 10
LONGEST_ESTIMATE_S = 20 * 60.0
MOST_TOKENS = 20_000
MOST_FILES = 3

Lines: TypeAlias = Callable[[tuple[str | int, ...]], int | None]
"""The line in plan.yaml of the value at a path such as ``("tasks", 3, "deps", 0)``; ``Document.line`` is one."""

_MOST_SUGGESTIONS = 20_000
_MOST_SEQUENTIAL = 200
_LONGEST_CYCLE = 12


def plan_problems(plan: Plan, lines: Lines | None = None) -> list[Problem]:
    """Everything that is wrong with ``plan`` or not advisable, in the order of its lines."""
    view = _View(plan, lines or (lambda path: None))
    problems = [
        *_id_problems(view),
        *_dependency_problems(view),
        *_parent_problems(view),
        *_path_problems(view),
        *_failure_problems(view),
        *_command_problems(view),
        *_schema_problems(view),
        *_plan_advice(view),
        *_task_advice(view),
    ]
    if len({task.id.casefold() for task in plan.tasks}) == len(plan.tasks) and not graph.cycles(view.deps):
        problems += [*_order_advice(view), *_mention_advice(view), *_clash_advice(view)]
    return sorted(problems, key=lambda problem: problem.line or 0)


@dataclass(frozen=True, slots=True)
class _View:
    """A plan beside its lines."""

    plan: Plan
    lines: Lines

    @property
    def deps(self) -> dict[str, tuple[str, ...]]:
        """The dependencies without those of a task on itself, which have a problem of their own."""
        return {task.id: tuple(id for id in task.dep_ids if id != task.id) for task in self.plan.tasks}

    def error(self, at: int, path: tuple[str | int, ...], message: str, advice: str) -> Problem:
        """An error in the task with index ``at``."""
        return self._problem(at, path, message, advice, Severity.ERROR)

    def warning(self, at: int, path: tuple[str | int, ...], message: str, advice: str) -> Problem:
        """A warning about the task with index ``at``."""
        return self._problem(at, path, message, advice, Severity.WARNING)

    def advice(self, path: tuple[str | int, ...], message: str, advice: str) -> Problem:
        """A warning about the plan as a whole."""
        return Problem(message, advice, self.lines(path), severity=Severity.WARNING)

    def _problem(self, at: int, path: tuple[str | int, ...], message: str, advice: str, severity: Severity) -> Problem:
        # An id that is refused is still named, in its own problem and in those of others.
        name = printable(self.plan.tasks[at].id)
        return Problem(printable(message), printable(advice), self.lines(("tasks", at, *path)), name, severity)

    def given(self, field: str) -> Iterator[tuple[int, Task]]:
        """The tasks that have ``field``, by index; of those that share one value of ``defaults`` only the first."""
        seen: set[int] = set()
        for at, task in enumerate(self.plan.tasks):
            value = getattr(task, field)
            if value is not None and value != () and id(value) not in seen:
                seen.add(id(value))
                yield at, task


def _id_problems(view: _View) -> Iterator[Problem]:
    first: dict[str, int] = {}
    for at, task in enumerate(view.plan.tasks):
        if not TASK_ID.fullmatch(task.id):
            advice = "use up to 64 letters, digits and . _ -, beginning with a letter or a digit"
            yield view.error(at, ("id",), f"{excerpt(task.id)} cannot be the id of a task", advice)
        elif not is_task_id(task.id):
            yield view.error(at, ("id",), f"{task.id} is the name of a device on Windows", "take another id")
        twin = first.setdefault(task.id.casefold(), at)
        if twin != at:
            line = view.lines(("tasks", twin, "id"))
            place = f"line {line}" if line else f"task {twin + 1} of the list"
            other = view.plan.tasks[twin].id
            how = "is given twice" if other == task.id else f"differs from {excerpt(other)} only in case"
            yield view.error(at, ("id",), f"the id {excerpt(task.id)} {how}, first in {place}", "take another id")


def _dependency_problems(view: _View) -> Iterator[Problem]:
    ids = {task.id: at for at, task in enumerate(view.plan.tasks)}
    known = f"name one of {listed(list(ids))}"
    suggestions = 0
    for at, task in enumerate(view.plan.tasks):
        seen: set[str] = set()
        for j, dep in enumerate(task.dep_ids):
            if dep == task.id:
                yield view.error(at, ("deps", j), f"{task.id} depends on itself", "remove this dependency")
            elif dep in seen:
                yield view.error(at, ("deps", j), f"the dependency {excerpt(dep)} is given twice", "keep one")
            elif dep not in ids:
                # Looking for a near id goes through all of them.
                suggestions += len(ids)
                near = nearest(dep, ids) if suggestions <= _MOST_SUGGESTIONS or suggestions == len(ids) else None
                advice = f"did you mean {near}?" if near else known
                yield view.error(at, ("deps", j), f"there is no task {excerpt(dep)} to depend on", advice)
            seen.add(dep)
    for cycle in graph.cycles(view.deps):
        at = ids[cycle[0]]
        path = ("deps", view.plan.tasks[at].dep_ids.index(cycle[1]))
        message = f"{len(cycle)} tasks wait for each other: {_shown_cycle(cycle)}"
        yield view.error(at, path, message, "remove one of these dependencies")


def _parent_problems(view: _View) -> Iterator[Problem]:
    """A task that is part of another one is waited for by it, or its result would reach nobody."""
    ids = {task.id for task in view.plan.tasks}
    before: dict[str, set[str]] = {}
    for at, task in view.given("parent"):
        parent = task.parent or ""
        if parent not in ids:
            near = nearest(parent, ids)
            advice = f"did you mean {near}?" if near else "remove `parent`"
            yield view.error(at, ("parent",), f"there is no task {excerpt(parent)} that it could be a part of", advice)
            continue
        if parent not in before:
            before[parent] = graph.ancestors(view.deps, parent)
        if task.id not in before[parent]:
            message = f"it is a part of {parent}, which does not wait for it"
            yield view.error(at, ("parent",), message, f"add {task.id} to the deps of {parent}, or remove `parent`")


def _shown_cycle(cycle: Sequence[str]) -> str:
    if len(cycle) <= _LONGEST_CYCLE:
        return graph.cycle_text(cycle)
    half = _LONGEST_CYCLE // 2
    return " → ".join([*cycle[:half], f"… {len(cycle) - 2 * half} more …", *cycle[-half:], cycle[0]])


def _path_problems(view: _View) -> Iterator[Problem]:
    for field in ("outputs", "writes", "inputs"):
        for at, task in view.given(field):
            paths: tuple[str, ...] = getattr(task, field)
            for j, path in enumerate(paths):
                if field == "inputs" and not is_path(path):
                    continue
                if why := outside(path, may_name_run=field == "inputs"):
                    advice = "a path inside the project, such as docs/report.md"
                    if field == "inputs":
                        advice += "; say in words what is not a file"
                    yield view.error(at, (field, j), f"`{field}` {excerpt(path)} is not in the project: {why}", advice)


def _failure_problems(view: _View) -> Iterator[Problem]:
    for at, task in enumerate(view.plan.tasks):
        if task.fallback and task.on_failure is not OnFailure.FALLBACK:
            message = "`fallback` is given and would never be used"
            yield view.error(at, ("fallback",), message, "add `on_failure: fallback`, or remove it")
        elif task.on_failure is OnFailure.FALLBACK and not task.fallback:
            advice = "add `fallback:` with another instruction, or `{model: …}`, `{role: …}`"
            yield view.error(at, ("on_failure",), "`on_failure: fallback` has no `fallback` to turn to", advice)


def _command_problems(view: _View) -> Iterator[Problem]:
    for at, task in view.given("verify"):
        for j, command in enumerate(task.verify):
            if fault := command_fault(command):
                yield view.error(at, ("verify", j), f"`verify` {excerpt(command)} {fault.what}", fault.advice)
            elif shell := shell_word(command):
                message = f"`verify` runs without a shell, so `{shell}` is passed on as a word"
                yield view.warning(at, ("verify", j), message, "write sh -c '…', or one command an entry")
    run = view.plan.run
    for path, text in (
        (("run", "command"), run.command),
        *((("run", "hooks", name), hook) for name, hook in run.hooks.items()),
    ):
        if text is not None and (fault := command_fault(text)):
            yield Problem(f"`{'.'.join(path)}` {excerpt(text)} {fault.what}", fault.advice, view.lines(path))


def _schema_problems(view: _View) -> Iterator[Problem]:
    for at, task in view.given("result_schema"):
        from orchestrator.plans.schemarules import cli_fault, schema_fault

        schema = task.result_schema or {}
        if fault := schema_fault(schema):
            path, message = fault
            advice = "see https://json-schema.org/understanding-json-schema"
            yield view.error(at, ("result_schema", *path), f"`result_schema` is not a JSON Schema: {message}", advice)
        elif fault := cli_fault(schema):
            path, message = fault
            whole = f"claude leaves this `result_schema` out without a word, because {message}"
            yield view.warning(at, ("result_schema", *path), whole, "keep to JSON Schema draft 7, of type object")


def _plan_advice(view: _View) -> Iterator[Problem]:
    plan, count = view.plan, len(view.plan.tasks)
    if count == 0:
        yield view.advice(("tasks",), "the plan has no tasks yet", "add them under `tasks`, or with `orchestrate plan`")
    elif count < FEWEST_TASKS:
        message = f"{count} task{'s' * (count > 1)}; fewer than {FEWEST_TASKS} are hardly worth a plan"
        yield view.advice(("tasks",), message, "do the work directly, or split it further")
    elif count > MOST_TASKS:
        message = f"{count} tasks; more than {MOST_TASKS} are hard to keep in view"
        yield view.advice(("tasks",), message, "join small tasks, or split the request")
    given = sum(task.budget_usd or 0.0 for task in plan.tasks)
    if plan.budget_usd is not None and given > plan.budget_usd + 0.005:
        message = f"the budgets of the tasks add up to ${given:,.2f}, the plan's is ${plan.budget_usd:,.2f}"
        yield view.advice(("budget_usd",), message, "the plan's budget is the one that holds; raise it or lower theirs")


def _task_advice(view: _View) -> Iterator[Problem]:
    for at, task in view.given("estimate"):
        high = task.estimate.high_s if task.estimate else 0.0
        if high > LONGEST_ESTIMATE_S:
            message = (
                f"estimated at {duration_text(high)}; over {duration_text(LONGEST_ESTIMATE_S)} much is lost by a retry"
            )
            yield view.warning(at, ("estimate",), message, "split it into smaller tasks")
        timeout = DEFAULT_TIMEOUT_S if task.timeout_s is None else task.timeout_s
        if high > timeout:
            how = "not given" if task.timeout_s is None else "given"
            message = (
                f"its timeout of {duration_text(timeout)} ({how}) is shorter than its estimate, {duration_text(high)}"
            )
            yield view.warning(at, ("timeout",), message, f"add `timeout: {duration_text(high * 2)}`")
    for at, task in enumerate(view.plan.tasks):
        if task.estimate_tokens is not None and task.estimate_tokens > MOST_TOKENS:
            message = f"estimated at {task.estimate_tokens:,} tokens; over {MOST_TOKENS:,} results get worse"
            yield view.warning(at, ("estimate_tokens",), message, "split it into smaller tasks")
        files = len({*task.outputs, *task.writes})
        if files > MOST_FILES:
            message = f"changes {files} files or folders; over {MOST_FILES} is more than one piece of work"
            yield view.warning(at, ("writes" if task.writes else "outputs",), message, "split it into smaller tasks")
        if not (task.success_criteria or task.verify or task.outputs or task.result_schema):
            advice = "add `success_criteria`, `outputs`, `verify` or `result_schema`"
            yield view.warning(at, (), "nothing says how one knows that it is done", advice)


def _order_advice(view: _View) -> Iterator[Problem]:
    deps, tasks = view.deps, view.plan.tasks
    stages = max(graph.stages(deps).values(), default=0)
    if stages == len(tasks) >= FEWEST_TASKS:
        advice = "drop dependencies that are mere habit, or do the work directly, without agents"
        yield view.advice(("tasks",), "each task waits for the one before it, so nothing runs in parallel", advice)
    if stages > MOST_STAGES:
        message = f"{stages} stages; with more than {MOST_STAGES} waiting outweighs what runs in parallel"
        yield view.advice(("tasks",), message, "shorten the longest chain of dependencies")
    sequential = [
        (at, j, dep.task)
        for at, task in enumerate(tasks)
        if len(task.deps) > 1
        for j, dep in enumerate(task.deps)
        if dep.type is DependencyType.SEQUENTIAL
    ]
    for at, j, id in sequential[:_MOST_SEQUENTIAL]:
        via = next((other for other in tasks[at].dep_ids if other != id and graph.has_path(deps, other, id)), None)
        if via:
            message = f"the order after {id} is already given by the dependency on {via}"
            yield view.warning(at, ("deps", j), message, f"remove the sequential dependency on {id}")


def _mention_advice(view: _View) -> Iterator[Problem]:
    for each in hidden_dependencies(view.plan.tasks, view.deps):
        message = f"it names {each.other}, which may run at the same time: nothing of {each.other} is handed over"
        advice = f"add {each.other} to its deps, or say what is meant without the id"
        yield view.warning(each.task, each.path, message, advice)


def _clash_advice(view: _View) -> Iterator[Problem]:
    tasks = view.plan.tasks
    try:
        for clash in clashes(tasks, view.deps):
            ids = [tasks[other].id for other in clash.others]
            rest = clash.total - len(ids)
            named = f"{', '.join(ids)} and {rest:,} more" if rest else listed(ids)
            message = f"may change the same files as {named}, and neither waits for the other"
            advice = f"add the dependency {{task: {ids[-1]}, type: sequential}}, or give them files of their own"
            field = "writes" if tasks[clash.task].writes else "outputs"
            yield view.warning(clash.task, (field,), message, advice)
    except TooManyGlobsError:
        message = "there are too many globs in `writes` to look for tasks that change the same files"
        yield view.advice(("tasks",), message, "name files or folders instead of globs")
