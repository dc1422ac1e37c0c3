"""Names of tasks, agents and files, and the orders that follow from them."""

from __future__ import annotations

import random
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dags import Deps, dags, task
from orchestrator import graph, ids
from orchestrator.model import AGENT_ID, Priority

IDS = st.text(st.sampled_from("Tt-.0129"), max_size=8)


class TestNaturalOrder:
    def test_numbers_count_as_numbers(self) -> None:
        right = ["T-1", "T-2", "T-2.1", "T-2.9", "T-2.10", "T-10", "auth-002-backend", "auth-010"]
        # As people sort: case does not count, so "auth" stands before "T".
        right = [*right[6:], *right[:6]]
        shuffled = random.Random(3).sample(right, len(right))
        assert sorted(shuffled, key=ids.natural_key) == right

    def test_ids_that_differ_in_zeros_or_case_alone_stand_in_one_order(self) -> None:
        for order in permutations(["T-1", "T-01", "t-1"]):
            assert sorted(order, key=ids.natural_key) == ["T-01", "T-1", "t-1"]

    @given(st.lists(IDS, max_size=12), st.randoms())
    def test_it_is_a_total_order(self, names: list[str], random: random.Random) -> None:
        in_order = sorted(names, key=ids.natural_key)
        random.shuffle(names)
        assert sorted(names, key=ids.natural_key) == in_order

    @given(st.text(max_size=20), st.text(max_size=20))
    def test_any_two_texts_compare_and_only_equal_ones_are_equal(self, one: str, other: str) -> None:
        a, b = ids.natural_key(one), ids.natural_key(other)
        assert (a < b) + (a > b) + (a == b) == 1
        assert (a == b) == (one == other)


class TestStartOrder:
    def test_priority_then_remaining_path_then_natural_order(self) -> None:
        right = [
            ids.start_order(Priority.P0, 1, "T-9"),
            ids.start_order(Priority.P1, 60, "T-10"),
            ids.start_order(Priority.P1, 30, "T-2"),
            ids.start_order(Priority.P1, 30, "T-10"),
            ids.start_order(Priority.P3, 900, "T-1"),
        ]
        assert sorted(random.Random(1).sample(right, len(right))) == right

    def test_given_priorities_go_first_and_the_remaining_path_decides_among_the_others(self) -> None:
        tasks = [
            task("T-1", s=10),
            task("T-2", s=60),
            task("T-3", ["T-1"], s=5),
            task("T-4", s=99, priority=Priority.P3),
            task("T-5", s=1, priority=Priority.P0),
        ]
        keys = ids.start_keys(tasks)
        assert sorted(keys, key=keys.__getitem__) == ["T-5", "T-2", "T-1", "T-3", "T-4"]
        assert keys["T-1"] == ids.start_order(Priority.P1, 15, "T-1")


class TestTaskIds:
    @pytest.mark.parametrize("id", ["T-03", "auth-002-backend", "T-03.1", "1", "a_b", "x" * 64, "console", "com10"])
    def test_safe_names_are_task_ids(self, id: str) -> None:
        assert ids.is_task_id(id)

    @pytest.mark.parametrize(
        "id",
        [
            *("", ".", "..", "-x", "_x", ".x", "a/b", "a\\b", "a b", "é", "T-01\n", "a:b", "x" * 65),
            *("con", "NUL", "nul.txt", "Com1", "LPT9.1", "aux", "prn.md"),
        ],
    )
    def test_unsafe_names_and_devices_are_not(self, id: str) -> None:
        assert not ids.is_task_id(id)

    def test_missing_ids_are_numbered_from_one(self) -> None:
        free = ids.free_task_ids([])
        assert [next(free) for _ in range(3)] == ["T-01", "T-02", "T-03"]

    def test_numbers_in_use_are_passed_over_however_they_are_written(self) -> None:
        free = ids.free_task_ids(["T-02", "t-1", "T-004", "T-05.1", "auth-03"])
        assert [next(free) for _ in range(3)] == ["T-03", "T-05", "T-06"]
        assert next(ids.free_task_ids(f"T-{n:02d}" for n in range(1, 100))) == "T-100"

    @given(st.lists(IDS, max_size=20))
    def test_a_new_id_is_safe_and_unique_without_regard_to_case(self, existing: list[str]) -> None:
        new = next(ids.free_task_ids(existing))
        assert ids.is_task_id(new)
        assert new.casefold() not in {id.casefold() for id in existing}

    def test_subtasks_carry_their_parent(self) -> None:
        assert ids.subtask_id("T-03", 1) == "T-03.1"
        assert ids.natural_key(ids.subtask_id("T-03", 2)) < ids.natural_key(ids.subtask_id("T-03", 10))


class TestAgents:
    def test_they_are_numbered_with_two_digits_and_more_where_needed(self) -> None:
        assert [ids.agent_id(n) for n in (1, 99, 100)] == ["Agent-01", "Agent-99", "Agent-100"]

    @given(st.integers(1, 10**6))
    def test_an_agents_number_is_read_back(self, n: int) -> None:
        assert AGENT_ID.fullmatch(ids.agent_id(n))
        assert ids.agent_number(ids.agent_id(n)) == n

    def test_there_is_no_agent_zero(self) -> None:
        with pytest.raises(ValueError, match="counted from 1"):
            ids.agent_id(0)

    @pytest.mark.parametrize(
        "name", ["", "Agent-0", "Agent-00", "Agent-1", "agent-01", "Agent-01 ", "Agent-007", "Bob"]
    )
    def test_other_names_have_no_number(self, name: str) -> None:
        assert ids.agent_number(name) is None

    def test_files_are_named_after_the_agent(self) -> None:
        assert ids.agent_slug("Agent-01") == "agent-01"
        assert ids.agent_file("Agent-01", "T-03", shared=False) == "agent-01.md"
        assert ids.result_file("Agent-01", "T-03", shared=False) == "agent-01-result.md"

    def test_files_of_an_agent_with_several_tasks_carry_the_task(self) -> None:
        assert ids.agent_file("Agent-01", "T-03", shared=True) == "agent-01.T-03.md"
        assert ids.result_file("Agent-01", "T-03", shared=True) == "agent-01.T-03-result.md"


class TestAssignment:
    def test_each_task_gets_an_agent_of_its_own(self) -> None:
        assert ids.assigned_agents([task("b"), task("a")], {}) == {"b": "Agent-01", "a": "Agent-02"}

    def test_given_agents_stay_and_their_numbers_are_not_used_again(self) -> None:
        tasks = [task("a"), task("b", agent="Agent-01"), task("c", agent="Agent-01"), task("d")]
        expected = {"a": "Agent-02", "b": "Agent-01", "c": "Agent-01", "d": "Agent-03"}
        assert ids.assigned_agents(tasks, {}) == expected

    def test_assigned_agents_stay_when_tasks_are_added(self) -> None:
        before = ids.assigned_agents([task("b"), task("c")], {})
        after = ids.assigned_agents([task("a"), task("b"), task("c")], before)
        assert after == {"a": "Agent-03", "b": "Agent-01", "c": "Agent-02"}

    def test_the_agent_of_a_task_that_is_gone_is_not_given_again(self) -> None:
        assert ids.assigned_agents([task("a")], {"gone": "Agent-01"}) == {"a": "Agent-02"}

    def test_a_plan_may_change_its_mind(self) -> None:
        assert ids.assigned_agents([task("a", agent="Agent-07")], {"a": "Agent-01"}) == {"a": "Agent-07"}

    @given(dags(), st.data())
    def test_nobody_gets_an_agent_that_somebody_has(self, deps: Deps, data: st.DataObject) -> None:
        agents = st.none() | st.integers(1, 5).map(ids.agent_id)
        tasks = [task(id, agent=data.draw(agents)) for id in deps]
        taken = {id: agent for id in deps if (agent := data.draw(agents))}
        result = ids.assigned_agents(tasks, taken)
        new = [result[task.id] for task in tasks if not task.agent and task.id not in taken]
        kept = {*taken.values(), *(task.agent for task in tasks)}
        assert len(set(new)) == len(new)
        assert not kept & set(new)


class TestPriorities:
    def test_the_critical_path_comes_first_then_what_others_wait_for(self) -> None:
        tasks = [task("a", s=1), task("b", ["a"], s=9), task("c", ["a"], s=2), task("d", ["c"], s=2), task("e", s=3)]
        expected = {"a": Priority.P0, "b": Priority.P0, "c": Priority.P1, "d": Priority.P2, "e": Priority.P2}
        assert ids.priorities(tasks) == expected

    def test_given_ones_stay(self) -> None:
        tasks = [task("a", priority=Priority.P3), task("b", ["a"], priority=Priority.P1)]
        assert ids.priorities(tasks) == {"a": Priority.P3, "b": Priority.P1}

    @given(dags())
    def test_p3_is_never_derived_and_p0_is_the_critical_path(self, deps: Deps) -> None:
        tasks = [task(id, needed) for id, needed in deps.items()]
        result = ids.priorities(tasks)
        assert Priority.P3 not in result.values()
        assert {id for id in result if result[id] is Priority.P0} == set(graph.critical_path(deps, {}))
