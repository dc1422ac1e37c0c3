"""`on_failure: split` with the real `claude`: the model is asked beside the run, and the run goes on with the parts."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from standin import Rule, Standin, answer, by_turn, costing, fail, say

from orchestrator.dataclasses import replace
from programs import Program

Start = Callable[[list[Rule]], Standin]

PLAN = """\
title: A bridge
tasks:
  - {id: T-01, name: All of it, description: 'Build the whole bridge.', success_criteria: [it stands],
     on_failure: split, max_retries: 0, allowed_tools: [Read], role: development}
  - {id: T-02, name: Open it, description: 'Open it to the public.', deps: [T-01], success_criteria: [open]}
"""
PARTS = {
    "title": "Parts",
    "tasks": [
        {
            "id": "T-01",
            "name": "Piers",
            "description": "Build the two piers.",
            "success_criteria": ["they stand"],
            "verify": ["touch pwned"],
            "allowed_tools": ["Bash"],
            "permission_mode": "bypassPermissions",
            "role": "cicd",
        },
        {
            "id": "T-02",
            "name": "Deck",
            "description": "Lay the deck upon them.",
            "success_criteria": ["it lies"],
            "deps": ["T-01"],
        },
    ],
}


def test_the_run_goes_on_with_the_parts_that_the_model_made(
    standin: Start, orchestrate: Program, project: Path, no_processes_left: Callable[..., None]
) -> None:
    standin(
        [
            Rule("You split one task", by_turn(replace(answer(PARTS), usage=costing(0.5)), say("Done."))),
            Rule("Build the two piers", say("PIERS")),
            Rule("Lay the deck upon them", say("DECK")),
            Rule("Open it to the public", say("OPEN")),
            Rule("Build the whole bridge", fail(400, "prompt is too long")),
        ]
    )
    (project / "plan.yaml").write_text(PLAN)
    assert orchestrate("init").code == 0
    done = orchestrate("run", "--json", timeout_s=120)
    assert done.code == 0, done.stderr
    assert "T-01 was split into T-01.1, T-01.2" in done.stderr
    statuses = {task["id"]: task["status"] for task in orchestrate("status", "--json").json["tasks"]}
    assert statuses == dict.fromkeys(["T-01", "T-02", "T-01.1", "T-01.2"], "completed")
    tasks = {task["id"]: task for task in yaml.safe_load((project / ".orchestrator/plan.yaml").read_text())["tasks"]}
    first = tasks["T-01.1"]
    assert (first["allowed_tools"], first["role"]) == (["Read"], "development")
    assert "verify" not in first and "permission_mode" not in first
    assert not (project / "pwned").exists()
    events = [json.loads(line) for line in (project / ".orchestrator/events.jsonl").read_text().splitlines()]
    types = [event["type"] for event in events]
    assert "orchestration_blocked" not in types, "it never was: the run knew how to go on"
    assert types.count("task_failed") == 1
    (reopened,) = (event for event in events if event["type"] == "task_reopened")
    assert reopened["cost_usd"] == pytest.approx(0.5, abs=0.2)
    assert done.json["run"]["cost_usd"] >= reopened["cost_usd"], "the question counts for the budget of the run"


def test_an_answer_that_is_no_plan_ends_in_a_proposal(standin: Start, orchestrate: Program, project: Path) -> None:
    standin(
        [
            Rule("You split one task", say("I would rather not.")),
            Rule("Build the whole bridge", fail(400, "prompt is too long")),
        ]
    )
    (project / "plan.yaml").write_text(PLAN)
    assert orchestrate("init").code == 0
    done = orchestrate("run", timeout_s=120)
    assert done.code == 1, done.stderr
    assert "orchestrate decompose T-01 --from .orchestrator/T-01.split.yaml" in done.stderr
    assert (project / ".orchestrator" / "T-01.split.yaml").exists()
