"""The ways in which an operating system grants an exclusive lock on a file, and which of them a file system supports.

`locks` is the module to use; here is only what differs between ``flock``, record locks and Windows.
"""

from __future__ import annotations

import errno
import os
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl
    from struct import pack, unpack_from

_PROBES = 100


class Way:
    """One way of locking. All take a descriptor of the lock file, opened for writing unless said otherwise."""

    name: str
    is_inherited = True
    """Whether the lock belongs to the open file, so that a child which inherits the descriptor keeps it held."""
    can_wait = True
    """Whether `wait` sleeps in the kernel; otherwise it must not be called."""

    def take(self, fd: int) -> bool:
        """Takes the lock if it is free; whether it was."""
        raise NotImplementedError

    def wait(self, fd: int) -> None:
        """Sleeps until the lock is taken."""
        raise NotImplementedError

    def drop(self, fd: int) -> None:
        """Frees the lock for everybody, children that inherited it included."""
        raise NotImplementedError

    def is_taken(self, fd: int) -> bool:
        """Whether somebody holds the lock through another open file; a descriptor for reading is enough."""
        raise NotImplementedError


if sys.platform == "win32":

    class _Range(Way):
        """A locked byte far behind the text, as nobody can read a locked range. It goes with the process."""

        name = "a locked range"
        is_inherited = False
        can_wait = False
        _OFFSET = 0x7FFF_0000
        _TRIES = 4

        def take(self, fd: int) -> bool:
            for remaining in reversed(range(self._TRIES)):
                os.lseek(fd, self._OFFSET, os.SEEK_SET)
                try:
                    msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)
                except PermissionError:
                    if remaining:
                        time.sleep(0.002)  # it may be somebody's `is_taken`, which takes it for an instant
                    continue
                return True
            return False

        def drop(self, fd: int) -> None:
            os.lseek(fd, self._OFFSET, os.SEEK_SET)
            msvcrt.locking(fd, msvcrt.LK_UNLCK, 1)

        def is_taken(self, fd: int) -> bool:
            taken = self.take(fd)
            if taken:
                self.drop(fd)
            return not taken

    WAYS: tuple[Way, ...] = (_Range(),)

else:

    class _Flock(Way):
        """BSD locks: of the open file, freed with its last descriptor."""

        name = "flock"

        def take(self, fd: int) -> bool:
            for probe in range(_PROBES):
                if self._granted(fd, fcntl.LOCK_EX):
                    return True
                if not self._granted(fd, fcntl.LOCK_SH):
                    return False  # held exclusively, so really held
                fcntl.flock(fd, fcntl.LOCK_UN)  # only an `is_taken` was in the way, for an instant
                time.sleep(probe * 0.00005)
            return False

        def wait(self, fd: int) -> None:
            fcntl.flock(fd, fcntl.LOCK_EX)

        def drop(self, fd: int) -> None:
            fcntl.flock(fd, fcntl.LOCK_UN)

        def is_taken(self, fd: int) -> bool:
            if not self._granted(fd, fcntl.LOCK_SH):
                return True
            fcntl.flock(fd, fcntl.LOCK_UN)
            return False

        @staticmethod
        def _granted(fd: int, kind: int) -> bool:
            try:
                fcntl.flock(fd, kind | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            return True

    class _Record(Way):
        """POSIX record locks over the whole file, of the open file or of the process."""

        def __init__(self, name: str, take: int, wait: int, ask: int, is_inherited: bool) -> None:
            self.name = name
            self.is_inherited = is_inherited
            self.can_wait = is_inherited  # else another thread of the process would be let in as well
            self._take, self._wait, self._ask = take, wait, ask

        def take(self, fd: int) -> bool:
            try:
                fcntl.fcntl(fd, self._take, _record(fcntl.F_WRLCK))
            except (BlockingIOError, PermissionError):  # POSIX leaves the choice between EAGAIN and EACCES
                return False
            return True

        def wait(self, fd: int) -> None:
            fcntl.fcntl(fd, self._wait, _record(fcntl.F_WRLCK))

        def drop(self, fd: int) -> None:
            fcntl.fcntl(fd, self._take, _record(fcntl.F_UNLCK))

        def is_taken(self, fd: int) -> bool:
            return _record_kind(fcntl.fcntl(fd, self._ask, _record(fcntl.F_WRLCK))) != fcntl.F_UNLCK

    def _record(kind: int) -> bytes:
        """``struct flock`` from the first byte to the end of the file; its order of fields is the system's own."""
        if sys.platform == "linux":
            return pack("hhqqi0q", kind, os.SEEK_SET, 0, 0, 0)
        return pack("qqihh0q", 0, 0, 0, kind, os.SEEK_SET)

    def _record_kind(record: bytes) -> int:
        kind: int = unpack_from("h", record)[0] if sys.platform == "linux" else unpack_from("qqih", record)[3]
        return kind

    _PROCESS_RECORD = _Record("record locks of the process", fcntl.F_SETLK, fcntl.F_SETLKW, fcntl.F_GETLK, False)
    if sys.platform == "linux":
        WAYS = (
            _Flock(),
            _Record("record locks", fcntl.F_OFD_SETLK, fcntl.F_OFD_SETLKW, fcntl.F_OFD_GETLK, True),
            _PROCESS_RECORD,
        )
    else:
        WAYS = (_Flock(), _PROCESS_RECORD)


_UNSUPPORTED = frozenset({errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOLCK, errno.ENOSYS, errno.EINVAL})
_announced = False


def first_answer(
    path: str, question: Callable[[Way], bool], announce: Callable[[str], None] | None = None
) -> tuple[Way, bool]:
    """The first way that the file system of `path` supports, and its answer to `question`.

    That ``flock`` is not supported is said once per process, to `announce` or else on stderr. Raises `CannotGoOnError`
    where no way is supported.
    """
    refusals: list[str] = []
    for way in WAYS:
        try:
            answer = _answer(way, question)
        except OSError as error:
            if error.errno not in _UNSUPPORTED:
                from orchestrator.system.file_steps import failure

                raise failure("lock", path, error) from error
            refusals.append(f"{way.name}: {error.strerror}")
            continue
        if refusals:
            _announce_once(f"{path}: locking with {way.name}, as flock is not supported there", announce)
        return way, answer
    from orchestrator.errors import CannotGoOnError

    raise CannotGoOnError(
        f"no lock can be had on {path} ({'; '.join(refusals)})",
        "put the run on a local disk, with --dir; without locks two processes would overwrite each other's work",
    )


def _answer(way: Way, question: Callable[[Way], bool]) -> bool:
    """Believes ENOLCK only when it lasts: a kernel or lock server short of memory says it too, and two processes that
    lock in different ways do not see each other."""
    for pause_s in (0.01, 0.05, 0.1):
        try:
            return question(way)
        except OSError as error:
            if error.errno != errno.ENOLCK:
                raise
        time.sleep(pause_s)
    return question(way)


def _announce_once(text: str, announce: Callable[[str], None] | None) -> None:
    global _announced
    if not _announced:
        _announced = True
        (announce or _say)(text)


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
