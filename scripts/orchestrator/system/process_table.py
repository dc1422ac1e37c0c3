"""Which processes live on this machine, which of them are ours, and whether one is still the one that it was.

Linux is read from /proc, so that no command pays for loading psutil; macOS and Windows through psutil. A zombie counts
as gone. Nothing here signals anything: that is `processes`.
"""

from __future__ import annotations

import os
import sys
import time
from contextlib import suppress

from orchestrator.dataclasses import dataclass
from orchestrator.loopguard import MARK_VARIABLE as MARK_VARIABLE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

_READS_PROC = sys.platform == "linux"
_SAME_START_S = 0.005
"""Two start times this near are one: Linux counts in hundredths, and a time that went through JSON stays exact."""


@dataclass(frozen=True, slots=True)
class Process:
    """A process as it was seen. `group` is 0 where there are no groups; `started` as in `process_started`."""

    pid: int
    parent: int
    group: int
    started: float
    is_gone: bool

    def is_same(self, other: Process | None) -> bool:
        """Whether `other` is the same process, still alive."""
        return other is not None and not other.is_gone and self.pid == other.pid and self.started_at(other.started)

    def started_at(self, started: float | None) -> bool:
        """Whether it is the process that started at that time."""
        return started is not None and abs(self.started - started) < _SAME_START_S


def process_started(pid: int) -> float | None:
    """When the process `pid` began, in seconds; None when there is none, or only a zombie.

    The value tells two processes of one pid apart and is no time of day: on Linux it counts from the start of the
    machine, which does not move when the clock is set, plus a number drawn from `boot_id`, so that no process of
    another start of the machine has it.
    """
    found = process(pid)
    return None if found is None or found.is_gone else found.started


def is_same_process(pid: int, started: float | None) -> bool:
    """Whether the process that was `pid` and began at `started` (see `process_started`) still lives."""
    found = process(pid)
    return found is not None and not found.is_gone and found.started_at(started)


def boot_id() -> str:
    """What changes with each start of the machine; empty where start times are times of day and need no such thing."""
    return (_read(_BOOT_ID) or b"").decode().strip() if _READS_PROC else ""


def marked_processes(mark_or_prefix: str) -> list[int]:
    """Pids of this user's living processes whose environment carries exactly that mark, this process among them.

    What ends with ``/`` is a prefix: ``<run>/`` finds everything of a run, ``<run>/<task>/`` all attempts of a task.
    The environment is the one that a program was started with; one that overwrites its own is not found.
    """
    return [each.pid for each in own_processes() if has_mark(each.pid, mark_or_prefix)]


def marks_after(marks: Collection[str], pid: int) -> set[str]:
    """Those of ``marks`` that living processes carry which began after ``pid`` did.

    Numbers are given out in order, so on Linux only the few greater ones are looked at, unless they have begun anew:
    0.1 ms, where `marked_processes` takes 2 to 10.
    """
    if not _READS_PROC:
        return {mark for mark in marks if marked_processes(mark)}
    found = (_mark(number) for number in pids_since(pid))
    return {mark for mark in found if mark is not None and mark in marks}


def last_pid() -> int:
    """The number that was given out last, to a process or a thread; 0 where the system does not tell."""
    return int((_read("/proc/loadavg") or b"0").split()[-1]) if _READS_PROC else 0


def pids_since(last: int) -> list[int]:
    """The processes that began after ``last`` was the `last_pid`; all that there are where numbers have begun anew.

    None where the system does not tell.
    """
    newest = last_pid()
    if newest == last:
        return []
    numbers = [int(name) for name in os.listdir("/proc") if name.isdecimal()]
    return numbers if newest < last else [number for number in numbers if number > last]


def has_mark(pid: int, mark_or_prefix: str) -> bool:
    """Whether that process carries the mark, or one that begins with the prefix (see `marked_processes`)."""
    mark = _mark(pid)
    if mark is None or not mark_or_prefix:
        return False
    return mark.startswith(mark_or_prefix) if mark_or_prefix.endswith("/") else mark == mark_or_prefix


def living_values(variable: str) -> set[str]:
    """What `variable` is in the environments of this user's living processes, this process and zombies aside."""
    pids = (each.pid for each in own_processes() if each.pid != os.getpid())
    return {value for pid in pids if (value := _variable(pid, variable)) is not None}


def own_processes() -> Iterator[Process]:
    """The living processes of this user."""
    for pid in _own_pids():
        found = process(pid)
        if found is not None and not found.is_gone:
            yield found


def process(pid: int) -> Process | None:
    """The process `pid`, zombies included; None when there is none, or a thread of the kernel."""
    if pid <= 0:
        return None
    if not _READS_PROC:
        return _process_by_psutil(pid)
    data = _read(f"/proc/{pid}/stat")
    if not data:
        return None
    # The name of the program, in brackets, may hold blanks and brackets itself. Numbers are those of proc(5).
    field = [b"", b"", b"", *data.rpartition(b")")[2].split()]
    if int(field[9]) & _KERNEL_THREAD:
        return None
    return Process(pid, int(field[4]), int(field[5]), _boot_offset() + int(field[22]) / _TICKS_PER_S, field[3] in b"ZX")


def own_group() -> int:
    """The process group of this process; 0 where there are no groups."""
    return group_of(0)


def group_of(pid: int) -> int:
    """The process group of `pid`, 0 meaning this process; 0 where there are no groups. Raises `OSError`."""
    if sys.platform == "win32":
        return 0
    return os.getpgid(pid)


_BOOT_ID = "/proc/sys/kernel/random/boot_id"
_offset: float | None = None


def _boot_offset() -> float:
    """A thousand times 24 bits of the boot's id: small enough for hundredths of a second to stay exact in a float."""
    global _offset
    if _offset is None:
        _offset = 1000.0 * int(boot_id()[:6] or "0", 16)
    return _offset


_TICKS_PER_S = 100
if sys.platform == "linux":
    _TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def _own_pids() -> Iterator[int]:
    if sys.platform == "linux" and _READS_PROC:
        user = os.geteuid()
        with os.scandir("/proc") as entries:
            for entry in entries:
                with suppress(OSError):
                    if entry.name.isdecimal() and entry.stat().st_uid == user:
                        yield int(entry.name)
        return
    import psutil

    for pid in psutil.pids():
        if sys.platform == "win32":
            yield pid  # those of others do not tell their environment
        else:
            with suppress(psutil.Error):
                if psutil.Process(pid).uids().effective == os.geteuid():
                    yield pid


def _process_by_psutil(pid: int) -> Process | None:
    import psutil

    try:
        found = psutil.Process(pid)
        with found.oneshot():
            is_gone = found.status() == psutil.STATUS_ZOMBIE
            return Process(pid, found.ppid(), group_of(pid), found.create_time(), is_gone)
    except (psutil.Error, OSError):
        return None


def _mark(pid: int) -> str | None:
    """The mark of a process; None when it has none, or belongs to somebody else."""
    return _variable(pid, MARK_VARIABLE)


def _variable(pid: int, name: str) -> str | None:
    """A variable of the environment of a process; None when it has none, or belongs to somebody else."""
    if _READS_PROC:
        environment = _read(f"/proc/{pid}/environ")
        if environment == b"" and _wait_loaded(pid):
            environment = _read(f"/proc/{pid}/environ")
        start = f"{name}=".encode()
        if environment is None or start not in environment:
            return None
        for entry in environment.split(b"\0"):
            if entry.startswith(start):
                return os.fsdecode(entry[len(start) :])
        return None
    import psutil

    try:
        return psutil.Process(pid).environ().get(name)
    except (psutil.Error, OSError):
        return None


def _wait_loaded(pid: int) -> bool:
    """Waits until the program of `pid` shows its arguments; False when the process is gone.

    While a program is being loaded it shows neither arguments nor environment: so was more than half of all workers
    right after their start.
    """
    found = process(pid)
    if found is None or found.is_gone:
        return False
    give_up = time.monotonic() + _LOADING_S
    has_arguments = False
    while not has_arguments and time.monotonic() < give_up:
        has_arguments = _read(f"/proc/{pid}/cmdline") != b""
        time.sleep(0.0005)  # the environment comes after the arguments
    return True


_KERNEL_THREAD = 0x0020_0000
"""PF_KTHREAD of Linux, in the flags of a process."""
_LOADING_S = 0.05


def _read(path: str) -> bytes | None:
    """The whole of a file under /proc; None when its process is gone or is not ours."""
    try:
        fd = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
    except OSError:
        return None
    try:
        data = part = os.read(fd, 65_536)
        while part:
            part = os.read(fd, 65_536)
            data += part
        return data
    except OSError:
        return None
    finally:
        os.close(fd)
