"""Writing over a file that a person may be saving from an editor at the same moment."""

from __future__ import annotations

import os
import sys
import time
from io import FileIO

from orchestrator.system.file_steps import create_temp, failure, flush_folder, patiently, remove_quietly, write_all
from orchestrator.system.files import write_whole

_SAVING_S = 0.3
_SAVING_MOST_S = 2.0
"""How long nobody writes any more when an editor has finished saving, and how long it is waited for at most."""


def write_over(path: str, data: bytes, expected: bytes | None) -> bytes | None:
    """`write_whole` over a file that an editor may be saving just now; what was saved there, None when nothing was.

    `expected` is what `data` was made from, None where there was no file; when something else is there by now, nothing
    is written. An editor that opened the old file before the rename goes on writing into a file without a name: that
    is seen through a descriptor, waited for, and put in the place of `data`.
    """
    try:
        temp, fd = create_temp(path)
        try:
            try:
                write_all(fd, data)
                os.fsync(fd)
            finally:
                os.close(fd)
            saved = _replace_unless_saved(temp, path, expected)
        finally:
            remove_quietly(temp)
        if saved is None:
            flush_folder(path)
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
            patiently(lambda: os.replace(temp, path))
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
