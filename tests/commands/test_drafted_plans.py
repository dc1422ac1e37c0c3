"""`plan --ai` and `decompose --ai` with answers that a test gives: what is refused, what is kept, what is said.

What the real CLI is asked and how it answers is in `tests/e2e/test_plan_ai.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from orchestrator.errors import StoppedError
from orchestrator.executors.outcome import Outcome, OutcomeKind
from orchestrator.workers import ask
from runfolders import RunFolder, task

GOOD = {"title": "A bridge", "tasks": [task("a"), task("b", ["a"])]}
CYCLE = {"title": "A bridge", "tasks": [task("a", ["b"]), task("b", ["a"])]}
UNKNOWN = {"title": "A bridge", "tasks": [task("a"), task("b", ["c"])]}
NO_TASKS: dict[str, Any] = {"title": "A bridge", "tasks": []}

Model = Callable[..., list[ask.Question]]


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> Model:
    """`model(ANSWER, …)`: what the model answers to one question after the other, an error is raised; the questions."""

    def answering(*answers: object) -> list[ask.Question]:
        asked: list[ask.Question] = []
        left: Iterator[object] = iter(answers)

        def answer(claude: str, project: str, question: ask.Question, timeout_s: float = 0.0) -> Outcome:
            asked.append(question)
            given = next(left)
            if isinstance(given, Exception):
                raise given
            return Outcome(OutcomeKind.SUCCESS, structured=given, cost_usd=0.25)  # type: ignore[arg-type]

        monkeypatch.setattr(ask, "ask", answer)
        return asked

    return answering


def test_an_answer_that_never_becomes_right_is_refused_with_what_was_wrong_each_time(
    run: RunFolder, model: Model
) -> None:
    asked = model(CYCLE, UNKNOWN, "prose", NO_TASKS)
    said = run.here("plan", "Build a bridge", "--ai", code=1).stderr
    assert len(asked) == 4
    assert "the model gave no valid plan in 4 answers; the last answer is kept in plan.draft.yaml" in said
    assert "mend it and `orchestrate init plan.draft.yaml`, or use --template or --auto" in said
    assert "answer 1: 2 tasks wait for each other: a → b → a" in said
    assert 'answer 2: there is no task "c" to depend on' in said
    assert "answer 3: the answer must be a plan, found the text" in said
    assert "answer 4: the plan has no tasks" in said
    assert "wait for each other" in asked[1].prompt
    assert "wait for each other" not in asked[2].prompt
    assert not (run.project / "plan.yaml").exists()
    assert "request: Build a bridge" in (run.project / "plan.draft.yaml").read_text()


def test_the_last_plan_is_kept_whatever_comes_after_it(run: RunFolder, model: Model) -> None:
    model(CYCLE, "prose", ask.NoAnswerError("cut", may_pass=True), None)
    run.here("plan", "Build a bridge", "--ai", "--output", "bridge.yaml", code=1)
    assert "deps:" in (run.project / "bridge.draft.yaml").read_text()


@pytest.mark.parametrize(
    ("answers", "words", "code", "message"),
    [
        ([CYCLE], ["--budget-usd", "0.2"], 1, "in 1 answer: the budget of $0.20 is used up; the last answer is kept"),
        ([CYCLE, StoppedError("logged out")], [], 4, "in 1 answer: logged out; the last answer is kept"),
        ([CYCLE, ask.NoAnswerError("too long", may_pass=False)], [], 1, "in 1 answer: too long; the last answer"),
    ],
)
def test_what_ends_it_before_its_time_is_said_beside_what_was_wrong(
    run: RunFolder, model: Model, answers: list[object], words: list[str], code: int, message: str
) -> None:
    model(*answers)
    said = run.here("plan", "Build a bridge", "--ai", *words, code=code).stderr
    assert message in said
    assert "answer 1: 2 tasks wait for each other" in said
    assert (run.project / "plan.draft.yaml").exists()


def test_without_any_answer_there_is_nothing_to_keep(run: RunFolder, model: Model) -> None:
    model(StoppedError("logged out"))
    said = run.here("plan", "Build a bridge", "--ai", code=4).stderr
    assert "logged out" in said
    assert list(run.project.iterdir()) == []


def test_what_it_cost_is_said_failed_answers_included(run: RunFolder, model: Model) -> None:
    asked = model(CYCLE, ask.NoAnswerError("cut", may_pass=True, cost_usd=0.5), GOOD)
    done = run.here("plan", "Build a bridge", "--ai", "--budget-usd", "2", "--model", "opus")
    assert "by the model for $1.00: 2 tasks in 2 stages" in done.stdout
    assert [question.budget_usd for question in asked] == [2, 1.75, 1.25]
    assert {question.model for question in asked} == {"opus"}


def test_a_role_that_there_is_not_goes_back_and_the_model_is_told_which_there_are(run: RunFolder, model: Model) -> None:
    (run.folder / "roles").mkdir(parents=True)
    (run.folder / "roles" / "poet.md").write_text("---\nname: poet\ndescription: Writes poems.\n---\nWrite.\n")
    tasks = [task("a", role="poet"), task("b", ["a"], role="welder")]
    asked = model({"title": "x", "tasks": tasks}, {"title": "x", "tasks": [tasks[0], task("b", ["a"], role="docs")]})
    run.here("plan", "Sing of the bridge", "--ai")
    assert "- `poet`: Writes poems." in asked[0].prompt
    assert "- `security`: " in asked[0].prompt
    assert "welder" in asked[1].prompt.partition("## Your last answer was refused")[2].partition("draft")[0]
    assert "role: docs" in (run.project / "plan.yaml").read_text()


def test_a_split_that_never_becomes_right_changes_nothing(run: RunFolder, model: Model) -> None:
    run.init(task("T-01"), task("T-02", ["T-01"]), task("T-03", ["T-02"]))
    before = run.plan.read_bytes(), run.events()
    model({"tasks": [task("a")]}, {"tasks": [task("a", ["T-03"]), task("b", ["a"])]}, CYCLE, NO_TASKS)
    said = run.here("decompose", "T-02", "--ai", code=1).stderr
    assert "answer 1: T-02 would be split into 1 task" in said
    assert "answer 2: " in said and "T-03" in said
    assert "the last answer is kept in .orchestrator/T-02.draft.yaml" in said
    assert "mend it and `orchestrate decompose T-02 --from .orchestrator/T-02.draft.yaml`" in said
    assert (run.plan.read_bytes(), run.events()) == before
    model(GOOD)
    assert run.here("decompose", "T-02", "--ai", "--json").json["takes_over"] == "T-02.2"
