"""`estimate`: of a plan, and of a request that nobody has planned yet."""

from __future__ import annotations

import pytest

from runfolders import RunFolder, task

REVIEW = "Review this service for style, security and performance and write one report"


class TestOfARequest:
    def test_a_complex_one_is_estimated_as_the_plan_that_its_template_makes(self, run: RunFolder) -> None:
        answer = run.here("estimate", "--request", REVIEW, "--json").json
        about = answer["request"]
        assert (about["decision"], about["template"]) == ("complex", "code-review")
        assert about["why"].startswith("complex: code-review fits best")
        run.here("plan", REVIEW, "--template", "code-review")
        same = run.here("estimate", "--json").json
        assert {key: value for key, value in answer.items() if key != "request"} == same
        low, high = answer["cost_usd"]
        assert 0 < low < high
        assert answer["roles"] == ["research", "review", "docs"]
        assert answer["workers"] == 4
        assert answer["bottlenecks"] == ["all 6 other tasks wait for T-01"]

    def test_a_simple_one_is_one_task_for_its_role(self, run: RunFolder) -> None:
        done = run.here("estimate", "--request", "-", stdin="Fix the typo in README.md")
        assert done.stdout.startswith("simple: one task for the role docs\n")
        assert "1 task in 1 stage" in done.stdout
        assert "Workers        1, nothing can run in parallel" in done.stdout

    def test_a_template_and_its_values_may_be_named(self, run: RunFolder) -> None:
        words = ("--template", "competitive-analysis", "--set", "competitors=Asana,Trello")
        done = run.here("estimate", "--request", "Fix the typo in README.md", *words, "--jobs", "1", "--ascii")
        assert "the template competitive-analysis, as asked for; by its words the request is simple" in done.stdout
        assert "6 tasks in 4 stages" in done.stdout
        assert "on 1 slot" in done.stdout

    def test_nothing_is_written(self, run: RunFolder) -> None:
        run.here("estimate", "--request", REVIEW)
        assert list(run.project.iterdir()) == []

    @pytest.mark.parametrize(
        ("words", "code", "message"),
        [
            (["--request", " "], 1, "the request is empty"),
            (["--request", "x", "plan.yaml"], 2, "a plan and --request were both given"),
            (["--template", "research"], 2, "--template and --set are for --request"),
            (["--request", "x", "--template", "nothing-like-it"], 2, "there is no template"),
            (["--request", "x", "--set", "a=b", "--template", "research"], 2, 'has no parameter "a"'),
        ],
    )
    def test_words_that_do_not_fit_together_are_refused(
        self, run: RunFolder, words: list[str], code: int, message: str
    ) -> None:
        assert message in run.here("estimate", *words, code=code).stderr


class TestOfAPlan:
    def test_what_was_assumed_and_what_is_not_known_is_said_in_both_forms(self, run: RunFolder) -> None:
        run.write_plan(task("T-01", model="gpt-7", estimate_tokens=9000), task("T-02", ["T-01"]))
        answer = run.here("estimate", "--json").json
        assert answer["is_timed"] is False
        assert answer["unpriced"] == ["gpt-7"]
        assert answer["notes"] == [
            "no task has an estimate: times are counted in tasks",
            "no price is known for the model gpt-7: T-01 is not in the cost; add it under `prices` in desk.yaml",
            "1 of 2 tasks without a model: counted at the price of sonnet",
            "1 of 2 tasks without a token estimate: 0 to 20,000 tokens each in the cost",
        ]
        shown = run.here("estimate").stdout
        assert all(f"  - {note}\n" in shown for note in answer["notes"])

    def test_a_task_counts_with_the_model_of_its_role(self, run: RunFolder) -> None:
        roles = run.folder / "roles"
        roles.mkdir(parents=True)
        (roles / "poet.md").write_text("---\nname: poet\ndescription: Writes poems.\nmodel: haiku\n---\nWrite.\n")
        run.write_plan(task("T-01", role="poet", estimate_tokens=1_000_000))
        answer = run.here("estimate", "--json").json
        assert answer["cost_usd"] == [1.4, 2.6]
        assert not any("without a model" in note for note in answer["notes"])

    def test_a_task_whose_result_is_taken_over_takes_nothing(self, run: RunFolder) -> None:
        run.init(task("T-01", estimate="10m", estimate_tokens=9000))
        run.prepare("decompose", "T-01", "--template", "research")
        answer = run.here("estimate", "--json").json
        assert answer["total_subtasks"] == 4
        assert not any("T-01 " in note for note in answer["notes"])
        assert "without an estimate" not in " ".join(answer["notes"])

    def test_prices_are_the_users_to_edit(self, run: RunFolder) -> None:
        run.folder.mkdir()
        desk = run.folder / "desk.yaml"
        desk.write_text("prices:\n  gpt-7: {input: 1, output: 11}\n  sonnet: {input: 0, output: 0}\n")
        run.write_plan(task("T-01", model="gpt-7", estimate_tokens=1_000_000), task("T-02", estimate_tokens=1_000_000))
        answer = run.here("estimate", "--json").json
        assert answer["cost_usd"] == [2, 5]
        assert answer["unpriced"] == []
        desk.write_text("prices:\n  gpt-7: 5\n")
        wrong = run.here("estimate", "--json")
        assert wrong.json["unpriced"] == ["gpt-7"]
        assert "desk.yaml:2" in wrong.stderr
