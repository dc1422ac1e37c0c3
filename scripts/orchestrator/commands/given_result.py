"""The result that ``complete`` is given: from a file, from stdin, or where the agent was told to put it."""

from __future__ import annotations

import os
import sys

from orchestrator.commands.session import tell
from orchestrator.errors import CannotGoOnError, UsageError
from orchestrator.paths import RunPaths
from orchestrator.system import files
from orchestrator.texts.encoding import utf_16_text
from orchestrator.workers.hand_over import shown_path

RESULT_LIMIT = 64 * 1024 * 1024
"""Bytes; whatever is larger belongs in a file of the project that a short result names."""


def given_result(paths: RunPaths, task: str, source: str | None, target: str) -> str:
    """The text of a result: from ``source`` (a file, or ``-`` for stdin), else from ``target``, the file in its place.

    Raises when there is none, or when it is too large. What is not UTF-8 is told and stands as U+FFFD.
    """
    if source == "-":
        data: bytes | None = sys.stdin.buffer.read(RESULT_LIMIT + 1)
    else:
        path = os.path.abspath(source) if source else target
        if os.path.isdir(path):
            raise UsageError(f"{path} is a folder, expected a file with the result of {task}", "`--result FILE`")
        if _size(path) > RESULT_LIMIT:
            raise _too_large(RESULT_LIMIT)
        data = files.read_bytes_or_none(path) if source else files.read_own_or_none(path)
    if data is None:
        name = source or shown_path(paths, os.path.relpath(target, paths.folder))
        advice = f"`orchestrate complete {task} --result FILE`, or `--result -` for stdin"
        raise CannotGoOnError(f"there is no result file {name}", advice)
    if len(data) > RESULT_LIMIT:
        raise _too_large(RESULT_LIMIT)
    wide = utf_16_text(data)
    if wide is not None:
        tell(f"{task}: the result is UTF-16, as Windows PowerShell 5.1 writes it with `>`; it is kept as UTF-8")
        return wide
    text = data.decode("utf-8", "replace").removeprefix("\ufeff")
    if "\ufffd" in text and "\ufffd".encode() not in data:
        tell(f"{task}: the result is not UTF-8; what could not be read stands as U+FFFD")
    return text


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return 0


def _too_large(limit: int) -> UsageError:
    return UsageError(
        f"the result has more than {limit >> 20} MB", "put it in a file of the project and name it in a short result"
    )
