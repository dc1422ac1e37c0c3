"""``plan.yaml`` edited after ``init``, and ``add``."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from runfolders import RunFolder, task

CHAIN = (task("T-01"), task("T-02", ["T-01"]), task("T-03", ["T-02"]))


def refusal(run: RunFolder, *words: str) -> None:
    """The plan that is refused is named by `status`, changes nothing, and keeps `add` from writing into it."""
    plan, before = run.plan.read_bytes(), run.events("plan_changed")
    said = run("status")
    assert all(word in said.stderr for word in words), (words, said.stderr)
    assert "plan.yaml:" in said.stderr
    assert "plan.yaml:" in said.stdout
    refused = run("add", "More", "--description", "More of it.", code=3)
    assert "plan.yaml holds an edit that is refused" in refused.stderr
    run("pause")
    run("resume")
    assert run.events("plan_changed") == before
    assert run.plan.read_bytes() == plan


class TestWhatIsTakenOver:
    def test_new_tasks(self, run: RunFolder) -> None:
        run.init(*CHAIN)
        run.edit_plan(lambda plan: plan["tasks"].append(task("T-04", ["T-01"])))
        assert run("next").stderr == ""
        assert run.statuses()["T-04"] == "waiting"
        assert run.row("T-04")["Agent"] == "Agent-04"
        assert "t1 --> t4" in run.table.read_text()
        assert "Do what T-04 is about." in (run.folder / "agent_tasks" / "agent-04.md").read_text()
        assert "Plan Changed\n- Added 1 task" in run.log()
        event = run.events("plan_changed")[1]
        assert (event["added"], event["changed"], event["by"]) == (1, 0, "edit")

    def test_a_task_that_is_put_between_others_renames_none(self, run: RunFolder) -> None:
        nameless = [{key: value for key, value in each.items() if key != "id"} for each in CHAIN]
        run.init(*nameless)
        run("start", "T-01")
        run("complete", "T-01", "--result", "-", stdin="done")
        run.edit_plan(lambda plan: plan["tasks"].insert(0, {**nameless[0], "name": "Do it first"}))
        assert "plan.yaml" not in run("status").stderr
        assert run.statuses() == {"T-01": "completed", "T-02": "pending", "T-03": "waiting", "T-04": "pending"}
        assert run.entry("T-01")["name"] == "Do T-01"
        assert run.entry("T-04")["name"] == "Do it first"

    def test_fields_of_tasks_that_are_neither_running_nor_completed(self, run: RunFolder) -> None:
        run.init(*CHAIN)
        run.give_up("T-01")

        def edit(plan: dict[str, Any]) -> None:
            plan["tasks"][0].update(description="Another way.", max_retries=0)
            plan["tasks"][2].update(name="Other", deps=["T-01"], priority="P3")

        run.edit_plan(edit)
        run("retry", "T-01")
        assert run.row("T-03") | {"Task Description": "Other", "Deps": "T-01", "Priority": "P3"} == run.row("T-03")
        assert "Another way." in (run.folder / "agent_tasks" / "agent-01.md").read_text()
        run.prepare("start", "T-01")
        assert run("fail", "T-01").stdout.startswith("T-01: failed")

    def test_only_differences_count_so_that_what_was_edited_in_the_table_stays(self, run: RunFolder) -> None:
        run.init(*CHAIN)
        run.edit("T-03", Task_Description="By hand", Priority="P3")
        run.edit_plan(lambda plan: plan["tasks"][2].update(description="Another way."))
        run("status")
        assert (run.entry("T-03")["name"], run.entry("T-03")["priority"]) == ("By hand", "P3")
        run.edit_plan(lambda plan: plan["tasks"][2].update(name="By plan"))
        run("status")
        assert (run.entry("T-03")["name"], run.entry("T-03")["priority"]) == ("By plan", "P3")

    def test_a_field_that_is_taken_out_is_as_if_it_had_never_been_said(self, run: RunFolder) -> None:
        run.init(task("T-01", priority="P3"), task("T-02"))
        run.edit_plan(lambda plan: plan["tasks"][0].pop("priority"))
        assert run.entry("T-01")["priority"] == "P0"

    def test_settings_of_the_run(self, run: RunFolder) -> None:
        run.init(*CHAIN)
        run.complete("T-01")
        run.edit_plan(lambda plan: plan.update(budget_usd=5, objectives={"primary": "All of it"}, run={"jobs": 2}))
        assert run.status()["run"]["budget_usd"] == 5
        assert "budget $5.00" in run.table.read_text()
        assert "Took over the settings of the run" in run.log()

    def test_defaults_reach_the_tasks_that_are_still_open(self, run: RunFolder) -> None:
        run.init(*CHAIN)
        run.complete("T-01")
        run.edit_plan(lambda plan: plan.update(defaults={"max_retries": 0}))
        run.prepare("start", "T-02")
        assert run("fail", "T-02").stdout.startswith("T-02: failed")
        assert run.events("plan_changed")[1]["changed"] == 2

    def test_defaults_that_a_task_missed_while_it_ran_reach_it_with_the_next_version(self, run: RunFolder) -> None:
        run.init(*CHAIN)
        run.prepare("start", "T-01")
        run.edit_plan(lambda plan: plan.update(defaults={"max_retries": 0}))
        run.prepare("fail", "T-01")
        assert run.statuses()["T-01"] == "retrying"
        run.edit_plan(lambda plan: plan.update(title="Other"))
        run.prepare("start", "T-01")
        assert run("fail", "T-01").stdout.startswith("T-01: failed")

    def test_another_way_of_writing_the_same_is_no_change(self, run: RunFolder) -> None:
        run.init(*CHAIN)
        said = json.loads(run.plan.read_text())
        run.save(run.plan, "# a word of mine\n" + json.dumps(said))
        assert run("status").stderr == ""
        assert "Plan Changed" not in run.log()
        assert run.events("plan_changed")[1]["changed"] == 0

    def test_an_agent_that_gets_a_second_task_has_files_with_their_names_from_then_on(self, run: RunFolder) -> None:
        run.init(*CHAIN)
        run.edit_plan(lambda plan: plan["tasks"].append(task("T-04", agent="Agent-03")))
        run("status")
        names = {path.name for path in (run.folder / "agent_tasks").iterdir()}
        assert names == {"agent-01.md", "agent-02.md", "agent-03.T-03.md", "agent-03.T-04.md"}

    def test_a_plan_is_not_parsed_again_while_it_stays_the_same(self, run: RunFolder) -> None:
        run.init(*CHAIN)
        run.edit_plan(lambda plan: plan["tasks"].append(task("T-04")))
        run("status")
        broken = run.orchestrate(
            "status", environment={"PYTHONPATH": str(run.project / "poison"), "PYTHONDONTWRITEBYTECODE": "1"}
        )
        assert broken.code == 0
        poison = run.project / "poison"
        for library in ("pydantic", "yaml", "markdown_it"):
            (poison / library).mkdir(parents=True)
            (poison / library / "__init__.py").write_text("raise SystemExit('parsed again')\n")
        for words in (["status"], ["next"], ["start", "T-01"], ["list"]):
            run(*words, environment={"PYTHONPATH": str(poison)})


class TestWhatIsRefused:
    @pytest.mark.parametrize(
        ("edit", "words"),
        [
            (
                lambda plan: plan["tasks"][0].update(name="Other"),
                ("T-01 is completed: its name can no longer be changed",),
            ),
            (lambda plan: plan["tasks"][1].update(deps=[]), ("T-02 is running: its deps can no longer be changed",)),
            (lambda plan: plan["tasks"].pop(), ("the task T-03 is gone from the plan", "orchestrate skip T-03")),
            (lambda plan: plan["tasks"][2].update(deps=["T-03"]), ("T-03",)),
            (lambda plan: plan["tasks"][2].update(deps=["T-77"]), ("T-77",)),
            (lambda plan: plan["tasks"][2].update(max_retries="many"), ("max_retries",)),
        ],
    )
    def test_one_refused_line_refuses_the_whole_file(self, run: RunFolder, edit: Any, words: tuple[str, ...]) -> None:
        run.init(*CHAIN)
        run.complete("T-01")
        run.prepare("start", "T-02")

        def both(plan: dict[str, Any]) -> None:
            plan["tasks"].insert(0, task("T-00"))
            plan["tasks"] = plan["tasks"][1:] + plan["tasks"][:1]
            tasks = plan["tasks"]
            new = tasks.pop()
            edit(plan)
            tasks.append(new)

        run.edit_plan(both)
        refusal(run, *words)
        assert "T-00" not in run.statuses()

    def test_a_line_is_named_where_there_is_one(self, run: RunFolder) -> None:
        run.init(*CHAIN)
        run.complete("T-01")
        run.edit_plan(lambda plan: plan["tasks"][0].update(name="Other"))
        line = next(at for at, text in enumerate(run.plan.read_text().splitlines(), 1) if "Other" in text)
        assert f"plan.yaml:{line}: error: T-01:" in run("status").stderr

    @pytest.mark.parametrize(
        "data",
        [b"", b"tasks: [\n", b"\ttitle: x\n", b"title: \xff\n", b"title: a\ntitle: b\n", b"- a\n", b"tasks: 7\n"],
        ids=["empty", "half", "tab", "not UTF-8", "duplicate key", "list", "wrong type"],
    )
    def test_a_file_that_cannot_be_read_is_named_and_stops_nothing(self, run: RunFolder, data: bytes) -> None:
        run.init(*CHAIN)
        run.save(run.plan, data)
        said = run("start", "T-01")
        assert "plan.yaml:" in said.stderr
        assert run.statuses()["T-01"] == "running"

    def test_the_old_text_ends_it(self, run: RunFolder) -> None:
        run.init(*CHAIN)
        before = run.plan.read_bytes()
        run.edit_plan(lambda plan: plan["tasks"].pop())
        refusal(run, "T-03 is gone")
        run.save(run.plan, before)
        assert run("status").stderr == ""
        run("add", "More", "--description", "More of it.")

    def test_what_the_run_has_moved_on_from_is_taken_after_all(self, run: RunFolder) -> None:
        run.init(*CHAIN)
        run.prepare("start", "T-01")
        run.edit_plan(lambda plan: plan["tasks"][0].update(name="Other"))
        assert "T-01 is running" in run("status").stderr
        run.prepare("fail", "T-01", "--final")
        assert run("status").stderr == ""
        assert run.entry("T-01")["name"] == "Other"

    def test_a_file_that_is_gone_is_named_and_stops_nothing(self, run: RunFolder) -> None:
        run.init(*CHAIN)
        run.plan.unlink()
        assert "plan.yaml: error: the file is gone" in run("start", "T-01").stderr
        assert "plan.yaml is gone" in run("add", "x", "--description", "y", code=3).stderr

    def test_a_cycle_with_what_was_edited_in_the_table_is_refused(self, run: RunFolder) -> None:
        run.init(task("T-01"), task("T-02"))
        run.edit("T-02", Deps="T-01")
        run("status")
        run.edit_plan(lambda plan: plan["tasks"][0].update(deps=["T-02"]))
        refusal(run, "with the dependencies set in master_plan.md this makes a cycle")


class TestAdd:
    def test_a_task_joins_a_run_that_goes_on(self, run: RunFolder) -> None:
        run.init(*CHAIN)
        run.complete("T-01")
        text = run.plan.read_text()
        made = run("add", "More", "--description", "More of it.", "--deps", "T-01,T-03", "--priority", "P3", "--json")
        assert made.json == {"added": ["T-04"], "agents": {"T-04": "Agent-04"}}
        assert run.plan.read_text().startswith(text[: text.index("T-03")])
        assert run.statuses()["T-04"] == "waiting"
        assert "More of it." in (run.folder / "agent_tasks" / "agent-04.md").read_text()
        assert "Added 1 task\n- By add" in run.log()

    def test_several_from_a_file_or_from_stdin(self, run: RunFolder) -> None:
        run.init(*CHAIN)
        run("add", "--file", "-", stdin="- {name: A, description: a}\n- {name: B, description: b, deps: [T-01]}\n")
        assert [*run.statuses()][3:] == ["T-04", "T-05"]

    @pytest.mark.parametrize(
        ("words", "code", "said"),
        [
            (["--description", "x", "--deps", "T-99"], 1, "T-99"),
            (["More", "--id", "T-01"], 1, "T-01"),
            (["More", "--id", "../x"], 1, "../x"),
            (["More", "--estimate", "soon"], 1, "soon"),
            ([], 2, "no task was given"),
            (["--file", "gone.yaml"], 3, "there is no file gone.yaml"),
        ],
    )
    def test_what_validate_would_refuse_changes_nothing(
        self, run: RunFolder, words: list[str], code: int, said: str
    ) -> None:
        run.init(*CHAIN)
        before, journal = run.plan.read_bytes(), run.journal.read_bytes()
        assert said in run("add", *words, code=code).stderr
        assert (run.plan.read_bytes(), run.journal.read_bytes()) == (before, journal)

    def test_many_at_once_lose_nothing(self, run: RunFolder) -> None:
        run.init(*CHAIN)
        adding = [run.orchestrate.start("add", f"Task {n}", "--description", f"Number {n}.") for n in range(6)]
        assert [each.wait().code for each in adding] == [0] * 6
        tasks = run.status()["tasks"]
        assert sorted(entry["name"] for entry in tasks[3:]) == [f"Task {n}" for n in range(6)]
        assert len({entry["agent"] for entry in tasks}) == 9

    def test_a_new_task_opens_a_completed_run_again(self, run: RunFolder) -> None:
        run.init(task("T-01"))
        run.complete("T-01")
        assert run.status()["run"]["state"] == "completed"
        run("add", "More", "--description", "More of it.")
        assert run.status()["run"]["state"] == "running"


class TestALivingRun:
    def test_it_takes_a_new_task_over_within_a_second(self, run: RunFolder) -> None:
        run.init(task("T-01", rehearse={"duration": 8}))
        running = run.orchestrate.start("run", "--executor", "rehearse")
        deadline = time.monotonic() + 20
        while not run.events("task_started") and time.monotonic() < deadline:
            time.sleep(0.05)
        run.edit_plan(lambda plan: plan["tasks"].append(task("T-02", rehearse={"duration": 0.1})))
        edited = time.monotonic()
        while len(run.events("task_started")) < 2 and time.monotonic() < edited + 5:
            time.sleep(0.02)
        assert len(run.events("task_started")) == 2
        assert time.monotonic() - edited < 2.5  # a second, and what reading a plan takes on a busy machine
        assert running.wait().code == 0
        assert run.status()["run"]["state"] == "completed"
