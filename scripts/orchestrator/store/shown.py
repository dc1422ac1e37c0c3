"""What ``master_plan.md`` last showed, and what was last refused of it: kept, so that nothing is parsed twice."""

from __future__ import annotations

import json
from collections.abc import Sequence

from orchestrator.dataclasses import dataclass, field
from orchestrator.errors import Problem
from orchestrator.model import Json
from orchestrator.store.journal import Position
from orchestrator.system import files
from orchestrator.texts.document import Layout


@dataclass(slots=True)
class Shown:
    """The file that was last written (``digest``) at a place of the journal, and the version that was last refused.

    ``refused`` is the digest of that version and ``refused_at`` its time in the file system: who saves a file again
    wants it to be looked at again. ``refused_rev`` is the position at which that was said; None where no event of
    the journal can mend the file.
    """

    digest: str = ""
    rev: int = 0
    position: Position = field(default_factory=Position)
    layout: Layout | None = None
    refused: str = ""
    refused_at: int = 0
    refused_rev: int | None = None
    problems: list[Problem] = field(default_factory=list)


def read_shown(path: str) -> Shown:
    """What is kept at ``path``; nothing known when it cannot be read, and then the file itself is read again."""
    data = files.read_bytes_or_none(path)
    if data is None:
        return Shown()
    try:
        record = json.loads(data)
        return Shown(
            digest=record["digest"],
            rev=record["rev"],
            position=Position(*record["position"]),
            layout=_layout(record["layout"]),
            refused=record["refused"],
            refused_at=record["refused_at"],
            refused_rev=record["refused_rev"],
            problems=problems_from(record["problems"]),
        )
    except (ValueError, KeyError, TypeError, IndexError):
        return Shown()


def write_shown(path: str, shown: Shown) -> None:
    """Keep ``shown`` at ``path``."""
    layout, position = shown.layout, shown.position
    places: list[Json] | None = None
    if layout is not None:
        graph: Json = [*layout.graph] if layout.graph else None
        places = [[*layout.table], layout.progress, layout.log_end, graph, layout.rev]
    record: dict[str, Json] = {
        "digest": shown.digest,
        "rev": shown.rev,
        "position": [position.offset, position.lines, position.chain],
        "layout": places,
        "refused": shown.refused,
        "refused_at": shown.refused_at,
        "refused_rev": shown.refused_rev,
        "problems": problem_records(shown.problems),
    }
    files.write_whole(path, json.dumps(record, ensure_ascii=False), flush=False)


def problem_records(problems: Sequence[Problem]) -> list[Json]:
    """``problems`` as JSON; ``problems_from`` reads them."""
    return [[problem.message, problem.advice, problem.line, problem.task] for problem in problems]


def problems_from(records: list[list[object]]) -> list[Problem]:
    """The problems that ``problem_records`` wrote."""
    return [Problem(*record) for record in records]  # type: ignore[arg-type]  # four fields, written above


def _layout(places: list[object] | None) -> Layout | None:
    if places is None:
        return None
    table, progress, log_end, graph, rev = places
    return Layout(tuple(table), progress, log_end, tuple(graph) if graph else None, rev)  # type: ignore[arg-type]
