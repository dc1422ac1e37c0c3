"""Rules that take several fields or several tasks to judge."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

import pytest

from orchestrator.dataclasses import replace
from orchestrator.errors import Problem, Severity
from orchestrator.model import (
    Dependency,
    DependencyType,
    Estimate,
    Fallback,
    Json,
    OnFailure,
    Plan,
    RunSettings,
    Task,
)
from orchestrator.plans.pathrules import is_path, outside
from orchestrator.plans.rules import plan_problems
from orchestrator.plans.schemarules import cli_fault, schema_fault

MANY = 10_000


def task(id: str, *deps: str, **fields: object) -> Task:
    """A task that no rule has anything against."""
    values: dict[str, object] = {"success_criteria": ("it is there",), **fields}
    values.setdefault("deps", tuple(map(Dependency, deps)))
    return Task(id, f"name of {id}", f"do {id}", **values)  # type: ignore[arg-type]


def problems(*tasks: Task, **plan: object) -> list[Problem]:
    return plan_problems(Plan(title="x", tasks=tasks, **plan))  # type: ignore[arg-type]


def errors(*tasks: Task, **plan: object) -> list[Problem]:
    return [problem for problem in problems(*tasks, **plan) if problem.severity is Severity.ERROR]


def warnings(*tasks: Task, **plan: object) -> list[Problem]:
    found = [problem for problem in problems(*tasks, **plan) if problem.severity is Severity.WARNING]
    return [problem for problem in found if "hardly worth a plan" not in problem.message]


def messages(found: Sequence[Problem]) -> list[str]:
    return [f"{problem.task}: {problem.message}" if problem.task else problem.message for problem in found]


def test_a_good_plan_has_no_problems() -> None:
    assert problems(task("T-01"), task("T-02", "T-01"), task("T-03", "T-01"), task("T-04", "T-02", "T-03")) == []


class TestIds:
    @pytest.mark.parametrize("id", ["a b", "-a", ".a", "a/b", "ä", "a" * 65, "a\u202eb", "a|b", "$(x)"])
    def test_an_unsafe_id_is_refused(self, id: str) -> None:
        found = errors(task(id))
        assert "cannot be the id of a task" in found[0].message
        assert found[0].text().isprintable()

    @pytest.mark.parametrize("id", ["con", "NUL", "Com1.a", "lpt9.tar.gz", "aux."])
    def test_a_device_name_of_windows_is_refused(self, id: str) -> None:
        assert messages(errors(task(id))) == [f"{id}: {id} is the name of a device on Windows"]

    @pytest.mark.parametrize("id", ["T-01", "auth-002-backend", "console", "com10", "a.b_c-d", "0", "a" * 64])
    def test_other_ids_are_fine(self, id: str) -> None:
        assert errors(task(id)) == []

    def test_a_duplicate_id_is_refused_without_regard_to_case(self) -> None:
        found = messages(errors(task("a"), task("b"), task("a"), task("B")))
        assert found == [
            'a: the id "a" is given twice, first in task 1 of the list',
            'B: the id "B" differs from "b" only in case, first in task 2 of the list',
        ]


class TestDependencies:
    def test_each_cycle_is_named(self) -> None:
        found = errors(task("T-01", "T-02"), task("T-02", "T-01"), task("a", "c"), task("b", "a"), task("c", "b"))
        assert messages(found) == [
            "T-01: 2 tasks wait for each other: T-01 → T-02 → T-01",
            "a: 3 tasks wait for each other: a → c → b → a",
        ]

    def test_a_very_long_cycle_is_named_in_short(self) -> None:
        found = errors(*(task(f"T-{n}", f"T-{(n + 1) % 100}") for n in range(100)))
        assert found[0].message.startswith("100 tasks wait for each other: T-0 → T-1 →")
        assert "… 88 more …" in found[0].message

    def test_a_task_that_depends_on_itself_is_refused_once(self) -> None:
        assert messages(errors(task("a", "a"), task("b", "a"))) == ["a: a depends on itself"]

    def test_an_unknown_dependency_is_refused_and_the_near_one_offered(self) -> None:
        found = errors(task("T-01"), task("auth-backend", "t-01"), task("c", "auth-bakend"), task("d", "zzz"))
        assert messages(found) == [
            'auth-backend: there is no task "t-01" to depend on',
            'c: there is no task "auth-bakend" to depend on',
            'd: there is no task "zzz" to depend on',
        ]
        assert [problem.advice for problem in found] == [
            "did you mean T-01?",
            "did you mean auth-backend?",
            "name one of T-01, auth-backend, c and d",
        ]

    def test_a_dependency_given_twice_is_refused(self) -> None:
        assert messages(errors(task("a"), task("b", "a", "a"))) == ['b: the dependency "a" is given twice']

    def test_an_order_that_is_given_already_is_pointed_out(self) -> None:
        order_only = (Dependency("a", DependencyType.SEQUENTIAL), Dependency("b"))
        found = warnings(task("a"), task("b", "a"), task("c", deps=order_only), task("d"))
        assert messages(found) == ["c: the order after a is already given by the dependency on b"]


class TestPaths:
    @pytest.mark.parametrize("field", ["outputs", "writes"])
    @pytest.mark.parametrize(
        "path",
        [
            *("/etc/passwd", "../x", "a/../../x", "C:/x", "c:x", "a\\b", "~/x", "~root/x", "//server/share"),
            *(".orchestrator/x", ".Orchestrator", "./.orchestrator/plan.yaml"),
        ],
    )
    def test_a_path_out_of_the_project_is_refused(self, field: str, path: str) -> None:
        found = errors(task("a", **{field: ("ok.md", path)}))
        assert len(found) == 1
        assert f"`{field}`" in found[0].message
        assert "is not in the project" in found[0].message

    @pytest.mark.parametrize(
        "path", ["a", "a/b.md", "./a", "..a/b", "a..b", ".github/x", "src/**", "a~b", "x/.orchestrator"]
    )
    def test_a_path_in_the_project_is_fine(self, path: str) -> None:
        assert outside(path) is None

    def test_inputs_may_be_prose_and_may_name_what_the_run_keeps(self) -> None:
        prose = ("the file /etc/passwd as text", "https://example.org/../x", ".orchestrator/context/T-01.md", "and/or")
        assert errors(task("a", inputs=prose)) == []

    @pytest.mark.parametrize("path", ["/etc/passwd", "../secret.md", "~/x", "C:\\x"])
    def test_an_input_that_is_a_path_out_of_the_project_is_refused(self, path: str) -> None:
        assert is_path(path)
        assert len(errors(task("a", inputs=(path,)))) == 1


class TestFailures:
    def test_a_fallback_needs_its_strategy_and_the_strategy_its_fallback(self) -> None:
        found = errors(
            task("a", fallback=Fallback("x")),
            task("b", fallback=Fallback("x"), on_failure=OnFailure.SKIP),
            task("c", on_failure=OnFailure.FALLBACK),
            task("d", fallback=Fallback("x"), on_failure=OnFailure.FALLBACK),
        )
        assert messages(found) == [
            "a: `fallback` is given and would never be used",
            "b: `fallback` is given and would never be used",
            "c: `on_failure: fallback` has no `fallback` to turn to",
        ]


class TestCommands:
    @pytest.mark.parametrize(
        ("command", "why"),
        [
            ("echo 'x", "has a quote that is never closed"),
            ('echo "x', "has a quote that is never closed"),
            ("echo \\", "ends in a backslash that escapes nothing"),
            ("''", "names no program"),
            ("   ", "names no program"),
        ],
    )
    def test_a_command_that_has_no_words_is_refused(self, command: str, why: str) -> None:
        assert why in errors(task("a", verify=("true", command)))[0].message
        run = RunSettings(command=command, hooks={"on_failed": command})
        found = errors(task("a"), run=run)
        assert [problem.message.split()[0] for problem in found] == ["`run.command`", "`run.hooks.on_failed`"]

    @pytest.mark.parametrize("command", ["make && make test", "cat x | grep y", "cd src", "echo x > y", "a ; b"])
    def test_a_command_that_needs_a_shell_is_pointed_out(self, command: str) -> None:
        found = warnings(task("a", verify=(command,)))
        assert len(found) == 1
        assert "without a shell" in found[0].message

    def test_quoted_shell_words_are_words(self) -> None:
        assert warnings(task("a", verify=("sh -c 'make && make test'", "grep -q '>' x.md"))) == []


class TestResultSchemas:
    @pytest.mark.parametrize(
        ("schema", "path"),
        [
            ({"type": "objekt"}, ("type",)),
            ({"properties": {"a": 1}}, ("properties", "a")),
            ({"pattern": "("}, ("pattern",)),
            ({"$schema": 1}, ("$schema",)),
            ({"$schema": "http://["}, ("$schema",)),
            ({"$ref": "https://example.org/s.json"}, ("$ref",)),
            ({"properties": {"a": {"$ref": "#/$defs/b"}}, "$defs": {"a": {}}}, ("properties", "a", "$ref")),
        ],
    )
    def test_what_is_no_json_schema_is_refused_at_its_place(
        self, schema: Mapping[str, Json], path: tuple[str, ...]
    ) -> None:
        fault = schema_fault(schema)
        assert fault is not None
        assert fault[0] == path
        assert "is not a JSON Schema" in errors(task("a", result_schema=schema))[0].message

    def test_a_schema_nested_too_deeply_is_refused(self) -> None:
        schema: dict[str, Json] = {}
        for _ in range(900):
            schema = {"not": schema}
        assert schema_fault(schema) == ((), "it is nested too deeply")

    @pytest.mark.parametrize(
        "schema",
        [
            {"type": "array"},
            {"properties": {}},
            {"type": "object", "$schema": "https://json-schema.org/draft/2020-12/schema"},
            {"type": "object", "properties": {"a": {"type": "string", "format": "date"}}},
            {"type": "object", "properties": {"a": {"unevaluatedItems": False}}},
            {"type": "object", "anyOf": [{"colour": "red"}]},
        ],
    )
    def test_what_the_cli_leaves_out_silently_is_pointed_out(self, schema: Mapping[str, Json]) -> None:
        assert schema_fault(schema) is None
        assert "claude leaves this `result_schema` out" in warnings(task("a", result_schema=schema))[0].message

    def test_names_of_properties_are_no_keywords(self) -> None:
        schema: dict[str, Json] = {
            "$schema": "http://json-schema.org/draft-07/schema#",
            "type": "object",
            "properties": {"format": {"type": "string"}, "colour": {"$ref": "#/definitions/a"}},
            "definitions": {"a": {"enum": ["x"]}},
        }
        assert schema_fault(schema) is None
        assert cli_fault(schema) is None


class TestAdvice:
    @pytest.mark.parametrize(
        ("count", "words"), [(0, "no tasks yet"), (1, "1 task;"), (2, "2 tasks;"), (11, "11 tasks;")]
    )
    def test_too_few_and_too_many_tasks_are_pointed_out(self, count: int, words: str) -> None:
        found = problems(*(task(f"T-{n}") for n in range(count)))
        assert len(found) == 1
        assert found[0].severity is Severity.WARNING
        assert words in found[0].message

    @pytest.mark.parametrize("count", [3, 10])
    def test_three_to_ten_tasks_are_fine(self, count: int) -> None:
        assert problems(*(task(f"T-{n}") for n in range(count))) == []

    def test_a_chain_and_many_stages_are_pointed_out(self) -> None:
        found = warnings(*(task(f"T-{n}", *([f"T-{n - 1}"] if n else [])) for n in range(11)))
        assert [problem.message[:20] for problem in found] == [
            "11 tasks; more than ",
            "each task waits for ",
            "11 stages; with more",
        ]

    def test_ten_stages_are_fine(self) -> None:
        tasks = [task(f"T-{n}", *([f"T-{n - 1}"] if n else [])) for n in range(9)]
        assert problems(*tasks, task("last", "T-8"))[0].message.startswith("each task waits")
        assert len(problems(*tasks, task("last", "T-8"))) == 1

    @pytest.mark.parametrize(
        ("fields", "words"),
        [
            ({"estimate": Estimate(60, 1_260)}, "estimated at 21m; over 20m"),
            ({"estimate_tokens": 20_001}, "estimated at 20,001 tokens; over 20,000"),
            ({"outputs": ("a", "b"), "writes": ("b", "c", "d")}, "changes 4 files or folders; over 3"),
            ({"success_criteria": ()}, "nothing says how one knows that it is done"),
            ({"estimate": Estimate(300, 600), "timeout_s": 300.0}, "its timeout of 5m (given) is shorter"),
        ],
    )
    def test_a_task_that_is_too_large_or_vague_is_pointed_out(self, fields: dict[str, object], words: str) -> None:
        found = warnings(task("a", **fields))
        assert len(found) == 1
        assert words in found[0].message
        assert found[0].task == "a"

    @pytest.mark.parametrize(
        "fields",
        [
            {"estimate": Estimate(60, 1_200)},
            {"estimate_tokens": 20_000},
            {"outputs": ("a", "b"), "writes": ("b", "c")},
            {"success_criteria": (), "verify": ("true",)},
            {"success_criteria": (), "outputs": ("a",)},
            {"success_criteria": (), "result_schema": {"type": "object"}},
        ],
    )
    def test_at_the_limit_nothing_is_said(self, fields: dict[str, object]) -> None:
        assert warnings(task("a", **fields)) == []

    def test_the_default_timeout_counts_as_well(self) -> None:
        found = warnings(task("a", estimate=Estimate(60, 2_400)))
        assert [problem.message[:30] for problem in found] == [
            "estimated at 40m; over 20m muc",
            "its timeout of 30m (not given)",
        ]

    def test_budgets_of_tasks_over_that_of_the_plan_are_pointed_out(self) -> None:
        tasks = [task(f"T-{n}", budget_usd=2.0) for n in range(3)]
        assert "add up to $6.00, the plan's is $5.00" in warnings(*tasks, budget_usd=5.0)[0].message
        assert warnings(*tasks, budget_usd=6.0) == []
        assert warnings(*tasks) == []


class TestMentions:
    """No dependency inside a stage: stages follow from dependencies, so that only one which is not written can hide."""

    def test_a_task_that_counts_on_one_beside_it_is_pointed_out_once(self) -> None:
        found = warnings(
            task("T-01"),
            replace(task("T-02", "T-01"), description="Use what T-03 found. Then ask T-03 again."),
            task("T-03", "T-01", inputs=("the list of T-04",)),
            task("T-04"),
        )
        assert messages(found) == [
            "T-02: it names T-03, which may run at the same time: nothing of T-03 is handed over",
            "T-03: it names T-04, which may run at the same time: nothing of T-04 is handed over",
        ]
        assert found[0].advice == "add T-03 to its deps, or say what is meant without the id"

    @pytest.mark.parametrize(
        "text", ["As in T-01.", "T-04 goes on from here.", "T-03 is me", "XT-02, T-02x, T-02-a", "Step 1: style it."]
    )
    def test_what_comes_before_or_after_it_and_what_is_no_id_may_be_named(self, text: str) -> None:
        plan = [task("T-01"), task("T-02", "T-01"), task("T-03", "T-01"), task("T-04", "T-02", "T-03")]
        plan += [task("1", "T-01"), task("style", "T-01")]
        plan[2] = replace(plan[2], description=text)
        assert warnings(*plan) == []

    def test_very_many_mentions_are_no_burden(self) -> None:
        ids = [f"T-{number}" for number in range(2000)]
        tasks = [replace(task(id), description=" ".join(ids[:50])) for id in ids]
        assert 0 < len([each for each in warnings(*tasks) if "it names" in each.message]) <= 200


class TestClashes:
    def test_tasks_that_may_change_the_same_files_unordered_are_pointed_out(self) -> None:
        found = warnings(task("a", writes=("src/**",)), task("b", writes=("src/x.py",)), task("c", writes=("docs/*",)))
        assert messages(found) == ["b: may change the same files as a, and neither waits for the other"]
        assert found[0].advice.startswith("add the dependency {task: a, type: sequential}")

    def test_outputs_count_as_well(self) -> None:
        assert len(warnings(task("a", outputs=("r.md",)), task("b", outputs=("R.md",)))) == 1

    def test_a_path_of_dependencies_either_way_is_an_order(self) -> None:
        writer = {"writes": ("src/**",)}
        assert warnings(task("a", **writer), task("m", "a"), task("b", "m", **writer), task("z")) == []
        assert warnings(task("a", "m", **writer), task("m", "b"), task("b", **writer), task("z")) == []

    def test_every_unordered_pair_is_found(self) -> None:
        globs = ["a/*", "a/b", "**/b", "c.md", "A/B/d", "x*.py", "c"]
        found = warnings(*(task(f"T-{n}", writes=(glob,)) for n, glob in enumerate(globs)))
        assert {problem.task: problem.message.partition(", and neither")[0] for problem in found} == {
            "T-1": "may change the same files as T-0",
            "T-2": "may change the same files as T-0 and T-1",
            "T-4": "may change the same files as T-0, T-1 and T-2",
            "T-6": "may change the same files as T-2",
        }

    def test_a_task_does_not_clash_with_itself(self) -> None:
        assert warnings(task("a", writes=("x/*", "x/a"), outputs=("x/a",))) == []

    def test_nothing_is_said_of_clashes_in_a_plan_without_an_order(self) -> None:
        found = problems(task("a", "b", writes=("x",)), task("b", "a", writes=("x",)), task("c", writes=("x",)))
        assert not any("same files" in problem.message for problem in found)

    def test_more_globs_than_can_be_compared_are_pointed_out(self) -> None:
        found = warnings(*(task(f"T-{n}", writes=(f"src/{n}*.py",)) for n in range(400)))
        assert any("too many globs" in problem.message for problem in found)


def test_values_that_tasks_share_from_the_defaults_are_judged_once() -> None:
    outputs, estimate = ("/etc/x",), Estimate(60, 1_500)
    found = problems(*(task(f"T-{n}", outputs=outputs, estimate=estimate) for n in range(5)))
    assert sum("is not in the project" in problem.message for problem in found) == 1
    assert sum("over 20m" in problem.message for problem in found) == 1


def test_problems_come_in_the_order_of_their_lines() -> None:
    plan = Plan(title="x", tasks=(task("a", "zz", outputs=("/x",)), task("b", "b"), task("c")))
    lines = {("tasks", 0, "deps", 0): 7, ("tasks", 0, "outputs", 0): 5, ("tasks", 1, "deps", 0): 9}
    assert [problem.line for problem in plan_problems(plan, lines.get)] == [5, 7, 9]


@pytest.mark.parametrize(
    "fields",
    [
        lambda n: {},
        lambda n: {"writes": ("src/**",)},
        lambda n: {"writes": ("src/**",), "deps": (Dependency(f"T-{n + 1}"),) if n < MANY - 1 else ()},
        lambda n: {"writes": (f"src/d{n % 100}/f{n}.py",), "outputs": (f"out/{n}.md",)},
        lambda n: {"writes": (f"src/{n}*.py",)},
        lambda n: {"deps": (Dependency(f"X-{n}"),)},
        lambda n: {"deps": (Dependency(f"T-{(n + 1) % MANY}"),)},
        lambda n: {"deps": tuple(Dependency(f"T-{m}") for m in range(n))} if n == MANY - 1 else {},
    ],
    ids=["plain", "one glob", "one glob, ordered", "own files", "own globs", "unknown", "one cycle", "one join"],
)
def test_ten_thousand_tasks_are_judged_in_about_a_second(fields: object) -> None:
    tasks = tuple(task(f"T-{n}", **fields(n)) for n in range(MANY))  # type: ignore[operator]
    begin = time.process_time()
    plan_problems(Plan(title="x", tasks=tasks))
    assert time.process_time() - begin < 5  # a third of it on a machine that has nothing else to do
