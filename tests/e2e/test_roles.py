"""Roles with the real `claude`: their model, their words and their tools reach it; an audit may not write."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from standin import Rule, Standin, by_turn, say, use

from programs import Program

Start = Callable[[list[Rule]], Standin]

ROLE = """\
---
name: maker
description: Makes files.
tools: Read, Write
model: claude-opus-4-1
---
You make files and nothing else.
"""
PLAN = """\
title: Files
tasks:
  - {id: T-01, name: Make, description: 'Make the first file.', role: maker, success_criteria: [there]}
  - {id: T-02, name: Look, description: 'Look at the second file.', role: maker, worker_type: audit,
     success_criteria: [seen]}
  - {id: T-03, name: Own, description: 'Use a model of its own.', role: maker, model: claude-haiku-4-5,
     success_criteria: [said]}
"""


def test_a_role_gives_its_task_words_model_and_tools(
    standin: Start, orchestrate: Program, project: Path, no_processes_left: Callable[..., None]
) -> None:
    def writing(name: str) -> object:
        return by_turn(use("Write", file_path=str(project / name), content="made\n"), say("Done."))

    api = standin(
        [
            Rule("Make the first file", writing("first.txt")),  # type: ignore[arg-type]
            Rule("Look at the second file", writing("second.txt")),  # type: ignore[arg-type]
            Rule("Use a model of its own", say("Done.")),
        ]
    )
    role = project / ".orchestrator" / "roles" / "maker.md"
    role.parent.mkdir(parents=True)
    role.write_text(ROLE)
    (project / "plan.yaml").write_text(PLAN)
    assert orchestrate("init", "--trust").code == 0
    done = orchestrate("run", timeout_s=120)
    assert done.code == 0, done.stderr
    assert (project / "first.txt").read_text() == "made\n"
    assert not (project / "second.txt").exists(), "an audit changes nothing"
    reasons = {task["id"]: task["reason"] for task in orchestrate("status", "--json").json["tasks"]}
    assert reasons["T-01"] is None
    assert "Write" in str(reasons["T-02"]), "what was denied is told"
    first = api.asked("Make the first file")[0]
    assert "## Your role: maker\n\nYou make files and nothing else." in first.prompt
    assert "You read and answer, and change nothing." in api.asked("Look at the second file")[0].prompt
    assert first.model.startswith("claude-opus-4")
    assert api.asked("Use a model of its own")[0].model.startswith("claude-haiku-4-5"), "the task goes before its role"
