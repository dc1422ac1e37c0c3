"""Text of others inside a prompt: an ``@path`` in it attaches nothing, and no prompt is taken for a command.

The CLI attaches the file, folder, agent or MCP resource that an ``@`` names, outside the project and inside code
fences as well. Read from and measured on claude 2.1.197: a mention begins after white space or one of ``。、？！``;
it is ``@"any text"``, or runs to the last ASCII word character before white space; ``#L1-20`` and any other ``#…``
at its end name lines. U+2060 (word joiner, invisible) before the ``@`` stops all of these, because none begins there.
After it alone it does not: the CLI takes ``..`` out of a path as text, and the joiner with what stands before it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import Final

JOINER: Final = "\u2060"
NOTE: Final = (
    "Note: in the material below, an @ that would have attached a file stands between two invisible characters "
    "(U+2060); leave them out when you copy such a place."
)

# White space of ECMAScript, in whose regular expressions the CLI looks for mentions.
_WHITE: Final = r"\t-\r \xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff"
_MENTION: Final = re.compile(
    rf"(?<![^{_WHITE}\u3002\u3001\uff1f\uff01])"
    rf"@(?=\"(?P<quoted>[^\"]{{1,4096}})\"|(?P<bare>[^{_WHITE}\"][^{_WHITE}]{{0,4095}}))"
)
_ALWAYS: Final = (
    # From the root, the home or through a parent folder, on any system.
    re.compile(r"[/\\~]|[A-Za-z]:[/\\]|(?:.*[/\\])?\.\.(?:[/\\]|\Z)", re.DOTALL),
    # An agent, and a resource of an MCP server.
    re.compile(r"agent-|[\w:.@-]+ \(agent\)\Z"),
    re.compile(r"[\w.-]+:[A-Za-z][A-Za-z0-9+.-]*://"),
)
_TO_LAST_WORD: Final = re.compile(r".*[A-Za-z0-9_]", re.DOTALL)
_TRAILING: Final = ".,;:!?)]}>'\"`*_。、，；：！？）」』"


def quiet_attachments(text: str, exists: Callable[[str], bool]) -> str:
    """``text`` in which no ``@`` attaches anything, with one line at its top that says so where one would have.

    ``exists`` answers whether a path, as it was written after the ``@``, names something when it is read from the
    folder where the prompt will be used. Applying this to its own result changes nothing.
    """
    quieted, count = without_attachments(text, exists)
    return f"{NOTE}\n\n{quieted}" if count else quieted


def without_attachments(text: str, exists: Callable[[str], bool]) -> tuple[str, int]:
    """``text`` in which no ``@`` attaches anything, and how many would have; ``NOTE`` is for the caller to say."""
    if "@" not in text:
        return text, 0
    is_there = cache(exists)
    count = 0

    def quieted(match: re.Match[str]) -> str:
        nonlocal count
        if not _attaches(match["quoted"], match["bare"], is_there):
            return match[0]
        count += 1
        return f"{JOINER}@{JOINER}"

    return _MENTION.sub(quieted, text), count


def as_prompt(text: str) -> str:
    """``text`` as a prompt: without a byte order mark, and not beginning with ``/``, as a command of the CLI does."""
    text = text.removeprefix("\ufeff")
    return f"\n{text}" if text.startswith("/") else text


def _attaches(quoted: str | None, bare: str | None, exists: Callable[[str], bool]) -> bool:
    if quoted is not None:
        names = [quoted]
    else:
        word = bare or ""
        to_last_word = _TO_LAST_WORD.match(word)
        # The CLI's own reading, and the one that a version which knows more letters than ASCII would have.
        names = [to_last_word[0] if to_last_word else word, word.rstrip(_TRAILING)]
    names += [name.split("#", 1)[0] for name in names if "#" in name]
    return any(
        any(form.match(name) for form in _ALWAYS) or _is_file(name, exists) for name in dict.fromkeys(names) if name
    )


def _is_file(name: str, exists: Callable[[str], bool]) -> bool:
    """Whether ``exists(name)``; a name that no file system can have (NUL, far too long) does not."""
    if "\0" in name:
        return False
    try:
        return exists(name)
    except (OSError, ValueError):
        return False
