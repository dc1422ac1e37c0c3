"""What an agent is given: its assignment file and its prompt, from the state and the results on disk."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable

from orchestrator.dataclasses import replace
from orchestrator.errors import OrchestrateError, UsageError
from orchestrator.model import Status, Task
from orchestrator.paths import RunPaths
from orchestrator.plans.subtasks import with_parents
from orchestrator.render.handed_over import HandedOver
from orchestrator.render.inputs import InputFiles
from orchestrator.render.prompt import DEFAULT_LIMIT, Audience, Prompt, prompt
from orchestrator.store.state import State
from orchestrator.system import files
from orchestrator.texts.tokens import CHARACTERS_PER_TOKEN
from orchestrator.workers.roles import role_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from orchestrator.desk.rolefiles import Role

_LIMIT_MARGIN = 400
"""Characters for the frames and the announcements of cuts, which the size without any material does not have."""


def result_name(paths: RunPaths, state: State, task: str) -> str:
    """The result file of ``task``, relative to the folder of the run: the recorded one, else where it will be."""
    return state.records[task].result or paths.result_name(state.agents[task], task, state.is_shared(task))


def shown_path(paths: RunPaths, *parts: str) -> str:
    """A file of the run as an agent in the project would open it."""
    return "/".join((paths.shown_folder, *parts))


def effective(paths: RunPaths, state: State, task: str) -> Task:
    """``task`` as its next attempt runs it: with what its role says and, once that is in force, its fallback.

    Raises where its role cannot be used.
    """
    spec = planned(state, task)
    role = role_of(paths, state, spec)
    return spec if role is None else _completed(spec, role)


def _completed(spec: Task, role: Role) -> Task:
    from orchestrator.desk.rolefiles import with_role

    return with_role(spec, role)


def planned(state: State, task: str) -> Task:
    """``task`` as the plan has it for its next attempt: with the fallback's model and role once that is in force."""
    spec = state.tasks[task]
    if not state.records[task].fallback or spec.fallback is None:
        return spec
    other = spec.fallback
    return replace(spec, model=other.model or spec.model, role=other.role or spec.role)


def handed_over(paths: RunPaths, state: State, task: str, *, with_text: bool) -> list[HandedOver]:
    """What the dependencies of ``task`` hand over; ``with_text`` reads the results of those that are complete."""
    given = []
    for dep in state.tasks[task].deps:
        record = state.records[dep.task]
        name = result_name(paths, state, dep.task)
        over = HandedOver(
            task=dep.task,
            name=state.tasks[dep.task].name,
            agent=state.agents[dep.task],
            status=state.status(dep.task),
            file=shown_path(paths, name),
            type=dep.type,
            reason=record.reason,
        )
        if with_text and over.is_handed_over:
            over = _with_text(over, files.read_own_or_none(paths.inside(name)), record.hash)
        given.append(over)
    return given


def _with_text(over: HandedOver, data: bytes | None, recorded: str | None) -> HandedOver:
    """``over`` with its result; one that is not what was recorded is never used silently."""
    from orchestrator.texts.results import read_result

    if data is None:
        return replace(over, text=f"(the result file {over.file} is missing)")
    result = read_result(over.task, over.name, over.agent, data)
    text = data.decode("utf-8", "replace").removeprefix("\ufeff")
    if recorded and files.digest(data) != recorded:
        text = f"(this result was changed after it was recorded)\n\n{text}"
    return replace(over, text=text, summary=result.summary or "")


def write_agent_file(paths: RunPaths, state: State, task: str) -> None:
    """Write the assignment of ``task``, with what its dependencies hand over by now."""
    from orchestrator.render.agent_file import agent_file

    shared = state.is_shared(task)
    context = paths.context(task)
    text = agent_file(
        state.plan,
        _with_role(paths, state, state.tasks[task]),
        agent=state.agents[task],
        result_file=shown_path(paths, result_name(paths, state, task)),
        dependencies=handed_over(paths, state, task, with_text=False),
        priority=state.priority(task),
        context_file=shown_path(paths, "context", f"{task}.md") if os.path.exists(context) else "",
        folder=shown_path(paths),
    )
    files.write_page(paths.agent_task(state.agents[task], task, shared), text)


def _with_role(paths: RunPaths, state: State, spec: Task) -> Task:
    """``spec`` with what its role says, for people; a role that cannot be used is told where the task is started."""
    try:
        role = role_of(paths, state, spec)
    except OrchestrateError:
        return spec
    return spec if role is None else _completed(spec, role)


def refresh_dependants(paths: RunPaths, state: State, tasks: Iterable[str]) -> None:
    """Write the assignments again that depend on ``tasks``, which have just ended, once nothing else is open there."""
    ended = with_parents(state.last_subtasks, tasks)
    for name in dict.fromkeys(dependant for task in ended for dependant in state.dependants(task)):
        if state.status(name) is not Status.WAITING or not state.unmet(name):
            write_agent_file(paths, state, name)


def task_prompt(
    paths: RunPaths,
    state: State,
    task: str,
    *,
    audience: Audience,
    attempt: int,
    command: str = "orchestrate",
    failed_before: str = "",
    tools: tuple[str, ...] = (),
    limit_tokens: int | None = None,
) -> Prompt:
    """The whole prompt of ``attempt`` of ``task``: role, assignment, files, dependency results and what was gathered.

    With ``limit_tokens`` the whole takes at most about so many tokens: results and gathered material are cut to what
    the assignment leaves. Raises ``UsageError`` where the assignment alone takes more,
    and as ``effective`` does.
    """
    spec = planned(state, task)
    role_words = ""
    if audience is not Audience.READER and (role := role_of(paths, state, spec)) is not None:
        from orchestrator.desk.rolefiles import role_prompt

        spec, role_words = _completed(spec, role), role_prompt(role, spec.worker_type)
    context = files.read_own_or_none(paths.context(task))
    dependencies = handed_over(paths, state, task, with_text=True)
    inputs = _input_files(paths.project, spec.inputs)

    def limited(limit: int) -> Prompt:
        return prompt(
            state.plan,
            spec,
            agent=state.agents[task],
            result_file=shown_path(paths, result_name(paths, state, task)),
            audience=audience,
            attempt=attempt,
            dependencies=dependencies,
            inputs=inputs,
            context=context.decode("utf-8", "replace") if context else "",
            context_file=shown_path(paths, "context", f"{task}.md") if context else "",
            role_prompt=role_words,
            focus=state.focus_of(task),
            failed_before=failed_before,
            is_fallback=state.records[task].fallback,
            tools=tools,
            limit=limit,
            exists=exists_in(paths.project),
            command=command,
            folder=shown_path(paths),
        )

    if limit_tokens is None:
        return limited(DEFAULT_LIMIT)
    bare = limited(0)
    if bare.tokens > limit_tokens:
        raise UsageError(
            f"the assignment of {task} alone takes about {bare.tokens:,} tokens, the limit is {limit_tokens:,}",
            f"--limit {bare.tokens + 1_000}",
        )
    room = limit_tokens * CHARACTERS_PER_TOKEN - len(bare.text)
    made = limited(max(room - _LIMIT_MARGIN, 0))
    return made if made.tokens <= limit_tokens else limited(max(room - _LIMIT_MARGIN * (len(dependencies) + 2), 0))


def _input_files(project: str, inputs: tuple[str, ...]) -> dict[str, InputFiles]:
    if not inputs:
        return {}
    from orchestrator.workers.project_files import input_files  # globs, which most prompts do not need

    return input_files(project, inputs)


def exists_in(project: str) -> Callable[[str], bool]:
    """Whether the project has a path; a name that no file can have is not there."""

    def exists(name: str) -> bool:
        try:
            return os.path.lexists(os.path.join(project, name))
        except (OSError, ValueError):
            return False

    return exists
