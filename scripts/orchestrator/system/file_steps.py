"""The single steps that writing a file takes, and what an error of one of them tells a person."""

from __future__ import annotations

import errno
import os
import sys
import time

from orchestrator.errors import CannotGoOnError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    T = TypeVar("T")

PRIVATE_FILE = 0o600
TEMP_MARK = ".tmp-"

BINARY: int = getattr(os, "O_BINARY", 0)
CLOEXEC: int = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOINHERIT", 0)
NOFOLLOW: int = getattr(os, "O_NOFOLLOW", 0)

_SHARING_WAIT_S = 2.0
"""How long Windows may refuse because a reader, an editor or a virus scanner has the file open."""

_ADVICE = {
    errno.ENOSPC: ("the disk is full", "free some space and run the command again"),
    errno.EDQUOT: ("your disk quota is used up", "free some space and run the command again"),
    errno.EFBIG: ("the file is larger than is allowed here", "raise the file size limit (ulimit -f)"),
    errno.EROFS: ("the file system is read-only", "use a folder that can be written, with --dir"),
    errno.EACCES: ("permission denied", "check who owns it and its permissions, or use another folder with --dir"),
    errno.EPERM: ("not permitted", "check who owns it and its permissions, or use another folder with --dir"),
    errno.ENOENT: ("a folder on the way to it does not exist", "create it, or correct the path"),
    errno.ENOTDIR: ("something on the way to it is a file, not a folder", "move that file away, or correct the path"),
    errno.EISDIR: ("there is a folder in its place", "move that folder away"),
    errno.EEXIST: ("there is something else in its place", "move it away"),
    errno.ELOOP: ("there is a symbolic link in its place", "replace the link by the file itself"),
    errno.ENAMETOOLONG: ("the name is too long for this file system", "use a shorter path"),
    errno.EXDEV: ("it lies on another file system", "keep the run on one file system"),
    errno.EMFILE: ("too many files are open", "raise the limit (ulimit -n), or use fewer --jobs"),
    errno.EIO: ("the disk reports an input/output error", "check the disk, and the connection if it is a network one"),
}


def failure(doing: str, path: str, error: OSError) -> CannotGoOnError:
    """The error for a person: ``cannot write master_plan.md: the disk is full``, with what to try.

    `doing` is the verb ("write", "read", "lock"); an unusual error keeps the words of the system.
    """
    reason, advice = _ADVICE.get(error.errno or 0, (error.strerror or str(error), "look at the path and its folder"))
    return CannotGoOnError(f"cannot {doing} {path}: {reason}", advice)


def create_temp(path: str) -> tuple[str, int]:
    """A new empty file in the folder of `path`, as a rename is only whole within one file system."""
    folder, name = os.path.split(path)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | BINARY | CLOEXEC
    while True:
        # A long name is cut: the suffix must not push it over the 255 bytes that file systems allow.
        temp = os.path.join(folder, f".{name[:50]}{TEMP_MARK}{os.getpid()}-{os.urandom(4).hex()}")
        try:
            return temp, os.open(temp, flags, PRIVATE_FILE)
        except FileExistsError:
            continue


def write_all(fd: int, data: bytes) -> None:
    """Writes all of it: one call may take only a part, on a nearly full disk or beyond 2 GiB."""
    written = os.write(fd, data)
    if written < len(data):
        rest = memoryview(data)[written:]
        while rest:
            rest = rest[os.write(fd, rest) :]


def flush_folder(path: str) -> None:
    """Makes a rename in the folder of `path` survive a power cut. Windows has no such call and needs none."""
    if sys.platform == "win32":
        return
    fd = os.open(os.path.dirname(path) or ".", os.O_RDONLY | CLOEXEC)
    try:
        os.fsync(fd)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.EBADF, errno.ENOTSUP):  # file systems that cannot flush a folder
            raise
    finally:
        os.close(fd)


def patiently(act: Callable[[], T]) -> T:
    """Does `act`; on Windows again for a while, as a file that somebody has open can be neither replaced nor read."""
    if sys.platform != "win32":
        return act()
    give_up = time.monotonic() + _SHARING_WAIT_S
    pause_s = 0.005
    while True:
        try:
            return act()
        except PermissionError:
            if time.monotonic() >= give_up:
                raise
            time.sleep(pause_s)
            pause_s = min(pause_s * 2, 0.1)


def remove_quietly(path: str) -> bool:
    """Removes a file; whether that went well."""
    try:
        os.unlink(path)
    except OSError:
        return False
    return True
