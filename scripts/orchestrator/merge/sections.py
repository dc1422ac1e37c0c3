"""The sections of a result that has no findings: its text under its own headings."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import Final

from orchestrator.dataclasses import dataclass
from orchestrator.texts.outline import Heading, closed_outline, plain_title
from orchestrator.texts.results import UNCATEGORIZED

_NUMBERING: Final = re.compile(r"(?:[0-9]{1,3}[.)])+[0-9]{0,3}\s+")
_TRAILING: Final = " \t.:;,!?"


@dataclass(frozen=True, slots=True)
class Section:
    """The text under one heading, or before the first one; ``title`` is Markdown on one line."""

    title: str
    text: str


@dataclass(frozen=True, slots=True)
class Sections:
    """A result by its headings. ``heading`` is the one over all of them, where it has no text of its own."""

    sections: tuple[Section, ...]
    heading: str = ""
    left_open: tuple[str, ...] = ()


def sections(body: str) -> Sections:
    """``body`` cut at its outermost headings; at those one below, where a single heading stands over all the rest."""
    lines, found, left_open = closed_outline(body)
    outer = [heading for heading in found if heading.depth == 1 and not heading.is_inner]
    inner = [heading for heading in found if heading.depth == 2 and not heading.is_inner]
    cuts = [*outer, *inner] if len(outer) == 1 and inner else outer
    made: list[Section] = []
    before = _between(lines, 0, cuts[0].begin if cuts else len(lines))
    if before.strip():
        made.append(Section(UNCATEGORIZED, before))
    for place, cut in enumerate(cuts):
        text = _between(lines, cut.end, cuts[place + 1].begin if place + 1 < len(cuts) else len(lines))
        if text.strip() or not _is_over_all(cut, cuts):
            made.append(Section(cut.text, text))
    over_all = cuts[0].text if cuts and _is_over_all(cuts[0], cuts) else ""
    return Sections(tuple(made), "" if any(section.title == over_all for section in made) else over_all, left_open)


def matching_key(text: str) -> str:
    """A text that is equal for titles which mean the same: no case, marks, numbering, emoji or final punctuation."""
    folded = plain_title(unicodedata.normalize("NFKC", text)).casefold()
    start = next((place for place, character in enumerate(folded) if _is_word(character)), 0)
    bare = _NUMBERING.sub("", folded[start:], count=1).rstrip(_TRAILING)
    return " ".join(bare.split()) or folded


def _between(lines: Sequence[str], begin: int, end: int) -> str:
    return "\n".join(lines[begin:end]).strip("\n")


def _is_over_all(cut: Heading, cuts: Sequence[Heading]) -> bool:
    return cut.depth == 1 and any(other.depth == 2 for other in cuts)


def _is_word(character: str) -> bool:
    return unicodedata.category(character)[0] in "LN" or character in ".#+_$@/"
