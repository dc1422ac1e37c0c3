"""A run for other programs: the form of its JSON, CSV that no spreadsheet takes for formulas, a chart of its times."""

from __future__ import annotations

import csv
import io
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dags import task
from orchestrator.dataclasses import replace
from orchestrator.model import Estimate
from orchestrator.plans.estimate import estimate
from orchestrator.report.export import CSV_COLUMNS, csv_text, export_record, gantt_text
from orchestrator.report.history import history
from orchestrator.store import moves
from orchestrator.store.change import Start
from runs import MORNING, Run, run_of
from specimens import HOSTILE_LINE, HOSTILE_TEXT

pytestmark = pytest.mark.usefixtures("utc")


def running() -> Run:
    """T-1 completed after a minute, T-2 under way for half of one, T-3 without progress, T-4 failed, T-5 to come."""
    run = run_of(
        task("T-1", s=60, writes=("src/**",), outputs=("src/a.py", "src/**"), role="docs", worker_type="audit"),
        task("T-2", ["T-1"], s=120),
        task("T-3", ["T-1"]),
        task("T-4"),
        task("T-5", ["T-2"], s=(90, 90), estimate_tokens=500),
        title="Review",
    )
    moves.start(run, ["T-1"], Start("run", "claude"))
    run.now += 60
    moves.complete(run, "T-1", result="results/a.md", hash="sha256:0", spent=moves.Spent(0.5, 100, 60.0))
    moves.start(run, ["T-2", "T-3"], Start("run", "claude"))
    run.give_up("T-4")
    run.now += 30
    return run


def test_the_document_has_exactly_the_keys_of_the_contract() -> None:
    run = running()
    record = export_record(
        run.state,
        run.now,
        created={"T-5": MORNING + 5},
        complexity="medium",
        zombies={"T-3"},
        estimate=estimate(run.state.whole_plan, 4),
    )
    assert [*record] == [
        *("orchestration_id", "parent_task_id", "task_title", "complexity", "created_at", "status", "subtasks"),
        *("execution_plan", "resource_estimate", "progress"),
    ]
    subtasks = {each["subtask_id"]: each for each in record["subtasks"]}  # type: ignore[union-attr,index,call-overload]
    assert [*subtasks["T-1"]] == [
        *("subtask_id", "parent_task_id", "title", "description", "assigned_to", "worker_type", "dependencies"),
        *(
            "estimated_duration_minutes",
            "estimated_tokens",
            "files_affected",
            "success_criteria",
            "status",
            "created_at",
        ),
    ]
    assert subtasks["T-1"]["files_affected"] == ["src/**", "src/a.py"]
    assert (subtasks["T-1"]["assigned_to"], subtasks["T-2"]["assigned_to"]) == ("docs", "Agent-02")
    assert (subtasks["T-5"]["estimated_duration_minutes"], subtasks["T-5"]["estimated_tokens"]) == (1.5, 500)
    assert subtasks["T-5"]["created_at"] == "2026-11-21T08:00:05.000+00:00"
    assert record["execution_plan"] == {"stage_1": ["T-1", "T-4"], "stage_2": ["T-2", "T-3"], "stage_3": ["T-5"]}
    assert record["progress"] == {
        "current_stage": 1,
        "completed_subtasks": ["T-1"],
        "active_subtasks": ["T-2"],
        "failed_subtasks": ["T-4"],
        "zombie_subtasks": ["T-3"],
    }
    assert json.loads(json.dumps(record)) == record


def rows(text: str) -> list[dict[str, str]]:
    return [*csv.DictReader(io.StringIO(text, newline=""))]


def test_csv_has_a_row_for_each_task_and_ends_lines_as_rfc_4180_does() -> None:
    run = running()
    text = csv_text(run.state, run.now)
    assert text.split("\r\n")[0] == ",".join(CSV_COLUMNS)
    assert "\n" not in text.replace("\r\n", "")
    table = {row["id"]: row for row in rows(text)}
    assert [*table] == ["T-1", "T-2", "T-3", "T-4", "T-5"]
    assert (table["T-1"]["cost_usd"], table["T-1"]["duration_s"], table["T-1"]["deps"]) == ("0.5", "60.0", "")
    assert (table["T-5"]["deps"], table["T-5"]["estimate_high_s"], table["T-5"]["duration_s"]) == ("T-2", "90", "")


@given(
    st.sampled_from(["=", "+", "-", "@", "\t=", "  =1", "\n=1", "", HOSTILE_LINE, HOSTILE_TEXT]), st.text(max_size=20)
)
def test_no_text_becomes_a_formula_and_none_breaks_its_row(lead: str, rest: str) -> None:
    run = run_of(replace(task("T-1"), name=lead + rest, description=f"{lead}{rest}"), task("T-2"))
    text = csv_text(run.state, run.now)
    first, second = rows(text)
    assert second["id"] == "T-2"
    for cell in (first["name"], first["description"]):
        assert not cell.lstrip(" ").startswith(("=", "+", "-", "@", "\t", "\r", "\n"))
    kept = (lead + rest).encode("utf-8", "replace").decode().replace("\0", "\ufffd")
    assert first["description"].removeprefix("'") == kept.removeprefix("'")
    text.encode()


def test_the_gantt_chart_has_what_ran_when_it_ran_and_the_rest_as_expected() -> None:
    run = running()
    chart = gantt_text(run.state, history(run.events), run.now)
    bars = dict(re.findall(r"^    (T-\d) .*? :.*?(?:crit, )?(?:done, |active, )?t\d, (.*)$", chart, re.MULTILINE))
    assert bars == {
        "T-1": "2026-11-21 08:00:00, 60s",
        "T-2": "2026-11-21 08:01:00, 30s",
        "T-3": "2026-11-21 08:01:00, 30s",
        "T-4": "2026-11-21 08:01:00, 1s",
        "T-5": "2026-11-21 08:01:30, 90s",
    }
    assert re.search(r"T-1 .*:crit, done, t1", chart)
    assert re.search(r"T-2 .*:crit, active, t2", chart)


def test_the_chart_of_a_plan_that_nobody_started_begins_now() -> None:
    run = run_of(task("T-1"), replace(task("T-2", ["T-1"]), estimate=Estimate(60, 60)))
    chart = gantt_text(run.state, history(run.events), run.now)
    assert "t2, 2026-11-21 08:00:01, 60s" in chart
