"""The Do / Don't tables of workflow.md: each warning that a line quotes is one that a plan really gets."""

from __future__ import annotations

import re

import pytest

from document_pieces import tables
from manual import TEXTS
from orchestrator.plans.spec import checked_plan

TASK = "{{name: {0}, description: x, success_criteria: [x]{1}}}"


def plan(*tasks: str) -> str:
    return "title: x\ntasks:\n" + "".join(f"  - {each}\n" for each in tasks)


def several(count: int, more: str = "") -> list[str]:
    return [TASK.format(f"Task {number}", more) for number in range(count)]


CHAIN = [TASK.format("First", ""), *(TASK.format(f"N{n}", f", deps: [T-{n - 1:02}]") for n in range(2, 14))]

SPECIMENS = {
    "fewer than 3": plan(*several(2)),
    "more than 10 are hard": plan(*several(11)),
    "names 2 roles": plan(*several(3, ", role: [docs, review]")),
    "may change the same files": plan(*several(3, ", writes: [a]")),
    "which may run at the same time": plan(*several(2), "{name: C, description: Use T-01, success_criteria: [x]}"),
    "shorter than its estimate": plan(*several(3, ", estimate: 20m, timeout: 5m")),
    "nothing says how": plan(*several(3), "{name: Bare, description: x}"),
    "over 20m": plan(*several(3, ", estimate: 31m")),
    "over 20,000": plan(*several(3, ", estimate_tokens: 20001")),
    "wait for each other": plan(TASK.format("A", ", deps: [T-02]"), TASK.format("B", ", deps: [T-01]")),
    "with more than 10 waiting": plan(*CHAIN),
}
"""By a part of the warning, a plan that gets it."""

QUOTED = re.compile(r'"([^"]+)"')


def rows() -> list[tuple[str, ...]]:
    heads = {("do", "what enforces it"), ("don't", "what enforces it")}
    return [row for table in tables({"workflow.md": TEXTS["workflow.md"]}) if table.head in heads for row in table.rows]


def test_every_line_names_its_warning_or_says_that_there_is_none() -> None:
    assert len(rows()) == 14
    for does, enforced in rows():
        words = ("nothing", "told by", "retried", "refused", "`run` and `feed` do", "not judged")
        assert QUOTED.search(enforced) or any(word in enforced for word in words), does


def test_every_warning_that_is_quoted_is_given() -> None:
    quoted = {text for row in rows() for text in QUOTED.findall(row[1])}
    assert len(quoted) == len(SPECIMENS)
    for text in quoted:
        (specimen,) = (plan for part, plan in SPECIMENS.items() if part in text)
        messages = [problem.message for problem in checked_plan(specimen.encode()).problems]
        assert any(text in message for message in messages), (text, messages)


@pytest.mark.parametrize("part", SPECIMENS)
def test_every_specimen_stands_for_a_line(part: str) -> None:
    assert any(part in text for row in rows() for text in QUOTED.findall(row[1]))
