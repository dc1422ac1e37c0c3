"""What a plan of the model may let its agents do while nobody reads it."""

from __future__ import annotations

import pytest

from orchestrator.desk.draftrights import unbounded_rights
from orchestrator.model import Task


@pytest.mark.parametrize(
    "tool",
    [
        *("Bash", "Bash(*)", "Bash(:*)", "PowerShell", "Read, Bash", "*"),
        *("Edit", "Write", "Edit(*)", "Edit(//etc/**)", "Edit(~/.ssh/**)", "Write(./../x)", "Edit(C:/x)"),
        "Edit(..\\x)",
    ],
)
def test_a_tool_without_bounds_is_refused_with_what_to_write_instead(tool: str) -> None:
    (problem,) = unbounded_rights(Task("T-01", "Do it", "Do it.", allowed_tools=(tool,)))
    assert problem.task == "T-01" and "nobody has read this plan" in problem.message and problem.advice


@pytest.mark.parametrize("mode", ["bypassPermissions", "auto"])
def test_a_mode_that_lets_everything_pass_is_refused(mode: str) -> None:
    (problem,) = unbounded_rights(Task("T-01", "Do it", "Do it.", permission_mode=mode))
    assert mode in problem.message


def test_rights_with_bounds_pass() -> None:
    tools = ("Read", "Grep", "WebSearch", "Bash(npm test:*)", "Edit(./src/**)", "Write(docs/a.md)", "Edit(**)")
    for mode in (None, "dontAsk", "default", "plan", "acceptEdits"):
        task = Task("T-01", "Do it", "Do it.", allowed_tools=tools, permission_mode=mode)
        assert not list(unbounded_rights(task))
