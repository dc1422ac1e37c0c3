"""Phase 4: the results of all agents as one document.

Three ways to make it: one result after the other (``concat``), by category (``structured``), by a model (``ai``).
All are pure, give the same document for the same results, and drop nothing without saying so.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from orchestrator.dataclasses import dataclass
from orchestrator.render.markdown import inline
from orchestrator.texts.outline import heading_line
from orchestrator.texts.results import source_name


class Strategy(StrEnum):
    """How results become one document."""

    CONCAT = "concat"
    STRUCTURED = "structured"
    AI = "ai"


@dataclass(frozen=True, slots=True)
class Gap:
    """A task without a result. One that was skipped (``is_skipped``) is named too, but nothing is missing."""

    task: str
    name: str
    agent: str
    reason: str = ""
    is_skipped: bool = False

    @property
    def source(self) -> str:
        """Whose result is not there, as plain text: ``Agent-04 [T-04: name]``."""
        return source_name(self.agent, self.task, self.name)


MISSING = "Missing Results"
SKIPPED = "Skipped Tasks"


def gap_titles(gaps: Sequence[Gap]) -> list[str]:
    """The headings of the sections that ``gap_sections`` makes."""
    return [title for title, named in _by_section(gaps) if named]


def gap_sections(gaps: Sequence[Gap]) -> list[str]:
    """The sections that name the tasks without a result and why, as blocks of Markdown; none where none is needed."""
    blocks: list[str] = []
    for title, named in _by_section(gaps):
        if named:
            blocks += [heading_line(2, title), "\n".join(map(_line, named))]
    return blocks


def document(blocks: Sequence[str]) -> str:
    """``blocks`` of Markdown as one text: a blank line between two, a newline at the end, blank blocks left out."""
    return "\n\n".join(block.strip("\n") for block in blocks if block.strip()) + "\n"


def _by_section(gaps: Sequence[Gap]) -> list[tuple[str, list[Gap]]]:
    return [
        (MISSING, [gap for gap in gaps if not gap.is_skipped]),
        (SKIPPED, [gap for gap in gaps if gap.is_skipped]),
    ]


def _line(gap: Gap) -> str:
    reason = gap.reason.strip() or ("no reason was given" if gap.is_skipped else "no result")
    return f"- {inline(gap.source)}: {inline(reason)}"
