"""An agent with several tasks: what its files are called, and until when that may change."""

from __future__ import annotations

from runfolders import RunFolder, task


def test_an_agent_that_gets_a_second_task_writes_the_first_result_where_it_was_told_to(run: RunFolder) -> None:
    run.init(task("T-01"), task("T-02", ["T-01"]))
    run.prepare("start", "T-01")
    assert "results/agent-01-result.md" in (run.folder / "agent_tasks" / "agent-01.md").read_text()
    run.edit_plan(lambda plan: plan["tasks"].append(task("T-03", agent="Agent-01")))
    run.prepare("next")
    tasks = run.folder / "agent_tasks"
    assert sorted(file.name for file in tasks.iterdir()) == ["agent-01.T-03.md", "agent-01.md", "agent-02.md"]
    assert "results/agent-01-result.md" in (tasks / "agent-02.md").read_text()
    run.result(1).write_text("# Written where I was told\n")
    run.here("complete", "T-01")
    assert run.events("task_completed")[0]["result"] == "results/agent-01-result.md"
    run.complete("T-03", "T-02")
    assert (run.folder / "results" / "agent-01.T-03-result.md").exists()
    assert run.here("check", "--json").json["complete"] is True


def test_before_it_starts_a_task_still_gets_the_new_names(run: RunFolder) -> None:
    run.init(task("T-01"), task("T-02"))
    run.edit_plan(lambda plan: plan["tasks"].append(task("T-03", agent="Agent-01")))
    run.prepare("next")
    names = sorted(file.name for file in (run.folder / "agent_tasks").iterdir())
    assert names == ["agent-01.T-01.md", "agent-01.T-03.md", "agent-02.md"]
