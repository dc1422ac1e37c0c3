"""``master_plan.md`` as text that people edit: where its parts are, and how to replace just those.

Located with a Markdown parser, so that a table inside a code fence is not taken for the real one, and
edited by line splice, so that every byte that is not ours stays as it is.
Line numbers in ``Layout`` count from 0 as lists do; in problems they count from 1 as editors do.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from orchestrator.dataclasses import dataclass
from orchestrator.errors import Problem
from orchestrator.store.statustable import COLUMNS, STATUS_CELLS, Block, Row, find_table, read_rows, table_head

__all__ = ["COLUMNS", "STATUS_CELLS", "Layout", "Parts", "Reading", "Row", "read_document", "spliced", "table_head"]

LOG_HEADING = "Execution Log"
GRAPH_HEADING = "Dependency Graph"
GRAPH_LANGUAGE = "mermaid"

_REVISION = re.compile(r"<!-- rev ([0-9]{1,15}) -->")
_CONFLICT = re.compile(r"(<{7}|>{7}|\|{7})(\s|$)")
_NOT_OURS = (">", "#", "-", "|")
"""How lines begin that hold texts of the plan: quotes, headings, lists, rows."""


Heading = tuple[int, int, str]
"""The line, the level and the text of a heading."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Where our parts are: half-open ranges of lines, and the position of the journal that is shown."""

    table: Block
    progress: int
    log_end: int
    graph: Block | None
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


def read_document(text: str) -> Reading:
    """Find the table, the progress line, the graph and the log in ``text``; every fault at once."""
    lines = _lines(text)
    conflicts = [number for number, line in enumerate(lines) if _CONFLICT.match(line)]
    if conflicts:
        return Reading(None, (), tuple(_conflict(number) for number in conflicts))
    tables, fences, headings = _blocks(lines)
    problems: list[Problem] = []
    table = find_table(tables, lines, problems)
    rows = read_rows(table, lines, problems) if table else []
    progress = _progress_line(lines, fences, problems)
    log_end = _log_end(headings, lines, problems)
    if table is None or progress is None or log_end is None or problems:
        return Reading(None, (), tuple(problems))
    layout = Layout(table, progress[0], log_end, _graph(headings, fences, len(lines)), progress[1])
    return Reading(layout, tuple(rows), ())


def spliced(text: str, layout: Layout, parts: Parts) -> tuple[str, Layout]:
    """``text`` with our parts replaced, and where they are now. All other bytes stay."""
    lines = _lines(text)
    ending = "\r" if lines[layout.table[0]].endswith("\r") else ""
    if parts.log and layout.log_end == len(lines) and not lines[-1].endswith(ending):
        lines[-1] += ending  # the last line has no end yet, and gets the one that all others have
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


def _blocks(lines: Sequence[str]) -> tuple[list[Block], list[tuple[Block, str]], list[Heading]]:
    """The tables, the fences with their language, and the headings (line, level, text) of a document."""
    from markdown_it import MarkdownIt

    # A lone carriage return is a line end to the parser and none to an editor. Without a newline at the end
    # markdown-it-py 4.3 reads beyond it (`> 1. <!--` over `> `).
    source = "\n".join(line.removesuffix("\r").replace("\r", " ") for line in (*lines, *([""] * bool(lines[-1]))))
    parser = MarkdownIt("commonmark").enable("table")
    parser.core.ruler.disable("inline")  # where the blocks are is all we ask; what is in them costs as much again
    tokens = parser.parse(source.removeprefix("\ufeff"))
    tables: list[Block] = []
    fences: list[tuple[Block, str]] = []
    headings: list[Heading] = []
    for index, token in enumerate(tokens):
        if token.map is None or token.level != 0:
            continue
        if token.type == "table_open":
            tables.append((token.map[0], token.map[1]))
        elif token.type == "fence":
            fences.append(((token.map[0], token.map[1]), token.info.strip().split(" ")[0]))
        elif token.type == "heading_open":
            headings.append((token.map[0], int(token.tag[1]), tokens[index + 1].content.strip()))
        elif token.type == "code_block" or (token.type == "html_block" and not _REVISION.match(token.content)):
            fences.append(((token.map[0], token.map[1]), ""))
    return tables, fences, headings


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


def _graph(headings: Sequence[Heading], fences: Sequence[tuple[Block, str]], lines: int) -> Block | None:
    """The first drawing under its heading; a drawing that people add elsewhere is theirs."""
    section = _section(headings, GRAPH_HEADING, lines)
    drawings = [block for block, language in fences if language == GRAPH_LANGUAGE]
    return next((block for block in drawings if section and section[0] < block[0] < section[1]), None)


def _section(headings: Sequence[Heading], wanted: str, lines: int) -> Block | None:
    """From the heading ``wanted`` to the next one that is not below it."""
    for index, (start, level, title) in enumerate(headings):
        if title.casefold() == wanted.casefold():
            return start, next((line for line, other, _ in headings[index + 1 :] if other <= level), lines)
    return None


def _log_end(headings: Sequence[Heading], lines: Sequence[str], problems: list[Problem]) -> int | None:
    section = _section(headings, LOG_HEADING, len(lines))
    if section is None:
        advice = "put it back, or run `orchestrate repair`"
        problems.append(Problem(f"the heading `## {LOG_HEADING}` is missing", advice, line=1))
        return None
    start, end = section
    while end > start + 1 and not lines[end - 1].strip():
        end -= 1
    return end
