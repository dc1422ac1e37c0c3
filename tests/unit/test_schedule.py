from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

import dags
from dags import task
from orchestrator import graph
from orchestrator.events import EventType
from orchestrator.model import OnFailure, Priority, Status
from orchestrator.store import moves
from orchestrator.store.schedule import (
    Choice,
    Elsewhere,
    Holdings,
    Limits,
    Purse,
    candidates,
    choices,
    next_due,
    startable,
)
from runs import MORNING, Run, run_of


def chosen(run: Run, slots: int = 8, *, by_stage: bool = False, given: tuple[str, ...] = ()) -> list[str]:
    """The ids to start now."""
    return [choice.task for choice in choices(run.state, run.now, Limits(slots, by_stage), given=given)]


def begin(run: Run, *tasks: str, reserved_usd: float = 0.0) -> None:
    """Start what a run would start."""
    moves.start(run, tasks, moves.Start("run", "claude", reserved_usd=reserved_usd))


class TestOrder:
    def test_priority_comes_first_then_the_longest_path_then_the_natural_order(self) -> None:
        run = run_of(
            task("T-10", s=5),
            task("T-2", s=5),
            task("T-3", s=60),
            task("T-4", s=5, priority=Priority.P0),
            task("T-5", s=600, priority=Priority.P3),
            task("T-6", s=1),
            task("T-7", ["T-6"], s=30),
        )
        assert chosen(run) == ["T-4", "T-3", "T-6", "T-2", "T-10", "T-5"]

    def test_a_retry_that_is_due_takes_its_place_in_that_order(self) -> None:
        run = run_of(task("T-1", s=1), task("T-2", s=60), task("T-3", s=30))
        run.fail("T-3")
        assert list(candidates(run.state, run.now)) == ["T-2", "T-1"]
        assert list(candidates(run.state, run.now + 5)) == ["T-2", "T-3", "T-1"]

    @given(dags.dags(), st.integers(1, 3), st.data())
    def test_whatever_is_chosen_may_start_and_never_more_than_there_are_slots(
        self, deps: dags.Deps, slots: int, data: st.DataObject
    ) -> None:
        run = run_of(*(task(name, needed) for name, needed in deps.items()))
        done: list[str] = []
        while True:
            begin(run, *chosen(run, slots))
            running = run.state.with_status(Status.RUNNING)
            assert len(running) <= slots
            if not running:
                break
            name = data.draw(st.sampled_from(running))
            assert {*deps[name]} <= {*done}
            run.complete(name)
            done.append(name)
        assert len(done) == len(deps)


class TestSlots:
    def test_only_free_slots_are_filled(self) -> None:
        run = run_of(*(task(f"T-{n}") for n in range(1, 6)))
        assert chosen(run, 2) == ["T-1", "T-2"]
        begin(run, "T-1", "T-2")
        assert chosen(run, 2) == []
        run.complete("T-1")
        assert chosen(run, 2) == ["T-3"]

    def test_a_task_started_by_hand_holds_no_slot(self) -> None:
        run = run_of(task("T-1"), task("T-2"))
        run.start("T-1")
        assert chosen(run, 1) == ["T-2"]

    def test_a_task_that_waits_to_retry_holds_no_slot(self) -> None:
        run = run_of(task("T-1"), task("T-2"))
        begin(run, "T-1")
        run.fail("T-1")
        assert chosen(run, 1) == ["T-2"]

    def test_what_was_given_out_holds_its_slot_and_is_not_given_twice(self) -> None:
        run = run_of(task("T-1"), task("T-2"), task("T-3"))
        assert chosen(run, 2, given=("T-1",)) == ["T-2"]


class TestHolding:
    @pytest.mark.parametrize(
        ("first", "second", "clash"),
        [
            ({"resources": ("db",)}, {"resources": ("db", "gpu")}, True),
            ({"resources": ("db",)}, {"resources": ("gpu",)}, False),
            ({"writes": ("src/**",)}, {"writes": ("src/a/b.py",)}, True),
            ({"writes": ("src/*.py",)}, {"writes": ("docs/*.py",)}, False),
            ({"writes": ("src/*.py",)}, {"resources": ("db",)}, False),
        ],
    )
    def test_two_that_want_the_same_never_run_at_once(
        self, first: dict[str, object], second: dict[str, object], clash: bool
    ) -> None:
        run = run_of(task("T-1", **first), task("T-2", **second))
        assert chosen(run) == (["T-1"] if clash else ["T-1", "T-2"])
        begin(run, "T-1")
        assert chosen(run) == ([] if clash else ["T-2"])

    def test_a_task_started_by_hand_holds_its_resources(self) -> None:
        run = run_of(task("T-1", resources=("db",)), task("T-2", resources=("db",)))
        run.start("T-1")
        assert chosen(run) == []

    def test_a_held_task_does_not_hold_up_those_behind_it(self) -> None:
        run = run_of(task("T-1", resources=("db",)), task("T-2", resources=("db",)), task("T-3"))
        assert chosen(run) == ["T-1", "T-3"]

    def test_tasks_of_other_runs_hold_as_well(self) -> None:
        run = run_of(task("T-1", resources=("db",)))
        elsewhere = Elsewhere((task("X-1", resources=("db",)),))
        assert choices(run.state, run.now, Limits(8), elsewhere) == []

    def test_other_runs_leave_only_so_many_agents(self) -> None:
        run = run_of(*(task(f"T-{n}") for n in range(1, 5)))
        assert len(choices(run.state, run.now, Limits(8), Elsewhere(agents_left=2))) == 2
        run.start("T-1")
        assert len(choices(run.state, run.now, Limits(8), Elsewhere(agents_left=0))) == 0

    def test_a_clash_says_with_whom_and_about_what(self) -> None:
        holdings = Holdings([task("T-1", resources=("db",), writes=("src/**",))])
        assert holdings.clash(task("T-2", resources=("db",))) == ("T-1", "the resource db")
        assert holdings.clash(task("T-2", writes=("src/a.py",))) == ("T-1", "the files src/a.py and src/**")
        assert holdings.clash(task("T-1", resources=("db",))) is None


class TestWhatMayStartTogether:
    def test_those_that_want_the_same_are_not_offered_together(self) -> None:
        run = run_of(task("T-1", resources=("db",)), task("T-2", resources=("db",)), task("T-3"))
        assert startable(run.state, run.now) == (["T-1", "T-3"], {"T-2": "T-1 wants the resource db as well"})

    def test_what_runs_already_is_counted(self) -> None:
        run = run_of(task("T-1", resources=("db",)), task("T-2", resources=("db",)))
        run.start("T-1")
        assert startable(run.state, run.now)[0] == []

    def test_nothing_is_offered_in_a_pause_or_after_fail_fast(self) -> None:
        run = run_of(task("T-1"), task("T-2", on_failure=OnFailure.FAIL_FAST))
        run.record(EventType.PAUSED, kind="hand", reason="…", until=MORNING + 60)
        assert startable(run.state, MORNING) == ([], {})
        assert startable(run.state, MORNING + 60)[0] == ["T-1", "T-2"]
        run.give_up("T-2")
        assert startable(run.state, MORNING + 60) == ([], {})


class TestHolds:
    def test_a_pause_holds_everything_until_it_is_over(self) -> None:
        run = run_of(task("T-1"))
        run.record(EventType.PAUSED, kind="limit", reason="…", until=MORNING + 60)
        assert chosen(run) == []
        run.now += 60
        assert chosen(run) == ["T-1"]

    def test_fail_fast_holds_everything(self) -> None:
        run = run_of(task("T-1", on_failure=OnFailure.FAIL_FAST), task("T-2"))
        run.give_up("T-1")
        assert chosen(run) == []

    def test_an_approval_holds_only_its_task(self) -> None:
        run = run_of(task("T-1", approval=True), task("T-2"))
        assert chosen(run) == ["T-2"]


class TestByStage:
    def test_nothing_starts_before_all_of_the_stage_before_has_ended(self) -> None:
        run = run_of(task("T-1"), task("T-2"), task("T-3", ["T-1"]))
        begin(run, "T-1", "T-2")
        run.complete("T-1")
        assert chosen(run) == ["T-3"]
        assert chosen(run, by_stage=True) == []
        run.complete("T-2")
        assert chosen(run, by_stage=True) == ["T-3"]

    def test_a_stage_whose_tasks_have_failed_has_ended(self) -> None:
        run = run_of(task("T-1"), task("T-2"), task("T-3", ["T-1"]))
        run.complete("T-1")
        run.give_up("T-2")
        assert chosen(run, by_stage=True) == ["T-3"]

    def test_an_approval_that_is_missing_holds_the_next_stage(self) -> None:
        run = run_of(task("T-1"), task("T-2", approval=True), task("T-3", ["T-1"]))
        run.complete("T-1")
        assert chosen(run, by_stage=True) == []


class TestMoney:
    def test_without_a_budget_only_the_tasks_own_is_set_aside(self) -> None:
        run = run_of(task("T-1", budget_usd=0.5), task("T-2"))
        assert choices(run.state, run.now, Limits(8)) == [Choice("T-1", 0.5), Choice("T-2", None)]

    def test_what_all_runs_have_left_is_the_budget_where_it_is_less(self) -> None:
        run = run_of(task("T-1"), task("T-2"), budget_usd=8.0)
        assert choices(run.state, run.now, Limits(2), Elsewhere(money_left_usd=1.0)) == [
            Choice("T-1", 0.5),
            Choice("T-2", 0.5),
        ]
        assert choices(run.state, run.now, Limits(2), Elsewhere(money_left_usd=0.0)) == []

    def test_a_task_without_one_gets_its_share_but_no_less_than_an_attempt_costs_on_average(self) -> None:
        run = run_of(*(task(f"T-{n}") for n in range(1, 4)), budget_usd=4.0)
        assert choices(run.state, run.now, Limits(2)) == [Choice("T-1", 2.0), Choice("T-2", 2.0)]
        begin(run, "T-1", reserved_usd=2.0)
        moves.complete(run, "T-1", result="r", hash="h", spent=moves.Spent(0.5))
        assert choices(run.state, run.now, Limits(2)) == [Choice("T-2", 1.75), Choice("T-3", 1.75)]
        assert choices(run.state, run.now, Limits(10)) == [Choice("T-2", 0.5), Choice("T-3", 0.5)]

    def test_never_more_is_set_aside_than_is_left(self) -> None:
        run = run_of(*(task(f"T-{n}", budget_usd=0.4) for n in range(1, 6)), budget_usd=1.0)
        assert chosen(run) == ["T-1", "T-2"]
        begin(run, "T-1", "T-2", reserved_usd=0.4)
        assert chosen(run) == []
        moves.complete(run, "T-1", result="r", hash="h", spent=moves.Spent(0.1))
        assert chosen(run) == ["T-3"]

    def test_a_budget_that_is_used_up_starts_nothing(self) -> None:
        run = run_of(task("T-1"), task("T-2"), budget_usd=1.0)
        begin(run, "T-1")
        moves.complete(run, "T-1", result="r", hash="h", spent=moves.Spent(1.0))
        assert chosen(run) == []

    def test_a_task_that_does_not_fit_does_not_hold_up_a_cheaper_one(self) -> None:
        run = run_of(task("T-1", budget_usd=3.0, s=60), task("T-2", budget_usd=0.5), budget_usd=1.0)
        assert chosen(run) == ["T-2"]

    def test_a_purse_without_a_budget_affords_everything(self) -> None:
        assert Purse(run_of(task("T-1")).state, 4).affords(1e9)


def test_the_next_retry_is_the_earliest() -> None:
    run = run_of(task("T-1"), task("T-2"))
    assert next_due(run.state) is None
    run.fail("T-1")
    run.now += 2
    run.fail("T-2")
    assert next_due(run.state) == MORNING + 5


@given(dags.dags(most=8))
def test_one_slot_works_in_an_order_that_the_graph_allows(deps: dags.Deps) -> None:
    run = run_of(*(task(name, needed) for name, needed in deps.items()))
    done: list[str] = []
    while names := chosen(run, 1):
        run.complete(*names)
        done += names
    assert sorted(done) == sorted(deps)
    assert all(done.index(dep) < done.index(name) for name, needed in deps.items() for dep in needed)
    assert graph.cycles(deps) == []
