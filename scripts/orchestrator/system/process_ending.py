"""Ending a worker with everything that it has started, and nobody else.

The `claude` CLI runs its Bash tool in another session and group, so a signal to the worker's group is not enough; the
variable ``ORCHESTRATE_ATTEMPT`` is inherited by all that a worker starts and finds it again. Pids are reused: nothing
is signalled unless its start time, its group, its mark or its parent says that it is ours.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress

from orchestrator.system.process_table import (
    Process,
    has_mark,
    last_pid,
    own_group,
    own_processes,
    pids_since,
    process,
)

_HAS_GROUPS = sys.platform != "win32"
if sys.platform == "win32":
    _KILL = signal.SIGTERM  # there it ends a process at once
else:
    _KILL = signal.SIGKILL
_KILL_WAIT_S = 5.0
"""How long killed processes may take to disappear; one that waits for a dead disk does not go at all."""
_LOOK_AGAIN_S = 0.01
_QUIET_S = 0.02
"""Nothing new for so long, and a worker is taken to start nothing more."""


def end_worker(pid: int, group: int, mark: str, grace_s: float = 3.0, *, started: float | None = None) -> list[int]:
    """Ends a worker and all it has started: SIGTERM to its group, up to `grace_s` seconds, then SIGKILL to the rest.

    The rest is looked for again until nothing is: the group, every process of this user that carries `mark`, and
    their descendants. `started` (see `process_started`) finds the worker also where its mark cannot be read; a process
    that has taken over its pid or group is not touched. On Windows the process tree is terminated at once.

    Returns the pids that could not be ended, normally none. The caller still takes the exit code of its own child.
    """
    kin = _Kin(mark, group, pid, started)

    def ask(members: list[Process]) -> list[Process]:
        asked = [each for each in members if kin.group and each.group == kin.group]
        if asked:
            _ask_to_end(-kin.group)
        return asked

    return _end(kin, ask, grace_s)


def end_marked(mark_or_prefix: str, grace_s: float = 3.0) -> list[int]:
    """Ends every process of this user with that mark, or a mark that begins so if it ends with ``/``: SIGTERM to each,
    up to `grace_s` seconds, then SIGKILL. For orphans, whose pid and group nobody knows any more.

    Returns the pids that could not be ended, normally none.
    """

    def ask(members: list[Process]) -> list[Process]:
        for each in members:
            _ask_to_end(each.pid)
        return members

    return _end(_Kin(mark_or_prefix), ask, grace_s)


class _Kin:
    """What belongs to a worker, found anew at every look; what was once found is known by its start time for ever."""

    def __init__(self, mark: str, group: int = 0, pid: int = 0, started: float | None = None) -> None:
        self.mark = mark
        self.group = group if group > 1 and group != own_group() else 0
        self.known = {} if started is None or pid <= 1 else {pid: started}
        self._last = last_pid()

    def living(self) -> list[Process]:
        """Never this process, its group or the first of the system, marked or not, nor what only descends from them."""
        self._last = last_pid()
        own = own_group()
        table = {each.pid: each for each in own_processes() if _is_allowed(each, own)}
        for pid, started in list(self.known.items()):
            if pid in table and not table[pid].started_at(started):
                del self.known[pid]  # the number has passed to somebody else
        found = {pid for pid in table if pid in self.known or has_mark(pid, self.mark)}
        if self.group and (self._has_leader() or any(table[pid].group == self.group for pid in found)):
            # One of ours in it proves that the group is still ours: its number is free only when it is empty.
            found |= {pid for pid, each in table.items() if each.group == self.group}
        self.known.update((pid, table[pid].started) for pid in found)
        self._add_descendants(table)
        return [each for pid, each in table.items() if pid in self.known] + self.newcomers()

    def newcomers(self) -> list[Process]:
        """What has begun since the last look; 20 microseconds while nothing has, so that no chain of them outruns it.

        Nothing on systems that do not tell what has begun: there only ``living`` finds it.
        """
        before, self._last = self._last, last_pid()
        own = own_group()
        found = (each for pid in pids_since(before) if (each := process(pid)) is not None and not each.is_gone)
        new = [each for each in found if _is_allowed(each, own) and self._is_new(each)]
        self.known.update((each.pid, each.started) for each in new)
        return new

    def _is_new(self, each: Process) -> bool:
        """Whether it is one of ours that was not known yet."""
        if each.started_at(self.known.get(each.pid)):
            return False
        parent = process(each.parent) if each.parent in self.known else None
        return (parent is not None and parent.started_at(self.known[parent.pid])) or has_mark(each.pid, self.mark)

    def _has_leader(self) -> bool:
        """Whether the first of the group is ours, be it a zombie that nobody has waited for."""
        leader = process(self.group)
        return leader is not None and leader.started_at(self.known.get(self.group))

    def _add_descendants(self, table: dict[int, Process]) -> None:
        """Only Windows leaves a child the number of its dead parent; elsewhere it is somebody else's by then."""
        for each in sorted(table.values(), key=lambda each: (each.started, each.pid)):
            began = self.known.get(each.parent)
            is_parent_there = each.parent in table or sys.platform == "win32"
            if began is not None and each.started >= began and is_parent_there:
                self.known[each.pid] = each.started


def _end(kin: _Kin, ask: Callable[[list[Process]], list[Process]], grace_s: float) -> list[int]:
    """Asks, waits up to `grace_s` for those that were asked, then kills whatever is left until nothing is."""
    living = kin.living()
    if _HAS_GROUPS and grace_s > 0 and living:
        give_up = time.monotonic() + grace_s
        asked = ask(living)
        while _wait_gone(asked, give_up):
            # Those that were asked have gone; their own children in the same group have the same grace.
            asked = [each for each in kin.living() if any(each.group == one.group for one in asked)]
            if not asked:
                break
        living = kin.living()
    give_up = time.monotonic() + _KILL_WAIT_S
    while living and time.monotonic() < give_up:
        if kin.group and any(each.group == kin.group for each in living):
            _signal(-kin.group, _KILL)  # at once, so that none of them starts another in between
        for each in living:
            _signal(each.pid, _KILL)
        _kill_newcomers(kin, give_up)
        _wait_gone(living, min(give_up, time.monotonic() + 0.5))
        living = kin.living()
        if not living:
            time.sleep(_LOOK_AGAIN_S)  # one that was just being forked or loaded shows itself now
            living = kin.living()
    return [each.pid for each in living]


def _kill_newcomers(kin: _Kin, give_up: float) -> None:
    """Kill what is only now being started, before it can start others in its turn; until nothing is, or `give_up`."""
    quiet = time.monotonic() + _QUIET_S
    while time.monotonic() < min(quiet, give_up):
        for each in kin.newcomers():
            _signal(each.pid, _KILL)
            quiet = time.monotonic() + _QUIET_S
        time.sleep(0.0002)


def _wait_gone(those: list[Process], give_up: float) -> bool:
    """Whether all of them were gone before `give_up` (monotonic seconds)."""
    left = those
    while left := [each for each in left if each.is_same(process(each.pid))]:
        if time.monotonic() >= give_up:
            return False
        time.sleep(_LOOK_AGAIN_S)
    return True


def _is_allowed(each: Process, own_group: int) -> bool:
    return each.pid > 1 and each.pid != os.getpid() and not (own_group and each.group == own_group)


def _signal(pid: int, number: signal.Signals) -> None:
    """To a process, or with a negative number to a group; never to the first process, nor to all that there are."""
    if abs(pid) > 1:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


def _ask_to_end(pid: int) -> None:
    if sys.platform != "win32":
        _signal(pid, signal.SIGTERM)
        _signal(pid, signal.SIGCONT)  # one that stands still, at a prompt on the terminal, must hear it too
