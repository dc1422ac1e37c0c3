"""`plan`: from a template, by words, to be filled in; the user's own templates; what is written and what is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.plans.spec import checked_plan
from runfolders import RunFolder, task

OWN = """\
description: Paints a wall.
words: {paint: 4}
parameters:
  walls: {type: list, help: Which walls}
steps:
  - {step: buy, description: Buy paint., success_criteria: [bought]}
  - {step: paint, for_each: walls, deps: [buy], description: "Paint the {{item}} wall.", success_criteria: [dry]}
  - {step: look, deps: [paint], description: Look at all of it., success_criteria: [seen]}
"""


@pytest.fixture
def own(run: RunFolder) -> Path:
    """A template of the user's."""
    file = run.folder / "templates" / "paint.yaml"
    file.parent.mkdir(parents=True)
    file.write_text(OWN)
    return file


class TestFromATemplate:
    def test_a_plan_is_written_that_init_takes_at_once(self, run: RunFolder) -> None:
        said = run.here("plan", "What holds bridges up?", "--template", "research").stdout
        assert "Wrote plan.yaml from the template research: 5 tasks in 3 stages." in said
        assert "Stage 1 (3 in parallel)" in said
        assert "Next: read it" in said
        reading = checked_plan((run.project / "plan.yaml").read_bytes())
        assert reading.problems == ()
        assert reading.plan is not None
        assert reading.plan.request == "What holds bridges up?"
        run.here("init")
        assert len(run.statuses()) == 5

    def test_parameters_multiply_tasks(self, run: RunFolder) -> None:
        names = ["Ada", "Grace, Inc.", "Alan"]
        sets = [word for name in names for word in ("--set", f"competitors={name}")]
        answer = run.here("plan", "Compare", "--template", "competitive-analysis", *sets, "--json").json
        assert (answer["source"], answer["template"], answer["tasks"]) == ("template", "competitive-analysis", 7)
        assert answer["valid"] is True
        assert answer["problems"] == []
        assert "Profile: Grace, Inc." in (run.project / "plan.yaml").read_text()

    def test_what_is_advised_against_is_told_and_the_plan_is_written(self, run: RunFolder) -> None:
        many = ",".join(f"c{number}" for number in range(12))
        done = run.here("plan", "Compare", "--template", "competitive-analysis", "--set", f"competitors={many}")
        assert "more than 10 are hard to keep in view" in done.stdout
        assert (run.project / "plan.yaml").exists()

    def test_an_unknown_template_parameter_or_form_of_one_is_wrong_usage(self, run: RunFolder) -> None:
        assert "did you mean research?" in run.here("plan", "x", "--template", "reserch", code=2).stderr
        wrong = run.here("plan", "x", "--template", "research", "--set", "side=a", "--set", "topic= ", code=2).stderr
        assert 'has no parameter "side"' in wrong
        assert "did you mean sides?" in wrong
        assert "the parameter topic is blank" in wrong
        assert "is not NAME=VALUE" in run.here("plan", "x", "--template", "research", "--set", "sides", code=2).stderr
        assert not (run.project / "plan.yaml").exists()

    def test_text_of_the_request_is_data(self, run: RunFolder) -> None:
        request = "Do {{sides}} {{ 7*7 }} $(touch pwned) `x`\n---\n- a: [b\n# no comment"
        run("plan", "-", "--template", "research", stdin=request)
        reading = checked_plan((run.project / "plan.yaml").read_bytes())
        assert reading.plan is not None
        assert reading.plan.request == request
        quoted = "\n".join(f"> {line}" for line in request.split("\n"))
        assert all(quoted in each.description for each in reading.plan.tasks)


class TestByWords:
    def test_it_says_which_one_and_why(self, run: RunFolder) -> None:
        done = run.here("plan", "Migrate the code base from JavaScript to TypeScript", "--auto")
        assert done.stdout.startswith("migration fits best: ")
        assert "migrat* 5" in done.stdout

    def test_json_has_the_scores_of_all(self, run: RunFolder) -> None:
        answer = run.here("plan", "Refactor the parser", "--auto", "--json").json
        assert (answer["source"], answer["template"]) == ("auto", "refactor")
        best, *others = answer["fits"]
        assert (best["template"], best["why"]) == ("refactor", "refactor* 5")
        assert len(others) == 8
        assert all(other["score"] < best["score"] for other in others)
        assert answer["why"].startswith("refactor fits best")

    def test_where_nothing_fits_the_most_general_one_is_taken_and_that_is_said(self, run: RunFolder) -> None:
        done = run.here("plan", "Xyzzy", "--auto")
        assert done.stdout.startswith("no template fits the request")
        assert "so the most general one is taken: research" in done.stdout

    def test_the_users_own_are_among_them(self, run: RunFolder, own: Path) -> None:
        answer = run.here("plan", "Paint the hall", "--auto", "--set", "walls=north,south", "--json").json
        assert (answer["template"], answer["tasks"]) == ("paint", 4)


class TestToFillIn:
    def test_validate_names_each_place_that_is_open(self, run: RunFolder) -> None:
        request = 'Say "yes": #1 of {these}\nand more'
        done = run.here("plan", request)
        assert "4 descriptions are missing" in done.stdout
        text = (run.project / "plan.yaml").read_text()
        answer = run.here("validate", "--json", code=1).json
        open_lines = [number for number, line in enumerate(text.splitlines(), 1) if line.startswith("    description:")]
        assert [each["line"] for each in answer["problems"] if each["severity"] == "error"] == open_lines

    def test_filled_in_it_is_a_plan(self, run: RunFolder) -> None:
        run.here("plan", "Say yes", "--json")
        file = run.project / "plan.yaml"
        lines = [
            f"{line.split(':')[0]}: Do it." if line.startswith("    description:") else line
            for line in file.read_text().replace("success_criteria: []", "success_criteria: [done]").splitlines()
        ]
        file.write_text("\n".join(lines))
        assert run.here("validate", "--json").json == {"valid": True, "problems": []}
        reading = checked_plan(file.read_bytes())
        assert reading.plan is not None
        assert reading.plan.request == "Say yes"


class TestWhereItIsWritten:
    def test_a_plan_that_is_there_is_not_overwritten(self, run: RunFolder) -> None:
        mine = run.write_plan(task("T-01"))
        before = mine.read_bytes()
        done = run.here("plan", "x", "--auto", code=3)
        assert "there is a plan.yaml already" in done.stderr
        assert "--output" in done.stderr
        assert mine.read_bytes() == before

    def test_another_file_or_stdout_may_be_named(self, run: RunFolder) -> None:
        run.write_plan(task("T-01"))
        run.here("plan", "x", "--template", "research", "--output", "other.yaml")
        done = run.here("plan", "x", "--template", "research", "--output", "-")
        assert done.stdout == (run.project / "other.yaml").read_text()
        assert "5 tasks" in done.stderr
        answer = run.here("plan", "x", "--template", "research", "--output", "-", "--json").json
        assert answer["text"] == done.stdout
        assert answer["file"] is None
        assert "is a folder" in run.here("plan", "x", "--output", ".", code=2).stderr

    @pytest.mark.parametrize(
        ("words", "code", "message"),
        [
            ([], 2, "there is no request"),
            (["x", "--file", "y"], 2, "there are two requests"),
            (["  "], 1, "the request is empty"),
            (["bell \x1b"], 1, "control character U+001B"),
            (["x", "--auto", "--template", "research"], 2, "--template and --auto exclude each other"),
            (["x", "--set", "a=b"], 2, "--set sets parameters of a template"),
            (["x", "--ai", "--set", "a=b"], 2, "--set sets parameters of a template"),
            (["x", "--auto", "--model", "opus"], 2, "are for --ai"),
        ],
    )
    def test_what_is_no_request_and_words_that_do_not_fit_together_are_refused(
        self, run: RunFolder, words: list[str], code: int, message: str
    ) -> None:
        assert message in run.here("plan", *words, code=code).stderr
        assert not (run.project / "plan.yaml").exists()

    def test_a_request_comes_from_a_file_or_from_stdin_as_well(self, run: RunFolder) -> None:
        (run.project / "request.md").write_bytes("\ufeffBuild a bridge\r\nover the river\r\n".encode())
        run.here("plan", "--file", "request.md", "--output", "one.yaml")
        run.here("plan", "-", "--output", "two.yaml", stdin="Build a bridge\nover the river")
        texts = [(run.project / name).read_bytes() for name in ("one.yaml", "two.yaml")]
        assert texts[0] == texts[1]
        assert "is a folder" in run.here("plan", "--file", ".", code=2).stderr
        assert "there is no file" in run.here("plan", "--file", "none.md", code=3).stderr
        enormous = run.here("plan", "-", stdin="a " * 100_001, code=1).stderr
        assert "200,001 characters, at most 200,000 are read" in enormous


class TestTheList:
    def test_every_template_is_there_with_its_graph_and_parameters(self, run: RunFolder) -> None:
        answer = run.here("plan", "templates", "--json").json
        assert answer["problems"] == []
        by_name = {each["name"]: each for each in answer["templates"]}
        assert len(by_name) == 9
        research = by_name["research"]
        assert research["steps"] == ["gather", "analyse", "synthesize"]
        assert "Stage 3\n   T-05  Synthesize the answer  ← T-04" in research["graph"]
        competitors = by_name["competitive-analysis"]["parameters"][1]
        assert (competitors["name"], competitors["type"]) == ("competitors", "list")
        text = run.here("plan", "templates").stdout
        assert "--set competitors=A,B  Whom to compare with" in text
        assert "feature: Designs a feature" in text

    def test_ones_own_come_before_bundled_ones_of_the_same_name(self, run: RunFolder, own: Path) -> None:
        own.rename(own.with_name("research.yml"))
        (mine,) = [
            each for each in run.here("plan", "templates", "--json").json["templates"] if each["name"] == "research"
        ]
        assert mine["own"] is True
        assert mine["file"] == ".orchestrator/templates/research.yml"
        assert (
            "the parameter walls must be given: Which walls"
            in run.here("plan", "x", "--template", "research", code=2).stderr
        )

    @pytest.mark.parametrize(
        ("old", "new", "line", "message", "advice"),
        [
            ("deps: [buy]", "deps: [look]", 7, "2 steps wait for each other: paint → look → paint", "remove one"),
            ("{{item}}", "{{wall}}", 7, 'there is no parameter "wall"', "{{walls}}"),
            ("description: Paints a wall.\n", "", 1, "the template has no `description`", "in one sentence"),
            ("steps:", "steps: [", 6, "", ""),
        ],
    )
    def test_one_that_is_wrong_is_named_with_line_and_advice_and_used_for_nothing(
        self, run: RunFolder, own: Path, old: str, new: str, line: int, message: str, advice: str
    ) -> None:
        own.write_text(OWN.replace(old, new))
        done = run.here("plan", "templates", "--json", code=1)
        (problem,) = [each for each in done.json["problems"] if message in each["message"]][:1]
        assert problem["file"] == ".orchestrator/templates/paint.yaml"
        assert abs(problem["line"] - line) <= 1
        assert advice in problem["try"]
        assert len(done.json["templates"]) == 9
        named = run.here("plan", "x", "--template", "paint", code=1).stderr
        assert "the template paint cannot be used" in named
        assert message in named
        picked = run.here("plan", "Paint it", "--auto", "--output", "-", "--json")
        assert ".orchestrator/templates/paint.yaml cannot be used and is left out" in picked.stderr
        assert picked.json["template"] == "research"
