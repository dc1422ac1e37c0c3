"""`decompose`: one task of a running plan split by a template, by words, by a file; and what becomes of the task."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.plans.spec import checked_plan
from runfolders import RunFolder, task

STEPS = ["gather", "analyse", "synthesize"]
TWO_ENDS = "- {description: Left., success_criteria: [l]}\n- {description: Right., success_criteria: [r]}\n"


def chain(run: RunFolder, **fields: object) -> None:
    """T-01, then T-02 which is to be split, then T-03."""
    run.init(task("T-01"), task("T-02", ["T-01"], **fields), task("T-03", ["T-02"]))


def write(run: RunFolder, text: str) -> Path:
    file = run.project / "parts.yaml"
    file.write_text(text)
    return file


def wait_until(holds: Callable[[], bool], within_s: float = 30.0) -> None:
    end = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.05)


class TestTheSplit:
    def test_subtasks_are_named_after_their_step_and_the_task_is_their_join(self, run: RunFolder) -> None:
        chain(run)
        done = run.here("decompose", "t-02", "--template", "research")
        assert "Split T-02 into 3 subtasks by the template research:" in done.stdout
        assert "T-02 takes over the result of T-02.3; no agent runs for it." in done.stdout
        entries = {entry["id"]: entry for entry in run.status()["tasks"]}
        assert [entries[f"T-02.{number}"]["name"] for number in (1, 2, 3)] == STEPS
        assert [entries[id]["deps"] for id in ("T-02.1", "T-02.2", "T-02.3", "T-02", "T-03")] == [
            ["T-01"],
            ["T-02.1"],
            ["T-02.2"],
            ["T-02.3"],
            ["T-02"],
        ]
        assert run.statuses()["T-02"] == "waiting"

    def test_it_is_written_into_the_plan_and_everything_else_stays_as_it_was(self, run: RunFolder) -> None:
        text = (
            "# mine\ntitle: Test\ntasks:\n  - id: T-01  # first\n    description: Look at birds.\n    deps: []\n"
            "    success_criteria: [seen]\n\n  - id: T-02\n    description: Tell.\n    deps: [T-01]\n"
        )
        run.save(run.project / "plan.yaml", text)
        run.prepare("init")
        run.here("decompose", "T-01", "--template", "research")
        new = run.plan.read_text()
        assert new.startswith(text.replace("deps: []", "deps: [T-01.3]", 1))
        assert checked_plan(run.plan.read_bytes()).plan is not None
        (event,) = run.events("plan_changed")[1:]
        assert (event["by"], event["added"], event["changed"]) == ("decompose", 3, 1)
        assert "Look at birds." in new[len(text) :], "the subtasks are told what it is about"

    def test_every_agent_has_its_assignment_and_the_others_theirs_anew(self, run: RunFolder) -> None:
        chain(run)
        run.here("decompose", "T-02", "--template", "research")
        folder = run.folder / "agent_tasks"
        assert "T-02.1" in (folder / "agent-04.md").read_text()
        assert "T-02.3" in (folder / "agent-02.md").read_text()

    def test_json_says_what_was_made(self, run: RunFolder) -> None:
        chain(run)
        answer = run.here("decompose", "T-02", "--template", "research", "--json").json
        assert answer["task"] == "T-02"
        assert [each["id"] for each in answer["subtasks"]] == ["T-02.1", "T-02.2", "T-02.3"]
        assert answer["subtasks"][0] == {
            "id": "T-02.1",
            "name": "gather",
            "agent": "Agent-04",
            "deps": ["T-01"],
            "status": "waiting",
        }
        assert (answer["takes_over"], answer["source"], answer["template"]) == ("T-02.3", "template", "research")

    def test_the_template_may_be_picked_by_the_words_of_the_task(self, run: RunFolder) -> None:
        run.init(task("T-01", name="Refactor the parser"), task("T-02", ["T-01"]), task("T-03", ["T-02"]))
        answer = run.here("decompose", "T-01", "--auto", "--json").json
        assert answer["template"] == "refactor"
        assert "refactor fits best" in answer["why"]

    def test_parameters_multiply_subtasks_and_the_item_is_in_their_names(self, run: RunFolder) -> None:
        chain(run)
        names = [
            each["name"]
            for each in run.here(
                "decompose", "T-02", "--template", "code-review", "--set", "aspects=style,speed", "--json"
            ).json["subtasks"]
        ]
        assert names == ["map", "review: style", "review: speed", "confirm", "report"]

    def test_a_file_gives_the_subtasks_with_its_own_defaults_and_names(self, run: RunFolder) -> None:
        chain(run)
        text = (
            "defaults: {success_criteria: [good], model: haiku}\ntasks:\n"
            "  - {id: db, description: The database.}\n  - {id: T-01, description: The rest., deps: [db]}\n"
        )
        answer = run.here("decompose", "T-02", "--from", str(write(run, text)), "--json").json
        assert [each["id"] for each in answer["subtasks"]] == ["db", "T-02.1"]
        tasks = {each.id: each for each in checked_plan(run.plan.read_bytes()).plan.tasks}  # type: ignore[union-attr]
        assert tasks["db"].model == tasks["T-02.1"].model == "haiku"
        assert tasks["T-02.1"].parent == "T-02"

    def test_a_file_may_come_by_stdin(self, run: RunFolder) -> None:
        chain(run)
        run("decompose", "T-02", "--from", "-", stdin=TWO_ENDS)
        assert run.statuses()["T-02.2"] == "waiting"

    def test_a_subtask_can_be_split_again(self, run: RunFolder) -> None:
        chain(run)
        run.here("decompose", "T-02", "--template", "research")
        run.here("decompose", "T-02.3", "--from", "-", stdin=TWO_ENDS)
        assert run.entry("T-02.3")["deps"] == ["T-02.3.1", "T-02.3.2"]

    def test_what_was_gathered_for_the_task_goes_to_the_subtasks_that_begin(self, run: RunFolder) -> None:
        chain(run)
        run.prepare("context", "T-02", "--add", "-", stdin="GATHERED BEFORE")
        run.here("decompose", "T-02", "--template", "research")
        run.complete("T-01")
        assert "GATHERED BEFORE" in run.here("prompt", "T-02.1").stdout
        assert [event["task"] for event in run.events("context_added")] == ["T-02", "T-02.1"]

    def test_it_works_while_a_run_goes_on(self, run: RunFolder) -> None:
        run.init(task("T-01", rehearse={"hangs": True}), task("T-02", ["T-01"]), task("T-03", ["T-02"]))
        going = run.orchestrate.start("run", "--executor", "rehearse", "--scale", "0.0002")
        wait_until(lambda: run.events("task_started") != [])
        run.here("decompose", "T-02", "--template", "research")
        run.here("skip", "T-01")
        ended = going.wait(60)
        assert ended.code == 0, ended.stderr
        assert {*run.statuses().values()} == {"completed", "skipped"}
        started = [event["task"] for event in run.events("task_started")]
        assert sorted(started) == ["T-01", "T-02.1", "T-02.2", "T-02.3", "T-03"]


class TestWhatIsRefused:
    def test_what_runs_or_is_complete_or_was_split(self, run: RunFolder) -> None:
        chain(run)
        run.prepare("start", "T-01")
        assert "T-01 is running: a task is not split then" in run.here("decompose", "T-01", "--auto", code=1).stderr
        run.prepare("complete", "T-01", "--result", "-", stdin="x")
        assert "T-01 is completed" in run.here("decompose", "T-01", "--auto", code=1).stderr
        run.here("decompose", "T-02", "--template", "research")
        again = run.here("decompose", "T-02", "--template", "research", code=1).stderr
        assert "T-02 was split already, into T-02.1, T-02.2 and T-02.3" in again

    def test_what_waits_to_retry(self, run: RunFolder) -> None:
        run.init(task("T-01"), task("T-02", ["T-01"]))
        run.prepare("start", "T-01")
        run.prepare("fail", "T-01", "--reason", "odd")
        assert "T-01 is retrying" in run.here("decompose", "T-01", "--auto", code=1).stderr

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("- {description: Alone.}\n", "would be split into 1 task"),
            ("[]\n", "holds no tasks"),
            ("- 1\n- 2\n", "holds no tasks"),
            ("a: [\n", "cannot be read"),
            (TWO_ENDS + "- {description: x, deps: [T-77]}\n", 'no task "T-77"'),
            (TWO_ENDS + "- {description: x, estimate: soon}\n", "`estimate`"),
            (TWO_ENDS + "- {id: c, description: x, deps: [T-03]}\n", "wait for each other"),
            (TWO_ENDS + "- {id: X, description: x}\n- {id: x, description: y}\n", "differs from"),
            (TWO_ENDS + "- {description: x, outputs: [../y]}\n", "is not in the project"),
        ],
    )
    def test_subtasks_that_are_wrong_change_nothing(self, run: RunFolder, text: str, message: str) -> None:
        chain(run)
        plan, events = run.plan.read_bytes(), run.events()
        done = run.here("decompose", "T-02", "--from", str(write(run, text)), code=1)
        assert message in done.stderr
        assert (run.plan.read_bytes(), run.events()) == (plan, events)

    def test_wrong_usage(self, run: RunFolder) -> None:
        chain(run)
        assert "nothing says how to split it" in run.here("decompose", "T-02", code=2).stderr
        assert "exclude each other" in run.here("decompose", "T-02", "--auto", "--template", "research", code=2).stderr
        assert "there is no task" in run.here("decompose", "T-99", "--auto", code=2).stderr
        assert "there is no file" in run.here("decompose", "T-02", "--from", "nowhere.yaml", code=3).stderr

    def test_an_edit_of_the_plan_that_is_refused_is_not_written_over(self, run: RunFolder) -> None:
        chain(run)
        run.edit_plan(lambda said: said["tasks"][2].update(deps=["T-77"]))
        before = run.plan.read_bytes()
        done = run.here("decompose", "T-02", "--template", "research", code=3)
        assert "plan.yaml holds an edit that is refused" in done.stderr
        assert run.plan.read_bytes() == before


class TestTakingOver:
    def test_the_task_is_complete_with_its_last_subtask_and_merge_prints_the_result_once(self, run: RunFolder) -> None:
        chain(run)
        run.prepare("decompose", "T-02", "--template", "research")
        run.complete("T-01", "T-02.1", "T-02.2")
        run.prepare("start", "T-02.3")
        run.here("complete", "T-02.3", "--result", "-", stdin="# The answer is 42\n")
        assert run.statuses()["T-02"] == "completed"
        own, last = run.events("task_completed")[-1], run.events("task_completed")[-2]
        assert (own["task"], last["task"], own["taken_from"]) == ("T-02", "T-02.3", "T-02.3")
        assert (own["result"], own["hash"], own["timestamp"]) == (last["result"], last["hash"], last["timestamp"])
        assert "T-02 completed with the result of its last subtask T-02.3" in run.log()
        assert "# The answer is 42" in run.here("prompt", "T-03").stdout
        assert "agent-06-result.md" in (run.folder / "agent_tasks" / "agent-03.md").read_text()
        run.complete("T-03")
        assert run.here("check", "--json").json["complete"] is True
        answer = run.here("merge", "--json").json
        final = (run.folder / "final_output.md").read_text()
        assert final.count("The answer is 42") == 1
        assert "Agent-02 Output: T-02" in final
        assert answer["missing"] == []
        assert run.status()["run"]["merged"] is True

    def test_the_checks_of_the_task_hold_for_its_last_subtask(self, run: RunFolder) -> None:
        chain(run, outputs=["made.md"], result_schema={"type": "object", "required": ["n"]})
        run.prepare("decompose", "T-02", "--template", "research")
        run.complete("T-01", "T-02.1", "T-02.2")
        run.prepare("start", "T-02.3")
        refused = run.here("complete", "T-02.3", "--result", "-", stdin="prose", code=1).stderr
        assert "the output made.md is missing" in refused
        assert run.statuses()["T-02"] == "waiting"
        (run.project / "made.md").write_text("made")
        run.here("complete", "T-02.3", "--result", "-", stdin=json.dumps({"n": 1}))
        assert run.statuses()["T-02"] == "completed"

    def test_what_was_trusted_stays_trusted(self, run: RunFolder) -> None:
        chain(run, verify=["test -e made.md"])
        run.prepare("trust")
        run.here("decompose", "T-02", "--template", "research")
        run.complete("T-01", "T-02.1", "T-02.2")
        run.prepare("start", "T-02.3")
        assert (
            "verify `test -e made.md` exited with 1"
            in run.here("complete", "T-02.3", "--result", "-", stdin="x", code=1).stderr
        )

    def test_what_was_not_trusted_is_not(self, run: RunFolder) -> None:
        chain(run, verify=["test -e made.md"])
        run.here("decompose", "T-02", "--template", "research")
        run.complete("T-01", "T-02.1", "T-02.2")
        run.prepare("start", "T-02.3")
        assert "not trusted" in run.here("complete", "T-02.3", "--result", "-", stdin="x", code=3).stderr

    def test_a_task_that_joins_several_runs_itself_with_their_results(self, run: RunFolder) -> None:
        chain(run)
        done = run.here("decompose", "T-02", "--from", "-", stdin=TWO_ENDS)
        assert "T-02 joins the results of T-02.1 and T-02.2." in done.stdout
        run.complete("T-01", "T-02.1", "T-02.2")
        assert run.statuses()["T-02"] == "pending"
        prompt = run.here("prompt", "T-02").stdout
        assert "# Result of T-02.1" in prompt
        assert "# Result of T-02.2" in prompt
        assert "join them into the one result" in prompt
        run.complete("T-02", "T-03")
        run.here("merge")
        assert "# Result of T-02\n".strip("# \n") in (run.folder / "final_output.md").read_text()

    @pytest.mark.parametrize("given_up", ["fail", "skip"])
    def test_a_task_that_was_given_up_is_open_again(self, run: RunFolder, given_up: str) -> None:
        chain(run)
        run.complete("T-01")
        if given_up == "fail":
            run.give_up("T-02")
            assert run.statuses()["T-03"] == "blocked"
        else:
            run.prepare("skip", "T-02")
        run.here("decompose", "T-02", "--template", "research")
        statuses = run.statuses()
        assert (statuses["T-02"], statuses["T-02.1"], statuses["T-03"]) == ("waiting", "pending", "waiting")

    def test_a_person_approves_before_anything_of_it_is_done(self, run: RunFolder) -> None:
        chain(run, approval=True)
        run.complete("T-01")
        run.here("decompose", "T-02", "--template", "research")
        assert run.here("next", "--json").json["waiting_for_approval"] == ["T-02.1"]
        run.here("approve", "T-02.1")
        run.complete("T-02.1", "T-02.2", "T-02.3")
        assert run.statuses()["T-02"] == "completed"

    def test_a_gap_is_opened_again_as_a_whole(self, run: RunFolder) -> None:
        chain(run)
        run.prepare("decompose", "T-02", "--template", "research")
        run.complete("T-01", "T-02.1", "T-02.2", "T-02.3")
        run.result(6).unlink()
        run.here("check", "--retry", code=1)
        assert (run.statuses()["T-02"], run.statuses()["T-02.3"]) == ("waiting", "pending")
        run.complete("T-02.3")
        assert run.statuses()["T-02"] == "completed"
