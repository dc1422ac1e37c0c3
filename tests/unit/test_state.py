from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

import dags
from dags import task
from orchestrator import graph
from orchestrator.errors import MoveRefusedError
from orchestrator.events import EventType
from orchestrator.model import DependencyType, Fallback, OnFailure, Priority, RunState, Status, Task
from orchestrator.planrecords import with_fields
from orchestrator.store import moves
from orchestrator.store.records import Pause
from orchestrator.store.state import DONE, OBSTRUCTING, State
from runs import MORNING, Run, facts, replayed, reread, run_of

LATER = MORNING + 3600


def diamond() -> Run:
    return run_of(task("T-01"), task("T-02", ["T-01"]), task("T-03", ["T-01"]), task("T-04", ["T-02", "T-03"]))


def derived_from_the_definition(state: State) -> dict[str, Status]:
    """The statuses as the design words them, worked out from nothing but what is recorded."""
    found: dict[str, Status] = {}
    for name in graph.order(graph.dependencies(state.tasks.values())):
        recorded, spec = state.records[name].status, state.tasks[name]
        deps = [found[dep] for dep in spec.dep_ids]
        if recorded is not None:
            found[name] = recorded
        elif any(dep in OBSTRUCTING for dep in deps):
            found[name] = Status.BLOCKED
        elif any(dep not in DONE for dep in deps) or (spec.approval and not state.records[name].approved):
            found[name] = Status.WAITING
        else:
            found[name] = Status.PENDING
    return {name: found[name] for name in state.tasks}


class TestDerivedStatuses:
    def test_a_task_without_dependencies_is_pending_and_the_rest_waits(self) -> None:
        assert diamond().statuses() == {"T-01": "pending", "T-02": "waiting", "T-03": "waiting", "T-04": "waiting"}

    def test_a_completed_task_makes_its_dependants_pending(self) -> None:
        run = diamond()
        run.complete("T-01")
        assert run.statuses() == {"T-01": "completed", "T-02": "pending", "T-03": "pending", "T-04": "waiting"}

    def test_a_skipped_task_lets_its_dependants_go_on_without_it(self) -> None:
        run = diamond()
        moves.skip(run, "T-01", "not needed")
        assert run.statuses()["T-02"] == "pending"

    def test_a_failed_task_blocks_everything_behind_it_and_is_named(self) -> None:
        run = diamond()
        run.complete("T-01", "T-03")
        run.give_up("T-02")
        assert run.statuses() == {"T-01": "completed", "T-02": "failed", "T-03": "completed", "T-04": "blocked"}
        assert run.state.blockers("T-04") == ["T-02"]

    def test_blocked_names_the_failed_task_at_the_root_and_not_what_is_blocked_in_between(self) -> None:
        run = run_of(task("T-1"), task("T-2", ["T-1"]), task("T-3", ["T-2"]), task("T-4", ["T-3"]))
        run.give_up("T-1")
        assert run.state.blockers("T-4") == ["T-1"]

    def test_a_missing_approval_keeps_a_task_waiting(self) -> None:
        run = run_of(task("T-01", approval=True))
        assert run.statuses() == {"T-01": "waiting"}
        assert run.state.awaiting_approval() == ["T-01"]
        run.record(EventType.APPROVED, "T-01", by="ann")
        assert run.statuses() == {"T-01": "pending"}

    def test_an_approval_is_only_awaited_once_the_dependencies_are_done(self) -> None:
        run = run_of(task("T-01"), task("T-02", ["T-01"], approval=True))
        assert run.state.awaiting_approval() == []
        run.complete("T-01")
        assert run.state.awaiting_approval() == ["T-02"]

    def test_when_a_dependency_reopens_completed_and_running_dependants_stay(self) -> None:
        run = run_of(task("T-01"), task("T-02", ["T-01"]), task("T-03", ["T-01"]), task("T-04", ["T-01"]))
        run.complete("T-01", "T-02")
        run.start("T-03")
        moves.reopen(run, "T-01", "gap", allowed=[Status.COMPLETED])
        assert run.statuses() == {"T-01": "pending", "T-02": "completed", "T-03": "running", "T-04": "waiting"}

    def test_a_dependency_that_is_added_changes_derived_statuses_only(self) -> None:
        run = run_of(task("T-01"), task("T-02"), task("T-03"))
        run.complete("T-02")
        run.change_plan([task("T-04")])
        run.change_plan([task("T-02", ["T-04"]), task("T-03", ["T-04"])])
        assert run.statuses() == {"T-01": "pending", "T-02": "completed", "T-03": "waiting", "T-04": "pending"}

    def test_a_dependency_that_is_written_twice_counts_once(self) -> None:
        run = run_of(task("T-01"), task("T-02", ["T-01", "T-01"]))
        run.complete("T-01")
        assert run.statuses()["T-02"] == "pending"


class TestTheRun:
    def test_without_tasks_it_is_planning(self) -> None:
        assert run_of().state.run_state(MORNING) is RunState.PLANNING

    def test_while_nothing_was_started_it_is_planned(self) -> None:
        assert diamond().state.run_state(MORNING) is RunState.PLANNED

    def test_it_is_planned_also_when_a_task_was_left_out_beforehand(self) -> None:
        run = diamond()
        moves.skip(run, "T-02", "not needed")
        assert run.state.run_state(MORNING) is RunState.PLANNED

    def test_with_an_attempt_under_way_it_is_running(self) -> None:
        run = diamond()
        run.start("T-01")
        assert run.state.run_state(MORNING) is RunState.RUNNING

    def test_while_a_task_may_start_it_is_running(self) -> None:
        run = diamond()
        run.complete("T-01")
        assert run.state.run_state(MORNING) is RunState.RUNNING

    def test_while_a_task_waits_to_retry_it_is_running(self) -> None:
        run = run_of(task("T-01"))
        run.fail("T-01")
        assert run.state.run_state(MORNING) is RunState.RUNNING

    @pytest.mark.parametrize("kind", ["limit", "hand", "login", "money", "budget"])
    def test_when_only_a_pause_holds_it_it_is_paused(self, kind: str) -> None:
        run = diamond()
        run.complete("T-01")
        run.record(EventType.PAUSED, kind=kind, reason="…")
        assert run.state.run_state(MORNING) is RunState.PAUSED

    def test_a_pause_does_not_hide_an_attempt_under_way(self) -> None:
        run = diamond()
        run.start("T-01")
        run.record(EventType.PAUSED, kind="hand", reason="…")
        assert run.state.run_state(MORNING) is RunState.RUNNING

    def test_a_pause_whose_time_is_over_holds_nothing(self) -> None:
        run = diamond()
        run.complete("T-01")
        run.record(EventType.PAUSED, kind="limit", reason="…", until=MORNING + 60)
        assert run.state.run_state(MORNING + 59) is RunState.PAUSED
        assert run.state.run_state(MORNING + 60) is RunState.RUNNING

    def test_a_retry_that_is_due_is_held_by_a_pause_like_everything_else(self) -> None:
        run = run_of(task("T-01"))
        run.fail("T-01")
        run.record(EventType.PAUSED, kind="hand", reason="…")
        assert run.state.run_state(MORNING) is RunState.RUNNING
        assert run.state.run_state(MORNING + 5) is RunState.PAUSED

    def test_when_only_approvals_hold_it_it_is_paused(self) -> None:
        run = run_of(task("T-01"), task("T-02", ["T-01"], approval=True))
        run.complete("T-01")
        assert run.state.run_state(MORNING) is RunState.PAUSED

    def test_when_the_rest_waits_for_a_failed_task_it_is_blocked(self) -> None:
        run = diamond()
        run.give_up("T-01")
        assert run.state.run_state(MORNING) is RunState.BLOCKED

    def test_when_nothing_is_left_and_one_has_failed_it_is_failed(self) -> None:
        run = run_of(task("T-01"), task("T-02"))
        run.complete("T-01")
        run.give_up("T-02")
        assert run.state.run_state(MORNING) is RunState.FAILED

    def test_completed_and_skipped_tasks_make_it_completed(self) -> None:
        run = run_of(task("T-01"), task("T-02"))
        run.complete("T-01")
        moves.skip(run, "T-02", "not needed")
        assert run.state.run_state(MORNING) is RunState.COMPLETED

    def test_a_run_of_which_everything_was_left_out_is_completed(self) -> None:
        run = run_of(task("T-01"))
        moves.skip(run, "T-01", "not needed")
        assert run.state.run_state(MORNING) is RunState.COMPLETED

    def test_after_fail_fast_nothing_may_start_and_it_is_blocked(self) -> None:
        run = run_of(
            task("T-01", on_failure=OnFailure.FAIL_FAST), task("T-02"), task("T-03"), task("T-04", approval=True)
        )
        run.fail("T-03")
        run.give_up("T-01")
        assert run.state.stopped_by() == "T-01"
        assert run.state.run_state(LATER) is RunState.BLOCKED
        moves.reopen(run, "T-01", "mended")
        assert run.state.stopped_by() is None
        assert run.state.run_state(LATER) is RunState.RUNNING

    def test_after_fail_fast_it_is_running_until_the_last_attempt_has_ended(self) -> None:
        run = run_of(task("T-01", on_failure=OnFailure.FAIL_FAST), task("T-02"))
        run.start("T-02")
        run.give_up("T-01")
        assert run.state.run_state(MORNING) is RunState.RUNNING
        moves.put_back(run, "T-02", "the run stops", "stopped")
        assert run.state.run_state(MORNING) is RunState.BLOCKED


class TestProgress:
    def test_percent_is_rounded_down(self) -> None:
        run = run_of(*(task(f"T-{n}") for n in range(1, 4)))
        run.complete("T-1", "T-2")
        assert run.state.progress_percent == 66

    def test_a_skipped_task_counts_as_done(self) -> None:
        run = run_of(task("T-01"), task("T-02"))
        moves.skip(run, "T-01", "not needed")
        assert run.state.progress_percent == 50

    def test_an_empty_plan_has_no_progress_and_no_stage(self) -> None:
        state = run_of().state
        assert (state.progress_percent, state.current_stage, state.stages) == (0, 0, 0)

    def test_the_current_stage_is_the_lowest_that_is_not_complete(self) -> None:
        run = diamond()
        assert (run.state.current_stage, run.state.stages) == (1, 3)
        run.complete("T-01", "T-02")
        assert run.state.current_stage == 2
        run.give_up("T-03")
        assert run.state.current_stage == 2
        moves.skip(run, "T-03", "not needed")
        assert run.state.current_stage == 3

    def test_the_current_stage_is_the_last_one_when_all_are_complete(self) -> None:
        run = diamond()
        run.complete("T-01", "T-02", "T-03", "T-04")
        assert run.state.current_stage == 3


class TestSharing:
    def test_agents_with_several_tasks_are_known(self) -> None:
        run = run_of(task("T-01", agent="Agent-01"), task("T-02", agent="Agent-01"), task("T-03"))
        assert [run.state.is_shared(name) for name in run.state.tasks] == [True, True, False]

    def test_an_agent_that_gets_a_second_task_shares_from_then_on(self) -> None:
        run = run_of(task("T-01"))
        assert not run.state.is_shared("T-01")
        run.change_plan([task("T-02", agent="Agent-01")])
        assert run.state.is_shared("T-01")


@given(dags.dags(), st.data())
def test_a_state_that_is_read_again_answers_the_same(deps: dags.Deps, data: st.DataObject) -> None:
    run = run_of(*(task(name, needed) for name, needed in deps.items()))
    for name in data.draw(st.permutations(graph.order(deps))):
        if run.state.status(name) is Status.PENDING and data.draw(st.booleans()):
            run.complete(name)
    assert facts(reread(run.state), MORNING) == facts(run.state, MORNING)


STRATEGIES = st.sampled_from([None, *OnFailure])


@st.composite
def plans(draw: st.DrawFn) -> list[Task]:
    """A few tasks with everything that the state machine looks at."""
    tasks = []
    for name, needed in draw(dags.dags(most=7)).items():
        strategy = draw(STRATEGIES)
        tasks.append(
            task(
                name,
                needed,
                priority=draw(st.sampled_from([None, None, *Priority])),
                on_failure=strategy,
                fallback=Fallback(model="other") if strategy is OnFailure.FALLBACK else None,
                max_retries=draw(st.integers(0, 2)),
                retry_safe=draw(st.sampled_from([True, True, True, False])),
                approval=draw(st.sampled_from([False, False, True])),
                resources=tuple(draw(st.lists(st.sampled_from(["db", "gpu"]), max_size=1))),
            )
        )
    return tasks


class TheStateMachine(RuleBasedStateMachine):
    """Random plans under random moves, legal and illegal ones."""

    run: Run

    @initialize(tasks=plans(), budget=st.sampled_from([None, 5.0]))
    def begin(self, tasks: list[Task], budget: float | None) -> None:
        self.run = run_of(*tasks, budget_usd=budget)

    def _one(self, data: st.DataObject, *statuses: Status) -> str | None:
        names = self.run.state.with_status(*statuses)
        return data.draw(st.sampled_from(names)) if names else None

    def _do(self, move: Callable[[Run], object]) -> None:
        move(self.run)
        moves.add_consequences(self.run)

    @rule(seconds=st.floats(0.5, 400))
    def time_passes(self, seconds: float) -> None:
        self.run.now = round(self.run.now + seconds, 3)

    @rule(data=st.data())
    def start(self, data: st.DataObject) -> None:
        name = self._one(data, Status.PENDING, Status.RETRYING)
        if name is not None:
            before = self.run.state.records[name].attempt
            self._do(lambda run: moves.start(run, [name], moves.Start("run", "claude", reserved_usd=0.5)))
            assert self.run.state.records[name].attempt == before + 1

    @rule(data=st.data(), cost=st.sampled_from([0.0, 0.25]))
    def complete(self, data: st.DataObject, cost: float) -> None:
        name = self._one(data, Status.RUNNING)
        if name is not None:
            spent = moves.Spent(cost, 100, 2.0)
            self._do(lambda run: moves.complete(run, name, result="r", hash="h", spent=spent))
            assert self.run.state.status(name) is Status.COMPLETED

    @rule(data=st.data(), may_pass=st.booleans(), gives_up=st.booleans())
    def fail(self, data: st.DataObject, may_pass: bool, gives_up: bool) -> None:
        name = self._one(data, Status.RUNNING)
        if name is None:
            return
        spec, failure = self.run.state.tasks[name], moves.Failure("broken", "check", may_pass, gives_up)
        self._do(lambda run: moves.fail(run, name, failure, moves.Spent(), delay_s=5.0))
        status = self.run.state.status(name)
        assert status in (Status.RETRYING, Status.FAILED, Status.SKIPPED)
        if not spec.retry_safe or gives_up:
            assert status is not Status.RETRYING

    @rule(data=st.data(), kind=st.sampled_from(["worker_lost", "interrupted"]), was_started=st.booleans())
    def put_back(self, data: st.DataObject, kind: str, was_started: bool) -> None:
        name = self._one(data, Status.RUNNING)
        if name is None:
            return
        retries = self.run.state.records[name].retries
        self._do(lambda run: moves.put_back(run, name, "killed", kind, was_started=was_started))
        if kind == "interrupted" and self.run.state.tasks[name].retry_safe:
            assert self.run.state.records[name].status is None
            assert self.run.state.records[name].retries == retries

    @rule(data=st.data())
    def skip(self, data: st.DataObject) -> None:
        name = self._one(data, *(set(Status) - DONE))
        if name is not None:
            self._do(lambda run: moves.skip(run, name, "not needed"))

    @rule(data=st.data())
    def retry(self, data: st.DataObject) -> None:
        name = self._one(data, Status.FAILED, Status.SKIPPED)
        if name is not None:
            retries = self.run.state.records[name].retries
            self._do(lambda run: moves.reopen(run, name, "again"))
            assert self.run.state.records[name].failures == 0
            assert self.run.state.records[name].retries >= retries

    @rule(data=st.data())
    def open_a_gap(self, data: st.DataObject) -> None:
        name = self._one(data, Status.COMPLETED)
        if name is not None:
            self._do(lambda run: moves.reopen(run, name, "gap", allowed=[Status.COMPLETED]))

    @rule(data=st.data())
    def mark_failed(self, data: st.DataObject) -> None:
        name = self._one(data, *(set(Status) - {Status.RUNNING, Status.FAILED}))
        if name is not None:
            self._do(lambda run: moves.mark_failed(run, name, "gap"))
            assert self.run.state.status(name) is Status.FAILED

    @rule(data=st.data())
    def approve(self, data: st.DataObject) -> None:
        name = self._one(data, *Status)
        if name is not None:
            self._do(lambda run: run.record(EventType.APPROVED, name, by="ann"))

    @rule(until=st.sampled_from([None, 60.0]), kind=st.sampled_from(["hand", "limit"]))
    def pause(self, until: float | None, kind: str) -> None:
        at = None if until is None else self.run.now + until
        self._do(lambda run: run.record(EventType.PAUSED, kind=kind, reason="…", until=at))
        assert self.run.state.pause == Pause(kind, "…", at, self.run.now)

    @rule()
    def resume(self) -> None:
        self._do(lambda run: run.record(EventType.RESUMED, kind="hand", reason="…"))

    @rule(data=st.data())
    def edit(self, data: st.DataObject) -> None:
        """A person gives a task that was not started other dependencies, another priority, another name."""
        state = self.run.state
        names = [name for name in state.tasks if state.records[name].start is None]
        if not names:
            return
        name = data.draw(st.sampled_from(names))
        others = [
            each for each in state.tasks if not graph.has_path(graph.dependencies(state.tasks.values()), each, name)
        ]
        deps = data.draw(st.lists(st.sampled_from(others), unique=True, max_size=3)) if others else []
        fields = {"deps": deps, "priority": data.draw(st.sampled_from(["P0", "P3"])), "name": data.draw(st.text())}
        self._do(lambda run: run.record(EventType.TASK_EDITED, name, fields=fields, by="table"))
        assert state.tasks[name] == with_fields(state.tasks[name], fields)

    @rule(data=st.data(), kind=st.sampled_from(DependencyType))
    @precondition(lambda self: len(self.run.state.tasks) < 12)
    def add(self, data: st.DataObject, kind: DependencyType) -> None:
        names = [*self.run.state.tasks]
        deps = data.draw(st.lists(st.sampled_from(names), unique=True, max_size=2)) if names else []
        self._do(lambda run: run.change_plan([task(f"X-{len(names)}", deps)]))

    @rule(data=st.data())
    def refuse(self, data: st.DataObject) -> None:
        """A move that does not exist is refused with its name, and changes nothing."""
        name = self._one(data, *Status)
        if name is None:
            return
        run, status = self.run, self.run.state.status(name)
        illegal: list[tuple[str, Callable[[], object]]] = []
        if status not in (Status.PENDING, Status.RETRYING):
            illegal.append(("running", lambda: moves.start(run, [name], moves.BY_HAND)))
        if status is not Status.RUNNING:
            illegal.append(("completed", lambda: moves.complete(run, name, result="r", hash="h", spent=moves.Spent())))
            illegal.append(("failed", lambda: moves.require_running(run.state, name, None, Status.FAILED)))
        if status in DONE:
            illegal.append(("skipped", lambda: moves.skip(run, name, "…")))
        if status not in (Status.FAILED, Status.SKIPPED):
            illegal.append(("pending", lambda: moves.reopen(run, name, "…")))
        if status in (Status.RUNNING, Status.FAILED):
            illegal.append(("failed", lambda: moves.mark_failed(run, name, "…")))
        new, move = data.draw(st.sampled_from(illegal))
        before, count = facts(run.state, run.now), len(run.events)
        with pytest.raises(MoveRefusedError, match=f"{status} → {new}"):
            move()
        assert (facts(run.state, run.now), len(run.events)) == (before, count)

    @invariant()
    def what_is_kept_up_to_date_equals_what_is_worked_out_anew(self) -> None:
        state, now = self.run.state, self.run.now
        assert facts(reread(state), now) == facts(state, now)

    @invariant()
    def the_statuses_are_those_of_the_definition(self) -> None:
        state = self.run.state
        assert {name: state.status(name) for name in state.tasks} == derived_from_the_definition(state)

    @invariant()
    def counts_stages_and_the_ready_tasks_agree(self) -> None:
        state = self.run.state
        assert sum(state.counts.values()) == len(state.tasks)
        assert [*state.ready()] == sorted(state.with_status(Status.PENDING), key=state.start_key)
        for stage in range(1, state.stages + 1):
            members = [name for name in state.tasks if state.stage(name) == stage]
            assert members
            assert state.is_stage_done(stage) == all(state.status(name) in DONE for name in members)
        assert state.batches_completed <= {stage for stage in range(1, state.stages + 1) if state.is_stage_done(stage)}

    @invariant()
    def the_money_adds_up(self) -> None:
        state = self.run.state
        assert state.spent_usd == pytest.approx(sum(record.cost_usd for record in state.records.values()))
        assert state.reserved_usd == pytest.approx(
            0.5 * len([name for name in state.with_status(Status.RUNNING) if state.records[name].by == "run"])
        )

    def teardown(self) -> None:
        if hasattr(self, "run"):
            assert facts(replayed(self.run), self.run.now) == facts(self.run.state, self.run.now)


TestTheStateMachine = TheStateMachine.TestCase
TestTheStateMachine.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
