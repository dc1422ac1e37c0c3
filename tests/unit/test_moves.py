from __future__ import annotations

from collections.abc import Callable

import pytest

from dags import task
from orchestrator.errors import MoveRefusedError, UsageError
from orchestrator.events import EVENT_FIELDS, EventType
from orchestrator.model import Fallback, OnFailure, Priority, Status
from orchestrator.store import moves
from orchestrator.store.change import Failure, Spent, Start
from orchestrator.store.failing import BLOCKS_SHOWN
from runs import MORNING, Run, run_of

WORKER = Start("run", "claude", session_id="5e55", supervisor=["here", 42, 1.5], reserved_usd=0.5)


def in_status(status: Status) -> Run:
    """A run whose T-02 is ``status``; T-01 is what it depends on, T-03 what depends on it."""
    run = run_of(task("T-01"), task("T-02", ["T-01"]), task("T-03", ["T-02"]))
    if status is Status.WAITING:
        return run
    if status is Status.BLOCKED:
        run.give_up("T-01")
        return run
    run.complete("T-01")
    ways: dict[Status, Callable[[], object]] = {
        Status.PENDING: lambda: None,
        Status.RUNNING: lambda: run.start("T-02"),
        Status.RETRYING: lambda: run.fail("T-02"),
        Status.COMPLETED: lambda: run.complete("T-02"),
        Status.FAILED: lambda: run.give_up("T-02"),
        Status.SKIPPED: lambda: moves.skip(run, "T-02", "not needed"),
    }
    ways[status]()
    return run


def move(run: Run, name: str) -> None:
    """The move ``name`` of T-02."""
    ways: dict[str, Callable[[], object]] = {
        "start": lambda: moves.start(run, ["T-02"], WORKER),
        "complete": lambda: moves.complete(run, "T-02", result="r", hash="h", spent=Spent()),
        "fail": lambda: (
            moves.require_running(run.state, "T-02", None, Status.FAILED),
            run.give_up("T-02"),
        ),
        "retry later": lambda: (
            moves.require_running(run.state, "T-02", None, Status.RETRYING),
            run.fail("T-02"),
        ),
        "put back": lambda: (
            moves.require_running(run.state, "T-02", None, Status.PENDING),
            moves.put_back(run, "T-02", "stopped", "interrupted"),
        ),
        "give up": lambda: moves.give_up(run, "T-02", "enough"),
        "skip": lambda: moves.skip(run, "T-02", "not needed"),
        "retry": lambda: moves.reopen(run, "T-02", "again"),
        "open a gap": lambda: moves.reopen(
            run, "T-02", "gap", allowed=[Status.COMPLETED, Status.FAILED, Status.SKIPPED]
        ),
        "mark failed": lambda: moves.mark_failed(run, "T-02", "gap"),
    }
    ways[name]()


# The table "Recorded moves" of the design: what each move leads to, from where it exists.
MOVES: dict[str, dict[Status, Status]] = {
    "start": {Status.PENDING: Status.RUNNING, Status.RETRYING: Status.RUNNING},
    "complete": {Status.RUNNING: Status.COMPLETED},
    "fail": {Status.RUNNING: Status.FAILED},
    "retry later": {Status.RUNNING: Status.RETRYING},
    "put back": {Status.RUNNING: Status.PENDING},
    "give up": {Status.RETRYING: Status.FAILED},
    "skip": dict.fromkeys(set(Status) - {Status.COMPLETED, Status.SKIPPED}, Status.SKIPPED),
    "retry": {Status.FAILED: Status.PENDING, Status.SKIPPED: Status.PENDING},
    "open a gap": {
        Status.COMPLETED: Status.PENDING,
        Status.FAILED: Status.PENDING,
        Status.SKIPPED: Status.PENDING,
    },
    "mark failed": {status: Status.FAILED for status in Status if status not in (Status.RUNNING, Status.FAILED)},
}


@pytest.mark.parametrize("name", MOVES)
@pytest.mark.parametrize("status", Status)
def test_a_move_leads_where_the_table_says_or_is_refused_with_its_name(status: Status, name: str) -> None:
    run = in_status(status)
    assert run.state.status("T-02") is status
    count = len(run.events)
    if status in MOVES[name]:
        move(run, name)
        assert run.state.status("T-02") is MOVES[name][status]
        return
    with pytest.raises(MoveRefusedError, match=rf"T-02 is {status}|waiting → running|T-02 is waiting for") as refused:
        move(run, name)
    assert f"{status} → " in refused.value.message
    assert refused.value.advice
    assert len(run.events) == count


class TestKnown:
    def test_an_id_is_found_in_any_case(self) -> None:
        assert moves.known(run_of(task("T-01")).state, "t-01").id == "T-01"

    def test_an_unknown_id_is_a_usage_error_that_names_near_ones(self) -> None:
        with pytest.raises(UsageError, match="there is no task 'T-010'") as refused:
            moves.known(run_of(task("T-01"), task("T-02")).state, "T-010")
        assert "T-01" in refused.value.advice


class TestStarting:
    def test_a_start_counts_the_attempt_and_opens_the_batch_once(self) -> None:
        run = run_of(task("T-01"), task("T-02"))
        assert moves.start(run, ["T-01", "T-02"], WORKER) == {"T-01": 1, "T-02": 1}
        assert run.types() == ["batch_started", "task_started", "task_started"]
        assert run.events[2]["tasks"] == ["T-01", "T-02"]
        moves.put_back(run, "T-01", "stopped", "interrupted")
        assert moves.start(run, ["T-01"], WORKER) == {"T-01": 2}
        assert run.types().count("batch_started") == 1

    def test_several_starts_are_all_or_none(self) -> None:
        run = run_of(task("T-01"), task("T-02", ["T-01"]))
        with pytest.raises(MoveRefusedError):
            moves.start(run, ["T-01", "T-02"], WORKER)
        assert run.types() == []

    def test_what_is_kept_for_an_attempt_is_kept_until_it_ends(self) -> None:
        run = run_of(task("T-01"))
        moves.start(run, ["T-01"], WORKER)
        record = run.state.records["T-01"]
        assert (record.session_id, record.supervisor, record.reserved_usd) == ("5e55", ["here", 42, 1.5], 0.5)
        assert (record.by, record.executor, record.start, record.lease_until) == ("run", "claude", MORNING, None)
        moves.put_back(run, "T-01", "limit", "usage_limit", Spent(0.2), session_id="5e55")
        assert (record.session_id, record.supervisor, record.reserved_usd, record.start) == ("5e55", None, 0.0, None)
        assert run.state.spent_usd == 0.2

    def test_the_lease_of_a_start_by_hand_is_the_timeout_that_the_plan_gives(self) -> None:
        run = run_of(task("T-01", timeout_s=90.0), task("T-02"))
        run.start("T-01", "T-02")
        assert run.state.records["T-01"].lease_until == MORNING + 90
        assert run.state.records["T-02"].lease_until == MORNING + 3600

    def test_a_lease_is_renewed_from_now_on(self) -> None:
        run = run_of(task("T-01"))
        run.start("T-01")
        run.now += 1800
        moves.renew(run, "T-01")
        assert run.state.records["T-01"].lease_until == MORNING + 1800 + 3600

    def test_only_what_was_started_by_hand_has_a_lease(self) -> None:
        run = run_of(task("T-01"))
        with pytest.raises(MoveRefusedError, match="T-01 is pending"):
            moves.renew(run, "T-01")
        moves.start(run, ["T-01"], WORKER)
        with pytest.raises(MoveRefusedError, match="was not started by hand"):
            moves.renew(run, "T-01")

    @pytest.mark.parametrize(
        "wanted", [{"resources": ("db",)}, {"writes": ("src/**",)}, {"writes": ("src/a.py",)}], ids=str
    )
    def test_two_that_want_the_same_are_not_started_beside_each_other(self, wanted: dict[str, object]) -> None:
        run = run_of(task("T-01", resources=("db",), writes=("src/*.py",)), task("T-02", **wanted), task("T-03"))
        with pytest.raises(MoveRefusedError, match="T-02 cannot run beside T-01"):
            run.start("T-01", "T-02")
        assert run.types() == []
        run.start("T-01", "T-03")
        with pytest.raises(MoveRefusedError, match="T-02 cannot run beside T-01"):
            run.start("T-02")
        run.complete("T-01")
        run.start("T-02")

    def test_a_task_that_waits_names_what_it_waits_for(self) -> None:
        run = run_of(task("T-01"), task("T-02"), task("T-03", ["T-01", "T-02"]), task("T-04", approval=True))
        run.complete("T-01")
        with pytest.raises(MoveRefusedError, match="T-03 is waiting for T-02: waiting → running"):
            run.start("T-03")
        with pytest.raises(MoveRefusedError, match="T-04 waits for a person's approval") as refused:
            run.start("T-04")
        assert refused.value.advice == "`orchestrate approve T-04`"


class TestAttempts:
    def test_a_stale_attempt_is_refused(self) -> None:
        run = run_of(task("T-01"))
        run.fail("T-01")
        run.start("T-01")
        with pytest.raises(MoveRefusedError, match="attempt 1 of T-01 is stale: attempt 2 was begun since"):
            moves.require_running(run.state, "T-01", 1)
        assert moves.require_running(run.state, "T-01", 2).attempt == 2

    def test_an_attempt_that_never_was_is_refused(self) -> None:
        run = run_of(task("T-01"), task("T-02"))
        run.start("T-01")
        with pytest.raises(MoveRefusedError, match="there is no attempt 2 of T-01: the latest is 1"):
            moves.require_running(run.state, "T-01", 2)
        with pytest.raises(MoveRefusedError, match="there is no attempt 1 of T-02: it was never started"):
            moves.require_running(run.state, "T-02", 1)


class TestFailing:
    def test_a_failure_that_may_pass_is_tried_three_times_in_all(self) -> None:
        run = run_of(task("T-01"))
        assert [run.fail("T-01") for _ in range(3)] == [Status.RETRYING, Status.RETRYING, Status.FAILED]
        record = run.state.records["T-01"]
        assert (record.attempt, record.retries) == (3, 2)

    def test_a_task_that_waits_to_retry_knows_when(self) -> None:
        run = run_of(task("T-01"))
        run.fail("T-01")
        assert run.state.records["T-01"].due == MORNING + 5
        assert run.state.due(MORNING + 4.9) == []
        assert run.state.due(MORNING + 5) == ["T-01"]

    def test_the_plan_says_how_often(self) -> None:
        run = run_of(task("T-01", max_retries=0), task("T-02", max_retries=5))
        assert run.fail("T-01") is Status.FAILED
        assert [run.fail("T-02") for _ in range(6)] == [*[Status.RETRYING] * 5, Status.FAILED]

    def test_a_failure_that_cannot_pass_is_not_tried_again(self) -> None:
        run = run_of(task("T-01"))
        assert run.fail("T-01", may_pass=False) is Status.FAILED
        assert run.state.records["T-01"].retries == 0

    def test_a_put_back_in_between_neither_counts_nor_begins_anew(self) -> None:
        run = run_of(task("T-01"))
        run.fail("T-01")
        run.start("T-01")
        assert moves.put_back(run, "T-01", "limit", "usage_limit") is Status.PENDING
        assert run.fail("T-01") is Status.RETRYING
        assert run.fail("T-01") is Status.FAILED
        assert run.state.records["T-01"].retries == 2

    def test_retry_begins_a_new_series_and_goes_on_counting(self) -> None:
        run = run_of(task("T-01"))
        for _ in range(3):
            run.fail("T-01")
        moves.reopen(run, "T-01", "again")
        assert [run.fail("T-01") for _ in range(3)] == [Status.RETRYING, Status.RETRYING, Status.FAILED]
        assert run.state.records["T-01"].attempt == 6
        assert run.state.records["T-01"].retries == 5

    def test_what_was_never_started_is_opened_again_without_a_retry(self) -> None:
        run = run_of(task("T-01"))
        moves.skip(run, "T-01", "not needed")
        moves.reopen(run, "T-01", "needed")
        assert run.state.records["T-01"].retries == 0

    def test_a_failure_names_what_it_blocks_nearest_first(self) -> None:
        run = run_of(task("T-1"), task("T-3", ["T-2"]), task("T-2", ["T-1"]), task("T-4"), task("T-5", ["T-1", "T-4"]))
        run.give_up("T-1")
        failed = next(event for event in run.events if event["type"] == "task_failed")
        assert [name for name, _ in failed["blocks"]] == ["T-2", "T-5", "T-3"]
        assert failed["blocked"] == 3

    def test_of_very_many_blocked_tasks_the_number_is_kept(self) -> None:
        run = run_of(task("T-0"), *(task(f"T-{n}", ["T-0"]) for n in range(1, 201)))
        run.give_up("T-0")
        failed = run.events[-1]
        assert (len(failed["blocks"]), failed["blocked"]) == (BLOCKS_SHOWN, 200)

    def test_a_completed_dependant_is_not_blocked_by_a_later_failure(self) -> None:
        run = run_of(task("T-01"), task("T-02", ["T-01"]))
        run.complete("T-01", "T-02")
        moves.mark_failed(run, "T-01", "gap")
        assert run.state.status("T-02") is Status.COMPLETED
        assert run.events[-1]["blocks"] == []


class TestStrategies:
    def test_retry_fails_and_blocks_the_dependants_while_the_rest_goes_on(self) -> None:
        run = run_of(task("T-01", max_retries=0), task("T-02", ["T-01"]), task("T-03"))
        run.fail("T-01")
        assert run.statuses() == {"T-01": "failed", "T-02": "blocked", "T-03": "pending"}
        assert run.state.stopped_by() is None

    def test_skip_leaves_the_task_out_and_says_that_it_failed(self) -> None:
        run = run_of(task("T-01", on_failure=OnFailure.SKIP, max_retries=0), task("T-02", ["T-01"]))
        assert run.fail("T-01") is Status.SKIPPED
        assert run.statuses() == {"T-01": "skipped", "T-02": "pending"}
        assert run.state.records["T-01"].reason == "failed: broken"

    def test_p3_is_skipped_by_default_and_does_what_it_is_told_otherwise(self) -> None:
        run = run_of(
            task("T-01", priority=Priority.P3, max_retries=0),
            task("T-02", priority=Priority.P3, max_retries=0, on_failure=OnFailure.RETRY),
        )
        assert run.fail("T-01") is Status.SKIPPED
        assert run.fail("T-02") is Status.FAILED

    def test_skip_comes_only_after_the_retries(self) -> None:
        run = run_of(task("T-01", priority=Priority.P3))
        assert [run.fail("T-01") for _ in range(3)] == [Status.RETRYING, Status.RETRYING, Status.SKIPPED]

    def test_fail_fast_stops_everything_that_has_not_begun(self) -> None:
        run = run_of(task("T-01", on_failure=OnFailure.FAIL_FAST, max_retries=0), task("T-02"))
        run.fail("T-01")
        assert run.state.stopped_by() == "T-01"
        assert run.events[-1]["strategy"] == "fail-fast"

    def test_fallback_is_one_more_series_with_the_alternative(self) -> None:
        run = run_of(
            task("T-01", on_failure=OnFailure.FALLBACK, fallback=Fallback("Only list them.", "haiku", "security"))
        )
        first = [run.fail("T-01") for _ in range(3)]
        assert first == [Status.RETRYING] * 3
        assert run.state.records["T-01"].fallback
        assert run.events[-1]["retry_modifications"] == "fallback: another instruction, model haiku, role security"
        assert run.state.due(run.now) == ["T-01"]
        assert [run.fail("T-01") for _ in range(3)] == [Status.RETRYING, Status.RETRYING, Status.FAILED]
        assert run.state.records["T-01"].attempt == 6

    def test_fallback_is_tried_also_after_a_failure_that_cannot_pass_by_itself(self) -> None:
        run = run_of(task("T-01", on_failure=OnFailure.FALLBACK, fallback=Fallback(model="other")))
        assert run.fail("T-01", may_pass=False) is Status.RETRYING
        assert run.fail("T-01", may_pass=False) is Status.FAILED

    def test_a_new_series_begins_without_the_fallback(self) -> None:
        run = run_of(task("T-01", on_failure=OnFailure.FALLBACK, fallback=Fallback(model="other"), max_retries=0))
        assert [run.fail("T-01"), run.fail("T-01")] == [Status.RETRYING, Status.FAILED]
        moves.reopen(run, "T-01", "again")
        assert not run.state.records["T-01"].fallback
        assert run.fail("T-01") is Status.RETRYING

    @pytest.mark.parametrize(
        ("strategy", "status"),
        [
            (None, Status.FAILED),
            (OnFailure.RETRY, Status.FAILED),
            (OnFailure.FAIL_FAST, Status.FAILED),
            (OnFailure.FALLBACK, Status.FAILED),
            (OnFailure.SKIP, Status.SKIPPED),
        ],
    )
    def test_giving_up_at_once_tries_nothing_more(self, strategy: OnFailure | None, status: Status) -> None:
        run = run_of(task("T-01", on_failure=strategy, fallback=Fallback(model="other")))
        assert run.give_up("T-01") is status
        assert run.state.records["T-01"].attempt == 1

    @pytest.mark.parametrize(("strategy", "status"), [(OnFailure.RETRY, "failed"), (OnFailure.SKIP, "skipped")])
    def test_a_task_that_waits_to_retry_can_be_given_up(self, strategy: OnFailure, status: str) -> None:
        run = run_of(task("T-01", on_failure=strategy))
        run.fail("T-01")
        assert moves.give_up(run, "T-01", "enough") == status
        assert run.state.due(MORNING + 1e6) == []

    def test_marking_as_failed_is_no_verdict_that_skips(self) -> None:
        run = run_of(task("T-01", on_failure=OnFailure.SKIP))
        run.complete("T-01")
        moves.mark_failed(run, "T-01", "the result is gone")
        assert run.state.status("T-01") is Status.FAILED


class TestUnsafeTasks:
    def test_a_failure_is_final_and_says_why(self) -> None:
        run = run_of(task("T-01", retry_safe=False))
        assert run.fail("T-01") is Status.FAILED
        assert run.state.records["T-01"].reason == "not safe to retry: broken"

    def test_a_put_back_is_a_failure(self) -> None:
        run = run_of(task("T-01", retry_safe=False), task("T-02", ["T-01"]))
        run.start("T-01")
        assert moves.put_back(run, "T-01", "interrupted", "interrupted") is Status.FAILED
        assert run.statuses() == {"T-01": "failed", "T-02": "blocked"}

    def test_an_interruption_skips_nothing(self) -> None:
        run = run_of(task("T-01", retry_safe=False, on_failure=OnFailure.SKIP))
        run.start("T-01")
        assert moves.put_back(run, "T-01", "interrupted", "interrupted") is Status.FAILED

    def test_where_nothing_had_been_started_it_is_put_back(self) -> None:
        run = run_of(task("T-01", retry_safe=False))
        run.start("T-01")
        assert moves.put_back(run, "T-01", "no such program", "not_started", was_started=False) is Status.PENDING

    def test_the_fallback_is_not_tried_either(self) -> None:
        run = run_of(task("T-01", retry_safe=False, on_failure=OnFailure.FALLBACK, fallback=Fallback(model="other")))
        assert run.fail("T-01") is Status.FAILED

    def test_only_retry_begins_again(self) -> None:
        run = run_of(task("T-01", retry_safe=False))
        run.fail("T-01")
        moves.reopen(run, "T-01", "looked at")
        run.complete("T-01")
        assert run.state.status("T-01") is Status.COMPLETED


class TestLostWorkers:
    def lose(self, run: Run, kind: str = "worker_lost") -> Status:
        run.start("T-01")
        return moves.put_back(run, "T-01", "killed by signal 9", kind)

    def test_the_third_in_a_row_counts_as_a_failure(self) -> None:
        run = run_of(task("T-01"))
        assert [self.lose(run) for _ in range(3)] == [Status.PENDING, Status.PENDING, Status.RETRYING]
        assert run.state.records["T-01"].retries == 1
        assert "3 times in a row" in run.state.records["T-01"].reason

    def test_after_a_failure_the_row_begins_anew(self) -> None:
        run = run_of(task("T-01"))
        ends = [self.lose(run) for _ in range(9)]
        assert ends == [Status.PENDING, Status.PENDING, Status.RETRYING] * 2 + [
            *(Status.PENDING, Status.PENDING, Status.FAILED)
        ]

    def test_another_end_in_between_breaks_the_row(self) -> None:
        run = run_of(task("T-01"))
        kinds = ["worker_lost", "worker_lost", "usage_limit", "worker_lost", "worker_lost"]
        assert [self.lose(run, kind) for kind in kinds] == [Status.PENDING] * 5

    def test_it_is_a_failure_of_an_unsafe_task_the_first_time(self) -> None:
        run = run_of(task("T-01", retry_safe=False))
        assert self.lose(run) is Status.FAILED


class TestMoney:
    def test_what_attempts_cost_adds_up(self) -> None:
        run = run_of(task("T-01"))
        moves.start(run, ["T-01"], WORKER)
        moves.fail(run, "T-01", Failure("broken"), Spent(0.25, 1000, 3.0))
        moves.start(run, ["T-01"], WORKER)
        moves.complete(run, "T-01", result="r", hash="h", spent=Spent(0.5, 2000, 4.0))
        record = run.state.records["T-01"]
        assert (record.cost_usd, record.tokens, record.duration_s) == (0.75, 3000, 4.0)
        assert (run.state.spent_usd, run.state.tokens, run.state.reserved_usd) == (0.75, 3000, 0.0)
        assert run.state.mean_cost_usd == 0.375

    def test_a_running_task_that_is_skipped_has_cost_what_was_set_aside(self) -> None:
        run = run_of(task("T-01"))
        moves.start(run, ["T-01"], WORKER)
        run.now += 60
        moves.skip(run, "T-01", "not needed")
        assert (run.state.spent_usd, run.state.records["T-01"].duration_s) == (0.5, 60.0)


class TestConsequences:
    def settled(self, run: Run) -> list[str]:
        """The types of the events that a change brings about."""
        count = len(run.events)
        moves.add_consequences(run)
        return [str(event["type"]) for event in run.events[count:]]

    def test_a_batch_is_complete_with_its_last_task(self) -> None:
        run = run_of(task("T-01"), task("T-02"), task("T-03", ["T-01"]))
        run.complete("T-01")
        assert self.settled(run) == []
        run.now += 7
        run.complete("T-02")
        assert self.settled(run) == ["batch_completed"]
        assert (run.events[-1]["batch"], run.events[-1]["duration_s"]) == (1, 7.0)
        assert self.settled(run) == []

    def test_batches_may_overlap(self) -> None:
        run = run_of(task("T-01"), task("T-02"), task("T-03", ["T-01"]))
        run.complete("T-01")
        run.start("T-03", "T-02")
        assert [event["batch"] for event in run.events if event["type"] == "batch_started"] == [1, 2]

    def test_a_skipped_task_completes_its_batch_too(self) -> None:
        run = run_of(task("T-01"), task("T-02"))
        run.complete("T-01")
        moves.skip(run, "T-02", "not needed")
        assert "batch_completed" in self.settled(run)

    def test_a_batch_with_a_failed_task_is_not_complete(self) -> None:
        run = run_of(task("T-01"), task("T-02"))
        run.complete("T-01")
        run.give_up("T-02")
        assert "batch_completed" not in self.settled(run)

    def test_a_batch_that_was_opened_again_is_completed_again(self) -> None:
        run = run_of(task("T-01"), task("T-02", ["T-01"]))
        run.complete("T-01")
        assert self.settled(run) == ["batch_completed"]
        moves.reopen(run, "T-01", "gap", allowed=[Status.COMPLETED])
        run.complete("T-01")
        assert self.settled(run) == ["batch_completed"]

    def test_the_end_of_the_run_is_said_once_with_its_duration(self) -> None:
        run = run_of(task("T-01"))
        run.start("T-01")
        run.now += 45
        run.complete("T-01")
        assert self.settled(run) == ["batch_completed", "orchestration_completed"]
        assert run.events[-1]["duration_s"] == 45.0
        assert self.settled(run) == []

    def test_a_new_task_opens_a_completed_run_again(self) -> None:
        run = run_of(task("T-01"))
        run.complete("T-01")
        self.settled(run)
        run.record(EventType.MERGED, strategy="concat", file="final_output.md", hash="sha256:1")
        run.change_plan([task("T-02", ["T-01"])])
        assert (run.state.ended, run.state.merged_hash) == (None, None)
        run.complete("T-02")
        assert self.settled(run) == ["batch_completed", "orchestration_completed"]

    def test_a_blocked_run_names_the_task_the_reason_and_the_way_out(self) -> None:
        run = run_of(task("T-01"), task("T-02", ["T-01"]), task("T-03"))
        run.give_up("T-01", "no such table")
        assert self.settled(run) == []
        run.complete("T-03")
        assert self.settled(run) == ["orchestration_blocked"]
        event = run.events[-1]
        assert (event["blocking_task"], event["failure_reason"]) == ("T-01", "no such table")
        assert "orchestrate retry T-01" in str(event["escalation"])
        assert self.settled(run) == []

    def test_of_several_failed_tasks_the_one_that_blocks_is_named(self) -> None:
        run = run_of(task("T-01"), task("T-02"), task("T-03", ["T-02"]))
        run.give_up("T-01")
        run.give_up("T-02")
        self.settled(run)
        assert run.events[-1]["blocking_task"] == "T-02"

    def test_of_several_failed_tasks_the_one_that_stopped_the_run_comes_first(self) -> None:
        run = run_of(task("T-01"), task("T-02", ["T-01"]), task("T-03", on_failure=OnFailure.FAIL_FAST), task("T-04"))
        run.give_up("T-01")
        run.give_up("T-03")
        self.settled(run)
        assert run.events[-1]["blocking_task"] == "T-03"

    def test_what_changes_after_the_merge_makes_it_stale(self) -> None:
        run = run_of(task("T-01"))
        run.complete("T-01")
        run.record(EventType.MERGED, strategy="concat", file="final_output.md", hash="sha256:1")
        assert run.state.merged_hash == "sha256:1"
        moves.reopen(run, "T-01", "gap", allowed=[Status.COMPLETED])
        assert run.state.merged_hash is None


def test_every_event_that_a_move_records_has_the_fields_that_are_documented() -> None:
    run = run_of(task("T-01"), task("T-02", ["T-01"]), task("T-03", max_retries=0), task("T-04", ["T-03"]))
    run.start("T-01")
    moves.renew(run, "T-01")
    run.fail("T-01")
    moves.start(run, ["T-01"], WORKER)
    moves.put_back(run, "T-01", "stopped", "interrupted", session_id="5e55")
    run.start("T-01")
    moves.complete(run, "T-01", result="r", hash="h", spent=Spent(1, 2, 3), reason="!", steps=["a"], summary=["b"])
    moves.skip(run, "T-02", "not needed")
    moves.reopen(run, "T-02", "needed")
    run.fail("T-03")
    run.complete("T-02")
    moves.add_consequences(run)
    common = {"timestamp", "type", "orchestration_id", "task", "attempt", "agent", "batch"}
    for event in run.events:
        documented = {*EVENT_FIELDS[EventType(str(event["type"]))], *common}
        assert set(event) <= documented, (event["type"], set(event) - documented)
