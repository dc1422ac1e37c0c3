"""Limits, logins, overload and money with the real `claude`: the run waits, pauses or slows down, and loses nothing."""

from __future__ import annotations

import re
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from standin import Behaviour, Request, Rule, Standin, by_request, by_turn, costing, fail, held, limit, say, use

from programs import Program, wait_for

Start = Callable[[list[Rule]], Standin]
CREDIT = "Your credit balance is too low to access the Anthropic API."


@pytest.fixture
def planned(project: Path, orchestrate: Program) -> Callable[..., None]:
    """`planned(3, "budget_usd: 1")`: makes a run of so many tasks, each of which says `Work 1.` and so on."""

    def plan(tasks: int, *keys: str, fields: str = "") -> None:
        lines = [
            f"  - {{id: T-{n:02d}, name: Task {n}, description: 'Work {n}.', success_criteria: [done]{fields}}}"
            for n in range(1, tasks + 1)
        ]
        (project / "plan.yaml").write_text("\n".join(["title: Limits", *keys, "tasks:", *lines, ""]))
        made = orchestrate("init")
        assert made.code == 0, made.stderr

    return plan


@pytest.fixture
def status(orchestrate: Program) -> Callable[[], dict[str, Any]]:
    """What `status` says of the run, with its tasks by their ids."""

    def look() -> dict[str, Any]:
        said = orchestrate("status", "--json").json
        return {**said["run"], "tasks": {task["id"]: task for task in said["tasks"]}}

    return look


@pytest.mark.usefixtures("subscription")
def test_a_usage_limit_holds_all_tasks_survives_a_restart_and_goes_on_in_the_same_session(
    standin: Start,
    planned: Callable[..., None],
    orchestrate: Program,
    project: Path,
    status: Callable[[], dict[str, Any]],
) -> None:
    resets_at = 0.0

    def refuse(_: Request) -> Behaviour:
        nonlocal resets_at
        resets_at = resets_at or float(int(time.time()) + 15)
        return limit(resets_at)

    (project / "notes.md").write_text("READ-BEFORE-THE-LIMIT")
    reading = use("Read", file_path=str(project / "notes.md"))
    api = standin([Rule(r"Work 1\.", by_request(reading, refuse, say("One."))), Rule(r"Work 2\.", say("Two."))])
    planned(2)
    first = orchestrate.start("run", "--jobs", "1")
    wait_for(lambda: first.process.poll() is not None or status()["state"] == "paused")
    shown = re.compile(r"Paused until (\d\d\d\d-\d\d-\d\d )?\d\d:\d\d: session limit")
    said = status()
    assert shown.fullmatch(said["reason"]) and said["paused_until"], first.stderr
    assert shown.search((project / ".orchestrator/master_plan.md").read_text())
    assert [task["status"] for task in said["tasks"].values()] == ["pending", "pending"]
    first.send(signal.SIGKILL)
    first.wait()
    assert status()["state"] == "paused"
    second = orchestrate("run", "--jobs", "1", timeout_s=90)
    assert second.code == 0, second.stderr
    asked = api.asked(r"Work 1\.")
    assert len({request.session for request in asked}) == 1
    assert "READ-BEFORE-THE-LIMIT" in asked[-1].text
    later = [asked[-1], *api.asked(r"Work 2\.")]
    wall_clock = time.time() - time.monotonic()
    assert all(request.arrived_s + wall_clock >= resets_at - 0.5 for request in later)
    assert [task["retries"] for task in status()["tasks"].values()] == [0, 0]


@pytest.mark.parametrize(
    ("refusal", "says"),
    [(fail(401), "the API refuses the login"), (fail(400, CREDIT), "Credit balance is too low")],
    ids=["login", "credit"],
)
def test_what_a_person_must_see_to_pauses_the_run_at_once_with_one_message(
    refusal: Behaviour,
    says: str,
    standin: Start,
    planned: Callable[..., None],
    orchestrate: Program,
    project: Path,
    status: Callable[[], dict[str, Any]],
    no_processes_left: Callable[..., None],
) -> None:
    """With the CLI's own ten retries, which take three minutes after a refused login."""
    is_mended = False
    api = standin([Rule("Work", lambda _: say("Done.") if is_mended else refusal)])
    planned(4, fields=", max_retries: 0")
    ran = orchestrate("run", "--jobs", "3", timeout_s=60)
    assert ran.code == 4, ran.stderr
    assert ran.stderr.count(f"Paused: {says}") == 1, ran.stderr
    assert (ran.stdout + ran.stderr).count(says) <= 2, ran.stderr
    no_processes_left()
    said = status()
    assert said["state"] == "paused" and says in said["reason"]
    assert {task["status"] for task in said["tasks"].values()} == {"pending"}
    assert not api.asked(r"Work 4\.")
    assert says in (project / ".orchestrator/master_plan.md").read_text()
    is_mended = True
    assert orchestrate("run", timeout_s=60).code == 0
    assert {task["retries"] for task in status()["tasks"].values()} == {0}


def test_an_overloaded_api_is_asked_by_fewer_workers_for_a_while(
    standin: Start,
    planned: Callable[..., None],
    orchestrate: Program,
    claude_env: dict[str, str],
    status: Callable[[], dict[str, Any]],
) -> None:
    claude_env["CLAUDE_CODE_MAX_RETRIES"] = "0"
    free = {number: threading.Event() for number in (2, 3, 4)}
    api = standin(
        [
            Rule(r"Work 1\.", by_request(fail(529), say("At the second try."))),
            *(Rule(rf"Work {number}\.", held(say(f"{number}."), event)) for number, event in free.items()),
            Rule("Work", say("The rest.")),
        ]
    )
    planned(6)
    running = orchestrate.start("run", "--jobs", "4")
    # Three of them are under way where four slots have become two: nothing starts before two of the three have ended.
    wait_for(lambda: len(api.asked("Work")) == 4 and status()["tasks"]["T-01"]["status"] == "retrying")
    assert "slowed down until" in status()["reason"]
    freed = 0.0
    for number in free:
        freed = freed if number > 3 else time.monotonic()
        free[number].set()
        wait_for(lambda name=f"T-0{number}": status()["tasks"][name]["status"] == "completed")
    done = running.wait(90)
    assert done.code == 0, done.stderr
    assert status()["tasks"]["T-01"]["retries"] == 1
    again = api.asked(r"Work 1\.")
    assert again[1].arrived_s - again[0].arrived_s >= 4
    assert all(api.asked(rf"Work {number}\.")[0].arrived_s > freed for number in (5, 6))


def test_a_worker_that_tries_again_by_itself_slows_the_run_down_before_it_fails(
    standin: Start,
    planned: Callable[..., None],
    orchestrate: Program,
    project: Path,
    status: Callable[[], dict[str, Any]],
) -> None:
    """The CLI's own ten retries take minutes; the others need not wait for their end."""
    busy = fail(500)
    standin([Rule("Work", by_request(busy, busy, busy, busy, say("In the end.")))])
    planned(1)
    running = orchestrate.start("run", "--jobs", "4")
    wait_for(lambda: running.process.poll() is not None or "slowed down until" in (status()["reason"] or ""))
    assert status()["tasks"]["T-01"]["status"] in ("running", "completed")
    done = running.wait(60)
    assert done.code == 0, done.stderr
    assert "HTTP 500" in (project / ".orchestrator/master_plan.md").read_text()
    assert status()["tasks"]["T-01"]["retries"] == 0


def test_a_budget_is_a_cap_whose_overshoot_is_shown_and_a_raised_one_goes_on(
    standin: Start,
    planned: Callable[..., None],
    orchestrate: Program,
    project: Path,
    status: Callable[[], dict[str, Any]],
) -> None:
    (project / "notes.md").write_text("A note.")
    looking = use("Read", file_path=str(project / "notes.md"))
    dear = by_turn(type(looking)(looking.blocks, looking.stop_reason, costing(0.25)), say("Never asked for."))
    api = standin([Rule(r"Work 1\.", dear), Rule("Work", say("Cheap.", usage=costing(0.05)))])
    planned(3, "budget_usd: 0.2", fields=", on_failure: skip")
    ran = orchestrate("run", "--jobs", "1", timeout_s=60)
    assert ran.code == 4, ran.stderr
    said = status()
    assert said["tasks"]["T-01"]["status"] == "skipped" and "budget_usd" in said["tasks"]["T-01"]["reason"]
    assert said["state"] == "paused" and re.search(r"budget used up: \$0\.2\d+ of \$0\.2000 spent", said["reason"])
    assert "over" in said["reason"] and "over)" in (project / ".orchestrator/master_plan.md").read_text()
    assert len(api.asked("Work")) == 1
    plan = project / ".orchestrator/plan.yaml"
    plan.write_text(plan.read_text().replace("budget_usd: 0.2", "budget_usd: 1.0"))
    again = orchestrate("run", timeout_s=60)
    assert again.code == 0, again.stderr
    said = status()
    assert [task["status"] for task in said["tasks"].values()] == ["skipped", "completed", "completed"]
    assert said["cost_usd"] == pytest.approx(0.35, abs=0.05) and said["budget_usd"] == 1.0
    assert all(task["cost_usd"] and task["tokens"] and task["duration_s"] for task in said["tasks"].values())


def test_tasks_that_cost_what_the_others_cost_are_not_stopped_at_the_mean(
    standin: Start,
    planned: Callable[..., None],
    orchestrate: Program,
    status: Callable[[], dict[str, Any]],
) -> None:
    standin([Rule("Work", say("Done.", usage=costing(0.05)))])
    planned(4, "budget_usd: 10")
    ran = orchestrate("run", "--jobs", "1", timeout_s=90)
    assert ran.code == 0, ran.stderr
    assert {task["status"] for task in status()["tasks"].values()} == {"completed"}
