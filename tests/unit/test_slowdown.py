"""Backing off: refusals halve the slots for a while, and a clock that was set back holds nothing up."""

from __future__ import annotations

import pytest

from dags import task
from orchestrator.events import EventType
from orchestrator.model import Status
from orchestrator.render.status import run_reason
from orchestrator.store import moves
from orchestrator.store.records import CLOCK_SLACK_S, SLOWDOWN_S, Slowdown, TaskRecord
from orchestrator.store.schedule import Limits, choices
from runs import MORNING, Run, replayed, reread, run_of


def begin(run: Run, *tasks: str) -> None:
    moves.start(run, tasks, moves.Start("run", "claude"))


def refuse(run: Run, name: str) -> None:
    failure = moves.Failure("529 Overloaded", "back_off")
    assert moves.fail(run, name, failure, moves.Spent(), delay_s=5.0) is Status.RETRYING


def slots(run: Run, of: int = 8) -> int:
    return run.state.slots_at(of, run.now)


@pytest.fixture
def run() -> Run:
    return run_of(*(task(f"T-{number}", max_retries=9) for number in range(1, 21)))


class TestSlowdown:
    def test_without_a_refusal_all_slots_are_used(self, run: Run) -> None:
        assert slots(run) == 8

    def test_a_refusal_halves_the_slots(self, run: Run) -> None:
        begin(run, "T-1")
        refuse(run, "T-1")
        assert slots(run) == 4

    def test_workers_that_had_begun_before_the_refusal_halve_them_no_further(self, run: Run) -> None:
        names = [f"T-{number}" for number in range(1, 9)]
        begin(run, *names)
        for name in names:
            run.now += 0.5
            refuse(run, name)
        assert slots(run) == 4

    def test_a_worker_that_began_after_it_and_is_refused_too_halves_them_again(self, run: Run) -> None:
        for name, left in (("T-1", 4), ("T-2", 2), ("T-3", 1), ("T-4", 1)):
            run.now += 1
            begin(run, name)
            refuse(run, name)
            assert slots(run) == left

    def test_each_quiet_minute_doubles_them_until_all_are_back(self, run: Run) -> None:
        for name in ("T-1", "T-2"):
            begin(run, name)
            refuse(run, name)
            run.now += 1
        run.now += SLOWDOWN_S
        assert slots(run) == 4
        run.now += SLOWDOWN_S
        assert slots(run) == 8

    def test_a_worker_whose_cli_tries_again_by_itself_halves_them_before_it_has_failed(self, run: Run) -> None:
        begin(run, "T-1", "T-2")
        for name in ("T-1", "T-2"):
            run.now += 1
            run.record(EventType.SLOWED_DOWN, name, attempt=1, agent="Agent-01", reason="HTTP 529, overloaded")
        assert slots(run) == 4
        refuse(run, "T-1")
        assert slots(run) == 4

    def test_while_it_is_refused_again_the_quiet_minute_begins_anew(self, run: Run) -> None:
        begin(run, "T-1")
        for _ in range(4):
            run.now += SLOWDOWN_S / 2
            run.record(EventType.SLOWED_DOWN, "T-1", attempt=1, agent="Agent-01", reason="HTTP 529, overloaded")
            assert slots(run) == 4
        run.now += SLOWDOWN_S
        assert slots(run) == 8

    def test_other_failures_slow_nothing_down(self, run: Run) -> None:
        begin(run, "T-1")
        moves.fail(run, "T-1", moves.Failure("exit code 1"), moves.Spent(), delay_s=5.0)
        assert slots(run) == 8

    def test_the_scheduler_starts_no_more_than_the_slots_that_are_left(self, run: Run) -> None:
        begin(run, "T-1")
        refuse(run, "T-1")
        assert len(choices(run.state, run.now, Limits(8))) == 4

    def test_it_survives_a_restart(self, run: Run) -> None:
        begin(run, "T-1")
        refuse(run, "T-1")
        assert replayed(run).slots_at(8, run.now) == reread(run.state).slots_at(8, run.now) == 4

    def test_status_says_so_while_it_lasts(self, run: Run) -> None:
        begin(run, "T-1")
        refuse(run, "T-1")
        assert "slowed down until" in run_reason(run.state, run.now)
        assert "slowed down" not in run_reason(run.state, run.now + 2 * SLOWDOWN_S)

    def test_one_slot_is_always_left_and_none_stays_none(self) -> None:
        assert Slowdown(30, MORNING).slots(4, MORNING) == 1
        assert Slowdown(1, MORNING).slots(0, MORNING) == 0

    def test_a_clock_that_was_set_back_ends_it(self) -> None:
        assert Slowdown(3, MORNING).level_at(MORNING - 3600) == 0


class TestRetriesAndTheClock:
    def test_a_retry_is_due_when_its_time_has_come(self) -> None:
        record = TaskRecord(due=MORNING + 5, end=MORNING)
        assert not record.is_due(MORNING + 4) and record.is_due(MORNING + 5)

    def test_a_clock_that_was_set_back_does_not_make_it_wait_for_a_day(self) -> None:
        assert TaskRecord(due=MORNING + 5, end=MORNING).is_due(MORNING - 86_400)

    def test_a_clock_that_differs_by_seconds_changes_nothing(self) -> None:
        assert not TaskRecord(due=MORNING + 5, end=MORNING).is_due(MORNING - CLOCK_SLACK_S + 1)
