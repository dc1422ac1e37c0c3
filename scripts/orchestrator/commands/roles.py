"""``roles``: the specialists there are, with where they come from and what is wrong with their files."""

from __future__ import annotations

from orchestrator.commands.place import Place, answer, tell
from orchestrator.desk.projectroles import find_roles
from orchestrator.desk.rolefiles import Role, Roles
from orchestrator.errors import ExitCode, errors_of
from orchestrator.model import Json


def roles(place: Place) -> ExitCode:
    """List the roles of the project; 1 when a file of the user's cannot be used, or is not clear."""
    found = find_roles(place.paths.project, place.paths.folder)
    record: Json = {
        "roles": [role.record() for role in found.by_name.values()],
        "hidden": [role.record() for role in found.hidden],
        "problems": [{"file": source.path, **problem.record()} for source, problem in found.problems],
    }
    answer(place, record, "\n".join(_lines(found)))
    for source, problem in found.problems:
        tell(problem.text(source.path))
    return ExitCode.PROBLEMS if errors_of([problem for _, problem in found.problems]) else ExitCode.DONE


def role(place: Place, name: str) -> ExitCode:
    """One role with its whole prompt; 1 when there is none, or more than one, of that name."""
    found = find_roles(place.paths.project, place.paths.folder).role(name)
    parts = [found.prompt, *(f"## worker_type: {type}\n\n{text}" for type, text in found.sections.items())]
    record: dict[str, Json] = {**found.record(), "prompt": found.prompt, "sections": dict(found.sections)}
    answer(place, record, "\n".join([*_role_lines(found), "", "\n\n".join(filter(None, parts))]))
    return ExitCode.DONE


def _lines(found: Roles) -> list[str]:
    lines = []
    for role in found.by_name.values():
        lines += _role_lines(role)
    return [*lines, *(f"{role.name} in {role.source.path} is not used: another hides it" for role in found.hidden)]


def _role_lines(role: Role) -> list[str]:
    grants = "reads only" if not role.tools else ", ".join(role.tools)
    model = f", model {role.model}" if role.model else ""
    kinds = f"; kinds of work: {', '.join(role.sections)}" if role.sections else ""
    return [
        f"{role.name} ({role.source.origin}, {role.source.path})",
        f"  {role.summary}",
        f"  tools: {grants}{model}{kinds}",
    ]
