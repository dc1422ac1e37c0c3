"""What somebody sees who watches a run: the picture, and a line for each event."""

from __future__ import annotations

import pytest

from dags import task
from orchestrator.events import Event, EventType
from orchestrator.render.live import ROWS_SHOWN, approvals_text, event_lines, held_text, picture
from orchestrator.store import moves
from orchestrator.store.change import BY_HAND, Failure, Spent, Start
from runs import Run, run_of

pytestmark = pytest.mark.usefixtures("utc")


def test_the_picture_says_what_runs_what_waits_and_for_whom() -> None:
    run = run_of(
        task("T-1"), task("T-2", name="Review"), task("T-3"), task("T-4", approval=True), task("T-5"), budget_usd=2.0
    )
    run.complete("T-1")
    moves.start(run, ["T-2", "T-3", "T-5"], Start("run", "claude"))
    moves.fail(run, "T-3", Failure("blank"), Spent(0.5, 1500, 1.0), delay_s=5.0)
    run.record(EventType.PAUSED, kind="limit", reason="session limit", until=run.now + 60)
    assert picture(run.state, run.now + 75, {"T-5"}).split("\n") == [
        "██████░░░░░░░░░░░░░░░░░░░░░░░░ 20%  1/5  $0.50 of $2.00  1.5k tokens",
        "  🔵 Agent-02 T-2 Review 1m 15s",
        "  🔵 Agent-05 T-5 Do T-5 worker lost",
        "  🔄 Agent-03 T-3 Do T-3 retry at 08:00:05",
        "  Waiting for a person: T-4 (orchestrate approve T-4)",
    ]
    assert "Paused until 08:01: session limit" in picture(run.state, run.now + 5)


def test_many_rows_are_cut_with_words() -> None:
    run = run_of(*(task(f"T-{n}") for n in range(20)), *(task(f"A-{n}", approval=True) for n in range(8)))
    moves.start(run, [f"T-{n}" for n in range(20)], Start("run", "claude"))
    lines = picture(run.state, run.now).split("\n")
    assert len(lines) == 1 + ROWS_SHOWN + 1 + 1
    assert lines[-2].strip() == "and 8 more"
    assert approvals_text(run.state) == (
        "Waiting for a person: A-0, A-1, A-2, A-3, A-4 and 3 more (orchestrate approve --all)"
    )


def test_what_is_held_by_hand_is_named_once_nothing_else_runs() -> None:
    run = run_of(task("T-1"), task("T-2"), task("T-3", ["T-1"]))
    moves.start(run, ["T-1"], BY_HAND)
    moves.start(run, ["T-2"], Start("run", "claude"))
    assert held_text(run.state) == ""
    moves.complete(run, "T-2", result="results/b.md", hash="sha256:0", spent=Spent())
    assert held_text(run.state).startswith("Waiting for T-1, held by hand until 09:00:00 (")


def test_each_event_is_a_line_with_its_own_time() -> None:
    run = run_of(task("T-1", name="Map *all*"), task("T-2", approval=True))
    seen = len(run.events)
    moves.start(run, ["T-1"], Start("run", "claude"))
    run.now += 5
    moves.fail(run, "T-1", Failure("the answer is blank"), Spent(0, 0, 5.0), delay_s=5.0)
    moves.start(run, ["T-1"], Start("run", "claude"))
    run.now += 7
    run.complete("T-1")
    run.record(EventType.APPROVED, "T-2", by="ann", note="a *good* `one`")
    assert lines(run, seen) == [
        "08:00:00 Batch #1 Started: Agent-01 launched: T-1",
        "08:00:00 [Agent-01] T-1 Running: Map *all*",
        "08:00:05 [Agent-01] T-1 Retrying 5s: the answer is blank",
        "08:00:05 [Agent-01] T-1 Running (attempt 2): Map *all*",
        "08:00:12 [Agent-01] T-1 Completed 1s",
        "08:00:12 Approved: T-2 approved by ann: a *good* `one`",
    ]


def lines(run: Run, seen: int) -> list[str]:
    return [line for event in run.events[seen:] for line in event_lines(event, run.state)]


@pytest.mark.parametrize(
    "event",
    [
        {"type": "task_started", "timestamp": "2026-11-21T08:00:00Z"},
        {"type": "task_completed", "timestamp": "never", "task": "T-1"},
        {"type": "task_failed", "timestamp": "2026-11-21T08:00:00Z", "task": "T-77", "duration_s": "x"},
        {"type": "of a later version", "timestamp": "2026-11-21T08:00:00Z"},
    ],
)
def test_a_line_that_says_nothing_is_passed_over(event: Event) -> None:
    assert event_lines(event, run_of(task("T-1")).state) == []
