"""What ``run``, ``feed`` and ``exec`` refuse to start."""

from __future__ import annotations

from orchestrator.model import Executor
from orchestrator.store.store import Store
from orchestrator.workers.options import RunOptions


def require_run_trust(store: Store, options: RunOptions) -> None:
    """Refuse what a run would start without trust, and roles that it has not; a command from the command line needs
    no trust."""
    from orchestrator.store.trust import require_trust
    from orchestrator.workers.roles import require_roles

    require_roles(store.paths, store.state)

    uses_plan_command = options.executor is Executor.COMMAND and not options.is_command_given
    require_trust(store.paths, store.state, lambda part: uses_plan_command or not part.startswith("run.command: "))
