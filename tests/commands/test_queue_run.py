from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from deskfolder import QUICK, DeskFolder, wait_for
from programs import Program
from runfolders import task


@pytest.fixture
def desk(project: Path, orchestrate: Program) -> DeskFolder:
    return DeskFolder(project, orchestrate)


def spans(events: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """When each attempt started and ended."""
    started = {each["task"]: each["timestamp"] for each in events if each["type"] == "task_started"}
    ended = {each["task"]: each["timestamp"] for each in events if each["type"] == "task_completed"}
    return [(started[name], ended[name]) for name in started]


def most_at_once(all_spans: list[tuple[str, str]]) -> int:
    moments = sorted([(start, 1) for start, _ in all_spans] + [(end, -1) for _, end in all_spans])
    running = most = 0
    for _, step in moments:
        running += step
        most = max(most, running)
    return most


def test_requests_of_every_kind_are_triaged_routed_planned_run_and_reported(desk: DeskFolder) -> None:
    desk.call.prepare("queue", "add", "Scan repository for security vulnerabilities", "--priority", "p3")
    desk.put("other", request="Fix bug in dashboard/server/index.js line 42", priority="P0", ticket=17)
    desk.put("large", request="Add authentication system with security audit and docs")
    desk.put("direct", request="Refactor API layer, update tests, and deploy", orchestration_required=False)
    (desk.folder / "queue" / "half.json").write_bytes(b"\x00\xff{")
    answer = desk.once()
    assert answer["exit_code"] == 0 and len(answer["requests"]) == 4
    assert {each["status"] for each in answer["requests"]} == {"completed"}

    other, large, direct = (desk.request(id) for id in ("other", "large", "direct"))
    assert (other["assigned_to"], other["orchestration_required"], other["ticket"]) == ("development", False, 17)
    assert (large["assigned_to"], large["orchestration_required"]) == (None, True)
    assert direct["orchestration_required"] is False and direct["assigned_to"]

    by_type = {each["type"]: each for each in desk.events("large")}
    assert by_type["request_triaged"]["decision"] == "complex" and by_type["request_triaged"]["reasons"]
    assert by_type["request_planned"]["source"] == "template" and by_type["request_planned"]["subtasks"] > 2
    assert desk.call.prepare("list", "--json", "--dir", ".orchestrator/runs/other").count('"role": "development"') == 1
    for id in ("other", "large", "direct"):
        assert (desk.folder / "runs" / id / "final_output.md").exists()
        assert (desk.folder / "runs" / id / "report.md").exists()

    assert {path.name for path in (desk.folder / "queue" / "locks").iterdir()} == {"desk.lock", "queue.lock"}
    (kept,) = (desk.folder / "queue" / "refused").iterdir()
    assert kept.read_bytes() == b"\x00\xff{"
    refusal = next(each for each in desk.events("queue") if each["type"] == "request_refused")
    assert refusal["file"] == "half.json" and "not UTF-8" in refusal["reason"]

    runs = json.loads(desk.call.prepare("runs", "--json"))
    assert (runs["total"], runs["completed"], runs["active"]) == (4, 4, 0)
    current = json.loads((desk.folder / "runs" / "current.json").read_text())
    assert current["orchestrations"] == runs["orchestrations"]
    taken = [each["request"] for each in desk.events("queue") if each.get("status") == "running"]
    assert taken[0] == "other" and taken[-1] not in ("other", "large", "direct")


def test_runs_share_write_sets_and_agents(desk: DeskFolder) -> None:
    desk.folder.mkdir()
    (desk.folder / "desk.yaml").write_text("max_runs: 2\nmax_agents: 2\n")
    takes = {"rehearse": {"duration": 0.3}}
    for id in ("one", "two"):
        desk.prepare(id, task("W", writes=["src/**"], **takes), *(task(f"T-{n}", **takes) for n in range(3)))
    assert desk.once("--jobs", "4")["exit_code"] == 0
    events = [*desk.events("one"), *desk.events("two")]
    writing = [span for id in ("one", "two") for span in spans([e for e in desk.events(id) if e.get("task") == "W"])]
    assert most_at_once(writing) == 1
    assert most_at_once(spans(desk.events("one")) + spans(desk.events("two"))) == 2
    assert len({each["orchestration_id"] for each in events}) == 2


def test_a_request_waits_for_an_approval_without_a_place_and_is_taken_again(desk: DeskFolder) -> None:
    desk.prepare("held", task("T-01", approval=True))
    desk.put("free")
    (desk.folder / "desk.yaml").write_text("max_runs: 1\n")
    answer = desk.once(code=4)
    assert answer["waiting"] == ["held"] and desk.status("free") == "completed"
    assert "approval: T-01" in desk.request("held")["reason"]
    desk.call.prepare("approve", "T-01", "--dir", ".orchestrator/runs/held")
    assert desk.once()["exit_code"] == 0
    assert desk.status("held") == "completed" and desk.request("held")["reason"] is None


def test_a_usage_limit_frees_the_place_and_the_request_is_taken_again_when_it_is_over(desk: DeskFolder) -> None:
    desk.prepare("limited", task("T-01", rehearse={"duration": 0, "limits": 1, "limit_s": 6}))
    desk.put("free", priority="P3")
    (desk.folder / "desk.yaml").write_text("max_runs: 1\n")
    watch = desk.watch()
    wait_for(lambda: desk.status("free") == "completed", watch)
    wait_for(lambda: desk.status("limited") == "completed", watch)
    changes = [(each["request"], each["status"]) for each in desk.events("queue") if each["type"] == "request_changed"]
    assert [status for id, status in changes if id == "limited"] == ["running", "pending", "running", "completed"]
    assert changes.index(("limited", "pending")) < changes.index(("free", "running"))
    watch.send(signal.SIGTERM, to_group=False)
    watch.wait()


def test_what_nobody_trusts_blocks_the_request_and_is_named(desk: DeskFolder) -> None:
    desk.prepare("risky", task("T-01", verify=["rm -rf build"]), run={"hooks": {"on_completed": "curl example.org"}})
    assert desk.once(code=1)["exit_code"] == 1
    assert desk.status("risky") == "blocked"
    assert "rm -rf build" in desk.request("risky")["reason"] and "curl example.org" in desk.request("risky")["reason"]
    assert not any(each["type"] == "task_started" for each in desk.events("risky"))


def test_a_failed_task_fails_its_request_until_it_is_retried(desk: DeskFolder) -> None:
    failing = {"duration": 0, "fails": 1}
    desk.prepare("weak", task("T-01", max_retries=0, rehearse=failing), task("T-02", deps=["T-01"]))
    assert desk.once(code=1)["exit_code"] == 1
    assert desk.status("weak") == "blocked" and "T-01 failed" in desk.request("weak")["reason"]
    desk.call.prepare("retry", "T-01", "--dir", ".orchestrator/runs/weak")
    assert desk.once()["exit_code"] == 0 and desk.status("weak") == "completed"


def test_the_budget_of_the_desk_holds_over_all_time(desk: DeskFolder) -> None:
    desk.prepare("first", task("T-01", budget_usd=0.4))
    desk.prepare("second", task("T-01", budget_usd=0.4))
    (desk.folder / "desk.yaml").write_text("budget_usd: 0.3\n")
    assert desk.once(code=4)["waiting"] == ["first", "second"]
    assert "budget of the desk" in desk.request("first")["reason"]
    (desk.folder / "desk.yaml").write_text("budget_usd: 3\n")
    assert desk.once()["exit_code"] == 0


def test_a_desk_with_wrong_settings_does_not_start(desk: DeskFolder) -> None:
    desk.folder.mkdir()
    (desk.folder / "desk.yaml").write_text("max_run: 2\nbudget_usd: lots\n")
    done = desk.call("queue", "run", *QUICK, code=1)
    assert "line 1: error: there is no key" in done.stderr and "did you mean `max_runs`?" in done.stderr
    assert "line 2: error: `budget_usd` must be a number" in done.stderr


WORKER = ("--executor", "command", "--command", "sleep 600")


@pytest.mark.usefixtures("no_processes_left")
def test_a_cancelled_request_ends_its_workers_and_the_desk_goes_on(
    desk: DeskFolder, attempts_alive: Callable[[], list[object]]
) -> None:
    desk.folder.mkdir()
    (desk.folder / "desk.yaml").write_text("max_runs: 1\n")
    desk.prepare("long", task("T-01"))
    watch = desk.watch(*WORKER)
    wait_for(attempts_alive, watch)
    done = desk.call("queue", "cancel", "long", "--reason", "not now", "--json", timeout_s=90)
    assert done.json["ended"] == ["T-01"] and done.json["status"] == "cancelled"
    assert attempts_alive() == []
    state = json.loads(desk.call.prepare("status", "--json", "--dir", ".orchestrator/runs/long"))
    assert state["tasks"][0]["status"] == "pending" and "cancelled" in state["run"]["reason"]
    desk.put("next")
    wait_for(lambda: desk.status("next") == "running", watch)
    wait_for(attempts_alive, watch)
    assert desk.status("long") == "cancelled"
    watch.send(signal.SIGTERM, to_group=False)
    assert watch.wait().code == 130
    assert desk.request("next")["status"] == "pending" and desk.request("next")["reason"] == "interrupted"


@pytest.mark.usefixtures("no_processes_left")
def test_a_killed_desk_harms_no_request_and_the_next_one_takes_up_what_was_left(
    desk: DeskFolder, attempts_alive: Callable[[], list[Any]]
) -> None:
    waits = ("--executor", "command", "--command", "sh -c 'while [ ! -e go ]; do sleep 0.1; done; echo done'")
    for id in ("one", "two"):
        desk.prepare(id, task("T-01"))
    first = desk.watch(*waits)
    wait_for(lambda: len({each.environment["ORCHESTRATE_ATTEMPT"] for each in attempts_alive()}) == 2, first)
    again = desk.call("queue", "run", "--watch", *waits, code=3)
    assert "another queue run is active" in again.stderr
    first.send(signal.SIGKILL, to_group=False)
    first.wait()
    assert {desk.status(id) for id in ("one", "two")} == {"running"}

    # The process that works on `two` dies as well; the one of `one` goes on.
    lock = (desk.folder / "queue" / "locks" / "two.lock").read_text()
    pid = int(next(line for line in lock.splitlines() if line.startswith("pid "))[4:])
    os.kill(pid, signal.SIGKILL)
    second = desk.watch(*waits)
    wait_for(lambda: "two: whoever worked on it is gone" in second.stdout, second)
    wait_for(lambda: sum(each["type"] == "task_started" for each in desk.events("two")) == 2, second)
    (desk.project / "go").write_text("")
    wait_for(lambda: {desk.status(id) for id in ("one", "two")} == {"completed"}, second)
    assert sum(each["type"] == "task_started" for each in desk.events("one")) == 1
    second.send(signal.SIGTERM, to_group=False)
    second.wait()


def test_a_run_directory_deleted_by_hand_is_survived_and_told(desk: DeskFolder) -> None:
    desk.prepare("gone", task("T-01", approval=True))
    desk.put("done")
    desk.once(code=4)
    shutil.rmtree(desk.folder / "runs" / "gone")
    shutil.rmtree(desk.folder / "runs" / "done")
    told = desk.call("runs", "--json")
    assert "the run gone is gone: its folder was removed" in told.stderr and told.json["total"] == 0
    assert "is gone" not in desk.call("runs").stderr
    assert desk.once()["exit_code"] == 0
    assert desk.status("gone") == "completed" and desk.request("gone")["orchestration_id"] != "gone"


@pytest.mark.usefixtures("no_processes_left")
def test_a_run_that_is_deleted_while_it_runs_blocks_its_request_alone(
    desk: DeskFolder, attempts_alive: Callable[[], list[object]]
) -> None:
    desk.prepare("gone", task("T-01"))
    watch = desk.watch("--executor", "command", "--command", "sh -c 'sleep 3; echo done'")
    wait_for(attempts_alive, watch)
    shutil.rmtree(desk.folder / "runs" / "gone")
    wait_for(lambda: desk.status("gone") == "blocked", watch)
    assert "the folder of its run was removed" in desk.request("gone")["reason"]
    desk.put("next")
    wait_for(lambda: desk.status("next") == "completed", watch)
    watch.send(signal.SIGTERM, to_group=False)
    assert watch.wait().code == 130


def test_a_request_cannot_name_the_folder_of_something_else_for_its_run(desk: DeskFolder) -> None:
    kept = desk.folder / "runs" / "archived" / "old"
    kept.mkdir(parents=True)
    (kept / "final_output.md").write_text("kept")
    half = desk.folder / "runs" / "half"
    (half / "results").mkdir(parents=True)
    (half / "plan.yaml").write_text("title: [")
    for id, run in (("sly", "archived"), ("half", "half")):
        desk.put(id, orchestration_id=run)
    assert desk.once()["exit_code"] == 0
    assert (kept / "final_output.md").read_text() == "kept"
    assert (desk.request("sly")["orchestration_id"], desk.request("half")["orchestration_id"]) == ("sly", "half")
