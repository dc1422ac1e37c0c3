"""What an edit of the table by hand may ask for: a result judged where it lies, a worker ended.

Every command has these hands and few ever use them, so what they need is imported when they do.
"""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.store.store import Store
from orchestrator.store.table import Judged


class WorkerHands:
    """The checks of ``complete``, the end of a worker and the assignments, for the table."""

    def judged(self, store: Store, task: str) -> Judged:
        """The result file of ``task`` in its place, with the same checks as ``complete``."""
        from orchestrator.workers.judged_by_hand import judged

        return judged(store, task)

    def end_worker(self, store: Store, task: str) -> None:
        """End the worker of the running ``task``, if it has one."""
        from orchestrator.workers.recovery import end_attempt

        end_attempt(store, task)

    def refresh(self, store: Store, tasks: Sequence[str]) -> None:
        """Write the assignments again that ``tasks`` concern."""
        from orchestrator.workers.assignments import refresh_assignments

        refresh_assignments(store.paths, store.state, tasks)
