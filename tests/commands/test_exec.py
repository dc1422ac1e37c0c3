"""`exec`: one attempt of one task, whose exit code says how it ended."""

from __future__ import annotations

import json
import os
import shlex
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from programs import Program, Running, wait_for
from runfolders import RunFolder, task

REPOSITORY = Path(__file__).resolve().parents[2]
REHEARSED = ("--executor", "rehearse")
HEAVY = {"pydantic", "jsonschema", "psutil", "markdown_it", "yaml", "rich", "asyncio", "orchestrator.store.table"}


def begun(run: RunFolder, id: str) -> bool:
    """Whether the worker of a task has started."""
    return (run.folder / "workers" / f"{id}.json").exists()


def sleeping(run: RunFolder, id: str = "T-01") -> Running:
    """An `exec` whose worker sleeps for a long time, with a child that ignores every polite signal."""
    script = run.project / "agent.sh"
    script.write_text("#!/bin/sh\ncat >/dev/null\n(trap '' TERM; exec sleep 1000) &\nexec sleep 1000\n")
    script.chmod(0o755)
    running = run.orchestrate.start("exec", id, "--command", "./agent.sh")
    wait_for(lambda: begun(run, id))
    return running


def test_a_task_that_may_start_is_done_and_its_result_recorded(run: RunFolder) -> None:
    run.init(task("T-01", rehearse={"duration": 0, "result": "# All well\n"}))
    done = run("exec", "T-01", *REHEARSED)
    assert "[Agent-01] T-01 completed" in done.stdout
    assert run.result(1).read_text().rstrip() == "# All well"
    assert run.row("T-01")["Status"] == "✅ Completed"


def test_its_json_says_where_the_task_stands_and_the_exit_code(run: RunFolder) -> None:
    run.init(task("T-01", rehearse={"duration": 0}))
    answer = run("exec", "T-01", *REHEARSED, "--json").json
    assert (answer["id"], answer["status"], answer["exit_code"]) == ("T-01", "completed", 0)


def test_a_task_that_is_done_is_left_as_it_is(run: RunFolder) -> None:
    run.init(task("T-01", rehearse={"duration": 0}))
    run("exec", "T-01", *REHEARSED)
    before = run.journal.read_bytes()
    run("exec", "T-01", *REHEARSED)
    assert run.journal.read_bytes() == before


def test_a_task_that_is_running_is_left_as_it_is(run: RunFolder, no_processes_left: Callable[..., None]) -> None:
    run.init(task("T-01"))
    first = sleeping(run)
    run("exec", "T-01", "--command", "./agent.sh")
    assert len(run.events("task_started")) == 1
    first.send(signal.SIGTERM, to_group=False)
    assert first.wait().code == 130


def test_only_one_of_many_that_start_at_once_runs_the_task(run: RunFolder) -> None:
    run.init(task("T-01", rehearse={"duration": 0.5}))
    all_at_once = [run.orchestrate.start("exec", "T-01", *REHEARSED) for _ in range(4)]
    assert [each.wait().code for each in all_at_once] == [0] * 4
    assert len(run.events("task_started")) == 1
    assert len(run.events("task_completed")) == 1


def test_a_failure_that_may_pass_ends_with_4_and_so_does_every_try_before_it_is_due(run: RunFolder) -> None:
    run.init(task("T-01", rehearse={"duration": 0, "fails": 1}))
    assert "retrying" in run("exec", "T-01", *REHEARSED, "--scale", "10", code=4).stdout
    before = run.journal.read_bytes()
    run("exec", "T-01", *REHEARSED, code=4)
    assert run.journal.read_bytes() == before


def test_a_retry_that_is_due_is_run(run: RunFolder) -> None:
    run.init(task("T-01", rehearse={"duration": 0, "fails": 1}))
    run("exec", "T-01", *REHEARSED, "--scale", "0", code=4)
    run("exec", "T-01", *REHEARSED)
    assert run.entry("T-01")["retries"] == 1


def test_a_task_that_is_given_up_ends_with_1(run: RunFolder) -> None:
    run.init(task("T-01", max_retries=0, rehearse={"duration": 0, "fails": 9}))
    assert "failed: failure 1" in run("exec", "T-01", *REHEARSED, code=1).stdout


def test_a_task_that_waits_for_another_is_refused_and_says_for_which(run: RunFolder) -> None:
    run.init(task("T-01"), task("T-02", ["T-01"]))
    assert "waiting for T-01" in run("exec", "T-02", *REHEARSED, code=1).stderr
    assert run.statuses() == {"T-01": "pending", "T-02": "waiting"}


def test_an_unknown_task_is_wrong_usage(run: RunFolder) -> None:
    run.init(task("T-01"))
    assert "T-01" in run("exec", "T-1", *REHEARSED, code=2).stderr


def test_nothing_starts_while_the_run_is_paused(run: RunFolder) -> None:
    run.init(task("T-01"))
    run.prepare("pause", "--reason", "lunch")
    assert "lunch" in run("exec", "T-01", *REHEARSED, code=4).stderr
    assert run.statuses() == {"T-01": "pending"}


def test_nothing_starts_once_a_task_with_fail_fast_has_failed(run: RunFolder) -> None:
    run.init(task("T-01", on_failure="fail-fast"), task("T-02"))
    run.give_up("T-01")
    assert "T-01" in run("exec", "T-02", *REHEARSED, code=4).stderr


def test_a_task_that_the_budget_cannot_pay_does_not_start(run: RunFolder) -> None:
    run.init(task("T-01", budget_usd=2), budget_usd=1.5)
    assert "budget" in run("exec", "T-01", *REHEARSED, code=4).stderr
    assert run.events("task_started") == []


def test_what_another_task_holds_is_not_taken_twice(run: RunFolder) -> None:
    run.init(task("T-01", resources=["database"]), task("T-02", resources=["database"]))
    run.prepare("start", "T-01")
    assert "T-01" in run("exec", "T-02", *REHEARSED, code=1).stderr


def test_a_missing_program_is_named_before_anything_starts(run: RunFolder) -> None:
    run.init(task("T-01"))
    assert "no-such-agent" in run("exec", "T-01", "--command", "no-such-agent", code=3).stderr
    assert run.events("task_started") == []


def test_checks_that_are_new_in_a_running_plan_are_not_run_before_somebody_trusts_them(run: RunFolder) -> None:
    more = {"name": "More", "description": "More.", "verify": ["touch pwned"], "deps": ["T-01"], "id": "T-02"}
    (run.project / "more.json").write_text(json.dumps([more]))
    program = shlex.join([sys.executable, str(REPOSITORY / "scripts" / "orchestrate.py")])
    run.init(task("T-01"))
    grow = f"sh -c 'grep -q \"task is T-01\" && {program} add --file more.json >/dev/null; echo done'"
    done = run("run", "--command", grow, code=3)
    assert "verify of T-02: touch pwned" in done.stderr
    assert run.statuses() == {"T-01": "completed", "T-02": "pending"}
    assert not (run.project / "pwned").exists()
    run.prepare("trust")
    run("run", "--command", grow)
    assert (run.project / "pwned").exists()


def test_a_plan_whose_command_nobody_trusts_is_refused(run: RunFolder) -> None:
    run.init(task("T-01"), run={"executor": "command", "command": "cat"})
    assert "run.command: cat" in run("exec", "T-01", code=3).stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_the_worker_with_all_its_children_and_puts_the_task_back(
    run: RunFolder, no_processes_left: Callable[..., None], number: signal.Signals
) -> None:
    run.init(task("T-01"))
    running = sleeping(run)
    running.send(number, to_group=False)
    assert running.wait().code == 130
    assert run.entry("T-01")["status"] == "pending"
    assert run.entry("T-01")["retries"] == 0
    no_processes_left(0.5)


def test_after_kill_9_the_next_command_ends_the_orphan_and_puts_the_task_back(
    run: RunFolder, attempts_alive: Callable[[], list[object]], no_processes_left: Callable[..., None]
) -> None:
    run.init(task("T-01"))
    running = sleeping(run)
    running.send(signal.SIGKILL, to_group=False)
    running.process.wait()
    assert attempts_alive()
    (run.project / "agent.sh").write_text("#!/bin/sh\ncat >/dev/null\necho fine\n")
    run("exec", "T-01", "--command", "./agent.sh")
    assert [event["kind"] for event in run.events("task_put_back")] == ["supervisor_lost"]
    no_processes_left(0.5)


# Given out by a feed


def test_what_a_feed_gave_out_does_not_start_once_the_feed_has_ended(run: RunFolder) -> None:
    run.init(task("T-01"))
    assert "feed" in run("exec", "--fed", "T-01", *REHEARSED, code=4).stderr
    assert run.events("task_started") == []


def test_a_worker_inherits_nothing_of_the_session_that_started_it(run: RunFolder) -> None:
    run.init(task("T-01"))
    script = run.project / "agent.sh"
    script.write_text("#!/bin/sh\ncat >/dev/null\nenv\n")
    script.chmod(0o755)
    run("exec", "T-01", "--command", "./agent.sh", environment={"CLAUDECODE": "1", "CLAUDE_CODE_ENTRYPOINT": "cli"})
    environment = run.result(1).read_text()
    assert f"ORCHESTRATE_ATTEMPT={run.status()['run']['id']}/T-01/1" in environment
    assert "CLAUDE" not in environment


def test_it_imports_only_what_it_needs(run: RunFolder, program: Callable[..., Program], orchestrate: Program) -> None:
    run.init(task("T-01", rehearse={"duration": 0}))
    run("exec", "T-01", *REHEARSED)
    python, script = orchestrate._command
    done = program(python, "-X", "importtime", script)("exec", "--fed", "T-01", *REHEARSED)
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if line.startswith("import time:")}
    assert "orchestrator.commands.execute" in imported
    assert imported & HEAVY == set()


def test_a_project_with_an_awkward_path_is_no_obstacle(
    tmp_path: Path, program: Callable[..., Program], orchestrate: Program
) -> None:
    folder = tmp_path / '-it\'s [x] $(touch pwned) "ü"'
    folder.mkdir()
    (folder / "plan.yaml").write_text(json.dumps({"title": "T", "tasks": [task("T-01", rehearse={"duration": 0})]}))
    for words in (("init",), ("exec", "T-01", *REHEARSED)):
        done = orchestrate(*words, cwd=folder)
        assert done.code == 0, done.stderr
    assert not any("pwned" in names for _, _, names in os.walk(tmp_path))


def test_a_run_logs_the_tasks_of_a_batch_that_it_launches_together_in_one_entry(run: RunFolder) -> None:
    quick = {"rehearse": {"duration": 0.05}}
    run.init(task("T-01", **quick), task("T-02", ["T-01"], **quick), task("T-03", ["T-01"], **quick))
    run("run", "--executor", "rehearse")
    assert "- Agent-01 launched: T-01" in run.log()
    assert "- Agent-02, Agent-03 launched in parallel: T-02, T-03" in run.log()
