"""What workers left running after their own end: nothing of an attempt goes on writing beside the next one."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.system.processes import Worker, end_worker, marks_after

GRACE_S = 1.0
"""How long what a worker left running may take to end when it is asked to."""


def end_leftovers(workers: Sequence[Worker]) -> None:
    """End what ``workers``, which have ended, left running. One look serves all of them."""
    if not workers:
        return
    found = marks_after({worker.mark for worker in workers}, min(worker.pid for worker in workers))
    for worker in workers:
        if worker.mark in found:
            end_worker(worker.pid, worker.group, worker.mark, GRACE_S, started=worker.started)
