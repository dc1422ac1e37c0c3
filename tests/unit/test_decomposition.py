"""One task split into subtasks: ids, dependencies, what they inherit; and a task that ends as its last subtask does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given, settings

import dags
from orchestrator import graph
from orchestrator.dataclasses import replace
from orchestrator.errors import InvalidInputError
from orchestrator.events import EventType
from orchestrator.model import Dependency, DependencyType, Json, OnFailure, Priority, Status, Task, WritesPolicy
from orchestrator.plans.decomposition import Decomposition, decomposition
from orchestrator.plans.planfile import plan_text, with_task_fields, with_tasks
from orchestrator.plans.spec import checked_plan
from orchestrator.plans.subtasks import last_subtasks, subtasks, with_parents
from orchestrator.store import moves
from orchestrator.store.consequences import add_consequences
from runs import Run, facts, replayed, reread, run_of

PARENT = Task(
    "T-02",
    "Study",
    "Study the thing.",
    deps=(Dependency("T-01"), Dependency("T-00", DependencyType.SEQUENTIAL)),
    success_criteria=("It is studied",),
)
CHAIN: list[dict[str, Json]] = [
    {"id": "T-01", "name": "gather", "description": "Gather."},
    {"id": "T-02", "name": "analyse", "description": "Analyse.", "deps": ["T-01"]},
    {"id": "T-03", "name": "synthesize", "description": "Synthesize.", "deps": ["T-02"]},
]
TAKEN = ["T-00", "T-01", "T-02", "T-03"]


def split(
    parts: Sequence[Mapping[str, Json]] = CHAIN, task: Task = PARENT, taken: Sequence[str] = TAKEN, **how: bool
) -> Decomposition:
    return decomposition(task, parts, taken, **how)


def deps_of(made: Decomposition) -> dict[str, Json]:
    return {str(part["id"]): part.get("deps", []) for part in made.subtasks}


class TestIdsAndOrder:
    def test_subtasks_are_numbered_after_their_parent_and_name_it(self) -> None:
        made = split()
        assert made.ids == ["T-02.1", "T-02.2", "T-02.3"]
        assert {part["parent"] for part in made.subtasks} == {"T-02"}

    def test_the_first_gets_what_the_parent_waited_for_and_the_parent_waits_for_the_last(self) -> None:
        made = split()
        assert deps_of(made) == {
            "T-02.1": ["T-01", {"task": "T-00", "type": "sequential"}],
            "T-02.2": ["T-02.1"],
            "T-02.3": ["T-02.2"],
        }
        assert made.changes["deps"] == ["T-02.3"]
        assert made.last == "T-02.3"

    def test_several_ends_are_joined_by_the_parent_itself_which_is_told_so(self) -> None:
        made = split([{"name": "a", "description": "A."}, {"name": "b", "description": "B."}])
        assert made.last is None
        assert made.changes["deps"] == ["T-02.1", "T-02.2"]
        assert made.changes["description"] == (
            "This task was split into T-02.1 and T-02.2. You are given the results of T-02.1 and T-02.2:\n"
            "join them into the one result that the task asks for, and do none of the parts again.\n\n"
            "The task as it was given:\n\nStudy the thing."
        )

    def test_an_id_that_says_something_is_kept_where_names_are_wanted(self) -> None:
        parts: list[dict[str, Json]] = [
            {"id": "auth-db", "description": "A."},
            {"description": "B."},
            {"id": "T-01", "description": "C.", "deps": ["auth-db"]},
        ]
        assert split(parts).ids == ["auth-db", "T-02.1", "T-02.2"]
        assert split(parts, keeps_names=False).ids == ["T-02.1", "T-02.2", "T-02.3"]

    def test_a_number_that_is_taken_is_passed_over(self) -> None:
        assert split(taken=[*TAKEN, "t-02.1", "T-02.3"]).ids == ["T-02.2", "T-02.4", "T-02.5"]

    def test_a_dependency_on_another_task_of_the_plan_stays(self) -> None:
        parts: list[dict[str, Json]] = [{"description": "A.", "deps": ["T-09"]}, {"description": "B."}]
        assert deps_of(split(parts))["T-02.1"] == ["T-09", "T-01", {"task": "T-00", "type": "sequential"}]

    @pytest.mark.parametrize("parts", [[], CHAIN[:1]])
    def test_one_subtask_is_no_split(self, parts: list[dict[str, Json]]) -> None:
        with pytest.raises(InvalidInputError, match="would be split into"):
            split(parts)

    def test_subtasks_that_all_wait_for_each_other_are_refused(self) -> None:
        parts: list[dict[str, Json]] = [
            {"id": "a", "description": "A.", "deps": ["b"]},
            {"id": "b", "description": "B.", "deps": ["a"]},
        ]
        with pytest.raises(InvalidInputError, match="wait for each other"):
            split(parts)

    def test_two_subtasks_with_one_id_are_refused(self) -> None:
        with pytest.raises(InvalidInputError, match="two subtasks have the id x"):
            split([{"id": "x", "description": "A."}, {"id": "x", "description": "B."}])

    @settings(max_examples=80)
    @given(dags.dags(most=8))
    def test_whatever_the_graph_dependants_wait_for_all_of_it_and_it_waits_for_what_the_parent_did(
        self, deps: dags.Deps
    ) -> None:
        if len(deps) < 2:
            return
        parts: list[dict[str, Json]] = [
            {"id": f"s-{id}", "description": "Do.", "success_criteria": ["x"], "deps": [f"s-{dep}" for dep in needed]}
            for id, needed in deps.items()
        ]
        plan: list[Json] = [
            {"id": "T-00", "description": "Before.", "success_criteria": ["x"]},
            {"id": "T-01", "description": "Before.", "success_criteria": ["x"]},
            {"id": "T-02", "description": "Study.", "deps": ["T-01", {"task": "T-00", "type": "sequential"}]},
            {"id": "T-03", "description": "After.", "deps": ["T-02"], "success_criteria": ["x"]},
        ]
        made = split(parts)
        text = with_task_fields(
            with_tasks(plan_text({"title": "x", "tasks": plan}), made.subtasks), "T-02", made.changes
        )
        reading = checked_plan(text.encode())
        assert reading.plan is not None, reading.problems
        whole = graph.dependencies(reading.plan.tasks)
        after = graph.ancestors(whole, "T-03")
        assert {"T-02", "T-01", "T-00", *made.ids} <= after
        for id in made.ids:
            assert {"T-01", "T-00"} <= graph.ancestors(whole, id)
            assert id in graph.ancestors(whole, "T-02")
        ends = [id for id in deps if not any(id in needed for needed in deps.values())]
        assert (made.last is not None) == (len(ends) == 1)
        tasks = {task.id: task for task in reading.plan.tasks}
        assert last_subtasks(tasks) == ({"T-02": made.last} if made.last else {})
        assert subtasks(tasks, "T-02") == made.ids


class TestInheritance:
    def test_the_last_subtask_bears_what_the_parent_was_checked_by(self) -> None:
        parent = replace(
            PARENT,
            outputs=("docs/x.md",),
            writes=("docs/**",),
            writes_policy=WritesPolicy.FAIL,
            verify=("test -s docs/x.md",),
            result_schema={"type": "object"},
            allowed_tools=("Edit(./docs/**)",),
            permission_mode="acceptEdits",
        )
        parts: list[dict[str, Json]] = [
            *CHAIN[:2],
            {**CHAIN[2], "success_criteria": ["own"], "allowed_tools": ["WebFetch"]},
        ]
        first, _, last = split(parts, parent).subtasks
        assert last["success_criteria"] == ["own", "It is studied"]
        assert last["outputs"] == ["docs/x.md"]
        assert last["verify"] == ["test -s docs/x.md"]
        assert last["result_schema"] == {"type": "object"}
        assert last["writes"] == ["docs/**"]
        assert last["writes_policy"] == "fail"
        assert last["allowed_tools"] == ["WebFetch", "Edit(./docs/**)"]
        assert last["permission_mode"] == "acceptEdits"
        assert not first.keys() & {"outputs", "verify", "result_schema", "writes", "allowed_tools", "permission_mode"}

    def test_all_subtasks_take_what_concerns_all_of_the_work(self) -> None:
        parent = replace(
            PARENT,
            inputs=("src/**",),
            role="research",
            model="opus",
            priority=Priority.P0,
            resources=("database",),
            retry_safe=False,
            max_retries=0,
            on_failure=OnFailure.SKIP,
        )
        for part in split(task=parent).subtasks:
            assert part["inputs"] == ["src/**"]
            assert (part["role"], part["model"], part["priority"]) == ("research", "opus", "P0")
            assert part["resources"] == ["database"]
            assert (part["retry_safe"], part["max_retries"], part["on_failure"]) == (False, 0, "skip")

    def test_what_a_subtask_says_itself_stays(self) -> None:
        parts: list[dict[str, Json]] = [{**CHAIN[0], "model": "haiku", "inputs": ["docs/"], "priority": "P2"}, CHAIN[1]]
        parent = replace(PARENT, model="opus", inputs=("src/**",), priority=Priority.P0)
        first = split(parts, parent).subtasks[0]
        assert (first["model"], first["inputs"], first["priority"]) == ("haiku", ["docs/"], "P2")

    def test_an_approval_is_asked_before_the_first_subtask_and_not_again(self) -> None:
        made = split(task=replace(PARENT, approval=True))
        assert [part.get("approval") for part in made.subtasks] == [True, None, None]
        assert made.changes["approval"] is False

    def test_an_approval_that_was_given_holds_for_the_subtasks(self) -> None:
        made = split(task=replace(PARENT, approval=True), is_approved=True)
        assert [part.get("approval") for part in made.subtasks] == [None, None, None]
        assert "approval" not in made.changes

    @pytest.mark.parametrize(("parts", "shares"), [(CHAIN, 3), ([*CHAIN, {"description": "D."}], 5)])
    def test_the_budget_is_shared_and_never_exceeded(self, parts: list[dict[str, Json]], shares: int) -> None:
        made = split(parts, replace(PARENT, budget_usd=1.0))
        each = [float(str(part["budget_usd"])) for part in made.subtasks]
        own = made.changes["budget_usd"]
        assert len(set(each)) == 1
        assert sum(each) + float(str(own or 0)) <= 1.0
        assert each[0] == pytest.approx(1 / shares, abs=0.001)

    def test_the_parents_estimate_does_not_count_twice(self) -> None:
        from orchestrator.model import Estimate

        made = split(task=replace(PARENT, estimate=Estimate(60, 60), estimate_tokens=9))
        assert made.changes["estimate"] is None
        assert made.changes["estimate_tokens"] is None


def nested() -> Run:
    """T-01, split into two, the last of which is split again; T-02 waits for T-01."""
    return run_of(
        Task("T-01", "a", "a", deps=(Dependency("T-01.2"),)),
        Task("T-02", "b", "b", deps=(Dependency("T-01"),)),
        Task("T-01.1", "c", "c", parent="T-01"),
        Task("T-01.2", "d", "d", deps=(Dependency("T-01.2.2"),), parent="T-01"),
        Task("T-01.2.1", "e", "e", deps=(Dependency("T-01.1"),), parent="T-01.2"),
        Task("T-01.2.2", "f", "f", deps=(Dependency("T-01.2.1"),), parent="T-01.2"),
    )


def finished() -> Run:
    run = nested()
    for task in ("T-01.1", "T-01.2.1", "T-01.2.2"):
        run.complete(task)
        add_consequences(run)
    return run


class TestTakingOver:
    def test_a_task_ends_in_the_same_change_as_its_last_subtask_with_that_result(self) -> None:
        run = finished()
        assert run.statuses()["T-01"] == run.statuses()["T-01.2"] == "completed"
        assert run.statuses()["T-02"] == "pending"
        last = run.state.records["T-01.2.2"]
        for task in ("T-01.2", "T-01"):
            record = run.state.records[task]
            assert (record.result, record.hash, record.attempt) == (last.result, last.hash, 0)
        assert run.state.records["T-01"].taken_from == "T-01.2"
        started = [event["task"] for event in run.events if event["type"] == EventType.TASK_STARTED]
        assert started == ["T-01.1", "T-01.2.1", "T-01.2.2"], "no agent ran for a task that was split"

    def test_nobody_finds_it_pending_in_between(self) -> None:
        run = nested()
        run.complete("T-01.1", "T-01.2.1", "T-01.2.2")
        assert list(run.state.ready()) == ["T-02"], "with the very move, before the change ends"

    def test_nothing_is_taken_over_before_the_last_one_is_complete(self) -> None:
        run = nested()
        for task in ("T-01.1", "T-01.2.1"):
            run.complete(task)
            add_consequences(run)
        assert run.statuses()["T-01.2"] == run.statuses()["T-01"] == "waiting"

    def test_a_task_is_skipped_with_its_last_subtask(self) -> None:
        run = nested()
        run.complete("T-01.1")
        moves.skip(run, "T-01.2.2", "not needed")
        add_consequences(run)
        assert (run.statuses()["T-01.2"], run.statuses()["T-01"]) == ("skipped", "skipped")
        assert "T-01.2 was skipped" in run.state.records["T-01"].reason

    def test_a_task_is_skipped_with_a_last_subtask_that_failed_and_may_be_left_out(self) -> None:
        run = nested()
        run.complete("T-01.1", "T-01.2.1")
        run.change_plan([replace(run.state.tasks["T-01.2.2"], on_failure=OnFailure.SKIP)])
        run.give_up("T-01.2.2")
        assert (run.statuses()["T-01.2"], run.statuses()["T-01"]) == ("skipped", "skipped")

    def test_a_task_is_blocked_by_a_subtask_that_failed(self) -> None:
        run = nested()
        run.give_up("T-01.1")
        add_consequences(run)
        assert run.statuses()["T-01"] == "blocked"

    @pytest.mark.parametrize("ended", [Status.COMPLETED, Status.SKIPPED])
    def test_a_task_is_open_again_with_its_last_subtask_and_ends_with_it_again(self, ended: Status) -> None:
        run = finished()
        if ended is Status.SKIPPED:
            run = nested()
            run.complete("T-01.1")
            moves.skip(run, "T-01.2.2", "why")
            add_consequences(run)
        moves.reopen(run, "T-01.2.2", "again", allowed=[ended])
        add_consequences(run)
        assert run.statuses()["T-01"] in ("waiting", "pending")
        assert run.state.records["T-01"].result is None
        if run.statuses()["T-01.2.1"] != "completed":
            run.complete("T-01.2.1")
        run.complete("T-01.2.2")
        add_consequences(run)
        assert run.statuses()["T-01"] == "completed"

    def test_a_task_given_up_by_hand_is_left_alone_until_it_is_opened(self) -> None:
        run = finished()
        moves.mark_failed(run, "T-01", "by hand")
        add_consequences(run)
        assert run.statuses()["T-01"] == "failed"
        moves.reopen(run, "T-01", "again")
        add_consequences(run)
        assert run.statuses()["T-01"] == "completed"

    def test_a_task_skipped_by_hand_stays_skipped(self) -> None:
        run = nested()
        moves.skip(run, "T-01", "by hand")
        for task in ("T-01.1", "T-01.2.1", "T-01.2.2"):
            run.complete(task)
            add_consequences(run)
        assert run.statuses()["T-01"] == "skipped"

    def test_a_join_of_several_is_no_subtask_that_is_taken_over(self) -> None:
        run = run_of(
            Task("T-01", "a", "a", deps=(Dependency("T-01.1"), Dependency("T-01.2"))),
            Task("T-01.1", "c", "c", parent="T-01"),
            Task("T-01.2", "d", "d", parent="T-01"),
        )
        run.complete("T-01.1", "T-01.2")
        add_consequences(run)
        assert run.statuses()["T-01"] == "pending"

    def test_a_dependency_for_the_order_alone_hands_over_nothing(self) -> None:
        run = run_of(
            Task("T-01", "a", "a", deps=(Dependency("T-01.1", DependencyType.SEQUENTIAL),)),
            Task("T-01.1", "c", "c", parent="T-01"),
        )
        run.complete("T-01.1")
        add_consequences(run)
        assert run.statuses()["T-01"] == "pending"

    def test_the_journal_adds_up_to_the_same_state(self) -> None:
        run = finished()
        assert facts(replayed(run), run.now) == facts(run.state, run.now)
        assert facts(reread(run.state), run.now) == facts(run.state, run.now)

    def test_all_consequences_come_once(self) -> None:
        run = finished()
        before = len(run.events)
        add_consequences(run)
        assert len(run.events) == before

    def test_who_took_something_over_is_found_through_all_levels(self) -> None:
        last = last_subtasks(nested().state.tasks)
        assert last == {"T-01": "T-01.2", "T-01.2": "T-01.2.2"}
        assert with_parents(last, ["T-01.2.2", "T-02"]) == ["T-01.2.2", "T-02", "T-01.2", "T-01"]


class TestParentInAPlan:
    def problems(self, *tasks: dict[str, Json]) -> list[str]:
        text = plan_text({"title": "x", "tasks": list(tasks)})
        return [problem.message for problem in checked_plan(text.encode()).problems if "part of" in problem.message]

    def test_a_parent_that_waits_for_it_is_right(self) -> None:
        chain: dict[str, Json] = {"id": "a", "description": "x", "deps": ["c"]}
        middle: dict[str, Json] = {"id": "c", "description": "x", "deps": ["b"], "parent": "a"}
        assert self.problems(chain, middle, {"id": "b", "description": "x", "parent": "a"}) == []

    @pytest.mark.parametrize(
        ("parent", "message"),
        [
            ("zzz", 'there is no task "zzz" that it could be a part of'),
            ("a", "it is a part of a, which does not wait for it"),
            ("b", "it is a part of b, which does not wait for it"),
        ],
    )
    def test_any_other_parent_is_refused(self, parent: str, message: str) -> None:
        assert self.problems({"id": "a", "description": "x"}, {"id": "b", "description": "x", "parent": parent}) == [
            message
        ]
