"""`report --ai` with the real `claude`: what it is asked, and what of its answer counts."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from standin import Rule, Standin, answer, by_turn, limit, say

from programs import Program
from runfolders import RunFolder, task

Start = Callable[[list[Rule]], Standin]

QUESTION = "Judge whether the success criteria"
AIMS = {"primary": "Know", "success_criteria": ["It is short", "It names files", "It is fast"]}


@pytest.fixture
def run(project: Path, orchestrate: Program) -> RunFolder:
    """Two tasks, of which the second was skipped; a person has judged the third criterion."""
    made = RunFolder(project, orchestrate)
    made.init(task("T-01"), task("T-02", ["T-01"]), objectives=AIMS, budget_usd=2)
    made.prepare("start", "T-01")
    made.prepare("complete", "T-01", "--result", "-", stdin="# Short\n\n@secret.txt is in `a.py`.\n")
    made.prepare("skip", "T-02", "--reason", "no time")
    made.prepare("accept", "--not-met", "3", "--note", "slow")
    (project / "secret.txt").write_text("hunter2")
    return made


def judged(number: int, verdict: str, *shown_by: str) -> dict[str, object]:
    return {"criterion": number, "verdict": verdict, "shown_by": [*shown_by], "reason": f"Reason {number}."}


def test_the_model_judges_what_no_person_has_judged(standin: Start, run: RunFolder) -> None:
    given = {"judgements": [judged(1, "met", "T-01"), judged(2, "met", "T-02")]}
    api = standin([Rule(QUESTION, by_turn(answer(given), say("Done.")))])
    record = run("report", "--ai", "--json", code=1, timeout_s=90).json
    assert [(each["verdict"], each["by"], each["shown_by"]) for each in record["criteria"]] == [
        ("met", "the model", ["T-01"]),
        ("not judged", "the model", ["T-02"]),
        ("not met", record["criteria"][2]["by"], []),
    ]
    assert record["criteria"][1]["note"] == "no completed task was named that shows it: Reason 2."
    assert record["judging_usd"] > 0
    assert record["run"]["cost_usd"] == record["judging_usd"]
    asked = api.asked(QUESTION)[0]
    assert "Criterion 2: It names files" in asked.prompt
    assert "It is fast" not in asked.prompt
    assert "hunter2" not in json.dumps(asked.body), "nothing is attached"
    assert asked.tools == ("StructuredOutput",)
    assert "There is no result: no time." in asked.prompt
    page = (run.folder / "report.html").read_text(encoding="utf-8")
    assert "Reason 1." in page
    assert "by the model" in page
    assert "1. It is short: met, shown by T-01" in run.log()
    run.prepare("accept", "3")
    assert json.loads(run.prepare("report", "--json"))["criteria"][0]["verdict"] == "met", "no result has changed"


def test_an_answer_that_cannot_be_used_or_a_limit_changes_nothing(
    standin: Start, run: RunFolder, subscription: None
) -> None:
    before = run.events("criterion_judged")
    given = {"judgements": [judged(1, "met", "T-01"), judged(1, "not met", "T-01")]}
    standin([Rule(QUESTION, by_turn(answer(given), say("Done.")))])
    done = run("report", "--ai", code=1, timeout_s=90)
    assert "nothing is said of criterion 2" in done.stderr
    assert "orchestrate accept" in done.stderr
    standin([Rule(QUESTION, limit(time.time() + 3600))])
    assert "limit" in run("report", "--ai", code=4, timeout_s=90).stderr
    assert run.events("criterion_judged") == before
    assert [event["purpose"] for event in run.events("model_asked")] == ["judging"], "the first one cost money"
