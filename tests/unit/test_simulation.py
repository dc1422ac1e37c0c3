"""The simulated scheduler: what it may never do, and how far from the best it may be."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dags import Deps, dags, task
from orchestrator import graph
from orchestrator.model import Priority, Task
from orchestrator.plans.globs import overlap
from orchestrator.plans.simulation import Claim, Schedule, claims, lower_bound, makespan, schedule, simulate

SLOTS = st.integers(1, 4)
GLOBS = ["src/**", "src/a.py", "src/*.py", "docs", "docs/x.md", "**/*.md"]


@st.composite
def plans(draw: st.DrawFn, with_claims: bool = True) -> list[Task]:
    """Tasks with whole durations, in a graph, some of which want the same things."""
    deps: Deps = draw(dags())
    things = st.lists(st.sampled_from(["db", "gpu"]), max_size=2) if with_claims else st.just([])
    globs = st.lists(st.sampled_from(GLOBS), max_size=2) if with_claims else st.just([])
    return [
        task(id, needed, draw(st.integers(1, 9)), resources=tuple(draw(things)), writes=tuple(draw(globs)))
        for id, needed in deps.items()
    ]


def exclude_each_other(one: Task, other: Task) -> bool:
    return bool(set(one.resources) & set(other.resources)) or any(
        overlap(glob, its) for glob, its in product(one.writes, other.writes)
    )


def running(plan: Sequence[Task], done: Schedule, at: float) -> list[Task]:
    return [each for each in plan if done.spans[each.id][0] <= at < done.spans[each.id][1]]


class TestWhatEveryScheduleKeeps:
    @given(plans(), SLOTS)
    def test_every_task_runs_once_for_its_duration_after_what_it_needs(self, plan: list[Task], slots: int) -> None:
        done = schedule(plan, slots)
        assert list(done.spans) == [each.id for each in plan]
        for each in plan:
            start, end = done.spans[each.id]
            assert end - start == each.estimate.high_s if each.estimate else 1
            assert all(done.spans[dep][1] <= start for dep in each.dep_ids)

    @given(plans(), SLOTS)
    def test_never_more_tasks_than_slots_and_never_two_that_want_the_same(self, plan: list[Task], slots: int) -> None:
        done = schedule(plan, slots)
        busiest = 0
        for start, _ in done.spans.values():
            together = running(plan, done, start)
            busiest = max(busiest, len(together))
            assert len(together) <= slots
            pairs = [(a, b) for a in together for b in together if a.id < b.id]
            assert not any(exclude_each_other(a, b) for a, b in pairs)
        assert done.busiest == busiest

    @given(plans(), SLOTS)
    def test_no_task_waits_that_could_start(self, plan: list[Task], slots: int) -> None:
        done = schedule(plan, slots)
        ends = {0.0, *(end for _, end in done.spans.values())}
        for each in plan:
            ready = max((done.spans[dep][1] for dep in each.dep_ids), default=0.0)
            for at in sorted(ends):
                if ready <= at < done.spans[each.id][0]:
                    together = running(plan, done, at)
                    assert len(together) == slots or any(exclude_each_other(each, other) for other in together)

    @given(plans(), SLOTS)
    def test_time_waited_for_claims_is_between_ready_and_start(self, plan: list[Task], slots: int) -> None:
        done = schedule(plan, slots)
        ready = {each.id: max((done.spans[dep][1] for dep in each.dep_ids), default=0.0) for each in plan}
        late = sum(done.spans[id][0] - at for id, at in ready.items())
        assert 0 <= sum(done.waits.values()) <= late

    @given(plans(), SLOTS)
    def test_the_same_plan_gives_the_same_schedule(self, plan: list[Task], slots: int) -> None:
        assert schedule(plan, slots) == schedule(plan, slots)


class TestBounds:
    @given(plans(with_claims=False), SLOTS)
    def test_the_makespan_is_within_grahams_bound(self, plan: list[Task], slots: int) -> None:
        least = lower_bound(graph.dependencies(plan), graph.durations(plan), slots)
        assert least <= makespan(plan, slots) <= (2 - 1 / slots) * least + 1e-9

    @given(plans(), SLOTS)
    def test_nothing_beats_the_lower_bound(self, plan: list[Task], slots: int) -> None:
        assert makespan(plan, slots) >= lower_bound(graph.dependencies(plan), graph.durations(plan), slots)

    @given(plans(with_claims=False))
    def test_with_a_slot_for_everyone_it_is_the_critical_path(self, plan: list[Task]) -> None:
        deps, durations = graph.dependencies(plan), graph.durations(plan)
        assert makespan(plan, max(1, len(plan))) == graph.critical_path_length(deps, durations)

    @given(plans())
    def test_with_one_slot_it_is_all_the_work(self, plan: list[Task]) -> None:
        assert makespan(plan, 1) == sum(graph.durations(plan).values())

    def test_the_lower_bound_is_the_path_or_the_share_of_the_work(self) -> None:
        deps: Deps = {"a": [], "b": [], "c": ["b"]}
        assert lower_bound(deps, {"a": 10, "b": 1, "c": 1}, 2) == 10
        assert lower_bound(deps, {"a": 4, "b": 4, "c": 4}, 1) == 12
        assert lower_bound({}, {}, 3) == 0


class TestOrder:
    def test_the_longest_remaining_path_starts_first(self) -> None:
        plan = [task("short", s=4), task("head", s=2), task("tail", ["head"], s=6)]
        assert schedule(plan, 1).spans["head"] == (0, 2)

    def test_a_given_priority_goes_before_the_path(self) -> None:
        plan = [task("urgent", s=1, priority=Priority.P0), task("long", s=9, priority=Priority.P1)]
        assert schedule(plan, 1).spans == {"urgent": (0, 1), "long": (1, 10)}

    def test_equals_start_in_natural_order(self) -> None:
        plan = [task(id, s=1, priority=Priority.P2) for id in ("T-10", "T-9", "T-1")]
        assert [id for id, _ in sorted(schedule(plan, 1).spans.items(), key=lambda item: item[1])] == [
            "T-1",
            "T-9",
            "T-10",
        ]

    def test_a_dependant_starts_at_once_and_not_with_its_stage(self) -> None:
        plan = [task("a", s=1), task("slow", s=9), task("b", ["a"], s=1)]
        assert schedule(plan, 2).spans["b"] == (1, 2)

    def test_what_ends_at_once_is_seen_at_once(self) -> None:
        plan = [
            task("a", s=2, priority=Priority.P0),
            *(task("b", s=2, priority=Priority.P1), task("c", ["b"], s=5), task("d", ["b"], s=5), task("x", s=1)),
        ]
        assert schedule(plan, 2).spans["x"] == (7, 8)

    def test_real_durations_change_the_times_and_not_the_order(self) -> None:
        plan = [task("a", s=9), task("b", s=1)]
        assert schedule(plan, 1, {"a": 1, "b": 9}).spans == {"a": (0, 1), "b": (1, 10)}


class TestClaims:
    def test_tasks_with_one_resource_take_turns(self) -> None:
        done = schedule([task("a", s=4, resources=("db",)), task("b", s=3, resources=("db",)), task("c", s=2)], 3)
        assert done.spans == {"a": (0, 4), "b": (4, 7), "c": (0, 2)}
        assert done.waits == {Claim("resource", "db"): 4}

    def test_overlapping_writes_never_run_at_once(self) -> None:
        done = schedule([task("a", s=4, writes=("src/**",)), task("b", s=3, writes=("src/x.py",))], 2)
        assert done.makespan == 7

    def test_a_resource_and_a_path_of_one_name_are_two_things(self) -> None:
        assert makespan([task("a", s=4, writes=("db",)), task("b", s=3, resources=("db",))], 2) == 4

    def test_one_that_cannot_start_lets_the_next_go_first(self) -> None:
        plan = [task("a", s=5, resources=("db",)), task("b", s=4, resources=("db",)), task("c", s=3)]
        assert schedule(plan, 2).spans["c"] == (0, 3)

    def test_a_task_that_wants_two_things_waits_for_both(self) -> None:
        plan = [
            task("a", s=5, resources=("db",)),
            task("b", s=7, resources=("gpu",)),
            task("both", s=1, resources=("db", "gpu")),
            task("later", s=1, resources=("db",), priority=Priority.P3),
        ]
        assert schedule(plan, 4).spans == {"a": (0, 5), "b": (0, 7), "both": (7, 8), "later": (5, 6)}

    def test_a_thing_named_twice_is_held_once(self) -> None:
        assert claims(task("a", resources=("db", "db"), writes=("x", "x"))) == (
            Claim("resource", "db"),
            Claim("writes", "x"),
        )
        assert makespan([task("a", s=1, resources=("db", "db")), task("b", s=1, resources=("db",))], 2) == 2


class TestLimits:
    def test_an_empty_plan_takes_no_time(self) -> None:
        assert schedule([], 4) == Schedule({}, {}, 0)
        assert makespan([], 4) == 0

    def test_a_run_without_slots_is_refused(self) -> None:
        with pytest.raises(ValueError, match="at least one slot"):
            makespan([task("a")], 0)

    def test_a_cycle_is_refused(self) -> None:
        deps = {"a": ["b"], "b": ["a"], "c": []}
        keys = {id: (Priority.P2, 0.0, ((id,), id)) for id in deps}
        with pytest.raises(graph.CycleError, match="a → b → a"):
            simulate(deps, {}, 2, keys)

    def test_ten_thousand_tasks_with_one_resource_and_a_file_each_are_no_trouble(self) -> None:
        plan = [task(f"T-{n}", s=1, resources=("db",), writes=(f"src/{n}/**",)) for n in range(10_000)]
        done = schedule(plan, 8)
        assert done.makespan == 10_000
        assert done.waits[Claim("resource", "db")] == sum(range(10_000))
