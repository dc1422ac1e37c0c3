"""What a document is made of: code spans, fenced blocks, links, headings and tables, each with its line."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from markdown_it import MarkdownIt
from markdown_it.token import Token

Texts = Mapping[str, str]
"""Documents by their path in the repository."""

_PARSER = MarkdownIt("commonmark").enable("table")


@dataclass(frozen=True)
class Piece:
    """A code span, a fenced block, a link or a heading: its text and where it begins. ``info`` is a fence's language,
    a link's target, or a heading's level."""

    document: str
    line: int
    kind: str
    text: str
    info: str = ""

    @property
    def place(self) -> str:
        return f"{self.document}:{self.line}"


@dataclass(frozen=True)
class Table:
    """A Markdown table as plain text: code spans without their backticks."""

    document: str
    line: int
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def pieces(texts: Texts, *kinds: str) -> list[Piece]:
    """The pieces of ``kinds`` (code, fence, link, heading) in every document, in order."""
    return [piece for name, text in texts.items() for piece in _pieces(name, text) if piece.kind in kinds]


def _pieces(name: str, text: str) -> Iterator[Piece]:
    line = 0
    level = ""
    for token in _PARSER.parse(_without_front_matter(text)):
        line = token.map[0] + 1 if token.map else line
        if token.type == "heading_open":
            level = token.tag[1:]
        elif token.type == "heading_close":
            level = ""
        elif token.type == "fence":
            yield Piece(name, line, "fence", token.content, token.info.strip())
        elif token.type == "inline":
            if level:
                yield Piece(name, line, "heading", token.content, level)
            yield from _inline_pieces(name, line, token.children or [])


def _inline_pieces(name: str, line: int, tokens: Sequence[Token]) -> Iterator[Piece]:
    for token in tokens:
        if token.type == "code_inline":
            yield Piece(name, line, "code", token.content)
        elif token.type == "link_open":
            yield Piece(name, line, "link", "", str(token.attrs["href"]))
        elif token.type in ("softbreak", "hardbreak"):
            line += 1


def _without_front_matter(text: str) -> str:
    """``text`` with the lines of its front matter made blank, so that line numbers stay."""
    match = re.match(r"---\n.*?^---\n", text, re.DOTALL | re.MULTILINE)
    return "\n" * match[0].count("\n") + text[match.end() :] if match else text


def tables(texts: Texts) -> list[Table]:
    """Every table outside of fenced blocks."""
    found: list[Table] = []
    for name, text in texts.items():
        rows: list[list[str]] = []
        line = 0
        for token in _PARSER.parse(_without_front_matter(text)):
            if token.type == "table_open":
                rows, line = [], (token.map or [0])[0] + 1
            elif token.type == "tr_open":
                rows.append([])
            elif token.type == "inline" and rows is not None and line:
                rows[-1].append(_plain(token.children or []))
            elif token.type == "table_close":
                found.append(Table(name, line, tuple(rows[0]), tuple(map(tuple, rows[1:]))))
                line = 0
    return found


def _plain(tokens: Sequence[Token]) -> str:
    return "".join(token.content for token in tokens if token.type in ("text", "code_inline")).strip()


def anchor(heading: str) -> str:
    """The anchor of a heading, as GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def anchors(text: str) -> set[str]:
    """The anchors of a document's headings, as GitHub makes them."""
    seen: dict[str, int] = {}
    made = set()
    for piece in _pieces("", text):
        if piece.kind == "heading":
            slug = anchor(piece.text)
            made.add(f"{slug}-{seen[slug]}" if slug in seen else slug)
            seen[slug] = seen.get(slug, 0) + 1
    return made
