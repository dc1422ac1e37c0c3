"""What a Markdown text leaves open: a code fence, an HTML comment, an element that is never closed.

In a document of its own that does little harm; in front of another text it swallows that one.
"""

from __future__ import annotations

import re
from typing import Final

from orchestrator.blocks import Blocks, blocks, html_texts

# Elements that keep in every browser what follows them, until they are closed.
_TAG: Final = re.compile(
    r"<(?P<end>/?)(?P<name>details|div|table|section|article|aside|blockquote|center|ul|ol|dl|figure|nav|form|fieldset)"
    r"(?:\s[^<>]*)?/?>",
    re.IGNORECASE,
)
_COMMENT: Final = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
_MOST_COMMENTS: Final = 8
"""So many endless comments are ended one by one, each with a new look at the text; one more ends with the text."""


def closed(markdown: str) -> tuple[str, tuple[str, ...]]:
    """``markdown`` with what it leaves open closed, and in words what that was.

    A fence, ``<pre>`` or ``<details>`` is closed at the end. A comment that never ends would hide the rest of the
    text, so it is ended after its first line. No line is changed or taken away.
    """
    parsed, names = closed_blocks(markdown)
    return "\n".join(parsed.lines), names


def closed_blocks(markdown: str) -> tuple[Blocks, tuple[str, ...]]:
    """The blocks of the text that ``closed`` answers, and in words what had been open."""
    names: list[str] = []
    parsed = blocks(markdown)
    while parsed.opening is not None and parsed.opening.hides:
        at = parsed.opening.line + 1 if len(names) < _MOST_COMMENTS else len(parsed.lines)
        names.append(parsed.opening.name)
        parsed = blocks("\n".join((*parsed.lines[:at], parsed.opening.end, *parsed.lines[at:])))
    closers = []
    if parsed.opening is not None:
        closers.append(parsed.opening.end)
        names.append(parsed.opening.name)
    for element in _open_elements(parsed):
        closers.append(f"</{element}>")
        names.append(f"<{element}> element")
    if closers:
        parsed = blocks("\n".join(("\n".join(parsed.lines).rstrip("\n"), *closers, "")))
    return parsed, tuple(dict.fromkeys(names))


def _open_elements(parsed: Blocks) -> list[str]:
    """The elements that HTML blocks open and nothing closes, innermost first. Paragraphs close some, and open none."""
    opened: list[str] = []
    for text, is_block in html_texts(parsed):
        for tag in _TAG.finditer(_COMMENT.sub("", text)):
            name = tag["name"].lower()
            if tag["end"]:
                if name in opened:
                    while opened.pop() != name:
                        pass
            elif is_block:
                opened.append(name)
    return opened[::-1]
