"""`plan --ai` and `decompose --ai` with the real `claude`: what it is asked, what is done with its answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from standin import Rule, Standin, answer, by_session, by_turn, costing, fail, say

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
CYCLE = {"title": "A bridge", "tasks": [part("T-01", "T-03"), part("T-02"), part("T-03", "T-01")]}
UNKNOWN = {"title": "A bridge", "tasks": [part("T-01"), part("T-02"), part("T-03", "T-77")]}
NO_TASKS: dict[str, object] = {"title": "A bridge", "tasks": []}


def giving(*plans: object) -> Rule:
    """The model's answers to one question after the other."""
    return Rule(QUESTION, by_session(*(by_turn(answer(plan), say("Done.")) for plan in plans)))  # type: ignore[arg-type]


def questions(api: Standin) -> list[str]:
    """What was asked, each question once however many turns it took."""
    return [request.prompt for request in api.asked(QUESTION) if request.turn == 0]


def test_the_answer_becomes_the_plan_with_the_users_own_words(
    standin: Start, orchestrate: Program, project: Path
) -> None:
    (project / "src").mkdir()
    (project / "src" / "pier.py").write_text("x")
    api = standin([giving({**GOOD, "request": "Build something else"})])
    done = orchestrate("plan", "Build a bridge", "--ai", "--json", timeout_s=90)
    assert done.code == 0, done.stderr
    reading = checked_plan((project / "plan.yaml").read_bytes())
    assert reading.plan is not None
    assert (reading.plan.request, reading.plan.title) == ("Build a bridge", "A bridge")
    assert [task.dep_ids for task in reading.plan.tasks][-1] == ("T-02", "T-03")
    assert (done.json["source"], done.json["tasks"], done.json["valid"]) == ("ai", 4, True)
    (asked,) = questions(api)
    assert "Build a bridge" in asked
    assert "src/pier.py" in asked
    assert "3 to 10 tasks" in asked
    assert "StructuredOutput" in api.asked(QUESTION)[0].tools, "the schema of plan.yaml was given"
    assert orchestrate("init").code == 0


def test_what_is_wrong_with_an_answer_goes_back_until_it_is_right(
    standin: Start, orchestrate: Program, project: Path
) -> None:
    api = standin([giving(CYCLE, UNKNOWN, NO_TASKS, GOOD)])
    done = orchestrate("plan", "Build a bridge", "--ai", timeout_s=120)
    assert done.code == 0, done.stderr
    first, second, third, fourth = questions(api)
    assert "refused" not in first
    assert "2 tasks wait for each other: T-01 → T-03 → T-01" in second
    assert "Do the part T-03 of the bridge" in second, "with what it had answered"
    assert 'there is no task "T-77" to depend on' in third
    assert "wait for each other" not in third
    assert "the plan has no tasks" in fourth
    assert checked_plan((project / "plan.yaml").read_bytes()).plan is not None
    assert not (project / "plan.draft.yaml").exists()


def test_an_answer_that_never_becomes_right_is_refused_with_what_was_wrong_each_time(
    standin: Start, orchestrate: Program, project: Path
) -> None:
    api = standin([giving(CYCLE, UNKNOWN, NO_TASKS, UNKNOWN)])
    done = orchestrate("plan", "Build a bridge", "--ai", timeout_s=120)
    assert done.code == 1
    assert len(questions(api)) == 4
    assert "the model gave no valid plan in 4 answers; the last answer is kept in plan.draft.yaml" in done.stderr
    assert "answer 1: 2 tasks wait for each other" in done.stderr
    assert 'answer 2: there is no task "T-77"' in done.stderr
    assert "answer 3: the plan has no tasks" in done.stderr
    assert 'answer 4: there is no task "T-77"' in done.stderr
    assert "Traceback" not in done.stderr
    assert not (project / "plan.yaml").exists()
    kept = (project / "plan.draft.yaml").read_text()
    assert "T-77" in kept
    assert "request: Build a bridge" in kept


def test_prose_in_place_of_a_plan_counts_as_an_answer_that_is_wrong(
    standin: Start, orchestrate: Program, project: Path
) -> None:
    prose = say("I would begin with the piers.")
    standin([Rule(QUESTION, by_session(prose, by_turn(answer(GOOD), say("Done."))))])
    done = orchestrate("plan", "Build a bridge", "--ai", timeout_s=120)
    assert done.code == 0, done.stderr
    assert (project / "plan.yaml").exists()


def test_a_path_after_an_at_sign_attaches_nothing(
    standin: Start, orchestrate: Program, project: Path, tmp_path: Path
) -> None:
    outside = tmp_path / "outside.txt"
    outside.write_text("TOP-SECRET-CONTENT")
    api = standin([giving(GOOD)])
    done = orchestrate("plan", f"Build what @{outside} says", "--ai", timeout_s=90)
    assert done.code == 0, done.stderr
    assert all("TOP-SECRET-CONTENT" not in request.text for request in api.requests)
    reading = checked_plan((project / "plan.yaml").read_bytes())
    assert reading.plan is not None
    assert reading.plan.request == f"Build what @{outside} says", "the plan has the words as they were"


def test_a_plan_that_starts_programs_is_not_trusted_by_that(
    standin: Start, orchestrate: Program, project: Path
) -> None:
    tasks = [part("T-01", verify=["touch pwned"]), part("T-02"), part("T-03", "T-01", "T-02")]
    standin([giving({"title": "x", "tasks": tasks, "run": {"executor": "command", "command": "touch pwned"}})])
    assert orchestrate("plan", "Build a bridge", "--ai", timeout_s=90).code == 0
    assert orchestrate("init").code == 0
    ran = orchestrate("run")
    assert ran.code == 3
    assert "not trusted" in ran.stderr
    assert not (project / "pwned").exists()


def test_a_login_that_does_not_work_ends_it_at_once(
    standin: Start, orchestrate: Program, project: Path, claude_env: dict[str, str]
) -> None:
    claude_env["CLAUDE_CODE_MAX_RETRIES"] = "0"
    api = standin([Rule(QUESTION, fail(401, "invalid x-api-key"))])
    done = orchestrate("plan", "Build a bridge", "--ai", timeout_s=60)
    assert done.code == 4
    assert "the model did not answer" in done.stderr
    assert len({request.session for request in api.asked(QUESTION)}) == 1
    assert not (project / "plan.yaml").exists()


def test_the_budget_is_for_all_answers_together(standin: Start, orchestrate: Program, project: Path) -> None:
    dear = replace(answer(CYCLE), usage=costing(0.4))
    api = standin([Rule(QUESTION, by_turn(dear, say("Done.")))])
    done = orchestrate("plan", "Build a bridge", "--ai", "--budget-usd", "0.6", timeout_s=120)
    assert done.code == 1, done.stderr
    assert 2 <= len(questions(api)) < 4
    assert not (project / "plan.yaml").exists()


@pytest.fixture
def running(project: Path, orchestrate: Program) -> None:
    """A run whose T-02 is to be split."""
    (project / "plan.yaml").write_text(
        "title: Crossing\nrequest: Cross the river\ntasks:\n"
        "  - {id: T-01, name: Measure, description: Measure the river., success_criteria: [width]}\n"
        "  - {id: T-02, name: Build, description: 'Build what carries a lorry.', deps: [T-01],\n"
        "     success_criteria: [a lorry crosses]}\n"
        "  - {id: T-03, name: Open, description: Open it., deps: [T-02], success_criteria: [open]}\n"
    )
    assert orchestrate("init").code == 0


@pytest.mark.usefixtures("running")
def test_one_task_is_split_and_the_plan_around_it_stays(standin: Start, orchestrate: Program, project: Path) -> None:
    api = standin([giving({"title": "x", "tasks": [part("T-01"), part("T-02", "T-01"), part("T-03", "T-02")]})])
    done = orchestrate("decompose", "T-02", "--ai", "--json", timeout_s=90)
    assert done.code == 0, done.stderr
    assert [each["id"] for each in done.json["subtasks"]] == ["T-02.1", "T-02.2", "T-02.3"]
    assert done.json["takes_over"] == "T-02.3"
    reading = checked_plan((project / ".orchestrator/plan.yaml").read_bytes())
    assert reading.plan is not None
    deps = {task.id: task.dep_ids for task in reading.plan.tasks}
    assert (deps["T-02.1"], deps["T-02"], deps["T-03"]) == (("T-01",), ("T-02.3",), ("T-02",))
    (asked,) = questions(api)
    assert "Build what carries a lorry." in asked
    assert "it is done when: a lorry crosses" in asked
    assert "before it comes T-01, Measure" in asked


@pytest.mark.usefixtures("running")
def test_a_split_that_never_becomes_right_changes_nothing(standin: Start, orchestrate: Program, project: Path) -> None:
    single = {"title": "x", "tasks": [part("T-01")]}
    api = standin([giving(single)])
    before = (project / ".orchestrator/plan.yaml").read_bytes()
    done = orchestrate("decompose", "T-02", "--ai", timeout_s=120)
    assert done.code == 1
    assert "answer 4: T-02 would be split into 1 task" in done.stderr
    assert "T-02 would be split into 1 task" in questions(api)[1]
    assert (project / ".orchestrator/plan.yaml").read_bytes() == before
    assert (project / ".orchestrator/T-02.draft.yaml").exists()
