"""Exclusive locks between processes, which the kernel frees when their holder dies, however it dies.

A lock is a file of its own beside what it guards. A lock on the data file itself would stay with the old inode when the
data is replaced by rename: 954 of 1,000 updates were lost that way. Which kind of lock the file system grants is found
out by `lock_ways`; where none is granted, the run refuses to go on, as a guess would lose somebody's work.
"""

from __future__ import annotations

import os
import sys
import time
from _thread import allocate_lock

from orchestrator import clock
from orchestrator.system.lock_ways import WAYS, first_answer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from orchestrator.errors import CannotGoOnError
    from orchestrator.system.lock_ways import Way


class Holder:
    """Who took a lock last: `pid` on `host`, `started` (Unix seconds) and the `command` that it was running."""

    __slots__ = ("command", "host", "pid", "started")

    def __init__(self, pid: int, host: str, started: float, command: str) -> None:
        self.pid = pid
        self.host = host
        self.started = started
        self.command = command

    def text(self) -> str:
        """For a message: ``pid 123 on workbench, since 2026-11-21 01:53:00``."""
        return f"pid {self.pid} on {self.host}, since {clock.local_datetime(self.started)}"


class FileLock:
    """An exclusive lock on the file `path`, held from `acquire` until `release` or the end of this process.

    inheritable: its descriptor goes to a worker (``pass_fds=[lock.fileno()]``). Then the lock stays held until every
        process that has the descriptor is gone, and `release` only gives up this process's share in it.
    signed: writes who holds it into the file, for `holder`.
    timeout_s: how long ``with`` waits; None: for ever.
    announce: is told, once per process, when ``flock`` is not supported; otherwise a line goes to stderr.

    Threads exclude each other too, each with a `FileLock` of its own. A forked child that closes its copy does not free
    the lock of its parent. The file stays when the lock is released: see `remove_free_lock`.
    """

    __slots__ = ("_fd", "_identity", "_pid", "_way", "announce", "inheritable", "path", "signed", "timeout_s")

    def __init__(
        self,
        path: str,
        *,
        inheritable: bool = False,
        signed: bool = True,
        timeout_s: float | None = None,
        announce: Callable[[str], None] | None = None,
    ) -> None:
        self.path = path
        self.inheritable = inheritable
        self.signed = signed
        self.timeout_s = timeout_s
        self.announce = announce
        self._fd = -1
        self._pid = 0
        self._identity = (0, 0)
        self._way: Way = WAYS[0]

    @property
    def is_held(self) -> bool:
        """Whether this object holds the lock."""
        return self._fd >= 0

    @property
    def reaches_workers(self) -> bool:
        """Whether a worker that is given the descriptor keeps the lock held; known while the lock is held."""
        return self._way.is_inherited

    def fileno(self) -> int:
        """The descriptor, for ``pass_fds``; programs that are not given it do not get it."""
        if self._fd < 0:
            raise ValueError(f"the lock {self.path} is not held")
        return self._fd

    def try_acquire(self) -> bool:
        """Takes the lock if nobody holds it, without waiting; whether it was taken."""
        while (taken := self._attempt(wait=False)) is None:
            pass
        return taken

    def acquire(self, timeout_s: float | None = None, poll_s: float = 0.005) -> None:
        """Takes the lock, waiting up to `timeout_s` seconds, or for ever when that is None.

        Without a limit the kernel wakes the waiters in turn; with one the lock is asked for at growing intervals of at
        most `poll_s` seconds. Raises `CannotGoOnError` naming the holder when the time is over.
        """
        give_up = None if timeout_s is None else time.monotonic() + timeout_s
        pause_s = min(0.0002, poll_s)
        while not self._attempt(wait=give_up is None):
            if give_up is not None and time.monotonic() >= give_up:
                raise _timeout(self.path, timeout_s)
            time.sleep(pause_s)
            pause_s = min(pause_s * 1.5, poll_s)

    def release(self) -> None:
        """Gives the lock up; nothing happens when it is not held."""
        with _guard:
            fd, self._fd = self._fd, -1
            if fd < 0:
                return
            if self._pid == os.getpid():  # in a forked child it is still its parent's
                _held.pop(self._identity, None)
                if not self.inheritable:
                    # Closing alone would leave it held while some child is on its way from fork to exec.
                    self._way.drop(fd)
            os.close(fd)

    def __enter__(self) -> FileLock:
        self.acquire(self.timeout_s)
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def _attempt(self, wait: bool) -> bool | None:
        """One attempt, which with `wait` sleeps in the kernel where that can be; None: the file went away meanwhile."""
        if self._fd >= 0:
            raise ValueError(f"the lock {self.path} is already held by this object")
        held: bool | None = None
        must_wait = False
        with _guard:
            other = _held_here(self.path)
            if other is not None and not other._way.is_inherited:
                return False  # a lock of the whole process: closing a second descriptor would free it
            fd = _open(self.path, os.O_RDWR | os.O_CREAT)
            try:
                way, taken = first_answer(self.path, lambda way: way.take(fd), self.announce)
                must_wait = wait and not taken and way.can_wait
                held = self._hold(fd, way) if taken else False
            finally:
                if not held and not must_wait:
                    os.close(fd)
        if must_wait:
            try:
                way.wait(fd)
                with _guard:
                    held = self._hold(fd, way)
            finally:
                if not held:
                    os.close(fd)
        return held

    def _hold(self, fd: int, way: Way) -> bool | None:
        """Notes the lock just taken; None when its file was removed in between, so that it guards nothing."""
        inode = os.fstat(fd)
        identity = (inode.st_dev, inode.st_ino)
        if _identity(self.path) != identity:
            return None
        self._fd, self._pid, self._identity, self._way = fd, os.getpid(), identity, way
        _held[identity] = self
        if self.signed:
            _sign(fd)
        return True


def is_held(path: str) -> bool:
    """Whether anybody holds the lock at `path`: another process, a worker that inherited it, this process.

    The question makes nobody's `try_acquire` fail, and can be asked on a read-only disk. No file: not held.
    Raises `CannotGoOnError` when it cannot be told.
    """
    with _guard:
        if _held_here(path) is not None:
            return True
        if _identity(path) is None:
            return False
        fd = _open(path, os.O_RDONLY)
        try:
            return first_answer(path, lambda way: way.is_taken(fd))[1]
        finally:
            os.close(fd)


def holder(path: str) -> Holder | None:
    """Who took the lock at `path` last, as that process wrote it; None when nothing readable is written there.

    It says who, not whether: a killed holder leaves its name behind. `is_held` says whether.
    """
    with _guard:
        own = _held_here(path)
        try:
            fd = own._fd if own is not None else os.open(path, os.O_RDONLY | _FLAGS)
            try:
                os.lseek(fd, 0, os.SEEK_SET)
                return _signature(os.read(fd, 1024))
            finally:
                if own is None:
                    os.close(fd)
        except OSError:
            return None


def remove_free_lock(path: str) -> bool:
    """Removes the lock file at `path` unless somebody holds the lock; whether it is gone.

    It goes while the lock is held here, and whoever takes a lock looks whether its file is still in its place: nobody
    ends up with a lock that the next one does not see.
    """
    if _identity(path) is None:
        return True
    lock = FileLock(path, signed=False)
    if not lock.try_acquire():
        return False
    try:
        if sys.platform == "win32":
            lock.release()  # an open file cannot be removed there; if somebody opens it just now, it stays
        os.unlink(path)
    except OSError:
        return _identity(path) is None
    finally:
        lock.release()
    return True


_FLAGS: int = sum(getattr(os, name, 0) for name in ("O_CLOEXEC", "O_NOINHERIT", "O_NOFOLLOW", "O_BINARY"))
_guard = allocate_lock()
_held: dict[tuple[int, int], FileLock] = {}
_origin = ""


def _forget_held() -> None:
    """In a forked child: the locks are its parent's, and a thread that is not there may have had the guard."""
    global _guard
    _guard = allocate_lock()
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_held)


def _identity(path: str) -> tuple[int, int] | None:
    try:
        inode = os.lstat(path)
    except OSError:
        return None
    return inode.st_dev, inode.st_ino


def _held_here(path: str) -> FileLock | None:
    """The object of this process that holds the lock at `path`; opens nothing."""
    identity = _identity(path) if _held else None
    return _held.get(identity) if identity is not None else None


def _open(path: str, flags: int) -> int:
    try:
        return os.open(path, flags | _FLAGS, 0o600)
    except OSError as error:
        from orchestrator.system.file_steps import failure

        raise failure("open the lock", path, error) from error


def _sign(fd: int) -> None:
    """Writes this process into the lock file. The blank line ends it, whatever longer text stood there before."""
    global _origin
    if not _origin:
        host = os.uname().nodename if hasattr(os, "uname") else os.environ.get("COMPUTERNAME", "unknown")
        command = " ".join(" ".join([sys.argv[0].rpartition(os.sep)[2], *sys.argv[1:]]).split())[:200]
        _origin = f"host {host}\ncommand {command}"
    text = f"pid {os.getpid()}\nstarted {clock.utc_text(clock.now())}\n{_origin}\n\n"
    try:
        os.lseek(fd, 0, os.SEEK_SET)
        os.write(fd, text.encode("utf-8", "replace"))
    except OSError:
        pass  # a full disk: the lock holds all the same, only the name of its holder is missing


def _signature(data: bytes) -> Holder | None:
    lines = data.partition(b"\n\n")[0].decode("utf-8", "replace").splitlines()
    values = dict(line.partition(" ")[::2] for line in lines)
    try:
        return Holder(int(values["pid"]), values["host"], clock.parse_utc(values["started"]), values["command"])
    except (KeyError, ValueError):
        return None


def _timeout(path: str, timeout_s: float | None) -> CannotGoOnError:
    from orchestrator.errors import CannotGoOnError

    who = holder(path)
    by = f": held by {who.text()} ({who.command})" if who else ""
    advice = "wait for that process, or end it if it hangs"
    return CannotGoOnError(f"could not lock {path} within {timeout_s:g} s{by}", advice)
