"""The tools of a role: how a list of them is written, which exist, and what is granted for it without a person.

In a role file, as in an agent of Claude Code, ``Edit`` says that there is such a tool; as a permission it would allow
editing everywhere on the machine. So what is granted for a bare file tool ends at the project. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from orchestrator.errors import Problem, Severity
from orchestrator.wording import excerpt, nearest

EVERY_TOOL = "*"

READING = frozenset(
    {
        "Glob",
        "Grep",
        "LS",
        "LSP",
        "ListMcpResourcesTool",
        "NotebookRead",
        "Read",
        "ReadMcpResourceTool",
        "TodoWrite",
        "WebFetch",
        "WebSearch",
    }
)
"""Tools that change nothing in a project."""

KNOWN = READING | {
    "Agent",
    "AskUserQuestion",
    "Bash",
    "BashOutput",
    "CronCreate",
    "CronDelete",
    "CronList",
    "Edit",
    "EnterPlanMode",
    "EnterWorktree",
    "ExitPlanMode",
    "ExitWorktree",
    "KillBash",
    "KillShell",
    "Monitor",
    "MultiEdit",
    "NotebookEdit",
    "PowerShell",
    "ReportFindings",
    "ScheduleWakeup",
    "SendMessage",
    "Skill",
    "SlashCommand",
    "Task",
    "TaskCreate",
    "TaskGet",
    "TaskList",
    "TaskOutput",
    "TaskStop",
    "TaskUpdate",
    "ToolSearch",
    "Workflow",
    "Write",
}
"""The tools that Claude Code 2.1.197 lists in a session, and those of its versions that role files still name."""

# A path rule holds for Read and Edit only; Edit covers whatever writes files (see executors.claude_argv).
_RULE_NAMES = {"MultiEdit": "Edit", "NotebookEdit": "Edit", "Write": "Edit", "LS": "Read", "NotebookRead": "Read"}
_FILE_TOOLS = frozenset({"Edit", "Glob", "Grep", "Read"})
_PROJECT = "./**"
_RULE = re.compile(r"(?P<name>[A-Za-z][\w-]*|mcp__[\w*-]+)(?:\((?P<of>.*)\))?", re.DOTALL)
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


def tool_names(text: str) -> list[str]:
    """The rules in ``text``, which commas or blanks part where they are not inside of parentheses."""
    names, depth, begin = [], 0, 0
    for at, character in enumerate(text):
        depth += (character == "(") - (character == ")" and depth > 0)
        if depth == 0 and (character == "," or character.isspace()):
            names.append(text[begin:at])
            begin = at + 1
    return [name for each in (*names, text[begin:]) if (name := each.strip())]


def tool_problems(tools: Iterable[str], line: int | None) -> Iterator[Problem]:
    """What is wrong with ``tools``: an error for what is no rule, a warning for a tool that nobody has heard of.

    A warning only, because newer versions have more tools, and the CLI passes over those that it does not have.
    """
    for tool in tools:
        match = _RULE.fullmatch(tool)
        if match is None or _CONTROL.search(tool) or match["of"] == "":
            yield Problem(f"{excerpt(tool)} is no tool", "write Read, Edit or Bash(npm test:*)", line)
        elif match["name"] not in KNOWN and not tool.startswith("mcp__"):
            near = nearest(match["name"], KNOWN)
            advice = f"did you mean {near}?" if near else "see `claude --help` for tools; those of servers are mcp__…"
            yield Problem(f"there is no tool {excerpt(match['name'])}", advice, line, severity=Severity.WARNING)


def granted(tools: Iterable[str]) -> tuple[str, ...]:
    """The permission rules for ``tools``; a file tool without a path is granted for the project.

    ``*``, every tool, grants nothing by itself: nobody is there to be asked, so what may be changed has to be said.
    """
    rules: dict[str, None] = {}
    for tool in tools:
        match = _RULE.fullmatch(tool)
        if match is None or tool == EVERY_TOOL:
            continue
        name = _RULE_NAMES.get(match["name"], match["name"])
        of = match["of"] or (_PROJECT if name in _FILE_TOOLS else None)
        rules[f"{name}({of})" if of else name] = None
    return tuple(rules)


def reading_only(tools: Iterable[str]) -> tuple[str, ...]:
    """Those of ``tools`` that change nothing."""
    return tuple(tool for tool in tools if tool.partition("(")[0] in READING)
