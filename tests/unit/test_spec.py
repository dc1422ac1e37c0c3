"""From the bytes of plan.yaml to a plan, or to everything that is wrong with it."""

from __future__ import annotations

import json
import random
import time

import jsonschema
import pytest

from orchestrator.errors import Problem, Severity, errors_of
from orchestrator.model import (
    Constraint,
    Dependency,
    DependencyType,
    Estimate,
    Executor,
    Fallback,
    Objectives,
    OnFailure,
    Priority,
    Rehearsal,
    RunSettings,
    Task,
    WritesPolicy,
)
from orchestrator.planrecords import task_record
from orchestrator.plans import planfile
from orchestrator.plans.planschema import DefaultsForm, HeadForm, PlanForm, TaskForm
from orchestrator.plans.schemarules import cli_fault, schema_fault
from orchestrator.plans.spec import (
    LONGEST_DERIVED_NAME,
    PlanReading,
    checked_plan,
    derived_name,
    json_schema,
    read_plan,
)
from orchestrator.plans.yamlfile import read_yaml
from orchestrator.plans.yamlsource import MOST_PROBLEMS

REVIEW = """\
version: 1
title: Review the service
request: |
  Review this service for style, security and performance
  and write one report.
objectives:
  primary: One report
  secondary: [Short, Clear]
  success_criteria:
    - Every finding names a file
constraints:
  - Reading only
  - time: two hours
implicit_requirements: [No secrets in the report]
budget_usd: 5
defaults:
  model: sonnet
  timeout: 20m
run:
  jobs: 4
  executor: rehearse
  quiet_hours: 22:00-7:00
  hooks: {on_failed: notify "the user"}
tasks:
  # the first
  - id: read
    name: Read the code
    description: Read all of it.
    outputs: [docs/map.md]
    estimate: 5m-10m
  - id: style
    description: |
      Look at the style of every file and of the tests. Write down what you find.

      Be brief.
    deps: [read]
    role: review
    writes: ["notes/style/**"]
    success_criteria: [Findings are listed]
  - name: Security
    description: Look at security.
    deps:
      - task: read
        type: sequential
    verify: [grep -q High docs/map.md]
    timeout: 1h
    on_failure: fallback
    fallback: Look at the login only.
    rehearse: {duration: 1.5, fails: 1, limits: 2, limit_s: 3s, result: fine}
  - name: Join all results into one report
    deps: [style, T-01]
    result_schema: {type: object, properties: {findings: {type: array}}}
    priority: P0
    approval: true
    retry_safe: false
    allowed_tools: [Read, "Bash(git diff:*)"]
    permission_mode: dontAsk
"""


def read(text: str) -> PlanReading:
    return read_plan(text.encode())


def checked(text: str) -> PlanReading:
    return checked_plan(text.encode())


def task_with(field: str) -> str:
    return f"tasks:\n  - id: T-01\n    description: x\n    {field}\n"


def read_task(field: str) -> Task:
    reading = read(task_with(field))
    assert reading.problems == ()
    assert reading.plan is not None
    return reading.plan.tasks[0]


def only_problem(text: str) -> Problem:
    problems = read(text).problems
    assert len(problems) == 1, problems
    return problems[0]


class TestAGoodPlan:
    def test_everything_in_it_is_read(self) -> None:
        plan = checked(REVIEW).plan
        assert plan is not None
        assert plan.title == "Review the service"
        assert plan.request == "Review this service for style, security and performance\nand write one report."
        assert plan.objectives == Objectives("One report", ("Short", "Clear"), ("Every finding names a file",))
        assert plan.constraints == (Constraint("Reading only"), Constraint("two hours", "time"))
        assert plan.implicit_requirements == ("No secrets in the report",)
        assert plan.budget_usd == 5.0
        hooks = {"on_failed": 'notify "the user"'}
        assert plan.run == RunSettings(4, Executor.REHEARSE, quiet_hours="22:00-07:00", hooks=hooks)
        first, style, security, join = plan.tasks
        assert first == Task(
            "read",
            "Read the code",
            "Read all of it.",
            outputs=("docs/map.md",),
            estimate=Estimate(300, 600),
            timeout_s=1_200,
            model="sonnet",
        )
        assert style.name == "Look at the style of every file and of the tests"
        assert style.description.endswith("find.\n\nBe brief.")
        assert style.deps == (Dependency("read"),)
        assert (style.writes, style.role, style.timeout_s) == (("notes/style/**",), "review", 1_200)
        assert security.id == "T-01"
        assert security.deps == (Dependency("read", DependencyType.SEQUENTIAL),)
        assert security.timeout_s == 3_600
        assert security.on_failure is OnFailure.FALLBACK
        assert security.fallback == Fallback("Look at the login only.")
        assert security.rehearse == Rehearsal(1.5, 1, False, 2, 3.0, "fine")
        assert (join.id, join.description) == ("T-02", join.name)
        assert join.dep_ids == ("style", "T-01")
        assert (join.priority, join.approval, join.retry_safe) == (Priority.P0, True, False)
        assert join.allowed_tools == ("Read", "Bash(git diff:*)")

    def test_it_has_no_problems(self) -> None:
        assert checked(REVIEW).problems == ()

    def test_lines_lead_to_what_was_written(self) -> None:
        lines = read(REVIEW).lines
        assert lines(("budget_usd",)) == 15
        assert lines(("tasks", 1, "deps", 0)) == 36
        assert lines(("tasks", 2, "fallback")) == 48

    def test_lines_lead_to_the_defaults_where_the_task_takes_from_there(self) -> None:
        lines = read(REVIEW).lines
        assert lines(("tasks", 0, "timeout")) == 18
        assert lines(("tasks", 2, "timeout")) == 46
        assert lines(("tasks", 0, "verify")) == 26

    def test_what_is_written_is_kept_apart_from_what_it_means(self) -> None:
        raw = read(REVIEW).raw
        tasks = raw["tasks"]
        assert isinstance(tasks, dict)
        assert list(tasks) == ["read", "style", "T-01", "T-02"]
        assert tasks["T-01"] == {
            "name": "Security",
            "description": "Look at security.",
            "deps": [["read", "sequential"]],
            "verify": ["grep -q High docs/map.md"],
            "timeout_s": 3600.0,
            "on_failure": "fallback",
            "fallback": {"description": "Look at the login only.", "model": None, "role": None},
            "rehearse": {"duration_s": 1.5, "fails": 1, "hangs": False, "limits": 2, "limit_s": 3.0, "result": "fine"},
        }
        assert raw["defaults"] == {"timeout_s": 1200.0, "model": "sonnet"}
        assert json.loads(json.dumps(raw)) == raw

    def test_two_ways_to_write_the_same_are_equal_in_their_raw_form(self) -> None:
        one = (
            "tasks:\n- {id: a, name: x, description: y}\n- {id: b, name: x, deps: [a], timeout: 90m, estimate: 5-6m}\n"
        )
        two = "# c\ntasks:\n  - description: |\n      y\n    name: x\n    id: a\n  - name: x\n    id: b\n    deps:\n"
        two += "      - {task: a}\n    estimate: 5m-360s\n    timeout: 1h30m\n    role:\n"
        assert read(one).raw == read(two).raw

    def test_a_value_that_equals_the_default_of_the_program_is_kept_as_written(self) -> None:
        tasks = read("defaults: {max_retries: 5}\ntasks:\n- {id: a, name: x, max_retries: 2, approval: false}\n").raw[
            "tasks"
        ]
        assert tasks == {"a": {"name": "x", "id": "a", "approval": False, "max_retries": 2}}


class TestDefaults:
    def test_a_task_takes_only_what_it_does_not_give(self) -> None:
        text = "defaults: {role: review, max_retries: 0, deps: [a], outputs: [x]}\n"
        text += "tasks:\n  - {id: a, name: x, deps: [], max_retries: 2}\n  - {id: b, name: y, outputs: []}\n"
        plan = read(text).plan
        assert plan is not None
        first, second = plan.tasks
        assert (first.role, first.max_retries, first.deps, first.outputs) == ("review", 2, (), ("x",))
        assert (second.role, second.max_retries, second.dep_ids, second.outputs) == ("review", 0, ("a",), ())

    def test_an_empty_key_counts_as_not_given(self) -> None:
        plan = read("defaults: {role: review}\ntasks:\n  - name: x\n    role:\n    deps:\n    estimate: ~\n").plan
        assert plan is not None
        assert plan.tasks[0].role == "review"
        assert plan.tasks[0].deps == ()

    def test_a_shared_fallback_is_left_out_where_the_task_has_another_strategy(self) -> None:
        text = "defaults: {on_failure: fallback, fallback: shorter}\ntasks: [{name: x}, {name: y, on_failure: skip}]\n"
        plan = checked(text).plan
        assert plan is not None
        assert [task.fallback for task in plan.tasks] == [Fallback("shorter"), None]

    @pytest.mark.parametrize("key", ["id", "name", "description"])
    def test_what_belongs_to_one_task_cannot_be_a_default(self, key: str) -> None:
        problem = only_problem(f"defaults: {{{key}: x}}\ntasks: [{{name: x}}]\n")
        assert problem.message == f'there is no key "{key}" in `defaults`'
        assert problem.advice == "write it in a task"

    def test_a_refused_default_is_told_once_and_at_its_line(self) -> None:
        text = "defaults:\n  outputs: [/etc/passwd]\n  max_retries: x\ntasks:\n" + "  - {name: a}\n" * 5
        assert [(problem.line, problem.message[:30]) for problem in checked(text).problems] == [
            (2, '`outputs` "/etc/passwd" is not'),
            (3, "`defaults.max_retries` must be"),
        ]


class TestIdsAndNames:
    def test_missing_ids_are_assigned_and_never_collide(self) -> None:
        plan = read("tasks: [{name: a}, {id: t-02, name: b}, {name: c}, {id: T-1, name: d}]").plan
        assert plan is not None
        assert [task.id for task in plan.tasks] == ["T-03", "t-02", "T-04", "T-1"]

    def test_a_name_is_taken_from_the_first_words_of_the_description(self) -> None:
        assert derived_name("Write the tests. Then run them.") == "Write the tests"
        assert derived_name("\n\n  Write\tthe   tests:\n- one") == "Write the tests"
        long = derived_name("word " * 40)
        assert long == "word " * 11 + "word…"
        assert len(long) <= LONGEST_DERIVED_NAME
        assert len(derived_name("x" * 500)) == LONGEST_DERIVED_NAME

    def test_a_task_needs_a_description_or_a_name(self) -> None:
        problem = only_problem("tasks:\n  - name: a\n  - role: review\n")
        assert problem.message == "the task has neither a description nor a name"
        assert (problem.line, problem.task) == (3, "T-02")

    @pytest.mark.parametrize("blank", ["", '""', "'  '", '"\\n\\t"', "|\n\n"])
    def test_a_blank_description_is_refused_even_beside_a_name(self, blank: str) -> None:
        problem = only_problem(f"tasks:\n  - name: a\n    description: {blank}\n")
        assert "`description`" in problem.message
        assert problem.line == 3

    def test_a_plan_without_a_title_is_named_after_what_it_is_for(self) -> None:
        for text, title in [
            ("request: Do this. And that.", "Do this"),
            ("objectives: {primary: Win}", "Win"),
            ("tasks: [{name: Work}]", "Work"),
            ("version: 1", "Plan"),
        ]:
            plan = read(text).plan
            assert plan is not None
            assert plan.title == title


class TestPlansWithoutTasks:
    @pytest.mark.parametrize("text", ["title: x\n", "title: x\ntasks: []\n", "title: x\ntasks:\n"])
    def test_a_plan_without_tasks_is_allowed_with_a_warning(self, text: str) -> None:
        reading = checked(text)
        assert reading.plan is not None
        assert reading.plan.tasks == ()
        assert [problem.message for problem in reading.problems] == ["the plan has no tasks yet"]
        assert errors_of(reading.problems) == []

    @pytest.mark.parametrize("text", ["", "# nothing\n", "---\n", "~"])
    def test_an_empty_file_is_refused(self, text: str) -> None:
        reading = checked(text)
        assert reading.plan is None
        assert [problem.message for problem in reading.problems] == ["the plan is empty"]

    @pytest.mark.parametrize(
        ("text", "what"), [("[]", "an empty list"), ("- a", "a list"), ("word", 'the text "word"')]
    )
    def test_what_is_no_mapping_is_refused(self, text: str, what: str) -> None:
        assert only_problem(text).message == f"a plan must be a mapping of `key: value` lines, found {what}"


class TestFields:
    @pytest.mark.parametrize(
        ("field", "name", "value"),
        [
            ("timeout: 90", "timeout_s", 90.0),
            ("idle_timeout: 1.5h", "idle_timeout_s", 5_400.0),
            ("estimate: 20-30m", "estimate", Estimate(1_200, 1_800)),
            ("estimate_tokens: 5000", "estimate_tokens", 5_000),
            ("budget_usd: 0", "budget_usd", 0.0),
            ("max_retries: 0", "max_retries", 0),
            ("max_retries: 100", "max_retries", 100),
            ("writes_policy: fail", "writes_policy", WritesPolicy.FAIL),
            ("on_failure: fail-fast", "on_failure", OnFailure.FAIL_FAST),
            ("agent: Agent-100", "agent", "Agent-100"),
            ("worker_type: my-kind", "worker_type", "my-kind"),
            ("fallback: {model: opus, role: x}", "fallback", Fallback(None, "opus", "x")),
            ("rehearse: {duration: 2m}", "rehearse", Rehearsal(120.0)),
            ("inputs: ['the API', src/a.py]", "inputs", ("the API", "src/a.py")),
            ("name: >\n      two\n      words", "name", "two words"),
            ("role: on", "role", "on"),
            ("name: 2024-01-01", "name", "2024-01-01"),
        ],
    )
    def test_a_right_value_is_read(self, field: str, name: str, value: object) -> None:
        assert getattr(read_task(field), name) == value

    @pytest.mark.parametrize(
        ("field", "message", "advice"),
        [
            ("deps: T-02", '`deps` must be a list, found the text "T-02"', "write [T-02]"),
            ("deps: [3]", "`deps[0]` must be text or a mapping of `key: value` lines, found the number 3", ""),
            ("deps: [{type: data}]", "`deps[0]` has no `task`", "add `task: …`"),
            (
                "deps: [{task: a, type: dat}]",
                '`deps[0].type` must be one of data and sequential, found the text "dat"',
                "write data",
            ),
            ("name: 3", "`name` must be text, found the number 3", 'put it in quotes: "3"'),
            ("name: true", "`name` must be text, found true", 'put it in quotes: "true"'),
            (
                "name: [a]",
                "`name` must be text, found a list",
                "write one text, or put a text that begins with `[` in quotes",
            ),
            ("approval: yes", '`approval` must be true or false, found the text "yes"', "write true"),
            ("approval: 'off'", '`approval` must be true or false, found the text "off"', "write false"),
            ("approval: 1", "`approval` must be true or false, found the number 1", "write true or false"),
            (
                "max_retries: '3'",
                '`max_retries` must be a whole number, found the text "3"',
                "write digits, without quotes or units",
            ),
            ("max_retries: 2.5", "`max_retries` must be a whole number, found the number 2.5", "write a whole number"),
            ("max_retries: true", "`max_retries` must be a whole number, found true", "write a whole number"),
            ("max_retries: -1", "`max_retries` must be at least 0, found the number -1", "write 0"),
            ("max_retries: 101", "`max_retries` must be at most 100, found the number 101", "write 100"),
            ("budget_usd: -0.01", "`budget_usd` must be at least 0, found the number -0.01", "write 0"),
            (
                "budget_usd: 5$",
                '`budget_usd` must be a number, found the text "5$"',
                "write digits, without quotes or units",
            ),
            ("timeout: soon", '`timeout` must be a duration: "soon" is not a duration', "write 90s, 20m, 2h or 1h30m"),
            ("timeout: [1]", "`timeout` must be a duration, found a list", "write 90s, 20m, 2h or 1h30m"),
            (
                "timeout: 0",
                "`timeout` must be longer than 0",
                "write 90s, 20m, 2h or 1h30m, or leave it out for the default",
            ),
            (
                "estimate: 30m-20m",
                '`estimate` must be a duration or a range: the range "30m-20m" runs backwards',
                "write 20m or 20m-30m",
            ),
            ("priority: p1", '`priority` must be one of P0, P1, P2 and P3, found the text "p1"', "write P1"),
            (
                "on_failure: {}",
                "`on_failure` must be one of retry, skip, fail-fast, fallback and split, found an empty mapping",
                "write retry",
            ),
            (
                "agent: Agent-1",
                '`agent` must be an agent such as Agent-01, found "Agent-1"',
                "write Agent-01, or leave it out",
            ),
            (
                "agent: agent-01",
                '`agent` must be an agent such as Agent-01, found "agent-01"',
                "write Agent-01, or leave it out",
            ),
            ("role: security and docs", "`role` names 2 roles", "a task has one role: make a task for each"),
            ("role: [security, docs, x]", "`role` names 3 roles", "a task has one role: make a task for each"),
            ("role: [docs]", "`role` must be text, found a list", "write the name of one role"),
            ("role: ../x", '`role` must be one word of at most 64 letters, digits and . _ -, found "../x"', "write x"),
            ("model: --x", '`model` must not begin with a dash, found "--x"', "write the value itself, not an option"),
            (
                "allowed_tools: [-x]",
                '`allowed_tools[0]` must not begin with a dash, found "-x"',
                "write the value itself, not an option",
            ),
            ("verify: ['']", "`verify[0]` is blank", "write something, or remove it"),
            (
                'outputs: ["a\\nb"]',
                "`outputs[0]` has several lines or a tab",
                "write it on one line; two things are two items of the list",
            ),
            ('name: "a\\e[2Jb"', "`name` has the control character U+001B", "remove it"),
            ('inputs: ["a\\rb"]', "`inputs[0]` has the control character U+000D", "remove it"),
            ("result_schema: [a]", "`result_schema` must be a mapping of `key: value` lines, found a list", ""),
            ('result_schema: {a: ["\\0"]}', "`result_schema` has the control character U+0000", "remove it"),
            ("fallback: {}", "`fallback` says nothing", "give another description, model or role"),
            ("rehearse: {fails: -1}", "`rehearse.fails` must be at least 0, found the number -1", "write 0"),
            ("rehearse: 3", "`rehearse` must be a mapping of `key: value` lines, found the number 3", ""),
            ("max_turns: 0", "`max_turns` must be at least 1, found the number 0", "write 1"),
        ],
    )
    def test_a_wrong_value_says_what_was_expected_what_was_found_and_what_to_try(
        self, field: str, message: str, advice: str
    ) -> None:
        problem = only_problem(task_with(field))
        assert problem.message == message
        assert problem.advice == advice if advice else problem.advice
        assert (problem.line, problem.task) == (4, "T-01")

    @pytest.mark.parametrize(
        ("mode", "is_known"), [("plan", True), ("dontAsk", True), ("auto", True), ("dontask", False), ("yolo", False)]
    )
    def test_permission_modes_are_those_of_the_cli(self, mode: str, is_known: bool) -> None:
        assert (read(task_with(f"permission_mode: {mode}")).plan is not None) is is_known

    @pytest.mark.parametrize(
        ("key", "advice"),
        [
            ("depends_on", "write `deps`"),
            ("prompt", "write `description`"),
            ("max_retry", "did you mean `max_retries`?"),
            ("Estimate", "did you mean `estimate`?"),
            ("allowed-tools", "did you mean `allowed_tools`?"),
            ("objectives", "write it at the beginning of a line, outside of the tasks"),
        ],
    )
    def test_an_unknown_key_is_refused_with_the_one_that_was_meant(self, key: str, advice: str) -> None:
        problem = only_problem(task_with(f"{key}: x"))
        assert problem.message == f'there is no key "{key}" in a task'
        assert (problem.advice, problem.line, problem.task) == (advice, 4, "T-01")

    def test_an_unknown_key_without_a_near_one_lists_those_there_are(self) -> None:
        assert only_problem(task_with("deps: [{task: a, zzz: b}]")).advice == "remove it; the keys are task and type"

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("version: 2", "`version` must be 1, the only version there is, found the number 2"),
            ("version: '1'", '`version` must be 1, the only version there is, found the text "1"'),
            ("version: true", "`version` must be 1, the only version there is, found true"),
            ("titel: x", 'there is no key "titel" in a plan'),
            ("timeout: 5m", 'there is no key "timeout" in a plan'),
            ("budget_usd: -1", "`budget_usd` must be at least 0, found the number -1"),
            ("run: {jobs: 0}", "`run.jobs` must be at least 1, found the number 0"),
            (
                "run: {executor: gpt}",
                '`run.executor` must be one of claude, rehearse and command, found the text "gpt"',
            ),
            ("run: {quiet_hours: 22:00}", '`run.quiet_hours` must be two different times of day, found "22:00"'),
            (
                "run: {quiet_hours: 25:00-07:00}",
                '`run.quiet_hours` must be two different times of day, found "25:00-07:00"',
            ),
            (
                "run: {quiet_hours: 7:00-07:00}",
                '`run.quiet_hours` must be two different times of day, found "7:00-07:00"',
            ),
            ("run: {hooks: {on_fail: x}}", 'there is no key "on_fail" in `run.hooks`'),
            ("run: {hooks: [x]}", "`run.hooks` must be a mapping of `key: value` lines, found a list"),
            ("run: fast", '`run` must be a mapping of `key: value` lines, found the text "fast"'),
            ("objectives: {primary: 1}", "`objectives.primary` must be text, found the number 1"),
            ("tasks: {a: b}", "`tasks` must be a list, found a mapping"),
            ("tasks: [a]", 'a task must be a mapping of `key: value` lines, found the text "a"'),
            ("defaults: [a]", "`defaults` must be a mapping of `key: value` lines, found a list"),
            ("title: ''", "`title` is blank"),
            (f"title: {'x' * 201}", "`title` has 201 characters, at most 200 are allowed"),
        ],
    )
    def test_a_wrong_value_of_the_plan_is_refused(self, text: str, message: str) -> None:
        problem = only_problem(text)
        assert problem.message == message
        assert problem.advice
        assert problem.line == 1

    @pytest.mark.parametrize("text", ["3", "{tme: x}", "{time: x, scope: y}", "{time: 3}", "[x]", "{}"])
    def test_a_constraint_is_text_or_one_kind_with_text(self, text: str) -> None:
        assert only_problem(f"constraints: [{text}]").message.startswith(
            "`constraints[0]` must be text, or one of `time"
        )


class TestProblems:
    def test_problems_of_all_sorts_come_at_once_in_the_order_of_lines(self) -> None:
        text = (
            "title: 3\ntitle: x\ntasks:\n- {id: a, name: x, deps: [b]}\n- {id: b, name: x, deps: [a], approval: yes}\n"
        )
        text += "- {id: c, name: x, deps: [zz], outputs: [/x]}\n"
        assert [(problem.line, problem.task) for problem in checked(text).problems] == [
            (1, None),
            (2, None),
            (4, "a"),
            (5, "b"),
            (6, "c"),
            (6, "c"),
        ]

    def test_a_refused_id_still_counts_for_those_who_depend_on_it(self) -> None:
        problem = only_problem("tasks:\n- {id: 12, name: x}\n- {name: y, deps: ['12']}\n")
        assert problem.message == "`id` must be text, found the number 12"
        assert checked("tasks:\n- {id: 12, name: x}\n- {name: y, deps: ['12']}\n").problems == (problem,)

    def test_nothing_is_advised_about_a_plan_that_is_refused(self) -> None:
        assert [problem.message for problem in checked("tasks:\n- {name: x, verify: 3}\n").problems] == [
            "`verify` must be a list, found the number 3"
        ]

    def test_a_refused_strategy_does_not_make_its_fallback_wrong(self) -> None:
        assert len(checked("tasks:\n- {name: x, fallback: y, on_failure: fallbck}\n").problems) == 1

    def test_text_that_is_no_yaml_is_refused_with_a_line(self) -> None:
        reading = checked("title: x\ntasks:\n\t- name: a\n")
        assert reading.plan is None
        assert [problem.line for problem in reading.problems] == [3]

    def test_lines_count_from_tasks_that_could_be_read(self) -> None:
        problems = checked("tasks:\n- word\n- {id: a, name: x, deps: [zz]}\n").problems
        assert [(problem.line, problem.task) for problem in problems] == [(2, None), (3, "a")]

    def test_of_very_many_problems_the_first_are_shown(self) -> None:
        problems = checked("tasks:\n" + "- {name: x, approval: yes, priority: P9}\n" * 3_000).problems
        assert len(problems) == MOST_PROBLEMS + 1
        assert "the others are not shown" in problems[-1].message

    def test_an_error_is_not_lost_behind_warnings(self) -> None:
        problems = checked("tasks:\n" + "- {name: x}\n" * 1_000 + "- {name: y, deps: [zz]}\n").problems
        assert [problem.task for problem in errors_of(problems)] == ["T-1001"]

    def test_what_comes_from_the_file_cannot_take_over_a_terminal(self) -> None:
        text = 'tasks:\n- {id: "a\\e[31m", name: x, deps: ["\\e[2J"], "\\e[1m": 1, role: "\\u202e"}\n'
        problems = checked(text).problems
        assert len(problems) >= 4
        assert all(problem.text("plan.yaml").isprintable() for problem in problems)


class TestTheSchema:
    def test_it_is_a_schema_that_the_cli_takes(self) -> None:
        schema = json_schema()
        jsonschema.Draft202012Validator.check_schema(schema)
        jsonschema.Draft7Validator.check_schema(schema)
        assert schema_fault(schema) is None
        assert cli_fault(schema) is None

    def test_it_accepts_a_good_plan(self) -> None:
        jsonschema.validate(read_yaml(REVIEW.encode()).value, json_schema())

    def test_every_mapping_is_closed_and_every_key_described(self) -> None:
        def visit(schema: object, is_entry: bool) -> None:
            if isinstance(schema, list):
                for each in schema:
                    visit(each, False)
            if not isinstance(schema, dict):
                return
            assert not is_entry or "description" in schema or "$ref" in schema
            if "properties" in schema:
                assert schema["additionalProperties"] is False
            for key, each in schema.items():
                if key in ("properties", "$defs"):
                    for inner in each.values():
                        visit(inner, key == "properties" and "title" in schema)
                elif key in ("items", "anyOf"):
                    visit(each, False)

        visit(json_schema(), False)

    @pytest.mark.parametrize(
        "text",
        [
            "titel: x",
            "version: 2",
            "tasks: [{role: x}]",
            "tasks: [{name: x, deps: [{type: data}]}]",
            "tasks: [{name: x, deps: ['a b']}]",
            "tasks: [{name: x, estimate: soon}]",
            "tasks: [{name: x, priority: P4}]",
            "tasks: [{name: x, max_retries: 101}]",
            "defaults: {id: x}",
            "constraints: [{time: x, scope: y}]",
            "run: {jobs: 0}",
        ],
    )
    def test_it_refuses_what_is_refused(self, text: str) -> None:
        assert checked(text).plan is None
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(read_yaml(text.encode()).value, json_schema())

    def test_the_order_in_which_keys_are_written_names_every_key(self) -> None:
        own = ("id", "name", "description", "parent")
        assert (*own, *DefaultsForm.model_fields) == planfile.TASK_KEYS
        assert set(TaskForm.model_fields) == set(planfile.TASK_KEYS)
        assert set(PlanForm.model_fields) == set(planfile.PLAN_KEYS)
        assert set(HeadForm.model_fields) < set(planfile.PLAN_KEYS)


def mutations(text: str, count: int) -> list[bytes]:
    """Versions of ``text`` with a few bytes or lines changed, always the same ones."""
    chance = random.Random(20)
    pieces = [
        b"\t",
        b": ",
        b"- ",
        b"#",
        b"'",
        b'"',
        b"[",
        b"{",
        b"}",
        b"&a ",
        b"*a",
        b"!",
        b"|",
        b"\xff",
        b"\0",
        b"\r",
        b"~",
    ]
    pieces += [
        b"null",
        b"-1",
        b"1e999",
        b"9" * 400,
        b"true",
        b"\xe2\x80\xa8",
        b"\x1b[2J",
        b"\n---\n",
        b"<<",
        b"T-01",
        b"",
    ]
    results = []
    for _ in range(count):
        data = text.encode()
        for _ in range(chance.randint(1, 4)):
            lines = data.split(b"\n")
            at, other = chance.randrange(len(lines)), chance.randrange(len(lines))
            place, end = sorted((chance.randrange(len(data)), chance.randrange(len(data))))
            match chance.randrange(8):
                case 0:
                    lines[at], lines[other] = lines[other], lines[at]
                    data = b"\n".join(lines)
                case 1:
                    data = b"\n".join(lines[:at] + lines[at + 1 :])
                case 2:
                    data = b"\n".join([*lines[:at], lines[other], *lines[at:]])
                case 3:
                    lines[at] = lines[at].partition(b":")[0] + b": " + chance.choice(pieces)
                    data = b"\n".join(lines)
                case 4:
                    data = data[:place] + chance.choice(pieces) + data[place:]
                case 5:
                    data = data[:place] + bytes([chance.randrange(256)]) + data[place + 1 :]
                case 6:
                    data = data[:place] + data[min(end, place + 40) :]
                case _:
                    lines[at] = b" " * chance.randrange(8) + lines[at].strip()
                    data = b"\n".join(lines)
            data = data or b"x"
        results.append(data)
    return results


def test_a_thousand_mutated_plans_are_accepted_or_refused_in_words() -> None:
    accepted = refused = 0
    for data in mutations(REVIEW, 1_000):
        reading = checked_plan(data)
        errors = errors_of(reading.problems)
        assert (reading.plan is None) == bool(errors)
        last = data.count(b"\n") + data.count(b"\r") + 1
        for problem in reading.problems:
            assert problem.message
            assert problem.advice
            assert problem.line is None or 1 <= problem.line <= last
            assert problem.line is not None or problem.severity is Severity.WARNING, (data, problem)
            assert problem.text("plan.yaml").isprintable()
        if reading.plan is not None:
            accepted += 1
            assert json.dumps([task_record(task) for task in reading.plan.tasks])
            assert json.dumps(reading.raw)
        else:
            refused += 1
    assert accepted > 100
    assert refused > 300


def test_a_plan_of_ten_thousand_tasks_is_read_in_seconds() -> None:
    task = (
        "  - description: |\n      Do something useful\n    deps: [{}]\n    writes: [src/f{}.py]\n    estimate: 10m\n"
    )
    tasks = "".join(task.format(f"T-{n - 1:02d}" if n > 1 else "", n) for n in range(1, 10_001))
    begin = time.process_time()
    reading = checked(f"title: Big\ntasks:\n{tasks}")
    assert reading.plan is not None
    assert len(reading.plan.tasks) == 10_000
    assert time.process_time() - begin < 8  # about a second and a half on a machine that has nothing else to do
