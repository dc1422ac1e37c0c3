r"""The blocks of a Markdown text that decide about its outline: headings, fences, HTML.

Texts of agents can be of any size, and the Markdown parser takes some 25 µs a line. So a text is first cut where the
parser would be outside of every list, quote and paragraph whatever came before, and only pieces that have something
uncertain in them are parsed. What is certain without it, when no fence and no HTML block is open
(CommonMark 0.31, "Appendix: A parsing strategy"):

- a ``#`` heading or a fence that begins at the margin ends whatever was there,
- so does a line of text at the margin after a blank line, which is a heading when an underline follows,
- a piece without underline, indented or quoted ``#``, other fence and HTML has no heading.

A test holds this against the parser itself. Lines end with ``\n``; ``results.read_result`` sees to that. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache
from typing import TYPE_CHECKING, Final

from orchestrator.dataclasses import dataclass
from orchestrator.texts.frontmatter import FrontMatterError, split

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

_HEADING: Final = re.compile(r"(#{1,6})(?:[ \t]|$)")
# Under one line of text; a single `-` might be a list item, and a `[` in that line might begin a link definition.
_UNDERLINE: Final = re.compile(r"(?:=+|--+)[ \t]*")
_FENCE: Final = re.compile(r"(`{3,})[^`]*|(~{3,}).*", re.DOTALL)
_FENCE_END: Final = re.compile(r" {0,3}(`{3,}|~{3,})[ \t]*")
# Not a heading, list, quote, rule, underline, fence or HTML, whatever follows.
_NO_TEXT: Final = frozenset(" \t#>-*+_=~`<0123456789")
_UNCERTAIN: Final = re.compile(
    r"[ \t>*+\-0-9.)]*<|[ \t>*+\-0-9.)]+(?:#|```|~~~)|[ \t>*+\-0-9.)]*[ \t>](?:=+|-+)[ \t]*$|(?:=+|-+)[ \t]*$"
)

# HTML blocks that end only where they say so and hide what is in them (CommonMark 4.6, kinds 2 to 5).
_HIDING: Final = (
    (re.compile(r" {0,3}<!--"), "-->", "HTML comment"),
    (re.compile(r" {0,3}<\?"), "?>", "processing instruction"),
    (re.compile(r" {0,3}<!\[CDATA\["), "]]>", "CDATA section"),
    (re.compile(r" {0,3}<![A-Za-z]"), ">", "HTML declaration"),
)
# The same for kind 1, whose text is shown as it is or runs.
_RAW: Final = re.compile(r" {0,3}<(script|pre|style|textarea)(?:[\s>]|$)", re.IGNORECASE)
_RAW_END: Final = re.compile(r"</(?:script|pre|style|textarea)>", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Opening:
    """A block that the text ends in without ending it: its first line, what would end it, and its name.

    ``hides``: a reader does not see the text in it.
    """

    line: int
    end: str
    name: str
    hides: bool = False


@dataclass(frozen=True, slots=True)
class Piece:
    """Lines of a text: a heading at the margin (``level``, ``is_underlined``), or ``tokens`` that the parser found."""

    begin: int
    level: int = 0
    is_underlined: bool = False
    tokens: Sequence[Token] = ()


@dataclass(frozen=True, slots=True)
class Blocks:
    """The lines of a text, its pieces in order without those that have no heading and no HTML, and what stays open."""

    lines: Sequence[str]
    pieces: Sequence[Piece]
    opening: Opening | None = None

    def html(self) -> Iterator[tuple[int, str]]:
        """Each HTML block at the margin whose tags count, with its first line; not ``<pre>`` and the like."""
        for piece in self.pieces:
            for token in piece.tokens:
                if token.type == "html_block" and not token.level and token.map and not _RAW.match(token.content):
                    yield piece.begin + token.map[0], token.content

    def texts(self) -> Iterator[tuple[int, str]]:
        """Each paragraph or heading that may have a closing tag in it, with its first line."""
        for piece in self.pieces:
            for token in piece.tokens:
                if token.type == "inline" and token.map and "</" in token.content:
                    yield piece.begin + token.map[0], token.content


def blocks(markdown: str) -> Blocks:
    """The blocks of ``markdown``. Its front matter is in the lines, but in no piece."""
    return _Scan(markdown.split("\n"), _front_matter_length(markdown)).blocks()


class _Scan:
    """One walk over the lines of a text; ``begin`` is where the piece at hand began."""

    def __init__(self, lines: Sequence[str], begin: int) -> None:
        self.lines = lines
        self.begin = begin
        self.pieces: list[Piece] = []
        self.opening: Opening | None = None
        self.is_uncertain = False

    def blocks(self) -> Blocks:
        lines, count = self.lines, len(self.lines)
        at = self.begin
        is_fresh = True
        while at < count:
            line = lines[at]
            first = line[:1]
            if first == "#" and (marks := _HEADING.match(line)):
                if self.is_piece_over(at):
                    self.pieces.append(Piece(at, level=len(marks[1])))
                    self.begin = at + 1
                at, is_fresh = max(at + 1, self.begin), True
            elif first in ("`", "~") and (fence := _FENCE.fullmatch(line)):
                if self.is_piece_over(at):
                    self.begin = self.after_fence(fence[1] or fence[2], at)
                at, is_fresh = self.begin, True
            elif first and first not in _NO_TEXT:
                if is_fresh and not self.is_piece_over(at):
                    at = self.begin
                    continue
                if is_fresh and first != "[" and at + 1 < count and _UNDERLINE.fullmatch(lines[at + 1]):
                    self.pieces.append(Piece(at, level=1 if lines[at + 1][0] == "=" else 2, is_underlined=True))
                    self.begin = at = at + 2
                    continue
                self.is_uncertain = self.is_uncertain or "</" in line
                at, is_fresh = at + 1, False
            else:
                is_blank = not line.strip(" \t")
                self.is_uncertain = self.is_uncertain or (
                    not is_blank and ("</" in line or _UNCERTAIN.match(line) is not None)
                )
                at, is_fresh = at + 1, is_blank
        self.is_piece_over(count)
        return Blocks(lines, self.pieces, self.opening)

    def is_piece_over(self, at: int) -> bool:
        """End the piece before line ``at``. False when a block in it goes on there; then it ends with that block."""
        if not self.is_uncertain:
            self.begin = at
            return True
        begin, end = self.begin, at
        tokens = _parsed(self.lines[begin:end])
        opening = _opening(tokens, self.lines, begin, end)
        if opening is not None and at < len(self.lines):
            end = _end(opening, self.lines, at)
            tokens = _parsed(self.lines[begin:end])
            opening = _opening(tokens, self.lines, begin, end)
        if opening is not None and opening.end:
            self.opening = opening
        self.pieces.append(Piece(begin, tokens=tokens))
        self.begin, self.is_uncertain = end, False
        return end == at

    def after_fence(self, marks: str, at: int) -> int:
        """The line after the fence that begins at line ``at``."""
        opening = Opening(at, marks, "code fence")
        end = _end(opening, self.lines, at + 1)
        if end == len(self.lines) and not (end - at > 1 and _is_end(opening, self.lines[end - 1])):
            self.opening = opening
        return end


def _opening(tokens: Sequence[Token], lines: Sequence[str], begin: int, end: int) -> Opening | None:
    """The block at the margin that is still open after the lines from ``begin`` to ``end``; ``tokens`` are theirs."""
    last = tokens[-1] if tokens else None
    if last is None or last.level or last.map is None or last.type not in ("fence", "html_block"):
        return None
    first = begin + last.map[0]
    if last.type == "fence":
        opening = Opening(first, last.markup, "code fence")
        final = begin + last.map[1] - 1
        return None if final > first and _is_end(opening, lines[final]) else opening
    raw = _RAW.match(last.content)
    if raw:
        name = raw[1].lower()
        return None if _RAW_END.search(last.content) else Opening(first, f"</{name}>", f"<{name}> element")
    for start, mark, name in _HIDING:
        if start.match(last.content):
            return None if mark in last.content else Opening(first, mark, name, hides=True)
    # Kinds 6 and 7 go on to the next blank line, and need nothing to end them.
    return Opening(first, "", "HTML block") if lines[end - 1].strip(" \t") else None


def _end(opening: Opening, lines: Sequence[str], at: int) -> int:
    """The line after the one that ends ``opening``, looked for from line ``at``."""
    for place in range(at, len(lines)):
        if _is_end(opening, lines[place]):
            return place + 1
    return len(lines)


def _is_end(opening: Opening, line: str) -> bool:
    if opening.name == "code fence":
        marks = _FENCE_END.fullmatch(line)
        return marks is not None and marks[1].startswith(opening.end)
    if opening.end.startswith("</"):
        return _RAW_END.search(line) is not None
    return opening.end in line if opening.end else not line.strip(" \t")


@cache
def _parser() -> MarkdownIt:
    """Blocks alone: nothing inside a paragraph matters here, and it takes most of the time."""
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark").disable("inline")


def _parsed(lines: Sequence[str]) -> Sequence[Token]:
    # A carriage return inside a line would be one more line to the parser, and markdown-it-py 4.3 reads beyond the end
    # of a text that has no newline there (`> 1. <!--` over `> `).
    return _parser().parse("\n".join((*lines, "")).replace("\r", " "))


def _front_matter_length(markdown: str) -> int:
    try:
        parts = split(markdown)
    except FrontMatterError:
        return 0
    return markdown.count("\n", 0, len(markdown) - len(parts.rest)) if parts else 0
