"""What a Markdown text leaves open: a code fence, an HTML comment, an element that is never closed.

In a document of its own that does little harm; in front of another text it swallows that one.
"""

from __future__ import annotations

import re
from heapq import merge
from typing import Final

from orchestrator.texts.blocks import Blocks, blocks

# Elements that keep in every browser what follows them, until they are closed.
_TAG: Final = re.compile(
    r"<(?P<end>/?)(?P<name>details|div|table|section|article|aside|blockquote|center|ul|ol|dl|figure|nav|form|fieldset)"
    r"(?:\s[^<>]*)?/?>",
    re.IGNORECASE,
)
_MOST_LOOKS: Final = 8
"""So often the text is looked at for comments that never end; one that is there even then ends with the text."""


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
    for _ in range(_MOST_LOOKS):
        comment = _endless_comment(parsed)
        if comment is None:
            break
        line, end, name = comment
        names.append(name)
        parsed = blocks("\n".join((*parsed.lines[: line + 1], end, *parsed.lines[line + 1 :])))
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


def _endless_comment(parsed: Blocks) -> tuple[int, str, str] | None:
    """The first line of the first comment that nothing ends, what ends it, and its name."""
    opening = parsed.opening
    if opening is not None and opening.hides:
        return opening.line, opening.end, opening.name
    # Markdown ends a `<div>` with a blank line, but a browser goes on with a comment in it until one ends.
    html = list(parsed.html())
    _, begin = _without_comments("\n".join(text for _, text in html))
    if begin is None:
        return None
    for first, text in html:
        if begin <= len(text):
            return first + text.count("\n", 0, begin), "<!-- -->", "HTML comment"
        begin -= len(text) + 1
    return None


def _open_elements(parsed: Blocks) -> list[str]:
    """The elements that HTML blocks open and nothing closes, innermost first. Paragraphs close some, and open none."""
    opened: list[str] = []
    of_text = ((line, text, False) for line, text in parsed.texts())
    of_html = ((line, text, True) for line, text in parsed.html())
    for _, text, is_html in merge(of_html, of_text):
        for tag in _TAG.finditer(_without_comments(text)[0]):
            name = tag["name"].lower()
            if tag["end"]:
                if name in opened:
                    while opened.pop() != name:
                        pass
            elif is_html:
                opened.append(name)
    return opened[::-1]


def _without_comments(html: str) -> tuple[str, int | None]:
    """``html`` without its comments, and where the one begins that never ends."""
    kept: list[str] = []
    done = 0
    while (begin := html.find("<!--", done)) >= 0:
        kept.append(html[done:begin])
        end = html.find("-->", begin)
        if end < 0:
            return "".join(kept), begin
        done = end + len("-->")
    return "".join((*kept, html[done:])), None
