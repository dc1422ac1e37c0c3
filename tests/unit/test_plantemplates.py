"""Plan templates: the bundled ones, how parameters fill them in, and every way in which a file of one is wrong."""

from __future__ import annotations

import string
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from syrupy.assertion import SnapshotAssertion

import orchestrator
from artefacts import TextFile
from orchestrator import graph
from orchestrator.errors import Severity, UsageError
from orchestrator.model import DependencyType, Plan
from orchestrator.plans.planfile import plan_text
from orchestrator.plans.plantemplates import PLACEHOLDER, PlanTemplate
from orchestrator.plans.rules import LONGEST_ESTIMATE_S, MOST_TASKS, MOST_TOKENS
from orchestrator.plans.spec import checked_plan
from orchestrator.plans.templatechoice import LEAST_SCORE, MOST_GENERAL, choice, words_of
from orchestrator.plans.templateexpansion import Expansion, expanded
from orchestrator.plans.templaterules import TemplateReading, read_template

FOLDER = Path(orchestrator.__file__).parent / "plan_templates"
BUNDLED = {
    file.stem: template
    for file in sorted(FOLDER.glob("*.yaml"))
    if (template := read_template(file.stem, file.read_bytes()).template) is not None
}
REQUESTS = yaml.safe_load((Path(__file__).parents[1] / "data" / "plan_requests.yaml").read_text(encoding="utf-8"))
REQUEST = "Compare our queue with the three that people name most often"

SMALL = """\
description: Looks and tells.
words: {look: 3}
parameters:
  topic: {help: The subject, default: "{{request}}"}
  places: {type: list, default: [attic, cellar]}
title: "Look: {{topic}}"
steps:
  - step: prepare
    name: Prepare
    description: "Prepare for {{topic}}."
    success_criteria: [ready]
  - step: look
    for_each: places
    name: "Look in the {{item}}"
    deps: [prepare]
    description: |
      {{topic}}

      Look in the {{item}}, one of {{places}}.
    success_criteria: [seen]
  - step: note
    for_each: places
    name: Note
    deps: [look]
    description: "Note what is in the {{item}}."
    success_criteria: [noted]
  - step: tell
    name: Tell
    deps: [note, {task: prepare, type: sequential}]
    description: Tell.
    outputs: ["notes/{{places}}.md"]
    success_criteria: ["{{places}} is told of"]
"""


class PlanFile(TextFile):
    """A snapshot that is a plan."""

    file_extension = "yaml"


def read(text: str) -> TemplateReading:
    return read_template("small", text.encode())


def template(text: str = SMALL) -> PlanTemplate:
    reading = read(text)
    assert reading.problems == ()
    assert reading.template is not None
    return reading.template


def small(request: str = REQUEST, **given: list[str]) -> Expansion:
    return expanded(template(), request, given)


def plan_of(made: Expansion) -> Plan:
    """The plan as it is once it was written to a file and read back."""
    reading = checked_plan(plan_text(made.plan).encode())
    assert reading.plan is not None, reading.problems
    return reading.plan


@pytest.mark.parametrize("name", BUNDLED)
def test_the_plan(name: str, snapshot: SnapshotAssertion) -> None:
    assert plan_text(expanded(BUNDLED[name], REQUEST, {}).plan) == snapshot(extension_class=PlanFile)


class TestBundled:
    def test_all_that_the_manual_names_are_there(self) -> None:
        names = {"research", "competitive-analysis", "market-research", "technical-deepdive", "code-review"}
        assert set(BUNDLED) == names | {"feature", "refactor", "migration", "documentation"}
        assert len(list(FOLDER.iterdir())) == len(BUNDLED), "a file there is no template"

    @pytest.mark.parametrize("name", BUNDLED)
    def test_the_plan_of_each_is_right_and_nothing_is_advised_against(self, name: str) -> None:
        made = expanded(BUNDLED[name], REQUEST, {})
        assert made.reading().problems == ()
        assert plan_of(made).request == REQUEST

    @pytest.mark.parametrize("name", BUNDLED)
    def test_an_agent_can_follow_each_task_of_it(self, name: str) -> None:
        plan = plan_of(expanded(BUNDLED[name], REQUEST, {}))
        assert 3 <= len(plan.tasks) <= MOST_TASKS
        deps = graph.dependencies(plan.tasks)
        assert max(graph.stages(deps).values()) < len(plan.tasks), "something runs in parallel"
        assert len([task for task, after in graph.dependants(deps).items() if not after]) in (1, 2)
        for task in plan.tasks:
            assert REQUEST in task.description, f"{task.id} does not say what it is all about"
            assert len(task.description) > 300
            assert len(task.success_criteria) >= 2
            assert task.estimate is not None
            assert task.estimate.high_s <= LONGEST_ESTIMATE_S
            assert 0 < (task.estimate_tokens or 0) <= MOST_TOKENS
            assert task.role
            assert task.worker_type

    @pytest.mark.parametrize("name", BUNDLED)
    def test_a_task_may_change_files_only_where_it_says_so(self, name: str) -> None:
        for task in plan_of(expanded(BUNDLED[name], REQUEST, {})).tasks:
            edits = [rule for rule in task.allowed_tools if rule.startswith(("Edit", "Write"))]
            assert bool(edits) == bool(task.writes), task.id
            assert "Bash" not in task.allowed_tools, "a bare Bash may do anything"
            assert task.permission_mode is None

    @pytest.mark.parametrize("name", ["research", "competitive-analysis", "market-research", "technical-deepdive"])
    def test_what_only_finds_out_changes_nothing(self, name: str) -> None:
        assert not any(task.writes for task in plan_of(expanded(BUNDLED[name], REQUEST, {})).tasks)

    def test_competitors_multiply_their_task(self) -> None:
        made = expanded(BUNDLED["competitive-analysis"], REQUEST, {"competitors": ["A, B,C , D"]})
        plan = plan_of(made)
        profiles = [task for task in plan.tasks if task.name.startswith("Profile: ")]
        assert [task.name for task in profiles] == ["Profile: A", "Profile: B", "Profile: C", "Profile: D"]
        compare = next(task for task in plan.tasks if task.name == "Compare")
        assert {task.id for task in profiles} < set(compare.dep_ids)

    def test_a_task_is_split_by_research_into_gather_analyse_and_synthesize(self) -> None:
        made = expanded(BUNDLED["research"], REQUEST, {}, decomposed=True)
        assert made.labels == ("gather", "analyse", "synthesize")
        assert [task["name"] for task in made.tasks] == ["gather", "analyse", "synthesize"]

    def test_a_feature_is_built_on_both_sides_at_once(self) -> None:
        made = expanded(BUNDLED["feature"], REQUEST, {})
        stages = graph.stages(graph.dependencies(plan_of(made).tasks))
        by_step = {label: stages[str(task["id"])] for label, task in zip(made.labels, made.tasks, strict=True)}
        assert by_step == {
            "design": 1,
            "implement-backend": 2,
            "implement-frontend": 2,
            "test": 3,
            "audit": 4,
            "document": 5,
        }

    @settings(max_examples=40)
    @given(request=st.text(min_size=1, max_size=400).map(str.strip).filter(bool), name=st.sampled_from(sorted(BUNDLED)))
    def test_any_request_makes_a_plan_that_says_it_unchanged(self, request: str, name: str) -> None:
        made = expanded(BUNDLED[name], request, {})
        reading = checked_plan(plan_text(made.plan).encode("utf-8", "replace"))
        refused = [problem for problem in reading.problems if "control character" not in problem.message]
        if request.isprintable():
            assert reading.plan is not None, refused
            assert reading.plan.request == request
            assert all(request in task.description for task in reading.plan.tasks)


class TestExpansion:
    def test_a_step_for_each_item_is_there_once_for_each(self) -> None:
        plan = plan_of(small())
        assert [task.name for task in plan.tasks] == [
            "Prepare",
            "Look in the attic",
            "Look in the cellar",
            "Note: attic",
            "Note: cellar",
            "Tell",
        ]

    def test_steps_for_the_same_list_depend_item_by_item_and_the_next_one_on_all(self) -> None:
        deps = {task.id: task.dep_ids for task in plan_of(small()).tasks}
        assert deps == {
            "T-01": (),
            "T-02": ("T-01",),
            "T-03": ("T-01",),
            "T-04": ("T-02",),
            "T-05": ("T-03",),
            "T-06": ("T-04", "T-05", "T-01"),
        }

    def test_the_type_of_a_dependency_stays(self) -> None:
        last = plan_of(small()).tasks[-1]
        assert {dep.task: dep.type for dep in last.deps}["T-01"] is DependencyType.SEQUENTIAL

    def test_texts_are_filled_in(self) -> None:
        looking = plan_of(small("Find the key")).tasks[1]
        assert looking.description == "Find the key\n\nLook in the attic, one of attic, cellar."

    def test_an_entry_that_names_a_list_is_there_for_each_item(self) -> None:
        last = plan_of(small()).tasks[-1]
        assert last.outputs == ("notes/attic.md", "notes/cellar.md")
        assert last.success_criteria == ("attic is told of", "cellar is told of")

    def test_a_value_is_never_filled_in_again(self) -> None:
        plan = plan_of(small("{{places}} {{item}} {{ 7*7 }} {% raw %} ${HOME} $(id)"))
        assert plan.tasks[0].description == "Prepare for {{places}} {{item}} {{ 7*7 }} {% raw %} ${HOME} $(id)."

    def test_a_name_with_a_backslash_stands_for_itself(self) -> None:
        text = SMALL.replace("description: Tell.", 'description: "Write \\\\{{topic}} and {{topic}}."')
        assert plan_of(expanded(template(text), "x", {})).tasks[-1].description == "Write {{topic}} and x."

    def test_a_request_of_several_lines_is_quoted_where_it_stands_alone(self) -> None:
        looking = plan_of(small("Find:\n\n- the key\n- the lock")).tasks[1]
        assert looking.description.startswith("> Find:\n>\n> - the key\n> - the lock\n\nLook in the attic")

    def test_a_long_request_is_shortened_in_names_and_nowhere_else(self) -> None:
        request = "Find out everything about keys and locks, " * 50
        plan = plan_of(small(request))
        assert len(plan.title) < 90
        assert request.strip() in plan.tasks[0].description

    def test_subtasks_are_named_after_their_step_and_the_item_where_there_are_several(self) -> None:
        made = expanded(template(), REQUEST, {}, decomposed=True)
        labels = ("prepare", "look: attic", "look: cellar", "note: attic", "note: cellar", "tell")
        assert made.labels == labels
        assert tuple(task["name"] for task in made.tasks) == labels

    def test_a_split_may_have_a_default_of_its_own(self) -> None:
        text = SMALL.replace("default: [attic, cellar]", "default: [attic, cellar], when_decomposed: [whole house]")
        assert expanded(template(text), REQUEST, {}, decomposed=True).labels == ("prepare", "look", "note", "tell")
        assert len(expanded(template(text), REQUEST, {}).tasks) == 6

    def test_a_plan_that_a_value_makes_wrong_is_refused_in_the_line_of_the_template(self) -> None:
        text = SMALL.replace("description: Tell.", "description: Tell.\n    writes: ['{{places}}']")
        reading = expanded(template(text), "x", {"places": ["a", "../b"]}).reading()
        (problem,) = [each for each in reading.problems if each.severity is Severity.ERROR and "writes" in each.message]
        assert "../b" in problem.message
        assert problem.line == text[: text.index("writes:")].count("\n") + 1


class TestValues:
    @pytest.mark.parametrize(
        ("given", "items"),
        [
            (["a,b"], ["a", "b"]),
            (["a , b c,"], ["a", "b c"]),
            (["a, Inc.", "b"], ["a, Inc.", "b"]),
            (['["a, Inc.", b]'], ["a, Inc.", "b"]),
            (["one\ntwo"], ["one", "two"]),
        ],
    )
    def test_a_list_is_read_as_people_write_it(self, given: list[str], items: list[str]) -> None:
        names = [task.name for task in plan_of(small(places=given)).tasks]
        assert names[1 : 1 + len(items)] == [f"Look in the {item}" for item in items]

    @pytest.mark.parametrize(
        ("given", "problem", "advice"),
        [
            ({"place": ["a"]}, 'has no parameter "place"', "did you mean places?"),
            ({"zzz": ["a"]}, 'has no parameter "zzz"', "one of topic and places"),
            ({"places": [" , "]}, "the list places has no item", "--set places=FIRST,SECOND"),
            ({"places": ["a,a"]}, '"a" stands twice', "give it once"),
            ({"places": ["[a"]}, "the list for places cannot be read", "--set places="),
            ({"topic": ["a", "b"]}, "topic is a text and was given 2 times", "give it once"),
            ({"topic": ["  "]}, "the parameter topic is blank", "--set topic=TEXT"),
        ],
    )
    def test_a_value_that_does_not_fit_is_refused_with_advice(
        self, given: dict[str, list[str]], problem: str, advice: str
    ) -> None:
        with pytest.raises(UsageError) as refused:
            expanded(template(), REQUEST, given)
        (found,) = refused.value.problems
        assert problem in found.message
        assert advice in found.advice

    def test_every_wrong_value_is_named_at_once(self) -> None:
        with pytest.raises(UsageError) as refused:
            expanded(template(), REQUEST, {"zzz": ["a"], "topic": [""], "places": [""]})
        assert len(refused.value.problems) == 3

    def test_a_parameter_without_a_default_must_be_given(self) -> None:
        text = SMALL.replace("places: {type: list, default: [attic, cellar]}", "places: {type: list, help: Where}")
        with pytest.raises(UsageError) as refused:
            expanded(template(text), REQUEST, {})
        assert "places must be given: Where" in refused.value.problems[0].message
        assert "--set places=FIRST,SECOND" in refused.value.problems[0].advice


class TestProblems:
    @pytest.mark.parametrize(
        ("old", "new", "line_of", "message", "advice"),
        [
            ("deps: [prepare]", "deps: [tell]", "deps: [tell]", "3 steps wait for each other: look → tell", "remove"),
            ("deps: [look]", "deps: [lok]", "deps: [lok]", 'no step "lok"', "did you mean look?"),
            ("deps: [look]", "deps: [note]", "deps: [note]", "note depends on itself", "remove this"),
            ("one of {{places}}", "one of {{plaecs}}", "{{topic}}\n", 'no parameter "plaecs"', "{{places}}?"),
            ("Prepare for {{topic}}", "Prepare {{item}}", "Prepare {{item}}", "without `for_each`", "for_each: LIST"),
            (
                "for_each: places\n    name: Note",
                "for_each: topic\n    name: Note",
                "topic\n    name: Note",
                "text",
                "list",
            ),
            (
                "for_each: places\n    name: Note",
                "for_each: spots\n    name: Note",
                "spots\n",
                "is no parameter",
                "declare",
            ),
            (
                "  - step: note",
                "  - step: look",
                "step: look\n    for_each: places\n    name: Note",
                "twice",
                "another",
            ),
            ("  - step: note\n    for", "  - for", "- for_each", "no `step`", "add `step:"),
            ("    description: Tell.\n", "", "- step: tell", 'step "tell" has no `description`', "instruction"),
            ("description: Looks and tells.\n", "", "words", "the template has no `description`", "one sentence"),
            ("words: {look: 3}", "words: {look: 9}", "words: {", "at most 5", "write 5"),
            ("words: {look: 3}", "words: [look]", "words: [", "must be", ""),
            ("help: The subject", "hlep: The subject", "hlep", 'no key "hlep"', "did you mean `help`?"),
            (
                "    success_criteria: [ready]",
                "    criteria: [ready]",
                "criteria: [r",
                'key "criteria"',
                "success_criteria",
            ),
            ("    success_criteria: [ready]", "    id: T-01", "id: T-01", 'no key "id" in a step', ""),
            (
                "type: list, default: [attic, cellar]",
                "default: [attic, cellar]",
                "places:",
                "the text places",
                "type: list",
            ),
            ("default: [attic, cellar]", "default: attic", "places: {", "of the list places", "[FIRST, SECOND]"),
            ("default: [attic, cellar]", "default: []", "places: {", "is an empty list", "one item"),
            ("  topic: {", "  request: {", "request: {", "meaning of its own", "another name"),
            ("  topic: {", "  to pic: {", "to pic: {", "cannot be the name", "letters"),
            (
                'default: "{{request}}"',
                'default: "{{places}}"',
                "topic: {",
                "it may name {{request}} only",
                "itself",
            ),
            (
                "    description: Tell.",
                "    description: Tell.\n    estimate: soon",
                "estimate: soon",
                "must be a dur",
                "20m",
            ),
            (
                "description: Tell.",
                "description: Tell.\n    writes: [/etc/x]",
                "writes: [/etc/x]",
                "is absolute",
                "inside",
            ),
            ("description: Tell.", "description: Tell.\n    run: x", "run: x", 'no key "run"', ""),
            ("steps:\n", "run: {command: sh}\nsteps:\n", "run: {", 'no key "run" in a plan template', ""),
            ("title:", "defaults: {timeouts: 3m}\ntitle:", "defaults:", 'no key "timeouts"', "timeout"),
        ],
    )
    def test_each_is_named_with_its_line_and_advice(
        self, old: str, new: str, line_of: str, message: str, advice: str
    ) -> None:
        assert SMALL.count(old) >= 1, old
        text = SMALL.replace(old, new, 1)
        reading = read(text)
        assert reading.template is None
        line = text[: text.index(line_of)].count("\n") + 1
        near = [each for each in reading.problems if message in each.message and advice in each.advice]
        assert near, [each.text() for each in reading.problems]
        assert near[0].line in (line, line - 1, line + 1), (near[0], line)
        assert near[0].severity is Severity.ERROR

    def test_all_problems_are_named_at_once_in_the_order_of_lines(self) -> None:
        text = SMALL.replace("help:", "hlep:").replace("deps: [look]", "deps: [lok]").replace("{look: 3}", "{look: 0}")
        lines = [problem.line or 0 for problem in read(text).problems]
        assert len(lines) == 3
        assert lines == sorted(lines)

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("", "must be a mapping"),
            ("- a\n- b\n", "must be a mapping"),
            ("description: x\n", "has no `steps`"),
            ("description: x\nsteps: []\n", "`steps` that are an empty list"),
            ("description: x\nsteps: [1]\n", "a step must be a mapping"),
            ("description: x\nsteps: {a: b}\n", "`steps` that are a mapping"),
            ("description: x\nparameters: [a]\nsteps: [{step: a, description: b}]\n", "`parameters` must be a mapping"),
            ("description: x\nparameters: {a: b}\nsteps: [{step: a, description: b}]\n", "must be a mapping"),
            ("description: x\ndescription: y\n", "stands twice"),
            ("description: {{topic}}\n", "must be text"),
            ("a: [b\n", ""),
        ],
    )
    def test_a_file_of_another_form_is_refused(self, text: str, message: str) -> None:
        reading = read(text)
        assert reading.template is None
        assert any(message in problem.message for problem in reading.problems), reading.problems
        assert all(problem.line for problem in reading.problems)

    def test_a_parameter_that_no_text_names_is_a_warning(self) -> None:
        reading = read(
            SMALL.replace("title:", "title: ").replace("parameters:\n", "parameters:\n  spare: {default: x}\n")
        )
        assert reading.template is not None
        (warning,) = reading.problems
        assert warning.severity is Severity.WARNING
        assert "spare is named in no text" in warning.message
        assert warning.line == 4

    @settings(max_examples=60)
    @given(
        at=st.integers(0, len(SMALL) - 1),
        length=st.integers(0, 30),
        put=st.text(alphabet=string.printable, max_size=12),
    )
    def test_a_damaged_template_is_read_or_refused_and_never_fails(self, at: int, length: int, put: str) -> None:
        reading = read(SMALL[:at] + put + SMALL[at + length :])
        assert reading.template is not None or all(problem.message for problem in reading.problems)


class TestChoice:
    @pytest.mark.parametrize("part", ["tuned", "held_out"])
    def test_requests_get_the_template_that_a_person_would_begin_with(self, part: str) -> None:
        entries = REQUESTS[part]
        wrong = [
            (entry["request"], made.why)
            for entry in entries
            if (made := choice(entry["request"], BUNDLED)).template != entry["template"]
            or made.is_general is not entry.get("is_general", False)
        ]
        share = 1 - len(wrong) / len(entries)
        assert share >= (1.0 if part == "tuned" else 0.85), wrong

    def test_there_are_requests_for_every_template(self) -> None:
        assert {entry["template"] for entry in REQUESTS["tuned"]} == set(BUNDLED)
        assert {entry["template"] for entry in REQUESTS["held_out"]} == set(BUNDLED)

    def test_what_was_picked_is_told_with_its_score_and_the_words(self) -> None:
        made = choice("Do market research on demand and pricing", BUNDLED)
        assert made.template == "market-research"
        assert made.why.startswith("market-research fits best: ")
        assert f"{made.fit.score} points" in made.why
        assert "demand 2" in made.why

    def test_what_is_wanted_as_well_counts_half(self) -> None:
        made = choice("Build a shop with tests and documents", BUNDLED)
        assert made.template == "feature"
        assert made.why == "feature fits best: 2 points (build 2); next: documentation 1"
        assert choice("Documents with tests", BUNDLED).template == "documentation"

    def test_two_points_are_enough_without_a_rival(self) -> None:
        assert choice("Move our tests to another runner", BUNDLED).template == "migration"
        rivalled = choice("Compare the evidence for and against microservices", BUNDLED)
        assert (rivalled.template, rivalled.is_general) == ("research", True)

    def test_the_score_is_the_sum_of_the_points_of_words_that_are_there_each_once(self) -> None:
        fit = choice("look, LOOK: looks", {"small": template()}).fit
        assert fit.found == (("look", 3),)
        assert fit.score == 3

    def test_a_star_takes_the_beginnings_of_words_and_a_phrase_words_in_a_row(self) -> None:
        text = SMALL.replace("{look: 3}", '{"compar*": 2, "code review": 3}')
        there = {"small": template(text)}
        assert choice("comparing the code, in review", there).fit.score == 2
        assert choice("a Code-Review", there).fit.score == 3

    def test_where_nothing_fits_the_most_general_one_is_taken_and_that_is_said(self) -> None:
        made = choice("Xyzzy", BUNDLED)
        assert (made.template, made.is_general) == (MOST_GENERAL, True)
        assert "no template fits" in made.why
        assert str(LEAST_SCORE) in made.why

    def test_accents_and_case_do_not_count(self) -> None:
        assert words_of("Résumé ÉTUDE naïve_x") == ["resume", "etude", "naive", "x"]

    def test_every_word_of_the_bundled_ones_can_be_found(self) -> None:
        for name, bundled in BUNDLED.items():
            assert bundled.words, name
            for phrase in bundled.words:
                assert words_of(phrase), (name, phrase)
            assert not PLACEHOLDER.search(str(bundled.words))
