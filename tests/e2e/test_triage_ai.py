"""`triage --ai` with the real `claude`: what it is asked, and both judgements side by side."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from standin import Rule, Standin, answer, by_turn, say

from programs import Program

Start = Callable[[list[Rule]], Standin]

QUESTION = "Judge how a request to a team"
JUDGEMENT = {
    "decision": "complex",
    "complexity": "medium",
    "role": None,
    "score": 6,
    "reasons": ["the page is generated from three sources"],
    "domains": ["documentation", "development"],
    "estimate": {"minutes": 45, "tokens": 30000},
    "parallel_worthwhile": False,
}


def test_the_model_judges_as_well_and_differences_are_shown(
    standin: Start, orchestrate: Program, project: Path, tmp_path: Path
) -> None:
    outside = tmp_path / "outside.txt"
    outside.write_text("TOP-SECRET-CONTENT")
    role = project / ".orchestrator" / "roles" / "poet.md"
    role.parent.mkdir(parents=True)
    role.write_text("---\nname: poet\ndescription: Writes verses.\n---\nRhyme.\n")
    api = standin([Rule(QUESTION, by_turn(answer(JUDGEMENT), say("Done.")))])
    request = f"Fix typo in README.md as @{outside} says"
    done = orchestrate("triage", request, "--ai", "--json", timeout_s=90)
    assert done.code == 0, done.stderr
    judged = done.json
    assert (judged["decision"], judged["role"]) == ("simple", "docs"), "the rules stand"
    assert judged["model"] == JUDGEMENT
    assert "decision: simple by the rules, complex by the model" in judged["differences"]
    assert "role: docs by the rules, none by the model" in judged["differences"]
    asked = api.asked(QUESTION)[0]
    assert "- security: Finds weaknesses" in asked.prompt
    assert "- poet: Writes verses." in asked.prompt
    assert all("TOP-SECRET-CONTENT" not in each.text for each in api.requests)
    told = orchestrate("triage", request, "--ai", timeout_s=90)
    assert told.code == 0, told.stderr
    assert told.stdout.index("By the rules:") < told.stdout.index("By the model:") < told.stdout.index("They differ:")


def test_a_judgement_that_contradicts_itself_is_refused(standin: Start, orchestrate: Program) -> None:
    standin([Rule(QUESTION, by_turn(answer({**JUDGEMENT, "decision": "simple"}), say("Done.")))])
    done = orchestrate("triage", "Fix typo in README.md", "--ai", timeout_s=90)
    assert done.code == 1
    assert "the model's judgement cannot be used" in done.stderr
