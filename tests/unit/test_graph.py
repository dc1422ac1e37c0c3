"""The mathematics of dependencies, against definitions written out the slow way."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dags import Deps, dags, digraphs, task, whole_durations
from orchestrator import graph

REVIEW: Deps = {
    "read": [],
    "style": ["read"],
    "security": ["read"],
    "speed": ["read"],
    "report": ["style", "security", "speed"],
}
REVIEW_S = {"read": 5.0, "style": 10.0, "security": 30.0, "speed": 20.0, "report": 5.0}
LONG = 10_000


def paths_from(deps: Mapping[str, Sequence[str]], id: str) -> Iterator[list[str]]:
    """All paths that begin with ``id`` and end where nothing depends on the last."""
    after = [other for other in deps if id in deps[other]]
    if not after:
        yield [id]
    for other in after:
        for path in paths_from(deps, other):
            yield [id, *path]


def is_cycle(deps: Mapping[str, Sequence[str]], cycle: Sequence[str]) -> bool:
    return len(set(cycle)) == len(cycle) and all(
        after in deps[id] for id, after in zip(cycle, [*cycle[1:], cycle[0]], strict=True)
    )


class TestCycles:
    def test_a_graph_that_can_be_ordered_has_none(self) -> None:
        assert graph.cycles(REVIEW) == []

    def test_a_task_that_depends_on_itself_is_a_cycle_of_one(self) -> None:
        assert graph.cycles({"a": ["a"]}) == [["a"]]

    def test_each_id_of_a_cycle_depends_on_the_next(self) -> None:
        assert graph.cycles({"a": ["c"], "b": ["a"], "c": ["b"]}) == [["a", "c", "b"]]

    def test_a_knot_is_shown_by_its_shortest_cycle_through_the_first_written(self) -> None:
        assert graph.cycles({"a": ["b"], "b": ["c"], "c": ["b", "d"], "d": ["a", "c"]}) == [["a", "b", "c", "d"]]
        assert graph.cycles({"a": ["b"], "b": ["c", "a"], "c": ["a"]}) == [["a", "b"]]

    def test_separate_knots_are_separate_cycles_in_written_order(self) -> None:
        assert graph.cycles({"x": ["y"], "y": ["x"], "a": ["b", "x"], "b": ["a"]}) == [["x", "y"], ["a", "b"]]
        assert graph.cycles({"x": ["y", "a"], "y": ["x"], "a": ["b"], "b": ["a"]}) == [["x", "y"], ["a", "b"]]

    def test_unknown_ids_are_passed_over(self) -> None:
        assert graph.cycles({"a": ["nobody"], "b": ["a", "nobody"]}) == []

    def test_a_cycle_of_ten_thousand_is_found_whole(self) -> None:
        ring = {str(n): [str((n + 1) % LONG)] for n in range(LONG)}
        assert graph.cycles(ring) == [[str(n) for n in range(LONG)]]

    @given(digraphs())
    def test_there_is_a_cycle_exactly_where_there_is_no_order(self, deps: Deps) -> None:
        found = graph.cycles(deps)
        assert all(is_cycle(deps, cycle) for cycle in found)
        if found:
            with pytest.raises(graph.CycleError) as refusal:
                graph.order(deps)
            assert list(refusal.value.cycle) == found[0]
        else:
            assert len(graph.order(deps)) == len(deps)

    @given(digraphs())
    def test_every_id_on_a_cycle_is_in_the_knot_of_a_named_one(self, deps: Deps) -> None:
        found = graph.cycles(deps)
        for id in deps:
            on_cycle = id in graph.ancestors(deps, id)
            knots = [c for c in found if graph.has_path(deps, id, c[0]) and graph.has_path(deps, c[0], id)]
            assert len(knots) == on_cycle

    def test_the_error_names_the_cycle_as_a_person_reads_it(self) -> None:
        with pytest.raises(graph.CycleError, match="T-01 → T-03 → T-01"):
            graph.stages({"T-01": ["T-03"], "T-03": ["T-01"]})


class TestOrder:
    def test_what_is_free_stays_as_written(self) -> None:
        assert graph.order({"b": [], "a": [], "c": []}) == ["b", "a", "c"]

    def test_only_what_must_move_moves(self) -> None:
        assert graph.order({"report": ["read"], "other": [], "read": [], "last": []}) == [
            "other",
            "read",
            "report",
            "last",
        ]

    @given(dags())
    def test_each_comes_after_what_it_depends_on(self, deps: Deps) -> None:
        place = {id: at for at, id in enumerate(graph.order(deps))}
        assert place.keys() == deps.keys()
        assert all(place[dep] < place[id] for id in deps for dep in deps[id])

    @given(dags())
    def test_an_order_that_works_is_kept(self, deps: Deps) -> None:
        right = {id: deps[id] for id in graph.order(deps)}
        assert graph.order(right) == list(right)


class TestStages:
    def test_they_count_from_one_by_the_longest_way(self) -> None:
        deps = {**REVIEW, "extra": ["read", "report"]}
        expected = {"read": 1, "style": 2, "security": 2, "speed": 2, "report": 3, "extra": 4}
        assert graph.stages(deps) == expected

    @given(dags())
    def test_a_task_is_one_stage_above_the_highest_that_it_needs(self, deps: Deps) -> None:
        stages = graph.stages(deps)
        assert list(stages) == list(deps)
        for id in deps:
            assert stages[id] == 1 + max((stages[dep] for dep in deps[id]), default=0)


class TestNeighbours:
    def test_dependants_are_in_written_order_and_counted_once(self) -> None:
        deps = {"c": ["a", "a"], "a": [], "b": ["a", "unknown"]}
        assert graph.dependants(deps) == {"c": [], "a": ["c", "b"], "b": []}

    def test_ancestors_reach_through_others(self) -> None:
        assert graph.ancestors(REVIEW, "report") == {"read", "style", "security", "speed"}
        assert graph.ancestors(REVIEW, "read") == set()
        assert graph.ancestors(REVIEW, "unknown") == set()

    def test_a_path_leads_from_a_task_to_what_it_depends_on(self) -> None:
        assert graph.has_path(REVIEW, "report", "read")
        assert not graph.has_path(REVIEW, "read", "report")
        assert graph.has_path(REVIEW, "read", "read")

    @given(dags(), st.data())
    def test_a_new_dependency_closes_a_cycle_exactly_where_a_path_leads_back(
        self, deps: Deps, data: st.DataObject
    ) -> None:
        if not deps:
            return
        id, needed = data.draw(st.tuples(st.sampled_from([*deps]), st.sampled_from([*deps])))
        longer = {**deps, id: [*deps[id], needed]}
        assert bool(graph.cycles(longer)) == graph.has_path(deps, needed, id)

    @given(dags())
    def test_counts_of_dependants_are_those_whose_ancestor_one_is(self, deps: Deps) -> None:
        counts = graph.dependant_counts(deps)
        assert counts == {id: sum(id in graph.ancestors(deps, other) for other in deps) for id in deps}


class TestCriticalPath:
    def test_it_is_the_longest_way_through(self) -> None:
        assert graph.critical_path(REVIEW, REVIEW_S) == ["read", "security", "report"]
        assert graph.critical_path_length(REVIEW, REVIEW_S) == 40

    def test_a_task_without_an_estimate_takes_one_unit(self) -> None:
        assert graph.critical_path_length(REVIEW, {}) == 3
        assert graph.critical_path_length(REVIEW, {"speed": 2.5}) == 4.5

    def test_of_equal_paths_the_first_written_is_taken(self) -> None:
        assert graph.critical_path(REVIEW, {}) == ["read", "style", "report"]

    def test_an_empty_graph_has_none(self) -> None:
        assert graph.critical_path({}, {}) == []
        assert graph.critical_path_length({}, {}) == 0

    def test_durations_of_zero_leave_it_running_from_beginning_to_end(self) -> None:
        assert graph.critical_path({"a": ["b"], "b": []}, {"a": 0, "b": 0}) == ["b", "a"]

    @given(dags().flatmap(lambda deps: st.tuples(st.just(deps), whole_durations(deps))))
    def test_its_length_is_the_greatest_of_all_paths(self, case: tuple[Deps, dict[str, float]]) -> None:
        deps, duration = case
        path = graph.critical_path(deps, duration)
        lengths = [sum(duration[id] for id in way) for start in deps for way in paths_from(deps, start)]
        assert sum(duration[id] for id in path) == graph.critical_path_length(deps, duration) == max(lengths, default=0)
        assert all(before in deps[after] for before, after in pairwise(path))

    @given(dags().flatmap(lambda deps: st.tuples(st.just(deps), whole_durations(deps))))
    def test_the_remaining_path_is_the_longest_from_here(self, case: tuple[Deps, dict[str, float]]) -> None:
        deps, duration = case
        remaining = graph.longest_path_to_end(deps, duration)
        for id in deps:
            assert remaining[id] == max(sum(duration[step] for step in way) for way in paths_from(deps, id))


class TestSlack:
    def test_it_is_what_each_may_be_late(self) -> None:
        assert graph.slack(REVIEW, REVIEW_S) == {"read": 0, "style": 20, "security": 0, "speed": 10, "report": 0}

    def test_rounding_of_sums_is_no_slack(self) -> None:
        # From the front this path is 0.6 long, from the back 0.6000000000000001.
        assert graph.slack({"a": [], "b": ["a"], "c": ["b"]}, {"a": 0.3, "b": 0.2, "c": 0.1})["c"] == 0

    @given(dags().flatmap(lambda deps: st.tuples(st.just(deps), whole_durations(deps))))
    def test_it_is_zero_exactly_on_critical_paths(self, case: tuple[Deps, dict[str, float]]) -> None:
        deps, duration = case
        length = graph.critical_path_length(deps, duration)
        critical = {
            id
            for start in deps
            for way in paths_from(deps, start)
            if sum(duration[step] for step in way) == length
            for id in way
        }
        slack = graph.slack(deps, duration)
        assert {id for id, spare in slack.items() if spare == 0} == critical
        assert set(graph.critical_path(deps, duration)) <= critical

    @given(dags().flatmap(lambda deps: st.tuples(st.just(deps), whole_durations(deps))), st.data())
    def test_a_delay_beyond_it_delays_the_whole_by_the_rest(
        self, case: tuple[Deps, dict[str, float]], data: st.DataObject
    ) -> None:
        deps, duration = case
        if not deps:
            return
        id, delay = data.draw(st.tuples(st.sampled_from([*deps]), st.integers(0, 50)))
        late = graph.critical_path_length(deps, {**duration, id: duration[id] + delay})
        spare = graph.slack(deps, duration)[id]
        assert late - graph.critical_path_length(deps, duration) == max(0, delay - spare)


class TestSize:
    """A chain as long as any plan: whatever recursed would fail here."""

    CHAIN: Deps = {str(n): [str(n + 1)] for n in range(LONG)} | {str(LONG): []}

    def test_a_chain_of_ten_thousand_has_its_order(self) -> None:
        assert graph.order(self.CHAIN) == [str(n) for n in range(LONG, -1, -1)]
        assert graph.stages(self.CHAIN)["0"] == LONG + 1
        assert graph.cycles(self.CHAIN) == []

    def test_a_chain_of_ten_thousand_has_its_paths(self) -> None:
        assert graph.critical_path_length(self.CHAIN, {}) == LONG + 1
        assert len(graph.critical_path(self.CHAIN, {})) == LONG + 1
        assert set(graph.slack(self.CHAIN, {}).values()) == {0}
        assert len(graph.ancestors(self.CHAIN, "0")) == LONG
        assert graph.dependant_counts(self.CHAIN)[str(LONG)] == LONG


def test_tasks_give_their_dependencies_and_the_upper_end_of_their_estimates() -> None:
    tasks = [task("T-01", s=(60, 90)), task("T-02", ["T-01"])]
    assert graph.dependencies(tasks) == {"T-01": (), "T-02": ("T-01",)}
    assert graph.durations(tasks) == {"T-01": 90, "T-02": graph.UNIT}
