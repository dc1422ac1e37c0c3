"""Edits of plan.yaml as text, and the writing of a new one."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from orchestrator.errors import InvalidInputError
from orchestrator.model import Json
from orchestrator.plans.planfile import PlanFileError, plan_text, task_ids, with_ids, with_task_fields, with_tasks
from orchestrator.plans.spec import checked_plan
from orchestrator.plans.yamlfile import read_yaml
from orchestrator.plans.yamltext import inline_text, json_text

NEW: dict[str, Json] = {"description": "Do it.\nThen stop.\n", "name": "New: one", "deps": ["a"]}
NEW_LINES = ['- name: "New: one"', "  description: |", "    Do it.", "    Then stop.", "  deps: [a]"]

NASTY = st.sampled_from(
    [
        *(
            "",
            " ",
            "~",
            "null",
            "Yes",
            "on",
            "1",
            "1e3",
            "001",
            "12:30",
            "2024-01-01",
            ".5",
            "+1",
            "20m-30m",
            "=",
            "<<",
        ),
        *("- a", "a: b", "a #b", "#a", "a:", "@a", "*a", "&a", "!a", "%a", "`a`", "{a}", "[a]", "'a'", '"a"', "|", ">"),
        *("---", "...", "? a", "a\tb", " a", "a ", "a\n", "\na", "a\n\n", "a\n b\n", "  a\nb", "a\n   \nb", "\r\n"),
        *("\u2028", "a\x85b", "\ufeff", "\x07", "\x7f", "\u202eabc", "\u0660", "\U000e0001", "é😀", "a,b", "a]"),
        *("word " * 40, "x" * 200, ("word " * 30 + "\n") * 3, "a  b " * 30),
        *("{{x}}", "$(x)", "a|b", "\\d", "C:\\x", "Bash(git diff:*)", "**/*.py", "src/**"),
    ]
)
TEXTS = NASTY | st.text(max_size=20) | st.text("ab: #-\n\t'\"[]{},&*!|>%@`é", max_size=30)
VALUES: st.SearchStrategy[Json] = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**6), 10**6) | st.floats(-1e6, 1e6) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)
TASKS = st.dictionaries(
    st.sampled_from(["id", "name", "description", "deps", "writes", "verify", "result_schema", "timeout"]),
    VALUES,
    min_size=1,
)

LAYOUTS = {
    "block": "title: x\ntasks:\n  - id: a\n    name: one  # why\n  - id: b\n    name: two\n",
    "at the margin": "tasks:\n- id: a\n  name: one\n-   id: b\n    name: two\nrun:\n  jobs: 2\n",
    "with gaps and comments": "# head\n\ntasks:  # all\n\n  # first\n  - id: a\n    name: one\n\n  # second\n"
    "  - id: b\n    name: two\n    # estimate: 5m\n\n# tail\nrun: {jobs: 2}\n",
    "wide": "tasks:\n    -   id: a\n        deps:\n            - b\n    -   id: b\n        deps: []\n",
    "ends in kept lines": "tasks:\n  - id: a\n\n  - id: b\n    description: |+\n      x\n\n\nrun: {jobs: 2}\n",
    "ends in a folded text": "tasks:\n  - id: a\n    description: >-\n      x\n      y\n\n\nrun: {jobs: 2}\n",
    "ends in a quoted text": "tasks:\n  - id: a\n    description: 'x\n\n      y'   # c\nrun: {jobs: 2}\n",
    "dashes alone": "tasks:\n  -\n    id: a\n  -\n    id: b\n",
    "null": "tasks:\nrun: {jobs: 2}\n",
    "tilde": "tasks: ~ # none\nrun: {jobs: 2}\n",
    "empty": "tasks: []  # none yet\nrun: {jobs: 2}\n",
    "missing": "title: x\nrun: {jobs: 2}\n",
    "missing, indented": "  title: x\n  run: {jobs: 2}\n",
    "missing, ended": "---\ntitle: x\n...\n# tail\n",
    "comments only": "# nothing\n",
    "nothing": "",
    "flow": "tasks: [{id: a}, {id: b}]  # both\nrun: {jobs: 2}\n",
    "flow with a last comma": "tasks: [{id: a}, {id: b},]\n",
    "flow in lines": "tasks: [\n  {id: a},  # first, of two\n  {id: b}   # second\n]\n",
    "flow in lines with a last comma": "tasks: [\n  {id: a},\n  {id: b},  # second\n]\n",
    "flow in lines, empty": "tasks: [\n  # none\n]\n",
    "JSON": '{"title": "x", "tasks": [{"id": "a"}]}\n',
    "JSON in lines": '{\n  "title": "x",\n  "tasks": [\n    {\n      "id": "a"\n    }\n  ]\n}\n',
    "JSON without tasks": '{\n  "title": "x"\n}\n',
    "JSON with none": '{"tasks": null}\n',
    "empty mapping": "{}\n",
    "anchors": "defaults: &d {role: x}\ntasks: &t\n  - &a\n    id: a\n    rehearse: {fails: 1}\n",
    "separators": "title: 'x\u2028y'\ntasks:\n  - id: a\n    name: 'é\u2029😀'\n",
}


def value_of(text: str) -> dict[str, Json]:
    document = read_yaml(text.encode())
    assert document.problems == ()
    return document.value if isinstance(document.value, dict) else {}


def exactly(value: Json) -> str:
    return json.dumps(value, sort_keys=True)


def removed(before: str, after: str) -> str:
    """What has to be taken out of ``before`` to leave only what ``after`` still has at its two ends."""
    head = next(
        (at for at, (a, b) in enumerate(zip(before, after, strict=False)) if a != b), min(len(before), len(after))
    )
    rest, new = before[head:], after[head:]
    tail = next(
        (at for at in range(min(len(rest), len(new))) if rest[-1 - at] != new[-1 - at]), min(len(rest), len(new))
    )
    return rest[: len(rest) - tail]


def without_empty_list(text: str) -> str:
    """``text`` without what stands for an empty list of tasks."""
    return re.sub(r"(tasks\"?:)( ~| \[\]| null)", r"\1", text)


def has_all_of(before: str, after: str) -> bool:
    """Whether every character of ``before`` is in ``after``, in the same order."""
    rest = iter(after)
    return all(character in rest for character in before)


class TestAddingTasks:
    @pytest.mark.parametrize("layout", LAYOUTS)
    @pytest.mark.parametrize("newline", ["\n", "\r\n"])
    @pytest.mark.parametrize("has_end", [True, False])
    def test_old_and_new_tasks_are_said_in_every_layout(self, layout: str, newline: str, has_end: bool) -> None:
        text = LAYOUTS[layout].replace("\n", newline)
        if not has_end:
            text = text.removesuffix(newline)
        before = value_of(text)
        result = with_tasks(text, [NEW, {"name": "last"}])
        old = before.get("tasks") or []
        assert isinstance(old, list)
        assert exactly(value_of(result)) == exactly({**before, "tasks": [*old, NEW, {"name": "last"}]})
        if newline == "\r\n" and newline in text:
            assert "\n" not in result.replace("\r\n", "")
        if layout.startswith("JSON"):
            assert json.loads(result) == value_of(result)

    @pytest.mark.parametrize("layout", LAYOUTS)
    def test_every_byte_but_an_empty_value_stays(self, layout: str) -> None:
        text = LAYOUTS[layout]
        result = with_tasks(text, [NEW])
        assert has_all_of(without_empty_list(text), result)
        if without_empty_list(text) == text and "in lines" not in layout:
            assert removed(text, result) == ""

    def test_new_tasks_are_indented_as_the_others(self) -> None:
        for layout, indent in [("block", 2), ("at the margin", 0), ("null", 2), ("missing, indented", 4)]:
            lines = with_tasks(LAYOUTS[layout], [NEW]).split("\n")
            assert "\n".join(" " * indent + line for line in NEW_LINES) in "\n".join(lines)
        assert '    -   name: "New: one"\n        description: |\n          Do' in with_tasks(LAYOUTS["wide"], [NEW])

    def test_tasks_with_gaps_between_them_get_gaps(self) -> None:
        result = with_tasks(LAYOUTS["with gaps and comments"], [NEW, {"name": "x"}])
        assert '    # estimate: 5m\n\n  - name: "New: one"' in result
        assert "  deps: [a]\n\n  - name: x\n\n# tail\n" in result

    def test_comments_stay_with_what_they_are_about(self) -> None:
        assert "tasks:  # none yet\n  - name:" in with_tasks(LAYOUTS["empty"], [NEW])
        assert "  {id: b},   # second\n  {name:" in with_tasks(LAYOUTS["flow in lines"], [NEW])

    def test_a_byte_order_mark_stays(self) -> None:
        assert with_tasks("\ufefftitle: x\n", [NEW]).startswith("\ufefftitle: x\n")

    def test_nothing_to_add_changes_nothing(self) -> None:
        for text in ("tasks: *broken", "", "\tx"):
            assert with_tasks(text, []) == text

    @pytest.mark.parametrize("text", ["tasks: foo\n", "[]", "foo", "a: &t [{id: a}]\ntasks: *t\n", "tasks: {a: b}\n"])
    def test_what_is_no_list_of_tasks_is_refused(self, text: str) -> None:
        with pytest.raises(PlanFileError) as caught:
            with_tasks(text, [NEW])
        assert caught.value.message
        assert caught.value.advice

    @pytest.mark.parametrize("text", ["a: [", "a: 1\na: 2\n", "\ta", "a: \ud800", "a\n---\nb\n"])
    def test_what_cannot_be_read_is_refused_with_its_problems(self, text: str) -> None:
        with pytest.raises(InvalidInputError) as caught:
            with_tasks(text, [NEW])
        assert caught.value.problems

    @pytest.mark.parametrize("value", [float("nan"), float("inf"), "\ud800"])
    def test_a_value_that_yaml_cannot_say_is_refused(self, value: Json) -> None:
        with pytest.raises((PlanFileError, ValueError)):
            with_tasks("title: x\n", [{"name": value}])

    @given(st.sampled_from(sorted(LAYOUTS)), st.lists(TASKS, min_size=1, max_size=3))
    def test_any_values_can_be_added_to_any_layout(self, layout: str, tasks: list[dict[str, Json]]) -> None:
        text = LAYOUTS[layout]
        before = value_of(text)
        old = before.get("tasks") or []
        assert isinstance(old, list)
        result = with_tasks(text, tasks)
        assert exactly(value_of(result)) == exactly({**before, "tasks": [*old, *tasks]})
        assert has_all_of(without_empty_list(text), result)

    @given(st.lists(TASKS, min_size=2, max_size=4))
    def test_adding_one_by_one_says_the_same_as_adding_all(self, tasks: list[dict[str, Json]]) -> None:
        text = LAYOUTS["block"]
        for task in tasks:
            text = with_tasks(text, [task])
        assert value_of(text) == value_of(with_tasks(LAYOUTS["block"], tasks))


class TestChangingATask:
    TEXT = """\
# head
tasks:
  - id: a   # the id
    name: b  # nm
    deps:  # why
      - x # no
      - y
    description: |  # hdr
      foo
      bar

    estimate: 5m
  # next
  - {id: b, name: c}
  - name: third
    deps: [a]  # ok
run:
  jobs: 2
"""

    def test_fields_are_replaced_where_they_stand_and_others_added_at_the_end(self) -> None:
        changes: dict[str, Json] = {
            "deps": ["q"],
            "name": "two\nlines",
            "verify": ["pytest -q"],
            "description": "short",
        }
        assert (
            with_task_fields(self.TEXT, "a", changes)
            == """\
# head
tasks:
  - id: a   # the id
    name: |-  # nm
      two
      lines
    deps: [q]  # why
    description: short

    estimate: 5m
    verify:
      - pytest -q
  # next
  - {id: b, name: c}
  - name: third
    deps: [a]  # ok
run:
  jobs: 2
"""
        )

    def test_a_task_in_flow_style_stays_in_flow_style(self) -> None:
        result = with_task_fields(self.TEXT, "b", {"name": "z: y", "deps": [{"task": "a", "type": "sequential"}]})
        assert '  - {id: b, name: "z: y", deps: [{task: a, type: sequential}]}\n' in result
        assert removed(self.TEXT, result) == "c"

    def test_a_task_is_found_by_an_id_that_is_assigned(self) -> None:
        result = with_task_fields(self.TEXT, "T-01", {"deps": [{"task": "a", "type": "data"}, "b c"]})
        assert "  - name: third\n    deps:  # ok\n      - {task: a, type: data}\n      - b c\nrun:" in result

    def test_none_empties_a_field_so_that_it_counts_as_not_given(self) -> None:
        plan = checked_plan(with_task_fields(self.TEXT, "a", {"deps": None, "estimate": None}).encode()).plan
        assert plan is not None
        assert (plan.tasks[0].deps, plan.tasks[0].estimate) == ((), None)

    def test_an_unknown_task_is_refused(self) -> None:
        with pytest.raises(PlanFileError, match='no task "zz"'):
            with_task_fields(self.TEXT, "zz", {"name": "x"})

    def test_a_task_that_is_an_alias_is_refused(self) -> None:
        with pytest.raises(PlanFileError, match="alias"):
            with_task_fields("defaults: &t {id: a}\ntasks: [*t]\n", "a", {"name": "x"})

    def test_what_another_place_refers_to_is_not_replaced(self) -> None:
        with pytest.raises(PlanFileError, match="without changing more"):
            with_task_fields("tasks:\n  - id: a\n    deps: &d [x]\n  - id: b\n    deps: *d\n", "a", {"deps": ["y"]})

    @pytest.mark.parametrize("newline", ["\n", "\r\n"])
    @given(id=st.sampled_from(["a", "b", "T-01"]), changes=TASKS, has_end=st.booleans())
    def test_any_change_is_said_and_the_other_tasks_stay_as_they_are(
        self, newline: str, id: str, changes: dict[str, Json], has_end: bool
    ) -> None:
        assume("id" not in changes)
        text = self.TEXT.replace("\n", newline)
        text = text if has_end else text.removesuffix(newline)
        result = with_task_fields(text, id, changes)
        before, after = value_of(text)["tasks"], value_of(result)["tasks"]
        assert isinstance(before, list)
        assert isinstance(after, list)
        at = ["a", "b", "T-01"].index(id)
        task = before[at]
        assert isinstance(task, dict)
        assert exactly(after) == exactly([*before[:at], {**task, **changes}, *before[at + 1 :]])
        others = ["  - id: a   #", "  - {id: b, name: c}", "  - name: third"]
        assert all(other in result for other in others[:at] + others[at + 1 :])
        assert result.endswith(f"run:{newline}  jobs: 2{newline}")


class TestWritingIdsDown:
    def test_ids_that_are_assigned_are_written_first(self) -> None:
        text = "tasks:\n  # c\n  - name: x  # n\n  - {name: y}\n  - id: T-01\n    name: z\n  - name: w\n    id:\n"
        assert with_ids(text) == (
            "tasks:\n  # c\n  - id: T-02\n    name: x  # n\n  - {id: T-03, name: y}\n  - id: T-01\n    name: z\n"
            "  - name: w\n    id: T-04\n"
        )

    @pytest.mark.parametrize("layout", LAYOUTS)
    def test_ids_stay_what_they_were(self, layout: str) -> None:
        text = with_tasks(LAYOUTS[layout], [{"name": "x"}, {"name": "y"}])
        tasks = value_of(text)["tasks"]
        assert isinstance(tasks, list)
        ids = task_ids([task for task in tasks if isinstance(task, dict)])
        result = with_ids(text)
        written = value_of(result)["tasks"]
        assert isinstance(written, list)
        assert [task["id"] for task in written if isinstance(task, dict)] == ids
        assert with_ids(result) == result
        if layout.startswith("JSON"):
            json.loads(result)

    def test_a_plan_whose_tasks_have_ids_stays_as_it_is(self) -> None:
        for text in (LAYOUTS["with gaps and comments"], LAYOUTS["nothing"], LAYOUTS["comments only"], LAYOUTS["JSON"]):
            assert with_ids(text) == text


class TestANewPlan:
    def test_it_is_pleasant_to_read(self) -> None:
        values: dict[str, Json] = {
            "tasks": [
                {
                    "description": "Read every file of the service and write down which parts there are, what they do, "
                    "and how they depend on each other.",
                    "id": "T-01",
                    "name": "Read",
                    "outputs": ["docs/map.md"],
                    "success_criteria": ["Every file is in the map"],
                    "estimate": "5m-10m",
                },
                {
                    "name": "Report: all",
                    "id": "T-02",
                    "deps": ["T-01", {"task": "T-00", "type": "sequential"}],
                    "description": "Write it.\n\nBe brief.\n",
                    "result_schema": {"type": "object", "required": ["findings"]},
                    "fallback": {"description": "Shorter.", "model": "opus"},
                    "approval": True,
                    "agent": None,
                },
            ],
            "title": "Review",
            "request": "Review this,\nplease",
            "objectives": {"primary": "One report", "success_criteria": ["It is on time"]},
            "constraints": ["Reading only", {"time": "two hours"}],
            "budget_usd": 5,
            "run": {"jobs": 4, "quiet_hours": "22:00-07:00"},
            "defaults": {"model": "sonnet"},
        }
        assert (
            plan_text(values)
            == """\
version: 1
title: Review
request: |-
  Review this,
  please

objectives:
  primary: One report
  success_criteria:
    - It is on time

constraints:
  - Reading only
  - time: two hours

budget_usd: 5

defaults:
  model: sonnet

run:
  jobs: 4
  quiet_hours: "22:00-07:00"

tasks:
  - id: T-01
    name: Read
    description: >-
      Read every file of the service and write down which parts there are, what they do, and how
      they depend on each other.
    outputs: [docs/map.md]
    success_criteria:
      - Every file is in the map
    estimate: 5m-10m

  - id: T-02
    name: "Report: all"
    description: |
      Write it.

      Be brief.
    deps:
      - T-01
      - {task: T-00, type: sequential}
    result_schema: {type: object, required: [findings]}
    agent: null
    approval: true
    fallback: {description: Shorter., model: opus}
"""
        )

    @given(
        st.dictionaries(st.sampled_from(["title", "request", "run", "defaults", "zzz"]) | TEXTS, VALUES),
        st.lists(TASKS),
    )
    def test_any_values_are_said_exactly(self, values: dict[str, Json], tasks: list[Json]) -> None:
        plan: dict[str, Json] = {"version": 1, **values, "tasks": tasks}
        assert exactly(value_of(plan_text(plan))) == exactly(plan)

    @given(VALUES)
    def test_any_value_can_be_written_on_one_line(self, value: Json) -> None:
        for text in (inline_text(value), json_text(value)):
            assert "\n" not in text
            document = read_yaml(f"a: {text}\n".encode())
            assert document.problems == ()
            assert exactly(document.value) == exactly({"a": value})
        assert json.loads(json_text(value)) == value
