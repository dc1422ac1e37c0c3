"""The documents as they are, and what the program says of itself, for the tests that compare the two."""

from __future__ import annotations

import re

import documents
from orchestrator.executors.claude_argv import claude_arguments
from orchestrator.model import Task

REPOSITORY = documents.REPOSITORY
FRONT = "SKILL.md"
REFERENCES = ("workflow.md", "templates.md", "cli-integration.md", "examples.md")
TEXTS = {file.relative_to(REPOSITORY).as_posix(): file.read_text("utf-8") for file in documents.documents()}

DECLARED = documents.declared()
OPTIONS = {name: [option for each in parameters for option in each.names] for name, parameters in DECLARED.items()}

MISSING_FLAGS = ("--context-file", "--no-interactive", "--prompt")
"""Flags of ``claude`` in older notes that do not exist."""
OTHER_FLAGS = ("--add-dir", "--bare", "--dangerously-skip-permissions")
"""Flags that exist, are named, and are not passed."""


def one(text: str) -> dict[str, str]:
    """A document of its own."""
    return {"page.md": text}


def passed_flags() -> set[str]:
    """Every flag that an attempt or a question may pass to ``claude``."""
    task = Task("T-01", "x", "x", model="m", max_turns=1, budget_usd=1.0, result_schema={"type": "object"})
    words = [word for resume in (False, True) for word in claude_arguments(task, session_id="u", resume=resume)]
    asked = (REPOSITORY / "scripts/orchestrator/workers/ask.py").read_text("utf-8")
    return {*(word.partition("=")[0] for word in words), *re.findall(r'"(--[a-z-]+)"', asked)}
