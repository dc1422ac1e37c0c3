"""`agent_tasks/agent-01.md`: the whole assignment, with an outline that no text of a plan can change."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from syrupy.assertion import SnapshotAssertion

from artefacts import MarkdownFile
from orchestrator.dataclasses import replace
from orchestrator.model import Dependency, DependencyType, Estimate, Objectives, Plan, Priority, Status, Task
from orchestrator.render.agent_file import agent_file, atomicity
from orchestrator.render.handed_over import HandedOver
from specimens import (
    HOSTILE_DEPENDENCIES,
    HOSTILE_LINE,
    HOSTILE_PLAN,
    HOSTILE_TASK,
    PLAIN_DEPENDENCIES,
    PLAIN_PLAN,
    PLAIN_TASK,
)

OUTLINE = [
    "Definition",
    "Instruction",
    "What other tasks hand over",
    "Success criteria",
    "What it may change",
    "Atomicity check",
    "Form of the answer",
    "The run as a whole",
]
SMALL_TASK = Task("T-01", "Look", "Look at it.")
RESULT = ".orchestrator/results/agent-01-result.md"

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=60) | st.sampled_from(
    [
        "# x",
        "```\n",
        "~~~\nx",
        "<!-- x",
        "<script>",
        "- x\n  - y",
        "1. x",
        "[x]: y",
        "***",
        "a\rb",
        "\t# x",
        "> x",
        "| a |\n|---|",
    ]
)


def outline(page: str) -> list[tuple[str, str]]:
    """The headings of a page that are its own: not inside a quote or a list."""
    tokens = MarkdownIt("commonmark").parse(page)
    return [
        (token.tag, tokens[index + 1].content)
        for index, token in enumerate(tokens)
        if token.type == "heading_open" and token.level == 0
    ]


def plain_page(**changes: object) -> str:
    settings: dict[str, object] = {
        "agent": "Agent-03",
        "result_file": ".orchestrator/results/agent-03-result.md",
        "dependencies": PLAIN_DEPENDENCIES,
        "priority": Priority.P1,
        "context_file": ".orchestrator/context/T-03.md",
    }
    return agent_file(PLAIN_PLAN, PLAIN_TASK, **{**settings, **changes})  # type: ignore[arg-type]


def small_page(task: Task = SMALL_TASK, plan: Plan = PLAIN_PLAN, *dependencies: HandedOver) -> str:
    return agent_file(plan, task, agent="Agent-01", result_file=RESULT, dependencies=dependencies)


def test_the_agent_file_of_a_plain_task(snapshot: SnapshotAssertion) -> None:
    assert plain_page() == snapshot(extension_class=MarkdownFile)


def test_the_agent_file_of_a_small_task(snapshot: SnapshotAssertion) -> None:
    assert small_page(plan=Plan("Look around")) == snapshot(extension_class=MarkdownFile)


def test_the_agent_file_of_a_hostile_task(snapshot: SnapshotAssertion) -> None:
    page = agent_file(
        HOSTILE_PLAN, HOSTILE_TASK, agent="Agent-02", result_file=RESULT, dependencies=HOSTILE_DEPENDENCIES
    )
    assert page == snapshot(extension_class=MarkdownFile)
    assert [title for tag, title in outline(page) if tag == "h2"] == OUTLINE
    assert [tag for tag, _ in outline(page)].count("h1") == 1


@given(name=TEXT, texts=st.lists(TEXT, min_size=1, max_size=3), description=TEXT, summary=TEXT)
def test_no_text_changes_the_outline_of_the_page(name: str, texts: list[str], description: str, summary: str) -> None:
    several = tuple(texts)
    plan = Plan(name, description, Objectives(description, several, several), implicit_requirements=several)
    task = replace(
        SMALL_TASK,
        name=name,
        description=description,
        inputs=several,
        outputs=several,
        writes=several,
        success_criteria=several,
        verify=several,
        resources=several,
        allowed_tools=several,
        role=name,
        result_schema={"title": description},
    )
    given_over = HandedOver("T-09", name, "Agent-09", Status.COMPLETED, "r.md", text=description, summary=summary)
    page = small_page(task, plan, given_over, replace(given_over, status=Status.SKIPPED, reason=summary))
    headings = outline(page)
    assert [title for tag, title in headings if tag == "h2"] == OUTLINE
    assert len(headings) == len(OUTLINE) + 1
    # Each section still holds its own kind of block: nothing has spilled into the next one.
    tokens = [token for token in MarkdownIt("commonmark").parse(page) if token.level == 0]
    assert [token.type for token in tokens].count("blockquote_open") == 1
    assert [token.type for token in tokens].count("fence") == 1
    assert "html_block" not in {token.type for token in tokens}


def test_nothing_of_a_text_is_executed_as_a_template() -> None:
    page = small_page(replace(SMALL_TASK, name="{{ 7 * 7 }}", description="{% for x in y %} {{ plan.title }}"))
    assert "# Agent-01: {{ 7 * 7 }}\n" in page
    assert "> {% for x in y %} {{ plan.title }}\n" in page


def test_the_instruction_is_on_the_page_word_for_word() -> None:
    page = small_page(replace(SMALL_TASK, description=HOSTILE_LINE))
    assert f"> {HOSTILE_LINE}\n" in page


def test_the_derived_priority_and_role_are_shown_before_those_of_the_plan() -> None:
    task = replace(SMALL_TASK, priority=Priority.P2, role="docs")
    page = agent_file(PLAIN_PLAN, task, agent="Agent-01", result_file=RESULT, priority=Priority.P0, role="security")
    assert "- **Priority:** P0\n" in page
    assert "- **Role:** security\n" in page
    assert "- **Priority:** P2\n" in small_page(task)


def test_what_is_not_known_is_left_out() -> None:
    page = small_page()
    for label in ("Role", "Priority", "Estimated time", "Permission mode", "Model", "Turns", "Cost"):
        assert f"**{label}:**" not in page
    assert "- **Timeout:** 30m\n" in page


def test_a_result_that_is_not_there_yet_is_announced_with_its_path() -> None:
    waiting = HandedOver("T-05", "Wait", "Agent-05", Status.PENDING, "results/agent-05-result.md")
    page = small_page(SMALL_TASK, PLAIN_PLAN, waiting)
    assert "- **T-05** Wait: will be in `results/agent-05-result.md` when it is complete.\n" in page
    assert "- **Input:** the result of T-05\n" in page


def test_a_skipped_dependency_is_named_as_missing_with_its_reason() -> None:
    skipped = HandedOver("T-04", "Ask", "Agent-04", Status.SKIPPED, "r.md", reason="nobody answered")
    page = small_page(SMALL_TASK, PLAIN_PLAN, skipped)
    assert "- **T-04** Ask: skipped, there is no result (nobody answered).\n" in page
    assert "the result of T-04" not in page


def test_of_a_sequential_dependency_nothing_is_handed_over() -> None:
    first = HandedOver("T-02", "Set up", "Agent-02", Status.COMPLETED, "r.md", DependencyType.SEQUENTIAL, "x", "y")
    page = small_page(SMALL_TASK, PLAIN_PLAN, first)
    assert "- **T-02** Set up: comes first; nothing of it is handed over.\n" in page
    assert "r.md" not in page.replace(RESULT, "")


def test_a_structured_result_is_described_by_its_schema_and_not_by_front_matter() -> None:
    page = small_page(replace(SMALL_TASK, result_schema={"type": "object", "required": ["größe"]}))
    assert '"required": [\n    "größe"\n  ]' in page
    assert "findings:" not in page
    assert "- [ ] The answer fits the JSON Schema below.\n" in page


@pytest.mark.parametrize(
    ("changes", "criterion", "holds", "why"),
    [
        ({}, "Single responsibility", True, "one instruction, one agent, one result"),
        ({"estimate": Estimate(60, 1201)}, "Single responsibility", False, "large for one agent: 20m 1s"),
        ({"estimate_tokens": 20_001}, "Single responsibility", False, "large for one agent: 20,001 tokens"),
        ({"outputs": ("a", "b", "c", "d")}, "Single responsibility", False, "large for one agent: 4 files"),
        ({"estimate": Estimate(60, 1200), "outputs": ("a", "b", "c")}, "Single responsibility", True, None),
        ({"deps": (Dependency("T-08"),)}, "Independently executable", True, None),
        ({}, "Verifiable output", False, "the plan names nothing that could be checked"),
        ({"success_criteria": ("x",)}, "Verifiable output", True, "1 success criterion"),
        ({"outputs": ("x",), "verify": ("a", "b")}, "Verifiable output", True, "1 file to exist, 2 commands to pass"),
        ({"result_schema": {}}, "Verifiable output", True, "a JSON Schema of the answer"),
        ({}, "Safe to retry", True, "started again up to 2 times after a failure"),
        ({"max_retries": 0}, "Safe to retry", True, "but a failure is final"),
        ({"retry_safe": False}, "Safe to retry", False, "never started a second time by itself"),
    ],
)
def test_the_atomicity_check_judges_by_the_plan(
    changes: dict[str, object], criterion: str, holds: bool, why: str | None
) -> None:
    task = replace(SMALL_TASK, **changes)  # type: ignore[arg-type]
    (check,) = (check for check in atomicity(task) if check.criterion == criterion)
    assert check.holds is holds
    assert why is None or check.why == why
    assert f"- [{'x' if holds else ' '}] **{criterion}:** {check.why}\n" in small_page(task)
