from __future__ import annotations

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from dags import task
from orchestrator.dataclasses import replace
from orchestrator.model import Priority, Status
from orchestrator.render.markdown import cell
from orchestrator.render.master_plan import graph_lines, new_document, parts
from orchestrator.store.statustable import (
    COLUMNS,
    STATUS_CELLS,
    read_deps,
    read_rows,
    read_status,
    split_cells,
    table_head,
)
from orchestrator.texts.document import Layout, Parts, Reading, read_document, spliced
from runs import Run, run_of

ENTRY = "### [2026-11-21 08:00:00] Note\n- something happened"


def a_run() -> Run:
    return run_of(task("T-01"), task("T-02", ["T-01"]), task("T-03", ["T-01"], name="a|b `c` <d>"))


def a_document() -> str:
    return new_document(a_run().state, ["### [2026-11-21 07:00:00] Initialization\n- Created 3 tasks"])


def layout_of(text: str) -> Layout:
    reading = read_document(text)
    assert reading.layout is not None, reading.problems
    return reading.layout


def later_parts(log: tuple[str, ...] = (ENTRY,), *, is_redrawn: bool = True) -> Parts:
    """What is to stand in the file after something happened."""
    run = a_run()
    run.complete("T-01")
    *drawing, fence = graph_lines(run.state)
    return parts(run.state, log, [*drawing, "%% drawn anew", fence] if is_redrawn else None)


def problems_of(text: str) -> list[tuple[int | None, str]]:
    reading = read_document(text)
    assert reading.layout is None
    return [(problem.line, problem.message) for problem in reading.problems]


def line_of(text: str, beginning: str) -> int:
    """The number, from 1, of the first line that begins so."""
    return next(number for number, line in enumerate(text.split("\n"), 1) if line.startswith(beginning))


class TestReading:
    def test_a_new_document_reads_back(self) -> None:
        reading = read_document(a_document())
        assert reading.problems == ()
        assert [row.task for row in reading.rows] == ["T-01", "T-02", "T-03"]
        assert reading.rows[2].name == "a|b `c` <d>"
        assert (reading.rows[1].status, reading.rows[1].deps) == (Status.WAITING, ("T-01",))
        assert reading.rows[1].priority is Priority.P0

    def test_the_position_that_is_shown_is_read_from_the_progress_line(self) -> None:
        assert layout_of(a_document().replace("<!-- rev 2 -->", "<!-- rev 417 -->")).rev == 417

    def test_a_table_in_a_fence_a_quote_or_a_comment_is_not_the_real_one(self) -> None:
        table = "\n".join([*table_head(), "| X |"])
        quoted = "\n".join(f"> {line}" for line in table.split("\n"))
        prose = f"```\n{table}\n```\n\n{quoted}\n\n<!--\n{table}\n-->\n\n"
        assert [row.task for row in read_document(prose + a_document()).rows] == ["T-01", "T-02", "T-03"]

    def test_a_table_of_somebody_else_may_stand_beside_it(self) -> None:
        other = "| Task ID | Who | Until when |\n| --- | --- | --- |\n| T-01 | Ann | Monday |\n\n"
        assert len(read_document(other + a_document()).rows) == 3

    def test_a_drawing_elsewhere_is_not_ours(self) -> None:
        own = "```mermaid\npie\n```\n\n"
        layout = layout_of(own + a_document())
        assert layout.graph is not None
        assert layout.graph[0] > line_of(own + a_document(), "## Dependency Graph")

    def test_a_document_without_a_drawing_is_fine(self) -> None:
        text = a_document()
        start, end = text.index("```mermaid"), text.index("## Task Status")
        assert layout_of(text[:start] + text[end:]).graph is None

    def test_columns_may_be_padded_and_the_delimiter_aligned(self) -> None:
        text = a_document().replace(table_head()[1], "|:---|---:|:-:|-|-|-|-|-|-|").replace("| T-01 |", "|   T-01    |")
        assert read_document(text).rows[0].task == "T-01"

    def test_the_pipes_at_both_ends_may_be_missing(self) -> None:
        row = next(line for line in a_document().split("\n") if line.startswith("| T-01"))
        assert len(read_document(a_document().replace(row, row.strip("| "))).rows) == 3


class TestFaults:
    def test_a_missing_table_is_named(self) -> None:
        text = "\n".join(line for line in a_document().split("\n") if not line.startswith("|"))
        [(line, message)] = problems_of(text)
        assert (line, message.partition(":")[0]) == (1, "the status table is missing")

    @pytest.mark.parametrize("column", COLUMNS)
    def test_a_renamed_column_is_named_with_its_line(self, column: str) -> None:
        text = a_document().replace(f"| {column} |", "| Something |", 1)
        [(line, message)] = problems_of(text)
        assert line == line_of(text, "| ")
        assert message.startswith("the columns of the status table were changed")

    def test_columns_in_another_order_are_named(self) -> None:
        text = a_document().replace("| Start | End |", "| End | Start |")
        assert problems_of(text)[0][1].startswith("the columns of the status table were changed")

    def test_a_column_that_is_gone_is_named(self) -> None:
        text = "\n".join(
            line.rsplit("|", 2)[0] + "|" if line.startswith("|") else line for line in a_document().split("\n")
        )
        assert problems_of(text)[0][1].startswith("the columns of the status table were changed")

    def test_a_broken_line_under_the_header_is_named(self) -> None:
        text = a_document().replace(table_head()[1], "| --- |")
        assert problems_of(text)[0][0] == line_of(text, "| --- |")

    def test_two_status_tables_are_named(self) -> None:
        text = a_document()
        copy = "\n".join(line for line in text.split("\n") if line.startswith("|"))
        [(line, message)] = problems_of(f"{copy}\n\n{text}")
        assert message == "the status table stands twice, first in line 1"
        assert line is not None
        assert line > 1

    @pytest.mark.parametrize("marker", ["<<<<<<< HEAD", ">>>>>>> theirs", "||||||| base", "<<<<<<<", "<<<<<<< HEAD\r"])
    def test_a_conflict_marker_is_named_with_its_line(self, marker: str) -> None:
        text = a_document().replace("| T-02 |", f"{marker}\n| T-02 |", 1)
        assert (line_of(text, marker), "a merge conflict marker stands in the file") in problems_of(text)

    def test_ragged_rows_are_named_each_with_its_line(self) -> None:
        text = a_document().replace("| T-01 | Do T-01 |", "| T-01 |", 1).replace("| T-02 |", "| T-02 | more |", 1)
        assert problems_of(text) == [
            (line_of(text, "| T-01"), "the row has 8 cells, expected 9"),
            (line_of(text, "| T-02"), "the row has 10 cells, expected 9"),
        ]

    def test_a_line_right_under_the_table_is_a_row_and_named(self) -> None:
        text = a_document().replace("\n\n## Execution Log", "\nand so on\n\n## Execution Log")
        [(line, message)] = problems_of(text)
        assert (line, message) == (line_of(text, "and so on"), "the row has 1 cells, expected 9")

    @pytest.mark.parametrize(
        ("old", "new", "message"),
        [
            ("🟡 Pending", "🟢 Ready", "`🟢 Ready` is no status"),
            ("| P0 |", "| P7 |", "`P7` is no priority"),
            ("| T-02 |", "| T-01 |", "the row of T-01 stands twice, first in line "),
        ],
    )
    def test_a_cell_that_says_nothing_is_named(self, old: str, new: str, message: str) -> None:
        assert problems_of(a_document().replace(old, new, 1))[0][1].startswith(message)

    @pytest.mark.parametrize("gone", ["<!-- rev 2 -->", "## Execution Log"])
    def test_a_part_that_is_gone_is_named(self, gone: str) -> None:
        assert "missing" in problems_of(a_document().replace(gone, "", 1))[0][1]

    def test_two_progress_lines_are_named(self) -> None:
        line = next(line for line in a_document().split("\n") if "<!-- rev" in line)
        [(number, message)] = problems_of(f"{line}\n\n{a_document()}")
        assert message == "the progress line stands twice, first in line 1"
        assert number is not None
        assert number > 1

    def test_every_fault_is_named_at_once(self) -> None:
        text = (
            a_document().replace("<!-- rev 2 -->", "").replace("## Execution Log", "## Diary").replace("Pending", "?")
        )
        assert len(problems_of(text)) == 3

    @pytest.mark.parametrize("share", [0.0, 0.2, 0.4, 0.6, 0.8])
    def test_half_a_file_is_never_taken_for_a_whole_one(self, share: float) -> None:
        text = a_document()
        half = text[: int(len(text[: text.index("## Execution Log")]) * share)]
        assert read_document(half).layout is None

    @pytest.mark.parametrize("end", ["> 1. <!--\n> ", "> 1. <!--\n> \r", "- ```"])
    def test_an_end_without_a_newline_is_read(self, end: str) -> None:
        assert read_document(end).layout is None
        assert read_document(f"{a_document()}{end}").layout is not None


class TestCells:
    @pytest.mark.parametrize("status", Status)
    def test_a_status_is_read_as_emoji_as_word_as_both_and_in_any_case(self, status: Status) -> None:
        text = STATUS_CELLS[status]
        emoji, word = text.split(" ")
        plain = emoji.replace("\N{VARIATION SELECTOR-16}", "")
        for written in (text, emoji, plain, word, word.upper(), word.lower(), f" {emoji}  {word} ", f"{plain}{word}"):
            assert read_status(written) is status, written

    @pytest.mark.parametrize("text", ["", "✅ Pending", "done", "Completed!", "🟢"])
    def test_anything_else_is_no_status(self, text: str) -> None:
        assert read_status(text) is None

    @pytest.mark.parametrize(
        ("text", "deps"),
        [("None", ()), ("none", ()), ("-", ()), ("", ()), ("T-02,T-03", ("T-02", "T-03")), (" T-02 , ", ("T-02",))],
    )
    def test_dependencies_are_none_or_ids_with_commas(self, text: str, deps: tuple[str, ...]) -> None:
        assert read_deps(text) == deps

    @pytest.mark.parametrize(
        ("line", "cells"),
        [
            (r"| a | b\|c |", ["a", r"b\|c"]),
            (r"| a \\| b |", [r"a \\", "b"]),
            ("a | b", ["a", "b"]),
            ("| a |  | c |", ["a", "", "c"]),
            ("| a |\r", ["a"]),
        ],
    )
    def test_a_pipe_ends_a_cell_unless_it_is_escaped(self, line: str, cells: list[str]) -> None:
        assert split_cells(line) == cells

    @given(st.text())
    @example("a|b")
    @example("\\")
    @example("`|`")
    @example("a\r\nb")
    @example("\u2028")
    def test_a_row_of_any_name_reads_back(self, name: str) -> None:
        assume(name)
        line = f"| T-01 | {cell(name)} | Agent-01 | 🟡 Pending | P1 | None | - | - | 0 |"
        assert "\n" not in line
        problems: list[object] = []
        [row] = read_rows((0, 3), [*table_head(), line], problems)
        assert (row.name, row.task, problems) == (name, "T-01", [])


PARAGRAPHS = st.one_of(
    st.text(st.characters(codec="utf-8", exclude_characters="\n\r|"), max_size=40).filter(
        lambda text: not text.lstrip().startswith(("```", "~~~", "<", "#"))
    ),
    st.sampled_from(
        [
            "```\n| Task ID | x |\n| --- | --- |\n```",
            "~~~python\n## Execution Log\n~~~",
            "> quoted <!-- rev 9 -->",
            "- a list\n- of two",
            "| my | table |\n| --- | --- |\n| 1 | 2 |",
            "<!-- a comment\n\n## Execution Log\n-->",
            "Setext\n======",
            "    indented code",
            "## Notes of mine",
            "```mermaid\npie\n```",
            "tab\tand  trailing blanks  ",
            "a lone \r carriage return",
            "one \u2028 line",
        ]
    ),
)
PROSE = st.lists(PARAGRAPHS, max_size=4).map("\n\n".join)


@st.composite
def documents(draw: st.DrawFn) -> str:
    """A document with prose of people in every gap, in the line ends of Unix or Windows, with or without a BOM."""
    text = a_document()
    for heading in ("## Objectives", "## Dependency Graph", "## Task Status", "## Execution Log"):
        text = text.replace(heading, f"{draw(PROSE)}\n\n{heading}", 1)
    text = draw(PROSE) + "\n\n" + text + draw(st.sampled_from(["", "\n\n", "\n\n## After\n\n"])) + draw(PROSE)
    if draw(st.booleans()):
        text = text.replace("\r", "").replace("\n", "\r\n")
    return draw(st.sampled_from(["", "\ufeff"])) + text


def not_ours(text: str, layout: Layout, *, inserted: int = 0) -> list[str]:
    """The lines of ``text`` without our parts, and without the last ``inserted`` lines of the log."""
    ours = {*range(*layout.table), layout.progress, *range(layout.log_end - inserted, layout.log_end)}
    if layout.graph:
        ours |= {*range(*layout.graph)}
    return [line for number, line in enumerate(text.split("\n")) if number not in ours]


@given(documents(), st.lists(st.just(ENTRY), max_size=2), st.booleans())
def test_all_that_is_not_ours_stays_byte_by_byte(text: str, log: list[str], is_redrawn: bool) -> None:
    reading = read_document(text)
    assume(reading.layout is not None)  # prose may well break the document, and then nothing is written
    assert reading.layout is not None
    made = later_parts(tuple(log), is_redrawn=is_redrawn)
    new, layout = spliced(text, reading.layout, made)
    # An entry is an empty line and its own lines; what had no line end at the end of the file gets one.
    inserted = sum(1 + len(entry.split("\n")) for entry in log)
    before, after = not_ours(text, reading.layout), not_ours(new, layout, inserted=inserted)
    if log and after != before:
        assert after == [*before[:-1], before[-1] + "\r" * ("\r\n" in text and not before[-1].endswith("\r")), ""]
    else:
        assert after == before


@given(documents())
def test_what_was_written_is_found_where_it_was_put(text: str) -> None:
    reading = read_document(text)
    assume(reading.layout is not None)
    assert reading.layout is not None
    made = later_parts()
    new, layout = spliced(text, reading.layout, made)
    again = read_document(new)
    assert again == Reading(layout, again.rows, ())
    assert [row.status for row in again.rows] == [Status.COMPLETED, Status.PENDING, Status.PENDING]
    ending = "\r" if "\r\n" in text else ""
    lines = new.split("\n")
    assert lines[slice(*layout.table)] == [line + ending for line in (*table_head(), *made.rows)]
    assert lines[layout.log_end - 2 : layout.log_end] == [line + ending for line in ENTRY.split("\n")]
    assert layout.rev == made.rev


@given(documents())
def test_writing_the_same_again_changes_nothing(text: str) -> None:
    reading = read_document(text)
    assume(reading.layout is not None)
    assert reading.layout is not None
    made = later_parts(())
    once, layout = spliced(text, reading.layout, made)
    assert spliced(once, layout, made) == (once, layout)


def test_most_prose_does_not_break_the_document() -> None:
    """The properties above would prove nothing if they passed over most of their examples."""
    texts: list[bool] = []

    @given(documents())
    def count(text: str) -> None:
        texts.append(read_document(text).layout is not None)

    count()
    assert sum(texts) > 0.5 * len(texts)


def test_the_line_ends_of_the_table_are_those_of_the_file() -> None:
    text = a_document().replace("\n", "\r\n")
    new, _ = spliced(text, layout_of(text), later_parts())
    assert new.count("\n") == new.count("\r\n")


def test_a_file_without_a_last_line_end_gets_one_only_with_a_new_entry() -> None:
    text = a_document().rstrip("\n")
    assert not spliced(text, layout_of(text), later_parts(()))[0].endswith("\n")
    assert spliced(text, layout_of(text), later_parts())[0].endswith("- something happened\n")


def test_the_log_grows_at_its_end_and_before_what_follows_it() -> None:
    text = a_document() + "\n## After\n\nwords\n"
    new, _ = spliced(text, layout_of(text), later_parts())
    assert new.endswith(f"- Created 3 tasks\n\n{ENTRY}\n\n## After\n\nwords\n")


def test_the_drawing_is_left_alone_unless_there_is_a_new_one() -> None:
    text = a_document().replace("flowchart TD", "flowchart LR")
    assert "flowchart LR" in spliced(text, layout_of(text), later_parts(is_redrawn=False))[0]
    assert "flowchart LR" not in spliced(text, layout_of(text), later_parts())[0]


def test_a_row_that_people_gave_other_times_is_shown_as_it_is() -> None:
    reading = read_document(a_document().replace("| - | - | 0 |", "| 09:00:00 | 10:00:00 | 7 |"))
    assert [replace(row, line=0) for row in reading.rows] == [
        replace(row, line=0) for row in read_document(a_document()).rows
    ]
