"""The desk with the real `claude`: plans that the model makes, which nobody trusts, and tasks that it does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from standin import Rule, Standin, answer, by_session, by_turn, fail, say

from deskfolder import DeskFolder
from programs import Program

Start = Callable[[list[Rule]], Standin]

QUESTION = "You split a request"
PARTS = ["Measure", "Build", "Open"]


def plan(**fields: object) -> dict[str, object]:
    tasks = [
        {"id": f"T-{n}", "name": name, "description": f"{name} the bridge, all of it.", "success_criteria": ["done"]}
        for n, name in enumerate(PARTS)
    ]
    tasks[1] |= fields
    return {"title": "A bridge", "tasks": tasks}


def giving(made: object) -> Rule:
    return Rule(QUESTION, by_session(by_turn(answer(made), say("Done."))))  # type: ignore[arg-type]


@pytest.fixture
def desk(project: Path, orchestrate: Program) -> DeskFolder:
    return DeskFolder(project, orchestrate)


def test_a_plan_of_the_model_is_run_and_what_it_cost_counts(standin: Start, desk: DeskFolder) -> None:
    standin([giving(plan()), Rule("the bridge", say("Done well."))])
    desk.put("bridge", request="Build a bridge", orchestration_required=True)
    done = desk.call("queue", "run", "--json", timeout_s=180)
    assert done.json["requests"][0]["status"] == "completed", done.stderr
    planned = next(each for each in desk.events("bridge") if each["type"] == "request_planned")
    assert (planned["source"], planned["subtasks"]) == ("model", 3)
    asked = [each for each in desk.events("queue") if each["type"] == "request_asked"]
    assert sum(each["cost_usd"] for each in asked) > 0
    assert (desk.folder / "runs" / "bridge" / "final_output.md").exists()


def test_a_plan_of_the_model_that_would_start_programs_is_blocked(standin: Start, desk: DeskFolder) -> None:
    api = standin([giving(plan(verify=["make deploy"])), Rule("the bridge", say("Done."))])
    desk.put("bridge", request="Build a bridge", orchestration_required=True)
    desk.call("queue", "run", code=1, timeout_s=120)
    assert desk.status("bridge") == "blocked" and "make deploy" in desk.request("bridge")["reason"]
    assert not api.asked("the bridge, all of it")
    desk.call.prepare("trust", "--dir", ".orchestrator/runs/bridge")
    assert not (desk.project / "Makefile").exists()


def test_a_plan_of_the_model_that_grants_rights_without_bounds_is_asked_for_again(
    standin: Start, desk: DeskFolder
) -> None:
    asked = by_turn(answer(plan(permission_mode="bypassPermissions", allowed_tools=["Bash"])), say("Done."))
    api = standin([Rule(QUESTION, by_session(asked)), Rule("the bridge", say("Done."))])
    desk.put("bridge", request="Build a bridge", orchestration_required=True)
    desk.call("queue", "run", code=1, timeout_s=180)
    told = desk.request("bridge")
    assert told["status"] == "failed" and "bypassPermissions" in told["reason"], told
    assert api.asked("nobody has read this plan"), "the model was told why"
    assert not (desk.folder / "runs" / "bridge" / "events.jsonl").exists()


def test_an_empty_account_keeps_the_request_for_later(standin: Start, desk: DeskFolder) -> None:
    standin([Rule(".*", fail(400, "Your credit balance is too low to access the Anthropic API."))])
    desk.put("simple", request="Fix the bug in server.js line 42")
    done = desk.call("queue", "run", "--json", code=4, timeout_s=120)
    assert done.json["waiting"] == ["simple"]
    assert desk.status("simple") == "pending" and "credit" in desk.request("simple")["reason"].casefold()
