"""The status table of ``master_plan.md``: its nine columns, what its cells say, and what is wrong with its rows.

Line numbers count from 0 as lists do; in problems they count from 1 as editors do.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from orchestrator.dataclasses import dataclass
from orchestrator.errors import Problem
from orchestrator.model import Priority, Status

COLUMNS = ("Task ID", "Task Description", "Agent", "Status", "Priority", "Deps", "Start", "End", "Retries")

STATUS_CELLS: dict[Status, str] = {
    Status.WAITING: "⏸️ Waiting",
    Status.PENDING: "🟡 Pending",
    Status.BLOCKED: "🚫 Blocked",
    Status.RUNNING: "🔵 Running",
    Status.RETRYING: "🔄 Retrying",
    Status.COMPLETED: "✅ Completed",
    Status.FAILED: "❌ Failed",
    Status.SKIPPED: "⏭️ Skipped",
}

Block = tuple[int, int]
"""A half-open range of lines."""

_CELL_END = re.compile(r"(?<!\\)((?:\\\\)*)\|")
_DEPS_NONE = frozenset({"none", "-", ""})
_VARIATION = "\N{VARIATION SELECTOR-16}"
_SHARED_COLUMNS = 5
"""A table with this many of our columns is ours with some of them renamed."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the status table as it was read; ``line`` counts from 0."""

    line: int
    task: str
    name: str
    agent: str
    status: Status
    priority: Priority
    deps: tuple[str, ...]


def table_head() -> list[str]:
    """The two lines that the table begins with."""
    return ["| " + " | ".join(COLUMNS) + " |", "|" + "|".join(" --- " for _ in COLUMNS) + "|"]


def find_table(tables: Sequence[Block], lines: Sequence[str], problems: list[Problem]) -> Block | None:
    """The one of ``tables`` that has our header; what is wrong with it goes to ``problems``."""
    exact = [block for block in tables if _shared(lines[block[0]]) == len(COLUMNS)]
    if len(exact) == 1:
        return exact[0]
    if exact:
        message = f"the status table stands twice, first in line {exact[0][0] + 1}"
        problems.append(Problem(message, "take one of them out, or run `orchestrate repair`", exact[1][0] + 1))
        return None
    renamed = max((block[0] for block in tables), key=lambda line: _shared(lines[line]), default=None)
    header = next((number for number, line in enumerate(lines) if _shared(line) == len(COLUMNS)), None)
    if renamed is not None and _shared(lines[renamed]) >= _SHARED_COLUMNS:
        message = f"the columns of the status table were changed: expected {table_head()[0]}"
        problems.append(
            Problem(message, "give the columns their names and order back, or run `orchestrate repair`", renamed + 1)
        )
    elif header is not None:
        message = f"the line under the header of the status table is not {table_head()[1]}, or something encloses it"
        problems.append(Problem(message, "put it back, or run `orchestrate repair`", header + 2))
    else:
        message = f"the status table is missing: no table has the header {table_head()[0]}"
        problems.append(Problem(message, "put the table back, or run `orchestrate repair`", 1))
    return None


def _shared(line: str) -> int:
    """How many of our columns the header ``line`` has; all of them only when they are the nine in their order."""
    if "|" not in line:
        return 0
    names = [name.casefold() for name in split_cells(line)]
    expected = [name.casefold() for name in COLUMNS]
    return len(COLUMNS) if names == expected else min(len({*names} & {*expected}), len(COLUMNS) - 1)


def read_rows(table: Block, lines: Sequence[str], problems: list[Problem]) -> list[Row]:
    """The rows of ``table``; what is wrong with them goes to ``problems``, and a wrong row is left out."""
    from orchestrator.render.markdown import uncell

    rows: list[Row] = []
    seen: dict[str, int] = {}
    for number in range(table[0] + 2, table[1]):
        cells = split_cells(lines[number])
        if len(cells) != len(COLUMNS):
            problems.append(_ragged(number, len(cells)))
            continue
        task, name, agent, status_cell, priority_cell, deps_cell = (uncell(cell) for cell in cells[:6])
        status, priority = read_status(status_cell), priority_cell.strip().upper()
        found: list[Problem] = []
        if task in seen:
            first = f"the row of {task} stands twice, first in line {seen[task] + 1}"
            found.append(Problem(first, "take one of them out", number + 1, task))
        seen.setdefault(task, number)
        if status is None:
            advice = "write one of " + ", ".join(STATUS_CELLS.values())
            found.append(Problem(f"`{status_cell}` is no status", advice, number + 1, task))
        if priority not in Priority.__members__:
            found.append(Problem(f"`{priority_cell}` is no priority", "write P0, P1, P2 or P3", number + 1, task))
        problems += found
        if status is not None and not found:
            rows.append(Row(number, task, name, agent, status, Priority(priority), read_deps(deps_cell)))
    return rows


def _ragged(number: int, cells: int) -> Problem:
    return Problem(
        f"the row has {cells} cells, expected {len(COLUMNS)}",
        r"write a pipe inside a cell as \| and leave an empty line after the table, or run `orchestrate repair`",
        number + 1,
    )


def split_cells(line: str) -> list[str]:
    """The cells of one table row, still escaped; the pipes at both ends are optional."""
    text = line.strip().removeprefix("|")
    cells: list[str] = []
    start = 0
    for match in _CELL_END.finditer(text):
        cells.append(text[start : match.end() - 1].strip())
        start = match.end()
    if rest := text[start:].strip():
        cells.append(rest)
    return cells


def read_status(text: str) -> Status | None:
    """The status that a cell says: the emoji alone, the word alone, or both, in any case."""
    return _STATUS_OF.get(_spoken(text))


def _spoken(text: str) -> str:
    """``text`` without what people and editors write differently: case, white space, the variation of an emoji."""
    return "".join(text.replace(_VARIATION, "").split()).casefold()


_STATUS_OF = {
    _spoken(form): status for status, cell in STATUS_CELLS.items() for form in (cell, *cell.split(" ", maxsplit=1))
}


def read_deps(text: str) -> tuple[str, ...]:
    """The ids of a Deps cell: `None`, or ids with commas between them."""
    if text.strip().casefold() in _DEPS_NONE:
        return ()
    return tuple(part for part in (item.strip() for item in text.split(",")) if part)
