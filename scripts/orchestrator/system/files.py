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

from orchestrator.system.file_steps import (
    BINARY,
    CLOEXEC,
    NOFOLLOW,
    PRIVATE_FILE,
    TEMP_MARK,
    create_temp,
    failure,
    flush_folder,
    patiently,
    remove_quietly,
    write_all,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import TypeVar

    T = TypeVar("T")

PRIVATE_FOLDER = 0o700


def read_bytes_or_none(path: str) -> bytes | None:
    """The whole file, or None when there is none. Raises `CannotGoOnError` when it cannot be read."""
    return _whole_or_none(path, None)


def read_tail(path: str, most: int) -> bytes:
    """The last ``most`` bytes of a file at most; nothing where it cannot be read."""
    try:
        with open(path, "rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - most))
            return file.read(most)
    except OSError:
        return b""


def read_own_or_none(path: str) -> bytes | None:
    """`read_bytes_or_none` for a file that the program itself made: a symbolic link in its place is refused.

    Somebody could have put it there, in a project from elsewhere, to have a file of the user's handed on.
    """
    if not NOFOLLOW and os.path.islink(path):
        raise failure("read", path, OSError(errno.ELOOP, os.strerror(errno.ELOOP)))
    return _whole_or_none(path, _open_no_link)


def _open_no_link(path: str, flags: int) -> int:
    return os.open(path, flags | NOFOLLOW)


def _whole_or_none(path: str, opener: Callable[[str, int], int] | None) -> bytes | None:
    try:
        with patiently(lambda: FileIO(path, opener=opener)) as file:
            return file.readall()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise failure("read", path, error) from error


def write_whole(path: str, data: bytes | str, flush: bool = True) -> None:
    """Replaces the file at `path` (0600) by `data`; text as UTF-8, newlines as they are, a lone surrogate as ``?``.

    Whoever reads meanwhile sees the old or the new content, whole. With `flush` it also survives a power cut: the
    data reaches the disk before the rename, the rename before the return. When it fails, the old file is untouched
    and the temporary one is gone; only a kill in between leaves one behind, which `remove_leftovers` takes away.
    """
    content = data.encode("utf-8", "replace") if isinstance(data, str) else data
    try:
        temp, fd = create_temp(path)
        try:
            try:
                write_all(fd, content)
                if flush:
                    os.fsync(fd)
            finally:
                os.close(fd)
            patiently(lambda: os.replace(temp, path))
        except BaseException:
            remove_quietly(temp)
            raise
        if flush:
            flush_folder(path)
    except OSError as error:
        raise failure("write", path, error) from error


def write_new(path: str, data: bytes | str, flush: bool = False) -> None:
    """Writes a file that nobody looks for yet (0600), such as one of an attempt of its own: no rename is needed.

    Raises `CannotGoOnError`; then the file is gone.
    """
    content = data.encode("utf-8", "replace") if isinstance(data, str) else data
    fd = open_output(path)
    try:
        try:
            write_all(fd, content)
            if flush:
                os.fsync(fd)
        finally:
            os.close(fd)
    except OSError as error:
        remove_quietly(path)
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
            write_all(fd, content)
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
            patiently(lambda temp=temp, path=path: os.replace(temp, path))  # type: ignore[misc]
        for path in {os.path.dirname(path): path for _, path in pairs}.values():
            flush_folder(path)
    except OSError as error:
        raise failure("publish", pairs[0][1], error) from error


def remove(path: str) -> None:
    """Removes a file if it is there and can be."""
    remove_quietly(path)


def publish(temp: str, path: str) -> None:
    """Makes a finished file visible under its name as the last step: flush, rename, flush the folder.

    Both paths are on one file system. Raises `CannotGoOnError`; then `temp` is still there and `path` as it was.
    """
    try:
        fd = os.open(temp, os.O_RDWR | BINARY | CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
        patiently(lambda: os.replace(temp, path))
        flush_folder(path)
    except OSError as error:
        raise failure("publish", path, error) from error


def open_output(path: str, *, is_emptied: bool = True) -> int:
    """A descriptor of a private file for a program's output, empty at first; not inherited unless it is passed on.

    A symbolic link in its place is refused. Raises `CannotGoOnError`.
    """
    flags = os.O_WRONLY | os.O_CREAT | (os.O_TRUNC if is_emptied else 0)
    try:
        return os.open(path, flags | NOFOLLOW | BINARY | CLOEXEC, PRIVATE_FILE)
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


def make_folder(path: str) -> None:
    """A folder at `path` with the usual permissions, made with its parents. Raises `CannotGoOnError`."""
    try:
        os.makedirs(path, exist_ok=True)
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
                if entry.name.startswith(".") and TEMP_MARK in entry.name:
                    age_s = time.time() - entry.stat(follow_symlinks=False).st_mtime
                    removed += age_s > older_than_s and remove_quietly(entry.path)
    except OSError:
        pass  # tidying up; whoever needs the folder reports what is wrong with it
    return removed
