from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from syrupy.assertion import SnapshotAssertion

from artefacts import TextFile
from dags import task
from orchestrator.events import EventType
from orchestrator.model import OnFailure, Priority, Status
from orchestrator.render.status import TEXT_LIMIT, list_lines, next_record, status_record, status_text
from orchestrator.store import moves
from orchestrator.store.change import Failure, Spent, Start
from runs import MORNING, Run, run_of

RUN_KEYS = [
    *("id", "title", "state", "merged", "progress_percent", "current_stage", "stages", "counts", "cost_usd"),
    *("tokens", "budget_usd", "paused_until", "reason"),
]
TASK_KEYS = [
    *("id", "name", "agent", "role", "status", "reason", "priority", "deps", "stage", "start", "end", "retries"),
    *("cost_usd", "tokens", "duration_s"),
]


pytestmark = pytest.mark.usefixtures("utc")


def busy() -> Run:
    """A run in which every status occurs."""
    run = run_of(
        *(task(f"T-{n}", name=f"Task {n}") for n in range(1, 9)),
        task("T-9", ["T-4"]),
        task("T-10", ["T-2"]),
        task("T-11", approval=True),
        title="Review of the payment service",
        budget_usd=10.0,
    )
    run.complete("T-1")
    moves.start(run, ["T-2", "T-3"], Start("run", "claude", reserved_usd=1.0))
    run.now += 90
    moves.fail(run, "T-3", Failure("the answer is blank"), Spent(0.25, 1200, 90.0), delay_s=5.0)
    run.give_up("T-4", "no such table")
    moves.skip(run, "T-5", "not needed")
    return run


def test_the_status_of_a_busy_run(snapshot: SnapshotAssertion) -> None:
    run = busy()
    text = status_text(run.state, run.now, problems=["master_plan.md:12: error: T-01: no"])
    assert text == snapshot(extension_class=TextFile)


def test_the_list_of_a_busy_run(snapshot: SnapshotAssertion) -> None:
    run = busy()
    assert "\n".join(list_lines(run.state, [*run.state.tasks], run.now)) == snapshot(extension_class=TextFile)


class TestTheRecord:
    def test_it_has_exactly_the_keys_of_the_contract(self) -> None:
        run = busy()
        record = status_record(run.state, run.now)
        assert list(record) == ["run", "tasks"]
        assert list(record["run"]) == RUN_KEYS
        assert all(list(entry) == TASK_KEYS for entry in record["tasks"])

    def test_it_counts_all_eight_states(self) -> None:
        run = busy()
        record = status_record(run.state, run.now)["run"]
        assert record["counts"] == {
            "waiting": 2,
            "pending": 3,
            "blocked": 1,
            "running": 1,
            "retrying": 1,
            "completed": 1,
            "failed": 1,
            "skipped": 1,
        }

    def test_times_have_an_offset_or_are_null(self) -> None:
        run = busy()
        tasks = {entry["id"]: entry for entry in status_record(run.state, run.now)["tasks"]}
        assert tasks["T-1"]["start"] == "2026-11-21T08:00:00.000+00:00"
        assert tasks["T-2"]["end"] is None
        assert tasks["T-6"]["start"] is None

    def test_the_duration_of_what_runs_goes_on(self) -> None:
        run = run_of(task("T-1"))
        assert status_record(run.state, run.now)["tasks"][0]["duration_s"] is None
        run.start("T-1")
        assert status_record(run.state, MORNING + 12.5)["tasks"][0]["duration_s"] == 12.5
        run.complete("T-1")
        assert status_record(run.state, MORNING + 99)["tasks"][0]["duration_s"] == 1.0

    def test_a_pause_says_until_when_and_why(self) -> None:
        run = run_of(task("T-1"))
        run.record(EventType.PAUSED, kind="limit", reason="5-hour limit", until=MORNING + 3600)
        record = status_record(run.state, run.now)["run"]
        assert record["paused_until"] == "2026-11-21T09:00:00.000+00:00"
        assert record["reason"] == "Paused until 09:00: 5-hour limit"
        later = status_record(run.state, MORNING + 3600)["run"]
        assert (later["paused_until"], later["reason"]) == (None, None)

    def test_a_pause_that_ends_on_another_day_says_which(self) -> None:
        run = run_of(task("T-1"))
        run.record(EventType.PAUSED, kind="limit", reason="weekly limit", until=MORNING + 3 * 86_400)
        record = status_record(run.state, run.now)["run"]
        assert record["reason"] == "Paused until 2026-11-24 08:00: weekly limit"

    def test_a_limit_is_asked_about_anew_when_the_clock_was_set_back(self) -> None:
        run = run_of(task("T-1"))
        run.record(EventType.PAUSED, kind="limit", reason="session limit", until=MORNING + 3600)
        assert run.state.is_paused(MORNING - 1) and not run.state.is_paused(MORNING - 3600)


def reason_of(run: Run, name: str, **how: object) -> object:
    tasks = status_record(run.state, run.now, **how)["tasks"]
    return next(entry["reason"] for entry in tasks if entry["id"] == name)


class TestReasons:
    def test_a_blocked_task_names_the_failed_one(self) -> None:
        assert reason_of(busy(), "T-9") == "T-4 failed"

    def test_a_waiting_task_names_what_it_waits_for(self) -> None:
        assert reason_of(busy(), "T-10") == "waiting for T-2"
        assert reason_of(busy(), "T-11") == "waiting for approval"

    def test_a_task_that_waits_to_retry_says_when_and_why(self) -> None:
        assert reason_of(busy(), "T-3") == "retry at 08:01:35: the answer is blank"

    def test_a_task_whose_worker_is_gone_says_so(self) -> None:
        assert reason_of(busy(), "T-2", lost=["T-2"]) == "worker lost"

    def test_a_failed_and_a_skipped_task_say_why(self) -> None:
        assert reason_of(busy(), "T-4") == "no such table"
        assert reason_of(busy(), "T-5") == "not needed"

    def test_a_pending_task_has_none(self) -> None:
        assert reason_of(busy(), "T-6") is None

    def test_a_blocked_run_says_what_failed(self) -> None:
        run = run_of(task("T-1"), task("T-2", ["T-1"]))
        run.give_up("T-1", "no such table")
        assert status_record(run.state, run.now)["run"]["reason"] == "T-1 failed: no such table"

    def test_a_run_that_was_stopped_says_by_which_task(self) -> None:
        run = run_of(task("T-1", on_failure=OnFailure.FAIL_FAST), task("T-2"))
        run.give_up("T-1", "no such table")
        reason = status_record(run.state, run.now)["run"]["reason"]
        assert reason == "T-1 (on_failure: fail-fast) has failed: no such table"

    def test_a_run_that_waits_for_a_person_says_for_what(self) -> None:
        run = run_of(task("T-1"), task("T-2", ["T-1"], approval=True))
        run.complete("T-1")
        reason = status_record(run.state, run.now)["run"]["reason"]
        assert reason == "waiting for a person's approval: T-2"


class TestNext:
    def test_it_has_exactly_the_keys_of_the_contract(self) -> None:
        run = busy()
        assert next_record(run.state, run.now, ["T-6", "T-7"]) == {
            "ready": ["T-6", "T-7"],
            "running": ["T-2"],
            "waiting_for_approval": ["T-11"],
            "batch": 1,
            "state": "running",
        }

    def test_the_batch_is_the_lowest_of_the_ready_ones(self) -> None:
        run = run_of(task("T-1"), task("T-2", ["T-1"]), task("T-3"))
        run.complete("T-1")
        assert next_record(run.state, run.now, ["T-2", "T-3"])["batch"] == 1
        assert next_record(run.state, run.now, ["T-2"])["batch"] == 2
        assert next_record(run.state, run.now, [])["batch"] is None


class TestRoom:
    def crowded(self, words: str) -> Run:
        run = run_of(*(task(f"{'T' * 58}-{n:03d}", name=words, priority=Priority.P1) for n in range(1, 101)))
        names = [*run.state.tasks]
        for at, name in enumerate(names):
            if at % 5 == 1:
                run.start(name)
            elif at % 5 == 2:
                run.fail(name, words)
            elif at % 5 == 3:
                run.give_up(name, words)
            elif at % 5 == 4:
                moves.skip(run, name, words)
        return run

    @pytest.mark.parametrize("words", ["x" * 500, "שלום " * 100, "🚀" * 300])
    def test_a_hundred_crowded_tasks_fit(self, words: str) -> None:
        run = self.crowded(words)
        text = status_text(run.state, run.now, problems=[f"plan.yaml:{n}: error: {words}" for n in range(50)])
        assert len(text.encode()) <= TEXT_LIMIT
        assert "20" in text

    def test_nothing_is_cut_where_there_is_room(self) -> None:
        run = run_of(*(task(f"T-{n:02d}") for n in range(1, 13)))
        assert all(f"T-{n:02d}" in status_text(run.state, run.now) for n in range(1, 13))

    @given(st.text(max_size=300), st.lists(st.text(max_size=600), max_size=30))
    def test_whatever_people_write_it_fits_and_stays_in_its_lines(self, words: str, problems: list[str]) -> None:
        run = run_of(task("T-1", name=words or "x"), title=words or "x")
        run.give_up("T-1", words)
        text = status_text(run.state, run.now, problems=problems)
        assert len(text.encode("utf-8", "replace")) <= TEXT_LIMIT
        assert text.split("\n")[1].startswith("0% · 0 of 1 tasks done")


def test_every_status_has_its_place() -> None:
    run = busy()
    text = status_text(run.state, run.now)
    assert all(status.capitalize() in text for status in Status)


def test_a_run_that_is_blocked_says_after_how_many_attempts_and_what_a_person_can_do() -> None:
    run = run_of(task("T-1"), task("T-2", ["T-1"]))
    run.give_up("T-1", "no such table")
    lines = status_text(run.state, run.now).splitlines()
    at = lines.index("! T-1 failed: no such table")
    assert lines[at + 1] == (
        "  after 1 attempt; mend the cause, then: orchestrate retry T-1; or go on without it: orchestrate skip T-1"
    )
