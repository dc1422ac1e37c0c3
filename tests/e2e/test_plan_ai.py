"""`plan --ai` and `decompose --ai` with the real `claude`: what it is asked, what is done with its answer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from standin import Rule, Standin, answer, by_session, by_turn, costing, fail, say

from orchestrator.dataclasses import replace
from orchestrator.plans.spec import checked_plan
from programs import Program

Start = Callable[[list[Rule]], Standin]

QUESTION = "You split (a request|one task)"


def part(id: str, *deps: str, **fields: object) -> dict[str, object]:
    return {
        "id": id,
        "name": f"Part {id}",
        "description": f"Do the part {id} of the bridge, all of it.",
        "success_criteria": [f"{id} is there"],
        "estimate": "5m",
        "deps": list(deps),
        **fields,
    }


GOOD = {
    "version": 1,
    "title": "A bridge",
    "objectives": {"primary": "A bridge stands"},
    "tasks": [part("T-01"), part("T-02", "T-01"), part("T-03", "T-01"), part("T-04", "T-02", "T-03")],
}
STARTING = {**GOOD, "run": {"executor": "command", "command": "touch pwned"}}
CYCLE = {"title": "A bridge", "tasks": [part("T-01", "T-03"), part("T-02"), part("T-03", "T-01")]}
LONG_S = 300.0
"""More than any of these takes; each answer is a start of the CLI, and a busy machine takes its time."""


def giving(*plans: object) -> Rule:
    """The model's answers to one question after the other."""
    return Rule(QUESTION, by_session(*(by_turn(answer(plan), say("Done.")) for plan in plans)))  # type: ignore[arg-type]


def questions(api: Standin) -> list[str]:
    """What was asked, each question once however many turns it took."""
    return [request.prompt for request in api.asked(QUESTION) if request.turn == 0]


def test_the_answer_becomes_the_plan_with_the_users_own_words_and_is_trusted_for_nothing(
    standin: Start, orchestrate: Program, project: Path, tmp_path: Path
) -> None:
    (project / "src").mkdir()
    (project / "src" / "pier.py").write_text("x")
    outside = tmp_path / "outside.txt"
    outside.write_text("TOP-SECRET-CONTENT")
    request = f"Build the bridge that @{outside} describes"
    api = standin([giving({**STARTING, "request": "Build something else"})])
    done = orchestrate("plan", request, "--ai", "--json", timeout_s=LONG_S)
    assert done.code == 0, done.stderr
    reading = checked_plan((project / "plan.yaml").read_bytes())
    assert reading.plan is not None
    assert (reading.plan.request, reading.plan.title) == (request, "A bridge")
    assert [task.dep_ids for task in reading.plan.tasks][-1] == ("T-02", "T-03")
    assert (done.json["source"], done.json["tasks"], done.json["valid"]) == ("ai", 4, True)
    assert done.json["cost_usd"] > 0
    (asked,) = questions(api)
    assert "Build the bridge" in asked
    assert "src/pier.py" in asked
    assert "3 to 10 tasks" in asked
    assert "StructuredOutput" in api.asked(QUESTION)[0].tools, "the schema of plan.yaml was given"
    assert all("TOP-SECRET-CONTENT" not in sent.text for sent in api.requests), "a path after an @ attaches nothing"
    assert orchestrate("init").code == 0
    ran = orchestrate("run")
    assert (ran.code, "not trusted" in ran.stderr) == (3, True)
    assert not (project / "pwned").exists()


def test_what_is_wrong_with_an_answer_goes_back_until_it_is_right(
    standin: Start, orchestrate: Program, project: Path
) -> None:
    prose = say("I would begin with the piers.")
    good, cycle = (by_turn(answer(plan), say("Done.")) for plan in (GOOD, CYCLE))  # type: ignore[arg-type]
    api = standin([Rule(QUESTION, by_session(prose, cycle, good))])
    done = orchestrate("plan", "Build a bridge", "--ai", timeout_s=LONG_S)
    assert done.code == 0, done.stderr
    # The CLI itself asks again after prose, and so may have several questions in one session.
    asked = list(dict.fromkeys(questions(api)))
    assert "refused" not in asked[0]
    assert "2 tasks wait for each other: T-01 → T-03 → T-01" in asked[-1]
    assert "Do the part T-03 of the bridge" in asked[-1], "with what it had answered"
    assert checked_plan((project / "plan.yaml").read_bytes()).plan is not None
    assert not (project / "plan.draft.yaml").exists()


def test_a_login_that_does_not_work_ends_it_at_once(
    standin: Start, orchestrate: Program, project: Path, claude_env: dict[str, str]
) -> None:
    claude_env["CLAUDE_CODE_MAX_RETRIES"] = "0"
    api = standin([Rule(QUESTION, fail(401, "invalid x-api-key"))])
    done = orchestrate("plan", "Build a bridge", "--ai", timeout_s=LONG_S)
    assert done.code == 4
    assert "the model did not answer" in done.stderr
    assert len({request.session for request in api.asked(QUESTION)}) == 1
    assert not (project / "plan.yaml").exists()


def test_the_budget_is_for_all_answers_together_and_the_last_plan_is_kept(
    standin: Start, orchestrate: Program, project: Path
) -> None:
    dear = replace(answer(CYCLE), usage=costing(0.4))
    api = standin([Rule(QUESTION, by_turn(dear, say("Done.")))])
    done = orchestrate("plan", "Build a bridge", "--ai", "--budget-usd", "0.6", timeout_s=LONG_S)
    assert done.code == 1, done.stderr
    assert 2 <= len(questions(api)) < 4
    assert "answer 1: 2 tasks wait for each other" in done.stderr
    assert "T-03" in (project / "plan.draft.yaml").read_text()
    assert not (project / "plan.yaml").exists()


def test_one_task_is_split_and_the_plan_around_it_stays(standin: Start, orchestrate: Program, project: Path) -> None:
    (project / "plan.yaml").write_text(
        "title: Crossing\nrequest: Cross the river\ntasks:\n"
        "  - {id: T-01, name: Measure, description: Measure the river., success_criteria: [width]}\n"
        "  - {id: T-02, name: Build, description: 'Build what carries a lorry.', deps: [T-01],\n"
        "     success_criteria: [a lorry crosses]}\n"
        "  - {id: T-03, name: Open, description: Open it., deps: [T-02], success_criteria: [open]}\n"
    )
    assert orchestrate("init").code == 0
    single = {"title": "x", "tasks": [part("T-01")]}
    parts = {"title": "x", "tasks": [part("T-01"), part("T-02", "T-01"), part("T-03", "T-02")]}
    api = standin([giving(single, parts)])
    done = orchestrate("decompose", "T-02", "--ai", "--json", timeout_s=LONG_S)
    assert done.code == 0, done.stderr
    assert [each["id"] for each in done.json["subtasks"]] == ["T-02.1", "T-02.2", "T-02.3"]
    assert done.json["takes_over"] == "T-02.3"
    reading = checked_plan((project / ".orchestrator/plan.yaml").read_bytes())
    assert reading.plan is not None
    deps = {task.id: task.dep_ids for task in reading.plan.tasks}
    assert (deps["T-02.1"], deps["T-02"], deps["T-03"]) == (("T-01",), ("T-02.3",), ("T-02",))
    first, second = questions(api)
    assert "Build what carries a lorry." in first
    assert "it is done when: a lorry crosses" in first
    assert "before it comes T-01, Measure" in first
    assert "T-02 would be split into 1 task" in second
