"""What a plan is said to take, in JSON and in words."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dags import Deps, dags, task
from orchestrator.dataclasses import replace
from orchestrator.model import Executor, Plan, RunSettings
from orchestrator.plans.estimate import estimate, estimate_text
from orchestrator.plans.prices import DEFAULT_PRICES, UNKNOWN_TOKENS, Price
from orchestrator.plans.simulation import makespan

REVIEW = Plan(
    "Review",
    tasks=(
        task("T-01", s=(300, 300), estimate_tokens=10_000, role="development"),
        task("T-02", ["T-01"], (600, 900), estimate_tokens=20_000, role="review", model="haiku"),
        task("T-03", ["T-01"], (900, 1500), estimate_tokens=20_000, role="security", model="opus"),
        task("T-04", ["T-01"], (600, 1200), estimate_tokens=10_000, role="review"),
        task("T-05", ["T-02", "T-03", "T-04"], (240, 300), estimate_tokens=15_000, role="docs"),
    ),
)


def of(*tasks: object, **fields: object) -> Plan:
    return Plan("Test", tasks=tasks, **fields)  # type: ignore[arg-type]


class TestRecord:
    def test_it_has_exactly_the_agreed_keys(self) -> None:
        assert estimate(REVIEW, 4).record() == {
            "total_subtasks": 5,
            "critical_path": ["T-01", "T-03", "T-05"],
            "critical_path_s": 2100,
            "total_work_s": 4200,
            "duration_s": [1440, 2100],
            "parallelism": 2.0,
            "parallelization_possible": True,
            "workers": 3,
            "stages": [["T-01"], ["T-02", "T-03", "T-04"], ["T-05"]],
            "estimated_tokens": 75_000,
            # 10% written: 35k sonnet at 4.2, 20k haiku at 1.4, 20k opus at 7.0; 40% written: at 7.8, 2.6, 13.0.
            "cost_usd": [0.32, 0.59],
            "roles": ["development", "review", "security", "docs"],
            "bottlenecks": ["T-03 takes 25m, 71% of the critical path", "all 4 other tasks wait for T-01"],
            "is_timed": True,
            "unpriced": [],
            "notes": ["3 of 5 tasks without a model: counted at the price of sonnet"],
        }

    def test_a_plan_without_tasks_takes_nothing(self) -> None:
        record = estimate(of(), 4).record()
        assert record["duration_s"] == [0, 0]
        assert record["workers"] == 0
        assert record["parallelization_possible"] is False
        assert json.loads(json.dumps(record)) == record

    @given(dags(), st.integers(1, 4), st.data())
    def test_the_numbers_fit_each_other(self, deps: Deps, slots: int, data: st.DataObject) -> None:
        ends = st.tuples(st.integers(1, 9), st.integers(0, 9)).map(lambda pair: (pair[0], sum(pair)))
        plan = of(*(task(id, needed, data.draw(st.none() | ends)) for id, needed in deps.items()))
        report = estimate(plan, slots)
        low, high = report.duration_s
        assert low <= high
        assert report.critical_path_s <= high <= report.total_work_s
        assert sorted(id for stage in report.stages for id in stage) == sorted(deps)
        assert report.workers <= slots
        assert (report.workers == 0) == (not deps)
        assert makespan(plan.tasks, max(1, report.workers)) == makespan(plan.tasks, slots)
        chained = len(report.stages) == len(deps)
        assert report.parallelization_possible is not chained
        json.dumps(report.record())


class TestTime:
    def test_slots_bound_the_duration(self) -> None:
        assert estimate(REVIEW, 1).duration_s[1] == 4200
        assert estimate(REVIEW, 2).duration_s[1] == 300 + 2100 + 300

    def test_workers_are_no_more_than_help(self) -> None:
        plan = of(task("long", s=100), *(task(f"T-{n}", s=10) for n in range(10)))
        assert estimate(plan, 8).workers == 2
        assert estimate(plan, 1).workers == 1

    def test_a_chain_cannot_run_in_parallel(self) -> None:
        report = estimate(of(task("a", s=5), task("b", ["a"], s=5)), 4)
        assert not report.parallelization_possible
        assert report.workers == 1
        assert report.bottlenecks == ("nothing can run in parallel: each task waits for another one",)

    def test_tasks_of_one_resource_cannot_run_in_parallel_either(self) -> None:
        report = estimate(of(task("a", s=5, resources=("db",)), task("b", s=5, resources=("db",))), 4)
        assert not report.parallelization_possible
        assert report.duration_s == (10, 10)

    def test_shorter_tasks_that_make_a_longer_run_do_not_turn_the_range_around(self) -> None:
        # An anomaly as in Graham 1969: with the low estimates "c" ends early and lets "d" before "f".
        plan = of(
            task("a", s=4),
            task("b", s=3),
            task("c", s=(2, 3)),
            task("d", ["b"], (3, 5)),
            task("e", s=5),
            task("f", ["b", "c"], 5),
        )
        low_ends = {"a": 4, "b": 3, "c": 2, "d": 3, "e": 5, "f": 5}
        assert (makespan(plan.tasks, 3, low_ends), makespan(plan.tasks, 3)) == (10, 9)
        assert estimate(plan, 3).duration_s == (9, 10)


class TestCost:
    def test_tokens_cost_their_models_price(self) -> None:
        plan = of(task("a", estimate_tokens=1_000_000, model="mine"))
        assert estimate(plan, 1, {"mine": Price(10, 20)}).cost_usd == pytest.approx((11, 14))

    @pytest.mark.parametrize(
        ("model", "part"),
        [
            ("claude-opus-4-1-20250805", "opus-4-1"),
            ("claude-opus-4-20250514", "opus-4-2025"),
            ("claude-opus-4-5", "opus"),
            ("Sonnet", "sonnet"),
            ("us.anthropic.claude-haiku-4-5-20251001-v1:0", "haiku"),
            (None, "sonnet"),
        ],
    )
    def test_a_model_is_priced_by_the_longest_part_of_its_name_that_is_known(
        self, model: str | None, part: str
    ) -> None:
        price = DEFAULT_PRICES[part]
        report = estimate(of(task("a", estimate_tokens=1_000_000, model=model)), 1)
        assert report.cost_usd[0] == pytest.approx(price.input_usd * 0.9 + price.output_usd * 0.1)
        assert not any("no price" in note for note in report.notes)
        assert report.notes[1:] == (("1 of 1 task without a model: counted at the price of sonnet",) * (model is None))

    def test_own_prices_come_before_the_bundled_ones_and_leave_the_others(self) -> None:
        plan = of(
            task("a", estimate_tokens=1_000_000, model="haiku"), task("b", estimate_tokens=1_000_000, model="opus")
        )
        assert estimate(plan, 1, {"haiku": Price(0, 0)}).cost_usd[0] == pytest.approx(7)

    def test_what_has_no_price_is_left_out_and_said(self) -> None:
        unknown = task("a", estimate_tokens=1_000_000, model="gpt-7")
        report = estimate(of(unknown, task("b", estimate_tokens=1_000_000, model="opus")), 1)
        assert report.cost_usd == pytest.approx((7, 13))
        assert report.unpriced == ("gpt-7",)
        left_out = "no price is known for the model gpt-7: a is not in the cost; add it under `prices` in desk.yaml"
        assert left_out in report.notes
        assert "Cost           $7.00 to $13.00, without gpt-7" in estimate_text(report)

    def test_without_any_price_the_cost_is_not_known(self) -> None:
        report = estimate(of(task("a", estimate_tokens=1_000_000, model="gpt-7"), budget_usd=0.01), 1)
        assert (report.cost_usd, report.record()["cost_usd"]) == (None, None)
        assert "Cost           not known" in estimate_text(report)
        assert not any("budget" in note for note in report.notes)
        assert estimate(of(task("a", model="gpt-7")), 1, {"gpt": Price(1, 1)}).unpriced == ()

    def test_a_command_of_the_plans_own_has_no_price(self) -> None:
        run = RunSettings(executor=Executor.COMMAND, command="my-agent")
        report = estimate(of(task("a", estimate_tokens=1_000_000), run=run), 1)
        assert report.cost_usd is None
        assert "what the plan's `command` costs is not known here" in report.notes

    def test_a_task_takes_the_model_of_its_role_unless_it_names_one(self) -> None:
        plan = of(
            task("a", estimate_tokens=1_000_000, role="docs"),
            task("b", estimate_tokens=1_000_000, role="docs", model="opus"),
        )
        cost = estimate(plan, 1, role_models={"docs": "haiku", "review": None}).cost_usd
        assert cost is not None and cost[0] == pytest.approx(1.4 + 7)

    def test_unknown_tokens_widen_the_range_and_are_told(self) -> None:
        report = estimate(of(task("a"), task("b", estimate_tokens=0)), 1)
        assert report.estimated_tokens == 0
        assert report.cost_usd == pytest.approx((0, UNKNOWN_TOKENS * 7.8 / 1e6))
        assert any("1 of 2 tasks without a token estimate" in note for note in report.notes)

    def test_a_budget_that_may_not_do_is_told(self) -> None:
        assert any("budget of $0.50" in note for note in estimate(replace(REVIEW, budget_usd=0.5), 4).notes)
        assert not any("budget" in note for note in estimate(replace(REVIEW, budget_usd=0.6), 4).notes)


def test_a_task_that_takes_over_a_result_takes_nothing() -> None:
    split = [task("a", ["a.1"], parent=None), task("a.1", s=60, estimate_tokens=5000, parent="a")]
    report = estimate(of(*split), 1)
    assert (report.critical_path_s, report.total_work_s, report.duration_s) == (60, 60, (60, 60))
    assert report.estimated_tokens == 5000
    assert report.notes == ("1 of 1 task without a model: counted at the price of sonnet",)


class TestBottlenecks:
    def test_a_shared_resource_is_named_with_its_holders(self) -> None:
        plan = of(*(task(id, s=600, resources=("db",)) for id in ("a", "b", "c")), task("d", s=60))
        assert "a, b and c take turns with the resource db, 30m of waiting" in estimate(plan, 4).bottlenecks

    def test_overlapping_writes_are_named(self) -> None:
        plan = of(task("a", s=60, writes=("src/**",)), task("b", s=30, writes=("src/x.py",)), task("c", s=1))
        assert "a and b take turns to write src/x.py, 1m of waiting" in estimate(plan, 4).bottlenecks

    def test_too_few_slots_are_named_with_the_number_that_would_help(self) -> None:
        plan = of(*(task(f"T-{n}", s=60) for n in range(6)))
        assert estimate(plan, 2).bottlenecks == ("2 slots for this much work: 3m, where 6 would take 1m",)
        assert estimate(plan, 6).bottlenecks == ()

    def test_a_persons_approval_is_named(self) -> None:
        plan = of(task("a", s=60), task("b", s=60, approval=True))
        assert estimate(plan, 2).bottlenecks == ("b starts only after a person's approval",)

    def test_tasks_that_as_many_others_wait_for_share_a_line(self) -> None:
        plan = of(task("a", s=9), task("b", s=8), task("c", ["a", "b"], s=8), task("d", ["c"], s=8))
        assert "2 of 3 other tasks wait for each of a and b" in estimate(plan, 4).bottlenecks

    def test_what_half_of_the_others_wait_for_is_named(self) -> None:
        plan = of(task("a", s=9), task("b", ["a"], s=8), task("c", ["a"], s=8), task("d", s=9), task("e", ["d"], s=8))
        assert estimate(plan, 4).bottlenecks == ("2 of 4 other tasks wait for a",)


class TestText:
    def test_it_reads_at_a_glance(self) -> None:
        assert estimate_text(estimate(REVIEW, 4), with_slack=True).split("\n") == [
            "5 tasks in 3 stages (1 · 3 · 1)",
            "",
            "  Critical path  T-01 → T-03 → T-05, 35m",
            "  Total work     1h 10m, parallelism 2.0",
            "  Duration       24m to 35m on 4 slots",
            "  Workers        3 useful",
            "  Tokens         75,000",
            "  Cost           $0.32 to $0.59",
            "  Roles          development, review, security, docs",
            "",
            "Bottlenecks",
            "  - T-03 takes 25m, 71% of the critical path",
            "  - all 4 other tasks wait for T-01",
            "",
            "Assumed",
            "  - 3 of 5 tasks without a model: counted at the price of sonnet",
            "",
            "Slack",
            "  T-01  critical",
            "  T-02  10m",
            "  T-03  critical",
            "  T-04  5m",
            "  T-05  critical",
            "",
        ]

    def test_plain_characters_are_plain(self) -> None:
        assert estimate_text(estimate(REVIEW, 4), with_slack=True, ascii=True).isascii()

    def test_without_any_estimate_it_counts_tasks_and_not_seconds(self) -> None:
        text = estimate_text(estimate(of(task("a"), task("b", ["a"]), task("c", ["a"])), 4))
        assert "a → b, 2 tasks" in text
        assert "Duration       2 tasks on 4 slots" in text
        assert "no task has an estimate: times are counted in tasks" in text

    def test_a_few_missing_estimates_are_told(self) -> None:
        text = estimate_text(estimate(of(task("a", s=60), task("b", ["a"])), 4))
        assert "1 of 2 tasks without an estimate: 1s each" in text
        assert "a → b, 1m 1s" in text

    def test_a_long_plan_stays_short(self) -> None:
        chain = [task(f"T-{n}", [f"T-{n - 1}"] if n else [], s=60) for n in range(500)]
        text = estimate_text(estimate(of(*chain), 4))
        assert "T-0 → T-1 → T-2 → T-3 → T-4 → ... → T-497 → T-498 → T-499, 8h 20m" in text
        assert max(map(len, text.split("\n"))) <= 100

    def test_no_name_steers_the_terminal(self) -> None:
        name = "\x1b[31m\nred\u202e"
        plan = of(*(task(id, s=9, role=name, model=name, resources=(name,)) for id in ("a", "b")), task("c"))
        text = estimate_text(estimate(plan, 4))
        assert text.count("?[31m?red?") == 4
        assert all(line.isprintable() for line in text.split("\n"))

    def test_an_empty_plan_is_said_to_be_empty(self) -> None:
        assert estimate_text(estimate(of(), 4)) == "The plan has no tasks.\n"
