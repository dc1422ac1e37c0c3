"""Specialists: what a role file says, and which roles a project has.

A role is a Markdown file: front matter that says when it is used and what it may do, and its prompt. Sections of the
prompt under a heading such as ``## worker_type: audit`` hold for that kind of work alone. The user's own are in
``.orchestrator/roles/``; the agents of Claude Code in ``.claude/agents/`` are read as they are.

Pure; ``projectroles`` finds the files.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum

from orchestrator.dataclasses import dataclass, field, replace
from orchestrator.desk.rolefields import Limits, fields_of
from orchestrator.desk.rolesource import NoFrontError, Sections, front_of, sections_of
from orchestrator.desk.roletools import EVERY_TOOL, granted, reading_only
from orchestrator.errors import InvalidInputError, Problem, Severity, errors_of
from orchestrator.model import Json, Task
from orchestrator.wording import excerpt, listed, nearest

READ_ONLY_TYPES = frozenset({"planner", "audit"})
"""Kinds of work that look and change nothing, whatever the role may do otherwise."""

_READ_ONLY_NOTE = "You read and answer, and change nothing."
_CHANGING_MODES = frozenset({"acceptEdits", "auto", "bypassPermissions"})
_SAFE_MODE = "dontAsk"
_SHOWN = 160


class Origin(StrEnum):
    """Where a role comes from."""

    BUNDLED = "bundled"
    OWN = "own"
    AGENT = "claude agent"


@dataclass(frozen=True, slots=True)
class Source:
    """A role file: where it is, and the hash of its bytes where they are the user's, for trust."""

    path: str
    origin: Origin = Origin.OWN
    digest: str = ""


@dataclass(frozen=True, slots=True)
class Role:
    """A specialist. ``tools`` None and a ``model`` or ``permission_mode`` None are "not said".

    ``prompt`` holds for all of its work, ``sections`` for one ``worker_type`` each.
    """

    name: str
    when: str
    tools: tuple[str, ...] | None
    permission_mode: str | None
    model: str | None
    limits: Limits
    prompt: str
    sections: Mapping[str, str]
    source: Source

    @property
    def summary(self) -> str:
        """``when`` on one line, without the examples that descriptions of agents end in."""
        text = self.when.partition("<example>")[0].replace("\\n", " ")
        text = " ".join(text.split()).removesuffix("Examples:").rstrip()
        return text if len(text) <= _SHOWN else text[: _SHOWN - 1].rstrip() + "…"

    def record(self) -> dict[str, Json]:
        """The JSON of one role in ``roles --json``."""
        return {
            "name": self.name,
            "origin": str(self.source.origin),
            "path": self.source.path,
            "description": self.when,
            "tools": None if self.tools is None else list(self.tools),
            "permission_mode": self.permission_mode,
            "model": self.model,
            "limits": self.limits.record(),
            "worker_types": list(self.sections),
        }


@dataclass(frozen=True, slots=True)
class RoleReading:
    """What one file gave: a role, unless an error refuses it, and everything that is wrong with the file."""

    source: Source
    role: Role | None
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class Roles:
    """The roles of a project by their folded names, those that another one of the same name hides, and all problems.

    ``unclear`` are names that several of the user's files claim: none of them is used.
    """

    by_name: Mapping[str, Role]
    hidden: tuple[Role, ...] = ()
    unclear: Mapping[str, tuple[Source, ...]] = field(default_factory=dict)
    problems: tuple[tuple[Source, Problem], ...] = ()

    def role(self, name: str) -> Role:
        """The role called ``name``; raises InvalidInputError where there is none, or more than one."""
        role = self.by_name.get(name.casefold())
        if role is not None:
            return role
        if sources := self.unclear.get(name.casefold()):
            message = (
                f"the role {excerpt(name)} is unclear: {listed([source.path for source in sources])} have that name"
            )
            raise InvalidInputError(message, "rename or remove all but one")
        names = [each.name for each in self.by_name.values()]
        near = nearest(name, names)
        advice = f"did you mean {near}?" if near else f"use one of {listed(names)}"
        broken = [problem.text(source.path) for source, problem in self.problems if problem in errors_of([problem])]
        hint = f"; a role file could not be read: {broken[0]}" if broken else ""
        raise InvalidInputError(f"there is no role {excerpt(name)}{hint}", advice)


def read_role(data: bytes, source: Source) -> RoleReading:
    """The role in the file ``data``; never raises. A file is refused for any error.

    What Claude Code overlooks in its own agents is a warning in one of them, and the entry is passed over.
    """
    is_agent = source.origin is Origin.AGENT
    try:
        front = front_of(data, is_agent=is_agent)
    except NoFrontError as error:
        return RoleReading(source, None, _told(error.problems, is_agent))
    # A heading in an agent's prompt is a part of that prompt.
    sections = Sections(front.body.strip()) if is_agent else sections_of(front)
    fields, problems = fields_of(front, is_agent=is_agent)
    problems = [*front.problems, *problems, *sections.problems]
    if not sections.prompt and not sections.by_type:
        problems.append(Problem("there is no prompt after the front matter", "say what to do and how", front.body_line))
    reading = RoleReading(source, None, _told(problems, is_agent))
    if not fields.name or errors_of(reading.problems):
        return reading
    role = Role(
        name=fields.name,
        when=fields.when,
        tools=fields.tools,
        permission_mode=fields.permission_mode,
        model=fields.model,
        limits=fields.limits,
        prompt=sections.prompt,
        sections=sections.by_type,
        source=source,
    )
    return replace(reading, role=role)


def assembled(readings: Iterable[RoleReading]) -> Roles:
    """All roles together: the user's own hides a bundled one of its name; two own ones of one name are an error."""
    readings = tuple(readings)
    problems = [(reading.source, problem) for reading in readings for problem in reading.problems]
    by_name: dict[str, list[Role]] = {}
    for reading in readings:
        if reading.role is not None:
            by_name.setdefault(reading.role.name.casefold(), []).append(reading.role)
    chosen: dict[str, Role] = {}
    hidden: list[Role] = []
    unclear: dict[str, tuple[Source, ...]] = {}
    for name, roles in sorted(by_name.items()):
        own = [role for role in roles if role.source.origin is not Origin.BUNDLED]
        if len(own) > 1:
            unclear[name] = tuple(role.source for role in own)
            message = f"the role {excerpt(own[0].name)} is also in {listed([role.source.path for role in own[:-1]])}"
            problems.append((own[-1].source, Problem(message, "rename or remove all but one")))
        else:
            chosen[name] = (own or roles)[-1]
            hidden += [role for role in roles if role is not chosen[name]]
    return Roles(chosen, tuple(hidden), unclear, tuple(problems))


def role_prompt(role: Role, worker_type: str | None = None) -> str:
    """What goes before a task's prompt: the role's, and its section for ``worker_type``."""
    parts = [f"## Your role: {role.name}", role.prompt]
    section = role.sections.get(worker_type or "", "")
    if not section and worker_type in READ_ONLY_TYPES:
        section = _READ_ONLY_NOTE
    if section:
        parts += [f"### The kind of work: {worker_type}", section]
    return "\n\n".join(part for part in parts if part)


def role_tools(role: Role, worker_type: str | None = None) -> tuple[str, ...]:
    """The permission rules of the role for this kind of work, besides reading the project.

    Empty where the role says nothing: then nothing but reading is allowed, unless the task says more.
    """
    tools = [tool for tool in role.tools or () if tool != EVERY_TOOL]
    return granted(reading_only(tools) if worker_type in READ_ONLY_TYPES else tools)


def role_permission_mode(role: Role, worker_type: str | None = None) -> str | None:
    """The permission mode of the role; one that lets changes pass unasked does not hold for work that only reads."""
    mode = role.permission_mode
    return _SAFE_MODE if worker_type in READ_ONLY_TYPES and mode in _CHANGING_MODES else mode


def with_role(task: Task, role: Role) -> Task:
    """``task`` with what it does not say itself taken from its role: tools, permission mode, model and limits."""
    limits = role.limits
    return replace(
        task,
        model=task.model or role.model,
        allowed_tools=task.allowed_tools or role_tools(role, task.worker_type),
        permission_mode=task.permission_mode or role_permission_mode(role, task.worker_type),
        max_turns=limits.max_turns if task.max_turns is None else task.max_turns,
        budget_usd=limits.budget_usd if task.budget_usd is None else task.budget_usd,
        timeout_s=limits.timeout_s if task.timeout_s is None else task.timeout_s,
    )


def proposed_role(task: Task) -> tuple[str, str]:
    """The name of the bundled role that the words of ``task`` speak for, and why."""
    from orchestrator.desk.triage import likely_role

    return likely_role(task.name, task.description)


def _told(problems: Iterable[Problem], is_agent: bool) -> tuple[Problem, ...]:
    """``problems`` in the order of their lines; all are warnings in an agent of Claude Code."""
    told = (replace(problem, severity=Severity.WARNING) if is_agent else problem for problem in problems)
    return tuple(sorted(told, key=lambda problem: problem.line or 0))
