"""Files that are whole or not there, private to the user, and errors that say what to do.

What is read later as the truth is written beside its place and renamed into it, so that no reader and no crash ever
sees half of it: engines without that rule take a half-written output for a finished one. Paths are plain words here:
this is on the way of every command, and the objects of pathlib cost as much as these functions do.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
import time
from io import FileIO

from orchestrator.errors import CannotGoOnError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import TypeVar

    T = TypeVar("T")

PRIVATE_FILE = 0o600
PRIVATE_FOLDER = 0o700

_TEMP_MARK = ".tmp-"
_SAVING_S = 0.3
_SAVING_MOST_S = 2.0
"""How long nobody writes any more when an editor has finished saving, and how long it is waited for at most."""
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


def read_bytes_or_none(path: str) -> bytes | None:
    """The whole file, or None when there is none. Raises `CannotGoOnError` when it cannot be read."""
    try:
        with _patiently(lambda: FileIO(path)) as file:
            return file.readall()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise failure("read", path, error) from error


def read_own_or_none(path: str) -> bytes | None:
    """`read_bytes_or_none` for a file that the program itself made: a symbolic link in its place is refused.

    Somebody could have put it there, in a project from elsewhere, to have a file of the user's handed on.
    """
    try:
        if not _NOFOLLOW and os.path.islink(path):
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
        with _patiently(lambda: FileIO(path, opener=_open_no_link)) as file:
            return file.readall()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise failure("read", path, error) from error


def _open_no_link(path: str, flags: int) -> int:
    return os.open(path, flags | _NOFOLLOW)


def write_whole(path: str, data: bytes | str, flush: bool = True) -> None:
    """Replaces the file at `path` (0600) by `data`; text as UTF-8, newlines as they are, a lone surrogate as ``?``.

    Whoever reads meanwhile sees the old or the new content, whole. With `flush` it also survives a power cut: the
    data reaches the disk before the rename, the rename before the return. When it fails, the old file is untouched
    and the temporary one is gone; only a kill in between leaves one behind, which `remove_leftovers` takes away.
    """
    content = data.encode("utf-8", "replace") if isinstance(data, str) else data
    try:
        temp, fd = _create_temp(path)
        try:
            try:
                _write_all(fd, content)
                if flush:
                    os.fsync(fd)
            finally:
                os.close(fd)
            _patiently(lambda: os.replace(temp, path))
        except BaseException:
            _remove_quietly(temp)
            raise
        if flush:
            _flush_folder(path)
    except OSError as error:
        raise failure("write", path, error) from error


def write_over(path: str, data: bytes, expected: bytes | None) -> bytes | None:
    """`write_whole` over a file that an editor may be saving just now; what was saved there, None when nothing was.

    `expected` is what `data` was made from, None where there was no file; when something else is there by now, nothing
    is written. An editor that opened the old file before the rename goes on writing into a file without a name: that
    is seen through a descriptor, waited for, and put in the place of `data`.
    """
    try:
        temp, fd = _create_temp(path)
        try:
            try:
                _write_all(fd, data)
                os.fsync(fd)
            finally:
                os.close(fd)
            saved = _replace_unless_saved(temp, path, expected)
        finally:
            _remove_quietly(temp)
        if saved is None:
            _flush_folder(path)
    except OSError as error:
        raise failure("write", path, error) from error
    if saved is not None and saved[1]:
        write_whole(path, saved[0])
    return saved[0] if saved else None


def _replace_unless_saved(temp: str, path: str, expected: bytes | None) -> tuple[bytes, bool] | None:
    """Rename `temp` to `path`; None when all went well, else what was saved there and whether its file has no name."""
    try:
        old = FileIO(path)
    except FileNotFoundError:
        if expected is None:
            os.replace(temp, path)
            return None
        return b"", False
    with old:
        found = old.readall()
        if found != expected:
            return found, False
        if sys.platform == "win32":
            old.close()  # an open file cannot be replaced there, nor can one that an editor is writing
            _patiently(lambda: os.replace(temp, path))
            return None
        os.replace(temp, path)
        late = _settled(old, found)
        return None if late == expected else (late, True)


def _settled(file: FileIO, before: bytes) -> bytes:
    """What stands in `file`; when that is no longer `before`, once nobody has written for a while."""
    give_up = time.monotonic() + _SAVING_MOST_S
    while True:
        file.seek(0)
        now = file.readall()
        if now == before or time.monotonic() >= give_up:
            return now
        seen = now
        until = time.monotonic() + _SAVING_S
        while seen == now and time.monotonic() < until:
            time.sleep(0.02)
            file.seek(0)
            seen = file.readall()
        if seen == now:
            return now


def write_new(path: str, data: bytes | str, flush: bool = False) -> None:
    """Writes a file that nobody looks for yet (0600), such as one of an attempt of its own: no rename is needed.

    Raises `CannotGoOnError`; then the file is gone.
    """
    content = data.encode("utf-8", "replace") if isinstance(data, str) else data
    fd = open_output(path)
    try:
        try:
            _write_all(fd, content)
            if flush:
                os.fsync(fd)
        finally:
            os.close(fd)
    except OSError as error:
        _remove_quietly(path)
        raise failure("write", path, error) from error


def write_page(path: str, text: str) -> None:
    """Writes a page for people (0600) by which nothing is decided, over what it said before.

    It is not emptied first and not replaced by rename: after either, ext4 flushes the new content before it goes on.
    Raises `CannotGoOnError`; then the page may be part old and part new.
    """
    content = text.encode("utf-8", "replace")
    fd = open_output(path, is_emptied=False)
    try:
        try:
            _write_all(fd, content)
            os.ftruncate(fd, len(content))
        finally:
            os.close(fd)
    except OSError as error:
        raise failure("write", path, error) from error


def publish_all(pairs: Sequence[tuple[str, str]]) -> None:
    """Gives finished and flushed files their names, each by rename, and flushes their folder once, at the end.

    Raises `CannotGoOnError`; then some may have their names already, which says nothing without a record.
    """
    try:
        for temp, path in pairs:
            _patiently(lambda temp=temp, path=path: os.replace(temp, path))  # type: ignore[misc]
        for path in {os.path.dirname(path): path for _, path in pairs}.values():
            _flush_folder(path)
    except OSError as error:
        raise failure("publish", pairs[0][1], error) from error


def remove(path: str) -> None:
    """Removes a file if it is there and can be."""
    _remove_quietly(path)


def publish(temp: str, path: str) -> None:
    """Makes a finished file visible under its name as the last step: flush, rename, flush the folder.

    Both paths are on one file system. Raises `CannotGoOnError`; then `temp` is still there and `path` as it was.
    """
    try:
        fd = os.open(temp, os.O_RDWR | _BINARY | _CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
        _patiently(lambda: os.replace(temp, path))
        _flush_folder(path)
    except OSError as error:
        raise failure("publish", path, error) from error


def open_output(path: str, *, is_emptied: bool = True) -> int:
    """A descriptor of a private file for a program's output, empty at first; not inherited unless it is passed on.

    A symbolic link in its place is refused. Raises `CannotGoOnError`.
    """
    flags = os.O_WRONLY | os.O_CREAT | (os.O_TRUNC if is_emptied else 0)
    try:
        return os.open(path, flags | _NOFOLLOW | _BINARY | _CLOEXEC, PRIVATE_FILE)
    except OSError as error:
        raise failure("write", path, error) from error


def free_bytes(path: str) -> int:
    """How much the disk of ``path`` can still take; very much where that cannot be told."""
    if not hasattr(os, "statvfs"):
        return sys.maxsize
    try:
        found = os.statvfs(path)
    except OSError:
        return sys.maxsize
    return (found.f_bavail if os.geteuid() else found.f_bfree) * found.f_frsize


def digest(data: bytes) -> str:
    """``sha256:…`` in hexadecimal: how a completion record names the result that it stands for."""
    from hashlib import sha256  # loads OpenSSL: 3 ms that most commands do not need

    return f"sha256:{sha256(data).hexdigest()}"


def make_private_folder(path: str) -> None:
    """A folder at `path` that only the user can enter (0700), made with its parents, or made private if it is there.

    Parents that did not exist get the usual permissions. Raises `CannotGoOnError`.
    """
    try:
        os.makedirs(path, PRIVATE_FOLDER, exist_ok=True)
        if sys.platform != "win32" and stat.S_IMODE(os.stat(path).st_mode) & 0o077:
            os.chmod(path, PRIVATE_FOLDER)
    except OSError as error:
        raise failure("make the folder", path, error) from error


def is_inside(project: str, path: str) -> bool:
    """Whether `path` (relative to `project`, or absolute) lies in the folder `project` or is that folder itself.

    Symbolic links are followed first, on both sides, so a link in the project that leads out of it is outside. Parts
    that do not exist yet count as they are written.
    """
    try:
        root = os.path.normcase(os.path.realpath(project))
        real = os.path.normcase(os.path.realpath(os.path.join(project, path)))
    except (OSError, ValueError):  # a null byte, a name that no file can have
        return False
    return real == root or real.startswith(root if root.endswith(os.sep) else root + os.sep)


def remove_leftovers(folder: str, older_than_s: float = 3600.0) -> int:
    """Removes temporary files in `folder` that a killed `write_whole` left there; how many.

    Age decides, because the writer may have lived on another machine; a write takes far less than an hour, and a
    temporary file is never read, so a wrong clock can only delay the tidying or make a write fail with an error.
    """
    removed = 0
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith(".") and _TEMP_MARK in entry.name:
                    age_s = time.time() - entry.stat(follow_symlinks=False).st_mtime
                    removed += age_s > older_than_s and _remove_quietly(entry.path)
    except OSError:
        pass  # tidying up; whoever needs the folder reports what is wrong with it
    return removed


_BINARY: int = getattr(os, "O_BINARY", 0)
_CLOEXEC: int = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOINHERIT", 0)
_NOFOLLOW: int = getattr(os, "O_NOFOLLOW", 0)


def _create_temp(path: str) -> tuple[str, int]:
    """A new empty file in the folder of `path`, as a rename is only whole within one file system."""
    folder, name = os.path.split(path)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _BINARY | _CLOEXEC
    while True:
        # A long name is cut: the suffix must not push it over the 255 bytes that file systems allow.
        temp = os.path.join(folder, f".{name[:50]}{_TEMP_MARK}{os.getpid()}-{os.urandom(4).hex()}")
        try:
            return temp, os.open(temp, flags, PRIVATE_FILE)
        except FileExistsError:
            continue


def _write_all(fd: int, data: bytes) -> None:
    """Writes all of it: one call may take only a part, on a nearly full disk or beyond 2 GiB."""
    written = os.write(fd, data)
    if written < len(data):
        rest = memoryview(data)[written:]
        while rest:
            rest = rest[os.write(fd, rest) :]


def _flush_folder(path: str) -> None:
    """Makes a rename in the folder of `path` survive a power cut. Windows has no such call and needs none."""
    if sys.platform == "win32":
        return
    fd = os.open(os.path.dirname(path) or ".", os.O_RDONLY | _CLOEXEC)
    try:
        os.fsync(fd)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.EBADF, errno.ENOTSUP):  # file systems that cannot flush a folder
            raise
    finally:
        os.close(fd)


def _patiently(act: Callable[[], T]) -> T:
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


def _remove_quietly(path: str) -> bool:
    try:
        os.unlink(path)
    except OSError:
        return False
    return True
