"""Words of PowerShell: how a text of ours stands in a script that must be pure ASCII.

Windows PowerShell 5.1 reads a script without a byte order mark in the machine's old code page, where other letters
would make another path of a path; they stand there as codes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_NOT_PRINTABLE_ASCII = re.compile(r"[^ -~]")
_LAST_BACKSLASHES_OR_QUOTE = re.compile(r'(\\*)("|\Z)')


def literal(text: str) -> str:
    """``text`` as an expression of PowerShell, in ASCII: ``'C:\\agents'``, or a call that decodes it.

    ``[regex]`` is one of the few types that constrained language mode leaves usable.
    """
    if not _NOT_PRINTABLE_ASCII.search(text):
        return _quoted(text)
    return f"[regex]::Unescape({_quoted(_NOT_PRINTABLE_ASCII.sub(_codes, text.replace(_BACKSLASH, 2 * _BACKSLASH)))})"


def command_line(texts: Iterable[str]) -> str:
    """``texts`` as the one line of arguments that .NET takes apart again, on every system.

    The rules are those of Microsoft's C runtime ("Parsing C++ command-line arguments").
    """
    return " ".join(map(_argument, texts))


def is_lost_by_windows_powershell(text: str) -> bool:
    """Whether a call in Windows PowerShell 5.1 would hand ``text`` on to a program as something else."""
    return not text or '"' in text or text.endswith(_BACKSLASH)


_BACKSLASH = "\\"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _codes(match: re.Match[str]) -> str:
    """The UTF-16 units of a character, each as ``\\u`` and four digits."""
    data = match[0].encode("utf-16-be", "surrogatepass")
    return "".join(f"{_BACKSLASH}u{data[at : at + 2].hex()}" for at in range(0, len(data), 2))


def _argument(text: str) -> str:
    if text and not re.search(r'[\s"]', text):
        return text
    return '"' + _LAST_BACKSLASHES_OR_QUOTE.sub(_escaped, text) + '"'


def _escaped(match: re.Match[str]) -> str:
    return 2 * match[1] + (_BACKSLASH + '"' if match[2] else "")
