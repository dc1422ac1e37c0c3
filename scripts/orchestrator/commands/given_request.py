"""A request as a command is given it: its words, a file, or stdin."""

from __future__ import annotations

import os
import sys

from orchestrator.desk.requestfile import text_problem
from orchestrator.desk.requesttext import LARGEST_BYTES, checked, request_text
from orchestrator.errors import CannotGoOnError, InvalidInputError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO


def plannable_request(words: str | None, file: str | None, command: str) -> str:
    """The same for a request that becomes the text of a plan: without blanks around it, newlines as newlines.

    Raises ``InvalidInputError`` where a plan cannot hold it.
    """
    text = given_request(words, file, command).replace("\r\n", "\n").strip()
    if problem := text_problem(text):
        raise InvalidInputError(problem.message, problem.advice)
    return text


def given_request(words: str | None, file: str | None, command: str) -> str:
    """The text of the one of ``words`` (``-`` is stdin) and ``file`` that is given; ``command`` is for the advice.

    No more is read than could be used. Raises InvalidInputError where it is empty, enormous or no text.
    """
    example = f'`orchestrate {command} "WHAT IS TO BE DONE"`, `--file FILE`, or `-` for stdin'
    if (words is None) == (file is None):
        raise UsageError("there is no request" if words is None else "there are two requests", example)
    if file is not None and file != "-":
        return request_text(_file_bytes(file))
    if words == "-" or file == "-":
        return request_text(_start(sys.stdin.buffer))
    # Bytes that were no text reach us as halves of pairs, which `checked` names.
    return checked(words or "")


def _file_bytes(file: str) -> bytes:
    if os.path.isdir(file):
        raise UsageError(f"{file} is a folder, expected a file with the request", "name the file itself")
    try:
        with open(file, "rb") as opened:
            return _start(opened)
    except FileNotFoundError:
        raise CannotGoOnError(f"there is no file {file}", "name a file that holds the request") from None
    except OSError as error:
        from orchestrator.system.file_steps import failure

        raise failure("read", file, error) from error


def _start(stream: BinaryIO) -> bytes:
    return stream.read(LARGEST_BYTES + 1)
