"""What a task is given by the tasks that it depends on, and how much of it fits."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.dataclasses import dataclass
from orchestrator.model import DependencyType, Status


@dataclass(frozen=True, slots=True)
class HandedOver:
    """One dependency as its dependant sees it.

    ``file`` is where its result is or will be, as the agent would open it; ``text`` and ``summary`` are the result
    and the summary of its front matter where it is complete; ``reason`` says why it was skipped.
    """

    task: str
    name: str
    agent: str
    status: Status
    file: str
    type: DependencyType = DependencyType.DATA
    text: str = ""
    summary: str = ""
    reason: str = ""

    @property
    def is_complete(self) -> bool:
        """Whether its result is there."""
        return self.status is Status.COMPLETED

    @property
    def is_missing(self) -> bool:
        """Whether there will be no result, and the dependant goes on without it."""
        return self.status is Status.SKIPPED

    @property
    def is_handed_over(self) -> bool:
        """Whether its text goes into the prompt: complete, and not a dependency for the order alone."""
        return self.is_complete and self.type is DependencyType.DATA


def fair_shares(sizes: Sequence[int], limit: int) -> list[int]:
    """How much of each text of ``sizes`` characters to hand over, ``limit`` characters in all.

    Small texts stay whole; the large ones share equally what is left (max-min fairness).
    """
    shares = [0] * len(sizes)
    left = max(limit, 0)
    smallest_first = sorted(range(len(sizes)), key=lambda index: sizes[index])
    for position, index in enumerate(smallest_first):
        shares[index] = min(sizes[index], left // (len(sizes) - position))
        left -= shares[index]
    return shares
