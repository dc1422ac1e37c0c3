"""Handoffs: written the moment a task becomes ready for its role, printed, and listed as the inbox of a role."""

from __future__ import annotations

import json
from typing import Any

import pytest

from runfolders import RunFolder, task


def handoffs(run: RunFolder) -> dict[str, dict[str, Any]]:
    """What lies in the folder, by file name."""
    return {file.name: json.loads(file.read_text("utf-8")) for file in sorted((run.folder / "handoffs").glob("*"))}


@pytest.fixture
def planned(run: RunFolder) -> RunFolder:
    """Two designs, of which the second needs no result, then the build and its audit, and a task without a role."""
    run.init(
        task("T-01", role="docs", priority="P0"),
        task("T-02"),
        task("T-03", deps=["T-01", {"task": "T-02", "type": "sequential"}], role="development"),
        task("T-04", deps=["T-03"], role="security", worker_type="audit", approval=True),
        title="Log in.",
        objectives={"primary": "Users can log in\nwith a password"},
    )
    return run


def test_what_is_ready_at_the_start_is_handed_over_at_once(planned: RunFolder) -> None:
    assert handoffs(planned).keys() == {"to-docs-T-01.json"}
    given = handoffs(planned)["to-docs-T-01.json"]
    assert given == json.loads(planned.prepare("handoff", "T-01"))
    assert given == json.loads(planned.prepare("handoff", "t-01", "--json"))
    id = planned.status()["run"]["id"]
    assert given.pop("created_at")[:2] == "20"
    assert given == {
        "handoff_id": f"{id}.T-01",
        "from": "orchestrator",
        "to": "docs",
        "task": "T-01",
        "orchestration": id,
        "priority": "P0",
        "worker_type": None,
        "context": {
            "orchestration_context": "Log in: Users can log in with a password.",
            "dependencies_completed": [],
            "next_tasks": ["T-03"],
            "related_tasks": ["T-02"],
        },
    }


def test_a_task_is_handed_over_when_its_dependencies_are_complete(planned: RunFolder) -> None:
    planned.complete("T-01")
    assert "to-development-T-03.json" not in handoffs(planned)
    planned.complete("T-02")
    given = handoffs(planned)["to-development-T-03.json"]
    assert given["context"]["dependencies_completed"] == [
        {"task": "T-01", "result": ".orchestrator/results/agent-01-result.md"},
        {"task": "T-02", "result": None},
    ]
    assert given["created_at"] == planned.entry("T-02")["end"]


def test_one_that_waits_for_a_person_is_handed_over_once_that_has_agreed(planned: RunFolder) -> None:
    planned.complete("T-01", "T-02", "T-03")
    assert "to-security-T-04.json" not in handoffs(planned)
    planned.prepare("approve", "T-04")
    assert handoffs(planned)["to-security-T-04.json"]["worker_type"] == "audit"


def test_a_run_hands_over_what_it_starts_and_the_fallback_goes_to_its_own_role(run: RunFolder) -> None:
    fallback = {"role": "docs"}
    run.init(
        task("T-01"),
        task("T-02", deps=["T-01"], role="security", on_failure="fallback", fallback=fallback, max_retries=0),
    )
    run("run", "--command", "sh -c 'grep -q \"Your role: security\" && exit 1; echo fine'")
    assert handoffs(run).keys() == {"to-security-T-02.json", "to-docs-T-02.json"}
    assert handoffs(run)["to-docs-T-02.json"]["context"]["dependencies_completed"][0]["task"] == "T-01"


def test_a_single_attempt_that_a_feed_gave_out_hands_over_too(run: RunFolder) -> None:
    run.init(task("T-01"), task("T-02", deps=["T-01"], role="review"))
    run("exec", "T-01", "--executor", "rehearse", "--scale", "0")
    assert handoffs(run).keys() == {"to-review-T-02.json"}


def test_the_inbox_of_a_role_has_what_is_ready_most_urgent_first(planned: RunFolder) -> None:
    planned.prepare("add", "Second text", "--role", "docs", "--priority", "P2")
    listed = json.loads(planned.prepare("handoff", "--to", "Docs", "--json"))
    assert [each["task"] for each in listed["handoffs"]] == ["T-01", "T-05"]
    assert listed["handoffs"][0] == handoffs(planned)["to-docs-T-01.json"]
    assert planned.prepare("handoff", "--to", "docs").splitlines()[0] == "T-01 (P0, pending): Do T-01"
    planned.prepare("start", "T-01")
    assert [each["task"] for each in json.loads(planned.prepare("handoff", "--to", "docs", "--json"))["handoffs"]] == [
        "T-05"
    ]
    assert planned.prepare("handoff", "--to", "security") == "Nothing is ready for security.\n"


def test_a_task_without_a_role_has_a_handoff_to_nobody_and_no_file(planned: RunFolder) -> None:
    assert json.loads(planned.prepare("handoff", "T-02"))["to"] is None
    assert handoffs(planned).keys() == {"to-docs-T-01.json"}


def test_a_folder_that_cannot_be_written_holds_nothing_up(planned: RunFolder) -> None:
    for file in (planned.folder / "handoffs").iterdir():
        file.unlink()
    (planned.folder / "handoffs").rmdir()
    (planned.folder / "handoffs").write_text("in the way")
    planned.complete("T-01", "T-02")
    assert planned.statuses()["T-03"] == "pending"


@pytest.mark.parametrize("words", [[], ["T-01", "--to", "docs"], ["T-77"]])
def test_wrong_words_are_refused(planned: RunFolder, words: list[str]) -> None:
    assert "try:" in planned("handoff", *words, code=2).stderr
