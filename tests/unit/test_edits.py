from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dags import task
from orchestrator.dataclasses import replace
from orchestrator.errors import Problem
from orchestrator.events import EventType
from orchestrator.model import Dependency, DependencyType, Priority, Status
from orchestrator.render.master_plan import new_document
from orchestrator.store import moves
from orchestrator.store.edits import DroppedEdit, Edit, FieldEdit, MoveEdit, hand_edits
from orchestrator.store.state import State
from orchestrator.store.statustable import Row
from orchestrator.texts.document import read_document
from runs import Run, replayed, run_of


def shown(state: State) -> list[Row]:
    """The rows of the table of ``state``, as a person has them before them."""
    reading = read_document(new_document(state, []))
    assert reading.layout is not None, reading.problems
    return list(reading.rows)


def with_row(rows: list[Row], id: str, /, **cells: object) -> list[Row]:
    """``rows`` with other cells in the row of one task."""
    return [replace(row, **cells) if row.task == id else row for row in rows]


def edits_of(run: Run, id: str, /, **cells: object) -> list[Edit]:
    """What an edit of a fresh table asks for; it must be allowed."""
    edits, problems = hand_edits(with_row(shown(run.state), id, **cells), replayed(run), run.state)
    assert problems == []
    return edits


def refusal(run: Run, id: str, /, **cells: object) -> Problem:
    """The one problem that refuses an edit of a fresh table."""
    edits, problems = hand_edits(with_row(shown(run.state), id, **cells), replayed(run), run.state)
    assert (edits, len(problems)) == ([], 1)
    return problems[0]


def chain() -> Run:
    return run_of(task("T-01"), task("T-02", ["T-01"]), task("T-03", ["T-02"]))


class TestStatuses:
    def test_a_table_that_was_not_touched_asks_for_nothing(self) -> None:
        run = chain()
        run.complete("T-01")
        assert hand_edits(shown(run.state), replayed(run), run.state) == ([], [])

    @pytest.mark.parametrize("status", [Status.WAITING, Status.PENDING, Status.BLOCKED, Status.FAILED, Status.RETRYING])
    def test_whatever_is_not_completed_may_be_skipped(self, status: Status) -> None:
        run = chain()
        match status:
            case Status.BLOCKED:
                run.give_up("T-01")
            case Status.FAILED:
                run.complete("T-01")
                run.give_up("T-02")
            case Status.RETRYING:
                run.complete("T-01")
                run.fail("T-02")
            case Status.PENDING:
                run.complete("T-01")
        assert run.state.status("T-02") is status
        [edit] = edits_of(run, "T-02", status=Status.SKIPPED)
        assert edit == MoveEdit("T-02", status, Status.SKIPPED, edit.line)

    @pytest.mark.parametrize("is_skipped", [True, False])
    def test_failed_and_skipped_may_be_set_to_pending(self, is_skipped: bool) -> None:
        run = chain()
        if is_skipped:
            moves.skip(run, "T-01", "…")
        else:
            run.give_up("T-01")
        [edit] = edits_of(run, "T-01", status=Status.PENDING)
        assert isinstance(edit, MoveEdit)
        assert edit.new is Status.PENDING

    def test_running_and_completed_are_asked_for(self) -> None:
        run = chain()
        [start] = edits_of(run, "T-01", status=Status.RUNNING)
        assert isinstance(start, MoveEdit)
        run.start("T-01")
        [complete] = edits_of(run, "T-01", status=Status.COMPLETED)
        assert complete == MoveEdit("T-01", Status.RUNNING, Status.COMPLETED, complete.line)

    @pytest.mark.parametrize(
        ("name", "new", "move"),
        [
            ("T-01", Status.SKIPPED, "completed → skipped"),
            ("T-01", Status.PENDING, "completed → pending"),
            ("T-01", Status.FAILED, "completed → failed"),
            ("T-01", Status.RUNNING, "completed → running"),
            ("T-02", Status.FAILED, "pending → failed"),
            ("T-02", Status.WAITING, "pending → waiting"),
            ("T-02", Status.BLOCKED, "pending → blocked"),
            ("T-02", Status.RETRYING, "pending → retrying"),
            ("T-03", Status.PENDING, "waiting → pending"),
            ("T-03", Status.RUNNING, "waiting → running"),
            ("T-03", Status.COMPLETED, "waiting → completed"),
        ],
    )
    def test_anything_else_is_refused_naming_line_task_and_move(self, name: str, new: Status, move: str) -> None:
        run = chain()
        run.complete("T-01")
        line = next(row.line for row in shown(run.state) if row.task == name)
        problem = refusal(run, name, status=new)
        assert (problem.task, problem.line) == (name, line + 1)
        assert move in problem.message
        assert problem.advice

    def test_a_derived_status_is_never_set_and_the_refusal_says_so(self) -> None:
        assert "never set" in refusal(chain(), "T-02", status=Status.PENDING).message


class TestFields:
    def test_name_priority_and_dependencies_of_a_task_not_started_may_change(self) -> None:
        run = chain()
        [edit] = edits_of(run, "T-03", name="Other", priority=Priority.P3, deps=("T-01",))
        assert isinstance(edit, FieldEdit)
        assert edit.fields == {"name": "Other", "priority": "P3", "deps": ["T-01"]}

    def test_the_type_of_a_dependency_that_stays_is_kept(self) -> None:
        run = run_of(task("T-01"), task("T-02"), task("T-03", [Dependency("T-01", DependencyType.SEQUENTIAL)]))
        [edit] = edits_of(run, "T-03", deps=("T-01", "T-02"))
        assert isinstance(edit, FieldEdit)
        assert edit.fields == {"deps": [["T-01", "sequential"], "T-02"]}

    def test_dependencies_are_found_in_any_case_and_their_order_is_no_edit(self) -> None:
        run = run_of(task("T-01"), task("T-02"), task("T-03", ["T-01", "T-02"]))
        assert edits_of(run, "T-03", deps=("t-02", "T-01")) == []

    @pytest.mark.parametrize(
        ("cells", "message"),
        [
            ({"deps": ("T-09",)}, "T-03 cannot depend on T-09: there is no such task"),
            ({"deps": ("T-03",)}, "T-03 cannot depend on itself"),
            ({"name": ""}, "the task description is empty"),
            ({"agent": "Agent-09"}, "the agent of T-03 cannot be changed here: Agent-03 → Agent-09"),
        ],
    )
    def test_what_cannot_be_is_refused(self, cells: dict[str, object], message: str) -> None:
        problem = refusal(chain(), "T-03", **cells)
        assert problem.message == message
        assert problem.task == "T-03"

    def test_a_cycle_is_refused_and_named(self) -> None:
        problem = refusal(chain(), "T-01", deps=("T-03",))
        assert "cycle: T-01 → T-03 → T-02 → T-01" in problem.message

    def test_two_edits_that_only_together_make_a_cycle_are_refused(self) -> None:
        run = run_of(task("T-01"), task("T-02"))
        rows = with_row(with_row(shown(run.state), "T-01", deps=("T-02",)), "T-02", deps=("T-01",))
        edits, problems = hand_edits(rows, replayed(run), run.state)
        assert edits == []
        assert "cycle" in problems[0].message

    @pytest.mark.parametrize("cells", [{"name": "Other"}, {"priority": Priority.P3}, {"deps": ()}])
    def test_a_task_that_has_begun_keeps_its_fields(self, cells: dict[str, object]) -> None:
        run = chain()
        run.complete("T-01")
        run.start("T-02")
        problem = refusal(run, "T-02", **cells)
        assert "T-02 is running" in problem.message
        assert problem.line is not None

    def test_a_task_that_was_put_back_has_not_begun(self) -> None:
        run = chain()
        run.start("T-01")
        moves.put_back(run, "T-01", "stopped", "interrupted")
        [edit] = edits_of(run, "T-01", name="Other")
        assert isinstance(edit, FieldEdit)


class TestStaleTables:
    """The person has an old table before them; only what they changed in it counts."""

    def test_what_went_on_meanwhile_is_no_edit(self) -> None:
        run = chain()
        rows, base = shown(run.state), replayed(run)
        run.complete("T-01", "T-02")
        assert hand_edits(rows, base, run.state) == ([], [])

    def test_an_edit_and_what_went_on_both_count(self) -> None:
        run = chain()
        rows, base = shown(run.state), replayed(run)
        run.complete("T-01")
        edits, problems = hand_edits(with_row(rows, "T-03", status=Status.SKIPPED, name="Other"), base, run.state)
        assert problems == []
        assert [type(edit) for edit in edits] == [MoveEdit, FieldEdit]

    def test_cells_of_a_task_that_started_meanwhile_are_put_back(self) -> None:
        run = chain()
        rows, base = shown(run.state), replayed(run)
        run.start("T-01")
        changed = with_row(rows, "T-01", name="Other", priority=Priority.P3)
        edits, problems = hand_edits(changed, base, run.state)
        assert problems == []
        assert [(edit.task, edit.cell) for edit in edits if isinstance(edit, DroppedEdit)] == [
            ("T-01", "Task Description"),
            ("T-01", "Priority"),
        ]

    def test_a_task_that_is_completed_by_now_can_no_longer_be_skipped(self) -> None:
        run = chain()
        rows, base = shown(run.state), replayed(run)
        run.complete("T-01")
        edits, problems = hand_edits(with_row(rows, "T-01", status=Status.SKIPPED), base, run.state)
        assert edits == []
        assert "completed → skipped" in problems[0].message

    def test_an_edit_that_was_taken_over_already_is_none(self) -> None:
        run = chain()
        rows, base = with_row(shown(run.state), "T-03", status=Status.SKIPPED, name="Other", deps=()), replayed(run)
        run.record(EventType.TASK_EDITED, "T-03", fields={"name": "Other", "deps": []}, by="table")
        moves.skip(run, "T-03", "…")
        assert hand_edits(rows, base, run.state) == ([], [])

    def test_a_failed_task_that_somebody_opened_again_meanwhile_is_put_back_and_not_refused(self) -> None:
        run = chain()
        run.give_up("T-01")
        rows, base = with_row(shown(run.state), "T-01", status=Status.PENDING), replayed(run)
        moves.reopen(run, "T-01", "again")
        run.start("T-01")
        edits, problems = hand_edits(rows, base, run.state)
        assert problems == []
        assert [type(edit) for edit in edits] == [DroppedEdit]

    def test_a_dependency_that_is_added_by_hand_joins_one_that_the_plan_added(self) -> None:
        run = run_of(*(task(f"T-0{n}") for n in range(1, 5)))
        rows, base = with_row(shown(run.state), "T-04", deps=("T-01",)), replayed(run)
        run.change_plan([task("T-04", ["T-02"])])
        [edit], _ = hand_edits(rows, base, run.state)
        assert isinstance(edit, FieldEdit)
        assert edit.fields == {"deps": ["T-02", "T-01"]}

    def test_tasks_that_were_added_meanwhile_are_not_missed(self) -> None:
        run = chain()
        rows, base = shown(run.state), replayed(run)
        run.change_plan([task("T-04")])
        assert hand_edits(rows, base, run.state) == ([], [])


class TestRows:
    def test_a_lost_row_is_named(self) -> None:
        run = chain()
        edits, problems = hand_edits(shown(run.state)[:2], replayed(run), run.state)
        assert edits == []
        assert (problems[0].task, problems[0].message) == ("T-03", "the row of T-03 is lost")

    def test_a_row_that_is_no_task_is_named(self) -> None:
        run = chain()
        rows = shown(run.state)
        edits, problems = hand_edits([*rows, replace(rows[0], task="T-99", line=99)], replayed(run), run.state)
        assert edits == []
        assert (problems[0].task, problems[0].line) == ("T-99", 100)

    def test_every_problem_is_named_at_once(self) -> None:
        run = chain()
        rows = with_row(with_row(shown(run.state), "T-02", status=Status.FAILED), "T-03", agent="Agent-01")[1:]
        _, problems = hand_edits(rows, replayed(run), run.state)
        assert {problem.task for problem in problems} == {"T-01", "T-02", "T-03"}

    def test_rows_in_another_order_are_no_edit(self) -> None:
        run = chain()
        assert hand_edits(shown(run.state)[::-1], replayed(run), run.state) == ([], [])


@given(st.text(max_size=60), st.lists(st.sampled_from(["T-01", "T-02"]), unique=True))
def test_a_table_of_any_names_reads_back_as_no_edit(name: str, deps: list[str]) -> None:
    run = run_of(task("T-01"), task("T-02"), task("T-03", deps, name=name or "Name"))
    assert hand_edits(shown(run.state), replayed(run), run.state) == ([], [])


@given(st.text(min_size=1, max_size=60).filter(lambda name: name.strip() and name != "Do T-01"))
def test_a_name_that_a_person_writes_is_what_the_task_is_called_from_then_on(name: str) -> None:
    run = run_of(task("T-01"))
    [edit] = edits_of(run, "T-01", name=name)
    assert isinstance(edit, FieldEdit)
    run.record(EventType.TASK_EDITED, "T-01", fields=edit.fields, by="table")
    written = run.state.tasks["T-01"].name
    assert written == name.encode("utf-8", "replace").decode("utf-8")  # half a surrogate has no place in a file
    assert hand_edits(shown(run.state), replayed(run), run.state) == ([], [])
