"""The simulated execution form: what it shows, and that it fits a terminal whatever a task is called."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from syrupy.assertion import SnapshotAssertion

from artefacts import TextFile
from orchestrator.dataclasses import replace
from orchestrator.model import Status
from orchestrator.render.form import AgentForm, agent_box, batch_banner
from orchestrator.render.markdown import printable
from orchestrator.render.wrapping import NARROWEST, columns, wrapped
from specimens import HOSTILE_LINE, HOSTILE_TEXT

DONE = AgentForm(
    agent="Agent-01",
    task="T-01",
    name="Map the code",
    instruction=(
        "Read the sources and list every module with one sentence of what it is there for.\n\n"
        "  - no tests\n  - no documents"
    ),
    steps=(
        "Listed the files",
        "Read the twelve modules from the command line inwards, and noted what each of them imports from elsewhere",
    ),
    output=("Twelve modules", "Four of them talk to the database"),
    saved_to=".orchestrator/results/agent-01-result.md",
    duration_s=7.0,
    status=Status.COMPLETED,
)
STYLE = AgentForm("Agent-02", "T-02", "Review style", "Look at the names.", status=Status.COMPLETED, duration_s=2.1)
SECURITY = AgentForm(
    "Agent-03",
    "T-03",
    "Review security",
    "Look for secrets.",
    steps=("Searched the history",),
    output=("Two keys",),
    saved_to=".orchestrator/results/agent-03-result.md",
    status=Status.FAILED,
    duration_s=40,
    reason="the check `test -s docs/security.md` ended with 1",
)
SPEED = AgentForm("Agent-04", "T-04", "Review speed", "Measure the slowest query.", status=Status.RUNNING)
BATCH = (STYLE, SECURITY, SPEED)

SCRIPTS = st.text(st.sampled_from("ab c-\n\t日本語한글שלוםé🚀✅👍🏽\u200d\u0301⚙\ufe0f\x1b"), max_size=200)


# What a person reads


def test_the_form_of_one_agent(snapshot: SnapshotAssertion) -> None:
    assert f"{batch_banner(1)}\n{agent_box([DONE])}\n" == snapshot(extension_class=TextFile)


def test_the_form_of_one_agent_in_ascii(snapshot: SnapshotAssertion) -> None:
    text = f"{batch_banner(1, is_ascii=True)}\n{agent_box([DONE], is_ascii=True)}\n"
    assert text == snapshot(extension_class=TextFile)
    assert text.isascii()


def test_the_form_of_a_batch(snapshot: SnapshotAssertion) -> None:
    assert f"{batch_banner(2, ['T-01'])}\n{agent_box(BATCH)}\n" == snapshot(extension_class=TextFile)


def test_the_form_of_a_batch_in_ascii(snapshot: SnapshotAssertion) -> None:
    text = f"{batch_banner(2, ['T-01'], is_ascii=True)}\n{agent_box(BATCH, is_ascii=True)}\n"
    assert text == snapshot(extension_class=TextFile)
    assert text.isascii()


def test_the_form_of_hostile_tasks(snapshot: SnapshotAssertion) -> None:
    one = AgentForm(
        "Agent-02", "T-02", HOSTILE_LINE, HOSTILE_TEXT, (HOSTILE_TEXT,), (HOSTILE_TEXT,), HOSTILE_LINE,
        0.04, Status.FAILED, HOSTILE_TEXT,
    )  # fmt: skip
    other = AgentForm("Agent-03", "T-03", "日本語の名前" * 20, "日本語の長い説明。" * 12, status=Status.SKIPPED)
    assert f"{agent_box([one])}\n{agent_box([one, other])}\n" == snapshot(extension_class=TextFile)


# Single facts


def test_a_banner_says_what_the_batch_waited_for() -> None:
    assert batch_banner(1).split("\n")[1] == "🚀 Parallel Execution Batch #1 (no dependencies)"
    assert batch_banner(3, ["T-01", "T-02"]).split("\n")[1] == "🚀 Parallel Execution Batch #3 (after T-01, T-02)"
    assert {len(line) for line in (batch_banner(1).split("\n")[0], batch_banner(1).split("\n")[-1])} == {78}


def test_a_part_that_is_not_given_is_left_out() -> None:
    box = agent_box([AgentForm("Agent-01", "T-01", "Look")])
    assert box.split("\n")[1:-1] == ["│ 🤖 Agent-01 [T-01: Look]"]
    box = agent_box([AgentForm("Agent-01", "T-01", "Look", status=Status.COMPLETED)])
    for heading in ("Instruction", "Execution", "Output", "Saved to", "Duration"):
        assert heading not in box
    assert "│ ✅ Status: Completed" in box.split("\n")


def test_the_agents_of_a_batch_stand_beside_each_other_in_the_title() -> None:
    lines = agent_box([STYLE, SECURITY]).split("\n")
    assert lines[1] == "│ 🤖 Agent-02 [T-02: Review style] ║ Agent-03 [T-03: Review security]"


def test_a_batch_ends_with_one_line_for_each_agent_that_has_a_status() -> None:
    lines = agent_box([STYLE, replace(SECURITY, reason="timeout"), SPEED, AgentForm("Agent-05", "T-05", "Wait")])
    assert lines.split("\n")[-5:-1] == [
        "├" + "─" * 77,
        "│ Agent-02 completed ✅ (2.1s)",
        "│ Agent-03 failed ❌ (40s): timeout",
        "│ Agent-04 running 🔵",
    ]


@pytest.mark.parametrize("status", list(Status))
def test_every_status_has_its_line(status: Status) -> None:
    box = agent_box([AgentForm("Agent-01", "T-01", "Look", status=status)])
    assert re.search(rf"^│ \S+ Status: {status.capitalize()}$", box, re.MULTILINE)
    box = agent_box([AgentForm("Agent-01", "T-01", "Look", status=status)], is_ascii=True)
    assert f"| Status: {status.capitalize()}" in box.split("\n")


# Whatever the text


@given(SCRIPTS, st.integers(min_value=40, max_value=100))
@example("x" * 300, 40)
@example("👩\u200d👩\u200d👧" * 40, 40)
def test_no_line_of_a_box_is_wider_than_asked_or_outside_of_it(text: str, width: int) -> None:
    form = AgentForm("Agent-01", "T-01", text, text, (text,), (text,), text, 1.0, Status.FAILED, text)
    for forms in ([form], [form, STYLE, form]):
        lines = agent_box(forms, width=width).split("\n")
        assert all(columns(line) <= width for line in lines)
        assert all(line[0] in "┌├│└" for line in lines)
        assert (lines[0], lines[-1]) == ("┌" + "─" * (width - 1), "└" + "─" * (width - 1))
        assert not any(re.search("[\x00-\x1f\x7f]", line) for line in lines)


@given(SCRIPTS, st.integers(min_value=NARROWEST, max_value=60))
def test_wrapping_loses_nothing_but_white_space(text: str, width: int) -> None:
    lines = wrapped(text, width)
    assert "".join("".join(lines).split()) == "".join(printable(text).split())
    assert lines == [line.rstrip() for line in lines]
    assert all(columns(line) <= width for line in lines)


def test_wrapping_keeps_line_breaks_and_indentation() -> None:
    assert wrapped("one two three\n  four five six\n\nseven", 10) == [
        "one two", "three", "  four", "  five six", "", "seven",
    ]  # fmt: skip


def test_wrapping_breaks_a_text_without_spaces_where_it_stands() -> None:
    assert wrapped("Name: " + "x" * 20, 16, "- ", "  ") == ["- Name: xxxxxxxx", "  xxxxxxxxxxxx"]
    assert wrapped("日本語の文", 8) == ["日本語の", "文"]


@pytest.mark.parametrize(
    ("text", "expected"), [("abc", 3), ("日本", 4), ("🚀", 2), ("⚙\ufe0f", 2), ("e\u0301", 1), ("שלום", 4), ("", 0)]
)
def test_columns_are_those_of_a_terminal(text: str, expected: int) -> None:
    assert columns(text) == expected
