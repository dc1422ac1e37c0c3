"""The commands that move tasks, through the real program."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from runfolders import RunFolder, task

DIAMOND = (task("T-01"), task("T-02", ["T-01"]), task("T-03", ["T-01"]), task("T-04", ["T-02", "T-03"]))


class TestTheWayOfATask:
    def test_start_complete_and_what_comes_after(self, run: RunFolder) -> None:
        run.init(*DIAMOND)
        assert run("start", "T-01", "--json").json["tasks"][0]["attempt"] == 1
        assert run.row("T-01")["Status"] == "🔵 Running"
        (run.project / "answer.md").write_text("# Answer\n")
        done = run("complete", "t-01", "--result", "answer.md", "--step", "looked", "--summary", "found")
        assert "→ looked" in done.stdout
        assert "• found" in done.stdout
        assert "Saved to: .orchestrator/results/agent-01-result.md" in done.stdout
        assert run.result(1).read_text() == "# Answer\n"
        assert run.statuses() == {"T-01": "completed", "T-02": "pending", "T-03": "pending", "T-04": "waiting"}
        event = run.events("task_completed")[0]
        assert (event["task"], event["attempt"], event["result"]) == ("T-01", 1, "results/agent-01-result.md")
        assert event["hash"].startswith("sha256:")
        assert {"cost_usd", "tokens", "duration_s"} <= {*event}

    def test_a_result_may_come_from_stdin_or_lie_in_its_place(self, run: RunFolder) -> None:
        run.init(task("T-01"), task("T-02"))
        run("start", "T-01", "T-02")
        run("complete", "T-01", "--result", "-", stdin="one")
        run.result(2).write_text("two")
        run("complete", "T-02")
        assert [run.result(1).read_text(), run.result(2).read_text()] == ["one", "two"]
        assert run.status()["run"]["state"] == "completed"

    def test_the_dependants_assignment_names_the_result_once_it_is_there(self, run: RunFolder) -> None:
        run.init(*DIAMOND)
        assignment = run.folder / "agent_tasks" / "agent-02.md"
        before = assignment.read_text()
        run.complete("T-01")
        assert assignment.read_text() != before
        assert "agent-01-result.md" in assignment.read_text()

    def test_the_form_of_a_batch_has_all_its_agents_in_one_box(self, run: RunFolder) -> None:
        run.init(*DIAMOND)
        run.complete("T-01")
        shown = run("start", "T-02", "T-03").stdout
        assert "Parallel Execution Batch #2 (after T-01)" in shown
        assert "Agent-02 [T-02: Do T-02] ║ Agent-03 [T-03: Do T-03]" in shown
        plain = run("complete", "T-02", "--result", "-", "--ascii", stdin="x").stdout
        assert plain.isascii()

    def test_json_answers_have_the_record_of_each_task_and_nothing_else(self, run: RunFolder) -> None:
        run.init(*DIAMOND)
        for words, stdin in (
            (["start", "T-01"], ""),
            (["start", "T-01", "--renew"], ""),
            (["complete", "T-01", "--result", "-"], "x"),
            (["skip", "T-02"], ""),
            (["retry", "T-02"], ""),
        ):
            answer = run(*words, "--json", stdin=stdin)
            assert list(answer.json) == ["tasks"]
            assert answer.json["tasks"][0]["id"] in ("T-01", "T-02")


class TestChecksOfComplete:
    @pytest.mark.parametrize(
        ("fields", "result", "said"),
        [
            ({}, " \n ", "the result is blank"),
            ({"outputs": ["docs/out.md"]}, "x", "the output docs/out.md is missing"),
            (
                {"result_schema": {"type": "object", "required": ["verdict"]}},
                '```json\n{"other": 1}\n```',
                "does not fit its schema",
            ),
        ],
    )
    def test_what_does_not_pass_exits_1_and_leaves_the_task_running(
        self, run: RunFolder, fields: dict[str, object], result: str, said: str
    ) -> None:
        run.init(task("T-01", **fields))
        run("start", "T-01")
        refused = run("complete", "T-01", "--result", "-", stdin=result, code=1)
        assert said in refused.stderr
        assert run.statuses() == {"T-01": "running"}
        assert not run.result(1).exists()
        assert list((run.folder / "results").iterdir()) == []

    def test_verify_runs_only_once_it_is_trusted_and_counts(self, run: RunFolder) -> None:
        run.init(task("T-01", verify=["test -e proof"]))
        run("start", "T-01")
        refused = run("complete", "T-01", "--result", "-", stdin="x", code=3)
        assert "verify of T-01: test -e proof" in refused.stderr
        run("trust")
        assert "exited with 1" in run("complete", "T-01", "--result", "-", stdin="x", code=1).stderr
        (run.project / "proof").touch()
        run("complete", "T-01", "--result", "-", stdin="x")
        assert run.statuses() == {"T-01": "completed"}

    def test_a_check_that_takes_long_holds_no_other_command_up(self, run: RunFolder) -> None:
        run.write_plan(task("T-01", verify=["touch checking", "sleep 4"]), task("T-02"))
        run.prepare("init", "--trust")
        run.prepare("start", "T-01")
        completing = run.orchestrate.start("complete", "T-01", "--result", "-", stdin="x")
        deadline = time.monotonic() + 20
        while not (run.project / "checking").exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        run("start", "T-02")
        assert completing.process.poll() is None
        assert completing.wait().code == 0
        assert run.statuses() == {"T-01": "completed", "T-02": "running"}

    def test_a_missing_result_is_named(self, run: RunFolder) -> None:
        run.init(task("T-01"))
        run("start", "T-01")
        assert "there is no result file gone.md" in run("complete", "T-01", "--result", "gone.md", code=3).stderr
        missing = run("complete", "T-01", code=3).stderr
        assert ".orchestrator/results/agent-01-result.md" in missing
        assert "is a folder" in run("complete", "T-01", "--result", ".", code=2).stderr

    def test_a_result_that_is_not_utf_8_is_kept_readable_and_told(self, run: RunFolder) -> None:
        run.init(task("T-01"))
        run("start", "T-01")
        told = run("complete", "T-01", "--result", "-", stdin=b"caf\xe9 \xff\n").stderr
        assert "not UTF-8" in told
        assert run.result(1).read_text(encoding="utf-8") == "caf\ufffd \ufffd\n"

    def test_a_result_as_windows_powershell_writes_it_is_kept_as_utf_8(self, run: RunFolder) -> None:
        run.init(task("T-01"))
        run("start", "T-01")
        told = run("complete", "T-01", "--result", "-", stdin="# Café 🚀\n".encode("utf-16")).stderr
        assert "UTF-16" in told
        assert run.result(1).read_text(encoding="utf-8") == "# Café 🚀\n"


class TestAttempts:
    def test_a_stale_attempt_is_refused_and_the_right_one_taken(self, run: RunFolder) -> None:
        run.init(task("T-01"))
        run("start", "T-01")
        run("fail", "T-01", "--reason", "first", "--attempt", "1")
        assert run.statuses() == {"T-01": "retrying"}
        run("start", "T-01")
        for command in (["complete", "T-01", "--result", "-"], ["fail", "T-01"]):
            refused = run(*command, "--attempt", "1", stdin="x", code=1)
            assert "attempt 1 of T-01 is stale" in refused.stderr
        assert "there is no attempt 3" in run("fail", "T-01", "--attempt", "3", code=1).stderr
        run("complete", "T-01", "--attempt", "2", "--result", "-", stdin="x")
        assert run.entry("T-01")["retries"] == 1


class TestFailing:
    def test_fail_follows_the_rule_and_gives_up_after_three_attempts(self, run: RunFolder) -> None:
        run.init(task("T-01"), task("T-02", ["T-01"]))
        for number, status in enumerate(["retrying", "retrying", "failed"], 1):
            run("start", "T-01")
            said = run("fail", "T-01", "--reason", "no such table").stdout
            assert said.startswith(f"T-01: {status}")
            assert run.entry("T-01")["retries"] == min(number, 2)
        assert run.statuses() == {"T-01": "failed", "T-02": "blocked"}
        assert run.entry("T-02")["reason"] == "T-01 failed"
        assert run.status()["run"]["state"] == "blocked"
        assert run.events("orchestration_blocked")[0]["blocking_task"] == "T-01"
        assert "### " in run.log()
        assert "Agent-02 Blocked\n- T-02 waits for T-01, which failed" in run.log()

    @pytest.mark.parametrize(
        ("fields", "status", "dependant"),
        [
            ({}, "failed", "blocked"),
            ({"on_failure": "retry"}, "failed", "blocked"),
            ({"on_failure": "skip"}, "skipped", "pending"),
            ({"priority": "P3"}, "skipped", "pending"),
            ({"on_failure": "fail-fast"}, "failed", "blocked"),
            ({"on_failure": "fallback", "fallback": {"model": "haiku"}}, "failed", "blocked"),
            ({"retry_safe": False}, "failed", "blocked"),
        ],
        ids=str,
    )
    def test_fail_final_gives_up_at_once_by_the_strategy_of_the_task(
        self, run: RunFolder, fields: dict[str, object], status: str, dependant: str
    ) -> None:
        run.init(task("T-01", **fields), task("T-02", ["T-01"]), task("T-03"))
        run.give_up("T-01")
        assert run.statuses() == {"T-01": status, "T-02": dependant, "T-03": "pending"}
        ready = run("next", "--json").json["ready"]
        assert ("T-03" in ready) is (fields.get("on_failure") != "fail-fast")

    def test_a_dependant_of_a_skipped_task_is_told_what_is_missing(self, run: RunFolder) -> None:
        run.init(task("T-01", on_failure="skip"), task("T-02", ["T-01"]))
        run.give_up("T-01", "the service is down")
        assert "the service is down" in (run.folder / "agent_tasks" / "agent-02.md").read_text()
        assert "the service is down" in run("prompt", "T-02").stdout

    def test_a_task_that_waits_to_retry_can_be_given_up(self, run: RunFolder) -> None:
        run.init(task("T-01"))
        run("start", "T-01")
        run("fail", "T-01")
        run("fail", "T-01", "--final", "--reason", "enough")
        assert run.statuses() == {"T-01": "failed"}
        assert run.entry("T-01")["reason"] == "enough"

    def test_an_unsafe_task_is_failed_by_any_end_and_opened_by_retry_alone(self, run: RunFolder) -> None:
        run.init(task("T-01", retry_safe=False))
        run("start", "T-01")
        run("fail", "T-01")
        assert run.entry("T-01")["reason"].startswith("not safe to retry")
        run("retry", "T-01")
        assert run.statuses() == {"T-01": "pending"}


REFUSED = [
    (["start", "T-01"], "T-01 is completed: completed → running is no move"),
    (["complete", "T-01"], "T-01 is completed: completed → completed is no move"),
    (["fail", "T-01"], "T-01 is completed: completed → failed is no move"),
    (["skip", "T-01"], "T-01 is completed: completed → skipped is no move"),
    (["retry", "T-01"], "T-01 is completed: completed → pending is no move"),
    (["start", "T-02"], "T-02 is running: running → running is no move"),
    (["retry", "T-02"], "T-02 is running: running → pending is no move"),
    (["start", "T-03"], "T-03 is waiting for T-02: waiting → running is no move"),
    (["complete", "T-03"], "T-03 is waiting: waiting → completed is no move"),
    (["fail", "T-03"], "T-03 is waiting: waiting → failed is no move"),
    (["retry", "T-03"], "T-03 is waiting: waiting → pending is no move"),
    (["start", "T-04"], "T-04 is failed: failed → running is no move"),
    (["complete", "T-04"], "T-04 is failed: failed → completed is no move"),
    (["start", "T-05"], "T-05 is blocked: blocked → running is no move"),
    (["skip", "T-06"], "T-06 is skipped: skipped → skipped is no move"),
    (["start", "T-07"], "T-07 waits for a person's approval: waiting → running is no move"),
    (["start", "T-08", "--renew"], "T-08 is pending: pending → running is no move"),
]


def test_every_other_move_is_refused_with_the_move_named(run: RunFolder) -> None:
    run.init(
        task("T-01"),
        task("T-02"),
        task("T-03", ["T-02"]),
        task("T-04"),
        task("T-05", ["T-04"]),
        task("T-06"),
        task("T-07", approval=True),
        task("T-08"),
    )
    run.complete("T-01")
    run("start", "T-02")
    run.give_up("T-04")
    run("skip", "T-06")
    before = run.journal.read_bytes()
    for words, message in REFUSED:
        refused = run(*words, code=1)
        assert message in refused.stderr, words
        assert "try: " in refused.stderr
        assert refused.stdout == ""
    assert run.journal.read_bytes() == before


def test_a_run_is_made_in_a_folder_whose_parents_are_missing(run: RunFolder) -> None:
    plan = run.write_plan(task("T-01"))
    run("init", plan, "--dir", "some/where/else")
    assert json.loads(run.prepare("status", "--json", "--dir", "some/where/else"))["run"]["state"] == "planned"


def test_several_tasks_are_moved_all_or_none(run: RunFolder) -> None:
    run.init(*DIAMOND)
    run("start", "T-01", "T-02", code=1)
    run("skip", "T-03", "T-99", code=2)
    assert set(run.statuses().values()) == {"pending", "waiting"}


class TestSkipAndRetry:
    def test_skip_lets_dependants_go_on_and_retry_opens_again(self, run: RunFolder) -> None:
        run.init(*DIAMOND)
        run("skip", "T-01", "--reason", "known already")
        assert run.statuses()["T-02"] == "pending"
        assert run.entry("T-01")["reason"] == "known already"
        assert "known already" in (run.folder / "agent_tasks" / "agent-02.md").read_text()
        run("retry", "T-01")
        assert run.statuses() == {"T-01": "pending", "T-02": "waiting", "T-03": "waiting", "T-04": "waiting"}

    def test_completed_and_running_dependants_of_a_reopened_task_stay_and_check_names_them(
        self, run: RunFolder
    ) -> None:
        run.init(*DIAMOND)
        run.complete("T-01", "T-02")
        run("start", "T-03")
        run.result(1).unlink()
        run("check", "--retry", code=1)
        assert run.statuses() == {"T-01": "pending", "T-02": "completed", "T-03": "running", "T-04": "waiting"}
        said = run("check", code=1).stdout
        assert "T-02 is completed, but T-01, which it depends on, is open again" in said
        assert "T-03 is running, but T-01, which it depends on, is open again" in said


class TestApprovals:
    def test_a_task_that_needs_approval_starts_only_after_it(self, run: RunFolder) -> None:
        run.init(task("T-01"), task("T-02", ["T-01"], approval=True))
        run.complete("T-01")
        assert run("next", "--json").json == {
            "ready": [],
            "running": [],
            "waiting_for_approval": ["T-02"],
            "batch": None,
            "state": "paused",
        }
        assert "waiting for approval: T-02" in run.table.read_text()
        run("start", "T-02", code=1)
        run("approve", "T-02", "--note", "looks fine")
        assert run.statuses()["T-02"] == "pending"
        assert "looks fine" in run.log()
        assert run.events("approved")[0]["task"] == "T-02"

    def test_all_means_those_that_wait_later_as_well(self, run: RunFolder) -> None:
        run.init(task("T-01", approval=True), task("T-02", ["T-01"], approval=True), task("T-03"))
        run("approve", "--all")
        run.complete("T-01")
        assert run.statuses()["T-02"] == "pending"

    def test_an_approval_that_nobody_asked_for_is_wrong_usage(self, run: RunFolder) -> None:
        run.init(task("T-01"))
        run("approve", "T-01", code=2)
        run("approve", code=2)


class TestPauses:
    def test_nothing_is_offered_in_a_pause_and_resume_ends_it(self, run: RunFolder) -> None:
        run.init(task("T-01"), task("T-02"))
        run("start", "T-01")
        run("pause", "--reason", "lunch")
        assert run("next", "--json").json["ready"] == []
        run("complete", "T-01", "--result", "-", stdin="x")
        status = run.status()["run"]
        assert (status["state"], status["reason"]) == ("paused", "Paused: lunch")
        assert "Paused: lunch" in run.table.read_text()
        assert run("resume", "--json").json["paused"] is False
        assert run.status()["run"]["state"] == "running"
        assert run("resume").stdout == "The run was not paused.\n"


class TestLeases:
    def test_what_is_not_renewed_is_put_back_when_the_lease_is_over(self, run: RunFolder) -> None:
        run.init(task("T-01", timeout="10m"), task("T-02"))
        run("start", "T-01", "T-02")
        later = {"ORCHESTRATE_NOW": "+540"}
        run("start", "T-01", "--renew", environment=later)
        run("pause", environment={"ORCHESTRATE_NOW": "+700"})
        assert run.statuses() == {"T-01": "running", "T-02": "running"}
        ended = run("resume", environment={"ORCHESTRATE_NOW": "+1200"})
        assert "T-01: its worker or lease was gone; it is pending now" in ended.stderr
        assert run.statuses() == {"T-01": "pending", "T-02": "running"}
        run("pause", environment={"ORCHESTRATE_NOW": "+3700"})
        assert run.statuses() == {"T-01": "pending", "T-02": "pending"}
        assert run.entry("T-01")["retries"] == 0

    def test_a_reader_puts_nothing_back(self, run: RunFolder) -> None:
        run.init(task("T-01"))
        run("start", "T-01")
        run("status", environment={"ORCHESTRATE_NOW": "+9999"})
        assert run.events("task_put_back") == []


class TestResources:
    def test_two_that_want_the_same_are_not_offered_nor_started_together(self, run: RunFolder) -> None:
        run.init(task("T-01", resources=["db"]), task("T-02", resources=["db"]), task("T-03"))
        offered = run("next")
        assert "Not beside these: T-02, T-01 wants the resource db as well" in offered.stdout
        assert run("next", "--json").json["ready"] == ["T-01", "T-03"]
        assert "T-02 cannot run beside T-01: both want the resource db" in run("start", "T-01", "T-02", code=1).stderr
        run("start", "T-01")
        run("start", "T-02", code=1)
        run("complete", "T-01", "--result", "-", stdin="x")
        run("start", "T-02")


class TestIds:
    def test_ids_are_taken_in_any_case_and_written_as_the_plan_does(self, run: RunFolder) -> None:
        run.init(task("Auth-002-Backend"))
        run("start", "auth-002-backend")
        assert run.events("task_started")[0]["task"] == "Auth-002-Backend"

    def test_an_unknown_id_is_wrong_usage_and_names_near_ones(self, run: RunFolder) -> None:
        run.init(*DIAMOND)
        refused = run("start", "T-10", code=2)
        assert "there is no task 'T-10'" in refused.stderr
        assert "try: one of T-04, T-03, T-02" in refused.stderr


class TestInit:
    def test_it_makes_every_file_private(self, run: RunFolder) -> None:
        run.init(*DIAMOND)
        assert run.folder.stat().st_mode & 0o777 == 0o700
        for path in run.folder.rglob("*"):
            assert path.stat().st_mode & 0o077 == 0, path
        assert {path.name for path in (run.folder / "agent_tasks").iterdir()} == {f"agent-0{n}.md" for n in range(1, 5)}
        assert [event["type"] for event in run.events()] == ["orchestration_started", "plan_changed"]
        assert (run.events()[0]["subtasks"], run.events()[0]["agents"]) == (4, 4)

    def test_agents_that_have_several_tasks_have_files_with_the_tasks(self, run: RunFolder) -> None:
        run.init(task("T-01", agent="Agent-01"), task("T-02", agent="Agent-01"), task("T-03"))
        names = {path.name for path in (run.folder / "agent_tasks").iterdir()}
        assert names == {"agent-01.T-01.md", "agent-01.T-02.md", "agent-02.md"}
        assert run.events()[0]["agents"] == 2
        run.complete("T-02")
        assert (run.folder / "results" / "agent-01.T-02-result.md").exists()

    def test_a_second_run_is_refused_and_force_keeps_the_first_aside(self, run: RunFolder) -> None:
        run.init(task("T-01"))
        run.complete("T-01")
        (run.folder / "roles").mkdir()
        (run.folder / "roles" / "mine.md").write_text("# Mine\n")
        refused = run("init", code=3)
        assert "there is a run in" in refused.stderr
        assert "--force" in refused.stderr
        made = run("init", "--force", "--json").json
        kept = Path(made["kept"])
        assert kept.parent == run.project
        assert (kept / "results" / "agent-01-result.md").exists()
        assert json.loads((kept / "events.jsonl").read_text().splitlines()[-1])["type"] == "orchestration_completed"
        assert run.statuses() == {"T-01": "pending"}
        assert (run.folder / "roles" / "mine.md").exists()
        assert not (run.project / ".orchestrator.init-lock").exists()

    def test_two_forced_ones_in_one_second_keep_both(self, run: RunFolder) -> None:
        run.init(task("T-01"))
        frozen = {"ORCHESTRATE_NOW": "2026-11-21T08:00:00Z"}
        kept = {run("init", "--force", "--json", environment=frozen).json["kept"] for _ in range(2)}
        assert len(kept) == 2
        assert all(Path(name).is_dir() for name in kept)

    def test_the_plan_of_the_run_is_the_default_when_there_is_no_other(self, run: RunFolder) -> None:
        run.write_plan(task("T-01"), to=run.plan)
        written = run.plan.read_bytes()
        run("init")
        assert run.plan.read_bytes() == written
        run("init", "--force")
        assert run.plan.read_bytes() == written
        assert run.statuses() == {"T-01": "pending"}

    def test_another_place_is_named_with_dir(self, run: RunFolder) -> None:
        run.write_plan(task("T-01"))
        run("init", "--dir", "elsewhere")
        assert run("status", "--dir", "elsewhere", "--json").json["run"]["state"] == "planned"
        assert not run.folder.exists()

    def test_a_refused_plan_leaves_nothing(self, run: RunFolder) -> None:
        run.write_plan(task("T-01", ["T-01"]))
        refused = run("init", code=1)
        assert "plan.yaml:" in refused.stderr or "line" in refused.stderr
        assert not run.folder.exists()

    def test_a_refused_plan_does_not_touch_the_old_run_even_by_force(self, run: RunFolder) -> None:
        run.init(task("T-01"))
        before = run.journal.read_bytes()
        run.write_plan(task("T-01", ["T-99"]))
        run("init", "--force", code=1)
        assert run.journal.read_bytes() == before

    def test_warnings_are_told_and_do_not_refuse(self, run: RunFolder) -> None:
        run.write_plan({"id": "T-01", "name": "Look", "description": "Look at it."})
        assert "warning" in run("init").stderr

    def test_without_a_run_every_command_says_how_to_begin_one(self, run: RunFolder) -> None:
        for words in (["status"], ["next"], ["start", "T-01"], ["check"], ["log"], ["add", "x"]):
            refused = run(*words, code=3)
            assert "there is no run in" in refused.stderr
            assert "orchestrate init PLAN" in refused.stderr


BAD_PLANS: list[tuple[str, bytes, str]] = [
    ("cycle", b"tasks:\n- {id: A, description: a, deps: [B]}\n- {id: B, description: b, deps: [A]}\n", "A"),
    ("unknown dependency", b"tasks:\n- {id: A, description: a, deps: [Z]}\n", "Z"),
    ("duplicate id", b"tasks:\n- {id: A, description: a}\n- {id: a, description: b}\n", "line 3"),
    ("unsafe id", b"tasks:\n- {id: ../x, description: a}\n", "../x"),
    ("device name", b"tasks:\n- {id: con, description: a}\n", "con"),
    ("path outside", b"tasks:\n- {id: A, description: a, outputs: [../x]}\n", "../x"),
    ("tab", b"tasks:\n\t- {id: A}\n", "line 2"),
    ("duplicate key", b"title: a\ntitle: b\ntasks: []\n", "line 2"),
    ("wrong type", b"tasks: 7\n", "tasks"),
    ("not UTF-8", b"title: \xff\ntasks: []\n", "UTF-8"),
    ("10 MB", b"title: x\n# " + b"x" * 10_000_000, "MiB"),
    ("empty", b"", "empty"),
]


class TestBadPlans:
    @pytest.mark.parametrize(("data", "said"), [each[1:] for each in BAD_PLANS], ids=[each[0] for each in BAD_PLANS])
    def test_they_are_refused_with_their_line_and_leave_nothing(self, run: RunFolder, data: bytes, said: str) -> None:
        run.save(run.project / "plan.yaml", data)
        refused = run("init", code=1)
        assert said in refused.stderr
        assert refused.stdout == ""
        assert not run.folder.exists()

    def test_a_bom_and_line_ends_of_windows_are_read(self, run: RunFolder) -> None:
        text = "\ufeffversion: 1\r\ntasks:\r\n- id: A\r\n  description: do a\r\n"
        run.save(run.project / "plan.yaml", text.encode())
        run("init")
        assert run.statuses() == {"A": "pending"}
        run("add", "More", "--description", "More of it.")
        assert run.plan.read_bytes().startswith(b"\xef\xbb\xbfversion: 1\r\n")

    def test_a_missing_plan_and_a_folder_say_what_to_do(self, run: RunFolder) -> None:
        assert "there is no plan" in run("init", code=3).stderr
        assert "is a folder" in run("init", ".", code=3).stderr


class TestTrust:
    def test_init_names_what_it_would_start_and_trust_accepts_it(self, run: RunFolder) -> None:
        run.write_plan(task("T-01", verify=["true"]), run={"command": "my-agent", "hooks": {"on_failed": "notify"}})
        told = run("init").stderr
        for part in ("verify of T-01: true", "run.command: my-agent", "hook on_failed: notify"):
            assert part in told
        assert len(run("trust", "--json").json["trusted"]) == 3
        assert "Trusted" in run.log()
        assert "not trusted" not in run("status").stderr

    def test_init_trust_shows_the_run_as_it_then_is(self, run: RunFolder) -> None:
        run.write_plan(task("T-01", verify=["true"]))
        run("init", "--trust")
        assert "Trusted" in run.log()
        run("start", "T-01")
        run("complete", "T-01", "--result", "-", stdin="x")

    def test_a_task_that_starts_nothing_does_not_drop_it(self, run: RunFolder) -> None:
        run.write_plan(task("T-01", verify=["true"]))
        run("init", "--trust")
        run("add", "More", "--description", "More of it.")
        run("start", "T-01")
        run("complete", "T-01", "--result", "-", stdin="x")

    def test_a_part_that_is_changed_drops_it(self, run: RunFolder) -> None:
        run.write_plan(task("T-01", verify=["true"]))
        run("init", "--trust")
        run.edit_plan(lambda plan: plan["tasks"][0].update(verify=["false"]))
        run("start", "T-01")
        assert "verify of T-01: false" in run("complete", "T-01", "--result", "-", stdin="x", code=3).stderr
