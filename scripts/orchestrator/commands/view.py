"""What a launcher sees and shows of a session's files while it goes on."""

from __future__ import annotations

import os
import time

from orchestrator.commands.session import Session, tell
from orchestrator.commands.splitting import Splitting
from orchestrator.launchers.course import LOOK_S

FRESH_S = 2.0
"""A file that changed so lately may change again within the same tick of its file system's clock."""


class SessionView:
    """The ``View`` of ``session``: what is wrong with a file of people is told, and holds nothing up."""

    def __init__(self, session: Session, splitting: Splitting | None = None) -> None:
        self._session = session
        self._splitting = splitting
        self._seen: object = None
        self._shown_rev = -1
        self._shown_at = 0.0
        self._shown_cost_s = 0.0

    def look(self) -> None:
        """Take over what people changed; costs three calls of the system while nobody did."""
        if self._splitting is not None:
            self._splitting.look(self._session.store.state)
        paths, rev = self._session.store.paths, self._session.store.state.rev
        now = (rev, _stamp(paths.plan), _stamp(paths.table))
        if now != self._seen:
            self._seen = now
            self._session.look_quietly()

    def look_at_last(self) -> None:
        """Take over what people changed up to now, and return when that is done."""
        self._session.look_to_the_end()

    def is_at_work(self) -> bool:
        """Whether something beside the tasks may still make some ready: one that failed is being split."""
        return self._splitting is not None and self._splitting.is_needed(self._session.store.state)

    def end(self) -> None:
        """The run ends: so does what works beside it."""
        if self._splitting is not None:
            self._splitting.end()

    def show(self, *, soon: bool = False) -> None:
        """Make the table show the state; ``soon`` leaves it out when that was done a moment ago, or nothing happened.

        A large table, which takes longer, is shown less often.
        """
        begun, rev = time.monotonic(), self._session.store.state.rev
        if soon and (rev == self._shown_rev or begun - self._shown_at < max(LOOK_S, 10 * self._shown_cost_s)):
            return
        self._session.show()
        self._shown_rev, self._shown_at = rev, time.monotonic()
        self._shown_cost_s = self._shown_at - begun

    def tell(self, message: str) -> None:
        """One line for a person."""
        tell(message)


def _stamp(path: str) -> tuple[int, ...] | None:
    """What changes with a file; never twice the same for one that is being written."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    if time.time() - found.st_mtime < FRESH_S:
        return (time.monotonic_ns(),)
    return found.st_mtime_ns, found.st_size, found.st_ino
