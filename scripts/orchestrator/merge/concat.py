"""One result after the other, in the order of their dependencies, under one outline."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from orchestrator.merge import Gap, document, gap_sections, gap_titles
from orchestrator.merge.labels import with_own_labels
from orchestrator.merge.parts import blank_note, closed_note, problem_notes, said
from orchestrator.render.markdown import inline
from orchestrator.texts.outline import contents, fitted, heading_line, plain_title
from orchestrator.texts.results import Result

_LEVEL: Final = 2
# Headings of results without any of these can have no anchor of the document's own headings, and are not looked at.
_OWN_WORDS: Final = ("agent-", "missing", "skipped")


def concat(title: str, results: Sequence[Result], gaps: Sequence[Gap] = ()) -> str:
    """One document: ``title``, a list of contents, each result under a heading that names its agent and task.

    ``results`` come in the order in which they are to stand. Headings of a result are moved below its own; every other
    line of it stands as it was. Tasks without a result are named at the end.
    """
    titles = [title]
    listed: list[int] = []
    blocks: list[str] = []
    for result in with_own_labels(results):
        own = f"{result.agent} Output: {result.task} {result.name}".strip()
        body = fitted(result.body, _LEVEL)
        listed.append(len(titles))
        titles += [own, *(plain_title(inner) for inner in body.titles if _is_like_own(inner))]
        blocks += [
            heading_line(_LEVEL, inline(own)),
            problem_notes(result),
            *said(result),
            body.text,
            blank_note(result),
            closed_note(body.left_open),
        ]
    for gap_title in gap_titles(gaps):
        listed.append(len(titles))
        titles.append(gap_title)
    if not results:
        blocks.append("There are no results.")
    return document((heading_line(1, inline(title)), contents(titles, listed), *blocks, *gap_sections(gaps)))


def _is_like_own(title: str) -> bool:
    folded = title.lower()
    return any(word in folded for word in _OWN_WORDS)
