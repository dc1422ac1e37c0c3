"""The role that does a task: found, trusted, and put into what the task does not say itself."""

from __future__ import annotations

from collections.abc import Iterable

from orchestrator.dataclasses import replace
from orchestrator.errors import CannotGoOnError, InvalidInputError, Problem, Severity
from orchestrator.model import Task
from orchestrator.paths import RunPaths
from orchestrator.store.state import State

TYPE_CHECKING = False
if TYPE_CHECKING:
    from orchestrator.desk.rolefiles import Role


def role_of(paths: RunPaths, state: State, task: Task) -> Role | None:
    """The role of ``task`` as its file now is; None where the task names none.

    Raises InvalidInputError where there is no such role or its file cannot be used, and CannotGoOnError where it is a
    file of the user that nobody trusted as it now is.
    """
    if task.role is None:
        return None
    from orchestrator.desk.projectroles import find_role
    from orchestrator.desk.rolefiles import Origin
    from orchestrator.store.trust import require_trust, role_part

    role = find_role(paths.project, paths.folder, task.role)
    if role.source.origin is not Origin.BUNDLED:
        part = role_part(role)
        require_trust(paths, state, lambda needed: needed == part)
    return role


def role_problems(paths: RunPaths, tasks: Iterable[Task]) -> list[Problem]:
    """A warning for each role that tasks name and that cannot be used, with the first of these tasks."""
    users: dict[str, str] = {}
    for task in tasks:
        for name in task.roles:
            users.setdefault(name, task.id)
    problems = []
    for name, user in users.items():
        from orchestrator.desk.projectroles import find_role  # which a plan without roles does not need

        try:
            find_role(paths.project, paths.folder, name)
        except InvalidInputError as error:
            problems.append(Problem(error.message, error.advice, task=user, severity=Severity.WARNING))
    return problems


def require_roles(paths: RunPaths, state: State) -> None:
    """Refuse to run a plan that names a role which cannot be used: its task would only fail later."""
    if problems := role_problems(paths, state.tasks.values()):
        errors = [replace(problem, severity=Severity.ERROR) for problem in problems]
        raise CannotGoOnError(
            "the plan names roles that cannot be used", "`orchestrate roles` lists those there are", errors
        )
