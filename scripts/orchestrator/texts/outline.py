"""The outline of a Markdown text: its headings, and how to make it fit under a heading of another document.

Located with a Markdown parser, so that a ``#`` in a code fence or an HTML block is no heading, and edited by line:
every line that is no heading stays as it is. Pure.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import Final

from orchestrator.dataclasses import dataclass
from orchestrator.render.markdown import fenced, inline
from orchestrator.texts.blocks import Blocks, blocks
from orchestrator.texts.frontmatter import FrontMatterError, split
from orchestrator.texts.openings import closed_blocks

DEEPEST: Final = 6
"""HTML has no heading below ``<h6>``: what would be deeper stays there, and stays a heading that one can look for."""

_SCOPES: Final = frozenset({"blockquote", "list_item"})
# What may stand before a heading in its line: indentation, quote marks, list markers.
_AROUND: Final = re.compile(r"(?:[ \t]|>|[-+*](?=[ \t])|[0-9]{1,9}[.)](?=[ \t]))*")
_CLOSING_MARKS: Final = re.compile(r"(?:^|(?<=[ \t]))(?=#+[ \t]*$)")
_CLOSED_BY_MARKS: Final = re.compile(r"(?:^|[ \t])#+$")
_LINE_BREAK: Final = re.compile(r"(?<!\\)((?:\\\\)*)\\$")
_MARKS: Final = re.compile(r"!?\[([^\]\[]*)\](?:\([^()]*\)|\[[^\]]*\])|[`*]|</?[A-Za-z][^<>]*>|\\(?=[!-/:-@\[-`{-~])")
_OPEN_BRACKET: Final = re.compile(r"(?<!\\)((?:\\\\)*)([\[\]])")


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading: its lines from ``begin`` up to ``end``, its text as Markdown on one line, and its place in the tree.

    ``depth`` is 1 for the outermost. In a quote or list item (``is_inner``) it begins one below what is around it.
    """

    begin: int
    end: int
    level: int
    depth: int
    text: str
    is_inner: bool = False


@dataclass(frozen=True, slots=True)
class Fitted:
    """A text made fit to stand inside a larger document; ``left_open`` names what had to be closed in it."""

    text: str
    titles: tuple[str, ...] = ()
    left_open: tuple[str, ...] = ()


def shifted(markdown: str, below_level: int) -> str:
    """``markdown`` with its headings moved to stand under a heading of ``below_level`` (1 to 6).

    The tree of headings stays the same down to level 6 and has no gaps: the outermost come to ``below_level + 1``,
    their children one below, whatever levels the author began with or left out. Underlined headings become ``#`` ones.
    All other lines, front matter among them, stay as they are.
    """
    parsed = blocks(markdown)
    return _shifted(parsed, _headings(parsed), below_level)


def fitted(markdown: str, below_level: int) -> Fitted:
    """``markdown`` shifted as ``shifted`` does, and with what it leaves open closed (``openings.closed``).

    Front matter, which there is none inside of a document, becomes a code block.
    """
    parsed, left_open = closed_blocks(_without_front_matter(markdown))
    found = list(_headings(parsed))
    text = _shifted(parsed, found, below_level).strip("\n")
    return Fitted(text, tuple(heading.text for heading in found), left_open)


def headings(markdown: str) -> list[Heading]:
    """The headings of ``markdown`` in their order, without those that HTML writes as ``<h1>``."""
    return list(_headings(blocks(markdown)))


def closed_outline(markdown: str) -> tuple[Sequence[str], list[Heading], tuple[str, ...]]:
    """The lines of ``markdown`` with what it leaves open closed, its headings, and in words what had been open."""
    parsed, left_open = closed_blocks(markdown)
    return parsed.lines, list(_headings(parsed)), left_open


def heading_line(level: int, text: str) -> str:
    """The line of a heading of ``text``, which is Markdown on one line already."""
    return f"{'#' * level} {_CLOSING_MARKS.sub(lambda _: chr(92), text, count=1)}"


def contents(titles: Sequence[str], listed: Iterable[int]) -> str:
    """A list of links to some headings of a document: ``titles`` are all of them as plain text, in their order."""
    targets = anchors(titles)
    return "\n".join(f"- [{_link_text(titles[place])}](#{targets[place]})" for place in listed)


def anchors(titles: Iterable[str]) -> list[str]:
    """The anchors that GitHub gives to headings with these plain texts, unique within the document.

    Lower case; letters, digits, ``-`` and ``_`` are kept, spaces become ``-``, repetitions are numbered
    (github-slugger 2).
    """
    taken: dict[str, int] = {}
    made: list[str] = []
    for title in titles:
        base = anchor = "".join(map(_in_anchor, title.strip().lower()))
        while anchor in taken:
            taken[base] += 1
            anchor = f"{base}-{taken[base]}"
        taken[anchor] = 0
        made.append(anchor)
    return made


def plain_title(text: str) -> str:
    """A heading's Markdown as a reader sees it: without the marks of emphasis, code, links, tags and escapes."""
    return " ".join(_MARKS.sub(lambda match: match[1] or "", text).split())


def _without_front_matter(markdown: str) -> str:
    try:
        parts = split(markdown)
    except FrontMatterError:
        return markdown
    return markdown if parts is None else f"{fenced(parts.yaml, 'yaml')}\n\n{parts.rest}"


def _shifted(parsed: Blocks, found: Iterable[Heading], below_level: int) -> str:
    if not 1 <= below_level <= DEEPEST:
        raise ValueError(f"a heading has a level from 1 to {DEEPEST}, not {below_level}")
    moved: list[str] = []
    done = 0
    for heading in found:
        moved += parsed.lines[done : heading.begin]
        moved.append(_moved(parsed.lines[heading.begin], heading, min(below_level + heading.depth, DEEPEST)))
        done = heading.end
    return "\n".join((*moved, *parsed.lines[done:]))


def _headings(parsed: Blocks) -> Iterator[Heading]:
    """The headings in ``parsed``; those in a quote or list item are a tree of their own under the heading around."""
    scopes: list[list[int]] = [[]]

    def depth(level: int) -> int:
        while scopes[-1] and scopes[-1][-1] >= level:
            scopes[-1].pop()
        scopes[-1].append(level)
        return sum(map(len, scopes))

    for piece in parsed.pieces:
        if piece.level:
            text = parsed.lines[piece.begin].strip()
            if not piece.is_underlined:
                text = _CLOSED_BY_MARKS.sub("", text[piece.level :]).strip()
            yield Heading(piece.begin, piece.begin + 1 + piece.is_underlined, piece.level, depth(piece.level), text)
        for place, token in enumerate(piece.tokens):
            kind, _, side = token.type.rpartition("_")
            if kind in _SCOPES and side == "open":
                scopes.append([])
            elif kind in _SCOPES:
                scopes.pop()
            elif token.type == "heading_open" and token.map:
                level = int(token.tag[1:])
                begin, end = (piece.begin + line for line in token.map)
                text = _on_one_line(piece.tokens[place + 1].content)
                yield Heading(begin, end, level, depth(level), text, len(scopes) > 1)


def _on_one_line(content: str) -> str:
    """``content`` of a heading on one line, which cannot have the line break that a backslash at a line's end is."""
    *others, last = content.split("\n")
    return " ".join((*(_LINE_BREAK.sub(r"\1", line.strip()).strip() for line in others), last.strip())).strip()


def _moved(line: str, heading: Heading, level: int) -> str:
    """``line``, the first one of ``heading``, with the heading at ``level``."""
    if heading.end - heading.begin == 1:
        # Nothing that may stand before the marks of a heading has a `#` in it.
        at = line.index("#")
        return f"{line[:at]}{'#' * level}{line[at + heading.level :]}"
    around = _AROUND.match(line)
    return f"{around[0] if around else ''}{heading_line(level, heading.text)}"


@cache
def _in_anchor(character: str) -> str:
    if character == " ":
        return "-"
    category = unicodedata.category(character)
    return character if character == "-" or category[0] in "LM" or category in ("Nd", "Nl", "Pc") else ""


def _link_text(title: str) -> str:
    return _OPEN_BRACKET.sub(r"\1\\\2", inline(title))
