"""``master_plan.md`` as text that people edit: where its parts are, and how to replace just those.

Located with a Markdown parser, so that a table inside a code fence is not taken for the real one, and
edited by line splice, so that every byte that is not ours stays as it is.
Line numbers in ``Layout`` count from 0 as lists do; in problems they count from 1 as editors do.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator.errors import Problem
from orchestrator.model import Priority, Status

COLUMNS = ("Task ID", "Task Description", "Agent", "Status", "Priority", "Deps", "Start", "End", "Retries")
LOG_HEADING = "Execution Log"
GRAPH_LANGUAGE = "mermaid"

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

_REVISION = re.compile(r"<!-- rev (\d+) -->")
_CONFLICT = re.compile(r"^(<{7}|>{7}|\|{7})( |$)")
_CELL_END = re.compile(r"(?<!\\)((?:\\\\)*)\|")
_NOT_OURS = (">", "#", "-", "*  ", "|")
_DEPS_NONE = frozenset({"none", "-", ""})
_VARIATION = "\N{VARIATION SELECTOR-16}"


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


@dataclass(frozen=True, slots=True)
class Layout:
    """Where our parts are: half-open ranges of lines, and the position of the journal that is shown."""

    table: tuple[int, int]
    progress: int
    log_end: int
    graph: tuple[int, int] | None
    rev: int


@dataclass(frozen=True, slots=True)
class Reading:
    """What a file says: its layout and rows, or why it cannot be read."""

    layout: Layout | None
    rows: tuple[Row, ...]
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class Parts:
    """What is to stand in the file; ``graph`` None leaves the drawing as it is."""

    rows: Sequence[str]
    progress: str
    log: Sequence[str]
    graph: Sequence[str] | None
    rev: int


def table_head() -> list[str]:
    """The two lines that the table begins with."""
    return ["| " + " | ".join(COLUMNS) + " |", "|" + "|".join(" --- " for _ in COLUMNS) + "|"]


def read_document(text: str) -> Reading:
    """Find the table, the progress line, the graph and the log in ``text``; every fault at once."""
    lines = _lines(text)
    conflicts = [number for number, line in enumerate(lines) if _CONFLICT.match(line)]
    if conflicts:
        return Reading(None, (), tuple(_conflict(number) for number in conflicts))
    tables, fences, headings = _blocks(lines)
    problems: list[Problem] = []
    table = _status_table(tables, lines, problems)
    progress = _progress_line(lines, fences, problems)
    log_end = _log_end(headings, lines, problems)
    if table is None or progress is None or log_end is None:
        return Reading(None, (), tuple(problems))
    rows = _rows(table, lines, problems)
    if problems:
        return Reading(None, (), tuple(problems))
    graph = next((block for block, language in fences if language == GRAPH_LANGUAGE), None)
    layout = Layout(table, progress[0], log_end, graph, progress[1])
    return Reading(layout, tuple(rows), ())


def spliced(text: str, layout: Layout, parts: Parts) -> tuple[str, Layout]:
    """``text`` with our parts replaced, and where they are now. All other bytes stay."""
    lines = _lines(text)
    newline = "\r\n" if lines[layout.table[0]].endswith("\r") else "\n"
    ending = newline[:-1]
    edits: list[tuple[int, int, list[str]]] = [
        (*layout.table, [line + ending for line in (*table_head(), *parts.rows)]),
        (layout.progress, layout.progress + 1, [f"{parts.progress} <!-- rev {parts.rev} -->{ending}"]),
    ]
    if parts.graph is not None and layout.graph is not None:
        edits.append((*layout.graph, [line + ending for line in parts.graph]))
    if parts.log:
        entries = [line + ending for entry in parts.log for line in ("", *entry.split("\n"))]
        edits.append((layout.log_end, layout.log_end, entries))
    edits.sort(key=lambda edit: edit[0])
    moved: list[tuple[int, int]] = []
    offset = 0
    for start, end, replacement in edits:
        lines[start + offset : end + offset] = replacement
        offset += len(replacement) - (end - start)
        moved.append((end, offset))
    if parts.log and lines[-1] and layout.log_end + offset == len(lines):
        lines.append("")

    def place(line: int) -> int:
        return _place(line, moved)

    graph = layout.graph
    return "\n".join(lines), Layout(
        table=(place(layout.table[0]), place(layout.table[1])),
        progress=place(layout.progress),
        log_end=place(layout.log_end),
        graph=(place(graph[0]), place(graph[1])) if graph else None,
        rev=parts.rev,
    )


def _place(line: int, moved: Sequence[tuple[int, int]]) -> int:
    """Where ``line`` of the old text is in the new one."""
    offset = 0
    for end, total in moved:
        if end <= line:
            offset = total
    return line + offset


def _lines(text: str) -> list[str]:
    return text.split("\n")


def _conflict(number: int) -> Problem:
    return Problem(
        "a merge conflict marker stands in the file",
        "resolve the conflict and save, or run `orchestrate repair`",
        line=number + 1,
    )


Block = tuple[int, int]


def _blocks(lines: Sequence[str]) -> tuple[list[Block], list[tuple[Block, str]], list[tuple[int, int, str]]]:
    """The tables, the fences with their language, and the headings (line, level, text) of a document."""
    from markdown_it import MarkdownIt

    # A lone carriage return is a line end to the parser and none to an editor.
    source = "\n".join(line.removesuffix("\r").replace("\r", " ") for line in lines)
    tokens = MarkdownIt("commonmark").enable("table").parse(source.removeprefix("\ufeff"))
    tables: list[Block] = []
    fences: list[tuple[Block, str]] = []
    headings: list[tuple[int, int, str]] = []
    for index, token in enumerate(tokens):
        if token.map is None or token.level != 0:
            continue
        if token.type == "table_open":
            tables.append((token.map[0], token.map[1]))
        elif token.type == "fence":
            fences.append(((token.map[0], token.map[1]), token.info.strip().split(" ")[0]))
        elif token.type == "heading_open":
            headings.append((token.map[0], int(token.tag[1]), tokens[index + 1].content.strip()))
        elif token.type in ("code_block", "html_block"):
            if not (token.type == "html_block" and token.content.startswith("<!-- rev ")):
                fences.append(((token.map[0], token.map[1]), ""))
    return tables, fences, headings


def _status_table(tables: Sequence[Block], lines: Sequence[str], problems: list[Problem]) -> Block | None:
    expected = [name.casefold() for name in COLUMNS]
    candidates: list[tuple[int, Block, list[str]]] = []
    for block in tables:
        names = [name.strip().casefold() for name in split_cells(lines[block[0]])]
        shared = len(set(names) & set(expected))
        if names == expected:
            candidates.append((100, block, names))
        elif shared >= 5:
            candidates.append((shared, block, names))
    if not candidates:
        problems.append(
            Problem(
                "the status table is missing: no table has the header " + table_head()[0],
                "put the table back, or run `orchestrate repair`",
                line=1,
            )
        )
        return None
    best = max(candidates, key=lambda candidate: candidate[0])
    if best[0] != 100:
        problems.append(
            Problem(
                f"the columns of the status table were changed: expected {table_head()[0]}",
                "give the columns their names and order back, or run `orchestrate repair`",
                line=best[1][0] + 1,
            )
        )
        return None
    exact = [candidate for candidate in candidates if candidate[0] == 100]
    if len(exact) > 1:
        problems.append(
            Problem(
                f"the status table stands twice, first in line {exact[0][1][0] + 1}",
                "take one of them out, or run `orchestrate repair`",
                line=exact[1][1][0] + 1,
            )
        )
        return None
    return best[1]


def _progress_line(
    lines: Sequence[str], fences: Sequence[tuple[Block, str]], problems: list[Problem]
) -> tuple[int, int] | None:
    found = [
        (number, int(match.group(1)))
        for number, line in enumerate(lines)
        if (match := _REVISION.search(line))
        and not line.lstrip().startswith(_NOT_OURS)
        and not any(start <= number < end for (start, end), _ in fences)
    ]
    if len(found) == 1:
        return found[0]
    problems.append(
        Problem(
            "the progress line with `<!-- rev N -->` is missing"
            if not found
            else f"the progress line stands twice, first in line {found[0][0] + 1}",
            "put it back as it was, or run `orchestrate repair`",
            line=found[1][0] + 1 if found else 1,
        )
    )
    return None


def _log_end(headings: Sequence[tuple[int, int, str]], lines: Sequence[str], problems: list[Problem]) -> int | None:
    for index, (start, level, title) in enumerate(headings):
        if title.casefold() != LOG_HEADING.casefold():
            continue
        end = next((line for line, other, _ in headings[index + 1 :] if other <= level), len(lines))
        while end > start + 1 and not lines[end - 1].strip():
            end -= 1
        return end
    problems.append(
        Problem(f"the heading `## {LOG_HEADING}` is missing", "put it back, or run `orchestrate repair`", line=1)
    )
    return None


def split_cells(line: str) -> list[str]:
    """The cells of one table row, still escaped; the pipes at both ends are optional."""
    text = line.strip()
    text = text[1:] if text.startswith("|") else text
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
    plain = text.replace(_VARIATION, "").strip().casefold()
    for status, cell in STATUS_CELLS.items():
        emoji, word = cell.replace(_VARIATION, "").casefold().split(" ")
        if plain in (emoji, word, f"{emoji} {word}", f"{emoji}{word}"):
            return status
    return None


def _rows(table: Block, lines: Sequence[str], problems: list[Problem]) -> list[Row]:
    from orchestrator.render.markdown import uncell

    rows: list[Row] = []
    seen: dict[str, int] = {}
    for number in range(table[0] + 2, table[1]):
        cells = split_cells(lines[number])
        if len(cells) != len(COLUMNS):
            problems.append(
                Problem(
                    f"the row has {len(cells)} cells, expected {len(COLUMNS)}",
                    r"write a pipe inside a cell as \| and leave an empty line after the table,"
                    " or run `orchestrate repair`",
                    line=number + 1,
                )
            )
            continue
        task, name, agent, status_cell, priority_cell, deps_cell = (uncell(cell) for cell in cells[:6])
        status, priority = read_status(status_cell), priority_cell.strip().upper()
        if task in seen:
            problems.append(
                Problem(
                    f"the row of {task} stands twice, first in line {seen[task] + 1}",
                    "take one of them out",
                    line=number + 1,
                    task=task,
                )
            )
        seen.setdefault(task, number)
        if status is None:
            problems.append(
                Problem(
                    f"`{status_cell}` is no status",
                    "write one of " + ", ".join(STATUS_CELLS.values()),
                    line=number + 1,
                    task=task,
                )
            )
        if priority not in Priority.__members__:
            problems.append(
                Problem(f"`{priority_cell}` is no priority", "write P0, P1, P2 or P3", line=number + 1, task=task)
            )
        if status is None or priority not in Priority.__members__:
            continue
        rows.append(Row(number, task, name, agent, status, Priority(priority), read_deps(deps_cell)))
    return rows


def read_deps(text: str) -> tuple[str, ...]:
    """The ids of a Deps cell: `None`, or ids with commas between them."""
    if text.strip().casefold() in _DEPS_NONE:
        return ()
    return tuple(part for part in (item.strip() for item in text.split(",")) if part)
