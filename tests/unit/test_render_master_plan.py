from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from syrupy.assertion import SnapshotAssertion

from artefacts import MarkdownFile
from dags import task
from orchestrator.events import EVENT_FIELDS, EventType
from orchestrator.model import Constraint, Fallback, Objectives, OnFailure, Priority
from orchestrator.render.execution_log import log_entries
from orchestrator.render.master_plan import new_document, progress_line, table_rows
from orchestrator.store import moves
from orchestrator.store.change import Failure, Spent, Start
from orchestrator.store.statustable import split_cells
from orchestrator.texts.document import read_document
from runs import MORNING, Run, run_of
from specimens import HOSTILE_LINE, HOSTILE_PLAN, HOSTILE_TASK, PLAIN_PLAN

WORKER = Start("run", "claude", reserved_usd=0.5)


@pytest.fixture(autouse=True)
def _utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Times in a document are those of the machine; here it stands in Greenwich."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def document_of(run: Run) -> str:
    return new_document(run.state, [entry for event in run.events for entry in log_entries(event)])


def logged(run: Run) -> list[str]:
    """The titles and bullets of the execution log, without the time."""
    return [
        line.partition("] ")[2] if line.startswith("###") else line
        for event in run.events
        for entry in log_entries(event)
        for line in entry.split("\n")
    ]


def review() -> Run:
    """A code review on which nearly everything has happened."""
    run = run_of(
        task("T-01", s=300, name="Map the code"),
        task("T-02", ["T-01"], s=600, name="Review style"),
        task("T-03", ["T-01"], s=900, name="Review security"),
        task("T-04", ["T-01"], s=60, name="Review speed", priority=Priority.P3, max_retries=0),
        task("T-05", ["T-02", "T-03", "T-04"], s=120, name="Write the report", approval=True),
        task("T-06", ["T-05"], name="Publish | `it`"),
        title=PLAIN_PLAN.title,
        request=PLAIN_PLAN.request,
        objectives=PLAIN_PLAN.objectives,
        constraints=PLAIN_PLAN.constraints,
        implicit_requirements=PLAIN_PLAN.implicit_requirements,
        budget_usd=5.0,
    )
    moves.start(run, ["T-01"], WORKER)
    run.now += 7
    moves.complete(run, "T-01", result="results/agent-01-result.md", hash="h", spent=Spent(0.0123, 4200, 7.0))
    moves.add_consequences(run)
    moves.start(run, ["T-02", "T-03", "T-04"], WORKER)
    run.now += 60
    moves.fail(run, "T-03", Failure("the answer is blank"), Spent(0.5, 900, 60.0), delay_s=5.0)
    moves.fail(run, "T-04", Failure("error_max_turns", may_pass=False), Spent())
    run.record(EventType.PAUSED, kind="limit", reason="5-hour limit reached", until=MORNING + 3600)
    return run


def test_the_master_plan_of_a_run_that_is_under_way(snapshot: SnapshotAssertion) -> None:
    assert document_of(review()) == snapshot(extension_class=MarkdownFile)


def test_the_master_plan_of_a_run_that_spans_days(snapshot: SnapshotAssertion) -> None:
    run = run_of(task("T-01"), task("T-02", ["T-01"]))
    run.now = MORNING + 15.9 * 3600
    run.complete("T-01")
    run.now += 3600
    run.start("T-02")
    assert document_of(run) == snapshot(extension_class=MarkdownFile)


def test_the_master_plan_of_a_hostile_plan(snapshot: SnapshotAssertion) -> None:
    run = run_of(
        task("T-01", name=HOSTILE_LINE),
        task("T-02", ["T-01"], name=HOSTILE_TASK.name),
        title=HOSTILE_PLAN.title,
        request=HOSTILE_PLAN.request,
        objectives=HOSTILE_PLAN.objectives,
        constraints=HOSTILE_PLAN.constraints,
        implicit_requirements=HOSTILE_PLAN.implicit_requirements,
    )
    run.give_up("T-01", HOSTILE_PLAN.request)
    moves.skip(run, "T-02", HOSTILE_LINE)
    run.record(EventType.PAUSED, kind="hand", reason=HOSTILE_PLAN.request)
    run.record(EventType.NOTE, title=HOSTILE_LINE, lines=[HOSTILE_PLAN.request, HOSTILE_LINE])
    run.record(EventType.APPROVED, "T-01", by=HOSTILE_LINE, note=HOSTILE_PLAN.request)
    text = document_of(run)
    reading = read_document(text)
    assert reading.problems == ()
    assert [row.name for row in reading.rows] == [HOSTILE_LINE, HOSTILE_TASK.name]
    assert text == snapshot(extension_class=MarkdownFile)


def test_the_table_has_the_nine_columns_in_their_order() -> None:
    header = next(line for line in document_of(review()).split("\n") if line.startswith("| Task ID"))
    assert header == "| Task ID | Task Description | Agent | Status | Priority | Deps | Start | End | Retries |"


class TestRows:
    def row(self, run: Run, number: int = 0) -> list[str]:
        return split_cells(table_rows(run.state)[number])

    def test_a_task_that_has_not_begun(self) -> None:
        run = run_of(task("T-01"), task("T-02", ["T-01"]), task("T-03", ["T-02", "T-01"]))
        assert self.row(run, 0)[3:] == ["🟡 Pending", "P0", "None", "-", "-", "0"]
        assert self.row(run, 2)[3:] == ["⏸️ Waiting", "P0", "T-02,T-01", "-", "-", "0"]

    def test_a_task_that_is_done(self) -> None:
        run = run_of(task("T-01"))
        run.start("T-01")
        run.now += 65
        run.complete("T-01")
        assert self.row(run)[3:] == ["✅ Completed", "P0", "None", "08:00:00", "08:01:05", "0"]

    def test_a_task_that_waits_to_retry_counts_its_retries(self) -> None:
        run = run_of(task("T-01"))
        run.fail("T-01")
        assert self.row(run)[3:] == ["🔄 Retrying", "P0", "None", "08:00:00", "08:00:00", "1"]

    def test_a_task_that_was_put_back_has_no_times(self) -> None:
        run = run_of(task("T-01"))
        run.start("T-01")
        moves.put_back(run, "T-01", "stopped", "interrupted")
        assert self.row(run)[6:] == ["-", "-", "0"]

    def test_the_date_stands_in_front_of_every_time_when_the_run_spans_days(self) -> None:
        run = run_of(task("T-01"), task("T-02"), task("T-03"))
        run.complete("T-01")
        assert self.row(run)[6] == "08:00:00"
        run.now += 86_400
        run.start("T-02")
        assert self.row(run, 0)[6:8] == ["2026-11-21 08:00:00", "2026-11-21 08:00:00"]
        assert self.row(run, 1)[6:8] == ["2026-11-22 08:00:00", "-"]

    def test_a_task_left_out_on_the_day_before_makes_the_run_span_days_too(self) -> None:
        run = run_of(task("T-01"), task("T-02"))
        moves.skip(run, "T-02", "not needed")
        run.now += 86_400
        run.start("T-01")
        assert self.row(run, 1)[7] == "2026-11-21 08:00:00"


class TestProgressLine:
    def test_it_says_how_far_the_run_is(self) -> None:
        run = run_of(task("T-01"), task("T-02", ["T-01"]))
        assert progress_line(run.state) == "**Progress:** 0% (0 of 2 tasks) · 1 pending · 1 waiting · stage 1 of 2"

    def test_it_says_what_was_spent_and_what_holds_the_run(self) -> None:
        assert progress_line(review().state) == (
            "**Progress:** 33% (2 of 6 tasks) · 1 running · 1 retrying · 2 waiting · 1 skipped · stage 2 of 4"
            " · $0.5123 of $5.00, 5.1k tokens · Paused until 09:00: 5-hour limit reached"
        )

    def test_it_names_the_tasks_that_wait_for_a_person(self) -> None:
        run = run_of(*(task(f"T-{n}", approval=True) for n in range(1, 8)))
        assert progress_line(run.state).endswith("waiting for approval: T-1, T-2, T-3, T-4, T-5 …")


class TestLog:
    def test_the_beginning(self) -> None:
        assert logged(run_of(*(task(f"T-0{n}") for n in range(1, 6)))) == [
            "Initialization",
            "- Created 5 tasks",
            "- Assigned 5 agents",
        ]

    def test_a_batch(self) -> None:
        run = run_of(task("T-01"), task("T-02", ["T-01"]), task("T-03", ["T-01"]))
        run.complete("T-01")
        run.start("T-02", "T-03")
        assert logged(run)[3:] == [
            *("Batch #1 Started", "- Agent-01 launched: T-01"),
            *("Agent-01 Completed", "- T-01 completed, duration 1s", "- Output saved: results/T-01.md"),
            *("Batch #2 Started", "- Agent-02, Agent-03 launched in parallel: T-02, T-03"),
        ]

    def test_the_end(self) -> None:
        run = run_of(task("T-01"))
        run.start("T-01")
        run.now += 45
        run.complete("T-01")
        moves.add_consequences(run)
        run.record(EventType.MERGED, strategy="concat", file=".orchestrator/final_output.md", hash="sha256:0")
        assert logged(run)[-7:] == [
            *("Batch #1 Completed", "- Duration: 45s"),
            *("All Tasks Completed", "- Total duration: 45s"),
            *("Result Aggregation Completed", "- Final output: .orchestrator/final_output.md"),
            "- Strategy: concat",
        ]

    def test_a_failure_and_what_it_blocks(self) -> None:
        run = run_of(task("T-01"), task("T-02", ["T-01"]), task("T-03", ["T-02"]))
        run.give_up("T-01", "no such table")
        moves.add_consequences(run)
        assert logged(run)[5:] == [
            *("Agent-01 Failed", "- T-01 failed: no such table"),
            *("Agent-02 Blocked", "- T-02 waits for T-01, which failed"),
            *("Agent-03 Blocked", "- T-03 waits for T-01, which failed"),
            *("Run Blocked", "- T-01 failed: no such table"),
            "- mend the cause, then: orchestrate retry T-01; or go on without it: orchestrate skip T-01",
        ]

    def test_of_very_many_blocked_tasks_the_number_is_said(self) -> None:
        run = run_of(task("T-0"), *(task(f"T-{n}", ["T-0"]) for n in range(1, 101)))
        run.give_up("T-0")
        assert "- Blocks 100 tasks, the nearest of which follow" in logged(run)
        assert sum(line.endswith("Blocked") for line in logged(run)) == 20

    def test_a_retry_and_what_is_different_in_it(self) -> None:
        run = run_of(task("T-01", max_retries=0, on_failure=OnFailure.FALLBACK, fallback=Fallback(model="haiku")))
        run.fail("T-01", "blank")
        assert logged(run)[5:] == [
            *(
                "Agent-01 Retrying",
                "- T-01 failed, retry 1 at 08:00:00: blank",
                "- Changed: fallback: model haiku",
            ),
        ]

    @pytest.mark.parametrize(
        ("type", "fields", "lines"),
        [
            (EventType.TASK_SKIPPED, {"agent": "Agent-01"}, ["Agent-01 Skipped", "- T-01 skipped"]),
            (EventType.PAUSED, {"kind": "hand", "reason": "lunch"}, ["Paused", "- Paused: lunch"]),
            (EventType.RESUMED, {"kind": "hand"}, ["Resumed", "- New attempts may start"]),
            (EventType.APPROVED, {"by": "ann", "note": "go"}, ["Approved", "- T-01 approved by ann: go"]),
            (EventType.TRUSTED, {"hash": "…"}, ["Trusted", "- What the plan starts was accepted"]),
            (EventType.TASK_RENEWED, {"lease_until": MORNING + 60}, ["Lease Renewed", "- T-01 is held until 08:01:00"]),
            (
                EventType.TASK_EDITED,
                {"fields": {"name": "Other", "deps": []}},
                ["Edited by Hand", "- T-01: Task Description, Deps"],
            ),
            (
                EventType.EDIT_PUT_BACK,
                {"cell": "Priority", "reason": "too late"},
                ["Edit Put Back", "- T-01: Priority, too late"],
            ),
            (
                EventType.REPAIRED,
                {"kept": "m.old"},
                ["Repaired", "- The table was rebuilt from the journal; the old file is m.old"],
            ),
            (
                EventType.SLOWED_DOWN,
                {"agent": "Agent-01", "reason": "HTTP 529, overloaded"},
                [
                    *("Slowed Down", "- The API asks for it while T-01 tries again: HTTP 529, overloaded"),
                    "- Fewer tasks at a time for a while",
                ],
            ),
            (EventType.WORKER_LOST, {"agent": "Agent-01", "reason": "gone"}, ["Agent-01 Worker Lost", "- T-01: gone"]),
        ],
    )
    def test_each_act_by_hand_and_each_accident_has_an_entry(
        self, type: EventType, fields: dict[str, object], lines: list[str]
    ) -> None:
        run = run_of(task("T-01"))
        run.record(type, "T-01", **fields)
        assert logged(run)[3:] == lines

    def test_a_start_by_hand_has_an_entry_unless_its_batch_has_one(self) -> None:
        run = run_of(task("T-01"), task("T-02"))
        run.start("T-01")
        run.start("T-02")
        assert logged(run)[3:] == [
            *("Batch #1 Started", "- Agent-01 launched: T-01"),
            *("Agent-02 Started", "- T-02 started by hand"),
        ]

    def test_a_change_of_the_plan_says_how_much_it_changed(self) -> None:
        run = run_of(task("T-01"))
        run.change_plan([task("T-02")])
        assert logged(run)[3:] == ["Plan Changed", "- Added 1 task", "- By edit"]

    def test_a_version_of_the_plan_that_changes_nothing_says_nothing(self) -> None:
        run = run_of(task("T-01"))
        run.change_plan([])
        assert logged(run)[3:] == []

    @pytest.mark.parametrize("type", EventType)
    def test_a_line_that_lacks_everything_is_passed_over(self, type: EventType) -> None:
        for event in ({"type": str(type)}, {"type": str(type), "timestamp": "yesterday"}):
            assert log_entries(event) == []
        assert isinstance(log_entries({"type": str(type), "timestamp": "2026-11-21T08:00:00Z"}), list)

    def test_every_type_is_documented(self) -> None:
        assert set(EVENT_FIELDS) == set(EventType)


def test_a_plan_with_nothing_but_tasks_has_no_empty_parts() -> None:
    text = new_document(run_of(task("T-01")).state, [])
    assert "## Constraints" not in text
    assert "- **Primary:** Test" in text


def test_constraints_name_their_kind() -> None:
    plan = run_of(
        task("T-01"),
        objectives=Objectives("All of it", ("More",), ("It works",)),
        constraints=(Constraint("two hours", "time"), Constraint("be kind")),
    )
    text = new_document(plan.state, [])
    assert "- **Time:** two hours\n- be kind\n" in text
    assert "- **Primary:** All of it\n- **Secondary:** More\n- **Success criterion:** It works\n" in text
