"""What a plan may start: ``verify``, ``run.command``, hooks, and the user's own roles.

A person accepts these parts once; the acceptance is bound to a digest of just them, so that a task
that starts nothing can be added without asking again.
"""

from __future__ import annotations

import json
from collections.abc import Callable

from orchestrator.errors import CannotGoOnError
from orchestrator.paths import RunPaths
from orchestrator.store.state import State
from orchestrator.system import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from orchestrator.desk.rolefiles import Role


def trusted_parts(paths: RunPaths, state: State) -> list[str]:
    """A line for each part of the plan that starts a program, in a fixed order."""
    parts = [f"verify of {name}: {command}" for name, task in state.tasks.items() for command in task.verify]
    if state.plan.run.command:
        parts.append(f"run.command: {state.plan.run.command}")
    parts += [hook_part(name, command) for name, command in sorted(state.plan.run.hooks.items())]
    parts += _role_parts(paths, state)
    return parts


def hook_part(name: str, command: str) -> str:
    """The line for a hook."""
    return f"hook {name}: {command}"


def role_part(role: Role) -> str:
    """The line for a role whose file is the user's; another text in the file is another part."""
    return f"role {role.name} in {role.source.path}: {role.source.digest}"


def _role_parts(paths: RunPaths, state: State) -> list[str]:
    """A line for each role that the tasks use, their fallbacks included, and that does not ship with the program."""
    names = {name.casefold() for task in state.tasks.values() for name in task.roles}
    if not names:
        return []
    from orchestrator.desk.projectroles import users_roles

    own = users_roles(paths.project, paths.folder).by_name
    return [role_part(own[name]) for name in sorted(names) if name in own]


def trust_digest(parts: list[str]) -> str:
    """What a person's acceptance of ``parts`` is bound to: what is started, whichever task starts it.

    So the checks of a task that is split stay accepted when its last subtask has to pass them as well.
    """
    started = {f"verify: {part.partition(': ')[2]}" if part.startswith("verify of ") else part for part in parts}
    return files.digest(json.dumps(sorted(started)).encode())


def untrusted_parts(paths: RunPaths, state: State) -> list[str]:
    """The parts that nobody accepted as they now are; none when there is nothing to accept."""
    parts = trusted_parts(paths, state)
    return parts if parts and state.trusted != trust_digest(parts) else []


def require_trust(paths: RunPaths, state: State, needed: Callable[[str], bool] = lambda part: True) -> None:
    """Raise, listing them, when a part that is ``needed`` now would be started and nobody accepted the plan's parts."""
    parts = [part for part in untrusted_parts(paths, state) if needed(part)]
    if parts:
        raise CannotGoOnError(
            "the plan starts programs that are not trusted:\n" + "\n".join(f"  {part}" for part in parts),
            "read them, then `orchestrate trust`",
        )


def verifies(task: str) -> Callable[[str], bool]:
    """The parts that completing ``task`` starts."""
    return lambda part: part.startswith(f"verify of {task}: ")
